/* Retention: the thread tg-keep compresses, archives and trims closed segments. It reads the
 * journal's folder and removes whole closed segments from it. It never touches the open
 * segment, holds no lock that a commit waits for, and has the lowest priority for processor
 * and disk.
 *
 * The instance of the node that decides also keeps the journal of the other one while no process
 * of that one runs: a second struct keep does so, with records in that journal's chain. */
#ifndef RECORD_ARCHIVE_KEEP_H
#define RECORD_ARCHIVE_KEEP_H

#include "record/audit/audit.h"

/* the newest closed segments also keep their plain form, for recovery */
#define KEEP_PLAIN_SEGMENTS 2

struct keep;

/* For the journal of an instance that does not run: lends its chain, so that retention can
 * write records into it. */
struct keep_lender {
	/* Opens the chain, which nobody else can open until end(). Returns NULL if the instance
	 * runs (*why is empty) or if its chain cannot be written. */
	struct audit *(*begin)(void *arg, struct buf *why);
	void (*end)(void *arg);
	/* the last record that the Redis Stream is known to have, as audit_copied() */
	uint64_t (*copied)(void *arg);
	void *arg;
};

/* The result of the last pass. */
struct keep_state {
	uint64_t plain, packed; /* segments by form; `plain` includes the open one */
	uint64_t bytes;		/* bytes of all segments */
	/* closed segments and other files that still have to be archived; 0 if no archive is
	 * configured */
	uint64_t unarchived;
	uint64_t trimmed;  /* the last record that was trimmed since the start; 0: none */
	bool archive_away; /* the last request to the archive failed */
	/* the size limit requires trimming records younger than six months, so nothing was
	 * trimmed for it */
	bool below_six_months;
	char held[192];	  /* why something is kept that should be trimmed; "" */
	char failed[256]; /* the last failure of the pass; "" */
};

/* Returns what is wrong with retention.archive and its options, as a message, or NULL. */
const char *keep_wrong(const struct config *cfg);
/* Starts tg-keep. `cfg`, `a` and `m` must live until keep_stop(). Returns NULL with the
 * reason in *why, or NULL with *why empty if retention is not configured. */
struct keep *keep_start(
	const struct config *cfg, struct audit *a, struct metrics *m, struct buf *why);
/* The same for the journal of an instance that does not run. While it runs, the passes do
 * nothing. `lender` must live until keep_stop(), and is used by the thread only. */
struct keep *keep_start_other(const struct config *cfg, const struct keep_lender *lender,
	struct metrics *m, struct buf *why);
/* Adds the result of the last pass to *out. Any thread. */
void keep_state_add(struct keep *k, struct keep_state *out);
/* Copies the result of the last pass. Any thread. */
void keep_state(struct keep *k, struct keep_state *out);
/* Stops the thread after its current step and sets *k to NULL. Call it before audit_stop(). */
void keep_stop(struct keep **k);

/* Seconds for which a file of sealed texts must not have been written to before it is archived.
 * Tests set it. */
extern int64_t keep_texts_calm_s;

#endif
