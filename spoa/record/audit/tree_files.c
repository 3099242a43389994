/* tg-tree: the thread that keeps the hash files next to the journal. It is given leaves by the
 * audit thread, and reads what it was not given, or what is wrong in the files, from the
 * journal's lines. Where it cannot it says so, counts it and tries again: nothing waits for it.
 */

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/scoped.h"
#include "record/audit/tree_private.h"

#define BATCH	     1024
#define TILE	     256
#define AGAIN_US     10000000  /* after a failure, */
#define AGAIN_MAX_US 640000000 /* and after many: all is looked through each time */
#define IDLE_US	     1000000
#define BUILD_US     100000 /* while a range is made that the audit thread waits for */

static bool
ending(const struct tree *t)
{
	return atomic_load_explicit(&t->stop_us, memory_order_relaxed) != 0;
}

/* What is not done by now is done after the next start. */
static bool
stopping(const struct tree *t)
{
	return ending(t) && clock_mono_us() >= atomic_load(&t->stop_us);
}

/* ---- leaves out of lines ---- */

/* Leaves on their way into the files: appended, or put over what is there. */
struct leaves {
	struct merkle_hash leaf[BATCH];
	size_t n;
	uint64_t first;
	bool put;
};

static int
flush(struct tree *t, struct leaves *b)
{
	INVARIANT(b->n <= BATCH);
	int err = b->n == 0 ? 0
		  : b->put  ? tiles_put(&t->tiles, b->first, b->leaf, b->n, &t->why)
			    : tiles_append(&t->tiles, b->leaf, b->n, &t->why);

	if (!err && !b->put)
		metric_add(t->metrics, M_TREE_LEAVES, b->n);
	atomic_store_explicit(&t->files, t->tiles.n, memory_order_relaxed);
	b->first += b->n;
	b->n = 0;
	return err;
}

/* The line after record `from`, or the oldest that there is where `oldest` allows for it. */
static int
place_tree(struct tree *t, uint64_t from, bool oldest)
{
	const struct span any = { NULL, 0 };

	follow_close(&t->follow);
	t->follow.dir = t->dir;
	t->follow.node = t->node;
	t->follow.restored = true;
	int err = follow_place(&t->follow, &t->upto, from, any);
	if (err == ERR_NOTFOUND && oldest)
		err = follow_place(&t->follow, &t->upto, 0, any);
	return err;
}

/* Reads records from+1..to. ERR_NOTFOUND: they are not all there; ERR_AUTH: they do not
 * link. */
static int
read_tree_lines(struct tree *t, uint64_t from, uint64_t to, bool put, bool oldest)
{
	struct leaves b = { .first = from, .put = put };
	unsigned char last[CHAIN_HASH_BYTES];
	struct chain_line l;
	struct span line;
	bool linked = false;
	int got = 0, err = place_tree(t, from, oldest);

	while (!err && b.first + b.n < to && !stopping(t) &&
		(got = follow_line(&t->follow, &t->upto, &line)) > 0) {
		err = chain_parse(line, &l) ? ERR_AUTH : 0;
		if (err || l.commit)
			continue;
		if (oldest && !linked && b.n == 0 && l.seq > b.first + 1)
			b.first = l.seq - 1;
		if (l.seq != b.first + b.n + 1)
			err = ERR_NOTFOUND;
		else if (linked && memcmp(l.prev, last, sizeof(last)) != 0)
			err = ERR_AUTH;
		if (err)
			break;
		sha256(line, last);
		linked = true;
		merkle_leaf(last, &b.leaf[b.n++]);
		if (b.n == BATCH)
			err = flush(t, &b);
	}
	int end = flush(t, &b);
	err = err ? err : got < 0 ? got : end;
	if (!err && b.first < to && !stopping(t))
		err = ERR_NOTFOUND;
	if (err && t->why.n == 0)
		buf_printf(&t->why, "%s: record %llu: %s", t->dir,
			(unsigned long long)(b.first + b.n + 1),
			err == ERR_NOTFOUND ? "is not there" : "does not link");
	follow_close(&t->follow);
	return err;
}

static int
catch_up(struct tree *t, uint64_t to)
{
	return t->tiles.n < to ? read_tree_lines(t, t->tiles.n, to, false, false) : 0;
}

/* ---- at the start ---- */

static void
count_error(struct tree *t, const char *event, uint64_t leaf)
{
	metric_inc(t->metrics, M_TREE_ERRORS);
	log_event(LOG_WARN, event, LS("folder", t->tiles.dir), LI("record", leaf + 1),
		LSP("why", buf_view(&t->why)));
	buf_clear(&t->why);
}

/* Makes the hashes of these leaves again, and all that is above them. */
static int
mend(struct tree *t, uint64_t from, uint64_t to, bool oldest)
{
	int err = read_tree_lines(t, from, to, true, oldest);

	count_error(t, err ? "audit.tree_wrong" : "audit.tree_mended", from);
	return err;
}

/* Tiles whose leaves are not those that the level above was made of. */
static int
mend_tiles(struct tree *t)
{
	uint64_t leaf = 0;
	int got;

	while (!stopping(t) && (got = tiles_wrong(&t->tiles, leaf, &leaf)) != 0) {
		if (got < 0)
			return got;
		mend(t, leaf, leaf + TILE, false);
		leaf += TILE;
	}
	return tiles_mend(&t->tiles, &t->why);
}

static bool
is_base(const struct tree *t)
{
	return memcmp(t->tiles.range.hash, t->base.hash,
		       merkle_range_hashes(t->base_n) * MERKLE_BYTES) == 0;
}

/* The files are those of the range that the chain had at the start. */
static int
check_files(struct tree *t)
{
	int err = mend_tiles(t);

	err = err ? err : catch_up(t, t->base_n);
	if (err || stopping(t) || is_base(t))
		return err;
	/* What a level above does not vouch for, then all of it: of another node, say. */
	for (int all = 0; !err && all < 2 && !is_base(t) && !stopping(t); all++) {
		mend(t, all ? 0 : t->base_n / TILE * TILE, t->base_n, all);
		err = tiles_mend(&t->tiles, &t->why);
	}
	if (!err && !is_base(t) && !stopping(t)) {
		buf_str(&t->why, "the hash files are not this journal's, and its lines are "
				 "not all there");
		count_error(t, "audit.tree_wrong", 0);
	}
	return err;
}

static bool
begins_at_one(struct tree *t)
{
	struct journal_list list;
	bool is = false;

	SCOPED_BUF(why, 4096);
	if (journal_list_all(t->dir, t->node, true, &list, &why) == 0) {
		for (size_t i = 0; i < list.n && !is; i++)
			is = list.seg[i].ours && list.seg[i].first == 1;
		journal_list_free(&list);
	}
	return is;
}

static bool
tiles_stop(const void *tree)
{
	return stopping(tree);
}

static int
open_files(struct tree *t)
{
	bool all = !t->base_known && begins_at_one(t);
	int err = tiles_open_most(
		&t->tiles, t->dir, t->node, all ? 0 : t->base_n, tiles_stop, t, &t->why);

	if (err)
		return err;
	t->opened = true;
	atomic_store(&t->files, t->tiles.n);
	if (t->base_known)
		return check_files(t);
	/* No record says what is right: the lines do, as long as they are there. */
	return all ? 0 : mend_tiles(t);
}

/* ---- from then on ---- */

static int
take_ring(struct tree *t)
{
	uint64_t tail = atomic_load_explicit(&t->tail, memory_order_relaxed),
		 head = atomic_load_explicit(&t->head, memory_order_acquire);
	struct leaves b = { .first = t->tiles.n };
	int err = 0;

	INVARIANT(tail <= head && head - tail <= CAP_TREE_LEAVES);
	while (!err && tail < head) {
		const struct tree_leaf *l = &t->ring[tail % CAP_TREE_LEAVES];
		uint64_t next = b.first + b.n;
		if (l->index > next) {
			err = flush(t, &b);
			err = err ? err : catch_up(t, l->index);
			b.first = t->tiles.n;
			if (!err && b.first < l->index)
				break; /* ending */
			continue;
		}
		if (l->index == next)
			b.leaf[b.n++] = l->hash;
		INVARIANT(b.n <= BATCH);
		tail++;
		if (b.n == BATCH) {
			err = flush(t, &b);
			if (!err)
				atomic_store_explicit(&t->tail, tail, memory_order_release);
		}
	}
	err = err ? err : flush(t, &b);
	if (!err)
		atomic_store_explicit(&t->tail, tail, memory_order_release);
	return err;
}

static int
work(struct tree *t)
{
	int err;

	if (!t->opened || t->failing) {
		tiles_close(&t->tiles);
		t->opened = false;
		err = open_files(t);
		if (err || stopping(t))
			return err;
	}
	if (atomic_load(&t->ready)) {
		err = take_ring(t);
		return err ? err : catch_up(t, t->upto.seq);
	}
	err = catch_up(t, t->upto.seq);
	if (!err && t->tiles.n == t->upto.seq) {
		pthread_mutex_lock(&t->lock);
		t->built = t->tiles.range;
		t->have_built = true;
		pthread_mutex_unlock(&t->lock);
	}
	return err;
}

void
tree_pass(void *arg)
{
	struct tree *t = arg;

	pthread_mutex_lock(&t->lock);
	t->upto = t->end;
	pthread_mutex_unlock(&t->lock);
	if (!t->upto.name[0])
		return;
	int err = work(t);
	if (err == ERR_CLOSED)
		err = 0;
	if (err && !t->failing)
		count_error(t, "audit.tree_failed", t->tiles.n);
	buf_clear(&t->why);
	t->again_us = !t->failing || !t->again_us  ? AGAIN_US
		      : t->again_us < AGAIN_MAX_US ? 2 * t->again_us
						   : t->again_us;
	t->failing = err != 0;
	atomic_store(&t->stuck, t->failing);
}

uint64_t
tree_turn(void *arg)
{
	struct tree *t = arg;

	if (t->failing && clock_mono_us() < t->next_us)
		return t->next_us;
	tree_pass(t);
	t->next_us = clock_mono_us() + (t->failing		   ? t->again_us
					: !atomic_load(&t->ready) ? BUILD_US
								  : IDLE_US);
	return t->next_us;
}
