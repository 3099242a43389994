/* A policy with tokens of two issuers and API keys, for tests of caller identification. Include
 * after cmocka.h. */
#ifndef TESTS_IDENTITY_STAGE_H
#define TESTS_IDENTITY_STAGE_H

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/identity/apikeys.h"
#include "support/identity_fix.h"
#include "support/jwt_make.h"

#define NOW 1790000000ll
#define SEC 1000000000ll

static struct jwt_key rsa, ec, ed, ed2, stranger, ec2;
static char live_key[80], revoked_key[80], expired_key[80], second_key[80];

/* ---- the stage ---- */

static void
put_apikey(struct buf *b, char text[80], const char *more)
{
	char id[APIKEY_ID_LEN + 1];
	unsigned char h[32];

	apikey_make(id, text, h);
	buf_printf(b, "  - {id: \"%s\", sha256: \"", id);
	buf_hex(b, h, 32);
	buf_printf(b, "\", %s}\n", more);
}

static const char policy_text[] =
	"tollgate: 1\n"
	"name: t\n"
	"identity:\n"
	"  - jwt: {issuer: https://idp/, audience: [gw, gw2], jwks: jwks.json, leeway: 0s,\n"
	"      claims: {person: sub, agent: act.sub, roles: roles, department: dept,\n"
	"        clearance: clearance, team: team, tier: plan}}\n"
	"  - jwt: {issuer: https://strict/, audience: gw, jwks: jwks.json, leeway: 5s,\n"
	"      algorithms: [EdDSA], max_age: 60s}\n"
	"  - jwt: {issuer: https://strict/, audience: lax, jwks: jwks.json}\n"
	"  - jwt: {header: x-delegation, issuer: https://idp/, audience: gw, jwks: "
	"other.json}\n"
	"  - jwt: {header: x-goog-api-key, issuer: https://idp/, audience: gw, jwks: "
	"jwks.json}\n"
	"  - jwt: {query: key, issuer: https://idp/, audience: gw, jwks: jwks.json}\n"
	"  - api_key: {keys: keys.yaml}\n"
	"  - api_key: {keys: more.yaml}\n"
	"  - api_key: {header: x-api-key, keys: keys.yaml}\n"
	"  - none: {person: nobody-known}\n"
	"routes:\n"
	"  - {name: r, match: {path_prefix: /}, backend: openai}\n";

static inline int
setup(void **state)
{
	struct buf b;

	if (temp_dir_make(state) || sodium_init() < 0)
		return -1;
	rsa = jwt_key_new(KEY_RSA, 2048);
	ec = jwt_key_new(KEY_EC, 0);
	ec2 = jwt_key_new(KEY_EC, 0);
	ed = jwt_key_new(KEY_ED, 0);
	ed2 = jwt_key_new(KEY_ED, 0);
	stranger = jwt_key_new(KEY_ED, 0);
	buf_init(&b, 0);
	buf_str(&b, "{\"keys\":[");
	put_jwk(&b, &rsa, "r", NULL);
	buf_putc(&b, ',');
	put_jwk(&b, &ec, "e", NULL);
	buf_putc(&b, ',');
	put_jwk(&b, &ed, "a", NULL);
	buf_putc(&b, ',');
	put_jwk(&b, &ed2, "b", NULL);
	buf_str(&b, "]}");
	put_span("jwks.json", buf_view(&b));
	buf_clear(&b);
	buf_str(&b, "{\"keys\":[");
	put_jwk(&b, &ec2, "e2", NULL);
	buf_str(&b, "]}");
	put_span("other.json", buf_view(&b));
	buf_clear(&b);
	buf_str(&b, "keys:\n");
	put_apikey(&b, live_key,
		"person: carol, owner: ops, team: red, roles: [a, b], scopes: [r, s], "
		"clearance: "
		"2");
	put_apikey(&b, revoked_key, "person: mallory, revoked: 2026-01-01T00:00:00Z");
	put_apikey(&b, expired_key, "person: eve, expires: 2026-09-21T14:13:20Z"); /* NOW */
	put_span("keys.yaml", buf_view(&b));
	buf_clear(&b);
	buf_str(&b, "keys:\n");
	put_apikey(&b, second_key, "person: dave");
	put_span("more.yaml", buf_view(&b));
	buf_free(&b);
	return identity_load(policy_text);
}

static int
teardown(void **state)
{
	EVP_PKEY_free(rsa.pkey);
	EVP_PKEY_free(ec.pkey);
	EVP_PKEY_free(ec2.pkey);
	EVP_PKEY_free(ed.pkey);
	EVP_PKEY_free(ed2.pkey);
	EVP_PKEY_free(stranger.pkey);
	return identity_unload(state);
}

/* Checks the credential in one header field at NOW + after_s. The arena must outlive *id. */
static int
ask_at(const char *header, struct span value, int64_t after_s, struct identity_cache *cache,
	struct arena *a, struct identity *id, const char **why, bool *hit)
{
	char *copy = malloc(value.n + 1); /* the copy is freed, so nothing may point into it */
	struct http_field f[] = { { SPAN_LIT("Host"), SPAN_LIT("h") },
		{ span_str(header), { copy, value.n } } };
	struct http_head h = { .fields = f, .nfields = 2 };

	if (value.n)
		memcpy(copy, value.p, value.n);
	*why = NULL;
	int err = identity_verify(fix.p, keys, cache, &(struct credentials){ .head = &h },
		(NOW + after_s) * SEC, a, id, why, hit);
	memset(copy, 'X', value.n);
	free(copy);
	return err;
}

/* Checks a credential in the query, without a header field. */
static inline int
ask_query(struct span query, struct identity_cache *cache, struct arena *a, struct identity *id,
	const char **why, bool *hit)
{
	struct http_head h = { .query = query, .has_query = true };

	*why = NULL;
	return identity_verify(fix.p, keys, cache, &(struct credentials){ .head = &h },
		NOW * SEC, a, id, why, hit);
}

static void
put_bearer(struct buf *b, const struct jwt_key *k, const char *header, const char *payload)
{
	struct buf t;

	buf_init(&t, 0);
	put_jwt(&t, k, span_str(header), span_str(payload));
	buf_str(b, "Bearer ");
	buf_span(b, buf_view(&t));
	buf_free(&t);
}

#define TIMES "\"iat\":1789999990,\"exp\":1790000300"
#define GOOD  "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"alice\"," TIMES "}"
#define CLAIM(more)                                                                            \
	"{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"alice\"," TIMES "," more "}"
#define ED_A	     "{\"alg\":\"EdDSA\",\"kid\":\"a\"}"
#define STRICT(more) "{\"iss\":\"https://strict/\",\"aud\":\"gw\",\"sub\":\"alice\"," more "}"

static inline int
ask_raw(const char *header, struct span value)
{
	struct arena a;
	struct identity id;
	const char *why;
	bool hit;

	arena_init(&a, 0, false);
	int err = ask_at(header, value, 0, NULL, &a, &id, &why, &hit);
	arena_reset(&a);
	return err;
}

#endif
