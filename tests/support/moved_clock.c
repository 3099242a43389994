/* The clocks plus an offset that the test sets. This object replaces base/clock.c, so it must
 * be linked explicitly: in a library it would replace the clock of every program. */
#include <stdatomic.h>

#include "support/moved_clock.h"

#define clock_mono_us real_mono_us
#define clock_wall_ns real_wall_ns
uint64_t real_mono_us(void);
int64_t real_wall_ns(void);
#include "base/clock.c"
#undef clock_mono_us
#undef clock_wall_ns

_Atomic uint64_t passed_us;
_Atomic int64_t wall_off_ns;

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
