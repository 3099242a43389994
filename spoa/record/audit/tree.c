/* The Merkle tree as the daemon keeps it: see tree.h. This file has three parts: the range at
 * a start, the thread tg-tree with the hash files, and the audit thread's side.
 *
 * The range at a start is the last range in a record plus the hashes of the lines after it.
 * It is trusted because these lines link, one after the other, to the head of the chain,
 * which is signed. */
#include "record/audit/tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "base/service.h"
#include "record/audit/keys.h"
#include "record/proof/note.h"
#include "record/proof/range.h"
#include "record/proof/tiles.h"

/* A leaf on its way to tg-tree. `index` is needed because leaves that find no room in the
 * ring are read from the journal instead. */
struct tree_leaf {
	uint64_t index;
	struct merkle_hash hash;
};

struct tree {
	/* Set at the start: */
	char dir[JOURNAL_DIR_MAX], node[CHAIN_NODE_MAX + 1], origin[NOTE_NAME_MAX + 1];
	struct metrics *metrics;
	uint64_t base_n;	  /* leaves of the chain at the start */
	struct merkle_range base; /* their range, if base_known */
	bool base_known;

	/* owner: audit */
	bool known;
	struct merkle_range range; /* range over every durable record, if `known` */
	uint64_t seq;		   /* durable records */
	/* monotonic µs: the oldest record without a checkpoint; 0: none */
	uint64_t uncovered_us;
	uint64_t last_us; /* monotonic µs: the last checkpoint */
	bool hurry;	  /* make a checkpoint with the next commit */
	struct {
		struct merkle_hash record[CHAIN_COMMIT_RECORDS + 8];
		size_t n;
		/* monotonic µs: the first record that asks for a checkpoint; 0: none */
		uint64_t since_us;
		bool checkpoint;
	} commit;	 /* the commit that is being made */
	struct buf made; /* the note of its checkpoint */
	/* `made` is durable but not handed out yet, because a reader holds the lock */
	bool note_waits;
	uint64_t made_size;
	/* the first leaf that `ring` has while the range is not known */
	uint64_t first_kept;

	/* A ring of CAP_TREE_LEAVES: the audit thread writes at `head`, tg-tree reads at
	 * `tail`. While the range is not known, only the audit thread uses the ring, and
	 * keeps the last leaves at their index. */
	struct tree_leaf *ring; /* CAP_TREE_LEAVES leaves */
	_Atomic uint64_t head, tail;
	atomic_bool ready; /* the range is known; for all threads */

	/* held only while copying; the audit thread only tries to take it */
	pthread_mutex_t lock;
	struct follow_end end;
	bool end_waits; /* owner: audit; end_new is not copied to `end` yet */
	struct follow_end end_new;
	struct merkle_range built; /* made by tg-tree for the audit thread, if have_built */
	bool have_built;
	struct buf note;
	uint64_t note_size;

	/* Any thread: */
	_Atomic uint64_t note_us, checkpoint_size, files, records;
	atomic_bool stuck;
	/* monotonic µs by which tg-tree must have ended; 0: it need not end */
	_Atomic uint64_t stop_us;
	struct service service; /* the thread tg-tree */

	/* owner: tg-tree */
	bool opened;
	struct follow_end upto; /* a copy of `end` */
	struct tiles tiles;
	struct follow follow;
	struct buf why;
	bool failing;
	uint64_t again_us; /* µs until the next try, while the files cannot be written */
	/* monotonic µs of the next pass; while passes fail, waking does not hasten it */
	uint64_t next_us;
};

uint64_t tree_look_bytes = 160u << 20; /* two segments of the default size, and some more */

/* The place where hashing begins: segment (an index into the list), offset, record `seq`, and
 * the range before that record. seq 0: the first record. */
struct base {
	size_t segment;
	uint64_t offset, seq;
	struct merkle_range range;
};

static int
open_lines(const char *dir, const struct journal_segment *s, uint64_t offset, struct lines *l)
{
	int fd = journal_segment_open(dir, s);

	if (fd < 0)
		return ERR_IO;
	int err = lines_open(l, fd, offset);
	if (err)
		close(fd);
	return err;
}

static void
close_lines(struct lines *l)
{
	close(l->fd);
	lines_close(l);
}

/* Finds the last range in a segment, from an offset on. */
static bool
last_range(const char *dir, const struct journal_segment *s, uint64_t offset, uint64_t upto,
	struct base *out)
{
	struct lines l;
	struct span line;
	struct chain_line is;
	struct merkle_range r;
	bool found = false;

	if (open_lines(dir, s, offset, &l))
		return false;
	for (uint64_t at = offset;
		lines_next(&l, UINT64_MAX, &line) > 0 && chain_parse(line, &is) == 0;
		at = l.offset)
		if (!is.commit && is.seq <= upto && range_read(line, is.type, is.seq, &r)) {
			out->range = r;
			out->offset = at;
			out->seq = is.seq;
			found = true;
		}
	close_lines(&l);
	return found;
}

/* Finds the last range in the newest segments. `from` (may be NULL) has the offset of a
 * record with a range; earlier lines are read only if no range is found there. */
static bool
find_base(const char *dir, const struct journal_list *list, const struct startpoint *from,
	uint64_t upto, struct base *out)
{
	uint64_t bytes = 0;

	*out = (struct base){ 0 };
	for (size_t i = list->n; i-- > 0;) {
		const struct journal_segment *s = &list->seg[i];
		if (!s->ours || s->first > upto)
			continue;
		if (bytes > tree_look_bytes)
			return false;
		bytes += s->bytes;
		out->segment = i;
		if (from && !strcmp(from->tree_segment, s->name) &&
			last_range(dir, s, from->tree_offset, upto, out))
			return true;
		if (last_range(dir, s, 0, upto, out) || s->first == 1)
			return true;
	}
	return false;
}

/* Adds the records of one segment from an offset on. *last becomes the hash of the last one. */
static bool
add_segment(const char *dir, const struct journal_segment *s, uint64_t offset,
	const struct base *b, uint64_t upto, struct merkle_range *r,
	unsigned char last[CHAIN_HASH_BYTES])
{
	struct lines l;
	struct span line;
	struct chain_line is;
	struct merkle_hash leaf;
	bool ok = open_lines(dir, s, offset, &l) == 0;

	if (!ok)
		return false;
	while (ok && r->n < upto && lines_next(&l, UINT64_MAX, &line) > 0) {
		ok = chain_parse(line, &is) == 0;
		if (!ok || is.commit)
			continue;
		/* The first record is not checked against its predecessor: its own hash
		 * covers what it states. */
		ok = is.seq == r->n + 1 &&
		     (is.seq == b->seq || memcmp(is.prev, last, CHAIN_HASH_BYTES) == 0);
		sha256(line, last);
		merkle_leaf(last, &leaf);
		merkle_append(r, &leaf);
	}
	close_lines(&l);
	return ok;
}

/* Computes the range of all records up to `at`, as described at the beginning of this file.
 * Returns false if the newest segments have no range, or if the lines do not link to the
 * head. `from` (may be NULL) shortens the search. */
static bool
tree_range_find(const char *dir, const char *node, const struct chain *at,
	const struct startpoint *from, struct merkle_range *out)
{
	unsigned char last[CHAIN_HASH_BYTES] = { 0 };
	struct journal_list list;
	struct base b;

	*out = (struct merkle_range){ 0 };
	if (at->seq == 0)
		return true;
	SCOPED_BUF(why, 4096);
	bool ok = journal_list_all(dir, node, false, &list, &why) == 0;
	if (!ok)
		return false;
	ok = find_base(dir, &list, from, at->seq, &b);
	if (ok)
		*out = b.range;
	for (size_t i = b.segment; ok && i < list.n && out->n < at->seq; i++)
		if (list.seg[i].ours)
			ok = add_segment(dir, &list.seg[i], i == b.segment ? b.offset : 0, &b,
				at->seq, out, last);
	journal_list_free(&list);
	return ok && out->n == at->seq && memcmp(last, at->head, CHAIN_HASH_BYTES) == 0;
}

/* ---- tg-tree ----
 *
 * The thread that keeps the hash files next to the journal. The audit thread gives it leaves;
 * it reads missing leaves, and those that are wrong in the files, from the journal's lines. If
 * that fails, it logs and counts the failure and tries again; no other thread waits for it. */

/* leaves in one write; leaves of a tile (C2SP tlog-tiles) */
#define BATCH	     1024
#define TILE	     256
#define AGAIN_US     10000000  /* µs until the next try after a failure, */
#define AGAIN_MAX_US 640000000 /* doubled up to this, because each try checks all files */
/* µs between two passes */
#define IDLE_US 1000000
/* µs between two passes while the audit thread waits for the range */
#define BUILD_US 100000

static bool
ending(const struct tree *t)
{
	return atomic_load_explicit(&t->stop_us, memory_order_relaxed) != 0;
}

/* Returns true if the time for ending is over. The next start continues the work. */
static bool
stopping(const struct tree *t)
{
	return ending(t) && clock_mono_us() >= atomic_load(&t->stop_us);
}

/* ---- leaves from lines ---- */

/* Leaves on their way to the files. `put`: they replace leaves in the files instead of being
 * appended. */
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

/* Moves to the line after record `from`, or to the oldest available line if `oldest` permits
 * that. */
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

/* Reads the records from+1..to into the files. Returns ERR_NOTFOUND if some are missing,
 * ERR_AUTH if they do not link. */
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
			err == ERR_NOTFOUND ? "is missing"
					    : "does not follow the record before it");
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

/* Computes the hashes of these leaves again, and those above them. */
static int
mend(struct tree *t, uint64_t from, uint64_t to, bool oldest)
{
	int err = read_tree_lines(t, from, to, true, oldest);

	count_error(t, err ? "audit.tree_wrong" : "audit.tree_mended", from);
	return err;
}

/* Corrects tiles whose leaves do not match the level above. */
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

/* Checks that the files have the range that the chain had at the start, and corrects them. */
static int
check_files(struct tree *t)
{
	int err = mend_tiles(t);

	err = err ? err : catch_up(t, t->base_n);
	if (err || stopping(t) || is_base(t))
		return err;
	/* First correct the leaves that no upper level covers, then all: the files may be
	 * another node's. */
	for (int all = 0; !err && all < 2 && !is_base(t) && !stopping(t); all++) {
		mend(t, all ? 0 : t->base_n / TILE * TILE, t->base_n, all);
		err = tiles_mend(&t->tiles, &t->why);
	}
	if (!err && !is_base(t) && !stopping(t)) {
		buf_str(&t->why, "the hash files do not belong to this journal, and lines of "
				 "the journal are missing");
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
	/* No record states the right range, but the lines determine it while all are
	 * available. */
	return all ? 0 : mend_tiles(t);
}

/* ---- passes ---- */

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
				break; /* the thread ends */
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

static void
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

static uint64_t
tree_turn(void *arg)
{
	struct tree *t = arg;

	if (t->failing && clock_mono_us() < t->next_us)
		return t->next_us;
	tree_pass(t);
	t->next_us = clock_mono_us() + (t->failing			 ? t->again_us
					       : !atomic_load(&t->ready) ? BUILD_US
									 : IDLE_US);
	return t->next_us;
}

/* ---- the audit thread's side ----
 *
 * One hash for each record, one note a second. It takes no lock that another thread may hold:
 * data that cannot be handed over now follows with the next commit. */

#define STOP_US 2000000
#define NICE	10

struct tree_pace tree_pace = { 800000, 10000000, true };

struct tree *
tree_new(const struct config *cfg, struct metrics *m, struct buf *why)
{
	struct tree *t = calloc(1, sizeof(*t));

	if (t)
		t->ring = calloc(CAP_TREE_LEAVES, sizeof(*t->ring));
	if (!t || !t->ring) {
		free(t);
		buf_str(why, err_str(ERR_NOMEM));
		return NULL;
	}
	snprintf(t->dir, sizeof(t->dir), "%s", cfg->journal);
	snprintf(t->node, sizeof(t->node), "%s", cfg->node);
	if (cfg->audit_origin)
		snprintf(t->origin, sizeof(t->origin), "%s", cfg->audit_origin);
	else
		snprintf(t->origin, sizeof(t->origin), "tollgate/%s", cfg->node);
	t->metrics = m;
	t->last_us = clock_mono_us();
	buf_init(&t->made, NOTE_MAX);
	buf_init(&t->note, NOTE_MAX);
	buf_init(&t->why, 4096);
	pthread_mutex_init(&t->lock, NULL);
	for (unsigned i = 0; i < TILES_LEVELS; i++)
		t->tiles.fd[i] = -1;
	return t;
}

void
tree_recover(struct tree *t, const struct chain *at, const struct startpoint *from)
{
	t->seq = t->base_n = at->seq;
	t->known = t->base_known = tree_range_find(t->dir, t->node, at, from, &t->range);
	t->base = t->range;
	t->first_kept = at->seq;
	atomic_store(&t->ready, t->known);
	atomic_store(&t->records, at->seq);
	if (!t->known)
		log_event(LOG_WARN, "audit.tree_building", LS("journal", t->dir),
			LI("records", at->seq));
}

void
tree_boot(const struct tree *t, struct buf *out)
{
	if (!t->known) {
		json_put_null(out, "tree");
		return;
	}
	json_put_form(out, "'tree':{'size':%u", t->range.n);
	range_write(out, &t->range);
	json_put_close(out, '}');
}

int
tree_start(struct tree *t)
{
	/* tg-tree has a lower priority than the threads that serve requests. */
	const struct service_options o = {
		.name = "tg-tree", .turn = tree_turn, .last = tree_pass, .arg = t, .nice = NICE
	};

	return service_start(&t->service, &o);
}

/* ---- checkpoints ---- */

uint64_t
tree_due_us(const struct tree *t)
{
	uint64_t from = t->uncovered_us ? t->uncovered_us : t->last_us,
		 after = t->uncovered_us ? tree_pace.uncovered_us : tree_pace.idle_us;

	if (!t->known || t->seq == 0)
		return UINT64_MAX;
	return t->hurry ? 0 : after > UINT64_MAX - from ? UINT64_MAX : from + after;
}

void
tree_hurry(struct tree *t)
{
	t->hurry = true;
}

/* The note is signed by this thread, which has the key. */
bool
tree_checkpoint(struct tree *t, struct audit_keys *keys, struct buf *fields)
{
	struct merkle_hash root;

	/* the previous commit ended with tree_commit() or tree_failed() */
	INVARIANT(t->commit.n == 0);
	t->commit.since_us = 0;
	t->commit.checkpoint = false;
	if (!keys || clock_mono_us() < tree_due_us(t))
		return false;
	SCOPED_BUF(text, 1024);
	merkle_root(&t->range, &root);
	checkpoint_text(&text, span_str(t->origin), t->range.n, &root);
	buf_clear(&t->made);
	buf_span(&t->made, buf_view(&text));
	buf_putc(&t->made, '\n');
	audit_keys_note(keys, &t->made, buf_view(&text), span_str(t->origin), clock_wall_ns());
	t->made_size = t->range.n;
	buf_clear(fields);
	json_put_form(fields, "'type':'checkpoint','origin':%t,'size':%u,'root':'",
		span_str(t->origin), t->range.n);
	buf_hex(fields, root.b, sizeof(root.b));
	buf_putc(fields, '"');
	json_put_text(fields, "note", buf_view(&t->made));
	range_write(fields, &t->range);
	t->commit.checkpoint =
		!buf_failed(fields) && !buf_failed(&t->made) && !buf_failed(&text);
	return t->commit.checkpoint;
}

void
tree_record(struct tree *t, const unsigned char hash[CHAIN_HASH_BYTES], struct span fields)
{
	INVARIANT(t->commit.n < COUNT_OF(t->commit.record));
	memcpy(t->commit.record[t->commit.n++].b, hash, CHAIN_HASH_BYTES);
	if (!t->commit.since_us && !span_starts(fields, SPAN_LIT("\"type\":\"checkpoint\"")) &&
		!span_starts(fields, SPAN_LIT("\"type\":\"anchor\"")))
		t->commit.since_us = clock_mono_us();
}

void
tree_failed(struct tree *t)
{
	if (t->commit.checkpoint)
		t->note_waits = false; /* the note's text was overwritten */
	t->commit.n = 0;
	t->commit.checkpoint = false;
}

/* ---- handing over ---- */

static uint64_t
ring_used(struct tree *t)
{
	if (!t->known)
		return 0;
	uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed),
		 tail = atomic_load_explicit(&t->tail, memory_order_acquire);
	INVARIANT(tail <= head && head - tail <= CAP_TREE_LEAVES);
	return head - tail;
}

/* Keeps a leaf. While the range is not known, the last leaves are kept at their index.
 * Afterwards they go to tg-tree, as long as the ring has room. */
static void
pass_on(struct tree *t, uint64_t index, const struct merkle_hash *leaf)
{
	uint64_t head = atomic_load_explicit(&t->head, memory_order_relaxed),
		 at = t->known ? head : index;

	if (ring_used(t) >= CAP_TREE_LEAVES)
		return;
	t->ring[at % CAP_TREE_LEAVES] = (struct tree_leaf){ index, *leaf };
	if (t->known)
		atomic_store_explicit(&t->head, head + 1, memory_order_release);
}

/* Takes the range that tg-tree has made, if all later leaves were kept. */
static void
take_built(struct tree *t)
{
	struct merkle_range r = t->built;

	t->have_built = false;
	if (r.n > t->seq || r.n < t->first_kept || t->seq - r.n > CAP_TREE_LEAVES)
		return;
	INVARIANT(!t->known);
	while (r.n < t->seq)
		merkle_append(&r, &t->ring[r.n % CAP_TREE_LEAVES].hash);
	t->range = r;
	t->known = true;
	t->uncovered_us = clock_mono_us();
	atomic_store(&t->head, 0);
	atomic_store(&t->tail, 0);
	atomic_store(&t->ready, true);
	log_event(LOG_INFO, "audit.tree_built", LI("records", t->seq));
}

static void
hand_over(struct tree *t)
{
	if (pthread_mutex_trylock(&t->lock))
		return;
	if (t->end_waits)
		t->end = t->end_new;
	t->end_waits = false;
	if (!t->known && t->have_built)
		take_built(t);
	if (t->note_waits) {
		buf_clear(&t->note);
		buf_span(&t->note, buf_view(&t->made));
		t->note_size = t->made_size;
	}
	t->note_waits = false;
	pthread_mutex_unlock(&t->lock);
}

void
tree_commit(struct tree *t, const char *segment, uint64_t bytes, const struct chain *last)
{
	struct merkle_hash leaf;
	uint64_t seq = last->seq;
	bool was_half = ring_used(t) >= CAP_TREE_LEAVES / 2;

	INVARIANT(t->commit.n > 0 && seq > t->seq);
	for (size_t i = 0; i < t->commit.n; i++) {
		merkle_leaf(t->commit.record[i].b, &leaf);
		if (t->known)
			merkle_append(&t->range, &leaf);
		pass_on(t, t->seq++, &leaf);
	}
	INVARIANT(t->seq == seq && (!t->known || t->range.n == seq));
	atomic_store_explicit(&t->records, seq, memory_order_relaxed);
	if (t->commit.checkpoint) {
		t->last_us = clock_mono_us();
		t->uncovered_us = 0;
		t->hurry = false;
		t->note_waits = true;
		atomic_store(&t->note_us, t->last_us);
		atomic_store(&t->checkpoint_size, t->made_size);
		metric_inc(t->metrics, M_CHECKPOINTS);
	}
	if (!t->uncovered_us)
		t->uncovered_us = t->commit.since_us;
	snprintf(t->end_new.name, sizeof(t->end_new.name), "%s", segment);
	t->end_new.bytes = bytes;
	t->end_new.seq = seq;
	memcpy(t->end_new.head, last->head, sizeof(t->end_new.head));
	t->end_waits = true;
	hand_over(t);
	if (t->commit.checkpoint || (!was_half && ring_used(t) >= CAP_TREE_LEAVES / 2))
		service_wake(&t->service);
	t->commit.n = 0;
	t->commit.checkpoint = false;
}

void
tree_look(struct tree *t)
{
	if (t->end_waits || t->note_waits || !t->known)
		hand_over(t);
}

/* ---- other threads ---- */

bool
tree_note(struct tree *t, struct buf *out, uint64_t *size)
{
	SCOPED_LOCK(&t->lock);
	*size = t->note_size;
	buf_span(out, buf_view(&t->note));
	return t->note.n > 0;
}

bool
tree_end(struct tree *t, struct follow_end *out)
{
	SCOPED_LOCK(&t->lock);
	*out = t->end;
	return out->seq > 0;
}

void
tree_status(struct tree *t, struct tree_status *out)
{
	uint64_t at = atomic_load(&t->note_us);

	*out = (struct tree_status){
		.state = atomic_load(&t->stuck)	  ? TREE_STUCK
			 : atomic_load(&t->ready) ? TREE_READY
						  : TREE_BUILDING,
		.size = atomic_load(&t->checkpoint_size),
		.age_us = at ? clock_mono_us() - at : 0,
		.files = atomic_load(&t->files),
		.records = atomic_load(&t->records),
		.errors = atomic_load(&t->metrics->v[M_TREE_ERRORS]),
	};
}

void
tree_stop(struct tree **tp)
{
	struct tree *t = *tp;

	if (!t)
		return;
	if (service_runs(&t->service) && t->end_waits)
		hand_over(t);
	atomic_store(&t->stop_us, clock_mono_us() + STOP_US);
	service_stop(&t->service);
	follow_close(&t->follow);
	tiles_close(&t->tiles);
	buf_free(&t->made);
	buf_free(&t->note);
	buf_free(&t->why);
	pthread_mutex_destroy(&t->lock);
	free(t->ring);
	free(t);
	*tp = NULL;
}
