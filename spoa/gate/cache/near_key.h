/* Keys for similar prompts. Such a key is made as in key.h, but the prompt is replaced by the
 * part that similar prompts have in common (near.h). All other parts of the request count as
 * usual. */
#ifndef GATE_CACHE_NEAR_KEY_H
#define GATE_CACHE_NEAR_KEY_H

#include "gate/cache/key.h"
#include "gate/cache/near.h"

enum { NEAR_BODY_MOST = 64 << 10 }; /* bytes; a longer request has no such key */

/* Writes the key to `out` and appends the prompt's text to `prompt`, for near_similarity().
 * Returns NULL, or a constant phrase that explains why the request has no such key. A request
 * has one only if it contains one text prompt, no tools, and no system text that is about
 * texts. Call it with an `ask` for which cache_key() made a key. */
const char *cache_near_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES]);

/* As cache_near_key(), but with the firm words of the prompt (meaning.h). All entries with
 * the same firm words are in one set under this key. The text in `prompt` is compared by its
 * embedding vector. */
const char *cache_meaning_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES]);

#endif
