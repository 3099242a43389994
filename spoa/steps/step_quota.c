/* The quota step: reserves what the request takes of each limit that applies, and what the
 * answer means: it goes, it goes as another (at_limit, at_soft), or it does not. */
#include "steps/steps.h"

#include "base/clock.h"
#include "base/err.h"
#include "limits/limits.h"

/* Longer than an SDK should sleep in a caller's request: it is told not to ask again. */
enum { PATIENCE_S = 90 };

static enum step_result
unavailable(struct request *r, struct span why)
{
	request_release(r);
	return request_deny(r, 503, "quota_unavailable", "", why);
}

/* All that apply must let it go. */
static enum step_result
failed(struct request *r, const struct quota_request *q)
{
	bool allowed = true;

	r->found.quota_failed = true;
	metric_inc(r->gate->metrics, M_QUOTA_FAILED);
	for (size_t i = 0; i < q->ndims; i++)
		allowed &= q->dim[i].away == QUOTA_AWAY_ALLOW;
	if (allowed)
		return STEP_NEXT;
	return unavailable(r, SPAN_LIT(WHY_QUOTA_SILENT));
}

/* A 429 would be sent again by SDKs, for nothing: 403. */
static enum step_result
never_fits(struct request *r, const char *limit, struct span why)
{
	metric_inc(r->gate->metrics, M_QUOTA_REFUSED);
	request_release(r);
	return request_deny(r, 403, "limit_unreachable", limit, why);
}

static enum step_result
refused(struct request *r, const struct quota_request *q)
{
	const struct quota_dim *d = &q->dim[q->refused_by];

	if (q->result == QUOTA_UNREACHABLE)
		return never_fits(r, d->name, limits_why_never(r, d));
	metric_inc(r->gate->metrics, M_QUOTA_REFUSED);
	limits_warn(r, q);
	request_release(r);
	request_deny(r, 429, limits_exhausted(d) ? "insufficient_quota" : "rate_limit_exceeded",
		d->name, limits_why_over(r, d, q->retry_after_s));
	r->out.decision.retry_after_s = q->retry_after_s;
	r->out.decision.final = limits_exhausted(d) || q->retry_after_s > PATIENCE_S;
	return STEP_DECIDED;
}

/* Room is made of what was asked for: the body is written and reserved for again. */
static enum step_result
again(struct quota_request *q)
{
	q->ndims = 0;
	return STEP_REWRITES;
}

static enum step_result
over(struct request *r, struct quota_request *q)
{
	const struct limit *l = limits_of(r, &q->dim[q->refused_by]);

	if (l && limits_fall(r, l, false))
		return again(q);
	return refused(r, q);
}

static enum step_result
admitted(struct request *r, struct quota_request *q)
{
	for (size_t i = 0; i < q->ndims; i++) {
		const struct limit *l = limits_of(r, &q->dim[i]);
		if (!l || !q->dim[i].soft_reached || !limits_fall(r, l, true))
			continue;
		quota_release(r->gate->quota, q, clock_mono_us());
		return again(q);
	}
	if (q->alone)
		metric_inc(r->gate->metrics, M_QUOTA_ALONE);
	limits_admitted(r, q);
	limits_warn(r, q);
	return STEP_NEXT;
}

static enum step_result
answer(struct request *r, struct quota_request *q)
{
	switch (q->result) {
	case QUOTA_ADMITTED: return admitted(r, q);
	case QUOTA_REFUSED:
	case QUOTA_UNREACHABLE: return over(r, q);
	default: return failed(r, q);
	}
}

/* What no store has to be asked about. STEP_NEXT: nothing. */
static enum step_result
alone(struct request *r, struct quota_request *q)
{
	const struct limit *l = r->found.unpriced ? r->found.unpriced : r->found.message_over;

	if (!l)
		return STEP_NEXT;
	quota_unmove(r->gate->quota, q, clock_mono_us());
	q->ndims = 0;
	if (r->found.unpriced && r->found.file.state == FILE_UNKNOWN) {
		request_release(r);
		return request_deny(r, 403, "file_unknown", l->name,
			arena_printf(&r->arena,
				"the limit %s counts what is in the job's file, and that is "
				"not known here: upload it through this gateway",
				l->name));
	}
	if (r->found.unpriced && r->found.endpoint.unseen) {
		request_release(r);
		return request_deny(r, 403, "usage_unknown", l->name,
			arena_printf(&r->arena,
				"the limit %s counts what models take, and no answer says what "
				"this runs",
				l->name));
	}
	if (r->found.unpriced) {
		request_release(r);
		return request_deny(r, 403, "price_unknown", l->name,
			arena_printf(&r->arena,
				request_priced_model(r).n
					? "the limit %s counts dollars, and this model has no "
					  "price here"
					: "the limit %s counts dollars, and this request names "
					  "no "
					  "model: nothing says what it costs",
				l->name));
	}
	if (limits_fall(r, l, false))
		return again(q);
	return never_fits(r, l->name, limits_why_long(r, l));
}

static void
quota_done(struct quota_request *q)
{
	struct request *r = TAGGED(request, q->arg);

	request_back(r);
}

static enum step_result
reserve(struct request *r, struct quota_request *q)
{
	q->done = quota_done;
	q->arg = r;
	r->run.wait = WAIT_QUOTA;
	r->run.pending++;
	quota_reserve(r->gate->quota, q);
	return STEP_WAIT;
}

enum step_result
step_quota(struct request *r)
{
	struct quota_request *q = r->gate ? request_quota(r) : NULL;

	if (!r->gate)
		return STEP_NEXT;
	if (!q)
		return request_overload(r);
	if (r->run.wait == WAIT_QUOTA) { /* the answer came */
		r->run.wait = WAIT_NONE;
		if (r->found.file.state != FILE_ASKED)
			return answer(r, q);
		if (q->result != QUOTA_ADMITTED)
			return failed(r, q);
		limits_files(r, q);
	}
	if (limits_ask_files(r, q))
		return reserve(r, q);
	if (limits_learned(r)) {
		limits_forget_rewrite(r);
		return again(q);
	}
	int err = limits_collect(r, q);
	if (err) {
		quota_unmove(r->gate->quota, q, clock_mono_us());
		q->ndims = 0;
		/* No store failed: on_failure does not lift it. */
		return err == ERR_LIMIT
			       ? unavailable(
					 r, SPAN_LIT("more limits apply than can be counted"))
			       : request_overload(r);
	}
	if (limits_send_default(r)) {
		quota_unmove(r->gate->quota, q, clock_mono_us());
		limits_forget_rewrite(r);
		return again(q);
	}
	enum step_result s = alone(r, q);
	if (s != STEP_NEXT || q->ndims == 0)
		return s;
	for (size_t i = 0; i < q->ndims; i++)
		if (q->dim[i].unit == QUOTA_TOKENS)
			metric_add(r->gate->metrics, M_TOKENS_RESERVED, q->dim[i].n);
	return reserve(r, q);
}

void
request_release(struct request *r)
{
	if (!r->gate)
		return;
	for (int i = 0; i < 2; i++)
		if (r->found.quota[i]->ndims)
			quota_release(r->gate->quota, r->found.quota[i], clock_mono_us());
}
