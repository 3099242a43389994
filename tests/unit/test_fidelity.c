/* A small part of make fidelity: everyday documents lose their values, keep the rest, and are
 * restored byte for byte. The bounds are the measured values with some margin. If a change
 * lowers a value, lower its bound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "support/fidelity_run.h"

enum { SEED = 7, BYTES = 1000000 };

static struct fidelity_result r;

static double
percent(size_t n)
{
	return 100 * (double)n / (double)r.all.values;
}

static double
per_kb(size_t n)
{
	return 1024 * (double)n / (double)r.all.bytes;
}

static void
documents_are_restored_byte_for_byte(void **state)
{
	(void)state;
	assert_int_equal(r.not_restored, 0);
	assert_true(r.restored > 500);
}

static void
cuts_of_a_stream_do_not_matter(void **state)
{
	(void)state;
	assert_int_equal(r.cuts_differ, 0);
}

static void
guard_removes_the_same_bytes(void **state)
{
	(void)state;
	assert_int_equal(r.guard_differs, 0);
}

static void
rates_stay_within_their_bounds(void **state)
{
	const struct {
		const char *name;
		double is, most;
	} rows[] = {
		{ "of a text, few values stay (percent)", percent(r.all.missed[WAY_WHOLE]),
			0.7 },
		{ "of a text, few values are cut (percent)", percent(r.all.cut[WAY_WHOLE]),
			0.1 },
		{ "of a text, few bytes go that are no value (per KB)",
			per_kb(r.all.over[WAY_WHOLE]), 1.5 },
		{ "of a stream, few values stay (percent)", percent(r.all.missed[WAY_STREAM]),
			1.0 },
		{ "of a stream, few values are cut (percent)", percent(r.all.cut[WAY_STREAM]),
			0.1 },
		{ "of a stream, few bytes go that are no value (per KB)",
			per_kb(r.all.over[WAY_STREAM]), 1.5 },
		{ "hardly a value stays in a stream that a whole text loses: tuples of an "
		  "INSERT "
		  "(percent)",
			percent(r.stream_only_missed), 0.4 },
	};
	(void)state;

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].is > rows[i].most)
			fail_msg("%s: %.2f, at most %.2f", rows[i].name, rows[i].is,
				rows[i].most);
}

static int
measure(void **state)
{
	(void)state;
	fidelity_run(SEED, BYTES, 0, &r);
	return 0;
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		{ "a redacted document with its values put back is the document",
			documents_are_restored_byte_for_byte, NULL, NULL, NULL },
		{ "a stream is redacted in one way, however it is cut",
			cuts_of_a_stream_do_not_matter, NULL, NULL, NULL },
		{ "a response loses what its text loses, whole and as a stream",
			guard_removes_the_same_bytes, NULL, NULL, NULL },
		{ "few values stay, few are cut, and little else goes",
			rates_stay_within_their_bounds, NULL, NULL, NULL },
	};

	return cmocka_run_group_tests(tests, measure, NULL);
}
