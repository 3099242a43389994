/* Retention: a thread that compresses, archives and trims closed segments. It reads the
 * journal's folder and removes whole closed segments from it; it never touches the open one,
 * holds no lock that a commit waits for, and has the lowest priority for processor and disk. */
#ifndef RECORD_ARCHIVE_KEEP_H
#define RECORD_ARCHIVE_KEEP_H

#include "record/audit/audit.h"

#define KEEP_PLAIN_SEGMENTS 2 /* the newest closed ones stay as they are too, for recovery */

struct keep;

struct keep_state {
	uint64_t plain, packed; /* segments, the open one too */
	uint64_t bytes;		/* of all of them */
	uint64_t unarchived;	/* closed ones that an archive is configured for */
	uint64_t trimmed;	/* the last record that was trimmed; 0: none yet */
	bool archive_away;	/* the last call to it failed */
	bool below_six_months;	/* the size wants more trimmed than six months allow */
	char held[192];		/* why what is due is not trimmed; "" */
	char failed[256];	/* what went wrong in the last pass; "" */
};

/* What retention.archive and its options say wrongly, or NULL. */
const char *keep_wrong(const struct config *cfg);
/* NULL with *why. Where nothing of retention is configured: NULL and *why empty. The
 * configuration is borrowed. */
struct keep *keep_start(
	const struct config *cfg, struct audit *a, struct metrics *m, struct buf *why);
/* Any thread. */
void keep_state(struct keep *k, struct keep_state *out);
/* Ends what is under way, at most a step of it late. Before audit_stop(). */
void keep_stop(struct keep **k);

/* Seconds for which a file of sealed texts must not have been written to before it is archived.
 * Tests set it. */
extern int64_t keep_texts_calm_s;

#endif
