/* The clocks plus an offset that the test sets; threads read them. Include it in one file of
 * the test program. It replaces base/clock.c. Timers still wait the real time; the monotonic
 * clock is for code that compares times. */
#ifndef TESTS_MOVED_CLOCK_H
#define TESTS_MOVED_CLOCK_H

#include <stdatomic.h>
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

static _Atomic uint64_t passed_us;
static _Atomic int64_t wall_off_ns;

uint64_t
clock_mono_us(void)
{
	return real_mono_us() + atomic_load(&passed_us);
}

int64_t
clock_wall_ns(void)
{
	return real_wall_ns() + atomic_load(&wall_off_ns);
}

#endif
