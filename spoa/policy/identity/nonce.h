/* Nonces seen within the time that a signature holds: one window for the process, taken
 * from by all workers without a lock. Of a nonce 64 bits of a hash are kept. */
#ifndef POLICY_IDENTITY_NONCE_H
#define POLICY_IDENTITY_NONCE_H

#include "base/span.h"

struct nonce_window;

/* `started_s`: what was signed before it may have been seen by the process before. NULL:
 * out of memory. */
struct nonce_window *nonce_window_new(size_t entries, int64_t started_s);
void nonce_window_free(struct nonce_window **w);
int64_t nonce_window_started(const struct nonce_window *w);

/* Any thread. 0: never seen, and now remembered until `until_s` (wall seconds);
 * ERR_DUPLICATE: seen; ERR_LIMIT: the window is full here. */
int nonce_take(struct nonce_window *w, struct span nonce, int64_t now_s, int64_t until_s);

#endif
