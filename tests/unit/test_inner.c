/* text/inner: JSON inside a string is read as its escapes stand for, every offset maps back,
 * and JSON stays JSON after an edit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "scan/text/inner.h"
#include "scan/text/spelled.h"

static struct arena arena;

static int
setup(void **state)
{
	(void)state;
	arena_init(&arena, 0, true);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	arena_reset(&arena);
	return 0;
}

static const struct {
	const char *name, *text, *said, *what, *want;
} rows[] = {
	{ "what is after \\n does not take the n", "{\"a\":\"hi,\\nJane\\tx\"}",
		"{\"a\":\"hi,\nJane\tx\"}", "Jane", "{\"a\":\"hi,\\n<X>\\tx\"}" },
	{ "an escape inside goes with it", "{\"a\":\"Zo\\u00eb!\"}", "{\"a\":\"Zo\xc3\xab!\"}",
		"Zo\xc3\xab", "{\"a\":\"<X>!\"}" },
	{ "a pair is one character", "[\"\\ud83d\\ude00Jane\\ud83d\\ude00\"]",
		"[\"\xf0\x9f\x98\x80Jane\xf0\x9f\x98\x80\"]", "Jane",
		"[\"\\ud83d\\ude00<X>\\ud83d\\ude00\"]" },
	{ "half a pair is one too", "[\"\\ud83dJane\\ude00\"]",
		"[\"\xef\xbf\xbdJane\xef\xbf\xbd\"]", "Jane", "[\"\\ud83d<X>\\ude00\"]" },
	{ "what is no escape spells itself", "[\"\\x \\u12 \\\\n Jane\\/\"]",
		"[\"\\x \\u12 \\n Jane/\"]", "Jane", "[\"\\x \\u12 \\\\n <X>\\/\"]" },
	{ "a backslash may be the last byte", "[\"Jane\\]", "[\"Jane\\]", "Jane", "[\"<X>\\]" },
	{ "no JSON is read as it stands", "C:\\new\\Jane", "C:\\new\\Jane", "Jane",
		"C:\\new\\<X>" },
	{ "brackets that do not match are none", "[INFO] C:\\new Jane", "[INFO] C:\\new Jane",
		"Jane", "[INFO] C:\\new <X>" },
	{ "a string is a document", " \"a\\nJane\"\n", " \"a\nJane\"\n", "Jane",
		" \"a\\n<X>\"\n" },
	{ "lines of it are", "{\"a\":\"\\nJane\"}\n{\"b\":\"\\n\"}\n",
		"{\"a\":\"\nJane\"}\n{\"b\":\"\n\"}\n", "Jane",
		"{\"a\":\"\\n<X>\"}\n{\"b\":\"\\n\"}\n" },
	{ "JSON in JSON is read twice", "{\"q\":\"{\\\"a\\\":\\\"\\\\nJane\\\\u00eb\\\"}\"}",
		"{\"q\":\"{\"a\":\"\nJane\xc3\xab\"}\"}", "Jane\xc3\xab",
		"{\"q\":\"{\\\"a\\\":\\\"\\\\n<X>\\\"}\"}" },
	{ "and what is next to it once",
		"{\"q\":\"[\\\"\\\\n\\\"]\",\"p\":\"C:\\\\new\\nJane\"}",
		"{\"q\":\"[\"\n\"]\",\"p\":\"C:\\new\nJane\"}", "Jane",
		"{\"q\":\"[\\\"\\\\n\\\"]\",\"p\":\"C:\\\\new\\n<X>\"}" },
	{ "blanks around it may be escapes", "[\"\\n{\\\"a\\\":\\\"\\\\nJane\\\"}\\n\"]",
		"[\"\n{\"a\":\"\nJane\"}\n\"]", "Jane",
		"[\"\\n{\\\"a\\\":\\\"\\\\n<X>\\\"}\\n\"]" },
	{ "three levels", "[\"[\\\"[\\\\\\\"\\\\\\\\nJane\\\\\\\"]\\\"]\"]",
		"[\"[\"[\"\nJane\"]\"]\"]", "Jane",
		"[\"[\\\"[\\\\\\\"\\\\\\\\n<X>\\\\\\\"]\\\"]\"]" },
	{ "a number gets quotes", "{\"a\": 4111 ,\"b\":\"\\n\"}", "{\"a\": 4111 ,\"b\":\"\n\"}",
		"4111", "{\"a\": \"<X>\" ,\"b\":\"\\n\"}" },
	{ "all of it", "[-4111]", "[-4111]", "4111", "[\"-<X>\"]" },
	{ "in JSON in JSON too", "{\"q\":\"[\\n4111\\n]\"}", "{\"q\":\"[\n4111\n]\"}", "4111",
		"{\"q\":\"[\\n\\\"<X>\\\"\\n]\"}" },
	{ "one in a string does not", "{\"a\":\"b:4111,\"}", "{\"a\":\"b:4111,\"}", "4111",
		"{\"a\":\"b:<X>,\"}" },
	{ "prose in brackets gets none", "[call 4111 now]", "[call 4111 now]", "4111",
		"[call <X> now]" },
};

static void
said_of(const struct inner *in, size_t from, struct buf *out)
{
	buf_clear(out);
	inner_said(in, from, in->text.n, out);
	assert_false(buf_failed(out));
}

/* Replaces `what` in the decoded text with `with`. */
static void
edit(const char *text, const char *what, const char *with, struct buf *out)
{
	struct span t = span_str(text), w = span_str(what);
	struct inner in;
	struct buf said;

	buf_init(&said, 0);
	buf_clear(out);
	assert_int_equal(inner_open(&in, t, false, &arena), 0);
	said_of(&in, 0, &said);
	const char *p = memmem(buf_view(&said).p, said.n, w.p, w.n);
	assert_non_null(p);
	struct inner_cursor c = inner_at(&in, 0);
	struct inner_place at = inner_begin(&in);
	size_t from = (size_t)(p - buf_view(&said).p), to = from + w.n;
	from = inner_start(&c, from);
	to = inner_end(&c, to);
	struct span put = inner_with(&at, &from, &to, span_str(with), &arena);
	assert_non_null(put.p);
	buf_span(out, span_cut(t, 0, from));
	buf_span(out, put);
	buf_span(out, span_cut(t, to, t.n));
	buf_free(&said);
}

static void
json_in_a_string_is_decoded_and_edited_in_place(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct inner in;
		assert_int_equal(inner_open(&in, span_str(rows[i].text), false, &arena), 0);
		said_of(&in, 0, &out);
		if (!span_is(buf_view(&out), rows[i].said))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&out)));
		edit(rows[i].text, rows[i].what, "<X>", &out);
		if (!span_is(buf_view(&out), rows[i].want))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&out)));
	}
	buf_free(&out);
}

/* From any place in the middle, the rest decodes to the same text, and offsets count from
 * there. */
static void
offsets_map_back_from_any_place(void **state)
{
	struct buf all, rest;

	(void)state;
	buf_init(&all, 0);
	buf_init(&rest, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct inner in;
		assert_int_equal(inner_open(&in, span_str(rows[i].text), false, &arena), 0);
		said_of(&in, 0, &all);
		for (size_t said = 0; said <= all.n; said++) {
			struct inner_cursor c = inner_at(&in, 0);
			size_t start = inner_start(&c, said), end = inner_end(&c, said);
			said_of(&in, start, &rest);
			if (c.said > said || end < start || c.said + rest.n != all.n ||
				!span_ends(buf_view(&all), buf_view(&rest)))
				fail_msg("%s: %zu is %zu", rows[i].name, said, start);
			struct inner_cursor from = inner_at(&in, start);
			assert_int_equal(inner_start(&from, all.n - c.said), in.text.n);
		}
	}
	buf_free(&all);
	buf_free(&rest);
}

static void
replacement_is_escaped_at_its_level(void **state)
{
	static const struct {
		const char *text, *want;
	} some[] = {
		{ "bob", "a\"\\b" },
		{ "[\"bob\"]", "[\"a\\\"\\\\b\"]" },
		{ "[\"[\\\"bob\\\"]\"]", "[\"[\\\"a\\\\\\\"\\\\\\\\b\\\"]\"]" },
	};
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++) {
		edit(some[i].text, "bob", "a\"\\b", &out);
		assert_true(span_is(buf_view(&out), some[i].want));
	}
	buf_free(&out);
}

/* Two findings in one number: it is replaced with one string, and nothing of the second
 * remains. */
static void
number_with_two_findings_is_replaced_once(void **state)
{
	struct span t = SPAN_LIT("[41110000.4222,1]");
	struct inner in;
	size_t from = 1, to = 5;

	(void)state;
	assert_int_equal(inner_open(&in, t, false, &arena), 0);
	struct inner_place at = inner_begin(&in);
	struct span with = inner_with(&at, &from, &to, SPAN_LIT("<X>"), &arena);
	assert_true(span_is(with, "\"<X>\""));
	assert_int_equal(to, 14);
	from = 10;
	to = 14;
	with = inner_with(&at, &from, &to, SPAN_LIT("<Y>"), &arena);
	assert_int_equal(from, 14);
	assert_int_equal(to, 14);
	assert_int_equal(with.n, 0);
}

/* Arguments of a call may be cut off where the model stopped; other text is not JSON then. */
static void
arguments_of_a_call_may_be_cut_off(void **state)
{
	struct span t = SPAN_LIT("{\"a\":\"x\\nJane");
	struct inner in;

	(void)state;
	assert_int_equal(inner_open(&in, t, true, &arena), 0);
	assert_true(in.n > 0);
	assert_int_equal(inner_open(&in, t, false, &arena), 0);
	assert_int_equal(in.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			json_in_a_string_is_decoded_and_edited_in_place, setup, teardown),
		cmocka_unit_test_setup_teardown(
			offsets_map_back_from_any_place, setup, teardown),
		cmocka_unit_test_setup_teardown(
			replacement_is_escaped_at_its_level, setup, teardown),
		cmocka_unit_test_setup_teardown(
			number_with_two_findings_is_replaced_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			arguments_of_a_call_may_be_cut_off, setup, teardown),
	};

	return cmocka_run_group_tests_name("inner", tests, NULL, NULL);
}
