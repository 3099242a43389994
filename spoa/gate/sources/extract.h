/* One worker's calls to tollgate-extract: HTTP over its unix socket. At most EXTRACT_CALLS
 * files are in flight at the same time, and the others wait. A file is copied only when it is
 * sent, so a waiting file costs no memory beyond the request's. owner: worker. */
#ifndef GATE_SOURCES_EXTRACT_H
#define GATE_SOURCES_EXTRACT_H

#include <ev.h>
#include <sys/queue.h>

#include "base/metrics.h"
#include "base/span.h"
#include "base/tag.h"

enum { EXTRACT_CALLS = 4 };

struct extractor {
	struct ev_loop *loop;
	struct metrics *metrics;
	const char *path; /* path of the socket; NULL: not configured, and nothing is asked */
	struct http_client *http;
	TAILQ_HEAD(, extract_ask) waiting;
	unsigned running;
	size_t callers[EXTRACT_CALLS]; /* the callers of the files in flight */
};

/* One question about a file, in the caller's memory until done(). */
struct extract_ask {
	struct tag tag;
	struct extractor *x;
	TAILQ_ENTRY(extract_ask) next;
	struct span file;
	bool picture, ocr;
	/* the caller: files of callers with fewer files in flight are sent first */
	size_t caller;
	uint64_t deadline_us;
	/* returns true if the request is over, so that nothing is sent for it */
	bool (*over)(const struct extract_ask *a);
	/* `why`: one of the words below, or NULL: `answer` is valid during the call */
	void (*done)(struct extract_ask *a, const char *why, struct span answer);
	void *arg;
};

/* Words of `why`: not reachable, an invalid response. A third one, "extractor_late", is too slow. */
extern const char extract_away[], extract_nonsense[];

void extractor_init(
	struct extractor *x, struct ev_loop *loop, struct metrics *m, const char *path);
void extractor_free(struct extractor *x);
/* Call it when the daemon stops: all questions end. */
void extractor_abort(struct extractor *x);
/* Sends the file, or queues it. done() runs on the loop, never within this call.
 * extractor_tick() must be called from now on. */
void extractor_ask(struct extractor *x, struct extract_ask *a);
/* Ends the questions that have waited too long. Returns true if others wait. */
bool extractor_tick(struct extractor *x, uint64_t now_us);

#endif
