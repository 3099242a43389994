/* The record: one audit thread owns the chain, the journal and the signing key.
 *
 * Other threads pass it entries, the members of records. It adds version, node, boot,
 * sequence number, previous hash and time, writes and syncs everything that queued during the
 * previous sync as one signed commit, and then answers the entries. The Redis Stream follows
 * (record/audit/mirror.h). record/journal/chain.h describes the lines,
 * record/journal/journal.h the files.
 *
 * While the disk refuses, entries are answered with ERR_IO at once and audit_ready() is
 * false. Every 100 ms the thread tries again; the first successful commit has a record of
 * type "resume" with the number of refused entries. The chain has no gap. */
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

/* One record that is to be written. Its owner lends it to the audit thread by audit_append()
 * until done() has run. */
struct audit_entry {
	struct mail mail;
	struct buf fields;	  /* `"type":"decision","id":…` without braces */
	struct mailbox *reply_to; /* NULL: done() runs on the audit thread */
	/* Called on the thread of reply_to. `err` is 0 (durable), ERR_IO (disk),
	 * ERR_BAD_STATE (the daemon stops), ERR_LIMIT (over CAP_RECORD_BYTES) or ERR_SYNTAX
	 * (`fields` would break the line, an error of the caller). */
	void (*done)(struct audit_entry *e, int err);
	/* the `err` of done() */
	int err;
	/* Parts of texts (record/seal/texts.h), written before the record and durable with
	 * it. The audit thread owns and frees them. If `fields` is empty, only the parts are
	 * written. */
	struct text_part *parts;
	uint64_t seq;		/* the record's sequence number, if `err` is 0 */
	unsigned char hash[32]; /* the record's hash (record/journal/chain.h) */
	size_t waits;		/* owner: audit; bytes of this entry that wait for the disk */
	/* owned by the caller, for use in done() */
	void *arg;
	bool with_audit; /* owner: audit; appended and not yet answered */
	bool keep;	 /* wait while the disk refuses; such entries are then written first */
	/* for telemetry (record/audit/note.h); owned by the entry's owner; NULL: none */
	struct audit_note *note;
};

/* Opens or creates the journal: recovers its end, verifies the last segment, and writes a
 * boot record with `hash` (the key for hashes of texts) and `policy_version` (NULL: not
 * known). `cfg` and `m` must live until audit_stop(). Returns NULL with the reason in *why; a
 * journal that does not verify is never appended to. On a full disk the daemon starts, not
 * ready. */
struct audit *audit_start(const struct config *cfg, const char *policy_version,
	const struct hashkey *hash, struct metrics *m, struct buf *why);
/* Makes an entry with `keep` that is freed with its fields once it is written or refused.
 * Returns NULL if memory is exhausted. */
struct audit_entry *audit_entry_new(void);
/* Appends a record. Any thread. The entry belongs to the audit thread until done() has run. */
void audit_append(struct audit *a, struct audit_entry *e);
/* Sets the function that is called on the audit thread for each durable entry with a note,
 * before its done(). Call it before the first such entry. */
typedef void audit_told_fn(void *arg, const struct audit_entry *e);
void audit_tell(struct audit *a, audit_told_fn *told, void *arg);
/* Sets the destination of entries' parts, and the shares that are made durable before each
 * record. Call it before the first entry with parts. Both must live as long as the audit. */
void audit_keeps(struct audit *a, struct texts *texts, struct shares *shares);
/* Returns false while the disk refuses. Any thread. */
bool audit_ready(const struct audit *a);
/* Returns false if CAP_TEXTS_WAITING bytes of texts wait for the disk, so that callers must
 * not send more. Any thread. */
bool audit_has_room(const struct audit *a);
/* Returns NULL if audit_ready(), otherwise the reason, a static string. Any thread. */
const char *audit_away(const struct audit *a);
/* Returns the file of shares if it is what cannot be written, or NULL: the journal, or the texts
 * beside it. Valid until audit_stop(). Any thread. */
const char *audit_away_shares(const struct audit *a);
/* Appends what cannot be written and why, if audit_away(). Any thread. */
void audit_away_put(const struct audit *a, struct buf *out);
/* Returns true if the Redis Stream does not follow and an operator must act. Any thread. */
bool audit_stream_conflict(const struct audit *a);
/* Stops the copying to the Redis Stream, or continues it. Any thread. */
void audit_stream_pause(struct audit *a, bool pause);
/* Appends lines for /readyz: the stream gave way recently, or Redis may become full. Any
 * thread. */
void audit_stream_says(const struct audit *a, struct buf *out);
/* Returns the stream's entries that may be trimmed if Redis is full, valid until
 * audit_stop(). NULL: there is no stream. */
struct redis_ballast *audit_ballast(const struct audit *a);
/* Returns how many durable records the Redis Stream lacks; 0 without a stream. Any thread. */
uint64_t audit_stream_behind(const struct audit *a);
/* Returns the last record that the Redis Stream is known to have; UINT64_MAX without a
 * stream. Any thread. */
uint64_t audit_copied(const struct audit *a);
/* Appends the signed note (record/proof/note.h) of the newest durable checkpoint to *out and
 * sets *size to its number of leaves. Returns false if there is none yet. Any thread. */
bool audit_note(const struct audit *a, struct buf *out, uint64_t *size);
/* Sets *out to the end of the durable journal, at most LOOK_US late. Returns false if it is
 * not known yet. Any thread. */
struct follow_end;
bool audit_end(const struct audit *a, struct follow_end *out);
/* Reports the state of checkpoints and hash files. Any thread. */
void audit_tree(const struct audit *a, struct tree_status *out);
struct audit_keys;
struct audit_keys_order;
/* Returns the signing keys (record/audit/keys.h), for the functions that other threads may
 * call. */
struct audit_keys *audit_keys(struct audit *a);
/* Hands a new signing key or new statements of the root to the audit thread. Waits until they
 * are recorded, at most two seconds; the audit thread keeps trying if the disk refuses. One
 * thread at a time may call it. */
void audit_rekey(struct audit *a, struct audit_keys_order *o);
/* Checks whether audit_start() would refuse the signing keys (*keys is true then) or the
 * journal. Returns 0, or the error with its reason in *why. Writes nothing. The contents of a
 * journal that a running daemon has locked are not checked. */
int audit_try(const struct config *cfg, bool *keys, struct buf *why);
/* Returns the start checkpoint that this start used, or NULL. Valid until
 * audit_startpoint_free() or audit_stop(). Call it only between audit_start() and the start
 * of the thread that reads the journal for counts. */
const struct startpoint *audit_startpoint(const struct audit *a);
void audit_startpoint_free(struct audit *a);
/* The first half of audit_stop(): closes the chain, ends the thread, and sets *end to the end
 * of the journal. No audit_append() may begin after this call. */
void audit_finish(struct audit *a, struct follow_end *end);
/* Commits queued entries, writes a closing record, copies what is possible within two seconds
 * to the Redis Stream, ends the threads and sets *a to NULL. No audit_append() may begin
 * after this call. */
void audit_stop(struct audit **a);

#endif
