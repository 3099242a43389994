/* Verifies the credential of a request (RFC 7515, 7519, 8725), and makes an identity from a token's
 * claims or a certificate. The entries of the policy are tried in order, and the first credential
 * that is present decides. A credential is recognized by its shape: an API key of ours, or a token
 * of three or five parts. Anything else in these headers is not a credential of ours. Certificates
 * were verified by HAProxy. Tokens may be bound to a certificate (RFC 8705). Signed headers are in
 * signed.c.
 *
 * A claim of the wrong type is refused and never converted: a clearance that is a string must not
 * be read as 0.
 *
 * Verified tokens are remembered (struct identity_cache) in a table of fixed size with eight
 * entries in each set (open addressing). A clock hand in each set evicts entries that were not
 * used since it last passed. */
#include "policy/identity/identity.h"

#include <errno.h>
#include <sodium.h>
#include <stddef.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/codec/cert.h"
#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "base/codec/uri.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/fetch/jwks.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "policy/cel/cel.h"
#include "policy/cel/functions/glob.h"
#include "policy/cel/value.h"
#include "policy/config/secret.h"
#include "policy/data.h"
#include "policy/identity/apikeys.h"
#include "policy/identity/claims.h"
#include "policy/identity/idcache.h"
#include "policy/identity/keylimits.h"
#include "policy/identity/signed.h"
#include "policy/policy.h"

/* ---- the cache of verified tokens ---- */

enum { WAYS = 8 };

/* Owner: one worker. */
struct identity_cache {
	size_t sets;
	unsigned *hand;
	struct cached *v;
};

struct identity_cache *
identity_cache_new(size_t entries)
{
	struct identity_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->sets = entries < WAYS ? 1 : entries / WAYS;
	c->v = calloc(c->sets * WAYS, sizeof(*c->v));
	c->hand = calloc(c->sets, sizeof(*c->hand));
	if (!c->v || !c->hand)
		identity_cache_free(&c);
	return c;
}

static void
drop_cached(struct cached *e)
{
	if (e->used)
		arena_reset(&e->arena);
	memset(e, 0, sizeof(*e));
}

void
identity_cache_free(struct identity_cache **cp)
{
	struct identity_cache *c = *cp;

	if (!c)
		return;
	for (size_t i = 0; c->v && i < c->sets * WAYS; i++)
		drop_cached(&c->v[i]);
	free(c->v);
	free(c->hand);
	free(c);
	*cp = NULL;
}

static size_t
cache_set_of(const struct identity_cache *c, const unsigned char key[32])
{
	uint64_t h;

	memcpy(&h, key, sizeof(h));
	INVARIANT(c->sets > 0);
	return (size_t)(h % c->sets);
}

/* Returns NULL if there is no such entry. The result is valid until the next idcache_put(). */
static struct cached *
idcache_find(struct identity_cache *c, const unsigned char key[32])
{
	struct cached *set = &c->v[cache_set_of(c, key) * WAYS];

	for (int i = 0; i < WAYS; i++)
		if (set[i].used && memcmp(set[i].key, key, 32) == 0) {
			set[i].referenced = true;
			return &set[i];
		}
	return NULL;
}

/* Keeps a copy of the identity. If memory is exhausted, nothing is kept. */
static void
idcache_put(struct identity_cache *c, const unsigned char key[32],
	const struct identity_entry *e, const struct identity *id, const struct token_times *t,
	unsigned generation)
{
	size_t s = cache_set_of(c, key);
	struct cached *set = &c->v[s * WAYS], *at = idcache_find(c, key);

	for (int i = 0; i < WAYS && !at; i++)
		if (!set[i].used)
			at = &set[i];
	while (!at) {
		struct cached *candidate = &set[c->hand[s]++ % WAYS];
		if (!candidate->referenced)
			at = candidate;
		candidate->referenced = false;
	}
	INVARIANT(at >= set && at < set + WAYS); /* idcache_find() searches only this set */
	drop_cached(at);
	arena_init(&at->arena, 64 << 10, true);
	at->used = true;
	if (identity_copy(id, &at->arena, &at->identity) < 0) {
		drop_cached(at);
		return;
	}
	memcpy(at->key, key, 32);
	at->entry = e;
	at->times = *t;
	at->generation = generation;
}

enum { DEPTH_MAX = 8 }; /* levels of attributes, and of actors */

#define TEXT(member)                                                                           \
	{ #member, "the " #member " claim is not a string", offsetof(struct identity, member), \
		offsetof(struct claim_map, member) }
const struct identity_text identity_texts[] = { TEXT(person), TEXT(agent), TEXT(department),
	TEXT(team), TEXT(tier) };

/* ---- claims ---- */

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

/* Reads the claims by the map. Returns 0; ERR_AUTH with a fixed phrase in *why if a mapped
 * claim has the wrong type or the person is missing; or ERR_NOMEM. *out lives in the arena. */
static int
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

/* Puts the person into the entry's realm, in the arena, and sets the attributes that records
 * keep. Returns 0; ERR_AUTH if an entry without a realm names a person of a declared realm; or
 * ERR_NOMEM. */
static int
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

/* Makes an identity from a certificate. The map has fields of the certificate instead of paths
 * of claims. */
static int
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
	to->first_key_id = arena_dup(a, from->first_key_id);
	to->roles = cel_copy(&roles, a).list.v;
	to->attributes = cel_copy(&pairs, a).list.v;
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* The keys of all entries. Immutable, shared by all workers of a snapshot. */
struct identity_keys {
	size_t n;
	struct entry_keys {
		struct jwks *jwks;
		struct keyset *keyset; /* instead of jwks, if the keys are at a URL */
		struct apikeys *apikeys;
		struct hmac_keys *hmac;
	} * entry; /* one entry for each of policy->identities */
};

/* Arguments of identity_verify(). Lives on its stack. */
struct attempt {
	const struct policy *p;
	const struct identity_keys *k;
	struct identity_cache *cache; /* NULL: nothing is cached */
	struct credentials *c;
	int64_t now_ns, now_s;
	struct arena *a;
	struct identity *out;
	const char **why;
	bool *hit;
};

/* Returns true if two entries look for credentials in the same place. */
static inline bool
same_credential_place(const struct identity_entry *a, const struct identity_entry *b)
{
	if (a->query || b->query)
		return a->query && b->query && !strcmp(a->query, b->query);
	return a->header && b->header && !strcmp(a->header, b->header);
}

static const char *
cert_times(const struct token_times *t, int64_t now_s)
{
	if (now_s >= t->exp)
		return "the client certificate has expired";
	return now_s < t->nbf ? "the client certificate is not valid yet" : NULL;
}

/* ---- tokens ---- */

/* Returns NULL, or why the token's times refuse it. */
static const char *
check_times(const struct identity_entry *e, const struct token_times *t, int64_t now_s)
{
	int64_t leeway = (int64_t)e->leeway_s;

	if (now_s >= t->exp + leeway)
		return "the token has expired";
	if (t->nbf && now_s < t->nbf - leeway)
		return "the token is not valid yet";
	if (t->iat && now_s < t->iat - leeway)
		return "the token was issued in the future";
	if (e->max_age_s && (!t->iat || now_s > t->iat + (int64_t)e->max_age_s + leeway))
		return "the token is older than max_age";
	return NULL;
}

/* Returns the first second at which check_times() refuses the token. */
static int64_t
token_over(const struct identity_entry *e, const struct token_times *t)
{
	int64_t by_age = t->iat + (int64_t)e->max_age_s + 1;

	return (e->max_age_s && by_age < t->exp ? by_age : t->exp) + (int64_t)e->leeway_s;
}

/* Reads a NumericDate (RFC 7519 2): seconds, perhaps with a fraction. 0: absent. Returns false
 * for any other value. */
static bool
numeric_date(json_t *claims, const char *name, int64_t *out)
{
	json_t *v = json_object_get(claims, name);

	*out = 0;
	if (!v)
		return true;
	double d = json_number_value(v);
	if (!json_is_number(v) || !(d >= 0 && d < 1e12))
		return false;
	*out = (int64_t)d;
	return true;
}

/* Returns true if `aud`, a string or a list of strings (RFC 7519 4.1.3), names an audience of
 * the entry. */
static bool
audience_fits(const struct identity_entry *e, json_t *aud)
{
	size_t n = json_is_array(aud) ? json_array_size(aud) : 1;
	bool fits = false;

	for (size_t k = 0; k < n; k++) {
		json_t *one = json_is_array(aud) ? json_array_get(aud, k) : aud;
		if (!json_is_string(one))
			return false;
		for (size_t i = 0; i < e->naudiences; i++)
			fits |= !strcmp(e->audiences[i], json_string_value(one));
	}
	return fits;
}

/* Returns true for the types of access tokens (RFC 8725 3.11). */
static bool
type_fits(json_t *typ)
{
	struct span t = json_span(typ);

	if (!typ)
		return true;
	return span_ieq(t, SPAN_LIT("JWT")) || span_ieq(t, SPAN_LIT("at+jwt")) ||
	       span_ieq(t, SPAN_LIT("application/at+jwt"));
}

/* Checks the JOSE header. Keys inside of the token are refused. */
static int
check_header(const struct identity_entry *e, json_t *h, enum jws_alg *alg, const char **why)
{
	static const char *const refused[] = { "crit", "jku", "x5u", "jwk", "x5c", "b64", "zip",
		"enc" };

	for (size_t i = 0; i < COUNT_OF(refused); i++)
		if (json_object_get(h, refused[i]))
			return auth_refused(
				why, "the token's header names its own key or an extension");
	*alg = jws_alg_find(json_span(json_object_get(h, "alg")));
	if (*alg == JWS_ALGS || !(e->algorithms & 1u << *alg))
		return auth_refused(
			why, "the policy does not allow the token's algorithm for this issuer");
	if (!type_fits(json_object_get(h, "typ")))
		return auth_refused(why, "the policy does not accept tokens of this type");
	json_t *kid = json_object_get(h, "kid");
	if (kid && !json_is_string(kid))
		return auth_refused(why, "the token's kid is not a string");
	return 0;
}

static int
check_claims(const struct identity_entry *e, json_t *c, struct token_times *t, int64_t now_s,
	const char **why)
{
	if (!audience_fits(e, json_object_get(c, "aud")))
		return auth_refused(why, "the token is for another audience");
	if (!json_object_get(c, "exp") || !numeric_date(c, "exp", &t->exp) ||
		!numeric_date(c, "nbf", &t->nbf) || !numeric_date(c, "iat", &t->iat))
		return auth_refused(why, "the token's times are missing or not numbers");
	*why = check_times(e, t, now_s);
	return *why ? ERR_AUTH : 0;
}

/* Returns the index of the entry of that place that has the token's issuer, preferably one with
 * its audience, or nidentities. This is only a look-up: nothing of the token is trusted yet. */
static size_t
entry_for(const struct policy *p, const struct identity_entry *place, json_t *claims)
{
	struct span iss = json_span(json_object_get(claims, "iss"));
	size_t first = p->nidentities;

	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		if (e->kind != ID_JWT || !same_credential_place(e, place) ||
			!span_is(iss, e->issuer))
			continue;
		if (audience_fits(e, json_object_get(claims, "aud")))
			return i;
		if (first == p->nidentities)
			first = i;
	}
	return first;
}

/* Returns the generation of the issuer's keys at a URL. It is read before verifying, so that a
 * change in between is noticed. */
static unsigned
generation_of(const struct attempt *t, const struct identity_entry *e)
{
	struct keyset *set = t->k->entry[e - t->p->identities].keyset;

	return set ? keyset_generation(set) : 0;
}

/* Verifies a parsed token. Sets *entry and *generation for the cache. */
static int
verify_parsed(const struct attempt *t, const struct identity_entry *place, const struct jws *j,
	struct token_times *times, const struct identity_entry **entry, unsigned *generation)
{
	enum jws_alg alg;
	size_t i = entry_for(t->p, place, j->payload);

	if (i == t->p->nidentities)
		return auth_refused(t->why, "the token's issuer is unknown");
	const struct identity_entry *e = *entry = &t->p->identities[i];
	*generation = generation_of(t, e);
	int err = check_header(e, j->header, &alg, t->why);
	if (err)
		return err;
	struct span kid = json_span(json_object_get(j->header, "kid"));
	struct keyset *set = t->k->entry[i].keyset;
	if (t->k->entry[i].jwks)
		err = jwks_verify(t->k->entry[i].jwks, kid, alg, j->signed_text, j->signature);
	else
		err = set ? keyset_verify(set, kid, alg, j->signed_text, j->signature)
			  : ERR_NOTFOUND;
	if (set && (err == ERR_NOTFOUND || err == ERR_CLOSED)) {
		t->c->missed = set;
		*t->why = err == ERR_CLOSED ? "the issuer's keys are not available"
					    : "no key of the issuer matches the token";
		return err == ERR_CLOSED ? IDENTITY_KEYLESS : IDENTITY_MISSED;
	}
	if (err)
		return auth_refused(t->why, err == ERR_NOTFOUND
						    ? "no key of the issuer matches the token"
						    : "the token's signature does not verify");
	err = check_claims(e, j->payload, times, t->now_s, t->why);
	if (err)
		return err;
	*t->out = (struct identity){ .method = "jwt",
		.verified = true,
		.expires_s = token_over(e, times),
		.issuer = span_str(e->issuer),
		.key_id = arena_dup(t->a, kid) };
	err = claims_read(&e->claims, j->payload, t->a, t->out, t->why);
	return err ? err : claims_in_realm(t->p, e, t->a, t->out, t->why);
}

/* Verifies a token without its binding, with the cache. */
static int
verify_alone(const struct attempt *t, const struct identity_entry *place, struct span token)
{
	unsigned char key[SHA256_BYTES];
	struct token_times times;
	const struct identity_entry *entry = NULL;
	struct jws j;

	sha256(token, key);
	struct cached *c = t->cache ? idcache_find(t->cache, key) : NULL;
	/* In the place of another entry, the same token is another credential. After a change
	 * of the issuer's keys, the cached result is not used. */
	if (c && same_credential_place(c->entry, place) &&
		c->generation == generation_of(t, c->entry)) {
		*t->hit = true;
		*t->why = check_times(c->entry, &c->times, t->now_s);
		return *t->why ? ERR_AUTH : identity_copy(&c->identity, t->a, t->out);
	}
	int err = jws_parse(token, t->a, &j, t->why);
	if (err)
		return err == ERR_NOMEM ? err : ERR_AUTH;
	unsigned generation = 0;
	err = verify_parsed(t, place, &j, &times, &entry, &generation);
	jws_clear(&j);
	if (err == 0 && t->cache)
		idcache_put(t->cache, key, entry, t->out, &times, generation);
	return err;
}

/* Verifies a token from that place and, if it is bound to a certificate, its holder. Returns 0,
 * ERR_AUTH with *t->why, IDENTITY_MISSED, IDENTITY_KEYLESS or ERR_NOMEM. */
static int
verify_token(const struct attempt *t, const struct identity_entry *place, struct span token)
{
	const struct credentials *c = t->c;
	unsigned char thumbprint[SHA256_BYTES];
	int err = verify_alone(t, place, token);

	if (err || !t->out->bound)
		return err;
	/* a bound token is valid only over a connection with its certificate */
	*t->why = "the token is bound to another client certificate";
	if (!c->certificate.n || c->certificate_refused)
		return ERR_AUTH;
	sha256(c->certificate, thumbprint);
	return sodium_memcmp(thumbprint, t->out->thumbprint, sizeof(thumbprint)) ? ERR_AUTH : 0;
}

/* ---- client certificates ---- */
static int
verify_certificate(const struct attempt *t, const struct identity_entry *e)
{
	unsigned char key[SHA256_BYTES];
	struct cert cert;

	*t->why = "HAProxy did not verify the client certificate";
	if (t->c->certificate_refused)
		return ERR_AUTH;
	sha256(t->c->certificate, key);
	struct cached *known = t->cache ? idcache_find(t->cache, key) : NULL;
	if (known && known->entry == e) {
		*t->hit = true;
		*t->why = cert_times(&known->times, t->now_s);
		return *t->why ? ERR_AUTH : identity_copy(&known->identity, t->a, t->out);
	}
	int err = cert_read(t->c->certificate, t->a, &cert);
	*t->why = "the client certificate cannot be read";
	if (err)
		return err == ERR_NOMEM ? err : ERR_AUTH;
	struct token_times times = { .exp = cert.not_after_s, .nbf = cert.not_before_s };
	*t->why = cert_times(&times, t->now_s);
	if (*t->why)
		return ERR_AUTH;
	*t->why = "the client certificate belongs to another trust domain";
	bool several;
	struct span id = cert_one(&cert, "spiffe", &several); /* spiffe://DOMAIN/path */
	id = span_cut(id, strlen("spiffe://"), id.n);
	if (e->trust_domain && !span_is(span_next(&id, '/'), e->trust_domain))
		return ERR_AUTH;
	*t->out = (struct identity){ .method = "client_certificate",
		.verified = true,
		.expires_s = times.exp,
		.issuer = cert_one(&cert, "issuer.CN", &several),
		.key_id = cert_one(&cert, "serial", &several) };
	err = claims_from_cert(&e->claims, &cert, t->a, t->out, t->why);
	if (err == 0)
		err = claims_in_realm(t->p, e, t->a, t->out, t->why);
	if (err == 0 && t->cache)
		idcache_put(t->cache, key, e, t->out, &times, 0);
	return err;
}

/* ---- keys ---- */

enum { NOT_HERE = SIGNED_NOT_HERE }; /* no such credential: try the next entry */

bool
identity_has_model(const struct identity *id, struct span model)
{
	for (size_t i = 0; i < id->nmodels; i++)
		if (cel_glob(span_str(id->models[i]), model))
			return true;
	return false;
}

/* Loads the keys of one entry. Errors are added to *d. */
static void
load_entry(const struct identity_entry *e, bool no_file_no_key, struct keysets *sets,
	struct entry_keys *k, struct diag *d)
{
	SCOPED_BUF(why, 1024);

	if (e->kind == ID_JWT && e->secret) {
		SCOPED_BUF(secret, 0);
		if (secret_load(e->secret, &secret, &why) == 0)
			k->jwks = jwks_secret(buf_view(&secret), &why);
		if (!k->jwks)
			diag_at(d, e->at, "secret: %.*s", SPAN_ARG(buf_view(&why)));
	} else if (e->kind == ID_JWT && e->jwks_url) {
		struct keyset_options o = { e->jwks_url, e->ca_file, e->refresh_us,
			e->stale_us };
		if (sets && !(k->keyset = keyset_open(sets, &o)))
			diag_at(d, e->at, "out of memory");
	} else if (e->kind == ID_JWT) {
		k->jwks = jwks_load_file(e->jwks_file, &why);
		if (!k->jwks)
			diag_at(d, e->at, "jwks %s: %.*s", e->jwks_file,
				SPAN_ARG(buf_view(&why)));
	} else if (e->kind == ID_SIGNED) {
		k->hmac = hmac_keys_load(e->keys_file, d);
	} else if (e->kind == ID_API_KEY) {
		k->apikeys = no_file_no_key && access(e->keys_file, F_OK) < 0 && errno == ENOENT
				     ? calloc(1, sizeof(*k->apikeys))
				     : apikeys_load(e->keys_file, d);
	}
}

struct identity_keys *
identity_keys_load(
	const struct policy *p, bool no_file_no_key, struct keysets *sets, struct diag *d)
{
	struct identity_keys *k = calloc(1, sizeof(*k));
	unsigned before = d->errors;

	if (!k)
		return NULL;
	k->entry = calloc(p->nidentities + 1, sizeof(*k->entry));
	k->n = k->entry ? p->nidentities : 0;
	for (size_t i = 0; i < k->n; i++)
		load_entry(&p->identities[i], no_file_no_key, sets, &k->entry[i], d);
	if (!k->entry || d->errors != before)
		identity_keys_free(&k);
	return k;
}

void
identity_keys_free(struct identity_keys **kp)
{
	struct identity_keys *k = *kp;

	if (!k)
		return;
	for (size_t i = 0; i < k->n; i++) {
		jwks_free(&k->entry[i].jwks);
		keyset_close(&k->entry[i].keyset);
		apikeys_free(&k->entry[i].apikeys);
		hmac_keys_free(&k->entry[i].hmac);
	}
	free(k->entry);
	free(k);
	*kp = NULL;
}

bool
identity_keys_have(const struct identity_keys *k, struct span id)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->entry[i].apikeys && apikeys_by_id(k->entry[i].apikeys, id))
			return true;
	return false;
}

/* ---- credentials in headers and URL parameters ---- */

int
identity_presented(
	const struct http_head *h, const char *header, struct span *out, bool *foreign)
{
	struct span v, rest;
	size_t scheme = 0;

	*out = (struct span){ NULL, 0 };
	*foreign = false;
	int n = http_field_one(h, header, &v);
	if (n < 0)
		return ERR_AUTH;
	v = span_trim(v, " \t");
	while (scheme < v.n && !is_one_of(v.p[scheme], " \t"))
		scheme++;
	rest = span_trim(span_cut(v, scheme, v.n), " \t");
	if (span_ieq(span_cut(v, 0, scheme), SPAN_LIT("bearer"))) {
		*out = rest;
	} else if (strcmp(header, "authorization")) {
		*out = v;
	} else {
		*foreign = true;
		*out = rest.n ? rest : v;
		/* RFC 9110 11.4: a credential with parameters is not a token68 */
		for (size_t i = 0; i < out->n; i++)
			if (is_one_of(out->p[i], " \t,\""))
				*out = (struct span){ NULL, 0 };
	}
	return 0;
}

/* Finds the parameter's value, with escapes decoded. Returns 0, or ERR_AUTH if it occurs
 * twice. */
static int
presented_in_query(
	const struct http_head *h, const char *name, struct arena *a, struct span *out)
{
	struct span rest = h->query, found;
	struct uri_pair pair;
	bool seen = false;

	*out = (struct span){ NULL, 0 };
	while (h->has_query && uri_pair_next(&rest, &pair)) {
		if (uri_decode(pair.name, true, a, &found) < 0 || !span_is(found, name))
			continue;
		if (seen)
			return ERR_AUTH;
		seen = true;
		if (uri_decode(pair.value, true, a, out) < 0)
			*out = pair.value;
	}
	return 0;
}

/* ---- API keys ---- */

/* Sets owner and scopes as attributes, for conditions and records. Returns false if memory is
 * exhausted. */
static bool
key_attributes(const struct apikey *k, struct arena *a, struct identity *out)
{
	struct cel_value *pairs = arena_array(a, 4, sizeof(*pairs));
	struct cel_value *scopes = arena_array(a, k->nscopes + 1, sizeof(*scopes));
	size_t n = 0;

	if (!pairs || !scopes)
		return false;
	for (size_t i = 0; i < k->nscopes; i++)
		scopes[i] = cel_string(span_str(k->scopes[i]));
	if (k->owner[0]) {
		pairs[n++] = cel_string(SPAN_LIT("owner"));
		pairs[n++] = cel_string(span_str(k->owner));
	}
	if (k->nscopes) {
		pairs[n++] = cel_string(SPAN_LIT("scopes"));
		pairs[n++] = cel_list(scopes, k->nscopes);
	}
	out->attributes = pairs;
	out->nattributes = n / 2;
	return true;
}

/* Fills the identity with views of the key's strings. Returns 0 or ERR_NOMEM. */
static int
from_key(const struct identity_entry *e, const struct apikey *k, struct arena *a,
	struct identity *out)
{
	*out = (struct identity){
		.method = "api_key",
		.person = span_str(e->subject_owner ? k->owner : k->person),
		.agent = span_str(k->agent),
		.department = span_str(k->department),
		.team = span_str(k->team),
		.tier = span_str(k->tier),
		.clearance = k->clearance,
		.key_id = span_str(k->id),
		.first_key_id = span_str(apikey_counts_as(k)),
		.scopes = k->scopes,
		.nscopes = k->nscopes,
		.models = k->models,
		.nmodels = k->nmodels,
		.expires_s = k->expires_ns / 1000000000,
		.recorded = e->recorded,
		.nrecorded = e->nrecorded,
		.verified = true,
	};
	out->limits = key_limits(k, a, &out->nlimits);
	struct cel_value *roles = arena_array(a, k->nroles, sizeof(*roles));
	for (size_t i = 0; roles && i < k->nroles; i++)
		roles[i] = cel_string(span_str(k->roles[i]));
	out->roles = roles;
	out->nroles = roles ? k->nroles : 0;
	return roles && key_attributes(k, a, out) ? 0 : ERR_NOMEM;
}

static int
apikey_refused(const struct apikey *k, int64_t now_ns, const char **why)
{
	if (apikey_live(k, now_ns))
		return 0;
	return auth_refused(
		why, k->revoked_ns ? "the API key is revoked" : "the API key has expired");
}

static int
verify_apikey(const struct attempt *t, const struct identity_entry *e, const struct apikey *k)
{
	int err = apikey_refused(k, t->now_ns, t->why);

	if (!err && e->subject_owner && !k->owner[0])
		err = auth_refused(t->why, "the API key has no owner");
	if (!err)
		return from_key(e, k, t->a, t->out);
	t->c->refused_key = arena_dup(t->a, span_str(k->id));
	return err;
}

int
identity_of_key(const struct policy *p, const struct identity_keys *k,
	const struct apikeys *live, struct span id, struct arena *a, struct identity *out)
{
	const struct apikey *found = live ? apikeys_by_id(live, id) : NULL;
	struct apikey copy;

	for (size_t i = 0; i < p->nidentities; i++) {
		if (p->identities[i].kind != ID_API_KEY)
			continue;
		/* for a file's key that was revoked at run time, `live` contains only the id */
		const struct apikey *key = found && found->person[0]
						   ? found
						   : apikeys_by_id(k->entry[i].apikeys, id);
		if (key)
			return apikey_copy(key, a, &copy) < 0
				       ? ERR_NOMEM
				       : from_key(&p->identities[i], &copy, a, out);
	}
	return ERR_NOTFOUND;
}

/* Looks the key up as it is now, in the keys made at run time and in the files. */
static int
apikey_again(const struct policy *p, const struct identity_keys *k, const struct apikeys *live,
	struct span id, int64_t now_ns, const char **why)
{
	const struct apikey *key = live ? apikeys_by_id(live, id) : NULL;

	for (size_t i = 0; i < p->nidentities && !key; i++)
		if (k->entry[i].apikeys)
			key = apikeys_by_id(k->entry[i].apikeys, id);
	return key ? apikey_refused(key, now_ns, why)
		   : auth_refused(why, "the API key is unknown");
}

int
identity_again(const struct policy *p, const struct identity_keys *k,
	const struct apikeys *live, const struct identity *was, int64_t now_wall_ns,
	struct arena *a, struct identity *out, const char **why)
{
	*out = *was;
	if (!strcmp(was->method, "api_key")) {
		int err = apikey_again(p, k, live, was->key_id, now_wall_ns, why);
		if (!err)
			err = identity_of_key(p, k, live, was->key_id, a, out);
		/* if the entry has subject: owner, the person is the key's owner */
		out->person = was->person;
		return err;
	}
	if (was->expires_s && now_wall_ns / 1000000000 >= was->expires_s)
		return auth_refused(why, !strcmp(was->method, "jwt")
						 ? "the token has expired"
						 : "the client certificate has expired");
	return 0;
}

/* ---- all entries ---- */

static bool
has_kind(const struct policy *p, const struct identity_entry *place, enum identity_kind kind)
{
	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].kind == kind &&
			same_credential_place(&p->identities[i], place))
			return true;
	return false;
}

/* Notes the id of a key in a file that was revoked at run time. The entry of the revocation has no
 * hash, so only the file distinguishes the key from another text with its id. */
static void
note_revoked(const struct attempt *t, struct span text, struct span id)
{
	for (size_t i = 0; i < t->p->nidentities; i++)
		if (t->k->entry[i].apikeys && apikeys_find(t->k->entry[i].apikeys, text))
			t->c->refused_key = arena_dup(t->a, id);
}

/* Verifies a key that was made at run time, or refuses a file's key that was revoked at run
 * time. Returns NOT_HERE for any other text. */
static int
verify_live(const struct attempt *t, const struct identity_entry *e, struct span text)
{
	static const unsigned char of_file[SHA256_BYTES];
	struct span id = apikey_id(text);
	const struct apikey *k = t->c->live && id.p ? apikeys_by_id(t->c->live, id) : NULL;
	struct apikey copy;

	if (!k)
		return NOT_HERE;
	if (k->revoked_ns && !sodium_memcmp(k->sha256, of_file, sizeof(of_file))) {
		note_revoked(t, text, id);
		return auth_refused(t->why, "the API key is revoked");
	}
	if (!apikey_is(k, text))
		return NOT_HERE;
	/* copied, because the keys may change while the request lives */
	int err = apikey_copy(k, t->a, &copy);
	return err ? err : verify_apikey(t, e, &copy);
}

/* Tries all entries that read this place: first the keys made at run time, then the file of
 * each entry. */
static int
verify_key(const struct attempt *t, const struct identity_entry *place, struct span text)
{
	bool first = true;

	for (size_t i = 0; i < t->p->nidentities; i++) {
		const struct identity_entry *e = &t->p->identities[i];
		if (e->kind != ID_API_KEY || !same_credential_place(e, place))
			continue;
		int err = first ? verify_live(t, e, text) : NOT_HERE;
		if (err != NOT_HERE)
			return err;
		first = false;
		const struct apikey *k = apikeys_find(t->k->entry[i].apikeys, text);
		if (k)
			return verify_apikey(t, e, k);
	}
	return auth_refused(t->why, "the API key is unknown");
}

void
identity_nobody(const struct policy *p, struct identity *out)
{
	*out = (struct identity){ .method = "none", .person = SPAN_LIT("service-account") };
	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].kind == ID_NONE && p->identities[i].person) {
			out->person = span_str(p->identities[i].person);
			return;
		}
}

/* A browser cannot set headers of a WebSocket, so its key is in a subprotocol or in the URL.
 * Returns 0, or ERR_AUTH if there are two. */
static int
presented_in_handshake(const struct http_head *h, struct arena *a, struct span *out)
{
	static const char *const names[] = { "key", "access_token" };
	struct span prefix = SPAN_LIT("openai-insecure-api-key."), one, v;

	for (size_t i = 0; (one = ws_offered(h, i)).n; i++) {
		if (!span_starts(one, prefix))
			continue;
		if (out->n)
			return ERR_AUTH;
		*out = span_cut(one, prefix.n, one.n);
	}
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (presented_in_query(h, names[i], a, &v) || (v.n && out->n))
			return ERR_AUTH;
		*out = v.n ? v : *out;
	}
	return 0;
}

/* Verifies the credential in the place of an entry. Returns NOT_HERE if the place has no
 * credential of ours. */
static int
verify_place(const struct attempt *t, const struct identity_entry *place)
{
	struct span v;
	bool foreign = false;

	if (place->query && presented_in_query(t->c->head, place->query, t->a, &v) < 0)
		return auth_refused(
			t->why, "the URL parameter with the credential occurs more than once");
	if (place->header && identity_presented(t->c->head, place->header, &v, &foreign) < 0)
		return auth_refused(
			t->why, "the header with the credential occurs more than once");
	if (place->header && !v.n && t->c->handshake) {
		foreign = false;
		if (presented_in_handshake(t->c->head, t->a, &v))
			return auth_refused(
				t->why, "the WebSocket handshake has two credentials");
	}
	enum credential_shape shape = credential_shape(v);
	if (shape == SHAPE_NONE)
		return NOT_HERE;
	if (foreign)
		return auth_refused(t->why, "the credential lacks the scheme Bearer");
	t->c->verified = v;
	if (shape == SHAPE_API_KEY && has_kind(t->p, place, ID_API_KEY))
		return verify_key(t, place, v);
	if (shape == SHAPE_TOKEN && has_kind(t->p, place, ID_JWT))
		return verify_token(t, place, v);
	return auth_refused(t->why,
		shape == SHAPE_TOKEN
			? "the header has a token, but the policy accepts none there"
			: "the header has an API key, but the policy accepts none there");
}

int
identity_verify(const struct policy *p, const struct identity_keys *k,
	struct identity_cache *cache, struct credentials *c, int64_t now_wall_ns,
	struct arena *a, struct identity *out, const char **why, bool *hit)
{
	int64_t now_s = now_wall_ns / 1000000000;
	const struct attempt t = { p, k, cache, c, now_wall_ns, now_s, a, out, why, hit };

	*hit = false;
	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		int err = NOT_HERE;
		if (e->kind == ID_SIGNED) {
			err = signed_verify(e, k->entry[i].hmac, c, now_s, a, out, why);
			err = err ? err : claims_in_realm(p, e, a, out, why);
		} else if (e->header || e->query)
			err = verify_place(&t, e);
		else if (e->kind == ID_CERTIFICATE && c->certificate.n)
			err = verify_certificate(&t, e);
		if (err != NOT_HERE)
			return err;
	}
	identity_nobody(p, out);
	return 0;
}
