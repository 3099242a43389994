/* Key sets: accepted, skipped and refused keys; the vectors of RFC 7515 A.2 and A.3 and RFC
 * 8037 A.4; signatures in wrong forms. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/rsa.h>

#include "base/arena.h"
#include "base/caps.h"
#include "base/codec/jws.h"
#include "base/fetch/jwks.h"
#include "support/jwt_make.h"

#define RSA_N                                                                                  \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-"                \
	"4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47"           \
	"soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2"          \
	"CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAc"          \
	"o9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"
#define EC_X	  "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define EC_Y	  "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define ED_X	  "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define JWK_RSA	  "{\"kty\":\"RSA\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"
#define JWK_EC	  "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"
#define JWK_ED	  "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"
#define SET(keys) "{\"keys\":[" keys "]}"

#define CLAIMS                                                                                 \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290" \
	"Ijp0cnVlfQ"

/* clang-format off */
static const struct { const char *name; enum jws_alg alg; const char *text, *signature; } vectors[] = {
	{ "RFC 7515 A.2", JWS_RS256, "eyJhbGciOiJSUzI1NiJ9." CLAIMS,
	  "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5"
	  "jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1"
	  "L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYE"
	  "UipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw" },
	{ "RFC 7515 A.3", JWS_ES256, "eyJhbGciOiJFUzI1NiJ9." CLAIMS,
	  "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q" },
	{ "RFC 8037 A.4", JWS_EDDSA, "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc",
	  "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg" },
};
/* clang-format on */

static struct jwks *
load(const char *text, const char *name)
{
	struct buf why;

	buf_init(&why, 1024);
	struct jwks *k = jwks_load(span_str(text), &why);
	if (!k && name)
		fail_msg("%s: %.*s", name, SPAN_ARG(buf_view(&why)));
	if (!k)
		assert_true(why.n > 0);
	buf_free(&why);
	return k;
}

static void
keys_of_the_rfcs_are_read(void **state)
{
	struct jwks *k = load(SET(JWK_RSA "," JWK_EC "," JWK_ED), "the keys of the RFCs");

	(void)state;
	assert_int_equal(jwks_count(k), 3);
	for (size_t i = 0; i < sizeof(vectors) / sizeof(vectors[0]); i++) {
		struct arena a;
		struct span sig, none = { NULL, 0 }, text = span_str(vectors[i].text);
		arena_init(&a, 0, false);
		assert_int_equal(b64url_decode(span_str(vectors[i].signature), &a, &sig), 0);
		if (jwks_verify(k, none, vectors[i].alg, text, sig))
			fail_msg("%s", vectors[i].name);
		/* With any changed bit of text or signature, or another length, verification
		 * fails. */
		for (size_t bit = 0; bit < text.n * 8; bit += 37) {
			struct span other = arena_dup(&a, text);
			((char *)other.p)[bit / 8] ^= (char)(1 << bit % 8);
			assert_int_equal(
				jwks_verify(k, none, vectors[i].alg, other, sig), ERR_AUTH);
		}
		for (size_t bit = 0; bit < sig.n * 8; bit += 37) {
			struct span other = arena_dup(&a, sig);
			((char *)other.p)[bit / 8] ^= (char)(1 << bit % 8);
			assert_int_equal(
				jwks_verify(k, none, vectors[i].alg, text, other), ERR_AUTH);
		}
		for (size_t n = 0; n < sig.n; n += 7)
			assert_int_equal(
				jwks_verify(k, none, vectors[i].alg, text, span_cut(sig, 0, n)),
				ERR_AUTH);
		struct span longer = arena_alloc(&a, sig.n + 1)
					     ? arena_dup(&a, span_of(sig.p, sig.n))
					     : none;
		longer.n++;
		assert_int_equal(jwks_verify(k, none, vectors[i].alg, text, longer), ERR_AUTH);
		/* The same signature under another algorithm. */
		for (int alg = 0; alg < JWS_ALGS; alg++)
			if (alg != (int)vectors[i].alg)
				assert_true(
					jwks_verify(k, none, (enum jws_alg)alg, text, sig) < 0);
		arena_reset(&a);
	}
	jwks_free(&k);
}

/* clang-format off */
static const struct { const char *name, *text; int keys; /* -1: refused */ } sets[] = {
	{ "one of each", SET(JWK_RSA "," JWK_EC "," JWK_ED), 3 },
	{ "the same key twice without kid", SET(JWK_EC "," JWK_EC), 2 },
	{ "an encryption key is passed over", SET("{\"kty\":\"EC\",\"use\":\"enc\",\"crv\":\"P-256\",\"x\":\"" EC_X
	  "\",\"y\":\"" EC_Y "\"}," JWK_ED), 1 },
	{ "a key for other operations too", SET("{\"kty\":\"OKP\",\"key_ops\":[\"sign\"],\"crv\":\"Ed25519\",\"x\":\"" ED_X
	  "\"}," JWK_ED), 1 },
	{ "one for verifying is taken", SET("{\"kty\":\"OKP\",\"key_ops\":[\"verify\"],\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"), 1 },
	{ "another curve too", SET("{\"kty\":\"EC\",\"crv\":\"secp256k1\",\"x\":\"\",\"y\":\"\"}," JWK_ED), 1 },
	{ "a curve with the coordinates of another", SET("{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"), -1 },
	{ "a symmetric key too", SET("{\"kty\":\"oct\",\"k\":\"AAAA\"}," JWK_ED), 1 },
	{ "RS512", SET("{\"kty\":\"RSA\",\"alg\":\"RS512\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}"), 1 },
	{ "an algorithm of another type of key", SET("{\"kty\":\"RSA\",\"alg\":\"ES256\",\"n\":\"" RSA_N "\",\"e\":\"AQAB\"}," JWK_ED), 1 },
	{ "its own algorithm", SET("{\"kty\":\"OKP\",\"alg\":\"EdDSA\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"), 1 },
	{ "nothing but others", SET("{\"kty\":\"oct\",\"k\":\"AAAA\"}"), -1 },
	{ "no keys", SET(""), -1 },
	{ "no list", "{\"keys\":{}}", -1 },
	{ "another document", "[]", -1 },
	{ "no document", "", -1 },
	{ "a document cut", "{\"keys\":[" JWK_ED, -1 },
	{ "members given twice", "{\"keys\":[" JWK_ED "],\"keys\":[]}", -1 },
	{ "a private key", SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"d\":\"AA\",\"x\":\"" ED_X "\"}"), -1 },
	{ "a private key among those passed over", SET("{\"kty\":\"EC\",\"crv\":\"P-384\",\"d\":\"AA\"}," JWK_ED), -1 },
	{ "a kid twice for one algorithm", SET("{\"kty\":\"OKP\",\"kid\":\"a\",\"crv\":\"Ed25519\",\"x\":\"" ED_X
	  "\"},{\"kty\":\"OKP\",\"kid\":\"a\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"), -1 },
	{ "a kid once for each", SET("{\"kty\":\"OKP\",\"kid\":\"a\",\"crv\":\"Ed25519\",\"x\":\"" ED_X
	  "\"},{\"kty\":\"EC\",\"kid\":\"a\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_Y "\"}"), 2 },
	{ "a kid that is a number", SET("{\"kty\":\"OKP\",\"kid\":1,\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"), -1 },
	{ "a use that is a list", SET("{\"kty\":\"OKP\",\"use\":[\"enc\"],\"crv\":\"Ed25519\",\"x\":\"" ED_X "\"}"), -1 },
	{ "a key that is a string", SET("\"x\""), -1 },
	{ "an Ed25519 key that is short", SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AAAA\"}"), -1 },
	{ "padded base64", SET("{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" ED_X "=\"}"), -1 },
	{ "a point that is not on the curve", SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"" EC_X "\"}"), -1 },
	{ "a coordinate with a byte too few", SET("{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" EC_X "\",\"y\":\"AAAA\"}"), -1 },
	{ "an RSA key of 1024 bits", SET("{\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"gAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	  "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ\"}"), -1 },
	{ "an even exponent", SET("{\"kty\":\"RSA\",\"e\":\"AQAA\",\"n\":\"" RSA_N "\"}"), -1 },
	{ "an exponent of one", SET("{\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"" RSA_N "\"}"), -1 },
	{ "a weak key beside a good one is passed over", SET("{\"kty\":\"RSA\",\"e\":\"AQ\",\"n\":\"" RSA_N "\"}," JWK_ED), 1 },
	{ "no exponent", SET("{\"kty\":\"RSA\",\"n\":\"" RSA_N "\"}"), -1 },
};
/* clang-format on */

static void
key_set_is_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
		struct jwks *k = load(sets[i].text, sets[i].keys >= 0 ? sets[i].name : NULL);
		if ((k ? (int)jwks_count(k) : -1) != sets[i].keys)
			fail_msg("%s: %d keys", sets[i].name, k ? (int)jwks_count(k) : -1);
		jwks_free(&k);
	}
}

static void
number_of_keys_in_a_set_is_limited(void **state)
{
	struct buf b;

	(void)state;
	for (int n = CAP_JWKS_KEYS; n <= CAP_JWKS_KEYS + 1; n++) {
		buf_init(&b, 0);
		buf_str(&b, "{\"keys\":[");
		for (int i = 0; i < n; i++)
			buf_printf(&b,
				"%s{\"kty\":\"OKP\",\"kid\":\"%d\",\"crv\":\"Ed25519\",\"x\":"
				"\"" ED_X "\"}",
				i ? "," : "", i);
		buf_str(&b, "]}");
		buf_putc(&b, '\0');
		struct jwks *k = load(buf_view(&b).p, n > CAP_JWKS_KEYS ? NULL : "a thousand");
		assert_int_equal(k != NULL, n == CAP_JWKS_KEYS);
		jwks_free(&k);
		buf_free(&b);
	}
}

/* The key that verifies is the one that kid names, or the only one. */
static void
key_named_by_kid_or_the_only_key_verifies(void **state)
{
	struct jwt_key a = jwt_key_new(KEY_ED, 0), b = jwt_key_new(KEY_ED, 0),
		       e = jwt_key_new(KEY_EC, 0);
	struct buf set;
	unsigned char sig[1024];
	struct span text = SPAN_LIT("text"), none = { NULL, 0 };

	(void)state;
	buf_init(&set, 0);
	buf_str(&set, "{\"keys\":[");
	put_jwk(&set, &a, "a", NULL);
	buf_putc(&set, ',');
	put_jwk(&set, &b, "b", NULL);
	buf_putc(&set, ',');
	put_jwk(&set, &e, NULL, NULL);
	buf_str(&set, "]}");
	buf_putc(&set, '\0');
	struct jwks *k = load(buf_view(&set).p, "two and one");
	size_t n = jwt_sign(&b, text, sig);
	struct span s = span_of(sig, n);
	assert_int_equal(jwks_verify(k, SPAN_LIT("b"), JWS_EDDSA, text, s), 0);
	assert_int_equal(jwks_verify(k, SPAN_LIT("a"), JWS_EDDSA, text, s), ERR_AUTH);
	assert_int_equal(jwks_verify(k, SPAN_LIT("B"), JWS_EDDSA, text, s), ERR_NOTFOUND);
	assert_int_equal(jwks_verify(k, SPAN_LIT("b\0"), JWS_EDDSA, text, s), ERR_NOTFOUND);
	assert_int_equal(jwks_verify(k, none, JWS_EDDSA, text, s), ERR_NOTFOUND);
	assert_int_equal(jwks_verify(k, SPAN_LIT("b"), JWS_RS256, text, s), ERR_NOTFOUND);
	assert_int_equal(jwks_verify(k, SPAN_LIT("b"), JWS_ALGS, text, s), ERR_NOTFOUND);
	/* A key without kid verifies only tokens without kid. */
	n = jwt_sign(&e, text, sig);
	assert_int_equal(jwks_verify(k, none, JWS_ES256, text, span_of(sig, n)), 0);
	assert_int_equal(
		jwks_verify(k, SPAN_LIT("e"), JWS_ES256, text, span_of(sig, n)), ERR_NOTFOUND);
	/* DER, which OpenSSL itself accepts, zeros, and the order of the group. */
	n = jwt_sign_raw(&e, text, sig);
	assert_int_equal(jwks_verify(k, none, JWS_ES256, text, span_of(sig, n)), ERR_AUTH);
	memset(sig, 0, 64);
	assert_int_equal(jwks_verify(k, none, JWS_ES256, text, span_of(sig, 64)), ERR_AUTH);
	assert_int_equal(
		jwks_verify(k, SPAN_LIT("a"), JWS_EDDSA, text, span_of(sig, 64)), ERR_AUTH);
	memset(sig, 0xff, 64);
	assert_int_equal(jwks_verify(k, none, JWS_ES256, text, span_of(sig, 64)), ERR_AUTH);
	jwks_free(&k);
	buf_free(&set);
	EVP_PKEY_free(a.pkey);
	EVP_PKEY_free(b.pkey);
	EVP_PKEY_free(e.pkey);
}

static void
only_exact_algorithm_names_are_known(void **state)
{
	static const char *const unknown[] = { "", "none", "None", "nOnE", "HS1", "ES256K",
		"rs256", "RS256 ", "EDDSA", "Ed25519" };

	(void)state;
	assert_int_equal(jws_alg_find(SPAN_LIT("RS256")), JWS_RS256);
	assert_int_equal(jws_alg_find(SPAN_LIT("ES256")), JWS_ES256);
	assert_int_equal(jws_alg_find(SPAN_LIT("EdDSA")), JWS_EDDSA);
	for (size_t i = 0; i < sizeof(unknown) / sizeof(unknown[0]); i++)
		assert_int_equal(jws_alg_find(span_str(unknown[i])), JWS_ALGS);
}

/* Signs with OpenSSL's defaults for the algorithm. Each signature is checked under each
 * algorithm. */
static size_t
sign_with(EVP_PKEY *pkey, const char *md, bool pss, int field, struct span text,
	unsigned char sig[1024])
{
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *how;
	size_t n = 1024;

	assert_int_equal(
		EVP_DigestSignInit(ctx, &how, EVP_get_digestbyname(md), NULL, pkey), 1);
	if (pss) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(how, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(
			EVP_PKEY_CTX_set_rsa_pss_saltlen(how, RSA_PSS_SALTLEN_DIGEST), 1);
	}
	assert_int_equal(
		EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n), 1);
	EVP_MD_CTX_free(ctx);
	if (field) {
		const unsigned char *at = sig;
		ECDSA_SIG *e = d2i_ECDSA_SIG(NULL, &at, (long)n);
		unsigned char raw[132];
		assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(e), raw, field), field);
		assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(e), raw + field, field), field);
		ECDSA_SIG_free(e);
		n = 2 * (size_t)field;
		memcpy(sig, raw, n);
	}
	return n;
}

static void
put_ec(struct buf *b, EVP_PKEY *pkey, const char *crv, int field)
{
	struct jwt_key k = { KEY_EC, pkey };

	buf_printf(b, "{\"kty\":\"EC\",\"crv\":\"%s\",\"x\":\"", crv);
	put_bn(b, &k, OSSL_PKEY_PARAM_EC_PUB_X, field);
	buf_str(b, "\",\"y\":\"");
	put_bn(b, &k, OSSL_PKEY_PARAM_EC_PUB_Y, field);
	buf_str(b, "\"}");
}

static void
algorithm_verifies_only_its_own_signatures(void **state)
{
	static const struct {
		enum jws_alg alg;
		const char *key, *md;
		int field;
	} rows[] = {
		{ JWS_RS256, "RSA", "SHA256", 0 },
		{ JWS_RS384, "RSA", "SHA384", 0 },
		{ JWS_RS512, "RSA", "SHA512", 0 },
		{ JWS_PS256, "RSA", "SHA256", 0 },
		{ JWS_PS384, "RSA", "SHA384", 0 },
		{ JWS_PS512, "RSA", "SHA512", 0 },
		{ JWS_ES256, "P-256", "SHA256", 32 },
		{ JWS_ES384, "P-384", "SHA384", 48 },
		{ JWS_ES512, "P-521", "SHA512", 66 },
	};
	struct span text = SPAN_LIT("text"), none = { NULL, 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		unsigned char sig[1024];
		struct buf set;
		bool rsa = rows[i].field == 0;
		EVP_PKEY *pkey = rsa ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
				     : EVP_PKEY_Q_keygen(NULL, NULL, "EC", rows[i].key);
		struct jwt_key k = { KEY_RSA, pkey };
		buf_init(&set, 0);
		buf_str(&set, "{\"keys\":[");
		if (rsa)
			put_jwk(&set, &k, NULL, NULL);
		else
			put_ec(&set, pkey, rows[i].key, rows[i].field);
		buf_str(&set, "]}");
		buf_putc(&set, '\0');
		struct jwks *j = load(buf_view(&set).p, jws_alg_name(rows[i].alg));
		bool pss = rows[i].alg >= JWS_PS256 && rows[i].alg <= JWS_PS512;
		size_t n = sign_with(pkey, rows[i].md, pss, rows[i].field, text, sig);
		for (int alg = 0; alg < JWS_ALGS; alg++)
			if ((jwks_verify(j, none, (enum jws_alg)alg, text, span_of(sig, n)) ==
				    0) != (alg == (int)rows[i].alg))
				fail_msg("%s as %s", jws_alg_name(rows[i].alg),
					jws_alg_name((enum jws_alg)alg));
		jwks_free(&j);
		EVP_PKEY_free(pkey);
		buf_free(&set);
	}
}

/* RFC 7515 A.1: HS256 with its key of 64 bytes. */
static void
shared_secret_verifies_the_token_of_rfc_7515(void **state)
{
	struct span text = SPAN_LIT("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9." CLAIMS), key,
		    sig;
	struct buf why;
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&why, 1024);
	assert_int_equal(
		b64url_decode(SPAN_LIT("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75"
				       "aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow"),
			&a, &key),
		0);
	assert_int_equal(b64url_decode(SPAN_LIT("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
				 &a, &sig),
		0);
	struct jwks *k = jwks_secret(key, &why);
	assert_non_null(k);
	assert_int_equal(jwks_verify(k, (struct span){ NULL, 0 }, JWS_HS256, text, sig), 0);
	assert_int_equal(jwks_verify(k, SPAN_LIT("any"), JWS_HS256, text, sig), 0);
	assert_int_equal(jwks_verify(k, SPAN_LIT(""), JWS_HS512, text, sig), ERR_AUTH);
	assert_int_equal(jwks_verify(k, SPAN_LIT(""), JWS_RS256, text, sig), ERR_NOTFOUND);
	assert_int_equal(
		jwks_verify(k, SPAN_LIT(""), JWS_HS256, text, span_cut(sig, 0, 31)), ERR_AUTH);
	((char *)sig.p)[0] ^= 1;
	assert_int_equal(jwks_verify(k, SPAN_LIT(""), JWS_HS256, text, sig), ERR_AUTH);
	jwks_free(&k);
	/* A secret must be at least as long as the hash. */
	k = jwks_secret(span_cut(key, 0, 32), &why);
	assert_int_equal(jwks_verify(k, SPAN_LIT(""), JWS_HS384, text, sig), ERR_NOTFOUND);
	jwks_free(&k);
	assert_null(jwks_secret(span_cut(key, 0, 31), &why));
	assert_true(why.n > 0);
	buf_free(&why);
	arena_reset(&a);
}

static void
invalid_key_set_file_is_refused(void **state)
{
	struct buf why;
	struct jwks *k;

	(void)state;
	buf_init(&why, 1024);
	assert_null(jwks_load_file("/tmp/tollgate-no-such-file", &why));
	assert_true(why.n > 0);
	buf_clear(&why);
	assert_null(jwks_load_file("/tmp", &why));
	assert_true(why.n > 0);
	/* a file that is too large is reported as such, not as truncated JSON */
	buf_clear(&why);
	assert_null(jwks_load_file("/dev/zero", &why));
	assert_true(span_is(buf_view(&why), "over 4194304 bytes"));
	k = NULL;
	jwks_free(&k);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_of_the_rfcs_are_read),
		cmocka_unit_test(key_set_is_read_or_refused),
		cmocka_unit_test(number_of_keys_in_a_set_is_limited),
		cmocka_unit_test(key_named_by_kid_or_the_only_key_verifies),
		cmocka_unit_test(only_exact_algorithm_names_are_known),
		cmocka_unit_test(algorithm_verifies_only_its_own_signatures),
		cmocka_unit_test(shared_secret_verifies_the_token_of_rfc_7515),
		cmocka_unit_test(invalid_key_set_file_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
