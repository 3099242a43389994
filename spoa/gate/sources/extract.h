/* One worker's calls to tollgate-extract (HTTP over its unix socket) or to a transcriber. At most
 * `most` files are in flight at the same time, and the others wait. A file is sent from the request's
 * memory, without a copy. owner: worker. */
#ifndef GATE_SOURCES_EXTRACT_H
#define GATE_SOURCES_EXTRACT_H

#include <ev.h>
#include <sys/queue.h>

#include "base/metrics.h"
#include "base/span.h"
#include "base/tag.h"

/* EXTRACT_CALLS: files in flight at tollgate-extract; EXTRACT_MOST: the highest value of `most` */
enum { EXTRACT_CALLS = 4, EXTRACT_MOST = 16 };

struct extract_ask;
struct extractor;
/* A service that reads files. Constant. */
struct extract_service {
	/* Starts the call, whose end is extract_came() with the ask. Returns false if memory is
	 * exhausted. */
	bool (*call)(struct extractor *x, struct extract_ask *a, uint64_t deadline_us);
	/* Learns how a call ended, before done() is called. NULL: nobody */
	void (*ended)(struct extractor *x, bool failed);
	/* words of `why`: not reachable, too slow, an invalid response */
	const char *away, *late, *nonsense;
	/* counters of files that were read, and that were not */
	enum metric read, failed;
};

struct extractor {
	struct ev_loop *loop;
	struct metrics *metrics;
	const struct extract_service *service;
	const char *path; /* path of the socket; NULL: not configured, and nothing is asked */
	struct http_client *http;
	TAILQ_HEAD(, extract_ask) waiting;
	unsigned running, most;
	size_t callers[EXTRACT_MOST]; /* the callers of the files in flight */
};

/* One question about a file, in the caller's memory until done(). */
struct extract_ask {
	struct tag tag;
	struct extractor *x;
	TAILQ_ENTRY(extract_ask) next;
	struct span file;
	bool picture, document, ocr;
	/* of a sound: its transcriber, and the ending of a file's name */
	const struct transcriber *by;
	const char *kind;
	/* the caller: files of callers with fewer files in flight are sent first */
	size_t caller;
	uint64_t deadline_us;
	/* returns true if the request is over, so that nothing is sent for it */
	bool (*over)(const struct extract_ask *a);
	/* `why`: one of the words below, or NULL: `answer` is valid during the call */
	void (*done)(struct extract_ask *a, const char *why, struct span answer);
	void *arg;
};

/* Words of `why` of tollgate-extract: not reachable, an invalid response. A third one,
 * "extractor_late", is too slow. */
extern const char extract_away[], extract_nonsense[];

void extractor_init(
	struct extractor *x, struct ev_loop *loop, struct metrics *m, const char *path);
/* The same for another service. `most`: 1 to EXTRACT_MOST */
void extractor_init_for(struct extractor *x, struct ev_loop *loop, struct metrics *m,
	const struct extract_service *service, unsigned most);
void extractor_free(struct extractor *x);
/* Starts a call of a service, as its call() has to. Returns false if memory is exhausted. */
struct http_call_options;
bool extract_call(struct extractor *x, struct extract_ask *a, const struct http_call_options *o);
/* Call it when the daemon stops: all questions end. */
void extractor_abort(struct extractor *x);
/* Sends the file, or queues it. done() runs on the loop, never within this call.
 * extractor_tick() must be called from now on. */
void extractor_ask(struct extractor *x, struct extract_ask *a);
/* Ends the questions that have waited too long. Returns true if others wait. */
bool extractor_tick(struct extractor *x, uint64_t now_us);

#endif
