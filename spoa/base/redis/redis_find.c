/* Asks where Redis is. All Sentinels are asked, and the one with the highest configuration epoch
 * is believed, because a Sentinel that is cut off from the others keeps naming the former master
 * (Sentinel documentation, "Configuration epochs"). In a cluster, the first node that belongs to
 * a working cluster is believed (CLUSTER INFO, CLUSTER SLOTS). */
#include "base/redis/redis_find.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/redis/redis_replies.h"
#include "base/redis/redis_sync.h"
#include "base/scoped.h"
#include "base/why.h"

enum {
	ASK_MS = 1000,	    /* for each server */
	SENTINEL_MS = 1000, /* how often a map that can change is asked for without a report */
	CLUSTER_MS = 1000,
	RETRY_MS = 1000, /* after nothing was found */
	AGAIN_MS = 100,	 /* between two questions, at least */
	/* For this long after a change of the map, the map is asked for every AGAIN_MS: if one
	 * slot moves, others probably move too. */
	MOVING_MS = 2000,
	/* reports of moved slots that are kept; users that are further behind miss the others */
	TOLD_MAX = 64,
};

static struct redis_place
server_place(const struct redis_server *s)
{
	struct redis_place p = { .port = s->port };

	strcpy(p.host, s->host);
	return p;
}

/* ---- Sentinels ---- */

/* Appends the reason of a failed question to the earlier ones. Returns `err`. */
static int
say_redis_error(int err, struct buf *said, struct buf *why)
{
	if (err) {
		buf_str(why, why->n ? "; " : "");
		buf_span(why, buf_view(said));
	}
	return err;
}

static int
ask_sentinel(const struct redis_options *o, struct redis_tls *tls, size_t i,
	uint64_t timeout_us, struct redis_place *out, uint64_t *epoch, struct buf *why)
{
	struct redis_place at = server_place(&o->url.server[i]);

	SCOPED_BUF(said, 4096);
	redisContext *c = redis_dial_at(o, tls, &at, REDIS_DIAL_SENTINEL, timeout_us, &said);
	int err = ERR_IO;
	if (c) {
		buf_printf(&said, "%s:%u: ", at.host, at.port);
		reply_auto_t *r = redis_ask(c, "SENTINEL MASTER %s", o->url.master);
		err = redis_master_read(r, out, epoch, &said);
		redisFree(c);
	}
	return say_redis_error(err, &said, why);
}

static int
find_master(const struct redis_options *o, struct redis_tls *tls, uint64_t timeout_us,
	struct redis_map *out, struct buf *why)
{
	uint64_t best = 0;
	bool any = false;

	for (size_t i = 0; i < o->url.nservers; i++) {
		struct redis_place p;
		uint64_t epoch;
		if (ask_sentinel(o, tls, i, timeout_us, &p, &epoch, why))
			continue;
		if (!any || epoch > best)
			out->place[0] = p;
		best = epoch > best ? epoch : best;
		any = true;
	}
	if (!any)
		return ERR_IO;
	out->n = 1;
	return redis_place_resolve(&out->place[0], timeout_us, why);
}

/* ---- clusters ---- */

static bool
says_ok(redisContext *c)
{
	reply_auto_t *r = redis_ask(c, "CLUSTER INFO");

	return r && r->str && strstr(r->str, "cluster_state:ok");
}

/* Asks a node for the map. `any`: also believes a node that reports that its cluster does not
 * work. Sets *reached if the node can be asked. */
static int
ask_node(const struct redis_options *o, struct redis_tls *tls, const struct redis_place *at,
	bool any, uint64_t timeout_us, struct redis_map *out, bool *reached, struct buf *why)
{
	int err = ERR_IO;

	SCOPED_BUF(said, 4096);
	redisContext *c = redis_dial_at(o, tls, at, REDIS_DIAL_SERVER, timeout_us, &said);
	*reached = *reached || c;
	if (c && !any && !says_ok(c)) {
		buf_printf(&said, "%s:%u: not part of a working cluster", at->host, at->port);
	} else if (c) {
		reply_auto_t *r = redis_ask(c, "CLUSTER SLOTS");
		err = redis_slots_read(r, at->host, out);
		if (err)
			buf_printf(&said, "%s:%u: CLUSTER SLOTS: %s", at->host, at->port,
				r && r->type == REDIS_REPLY_ERROR ? r->str : err_str(err));
	}
	if (c)
		redisFree(c);
	return say_redis_error(err, &said, why);
}

/* Asks the nodes of a cluster. *out has the previous map, whose nodes may know the new one. */
static int
find_nodes(const struct redis_options *o, struct redis_tls *tls, uint64_t timeout_us,
	struct redis_map *out, struct buf *why)
{
	struct redis_map *next = calloc(1, sizeof(*next));
	bool reached = true;
	int err = ERR_IO;

	if (!next)
		return ERR_NOMEM;
	for (int any = 0; err && reached && any < 2; any++) {
		reached = false;
		for (size_t i = 0; err && i < out->n; i++)
			err = ask_node(o, tls, &out->place[i], any, timeout_us, next, &reached,
				why);
		for (size_t i = 0; err && i < o->url.nservers; i++) {
			struct redis_place p = server_place(&o->url.server[i]);
			err = ask_node(o, tls, &p, any, timeout_us, next, &reached, why);
		}
	}
	for (size_t i = 0; !err && i < next->n; i++)
		err = redis_place_resolve(&next->place[i], timeout_us, why);
	if (!err)
		*out = *next;
	free(next);
	return err;
}

int
redis_find(const struct redis_options *o, struct redis_tls *tls, uint64_t timeout_us,
	struct redis_map *out, struct buf *why)
{
	if (o->url.kind == REDIS_SENTINEL)
		return find_master(o, tls, timeout_us, out, why);
	if (o->url.kind == REDIS_CLUSTER)
		return find_nodes(o, tls, timeout_us, out, why);
	out->n = 1;
	out->place[0] = (struct redis_place){ 0 };
	if (!o->url.nservers)
		return 0;
	out->place[0] = server_place(&o->url.server[0]);
	return redis_place_resolve(&out->place[0], timeout_us, why);
}

/* ---- the thread ---- */

struct redis_finder {
	struct redis_options o; /* constant */
	char text[REDIS_URL_TEXT_MAX];
	_Atomic uint64_t version; /* changes with `map`; any thread reads it */
	pthread_mutex_t lock;	  /* guards the members below */
	pthread_cond_t changed;
	struct redis_map map;
	unsigned users;
	LIST_HEAD(, redis_listener) listeners;
	bool thread, again;
	bool redirected;     /* redis_finder_report_moved() was called since the map was read */
	uint64_t changed_us; /* when `map` last changed, monotonic µs */
	_Atomic uint64_t told; /* number of reports; any thread reads it */
	struct told {
		unsigned slot;
		struct redis_place place;
	} tells[TOLD_MAX]; /* the last reports, a ring buffer */
};

/* Drops a user or the thread. The last of them frees the finder; the thread ends when there is
 * no user. */
static void
drop_finder(struct redis_finder *f, bool thread)
{
	pthread_mutex_lock(&f->lock);
	if (thread)
		f->thread = false;
	else
		f->users--;
	bool unused = !f->users && !f->thread;
	pthread_cond_signal(&f->changed);
	pthread_mutex_unlock(&f->lock);
	if (!unused)
		return;
	pthread_cond_destroy(&f->changed);
	pthread_mutex_destroy(&f->lock);
	explicit_bzero(&f->o, sizeof(f->o));
	free(f);
}

static bool
same_map(const struct redis_options *o, const struct redis_map *a, const struct redis_map *b)
{
	if (a->n != b->n)
		return false;
	for (size_t i = 0; i < a->n; i++)
		if (strcmp(a->place[i].address, b->place[i].address) ||
			strcmp(a->place[i].host, b->place[i].host) ||
			a->place[i].port != b->place[i].port)
			return false;
	return o->url.kind != REDIS_CLUSTER || !memcmp(a->owner, b->owner, sizeof(a->owner));
}

/* Wakes all users. The caller holds the lock. */
static void
wake_listeners(struct redis_finder *f)
{
	struct redis_listener *e;

	LIST_FOREACH (e, &f->listeners, of_finder)
		ev_async_send(e->loop, &e->wake);
}

/* Publishes a map. With `redirected`, the map is published even if it is the earlier one: the
 * workers have followed a redirection since, and the slot may have moved back before the map was
 * read. */
static void
publish_map(struct redis_finder *f, const struct redis_map *found, bool redirected)
{
	SCOPED_LOCK(&f->lock);
	bool same = f->version && same_map(&f->o, &f->map, found);

	if (same && !redirected)
		return;
	if (!same)
		f->changed_us = clock_mono_us();
	f->map = *found;
	atomic_fetch_add(&f->version, 1);
	wake_listeners(f);
}

static void
add_ms(struct timespec *t, unsigned ms)
{
	t->tv_sec += ms / 1000;
	t->tv_nsec += (long)(ms % 1000) * 1000000;
	if (t->tv_nsec >= 1000000000) {
		t->tv_nsec -= 1000000000;
		t->tv_sec++;
	}
}

/* Waits until the map must be read again. Returns false if the finder has no users any more.
 * *redirected becomes true if a user has followed a redirection since the map was read. */
static bool
wait_turn(struct redis_finder *f, bool found, bool *redirected)
{
	static const unsigned every_ms[] = {
		[REDIS_ONE] = 0, [REDIS_SENTINEL] = SENTINEL_MS, [REDIS_CLUSTER] = CLUSTER_MS
	};
	bool moving = f->o.url.kind == REDIS_CLUSTER &&
		      clock_mono_us() < f->changed_us + MOVING_MS * 1000;
	unsigned ms = !found ? RETRY_MS : moving ? AGAIN_MS : every_ms[f->o.url.kind];
	struct timespec soonest, latest;

	clock_gettime(CLOCK_MONOTONIC, &soonest);
	latest = soonest;
	add_ms(&soonest, AGAIN_MS);
	add_ms(&latest, ms);
	pthread_mutex_lock(&f->lock);
	for (int e = 0; f->users && e != ETIMEDOUT;)
		e = pthread_cond_timedwait(&f->changed, &f->lock, &soonest);
	for (int e = 0; f->users && !f->again && e != ETIMEDOUT;)
		e = ms ? pthread_cond_timedwait(&f->changed, &f->lock, &latest)
		       : pthread_cond_wait(&f->changed, &f->lock);
	bool on = f->users > 0;
	*redirected = f->redirected;
	f->again = f->redirected = false;
	pthread_mutex_unlock(&f->lock);
	return on;
}

static void *
finder_run(void *arg)
{
	struct redis_finder *f = arg;
	struct redis_map *found = calloc(1, sizeof(*found));
	struct redis_tls *tls = redis_tls_new(&f->o);
	bool said = false, good = false, redirected = false;

	SCOPED_BUF(why, 8192);
	if (!found || !tls)
		abort(); /* some kilobytes: the process cannot continue */
	do {
		good = redis_find(&f->o, tls, ASK_MS * 1000, found, &why) == 0;
		if (good)
			publish_map(f, found, redirected);
		else if (!said)
			log_event(LOG_WARN, "redis.unresolved", LS("url", f->text),
				LSP("why", buf_view(&why)));
		said = !good;
		buf_clear(&why);
	} while (wait_turn(f, good, &redirected));
	redis_tls_free(&tls);
	free(found);
	drop_finder(f, true);
	return NULL;
}

/* Returns true if nothing must be asked, because the URL is a socket or an address. */
static bool
needs_no_finding(const struct redis_options *o, struct redis_place *at)
{
	*at = o->url.nservers ? server_place(&o->url.server[0]) : (struct redis_place){ 0 };
	redis_place_address(at);
	return o->url.kind == REDIS_ONE && (!o->url.nservers || at->address[0]);
}

struct redis_finder *
redis_finder_new(const struct redis_options *o)
{
	struct redis_finder *f = calloc(1, sizeof(*f));
	pthread_t thread;

	if (!f)
		return NULL;
	f->o = *o;
	redis_url_text(&o->url, f->text);
	pthread_mutex_init(&f->lock, NULL);
	cond_init(&f->changed);
	f->users = 1;
	LIST_INIT(&f->listeners);
	if (needs_no_finding(o, &f->map.place[0])) {
		f->map.n = 1;
		f->version = 1;
		return f;
	}
	f->thread = true;
	if (thread_start(&thread, "tg-redis-find", finder_run, f)) {
		f->thread = false;
		drop_finder(f, false);
		return NULL;
	}
	pthread_detach(thread);
	return f;
}

struct redis_finder *
redis_finder_share(struct redis_finder *f)
{
	SCOPED_LOCK(&f->lock);
	f->users++;
	return f;
}

void
redis_finder_free(struct redis_finder **fp)
{
	if (*fp)
		drop_finder(*fp, false);
	*fp = NULL;
}

void
redis_finder_subscribe(struct redis_finder *f, struct redis_listener *e)
{
	SCOPED_LOCK(&f->lock);
	LIST_INSERT_HEAD(&f->listeners, e, of_finder);
}

void
redis_finder_unsubscribe(struct redis_finder *f, struct redis_listener *e)
{
	SCOPED_LOCK(&f->lock);
	LIST_REMOVE(e, of_finder);
}

void
redis_finder_wake_users(struct redis_finder *f)
{
	SCOPED_LOCK(&f->lock);
	wake_listeners(f);
}

const struct redis_options *
redis_finder_options(const struct redis_finder *f)
{
	return &f->o;
}

bool
redis_finder_new_map(struct redis_finder *f, uint64_t *version, struct redis_map *out)
{
	if (*version == atomic_load_explicit(&f->version, memory_order_acquire))
		return false;
	SCOPED_LOCK(&f->lock);
	*out = f->map;
	*version = f->version;
	return true;
}

void
redis_finder_refresh(struct redis_finder *f)
{
	SCOPED_LOCK(&f->lock);
	f->again = true;
	pthread_cond_signal(&f->changed);
}

void
redis_finder_report_moved(
	struct redis_finder *f, unsigned slot, const struct redis_place *place)
{
	pthread_mutex_lock(&f->lock);
	f->tells[f->told % TOLD_MAX] = (struct told){ slot, *place };
	atomic_fetch_add(&f->told, 1);
	f->redirected = true;
	wake_listeners(f);
	pthread_mutex_unlock(&f->lock);
	redis_finder_refresh(f);
}

bool
redis_finder_next_moved(
	struct redis_finder *f, uint64_t *seen, unsigned *slot, struct redis_place *place)
{
	if (*seen == atomic_load_explicit(&f->told, memory_order_acquire))
		return false;
	SCOPED_LOCK(&f->lock);
	if (f->told - *seen > TOLD_MAX) /* the next map will contain the others */
		*seen = f->told - TOLD_MAX;
	const struct told *t = &f->tells[*seen % TOLD_MAX];
	*slot = t->slot;
	*place = t->place;
	++*seen;
	return true;
}
