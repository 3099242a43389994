/* The counters in this process: a hash table of entries, one for each key. An entry has the
 * sub-buckets of a rolling limit, or the windows of a calendar limit. Each operation removes
 * the dead entries of one chain. */
#include "budget/quota/quota_table.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/wall.h"

enum {
	BUCKETS = 16384,
	ENTRIES_MAX = 262144,
	RING = 16,
	WAYS = 2,    /* sub-buckets that share a place of the ring */
	WINDOWS = 8, /* calendar windows in one entry */
};

/* An entry holds several windows. After a wrong clock is corrected, a window may be earlier
 * than one that has charges already; each keeps its own counts. */
struct quota_entry {
	struct quota_entry *next;
	char key[QUOTA_KEY_MAX];
	/* monotonic: a step of the wall clock does not end an entry */
	uint64_t dead_after_us;
	bool rolling;		/* the entry has sub-buckets */
	union {
		struct sub {
			int64_t id, count; /* the sub-bucket's id and count; count 0: the
					    * place is free */
			int64_t *slice;	   /* QUOTA_SLICES notes; NULL: none */
		} sub[RING][WAYS];
		/* Calendar windows. For requests in flight, the first one, which never ends.
		 * own and used as in cell_judge(); both 0: the place is free */
		struct window {
			int64_t begin, own, used;
		} window[WINDOWS];
	};
};

/* One moment, by the table's clock and by the monotonic clock. */
struct moment {
	int64_t ms;
	uint64_t us;
};

struct quota_table *
quota_table_new(struct mailbox *owner)
{
	struct quota_table *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->owner = owner;
	t->offset_us = clock_wall_ns() / 1000 - (int64_t)clock_mono_us();
	t->bucket = calloc(BUCKETS, sizeof(struct quota_entry *));
	if (!t->bucket) {
		free(t);
		return NULL;
	}
	return t;
}

static void
table_entry_free(struct quota_entry *e)
{
	for (size_t i = 0; e->rolling && i < RING * WAYS; i++)
		free(e->sub[i / WAYS][i % WAYS].slice);
	free(e);
}

void
quota_table_free(struct quota_table **tp)
{
	struct quota_table *t = *tp;

	if (!t)
		return;
	for (size_t i = 0; i < BUCKETS; i++)
		while (t->bucket[i]) {
			struct quota_entry *e = t->bucket[i];
			t->bucket[i] = e->next;
			table_entry_free(e);
		}
	free(t->bucket);
	free(t);
	*tp = NULL;
}

void
table_follow(struct quota_table *t, int64_t offset_us)
{
	atomic_store_explicit(&t->offset_us, offset_us, memory_order_relaxed);
}

int64_t
table_ms(const struct quota_table *t, uint64_t mono_us)
{
	return ((int64_t)mono_us +
		       atomic_load_explicit(&t->offset_us, memory_order_relaxed)) /
	       1000;
}

/* Removes the dead entries of one chain at each operation, long before the table is full. */
static void
sweep_table_chain(struct quota_table *t, uint64_t now_us)
{
	struct quota_entry **e = &t->bucket[t->sweep++ % BUCKETS];

	while (*e) {
		struct quota_entry *dead = *e;
		if (dead->dead_after_us >= now_us) {
			e = &dead->next;
			continue;
		}
		INVARIANT(t->n > 0);
		*e = dead->next;
		table_entry_free(dead);
		t->n--;
	}
}

static struct quota_entry *
find_table_entry(struct quota_table *t, const struct quota_dim *d)
{
	struct quota_entry *e = t->bucket[d->hash % BUCKETS];

	while (e && (e->rolling != (d->span.kind == QUOTA_ROLLING) || strcmp(e->key, d->key)))
		e = e->next;
	return e;
}

static struct quota_entry *
find_or_make(struct quota_table *t, const struct quota_dim *d)
{
	struct quota_entry *e = find_table_entry(t, d);

	if (e || t->n >= ENTRIES_MAX)
		return e;
	e = calloc(1, sizeof(*e));
	if (!e)
		return NULL;
	strcpy(e->key, d->key);
	e->rolling = d->span.kind == QUOTA_ROLLING;
	size_t i = d->hash % BUCKETS;
	e->next = t->bucket[i];
	t->bucket[i] = e;
	t->n++;
	return e;
}

static const struct sub *
peek_bucket(const struct quota_entry *e, int64_t bucket)
{
	static const struct sub empty;
	const struct sub *s = e->sub[(size_t)bucket % RING];

	for (size_t i = 0; i < WAYS; i++)
		if (s[i].id == bucket)
			return &s[i];
	return &empty;
}

static const struct window *
peek_window(const struct quota_entry *e, int64_t begin)
{
	static const struct window empty;

	for (size_t i = 0; i < WINDOWS; i++)
		if (e->window[i].begin == begin)
			return &e->window[i];
	return &empty;
}

static void
lives_until(struct quota_entry *e, int64_t ms, const struct moment *now)
{
	int64_t left_ms = ms - now->ms;

	/* The window has ended by a clock that may be ahead: its charges were read from the
	 * journal. */
	if (left_ms <= 0)
		left_ms = ms - wall_least_ns() / 1000000;
	uint64_t until_us = now->us + (uint64_t)count_positive(left_ms) * 1000;

	if (e->dead_after_us < until_us)
		e->dead_after_us = until_us;
}

/* Returns true if x is farther from the present than y. */
static bool
is_farther(int64_t x, int64_t y, int64_t now)
{
	return llabs(x - now) > llabs(y - now);
}

/* Returns the place of a window, or NULL if nothing was charged there. If `make` is set, a
 * free place is taken, or that of the window farthest from the present; NULL means that all
 * windows are nearer to the present. */
static struct window *
window_place(struct quota_entry *e, int64_t begin, bool make, int64_t now_s)
{
	struct window *w = e->window, *place = NULL;

	for (size_t i = 0; i < WINDOWS; i++)
		if (w[i].begin == begin)
			return &w[i];
	for (size_t i = 0; make && i < WINDOWS; i++) {
		if (!w[i].own && !w[i].used) {
			place = &w[i];
			break;
		}
		if (is_farther(w[i].begin, place ? place->begin : begin, now_s))
			place = &w[i];
	}
	if (place)
		*place = (struct window){ .begin = begin };
	return place;
}

/* Frees the notes of sub-buckets that have left the window. Their counts stay, because the
 * clock may be wrong. */
static void
free_left_slices(struct quota_entry *e, int64_t now_bucket)
{
	for (size_t i = 0; i < RING * WAYS; i++) {
		struct sub *s = &e->sub[i / WAYS][i % WAYS];
		if (s->id >= now_bucket - WINDOW_ROWS)
			continue;
		free(s->slice);
		s->slice = NULL;
	}
}

/* As window_place(), for a sub-bucket. */
static struct sub *
sub_place(struct quota_entry *e, int64_t bucket, bool make, int64_t now_bucket)
{
	struct sub *s = e->sub[(size_t)bucket % RING], *place = NULL;

	for (size_t i = 0; i < WAYS; i++)
		if (s[i].id == bucket)
			return &s[i];
	for (size_t i = 0; make && i < WAYS; i++) {
		if (!s[i].count) {
			place = &s[i];
			break;
		}
		if (is_farther(s[i].id, place ? place->id : bucket, now_bucket))
			place = &s[i];
	}
	if (!place)
		return NULL;
	free_left_slices(e, now_bucket);
	if (place->slice)
		memset(place->slice, 0, QUOTA_SLICES * sizeof(int64_t));
	*place = (struct sub){ .id = bucket, .slice = place->slice };
	return place;
}

static void
change_window(struct quota_table *t, const struct change *c, const struct moment *now)
{
	bool more = c->spent > 0 || c->own > 0;
	struct quota_entry *e = more ? find_or_make(t, &c->dim) : find_table_entry(t, &c->dim);
	struct window *w = e ? window_place(e, c->at.bucket, more, now->ms / 1000) : NULL;

	if (!w)
		return;
	w->used += c->spent;
	*(cell_own(&c->dim, &c->at).kind == CELL_USED ? &w->used : &w->own) += c->own;
	if (c->dim.span.kind == QUOTA_CALENDAR)
		lives_until(e, c->at.end_s * 1000, now);
	else if (w->own > 0)
		e->dead_after_us = UINT64_MAX;
	else
		e->dead_after_us = now->us;
}

/* If there is no memory for notes, a charge leaves with its sub-bucket. */
static void
note_slice(struct sub *s, int64_t slice, int64_t delta)
{
	if (slice && !s->slice)
		s->slice = calloc(QUOTA_SLICES, sizeof(int64_t));
	INVARIANT(slice <= QUOTA_SLICES);
	if (slice && s->slice)
		s->slice[slice - 1] += delta;
}

static void
change_at(struct quota_table *t, const struct change *c, const struct moment *now)
{
	const struct quota_dim *d = &c->dim;
	int64_t bucket = c->at.bucket, delta = c->own;

	if (d->span.kind != QUOTA_ROLLING) {
		change_window(t, c, now);
		return;
	}
	struct quota_entry *e = delta > 0 ? find_or_make(t, d) : find_table_entry(t, d);
	struct sub *s = e ? sub_place(e, bucket, delta > 0, window_bucket(d, now->ms)) : NULL;
	if (!s)
		return;
	s->count += delta;
	note_slice(s, c->at.slice, delta);
	lives_until(e, (bucket + 1) * window_width_ms(d) + window_ttl_s(d) * 1000, now);
}

void
table_change(struct quota_table *t, const struct change *c)
{
	uint64_t now_us = clock_mono_us();
	const struct moment now = { table_ms(t, now_us), now_us };

	change_at(t, c, &now);
}

static bool
judge_table_entry(
	const struct quota_entry *e, struct quota_dim *d, int64_t now_ms, int64_t *retry_ms)
{
	int64_t near[WINDOW_NEIGHBOURS], slices[WINDOW_ROWS * QUOTA_SLICES] = { 0 };
	struct window_counts c = { .near = near, .slices = slices, .rows = WINDOW_ROWS };

	if (d->span.kind != QUOTA_ROLLING) {
		const struct window *w = peek_window(e, d->at.bucket);
		c.own = w->own;
		c.near = d->unit == QUOTA_REQUESTS ? &w->own : &w->used;
		return cell_judge(d, &c, now_ms, retry_ms);
	}
	for (size_t i = 0; i < WINDOW_ROWS; i++) {
		const struct sub *s =
			peek_bucket(e, d->at.bucket - QUOTA_SUB_BUCKETS + (int64_t)i);
		*(i < QUOTA_SUB_BUCKETS ? &near[i] : &c.own) = s->count;
		if (s->slice)
			memcpy(slices + i * QUOTA_SLICES, s->slice,
				QUOTA_SLICES * sizeof(slices[0]));
	}
	near[QUOTA_SUB_BUCKETS] = peek_bucket(e, d->at.bucket + 1)->count;
	return cell_judge(d, &c, now_ms, retry_ms);
}

/* Charges one dim. Returns 1 if it fits, 0 if it is over, ERR_NOMEM if the table is full. */
static int
reserve_dim(struct quota_table *t, struct quota_dim *d, const struct moment *now,
	int64_t *retry_ms)
{
	struct quota_entry *e = find_or_make(t, d);

	if (!e)
		return ERR_NOMEM;
	/* otherwise the wrong member of the union would be read */
	INVARIANT(e->rolling == (d->span.kind == QUOTA_ROLLING));
	/* by the owner's clock, because the request may have waited for its turn */
	d->at = cell_place(d, now->ms, 0);
	struct change c = { .dim = *d, .at = d->at, .own = (int64_t)d->n };
	INVARIANT(d->at.epoch == 0); /* charges on Redis are never counted here, too */
	c.spent = cell_spends(d, &d->at) ? c.own : 0;
	change_at(t, &c, now);
	d->charged = true;
	if (d->moves) {
		c.at = d->from;
		c.own = -c.own;
		c.spent = -c.spent;
		change_at(t, &c, now);
	}
	d->moves = false;
	if (!judge_table_entry(e, d, now->ms, retry_ms))
		return false;
	if (d->span.kind == QUOTA_ROLLING && d->n) {
		d->at.slice = window_slice(d, now->ms) + 1;
		note_slice(sub_place(e, d->at.bucket, true, d->at.bucket), d->at.slice,
			(int64_t)d->n);
	}
	return true;
}

bool
table_left(struct quota_table *t, struct quota_dim *d, int64_t now_ms)
{
	struct quota_entry *e = find_table_entry(t, d);
	int64_t retry_ms;

	INVARIANT(owner_is_here(&t->thread));
	d->at = cell_place(d, now_ms, 0);
	if (!e || (d->span.kind != QUOTA_ROLLING &&
			  peek_window(e, d->at.bucket)->begin != d->at.bucket))
		return false;
	judge_table_entry(e, d, now_ms, &retry_ms);
	return true;
}

void
table_reserve(struct quota_table *t, struct quota_request *q, int64_t now_ms)
{
	const struct moment now = { now_ms, clock_mono_us() };
	int64_t worst = 0;

	INVARIANT(owner_is_here(&t->thread));
	INVARIANT(q->ndims > 0 && q->ndims <= QUOTA_DIMS_MAX);
	sweep_table_chain(t, now.us);
	q->result = QUOTA_ADMITTED;
	for (size_t k = 0; k < q->ndims; k++) {
		int64_t retry;
		int fits = reserve_dim(t, &q->dim[k], &now, &retry);
		if (fits < 0) {
			q->result = QUOTA_FAILED;
			break;
		}
		if (fits)
			continue;
		if (q->result != QUOTA_REFUSED || retry > worst) {
			worst = retry;
			q->refused_by = k;
		}
		q->result = QUOTA_REFUSED;
	}
	INVARIANT(q->result != QUOTA_REFUSED || q->refused_by < q->ndims);
	q->retry_after_s = (uint64_t)(worst + 999) / 1000;
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims && q->result != QUOTA_ADMITTED;
		d++) {
		struct change c = { .dim = *d, .at = d->at, .own = -(int64_t)d->n };
		c.spent = cell_spends(d, &d->at) ? c.own : 0;
		if (d->charged)
			change_at(t, &c, &now);
		d->charged = false;
	}
}
