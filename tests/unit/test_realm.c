/* Realms of identity entries: issuers whose persons have the same names. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/hmac.h>
#include <sodium.h>

#include "base/scoped.h"
#include "support/cert_make.h"
#include "support/identity_stage.h"

#define SECRET "0123456789abcdef0123456789abcdef"

static const char realms_text[] =
	"tollgate: 1\n"
	"name: t\n"
	"identity:\n"
	"  - jwt: {issuer: https://idp/, audience: gw, jwks: jwks.json, realm: acme,\n"
	"      record: [scope]}\n"
	"  - jwt: {issuer: https://strict/, audience: gw, jwks: jwks.json}\n"
	"  - jwt: {header: x-second, issuer: https://idp/, audience: gw, jwks: jwks.json,\n"
	"      realm: Acme-2.eu_x}\n"
	"  - signed_headers: {keys: hmac.yaml}\n"
	"  - signed_headers: {prefix: x-proxy-, signature: x-proxy-signature, keys: hmac.yaml,\n"
	"      realm: proxy}\n"
	"  - api_key: {keys: keys.yaml}\n"
	"  - client_certificate: {person: subject.CN, realm: machines}\n"
	"  - none: {person: nobody-known}\n"
	"routes:\n"
	"  - {name: r, match: {path_prefix: /}, backend: openai}\n";

static char member_key[80], robot_key[80];

static int
realms_setup(void **state)
{
	struct buf b;

	if (setup(state))
		return -1;
	buf_init(&b, 0);
	buf_str(&b, "keys:\n");
	put_apikey(&b, member_key, "person: acme/alice");
	put_apikey(&b, robot_key, "person: alice");
	put_span("keys.yaml", buf_view(&b));
	buf_free(&b);
	signer = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	put("hmac.secret", SECRET);
	put("hmac.yaml", "keys: [{id: gw, secret: file:hmac.secret}]\n");
	identity_keys_free(&keys);
	fix_done(&fix);
	return identity_load(realms_text);
}

/* `person` NULL: refused. */
static void
expect_person(const char *name, int err, const struct identity *id, const char *person,
	const char *why)
{
	if (err != (person ? 0 : ERR_AUTH) || (person && !span_is(id->person, person)))
		fail_msg("%s: %d %s, %.*s in place of %s", name, err, why ? why : "",
			err ? 0 : SPAN_ARG(id->person), person ? person : "a refusal");
	if (!person)
		assert_null(strstr(why, "acme"));
}

/* clang-format off */
static const struct { const char *name, *header, *issuer, *sub, *person; } tokens[] = {
	{ "a person of a realm", "authorization", "idp", "alice", "acme/alice" },
	{ "the same name at an issuer without a realm", "authorization", "strict", "alice", "alice" },
	{ "another entry of the issuer has another realm", "x-second", "idp", "alice", "Acme-2.eu_x/alice" },
	{ "an issuer without a realm names a person of one", "authorization", "strict", "acme/alice", NULL },
	{ "of the second realm", "authorization", "strict", "Acme-2.eu_x/a", NULL },
	{ "of the realm of certificates", "authorization", "strict", "machines/a", NULL },
	{ "of the realm of signed headers", "authorization", "strict", "proxy/", NULL },
	{ "in another case: another name", "authorization", "strict", "Acme/alice", "Acme/alice" },
	{ "a name that begins like a realm", "authorization", "strict", "acme", "acme" },
	{ "a name that goes on like one", "authorization", "strict", "acmes/alice", "acmes/alice" },
	{ "a slash elsewhere", "authorization", "strict", "x/acme/alice", "x/acme/alice" },
	{ "its own realm in the name", "authorization", "idp", "acme/alice", "acme/acme/alice" },
	{ "another realm in the name", "authorization", "idp", "machines/alice", "acme/machines/alice" },
};
/* clang-format on */

static void
token_names_a_person_of_its_realm(void **state)
{
	struct identity_cache *cache = identity_cache_new(64);

	(void)state;
	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		for (int k = 0; k < 2; k++) { /* the second time from the cache */
			struct identity id;
			char payload[256];
			struct arena a;
			const char *why;
			struct buf b;
			bool hit;
			arena_init(&a, 0, false);
			buf_init(&b, 0);
			snprintf(payload, sizeof(payload),
				"{\"iss\":\"https://%s/\",\"aud\":\"gw\",\"sub\":\"%s\"," TIMES "}",
				tokens[i].issuer, tokens[i].sub);
			put_bearer(&b, &ed, ED_A, payload);
			int err = ask_at(tokens[i].header, buf_view(&b), 0, cache, &a, &id, &why,
				&hit);
			expect_person(tokens[i].name, err, &id, tokens[i].person, why);
			assert_int_equal(hit, k && tokens[i].person);
			if (!err)
				assert_int_equal(
					id.nrecorded, span_starts(id.person, SPAN_LIT("acme/")));
			buf_free(&b);
			arena_reset(&a);
		}
	identity_cache_free(&cache);
}

/* The operator writes the key file, which contains full names whatever the realms are. */
static void
key_names_a_person_in_full(void **state)
{
	const struct {
		const char *key, *person;
	} rows[] = { { member_key, "acme/alice" }, { robot_key, "alice" } };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct identity id, again;
		const char *why;
		struct arena a;
		char bearer[100];
		bool hit;
		arena_init(&a, 0, false);
		snprintf(bearer, sizeof(bearer), "Bearer %s", rows[i].key);
		int err = ask_at("authorization", span_str(bearer), 0, NULL, &a, &id, &why, &hit);
		expect_person(rows[i].person, err, &id, rows[i].person, why);
		err = identity_again(fix.p, keys, NULL, &id, NOW * SEC, &a, &again, &why);
		expect_person("asked again", err, &again, rows[i].person, why);
		arena_reset(&a);
	}
}

static void
signed_headers_name_a_person_of_their_realm(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *prefix; struct span sent, person; } rows[] = {
		{ "without a realm", "x-identity-", SPAN_LIT("alice"), SPAN_LIT("alice") },
		{ "with one", "x-proxy-", SPAN_LIT("alice"), SPAN_LIT("proxy/alice") },
		{ "one names a person of another realm", "x-identity-", SPAN_LIT("acme/alice"), { NULL, 0 } },
		{ "a zero byte ends no name", "x-proxy-", SPAN_LIT("al\0ice"), SPAN_LIT("proxy/al\0ice") },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		static const char *const names[] = { "nonce", "person", "timestamp" };
		struct span values[] = { SPAN_LIT("0123456789abcdef"), rows[i].sent,
			SPAN_LIT("1790000000") };
		unsigned char mac[EVP_MAX_MD_SIZE];
		struct http_field f[4];
		struct http_head h = { .method = SPAN_LIT("GET"),
			.path = SPAN_LIT("/"),
			.fields = f,
			.nfields = COUNT_OF(f) };
		char hex[65];
		struct identity id;
		struct arena a;
		const char *why = NULL;
		unsigned n;
		bool hit;
		SCOPED_BUF(text, 0);
		arena_init(&a, 0, false);
		buf_str(&text, "tollgate-v1\nGET\n/\n");
		for (size_t k = 0; k < COUNT_OF(names); k++) {
			f[k] = (struct http_field){
				arena_printf(&a, "%s%s", rows[i].prefix, names[k]),
				values[k]
			};
			buf_printf(&text, "%.*s:", SPAN_ARG(f[k].name));
			buf_span(&text, values[k]);
			buf_putc(&text, '\n');
		}
		HMAC(EVP_sha256(), SECRET, (int)strlen(SECRET),
			(const unsigned char *)buf_view(&text).p, text.n, mac, &n);
		sodium_bin2hex(hex, sizeof(hex), mac, n);
		f[3] = (struct http_field){ arena_printf(&a, "%ssignature", rows[i].prefix),
			span_str(hex) };
		int err = identity_verify(fix.p, keys, NULL, &(struct credentials){ .head = &h },
			NOW * SEC, &a, &id, &why, &hit);
		if (err != (rows[i].person.n ? 0 : ERR_AUTH) ||
			(!err && !span_eq(id.person, rows[i].person)))
			fail_msg("%s: %d %s", rows[i].name, err, why);
		arena_reset(&a);
	}
}

static void
certificate_names_a_person_of_its_realm(void **state)
{
	struct identity_cache *cache = identity_cache_new(64);

	(void)state;
	for (int k = 0; k < 2; k++) { /* the second time from the cache */
		struct made m = make_cert("CN=alice", "DNS:a", NOW - 60, NOW + 60);
		struct http_head h = { .nfields = 0 };
		struct identity id;
		struct arena a;
		const char *why = NULL;
		bool hit;
		arena_init(&a, 0, false);
		int err = identity_verify(fix.p, keys, cache,
			&(struct credentials){ .head = &h, .certificate = der_of(m) }, NOW * SEC,
			&a, &id, &why, &hit);
		OPENSSL_free(m.der);
		expect_person("a certificate", err, &id, "machines/alice", why);
		arena_reset(&a);
	}
	identity_cache_free(&cache);
}

static void
anonymous_caller_has_no_realm(void **state)
{
	struct identity id;

	(void)state;
	identity_nobody(fix.p, &id);
	assert_true(span_is(id.person, "nobody-known"));
}

static int
realms_teardown(void **state)
{
	EVP_PKEY_free(signer);
	return teardown(state);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_names_a_person_of_its_realm),
		cmocka_unit_test(key_names_a_person_in_full),
		cmocka_unit_test(signed_headers_name_a_person_of_their_realm),
		cmocka_unit_test(certificate_names_a_person_of_its_realm),
		cmocka_unit_test(anonymous_caller_has_no_realm),
	};

	return cmocka_run_group_tests(tests, realms_setup, realms_teardown);
}
