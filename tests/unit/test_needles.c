/* Values searched for in many texts: scan/text/needles.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "scan/text/needles.h"
#include "support/guard.h"

enum { PLACES = 400 };
struct place {
	size_t which, from, to;
};
struct places {
	const struct needles *ns;
	const char *text;
	struct place v[PLACES];
	size_t n;
};

static int
note(void *arg, const struct needle *which, struct span at)
{
	struct places *p = arg;
	size_t from = (size_t)(at.p - p->text);

	assert_true(p->n < PLACES);
	p->v[p->n++] = (struct place){ (size_t)(which - p->ns->v), from, from + at.n };
	return 0;
}

/* Sorts by value, then by place. */
static int
order(const void *a, const void *b)
{
	const struct place *x = a, *y = b;

	return x->which != y->which ? (x->which < y->which ? -1 : 1)
	       : x->from < y->from  ? -1
				    : x->from > y->from;
}

/* Fills with few different letters, so that parts of a value occur everywhere. */
static void
fill(char *p, size_t n, unsigned letters)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)('a' + (unsigned)rand() % letters);
}

static int
stop(void *arg, const struct needle *which, struct span at)
{
	(void)which;
	(void)at;
	++*(int *)arg;
	return 7;
}

/* Searches for several values in each spelling and compares with memmem(3). */
static void
value_is_found_exactly_where_it_occurs(void **state)
{
	char value[80], spelled[NEEDLES_MAX][2 * sizeof(value)], text[400];

	(void)state;
	srand(4);
	for (int round = 0; round < 6000; round++) {
		struct needles ns = { 0 };
		size_t length = (size_t)rand() % sizeof(text), want = 0;
		unsigned letters = 1 + (unsigned)rand() % 26;
		size_t bytes = 1 + (size_t)rand() % sizeof(value);
		fill(value, bytes, letters);
		for (size_t way = 0; way <= DISGUISES; way++)
			if (rand() % 4)
				needles_add(&ns, span_of(value, bytes), way);
		fill(text, length, letters);
		for (size_t i = 0; i < ns.n; i++) {
			const struct needle *v = &ns.v[i];
			if (v->way == DISGUISES)
				memcpy(spelled[i], value, bytes);
			else
				assert_int_equal(
					v->n, digits_disguise(v->value, v->way, spelled[i]));
			for (int times = rand() % 3; times > 0 && v->n <= length; times--)
				memcpy(text + (size_t)rand() % (length - v->n + 1), spelled[i],
					v->n);
		}
		char *p = guard_dup(text, length);
		struct places got = { .ns = &ns, .text = p };
		assert_int_equal(needles_each(&ns, span_of(p, length), note, &got), 0);
		qsort(got.v, got.n, sizeof(*got.v), order);
		for (size_t i = 0; i < ns.n; i++)
			for (const char *at = p; (at = memmem(at, (size_t)(p + length - at),
							  spelled[i], ns.v[i].n));
				at++, want++) {
				assert_true(want < got.n);
				assert_int_equal(got.v[want].which, i);
				assert_int_equal(got.v[want].from, at - p);
				assert_int_equal(got.v[want].to, at - p + (long)ns.v[i].n);
			}
		assert_int_equal(got.n, want);
		int asked = 0;
		assert_int_equal(
			needles_each(&ns, span_of(p, length), stop, &asked), want ? 7 : 0);
		assert_int_equal(asked, want > 0);
		guard_free(p, length);
	}
}

static void
empty_set_finds_nothing(void **state)
{
	struct needles ns = { 0 };

	(void)state;
	assert_int_equal(needles_each(&ns, SPAN_LIT("a text"), stop, NULL), 0);
	assert_int_equal(needles_each(&ns, (struct span){ NULL, 0 }, stop, NULL), 0);
	needles_add(&ns, SPAN_LIT("abc"), DISGUISES);
	assert_int_equal(ns.n, 0);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(value_is_found_exactly_where_it_occurs),
		cmocka_unit_test(empty_set_finds_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
