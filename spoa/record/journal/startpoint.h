/* A start checkpoint: what a daemon knows of its journal up to one commit, so that the next start
 * reads only what follows that commit. The file JOURNAL.start, mode 0600, is lines of text:
 *
 *	tollgate-start-v1
 *	node N
 *	segment NAME		the segment that the commit is in
 *	offset BYTES		where the commit ends in that segment
 *	boot B
 *	seq S			the last record of the commit, and its hash:
 *	head HEX
 *	signer ID		the key that signed the commit
 *	type T			type of that last record
 *	tree NAME BYTES		where the last record with the Merkle tree's range begins; "- 0": none
 *	now MS			what was over by this time is left out of the state
 *	keys BYTES		statements of key records in that segment, as in JOURNAL.keys
 *	...
 *	state BYTES		counts and unfinished decisions (budget/recall/quota_fold.h)
 *	...
 *	sha256 HEX		of all bytes above this line
 *	signature ID B64	the signing key's, over "tollgate-start-v1 NODE HEX"
 *
 * The file is used only if hash and signature hold, and if the segment still has that record and
 * that commit before that offset. Otherwise the journal is read as if there were no file. An older
 * file is as good as a newer one: then more of the journal follows it. */
#ifndef RECORD_JOURNAL_STARTPOINT_H
#define RECORD_JOURNAL_STARTPOINT_H

#include "record/journal/chain.h"
#include "record/journal/journal.h"
#include "record/journal/keyring.h"

#define STARTPOINT_SUFFIX    ".start"
#define STARTPOINT_MAX	     (128u << 20) /* bytes of a file; a larger one is not written or read */
#define STARTPOINT_TYPE_MAX  32

/* owner: one thread. */
struct startpoint {
	char segment[JOURNAL_NAME_MAX];
	uint64_t offset; /* 0: no commit was seen yet */
	struct chain at;
	char signer[SIGNKEY_ID_LEN + 1], type[STARTPOINT_TYPE_MAX];
	char tree_segment[JOURNAL_NAME_MAX]; /* "": none */
	uint64_t tree_offset;
	int64_t now_ms;
	struct buf keys;
	struct span state; /* borrowed; of a file that was read: part of `text` */
	struct buf text;
	/* While lines are taken: the type of the last record, and whether a line was neither record
	 * nor commit. Such a journal gets no checkpoint. */
	char last_type[STARTPOINT_TYPE_MAX];
	bool damaged;
};

void startpoint_free(struct startpoint *p);
/* A copy that goes on with the lines after it: without text and state. 0 or ERR_NOMEM. */
int startpoint_copy(struct startpoint *to, const struct startpoint *p);
/* The next line of the journal, which is in that segment from byte `begin` up to `end`. */
void startpoint_line(struct startpoint *p, const char *segment, uint64_t begin, uint64_t end,
	struct span line);

/* Appends the file's text up to the line of the hash, and in *sign the text to be signed. False: no
 * commit was seen, the journal is damaged, or the text is over the limit of *out. */
bool startpoint_write(struct buf *out, const struct startpoint *p, struct buf *sign);
/* Appends the signature by the key of that id. */
void startpoint_sign(
	struct buf *out, const char *id, const unsigned char sig[SIGNKEY_SIG_BYTES]);

/* Reads a file's text and compares the hash. *out borrows from it. 0, or ERR_SYNTAX. The text to be
 * signed is appended to *sign; *id and `sig` are the signature. Nothing is trusted yet. */
int startpoint_parse(struct span text, struct startpoint *out, struct buf *sign,
	struct span *id, unsigned char sig[SIGNKEY_SIG_BYTES]);
/* Reads JOURNAL.start of that node, verifies the signature by the ring's keys, and looks for the
 * record and the commit in the segment. 0; ERR_NOTFOUND: there is no file; another error with
 * *why: it is not to be used. startpoint_free() in any case. */
int startpoint_load(struct startpoint *out, const char *dir, const char *node,
	const struct keyring *ring, struct buf *why);
/* Replaces JOURNAL.start; durable on return. 0, ERR_FULL, ERR_IO or ERR_LIMIT with *why. */
int startpoint_place(const char *dir, struct span text, struct buf *why);

#endif
