/* A policy's own detectors. The first line is a pattern, the second a term, the rest a text.
 * The properties derived from the pattern must hold for every match that PCRE2 finds. The term
 * must be found if it occurs between spaces. The words must stay in order for any text. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scan/detect/custom/custom_regex.h"
#include "scan/detect/custom/dictionary.h"
#include "scan/detect/custom/custom.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool
digit_at(struct span t, size_t at)
{
	return at < t.n && t.p[at] >= '0' && t.p[at] <= '9';
}

static bool
literal_there(const struct regex_facts *f, struct span t, size_t at)
{
	for (size_t i = 0; i < f->nliterals; i++) {
		struct span there = span_cut(t, at, at + f->literals[i].n);
		if (f->caseless ? span_ieq(there, f->literals[i])
				: span_eq(there, f->literals[i]))
			return true;
	}
	return false;
}

static void
check_match(const struct regex_facts *f, struct span t, size_t start, size_t end)
{
	size_t run = 0;

	INVARIANT(end - start <= f->width && end > start);
	if (f->start == START_LITERAL)
		INVARIANT(literal_there(f, t, start + f->back));
	if (f->start == START_DIGITS) {
		while (digit_at(t, start + run))
			run++;
		INVARIANT(run >= f->digits[0] && run <= f->digits[1]);
		INVARIANT(start == 0 || !digit_at(t, start - 1));
	}
}

static void
try_pattern(struct span regex, struct span t)
{
	struct regex_facts f;
	struct arena a;
	char why[200];
	PCRE2_SIZE where;
	size_t at = 0;
	int err;

	arena_init(&a, 16 << 20, false);
	bool good = regex_study(&a, regex, &f, why, &at);
	uint32_t flags =
		PCRE2_NEVER_BACKSLASH_C |
		(f.utf ? PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF : PCRE2_NEVER_UTF);
	pcre2_code *before =
		pcre2_compile((PCRE2_SPTR)regex.p, regex.n, flags, &err, &where, NULL);
	pcre2_code *code = NULL;
	if (before && good) {
		code = pcre2_compile(
			(PCRE2_SPTR)f.regex, PCRE2_ZERO_TERMINATED, flags, &err, &where, NULL);
		/* Adding bounds may make the pattern too large, but must cause no other
		 * error. */
		INVARIANT(code || err == PCRE2_ERROR_PATTERN_TOO_LARGE ||
			  err == PCRE2_ERROR_PARENTHESES_NEST_TOO_DEEP);
	}
	pcre2_match_data *m = pcre2_match_data_create(1, NULL);
	pcre2_match_context *c = pcre2_match_context_create(NULL);
	pcre2_set_match_limit(c, 100000);
	for (at = 0; code && at <= t.n &&
		     pcre2_match(code, (PCRE2_SPTR)t.p, t.n, at, 0, m, c) >= 0;) {
		const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m);
		check_match(&f, t, v[0], v[1]);
		at = v[1];
	}
	pcre2_match_context_free(c);
	pcre2_match_data_free(m);
	pcre2_code_free(code);
	pcre2_code_free(before);
	arena_reset(&a);
}

static int
found(void *arg, const struct dictionary_hit *hit)
{
	const struct dictionary_hit *want = arg;

	return hit->start == want->start && hit->end == want->end;
}

static bool
is_found(const struct dictionary *d, struct span t, struct dictionary_hit want)
{
	struct word_cursor c = words_over(t);
	struct text_word w, next;

	for (bool more = word_next(&c, &w); more; w = next) {
		more = word_next(&c, &next);
		if (hash_bits_may(dictionary_first(d), w.hash) &&
			dictionary_search(d, t, &w, more ? &next : NULL, found, &want))
			return true;
	}
	return false;
}

static void
try_term(struct span term, struct span rest)
{
	struct dictionary *d = dictionary_new();
	struct buf text;

	buf_init(&text, 0);
	INVARIANT(d != NULL);
	term = span_trim(term, " \t\r\n");
	if (dictionary_add(d, term, 1, false) == 0) {
		INVARIANT(dictionary_finish(d) == 0);
		buf_span(&text, rest);
		buf_putc(&text, '\n');
		struct dictionary_hit want = { 1, text.n, text.n + term.n };
		buf_span(&text, term);
		INVARIANT(is_found(d, buf_view(&text), want));
		buf_putc(&text, ' ');
		buf_span(&text, rest);
		INVARIANT(is_found(d, buf_view(&text), want));
	}
	buf_free(&text);
	dictionary_free(&d);
}

static void
try_words(struct span t)
{
	struct word_cursor c = words_over(t);
	struct text_word w;
	struct buf list;
	size_t end = 0;

	while (word_next(&c, &w)) {
		INVARIANT(w.start >= end && w.end > w.start && w.end <= t.n);
		end = w.end;
	}
	buf_init(&list, 0);
	fingerprint_make(t, &list);
	buf_free(&list);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span rest = span_of(data, size);
	struct span regex = span_next(&rest, '\n'), term = span_next(&rest, '\n');

	try_pattern(regex, rest);
	try_term(term, rest);
	try_words(rest);
	return 0;
}
