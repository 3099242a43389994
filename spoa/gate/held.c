/* Bytes that a request holds, counted for all and for its caller: hold.h. */
#include "base/clock.h"
#include "base/err.h"
#include "gate/gate_private.h"

bool
request_hold(struct request *r, size_t n)
{
	if (!hold_take(&r->gate->shared->holds, r->run.held_slot, r->run.held_bytes, n)) {
		metric_inc(r->gate->metrics, M_HELD_REFUSED);
		return false;
	}
	r->run.held_bytes += n;
	return true;
}

void
request_unhold(struct request *r, size_t n)
{
	INVARIANT(n <= r->run.held_bytes);
	hold_give(&r->gate->shared->holds, r->run.held_slot, r->run.held_bytes, n);
	r->run.held_bytes -= n;
}

enum step_result
request_hold_identity(struct request *r)
{
	struct holds *holds = &r->gate->shared->holds;
	size_t n = r->run.held_bytes;

	if (r->run.held_slot < HOLD_SLOTS)
		return STEP_NEXT;
	request_unhold(r, r->run.held_bytes);
	/* Who is observed has no name of its own, and a cutover's callers are many. */
	struct span who = r->found.observed	       ? r->in.src
			  : r->found.identity.person.n ? r->found.identity.person
						       : r->found.identity.agent;
	uint64_t now_us = clock_mono_us(), refused_us;
	r->run.held_slot = hold_join(holds, who, now_us);
	refused_us = hold_refused_us(holds, r->run.held_slot, now_us);
	if (refused_us)
		metric_inc(r->gate->metrics, M_HELD_REFUSED);
	if (refused_us || !request_hold(r, n)) {
		request_overheld(r);
		if (refused_us) {
			r->out.decision.message =
				SPAN_LIT("too many requests of this caller wait, or were given "
					 "up before they were read");
			r->out.decision.retry_after_s = 1 + refused_us / 1000000;
		}
		return STEP_DECIDED;
	}
	return STEP_NEXT;
}

enum step_result
request_hold_work(struct request *r)
{
	size_t n = r->out.decoded.size + r->out.rewritten.size + r->arena.used_bytes;

	if (!r->gate || n <= r->run.held_work)
		return STEP_NEXT;
	if (!request_hold(r, n - r->run.held_work))
		return request_overheld(r);
	r->run.held_work = n;
	return STEP_NEXT;
}

void
request_unhold_work(struct request *r)
{
	INVARIANT(r->run.held_work <= r->run.held_bytes);
	request_unhold(r, r->run.held_work);
	r->run.held_work = 0;
}
