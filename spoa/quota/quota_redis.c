/* Reservations on Redis: their pipelines, and what the replies mean.
 *
 * All reservations of a turn of the loop go out in one pipeline at its end, after all
 * corrections. It counts, then reads Redis' clock, then what counters are not known
 * (quota_known.h), and last the epoch and the revision. An admission holds where the
 * clock lies in the window that was counted and the epoch is the one whose keys were: all
 * that is admitted at a moment of Redis' clock is then in that moment's window, and
 * whoever counts last has seen the others. Else what was counted is taken back (in
 * another life: forgotten), and it is tried again.
 *
 * What is held until a long deadline is read only where "tollgate:longs:EPOCH" is there:
 * who holds so long sets that before it counts, and it is read last. Who does not see it
 * has counted before, and is seen.
 *
 * A dim's keys lie on one node, with a clock and an epoch of its own: a turn is a
 * pipeline a node, and a request is decided when the last one answered. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "quota/quota_private.h"

enum {
	TRIES_MAX = 3,
	PART_COMMANDS = 4, /* the most of a turn: SET, TIME, two MGET */
	/* So long "longs" lives, and from then on it is set again. */
	LONGS_S = 3 * CELL_HOLD_MAX_S,
	LONGS_LEAST_S = 2 * CELL_HOLD_MAX_S,
};

/* What is sent for a dim. */
enum plan {
	COUNTS = 1,
	MAKES = 2, /* the key */
	READS = 4,
	LOOKS = 8,   /* reads all, without counting */
	SPENDS = 16, /* counts what is used too */
	LONGS = 32,  /* reads what is held until long deadlines too */
};

struct item {
	struct quota_request *q;
	unsigned short k;
	unsigned short plan;
};

/* The reservations of a turn that one node decides. */
struct part {
	struct tag tag;
	struct quota *quota;
	struct redis *node; /* while it is written */
	uint64_t sent_us, epoch;
	bool revision; /* read before the counters */
	bool longs;    /* set before all */
	size_t nitems;
	struct item item[];
};

static struct quota_dim *
dim_of(const struct item *i)
{
	return &i->q->dim[i->k];
}

/* In the order in which they are read; rolling: the neighbours, the own one. */
static size_t
cells_to_read(const struct quota_dim *d, unsigned plan, struct cell out[CELL_READ_MAX])
{
	bool looks = plan & LOOKS;
	size_t n = 0;

	if (d->span.kind != QUOTA_ROLLING)
		return cell_reads(d, looks, plan & LONGS, out);
	for (int i = 0; i < WINDOW_NEIGHBOURS; i++)
		out[n++] = (struct cell){ CELL_SUB,
			d->at.bucket + (i < QUOTA_SUB_BUCKETS ? i - QUOTA_SUB_BUCKETS : 1) };
	if (looks)
		out[n++] = (struct cell){ CELL_SUB, d->at.bucket };
	return n;
}

/* How many commands add to its counters. */
static size_t
added_for(const struct item *i)
{
	size_t each = i->plan & MAKES ? ADD_WITH_TTL : ADD_ONLY;

	return !(i->plan & COUNTS) ? 0 : i->plan & SPENDS ? 2 * each : each;
}

/* ---- what came back ---- */

/* Hands out the replies to a part in the order in which send_part() asked. */
struct replies {
	const struct redis_reply_ints *next, *list;
	size_t in_list; /* taken of `list` */
	bool bad;
};

static int64_t
next_integer(struct replies *r)
{
	const struct redis_reply_ints *v = r->next++;

	r->bad |= v->err != 0;
	return v->i;
}

/* The next n of the lists that were packed by lists_fit(). */
static const int64_t *
next_listed(struct replies *r, size_t n)
{
	if (!r->list || r->in_list + n > REDIS_LIST_MAX) {
		r->list = r->next++;
		r->in_list = 0;
	}
	const int64_t *v = &r->list->list[r->in_list];
	r->in_list += n;
	r->bad |= r->list->err != 0 || r->list->n < r->in_list;
	return v;
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

/* One dim's part of the decision. Nobody is refused on what was read long ago. */
static enum dim_verdict
judge(const struct quota *qt, struct quota_request *q, size_t k, const struct known_counts *c,
	int64_t at_ms, uint64_t now)
{
	struct quota_dim *d = &q->dim[k];
	const int64_t *near = c->near, used = known_used(qt->known, d);
	int64_t retry_ms;

	if (!near && d->span.kind == QUOTA_ROLLING)
		near = known_near(qt->known, d, now - KNOWN_AGE_US);
	else if (!near)
		near = &used;
	if (!near)
		return DIM_UNDECIDED;
	if (cell_judge(d, c->own, near, at_ms, &retry_ms))
		return DIM_ADMITS;
	if (!c->near && !known_fresh(qt->known, d, now - KNOWN_FRESH_US))
		return DIM_UNDECIDED;
	over(q, k, retry_ms);
	return DIM_OVER;
}

/* The counters of an item, out of the replies: *added is what its INCRBY answered, *used
 * has room for that sum of one that is no rolling window. */
static void
read_item(const struct item *i, struct replies *add, struct replies *read,
	struct known_counts *c, int64_t *added, int64_t *used)
{
	const struct quota_dim *d = dim_of(i);
	bool looks = i->plan & LOOKS;
	struct cell cells[CELL_READ_MAX];

	*added = 0;
	*c = (struct known_counts){ 0 };
	if (i->plan & COUNTS) {
		add->next += (i->plan & MAKES) != 0;
		c->own = *added = next_integer(add);
		add->next += (i->plan & MAKES) != 0;
		if (i->plan & SPENDS)
			add->next += added_for(i) / 2;
	}
	size_t n = i->plan & READS ? cells_to_read(d, i->plan, cells) : 0;
	const int64_t *list = n ? next_listed(read, n) : NULL;
	if (d->span.kind != QUOTA_ROLLING) {
		cell_sums(d, looks, list, n, &c->own, used);
		c->near = n || d->unit == QUOTA_REQUESTS ? used : NULL;
		return;
	}
	c->near = list;
	if (looks)
		c->own = list[WINDOW_NEIGHBOURS];
}

/* Redis lost the key, and made it anew. */
static bool
made_anew(const struct item *i, int64_t own)
{
	return (i->plan & (COUNTS | MAKES)) == COUNTS && own == (int64_t)dim_of(i)->n;
}

/* No hold is left out, neither by this one nor by others, who have to know of its own. */
static bool
sees_all(const struct item *i, bool longs)
{
	const struct quota_dim *d = dim_of(i);

	if (!cell_expires(d))
		return true;
	return longs ? i->plan & LONGS : d->at.hold != QUOTA_HOLD_LONG;
}

static void
on_item(struct quota *qt, const struct item *i, struct known_counts *c, int64_t added,
	bool lives, int64_t at_ms, uint64_t now)
{
	struct quota_request *q = i->q;
	struct quota_dim *d = dim_of(i);
	bool looks = i->plan & LOOKS,
	     good = !looks && lives && sees_all(i, c->longs) && cell_in_time(d, at_ms);

	d->charged = !looks && lives;
	if (i->plan & SPENDS && !(i->plan & READS))
		known_corrected(qt->known, d, &d->at, cell_spent(d, &d->at), (int64_t)d->n);
	d->verdict = good	      ? judge(qt, q, i->k, c, at_ms, now)
		     : looks && lives ? DIM_UNDECIDED
				      : DIM_STALE;
	if (lives)
		known_read(qt->known, d, looks, c, good, now);
	else
		known_lost(qt->known, d, looks);
	if (i->plan & MAKES && lives)
		known_makes(qt->known, d, &d->at, cell_own(d, &d->at));
	if (made_anew(i, added))
		counts_make(qt, d);
}

/* It is let go: what it takes is counted again wherever Redis loses it. */
static void
note(struct quota *qt, struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		int64_t n = (int64_t)d->n;
		d->at.noted = quota_note(qt, d, &d->at, cell_own(d, &d->at), n, d->at.epoch);
		if (d->at.noted && cell_spends(d, &d->at))
			quota_note(qt, d, &d->at, cell_spent(d, &d->at), n, d->at.epoch);
	}
}

/* All nodes have answered. */
static void
on_answered(struct quota *qt, struct quota_request *q)
{
	unsigned seen = 0;

	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		/* While another node was waited for a new life began at this one. */
		if (d->verdict == DIM_ADMITS && counts_life(qt, d)->epoch != d->at.epoch)
			d->verdict = DIM_STALE;
		seen |= 1u << d->verdict;
	}
	if (q->looks && seen == 1u << DIM_UNDECIDED) {
		q->looks = false;
		q->looked = true;
		counts_queue(qt, q); /* decides on what is known now */
		return;
	}
	if (seen == 1u << DIM_ADMITS) {
		q->result = QUOTA_ADMITTED;
		note(qt, q);
		q->done(q);
		return;
	}
	quota_release(qt, q, clock_mono_us());
	if (seen & 1u << DIM_LOST || (seen & 1u << DIM_STALE && ++q->tries >= TRIES_MAX)) {
		for (size_t k = 0; k < q->ndims && seen & 1u << DIM_LOST; k++)
			q->dim[k].reset_ms = 0;
		quota_fail(qt, q, true);
	} else if (seen & (1u << DIM_STALE | 1u << DIM_UNDECIDED)) {
		q->doubts = !(seen & 1u << DIM_STALE);
		counts_queue(qt, q);
	} else {
		q->result = QUOTA_REFUSED;
		q->done(q);
	}
}

/* Silence never un-counts: what was charged dies with its window, or expires. */
static void
lost(struct quota *qt, const struct item *i)
{
	known_lost(qt->known, dim_of(i), i->plan & LOOKS);
	dim_of(i)->verdict = DIM_LOST;
}

/* How many replies come before that of TIME. */
static size_t
added_by(const struct part *t)
{
	size_t n = t->longs;

	for (size_t i = 0; i < t->nitems; i++)
		n += added_for(&t->item[i]);
	return n;
}

/* What a reply says of the server. Another one may have its keys by now. */
static void
on_life(struct quota *qt, const struct part *t, const int64_t time[2], bool lives,
	const int64_t life[3])
{
	struct redis *node = redis_at(qt->redis, span_str(dim_of(&t->item[0])->key));

	if (!node || redis_life(node)->epoch != t->epoch)
		return;
	redis_life_time(node, t->sent_us, time);
	known_lives(qt->known,
		&(struct known_life){ t->epoch, life[1], redis_life(node)->clock, life[2] });
	if (!lives)
		redis_life_ended(node, t->epoch);
}

static void
on_part(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	const struct part *t = TAGGED(part, arg);
	struct quota *qt = t->quota;
	const struct redis_reply_ints *time = replies + (err ? 0 : added_by(t)),
				      *life = replies + (err ? 0 : n - 1);
	struct replies add = { .next = replies + t->longs }, read = { .next = time + 1 };
	bool good = !err && time->err == 0 && time->n == 2 && life->err == 0 && life->n == 3,
	     lives = good && (uint64_t)life->list[0] == t->epoch;
	int64_t at_ms = 0, revision = 0;
	uint64_t now = clock_mono_us();

	if (good) {
		int64_t at_us = 0; /* stays so where no clock says that */
		redis_life_time_read(time->list, &at_us);
		at_ms = at_us / 1000;
		on_life(qt, t, time->list, lives, life->list);
	}
	if (good && t->revision)
		revision = (read.next++)->list[0];
	for (size_t i = 0; i < t->nitems; i++) {
		const struct item *it = &t->item[i];
		struct known_counts c;
		int64_t added, near[WINDOW_NEIGHBOURS] = { 0 };
		if (good)
			read_item(it, &add, &read, &c, &added, near);
		c.revision = revision;
		c.longs = good && life->list[2] != 0;
		if (good && !add.bad && !read.bad)
			on_item(qt, it, &c, added, lives, at_ms, now);
		else
			lost(qt, it);
		add.bad = false;
		if (--it->q->unanswered == 0)
			on_answered(qt, it->q);
	}
}

/* ---- asking ---- */

/* What to send for a dim. */
static enum plan
plan_of(const struct quota *qt, const struct quota_request *q, const struct quota_dim *d,
	uint64_t now)
{
	bool rolling = d->span.kind == QUOTA_ROLLING,
	     longs = cell_expires(d) && known_longs(qt->known, d->at.epoch);

	if (q->looks)
		return READS | LOOKS | (longs ? LONGS : 0);
	if (rolling)
		return d->n && !q->doubts && known_near(qt->known, d, now - KNOWN_AGE_US)
			       ? COUNTS
			       : COUNTS | READS | MAKES;
	enum plan plan = COUNTS | (cell_spends(d, &d->at) ? SPENDS : 0) | (longs ? LONGS : 0);
	if (!known_made(qt->known, d, &d->at, cell_own(d, &d->at)))
		return plan | READS | MAKES;
	/* Who takes nothing asks what others left. */
	return cell_expires(d) || !d->n ? plan | READS : plan;
}

/* How the next try goes. Where what is known says no, it is refused without counting, or
 * looked at again first. False: it is told already. */
static bool
prepare(struct quota *qt, struct quota_request *q, uint64_t now)
{
	enum known_answer worst = KNOWN_ROOM;
	bool looked = q->looked;

	q->result = QUOTA_FAILED;
	q->looked = false;
	for (size_t k = 0; k < q->ndims; k++) {
		struct quota_dim *d = &q->dim[k];
		const struct redis_life *life = counts_life(qt, d);
		int64_t retry_ms, at_ms = redis_life_ms(life, now);
		d->at = cell_place(d, at_ms, life->epoch);
		d->asked_s = at_ms / 1000;
		enum known_answer a = known_ask(qt->known, d, at_ms, now, &retry_ms);
		if (a != KNOWN_ROOM) {
			over(q, k, retry_ms);
			worst = worst == KNOWN_FULL ? worst : a;
		}
	}
	/* It has just looked: in turns that take long what was read would be old always. */
	if (worst == KNOWN_FULL || (worst == KNOWN_OLD && looked)) {
		quota_unmove(qt, q, now);
		quota_tell(qt, q);
		return false;
	}
	q->result = QUOTA_ADMITTED;
	q->retry_after_s = 0;
	q->looks = worst == KNOWN_OLD;
	q->unanswered = (unsigned)q->ndims;
	for (size_t k = 0; k < q->ndims; k++)
		known_sent(qt->known, &q->dim[k], q->looks);
	return true;
}

/* Lists of counters as full as a reply can be: a list a dim would cost Redis more. */
struct lists {
	struct redis_pipe *p;
	char text[REDIS_LIST_MAX][CELL_KEY_TEXT];
	const char *argv[1 + REDIS_LIST_MAX];
	size_t lens[1 + REDIS_LIST_MAX], n;
};

static void
lists_end(struct lists *l)
{
	l->argv[0] = "MGET";
	l->lens[0] = 4;
	if (l->n)
		redis_command(l->p, (int)l->n + 1, l->argv, l->lens);
	l->n = 0;
}

/* The cells of a dim are never parted. */
static void
lists_add(struct lists *l, const struct quota_dim *d, const struct cell *cells, size_t n)
{
	if (l->n + n > REDIS_LIST_MAX)
		lists_end(l);
	for (size_t i = 0; i < n; i++) {
		l->lens[1 + l->n] = cell_key(l->text[l->n], d, d->at.epoch, cells[i]);
		l->argv[1 + l->n] = l->text[l->n];
		l->n++;
	}
}

static void
send_reads(struct redis_pipe *p, const struct part *t)
{
	struct lists l = { .p = p };

	for (size_t i = 0; i < t->nitems; i++) {
		struct cell cells[CELL_READ_MAX];
		const struct item *it = &t->item[i];
		if (it->plan & READS)
			lists_add(&l, dim_of(it), cells,
				cells_to_read(dim_of(it), it->plan, cells));
	}
	lists_end(&l);
}

static void
send_charge(struct redis_pipe *p, const struct item *it, int64_t at_ms)
{
	struct quota_dim *d = dim_of(it);
	enum add how = it->plan & MAKES ? ADD_WITH_TTL : ADD_ONLY;

	if (it->plan & COUNTS)
		cell_add(p, d, &d->at, cell_own(d, &d->at), (int64_t)d->n, at_ms, how);
	if (it->plan & SPENDS)
		cell_add(p, d, &d->at, cell_spent(d, &d->at), (int64_t)d->n, at_ms, how);
}

void
counts_longs(struct redis_pipe *p, const struct redis_life *life, uint64_t epoch, int64_t now_s)
{
	char key[CELL_KEY_TEXT], until[SPAN_DECIMAL], ttl[SPAN_DECIMAL];
	const char *set[] = { "SET", key, until, "EX", ttl };
	const size_t sl[] = { 3, life_key(key, "longs", life, epoch),
		span_decimal(until, now_s + LONGS_S), 2, span_decimal(ttl, LONGS_S) };

	redis_command(p, 5, set, sl);
}

/* The most commands that it takes. */
static size_t
commands_of(const struct part *t)
{
	size_t n = added_by(t) + PART_COMMANDS;

	for (size_t i = 0; i < t->nitems; i++)
		n += (t->item[i].plan & READS) != 0;
	return n;
}

static void
send_part(struct quota *qt, struct part *t)
{
	const struct redis_life *life = redis_life(t->node);
	struct redis_pipe *p = redis_begin(qt->redis, commands_of(t), on_part, t,
		sizeof(*t) + t->nitems * sizeof(t->item[0]));
	int64_t at_ms = redis_life_ms(life, t->sent_us);
	char revision[CELL_KEY_TEXT], longs[CELL_KEY_TEXT];
	const char *time[] = { "TIME" }, *mget[] = { "MGET", life->key, revision, longs };
	const size_t tl[] = { 4 }, ml[] = { 4, strlen(life->key),
		life_key(revision, "revision", life, t->epoch),
		life_key(longs, "longs", life, t->epoch) };

	if (t->longs)
		counts_longs(p, life, t->epoch, at_ms / 1000);
	for (size_t i = 0; i < t->nitems; i++)
		send_charge(p, &t->item[i], at_ms);
	/* Next to the new charges, so that nobody sees both for long. */
	for (size_t i = 0; i < t->nitems; i++)
		if (t->item[i].plan & COUNTS && t->item[i].k == 0)
			quota_unmove(qt, t->item[i].q, t->sent_us);
	redis_command_at(p, t->node, 1, time, tl);
	/* Before what it is the revision of: another one, and that is read again. */
	if (t->revision)
		redis_command(
			p, 2, (const char *[]){ "MGET", revision }, (size_t[]){ 4, ml[2] });
	send_reads(p, t);
	redis_command(p, 4, mget, ml);
	redis_send(p);
}

/* Of the turn's items those of one node after another. */
static void
send_items(struct quota *qt, struct item *item, size_t n, uint64_t now)
{
	struct part *t = qt->part;

	while (n) {
		size_t rest = 0;
		struct redis *node = redis_at(qt->redis, span_str(dim_of(item)->key));
		*t = (struct part){ .quota = qt,
			.node = node,
			.sent_us = now,
			.epoch = redis_life(node)->epoch };
		TAG(part, t);
		for (size_t i = 0; i < n; i++) {
			const struct quota_dim *d = dim_of(&item[i]);
			if (redis_at(qt->redis, span_str(d->key)) != node) {
				item[rest++] = item[i];
				continue;
			}
			t->revision |= d->span.kind == QUOTA_ROLLING && item[i].plan & READS;
			t->longs |=
				d->at.hold == QUOTA_HOLD_LONG && item[i].plan & COUNTS &&
				known_longs(qt->known, t->epoch) < d->asked_s + LONGS_LEAST_S;
			t->item[t->nitems++] = item[i];
		}
		send_part(qt, t);
		n = rest;
	}
}

/* Every server that counts for the request is there. */
static bool
reached(const struct quota *qt, const struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (!counts_life(qt, &q->dim[k])->epoch)
			return false;
	return true;
}

/* Of the requests from *rest on as many as fit. */
static void
send_turn(struct quota *qt, struct quota_request **rest)
{
	struct item item[TURN_ITEMS + QUOTA_DIMS_MAX];
	uint64_t now = clock_mono_us();
	struct quota_request *q;
	size_t n = 0;

	while ((q = *rest) && n < TURN_ITEMS) {
		*rest = q->next;
		if (!reached(qt, q)) {
			metric_inc(qt->metrics, M_REDIS_ERRORS);
			quota_fail(qt, q, false);
			continue;
		}
		if (!prepare(qt, q, now))
			continue;
		for (size_t k = 0; k < q->ndims; k++)
			item[n++] = (struct item){ q, (unsigned short)k,
				(unsigned short)plan_of(qt, q, &q->dim[k], now) };
	}
	send_items(qt, item, n, now);
}

const struct redis_life *
counts_life(const struct quota *qt, const struct quota_dim *d)
{
	static const struct redis_life none;
	const struct redis *node = redis_at(qt->redis, span_str(d->key));

	return node ? redis_life(node) : &none;
}

bool
counts_reach(const struct quota *qt, const struct quota_dim *d)
{
	const struct redis *node = redis_at(qt->redis, span_str(d->key));

	return node && redis_ready(node);
}

bool
counts_new(struct quota *qt)
{
	qt->known = calloc(1, sizeof(*qt->known));
	qt->ledger = calloc(1, sizeof(*qt->ledger));
	qt->lives = lives_new();
	qt->part = malloc(
		sizeof(*qt->part) + (TURN_ITEMS + QUOTA_DIMS_MAX) * sizeof(qt->part->item[0]));
	redis_before_write(qt->redis, counts_write, qt);
	return qt->known && qt->ledger && qt->lives && qt->part;
}

void
counts_free(struct quota *qt)
{
	redis_before_write(qt->redis, NULL, NULL);
	counts_free_late(qt);
	free(qt->known);
	ledger_free(&qt->ledger);
	lives_free(&qt->lives);
	free(qt->part);
}

void
counts_queue(struct quota *qt, struct quota_request *q)
{
	q->next = NULL;
	*qt->last = q;
	qt->last = &q->next;
}

/* A server that it needs is in a life in which not all is counted again. */
static bool
unsettled(const struct quota *qt, const struct quota_request *q)
{
	for (size_t k = 0; k < q->ndims; k++)
		if (counts_life(qt, &q->dim[k])->epoch && !lives_settled(qt, &q->dim[k]))
			return true;
	return false;
}

/* Takes the requests that can be sent off the queue. The others wait, as long as for an
 * answer of Redis. */
static struct quota_request *
take_settled(struct quota *qt, uint64_t now)
{
	struct quota_request *q = qt->first, *next, *out = NULL, **last = &out;

	qt->first = NULL;
	qt->last = &qt->first;
	for (; q; q = next) {
		next = q->next;
		if (unsettled(qt, q)) {
			if (now - q->queued_us < redis_deadline_us(qt->redis))
				counts_queue(qt, q);
			else
				quota_fail(qt, q, false);
			continue;
		}
		lives_share(qt, q, now);
		q->next = NULL;
		*last = q;
		last = &q->next;
	}
	return out;
}

void
counts_write(void *quota)
{
	struct quota *qt = TAGGED(quota, quota);

	if (redis_life_asked(qt->redis))
		return;
	uint64_t now = clock_mono_us();
	lives_turn(qt, now);
	counts_send_late(qt);
	struct quota_request *rest = take_settled(qt, now);
	while (rest)
		send_turn(qt, &rest);
}
