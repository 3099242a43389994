/* The thread that synchronizes entries with Redis. One pass reads the version. If the version
 * has changed, the pass reads all entries, merges them, and writes those of ours that are
 * better. Otherwise the pass only writes the entries that were put here since the last pass.
 *
 * If two daemons write at the same time, the next pass of one of them corrects the result,
 * because the rule that decides between two entries does not depend on their order. */
#include "gate/changes/sync.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/caps.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "gate/changes/live_private.h"
#include "gate/store/signed.h"

#define POLL_US	 300000u
#define FULL_US	 10000000u
#define AGAIN_US 1000000u   /* pause after Redis did not answer */
#define RIGHT_US 600000000u /* a repaired key is reported for this long */
/* Stale fields are removed only this often: by another daemon's clock they may not have ended
 * yet, and that daemon writes them again. */
#define REMOVE_US 600000000u

enum {
	SCAN_COUNT = 2048,
	DROP_MAX = 512,
	FIELDS_MAX = 2 * (CAP_LIVE_ENTRIES + CAP_LIVE_ERASURES + CAP_LIVE_GONE)
};
/* A limit for what another program can make us read. */
#define BYTES_MAX ((size_t)FIELDS_MAX * 512)

/* owner: the thread tg-live; members that others read are guarded by the service's lock. */
struct live_sync {
	struct live *live;
	struct redis_service service;
	/* guarded by the service's lock */
	enum live_past past;
	size_t believed;
	uint64_t right_us;   /* monotonic, when a key was last repaired; 0: never */
	const char *righted; /* the repaired key */
	/* used by the thread only */
	long long version; /* the version in Redis after the last pass; -1: not read */
	uint64_t read_us;
	uint64_t removed_us; /* monotonic, when stale fields were last removed; 0: never */
	bool marked;	     /* Redis knows that this node has a file */
	/* `again`: Redis no longer has what the pass read, so the pass is repeated at once;
	 * `second`: this is the repetition */
	bool again, second;
};

/* ---- reading from Redis ---- */

/* Repairs a key of ours that another program overwrote with another type. The key is deleted,
 * and the daemons write their entries again. The version continues at a number that no daemon
 * has reached, so that all daemons read the entries. */
static bool
repair_live_key(void *arg, const char *key, char why[REDIS_SERVICE_WHY])
{
	struct live_sync *s = arg;
	char next[24];
	bool version = !strcmp(key, LIVE_VERSION_KEY), wrong;
	const char *argv[] = { version ? "SET" : "DEL", key, next };
	uint64_t now = clock_mono_us();

	snprintf(next, sizeof(next), "%" PRId64, clock_wall_ns() / 1000000);
	reply_auto_t *r =
		redis_service_try(&s->service, version ? 3 : 2, argv, NULL, why, &wrong);
	if (!r)
		return false;
	s->version = -1;
	pthread_mutex_lock(&s->service.lock);
	bool said = s->right_us && now - s->right_us < RIGHT_US;
	s->right_us = now;
	s->righted = key;
	pthread_mutex_unlock(&s->service.lock);
	if (!said)
		live_junk(s->live, 1, span_str(key),
			"another program overwrote this key: the daemons write it again; check "
			"which program "
			"writes to Redis");
	return true;
}

/* Reads the version; a missing key is 0. A value that INCR cannot increment is repaired.
 * Returns false if Redis does not answer. */
static bool
read_version(struct live_sync *s, long long *version)
{
	const char *argv[] = { "GET", LIVE_VERSION_KEY };
	reply_auto_t *r = redis_service_ask(&s->service, 2, argv, NULL);
	char why[REDIS_SERVICE_WHY];
	uint64_t n = 0;

	if (!r)
		return false;
	bool ok = r->type != REDIS_REPLY_STRING ||
		  (span_u64(span_of(r->str, r->len), &n) == 0 && n < INT64_MAX / 2);
	*version = (long long)n;
	if (ok || repair_live_key(s, LIVE_VERSION_KEY, why))
		return true;
	redis_service_lost(&s->service, why);
	return false;
}

/* The entries that one pass read. The arena limits their bytes. */
struct found {
	struct arena arena;
	struct live_item *items;
	size_t n, room;
	bool over; /* there are more than FIELDS_MAX fields or BYTES_MAX bytes */
	/* fields that no daemon wrote, and the name of the first */
	size_t junk;
	char first[LIVE_FIELD_MAX];
};

static int
by_field(const void *x, const void *y)
{
	const struct live_item *a = x, *b = y;

	return span_order(a->field, b->field);
}

static void
take_one(struct found *f, struct span field, struct span text)
{
	struct live_item *v = f->items;

	if (f->n == f->room)
		v = arena_grow(&f->arena, v, f->n, &f->room, sizeof(*v), 64);
	f->over = f->over || !v || f->n == FIELDS_MAX || arena_failed(&f->arena);
	if (f->over)
		return;
	f->items = v;
	v[f->n++] = (struct live_item){ .field = arena_dup(&f->arena, field),
		.text = arena_dup(&f->arena, text) };
}

/* An HDEL command that collects fields to remove. */
struct drop {
	int argc;
	const char *argv[2 + DROP_MAX];
	size_t lens[2 + DROP_MAX];
};
static const struct drop drop_none = { 2, { "HDEL", LIVE_ENTRIES_KEY },
	{ 4, sizeof(LIVE_ENTRIES_KEY) - 1 } };

/* Sends the command. Returns false if Redis does not answer. */
static bool
drop_flush(struct live_sync *s, struct drop *d)
{
	if (d->argc <= 2)
		return true;
	reply_auto_t *r = redis_service_ask(&s->service, d->argc, d->argv, d->lens);
	d->argc = 2;
	return r != NULL;
}

static bool
drop_field(struct live_sync *s, struct drop *d, struct span field)
{
	d->argv[d->argc] = field.p;
	d->lens[d->argc++] = field.n;
	return d->argc < 2 + DROP_MAX || drop_flush(s, d);
}

/* Returns true if the text has the form of an entry, under any state_key. */
static bool
live_entry_like(struct span field, struct span text)
{
	return field.n < LIVE_FIELD_MAX && span_chr(field, ':') < field.n &&
	       signed_like(text, CAP_LIVE_ENTRY_BYTES);
}

/* Takes one page of HSCAN, which may return a field twice. A field that does not have an
 * entry's form is removed at once, because every pass would read it again. Returns false if
 * Redis does not answer. */
static bool
take_part(struct live_sync *s, struct found *f, const redisReply *list)
{
	struct drop d = drop_none;
	bool up = true;

	for (size_t i = 0; up && i + 1 < list->elements; i += 2) {
		const redisReply *field = list->element[i], *text = list->element[i + 1];
		struct span name = span_of(field->str, field->len),
			    value = span_of(text->str, text->len);
		if (live_entry_like(name, value)) {
			take_one(f, name, value);
			continue;
		}
		if (f->junk++ == 0)
			snprintf(f->first, sizeof(f->first), "%.*s", SPAN_ARG(name));
		up = drop_field(s, &d, name);
	}
	return up && drop_flush(s, &d);
}

static bool
read_entries(struct live_sync *s, struct found *f)
{
	char cursor[REDIS_CURSOR] = "0", count[16];
	const char *argv[] = { "HSCAN", LIVE_ENTRIES_KEY, cursor, "COUNT", count };
	size_t kept = 0;
	unsigned rounds = 0;
	bool up = true;

	snprintf(count, sizeof(count), "%d", SCAN_COUNT);
	do {
		reply_auto_t *r = redis_service_ask(&s->service, 5, argv, NULL);
		if (!r)
			return false;
		const redisReply *list = redis_scan_list(r, cursor);
		up = !list || take_part(s, f, list);
	} while (up && !f->over && ++rounds < REDIS_SCAN_ROUNDS && strcmp(cursor, "0") != 0);
	if (f->junk)
		live_junk(s->live, f->junk, span_str(f->first),
			"the field is not an entry, so the daemon removed it: check which "
			"program writes to Redis");
	if (f->n)
		qsort(f->items, f->n, sizeof(*f->items), by_field);
	for (size_t i = 0; i < f->n; i++)
		if (i + 1 == f->n || !span_eq(f->items[i].field, f->items[i + 1].field))
			f->items[kept++] = f->items[i];
	f->n = kept;
	return up;
}

/* Removes the fields that do not verify. Called if Redis has more fields than all daemons
 * together can have written, so that they do not displace real entries. */
static bool
make_room(struct live_sync *s, const struct found *f)
{
	struct drop d = drop_none;
	size_t gone = 0;
	bool up = true;

	for (size_t i = 0; up && i < f->n; i++) {
		if (!f->items[i].forged)
			continue;
		up = drop_field(s, &d, f->items[i].field);
		gone++;
	}
	up = up && drop_flush(s, &d);
	log_event(LOG_WARN, "live.failed", LS("key", LIVE_ENTRIES_KEY), LI("removed", gone),
		LS("why", "Redis has more fields than entries can exist: the daemon removed "
			  "the fields that do not verify"));
	s->again = up && gone > 0;
	return up && gone == 0;
}

/* ---- writing to Redis ---- */

struct live_writes {
	struct redis_service *service;
	size_t n;
	bool failed;
};

static void
append_live_command(struct live_writes *t, int argc, const char **argv, const size_t *lens)
{
	t->n++;
	t->failed |= !redis_service_append(t->service, argc, argv, lens);
}

static void
append_change(struct live_writes *t, int argc, const char **argv, const size_t *lens)
{
	const char *multi[] = { "MULTI" };

	if (t->n == 0)
		append_live_command(t, 1, multi, NULL);
	append_live_command(t, argc, argv, lens);
}

static void
append_entry(void *arg, struct live_item item)
{
	const char *argv[] = { "HSET", LIVE_ENTRIES_KEY, item.field.p, item.text.p };
	const size_t lens[] = { 4, strlen(LIVE_ENTRIES_KEY), item.field.n, item.text.n };

	append_change(arg, 4, argv, lens);
}

/* Removes entries that no daemon needs to know any more. A daemon that still has one writes
 * it again until it purges the entry, too. */
static void
remove_stale(struct live_sync *s, const struct found *f, struct live_writes *t)
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

/* Calls each() with each entry that was put after `changes` was `since`. */
static void
live_put_since(struct live *l, uint64_t since, void (*each)(void *arg, struct live_item item),
	void *arg)
{
	SCOPED_LOCK(&l->lock);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i]->put > since)
			each(arg, (struct live_item){ .field = span_str(l->v[i]->field),
					  .text = l->v[i]->text });
}

/* Writes the entries that Redis lacks: those missing in *f, or those put since the last pass
 * if `f` is NULL. If this changes something, *version is set to the version afterwards. */
static bool
write_missing_entries(struct live_sync *s, const struct found *f, long long *version)
{
	const char *incr[] = { "INCR", LIVE_VERSION_KEY }, *exec[] = { "EXEC" };
	struct live_writes t = { .service = &s->service };

	if (f)
		live_missing(s->live, f->items, f->n, append_entry, &t);
	else
		live_put_since(s->live, s->service.known, append_entry, &t);
	if (f)
		remove_stale(s, f, &t);
	if (t.n == 0)
		return true;
	append_live_command(&t, 2, incr, NULL);
	append_live_command(&t, 1, exec, NULL);
	reply_auto_t *r = t.failed ? NULL : redis_service_replies(&s->service, t.n);
	/* One of the keys was overwritten by another program. The repetition of the pass
	 * repairs it. */
	const char *refused = r ? redis_service_exec_error(r) : NULL;
	if (refused && !s->second) {
		s->again = true;
		return false;
	}
	/* expected: a list whose last element is the reply to INCR */
	t.failed = !r || refused || r->type != REDIS_REPLY_ARRAY || !r->elements ||
		   r->element[r->elements - 1]->type != REDIS_REPLY_INTEGER;
	if (t.failed) {
		redis_service_lost(
			&s->service, refused ? refused : redis_service_why(&s->service, r));
	} else {
		long long now = r->element[r->elements - 1]->integer;
		/* -1: another daemon wrote in between, so the next pass reads all */
		*version = now == *version + 1 ? now : -1;
	}
	return !t.failed;
}

/* ---- daemons whose state file is missing ---- */

static void
log_missing_past(struct live_sync *s, bool known)
{
	size_t n = live_count(s->live);

	if (!s->live->store.begun || !n)
		return;
	log_event(known ? LOG_ERROR : LOG_WARN, known ? "live.lost" : "live.believed",
		LI("entries", n),
		LS("why",
			known ? "state_file was missing although this node had one: if Redis "
				"is an older copy, revoked keys may be valid again; check them"
			      : "state_file was missing: this new node accepts the entries of "
				"Redis"));
	SCOPED_LOCK(&s->service.lock);
	s->past = known ? LIVE_PAST_LOST : LIVE_PAST_NEW;
	s->believed = n;
}

/* Notes in Redis, after the entries were read, that this node has a file from now on. */
static bool
mark_node(struct live_sync *s)
{
	char when[CLOCK_RFC3339_LEN];
	const char *set[] = { "HSETNX", LIVE_NODES_KEY, s->live->node, when };

	/* a retired node is not listed, and returns to the list when it is admitted */
	if (live_node_retired(s->live, s->live->node, NULL))
		return true;
	clock_rfc3339(clock_wall_ns(), when);
	reply_auto_t *r = redis_service_ask(&s->service, 4, set, NULL);
	if (!r)
		return false;
	if (!s->marked)
		log_missing_past(s, r->type == REDIS_REPLY_INTEGER && r->integer == 0);
	s->marked = true;
	return true;
}

/* ---- passes ---- */

/* Makes one pass. Returns false if Redis does not answer. */
static bool
live_turn(struct live_sync *s, uint64_t changes)
{
	uint64_t now = clock_mono_us();
	struct found f = { .n = 0 };
	long long version;
	size_t older;

	if (!s->service.redis)
		s->version = -1;
	if (!redis_service_dial(&s->service, SPAN_LIT(LIVE_VERSION_KEY)) ||
		!read_version(s, &version))
		return false;
	/* Redis has not changed since it was read: write only what is new here. */
	if (version == s->version && now - s->read_us < FULL_US) {
		bool written = changes == s->service.known ||
			       (write_missing_entries(s, NULL, &s->version) &&
				       live_erased_note(s->live, &s->service));
		s->version = written ? s->version : -1;
		return written;
	}
	arena_init(&f.arena, BYTES_MAX, false);
	bool ok = read_entries(s, &f);
	if (ok)
		live_merge(s->live, f.items, f.n, &older);
	ok = ok && (!f.over || make_room(s, &f)) && mark_node(s) &&
	     write_missing_entries(s, &f, &version) && live_erased_note(s->live, &s->service);
	if (ok) {
		s->version = version;
		s->read_us = now;
	}
	arena_reset(&f.arena);
	return ok;
}

static enum redis_turn
live_pass(void *arg, uint64_t changes)
{
	struct live_sync *s = arg;

	s->again = s->second = false;
	bool up = live_turn(s, changes);
	if (s->again) {
		s->version = -1;
		s->second = true;
		up = live_turn(s, changes);
	}
	return up ? REDIS_TURN_DONE : REDIS_TURN_AWAY;
}

static uint64_t
live_puts(void *arg)
{
	const struct live_sync *s = arg;

	return atomic_load(&s->live->changes);
}

static void
live_back(void *arg)
{
	const struct live_sync *s = arg;

	log_event(LOG_INFO, "live.up", LI("entries", live_count(s->live)));
}

static const struct redis_service_kind live_service = { .thread = "tg-live",
	.away = "live.away",
	.every_us = POLL_US,
	.again_us = AGAIN_US,
	.puts = live_puts,
	.turn = live_pass,
	.back = live_back,
	.repair = repair_live_key };

/* ---- for other threads ---- */

struct redis_service *
live_sync_service(struct live_sync *s)
{
	return &s->service;
}

const char *
live_sync_righted(struct live_sync *s)
{
	SCOPED_LOCK(&s->service.lock);
	bool late = s->right_us && clock_mono_us() - s->right_us < RIGHT_US;
	return late ? s->righted : NULL;
}

enum live_past
live_sync_past(struct live_sync *s, size_t *entries)
{
	SCOPED_LOCK(&s->service.lock);
	enum live_past past = s->past;
	*entries = s->believed;
	return past;
}

struct live_sync *
live_sync_start(struct live *l, const struct redis_options *redis, struct buf *why)
{
	struct live_sync *s = calloc(1, sizeof(*s));

	if (!s) {
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	s->live = l;
	s->version = -1;
	redis_service_init(&s->service, &live_service, s, redis);
	if (redis_service_start(&s->service, why))
		live_sync_stop(&s);
	return s;
}

void
live_sync_stop(struct live_sync **sp)
{
	if (!*sp)
		return;
	redis_service_stop(&(*sp)->service, 0);
	free(*sp);
	*sp = NULL;
}
