/* A kept answer, as its provider would answer now: whole or as a stream, as this request asks.
 */
#ifndef GATE_CACHE_HIT_H
#define GATE_CACHE_HIT_H

#include "gate/cache/entry.h"

struct cache_hit {
	bool stream, array; /* as Gemini's list of answers */
	bool wants_usage;   /* of a stream of chat */
	struct span id;	    /* the decision's: the answer's own is new */
	struct span asked;  /* the body of the request, whose members are said again */
	struct span model;  /* where the answer names none */
};

/* Appends it as an answer of HTTP/1.1, of which all is there. 0, or negative: it cannot be
 * said so. */
int cache_answer_again(
	const struct cache_answer *a, const struct cache_hit *h, struct buf *out);

#endif
