/* Start, reload, drain, stop. */
#include "net/server.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "audit/audit.h"
#include "live/sync.h"
#include "quota/quota.h"
#include "redis/redis_find.h"
#include "sources/recognise.h"
#include "store/keyfile.h"
#include "tally/tally.h"
#include "net/admin.h"
#include "net/listen.h"
#include "net/recall.h"

#define STOP_US	      2000000 /* what is in flight at a forced stop is waited for so long */
#define LIVE_FIRST_US 2000000 /* entries of Redis are waited for so long at a start */
#define LOG_STOP_US   1000000 /* and a reader of the log that stalls */

struct sockets {
	int agent[CONFIG_LISTENERS_MAX];
	size_t nagent;
	int relay, own_relay[WORKERS_MAX]; /* of all workers; of each */
	unsigned nown;
};

struct running {
	struct tag tag;
	struct server *s;
	struct ev_loop *loop;
	ev_signal hup, term, intr;
	ev_timer drain_check;
	unsigned terms;
	bool relay_draining;
};

/* sd_notify(3)'s protocol: one datagram, where systemd asks for it. */
void
server_notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sa = { .sun_family = AF_UNIX };

	if (!path || !path[0] || strlen(path) >= sizeof(sa.sun_path))
		return;
	memcpy(sa.sun_path, path, strlen(path));
	if (sa.sun_path[0] == '@')
		sa.sun_path[0] = '\0';
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		log_event(LOG_WARN, "systemd.unreachable", LS("socket", path));
	close(fd);
}

/* ---- what the admin thread shows ---- */

struct snapshot *
server_snapshot(struct server *s)
{
	pthread_mutex_lock(&s->lock);
	struct snapshot *snap = snapshot_ref(s->snap);
	pthread_mutex_unlock(&s->lock);
	return snap;
}

static enum live_past
past_of(struct server *s, size_t *entries)
{
	*entries = 0;
	return s->live_sync ? live_sync_past(s->live_sync, entries) : LIVE_PAST_OWN;
}

/* Of the state file what is not as it should be. */
static void
live_says(struct server *s, struct buf *out)
{
	const char *file = s->shared_cfg->state_file;
	size_t entries;
	enum live_past past = past_of(s, &entries);

	if (!live_kept(s->live))
		buf_printf(out, "state_file: down: %s cannot be written\n", file);
	if (past == LIVE_PAST_LOST)
		buf_printf(out,
			"state_file: lost: %s was not there at the start: %zu entries of Redis "
			"are believed, and what was revoked may live again\n",
			file, entries);
	else if (past == LIVE_PAST_NEW)
		buf_printf(out,
			"state_file: new: %s was not there at the start: %zu entries of Redis "
			"are believed\n",
			file, entries);
}

/* Whether other daemons learn what is revoked here, and this one what is there. */
static bool
sync_says(struct server *s, struct buf *out)
{
	struct buf why;

	if (!s->live_sync)
		return true;
	const char *key = live_sync_righted(s->live_sync);
	if (key)
		buf_printf(out,
			"keys and limits: %s was not what daemons write, and was put right: "
			"somebody else writes to this Redis (live.refused)\n",
			key);
	buf_init(&why, 1024);
	bool up = live_sync_up(s->live_sync, &why);
	if (!up)
		buf_printf(out,
			"keys and limits: down: %.*s: what is revoked here other daemons do not "
			"learn, nor this one from them\n",
			SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	return up;
}

/* What the workers see of who else is at their Redis. */
struct company {
	bool up, counting, evicts;
	enum redis_refusal refusal;
	int64_t skew_us;	 /* our clock's, from Redis' */
	uint64_t workers, known; /* more than are known of; 0: no more */
};

static struct company
company_of(struct server *s)
{
	struct company c = { .up = true };

	for (unsigned i = 0; i < s->nworkers; i++) {
		struct worker *w = &s->workers[i];
		uint64_t seen = atomic_load_explicit(&w->company, memory_order_relaxed);
		c.up &= atomic_load_explicit(&w->redis_ok, memory_order_relaxed);
		c.counting |= atomic_load_explicit(&w->counting, memory_order_relaxed);
		c.evicts |= atomic_load_explicit(&w->evicts, memory_order_relaxed);
		int refusal = atomic_load_explicit(&w->refusal, memory_order_relaxed);
		int64_t skew_us = atomic_load_explicit(&w->skew_us, memory_order_relaxed);
		c.refusal = refusal ? (enum redis_refusal)refusal : c.refusal;
		c.skew_us = llabs(skew_us) > llabs(c.skew_us) ? skew_us : c.skew_us;
		c.known = atomic_load_explicit(&w->known, memory_order_relaxed);
		c.workers = seen > c.workers ? seen : c.workers;
	}
	return c;
}

static void
redis_says(struct server *s, const struct company *c, struct buf *out)
{
	if (!s->shared_cfg->redis_url)
		buf_str(out, "redis: none, limits count in this process only\n");
	else if (c->refusal)
		buf_printf(out, "redis: refuses writes: %s\n", redis_refusal_texts[c->refusal]);
	else if (!c->up)
		buf_str(out, "redis: down: the log says why (redis.down)\n");
	else
		buf_printf(out, "redis: %s\n",
			c->counting ? "counting: it waits for the other daemons that share "
				      "this Redis (redis.daemons)"
				    : "up");
	if (c->evicts)
		buf_str(out, "redis: evicts: it forgets what was used when its memory is full: "
			     "set maxmemory-policy noeviction\n");
	if (llabs(c->skew_us) > CLOCK_OFF_US)
		buf_printf(out,
			"clock: this machine's is %lld s %s that of Redis: run chrony or ntp "
			"on both\n",
			llabs(c->skew_us) / 1000000, c->skew_us > 0 ? "ahead of" : "after");
	if (c->workers)
		buf_printf(out,
			"daemons: more than redis.daemons says: %" PRIu64
			" workers share this Redis, %" PRIu64 " are known of\n",
			c->workers, c->known);
}

bool
server_ready(struct server *s, struct buf *out)
{
	bool ok = true;
	const struct company c = company_of(s);
	bool redis = c.up && !c.counting && !c.refusal,
	     conflict = s->audit && audit_stream_conflict(s->audit);

	struct snapshot *snap = server_snapshot(s);
	buf_printf(out, "policy: %s%s\n", snap->policy->label,
		snap->policy->shadow
			? " (shadow: denials and redactions by rules are not enforced)"
			: "");
	observing_ready(snap->policy, out);
	redis_says(s, &c, out);
	if (snap->no_ranks)
		buf_printf(out, "tokens: estimated: %s (docs/tokens.md: make ranks)\n",
			snap->no_ranks);
	if (!detect_jit(snap->rules))
		buf_str(out, "patterns: interpreted, PCRE2 may not run what it compiles\n");
	if (s->live)
		live_says(s, out);
	bool told = sync_says(s, out);
	bool keys = keysets_ready(s->keysets, out);
	if (s->audit)
		buf_printf(out, "audit: %s\n",
			audit_ready(s->audit) ? "up" : "down: the journal cannot be written");
	else
		buf_str(out, "audit: none, decisions are not recorded\n");
	if (atomic_load_explicit(&s->strangers.there, memory_order_relaxed))
		buf_str(out,
			"audit: a file in the journal's folder is no segment of it: the next "
			"start would be refused (tollgate audit verify names it)\n");
	if (conflict)
		buf_str(out, "audit stream: down: it is not this journal's, see the log "
			     "(audit.stream_conflict)\n");
	snapshot_unref(&snap);
	if (!redis || !told || !keys || conflict || (s->audit && !audit_ready(s->audit)))
		ok = false;
	if (atomic_load(&s->draining)) {
		buf_str(out, "draining\n");
		ok = false;
	}
	buf_str(out, ok ? "ready\n" : "not ready\n");
	return ok;
}

static bool
is_ready(struct server *s)
{
	struct buf why;

	buf_init(&why, 0);
	bool ok = server_ready(s, &why);
	buf_free(&why);
	return ok;
}

/* Of every worker; how many. */
static size_t
all_recognisers(struct server *s, const struct recognisers *out[WORKERS_MAX])
{
	for (unsigned i = 0; i < s->nworkers; i++)
		out[i] = gate_recognisers(s->workers[i].gate);
	return s->nworkers;
}

/* Requests under way, and what providers answered. */
static void
work_says(struct server *s, struct buf *out)
{
	const struct provider_tally *t[WORKERS_MAX];
	uint64_t alive = 0;

	for (unsigned i = 0; i < s->nworkers; i++) {
		t[i] = &gate_tally(s->workers[i].gate)->providers;
		alive += atomic_load_explicit(&s->workers[i].alive, memory_order_relaxed);
	}
	buf_printf(out, ",\"requests_in_flight\":%" PRIu64 ",\"providers\":", alive);
	provider_tally_json(out, t, s->nworkers);
}

void
server_status(struct server *s, struct buf *out)
{
	const struct recognisers *asked[WORKERS_MAX];
	char when[CLOCK_RFC3339_LEN];

	bool ok = is_ready(s);
	struct snapshot *snap = server_snapshot(s);
	clock_rfc3339(s->started_wall_ns, when);
	buf_printf(out,
		"{\"version\":\"%s\",\"node\":\"%s\",\"started\":\"%s\",\"workers\":%u,",
		TG_VERSION, s->shared_cfg->node, when, s->nworkers);
	buf_str(out, "\"policy\":");
	buf_json_str(out, span_str(snap->policy->label));
	buf_printf(out,
		",\"policy_version\":\"%s\",\"mode\":\"%s\",\"routes\":%zu,\"rules\":%zu,"
		"\"jit\":%s,\"ready\":%s,\"recognisers\":",
		snap->policy->version, snap->policy->shadow ? "shadow" : "enforce",
		snap->policy->nroutes, snap->policy->nrules + snap->policy->nanswer_rules,
		detect_jit(snap->rules) ? "true" : "false", ok ? "true" : "false");
	recognisers_status(out, asked, all_recognisers(s, asked));
	buf_str(out, ",\"shadow_policy\":");
	if (snap->shadow_policy)
		buf_json_str(out, span_str(snap->shadow_policy->label));
	else
		buf_str(out, "null");
	buf_str(out, ",\"observe\":");
	observing_status(snap->policy, out);
	const struct company c = company_of(s);
	buf_printf(out,
		",\"daemons\":{\"more_than_known\":%s,\"workers\":%" PRIu64
		",\"known\":%" PRIu64 "}",
		c.workers ? "true" : "false", c.workers ? c.workers : c.known, c.known);
	work_says(s, out);
	buf_str(out, ",\"last_reload\":");
	reload_status(&s->reloading, out);
	buf_str(out, "}\n");
	snapshot_unref(&snap);
}

void
server_recent(struct server *s, struct buf *out)
{
	struct snapshot *snap = server_snapshot(s);

	buf_printf(out, "{\"node\":\"%s\",\"policy\":", s->shared_cfg->node);
	buf_json_str(out, span_str(snap->policy->label));
	snapshot_unref(&snap);
	work_says(s, out);
	buf_str(out, ",\"workers\":[");
	for (unsigned i = 0; i < s->nworkers; i++) {
		if (i)
			buf_putc(out, ',');
		recent_write(&gate_tally(s->workers[i].gate)->recent, out);
	}
	buf_str(out, "]}\n");
}

static void
gauge(struct buf *out, const char *name, const char *help, uint64_t v)
{
	metrics_head(out, name, "gauge", help);
	buf_printf(out, "tollgate_%s %" PRIu64 "\n", name, v);
}

void
server_metrics(struct server *s, struct buf *out)
{
	struct metrics *blocks[WORKERS_MAX + 1];
	const struct recognisers *asked[WORKERS_MAX];
	const struct tallies *tallies[WORKERS_MAX];
	uint64_t alive = 0, redis = 1, turn_us = 0;

	atomic_store_explicit(
		&s->metrics.v[M_LOG_DROPPED], log_dropped(), memory_order_relaxed);
	blocks[0] = &s->metrics;
	for (unsigned i = 0; i < s->nworkers; i++) {
		blocks[1 + i] = &s->workers[i].metrics;
		tallies[i] = gate_tally(s->workers[i].gate);
		alive += atomic_load_explicit(&s->workers[i].alive, memory_order_relaxed);
		redis &= atomic_load_explicit(&s->workers[i].redis_ok, memory_order_relaxed);
		uint64_t us = atomic_load_explicit(
			&s->workers[i].turn_longest_us, memory_order_relaxed);
		turn_us = us > turn_us ? us : turn_us;
	}
	atomic_store_explicit(&s->metrics.v[M_LABELS_OVER],
		tally_write(s->series, out, tallies, s->nworkers), memory_order_relaxed);
	metrics_write(out, blocks, 1 + s->nworkers);
	recognisers_metrics(out, asked, all_recognisers(s, asked));
	struct snapshot *snap = server_snapshot(s);
	metrics_head(out, "info", "gauge", "build and policy in force");
	buf_printf(out, "tollgate_info{version=\"%s\",policy=\"%s\",mode=\"%s\"} 1\n",
		TG_VERSION, snap->policy->label, snap->policy->shadow ? "shadow" : "enforce");
	bool has_redis = s->shared_cfg->redis_url != NULL;
	int64_t days;
	enum observe_state observing = observe_state(snap->policy, clock_wall_ns(), &days);
	snapshot_unref(&snap);
	gauge(out, "observing", "hosts of a cutover are observed now",
		observing == OBSERVE_ON || observing == OBSERVE_NEAR);
	gauge(out, "requests_in_flight", "requests and exchanges not finished", alive);
	gauge(out, "longest_turn_microseconds",
		"a worker's longest turn of its loop since start", turn_us);
	gauge(out, "held_bytes", "bytes of bodies held", gate_held_bytes(s->shared));
	if (has_redis)
		gauge(out, "redis_up", "every worker's Redis connection is up", redis);
	const struct company c = company_of(s);
	if (has_redis)
		gauge(out, "redis_writable", "Redis does not refuse writes", !c.refusal);
	if (has_redis) {
		metrics_head(out, "clock_ahead_seconds", "gauge",
			"this machine's clock less that of Redis");
		buf_printf(out, "tollgate_clock_ahead_seconds %.3f\n", (double)c.skew_us / 1e6);
	}
	gauge(out, "audit_up", "the journal can be written", s->audit && audit_ready(s->audit));
	gauge(out, "audit_strangers",
		"the journal's folder has a file with which the next start would be refused",
		atomic_load_explicit(&s->strangers.there, memory_order_relaxed));
	if (has_redis && s->audit)
		gauge(out, "audit_stream_up", "the Redis Stream is this journal's",
			!audit_stream_conflict(s->audit));
	if (has_redis && s->audit)
		gauge(out, "audit_stream_behind_records",
			"durable records that the Redis Stream does not have yet",
			audit_stream_behind(s->audit));
	if (s->live)
		gauge(out, "live_entries",
			"keys and overrides made at run time, ended ones too",
			live_count(s->live));
	size_t believed;
	if (s->live)
		gauge(out, "live_state_lost",
			"state_file was not there at the start, and this node had one",
			past_of(s, &believed) == LIVE_PAST_LOST);
	gauge(out, "ready", "what /readyz says", is_ready(s));
	gauge(out, "uptime_seconds", "since start",
		(clock_mono_us() - s->started_us) / 1000000);
}

/* ---- signals ---- */

static void
on_hup(struct ev_loop *loop UNUSED, ev_signal *w, int revents UNUSED)
{
	struct running *run = TAGGED(running, w->data);

	reload_now(&run->s->reloading, "signal");
}

static void
on_term(struct ev_loop *loop, ev_signal *w, int revents UNUSED)
{
	struct running *run = TAGGED(running, w->data);

	if (run->terms++) {
		log_event(LOG_WARN, "stop.forced", LS("why", "a second signal"));
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	server_notify("STOPPING=1");
	log_event(LOG_INFO, "stop.draining");
	atomic_store(&run->s->draining, true);
	for (unsigned i = 0; i < run->s->nworkers; i++)
		worker_order(&run->s->workers[i], WORKER_DRAIN);
	ev_timer_start(loop, &run->drain_check);
}

static void
on_drain_check(struct ev_loop *loop, ev_timer *w, int revents UNUSED)
{
	struct running *run = TAGGED(running, w->data);
	struct server *s = run->s;
	bool quiet = true, idle = true;

	for (unsigned i = 0; i < s->nworkers; i++) {
		quiet = quiet &&
			atomic_load_explicit(&s->workers[i].quiet, memory_order_acquire);
		idle = idle && atomic_load_explicit(&s->workers[i].idle, memory_order_acquire);
	}
	if (quiet && !run->relay_draining) {
		run->relay_draining = true;
		for (unsigned i = 0; i < s->nworkers; i++)
			worker_order(&s->workers[i], WORKER_DRAIN_RELAY);
	}
	if (idle)
		ev_break(loop, EVBREAK_ALL);
}

/* From the first moment: a signal that comes while the daemon starts is obeyed once it
 * has, and does not end it half-started, without a word, its sockets left behind. */
static int
catch_signals(struct running *run)
{
	run->loop = ev_default_loop(EVFLAG_AUTO);
	if (!run->loop)
		return ERR_NOMEM;
	ev_signal_init(&run->hup, on_hup, SIGHUP);
	ev_signal_init(&run->term, on_term, SIGTERM);
	ev_signal_init(&run->intr, on_term, SIGINT);
	ev_timer_init(&run->drain_check, on_drain_check, 0.05, 0.05);
	TAG(running, run);
	run->hup.data = run->term.data = run->intr.data = run->drain_check.data = run;
	ev_signal_start(run->loop, &run->hup);
	ev_signal_start(run->loop, &run->term);
	ev_signal_start(run->loop, &run->intr);
	return 0;
}

/* ---- start ---- */

static void
harden(void)
{
	struct rlimit none = { 0, 0 };

	signal(SIGPIPE, SIG_IGN);
#ifndef TG_SANITIZE /* the leak checker needs to trace itself */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	setrlimit(RLIMIT_CORE, &none);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* A worker's own relay socket, next to the one of all: /DIR/relay.sock is
 * /DIR/relay-0003.sock, with the digits that its tickets begin with, by which HAProxy
 * chooses it. A request that arrives at its own worker is not handed over. */
static bool
own_relay(const struct config *cfg, unsigned worker, struct address *out, char text[256])
{
	const char *path = cfg->relay_listen.path;
	size_t n = path ? strlen(path) : 0;

	if (n > 5 && !strcmp(path + n - 5, ".sock"))
		n -= 5;
	*out = (struct address){ .path = text, .text = text };
	return path &&
	       (size_t)snprintf(text, 256, "%.*s-%04x.sock", (int)n, path, worker) < 256;
}

static int
open_sockets(const struct config *cfg, unsigned workers, struct sockets *so, struct buf *why)
{
	struct address own;
	char text[256];

	so->relay = -1;
	for (; so->nagent < cfg->nagent; so->nagent++) {
		so->agent[so->nagent] =
			listen_open(&cfg->agent[so->nagent], 0660, cfg->socket_group, why);
		if (so->agent[so->nagent] < 0)
			return ERR_IO;
	}
	if (!cfg->relay)
		return 0;
	so->relay = listen_open(&cfg->relay_listen, 0660, cfg->socket_group, why);
	if (so->relay < 0)
		return ERR_IO;
	for (; so->nown < workers && own_relay(cfg, so->nown, &own, text); so->nown++) {
		int fd = listen_open(&own, 0660, cfg->socket_group, why);
		if (fd < 0)
			return ERR_IO;
		so->own_relay[so->nown] = fd;
	}
	return 0;
}

static void
close_sockets(const struct config *cfg, struct sockets *so)
{
	for (size_t i = 0; i < so->nagent; i++) {
		close(so->agent[i]);
		listen_unlink(&cfg->agent[i]);
	}
	if (so->relay >= 0) {
		close(so->relay);
		listen_unlink(&cfg->relay_listen);
	}
	for (unsigned i = 0; i < so->nown; i++) {
		struct address own;
		char text[256];

		close(so->own_relay[i]);
		if (own_relay(cfg, i, &own, text))
			listen_unlink(&own);
	}
}

/* The key of prompt hashes follows from the audit key: one secret to keep. */
static int
derive_prompt_key(const struct config *cfg, unsigned char key[32], struct buf *why)
{
	static const char context[] = "tollgate-prompt-hash-v1";
	struct buf file;

	randombytes_buf(key, 32);
	if (!cfg->audit_key)
		return 0;
	buf_init(&file, 65536);
	if (!buf_file(&file, cfg->audit_key)) {
		buf_printf(why, "%s: %s", cfg->audit_key, strerror(errno));
		buf_free(&file);
		return ERR_IO;
	}
	struct span s = buf_view(&file);
	crypto_generichash(key, 32, (const unsigned char *)s.p, s.n,
		(const unsigned char *)context, sizeof(context) - 1);
	buf_free(&file);
	return 0;
}

/* Keys and overrides made at run time. */
static int
start_live(struct server *s, const struct config *cfg, struct buf *why)
{
	unsigned char key[SHA256_BYTES];

	if (!cfg->state_key)
		return 0;
	if (cfg->state_required && access(cfg->state_file, F_OK) < 0) {
		buf_printf(why,
			"%s: %s, and state_required: what was revoked may live again by an old "
			"Redis. Put it back; for a new node make it, empty: install -m 600 "
			"/dev/null %s, as the user of the daemon",
			cfg->state_file, strerror(errno), cfg->state_file);
		return ERR_IO;
	}
	if (keyfile_derive(cfg->state_key, "tollgate-live-v1", key, why) < 0)
		return ERR_IO;
	s->live = live_open(cfg->state_file, cfg->node, key, &s->metrics, why);
	sodium_memzero(key, sizeof(key));
	if (s->live && cfg->redis_url) {
		struct redis_options redis;
		if (config_redis(cfg, &redis) == 0)
			s->live_sync = live_sync_start(s->live, &redis, why);
		sodium_memzero(&redis, sizeof(redis));
	}
	if (s->live_sync)
		live_sync_first(s->live_sync, LIVE_FIRST_US);
	return s->live && (s->live_sync || !cfg->redis_url) ? 0 : ERR_IO;
}

static unsigned
worker_count(const struct config *cfg)
{
	long n = cfg->workers ? (long)cfg->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static struct redis_finder *
find_redis(const struct config *cfg)
{
	struct redis_options o;
	struct redis_finder *f = config_redis(cfg, &o) ? NULL : redis_finder_new(&o);

	explicit_bzero(&o, sizeof(o));
	return f;
}

static int
start_workers(struct server *s, const struct config *cfg, struct sockets *so, struct buf *why)
{
	if (cfg->redis_url && !(s->finder = find_redis(cfg)))
		goto nomem;
	/* A loop and a mailbox first: the in-process quota table lives with worker 0. With
	 * Redis it has what this daemon spends on its own while Redis is away. */
	for (unsigned i = 0; i < s->nworkers; i++) {
		if (i == 0) {
			s->table = quota_table_new(&s->workers[0].mail);
			if (!s->table)
				goto nomem;
		}
		if (worker_init(&s->workers[i], i, cfg, s->shared, s->snap, s->table,
			    s->finder) < 0)
			goto nomem;
		quota_together(gate_quota(s->workers[i].gate), s->nworkers, cfg->redis_daemons);
	}
	server_notify("STATUS=reading the journal: what is used of limits");
	if (cfg->journal && recall_read(&s->recall, cfg, s->table,
				    quota_ledger_of(gate_quota(s->workers[0].gate)), why) < 0)
		return ERR_IO;
	for (unsigned i = 0; i < s->nworkers; i++)
		if (worker_listen(&s->workers[i], so->agent, so->nagent, so->relay,
			    i < so->nown ? so->own_relay[i] : -1) < 0 ||
			worker_start(&s->workers[i]) < 0)
			goto nomem;
	recall_settle(&s->recall, &s->workers[0], s->audit);
	return 0;
nomem:
	buf_str(why, "a worker does not start: out of memory or descriptors");
	return ERR_NOMEM;
}

static void
say_started(const struct server *s, const struct config *cfg)
{
	const struct policy *p = s->snap->policy;

	log_event(LOG_INFO, "started", LS("version", TG_VERSION), LS("node", cfg->node),
		LS("policy", p->label), LS("mode", p->shadow ? "shadow" : "enforce"),
		LI("routes", p->nroutes), LI("rules", p->nrules + p->nanswer_rules),
		LI("workers", s->nworkers));
	if (p->shadow)
		log_event(LOG_WARN, "shadow",
			LS("note",
				"denials and redactions by rules are recorded, not enforced"));
	if (!cfg->redis_url && p->nlimits)
		log_event(LOG_WARN, "quota.local",
			LS("note", "no redis.url: limits count in this process only"));
	if (!detect_jit(s->snap->rules))
		log_event(LOG_WARN, "detect.slow",
			LS("note", "PCRE2 may not run what it compiles "
				   "(MemoryDenyWriteExecute=?): "
				   "patterns are interpreted"));
	if (!s->audit)
		log_event(LOG_WARN, "audit.off",
			LS("note", "no audit section: decisions are not recorded"));
}

/* After a drain nothing is left. After a forced stop, or a start that failed, what is in
 * flight ends now, on record, while everything that it waits for still answers. */
static void
end_in_flight(struct server *s)
{
	uint64_t until_us = clock_mono_us() + STOP_US;
	size_t alive;

	for (unsigned i = 0; i < s->nworkers; i++)
		if (s->workers[i].running)
			worker_order(&s->workers[i], WORKER_ABORT);
	for (;;) {
		bool idle = true;
		alive = 0;
		for (unsigned i = 0; i < s->nworkers; i++) {
			struct worker *w = &s->workers[i];
			if (!w->running)
				continue;
			idle = idle && atomic_load_explicit(&w->idle, memory_order_acquire);
			alive += atomic_load_explicit(&w->alive, memory_order_relaxed);
		}
		if (idle)
			return;
		if (clock_mono_us() >= until_us)
			break;
		usleep(5000);
	}
	log_event(LOG_ERROR, "stop.unfinished", LI("requests", alive),
		LS("why", "what they wait for does not answer"));
}

static void
stop_workers(struct server *s)
{
	end_in_flight(s);
	for (unsigned i = 0; i < s->nworkers; i++)
		if (s->workers[i].running)
			worker_order(&s->workers[i], WORKER_STOP);
	for (unsigned i = 0; i < s->nworkers; i++)
		if (s->workers[i].running)
			pthread_join(s->workers[i].thread, NULL);
}

int
server_run(const char *config_file)
{
	struct server s = { .config_file = config_file,
		.started_us = clock_mono_us(),
		.started_wall_ns = clock_wall_ns() };
	struct sockets so = { .relay = -1 };
	struct running run = { .s = &s };
	struct admin *admin = NULL;
	unsigned char key[32];
	struct diag d;
	struct buf why;
	int code = 2;

	harden();
	pthread_mutex_init(&s.lock, NULL);
	diag_init(&d);
	buf_init(&why, 4096);
	s.keysets = keysets_new(&s.metrics);
	if (!s.keysets || catch_signals(&run) < 0)
		goto out;
	s.snap = snapshot_load(config_file, NULL, WORKERS_MAX, s.keysets, &d);
	if (!s.snap) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&d.text)));
		buf_printf(&why, "%s: %u errors", config_file, d.errors);
		code = 1;
		goto out;
	}
	if (snapshot_use(s.snap) < 0) {
		snapshot_unref(&s.snap);
		goto out;
	}
	struct snapshot *first = snapshot_ref(s.snap); /* its cfg outlives every reload */
	const struct config *cfg = s.shared_cfg = first->cfg;
	log_setup(cfg->log_format, cfg->log_level);
	s.nworkers = worker_count(cfg);
	s.workers = calloc(s.nworkers, sizeof(*s.workers));
	s.series = series_sum_new();
	if (log_start() < 0 || !s.workers || !s.series || derive_prompt_key(cfg, key, &why) < 0)
		goto stop;
	if (cfg->journal) {
		s.audit = audit_start(cfg, &s.metrics, &why);
		if (!s.audit)
			goto stop;
		snapshot_announce(s.snap, s.audit);
	}
	s.shared = gate_shared_new(cfg, s.audit, key);
	if (!s.shared || start_live(&s, cfg, &why) < 0)
		goto stop;
	gate_shared_live(s.shared, s.live);
	if (gate_helpers_start(s.shared) < 0 || open_sockets(cfg, s.nworkers, &so, &why) < 0 ||
		start_workers(&s, cfg, &so, &why) < 0)
		goto stop;
	if (reload_init(&s.reloading, &s, run.loop, &d, s.started_wall_ns) < 0)
		goto stop;
	admin = admin_start(cfg, &s, &why);
	if (!admin)
		goto stop;
	say_started(&s, cfg);
	observing_start(&s.observing, &s, run.loop);
	purging_start(&s.purging, &s, run.loop);
	strangers_start(&s.strangers, cfg, run.loop);
	server_notify("READY=1\nSTATUS=");
	ev_run(run.loop, 0);
	code = 0;
stop:
	sodium_memzero(key, sizeof(key));
	reload_stop(&s.reloading);
	observing_stop(&s.observing);
	purging_stop(&s.purging);
	strangers_stop(&s.strangers);
	admin_stop(&admin);
	reload_free(&s.reloading);
	keysets_stop(s.keysets);
	stop_workers(&s);
	live_sync_stop(&s.live_sync);
	gate_helpers_stop(s.shared);
	audit_stop(&s.audit);
	for (unsigned i = 0; s.workers && i < s.nworkers; i++)
		worker_free(&s.workers[i]);
	quota_table_free(&s.table);
	redis_finder_free(&s.finder);
	gate_shared_free(&s.shared);
	live_close(&s.live);
	free(s.workers);
	series_sum_free(&s.series);
	close_sockets(cfg, &so);
	snapshot_unref(&first);
	snapshot_unref(&s.snap);
out:
	keysets_free(&s.keysets);
	if (!code)
		log_event(LOG_INFO, "stopped");
	log_stop(LOG_STOP_US);
	if (code && !why.n)
		buf_str(&why, "out of memory, threads or descriptors");
	if (code)
		fprintf(stderr, "tollgate: serve: %.*s\n", SPAN_ARG(buf_view(&why)));
	buf_free(&why);
	diag_free(&d);
	return code;
}
