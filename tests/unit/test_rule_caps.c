/* Limits of a rule file. Each row is a file of repeated pieces. Over a limit, it is refused
 * with its place. Up to the limit, the rules load quickly and find their values. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scan/detect/detect.h"

#define HEAD	     "entity: X\nclass: pii\nsource: s\nexamples: {match: [x]}\n"
#define PATTERN	     "patterns:\n  - {name: p, score: 0.9, "
#define BYTES	     HEAD PATTERN "regex: '[xa]7', start: {bytes: '"
#define WORDS	     HEAD "context: ["
#define WORDS_END    "]\n" PATTERN "regex: 'x7', start: {bytes: x}}\n"
#define LITERALS     HEAD PATTERN "regex: '[a-z0-9]+', start: {literals: ["
#define DIGITS_REGEX HEAD PATTERN "start: {bytes: x}, regex: '"
#define CLOSE	     "))))))))))"
#define FIND	     "so x7."

static const struct {
	const char *name;
	const char *before, *piece; /* %d: the number of the piece */
	int n, from;
	const char *after;
	const char *want; /* part of the refusal; NULL: the file loads, */
	const char *text; /* and finds one value in this text */
} rows[] = {
	{ "a byte that repeats", BYTES, "a", 5000, 0, "x'}}\n", NULL, FIND },
	{ "bytes that repeat in turns", BYTES, "xa", 50000, 0, "'}}\n", NULL, FIND },
	{ "as many words as may be", WORDS, "w%d,", 1000, 0, WORDS_END, NULL, FIND },
	{ "words of one first letter, one more", WORDS, "w%d,", 1001, 0, WORDS_END,
		":5:10: context: 1001 words are too many; at most 1000", NULL },
	{ "more words than an index holds", WORDS, "w,", 66000, 0, WORDS_END,
		":5:10: context: 66000 words are too many; at most 1000", NULL },
	{ "words against, too many", HEAD "against: [", "w%d,", 70000, 0, WORDS_END,
		":5:10: against: 70000 words", NULL },
	{ "as many literals as may be", LITERALS, "a%d,", 20000, 100000, "q77]}}\n",
		"more than 20000 literals", NULL }, /* one too many */
	{ "literals that begin alike", LITERALS, "abc%d,", 513, 0, "]}}\n",
		"more than 512 that begin with the same bytes", NULL },
	{ "more literals than an index holds", LITERALS, "%x,", 70000, 100000, "]}}\n",
		"more than 20000 literals", NULL },
	{ "many literals", LITERALS, "%x0,", 4000, 100000, "qq7]}}\n", NULL, "so qq7." },
	{ "as many patterns as may be", HEAD "patterns:\n",
		"  - {name: p%d, regex: 'x7', score: 0.9, start: {bytes: x}}\n", 4096, 0, "",
		NULL, FIND },
	{ "a pattern more", HEAD "patterns:\n",
		"  - {name: p%d, regex: 'x7', score: 0.9, start: {bytes: x}}\n", 4097, 0, "",
		":4102:5: more than 4096 patterns", NULL },
	{ "a pattern that is long", DIGITS_REGEX "x7|", "a", 16000, 0, "'}\n", NULL, FIND },
	{ "a pattern that is too long", DIGITS_REGEX "x7|", "a", 17000, 0, "'}\n",
		"the pattern is over 16384 bytes", NULL },
	{ "a pattern long by its definitions",
		"define: {d: "
		"'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'}"
		"\n" DIGITS_REGEX "x7|",
		"%%{d}", 260, 0, "'}\n", "the pattern is over 16384 bytes", NULL },
	{ "groups in groups", DIGITS_REGEX, "(", 100, 0,
		"x7" CLOSE CLOSE CLOSE CLOSE CLOSE CLOSE CLOSE CLOSE CLOSE CLOSE "'}\n", NULL,
		FIND },
	{ "repetitions of repetitions", DIGITS_REGEX "x7|(?:(?:", "(?:b{20}){20}|", 10, 0,
		"c{20}){5}){5}'}\n", NULL, FIND },
	{ "a repetition as long as PCRE2 takes", DIGITS_REGEX "x(?:7|", "[ab]{65535}|", 1, 0,
		"c)'}\n", NULL, FIND },
	{ "a start of two kinds", HEAD PATTERN "regex: 'x7', start: {bytes: x, digits: [",
		"%d,", 3, 1, "]}}\n",
		"start can have one of: literals, words and names; digits", NULL },
	{ "runs that do not end", HEAD PATTERN "regex: '7', start: {digits: [", "1-31,", 300, 0,
		"]}}\n", NULL, FIND },
	{ "samples without number", HEAD "samples: [", "s%d,", 100000, 0,
		"]\n" PATTERN "regex: 'x7', start: {bytes: x}}\n", NULL, FIND },
	{ "definitions without number", HEAD "define: {", "d%d: a,", 17, 0,
		"}\n" PATTERN "regex: 'x7', start: {bytes: x}}\n", "more than 16 definitions",
		NULL },
};

static int rule_fd = -1;

static struct detect_rules *
load(const struct buf *text, struct buf *errors)
{
	char path[64];

	if (rule_fd < 0)
		rule_fd = memfd_create("rules", MFD_CLOEXEC);
	assert_int_equal(ftruncate(rule_fd, 0), 0);
	struct span s = buf_view(text);
	assert_int_equal(pwrite(rule_fd, s.p, s.n, 0), s.n);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", rule_fd);
	return detect_load(path, errors);
}

static size_t
found(const struct detect_rules *r, struct span text)
{
	struct detect_scratch *s = detect_scratch_new(r);
	struct findings f;
	struct arena a;

	arena_init(&a, 0, false);
	assert_int_equal(detect_scan(r, s, text, NULL, &a, &f), 0);
	size_t n = f.n;
	arena_reset(&a);
	detect_scratch_free(&s);
	return n;
}

static void
content_of_a_rule_file_is_limited(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct buf text, errors;
		buf_init(&text, 0);
		buf_init(&errors, 0);
		buf_str(&text, rows[i].before);
		for (int k = 0; k < rows[i].n; k++) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			buf_printf(&text, rows[i].piece, rows[i].from + k);
#pragma GCC diagnostic pop
		}
		buf_str(&text, rows[i].after);
		struct detect_rules *r = load(&text, &errors);
		if (rows[i].want ? r != NULL || !memmem(buf_view(&errors).p, errors.n,
							rows[i].want, strlen(rows[i].want))
				 : r == NULL)
			fail_msg("%s: %.300s", rows[i].name,
				r ? "loaded" : (buf_putc(&errors, 0), buf_view(&errors).p));
		if (r && found(r, span_str(rows[i].text)) != 1)
			fail_msg("%s: not found", rows[i].name);
		detect_free(&r);
		buf_free(&text);
		buf_free(&errors);
	}
}

/* Each group contains the previous one many times. Expanding all would never end. */
static void
references_are_not_expanded_repeatedly(void **state)
{
	struct buf text, errors;

	(void)state;
	buf_init(&text, 0);
	buf_init(&errors, 0);
	buf_str(&text, DIGITS_REGEX "x7|(?<a>)");
	for (char c = 'b'; c < 'i'; c++) {
		buf_printf(&text, "(?<%c>", c);
		for (int i = 0; i < 100; i++)
			buf_printf(&text, "\\g{%c}", c - 1);
		buf_putc(&text, ')');
	}
	buf_str(&text, "'}\n");
	struct detect_rules *r = load(&text, &errors);
	assert_non_null(r);
	assert_int_equal(found(r, SPAN_LIT(FIND)), 1);
	detect_free(&r);
	buf_free(&text);
	buf_free(&errors);
}

/* The longest possible repetition: the automaton must not take its bounds for text. */
static void
long_repetition_is_found(void **state)
{
	static const int lengths[] = { 6553, 6554, 65529, 65530, 65535 };

	(void)state;
	for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		struct buf text, errors;
		buf_init(&text, 0);
		buf_init(&errors, 0);
		buf_printf(&text, DIGITS_REGEX "x[ab]{%d}'}\n", lengths[i]);
		struct detect_rules *r = load(&text, &errors);
		assert_non_null(r);
		buf_clear(&text);
		buf_putc(&text, 'x');
		for (int k = 0; k < lengths[i]; k++)
			buf_putc(&text, k % 3 ? 'a' : 'b');
		if (found(r, buf_view(&text)) != 1)
			fail_msg("%d: not found", lengths[i]);
		detect_free(&r);
		buf_free(&text);
		buf_free(&errors);
	}
}

/* Aliases make a file of a megabyte larger than the memory for rules. */
static void
rule_file_without_room_is_refused(void **state)
{
	struct buf text, errors;

	(void)state;
	buf_init(&text, 0);
	buf_init(&errors, 0);
	buf_str(&text, "context: [&a ");
	for (int i = 0; i < 1000000; i++)
		buf_putc(&text, 'w');
	for (int i = 0; i < 99; i++)
		buf_str(&text, ", *a");
	buf_str(&text, "]\n" HEAD PATTERN "regex: 'x7', start: {bytes: x, back: ab}}\n"
		       "  - {name: q, regex: '%{d}x', score: 1, start: {words: [abcd]}}\n"
		       "define: {d: e}\nsamples: [a, b]\nfinder: person\n");
	assert_null(load(&text, &errors));
	assert_non_null(memmem(buf_view(&errors).p, errors.n, "out of memory", 13));
	buf_free(&text);
	buf_free(&errors);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(content_of_a_rule_file_is_limited),
		cmocka_unit_test(references_are_not_expanded_repeatedly),
		cmocka_unit_test(long_repetition_is_found),
		cmocka_unit_test(rule_file_without_room_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
