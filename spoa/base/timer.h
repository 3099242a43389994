/* Timers of a loop, and delays that double after each failure. */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include <ev.h>
#include <stdint.h>

/* Starts the timer once, `us` from now, and forgets its earlier time. The delay counts from now,
 * not from the beginning of the loop's turn, which may be long ago. Called on the loop's
 * thread. */
static inline void
timer_after(struct ev_loop *loop, ev_timer *t, uint64_t us)
{
	ev_timer_stop(loop, t);
	ev_now_update(loop);
	ev_timer_set(t, (double)us / 1e6, 0.);
	ev_timer_start(loop, t);
}

/* Returns the delay after one more failure. `was`: the previous delay; 0: there was none. */
static inline uint64_t
wait_doubled(uint64_t was, uint64_t first, uint64_t most)
{
	uint64_t us = was ? 2 * was : first;

	return us < most ? us : most;
}

#endif
