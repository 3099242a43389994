/* Time that the test sets, instead of base/clock.c. The Makefile lists the programs that are
 * linked with fake_clock.o. */
#ifndef TESTS_FAKE_CLOCK_H
#define TESTS_FAKE_CLOCK_H

#include "base/clock.h"

extern _Atomic uint64_t fake_mono; /* microseconds; helpers of a gate read it too */
extern _Atomic int64_t fake_wall;  /* nanoseconds since 1970 */
extern uint64_t fake_step_us;	   /* time that each reading of the clock takes */

/* Lets time pass on both clocks. */
void fake_pass_us(uint64_t us);

#endif
