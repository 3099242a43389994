/* Turns. A step that works long on a worker pauses every 10 ms, so that the loop can serve
 * other requests. On a helper thread the step runs through, but ends early if its result is no
 * longer wanted. */
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "gate/gate_private.h"

/* The longest turn, and the bytes of work between two looks at the clock. */
enum { TURN_US = 10000, TURN_CHECK_BYTES = 32 << 10 };

/* Returns true on a helper thread if nobody waits for the step's result. */
static bool
offload_pointless(const struct request *r)
{
	return atomic_load_explicit(&r->run.offload.pointless, memory_order_relaxed) ||
	       pool_stopping(r->gate->shared->helpers);
}

bool
offload_over(const void *request)
{
	const struct request *r = request;
	uint64_t until_us =
		atomic_load_explicit(&r->gate->shared->work_until_us, memory_order_relaxed);

	return offload_pointless(r) || (until_us && clock_mono_us() > until_us);
}

static void
arm_turn(struct gate *g)
{
	if (g->turns && !ev_is_active(&g->turn)) {
		ev_timer_set(&g->turn, 0., 0.);
		ev_timer_start(g->loop, &g->turn);
	}
}

void
turn_due(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct gate *g = TAGGED(gate, w->data);
	struct request *r = g->turns;

	INVARIANT(r && r->gate == g);
	g->turns = r->run.turn_next;
	if (!g->turns)
		g->turns_end = &g->turns;
	request_waited(r);
	r->calls->back(r);
	arm_turn(g);
}

struct turn
turn_begin(const struct request *r)
{
	return (struct turn){ r->gate ? clock_mono_us() : 0, 0 };
}

bool
turn_over(const struct request *r, struct turn *t, size_t work)
{
	t->work += work;
	if (!r->gate || t->work < TURN_CHECK_BYTES)
		return false;
	t->work = 0;
	if (r->waiting.what == WAIT_HELPER)
		return offload_over(r);
	return clock_mono_us() - t->began_us > TURN_US;
}

enum step_result
turn_next(struct request *r)
{
	struct gate *g = r->gate;

	if (r->waiting.what == WAIT_HELPER)
		return STEP_WAIT;
	INVARIANT(r->run.life == LIFE_STEPS && g->turns_end && !*g->turns_end);
	request_waits(r, WAIT_TURN);
	request_asked(r);
	r->run.turn_next = NULL;
	*g->turns_end = r;
	g->turns_end = &r->run.turn_next;
	arm_turn(g);
	return STEP_WAIT;
}

bool
offload_leaves(const struct request *r)
{
	return r->gate && !r->run.resumed && r->gate->shared->helpers &&
	       gate_cfg(r->gate)->relay;
}

size_t
request_inline_most(const struct request *r)
{
	enum { LATELY_US = 60000000 };
	uint64_t dear_us =
		atomic_load_explicit(&r->gate->shared->dear_us, memory_order_relaxed);

	return dear_us && r->begun_us < dear_us + LATELY_US ? CAP_INLINE_DEAR : CAP_INLINE_BODY;
}

void
request_text_took(const struct request *r, size_t n, uint64_t units)
{
	if (r->gate && n <= CAP_INLINE_BODY && units >= CAP_DEAR_WORK)
		atomic_store_explicit(
			&r->gate->shared->dear_us, clock_mono_us(), memory_order_relaxed);
}
