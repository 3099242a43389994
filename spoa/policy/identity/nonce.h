/* Nonces seen within the time that a signature holds: one window for the process, taken
 * from by all workers without a lock. Of a nonce 64 bits of a hash are kept. */
#ifndef POLICY_IDENTITY_NONCE_H
#define POLICY_IDENTITY_NONCE_H

#include "base/span.h"

struct nonce_window;

/* started_us: when the process began, monotonic. NULL: out of memory. */
struct nonce_window *nonce_window_new(size_t entries, uint64_t started_us);
void nonce_window_free(struct nonce_window **w);
/* When the process began, in wall seconds of the clock that is believed now: a previous process may
 * have seen what was signed before. A clock that was ahead at the start and is corrected moves
 * this time with it. */
int64_t nonce_window_started(const struct nonce_window *w);

/* Any thread. 0: never seen, and now remembered until `until_s` (wall seconds);
 * ERR_DUPLICATE: seen; ERR_LIMIT: the window is full here. */
int nonce_take(struct nonce_window *w, struct span nonce, int64_t now_s, int64_t until_s);

#endif
