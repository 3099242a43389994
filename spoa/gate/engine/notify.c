/* The agent's side of the gate: makes a request from the arguments of a NOTIFY, and the actions
 * of its ACK from the verdict. The names of the arguments are those of haproxy/spoe.cfg. */
#include <arpa/inet.h>

#include "base/caps.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "gate/engine/engine.h"

/* Returns the argument as text; empty: absent, or of another type. */
static struct span
text_arg(const struct spop_message *m, const char *name)
{
	const struct spop_value *v = spop_arg(m, name);

	return v && (v->type == SPOP_STRING || v->type == SPOP_BINARY)
		       ? v->s
		       : (struct span){ NULL, 0 };
}

/* Returns -1 if the argument is absent or no number. */
static int64_t
int_arg(const struct spop_message *m, const char *name)
{
	const struct spop_value *v = spop_arg(m, name);

	if (!v)
		return -1;
	switch (v->type) {
	case SPOP_INT32:
	case SPOP_INT64: return v->i;
	case SPOP_UINT32:
	case SPOP_UINT64: return v->u > INT64_MAX ? -1 : (int64_t)v->u;
	default: return -1;
	}
}

static struct span
address_arg(const struct spop_message *m, const char *name, struct arena *a)
{
	const struct spop_value *v = spop_arg(m, name);
	char text[INET6_ADDRSTRLEN] = "";

	if (v && v->type == SPOP_IPV4)
		inet_ntop(AF_INET, v->s.p, text, sizeof(text));
	else if (v && v->type == SPOP_IPV6)
		inet_ntop(AF_INET6, v->s.p, text, sizeof(text));
	return arena_dup(a, span_str(text));
}

/* Reads req.hdrs_bin: name and value, each with a varint length, until both are empty. */
static int
read_fields(struct request *r, struct span bin)
{
	struct spop_rd rd = spop_rd_over(bin);
	size_t n = 0;
	bool ended = false;

	while (rd.err == SPOP_OK && rd.p < rd.end && !ended) {
		struct span name = spop_rd_string(&rd), value = spop_rd_string(&rd);
		ended = name.n == 0 && value.n == 0;
		n += !ended;
	}
	if (rd.err != SPOP_OK || !ended)
		return ERR_SYNTAX;
	if (n > CAP_HEADERS)
		return ERR_LIMIT;
	r->in.head.fields = arena_array(&r->arena, n, sizeof(*r->in.head.fields));
	if (!r->in.head.fields)
		return ERR_NOMEM;
	rd = spop_rd_over(bin);
	for (; r->in.head.nfields < n; r->in.head.nfields++) {
		struct http_field *f = &r->in.head.fields[r->in.head.nfields];
		f->name = spop_rd_string(&rd);
		f->value = spop_rd_string(&rd);
	}
	return 0;
}

static bool
end_was_seen(const struct spop_message *m)
{
	const struct spop_value *eom = spop_arg(m, "eom");

	return eom && eom->type == SPOP_BOOL && eom->b;
}

/* Returns true if the end of the message was seen and no trailers precede it. HTTP/2 may send
 * trailers after any body, or without one, and HAProxy forwards them uninspected even to an
 * HTTP/1 server. `tail` is the type of HAProxy's last block of the message. */
static bool
message_ended(const struct spop_message *m)
{
	struct span tail = text_arg(m, "tail");

	return end_was_seen(m) &&
	       (span_is(tail, "HTX_BLK_EOH") || span_is(tail, "HTX_BLK_DATA"));
}

/* Determines whether the frame holds the whole body: it does if there is one Content-Length
 * equal to the received bytes, and the end of the message follows. A request without
 * Content-Length and Transfer-Encoding that ended without bytes has no body. In all other cases
 * the relay reads the body. */
static int
read_framing(struct request *r, const struct spop_message *m)
{
	bool chunked;
	int64_t body_len = int_arg(m, "body_len");
	int err = request_read_length(r, &chunked);
	int64_t len = r->in.declared_length;

	if (err)
		return err;
	r->in.body_raw = text_arg(m, "body");
	r->in.ended = end_was_seen(m) && body_len == (int64_t)r->in.body_raw.n;
	r->in.trailers = !message_ended(m);
	if (!message_ended(m))
		r->in.body_state = BODY_STATE_PARTIAL;
	else if (len == 0)
		r->in.body_state = BODY_STATE_WHOLE;
	else if (len > 0 && body_len == len && r->in.body_raw.n == (uint64_t)len)
		r->in.body_state = BODY_STATE_WHOLE;
	else if (len < 0 && !chunked && body_len == 0)
		r->in.body_state = BODY_STATE_NONE;
	else
		r->in.body_state = BODY_STATE_PARTIAL;
	if (r->in.body_state == BODY_STATE_PARTIAL)
		r->in.prefix = r->in.body_raw;
	if (r->in.body_state != BODY_STATE_WHOLE)
		r->in.body_raw = (struct span){ NULL, 0 };
	return 0;
}

/* ---- the verdict ---- */

/* Fills in the actions that fit into the ACK, in order of importance. */
static size_t
actions_within(struct request *r, struct spop_action *out, size_t max)
{
	struct var vars[VARS_MAX];
	size_t n = request_vars(r, vars), k = 0, used = 0;

	INVARIANT(n <= VARS_MAX);
	for (size_t i = 0; i < n && k < max; i++) {
		const struct var *v = &vars[i];
		out[k] = (struct spop_action){ SPOP_SCOPE_TXN, v->name,
			{ .type = SPOP_STRING, .s = v->s } };
		if (v->is_int)
			out[k].value = (struct spop_value){ .type = SPOP_INT64, .i = v->i };
		size_t need = spop_actions_bytes(&out[k], 1);
		if (used + need <= r->run.ack_room) {
			used += need;
			k++;
		}
	}
	r->out.told = k == n;
	if (gate_cfg(r->gate)->body_variable && r->out.decision.kind == D_REDACT &&
		r->out.sends == SENDS_REWRITTEN && k < max) {
		out[k] = (struct spop_action){ SPOP_SCOPE_TXN, "body",
			{ .type = SPOP_BINARY, .s = buf_view(&r->out.rewritten) } };
		if (used + spop_actions_bytes(&out[k], 1) <= r->run.ack_room)
			k++;
	}
	return k;
}

static void
agent_verdict(struct request *r)
{
	struct spop_action actions[VARS_MAX + 1];

	INVARIANT(r->run.life == LIFE_ANSWERED && r->run.agent_cb && !r->run.resumed);
	if (r->out.decision.via == VIA_RELAY && r->out.decision.kind != D_DENY &&
		exchange_open(r) < 0) {
		request_withdraw(r, "no room for the relay");
		request_overload(r);
	}
	size_t n = actions_within(r, actions, VARS_MAX + 1);
	if (r->run.answered_flag)
		*r->run.answered_flag = true;
	r->run.answered_flag = NULL;
	enum decision_via via = r->out.decision.via;
	r->run.agent_cb(r->run.agent_arg, actions, n);
	/* another worker may own the request already, or have ended it */
	if (via == VIA_RELAY)
		return;
	if (r->run.withdrawn && !r->waiting.outstanding)
		request_late(r);
	gate_request_end(r);
}

/* ---- the request ---- */

/* Returns true for HTTP/1.1, whose WebSocket key the relay checks, and HTTP/2, for which
 * HAProxy makes a key. */
static bool
speaks_http(const struct spop_message *m)
{
	struct span ver = text_arg(m, "ver");

	return span_is(ver, "1.1") || span_is(ver, "2.0");
}

/* Reads the arguments into r->in. Returns STEP_DECIDED if that denies the request. */
static enum step_result
read_notify(struct request *r, const struct spop_message *m)
{
	r->in.head.method = text_arg(m, "method");
	r->in.src = address_arg(m, "src", &r->arena);
	r->in.certificate = text_arg(m, "cert");
	const struct spop_value *origin = spop_arg(m, "origin");
	r->in.origin_told = origin != NULL;
	if (origin && origin->type == SPOP_STRING)
		r->in.origin = origin->s;
	const struct spop_value *tls = spop_arg(m, "tls");
	r->in.plain = tls && tls->type == SPOP_BOOL && !tls->b;
	r->in.certificate_refused = int_arg(m, "cert_err") != 0;
	struct span path = text_arg(m, "path"), query = text_arg(m, "query");
	if (!request_set_target(r, path, query, query.n > 0))
		return request_overload(r);
	int err = read_fields(r, text_arg(m, "hdrs"));
	if (err == ERR_NOMEM)
		return request_overload(r);
	if (err == ERR_LIMIT)
		return request_many_fields(r);
	if (err < 0)
		return request_deny(r, 400, "invalid_request", "",
			SPAN_LIT("the request's header cannot be read; check its fields"));
	if (read_framing(r, m) < 0)
		return request_bad_length(r);
	r->in.socket =
		ws_asked(&r->in.head) && speaks_http(m) && r->in.body_state == BODY_STATE_NONE;
	/* @google/genai's client adds its path to a base URL that ends in a slash */
	if (r->in.socket && span_starts(path, SPAN_LIT("//ws/google.")) &&
		!request_set_target(r, span_cut(path, 1, path.n), query, query.n > 0))
		return request_overload(r);
	/* the frame is held until the ACK */
	if (!request_hold(r, sizeof(*r) + r->in.body_raw.n))
		return request_overheld(r);
	return STEP_NEXT;
}

struct request *
gate_notify(struct gate *g, const struct spop_message *messages, size_t n, size_t ack_room,
	gate_verdict_cb *cb, void *arg)
{
	const struct spop_message *m = NULL;

	for (size_t i = 0; i < n; i++)
		if (span_is(messages[i].name, "tollgate-request") ||
			span_is(messages[i].name, "tollgate-certificate"))
			m = &messages[i];
	struct request *r = m ? request_new(g->snap, g->worker, g->calls) : NULL;
	if (!r) { /* no decision: HAProxy replies 503 */
		cb(arg, NULL, 0);
		return NULL;
	}
	r->gate = g;
	r->run.erasures = g->shared->live ? live_erasures_came(g->shared->live) : 0;
	r->run.held_slot = HOLD_SLOTS;
	r->run.done = agent_verdict;
	r->run.agent_cb = cb;
	r->run.agent_arg = arg;
	r->run.ack_room = ack_room;
	r->run.stage_us = r->run.run_us = r->begun_us;
	g->alive++;
	if (read_notify(r, m) == STEP_DECIDED)
		r->run.step = STEPS_COUNT - 1;
	/* the verdict may end the request inside gate_run() */
	bool answered = false;
	r->run.answered_flag = &answered;
	gate_run(r);
	if (answered)
		return NULL;
	r->run.answered_flag = NULL;
	return r;
}

void
gate_forget(struct request *r)
{
	/* the verdict would have ended the call */
	INVARIANT(TAGGED(request, r)->run.life == LIFE_STEPS);
	request_withdraw(r, "HAProxy went away");
	gate_request_end(r);
}
