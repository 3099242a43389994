/* Signed headers: which headers are signed, which person they name, and that a nonce is
 * accepted once, on whichever thread it arrives. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/hmac.h>
#include <pthread.h>
#include <sodium.h>
#include <stdlib.h>
#include <unistd.h>

#include "policy/identity/nonce.h"
#include "support/fake_clock.h"
#include "support/identity_fix.h"
#include "support/jwt_make.h"

#define NOW    1790000000ll
#define SEC    1000000000ll
#define SECRET "0123456789abcdef0123456789abcdef"

static const char policy_text[] =
	"tollgate: 1\nname: t\nidentity:\n"
	"  - signed_headers: {keys: hmac.yaml, max_skew: 30s}\n"
	"  - none: {person: nobody}\n"
	"routes: [{name: r, match: {path_prefix: /}, backend: openai}]\n";

static int
setup(void **state)
{
	if (temp_dir_make(state))
		return -1;
	put("hmac.yaml", "keys: [{id: gw, secret: 'file:gw.key'}, {id: b, secret: "
			 "'${TG_TEST_HMAC}'}]\n");
	put("gw.key", SECRET "\n");
	setenv("TG_TEST_HMAC", "another secret of more than 32 bytes", 1);
	return identity_load(policy_text);
}

/* ---- one request ---- */

/* `headers`: "x-identity-person:alice\n…", sorted. '-' before a line: sent, not signed. '+':
 * signed, not sent. */
struct sent {
	struct http_field f[64];
	size_t n;
	char text[8192], signature[80];
};

static void
sign(struct sent *s, const char *method, const char *target, const char *headers,
	const char *secret, const char *form)
{
	struct buf signed_text;
	struct span rest;
	unsigned char mac[64];
	unsigned n;

	buf_init(&signed_text, 0);
	buf_printf(&signed_text, "tollgate-v1\n%s\n%s\n", method, target);
	snprintf(s->text, sizeof(s->text), "%s", headers);
	rest = span_str(s->text);
	s->n = 0;
	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		char mark = line.n ? line.p[0] : 0;
		if (mark == '-' || mark == '+')
			line = span_cut(line, 1, line.n);
		if (mark != '-')
			buf_printf(&signed_text, "%.*s\n", SPAN_ARG(line));
		struct span value = line, name = span_next(&value, ':');
		if (mark != '+' && line.n)
			s->f[s->n++] = (struct http_field){ name, value };
	}
	HMAC(EVP_sha256(), secret, (int)strlen(secret),
		(const unsigned char *)buf_view(&signed_text).p, signed_text.n, mac, &n);
	buf_free(&signed_text);
	if (!strcmp(form, "hex"))
		sodium_bin2hex(s->signature, sizeof(s->signature), mac, n);
	else
		sodium_bin2base64(s->signature, sizeof(s->signature), mac, n,
			!strcmp(form, "url") ? sodium_base64_VARIANT_URLSAFE_NO_PADDING
					     : sodium_base64_VARIANT_ORIGINAL);
	if (*form)
		s->f[s->n++] = (struct http_field){ SPAN_LIT("X-Identity-Signature"),
			span_str(s->signature) };
}

#define HEAD  "x-identity-key:gw\nx-identity-nonce:0123456789abcdef\nx-identity-person:alice\n"
#define TAIL  "x-identity-timestamp:1790000000\n"
#define PLAIN HEAD TAIL

/* clang-format off */
static const struct { const char *name, *headers, *secret, *form; const char *method, *target; bool ok; } rows[] = {
	{ "a person", PLAIN, SECRET, "hex", "POST", "/v1/x?a=b", true },
	{ "in base64", PLAIN, SECRET, "base64", "POST", "/v1/x?a=b", true },
	{ "in base64url", PLAIN, SECRET, "url", "POST", "/v1/x?a=b", true },
	{ "another method", PLAIN, SECRET, "hex", "GET", "/v1/x?a=b", false },
	{ "another path", PLAIN, SECRET, "hex", "POST", "/v1/y?a=b", false },
	{ "another query", PLAIN, SECRET, "hex", "POST", "/v1/x?a=c", false },
	{ "no query", PLAIN, SECRET, "hex", "POST", "/v1/x", false },
	{ "another secret", PLAIN, SECRET "x", "hex", "POST", "/v1/x?a=b", false },
	{ "no signature", PLAIN, SECRET, "", "POST", "/v1/x?a=b", false },
	{ "a header that is not signed", HEAD "-x-identity-team:red\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "a header taken away", HEAD "+x-identity-team:red\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "a header twice", "x-identity-key:gw\nx-identity-nonce:0123456789abcdef\nx-identity-person:alice\nx-identity-person:alice\n" TAIL,
	  SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "an unknown key", "x-identity-key:zz\nx-identity-nonce:0123456789abcdef\nx-identity-person:alice\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "no key, of two", "x-identity-nonce:0123456789abcdef\nx-identity-person:alice\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "no person", "x-identity-key:gw\nx-identity-nonce:0123456789abcdef\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "no nonce", "x-identity-key:gw\nx-identity-person:alice\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "a short nonce", "x-identity-key:gw\nx-identity-nonce:0123456789\nx-identity-person:alice\n" TAIL, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "no time", HEAD, SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "a time that is no number", HEAD "x-identity-timestamp:now\n", SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "the oldest time", HEAD "x-identity-timestamp:1789999970\n", SECRET, "hex", "POST", "/v1/x?a=b", true },
	{ "too old", HEAD "x-identity-timestamp:1789999969\n", SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "the latest time", HEAD "x-identity-timestamp:1790000030\n", SECRET, "hex", "POST", "/v1/x?a=b", true },
	{ "too late", HEAD "x-identity-timestamp:1790000031\n", SECRET, "hex", "POST", "/v1/x?a=b", false },
	{ "a clearance that is no number", "x-identity-clearance:high\n" PLAIN, SECRET, "hex", "POST", "/v1/x?a=b", false },
};
/* clang-format on */

static int
ask(struct sent *s, struct nonce_window *w, struct arena *a, struct identity *id,
	const char **why)
{
	struct http_head h = { .method = SPAN_LIT("POST"),
		.path = SPAN_LIT("/v1/x"),
		.query = SPAN_LIT("a=b"),
		.has_query = true,
		.fields = s->f,
		.nfields = s->n };
	struct credentials c = { .head = &h, .nonces = w };
	bool hit;

	*why = "";
	return identity_verify(fix.p, keys, NULL, &c, NOW * SEC, a, id, why, &hit);
}

static void
signed_headers_are_verified(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct sent s;
		struct arena a;
		struct identity id;
		const char *why;
		arena_init(&a, 0, false);
		sign(&s, rows[i].method, rows[i].target, rows[i].headers, rows[i].secret,
			rows[i].form);
		int err = ask(&s, NULL, &a, &id, &why);
		if ((err == 0) != rows[i].ok || (err && err != ERR_AUTH))
			fail_msg("%s: %d %s", rows[i].name, err, why);
		if (rows[i].ok) {
			assert_true(span_is(id.person, "alice") && id.verified);
			assert_string_equal(id.method, "signed_headers");
			assert_true(span_is(id.key_id, "gw"));
		}
		arena_reset(&a);
	}
}

static void
each_signed_header_is_read(void **state)
{
	struct sent s;
	struct arena a;
	struct identity id;
	const char *why;

	(void)state;
	arena_init(&a, 0, false);
	sign(&s, "POST", "/v1/x?a=b",
		"x-identity-agent:bot\nx-identity-clearance:-2\nx-identity-country:DE\n"
		"x-identity-department:sales\nx-identity-key:b\nx-identity-nonce:"
		"0123456789abcdef\n"
		"x-identity-person:Zoë\nx-identity-roles:a, b,,c\nx-identity-team:red\n"
		"x-identity-tier:free\n" TAIL,
		"another secret of more than 32 bytes", "hex");
	assert_int_equal(ask(&s, NULL, &a, &id, &why), 0);
	assert_true(span_is(id.agent, "bot") && span_is(id.department, "sales"));
	assert_true(span_is(id.team, "red") && span_is(id.tier, "free"));
	assert_int_equal(id.clearance, -2);
	assert_int_equal(id.nroles, 3);
	assert_true(span_is(id.roles[2].s, "c"));
	assert_int_equal(id.nattributes, 1);
	assert_true(span_is(id.attributes[1].s, "DE"));
	/* Without these headers, the caller is anonymous. */
	s.n = 0;
	assert_int_equal(ask(&s, NULL, &a, &id, &why), 0);
	assert_string_equal(id.method, "none");
	arena_reset(&a);
}

static void
nonce_is_accepted_once(void **state)
{
	struct nonce_window *w = nonce_window_new(64, fake_mono - 10000000);
	struct sent s;
	struct arena a;
	struct identity id;
	const char *why;

	(void)state;
	arena_init(&a, 0, false);
	sign(&s, "POST", "/v1/x?a=b", PLAIN, SECRET, "hex");
	assert_int_equal(ask(&s, w, &a, &id, &why), 0);
	assert_int_equal(ask(&s, w, &a, &id, &why), ERR_AUTH);
	/* A signature that an earlier process may have accepted. */
	sign(&s, "POST", "/v1/x?a=b", HEAD "x-identity-timestamp:1789999989\n", SECRET, "hex");
	assert_int_equal(ask(&s, w, &a, &id, &why), ERR_AUTH);
	/* The clock was 20 days ahead when the process started. Once the clock is correct, no
	 * caller is refused, except for signatures older than the start. */
	nonce_window_free(&w);
	fake_wall += 20 * CLOCK_DAY_NS;
	w = nonce_window_new(64, fake_mono);
	fake_wall -= 20 * CLOCK_DAY_NS;
	fake_mono += 10000000;
	sign(&s, "POST", "/v1/x?a=b", PLAIN, SECRET, "hex");
	assert_int_equal(ask(&s, w, &a, &id, &why), 0);
	assert_int_equal(ask(&s, w, &a, &id, &why), ERR_AUTH);
	sign(&s, "POST", "/v1/x?a=b", HEAD "x-identity-timestamp:1789999989\n", SECRET, "hex");
	assert_int_equal(ask(&s, w, &a, &id, &why), ERR_AUTH);
	arena_reset(&a);
	nonce_window_free(&w);
	/* A nonce is dropped after its time, and not before; a full bucket refuses. */
	w = nonce_window_new(8, fake_mono);
	assert_int_equal(nonce_take(w, SPAN_LIT("a"), NOW, NOW + 60), 0);
	assert_int_equal(nonce_take(w, SPAN_LIT("a"), NOW + 59, NOW + 119), ERR_DUPLICATE);
	assert_int_equal(nonce_take(w, SPAN_LIT("a"), NOW + 60, NOW + 120), 0);
	for (char c = 'b'; c < 'b' + 7; c++)
		assert_int_equal(nonce_take(w, span_of(&c, 1), NOW + 60, NOW + 120), 0);
	assert_int_equal(nonce_take(w, SPAN_LIT("z"), NOW + 61, NOW + 121), ERR_LIMIT);
	assert_int_equal(nonce_take(w, SPAN_LIT("z"), NOW + 120, NOW + 180), 0);
	nonce_window_free(&w);
}

/* ---- threads ---- */

enum { THREADS = 4, NONCES = 20000 };
static struct nonce_window *shared;
static _Atomic unsigned taken[NONCES];

static void *
take_all(void *arg)
{
	(void)arg;
	for (unsigned i = 0; i < NONCES; i++) {
		char text[16];
		int n = snprintf(text, sizeof(text), "%u", i);
		if (nonce_take(shared, span_of(text, (size_t)n), NOW, NOW + 60) == 0)
			taken[i]++;
	}
	return NULL;
}

static void
nonce_is_accepted_by_at_most_one_thread(void **state)
{
	pthread_t t[THREADS];
	unsigned total = 0;

	(void)state;
	shared = nonce_window_new(16 * NONCES, fake_mono);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, take_all, NULL), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < NONCES; i++) {
		assert_true(taken[i] <= 1);
		total += taken[i];
	}
	assert_true(total > NONCES * 9 / 10); /* two concurrent attempts may both be refused */
	nonce_window_free(&shared);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(signed_headers_are_verified),
		cmocka_unit_test(each_signed_header_is_read),
		cmocka_unit_test(nonce_is_accepted_once),
		cmocka_unit_test(nonce_is_accepted_by_at_most_one_thread),
	};

	return cmocka_run_group_tests(tests, setup, identity_unload);
}
