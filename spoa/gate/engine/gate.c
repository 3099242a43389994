/* The engine of a worker's gate: runs requests through the steps, gives waiting ones up at the
 * deadline, and frees requests that nothing holds any more. At the end, the table of
 * calls from lower levels.
 *
 * Long bodies and responses are handled on helper threads. A step that looks at a whole body
 * (decompressing, reading, searching, rewriting) would delay all other requests of its worker.
 * The request is parked meanwhile and belongs to the helper. The worker touches only
 * `pointless`, and gets the request back by mail. Only bodies that the relay read are handled
 * in this way, because the agent's deadline does not apply to those; bodies in a NOTIFY are
 * short. */
#include <stdlib.h>

#include "base/attr.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/fetch/http_client.h"
#include "base/random.h"
#include "budget/tally/awaited.h"
#include "gate/engine/engine.h"
#include "gate/files/files.h"
#include "gate/sealing/sealing.h"
#include "policy/identity/nonce.h"
#include "policy/policy.h"

/* ---- helper threads ---- */

/* helpers' time for requests while the daemon stops */
enum { STOP_WORK_US = 100000 };

void
gate_helpers_hurry(struct gate_shared *s)
{
	atomic_store(&s->work_until_us, clock_mono_us() + STOP_WORK_US);
}

/* Returns true if the next step should run on a helper thread. */
static bool
offload_wanted(const struct request *r)
{
	/* the length of a compressed body is unknown until it is decompressed */
	return r->run.resumed && steps[r->run.step].looks_at_all && r->gate->shared->helpers &&
	       (r->in.body_raw.n + r->in.said_bytes > request_inline_most(r) || r->in.coding.n);
}

/* Continues after the current step with its result, if the step ended at that time; 0: now. A
 * denial skips all steps but the record. */
static void gate_advance(struct request *r, enum step_result s, uint64_t ended_us);

static void
offload_back(struct mail *m, void *worker UNUSED)
{
	struct request *r = TAGGED_OF(request, run.offload.back, m);
	const struct offload *o = &r->run.offload;

	r->worker = r->gate->worker;
	request_waited(r);
	for (unsigned i = 0; i < o->nsteps; i++)
		gate_advance(r, (enum step_result)o->steps[i].result, o->steps[i].ended_us);
	request_back(r);
}

/* Runs the current step, and the steps after it up to one for the worker. The worker takes note of
 * them when the request is back. */
static void
offload_run(struct work *w, unsigned thread)
{
	struct request *r = TAGGED_OF(request, run.offload.work, w);
	struct offload *o = &r->run.offload;
	size_t first = r->run.step;
	enum step_result result;

	r->worker = SNAPSHOT_HELPER + thread;
	effort_watch(offload_over, r);
	o->nsteps = 0;
	do {
		result = steps[r->run.step].run(r);
		/* The step gave up, because the caller left or the daemon stops. The next step
		 * must not run without its results. */
		if (result == STEP_WAIT)
			result = request_overload(r);
		o->steps[o->nsteps++] =
			(struct offload_ran){ (int)result, clock_mono_us() };
		r->run.step++;
	} while (result == STEP_NEXT && o->nsteps < COUNT_OF(o->steps) && offload_wanted(r));
	effort_watch(NULL, NULL);
	r->run.step = first;
	mailbox_send(r->gate->mail, &o->back);
}

/* Sends the next steps to a helper thread; the request must not be touched after that. */
static void
offload_step(struct request *r)
{
	INVARIANT(
		r->run.resumed && r->run.life == LIFE_STEPS && r->waiting.what == WAIT_HELPER);
	request_asked(r);
	r->run.offload.back.run = offload_back;
	r->run.offload.work.run = offload_run;
	pool_submit(r->gate->shared->helpers, &r->run.offload.work);
}

/* ---- responses ---- */

static void
aside_back(struct mail *m, void *worker UNUSED)
{
	struct exchange *x = TAGGED_OF(exchange, aside.back, m);
	struct snapshot_local *own = snapshot_mine(x->r->snap, x->r->worker);

	INVARIANT(x->aside.out && x->guard && own);
	/* the worker had a scratch before, so this cannot fail */
	guard_lend(x->guard, own->scratch);
	x->aside.out = false;
	x->aside.done(x->aside.arg);
}

static void
aside_run(struct work *w, unsigned thread)
{
	struct exchange *x = TAGGED_OF(exchange, aside.work, w);
	struct snapshot_local *own = snapshot_mine(x->r->snap, SNAPSHOT_HELPER + thread);

	if (own)
		guard_lend(x->guard, own->scratch);
	else
		guard_stop(x->guard);
	effort_watch(guard_is_stopped, x->guard);
	x->aside.run(x->aside.arg);
	effort_watch(NULL, NULL);
	if (own)
		detect_scratch_wipe(own->scratch);
	mailbox_send(x->r->gate->mail, &x->aside.back);
}

bool
gate_aside(struct exchange *x, void (*run)(void *arg), void (*back)(void *arg), void *arg)
{
	struct pool *helpers = x->r->gate->shared->helpers;

	if (!helpers)
		return false;
	INVARIANT(!x->aside.out && x->guard && run && back);
	x->aside.out = true;
	x->aside.run = run;
	x->aside.done = back;
	x->aside.arg = arg;
	x->aside.back.run = aside_back;
	x->aside.work.run = aside_run;
	pool_submit(helpers, &x->aside.work);
	return true;
}

/* ---- the engine ---- */

/* a ticket's longest life while the daemon drains */
#define DRAIN_TICKET_US 2000000u

/* ---- shared ---- */

void
gate_text_hash(const struct gate_shared *s, struct span text, unsigned char out[32])
{
	hmac_sha256(s->prompt_key, text, out);
}

struct gate_shared *
gate_shared_new(
	const struct config *cfg, struct audit *audit, const unsigned char prompt_key[32])
{
	struct gate_shared *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->cfg = cfg;
	s->audit = audit;
	holds_init(&s->holds);
	s->holds.cap_all = cfg->held_bytes;
	s->holds.cap_slot = cfg->held_identity_bytes;
	s->holds.cap_waiting = cfg->held_identity_bytes / 4;
	memcpy(s->prompt_key, prompt_key, sizeof(s->prompt_key));
	random_bytes(s->session_key, sizeof(s->session_key));
	s->nonces = nonce_window_new(CAP_NONCES, clock_mono_us());
	s->targets = target_table_new();
	s->pins = pin_table_new();
	s->kept = kept_tables_new(NULL);
	if (!s->nonces || !s->targets || !s->pins || !s->kept)
		gate_shared_free(&s);
	return s;
}

void
gate_shared_live(struct gate_shared *s, struct live *live)
{
	s->live = live;
}

void
gate_shared_seals(
	struct gate_shared *s, struct seals *seals, struct shares *shares, struct texts *texts)
{
	s->seals = seals;
	s->shares = shares;
	s->texts = texts;
}

void
gate_shared_cache(struct gate_shared *s, struct cache *cache)
{
	s->cache = cache;
}

void
gate_shared_memo(struct gate_shared *s, struct cache *memo)
{
	s->memo = memo;
}

int
gate_shared_kept(struct gate_shared *s, const unsigned char secret[32])
{
	struct kept_tables *t = kept_tables_new(secret);

	if (!t)
		return ERR_NOMEM;
	kept_tables_free(&s->kept);
	s->kept = t;
	return 0;
}

struct kept_tables *
gate_kept(const struct gate_shared *s)
{
	return s->kept;
}

void
gate_cache_redis(struct gate *g, struct redis *redis)
{
	g->cache_store.redis = redis;
}

struct target_table *
gate_targets(const struct gate_shared *s)
{
	return s->targets;
}

void
gate_shared_free(struct gate_shared **s)
{
	if (*s) {
		explicit_bzero((*s)->prompt_key, sizeof((*s)->prompt_key));
		explicit_bzero((*s)->session_key, sizeof((*s)->session_key));
		explicit_bzero((*s)->probe_secret, sizeof((*s)->probe_secret));
		nonce_window_free(&(*s)->nonces);
		target_table_free(&(*s)->targets);
		pin_table_free(&(*s)->pins);
		kept_tables_free(&(*s)->kept);
	}
	free(*s);
	*s = NULL;
}

int
gate_helpers_start(struct gate_shared *s)
{
	s->helpers = pool_new(CAP_HELPERS);
	return s->helpers ? 0 : ERR_NOMEM;
}

void
gate_helpers_stop(struct gate_shared *s)
{
	if (s)
		pool_free(&s->helpers);
}

size_t
gate_held_bytes(const struct gate_shared *s)
{
	return atomic_load_explicit(&s->holds.all, memory_order_relaxed);
}

/* ---- running ---- */

/* Ends the current stage. A step on the body takes no time before the relay has read the body,
 * so it is not counted then. */
static void
stage_ends(struct request *r, uint64_t now_us)
{
	const struct step *s =
		&steps[r->run.step < STEPS_COUNT ? r->run.step : STEPS_COUNT - 1];

	if (!s->looks_at_all || r->run.resumed || r->in.body_state != BODY_STATE_PARTIAL) {
		histogram_add(&r->gate->tally.stage[s->stage], now_us - r->run.stage_us);
		r->run.took_us[s->stage] += (uint32_t)(now_us - r->run.stage_us);
	}
	r->run.stage_us = now_us;
}

/* Gives the verdict, unless the request was forgotten. */
static void
give_verdict(struct request *r)
{
	uint64_t now_us = clock_mono_us();

	if (r->run.life != LIFE_STEPS)
		return;
	request_enter(r, LIFE_ANSWERED);
	INVARIANT(!r->waiting.parked && r->run.done);
	r->out.took_us = now_us - r->begun_us;
	if (request_tried(r)) { /* counted and listed with its first attempt */
		r->run.done(r);
		return;
	}
	if (r->found.probe) { /* a probe belongs to nobody, so no other figure counts it */
		metric_inc(r->gate->metrics, M_PROBES);
		r->run.done(r);
		return;
	}
	gate_count_decision(r);
	histogram_add(&r->gate->tally.stage[STAGE_TOTAL], now_us - r->run.run_us);
	gate_exemplar(r, &r->gate->tally.total, now_us - r->run.run_us);
	if (r->out.decision.kind != D_DEFER && r->out.decision.kind != D_NONE) {
		if (!r->run.record)
			stage_ends(r, now_us);
		gate_show_decision(r);
	}
	r->run.done(r);
}

static void
gate_advance(struct request *r, enum step_result s, uint64_t ended_us)
{
	INVARIANT(r->run.step < STEPS_COUNT && s != STEP_WAIT);
	size_t next = s == STEP_REWRITES   ? STEP_AT_rewrite
		      : s == STEP_REROUTES ? STEP_AT_policy
		      : s == STEP_CHARGES  ? STEP_AT_quota
					   : r->run.step + 1;

	if (s == STEP_DECIDED && next < STEPS_COUNT)
		next = STEPS_COUNT - 1;
	/* the clock is read only if the step asked something outside */
	const struct policy *p = r->snap->policy;
	if (next < STEPS_COUNT && steps[next].stage != steps[r->run.step].stage &&
		(steps[r->run.step].stage != STAGE_OUTSIDE || p->ndata || p->nexternals))
		stage_ends(r, ended_us ? ended_us : clock_mono_us());
	r->run.step = next;
}

void
gate_run(struct request *r)
{
	INVARIANT(r->run.life == LIFE_STEPS);
	while (r->run.step < STEPS_COUNT) {
		if (offload_wanted(r)) {
			request_waits(r, WAIT_HELPER);
			request_park(r);
			offload_step(r);
			return;
		}
		enum step_result s = steps[r->run.step].run(r);
		if (s == STEP_WAIT) {
			request_park(r);
			return;
		}
		gate_advance(r, s, 0);
	}
	request_unpark(r);
	give_verdict(r);
}

void
gate_await_record(struct request *r)
{
	INVARIANT(r->run.life == LIFE_ANSWERED && r->run.record && r->x);
	request_waits(r, WAIT_AUDIT);
	request_park(r);
}

/* The record that the relay's claim waits for is durable (err 0), or late. */
static void
gate_recorded(struct request *r, int err)
{
	INVARIANT(r->run.life == LIFE_ANSWERED && r->x && !r->run.record);
	request_unpark(r);
	request_waited(r);
	stage_ends(r, clock_mono_us());
	exchange_recorded(r, err);
}

void
request_back(struct request *r)
{
	request_answered(r);
	if (r->run.late && r->run.record)
		return; /* this request waits only for its record */
	if (r->run.life == LIFE_STEPS)
		gate_run(r);
	else
		request_late(r);
}

/* ---- ending ---- */

void
gate_request_end(struct request *r)
{
	request_enter(r, LIFE_ENDED);
	if (r->waiting.outstanding)
		return;
	struct gate *g = r->gate;
	INVARIANT(g->alive > 0);
	request_unpark(r);
	request_drop_files(r);
	request_unhold(r, r->run.held_bytes);
	INVARIANT(r->run.held_bytes == 0);
	hold_leave(&g->shared->holds, r->run.held_slot);
	exchange_free(r);
	request_free(&r);
	g->alive--;
}

/* ---- late results ---- */

void
request_late(struct request *r)
{
	request_waited(r);
	if (r->run.withdrawn &&
		!r->found.charges_denied) /* the charge of a denied request stays */
		request_release(r);
	if (r->run.life == LIFE_FINISH) {
		exchange_finish(r);
		return;
	}
	/* The record of a permit is durable, but the request is not forwarded. A request at the
	 * relay is completed at its end. */
	struct exchange_result res = { .end = END_NEVER_SENT, .why = r->run.withdrawn };
	if (r->run.withdrawn && r->run.on_record == RECORD_DURABLE &&
		r->run.recorded_kind != D_DENY && !r->run.resumed &&
		r->run.completion.fields.n == 0)
		request_complete(r, &res, "abandoned");
	if (r->run.life == LIFE_ENDED)
		gate_request_end(r);
}

void
request_withdraw(struct request *r, const char *why)
{
	request_unpark(r);
	if (!r->run.withdrawn) /* the first reason applies */
		r->run.withdrawn = why;
	atomic_store_explicit(&r->run.offload.pointless, true, memory_order_relaxed);
	if (r->waiting.what != WAIT_QUOTA)
		request_release(r);
}

/* ---- deadlines ---- */

static void
deny_late(struct request *r, const char *code)
{
	request_deny(r, 503, code, "",
		SPAN_LIT("a service that the gateway depends on did not respond in time; retry "
			 "later"));
}

/* A cutover's request is forwarded although it waits for others, after its record is written. A
 * late result changes nothing. */
static void
go_late(struct request *r, const char *code)
{
	deny_late(r, code);
	r->run.late = true;
	request_waited(r);
	r->run.step = STEPS_COUNT - 1;
	gate_run(r);
}

/* The steps did not finish in time. Pending calls keep the request's memory; request_late()
 * handles their results. */
static void
give_request_up(struct request *r)
{
	enum request_wait w = r->waiting.what;
	const struct wait_kind *kind = &wait_kinds[w];
	bool audit = w == WAIT_AUDIT;

	INVARIANT(w != WAIT_NONE && r->waiting.parked);
	INVARIANT(!audit || r->run.record);
	request_unpark(r);
	metric_inc(r->gate->metrics, kind->failed);
	if (r->run.life == LIFE_ANSWERED) { /* the relay's claim waits for the record */
		request_record_leave(
			r, request_on_failure(r)->audit == OUT_DENY ? kind->why : NULL);
		gate_recorded(r, ERR_TIMEOUT);
		return;
	}
	request_unqueue(r);
	if (kind->flags & WAITS_UNJUDGED)
		request_hide_model(r); /* the rules will not read the model any more */
	/* an observed request takes no place at a target, so it does not wait for room */
	if (r->found.observed && kind->flags & WAITS_UNJUDGED) {
		go_late(r, kind->code);
		return;
	}
	if (audit &&
		(r->out.decision.kind == D_DENY || request_on_failure(r)->audit != OUT_DENY)) {
		request_record_leave(r, NULL);
		give_verdict(r);
		return;
	}
	r->run.withdrawn = kind->why;
	if (audit && r->run.resumed && !request_tried(r))
		/* the relay's 503 does not wait for the record either */
		request_record_leave(r, r->run.withdrawn);
	if (w != WAIT_QUOTA)
		request_release(r);
	if (w == WAIT_ROOM)
		request_none_in(r);
	else if (w != WAIT_QUOTA || !r->found.charges_denied) /* a denial for charges stays
							       * as it is */
		deny_late(r, kind->code);
	/* no time is left to wait for the record of this denial */
	if (!audit && r->gate->shared->audit && !request_tried(r) && request_record(r) < 0)
		metric_inc(r->gate->metrics, M_AUDIT_FAILED);
	give_verdict(r);
}

/* Returns the oldest request that waits for room and may have it; NULL: none. */
static struct request *
has_room(const struct gate *g)
{
	struct request *r;

	TAILQ_FOREACH (r, &g->parked, waiting.of_parked)
		if (r->waiting.what == WAIT_ROOM && request_has_room(r))
			return r;
	return NULL;
}

static void
on_tick(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct gate *g = TAGGED(gate, w->data);
	uint64_t now = clock_mono_us();
	bool asks = recognizers_tick(g->recognizers, now);

	struct request *r;

	while ((r = request_overdue(g, now)))
		give_request_up(r);
	/* if another worker was faster, the request stays parked until the next tick */
	for (size_t i = 0; (r = has_room(g)) && i < CAP_TARGET_QUEUE; i++)
		gate_run(r);
	for (struct ticket *t; (t = ticket_expired(&g->tickets, now));) {
		metric_inc(g->metrics, M_TICKET_EXPIRED);
		exchange_uncollected(t, now);
	}
	asks |= together_tick(g, now);
	asks |= extractor_tick(&g->extractor, now);
	asks |= transcribers_tick(g->transcribers, now);
	if (!asks && TAILQ_EMPTY(&g->parked) && g->tickets.n == 0)
		ev_timer_stop(g->loop, &g->tick);
}

/* ---- life ---- */

struct gate *
gate_new(struct ev_loop *loop, struct gate_shared *shared, unsigned worker,
	struct snapshot *snap, struct redis *redis, struct quota_table *table,
	struct mailbox *mail, struct metrics *m)
{
	struct gate *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	TAG(gate, g);
	INVARIANT(worker < COUNT_OF(shared->gates));
	g->calls = &gate_calls;
	g->loop = loop;
	g->shared = shared;
	g->worker = worker;
	g->snap = snapshot_ref(snap);
	g->metrics = m;
	g->cache_store = (struct cache_store){ .here = shared->cache, .metrics = m };
	g->mail = mail;
	tickets_init(&g->tickets, CAP_TICKETS);
	TAILQ_INIT(&g->parked);
	TAILQ_INIT(&g->together);
	extractor_init(&g->extractor, loop, m, shared->cfg->extract.path);
	g->quota = quota_new(redis, table, mail, m);
	g->recognizers = recognizers_new(loop);
	g->transcribers = transcribers_new(loop, m);
	g->data = data_cache_new(loop, redis, m);
	g->pins = (struct pins){ shared->pins, redis };
	g->awaited = awaited_new();
	if (shared->seals)
		g->sealer = sealer_new(shared->seals, shared->shares, shared->texts,
			shared->cfg->node, worker);
	if (!g->quota || !g->recognizers || !g->transcribers || !g->data || !g->awaited ||
		(shared->seals && !g->sealer)) {
		gate_free(&g);
		return NULL;
	}
	gate_show_providers(g);
	shared->gates[worker] = g;
	if (worker >= shared->ngates)
		shared->ngates = worker + 1;
	ev_timer_init(&g->tick, on_tick, 0., 0.01);
	g->tick.data = g;
	ev_timer_init(&g->turn, turn_due, 0., 0.);
	g->turn.data = g;
	g->turns_end = &g->turns;
	return g;
}

void
gate_snapshot(struct gate *g, struct snapshot *snap)
{
	struct snapshot *old = g->snap;

	g->snap = snapshot_ref(snap);
	gate_show_providers(g);
	snapshot_unref(&old);
	recognizers_keep(g->recognizers, snap->policy);
	transcribers_keep(g->transcribers, snap->policy);
	data_keep(g->data, snap->policy);
}

void
gate_abort(struct gate *g)
{
	tickets_hasten(&g->tickets, 0);
	together_abort(g);
	if (g->http)
		http_client_abort(g->http);
	recognizers_abort(g->recognizers);
	transcribers_abort(g->transcribers);
	extractor_abort(&g->extractor);
	data_abort(g->data);
}

const struct tallies *
gate_tally(const struct gate *g)
{
	return &g->tally;
}

struct awaited *
gate_awaited(const struct gate *g)
{
	return g->awaited;
}

const struct recognizers *
gate_recognizers(const struct gate *g)
{
	return g->recognizers;
}

void
gate_hasten(struct gate *g)
{
	tickets_hasten(&g->tickets, clock_mono_us() + DRAIN_TICKET_US);
}

size_t
gate_alive(const struct gate *g)
{
	return g->alive;
}

struct quota *
gate_quota(struct gate *g)
{
	return g->quota;
}

void
gate_free(struct gate **gp)
{
	struct gate *g = *gp;

	if (!g)
		return;
	ev_timer_stop(g->loop, &g->tick);
	ev_timer_stop(g->loop, &g->turn);
	http_client_free(&g->http);
	extractor_free(&g->extractor);
	awaited_free(&g->awaited);
	quota_free(&g->quota);
	recognizers_free(&g->recognizers);
	transcribers_free(&g->transcribers);
	data_cache_free(&g->data);
	sealer_free(&g->sealer);
	snapshot_unref(&g->snap);
	TAG_CLEAR(gate, g);
	free(g);
	*gp = NULL;
}

void
gate_shared_tool_pins(struct gate_shared *s, struct tool_pins *pins)
{
	s->tool_pins = pins;
}

void
gate_shared_sessions(struct gate_shared *s, const unsigned char key[32])
{
	memcpy(s->session_key, key, sizeof(s->session_key));
}

void
gate_shared_probes(struct gate_shared *s, const unsigned char secret[32])
{
	memcpy(s->probe_secret, secret, sizeof(s->probe_secret));
	s->has_probe_secret = true;
}

/* ---- calls from lower levels: struct request_calls ---- */

static void
let_request_go(struct request *r, struct arena *own)
{
	request_drop_job(r);
	request_drop_files(r);
	request_drop_mentions(r);
	request_keep_texts(r, own);
}

static void
request_ends(struct request *r)
{
	gate_count_heavy(r);
	request_unqueue(r);
	request_attempt_over(r, CAUSE_ABORTED, 0, REFUSED_NOT, 0);
	request_drop_job(r);
	request_drop_files(r);
	request_drop_mentions(r);
	request_drop_data(r);
	limits_free_calls(r);
	request_seal_free(r);
}

const struct request_calls gate_calls = {
	.let_go = let_request_go,
	.ends = request_ends,
	.forget = request_drop_mentions,
	.back = request_back,
	.recorded = gate_recorded,
	.completed = exchange_completed,
	.completed_later = exchange_completed_later,
	.over = gate_request_end,
};
