/* Retention: the thread tg-keep compresses, archives and trims closed segments. It reads the
 * journal's folder and removes whole closed segments from it. It never touches the open
 * segment, holds no lock that a commit waits for, and has the lowest priority for processor
 * and disk. */
#ifndef RECORD_ARCHIVE_KEEP_H
#define RECORD_ARCHIVE_KEEP_H

#include "record/audit/audit.h"

/* the newest closed segments also keep their plain form, for recovery */
#define KEEP_PLAIN_SEGMENTS 2

struct keep;

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
/* Copies the result of the last pass. Any thread. */
void keep_state(struct keep *k, struct keep_state *out);
/* Stops the thread after its current step and sets *k to NULL. Call it before audit_stop(). */
void keep_stop(struct keep **k);

/* Seconds for which a file of sealed texts must not have been written to before it is archived.
 * Tests set it. */
extern int64_t keep_texts_calm_s;

#endif
