/* Reserving, settling and releasing, on Redis or in the table of this process. */
#include "quota/quota.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "quota/quota_private.h"

struct quota *
quota_new(
	struct redis *redis, struct quota_table *table, struct mailbox *self, struct metrics *m)
{
	struct quota *qt = calloc(1, sizeof(*qt));

	if (!qt)
		return NULL;
	*qt = (struct quota){ .redis = redis, .table = table, .self = self, .metrics = m };
	TAG(quota, qt);
	qt->last = &qt->first;
	if (!redis)
		return qt;
	qt->known = calloc(1, sizeof(*qt->known));
	if (!qt->known) {
		free(qt);
		return NULL;
	}
	redis_before_write(redis, counts_write, qt);
	return qt;
}

/* Redis is freed next, and calls back no more. */
void
quota_free(struct quota **qt)
{
	if (*qt && (*qt)->redis) {
		redis_before_write((*qt)->redis, NULL, NULL);
		free((*qt)->known);
	}
	free(*qt);
	*qt = NULL;
}

/* Redis' clock when a command that is sent now arrives, or the table's; in ms. */
static int64_t
quota_ms(const struct quota *qt, uint64_t now_us)
{
	return qt->redis ? redis_life_ms(redis_life(qt->redis), now_us)
			 : table_ms(qt->table, now_us);
}

static uint64_t
epoch_now(const struct quota *qt)
{
	return qt->redis ? redis_life(qt->redis)->epoch : 0;
}

/* ---- reserve ---- */

static void
back_home(struct mail *m, void *worker UNUSED)
{
	struct quota_request *q = TAGGED_OF(quota_request, mail, m);

	q->done(q);
}

void
quota_tell(struct quota *qt, struct quota_request *q)
{
	q->mail.run = back_home;
	mailbox_send(qt->self, &q->mail);
}

static void
at_table(struct mail *m, void *worker UNUSED)
{
	struct quota_request *q = TAGGED_OF(quota_request, mail, m);
	struct quota_table *t = q->quota->table;

	table_reserve(t, q, table_ms(t, clock_mono_us()));
	quota_tell(q->quota, q);
}

/* More than a whole window allows can never pass: nothing is charged for it. */
static bool
never_fits(struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].n > q->dim[k].limit) {
			q->result = QUOTA_UNREACHABLE;
			q->refused_by = k;
			return true;
		}
	return false;
}

void
quota_reserve(struct quota *qt, struct quota_request *q)
{
	TAG(quota_request, q);
	q->quota = qt;
	q->result = QUOTA_FAILED;
	q->retry_after_s = 0;
	q->tries = 0;
	q->try = QUOTA_ADDS;
	q->doubts = false;
	for (size_t k = 0; k < q->ndims; k++)
		q->dim[k].hash = span_hash(span_str(q->dim[k].key));
	if (never_fits(q)) {
		quota_unmove(qt, q, clock_mono_us());
		quota_tell(qt, q);
	} else if (qt->redis) {
		counts_queue(qt, q);
	} else {
		q->mail.run = at_table;
		mailbox_send(qt->table->owner, &q->mail);
	}
}

bool
quota_current(const struct quota *qt, const struct quota_dim *d, uint64_t now_us)
{
	uint64_t epoch = epoch_now(qt);

	return window_bucket(d, quota_ms(qt, now_us)) == d->at.bucket &&
	       (epoch == 0 || epoch == d->at.epoch);
}

/* ---- corrections ---- */

/* One dim's correction, on its way to the table. */
struct correction {
	struct tag tag;
	struct mail mail;
	struct quota_table *table;
	struct quota_dim dim;
	int64_t bucket, delta;
};

static void
correct_table(struct mail *m, void *worker UNUSED)
{
	struct correction *c = TAGGED_OF(correction, mail, m);

	table_add(c->table, &c->dim, c->bucket, c->delta);
	free(c);
}

/* A refund goes where it was charged and only while that lives; what is more than
 * was charged and has lost its place is charged to the present. */
void
quota_correct(struct quota *qt, const struct quota_dim *d, struct quota_place at, int64_t delta,
	uint64_t now_us)
{
	int64_t now_ms = quota_ms(qt, now_us);

	if (delta == 0)
		return;
	if (at.epoch != epoch_now(qt) || !window_alive(d, at.bucket, now_ms)) {
		if (delta < 0)
			return;
		at = (struct quota_place){ window_bucket(d, now_ms), epoch_now(qt) };
	}
	if (qt->redis) {
		counts_correct(qt, d, at, delta);
		known_corrected(qt->known, d, at, delta);
		return;
	}
	struct correction *c = malloc(sizeof(*c));
	if (!c)
		return; /* over-counts: the safe side */
	TAG(correction, c);
	c->table = qt->table;
	c->dim = *d;
	c->bucket = at.bucket;
	c->delta = delta;
	c->mail.run = correct_table;
	mailbox_send(qt->table->owner, &c->mail);
}

void
quota_unmove(struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		if (d->moves)
			quota_correct(qt, d, d->from, -(int64_t)d->n, now_us);
		d->moves = false;
	}
}

void
quota_settle(struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		if (!d->charged)
			continue;
		quota_correct(qt, d, d->at, (int64_t)d->actual - (int64_t)d->n, now_us);
		d->n = d->actual;
	}
}

void
quota_release(struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		if (!d->charged)
			continue;
		d->charged = false;
		quota_correct(qt, d, d->at, -(int64_t)d->n, now_us);
	}
}
