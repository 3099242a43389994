/* Reads admin.tls ({listen, certificate, key, clients}) and admin.users ({NAME or UID: ROLE or
 * [ROLES]}) of tollgate.yaml. */
#include "policy/config/admin.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "policy/config/read.h"
#include "policy/config/rows.h"

const char *const role_names[ROLES + 1] = { "viewer", "operator", "auditor", NULL };

unsigned
roles_parse(struct span s)
{
	unsigned roles = 0;

	if (!s.n || s.p[s.n - 1] == ',')
		return 0;
	while (s.n) {
		size_t i = span_find(span_trim(span_next(&s, ','), " "), role_names, ROLES);
		if (i == ROLES)
			return 0;
		roles |= 1u << i | ROLE_VIEWER;
	}
	return roles;
}

const char *
roles_text(unsigned roles, char out[ROLES_TEXT])
{
	size_t n = 0;

	if (roles & ~(unsigned)ROLE_VIEWER)
		roles &= ~(unsigned)ROLE_VIEWER;
	out[0] = '\0';
	for (size_t i = 0; i < ROLES; i++)
		if (roles >> i & 1)
			n += (size_t)snprintf(
				out + n, ROLES_TEXT - n, "%s%s", n ? "," : "", role_names[i]);
	return out;
}

/* clang-format off */
const struct section admin_tls_fields = { "admin.tls", "[\"listen\",\"certificate\",\"key\"]", .fields = {
	{ "listen", OTHER(TEXT) },
	{ "certificate", A_FILE(admin_tls, certificate) },
	{ "key", A_FILE(admin_tls, key) },
	{ "clients", A_FILE(admin_tls, clients) },
} };
/* clang-format on */

void
admin_tls_read(
	struct arena *a, struct diag *d, const struct yaml_node *n, struct admin_tls *out)
{
	static const char *const needed[] = { "listen", "certificate", "key" };

	if (!fields_read(a, d, n, &admin_tls_fields, out))
		return;
	out->listen = yaml_get(n, "listen");
	for (size_t i = 0; i < COUNT_OF(needed); i++)
		if (!yaml_get(n, needed[i]))
			diag_at(d, n, "admin.tls.%s: is missing", needed[i]);
}

/* Returns the roles of a word or a list, or 0 after it reported an error. */
static unsigned
roles_of(struct diag *d, const struct yaml_node *n)
{
	unsigned roles = 0;

	if (n->kind == YAML_SCALAR)
		roles = roles_parse(n->s);
	else
		for (const struct yaml_node *c = yaml_first(n); c; c = yaml_next(n, c)) {
			unsigned one = c->kind == YAML_SCALAR ? roles_parse(c->s) : 0;
			if (!one) {
				roles = 0;
				break;
			}
			roles |= one;
		}
	if (!roles)
		diag_at(d, n,
			"admin.users: %s: viewer, operator, auditor or a list of these is "
			"expected",
			n->key && n->key->s.p ? n->key->s.p : "?");
	return roles;
}

void
admin_users_read(struct arena *a, struct diag *d, const struct yaml_node *n,
	struct admin_user **out, size_t *count)
{
	if (n->kind != YAML_MAPPING) {
		diag_at(d, n,
			"admin.users: a mapping of user names or uids to roles is expected, "
			"such as {alice: operator}");
		return;
	}
	struct admin_user *list = read_array(a, d, n, CAP_ADMIN_USERS, sizeof(*list));
	if (!list)
		return;
	*out = list;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		if (*count == CAP_ADMIN_USERS) {
			diag_at(d, c, "admin.users: more than %d", CAP_ADMIN_USERS);
			return;
		}
		if (!c->key->s.n || c->key->s.n > 64)
			diag_at(d, c->key, "admin.users: a name of 1 to 64 bytes is expected");
		list[*count].name = c->key->s.p;
		list[(*count)++].roles = roles_of(d, c);
	}
}
