/* The provider's response, from its head to the last byte but one, and the attempts before it.
 * The framing is removed and written again, x-tollgate-* and hop-by-hop fields are dropped, and
 * the body of a response that is inspected passes through its guard (answer/guard/guard.h). The
 * last byte waits for gate_finish (relay_answer.c).
 *
 * A response that is withheld collects in `head` and `spool` until the guard has seen all of it.
 * A long piece of the body is inspected by a helper thread, and the exchange continues in
 * read_aside_done().
 *
 * While the plan permits another attempt (plan->asks), no byte of the response is written before
 * its first content. If the attempt fails before that, the gate is asked and returns another
 * plan, or none.
 *
 * An attempt can fail in three ways (enum retry_why). Without a response: the connection failed,
 * or time is over. With an error document: up to 64 KB of it are collected for one second,
 * because the gate decides by its content. With the status of a success: the stream, or a short
 * JSON document, reports an error before any content. */
#include <stdio.h>

#include "base/ascii.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/targets/next.h"
#include "net/relay_conn.h"
#include "net/relay_said.h"

/* ---- attempts that may be followed by another one ---- */

#define DOCUMENT_MOST 65536u   /* most bytes of an error document that are collected */
#define DOCUMENT_US   1000000u /* and for how long, in µs */
#define SUCCESS_MOST  16384    /* most bytes of an error with the status of a success */

/* ---- asking ---- */

/* Drops the response of this attempt. */
static void
forget_answer(struct edge *c)
{
	if (c->answer.held)
		gate_unhold(c->x, c->answer.held);
	edge_forget_answer(c);
	c->attempt.watch = NULL;
	c->result = (struct exchange_result){ 0 };
}

/* Informs the gate, once, that the body has begun. */
static void
note_body_heard(struct edge *c)
{
	if (!c->answer.heard && c->answer.whose != SAID_BY_RULE)
		gate_heard(c->x, c->answer.streams);
	c->answer.heard = true;
}

static void
complete_response(struct upstream *u, bool whole_at_once)
{
	struct edge *c = u->edge;

	INVARIANT(c->up == u && u->answer.head_done && c->held == 0);
	note_body_heard(c);
	if (!c->body.done)
		c->last_request = true;
	c->answer.terminator = c->answer.framing == HTTP_CHUNKED;
	/* A response that arrived in one read leaves in one write. Of any other response, the
	 * last byte waits for gate_finish. */
	if ((whole_at_once && !c->answer.streams) || c->answer.life == RESPONSE_WHOLE)
		c->held = c->out.n;
	else if (c->answer.framing == HTTP_LENGTH || c->answer.framing == HTTP_UNTIL_CLOSE)
		c->held = c->out.n ? 1 : 0;
	else if (c->answer.framing == HTTP_NO_BODY)
		c->held = c->out.n;
	upstream_release(u, upstream_sent(u) && !u->request.failed && !u->answer.close &&
				    u->in.n == 0 && u->answer.body.framing != HTTP_UNTIL_CLOSE);
	answer_finish(c, END_COMPLETE, NULL);
}

/* Returns true if the body has begun, but nothing of it may be sent yet. The head then waits
 * too, so that a denial of the first event can still have its own status. */
static bool
head_waits(const struct edge *c)
{
	return c->guard && c->answer.streams && guard_edits(c->guard) && !c->answer.said &&
	       !c->answer.sent && c->result.response_bytes;
}

/* Sends the bytes of the response that were held back. */
static void
response_goes_on(struct upstream *u)
{
	struct edge *c = u->edge;
	bool done = u->answer.body.done;

	if (done)
		complete_response(u, c->reading.at_once);
	if (done || !(head_waits(c) || stream_opens(c)))
		edge_flush(c);
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
	c->plan = gate_plan(c->x);
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
	gate_again(c->x, e, told_next, c);
}

/* Returns true if a failure of this attempt may still lead to another one. */
static bool
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
	gate_stands(c->x, sent_us);
	request_free_whole(c);
}

/* Makes this attempt final: its first content has arrived, or another attempt is pointless. */
static void
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

/* Notes what HAProxy reports in a response that it made because the provider did not
 * respond. HAProxy responded in the provider's place. An older HAProxy file does not
 * report why: the request counts as cut off. */
static void
retry_unanswered(struct upstream *u, const struct http_message *m)
{
	struct edge_attempt *a = &u->edge->attempt;
	enum relay_said said = relay_said_in(&m->head);

	a->said = said == SAID_NOTHING ? ATTEMPT_CUT : said_of(said);
	a->broke_early = said == SAID_PERHAPS_BILLED && broke_early(u);
}

/* Notes how long an error response asks to wait. For a 401 or 403 to a credential of the
 * gateway, informs the gate. Called once for each response. */
static void
response_failed(struct edge *c, const struct http_head *h)
{
	c->result.asked_us = next_asked_us(h, wall_now_ns() / 1000000000);
	if (c->plan->credential && !c->attempt.asked && (h->status == 401 || h->status == 403))
		gate_refused(c->x, h);
}

/* Looks at an error response. Returns true if it is held back: more of it is awaited, or the
 * gate was asked. `head`: the length of the head, in bytes. */
static bool
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
	e.coding = http_field_first(&m->head, "content-encoding");
	e.document = span_cut(buf_view(&doc), 0, DOCUMENT_MOST);
	relay_asks_again(c, RETRY_DOCUMENT, &e);
	return true;
}

/* Returns true while an error document is being collected. */
static bool
retry_gathers(const struct edge *c)
{
	return c->attempt.head_us && !c->attempt.asked;
}

/* ---- errors with the status of a success ---- */

/* Returns true if a response whose head arrived is held back: a stream, or a short document that
 * may be an error. `g` NULL: nothing inspects the response. */
static bool
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

/* Adjusts the bytes of a stream that the gate counts as held, in steps. Returns false
 * if the limit on held bytes is reached. Holds in steps of 4 KB, which most streams
 * never reach. */
static bool
response_hold(struct edge *c)
{
	enum { STEP = 4096 };
	bool keeps = c->guard ? c->answer.streams : retry_holds(c);
	size_t n =
		(c->guard && keeps ? guard_held(c->guard) : 0) + (keeps ? edge_unsent(c) : 0);
	size_t held = c->answer.held;

	INVARIANT(c->state == EDGE_EXCHANGE && c->x && !c->reading.away);
	if (c->guard && !gate_keep(c->x))
		return false;
	n -= n % STEP;
	if (n > held && !gate_hold(c->x, n - held))
		return false;
	if (n < held)
		gate_unhold(c->x, held - n);
	c->answer.held = n;
	return true;
}

/* Called after some of a stream was read. Returns true if none of it is sent yet. */
static bool
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

/* ---- the response ---- */

/* The size of a chunk whose length is not known yet. The digits are filled in later; leading
 * zeros are permitted (RFC 9112 7.1). All bytes of one read thus become one chunk in place. */
#define CHUNK_LINE   "00000000\r\n"
#define CHUNK_LINE_N (sizeof(CHUNK_LINE) - 1)

/* ---- event streams of MCP ---- */

/* Keeps event streams of MCP alive, which may be silent for hours. HAProxy, other proxies and
 * clients take silence for a broken connection. Therefore a comment (WHATWG HTML 9.2.6) is
 * inserted now and then, but only where an event ends, so that no reader finds it inside an
 * event.
 *
 * Example: after an event that ends with two line feeds and keep_alive_us of silence, the client
 * gets ": keep-alive" and an empty line. */

#define COMMENT	 ": keep-alive\n\n"
#define OPENS_US 200000 /* µs; an `endpoint` event arrives with the head, or right after it */

static bool
is_stream(const struct edge *c)
{
	return c->plan && c->plan->sessions && c->answer.streams &&
	       c->answer.life == RESPONSE_BEGUN && c->result.status / 100 == 2 &&
	       (c->answer.framing == HTTP_CHUNKED || c->answer.framing == HTTP_UNTIL_CLOSE);
}

bool
stream_stays(const struct edge *c)
{
	return is_stream(c) && c->plan->stays;
}

/* Called with the head of each response. */
static void
stream_begins(struct edge *c)
{
	memset(c->answer.tail, '\n', sizeof(c->answer.tail));
	if (stream_stays(c) && c->guard)
		c->answer.opens_us = clock_mono_us() + OPENS_US;
}

/* The head waits up to OPENS_US for the first event, because the first event of the older MCP
 * transport (`endpoint`) leads to a 502. */
bool
stream_opens(const struct edge *c)
{
	return c->answer.opens_us && stream_stays(c) && !c->answer.sent &&
	       !c->result.response_bytes;
}

/* Notes that these bytes of the stream are sent. */
static void
stream_passes(struct edge *c, struct span bytes)
{
	enum { TAIL = sizeof(c->answer.tail) };
	size_t n = bytes.n < TAIL ? bytes.n : TAIL;

	memmove(c->answer.tail, c->answer.tail + n, TAIL - n);
	if (n)
		memcpy(c->answer.tail + TAIL - n, bytes.p + bytes.n - n, n);
}

static bool
is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

/* Returns true if these last bytes end an event. */
static bool
ends_event(const char tail[4])
{
	size_t last = tail[3] == '\n' && tail[2] == '\r' ? 2 : 1;

	return is_line_end(tail[3]) && is_line_end(tail[3 - last]);
}

uint64_t
stream_due(const struct edge *c)
{
	bool may = c->state == EDGE_EXCHANGE && c->relay->options.keep_alive_us &&
		   is_stream(c) && c->answer.events && !c->reading.away &&
		   edge_unsent(c) == 0 && !c->held && ends_event(c->answer.tail) &&
		   !retry_holds(c);

	if (c->state == EDGE_EXCHANGE && stream_opens(c))
		return c->answer.opens_us;
	return may ? c->active_us + c->relay->options.keep_alive_us : UINT64_MAX;
}

void
stream_keep_alive(struct edge *c)
{
	char line[HTTP_CHUNK_MAX];
	struct span text = SPAN_LIT(COMMENT);

	if (stream_opens(c)) {
		c->answer.opens_us = 0;
		edge_flush(c);
		return;
	}
	if (c->answer.framing == HTTP_CHUNKED)
		buf_put(&c->out, line, http_chunk_line(line, text.n));
	buf_span(&c->out, text);
	if (c->answer.framing == HTTP_CHUNKED)
		buf_str(&c->out, "\r\n");
	stream_passes(c, text);
	edge_flush(c);
}

/* ---- refusals by the guard ---- */

/* Answers for a response that the guard refused, with the guard's reason. */
static void
answer_refused(struct edge *c)
{
	const struct guard_report *r = guard_report(c->guard);

	switch (c->answer.refused) {
	case GUARD_DENIED:
		answer_forbid(c, r->verdict.ruled.status, r->verdict.ruled.reason);
		break;
	case GUARD_UNREAD: answer_fail(c, FAIL_ANSWER_UNREAD, r->why); break;
	case GUARD_BROKEN: answer_fail(c, FAIL_ANSWER, r->why); break;
	case GUARD_FOREIGN: answer_fail(c, FAIL_FOREIGN, r->why); break;
	case GUARD_CUT: answer_fail(c, FAIL_ABORTED, r->why); break;
	default: answer_fail(c, FAIL_ANSWER_HELD, r->why); break;
	}
}

/* ---- the head ---- */

/* Fields that would be wrong for a body that is edited. */
static const char *const of_body[] = { "content-encoding", "content-md5", "digest",
	"content-digest", "repr-digest", "etag", "accept-ranges", "content-range", NULL };
static const char *const of_type[] = { "content-type", NULL };
static const char *const challenges[] = { "www-authenticate", "proxy-authenticate", NULL };

/* Renames the listed fields to x-tollgate-, which http_put_fields() omits. */
static void
drop_fields(const struct http_message *m, struct http_field *fields, const char *const *names)
{
	for (size_t i = 0; i < m->head.nfields; i++)
		for (size_t k = 0; names[k]; k++)
			if (span_ieq(fields[i].name, span_str(names[k])))
				fields[i].name = SPAN_LIT("x-tollgate-");
}

/* Writes status and fields, without framing. */
static int
put_response_fields(struct edge *c, const struct http_message *m, struct buf *out)
{
	http_put_status(out, m->head.status);
	int err = http_put_fields(out, &m->head, SPAN_LIT("x-tollgate-"));
	if (err)
		return err;
	if (c->guard && guard_media_type(c->guard))
		buf_printf(out, "content-type: %s\r\n", guard_media_type(c->guard));
	buf_span(out, gate_response_fields(c->x));
	return buf_failed(out) ? ERR_NOMEM : 0;
}

/* Writes the end of the head: framing, connection, empty line. `length` -1: no Content-Length.
 */
static void
put_framing(struct edge *c, int64_t length)
{
	struct buf *out = &c->out;

	if (length >= 0)
		buf_printf(out, "content-length: %lld\r\n", (long long)length);
	if (c->answer.framing == HTTP_CHUNKED)
		buf_str(out, "transfer-encoding: chunked\r\n");
	if (c->last_request)
		buf_str(out, "connection: close\r\n");
	buf_str(out, "\r\n");
}

/* Returns true if the body is compressed, so that its content is not visible. */
static bool
is_encoded(const struct http_head *h)
{
	struct span coding = http_field_first(h, "content-encoding");

	return coding.n && !span_ieq(coding, SPAN_LIT("identity"));
}

/* Asks the gate for the guard of this response, if the response is inspected. Returns 0 or an
 * error; for ERR_AUTH, c->answer.refused has the reason why the response is refused. */
static int
guard_begin(struct edge *c, const struct http_message *m)
{
	struct guard_head h = { .status = m->head.status,
		.content_type = http_field_first(&m->head, "content-type"),
		.content_encoding = http_field_first(&m->head, "content-encoding"),
		.bodyless = m->framing == HTTP_NO_BODY,
		.input_tokens = http_field_first(&m->head, "x-amzn-bedrock-input-token-count"),
		.output_tokens =
			http_field_first(&m->head, "x-amzn-bedrock-output-token-count"),
		.service = http_field_first(&m->head, "x-gemini-service-tier") };

	INVARIANT(c->answer.life == RESPONSE_NONE && !c->answer.sent);
	c->guard = NULL;
	if (!c->plan->reads_answer)
		return retry_may(c) && !h.bodyless ? gate_answer(c->x, &h, &c->attempt.watch)
						   : 0;
	int err = gate_answer(c->x, &h, &c->guard);
	if (err || !c->guard)
		return err;
	c->answer.refused = guard_fields(c->guard, c->relay->fields, m->head.nfields);
	if (c->answer.refused)
		return ERR_AUTH;
	if (h.bodyless) {
		/* The guard has all that it will get. The exchange owns it and reads its report
		 * later. */
		c->guard = NULL;
		return 0;
	}
	c->answer.streams = guard_report(c->guard)->streamed;
	if (guard_withholds(c->guard))
		c->answer.life = RESPONSE_WITHHELD;
	if (guard_edits(c->guard))
		drop_fields(m, c->relay->fields, of_body);
	if (guard_media_type(c->guard))
		drop_fields(m, c->relay->fields, of_type);
	return 0;
}

static int
put_response_head(struct edge *c, const struct upstream *u, const struct http_message *m)
{
	/* A Content-Length without a body is information about the resource (RFC 9110 8.6). */
	bool declares = c->answer.framing == HTTP_LENGTH ||
			(c->answer.framing == HTTP_NO_BODY && m->declared >= 0 &&
				(u->answer.to_head || m->head.status == 304));

	c->answer.declared = declares ? m->declared : -1;
	if (c->answer.life == RESPONSE_WITHHELD)
		return put_response_fields(c, m, &c->head);
	int err = put_response_fields(c, m, &c->out);
	if (err)
		return err;
	put_framing(c, c->answer.declared);
	return buf_failed(&c->out) ? ERR_NOMEM : 0;
}

/* Replaces the MCP server's session ids with the ids that callers get. An id for which none can
 * be made is dropped. */
static void
bind_sessions(struct edge *c, const struct http_message *m)
{
	struct http_field *f = c->relay->fields;

	for (size_t i = 0; i < m->head.nfields; i++) {
		if (!span_ieq(f[i].name, SPAN_LIT("mcp-session-id")))
			continue;
		f[i].value = gate_session(c->x, f[i].value);
		if (!f[i].value.n)
			f[i].name = SPAN_LIT("x-tollgate-");
	}
}

/* Returns true if the MCP server asks for a login. A caller that followed it would send its own
 * credential to the internal server. */
static bool
asks_login(const struct edge *c, const struct http_head *h)
{
	return c->plan->sessions &&
	       (h->status == 401 ||
		       (h->status == 403 && http_field_nth(h, "www-authenticate", 0)));
}

/* Returns true if a redirect leads to another host. A client that follows a redirect sends its
 * request there again, as it was before the gateway decided on it. A location counts as this
 * host only if every reader would take it so: a backslash or an invisible byte makes it another
 * host. */
static bool
leads_away(const struct edge *c, const struct http_head *h)
{
	static const char *const schemes[] = { "https://", "http://" };
	struct span to = http_field_first(h, "location"), host = SPAN_LIT("");

	if (!c->plan->sessions || h->status / 100 != 3 || !to.n)
		return false;
	for (size_t i = 0; i < to.n; i++)
		if (!is_visible(to.p[i]) || to.p[i] == '\\')
			return true;
	http_field_one(&c->plan->head, "host", &host);
	for (size_t i = 0; i < COUNT_OF(schemes); i++)
		if (span_istarts(to, span_str(schemes[i]))) {
			struct span rest = span_cut(to, strlen(schemes[i]), to.n);
			return !span_ieq(span_next(&rest, '/'), host);
		}
	return to.p[0] != '/' || span_starts(to, SPAN_LIT("//"));
}

static void
begin_response(struct upstream *u, const struct http_message *m, enum relay_said whose)
{
	struct edge *c = u->edge;
	bool ruled = whose == SAID_BY_RULE; /* no part of the response is a provider's */
	int err = 0;

	INVARIANT(c->state == EDGE_EXCHANGE && c->up == u && !u->answer.head_done);
	c->answer.whose = whose;
	if (m->head.status >= 400 && !ruled)
		response_failed(c, &m->head);
	c->result.status = m->head.status;
	if (m->head.status >= 400 && !ruled && !c->plan->asks) {
		struct span coding = http_field_first(&m->head, "content-encoding");
		c->answer.fails = coding.n < sizeof(c->answer.coding);
		if (c->answer.fails)
			snprintf(c->answer.coding, sizeof(c->answer.coding), "%.*s",
				SPAN_ARG(coding));
		gate_failed(c->x, m->head.status,
			http_field_first(&m->head, "x-amzn-errortype"), SPAN_LIT(""),
			SPAN_LIT(""));
	}
	if (!ruled && asks_login(c, &m->head)) {
		answer_fail_now(c, FAIL_LOGIN, NULL, true);
		return;
	}
	if (!ruled && leads_away(c, &m->head)) {
		answer_fail_now(c, FAIL_FOREIGN,
			"the MCP server redirects clients to another host", true);
		return;
	}
	c->answer.events = span_ieq(http_media_type(http_field_first(&m->head, "content-type")),
		SPAN_LIT("text/event-stream"));
	c->answer.streams = c->answer.events;
	c->guard = NULL;
	if (!ruled)
		err = guard_begin(c, m);
	if (!ruled && c->plan->sessions)
		bind_sessions(c, m);
	/* a challenge concerns the gateway's credential, which is not the caller's to renew */
	if (!ruled && (c->plan->sessions || c->plan->credential))
		drop_fields(m, c->relay->fields, challenges);
	if (!err && !ruled && c->plan->leads &&
		!gate_lead(c->x, c->relay->fields, m->head.nfields))
		err = ERR_NOMEM;
	c->answer.framing = m->framing;
	bool edits = c->guard && guard_edits(c->guard);
	if (m->framing == HTTP_UNTIL_CLOSE ||
		(m->framing == HTTP_LENGTH && edits && c->answer.life != RESPONSE_WITHHELD))
		c->answer.framing = HTTP_CHUNKED;
	if (c->answer.framing == HTTP_CHUNKED && c->old_peer)
		c->answer.framing = HTTP_UNTIL_CLOSE;
	if (!c->body.done)
		c->last_request = true;
	u->answer.close = m->close;
	u->answer.head_done = true;
	if (c->plan->asks) {
		const struct guard *g = c->guard ? c->guard : c->attempt.watch;
		c->attempt.streams = c->answer.streams || (g && guard_report(g)->streamed);
		if (err || ruled || is_encoded(&m->head) || stream_stays(c) ||
			!retry_keeps(c, m, g))
			retry_stands(c);
	}
	if (upstream_sent(u) && !c->plan->asks) {
		/* A stream may last minutes: frees the request's bytes, which are not needed any
		 * more. */
		upstream_forget_sent(u);
		request_free_whole(c);
	}
	if (c->body.done && c->in.n == 0)
		buf_free(&c->in);
	http_body_init(&u->answer.body, m->framing, m->length);
	if (c->answer.life == RESPONSE_NONE)
		c->answer.life = RESPONSE_BEGUN;
	c->answer.last = '\n';
	stream_begins(c);
	if (err == ERR_AUTH && c->answer.refused)
		answer_refused(c);
	else if (err || put_response_head(c, u, m))
		answer_fail(c, FAIL_ANSWER, "the response could not be written");
}

/* HAProxy's own 503s carry one of these fields, which the shipped rules remove from a
 * provider's response. */
#define LEAVING                                                                                \
	"x-tollgate-leaving" /* HAProxy was reloaded and has not looked at the request */
#define UNANSWERED                                                                             \
	"x-tollgate-unanswered" /* no provider was reached, or its response was not HTTP */

static bool
is_haproxys(const struct http_message *m, const char *name)
{
	return m->head.status == 503 && http_field_nth(&m->head, name, 0);
}

/* Reads heads up to the final one. Returns 1 if the response has begun, 0 if more is needed or
 * the response was given up. */
static int
read_response_head(struct upstream *u)
{
	struct edge *c = u->edge;
	struct http_message m;

	for (;;) {
		ssize_t n = http_parse_response(buf_view(&u->in), &u->answer.scan,
			c->relay->fields, CAP_HEADERS, u->answer.to_head, &m);
		if (n == 0)
			return 0;
		if (n < 0) {
			answer_fail(c, FAIL_ANSWER, m.why);
			return 0;
		}
		if (m.head.status == 101 && c->plan->socket_bytes) {
			socket_open(u, &m, (size_t)n);
			return 0;
		}
		if (m.head.status == 101 ||
			(m.head.status < 200 && ++u->answer.interim > CAP_INTERIM)) {
			answer_fail(c, FAIL_ANSWER,
				"the provider sent an unexpected interim response");
			return 0;
		}
		if (is_haproxys(&m, LEAVING) && upstream_moves(u))
			return 0;
		if (is_haproxys(&m, UNANSWERED)) {
			c->result.status = m.head.status;
			retry_unanswered(u, &m);
			answer_fail(c,
				c->attempt.said == ATTEMPT_NEVER_SENT ? FAIL_NOT_REACHED
								      : FAIL_NOT_ANSWERED,
				NULL);
			return 0;
		}
		/* The shipped rules remove this field from a provider's response. */
		enum relay_said whose = http_field_nth(&m.head, WHY_FIELD, 0)
						? relay_said_in(&m.head)
						: SAID_NOTHING;
		if (whose != SAID_BY_RULE && retry_head(u, &m, (size_t)n)) {
			u->answer.scan = (struct http_scan){ 0, 0 };
			return 0;
		}
		if (m.head.status >= 200)
			begin_response(u, &m, whose);
		if (c->up != u)
			return 0;
		buf_consume(&u->in, (size_t)n);
		u->answer.scan = (struct http_scan){ 0, 0 };
		if (u->answer.head_done)
			return 1;
	}
}

/* ---- the body ---- */

/* Opens a chunk of unknown length. Returns where its data begin. */
static size_t
chunk_open(struct edge *c)
{
	if (c->answer.framing == HTTP_CHUNKED)
		buf_put(&c->out, CHUNK_LINE, CHUNK_LINE_N);
	return c->out.n;
}

/* Writes the chunk's size into its line. Without data, removes the line. */
static void
chunk_close(struct edge *c, size_t from)
{
	size_t n = c->out.n - from;

	INVARIANT(from <= c->out.n);
	if (c->answer.framing != HTTP_CHUNKED || buf_failed(&c->out))
		return;
	if (n == 0) {
		/* a chunk of size 0 would be the last one */
		c->out.n -= CHUNK_LINE_N;
		return;
	}
	INVARIANT(from >= CHUNK_LINE_N);
	char *digits = c->out.p + c->out.start + from - CHUNK_LINE_N;
	for (size_t i = 8; i-- > 0; n >>= 4)
		digits[i] = "0123456789abcdef"[n & 15];
	buf_str(&c->out, "\r\n");
}

/* Lets the watching guard see the bytes, to learn whether content has begun. Its output is
 * dropped. */
static int
feed_watcher(struct edge *c, struct span payload)
{
	if (!c->attempt.watch)
		return 0;
	SCOPED_BUF(nowhere, 0);
	if (guard_feed(c->attempt.watch, payload, &nowhere))
		c->attempt.watch = NULL; /* unreadable: the response passes as it is */
	return 0;
}

/* Puts payload through the guard into *to. Returns 0, an error of the framing, or ERR_AUTH:
 * c->answer.refused has the reason. */
static int
put_payload(struct edge *c, struct span payload, struct buf *to)
{
	if (payload.n)
		note_body_heard(c);
	metric_add(c->relay->metrics, M_RELAY_BYTES_DOWN, payload.n);
	c->result.response_bytes += payload.n;
	c->result.output_begun =
		c->result.output_begun || (payload.n && c->result.status / 100 == 2);
	if (payload.n)
		c->answer.last = payload.p[payload.n - 1];
	if (c->answer.fails)
		buf_span(&c->failed, span_cut(payload, 0, RELAY_FAILED_MOST - c->failed.n));
	if (!c->guard) {
		if (c->answer.events && c->result.status == 200)
			stream_end_read(&c->answer.end, payload);
		buf_span(to, payload);
		return buf_failed(to) ? ERR_NOMEM : feed_watcher(c, payload);
	}
	bool room = c->answer.life != RESPONSE_WITHHELD || gate_hold(c->x, payload.n) ||
		    guard_let_go(c->guard);
	size_t before = to->n;
	c->answer.refused = room ? guard_feed(c->guard, payload, to) : GUARD_NO_MEMORY;
	c->answer.said |= to->n > before;
	return c->answer.refused ? ERR_AUTH : 0;
}

/* Releases a withheld response, because all of it is known (`whole`) or need not be: moves the
 * head and the bytes that the guard released to `out`. */
static void
release_withheld(struct edge *c, bool whole)
{
	INVARIANT(c->answer.life == RESPONSE_WITHHELD && !c->answer.sent);
	c->answer.life = whole ? RESPONSE_WHOLE : RESPONSE_BEGUN;
	if (whole) {
		c->answer.framing = HTTP_LENGTH;
	} else if (guard_edits(c->guard)) {
		/* the withheld bytes turned out to be a stream */
		c->answer.streams = true;
		c->answer.framing = c->old_peer ? HTTP_UNTIL_CLOSE : HTTP_CHUNKED;
		c->answer.declared = -1;
	}
	buf_span(&c->out, buf_view(&c->head));
	if (whole) {
		struct usage u = guard_usage(c->guard);
		buf_span(&c->out, gate_cost_field(c->x, &u));
	}
	put_framing(c, whole ? (int64_t)c->spool.n : c->answer.declared);
	size_t from = chunk_open(c);
	buf_span(&c->out, buf_view(&c->spool));
	chunk_close(c, from);
	buf_free(&c->head);
	buf_free(&c->spool);
}

/* Puts all of u->in through the guard into *to. Returns as put_payload(). A helper may run this
 * function, so it touches only the response's members of the edge. */
static int
read_response_body(struct upstream *u, struct buf *to)
{
	struct edge *c = u->edge;
	int err = 0;

	while (u->in.n && !u->answer.body.done && !err) {
		struct span payload;
		ssize_t n = http_body_next(&u->answer.body, buf_view(&u->in), &payload);
		if (n < 0)
			return (int)n;
		if (payload.n)
			err = put_payload(c, payload, to);
		buf_consume(&u->in, (size_t)n);
	}
	if (u->answer.body.done && c->guard && !err && !guard_hears(c->guard)) {
		c->answer.refused = guard_end(c->guard, to);
		/* The reader of a stream that stays open asks again for an event that was cut
		 * off. */
		if (c->answer.refused == GUARD_BROKEN && u->answer.eof)
			c->answer.refused = GUARD_PASS;
		err = c->answer.refused ? ERR_AUTH : 0;
	}
	return err ? err : buf_failed(to) ? ERR_NOMEM : 0;
}

/* ---- the end ---- */

void
response_ends(struct edge *c)
{
	INVARIANT(c->state == EDGE_EXCHANGE && c->up && !c->reading.away);
	note_body_heard(c);
	c->last_request = true;
	c->answer.terminator = c->answer.framing == HTTP_CHUNKED;
	upstream_release(c->up, false);
	answer_finish(c, END_COMPLETE, NULL);
	edge_flush(c);
}

/* Sends what was read: the bytes of `out` from `from` on become one chunk. `err`: the result of
 * read_response_body(). */
static void
body_passes(struct upstream *u, size_t from, int err)
{
	struct edge *c = u->edge;

	INVARIANT(c->up == u && !c->reading.away && c->answer.life != RESPONSE_NONE);
	if (c->answer.life != RESPONSE_WITHHELD) {
		if (c->plan->sessions)
			stream_passes(c, span_cut(buf_view(&c->out), from, c->out.n));
		chunk_close(c, from);
	} else if (!err && (u->answer.body.done || !guard_withholds(c->guard))) {
		release_withheld(c, u->answer.body.done);
	}
	if (!err && (buf_failed(&c->out) || buf_failed(&c->spool)))
		err = ERR_NOMEM;
	if (err == ERR_AUTH && c->answer.refused) {
		answer_refused(c);
	} else if (err) {
		answer_fail(c, FAIL_ANSWER, c->reading.wrong);
	} else {
		if (!c->plan->asks || !retry_event(u))
			response_goes_on(u);
		if (c->up == u && c->state == EDGE_EXCHANGE && !response_hold(c))
			answer_fail(c, FAIL_ANSWER_HELD, NULL);
	}
}

/* Returns the buffer for the bytes of the body, and in *from where they begin. */
static struct buf *
body_goes_to(struct edge *c, size_t *from)
{
	bool withheld = c->answer.life == RESPONSE_WITHHELD;

	*from = withheld ? 0 : chunk_open(c);
	return withheld ? &c->spool : &c->out;
}

static void heard_done(void *arg);

/* Reads and sends what has arrived. Before the end of a whole response, its sounds are
 * transcribed. */
static void
body_is_read(struct upstream *u, size_t from, struct buf *to, int err)
{
	struct edge *c = u->edge;

	if (!err && u->answer.body.done && c->guard && guard_hears(c->guard)) {
		c->reading.away = gate_hear(c->x, heard_done, c);
		if (c->reading.away) {
			upstream_rest(u);
			return;
		}
		err = read_response_body(u, to);
	}
	body_passes(u, from, err);
}

/* Runs on a helper thread. */
static void
read_aside(void *arg)
{
	struct edge *c = TAGGED(edge, arg);

	c->reading.err = read_response_body(c->up, &c->reading.out);
}

/* Continues on the worker after the helper, or after the transcripts have arrived. */
static void
reading_continues(struct edge *c, bool heard)
{
	struct upstream *u = c->up;
	size_t from;

	INVARIANT(c->reading.away && c->state == EDGE_EXCHANGE && u && u->edge == c);
	c->reading.away = false;
	if (c->reading.gone) {
		edge_end(c, c->reading.gone);
		return;
	}
	if (c->reading.late) {
		request_timeout(c);
	} else {
		struct buf *to = body_goes_to(c, &from);
		if (!heard)
			buf_move(to, &c->reading.out);
		body_is_read(u, from, to, heard ? read_response_body(u, to) : c->reading.err);
	}
	if (c->up == u) {
		if (u->in.n == 0)
			buf_free(&u->in);
		upstream_resume(u);
		upstream_flush(u);
	}
	edge_update(c);
}

static void
read_aside_done(void *arg)
{
	reading_continues(TAGGED(edge, arg), false);
}

static void
heard_done(void *arg)
{
	reading_continues(TAGGED(edge, arg), true);
}

void
response_give_up(struct edge *c, const char *why)
{
	INVARIANT(c->reading.away && c->guard);
	guard_stop(c->guard);
	c->reading.late |= !why;
	if (why)
		c->reading.gone = why;
}

/* Puts the bytes of u->in through the guard and passes them on. A helper does this if they are
 * long. `wrong`: the text for an error of the framing. */
static void
pass_body(struct upstream *u, bool at_once, const char *wrong)
{
	struct edge *c = u->edge;
	size_t from;

	INVARIANT(!c->reading.away && u->answer.head_done);
	c->reading.at_once = at_once;
	c->reading.wrong = wrong;
	if (c->guard && guard_is_long(c->guard, u->in.n)) {
		/* before the helper starts, because the gate's counters belong to this worker
		 */
		note_body_heard(c);
		c->reading.away = gate_aside(c->x, read_aside, read_aside_done, c);
	}
	if (c->reading.away) {
		upstream_rest(u);
		return;
	}
	struct buf *to = body_goes_to(c, &from);
	body_is_read(u, from, to, read_response_body(u, to));
}

void
response_progress(struct upstream *u)
{
	bool at_once = !u->answer.head_done;

	if (u->edge->state == EDGE_SOCKET) {
		socket_progress(u->edge);
		return;
	}
	if (!u->request.began) {
		answer_fail(u->edge, FAIL_ANSWER, "a response arrived before the request was sent");
		return;
	}
	if (u->answer.head_done || read_response_head(u))
		pass_body(u, at_once, "the response's framing is malformed");
}

void
response_eof(struct upstream *u, int err)
{
	struct edge *c = u->edge;

	if (c->state == EDGE_SOCKET) {
		socket_eof(c);
		return;
	}
	if (retry_gathers(c)) {
		c->attempt.eof = true;
		response_progress(u);
		if (!retry_gathers(c))
			return;
	}
	if (u->answer.head_done && stream_stays(c) && !u->answer.body.done) {
		u->answer.eof = u->answer.close = u->answer.body.done = true;
		pass_body(u, false, "the response could not be read");
	} else if (err == 0 && u->answer.head_done && http_body_eof(&u->answer.body) == 0)
		pass_body(u, false, "the response could not be read");
	else
		answer_fail(c, u->answer.heard ? FAIL_ABORTED : FAIL_UNHEARD, NULL);
}
