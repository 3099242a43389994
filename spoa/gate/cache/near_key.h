/* By what an answer to a request that is near is found: a key as in key.h, with what near.h
 * says of the prompt in its place. All else counts as it does there. */
#ifndef GATE_CACHE_NEAR_KEY_H
#define GATE_CACHE_NEAR_KEY_H

#include "gate/cache/key.h"
#include "gate/cache/near.h"

enum { NEAR_BODY_MOST = 64 << 10 }; /* bytes: a longer request is near to none */

/* NULL with the key, and the prompt as it was written appended to `prompt`, for
 * near_similarity(); or why there is none, a fixed phrase. Only a request that is one prompt, a
 * text, with system texts that are not about texts and without tools has one. `ask` as for
 * cache_key(), which gave a key. */
const char *cache_near_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES]);

/* The same of what must be the same where meanings are compared: near ones are in one set,
 * under this key. The prompt appended to `prompt` is what is compared. */
const char *cache_meaning_key(const struct cache_ask *ask, const struct courtesy *c,
	const unsigned char secret[CACHE_KEY_BYTES], struct buf *prompt,
	unsigned char out[CACHE_KEY_BYTES]);

#endif
