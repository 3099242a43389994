/* Values among terminal sequences: coding agents send the output of `git show --color` and of
 * test runners. Each kind of value, each sequence and each spelling of its first character;
 * before, after, around and within the value; whole and in streams. Also marks of mail and
 * Markdown beside values. All values are invented. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/ascii.h"
#include "support/stream_fix.h"

/* clang-format off */
/* closed: the form of the value determines where it begins and ends. */
static const struct kind { const char *entity, *before, *value, *after; bool closed; } kinds[] = {
	{ "AWS_ACCESS_KEY", "the value ", "AKIAQNZGKIQY56JQ7WML", " here", true },
	{ "GITHUB_TOKEN", "the value ", "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", " here", true },
	{ "STRIPE_KEY", "the value ", "sk_live_4eC39HqLyjWDarjtT1zdp7dcQ8x", " here", true },
	{ "JWT", "the value ", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4ifQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c", " here", true },
	{ "SLACK_TOKEN", "the value ", "xoxb-263594206564-2343594206574-FGqddMF8t08v8N7Oq4i57vs1", " here", true },
	{ "GOOGLE_API_KEY", "the value ", "AIzaSyDdI0hCZtE6vySjMm-WEfRq3CPzqKqqsHI", " here", true },
	{ "OPENAI_API_KEY", "the value ", "sk-proj-Zx8Qm3Lr7Tn2Vb6Kc9Wd1Hs5Jf4Ga0PyT3BlbkFJXe8Uo2Ri6Ml4Nq7Sv3Bt9Cw5Dz1", " here", true },
	{ "CREDIT_CARD", "the card ", "4716379142021968", " is mine", true },
	{ "CREDIT_CARD", "the card ", "4716 3791 4202 1968", " is mine", true },
	{ "IBAN_CODE", "pay to ", "DE89370400440532013000", " please", true },
	{ "IBAN_CODE", "pay to ", "GB82 WEST 1234 5698 7654 32", " please", true },
	{ "US_SSN", "my ssn is ", "536-22-1844", " and more", true },
	{ "EMAIL_ADDRESS", "write to ", "alice@example.com", " today", false },
	{ "PHONE_NUMBER", "call ", "+1 212 555 0143", " today", true },
	{ "PHONE_NUMBER", "call ", "(212) 555-0143", " today", true },
	{ "CRYPTO", "bitcoin ", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", " of mine", false },
	{ "GENERIC_SECRET", "password=", "hunter2Zq9xW", " here", false },
};
/* ^ stands for the escape character. */
static const struct sequence { const char *on, *off; } sequences[] = {
	{ "^[31m", "^[0m" },
	{ "^[1;38;5;208m", "^[m" },
	{ "^[38:2::255:0:10m", "^[39;49m" },
	{ "^[01;31m^[K", "^[m^[K" },
	{ "^[2K", "^[K" },
	{ "^[?25l", "^[?25h" },
	{ "^[0 q", "^[!p" },
	{ "^[12G", "^[3C" },
	{ "^[4;20H", "^[2J" },
	{ "^(B", "^)0" },
	{ "^(B^[m", "^7" },
	{ "^=", "^M" },
	{ "^]8;;https://example.org/x?a=1\a", "^]8;;\a" },
	{ "^]8;id=7;https://example.org/x^\\", "^]8;;^\\" },
	{ "^]0;a title\a", "^]133;A\a" },
	{ "^P1$r0m^\\", "^_x^\\" },
};
/* The escape character, the end of a string after it, and the bell. Loose: a byte that is not
 * UTF-8, or a character that two notations can stand for, is removed with the value before it. */
static const struct spelling { const char *escape, *slash, *bell; bool loose; } spellings[] = {
	{ "\x1b", "\\", "\a", false },
	{ "\\x1b", "\\\\", "\\a", false },
	{ "\\x1B", "\\", "\\x07", false },
	{ "\\x{1b}", "\\\\", "\\x{7}", false },
	{ "\\033", "\\\\", "\\007", false },
	{ "\\33", "\\\\", "\\7", false },
	{ "\\u001b", "\\\\", "\\u0007", false },
	{ "\\u{1b}", "\\\\", "\\u{7}", false },
	{ "\\U0000001b", "\\\\", "\\U00000007", false },
	{ "\\e", "\\\\", "\\a", false },
	{ "\\E", "\\\\", "\\a", false },
	{ "^[", "\\", "^G", false },
	{ "\\\\u001b", "\\\\\\\\", "\\\\u0007", false },
	{ "\\\\x1b", "\\\\\\\\", "\\\\a", false },
	{ "\\\\033", "\\\\\\\\", "\\\\007", false },
	{ "\\\\\\\\u001b", "\\\\\\\\\\\\\\\\", "\\\\\\\\u0007", false },
	{ "&#27;", "\\", "&#7;", false },
	{ "&#x1b;", "\\", "&#x7;", false },
	{ "%1B", "%5C", "%07", false },
};
/* Characters that stand for the escape and its bracket together, or that are all that viewers
 * leave. */
static const struct spelling controls[] = {
	{ "\xC2\x9B", "", "", false },
	{ "\x9B", "", "", true },
	{ "\\u009b", "", "", false },
	{ "\\x9b", "", "", true },
	{ "&#155;", "", "", false },
	{ "%C2%9B", "", "", true },
	{ "\\x1b\\x5b", "", "", true },
	{ "\\u001b\\u005b", "", "", true },
	{ "\\033\\133", "", "", true },
	{ "ESC[", "", "", true },
	{ "<ESC>[", "", "", false },
	{ "#033[", "", "", false },
	{ "0x1b[", "", "", true },
	{ "<0x1b>[", "", "", false },
	{ "<U+001B>[", "", "", false },
	{ "\\c[[", "", "", false },
	{ "\\27[", "", "", false },
	{ "\\N{ESC}[", "", "", false },
	{ "=1B[", "", "", false },
	{ "\xE2\x90\x9B[", "", "", false },
	{ "\xE2\x86\x90[", "", "", false },
	{ "[", "", "", false },
};
static const struct sequence colours[] = {
	{ "^31m", "^0m" },
	{ "^1;38;5;208m", "^39;49m" },
	{ "^01;31m^K", "^0m^K" },
};
/* Values in the address of a link. */
static const struct { const char *entity, *link, *value; } links[] = {
	{ "AWS_ACCESS_KEY", "^]8;;https://example.org/?k=AKIAQNZGKIQY56JQ7WML^\\here^]8;;^\\", "AKIAQNZGKIQY56JQ7WML" },
	{ "AWS_ACCESS_KEY", "x^]8;;AKIAQNZGKIQY56JQ7WML\ahere^]8;;\a", "AKIAQNZGKIQY56JQ7WML" },
	{ "EMAIL_ADDRESS", "^]8;;https://example.org/?m=alice%40example.com\ahere^]8;;\a", "alice%40example.com" },
	{ "EMAIL_ADDRESS", "^]8;;mailto:alice&#64;example.com^\\here^]8;;^\\", "alice&#64;example.com" },
	{ "AWS_ACCESS_KEY", "^]8;;https://example.org/^[31mAKIAQNZGKIQY56JQ7WML^\\here^]8;;^\\", "AKIAQNZGKIQY56JQ7WML" },
	{ "AWS_ACCESS_KEY", "x^]0;AKIAQNZGKIQY56JQ7WML\ahere", "AKIAQNZGKIQY56JQ7WML" },
	{ "AWS_ACCESS_KEY", "name^[20GAKIAQNZGKIQY56JQ7WML^[40Gsize", "AKIAQNZGKIQY56JQ7WML" },
	{ "CREDIT_CARD", "9^[5;1H4716379142021968^[6;1H9", "4716379142021968" },
};
/* Other notations whose first or last character could be taken for part of the value. */
static const struct { const char *before, *after; bool words; } marks[] = {
	{ "_", "_", false },
	{ "__", "__,", false },
	{ "**_", "_**", false },
	{ "(_", "_).", false },
	{ "that=3D", "", false },
	{ "that=3D", "=20", false },
	{ "is:=20", "=0A", false },
	{ "is=20", "", true }, /* with a number it may be an assignment */
	{ "x\\040", "\\012", false },
	{ "k\\075", "", false },
};
/* Nothing is hidden in these texts. */
static const char *const ordinary[] = {
	"^[32m+^[m^[32mint main(void)^[m and ^[1;31mFAILED^[0m 3 of 47 tests in 2.31s",
	"rate(http_requests_total[5m]) / rate(errors[30m]) > 0.05 [m] [K] a[1] b[2K]",
	"\\e and \\E are no escapes in C:\\etc\\ESC or C:\\Everyone, ^[ is one in vi",
	"^[]0;user@host: ~/work^\\$ ls ^[]8;;https://example.org/a^\\a^[]8;;^\\",
	"array[0m] = {1, 2, 3}; x^[1] ^ y^[2]; 10^[3] a^[b]",
	"def __init__(self, _x1, _y2): self._last_4716 = _a_1 + b_ __file2__ x=20 limit=3Dfoo",
	"^[?25l^[2K^[1G progress 47 % of 1984 ^[?25h",
};
/* clang-format on */

enum position { BEFORE, AFTER, AROUND, MIDDLE, ALL, POSITIONS };
static const char *const position_names[] = { "before", "after", "around", "in the middle",
	"everywhere" };

static void
put_sequence(struct buf *b, const char *s, const struct spelling *as)
{
	for (; *s; s++) {
		if (*s == '^')
			buf_str(b, as->escape);
		else if (*s == '\a')
			buf_str(b, as->bell);
		else if (*s == '\\')
			buf_str(b, as->slash);
		else
			buf_putc(b, *s);
	}
}

struct made {
	struct buf text;
	size_t from, to; /* the value, and the text in its middle */
};

static struct made
make(const struct kind *k, const char *on, const char *off, const struct spelling *as,
	enum position at)
{
	struct made m;
	size_t n = strlen(k->value);

	buf_init(&m.text, 0);
	buf_str(&m.text, "This is what it said, in the log of that day: ");
	buf_str(&m.text, k->before);
	if (at == BEFORE || at == AROUND || at == ALL)
		put_sequence(&m.text, on, as);
	m.from = m.text.n;
	for (size_t i = 0; i < n; i++) {
		if ((at == MIDDLE || at == ALL) && i == n / 3)
			put_sequence(&m.text, on, as);
		if ((at == MIDDLE || at == ALL) && i == 2 * n / 3)
			put_sequence(&m.text, off, as);
		buf_putc(&m.text, k->value[i]);
	}
	m.to = m.text.n;
	if (at == AFTER || at == AROUND || at == ALL)
		put_sequence(&m.text, off, as);
	buf_str(&m.text, k->after);
	buf_str(&m.text, " and that was all of it, as far as we know.");
	return m;
}

static bool
covers(const struct finding *v, size_t n, const char *entity, size_t from, size_t to)
{
	for (size_t i = 0; i < n; i++)
		if (!strcmp(detect_entity_name(rules, v[i].entity), entity) &&
			v[i].start <= from && v[i].end >= to)
			return true;
	return false;
}

/* The finding begins and ends with the value: no sequence around it is redacted. */
static bool
is_exact(const struct finding *v, size_t n, size_t from, size_t to)
{
	for (size_t i = 0; i < n; i++)
		if (v[i].start == from && v[i].end == to)
			return true;
	return false;
}

static size_t failed, rows_done;

static void
row_fails(const struct kind *k, const struct made *m, enum position at, const char *why)
{
	if (failed++ < 60)
		print_message("%s, %s: %s: %.*s\n", k->entity, position_names[at], why,
			SPAN_ARG(buf_view(&m->text)));
}

static void
row_holds(const struct kind *k, struct made *m, enum position at, bool exact)
{
	struct detect_fix *f = detect_fix();
	struct span text = buf_view(&m->text);
	struct findings v;

	rows_done++;
	assert_int_equal(detect_fix_scan(f, text, NULL, &v), 0);
	if (!covers(v.v, v.n, k->entity, m->from, m->to))
		row_fails(k, m, at, "not found");
	else if (exact && !is_exact(v.v, v.n, m->from, m->to))
		row_fails(k, m, at, "more than the value");
	for (size_t each = 1; each < 12; each += 5) {
		stream_run(&one, rules, scratch, NULL, text, NULL, 0, each);
		if (one.wrong || !covers(one.found, one.n, k->entity, m->from, m->to)) {
			row_fails(k, m, at, "not found in a stream");
			break;
		}
	}
	arena_reset(&f->arena);
	buf_free(&m->text);
}

static void
each_position(const struct kind *k, const char *on, const char *off, const struct spelling *as)
{
	for (enum position at = BEFORE; at < POSITIONS; at++) {
		struct made m = make(k, on, off, as, at);
		row_holds(k, &m, at,
			as == spellings ? strcmp(k->entity, "GENERIC_SECRET") != 0
					: k->closed && !as->loose);
	}
}

static void
all_hold(void)
{
	size_t n = failed;

	failed = 0;
	if (n)
		fail_msg("%zu of %zu", n, rows_done);
	rows_done = 0;
}

/* Two values, or a value and a word, separated only by something that colors or hides: both are
 * found, with no additional byte. */
static const struct sequence apart[] = {
	{ "^[31m", "^[m" }, { "^[01;31m^[K", "^[m^[K" },
	{ "^]8;;https://example.org/x\a", "^]8;;\a" },
	{ "^[8mha:////4Iy7fKqk3Q2jY0nW8pZsLr6uVxT1bCdEeFgHhIiJjAAAA^[0m", "^[0m" },
	{ "\xE2\x80\x8B", "\xE2\x80\x8B" }, /* a zero-width space */
	{ "\xC2\xAD", "\xC2\xAD" },	    /* a soft hyphen */
	{ "\xE2\x81\xA6", "\xE2\x81\xA9" }, /* an isolate */
};
enum neighbor { VALUE, WORD_BEFORE, WORD_AFTER, NEIGHBORS };

static void
neighbors_hold(const struct kind *k, const struct sequence *s, const struct spelling *as,
	enum neighbor what, bool exact)
{
	const char *first = what == WORD_BEFORE ? "FAILED" : k->value;
	const char *second = what == WORD_AFTER ? "FAILED" : k->value;
	struct made m = { .from = 0 }, other;

	buf_init(&m.text, 0);
	buf_printf(&m.text, "It said %s", k->before);
	put_sequence(&m.text, s->on, as);
	size_t from = m.text.n;
	buf_str(&m.text, first);
	size_t to = m.text.n;
	put_sequence(&m.text, s->off, as);
	put_sequence(&m.text, s->on, as);
	m.from = m.text.n;
	buf_str(&m.text, second);
	m.to = m.text.n;
	put_sequence(&m.text, s->off, as);
	buf_printf(&m.text, "%s and that was all", k->after);
	other = (struct made){ .from = from, .to = to };
	buf_init(&other.text, 0);
	buf_put(&other.text, m.text.p, m.text.n);
	if (what == WORD_AFTER) {
		m.from = from;
		m.to = to;
	}
	row_holds(k, &m, AROUND, exact);
	if (what == VALUE)
		row_holds(k, &other, AROUND, exact);
	else
		buf_free(&other.text);
}

static void
adjacent_values_do_not_hide_each_other(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++) {
		if (!strcmp(kinds[k].entity, "GENERIC_SECRET"))
			continue; /* a password may contain anything */
		for (size_t i = 0; i < COUNT_OF(apart); i++)
			for (enum neighbor what = VALUE; what < NEIGHBORS; what++)
				/* invisible characters do not end a word */
				if (what != WORD_AFTER || apart[i].on[0] == '^')
					neighbors_hold(&kinds[k], &apart[i], &spellings[0],
						what, true);
		for (size_t i = 1; i < COUNT_OF(spellings); i++)
			neighbors_hold(&kinds[k], &apart[0], &spellings[i], VALUE,
				!spellings[i].loose);
	}
	all_hold();
}

static void
each_sequence_is_removed_around_each_kind_of_value(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t s = 0; s < COUNT_OF(sequences); s++)
			each_position(
				&kinds[k], sequences[s].on, sequences[s].off, &spellings[0]);
	all_hold();
}

static void
each_spelling_of_the_escape_is_read(void **state)
{
	(void)state;
	for (size_t s = 1; s < COUNT_OF(spellings); s++)
		for (size_t i = 0; i < COUNT_OF(sequences); i++)
			each_position(&kinds[(s + i) % COUNT_OF(kinds)], sequences[i].on,
				sequences[i].off, &spellings[s]);
	all_hold();
}

static void
each_form_that_includes_the_bracket_is_read(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t s = 0; s < COUNT_OF(controls); s++)
			each_position(&kinds[k], colours[s % COUNT_OF(colours)].on,
				colours[s % COUNT_OF(colours)].off, &controls[s]);
	all_hold();
}

static void
text_split_by_or_inside_a_sequence_is_searched(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(links); i++)
		for (size_t s = 0; s < COUNT_OF(spellings); s++) {
			const struct kind k = { links[i].entity, "", "", "", false };
			struct made m = { .from = 0 };
			buf_init(&m.text, 0);
			buf_str(&m.text, "It said ");
			put_sequence(&m.text, links[i].link, &spellings[s]);
			buf_str(&m.text, " and that was all");
			struct span t = buf_view(&m.text);
			const char *at =
				memmem(t.p, t.n, links[i].value, strlen(links[i].value));
			assert_non_null(at);
			m.from = (size_t)(at - t.p);
			m.to = m.from + strlen(links[i].value);
			row_holds(&k, &m, BEFORE, false);
		}
	all_hold();
}

static void
marks_beside_a_value_are_not_part_of_it(void **state)
{
	(void)state;
	for (size_t k = 0; k < COUNT_OF(kinds); k++)
		for (size_t i = 0; i < COUNT_OF(marks); i++) {
			struct made m = { .from = 0 };
			if (marks[i].words && !is_alpha(kinds[k].value[0]))
				continue;
			buf_init(&m.text, 0);
			buf_printf(
				&m.text, "It said that %s%s", kinds[k].before, marks[i].before);
			m.from = m.text.n;
			buf_str(&m.text, kinds[k].value);
			m.to = m.text.n;
			buf_printf(&m.text, "%s%s and that was all", marks[i].after,
				kinds[k].after);
			row_holds(&kinds[k], &m, AROUND, false);
		}
	all_hold();
}

static void
ordinary_terminal_output_has_no_finding(void **state)
{
	struct detect_fix *f = detect_fix();

	(void)state;
	for (size_t i = 0; i < COUNT_OF(ordinary); i++)
		for (size_t s = 0; s < COUNT_OF(spellings); s++) {
			struct findings v;
			struct buf b;
			buf_init(&b, 0);
			put_sequence(&b, ordinary[i], &spellings[s]);
			assert_int_equal(detect_fix_scan(f, buf_view(&b), NULL, &v), 0);
			if (v.n || v.evasion)
				fail_msg("%.*s", SPAN_ARG(buf_view(&b)));
			buf_free(&b);
			arena_reset(&f->arena);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(adjacent_values_do_not_hide_each_other),
		cmocka_unit_test(each_sequence_is_removed_around_each_kind_of_value),
		cmocka_unit_test(each_spelling_of_the_escape_is_read),
		cmocka_unit_test(each_form_that_includes_the_bracket_is_read),
		cmocka_unit_test(text_split_by_or_inside_a_sequence_is_searched),
		cmocka_unit_test(marks_beside_a_value_are_not_part_of_it),
		cmocka_unit_test(ordinary_terminal_output_has_no_finding),
	};

	return cmocka_run_group_tests(tests, stream_setup, stream_teardown);
}
