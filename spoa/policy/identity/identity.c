/* Verifies the credential of a request (RFC 7515, 7519, 8725). The entries of the policy are
 * tried in order, and the first credential that is present decides. A credential is recognized
 * by its shape: an API key of ours, or a token of three or five parts. Anything else in these
 * headers is not a credential of ours. Certificates were verified by HAProxy; tokens are in
 * token.c, signed headers in signed.c. */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/ascii.h"
#include "base/codec/cert.h"
#include "base/codec/jws.h"
#include "base/codec/uri.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/fetch/jwks.h"
#include "base/scoped.h"
#include "base/sha256.h"
#include "policy/cel/functions/glob.h"
#include "policy/config/secret.h"
#include "policy/identity/apikeys.h"
#include "policy/identity/attempt.h"
#include "policy/identity/claims.h"
#include "policy/identity/identity.h"
#include "policy/identity/keylimits.h"
#include "policy/identity/signed.h"

static const char *
cert_times(const struct token_times *t, int64_t now_s)
{
	if (now_s >= t->exp)
		return "the client certificate has expired";
	return now_s < t->nbf ? "the client certificate is not valid yet" : NULL;
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

	if (err)
		return err;
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
		/* an entry with subject: owner had put the owner here */
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
		if (p->identities[i].kind == kind && same_place(&p->identities[i], place))
			return true;
	return false;
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
	if (k->revoked_ns && !sodium_memcmp(k->sha256, of_file, sizeof(of_file)))
		return auth_refused(t->why, "the API key is revoked");
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
