/* Counting again, in a new life of Redis' data, what was let go in the former ones. */
#include "quota/quota_lives.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "quota/quota_private.h"

enum {
	LIVES = REDIS_HOLDERS_MAX,
	PUBLISH_MAX = 256,    /* counters of a pipeline; one a turn of the loop and server */
	PUBLISH_COMMANDS = 3, /* a counter: */
	PUBLISH_ADDS = 1,     /* the second of them */
	BEAT_US = 100000,
	POLL_US = 20000,
	/* Whoever lives and reaches Redis has come by then: it tries to connect every second,
	   and sees another epoch within a beat. */
	SETTLE_US = 5000000,
	RENEW_US = 1000000,
	MEMBER_MS = 3000,
	KEY_S = 60,
	BEAT_COMMANDS = 5,
};

struct life {
	uint64_t epoch; /* 0: no life */
	enum { LIFE_PUBLISHES, LIFE_SETTLES, LIFE_SETTLED } state;
	size_t chain;	     /* of the ledger, the next one to look at */
	size_t unanswered;   /* pipelines that add */
	size_t published;    /* counters */
	bool spoilt;	     /* one of them failed */
	uint64_t seen_us;    /* in it for the first time */
	uint64_t settled_us; /* 0: not yet, or all came */
	uint64_t beat_us, renewed_us;
	int64_t expected, came; /* workers */
};

struct quota_lives {
	struct life life[LIVES];
	size_t next;	 /* place of the next one */
	int64_t members; /* as last counted; 0: this worker has never taken part */
	uint64_t id;	 /* this worker's name */
};

struct quota_lives *
lives_new(void)
{
	struct quota_lives *l = calloc(1, sizeof(*l));

	if (l)
		l->id = redis_life_draw();
	return l;
}

void
lives_free(struct quota_lives **l)
{
	free(*l);
	*l = NULL;
}

static struct life *
find(const struct quota_lives *l, uint64_t epoch)
{
	for (size_t i = 0; epoch && i < LIVES; i++)
		if (l->life[i].epoch == epoch)
			return (struct life *)&l->life[i];
	return NULL;
}

bool
lives_settled(const struct quota *qt, const struct quota_dim *d)
{
	const struct life *l = find(qt->lives, counts_life(qt, d)->epoch);

	return l && l->state == LIFE_SETTLED;
}

bool
lives_all_settled(const struct quota *qt)
{
	struct redis *node[REDIS_HOLDERS_MAX];

	for (size_t i = redis_holders(qt->redis, node); i-- > 0;) {
		uint64_t epoch = redis_life(node[i])->epoch;
		const struct life *l = find(qt->lives, epoch);
		if (epoch && (!l || l->state != LIFE_SETTLED))
			return false;
	}
	return true;
}

void
lives_look_again(struct quota *qt)
{
	for (size_t i = 0; i < LIVES; i++)
		qt->lives->life[i].chain = 0;
}

/* A callback's: the server may have another life by then. */
struct asked {
	struct tag tag;
	struct quota *quota;
	uint64_t epoch;
};

static struct redis_pipe *
begin(struct quota *qt, const struct life *l, size_t commands, redis_cb *cb)
{
	struct asked a = { .quota = qt, .epoch = l->epoch };

	TAG(asked, &a);
	return redis_begin(qt->redis, commands, cb, &a, sizeof(a));
}

/* ---- publishing ---- */

static void
on_published(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = find(a->quota->lives, a->epoch);

	if (!l)
		return;
	/* SET NX answers nothing where the key is there. */
	for (size_t i = 0; i < n && !err; i++)
		err = i % PUBLISH_COMMANDS == PUBLISH_ADDS ? replies[i].err : 0;
	l->unanswered--;
	l->spoilt |= err != 0;
}

/* Adds a counter's sum where nothing of it is counted. */
static void
publish(struct redis_pipe *p, const struct life *l, const struct ledger_entry *e,
	int64_t now_ms)
{
	struct quota_dim d = { .span.calendar = e->calendar };
	char key[CELL_KEY_TEXT], by[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *make[] = { "SET", key, "0", "EX", ttl, "NX" },
		   *incr[] = { "INCRBY", key, by }, *expire[] = { "EXPIRE", key, ttl };

	snprintf(d.key, sizeof(d.key), "%s", e->key);
	int64_t left_s = (e->ends_ms - now_ms) / 1000 + KEY_S;
	size_t kn = cell_key(key, &d, l->epoch, e->cell),
	       tn = span_decimal(ttl, e->cell.kind == CELL_SUB ? e->ttl_s : left_s);
	redis_command(p, 6, make, (const size_t[]){ 3, kn, 1, 2, tn, 2 });
	redis_command(p, 3, incr, (const size_t[]){ 6, kn, span_decimal(by, e->sum) });
	redis_command(p, 3, expire, (const size_t[]){ 6, kn, tn });
}

static void
say_longs(struct quota *qt, struct redis *node, struct life *l, int64_t now_ms)
{
	struct redis_pipe *p = begin(qt, l, 1, on_published);

	counts_longs(p, redis_life(node), l->epoch, now_ms / 1000);
	l->unanswered++;
	redis_send(p);
}

/* Some of what is counted in no life of this server but former ones. */
static void
publish_some(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	int64_t now_ms = redis_life_ms(redis_life(node), now_us);
	struct redis_pipe *p = NULL;
	bool longs = false;
	size_t n = 0;

	for (; l->chain < LEDGER_CHAINS; l->chain++) {
		for (struct ledger_entry *e = qt->ledger->chain[l->chain]; e; e = e->next) {
			if (e->epoch == l->epoch || e->sum == 0 || now_ms >= e->ends_ms ||
				redis_at(qt->redis, span_str(e->key)) != node)
				continue;
			if (n == PUBLISH_MAX)
				goto full; /* this chain once more, at the next turn */
			if (!p)
				p = begin(qt, l, PUBLISH_COMMANDS * PUBLISH_MAX + 1,
					on_published);
			if (e->cell.kind == CELL_LONG && !longs)
				say_longs(qt, node, l, now_ms);
			longs |= e->cell.kind == CELL_LONG;
			publish(p, l, e, now_ms);
			e->epoch = l->epoch;
			n++;
		}
	}
full:
	if (!p)
		return;
	/* Whoever knows sub-buckets reads them again. */
	counts_revise(p, redis_life(node), l->epoch);
	l->unanswered++;
	l->published += n;
	metric_add(qt->metrics, M_QUOTA_REPUBLISHED, n);
	redis_send(p);
}

/* What was added, and what was not, is not known: all begin anew. */
static void
renew(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);
	char value[SPAN_DECIMAL];

	if (l->renewed_us && now_us - l->renewed_us < RENEW_US)
		return;
	l->renewed_us = now_us;
	log_event(LOG_WARN, "quota.renewed", LS("why", "counts could not be added again"));
	struct redis_pipe *p = redis_begin(qt->redis, 1, NULL, NULL, 0);
	redis_command_at(p, node, 3, (const char *[]){ "SET", life->key, value },
		(const size_t[]){ 3, strlen(life->key),
			span_decimal(value, (int64_t)redis_life_draw()) });
	redis_send(p);
	redis_life_ended(node, l->epoch);
}

/* ---- who else is there ---- */

/* This worker's name with the time, into a sorted set. */
static void
sign(struct redis_pipe *p, const struct quota_lives *all, const char *key, size_t kn,
	int64_t ms)
{
	char score[SPAN_DECIMAL], id[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *add[] = { "ZADD", key, score, id }, *expire[] = { "EXPIRE", key, ttl };

	redis_command(p, 4, add,
		(const size_t[]){
			4, kn, span_decimal(score, ms), span_decimal(id, (int64_t)all->id) });
	redis_command(p, 3, expire, (const size_t[]){ 6, kn, span_decimal(ttl, KEY_S) });
}

static void
settled(struct quota *qt, struct life *l, uint64_t now_us)
{
	bool first = qt->lives->members == 0;

	l->state = LIFE_SETTLED;
	l->settled_us = l->came < l->expected ? now_us : 0;
	if (first)
		qt->lives->members = 1;
	if (l->expected > 1 || l->published)
		log_event(l->settled_us ? LOG_WARN : LOG_INFO, "quota.recounted",
			LI("counters", l->published), LI("workers", l->came),
			LI("expected", l->expected), LI("ms", (now_us - l->seen_us) / 1000));
}

static void
on_came(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct life *l = find(a->quota->lives, a->epoch);

	if (!l || err || n < 3 || replies[2].err)
		return;
	l->came = replies[2].i;
	if (l->state == LIFE_SETTLES && l->came >= l->expected)
		settled(a->quota, l, clock_mono_us());
}

static void
say_came(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);
	char key[CELL_KEY_TEXT];
	size_t kn = life_key(key, "came", life, l->epoch);
	struct redis_pipe *p = begin(qt, l, BEAT_COMMANDS, on_came);

	sign(p, qt->lives, key, kn, redis_life_ms(life, now_us));
	redis_command(p, 2, (const char *[]){ "ZCARD", key }, (const size_t[]){ 5, kn });
	redis_send(p);
}

static void
on_beat(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct asked *a = TAGGED(asked, arg);
	struct quota_lives *all = a->quota->lives;
	const struct life *l = find(all, a->epoch);
	struct redis *node[REDIS_HOLDERS_MAX];

	if (err || n < BEAT_COMMANDS || replies[3].err || replies[4].err || replies[4].n != 2)
		return;
	if ((uint64_t)replies[4].list[0] == a->epoch) {
		/* In a life that is young not all of those who came have said so yet. */
		bool young = l && clock_mono_us() - l->seen_us < MEMBER_MS * 1000;
		int64_t least = young ? all->members : 1;
		all->members = replies[3].i > least ? replies[3].i : least;
		return;
	}
	for (size_t i = redis_holders(a->quota->redis, node); i-- > 0;)
		redis_life_ended(node[i], a->epoch);
}

/* Tells that it is there, counts who is, and sees where another life has begun. */
static void
beat(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	const struct redis_life *life = redis_life(node);
	int64_t now_ms = redis_life_ms(life, now_us);
	char key[CELL_KEY_TEXT], revision[CELL_KEY_TEXT], since[SPAN_DECIMAL];
	size_t kn = life_key(key, "members", life, l->epoch),
	       rn = life_key(revision, "revision", life, l->epoch),
	       sn = span_decimal(since, now_ms - MEMBER_MS);
	struct redis_pipe *p = begin(qt, l, BEAT_COMMANDS, on_beat);

	sign(p, qt->lives, key, kn, now_ms);
	redis_command(p, 4, (const char *[]){ "ZREMRANGEBYSCORE", key, "-inf", since },
		(const size_t[]){ 16, kn, 4, sn });
	redis_command(p, 2, (const char *[]){ "ZCARD", key }, (const size_t[]){ 5, kn });
	redis_command(p, 3, (const char *[]){ "MGET", life->key, revision },
		(const size_t[]){ 4, strlen(life->key), rn });
	redis_send(p);
}

/* ---- a turn ---- */

static struct life *
begin_life(struct quota_lives *all, uint64_t epoch, uint64_t now_us)
{
	struct life *l = &all->life[all->next++ % LIVES];

	*l = (struct life){ .epoch = epoch, .seen_us = now_us, .expected = all->members };
	return l;
}

static void
go_on(struct quota *qt, struct redis *node, struct life *l, uint64_t now_us)
{
	uint64_t since = now_us - l->beat_us;

	if (l->chain < LEDGER_CHAINS)
		publish_some(qt, node, l, now_us);
	if (l->spoilt && !l->unanswered) {
		renew(qt, node, l, now_us);
		return;
	}
	if (l->state == LIFE_PUBLISHES && l->chain == LEDGER_CHAINS && !l->unanswered) {
		l->state = LIFE_SETTLES;
		if (l->expected == 0)
			settled(qt, l, now_us);
	}
	if (l->state == LIFE_SETTLES && now_us - l->seen_us > SETTLE_US)
		settled(qt, l, now_us);
	if (since < (l->state == LIFE_SETTLES ? POLL_US : BEAT_US) ||
		l->state == LIFE_PUBLISHES)
		return;
	l->beat_us = now_us;
	if (l->state == LIFE_SETTLES)
		say_came(qt, node, l, now_us);
	else
		beat(qt, node, l, now_us);
}

void
lives_turn(struct quota *qt, uint64_t now_us)
{
	struct redis *node[REDIS_HOLDERS_MAX];

	for (size_t i = redis_holders(qt->redis, node); i-- > 0;) {
		uint64_t epoch = redis_life(node[i])->epoch;
		if (!epoch)
			continue;
		struct life *l = find(qt->lives, epoch);
		if (!l)
			l = begin_life(qt->lives, epoch, now_us);
		go_on(qt, node[i], l, now_us);
	}
}

/* ---- where not all came ---- */

void
lives_share(const struct quota *qt, struct quota_request *q, uint64_t now_us)
{
	for (size_t k = 0; k < q->ndims && !q->shared; k++) {
		struct quota_dim *d = &q->dim[k];
		const struct life *l = find(qt->lives, counts_life(qt, d)->epoch);
		if (l && l->settled_us && d->span.kind == QUOTA_ROLLING &&
			now_us - l->settled_us < d->span.window_s * 1000000)
			d->limit = (uint64_t)((unsigned __int128)d->limit * (uint64_t)l->came /
					      (uint64_t)l->expected);
	}
	q->shared = true;
}
