/* The Merkle tree over the chain's records (record/proof/merkle.h), as the daemon keeps it: the audit
 * thread has its compact range and writes `checkpoint` records; a thread tg-tree of its own
 * keeps the hash files next to the journal (record/proof/tiles.h), which nothing waits for.
 *
 * An old journal has a tree that nobody has made yet: then tg-tree makes the files from the
 * journal's lines, and hands the range over when it has caught up. No checkpoint until then.
 *
 * All functions but those marked are the audit thread's, or its starter's before it. */
#ifndef RECORD_AUDIT_TREE_H
#define RECORD_AUDIT_TREE_H

#include "base/metrics.h"
#include "policy/config/config.h"
#include "record/journal/chain.h"
#include "record/journal/follow.h"
#include "record/journal/startpoint.h"

/* How often; tests have their own. */
struct tree_pace {
	uint64_t uncovered_us; /* after the oldest record that no checkpoint covers: with the
				  commit's own time less than a second */
	uint64_t idle_us;      /* after the last checkpoint, without records */
	bool hurries;	       /* before a close, and with an alarm */
};
extern struct tree_pace tree_pace;
extern uint64_t
	tree_look_bytes; /* a start looks for the last range in so much, and a segment */

enum tree_state {
	TREE_BUILDING, /* the range is not known yet: an old journal is being read */
	TREE_READY,
	TREE_STUCK, /* what it is to be made of is not there: tried again */
};

struct tree_status {
	enum tree_state state;
	uint64_t size, age_us; /* of the newest durable checkpoint; size 0: none yet */
	uint64_t files;	       /* leaves in the hash files, */
	uint64_t records;      /* and durable records */
	uint64_t errors;       /* of the hash files, since the start */
};

struct tree;
struct audit_keys;

/* NULL with *why. */
struct tree *tree_new(const struct config *cfg, struct metrics *m, struct buf *why);
/* The chain ends here: looks for the last range in its newest segments and adds what came
 * after. `from`: the start checkpoint, or NULL. */
void tree_recover(struct tree *t, const struct chain *at, const struct startpoint *from);
/* Appends `,"tree":{"size":N,"range":[…]}`, or null where it is not known: of a boot record. */
void tree_boot(const struct tree *t, struct buf *out);
/* Starts tg-tree. 0 or ERR_NOMEM. */
int tree_start(struct tree *t);

/* When a checkpoint is due, on the monotonic clock; UINT64_MAX: never. */
uint64_t tree_due_us(const struct tree *t);
/* At once, with the next commit: an alarm says that there is a gap in the lines. */
void tree_hurry(struct tree *t);
/* A commit begins. True where its first record is to be a checkpoint, whose fields these are.
 * `keys` NULL: it begins with another. */
bool tree_checkpoint(struct tree *t, struct audit_keys *keys, struct buf *fields);
/* A record of the commit: its hash, and its fields' beginning (checkpoint and anchor records do
 * not ask for a checkpoint). */
void tree_record(
	struct tree *t, const unsigned char hash[CHAIN_HASH_BYTES], struct span fields);
/* The commit is durable, the answers to it are under way: the segment's name and durable bytes,
 * the last record. */
void tree_commit(struct tree *t, const char *segment, uint64_t bytes, uint64_t seq);
/* It is not. */
void tree_failed(struct tree *t);
/* Nothing was committed for a while: takes what tg-tree has for the audit thread. */
void tree_look(struct tree *t);
/* Lets tg-tree write what it holds, and ends it. */
void tree_stop(struct tree **t);

/* How far the journal is durable; false: nothing of this process is yet. Any thread. */
bool tree_end(struct tree *t, struct follow_end *out);
/* Any thread. */
bool tree_note(struct tree *t, struct buf *out, uint64_t *size);
void tree_status(struct tree *t, struct tree_status *out);

#endif
