/* Which keys may have signed which records of a chain. A verifier starts with the keys that
 * it was given and learns others from statements. A statement is one line of text with
 * signatures over its bytes:
 *
 *	tollgate-key-v1 rotate node=N key=ID public=B64 from=SEQ time=T was=ID was_public=B64
 *	tollgate-key-v1 root node=N key=ID public=B64 from=SEQ time=T
 *	tollgate-key-v1 certify node=N key=ID public=B64 from=SEQ time=T
 *	tollgate-key-v1 revoke node=N key=ID from=SEQ time=T
 *
 * rotate   signed by both keys: record SEQ, which contains the statement, is the last that
 *          `was` may sign
 * root     signed by the key in force: names the public key of the root, once
 * certify  signed by the root: the key may sign from record SEQ on
 * revoke   signed by the root: the key may not sign from record SEQ on, and not from the
 *          record on that contains the statement
 *
 * In a file (a root's statements, JOURNAL.keys), the line is followed by "signature ID B64"
 * for each signer, and by "record SEQ" if a record of the journal contains the statement.
 * Empty lines and lines that begin with # are ignored. In a record, the members are
 * `statement` and `signatures`. A statement is trusted for its signatures alone, so any
 * source may supply it. These functions, except keyring_file(), use no file and no clock.
 *
 * prose: ok long */
#ifndef RECORD_JOURNAL_KEYRING_H
#define RECORD_JOURNAL_KEYRING_H

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "record/journal/signkey.h"

enum key_says { KEY_ROTATE, KEY_ROOT, KEY_CERTIFY, KEY_REVOKE, KEY_SAYS };

#define KEY_STATEMENT_MAX 512 /* bytes of a statement without signatures, at most */
#define KEY_NODE_MAX	  64
/* bytes of a reason, with its NUL */
#define KEYRING_WHY 96

struct key_statement {
	enum key_says says;
	char text[KEY_STATEMENT_MAX + 1]; /* the line, which is signed */
	char node[KEY_NODE_MAX + 1], time[CLOCK_RFC3339_LEN];
	int64_t time_ns;
	/* the key that the statement is about; of a revocation only the id */
	struct pubkey key;
	struct pubkey was; /* the key that is replaced (KEY_ROTATE) */
	uint64_t from;
	uint64_t record; /* the record that contains the statement; 0: not known */
	size_t nsigs;
	struct key_signature {
		char id[SIGNKEY_ID_LEN + 1];
		unsigned char sig[SIGNKEY_SIG_BYTES];
	} sig[2];
};

/* Returns "rotate", "root", "certify" or "revoke". */
const char *key_says_name(enum key_says says);
/* Fills in *s from the arguments, without signatures. `was` is NULL unless `says` is
 * KEY_ROTATE. */
void key_statement_make(struct key_statement *s, enum key_says says, const char *node,
	const struct pubkey *key, const struct pubkey *was, uint64_t from, int64_t wall_ns);
/* Adds a signature. A statement has at most two. */
void key_statement_sign(struct key_statement *s, const struct signkey *key);
/* Appends the statement as in a file, with `record` if it is known. */
void key_statement_write(struct buf *out, const struct key_statement *s);
/* Appends the members of the record that contains the statement, from "type" on. */
void key_statement_fields(struct buf *out, const struct key_statement *s);
/* Reads the next statement of a file's text and cuts it from *rest. Returns 1, 0 at the end,
 * or ERR_SYNTAX. */
int key_statement_next(struct span *rest, struct key_statement *out);
/* Reads the statement in a record of type "key". `line` has no newline. Returns 0 or
 * ERR_SYNTAX. */
int key_statement_of(struct span line, struct key_statement *out);
/* Returns true if the statement has a signature by that key and the signature verifies. */
bool key_statement_signed(const struct key_statement *s, const struct pubkey *key);

/* Zero it to begin with. owner: one thread. A ring is large (CAP_KEYRING keys), so do not put
 * it on the stack. */
struct keyring {
	struct pubkey key[CAP_KEYRING];
	size_t nkeys;
	/* From record `from` on, in the chain of `node` ("": of any node), the key may sign
	 * (`on`) or may not. */
	struct keyring_event {
		char node[KEY_NODE_MAX + 1];
		uint64_t from;
		/* index in `key` */
		unsigned short key;
		bool on;
	} event[2 * CAP_KEYRING];
	size_t nevents;
	struct keyring_revoked {
		char node[KEY_NODE_MAX + 1], id[SIGNKEY_ID_LEN + 1];
		uint64_t from;
	} revoked[CAP_KEYRING];
	size_t nrevoked;
	struct pubkey root[CAP_KEYRING_ROOTS];
	size_t nroots;
	bool given_root; /* roots were given, so none is learned from a chain */
};

/* Adds keys that are trusted from the first record on. Returns 0 or ERR_LIMIT. */
int keyring_give(struct keyring *k, const struct pubkey *keys, size_t n);
/* Adds a root that is trusted. Returns 0, ERR_DUPLICATE or ERR_LIMIT. */
int keyring_give_root(struct keyring *k, const struct pubkey *root);

/* The result of keyring_take(). */
enum keyring_verdict {
	KEYRING_TAKEN,
	/* the statement is known already, or a root was given and none is learned */
	KEYRING_NO_NEWS,
	KEYRING_STRANGER, /* no key in the ring signed it, so it is ignored */
	KEYRING_FALSE,	  /* a signature by a key that it names does not verify */
	KEYRING_FULL,	  /* the ring cannot hold more keys or events */
};
/* Takes a statement if its signatures permit it. */
enum keyring_verdict keyring_take(struct keyring *k, const struct key_statement *s);

/* Returns the key `id` in the ring if it may sign the records first..seq of the chain of
 * `node`. Otherwise returns NULL and puts the reason after the key's id into `why`: unknown,
 * replaced, revoked or not yet in force. Valid as long as the ring. */
const struct pubkey *keyring_signer(const struct keyring *k, const char *node, struct span id,
	uint64_t first, uint64_t seq, char why[KEYRING_WHY]);
/* Copies the keys that may sign record `seq` of the chain of `node` to `out`, at most `max`.
 * Returns their number. */
size_t keyring_signers(const struct keyring *k, const char *node, uint64_t seq,
	struct pubkey *out, size_t max);
/* Returns from which record of the chain of `node` on the key is revoked, or 0 if it is not
 * revoked. */
uint64_t keyring_revoked(const struct keyring *k, const char *id, const char *node);
/* Returns true if the key is revoked for another node but not for this one. */
bool keyring_revoked_elsewhere(const struct keyring *k, const char *id, const char *node);

/* Takes the statements of a file, repeatedly until nothing is new. If `maybe` is set, a
 * missing file counts as empty. Returns 0, or a negative error with the reason in *why. */
int keyring_file(struct keyring *k, const char *file, bool maybe, struct buf *why);

#endif
