/* Identifiers that other parts of the body name: keys of a call's arguments that are properties of
 * a schema, and identifiers in a text that is itself JSON. Any thread. */
#ifndef SCAN_TEXT_NAMED_H
#define SCAN_TEXT_NAMED_H

#include "base/arena.h"
#include "scan/text/body.h"

/* Names of properties in the schemas of a session's earlier messages. Zeroed at first; end with
 * known_names_drop(). Holds at most CAP_SOCKET_NAMES bytes; names beyond are not kept. Views of the
 * names stay valid until the end. owner: worker. */
struct known_names {
	struct arena arena;
	struct span *v;
	size_t n, room;
	size_t bytes;
};

/* Collects the names of the properties in the schemas of the body, and those in `known`, which may
 * be NULL. Marks keys with such a name as identifiers: in the arguments of a call, they are the names
 * of the tool's parameters, which the provider compares with the schema. The schema contains the name
 * anyway. A second call may add names. Returns 0 or ERR_NOMEM. */
int body_name_keys(struct body *b, const struct known_names *known, struct arena *a);

/* Adds the names of the properties in the schemas of the body. `b` was read with `known`. If memory
 * is exhausted, the names are not kept. */
void known_names_keep(struct known_names *known, const struct body *b);
void known_names_drop(struct known_names *known);

/* The segment that was asked about last, so that each text is read once. Zeroed at first; the
 * list is in the request's arena. */
struct named {
	const struct segment *s; /* with its text, since another body may have the address */
	struct span text;
	struct named_place {
		size_t start, end; /* offsets in the text, end exclusive */
	} * v;			   /* identifiers in the text, in ascending order */
	size_t n, room;
};

/* Returns true if the bytes from `start` to `end` of the segment's text are inside an identifier. In
 * the arguments of a call, an identifier is a key that names a property of a schema of the body. In
 * a schema that is a string, it is a name or a permitted value. *name is the whole identifier, as
 * it is written. If memory is exhausted, the result is false. */
bool named_at(const struct body *b, const struct segment *s, size_t start, size_t end,
	struct arena *a, struct named *last, struct span *name);

#endif
