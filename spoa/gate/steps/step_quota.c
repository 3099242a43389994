/* The quota step: reserves what the request takes of each limit that applies, and what the
 * answer means: it goes, it goes as another (at_limit, at_soft), or it does not. */
#include "gate/steps/steps.h"

#include "base/clock.h"
#include "base/err.h"
#include "gate/limits/limits.h"

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
quota_is_away(struct request *r, const struct quota_request *q)
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

/* Nothing of this run is reserved after all. */
static void
forget(struct request *r)
{
	struct quota_request *q = r->found.quota[r->run.resumed];

	if (!q->ndims)
		return;
	quota_unmove(r->gate->quota, q, clock_mono_us());
	q->ndims = 0;
}

/* At another target, or as the decision says. */
static enum step_result
elsewhere(struct request *r, const struct limit *of, enum limit_of counts, const char *key,
	uint64_t n)
{
	if (limits_elsewhere(r, of, counts, key, n))
		return STEP_REROUTES;
	request_release(r);
	return limits_over(r);
}

static void
deny_over(struct request *r, const struct quota_request *q)
{
	const struct quota_dim d = q->dim[q->refused_by];

	if (d.unit == QUOTA_REQUESTS)
		r->gate->over_us = clock_mono_us();
	if (q->result == QUOTA_UNREACHABLE) {
		/* A 429 would be sent again by SDKs, for nothing. */
		request_deny(r, 403, "limit_unreachable", d.name, limits_why_never(r, &d));
	} else {
		limits_warn(r, q);
		request_deny(r, 429,
			limits_exhausted(&d) ? "insufficient_quota" : "rate_limit_exceeded",
			d.name, limits_why_over(r, &d, q->retry_after_s));
		r->out.decision.retry_after_s = q->retry_after_s;
		r->out.decision.final = limits_exhausted(&d) || q->retry_after_s > PATIENCE_S;
	}
}

static enum step_result
quota_refused(struct request *r, const struct quota_request *q)
{
	const struct quota_dim d = q->dim[q->refused_by];

	deny_over(r, q);
	return elsewhere(r, d.of, d.counts, d.key, d.n);
}

/* Room is made of what was asked for: the body is written and reserved for again. */
static enum step_result
ask_quota_again(struct request *r)
{
	forget(r);
	return STEP_REWRITES;
}

/* What was reserved by its length is counted, before a limit of tokens or dollars says no to it or
 * makes it another: what is left was heard up to a minute ago. */
static bool
is_counted_dim(struct request *r, const struct quota_dim *d)
{
	if (!r->found.tokens.by_bytes || !limits_counts_text(d->counts))
		return false;
	request_count_tokens(r);
	limits_forget_rewrite(r);
	return true;
}

static enum step_result
admitted(struct request *r, struct quota_request *q)
{
	for (size_t i = 0; i < q->ndims; i++) {
		const struct limit *l = q->dim[i].of;
		if (!l || !l->at_soft || !q->dim[i].soft_reached ||
			!(is_counted_dim(r, &q->dim[i]) || limits_fall(r, l, true)))
			continue;
		quota_release(r->gate->quota, q, clock_mono_us());
		return ask_quota_again(r);
	}
	if (q->alone)
		metric_inc(r->gate->metrics, M_QUOTA_ALONE);
	limits_admitted(r, q);
	limits_warn(r, q);
	return STEP_NEXT;
}

static enum step_result
answer_quota(struct request *r, struct quota_request *q)
{
	struct quota_dim *d = &q->dim[q->refused_by];

	if (q->result == QUOTA_ADMITTED)
		return admitted(r, q);
	if (q->result != QUOTA_REFUSED && q->result != QUOTA_UNREACHABLE)
		return quota_is_away(r, q);
	return is_counted_dim(r, d) || (d->of && limits_fall(r, d->of, false))
		       ? ask_quota_again(r)
		       : quota_refused(r, q);
}

/* What no store has to be asked about. STEP_NEXT: nothing. */
static enum step_result
alone(struct request *r)
{
	const struct limit *l = r->found.unpriced ? r->found.unpriced : r->found.message_over;
	const char *code = "price_unknown",
		   *why = "counts dollars, and this model has no price here";
	uint64_t n = UINT64_MAX;

	if (!l)
		return STEP_NEXT;
	forget(r);
	if (!r->found.unpriced && limits_fall(r, l, false))
		return STEP_REWRITES;
	if (!r->found.unpriced) {
		request_deny(r, 403, "limit_unreachable", l->name, limits_why_long(r, l));
		return elsewhere(r, limits_of(r, l->name), LIMIT_MESSAGE, NULL, 0);
	}
	if (r->found.file.state == FILE_UNKNOWN || r->found.endpoint.unseen)
		n = 0; /* at any target */
	if (r->found.file.state == FILE_UNKNOWN) {
		code = "file_unknown";
		why = "counts what is in the job's file, and that is not known here: upload it "
		      "through this gateway";
	} else if (r->found.endpoint.unseen) {
		code = "usage_unknown";
		why = "counts what models take, and no answer says what this runs";
	} else if (!request_priced_model(r).n) {
		why = "counts dollars, and this request names no model: nothing says what it "
		      "costs";
	}
	request_deny(r, 403, code, l->name,
		arena_printf(&r->arena, "the limit %s %s", l->name, why));
	return elsewhere(r, limits_of(r, l->name), l->of, NULL, n);
}

static void
quota_done(struct quota_request *q)
{
	struct request *r = TAGGED(request, q->arg);

	INVARIANT(r->run.pending > 0);
	r->calls->back(r);
}

static enum step_result
send(struct request *r, struct quota_request *q)
{
	INVARIANT(r->run.life == LIFE_STEPS && q->ndims <= QUOTA_DIMS_MAX);
	q->done = quota_done;
	q->arg = r;
	r->run.wait = WAIT_QUOTA;
	r->run.pending++;
	quota_reserve(r->gate->quota, q);
	return STEP_WAIT;
}

/* It goes: of limits that count calls what is left is asked for, for those of the answer. */
static enum step_result
look_at_quota(struct request *r)
{
	struct quota_request *q;
	int err = limits_look_calls(r, &q);

	if (!err)
		return q ? send(r, q) : STEP_NEXT;
	if (err != ERR_LIMIT)
		return request_overload(r);
	return unavailable(r, SPAN_LIT("more tools are offered, or limits apply to them, than "
				       "can be counted"));
}

/* A limit of requests has refused somebody lately, and the request's body is here: of one that comes
 * later, the head is counted before. An MCP client reads its refusal in the response to its message. */
static bool
may_be_over(const struct request *r)
{
	enum { LATELY_US = 60000000 };

	return r->gate && r->gate->over_us && r->begun_us < r->gate->over_us + LATELY_US &&
	       r->in.body_state == BODY_STATE_WHOLE && !r->found.observed && !request_is_mcp(r);
}

static void
take_of_each(struct quota_request *q, uint64_t n)
{
	for (size_t i = 0; i < q->ndims; i++)
		q->dim[i].n = n;
}

static bool
none_left(const struct quota_request *q)
{
	for (size_t i = 0; i < q->ndims; i++)
		if (!q->dim[i].remaining)
			return true;
	return false;
}

/* Another worker may have the table. It is asked what is left first, with a charge of 0: a charge of 1 that is
 * given back would meanwhile refuse others. */
enum step_result
step_over(struct request *r)
{
	struct quota_request *q = r->found.quota[0];
	bool over = false;

	if (r->run.wait != WAIT_QUOTA) {
		if (!may_be_over(r))
			return STEP_NEXT;
		int err = limits_collect_early(r);
		q = r->found.quota[0];
		for (size_t i = 0; i < q->ndims && !err; i++)
			over |= quota_may_be_over(r->gate->quota, &q->dim[i]);
		if (over) {
			take_of_each(q, quota_hears(r->gate->quota));
			return send(r, q);
		}
	} else {
		r->run.wait = WAIT_NONE;
		if (q->result == QUOTA_REFUSED) {
			deny_over(r, q);
			return STEP_DECIDED;
		}
		bool full = q->result == QUOTA_ADMITTED && !q->dim[0].n && none_left(q);
		request_release(r); /* if there is room, the quota step counts it */
		if (full) {
			take_of_each(q, 1);
			return send(r, q);
		}
	}
	if (q->ndims) /* an empty one may be shared by all requests, and is not written */
		q->ndims = 0;
	return STEP_NEXT;
}

/* The request is denied, and a text of it took more work than its length allows. The denial stands whatever the store says,
 * except that a caller who is over a limit of requests gets that limit's 429. */
static enum step_result
charge_denied(struct request *r)
{
	struct quota_request *q = r->found.quota[r->run.resumed];

	if (r->run.wait != WAIT_QUOTA) {
		int err = limits_collect_denied(r);
		q = r->found.quota[r->run.resumed];
		if (!err && q->ndims)
			return send(r, q);
		if (err)
			forget(r);
		return STEP_DECIDED;
	}
	r->run.wait = WAIT_NONE;
	if (q->result == QUOTA_ADMITTED) {
		limits_warn(r, q);
	} else if (q->result == QUOTA_REFUSED || q->result == QUOTA_UNREACHABLE) {
		r->found.too_dear = false; /* what the head was charged is given back */
		deny_over(r, q);
		request_release(r);
	} else {
		r->found.quota_failed = true;
		metric_inc(r->gate->metrics, M_QUOTA_FAILED);
	}
	return STEP_DECIDED;
}

enum step_result
step_quota(struct request *r)
{
	struct quota_request *q;

	if (r->found.too_dear)
		return charge_denied(r);

	if (r->found.form && r->found.form->refused) {
		enum step_result s = limits_form(r);
		if (s == STEP_DECIDED)
			request_release(r);
		return s;
	}
	if (!r->gate || r->in.message == MESSAGE_ALONE)
		return STEP_NEXT;
	if (r->run.wait == WAIT_QUOTA) { /* the answer came */
		struct quota_request *got = r->found.quota[r->run.resumed], *more;
		r->run.wait = WAIT_NONE;
		if (limits_calls_heard(r, &more))
			return more ? send(r, more) : STEP_NEXT;
		if (r->found.file.state != FILE_ASKED) {
			enum step_result s = answer_quota(r, got);
			return s == STEP_NEXT ? look_at_quota(r) : s;
		}
		if (got->result != QUOTA_ADMITTED)
			return quota_is_away(r, got);
		limits_files(r, got);
	}
	if (limits_ask_files(r))
		return send(r, r->found.quota[r->run.resumed]);
	if (limits_learned(r)) {
		limits_forget_rewrite(r);
		return ask_quota_again(r);
	}
	int err = limits_collect(r);
	if (err) {
		forget(r);
		/* No store failed: on_failure does not lift it. */
		return err == ERR_LIMIT
			       ? unavailable(
					 r, SPAN_LIT("more limits apply than can be counted"))
			       : request_overload(r);
	}
	if (limits_send_default(r)) {
		limits_forget_rewrite(r);
		return ask_quota_again(r);
	}
	limits_count_prompt(r);
	enum step_result s = alone(r);
	q = r->found.quota[r->run.resumed];
	if (s != STEP_NEXT)
		return s;
	if (q->ndims == 0)
		return look_at_quota(r);
	for (size_t i = 0; i < q->ndims; i++)
		if (q->dim[i].unit == QUOTA_TOKENS)
			metric_add(r->gate->metrics, M_TOKENS_RESERVED, q->dim[i].n);
	return send(r, q);
}

void
request_release(struct request *r)
{
	if (!r->gate)
		return;
	/* What counts the caller's request is held by the attempts before. */
	for (int i = request_settled(r); i < 2; i++)
		if (r->found.quota[i]->ndims)
			quota_release(r->gate->quota, r->found.quota[i], clock_mono_us());
}
