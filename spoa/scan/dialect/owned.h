/* References to things that belong to one provider, one API key and usually one model: a
 * response or a conversation that the provider keeps, an uploaded file, reasoning that the
 * provider signed or sealed. A request that contains a reference must be sent to the target
 * that created the thing. Any thread. */
#ifndef SCAN_DIALECT_OWNED_H
#define SCAN_DIALECT_OWNED_H

#include "scan/dialect/dialect.h"

enum { OWNED_MAX = 32 };

/* One reference of a request. Callers hold at most OWNED_MAX. */
struct owned {
	struct file_name id; /* hash of the id, or of the sealed bytes */
	/* the sealed content is in the request; without it any target could serve the
	 * request */
	bool sealed;
};

/* Collects the references of a request and returns their number. Ids come first, the body's
 * last ones before others, then the last seals. `target`: segments of the path, for things that
 * are fetched by path. */
size_t dialect_owned(const struct endpoint *e, const struct body *b,
	const struct segment *target, size_t ntarget, struct owned out[OWNED_MAX]);

/* The state that a provider keeps after a request, for later requests to continue with. */
enum dialect_keeping {
	KEEPS_NOTHING,
	KEEPS_TURN,   /* its response, which later requests can name; immutable */
	/* an object that the request creates or adds to: a conversation, a thread, a file, a
	 * cache, … */
	KEEPS_OBJECT,
};
enum dialect_keeping dialect_keeps(const struct endpoint *e, const struct body *b);

/* A kept thing that a request names. */
struct kept_name {
	struct file_name id;
	bool turn;  /* a stored response (KEEPS_TURN), or a summary that the provider sealed */
	bool grows; /* the request's content is added to it: a conversation, a thread */
};
/* Collects the kept things whose texts the model may see in addition to the request's own.
 * Returns their number. */
size_t dialect_kept_names(const struct endpoint *e, const struct body *b,
	const struct segment *target, size_t ntarget, struct kept_name out[OWNED_MAX]);

/* Something that a response creates at the provider, and that later requests may name. */
struct made_thing {
	struct file_name id;
	enum made_what {
		/* a conversation, a file, a container, …: later requests can fetch it */
		MADE_THING,
		/* the response itself: later requests can fetch it if the provider keeps it */
		MADE_TURN,
		/* an item of the response: available only as part of its response or
		 * conversation */
		MADE_ITEM,
		/* sealed or signed content, which the client sends back in a later request */
		MADE_SEAL,
	} what;
};
/* Adds to v[*n] the things that a response, or an event of its stream, creates. The arena is
 * used while reading. */
void dialect_made_things(
	struct span document, struct arena *a, struct made_thing v[OWNED_MAX], size_t *n);
/* Returns true if later requests can refer to the response of this request by id: the provider
 * keeps the response, or the request fetched or changed a kept object. */
bool dialect_turn_is_kept(const struct endpoint *e, const struct body *b);
/* Returns true if the event may create something. Most events only carry text, so callers can
 * skip them without parsing. */
bool dialect_may_have_made(struct span event);

#endif
