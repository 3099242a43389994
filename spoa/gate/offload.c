/* Long bodies and answers on helper threads: a step that looks at all of a body (decoding,
 * reading, classifying, rewriting) would hold up whoever else is on its worker. The request is
 * parked meanwhile and belongs to the helper; the worker keeps away from it but for
 * `pointless`, and has it back with the mail. Only bodies that the relay read: no
 * deadline of the agent is after those, and what a NOTIFY brings is short. */
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/effort.h"
#include "gate/exchange.h"

enum { STOP_WORK_US = 100000 };

void
gate_helpers_hurry(struct gate_shared *s)
{
	atomic_store(&s->work_until_us, clock_mono_us() + STOP_WORK_US);
}

bool
offload_wanted(const struct request *r)
{
	/* How long a compressed body is shows when it is decoded. */
	return r->run.resumed && steps[r->run.step].looks_at_all && r->gate->shared->helpers &&
	       (r->in.body_raw.n > CAP_INLINE_BODY || r->in.coding.n);
}

bool
offload_leaves(const struct request *r)
{
	return r->gate && !r->run.resumed && r->gate->shared->helpers &&
	       gate_cfg(r->gate)->relay;
}

bool
offload_pointless(const struct request *r)
{
	return atomic_load_explicit(&r->run.offload.pointless, memory_order_relaxed) ||
	       pool_stopping(r->gate->shared->helpers);
}

/* Nobody waits for it, or the daemon stops and gave it a last tenth of a second. */
static bool
offload_over(const void *request)
{
	const struct request *r = request;
	uint64_t until_us =
		atomic_load_explicit(&r->gate->shared->work_until_us, memory_order_relaxed);

	return offload_pointless(r) || (until_us && clock_mono_us() > until_us);
}

static void
offload_back(struct mail *m, void *worker UNUSED)
{
	struct request *r = TAGGED_OF(request, run.offload.back, m);

	r->worker = r->gate->worker;
	r->run.wait = WAIT_NONE;
	gate_advance(r, (enum step_result)r->run.offload.result);
	request_back(r);
}

static void
offload_run(struct work *w, unsigned thread)
{
	struct request *r = TAGGED_OF(request, run.offload.work, w);

	r->worker = SNAPSHOT_HELPER + thread;
	effort_watch(offload_over, r);
	enum step_result result = steps[r->run.step].run(r);
	effort_watch(NULL, NULL);
	/* Given up, and its caller waits. */
	if (result == STEP_WAIT && !offload_pointless(r))
		result = request_overload(r);
	r->run.offload.result = (int)result;
	mailbox_send(r->gate->mail, &r->run.offload.back);
}

void
offload_step(struct request *r)
{
	r->run.pending++;
	r->run.offload.back.run = offload_back;
	r->run.offload.work.run = offload_run;
	pool_submit(r->gate->shared->helpers, &r->run.offload.work);
}

/* ---- answers ---- */

static void
aside_back(struct mail *m, void *worker UNUSED)
{
	struct exchange *x = TAGGED_OF(exchange, aside.back, m);
	struct snapshot_local *own = snapshot_mine(x->r->snap, x->r->worker);

	guard_lend(x->guard, own->scratch); /* it had one before */
	x->aside.done(x->aside.arg);
}

static void
aside_run(struct work *w, unsigned thread)
{
	struct exchange *x = TAGGED_OF(exchange, aside.work, w);
	struct snapshot_local *own = snapshot_mine(x->r->snap, SNAPSHOT_HELPER + thread);

	if (own)
		guard_lend(x->guard, own->scratch);
	else
		guard_stop(x->guard);
	effort_watch(guard_is_stopped, x->guard);
	x->aside.run(x->aside.arg);
	effort_watch(NULL, NULL);
	mailbox_send(x->r->gate->mail, &x->aside.back);
}

bool
gate_aside(struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg)
{
	struct pool *helpers = x->r->gate->shared->helpers;

	if (!helpers)
		return false;
	x->aside.run = run;
	x->aside.done = back;
	x->aside.arg = arg;
	x->aside.back.run = aside_back;
	x->aside.work.run = aside_run;
	pool_submit(helpers, &x->aside.work);
	return true;
}

/* ---- turns: steps that work long on a worker let the loop's other requests in between ---- */

enum { TURN_US = 10000, TURN_CHECK_BYTES = 32 << 10 };

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

	g->turns = r->run.turn_next;
	if (!g->turns)
		g->turns_end = &g->turns;
	r->run.wait = WAIT_NONE;
	request_back(r);
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
	if (r->run.wait == WAIT_HELPER)
		return offload_over(r);
	return clock_mono_us() - t->began_us > TURN_US;
}

enum step_result
turn_next(struct request *r)
{
	struct gate *g = r->gate;

	if (r->run.wait == WAIT_HELPER)
		return STEP_WAIT;
	r->run.wait = WAIT_TURN;
	r->run.pending++;
	r->run.turn_next = NULL;
	*g->turns_end = r;
	g->turns_end = &r->run.turn_next;
	arm_turn(g);
	return STEP_WAIT;
}
