/* The record: one audit thread owns the chain, the journal and the signing key.
 * Workers hand it the inside of a record; it stamps version, node, boot,
 * sequence, previous hash and time, writes and syncs whatever queued during the
 * previous sync as one signed commit, then answers. The Redis Stream follows
 * (record/audit/mirror.h). The lines are described in record/journal/chain.h, the files in
 * record/journal/journal.h.
 *
 * While the disk refuses, entries are answered ERR_IO at once and audit_ready is
 * false; every 100 ms the thread tries again, first with a record of type
 * "resume" that counts what was refused. The chain has no gap. */
#ifndef RECORD_AUDIT_AUDIT_H
#define RECORD_AUDIT_AUDIT_H

#include "base/buf.h"
#include "base/keyfile.h"
#include "base/mailbox.h"
#include "base/metrics.h"
#include "policy/config/config.h"
#include "record/audit/tree.h"

struct audit;
struct audit_note;
struct shares;
struct text_part;
struct texts;

struct audit_entry {
	struct mail mail;
	struct buf fields; /* `"type":"decision","id":…` without braces; owned by the entry's
			      owner */
	struct mailbox *reply_to; /* NULL: done runs on the audit thread */
	/* Runs on reply_to's thread: 0 durable, ERR_IO (disk), ERR_BAD_STATE (shutting
	 * down), ERR_LIMIT (over CAP_RECORD_BYTES), ERR_SYNTAX (fields that would break
	 * the line: our own mistake). */
	void (*done)(struct audit_entry *e, int err);
	int err;
	/* Parts of texts (record/seal/texts.h), written before the record and durable with it;
	 * the audit's, which frees them. `fields` empty: there is no record, they are written.
	 */
	struct text_part *parts;
	uint64_t seq;		/* with 0: the record's sequence number */
	unsigned char hash[32]; /* and hash (record/journal/chain.h) */
	size_t waits;		/* the audit's: bytes of it that wait for the disk */
	void *arg;
	bool with_audit;	 /* the audit's: appended, and not answered yet */
	bool keep;		 /* waits while the disk refuses, and is then written first */
	struct audit_note *note; /* record/audit/note.h; NULL: nobody is told. The owner's */
};

/* Opens (or begins) the journal: recovers an unfinished tail, verifies the last
 * segment, writes a boot record, which names `hash`, what texts are hashed with, and
 * `policy_version` (NULL: not known). NULL with a
 * message in *why: a journal that does not verify is never appended to. On a full disk it
 * starts, not ready. */
struct audit *audit_start(const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, struct metrics *m, struct buf *why);
/* One that is kept, and that is freed with its fields once it is written or refused. NULL: out
 * of memory. */
struct audit_entry *audit_entry_new(void);
/* Any thread. The entry belongs to audit until done() ran. */
void audit_append(struct audit *a, struct audit_entry *e);
/* Of each durable entry with a note, on the audit thread before done(). Before the first such
 * entry. */
typedef void audit_told_fn(void *arg, const struct audit_entry *e);
void audit_tell(struct audit *a, audit_told_fn *told, void *arg);
/* Where entries' parts go, and the shares that are durable before each record. Before the first
 * entry that has some; both live as long as the audit. */
void audit_keeps(struct audit *a, struct texts *texts, struct shares *shares);
/* False while the disk refuses. Any thread. */
bool audit_ready(const struct audit *a);
/* False: so many bytes of texts wait for the disk that no more are to come
 * (CAP_TEXTS_WAITING). Any thread. */
bool audit_has_room(const struct audit *a);
/* NULL: it is ready; else what the disk says. */
const char *audit_away(const struct audit *a);
/* The Redis Stream does not follow and will not by itself. Any thread. */
bool audit_stream_conflict(const struct audit *a);
/* Lines for /readyz: the stream gave way lately; Redis may get full. Any thread. */
void audit_stream_says(const struct audit *a, struct buf *out);
/* What gives way in a full Redis, until audit_stop(); NULL: no stream. */
struct redis_ballast *audit_ballast(const struct audit *a);
/* Durable records that the Redis Stream does not have yet; 0 without one. Any thread. */
uint64_t audit_stream_behind(const struct audit *a);
/* The last record that the Redis Stream is known to have; UINT64_MAX without one. Any thread.
 */
uint64_t audit_copied(const struct audit *a);
/* The newest durable checkpoint: its signed note (record/proof/note.h) appended to *out, its
 * number of leaves in *size. False: none yet. Any thread. */
bool audit_note(const struct audit *a, struct buf *out, uint64_t *size);
/* How far the journal is durable, a look of the audit thread late at most; false: not known
 * yet. Any thread. */
struct follow_end;
bool audit_end(const struct audit *a, struct follow_end *out);
/* How its checkpoints and hash files do. Any thread. */
void audit_tree(const struct audit *a, struct tree_status *out);
struct audit_keys;
struct audit_keys_order;
/* The keys that sign (record/audit/keys.h), for what other threads may ask of them. */
struct audit_keys *audit_keys(struct audit *a);
/* Another signing key, or other statements of the root. Waits until that is on record, two
 * seconds at most; it is retried where the disk refuses. One thread at a time. */
void audit_rekey(struct audit *a, struct audit_keys_order *o);
/* Whether audit_start() would be refused by the signing keys (*keys is set then) or by the
 * journal: 0, or its error with its words. Nothing is written. A journal that a running daemon
 * has locked is not looked into. */
int audit_try(const struct config *cfg, bool *keys, struct buf *why);
/* The start checkpoint that this start used, or NULL. Between audit_start() and the first thread
 * that reads the journal for counts; freed with the audit or by audit_startpoint_free(). */
const struct startpoint *audit_startpoint(const struct audit *a);
void audit_startpoint_free(struct audit *a);
/* The first half of audit_stop(): the chain is closed and its thread has ended; *end is where the
 * journal ends. No audit_append may begin after this does. */
void audit_finish(struct audit *a, struct follow_end *end);
/* Commits what is queued, writes a closing record, mirrors what it can within
 * two seconds, ends the thread. No audit_append may begin after this does. */
void audit_stop(struct audit **a);

#endif
