/* text/splice: edits of decoded text become edits of raw bytes, and nothing else of the body
 * changes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/utf8.h"
#include "base/err.h"
#include "scan/dialect/dialect.h"
#include "support/guard.h"

/* Writes the splice of a single edit. */
static int
splice_one(const struct segment *s, struct span raw, size_t from, size_t to, struct span with,
	struct arena *a, struct splice *out)
{
	struct text_edit edit = { from, to, with };
	size_t n;

	return segment_splices(s, raw, &edit, 1, a, out, &n);
}

/* Finds `what` in the decoded segments and replaces it with `with`. */
static const struct {
	const char *name, *in, *what, *with, *want;
} rows[] = {
	{ "plain text in JSON", "{\"a\": \"hi bob !\"}", "bob", "<X_1>",
		"{\"a\": \"hi <X_1> !\"}" },
	{ "what stands behind escapes", "[\"\\n\\t\\u00e9 bob\\n\"]", "bob", "X",
		"[\"\\n\\t\\u00e9 X\\n\"]" },
	{ "text spelled with escapes", "[\"\\u0062o\\u0062!\"]", "bob", "X", "[\"X!\"]" },
	{ "a surrogate pair", "[\"a\\ud83d\\ude00b\"]", "\xf0\x9f\x98\x80", "X", "[\"aXb\"]" },
	{ "half of a character takes all of it", "[\"a\\u00e9b\"]", "\xa9", "X", "[\"aXb\"]" },
	{ "half of a raw character takes all of it",
		"[\"a\xc3\xa9"
		"b\"]",
		"\xc3", "X", "[\"aXb\"]" },
	{ "a replacement that needs escapes", "[\"bob\"]", "bob", "\"\\\n",
		"[\"\\\"\\\\\\n\"]" },
	{ "a key", "{\"bo\\u0062\":1}", "bob", "X", "{\"X\":1}" },
	{ "a number becomes a string", "[1, 4111111111111111 ,2]", "4111111111111111", "<CC>",
		"[1, \"<CC>\" ,2]" },
	{ "part of a number", "{\"n\":-12345678.5}", "12345678", "<N>", "{\"n\":\"-<N>.5\"}" },
	{ "another reading of a number", "[0.4111111111111111,1]", " or 4111111111111111",
		"<CC>", "[\"<CC>\",1]" },
	{ "a number with a huge exponent", "[-4111111111111111e99999]", " or 4111111111111111",
		"<CC>", "[\"<CC>\"]" },
	{ "a whole number in another spelling", "{\"n\":-4.111111111111111e15}",
		"4111111111111111", "<CC>", "{\"n\":\"<CC>\"}" },
	{ "JSON in a JSON string", "{\"arguments\":\"{\\\"to\\\":\\\"bob\\\"}\"}", "bob", "<X>",
		"{\"arguments\":\"{\\\"to\\\":\\\"<X>\\\"}\"}" },
	{ "a form's value", "a=b%6Fb%21&c=d", "bob", "<X> y", "a=%3CX%3E+y%21&c=d" },
	{ "a form's name", "b%6fb=1", "bob", "\xc3\xa9", "%C3%A9=1" },
	{ "text", "say \xc3\xa9 bob!", "bob", "\"X\"", "say \xc3\xa9 \"X\"!" },
	{ "nothing is left", "[\"bob\"]", "bob", "", "[\"\"]" },
};

static void
edit_keeps_the_surrounding_bytes(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct span in = span_str(rows[i].in);
		char *p = guard_dup(in.p, in.n);
		struct span raw = span_of(p, in.n);
		struct arena a;
		struct body b;
		struct body_refusal why;
		struct splice edit;
		struct buf out;
		bool found = false;

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(body_read(dialect_table(dialect_find(SPAN_LIT("rest"))),
					 span_str(NULL), raw, &a, &b, &why),
			0);
		for (size_t s = 0; s < b.nsegments && !found; s++) {
			struct span t = b.segments[s].text;
			size_t n = strlen(rows[i].what);
			char *at = t.n ? memmem(t.p, t.n, rows[i].what, n) : NULL;
			if (!at)
				continue;
			size_t from = (size_t)(at - t.p);
			assert_int_equal(splice_one(&b.segments[s], raw, from, from + n,
						 span_str(rows[i].with), &a, &edit),
				0);
			found = true;
		}
		assert_true(found);
		assert_int_equal(splice_apply(raw, &edit, 1, &out), 0);
		if (!span_is(buf_view(&out), rows[i].want))
			fail_msg("%s: got %.*s", rows[i].name, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
		guard_free(p, in.n);
	}
}

static void
parts_of_a_target_are_edited(void **state)
{
	/* Offsets of a target count from the path's first byte. */
	struct span raw = SPAN_LIT("/u/b%C3%B6b/x?q=b%C3%B6b+b%C3%B6b&z");
	struct http_head h = { .path = span_cut(raw, 0, 13),
		.query = span_cut(raw, 14, raw.n),
		.has_query = true };
	struct segment *s;
	struct body_refusal why;
	struct splice edits[2];
	struct unread unread = { 0 };
	struct arena a;
	struct buf out;
	size_t n;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	assert_int_equal(target_read(&h, NULL, false, &a, &s, &n, &unread, &why), 0);
	assert_int_equal(n, 6);
	assert_true(span_is(s[1].text, "b\xc3\xb6"
				       "b") &&
		    span_is(s[4].text, "b\xc3\xb6"
				       "b b\xc3\xb6"
				       "b"));
	assert_int_equal(splice_one(&s[1], raw, 0, 4, SPAN_LIT("<X> 1"), &a, &edits[1]), 0);
	assert_int_equal(splice_one(&s[4], raw, 5, 9, SPAN_LIT("<X> 1"), &a, &edits[0]), 0);
	assert_int_equal(splice_apply(raw, edits, 2, &out), 0);
	assert_true(span_is(buf_view(&out), "/u/%3CX%3E%201/x?q=b%C3%B6b+%3CX%3E+1&z"));
	buf_free(&out);
	arena_reset(&a);
}

static void
overlapping_edits_are_refused(void **state)
{
	struct span raw = SPAN_LIT("[\"\\u00e9\\u00e9\",\"abcdef\"]");
	struct text_edit overlap[] = { { 0, 3, SPAN_LIT("x") }, { 2, 4, SPAN_LIT("x") } };
	struct text_edit same[] = { { 0, 1, SPAN_LIT("x") }, { 1, 2, SPAN_LIT("x") } };
	struct text_edit beyond = { 0, 7, SPAN_LIT("x") };
	struct splice s[2] = { { 2, 5, SPAN_LIT("x") }, { 4, 6, SPAN_LIT("x") } };
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct buf out;
	size_t n;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	assert_int_equal(body_read(dialect_table(dialect_find(SPAN_LIT("rest"))),
				 span_str(NULL), raw, &a, &b, &why),
		0);
	assert_int_equal(splice_apply(raw, s, 2, &out), ERR_RANGE);
	s[1] = (struct splice){ 20, raw.n + 1, SPAN_LIT("") };
	assert_int_equal(splice_apply(raw, s, 2, &out), ERR_RANGE);
	assert_int_equal(
		segment_splices(&b.segments[1], raw, overlap, 2, &a, s, &n), ERR_RANGE);
	assert_int_equal(
		segment_splices(&b.segments[1], raw, &beyond, 1, &a, s, &n), ERR_RANGE);
	/* Edits of two halves of one character overlap. */
	assert_int_equal(segment_splices(&b.segments[0], raw, same, 2, &a, s, &n), ERR_RANGE);
	buf_free(&out);
	arena_reset(&a);
}

static void
several_edits_of_a_number_make_one_string_value(void **state)
{
	struct span raw = SPAN_LIT("[12345678.87654321e1]");
	struct text_edit edits[] = { { 0, 8, SPAN_LIT("<A>") }, { 9, 17, SPAN_LIT("<\"B>") } };
	struct splice s[2];
	struct arena a;
	struct body b;
	struct body_refusal why;
	struct buf out;
	size_t n;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	assert_int_equal(body_read(dialect_table(dialect_find(SPAN_LIT("rest"))),
				 span_str(NULL), raw, &a, &b, &why),
		0);
	assert_int_equal(segment_splices(&b.segments[0], raw, edits, 2, &a, s, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(splice_apply(raw, s, n, &out), 0);
	assert_true(span_is(buf_view(&out), "[\"<A>.<\\\"B>e1\"]"));
	buf_free(&out);
	arena_reset(&a);
}

/* ---- property: editing the text and then encoding it equals encoding and then editing ---- */

static void
random_text(struct buf *raw, struct buf *text, int form)
{
	for (int i = rand() % 30; i > 0; i--) {
		uint32_t cp = (uint32_t[]){ 0x20 + (uint32_t)rand() % 0x5f,
			0xa0 + (uint32_t)rand() % 0x700, 0x4e00 + (uint32_t)rand() % 0x100,
			0x1f600 + (uint32_t)rand() % 64 }[rand() % 4];
		char u[4];
		size_t n = utf8_encode(cp, u);
		bool plain = rand() % 2;
		buf_put(text, u, n);
		if (form == SEG_FORM) {
			for (size_t k = 0; k < n; k++) {
				if (plain && ((u[k] >= 'a' && u[k] <= 'z') || (u[k] & 0x80)))
					buf_putc(raw, u[k]);
				else if (plain && u[k] == ' ')
					buf_putc(raw, '+');
				else
					buf_printf(raw, rand() % 2 ? "%%%02x" : "%%%02X",
						(unsigned char)u[k]);
			}
		} else if (plain && cp != '"' && cp != '\\') {
			buf_put(raw, u, n);
		} else if (cp < 0x10000) {
			buf_printf(raw, "\\u%04x", cp);
		} else {
			buf_printf(raw, "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10),
				0xdc00 + (cp & 0x3ff));
		}
	}
}

static size_t
boundary(struct span text, size_t at)
{
	while (at < text.n && ((unsigned char)text.p[at] & 0xc0) == 0x80)
		at++;
	return at;
}

static void
random_edits_equal_edits_of_the_text(void **state)
{
	(void)state;
	srand(11);
	for (int round = 0; round < 4000; round++) {
		enum seg_form form = round % 2 ? SEG_JSON : SEG_FORM;
		struct buf raw, text, want, out;
		struct arena a;
		struct body b;
		struct body_refusal why;
		struct text_edit edits[4];
		struct splice splices[4];
		size_t n = 0, at = 0, nsplices;

		buf_init(&raw, 0);
		buf_init(&text, 0);
		buf_init(&want, 0);
		buf_init(&out, 0);
		arena_init(&a, 0, false);
		struct span head =
			form == SEG_JSON ? SPAN_LIT("{ \"k\":\t\"") : SPAN_LIT("k=v&b=");
		struct span tail = form == SEG_JSON ? SPAN_LIT("\"}\n") : SPAN_LIT("&z");
		buf_span(&raw, head);
		random_text(&raw, &text, (int)form);
		buf_span(&raw, tail);
		struct span t = buf_view(&text);
		while (n < 4 && at < t.n && rand() % 4) {
			size_t from = boundary(t, at + (size_t)rand() % (t.n - at));
			size_t to = boundary(t, from + 1);
			if (from == t.n)
				break;
			to = boundary(t, to + (size_t)rand() % (t.n - to + 1));
			edits[n++] = (struct text_edit){ from, to,
				span_str((const char *[]){
					"<A_1>", "", "\"\xc3\xa9 \\", "%+&=" }[rand() % 4]) };
			buf_span(&want, span_cut(t, at, from));
			buf_span(&want, edits[n - 1].with);
			at = to;
		}
		buf_span(&want, span_cut(t, at, t.n));

		char *p = guard_dup(buf_view(&raw).p, raw.n);
		struct span in = span_of(p, raw.n);
		struct span type = form == SEG_FORM
					   ? SPAN_LIT("application/x-www-form-urlencoded")
					   : SPAN_LIT("application/json");
		const struct dialect *rest = dialect_find(SPAN_LIT("rest"));
		assert_int_equal(body_read(dialect_table(rest), type, in, &a, &b, &why), 0);
		size_t which = form == SEG_JSON ? 1 : 3;
		assert_true(span_eq(b.segments[which].text, t));
		if (n) {
			assert_int_equal(segment_splices(&b.segments[which], in, edits, n, &a,
						 splices, &nsplices),
				0);
			assert_int_equal(nsplices, n);
			for (size_t i = 0; i < n; i++) { /* in any order */
				size_t k = (size_t)rand() % n;
				struct splice s = splices[i];
				splices[i] = splices[k];
				splices[k] = s;
			}
		}
		assert_int_equal(splice_apply(in, splices, n, &out), 0);
		struct span got = buf_view(&out);
		assert_true(span_starts(got, head) && span_ends(got, tail));
		assert_int_equal(body_read(dialect_table(rest), type, got, &a, &b, &why), 0);
		assert_true(span_eq(b.segments[which].text, buf_view(&want)));
		if (!n)
			assert_true(span_eq(got, in));
		guard_free(p, in.n);
		arena_reset(&a);
		buf_free(&raw);
		buf_free(&text);
		buf_free(&want);
		buf_free(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(edit_keeps_the_surrounding_bytes),
		cmocka_unit_test(parts_of_a_target_are_edited),
		cmocka_unit_test(overlapping_edits_are_refused),
		cmocka_unit_test(several_edits_of_a_number_make_one_string_value),
		cmocka_unit_test(random_edits_equal_edits_of_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
