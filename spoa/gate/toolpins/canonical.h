/* The canonical text of a JSON value: what a server says of a tool, whatever the order of keys,
 * blanks and escapes in which it says it. Members are sorted by the bytes of their names,
 * strings have the fewest escapes, numbers stay as they were written: 1 and 1.0 are two texts
 * (RFC 8785 would read them as doubles, and lose digits). */
#ifndef GATE_TOOLPINS_CANONICAL_H
#define GATE_TOOLPINS_CANONICAL_H

#include "base/arena.h"
#include "base/buf.h"

/* Appends it; members of the outermost object that have the name `without` are left out. Memory
 * comes from the arena. 0, or what json_error() says; ERR_NOMEM. */
int canonical_write(struct arena *a, struct span json, const char *without, struct buf *out);

#endif
