/* Attempts that may be followed by another one.
 *
 * While the plan permits another attempt (plan->asks), no byte of the response is written before
 * its first content. If the attempt fails before that, the gate is asked and returns another
 * plan, or none. relay_response.c knows only one response.
 *
 * An attempt can fail in three ways (enum retry_why). Without a response: the connection failed,
 * or time is over. With an error document: up to 64 KB of it are collected for one second,
 * because the gate decides by its content. With the status of a success: the stream, or a short
 * JSON document, reports an error before any content. */
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/targets/next.h"
#include "net/relay_conn.h"
#include "net/relay_said.h"

#define DOCUMENT_MOST 65536u   /* most bytes of an error document that are collected */
#define DOCUMENT_US   1000000u /* and for how long, in µs */
#define SUCCESS_MOST  16384    /* most bytes of an error with the status of a success */

/* ---- asking ---- */

/* Drops the response of this attempt. */
static void
forget_answer(struct edge *c)
{
	if (c->answer.held)
		c->relay->ops->unhold(c->x, c->answer.held);
	edge_forget_answer(c);
	c->attempt.watch = NULL;
	c->result = (struct exchange_result){ 0 };
}

/* The attempt is final: the caller gets its response, or the error of its failure. */
static void
it_stays(struct edge *c, enum again what)
{
	struct upstream *u = c->up;

	c->attempt.stands = true;
	edge_enter(c, EDGE_EXCHANGE);
	/* Meanwhile, steps that ran for another target have released the body: no more of it can
	 * be sent. */
	if (u && !upstream_sent(u) && !c->plan->body.p)
		u->request.failed = true;
	if (what == AGAIN_UNAVAILABLE && c->attempt.why != RETRY_FAILED) {
		int status = c->result.status;
		forget_answer(c);
		c->result.status = status;
		answer_fail(c,
			c->attempt.said == ATTEMPT_NEVER_SENT ? FAIL_NOT_REACHED : FAIL_REFUSED,
			NULL);
		return;
	}
	switch (c->attempt.why) {
	case RETRY_FAILED:
		answer_fail_now(c, c->attempt.failed, c->attempt.failed_why, c->attempt.sent);
		break;
	case RETRY_DOCUMENT:
		u->answer.scan = (struct http_scan){ 0, 0 };
		response_progress(u);
		if (c->up == u && c->attempt.eof)
			response_eof(u, 0);
		break;
	case RETRY_EVENT: response_goes_on(u); break;
	}
	if (c->up == u && u && c->state == EDGE_EXCHANGE) {
		upstream_resume(u);
		upstream_flush(u);
	}
}

/* The gate's answer: another plan (AGAIN_GOES), or none. */
static void
told_next(void *arg, enum again what)
{
	struct edge *c = TAGGED(edge, arg);

	if (c->fd < 0)
		return;
	INVARIANT(c->state == EDGE_AGAIN && c->attempt.asked);
	c->active_us = clock_mono_us();
	if (what != AGAIN_GOES) {
		it_stays(c, what);
		edge_update(c);
		return;
	}
	if (c->up)
		upstream_release(c->up, c->attempt.poolable);
	forget_answer(c);
	c->attempt = (struct edge_attempt){ 0 };
	c->plan = c->relay->ops->plan(c->x);
	edge_enter(c, EDGE_EXCHANGE);
	upstream_begin(c);
	edge_update(c);
}

/* Asks the gate for another plan. The edge waits in EDGE_AGAIN. */
static void
relay_asks_again(struct edge *c, enum retry_why why, struct attempt_end *e)
{
	INVARIANT(!c->attempt.asked && !c->attempt.stands);
	INVARIANT(why == RETRY_FAILED ? !c->up : c->up != NULL);
	c->attempt.why = why;
	c->attempt.asked = true;
	c->attempt.said = e->said;
	if (c->guard)
		c->result.usage = guard_usage(c->guard);
	e->result = c->result;
	if (c->up)
		upstream_rest(c->up);
	edge_enter(c, EDGE_AGAIN);
	c->relay->ops->again(c->x, e, told_next, c);
}

bool
retry_may(const struct edge *c)
{
	return c->plan && c->plan->asks && !c->attempt.stands && !c->attempt.asked &&
	       c->state == EDGE_EXCHANGE && !c->answer.sent;
}

bool
retry_holds(const struct edge *c)
{
	return retry_may(c) && c->plan->holds;
}

/* Frees the request, which another attempt would have needed. */
static void
let_relay_go(struct edge *c, uint64_t sent_us)
{
	INVARIANT(c->plan->asks && upstream_sent(c->up));
	upstream_forget_sent(c->up);
	c->relay->ops->stands(c->x, sent_us);
	request_free_whole(c);
}

void
retry_stands(struct edge *c)
{
	if (!c->plan->asks)
		return;
	c->attempt.stands = true;
	c->attempt.watch = NULL;
	if (c->up && upstream_sent(c->up))
		let_relay_go(c, c->answer.whose == SAID_BY_RULE ? 0 : c->up->request.done_us);
}

void
retry_sent(struct edge *c)
{
	if (c->state == EDGE_EXCHANGE && c->plan->asks && c->attempt.stands)
		let_relay_go(c, 0); /* no time has passed since the last byte */
}

/* ---- failures without a response ---- */

/* Returns true if the connection closed right after the request was sent. From 3.0 on, HAProxy
 * closes so if its own idle connection to the provider broke as it was used. */
static bool
broke_early(const struct upstream *u)
{
	return u && u->request.done_us && clock_mono_us() - u->request.done_us < NEXT_POOLED_US;
}

bool
retry_failed(struct edge *c, enum failure_kind kind, const char *why, const struct failure *f)
{
	struct attempt_end e = { .said = ATTEMPT_CUT };

	if (!retry_may(c))
		return false;
	c->attempt.sent = c->up && c->up->request.began;
	switch (kind) {
	case FAIL_NOT_REACHED: e.said = ATTEMPT_NEVER_SENT; break;
	case FAIL_NOT_ANSWERED: e.said = c->attempt.said; break;
	case FAIL_UNHEARD: e.broke_early = broke_early(c->up); break;
	case FAIL_SILENT:
	case FAIL_ABORTED:
	case FAIL_ANSWER: break;
	default: return false;
	}
	if (!c->attempt.sent)
		e.said = ATTEMPT_NEVER_SENT;
	if (c->attempt.broke_early)
		e.broke_early = true;
	c->attempt.failed = kind;
	c->attempt.failed_why = why;
	c->result.code = f->code;
	c->result.end = c->attempt.sent ? f->end : END_NEVER_SENT;
	c->result.why = why ? why : f->why;
	if (c->up)
		upstream_release(c->up, false);
	relay_asks_again(c, RETRY_FAILED, &e);
	return true;
}

/* ---- error documents ---- */

/* Appends the payload that has arrived after the head. Returns 1 if it is whole, and sets *more
 * if bytes follow it; 0 if not yet; a negative value if the framing is malformed. */
static int
document_payload(const struct upstream *u, const struct http_message *m, size_t head,
	struct buf *out, bool *more)
{
	struct span rest = span_cut(buf_view(&u->in), head, u->in.n);
	struct http_body body;

	http_body_init(&body, m->framing, m->length);
	while (rest.n && !body.done) {
		struct span part;
		ssize_t n = http_body_next(&body, rest, &part);
		if (n < 0)
			return -1;
		buf_span(out, part);
		rest = span_cut(rest, (size_t)n, rest.n);
	}
	*more = rest.n > 0;
	return body.done;
}

static enum attempt_said
said_of(enum relay_said said)
{
	switch (said) {
	case SAID_NEVER_SENT: return ATTEMPT_NEVER_SENT;
	case SAID_INSTEAD:
	case SAID_PERHAPS_BILLED: return ATTEMPT_CUT;
	case SAID_BY_RULE: /* read_response_head() asks for no other attempt */
	case SAID_NOTHING:
	case SAID_BY_PROVIDER: break;
	}
	return ATTEMPT_ANSWERED;
}

/* HAProxy responded in the provider's place. An older HAProxy file does not report why: the
 * request counts as cut off. */
void
retry_unanswered(struct upstream *u, const struct http_message *m)
{
	struct edge_attempt *a = &u->edge->attempt;
	enum relay_said said = relay_said_in(&m->head);

	a->said = said == SAID_NOTHING ? ATTEMPT_CUT : said_of(said);
	a->broke_early = said == SAID_PERHAPS_BILLED && broke_early(u);
}

bool
retry_head(struct upstream *u, const struct http_message *m, size_t head)
{
	struct edge *c = u->edge;
	struct attempt_end e = { .said = said_of(relay_said_in(&m->head)) };

	if (!retry_may(c) || m->head.status < 400)
		return false;
	if (!c->attempt.head_us)
		c->attempt.head_us = clock_mono_us();
	SCOPED_BUF(doc, 0);
	bool more = false;
	int whole = document_payload(u, m, head, &doc, &more);
	bool enough = whole || doc.n >= DOCUMENT_MOST || c->attempt.eof || c->attempt.late;
	if (!enough)
		return true; /* more of the document is read */
	c->result.status = m->head.status;
	c->result.end = END_COMPLETE;
	c->attempt.poolable = whole > 0 && !more && upstream_sent(u) && !u->request.failed &&
			      !m->close && m->framing != HTTP_UNTIL_CLOSE;
	response_failed(c, &m->head);
	e.type = http_field_first(&m->head, "x-amzn-errortype");
	e.document = span_cut(buf_view(&doc), 0, DOCUMENT_MOST);
	relay_asks_again(c, RETRY_DOCUMENT, &e);
	return true;
}

bool
retry_gathers(const struct edge *c)
{
	return c->attempt.head_us && !c->attempt.asked;
}

/* ---- errors with the status of a success ---- */

bool
retry_keeps(struct edge *c, const struct http_message *m, const struct guard *g)
{
	if (!retry_holds(c) || !g)
		return false;
	if (guard_report(g)->streamed)
		return true;
	bool is_short = m->framing == HTTP_CHUNKED ||
			(m->framing == HTTP_LENGTH && m->length <= SUCCESS_MOST);
	if (c->plan->doubts && is_short && m->head.status / 100 == 2 &&
		span_ieq(http_media_type(http_field_first(&m->head, "content-type")),
			SPAN_LIT("application/json")))
		c->attempt.whole_us = clock_mono_us();
	return c->attempt.whole_us != 0;
}

static bool
waits_for_whole(const struct edge *c)
{
	return c->attempt.whole_us && retry_holds(c);
}

/* Called after some of a short document was read. */
static bool
whole_event(struct upstream *u)
{
	struct edge *c = u->edge;
	bool done = u->answer.body.done;
	struct attempt_end e = { .said = ATTEMPT_ANSWERED };

	if (!done && c->result.response_bytes <= SUCCESS_MOST)
		return true;
	SCOPED_BUF(nowhere, 0);
	if (done && c->attempt.watch && guard_end(c->attempt.watch, &nowhere))
		c->attempt.watch = NULL;
	const struct guard *g = c->guard ? c->guard : c->attempt.watch;
	const struct guard_report *r = g ? guard_report(g) : NULL;
	if (!done || !r || !r->provider_error || r->finish[0]) {
		retry_stands(c);
		return false;
	}
	e.type = r->error_type;
	e.document = r->error;
	c->result.end = END_COMPLETE;
	relay_asks_again(c, RETRY_EVENT, &e);
	return true;
}

bool
retry_event(struct upstream *u)
{
	struct edge *c = u->edge;
	struct guard *g = c->guard ? c->guard : c->attempt.watch;
	struct attempt_end e = { .said = ATTEMPT_ANSWERED };

	if (!retry_holds(c))
		return false;
	if (c->attempt.whole_us)
		return whole_event(u);
	const struct guard_report *r = g ? guard_report(g) : NULL;
	/* A model that states why it produced nothing has responded, just as in a response
	 * without a stream. */
	bool answered =
		u->answer.body.done && r && r->ended && r->finish[0] && !r->provider_error;
	if (!r || r->content || !r->streamed || answered || edge_unsent(c) > CAP_PREAMBLE ||
		!response_hold(c)) {
		retry_stands(c);
		return false;
	}
	if (!r->provider_error && !u->answer.body.done)
		return true; /* no content yet that a caller could use */
	e.type = r->error_type;
	e.document = r->error;
	if (!r->provider_error) {
		e.said = ATTEMPT_CUT;
		c->result.why = "the stream ended before any content";
	}
	c->result.end = END_COMPLETE;
	relay_asks_again(c, RETRY_EVENT, &e);
	return true;
}

/* ---- time ---- */

uint64_t
retry_due(const struct edge *c)
{
	const struct upstream *u = c->up;
	const struct plan_waits *w = &c->plan->waits;
	uint64_t at = UINT64_MAX, sent = u ? u->request.done_us : 0;
	const struct guard *g = c->guard ? c->guard : c->attempt.watch;
	/* In the last attempt, nothing watches a response that is not inspected: any byte counts
	 * as content. */
	bool content = g ? guard_report(g)->content : c->result.response_bytes != 0;

	if (retry_gathers(c))
		return c->attempt.head_us + DOCUMENT_US;
	if (waits_for_whole(c))
		return c->attempt.whole_us + DOCUMENT_US;
	if (c->plan->overall_us && (retry_may(c) || (c->attempt.streams && !content)))
		at = c->plan->overall_us;
	if (sent && w->head_us && !u->answer.head_done && sent + w->head_us < at)
		at = sent + w->head_us;
	if (sent && w->first_content_us && c->attempt.streams && !content &&
		sent + w->first_content_us < at)
		at = sent + w->first_content_us;
	if (w->idle_us && c->attempt.streams && u->active_us + w->idle_us < at)
		at = u->active_us + w->idle_us;
	return at;
}

bool
retry_late(struct edge *c)
{
	if (waits_for_whole(c) && c->up &&
		clock_mono_us() >= c->attempt.whole_us + DOCUMENT_US) {
		retry_stands(c);
		response_goes_on(c->up);
		return true;
	}
	if (!retry_gathers(c) || !c->up)
		return false;
	c->attempt.late = true;
	response_progress(c->up);
	return true;
}
