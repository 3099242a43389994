/* Which wall time is trusted, with a journal and a Redis that agree with the clock or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/redis/redis_life.h"
#include "base/wall.h"

enum { NONE = 99999999, DAY = 86400 };

/* Seconds from a moment that is the true time at the start. */
#define BASE_NS	  (1790000000ll * 1000000000)
#define MONO_US	  5000000ull
#define NS(s)	  ((int64_t)(s) * 1000000000)

struct look {
	int at;	   /* true seconds since the start */
	int wall;  /* offset of the wall clock */
	int redis; /* offset of Redis' clock; NONE: Redis is unavailable */
	int now;   /* offset of wall_now_ns() then */
	int least; /* and of wall_least_ns(), at most */
	enum wall_life life;
};

static const struct row {
	const char *name;
	int written; /* the journal's last time; NONE */
	struct look look[6];
} rows[] = {
	{ "a fresh machine believes its clock", NONE,
		{ { 0, 0, NONE, 0, 0, WALL_ALONE }, { 10, 0, NONE, 0, 0, WALL_ALONE } } },
	{ "a restart: the journal supports the clock", -5,
		{ { 0, 0, NONE, 0, 0, WALL_CONFIRMED }, { 10, 0, NONE, 0, 0, WALL_CONFIRMED } } },
	{ "a small correction is followed", -5,
		{ { 0, 0, NONE, 0, 0, WALL_CONFIRMED }, { 1, 3, NONE, 3, 3, WALL_CONFIRMED },
			{ 2, 6, NONE, 6, 6, WALL_CONFIRMED } } },
	{ "off for a week: believed, and nothing is removed early", -7 * DAY,
		{ { 0, 0, NONE, 0, -7 * DAY, WALL_ALONE } } },
	{ "off for a week: Redis confirms it", -7 * DAY,
		{ { 0, 0, 1, 0, 0, WALL_CONFIRMED }, { 9, 0, NONE, 0, 0, WALL_CONFIRMED } } },
	{ "ahead at the start", -5,
		{ { 0, 20 * DAY, NONE, 20 * DAY, -5, WALL_ALONE },
			{ 30, 20 * DAY, NONE, 20 * DAY, -5, WALL_ALONE },
			{ 60, 0, NONE, 0, -5, WALL_ALONE } } },
	{ "ahead at the start, and Redis and the journal say so", -5,
		{ { 0, 20 * DAY, NONE, 20 * DAY, -5, WALL_ALONE },
			{ 1, 20 * DAY, 0, 0, 0, WALL_DOUBTED },
			{ 60, 0, 0, 0, 0, WALL_CONFIRMED } } },
	{ "behind at the start", -5,
		{ { 0, -7200, NONE, -7200, -7200, WALL_ALONE },
			{ 60, 0, NONE, 0, 0, WALL_ALONE } } },
	{ "ahead for 20 s", -5,
		{ { 0, 0, NONE, 0, 0, WALL_CONFIRMED }, { 9, 20 * DAY, NONE, 0, 0, WALL_DOUBTED },
			{ 29, 20 * DAY, NONE, 0, 0, WALL_DOUBTED },
			{ 30, 0, NONE, 0, 0, WALL_CONFIRMED } } },
	{ "ahead for 20 s, with Redis", -5,
		{ { 0, 0, 0, 0, 0, WALL_CONFIRMED }, { 9, 20 * DAY, 0, 0, 0, WALL_DOUBTED },
			{ 99, 20 * DAY, 0, 0, 0, WALL_DOUBTED }, { 100, 0, 0, 0, 0, WALL_CONFIRMED } } },
	{ "behind for 20 s", -5,
		{ { 0, 0, NONE, 0, 0, WALL_CONFIRMED },
			{ 9, -7200, NONE, 0, -7200, WALL_DOUBTED },
			{ 30, 0, NONE, 0, 0, WALL_CONFIRMED } } },
	{ "ahead for good, and nothing confirms it", -5,
		{ { 0, 0, NONE, 0, 0, WALL_CONFIRMED }, { 9, 7200, NONE, 0, 0, WALL_DOUBTED },
			{ 70, 7200, NONE, 7200, 0, WALL_ALONE },
			{ 9999, 7200, NONE, 7200, 0, WALL_ALONE } } },
	{ "set forward on a fresh machine that began in the past", NONE,
		{ { 0, -300 * DAY, NONE, -300 * DAY, -300 * DAY, WALL_ALONE },
			{ 9, 0, NONE, -300 * DAY, -300 * DAY, WALL_DOUBTED },
			{ 70, 0, NONE, 0, -300 * DAY, WALL_ALONE },
			{ 71, 0, 0, 0, 0, WALL_CONFIRMED } } },
	{ "Redis' clock is ahead", -5,
		{ { 0, 0, 0, 0, 0, WALL_CONFIRMED }, { 9, 0, 7200, 0, 0, WALL_DOUBTED },
			{ 99, 0, 7200, 0, 0, WALL_DOUBTED }, { 100, 0, NONE, 0, 0, WALL_CONFIRMED } } },
	{ "the journal was written by a clock that was ahead", 20 * DAY,
		{ { 0, 0, NONE, 0, 0, WALL_ALONE }, { 1, 0, 0, 0, 0, WALL_CONFIRMED } } },
};

static void
time_is_trusted_if_two_clocks_agree(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *r = &rows[i];
		struct wall w = { .started = false };
		for (size_t k = 0; k < 6 && (k == 0 || r->look[k].at); k++) {
			const struct look *l = &r->look[k];
			int64_t true_ns = BASE_NS + NS(l->at);
			uint64_t mono_us = MONO_US + (uint64_t)l->at * 1000000;
			int64_t mono_ns = (int64_t)mono_us * 1000;
			wall_step(&w, true_ns + NS(l->wall), mono_us,
				r->written == NONE ? WALL_UNKNOWN : BASE_NS + NS(r->written),
				l->redis == NONE ? WALL_UNKNOWN
						 : true_ns + NS(l->redis) - mono_ns);
			int64_t now = w.off_ns + mono_ns - true_ns;
			int64_t least = wall_step_least_ns(&w, true_ns + NS(l->wall), mono_us) -
					true_ns;
			if (now != NS(l->now) || least > NS(l->least) || w.state.life != l->life)
				fail_msg("%s: look %zu: now %lld, least %lld, life %d", r->name, k,
					(long long)now / 1000000000, (long long)least / 1000000000,
					w.state.life);
		}
	}
}

/* A process that did not start the component, such as a command. */
static void
without_a_start_the_wall_clock_is_used(void **state)
{
	(void)state;
	assert_true(llabs(wall_now_ns() - clock_wall_ns()) < CLOCK_STEP_NS);
	assert_true(llabs(wall_least_ns() - clock_wall_ns()) < CLOCK_STEP_NS);
	wall_start(clock_wall_ns() - 60 * CLOCK_DAY_NS);
	assert_true(llabs(wall_now_ns() - clock_wall_ns()) < CLOCK_STEP_NS);
	assert_true(clock_wall_ns() - wall_least_ns() > 59 * CLOCK_DAY_NS);
}

/* The year 2286: in microseconds Redis' time fits into 63 bits, in nanoseconds it does not. */
static void
redis_time_that_does_not_fit_is_ignored(void **state)
{
	static const struct {
		int64_t time[2];
		bool good;
	} times[] = { { { 1790000000, 999999 }, true }, { { 9970000000, 0 }, false },
		{ { -1, 0 }, false }, { { 1790000000, 1000000 }, false } };
	int64_t at_us;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(times); i++)
		assert_int_equal(redis_life_time_read(times[i].time, &at_us), times[i].good);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(time_is_trusted_if_two_clocks_agree),
		cmocka_unit_test(without_a_start_the_wall_clock_is_used),
		cmocka_unit_test(redis_time_that_does_not_fit_is_ignored),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
