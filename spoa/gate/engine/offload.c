/* Long bodies and responses on helper threads. A step that looks at a whole body
 * (decompressing, reading, searching, rewriting) would delay all other requests of its worker.
 * The request is parked meanwhile and belongs to the helper. The worker touches only
 * `pointless`, and gets the request back by mail. Only for bodies that the relay read, because
 * the agent's deadline does not apply to those; bodies in a NOTIFY are short. */
#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/effort.h"
#include "base/err.h"
#include "gate/engine/engine.h"

/* helpers' time for requests while the daemon stops */
enum { STOP_WORK_US = 100000 };

void
gate_helpers_hurry(struct gate_shared *s)
{
	atomic_store(&s->work_until_us, clock_mono_us() + STOP_WORK_US);
}

bool
offload_wanted(const struct request *r)
{
	/* the length of a compressed body is unknown until it is decompressed */
	return r->run.resumed && steps[r->run.step].looks_at_all && r->gate->shared->helpers &&
	       (r->in.body_raw.n + r->in.said_bytes > request_inline_most(r) || r->in.coding.n);
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
	/* The step gave up, because the caller left or the daemon stops. The next step must not
	 * run without its results. */
	if (result == STEP_WAIT)
		result = request_overload(r);
	r->run.offload.result = (int)result;
	mailbox_send(r->gate->mail, &r->run.offload.back);
}

void
offload_step(struct request *r)
{
	INVARIANT(r->run.resumed && r->run.life == LIFE_STEPS && r->run.wait == WAIT_HELPER);
	r->run.pending++;
	r->run.offload.back.run = offload_back;
	r->run.offload.work.run = offload_run;
	pool_submit(r->gate->shared->helpers, &r->run.offload.work);
}

/* ---- responses ---- */

static void
aside_back(struct mail *m, void *worker UNUSED)
{
	struct exchange *x = TAGGED_OF(exchange, aside.back, m);
	struct snapshot_local *own = snapshot_mine(x->r->snap, x->r->worker);

	INVARIANT(x->aside.out && x->guard && own);
	/* the worker had a scratch before, so this cannot fail */
	guard_lend(x->guard, own->scratch);
	x->aside.out = false;
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
	if (own)
		detect_scratch_wipe(own->scratch);
	mailbox_send(x->r->gate->mail, &x->aside.back);
}

bool
gate_aside(struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg)
{
	struct pool *helpers = x->r->gate->shared->helpers;

	if (!helpers)
		return false;
	INVARIANT(!x->aside.out && x->guard && run && back);
	x->aside.out = true;
	x->aside.run = run;
	x->aside.done = back;
	x->aside.arg = arg;
	x->aside.back.run = aside_back;
	x->aside.work.run = aside_run;
	pool_submit(helpers, &x->aside.work);
	return true;
}
