/* Long bodies on helper threads: a step that looks at all of a body (decoding, reading,
 * classifying, rewriting) would hold up whoever else is on its worker. The request is
 * parked meanwhile and belongs to the helper; the worker keeps away from it but for
 * `pointless`, and has it back with the mail. Only bodies that the relay read: no
 * deadline of the agent is after those, and what a NOTIFY brings is short. */
#include "base/caps.h"
#include "gate/gate_private.h"

bool
offload_wanted(const struct request *r)
{
	/* How long a compressed body is shows when it is decoded. */
	return r->resumed && steps[r->step].looks_at_all && r->gate->shared->helpers &&
	       (r->body_raw.n > CAP_INLINE_BODY || r->coding.n);
}

bool
offload_leaves(const struct request *r)
{
	return r->gate && !r->resumed && r->gate->shared->helpers && gate_cfg(r->gate)->relay;
}

bool
offload_pointless(const struct request *r)
{
	return atomic_load_explicit(&r->offload.pointless, memory_order_relaxed) ||
	       pool_stopping(r->gate->shared->helpers);
}

static void
offload_back(struct mail *m, void *worker)
{
	struct request *r = CONTAINER_OF(m, struct request, offload.back);

	(void)worker;
	r->pending--;
	r->offload.away = false;
	r->worker = r->gate->worker;
	r->wait = WAIT_NONE;
	if (r->answered)
		request_late(r);
	else
		gate_step_done(r, (enum step_result)r->offload.result);
}

static void
offload_run(struct work *w, unsigned thread)
{
	struct request *r = CONTAINER_OF(w, struct request, offload.work);

	r->worker = SNAPSHOT_HELPER + thread;
	r->offload.result = (int)steps[r->step].run(r);
	mailbox_send(r->gate->mail, &r->offload.back);
}

void
offload_step(struct request *r)
{
	r->pending++;
	r->offload.away = true;
	r->offload.back.run = offload_back;
	r->offload.work.run = offload_run;
	pool_submit(r->gate->shared->helpers, &r->offload.work);
}
