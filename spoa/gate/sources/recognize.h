/* Asking external recognizers over HTTP: one call at a time is an `ask`. Each
 * recognizer has, on each worker, a number of calls at once, a queue for the rest, a
 * circuit breaker and a memory of answers. owner: worker. */
#ifndef GATE_SOURCES_RECOGNIZE_H
#define GATE_SOURCES_RECOGNIZE_H

#include <ev.h>
#include <stdatomic.h>

#include "base/sha256.h"
#include "base/tag.h"
#include "policy/policy.h"
#include "scan/detect/detect.h"

enum ask_outcome {
	ASK_ANSWERED,
	ASK_TIMEOUT,
	ASK_ERROR,     /* no connection, cut, another status than 200 */
	ASK_GARBAGE,   /* an answer that is none to what was asked */
	ASK_BREAKER,   /* the circuit is open */
	ASK_BUSY,      /* too many calls before it, for too long */
	ASK_TOO_LARGE, /* over max_bytes or the caps */
	ASK_MISSING,   /* `tollgate decide` was not given its answer */
	ASK_NOMEM,
	ASK_OUTCOMES
};
extern const char *const ask_outcome_names[ASK_OUTCOMES];

struct peer;
struct ask {
	struct tag tag;
	/* the caller's, until done() */
	const struct policy *policy;
	const struct external *x;
	const struct span *texts;
	const unsigned char (*keys)[SHA256_BYTES]; /* of the texts: recognize_key() */
	size_t n;
	/* once true, the texts are gone: nothing is sent or read */
	bool (*over)(const struct ask *a);
	uint64_t deadline_us;
	struct arena *arena;
	struct findings *found; /* n */
	void (*done)(struct ask *a);
	void *arg;
	enum ask_outcome outcome; /* out */
	/* recognize.c's */
	struct peer *peer;
	uint64_t sent_us;
	struct ask *next;
};

struct recognizers;
struct recognizers *recognizers_new(struct ev_loop *loop);
/* Asks that are under way end without done(). */
void recognizers_free(struct recognizers **r);
/* The daemon stops: calls under way fail, further ones are refused. */
void recognizers_abort(struct recognizers *r);
/* Peers that this policy does not have go, once nothing is asked of them. */
void recognizers_keep(struct recognizers *r, const struct policy *p);
/* Every 10 ms or so while it is true: asks wait in the queue. Those whose time passed end. */
bool recognizers_tick(struct recognizers *r, uint64_t now_us);

/* What this worker knows of a recognizer; valid until the loop's next turn. NULL: out of
 * memory. */
struct peer *recognize_peer(
	struct recognizers *r, const struct policy *p, const struct external *x);
/* The name under which an answer about the text is remembered. */
void recognize_key(const struct peer *e, struct span text, unsigned char key[SHA256_BYTES]);
/* The remembered answer, or false. */
bool recognize_known(struct peer *e, const unsigned char key[SHA256_BYTES], struct arena *a,
	struct findings *out);
/* True: done() will run on the loop, never within this call. False: it is refused at
 * once, the outcome says why, and done() does not run. */
bool recognize_ask(struct recognizers *r, struct ask *a);
/* One answer of which the caller has the text. */
enum ask_outcome recognize_read(struct ask *a, struct span answer, const char **why);

/* Counts of one recognizer, by name; read by any thread. Slots are never given to
 * another name. */
enum { RECOGNIZER_STATS = 32 };
struct recognizer_stats {
	_Atomic bool used; /* the name is set */
	char name[65];
	_Atomic uint64_t outcomes[ASK_OUTCOMES]; /* calls, or asks refused */
	_Atomic uint64_t hits, misses;		 /* texts */
	_Atomic uint64_t latency_us;		 /* of all calls with an end */
	_Atomic uint64_t opened;
	_Atomic bool open;
};
const struct recognizer_stats *recognizers_stats(const struct recognizers *r);
/* The sums over n workers: lines of /metrics, and a list for /status. */
void recognizers_metrics(struct buf *out, const struct recognizers *const *r, size_t n);
void recognizers_status(struct buf *out, const struct recognizers *const *r, size_t n);

#endif
