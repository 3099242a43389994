/* Connects agent, gate and relay on one loop.
 *
 * HAProxy's NOTIFYs pass from the agent to the gate, and verdicts return as ACKs. Other threads
 * send mail, which wakes the loop and runs on it. A pulse publishes the worker's condition: ten
 * times a second while the worker is busy, once a second while it is idle. While the daemon
 * drains, the pulse also finds out whether everything has ended. */
#include "net/worker.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/pool.h"
#include "budget/quota/quota.h"

/* How long a stored response is waited for. After that, the request is sent to the model. */
#define CACHE_LATE_US 50000
/* How long WebSockets may stay open in a process that has handed over its connections. */
#define HANDED_SOCKETS_US 600000000
/* A turn of the loop from this length on counts as M_TURNS_LONG, because it delays other
 * requests. */
#define TURN_LONG_US 50000
/* The seconds between two pulses of a busy and of an idle worker. An idle worker also pulses at
 * the end of each turn, so that the published values are never older than its last turn. */
#define PULSE_S	     0.1
#define PULSE_IDLE_S 1.0

/* ---- calls from the agent to the gate ---- */

static void
on_verdict(void *arg, const struct spop_action *actions, size_t n)
{
	struct agent_call *call = arg;

	agent_call_set(call, NULL);
	/* The actions exceed the room after all. HAProxy treats an ACK without actions as a
	 * 503. */
	if (agent_ack(call, actions, n) == ERR_LIMIT)
		agent_ack(call, NULL, 0);
}

static void
on_notify(void *ctx, struct agent_call *call, const struct spop_message *messages, size_t n)
{
	struct worker *w = TAGGED(worker, ctx);
	struct request *r =
		gate_notify(w->gate, messages, n, agent_ack_room(call), on_verdict, call);

	if (r)
		agent_call_set(call, r);
}

static void
on_gone(void *ctx UNUSED, struct agent_call *call)
{
	struct request *r = agent_call_data(call);

	if (r)
		gate_forget(r);
}

/* ---- mail ---- */

static void
publish_flag(_Atomic bool *flag, bool value)
{
	atomic_store_explicit(flag, value, memory_order_release);
}

static _Thread_local const struct worker *this_thread;

/* Before worker_start() and after the join, the main thread runs the loop. */
static bool
on_its_thread(const struct worker *w)
{
	return !this_thread || this_thread == w;
}

/* Wakes the loop for its mail. Mail from a worker to itself needs no system call, because the
 * loop looks at fed events before it waits. */
static void
wake_worker(void *arg)
{
	struct worker *w = TAGGED(worker, arg);

	if (w == this_thread)
		ev_feed_event(w->loop, &w->wake, EV_ASYNC);
	else
		ev_async_send(w->loop, &w->wake);
}

static void
on_worker_wake(struct ev_loop *loop UNUSED, ev_async *a, int revents UNUSED)
{
	struct worker *w = TAGGED(worker, a->data);

	INVARIANT(on_its_thread(w));
	mailbox_drain(&w->mail, w);
}

/* One snapshot on its way to a worker. It owns a reference to the snapshot. */
struct snapshot_mail {
	struct tag tag;
	struct mail mail;
	struct snapshot *snap;
};

static void
take_snapshot(struct mail *m, void *consumer)
{
	struct snapshot_mail *sm = TAGGED_OF(snapshot_mail, mail, m);
	struct worker *w = TAGGED(worker, consumer);

	gate_snapshot(w->gate, sm->snap);
	atomic_fetch_add_explicit(&w->snapshots, 1, memory_order_release);
	snapshot_unref(&sm->snap);
	TAG_CLEAR(snapshot_mail, sm);
	free(sm);
}

void
worker_snapshot(struct worker *w, struct snapshot *snap)
{
	struct snapshot_mail *sm = malloc(sizeof(*sm));

	if (!sm) {
		log_event(LOG_ERROR, "reload.failed",
			LS("why", "no memory for the new policy, so the worker keeps the "
				  "previous policy: reload again"));
		return;
	}
	TAG(snapshot_mail, sm);
	sm->mail.run = take_snapshot;
	sm->snap = snapshot_ref(snap);
	mailbox_send(&w->mail, &sm->mail);
}

static void publish_pulse(struct worker *w);

/* A parcel on its way to a worker. The bytes of its two views follow in `bytes`. */
struct adopt_mail {
	struct tag tag;
	struct mail mail;
	struct worker *from; /* NULL: another process */
	struct agent_parcel parcel;
	char bytes[];
};

static void
adopt_connection(struct mail *m, void *consumer)
{
	struct adopt_mail *am = TAGGED_OF(adopt_mail, mail, m);
	struct worker *w = TAGGED(worker, consumer);

	if (w->agent)
		agent_adopt(w->agent, &am->parcel);
	else
		close(am->parcel.fd);
	if (am->from) {
		publish_pulse(w); /* with one connection more */
		atomic_fetch_sub(&am->from->in_transit, 1);
		ev_async_send(am->from->loop, &am->from->wake);
	}
	sodium_memzero(am->bytes, am->parcel.engine.n + am->parcel.in.n);
	TAG_CLEAR(adopt_mail, am);
	free(am);
}

static int
send_parcel(struct worker *w, struct worker *from, const struct agent_parcel *p)
{
	struct adopt_mail *am = malloc(sizeof(*am) + p->engine.n + p->in.n);

	if (!am)
		return ERR_NOMEM;
	TAG(adopt_mail, am);
	am->mail.run = adopt_connection;
	am->from = from;
	am->parcel = *p;
	am->parcel.engine.p = am->bytes;
	am->parcel.in.p = am->bytes + p->engine.n;
	if (p->engine.n)
		memcpy(am->bytes, p->engine.p, p->engine.n);
	if (p->in.n)
		memcpy(am->bytes + p->engine.n, p->in.p, p->in.n);
	mailbox_send(&w->mail, &am->mail);
	return 0;
}

int
worker_adopt(struct worker *w, const struct agent_parcel *p)
{
	return send_parcel(w, NULL, p);
}

/* A connection in transit belongs to no agent. Until it has arrived, this worker is neither
 * still nor quiet, so that no hand-over and no stop forgets the connection. */
static int
move_parcel(void *arg, const struct agent_parcel *p)
{
	struct worker *w = TAGGED(worker, arg);

	atomic_fetch_add(&w->in_transit, 1);
	int err = send_parcel(w->moving_to, w, p);
	if (err)
		atomic_fetch_sub(&w->in_transit, 1);
	return err;
}

void
worker_move(struct worker *w, struct worker *to, double difference)
{
	atomic_store_explicit(&w->differs, difference, memory_order_relaxed);
	atomic_store_explicit(&w->moves_to, to, memory_order_release);
}

static void
move_connection(struct worker *w)
{
	struct worker *to = atomic_exchange(&w->moves_to, NULL);

	if (!to || !w->agent)
		return;
	w->moving_to = to;
	agent_move(w->agent, atomic_load_explicit(&w->differs, memory_order_relaxed), move_parcel,
		w);
}

static void
begin_accept(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	for (size_t i = 0; w->agent && i < w->accept.n; i++)
		agent_listen(w->agent, w->accept.fds[i]);
}

void
worker_accept(struct worker *w, const int *agent_fds, size_t n)
{
	w->accept.mail.run = begin_accept;
	INVARIANT(n <= CONFIG_LISTENERS_MAX);
	memcpy(w->accept.fds, agent_fds, n * sizeof(*agent_fds));
	w->accept.n = n;
	mailbox_send(&w->mail, &w->accept.mail);
}

static void
begin_freeze(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	INVARIANT(!atomic_load(&w->handed));
	agent_freeze(w->agent);
}

static void
begin_thaw(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	INVARIANT(!atomic_load(&w->handed)); /* the other process already serves the connections */
	agent_thaw(w->agent);
	publish_flag(&w->still, false);
}

/* The other process serves the connections. This worker keeps only its exchanges, and WebSockets
 * for a while. */
static void
forget_handed(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	agent_forget_handed(w->agent);
	quota_retire(gate_quota(w->gate));
	quota_drop_other(gate_quota(w->gate));
	w->sockets_until_us = clock_mono_us() + HANDED_SOCKETS_US;
	publish_flag(&w->handed, true);
}

static void
end_sockets(struct mail *m UNUSED, void *consumer)
{
	TAGGED(worker, consumer)->sockets_until_us = 0;
}

static void
begin_drain(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	w->draining = true;
	if (w->agent)
		agent_drain(w->agent);
}

static void
begin_abort(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	w->draining = w->relay_draining = true;
	agent_free(&w->agent);
	if (w->relay)
		relay_abort(w->relay);
	gate_abort(w->gate);
}

static void
end_loop(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	ev_break(w->loop, EVBREAK_ALL);
}

static void
begin_relay_drain(struct mail *m UNUSED, void *consumer)
{
	struct worker *w = TAGGED(worker, consumer);

	w->relay_draining = true;
	if (w->relay)
		relay_drain(w->relay);
}

void
worker_order(struct worker *w, enum worker_order o)
{
	static void (*const run[])(struct mail *, void *) = {
		[WORKER_FREEZE] = begin_freeze,
		[WORKER_THAW] = begin_thaw,
		[WORKER_HANDED] = forget_handed,
		[WORKER_END_SOCKETS] = end_sockets,
		[WORKER_DRAIN] = begin_drain,
		[WORKER_DRAIN_RELAY] = begin_relay_drain,
		[WORKER_ABORT] = begin_abort,
		[WORKER_STOP] = end_loop,
	};

	INVARIANT(o < WORKER_ORDERS && run[o]);
	w->orders[o].run = run[o];
	mailbox_send(&w->mail, &w->orders[o]);
}

void
worker_aside(struct worker *w, bool aside)
{
	publish_flag(&w->aside, aside);
	ev_async_send(w->loop, &w->wake); /* an idle worker pulses at the end of this turn */
}

void
worker_give_back(struct worker *w)
{
	publish_flag(&w->gives_back, true);
	ev_async_send(w->loop, &w->wake);
}

/* Logs each change of Redis' refusal to accept writes, once. */
static void
say_refusal(struct worker *w, enum redis_refusal now, const char *said)
{
	/* A Redis that was not asked yet has refused nothing. */
	if (now == w->said_refusal || (!now && !redis_ready(w->redis)))
		return;
	w->said_refusal = now;
	if (now)
		log_event(LOG_WARN, "redis.refuses", LS("why", said),
			LS("note", redis_refusal_texts[now]));
	else
		log_event(LOG_INFO, "redis.takes", LS("note", "Redis accepts writes again"));
}

/* Publishes the faults of a Redis that responds: eviction, refused writes, a different clock.
 * Worker 0 also logs their changes. */
static void
publish_redis(struct worker *w)
{
	const char *said;

	if (!w->redis)
		return;
	enum redis_refusal refusal = redis_refuses(w->redis, &said);
	int64_t skew_us = redis_skew_us(w->redis);
	publish_flag(&w->evicts, redis_evicts(w->redis));
	atomic_store_explicit(&w->refusal, (int)refusal, memory_order_relaxed);
	atomic_store_explicit(&w->skew_us, skew_us, memory_order_relaxed);
	int64_t off_us;
	bool known = redis_clock_us(w->redis, &off_us);
	atomic_store_explicit(
		&w->redis_off_us, known ? off_us : INT64_MIN, memory_order_relaxed);
	if (w->index != 0)
		return;
	say_refusal(w, refusal, said);
	bool off = llabs(skew_us) > CLOCK_OFF_US;
	if (off != w->said_skew)
		log_event(off ? LOG_WARN : LOG_INFO, off ? "clock.off" : "clock.right",
			LI("ahead_of_redis_s", skew_us / 1000000));
	w->said_skew = off;
}

/* Returns true if anything was read, decided or sent since the last pulse, or anything is in
 * progress. */
static bool
worker_has_worked(struct worker *w)
{
	uint64_t counted = 0;

	for (size_t i = 0; i < METRIC_COUNT; i++)
		counted += atomic_load_explicit(&w->metrics.v[i], memory_order_relaxed);
	bool moved = counted != w->counted;
	w->counted = counted;
	return moved || gate_alive(w->gate) || (w->relay && relay_active(w->relay));
}

/* Publishes the worker's condition. While draining, also determines whether the worker is quiet
 * (every NOTIFY that arrived has its verdict) and idle (every exchange has ended). */
static void
publish_pulse(struct worker *w)
{
	struct quota_company company;
	bool moved = worker_has_worked(w);
	double every_s = moved || w->draining ? PULSE_S : PULSE_IDLE_S;

	/* Zeroes the unused stack: functions that returned left keys and pieces of prompts
	 * there. */
	if (moved)
		sodium_stackzero(MEM_STACK_BYTES);
	if (w->pulse.repeat != every_s || every_s == PULSE_IDLE_S) {
		w->pulse.repeat = every_s;
		ev_timer_again(w->loop, &w->pulse);
	}
	if (w->agent)
		agent_aside(w->agent, atomic_load_explicit(&w->aside, memory_order_relaxed));
	if (w->agent && atomic_exchange_explicit(&w->gives_back, false, memory_order_relaxed))
		agent_give_back(w->agent);
	move_connection(w);
	atomic_store_explicit(
		&w->load, w->agent ? agent_load(w->agent) : 0, memory_order_relaxed);
	publish_flag(&w->redis_ok, !w->redis || redis_ready(w->redis));
	publish_redis(w);
	quota_company(gate_quota(w->gate), &company);
	publish_flag(&w->counting, company.counting);
	atomic_store_explicit(&w->known, company.known, memory_order_relaxed);
	atomic_store_explicit(&w->company, company.workers, memory_order_relaxed);
	atomic_store_explicit(&w->came, company.came, memory_order_relaxed);
	atomic_store_explicit(&w->expected, company.expected, memory_order_relaxed);
	atomic_store_explicit(&w->reduced_s, company.reduced_s, memory_order_relaxed);
	atomic_store_explicit(&w->alive, gate_alive(w->gate), memory_order_relaxed);
	if (!w->draining)
		return;
	gate_hasten(w->gate);
	if (w->relay)
		relay_end_streams(w->relay, clock_mono_us() >= w->sockets_until_us);
	bool quiet = (!w->agent || agent_conns(w->agent) == 0) && gate_alive(w->gate) == 0 &&
		     !atomic_load(&w->in_transit);
	publish_flag(&w->quiet, quiet);
	publish_flag(&w->idle,
		quiet && w->relay_draining && (!w->relay || relay_active(w->relay) == 0));
}

static void
on_pulse(struct ev_loop *loop UNUSED, ev_timer *t, int revents UNUSED)
{
	struct worker *w = TAGGED(worker, t->data);

	INVARIANT(on_its_thread(w));
	publish_pulse(w);
}

/* ---- turns ---- */

static void
on_turn_begins(struct ev_loop *loop UNUSED, ev_check *c, int revents UNUSED)
{
	struct worker *w = TAGGED(worker, c->data);

	w->turn_began_us = clock_mono_us();
}

/* Notes how long the turn took, which is how long the next event has waited. */
static void
on_turn_ends(struct ev_loop *loop UNUSED, ev_prepare *p, int revents UNUSED)
{
	struct worker *w = TAGGED(worker, p->data);
	uint64_t took_us = clock_mono_us() - w->turn_began_us;

	if (w->agent && agent_is_still(w->agent) && !atomic_load(&w->in_transit))
		publish_flag(&w->still, true);
	if (w->turn_began_us == 0)
		return;
	if (took_us > atomic_load_explicit(&w->turn_longest_us, memory_order_relaxed))
		atomic_store_explicit(&w->turn_longest_us, took_us, memory_order_relaxed);
	if (took_us >= TURN_LONG_US)
		metric_inc(&w->metrics, M_TURNS_LONG);
	/* An idle worker pulses at the end of each turn, so that readers see the same values as
	 * from a busy one. */
	if (w->pulse.repeat == PULSE_IDLE_S)
		publish_pulse(w);
}

static void
watch_turns(struct worker *w)
{
	ev_check_init(&w->turn_begins, on_turn_begins);
	ev_prepare_init(&w->turn_ends, on_turn_ends);
	w->turn_begins.data = w->turn_ends.data = w;
	/* The check runs before all other watchers of a turn, the prepare after them. */
	ev_set_priority(&w->turn_begins, EV_MAXPRI);
	ev_set_priority(&w->turn_ends, EV_MINPRI);
	ev_check_start(w->loop, &w->turn_begins);
	ev_prepare_start(w->loop, &w->turn_ends);
}

/* ---- life ---- */

/* limits.min_rate applies from the tenth second of a body on. */
#define RATE_AFTER_US 10000000u

int
worker_init(struct worker *w, unsigned index, const struct config *cfg,
	struct gate_shared *shared, struct snapshot *snap, struct quota_table *table,
	struct redis_finder *finder, struct redis_finder *cache_finder)
{
	const struct agent_ops ops = { on_notify, on_gone, w };
	/* Redis must fail before the decision's own deadline. Otherwise no time would be left to
	 * apply the outcome that the policy sets for a failed Redis. */
	uint64_t most_us = cfg->agent_deadline_us / 4 * 3,
		 redis_us = cfg->redis_deadline_us < most_us ? cfg->redis_deadline_us : most_us;

	TAG(worker, w);
	w->index = index;
	w->cfg = cfg;
	if (!w->loop)
		w->loop = ev_loop_new(EVFLAG_AUTO);
	if (!w->loop)
		return ERR_NOMEM;
	ev_async_init(&w->wake, on_worker_wake);
	w->wake.data = w;
	ev_async_start(w->loop, &w->wake);
	mailbox_init(&w->mail, wake_worker, w);
	atomic_store(&w->redis_off_us, INT64_MIN);
	ev_timer_init(&w->pulse, on_pulse, PULSE_S, PULSE_S);
	w->pulse.data = w;
	ev_timer_start(w->loop, &w->pulse);
	watch_turns(w);
	if (finder) {
		w->redis = redis_new_at(w->loop, finder, redis_us, &w->metrics);
		if (!w->redis)
			return ERR_NOMEM;
	}
	w->gate =
		gate_new(w->loop, shared, index, snap, w->redis, table, &w->mail, &w->metrics);
	if (cache_finder && w->gate) {
		uint64_t late_us = cfg->agent_deadline_us / 4;
		if (late_us > CACHE_LATE_US)
			late_us = CACHE_LATE_US;
		w->cache = redis_new_at(w->loop, cache_finder,
			redis_us < late_us ? redis_us : late_us, &w->metrics);
		if (!w->cache)
			return ERR_NOMEM;
		gate_cache_redis(w->gate, w->cache);
	}
	w->agent = w->gate ? agent_new(w->loop, &ops, &w->metrics) : NULL;
	if (!w->agent)
		return ERR_NOMEM;
	if (cfg->relay) {
		const struct relay_options options = {
			.egress = cfg->relay_egress.path,
			.min_rate = cfg->min_rate_bytes,
			.rate_after_us = RATE_AFTER_US,
			.read_us = cfg->relay_read_us,
			.response_us = cfg->relay_response_us,
			.idle_us = cfg->relay_idle_us,
			.keep_alive_us = RELAY_KEEP_ALIVE_US,
			.stuck_us = RELAY_STUCK_US,
			.slow_us = RELAY_SLOW_US,
			.pool = cfg->relay_pool,
		};
		w->relay = relay_new(w->loop, w->gate, &options, &w->metrics);
		if (!w->relay)
			return ERR_NOMEM;
	}
	return 0;
}

int
worker_listen(struct worker *w, int relay_fd, int own_relay_fd)
{
	int err = w->relay ? relay_listen(w->relay, relay_fd, false) : 0;

	if (!err && w->relay && own_relay_fd >= 0)
		err = relay_listen(w->relay, own_relay_fd, true);
	return err;
}

static void *
worker_run(void *arg)
{
	struct worker *w = TAGGED(worker, arg);

	this_thread = w;
	ev_run(w->loop, 0);
	return NULL;
}

int
worker_start(struct worker *w)
{
	INVARIANT(!w->running && w->loop && w->gate);
	int err = thread_start(&w->thread, NULL, worker_run, w);

	w->running = err == 0;
	return err;
}

void
worker_free(struct worker *w)
{
	relay_free(&w->relay);
	agent_free(&w->agent);
	gate_free(&w->gate);
	redis_free(&w->redis);
	redis_free(&w->cache);
	if (w->loop) {
		ev_async_stop(w->loop, &w->wake);
		ev_timer_stop(w->loop, &w->pulse);
		ev_check_stop(w->loop, &w->turn_begins);
		ev_prepare_stop(w->loop, &w->turn_ends);
		ev_loop_destroy(w->loop);
		w->loop = NULL;
	}
}
