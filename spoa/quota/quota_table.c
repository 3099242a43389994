/* The in-process table of window counts. */
#include "quota/quota_table.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

enum { BUCKETS = 16384, ENTRIES_MAX = 262144, RING = 16 };

struct quota_entry {
	struct quota_entry *next;
	char key[QUOTA_KEY_MAX];
	int64_t dead_after_ms;
	int64_t id[RING]; /* which sub-bucket a place of the ring holds */
	int64_t count[RING];
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
find(struct quota_table *t, const struct quota_dim *d)
{
	struct quota_entry *e = t->bucket[d->hash % BUCKETS];

	while (e && strcmp(e->key, d->key))
		e = e->next;
	return e;
}

static struct quota_entry *
find_or_make(struct quota_table *t, const struct quota_dim *d)
{
	struct quota_entry *e = find(t, d);

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

static int64_t *
count_of(struct quota_entry *e, int64_t bucket)
{
	size_t i = (size_t)bucket % RING;

	if (e->id[i] != bucket) {
		e->id[i] = bucket;
		e->count[i] = 0;
	}
	return &e->count[i];
}

static int64_t
peek(const struct quota_entry *e, int64_t bucket)
{
	size_t i = (size_t)bucket % RING;

	return e->id[i] == bucket ? e->count[i] : 0;
}

void
table_add(struct quota_table *t, const struct quota_dim *d, int64_t bucket, int64_t delta)
{
	struct quota_entry *e = delta > 0 ? find_or_make(t, d) : find(t, d);
	size_t i = (size_t)bucket % RING;

	if (!e || (e->id[i] != bucket && (delta < 0 || e->id[i] > bucket)))
		return;
	*count_of(e, bucket) += delta;
	int64_t dead = (bucket + 1) * window_width_ms(d) + window_ttl_s(d) * 1000;
	if (e->dead_after_ms < dead)
		e->dead_after_ms = dead;
}

void
table_reserve(struct quota_table *t, struct quota_request *q, int64_t now_ms)
{
	int64_t worst = 0;

	sweep(t, now_ms);
	q->result = QUOTA_ADMITTED;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		struct quota_entry *e = find_or_make(t, d);
		/* By the owner's clock: the charge may have waited for its turn. */
		d->at = (struct quota_place){ .bucket = window_bucket(d, now_ms) };
		if (!e) {
			q->result = QUOTA_FAILED;
			break;
		}
		e->dead_after_ms = now_ms + window_ttl_s(d) * 1000;
		int64_t *own = count_of(e, d->at.bucket), counts[WINDOW_NEIGHBOURS], retry;
		*own += (int64_t)d->n;
		d->charged = true;
		if (d->moves)
			table_add(t, d, d->from.bucket, -(int64_t)d->n);
		d->moves = false;
		for (int i = 0; i < QUOTA_SUB_BUCKETS; i++)
			counts[i] = peek(e, d->at.bucket - QUOTA_SUB_BUCKETS + i);
		counts[QUOTA_SUB_BUCKETS] = peek(e, d->at.bucket + 1);
		if (window_judge(d, *own, counts, now_ms, &retry))
			continue;
		if (q->result != QUOTA_REFUSED || retry > worst) {
			worst = retry;
			q->refused_by = k;
		}
		q->result = QUOTA_REFUSED;
	}
	q->retry_after_s = (uint64_t)(worst + 999) / 1000;
	for (size_t k = 0; k < q->ndims && q->result != QUOTA_ADMITTED; k++)
		if (q->dim[k].charged) {
			table_add(t, &q->dim[k], q->dim[k].at.bucket, -(int64_t)q->dim[k].n);
			q->dim[k].charged = false;
		}
}
