/* Reserving, settling and releasing, on Redis or in the table of this process. */
#include "gate/quota.h"

#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "gate/quota_table.h"

struct correction;

struct quota {
	struct redis *redis;
	struct correction *refunds; /* Redis is asked for */
	struct quota_table *table;
	struct mailbox *self;
	struct metrics *metrics;
};

struct quota *
quota_new(
	struct redis *redis, struct quota_table *table, struct mailbox *self, struct metrics *m)
{
	struct quota *qt = calloc(1, sizeof(*qt));

	if (qt)
		*qt = (struct quota){
			.redis = redis, .table = table, .self = self, .metrics = m
		};
	return qt;
}

/* ---- commands ---- */

enum { KEY_TEXT = QUOTA_KEY_MAX + 24 };

/* "KEY:BUCKET"; how many bytes. */
static size_t
bucket_key(char out[KEY_TEXT], const struct quota_dim *d, int64_t bucket)
{
	size_t n = strlen(d->key);

	memcpy(out, d->key, n);
	out[n++] = ':';
	return n + span_decimal(out + n, bucket);
}

/* INCRBY and the key's TTL: a crash leaves nothing that does not expire. */
static void
add_count(struct redis_pipe *p, const struct quota_dim *d, int64_t bucket, int64_t delta)
{
	char key[KEY_TEXT], by[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *incr[] = { "INCRBY", key, by }, *expire[] = { "EXPIRE", key, ttl };
	size_t n = bucket_key(key, d, bucket);
	const size_t il[] = { 6, n, span_decimal(by, delta) },
		     el[] = { 6, n, span_decimal(ttl, window_ttl_s(d)) };

	redis_command(p, 3, incr, il);
	redis_command(p, 3, expire, el);
}

static void
read_neighbours(struct redis_pipe *p, const struct quota_dim *d)
{
	char keys[WINDOW_NEIGHBOURS][KEY_TEXT];
	const char *argv[1 + WINDOW_NEIGHBOURS] = { "MGET" };
	size_t lens[1 + WINDOW_NEIGHBOURS] = { 4 };

	for (int i = 0; i < WINDOW_NEIGHBOURS; i++) {
		int64_t b = i < QUOTA_SUB_BUCKETS ? d->bucket - QUOTA_SUB_BUCKETS + i
						  : d->bucket + 1;
		argv[1 + i] = keys[i];
		lens[1 + i] = bucket_key(keys[i], d, b);
	}
	redis_command(p, 1 + WINDOW_NEIGHBOURS, argv, lens);
}

/* ---- giving back ---- */

/* One dim's correction, on its way to Redis or to the table. */
struct correction {
	struct mail mail;
	struct quota *quota; /* Redis: on its list of refunds */
	struct correction *prev, *next;
	struct quota_table *table;
	struct quota_dim dim;
	int64_t bucket, delta;
};

static void
refund_end(struct correction *c)
{
	*(c->prev ? &c->prev->next : &c->quota->refunds) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

/* Redis is freed next, and calls back no more. */
void
quota_free(struct quota **qt)
{
	while (*qt && (*qt)->refunds)
		refund_end((*qt)->refunds);
	free(*qt);
	*qt = NULL;
}

/* A Redis that lost its counts since the charge would keep a negative one, and
 * hide as much of what comes. Two refunds that see it at once count too much: the
 * safe side. */
static void
on_refunded(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct correction *c = arg;

	if (err == 0 && n > 0 && replies[0].err == 0 && replies[0].i < 0) {
		struct redis_pipe *p = redis_begin(c->quota->redis, 2, NULL, NULL);
		add_count(p, &c->dim, c->bucket, -replies[0].i);
		redis_send(p);
	}
	refund_end(c);
}

static void
send_correction(struct quota *qt, const struct quota_dim *d, int64_t bucket, int64_t delta)
{
	struct correction *c = delta < 0 ? calloc(1, sizeof(*c)) : NULL;

	if (delta < 0 && !c)
		return; /* over-counts: the safe side */
	if (c) {
		c->quota = qt;
		c->dim = *d;
		c->bucket = bucket;
		c->next = qt->refunds;
		if (c->next)
			c->next->prev = c;
		qt->refunds = c;
	}
	struct redis_pipe *p = redis_begin(qt->redis, 2, c ? on_refunded : NULL, c);
	add_count(p, d, bucket, delta);
	redis_send(p);
}

/* ---- reserve ---- */

static void
take_back(struct quota *qt, struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].charged) {
			send_correction(
				qt, &q->dim[k], q->dim[k].bucket, -(int64_t)q->dim[k].n);
			q->dim[k].charged = false;
		}
}

/* Replies stand in the order of the commands: two a dim, then one a dim. */
static void
on_counts(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct quota_request *q = arg;
	int64_t now = clock_wall_ns(), worst = 0;
	bool late = false;

	q->result = QUOTA_ADMITTED;
	if (err || n != 3 * q->ndims)
		q->result = QUOTA_FAILED;
	for (size_t k = 0; k < q->ndims && q->result != QUOTA_FAILED; k++) {
		const struct redis_reply_ints *own = &replies[2 * k],
					      *near = &replies[2 * q->ndims + k];
		struct quota_dim *d = &q->dim[k];
		int64_t retry;
		if (own->err || near->err || near->n != WINDOW_NEIGHBOURS) {
			q->result = QUOTA_FAILED;
			break;
		}
		d->charged = true;
		/* So late, a peer may have charged a bucket that was not read. */
		if (window_bucket(d, now) > d->bucket + 1)
			late = true;
		if (window_judge(d, own->i, near->list, now, &retry))
			continue;
		if (q->result != QUOTA_REFUSED || retry > worst) {
			worst = retry;
			q->refused_by = k;
		}
		q->result = QUOTA_REFUSED;
	}
	q->retry_after_s = (uint64_t)(worst > 0 ? worst + 999 : 0) / 1000;
	if (q->result == QUOTA_REFUSED || late)
		take_back(q->quota, q);
	if (late)
		q->result = QUOTA_FAILED;
	/* Silence never un-counts: what was charged dies with its bucket. */
	for (size_t k = 0; k < q->ndims && q->result == QUOTA_FAILED; k++)
		q->dim[k].charged = false;
	q->done(q);
}

static void
back_home(struct mail *m, void *worker)
{
	struct quota_request *q = CONTAINER_OF(m, struct quota_request, mail);

	(void)worker;
	q->done(q);
}

static void
at_table(struct mail *m, void *worker)
{
	struct quota_request *q = CONTAINER_OF(m, struct quota_request, mail);

	(void)worker;
	if (q->result != QUOTA_REFUSED)
		table_reserve(q->quota->table, q, clock_wall_ns());
	q->mail.run = back_home;
	mailbox_send(q->quota->self, &q->mail);
}

/* More than a whole window allows can never pass: nothing is charged for it. */
static bool
never_fits(struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].n > q->dim[k].limit) {
			q->result = QUOTA_REFUSED;
			q->refused_by = k;
			q->retry_after_s = 0;
			return true;
		}
	return false;
}

void
quota_reserve(struct quota *qt, struct quota_request *q, int64_t now_wall_ns)
{
	q->quota = qt;
	q->result = QUOTA_FAILED;
	for (size_t k = 0; k < q->ndims; k++)
		q->dim[k].bucket = window_bucket(&q->dim[k], now_wall_ns);
	if (never_fits(q)) {
		q->mail.run = back_home;
		mailbox_send(qt->self, &q->mail);
		return;
	}
	if (!qt->redis) {
		q->mail.run = at_table;
		mailbox_send(qt->table->owner, &q->mail);
		return;
	}
	struct redis_pipe *p = redis_begin(qt->redis, 3 * q->ndims, on_counts, q);
	for (size_t k = 0; k < q->ndims; k++)
		add_count(p, &q->dim[k], q->dim[k].bucket, (int64_t)q->dim[k].n);
	for (size_t k = 0; k < q->ndims; k++)
		read_neighbours(p, &q->dim[k]);
	redis_send(p);
}

/* ---- corrections ---- */

static void
correct_table(struct mail *m, void *worker)
{
	struct correction *c = CONTAINER_OF(m, struct correction, mail);

	(void)worker;
	table_add(c->table, &c->dim, c->bucket, c->delta);
	free(c);
}

/* A refund goes to the bucket that was charged and only while it lives; an
 * overrun of a dead one is charged to the present. */
static void
correct(struct quota *qt, struct quota_dim *d, int64_t delta, int64_t now)
{
	int64_t bucket = d->bucket;

	if (delta == 0)
		return;
	if (!window_alive(d, now)) {
		if (delta < 0)
			return;
		bucket = window_bucket(d, now);
	}
	if (qt->redis) {
		send_correction(qt, d, bucket, delta);
		return;
	}
	struct correction *c = malloc(sizeof(*c));
	if (!c)
		return; /* over-counts: the safe side */
	c->table = qt->table;
	c->dim = *d;
	c->bucket = bucket;
	c->delta = delta;
	c->mail.run = correct_table;
	mailbox_send(qt->table->owner, &c->mail);
}

void
quota_settle(struct quota *qt, struct quota_request *q, uint64_t tokens, int64_t now_wall_ns)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		if (d->kind != QUOTA_TOKENS || !d->charged)
			continue;
		correct(qt, d, (int64_t)tokens - (int64_t)d->n, now_wall_ns);
		d->n = tokens;
	}
}

void
quota_release(struct quota *qt, struct quota_request *q, int64_t now_wall_ns)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		if (!d->charged)
			continue;
		d->charged = false;
		correct(qt, d, -(int64_t)d->n, now_wall_ns);
	}
}
