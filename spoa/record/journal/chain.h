/* The format of the chain: lines of JSON. Each record has the hash of the record before it,
 * and each group commit is one signed line. These functions use no file and no clock.
 *
 * record  {"v":1,"node":N,"boot":B,"seq":S,"prev":HEX,"time":RFC3339,"type":T…}
 * commit  {"v":1,"commit":{"node":N,"boot":B,"first":S,"seq":S,"head":HEX,
 *          "time":RFC3339},"key":ID,"sig":BASE64}
 *
 * The hash of a record is the SHA-256 of the exact bytes of its line without the newline.
 * `prev` of the first record is 64 zeros. `seq` has no gaps and never restarts within a node.
 * `boot` counts the starts of the daemon; each boot begins with a record of type "boot". A
 * commit covers the records first..seq, and `head` is the hash of the last one. The signature
 * is Ed25519 over the bytes of the commit object, with its braces. The members up to "type",
 * and those of a commit, are written in exactly this order and form, and the reader accepts
 * no other. */
#ifndef RECORD_JOURNAL_CHAIN_H
#define RECORD_JOURNAL_CHAIN_H

#include "base/buf.h"
#include "base/caps.h"
#include "record/journal/signkey.h"

#define CHAIN_HASH_BYTES 32
#define CHAIN_NODE_MAX	 64
/* bytes; a replaced byte becomes the three bytes of U+FFFD */
#define CHAIN_LINE_MAX	     (3 * CAP_RECORD_BYTES + 1024)
#define CHAIN_COMMIT_RECORDS 4096 /* the most records in one commit */

/* A line of the chain. The spans borrow from the line. */
struct chain_line {
	/* true: a commit, false: a record */
	bool commit;
	struct span node;
	uint64_t boot, seq;
	struct span time;
	/* `time` in ns since 1970 */
	int64_t time_ns;
	/* set only for a record */
	unsigned char prev[CHAIN_HASH_BYTES];
	struct span type;
	/* set only for a commit */
	uint64_t first;
	unsigned char head[CHAIN_HASH_BYTES];
	/* the bytes that are signed */
	struct span signed_text;
	struct span key;
	unsigned char sig[SIGNKEY_SIG_BYTES];
};

/* Parses the stamps of a line without its newline. Returns 0, or ERR_SYNTAX if the line is
 * neither a record nor a commit. The rest of a record after its type is not parsed: the hash
 * covers it. */
int chain_parse(struct span line, struct chain_line *out);

/* The end of a chain, to which the next record links. seq 0: there is no record yet, and
 * `head` is zeros. */
struct chain {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t boot, seq;
	unsigned char head[CHAIN_HASH_BYTES];
};

/* Checks the members of a new record. Returns 0, ERR_LIMIT (over CAP_RECORD_BYTES), or
 * ERR_SYNTAX if they do not begin with "type":"…" or contain a raw control character, which
 * would break the line. */
int chain_fields_check(struct span fields);
/* Appends a record with its newline and advances *c. `wall_ns` is its time in ns since 1970.
 * Bytes of `fields` that are not valid UTF-8 become U+FFFD, so that every line is valid JSON.
 * If *out is full, *c does not advance. */
void chain_record(struct buf *out, struct chain *c, int64_t wall_ns, struct span fields);
/* Appends the signed commit of the records first..c->seq. */
void chain_commit(struct buf *out, const struct chain *c, uint64_t first, int64_t wall_ns,
	const struct signkey *key);

/* Returns a member of the record's top level as raw JSON (a string with its quotes), or p
 * NULL if there is none. The line must be a record that this module wrote. For other input
 * the result is undefined, but never outside the line. */
struct span chain_member(struct span line, const char *key);
bool chain_node_valid(struct span node); /* [A-Za-z0-9_.-]{1,64} */
/* Writes a hash in lower-case hexadecimal. */
void chain_hex(const unsigned char hash[CHAIN_HASH_BYTES], char out[2 * CHAIN_HASH_BYTES + 1]);
/* Reads a hash in lower-case hexadecimal. Returns false if `hex` is not one. */
bool chain_unhex(struct span hex, unsigned char out[CHAIN_HASH_BYTES]);

#endif
