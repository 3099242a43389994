/* Values looked for in many texts: text/needles.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "support/guard.h"
#include "text/needles.h"

/* Few letters, so that parts of a value are everywhere. */
static void
fill(char *p, size_t n, unsigned letters)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (unsigned)rand() % letters);
}

static void
a_value_is_found_at_every_place_and_only_where_it_is(void **state)
{
	char value[NEEDLES_MAX][40], text[200];

	(void)state;
	srand(4);
	for (int round = 0; round < 4000; round++) {
		struct needles ns = { 0 };
		size_t n = 1 + (size_t)rand() % 5, length = (size_t)rand() % sizeof(text);
		unsigned letters = 1 + (unsigned)rand() % 26;
		for (size_t i = 0; i < n; i++) {
			size_t bytes = 1 + (size_t)rand() % sizeof(value[i]);
			fill(value[i], bytes, letters);
			needles_add(&ns, span_of(value[i], bytes));
		}
		fill(text, length, letters);
		const struct span *planted = &ns.v[(size_t)rand() % n];
		if (round % 2 && planted->n <= length)
			memcpy(text + (size_t)rand() % (length - planted->n + 1), planted->p,
				planted->n);
		char *p = guard_dup(text, length);
		for (size_t from = 0; from <= n; from++) {
			size_t want = from;
			while (want < n && !memmem(text, length, ns.v[want].p, ns.v[want].n))
				want++;
			assert_int_equal(needles_next(&ns, span_of(p, length), from), want);
		}
		guard_free(p, length);
	}
}

static void
nothing_is_in_anything(void **state)
{
	struct needles ns = { 0 };

	(void)state;
	assert_int_equal(needles_next(&ns, SPAN_LIT("a text"), 0), 0);
	assert_int_equal(needles_next(&ns, (struct span){ NULL, 0 }, 0), 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_value_is_found_at_every_place_and_only_where_it_is),
		cmocka_unit_test(nothing_is_in_anything),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
