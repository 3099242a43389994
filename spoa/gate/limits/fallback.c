/* Alternatives before a limit refuses a request: another model or a shorter response (at_limit,
 * at_soft), or another target. Both happen at most once for each target. The steps
 * then run again from the rewrite or the policy. */
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

bool
limits_fall(struct request *r, const struct limit *l, bool soft)
{
	const struct limit_change *x = soft ? l->at_soft : l->at_limit;
	bool changes = x && (x->model || x->max_output_tokens);

	if (!changes || r->found.fell.change || r->in.body_state == BODY_STATE_PARTIAL ||
		!request_add_tags(r, x->tags, x->ntags))
		return false;
	/* a limit with an override is a copy in the arena, so point to the policy's own */
	const struct limit *of = limits_of(r, l->name);
	r->found.fell.limit = of ? of : l;
	r->found.fell.change = x;
	r->found.fell.soft = soft;
	limits_forget_rewrite(r);
	return true;
}

void
limits_admitted(struct request *r, struct quota_request *q)
{
	for (size_t i = 0; i < q->ndims; i++) {
		struct quota_dim *d = &q->dim[i];
		const struct limit *l = d->of;
		if (l && d->soft_reached && l->at_soft)
			request_add_tags(r, l->at_soft->tags, l->at_soft->ntags);
		if (l && l == r->found.fell.limit && r->found.fell.amount) {
			d->limit = r->found.fell.amount;
			d->remaining = 0;
		}
	}
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
	r->out.decision = (struct decision){ 0 };
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

/* Returns true if `key` is the counter of the limit, or of its burst. */
static bool
is_counter(const struct policy_limit_hit *hit, const char *key)
{
	struct quota_dim d;

	for (int burst = 0; burst < 2; burst++) {
		limits_dim(hit->limit, hit->values, burst, &d);
		if (!strcmp(d.key, key))
			return true;
	}
	return false;
}

/* Returns true if the limit would use the same counter at target `to`. An API key's own limits
 * (of is NULL) count everywhere. */
static bool
counts_there(
	struct request *r, const struct target *to, const struct limit *of, const char *key)
{
	struct policy_limit_hit *hits;
	struct policy_facts f;
	struct body body;
	bool counts = !of;
	size_t n = 0;

	request_facts(r, &f);
	f.target = to;
	f.model = limits_model_at(r, to);
	if (f.body) {
		body = *f.body;
		body.model = f.model;
		f.body = &body;
	}
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	if (of && policy_limits(r->snap->policy, &f, &a, &hits, &n) < 0)
		counts = true;
	for (size_t i = 0; i < n && !counts; i++)
		counts = hits[i].of == of && (!key || is_counter(&hits[i], key));
	return counts;
}

/* Returns true if the response is shorter at target `to`, because its model's limit or default
 * is lower. */
static bool
answers_less(const struct request *r, const struct target *to)
{
	struct span there = limits_model_at(r, to);
	uint64_t most = request_output_ceiling(r, there),
		 here = r->found.target_cap ? r->found.target_cap : UINT64_MAX;

	if (most)
		return most < here;
	return dialect_lacks_cap(&r->in.body) &&
	       request_output_default(r, there, true) <
		       request_output_default(r, r->in.body.model, true);
}

static bool
takes_less(struct request *r, const struct target *to, enum limit_of counts, uint64_t n)
{
	uint64_t there;

	if (!limits_counts_text(counts))
		return false;
	if (counts == LIMIT_USD && limits_price(r, to, &there) && there < n)
		return true;
	return counts != LIMIT_INPUT_TOKENS && r->in.have_body && answers_less(r, to);
}

/* A denial with 429 is better than one without; then the shorter wait. */
static bool
comes_sooner(const struct decision *a, const struct decision *b)
{
	if (a->status != b->status)
		return a->status == 429;
	return a->retry_after_s < b->retry_after_s;
}

bool
limits_elsewhere(struct request *r, const struct limit *of, enum limit_of counts,
	const char *key, uint64_t n)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct decision *d = &r->out.decision;
	bool left = false;

	for (size_t i = 0; r->found.ranks && i < v->ncandidates && !left; i++)
		left = v->candidates[i].fate == CANDIDATE_LEFT &&
		       (!counts_there(r, v->candidates[i].target, of, key) ||
			       takes_less(r, v->candidates[i].target, counts, n));
	if (!left || !limits_keep_denial(r))
		return false;
	limits_leave_target(r, TARGET_LIMIT, d->rule);
	return true;
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
		r->out.decision = *before;
	if (!r->found.unpriced && r->out.decision.status != 400)
		metric_inc(r->gate->metrics, M_QUOTA_REFUSED);
	return STEP_DECIDED;
}
