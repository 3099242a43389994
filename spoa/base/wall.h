/* The believed clock: the monotonic clock plus a wall time that more than one source supports.
 *
 * The sources are this process' wall clock, the journal's last time, and Redis' clock. Any of
 * them may be wrong, and the wall clock may be set at any time. So there are two readings:
 *
 * - wall_now_ns() is for effects that can be undone, such as windows of limits. It follows the
 * wall clock, but a step counts only once another source supports the new time, or once the wall
 * clock has kept it for WALL_HOLD_US. A fresh machine has only one source, which is believed.
 *
 * - wall_least_ns() is for effects that cannot be undone, such as removing a revoked key. It
 * returns a time that each known source has reached. With Redis, this is the earlier one of the
 * wall clock and Redis' clock. Without Redis, it is the earlier one of the wall clock and the
 * journal's last time plus the time that has passed since. The result may be late, and is never
 * early because of one wrong clock.
 *
 * Before wall_start(), in commands and tests, both return the wall clock. */
#ifndef BASE_WALL_H
#define BASE_WALL_H

#include <stdbool.h>
#include <stdint.h>

#define WALL_HOLD_US 60000000ull
/* If the daemon starts later than this after the journal's last time, the journal does not
 * support the wall clock. This is half of the day for which expired entries are kept
 * (gate/changes/live.h). */
#define WALL_GAP_NS (12ll * 3600 * 1000000000)
#define WALL_UNKNOWN INT64_MIN

enum wall_life {
	WALL_CONFIRMED, /* another source supports the wall clock */
	WALL_ALONE, /* no other source supports it: a fresh machine, or one that was off for long */
	WALL_DOUBTED,	/* it was set, or another source contradicts it: it is not followed */
};

struct wall_state {
	enum wall_life life;
	/* wall clock minus wall_now_ns(), while the wall clock is not followed; ns */
	int64_t ahead_ns;
	int64_t least_ns;  /* wall clock minus wall_least_ns(); ns */
	int64_t set_by_ns; /* size of the last step that was followed, ns; 0: there was none */
	uint64_t set_us;   /* when that was, monotonic µs */
};

/* owner: the caller; not shared between threads. An offset is a wall time minus the monotonic
 * clock, in ns. */
struct wall {
	bool started, anchored;
	int64_t off_ns;	    /* offset of wall_now_ns() */
	int64_t seen_ns;    /* offset of the wall clock at the last look */
	uint64_t seen_us;   /* since when the wall clock has this offset, monotonic µs */
	int64_t written_ns; /* offset of the journal's last time; or WALL_UNKNOWN */
	int64_t other_ns;   /* offset of Redis' clock; or WALL_UNKNOWN */
	struct wall_state state;
};

/* Looks at the sources once. written_ns is the journal's last time and counts at the first look
 * only. redis_off_ns is Redis' clock minus the monotonic clock. Either may be WALL_UNKNOWN.
 * Returns true if a step of the wall clock is followed from this look on; w->state has its
 * size. */
bool wall_step(struct wall *w, int64_t wall_ns, uint64_t mono_us, int64_t written_ns,
	int64_t redis_off_ns);
/* Returns wall_least_ns() for one `struct wall`: the time that all known sources have reached,
 * in ns. */
int64_t wall_step_least_ns(const struct wall *w, int64_t wall_ns, uint64_t mono_us);

/* ---- the clock of the process; any thread, but wall_start() and wall_look() on one ---- */

/* Starts the clock. written_ns: the journal's last time before this start; WALL_UNKNOWN: none. */
void wall_start(int64_t written_ns);
/* Called once a second. redis_off_ns and the result are as in wall_step(). `out` may be NULL. */
bool wall_look(int64_t redis_off_ns, struct wall_state *out);
int64_t wall_now_ns(void);
int64_t wall_least_ns(void);
/* Returns wall_now_ns() minus the monotonic clock, in µs. */
int64_t wall_offset_us(void);
void wall_read(struct wall_state *out);
/* Returns true if Redis' clock is known and supports the wall clock. */
bool wall_by_redis(void);

#endif
