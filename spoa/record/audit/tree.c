/* The audit thread's side of the tree: a hash a record, a note a second. It takes no lock that
 * another thread may hold: what cannot be handed over now is handed over with the next commit.
 */
#include "record/audit/tree.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/log.h"
#include "base/scoped.h"
#include "record/audit/keys.h"
#include "record/audit/tree_private.h"
#include "record/proof/range.h"

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
	/* tg-tree gives way to the threads that answer requests. */
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

/* The note is signed here, by the thread that has the key. */
bool
tree_checkpoint(struct tree *t, struct audit_keys *keys, struct buf *fields)
{
	struct merkle_hash root;

	INVARIANT(t->commit.n == 0); /* the last one ended by tree_commit() or tree_failed() */
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
		t->note_waits = false; /* its text was written over */
	t->commit.n = 0;
	t->commit.checkpoint = false;
}

/* ---- to and from tg-tree ---- */

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

/* While the range is not known the last leaves are kept by their index; afterwards they go to
 * tg-tree, as long as there is room. */
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

/* Takes the range that tg-tree has made, if the leaves since then are all kept. */
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
tree_commit(struct tree *t, const char *segment, uint64_t bytes, uint64_t seq)
{
	struct merkle_hash leaf;
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

/* ---- others ---- */

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
