/* The keys that sign records: the one in force, the one before it, which signs checkpoints too
 * for 30 days, and the one that comes. A rotation is a record `key` (record/journal/keyring.h), the last
 * of its commit, which the old key signs; when it is durable the next commit is the new key's.
 * What the offline root stated goes into the journal as such records too. JOURNAL.keys, next to
 * the journal, repeats the statements of all of them, for starts and verifiers that do not read
 * the whole journal. */
#ifndef RECORD_AUDIT_KEYS_H
#define RECORD_AUDIT_KEYS_H

#include <pthread.h>

#include "base/keyfile.h"
#include "base/mailbox.h"
#include "policy/config/config.h"
#include "record/journal/chain.h"
#include "record/journal/keyring.h"
#include "record/journal/recover.h"

#define AUDIT_KEYS_RECORDS  12 /* key records in one commit */
#define AUDIT_KEYS_NOTES_NS (30 * 86400 * INT64_C(1000000000))

/* What a reload brings. */
struct audit_keys_order {
	struct mail mail;
	struct audit_keys *keys;
	struct signkey next; /* the key of audit.key, the same as before or not */
	struct pubkey root;
	bool has_root;
	struct key_statement *stated; /* the root's, of this node */
	size_t nstated;
};

struct audit_keys {
	/* owner: audit; others read what is marked L under the lock */
	struct signkey now, next, previous; /* L: ids */
	bool rotates;			    /* L: `next` comes */
	bool has_previous;
	bool unannounced; /* no record introduced `now` */
	int64_t previous_until_ns;
	struct keyring ring; /* L */
	struct pubkey root;
	bool has_root;
	char node[KEY_NODE_MAX + 1], file[1088]; /* JOURNAL.keys */
	struct buf log;				 /* its text */
	bool log_dirty;
	struct key_statement *stated; /* the root's that wait */
	size_t nstated;
	struct key_statement made[AUDIT_KEYS_RECORDS]; /* in the commit under way */
	size_t nmade;
	struct hashkey hash; /* id and origin; L */
	pthread_mutex_t lock;
	uint64_t taken; /* L: orders */
	bool due;	/* owner: audit; there is a record to be written, asked for or not */
};

/* audit.key, its predecessor, the root and what it stated, JOURNAL.keys. 0, or negative with
 * *why. audit_keys_free in any case. */
int audit_keys_load(struct audit_keys *k, const struct config *cfg, const struct hashkey *hash,
	struct buf *why);
void audit_keys_free(struct audit_keys *k);
/* After the recovery: which key signs the boot's commit, and whether another follows. ERR_AUTH
 * with *why where audit.key is not the chain's any more. */
/* Whether audit.key may follow the last record: 0, or the ERR_AUTH of audit_keys_begin(). */
int audit_keys_fit(const struct audit_keys *k, const struct recovery *found, struct buf *why);
int audit_keys_begin(struct audit_keys *k, const struct recovery *found, struct buf *why);

/* What texts may have been hashed with, as far as it is here, the one in force first: the keys
 * of audit.hash_key's file, and what follows from audit.key and the key before it. How many, at
 * most AUDIT_HASH_KEYS, each once; to be wiped. */
#define AUDIT_HASH_KEYS (HASHKEYS_MAX + 2)
size_t audit_hash_keys(const struct config *cfg, struct hashkey *out);
/* The statements of audit.key_statements that are of this node, each signed by the root; the
 * caller frees them. 0, or negative with *why: one is signed by nobody, or cannot be read. */
int audit_keys_stated(const struct config *cfg, const char *node, const struct pubkey *root,
	struct key_statement **out, size_t *n, struct buf *why);

/* ---- the audit thread's ---- */

/* Puts the key records of a commit into it; nothing may come after them. */
typedef void audit_keys_put(void *arg, struct chain *c, int64_t now_ns, struct span fields);
void audit_keys_records(
	struct audit_keys *k, struct chain *c, int64_t now_ns, audit_keys_put *put, void *arg);
/* The commit is durable (0), or it is made anew later. */
void audit_keys_done(struct audit_keys *k, int err);
/* JOURNAL.keys once more, where it could not be written: the segment that says what it lacks
 * may be closed and trimmed one day. */
void audit_keys_again(struct audit_keys *k);
/* A checkpoint's signature lines: the key's, and for 30 days that of the one before. */
void audit_keys_note(struct audit_keys *k, struct buf *note, struct span text, struct span name,
	int64_t now_ns);

/* ---- the main thread's ---- */

/* The order that this configuration means; NULL with *why (one line) where it cannot be. */
struct audit_keys_order *audit_keys_prepare(
	struct audit_keys *k, const struct config *cfg, struct buf *why);
void audit_keys_order_free(struct audit_keys_order **o);
/* Any thread: {"signs": ID, "next": ID or null, "hash_key": {…}}. */
void audit_keys_status(struct audit_keys *k, struct buf *out);
/* Any thread: the manifest of an export (record/proof/export.h), whose object was looked at, by the key
 * that signs records now. That key changes under the lock alone. */
void audit_keys_export(struct audit_keys *k, struct buf *out, struct span object);

/* A copy of the ring. Any thread. */
void audit_keys_ring(struct audit_keys *k, struct keyring *out);
/* Signs a text by the key in force, whose id is copied to `id`. Any thread. */
void audit_keys_sign(struct audit_keys *k, struct span text, char id[SIGNKEY_ID_LEN + 1],
	unsigned char sig[SIGNKEY_SIG_BYTES]);

#endif
