/* Writes a pipeline and reads its replies. The pipeline counts, reads Redis' clock, reads the
 * counters that are not known, and reads the epoch, the revision and "longs" last
 * (quota_redis.c explains the order).
 *
 * part_send() writes, part_answered() reads in exactly the same order. A request is decided
 * when its last part has been answered (on_answered()): admitted, refused, or tried again. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "budget/quota/quota_part.h"

static void part_answered(void *arg, int err, const struct redis_reply_ints *replies, size_t n);
static void part_late(void *arg, int err, const struct redis_reply_ints *replies, size_t n);

enum {
	/* at most, besides the dims' own: SET, TIME, two MGET */
	PART_COMMANDS = 4,
	LONGS_S = 3 * CELL_HOLD_MAX_S, /* lifetime of "longs" */
};

/* Adds a cell to the list, unless it is the charge's own, whose count the reply to the
 * addition contains. */
static size_t
add_hold(const struct quota_dim *d, bool looks, struct cell c, struct cell *out)
{
	struct cell own = cell_own(d, &d->at);

	if (!looks && own.kind == c.kind && own.id == c.id)
		return 0;
	*out = c;
	return 1;
}

/* Writes the cells to read after adding to the own cell; the amount spent comes first.
 * `looks`: reads without adding. `longs`: includes CELL_LONG. Returns their number. */
static size_t
cell_reads(const struct quota_dim *d, bool looks, bool longs, struct cell out[CELL_READ_MAX])
{
	size_t n = 0;

	if (d->span.kind == QUOTA_CALENDAR && (looks || d->unit != QUOTA_REQUESTS))
		out[n++] = (struct cell){ d->unit == QUOTA_REQUESTS ? CELL_TOTAL : CELL_USED,
			d->at.bucket };
	if (!cell_expires(d)) {
		if (looks && d->unit != QUOTA_REQUESTS)
			out[n++] = (struct cell){ CELL_TOTAL, d->at.bucket };
		return n;
	}
	for (int i = 0; i < CELL_SHORT_READ; i++)
		n += add_hold(d, looks,
			(struct cell){ CELL_SHORT, d->asked_s / CELL_SHORT_S + i }, out + n);
	for (int i = 0; longs && i < CELL_LONG_READ; i++)
		n += add_hold(d, looks,
			(struct cell){ CELL_LONG, d->asked_s / CELL_LONG_S + i }, out + n);
	INVARIANT(n <= CELL_READ_MAX);
	return n;
}

/* Writes the cells of a dim in the order in which they are read. Rolling: the neighbors, then
 * the own one. Returns their number. */
static size_t
item_cells(const struct quota_dim *d, unsigned plan, struct cell out[CELL_READ_MAX])
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
	INVARIANT(n <= CELL_READ_MAX);
	return n;
}

/* Writes the cells of quota_dim.former. */
static size_t
item_former_cells(const struct quota_dim *d, struct cell out[CELL_READ_MAX])
{
	return item_cells(d, LOOKS | LONGS, out);
}

/* Returns the number of sub-buckets whose notes are read: the first ones of item_cells(). */
static size_t
item_rows(const struct item *i)
{
	if (!(i->plan & READS) || item_dim(i)->span.kind != QUOTA_ROLLING)
		return 0;
	return i->plan & LOOKS ? WINDOW_ROWS : 1;
}

/* Returns the number of replies before those of the commands that add. */
static size_t
part_before(const struct part *t)
{
	return t->longs + t->former;
}

/* Returns the number of commands that add to the item's counters. */
static size_t
item_added(const struct item *i)
{
	size_t each = i->plan & MAKES ? ADD_WITH_TTL : ADD_ONLY;

	return !(i->plan & COUNTS) ? 0 : i->plan & SPENDS ? 2 * each : each;
}

/* Returns the number of replies before that of TIME. */
static size_t
part_added(const struct part *t)
{
	size_t n = part_before(t);

	for (size_t i = 0; i < t->nitems; i++)
		n += item_added(&t->item[i]);
	return n;
}

/* MGET commands, each with as many counters as a reply can have: one MGET for each dim would
 * cost Redis more. */
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

static void
lists_add(struct lists *l, const struct quota_dim *d, uint64_t epoch, const struct cell *cells,
	size_t n)
{
	INVARIANT(l->n + n <= REDIS_LIST_MAX);
	for (size_t k = 0; k < n; k++, l->n++) {
		l->lens[1 + l->n] = cell_key(l->text[l->n], d, epoch, cells[k]);
		l->argv[1 + l->n] = l->text[l->n];
	}
}

/* Each worker moves its usage from the former epoch to the present one, and adds to the
 * present one first. If the former counters are read first, the sum of both is never too
 * small. */
static void
send_former(struct redis_pipe *p, const struct part *t)
{
	struct lists l = { .p = p };

	for (size_t i = 0; i < t->nitems; i++) {
		struct cell cells[CELL_READ_MAX];
		const struct quota_dim *d = item_dim(&t->item[i]);
		if (!(t->item[i].plan & FORMER))
			continue;
		lists_add(&l, d, d->former, cells, item_former_cells(d, cells));
		lists_end(&l);
	}
}

static void
send_reads(struct redis_pipe *p, const struct part *t)
{
	struct lists l = { .p = p };

	for (size_t i = 0; i < t->nitems; i++) {
		struct cell cells[CELL_READ_MAX];
		const struct item *it = &t->item[i];
		const struct quota_dim *d = item_dim(it);
		size_t n = it->plan & READS ? item_cells(d, it->plan, cells) : 0;
		/* the cells of a dim are never split between two commands */
		if (l.n + n > REDIS_LIST_MAX)
			lists_end(&l);
		lists_add(&l, d, d->at.epoch, cells, n);
	}
	lists_end(&l);
}

/* Sent after the counts: if a settlement comes in between, fewer of the notes count. */
static void
send_slices(struct redis_pipe *p, const struct item *it)
{
	char key[CELL_KEY_TEXT];
	const char *argv[2 + QUOTA_SLICES] = { "HMGET", key, "0", "1", "2", "3", "4",
		"5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15" };
	size_t lens[2 + QUOTA_SLICES] = { 5 };
	const struct quota_dim *d = item_dim(it);

	for (size_t i = 0; i < QUOTA_SLICES; i++)
		lens[2 + i] = strlen(argv[2 + i]);
	for (size_t row = 0; row < item_rows(it); row++) {
		lens[1] = cell_key(key, d, d->at.epoch,
			(struct cell){ CELL_SLICES,
				d->at.bucket - QUOTA_SUB_BUCKETS + (int64_t)row });
		redis_command(p, 2 + QUOTA_SLICES, argv, lens);
	}
}

void
counts_longs(struct redis_pipe *p, const struct redis_life *life, uint64_t epoch, int64_t now_s)
{
	char key[CELL_KEY_TEXT];
	size_t kn = life_key(key, "longs", life, epoch);

	key_set(p, key, kn, now_s + LONGS_S, LONGS_S);
}

void
part_send(struct quota *qt, struct part *t)
{
	const struct redis_life *life = redis_life(t->node);
	size_t most = part_added(t) + PART_COMMANDS; /* upper limit of the commands */

	INVARIANT(t->nitems > 0 && t->epoch != 0);
	for (size_t i = 0; i < t->nitems; i++)
		most += ((t->item[i].plan & READS) != 0) + item_rows(&t->item[i]);
	struct redis_pipe *p = redis_begin(
		qt->redis, most, part_answered, t, sizeof(*t) + t->nitems * sizeof(t->item[0]));
	redis_late(p, part_late);
	int64_t at_ms = redis_life_ms(life, t->sent_us);
	char revision[CELL_KEY_TEXT], longs[CELL_KEY_TEXT];
	const char *time[] = { "TIME" }, *mget[] = { "MGET", life->key, revision, longs };
	const size_t tl[] = { 4 }, ml[] = { 4, strlen(life->key),
		life_key(revision, "revision", life, t->epoch),
		life_key(longs, "longs", life, t->epoch) };

	if (t->longs)
		counts_longs(p, life, t->epoch, at_ms / 1000);
	send_former(p, t);
	for (size_t i = 0; i < t->nitems; i++) {
		const struct quota_dim *d = item_dim(&t->item[i]);
		unsigned plan = t->item[i].plan;
		enum add how = plan & MAKES ? ADD_WITH_TTL : ADD_ONLY;
		if (plan & COUNTS)
			cell_add(p, d, &d->at, cell_own(d, &d->at), (int64_t)d->n, at_ms, how);
		if (plan & SPENDS)
			cell_add(
				p, d, &d->at, cell_spent(d, &d->at), (int64_t)d->n, at_ms, how);
	}
	/* directly after the new charges, so that other workers see both only briefly */
	for (size_t i = 0; i < t->nitems; i++)
		if (t->item[i].plan & COUNTS && t->item[i].k == 0)
			quota_unmove(qt, t->item[i].q, t->sent_us);
	redis_command_at(p, t->node, 1, time, tl);
	/* before the counters that it belongs to: if it changes later, they are read again */
	if (t->revision)
		redis_command(
			p, 2, (const char *[]){ "MGET", revision }, (size_t[]){ 4, ml[2] });
	send_reads(p, t);
	for (size_t i = 0; i < t->nitems; i++)
		send_slices(p, &t->item[i]);
	redis_command(p, 4, mget, ml);
	redis_send(p);
}

/* ---- replies ----
 *
 * An admission is valid if Redis' clock is in the window that was counted and the epoch is
 * the one of the keys. A request is decided when all its servers have replied. */

enum {
	TRIES_MAX = 3,
	/* While Redis is full, other clients may take the room that the trimmed stream left. */
	ROOM_TRIES_MAX = 5,
};

/* Hands out the replies to a part in the order in which part_send() sent the commands. */
struct replies {
	const struct redis_reply_ints *next, *list, *former, *slices;
	size_t in_list; /* number taken from `list` */
	bool bad;
};

/* Returns the next n counters of the lists that lists_add() filled. */
static const int64_t *
next_listed(struct replies *r, size_t n)
{
	INVARIANT(n <= REDIS_LIST_MAX && r->in_list <= REDIS_LIST_MAX);
	if (!r->list || r->in_list + n > REDIS_LIST_MAX) {
		r->list = r->next++;
		r->in_list = 0;
	}
	const int64_t *v = &r->list->list[r->in_list];
	r->in_list += n;
	r->bad |= r->list->err != 0 || r->list->n < r->in_list;
	return v;
}

void
part_over(struct quota_request *q, size_t k, int64_t retry_ms)
{
	uint64_t s = retry_ms > 1000 ? (uint64_t)(retry_ms + 999) / 1000 : 1;

	INVARIANT(k < q->ndims);
	if (q->result != QUOTA_REFUSED || s > q->retry_after_s) {
		q->retry_after_s = s;
		q->refused_by = k;
	}
	q->result = QUOTA_REFUSED;
}

/* Decides about one dim. Nobody is refused because of old counts. */
static enum dim_verdict
judge_dim(const struct quota *qt, struct quota_request *q, size_t k,
	const struct known_counts *c, int64_t at_ms, uint64_t now)
{
	struct quota_dim *d = &q->dim[k];
	struct window_counts w = { c->own, c->near, c->slices, c->rows };
	int64_t retry_ms, used = known_used(qt->known, d);

	if (!w.near && d->span.kind == QUOTA_ROLLING &&
		!known_near(qt->known, d, now - KNOWN_AGE_US, &w))
		return DIM_UNDECIDED;
	if (!w.near)
		w.near = &used;
	if (cell_judge(d, &w, at_ms, &retry_ms))
		return DIM_ADMITS;
	if (!c->near && !known_fresh(qt->known, d, now - KNOWN_FRESH_US))
		return DIM_UNDECIDED;
	part_over(q, k, retry_ms);
	return DIM_OVER;
}

/* Adds the counters of the former epoch. `used` has room for WINDOW_NEIGHBOURS. */
static void
add_former(const struct quota_dim *d, struct replies *add, struct known_counts *c, int64_t *used)
{
	const struct redis_reply_ints *r = add->former++;
	struct cell cells[CELL_READ_MAX];
	size_t n = item_former_cells(d, cells);
	int64_t own = 0, more = 0;

	if (r->err || r->n != n) {
		add->bad = true;
		return;
	}
	if (d->span.kind == QUOTA_ROLLING && c->near) {
		for (int i = 0; i < WINDOW_NEIGHBOURS; i++)
			used[i] = count_sum(count_positive(c->near[i]), count_positive(r->list[i]));
		own = r->list[WINDOW_NEIGHBOURS];
		c->near = used;
	} else if (c->near) {
		cell_sums(d, true, r->list, n, &own, &more);
		used[0] = count_sum(count_positive(used[0]), count_positive(more));
	}
	c->own = count_sum(count_positive(c->own), count_positive(own));
}

/* A row that could not be read counts as without notes: Redis may forbid HMGET. */
static void
read_slices(size_t rows, struct replies *read, struct known_counts *c,
	int64_t slices[WINDOW_ROWS * QUOTA_SLICES])
{
	for (size_t row = 0; row < rows; row++) {
		const struct redis_reply_ints *r = read->slices++;
		int64_t *to = slices + row * QUOTA_SLICES;
		if (r->err || r->n != QUOTA_SLICES)
			memset(to, 0, QUOTA_SLICES * sizeof(*to));
		else
			memcpy(to, r->list, QUOTA_SLICES * sizeof(*to));
	}
	c->slices = slices;
	c->rows = rows;
}

/* Reads the counters of an item from the replies. *added is the reply to its INCRBY; `used`
 * has room for WINDOW_NEIGHBOURS sums. */
static void
read_item(const struct item *i, struct replies *add, struct replies *read,
	struct known_counts *c, int64_t *added, int64_t *used,
	int64_t slices[WINDOW_ROWS * QUOTA_SLICES])
{
	const struct quota_dim *d = item_dim(i);
	bool looks = i->plan & LOOKS;
	struct cell cells[CELL_READ_MAX];

	INVARIANT(!looks != !(i->plan & COUNTS) && i->k < i->q->ndims);
	*added = 0;
	*c = (struct known_counts){ 0 };
	if (i->plan & COUNTS) {
		add->next += (i->plan & MAKES) != 0;
		add->bad |= add->next->err != 0;
		c->own = *added = (add->next++)->i;
		add->next += (i->plan & MAKES) != 0;
		if (i->plan & SPENDS)
			add->next += item_added(i) / 2;
	}
	size_t n = i->plan & READS ? item_cells(d, i->plan, cells) : 0;
	const int64_t *list = n ? next_listed(read, n) : NULL;
	if (d->span.kind != QUOTA_ROLLING) {
		cell_sums(d, looks, list, n, &c->own, used);
		c->near = n || d->unit == QUOTA_REQUESTS ? used : NULL;
	} else {
		c->near = list;
		if (looks)
			c->own = list[WINDOW_NEIGHBOURS];
		read_slices(item_rows(i), read, c, slices);
	}
	if (i->plan & FORMER)
		add_former(d, add, c, used);
}

/* Returns true if no hold was missed: this request has read long holds, and other workers
 * know of its own. */
static bool
sees_all(const struct item *i, bool longs)
{
	const struct quota_dim *d = item_dim(i);

	if (!cell_expires(d))
		return true;
	return longs ? i->plan & LONGS : d->at.hold != QUOTA_HOLD_LONG;
}

static void
on_item(struct quota *qt, const struct item *i, struct known_counts *c, int64_t added,
	bool lives, int64_t at_ms, uint64_t now)
{
	struct quota_request *q = i->q;
	struct quota_dim *d = item_dim(i);
	bool looks = i->plan & LOOKS,
	     good = !looks && lives && sees_all(i, c->longs) && cell_in_time(d, at_ms);

	d->charged = !looks && lives;
	if (i->plan & SPENDS && !(i->plan & READS))
		known_corrected(qt->known, d, &d->at, cell_spent(d, &d->at), (int64_t)d->n);
	d->verdict = good	      ? judge_dim(qt, q, i->k, c, at_ms, now)
		     : looks && lives ? DIM_UNDECIDED
				      : DIM_STALE;
	if (lives)
		known_read(qt->known, d, looks, c, good, now);
	else
		known_lost(qt->known, d, looks);
	if (i->plan & MAKES && lives)
		known_makes(qt->known, d, &d->at, cell_own(d, &d->at));
	/* Redis had lost the key, and the addition created it again. */
	if ((i->plan & (COUNTS | MAKES)) == COUNTS && added == (int64_t)d->n)
		counts_make(qt, d);
}

/* Notes an admitted request in the ledger and in the slices, so that it is counted again if
 * Redis loses it. */
static void
note_replies(struct quota *qt, struct quota_request *q)
{
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		int64_t n = (int64_t)d->n;
		if (d->span.kind == QUOTA_ROLLING && n) {
			d->at.slice = window_slice(d, d->counted_ms) + 1;
			notes_add(qt, d, &d->at, n);
		}
		d->at.noted = quota_note(qt, d, &d->at, cell_own(d, &d->at), n, d->at.epoch);
		d->id = quota_draw_id(qt);
		if (d->at.noted && cell_spends(d, &d->at))
			quota_note(qt, d, &d->at, cell_spent(d, &d->at), n, d->at.epoch);
	}
}

static void
end_here(struct quota_request *q)
{
	quota_enter(q, QUOTA_TOLD);
	quota_end(q);
}

/* All nodes have replied: decides the request, or queues it for another try. */
static void
on_answered(struct quota *qt, struct quota_request *q)
{
	unsigned seen = 0;

	INVARIANT(q->life == QUOTA_ASKED && q->unanswered == 0);
	for (struct quota_dim *d = q->dim; d < q->dim + q->ndims; d++) {
		/* This node's epoch changed while another node's reply was awaited. */
		if (d->verdict == DIM_ADMITS && counts_life(qt, d)->epoch != d->at.epoch)
			d->verdict = DIM_STALE;
		seen |= 1u << d->verdict;
	}
	if (q->looks && seen == 1u << DIM_UNDECIDED) {
		q->looks = false;
		q->looked = true;
		counts_queue(qt, q); /* decides with the counts known now */
		return;
	}
	if (seen == 1u << DIM_ADMITS) {
		q->result = QUOTA_ADMITTED;
		note_replies(qt, q);
		end_here(q);
		return;
	}
	quota_release(qt, q, clock_mono_us());
	if (seen & 1u << DIM_FULL && !(seen & 1u << DIM_LOST) && ++q->tries < ROOM_TRIES_MAX &&
		redis_give_way(qt->redis, q->tries)) {
		counts_queue(qt, q); /* behind the commands that make room for it */
		return;
	}
	if (seen & 1u << DIM_FULL)
		seen |= 1u << DIM_LOST;
	if (seen & 1u << DIM_LOST || (seen & 1u << DIM_STALE && ++q->tries >= TRIES_MAX)) {
		for (size_t k = 0; k < q->ndims && seen & 1u << DIM_LOST; k++)
			q->dim[k].reset_ms = 0;
		if (q->over_s) {
			q->result = QUOTA_REFUSED;
			q->retry_after_s = q->over_s;
			end_here(q);
		} else {
			quota_fail(qt, q, true);
		}
	} else if (seen & (1u << DIM_STALE | 1u << DIM_UNDECIDED)) {
		q->doubts = !(seen & 1u << DIM_STALE);
		counts_queue(qt, q);
	} else if (q->dim[q->refused_by].rough && ++q->tries < TRIES_MAX) {
		q->over_s = q->retry_after_s;
		counts_queue(qt, q); /* reads the notes, to find out when it fits */
	} else {
		q->result = QUOTA_REFUSED;
		end_here(q);
	}
}

/* Returns true if the request may pass without a reply, so that its charge stays counted. */
static bool
may_go(const struct quota_request *q, const struct quota_dim *d)
{
	if (d->away != QUOTA_AWAY_ALLOW)
		return false;
	for (size_t k = 0; k < q->ndims; k++)
		if (q->dim[k].away == QUOTA_AWAY_DENY)
			return false;
	return true;
}

/* Returns true if all additions of the item got a count as reply. `reply`: the first one. */
static bool
was_counted(const struct item *i, const struct redis_reply_ints *reply)
{
	size_t made = (i->plan & MAKES) != 0, each = made ? ADD_WITH_TTL : ADD_ONLY;

	return i->plan & COUNTS && reply[made].err == 0 &&
	       !(i->plan & SPENDS && reply[each + made].err);
}

/* Returns true if an addition of the item was refused because Redis has reached maxmemory.
 * `reply`: the first one. */
static bool
was_full(const struct item *i, const struct redis_reply_ints *reply)
{
	for (size_t k = 0; k < item_added(i); k++)
		if (reply[k].err == ERR_FULL)
			return true;
	return false;
}

/* Without a reply nothing is given back: the charge ends with its window, or expires. */
static void
lose_item(struct quota *qt, const struct item *i, bool full)
{
	known_lost(qt->known, item_dim(i), i->plan & LOOKS);
	item_dim(i)->verdict = full ? DIM_FULL : DIM_LOST;
}

/* Takes what a reply shows about the server. By now another server may have the keys. */
static void
on_life(struct quota *qt, const struct part *t, const int64_t time[2], bool lives,
	const int64_t life[3])
{
	struct redis *node = redis_at(qt->redis, span_str(item_dim(&t->item[0])->key));

	if (!node || redis_life(node)->epoch != t->epoch)
		return;
	redis_life_time(node, t->sent_us, time);
	/* If the key may be missing because its name has just changed, long holds are read.
	 */
	int64_t longs_s = !life[2] && lives_tagged_anew(qt, t->epoch, clock_mono_us()) ? -1
										       : life[2];
	known_lives(qt->known,
		&(struct known_life){ t->epoch, life[1], redis_life(node)->clock, longs_s });
	if (!lives)
		lives_ended(qt, node, t->epoch);
}

/* ---- charges without a reply ---- */

/* A charge that may have been counted. Nothing is given back until a late reply shows that it
 * was. Its request has ended by then. */
struct silent {
	struct quota_dim dim;
	size_t reply; /* index of the reply to its INCRBY */
};

static void
keep_silent(struct part *t)
{
	size_t reply = part_before(t);

	INVARIANT(!t->silent && t->nsilent == 0); /* a part is answered once */
	t->silent = calloc(t->nitems, sizeof(*t->silent));
	for (size_t i = 0; t->silent && i < t->nitems; i++) {
		const struct item *it = &t->item[i];
		if (it->plan & COUNTS && !may_go(it->q, item_dim(it)))
			t->silent[t->nsilent++] = (struct silent){ *item_dim(it),
				reply + ((it->plan & MAKES) != 0) };
		reply += item_added(it);
	}
}

/* A Redis that was stopped executes the commands that it received earlier. Those charges
 * would count for a whole window although no request passed, so they are taken back. */
static void
part_late(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct part *t = TAGGED(part, arg);
	const struct redis_reply_ints *life = replies + (err ? 0 : n - 1);
	bool lives =
		!err && life->err == 0 && life->n == 3 && (uint64_t)life->list[0] == t->epoch;

	for (size_t i = 0; lives && i < t->nsilent; i++) {
		INVARIANT(t->silent[i].reply < n);
		if (replies[t->silent[i].reply].err == 0)
			quota_take_back(t->quota, &t->silent[i].dim, clock_mono_us());
	}
	free(t->silent);
	t->silent = NULL;
}

static void
part_answered(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct part *t = TAGGED(part, arg);
	struct quota *qt = t->quota;
	const struct redis_reply_ints *time = replies + (err ? 0 : part_added(t)),
				      *life = replies + (err ? 0 : n - 1);
	/* the first reply of the current item */
	const struct redis_reply_ints *own = replies + part_before(t);
	struct replies add = { .next = own, .former = replies + t->longs },
		       read = { .next = time + 1 };
	bool good = !err && time->err == 0 && time->n == 2 && life->err == 0 && life->n == 3,
	     lives = good && (uint64_t)life->list[0] == t->epoch;
	int64_t at_ms = 0, revision = 0;
	size_t rows = 0;
	uint64_t now = clock_mono_us();

	if (err == ERR_TIMEOUT)
		keep_silent(t);
	if (good) {
		int64_t at_us = 0; /* stays 0 if the reply has no valid time */
		redis_life_time_read(time->list, &at_us);
		at_ms = at_us / 1000;
		on_life(qt, t, time->list, lives, life->list);
	}
	for (size_t i = 0; good && i < t->nitems; i++)
		rows += item_rows(&t->item[i]);
	read.slices = life - rows;
	if (good && t->revision)
		revision = (read.next++)->list[0];
	for (const struct item *it = t->item; it < t->item + t->nitems; it++) {
		struct known_counts c;
		int64_t added, near[WINDOW_NEIGHBOURS] = { 0 }, 
			slices[WINDOW_ROWS * QUOTA_SLICES];
		if (good)
			read_item(it, &add, &read, &c, &added, near, slices);
		c.revision = revision;
		c.longs = good && life->list[2] != 0;
		if (good && !add.bad && !read.bad) {
			on_item(qt, it, &c, added, lives, at_ms, now);
		} else {
			lose_item(qt, it, !err && was_full(it, own));
			if (!err && was_counted(it, own) && !may_go(it->q, item_dim(it)))
				quota_take_back(qt, item_dim(it), now);
		}
		own += item_added(it);
		add.bad = false;
		INVARIANT(it->q->life == QUOTA_ASKED && it->q->unanswered > 0);
		if (--it->q->unanswered == 0)
			on_answered(qt, it->q);
	}
	INVARIANT(!good || add.next == time); /* each item used its own replies */
}
