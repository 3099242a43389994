/* Every reader of regular expressions gives its known verdict: the prefilter's tree of a
 * pattern, the refusal or properties of a policy's own pattern, RE2's syntax as PCRE2 gets it,
 * and the patterns that matches() refuses because of their cost.
 *
 *   test_regex          checks tests/data/regex.txt, patterns with their verdicts, and the
 *                       hashes of generated patterns
 *   test_regex print    prints that file again, then a line for every generated pattern and
 *                       every rule, to compare two builds */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/buf.h"
#include "base/fnv.h"
#include "policy/cel/functions/regex.h"
#include "scan/detect/custom/custom_regex.h"
#include "scan/detect/engine.h"
#include "scan/detect/prefilter/prefilter.h"

#define DATA "tests/data/regex.txt"

enum { MADE = 20000, A_LINE = 1000 };

static uint32_t
short_hash(uint64_t h)
{
	return (uint32_t)(h ^ h >> 32);
}

static bool
compiles(struct span s, uint32_t flags)
{
	PCRE2_SIZE where;
	int err;
	pcre2_code *code = pcre2_compile(
		(PCRE2_SPTR)s.p, s.n, flags | PCRE2_NEVER_BACKSLASH_C, &err, &where, NULL);

	pcre2_code_free(code);
	return code != NULL;
}

/* ---- the verdicts ---- */

static const struct regex_node *
without_wrapping(const struct regex_node *n)
{
	while (n->kind == REGEX_CAT && n->child && !n->child->next)
		n = n->child;
	return n;
}

/* Writes a tree without nodes that only wrap a single part. */
static void
dump(const struct regex_node *n, struct buf *b)
{
	n = without_wrapping(n);
	if (n->kind == REGEX_SET) {
		buf_printf(b, "[%llx %llx %llx %llx]", (unsigned long long)n->set[0],
			(unsigned long long)n->set[1], (unsigned long long)n->set[2],
			(unsigned long long)n->set[3]);
		return;
	}
	if (n->kind == REGEX_EDGE || (n->kind == REGEX_CAT && !n->child))
		return;
	buf_putc(b, "?(|{="[n->kind]);
	if (n->kind == REGEX_REPEAT)
		buf_printf(b, "%u,%u:", n->min, n->max < 0xFFFF ? n->max : 0xFFFF);
	if (n->kind == REGEX_LOOK)
		buf_printf(b, "%d%d:", n->behind, n->negative);
	for (const struct regex_node *x = n->child; x; x = x->next) {
		dump(x, b);
		buf_putc(b, ';');
	}
	buf_putc(b, ')');
}

static void
verdict_of_tree(struct span s, struct buf *out)
{
	struct arena a;
	struct buf b;
	struct regex re;

	if (!compiles(s, PCRE2_NEVER_UTF) || span_chr(s, 0) < s.n) {
		buf_str(out, "-");
		return;
	}
	arena_init(&a, 0, false);
	buf_init(&b, 0);
	bool read = regex_read(&a, s, REGEX_RULE, false, &re);
	if (!read) {
		buf_str(out, "?");
	} else {
		dump(re.root, &b);
		struct span v = buf_view(&b);
		buf_printf(out, "%08x", short_hash(fnv64_bytes(FNV64_BASIS, v.p, v.n)));
		if (pattern_digit_offset(re.root))
			buf_printf(out, " digit %u", pattern_digit_offset(re.root));
	}
	buf_free(&b);
	arena_reset(&a);
}

static void
verdict_of_own(struct span s, struct buf *out)
{
	struct arena a;
	struct regex_facts f;
	char why[200] = "";
	size_t at;

	arena_init(&a, 0, false);
	bool good = regex_study(&a, s, &f, why, &at);
	if (!compiles(s, f.utf ? PCRE2_UTF | PCRE2_UCP : 0)) {
		buf_str(out, "-");
	} else if (!good) {
		buf_printf(out, "%zu: %s", at, why);
	} else {
		uint64_t h = fnv64_bytes(FNV64_BASIS, f.regex, strlen(f.regex));
		for (size_t i = 0; i < f.nliterals; i++)
			h = fnv64_bytes(h, f.literals[i].p, f.literals[i].n);
		if (f.start == START_LITERAL && f.back)
			h = fnv64_bytes(h, f.back_set, sizeof(f.back_set));
		buf_printf(out, "%s%zu %s %u %s%u-%u %08x", f.utf ? "utf " : "", f.width,
			f.start == START_LITERAL  ? "literal"
			: f.start == START_DIGITS ? "digits"
						  : "anywhere",
			f.back, f.caseless ? "caseless " : "", f.digits[0], f.digits[1],
			short_hash(h));
	}
	arena_reset(&a);
}

static void
verdict_of_re2(struct span s, struct buf *out)
{
	struct arena a;
	const char *why = NULL;

	arena_init(&a, 0, false);
	struct regex re;
	if (!regex_read(&a, s, REGEX_RE2, true, &re)) {
		buf_printf(out, "%s\t-", re.why);
	} else if (!cel_regex_compile(&a, s, &why)) {
		buf_printf(out, "%s\t-", why);
	} else {
		const char *risk = cel_regex_risk(s);
		buf_printf(out, "%08x\t%s",
			short_hash(fnv64_bytes(FNV64_BASIS, re.text.p, re.text.n)),
			risk ? risk : "fine");
	}
	arena_reset(&a);
}

/* Writes prefilter TAB own TAB re2 TAB risk. */
static void
verdicts(struct span s, struct buf *out)
{
	verdict_of_tree(s, out);
	buf_putc(out, '\t');
	verdict_of_own(s, out);
	buf_putc(out, '\t');
	verdict_of_re2(s, out);
}

/* ---- generated patterns ---- */

struct maker {
	uint64_t state;
	char text[400];
	size_t n;
};

static size_t
pick(struct maker *m, size_t n)
{
	m->state ^= m->state << 13;
	m->state ^= m->state >> 7;
	m->state ^= m->state << 17;
	return (size_t)(m->state >> 11) % n;
}

static void
add(struct maker *m, const char *text)
{
	size_t n = strlen(text);

	if (m->n + n < sizeof(m->text)) {
		memcpy(m->text + m->n, text, n);
		m->n += n;
	}
}

#define ADD_ONE(m, list) add(m, list[pick(m, sizeof(list) / sizeof(list[0]))])

static const char *const characters[] = { "a", "b", "a", "x", "A", "Z", "k", "0", "7", "-", "_",
	" ", "/", ":", "ab", "foo", "FLCN", "key", "é", "ß", "]", "}", "{", ",", "\"", "<",
	"=" };
static const char *const escapes[] = { "\\d", "\\w", "\\s", "\\d", "\\w", "\\s", "\\D", "\\W",
	"\\S", "\\.", "\\-", "\\]", "\\\\", "\\n", "\\t", "\\r", "\\f", "\\x41", "\\x{e9}",
	"\\x{2028}", "\\pL", "\\p{Lu}", "\\p{Greek}", "\\PN" };
static const char *const outside[] = { "\\b", "\\b", "\\B", "\\A", "\\z", "\\Z", "^", "$", ".",
	".", ".", "\\h", "\\v", "\\a", "\\e", "\\R", "\\K", "\\G", "\\1", "\\0", "\\12",
	"\\012", "\\g{n}", "\\g{value}", "\\k<n>", "\\Qa*\\E", "\\Q.", "\\x", "\\xg", "\\x{",
	"\\q", "\\", "(?i)", "(?-i)", "(?s)", "(?m)", "(?x)", "(?U)", "(?im-s)", "(*UCP)",
	"(?R)", "(?1)" };
static const char *const inside[] = { "a-z", "A-Z", "0-9", "a-f", "x", "-", "_", ".", "é",
	"à-ü", "[:alpha:]", "[:digit:]", "[:^space:]", "[:punct:]", "[:foo:]", "[.a.]", "[",
	"^", "\\b", "\\x20-\\x7e", "\\--z", "a-\\d", "\\d-z", "!-~", "\\x{100}-\\x{200}", "\\h",
	"\\A", "z-a" };
static const char *const opens[] = { "(", "(", "(?:", "(?:", "(?:", "(?i:", "(?>", "(?<n>",
	"(?P<n>", "(?'n'", "(?<value>", "(?=", "(?!", "(?<=", "(?<!", "(?s-i:", "(?|", "(?#",
	"(?1x" };
static const char *const repeats[] = { "*", "+", "?", "*", "+", "?", "{2}", "{1,3}", "{0,5}",
	"{3,}", "{12}", "{0,40}", "{9,10}", "{,3}", "{2,1}", "{1001}", "*?", "+?", "??", "*+",
	"++", "{1,2}?", "{2}{3}", "**" };

static void
make_class(struct maker *m)
{
	add(m, "[");
	if (pick(m, 4) == 0)
		add(m, "^");
	if (pick(m, 12) == 0)
		add(m, "]");
	for (size_t i = 0, n = 1 + pick(m, 3); i < n; i++)
		switch (pick(m, 6)) {
		case 0: ADD_ONE(m, characters); break;
		case 1: ADD_ONE(m, escapes); break;
		default: add(m, inside[pick(m, pick(m, 3) ? 10 : 28)]);
		}
	add(m, "]");
}

static void make_alternatives(struct maker *m, unsigned depth);

static void
make_piece(struct maker *m, unsigned depth)
{
	switch (pick(m, depth < 3 ? 12 : 9)) {
	case 0:
	case 1: ADD_ONE(m, escapes); break;
	case 2:
	case 3: make_class(m); break;
	case 4:
		add(m, outside[pick(
			       m, pick(m, 4) ? 11 : sizeof(outside) / sizeof(outside[0]))]);
		break;
	case 9:
	case 10:
	case 11:
		add(m, opens[pick(m, pick(m, 4) ? 8 : sizeof(opens) / sizeof(opens[0]))]);
		make_alternatives(m, depth + 1);
		add(m, ")");
		break;
	default: ADD_ONE(m, characters);
	}
	if (pick(m, 5) < 2)
		add(m, repeats[pick(
			       m, pick(m, 4) ? 13 : sizeof(repeats) / sizeof(repeats[0]))]);
}

static void
make_alternatives(struct maker *m, unsigned depth)
{
	do {
		if (depth > 0 || pick(m, 8))
			for (size_t i = 0, n = 1 + pick(m, depth ? 3 : 5); i < n; i++)
				make_piece(m, depth);
		if (pick(m, 4))
			return;
		add(m, "|");
	} while (true);
}

/* In one of eight, a byte was removed, inserted or changed. */
static struct span
make_pattern(struct maker *m)
{
	m->n = 0;
	make_alternatives(m, 0);
	if (m->n && pick(m, 8) == 0) {
		size_t at = pick(m, m->n);
		switch (pick(m, 3)) {
		case 0: m->n = at; break;
		case 1: m->text[at] = "()[]{}?*+|\\^$-,:"[pick(m, 16)]; break;
		default: m->text[at] = (char)pick(m, 256);
		}
	}
	return span_of(m->text, m->n);
}

/* ---- checks ---- */

static void
hash_of_block(struct maker *m, struct buf *b)
{
	uint64_t h = FNV64_BASIS;
	struct buf line;

	buf_init(&line, 0);
	for (size_t i = 0; i < A_LINE; i++) {
		buf_clear(&line);
		verdicts(make_pattern(m), &line);
		struct span v = buf_view(&line);
		h = fnv64_bytes(h, v.p, v.n);
	}
	buf_printf(b, "%016llx", (unsigned long long)h);
	buf_free(&line);
}

static bool
next_line(FILE *f, char **text, size_t *room, struct span *line)
{
	ssize_t n = getline(text, room, f);

	*line = span_of(*text, n > 0 ? (size_t)n - 1 : 0);
	return n > 0;
}

static FILE *
open_data(struct maker *m)
{
	FILE *f = fopen(DATA, "r");

	*m = (struct maker){ .state = 88172645463325252u };
	if (!f)
		fail_msg("%s: cannot be read", DATA);
	return f;
}

/* PCRE2 10.45 and newer refuse \x without a digit. Most blocks of generated patterns contain
 * such patterns, so there only the file's own patterns without them are checked. */
static bool
newer_pcre2(void)
{
	return !compiles(SPAN_LIT("\\x+"), 0);
}

static bool
has_bare_x(struct span pattern)
{
	const char *x = memmem(pattern.p, pattern.n, "\\x", 2);

	return x &&
	       (x + 2 == pattern.p + pattern.n || !strchr("0123456789abcdefABCDEF{", x[2]));
}

static void
verdicts_are_unchanged(void **state)
{
	struct maker m;
	FILE *f = open_data(&m);
	char *text = NULL;
	size_t room = 0, made = 0, wrong = 0;
	struct span line;
	bool newer = newer_pcre2();

	(void)state;
	while (next_line(f, &text, &room, &line)) {
		struct buf b;
		struct span want = line, pattern = span_next(&want, '\t');
		bool made_up = span_is(pattern, "made up");
		if (newer && (made_up || has_bare_x(pattern))) {
			made += made_up ? A_LINE : 0;
			continue;
		}
		buf_init(&b, 0);
		if (made_up) {
			hash_of_block(&m, &b);
			made += A_LINE;
		} else {
			verdicts(pattern, &b);
		}
		if (!span_eq(buf_view(&b), want)) {
			print_message("%.*s\n  is   %.*s\n  want %.*s\n", SPAN_ARG(pattern),
				SPAN_ARG(buf_view(&b)), SPAN_ARG(want));
			wrong++;
		}
		buf_free(&b);
	}
	free(text);
	fclose(f);
	assert_int_equal(wrong, 0);
	assert_int_equal(made, MADE);
}

/* ---- printing ---- */

static void
print_line(const char *what, struct span pattern)
{
	struct buf b;

	buf_init(&b, 0);
	verdicts(pattern, &b);
	fputs(what, stdout);
	for (size_t i = 0; i < pattern.n; i++)
		printf(*what && (unsigned char)pattern.p[i] < ' ' ? "<%02x>" : "%c",
			pattern.p[i]);
	printf("\t%.*s\n", SPAN_ARG(buf_view(&b)));
	buf_free(&b);
}

static void
print_all(void)
{
	struct maker m;
	FILE *f = open_data(&m);
	char *text = NULL;
	size_t room = 0;
	struct span line;
	struct buf b;

	while (next_line(f, &text, &room, &line)) {
		struct span pattern = span_next(&line, '\t');
		if (!span_is(pattern, "made up"))
			print_line("", pattern);
	}
	free(text);
	fclose(f);
	buf_init(&b, 0);
	for (size_t i = 0; i < MADE / A_LINE; i++) {
		buf_clear(&b);
		hash_of_block(&m, &b);
		printf("made up\t%.*s\n", SPAN_ARG(buf_view(&b)));
	}
	m = (struct maker){ .state = 88172645463325252u };
	for (size_t i = 0; i < MADE; i++)
		print_line("made: ", make_pattern(&m));
	buf_clear(&b);
	struct detect_rules *r = detect_load(NULL, &b);
	for (size_t i = 0; r && i < r->npatterns; i++)
		print_line("rule: ", span_str(r->patterns[i].regex));
	detect_free(&r);
	buf_free(&b);
}

int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(verdicts_are_unchanged),
	};

	if (argc > 1 && !strcmp(argv[1], "print"))
		return print_all(), 0;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
