/* Decides which wall time is believed. Each source is an offset to the monotonic clock; two
 * offsets agree if they differ by at most CLOCK_STEP_NS.
 *
 * Example: at a step of the wall clock by an hour, wall_now_ns() continues as before. If Redis'
 * clock has the new time too, or the step lasts for 60 s without Redis contradicting it, the
 * step is followed. */
#include "base/wall.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/scoped.h"

static bool
is_near(int64_t x_ns, int64_t y_ns)
{
	return x_ns != WALL_UNKNOWN && y_ns != WALL_UNKNOWN && llabs(x_ns - y_ns) <= CLOCK_STEP_NS;
}

/* Returns true if the journal supports this offset: the time is not before the journal's last time,
 * and at most WALL_GAP_NS after it. */
static bool
is_after_written(const struct wall *w, int64_t off_ns)
{
	return w->written_ns != WALL_UNKNOWN && off_ns != WALL_UNKNOWN &&
	       off_ns >= w->written_ns - CLOCK_STEP_NS && off_ns <= w->written_ns + WALL_GAP_NS;
}

/* Returns the offset that is believed now. `held`: the wall clock has had its present offset for
 * WALL_HOLD_US. */
static int64_t
choose_offset(const struct wall *w, int64_t wall_ns, bool held)
{
	int64_t redis_ns = w->other_ns;
	bool by_journal = is_after_written(w, wall_ns);

	if (is_near(wall_ns, redis_ns))
		return wall_ns;
	if (redis_ns != WALL_UNKNOWN && by_journal != is_after_written(w, redis_ns))
		return by_journal ? wall_ns : redis_ns;
	if (is_near(wall_ns, w->off_ns))
		return wall_ns;
	if (redis_ns == WALL_UNKNOWN && by_journal && !is_after_written(w, w->off_ns))
		return wall_ns;
	return held && !is_near(w->off_ns, redis_ns) ? wall_ns : w->off_ns;
}

bool
wall_step(struct wall *w, int64_t wall_ns, uint64_t mono_us, int64_t written_ns,
	int64_t redis_off_ns)
{
	int64_t mono_ns = (int64_t)mono_us * 1000, off_ns = wall_ns - mono_ns;
	bool first = !w->started;

	w->other_ns = redis_off_ns;
	if (first) {
		*w = (struct wall){ .started = true,
			.off_ns = off_ns,
			.seen_ns = off_ns,
			.seen_us = mono_us,
			.other_ns = redis_off_ns,
			.written_ns = written_ns == WALL_UNKNOWN ? written_ns
								 : written_ns - mono_ns };
		/* From now on, the wall clock supports itself: the time for which the daemon was
		 * down is known. */
		if (is_after_written(w, off_ns) || written_ns == WALL_UNKNOWN) {
			w->anchored = written_ns != WALL_UNKNOWN;
			w->written_ns = off_ns;
		}
	}
	if (!is_near(off_ns, w->seen_ns))
		w->seen_us = mono_us;
	w->seen_ns = off_ns;
	if (is_near(off_ns, redis_off_ns)) {
		w->written_ns = off_ns;
		w->anchored = true;
	}
	int64_t was_ns = w->off_ns;
	w->off_ns = choose_offset(w, off_ns, mono_us - w->seen_us >= WALL_HOLD_US);
	/* The journal's time follows a clock that is adjusted slowly. */
	if (w->anchored && is_near(w->off_ns, w->written_ns))
		w->written_ns = w->off_ns;
	bool step = !first && !is_near(was_ns, w->off_ns);
	if (step) {
		w->state.set_by_ns = w->off_ns - was_ns;
		w->state.set_us = mono_us;
	}
	bool followed = is_near(off_ns, w->off_ns);
	w->state.ahead_ns = followed ? 0 : off_ns - w->off_ns;
	w->state.least_ns = wall_ns - wall_step_least_ns(w, wall_ns, mono_us);
	bool contradicted = redis_off_ns != WALL_UNKNOWN && !is_near(off_ns, redis_off_ns);
	w->state.life = !followed || contradicted ? WALL_DOUBTED
			: redis_off_ns == WALL_UNKNOWN &&
					(!w->anchored || !is_near(off_ns, w->written_ns))
				? WALL_ALONE
				: WALL_CONFIRMED;
	return step;
}

int64_t
wall_step_least_ns(const struct wall *w, int64_t wall_ns, uint64_t mono_us)
{
	int64_t other = w->other_ns != WALL_UNKNOWN ? w->other_ns : w->written_ns;
	int64_t least_ns = other + (int64_t)mono_us * 1000;

	return wall_ns < least_ns ? wall_ns : least_ns;
}

/* ---- the clock of the process ---- */

static pthread_mutex_t wall_lock = PTHREAD_MUTEX_INITIALIZER;
static struct wall wall_own;
static _Atomic int64_t wall_off_ns = WALL_UNKNOWN; /* offset of wall_own */

void
wall_start(int64_t written_ns)
{
	SCOPED_LOCK(&wall_lock);
	wall_own = (struct wall){ .started = false };
	wall_step(&wall_own, clock_wall_ns(), clock_mono_us(), written_ns, WALL_UNKNOWN);
	atomic_store(&wall_off_ns, wall_own.off_ns);
}

bool
wall_look(int64_t redis_off_ns, struct wall_state *out)
{
	SCOPED_LOCK(&wall_lock);
	bool step = wall_step(
		&wall_own, clock_wall_ns(), clock_mono_us(), WALL_UNKNOWN, redis_off_ns);
	atomic_store(&wall_off_ns, wall_own.off_ns);
	if (out)
		*out = wall_own.state;
	return step;
}

/* Each request calls this function, so it takes no lock. */
int64_t
wall_now_ns(void)
{
	int64_t off_ns = atomic_load_explicit(&wall_off_ns, memory_order_relaxed);

	return off_ns == WALL_UNKNOWN ? clock_wall_ns()
				      : off_ns + (int64_t)clock_mono_us() * 1000;
}

int64_t
wall_least_ns(void)
{
	SCOPED_LOCK(&wall_lock);
	int64_t now_ns = clock_wall_ns();
	return wall_own.started ? wall_step_least_ns(&wall_own, now_ns, clock_mono_us()) : now_ns;
}

int64_t
wall_offset_us(void)
{
	return wall_now_ns() / 1000 - (int64_t)clock_mono_us();
}

void
wall_read(struct wall_state *out)
{
	SCOPED_LOCK(&wall_lock);
	*out = wall_own.state;
}

bool
wall_by_redis(void)
{
	SCOPED_LOCK(&wall_lock);
	return wall_own.started &&
	       is_near(clock_wall_ns() - (int64_t)clock_mono_us() * 1000, wall_own.other_ns);
}
