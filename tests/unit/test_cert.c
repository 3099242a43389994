/* Client certificates: the fields that are read, the person that they name, and tokens bound to
 * them (RFC 8705 section 3). The test makes the certificates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/codec/cert.h"
#include "support/cert_make.h"
#include "support/identity_fix.h"
#include "support/jwt_make.h"

#define NOW 1790000000ll
#define SEC 1000000000ll

/* ---- reading ---- */

static void
certificate_fields_are_read(void **state)
{
	struct made m = make_cert("CN=Zoë,OU=red,OU=blue,O=Acme",
		"DNS:a.example,DNS:b.example,email:z@acme.example,URI:spiffe://acme.org/ns/a",
		NOW - 60, NOW + 60);
	struct arena a;
	struct cert c;
	bool several;

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(cert_read(der_of(m), &a, &c), 0);
	assert_true(span_is(cert_one(&c, "subject.CN", &several), "Zoë") && !several);
	assert_true(span_is(cert_one(&c, "subject.O", &several), "Acme"));
	assert_true(span_is(cert_one(&c, "issuer.CN", &several), "Acme CA"));
	assert_true(span_is(cert_one(&c, "san.email", &several), "z@acme.example"));
	assert_true(span_is(cert_one(&c, "spiffe", &several), "spiffe://acme.org/ns/a"));
	assert_true(span_is(cert_one(&c, "serial", &several), "1267"));
	assert_int_equal(cert_one(&c, "fingerprint", &several).n, 64);
	cert_one(&c, "subject.OU", &several);
	assert_true(several);
	cert_one(&c, "san.dns", &several);
	assert_true(several);
	assert_int_equal(cert_one(&c, "subject.C", &several).n, 0);
	assert_int_equal(c.not_before_s, NOW - 60);
	assert_int_equal(c.not_after_s, NOW + 60);
	/* Cut anywhere, or with an additional byte, the certificate is refused. A flipped byte
	 * causes no crash. */
	for (int n = 0; n < m.n; n++)
		assert_int_equal(cert_read(span_of(m.der, (size_t)n), &a, &c), ERR_SYNTAX);
	for (int n = 0; n < m.n; n++) {
		m.der[n] ^= 0x55;
		cert_read(der_of(m), &a, &c);
		m.der[n] ^= 0x55;
	}
	arena_reset(&a);
	OPENSSL_free(m.der);
}

/* ---- identities ---- */

static struct jwt_key issuer;

static const char policy_text[] =
	"tollgate: 1\nname: t\nidentity:\n"
	"  - jwt: {issuer: i, audience: a, jwks: jwks.json}\n"
	"  - client_certificate: {person: subject.CN, team: subject.O, roles: subject.OU, "
	"trust_domain: acme.org}\n"
	"routes: [{name: r, match: {path_prefix: /}, backend: openai}]\n";

static int
setup(void **state)
{
	struct buf b;

	signer = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	issuer = jwt_key_new(KEY_ED, 0);
	if (temp_dir_make(state) || !signer)
		return -1;
	buf_init(&b, 0);
	buf_str(&b, "{\"keys\":[");
	put_jwk(&b, &issuer, NULL, NULL);
	buf_str(&b, "]}");
	put_span("jwks.json", buf_view(&b));
	buf_free(&b);
	return identity_load(policy_text);
}

static int
teardown(void **state)
{
	EVP_PKEY_free(signer);
	EVP_PKEY_free(issuer.pkey);
	return identity_unload(state);
}

static int
ask(struct span header, struct span der, bool refused, struct identity_cache *cache,
	int64_t after_s, struct arena *a, struct identity *id, const char **why)
{
	struct http_field f = { SPAN_LIT("authorization"), header };
	struct http_head h = { .fields = &f, .nfields = header.n ? 1 : 0 };
	struct credentials c = {
		.head = &h, .certificate = der, .certificate_refused = refused
	};
	bool hit;

	*why = "";
	return identity_verify(fix.p, keys, cache, &c, (NOW + after_s) * SEC, a, id, why, &hit);
}

/* clang-format off */
static const struct { const char *name, *subject, *san; int64_t from, to; bool refused; const char *person; } rows[] = {
	{ "a person", "CN=alice,O=red,OU=x,OU=y", NULL, -60, 60, false, "alice" },
	{ "with the SPIFFE id of the domain", "CN=alice", "URI:spiffe://acme.org/a", -60, 60, false, "alice" },
	{ "of another domain", "CN=alice", "URI:spiffe://evil.org/a", -60, 60, false, NULL },
	{ "of a domain that begins like it", "CN=alice", "URI:spiffe://acme.org.evil/a", -60, 60, false, NULL },
	{ "two SPIFFE ids", "CN=alice", "URI:spiffe://acme.org/a,URI:spiffe://acme.org/b", -60, 60, false, NULL },
	{ "nobody", "O=red", "URI:spiffe://acme.org/a", -60, 60, false, NULL },
	{ "two names", "CN=alice,CN=bob", "URI:spiffe://acme.org/a", -60, 60, false, NULL },
	{ "two teams", "CN=alice,O=a,O=b", "URI:spiffe://acme.org/a", -60, 60, false, NULL },
	{ "a line break in the name", "CN=al\nice", "URI:spiffe://acme.org/a", -60, 60, false, NULL },
	{ "expired", "CN=alice", "URI:spiffe://acme.org/a", -60, 0, false, NULL },
	{ "not valid yet", "CN=alice", "URI:spiffe://acme.org/a", 1, 60, false, NULL },
	{ "refused by HAProxy", "CN=alice", "URI:spiffe://acme.org/a", -60, 60, true, NULL },
};
/* clang-format on */

static void
certificate_names_its_person(void **state)
{
	struct identity_cache *cache = identity_cache_new(64);

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		for (int again = 0; again < 2; again++) { /* the second time from the cache */
			const char *san = rows[i].san ? rows[i].san : "URI:spiffe://acme.org/z";
			struct made m = make_cert(
				rows[i].subject, san, NOW + rows[i].from, NOW + rows[i].to);
			struct arena a;
			struct identity id;
			const char *why;
			arena_init(&a, 0, false);
			int err = ask((struct span){ NULL, 0 }, der_of(m), rows[i].refused,
				cache, 0, &a, &id, &why);
			OPENSSL_free(m.der);
			if ((err == 0) != (rows[i].person != NULL))
				fail_msg("%s: %d %s", rows[i].name, err, why);
			if (err == 0) {
				assert_true(span_is(id.person, rows[i].person) && id.verified);
				assert_string_equal(id.method, "client_certificate");
				assert_int_equal(id.nroles, i == 0 ? 2 : 0);
			} else {
				assert_int_equal(err, ERR_AUTH);
				assert_null(strstr(why, "alice"));
			}
			arena_reset(&a);
		}
	identity_cache_free(&cache);
}

static void
cached_certificate_expires(void **state)
{
	struct identity_cache *cache = identity_cache_new(64);
	struct made m = make_cert("CN=alice", "URI:spiffe://acme.org/a", NOW, NOW + 60);
	struct span none = { NULL, 0 };
	struct arena a;
	struct identity id;
	const char *why;

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(ask(none, der_of(m), false, cache, 0, &a, &id, &why), 0);
	assert_int_equal(ask(none, der_of(m), false, cache, 59, &a, &id, &why), 0);
	assert_int_equal(ask(none, der_of(m), false, cache, 60, &a, &id, &why), ERR_AUTH);
	assert_int_equal(ask(none, der_of(m), true, cache, 0, &a, &id, &why), ERR_AUTH);
	/* No certificate and no token: anonymous. */
	assert_int_equal(ask(none, none, true, cache, 0, &a, &id, &why), 0);
	assert_string_equal(id.method, "none");
	arena_reset(&a);
	OPENSSL_free(m.der);
	identity_cache_free(&cache);
}

/* Makes a token of carol whose cnf has that certificate's thumbprint, with `more` beside it. */
static struct buf
bound_token(struct made cert, const char *more)
{
	unsigned char thumbprint[SHA256_BYTES];
	struct buf token, claims, t;

	buf_init(&token, 0);
	buf_init(&claims, 0);
	buf_init(&t, 0);
	buf_printf(&claims,
		"{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"carol\",\"exp\":%lld,\"cnf\":"
		"{\"x5t#S256\":\"",
		(long long)NOW + 300);
	sha256(der_of(cert), thumbprint);
	put_b64url(&claims, thumbprint, sizeof(thumbprint));
	buf_printf(&claims, "\"%s}}", more);
	buf_str(&token, "Bearer ");
	put_jwt(&t, &issuer, SPAN_LIT("{\"alg\":\"EdDSA\"}"), buf_view(&claims));
	buf_span(&token, buf_view(&t));
	buf_free(&t);
	buf_free(&claims);
	return token;
}

static void
bound_token_needs_its_certificate(void **state)
{
	struct identity_cache *cache = identity_cache_new(64);
	struct made mine = make_cert("CN=alice", "URI:spiffe://acme.org/a", NOW - 9, NOW + 60);
	struct made other = make_cert("CN=bob", "URI:spiffe://acme.org/b", NOW - 9, NOW + 60);
	struct buf token = bound_token(mine, ""), twice = bound_token(mine, ",\"jkt\":\"x\"");
	struct span none = { NULL, 0 };
	struct arena a;
	struct identity id;
	const char *why;

	(void)state;
	arena_init(&a, 0, false);
	for (int again = 0; again < 2; again++) { /* a cache hit is checked like a miss */
		struct span header = buf_view(&token);
		assert_int_equal(ask(header, der_of(mine), false, cache, 0, &a, &id, &why), 0);
		assert_true(span_is(id.person, "carol"));
		assert_int_equal(
			ask(header, der_of(other), false, cache, 0, &a, &id, &why), ERR_AUTH);
		assert_int_equal(ask(header, none, false, cache, 0, &a, &id, &why), ERR_AUTH);
		assert_int_equal(
			ask(header, der_of(mine), true, cache, 0, &a, &id, &why), ERR_AUTH);
		/* The gateway cannot check the other binding, so the token is refused with or
		 * without the certificate. */
		assert_int_equal(
			ask(buf_view(&twice), der_of(mine), false, cache, 0, &a, &id, &why),
			ERR_AUTH);
	}
	arena_reset(&a);
	buf_free(&token);
	buf_free(&twice);
	OPENSSL_free(mine.der);
	OPENSSL_free(other.der);
	identity_cache_free(&cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(certificate_fields_are_read),
		cmocka_unit_test(certificate_names_its_person),
		cmocka_unit_test(cached_certificate_expires),
		cmocka_unit_test(bound_token_needs_its_certificate),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
