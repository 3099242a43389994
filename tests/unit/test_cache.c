/* The response cache: requests with the same meaning have the same key, other requests have
 * different keys, and an entry that changed in storage is not used. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "answer/frames.h"
#include "answer/translate/request_private.h"
#include "base/clock.h"
#include "base/err.h"
#include "gate/cache/cache.h"
#include "gate/cache/hit.h"

static const unsigned char secret[CACHE_KEY_BYTES] = "a secret", others[CACHE_KEY_BYTES] = "b";

/* ' in place of quotes. */
static const char *
keyed(enum form f, const char *body, double warmest, unsigned char key[CACHE_KEY_BYTES])
{
	char *text = strdup(body);
	const struct span rest[] = { SPAN_LIT("p@1"), SPAN_LIT("alice") };

	assert_non_null(text);
	for (char *c = text; (c = strchr(c, '\''));)
		*c = '"';
	const struct cache_ask ask = { .form = f,
		.body = span_str(text),
		.rest = rest,
		.nrest = COUNT_OF(rest),
		.warmest = warmest };
	const char *why = cache_key(&ask, secret, key);
	free(text);
	return why;
}

/* ---- fields of the head ---- */

static void
header_field_is_in_the_key_or_harmless_or_prevents_caching(void **state)
{
	static const struct {
		const char *name, *value;
		enum cache_field_kind want;
	} rows[] = {
		{ "azureml-model-deployment", "blue", CACHE_FIELD_KEYED },
		{ "Azureml-Model-Deployment", "blue", CACHE_FIELD_KEYED },
		{ "azureml_model_deployment", "blue", CACHE_FIELD_UNKNOWN },
		{ "x-amzn-sagemaker-target-model", "m", CACHE_FIELD_KEYED },
		{ "x-amzn-sagemaker-target-variant", "v", CACHE_FIELD_KEYED },
		{ "anthropic-beta", "a", CACHE_FIELD_KEYED },
		{ "openai-organization", "o", CACHE_FIELD_KEYED },
		{ "host", "a.test", CACHE_FIELD_KEYED },
		{ "x-forwarded-host", "a.test", CACHE_FIELD_KEYED },
		{ "x-new-model", "m", CACHE_FIELD_UNKNOWN },
		{ "range", "bytes=0-1", CACHE_FIELD_UNKNOWN },
		{ "prefer", "respond-async", CACHE_FIELD_UNKNOWN },
		{ "helicone-model-override", "m", CACHE_FIELD_UNKNOWN },
		{ "", "", CACHE_FIELD_UNKNOWN },
		{ "!", "", CACHE_FIELD_UNKNOWN },
		{ "~", "", CACHE_FIELD_UNKNOWN },
		{ "user-agent", "OpenAI/Python 2.8.0", CACHE_FIELD_LEFT },
		{ "x-stainless-lang", "js", CACHE_FIELD_LEFT },
		{ "X-Stainless-Retry-Count", "1", CACHE_FIELD_LEFT },
		{ "x-stainless", "1", CACHE_FIELD_UNKNOWN },
		{ "x-stainlesss-lang", "js", CACHE_FIELD_UNKNOWN },
		{ "traceparent", "00-1-1-01", CACHE_FIELD_LEFT },
		{ "x-forwarded-for", "192.0.2.1", CACHE_FIELD_LEFT },
		{ "x-request-id", "r", CACHE_FIELD_LEFT },
		{ "accept-encoding", "gzip", CACHE_FIELD_LEFT },
		{ "accept", "", CACHE_FIELD_LEFT },
		{ "accept", "*/*", CACHE_FIELD_LEFT },
		{ "accept", "application/json, text/event-stream;q=0.9", CACHE_FIELD_LEFT },
		{ "accept", "application/json;version=2", CACHE_FIELD_KEYED },
		{ "accept", "application/x-protobuf", CACHE_FIELD_KEYED },
		{ "accept", "application/json,application/x-protobuf", CACHE_FIELD_KEYED },
		{ "accept", "application/x-protobuf,application/json", CACHE_FIELD_KEYED },
		{ "accept-language", "*", CACHE_FIELD_LEFT },
		{ "accept-language", "de", CACHE_FIELD_KEYED },
		{ "content-type", "application/json; charset=UTF-8", CACHE_FIELD_LEFT },
		{ "content-type", "application/json; charset=latin1", CACHE_FIELD_KEYED },
		{ "baggage", "sentry-trace_id=1,sentry-release=2", CACHE_FIELD_LEFT },
		{ "baggage", "sentry-trace_id=1,canary=on", CACHE_FIELD_KEYED },
		{ "forwarded", "for=192.0.2.1;proto=https", CACHE_FIELD_LEFT },
		{ "forwarded", "for=192.0.2.1;host=a.test", CACHE_FIELD_KEYED },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (cache_field_kind(span_str(rows[i].name), span_str(rows[i].value)) !=
			rows[i].want)
			fail_msg("%s: %s", rows[i].name, rows[i].value);
}

static void
known_header_field_is_found_by_its_name(void **state)
{
	char name[128];
	const char *known;
	bool begins;

	(void)state;
	for (size_t i = 0; (known = cache_field_name(i, &begins)); i++) {
		snprintf(name, sizeof(name), "%s%s", known, begins ? "z" : "");
		if (cache_field_kind(span_str(name), SPAN_LIT("?")) == CACHE_FIELD_UNKNOWN)
			fail_msg("%s", known);
	}
}

/* ---- keys ---- */

static void
equivalent_requests_have_one_key(void **state)
{
	static const struct {
		enum form form;
		const char *one, *other;
	} rows[] = {
		{ FORM_CHAT, "{'model':'m','messages':[],'temperature':0}",
			" { 'temperature' : 0 ,\n'messages' : [ ] , 'model' : 'm' }\n" },
		{ FORM_CHAT, "{'model':'m','temperature':0}",
			"{'model':'m','temperature':0,'stream':true,'user':'u','metadata':{'a':"
			"1}}" },
		{ FORM_CHAT, "{'temperature':0}", "{'temperature':0,'n':1,'store':false}" },
		{ FORM_CHAT, "{'temperature':0}",
			"{'temperature':0,'n':null,'logprobs':null}" },
		{ FORM_GENERATE,
			"{'contents':[],'generationConfig':{'temperature':0,'topK':1}}",
			"{'generationConfig':{'topK':1,'temperature':0},'contents':[]}" },
		{ FORM_MESSAGES, "{'temperature':0,'system':'a b'}",
			"{ 'temperature':0,'cache_control':{},'system' :'a b'}" },
	};
	unsigned char a[CACHE_KEY_BYTES], b[CACHE_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		assert_null(keyed(rows[i].form, rows[i].one, 0, a));
		assert_null(keyed(rows[i].form, rows[i].other, 0, b));
		assert_memory_equal(a, b, CACHE_KEY_BYTES);
	}
}

static void
uncacheable_requests_have_no_key(void **state)
{
	static const struct {
		enum form form;
		const char *body;
		double warmest;
	} rows[] = {
		{ FORM_CHAT, "{'model':'m'}", 0.9 },
		{ FORM_CHAT, "{'temperature':0.3}", 0.2 },
		{ FORM_CHAT, "{'temperature':'0'}", 2 },
		{ FORM_CHAT, "{'temperature':0,'n':2}", 0 },
		{ FORM_CHAT, "{'temperature':0,'n':1.0}", 0 },
		{ FORM_CHAT, "{'temperature':0,'store':true}", 0 },
		{ FORM_CHAT, "{'temperature':0,'logprobs':true}", 0 },
		{ FORM_CHAT, "{'temperature':0,'novel':null}", 0 },
		{ FORM_CHAT, "{'temperature':0,'mod\\u0065l':'x'}", 0 },
		{ FORM_CHAT, "{'temperature':0,'model':1,'model':2}", 0 },
		{ FORM_CHAT, "{'temperature':0,'tools':[{'type':'web_search'}]}", 0 },
		{ FORM_CHAT, "{'temperature':0,'tools':[{'type':'function'},{'type':'x'}]}",
			0 },
		{ FORM_CHAT, "{'temperature':0,'web_search_options':{}}", 0 },
		{ FORM_RESPONSES, "{'temperature':0,'input':'x'}", 0 },
		{ FORM_RESPONSES, "{'temperature':0,'store':null}", 0 },
		{ FORM_RESPONSES, "{'temperature':0,'store':false,'previous_response_id':'r'}",
			0 },
		{ FORM_RESPONSES, "{'temperature':0,'store':false,'tools':[{'type':'mcp'}]}",
			0 },
		{ FORM_MESSAGES,
			"{'temperature':0,'tools':[{'type':'computer_20250124','name':'c'}]}",
			0 },
		{ FORM_MESSAGES, "{'temperature':0,'container':'c'}", 0 },
		{ FORM_GENERATE, "{'contents':[]}", 0 },
		{ FORM_GENERATE, "{'generationConfig':{'temperature':0,'novel':1}}", 0 },
		{ FORM_GENERATE, "{'generationConfig':{'temperature':0,'candidateCount':2}}",
			0 },
		{ FORM_GENERATE,
			"{'generationConfig':{'temperature':0},'tools':[{'googleSearch':{}}]}",
			0 },
		{ FORM_GENERATE,
			"{'generationConfig':{'temperature':0},'tools':[{'functionDeclarations'"
			":[],'googleSearch':{}}]}",
			0 },
		{ FORM_GENERATE, "{'generationConfig':{'temperature':0},'cachedContent':'c'}",
			0 },
		{ FORM_CONVERSE,
			"{'inferenceConfig':{'temperature':0},'toolConfig':{'tools':[{'"
			"systemTool':{}}]}}",
			0 },
		{ FORM_EMBEDDINGS, "{'input':'x'}", 2 },
		{ FORM_CHAT, "[]", 2 },
		{ FORM_CHAT, "", 2 },
		{ FORM_CHAT, "{'temperature':0", 2 },
		{ FORM_CHAT, "{'temperature':0,'model':'m", 2 },
		{ FORM_CHAT, "{'temperature':0,'messages':[{}", 2 },
	};
	unsigned char key[CACHE_KEY_BYTES];

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		if (!keyed(rows[i].form, rows[i].body, rows[i].warmest, key))
			fail_msg("%s has a key", rows[i].body);
}

/* Each member that translation knows is in the key or known to be irrelevant. */
static void
each_member_of_a_form_is_known_to_the_key(void **state)
{
	const struct {
		enum form form;
		const struct request_form *of;
	} forms[] = { { FORM_CHAT, &chat_request_form }, { FORM_CHAT, &mistral_request_form },
		{ FORM_RESPONSES, &responses_request_form },
		{ FORM_MESSAGES, &messages_request_form },
		{ FORM_GENERATE, &generate_request_form },
		{ FORM_CONVERSE, &converse_request_form } };
	size_t seen = 0;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(forms); i++)
		for (const struct member *m = forms[i].of->members; m->name; m++) {
			struct span path = span_str(m->name), name = span_next(&path, '.');
			const struct cache_member *c = cache_members(forms[i].form);
			while (c->name && !span_is(name, c->name))
				c++;
			if (!c->name)
				fail_msg("%s of %s: not known", m->name,
					form_name(forms[i].form));
			struct span within = span_next(&path, '.');
			const struct cache_member *in = c->members;
			while (in && within.n && in->name && !span_is(within, in->name))
				in++;
			if (in && within.n && !in->name)
				fail_msg("%s of %s: not known", m->name,
					form_name(forms[i].form));
			seen++;
		}
	assert_true(seen > 80);
}

/* ---- a hundred thousand pairs of requests with one difference ---- */

static unsigned drawn = 7;
static unsigned
draw(unsigned below)
{
	drawn = drawn * 1664525u + 1013904223u;
	return (drawn >> 8) % below;
}

static void
put_value(struct buf *b)
{
	static const char *const values[] = { "0", "1", "-1", "true", "false", "\"\"", "\"a\"",
		"\"a b\"", "\"not a\"", "\"a, \\\"b\\\"\"", "[]", "[\"a\"]", "[\"a\",\"b\"]",
		"{}", "{\"a\":1}", "{\"a\":2}", "{\"b\":1}", "\"10\"", "\"11\"", "\"\\\\\"" };

	buf_str(b, values[draw(COUNT_OF(values))]);
}

/* Writes members of the form that may have any value, each with a probability. `differs`: the
 * member that gets another value. */
static void
put_body(struct buf *b, const struct cache_member *rows, unsigned seed, size_t differs)
{
	size_t i = 0, n = 0;

	drawn = seed;
	buf_clear(b);
	buf_str(b, "{\"temperature\":0");
	for (const struct cache_member *m = rows; m->name; m++, i++) {
		bool there = draw(2);
		unsigned was = drawn;
		if (m->kind != MEMBER_KEYED || (!there && i != differs))
			continue;
		buf_printf(b, ",\"%s\":", m->name);
		if (i == differs)
			buf_printf(b, "\"x%u\"", draw(1000));
		else
			put_value(b);
		drawn = was;
		n++;
	}
	buf_putc(b, '}');
	assert_true(n < 48);
}

static void
request_with_one_difference_has_another_key(void **state)
{
	const struct cache_member *rows = cache_members(FORM_CHAT);
	static const char *const parts[] = { "p@1", "route", "org", "a", "target", "" };
	unsigned char a[CACHE_KEY_BYTES], b[CACHE_KEY_BYTES];
	struct buf one, other;
	size_t members = 0, pairs = 0;

	(void)state;
	buf_init(&one, 0);
	buf_init(&other, 0);
	while (rows[members].name)
		members++;
	for (unsigned seed = 1; pairs < 100000; seed++) {
		size_t differs = seed % (members + COUNT_OF(parts));
		struct span rest[COUNT_OF(parts)];
		for (size_t i = 0; i < COUNT_OF(parts); i++)
			rest[i] = span_str(parts[i]);
		struct cache_ask ask = {
			.form = FORM_CHAT, .rest = rest, .nrest = COUNT_OF(parts)
		};
		bool by_member = differs < members && rows[differs].kind == MEMBER_KEYED;
		if (differs < members && !by_member)
			continue;
		put_body(&one, rows, seed, SIZE_MAX);
		put_body(&other, rows, seed, by_member ? differs : SIZE_MAX);
		ask.body = buf_view(&one);
		assert_null(cache_key(&ask, secret, a));
		ask.body = buf_view(&other);
		if (!by_member) /* a gain in one part must not hide a loss in the other */
			rest[differs - members] = SPAN_LIT("p@1r");
		assert_null(cache_key(&ask, secret, b));
		assert_memory_not_equal(a, b, CACHE_KEY_BYTES);
		pairs++;
	}
	assert_null(keyed(FORM_CHAT, "{'temperature':0}", 0, a));
	assert_null(keyed(FORM_MESSAGES, "{'temperature':0}", 0, b));
	assert_memory_not_equal(a, b, CACHE_KEY_BYTES);
	buf_free(&one);
	buf_free(&other);
}

/* ---- entries ---- */

static const struct cache_stamp stamp = {
	.stored_ms = 1234567890123, .route = "r", .who = "w"
};
static const unsigned char key_one[CACHE_KEY_BYTES] = "one", key_two[CACHE_KEY_BYTES] = "two";
static const struct cache_answer answer = { .form = FORM_CHAT,
	.streamed = true,
	.frames = FRAMES_SSE,
	.path = { "/v1/chat/completions", 20 },
	.bytes = { "data: {}\n\n", 10 } };

static int
opens(const unsigned char with[CACHE_KEY_BYTES], const unsigned char key[CACHE_KEY_BYTES],
	struct span sealed, struct cache_answer *a, struct buf *plain)
{
	struct cache_stamp st;
	struct cache_keys k;

	cache_keys_derive(with, &k);
	buf_init(plain, 0);
	return cache_unseal(&k, key, sealed, &st, plain, a);
}

static void
changed_entry_is_not_used(void **state)
{
	struct cache_answer a;
	struct cache_keys keys;
	struct buf sealed, plain;

	(void)state;
	cache_keys_derive(secret, &keys);
	buf_init(&sealed, 0);
	assert_int_equal(cache_seal(&keys, key_one, &stamp, &answer, &sealed), 0);
	assert_null(memmem(sealed.p, sealed.n, "data", 4));
	assert_int_equal(opens(secret, key_one, buf_view(&sealed), &a, &plain), 0);
	assert_true(span_eq(a.bytes, answer.bytes) && span_eq(a.path, answer.path));
	assert_true(a.streamed && a.form == FORM_CHAT && a.frames == FRAMES_SSE);
	buf_free(&plain);
	assert_int_equal(opens(secret, key_two, buf_view(&sealed), &a, &plain), ERR_AUTH);
	buf_free(&plain);
	assert_int_equal(opens(others, key_one, buf_view(&sealed), &a, &plain), ERR_AUTH);
	buf_free(&plain);
	for (size_t i = 0; i < sealed.n; i++) {
		sealed.p[i] ^= 1;
		assert_int_equal(
			opens(secret, key_one, buf_view(&sealed), &a, &plain), ERR_AUTH);
		buf_free(&plain);
		sealed.p[i] ^= 1;
		struct span cut = span_cut(buf_view(&sealed), 0, i);
		assert_int_equal(opens(secret, key_one, cut, &a, &plain), ERR_AUTH);
		buf_free(&plain);
	}
	buf_free(&sealed);
}

static void
entry_of_one_set_is_not_found_in_another(void **state)
{
	unsigned char element[CACHE_BOUND_BYTES];
	struct cache_keys k, other;

	(void)state;
	cache_keys_derive(secret, &k);
	cache_keys_derive(others, &other);
	cache_bind(&k, key_one, key_two, element);
	assert_memory_equal(element, key_two, CACHE_KEY_BYTES);
	assert_true(cache_is_bound(&k, key_one, span_of(element, sizeof(element))));
	assert_false(cache_is_bound(&k, key_two, span_of(element, sizeof(element))));
	assert_false(cache_is_bound(&other, key_one, span_of(element, sizeof(element))));
	assert_false(cache_is_bound(&k, key_one, span_of(element, CACHE_KEY_BYTES)));
	for (size_t i = 0; i < sizeof(element); i++) {
		element[i] ^= 1;
		assert_false(cache_is_bound(&k, key_one, span_of(element, sizeof(element))));
		element[i] ^= 1;
	}
}

static void
caller_has_a_share_and_the_oldest_entries_are_removed(void **state)
{
	enum { MOST = 64 << 10, SIZE = 1000 };
	struct cache *c = cache_new(secret, MOST);
	unsigned char key[CACHE_KEY_BYTES] = { 0 };
	char text[SIZE] = "text";
	struct buf b;
	size_t shares = 0;

	(void)state;
	assert_non_null(c);
	while (cache_may_keep(c, (const unsigned char *)"somebody", SIZE))
		shares++;
	assert_int_equal(shares, MOST / CACHE_SHARES / SIZE);
	assert_true(cache_may_keep(c, (const unsigned char *)"an other", SIZE));
	buf_init(&b, 0);
	for (unsigned i = 0; i < 200; i++) {
		key[0] = (unsigned char)i;
		cache_put(c, key, span_of(text, SIZE), UINT64_MAX);
		assert_true(cache_size(c).bytes <= MOST);
		key[0] = 0; /* the first entry is requested all the time */
		assert_true(cache_get(c, key, &b));
	}
	key[0] = 1;
	assert_false(cache_get(c, key, &b));
	key[0] = 199;
	assert_true(cache_get(c, key, &b));
	cache_put(c, key, span_of(text, SIZE), clock_mono_us());
	assert_false(cache_get(c, key, &b)); /* the entry has expired */
	cache_put(c, key, span_of(text, MOST), UINT64_MAX);
	assert_false(cache_get(c, key, &b)); /* the entry would take the whole cache */
	buf_free(&b);
	cache_free(&c);
}

static void
purge_removes_the_named_entries(void **state)
{
	static const struct {
		struct cache_purge p;
		size_t left;
	} rows[] = {
		{ { .route = (const unsigned char *)"other\0\0" }, 4 },
		{ { .before_ms = 100 }, 3 },
		{ { .who = (const unsigned char *)"w1\0\0\0\0\0" }, 2 },
		{ { .route = (const unsigned char *)"r0\0\0\0\0\0" }, 1 },
		{ { 0 }, 0 },
	};
	struct cache *c = cache_new(secret, 1 << 20);

	(void)state;
	assert_non_null(c);
	for (unsigned i = 0; i < 4; i++) {
		struct cache_stamp st = { .stored_ms = i ? 200 : 99 };
		unsigned char key[CACHE_KEY_BYTES] = { (unsigned char)i };
		struct buf sealed;
		st.route[0] = 'r';
		st.route[1] = i == 3 ? '1' : '0';
		st.who[0] = 'w';
		st.who[1] = i == 2 ? '1' : '0';
		buf_init(&sealed, 0);
		assert_int_equal(cache_seal(cache_keys(c), key, &st, &answer, &sealed), 0);
		cache_put(c, key, buf_view(&sealed), UINT64_MAX);
		buf_free(&sealed);
	}
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		cache_purge(c, &rows[i].p);
		assert_int_equal(cache_size(c).entries, rows[i].left);
	}
	assert_int_equal(cache_size(c).bytes, 0);
	cache_free(&c);
}

/* ---- identical requests in flight ---- */

static void
first_request_leads_and_others_follow(void **state)
{
	struct cache *c = cache_new(secret, 1 << 20);
	struct cache_flight one = { .serial = 0 }, two = one, other = one;
	uint64_t serial = 0, before = clock_mono_us();

	(void)state;
	assert_non_null(c);
	assert_int_equal(cache_flight_begin(c, &one, key_one, before, &serial), FLIGHT_LEADS);
	assert_int_equal(cache_flight_begin(c, &two, key_one, before, &serial), FLIGHT_FOLLOWS);
	assert_int_equal(serial, one.serial);
	assert_int_equal(cache_flight_begin(c, &other, key_two, before, &serial), FLIGHT_LEADS);
	assert_true(cache_flight_lasts(c, key_one, one.serial));
	assert_false(cache_flight_lasts(c, key_two, one.serial));
	serial = one.serial;
	cache_flight_end(c, &one, FLIGHT_ENDS_KEPT);
	cache_flight_end(c, &one, FLIGHT_ENDS_IN_VAIN); /* no leader is left */
	assert_false(cache_flight_lasts(c, key_one, serial));
	/* a request that looked before can find a response; one that looked since leads */
	assert_int_equal(cache_flight_begin(c, &two, key_one, before, &serial), FLIGHT_LOOKS);
	assert_int_equal(
		cache_flight_begin(c, &two, key_one, UINT64_MAX, &serial), FLIGHT_LEADS);
	/* another flight of that key is not the one that was followed */
	assert_false(cache_flight_lasts(c, key_one, serial));
	cache_flight_end(c, &two, FLIGHT_ENDS_IN_VAIN);
	assert_int_equal(
		cache_flight_begin(c, &two, key_one, UINT64_MAX, &serial), FLIGHT_ALONE);
	cache_flight_end(c, &other, FLIGHT_ENDS_KEPT);
	cache_free(&c);
}

/* One failure does not affect the next request; several in a row do. */
static void
next_request_leads_after_a_failure(void **state)
{
	struct cache *c = cache_new(secret, 1 << 20);
	struct cache_flight f = { .serial = 0 };
	uint64_t serial = 0;

	(void)state;
	assert_non_null(c);
	for (unsigned turn = 0; turn < 2; turn++) {
		for (unsigned i = 0; i < CACHE_FLIGHTS - 1; i++) {
			assert_int_equal(
				cache_flight_begin(c, &f, key_one, UINT64_MAX, &serial),
				FLIGHT_LEADS);
			cache_flight_end(c, &f, FLIGHT_ENDS_FAILED);
		}
		/* in a row: a stored response ends the count */
		assert_int_equal(
			cache_flight_begin(c, &f, key_one, UINT64_MAX, &serial), FLIGHT_LEADS);
		cache_flight_end(c, &f, turn ? FLIGHT_ENDS_FAILED : FLIGHT_ENDS_KEPT);
	}
	assert_int_equal(
		cache_flight_begin(c, &f, key_one, UINT64_MAX, &serial), FLIGHT_FAILED);
	assert_int_equal(cache_flight_begin(c, &f, key_two, UINT64_MAX, &serial), FLIGHT_LEADS);
	cache_flight_end(c, &f, FLIGHT_ENDS_KEPT);
	cache_free(&c);
}

enum { TURNS = 3000, THREADS_OF_CACHE = 4 };
static _Atomic unsigned leading[8], wrongs;

/* Whatever the threads do concurrently, no key has two leaders, and a found response equals the
 * stored one. */
static void *
one_of_many(void *arg)
{
	struct cache *c = arg;
	struct buf b;

	buf_init(&b, 0);
	for (unsigned i = 0; i < TURNS; i++) {
		unsigned char key[CACHE_KEY_BYTES] = { (unsigned char)(i % 8) };
		struct cache_flight f = { .serial = 0 };
		uint64_t serial = 0;
		if (cache_flight_begin(c, &f, key, UINT64_MAX, &serial) == FLIGHT_LEADS) {
			wrongs += atomic_fetch_add(&leading[i % 8], 1) != 0;
			char text[64];
			memset(text, (int)(i % 8) + 'a', sizeof(text));
			cache_put(c, key, span_of(text, sizeof(text)), UINT64_MAX);
			atomic_fetch_sub(&leading[i % 8], 1);
			cache_flight_end(c, &f, FLIGHT_ENDS_KEPT);
		} else {
			cache_flight_lasts(c, key, serial);
		}
		buf_clear(&b);
		if (cache_get(c, key, &b))
			wrongs += b.p[63] != (char)(i % 8 + 'a');
		if (i % 100 == 99)
			cache_purge(c, &(struct cache_purge){ 0 });
		cache_may_keep(c, key, 1);
		cache_size(c);
	}
	buf_free(&b);
	return NULL;
}

static void
threads_share_the_cache(void **state)
{
	struct cache *c = cache_new(secret, 4 << 10);
	pthread_t t[THREADS_OF_CACHE];

	(void)state;
	assert_non_null(c);
	for (size_t i = 0; i < THREADS_OF_CACHE; i++)
		assert_int_equal(pthread_create(&t[i], NULL, one_of_many, c), 0);
	for (size_t i = 0; i < THREADS_OF_CACHE; i++)
		pthread_join(t[i], NULL);
	assert_int_equal(wrongs, 0);
	cache_free(&c);
}

/* ---- stored responses ---- */

static void
unrepresentable_stored_response_is_not_used(void **state)
{
	static const char *const wrong[] = { "", "{", "{\"error\":{\"message\":\"x\"}}",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n" };
	struct buf out;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(wrong); i++)
		for (int streamed = 0; streamed < 2; streamed++) {
			struct cache_answer a = answer;
			const struct cache_hit h = { .stream = !streamed,
				.id = SPAN_LIT("id") };
			a.streamed = streamed;
			a.bytes = span_str(wrong[i]);
			buf_init(&out, 0);
			assert_int_not_equal(cache_answer_again(&a, &h, &out), 0);
			buf_free(&out);
		}
}

static void
stored_response_gets_a_new_id_and_the_callers_members(void **state)
{
	static const struct {
		enum form form;
		const char *was, *is;
	} rows[] = {
		{ FORM_CHAT, "{\"a\":{\"id\":\"x\"}, \"id\" : \"old\",\"b\":[1 ]}\n",
			"{\"a\":{\"id\":\"x\"}, \"id\" : \"chatcmpl-NEW\",\"b\":[1 ]}\n" },
		{ FORM_MESSAGES, "{\"id\":\"\"}", "{\"id\":\"msg_NEW\"}" },
		{ FORM_RESPONSES, "{\"object\":\"response\"}", "{\"object\":\"response\"}" },
		{ FORM_CONVERSE, "{\"id\":\"x\"}", "{\"id\":\"x\"}" },
		/* members that repeat the request are those of the new caller */
		{ FORM_RESPONSES,
			"{\"id\":\"r\",\"user\":\"carol\",\"metadata\":{\"case\":\"hers\"},"
			"\"safety_identifier\":\"c\",\"prompt_cache_key\":\"k\",\"output\":[]}",
			"{\"id\":\"resp_NEW\",\"user\":null,\"metadata\":{\"case\" : \"his\"},"
			"\"safety_identifier\":null,\"prompt_cache_key\":\"own\",\"output\":[]"
			"}" },
		{ FORM_CHAT, "{\"id\":\"c\",\"user\":\"x\"}",
			"{\"id\":\"chatcmpl-NEW\",\"user\":\"x\"}" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct cache_answer a = { .form = rows[i].form,
			.bytes = span_str(rows[i].was) };
		const struct cache_hit h = { .id = SPAN_LIT("NEW"),
			.asked =
				SPAN_LIT("{\"metadata\" : {\"case\" : \"his\"},\"input\":\"x\","
					 "\"prompt_cache_key\":\"own\"}") };
		char length[40];
		struct buf out;
		buf_init(&out, 0);
		assert_int_equal(cache_answer_again(&a, &h, &out), 0);
		assert_true(span_ends(buf_view(&out), span_str(rows[i].is)));
		snprintf(length, sizeof(length), "content-length: %zu\r\n", strlen(rows[i].is));
		assert_non_null(memmem(out.p, out.n, length, strlen(length)));
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header_field_is_in_the_key_or_harmless_or_prevents_caching),
		cmocka_unit_test(known_header_field_is_found_by_its_name),
		cmocka_unit_test(equivalent_requests_have_one_key),
		cmocka_unit_test(uncacheable_requests_have_no_key),
		cmocka_unit_test(each_member_of_a_form_is_known_to_the_key),
		cmocka_unit_test(request_with_one_difference_has_another_key),
		cmocka_unit_test(changed_entry_is_not_used),
		cmocka_unit_test(entry_of_one_set_is_not_found_in_another),
		cmocka_unit_test(caller_has_a_share_and_the_oldest_entries_are_removed),
		cmocka_unit_test(purge_removes_the_named_entries),
		cmocka_unit_test(first_request_leads_and_others_follow),
		cmocka_unit_test(next_request_leads_after_a_failure),
		cmocka_unit_test(threads_share_the_cache),
		cmocka_unit_test(unrepresentable_stored_response_is_not_used),
		cmocka_unit_test(stored_response_gets_a_new_id_and_the_callers_members),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
