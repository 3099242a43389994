/* The chain's format: lines of JSON, each record naming the hash of the one
 * before it, each group commit one signed line. Pure: no file, no clock.
 *
 * record  {"v":1,"node":N,"boot":B,"seq":S,"prev":HEX,"time":RFC3339,"type":T…}
 * commit  {"v":1,"commit":{"node":N,"boot":B,"first":S,"seq":S,"head":HEX,
 *          "time":RFC3339},"key":ID,"sig":BASE64}
 *
 * A record's hash is SHA-256 over its line's exact bytes without the newline;
 * the first record's prev is 64 zeros. `seq` has no gaps and never restarts
 * within a node; `boot` counts the daemon's starts, each begins with a record of
 * type "boot". A commit covers the records first..seq, whose last hash is head;
 * its signature is Ed25519 over the bytes of the commit object, braces included.
 * The stamps are written in exactly this order and form, and read so. */
#ifndef RECORD_JOURNAL_CHAIN_H
#define RECORD_JOURNAL_CHAIN_H

#include "base/buf.h"
#include "base/caps.h"
#include "record/journal/signkey.h"

#define CHAIN_HASH_BYTES     32
#define CHAIN_NODE_MAX	     64
#define CHAIN_LINE_MAX	     (3 * CAP_RECORD_BYTES + 1024) /* \ufffd may take three bytes for one */
#define CHAIN_COMMIT_RECORDS 4096			   /* records in one commit at most */

struct chain_line {
	bool commit;
	struct span node;
	uint64_t boot, seq;
	struct span time;
	int64_t time_ns;
	/* a record's */
	unsigned char prev[CHAIN_HASH_BYTES];
	struct span type;
	/* a commit's */
	uint64_t first;
	unsigned char head[CHAIN_HASH_BYTES];
	struct span signed_text;
	struct span key;
	unsigned char sig[SIGNKEY_SIG_BYTES];
};

/* Reads the stamps of a line without its newline; views point into it. 0, or
 * ERR_SYNTAX: neither a record nor a commit. What follows a record's type is not
 * looked at: the hash vouches for it. */
int chain_parse(struct span line, struct chain_line *out);

/* The last record of a chain: where the next one links. seq 0: none yet, head zeros. */
struct chain {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t boot, seq;
	unsigned char head[CHAIN_HASH_BYTES];
};

/* 0, or why these fields can be no record's: ERR_LIMIT (over CAP_RECORD_BYTES),
 * ERR_SYNTAX (not beginning with "type":"…", or a raw control character, which
 * would break the line). */
int chain_fields_check(struct span fields);
/* Appends a record with its newline and advances *c. Bytes of `fields` that are
 * no UTF-8 become U+FFFD, so that every line is valid JSON. */
void chain_record(struct buf *out, struct chain *c, int64_t wall_ns, struct span fields);
/* Appends the commit of records first..c->seq. */
void chain_commit(struct buf *out, const struct chain *c, uint64_t first, int64_t wall_ns,
	const struct signkey *key);

/* A member of a record's top level as raw JSON (strings with their quotes), or p
 * NULL. Records only, which this module wrote; others may give nonsense, never a
 * byte outside the line. */
struct span chain_member(struct span line, const char *key);
bool chain_node_valid(struct span node); /* [A-Za-z0-9_.-]{1,64} */
void chain_hex(const unsigned char hash[CHAIN_HASH_BYTES], char out[2 * CHAIN_HASH_BYTES + 1]);
/* The other way; false: it is no hash in lower-case hexadecimal. */
bool chain_unhex(struct span hex, unsigned char out[CHAIN_HASH_BYTES]);

#endif
