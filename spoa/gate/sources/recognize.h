/* Calls to external recognizers over HTTP. A call is an `ask`. For each recognizer, a worker
 * has a limit of concurrent calls, a queue, a circuit breaker and a memory of responses.
 * owner: worker. */
#ifndef GATE_SOURCES_RECOGNIZE_H
#define GATE_SOURCES_RECOGNIZE_H

#include <ev.h>
#include <stdatomic.h>

#include "base/sha256.h"
#include "base/tag.h"
#include "scan/detect/detect.h"

enum ask_outcome {
	ASK_ANSWERED,
	ASK_TIMEOUT, /* no response before the deadline */
	/* no connection, a connection that was cut, or a status other than 200 */
	ASK_ERROR,
	ASK_GARBAGE,   /* a response that does not fit the question */
	ASK_BREAKER,   /* the circuit breaker is open */
	/* the ask waited in the queue until its deadline, or the queue was full */
	ASK_BUSY,
	ASK_TOO_LARGE, /* larger than max_bytes or our limits */
	ASK_MISSING,   /* `tollgate decide` was given no response of this recognizer */
	ASK_NOMEM,
	ASK_OUTCOMES
};
extern const char *const ask_outcome_names[ASK_OUTCOMES];

struct auth;
struct external;
struct peer;
struct policy;
/* One call: a few texts for one recognizer. In the caller's memory until done(). */
struct ask {
	struct tag tag;
	/* set by the caller, valid until done() */
	const struct policy *policy;
	const struct external *x;
	struct auth *auth; /* the credential that x names; NULL: none */
	const struct span *texts;
	/* one key for each text: recognize_key() */
	const unsigned char (*keys)[SHA256_BYTES];
	size_t n;
	/* returns true if the texts are gone: nothing is sent or read then */
	bool (*over)(const struct ask *a);
	uint64_t deadline_us;
	struct arena *arena;
	struct findings *found; /* results, one for each of the `n` texts */
	void (*done)(struct ask *a);
	void *arg;
	enum ask_outcome outcome; /* the result */
	struct span unknown; /* a label that the policy's map does not have; empty: none */
	/* used by recognize.c */
	struct peer *peer;
	uint64_t sent_us;
	unsigned generation; /* of the credential that was sent */
	struct ask *next;
};

struct recognizers;
/* Returns NULL if memory is exhausted. */
struct recognizers *recognizers_new(struct ev_loop *loop);
/* Asks in flight end without done(). */
void recognizers_free(struct recognizers **r);
/* Call it when the daemon stops: calls in flight fail, and further ones are refused. */
void recognizers_abort(struct recognizers *r);
/* Removes peers that this policy does not name, once no ask uses them. */
void recognizers_keep(struct recognizers *r, const struct policy *p);
/* Ends the asks whose time has passed. Returns true if asks wait in a queue; then call it
 * again after about 10 ms. */
bool recognizers_tick(struct recognizers *r, uint64_t now_us);

/* Returns this worker's state of a recognizer, valid until the loop's next iteration, or
 * NULL if memory is exhausted. */
struct peer *recognize_peer(
	struct recognizers *r, const struct policy *p, const struct external *x);
/* Writes the key under which the response for the text is remembered. */
void recognize_key(const struct peer *e, struct span text, unsigned char key[SHA256_BYTES]);
/* Copies the remembered response to *out. Returns false if there is none. */
bool recognize_known(struct peer *e, const unsigned char key[SHA256_BYTES], struct arena *a,
	struct findings *out);
/* Sends or queues the ask. Returns true if done() will run on the loop, never within this
 * call. Returns false if the ask is refused at once: a->outcome is the reason and done() does
 * not run. */
bool recognize_ask(struct recognizers *r, struct ask *a);
/* Reads a response that the caller has already. *why: the fault in it. */
enum ask_outcome recognize_read(struct ask *a, struct span answer, const char **why);

/* Counters of one recognizer, by name, which any thread may read. A slot keeps its name. */
enum { RECOGNIZER_STATS = 32 };
struct recognizer_stats {
	_Atomic bool used; /* the name is set */
	char name[65];
	_Atomic uint64_t outcomes[ASK_OUTCOMES]; /* calls, and asks that were refused */
	/* segments that were found in the memory, or were not */
	_Atomic uint64_t hits, misses;
	_Atomic uint64_t latency_us;		 /* sum over all calls that ended, µs */
	_Atomic uint64_t opened; /* times that the breaker opened */
	_Atomic bool open;	 /* the breaker is open now */
	/* responses with a label that the policy's map does not have, and the monotonic time of the
	 * last one; 0: none */
	_Atomic uint64_t unknown, unknown_us;
};
const struct recognizer_stats *recognizers_stats(const struct recognizers *r);
/* Sum the counters of `n` workers: lines for /metrics, and a JSON list for /status. */
void recognizers_metrics(struct buf *out, const struct recognizers *const *r, size_t n);
void recognizers_status(struct buf *out, const struct recognizers *const *r, size_t n);

#endif
