/* The believed clock: the monotonic clock plus a wall time that more than one source supports.
 *
 * Sources are this process' wall clock, the journal's last time, and Redis' clock. Any of them
 * may be wrong, and the wall clock may be set at any time. So there are two readings:
 *
 * - wall_now_ns() is for what can be taken back, such as windows of limits. It follows the wall
 *   clock, but a step counts only once another source supports the new time, or once the wall
 *   clock has kept it for WALL_HOLD_US. A fresh machine has one source, which is believed.
 * - wall_least_ns() is for what cannot be taken back, such as removing a revoked key. It is a time
 *   that each known source has reached: of the wall clock and Redis' clock the earlier one, and
 *   without Redis of the wall clock and the journal's last time plus what has passed since. It may
 *   be late and is never early because of one wrong clock.
 *
 * Before wall_start(), in commands and tests, both are the wall clock. */
#ifndef BASE_WALL_H
#define BASE_WALL_H

#include <stdbool.h>
#include <stdint.h>

#define WALL_HOLD_US 60000000ull
/* A start is this long after the journal's last time at most, or the journal does not support the
 * wall clock: half of the day for which what is over is kept (gate/changes/live.h). */
#define WALL_GAP_NS (12ll * 3600 * 1000000000)
#define WALL_UNKNOWN INT64_MIN

enum wall_life {
	WALL_CONFIRMED, /* another source supports the wall clock */
	WALL_ALONE,	/* nothing supports it: a fresh machine, or one that was off for long */
	WALL_DOUBTED,	/* it was set, or another source contradicts it: not followed */
};

struct wall_state {
	enum wall_life life;
	int64_t ahead_ns;  /* the wall clock less wall_now_ns(), while it is not followed */
	int64_t least_ns;  /* the wall clock less wall_least_ns() */
	int64_t set_by_ns; /* the last step that is followed; 0: there was none */
	uint64_t set_us;   /* when, monotonic */
};

/* owner: the caller; not shared between threads. Offsets are of a wall time, less the monotonic
 * clock, in ns. */
struct wall {
	bool started, anchored;
	int64_t off_ns;	    /* that wall_now_ns() adds */
	int64_t seen_ns;    /* of the wall clock at the last look */
	uint64_t seen_us;   /* since when the wall clock has it */
	int64_t written_ns; /* the journal's last time; WALL_UNKNOWN */
	int64_t other_ns;   /* of Redis' clock; WALL_UNKNOWN */
	struct wall_state state;
};

/* One look at the sources. written_ns: the journal's last time, at the first look;
 * redis_off_ns: Redis' clock less the monotonic one. Both WALL_UNKNOWN if not known. True: a step
 * of the wall clock is followed since this look; w->state says by how much. */
bool wall_step(struct wall *w, int64_t wall_ns, uint64_t mono_us, int64_t written_ns,
	int64_t redis_off_ns);
/* The time that all known sources have reached, in ns: wall_least_ns() of one `struct wall`. */
int64_t wall_step_least_ns(const struct wall *w, int64_t wall_ns, uint64_t mono_us);

/* ---- the process' own; any thread, but wall_start() and wall_look() on one ---- */

/* written_ns: the journal's last time, without this start; WALL_UNKNOWN: there is none. */
void wall_start(int64_t written_ns);
/* Once a second. redis_off_ns and the result: wall_step(). *out may be NULL. */
bool wall_look(int64_t redis_off_ns, struct wall_state *out);
int64_t wall_now_ns(void);
int64_t wall_least_ns(void);
/* wall_now_ns() less the monotonic clock. */
int64_t wall_offset_us(void);
void wall_read(struct wall_state *out);
/* Redis' clock is known, and confirms the wall clock. */
bool wall_by_redis(void);

#endif
