/* Verifies single proofs, and a journal against an old checkpoint, for `audit verify`. */
#ifndef CMD_RECORDS_AUDIT_NOTE_H
#define CMD_RECORDS_AUDIT_NOTE_H

#include "cmd/records/audit.h"
#include "record/proof/bundle.h"
#include "record/proof/tree_check.h"

/* Verifies a record with its proof, as `audit show --proof` printed them, and prints a
 * line. `cut` means that bytes follow the file's last newline. Returns true if the proof is
 * valid. */
bool audit_verify_bundle(const struct audit_args *a, const struct buf *file, bool cut);
/* As audit_verify_bundle(), for a proof that was just made: prints nothing and appends to
 * *why instead. */
bool audit_bundle_holds(const struct audit_args *a, const struct buf *file, struct buf *why);
/* Copies text of a file from anyone to `out` without what a terminal obeys. Returns `out`. */
const char *audit_note_plain(struct span s, char *out, size_t size);

/* An old checkpoint: a note, or the note of a proof. Owned by the command; freed by
 * audit_note_free(). */
struct audit_note {
	struct buf file;
	struct checkpoint checkpoint; /* borrows from `file` */
};
/* Reads the file a->note. Returns 0, or an error with *why. Call audit_note_free() in any
 * case. */
int audit_note_read(const struct audit_args *a, struct audit_note *n, struct buf *why);
void audit_note_free(struct audit_note *n);
/* Prints whether the chain that was just verified continues the checkpoint. `ring` has the
 * keys that the chain was verified with, including those that its records introduced.
 * Returns true if it does. */
bool audit_note_print(const struct audit_args *a, const struct audit_note *n,
	const struct tree_check *t, const struct keyring *ring, const struct verify_result *r);

/* Provides tree_against.stored from JOURNAL.tree, for one node's log. */
struct stored_tree {
	const char *journal, *node;
};
/* tree_against.stored; `arg` is a struct stored_tree. */
int audit_note_stored(void *arg, const struct checkpoint *note, uint64_t n,
	struct merkle_range *out, bool *led);

#endif
