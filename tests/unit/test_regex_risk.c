/* Which patterns of matches() are refused because a text could make them slow, and that no text
 * makes an accepted pattern take long. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/err.h"
#include "policy/cel/functions/regex.h"

/* clang-format off */
static const struct { const char *pattern; char kind; /* ' ' accepted, e exponential, s squared */ } rows[] = {
	/* common patterns */
	{ "^gpt-[0-9]+(-mini)?$", ' ' }, { "(gpt|claude|llama)-.*", ' ' }, { ".*foo.*", ' ' }, { "foo.*bar", ' ' },
	{ "^[a-z]+-[a-z]+$", ' ' }, { "([a-z]+\\.)*com$", ' ' }, { "^[\\w.+-]+@([a-z0-9-]+\\.)+[a-z]{2,}$", ' ' },
	{ "^https?://[^/]+/.*$", ' ' }, { "[A-Z]{2}[0-9]{6,8}", ' ' }, { "^\\s*\\w+\\s*$", ' ' }, { "^(a|b|c)+$", ' ' },
	{ "(foo|far)*x", ' ' }, { "(ab)*(ba)*c", ' ' }, { "(?i)project.*falcon", ' ' }, { "^\\p{L}+ \\p{L}+$", ' ' },
	{ "^(?:[a-z0-9]+(?:\\.[a-z0-9]+)*)@x$", ' ' }, { "x{1,100}y", ' ' }, { "(a|ab)*c", ' ' }, { "^\\d{4}-\\d{2}-\\d{2}$", ' ' },
	{ "^(?:\\d{1,3}\\.){3}\\d{1,3}$", ' ' }, { "a.*", ' ' }, { "", ' ' }, { "^$", ' ' }, { "é+ü+x", 's' },
	/* textbook examples of both */
	{ "(a+)+$", 'e' }, { "(a|a)*b", 'e' }, { "(a*)*b", 'e' }, { "(\\w+\\s?)*!", 'e' }, { "(x*)*y", 'e' }, { "(a+|b+)*c", 'e' },
	{ "^(([a-z])+.)+[A-Z]([a-z])+$", 'e' }, { "^(.*?,){11}P", 'e' }, { "(a{0,50}){0,50}b", 'e' }, { "(a|aa)+$", 'e' },
	{ "(?i:a|A)*b", 'e' }, { "^([a-zA-Z0-9])(([-.]|[_]+)?([a-zA-Z0-9]+))*x$", 'e' }, { "(.*)*x", 'e' }, { "((ab|ba)*|a)*c", 'e' },
	{ "\\d+\\d+x", 's' }, { "^.*foo.*bar$", 's' }, { "^a*a*b", 's' }, { "^\\s+.*;$", 's' }, { "^[a-z]*[a-f]*\\d", 's' },
	{ "^.*=.*=.*=x", 's' }, { "(a?){50}a{50}", 'e' }, { "(b|c?){20,40}x", 'e' }, { "(a?){3}a", ' ' },
};
/* clang-format on */

static void
patterns_are_accepted_or_refused_by_cost(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const char *why = cel_regex_risk(span_str(rows[i].pattern));
		char kind = !why ? ' ' : strstr(why, "exponential") ? 'e' : 's';
		if (kind != rows[i].kind)
			fail_msg("%s: %c, want %c", rows[i].pattern, kind, rows[i].kind);
	}
}

/* A pattern is judged however much harmless text is beside its repetition. If it is too long to
 * judge, it is refused, unless it repeats nothing. */
static void
length_of_a_pattern_hides_no_risk(void **state)
{
	static const struct {
		size_t letters;
		const char *tail;
		const char *why; /* part of the message; NULL: accepted */
	} long_rows[] = {
		{ 100, "|(a+)+$x", "exponential" },
		{ 400, "|(x+x+)+y", "exponential" },
		{ 600, "|(a+)+$x", "too long to be checked" },
		{ 400, "|[0-9]+ foo", NULL },
		{ 600, "|foo?", NULL },
	};
	char pattern[1024];

	(void)state;
	for (size_t i = 0; i < sizeof(long_rows) / sizeof(long_rows[0]); i++) {
		size_t n = long_rows[i].letters;
		memset(pattern, 'q', n);
		strcpy(pattern + n, long_rows[i].tail);
		const char *why = cel_regex_risk(span_str(pattern));
		if (long_rows[i].why ? !why || !strstr(why, long_rows[i].why) : why != NULL)
			fail_msg("%zu letters and %s: %s", n, long_rows[i].tail,
				why ? why : "passed");
	}
}

/* Every evaluation ends: with a match, without one, or over the limit. Without the limit on the
 * total work this test would not end. */
static void
evaluation_of_any_text_ends(void **state)
{
	static const char *const hostile[] = { "a[^!]*!x", "(a+)+$x", "foo.*bar", "^(a|a)*$",
		"[a-z]+x", ".*.*.*=x", "(?s)a.*b.*c" };
	enum { SIZE = 1 << 18 };
	char *text = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++) {
		struct arena a;
		const char *why;
		size_t spilled;
		arena_init(&a, 0, false);
		const struct cel_regex *re = cel_regex_compile(&a, span_str(hostile[i]), &why);
		assert_non_null(re);
		for (size_t k = 0; k < SIZE; k++)
			text[k] = i == 2 ? "foo"[k % 3] : 'a';
		int found = cel_regex_match(re, span_of(text, SIZE), &a, &spilled);
		assert_true(found == 0 || found == ERR_LIMIT || found == 1);
		arena_reset(&a);
	}
	free(text);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(patterns_are_accepted_or_refused_by_cost),
		cmocka_unit_test(length_of_a_pattern_hides_no_risk),
		cmocka_unit_test(evaluation_of_any_text_ends),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
