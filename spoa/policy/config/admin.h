/* admin.tls and admin.users: how the admin server is reached with TLS, and who may what there.
 */
#ifndef POLICY_CONFIG_ADMIN_H
#define POLICY_CONFIG_ADMIN_H

#include "policy/config/fields.h"

/* operator and auditor are viewers too. */
enum { ROLE_VIEWER = 1, ROLE_OPERATOR = 2, ROLE_AUDITOR = 4 };
enum { ROLES = 3, ROLES_TEXT = 32 };
/* By bit; NULL ends them. */
extern const char *const role_names[ROLES + 1];

/* "viewer,auditor" to bits; 0: one of them is no role. */
unsigned roles_parse(struct span s);
/* Those that say all: operator without viewer. */
const char *roles_text(unsigned roles, char out[ROLES_TEXT]);

/* A row of admin.users: a user of this machine, or the name in a client's certificate. */
struct admin_user {
	const char *name; /* digits alone: a uid */
	unsigned roles;
};

struct admin_tls {
	const struct yaml_node *listen; /* ADDRESS:PORT, for values.c */
	const char *certificate, *key;
	const char *clients; /* who signs clients' certificates; NULL: they need none */
};

extern const struct section admin_tls_fields;
void admin_tls_read(
	struct arena *a, struct diag *d, const struct yaml_node *n, struct admin_tls *out);
void admin_users_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct admin_user **out, size_t *count);

#endif
