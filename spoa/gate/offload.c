/* Long bodies and answers on helper threads: a step that looks at all of a body (decoding,
 * reading, classifying, rewriting) would hold up whoever else is on its worker. The request is
 * parked meanwhile and belongs to the helper; the worker keeps away from it but for
 * `pointless`, and has it back with the mail. Only bodies that the relay read: no
 * deadline of the agent is after those, and what a NOTIFY brings is short. */
#include "base/attr.h"
#include "base/caps.h"
#include "gate/exchange.h"

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
	r->run.offload.result = (int)steps[r->run.step].run(r);
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
	x->aside.run(x->aside.arg);
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
