/* The clocks plus an offset that the test sets; threads read them. Instead of base/clock.c: the
 * Makefile lists the programs that are linked with moved_clock.o. Timers still wait the real
 * time; the monotonic clock is for code that compares times. */
#ifndef TESTS_MOVED_CLOCK_H
#define TESTS_MOVED_CLOCK_H

#include "base/clock.h"

extern _Atomic uint64_t passed_us;  /* added to the monotonic clock */
extern _Atomic int64_t wall_off_ns; /* added to the wall clock */

#endif
