/* Counts on Redis: the pipelines of a reservation and of a correction, and what their
 * replies mean.
 *
 * A reservation is written at the end of the loop's turn, after all corrections. Its
 * pipeline counts first, then reads the counts, Redis' clock and, last, the epoch.
 * An admission holds where the clock lies in the bucket that was counted and the epoch
 * is the one whose keys were: all that is admitted at a moment of Redis' clock is then
 * in that moment's bucket, and whoever reads last has seen the others. Else what was
 * counted is taken back (in another life: forgotten), and it is tried again. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "quota/quota_private.h"

enum { TRIES_MAX = 3 };

/* ---- commands ---- */

enum { KEY_TEXT = QUOTA_KEY_MAX + 2 * SPAN_DECIMAL + 2, COMMANDS_A_DIM = 5 };

/* "KEY:EPOCH:BUCKET"; how many bytes. */
static size_t
bucket_key(char out[KEY_TEXT], const struct quota_dim *d, struct quota_place at)
{
	size_t n = strlen(d->key);

	memcpy(out, d->key, n);
	out[n++] = ':';
	n += span_decimal(out + n, (int64_t)at.epoch);
	out[n++] = ':';
	return n + span_decimal(out + n, at.bucket);
}

/* INCRBY and the key's TTL: a crash leaves nothing that does not expire. */
static void
add_count(struct redis_pipe *p, const struct quota_dim *d, struct quota_place at, int64_t delta)
{
	char key[KEY_TEXT], by[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *incr[] = { "INCRBY", key, by }, *expire[] = { "EXPIRE", key, ttl };
	size_t n = bucket_key(key, d, at);
	const size_t il[] = { 6, n, span_decimal(by, delta) },
		     el[] = { 6, n, span_decimal(ttl, window_ttl_s(d)) };

	redis_command(p, 3, incr, il);
	redis_command(p, 3, expire, el);
}

/* The neighbours of d->at, and with `own` that bucket too, last. */
static void
read_counts(struct redis_pipe *p, const struct quota_dim *d, bool own)
{
	enum { KEYS = WINDOW_NEIGHBOURS + 1 };
	char keys[KEYS][KEY_TEXT];
	const char *argv[1 + KEYS] = { "MGET" };
	size_t lens[1 + KEYS] = { 4 };

	for (int i = 0; i < KEYS; i++) {
		struct quota_place at = d->at;
		if (i < WINDOW_NEIGHBOURS)
			at.bucket += i < QUOTA_SUB_BUCKETS ? i - QUOTA_SUB_BUCKETS : 1;
		argv[1 + i] = keys[i];
		lens[1 + i] = bucket_key(keys[i], d, at);
	}
	redis_command(p, own ? 1 + KEYS : KEYS, argv, lens);
}

/* ---- giving back ---- */

/* Less of a count, on its way to Redis. */
struct refund {
	struct tag tag;
	struct quota *quota;
	struct refund *prev, *next;
	struct quota_dim dim;
	struct quota_place at;
};

static void
refund_end(struct refund *c)
{
	*(c->prev ? &c->prev->next : &c->quota->refunds) = c->next;
	if (c->next)
		c->next->prev = c->prev;
	free(c);
}

/* A Redis that evicts keys may have lost the count and would keep a negative one, and
 * hide as much of what comes. Two refunds that see it at once count too much: the
 * safe side. */
static void
on_refunded(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct refund *c = TAGGED(refund, arg);

	if (err == 0 && n > 0 && replies[0].err == 0 && replies[0].i < 0) {
		struct redis_pipe *p = redis_begin(c->quota->redis, 2, NULL, NULL);
		add_count(p, &c->dim, c->at, -replies[0].i);
		redis_send(p);
	}
	refund_end(c);
}

void
counts_correct(
	struct quota *qt, const struct quota_dim *d, struct quota_place at, int64_t delta)
{
	struct refund *c = delta < 0 ? calloc(1, sizeof(*c)) : NULL;

	if (delta < 0 && !c)
		return; /* over-counts: the safe side */
	if (c) {
		TAG(refund, c);
		c->quota = qt;
		c->dim = *d;
		c->at = at;
		c->next = qt->refunds;
		if (c->next)
			c->next->prev = c;
		qt->refunds = c;
	}
	struct redis_pipe *p = redis_begin(qt->redis, 2, c ? on_refunded : NULL, c);
	add_count(p, d, at, delta);
	redis_send(p);
}

static void
take_back(struct quota *qt, struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].charged) {
			counts_correct(qt, &q->dim[k], q->dim[k].at, -(int64_t)q->dim[k].n);
			q->dim[k].charged = false;
		}
}

/* ---- what came back ---- */

/* The replies to one pipeline, in the order of the commands. */
struct answer {
	const struct redis_reply_ints *added; /* two a dim; NULL: it only looked */
	const struct redis_reply_ints *near;  /* one a dim */
	const int64_t *time;
	uint64_t epoch;
};

/* False where one of them is not what it must be. */
static bool
answer_of(const struct quota_request *q, const struct redis_reply_ints *replies, size_t n,
	struct answer *a)
{
	size_t added = q->looks ? 0 : 2 * (q->ndims + q->moved),
	       counts = q->looks ? WINDOW_NEIGHBOURS + 1 : WINDOW_NEIGHBOURS;

	if (n != added + q->ndims + 2)
		return false;
	*a = (struct answer){ q->looks ? NULL : replies, replies + added, replies[n - 2].list,
		replies[n - 1].n == 1 ? (uint64_t)*replies[n - 1].list : 0 };
	for (size_t k = 0; k < q->ndims; k++)
		if (a->near[k].err || a->near[k].n != counts ||
			(a->added && a->added[2 * k].err))
			return false;
	return replies[n - 2].err == 0 && replies[n - 2].n == 2 && replies[n - 1].err == 0;
}

static int64_t
own_count(const struct answer *a, size_t k)
{
	return a->added ? a->added[2 * k].i : a->near[k].list[WINDOW_NEIGHBOURS];
}

static void
remember(struct quota *qt, const struct quota_request *q, const struct answer *a,
	bool given_back)
{
	uint64_t now = clock_mono_us();

	for (size_t k = 0; k < q->ndims; k++)
		known_read(qt->known, &q->dim[k], q->looks, own_count(a, k), a->near[k].list,
			given_back ? (int64_t)q->dim[k].n : 0, now);
}

static void
over(struct quota_request *q, size_t k, int64_t retry_ms)
{
	uint64_t s = retry_ms > 1000 ? (uint64_t)(retry_ms + 999) / 1000 : 1;

	if (q->result != QUOTA_REFUSED || s > q->retry_after_s) {
		q->retry_after_s = s;
		q->refused_by = k;
	}
	q->result = QUOTA_REFUSED;
}

/* Whether each dim was counted in the bucket in which Redis' clock lies. */
static bool
in_time(const struct quota_request *q, int64_t at_ms)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (window_bucket(&q->dim[k], at_ms) != q->dim[k].at.bucket)
			return false;
	return true;
}

static void
judge(struct quota_request *q, const struct answer *a, int64_t at_ms)
{
	q->result = QUOTA_ADMITTED;
	q->retry_after_s = 0;
	for (size_t k = 0; k < q->ndims; k++) {
		int64_t retry_ms;
		if (!window_judge(
			    &q->dim[k], a->added[2 * k].i, a->near[k].list, at_ms, &retry_ms))
			over(q, k, retry_ms);
	}
}

static void
again(struct quota *qt, struct quota_request *q)
{
	if (++q->tries < TRIES_MAX) {
		counts_queue(qt, q);
		return;
	}
	q->result = QUOTA_FAILED;
	q->done(q);
}

static void
on_counts(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct quota_request *q = TAGGED(quota_request, arg);
	struct quota *qt = q->quota;
	struct answer a;

	if (err || !answer_of(q, replies, n, &a)) {
		/* Silence never un-counts: what was charged dies with its bucket. */
		for (size_t k = 0; k < q->ndims; k++) {
			known_lost(qt->known, &q->dim[k], q->looks);
			q->dim[k].reset_ms = 0;
		}
		q->result = QUOTA_FAILED;
		q->done(q);
		return;
	}
	int64_t at_ms = a.time[0] * 1000 + a.time[1] / 1000;
	redis_life_time(qt->redis, q->sent_us, a.time);
	for (size_t k = 0; k < q->ndims; k++)
		q->dim[k].charged = !q->looks;
	bool lives = a.epoch == q->epoch, good = !q->looks && lives && in_time(q, at_ms);
	if (good)
		judge(q, &a, at_ms);
	remember(qt, q, &a, !q->looks && !(good && q->result == QUOTA_ADMITTED));
	if (!lives) { /* nothing is left of what was counted */
		for (size_t k = 0; k < q->ndims; k++)
			q->dim[k].charged = false;
		redis_life_ended(qt->redis, q->epoch);
	} else if (!good || q->result == QUOTA_REFUSED) {
		take_back(qt, q);
	}
	if (lives && q->looks)
		counts_queue(qt, q); /* decides on what is known now */
	else if (!good)
		again(qt, q);
	else
		q->done(q);
}

/* ---- asking ---- */

/* What is known says no: refused without counting, or looked at again first. */
static enum known_answer
ask_known(struct quota *qt, struct quota_request *q, int64_t at_ms, uint64_t now)
{
	enum known_answer worst = KNOWN_ROOM;

	q->result = QUOTA_FAILED;
	for (size_t k = 0; k < q->ndims; k++) {
		int64_t retry_ms;
		enum known_answer a =
			known_ask(qt->known, &q->dim[k], q->epoch, at_ms, now, &retry_ms);
		if (a == KNOWN_ROOM)
			continue;
		over(q, k, retry_ms);
		if (worst != KNOWN_FULL)
			worst = a;
	}
	return worst;
}

static void
ask(struct quota *qt, struct quota_request *q)
{
	const struct redis_life *life = redis_life(qt->redis);
	uint64_t now = clock_mono_us();
	int64_t at_ms = redis_life_ms(life, now);

	q->epoch = life->epoch;
	q->sent_us = now;
	q->moved = 0;
	if (!q->epoch) {
		metric_inc(qt->metrics, M_REDIS_ERRORS);
		q->result = QUOTA_FAILED;
		quota_tell(qt, q);
		return;
	}
	enum known_answer known = ask_known(qt, q, at_ms, now);
	/* It has just looked: in turns that take long what was read would be old always. */
	if (known == KNOWN_FULL || (known == KNOWN_OLD && q->looks)) {
		quota_unmove(qt, q, now);
		quota_tell(qt, q);
		return;
	}
	q->looks = known == KNOWN_OLD;
	struct redis_pipe *p =
		redis_begin(qt->redis, COMMANDS_A_DIM * q->ndims + 2, on_counts, q);
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		d->at = (struct quota_place){ window_bucket(d, at_ms), q->epoch };
		known_sent(qt->known, d, q->looks);
		if (!q->looks)
			add_count(p, d, d->at, (int64_t)d->n);
	}
	/* Next to the new charge, so that nobody sees both for long. */
	for (size_t k = 0; k < q->ndims && !q->looks; k++) {
		struct quota_dim *d = &q->dim[k];
		if (d->moves && d->from.epoch == q->epoch &&
			window_alive(d, d->from.bucket, at_ms)) {
			add_count(p, d, d->from, -(int64_t)d->n);
			q->moved++;
		}
		d->moves = false;
	}
	for (size_t k = 0; k < q->ndims; k++)
		read_counts(p, &q->dim[k], q->looks);
	const char *time[] = { "TIME" }, *epoch[] = { "MGET", life->key };
	const size_t tl[] = { 4 }, el[] = { 4, strlen(life->key) };
	redis_command(p, 1, time, tl);
	redis_command(p, 2, epoch, el);
	redis_send(p);
}

void
counts_queue(struct quota *qt, struct quota_request *q)
{
	q->next = NULL;
	*qt->last = q;
	qt->last = &q->next;
}

void
counts_write(void *quota)
{
	struct quota *qt = quota;

	if (redis_life_asked(qt->redis))
		return;
	struct quota_request *q = qt->first;
	qt->first = NULL;
	qt->last = &qt->first;
	while (q) {
		struct quota_request *next = q->next;
		ask(qt, q);
		q = next;
	}
}

void
counts_free(struct quota *qt)
{
	while (qt->refunds)
		refund_end(qt->refunds);
}
