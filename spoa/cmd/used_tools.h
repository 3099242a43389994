/* The tools of recent records that no row of the policy's `tools` names, for `tollgate check`.
 */
#ifndef CMD_USED_TOOLS_H
#define CMD_USED_TOOLS_H

#include "base/buf.h"

struct policy;

/* Reads a journal's recent records (recent_records.h), and appends a note to *out if they name
 * tools without a row: tools that responses called, and tools that requests offered, on routes
 * that restore values. Appends nothing if the journal cannot be read. */
void used_tools_note(const char *journal, const struct policy *p, struct buf *out);

#endif
