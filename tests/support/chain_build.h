/* Builds chains for tests with a fixed key, fixed times and commits of given sizes. */
#ifndef TESTS_CHAIN_BUILD_H
#define TESTS_CHAIN_BUILD_H

#include "base/err.h"
#include "record/journal/verify.h"
#include "record/proof/note.h"

#define CHAIN_BUILD_TIME INT64_C(1800000000000000000)

struct chain_build {
	struct chain chain;
	struct signkey key;
	struct buf out;
	uint64_t first; /* first record of the open commit */
	struct merkle_range tree;
};

/* Begins an empty chain of this node. */
void chain_build_init(struct chain_build *b, const char *node);

/* Frees the bytes of the chain. */
void chain_build_free(struct chain_build *b);

/* Appends a record with these fields to the open commit. */
void chain_build_record(struct chain_build *b, const char *fields);

/* Appends a signed note over all records up to now. */
void chain_build_note(const struct chain_build *b, struct buf *out);

/* Appends `"size":N,"range":[…]` as in boot and checkpoint records. */
void chain_build_range(const struct chain_build *b, struct buf *out);

/* Appends a checkpoint record, which is the first of the open commit. */
void chain_build_checkpoint(struct chain_build *b);

/* Signs and ends the open commit. */
void chain_build_commit(struct chain_build *b);

/* Appends the boot record and its commit. */
void chain_build_boot(struct chain_build *b);

/* Appends n records in one commit. */
void chain_build_add(struct chain_build *b, size_t n);

/* Feeds the text line by line; bytes after the last newline are a torn line. */
struct verify_result chain_verify_text(const struct verify_options *o, struct span text);

#endif
