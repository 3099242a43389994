/* Takes the newest checkpoint of the record to places outside (tollgate.yaml: anchors): a
 * thread of its own with a loop. Each place has its own turn, every so many seconds; one that
 * is away is tried again, 1, 2, 4 … 60 seconds later, with the checkpoint that is the newest by
 * then, and delays nothing else. Each answer is a record of type "anchor". */
#ifndef RECORD_ANCHORS_ANCHORS_H
#define RECORD_ANCHORS_ANCHORS_H

#include "record/audit/audit.h"

struct anchors;

/* Where checkpoints come from and records go to: audit_note and audit_append, or a test's. */
struct anchors_audit {
	bool (*note)(void *arg, struct buf *out, uint64_t *size);
	void (*append)(void *arg, struct audit_entry *e);
	void *arg;
};

/* cfg lives as long. NULL with *why: a key or certificate file that cannot be used, no memory,
 * no thread. Places may be away. */
struct anchors *anchors_start(const struct config *cfg, const struct anchors_audit *audit,
	struct metrics *m, struct buf *why);
/* What is under way is given up; records that were handed over are waited for. Before
 * audit_stop. */
void anchors_stop(struct anchors **a);

/* Any thread; `a` may be NULL. A list of JSON; a line for each place that does not take
 * checkpoints; gauges. */
void anchors_status(struct anchors *a, struct buf *out);
void anchors_ready(struct anchors *a, struct buf *out);
extern uint64_t anchors_hang_us; /* what takes longer is shown as away; tests set it */
void anchors_metrics(struct anchors *a, struct buf *out);

/* The files that places name can be used: for `check` too. 0, or an error with *why. */
int anchors_files(const struct anchor_place *p, struct buf *why);

#endif
