/* Obfuscated values: each is found as its entity, in the bytes that hide it, and the redacted
 * text contains nothing of it. Text that only looks obfuscated is unchanged. The rows are in
 * tests/data/evasion.jsonl: a hidden value with the text around it, or a text without one. All
 * values are invented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <stdio.h>

#include "base/caps.h"
#include "base/err.h"
#include "scan/detect/detect.h"
#include "scan/detect/disguise/decode.h"
#include "scan/detect/disguise/fold.h"
#include "scan/detect/disguise/heuristics.h"
#include "scan/detect/disguise/look.h"
#include "scan/detect/disguise/terminal.h"
#include "scan/detect/disguise/unescape.h"
#include "support/detect_fix.h"

static struct row {
	const char *name, *entity; /* NULL: nothing is hidden */
	struct span text, hidden;
} rows[1024];
static size_t nrows;

/* The texts belong to the rows and are never freed. */
static void
add_row(const char *name, const char *entity, struct span before, struct span hidden,
	struct span after)
{
	struct buf b;

	assert_true(nrows < sizeof(rows) / sizeof(rows[0]));
	buf_init(&b, 0);
	buf_span(&b, before);
	buf_span(&b, hidden);
	buf_span(&b, after);
	rows[nrows++] = (struct row){ name, entity, buf_view(&b),
		span_cut(buf_view(&b), before.n, before.n + hidden.n) };
}

static int
setup(void **state)
{
	static json_t *all;
	FILE *f = fopen("tests/data/evasion.jsonl", "r");

	assert_non_null(f);
	all = json_array();
	for (json_t *row; (row = json_loadf(f, JSON_DISABLE_EOF_CHECK, NULL));) {
		const char *name, *entity = NULL, *text = "", *hidden = "", *after = "";
		json_array_append_new(all, row);
		assert_int_equal(json_unpack(row, "{s:s, s?s, s?s, s?s, s?s, s?s !}", "name",
					 &name, "entity", &entity, "text", &text, "before",
					 &text, "hidden", &hidden, "after", &after),
			0);
		add_row(name, entity, span_str(text), span_str(hidden), span_str(after));
	}
	assert_true(feof(f) && nrows > 500);
	fclose(f);
	add_row("a card, stray bytes that are no UTF-8", "CREDIT_CARD", SPAN_LIT(""),
		SPAN_LIT("4716\3773791\3764202\3741968"), SPAN_LIT(""));
	return detect_setup(state);
}

static const struct finding *
covering(const struct detect_fix *f, const struct findings *v, const char *entity, size_t from,
	size_t to)
{
	for (size_t i = 0; i < v->n; i++)
		if (!strcmp(detect_entity_name(f->rules, v->v[i].entity), entity) &&
			v->v[i].start <= from && v->v[i].end >= to)
			return &v->v[i];
	return NULL;
}

static void
redact(struct span text, const struct findings *v, struct buf *out)
{
	size_t at = 0;

	for (size_t i = 0; i < v->n; i++) {
		buf_span(out, span_cut(text, at, v->v[i].start));
		buf_str(out, "<X>");
		at = v->v[i].end;
	}
	buf_span(out, span_cut(text, at, text.n));
}

static void
print_findings(const struct detect_fix *f, struct span text, const struct findings *v)
{
	for (size_t i = 0; i < v->n; i++)
		print_message("    %s [%.*s]%s\n", detect_entity_name(f->rules, v->v[i].entity),
			SPAN_ARG(span_cut(text, v->v[i].start, v->v[i].end)),
			v->v[i].flags & FINDING_EVASION ? " in disguise" : "");
}

static bool
row_holds(struct detect_fix *f, const struct row *row)
{
	struct span text = row->text, hidden = row->hidden;
	size_t from = (size_t)(hidden.p - text.p), to = from + hidden.n;
	const char *why = NULL;
	struct findings v, left;
	struct buf rest;

	assert_int_equal(detect_fix_scan(f, text, NULL, &v), 0);
	const struct finding *hit = covering(f, &v, row->entity, from, to);
	buf_init(&rest, 0);
	redact(text, &v, &rest);
	struct span kept = buf_view(&rest);
	assert_int_equal(detect_fix_scan(f, kept, NULL, &left), 0);
	if (!hit)
		why = "not found, or not all of it";
	else if (!(hit->flags & FINDING_EVASION) || !v.evasion)
		why = "not marked";
	else if (memmem(kept.p, kept.n, hidden.p, hidden.n))
		why = "still there";
	else if (covering(f, &left, row->entity, 0, 0))
		why = "found again after redaction";
	if (why) {
		print_message("%s: %s\n", row->name, why);
		print_findings(f, text, &v);
	}
	buf_free(&rest);
	arena_reset(&f->arena);
	return !why;
}

/* ---- the purpose of each file of disguise/ ---- */

static const char *off; /* the file that is switched off */

static bool
is_off(const char *file)
{
	return off && !strcmp(off, file);
}

/* The linker redirects the calls of other files to here (--wrap). */
#define PART(file, type, name, params, args, nothing)                                          \
	type __real_##name params;                                                             \
	type __wrap_##name params;                                                             \
	type __wrap_##name params                                                              \
	{                                                                                      \
		if (!is_off(file))                                                             \
			return __real_##name args;                                             \
		nothing;                                                                       \
	}
PART("heuristics.c", void, heuristics_edit, (const struct chunk *c, struct editor *ed),
	(c, ed), )
PART("groups.c", void, heuristic_digits, (struct heuristic * l, size_t i), (l, i), )
PART("groups.c", void, heuristic_named_separator, (struct heuristic * l, size_t i), (l, i), )
PART("lines.c", void, heuristic_line, (struct heuristic * l, size_t i), (l, i), )
PART("spelled.c", void, heuristic_address, (struct heuristic * l, size_t i), (l, i), )
PART("leet.c", void, heuristic_leet, (struct heuristic * l, size_t i), (l, i), )
PART("leet.c", void, heuristic_leet_iban, (struct heuristic * l, size_t i), (l, i), )
PART("numerals.c", void, heuristic_number, (struct heuristic * l, size_t i), (l, i), )
PART("normalise.c", void, normalise_edit,
	(const struct chunk *c, struct editor *ed, bool *signal), (c, ed, signal), )
PART("fold.c", struct folded, fold_char, (uint32_t cp), (cp), return (struct folded){ 0 })
PART("unescape.c", struct unescaped, unescape, (struct span t, size_t at), (t, at),
	return (struct unescaped){ 0 })
PART("terminal.c", struct terminal, terminal_sequence, (struct span t, size_t at), (t, at),
	return (struct terminal){ 0 })
PART("decode.c", bool, blob_find,
	(struct span t, size_t at, struct blob *b, struct blob_lines *lines, size_t *end),
	(t, at, b, lines, end), *end = at + 1;
	return false)
PART("decode.c", bool, blob_codes,
	(struct span t, size_t at, unsigned base, struct blob *b, size_t *seen),
	(t, at, base, b, seen), *seen = at + 1;
	return false)

/* All files use evade.c and view.c. */
static void
each_file_has_rows_that_need_it(void **state)
{
	static const struct {
		const char *file, *row;
	} table[] = {
		{ "heuristics.c", "a card, strings joined with +" },
		{ "heuristics.c", "an IBAN, a blank between all characters" },
		{ "groups.c", "a card with four dots" },
		{ "groups.c", "an IBAN, dots between groups" },
		{ "lines.c", "a JWT over four lines" },
		{ "lines.c", "an address, broken after the sign" },
		{ "spelled.c", "an address, [at] and [dot]" },
		{ "spelled.c", "an address, defanged" },
		{ "leet.c", "a card, letters like digits" },
		{ "leet.c", "an IBAN, letters like digits" },
		{ "numerals.c", "a card in number words" },
		{ "numerals.c", "a card in words, Polish" },
		{ "normalise.c", "a social security number, a zero-width space inside" },
		{ "normalise.c", "an address, every byte in percent encoding" },
		{ "fold.c", "a card, tag characters only" },
		{ "fold.c", "an IBAN, Cyrillic look-alikes" },
		{ "unescape.c", "an address, octal escapes" },
		{ "unescape.c", "a card, \\u escapes" },
		{ "terminal.c", "an AWS key, terminal sequences inside" },
		{ "decode.c", "a card, base64" },
		{ "decode.c", "an address, hexadecimal" },
	};
	struct detect_fix *f = *state;

	for (size_t i = 0; i < COUNT_OF(table); i++) {
		const struct row *row = rows;
		while (row < rows + nrows && strcmp(row->name, table[i].row))
			row++;
		if (row == rows + nrows)
			fail_msg("no such row: %s", table[i].row);
		struct findings v;
		off = table[i].file;
		int err = detect_fix_scan(f, row->text, NULL, &v);
		off = NULL;
		assert_int_equal(err, 0);
		size_t from = (size_t)(row->hidden.p - row->text.p);
		if (covering(f, &v, row->entity, from, from + row->hidden.n))
			fail_msg("%s: found without %s", row->name, table[i].file);
		arena_reset(&f->arena);
	}
}

static void
obfuscated_value_is_found_and_redacted(void **state)
{
	struct detect_fix *f = *state;
	size_t failed = 0;

	for (size_t i = 0; i < nrows; i++)
		failed += rows[i].entity && !row_holds(f, &rows[i]);
	if (failed)
		fail_msg("%zu", failed);
}

static void
text_that_only_looks_obfuscated_is_unchanged(void **state)
{
	struct detect_fix *f = *state;
	size_t failed = 0;

	for (size_t i = 0; i < nrows; i++) {
		struct span text = rows[i].text;
		struct findings v;
		if (rows[i].entity)
			continue;
		assert_int_equal(detect_fix_scan(f, text, NULL, &v), 0);
		if (v.evasion) {
			print_message("%s:\n", rows[i].name);
			print_findings(f, text, &v);
			failed++;
		}
		arena_reset(&f->arena);
	}
	if (failed)
		fail_msg("%zu", failed);
}

/* Rows of tests/data/side_by_side.jsonl: values are between guillemets, which are removed.
 * `disguise`: the values are written in pieces or encoded. */
static void
adjacent_values_are_found_separately(void **state)
{
	static const struct span open = SPAN_LIT("\xC2\xAB"), close = SPAN_LIT("\xC2\xBB");
	FILE *file = fopen("tests/data/side_by_side.jsonl", "r");
	struct detect_fix *f = *state;
	size_t n = 0, failed = 0;

	assert_non_null(file);
	for (json_t *row; (row = json_loadf(file, JSON_DISABLE_EOF_CHECK, NULL)); n++) {
		const char *name, *marked;
		int disguise = false;
		size_t from[8], to[8], values = 0;
		struct findings v;
		struct buf b;
		assert_int_equal(json_unpack(row, "{s:s, s:s, s?b !}", "name", &name, "text",
					 &marked, "disguise", &disguise),
			0);
		buf_init(&b, 0);
		for (struct span t = span_str(marked); t.n;) {
			bool mark = span_starts(t, open) || span_starts(t, close);
			if (span_starts(t, open))
				from[values++] = b.n;
			else if (mark)
				to[values - 1] = b.n;
			else
				buf_span(&b, span_cut(t, 0, 1));
			t = span_cut(t, mark ? open.n : 1, t.n);
		}
		assert_int_equal(detect_fix_scan(f, buf_view(&b), NULL, &v), 0);
		bool same = v.n == values && v.evasion == (disguise != 0);
		for (size_t i = 0; i < v.n && same; i++)
			same = v.v[i].start == from[i] && v.v[i].end == to[i];
		if (!same) {
			print_message("%s:%s\n", name, v.evasion ? " evasion" : "");
			print_findings(f, buf_view(&b), &v);
			failed++;
		}
		buf_free(&b);
		json_decref(row);
		arena_reset(&f->arena);
	}
	assert_true(feof(file) && n > 50);
	fclose(file);
	if (failed)
		fail_msg("%zu", failed);
}

static void
hidden_or_reordered_text_is_a_signal_without_a_finding(void **state)
{
	static const struct {
		const char *text;
		bool signal;
	} table[] = {
		{ "plain text", false },
		{ "user\xE2\x80\xAEgnp.exe", true },		     /* U+202E */
		{ "a \xE2\x81\xA6word\xE2\x81\xA9 isolated", true }, /* U+2066, U+2069 */
		{ "hidden\xF3\xA0\x81\xA8\xF3\xA0\x81\xA9", true },  /* tags */
		{ "\xD7\xA1\xD7\xA4\xD7\xA8\xE2\x80\x8F 10",
			false }, /* U+200F is normal spelling */
		{ "zero\xE2\x80\x8Bwidth", false },
	};
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct findings v;
		assert_int_equal(detect_fix_scan(f, span_str(table[i].text), NULL, &v), 0);
		if (v.n || v.evasion != table[i].signal) {
			print_findings(f, span_str(table[i].text), &v);
			fail_msg("%s", table[i].text);
		}
	}
}

/* The rest of one notation is the beginning of another, five and six times in succession. */
static void
escapes_in_source_code_do_not_exceed_the_nesting_limit(void **state)
{
	static const char *const table[] = {
		"\\x5c%\\x\\{4}5c",
		("=3D\\(41\\x\\{4}%5c%5c&\\134\\134=3D#\\x5c41=5C\\|{4}\\\"\\(&\\(&#\\)"
		 "5c41\\134%5c"),
		"%2526%252392%253bu0040",
	};
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct findings v;
		if (detect_fix_scan(f, span_str(table[i]), NULL, &v))
			fail_msg("%s", table[i]);
		arena_reset(&f->arena);
	}
}

static void
notation_nested_ten_thousand_times_is_decoded(void **state)
{
	static const struct {
		const char *before, *again, *after;
	} table[] = {
		{ "alice%", "25", "40example.com" },
		{ "alice&", "amp;", "#64;example.com" },
		{ "alice\\", "\\", "u0040example.com" },
		{ "alice=", "3D", "40example.com" },
	};
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct buf b;
		struct findings v;
		buf_init(&b, 0);
		buf_str(&b, table[i].before);
		for (size_t k = 0; k < (i == 3 ? 40 : 10000); k++)
			buf_str(&b, table[i].again);
		buf_str(&b, table[i].after);
		assert_int_equal(detect_fix_scan(f, buf_view(&b), NULL, &v), 0);
		if (!covering(f, &v, "EMAIL_ADDRESS", 0, b.n))
			fail_msg("%s", table[i].before);
		buf_free(&b);
		arena_reset(&f->arena);
	}
}

/* Encodes `in` in base64 `times` times. */
static void
encode(struct buf *in, unsigned times)
{
	static const char digits[] =
		"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (; times; times--) {
		struct buf out;
		struct span s = buf_view(in);
		buf_init(&out, 0);
		for (size_t i = 0; i < s.n; i += 3) {
			uint32_t v = 0;
			for (size_t k = 0; k < 3; k++)
				v = v << 8 | (i + k < s.n ? (unsigned char)s.p[i + k] : 0);
			for (size_t k = 0; k < 4; k++)
				buf_putc(&out,
					i + k > s.n ? '=' : digits[v >> (18 - 6 * k) & 63]);
		}
		buf_free(in);
		*in = out;
	}
}

static void
binary_bytes_are_scanned_to_an_end(void **state)
{
	struct detect_fix *f = *state;
	static char text[64 << 10];
	uint32_t random = 7;

	for (unsigned round = 0; round < 4; round++) {
		struct findings v;
		for (size_t i = 0; i < sizeof(text); i++) {
			random = random * 1664525 + 1013904223;
			text[i] = (char)(round == 0 ? 128 + i % 128 : random >> (16 + round));
		}
		assert_int_equal(detect_fix_scan(f, span_of(text, sizeof(text)), NULL, &v), 0);
		arena_reset(&f->arena);
	}
}

/* An address whose domain has more dots in words than the reader has room for. */
static void
address_of_many_labels_is_read_to_its_limit(void **state)
{
	struct detect_fix *f = *state;
	struct findings v;
	struct buf b;

	for (unsigned labels = 8; labels < 200; labels += labels < 20 ? 1 : 40) {
		buf_init(&b, 0);
		buf_str(&b, "ada (at) ab");
		for (unsigned i = 0; i < labels; i++)
			buf_str(&b, "-dot-cd");
		buf_str(&b, "-dot-com\n");
		assert_int_equal(detect_fix_scan(f, buf_view(&b), NULL, &v), 0);
		arena_reset(&f->arena);
		buf_free(&b);
	}
}

static void
nesting_over_the_limit_is_an_error(void **state)
{
	struct detect_fix *f = *state;

	for (unsigned times = 1; times < 9; times++) {
		struct buf b;
		struct findings v;
		buf_init(&b, 0);
		buf_str(&b, "the card is 4716 3791 4202 1968");
		encode(&b, times);
		int err = detect_fix_scan(f, buf_view(&b), NULL, &v);
		if (times <= CAP_DECODE_DEPTH) {
			assert_int_equal(err, 0);
			assert_non_null(covering(f, &v, "CREDIT_CARD", 0, b.n - 2));
		} else {
			assert_int_equal(err, ERR_LIMIT);
		}
		buf_free(&b);
		arena_reset(&f->arena);
	}
}

static void
long_blob_loses_only_the_value(void **state)
{
	struct detect_fix *f = *state;
	struct buf b;
	struct findings v;

	buf_init(&b, 0);
	for (size_t i = 0; i < 3000; i++)
		buf_str(&b,
			i == 1700 ? "card 4716 3791 4202 1968; " : "words and more words; ");
	encode(&b, 1);
	assert_int_equal(detect_fix_scan(f, buf_view(&b), NULL, &v), 0);
	assert_int_equal(v.n, 1);
	size_t start = (1700 * 22 + 5) * 4 / 3, end = (1700 * 22 + 24) * 4 / 3;
	assert_in_range(v.v[0].start, start - 4, start);
	assert_in_range(v.v[0].end, end, end + 4);
	buf_free(&b);
}

static void
value_is_found_at_every_offset(void **state)
{
	/* Across the borders of chunks and blocks. */
	struct detect_fix *f = *state;
	static char text[40000];

	for (size_t at = 12200; at < 12400; at++) {
		struct findings v;
		memset(text, 'x', sizeof(text));
		for (size_t i = 0; i < sizeof(text); i += 8)
			text[i] = ' ';
		memcpy(text + at, " alice&#64;example.com ", 23);
		assert_int_equal(detect_fix_scan(f, span_of(text, 24700), NULL, &v), 0);
		if (!covering(f, &v, "EMAIL_ADDRESS", at + 1, at + 22))
			fail_msg("at %zu", at);
		arena_reset(&f->arena);
	}
}

static void
fast_path_of_folding_loses_no_character(void **state)
{
	(void)state;
	for (uint32_t cp = 0x80; cp < 0x110000; cp++) {
		struct folded fast = fold_char(cp), slow = letters_fold(cp);
		if (fast.kind != slow.kind || fast.c[0] != slow.c[0])
			fail_msg("U+%04X", (unsigned)cp);
		char c[4] = { (char)(0xE0 | cp >> 12), (char)(0x80 | (cp >> 6 & 0x3F)),
			(char)(0x80 | (cp & 0x3F)), 'a' };
		char two[2] = { (char)(0xC0 | cp >> 6), (char)(0x80 | (cp & 0x3F)) };
		size_t n = cp < 0x800	  ? fold_nothing(two, 2)
			   : cp < 0x10000 ? fold_nothing(c, 4)
					  : 0;
		if (n && (slow.kind != FOLD_NONE || n != (cp < 0x800 ? 2 : 3)))
			fail_msg("U+%04X is passed over", (unsigned)cp);
	}
}

/* The text is processed in blocks of 64 bytes: an obfuscated value is found at every position
 * in them. */
static void
obfuscation_is_decoded_at_every_offset_of_a_block(void **state)
{
	struct detect_fix *f = *state;
	size_t failed = 0;

	for (size_t k = 0; k < nrows; k++) {
		struct span text = rows[k].text, hidden = rows[k].hidden;
		size_t from = (size_t)(hidden.p - text.p), lost = 0, last = 0;
		if (!rows[k].entity)
			continue;
		char moved[BLOCK];
		memset(moved, 'm', sizeof(moved));
		for (size_t pad = 2; pad <= sizeof(moved); pad++) {
			struct findings v;
			struct buf b;
			buf_init(&b, 0);
			buf_span(&b, span_of(moved, pad - 2));
			buf_str(&b, ".\n");
			buf_span(&b, text);
			assert_int_equal(detect_fix_scan(f, buf_view(&b), NULL, &v), 0);
			if (!covering(
				    f, &v, rows[k].entity, pad + from, pad + from + hidden.n)) {
				lost++;
				last = pad;
			}
			buf_free(&b);
			arena_reset(&f->arena);
		}
		if (lost)
			print_message("%s: at %zu places, %zu bytes on for one\n", rows[k].name,
				lost, last);
		failed += lost != 0;
	}
	if (failed)
		fail_msg("%zu", failed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(obfuscated_value_is_found_and_redacted),
		cmocka_unit_test(each_file_has_rows_that_need_it),
		cmocka_unit_test(obfuscation_is_decoded_at_every_offset_of_a_block),
		cmocka_unit_test(text_that_only_looks_obfuscated_is_unchanged),
		cmocka_unit_test(adjacent_values_are_found_separately),
		cmocka_unit_test(hidden_or_reordered_text_is_a_signal_without_a_finding),
		cmocka_unit_test(escapes_in_source_code_do_not_exceed_the_nesting_limit),
		cmocka_unit_test(notation_nested_ten_thousand_times_is_decoded),
		cmocka_unit_test(binary_bytes_are_scanned_to_an_end),
		cmocka_unit_test(address_of_many_labels_is_read_to_its_limit),
		cmocka_unit_test(nesting_over_the_limit_is_an_error),
		cmocka_unit_test(long_blob_loses_only_the_value),
		cmocka_unit_test(fast_path_of_folding_loses_no_character),
		cmocka_unit_test(value_is_found_at_every_offset),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
