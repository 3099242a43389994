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

/* Returns the roles of a user of this machine, as bits of ROLE_*; 0: none. Root and the
 * daemon's own user have all roles unless admin.users names them. */
unsigned access_of_uid(struct access *a, uid_t uid, const char *user);
/* Returns the roles of the name in a client certificate; 0: none. */
unsigned access_of_name(struct access *a, const char *name);
/* Returns true if a browser may address the admin server by this Host field, for example
 * "localhost:8406". */
bool access_host(struct access *a, struct span host);

#endif
