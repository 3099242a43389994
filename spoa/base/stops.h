/* Named points at which a test can end the process. stop_at("checkpoint-written") marks a moment
 * at which a kill would be most harmful. In the shipped program, a point is only the test of a
 * pointer that is NULL.
 *
 * A unit test forks, sets stops_hook in the child (stops_kill sends SIGKILL at stops_point, the
 * stops_after-th time) and inspects what the child left. build/stops/tollgate, the same program
 * built with TG_STOPS, reads point and count from TG_STOP_AT=POINT[:N] (tests/e2e/stops.sh). */
#ifndef BASE_STOPS_H
#define BASE_STOPS_H

#include <stddef.h>

extern void (*stops_hook)(const char *point);
extern const char *stops_point;
extern unsigned stops_after;
/* Any thread. */
void stops_kill(const char *point);

static inline void
stop_at(const char *point)
{
	if (__builtin_expect(stops_hook != NULL, 0))
		stops_hook(point);
}

#endif
