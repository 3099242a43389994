/* Tokens, hostile and harmless, against a policy with two issuers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "support/identity_stage.h"

#define ACT(of)	   "{\"sub\":\"b\",\"act\":" of "}"
#define ACTS_7(of) "\"act\":" ACT(ACT(ACT(ACT(ACT(ACT(ACT(of)))))))

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
	{ "eight actors", &ed, ED_A, CLAIM(ACTS_7("{\"sub\":\"a\"}")), true },
	{ "nine actors", &ed, ED_A, CLAIM(ACTS_7(ACT("{\"sub\":\"a\"}"))), false },
	{ "an actor without a subject", &ed, ED_A, CLAIM("\"act\":{\"iss\":\"x\"}"), false },
	{ "an actor behind the first without a subject", &ed, ED_A, CLAIM("\"act\":{\"sub\":\"b\",\"act\":{}}"), false },
	{ "an actor of a list", &ed, ED_A, CLAIM("\"act\":[{\"sub\":\"b\"}]"), false },
	/* RFC 8705 3.1, and bindings that the gateway does not check: RFC 9449, RFC 7800 */
	{ "bound to a certificate, and none came", &ed, ED_A,
	  CLAIM("\"cnf\":{\"x5t#S256\":\"bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2\"}"), false },
	{ "bound to a key (DPoP)", &ed, ED_A, CLAIM("\"cnf\":{\"jkt\":\"x\"}"), false },
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
token_is_accepted_or_refused_with_and_without_cache(void **state)
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
			/* Twice: a refusal is repeated and never cached. */
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

/* A caller who repeats the request without the token learns, to the second, what became of the
 * token. */
static void
ended_token_is_reported_to_the_second(void **state)
{
	unsigned ended = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++) {
		struct identity id, now, then;
		const char *why;
		struct arena a;
		struct buf b;
		bool hit;
		if (!tokens[i].ok)
			continue;
		arena_init(&a, 0, false);
		buf_init(&b, 0);
		put_bearer(&b, tokens[i].key, tokens[i].header, tokens[i].payload);
		assert_int_equal(
			ask_at("Authorization", buf_view(&b), 0, NULL, &a, &id, &why, &hit), 0);
		for (int64_t off = -1; off <= 1; off++) {
			int64_t s = id.expires_s + off;
			int want = ask_at("Authorization", buf_view(&b), s - NOW, NULL, &a,
				&then, &why, &hit);
			int got =
				identity_again(fix.p, keys, NULL, &id, s * SEC, &a, &now, &why);
			if (got != want || got != (off < 0 ? 0 : ERR_AUTH))
				fail_msg("%s: %+d s: %d, not %d", tokens[i].name, (int)off, got,
					want);
			ended += got == ERR_AUTH;
		}
		buf_free(&b);
		arena_reset(&a);
	}
	assert_true(ended > 20);
}

/* A token's claims, none of which may point into the head. */
static void
claims_of_a_token_do_not_point_into_the_head(void **state)
{
	struct identity_cache *cache = identity_cache_new(16);
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	put_bearer(&b, &rsa, "{\"alg\":\"RS256\",\"kid\":\"r\"}",
		CLAIM("\"act\":{\"sub\":\"bot\"},\"roles\":[\"x\",\"y\"],\"dept\":\"sales\","
		      "\"clearance\":-3,\"team\":\"red\",\"plan\":\"free\",\"email\":\"a@b\","
		      "\"deep\":{\"list\":[1,2.5,true,null,\"s\"]}"));
	for (int k = 0; k < 2; k++) { /* the second time from the cache */
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

/* ---- forgeries that no signing function produces ---- */

static void
forged_token_is_refused(void **state)
{
	struct buf b, t;
	unsigned char mac[64], sig[1024];
	unsigned n;
	char pem[4096];

	(void)state;
	buf_init(&b, 0);
	buf_init(&t, 0);
	/* HS256 with the public key as the secret, in PEM and in DER. */
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
	/* ES256: DER, all zeros (CVE-2022-21449), and one byte more or less. */
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
	/* The valid token with padding, with a changed bit at its end, and cut anywhere. */
	buf_clear(&b);
	put_bearer(&b, &ed, ED_A, GOOD);
	assert_int_equal(ask_raw("authorization", buf_view(&b)), 0);
	buf_str(&b, "==");
	assert_int_equal(ask_raw("authorization", buf_view(&b)), ERR_AUTH);
	b.n -= 2;
	((char *)buf_view(&b).p)[b.n - 1]++; /* 64 bytes leave four unused bits */
	assert_int_equal(ask_raw("authorization", buf_view(&b)), ERR_AUTH);
	((char *)buf_view(&b).p)[b.n - 1]--;
	for (size_t cut = strlen("Bearer "); cut < b.n; cut++) {
		struct span part = span_cut(buf_view(&b), 0, cut);
		size_t dots = 0;
		for (size_t i = 0; i < part.n; i++)
			dots += part.p[i] == '.';
		/* With one part less, it does not have the form of a token. */
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_is_accepted_or_refused_with_and_without_cache),
		cmocka_unit_test(ended_token_is_reported_to_the_second),
		cmocka_unit_test(claims_of_a_token_do_not_point_into_the_head),
		cmocka_unit_test(forged_token_is_refused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
