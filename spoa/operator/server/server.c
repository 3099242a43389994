/* Starts the daemon, runs it, and stops it.
 *
 * A table (daemon_rows) has the start and stop functions of all parts, in the order in which
 * they depend on each other. The start calls them downwards until one fails; the stop calls all
 * stop functions upwards, also after a failed start. The functions of small parts, such as
 * telemetry, are in this file. */
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
#include "base/keyfile.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/priority.h"
#include "base/redis/redis_find.h"
#include "base/scoped.h"
#include "budget/quota/quota.h"
#include "budget/tally/tally.h"
#include "gate/auth/auth.h"
#include "gate/cache/cache.h"
#include "gate/changes/sync.h"
#include "gate/engine/gate.h"
#include "gate/limits/warned.h"
#include "gate/sources/recognize.h"
#include "gate/targets/sync.h"
#include "gate/toolpins/sync.h"
#include "net/listen.h"
#include "operator/group/group.h"
#include "operator/server/fleet.h"
#include "operator/server/opens.h"
#include "operator/server/recall.h"
#include "operator/server/server.h"
#include "operator/server/witnessing.h"
#include "operator/telemetry/notify.h"
#include "operator/telemetry/otlp.h"
#include "policy/identity/probekey.h"
#include "policy/policy.h"
#include "record/anchors/anchors.h"
#include "record/archive/keep.h"
#include "record/audit/audit.h"
#include "record/audit/recheck.h"
#include "record/audit/sums.h"
#include "record/seal/store.h"

/* ---- telemetry ---- */

#define FLUSH_US 2000000 /* a stop waits this long for telemetry */

static void
metrics_text(void *arg, struct buf *out)
{
	server_metrics(arg, out, true);
}

static int
telling_start(struct server *s, const struct config *cfg, struct buf *why)
{
	if (!cfg->otlp.url && !cfg->notify_url)
		return 0;
	s->outbound = http_thread_new(NULL, NULL);
	if (!s->outbound)
		return ERR_NOMEM;
	if (cfg->notify_url && !(s->notify = notify_new(cfg, s->outbound, &s->metrics, why)))
		return ERR_IO;
	if (!cfg->otlp.url)
		return 0;
	s->otlp = otlp_new(cfg, s->outbound, &s->metrics, metrics_text, s, why);
	if (!s->otlp)
		return ERR_IO;
	if (s->audit) {
		audit_tell(s->audit, otlp_told, s->otlp);
		gate_shared_tell(s->shared);
	}
	return 0;
}

static int
telling_run(struct server *s, struct buf *why)
{
	if (!s->outbound)
		return 0;
	s->telling = http_thread_start(s->outbound, "tg-outbound") == 0;
	if (s->telling)
		return 0;
	buf_str(why, "telemetry: the thread cannot be started: check the limit on threads");
	return ERR_NOMEM;
}

static void
telling_stop(struct server *s)
{
	if (s->telling && s->otlp)
		otlp_flush(s->otlp, FLUSH_US);
	http_thread_stop(s->outbound);
	notify_free(&s->notify);
	otlp_free(&s->otlp);
	http_thread_free(&s->outbound);
}

/* ---- the rest of the daemon ---- */

#define STOP_US	       2000000 /* a forced stop waits this long for requests in flight */
#define AUTHS_FIRST_US 2000000 /* a start waits this long for tokens for providers */
#define LIVE_FIRST_US  2000000 /* a start waits this long for entries in Redis */
#define TAKE_REDIS_US  3000000 /* a hand-over waits this long for Redis */
#define LOG_STOP_US    1000000 /* a stop waits this long for a reader of the log */

/* The listening sockets of workers. */
struct sockets {
	int agent[CONFIG_LISTENERS_MAX];
	size_t nagent;
	/* the relay's shared socket (-1: none), and one for each worker */
	int relay, own_relay[WORKERS_MAX];
	unsigned nown;
};

/* The event loop of the main thread. */
struct running {
	struct tag tag;
	struct server *s;
	struct ev_loop *loop;
	ev_signal hup, term, intr;
	ev_timer drain_check;
	/* signals to stop so far; the second one stops without waiting */
	unsigned terms;
	bool relay_draining;
};

/* Everything that the rows of the table share. owner: main */
struct starting {
	struct server s;
	struct sockets so;
	struct running run;
	const struct config *cfg; /* the configuration of the start, in `first` */
	/* the first snapshot, whose configuration outlives all reloads */
	struct snapshot *first;
	struct file_set read; /* the files that the start has read */
	struct first_policy policy; /* the policy that the start took */
	struct hashkey hash;
	struct diag *d;
	struct span why; /* why the start failed; empty: it did not */
	bool take;	 /* take over from an instance that decides */
	int code;	 /* exit code if the start fails, and after the stop */
};

/* Sends one datagram of sd_notify(3)'s protocol. */
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
	SCOPED_FD(fd, socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
	if (fd < 0)
		return;
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&sa,
		    (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(path))) < 0)
		log_event(LOG_WARN, "systemd.unreachable", LS("socket", path));
}

/* ---- signals ---- */

static void
on_hup(struct ev_loop *loop UNUSED, ev_signal *w, int revents UNUSED)
{
	struct running *run = TAGGED(running, w->data);

	reload_now(&run->s->reloading, "signal SIGHUP", NULL);
}

static void
begin_stop(struct running *run)
{
	server_notify("STOPPING=1");
	log_event(LOG_INFO, "stop.draining");
	atomic_store(&run->s->draining, true);
	group_self_changed(run->s->group);
	gate_helpers_hurry(run->s->shared);
	for (unsigned i = 0; i < run->s->nworkers; i++)
		worker_order(&run->s->workers[i], WORKER_DRAIN);
	ev_timer_start(run->loop, &run->drain_check);
}

static void
set_decides(struct server *s, bool decides)
{
	atomic_store(&s->decides, decides);
	group_self_changed(s->group);
}

/* The other instance decides from now on. */
static void
hand_away(void *running)
{
	struct running *run = TAGGED(running, running);

	run->s->front_of->handed(run->s->front);
	set_decides(run->s, false);
	begin_stop(run);
}

/* The other instance has reloaded after this instance began to load its policy, so the policy is
 * loaded again. */
static int
load_for_hand_over(void *running, struct buf *why)
{
	struct running *run = TAGGED(running, running);

	reload_taken(&run->s->reloading);
	return reload_refused(&run->s->reloading, why) ? ERR_SYNTAX : 0;
}

static void
tell_next(void *running, struct buf *out)
{
	gate_warned_put(TAGGED(running, running)->s->shared, out);
}

static void
told_by_older(void *running, struct span bytes)
{
	gate_warned_take(TAGGED(running, running)->s->shared, bytes);
}

static const struct handover_ops hand_over = { hand_away, load_for_hand_over, tell_next,
	told_by_older };

static void
on_term(struct ev_loop *loop, ev_signal *w, int revents UNUSED)
{
	struct running *run = TAGGED(running, w->data);
	bool draining = atomic_load(&run->s->draining);

	if (run->terms++) {
		log_event(LOG_WARN, "stop.forced",
			LS("why", "a second signal arrived: the daemon stops without waiting "
				  "for requests"));
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	handover_stop(&run->s->handover, SPAN_LIT("the daemon that decides was stopped"));
	if (!draining)
		begin_stop(run);
	for (unsigned i = 0; draining && i < run->s->nworkers; i++)
		worker_order(&run->s->workers[i], WORKER_END_SOCKETS);
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

/* Signals are caught from the first moment. So a signal during the start takes effect once the
 * daemon has started, and does not leave a half-started daemon with its sockets. */
static int
catch_signals(struct running *run)
{
	/* not the default loop, which would reap the admin server's children */
	run->loop = ev_loop_new(EVFLAG_AUTO);
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
	signal(SIGCHLD,
		SIG_DFL); /* if the parent ignored SIGCHLD, children could not be waited for */
#ifndef TG_SANITIZE	  /* the leak checker must trace the process */
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
#endif
	setrlimit(RLIMIT_CORE, &none);
	struct rlimit files;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur < files.rlim_max) {
		files.rlim_cur = files.rlim_max;
		setrlimit(RLIMIT_NOFILE, &files);
	}
}

/* Opens the agent's sockets, the relay's socket and one relay socket for each worker that has
 * its own. A socket that an older instance passed is used again. */
static int
open_sockets(struct starting *x, struct buf *why)
{
	const struct config *cfg = x->cfg;
	struct sockets *so = &x->so;
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
	for (; so->nown < x->s.nworkers && opens_own_relay(cfg, so->nown, &own, text);
		so->nown++) {
		int fd = listen_open(&own, 0660, cfg->socket_group, why);
		if (fd < 0)
			return ERR_IO;
		so->own_relay[so->nown] = fd;
	}
	return 0;
}

static void
close_sockets(struct starting *x)
{
	const struct config *cfg = x->cfg;
	struct sockets *so = &x->so;

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
		if (opens_own_relay(cfg, i, &own, text))
			listen_unlink(&own);
	}
}

/* Loads the key with which texts are hashed. Without records nobody compares the hashes, so a
 * random key is enough. */
static int
hash_key(const struct config *cfg, struct hashkey *out, struct buf *why)
{
	if (cfg->audit_hash_key)
		return hashkey_load(cfg->audit_hash_key, out, why);
	if (cfg->audit_key)
		return hashkey_derive(cfg->hash_key_of, out, why);
	randombytes_buf(out->key, sizeof(out->key));
	return 0;
}

/* Opens the sealed texts. If shares are lost, this is recorded once. */
static int
start_sealing(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;

	if (!cfg->nauditors)
		return 0;
	if (!(s->sealing = seal_store_open(cfg, why)))
		return ERR_IO;
	s->shares = s->sealing->shares;
	audit_keeps(s->audit, s->sealing->texts, s->shares);
	struct audit_entry *e = s->sealing->lost ? audit_entry_new() : NULL;
	if (e) {
		buf_printf(&e->fields,
			"\"type\":\"alarm\",\"how\":\"shares_lost\",\"shares\":%llu,\"why\":",
			(unsigned long long)s->sealing->lost);
		buf_json_str(&e->fields, buf_view(&s->sealing->lost_why));
		audit_append(s->audit, e);
	}
	return 0;
}

static void
carry_out_erasures(void *erasing)
{
	erasing_now(erasing);
}

/* Opens keys, overrides and erasures made at run time. Erasures that were ordered while this
 * daemon was down are carried out before it seals or serves anything. */
static int
start_live(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	unsigned char key[SHA256_BYTES];

	if (!cfg->state_key)
		return 0;
	if (cfg->state_required && access(cfg->state_file, F_OK) < 0) {
		buf_printf(why,
			"%s: %s, but state_required is set: without this file, an old Redis "
			"could make revoked keys valid again. Restore the file; for a new "
			"node, create it empty as the daemon's user: install -m 600 /dev/null "
			"%s",
			cfg->state_file, strerror(errno), cfg->state_file);
		return ERR_IO;
	}
	if (keyfile_derive(cfg->state_key, "tollgate-live-v1", key, why) < 0)
		return ERR_IO;
	s->live = live_open(cfg->state_file, config_part(cfg, CONFIG_OTHER)->state_file,
		cfg->node, key, &s->metrics, why);
	sodium_memzero(key, sizeof(key));
	s->erasing.live = s->live;
	s->erasing.shares = s->shares;
	s->erasing.audit = s->audit;
	s->erasing.journal = cfg->journal;
	if (other_chain_exists(&s->other_chain))
		s->erasing.other = &s->other_chain.erases;
	if (s->live)
		live_on_erasure(s->live, carry_out_erasures, &s->erasing);
	if (s->live && cfg->redis_url) {
		struct redis_options redis;
		if (config_redis(cfg, &redis) == 0)
			s->live_sync = live_sync_start(s->live, &redis, why);
		sodium_memzero(&redis, sizeof(redis));
	}
	if (s->live_sync)
		redis_service_await_first(live_sync_service(s->live_sync), LIVE_FIRST_US);
	erasing_now(&s->erasing);
	return s->live && (s->live_sync || !cfg->redis_url) ? 0 : ERR_IO;
}

/* Sessions of MCP and keys of probes are valid on all daemons with the same state_key. */
static int
share_sessions(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	unsigned char key[SHA256_BYTES];

	if (!cfg->state_key)
		return 0;
	if (keyfile_derive(cfg->state_key, "tollgate-mcp-session-v1", key, why) < 0)
		return ERR_IO;
	gate_shared_sessions(s->shared, key);
	if (keyfile_derive(cfg->state_key, PROBE_SECRET, key, why) < 0)
		return ERR_IO;
	gate_shared_probes(s->shared, key);
	sodium_memzero(key, sizeof(key));
	return 0;
}

/* Creates the response cache. Entries in Redis are shared by all daemons with the same
 * state_key. */
static int
start_cache(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	unsigned char key[SHA256_BYTES];

	randombytes_buf(key, sizeof(key));
	if (cfg->state_key && keyfile_derive(cfg->state_key, "tollgate-cache-v1", key, why) < 0)
		return ERR_IO;
	s->cache = cache_new(key, cfg->cache_max_bytes);
	sodium_memzero(key, sizeof(key));
	if (!s->cache)
		return ERR_NOMEM;
	gate_shared_cache(s->shared, s->cache);
	if (cfg->memo_bytes) {
		s->memo = cache_new(key, cfg->memo_bytes); /* the memo encrypts nothing */
		if (!s->memo)
			return ERR_NOMEM;
		gate_shared_memo(s->shared, s->memo);
	}
	return 0;
}

/* Daemons with the same key continue each other's conversations. Without a key, each daemon
 * continues only its own. */
static int
share_kept(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	const char *file = cfg->state_key ? cfg->state_key : cfg->redact_key_file;
	unsigned char key[SHA256_BYTES];

	if (!file)
		return 0;
	if (keyfile_derive(file, "tollgate-kept-v1", key, why) < 0)
		return ERR_IO;
	int err = gate_shared_kept(s->shared, key);
	sodium_memzero(key, sizeof(key));
	return err;
}

/* Appends the address of the console at which a browser elsewhere reaches it, or nothing. */
static void
put_console_address(const struct config *cfg, struct buf *out)
{
	const char *host = cfg->nadmin_hosts ? cfg->admin_hosts[0] : cfg->admin_tls.host;
	char name[256] = "";

	if (!cfg->admin_console || !cfg->has_admin_tls || !host)
		return;
	if (!strcmp(host, "0.0.0.0") || !strcmp(host, "::"))
		host = gethostname(name, sizeof(name) - 1) == 0 ? name : "";
	/* an address of this machine alone leads nowhere from another one */
	if (!host[0] || !strncmp(host, "127.", 4) || !strcmp(host, "::1"))
		return;
	bool v6 = strchr(host, ':') != NULL;
	buf_printf(out, "https://%s%s%s:%u/console/", v6 ? "[" : "", host, v6 ? "]" : "",
		cfg->admin_tls.port);
	buf_putc(out, '\0');
}

void
server_member(void *server, struct buf *out)
{
	struct server *s = server;

	if (!atomic_load(&s->decides) || atomic_load(&s->retired))
		return;
	SCOPED_BUF(console, 0);
	put_console_address(s->shared_cfg, &console);
	SCOPED_SNAPSHOT(snap, s);
	struct group_member m = { .policy = snap->policy->label,
		.version = snap->policy->version,
		.daemon = s->shared_cfg->first_node,
		.program = TG_VERSION,
		.file = snap->cfg->policy,
		.console = console.n ? buf_view(&console).p : NULL,
		.admin = s->shared_cfg->has_admin ? s->shared_cfg->admin.path : NULL };
	for (size_t i = s->shared_cfg->nagent; i-- > 0;)
		if (s->shared_cfg->agent[i].path)
			m.agent = s->shared_cfg->agent[i].path;
	aside_publish(s, &m);
	struct server_work work;
	server_work(s, &work);
	m.in_flight = work.in_flight;
	m.awaited = work.awaited;
	if (work.oldest.since_us) {
		m.oldest_id = work.oldest.id;
		m.oldest_s = (clock_mono_us() - work.oldest.since_us) / 1000000;
	}
	SCOPED_BUF(parts, 0);
	degraded_names(&s->degraded, &parts);
	m.degraded = buf_view(&parts);
	struct recheck_state verified = { .since_ns = 0 };
	if (s->rechecking)
		recheck_state(s->rechecking, &verified);
	m.verified_ns = verified.since_ns;
	struct follow_end end;
	if (s->audit && audit_end(s->audit, &end)) {
		m.records = end.seq;
		m.head = span_of(end.head, sizeof(end.head));
	}
	group_member_put(&m, out);
}

/* Starts the exchange of targets' health with other daemons. Ejected targets are known before
 * the first request. */
static int
start_sharing(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	struct redis_options redis;

	server_targets(s, NULL, NULL);
	if (!cfg->redis_url)
		return 0;
	if (config_redis(cfg, &redis) == 0)
		s->target_sync = target_sync_start(
			gate_targets(s->shared), cfg->node, &redis, &s->metrics, why);
	if (s->target_sync)
		s->group = group_start(cfg->node, &redis, server_member, s,
			group_trends_new(cfg->first_node, &s->sampling.trends), why);
	sodium_memzero(&redis, sizeof(redis));
	if (s->target_sync)
		target_sync_first(s->target_sync, LIVE_FIRST_US);
	return s->group ? 0 : ERR_IO;
}

static bool
newest_note(void *audit, struct buf *out, uint64_t *size)
{
	return audit_note(audit, out, size);
}

static void
append_anchor(void *audit, struct audit_entry *e)
{
	audit_append(audit, e);
}

static struct audit *
open_other(void *other_chain, struct buf *why)
{
	return other_chain_open(other_chain, why);
}

static void
close_other(void *other_chain)
{
	other_chain_close(other_chain);
}

static uint64_t
copied_of_other(void *other_chain)
{
	return other_chain_copied(other_chain);
}

static bool
keys_of_other(void *other_chain, struct keyring *out)
{
	return other_chain_keys(other_chain, out);
}

static struct recheck_chain
recheck_other(struct other_chain *o)
{
	return (struct recheck_chain){ o->cfg.journal, o->cfg.node, keys_of_other, o };
}

static int
start_retention(struct server *s, const struct config *cfg, struct buf *why)
{
	if (!cfg->retention || !s->audit)
		return 0;
	s->keep[CONFIG_OWN] = keep_start(cfg, s->audit, &s->metrics, why);
	if (!s->keep[CONFIG_OWN])
		return ERR_IO;
	if (!other_chain_exists(&s->other_chain))
		return 0;
	s->other_lender = (struct keep_lender){
		open_other, close_other, copied_of_other, &s->other_chain
	};
	s->keep[CONFIG_OTHER] = keep_start_other(
		&s->other_chain.cfg, &s->other_lender, &s->metrics, why);
	return s->keep[CONFIG_OTHER] ? 0 : ERR_IO;
}

bool
server_retention(const struct server *s, struct keep_state *out)
{
	*out = (struct keep_state){ .plain = 0 };
	for (unsigned i = 0; i < CONFIG_PARTS; i++)
		if (s->keep[i])
			keep_state_add(s->keep[i], out);
	return s->keep[CONFIG_OWN] != NULL;
}

/* Starts the threads that trim the journal, publish its checkpoints, cosign those of others and
 * index segments. They start after the workers, because at that time the journal is read for
 * the limits, and a segment must not be trimmed meanwhile. */
static int
start_keepers(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	const struct anchors_audit audit = { newest_note, append_anchor, s->audit };

	const bool other = other_chain_exists(&s->other_chain);
	const struct recheck_chain chains[] = {
		recheck_own(cfg->journal, cfg->node, s->audit), recheck_other(&s->other_chain)
	};

	if (start_retention(s, cfg, why) < 0)
		return ERR_IO;
	if (cfg->nanchors && s->audit &&
		!(s->anchors = anchors_start(cfg, &audit, &s->metrics, why)))
		return ERR_IO;
	if (cfg->witness_listen.path &&
		!(s->witnessing = witnessing_start(cfg, &s->metrics, why)))
		return ERR_IO;
	for (unsigned i = 0; s->audit && i < 1u + other; i++)
		if (!(s->indexing[i] = index_start(
			      config_part(cfg, i)->journal, &record_makers))) {
			buf_str(why, "the thread for indexes cannot be started");
			return ERR_NOMEM;
		}
	if (s->audit && !(s->rechecking = recheck_start(chains, 1 + other))) {
		buf_str(why, "the thread that verifies closed segments cannot be started");
		return ERR_NOMEM;
	}
	if (s->starts_from.fold && !(s->startpoints = startpoints_start(
					     cfg, s->audit, &s->starts_from, &s->metrics, why)))
		return ERR_NOMEM;
	return 0;
}

static unsigned
worker_count(const struct config *cfg)
{
	long n = cfg->workers ? (long)cfg->workers : sysconf(_SC_NPROCESSORS_ONLN);

	return n < 1 ? 1 : n > WORKERS_MAX ? WORKERS_MAX : (unsigned)n;
}

static struct redis_finder *
find_redis(
	const struct config *cfg, int (*options)(const struct config *, struct redis_options *))
{
	struct redis_options o;
	struct redis_finder *f = options(cfg, &o) ? NULL : redis_finder_new(&o);

	explicit_bzero(&o, sizeof(o));
	return f;
}

/* Creates the workers, restores the usage of limits from the journal, and only then starts the
 * threads, because a worker must not decide before its limits are known. */
static int
start_workers(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;
	const struct sockets *so = &x->so;

	if (cfg->redis_url && !(s->finder = find_redis(cfg, config_redis)))
		goto nomem;
	if (cfg->cache_redis && !(s->cache_finder = find_redis(cfg, config_cache_redis)))
		goto nomem;
	s->quota_daemon.node = span_hash(span_str(cfg->node));
	s->quota_daemon.process = redis_life_draw();
	/* First the loops and mailboxes, because the in-process quota table lives with worker
	 * 0. With Redis, the table has what this daemon spends while Redis is unavailable. */
	for (unsigned i = 0; i < s->nworkers; i++) {
		if (i == 0) {
			s->table = quota_table_new(&s->workers[0].mail);
			if (!s->table)
				goto nomem;
		}
		if (worker_init(&s->workers[i], i, cfg, s->shared, s->snap, s->table, s->finder,
			    s->cache_finder) < 0)
			goto nomem;
		if (s->audit && s->workers[i].redis)
			redis_ballast(s->workers[i].redis, audit_ballast(s->audit));
		quota_together(gate_quota(s->workers[i].gate), s->nworkers, cfg->redis_daemons);
		quota_beside(gate_quota(s->workers[i].gate), &s->quota_daemon, i);
	}
	server_notify("STATUS=reading the journal for the usage of limits");
	if (cfg->journal &&
		recall_read(&s->recall, &s->starts_from, &s->adopting.after, cfg, s->audit,
			s->table, quota_ledger_of(gate_quota(s->workers[0].gate)), s->shares,
			s->live ? live_node_settled(s->live, cfg->node) : 0, &s->metrics, why) < 0)
		return ERR_IO;
	for (unsigned i = 0; i < s->nworkers; i++)
		if (worker_listen(&s->workers[i], so->relay,
			    i < so->nown ? so->own_relay[i] : -1) < 0 ||
			worker_start(&s->workers[i]) < 0)
			goto nomem;
	recall_settle(&s->recall, &s->workers[0], s->audit);
	return 0;
nomem:
	buf_str(why, "a worker cannot start: memory or descriptors are exhausted; check the "
		     "limits of the service");
	return ERR_NOMEM;
}

static void
log_started(const struct server *s, const struct config *cfg)
{
	const struct policy *p = s->snap->policy;

	log_event(LOG_INFO, "started", LS("version", TG_VERSION), LS("node", cfg->node),
		LS("policy", p->label), LS("mode", p->shadow ? "shadow" : "enforce"),
		LI("routes", p->nroutes), LI("rules", p->nall_rules),
		LI("workers", s->nworkers));
	if (p->shadow)
		log_event(LOG_WARN, "shadow",
			LS("note",
				"denials and redactions by rules are recorded but not "
				"enforced: set mode: enforce in the policy to enforce them"));
	if (!cfg->redis_url && p->nlimits)
		log_event(LOG_WARN, "quota.local",
			LS("note", "redis.url is not set, so this process alone counts limits: "
				   "set redis.url to share them"));
	if (!detect_jit(s->snap->rules))
		log_event(LOG_WARN, "detect.slow",
			LS("note", "PCRE2 may not run the code that it compiles, so patterns "
				   "run slower: check MemoryDenyWriteExecute="));
	if (!s->audit)
		log_event(LOG_WARN, "audit.off",
			LS("note", "the configuration has no audit section, so decisions are "
				   "not recorded: add one to record them"));
}

/* Ends the requests in flight. After a drain there are none. After a forced stop or a failed
 * start they end and are recorded now, while everything on which they wait still answers. */
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
		LS("why", "these requests did not end in time: the daemon stops without them"));
}

/* Closes the chain, then writes the start checkpoint, which includes the end of the chain. */
static void
stop_audit(struct starting *x)
{
	struct server *s = &x->s;
	struct follow_end end;

	if (s->audit)
		audit_finish(s->audit, &end);
	startpoints_stop(&s->startpoints, &end);
	startpoints_from_free(&s->starts_from);
	if (other_chain_exists(&s->other_chain))
		other_chain_free(&s->other_chain);
	audit_stop(&s->audit);
}

static void
stop_workers(struct starting *x)
{
	struct server *s = &x->s;

	end_in_flight(s);
	for (unsigned i = 0; i < s->nworkers; i++)
		if (s->workers[i].running)
			worker_order(&s->workers[i], WORKER_STOP);
	for (unsigned i = 0; i < s->nworkers; i++)
		if (s->workers[i].running)
			pthread_join(s->workers[i].thread, NULL);
}

/* Tries a target again at once if its credential has changed. */
static void
on_credential(void *targets, const char *provider)
{
	target_reloaded(targets, provider);
}

static bool
all_have_redis(const struct server *s)
{
	bool all = true;

	for (unsigned i = 0; i < s->nworkers; i++)
		all = all &&
		      atomic_load_explicit(&s->workers[i].redis_ok, memory_order_relaxed);
	return all;
}

/* Returns true if this instance may take over: it can write its journal, and each worker has
 * reached Redis. Otherwise the other instance, which may have both, keeps deciding. The record
 * of this start was handed to the journal before. */
static bool
may_take(const struct server *s, struct buf *why)
{
	uint64_t until_us = clock_mono_us() + TAKE_REDIS_US;
	bool redis;

	while (!(redis = all_have_redis(s)) && clock_mono_us() < until_us)
		usleep(1000);
	const char *away = s->audit ? audit_away(s->audit) : NULL;
	if (away)
		audit_away_put(s->audit, why);
	else if (!redis)
		buf_str(why, "Redis does not respond to the new instance: check redis.url and "
			     "the network");
	return !away && redis;
}

/* ---- the rows ---- */

static int
join_instances(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;

	s->nworkers = worker_count(x->cfg);
	s->workers = calloc(s->nworkers, sizeof(*s->workers));
	s->handover.cfg = x->cfg;
	s->handover.workers = s->workers;
	s->handover.nworkers = s->nworkers;
	int err = handover_join(&s->handover, x->take, why);
	if (err)
		x->code = EXIT_ANOTHER_DECIDES;
	return err;
}

static void
drop_snapshots(struct starting *x)
{
	snapshot_unref(&x->first);
	snapshot_unref(&x->s.snap);
}

static int
start_figures(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	const struct config *cfg = x->cfg;

	log_setup(cfg->log_format, cfg->log_level);
	log_send_to(cfg->log_to, NULL);
	s->series = series_sum_new();
	s->cached_shares = cached_shares_new();
	if (log_start() < 0 || !s->workers || !s->series || !s->cached_shares)
		return ERR_NOMEM;
	int err = hash_key(cfg, &x->hash, why);
	if (!err)
		clock_begin(s);
	return err;
}

static void
free_figures(struct starting *x)
{
	sodium_memzero(&x->hash, sizeof(x->hash));
	free(x->s.workers);
	series_sum_free(&x->s.series);
	cached_shares_free(&x->s.cached_shares);
	sampling_free(&x->s.sampling);
}

static void
end_figures(struct starting *x)
{
	sampling_end(&x->s);
}

static int
start_audit(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;

	if (x->cfg->journal) {
		s->audit = audit_start(
			x->cfg, x->first->policy->version, &x->hash, &s->metrics, why);
		if (!s->audit)
			return ERR_IO;
		/* fleet_look() continues the copying, unless the node is retired */
		audit_stream_pause(s->audit, x->cfg->state_key && x->cfg->redis_url);
		other_chain_init(&s->other_chain, x->cfg, &x->hash);
	}
	reload_announce(&s->reloading, s, &x->read, &x->policy);
	return 0;
}

static int
start_gate(struct starting *x, struct buf *why UNUSED)
{
	x->s.shared = gate_shared_new(x->cfg, x->s.audit, x->hash.key);
	return x->s.shared ? 0 : ERR_NOMEM;
}

static void
free_gate(struct starting *x)
{
	cache_free(&x->s.cache);
	cache_free(&x->s.memo);
	gate_shared_free(&x->s.shared);
}

static void
close_stores(struct starting *x)
{
	seal_store_close(&x->s.sealing);
	live_close(&x->s.live);
	tool_pins_free(&x->s.pinning.pins);
}

static int
start_telling(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;

	gate_shared_live(s->shared, s->live);
	if (s->sealing)
		gate_shared_seals(
			s->shared, s->sealing->seals, s->sealing->shares, s->sealing->texts);
	return telling_start(s, x->cfg, why);
}

static void
stop_telling(struct starting *x)
{
	telling_stop(&x->s);
}

static int
start_helpers(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;
	int err = pinning_start(s, why);

	if (err)
		return err;
	auths_tell(s->auths, on_credential, gate_targets(s->shared));
	return gate_helpers_start(s->shared);
}

/* Stops the threads that exchange data with providers, Redis and other daemons. */
static void
stop_helpers(struct starting *x)
{
	struct server *s = &x->s;

	auths_stop(s->auths);
	live_sync_stop(&s->live_sync);
	tool_pins_sync_stop(&s->pinning.sync);
	target_sync_stop(&s->target_sync);
	group_stop(&s->group);
	gate_helpers_stop(s->shared);
}

static void
free_workers(struct starting *x)
{
	struct server *s = &x->s;

	for (unsigned i = 0; s->workers && i < s->nworkers; i++)
		worker_free(&s->workers[i]);
	quota_table_free(&s->table);
	redis_finder_free(&s->finder);
	redis_finder_free(&s->cache_finder);
}

static void
stop_keepers(struct starting *x)
{
	struct server *s = &x->s;

	witnessing_stop(&s->witnessing);
	anchors_stop(&s->anchors);
	for (unsigned i = 0; i < CONFIG_PARTS; i++) {
		keep_stop(&s->keep[i]);
		index_stop(&s->indexing[i]);
	}
	recheck_stop(&s->rechecking);
}

static int
start_front(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;

	if (telling_run(s, why) < 0 ||
		reload_init(&s->reloading, s, x->run.loop, x->d, &x->read, s->started_wall_ns) <
			0 ||
		sampling_start(s) < 0 || !(s->front = s->front_of->start(x->cfg, s, why)))
		return ERR_IO;
	auths_first(s->auths, AUTHS_FIRST_US);
	log_started(s, x->cfg);
	observing_again(s);
	degraded_start(&s->degraded, s);
	looks_begin(&s->looks, s, x->run.loop);
	/* before the first connection of HAProxy */
	fleet_look(s);
	if (atomic_load(&s->retired))
		aside_look(s);
	return 0;
}

static void
stop_front(struct starting *x)
{
	struct server *s = &x->s;

	reload_stop(&s->reloading);
	looks_end(&s->looks);
	degraded_stop(&s->degraded);
	extract_health_stop(&s->files);
	s->front_of->stop(s->front);
	s->front = NULL;
	reload_free(&s->reloading);
	keysets_stop(s->keysets);
}

static int
take_over(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;

	if (handover_joined(&s->handover) && !may_take(s, why))
		return ERR_IO;
	priority_regain(); /* the other instance's connections wait from here on */
	if (handover_take(&s->handover, x->so.agent, x->so.nagent, why) < 0) {
		x->code = EXIT_ANOTHER_DECIDES;
		return ERR_IO;
	}
	set_decides(s, true);
	reload_decides(&s->reloading);
	/* the older instance has gone, so systemd must start this one again after this exit
	 * code */
	if (s->front_of->serve(s->front, why) < 0) {
		x->code = 1;
		return ERR_IO;
	}
	handover_serve(&s->handover);
	listen_close_unused();
	server_notify("READY=1\nSTATUS=");
	return 0;
}

static void
stop_handover(struct starting *x)
{
	handover_stop(
		&x->s.handover, x->why.n ? x->why : SPAN_LIT("the daemon that decides stops"));
}

static int
start_adopting(struct starting *x, struct buf *why)
{
	return adopting_start(&x->s.adopting, &x->s, why);
}

static void
stop_adopting(struct starting *x)
{
	adopting_stop(&x->s.adopting);
}

/* The rows. A stop function has a row of its own if parts that start before or after need what
 * it stops. A stop function must cope with a part that was not started. */
static const struct {
	/* returns 0, or an error with *why */
	int (*start)(struct starting *x, struct buf *why);
	void (*stop)(struct starting *x);
} daemon_rows[] = {
	/* clang-format off */
	{ NULL,           drop_snapshots },
	{ NULL,           close_sockets },
	{ join_instances, NULL },
	{ start_figures,  free_figures },
	{ start_audit,    NULL },
	{ NULL,           close_stores }, /* the gate uses the stores to its end */
	{ start_gate,     free_gate },
	{ start_sealing,  NULL },
	{ start_live,     NULL },
	{ share_sessions, NULL },
	{ start_cache,    NULL },
	{ share_kept,     NULL },
	{ start_sharing,  NULL },
	{ NULL,           free_workers }, /* the audit thread answers to workers */
	{ start_telling,  stop_telling },
	{ NULL,           stop_audit },   /* all parts below write records */
	{ NULL,           stop_keepers },
	{ start_helpers,  stop_helpers }, /* requests in flight wait for the helpers */
	{ open_sockets,   NULL },
	{ NULL,           end_figures },  /* counts of requests that ended with the workers */
	{ start_workers,  stop_workers },
	{ start_keepers,  NULL },
	{ start_front,    stop_front },
	{ take_over,      stop_handover },
	{ start_adopting, stop_adopting },
	/* clang-format on */
};

/* Leaves the processor to the other instance, if one serves, until this one takes over. */
static void
yield_to_other(const char *config_file)
{
	SCOPED_ARENA(a, 0, false);
	SCOPED_DIAG(unused); /* snapshot_load() reports the mistakes */
	const struct config *cfg = config_load(&a, config_file, &unused);
	if (cfg && handover_other_decides(cfg))
		priority_yield();
}

/* Loads the configuration. Returns 0, or an error; *why and `code` are set if the configuration
 * is invalid. */
static int
load_first(struct starting *x, struct buf *why)
{
	struct server *s = &x->s;

	handover_init(&s->handover, x->run.loop, &s->draining, &hand_over, &x->run);
	s->handover.loaded_us = s->started_us;
	yield_to_other(s->config_file);
	s->snap = first_policy_load(
		s->config_file, WORKERS_MAX, s->keysets, &x->policy, &x->read, x->d);
	if (s->snap && snapshot_credentials(s->snap, s->auths, x->d) < 0)
		snapshot_unref(&s->snap);
	if (!s->snap) {
		fprintf(stderr, "%.*s", SPAN_ARG(buf_view(&x->d->text)));
		buf_printf(why,
			"%s: the configuration has %u mistakes, which are printed "
			"above",
			s->config_file, x->d->errors);
		x->code = 1;
		return ERR_SYNTAX;
	}
	if (snapshot_use(s->snap) < 0) {
		snapshot_unref(&s->snap);
		return ERR_NOMEM;
	}
	x->first = snapshot_ref(s->snap);
	x->cfg = s->shared_cfg = x->first->cfg;
	return 0;
}

/* Starts the daemon, runs it, and stops what was started. */
static void
run_daemon(struct starting *x, struct buf *why)
{
	size_t i = 0;

	while (i < COUNT_OF(daemon_rows) &&
		(!daemon_rows[i].start || daemon_rows[i].start(x, why) == 0))
		i++;
	if (i == COUNT_OF(daemon_rows)) {
		ev_run(x->run.loop, 0);
		x->code = 0;
	}
	if (why->n)
		x->why = buf_view(why);
	for (i = COUNT_OF(daemon_rows); i-- > 0;)
		if (daemon_rows[i].stop)
			daemon_rows[i].stop(x);
}

int
server_run(const char *config_file, bool take, const struct server_front *front)
{
	struct starting x = { .s = { .config_file = config_file,
				      .degraded.lock = PTHREAD_MUTEX_INITIALIZER,
				      .aside.lock = PTHREAD_MUTEX_INITIALIZER,
				      .erasing.lock = PTHREAD_MUTEX_INITIALIZER,
				      .erasing.telling = PTHREAD_MUTEX_INITIALIZER,
				      .front_of = front,
				      .started_us = clock_mono_us(),
				      .started_wall_ns = clock_wall_ns() },
		.so = { .relay = -1 },
		.run = { .s = &x.s },
		.take = take,
		.code = 2 };
	SCOPED_DIAG(d);
	SCOPED_BUF(why, 4096);

	x.d = &d;
	mem_begin();
	harden();
	file_set_init(&x.read);
	first_policy_init(&x.policy);
	pthread_mutex_init(&x.s.lock, NULL);
	x.s.keysets = keysets_new(&x.s.metrics);
	x.s.auths = auths_new(&x.s.metrics);
	if (x.s.keysets && x.s.auths && catch_signals(&x.run) == 0 && load_first(&x, &why) == 0)
		run_daemon(&x, &why);
	file_set_free(&x.read);
	first_policy_free(&x.policy);
	keysets_free(&x.s.keysets);
	auths_free(&x.s.auths);
	if (x.run.loop)
		ev_loop_destroy(x.run.loop);
	if (!x.code)
		log_event(LOG_INFO, "stopped");
	log_stop(LOG_STOP_US);
	if (x.code && !why.n)
		buf_str(&why, "out of memory, threads or descriptors");
	if (x.code)
		fprintf(stderr, "tollgate: serve: %.*s\n", SPAN_ARG(buf_view(&why)));
	return x.code;
}
