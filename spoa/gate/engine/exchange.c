/* The relay's side of the gate: tickets, the move of a request between workers, bodies that
 * arrive later, and the end of an exchange. */
#include "gate/engine/engine.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "gate/auth/auth.h"
#include "gate/cache/meaning.h"
#include "gate/engine/join.h"
#include "gate/engine/session.h"
#include "gate/exchange.h"
#include "gate/sealing/sealing.h"
#include "policy/rule.h"
#include "scan/mcp/session.h"

/* ---- opening ---- */

/* Copies the rest of the head into the arena, without the body, so that the agent's
 * frame may be reused. Returns false if memory ran out. The certificate and the bodies
 * stay in the frame, so their views are cleared. */
static bool
request_own_head(struct request *r)
{
	struct http_field *f = arena_array(&r->arena, r->in.head.nfields, sizeof(*f));

	if (!f)
		return false;
	r->in.head.method = arena_dup(&r->arena, r->in.head.method);
	for (size_t i = 0; i < r->in.head.nfields; i++) {
		f[i].name = arena_dup(&r->arena, r->in.head.fields[i].name);
		f[i].value = arena_dup(&r->arena, r->in.head.fields[i].value);
	}
	r->in.head.fields = f;
	r->in.coding = arena_dup(&r->arena, r->in.coding);
	r->in.src = arena_dup(&r->arena, r->in.src);
	r->in.certificate = r->in.body_raw = r->in.prefix = r->in.raw =
		(struct span){ NULL, 0 };
	return !arena_failed(&r->arena);
}

/* Keeps everything, because the request may be sent to another target, until a response has
 * begun. */
static int
keep_exchange(struct request *r, struct exchange *x)
{
	struct span raw = r->in.raw, body_raw = r->in.body_raw;

	if (!r->run.resumed) {
		if (!request_own_head(r))
			return ERR_NOMEM;
		r->in.raw = raw;
		r->in.body_raw = body_raw;
	}
	return attempts_open(r, x);
}

/* Keeps what decides the messages of a WebSocket session, which may last for hours: the caller,
 * and the head without credentials. */
static int
keep_session(struct request *r, struct exchange *x)
{
	struct identity asks;
	struct arena own;

	arena_init(&own, CAP_REQUEST_ARENA, true);
	int err = exchange_head(r, &own, &x->plan.head);
	if (!err)
		err = exchange_expect(r, x, &own);
	if (!err)
		err = identity_copy(&r->found.identity, &own, &asks);
	request_let_go(r, &own);
	if (!err) {
		/* read again for each message; the old arena held them */
		asks.scopes = asks.models = NULL;
		asks.limits = NULL;
		asks.nscopes = asks.nmodels = asks.nlimits = 0;
		r->found.identity = asks;
		r->in.head = x->plan.head;
	}
	return err ? err : arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

/* Moves what the relay needs to a small arena, so that a long stream does not keep the body's
 * segments in memory. A deferred request keeps its own arena, because it holds no body yet and
 * the steps run again. */
static int
let_exchange_go(struct request *r, struct exchange *x)
{
	struct arena own;

	if (r->in.message == MESSAGE_ALONE)
		return 0; /* over at once */
	if (r->out.decision.kind != D_DEFER && request_repeats(r))
		return keep_exchange(r, x);
	/* a list of models also keeps everything, because the rules decide about each model;
	 * and so does a message to several servers, because they decide for each */
	if (r->in.socket)
		return keep_session(r, x);
	if (r->out.decision.kind == D_DEFER || x->lists_models || join_asks(x)) {
		if (!request_own_head(r))
			return ERR_NOMEM;
		int wrong = exchange_head(r, &r->arena, &x->plan.head);
		return wrong || !x->lists_models ? wrong : exchange_expect(r, x, &r->arena);
	}
	arena_init(&own, CAP_REQUEST_ARENA, true);
	int err = 0;
	if (r->in.message)
		x->plan.head = r->in.head; /* the handshake's head, as it was sent */
	else if (!plan_responds(&x->plan))
		err = exchange_head(r, &own, &x->plan.head);
	if (!err && !plan_responds(&x->plan))
		err = exchange_expect(r, x, &own);
	x->plan.document = arena_dup(&own, x->plan.document);
	request_let_go(r, &own);
	return err ? err : arena_failed(&r->arena) ? ERR_NOMEM : 0;
}

static enum exchange_body
body_mode_of(const struct request *r)
{
	if (r->in.body_state == BODY_STATE_PARTIAL)
		return BODY_DEFER;
	if (r->in.body_state == BODY_STATE_NONE)
		return BODY_NONE;
	return r->out.sends != SENDS_RECEIVED ? BODY_SWAP : BODY_COPY;
}

struct span
exchange_body_sent(const struct request *r)
{
	switch (r->out.sends) {
	case SENDS_RECEIVED: return r->in.body_raw;
	case SENDS_DECODED: return buf_view(&r->out.decoded);
	case SENDS_REWRITTEN: break;
	}
	return buf_view(&r->out.rewritten);
}

/* Ends hold_wait(): the ticket was taken up, or expired. */
static void
hold_waited(struct holds *h, size_t slot, size_t n)
{
	size_t was = slot < HOLD_SLOTS ? atomic_fetch_sub_explicit(
						 &h->waiting[slot], n, memory_order_relaxed)
				       : n;

	INVARIANT(was >= n);
}

static void
no_longer_waits(struct exchange *x)
{
	hold_waited(&x->r->gate->shared->holds, x->r->run.held_slot, x->waiting_bytes);
	x->waiting_bytes = 0;
}

/* Frees the decompressed body if an edited one is sent. request_let_go() was the last to read
 * it. */
static void
drop_decoded(struct request *r)
{
	if (r->out.sends == SENDS_REWRITTEN)
		buf_free(&r->out.decoded);
}

/* how long a handshake waits for its 101 if the route states no time */
#define SOCKET_ANSWER_US 10000000

/* Returns true if the client offers the subprotocol `realtime`, which browsers add to their key
 * and expect in the 101. */
static bool
offers_realtime(const struct request *r)
{
	struct span one;

	for (size_t i = 0; (one = ws_offered(&r->in.head, i)).n; i++)
		if (span_is(one, "realtime"))
			return true;
	return false;
}

struct exchange *
exchange_new(struct request *r)
{
	struct exchange *x = calloc(1, sizeof(*x));

	if (!x)
		return NULL;
	TAG(exchange, x);
	INVARIANT(!r->x && r->found.route);
	buf_init(&x->together.vector, MEANING_DIMS_MOST * sizeof(float));
	r->x = x;
	x->r = r;
	x->plan.body_mode = body_mode_of(r);
	x->plan.content_length = r->in.declared_length;
	x->plan.body_cap_bytes = r->snap->cfg->body_bytes;
	x->plan.deadline_us = clock_mono_us() + r->found.route->deadline_us;
	x->plan.document = r->found.document;
	x->plan.reads_answer = !r->found.document.n && request_reads_answer(r);
	x->plan.leads =
		!r->found.document.n && !request_is_mcp(r) && !r->in.socket && !r->in.message;
	x->https = request_is_https(r);
	x->plan.dialect = r->found.endpoint.dialect;
	x->plan.endpoint = r->found.endpoint.name;
	x->plan.id = span_str(r->id);
	return x;
}

int
exchange_open(struct request *r)
{
	struct gate *g = r->gate;
	struct exchange *x = exchange_new(r);

	INVARIANT(r->run.life == LIFE_ANSWERED && !r->run.resumed);
	if (!x)
		return ERR_NOMEM;
	join_here(x);
	x->plan.replays = r->out.replay.n;
	x->hide_usage = r->out.ask_usage;
	x->lists_models = r->out.decision.kind != D_DEFER && request_lists_models(r);
	x->plan.reads_answer |= x->lists_models;
	if (r->in.socket) {
		x->plan.socket_bytes = r->found.route->websocket;
		x->plan.subprotocol = offers_realtime(r) ? "realtime" : NULL;
		x->plan.timed = true;
		x->plan.waits.head_us = r->found.route->retry.first_byte_us
						? r->found.route->retry.first_byte_us
						: SOCKET_ANSWER_US;
	}
	if (x->plan.body_mode == BODY_COPY)
		hmac_begin(&x->hmac, g->shared->prompt_key);
	bool repeats = r->out.decision.kind != D_DEFER && request_repeats(r);
	if (x->plan.body_mode == BODY_SWAP && !repeats)
		x->plan.body = exchange_body_sent(r);
	/* the frame's bytes are released with the ACK; count what is kept */
	request_unhold(r, r->run.held_bytes);
	r->run.held_work = 0;
	size_t bodies = r->out.replay.size + r->out.prompt.size;
	bodies += repeats ? r->out.kept.n + r->out.decoded.size + r->out.rewritten.size
			  : x->plan.body.n;
	if (!request_hold(r, sizeof(*r) + sizeof(struct quota_request) + sizeof(*x) + bodies))
		return ERR_LIMIT;
	if (repeats) /* the work that request_hold_work() counts */
		r->run.held_work = r->out.decoded.size + r->out.rewritten.size;
	int err = let_exchange_go(r, x);
	if (!repeats)
		drop_decoded(r);
	if (!err && !request_hold(r, r->arena.used_bytes))
		err = ERR_LIMIT;
	if (!err)
		r->run.held_work += r->arena.used_bytes;
	if (!err && !hold_wait(&g->shared->holds, r->run.held_slot, r->run.held_bytes)) {
		metric_inc(g->metrics, M_HELD_REFUSED);
		err = ERR_LIMIT;
	}
	if (err)
		return err;
	x->waiting_bytes = r->run.held_bytes;
	err = ticket_issue(&g->tickets, &x->ticket, g->worker,
		clock_mono_us() + gate_cfg(g)->ticket_ttl_us, x->ticket_text);
	if (err)
		no_longer_waits(x);
	else
		gate_tick(g);
	return err;
}

static void
attempts_free(struct exchange *x)
{
	if (!x->tries)
		return;
	INVARIANT(!ev_is_active(&x->tries->pause));
	buf_free(&x->tries->charges);
	TAG_CLEAR(attempts, x->tries);
	free(x->tries);
	x->tries = NULL;
	arena_reset(&x->own);
}

/* After gate_finish(): no further attempt begins, and results for an attempt that was not made
 * are dropped. */
static void
attempts_stop(struct exchange *x)
{
	struct attempts *t = x->tries;
	struct request *r = x->r;

	if (!t)
		return;
	if (ev_is_active(&t->pause)) {
		INVARIANT(t->life == ATTEMPTS_BETWEEN);
		ev_timer_stop(r->gate->loop, &t->pause);
		request_answered(r);
	}
}

static void
session_free(struct exchange *x)
{
	if (x->session) {
		INVARIANT(LIST_EMPTY(&x->session->said) && !x->session->finishing);
		placeholders_close(&x->session->placeholders);
		vault_free(&x->session->vault);
		known_names_drop(&x->session->names);
		voice_drop(x->session);
		if (x->session->argument_types)
			arena_reset(&x->session->types);
		TAG_CLEAR(session, x->session);
	}
	free(x->session);
	x->session = NULL;
	x->socket.joined = NULL;
}

void
exchange_free(struct request *r)
{
	struct exchange *x = r->x;

	if (!x)
		return;
	INVARIANT(x->r == r && !x->ticket.live && !x->aside.out);
	INVARIANT(!x->claim && !x->done);
	together_over(x, FLIGHT_ENDS_KEPT);
	buf_free(&x->together.vector);
	exchange_left(x);
	join_free(x);
	explicit_bzero(x->ticket_text, sizeof(x->ticket_text));
	explicit_bzero(x->session_key, sizeof(x->session_key));
	guard_drop(&x->guard);
	vault_free(&x->vault);
	session_free(x);
	attempts_free(x);
	TAG_CLEAR(exchange, x);
	free(x);
	r->x = NULL;
}

static void
abandon_exchange(struct exchange *x)
{
	struct exchange_result res = { .end = END_NEVER_SENT,
		.why = "the relay did not take up the ticket in time" };
	struct request *r = x->r;

	INVARIANT(!x->ticket.live && !x->done && !x->verdict);
	request_release(r);
	if (r->run.record) /* request_late() writes the completion if a decision was recorded */
		request_withdraw(r, res.why);
	else if (r->run.on_record != RECORD_LEFT_UNDONE)
		request_complete(r, &res, "abandoned");
	gate_request_end(r);
}

void
exchange_uncollected(struct ticket *t, uint64_t now_us)
{
	struct exchange *x = TAGGED_OF(exchange, ticket, t);

	no_longer_waits(x);
	hold_expired(&x->r->gate->shared->holds, x->r->run.held_slot, now_us);
	abandon_exchange(x);
}

/* ---- claims ---- */

/* Takes a ticket, which works only once; NULL: unknown. On the worker that issued it. */
static struct ticket *
collect_ticket(struct gate *g, const unsigned char key[16])
{
	struct ticket *t = ticket_take(&g->tickets, key);

	if (t)
		no_longer_waits(TAGGED_OF(exchange, ticket, t));
	return t;
}

/* Makes the claim wait if the decision is not recorded yet, because nothing is sent before. The
 * record was handed over before the ACK, so it is usually durable by now. */
static bool
waits_for_record(struct gate_claim *c)
{
	struct exchange *x =
		c->ticket_taken ? TAGGED_OF(exchange, ticket, c->ticket_taken) : NULL;

	if (!x || !x->r->run.record)
		return false;
	INVARIANT(!x->claim && !x->ticket.live);
	x->claim = c;
	gate_await_record(x->r);
	return true;
}

void
exchange_recorded(struct request *r, int err)
{
	struct exchange *x = r->x;
	struct gate_claim *c = x->claim;

	INVARIANT(x->r == r && (!c || c->ticket_taken == &x->ticket));
	x->plan.unrecorded = err && request_on_failure(r)->audit == OUT_DENY;
	x->claim = NULL;
	if (c)
		mailbox_send(c->from->mail, &c->mail);
}

/* Moves the request to the claiming worker, even if the claim is wrong: a ticket is for one
 * request, so a wrong claim uses it up. */
static void
move_to_claimer(struct gate_claim *c, struct gate *was, struct ticket *t)
{
	struct exchange *x = TAGGED_OF(exchange, ticket, t);
	struct request *r = x->r;

	/* the gate that issued the ticket holds nothing of the request any more */
	INVARIANT(r->run.life == LIFE_ANSWERED && r->gate == was && was->alive > 0);
	INVARIANT(!r->waiting.parked && !r->run.record && !r->waiting.outstanding);
	INVARIANT(!t->live && !x->claim && x->together.life == TOGETHER_NONE);
	r->gate = c->from;
	r->worker = c->from->worker;
	c->from->alive++;
	was->alive--;
	if (was != c->from)
		metric_inc(c->from->metrics, M_HANDOVERS);
	if (!span_eq(c->method, r->in.head.method) ||
		c->content_length != x->plan.content_length) {
		abandon_exchange(x);
		return;
	}
	c->err = 0;
	c->x = x;
}

static void
claim_done(struct exchange *x)
{
	struct gate_claim *c = x->claim;

	INVARIANT(c && c->x == x && c->err == 0);
	x->claim = NULL;
	c->done(c, 0, x);
}

/* Runs on the claiming worker, which owns the request now. */
static void
take_over(struct mail *m, void *worker UNUSED)
{
	struct gate_claim *c = TAGGED_OF(gate_claim, mail, m);

	INVARIANT(!c->x && c->done);
	if (c->ticket_taken)
		move_to_claimer(c, c->was, c->ticket_taken);
	if (!c->x) {
		metric_inc(c->from->metrics, M_TICKET_WRONG);
		c->done(c, c->err, NULL);
		return;
	}
	c->x->claim = c;
	together_begin(c->x, claim_done);
}

/* Runs on the worker that issued the ticket. */
static void
collect_for_claim(struct mail *m, void *worker UNUSED)
{
	struct gate_claim *c = TAGGED_OF(gate_claim, mail, m);

	INVARIANT(!c->ticket_taken && !c->x);
	c->ticket_taken = collect_ticket(c->was, c->key);
	c->mail.run = take_over;
	if (!waits_for_record(c))
		mailbox_send(c->from->mail, &c->mail);
}

void
gate_claim(struct gate *g, struct gate_claim *c)
{
	unsigned w;

	TAG(gate_claim, c);
	c->from = g;
	c->err = ERR_AUTH;
	c->x = NULL;
	c->ticket_taken = NULL;
	c->mail.run = take_over;
	if (ticket_parse(c->ticket, &w, c->key) == 0 && w < g->shared->ngates) {
		c->was = g->shared->gates[w];
		if (c->was != g) {
			c->mail.run = collect_for_claim;
			mailbox_send(c->was->mail, &c->mail);
			return;
		}
		c->ticket_taken = collect_ticket(g, c->key);
	}
	if (!waits_for_record(c))
		mailbox_send(g->mail, &c->mail);
}

void
gate_claim_gone(struct gate_claim *c)
{
	/* Otherwise the claim is on its way between workers, and ends soon. */
	if (c->x && c->x->claim == c)
		together_gone(c->x);
}

const struct exchange_plan *
gate_plan(const struct exchange *x)
{
	return &x->plan;
}

/* ---- the body ---- */

bool
gate_hold(struct exchange *x, size_t n)
{
	return request_hold(x->r, n);
}

void
gate_unhold(struct exchange *x, size_t n)
{
	request_unhold(x->r, n);
}

int
gate_body_bytes(struct exchange *x, struct span bytes, bool last)
{
	unsigned char got[SHA256_BYTES];

	sha256_add(&x->hmac, bytes);
	if (!last)
		return 0;
	hmac_end(&x->hmac, x->r->gate->shared->prompt_key, got);
	return memcmp(got, x->r->found.raw_hmac, sizeof(got)) == 0 ? 0 : ERR_AUTH;
}

/* The request does not wait for an identical one any more: reports the verdict. */
static void
verdict_goes_on(struct exchange *x)
{
	void (*cb)(void *, const struct exchange_denial *) = x->verdict;

	INVARIANT(cb && x->r->run.life == LIFE_ANSWERED);
	x->verdict = NULL;
	cb(x->verdict_arg, NULL);
}

/* The steps decided a request whose body the relay read. */
static void
relay_verdict(struct request *r)
{
	struct exchange *x = r->x;

	void (*cb)(void *, const struct exchange_denial *) = x->verdict;
	INVARIANT(cb && r->run.life == LIFE_ANSWERED && r->run.resumed);
	x->verdict = NULL;
	if (r->out.decision.kind == D_DENY) {
		request_denial(r, &x->denial);
		cb(x->verdict_arg, &x->denial);
		return;
	}
	bool repeats = request_repeats(r);
	x->plan.body_mode = BODY_SWAP;
	x->plan.body = exchange_body_sent(r);
	x->plan.document = r->found.document;
	join_here(x);
	x->plan.replays = r->out.replay.n;
	if (!x->plan.document.n)
		x->plan.reads_answer |= request_reads_answer(r); /* the model is known by now */
	x->hide_usage = r->out.ask_usage;
	/* a long response must not keep the request's segments */
	int err = let_exchange_go(r, x);
	if (!repeats) {
		drop_decoded(r);
		request_unhold_work(r);
		if (err == 0 && r->out.sends != SENDS_RECEIVED &&
			!request_hold(r, x->plan.body.n))
			err = ERR_LIMIT;
	}
	if (err) {
		request_withdraw(r, "out of memory");
		request_overload(r);
		request_denial(r, &x->denial);
		cb(x->verdict_arg, &x->denial);
		return;
	}
	x->verdict = cb;
	together_begin(x, verdict_goes_on);
}

static void
run_later(struct mail *m, void *worker UNUSED)
{
	struct exchange *x = TAGGED_OF(exchange, later, m);

	request_back(x->r);
}

void
exchange_run_steps(struct exchange *x, size_t step, void (*done)(struct request *r))
{
	struct request *r = x->r;

	INVARIANT(step <= STEPS_COUNT && !x->done);
	r->run.step = step;
	request_enter(r, LIFE_STEPS);
	r->run.resumed = true;
	r->run.done = done;
	gate_stages_begin(r);
	x->later.run = run_later;
	mailbox_send(r->gate->mail, &x->later);
}

static void
resume_at(struct exchange *x, size_t step,
	void (*verdict)(void *, const struct exchange_denial *), void *arg)
{
	INVARIANT(verdict && !x->verdict && !x->claim);
	x->verdict = verdict;
	x->verdict_arg = arg;
	request_asked(x->r);
	exchange_run_steps(x, step, relay_verdict);
}

void
gate_body(struct exchange *x, struct span body,
	void (*verdict)(void *, const struct exchange_denial *), void *arg)
{
	struct request *r = x->r;

	INVARIANT(x->plan.body_mode == BODY_DEFER && r->in.body_state == BODY_STATE_PARTIAL);
	r->in.body_raw = body;
	r->in.body_state = BODY_STATE_WHOLE;
	resume_at(x, STEP_AT_read, verdict, arg);
}

void
gate_refuse(struct exchange *x, int status, const char *code, const char *why,
	void (*verdict)(void *, const struct exchange_denial *), void *arg)
{
	struct request *r = x->r;

	request_release(r);
	attempts_none(x);
	request_deny(r, (enum deny_status)status, code, "", span_str(why));
	/* One id has one decision: a recorded one is withdrawn, which its completion states. */
	if (request_on_record(r))
		request_withdraw(r, why);
	resume_at(x, request_on_record(r) ? STEPS_COUNT : STEPS_COUNT - 1, verdict, arg);
}

struct span
gate_response_fields(struct exchange *x)
{
	struct request *r = x->r;
	const struct guard_report *a = x->guard ? guard_report(x->guard) : NULL;

	/* rules on responses denied it: report their decision */
	if (a && a->judged && a->verdict.ruled.effect == RULE_DENY) {
		struct decision was = r->out.decision, ruled = was;
		ruled.kind = D_DENY;
		ruled.status = a->verdict.ruled.status;
		ruled.rule = a->verdict.ruled.rule ? a->verdict.ruled.rule->name : "";
		request_decided(r, &ruled);
		struct span fields = request_fields(r);
		request_decided(r, &was);
		return fields;
	}
	/* if the ACK had all variables, HAProxy still has them */
	struct span fields =
		r->out.told && !r->run.resumed ? request_attempt_fields(r) : request_fields(r);
	if (r->found.counted)
		fields = arena_printf(
			&r->arena, "%.*sx-tollgate-estimate: tokens\r\n", SPAN_ARG(fields));
	if (x->plan.own_fields.n)
		fields = arena_printf(&r->arena, "%.*s%.*s", SPAN_ARG(fields),
			SPAN_ARG(x->plan.own_fields));
	if (x->plan.refused.challenge.n)
		fields = arena_printf(&r->arena, "%.*swww-authenticate: %.*s\r\n",
			SPAN_ARG(fields), SPAN_ARG(x->plan.refused.challenge));
	const struct found_cache *c = &r->found.cache;
	if (c->state) {
		bool other = c->state == CACHED_HIT && c->looks == LOOKS_FOR_OTHERS;
		fields = arena_printf(&r->arena, "%.*sx-tollgate-cache: %s%s%s\r\n",
			SPAN_ARG(fields), cached_names[c->state], other ? "; " : "",
			other ? cached_by(c) : "");
	}
	return c->state == CACHED_HIT ? arena_printf(&r->arena, "%.*sage: %lld\r\n",
						SPAN_ARG(fields), (long long)c->age_s)
				      : fields;
}

/* ---- the end ---- */

static const char *
outcome_name(const struct request *r, enum exchange_end end)
{
	if (r->out.decision.kind == D_DEFER)
		return "abandoned";
	switch (end) {
	case END_COMPLETE: return "complete";
	case END_CLIENT_ABORT: return "client_abort";
	case END_PROVIDER_ABORT: return "provider_abort";
	case END_NEVER_SENT: return "never_sent";
	case END_DENIED: return "abandoned"; /* the earlier decision is not carried out */
	case END_ANSWER_DENIED: return "answer_denied";
	case END_RULED:
	case END_ANSWER_RULED: return "haproxy_answered";
	}
	return "unknown";
}

static size_t
settle_exchange(struct request *r, const struct exchange_result *res,
	struct change corrections[CORRECTIONS_MAX])
{
	struct exchange *x = r->x;

	x->used_by = exchange_used(r, res, &x->used);
	if (x->used_by >= USED_SEEN && request_count_kept(r))
		x->used_by = exchange_used(r, res, &x->used);
	if (x->tries && x->tries->settled)
		return exchange_settle(r, corrections);
	attempts_ended(x);
	if (x->used_by == USED_SAID)
		gate_count_tokens(r, &x->used);
	else if (x->used_by >= USED_SEEN && r->found.route->response & RESP_METER)
		metric_inc(r->gate->metrics, M_USAGE_UNKNOWN);
	return exchange_settle(r, corrections);
}

void
exchange_completed(struct request *r, int err)
{
	struct exchange *x = r->x;

	if (!x || !x->done)
		return;
	void (*done)(void *, int) = x->done;
	x->done = NULL;
	done(x->done_arg, err);
}

static void
completed_later(struct mail *m, void *worker UNUSED)
{
	struct exchange *x = TAGGED_OF(exchange, later, m);
	struct request *r = x->r;

	INVARIANT(r->run.life == LIFE_ENDED);
	request_answered(r);
	exchange_completed(r, 0);
	gate_request_end(r);
}

void
exchange_completed_later(struct request *r)
{
	struct exchange *x = r->x;

	if (!x) { /* no exchange waits for the record */
		request_answered(r);
		return;
	}
	x->later.run = completed_later;
	mailbox_send(r->gate->mail, &x->later);
}

/* Counts the tool calls of the response. Calls in a whole response that was not passed on
 * entirely are not made. */
static void
count_calls(struct request *r, const struct exchange_result *res)
{
	struct guard *g = r->x->guard;
	const struct guard_report *a = g ? guard_report(g) : NULL;
	bool whole = res->end == END_COMPLETE || res->end == END_CLIENT_ABORT;

	if (!a || !r->found.calls || (a->judged && a->sum.ruled.effect == RULE_DENY) ||
		!(a->streamed || whole))
		return;
	for (size_t i = 0; !a->holds_calls && i < a->ncalled; i++)
		if (!a->called[i].judged || a->called[i].ruled.effect != RULE_DENY) {
			limits_called(r, a->called[i].named);
			limits_called(r, span_str(guard_called_wraps(g, &a->called[i])));
		}
	limits_count_calls(r);
}

/* Returns true if the request failed in a way that an identical request of another caller may
 * not. */
static bool
failed_to(const struct exchange *x)
{
	const struct exchange_result *res = &x->result;
	const struct guard_report *a = x->guard ? guard_report(x->guard) : NULL;

	switch (res->end) {
	case END_COMPLETE:
		return res->status >= 500 || res->status == 429 || res->status == 408 ||
		       (res->status < 400 && a && a->provider_error);
	case END_NEVER_SENT:
	case END_PROVIDER_ABORT:
	case END_CLIENT_ABORT: return true;
	default: return false;
	}
}

void
exchange_finish(struct request *r)
{
	struct change corrections[CORRECTIONS_MAX];
	struct exchange *x = r->x;
	size_t n;

	INVARIANT(r->run.life != LIFE_ENDED && !x->aside.out && !x->claim);
	request_enter(r, LIFE_ENDED);
	attempts_over(x);
	exchange_answered(x);
	if (x->guard)
		gate_count_answer(r, guard_report(x->guard));
	request_pin_made(r);
	exchange_save_placeholders(x);
	bool kept = request_cache_answer(r);
	if (kept && r->found.cache.has_meaning)
		meaning_keep(x);
	/* a shared store may take a moment */
	if (!kept || !cache_store_is_shared(&r->gate->cache_store))
		together_over(x, kept		? FLIGHT_ENDS_KEPT
				 : failed_to(x) ? FLIGHT_ENDS_FAILED
						: FLIGHT_ENDS_IN_VAIN);
	n = settle_exchange(r, &x->result, corrections);
	if (r->found.probe_stops && x->result.end == END_NEVER_SENT)
		x->result.why = "a probe stops before the provider";
	bool withdrawn =
		r->run.withdrawn && request_on_record(r) && r->run.recorded_kind != D_DENY;
	if (withdrawn && !x->result.why)
		x->result.why = r->run.withdrawn;
	if (r->run.on_record == RECORD_LEFT_UNDONE ||
		(r->in.message == MESSAGE_ALONE && !withdrawn) ||
		(r->out.decision.kind == D_DENY && x->result.end == END_DENIED && !withdrawn)) {
		/* the exchange's record states everything; done() must not run inside
		 * gate_finish() */
		request_asked(r);
		exchange_completed_later(r);
	} else {
		request_complete(r, &x->result, outcome_name(r, x->result.end));
	}
	count_calls(r, &x->result);
	/* last, because the caller waits for the record but nobody for corrections */
	for (size_t i = 0; i < n; i++)
		quota_change(r->gate->quota, &corrections[i], clock_mono_us());
}

void
gate_finish(struct exchange *x, const struct exchange_result *res, void (*done)(void *, int),
	void *arg)
{
	struct request *r = x->r;

	INVARIANT(r->run.life < LIFE_FINISH && r->x == x && !x->ticket.live && done);
	if (session_finish(x, res, done, arg))
		return;
	x->result = *res;
	x->done = done;
	x->done_arg = arg;
	attempts_stop(x);
	if (x->together.then) { /* the request waited, so nothing was sent */
		together_over(x, FLIGHT_ENDS_FAILED);
		attempts_none(x);
		x->together.then = NULL;
		x->result.end = END_NEVER_SENT;
	}
	if (r->waiting.outstanding) {
		request_enter(r, LIFE_FINISH);
		/* only a report to the relay may be pending; the sent request stays reserved */
		if (!x->tries || x->tries->life == ATTEMPTS_BETWEEN)
			request_withdraw(r, "the client closed the connection");
		return;
	}
	if (r->waiting.what ==
		WAIT_ROOM) { /* nothing is pending that would resume the request */
		request_unqueue(r);
		request_waited(r);
		request_withdraw(r, "the client closed the connection");
	}
	exchange_finish(r);
}

bool
gate_keep(struct exchange *x)
{
	exchange_save_placeholders(x);
	return request_seal_more(x->r) == 0;
}

struct span
gate_session(struct exchange *x, struct span id)
{
	if (x->r->found.route->joined) /* the caller's id names the servers' sessions */
		return (struct span){ NULL, 0 };
	request_note_session(x->r, span_trim(id, " \t"));
	return mcp_session_bind(x->session_key, span_trim(id, " \t"), &x->r->arena);
}

void
gate_refused(struct exchange *x, const struct http_head *h)
{
	struct auth *auth = request_auth(x->r, request_target(x->r));

	if (auth && auth_refused(auth, x->credential.generation, h))
		x->credential.mended = true;
}
