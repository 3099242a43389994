/* The files and sockets that a start opens, as one table for `tollgate check`. Each row tries
 * to open its part with the code of `serve` and has the same messages, but writes nothing. */
#ifndef OPERATOR_SERVER_OPENS_H
#define OPERATOR_SERVER_OPENS_H

#include "base/sha256.h"
#include "policy/config/config.h"

/* Called for each part that would make a start fail, with its option and the reason. */
typedef void opens_found(void *arg, const char *option, struct span why);
/* Tries all rows, as the user of this process. */
void opens_try(const struct config *cfg, opens_found *found, void *arg);

/* Reads the token in admin.token_file and stores its hash. Returns 0, or ERR_IO with a message
 * in *why. */
int opens_admin_token(const char *file, unsigned char sha256[SHA256_BYTES], struct buf *why);
/* Stores the address of a worker's own relay socket: for /DIR/relay.sock and worker 3 it is
 * /DIR/relay-0003.sock. The digits are those with which the worker's tickets begin, so HAProxy
 * can send a request to the worker that decided it. Returns false if the relay has no path.
 * `out` borrows `text`. */
bool opens_own_relay(
	const struct config *cfg, unsigned worker, struct address *out, char text[256]);

#endif
