/* admin.tls and admin.users of tollgate.yaml: how the admin server is reached with TLS, and
 * which user has which role. */
#ifndef POLICY_CONFIG_ADMIN_H
#define POLICY_CONFIG_ADMIN_H

#include "policy/config/fields.h"

/* Bits of a set of roles. An operator or auditor is also a viewer. */
enum { ROLE_VIEWER = 1, ROLE_OPERATOR = 2, ROLE_AUDITOR = 4 };
enum { ROLES = 3, ROLES_TEXT = 32 /* bytes, with NUL */ };
/* Names in the order of the bits. NULL ends the list. */
extern const char *const role_names[ROLES + 1];

/* Reads "operator,auditor". Returns bits, or 0 if a word is not a role. Operators and auditors
 * get the bit of viewers too. */
unsigned roles_parse(struct span s);
/* Writes the roles' names with commas. "viewer" is left out if another role includes it.
 * Returns `out`. */
const char *roles_text(unsigned roles, char out[ROLES_TEXT]);

/* A row of admin.users: a user of this machine, or the name in a client certificate. Strings
 * live in the configuration's arena. */
struct admin_user {
	const char *name; /* digits alone: a uid */
	/* bits ROLE_… */
	unsigned roles;
};

struct admin_tls {
	const struct yaml_node *listen; /* ADDRESS:PORT, for values.c */
	const char *certificate, *key;
	/* PEM of the authorities that sign client certificates; NULL: clients need no
	 * certificate */
	const char *clients;
};

extern const struct section admin_tls_fields;

#endif
