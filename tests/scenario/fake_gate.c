/* A gate that follows a script: the functions of gate/engine/gate.h that the relay calls. They
 * record each call, and call back by a timer. A program with this object is linked without the
 * gate's engine, so all of these functions are here. */
#include <stdlib.h>

#include "base/attr.h"
#include "scenario/fake_gate.h"

void
fake_init(struct gate *g, struct ev_loop *loop)
{
	*g = (struct gate){ .loop = loop, .hold_cap = SIZE_MAX };
	g->fields = SPAN_LIT("x-tollgate-id: tg-1\r\n");
	g->head[0] = (struct http_field){ SPAN_LIT("host"), SPAN_LIT("h") };
	g->plan = (struct exchange_plan){
		.head = { .method = SPAN_LIT("POST"),
			.path = SPAN_LIT("/v1/x"),
			.fields = g->head,
			.nfields = 1 },
		.body_mode = BODY_COPY,
		.body_cap_bytes = 1 << 20,
		.deadline_us = 60 * 1000000ull, /* counted from the claim */
		.dialect = dialect_find(SPAN_LIT("openai")),
		.id = SPAN_LIT("tg-1"),
	};
}

void
fake_free(struct gate *g)
{
	while (g->exchanges) {
		struct exchange *x = g->exchanges;
		g->exchanges = x->next;
		ev_timer_stop(g->loop, &x->later);
		buf_free(&x->seen);
		buf_free(&x->own);
		buf_free(&x->document);
		guard_drop(&x->guard);
		free(x);
	}
}

static void
later(struct exchange *x, void (*cb)(struct ev_loop *, ev_timer *, int), double after)
{
	INVARIANT(!ev_is_active(&x->later));
	ev_timer_init(&x->later, cb, after, 0);
	x->later.data = x;
	ev_timer_start(x->gate->loop, &x->later);
}

void
gate_release(struct gate *g)
{
	struct exchange *x = g->exchanges;

	INVARIANT(ev_is_active(&x->later));
	ev_timer_stop(g->loop, &x->later);
	ev_timer_set(&x->later, 0, 0);
	ev_timer_start(g->loop, &x->later);
}

static void
fake_claimed(struct ev_loop *loop, ev_timer *w, int events)
{
	struct exchange *x = w->data;
	int err = x->gate->claim_err;

	(void)loop;
	(void)events;
	if (!err)
		x->gate->opened++;
	x->plan.deadline_us += clock_mono_us();
	if (x->gate->before_claimed)
		x->gate->before_claimed(x->gate->before_arg);
	x->claim->done(x->claim, err, err ? NULL : x);
}

void
gate_claim(struct gate *g, struct gate_claim *c)
{
	struct exchange *x = calloc(1, sizeof(*x));

	INVARIANT(x);
	x->gate = g;
	x->plan = g->plan;
	x->plan.content_length = c->content_length;
	x->claim = c;
	buf_init(&x->seen, 0);
	buf_init(&x->own, 0);
	buf_init(&x->document, 0);
	x->next = g->exchanges;
	g->exchanges = x;
	g->claims++;
	if (g->scripted)
		g->scripted(x);
	later(x, fake_claimed, g->claim_s);
}

const struct exchange_plan *
gate_plan(const struct exchange *x)
{
	INVARIANT(!x->finished);
	return &x->plan;
}

bool
gate_hold(struct exchange *x, size_t n)
{
	INVARIANT(!x->finished);
	if (x->held + n > x->gate->hold_cap)
		return false;
	x->held += n;
	return true;
}

void
gate_unhold(struct exchange *x, size_t n)
{
	INVARIANT(!x->finished && n <= x->held);
	x->held -= n;
}

void
fake_helped(struct ev_loop *loop, ev_timer *w, int events)
{
	struct exchange *x = w->data;

	(void)loop;
	(void)events;
	x->run(x->aside_arg);
	x->aside = false;
	x->back(x->aside_arg);
}

bool
gate_aside(struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg)
{
	INVARIANT(!x->finished && !x->aside);
	if (!x->gate->helps)
		return false;
	x->gate->asides++;
	x->aside = true;
	x->run = run;
	x->back = back;
	x->aside_arg = arg;
	later(x, fake_helped, x->gate->help_s);
	return true;
}

int
gate_body_bytes(struct exchange *x, struct span bytes, bool last)
{
	INVARIANT(!x->finished && x->plan.body_mode == BODY_COPY && !x->seen_last);
	buf_span(&x->seen, bytes);
	x->seen_last = last;
	return last ? x->gate->body_err : 0;
}

static void
fake_verdict(struct ev_loop *loop, ev_timer *w, int events)
{
	struct exchange *x = w->data;
	bool deny = x->gate->deny || x->refused;

	(void)loop;
	(void)events;
	if (x->finished)
		return;
	if (!deny) {
		x->plan.body_mode = BODY_SWAP;
		if (!x->plan.body.p)
			x->plan.body = buf_view(&x->seen);
	}
	x->denial = (struct exchange_denial){ .status = x->refused ? x->refused : 403,
		.body = SPAN_LIT("{\"error\":\"denied\"}"),
		.fields = SPAN_LIT("x-tollgate-decision: deny\r\n") };
	x->verdict(x->arg, deny ? &x->denial : NULL);
}

void
gate_body(struct exchange *x, struct span body,
	void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg)
{
	INVARIANT(!x->finished && x->plan.body_mode == BODY_DEFER);
	buf_span(&x->seen, body);
	x->seen_last = true;
	x->verdict = verdict;
	x->arg = arg;
	later(x, fake_verdict, x->gate->verdict_s);
}

void
gate_refuse(struct exchange *x, int status, const char *code, const char *why,
	void (*verdict)(void *arg, const struct exchange_denial *denial), void *arg)
{
	INVARIANT(!x->finished && !x->refused && why);
	x->refused = status;
	x->refused_code = code;
	x->verdict = verdict;
	x->arg = arg;
	later(x, fake_verdict, x->gate->verdict_s);
}

static void
fake_told(struct ev_loop *loop, ev_timer *w, int events)
{
	struct exchange *x = w->data;
	bool goes = x->agains < x->gate->attempts;

	(void)loop;
	(void)events;
	x->plan.holds = x->agains + 1 < x->gate->attempts;
	x->plan.asks = x->plan.asks && (goes || !x->stood);
	x->again(x->arg, goes ? AGAIN_GOES : x->gate->last);
}

void
gate_again(struct exchange *x, const struct attempt_end *e,
	void (*next)(void *arg, enum again what), void *arg)
{
	INVARIANT(!x->finished && x->plan.asks && !x->stood);
	x->agains++;
	x->end = *e;
	buf_clear(&x->document);
	buf_span(&x->document, e->document);
	x->again = next;
	x->arg = arg;
	later(x, fake_told, x->gate->again_s);
}

void
gate_stands(struct exchange *x, uint64_t sent_us)
{
	INVARIANT(!x->finished && x->plan.asks);
	x->stood++;
	x->timed = sent_us != 0;
	x->plan.asks = x->plan.holds = false;
}

void
gate_failed(struct exchange *x, int status, struct span type, struct span coding,
	struct span document)
{
	(void)type;
	(void)coding;
	INVARIANT(!x->finished && !x->plan.asks && status >= 400);
	buf_clear(&x->document);
	buf_span(&x->document, document);
}

struct span
gate_response_fields(struct exchange *x)
{
	INVARIANT(!x->freed); /* inside done() the exchange must still be valid */
	return x->gate->fields;
}

struct span
gate_cost_field(struct exchange *x, const struct usage *u)
{
	(void)x;
	return u->known ? SPAN_LIT("x-tollgate-cost: 0.5\r\n") : SPAN_LIT("");
}

/* Responses are metered or restored. */
int
gate_answer(struct exchange *x, const struct guard_head *h, struct guard **out)
{
	struct guard_plan plan = { .format = x->plan.sessions ? &answer_mcp : &answer_openai,
		.dialect = x->plan.dialect,
		.path = x->plan.head.path,
		.messages = { .is = x->gate->messages, .awaited = true },
		.vault = x->gate->vault,
		.hide_usage = x->gate->hide_usage,
		.usage_first = x->gate->usage_first };

	INVARIANT(!x->finished);
	guard_drop(&x->guard);
	*out = x->guard = guard_new(&plan, h);
	return x->guard ? 0 : ERR_NOMEM;
}

static void
fake_finished(struct ev_loop *loop, ev_timer *w, int events)
{
	struct exchange *x = w->data;

	(void)loop;
	(void)events;
	if (x->done)
		x->done(x->arg, x->gate->finish_err);
	x->freed = true;
}

void
gate_finish(struct exchange *x, const struct exchange_result *r,
	void (*done)(void *arg, int err), void *arg)
{
	INVARIANT(!x->finished && !x->aside);
	ev_timer_stop(x->gate->loop, &x->later);
	x->finished = true;
	x->result = *r;
	x->done = done;
	x->arg = arg;
	x->gate->finishes++;
	later(x, fake_finished, x->gate->finish_s);
}

void
gate_sent(struct exchange *x)
{
	x->sent++;
}

bool
gate_keep(struct exchange *x)
{
	(void)x;
	return true;
}

void
gate_heard(struct exchange *x, bool streamed)
{
	x->heard++;
	x->heard_streamed = streamed;
}

/* Each claim is answered soon, so none has to be forgotten. */
void
gate_claim_gone(struct gate_claim *c)
{
	(void)c;
}

/* ---- calls that no script contains ---- */

void
gate_refused(struct exchange *x UNUSED, const struct http_head *h UNUSED)
{
	abort();
}

struct span
gate_session(struct exchange *x UNUSED, struct span id UNUSED)
{
	abort();
}

bool
gate_hear(struct exchange *x UNUSED, void (*back)(void *arg) UNUSED, void *arg UNUSED)
{
	return false;
}

bool
gate_lead(struct exchange *x UNUSED, struct http_field *fields UNUSED, size_t n UNUSED)
{
	abort();
}

void
gate_replay(struct exchange *x UNUSED, struct buf *to UNUSED)
{
	abort();
}

int
gate_socket_begin(struct exchange *x UNUSED, const struct socket_calls *calls UNUSED)
{
	abort();
}

enum socket_goes
gate_message(struct exchange *x UNUSED, bool from_client UNUSED, bool binary UNUSED,
	struct span message UNUSED)
{
	abort();
}

const struct socket_end *
gate_socket_end(const struct exchange *x UNUSED)
{
	abort();
}

bool
gate_socket_over(struct exchange *x UNUSED)
{
	abort();
}

bool
gate_socket_rests(const struct exchange *x UNUSED)
{
	abort();
}
