/* The attempts of one request: makes the plan of each, determines why one ended, and chooses
 * the next. exchange.c knows only one attempt. struct attempts (gate/exchange.h) has the
 * picture of their life. */
#include "gate/engine/engine.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/inflate.h"
#include "base/err.h"
#include "base/random.h"
#include "base/scoped.h"
#include "gate/auth/auth.h"
#include "scan/dialect/refusal.h"

/* a wait, if the gateway's refused token is being fetched again */
enum { FETCH_ANEW_US = 300000 };

static void
attempts_enter(struct attempts *t, enum attempts_life to)
{
	static const unsigned next[] = {
		[ATTEMPTS_UNDER_WAY] = 1u << ATTEMPTS_UNDER_WAY | 1u << ATTEMPTS_BETWEEN |
				       1u << ATTEMPTS_STANDS,
		[ATTEMPTS_BETWEEN] = 1u << ATTEMPTS_UNDER_WAY | 1u << ATTEMPTS_STANDS,
		[ATTEMPTS_STANDS] = 1u << ATTEMPTS_STANDS,
	};

	INVARIANT(next[t->life] & 1u << to);
	INVARIANT(to != ATTEMPTS_BETWEEN || t->settled);
	t->life = to;
}

/* ---- plans ---- */

/* Writes "PROVIDER/MODEL", with the model that is sent, or without one if it is unknown. */
static void
name_target(const struct request *r, char out[ATTEMPT_TARGET_BYTES])
{
	const struct target *to = request_target(r);
	struct span model =
		r->in.body.model.n || !to->model ? r->in.body.model : span_str(to->model);

	SCOPED_BUF(b, 4096);
	buf_str(&b, to->name);
	if (model.n) {
		buf_putc(&b, '/');
		buf_span(&b, span_cut(model, 0, ATTEMPT_TARGET_BYTES));
	}
	struct span s = span_cut(buf_view(&b), 0, ATTEMPT_TARGET_BYTES - 1);
	for (size_t i = 0; i < s.n; i++)
		out[i] = s.p[i] < ' ' || s.p[i] > '~' ? '?' : s.p[i];
	out[s.n] = '\0';
}

/* Makes the plan of the next attempt. Head and facts have an arena of their own, because the
 * guard of the response borrows from them after the request's arena is gone. On failure the
 * exchange is unchanged: the previous attempt's response may still be sent to the caller
 * through its own guard. */
static int
make_plan(struct request *r, struct exchange *x)
{
	struct attempts *t = x->tries;
	struct exchange was = *x;

	x->vault = NULL;
	arena_init(&x->own, CAP_REQUEST_ARENA, true);
	x->asked = x->shadow_asked = (struct answer_request){ 0 };
	x->has_shadow = false;
	x->rpc_ids = (struct span){ NULL, 0 };
	x->hide_usage = r->out.ask_usage;
	x->said = ATTEMPT_ANSWERED;
	x->plan.body_mode = r->in.body_state == BODY_STATE_NONE ? BODY_NONE : BODY_SWAP;
	x->plan.body = exchange_body_sent(r);
	int err = exchange_head(r, &x->own, &x->plan.head);
	if (!err)
		err = exchange_expect(r, x, &x->own);
	if (!err && (arena_failed(&x->own) || arena_failed(&r->arena)))
		err = ERR_NOMEM;
	if (!err && !request_hold(r, x->own.used_bytes))
		err = ERR_LIMIT;
	if (err) {
		vault_free(&x->vault);
		arena_reset(&x->own);
		*x = was;
		return err;
	}
	guard_drop(&x->guard);
	vault_free(&was.vault);
	arena_reset(&was.own);
	request_unhold(r, t->held);
	t->held = x->own.used_bytes;
	INVARIANT(t->n < COUNT_OF(t->v) && (t->n == 0 || t->settled));
	struct attempt *a = &t->v[t->n++];
	*a = (struct attempt){ .to = request_target(r), .begun_us = clock_mono_us() };
	name_target(r, a->target);
	t->settled = false;
	attempts_enter(t, ATTEMPTS_UNDER_WAY);
	x->plan.holds = t->n < r->found.route->retry.attempts;
	/* a request that only fetches a stored response may receive the error document of that
	 * response */
	x->plan.doubts = r->in.body_state != BODY_STATE_NONE;
	return 0;
}

int
attempts_open(struct request *r, struct exchange *x)
{
	const struct retry *retry = &r->found.route->retry;
	struct attempts *t = calloc(1, sizeof(*t));

	if (!t)
		return ERR_NOMEM;
	TAG(attempts, t);
	INVARIANT(!x->tries);
	x->tries = t;
	t->x = x;
	t->begun_us = clock_mono_us();
	buf_init(&t->charges, CAP_RECORD_BYTES);
	arena_init(&x->own, CAP_REQUEST_ARENA, true);
	x->plan.asks = x->plan.timed = true;
	x->plan.waits = (struct plan_waits){ request_head_within(r), retry->first_content_us,
		retry->idle_us };
	if (retry->overall_us)
		x->plan.overall_us = t->begun_us + retry->overall_us;
	return make_plan(r, x);
}

/* ---- the end of an attempt ---- */

/* Notes how the attempt ended, for the record and its target. */
static void
note_attempt(struct exchange *x, enum attempt_cause cause)
{
	struct attempts *t = x->tries;
	struct attempt *a = &t->v[t->n - 1];

	INVARIANT(t->n > 0 && !t->settled);
	a->cause = cause;
	a->took_us = clock_mono_us() - a->begun_us;
	a->status = x->result.status;
	t->let_go |= cause != CAUSE_NEVER_SENT && cause != CAUSE_RULED;
	/* unknown whether it was billed: HAProxy gave up, or the response was cut */
	if (cause == CAUSE_PERHAPS_BILLED && x->said != ATTEMPT_ANSWERED &&
		(x->used_by <= USED_NOTHING || x->used_by == USED_RESERVED)) {
		x->used_by = USED_RESERVED;
		a->maybe_billed = true;
	}
	request_attempt_over(x->r, cause, a->status, a->refused, a->asked_us);
	exchange_took(x->r, a);
}

/* Returns true if the provider certainly charged nothing: before any content, it reported that
 * it is overloaded or refuses the gateway, in a stream that had begun or not. */
static bool
made_nothing(const struct exchange *x, enum attempt_cause cause)
{
	return (cause == CAUSE_THROTTLED || cause == CAUSE_REFUSED_US) &&
	       x->used_by != USED_SAID && !(x->guard && guard_report(x->guard)->content);
}

/* Returns true if the attempt costs nothing, as far as is known before it is settled. */
static bool
is_free(const struct exchange *x, enum attempt_cause cause)
{
	struct usage u;

	return cause == CAUSE_NEVER_SENT ||
	       (made_nothing(x, cause) && exchange_used(x->r, &x->result, &u) != USED_SAID);
}

static void
settle_attempt(struct exchange *x, enum attempt_cause cause)
{
	struct change corrections[CORRECTIONS_MAX];
	struct request *r = x->r;

	exchange_attempted(x);
	x->used_by = exchange_used(r, &x->result, &x->used);
	if (cause == CAUSE_NEVER_SENT || made_nothing(x, cause))
		x->used_by = USED_NOTHING;
	if (x->used_by == USED_SAID)
		gate_count_tokens(r, &x->used);
	note_attempt(x, cause);
	size_t n = exchange_settle_attempt(r, &x->tries->charges, corrections);
	for (size_t i = 0; i < n; i++)
		quota_change(r->gate->quota, &corrections[i], clock_mono_us());
	x->cost.known = false;
	x->tries->settled = true;
}

/* Further facts that an error response states. */
struct refused {
	enum attempt_refused what;
	bool too_long, no_model;
};
static enum attempt_cause cause_of(const struct attempt_end *e, struct refused *says);
static enum attempt_cause cause_of_refusal(int status, enum refusal why, struct refused *says);

/* A response with a success status may still report an error, in its document or stream. */
static enum attempt_cause
cause_of_answer(const struct exchange *x)
{
	const struct guard_report *a = x->guard ? guard_report(x->guard) : NULL;
	struct attempt_end e = { .said = ATTEMPT_ANSWERED, .result = x->result };
	struct refused says;

	if (!a || !a->provider_error)
		return CAUSE_DONE;
	e.type = a->error_type;
	e.document = a->error;
	return cause_of(&e, &says);
}

static enum attempt_cause
cause_of_end(const struct exchange *x)
{
	switch (x->result.end) {
	case END_COMPLETE:
		return x->result.status < 400 ? cause_of_answer(x)
					      : x->tries->v[x->tries->n - 1].cause;
	case END_NEVER_SENT: return CAUSE_NEVER_SENT;
	case END_RULED: return CAUSE_RULED;
	case END_ANSWER_RULED: return CAUSE_PERHAPS_BILLED;
	case END_CLIENT_ABORT: return CAUSE_ABORTED;
	case END_PROVIDER_ABORT:
		return x->said == ATTEMPT_NEVER_SENT	    ? CAUSE_NEVER_SENT
		       : x->tries->v[x->tries->n - 1].cause ? x->tries->v[x->tries->n - 1].cause
							    : CAUSE_PERHAPS_BILLED;
	case END_DENIED:
	case END_ANSWER_DENIED: break;
	}
	return CAUSE_DONE;
}

enum { REFUSAL_DOCUMENT = 64 << 10 }; /* bytes of a decompressed error document */

/* As dialect_refusal(), for a document that may be compressed. If it cannot be decompressed,
 * only the status and the type count. */
static enum refusal
refusal_in(int status, struct span type, struct span coding, struct span document)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);
	SCOPED_BUF(plain, REFUSAL_DOCUMENT);

	if (coding.n)
		document = inflate_all(coding, document, CAP_INFLATE_RATIO, &plain)
				   ? SPAN_LIT("")
				   : buf_view(&plain);
	return dialect_refusal(status, type, document, &a);
}

void
gate_failed(struct exchange *x, int status, struct span type, struct span coding,
	struct span document)
{
	enum refusal why = refusal_in(status, type, coding, document);

	if (why > x->refusal)
		x->refusal = why;
}

static enum attempt_cause
cause_of_only(const struct exchange *x, struct refused *says)
{
	const struct attempt_end e = { .said = ATTEMPT_ANSWERED, .result = x->result };

	if (x->result.status < 400)
		return cause_of_answer(x);
	if (!x->refusal)
		return cause_of(&e, says);
	enum attempt_cause cause = cause_of_refusal(x->result.status, x->refusal, says);
	/* no target with a larger window is asked */
	return says->too_long ? CAUSE_FINAL : cause;
}

/* Ends the attempt of a request that is never tried again. */
static void
only_attempt_over(struct exchange *x)
{
	const struct exchange_result *res = &x->result;
	enum attempt_cause cause = CAUSE_ABORTED;
	struct refused says = { 0 };

	if (x->plan.replays) { /* nothing was sent */
		request_attempt_over(x->r, CAUSE_ABORTED, 0, REFUSED_NOT, 0);
		return;
	}
	if (res->end == END_NEVER_SENT)
		cause = CAUSE_NEVER_SENT;
	else if (res->end == END_RULED)
		cause = CAUSE_RULED;
	else if (res->end == END_PROVIDER_ABORT)
		cause = CAUSE_PERHAPS_BILLED;
	else if (res->end == END_COMPLETE)
		cause = cause_of_only(x, &says);
	if (says.no_model)
		request_lacks_model(x->r);
	x->r->attempt.quiet |= x->credential.mended;
	request_attempt_over(x->r, cause, res->status, says.what, res->asked_us);
}

void
attempts_ended(struct exchange *x)
{
	struct attempts *t = x->tries;

	if (!t)
		only_attempt_over(x);
	if (!t || !t->n || t->settled)
		return;
	enum attempt_cause cause = cause_of_end(x);
	if (cause == CAUSE_NEVER_SENT)
		x->used_by = USED_NOT_SENT;
	else if (made_nothing(x, cause))
		x->used_by = USED_NOTHING;
	note_attempt(x, cause);
}

void
attempts_none(struct exchange *x)
{
	if (!request_tried(x->r) || request_settled(x->r))
		return;
	x->tries->n = 0;
	request_attempt_over(x->r, CAUSE_ABORTED, 0, REFUSED_NOT, 0);
}

/* ---- the next attempt ---- */

/* Determines why an attempt ended, from the relay's report, the status and the error document.
 */
static enum attempt_cause
cause_of(const struct attempt_end *e, struct refused *says)
{
	int status = e->result.status;

	*says = (struct refused){ 0 };
	switch (e->said) {
	case ATTEMPT_NEVER_SENT: return CAUSE_NEVER_SENT;
	case ATTEMPT_CUT: return CAUSE_PERHAPS_BILLED;
	case ATTEMPT_ANSWERED: break;
	}
	return cause_of_refusal(status,
		refusal_in(status < 400 ? 0 : status, e->type, e->coding, e->document), says);
}

static enum attempt_cause
cause_of_refusal(int status, enum refusal why, struct refused *says)
{
	*says = (struct refused){ 0 };
	says->too_long = why == REFUSAL_CONTEXT;
	says->no_model = why == REFUSAL_MODEL;
	switch (why) {
	case REFUSAL_OVERLOADED:
	case REFUSAL_RATE: return CAUSE_THROTTLED;
	case REFUSAL_REQUEST:
		says->what = REFUSED_ONLY;
		return status == 402 || status == 403 ? CAUSE_REFUSED_US : CAUSE_THROTTLED;
	case REFUSAL_MODEL:
	case REFUSAL_CONTEXT: says->what = REFUSED_ONLY; return CAUSE_REFUSED_US;
	case REFUSAL_ACCESS:
	case REFUSAL_SCOPE:
	case REFUSAL_SIGNATURE: says->what = REFUSED_HERE; return CAUSE_REFUSED_US;
	case REFUSAL_KEY:
	case REFUSAL_CREDIT: says->what = REFUSED_KEY; return CAUSE_REFUSED_US;
	default: break;
	}
	if (status == 429 || status == 503 || status == 529)
		return CAUSE_THROTTLED;
	if (status == 408 || status == 409 || status == 425 || status >= 500)
		return CAUSE_PERHAPS_BILLED;
	return status >= 400 || why == REFUSAL_CALLER ? CAUSE_FINAL : CAUSE_PERHAPS_BILLED;
}

/* Returns the target's index in the route. */
static size_t
target_index_of(const struct request *r, const struct target *t)
{
	size_t i = (size_t)(t - r->found.route->targets);

	INVARIANT(i < r->found.route->ntargets);
	return i;
}

static bool
is_left(const struct request *r, const struct policy_candidate *c)
{
	bool left = c->fate == CANDIDATE_LEFT ||
		    r->x->tries->kept_back >> target_index_of(r, c->target) & 1;

	return left && !request_is_too_long(r, c->target);
}

/* Returns true if the rules permit a target that was not tried yet. */
static bool
another_is_left(const struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;

	for (size_t i = 0; i < v->ncandidates; i++)
		if (is_left(r, &v->candidates[i]))
			return true;
	return false;
}

/* Fills in whether the target may be tried again, and when. */
static void
look_at_candidate(const struct request *r, const struct target *to, struct next_candidate *c,
	uint64_t now_us)
{
	if (!r->found.ranks)
		return; /* a single target without a state */
	const struct target_state *s = target_state_of(r->gate->shared->targets, to);
	struct target_load beside;
	const struct target_asks asks = request_asks(r, to, &beside);
	c->budget = target_may_repeat(s, to, &asks, now_us);
	target_condition_for(s, asks.caller, to->breaker.on, now_us, &c->back_us, NULL);
}

static struct next
next_attempt_of(struct exchange *x, struct next_attempt last)
{
	struct next_candidate c[TARGETS_MAX];
	const struct request *r = x->r;
	const struct policy_verdict *v = &r->found.verdict;
	struct attempts *t = x->tries;
	struct next_plan p = { .retry = &r->found.route->retry,
		.candidate = c,
		.tried = t->tried,
		.ntried = t->n,
		.began_us = t->begun_us,
		.now_us = clock_mono_us(),
		.deadline_us = x->plan.deadline_us };

	t->tried[t->n - 1] = last;
	for (; p.ncandidates < v->ncandidates && p.ncandidates < COUNT_OF(c); p.ncandidates++) {
		size_t i = p.ncandidates;
		c[i] = (struct next_candidate){ .left = is_left(r, &v->candidates[i]),
			.place = r->found.ranks ? r->found.ranks[i].place : (uint8_t)i,
			.budget = true };
		look_at_candidate(r, v->candidates[i].target, &c[i], p.now_us);
	}
	random_bytes(&p.random, sizeof(p.random));
	return targets_next(&p);
}

/* ---- changing to the next ---- */

static void
report_next(struct exchange *x, enum again what)
{
	void (*next)(void *, enum again) = x->tries->next;

	x->tries->next = NULL;
	if (next)
		next(x->tries->next_arg, what);
}

static void
report_goes(struct exchange *x)
{
	report_next(x, AGAIN_GOES);
}

/* Keeps the results of the steps for the attempt that ended. */
static void
remember_results(const struct request *r, struct attempts *t)
{
	INVARIANT(t->life == ATTEMPTS_UNDER_WAY && t->settled);
	t->was.found = r->found;
	t->was.decision = r->out.decision;
	t->was.model = r->in.body.model;
	t->was.asked_model = r->in.asked_model;
}

/* No further attempt: restores the results of the last one that was made. */
static void
restore_results(struct request *r)
{
	struct attempts *t = r->x->tries;
	struct quota_request *q[2] = { r->found.quota[0], r->found.quota[1] };

	INVARIANT(t->life == ATTEMPTS_BETWEEN);
	r->found = t->was.found;
	r->found.quota[0] = q[0];
	r->found.quota[1] = q[1];
	request_decided(r, &t->was.decision);
	r->in.body.model = t->was.model;
	r->in.asked_model = t->was.asked_model;
	attempts_enter(t, ATTEMPTS_STANDS);
}

void
attempts_over(struct exchange *x)
{
	struct attempts *t = x->tries;

	if (!t)
		return;
	if (t->life == ATTEMPTS_BETWEEN)
		restore_results(x->r);
	if (!x->plan.reads_answer)
		guard_drop(&x->guard); /* the guard only looked for the first content */
}

/* Releases what another attempt would have needed. The response's part does not point to it. */
static void
let_attempt_go(struct exchange *x)
{
	struct request *r = x->r;
	struct arena own;

	x->plan.asks = x->plan.holds = x->plan.doubts = false;
	x->plan.body = (struct span){ NULL, 0 };
	arena_init(&own, CAP_REQUEST_ARENA, true);
	request_let_go(r, &own);
	request_unhold(r, r->out.kept.n);
	request_drop_kept(r);
	buf_free(&r->out.decoded);
	buf_free(&r->out.rewritten);
	request_unhold_work(r);
}

void
gate_stands(struct exchange *x, uint64_t sent_us)
{
	struct attempts *t = x->tries;

	if (sent_us && x->r->attempt.of)
		request_first_content(x->r, clock_mono_us() - sent_us);
	if (!t || !x->plan.asks)
		return;
	attempts_enter(t, ATTEMPTS_STANDS);
	if (!x->plan.reads_answer)
		guard_drop(&x->guard); /* the guard only looked for the first content */
	let_attempt_go(x);
}

/* The steps decided for the next target. */
static void
next_decided(struct request *r)
{
	struct exchange *x = r->x;
	struct attempts *t = x->tries;

	if (r->out.decision.kind != D_DENY && !make_plan(r, x)) {
		on_behalf_begin(x, report_goes);
		return;
	}
	request_attempt_over(r, CAUSE_ABORTED, 0, REFUSED_NOT, 0);
	request_release(r);
	t->no_further = "refused";
	restore_results(r);
	report_next(x, t->last);
}

static void
on_pause(struct ev_loop *loop UNUSED, ev_timer *w, int events UNUSED)
{
	struct attempts *t = TAGGED(attempts, w->data);

	INVARIANT(t->life == ATTEMPTS_BETWEEN && t->x->tries == t);
	exchange_run_steps(t->x, STEP_AT_policy, next_decided);
}

static void
report_last(struct mail *m, void *worker UNUSED)
{
	struct exchange *x = TAGGED_OF(exchange, later, m);
	struct request *r = x->r;

	INVARIANT(x->tries->life == ATTEMPTS_STANDS);
	request_answered(r);
	if (r->run.life >= LIFE_FINISH)
		request_late(r);
	else
		report_next(x, x->tries->last);
}

/* Marks targets for the next run of the steps: tried ones are out, except for one that is tried
 * again. Other targets are kept back while the same one is tried again. */
static bool
mark_tried(struct request *r, const struct next *n)
{
	const struct route *route = r->found.route;
	struct policy_rank *ranks = r->found.ranks;
	const struct policy_verdict *v = &r->found.verdict;
	struct attempts *t = r->x->tries;
	size_t last = target_index_of(r, request_target(r));

	if (!ranks) {
		ranks = r->found.ranks =
			arena_array(&r->arena, route->ntargets, sizeof(*ranks));
		for (size_t i = 0; ranks && i < route->ntargets; i++)
			ranks[i] = (struct policy_rank){ .place = (uint8_t)i };
	}
	for (size_t i = 0; ranks && i < route->ntargets; i++) {
		if (n->what == NEXT_SAME && i == n->target) {
			ranks[i].out = TARGET_IN;
		} else if (i == last) {
			ranks[i].out = TARGET_TRIED;
		} else if (n->what == NEXT_SAME && ranks[i].out == TARGET_IN) {
			if (i < v->ncandidates && is_left(r, &v->candidates[i]))
				t->kept_back |= (uint16_t)(1u << i);
			ranks[i].out = TARGET_TRIED;
		} else if (n->what != NEXT_SAME && t->kept_back >> i & 1) {
			ranks[i].out = TARGET_IN;
		}
	}
	if (n->what != NEXT_SAME)
		t->kept_back = 0;
	return ranks;
}

void
gate_again(struct exchange *x, const struct attempt_end *e,
	void (*next)(void *arg, enum again what), void *arg)
{
	struct request *r = x->r;
	struct attempts *t = x->tries;
	INVARIANT(t && t->n > 0 && t->life == ATTEMPTS_UNDER_WAY);
	struct next_attempt last = { .target = target_index_of(r, request_target(r)),
		.status = e->result.status,
		.pooled_broke = e->broke_early || x->credential.mended,
		.asked_us = e->result.asked_us };

	/* if only one attempt is left, prefer another target */
	if (last.pooled_broke && t->n + 1 >= r->found.route->retry.attempts &&
		another_is_left(r))
		last.pooled_broke = false;
	INVARIANT(r->run.life == LIFE_ANSWERED && next && !t->next && !r->waiting.outstanding);
	buf_free(&x->together.vector);
	bool mended = x->credential.mended;
	x->credential.mended = false;
	t->next = next;
	t->next_arg = arg;
	x->result = e->result;
	x->said = e->said;
	struct refused says;
	last.cause = cause_of(e, &says);
	last.our_key = says.what == REFUSED_KEY;
	if (says.too_long)
		request_was_too_long(r);
	if (says.no_model)
		request_lacks_model(r);
	/* if no target with a larger window is left, the prompt is the caller's error */
	if (says.too_long && !another_is_left(r))
		last.cause = CAUSE_FINAL;
	together_over(x, last.cause == CAUSE_FINAL ? FLIGHT_ENDS_IN_VAIN : FLIGHT_ENDS_FAILED);
	t->v[t->n - 1].cause = last.cause;
	/* a credential that is already replaced does not concern the target */
	t->v[t->n - 1].refused = mended ? REFUSED_NOT : says.what;
	t->v[t->n - 1].asked_us = last.asked_us;
	r->attempt.quiet |= mended;
	request_attempt_over(r, last.cause, last.status, says.what, last.asked_us);
	t->free = is_free(x, last.cause);
	struct next n = next_attempt_of(x, last);
	t->free = t->free && n.what == NEXT_TARGET;
	/* the refused token is being fetched again meanwhile */
	if (n.what == NEXT_SAME && mended && !auth_usable(request_auth(r, request_target(r))))
		n.wait_us = FETCH_ANEW_US;
	t->last = n.says == NEXT_ANSWER ? AGAIN_STAYS : AGAIN_UNAVAILABLE;
	t->no_further = n.why;
	x->plan.retry_after_s = (unsigned)((n.retry_after_us + 999999) / 1000000);
	request_asked(r);
	if (n.what == NEXT_END || !mark_tried(r, &n)) {
		attempts_enter(t, ATTEMPTS_STANDS);
		x->later.run = report_last;
		mailbox_send(r->gate->mail, &x->later);
		return;
	}
	settle_attempt(x, last.cause);
	remember_results(r, t);
	attempts_enter(t, ATTEMPTS_BETWEEN);
	/* dropped, whether another attempt follows or not */
	x->plan.body = (struct span){ NULL, 0 };
	request_forget_target(r);
	/* run the steps for the next target */
	if (!n.wait_us) {
		exchange_run_steps(x, STEP_AT_policy, next_decided);
		return;
	}
	ev_timer_init(&t->pause, on_pause, (double)n.wait_us / 1e6, 0.);
	t->pause.data = t;
	ev_timer_start(r->gate->loop, &t->pause);
}
