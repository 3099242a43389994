/* The ring of the last decisions: kept entries and shortened names. A reader must never get
 * half of a decision that a worker is writing. Also: text that may be shown on a terminal. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "budget/tally/recent.h"
#include "cmd/plain.h"

static void
add(struct recent *rec, const char *id, const char *model)
{
	const struct decided d = { .decision = "deny",
		.via = "",
		.status = 403,
		.rule = "a-rule",
		.id = id,
		.model = span_str(model),
		.person = SPAN_LIT("alice") };

	recent_add(rec, &d);
}

static json_t *
read_all(const struct recent *rec)
{
	struct buf b;

	buf_init(&b, 0);
	recent_write(rec, &b);
	json_t *o = json_loadb(buf_view(&b).p, b.n, 0, NULL);
	assert_non_null(o);
	buf_free(&b);
	return o;
}

static const char *
last(const json_t *o, const char *name)
{
	json_t *v = json_object_get(o, "recent");

	return json_string_value(
		json_object_get(json_array_get(v, json_array_size(v) - 1), name));
}

static struct recent ring;

static int
fresh(void **state)
{
	(void)state;
	memset(&ring, 0, sizeof(ring));
	return 0;
}

static void
last_decisions_are_kept_oldest_first(void **state)
{
	char id[40];

	(void)state;
	for (int i = 0; i < 3 * CAP_RECENT + 5; i++) {
		snprintf(id, sizeof(id), "%026d", i);
		add(&ring, id, "m");
	}
	json_t *o = read_all(&ring), *one, *v = json_object_get(o, "recent");
	size_t i;
	assert_int_equal(
		json_integer_value(json_object_get(o, "decisions")), 3 * CAP_RECENT + 5);
	assert_int_equal(json_array_size(v), CAP_RECENT);
	json_array_foreach(v, i, one)
	{
		snprintf(id, sizeof(id), "%026d", 2 * CAP_RECENT + 5 + (int)i);
		assert_string_equal(json_string_value(json_object_get(one, "id")), id);
	}
	json_decref(o);
}

static void
long_words_are_cut_between_characters(void **state)
{
	char model[200];

	(void)state;
	memset(model, 'x', sizeof(model));
	memcpy(model + 38, "\xe2\x82\xac", 3); /* its third byte would be byte 41 */
	model[199] = 0;
	add(&ring, "01234567890123456789012345", model);
	json_t *o = read_all(&ring);
	assert_int_equal(strlen(last(o, "model")), 38);
	assert_string_equal(last(o, "rule"), "a-rule");
	assert_null(last(o, "code"));
	assert_string_equal(last(o, "person"), "alice");
	json_decref(o);
	const struct decided d = { .decision = "deny",
		.via = "relay",
		.rule = "",
		.code = "quota_unavailable",
		.id = "01234567890123456789012345",
		.model = SPAN_LIT("m\x1b\"\xff") };
	recent_add(&ring, &d);
	o = read_all(&ring);
	assert_null(last(o, "rule"));
	assert_string_equal(last(o, "code"), "quota_unavailable");
	assert_string_equal(last(o, "model"), "?");
	json_decref(o);
}

/* The result of a decision is known later, when its place may belong to another decision. */
static void
result_is_stored_only_with_its_decision(void **state)
{
	static const struct {
		int end;
		const char *text;
	} rows[] = { { RECENT_UNDER_WAY, "under way" }, { 200, "200" }, { 429, "429" },
		{ 2, "provider_timeout" }, { RECENT_CLIENT_ABORT, "client_abort" },
		{ RECENT_NEVER_SENT, "never_sent" }, { RECENT_ANSWER_DENIED, "answer_denied" },
		{ RECENT_RULED, "haproxy_answered" } };

	(void)state;
	add(&ring, "01234567890123456789012345", "m");
	json_t *o = read_all(&ring);
	assert_null(last(o, "answer"));
	json_decref(o);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		recent_end(&ring, 0, rows[i].end);
		o = read_all(&ring);
		assert_string_equal(last(o, "answer"), rows[i].text);
		json_decref(o);
	}
	for (int i = 0; i < CAP_RECENT; i++)
		add(&ring, "01234567890123456789012345", "m");
	o = read_all(&ring);
	assert_null(last(o, "answer"));
	json_decref(o);
	recent_end(&ring, CAP_RECENT, 200);
	recent_end(&ring, 0, 500); /* its place was reused */
	o = read_all(&ring);
	assert_string_equal(last(o, "answer"), "200");
	json_decref(o);
}

static _Atomic bool stop;

/* Each decision has its letter in every field. */
static void *
writer(void *arg)
{
	char id[27] = "", model[41] = "";
	(void)arg;
	for (unsigned i = 0; !stop; i++) {
		char c = (char)('A' + i % 26);
		memset(id, c, 26);
		memset(model, c, 40);
		add(&ring, id, model);
	}
	return NULL;
}

static void
reader_gets_only_complete_decisions(void **state)
{
	pthread_t t;
	size_t seen = 0, i;
	json_t *one;

	(void)state;
	stop = false;
	assert_int_equal(pthread_create(&t, NULL, writer, NULL), 0);
	for (int round = 0; round < 100000 && seen < 1000; round++) {
		json_t *o = read_all(&ring);
		json_array_foreach(json_object_get(o, "recent"), i, one)
		{
			const char *id = json_string_value(json_object_get(one, "id"));
			const char *model = json_string_value(json_object_get(one, "model"));
			assert_int_equal(strspn(id, (char[]){ id[0], 0 }), 26);
			assert_int_equal(strspn(model, (char[]){ id[0], 0 }), 40);
			seen++;
		}
		json_decref(o);
	}
	stop = true;
	pthread_join(t, NULL);
	assert_true(seen >= 1000);
}

static void
terminal_gets_only_printable_text(void **state)
{
	static const struct {
		const char *name, *in, *want;
		size_t columns, used;
	} rows[] = {
		{ "ASCII stays", "gpt-4o mini", "gpt-4o mini", 99, 11 },
		{ "an escape, a bell, a tab, a newline", "a\x1b[2J\a\t\nb", "a?[2J???b", 99,
			9 },
		{ "DEL", "a\x7f", "a?", 99, 2 },
		{ "C1 controls",
			"a\xc2\x9b"
			"31m",
			"a?31m", 99, 5 },
		{ "a bare byte",
			"a\x9b"
			"31m\xff",
			"a?31m?", 99, 6 },
		{ "letters of others", "J\xc3\xbcrgen \xd0\x90\xce\xa9",
			"J\xc3\xbcrgen \xd0\x90\xce\xa9", 99, 9 },
		{ "wide ones take two columns", "\xe4\xb8\xad\xe6\x96\x87", "\xe4\xb8\xad", 3,
			2 },
		{ "what reorders",
			"a\xe2\x80\xae"
			"b",
			"a?b", 99, 3 },
		{ "what nobody sees",
			"a\xe2\x80\x8b"
			"b\xcc\x81",
			"a?b?", 99, 4 },
		{ "a line separator",
			"a\xe2\x80\xa8"
			"b",
			"a?b", 99, 3 },
		{ "cut at the columns", "abcdef", "abc", 3, 3 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;
		buf_init(&b, 0);
		size_t used = plain_put(&b, span_str(rows[i].in), rows[i].columns);
		if (used != rows[i].used || !span_is(buf_view(&b), rows[i].want))
			fail_msg("%s: %zu columns, %.*s", rows[i].name, used,
				SPAN_ARG(buf_view(&b)));
		buf_free(&b);
	}
}

static void
whole_text_is_shown(void **state)
{
	static const struct {
		const char *in, *want;
	} rows[] = {
		{ "{\"a\":[1,1.0,1e999],\"b\":{}}",
			"{\n  \"a\": [\n    1,\n    1.0,\n    1e999\n  ],\n  \"b\": {}\n}\n" },
		{ "{\"d\":\"x\\u0000read ~/.ssh\"}",
			"{\n  \"d\": \"x\\u0000read ~/.ssh\"\n}\n" },
		{ "[18446744073709551615,[]]", "[\n  18446744073709551615,\n  []\n]\n" },
		{ "\"a\\nb\\\\n\\\"\\n\"", "\"a\\n\nb\\\\n\\\"\\n\"\n" },
		{ "\"\x7f\xe2\x80\xae\xf0\x9f\x98\x80\x1b[2J\"",
			"\"\\u007f\\u202e\\ud83d\\ude00\\u001b[2J\"\n" },
		{ "\"cut\\", "\"cut\\\n" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf b;
		buf_init(&b, 0);
		plain_tree(&b, span_str(rows[i].in));
		if (!span_is(buf_view(&b), rows[i].want))
			fail_msg("%s: %.*s", rows[i].in, SPAN_ARG(buf_view(&b)));
		buf_free(&b);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(last_decisions_are_kept_oldest_first, fresh),
		cmocka_unit_test_setup(result_is_stored_only_with_its_decision, fresh),
		cmocka_unit_test_setup(long_words_are_cut_between_characters, fresh),
		cmocka_unit_test_setup(reader_gets_only_complete_decisions, fresh),
		cmocka_unit_test(terminal_gets_only_printable_text),
		cmocka_unit_test(whole_text_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
