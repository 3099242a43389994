/* What the configuration and the tokens' file say of who may do what; read anew while the
 * daemon runs. Any admin thread; access_reload on the main one. */
#ifndef OPERATOR_ADMIN_ACCESS_H
#define OPERATOR_ADMIN_ACCESS_H

#include <sys/types.h>

#include "base/buf.h"
#include "operator/admin/tokens.h"
#include "policy/config/config.h"

struct access;
struct server;

/* NULL with a message in *why. */
struct access *access_new(const struct config *cfg, struct server *s, struct buf *why);
void access_free(struct access **a);
void access_reload(struct access *a, const struct config *cfg);

bool access_has_users(struct access *a);
/* Of a user of this machine; 0: none. */
unsigned access_of_uid(struct access *a, uid_t uid, const char *user);
/* Of the name in a certificate. */
unsigned access_of_name(struct access *a, const char *name);
/* Of a token's hash: its roles and name; 0: there is none, it is over or revoked. The file is
 * read again first, where it has changed. */
unsigned access_of_token(struct access *a, const unsigned char sha256[SHA256_BYTES],
	char name[TOKEN_NAME + 1], int64_t *end_ns);
/* Whether a browser may call us so: "localhost:8406". */
bool access_host(struct access *a, struct span host);
/* admin.tokens or admin.hosts is there: who calls must call us by our name. */
bool access_is_named(struct access *a);

#endif
