/* Verifies single proofs, and a journal against an old checkpoint, for `audit verify`. */
#ifndef CMD_RECORDS_AUDIT_NOTE_H
#define CMD_RECORDS_AUDIT_NOTE_H

#include "cmd/records/audit.h"
#include "record/proof/bundle.h"
#include "record/proof/tree_check.h"

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

/* Provides tree_against.stored from JOURNAL.tree, for one node's log. */
struct stored_tree {
	const char *journal, *node;
};

#endif
