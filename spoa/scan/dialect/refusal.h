/* Why a provider refused a request, from the provider's own error document. The reason decides
 * whether another target might succeed. One table of words and one of sentences serve all
 * families, because servers borrow each other's words. Any thread. */
#ifndef SCAN_DIALECT_REFUSAL_H
#define SCAN_DIALECT_REFUSAL_H

#include "base/arena.h"
#include "base/span.h"

/* If a document has several words, the highest value counts. */
enum refusal {
	REFUSAL_NONE,	    /* no known error */
	REFUSAL_CALLER,	    /* the caller's request is invalid */
	REFUSAL_SERVER,	    /* the provider failed, perhaps after it had begun */
	REFUSAL_OVERLOADED, /* the provider is overloaded for all its customers */
	REFUSAL_RATE,	    /* the gateway's key exceeds its rate limit */
	/* the gateway's key or account may not do this, and no code states whether it may do
	 * anything else */
	REFUSAL_ACCESS,
	REFUSAL_MODEL,	 /* the model does not exist, or not for this key */
	REFUSAL_CONTEXT, /* the prompt exceeds the model's context window */
	/* only this request is refused: its content, its size, or its price */
	REFUSAL_REQUEST,
	/* the request's signature is invalid: clocks differ, or the key is wrong */
	REFUSAL_SIGNATURE,
	REFUSAL_KEY,	/* a code names the gateway's key: missing, invalid or revoked */
	REFUSAL_CREDIT, /* a code names the account: empty, or over its spending limit */
	REFUSAL_SCOPE,	/* the gateway's key is valid, but may not use this endpoint */
	REFUSALS
};
extern const char *const refusal_names[REFUSALS]; /* "caller", "context", …, for log lines */

/* Classifies a provider's error. `status`: the HTTP status; 0 or 200: the document arrived
 * inside a stream as an event that the caller knows to be an error. `type`: the error type of
 * the framing or of a header (SSE's event, Amazon's :exception-type, x-amzn-errortype); empty:
 * none. `document`: the error document, or the event's data. Only its first 64 KB count, and
 * only if it is JSON. Words count only in members where families put them, never below members
 * that echo the caller's request. The arena is used while reading. */
enum refusal dialect_refusal(
	int status, struct span type, struct span document, struct arena *a);

#endif
