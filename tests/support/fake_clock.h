/* Time that the test sets. Include it in one file of the test program. It replaces
 * base/clock.c, except for the text form of times. */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include <stdint.h>

#define clock_mono_us real_mono_us
#define clock_wall_ns real_wall_ns
uint64_t real_mono_us(void); /* base/clock.h may already have been included */
int64_t real_wall_ns(void);
#include "base/clock.c"
#undef clock_mono_us
#undef clock_wall_ns

uint64_t clock_mono_us(void);
int64_t clock_wall_ns(void);

static _Atomic uint64_t fake_mono = 1000000000; /* helpers of a gate read it too */
static _Atomic int64_t fake_wall = 1790000000ll * 1000000000;
static uint64_t fake_step_us; /* time that each reading of the clock takes */

uint64_t
clock_mono_us(void)
{
	fake_mono += fake_step_us;
	return fake_mono;
}

int64_t
clock_wall_ns(void)
{
	return fake_wall;
}

static inline void
fake_pass_us(uint64_t us)
{
	fake_mono += us;
	fake_wall += (int64_t)us * 1000;
}

#endif
