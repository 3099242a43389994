/* The relay's own responses, and the end of every exchange.
 *
 * The last bytes of a response wait here until the gate has recorded the completion. If it
 * cannot be recorded, these bytes are never sent: no client receives a whole response that the
 * journal does not have. */
#include "base/err.h"
#include "base/scoped.h"
#include "net/relay_conn.h"
#include "scan/dialect/denial.h"

/* A failure that increments no counter. */
#define UNCOUNTED ((enum metric) - 1)

static const struct dialect *
dialect_of_edge(const struct edge *c)
{
	return c->plan ? c->plan->dialect : dialect_find(SPAN_LIT("rest"));
}

static struct span
id_of_edge(const struct edge *c)
{
	return c->plan ? c->plan->id : span_str("");
}

static struct denial
denial_of_edge(const struct edge *c, const char *code, const char *message)
{
	return (struct denial){ .dialect = dialect_of_edge(c),
		.endpoint = c->plan ? c->plan->endpoint : NULL,
		.code = code,
		.message = span_str(message),
		.id = id_of_edge(c),
		.mcp = c->plan ? c->plan->mcp : NULL };
}

/* Writes a whole response with this JSON body, in place of any bytes in `out`. `final`: a
 * repeated request would fail in the same way. */
static void
compose_own_response(
	struct edge *c, int status, struct span fields, bool final, struct span body)
{
	buf_clear(&c->out);
	memset(&c->answer, 0, sizeof(c->answer));
	c->answer.life = RESPONSE_BEGUN;
	c->held = 0;
	http_put_status(&c->out, status);
	buf_str(&c->out, "content-type: application/json\r\ncache-control: no-store\r\n");
	buf_span(&c->out, fields);
	struct span type = dialect_error_type(dialect_of_edge(c), body);
	if (type.n)
		buf_printf(&c->out, "x-amzn-errortype: %.*s\r\n", SPAN_ARG(type));
	if (status == 503 && final)
		buf_str(&c->out, "x-should-retry: false\r\n");
	else if (status == 503)
		buf_printf(&c->out, "retry-after: %u\r\n",
			c->plan && c->plan->retry_after_s ? c->plan->retry_after_s : 1);
	if (c->last_request)
		buf_str(&c->out, "connection: close\r\n");
	buf_printf(&c->out, "content-length: %zu\r\n\r\n", body.n);
	if (strcmp(c->method, "HEAD") != 0)
		buf_span(&c->out, body);
}

/* `sent`: the request was sent to the provider. `final`: as for compose_own_response(). */
static void
compose_error(struct edge *c, int status, const char *code, const char *message, bool sent,
	bool final)
{
	SCOPED_BUF(body, 4 * CAP_ERROR_BYTES);
	if (!c->body.done)
		c->last_request = true;
	struct denial d = denial_of_edge(c, code, message);
	d.status = status;
	d.sent = sent;
	status = denial_document(&d, &body);
	compose_own_response(c, status, c->x ? gate_response_fields(c->x) : span_str(""), final,
		buf_view(&body));
}

void
answer_error(struct edge *c, int status, const char *code, const char *message)
{
	INVARIANT(!c->x);
	c->last_request = true;
	compose_error(c, status, code, message, false, false);
	edge_enter(c, EDGE_FLUSH);
	edge_flush(c);
}

/* ---- the end of an exchange ---- */

static void
finish_done(void *arg, int err)
{
	struct edge *c = TAGGED(edge, arg);

	INVARIANT(c->state == EDGE_FINISH && c->x && !c->up);
	/* This happens while the exchange still exists, because the error carries its fields.
	 */
	if (err && c->fd >= 0 && !c->answer.sent)
		compose_error(
			c, 503, "audit_unavailable", "the completion could not be recorded",
			c->result.end != END_NEVER_SENT && c->result.end != END_DENIED &&
				c->result.end != END_RULED,
			false);
	socket_free(c);
	c->x = NULL;
	c->plan = NULL;
	c->guard = NULL;
	request_free_whole(c);
	/* If the head was sent, the last byte stays here, and the client sees a response that is
	 * cut off. */
	if (c->fd < 0 || (err && c->answer.sent)) {
		edge_close(c);
		return;
	}
	if (c->answer.terminator)
		buf_str(&c->out, HTTP_LAST_CHUNK);
	c->held = 0;
	edge_enter(c, EDGE_FLUSH);
	if (buf_failed(&c->out))
		edge_close(c);
	edge_flush(c);
	edge_update(c);
}

/* For a response that HAProxy itself made, the record states this, however the exchange ended.
 */
static enum exchange_end
end_by_haproxy(const struct edge *c, enum exchange_end end, const char **why)
{
	switch (c->answer.whose) {
	case SAID_BY_RULE:
		*why = "a rule of HAProxy replied, and nothing was sent to the provider";
		return END_RULED;
	case SAID_INSTEAD:
		*why = "a rule of HAProxy replaced the provider's response";
		return END_ANSWER_RULED;
	case SAID_NEVER_SENT:
		*why = "HAProxy reports that the provider could not be reached";
		return END_NEVER_SENT;
	default: return end;
	}
}

void
answer_finish(struct edge *c, enum exchange_end end, const char *why)
{
	end = end_by_haproxy(c, end, &why);
	if (end == END_RULED || end == END_ANSWER_RULED)
		metric_inc(c->relay->metrics, M_HAPROXY_ANSWERED);
	edge_enter(c, EDGE_FINISH);
	c->result.end = end;
	c->result.why = why;
	if (c->guard)
		c->result.usage = guard_usage(c->guard);
	if (c->failed.n)
		gate_failed(c->x, c->result.status, SPAN_LIT(""), span_str(c->answer.coding),
			buf_view(&c->failed));
	gate_finish(c->x, &c->result, finish_done, c);
}

void
answer_denial(struct edge *c, const struct exchange_denial *d)
{
	INVARIANT(!c->answer.sent); /* nothing of another response was written */
	compose_own_response(c, d->status, d->fields, false, d->body);
	c->held = c->out.n;
	answer_finish(c, END_DENIED, NULL);
}

void
answer_document(struct edge *c)
{
	c->result.status = c->plan->own_status ? c->plan->own_status : 200;
	if (!c->body.done) /* nobody will read the body */
		c->last_request = true;
	compose_own_response(c, c->result.status, gate_response_fields(c->x), false,
		c->plan->document);
	c->held = c->out.n;
	answer_finish(c, END_COMPLETE, NULL);
}

/* Cuts off a response of which bytes were sent. A stream first gets an error event of its
 * dialect, and nothing that looks like a normal end follows. A stream that is denied then ends
 * as HTTP requires, so that a client that reads everything before parsing finds the error. A
 * stream that the provider broke off is broken off here too. */
static void
cut_answer(struct edge *c, bool denied, const char *code, const char *why)
{
	char line[HTTP_CHUNK_MAX];

	INVARIANT(c->answer.life >= RESPONSE_BEGUN); /* bytes of it were written */
	c->answer.cut = true;
	c->last_request = true;
	c->answer.terminator = false;
	c->held = 0;
	bool chunks = c->answer.framing == HTTP_CHUNKED;
	if (!c->answer.streams || !(chunks || c->answer.framing == HTTP_UNTIL_CLOSE))
		return;
	SCOPED_BUF(event, 4 * CAP_ERROR_BYTES);
	bool half = c->answer.last != '\n' && !(c->guard && guard_edits(c->guard));
	if (c->guard) {
		guard_say_error(c->guard, code, span_str(why), id_of_edge(c), half, &event);
	} else {
		struct denial d = denial_of_edge(c, code, why);
		d.sent = true;
		buf_str(&event, half ? "\n\n" : "\n");
		denial_event(&d, &event);
	}
	if (chunks)
		buf_put(&c->out, line, http_chunk_line(line, event.n));
	buf_span(&c->out, buf_view(&event));
	if (chunks)
		buf_str(&c->out, "\r\n");
	c->answer.terminator = denied && chunks;
	c->answer.cut = !c->answer.terminator;
}

/* Returns false if HAProxy states that it sent nothing to the provider. */
static bool
is_heard(const struct edge *c)
{
	return c->answer.whose != SAID_BY_RULE && c->answer.whose != SAID_NEVER_SENT;
}

static void
fail_exchange(struct edge *c, enum exchange_end end, int status, const char *code,
	const char *why, bool sent, bool final)
{
	INVARIANT(c->x && !c->reading.away);
	/* a response that exists is counted by its status */
	c->result.code = end == END_COMPLETE ? NULL : code;
	if (c->up)
		upstream_release(c->up, false);
	metric_inc(c->relay->metrics, M_RELAY_ABORTS);
	if (c->answer.sent) {
		cut_answer(c, end == END_ANSWER_DENIED, code, why);
	} else {
		compose_error(c, status, code, why, sent && is_heard(c), final);
		c->held = c->out.n;
	}
	answer_finish(c, sent ? end : END_NEVER_SENT, why);
	edge_flush(c);
	edge_update(c);
}

/* clang-format off */
static const struct failure failures[] = {
	[FAIL_BODY_MALFORMED]  = { 400, "malformed_body",       END_CLIENT_ABORT,   M_RELAY_ERRORS, "the body's framing is malformed", false },
	[FAIL_BODY_CHANGED]    = { 503, "body_changed",         END_CLIENT_ABORT,   M_RELAY_ERRORS, "the body differs from the body that was decided", false },
	[FAIL_BODY_SLOW]       = { 408, "request_timeout",      END_CLIENT_ABORT,   M_RELAY_ERRORS, "the body did not arrive in time", false },
	[FAIL_BODY_UNEXPECTED] = { 400, "unexpected_body",      END_CLIENT_ABORT,   UNCOUNTED,      "the request was decided without a body, but a body arrived", false },
	[FAIL_BODY_LARGE]      = { 413, "request_too_large",    END_CLIENT_ABORT,   UNCOUNTED,      "the body is over the limit", false },
	[FAIL_RECORD]          = { 503, "audit_unavailable",    END_NEVER_SENT,     UNCOUNTED,      WHY_NOT_RECORDED, false },
	[FAIL_HELD]            = { 503, "overloaded",           END_NEVER_SENT,     M_HELD_REFUSED, "the limit on held bytes is reached", false },
	[FAIL_MEMORY]          = { 503, "overloaded",           END_CLIENT_ABORT,   UNCOUNTED,      "out of memory", false },
	[FAIL_CLIENT_SLOW]     = { 503, "overloaded",           END_CLIENT_ABORT,   M_RELAY_ERRORS, "the client does not read the response", false },
	[FAIL_NOT_REACHED]     = { 503, "provider_unavailable", END_NEVER_SENT,     UNCOUNTED,      "the provider could not be reached", false },
	[FAIL_NOT_ANSWERED]    = { 503, "provider_unavailable", END_PROVIDER_ABORT, UNCOUNTED,      "the provider could not be reached, or its response is not HTTP", false },
	[FAIL_REFUSED]         = { 503, "provider_unavailable", END_COMPLETE,       UNCOUNTED,      "the provider rejects the gateway's key, or the account has no credit left", false },
	[FAIL_LOGIN]           = { 502, "upstream_login",       END_COMPLETE,       UNCOUNTED,      "the MCP server rejects the gateway's credential and requires a login of its own", false },
	[FAIL_SILENT]          = { 503, "provider_timeout",     END_PROVIDER_ABORT, M_RELAY_ERRORS, "the provider did not answer in time", false },
	[FAIL_ABORTED]         = { 503, "provider_aborted",     END_PROVIDER_ABORT, UNCOUNTED,      "the provider closed before the end of its response", false },
	[FAIL_UNHEARD]         = { 503, "provider_aborted",     END_PROVIDER_ABORT, UNCOUNTED,      "the provider closed before its response", false },
	[FAIL_ANSWER]          = { 503, "provider_error",       END_PROVIDER_ABORT, M_RELAY_ERRORS, "the response could not be read", false },
	[FAIL_FOREIGN]         = { 502, "provider_error",       END_PROVIDER_ABORT, M_RELAY_ERRORS, "the response is not in the route's dialect", false },
	[FAIL_ANSWER_HELD]     = { 503, "overloaded",           END_PROVIDER_ABORT, UNCOUNTED,      "the limit on held bytes is reached", false },
	[FAIL_ANSWER_UNREAD]   = { 503, "classifier_unavailable", END_ANSWER_DENIED, M_ANSWERS_UNREAD, "the gateway could not inspect the response", true },
	[FAIL_SOCKET]          = { 503, "no_decision",          END_NEVER_SENT,     M_RELAY_ERRORS, "the handshake differs from the handshake that was decided", false },
	[FAIL_TOKEN_AWAY]      = { 503, "credential_unavailable", END_NEVER_SENT,   UNCOUNTED,      "the identity provider returned no token for this provider", false },
	[FAIL_TOKEN_REFUSED]   = { 403, "permission_denied",    END_NEVER_SENT,     UNCOUNTED,      "the identity provider refuses a token of this person for this provider", false },
	[FAIL_TOKEN_LOGIN]     = { 401, "invalid_credentials",  END_NEVER_SENT,     UNCOUNTED,      "log in again", false },
};
/* clang-format on */

const struct failure *
failure_noted(struct edge *c, enum failure_kind kind)
{
	const struct failure *f = &failures[kind];

	INVARIANT(kind < COUNT_OF(failures) && f->status);
	if (f->counted != UNCOUNTED)
		metric_inc(c->relay->metrics, f->counted);
	return f;
}

static bool
was_sent(const struct edge *c)
{
	return c->up && c->up->request.began;
}

void
answer_fail_now(struct edge *c, enum failure_kind kind, const char *why, bool sent)
{
	const struct failure *f = failure_noted(c, kind);

	fail_exchange(c, f->end, f->status, f->code, why ? why : f->why, sent, f->final);
}

void
answer_fail(struct edge *c, enum failure_kind kind, const char *why)
{
	if (!retry_failed(c, kind, why, &failures[kind]))
		answer_fail_now(c, kind, why, was_sent(c));
}

void
answer_forbid(struct edge *c, int status, const char *why)
{
	metric_inc(c->relay->metrics, M_ANSWERS_DENIED);
	fail_exchange(c, END_ANSWER_DENIED, status, "content_policy_violation",
		why ? why : "the policy denies the response", was_sent(c), false);
}
