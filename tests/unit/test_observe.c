/* `observe` in a policy: valid settings, the requests that it applies to, which texts have the
 * form of the gateway's keys, and its description. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <sodium.h>
#include <stdio.h>

#include "base/clock.h"
#include "policy/advice/notes.h"
#include "policy/identity/apikeys.h"
#include "policy/identity/observe.h"
#include "support/policy_fix.h"

#define SEC 1000000000ll
#define DAY (86400 * SEC)

/* A policy that observes until that time. */
static const struct policy *
load(struct policy_fix *f, const char *hosts, const char *backend, const char *until)
{
	static char text[4096];

	snprintf(text, sizeof(text),
		"tollgate: 1\n"
		"name: t\n"
		"identity:\n"
		"  - jwt: {issuer: https://idp/, audience: gw, jwks: jwks.json}\n"
		"  - jwt: {header: x-delegation, issuer: https://other/, audience: gw, jwks: "
		"j.json}\n"
		"  - jwt: {query: key, issuer: https://idp/, audience: gw, jwks: jwks.json}\n"
		"  - api_key: {keys: keys.yaml}\n"
		"  - signed_headers: {prefix: x-id-, keys: h.yaml}\n"
		"  - client_certificate: {person: subject.CN}\n"
		"  - none: {}\n"
		"routes: [{name: chat, match: {path: /v1/chat/completions}, backend: openai}]\n"
		"observe: {hosts: %s, backend: %s, until: %s}\n",
		hosts, backend, until);
	return fix_load(f, &fix_config, text);
}

static const char *
in_days(int64_t ns)
{
	static char text[CLOCK_RFC3339_LEN];

	clock_rfc3339(clock_wall_ns() + ns, text);
	return text;
}

/* ---- the section ---- */

/* clang-format off */
static const struct { const char *name, *in, *want; } mistakes[] = {
	{ "a list", "observe: []\n", ":5:10: observe: a mapping is expected, found a list" },
	{ "nothing in it", "observe: {}\n", ":5:1: observe: hosts is missing" },
	{ "no backend", "observe: {hosts: a.b, until: 2020-01-01}\n", ":5:1: observe: backend is missing" },
	{ "no end", "observe: {hosts: a.b, backend: local}\n", ":5:1: observe: until is missing" },
	{ "a host with a port", "observe: {hosts: 'a.b:80', backend: local, until: 2020-01-01}\n",
		":5:18: hosts: a host name without port, or *.example.com, is expected, found a.b:80" },
	{ "a backend that is not listed", "observe: {hosts: a.b, backend: locl, until: 2020-01-01}\n",
		":5:32: backend: locl is not one of the backends in tollgate.yaml, did you mean local?" },
	{ "an end that is no date", "observe: {hosts: a.b, backend: local, until: soon}\n",
		":5:46: until: a date such as 2026-12-31 (its first moment, UTC) or a time such as" },
	{ "a day that is none", "observe: {hosts: a.b, backend: local, until: 2026-02-30}\n", ":5:46: until: a date" },
	{ "a duration", "observe: {hosts: a.b, backend: local, until: 30d}\n", ":5:46: until: a date" },
	{ "another key", "observe: {host: a.b}\n", ":5:11: host: unknown key, did you mean hosts?" },
	{ "an end in a hundred years", "observe: {hosts: a.b, backend: local, until: 2126-01-01}\n",
		":5:46: until: 2126-01-01 is more than 90 days ahead: " },
};
/* clang-format on */

static void
errors_in_observe_are_named(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct policy_fix f;
		char text[512];
		snprintf(text, sizeof(text), POLICY_HEAD "%s", mistakes[i].in);
		assert_null(fix_load(&f, &fix_config, text));
		char said[4096];
		snprintf(said, sizeof(said), "%.*s", SPAN_ARG(buf_view(&f.d.text)));
		if (!strstr(said, mistakes[i].want))
			fail_msg("%s: %s", mistakes[i].name, said);
		fix_done(&f);
	}
}

static void
end_is_at_most_ninety_days_ahead(void **state)
{
	struct policy_fix f;

	(void)state;
	assert_non_null(load(&f, "a.b", "local", in_days(90 * DAY - 60 * SEC)));
	fix_done(&f);
	assert_null(load(&f, "a.b", "local", in_days(90 * DAY + 60 * SEC)));
	fix_done(&f);
	/* an end in the past is valid, so that a restart after the cutover succeeds */
	assert_non_null(load(&f, "a.b", "local", "2020-01-01"));
	assert_int_equal(f.p->observe.until_ns, 1577836800 * SEC);
	fix_done(&f);
	assert_non_null(load(&f, "a.b", "local", "2020-01-01T02:00:00+02:00"));
	assert_int_equal(f.p->observe.until_ns, 1577836800 * SEC);
	fix_done(&f);
}

static void
hosts_match_like_those_of_routes_until_the_end(void **state)
{
	static const struct {
		const char *host;
		bool want;
	} rows[] = { { "a.b", true }, { "x.c.d", true }, { "c.d", false }, { "b", false },
		{ "", false }, { "xa.b", false } };
	struct policy_fix f;
	int64_t now = clock_wall_ns();

	(void)state;
	assert_non_null(load(&f, "[A.b, '*.c.d']", "local", in_days(DAY)));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (observe_host(f.p, span_str(rows[i].host), now) != rows[i].want)
			fail_msg("%s", rows[i].host);
	assert_true(observe_host(f.p, SPAN_LIT("a.b"), f.p->observe.until_ns - 1));
	assert_false(observe_host(f.p, SPAN_LIT("a.b"), f.p->observe.until_ns));
	fix_done(&f);
	fix_must_load(&f, POLICY_HEAD);
	assert_false(observe_host(f.p, SPAN_LIT("a.b"), 0));
	fix_done(&f);
}

/* ---- keys of the gateway ---- */

/* {"alg":"EdDSA"} and {"iss":"https://idp/"}, …other/, …theirs/ */
#define HEAD  "eyJhbGciOiJFZERTQSJ9"
#define IDP   HEAD ".eyJpc3MiOiJodHRwczovL2lkcC8ifQ.AAAA"
#define OTHER HEAD ".eyJpc3MiOiJodHRwczovL290aGVyLyJ9.AAAA"
#define THEIR HEAD ".eyJpc3MiOiJodHRwczovL3RoZWlycy8ifQ.AAAA"

/* clang-format off */
static const struct { const char *name, *header, *value, *query; bool ours; } shown[] = {
	{ "nothing", "x", "y", "", false },
	{ "a provider's key", "authorization", "Bearer sk-proj-abcdef", "", false },
	{ "a provider's key in its own header", "x-api-key", "sk-ant-abc", "", false },
	{ "a key that is mistyped", "authorization", "Bearer tg_aaaaaaaa_bbbb", "", true },
	{ "a key without scheme", "authorization", "tg_aaaaaaaa_bbbb", "", true },
	{ "a key after a tab", "authorization", "Bearer\ttg_a", "", true },
	{ "a key under another scheme", "authorization", "Basic tg_a", "", true },
	{ "a whole key in a header of no entry", "x-api-key", "KEY", "", true },
	{ "a whole key in a cookie", "cookie", "a=KEY; b=c", "", true },
	{ "a whole key in the query", "x", "y", "key=KEY", true },
	{ "a whole key in the query, escaped", "x", "y", "key=%74g_KEY3", true },
	{ "a token of our issuer", "authorization", "Bearer " IDP, "", true },
	{ "a token of our issuer without scheme", "authorization", IDP, "", true },
	{ "a token of our issuer where another's is expected", "x-delegation", IDP, "", true },
	{ "a token of our issuer in a header of no entry", "x-api-key", IDP, "", true },
	{ "the beginning of a key in a header of no entry", "api-key", "tg_a", "", true },
	{ "the beginning of a key in no header of credentials", "user-agent", "tg_a", "", false },
	{ "a token of the issuer of that header", "x-delegation", OTHER, "", true },
	{ "a token of a provider", "authorization", "Bearer " THEIR, "", false },
	{ "three parts that are no token", "authorization", "Bearer a.b.c", "", false },
	{ "a token of our issuer in its parameter", "x", "y", "a=1&k%65y=" IDP, true },
	{ "the second of two", "x", "y", "key=AIzaSy&key=" IDP, true },
	{ "a token of our issuer in another parameter", "x", "y", "q=" IDP, true },
	{ "a provider's key in that parameter", "x", "y", "key=AIzaSy", false },
	{ "a token of our issuer in a cookie", "cookie", "a=b; session=" IDP "; c=d", "", true },
	{ "quoted", "authorization", "Bearer \"" IDP "\"", "", true },
	{ "as a parameter of a scheme", "authorization", "Token token=" IDP ", x", "", true },
	{ "behind two schemes", "authorization", "Bearer Bearer " IDP, "", true },
	{ "behind a semicolon of the query", "x", "y", "a=1;k=" IDP, true },
	{ "bare in the query, escaped", "x", "y", HEAD "%252EeyJpc3MiOiJodHRwczovL2lkcC8ifQ%2eAAAA", true },
	{ "a token of a provider in a cookie", "cookie", "a=" THEIR, "", false },
	{ "a token as password", "authorization", "basic dTpleUpoYkdjaU9pSkZaRVJUUVNKOS5leUpwYzNNaU9pSm9kSFJ3Y3pvdkwybGtjQzhpZlEuQUFBQQ==", "", true },
	{ "a provider's password", "authorization", "Basic dTpz+/==", "", false },
	{ "as password after a tab", "authorization", "Basic\tYWI6B64", "", true },
	{ "after blanks and in capitals", "authorization", "  BASIC   YWI6B64", "", true },
	{ "with blanks in its base64", "authorization", "Basic YW I6B64", "", true },
	{ "in base64 for URLs, padded too often", "authorization", "Basic YWI6B64====", "", true },
	{ "in two pieces of base64", "authorization", "Basic dTo=B64", "", true },
	{ "in a list", "authorization", "Basic dTp4,Basic YWI6B64, x", "", true },
	{ "before a comma", "authorization", "Basic YWI6B64,cHc=", "", true },
	{ "after a comma", "authorization", "Basic dTp4,B64", "", true },
	{ "after another scheme", "authorization", "Proxy basic YWI6B64", "", true },
	{ "as password, escaped", "x", "y", "a=Basic%20YWI6B64", true },
	{ "a whole key in the query, escaped three times", "x", "y", "key=%252574g_KEY3", true },
	{ "glued before by a hyphen", "cookie", "s-" IDP, "", true },
	{ "by a low line", "cookie", "s_" IDP "_1", "", true },
	{ "by a dot", "cookie", "v1." IDP ".x", "", true },
	{ "by a dot after it", "x", "y", "a=.." IDP ".", true },
	{ "padded", "cookie", HEAD "=.eyJpc3MiOiJodHRwczovL2lkcC8ifQ==.AAAA", "", true },
	{ "unsigned", "cookie", HEAD ".eyJpc3MiOiJodHRwczovL2lkcC8ifQ.", "", true },
	{ "a provider's token glued", "cookie", "s-" THEIR ".x", "", false },
	{ "claims without a header", "cookie", ".eyJpc3MiOiJodHRwczovL2lkcC8ifQ.", "", false },
	{ "in hexadecimal of both cases", "x-was", "aHEX", "", true },
	{ "in digits that are none", "x-was", "9F86d081884C7D659a2FEAA0C55AD015A3BF4F1B2B0B822CD15D6C15B0F00A08", "", false },
	{ "many dots", "cookie", "a.b.c.d.e.f..g...h", "", false },
	{ "a provider's password with a comma", "authorization", "Basic dTpzay1wcm9qLWFiYw==, x", "", false },
	{ "signed headers", "x-id-person", "alice", "", true },
};
/* clang-format on */

/* KEY stands for a whole key, KEY3 for a key without its first three letters, B64 and HEX for a
 * key in those encodings. */
static void
put_value(struct buf *b, const char *value, const char *key)
{
	const char *at = strstr(value, "KEY"), *coded = strstr(value, "B64"),
		   *hex = strstr(value, "HEX");

	buf_clear(b);
	if (hex) {
		buf_put(b, value, (size_t)(hex - value));
		for (size_t i = 0; key[i]; i++)
			buf_printf(b, i % 2 ? "%02x" : "%02X", (unsigned char)key[i]);
		return;
	}
	if (coded) {
		char code[160];
		buf_put(b, value, (size_t)(coded - value));
		buf_str(b, sodium_bin2base64(code, sizeof(code), (const unsigned char *)key,
				   strlen(key), sodium_base64_VARIANT_URLSAFE_NO_PADDING));
		buf_str(b, coded + 3);
		return;
	}
	if (!at) {
		buf_str(b, value);
		return;
	}
	bool three = at[3] == '3';
	buf_put(b, value, (size_t)(at - value));
	buf_str(b, key + (three ? 3 : 0));
	buf_str(b, at + 3 + three);
}

static void
keys_of_the_gateway_are_recognized_by_form(void **state)
{
	char id[APIKEY_ID_LEN + 1], key[80];
	unsigned char hash[32];
	struct policy_fix f;
	struct buf value, query;

	(void)state;
	apikey_make(id, key, hash);
	buf_init(&value, 0);
	buf_init(&query, 0);
	assert_non_null(load(&f, "a.b", "local", in_days(DAY)));
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		struct arena a;
		put_value(&value, shown[i].value, key);
		put_value(&query, shown[i].query, key);
		struct http_field fields[] = { { SPAN_LIT("host"), SPAN_LIT("a.b") },
			{ span_str(shown[i].header), buf_view(&value) } };
		struct http_head h = { .path = SPAN_LIT("/v1"),
			.query = buf_view(&query),
			.fields = fields,
			.nfields = 2 };
		arena_init(&a, 0, false);
		if (observe_shows_ours(f.p, &(struct credentials){ .head = &h }, &a) !=
			shown[i].ours)
			fail_msg("%s", shown[i].name);
		arena_reset(&a);
	}
	struct arena a;
	arena_init(&a, 0, false);
	struct http_head none = { .nfields = 0 };
	struct credentials c = { .head = &none, .certificate = SPAN_LIT("x") };
	assert_true(observe_shows_ours(f.p, &c, &a));
	/* also the second of two fields */
	struct http_field two[] = { { SPAN_LIT("authorization"), SPAN_LIT("Bearer sk-x") },
		{ SPAN_LIT("Authorization"), SPAN_LIT("Bearer tg_a") } };
	struct http_head twice = { .fields = two, .nfields = 2 };
	assert_true(observe_shows_ours(f.p, &(struct credentials){ .head = &twice }, &a));
	arena_reset(&a);
	buf_free(&value);
	buf_free(&query);
	fix_done(&f);
}

/* ---- its description ---- */

static void
description_states_effect_and_end(void **state)
{
	static const struct {
		int64_t at_ns; /* time before the end */
		enum observe_state want;
		const char *says;
	} rows[] = {
		{ 10 * DAY, OBSERVE_ON,
			"a.b, *.c: callers without a key of this gateway are sent to local, and "
			"nothing is refused, until "
			"2020-01-01T00:00:00Z (10 days left)" },
		{ 7 * DAY, OBSERVE_ON, "(7 days left)" },
		{ 7 * DAY - 1, OBSERVE_NEAR,
			"(6 days left); after that, these requests are decided as usual" },
		{ 36 * 3600 * SEC, OBSERVE_NEAR, "(1 day left)" },
		{ 1, OBSERVE_NEAR, "(0 days left)" },
		{ 0, OBSERVE_OVER,
			"ended at 2020-01-01T00:00:00Z: requests are decided as usual" },
		{ -DAY, OBSERVE_OVER, "ended at 2020" },
	};
	struct policy_fix f;
	int64_t days;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_non_null(load(&f, "[a.b, '*.c']", "local", "2020-01-01"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int64_t now = f.p->observe.until_ns - rows[i].at_ns;
		buf_clear(&b);
		observe_says(f.p, now, &b);
		buf_putc(&b, 0);
		assert_int_equal(observe_state(f.p, now, &days), rows[i].want);
		if (!strstr(buf_view(&b).p, rows[i].says))
			fail_msg("%zu: %s", i, buf_view(&b).p);
	}
	fix_done(&f);
	buf_clear(&b);
	fix_must_load(&f, POLICY_HEAD);
	assert_int_equal(observe_state(f.p, 0, &days), OBSERVE_NONE);
	observe_says(f.p, 0, &b);
	assert_int_equal(b.n, 0);
	fix_done(&f);
	buf_free(&b);
}

static void
keep_note(void *arg, const char *text)
{
	buf_printf(arg, "%s\n", text);
}

static void
check_reports_observe(void **state)
{
	struct policy_fix f;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	assert_non_null(load(&f, "a.b", "openai", in_days(DAY + 60 * SEC)));
	policy_notes(f.p, &fix_config, detect_fix()->rules, keep_note, &b);
	buf_putc(&b, 0);
	assert_non_null(strstr(
		buf_view(&b).p, "t.yaml:12:1: observe: a.b: callers without a key of this gateway are sent to openai, and nothing is refused, until "));
	assert_non_null(strstr(buf_view(&b).p, "(1 day left); after that"));
	assert_non_null(
		strstr(buf_view(&b).p, "observe: backend openai is also used by route chat: "));
	fix_done(&f);
	buf_free(&b);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errors_in_observe_are_named),
		cmocka_unit_test(end_is_at_most_ninety_days_ahead),
		cmocka_unit_test(hosts_match_like_those_of_routes_until_the_end),
		cmocka_unit_test(keys_of_the_gateway_are_recognized_by_form),
		cmocka_unit_test(description_states_effect_and_end),
		cmocka_unit_test(check_reports_observe),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
