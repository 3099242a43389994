/* The Merkle tree over the chain's records (record/proof/merkle.h), as the daemon keeps it.
 * The audit thread has the compact range and writes `checkpoint` records. The thread tg-tree
 * keeps the hash files next to the journal (record/proof/tiles.h); no other thread waits for
 * it.
 *
 * The journal of an old version has no tree yet. Then tg-tree computes the files from the
 * journal's lines and hands over the range when it has caught up. There are no checkpoints
 * until then.
 *
 * All functions are for the audit thread, or for its starter before the thread runs, unless
 * marked "any thread". */
#ifndef RECORD_AUDIT_TREE_H
#define RECORD_AUDIT_TREE_H

#include "base/metrics.h"
#include "policy/config/config.h"
#include "record/journal/chain.h"
#include "record/journal/follow.h"
#include "record/journal/startpoint.h"

/* When checkpoints are made. Tests set it. */
struct tree_pace {
	/* µs after the oldest record without a checkpoint; with the commit's own time less
	 * than a second */
	uint64_t uncovered_us;
	uint64_t idle_us; /* µs after the last checkpoint, if there are no records */
	bool hurries;	  /* makes checkpoints also before a close, and with an alarm */
};
extern struct tree_pace tree_pace;
extern uint64_t
	/* bytes of the newest segments in which a start looks for the last range */
	tree_look_bytes;

enum tree_state {
	/* the range is not known yet, because an old journal is being read */
	TREE_BUILDING,
	TREE_READY,
	TREE_STUCK, /* the files cannot be written or rebuilt; tried again */
};

struct tree_status {
	enum tree_state state;
	uint64_t size, age_us; /* size and age of the newest durable checkpoint; size 0: none
				* yet */
	uint64_t files;	       /* leaves in the hash files */
	uint64_t records;      /* durable records */
	uint64_t errors;       /* errors of the hash files since the start */
};

struct tree;
struct audit_keys;

/* Returns NULL with the reason in *why. `cfg` and `m` must live until tree_stop(). */
struct tree *tree_new(const struct config *cfg, struct metrics *m, struct buf *why);
/* Determines the range of the chain that ends at `at`: finds the last range in its newest
 * segments and adds the records after it. `from`: the start checkpoint, or NULL. */
void tree_recover(struct tree *t, const struct chain *at, const struct startpoint *from);
/* Appends `,"tree":{"size":N,"range":[…]}` for a boot record, or a null tree if the range is
 * not known. */
void tree_boot(const struct tree *t, struct buf *out);
/* Starts tg-tree. Returns 0 or ERR_NOMEM. */
int tree_start(struct tree *t);

/* Returns when the next checkpoint must be made, in monotonic µs; UINT64_MAX: never. */
uint64_t tree_due_us(const struct tree *t);
/* Makes a checkpoint with the next commit, because an alarm reports a gap in the lines. */
void tree_hurry(struct tree *t);
/* A commit begins. Returns true and sets *fields if its first record must be a checkpoint.
 * `keys` NULL: the commit begins with another record. */
bool tree_checkpoint(struct tree *t, struct audit_keys *keys, struct buf *fields);
/* Adds a record of the commit: its hash, and its members, by which checkpoint and anchor
 * records are recognized. These do not ask for a checkpoint. */
void tree_record(
	struct tree *t, const unsigned char hash[CHAIN_HASH_BYTES], struct span fields);
/* The commit is durable: name and durable bytes of the segment, and the last record. */
void tree_commit(
	struct tree *t, const char *segment, uint64_t bytes, const struct chain *last);
/* The commit failed. */
void tree_failed(struct tree *t);
/* Call it if nothing was committed for a while: takes what tg-tree has for the audit thread. */
void tree_look(struct tree *t);
/* Lets tg-tree write what it has, at most for two seconds, ends it, and sets *t to NULL. */
void tree_stop(struct tree **t);

/* Gets the end of the durable journal. Returns false if nothing of this process is durable
 * yet. Any thread. */
bool tree_end(struct tree *t, struct follow_end *out);
/* Any thread; see audit_note() and audit_tree(). */
bool tree_note(struct tree *t, struct buf *out, uint64_t *size);
void tree_status(struct tree *t, struct tree_status *out);

#endif
