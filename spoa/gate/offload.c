/* Long bodies on helper threads: a step that looks at all of a body (decoding, reading,
 * classifying, rewriting) would hold up whoever else is on its worker. The request is
 * parked meanwhile and belongs to the helper; the worker keeps away from it but for
 * `pointless`, and has it back with the mail. Only bodies that the relay read: no
 * deadline of the agent is after those, and what a NOTIFY brings is short. */
#include "base/attr.h"
#include "base/caps.h"
#include "gate/gate_private.h"

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
