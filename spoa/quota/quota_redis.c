/* Counts on Redis: the pipelines of reservations and of corrections, and what their
 * replies mean.
 *
 * All reservations of a turn of the loop go out in one pipeline at its end, after all
 * corrections. It counts, then reads Redis' clock, then what neighbours are not known
 * (quota_known.h), and last the epoch and the revision. An admission holds where the
 * clock lies in the bucket that was counted and the epoch is the one whose keys were: all
 * that is admitted at a moment of Redis' clock is then in that moment's bucket, and
 * whoever counts last has seen the others. Else what was counted is taken back (in
 * another life: forgotten), and it is tried again. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "quota/quota_private.h"

enum {
	TRIES_MAX = 3,
	TURN_COMMANDS = 256, /* then the pipeline ends, and another begins */
	REVISION_S = 60,     /* it outlives whatever was read under it */
};

/* ---- commands ---- */

enum { KEY_TEXT = QUOTA_KEY_MAX + 2 * SPAN_DECIMAL + 2 };

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

/* What all that is counted in a life without being judged sets anew. */
static size_t
revision_key(char out[KEY_TEXT], uint64_t epoch)
{
	const struct span name = SPAN_LIT("tollgate:revision:");

	memcpy(out, name.p, name.n);
	return name.n + span_decimal(out + name.n, (int64_t)epoch);
}

enum add { ADD_ONLY = 1, ADD_WITH_TTL = 3 /* commands */ };

/* The bucket's key is never without TTL: who has not yet counted in it makes it with one,
 * and lets it begin anew (it may have been made before its time). */
static void
add_count(struct redis_pipe *p, const struct quota_dim *d, struct quota_place at, int64_t delta,
	enum add how)
{
	char key[KEY_TEXT], by[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *make[] = { "SET", key, "0", "EX", ttl, "NX" },
		   *incr[] = { "INCRBY", key, by }, *expire[] = { "EXPIRE", key, ttl };
	size_t kn = bucket_key(key, d, at), tn = span_decimal(ttl, window_ttl_s(d));
	const size_t ml[] = { 3, kn, 1, 2, tn, 2 }, il[] = { 6, kn, span_decimal(by, delta) },
		     el[] = { 6, kn, tn };

	if (how == ADD_WITH_TTL)
		redis_command(p, 6, make, ml);
	redis_command(p, 3, incr, il);
	if (how == ADD_WITH_TTL)
		redis_command(p, 3, expire, el);
}

/* The neighbours of d->at, the revision, and with `own` that bucket too. */
static void
read_counts(struct redis_pipe *p, const struct quota_dim *d, bool own)
{
	enum { KEYS = WINDOW_NEIGHBOURS + 2 };
	char keys[KEYS][KEY_TEXT];
	const char *argv[1 + KEYS] = { "MGET" };
	size_t lens[1 + KEYS] = { 4 };

	for (int i = 0; i < KEYS; i++) {
		struct quota_place at = d->at;
		if (i < WINDOW_NEIGHBOURS)
			at.bucket += i < QUOTA_SUB_BUCKETS ? i - QUOTA_SUB_BUCKETS : 1;
		argv[1 + i] = keys[i];
		lens[1 + i] = i == WINDOW_NEIGHBOURS ? revision_key(keys[i], at.epoch)
						     : bucket_key(keys[i], d, at);
	}
	redis_command(p, own ? 1 + KEYS : KEYS, argv, lens);
}

/* ---- corrections ---- */

/* Less of a count, on its way to Redis. */
struct refund {
	struct tag tag;
	struct quota *quota;
	struct quota_dim dim;
	struct quota_place at;
};

/* A Redis that evicts keys may have lost the count and would keep a negative one, without
 * a TTL, and hide as much of what comes. Two refunds that see it at once count too much:
 * the safe side. */
static void
on_refunded(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct refund *c = TAGGED(refund, arg);

	if (err == 0 && n > 0 && replies[0].err == 0 && replies[0].i < 0)
		counts_correct(c->quota, &c->dim, c->at, -replies[0].i);
}

void
counts_correct(
	struct quota *qt, const struct quota_dim *d, struct quota_place at, int64_t delta)
{
	struct redis_pipe *p;

	if (delta < 0) {
		struct refund c = { .quota = qt, .dim = *d, .at = at };
		TAG(refund, &c);
		p = redis_begin(qt->redis, ADD_ONLY, on_refunded, &c, sizeof(c));
		add_count(p, d, at, delta, ADD_ONLY);
	} else {
		char key[KEY_TEXT], value[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
		const char *set[] = { "SET", key, value, "EX", ttl };
		const size_t sl[] = { 3, revision_key(key, at.epoch),
			span_decimal(value, (int64_t)redis_life_draw()), 2,
			span_decimal(ttl, REVISION_S) };
		p = redis_begin(qt->redis, ADD_WITH_TTL + 1, NULL, NULL, 0);
		add_count(p, d, at, delta, ADD_WITH_TTL);
		/* After it: who reads the old revision has read before this was counted,
		 * or what was counted too. */
		redis_command(p, 5, set, sl);
	}
	redis_send(p);
}

static void
take_back(struct quota *qt, struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		if (d->charged && d->n)
			counts_correct(qt, d, d->at, -(int64_t)d->n);
		d->charged = false;
	}
}

/* ---- what came back ---- */

/* One pipeline of reservations. */
struct turn {
	struct tag tag;
	struct quota *quota;
	struct quota_request *first; /* chained */
	uint64_t sent_us, epoch;
	size_t time; /* which reply; before it counts, after it reads */
};

/* The replies to the next request of a turn; false where one of them is not what it must
 * be. */
static bool
counts_of(const struct quota_request *q, const struct redis_reply_ints **added,
	const struct redis_reply_ints **read, struct known_counts c[QUOTA_DIMS_MAX])
{
	enum { LISTED = WINDOW_NEIGHBOURS + 1 };
	bool good = true;

	for (size_t k = 0; k < q->ndims; k++) {
		c[k] = (struct known_counts){ 0 };
		if (q->try != QUOTA_LOOKS) {
			const struct redis_reply_ints *own = *added + (q->try == QUOTA_READS);
			*added += q->try == QUOTA_READS ? ADD_WITH_TTL : ADD_ONLY;
			good = good && own->err == 0;
			c[k].own = own->i;
		}
		if (q->try != QUOTA_ADDS) {
			const struct redis_reply_ints *r = (*read)++;
			good = good && r->err == 0 && r->n == LISTED + (q->try == QUOTA_LOOKS);
			c[k].near = r->list;
			c[k].revision = r->list[WINDOW_NEIGHBOURS];
			if (q->try == QUOTA_LOOKS)
				c[k].own = r->list[LISTED];
		}
	}
	return good;
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

/* False: what is known does not decide it. Nobody is refused on what was read long ago. */
static bool
judge(const struct quota *qt, struct quota_request *q,
	const struct known_counts c[QUOTA_DIMS_MAX], int64_t at_ms, uint64_t now)
{
	q->result = QUOTA_ADMITTED;
	q->retry_after_s = 0;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		const int64_t *near = c[k].near;
		int64_t retry_ms;
		if (!near)
			near = known_near(qt->known, d, now - KNOWN_AGE_US);
		if (!near)
			return false;
		if (window_judge(d, c[k].own, near, at_ms, &retry_ms))
			continue;
		if (!c[k].near && !known_near(qt->known, d, now - KNOWN_FRESH_US))
			return false;
		over(q, k, retry_ms);
	}
	return true;
}

static void
fail(struct quota_request *q)
{
	q->result = QUOTA_FAILED;
	q->done(q);
}

/* Silence never un-counts: what was charged dies with its bucket. */
static void
lost(struct quota *qt, struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++) {
		known_lost(qt->known, &q->dim[k], q->try == QUOTA_LOOKS);
		q->dim[k].reset_ms = 0;
	}
	fail(q);
}

static void
on_counts(struct quota *qt, struct quota_request *q,
	const struct known_counts c[QUOTA_DIMS_MAX], bool lives, int64_t at_ms)
{
	uint64_t now = clock_mono_us();
	bool looks = q->try == QUOTA_LOOKS, good = !looks && lives && in_time(q, at_ms),
	     decided = good && judge(qt, q, c, at_ms, now),
	     admitted = decided && q->result == QUOTA_ADMITTED;

	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		d->charged = !looks && lives;
		known_read(qt->known, d, looks, &c[k], looks || admitted ? 0 : (int64_t)d->n,
			good, now);
		/* Redis lost the key, and made it anew. */
		if (q->try == QUOTA_ADDS && c[k].own == (int64_t)d->n) {
			struct redis_pipe *p =
				redis_begin(qt->redis, ADD_WITH_TTL, NULL, NULL, 0);
			add_count(p, d, d->at, 0, ADD_WITH_TTL);
			redis_send(p);
		}
	}
	if (!admitted)
		take_back(qt, q);
	if (lives && looks)
		counts_queue(qt, q); /* decides on what is known now */
	else if (!good && ++q->tries >= TRIES_MAX)
		fail(q);
	else if (!decided) {
		q->doubts = good;
		counts_queue(qt, q);
	} else
		q->done(q);
}

static void
on_turn(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct turn *t = TAGGED(turn, arg);
	struct quota *qt = t->quota;
	const struct redis_reply_ints *added = replies, *time = replies + t->time,
				      *read = time + 1, *life = replies + (err ? 0 : n - 1);
	bool good = !err && time->err == 0 && time->n == 2 && life->err == 0 && life->n == 2,
	     lives = good && (uint64_t)life->list[0] == t->epoch;
	int64_t at_ms = 0;

	if (good) {
		redis_life_time(qt->redis, t->sent_us, time->list);
		at_ms = time->list[0] * 1000 + time->list[1] / 1000;
		qt->known->clock = redis_life(qt->redis)->clock;
		qt->known->revision = life->list[1];
		if (!lives)
			redis_life_ended(qt->redis, t->epoch);
	}
	for (struct quota_request *q = t->first, *next; q; q = next) {
		struct known_counts c[QUOTA_DIMS_MAX];
		next = q->next;
		if (good && counts_of(q, &added, &read, c))
			on_counts(qt, q, c, lives, at_ms);
		else
			lost(qt, q);
	}
}

/* ---- asking ---- */

/* How the next try goes. Where what is known says no, it is refused without counting, or
 * looked at again first. False: it is told already. */
static bool
prepare(struct quota *qt, struct quota_request *q, uint64_t epoch, int64_t at_ms, uint64_t now)
{
	enum known_answer worst = KNOWN_ROOM;
	bool looked = q->try == QUOTA_LOOKS;

	q->result = QUOTA_FAILED;
	q->try = q->doubts ? QUOTA_READS : QUOTA_ADDS;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		int64_t retry_ms;
		d->at = (struct quota_place){ window_bucket(d, at_ms), epoch };
		enum known_answer a = known_ask(qt->known, d, at_ms, now, &retry_ms);
		if (a != KNOWN_ROOM) {
			over(q, k, retry_ms);
			worst = worst == KNOWN_FULL ? worst : a;
		}
		if (!known_near(qt->known, d, now - KNOWN_AGE_US))
			q->try = QUOTA_READS;
	}
	/* It has just looked: in turns that take long what was read would be old always. */
	if (worst == KNOWN_FULL || (worst == KNOWN_OLD && looked)) {
		quota_unmove(qt, q, now);
		quota_tell(qt, q);
		return false;
	}
	if (worst == KNOWN_OLD)
		q->try = QUOTA_LOOKS;
	for (size_t k = 0; k < q->ndims; k++)
		known_sent(qt->known, &q->dim[k], q->try == QUOTA_LOOKS);
	return true;
}

/* Of the requests from *rest on as many as fit. */
static void
send_turn(struct quota *qt, struct quota_request **rest)
{
	static const size_t commands_a_dim[] = {
		[QUOTA_ADDS] = ADD_ONLY, [QUOTA_READS] = ADD_WITH_TTL + 1, [QUOTA_LOOKS] = 1
	};
	const struct redis_life *life = redis_life(qt->redis);
	uint64_t now = clock_mono_us();
	int64_t at_ms = redis_life_ms(life, now);
	struct turn t = { .quota = qt, .sent_us = now, .epoch = life->epoch };
	struct quota_request **end = &t.first, *q;
	size_t commands = 0;

	TAG(turn, &t);
	while ((q = *rest) && commands < TURN_COMMANDS) {
		*rest = q->next;
		if (!t.epoch) {
			metric_inc(qt->metrics, M_REDIS_ERRORS);
			q->result = QUOTA_FAILED;
			quota_tell(qt, q);
			continue;
		}
		if (!prepare(qt, q, t.epoch, at_ms, now))
			continue;
		*end = q;
		end = &q->next;
		*end = NULL;
		commands += q->ndims * commands_a_dim[q->try];
		if (q->try != QUOTA_LOOKS)
			t.time += q->ndims * (q->try == QUOTA_READS ? ADD_WITH_TTL : ADD_ONLY);
	}
	if (!t.first)
		return;
	struct redis_pipe *p = redis_begin(qt->redis, commands + 2, on_turn, &t, sizeof(t));
	for (q = t.first; q; q = q->next)
		for (size_t k = 0; k < q->ndims && q->try != QUOTA_LOOKS; k++)
			add_count(p, &q->dim[k], q->dim[k].at, (int64_t)q->dim[k].n,
				q->try == QUOTA_READS ? ADD_WITH_TTL : ADD_ONLY);
	/* Next to the new charges, so that nobody sees both for long. */
	for (q = t.first; q; q = q->next)
		if (q->try != QUOTA_LOOKS)
			quota_unmove(qt, q, now);
	char revision[KEY_TEXT];
	const char *time[] = { "TIME" }, *mget[] = { "MGET", life->key, revision };
	const size_t tl[] = { 4 },
		     ml[] = { 4, strlen(life->key), revision_key(revision, t.epoch) };
	redis_command(p, 1, time, tl);
	for (q = t.first; q; q = q->next)
		for (size_t k = 0; k < q->ndims && q->try != QUOTA_ADDS; k++)
			read_counts(p, &q->dim[k], q->try == QUOTA_LOOKS);
	redis_command(p, 3, mget, ml);
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
	struct quota *qt = TAGGED(quota, quota);

	if (redis_life_asked(qt->redis))
		return;
	struct quota_request *rest = qt->first;
	qt->first = NULL;
	qt->last = &qt->first;
	while (rest)
		send_turn(qt, &rest);
}
