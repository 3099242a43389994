/* Nonces seen during the time in which a signature is valid: one window for the process, used
 * by all workers without a lock. 64 bits of each nonce's hash are kept. */
#ifndef POLICY_IDENTITY_NONCE_H
#define POLICY_IDENTITY_NONCE_H

#include "base/span.h"

struct nonce_window;

/* Makes a window for `entries` nonces. `started_us` is the monotonic start time of the process.
 * Returns NULL if memory is exhausted. */
struct nonce_window *nonce_window_new(size_t entries, uint64_t started_us);
void nonce_window_free(struct nonce_window **w);

/* Any thread. Returns 0 if the nonce was not seen before; it is now remembered until `until_s`
 * (wall seconds). Returns ERR_DUPLICATE if it was seen, or ERR_LIMIT if its bucket is full. */
int nonce_take(struct nonce_window *w, struct span nonce, int64_t now_s, int64_t until_s);

#endif
