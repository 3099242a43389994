/* Drops the results of steps that run again, from the rewrite or the policy, and keeps the denial
 * that counts if no target is left. gate/steps/step_quota.c determines when they run again. */
#include "base/caps.h"
#include "base/clock.h"
#include "base/scoped.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"

/* Drops the bytes that the rewrite step wrote. A decompressed body stays. */
void
limits_forget_rewrite(struct request *r)
{
	bool decoded = r->out.decoded.n && r->in.raw.p == buf_view(&r->out.decoded).p;

	buf_free(&r->out.rewritten);
	buf_free(&r->out.new_target);
	r->out.ask_usage = false;
	r->out.sends = decoded ? SENDS_DECODED : SENDS_RECEIVED;
}

/* ---- another target: rules, edits and limits are evaluated again; segments and findings
 * stay ---- */

void
request_forget_target(struct request *r)
{
	struct request_found *f = &r->found;
	struct body *b = &r->in.body;

	limits_forget_rewrite(r);
	r->calls->forget(r);
	/* marks that edits left in the segments */
	for (size_t i = 0; r->in.have_body && i < b->nreasoning; i++)
		b->reasoning[i].dropped = false;
	for (size_t i = 0; r->in.have_body && b->nids && i < b->nsegments; i++)
		if (b->segments[i].form == SEG_TOKENS)
			b->segments[i].candidate = false;
	b->model = r->in.read_model;
	r->in.asked_model = (struct span){ NULL, 0 };
	r->out.redactor = NULL;
	r->out.placeholders = NULL;
	r->out.redacted = false;
	request_decided(r, &(struct decision){ .kind = D_NONE });
	f->have_verdict = false;
	f->ncredentials = f->reasoning_dropped = f->reasoning_left = 0;
	f->offer = (struct found_offer){ 0 };
	f->form = NULL;
	f->tokens_by = NULL;
	f->tokens = (struct found_tokens){ 0 };
	f->texts = (struct found_texts){ 0 };
	f->learned_cap = f->default_cap = 0;
	f->sends_default = f->bounded = f->quota_failed = false;
	f->limits = (struct found_limits){ 0 };
	f->priced_model = (struct span){ NULL, 0 };
	memset(&f->fell, 0, sizeof(f->fell));
}

/* A limit may deny a request at one target and not at another: if it counts only the first one
 * (a provider's own budget), or if the other takes less (a cheaper model). */

/* A denial with 429 is better than one without; then the shorter wait. */
static bool
comes_sooner(const struct decision *a, const struct decision *b)
{
	if (a->status != b->status)
		return a->status == 429;
	return a->retry_after_s < b->retry_after_s;
}

bool
limits_keep_denial(struct request *r)
{
	const struct decision *d = &r->out.decision;

	if (!r->found.over && (r->found.over = arena_new(&r->arena, struct decision)))
		*r->found.over = *d;
	if (r->found.over && comes_sooner(d, r->found.over))
		*r->found.over = *d;
	return r->found.over;
}

void
limits_leave_target(struct request *r, enum target_out out, const char *state)
{
	struct policy_rank *here = &r->found.ranks[request_target(r) - r->found.route->targets];

	here->out = out;
	here->state = state;
	/* Charges of the first run may not apply at another target. Once an attempt was
	 * settled, the counters of the request itself stay. */
	for (int i = request_settled(r); r->gate && i < 2; i++) {
		struct quota_request *q = r->found.quota[i];
		quota_unmove(r->gate->quota, q, clock_mono_us());
		quota_release(r->gate->quota, q, clock_mono_us());
		/* an empty one may be the shared constant, which must not be written */
		if (q->ndims)
			q->ndims = 0;
	}
	request_forget_target(r);
}

enum step_result
limits_over(struct request *r)
{
	const struct decision *before = r->found.over;

	if (before &&
		(r->out.decision.kind != D_DENY || comes_sooner(before, &r->out.decision)))
		request_decided(r, before);
	if (!r->found.unpriced && r->out.decision.status != 400)
		metric_inc(r->gate->metrics, M_QUOTA_REFUSED);
	return STEP_DECIDED;
}
