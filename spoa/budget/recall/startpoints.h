/* The thread tg-start: it follows the journal with the state that the start has read, and writes start
 * checkpoints (record/journal/startpoint.h): once a segment is closed, after each 64 MB of lines, and
 * when the daemon stops. No request and no commit waits for it; the audit thread's key is borrowed
 * for one signature. A checkpoint that cannot be written costs the next start more reading, and
 * nothing else.
 *
 * A start that used a checkpoint did not verify its segment before the checkpoint. The thread does so
 * first. If a record there was altered, the thread logs and counts that; the daemon goes on, because
 * what it appends is linked to the record that the checkpoint names. */
#ifndef BUDGET_RECALL_STARTPOINTS_H
#define BUDGET_RECALL_STARTPOINTS_H

#include "base/metrics.h"
#include "record/audit/audit.h"
#include "record/journal/follow.h"
#include "record/journal/startpoint.h"

struct quota_fold;

extern uint64_t startpoints_bytes; /* a checkpoint is written after so many bytes of lines */

/* A state, and up to which place of the journal it was read. */
struct startpoints_from {
	struct quota_fold *fold; /* NULL: there is none */
	struct startpoint at;
	struct startpoint used; /* where the start began to verify, without text; offset 0: nowhere */
	bool whole; /* the state was read from the journal alone: a checkpoint is written at once */
};

struct startpoints;

/* Takes the state. `audit` and the fold's shares outlive the thread. NULL with *why: out of memory. */
struct startpoints *startpoints_start(const struct config *cfg, struct audit *audit,
	struct startpoints_from *from, struct metrics *m, struct buf *why);
/* After audit_finish(): writes a last checkpoint at `end`. */
void startpoints_stop(struct startpoints **s, const struct follow_end *end);
void startpoints_from_free(struct startpoints_from *from);

#endif
