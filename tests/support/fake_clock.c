/* Time that the test sets. This object replaces base/clock.c, except for the text form of
 * times, so it must be linked explicitly: in a library it would replace the clock of every
 * program. */
#include "support/fake_clock.h"

#define clock_mono_us real_mono_us
#define clock_wall_ns real_wall_ns
uint64_t real_mono_us(void);
int64_t real_wall_ns(void);
#include "base/clock.c"
#undef clock_mono_us
#undef clock_wall_ns

_Atomic uint64_t fake_mono = 1000000000;
_Atomic int64_t fake_wall = 1790000000ll * 1000000000;
uint64_t fake_step_us;

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

void
fake_pass_us(uint64_t us)
{
	fake_mono += us;
	fake_wall += (int64_t)us * 1000;
}
