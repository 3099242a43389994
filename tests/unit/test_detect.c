/* The shipped rules: their own examples, and properties of the engine that do not depend on the
 * rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/caps.h"
#include "base/err.h"
#include "scan/detect/engine.h"
#include "scan/detect/info.h"
#include "support/detect_fix.h"

/* Writes "ENTITY value|ENTITY value|". */
static void
describe(struct detect_fix *f, struct span text, const struct findings *v, struct buf *out)
{
	for (size_t i = 0; i < v->n; i++)
		buf_printf(out, "%s %.*s|", detect_entity_name(f->rules, v->v[i].entity),
			SPAN_ARG(span_cut(text, v->v[i].start, v->v[i].end)));
}

static void
expect(struct detect_fix *f, const char *name, struct span text, const char *before,
	const char *want)
{
	struct detect_options opt = { .before = span_str(before) };
	struct findings v;
	struct buf got;

	buf_init(&got, 0);
	assert_int_equal(detect_fix_scan(f, text, &opt, &v), 0);
	describe(f, text, &v, &got);
	if (!span_is(buf_view(&got), want))
		fail_msg("%s: got %.*s", name, SPAN_ARG(buf_view(&got)));
	buf_free(&got);
	arena_reset(&f->arena);
}

static void
examples_of_every_rule_are_found(void **state)
{
	struct detect_fix *f = *state;
	struct buf errors;

	buf_init(&errors, 0);
	int failed = detect_self_test(f->rules, &errors);
	if (failed)
		fail_msg("%d:\n%.*s", failed, SPAN_ARG(buf_view(&errors)));
	buf_free(&errors);
}

static const struct {
	const char *name, *text, *before, *want;
} rows[] = {
	{ "nothing is found in nothing", "", "", "" },
	{ "all entities in one text",
		"Ada <ada@example.org>, +44 20 7946 0958, SSN 308-63-0237, card 4716 3791 4202 "
		"1968, "
		"DE89370400440532013000, from 81.2.69.142 with AKIAQNZGKIQY56JQ7WML",
		"",
		"EMAIL_ADDRESS ada@example.org|PHONE_NUMBER +44 20 7946 0958|US_SSN "
		"308-63-0237|"
		"CREDIT_CARD 4716 3791 4202 1968|IBAN_CODE DE89370400440532013000|"
		"IP_ADDRESS 81.2.69.142|AWS_ACCESS_KEY AKIAQNZGKIQY56JQ7WML|" },
	{ "a context word counts whole: tel is not in hotel", "the hotel 2125550143", "", "" },
	{ "a context word counts whole: ring is not in string", "string 2125550143", "", "" },
	{ "a context word counts after the value", "2125550143 (mobile)", "",
		"PHONE_NUMBER 2125550143|" },
	{ "a plural is the same word", "phones 2125550143", "", "PHONE_NUMBER 2125550143|" },
	{ "snake_case holds words", "home_phone_1=2125550143", "", "PHONE_NUMBER 2125550143|" },
	{ "camelCase holds words", "homePhone 2125550143", "", "PHONE_NUMBER 2125550143|" },
	{ "the JSON key is context", "308630237", "applicantSsn", "US_SSN 308630237|" },
	{ "another JSON key is none", "308630237", "applicantNumber", "" },
	{ "a JSON key can speak against it", "308-63-0237", "tracking_number", "" },
	{ "context ends at 64 bytes",
		"phone ................................................................. "
		"2125550143",
		"", "" },
	{ "context reaches 64 bytes",
		"phone ......................................................... 2125550143",
		"", "PHONE_NUMBER 2125550143|" },
	{ "the nearer of two contexts counts", "by phone your order 2125550143", "", "" },
	{ "what speaks against a value stands in its clause", "order 17, 212-555-0143", "",
		"PHONE_NUMBER 212-555-0143|" },
	{ "validated wins over longer", "password=4716379142021968", "",
		"CREDIT_CARD 4716379142021968|" },
	{ "what a secret does not share with the winner stays hidden",
		"password=ada@corp.net:Tr0ub4dor", "",
		"EMAIL_ADDRESS ada@corp.net|GENERIC_SECRET :Tr0ub4dor|" },
	{ "a second table directly below the first has its own header",
		"passport number,note\nX30000001,ok\nnote,passport number\nok,X30000002\n", "",
		"US_PASSPORT X30000001|US_PASSPORT X30000002|" },
	{ "a JWT in a header is found once",
		"Authorization: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "",
		"JWT eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl|" },
	{ "a key alone as a JSON value is a secret", "Zf3D0LXCM3EIMbgJpUNnkRtOfOueHznB",
		"client_secret", "GENERIC_SECRET Zf3D0LXCM3EIMbgJpUNnkRtOfOueHznB|" },
	{ "the same value under a harmless key is none", "Zf3D0LXCM3EIMbgJpUNnkRtOfOueHznB",
		"public_key", "" },
	{ "half a character before a value stays out of its key", "\x80\x80Tr0ub4dor&3xyz",
		"password", "GENERIC_SECRET \x80\x80Tr0ub4dor&3xyz|" },
	{ "the sentence's full stop stays", "My e-mail: ada@example.org. My IP: 10.1.2.3.", "",
		"EMAIL_ADDRESS ada@example.org|SPECIAL_IP_ADDRESS 10.1.2.3|" },
	{ "the product that printed a PDF, as extraction reports it, is no address",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
		"HeadlessChrome/131.0.6778.85 Safari/537.36\nSkia/PDF m131\n",
		"", "" },
	{ "a range of versions is no address", "\"lib\": \"^81.2.69.14\", foo ~> 81.2.69.15",
		"", "" },
	{ "two values side by side", "ada@example.org,bob@example.org;81.2.69.7", "",
		"EMAIL_ADDRESS ada@example.org|EMAIL_ADDRESS bob@example.org|IP_ADDRESS "
		"81.2.69.7|" },
	{ "characters of several bytes stay whole", "é4716379142021968é", "",
		"CREDIT_CARD 4716379142021968|" },
	{ "a card after a number that is none", "1234 4716 3791 4202 1968", "",
		"CREDIT_CARD 4716 3791 4202 1968|" },
	{ "a number in a UUID is none", "card f47ac10b-58cc-4372-8567-471637914202", "", "" },
};

static void
entities_are_found_in_common_spellings(void **state)
{
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		expect(*state, rows[i].name, span_str(rows[i].text), rows[i].before,
			rows[i].want);
}

static void
findings_move_with_the_surrounding_text(void **state)
{
	struct detect_fix *f = *state;
	static const char value[] = "4716 3791 4202 1968";
	char text[256];

	for (size_t at = 0; at < 200; at++) {
		memset(text, '.', sizeof(text));
		memcpy(text + at, value, sizeof(value) - 1);
		text[at ? at - 1 : 0] = at ? ' ' : text[0];
		expect(f, "moved", span_of(text, at + sizeof(value) - 1), "",
			"CREDIT_CARD 4716 3791 4202 1968|");
	}
}

static void
thresholds_replace_those_of_the_rules(void **state)
{
	struct detect_fix *f = *state;
	float t[DETECT_ENTITIES_MAX];
	struct detect_options opt = { .thresholds = t };
	struct findings v;
	struct span text = SPAN_LIT("2125550143 ada@example.org");

	for (size_t i = 0; i < detect_entity_count(f->rules); i++)
		t[i] = detect_entity_threshold(f->rules, i);
	int phone = detect_entity_find(f->rules, SPAN_LIT("PHONE_NUMBER"));
	int mail = detect_entity_find(f->rules, SPAN_LIT("EMAIL_ADDRESS"));
	assert_true(phone >= 0 && mail >= 0);
	t[phone] = 0.2f;
	t[mail] = 1.1f; /* never reached, so the entity is off */
	assert_int_equal(detect_scan(f->rules, f->scratch, text, &opt, &f->arena, &v), 0);
	assert_int_equal(v.n, 1);
	assert_int_equal(v.v[0].entity, phone);
	arena_reset(&f->arena);
}

static void
documented_samples_are_found_and_marked(void **state)
{
	static const struct {
		const char *text;
		bool sample, validated;
	} samples[] = {
		{ "4111-1111-1111-1111", true, true },
		{ "4716379142021968", false, true },
		{ "078-05-1120", true, false },
		{ "308-63-0237", false, false },
		{ "GB82 WEST 1234 5698 7654 32", true, true },
		{ "AKIAIOSFODNN7EXAMPLE", true, false },
	};
	struct detect_fix *f = *state;
	struct findings v;

	for (size_t i = 0; i < sizeof(samples) / sizeof(samples[0]); i++) {
		assert_int_equal(detect_scan(f->rules, f->scratch, span_str(samples[i].text),
					 NULL, &f->arena, &v),
			0);
		assert_int_equal(v.n, 1);
		assert_int_equal(!!(v.v[0].flags & FINDING_SAMPLE), samples[i].sample);
		assert_int_equal(!!(v.v[0].flags & FINDING_VALIDATED), samples[i].validated);
	}
	arena_reset(&f->arena);
}

static struct span
repeated(const char *what, size_t n)
{
	size_t len = strlen(what);
	char *p = malloc(n);

	assert_non_null(p);
	for (size_t i = 0; i < n; i++)
		p[i] = what[i % len];
	return span_of(p, n);
}

/* The time is linear: for a megabyte, work that grows with the square would exceed the test's
 * time limit. */
static void
hostile_text_takes_linear_time(void **state)
{
	static const char *const patterns[] = { "1234567890", "1 ", "1.1.1.", "4111 ", "a@",
		"a:", "+1 ", "key", "key=", "a_token_key:", "password=", "eyJ", "eyJ.",
		"a://b:", " -u a:", "-----BEGIN PRIVATE KEY-----", "00", "sk-", "(1", "@",
		"::", "--user" };
	struct detect_fix *f = *state;

	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct span text = repeated(patterns[i], 1 << 20);
		struct findings v;
		int err = detect_scan(f->rules, f->scratch, text, NULL, &f->arena, &v);
		assert_true(err == 0 || err == ERR_LIMIT);
		free((void *)(uintptr_t)text.p);
		arena_reset(&f->arena);
	}
}

static void
too_many_findings_are_an_error(void **state)
{
	struct detect_fix *f = *state;
	struct span text = repeated("a@bc.de ", 8 * (CAP_FINDINGS + 1));
	struct findings v = { .v = (void *)1, .n = 7 };

	assert_int_equal(
		detect_scan(f->rules, f->scratch, text, NULL, &f->arena, &v), ERR_LIMIT);
	assert_int_equal(v.n, 0);
	arena_reset(&f->arena);
	text.n -= 8;
	assert_int_equal(detect_scan(f->rules, f->scratch, text, NULL, &f->arena, &v), 0);
	assert_int_equal(v.n, CAP_FINDINGS);
	arena_reset(&f->arena);
	free((void *)(uintptr_t)text.p);
}

static void
full_arena_is_an_error_of_the_scan(void **state)
{
	struct detect_fix *f = *state;
	struct arena small;
	struct findings v;

	arena_init(&small, 16, false);
	assert_int_equal(detect_scan(f->rules, f->scratch, SPAN_LIT("ada@example.org"), NULL,
				 &small, &v),
		ERR_NOMEM);
	arena_reset(&small);
}

/* One number of 32 MB, and the same after a key without an end: the scan passes each byte
 * once. */
static void
number_of_32_megabytes_is_scanned_once(void **state)
{
	static const char *const heads[] = { "", "-----BEGIN PRIVATE KEY-----\n" };
	struct detect_fix *f = *state;

	for (size_t i = 0; i < 2; i++) {
		struct span text = repeated("1234567890", 32 << 20);
		memcpy((char *)(uintptr_t)text.p, heads[i], strlen(heads[i]));
		f->scratch->n = 0;
		assert_int_equal(rules_scan(f->rules, f->scratch, text, NULL), 0);
		free((void *)(uintptr_t)text.p);
	}
}

static void
a_key_without_end_is_covered_but_bounded(void **state)
{
	struct detect_fix *f = *state;
	struct buf text;
	struct findings v;

	static const struct {
		int lines;
		size_t covered;
	} keys[] = { { 3000, 195031 }, { 20000, 1 << 20 } };

	for (size_t k = 0; k < sizeof(keys) / sizeof(keys[0]); k++) {
		buf_init(&text, 0);
		buf_str(&text, "-----BEGIN RSA PRIVATE KEY-----\n");
		for (int i = 0; i < keys[k].lines; i++)
			buf_str(&text, "MIIEpAIBAAKCAQEAx4UbaDzY5xjW6hc9jwN0mX33XpTDVJmrJ8AAAAA"
				       "AAAAAAAAA\n");
		assert_int_equal(
			detect_scan(f->rules, f->scratch, buf_view(&text), NULL, &f->arena, &v),
			0);
		assert_int_equal(v.n, 1);
		assert_int_equal(v.v[0].start, 0);
		assert_in_range(v.v[0].end, keys[k].covered, keys[k].covered + 2000);
		arena_reset(&f->arena);
		buf_free(&text);
	}
}

/* ---- rules of one's own ---- */

static const char *
rule_dir(const char *rule)
{
	static char dir[64];
	char file[128];

	snprintf(dir, sizeof(dir), "/tmp/test_detect.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(file, sizeof(file), "%s/r.yaml", dir);
	FILE *w = fopen(file, "w");
	assert_non_null(w);
	fputs(rule, w);
	fclose(w);
	return dir;
}

static void
remove_dir(const char *dir)
{
	char file[128];

	snprintf(file, sizeof(file), "%s/r.yaml", dir);
	unlink(file);
	rmdir(dir);
}

#define HEAD "entity: X\nclass: mine\nsource: a test\n"
#define TAIL "examples: {match: [FLCN-1234]}\n"

static void
match_limit_is_an_error_and_never_a_miss(void **state)
{
	static const char rule[] = HEAD
		"patterns:\n  - {regex: '(?:a|aa)+(?:a|aa)+[bc]', score: 0.9, start: "
		"anywhere}\n"
		"  - {regex: 'FLCN-[0-9]{4}', score: 0.9, start: {literals: [FLCN-]}}\n" TAIL;
	struct buf errors;
	struct arena a;
	struct findings v;

	(void)state;
	buf_init(&errors, 0);
	arena_init(&a, 0, false);
	const char *dir = rule_dir(rule);
	struct detect_rules *r = detect_load(dir, &errors);
	if (!r)
		fail_msg("%.*s", SPAN_ARG(buf_view(&errors)));
	struct detect_scratch *s = detect_scratch_new(r);
	struct span text = repeated("a", 5000);
	assert_int_equal(detect_scan(r, s, SPAN_LIT("x FLCN-1234 x"), NULL, &a, &v), 0);
	assert_int_equal(v.n, 1);
	assert_string_equal(detect_entity_class(r, v.v[0].entity), "mine");
	assert_int_equal(detect_scan(r, s, text, NULL, &a, &v), ERR_LIMIT);
	free((void *)(uintptr_t)text.p);
	detect_scratch_free(&s);
	detect_free(&r);
	remove_dir(dir);
	arena_reset(&a);
	buf_free(&errors);
}

static const struct {
	const char *name, *rule, *want;
} mistakes[] = {
	{ "an unknown key",
		HEAD "colour: red\npatterns: [{regex: a, score: 1, start: anywhere}]\n" TAIL,
		"r.yaml:4:1: unknown key `colour`" },
	{ "a pattern that does not compile",
		HEAD "patterns: [{regex: '(', score: 1, start: anywhere}]\n" TAIL,
		"r.yaml:4:20: regex: missing closing parenthesis at offset 1" },
	{ "a short literal",
		HEAD "patterns: [{regex: ab, score: 1, start: {literals: [ab]}}]\n" TAIL,
		"a literal needs at least 3 bytes" },
	{ "no start", HEAD "patterns: [{regex: ab, score: 1}]\n" TAIL,
		"a pattern needs regex, start and a score" },
	{ "an unknown check",
		HEAD "check: luhm\npatterns: [{regex: a, score: 1, start: anywhere}]\n" TAIL,
		"unknown check; give one of ip, ip_special" },
	{ "an undefined piece",
		HEAD "patterns: [{regex: '%{s}a', score: 1, start: anywhere}]\n" TAIL,
		"%{s} is not defined" },
	{ "a score that is none",
		HEAD "patterns: [{regex: a, score: high, start: anywhere}]\n" TAIL,
		"score must be a number from 0 to 1" },
	{ "a missing part", "entity: X\nclass: c\npatterns: []\n" TAIL,
		"a rule needs `source`" },
	{ "a lower-case name", "entity: x y\nclass: c\nsource: s\npatterns: []\n" TAIL,
		"r.yaml:1:9: an entity's name is UPPER_CASE" },
	{ "an unknown general entity",
		HEAD "is: [Y]\npatterns: [{regex: a, score: 1, start: anywhere}]\n" TAIL,
		"r.yaml:4:6: is: Y has no rule" },
	{ "a general entity that is no list",
		HEAD "is: Y\npatterns: [{regex: a, score: 1, start: anywhere}]\n" TAIL,
		"r.yaml:4:5: is must be a list" },
	{ "an entity that contains itself",
		HEAD "is: [X]\npatterns: [{regex: a, score: 1, start: anywhere}]\n" TAIL,
		"is: X contains itself" },
	{ "a tool without its manual", HEAD "tools: [{tools: [shopctl], options: [-w]}]\n" TAIL,
		"r.yaml:4:9: a tool needs `manual`" },
	{ "a tool with an unknown form",
		HEAD "tools: [{tools: [shopctl], options: [-w], form: near, manual: m}]\n" TAIL,
		"form must be next, joined or user" },
	{ "a tool without options", HEAD "tools: [{tools: [shopctl], options: [], manual: m}]\n" TAIL,
		"a list of texts is expected" },
	{ "a tool with an unknown key",
		HEAD "tools: [{tools: [shopctl], options: [-w], colour: red, manual: m}]\n" TAIL,
		"unknown key `colour`: a tool has tools, options" },
	{ "no example",
		HEAD
		"patterns: [{regex: a, score: 1, start: anywhere}]\nexamples: {none: [x]}\n",
		"at least one example that must match" },
};

static void
error_in_a_rule_is_reported_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(mistakes) / sizeof(mistakes[0]); i++) {
		struct buf errors;
		buf_init(&errors, 0);
		const char *dir = rule_dir(mistakes[i].rule);
		struct detect_rules *r = detect_load(dir, &errors);
		assert_null(r);
		if (!memmem(buf_view(&errors).p, errors.n, mistakes[i].want,
			    strlen(mistakes[i].want)))
			fail_msg("%s: got %.*s", mistakes[i].name, SPAN_ARG(buf_view(&errors)));
		buf_free(&errors);
		remove_dir(dir);
	}
}

static void
more_digit_patterns_than_bits_are_all_found(void **state)
{
	enum { MANY = 600 };
	struct buf rule, errors;

	(void)state;
	buf_init(&rule, 0);
	buf_init(&errors, 0);
	buf_printf(&rule,
		"entity: MANY\nclass: pii\nsource: a test\ncontext: [word]\npatterns:\n");
	for (int i = 0; i < MANY; i++) /* every second one needs the word */
		buf_printf(&rule,
			"  - {name: p%d, regex: '(?<![0-9])%d[0-9]{2}-[0-9]{%d}(?![0-9])', "
			"score: "
			"%s, start: {digits: [6]}}\n",
			i, 1000 + i, i % 7 + 1, i % 2 ? "0.3, near: true" : "0.6");
	buf_printf(&rule, "examples:\n  match:\n");
	for (int i = 0; i < MANY; i++)
		buf_printf(&rule, "    - {text: '%s %d12-%.*s', find: '%d12-%.*s'}\n",
			i % 2 ? "word" : "what", 1000 + i, i % 7 + 1, "1234567", 1000 + i,
			i % 7 + 1, "1234567");
	buf_printf(&rule, "  none: ['100112-12']\n");
	buf_putc(&rule, 0);
	const char *dir = rule_dir(rule.p);
	struct detect_rules *r = detect_load(dir, &errors);
	if (!r || detect_self_test(r, &errors))
		fail_msg("%.*s", SPAN_ARG(buf_view(&errors)));
	assert_int_equal(r->prefilter.digits.far,
		PATTERN_SET_WORDS - 1); /* both kinds have too few bits */
	detect_free(&r);
	remove_dir(dir);
	buf_free(&rule);
	buf_free(&errors);
}

static void
missing_or_empty_directory_is_an_error(void **state)
{
	struct buf errors;
	char dir[] = "/tmp/test_detect.XXXXXX";

	(void)state;
	buf_init(&errors, 0);
	assert_null(detect_load("/nonexistent/rules", &errors));
	assert_true(errors.n > 0);
	buf_clear(&errors);
	assert_non_null(mkdtemp(dir));
	assert_null(detect_load(dir, &errors));
	assert_true(errors.n > 0);
	rmdir(dir);
	buf_free(&errors);
}

static void
version_changes_with_the_meaning(void **state)
{
	static const char *const rules[] = {
		HEAD "patterns:\n  - {regex: 'FLCN-[0-9]{4}', score: 0.9, start: {literals: "
		     "[FLCN-]}}\n" TAIL,
		"# a comment\nclass: mine\nsource: a test\nentity: X\npatterns:\n"
		"  - {score: 0.9, start: {literals: [FLCN-]}, regex: 'FLCN-[0-9]{4}'}\n" TAIL,
		HEAD "patterns:\n  - {regex: 'FLCN-[0-9]{5}', score: 0.9, start: {literals: "
		     "[FLCN-]}}\n" TAIL,
	};
	char version[3][65];
	struct buf errors;

	(void)state;
	buf_init(&errors, 0);
	for (size_t i = 0; i < 3; i++) {
		const char *dir = rule_dir(rules[i]);
		struct detect_rules *r = detect_load(dir, &errors);
		if (!r)
			fail_msg("%.*s", SPAN_ARG(buf_view(&errors)));
		snprintf(version[i], sizeof(version[i]), "%s", detect_version(r));
		detect_free(&r);
		remove_dir(dir);
	}
	assert_int_equal(strlen(version[0]), 64);
	assert_string_equal(version[0], version[1]);
	assert_string_not_equal(version[0], version[2]);
	buf_free(&errors);
}

/* Characters that people and tools put beside a value: marks of diffs, lists, quotes,
 * brackets. */
static const struct {
	const char *before, *after;
} marks[] = {
	{ "-", "" },	  /* a line that a diff removes */
	{ "x\n-", "\n" }, /* the second line */
	{ "x\r\n-", "\r\n" },
	{ "[-", "-]" },		 /* git diff --word-diff: removed */
	{ "a [-old-]{+", "+}" }, /* added */
	{ "> ", "" },
	{ "* ", "" },
	{ "- ", "" },
	{ "$ ", "" },
	{ "[", "]" },
	{ "\t", "\t" },
	{ "\"", "\"" },
	{ "'", "'" },
	{ "|", "|" },
	{ "| ", " |" },
	{ ",", "," },
	{ ">", "</td>" },
	{ "", ";" },
	{ "", ": gone" },
};

/* Returns true if the mark may be part of the value, or if it excludes the value. */
static bool
mark_is_of_the_value(
	const char *entity, struct span value, const char *before, const char *after)
{
	/* +41 44 668 18 00: digits after a sign may be a phone number with its country first */
	static const char *const numbers[] = { "PHONE_NUMBER", "AR_CUIT", "BE_NRN", "BR_CPF",
		"KR_RRN", "PK_CNIC" };
	/* base64, in which the sign before it is a character */
	static const char *const encoded[] = { "JWT", "ENCODED_PRIVATE_KEY",
		"AZURE_STORAGE_KEY" };
	size_t n = strlen(before);
	char last = value.p[value.n - 1];

	if ((last == '-' || last == '+') && *after &&
		after[strlen(after) - 1] == (last == '-' ? ']' : '}'))
		return true;
	if (n && before[n - 1] == '+')
		return SPAN_IN(span_str(entity), numbers) || SPAN_IN(span_str(entity), encoded);
	return (n && before[n - 1] == '-' && SPAN_IN(span_str(entity), encoded)) ||
	       (!strcmp(after, "-]") && !strcmp(entity, "STREET_ADDRESS"));
}

static bool
found_exactly(struct detect_fix *f, struct span text, size_t entity, size_t start, size_t end)
{
	struct findings v;
	bool found = false;

	assert_int_equal(detect_fix_scan(f, text, NULL, &v), 0);
	for (size_t i = 0; i < v.n; i++)
		found |= v.v[i].entity == entity && v.v[i].start == start && v.v[i].end == end;
	arena_reset(&f->arena);
	return found;
}

/* For every rule, the examples whose value is found without the surrounding text. */
static void
value_is_found_beside_common_marks(void **state)
{
	struct detect_fix *f = *state;
	struct detect_example ex;
	size_t failed = 0, tried = 0;

	for (size_t e = 0; e < detect_entity_count(f->rules); e++)
		for (size_t nth = 0; detect_example(f->rules, e, nth, &ex); nth++) {
			const char *name = detect_entity_name(f->rules, e);
			/* "Whitcombe, Eleanor" is a name only at the beginning of a line */
			if (!ex.find.p || span_chr(ex.find, '\n') < ex.find.n ||
				memmem(ex.find.p, ex.find.n, ", ", 2) ||
				!found_exactly(f, ex.find, e, 0, ex.find.n))
				continue;
			for (size_t k = 0; k < COUNT_OF(marks); k++) {
				struct buf b;
				size_t n = strlen(marks[k].before);
				if (mark_is_of_the_value(
					    name, ex.find, marks[k].before, marks[k].after))
					continue;
				buf_init(&b, 0);
				buf_printf(&b, "%s%.*s%s", marks[k].before, SPAN_ARG(ex.find),
					marks[k].after);
				tried++;
				if (!found_exactly(f, buf_view(&b), e, n, n + ex.find.n)) {
					print_message("%s, not exactly found: %.*s\n", name,
						SPAN_ARG(buf_view(&b)));
					failed++;
				}
				buf_free(&b);
			}
		}
	assert_in_range(tried, 5000, SIZE_MAX);
	if (failed)
		fail_msg("%zu of %zu", failed, tried);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(examples_of_every_rule_are_found),
		cmocka_unit_test(entities_are_found_in_common_spellings),
		cmocka_unit_test(findings_move_with_the_surrounding_text),
		cmocka_unit_test(thresholds_replace_those_of_the_rules),
		cmocka_unit_test(documented_samples_are_found_and_marked),
		cmocka_unit_test(hostile_text_takes_linear_time),
		cmocka_unit_test(too_many_findings_are_an_error),
		cmocka_unit_test(full_arena_is_an_error_of_the_scan),
		cmocka_unit_test(number_of_32_megabytes_is_scanned_once),
		cmocka_unit_test(a_key_without_end_is_covered_but_bounded),
		cmocka_unit_test(match_limit_is_an_error_and_never_a_miss),
		cmocka_unit_test(error_in_a_rule_is_reported_with_its_place),
		cmocka_unit_test(more_digit_patterns_than_bits_are_all_found),
		cmocka_unit_test(missing_or_empty_directory_is_an_error),
		cmocka_unit_test(value_is_found_beside_common_marks),
		cmocka_unit_test(version_changes_with_the_meaning),
	};
	return cmocka_run_group_tests(tests, detect_setup, NULL);
}
