/* The canonical text of a JSON value. It is equal for equal values, whatever the order of
 * keys, the white space and the escapes in the source. Members are sorted by the bytes of
 * their names, and strings have the fewest escapes. Numbers stay as written, so 1 and 1.0 are
 * different texts (RFC 8785 would read them as doubles and lose digits). */
#ifndef GATE_TOOLPINS_CANONICAL_H
#define GATE_TOOLPINS_CANONICAL_H

#include "base/arena.h"
#include "base/buf.h"

/* Appends the text. Members of the outermost object with the name `without` (NULL: none) are
 * left out. Memory comes from the arena. Returns 0, the error of json_error(), or ERR_NOMEM.
 */
int canonical_write(struct arena *a, struct span json, const char *without, struct buf *out);

#endif
