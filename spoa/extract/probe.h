/* The cage tried at start, by doing in it what a tool that was taken over would do. */
#ifndef EXTRACT_PROBE_H
#define EXTRACT_PROBE_H

#include "base/buf.h"
#include "extract/cage.h"

/* Appends a line for each thing tried, "ok - …" or "not ok - …". False: one does not hold, and
 * *why says which, and what to do. */
bool probe_cage(const struct cage *c, struct buf *lines, struct buf *why);
/* Returns true if a tool is there and runs in the cage. *why: the error number if its file cannot
 * be run; 0: none. */
bool probe_tool(const struct cage *c, const char *folder, const char *name, int *why);

#endif
