/* Fields that count as a credential, API keys, and the cache of verified tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <openssl/pem.h>
#include <openssl/x509.h>

#include "support/identity_stage.h"

/* In the text, @ stands for a valid token, ~ for the token with its dots escaped, # for an API
 * key of the gateway. */
static void
put_query(struct buf *q, const char *text, struct span token)
{
	for (; *text; text++)
		if (*text == '@')
			buf_span(q, token);
		else if (*text == '#')
			buf_str(q, live_key);
		else if (*text == '~')
			for (size_t i = 0; i < token.n; i++)
				buf_printf(q, token.p[i] == '.' ? "%%2e" : "%c", token.p[i]);
		else
			buf_putc(q, *text);
}

/* ---- presence ---- */

/* clang-format off */
static const struct { const char *name, *header, *value; int err; /* 0: anonymous */ } presence[] = {
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
	{ "another scheme and a good key", "authorization", "Basic #", ERR_AUTH },
	{ "no scheme and a good key", "authorization", "#", ERR_AUTH },
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
credential_is_read_where_the_policy_configures_it(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(presence) / sizeof(presence[0]); i++) {
		struct arena a;
		struct identity id;
		const char *why;
		bool hit;
		struct buf value;
		arena_init(&a, 0, false);
		buf_init(&value, 0);
		put_query(&value, presence[i].value, (struct span){ NULL, 0 });
		int err = ask_at(
			presence[i].header, buf_view(&value), 0, NULL, &a, &id, &why, &hit);
		buf_free(&value);
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

/* A credential given twice is refused, also beside a valid one. The first configured header
 * that is present decides. */
static void
credential_given_twice_is_refused(void **state)
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
	/* order of the entries: authorization, x-delegation, x-api-key */
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

/* ---- in the query ---- */

/* clang-format off */
static const struct { const char *name, *query; int err; const char *person; } queries[] = {
	{ "the parameter that the entry names", "key=@", 0, "alice" },
	{ "after others", "alt=sse&key=@&x=1", 0, "alice" },
	{ "its name in escapes", "k%65y=@", 0, "alice" },
	{ "a dot in escapes", "key=~", 0, "alice" },
	{ "empty", "key=", 0, "nobody-known" },
	{ "without a value", "key", 0, "nobody-known" },
	{ "a provider's key", "key=AIzaSyA", 0, "nobody-known" },
	{ "another case is another parameter", "KEY=@", 0, "nobody-known" },
	{ "another name is another parameter", "token=@", 0, "nobody-known" },
	{ "given twice", "key=@&key=@", ERR_AUTH, NULL },
	{ "given twice, once in escapes", "key=@&%6bey=x", ERR_AUTH, NULL },
	{ "given twice, once empty", "key=&key=@", ERR_AUTH, NULL },
	{ "something behind it", "key=@;x=1", ERR_AUTH, NULL },
	{ "three parts that are no token", "key=a.b.c", ERR_AUTH, NULL },
	{ "an API key, where only tokens are", "key=#", ERR_AUTH, NULL },
};
/* clang-format on */

static void
query_token_counts_if_an_entry_names_its_parameter(void **state)
{
	struct identity_cache *cache = identity_cache_new(16);
	struct buf bearer, q;

	(void)state;
	buf_init(&bearer, 0);
	buf_init(&q, 0);
	put_bearer(&bearer, &ed, ED_A, GOOD);
	struct span token = span_cut(buf_view(&bearer), strlen("Bearer "), bearer.n);
	for (size_t i = 0; i < COUNT_OF(queries); i++)
		for (int again = 0; again < 2; again++) { /* from the cache */
			struct arena a;
			struct identity id;
			const char *why;
			bool hit;
			arena_init(&a, 0, false);
			buf_clear(&q);
			put_query(&q, queries[i].query, token);
			int err = ask_query(buf_view(&q), cache, &a, &id, &why, &hit);
			if (err != queries[i].err ||
				(!err && !span_is(id.person, queries[i].person)))
				fail_msg("%s: %d %s", queries[i].name, err, why ? why : "");
			assert_true(!err || !strstr(why, "a.b"));
			arena_reset(&a);
		}
	buf_free(&bearer);
	buf_free(&q);
	identity_cache_free(&cache);
}

/* A token that is cached for one place is refused in another place without an entry. */
static void
token_counts_only_in_configured_places(void **state)
{
	static const struct {
		const char *header;
		int err;
	} places[] = { { "authorization", 0 }, { "x-goog-api-key", 0 },
		{ "x-delegation", ERR_AUTH }, { "x-api-key", ERR_AUTH } };
	struct identity_cache *cache = identity_cache_new(16);
	struct buf bearer;

	(void)state;
	buf_init(&bearer, 0);
	put_bearer(&bearer, &ed, ED_A, GOOD);
	struct span token = span_cut(buf_view(&bearer), strlen("Bearer "), bearer.n);
	for (int bare = 0; bare < 2; bare++)
		for (size_t i = (size_t)bare; i < COUNT_OF(places); i++) {
			struct arena a;
			struct identity id;
			const char *why;
			bool hit;
			arena_init(&a, 0, false);
			int err = ask_at(places[i].header, bare ? token : buf_view(&bearer), 0,
				cache, &a, &id, &why, &hit);
			if (err != places[i].err)
				fail_msg("%s: %d %s", places[i].header, err, why ? why : "");
			assert_true(err || span_is(id.person, "alice"));
			arena_reset(&a);
		}
	buf_free(&bearer);
	identity_cache_free(&cache);
}

static void
credential_of_a_megabyte_is_refused(void **state)
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
api_key_names_its_person_until_it_ends(void **state)
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
			/* x-api-key reads only the first file */
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

/* Keys made at run time, and revocations made at run time, take precedence over key files. */
static void
run_time_entries_of_keys_take_precedence(void **state)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	char made[80], ended[80], mixed[100];
	struct buf b;
	struct diag d;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, "keys:\n");
	put_apikey(&b, made, "person: zoe");
	put_apikey(&b, ended, "person: yves, revoked: 2026-01-01T00:00:00Z");
	/* a file may contain an entry of a live key */
	buf_printf(&b,
		"  - {id: \"%.8s\", sha256: \"%s\", person: x, revoked: "
		"2026-01-01T00:00:00Z}\n",
		live_key + 3, zeros);
	put_span("live.yaml", buf_view(&b));
	buf_free(&b);
	diag_init(&d);
	struct apikeys *live = apikeys_load(path("live.yaml"), &d);
	assert_non_null(live);
	snprintf(mixed, sizeof(mixed), "%.12s%s", made, live_key + 12);
	const struct {
		const char *name, *key, *person;
	} rows[] = {
		{ "one made at run time", made, "zoe" },
		{ "its id with another secret", mixed, NULL },
		{ "one that was made and revoked", ended, NULL },
		{ "one of a file that was revoked", live_key, NULL },
		{ "another of a file", second_key, "dave" },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct http_field f = { SPAN_LIT("authorization"), { NULL, 0 } };
		struct http_head h = { .fields = &f, .nfields = 1 };
		char value[100];
		struct arena a;
		struct identity id;
		const char *why;
		bool hit;
		snprintf(value, sizeof(value), "Bearer %s", rows[i].key);
		f.value = span_str(value);
		arena_init(&a, 0, false);
		int err = identity_verify(fix.p, keys, NULL,
			&(struct credentials){ .head = &h, .live = live }, NOW * SEC, &a, &id,
			&why, &hit);
		if (err != (rows[i].person ? 0 : ERR_AUTH) ||
			(!err && !span_is(id.person, rows[i].person)))
			fail_msg("%s: %d", rows[i].name, err);
		arena_reset(&a);
	}
	apikeys_free(&live);
	diag_free(&d);
}

/* A caller who repeats the request without the key learns what became of the key. */
static void
ended_key_stays_ended_on_repeated_requests(void **state)
{
	static const char zeros[] =
		"0000000000000000000000000000000000000000000000000000000000000000";
	char changed[80], ended[80], late[80];
	struct diag d;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, "keys:\n");
	put_apikey(&b, changed, "person: zoe, team: blue, models: [m*]");
	put_apikey(&b, ended, "person: yves, revoked: 2026-01-01T00:00:00Z");
	put_apikey(&b, late, "person: yves, expires: 2026-09-21T14:13:21Z"); /* NOW + 1 */
	buf_printf(&b,
		"  - {id: \"%.8s\", sha256: \"%s\", person: x, revoked: "
		"2026-01-01T00:00:00Z}\n",
		live_key + 3, zeros);
	put_span("live.yaml", buf_view(&b));
	buf_free(&b);
	diag_init(&d);
	struct apikeys *live = apikeys_load(path("live.yaml"), &d);
	assert_non_null(live);
	const struct {
		const char *name, *key;
		bool told; /* the key was made at run time */
		int64_t at;
		const char *why, *team; /* NULL: unchanged */
	} rows[] = {
		{ "of a file", live_key, false, NOW, NULL, "red" },
		{ "of a file, revoked at run time", live_key, true, NOW, "revoked", NULL },
		{ "of a file, revoked there", revoked_key, true, NOW, "revoked", NULL },
		{ "of a file, at its end", expired_key, true, NOW, "expired", NULL },
		{ "of a file, before that", expired_key, true, NOW - 1, NULL, "" },
		{ "of another file", second_key, true, NOW, NULL, "" },
		{ "made at run time, and changed since", changed, true, NOW, NULL, "blue" },
		{ "made at run time, revoked", ended, true, NOW, "revoked", NULL },
		{ "made at run time, at its end", late, true, NOW + 1, "expired", NULL },
		{ "made at run time, before that", late, true, NOW, NULL, "" },
		{ "of nobody any more", changed, false, NOW, "unknown", NULL },
	};
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct identity was = { .method = "api_key",
			.person = SPAN_LIT("he"),
			.team = SPAN_LIT("of old"),
			.key_id = apikey_id(span_str(rows[i].key)),
			.verified = true };
		struct identity now;
		const char *why = NULL;
		struct arena a;
		arena_init(&a, 0, false);
		int err = identity_again(fix.p, keys, rows[i].told ? live : NULL, &was,
			rows[i].at * SEC, &a, &now, &why);
		if (err != (rows[i].why ? ERR_AUTH : 0) || (err && !strstr(why, rows[i].why)) ||
			(!err && (!span_is(now.team, rows[i].team) ||
					 !span_is(now.person, "he") || !now.verified)))
			fail_msg("%s: %d, %s", rows[i].name, err, why ? why : "no reason");
		assert_int_equal(now.nmodels, !err && rows[i].key == changed);
		arena_reset(&a);
	}
	apikeys_free(&live);
	diag_free(&d);
}

/* ---- the cache ---- */

static void
cached_token_keeps_its_times_and_header(void **state)
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
	/* a cache hit, with its times checked at every hit */
	assert_int_equal(ASK("authorization", b, 0), 0);
	assert_false(hit);
	assert_int_equal(ASK("authorization", b, 299), 0);
	assert_true(hit);
	assert_int_equal(ASK("authorization", b, 300), ERR_AUTH);
	assert_int_equal(ASK("authorization", b, -1), ERR_AUTH); /* not before `nbf` */
	assert_int_equal(ASK("authorization", b, 100), 0);
	assert_int_equal(ASK("authorization", strict, 0), 0);
	assert_int_equal(ASK("authorization", strict, 65), 0);
	assert_true(hit);
	assert_int_equal(ASK("authorization", strict, 66), ERR_AUTH); /* max_age */
	/* the same token in another header is verified by that header's entry */
	assert_int_equal(ASK("x-delegation", b, 0), ERR_AUTH);
	assert_int_equal(ASK("authorization", b, 0), 0);
	assert_true(hit);
	/* another signature over the same text makes another token */
	struct buf forged;
	buf_init(&forged, 0);
	put_bearer(&forged, &stranger, ED_A, CLAIM("\"nbf\":1790000000"));
	assert_int_equal(ASK("authorization", forged, 0), ERR_AUTH);
	assert_int_equal(ASK("authorization", forged, 0), ERR_AUTH);
	assert_false(hit);
	buf_free(&forged);
	/* refused first, valid later: the refusal was not cached */
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
full_cache_drops_unused_tokens(void **state)
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
		/* the most recently used tokens are still cached */
		assert_int_equal(
			ask_at("authorization", buf_view(&t[i]), 0, cache, &a, &id, &why, &hit),
			0);
		assert_true(hit && span_is(id.person, person));
		arena_reset(&a);
	}
	assert_true(hits < TOKENS); /* there are sixteen places */
	for (int i = 0; i < TOKENS; i++)
		buf_free(&t[i]);
	identity_cache_free(&cache);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(credential_is_read_where_the_policy_configures_it),
		cmocka_unit_test(credential_given_twice_is_refused),
		cmocka_unit_test(query_token_counts_if_an_entry_names_its_parameter),
		cmocka_unit_test(token_counts_only_in_configured_places),
		cmocka_unit_test(credential_of_a_megabyte_is_refused),
		cmocka_unit_test(api_key_names_its_person_until_it_ends),
		cmocka_unit_test(run_time_entries_of_keys_take_precedence),
		cmocka_unit_test(ended_key_stays_ended_on_repeated_requests),
		cmocka_unit_test(cached_token_keeps_its_times_and_header),
		cmocka_unit_test(full_cache_drops_unused_tokens),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
