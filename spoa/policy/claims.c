/* Claims to identity. A claim of the wrong type is refused, never coerced: a
 * clearance that is a string must not read as 0. */
#include "policy/claims.h"

#include "base/err.h"
#include "codec/jws.h"
#include "policy/data.h"

enum { DEPTH_MAX = 8 };

static struct span
text_of(json_t *v, struct arena *a)
{
	return arena_dup(a, span_of(json_string_value(v), json_string_length(v)));
}

/* "act.sub": a member of that very name wins, then the path. NULL: absent. */
static json_t *
claim(json_t *claims, const char *path)
{
	json_t *v = json_object_get(claims, path);
	struct span rest = span_str(path);

	if (v)
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
read_string(json_t *claims, const char *path, struct arena *a, struct span *out)
{
	json_t *v = path ? claim(claims, path) : NULL;

	if (!v)
		return 0;
	if (!json_is_string(v))
		return ERR_AUTH;
	*out = text_of(v, a);
	return 0;
}

static int
read_roles(json_t *claims, const char *path, struct arena *a, struct identity *out)
{
	json_t *v = path ? claim(claims, path) : NULL, *one;
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
			roles[i] = cel_string(text_of(one, a));
	}
	out->roles = roles;
	out->nroles = roles ? json_array_size(v) : 0;
	return 0;
}

static int
read_clearance(json_t *claims, const char *path, struct identity *out)
{
	json_t *v = path ? claim(claims, path) : NULL;

	if (v && !json_is_integer(v))
		return ERR_AUTH;
	out->clearance = v ? (int64_t)json_integer_value(v) : 0;
	return 0;
}

/* ---- free attributes ---- */

/* The registered claims of RFC 7519 4.1 are no attributes. */
static void
read_attributes(json_t *claims, struct arena *a, struct identity *out)
{
	static const char *const registered[] = { "iss", "sub", "aud", "exp", "nbf", "iat",
		"jti" };
	json_t *rest = json_copy(claims);

	for (size_t i = 0; rest && i < sizeof(registered) / sizeof(registered[0]); i++)
		json_object_del(rest, registered[i]);
	if (rest) {
		struct cel_value m; /* what is nested too deeply is null */
		data_json(rest, DEPTH_MAX + 1, a, &m);
		out->attributes = m.list.v;
		out->nattributes = m.list.n;
	}
	json_decref(rest);
}

/* RFC 8693 4.1: who acts for the subject, and for whom that one acts, and so on: each
 * an object that names a subject. */
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

/* RFC 8705 3.1. A token that is bound in another way too is not ours to accept. */
static int
read_binding(json_t *claims, struct arena *a, struct identity *out)
{
	json_t *cnf = json_object_get(claims, "cnf"), *x5t = json_object_get(cnf, "x5t#S256");
	struct span raw;

	if (!cnf)
		return 0;
	if (json_object_size(cnf) != 1 || !json_is_string(x5t))
		return ERR_AUTH;
	struct span text = span_of(json_string_value(x5t), json_string_length(x5t));
	int err = b64url_decode(text, a, &raw);
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
	/* clang-format off */
	const struct { const char *path; struct span *to; const char *why; } strings[] = {
		{ map->person,     &out->person,     "the person claim is no string" },
		{ map->agent,      &out->agent,      "the agent claim is no string" },
		{ map->department, &out->department, "the department claim is no string" },
		{ map->team,       &out->team,       "the team claim is no string" },
		{ map->tier,       &out->tier,       "the tier claim is no string" },
	};
	/* clang-format on */

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++)
		if (read_string(claims, strings[i].path, a, strings[i].to) < 0) {
			*why = strings[i].why;
			return ERR_AUTH;
		}
	if (read_roles(claims, map->roles, a, out) < 0) {
		*why = "the roles claim is no list of strings";
		return ERR_AUTH;
	}
	if (read_clearance(claims, map->clearance, out) < 0) {
		*why = "the clearance claim is no integer";
		return ERR_AUTH;
	}
	if (!out->person.n) {
		*why = "the token names no person";
		return ERR_AUTH;
	}
	if (!actors_fit(claims)) {
		*why = "the token's act is no chain of subjects";
		return ERR_AUTH;
	}
	int err = read_binding(claims, a, out);
	if (err) {
		*why = "the token is bound to its sender in a way that cannot be checked here";
		return err;
	}
	read_attributes(claims, a, out);
	return arena_failed(a) ? ERR_NOMEM : 0;
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

/* attributes["san.dns"] and so on: lists, since each may be there more than once. */
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
	const struct {
		const char *field;
		struct span *to;
	} strings[] = {
		{ map->person, &out->person },
		{ map->agent, &out->agent },
		{ map->department, &out->department },
		{ map->team, &out->team },
		{ map->tier, &out->tier },
	};

	for (size_t i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
		bool several = false;
		if (strings[i].field)
			*strings[i].to = cert_one(c, strings[i].field, &several);
		if (several) {
			*why = "the client certificate has several values where one is meant";
			return ERR_AUTH;
		}
	}
	if (!out->person.n) {
		*why = "the client certificate names no person";
		return ERR_AUTH;
	}
	if (map->roles) {
		struct cel_value roles = values_of(c, map->roles, a);
		out->roles = roles.list.v;
		out->nroles = roles.list.n;
	}
	cert_attributes(c, a, out);
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- copying ---- */

static struct cel_value copy_value(const struct cel_value *v, struct arena *a);

static const struct cel_value *
copy_values(const struct cel_value *v, size_t n, struct arena *a)
{
	struct cel_value *to = n ? arena_array(a, n, sizeof(*to)) : NULL;

	for (size_t i = 0; to && i < n; i++)
		to[i] = copy_value(&v[i], a);
	return to;
}

static struct cel_value
copy_value(const struct cel_value *v, struct arena *a)
{
	struct cel_value out = *v;

	if (v->type == CEL_STRING)
		out.s = arena_dup(a, v->s);
	else if (v->type == CEL_LIST)
		out.list.v = copy_values(v->list.v, v->list.n, a);
	else if (v->type == CEL_MAP)
		out.list.v = copy_values(v->list.v, 2 * v->list.n, a);
	return out;
}

int
identity_copy(const struct identity *from, struct arena *a, struct identity *to)
{
	*to = *from;
	to->person = arena_dup(a, from->person);
	to->agent = arena_dup(a, from->agent);
	to->department = arena_dup(a, from->department);
	to->team = arena_dup(a, from->team);
	to->tier = arena_dup(a, from->tier);
	to->issuer = arena_dup(a, from->issuer);
	to->key_id = arena_dup(a, from->key_id);
	to->roles = copy_values(from->roles, from->nroles, a);
	to->attributes = copy_values(from->attributes, 2 * from->nattributes, a);
	return arena_failed(a) ? ERR_NOMEM : 0;
}
