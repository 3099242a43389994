/* Shares B: 32 random bytes a person, in a file that can be erased. Whoever has no person falls
 * under the id of the key; who has neither under "anonymous". What a share is for is its
 * *holder*, a text of 1 to 1,024 bytes: a longer name's is its hash, so that nobody shares one
 * with whoever begins alike.
 *
 * The file, mode 0600, is lines of text. The first names the node and the file; each share has
 * a number, counted up and never given twice, also not by a file that came back from a backup:
 * JOURNAL.texts.head, next to the journal, says how far it had come. An erased share is
 * overwritten where it stands and synced. The file is never written again as a whole, because
 * the blocks of the former file would keep all shares. The number and the time of an erased
 * share stay; so do the erasures (gate/changes) that were carried out here. */
#ifndef RECORD_SEAL_SHARES_H
#define RECORD_SEAL_SHARES_H

#include "base/buf.h"
#include "base/sha256.h"

#define SHARE_BYTES	 32
#define SHARE_HOLDER_MAX 1024
#define SHARE_HASHED_LEN 71 /* "sha256:" and 64 hexadecimal digits */
#define PSEUDONYM_LEN	 34 /* "p_" and 32 hexadecimal digits */

struct shares; /* opaque; every function is any thread's */

struct share {
	unsigned char key[SHARE_BYTES]; /* to be wiped */
	uint64_t number;		/* from 1 on; below 2^53 */
};

/* What became of a number. */
enum share_state { SHARE_HERE, SHARE_ERASED, SHARE_LOST, SHARE_NEVER };

/* Opens `file`, or begins it. `head`: the path of JOURNAL.texts.head. What `head` says was
 * given, and the file does not know, is lost: *lost says how many, and why in words (the file
 * was not there, is older). NULL with *why: others than its owner may read it, it is of another
 * node, a line of it is damaged (its number is said; a last line that was never completed is
 * cut off instead: nothing was sealed under it).
 * `head` NULL: for reading alone, without the daemon; nothing is written, no share is made. */
struct shares *shares_open(const char *file, const char *head, const char *node, uint64_t *lost,
	struct buf *lost_why, struct buf *why);
void shares_close(struct shares **s);

/* The holder of that name: itself, or its hash in `own`. */
struct span share_holder(struct span name, char own[SHARE_HASHED_LEN + 1]);
/* The share of the holder of that name. `make`: one is made where there is none; it is in force
 * at once, and durable after shares_sync(). 0; ERR_NOTFOUND; ERR_NOMEM; ERR_FULL (CAP_SHARES);
 * ERR_LIMIT: the name is empty. */
int shares_get(struct shares *s, struct span name, bool make, struct share *out);
/* By its number; *holder (may be NULL) gets whose it is. */
enum share_state shares_find(
	struct shares *s, uint64_t number, struct share *out, struct buf *holder);
/* Shares that were made are durable when it returns 0. Nothing to do is 0. ERR_FULL, ERR_IO:
 * errno; it is to be asked again. */
int shares_sync(struct shares *s);
/* True where shares_sync() has something to do. */
bool shares_dirty(const struct shares *s);
/* Bumped by each erasure: whoever keeps what came from a share drops it then. */
uint64_t shares_erasures(const struct shares *s);

/* Overwrites and drops the share of each holder that `is` (which asks for no share) says yes
 * of: durable on return. *erased gets their pseudonyms, as items of a JSON list, for the record
 * of `erasure` (a text of at most 64 bytes without blanks; its serial, from 1 on). 0 with none,
 * too; ERR_NOMEM, ERR_FULL, ERR_IO with errno: it is out of force, and will be tried again. */
int shares_erase(struct shares *s, bool (*is)(void *arg, struct span holder), void *arg,
	const char *erasure, int64_t serial, int64_t now_ns, struct buf *erased);
/* That record is durable: the file notes the erasure as carried out, now or with the next
 * shares_sync(). Until then a start carries it out once more, and gets the pseudonyms again. */
void shares_erase_recorded(struct shares *s, const char *erasure, int64_t serial);
/* That erasure with that serial, or a later one, was carried out here, and is on record. */
bool shares_has_erased(struct shares *s, const char *erasure, int64_t serial);
/* Caches have nothing of that person any more: the file notes it, now or with the next
 * shares_sync(), so that the next start does not ask them again. */
void shares_erase_forgotten(struct shares *s, const char *erasure, int64_t serial);
bool shares_has_forgotten(struct shares *s, const char *erasure, int64_t serial);

/* A holder whose name is like another. */
struct share_near {
	unsigned
		slips; /* letters that differ; 0: nothing but case, marks or the Unicode form */
	size_t n;
	char name[SHARE_HOLDER_MAX];
};
/* The holders whose names are like `name`, at most `most`, nearest first. Returns how many.
 * Reads all names. */
size_t shares_near(struct shares *s, struct span name, struct share_near *out, size_t most);

/* ---- the journal's own records of erasures ---- */

/* Erases the shares that `erase` records of the journal name and that this file still has: the
 * file, JOURNAL.texts.head and the live state were restored from a backup. Reads the journal
 * after the last record of which the head says that the file knows it. Before
 * shares_seen() is called. *erased: how many. 0; ERR_NOMEM, ERR_IO, ERR_FULL or ERR_SYNTAX with
 * *why: the shares that were found are out of force, and the next start reads the same again.
 */
int shares_follow(struct shares *s, const char *journal, const char *node, size_t *erased,
	struct buf *why);
/* The journal is durable up to record seq, and the file knows all `erase` records up to there.
 * `note`: the head says so with the next shares_sync(); else with its next write. Does nothing
 * after a shares_follow() that failed. */
void shares_seen(struct shares *s, uint64_t seq, bool note);

/* What follows from a share: its holder's pseudonym, "p_…": HMAC-SHA-256(B, "name"), 16 bytes;
 * and the key of the hashes of its holder's texts: HMAC-SHA-256(B, "hash"). */
void share_pseudonym(const struct share *b, char out[PSEUDONYM_LEN + 1]);
void share_hash_key(const struct share *b, unsigned char out[SHA256_BYTES]);

#endif
