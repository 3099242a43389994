/* Verifies tokens (RFC 7519, 8725), also tokens that are bound to a certificate (RFC 8705). */
#include <sodium.h>

#include "base/codec/json_text.h"
#include "base/codec/jws.h"
#include "base/err.h"
#include "base/fetch/jwks.h"
#include "base/sha256.h"
#include "policy/identity/attempt.h"
#include "policy/identity/claims.h"

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
		if (e->kind != ID_JWT || !same_place(e, place) || !span_is(iss, e->issuer))
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

int
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
