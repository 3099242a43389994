/* The thread of retention: what its passes over segments (keep.c) and over texts (keep_texts.c)
 * share. */
#ifndef RECORD_ARCHIVE_KEEP_PRIVATE_H
#define RECORD_ARCHIVE_KEEP_PRIVATE_H

#include <pthread.h>

#include "base/service.h"
#include "record/archive/archive.h"
#include "record/archive/believe.h"
#include "record/archive/keep.h"
#include "record/seal/texts.h"

struct keep {
	const struct config *cfg;
	struct audit *audit;
	struct metrics *metrics;
	struct archive_options archive; /* place NULL: none */
	struct service service;
	pthread_mutex_t lock; /* guards `told` */
	struct keep_state told;

	/* owner: tg-keep */
	struct keep_state now; /* becomes `told` at the end of a pass */
	int journalfd, keepfd;
	struct manifest before; /* of the segment before the one in hand; first 0: none */
	uint64_t archive_us, archive_wait_us; /* not before, and how long the next time */
	unsigned char keys_put[SHA256_BYTES]; /* of the statements that the archive has */
	char latest[JOURNAL_NAME_MAX]; /* the segment that the archive's NODE.latest names; "" */
	uint64_t alarmed_us[2]; /* when a record of too much to keep, of the clock, was written
				 */
	struct believe clock;
	uint64_t named; /* the last record that a trim record of this start names */
	char texts_named[TEXTS_NAME_MAX]; /* likewise the last file of texts; "" */
	int64_t believed_s;		  /* the time of this pass */
	char said[256];			  /* the last failure that was logged */
};

/* keep.c. Said in the log once, until something else is wrong. */
void keep_fail(
	struct keep *k, const char *what, const char *file, int err, const struct buf *why);
/* Why what is due stays. */
void keep_hold(struct keep *k, const char *file, const char *why);
bool keep_stopped(const struct keep *k);
/* A record, durable on return, or an error. */
int keep_record(struct keep *k, const struct buf *fields);
/* A file of JOURNAL.keep goes to the archive; `want` (may be NULL) is the hash that it had. */
int keep_put_one(struct keep *k, const char *name, const unsigned char *want, struct buf *why);
/* The mark that it is in the archive; whether it is there, in the one that is configured now;
 * and its end, where the archive said that it is not, or is another. */
int keep_mark(struct keep *k, const char *file, struct buf *why);
bool keep_archived(struct keep *k, const char *file);
void keep_unmark(struct keep *k, const char *file, int err);
/* An archive that failed is left alone for a while; and what came of a try. */
bool keep_archive_waits(struct keep *k);
void keep_archive_came(
	struct keep *k, const char *file, uint64_t bytes, int err, const struct buf *why);

/* keep_texts.c: one pass. Files that were written to this late are left alone. */
void keep_texts(struct keep *k);
/* keep_policies.c: one pass. */
void keep_policies(struct keep *k);
extern int64_t keep_texts_calm_s;

#endif
