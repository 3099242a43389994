/* A signed line: a JSON object, a space, and the HMAC-SHA-256 of the object's bytes in
 * hexadecimal. Only a daemon with the key can make one. The line is the same on disk and in
 * Redis. */
#ifndef GATE_STORE_SIGNED_H
#define GATE_STORE_SIGNED_H

#include <jansson.h>

#include "base/buf.h"
#include "base/sha256.h"

/* Appends the object's line, without a newline. Returns false if memory is exhausted; `out`
 * has failed then. */
bool signed_write(json_t *object, const unsigned char key[SHA256_BYTES], struct buf *out);
/* Verifies a line of at most `most` bytes. Returns its object, which the caller owns, or NULL
 * with the reason in *why. */
json_t *signed_read(
	struct span line, size_t most, const unsigned char key[SHA256_BYTES], struct buf *why);
/* Returns the JSON text of a line that was made or verified before. The result borrows from
 * `line`. */
struct span signed_json(struct span line);
/* Returns true if the line has the form of a signed line, under any key. */
bool signed_like(struct span line, size_t most);

#endif
