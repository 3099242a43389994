/* The counts that this worker last read, in a set-associative table: a key has KNOWN_WAYS
 * possible places, and the place that was not asked for longest is replaced. */
#include "budget/quota/quota_known.h"

#include "base/err.h"

/* Returns the first of the places that the dim's key may have. */
static size_t
known_set_of(const struct quota_dim *d)
{
	return d->hash % (KNOWN_PLACES / KNOWN_WAYS) * KNOWN_WAYS;
}

/* Returns the place of the dim's key in this epoch, or NULL if the key has none. */
static struct known_place *
known_place_of(struct quota_known *k, const struct quota_dim *d, uint64_t epoch)
{
	for (size_t i = known_set_of(d), end = i + KNOWN_WAYS; i < end; i++) {
		struct known_place *p = &k->place[i];
		if (k->hash[i] == d->hash && p->at.epoch == epoch &&
			strcmp(p->key, d->key) == 0)
			return p;
	}
	return NULL;
}

void
known_lives(struct quota_known *k, const struct known_life *l)
{
	INVARIANT(l->epoch != 0); /* epoch 0 marks a place that was never written */
	k->life[l->epoch % KNOWN_LIVES] = *l;
}

int64_t
known_longs(const struct quota_known *k, uint64_t epoch)
{
	const struct known_life *l = &k->life[epoch % KNOWN_LIVES];

	return l->epoch == epoch ? l->longs_s : -1;
}

/* Returns the count of bucket b, or NULL if it was not read and counts as empty. */
static int64_t *
known_count(struct known_place *p, int64_t b)
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
	const int64_t *c = known_count(p, b);

	return c ? *c : 0;
}

enum known_answer
known_ask(struct quota_known *k, struct quota_dim *d, int64_t now_ms, uint64_t now_us,
	int64_t *retry_ms)
{
	struct known_place *p = known_place_of(k, d, d->at.epoch);
	int64_t near[WINDOW_NEIGHBOURS], b = d->at.bucket;

	if (!p || b < p->at.bucket)
		return KNOWN_ROOM;
	for (int i = 0; i < QUOTA_SUB_BUCKETS; i++)
		near[i] = count_in(p, b - QUOTA_SUB_BUCKETS + i);
	near[QUOTA_SUB_BUCKETS] = count_in(p, b + 1);
	/* an amount that moves is already included */
	int64_t n = count_sum(p->under_way, d->moves ? 0 : (int64_t)d->n), own = count_in(p, b);
	int64_t *at = cell_own(d, &d->at).kind == CELL_USED ? &near[0] : &own;
	*at = count_sum(*at, n);
	struct window_counts c = { own, near, p->slices, b == p->at.bucket };
	if (c.rows && p->look && p->look->of == p && p->look->read_us == p->read_us) {
		c.slices = p->look->slices;
		c.rows = WINDOW_ROWS;
	}
	if (cell_judge(d, &c, now_ms, retry_ms))
		return KNOWN_ROOM;
	/* A refusal that is rough needs the notes of all sub-buckets, so the counts must be
	 * read again. */
	bool fresh = now_us - p->read_us < KNOWN_FRESH_US && !(d->rough && c.rows);
	return fresh ? KNOWN_FULL : KNOWN_OLD;
}

bool
known_left(struct quota_known *k, struct quota_dim *d, int64_t now_ms, uint64_t now_us)
{
	const struct known_place *p = known_place_of(k, d, d->at.epoch);
	int64_t retry_ms;

	if (!p || !p->read_us || now_us - p->heard_us > KNOWN_LEFT_US ||
		d->at.bucket < p->at.bucket)
		return false;
	known_ask(k, d, now_ms, now_us, &retry_ms);
	return true;
}

bool
known_near(const struct quota_known *k, const struct quota_dim *d, uint64_t since_us,
	struct window_counts *out)
{
	const struct known_place *p = known_place_of((struct quota_known *)k, d, d->at.epoch);
	const struct known_life *l = &k->life[d->at.epoch % KNOWN_LIVES];

	if (!p || l->epoch != d->at.epoch || !p->closed || p->at.bucket != d->at.bucket ||
		p->read_us < since_us || p->revision != l->revision || p->clock != l->clock)
		return false;
	out->near = p->near;
	out->slices = p->slices;
	out->rows = 1;
	return true;
}

int64_t
known_used(const struct quota_known *k, const struct quota_dim *d)
{
	const struct known_place *p = known_place_of((struct quota_known *)k, d, d->at.epoch);

	return p && p->at.bucket == d->at.bucket ? p->near[0] : 0;
}

bool
known_fresh(const struct quota_known *k, const struct quota_dim *d, uint64_t since_us)
{
	const struct known_place *p = known_place_of((struct quota_known *)k, d, d->at.epoch);

	return p && p->at.bucket == d->at.bucket && p->read_us >= since_us;
}

void
known_sent(struct quota_known *k, const struct quota_dim *d, bool looks)
{
	struct known_place *p = known_place_of(k, d, d->at.epoch);

	if (!p) {
		/* replace the place that was not asked for longest */
		size_t take = known_set_of(d);
		for (size_t i = take + 1, end = take + KNOWN_WAYS; i < end; i++)
			if (k->place[i].asked < k->place[take].asked)
				take = i;
		p = &k->place[take];
		k->hash[take] = d->hash;
		*p = (struct known_place){ .at = d->at };
		memcpy(p->key, d->key, sizeof(d->key));
	}
	INVARIANT(p->at.epoch == d->at.epoch); /* counts of two epochs are never added */
	p->asked = ++k->asked;
	if (!looks)
		p->under_way = count_sum(p->under_way, (int64_t)d->n);
}

/* Returns the place of a request whose reply has arrived. */
static struct known_place *
answered_place(struct quota_known *k, const struct quota_dim *d, bool looks)
{
	struct known_place *p = known_place_of(k, d, d->at.epoch);

	if (p && !looks)
		p->under_way = p->under_way > (int64_t)d->n ? p->under_way - (int64_t)d->n : 0;
	return p;
}

void
known_read(struct quota_known *k, const struct quota_dim *d, bool looks,
	const struct known_counts *c, bool closed, uint64_t now_us)
{
	struct known_place *p = answered_place(k, d, looks);

	if (!p || (!c->near && p->at.bucket != d->at.bucket))
		return;
	p->own = c->own;
	p->heard_us = now_us;
	if (!c->near)
		return;
	p->at = d->at;
	INVARIANT(c->rows <= WINDOW_ROWS);
	memcpy(p->near, c->near, sizeof(p->near));
	if (c->rows)
		memcpy(p->slices, c->slices, sizeof(p->slices));
	else
		memset(p->slices, 0, sizeof(p->slices));
	p->read_us = now_us;
	if (c->rows == WINDOW_ROWS) {
		struct known_look *l = &k->look[k->nlook++ % KNOWN_LOOKS];
		*l = (struct known_look){ .of = p, .read_us = now_us };
		memcpy(l->slices, c->slices, sizeof(l->slices));
		p->look = l;
	}
	p->closed = closed;
	p->revision = c->revision;
	p->clock = k->life[d->at.epoch % KNOWN_LIVES].clock;
}

void
known_lost(struct quota_known *k, const struct quota_dim *d, bool looks)
{
	answered_place(k, d, looks);
}

void
known_corrected(struct quota_known *k, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta)
{
	struct known_place *p = known_place_of(k, d, at->epoch);
	int64_t *count = p ? known_count(p, at->bucket) : NULL;

	if (!count)
		return;
	if (c.kind == CELL_USED)
		p->near[0] += delta;
	else
		*count += delta;
	INVARIANT(at->slice >= 0 && at->slice <= QUOTA_SLICES);
	if (count == &p->near[0] && c.kind == CELL_SUB && at->slice)
		p->slices[at->slice - 1] += delta;
}

bool
known_made(const struct quota_known *k, const struct quota_dim *d, const struct quota_place *at,
	struct cell c)
{
	const struct known_place *p = known_place_of((struct quota_known *)k, d, at->epoch);

	INVARIANT(c.kind <= CELL_SLICES);
	return p && p->made[c.kind] == c.id;
}

void
known_makes(struct quota_known *k, const struct quota_dim *d, const struct quota_place *at,
	struct cell c)
{
	struct known_place *p = known_place_of(k, d, at->epoch);

	INVARIANT(c.kind <= CELL_SLICES);
	if (p)
		p->made[c.kind] = c.id;
}
