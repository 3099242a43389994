/* The record: one audit thread owns the chain, the journal and the signing key.
 * Workers hand it the inside of a record; it stamps version, node, boot,
 * sequence, previous hash and time, writes and syncs whatever queued during the
 * previous sync as one signed commit, then answers. The Redis Stream follows.
 *
 * A journal is JSON lines. A record: {"v":1,"node":…,"boot":N,"seq":N,"prev":
 * HEX,"time":RFC3339,"type":…,…}; its hash is SHA-256 over the line's bytes
 * without the newline. A commit: {"v":1,"commit":{…"boot","seq","head",…},
 * "key":ID,"sig":BASE64}, Ed25519 over the bytes of the commit object. */
#ifndef GATE_AUDIT_H
#define GATE_AUDIT_H

#include "base/buf.h"
#include "base/mailbox.h"
#include "base/metrics.h"
#include "policy/config.h"

struct audit;

struct audit_entry {
	struct mail mail;
	struct buf fields; /* `"type":"decision","id":…` without braces; owned by the entry's owner */
	struct mailbox *reply_to;
	/* Runs on reply_to's thread: 0 durable, or ERR_IO (disk), ERR_BAD_STATE (shutting down). */
	void (*done)(struct audit_entry *e, int err);
	int err;
	void *arg;
};

/* Opens (or begins) the journal: recovers an unfinished tail, verifies the last
 * segment, writes a boot record. NULL with a message in *why: a journal that
 * does not verify is never appended to. */
struct audit *audit_start(const struct config *cfg, struct metrics *m, struct buf *why);
/* Any thread. The entry belongs to audit until done() ran. */
void audit_append(struct audit *a, struct audit_entry *e);
/* False while the disk refuses. Any thread. */
bool audit_ready(const struct audit *a);
/* Commits what is queued, writes a closing record, mirrors what it can within
 * two seconds, ends the thread. */
void audit_stop(struct audit **a);

#endif
