/* One time that a loop waits for, and waits that double. */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <ev.h>
#include <stdint.h>

/* Once, so long from now on, whatever it waited for before; a turn of the loop may be long:
 * from now, not from the turn's beginning. The loop's thread. */
static inline void
timer_after(struct ev_loop *loop, ev_timer *t, uint64_t us)
{
	ev_timer_stop(loop, t);
	ev_now_update(loop);
	ev_timer_set(t, (double)us / 1e6, 0.);
	ev_timer_start(loop, t);
}

/* How long to wait after one more failure: `was` the last time (0: there was none). */
static inline uint64_t
wait_doubled(uint64_t was, uint64_t first, uint64_t most)
{
	uint64_t us = was ? 2 * was : first;

	return us < most ? us : most;
}

#endif
