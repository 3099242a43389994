/* Roles of users and tokens, and the host names under which browsers may address the admin
 * server: from tollgate.yaml and the tokens' file. Both are read again while the daemon runs.
 * Admin threads may call all functions; access_reload() runs on the main thread. */
#ifndef OPERATOR_ADMIN_ACCESS_H
#define OPERATOR_ADMIN_ACCESS_H

#include <sys/types.h>

#include "base/buf.h"
#include "operator/admin/tokens.h"
#include "policy/config/config.h"

struct access;
struct server;

/* Reads the configuration and the tokens' file. Returns NULL with a message in *why if memory
 * is exhausted. If the tokens' file is invalid, no token has a role. */
struct access *access_new(const struct config *cfg, struct server *s, struct buf *why);
void access_free(struct access **a);
/* Takes users, hosts and the path of the tokens' file from a new configuration, and copies
 * them. */
void access_reload(struct access *a, const struct config *cfg);

/* Returns true if admin.users names anybody. */
bool access_has_users(struct access *a);
/* Returns the roles of a user of this machine, as bits of ROLE_*; 0: none. Root and the
 * daemon's own user have all roles unless admin.users names them. */
unsigned access_of_uid(struct access *a, uid_t uid, const char *user);
/* Returns the roles of the name in a client certificate; 0: none. */
unsigned access_of_name(struct access *a, const char *name);
/* Returns the roles of the token with this hash and stores its name and end (Unix time in ns;
 * 0: never). Returns 0 if the token does not exist, has ended or is revoked. If the file has
 * changed, it is read first. */
unsigned access_of_token(struct access *a, const unsigned char sha256[SHA256_BYTES],
	char name[TOKEN_NAME + 1], int64_t *end_ns);
/* Returns true if a browser may address the admin server by this Host field, for example
 * "localhost:8406". */
bool access_host(struct access *a, struct span host);
/* Returns true if admin.tokens or admin.hosts is configured; requests must then use one of our
 * host names. */
bool access_is_named(struct access *a);

#endif
