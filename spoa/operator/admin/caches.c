/* Shows and purges the response cache, and removes entries of persons for erasures.
 *
 * A job runs on a thread of its own: STATS and PURGE while the connection of their request is
 * suspended, FORGET without a connection. At most two jobs of a kind run at the same
 * time, and one FORGET. A FORGET that is ordered while one runs is done by the running thread
 * afterwards. */
#include "operator/admin/caches.h"

#include <pthread.h>
#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/codec/json_text.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_life.h"
#include "base/redis/redis_sync.h"
#include "base/scoped.h"
#include "base/wall.h"
#include "gate/cache/purge.h"
#include "gate/engine/gate.h"
#include "gate/sources/kept.h"
#include "gate/snapshot.h"
#include "operator/admin/change.h"
#include "operator/server/server.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/route.h"

enum { AT_ONCE = 2 /* jobs of a kind */, RETRY_S = 5 };
#define ANSWER_US 1000000u
#define PURGE_US  100000000u /* less than the two minutes that commands wait */

enum job_kind { JOB_STATS, JOB_PURGE, JOB_FORGET, JOB_KINDS };

/* A job with a connection. owner: the job's thread while the connection is suspended, otherwise
 * the connection's */
struct cache_job {
	struct asking *q;
	struct caches *all;
	enum job_kind kind;
	unsigned status;
	struct buf out;
};

/* Counts of running jobs, guarded by `lock`; `ended` is signaled when one ends. */
struct caches {
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned running[JOB_KINDS];
	bool forgets_again; /* an erasure was ordered after the running job had read the list */
	atomic_bool stopping;
};

/* ---- Redis ---- */

/* Connections to every Redis server that holds entries. */
struct cache_servers {
	redisContext *at[REDIS_NODES_MAX];
	int n;
};

/* Connects to all servers that hold entries, or to none if the entries are in this process.
 * Returns false with *why if a server does not answer. */
static bool
dial_cache(struct server *s, struct cache_servers *to, struct buf *why)
{
	to->n = 0;
	if (s->cache_finder)
		to->n = redis_dial_all(
			redis_finder_options(s->cache_finder), ANSWER_US, to->at, why);
	return to->n >= 0;
}

static void
hang_up_cache(struct cache_servers *to)
{
	while (to->n > 0)
		redisFree(to->at[--to->n]);
}

/* ---- stats ---- */

/* Sums over the servers. */
struct cache_room {
	uint64_t entries, bytes, max_bytes;
	char evicts[32];
};

/* Adds what one server reports. DBSIZE counts all keys: only a SCAN of the whole keyspace would
 * count entries alone. */
static bool
ask_room(redisContext *c, struct cache_room *room, struct buf *why)
{
	redisReply *size = redis_ask(c, "DBSIZE"), *info = redis_ask(c, "INFO memory");
	bool ok = size && size->type == REDIS_REPLY_INTEGER && info &&
		  info->type == REDIS_REPLY_STRING;

	if (ok) {
		struct span text = span_of(info->str, info->len);
		uint64_t bytes = redis_life_used(text), max_bytes = 0;
		ok = bytes && !span_u64(redis_info_value(text, "maxmemory"), &max_bytes);
		room->entries += (uint64_t)size->integer;
		room->bytes += bytes;
		room->max_bytes += max_bytes;
		snprintf(room->evicts, sizeof(room->evicts), "%.*s",
			SPAN_ARG(redis_info_value(text, "maxmemory_policy")));
	}
	if (!ok) {
		const redisReply *bad = size && size->type == REDIS_REPLY_ERROR ? size : info;
		buf_str(why,
			bad && bad->type == REDIS_REPLY_ERROR ? bad->str : redis_sync_error(c));
	}
	freeReplyObject(size);
	freeReplyObject(info);
	return ok;
}

/* Returns the number of routes of the policy in force that have a cache. */
static uint64_t
cached_routes(struct server *s)
{
	SCOPED_SNAPSHOT(snap, s);
	uint64_t n = 0;

	for (size_t i = 0; i < snap->policy->nroutes; i++)
		n += snap->policy->routes[i].cache.ttl_us > 0;
	return n;
}

static void
put_room(struct buf *out, const char *entries, const struct cache_room *room)
{
	json_put_uint(out, entries, room->entries);
	json_put_form(out, "'bytes':%u,'max_bytes':%u", room->bytes, room->max_bytes);
}

static void
run_stats(struct cache_job *j)
{
	struct server *s = j->q->server;
	struct cache_servers to;
	struct cache_room room = { 0 };

	SCOPED_BUF(why, 4096);
	json_put_form(&j->out, "{'where':%s", s->cache_finder ? "redis" : "process");
	if (!s->cache_finder) {
		const struct cache_size size = cache_size(s->cache);
		room = (struct cache_room){ size.entries, size.bytes,
			s->shared_cfg->cache_max_bytes, "" };
		put_room(&j->out, "entries", &room);
	} else {
		char url[REDIS_URL_TEXT_MAX];
		redis_url_text(&redis_finder_options(s->cache_finder)->url, url);
		json_put_str(&j->out, "redis", url);
		bool ok = dial_cache(s, &to, &why);
		for (int i = 0; ok && i < to.n; i++)
			ok = ask_room(to.at[i], &room, &why);
		hang_up_cache(&to);
		if (ok) {
			put_room(&j->out, "keys", &room);
			json_put_str(&j->out, "maxmemory_policy", room.evicts);
		} else {
			json_put_text(&j->out, "away", buf_view(&why));
		}
	}
	json_put_uint(&j->out, "routes", cached_routes(s));
	server_cached(s, &j->out);
	buf_str(&j->out, "}\n");
}

/* ---- purge ---- */

/* Parameters of a purge, which its record has too. */
static const char *const purge_names[] = { "route", "person", "older" };

static bool
purge_fits(const json_t *in)
{
	bool all = json_is_true(json_object_get(in, "all")), some = false;

	for (size_t i = 0; i < COUNT_OF(purge_names); i++)
		some |= json_str_in(in, purge_names[i]) != NULL;
	return some != all;
}

static bool
make_cache_purge(struct change *c, json_t **before UNUSED, json_t **after)
{
	char id[64] = "";

	*after = json_object();
	for (size_t i = 0; i < COUNT_OF(purge_names); i++) {
		json_t *v = json_object_get(c->in, purge_names[i]);
		size_t n = strlen(id);
		if (!json_is_string(v))
			continue;
		json_object_set(*after, purge_names[i], v);
		snprintf(id + n, sizeof(id) - n, "%s%s", n ? ", " : "", purge_names[i]);
	}
	/* The id is also logged, so it has only the names of parameters, no values. */
	json_object_set_new(*after, "id", json_string(id[0] ? id : "all"));
	return change_sign(c, *after);
}

static const struct change_row cache_purge_row = { "cache", 0, "purge", make_cache_purge,
	NULL };

/* Adds a note if the policy in force has no such route. The route may be that of an earlier
 * policy, so the purge is not refused. */
static void
note_route(struct server *s, const char *route, json_t *answer)
{
	SCOPED_SNAPSHOT(snap, s);
	struct nearest near = nearest_to(span_str(route));

	for (size_t i = 0; i < snap->policy->nroutes; i++)
		if (nearest_is(&near, snap->policy->routes[i].name))
			return;
	json_object_set_new(answer, "note",
		json_sprintf("the policy in force has no route %s%s; if an earlier policy had "
			     "it, its entries were purged",
			route, nearest_hint(&near)));
}

/* Purges entries on each server. Returns 0, or negative with *why. */
static int
purge_servers(struct caches *all, struct cache_servers *to, const struct cache_purge *p,
	uint64_t until_us, struct cache_purged *done, struct buf *why)
{
	int err = 0;

	for (int i = 0; i < to->n && !err; i++)
		err = cache_redis_purge(to->at[i], p, &all->stopping, until_us, done, why);
	return err;
}

/* Purges this process's entries first and then those of each Redis server. If a server fails,
 * the answer states how many entries were purged before; a purge can be repeated. */
static void
do_purge(struct cache_job *j, struct cache_servers *to)
{
	struct server *s = j->q->server;
	const json_t *in = j->q->in;
	const char *route = json_str_in(in, "route"), *person = json_str_in(in, "person"),
		   *older = json_str_in(in, "older");
	unsigned char route_name[CACHE_NAME_BYTES], who[CACHE_NAME_BYTES];
	struct cache_purge p = { .route = route ? route_name : NULL,
		.who = person ? who : NULL };
	struct cache_purged done = { 0 };
	uint64_t us = 0;

	SCOPED_BUF(why, 4096);
	json_t *answer = json_loadb(buf_view(&j->out).p, j->out.n, 0, NULL);
	if (route)
		cache_name(
			cache_keys(s->cache), CACHE_NAMED_ROUTE, span_str(route), route_name);
	if (person)
		cache_name(cache_keys(s->cache), CACHE_NAMED_WHO, span_str(person), who);
	if (older && !duration_parse(span_str(older), &us))
		p.before_ms = (wall_least_ns() - (int64_t)us * 1000) / 1000000;
	done.purged = cache_purge(s->cache, &p);
	int err = purge_servers(j->all, to, &p, clock_mono_us() + PURGE_US, &done, &why);
	log_event(err || done.failed ? LOG_WARN : LOG_INFO, "cache.purged",
		LI("entries", done.purged), LI("failed", done.failed),
		LSP("why", buf_view(&why)));
	if (err) {
		json_decref(answer);
		j->status = calls_error(&j->out, MHD_HTTP_SERVICE_UNAVAILABLE,
			"%llu entries were purged before Redis failed: %.*s: repeat the purge",
			(unsigned long long)done.purged, SPAN_ARG(buf_view(&why)));
		return;
	}
	json_object_set_new(answer, "purged", json_integer((json_int_t)done.purged));
	json_object_set_new(answer, "failed", json_integer((json_int_t)done.failed));
	if (done.failed)
		json_object_set_new(answer, "why", json_stringn(why.p, why.n));
	if (route)
		note_route(s, route, answer);
	j->status = calls_json(&j->out, answer);
}

/* Records the purge, then performs it. If a Redis is unavailable, neither is done. */
static void
run_purge(struct cache_job *j)
{
	struct server *s = j->q->server;
	struct cache_servers to;

	SCOPED_BUF(why, 4096);
	if (!dial_cache(s, &to, &why)) {
		j->status = calls_error(&j->out, MHD_HTTP_SERVICE_UNAVAILABLE,
			"nothing was purged, because the Redis of the response cache does not "
			"respond: %.*s: repeat the purge once it does",
			SPAN_ARG(buf_view(&why)));
		return;
	}
	j->status = change_call(&cache_purge_row, s, &j->q->peer, j->q->in, &j->out);
	if (j->status == MHD_HTTP_OK)
		do_purge(j, &to);
	hang_up_cache(&to);
}

/* ---- the thread ---- */

static bool
job_begins(struct caches *all, enum job_kind kind)
{
	SCOPED_LOCK(&all->lock);
	bool may = !atomic_load(&all->stopping) &&
		   all->running[kind] < (kind == JOB_FORGET ? 1 : AT_ONCE);
	all->forgets_again |= kind == JOB_FORGET;
	all->running[kind] += may;
	return may;
}

static void
job_ended(struct caches *all, enum job_kind kind)
{
	SCOPED_LOCK(&all->lock);
	all->running[kind]--;
	pthread_cond_broadcast(&all->ended);
}

/* ---- erasures ---- */

/* Connects to all servers that hold tables of placeholders, or to none if the tables are only
 * in this process. */
static bool
dial_kept(struct server *s, struct cache_servers *to, struct buf *why)
{
	to->n = 0;
	if (s->finder && kept_tables_shared(gate_kept(s->shared)))
		to->n = redis_dial_all(redis_finder_options(s->finder), ANSWER_US, to->at, why);
	return to->n >= 0;
}

/* The two parts that hold data of a person: stored responses, and tables of placeholders
 * (gate/sources/kept.h). */
static const struct forgotten_part {
	const char *event, *prefix;
	bool (*dial)(struct server *s, struct cache_servers *to, struct buf *why);
} forgotten_parts[LIVE_PARTS] = {
	[LIVE_CACHE] = { "cache.erased", NULL, dial_cache },
	[LIVE_PLACEHOLDERS] = { "placeholders.erased", KEPT_REDIS_PREFIX, dial_kept },
};
_Static_assert((int)LIVE_NAME_BYTES == (int)CACHE_NAME_BYTES, "orders have names of this "
							      "length");

static struct cache *
cache_of_part(struct server *s, enum live_part part)
{
	return part == LIVE_CACHE ? s->cache : kept_tables_cache(gate_kept(s->shared));
}

void
caches_name(struct server *s, enum live_part part, struct span person,
	unsigned char out[LIVE_NAME_BYTES])
{
	cache_name(cache_keys(cache_of_part(s, part)), CACHE_NAMED_WHO, person, out);
}

static void
forget_here(void *server, enum live_part part, const unsigned char name[LIVE_NAME_BYTES])
{
	const struct server *s = server;

	cache_purge(cache_of_part(server, part), &(struct cache_purge){ .who = name });
	if (s->memo) /* its entries have no owner */
		cache_purge(s->memo, &(struct cache_purge){ .who = NULL });
	caller_tokens_forget(s->auths);
}

static int
forget_there(void *server, enum live_part part, const unsigned char name[LIVE_NAME_BYTES],
	struct buf *why)
{
	const struct forgotten_part *f = &forgotten_parts[part];
	const struct cache_purge p = { .who = name, .prefix = f->prefix };
	struct cache_purged done = { 0 };
	struct server *s = server;
	struct cache_servers to;

	/* no deadline: nobody waits for the result, and a large cache takes long */
	int err = f->dial(s, &to, why)
			  ? purge_servers(s->caches, &to, &p, UINT64_MAX, &done, why)
			  : ERR_IO;
	hang_up_cache(&to);
	if (err || done.failed)
		return ERR_IO;
	log_event(LOG_INFO, f->event, LI("entries", done.purged));
	return 0;
}

static bool
forgets_on(struct caches *all)
{
	SCOPED_LOCK(&all->lock);
	bool on = all->forgets_again && !atomic_load(&all->stopping);
	all->forgets_again = false;
	if (!on) {
		all->running[JOB_FORGET] = 0;
		pthread_cond_broadcast(&all->ended);
	}
	return on;
}

static void *
run_forgetting(void *server)
{
	struct server *s = server;

	while (forgets_on(s->caches))
		erasing_forget(&s->erasing);
	return NULL;
}

static void
forget_soon(void *server)
{
	struct server *s = server;
	pthread_t thread;

	if (!job_begins(s->caches, JOB_FORGET))
		return; /* a thread is running and will do it, or the daemon is stopping */
	if (thread_start(&thread, "tg-cache", run_forgetting, s) == 0) {
		pthread_detach(thread);
		return;
	}
	job_ended(s->caches, JOB_FORGET);
	log_event(LOG_ERROR, "cache.not_erased",
		LS("why", "no thread could be started; the daemon will try again"));
}

const struct erasing_caches caches_of_erasures = { forget_here, forget_there, forget_soon };

void
caches_wait_forgotten(struct caches *all, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	int late = 0;

	if (!all)
		return;
	SCOPED_LOCK(&all->lock);
	while (all->running[JOB_FORGET] && !late)
		late = pthread_cond_timedwait(&all->ended, &all->lock, &until);
}

static void *
run_cache_job(void *arg)
{
	static void (*const runs[JOB_FORGET])(struct cache_job * j) = { run_stats, run_purge };
	struct cache_job *j = arg;
	struct caches *all = j->all;
	const enum job_kind kind = j->kind;

	runs[kind](j);
	/* the connection's thread owns *j from here on */
	MHD_resume_connection(j->q->connection);
	job_ended(all, kind);
	return NULL;
}

static void
drop_cache_job(void *state)
{
	struct cache_job *j = state;

	buf_free(&j->out);
	free(j);
}

static enum MHD_Result
begin_cache_job(struct asking *q, enum job_kind kind)
{
	struct cache_job *j = q->state = calloc(1, sizeof(*j));
	pthread_t thread;

	if (!j)
		return MHD_NO;
	q->drop = drop_cache_job;
	*j = (struct cache_job){
		.q = q, .all = admin_caches(q->admin), .kind = kind, .status = MHD_HTTP_OK
	};
	buf_init(&j->out, 64 << 10);
	if (!job_begins(j->all, kind)) {
		q->retry_after_s = RETRY_S;
		return asking_refuse(q, MHD_HTTP_SERVICE_UNAVAILABLE,
			"two such requests are already "
			"running: try again after Retry-After seconds");
	}
	/* Suspend first, because the thread may finish before thread_start() returns. */
	MHD_suspend_connection(q->connection);
	if (thread_start(&thread, "tg-cache", run_cache_job, j) == 0) {
		pthread_detach(thread);
		return MHD_YES;
	}
	j->status =
		calls_error(&j->out, MHD_HTTP_SERVICE_UNAVAILABLE, "%s", err_str(ERR_NOMEM));
	MHD_resume_connection(q->connection);
	job_ended(j->all, kind);
	return MHD_YES;
}

static enum MHD_Result
answer_cache_job(struct asking *q)
{
	const struct cache_job *j = q->state;

	return asking_answer(q, j->status, &j->out);
}

enum MHD_Result
caches_stats(struct asking *q)
{
	return q->state ? answer_cache_job(q) : begin_cache_job(q, JOB_STATS);
}

enum MHD_Result
caches_purge(struct asking *q)
{
	if (q->state)
		return answer_cache_job(q);
	if (!purge_fits(q->in))
		return asking_refuse(q, MHD_HTTP_BAD_REQUEST,
			"give one or more of route, person and older, or give all: true alone");
	return begin_cache_job(q, JOB_PURGE);
}

/* ---- creation and end ---- */

struct caches *
caches_new(void)
{
	struct caches *all = calloc(1, sizeof(*all));

	if (!all)
		return NULL;
	pthread_mutex_init(&all->lock, NULL);
	cond_init(&all->ended);
	return all;
}

void
caches_stop(struct caches *all)
{
	if (!all)
		return;
	SCOPED_LOCK(&all->lock);
	atomic_store(&all->stopping, true);
	for (int kind = 0; kind < JOB_KINDS; kind++)
		while (all->running[kind])
			pthread_cond_wait(&all->ended, &all->lock);
}

void
caches_free(struct caches **ap)
{
	struct caches *all = *ap;

	if (!all)
		return;
	pthread_cond_destroy(&all->ended);
	pthread_mutex_destroy(&all->lock);
	free(all);
	*ap = NULL;
}
