/* The key of a request in the cache: a keyed hash of all that the response may depend on.
 *
 * Each member of a request body is part of the key, is known not to matter, or excludes the
 * request from the cache (key.c). A request with an unknown member is not cached. */
#ifndef GATE_CACHE_KEY_H
#define GATE_CACHE_KEY_H

#include "base/span.h"
#include "scan/dialect/form.h"

enum { CACHE_KEY_BYTES = 32 };

/* How the cache treats a member of the body. */
enum cache_member_kind {
	MEMBER_KEYED,  /* part of the key, as written */
	MEMBER_LEFT,   /* no response depends on this member */
	MEMBER_NEVER,  /* not cached, unless the value is null or `only` */
	MEMBER_NEEDED, /* not cached, unless the member is present and its value is `only` */
	/* the temperature: part of the key, and compared with the route's limit */
	MEMBER_WARMTH,
	MEMBER_TOOLS,  /* part of the key; not cached if the provider runs one of the tools */
	MEMBER_WITHIN  /* an object whose members have rows of their own */
};

struct cache_member {
	const char *name;
	enum cache_member_kind kind;
	/* "1", "false": the value as written; may be NULL */
	const char *only;
	const struct cache_member *members; /* for MEMBER_WITHIN; the last row has no name */
};
/* Returns the members of the bodies of this format; the last row has no name. Returns NULL if
 * requests of this format are not cached. */
const struct cache_member *cache_members(enum form f);

/* How the cache treats a header field of the request (fields.c). */
enum cache_field_kind {
	CACHE_FIELD_UNKNOWN, /* the request is not cached if the provider receives the field */
	CACHE_FIELD_KEYED,   /* the field belongs to the key */
	CACHE_FIELD_LEFT     /* no response depends on the field */
};
/* Returns the treatment of a field with this value. The case of the name does not matter. */
enum cache_field_kind cache_field_kind(struct span name, struct span value);
/* Returns the i-th known name, or NULL after the last. If *begins is set, the row stands for
 * all names that begin with it. */
const char *cache_field_name(size_t i, bool *begins);
/* Returns true if one of `n` names is this one, in any case. A name of the list that ends
 * with '*' stands for all names that begin with the text before it. */
bool cache_field_listed(struct span name, const char *const *list, size_t n);

/* The parts of a request that its key is made of. */
struct cache_ask {
	enum form form; /* form of the body */
	struct span body;
	/* other things that the response depends on: policy, caller, target and so on */
	const struct span *rest;
	size_t nrest;
	/* the highest temperature that is cached; a request without one counts as 1 */
	double warmest;
	/* For the key of a similar prompt only, otherwise empty. `prompt` is the prompt in
	 * the body, a string with its quotes. `same` is hashed in its place. */
	struct span prompt, same;
};

/* Writes the key to `out` and returns NULL, or returns a constant phrase that explains why
 * the request is not cached. Allocates nothing. */
const char *cache_key(const struct cache_ask *ask, const unsigned char secret[CACHE_KEY_BYTES],
	unsigned char out[CACHE_KEY_BYTES]);

/* Finds the values of an object's members, as written. `names` ends with NULL, and values[i]
 * belongs to names[i]. A value is empty if the object has no such member. Returns false if
 * the text is not an object that this parser reads (see members_of()). */
bool cache_member_values(struct span object, const char *const *names, struct span *values);

#endif
