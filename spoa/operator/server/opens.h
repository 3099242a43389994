/* What a start opens and may be refused by: one table, for `tollgate check`. Each row tries it with
 * the code that `serve` opens it with, writes nothing and has the same words. */
#ifndef OPERATOR_SERVER_OPENS_H
#define OPERATOR_SERVER_OPENS_H

#include "base/sha256.h"
#include "policy/config/config.h"

/* Runs for each part of a start that would be refused: the option, and why. */
typedef void opens_found(void *arg, const char *option, struct span why);
/* As the user who runs this process. */
void opens_try(const struct config *cfg, opens_found *found, void *arg);

/* The parts that no other file has. The hash of the token in admin.token_file: 0 or ERR_IO. */
int opens_admin_token(const char *file, unsigned char sha256[SHA256_BYTES], struct buf *why);
/* A worker's own relay socket, next to the one of all: /DIR/relay.sock is /DIR/relay-0003.sock,
 * with the digits that its tickets begin with, by which HAProxy chooses it. A request that
 * arrives at its own worker is not handed over. False: there is none. `out` borrows `text`. */
bool opens_own_relay(
	const struct config *cfg, unsigned worker, struct address *out, char text[256]);

#endif
