/* The thread tg-start. It follows the journal with the state that the start has read, and
 * writes start checkpoints (record/journal/startpoint.h): when a segment is closed, after
 * each 64 MB of lines, and when the daemon stops. No request and no commit waits for it. It
 * borrows the audit thread's key for each signature. If a checkpoint cannot be written, the
 * next start reads more of the journal; nothing else changes.
 *
 * A start that used a checkpoint did not verify the records before it in the same segment.
 * The thread verifies them first. If a record there was altered, the thread logs and counts
 * this. The daemon continues, because its new records are linked to the record that the
 * checkpoint names. */
#ifndef BUDGET_RECALL_STARTPOINTS_H
#define BUDGET_RECALL_STARTPOINTS_H

#include "base/metrics.h"
#include "record/audit/audit.h"
#include "record/journal/follow.h"
#include "record/journal/startpoint.h"

struct quota_fold;

extern uint64_t startpoints_bytes; /* bytes of lines after which a checkpoint is written */

/* A state, and the place in the journal that it includes. */
struct startpoints_from {
	struct quota_fold *fold; /* NULL: there is none */
	struct startpoint at;
	/* the place from which the start verified records, without text; offset 0: it verified
	 * everything */
	struct startpoint used;
	/* the state was read from the journal alone, so a checkpoint is written at once */
	bool whole;
};

struct startpoints;

/* Takes over the state. `audit` and the fold's shares must outlive the thread. Returns NULL
 * with *why if memory or threads are exhausted. */
struct startpoints *startpoints_start(const struct config *cfg, struct audit *audit,
	struct startpoints_from *from, struct metrics *m, struct buf *why);
/* Call it after audit_finish(): writes a last checkpoint at `end` and stops the thread. */
void startpoints_stop(struct startpoints **s, const struct follow_end *end);
void startpoints_from_free(struct startpoints_from *from);

#endif
