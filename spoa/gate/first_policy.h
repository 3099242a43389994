/* Which policy a start takes: the text that was in force last, not the files on disk, which
 * somebody may have saved without an order, or saved by half. Keys and tollgate.yaml always
 * come from the disk. */
#ifndef GATE_FIRST_POLICY_H
#define GATE_FIRST_POLICY_H

#include "base/buf.h"
#include "base/codec/yaml.h"
#include "base/file_set.h"
#include "policy/identity/identity.h"

struct snapshot;

/* The policy that a start took, and the reason. The caller owns it: first_policy_init() and
 * first_policy_free(). */
struct first_policy {
	bool kept;	 /* the kept text is taken; false: the files */
	char before[65]; /* the version that was in force last; "": none, or unknown */
	/* why the files are taken, or why the kept text is taken although tollgate.yaml has
	 * `policy_watch: true`; empty: nothing unusual */
	struct buf why;
};

void first_policy_init(struct first_policy *f);
void first_policy_free(struct first_policy *f);

/* Loads the snapshot of a start, as snapshot_load().
 *
 * - The kept text is taken, with this program's own detection rules.
 * - If there is none, or if it cannot be loaded under this program or this tollgate.yaml, the
 *   files are taken.
 * - With `policy_watch: true`, where every saved file counts as an order, the files are taken,
 *   and the kept text only if they have mistakes.
 *
 * *read receives the files that were read. Returns NULL with all mistakes of the files in *d.
 */
struct snapshot *first_policy_load(const char *config_file, unsigned workers,
	struct keysets *sets, struct first_policy *f, struct file_set *read, struct diag *d);

#endif
