/* From claims or certificates to an identity. A claim of the wrong type is refused and never
 * converted: a clearance that is a string must not be read as 0. */
#include "policy/identity/claims.h"

#include <stddef.h>

#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "policy/cel/value.h"
#include "policy/data.h"
#include "policy/policy.h"

enum { DEPTH_MAX = 8 }; /* levels of attributes, and of actors */

#define TEXT(member)                                                                           \
	{ #member, "the " #member " claim is not a string", offsetof(struct identity, member), \
		offsetof(struct claim_map, member) }
const struct identity_text identity_texts[] = { TEXT(person), TEXT(agent), TEXT(department),
	TEXT(team), TEXT(tier) };

/* Returns the claim at a path such as "act.sub". A member with that very name takes precedence
 * over the path. Returns NULL if the claim is absent or `path` is NULL. */
static json_t *
claim(json_t *claims, const char *path)
{
	json_t *v = json_object_get(claims, path);
	struct span rest = span_str(path);

	if (v || !path)
		return v;
	for (v = claims; v && rest.n;) {
		struct span name = span_next(&rest, '.');
		char key[256];
		if (name.n >= sizeof(key))
			return NULL;
		memcpy(key, name.p, name.n);
		key[name.n] = '\0';
		v = json_object_get(v, key);
	}
	return json_is_null(v) ? NULL : v;
}

static int
read_roles(json_t *claims, const char *path, struct arena *a, struct identity *out)
{
	json_t *v = claim(claims, path), *one;
	size_t i;

	if (!v)
		return 0;
	if (!json_is_array(v))
		return ERR_AUTH;
	struct cel_value *roles = arena_array(a, json_array_size(v), sizeof(*roles));
	json_array_foreach(v, i, one)
	{
		if (!json_is_string(one))
			return ERR_AUTH;
		if (roles)
			roles[i] = cel_string(arena_dup(a, json_span(one)));
	}
	out->roles = roles;
	out->nroles = roles ? json_array_size(v) : 0;
	return 0;
}

/* ---- attributes ---- */

/* All claims are attributes, except the registered ones of RFC 7519 4.1. */
static void
read_attributes(json_t *claims, struct arena *a, struct identity *out)
{
	static const char *const registered[] = { "iss", "sub", "aud", "exp", "nbf", "iat",
		"jti" };
	json_t *rest = json_copy(claims);

	for (size_t i = 0; rest && i < COUNT_OF(registered); i++)
		json_object_del(rest, registered[i]);
	if (rest) {
		struct cel_value m; /* values nested too deeply are null */
		data_json(rest, DEPTH_MAX + 1, a, &m);
		out->attributes = m.list.v;
		out->nattributes = m.list.n;
	}
	json_decref(rest);
}

/* Checks the chain of actors (RFC 8693 4.1): `act` names who acts for the subject, its own
 * `act` who acts for that actor, and so on. Each must be an object with a subject. */
static bool
actors_fit(json_t *claims)
{
	json_t *act = json_object_get(claims, "act");

	for (int depth = 0; act; depth++) {
		json_t *sub = json_object_get(act, "sub");
		if (depth == DEPTH_MAX || !json_is_object(act) || !json_is_string(sub) ||
			json_string_length(sub) == 0)
			return false;
		act = json_object_get(act, "act");
	}
	return true;
}

/* Reads the binding to a certificate (RFC 8705 3.1). A token that is bound in any other way is
 * refused. */
static int
read_binding(json_t *claims, struct arena *a, struct identity *out)
{
	json_t *cnf = json_object_get(claims, "cnf"), *x5t = json_object_get(cnf, "x5t#S256");
	struct span raw;

	if (!cnf)
		return 0;
	if (json_object_size(cnf) != 1 || !json_is_string(x5t))
		return ERR_AUTH;
	int err = b64url_decode(json_span(x5t), a, &raw);
	if (err == ERR_NOMEM)
		return err;
	if (err || raw.n != sizeof(out->thumbprint))
		return ERR_AUTH;
	memcpy(out->thumbprint, raw.p, raw.n);
	out->bound = true;
	return 0;
}

int
claims_read(const struct claim_map *map, json_t *claims, struct arena *a, struct identity *out,
	const char **why)
{
	json_t *clearance = claim(claims, map->clearance);

	for (size_t i = 0; i < IDENTITY_TEXTS; i++) {
		json_t *v = claim(claims, claim_mapped(map, i));
		if (v && !json_is_string(v))
			return auth_refused(why, identity_texts[i].wrong);
		if (v)
			*identity_text(out, i) = arena_dup(a, json_span(v));
	}
	if (read_roles(claims, map->roles, a, out) < 0)
		return auth_refused(why, "the roles claim is not a list of strings");
	if (clearance && !json_is_integer(clearance))
		return auth_refused(why, "the clearance claim is not an integer");
	out->clearance = clearance ? (int64_t)json_integer_value(clearance) : 0;
	if (!out->person.n)
		return auth_refused(why, "the token names no person");
	if (!actors_fit(claims))
		return auth_refused(why, "the token's act claim is not a chain of subjects");
	int err = read_binding(claims, a, out);
	if (err) {
		*why = "the token is bound to its sender in a way that the gateway cannot "
		       "verify";
		return err;
	}
	read_attributes(claims, a, out);
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- realms ---- */

int
claims_in_realm(const struct policy *p, const struct identity_entry *e, struct arena *a,
	struct identity *out, const char **why)
{
	out->recorded = e->recorded;
	out->nrecorded = e->nrecorded;
	if (e->realm) {
		size_t n = strlen(e->realm);
		char *full = arena_alloc(a, n + 1 + out->person.n);
		if (!full)
			return ERR_NOMEM;
		memcpy(full, e->realm, n);
		full[n] = '/';
		/* the name may contain zero bytes */
		memcpy(full + n + 1, out->person.p, out->person.n);
		out->person = span_of(full, n + 1 + out->person.n);
		return 0;
	}
	for (size_t i = 0; i < p->nidentities; i++) {
		struct span rest = out->person;
		const char *realm = p->identities[i].realm;
		if (realm && span_chr(rest, '/') < rest.n &&
			span_is(span_next(&rest, '/'), realm))
			return auth_refused(why, "the person's name begins with the realm of "
						 "another identity entry");
	}
	return 0;
}

/* ---- certificates ---- */

static struct cel_value
values_of(const struct cert *c, const char *field, struct arena *a)
{
	struct cel_value *v = arena_array(a, c->n, sizeof(*v));
	size_t n = 0;

	for (size_t i = 0; v && i < c->n; i++)
		if (!strcmp(c->v[i].field, field))
			v[n++] = cel_string(c->v[i].text);
	return cel_list(v, n);
}

/* Sets attributes such as attributes["san.dns"]. Each is a list, because a field may occur
 * several times. */
static void
cert_attributes(const struct cert *c, struct arena *a, struct identity *out)
{
	struct cel_value *pairs = arena_array(a, 2 * c->n, sizeof(*pairs));
	size_t n = 0;

	for (size_t i = 0; pairs && i < c->n; i++) {
		bool seen = false;
		for (size_t k = 0; k < i; k++)
			seen |= !strcmp(c->v[k].field, c->v[i].field);
		if (seen)
			continue;
		pairs[2 * n] = cel_string(span_str(c->v[i].field));
		pairs[2 * n + 1] = values_of(c, c->v[i].field, a);
		n++;
	}
	out->attributes = pairs;
	out->nattributes = n;
}

int
claims_from_cert(const struct claim_map *map, const struct cert *c, struct arena *a,
	struct identity *out, const char **why)
{
	for (size_t i = 0; i < IDENTITY_TEXTS; i++) {
		const char *field = claim_mapped(map, i);
		bool several = false;
		if (field)
			*identity_text(out, i) = cert_one(c, field, &several);
		if (several)
			return auth_refused(
				why, "a field of the client certificate has several values");
	}
	if (!out->person.n)
		return auth_refused(why, "the client certificate names no person");
	if (map->roles) {
		struct cel_value roles = values_of(c, map->roles, a);
		out->roles = roles.list.v;
		out->nroles = roles.list.n;
	}
	cert_attributes(c, a, out);
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- copy ---- */

int
identity_copy(const struct identity *from, struct arena *a, struct identity *to)
{
	const struct cel_value roles = cel_list(from->roles, from->nroles),
			       pairs = cel_list(from->attributes, 2 * from->nattributes);

	*to = *from;
	for (size_t i = 0; i < IDENTITY_TEXTS; i++)
		*identity_text(to, i) = arena_dup(a, *identity_text(to, i));
	to->issuer = arena_dup(a, from->issuer);
	to->key_id = arena_dup(a, from->key_id);
	to->roles = cel_copy(&roles, a).list.v;
	to->attributes = cel_copy(&pairs, a).list.v;
	return arena_failed(a) ? ERR_NOMEM : 0;
}
