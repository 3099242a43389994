/* Invisible characters (condition prompt.invisible): characters that the spelling of 24 scripts
 * needs are not counted, hidden text is. SEED=N selects other texts; make check-long uses the date
 * of the day. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "scan/text/invisible.h"
#include "support/detect_fix.h"
#include "support/fidelity_docs.h"
#include "support/scripts.h"

enum { SEED = 7, TEXTS = 400, TEXT_BYTES = 8 << 10, HIDDEN = 24, BOUND = 16 };

static uint64_t random_state;

static size_t
below(size_t n)
{
	return (size_t)(docs_random(&random_state) % n);
}

/* Writes sentences of one to three scripts. */
static void
put_sentences(struct buf *b)
{
	const struct script *few[3];

	for (size_t i = 0; i < 3; i++)
		few[i] = &scripts[below(SCRIPTS)];
	buf_clear(b);
	while (b->n < TEXT_BYTES) {
		buf_str(b, few[below(3)]->text);
		buf_str(b, below(4) ? " " : "\n");
	}
}

/* Hides bytes in a row or one by one between the characters from `at` on. */
static void
put_hidden(struct buf *out, struct span t, size_t at)
{
	size_t how = below(5), left = HIDDEN;

	buf_clear(out);
	buf_span(out, span_cut(t, 0, at));
	while (left && how < 4) {
		uint32_t bits = (uint32_t)below(16);
		buf_utf8(out, how == 0	 ? 0xE0041 + bits
			      : how == 1 ? 0xE0100 + bits
			      : how == 2 ? (bits & 1 ? 0x200Bu : 0x2060u)
					 : 0xFE00 + bits);
		left--;
	}
	for (size_t len; left && at < t.n; at += len, left--) {
		len = utf8_step(t, at);
		buf_put(out, t.p + at, len);
		buf_utf8(out, below(2) ? 0x2062 : 0x2063);
	}
	buf_span(out, span_cut(t, at, t.n));
}

static void
spelling_is_not_counted(void **state)
{
	struct detect_fix *f = *state;
	struct findings found;

	for (size_t i = 0; i < SCRIPTS; i++) {
		struct span t = span_str(scripts[i].text);
		size_t n = invisible_count(t, 0);
		if (n)
			fail_msg("%s: %zu", scripts[i].name, n);
		assert_int_equal(detect_fix_scan(f, t, NULL, &found), 0);
		if (found.evasion)
			fail_msg("%s: evasion", scripts[i].name);
		arena_reset(&f->arena);
	}
}

static void
texts_stay_below_the_bound_and_hidden_ones_do_not(void **state)
{
	size_t most = 0, least = SIZE_MAX;

	(void)state;
	SCOPED_BUF(b, 0);
	SCOPED_BUF(hidden, 0);
	for (size_t i = 0; i < TEXTS; i++) {
		put_sentences(&b);
		struct span t = buf_view(&b);
		size_t n = invisible_count(t, 0);
		most = n > most ? n : most;
		put_hidden(&hidden, t, utf8_begin(t, below(t.n / 2)));
		n = invisible_count(buf_view(&hidden), 0);
		least = n < least ? n : least;
		/* two windows count as much as the text */
		size_t cut = utf8_begin(t, below(t.n));
		assert_true(invisible_count(span_cut(t, 0, cut), 0) + invisible_count(t, cut) <=
			    invisible_count(t, 0) + 1);
	}
	print_message("at most %zu in spelled texts, at least %zu in those with %d hidden\n",
		most, least, HIDDEN);
	assert_true(most <= BOUND / 4);
	assert_true(least > BOUND);
}

/* clang-format off */
static const struct {
	const char *name, *text;
	size_t want;
} rows[] = {
	{ "plain text has none", "write to jane@example.com", 0 },
	{ "tags", "hi\U000E0041\U000E0042\U000E0043", 3 },
	{ "the flag of Scotland is a spelling", "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F", 0 },
	{ "tags beyond a flag count", "\U0001F3F4\U000E0067\U000E0062\U000E0073\U000E0063\U000E0074\U000E007F\U000E0041\U000E0042", 2 },
	{ "a joiner between Latin letters counts", "pass\u200Dword", 1 },
	{ "a joiner between Persian letters does not", "می\u200Cشود", 0 },
	{ "the second joiner in a row counts", "می\u200C\u200Dشود", 1 },
	{ "a soft hyphen in a word does not count", "Do\u00ADnau", 0 },
	{ "a soft hyphen beside a space counts", "Do \u00ADnau", 1 },
	{ "a selector after Han does not count", "葛\U000E0100", 0 },
	{ "a selector after a letter counts", "a\U000E0100\uFE0F", 2 },
	{ "a space of zero width in Thai does not count", "กา\u200Bกา", 0 },
	{ "a space of zero width in English counts", "in\u200Bdeed", 1 },
	{ "a space of zero width in Chinese does not count", "点击\u200B这里", 0 },
	{ "a space of zero width behind a slash does not count", "https://example.com/\u200Ba", 0 },
	{ "two of them count once", "https://example.com/\u200B\u200Ba", 1 },
	{ "a joiner of words beside a digit does not count", "20\u2060km", 0 },
	{ "a joiner of words between letters counts", "in\u2060deed", 1 },
	{ "the application of a function does not count", "f\u2061(x)", 0 },
	{ "separators of formulas in a row count", "a\u2062\u2063b", 2 },
	{ "a mark of direction in Hebrew does not count", "שלום\u200F (PDF)\u200E", 0 },
	{ "a mark of direction in English counts", "abc\u200Edef", 1 },
	{ "a byte order mark counts inside a text only", "\uFEFFabc\uFEFF", 1 },
	{ "bytes that are no UTF-8 do not count", "\xE2\x80 \xF3\xA0\x81", 0 },
};
/* clang-format on */

static void
characters_are_counted(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t bytes = strlen(rows[i].text);
		char *copy = guard_dup(rows[i].text, bytes);
		size_t n = invisible_count(span_of(copy, bytes), 0);
		if (n != rows[i].want)
			fail_msg("%s: %zu", rows[i].name, n);
		guard_free(copy, bytes);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(characters_are_counted),
		cmocka_unit_test(spelling_is_not_counted),
		cmocka_unit_test(texts_stay_below_the_bound_and_hidden_ones_do_not),
	};
	const char *seed = getenv("SEED");

	random_state = seed ? strtoull(seed, NULL, 10) : SEED;
	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
