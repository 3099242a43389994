/* Verifying credentials (RFC 7515, 7519, 8725; design rule 6). The entries of the
 * policy are tried in order; the first credential that is present decides. What
 * is present goes by shape: an API key of ours, or a token of three or five
 * parts. Anything else in those headers is no credential of ours. */
#include "identity/identity.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/sha256.h"
#include "codec/json_text.h"
#include "codec/jws.h"
#include "codec/uri.h"
#include "config/secret.h"
#include "identity/apikeys.h"
#include "identity/claims.h"
#include "identity/idcache.h"
#include "identity/keylimits.h"
#include "identity/signed.h"
#include "store/cert.h"
#include "store/jwks.h"

enum { NOT_HERE = SIGNED_NOT_HERE }; /* no such credential: the next entry */

struct identity_keys {
	size_t n;
	struct entry_keys {
		struct jwks *jwks;
		struct keyset *keyset; /* instead, at a URL */
		struct apikeys *apikeys;
		struct hmac_keys *hmac;
	} * entry; /* as in policy->identities */
};

/* ---- keys ---- */

static void
open_keyset(const struct identity_entry *e, struct keysets *sets, struct entry_keys *k,
	struct diag *d)
{
	struct keyset_options o = { e->jwks_url, e->ca_file, e->refresh_us, e->stale_us };

	if (sets && !(k->keyset = keyset_open(sets, &o)))
		diag_at(d, e->at, "out of memory");
}

static void
load_entry(const struct identity_entry *e, bool no_file_no_key, struct keysets *sets,
	struct entry_keys *k, struct diag *d)
{
	struct buf why;

	buf_init(&why, 1024);
	if (e->kind == ID_JWT && e->secret) {
		struct buf secret;
		buf_init(&secret, 0);
		if (secret_load(e->secret, &secret, &why) == 0)
			k->jwks = jwks_secret(buf_view(&secret), &why);
		buf_free(&secret);
		if (!k->jwks)
			diag_at(d, e->at, "secret: %.*s", SPAN_ARG(buf_view(&why)));
	} else if (e->kind == ID_JWT && e->jwks_url) {
		open_keyset(e, sets, k, d);
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
	buf_free(&why);
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

/* ---- the credential in a header, or in a parameter of the query ---- */

/* Whether two entries look in the same place. */
static bool
same_place(const struct identity_entry *a, const struct identity_entry *b)
{
	if (a->query || b->query)
		return a->query && b->query && !strcmp(a->query, b->query);
	return a->header && b->header && !strcmp(a->header, b->header);
}

/* "Bearer X" → X; in headers of their own the scheme is optional. Authorization
 * under another scheme, or none, holds a credential of ours only by its shape:
 * then *foreign. 0 or ERR_AUTH (given twice). */
static int
presented(const struct http_head *h, const char *header, struct span *out, bool *foreign)
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
		/* RFC 9110 11.4: with parameters it is no token68. */
		for (size_t i = 0; i < out->n; i++)
			if (is_one_of(out->p[i], " \t,\""))
				*out = (struct span){ NULL, 0 };
	}
	return 0;
}

/* The value of that parameter, escapes undone. 0 or ERR_AUTH (given twice). */
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

/* One identity_verify(). */
struct attempt {
	const struct policy *p;
	const struct identity_keys *k;
	struct identity_cache *cache; /* may be NULL */
	struct credentials *c;
	int64_t now_ns, now_s;
	struct arena *a;
	struct identity *out;
	const char **why;
	bool *hit;
};

/* ---- API keys ---- */

/* owner and scopes, for conditions and the record */
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

/* Views of the key's texts. */
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
		.scopes = k->scopes,
		.nscopes = k->nscopes,
		.models = k->models,
		.nmodels = k->nmodels,
		.expires_s = k->expires_ns / 1000000000,
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
verify_apikey(const struct attempt *t, const struct identity_entry *e, const struct apikey *k)
{
	if (!apikey_live(k, t->now_ns))
		return auth_refused(t->why, k->revoked_ns && t->now_ns >= k->revoked_ns
						    ? "the API key is revoked"
						    : "the API key has expired");
	if (e->subject_owner && !k->owner[0])
		return auth_refused(t->why, "the API key has no owner");
	return from_key(e, k, t->a, t->out);
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
		/* Of a file's key that was revoked at run time no more is known there. */
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

/* ---- tokens ---- */

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

/* NumericDate (RFC 7519 2): a number, seconds, a fraction allowed. */
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

/* RFC 7519 4.1.3: a string or a list of strings. */
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

/* RFC 8725 3.11: a token of another kind is not ours. */
static bool
type_fits(json_t *typ)
{
	struct span t = json_span(typ);

	if (!typ)
		return true;
	return span_ieq(t, SPAN_LIT("JWT")) || span_ieq(t, SPAN_LIT("at+jwt")) ||
	       span_ieq(t, SPAN_LIT("application/at+jwt"));
}

static int
check_header(const struct identity_entry *e, json_t *h, enum jws_alg *alg, const char **why)
{
	static const char *const refused[] = { "crit", "jku", "x5u", "jwk", "x5c", "b64", "zip",
		"enc" };

	for (size_t i = 0; i < COUNT_OF(refused); i++)
		if (json_object_get(h, refused[i]))
			return auth_refused(why,
				"the token's header names a key or an extension of its own");
	*alg = jws_alg_find(json_span(json_object_get(h, "alg")));
	if (*alg == JWS_ALGS || !(e->algorithms & 1u << *alg))
		return auth_refused(
			why, "the token's algorithm is not allowed for this issuer");
	if (!type_fits(json_object_get(h, "typ")))
		return auth_refused(why, "the token is not of a type that may be used here");
	json_t *kid = json_object_get(h, "kid");
	if (kid && !json_is_string(kid))
		return auth_refused(why, "the token's kid is no string");
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
		return auth_refused(why, "the token's times are missing or no numbers");
	*why = check_times(e, t, now_s);
	return *why ? ERR_AUTH : 0;
}

/* The entry of that place whose issuer the token names, and its audience where
 * several have that issuer: lookup only, nothing of the token is trusted yet. */
static size_t
entry_for(const struct policy *p, const struct identity_entry *place, json_t *claims)
{
	struct span iss = json_span(json_object_get(claims, "iss"));
	size_t first = p->nidentities;

	for (size_t i = 0; i < p->nidentities; i++) {
		const struct identity_entry *e = &p->identities[i];
		if (e->kind != ID_JWT || !same_place(e, place) || !span_is(iss, e->issuer))
			continue;
		if (audience_fits(e, json_object_get(claims, "aud")))
			return i;
		if (first == p->nidentities)
			first = i;
	}
	return first;
}

/* Of the issuer's keys, where they are at a URL; before verifying, so that a change in
 * between is a change. */
static unsigned
generation_of(const struct attempt *t, const struct identity_entry *e)
{
	struct keyset *set = t->k->entry[e - t->p->identities].keyset;

	return set ? keyset_generation(set) : 0;
}

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
		*t->why = err == ERR_CLOSED ? "the issuer's keys are not known"
					    : "no key of the issuer fits the token";
		return err == ERR_CLOSED ? IDENTITY_KEYLESS : IDENTITY_MISSED;
	}
	if (err)
		return auth_refused(t->why, err == ERR_NOTFOUND
						    ? "no key of the issuer fits the token"
						    : "the token's signature is wrong");
	err = check_claims(e, j->payload, times, t->now_s, t->why);
	if (err)
		return err;
	*t->out = (struct identity){ .method = "jwt",
		.verified = true,
		.expires_s = times->exp,
		.issuer = span_str(e->issuer),
		.key_id = arena_dup(t->a, kid) };
	return claims_read(&e->claims, j->payload, t->a, t->out, t->why);
}

/* A token bound to a certificate is its holder's only over that connection. */
static int
check_binding(const struct identity *id, const struct credentials *c, const char **why)
{
	unsigned char thumbprint[SHA256_BYTES];

	if (!id->bound)
		return 0;
	*why = "the token is bound to another client certificate";
	if (!c->certificate.n || c->certificate_refused)
		return ERR_AUTH;
	sha256(c->certificate, thumbprint);
	return sodium_memcmp(thumbprint, id->thumbprint, sizeof(thumbprint)) ? ERR_AUTH : 0;
}

static int
verify_token(const struct attempt *t, const struct identity_entry *place, struct span token)
{
	unsigned char key[SHA256_BYTES];
	struct token_times times;
	const struct identity_entry *entry = NULL;
	struct jws j;

	sha256(token, key);
	struct cached *c = t->cache ? idcache_find(t->cache, key) : NULL;
	/* The same token in another entry's place is not the same credential, and what an
	 * issuer has taken out of its set verifies no more. */
	if (c && same_place(c->entry, place) && c->generation == generation_of(t, c->entry)) {
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

/* ---- client certificates ---- */

/* spiffe://DOMAIN/path */
static bool
trusted_domain(const struct identity_entry *e, const struct cert *c)
{
	bool several;
	struct span id = cert_one(c, "spiffe", &several);

	if (!e->trust_domain)
		return true;
	id = span_cut(id, strlen("spiffe://"), id.n);
	return span_is(span_next(&id, '/'), e->trust_domain);
}

static const char *
cert_times(const struct token_times *t, int64_t now_s)
{
	if (now_s >= t->exp)
		return "the client certificate has expired";
	return now_s < t->nbf ? "the client certificate is not valid yet" : NULL;
}

static int
verify_certificate(const struct attempt *t, const struct identity_entry *e)
{
	unsigned char key[SHA256_BYTES];
	struct cert cert;

	*t->why = "the client certificate was not verified by HAProxy";
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
	*t->why = "the client certificate is of another trust domain";
	if (!trusted_domain(e, &cert))
		return ERR_AUTH;
	bool several;
	*t->out = (struct identity){ .method = "client_certificate",
		.verified = true,
		.expires_s = times.exp,
		.issuer = cert_one(&cert, "issuer.CN", &several),
		.key_id = cert_one(&cert, "serial", &several) };
	err = claims_from_cert(&e->claims, &cert, t->a, t->out, t->why);
	if (err == 0 && t->cache)
		idcache_put(t->cache, key, e, t->out, &times, 0);
	return err;
}

/* ---- all entries ---- */

static bool
has_kind(const struct policy *p, const struct identity_entry *place, enum identity_kind kind)
{
	for (size_t i = 0; i < p->nidentities; i++)
		if (p->identities[i].kind == kind && same_place(&p->identities[i], place))
			return true;
	return false;
}

/* A key that was made at run time, or one of a file that was revoked then. NOT_HERE: neither
 * has the text. */
static int
verify_live(const struct attempt *t, const struct identity_entry *e, struct span text)
{
	static const unsigned char of_file[SHA256_BYTES];
	struct span id = apikey_id(text);
	const struct apikey *k = t->c->live && id.p ? apikeys_by_id(t->c->live, id) : NULL;
	struct apikey copy;

	if (!k)
		return NOT_HERE;
	if (k->revoked_ns && !sodium_memcmp(k->sha256, of_file, sizeof(of_file)))
		return auth_refused(t->why, "the API key is revoked");
	if (!apikey_is(k, text))
		return NOT_HERE;
	/* The next change of them may come while the request lives. */
	int err = apikey_copy(k, t->a, &copy);
	return err ? err : verify_apikey(t, e, &copy);
}

static int
verify_key(const struct attempt *t, const struct identity_entry *place, struct span text)
{
	bool first = true;

	for (size_t i = 0; i < t->p->nidentities; i++) {
		const struct identity_entry *e = &t->p->identities[i];
		if (e->kind != ID_API_KEY || !same_place(e, place))
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

/* The place of an entry: NOT_HERE where it holds no credential of ours. */
static int
verify_place(const struct attempt *t, const struct identity_entry *place)
{
	struct span v;
	bool foreign = false;

	if (place->query && presented_in_query(t->c->head, place->query, t->a, &v) < 0)
		return auth_refused(t->why, "the credential's parameter is given twice");
	if (place->header && presented(t->c->head, place->header, &v, &foreign) < 0)
		return auth_refused(t->why, "the credential's header is given twice");
	enum credential_shape shape = credential_shape(v);
	if (shape == SHAPE_NONE)
		return NOT_HERE;
	if (foreign)
		return auth_refused(t->why, "a credential without the scheme Bearer");
	t->c->verified = v;
	if (shape == SHAPE_API_KEY && has_kind(t->p, place, ID_API_KEY))
		return verify_key(t, place, v);
	if (shape == SHAPE_TOKEN && has_kind(t->p, place, ID_JWT)) {
		int err = verify_token(t, place, v);
		return err ? err : check_binding(t->out, t->c, t->why);
	}
	return auth_refused(t->why, shape == SHAPE_TOKEN ? "a token where none is accepted"
							 : "an API key where none is accepted");
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
		if (e->kind == ID_SIGNED)
			err = signed_verify(e, k->entry[i].hmac, c, now_s, a, out, why);
		else if (e->header || e->query)
			err = verify_place(&t, e);
		else if (e->kind == ID_CERTIFICATE && c->certificate.n)
			err = verify_certificate(&t, e);
		if (err != NOT_HERE)
			return err;
	}
	identity_nobody(p, out);
	return 0;
}
