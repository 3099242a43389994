/* The classifier gives the same bits with and without vector instructions, and never fewer than
 * a byte-by-byte search for every literal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/buf.h"
#include "scan/detect/detect.h"
#include "scan/detect/prefilter/starts.h"
#include "scan/detect/rules/rule.h"
#include "support/detect_fix.h"

enum { TEXTS = 3000, ROOM = 160 };

static uint32_t
next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

static const struct literal *
any_literal(const struct prefilter *f, uint64_t *random)
{
	uint32_t h = next(random);

	while (!f->literals[h % (1u << LITERAL_BITS)])
		h++;
	return f->literals[h % (1u << LITERAL_BITS)];
}

/* Literals in either case, digits, and any bytes. */
static size_t
write_text(const struct prefilter *f, uint64_t *random, char *to)
{
	size_t n = 0, want = 1 + next(random) % ROOM;

	while (n < want) {
		uint32_t kind = next(random) % 4;
		if (kind < 2) {
			struct span s = any_literal(f, random)->text;
			for (size_t i = 0; i < s.n && n < want; i++, n++)
				to[n] = kind && is_lower(s.p[i]) ? (char)(s.p[i] & ~0x20)
								 : s.p[i];
		} else {
			for (uint32_t k = 1 + next(random) % 6; k && n < want; k--)
				to[n++] = kind == 2 ? (char)('0' + next(random) % 10)
						    : (char)next(random);
		}
	}
	return n;
}

static bool
literal_begins(const struct prefilter *f, const char *p, size_t n)
{
	for (size_t h = 0; h < 1u << LITERAL_BITS; h++)
		for (const struct literal *l = f->literals[h]; l; l = l->next) {
			size_t len = l->text.n < 4 ? l->text.n : 4;
			if (len <= n && span_ieq(span_of(p, len), span_of(l->text.p, len)))
				return true;
		}
	return false;
}

static void
look(const struct prefilter *f, const char *p, size_t room, const struct starts *v)
{
	for (size_t k = 0; k < BLOCK && k < room; k++) {
		assert_int_equal(v->digit >> k & 1, is_digit(p[k]));
		assert_int_equal(v->upper >> k & 1, is_upper(p[k]));
		assert_int_equal(v->lower >> k & 1, is_lower(p[k]));
		assert_int_equal(v->byte >> k & 1, f->nbyte_patterns[(unsigned char)p[k]] > 0);
	}
	for (size_t k = room; k < BLOCK; k++)
		assert_int_equal(
			(v->literal | v->byte | v->digit | v->upper | v->lower) >> k & 1, 0);
}

static void
bits_are_equal_with_vectors_and_no_literal_is_missed(void **state)
{
	const struct prefilter *f = &detect_fix()->rules->prefilter;
	uint64_t random = 5;

	(void)state;
	for (int i = 0; i < TEXTS; i++) {
		char text[ROOM];
		size_t n = write_text(f, &random, text);
		/* an allocation of exactly n bytes: a sanitizer sees reads beyond it */
		char *p = malloc(n);
		struct starts want, got;
		assert_non_null(p);
		memcpy(p, text, n);
		starts_at_plain(f, p, n, &want);
		look(f, p, n, &want);
		size_t k = next(&random) % (n < BLOCK ? n : BLOCK);
		if (literal_begins(f, p + k, n - k))
			assert_true(want.literal >> k & 1);
		starts_at(f, p, n, &got);
		assert_memory_equal(&want, &got, sizeof(want));
		free(p);
	}
}

/* Asserts that no beginning of a word is missed. */
static void
look_words(struct span t, size_t at)
{
	struct word_starts v = word_starts(t, at);

	for (size_t k = 0; k < BLOCK && at + k < t.n; k++) {
		unsigned char c = (unsigned char)t.p[at + k];
		if (is_alnum((char)c) || c >= 0xC0)
			assert_true(v.alnum >> k & 1);
		if (context_word_begins(t, at + k) && (c < 0x80 || c >= 0xC0))
			assert_true(v.begins >> k & 1);
	}
}

static void
no_beginning_of_a_word_is_missed(void **state)
{
	uint64_t random = 7;

	(void)state;
	for (int i = 0; i < TEXTS; i++) {
		size_t n = 1 + next(&random) % ROOM, at = next(&random) % n;
		/* an allocation of exactly n bytes: a sanitizer sees reads beyond it */
		char *p = malloc(n);
		assert_non_null(p);
		for (size_t k = 0; k < n; k++)
			p[k] = (char)(i < 256 ? (size_t)i + k : next(&random));
		look_words(span_of(p, n), at);
		free(p);
	}
}

static bool
begins(struct span t, size_t i, bool small)
{
	bool inside = i > 0 && (is_alnum(t.p[i - 1]) || t.p[i - 1] == '_');

	return (unsigned char)t.p[i] >= 0x80 ||
	       ((small ? is_alpha(t.p[i]) : is_upper(t.p[i])) && !inside);
}

static void
look_begins(struct span t, size_t at, bool small, uint64_t bits, size_t block)
{
	assert_int_equal(bits != 0, block < t.n);
	for (size_t i = at; i < block && i < t.n; i++)
		assert_false(begins(t, i, small));
	for (size_t k = 0; block < t.n && k < BLOCK; k++)
		assert_int_equal(bits >> k & 1, block + k < t.n && begins(t, block + k, small));
}

static void
next_block_with_a_beginning_is_found(void **state)
{
	static const char bytes[] = "aB  ..1_ \xc3";
	uint64_t random = 11, bits;

	(void)state;
	for (int i = 0; i < TEXTS; i++) {
		size_t n = 1 + next(&random) % (4 * ROOM), block;
		size_t at = next(&random) % (n / BLOCK + 2) * BLOCK;
		size_t kinds = 1 + next(&random) % (sizeof(bytes) - 1);
		bool small = next(&random) % 2;
		/* an allocation of exactly n bytes: a sanitizer sees reads beyond it */
		char *p = malloc(n);
		assert_non_null(p);
		for (size_t k = 0; k < n; k++)
			p[k] = next(&random) % 16 ? ' ' : bytes[next(&random) % kinds];
		block = starts_next_word(span_of(p, n), at, small, &bits);
		look_begins(span_of(p, n), at, small, bits, block);
		free(p);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bits_are_equal_with_vectors_and_no_literal_is_missed),
		cmocka_unit_test(no_beginning_of_a_word_is_missed),
		cmocka_unit_test(next_block_with_a_beginning_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
