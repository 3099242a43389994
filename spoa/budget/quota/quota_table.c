/* The in-process table of window counts. */
#include "budget/quota/quota_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

enum { BUCKETS = 16384, ENTRIES_MAX = 262144, RING = 16 };

struct quota_entry {
	struct quota_entry *next;
	char key[QUOTA_KEY_MAX];
	int64_t dead_after_ms;
	union {
		struct {
			int64_t id[RING]; /* which sub-bucket a place of the ring holds */
			int64_t count[RING];
		} sub;
		/* of a calendar's present window; in flight: one that never ends */
		struct {
			int64_t begin, own, used; /* as cell_judge() */
		} window;
	};
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
			free(e);
		}
	free(t->bucket);
	free(t);
	*tp = NULL;
}

int64_t
table_ms(const struct quota_table *t, uint64_t mono_us)
{
	return ((int64_t)mono_us + t->offset_us) / 1000;
}

/* One chain an operation: dead entries leave long before the table is full. */
static void
sweep(struct quota_table *t, int64_t now_ms)
{
	struct quota_entry **e = &t->bucket[t->sweep++ % BUCKETS];

	while (*e) {
		struct quota_entry *dead = *e;
		if (dead->dead_after_ms >= now_ms) {
			e = &dead->next;
			continue;
		}
		*e = dead->next;
		free(dead);
		t->n--;
	}
}

static struct quota_entry *
find_table_entry(struct quota_table *t, const struct quota_dim *d)
{
	struct quota_entry *e = t->bucket[d->hash % BUCKETS];

	while (e && strcmp(e->key, d->key))
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
	size_t i = d->hash % BUCKETS;
	e->next = t->bucket[i];
	t->bucket[i] = e;
	t->n++;
	return e;
}

static int64_t
peek_bucket(const struct quota_entry *e, int64_t bucket)
{
	size_t i = (size_t)bucket % RING;

	return e->sub.id[i] == bucket ? e->sub.count[i] : 0;
}

static void
lives_until(struct quota_entry *e, int64_t ms)
{
	if (e->dead_after_ms < ms)
		e->dead_after_ms = ms;
}

static void
change_window(struct quota_table *t, const struct change *c, int64_t now_ms)
{
	bool more = c->spent > 0 || c->own > 0;
	struct quota_entry *e = more ? find_or_make(t, &c->dim) : find_table_entry(t, &c->dim);

	if (!e || c->at.bucket < e->window.begin)
		return; /* it is over, and another one has begun */
	if (c->at.bucket > e->window.begin) {
		e->window.begin = c->at.bucket;
		e->window.own = e->window.used = 0;
	}
	e->window.used += c->spent;
	*(cell_own(&c->dim, &c->at).kind == CELL_USED ? &e->window.used : &e->window.own) +=
		c->own;
	if (c->dim.span.kind == QUOTA_CALENDAR)
		lives_until(e, c->at.end_s * 1000);
	else if (e->window.own > 0)
		e->dead_after_ms = INT64_MAX;
	else
		e->dead_after_ms = now_ms;
}

void
table_change(struct quota_table *t, const struct change *c)
{
	const struct quota_dim *d = &c->dim;
	int64_t bucket = c->at.bucket, delta = c->own;
	size_t i = (size_t)bucket % RING;

	if (d->span.kind != QUOTA_ROLLING) {
		change_window(t, c, table_ms(t, clock_mono_us()));
		return;
	}
	struct quota_entry *e = delta > 0 ? find_or_make(t, d) : find_table_entry(t, d);
	if (!e || (e->sub.id[i] != bucket && (delta < 0 || e->sub.id[i] > bucket)))
		return;
	e->sub.count[i] = e->sub.id[i] == bucket ? e->sub.count[i] + delta : delta;
	e->sub.id[i] = bucket;
	lives_until(e, (bucket + 1) * window_width_ms(d) + window_ttl_s(d) * 1000);
}

static bool
judge_table_entry(
	const struct quota_entry *e, struct quota_dim *d, int64_t now_ms, int64_t *retry_ms)
{
	int64_t near[WINDOW_NEIGHBOURS];

	if (d->span.kind != QUOTA_ROLLING)
		return cell_judge(d, e->window.own,
			d->unit == QUOTA_REQUESTS ? &e->window.own : &e->window.used, now_ms,
			retry_ms);
	for (int i = 0; i < QUOTA_SUB_BUCKETS; i++)
		near[i] = peek_bucket(e, d->at.bucket - QUOTA_SUB_BUCKETS + i);
	near[QUOTA_SUB_BUCKETS] = peek_bucket(e, d->at.bucket + 1);
	return cell_judge(d, peek_bucket(e, d->at.bucket), near, now_ms, retry_ms);
}

/* Charges one dim; false: over. ERR_NOMEM where the table is full. */
static int
reserve_dim(struct quota_table *t, struct quota_dim *d, int64_t now_ms, int64_t *retry_ms)
{
	struct quota_entry *e = find_or_make(t, d);

	if (!e)
		return ERR_NOMEM;
	/* By the owner's clock: the charge may have waited for its turn. */
	d->at = cell_place(d, now_ms, 0);
	struct change c = { .dim = *d, .at = d->at, .own = (int64_t)d->n };
	c.spent = cell_spends(d, &d->at) ? c.own : 0;
	table_change(t, &c);
	d->charged = true;
	if (d->moves) {
		c.at = d->from;
		c.own = -c.own;
		c.spent = -c.spent;
		table_change(t, &c);
	}
	d->moves = false;
	return judge_table_entry(e, d, now_ms, retry_ms);
}

bool
table_left(struct quota_table *t, struct quota_dim *d, int64_t now_ms)
{
	struct quota_entry *e = find_table_entry(t, d);
	int64_t retry_ms;

	d->at = cell_place(d, now_ms, 0);
	if (!e || (d->span.kind != QUOTA_ROLLING && e->window.begin != d->at.bucket))
		return false;
	judge_table_entry(e, d, now_ms, &retry_ms);
	return true;
}

void
table_reserve(struct quota_table *t, struct quota_request *q, int64_t now_ms)
{
	int64_t worst = 0;

	sweep(t, now_ms);
	q->result = QUOTA_ADMITTED;
	for (size_t k = 0; k < q->ndims; k++) {
		int64_t retry;
		int fits = reserve_dim(t, &q->dim[k], now_ms, &retry);
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
	q->retry_after_s = (uint64_t)(worst + 999) / 1000;
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims && q->result != QUOTA_ADMITTED;
		d++) {
		struct change c = { .dim = *d, .at = d->at, .own = -(int64_t)d->n };
		c.spent = cell_spends(d, &d->at) ? c.own : 0;
		if (d->charged)
			table_change(t, &c);
		d->charged = false;
	}
}
