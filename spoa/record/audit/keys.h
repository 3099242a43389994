/* The keys that sign records: the one in force, the previous one, which also signs
 * checkpoints for 30 days, and the next one.
 *
 * A rotation is a record of type "key" (record/journal/keyring.h), the last record of its
 * commit, which the old key signs. When the commit is durable, the new key signs the next
 * one. Statements of the offline root are recorded in the same way. JOURNAL.keys, next to the
 * journal, repeats all these statements for starts and verifiers that do not read the whole
 * journal. */
#ifndef RECORD_AUDIT_KEYS_H
#define RECORD_AUDIT_KEYS_H

#include <pthread.h>

#include "base/keyfile.h"
#include "base/mailbox.h"
#include "policy/config/config.h"
#include "record/journal/chain.h"
#include "record/journal/keyring.h"
#include "record/journal/recover.h"

#define AUDIT_KEYS_RECORDS 12 /* key records in one commit, at most */
/* ns for which the previous key also signs checkpoints: 30 days */
#define AUDIT_KEYS_NOTES_NS (30 * 86400 * INT64_C(1000000000))

/* The keys of a reload, on their way to the audit thread. */
struct audit_keys_order {
	struct mail mail;
	struct audit_keys *keys;
	struct signkey next; /* the key in audit.key, changed or not */
	struct pubkey root;
	bool has_root;
	struct key_statement *stated; /* statements of the root about this node; owned */
	size_t nstated;
};

struct audit_keys {
	/* owner: audit. Other threads read the members that are marked L, holding the lock. */
	/* L: their ids. `previous` is valid if has_previous */
	struct signkey now, next, previous;
	bool rotates; /* L: a rotation to `next` is pending */
	bool has_previous;
	/* no record introduced `now`, so verifiers need both public keys */
	bool unannounced;
	/* wall clock, ns since 1970 */
	int64_t previous_until_ns;
	struct keyring ring; /* L */
	struct pubkey root;
	bool has_root;
	char node[KEY_NODE_MAX + 1], file[1088]; /* JOURNAL.keys */
	struct buf log;				 /* the log's text */
	/* the text is newer than the file */
	bool log_dirty;
	/* statements of the root that may wait to be recorded; owned */
	struct key_statement *stated;
	size_t nstated;
	/* statements in the current commit */
	struct key_statement made[AUDIT_KEYS_RECORDS];
	size_t nmade;
	struct hashkey hash; /* L: id and origin; the key itself is not kept */
	pthread_mutex_t lock;
	uint64_t taken; /* L: number of orders taken */
	bool due;	/* owner: audit; a key record must be written, even if no entry waits */
};

/* Loads audit.key, the previous key, the root with its statements, and JOURNAL.keys. Returns
 * 0, or a negative error with the reason in *why. Call audit_keys_free() in any case. */
int audit_keys_load(struct audit_keys *k, const struct config *cfg, const struct hashkey *hash,
	struct buf *why);
void audit_keys_free(struct audit_keys *k);
/* After the recovery: determines which key signs the boot's commit, and whether a rotation
 * follows. Returns 0, or ERR_AUTH with the reason in *why if audit.key may not continue the
 * chain. audit_keys_fit() is only that check, without changes. */
int audit_keys_fit(const struct audit_keys *k, const struct recovery *found, struct buf *why);
int audit_keys_begin(struct audit_keys *k, const struct recovery *found, struct buf *why);

/* Collects the keys with which texts may have been hashed, as far as they are available, the
 * one in force first: the keys in audit.hash_key's file, and those derived from audit.key and
 * the previous key. Returns their number, at most AUDIT_HASH_KEYS, without duplicates. The
 * caller erases them. */
#define AUDIT_HASH_KEYS (HASHKEYS_MAX + 2)
size_t audit_hash_keys(const struct config *cfg, struct hashkey *out);
/* Reads the statements in audit.key_statements about this node, each of which must be signed
 * by the root. The caller frees *out. Returns 0, or a negative error with the reason in
 * *why. */
int audit_keys_stated(const struct config *cfg, const char *node, const struct pubkey *root,
	struct key_statement **out, size_t *n, struct buf *why);

/* ---- for the audit thread ---- */

/* Adds the key records to a commit by calling put(). No record may follow them in the
 * commit. */
typedef void audit_keys_put(void *arg, struct chain *c, int64_t now_ns, struct span fields);
void audit_keys_records(
	struct audit_keys *k, struct chain *c, int64_t now_ns, audit_keys_put *put, void *arg);
/* Reports the result of the commit: durable (0), or it will be made again. */
void audit_keys_done(struct audit_keys *k, int err);
/* Writes JOURNAL.keys again if that failed earlier. The segment with the missing statement
 * may be trimmed one day. */
void audit_keys_again(struct audit_keys *k);
/* Appends the signature lines of a checkpoint: by the key in force, and for 30 days also by
 * the previous key. */
void audit_keys_note(struct audit_keys *k, struct buf *note, struct span text, struct span name,
	int64_t now_ns);

/* ---- for the main thread ---- */

/* Prepares the order for a new configuration. Returns NULL with the reason in *why, in one
 * line, if the configuration cannot take effect. */
struct audit_keys_order *audit_keys_prepare(
	struct audit_keys *k, const struct config *cfg, struct buf *why);
void audit_keys_order_free(struct audit_keys_order **o);
/* Appends {"signs": ID, "next": ID or null, "revoked": BOOL, "hash_key": {…}}. Any thread. */
void audit_keys_status(struct audit_keys *k, struct buf *out);
/* Signs the manifest of an export (record/proof/export.h), whose object was checked, with the
 * key in force. Any thread: the key only changes while the lock is held. */
void audit_keys_export(struct audit_keys *k, struct buf *out, struct span object);

/* Copies the ring. Any thread. */
void audit_keys_ring(struct audit_keys *k, struct keyring *out);
/* Signs a text with the key in force and copies its id to `id`. Any thread. */
void audit_keys_sign(struct audit_keys *k, struct span text, char id[SIGNKEY_ID_LEN + 1],
	unsigned char sig[SIGNKEY_SIG_BYTES]);

#endif
