/* What `audit verify` does with proofs and old checkpoints: audit_note.c. */
#ifndef CMD_RECORDS_AUDIT_NOTE_H
#define CMD_RECORDS_AUDIT_NOTE_H

#include "cmd/records/audit.h"
#include "record/proof/bundle.h"
#include "record/proof/tree_check.h"

/* A record with its proof, as `audit show --proof` printed it: prints its line; true: it holds.
 * `cut`: there were bytes after its last newline. */
bool audit_verify_bundle(const struct audit_args *a, const struct buf *file, bool cut);
/* The same of one that was just made, without a line; else *why. */
bool audit_bundle_holds(const struct audit_args *a, const struct buf *file, struct buf *why);
/* Text of a file that anybody may have written, for a terminal. */
const char *audit_note_plain(struct span s, char *out, size_t size);

/* An old checkpoint (a note, or the note of a proof). */
struct audit_note {
	struct buf file;
	struct checkpoint checkpoint; /* views into the file */
};
/* Reads a->note. 0, or an error with *why. audit_note_free in any case. */
int audit_note_read(const struct audit_args *a, struct audit_note *n, struct buf *why);
void audit_note_free(struct audit_note *n);
/* The line that says whether the chain that was just verified, with the keys that it was
 * verified with and that it taught, continues it; true: it does. */
bool audit_note_print(const struct audit_args *a, const struct audit_note *n,
	const struct tree_check *t, const struct keyring *ring, const struct verify_result *r);

/* As tree_against.stored: what JOURNAL.tree has of a node's log. */
struct stored_tree {
	const char *journal, *node;
};
int audit_note_stored(void *arg, const struct checkpoint *note, uint64_t n,
	struct merkle_range *out, bool *led);

#endif
