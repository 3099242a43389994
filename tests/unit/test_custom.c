/* A policy's own classes: words, dictionaries, patterns and fingerprints become findings like
 * those of the shipped detectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <wctype.h>

#include "base/codec/letters.h"
#include "scan/detect/custom/custom.h"
#include "scan/detect/custom/custom_regex.h"
#include "scan/detect/custom/custom_words.h"
#include "scan/detect/custom/dictionary.h"
#include "support/guard.h"
#include "support/policy_fix.h"

#define H POLICY_HEAD "classes:\n"

/* A search for only one of the found entities finds the same values of it, also where other
 * entities took precedence. */
static void
one_alone(const struct detect_rules *r, struct detect_scratch *s, struct detect_options opt,
	struct span text, const struct findings *all, uint16_t entity)
{
	uint64_t set[DETECT_ENTITIES_MAX / 64] = { 0 };
	struct findings found;
	struct arena a;
	size_t n = 0;

	set[entity / 64] |= UINT64_C(1) << (entity % 64);
	struct detect_used *used = detect_used_new(r, set, opt.thresholds);
	assert_non_null(used);
	opt.used = used;
	arena_init(&a, 0, false);
	assert_int_equal(detect_scan(r, s, text, &opt, &a, &found), 0);
	for (size_t i = 0; i < all->n; i++)
		if (all->v[i].entity == entity) {
			assert_true(n < found.n);
			assert_memory_equal(&found.v[n++], &all->v[i], sizeof(found.v[0]));
		}
	assert_int_equal(n, found.n);
	arena_reset(&a);
	detect_used_free(&used);
}

static struct findings
scan_text(const struct policy_fix *f, struct arena *a, struct span text)
{
	const struct detect_rules *r = f->own ? f->own : detect_fix()->rules;
	struct detect_options opt = { .thresholds = f->p->thresholds };
	struct findings found;
	struct detect_scratch *s = detect_scratch_new(r);

	assert_non_null(s);
	assert_int_equal(detect_scan(r, s, text, &opt, a, &found), 0);
	for (size_t i = 0; i < found.n && i < 3; i++)
		one_alone(r, s, opt, text, &found, found.v[i].entity);
	detect_scratch_free(&s);
	return found;
}

/* Writes "ENTITY[text] …". */
static void
write_found(const struct policy_fix *f, struct span text, struct buf *out)
{
	struct arena a;

	arena_init(&a, 0, false);
	char *flush = guard_dup(text.p, text.n);
	struct findings v = scan_text(f, &a, span_of(flush, text.n));
	for (size_t i = 0; i < v.n; i++)
		buf_printf(out, "%s%s[%.*s]", i ? " " : "",
			detect_entity_name(
				f->own ? f->own : detect_fix()->rules, v.v[i].entity),
			SPAN_ARG(span_cut(text, v.v[i].start, v.v[i].end)));
	buf_putc(out, 0);
	guard_free(flush, text.n);
	arena_reset(&a);
}

static const struct {
	const char *name, *classes, *text, *want;
} rows[] = {
	/* words */
	{ "a phrase in any case and with any separators", "  x: {words: [Project Falcon]}\n",
		"project falcon, PROJECT-FALCON, Project_\n  Falcon; projectfalcon",
		"X[project falcon] X[PROJECT-FALCON] X[Project_\n  Falcon]" },
	{ "whole words only", "  x: {words: [falcon]}\n", "falcons afalcon falcon2 falcon's",
		"X[falcon]" },
	{ "one word need not be a list", "  x: {words: falcon}\n", "falcon", "X[falcon]" },
	{ "case matters if configured", "  x: {words: [FaLCo], case: true}\n",
		"falco FALCO FaLCo", "X[FaLCo]" },
	{ "punctuation of a term counts", "  x: {words: [C++, .NET, AT&T]}\n",
		"C C++ c# .net NET at&t at t A T", "X[C++] X[.net] X[at&t]" },
	{ "Cyrillic, Greek and Latin letters fold",
		"  x: {words: [Проект Сокол, ΑΣ, straße]}\n", "ПРОЕКТ СОКОЛ ας STRAẞE",
		"X[ПРОЕКТ СОКОЛ] X[ας] X[STRAẞE]" },
	{ "scripts without spaces match inside a sentence",
		"  x: {words: [東京都, 프로젝트]}\n", "彼は東京都に住む. 프로젝트를 東京 都",
		"X[東京都] X[프로젝트]" },
	{ "the longest term wins, others keep what it leaves",
		"  x: {words: [new york, york city hall]}\n", "new york city hall",
		"X[new ] X[york city hall]" },
	{ "a Unicode dash or space separates", "  x: {words: [Project Falcon]}\n",
		"Project\xE2\x80\x91"
		"Falcon Project\xC2\xA0"
		"Falcon",
		"X[Project\xE2\x80\x91"
		"Falcon] X[Project\xC2\xA0"
		"Falcon]" },
	{ "an own word inside a shipped entity: both are found, nothing is left",
		"  x: {words: [falcon]}\n", "ada@falcon.example",
		"EMAIL_ADDRESS[ada@] X[falcon] EMAIL_ADDRESS[.example]" },
	{ "invalid UTF-8 ends a word, and goes with it", "  x: {words: [falcon]}\n",
		"\xFF"
		"falcon\xC3 falcon",
		"X[falcon\xC3] X[falcon]" },
	/* names and members */
	{ "the entity may have another name", "  x: {words: [falcon], entity: CODE_NAME}\n",
		"falcon", "CODE_NAME[falcon]" },
	{ "a class name in capitals", "  new-code.2: {words: [falcon]}\n", "falcon",
		"NEW_CODE_2[falcon]" },
	{ "two classes", "  x: {words: [falcon]}\n  y: {words: [eagle]}\n", "eagle falcon",
		"Y[eagle] X[falcon]" },
	{ "context may be needed",
		"  x: {words: [falcon], context: [codename], threshold: 0.8}\n",
		"the codename is falcon; and here, sixty-four bytes further down the line and "
		"then some, a falcon",
		"X[falcon]" },
	/* patterns */
	{ "a pattern", "  x: {patterns: ['FLCN-[0-9]{4}']}\n", "FLCN-1234 flcn-1234 FLCN-12",
		"X[FLCN-1234]" },
	{ "a character that few texts hold", "  x: {patterns: ['\\p{Sc}', '\\d{5}']}\n",
		"5 € and 12345", "X[€] X[12345]" },
	{ "a pattern without a literal", "  x: {patterns: ['[A-Z]{2}/\\d+x']}\n",
		"ab AB/12x CD/x", "X[AB/12x]" },
	{ "a literal behind the beginning", "  x: {patterns: ['[A-Z]{2}-FLCN']}\n",
		"AB-FLCN b-FLCN CAB-FLCN", "X[AB-FLCN] X[AB-FLCN]" },
	{ "alternatives of literals", "  x: {patterns: ['(?:FLCN|EAGLE)\\d']}\n",
		"FLCN1 EAGLE2", "X[FLCN1] X[EAGLE2]" },
	{ "a pattern without case", "  x: {patterns: ['(?i)top-?secret']}\n",
		"TopSecret TOP-SECRET", "X[TopSecret] X[TOP-SECRET]" },
	{ "digits from a run's beginning", "  x: {patterns: ['\\b\\d{4}-\\d{2}\\b']}\n",
		"1234-56 12345-67 a1234-56", "X[1234-56]" },
	{ "digits inside a run", "  x: {patterns: ['\\d{4}~\\d{2}']}\n", "123456~78",
		"X[3456~78]" },
	{ "letters outside ASCII are characters", "  x: {patterns: ['gr[öo]ße \\p{Lu}+']}\n",
		"größe ÜBER große X", "X[größe ÜBER] X[große X]" },
	{ "an open repetition stops somewhere", "  x: {patterns: ['FLCN-[a-z]+!?']}\n",
		"FLCN-abc!", "X[FLCN-abc!]" },
	{ "a percent sign may be repeated", "  x: {patterns: ['FLCN%{2}']}\n", "FLCN%%",
		"X[FLCN%%]" },
	{ "a character before a digit has more bytes than one",
		"  x: {patterns: ['FLCN[öäü]{3,6}\\d']}\n", "FLCNöäüöäü1", "X[FLCNöäüöäü1]" },
	{ "what may not be before it is a character, not its last byte",
		"  x: {patterns: ['(?<!ö)(?<![ö])FLCN\\d']}\n", "ĶFLCN1 öFLCN2", "X[FLCN1]" },
	{ "a group named value is the finding",
		"  x: {patterns: ['ticket (?<value>[A-Z]{3}\\d{3})']}\n", "ticket ABC123",
		"X[ABC123]" },
};

static void
custom_classes_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct policy_fix f;
		struct buf policy, got;
		buf_init(&policy, 0);
		buf_init(&got, 0);
		buf_printf(&policy, "%s%s", H, rows[i].classes);
		buf_putc(&policy, 0);
		if (!fix_load(&f, &fix_config, buf_view(&policy).p))
			fail_msg("%s: %.*s", rows[i].name, SPAN_ARG(buf_view(&f.d.text)));
		write_found(&f, span_str(rows[i].text), &got);
		if (strcmp(buf_view(&got).p, rows[i].want))
			fail_msg("%s: found %s", rows[i].name, buf_view(&got).p);
		buf_free(&got);
		buf_free(&policy);
		fix_done(&f);
	}
}

/* Returns true if the entity belongs to a class of the policy. */
static bool
member(const struct policy_fix *f, const char *class, const char *entity)
{
	int e = detect_entity_find(f->own, span_str(entity));

	for (size_t k = 0; e >= 0 && k < f->p->nclasses; k++)
		if (!strcmp(f->p->classes[k].name, class))
			return entity_in(&f->p->classes[k].entities, (size_t)e);
	return false;
}

static void
class_may_mix_custom_and_shipped_entities(void **state)
{
	struct policy_fix f;

	(void)state;
	fix_must_load(&f, H "  pii: {words: [falcon]}\n"
			    "  few: {words: [eagle], entities: [US_SSN, PII]}\n"
			    "  none: {entities: []}\n"
			    "  secret: {without: AWS_ACCESS_KEY}\n"
			    "detectors: {thresholds: {PII: 0.7}}\n"
			    "rules: [{name: r, redact: {classes: [few], entities: [FEW]}}]\n");
	assert_true(member(&f, "pii", "PII"));
	assert_true(member(&f, "pii",
		"EMAIL_ADDRESS")); /* without a list, the class keeps its own entities */
	assert_true(member(&f, "few", "FEW"));
	assert_true(member(&f, "few", "US_SSN"));
	assert_true(member(&f, "few", "PII"));
	assert_false(member(&f, "few", "EMAIL_ADDRESS"));
	assert_false(member(&f, "none", "FEW"));
	assert_false(member(&f, "secret", "AWS_ACCESS_KEY"));
	assert_true(member(&f, "secret", "GITHUB_TOKEN"));
	assert_float_equal(
		f.p->thresholds[detect_entity_find(f.own, SPAN_LIT("PII"))], 0.7f, 1e-6f);
	fix_done(&f);
}

/* ---- files ---- */

static char dir[] = "/tmp/test_custom.XXXXXX";

static const char *
write_file(const char *name, const char *text)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

/* Writes the version of a policy whose class x has these terms, or "" if it is refused, with
 * the reason in *errors. */
static void
version_with(const char *terms, const char *more, char version[65], struct buf *errors)
{
	struct policy_fix f;
	char text[512];

	snprintf(text, sizeof(text), H "  x: {dictionary: %s%s}\n", write_file("terms", terms),
		more);
	version[0] = 0;
	if (fix_load(&f, &fix_config, text))
		memcpy(version, f.p->version, 65);
	else if (errors)
		buf_span(errors, buf_view(&f.d.text));
	fix_done(&f);
}

static void
version_depends_on_the_terms(void **state)
{
	char a[65], b[65];

	(void)state;
	version_with("alpha beta\ngamma\n", "", a, NULL);
	version_with("# a list\ngamma\r\n\n  Alpha-Beta \ngamma", "", b, NULL);
	assert_string_not_equal(a, "");
	assert_string_equal(
		a, b); /* order, case, separators, comments and duplicates do not matter */
	version_with("alpha beta\ngamma\ndelta", "", b, NULL);
	assert_string_not_equal(a, b);
	version_with("alphabeta\ngamma", "", b, NULL);
	assert_string_not_equal(a, b);
	version_with("alpha beta\ngamma\n", ", case: true", b, NULL);
	assert_string_not_equal(a, b);
}

static const struct {
	const char *name, *terms, *want;
} refused[] = {
	{ "no term at all", "# nothing\n", ":6:19: dictionary: " },
	{ "bytes that are no UTF-8", "alpha\n\xFF\xFE\n", "terms:2:1: the term is not UTF-8" },
	{ "a term of one letter", "alpha\n\nx\n",
		"terms:3:1: x: a term needs at least two characters" },
	{ "a term without letters", "--++--\n", "terms:1:1: --++--: a term needs a letter" },
};

static void
invalid_term_is_named_by_file_and_line(void **state)
{
	char version[65];

	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct buf errors;
		buf_init(&errors, 0);
		version_with(refused[i].terms, "", version, &errors);
		buf_putc(&errors, 0);
		if (version[0] || !strstr(buf_view(&errors).p, refused[i].want))
			fail_msg("%s: %s", refused[i].name, buf_view(&errors).p);
		buf_free(&errors);
	}
}

/* ---- a hundred thousand terms ---- */

static size_t
put_term(char to[64], unsigned i)
{
	return (size_t)snprintf(to, 64, "Unit%u Section%u%s", i % 971, i, i % 3 ? "" : " West");
}

static int
count_hit(void *arg, const struct dictionary_hit *hit)
{
	size_t *n = arg;

	(void)hit;
	++*n;
	return 0;
}

static size_t
count_hits(const struct dictionary *d, struct span text)
{
	struct word_cursor c = words_over(text);
	struct text_word w, next;
	size_t n = 0;

	for (bool more = word_next(&c, &w); more; w = next) {
		more = word_next(&c, &next);
		if (hash_bits_may(dictionary_first(d), w.hash))
			assert_int_equal(dictionary_search(d, text, &w, more ? &next : NULL,
						 count_hit, &n),
				0);
	}
	return n;
}

static void
all_of_a_hundred_thousand_terms_are_found(void **state)
{
	struct dictionary *d = dictionary_new();
	char term[64];
	struct buf text;

	(void)state;
	buf_init(&text, 0);
	for (unsigned i = 0; i < 100000; i++) {
		assert_int_equal(
			dictionary_add(d, span_of(term, put_term(term, i)), 1, false), 0);
		buf_put(&text, term, put_term(term, i));
		buf_str(&text, i % 2 ? ", " : "\n");
	}
	assert_int_equal(dictionary_add(d, SPAN_LIT("unit5  SECTION5"), 1, false), 1);
	assert_int_equal(dictionary_finish(d), 0);
	assert_int_equal(dictionary_terms(d), 100000);
	assert_true(dictionary_bytes(d) < 16 << 20);
	assert_int_equal(count_hits(d, buf_view(&text)), 100000);
	buf_clear(&text);
	sample_text(&text, 1 << 20);
	assert_int_equal(count_hits(d, buf_view(&text)), 0);
	buf_free(&text);
	dictionary_free(&d);
}

/* A text that follows a term almost to its end, from every word on. A look-up ends after the
 * words of the longest term, whatever follows. */
static void
near_match_of_a_long_term_costs_a_bounded_lookup(void **state)
{
	enum {
		WORDS = 100000,
		AHEAD = (TERM_WORDS + 1) * sizeof("an") + GLUE_BYTES + TERM_BYTES
	};
	struct dictionary *d = dictionary_new();
	struct text_word w, next;
	struct buf text;
	size_t hits = 0;

	(void)state;
	buf_init(&text, 0);
	for (size_t i = 1; i < TERM_WORDS; i++)
		buf_str(&text, "an ");
	buf_str(&text, "end");
	assert_int_equal(dictionary_add(d, buf_view(&text), 1, false), 0);
	assert_int_equal(dictionary_finish(d), 0);
	buf_clear(&text);
	for (int i = 0; i < WORDS; i++)
		buf_str(&text, "an ");
	/* Bytes further ahead cannot be read. */
	char *near = guard_dup(text.p, AHEAD);
	struct span far = span_of(near, text.n);
	struct word_cursor c = words_over(far);
	assert_true(word_next(&c, &w) && word_next(&c, &next));
	assert_int_equal(dictionary_search(d, far, &w, &next, count_hit, &hits), 0);
	assert_int_equal(hits, 0);
	assert_true(dictionary_may_continue(d, span_cut(far, 0, 3 * 10 + 1), &w));
	assert_false(dictionary_may_continue(d, far, &w));
	guard_free(near, AHEAD);
	assert_int_equal(count_hits(d, buf_view(&text)), 0);
	buf_free(&text);
	dictionary_free(&d);
}

/* ---- letters ---- */

static void
case_folding_equals_the_c_library(void **state)
{
	size_t folded = 0;

	(void)state;
	if (!setlocale(LC_CTYPE, "C.UTF-8"))
		skip();
	for (uint32_t cp = 0x80; cp < 0x2000; cp++) {
		uint32_t small = letters_lower(cp);
		bool own = cp == 0x130 || cp == 0x17F || cp == 0x3C2 || cp == 0x1E9E;
		if (small != cp && !own && small != (uint32_t)towlower((wint_t)cp))
			fail_msg("U+%04X folds to U+%04X", cp, small);
		folded += small != cp;
		/* the alphabets that the header names, completely */
		bool ours = (cp < 0x180 || (cp >= 0x386 && cp < 0x3CF) ||
			     (cp >= 0x400 && cp < 0x530) || (cp >= 0x531 && cp < 0x557));
		if (ours && small == cp && (uint32_t)towlower((wint_t)cp) != cp)
			fail_msg("U+%04X has a small letter and does not fold", cp);
	}
	setlocale(LC_CTYPE, "C");
	assert_true(folded > 400);
}

/* ---- properties of a pattern ---- */

static const struct {
	const char *regex;
	enum start_kind start;
	const char *literal; /* its first literal */
	size_t back;
} studied[] = {
	{ "FLCN-[0-9]{4}", START_LITERAL, "FLCN-", 0 },
	{ "\\bFLCN-\\d+", START_LITERAL, "FLCN-", 0 },
	{ "[A-Z]{2}-FLCN", START_LITERAL, "-FLCN", 2 },
	{ "(?i)Falcon\\d", START_LITERAL, "falcon", 0 },
	{ "(?i:fal)CON", START_LITERAL, "fal", 0 },
	{ "(FLCN|EAGLE)\\d", START_LITERAL, "FLCN", 0 },
	{ "(FLCN|EA)\\d", START_ANYWHERE, NULL, 0 },
	{ "[A-Z]{2,3}-FLCN", START_ANYWHERE, NULL, 0 },
	{ "FLCNX?[0-9]", START_LITERAL, "FLCN", 0 },
	{ "FL?CNabc", START_ANYWHERE, NULL, 0 },
	{ "größe", START_LITERAL, "größe", 0 },
	{ "(?i)größe", START_ANYWHERE, NULL, 0 },
	{ "\\x46\\x4c\\x43", START_LITERAL, "FLC", 0 },
	{ "\\b\\d{4}-\\d{2}", START_DIGITS, NULL, 0 },
	{ "(?<!\\d)\\d{4}(?!\\d)", START_DIGITS, NULL, 0 },
	{ "\\d{4}-\\d{2}", START_ANYWHERE, NULL, 0 },
	{ "\\b\\d{4}\\d?-", START_ANYWHERE, NULL, 0 },
	{ "ab|cd", START_ANYWHERE, NULL, 0 },
};

static void
pattern_has_its_possible_beginnings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(studied) / sizeof(studied[0]); i++) {
		struct arena a;
		struct regex_facts f;
		char why[200] = "";
		size_t at;
		arena_init(&a, 0, false);
		if (!regex_study(&a, span_str(studied[i].regex), &f, why, &at) ||
			f.start != studied[i].start || f.back != studied[i].back ||
			(studied[i].literal && !span_is(f.literals[0], studied[i].literal)))
			fail_msg("%s: start %d, back %u, literal %.*s %s", studied[i].regex,
				(int)f.start, f.back, SPAN_ARG(f.literals[0]), why);
		arena_reset(&a);
	}
}

static const struct {
	const char *regex, *why; /* NULL: accepted */
} costly[] = {
	{ "(a+)+$", "ways at one position" },
	{ "(.*)*x", "ways at one position" },
	{ "(a|aa)+b", "ways at one position" },
	{ "(a|a)*b", "ways at one position" },
	{ "(?:\\w+\\s?)*x", "ways at one position" },
	{ "a*a*a*b", "ways at one position" },
	{ "A.*B.*C", "ways at one position" },
	{ "(x{0,59}y?){0,60}z", "ways at one position" },
	{ "[a-z]{5000}", "a match may have 5000 bytes" },
	{ "([a-z]{100}-){100}", "a match may have 10100 bytes" },
	{ "a*", "the pattern matches the empty text" },
	{ "(?=abc)", "the pattern matches the empty text" },
	{ "(a)\\1", "references" },
	{ "(?R)", "this group" },
	{ "(?(1)a|b)", "this group" },
	{ "(*LIMIT_MATCH=1)abc", "verbs" },
	{ "ab\\Kcd", "this escape" },
	{ "\\Qa*b\\E", "this escape" },
	{ "[[:foo:]]+x", NULL },
	{ "A.*B", NULL },
	{ "[a-z]+@[a-z]+\\.[a-z]+", NULL },
	{ "(?:[a-z]+\\.)+com", NULL },
	{ "\"[^\"]*\"", NULL },
	{ "key\\s*[:=]\\s*\\S+", NULL },
	{ "(?:foo|bar)+x", NULL },
	{ "(?>a+)b{2,}", NULL },
	{ "(?<name>a{2})|(?P<other>b{2})", NULL },
	{ "a{3}{", NULL },
};

static void
patterns_with_exponential_matching_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(costly) / sizeof(costly[0]); i++) {
		struct arena a;
		struct regex_facts f;
		char why[200] = "";
		size_t at;
		arena_init(&a, 0, false);
		bool good = regex_study(&a, span_str(costly[i].regex), &f, why, &at);
		if (good != (costly[i].why == NULL) ||
			(costly[i].why && !strstr(why, costly[i].why)))
			fail_msg("%s: %s", costly[i].regex, good ? "accepted" : why);
		arena_reset(&a);
	}
}

/* ---- fingerprints ---- */

static const char document[] =
	"The parties agree that the supplier delivers the turbine blades listed in annex four "
	"before the first day of the third quarter, free of charges for transport and customs. "
	"Where a blade shows cracks within ninety days, the supplier replaces it at its own "
	"cost "
	"and bears the expense of standstill up to the amount named in clause eleven. Neither "
	"party discloses drawings, alloys or tolerances to others, during the term of this "
	"agreement and for seven years after it ends, unless a court orders them to do so.";

static void
load_prints(struct policy_fix *f, const char *more)
{
	struct buf list;
	char text[512];

	buf_init(&list, 0);
	buf_str(&list, FINGERPRINT_HEAD "\n");
	assert_true(fingerprint_make(span_str(document), &list) >= 12);
	buf_putc(&list, 0);
	snprintf(text, sizeof(text), H "  contract: {fingerprints: %s%s}\n",
		write_file("prints", buf_view(&list).p), more);
	buf_free(&list);
	fix_must_load(f, text);
}

static void
copied_passage_is_found(void **state)
{
	struct policy_fix f;
	struct arena a;
	struct buf text;

	(void)state;
	load_prints(&f, "");
	arena_init(&a, 0, false);
	buf_init(&text, 0);
	buf_str(&text,
		"Please say in plain words what the following means for us as a buyer: ");
	size_t from = text.n;
	/* forty words of it, in capitals, one word per line */
	const char *p = strstr(document, "Where a blade");
	for (unsigned words = 0; words < 40; p++) {
		buf_putc(&text, *p == ' '		 ? '\n'
				: *p >= 'a' && *p <= 'z' ? (char)(*p - 32)
							 : *p);
		words += *p == ' ';
	}
	size_t to = text.n;
	buf_str(&text, "and then tell me whether that is what other companies would sign too.");
	struct findings v = scan_text(&f, &a, buf_view(&text));
	assert_int_equal(v.n, 1);
	assert_string_equal(detect_entity_name(f.own, v.v[0].entity), "CONTRACT");
	assert_true(v.v[0].score > 0.9f);
	/* winnowing may omit up to seven words at either end */
	assert_true(v.v[0].start >= from && v.v[0].start < from + 60);
	assert_true(v.v[0].end <= to && v.v[0].end > to - 60);
	buf_free(&text);
	arena_reset(&a);
	fix_done(&f);
}

static void
other_text_and_short_quotes_are_not_found(void **state)
{
	struct policy_fix f;
	struct arena a;
	struct buf text;

	(void)state;
	load_prints(&f, "");
	arena_init(&a, 0, false);
	buf_init(&text, 0);
	for (int i = 0; i < 1000; i++)
		buf_str(&text, "0 0 0 0 0 0 0 0 0 ");
	buf_str(&text, "the supplier delivers the turbine blades listed in annex four or not");
	sample_text(&text, 100000);
	struct findings v = scan_text(&f, &a, buf_view(&text));
	for (size_t i = 0; i < v.n; i++)
		assert_string_not_equal(detect_entity_name(f.own, v.v[i].entity), "CONTRACT");
	buf_free(&text);
	arena_reset(&a);
	fix_done(&f);
}

static void
finding_within_a_known_passage_counts(void **state)
{
	struct policy_fix f;
	struct arena a;
	struct buf text;
	bool email = false, contract = false;

	(void)state;
	load_prints(&f, "");
	arena_init(&a, 0, false);
	buf_init(&text, 0);
	const char *middle = strstr(document, "Neither");
	buf_put(&text, document, (size_t)(middle - document));
	buf_str(&text, "(ada@example.org) ");
	buf_str(&text, middle);
	struct findings v = scan_text(&f, &a, buf_view(&text));
	for (size_t i = 0; i < v.n; i++) {
		email |= !strcmp(detect_entity_name(f.own, v.v[i].entity), "EMAIL_ADDRESS");
		contract |= !strcmp(detect_entity_name(f.own, v.v[i].entity), "CONTRACT");
	}
	assert_true(email && contract);
	buf_free(&text);
	arena_reset(&a);
	fix_done(&f);
}

static void
invalid_fingerprint_list_is_refused(void **state)
{
	static const struct {
		const char *list, *want;
	} lists[] = { { "", ":1:1: \"# tollgate fingerprints 1\" is expected" },
		{ FINGERPRINT_HEAD "\n", ":6:21: fingerprints: " },
		{ FINGERPRINT_HEAD "\n0123\n", "prints:2:1: 16 hexadecimal digits" },
		{ FINGERPRINT_HEAD "\n\n0123456789abcdeg\n", "prints:3:1: 16 hexadecimal" } };
	struct policy_fix f;
	char text[512];

	(void)state;
	for (size_t i = 1; i < sizeof(lists) / sizeof(lists[0]); i++) {
		snprintf(text, sizeof(text), H "  x: {fingerprints: %s}\n",
			write_file("prints", lists[i].list));
		assert_null(fix_load(&f, &fix_config, text));
		buf_putc(&f.d.text, 0);
		if (!strstr(buf_view(&f.d.text).p, lists[i].want))
			fail_msg("%s: %s", lists[i].want, buf_view(&f.d.text).p);
		fix_done(&f);
	}
}

static int
setup(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

static int
teardown(void **state)
{
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/terms", dir);
	unlink(path);
	snprintf(path, sizeof(path), "%s/prints", dir);
	unlink(path);
	return rmdir(dir);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(custom_classes_are_found),
		cmocka_unit_test(class_may_mix_custom_and_shipped_entities),
		cmocka_unit_test(version_depends_on_the_terms),
		cmocka_unit_test(invalid_term_is_named_by_file_and_line),
		cmocka_unit_test(all_of_a_hundred_thousand_terms_are_found),
		cmocka_unit_test(near_match_of_a_long_term_costs_a_bounded_lookup),
		cmocka_unit_test(case_folding_equals_the_c_library),
		cmocka_unit_test(pattern_has_its_possible_beginnings),
		cmocka_unit_test(patterns_with_exponential_matching_are_refused),
		cmocka_unit_test(copied_passage_is_found),
		cmocka_unit_test(other_text_and_short_quotes_are_not_found),
		cmocka_unit_test(finding_within_a_known_passage_counts),
		cmocka_unit_test(invalid_fingerprint_list_is_refused),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
