/* Probes the cage at the start, by trying in it what a tool under an attacker's control would
 * try. */
#ifndef EXTRACT_PROBE_H
#define EXTRACT_PROBE_H

#include "base/buf.h"
#include "extract/cage.h"

/* Appends a line for each attempt, "ok - …" or "not ok - …". Returns false if one failed; *why
 * is then the reason and the correction. */
bool probe_cage(const struct cage *c, struct buf *lines, struct buf *why);
/* Returns true if the tool exists and runs in the cage. *why: the error number if its file
 * cannot be run, or 0. */
bool probe_tool(const struct cage *c, const char *folder, const char *name, int *why);

#endif
