/* What belongs to one provider, its key and mostly its model: a response or a conversation that
 * it keeps, a file that was uploaded to it, reasoning that it signed or sealed. A request that
 * brings one goes where it was made. Any thread. */
#ifndef SCAN_DIALECT_OWNED_H
#define SCAN_DIALECT_OWNED_H

#include "scan/dialect/dialect.h"

enum { OWNED_MAX = 32 };

struct owned {
	struct file_name id; /* of its name, or of the seal */
	bool sealed;	     /* it is in the request itself: without it the request could go */
};

/* What the request names or holds: names first, the last ones of the body before others, then
 * the last seals. `target`: segments of the path, for what is fetched by it. How many. */
size_t dialect_owned(const struct endpoint *e, const struct body *b,
	const struct segment *target, size_t ntarget, struct owned out[OWNED_MAX]);

/* What a provider keeps of a request, so that a later one may go on with it. */
enum dialect_keeping {
	KEEPS_NOTHING,
	KEEPS_TURN,   /* its response, whose name a later request says; it does not change */
	KEEPS_OBJECT, /* what it adds to or makes: a conversation, a thread, a file, a cache, … */
};
enum dialect_keeping dialect_keeps(const struct endpoint *e, const struct body *b);

/* A kept thing that a request names. */
struct kept_name {
	struct file_name id;
	bool turn;  /* what KEEPS_TURN is about, or a summary that a provider sealed */
	bool grows; /* what the request says is added to it: a conversation, a thread */
};
/* The kept things whose texts the model may see besides the request's own. How many. */
size_t dialect_kept_names(const struct endpoint *e, const struct body *b,
	const struct segment *target, size_t ntarget, struct kept_name out[OWNED_MAX]);

/* Something that a response creates at the provider, and that later requests may name. */
struct made_thing {
	struct file_name id;
	enum made_what {
		MADE_THING, /* a conversation, a file, a container, …: it can be asked for again */
		MADE_TURN,  /* the response itself: it can be, if the provider keeps it */
		MADE_ITEM,  /* an item of the response: only with what holds it */
		MADE_SEAL,  /* sealed or signed: it comes back inside a later request */
	} what;
};
/* Adds to v[*n] what a response, or an event of its stream, makes. The arena is for reading. */
void dialect_makes(struct span document, struct arena *a, struct made_thing v[OWNED_MAX], size_t *n);
/* Whether a later request can ask for the response to this one by its id: the provider keeps
 * it, or the request fetched or changed what is kept. */
bool dialect_turn_is_kept(const struct endpoint *e, const struct body *b);
/* Whether such an event may make something: most only bring text. */
bool dialect_may_make(struct span event);

#endif
