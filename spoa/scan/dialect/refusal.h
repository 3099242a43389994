/* Why a provider did not answer, in its own words: what decides whether another target may do
 * better. One table of words and one of sentences for all families: servers of one borrow those
 * of another. Any thread. */
#ifndef SCAN_DIALECT_REFUSAL_H
#define SCAN_DIALECT_REFUSAL_H

#include "base/arena.h"
#include "base/span.h"

/* Where a document says several, the last of this list counts. */
enum refusal {
	REFUSAL_NONE,	    /* no error that is known */
	REFUSAL_CALLER,	    /* the caller's own mistake */
	REFUSAL_SERVER,	    /* it failed, perhaps after it had begun */
	REFUSAL_OVERLOADED, /* it is, for everybody */
	REFUSAL_RATE,	    /* our key asks too often */
	REFUSAL_ACCESS,	    /* our key may not do this */
	REFUSAL_MODEL,	    /* no such model there, or not for our key */
	REFUSAL_CONTEXT,    /* the prompt is longer than the model reads */
	REFUSAL_SIGNATURE,  /* of the request: clocks differ, or its key is wrong */
	REFUSAL_KEY,	    /* our key is none, or is no longer */
	REFUSAL_CREDIT,	    /* our account is empty, or over what it may spend */
	REFUSALS
};
extern const char *const refusal_names[REFUSALS]; /* "caller", "context", … for people */

/* `status`: the answer's; 0, or 200: it came inside a stream, which the caller of this knows to
 * be an error. `type`: what the framing or a header says of it besides (SSE's event, Amazon's
 * :exception-type, x-amzn-errortype); empty: nothing. `document`: the error document, or the
 * data of the event; anything else, and all but the first 64 KB, says nothing. Words count only
 * where families have them: never below members that echo what the caller sent. The arena is
 * for reading. */
enum refusal dialect_refusal(
	int status, struct span type, struct span document, struct arena *a);

#endif
