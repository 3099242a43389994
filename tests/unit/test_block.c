/* Sets of bytes in a block: the results with and without vector instructions are equal, up to
 * the last byte of a text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/block.h"

enum { TEXTS = 3000, ROOM = 2 * BLOCK, SETS = 12 };

static uint32_t
next(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

/* Sets of one byte, of most bytes, of ASCII only and of no ASCII. */
static void
make_sets(uint64_t *random, struct block_sets *s, bool in[SETS][256])
{
	memset(s, 0, sizeof(*s));
	memset(in, 0, SETS * sizeof(in[0]));
	for (unsigned k = 0; k < SETS; k++) {
		unsigned from = next(random) % 3 * 64,
			 to = from + 1 + next(random) % (256 - from);
		for (unsigned n = 1 + next(random) % 200; n; n--) {
			unsigned char c = (unsigned char)(from + next(random) % (to - from));
			block_sets_add(s, k, c);
			in[k][c] = true;
		}
	}
}

static void
byte_is_in_its_sets_with_and_without_vectors(void **state)
{
	static bool in[SETS][256];
	struct block_sets s;
	uint64_t random = 3;

	(void)state;
	for (int i = 0; i < TEXTS; i++) {
		size_t n = 1 + next(&random) % ROOM;
		uint64_t fast[BLOCK_SETS], slow[BLOCK_SETS];
		/* an allocation of exactly n bytes: a sanitizer sees reads beyond it */
		char *p = malloc(n);
		assert_non_null(p);
		if (i % 64 == 0)
			make_sets(&random, &s, in);
		for (size_t k = 0; k < n; k++)
			p[k] = (char)(i < 256 ? (size_t)i + k : next(&random));
		block_classify(&s, p, n, fast);
		block_classify_plain(&s, p, n, slow);
		assert_memory_equal(fast, slow, SETS * sizeof(fast[0]));
		for (size_t set = 0; set < SETS; set++)
			for (size_t k = 0; k < BLOCK; k++)
				assert_int_equal(fast[set] >> k & 1,
					k < n && in[set][(unsigned char)p[k]]);
		free(p);
	}
}

static void
character_class_is_a_set(void **state)
{
	static bool (*const classes[])(char) = { is_digit, is_upper, is_lower, is_alpha,
		is_alnum, is_word, is_hex, is_space, is_tchar, is_high, NULL };
	struct block_sets s = { .n = 0 };
	char block[BLOCK];

	(void)state;
	block_sets_fill(&s, classes);
	assert_int_equal(s.n, 10);
	for (unsigned from = 0; from < 256; from += BLOCK) {
		uint64_t bits[BLOCK_SETS];
		for (unsigned k = 0; k < BLOCK; k++)
			block[k] = (char)(from + k);
		block_classify(&s, block, BLOCK, bits);
		for (unsigned set = 0; set < s.n; set++)
			for (unsigned k = 0; k < BLOCK; k++)
				assert_int_equal(bits[set] >> k & 1, classes[set](block[k]));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(byte_is_in_its_sets_with_and_without_vectors),
		cmocka_unit_test(character_class_is_a_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
