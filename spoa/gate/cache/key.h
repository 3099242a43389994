/* By what an answer is found again: a keyed hash of all of a request that its answer may depend
 * on. Each member of a form is in it, or in the list of those that do not matter, or has no
 * cache (key.c); what nobody here knows has none. */
#ifndef GATE_CACHE_KEY_H
#define GATE_CACHE_KEY_H

#include "base/span.h"
#include "scan/dialect/form.h"

enum { CACHE_KEY_BYTES = 32 };

/* What a member means for the cache. */
enum cache_member_kind {
	MEMBER_KEYED,  /* part of the key, as it is written */
	MEMBER_LEFT,   /* no answer depends on it */
	MEMBER_NEVER,  /* whatever it says but null, and but `only`: no cache */
	MEMBER_NEEDED, /* no cache where it is absent, or another value than `only` */
	MEMBER_WARMTH, /* the temperature: part of the key */
	MEMBER_TOOLS,  /* part of the key; tools that the provider runs have no cache */
	MEMBER_WITHIN  /* an object with members of its own */
};

struct cache_member {
	const char *name;
	enum cache_member_kind kind;
	const char *only;		    /* "1", "false": the value as it is written */
	const struct cache_member *members; /* MEMBER_WITHIN; the last has no name */
};
/* Of the body of a form's requests; the last has no name. NULL: the form has no cache. */
const struct cache_member *cache_members(enum form f);

/* How the cache treats a header field of the request (fields.c). */
enum cache_field_kind {
	CACHE_FIELD_UNKNOWN, /* the request is not cached if the provider receives the field */
	CACHE_FIELD_KEYED,   /* the field belongs to the key */
	CACHE_FIELD_LEFT     /* no response depends on the field */
};
/* The treatment of a field with this value. The case of the name does not matter. */
enum cache_field_kind cache_field_kind(struct span name, struct span value);
/* The known names, each a name or (*begins) the beginning of names. NULL: the end. */
const char *cache_field_name(size_t i, bool *begins);
/* True if one of n names is this one, in any case. A name of the list that ends with '*' stands
 * for all that begin so. */
bool cache_field_listed(struct span name, const char *const *list, size_t n);

/* What one request is found by. */
struct cache_ask {
	enum form form; /* of the body */
	struct span body;
	const struct span *rest; /* what else an answer depends on: policy, caller, target … */
	size_t nrest;
	double warmest; /* temperature: warmer ones have no cache; absent is 1 */
	/* Of a near key: the prompt in the body, a string as it is written with its quotes, and
	 * what counts in its place. Else empty. */
	struct span prompt, same;
};

/* NULL with the key; or why it has none, a fixed phrase. Nothing is allocated. */
const char *cache_key(const struct cache_ask *ask, const unsigned char secret[CACHE_KEY_BYTES],
	unsigned char out[CACHE_KEY_BYTES]);

/* The values of an object's members, as they are written, in the order of `names`, which NULL
 * ends; empty: the object has none. False: it is none, or none that is read here. */
bool cache_member_values(struct span object, const char *const *names, struct span *values);

#endif
