/* A witness of other logs (C2SP tlog-witness): cosigns a checkpoint of a log if it continues
 * the last checkpoint that was cosigned for that origin. The last checkpoint of each origin
 * is kept in a file, which is synced before the cosignature is returned.
 * operator/server/witnessing.c has the HTTP side. */
#ifndef RECORD_ANCHORS_WITNESS_H
#define RECORD_ANCHORS_WITNESS_H

#include "base/metrics.h"
#include "policy/config/config.h"
#include "record/proof/note.h"

#define WITNESS_PROOF_MAX 63 /* hashes; a tree of 2^63 records needs no more */

/* A parsed request. Borrows from its body. */
struct witness_request {
	uint64_t old; /* size of the tree that the proof begins at */
	struct merkle_hash proof[WITNESS_PROOF_MAX];
	size_t nproof;
	struct span note; /* the checkpoint */
};

/* Parses "old N", at most 63 hashes in base64, an empty line and a note. Returns 0 or
 * ERR_SYNTAX. Has no side effects. */
int witness_request_read(struct span body, struct witness_request *out);

/* owner: the thread that opened it */
struct witness;

/* Opens the state and the keys. `cfg` and `m` must live until witness_close(). `audit` is the
 * journal's public key, which the witness must not share; NULL: the journal has none. Returns
 * NULL with the reason in *why if keys or state cannot be read, or if another process uses
 * the state. */
struct witness *witness_open(const struct config *cfg, const struct pubkey *audit,
	struct metrics *m, struct buf *why);
/* Sets *w to NULL. */
void witness_close(struct witness **w);
/* Handles the body of an add-checkpoint request. Returns the HTTP status, appends the
 * response's body to *out and sets *type to its content type. */
unsigned witness_add(struct witness *w, struct span body, struct buf *out, const char **type);

/* Checks that the keys can be read and differ. `tollgate check` calls it, too. Returns 0, or
 * an error with the reason in *why. */
int witness_files(const struct config *cfg, struct buf *why);

#endif
