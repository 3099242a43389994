/* A witness of other logs (C2SP tlog-witness): cosigns a checkpoint where it continues what was
 * cosigned before of that origin. What was is kept in a file, which is synced before the
 * cosignature leaves. The HTTP around it is operator/server/witnessing.c's. */
#ifndef RECORD_ANCHORS_WITNESS_H
#define RECORD_ANCHORS_WITNESS_H

#include "base/metrics.h"
#include "policy/config/config.h"
#include "record/proof/note.h"

#define WITNESS_PROOF_MAX 63

struct witness_request {
	uint64_t old;
	struct merkle_hash proof[WITNESS_PROOF_MAX];
	size_t nproof;
	struct span note;
};

/* "old N", at most 63 hashes in base64, an empty line, a note. 0 or ERR_SYNTAX. Pure. */
int witness_request_read(struct span body, struct witness_request *out);

/* owner: the thread that asks. */
struct witness;

/* cfg lives as long. `audit` is the record's key, which it may not have; NULL: there is none.
 * NULL with *why: keys or state that cannot be read, or another process has the state. */
struct witness *witness_open(const struct config *cfg, const struct pubkey *audit,
	struct metrics *m, struct buf *why);
void witness_close(struct witness **w);
/* Answers a body of add-checkpoint: a status of HTTP, the answer's body appended, its type in
 * *type. */
unsigned witness_add(struct witness *w, struct span body, struct buf *out, const char **type);

/* Its keys can be used: for `check` too. */
int witness_files(const struct config *cfg, struct buf *why);

#endif
