/* One worker's calls to tollgate-extract: HTTP over its unix socket. Few files are under way at
 * once, the others wait; a body is copied when it is sent, so that those who wait cost nothing
 * but what their request holds. owner: worker. */
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
	const char *path; /* of its socket; NULL: there is none, and nothing is asked */
	struct http_client *http;
	TAILQ_HEAD(, extract_ask) waiting;
	unsigned running;
	size_t callers[EXTRACT_CALLS]; /* of those that run */
};

/* The caller's, until done(). */
struct extract_ask {
	struct tag tag;
	struct extractor *x;
	TAILQ_ENTRY(extract_ask) next;
	struct span file;
	bool picture, ocr;
	size_t caller; /* whose it is: who sends many waits for himself */
	uint64_t deadline_us;
	/* once true, nothing is sent */
	bool (*over)(const struct extract_ask *a);
	/* `why`: a word of extract_words; NULL: `answer` is valid during the call */
	void (*done)(struct extract_ask *a, const char *why, struct span answer);
	void *arg;
};

extern const char extract_away[], extract_late[], extract_nonsense[];

void extractor_init(
	struct extractor *x, struct ev_loop *loop, struct metrics *m, const char *path);
void extractor_free(struct extractor *x);
/* The daemon stops: all asks end. */
void extractor_abort(struct extractor *x);
/* done() runs on the loop, never within this call. extractor_tick() must run from now on. */
void extractor_ask(struct extractor *x, struct extract_ask *a);
/* Those that waited too long end. True: more wait. */
bool extractor_tick(struct extractor *x, uint64_t now_us);

#endif
