/* Makes an HTTP response from a stored one, whole or as a stream, as the request asks. */
#ifndef GATE_CACHE_HIT_H
#define GATE_CACHE_HIT_H

#include "gate/cache/entry.h"

struct cache_hit {
	bool stream, array; /* the stream is Gemini's JSON array of responses */
	/* for a chat stream: the caller asked for an event with the usage */
	bool wants_usage;
	struct span id;	    /* the decision's id, from which the response gets a new id */
	/* the body of the request: some of its members are repeated in the response */
	struct span asked;
	struct span model;  /* used if the response names no model */
};

/* Appends a complete HTTP/1.1 response. Returns 0, or a negative error if the response cannot
 * be written in this form. */
int cache_answer_again(
	const struct cache_answer *a, const struct cache_hit *h, struct buf *out);

#endif
