/* Writing a pipeline: it counts, then reads Redis' clock, then what counters are not known, and
 * last the epoch, the revision and "longs" (why in that order: quota_redis.c). */
#include "budget/quota/quota_part.h"

#include "base/err.h"

enum {
	PART_COMMANDS = 4,	       /* the most of a turn: SET, TIME, two MGET */
	LONGS_S = 3 * CELL_HOLD_MAX_S, /* so long "longs" lives */
};

size_t
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

size_t
item_former_cells(const struct quota_dim *d, struct cell out[CELL_READ_MAX])
{
	return item_cells(d, LOOKS | LONGS, out);
}

size_t
item_rows(const struct item *i)
{
	if (!(i->plan & READS) || item_dim(i)->span.kind != QUOTA_ROLLING)
		return 0;
	return i->plan & LOOKS ? WINDOW_ROWS : 1;
}

size_t
part_before(const struct part *t)
{
	return t->longs + t->former;
}

size_t
item_added(const struct item *i)
{
	size_t each = i->plan & MAKES ? ADD_WITH_TTL : ADD_ONLY;

	return !(i->plan & COUNTS) ? 0 : i->plan & SPENDS ? 2 * each : each;
}

size_t
part_added(const struct part *t)
{
	size_t n = part_before(t);

	for (size_t i = 0; i < t->nitems; i++)
		n += item_added(&t->item[i]);
	return n;
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

/* Each worker moves its usage from the former epoch to the present one, and adds it there first. So the sum of
 * both is never too small if the former one is read first. */
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
		/* The cells of a dim are never parted. */
		if (l.n + n > REDIS_LIST_MAX)
			lists_end(&l);
		lists_add(&l, d, d->at.epoch, cells, n);
	}
	lists_end(&l);
}

/* After the counts: if a settlement comes between, fewer of the notes count. */
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
	size_t most = part_added(t) + PART_COMMANDS; /* commands */

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
	for (size_t i = 0; i < t->nitems; i++)
		send_slices(p, &t->item[i]);
	redis_command(p, 4, mget, ml);
	redis_send(p);
}
