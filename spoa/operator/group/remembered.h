/* The daemons that used this Redis within the last 32 days, by name: no window of a limit is longer.
 * Redis may lose its list of daemons together with its counters. Then a daemon that starts knows from
 * its own disk whose usage may be missing. */
#ifndef OPERATOR_GROUP_REMEMBERED_H
#define OPERATOR_GROUP_REMEMBERED_H

#include "base/buf.h"
#include "record/journal/chain.h"

enum { REMEMBERED_MAX = 256, REMEMBERED_S = 32 * 86400 };

/* owner: one thread. Zeroed at first. */
struct remembered {
	struct {
		char node[CHAIN_NODE_MAX + 1];
		int64_t seen_s; /* wall clock, at most an hour old while the daemon runs */
	} v[REMEMBERED_MAX];
	size_t n;
};

/* Notes that the daemon runs. Returns true if the file should be written again. If there is no room,
 * the oldest name is dropped. */
bool remembered_see(struct remembered *r, struct span node, int64_t now_s);
/* Removes the name. Returns true if it was remembered. */
bool remembered_forget(struct remembered *r, struct span node);
/* Removes the names that are too old. */
void remembered_trim(struct remembered *r, int64_t now_s);
/* Reads lines of a file, "NODE SECONDS". Lines that are invalid are ignored. */
void remembered_read(struct remembered *r, struct span text);
/* Writes the lines. */
void remembered_write(const struct remembered *r, struct buf *out);

#endif
