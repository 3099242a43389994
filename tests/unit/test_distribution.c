/* base/distribution: quantiles of whole numbers within the documented error. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/span.h"
#include "base/distribution.h"

static void
add(struct distribution *d, uint64_t v)
{
	struct distribution one = distribution_of(v);

	assert_true(distribution_merge(d, &one));
}

static int
by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void
number_has_a_bucket_of_its_power_of_two(void **state)
{
	(void)state;
	uint32_t before = 0;
	for (uint64_t v = 0; v < 100000; v++) {
		uint32_t at = distribution_bucket_of(v);
		assert_true(at == before || at == before + (v > 0));
		before = at;
	}
	assert_int_equal(distribution_bucket_of(63), 63);
	assert_int_equal(distribution_bucket_of(UINT64_MAX), DISTRIBUTION_BUCKETS - 1);
}

static const struct {
	const char *name;
	size_t n;
	uint64_t first, step, range; /* the number i is first + (i * step) % range */
} cases[] = {
	{ "no number", 0, 0, 0, 1 },
	{ "one number", 1, 12345, 0, 1 },
	{ "two numbers", 2, 10, 100000, 1000000 },
	{ "nineteen numbers: the largest is the quantile", 19, 7, 1001, 100000 },
	{ "twenty numbers", 20, 7, 1001, 100000 },
	{ "equal numbers", 1000, 4097, 0, 1 },
	{ "small numbers are exact", 1000, 0, 7, 60 },
	{ "tokens of prompts", 10000, 3, 7919, 4000 },
	{ "prompts up to a million tokens", 10000, 100, 104729, 1000000 },
	{ "microseconds up to an hour", 10000, 1, 104729001, UINT64_C(3600000000) },
	{ "numbers above 32 bits", 500, UINT64_C(1) << 40, UINT64_C(99999989) << 20,
		UINT64_C(1) << 60 },
};

static void
quantiles_are_within_a_64th_of_the_exact_values(void **state)
{
	static const unsigned percents[] = { 50, 90, 95, 99, 100 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(cases); i++) {
		struct distribution d = { .n = 0 };
		uint64_t *v = calloc(cases[i].n + 1, sizeof(*v)), sum = 0;
		for (size_t k = 0; k < cases[i].n; k++) {
			v[k] = cases[i].first + k * cases[i].step % cases[i].range;
			sum += v[k];
			add(&d, v[k]);
		}
		qsort(v, cases[i].n, sizeof(*v), by_value);
		assert_int_equal(d.n, cases[i].n);
		assert_int_equal(d.sum, sum);
		assert_int_equal(d.max, cases[i].n ? v[cases[i].n - 1] : 0);
		for (size_t p = 0; p < COUNT_OF(percents); p++) {
			uint64_t got = distribution_quantile(&d, percents[p]);
			size_t rank = (cases[i].n * percents[p] + 99) / 100;
			uint64_t want = rank ? v[rank - 1] : 0;
			uint64_t off = got > want ? got - want : want - got;
			if (off > want / 64 || (percents[p] == 100 && off))
				fail_msg("%s: p%u is %llu, not %llu", cases[i].name,
					percents[p], (unsigned long long)got,
					(unsigned long long)want);
		}
		free(v);
		distribution_free(&d);
	}
}

static void
buckets_are_appended_in_ascending_order(void **state)
{
	struct distribution d = { .n = 0 };

	(void)state;
	assert_true(distribution_append(&d, 5, 2));
	assert_false(distribution_append(&d, 5, 1));
	assert_false(distribution_append(&d, 4, 1));
	assert_true(distribution_append(&d, 6, 1));
	assert_int_equal(d.nbuckets, 2);
	assert_int_equal(d.n, 0);
	distribution_free(&d);
}

/* For any order of the buckets, and any number inserted at a time. */
static void
merged_buckets_are_sorted_and_complete(void **state)
{
	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		uint32_t want[64] = { 0 };
		struct distribution sum = { .n = 0 };
		for (unsigned k = 0; k < 6; k++) {
			struct distribution part = { .n = 0 };
			for (unsigned i = 0; i < round % 7 * k; i++) {
				uint64_t v = (round * 31 + k * 17 + i * (k + 3) * 13) % 64;
				add(&part, v);
				want[v]++;
			}
			assert_true(distribution_merge(&sum, &part));
			distribution_free(&part);
		}
		if (sum.n == 1)
			assert_int_equal(sum.nbuckets, 0);
		for (uint32_t v = 0, i = 0; v < 64 && sum.n > 1; v++) {
			if (!want[v])
				continue;
			assert_true(i < sum.nbuckets);
			assert_int_equal(sum.bucket[i].at, v);
			assert_int_equal(sum.bucket[i++].n, want[v]);
			if (sum.max == v)
				assert_int_equal(i, sum.nbuckets);
		}
		distribution_free(&sum);
	}
}

static void
sum_of_distributions_equals_the_distribution_of_all(void **state)
{
	struct distribution all = { .n = 0 }, part[3] = { { .n = 0 } }, sum = { .n = 0 };

	(void)state;
	for (uint64_t i = 0; i < 1000; i++) {
		uint64_t v = i * 7919 % 100000;
		add(&all, v);
		/* the first part has one number and no buckets */
		add(&part[!i ? 0 : 1 + i % 2], v);
	}
	for (size_t i = 0; i < COUNT_OF(part); i++)
		assert_true(distribution_merge(&sum, &part[i]));
	assert_int_equal(sum.n, all.n);
	assert_int_equal(sum.sum, all.sum);
	assert_int_equal(sum.max, all.max);
	assert_int_equal(sum.nbuckets, all.nbuckets);
	for (size_t i = 0; i < all.nbuckets; i++) {
		assert_int_equal(sum.bucket[i].at, all.bucket[i].at);
		assert_int_equal(sum.bucket[i].n, all.bucket[i].n);
	}
	for (size_t i = 0; i < COUNT_OF(part); i++)
		distribution_free(&part[i]);
	distribution_free(&all);
	distribution_free(&sum);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_has_a_bucket_of_its_power_of_two),
		cmocka_unit_test(quantiles_are_within_a_64th_of_the_exact_values),
		cmocka_unit_test(buckets_are_appended_in_ascending_order),
		cmocka_unit_test(merged_buckets_are_sorted_and_complete),
		cmocka_unit_test(sum_of_distributions_equals_the_distribution_of_all),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
