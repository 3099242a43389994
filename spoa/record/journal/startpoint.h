/* A start checkpoint: the knowledge of a daemon about its journal up to one commit, so that the
 *next start reads only what follows that commit. The file JOURNAL.start, mode 0600, has lines
 *of text:
 *
 *	tollgate-start-v1
 *	node N
 *	segment NAME		the segment that contains the commit
 *	offset BYTES		where the commit ends in that segment
 *	boot B
 *	seq S			the last record of the commit, and its hash:
 *	head HEX
 *	signer ID		the key that signed the commit
 *	type T			type of that last record
 *	tree NAME BYTES		where the last record with a tree's range begins, or "- 0"
 *	now MS			counts that ended before this time are not in the state
 *	keys BYTES		statements of key records in that segment, as in JOURNAL.keys
 *	...
 *	state BYTES		counts and unfinished decisions (budget/recall/quota_fold.h)
 *	...
 *	sha256 HEX		of all bytes above this line
 *	signature ID B64	the signing key's, over "tollgate-start-v1 NODE HEX"
 *
 * The file is used only if its hash and signature verify, and if the segment still has that
 * record and that commit before that offset. Otherwise the whole journal is read, as if the
 * file did not exist. An older file is usable like a newer one; only more of the journal
 * follows it.
 *
 * prose: ok long */
#ifndef RECORD_JOURNAL_STARTPOINT_H
#define RECORD_JOURNAL_STARTPOINT_H

#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/journal/keyring.h"

#define STARTPOINT_SUFFIX ".start"
/* bytes of a file; a larger file is neither written nor read */
#define STARTPOINT_MAX (128u << 20)
/* bytes of a record's type, with its NUL */
#define STARTPOINT_TYPE_MAX 32

/* The contents of the file. owner: one thread. Zero it to begin with. */
struct startpoint {
	char segment[JOURNAL_NAME_MAX];
	uint64_t offset; /* 0: no commit was read yet */
	/* the last record of the commit */
	struct chain at;
	char signer[SIGNKEY_ID_LEN + 1], type[STARTPOINT_TYPE_MAX];
	char tree_segment[JOURNAL_NAME_MAX]; /* "": no record with a range was read */
	uint64_t tree_offset;
	/* milliseconds since 1970 */
	int64_t now_ms;
	/* statements, as in JOURNAL.keys */
	struct buf keys;
	struct span state; /* borrowed from the caller, or from `text` if a file was read */
	/* the bytes of the file that was read */
	struct buf text;
	/* While lines are read: the type of the last record, and whether a line was neither a
	 * record nor a commit. A damaged journal gets no checkpoint. */
	char last_type[STARTPOINT_TYPE_MAX];
	bool damaged;
};

/* Frees the buffers and zeroes *p. */
void startpoint_free(struct startpoint *p);
/* Makes a copy that can take the following lines; it has no text and no state. Returns 0 or
 * ERR_NOMEM. */
int startpoint_copy(struct startpoint *to, const struct startpoint *p);
/* Takes the next line of the journal, which is in the segment from byte `begin` to `end`. */
void startpoint_line(struct startpoint *p, const char *segment, uint64_t begin, uint64_t end,
	struct span line);

/* Appends the text of the file up to the line of the hash, and appends the text to be signed
 * to *sign. Returns false if no commit was read, the journal is damaged, or the text exceeds
 * the limit of *out. */
bool startpoint_write(struct buf *out, const struct startpoint *p, struct buf *sign);
/* Appends the signature by the key with that id. */
void startpoint_sign(
	struct buf *out, const char *id, const unsigned char sig[SIGNKEY_SIG_BYTES]);

/* Parses the text of a file and compares its hash. *out borrows from `text`. Appends the text
 * that was signed to *sign, and sets *id and `sig` to the signature, which is not verified
 * yet. Returns 0, ERR_SYNTAX or ERR_NOMEM. */
int startpoint_parse(struct span text, struct startpoint *out, struct buf *sign,
	struct span *id, unsigned char sig[SIGNKEY_SIG_BYTES]);
/* Reads JOURNAL.start, verifies its signature with the keys of the ring, and looks for the
 * record and the commit in the segment. Returns 0; ERR_NOTFOUND (there is no file); or
 * another error with the reason in *why: the file must not be used. Call startpoint_free() in
 * any case. */
int startpoint_load(struct startpoint *out, const char *dir, const char *node,
	const struct keyring *ring, struct buf *why);
/* Replaces JOURNAL.start, durable on return. Returns 0, or ERR_FULL, ERR_IO or ERR_LIMIT with
 * the reason in *why. */
int startpoint_place(const char *dir, struct span text, struct buf *why);

#endif
