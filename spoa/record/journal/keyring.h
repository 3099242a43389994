/* Which keys may have signed which records of a chain. Beside the keys that a verifier was
 * given there are those of statements, each one line of text and signatures over its bytes:
 *
 *	tollgate-key-v1 rotate node=N key=ID public=B64 from=SEQ time=T was=ID was_public=B64
 *	tollgate-key-v1 root node=N key=ID public=B64 from=SEQ time=T
 *	tollgate-key-v1 certify node=N key=ID public=B64 from=SEQ time=T
 *	tollgate-key-v1 revoke node=N key=ID from=SEQ time=T
 *
 * rotate   both keys signed: record SEQ, which holds it, is the last under `was`
 * root     the key that signs then names the root's public key, once
 * certify  the root signed: the key may sign from record SEQ on
 * revoke   the root signed: it may not from record SEQ on, nor from the record on that holds it
 *
 * In a file (a root's statements, JOURNAL.keys) the line is followed by one "signature ID B64"
 * a signer, and by "record SEQ" where it stands in the journal; blank lines and those that begin
 * with # are read over. In a record: `statement` and `signatures`. A statement proves itself:
 * whoever brings it need not be trusted. Pure. */
#ifndef RECORD_JOURNAL_KEYRING_H
#define RECORD_JOURNAL_KEYRING_H

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "record/journal/signkey.h"

enum key_says { KEY_ROTATE, KEY_ROOT, KEY_CERTIFY, KEY_REVOKE, KEY_SAYS };

#define KEY_STATEMENT_MAX 512 /* bytes of one */
#define KEY_NODE_MAX	  64
#define KEYRING_WHY	  96

struct key_statement {
	enum key_says says;
	char text[KEY_STATEMENT_MAX + 1]; /* what is signed */
	char node[KEY_NODE_MAX + 1], time[CLOCK_RFC3339_LEN];
	int64_t time_ns;
	struct pubkey key; /* whom it is about; of a revocation only the id */
	struct pubkey was; /* KEY_ROTATE */
	uint64_t from;
	uint64_t record; /* the one that holds it; 0: not known */
	size_t nsigs;
	struct key_signature {
		char id[SIGNKEY_ID_LEN + 1];
		unsigned char sig[SIGNKEY_SIG_BYTES];
	} sig[2];
};

const char *key_says_name(enum key_says says);
/* Fills in all but signatures from the members; `was` NULL but for KEY_ROTATE. */
void key_statement_make(struct key_statement *s, enum key_says says, const char *node,
	const struct pubkey *key, const struct pubkey *was, uint64_t from, int64_t wall_ns);
void key_statement_sign(struct key_statement *s, const struct signkey *key);
/* As in a file, `record` included where it is known. */
void key_statement_write(struct buf *out, const struct key_statement *s);
/* The fields of its record, from "type" on. */
void key_statement_fields(struct buf *out, const struct key_statement *s);
/* The next one of a file's text, which is cut from *rest: 1, 0 at its end, ERR_SYNTAX. */
int key_statement_next(struct span *rest, struct key_statement *out);
/* That of a record of type "key", a line without its newline. 0 or ERR_SYNTAX. */
int key_statement_of(struct span line, struct key_statement *out);
/* The signature of that key is there and holds. */
bool key_statement_signed(const struct key_statement *s, const struct pubkey *key);

struct keyring {
	struct pubkey key[CAP_KEYRING];
	size_t nkeys;
	/* From record `from` on, in `node`'s chain ("": in any), the key may sign, or not. */
	struct keyring_event {
		char node[KEY_NODE_MAX + 1];
		uint64_t from;
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
	bool given_root; /* none is learned from a chain then */
};

/* Keys that are trusted from the first record on. 0 or ERR_LIMIT. */
int keyring_give(struct keyring *k, const struct pubkey *keys, size_t n);
int keyring_give_root(struct keyring *k, const struct pubkey *root);

enum keyring_verdict {
	KEYRING_TAKEN,
	KEYRING_NO_NEWS,  /* it was taken before, or it needs no root */
	KEYRING_STRANGER, /* none of the keys known signed it: it says nothing */
	KEYRING_FALSE,	  /* a signature of a key that it names does not hold */
	KEYRING_FULL,
};
enum keyring_verdict keyring_take(struct keyring *k, const struct key_statement *s);

/* The key `id` that may sign the records first to seq of node's chain, in the ring; or NULL and
 * a sentence in `why`: unknown, replaced or revoked. */
const struct pubkey *keyring_signer(const struct keyring *k, const char *node, struct span id,
	uint64_t first, uint64_t seq, char why[KEYRING_WHY]);
/* All that may sign record `seq` of node's chain: their number. */
size_t keyring_signers(const struct keyring *k, const char *node, uint64_t seq,
	struct pubkey *out, size_t max);
/* From which record of node's chain on that key is revoked; 0: it is not. */
uint64_t keyring_revoked(const struct keyring *k, const char *id, const char *node);
/* Whether it is revoked for another node than this one, and for this one is not. */
bool keyring_revoked_elsewhere(const struct keyring *k, const char *id, const char *node);

/* Takes every statement of a file until nothing is new. 0, or negative with *why; a file that
 * is not there holds none, where `maybe`. */
int keyring_file(struct keyring *k, const char *file, bool maybe, struct buf *why);

#endif
