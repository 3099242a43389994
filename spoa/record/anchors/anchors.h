/* Sends the newest checkpoint of the journal to places outside this machine (tollgate.yaml:
 * anchors). A thread of its own, tg-anchors, has a loop for this.
 *
 * Each place has its own interval. If a place does not respond, tg-anchors tries again after
 * 1, 2, 4 … 60 seconds with the checkpoint that is the newest at that time. Places do not
 * delay each other. Each accepted checkpoint, and each new reason for a refusal, becomes a
 * record of type "anchor". */
#ifndef RECORD_ANCHORS_ANCHORS_H
#define RECORD_ANCHORS_ANCHORS_H

#include "record/audit/audit.h"

struct anchors;

/* The source of checkpoints and the destination of records. The daemon uses audit_note() and
 * audit_append(), tests have their own. */
struct anchors_audit {
	/* Replaces *out by the newest checkpoint as a signed note, and *size by its number of
	 * records. Returns false if there is no checkpoint yet. */
	bool (*note)(void *arg, struct buf *out, uint64_t *size);
	/* Takes the entry and calls its `done` when the record is durable or has failed. */
	void (*append)(void *arg, struct audit_entry *e);
	void *arg;
};

/* Starts the thread. `cfg`, `m` and what audit->arg points to must live until anchors_stop().
 * Returns NULL with the reason in *why if a key file or certificate file cannot be used, or
 * if memory, threads or descriptors are exhausted. A place that cannot be reached is no
 * error. */
struct anchors *anchors_start(const struct config *cfg, const struct anchors_audit *audit,
	struct metrics *m, struct buf *why);
/* Stops the thread and sets *a to NULL. Attempts in progress are canceled. Records that were
 * handed over are awaited for at most two seconds. Call it before audit_stop(). */
void anchors_stop(struct anchors **a);

/* The next three functions may be called on any thread, and `a` may be NULL. */
/* Appends a JSON array with one object for each place: kind, place, state, size, time,
 * reason. */
void anchors_status(struct anchors *a, struct buf *out);
/* Appends a line for each place that refuses checkpoints or cannot be reached. */
void anchors_ready(struct anchors *a, struct buf *out);
/* An attempt that takes longer, in µs, is shown as "away". Tests set it. */
extern uint64_t anchors_hang_us;
/* Appends the gauge anchor_late_seconds of each place. */
void anchors_metrics(struct anchors *a, struct buf *out);

/* Checks that the key and certificate files of a place can be read. `tollgate check` calls
 * it, too. Returns 0, or an error with the reason in *why. */
int anchors_files(const struct anchor_place *p, struct buf *why);

#endif
