/* The step *quota*: reserves what the request takes of each limit that applies. Depending on
 * the reply, the request is forwarded, changed (at_limit, at_soft), moved to another target, or
 * denied. Also the step *over*, which denies callers over a limit of requests before their body
 * is read.
 *
 * Before a limit refuses a request, the step looks for an alternative: another model or a shorter
 * response (at_limit, at_soft), or another target. Both happen at most once for each target. The
 * steps then run again from the rewrite or the policy.
 *
 * A request may wait for Redis several times: for the cost of a batch's files, the reservation,
 * and the rest of limits on tool calls. */
#include "gate/steps/steps.h"

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/limits/limits.h"

/* a longer wait is too long for an SDK to sleep, so the response forbids a retry */
enum { PATIENCE_S = 90 };

static enum step_result
deny_quota_unavailable(struct request *r, struct span why)
{
	request_release(r);
	return request_deny(r, 503, "quota_unavailable", "", why);
}

/* Redis does not answer. The request is forwarded if all limits allow that. */
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
	return deny_quota_unavailable(r, SPAN_LIT(WHY_QUOTA_SILENT));
}

/* Drops the counters of this run, which were not reserved. */
static void
forget_reservation(struct request *r)
{
	struct quota_request *q = r->found.quota[r->run.resumed];

	if (!q->ndims)
		return;
	quota_unmove(r->gate->quota, q, clock_mono_us());
	q->ndims = 0;
}

/* Applies at_limit (soft: at_soft) of the limit, once for each request. Returns
 * true if another model or output limit is requested: the request must be rewritten and
 * reserved again. */
static bool
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

/* After a reservation was admitted: adds the tags of soft limits that it reached, and notes the
 * rest of a limit past which it was let. */
static void
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

/* Call when a limit denies the request at its target, where it takes n of the
 * counter `key` (NULL: no counter). If another target is left at which the limit does not count
 * or takes less, keeps the decision, marks this target as out, drops all that was made for it,
 * and returns true. */
static bool
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

/* Tries another target, or denies. */
static enum step_result
try_elsewhere(struct request *r, const struct limit *of, enum limit_of counts, const char *key,
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
		/* SDKs would retry a 429 in vain */
		request_deny(r, 403, "limit_unreachable", d.name, limits_why_never(r, &d));
	} else {
		limits_warn(r, q);
		request_deny(r, 429,
			limits_exhausted(&d) ? "insufficient_quota" : "rate_limit_exceeded",
			d.name, limits_why_over(r, &d, q->retry_after_s));
		request_denial_retry(r, q->retry_after_s,
			limits_exhausted(&d) || q->retry_after_s > PATIENCE_S);
	}
}

static enum step_result
quota_refused(struct request *r, const struct quota_request *q)
{
	const struct quota_dim d = q->dim[q->refused_by];

	deny_over(r, q);
	return try_elsewhere(r, d.of, d.counts, d.key, d.n);
}

/* The request asks for less: the body is rewritten and reserved again. */
static enum step_result
ask_quota_again(struct request *r)
{
	forget_reservation(r);
	return STEP_REWRITES;
}

/* If the prompt was reserved by its bytes, counts it before a limit in tokens or dollars denies
 * or changes the request, and returns true. (The rest of a limit may be known from a minute
 * ago.) */
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
reservation_admitted(struct request *r, struct quota_request *q)
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
		return reservation_admitted(r, q);
	if (q->result != QUOTA_REFUSED && q->result != QUOTA_UNREACHABLE)
		return quota_is_away(r, q);
	return is_counted_dim(r, d) || (d->of && limits_fall(r, d->of, false))
		       ? ask_quota_again(r)
		       : quota_refused(r, q);
}

/* Denies requests that no counter has to be asked about: without a price, or longer than a
 * limit for one request. Returns STEP_NEXT if there is no reason. */
static enum step_result
deny_uncountable(struct request *r)
{
	const struct limit *l = r->found.unpriced ? r->found.unpriced : r->found.message_over;
	const char *code = "price_unknown", *why = "counts dollars, and this model has no "
						   "price here; the operators can add one";
	uint64_t n = UINT64_MAX;

	if (!l)
		return STEP_NEXT;
	forget_reservation(r);
	if (!r->found.unpriced && limits_fall(r, l, false))
		return STEP_REWRITES;
	if (!r->found.unpriced) {
		request_deny(r, 403, "limit_unreachable", l->name, limits_why_long(r, l));
		return try_elsewhere(r, limits_of(r, l->name), LIMIT_MESSAGE, NULL, 0);
	}
	if (r->found.file.state == FILE_UNKNOWN || r->found.endpoint.unseen)
		n = 0; /* the result is the same at every target */
	if (r->found.file.state == FILE_UNKNOWN) {
		code = "file_unknown";
		why = "counts the job's file, whose cost is unknown; upload the file "
		      "through this gateway";
	} else if (r->found.endpoint.unseen) {
		code = "usage_unknown";
		why = "counts usage, and no response reports the usage of this request";
	} else if (!request_priced_model(r).n) {
		why = "counts dollars, and this request names no model, so its cost is "
		      "unknown; name a model";
	}
	request_deny(r, 403, code, l->name,
		arena_printf(&r->arena, "the limit %s %s", l->name, why));
	return try_elsewhere(r, limits_of(r, l->name), l->of, NULL, n);
}

static void
quota_done(struct quota_request *q)
{
	struct request *r = TAGGED(request, q->arg);

	r->calls->back(r);
}

static enum step_result
send_reservation(struct request *r, struct quota_request *q)
{
	INVARIANT(r->run.life == LIFE_STEPS && q->ndims <= QUOTA_DIMS_MAX);
	q->done = quota_done;
	q->arg = r;
	request_waits(r, WAIT_QUOTA);
	request_asked(r);
	quota_reserve(r->gate->quota, q);
	return STEP_WAIT;
}

/* Before the request is forwarded: asks for the rest of limits on tool calls, for the calls in
 * its response. */
static enum step_result
look_at_quota(struct request *r)
{
	struct quota_request *q;
	int err = limits_look_calls(r, &q);

	if (!err)
		return q ? send_reservation(r, q) : STEP_NEXT;
	if (err != ERR_LIMIT)
		return request_overload(r);
	return deny_quota_unavailable(
		r, SPAN_LIT("the request offers more tools, or more limits apply to them, than "
			    "can be counted; offer fewer tools"));
}

/* Returns true if a limit in requests refused someone in the last minute and the whole body is
 * present. If the body arrives later, the head is counted earlier anyway. An MCP client reads
 * the denial in the response to its message. */
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

/* The step *over*. Another worker may have charged the counters. A charge of 0 asks for the
 * rest first, because a charge of 1 that is given back would meanwhile refuse other requests.
 */
enum step_result
step_over(struct request *r)
{
	struct quota_request *q = r->found.quota[0];
	bool over = false;

	if (r->waiting.what != WAIT_QUOTA) {
		if (!may_be_over(r))
			return STEP_NEXT;
		int err = limits_collect_early(r);
		q = r->found.quota[0];
		for (size_t i = 0; i < q->ndims && !err; i++)
			over |= quota_may_be_over(r->gate->quota, &q->dim[i]);
		if (over) {
			take_of_each(q, quota_hears(r->gate->quota));
			return send_reservation(r, q);
		}
	} else {
		request_waited(r);
		if (q->result == QUOTA_REFUSED) {
			deny_over(r, q);
			return STEP_DECIDED;
		}
		bool full = q->result == QUOTA_ADMITTED && !q->dim[0].n && none_left(q);
		request_release(r); /* if there is room, the quota step counts the request */
		if (full) {
			take_of_each(q, 1);
			return send_reservation(r, q);
		}
	}
	if (q->ndims) /* an empty one may be shared by all requests, and must not be written */
		q->ndims = 0;
	return STEP_NEXT;
}

/* Charges a denied request whose text took too much work. The denial stands whatever Redis
 * replies, except that a caller over a limit in requests receives that limit's 429. */
static enum step_result
charge_denied(struct request *r)
{
	struct quota_request *q = r->found.quota[r->run.resumed];

	if (r->waiting.what != WAIT_QUOTA) {
		int err = limits_collect_denied(r);
		q = r->found.quota[r->run.resumed];
		if (!err && q->ndims)
			return send_reservation(r, q);
		if (err)
			forget_reservation(r);
		return STEP_DECIDED;
	}
	request_waited(r);
	if (q->result == QUOTA_ADMITTED) {
		limits_warn(r, q);
	} else if (q->result == QUOTA_REFUSED || q->result == QUOTA_UNREACHABLE) {
		r->found.charges_denied = false; /* the head's charge is given back */
		deny_over(r, q);
		request_release(r);
	} else {
		r->found.quota_failed = true;
		metric_inc(r->gate->metrics, M_QUOTA_FAILED);
	}
	return STEP_DECIDED;
}

/* Called after limits_collect(): if the prompt is not counted yet and limits_have_room(),
 * reserves the bound (one token a byte). Otherwise counts the prompt and sets the amounts
 * again. */
static void
limits_count_prompt(struct request *r)
{
	struct found_tokens *t = &r->found.tokens;

	if (!t->bound)
		return;
	t->bound = 0;
	/* The bound is reserved, because many concurrent requests with dense segments could
	 * pass a limit by the error of an estimate. */
	if (limits_have_room(r))
		return;
	request_count_tokens(r);
	limits_amounts(r);
}

enum step_result
step_quota(struct request *r)
{
	struct quota_request *q;

	if (r->found.charges_denied)
		return charge_denied(r);

	if (r->found.form && r->found.form->refused) {
		enum step_result s = limits_form(r);
		if (s == STEP_DECIDED)
			request_release(r);
		return s;
	}
	if (!r->gate || r->in.message == MESSAGE_ALONE)
		return STEP_NEXT;
	if (r->waiting.what == WAIT_QUOTA) { /* Redis replied */
		struct quota_request *got = r->found.quota[r->run.resumed], *more;
		request_waited(r);
		if (limits_calls_heard(r, &more))
			return more ? send_reservation(r, more) : STEP_NEXT;
		if (r->found.file.state != FILE_ASKED) {
			enum step_result s = answer_quota(r, got);
			return s == STEP_NEXT ? look_at_quota(r) : s;
		}
		if (got->result != QUOTA_ADMITTED)
			return quota_is_away(r, got);
		limits_files(r, got);
	}
	if (limits_ask_files(r))
		return send_reservation(r, r->found.quota[r->run.resumed]);
	if (limits_learned(r)) {
		limits_forget_rewrite(r);
		return ask_quota_again(r);
	}
	int err = limits_collect(r);
	if (err) {
		forget_reservation(r);
		/* nothing failed, so on_failure does not apply */
		return err == ERR_LIMIT
			       ? deny_quota_unavailable(
					 r, SPAN_LIT("more limits apply than can be counted; "
						     "the operators must reduce them"))
			       : request_overload(r);
	}
	if (limits_send_default(r)) {
		limits_forget_rewrite(r);
		return ask_quota_again(r);
	}
	limits_count_prompt(r);
	enum step_result s = deny_uncountable(r);
	q = r->found.quota[r->run.resumed];
	if (s != STEP_NEXT)
		return s;
	if (q->ndims == 0)
		return look_at_quota(r);
	for (size_t i = 0; i < q->ndims; i++)
		if (limit_kinds[q->dim[i].counts].shown == SHOWN_TOKENS)
			metric_add(r->gate->metrics, M_TOKENS_RESERVED, q->dim[i].n);
	return send_reservation(r, q);
}

void
request_release(struct request *r)
{
	if (!r->gate)
		return;
	/* counters of the request itself belong to earlier attempts */
	for (int i = request_settled(r); i < 2; i++)
		if (r->found.quota[i]->ndims)
			quota_release(r->gate->quota, r->found.quota[i], clock_mono_us());
}
