/* Files of credentials and responses of token endpoints: which are accepted, and which are
 * refused with a message that contains nothing of them. RFC 7515 A.2 is the test vector of
 * RS256. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <sys/stat.h>

#include "base/codec/jws.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "gate/auth/token.h"
#include "support/temp_dir.h"

/* ---- the key of RFC 7515 A.2 ---- */

#define A2_N                                                                                   \
	"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEz" \
	"P1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf6" \
	"3kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5Zw" \
	"Kh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRW" \
	"yuXpoQ"
#define A2_D                                                                                   \
	"Eq5xpGnNCivDflJsRQBXHx1hdR1k6Ulwe2JZD50LpXyWPEAeP88vLNO97IjlA7_GQ5sLKMgvfTeXZx9SE-7Y" \
	"wVol2NXOoAJe46sui395IW_GO-pWJ1O0BkTGoVEn2bKVRUCgu-GjBVaYLU6f3l9kJfFNS3E0QbVdxzubSu3M" \
	"kqzjkn439X0M_V51gfpRLI9JYanrC4D4qAdGcopV_0ZHHzQlBjudU2QvXt4ehNYTCBr6XCLQUShb1juUO1Zd" \
	"iYoFaFQT5Tw8bGUl_x_jTj3ccPDVZFD9pIuhLhBOneufuBiB4cS98l2SR_RQyGWSeWjnczT0QU91p1DhOVRu" \
	"OopznQ"
#define A2_P                                                                                   \
	"4BzEEOtIpmVdVEZNCqS7baC4crd0pqnRH_5IB3jw3bcxGn6QLvnEtfdUdiYrqBdss1l58BQ3KhooKeQTa9AB" \
	"0Hw_Py5PJdTJNPY8cQn7ouZ2KKDcmnPGBY5t7yLc1QlQ5xHdwW1VhvKn-nXqhJTBgIPgtldC-KDV5z-y2XDw" \
	"GUc"
#define A2_Q                                                                                   \
	"uQPEfgmVtjL0Uyyx88GZFF1fOunH3-7cepKmtH4pxhtCoHqpWmT8YAmZxaewHgHAjLYsp1ZSe7zFYHj7C6ul" \
	"7TjeLQeZD_YwD66t62wDmpe_HlB-TnBA-njbglfIsRLtXlnDzQkv5dTltRJ11BKBBypeeF6689rjcJIDEz9R" \
	"Wdc"
#define A2_TEXT                                                                                \
	"eyJhbGciOiJSUzI1NiJ9."                                                                \
	"eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290" \
	"Ijp0cnVlfQ"
#define A2_SIGNATURE                                                                           \
	"cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt" \
	"_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArL" \
	"IARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7no" \
	"OPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQ" \
	"Ge77Rw"

static BIGNUM *
number(const char *text)
{
	struct span bytes;
	struct arena a;

	arena_init(&a, 0, false);
	assert_int_equal(b64url_decode(span_str(text), &a, &bytes), 0);
	BIGNUM *n = BN_bin2bn((const unsigned char *)bytes.p, (int)bytes.n, NULL);
	arena_reset(&a);
	return n;
}

/* Includes the values that PKCS #1 stores with it: d mod p-1, d mod q-1, 1/q mod p. */
static EVP_PKEY *
a2_key(void)
{
	static const char *const names[] = { "n", "e", "d", "rsa-factor1", "rsa-factor2",
		"rsa-exponent1", "rsa-exponent2", "rsa-coefficient1" };
	BIGNUM *v[8] = { number(A2_N), number("AQAB"), number(A2_D), number(A2_P), number(A2_Q),
		BN_new(), BN_new(), BN_new() };
	OSSL_PARAM_BLD *bld = OSSL_PARAM_BLD_new();
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
	BN_CTX *bn = BN_CTX_new();
	EVP_PKEY *key = NULL;

	for (int i = 0; i < 2; i++) {
		BIGNUM *less = BN_dup(v[3 + i]);
		BN_sub_word(less, 1);
		assert_int_equal(BN_mod(v[5 + i], v[2], less, bn), 1);
		BN_free(less);
	}
	assert_non_null(BN_mod_inverse(v[7], v[4], v[3], bn));
	for (size_t i = 0; i < COUNT_OF(names); i++)
		OSSL_PARAM_BLD_push_BN(bld, names[i], v[i]);
	OSSL_PARAM *params = OSSL_PARAM_BLD_to_param(bld);
	assert_int_equal(EVP_PKEY_fromdata_init(ctx), 1);
	assert_int_equal(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_KEYPAIR, params), 1);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	EVP_PKEY_CTX_free(ctx);
	BN_CTX_free(bn);
	for (size_t i = 0; i < COUNT_OF(names); i++)
		BN_clear_free(v[i]);
	return key;
}

static void
rs256_matches_rfc_7515(void **state)
{
	EVP_PKEY *key = a2_key();
	struct buf got;

	(void)state;
	buf_init(&got, 0);
	assert_int_equal(token_sign(key, SPAN_LIT(A2_TEXT), &got), 0);
	assert_true(span_is(buf_view(&got), A2_SIGNATURE));
	buf_free(&got);
	EVP_PKEY_free(key);
}

/* ---- files ---- */

static const struct provider_credential aws = { .kind = BY_SIGV4, .profile = "default" },
					prod = { .kind = BY_SIGV4, .profile = "prod" },
					line = { .kind = BY_FILE },
					bearer = { .kind = BY_FILE, .prefix = "Bearer " },
					secret = { .kind = BY_ENTRA },
					vertex = { .kind = BY_VERTEX },
					own = { .kind = BY_VERTEX,
						.token_uri = "https://tokens.example/t" };

#define KEYS "aws_access_key_id = AKID1\naws_secret_access_key=SECRET+/1\n"

static void
valid_credential_files_are_read(void **state)
{
	static const struct {
		const char *name;
		const struct provider_credential *c;
		const char *in, *id, *secret, *token, *text;
	} rows[] = {
		{ "long-term keys", &aws, "[default]\n" KEYS, "AKID1", "SECRET+/1", "", "" },
		{ "a session, between other profiles, with comments", &prod,
			"; c\n[default]\n" KEYS "\r\n[ prod ]\r\nAWS_ACCESS_KEY_ID = AKID2\r\n"
			"# aws_session_token = no\r\naws_secret_access_key = S=2\r\n"
			"aws_session_token = T/+==\r\nregion = x\r\n[more]\n" KEYS,
			"AKID2", "S=2", "T/+==", "" },
		{ "as the configuration file writes it", &prod, "[profile prod]\n" KEYS,
			"AKID1", "SECRET+/1", "", "" },
		{ "a key with the end of its line", &line, " sk-1\r\n\n", "", "", "", "sk-1" },
		{ "a key after its prefix", &bearer, "sk-1", "", "", "", "Bearer sk-1" },
		{ "a secret with a space in it", &secret, "a b~\n", "", "", "", "a b~" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct material m;
		const char *why;
		if (material_parse(rows[i].c, span_str(rows[i].in), &m, &why))
			fail_msg("%s: %s", rows[i].name, why);
		if (!span_is(m.keys.id, rows[i].id) ||
			!span_is(m.keys.secret, rows[i].secret) ||
			!span_is(m.keys.token, rows[i].token) || !span_is(m.text, rows[i].text))
			fail_msg("%s: another value", rows[i].name);
		material_free(&m);
	}
}

#define ACCOUNT(type, email, key, uri)                                                         \
	"{\"type\":\"" type "\",\"private_key_id\":\"k1\",\"client_email\":\"" email           \
	"\",\"private_key\":\"" key "\",\"token_uri\":\"" uri "\"}"
#define GOOGLE "https://oauth2.googleapis.com/token"

static void
invalid_credential_files_are_refused(void **state)
{
	static const struct {
		const char *name;
		const struct provider_credential *c;
		const char *in, *why;
	} rows[] = {
		{ "nothing", &aws, "", "the file does not contain the profile" },
		{ "another profile only", &prod, "[default]\n" KEYS,
			"the file does not contain the profile" },
		{ "no id", &aws, "[default]\naws_secret_access_key = SECRET\n",
			"the profile has no aws_access_key_id" },
		{ "no secret", &aws, "[default]\naws_access_key_id = SECRET\n",
			"the profile has no aws_secret_access_key" },
		{ "an empty secret", &aws,
			"[default]\naws_access_key_id = A\naws_secret_access_key =\n",
			"a key of the profile is empty, too long or not printable ASCII" },
		{ "a key twice", &aws, "[default]\n" KEYS "aws_secret_access_key = SECRET\n",
			"a key of the profile occurs twice" },
		{ "the profile twice", &aws, "[default]\n" KEYS "[default]\n" KEYS,
			"the profile occurs twice in the file" },
		{ "a secret with a space", &aws,
			"[default]\naws_access_key_id = A\naws_secret_access_key = SEC RET\n",
			"a key of the profile is empty, too long or not printable ASCII" },
		{ "a line without =", &aws, "[default]\nSECRET\n",
			"a line of the profile has no =" },
		{ "a section without its end", &aws, "[default\n" KEYS,
			"the ] of a [section] is missing" },
		{ "an id that would be more than a name", &aws,
			"[default]\naws_access_key_id = A/SECRET,\naws_secret_access_key=S\n",
			"aws_access_key_id: letters and digits are expected" },
		{ "an empty key", &line, " \n", "the file is empty" },
		{ "two lines", &line, "SECRET\nSECRET\n", "more than one line" },
		{ "a control character", &line, "SEC\x01RET",
			"expected printable ASCII without spaces" },
		{ "no JSON", &vertex, "SECRET", "not a JSON object" },
		{ "a list", &vertex, "[]", "not a JSON object" },
		{ "a member twice", &vertex, "{\"type\":\"x\",\"type\":\"SECRET\"}",
			"not a JSON object" },
		{ "bytes after it", &vertex, "{} SECRET", "not a JSON object" },
		{ "another type", &vertex, ACCOUNT("authorized_user", "a@b", "SECRET", GOOGLE),
			"the type in the file is not service_account" },
		{ "an address that would end the claim", &vertex,
			ACCOUNT("service_account", "a\\\",\\\"x\\\":\\\"", "SECRET", GOOGLE),
			"client_email is missing or invalid" },
		{ "a key that is none", &vertex,
			ACCOUNT("service_account", "a@b", "SECRET", GOOGLE),
			"private_key is not a PEM key" },
		{ "a member of another type", &vertex, "{\"type\":1}",
			"type, client_email, private_key, private_key_id and "
			"token_uri must be strings" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct material m;
		const char *why = NULL;
		int err = material_parse(rows[i].c, span_str(rows[i].in), &m, &why);
		if (!err || !str_same(why, rows[i].why) || strstr(why, "SECRET"))
			fail_msg("%s: %d %s", rows[i].name, err, why ? why : "");
		material_free(&m);
	}
}

/* A service account's file as Google writes it, with the key of RFC 7515. */
static struct span
account(struct arena *a, const char *uri)
{
	EVP_PKEY *key = a2_key();
	BIO *bio = BIO_new(BIO_s_mem());
	char *pem = NULL;
	struct buf b;

	assert_int_equal(PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL), 1);
	size_t n = (size_t)BIO_get_mem_data(bio, &pem);
	buf_init(&b, 0);
	buf_str(&b, "{\"type\": \"service_account\", \"project_id\": \"p\", "
		    "\"private_key_id\": \"k1\", \"private_key\": ");
	buf_json_str(&b, span_of(pem, n));
	buf_printf(&b,
		", \"client_email\": \"sa@p.iam.gserviceaccount.com\", \"token_uri\": "
		"\"%s\"}\n",
		uri);
	struct span text = arena_dup(a, buf_view(&b));
	buf_free(&b);
	BIO_free(bio);
	EVP_PKEY_free(key);
	return text;
}

static void
service_account_signs_for_its_endpoint(void **state)
{
	static const struct {
		const char *name;
		const struct provider_credential *c;
		const char *uri;
		bool ok;
	} rows[] = {
		{ "Google's", &vertex, GOOGLE, true },
		{ "nobody's", &vertex, "https://evil.example/token", false },
		{ "in clear", &vertex, "http://oauth2.googleapis.com/token", false },
		{ "the operator's", &own, "https://tokens.example/t", true },
		{ "Google's where the operator names another", &own, GOOGLE, false },
	};
	struct arena a;

	(void)state;
	arena_init(&a, 0, true);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct material m;
		const char *why;
		int err = material_parse(rows[i].c, account(&a, rows[i].uri), &m, &why);
		if ((err == 0) != rows[i].ok || (err && err != ERR_AUTH))
			fail_msg("%s: %s", rows[i].name, why ? why : "taken");
		material_free(&m);
	}
	arena_reset(&a);
}

/* ---- requests ---- */

static struct span
part(struct arena *a, struct span *jwt)
{
	struct span out, text = span_next(jwt, '.');

	assert_int_equal(b64url_decode(text, a, &out), 0);
	return out;
}

static void
service_account_sends_a_signed_assertion(void **state)
{
	static const struct provider_credential c = { .kind = BY_VERTEX, .scope = "s\"1" };
	struct material m;
	struct arena a;
	struct buf form;
	const char *why;

	(void)state;
	arena_init(&a, 0, true);
	buf_init(&form, 0);
	assert_int_equal(material_parse(&c, account(&a, GOOGLE), &m, &why), 0);
	assert_int_equal(token_form(&c, &m, 1000000030, &form), 0);
	struct span rest = buf_view(&form),
		    want = SPAN_LIT("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3A"
				    "jwt-bearer&assertion=");
	assert_true(span_starts(rest, want));
	struct span jwt = span_cut(rest, want.n, rest.n), whole = jwt;
	assert_true(
		span_is(part(&a, &jwt), "{\"alg\":\"RS256\",\"typ\":\"JWT\",\"kid\":\"k1\"}"));
	assert_true(span_is(part(&a, &jwt),
		"{\"iss\":\"sa@p.iam.gserviceaccount.com\",\"scope\":\"s\\\"1\",\"aud\":"
		"\"" GOOGLE "\",\"iat\":1000000000,\"exp\":1000003600}"));
	struct buf again;
	buf_init(&again, 0);
	assert_int_equal(token_sign(m.key, span_cut(whole, 0, whole.n - jwt.n - 1), &again), 0);
	assert_true(span_eq(jwt, buf_view(&again)));
	buf_free(&again);
	buf_free(&form);
	material_free(&m);
	arena_reset(&a);
}

static void
client_credentials_are_escaped(void **state)
{
	static const struct provider_credential c = { .kind = BY_ENTRA,
		.client_id = "id",
		.scope = "https://cognitiveservices.azure.com/.default" };
	struct material m;
	struct buf form;
	const char *why;

	(void)state;
	buf_init(&form, 0);
	assert_int_equal(material_parse(&c, SPAN_LIT("a&b=c +~\n"), &m, &why), 0);
	assert_int_equal(token_form(&c, &m, 0, &form), 0);
	assert_true(span_is(buf_view(&form),
		"grant_type=client_credentials&client_id=id&client_secret=a%26b%3Dc+%2B~&scope="
		"https%3A%2F%2Fcognitiveservices.azure.com%2F.default"));
	buf_free(&form);
	material_free(&m);
}

/* ---- responses ---- */

static void
tokens_of_an_endpoint_are_read(void **state)
{
	static const struct {
		const char *name, *in, *token, *why;
	} rows[] = {
		{ "a token",
			"{\"access_token\":\"ya29.a-b_c/+=~\",\"expires_in\":3599,"
			"\"token_type\":\"Bearer\",\"ext_expires_in\":3599,\"x\":{\"y\":[1]}}",
			"ya29.a-b_c/+=~", NULL },
		{ "bearer in small letters, escapes",
			"{\"token_type\":\"bearer\",\"expires_in\":1,\"access_token\":"
			"\"\\u0061\"}",
			"a", NULL },
		{ "expires_in as a text, as Entra ID writes it",
			"{\"token_type\":\"Bearer\",\"expires_in\":\"3600\",\"access_token\":"
			"\"a\"}",
			"a", NULL },
		{ "expires_in of words",
			"{\"token_type\":\"Bearer\",\"expires_in\":\"1 hour\",\"access_token\":"
			"\"a\"}",
			NULL, "expires_in is missing or not a whole number" },
		{ "no expires_in", "{\"access_token\":\"a\",\"token_type\":\"Bearer\"}", NULL,
			"expires_in is missing or not a whole number" },
		{ "expires_in that is huge",
			"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":"
			"99999999999999999999}",
			NULL, "expires_in is missing or not a whole number" },
		{ "expires_in of a year",
			"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":"
			"31536000}",
			NULL, "expires_in is 0 or longer than two days" },
		{ "expires_in of nothing",
			"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":0}",
			NULL, "expires_in is 0 or longer than two days" },
		{ "expires_in below nothing",
			"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":-5}",
			NULL, "expires_in is missing or not a whole number" },
		{ "expires_in as a list",
			"{\"access_token\":\"a\",\"token_type\":\"Bearer\",\"expires_in\":"
			"[60]}",
			NULL, "access_token, token_type or expires_in has the wrong type" },
		{ "another token_type",
			"{\"access_token\":\"a\",\"token_type\":\"DPoP\",\"expires_in\":60}",
			NULL, "token_type is not Bearer" },
		{ "no token_type", "{\"access_token\":\"a\",\"expires_in\":60}", NULL,
			"token_type is not Bearer" },
		{ "no token", "{\"token_type\":\"Bearer\",\"expires_in\":60}", NULL,
			"access_token is missing, too long or not valid in a header" },
		{ "an end of line in the token",
			"{\"access_token\":\"a\\r\\nx: y\",\"token_type\":\"Bearer\","
			"\"expires_in\":60}",
			NULL, "access_token is missing, too long or not valid in a header" },
		{ "a space in the token",
			"{\"access_token\":\"a "
			"b\",\"token_type\":\"Bearer\",\"expires_in\":60}",
			NULL, "access_token is missing, too long or not valid in a header" },
		{ "a token twice",
			"{\"access_token\":\"a\",\"access_token\":\"b\",\"token_type\":"
			"\"Bearer\","
			"\"expires_in\":60}",
			NULL, "the response of the token endpoint is not a JSON object" },
		{ "HTML", "<html><body>Sign in</body></html>", NULL,
			"the response of the token endpoint is not a JSON object" },
		{ "a cut answer", "{\"access_token\":\"a\",", NULL,
			"the response of the token endpoint is not a JSON object" },
		{ "nothing", "", NULL,
			"the response of the token endpoint is not a JSON object" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct token_answer t;
		struct arena a;
		const char *why = NULL;
		arena_init(&a, 0, true);
		int err = token_answer(span_str(rows[i].in), &a, &t, &why);
		if (rows[i].token ? err || !span_is(t.token, rows[i].token)
				  : !err || !str_same(why, rows[i].why))
			fail_msg("%s: %d %s", rows[i].name, err, why ? why : "");
		arena_reset(&a);
	}
}

static void
refusals_of_an_endpoint_are_reported(void **state)
{
	static const struct {
		const char *in, *code;
	} rows[] = {
		{ "{\"error\":\"invalid_grant\",\"error_description\":\"SECRET\"}",
			"invalid_grant" },
		{ "{\"error\":\"invalid_client\"}", "invalid_client" },
		{ "{\"error\":\"temporarily_unavailable\"}", NULL },
		{ "{\"error\":{\"code\":1}}", NULL },
		{ "<html>", NULL },
		{ "", NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a;
		arena_init(&a, 0, true);
		if (!str_same(token_refusal(span_str(rows[i].in), &a), rows[i].code))
			fail_msg("%s", rows[i].in);
		arena_reset(&a);
	}
}

static void
file_readable_by_others_is_refused_by_its_name(void **state)
{
	struct provider_credential c = line;
	struct material m;
	struct buf why;

	(void)state;
	put("key", "SECRET\nSECRET\n");
	c.file = path("key");
	buf_init(&why, 0);
	assert_int_equal(chmod(c.file, 0644), 0);
	assert_int_equal(material_read(&c, &m, &why), ERR_AUTH);
	material_free(&m);
	assert_true(span_starts(buf_view(&why), span_str(c.file)));
	buf_clear(&why);
	assert_int_equal(chmod(c.file, 0600), 0);
	assert_int_equal(material_read(&c, &m, &why), ERR_SYNTAX);
	material_free(&m);
	struct span said = buf_view(&why);
	assert_true(span_ends(said, SPAN_LIT("key: more than one line")));
	assert_null(memmem(said.p, said.n, "SECRET", 6));
	buf_clear(&why);
	c.file = path("none");
	assert_int_equal(material_read(&c, &m, &why), ERR_IO);
	material_free(&m);
	assert_true(why.n > 0);
	buf_free(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rs256_matches_rfc_7515),
		cmocka_unit_test(valid_credential_files_are_read),
		cmocka_unit_test(invalid_credential_files_are_refused),
		cmocka_unit_test(service_account_signs_for_its_endpoint),
		cmocka_unit_test(service_account_sends_a_signed_assertion),
		cmocka_unit_test(client_credentials_are_escaped),
		cmocka_unit_test(tokens_of_an_endpoint_are_read),
		cmocka_unit_test(refusals_of_an_endpoint_are_reported),
		cmocka_unit_test(file_readable_by_others_is_refused_by_its_name),
	};

	return cmocka_run_group_tests(tests, temp_dir_make, temp_dir_remove);
}
