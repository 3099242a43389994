/* Counts as this worker last read them. */
#include "quota/quota_known.h"

static struct known_place *
place_of(struct quota_known *k, const char *key)
{
	uint64_t h = 1469598103934665603u; /* FNV-1a */

	for (const char *c = key; *c; c++)
		h = (h ^ (unsigned char)*c) * 1099511628211u;
	return &k->place[h % KNOWN_PLACES];
}

/* Of bucket b; NULL: not read, and empty. */
static int64_t *
count_of(struct known_place *p, int64_t b)
{
	int64_t i = b - p->at.bucket;

	if (i == 0)
		return &p->own;
	if (i == 1)
		return &p->near[QUOTA_SUB_BUCKETS];
	return i < 0 && i >= -QUOTA_SUB_BUCKETS ? &p->near[i + QUOTA_SUB_BUCKETS] : NULL;
}

static int64_t
count_in(struct known_place *p, int64_t b)
{
	const int64_t *c = count_of(p, b);

	return c ? *c : 0;
}

enum known_answer
known_ask(struct quota_known *k, struct quota_dim *d, uint64_t epoch, int64_t now_ms,
	uint64_t now_us, int64_t *retry_ms)
{
	struct known_place *p = place_of(k, d->key);
	int64_t near[WINDOW_NEIGHBOURS], b = window_bucket(d, now_ms);

	if (strcmp(p->key, d->key) != 0 || p->at.epoch != epoch || b < p->at.bucket)
		return KNOWN_ROOM;
	d->at = (struct quota_place){ b, epoch };
	for (int i = 0; i < QUOTA_SUB_BUCKETS; i++)
		near[i] = count_in(p, b - QUOTA_SUB_BUCKETS + i);
	near[QUOTA_SUB_BUCKETS] = count_in(p, b + 1);
	/* What moves is counted already. */
	int64_t n = d->moves ? 0 : (int64_t)d->n;
	if (window_judge(d, count_in(p, b) + p->under_way + n, near, now_ms, retry_ms))
		return KNOWN_ROOM;
	return now_us - p->read_us < KNOWN_FRESH_US ? KNOWN_FULL : KNOWN_OLD;
}

void
known_sent(struct quota_known *k, const struct quota_dim *d, bool looks)
{
	struct known_place *p = place_of(k, d->key);

	if (strcmp(p->key, d->key) != 0 || p->at.epoch != d->at.epoch) {
		*p = (struct known_place){ .at = d->at };
		memcpy(p->key, d->key, sizeof(p->key));
	}
	if (!looks)
		p->under_way += (int64_t)d->n;
}

/* The place of a request that is answered; NULL: another key has it now. */
static struct known_place *
answered(struct quota_known *k, const struct quota_dim *d, bool looks)
{
	struct known_place *p = place_of(k, d->key);

	if (strcmp(p->key, d->key) != 0 || p->at.epoch != d->at.epoch)
		return NULL;
	if (!looks)
		p->under_way = p->under_way > (int64_t)d->n ? p->under_way - (int64_t)d->n : 0;
	return p;
}

void
known_read(struct quota_known *k, const struct quota_dim *d, bool looks, int64_t own,
	const int64_t near[WINDOW_NEIGHBOURS], int64_t taken, uint64_t now_us)
{
	struct known_place *p = answered(k, d, looks);

	if (!p)
		return;
	p->at = d->at;
	p->own = own - taken;
	memcpy(p->near, near, sizeof(p->near));
	p->read_us = now_us;
}

void
known_lost(struct quota_known *k, const struct quota_dim *d, bool looks)
{
	answered(k, d, looks);
}

void
known_corrected(
	struct quota_known *k, const struct quota_dim *d, struct quota_place at, int64_t delta)
{
	struct known_place *p = place_of(k, d->key);
	int64_t *c = count_of(p, at.bucket);

	if (c && strcmp(p->key, d->key) == 0 && p->at.epoch == at.epoch)
		*c += delta;
}
