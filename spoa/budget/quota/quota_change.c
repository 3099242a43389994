/* Corrections of counts on Redis: settlements, refunds, and the commands that add to a
 * counter. A correction without a reply is kept and sent again. An addition has an id, so
 * that Redis counts it only once even if the first command was executed. Two kinds of
 * additions have no id and are counted at least once: additions that need none (needs_id()),
 * and additions whose slot is moving between two nodes of a cluster. A subtraction is sent at
 * most once. A count that is wrong afterwards is too high, so that no limit is exceeded. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "budget/quota/quota_private.h"

enum {
	REVISION_S = 60,     /* outlives every count that was read under it */
	/* corrections that wait for Redis; further ones are dropped and counted as lost */
	LATE_MAX = 4096,
	LATE_US = 50000,     /* the earliest time to send them again */
	REFUSED_US = 250000, /* the earliest time after Redis refused one */
	ID_S = 300,	     /* lifetime of an id in Redis */
	EVAL_US = 60000000,  /* time until EVAL is tried again after Redis forbade it */
};

/* INCRBY KEYS[1] ARGV[1], if KEYS[2], the id, does not exist. The id is stored for ARGV[2]
 * seconds. */
static const char add_once[] = "if redis.call('SET',KEYS[2],'','NX','EX',ARGV[2])then "
			       "return redis.call('INCRBY',KEYS[1],ARGV[1])end";

size_t
life_key(char out[CELL_KEY_TEXT], const char *name, const struct redis_life *life,
	uint64_t epoch)
{
	char *end = stpcpy(stpcpy(stpcpy(out, "tollgate:"), name), ":");

	if (life->tag[0])
		end = stpcpy(stpcpy(end, life->tag), ":");
	return (size_t)(end - out) + span_decimal(end, (int64_t)epoch);
}

/* A key never exists without a TTL. A worker that has not counted in the key yet creates it
 * with a TTL, and renews the TTL (another worker may have created the key early). */
void
key_add(struct redis_pipe *p, const char *key, size_t kn, struct span id, int64_t delta,
	int64_t ttl_s, enum add how)
{
	char by[SPAN_DECIMAL], ttl[SPAN_DECIMAL], id_ttl[SPAN_DECIMAL];
	const char *make[] = { "SET", key, "0", "EX", ttl, "NX" },
		   *incr[] = { "INCRBY", key, by }, *expire[] = { "EXPIRE", key, ttl },
		   *once[] = { "EVAL", add_once, "2", key, id.p, by, id_ttl };
	size_t tn = how == ADD_ONLY ? 0 : span_decimal(ttl, ttl_s), bn = span_decimal(by, delta);
	const size_t ml[] = { 3, kn, 1, 2, tn, 2 }, il[] = { 6, kn, bn }, el[] = { 6, kn, tn };

	if (how == ADD_WITH_TTL)
		redis_command(p, 6, make, ml);
	if (id.n)
		redis_command(p, 7, once,
			(const size_t[]){ 4, sizeof(add_once) - 1, 1, kn, id.n, bn,
				span_decimal(id_ttl, ID_S) });
	else
		redis_command(p, 3, incr, il);
	if (how == ADD_WITH_TTL)
		redis_command(p, 3, expire, el);
}

/* Writes "tollgate:i:{LIMIT:HASH}:ID", in the slot of the counter. The id depends on the
 * epoch, because a new epoch has none of the earlier additions. */
static size_t
id_key(char out[CELL_KEY_TEXT], const struct quota_dim *d, uint64_t epoch, uint64_t id)
{
	static const char counter[] = "tollgate:q:", name[] = "tollgate:i:";
	size_t n = strlen(d->key);

	memcpy(out, d->key, n);
	memcpy(out, name, sizeof(counter) - 1);
	out[n++] = ':';
	return n + span_decimal(out + n, (int64_t)((id ^ epoch) & INT64_MAX));
}

/* As cell_add(), with an id; 0: none. */
static void
cell_add_once(struct redis_pipe *p, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, uint64_t id, int64_t delta, int64_t now_ms, enum add how)
{
	char key[CELL_KEY_TEXT], once[CELL_KEY_TEXT];
	size_t kn = cell_key(key, d, at->epoch, c), on = id ? id_key(once, d, at->epoch, id) : 0;

	key_add(p, key, kn, span_of(once, on), delta,
		how == ADD_ONLY ? 0 : cell_ttl_s(d, at, c, now_ms), how);
}

void
cell_add(struct redis_pipe *p, const struct quota_dim *d, const struct quota_place *at,
	struct cell c, int64_t delta, int64_t now_ms, enum add how)
{
	cell_add_once(p, d, at, c, 0, delta, now_ms, how);
}

void
key_set(struct redis_pipe *p, const char *key, size_t kn, int64_t v, int64_t ttl_s)
{
	char value[SPAN_DECIMAL], ttl[SPAN_DECIMAL];

	redis_command(p, 5, (const char *[]){ "SET", key, value, "EX", ttl },
		(const size_t[]){ 3, kn, span_decimal(value, v), 2, span_decimal(ttl, ttl_s) });
}

static int64_t
redis_ms(const struct quota *qt, const struct quota_dim *d)
{
	return redis_life_ms(counts_life(qt, d), clock_mono_us());
}

/* ---- corrections ---- */

/* A correction on its way to Redis. */
struct sent {
	struct tag tag;
	struct quota *quota;
	struct change change;
	size_t own, spent; /* index of the reply to each addition */
	bool spent_alone;  /* sent without renewing the key's TTL */
	bool reduces;	   /* the reply before `own` belongs to the note */
};

void
counts_keep(struct quota *qt, const struct change *c)
{
	if (qt->nlate == LATE_MAX) {
		metric_inc(qt->metrics, M_QUOTA_LOST);
		return;
	}
	struct late *l = malloc(sizeof(*l));
	if (!l) {
		metric_inc(qt->metrics, M_QUOTA_LOST);
		return;
	}
	/* the last element has no successor, so the list cannot become a ring */
	INVARIANT(!*qt->last_late);
	*l = (struct late){ .change = *c };
	*qt->last_late = l;
	qt->last_late = &l->next;
	qt->nlate++;
}

/* Gives a TTL to a key that Redis had lost and that the addition created again. */
static void
make_quota_place(struct quota *qt, const struct quota_dim *d, const struct quota_place *at,
	struct cell c)
{
	struct redis_pipe *p = redis_begin(qt->redis, ADD_WITH_TTL, NULL, NULL, 0);

	cell_add(p, d, at, c, 0, redis_ms(qt, d), ADD_WITH_TTL);
	redis_send(p);
}

/* Returns true if the addition changes a counter that decisions read. The amount spent in a
 * window with a total is only displayed. Most requests add to it, and an id would need more
 * memory than the counter. */
static bool
needs_id(const struct change *c)
{
	return c->own > 0 || (c->spent > 0 && cell_expires(&c->dim));
}

/* Returns true if Redis did not execute the command. A null reply means that the id was
 * known: an earlier command with this id was executed. */
static bool
not_done_yet(const struct redis_reply_ints *r)
{
	return r->err && !r->nil;
}

static void
eval_forbidden(struct quota *qt)
{
	qt->eval_us = clock_mono_us() + EVAL_US;
	if (!qt->said_eval)
		log_event(LOG_WARN, "quota.no_eval",
			LS("why",
				"Redis forbids EVAL, so a settlement with a late reply may be "
				"counted twice: add +eval to the ACL rule of the Redis user"));
	qt->said_eval = true;
}

/* Redis returned an error, for example because its memory is full: nothing was counted or
 * given back. The known counts are corrected, since otherwise each attempt to send the refund
 * would lower them again. For an addition, the known count stays too high meanwhile, which
 * never over-admits. */
static void
change_refused(struct quota *qt, const struct change *c)
{
	const struct quota_dim *d = &c->dim;

	if (c->spent < 0 && !c->unseen)
		known_corrected(qt->known, d, &c->at, cell_spent(d, &c->at), -c->spent);
	if (c->own < 0 && !c->unseen)
		known_corrected(qt->known, d, &c->at, cell_own(d, &c->at), -c->own);
	counts_keep(qt, c);
	qt->late_us = clock_mono_us() + REFUSED_US;
}

/* Takes the replies to a correction. A Redis that evicts keys may have lost the count. A
 * refund then leaves a negative count without a TTL, which would hide later usage, so the
 * count is raised to 0. If two workers do this at the same time, the count is too high, which
 * never over-admits. */
static void
on_changed(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct sent *s = TAGGED(sent, arg);
	struct change c = s->change;

	INVARIANT(err || ((!c.own || s->own < n) && (!c.spent || s->spent < n)));
	if (s->reduces)
		notes_reduced(s->quota, &c, err ? NULL : &replies[s->own - 1]);
	else if (c.own > 0 && c.at.slice && !err && replies[s->own].err == 0)
		notes_add(s->quota, &c.dim, &c.at, c.own);
	if (err) {
		c.spent = c.spent > 0 ? c.spent : 0;
		c.own = c.own > 0 ? c.own : 0;
		if (c.spent || c.own)
			counts_keep(s->quota, &c);
		return;
	}
	struct change not_done = c;
	if (!c.own || s->own >= n || !not_done_yet(&replies[s->own]))
		not_done.own = 0;
	if (!c.spent || s->spent >= n || !not_done_yet(&replies[s->spent]))
		not_done.spent = 0;
	if (not_done.own || not_done.spent) {
		not_done.without_id = (not_done.own && replies[s->own].split) ||
				      (not_done.spent && replies[s->spent].split);
		change_refused(s->quota, &not_done);
		if (c.id && ((not_done.own && replies[s->own].forbidden) ||
				    (not_done.spent && replies[s->spent].forbidden)))
			eval_forbidden(s->quota);
		for (size_t i = 0; i < n; i++)
			if (replies[i].err == ERR_FULL) {
				redis_give_way(s->quota->redis, 1);
				break;
			}
	}
	if (s->spent_alone && n && replies[0].err == 0 && replies[0].i == c.spent)
		make_quota_place(s->quota, &c.dim, &c.at, cell_spent(&c.dim, &c.at));
	if (c.own < 0 && s->own < n && replies[s->own].err == 0 && replies[s->own].i < 0) {
		c.spent = 0;
		c.id = 0;
		c.own = -replies[s->own].i;
		counts_change(s->quota, &c);
	}
}

/* Call it after an addition that was not decided on: workers read the known buckets again. */
void
counts_revise(struct redis_pipe *p, const struct redis_life *life, uint64_t epoch)
{
	char key[CELL_KEY_TEXT];
	size_t kn = life_key(key, "revision", life, epoch);

	key_set(p, key, kn, (int64_t)redis_life_draw(), REVISION_S);
}

/* Sends a correction. The usage is counted before the reserved amount is given back, so that
 * no reader misses both. */
void
counts_change(struct quota *qt, const struct change *c)
{
	const struct quota_dim *d = &c->dim;
	struct cell own = cell_own(d, &c->at), spent = cell_spent(d, &c->at);
	struct sent s = { .quota = qt, .change = *c };
	int64_t now_ms = redis_ms(qt, d);
	uint64_t id = 0;

	INVARIANT(c->own || c->spent); /* an empty pipeline would get no reply */
	INVARIANT(c->at.epoch != 0);
	enum add how = known_made(qt->known, d, &c->at, spent) ? ADD_ONLY : ADD_WITH_TTL;
	enum add own_how = c->own < 0 && !c->unseen ? ADD_ONLY : ADD_WITH_TTL;
	TAG(sent, &s);
	if (needs_id(c)) {
		if (!s.change.id)
			s.change.id = qt->last_id += 2;
		if (!c->without_id && clock_mono_us() >= qt->eval_us)
			id = s.change.id;
	}
	s.change.without_id = false;
	s.spent = how == ADD_WITH_TTL;
	s.spent_alone = c->spent && how == ADD_ONLY;
	s.reduces = c->own < 0 && c->at.slice && !notes_take(qt, d, &c->at, -c->own);
	s.own = (c->spent ? how : 0) + s.reduces + (own_how == ADD_WITH_TTL);
	struct redis_pipe *p =
		redis_begin(qt->redis, 2 * ADD_WITH_TTL + 2, on_changed, &s, sizeof(s));
	if (c->spent)
		cell_add_once(
			p, d, &c->at, spent, c->spent > 0 ? id : 0, c->spent, now_ms, how);
	if (s.reduces)
		notes_reduce(p, c);
	if (c->own)
		cell_add_once(p, d, &c->at, own, c->own > 0 && id ? id + 1 : 0, c->own, now_ms,
			own_how);
	/* After the addition: a worker that still sees the old revision has read before the
	 * addition was counted, or has read the addition, too. */
	if (c->own > 0 && own.kind == CELL_SUB)
		counts_revise(p, counts_life(qt, d), c->at.epoch);
	redis_send(p);
	if (c->spent)
		known_makes(qt->known, d, &c->at, spent);
	if (c->unseen)
		return;
	if (c->spent)
		known_corrected(qt->known, d, &c->at, spent, c->spent);
	if (c->own)
		known_corrected(qt->known, d, &c->at, own, c->own);
}

void
counts_make(struct quota *qt, const struct quota_dim *d)
{
	make_quota_place(qt, d, &d->at, cell_own(d, &d->at));
}

/* Sends a correction of a charge in the ledger. If its epoch has ended, the ledger has
 * counted it again already. */
static void
send_noted(struct quota *qt, const struct change *c)
{
	uint64_t epoch = counts_life(qt, &c->dim)->epoch;
	struct cell own = cell_own(&c->dim, &c->at);
	struct change now = *c;

	if (!counts_reach(qt, &c->dim)) {
		counts_keep(qt, c);
		return;
	}
	if (!cell_takes(&c->dim, &c->at, own, now.own, redis_ms(qt, &c->dim)))
		now.own = 0;
	if (epoch == c->at.epoch && (now.own || now.spent))
		counts_change(qt, &now);
}

/* Corrections from an earlier epoch are adapted by quota_change(). */
void
counts_send_late(struct quota *qt)
{
	struct late *l = qt->late;

	if (!l || !redis_ready(qt->redis) || !lives_all_settled(qt))
		return;
	uint64_t now_us = clock_mono_us();
	if (now_us < qt->late_us)
		return;
	INVARIANT(qt->nlate > 0 && qt->nlate <= LATE_MAX);
	qt->late_us = now_us + LATE_US;
	qt->late = NULL;
	qt->last_late = &qt->late;
	qt->nlate = 0;
	while (l) {
		struct late *next = l->next;
		if (l->change.at.noted)
			send_noted(qt, &l->change);
		else
			quota_change(qt, &l->change, clock_mono_us());
		free(l);
		l = next;
	}
}

void
counts_free_late(struct quota *qt)
{
	while (qt->late) {
		struct late *l = qt->late;
		qt->late = l->next;
		free(l);
	}
}
