/* A request from its head to the upstream. The relay reads only the ticket, the framing, Expect
 * and the WebSocket key of the head: the gate plans the head that is sent. As the plan requires
 * (enum exchange_body in gate.h), the body is dropped, copied while it arrives, or held whole
 * until the gate has decided on it. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/mem.h"
#include "net/relay_conn.h"

#define WHOLE_MIN_BYTES 16384 /* first allocation for a held body */

static void begin_body(struct edge *c);

/* ---- the head ---- */

/* The gate's answer to the ticket: `x` is the exchange, or NULL with an error. */
static void
edge_claimed(struct gate_claim *claim, int err, struct exchange *x)
{
	struct edge *c = TAGGED(edge, claim->arg);

	INVARIANT(claim == &c->claim && c->state == EDGE_CLAIM && !c->x);
	INVARIANT(!x == !!err);
	if (err == 0) {
		c->x = x;
		c->plan = gate_plan(x);
		c->result = (struct exchange_result){ 0 };
	}
	if (c->fd < 0) {
		if (err == 0)
			answer_finish(c, END_NEVER_SENT, "the client closed the connection");
		else
			edge_close(c);
		return;
	}
	c->active_us = clock_mono_us();
	if (err)
		answer_error(c, 503, "no_decision", "the request carries no valid decision");
	else
		begin_body(c);
	edge_update(c);
}

static void
read_request_head(struct edge *c)
{
	struct relay *r = c->relay;
	struct http_message m;

	INVARIANT(!c->x && !c->up && !c->whole.p);
	ssize_t n = http_parse_request(buf_view(&c->in), &c->scan, r->fields, CAP_HEADERS, &m);

	if (n == 0)
		return;
	c->method[0] = '\0';
	if (n < 0) {
		metric_inc(r->metrics, M_RELAY_ERRORS);
		/* The end of the request is unknown, so nothing after it is read. */
		http_body_init(&c->body, HTTP_UNTIL_CLOSE, 0);
		bool unknown = n == ERR_UNSUPPORTED;
		answer_error(c, unknown ? 501 : 400,
			unknown ? "not_implemented" : "malformed_request", m.why);
		return;
	}
	http_body_init(&c->body, m.framing, m.length);
	c->declared = m.declared;
	c->expects_continue = m.expects_continue;
	c->last_request = c->last_request || m.close;
	c->old_peer = m.old;
	c->websocket = m.websocket;
	struct span key = { NULL, 0 };
	if (m.websocket && (http_field_one(&m.head, "sec-websocket-key", &key) != 1 ||
				   !ws_key_valid(key))) {
		buf_consume(&c->in, (size_t)n);
		answer_error(c, 400, "invalid_request", "no valid Sec-WebSocket-Key");
		return;
	}
	memcpy(c->ws_key, key.n ? key.p : "", key.n);
	c->ws_key[key.n] = '\0';
	struct span ticket;
	if (http_field_one(&m.head, "x-tollgate-ticket", &ticket) != 1 || !ticket.n ||
		ticket.n > CAP_TICKET_BYTES || m.head.method.n >= sizeof(c->method)) {
		metric_inc(r->metrics, M_TICKET_WRONG);
		buf_consume(&c->in, (size_t)n);
		answer_error(c, 503, "no_decision", "the request carries no decision");
		return;
	}
	memcpy(c->ticket, ticket.p, ticket.n);
	memcpy(c->method, m.head.method.p, m.head.method.n);
	c->method[m.head.method.n] = '\0';
	c->claim = (struct gate_claim){ .ticket = span_of(c->ticket, ticket.n),
		.method = span_of(c->method, m.head.method.n),
		.content_length = m.declared,
		.done = edge_claimed,
		.arg = c };
	buf_consume(&c->in, (size_t)n);
	edge_enter(c, EDGE_CLAIM);
	gate_claim(r->gate, &c->claim);
}

/* ---- bodies that are held whole ---- */

/* The gate's decision on a held body. `denial` NULL: permitted. */
static void
body_verdict(void *arg, const struct exchange_denial *denial)
{
	struct edge *c = TAGGED(edge, arg);

	if (c->fd < 0)
		return;
	INVARIANT(c->state == EDGE_VERDICT && !c->up);
	if (denial) {
		answer_denial(c, denial);
	} else {
		c->plan = gate_plan(c->x);
		c->active_us = clock_mono_us();
		edge_enter(c, EDGE_EXCHANGE);
		if (plan_responds(c->plan))
			answer_document(c);
		else
			upstream_begin(c);
	}
	edge_update(c);
}

/* Refuses a request of which nothing was sent upstream. The gate writes the refusal in the
 * route's dialect and records it. */
static void
refuse_request(struct edge *c, enum failure_kind kind)
{
	const struct failure *f = failure_noted(c, kind);

	if (!c->body.done)
		c->last_request = true;
	edge_enter(c, EDGE_VERDICT);
	gate_refuse(c->x, f->status, f->code, f->why, body_verdict, c);
}

/* Makes room for n more bytes of the body, which the gate counts before they are allocated.
 * Returns false if the request was refused. The room doubles, up to the declared length and the
 * limit of the plan. */
static bool
whole_room(struct edge *c, size_t n)
{
	size_t cap = c->plan->body_cap_bytes, need = c->whole.n + n;

	INVARIANT(c->state == EDGE_DEFER && c->whole.n <= c->whole.size);
	if (n > cap || c->whole.n > cap - n) {
		refuse_request(c, FAIL_BODY_LARGE);
		return false;
	}
	if (need <= c->whole.size)
		return true;
	size_t size = c->whole.size ? 2 * c->whole.size : WHOLE_MIN_BYTES;
	if (c->declared >= 0 && size > (size_t)c->declared)
		size = (size_t)c->declared;
	if (size > cap)
		size = cap;
	if (size < need)
		size = need;
	if (!gate_hold(c->x, size - c->whole.size)) {
		refuse_request(c, FAIL_HELD);
		return false;
	}
	char *p = mem_grow(c->whole.p, c->whole.size, size);
	if (!p) {
		refuse_request(c, FAIL_MEMORY);
		return false;
	}
	c->whole.p = p;
	c->whole.size = size;
	return true;
}

void
request_free_whole(struct edge *c)
{
	mem_put(c->whole.p, c->whole.size);
	c->whole.p = NULL;
	c->whole.n = c->whole.size = 0;
}

static void
whole_done(struct edge *c)
{
	INVARIANT(c->body.done && c->whole.n <= c->plan->body_cap_bytes);
	metric_add(c->relay->metrics, M_RELAY_BYTES_UP, c->whole.n);
	edge_enter(c, EDGE_VERDICT);
	gate_body(c->x, span_of(c->whole.p, c->whole.n), body_verdict, c);
}

static void
hold_body(struct edge *c)
{
	while (c->in.n && !c->body.done) {
		struct span payload;
		ssize_t n = http_body_next(&c->body, buf_view(&c->in), &payload);
		if (n < 0) {
			refuse_request(c, FAIL_BODY_MALFORMED);
			return;
		}
		if (payload.n && !whole_room(c, payload.n))
			return;
		if (payload.n)
			memcpy(c->whole.p + c->whole.n, payload.p, payload.n);
		c->whole.n += payload.n;
		buf_consume(&c->in, (size_t)n);
	}
	if (c->body.done)
		whole_done(c);
	else if (c->in.n == 0 && c->body.framing == HTTP_LENGTH)
		buf_free(&c->in); /* the rest is read in place, by request_room() */
}

char *
request_room(struct edge *c, size_t *n)
{
	*n = 0;
	if (c->state != EDGE_DEFER || c->body.framing != HTTP_LENGTH || c->in.n)
		return NULL;
	size_t want = c->body.left < READ_MAX_BYTES ? (size_t)c->body.left : READ_MAX_BYTES;
	if (!whole_room(c, want))
		return NULL;
	*n = c->whole.size - c->whole.n;
	if (*n > c->body.left)
		*n = (size_t)c->body.left;
	return c->whole.p + c->whole.n;
}

void
request_took(struct edge *c, size_t n)
{
	struct span payload;

	INVARIANT(c->state == EDGE_DEFER && n <= c->whole.size - c->whole.n);
	http_body_next(&c->body, span_of(c->whole.p + c->whole.n, n), &payload);
	INVARIANT(payload.n == n); /* request_room() returned no more room than the body needs */
	c->whole.n += n;
	if (c->body.done)
		whole_done(c);
}

/* ---- bodies that are copied ---- */

bool
request_paused(const struct edge *c)
{
	const struct upstream *u = c->up;

	if (c->state != EDGE_EXCHANGE || c->body.done || !u)
		return false;
	return u->request.failed ||
	       (c->plan->body_mode == BODY_COPY && upstream_unsent(u) >= CAP_RELAY_AHEAD);
}

static void
copy_body(struct edge *c, struct span payload)
{
	struct upstream *u = c->up;
	bool chunked = c->declared < 0;
	char line[HTTP_CHUNK_MAX];

	INVARIANT(!u->request.whole); /* the last chunk was not queued */
	metric_add(c->relay->metrics, M_RELAY_BYTES_UP, payload.n);
	if (payload.n && chunked)
		buf_put(&u->out, line, http_chunk_line(line, payload.n));
	buf_span(&u->out, payload);
	if (payload.n && chunked)
		buf_str(&u->out, "\r\n");
	if (c->body.done && chunked)
		buf_str(&u->out, HTTP_LAST_CHUNK);
	u->request.whole = c->body.done;
}

void
request_pump(struct edge *c)
{
	struct upstream *u = c->up;
	bool copies = c->plan->body_mode == BODY_COPY;

	INVARIANT(c->state == EDGE_EXCHANGE && u && u->edge == c);
	while (c->in.n && !c->body.done && !request_paused(c)) {
		struct span payload;
		ssize_t n = http_body_next(&c->body, buf_view(&c->in), &payload);
		if (n < 0) {
			answer_fail(c, FAIL_BODY_MALFORMED, NULL);
			return;
		}
		if (copies) {
			/* The gate hashes each piece before it is sent. The last piece is sent
			 * only if the whole body is the one that was decided. */
			if (gate_body_bytes(c->x, payload, c->body.done)) {
				answer_fail(c, FAIL_BODY_CHANGED, NULL);
				return;
			}
			copy_body(c, payload);
		}
		buf_consume(&c->in, (size_t)n);
	}
	if (buf_failed(&u->out))
		answer_fail(c, FAIL_MEMORY, NULL);
}

/* ---- dispatch ---- */

/* RFC 9110 10.1.1: the client waits for a 100 before it sends the body. */
static void
send_continue(struct edge *c)
{
	if (c->expects_continue && !c->body.done && c->in.n == 0) {
		buf_str(&c->out, "HTTP/1.1 100 Continue\r\n\r\n");
		edge_flush(c);
		/* These 25 bytes fit an empty socket buffer, or else the connection is broken.
		 * After this, `out` holds only the response. */
		if (c->out.n)
			edge_gone(c);
	}
}

/* The body is not needed: drops the bytes that have arrived, so that the connection can be
 * kept. */
static void
drop_request_body(struct edge *c)
{
	while (c->in.n && !c->body.done) {
		struct span payload;
		ssize_t n = http_body_next(&c->body, buf_view(&c->in), &payload);
		if (n < 0)
			return;
		buf_consume(&c->in, (size_t)n);
	}
}

/* Begins the exchange as the plan requires. */
static void
begin_body(struct edge *c)
{
	const struct exchange_plan *plan = c->plan;

	INVARIANT(c->state == EDGE_CLAIM && c->out.n == 0);
	if (plan->unrecorded) {
		refuse_request(c, FAIL_RECORD);
		return;
	}
	if (c->websocket != (plan->socket_bytes > 0)) {
		refuse_request(c, FAIL_SOCKET);
		return;
	}
	if (plan->body_mode == BODY_NONE && !c->body.done) {
		refuse_request(c, FAIL_BODY_UNEXPECTED);
		return;
	}
	if (plan_responds(plan) || plan->replays)
		drop_request_body(c);
	if (plan_responds(plan)) {
		answer_document(c);
		return;
	}
	if (plan->body_mode == BODY_DEFER) {
		if (c->declared >= 0 && (uint64_t)c->declared > plan->body_cap_bytes) {
			refuse_request(c, FAIL_BODY_LARGE);
			return;
		}
		edge_enter(c, EDGE_DEFER);
		c->defer_us = clock_mono_us();
		send_continue(c);
		if (c->state == EDGE_DEFER)
			hold_body(c);
		return;
	}
	edge_enter(c, EDGE_EXCHANGE);
	if (!plan->replays)
		send_continue(c);
	if (c->state == EDGE_EXCHANGE)
		upstream_begin(c);
}

void
request_progress(struct edge *c)
{
	switch (c->state) {
	case EDGE_HEAD: read_request_head(c); break;
	case EDGE_DEFER: hold_body(c); break;
	case EDGE_SOCKET: socket_progress(c); break;
	case EDGE_EXCHANGE:
		request_pump(c);
		if (c->state == EDGE_EXCHANGE && c->up)
			upstream_flush(c->up);
		break;
	default: break;
	}
}

void
request_timeout(struct edge *c)
{
	uint64_t now = clock_mono_us();

	INVARIANT(c->state == EDGE_DEFER || c->state == EDGE_EXCHANGE || c->state == EDGE_SOCKET);
	if (c->reading.away) {
		response_give_up(c, NULL);
		return;
	}
	if (c->state == EDGE_SOCKET) {
		socket_timeout(c);
		return;
	}
	bool silent = !c->body.done && now >= c->active_us + c->relay->options.read_us;

	if (c->state == EDGE_DEFER)
		refuse_request(c, FAIL_BODY_SLOW);
	else if (retry_late(c))
		return;
	else if (silent && !request_paused(c))
		answer_fail(c, FAIL_BODY_SLOW, NULL);
	else if (edge_full(c))
		answer_fail(c, FAIL_CLIENT_SLOW, NULL);
	else
		answer_fail(c, FAIL_SILENT, NULL);
}
