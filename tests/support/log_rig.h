/* A log of a test's own: a tree with its files, a key, and signed checkpoints. Its journal is
 * path("journal"). */
#ifndef TESTS_LOG_RIG_H
#define TESTS_LOG_RIG_H

#include "record/proof/note.h"
#include "record/proof/tiles.h"

struct log_rig {
	char origin[64];
	struct signkey key;
	struct tiles tiles;
};

/* Leaf i of a log depends on this salt. */
void log_grow(struct log_rig *l, uint64_t to, unsigned char salt);

/* `seed` determines the key. `key_file` gets the public key (NULL: not written). */
void log_open(struct log_rig *l, const char *origin, const char *journal, unsigned char seed,
	const char *key_file);

/* Closes the files of the log. */
void log_close(struct log_rig *l);

/* Appends the checkpoint of the whole log. */
void log_note(const struct log_rig *l, struct buf *out);

/* Appends the body of an add-checkpoint request from size `old`. */
void log_request(struct log_rig *l, uint64_t old, struct buf *out);

#endif
