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
	REFUSAL_ACCESS,	    /* the gateway's key may not do this */
	REFUSAL_MODEL,	    /* the model does not exist, or not for this key */
	REFUSAL_CONTEXT,    /* the prompt exceeds the model's context window */
	/* the request's signature is invalid: clocks differ, or the key is wrong */
	REFUSAL_SIGNATURE,
	REFUSAL_KEY,	/* the gateway's key is missing, invalid or revoked */
	REFUSAL_CREDIT, /* the account is empty, or over its spending limit */
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
