/* Named points at which a test ends the process: stop_at("checkpoint-written") is where a kill
 * would be worst. In the shipped program nothing is there but a test of a pointer that is NULL.
 * A unit test forks, sets stops_hook in the child (stops_kill: SIGKILL at stops_point, the
 * stops_after-th time) and looks at what the child left. build/stops/tollgate,
 * the same program with TG_STOPS, reads point and count from TG_STOP_AT=POINT[:N]
 * (tests/e2e/stops.sh). */
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
