/* The quota step: which limits apply, what this request takes of each, and what
 * the answer means. */
#include "steps/steps.h"

#include "limits/limits.h"

#include <sodium.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/sha256.h"

/* "tollgate:q:{LIMIT:HASH}": one tag per dimension value, no name in Redis. */
static void
dim_key(char key[QUOTA_KEY_MAX], const char *limit, struct span values)
{
	unsigned char h[SHA256_BYTES];
	char hex[25];

	sha256(values, h);
	sodium_bin2hex(hex, sizeof(hex), h, 12);
	snprintf(key, QUOTA_KEY_MAX, "tollgate:q:{%.48s:%s}", limit, hex);
}

static bool
charged_before(const struct request *r, const char *limit)
{
	for (int run = 0; r->run.resumed && run < 2; run++)
		for (size_t i = 0; i < r->found.quota[run].ndims; i++)
			if (r->found.quota[run].dim[i].name == limit)
				return true;
	return false;
}

/* What was charged at the head counts where the request is let go: its body may have
 * come windows later. */
static void
move_stale(struct request *r, struct quota_request *q)
{
	struct quota_request *head = &r->found.quota[0];
	uint64_t now = clock_mono_us();
	size_t kept = 0;

	for (size_t i = 0; r->run.resumed && i < head->ndims; i++) {
		struct quota_dim *d = &head->dim[i];
		if (!d->charged || quota_current(r->gate->quota, d, now)) {
			head->dim[kept++] = *d;
			continue;
		}
		struct quota_dim *to = &q->dim[q->ndims++];
		*to = *d;
		to->moves = true;
		to->from = d->at;
		to->charged = false;
	}
	if (r->run.resumed)
		head->ndims = kept;
}

/* Fills the dims of this run; ERR_LIMIT: more limits than a request can carry. */
static int
collect(struct request *r, struct quota_request *q)
{
	struct policy_facts f;
	struct policy_limit_hit *hits = NULL;
	size_t n = 0;

	request_facts(r, &f);
	int err = request_limits(r, &f, &hits, &n);
	if (err)
		return err;
	move_stale(r, q);
	uint64_t tokens = (uint64_t)(r->found.input_tokens + r->found.output_tokens);
	for (size_t i = 0; i < n; i++) {
		const struct limit *l = hits[i].limit;
		/* Tokens are known once the body is; a request without one has none. */
		if (l->of != LIMIT_REQUESTS &&
			(!f.whole || r->in.body_state == BODY_STATE_NONE))
			continue;
		if (l->of == LIMIT_MESSAGE) {
			if (tokens > l->amount && !r->found.message_over)
				r->found.message_over = l;
			continue;
		}
		if (charged_before(r, l->name))
			continue;
		if (q->ndims == QUOTA_DIMS_MAX)
			return ERR_LIMIT;
		struct quota_dim *d = &q->dim[q->ndims++];
		*d = (struct quota_dim){
			.unit = l->of == LIMIT_TOKENS ? QUOTA_TOKENS : QUOTA_REQUESTS,
			.span.window_s = l->window_s,
			.limit = l->amount,
			.n = l->of == LIMIT_TOKENS ? tokens : 1,
			.name = l->name,
		};
		dim_key(d->key, l->name, hits[i].values);
	}
	return 0;
}

static enum step_result
unavailable(struct request *r, struct span why)
{
	request_release(r);
	return request_deny(r, 503, "quota_unavailable", "", why);
}

static enum step_result
failed(struct request *r)
{
	r->found.quota_failed = true;
	metric_inc(r->gate->metrics, M_QUOTA_FAILED);
	if (request_on_failure(r)->quota == OUT_PERMIT)
		return STEP_NEXT;
	return unavailable(r, SPAN_LIT("the quota store does not answer"));
}

static enum step_result
refused(struct request *r, const struct quota_request *q)
{
	const struct quota_dim *d = &q->dim[q->refused_by];
	const char *what = d->unit == QUOTA_TOKENS ? "tokens" : "requests";
	struct span why;

	metric_inc(r->gate->metrics, M_QUOTA_REFUSED);
	request_release(r);
	if (q->result == QUOTA_UNREACHABLE) {
		/* A 429 would be sent again by SDKs, for nothing. */
		why = arena_printf(&r->arena,
			"this request needs %llu %s (estimated input and the output cap) and "
			"the limit %s is %llu in %llu s: it can never pass; lower max_tokens",
			(unsigned long long)d->n, what, d->name, (unsigned long long)d->limit,
			(unsigned long long)d->span.window_s);
		return request_deny(r, 403, "limit_unreachable", d->name, why);
	}
	why = arena_printf(&r->arena,
		"over the limit %s: %llu %s in %llu s; try again in %llu s", d->name,
		(unsigned long long)d->limit, what, (unsigned long long)d->span.window_s,
		(unsigned long long)q->retry_after_s);
	request_deny(r, 429, "rate_limit_exceeded", d->name, why);
	r->out.decision.retry_after_s = q->retry_after_s;
	return STEP_DECIDED;
}

/* A 429 would be sent again by SDKs, for nothing. */
static enum step_result
too_long(struct request *r)
{
	const struct limit *l = r->found.message_over;
	uint64_t tokens = (uint64_t)(r->found.input_tokens + r->found.output_tokens);

	metric_inc(r->gate->metrics, M_QUOTA_REFUSED);
	request_release(r);
	return request_deny(r, 403, "limit_unreachable", l->name,
		arena_printf(&r->arena,
			"this request needs %llu tokens (estimated input and the output cap) "
			"and the limit %s is %llu a request: lower max_tokens or shorten it",
			(unsigned long long)tokens, l->name, (unsigned long long)l->amount));
}

static enum step_result
answer(struct request *r, const struct quota_request *q)
{
	switch (q->result) {
	case QUOTA_ADMITTED: return STEP_NEXT;
	case QUOTA_REFUSED:
	case QUOTA_UNREACHABLE: return refused(r, q);
	default: return failed(r);
	}
}

static void
quota_done(struct quota_request *q)
{
	struct request *r = TAGGED(request, q->arg);

	request_back(r);
}

enum step_result
step_quota(struct request *r)
{
	struct quota_request *q = &r->found.quota[r->run.resumed];

	if (!r->gate)
		return STEP_NEXT;
	if (r->run.wait == WAIT_QUOTA) { /* the answer came */
		r->run.wait = WAIT_NONE;
		return answer(r, q);
	}
	int err = collect(r, q);
	if (err) {
		quota_unmove(r->gate->quota, q, clock_mono_us());
		q->ndims = 0;
		/* No store failed: on_failure does not lift it. */
		return err == ERR_LIMIT
			       ? unavailable(
					 r, SPAN_LIT("more limits apply than can be counted"))
			       : request_overload(r);
	}
	if (r->found.message_over) {
		quota_unmove(r->gate->quota, q, clock_mono_us());
		q->ndims = 0;
		return too_long(r);
	}
	if (q->ndims == 0)
		return STEP_NEXT;
	q->done = quota_done;
	q->arg = r;
	r->run.wait = WAIT_QUOTA;
	r->run.pending++;
	for (size_t i = 0; i < q->ndims; i++)
		if (q->dim[i].unit == QUOTA_TOKENS)
			metric_add(r->gate->metrics, M_TOKENS_RESERVED, q->dim[i].n);
	quota_reserve(r->gate->quota, q);
	return STEP_WAIT;
}

void
request_release(struct request *r)
{
	if (!r->gate)
		return;
	for (int i = 0; i < 2; i++)
		if (r->found.quota[i].ndims)
			quota_release(r->gate->quota, &r->found.quota[i], clock_mono_us());
}
