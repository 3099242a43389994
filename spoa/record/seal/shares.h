/* Shares B: 32 random bytes for each person, in a file from which they can be erased. A
 * request without a person is kept under the id of its key; a request with neither under
 * "anonymous". The name under which a share is kept is its *holder*, 1 to 1,024 bytes. A
 * longer name is replaced by its hash, so that names with the same beginning do not share.
 *
 * The file, mode 0600, has lines of text (shares_private.h). Each share has a number. Numbers
 * count up and are never used twice, even if the file is restored from a backup:
 * JOURNAL.texts.head, next to the journal, has the last number. An erased share is
 * overwritten in place and synced. The file is never rewritten as a whole, because the blocks
 * of the old file would keep all shares. The number and time of an erased share stay, and so
 * do the erasures (gate/changes) that were carried out.
 *
 * Every function may be called on any thread. */
#ifndef RECORD_SEAL_SHARES_H
#define RECORD_SEAL_SHARES_H

#include "base/buf.h"
#include "base/sha256.h"

#define SHARE_BYTES	 32
#define SHARE_HOLDER_MAX 1024
#define SHARE_HASHED_LEN 71 /* "sha256:" and 64 hexadecimal digits */
#define PSEUDONYM_LEN	 34 /* "p_" and 32 hexadecimal digits */

struct shares;

struct share {
	unsigned char key[SHARE_BYTES]; /* the caller erases it after use */
	uint64_t number;		/* greater than 0, less than 2^53 */
};

/* The state of a number: the share exists, was erased, was given but is in no file, or was
 * never given. */
enum share_state { SHARE_HERE, SHARE_ERASED, SHARE_LOST, SHARE_NEVER };

/* Opens `file`, or creates it. `head` is the path of JOURNAL.texts.head. Shares that `head`
 * lists as given but the file does not have are lost: *lost is their number, *lost_why the
 * reason (the file was missing or is older). Returns NULL with the reason in *why if others
 * can read the file, if it belongs to another node, or if a line is damaged; *why names the
 * line. An incomplete last line is cut off instead, because nothing was sealed under its
 * share.
 *
 * `head` NULL: open for reading only, without the daemon. Nothing is written, and no share is
 * made. */
struct shares *shares_open(const char *file, const char *head, const char *node, uint64_t *lost,
	struct buf *lost_why, struct buf *why);
void shares_close(struct shares **s);

/* Returns the holder for a name: the name itself, or its hash in `own`. */
struct span share_holder(struct span name, char own[SHARE_HASHED_LEN + 1]);
/* Gets the share of a name's holder. `make`: make one if there is none; it can be used at
 * once and is durable after shares_sync(). Returns 0, ERR_NOTFOUND, ERR_NOMEM, ERR_FULL
 * (CAP_SHARES) or ERR_LIMIT (the name is empty). */
int shares_get(struct shares *s, struct span name, bool make, struct share *out);
/* Gets a share by its number. Appends its holder to *holder (may be NULL). */
enum share_state shares_find(
	struct shares *s, uint64_t number, struct share *out, struct buf *holder);
/* Makes new shares and notes durable; does nothing if there are none. Returns 0, ERR_FULL or
 * ERR_IO with errno set; call it again then. */
int shares_sync(struct shares *s);
/* Returns the path of the file, which is valid until shares_close(). */
const char *shares_file(const struct shares *s);
/* Returns true if shares_sync() has something to do. */
bool shares_dirty(const struct shares *s);
/* Returns a number that grows with each erasure. Callers that keep values derived from shares
 * must drop them when it changes. */
uint64_t shares_erasures(const struct shares *s);

/* Erases the share of each holder for which `is` returns true; `is` must not call functions
 * of shares. Durable on return. Appends the holders' pseudonyms to *erased as items of a JSON
 * array, for the record of `erasure` (at most 64 bytes without spaces; `serial` from 1 on).
 * Returns 0, also if there was none to erase; or ERR_NOMEM, ERR_FULL or ERR_IO with errno
 * set: the shares cannot be used any more, and the erasure is tried again. */
int shares_erase(struct shares *s, bool (*is)(void *arg, struct span holder), void *arg,
	const char *erasure, int64_t serial, int64_t now_ns, struct buf *erased);
/* The record of the erasure is durable: notes in the file that it was carried out, now or
 * with the next shares_sync(). Until then, a start carries it out again and gets the
 * pseudonyms again. */
void shares_erase_recorded(struct shares *s, const char *erasure, int64_t serial);
/* Returns true if this erasure, or a later one of the same name, was carried out and
 * recorded. */
bool shares_has_erased(struct shares *s, const char *erasure, int64_t serial);
/* Caches have forgotten the person of the erasure: notes this in the file, now or with the
 * next shares_sync(), so that the next start does not ask the caches again. */
void shares_erase_forgotten(struct shares *s, const char *erasure, int64_t serial);
bool shares_has_forgotten(struct shares *s, const char *erasure, int64_t serial);

/* A holder whose name resembles another. */
struct share_near {
	unsigned slips; /* letters that differ; 0: only case, marks or the Unicode form */
	size_t n;
	char name[SHARE_HOLDER_MAX];
};
/* Finds the holders whose names resemble `name`, at most `most`, the most similar first.
 * Returns their number. Reads all names. */
size_t shares_near(struct shares *s, struct span name, struct share_near *out, size_t most);

/* ---- erasures in the journal ---- */

/* Erases the shares that `erase` records of the journal name and the file still has, because
 * the file, JOURNAL.texts.head and the live state were restored from a backup. Reads the
 * journal after the last record that the file knows according to the head. Call it before
 * shares_seen(). *erased is the number of shares. Returns 0, or ERR_NOMEM, ERR_IO, ERR_FULL
 * or ERR_SYNTAX with the reason in *why: the shares that were found cannot be used any more,
 * and the next start reads the same records again. */
int shares_follow(struct shares *s, const char *journal, const char *node, size_t *erased,
	struct buf *why);
/* The journal is durable up to record `seq`, and the file knows all `erase` records up to it.
 * `note`: the next shares_sync() writes this to the head; otherwise the head has it with its
 * next write. Does nothing after a shares_follow() that failed. */
void shares_seen(struct shares *s, uint64_t seq, bool note);

/* Values derived from a share: its holder's pseudonym, "p_" and 16 bytes of HMAC-SHA-256(B,
 * "name") in hexadecimal; and the key for hashes of its holder's texts, HMAC-SHA-256(B,
 * "hash"). */
void share_pseudonym(const struct share *b, char out[PSEUDONYM_LEN + 1]);
void share_hash_key(const struct share *b, unsigned char out[SHA256_BYTES]);

#endif
