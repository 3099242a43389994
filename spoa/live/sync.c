/* One pass: read the version; where it is another than last time, read all entries, take what
 * is better, write what is better here. Where it is not, what was put here since is written.
 * Two daemons that write at once are put right by the next pass of whoever knows better: what
 * takes whose place does not depend on the order. */
#include "live/sync.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "redis/redis_sync.h"

#define POLL_US	   200000u
#define FULL_US	   10000000u
#define AGAIN_US   1000000u /* where Redis is away */
#define COMMAND_US 500000u
#define REMOVE_US  600000000u /* by another's clock it may not be over yet: not at each pass */

enum { SCAN_COUNT = 512, FIELDS_MAX = 2 * (CAP_LIVE_ENTRIES + CAP_LIVE_GONE) };
/* What a foreign writer can make us read. */
#define BYTES_MAX ((size_t)FIELDS_MAX * 512)

struct live_sync {
	struct live *live;
	struct redis_options options;
	pthread_t thread;
	pthread_mutex_t lock; /* of what follows */
	pthread_cond_t changed;
	bool stopping, up, tried;
	uint64_t asked; /* live_changes() that somebody waits for */
	uint64_t known; /* of which Redis has all */
	enum live_past past;
	size_t believed;
	/* the thread's own */
	redisContext *redis;
	bool said;	   /* that it is away */
	long long version; /* -1: not read */
	uint64_t read_us;
	uint64_t removed_us; /* 0: never */
	bool marked;	     /* Redis knows that this node has a file */
};

/* ---- what Redis says ---- */

static void
hang_up(struct live_sync *s, const char *why)
{
	if (!s->said)
		log_event(LOG_WARN, "live.away", LS("why", why));
	s->said = true;
	if (s->redis)
		redisFree(s->redis);
	s->redis = NULL;
}

/* The reply, or NULL after a failure: hung up. */
static redisReply *
ask(struct live_sync *s, int argc, const char **argv, const size_t *lens)
{
	redisReply *r = redisCommandArgv(s->redis, argc, argv, lens);

	if (r && r->type != REDIS_REPLY_ERROR)
		return r;
	hang_up(s, r ? r->str : s->redis->errstr);
	if (r)
		freeReplyObject(r);
	return NULL;
}

/* 0: there is none. */
static bool
read_version(struct live_sync *s, long long *version)
{
	const char *argv[] = { "GET", LIVE_VERSION_KEY };
	redisReply *r = ask(s, 2, argv, NULL);

	if (!r)
		return false;
	*version = r->type == REDIS_REPLY_STRING ? strtoll(r->str, NULL, 10) : 0;
	freeReplyObject(r);
	return true;
}

struct found {
	struct arena arena;
	struct live_item *items;
	size_t n, room;
};

static int
by_field(const void *x, const void *y)
{
	return span_order(
		((const struct live_item *)x)->field, ((const struct live_item *)y)->field);
}

/* One part of a scan; which may say a field twice. */
static bool
take_part(struct found *f, const redisReply *list)
{
	for (size_t i = 0; i + 1 < list->elements; i += 2) {
		const redisReply *field = list->element[i], *text = list->element[i + 1];
		struct live_item *v = f->items;
		if (f->n == f->room)
			v = arena_grow(&f->arena, v, f->n, &f->room, sizeof(*v), 64);
		if (!v || f->n == FIELDS_MAX)
			return false;
		f->items = v;
		/* What is too long is no entry: enough of it to be refused. */
		v[f->n].stale = false;
		v[f->n].field = arena_dup(&f->arena,
			span_cut(span_of(field->str, field->len), 0, 2 * LIVE_FIELD_MAX));
		v[f->n].text = arena_dup(&f->arena,
			span_cut(span_of(text->str, text->len), 0, CAP_LIVE_ENTRY_BYTES + 1));
		f->n++;
	}
	return !arena_failed(&f->arena);
}

static void
sort_fields(struct found *f)
{
	size_t kept = 0;

	if (f->n)
		qsort(f->items, f->n, sizeof(*f->items), by_field);
	for (size_t i = 0; i < f->n; i++)
		if (i + 1 == f->n || !span_eq(f->items[i].field, f->items[i + 1].field))
			f->items[kept++] = f->items[i];
	f->n = kept;
}

static bool
read_entries(struct live_sync *s, struct found *f)
{
	char cursor[32] = "0", count[16];
	const char *argv[] = { "HSCAN", LIVE_ENTRIES_KEY, cursor, "COUNT", count };
	bool more = true, ok = true;

	snprintf(count, sizeof(count), "%d", SCAN_COUNT);
	while (more && ok) {
		redisReply *r = ask(s, 5, argv, NULL);
		if (!r)
			return false;
		bool fits = r->type == REDIS_REPLY_ARRAY && r->elements == 2 &&
			    r->element[0]->type == REDIS_REPLY_STRING &&
			    r->element[1]->type == REDIS_REPLY_ARRAY;
		ok = fits && take_part(f, r->element[1]);
		if (fits)
			snprintf(cursor, sizeof(cursor), "%s", r->element[0]->str);
		more = fits && strcmp(cursor, "0") != 0;
		freeReplyObject(r);
	}
	if (!ok)
		log_event(LOG_WARN, "live.failed", LS("key", LIVE_ENTRIES_KEY),
			LS("why", "more fields than there can be entries; the first are read"));
	sort_fields(f);
	return true;
}

/* ---- what it is told ---- */

struct told {
	redisContext *redis;
	size_t n;
	bool failed;
};

static void
append(struct told *t, int argc, const char **argv, const size_t *lens)
{
	t->n++;
	if (redisAppendCommandArgv(t->redis, argc, argv, lens) != REDIS_OK)
		t->failed = true;
}

static void
append_change(struct told *t, int argc, const char **argv, const size_t *lens)
{
	const char *multi[] = { "MULTI" };

	if (t->n == 0)
		append(t, 1, multi, NULL);
	append(t, argc, argv, lens);
}

static void
tell_entry(void *arg, struct live_item item)
{
	const char *argv[] = { "HSET", LIVE_ENTRIES_KEY, item.field.p, item.text.p };
	const size_t lens[] = { 4, strlen(LIVE_ENTRIES_KEY), item.field.n, item.text.n };

	append_change(arg, 4, argv, lens);
}

/* What nobody need know any more. A daemon that has it yet writes it again, until it purges it.
 */
static void
remove_stale(struct live_sync *s, const struct found *f, struct told *t)
{
	uint64_t now = clock_mono_us();

	if (s->removed_us && now - s->removed_us < REMOVE_US)
		return;
	for (size_t i = 0; i < f->n; i++) {
		const char *argv[] = { "HDEL", LIVE_ENTRIES_KEY, f->items[i].field.p };
		const size_t lens[] = { 4, strlen(LIVE_ENTRIES_KEY), f->items[i].field.n };
		if (!f->items[i].stale)
			continue;
		append_change(t, 3, argv, lens);
		s->removed_us = now;
	}
}

/* What is not among what was found; f NULL: nothing was read, what was put here since.
 * *version: after it, where this changed something. */
static bool
tell(struct live_sync *s, const struct found *f, long long *version)
{
	const char *incr[] = { "INCR", LIVE_VERSION_KEY }, *exec[] = { "EXEC" };
	struct told t = { .redis = s->redis };
	redisReply *r = NULL;

	if (f)
		live_missing(s->live, f->items, f->n, tell_entry, &t);
	else
		live_put_since(s->live, s->known, tell_entry, &t);
	if (f)
		remove_stale(s, f, &t);
	if (t.n == 0)
		return true;
	append(&t, 2, incr, NULL);
	append(&t, 1, exec, NULL);
	for (size_t i = 0; i < t.n && !t.failed; i++) {
		if (r)
			freeReplyObject(r);
		r = NULL;
		t.failed = redisGetReply(s->redis, (void **)&r) != REDIS_OK || !r ||
			   r->type == REDIS_REPLY_ERROR;
	}
	/* EXEC: a list, the last of it what INCR says. */
	t.failed = t.failed || r->type != REDIS_REPLY_ARRAY || !r->elements ||
		   r->element[r->elements - 1]->type != REDIS_REPLY_INTEGER;
	if (t.failed) {
		hang_up(s, r && r->type == REDIS_REPLY_ERROR ? r->str : s->redis->errstr);
	} else {
		long long now = r->element[r->elements - 1]->integer;
		*version = now == *version + 1 ? now : -1; /* somebody else wrote too */
	}
	if (r)
		freeReplyObject(r);
	return !t.failed;
}

/* ---- a daemon without a past ---- */

static void
say_past(struct live_sync *s, bool known)
{
	size_t n = live_count(s->live);
	enum live_past past = known ? LIVE_PAST_LOST : LIVE_PAST_NEW;

	if (!live_begun(s->live) || !n)
		return;
	log_event(known ? LOG_ERROR : LOG_WARN, known ? "live.lost" : "live.believed",
		LI("entries", n),
		LS("why", known ? "state_file was not there, and this node had one: what was "
				  "revoked may live again where Redis is of old"
				: "state_file was not there: a new node believes Redis"));
	pthread_mutex_lock(&s->lock);
	s->past = past;
	s->believed = n;
	pthread_mutex_unlock(&s->lock);
}

/* After what Redis has was read: that this node has a file from now on. */
static bool
mark(struct live_sync *s)
{
	char when[CLOCK_RFC3339_LEN];
	const char *node = live_node(s->live);
	const char *set[] = { "HSETNX", LIVE_NODES_KEY, node, when };

	clock_rfc3339(clock_wall_ns(), when);
	redisReply *r = ask(s, 4, set, NULL);
	if (!r)
		return false;
	if (!s->marked)
		say_past(s, r->type == REDIS_REPLY_INTEGER && r->integer == 0);
	s->marked = true;
	freeReplyObject(r);
	return true;
}

/* ---- passes ---- */

static bool
dial(struct live_sync *s)
{
	struct buf why;

	if (s->redis)
		return true;
	buf_init(&why, 4096);
	s->version = -1;
	s->redis = redis_dial(&s->options, span_str(LIVE_VERSION_KEY), COMMAND_US, &why);
	buf_putc(&why, '\0');
	if (!s->redis)
		hang_up(s, buf_view(&why).p);
	buf_free(&why);
	return s->redis != NULL;
}

/* False: Redis is away. */
static bool
pass(struct live_sync *s, uint64_t changes)
{
	uint64_t now = clock_mono_us();
	struct found f = { .n = 0 };
	long long version;
	size_t older;

	if (!dial(s) || !read_version(s, &version))
		return false;
	/* Redis has what it had as it was read: only what is new here is told. */
	if (version == s->version && now - s->read_us < FULL_US) {
		bool told = changes == s->known || tell(s, NULL, &s->version);
		s->version = told ? s->version : -1;
		return told;
	}
	arena_init(&f.arena, BYTES_MAX, false);
	bool ok = read_entries(s, &f);
	if (ok)
		live_merge(s->live, f.items, f.n, &older);
	ok = ok && mark(s) && tell(s, &f, &version);
	if (ok) {
		s->version = version;
		s->read_us = now;
	}
	arena_reset(&f.arena);
	return ok;
}

/* With the lock. Until the next pass is due: or at once, where somebody waits for it. */
static void
rest(struct live_sync *s)
{
	struct timespec until = clock_timespec(clock_mono_us() + (s->up ? POLL_US : AGAIN_US));
	int late = 0;

	while (!late && !s->stopping && !(s->up && s->asked > s->known))
		late = pthread_cond_timedwait(&s->changed, &s->lock, &until);
}

static void *
run(void *arg)
{
	struct live_sync *s = arg;

	pthread_mutex_lock(&s->lock);
	while (!s->stopping) {
		pthread_mutex_unlock(&s->lock);
		uint64_t changes = live_changes(s->live);
		bool up = pass(s, changes);
		pthread_mutex_lock(&s->lock);
		if (up && !s->up)
			log_event(LOG_INFO, "live.up", LI("entries", live_count(s->live)));
		s->up = up;
		s->tried = true;
		s->said = s->said && !up;
		if (up)
			s->known = changes;
		pthread_cond_broadcast(&s->changed);
		rest(s);
	}
	pthread_mutex_unlock(&s->lock);
	return NULL;
}

bool
live_sync_wait(struct live_sync *s, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	uint64_t mine = live_changes(s->live);
	int late = 0;

	pthread_mutex_lock(&s->lock);
	if (mine > s->asked)
		s->asked = mine;
	pthread_cond_broadcast(&s->changed);
	while (s->known < mine && !s->stopping && !late)
		late = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	bool has = s->known >= mine;
	pthread_mutex_unlock(&s->lock);
	return has;
}

void
live_sync_first(struct live_sync *s, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	int late = 0;

	pthread_mutex_lock(&s->lock);
	while (!s->tried && !late)
		late = pthread_cond_timedwait(&s->changed, &s->lock, &until);
	pthread_mutex_unlock(&s->lock);
}

bool
live_sync_up(struct live_sync *s)
{
	pthread_mutex_lock(&s->lock);
	bool up = s->up;
	pthread_mutex_unlock(&s->lock);
	return up;
}

enum live_past
live_sync_past(struct live_sync *s, size_t *entries)
{
	pthread_mutex_lock(&s->lock);
	enum live_past past = s->past;
	*entries = s->believed;
	pthread_mutex_unlock(&s->lock);
	return past;
}

/* ---- life ---- */

static void
destroy(struct live_sync **sp)
{
	struct live_sync *s = *sp;

	if (s->redis)
		redisFree(s->redis);
	pthread_cond_destroy(&s->changed);
	pthread_mutex_destroy(&s->lock);
	explicit_bzero(&s->options, sizeof(s->options));
	free(s);
	*sp = NULL;
}

struct live_sync *
live_sync_start(struct live *l, const struct redis_options *redis, struct buf *why)
{
	struct live_sync *s = calloc(1, sizeof(*s));
	pthread_condattr_t attr;

	if (!s) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->live = l;
	s->version = -1;
	pthread_mutex_init(&s->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&s->changed, &attr);
	pthread_condattr_destroy(&attr);
	s->options = *redis;
	if (thread_start(&s->thread, "tg-live", run, s))
		buf_str(why, err_str(ERR_NOMEM));
	else
		return s;
	destroy(&s);
	return NULL;
}

void
live_sync_stop(struct live_sync **sp)
{
	struct live_sync *s = *sp;

	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	pthread_cond_broadcast(&s->changed);
	pthread_mutex_unlock(&s->lock);
	pthread_join(s->thread, NULL);
	destroy(sp);
}
