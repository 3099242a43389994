/* What tree.c (the audit thread's side), tree_files.c (tg-tree) and tree_range.c (the start)
 * share. */
#ifndef RECORD_AUDIT_TREE_PRIVATE_H
#define RECORD_AUDIT_TREE_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/service.h"
#include "record/audit/tree.h"
#include "record/proof/note.h"
#include "record/proof/tiles.h"

/* A leaf on its way to tg-tree, and which one it is: what found no room is read from the
 * journal. */
struct tree_leaf {
	uint64_t index;
	struct merkle_hash hash;
};

struct tree {
	/* from the start on */
	char dir[JOURNAL_DIR_MAX], node[CHAIN_NODE_MAX + 1], origin[NOTE_NAME_MAX + 1];
	struct metrics *metrics;
	uint64_t base_n;	  /* leaves of the chain as the start found it, */
	struct merkle_range base; /* and their range, where base_known */
	bool base_known;

	/* owner: audit */
	bool known;
	struct merkle_range range; /* of every durable record, where known */
	uint64_t seq;		   /* durable records */
	uint64_t uncovered_us; /* when the oldest record was made that asks for a checkpoint; 0:
				  none */
	uint64_t last_us;      /* when the last checkpoint was */
	bool hurry;	       /* one is due at once */
	struct {
		struct merkle_hash record[CHAIN_COMMIT_RECORDS + 8];
		size_t n;
		uint64_t since_us; /* of a record that asks for a checkpoint; 0: none does */
		bool checkpoint;
	} commit;	 /* the one being made */
	struct buf made; /* its checkpoint's note */
	bool note_waits; /* made is durable and not handed out: somebody reads the last one */
	uint64_t made_size;
	uint64_t first_kept; /* of what `ring` keeps while the range is not known */

	/* audit writes at `head`, tg-tree reads at `tail`; while the range is not known audit
	 * alone has it, and keeps there the last leaves by their index. */
	struct tree_leaf *ring; /* CAP_TREE_LEAVES */
	_Atomic uint64_t head, tail;
	atomic_bool ready; /* known, for all */

	pthread_mutex_t lock; /* held for copying alone; audit only tries it */
	struct follow_end end;
	bool end_waits; /* owner: audit: `end` is not handed over yet */
	struct follow_end end_new;
	struct merkle_range built; /* for audit, where have_built */
	bool have_built;
	struct buf note;
	uint64_t note_size;

	/* any thread */
	_Atomic uint64_t note_us, checkpoint_size, files, records;
	atomic_bool stuck;
	_Atomic uint64_t stop_us; /* tg-tree ends, by then at the latest; 0: not yet */
	struct service service; /* tg-tree */

	/* owner: tg-tree */
	bool opened;
	struct follow_end upto; /* a copy of `end` */
	struct tiles tiles;
	struct follow follow;
	struct buf why;
	bool failing;
	uint64_t again_us; /* then: tried again after so long */
	uint64_t next_us;  /* monotonic µs: when the next pass is; while passes fail, no wake hurries it */
};

/* The range of all records up to `at`, from the last one that the newest segments hold. False:
 * they hold none, or not what leads from there to here. `from` (may be NULL) shortens the search.
 */
bool tree_range_find(const char *dir, const char *node, const struct chain *at,
	const struct startpoint *from, struct merkle_range *out);
/* A turn of tg-tree, and one pass over the files: the turn makes one, and so does the end. */
uint64_t tree_turn(void *arg);
void tree_pass(void *arg);

#endif
