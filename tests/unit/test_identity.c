/* Who is asking: hostile and harmless credentials against a policy with tokens of
 * two issuers and API keys, the cache of verified tokens, and what counts as a
 * credential at all. */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "policy/apikeys.h"
#include "policy/identity.h"
#include "support/jwt_make.h"
#include "support/policy_fix.h"

#define NOW 1790000000ll
#define SEC 1000000000ll

static char dir[64];
static struct jwt_key rsa, ec, ed, ed2, stranger, ec2;
static struct policy_fix fix;
static struct identity_keys *keys;
static char live_key[80], revoked_key[80], expired_key[80], second_key[80];

/* ---- the stage ---- */

static void
write_file(const char *name, struct span text)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	INVARIANT(f && fwrite(text.p, 1, text.n, f) == text.n);
	fclose(f);
}

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
	"  - api_key: {keys: keys.yaml}\n"
	"  - api_key: {keys: more.yaml}\n"
	"  - api_key: {header: x-api-key, keys: keys.yaml}\n"
	"  - none: {person: nobody-known}\n"
	"routes:\n"
	"  - {name: r, match: {path_prefix: /}, backend: openai}\n";

static int
setup(void **state)
{
	struct buf b;
	struct diag d;
	char path[128];

	(void)state;
	snprintf(dir, sizeof(dir), "/tmp/tollgate-identity-XXXXXX");
	if (!mkdtemp(dir) || sodium_init() < 0)
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
	write_file("jwks.json", buf_view(&b));
	buf_clear(&b);
	buf_str(&b, "{\"keys\":[");
	put_jwk(&b, &ec2, "e2", NULL);
	buf_str(&b, "]}");
	write_file("other.json", buf_view(&b));
	buf_clear(&b);
	buf_str(&b, "keys:\n");
	put_apikey(&b, live_key,
		"person: carol, owner: ops, team: red, roles: [a, b], scopes: [r, s], "
		"clearance: "
		"2");
	put_apikey(&b, revoked_key, "person: mallory, revoked: 2026-01-01T00:00:00Z");
	put_apikey(&b, expired_key, "person: eve, expires: 2026-09-21T14:13:20Z"); /* NOW */
	write_file("keys.yaml", buf_view(&b));
	buf_clear(&b);
	buf_str(&b, "keys:\n");
	put_apikey(&b, second_key, "person: dave");
	write_file("more.yaml", buf_view(&b));
	buf_free(&b);
	write_file("policy.yaml", span_of(policy_text, sizeof(policy_text) - 1));
	snprintf(path, sizeof(path), "%s/policy.yaml", dir);
	arena_init(&fix.a, 0, false);
	diag_init(&fix.d);
	(void)fix_config; /* of policy_fix.h: no configuration here */
	fix.p = policy_load(&fix.a, path, NULL, fix_detectors(), &fix.d);
	diag_init(&d);
	keys = fix.p ? identity_keys_load(fix.p, false, NULL, &d) : NULL;
	if (!keys)
		print_error("%.*s%.*s", SPAN_ARG(buf_view(&fix.d.text)),
			SPAN_ARG(buf_view(&d.text)));
	diag_free(&d);
	return keys ? 0 : -1;
}

static int
teardown(void **state)
{
	char cmd[128];

	(void)state;
	identity_keys_free(&keys);
	fix_done(&fix);
	detect_free(&fix_rules);
	EVP_PKEY_free(rsa.pkey);
	EVP_PKEY_free(ec.pkey);
	EVP_PKEY_free(ec2.pkey);
	EVP_PKEY_free(ed.pkey);
	EVP_PKEY_free(ed2.pkey);
	EVP_PKEY_free(stranger.pkey);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", dir);
	return system(cmd);
}

/* One field, asked at NOW + after. The arena must outlive *id. */
static int
ask_at(const char *header, struct span value, int64_t after_s, struct identity_cache *cache,
	struct arena *a, struct identity *id, const char **why, bool *hit)
{
	char *copy = malloc(value.n + 1); /* its memory goes: nothing may point at it */
	struct http_field f[] = { { SPAN_LIT("Host"), SPAN_LIT("h") },
		{ span_str(header), { copy, value.n } } };
	struct http_head h = { .fields = f, .nfields = 2 };

	memcpy(copy, value.p, value.n);
	*why = NULL;
	int err = identity_verify(fix.p, keys, cache, &(struct credentials){ .head = &h },
		(NOW + after_s) * SEC, a, id, why, hit);
	memset(copy, 'X', value.n);
	free(copy);
	return err;
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

/* ---- tokens ---- */

#define TIMES "\"iat\":1789999990,\"exp\":1790000300"
#define GOOD  "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"alice\"," TIMES "}"
#define CLAIM(more)                                                                            \
	"{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"alice\"," TIMES "," more "}"
#define ED_A	     "{\"alg\":\"EdDSA\",\"kid\":\"a\"}"
#define STRICT(more) "{\"iss\":\"https://strict/\",\"aud\":\"gw\",\"sub\":\"alice\"," more "}"

/* clang-format off */
static const struct {
	const char *name;
	const struct jwt_key *key;
	const char *header, *payload;
	bool ok;
} tokens[] = {
	{ "EdDSA", &ed, ED_A, GOOD, true },
	{ "ES256", &ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", GOOD, true },
	{ "RS256", &rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}", GOOD, true },
	{ "ES256 without kid, the only key of its kind", &ec, "{\"alg\":\"ES256\"}", GOOD, true },
	{ "a type that is ours", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"at+JWT\"}", GOOD, true },
	/* RFC 8725 3.1, 3.2 */
	{ "alg none", &ed, "{\"alg\":\"none\",\"kid\":\"a\"}", GOOD, false },
	{ "alg None", &ed, "{\"alg\":\"None\"}", GOOD, false },
	{ "alg nOnE", &ed, "{\"alg\":\"nOnE\"}", GOOD, false },
	{ "no alg", &ed, "{\"kid\":\"a\"}", GOOD, false },
	{ "alg that is a list", &ed, "{\"alg\":[\"EdDSA\"],\"kid\":\"a\"}", GOOD, false },
	{ "alg in another case", &ed, "{\"alg\":\"eddsa\",\"kid\":\"a\"}", GOOD, false },
	{ "alg of another key", &ed, "{\"alg\":\"RS256\",\"kid\":\"a\"}", GOOD, false },
	{ "HS256", &ed, "{\"alg\":\"HS256\",\"kid\":\"a\"}", GOOD, false },
	{ "RS512", &rsa, "{\"alg\":\"RS512\",\"kid\":\"r\"}", GOOD, false },
	{ "an algorithm that this issuer may not use", &ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}", STRICT(TIMES), false },
	/* keys of the token's own */
	{ "crit", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"crit\":[\"exp\"]}", GOOD, false },
	{ "an empty crit", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"crit\":[]}", GOOD, false },
	{ "jku", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"jku\":\"https://evil/\"}", GOOD, false },
	{ "x5u", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"x5u\":\"https://evil/\"}", GOOD, false },
	{ "x5c", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"x5c\":[\"AA\"]}", GOOD, false },
	{ "an embedded key", &stranger, "{\"alg\":\"EdDSA\",\"jwk\":{\"kty\":\"OKP\"}}", GOOD, false },
	{ "jku of null", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"jku\":null}", GOOD, false },
	{ "b64 false", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"b64\":false}", GOOD, false },
	/* keys */
	{ "a stranger's key", &stranger, ED_A, GOOD, false },
	{ "the other key", &ed2, ED_A, GOOD, false },
	{ "an unknown kid", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"z\"}", GOOD, false },
	{ "two keys and no kid", &ed, "{\"alg\":\"EdDSA\"}", GOOD, false },
	{ "a kid that is a number", &ed, "{\"alg\":\"EdDSA\",\"kid\":1}", GOOD, false },
	{ "a kid that is a path", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"../a\"}", GOOD, false },
	{ "a key of another header's issuer", &ec2, "{\"alg\":\"ES256\",\"kid\":\"e2\"}", GOOD, false },
	/* typ */
	{ "another type", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":\"dpop+jwt\"}", GOOD, false },
	{ "a type that is a number", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"typ\":1}", GOOD, false },
	/* iss, aud */
	{ "another issuer", &ed, ED_A, "{\"iss\":\"https://idp\",\"aud\":\"gw\",\"sub\":\"a\"," TIMES "}", false },
	{ "no issuer", &ed, ED_A, "{\"aud\":\"gw\",\"sub\":\"a\"," TIMES "}", false },
	{ "issuers in a list", &ed, ED_A, "{\"iss\":[\"https://idp/\"],\"aud\":\"gw\",\"sub\":\"a\"," TIMES "}", false },
	{ "another audience", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"other\",\"sub\":\"a\"," TIMES "}", false },
	{ "no audience", &ed, ED_A, "{\"iss\":\"https://idp/\",\"sub\":\"a\"," TIMES "}", false },
	{ "the second audience", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw2\",\"sub\":\"a\"," TIMES "}", true },
	{ "a list with ours", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":[\"x\",\"gw\"],\"sub\":\"a\"," TIMES "}", true },
	{ "a list without", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":[\"x\",\"y\"],\"sub\":\"a\"," TIMES "}", false },
	{ "an empty list", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":[],\"sub\":\"a\"," TIMES "}", false },
	{ "a list of lists", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":[[\"gw\"]],\"sub\":\"a\"," TIMES "}", false },
	{ "ours beside a number", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":[\"gw\",1],\"sub\":\"a\"," TIMES "}", false },
	{ "an audience that begins with ours", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw3\",\"sub\":\"a\"," TIMES "}", false },
	/* exp, nbf, iat */
	{ "expired this second", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":1790000000}", false },
	{ "a second left", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":1790000001}", true },
	{ "no expiry", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\"}", false },
	{ "an expiry that is a string", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":\"1790000300\"}", false },
	{ "an expiry of true", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":true}", false },
	{ "an expiry of null", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":null}", false },
	{ "an expiry below zero", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":-1}", false },
	{ "an expiry beyond all calendars", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":1e300}", false },
	{ "an expiry in milliseconds", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":1790000300000}", false },
	{ "an expiry with a fraction", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":1790000300.5}", true },
	{ "not before the next second", &ed, ED_A, CLAIM("\"nbf\":1790000001"), false },
	{ "not before now", &ed, ED_A, CLAIM("\"nbf\":1790000000"), true },
	{ "nbf of zero, as some issuers write it", &ed, ED_A, CLAIM("\"nbf\":0"), true },
	{ "iat of zero where max_age counts", &ed, ED_A, STRICT("\"iat\":0,\"exp\":1790000300"), false },
	{ "exp of zero", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"exp\":0}", false },
	{ "another entry of the issuer, by its audience", &ec, "{\"alg\":\"ES256\",\"kid\":\"e\"}",
	  "{\"iss\":\"https://strict/\",\"aud\":\"lax\",\"sub\":\"a\",\"exp\":1790000300}", true },
	{ "neither entry's audience", &ed, ED_A,
	  "{\"iss\":\"https://strict/\",\"aud\":\"other\",\"sub\":\"a\",\"exp\":1790000300}", false },
	{ "nbf that is a string", &ed, ED_A, CLAIM("\"nbf\":\"0\""), false },
	{ "issued in the future", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"a\",\"iat\":1790000001,\"exp\":1790000300}", false },
	{ "max_age: young enough, with leeway", &ed, ED_A, STRICT("\"iat\":1789999935,\"exp\":1790000300"), true },
	{ "max_age: too old", &ed, ED_A, STRICT("\"iat\":1789999934,\"exp\":1790000300"), false },
	{ "max_age: no iat", &ed, ED_A, STRICT("\"exp\":1790000300"), false },
	{ "expired within the leeway", &ed, ED_A, STRICT("\"iat\":1789999990,\"exp\":1789999996"), true },
	{ "expired at the end of the leeway", &ed, ED_A, STRICT("\"iat\":1789999990,\"exp\":1789999995"), false },
	/* claims */
	{ "no person", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\"," TIMES "}", false },
	{ "an empty person", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"\"," TIMES "}", false },
	{ "a person that is a number", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":1," TIMES "}", false },
	{ "a person of null", &ed, ED_A, "{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":null," TIMES "}", false },
	{ "roles that are a string", &ed, ED_A, CLAIM("\"roles\":\"admin\""), false },
	{ "roles that hold a number", &ed, ED_A, CLAIM("\"roles\":[\"a\",1]"), false },
	{ "no roles", &ed, ED_A, CLAIM("\"roles\":[]"), true },
	{ "a clearance that is a string", &ed, ED_A, CLAIM("\"clearance\":\"3\""), false },
	{ "a clearance with a fraction", &ed, ED_A, CLAIM("\"clearance\":3.0"), false },
	{ "a clearance of true", &ed, ED_A, CLAIM("\"clearance\":true"), false },
	{ "a department that is a list", &ed, ED_A, CLAIM("\"dept\":[\"x\"]"), false },
	{ "a team that is an object", &ed, ED_A, CLAIM("\"team\":{}"), false },
	{ "a plan that is a number", &ed, ED_A, CLAIM("\"plan\":1"), false },
	{ "an agent that is a number", &ed, ED_A, CLAIM("\"act\":{\"sub\":1}"), false },
	{ "an act that is a string", &ed, ED_A, CLAIM("\"act\":\"x\""), false },
	/* RFC 8693 4.1 */
	{ "an actor", &ed, ED_A, CLAIM("\"act\":{\"sub\":\"bot\"}"), true },
	{ "a chain of actors", &ed, ED_A, CLAIM("\"act\":{\"sub\":\"b\",\"act\":{\"sub\":\"a\"}}"), true },
	{ "an actor without a subject", &ed, ED_A, CLAIM("\"act\":{\"iss\":\"x\"}"), false },
	{ "an actor behind the first without a subject", &ed, ED_A, CLAIM("\"act\":{\"sub\":\"b\",\"act\":{}}"), false },
	{ "an actor of a list", &ed, ED_A, CLAIM("\"act\":[{\"sub\":\"b\"}]"), false },
	/* RFC 8705 3.1, and what is not checked here: RFC 9449, RFC 7800 */
	{ "bound to a certificate, and none came", &ed, ED_A,
	  CLAIM("\"cnf\":{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}"), false },
	{ "bound to a key (DPoP)", &ed, ED_A, CLAIM("\"cnf\":{\"jkt\":\"x\"}"), false },
	{ "bound twice", &ed, ED_A, CLAIM("\"cnf\":{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\",\"jkt\":\"x\"}"), false },
	{ "bound to nothing", &ed, ED_A, CLAIM("\"cnf\":{}"), false },
	{ "a cnf that is a string", &ed, ED_A, CLAIM("\"cnf\":\"x\""), false },
	{ "deep attributes", &ed, ED_A, CLAIM("\"x\":[[[[[[[[[[[[{\"a\":[1]}]]]]]]]]]]]]"), true },
	/* duplicates */
	{ "alg twice", &ed, "{\"alg\":\"EdDSA\",\"kid\":\"a\",\"alg\":\"none\"}", GOOD, false },
	{ "sub twice", &ed, ED_A, CLAIM("\"sub\":\"root\""), false },
	{ "sub twice, spelt otherwise", &ed, ED_A, CLAIM("\"s\\u0075b\":\"root\""), false },
	{ "a payload that is a list", &ed, ED_A, "[]", false },
};
/* clang-format on */

static void
test_tokens(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		for (int cached = 0; cached < 2; cached++) {
			struct identity_cache *cache = cached ? identity_cache_new(16) : NULL;
			struct arena a;
			struct identity id;
			struct buf b;
			const char *why;
			bool hit;
			arena_init(&a, 0, false);
			buf_init(&b, 0);
			put_bearer(&b, tokens[i].key, tokens[i].header, tokens[i].payload);
			/* Twice: what was refused is refused again, never remembered. */
			for (int k = 0; k < 2; k++) {
				int err = ask_at("Authorization", buf_view(&b), 0, cache, &a,
					&id, &why, &hit);
				if (err != (tokens[i].ok ? 0 : ERR_AUTH))
					fail_msg("%s: %d %s", tokens[i].name, err,
						why ? why : "");
				assert_int_equal(hit, cached && k && tokens[i].ok);
				if (err) {
					assert_non_null(why);
					continue;
				}
				assert_string_equal(id.method, "jwt");
				assert_true(id.verified && id.person.n && id.issuer.n);
			}
			buf_free(&b);
			arena_reset(&a);
			identity_cache_free(&cache);
		}
}

/* What a token says, and that none of it points into the head. */
static void
test_claims(void **state)
{
	struct identity_cache *cache = identity_cache_new(16);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	put_bearer(&b, &rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}",
		CLAIM("\"act\":{\"sub\":\"bot\"},\"roles\":[\"x\",\"y\"],\"dept\":\"sales\","
		      "\"clearance\":-3,\"team\":\"red\",\"plan\":\"free\",\"email\":\"a@b\","
		      "\"deep\":{\"list\":[1,2.5,true,null,\"s\"]}"));
	for (int k = 0; k < 2; k++) { /* the second from the cache */
		struct arena a;
		struct identity id;
		const char *why;
		bool hit;
		arena_init(&a, 0, true);
		assert_int_equal(
			ask_at("authorization", buf_view(&b), 0, cache, &a, &id, &why, &hit),
			0);
		assert_int_equal(hit, k);
		assert_true(span_is(id.person, "alice") && span_is(id.agent, "bot") &&
			    span_is(id.department, "sales") && span_is(id.team, "red") &&
			    span_is(id.tier, "free"));
		assert_int_equal(id.nroles, 2);
		assert_true(span_is(id.roles[0].s, "x") && span_is(id.roles[1].s, "y"));
		assert_int_equal(id.clearance, -3);
		assert_true(span_is(id.issuer, "https://idp/") && span_is(id.key_id, "r"));
		assert_int_equal(id.expires_s, NOW + 300);
		struct buf json;
		struct cel_value v = { .type = CEL_MAP,
			.list = { id.attributes, id.nattributes } };
		buf_init(&json, 0);
		cel_json(&v, &json);
		buf_putc(&json, '\0');
		const char *text = buf_view(&json).p;
		assert_non_null(strstr(text, "\"email\":\"a@b\""));
		assert_non_null(strstr(text, "\"list\":[1,2.5,true,null,\"s\"]"));
		assert_null(strstr(text, "\"sub\":\"alice\""));
		assert_null(strstr(text, "\"exp\""));
		buf_free(&json);
		arena_reset(&a);
	}
	buf_free(&b);
	identity_cache_free(&cache);
}

/* ---- forgeries that no signing function makes ---- */

static int
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

static void
test_forged(void **state)
{
	struct buf b, t;
	unsigned char mac[64], sig[1024];
	unsigned n;
	char pem[4096];

	(void)state;
	buf_init(&b, 0);
	buf_init(&t, 0);
	/* HS256 with the public key, as PEM and as DER, for a secret. */
	for (int der = 0; der < 2; der++) {
		BIO *bio = BIO_new(BIO_s_mem());
		assert_int_equal(der ? i2d_PUBKEY_bio(bio, rsa.pkey)
				     : PEM_write_bio_PUBKEY(bio, rsa.pkey),
			1);
		int len = BIO_read(bio, pem, sizeof(pem));
		BIO_free(bio);
		static const char *const algs[] = { "HS256", "RS256" };
		for (int k = 0; k < 2; k++) {
			char header[64];
			snprintf(header, sizeof(header), "{\"alg\":\"%s\",\"kid\":\"r\"}",
				algs[k]);
			buf_clear(&t);
			put_signed_text(&t, span_str(header), SPAN_LIT(GOOD));
			HMAC(EVP_sha256(), pem, len, (const unsigned char *)buf_view(&t).p, t.n,
				mac, &n);
			buf_clear(&b);
			buf_printf(&b, "Bearer %.*s.", SPAN_ARG(buf_view(&t)));
			put_b64url(&b, mac, n);
			assert_int_equal(ask_raw("authorization", buf_view(&b)), ERR_AUTH);
		}
	}
	/* ES256: DER, and all zeroes (CVE-2022-21449), and one byte more or less. */
	buf_clear(&t);
	put_signed_text(&t, SPAN_LIT("{\"alg\":\"ES256\",\"kid\":\"e\"}"), SPAN_LIT(GOOD));
	for (int kind = 0; kind < 5; kind++) {
		size_t len = kind == 0 ? jwt_sign_raw(&ec, buf_view(&t), sig)
				       : jwt_sign(&ec, buf_view(&t), sig);
		if (kind == 1)
			memset(sig, 0, len);
		else if (kind == 2)
			sig[len++] = 0;
		else if (kind == 3)
			len--;
		buf_clear(&b);
		buf_printf(&b, "Bearer %.*s.", SPAN_ARG(buf_view(&t)));
		put_b64url(&b, sig, len);
		assert_int_equal(
			ask_raw("authorization", buf_view(&b)), kind == 4 ? 0 : ERR_AUTH);
	}
	/* The good one with padding, with a bit in its tail, and cut anywhere. */
	buf_clear(&b);
	put_bearer(&b, &ed, ED_A, GOOD);
	assert_int_equal(ask_raw("authorization", buf_view(&b)), 0);
	buf_str(&b, "==");
	assert_int_equal(ask_raw("authorization", buf_view(&b)), ERR_AUTH);
	b.n -= 2;
	((char *)buf_view(&b).p)[b.n - 1]++; /* 64 bytes: four idle bits */
	assert_int_equal(ask_raw("authorization", buf_view(&b)), ERR_AUTH);
	((char *)buf_view(&b).p)[b.n - 1]--;
	for (size_t cut = strlen("Bearer "); cut < b.n; cut++) {
		struct span part = span_cut(buf_view(&b), 0, cut);
		size_t dots = 0;
		for (size_t i = 0; i < part.n; i++)
			dots += part.p[i] == '.';
		/* With a part less it is no token by its shape. */
		assert_int_equal(ask_raw("authorization", part), dots == 2 ? ERR_AUTH : 0);
	}
	/* Every single bit. */
	for (size_t bit = 7 * 8; bit < b.n * 8; bit += 5) {
		((char *)buf_view(&b).p)[bit / 8] ^= (char)(1 << bit % 8);
		struct arena a;
		struct identity id;
		const char *why;
		bool hit;
		arena_init(&a, 0, false);
		int err = ask_at("authorization", buf_view(&b), 0, NULL, &a, &id, &why, &hit);
		assert_true(err == ERR_AUTH || !id.verified);
		arena_reset(&a);
		((char *)buf_view(&b).p)[bit / 8] ^= (char)(1 << bit % 8);
	}
	buf_free(&b);
	buf_free(&t);
}

/* ---- what is present ---- */

/* clang-format off */
static const struct { const char *name, *header, *value; int err; /* 0: nobody */ } presence[] = {
	{ "nothing", "x-other", "a.b.c", 0 },
	{ "an empty field", "authorization", "", 0 },
	{ "the scheme alone", "authorization", "Bearer", 0 },
	{ "a word", "authorization", "Bearer abc", 0 },
	{ "two parts", "authorization", "Bearer a.b", 0 },
	{ "four parts", "authorization", "Bearer a.b.c.d", 0 },
	{ "a provider's key", "authorization", "Bearer sk-proj-abcdef", 0 },
	{ "basic", "authorization", "Basic YWxpY2U6c2VjcmV0", 0 },
	{ "digest", "authorization", "Digest username=\"a\", uri=\"/a.b.c\", realm=\"x.y.z\"", 0 },
	{ "three parts", "authorization", "Bearer a.b.c", ERR_AUTH },
	{ "three empty parts", "authorization", "Bearer ..", ERR_AUTH },
	{ "five parts", "authorization", "Bearer a.b.c.d.e", ERR_AUTH },
	{ "five empty parts", "authorization", "Bearer ....", ERR_AUTH },
	{ "the scheme in lower case", "authorization", "bearer a.b.c", ERR_AUTH },
	{ "many spaces", "authorization", "Bearer    a.b.c  ", ERR_AUTH },
	{ "a tab", "authorization", "Bearer\ta.b.c", ERR_AUTH },
	{ "no scheme", "authorization", "a.b.c", ERR_AUTH },
	{ "another scheme", "authorization", "DPoP a.b.c", ERR_AUTH },
	{ "another scheme and our key", "authorization", "Basic tg_aaaaaaaa_bbbb", ERR_AUTH },
	{ "no scheme and our key", "authorization", "tg_aaaaaaaa_bbbb", ERR_AUTH },
	{ "two tokens", "authorization", "Bearer a.b.c d", ERR_AUTH },
	{ "a key of ours that is unknown", "authorization", "Bearer tg_aaaaaaaa_bbbb", ERR_AUTH },
	{ "the beginning of one", "authorization", "Bearer tg_", ERR_AUTH },
	{ "one in its own header", "x-api-key", "tg_aaaaaaaa_bbbb", ERR_AUTH },
	{ "one in its own header with something behind", "x-api-key", "tg_aaaaaaaa_bbbb x", ERR_AUTH },
	{ "a token where only keys are", "x-api-key", "a.b.c", ERR_AUTH },
	{ "a key where only tokens are", "x-delegation", "tg_aaaaaaaa_bbbb", ERR_AUTH },
	{ "a provider's key in its own header", "x-api-key", "sk-ant-abc", 0 },
	{ "a token in its own header, without scheme", "x-delegation", "a.b.c", ERR_AUTH },
};
/* clang-format on */

static void
test_presence(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(presence) / sizeof(presence[0]); i++) {
		struct arena a;
		struct identity id;
		const char *why;
		bool hit;
		arena_init(&a, 0, false);
		int err = ask_at(presence[i].header, span_str(presence[i].value), 0, NULL, &a,
			&id, &why, &hit);
		if (err != presence[i].err)
			fail_msg("%s: %d", presence[i].name, err);
		if (!err) {
			assert_string_equal(id.method, "none");
			assert_true(span_is(id.person, "nobody-known"));
			assert_false(id.verified);
		} else {
			assert_null(strstr(why, "a.b"));
		}
		arena_reset(&a);
	}
}

/* A credential given twice, also beside a good one; and the first header that
 * holds one decides. */
static void
test_several(void **state)
{
	struct buf good;
	struct arena a;
	struct identity id;
	const char *why;
	bool hit;

	(void)state;
	buf_init(&good, 0);
	arena_init(&a, 0, false);
	put_bearer(&good, &ed, ED_A, GOOD);
	struct http_field f[] = { { SPAN_LIT("authorization"), buf_view(&good) },
		{ SPAN_LIT("AUTHORIZATION"), SPAN_LIT("Basic eHg6eA==") },
		{ SPAN_LIT("x-api-key"), span_str(live_key) },
		{ SPAN_LIT("x-delegation"), SPAN_LIT("bad.bad.bad") } };
	struct http_head h = { .fields = f, .nfields = 4 };
	assert_int_equal(identity_verify(fix.p, keys, NULL, &(struct credentials){ .head = &h },
				 NOW * SEC, &a, &id, &why, &hit),
		ERR_AUTH);
	/* entries in order: authorization, then x-delegation, then x-api-key */
	f[1] = f[0];
	h = (struct http_head){ .fields = f + 1, .nfields = 3 };
	assert_int_equal(identity_verify(fix.p, keys, NULL, &(struct credentials){ .head = &h },
				 NOW * SEC, &a, &id, &why, &hit),
		0);
	assert_true(span_is(id.person, "alice"));
	h = (struct http_head){ .fields = f + 2, .nfields = 2 };
	assert_int_equal(identity_verify(fix.p, keys, NULL, &(struct credentials){ .head = &h },
				 NOW * SEC, &a, &id, &why, &hit),
		ERR_AUTH);
	h = (struct http_head){ .fields = f + 2, .nfields = 1 };
	assert_int_equal(identity_verify(fix.p, keys, NULL, &(struct credentials){ .head = &h },
				 NOW * SEC, &a, &id, &why, &hit),
		0);
	assert_true(span_is(id.person, "carol"));
	arena_reset(&a);
	buf_free(&good);
}

static void
test_large(void **state)
{
	enum { MEGABYTE = 1 << 20 };
	char *text = malloc(MEGABYTE);

	(void)state;
	memset(text, 'A', MEGABYTE);
	memcpy(text, "Bearer A.A.", 11);
	assert_int_equal(ask_raw("authorization", span_of(text, MEGABYTE)), ERR_AUTH);
	memcpy(text, "Bearer tg_A_", 12);
	assert_int_equal(ask_raw("authorization", span_of(text, MEGABYTE)), ERR_AUTH);
	memset(text + 7, '.', MEGABYTE - 7);
	assert_int_equal(ask_raw("authorization", span_of(text, MEGABYTE)), 0);
	free(text);
}

/* ---- API keys ---- */

static void
test_apikeys(void **state)
{
	struct {
		const char *name;
		char value[100];
		int64_t after_s;
		const char *person; /* NULL: refused */
	} rows[] = {
		{ "a live key", "", 0, "carol" },
		{ "a key of the second file", "", 0, "dave" },
		{ "a revoked key", "", 0, NULL },
		{ "a key before it expires", "", -1, "eve" },
		{ "a key that expires now", "", 0, NULL },
		{ "the beginning of a key", "", 0, NULL },
		{ "a key with something behind", "", 0, NULL },
		{ "the id of one with the secret of another", "", 0, NULL },
		{ "a key in capitals", "", 0, NULL },
	};
	static const char *const headers[] = { "Authorization", "X-Api-Key" };

	(void)state;
	snprintf(rows[0].value, 100, "%s", live_key);
	snprintf(rows[1].value, 100, "%s", second_key);
	snprintf(rows[2].value, 100, "%s", revoked_key);
	snprintf(rows[3].value, 100, "%s", expired_key);
	snprintf(rows[4].value, 100, "%s", expired_key);
	snprintf(rows[5].value, 100, "%.*s", (int)strlen(live_key) - 1, live_key);
	snprintf(rows[6].value, 100, "%sa", live_key);
	snprintf(rows[7].value, 100, "%.12s%s", live_key, second_key + 12);
	snprintf(rows[8].value, 100, "%s", live_key);
	for (char *c = rows[8].value + 3; *c; c++)
		if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - 32);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int k = 0; k < 2; k++) {
			struct arena a;
			struct identity id;
			const char *why;
			bool hit;
			char value[120];
			arena_init(&a, 0, false);
			snprintf(value, sizeof(value), "%s%s", k ? "" : "Bearer ",
				rows[i].value);
			int err = ask_at(headers[k], span_str(value), rows[i].after_s, NULL, &a,
				&id, &why, &hit);
			/* x-api-key reads the first file only */
			bool want = rows[i].person && !(k && i == 1);
			if ((err == 0) != want || (want && !span_is(id.person, rows[i].person)))
				fail_msg("%s in %s: %d %s", rows[i].name, headers[k], err,
					err ? why : "");
			if (want) {
				assert_string_equal(id.method, "api_key");
				assert_true(id.key_id.n == APIKEY_ID_LEN && id.verified);
				assert_int_equal(id.nroles, i == 0 ? 2 : 0);
				assert_int_equal(id.nscopes, i == 0 ? 2 : 0);
				assert_int_equal(id.nattributes, i == 0 ? 2 : 0);
			} else {
				assert_int_equal(err, ERR_AUTH);
				assert_null(strstr(why, "tg_"));
			}
			arena_reset(&a);
		}
}

/* ---- the cache ---- */

static void
test_cache(void **state)
{
	struct identity_cache *cache = identity_cache_new(16);
	struct arena a;
	struct identity id;
	struct buf b, strict, soon;
	const char *why;
	bool hit;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&b, 0);
	buf_init(&strict, 0);
	buf_init(&soon, 0);
	put_bearer(&b, &ed, ED_A, CLAIM("\"nbf\":1790000000"));
	put_bearer(&strict, &ed, ED_A, STRICT("\"iat\":1790000000,\"exp\":1790009999"));
#define ASK(h, v, after) ask_at(h, buf_view(&v), after, cache, &a, &id, &why, &hit)
	/* hit, and its times at every hit */
	assert_int_equal(ASK("authorization", b, 0), 0);
	assert_false(hit);
	assert_int_equal(ASK("authorization", b, 299), 0);
	assert_true(hit);
	assert_int_equal(ASK("authorization", b, 300), ERR_AUTH);
	assert_int_equal(ASK("authorization", b, -1), ERR_AUTH); /* not before */
	assert_int_equal(ASK("authorization", b, 100), 0);
	assert_int_equal(ASK("authorization", strict, 0), 0);
	assert_int_equal(ASK("authorization", strict, 65), 0);
	assert_true(hit);
	assert_int_equal(ASK("authorization", strict, 66), ERR_AUTH); /* max_age */
	/* the same token under another header is verified by that header's entry */
	assert_int_equal(ASK("x-delegation", b, 0), ERR_AUTH);
	assert_int_equal(ASK("authorization", b, 0), 0);
	assert_true(hit);
	/* another signature over the same text is another token */
	struct buf forged;
	buf_init(&forged, 0);
	put_bearer(&forged, &stranger, ED_A, CLAIM("\"nbf\":1790000000"));
	assert_int_equal(ASK("authorization", forged, 0), ERR_AUTH);
	assert_int_equal(ASK("authorization", forged, 0), ERR_AUTH);
	assert_false(hit);
	buf_free(&forged);
	/* refused first, good later: the refusal was not kept */
	put_bearer(&soon, &ed, ED_A, CLAIM("\"nbf\":1790000010"));
	assert_int_equal(ASK("authorization", soon, 0), ERR_AUTH);
	assert_int_equal(ASK("authorization", soon, 10), 0);
	assert_false(hit);
	buf_free(&b);
	buf_free(&strict);
	buf_free(&soon);
	arena_reset(&a);
	identity_cache_free(&cache);
}

static void
test_cache_eviction(void **state)
{
	enum { TOKENS = 100 };
	struct identity_cache *cache = identity_cache_new(16);
	static struct buf t[TOKENS];
	size_t hits = 0;

	(void)state;
	for (int i = 0; i < TOKENS; i++) {
		char payload[200];
		snprintf(payload, sizeof(payload),
			"{\"iss\":\"https://idp/\",\"aud\":\"gw\",\"sub\":\"p%d\"," TIMES "}",
			i);
		buf_init(&t[i], 0);
		put_bearer(&t[i], &ed, ED_A, payload);
	}
	for (int k = 0; k < 3 * TOKENS; k++) {
		struct arena a;
		struct identity id;
		const char *why;
		bool hit;
		char person[16];
		int i = k % TOKENS;
		snprintf(person, sizeof(person), "p%d", i);
		arena_init(&a, 0, false);
		assert_int_equal(
			ask_at("authorization", buf_view(&t[i]), 0, cache, &a, &id, &why, &hit),
			0);
		assert_true(span_is(id.person, person));
		hits += hit;
		/* what was asked last is still there */
		assert_int_equal(
			ask_at("authorization", buf_view(&t[i]), 0, cache, &a, &id, &why, &hit),
			0);
		assert_true(hit && span_is(id.person, person));
		arena_reset(&a);
	}
	assert_true(hits < TOKENS); /* sixteen places */
	for (int i = 0; i < TOKENS; i++)
		buf_free(&t[i]);
	identity_cache_free(&cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_tokens),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_forged),
		cmocka_unit_test(test_presence),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_large),
		cmocka_unit_test(test_apikeys),
		cmocka_unit_test(test_cache),
		cmocka_unit_test(test_cache_eviction),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
