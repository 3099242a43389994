/* Rows of the table `tools:` in a rule file: programs with an option or argument that takes a
 * password. Each row becomes one pattern. Used by load.c. */
#ifndef SCAN_DETECT_TOOLS_H
#define SCAN_DETECT_TOOLS_H

#include "base/codec/yaml.h"
#include "base/buf.h"

/* Writes the pattern of a row to `out`, whose group `value` is the password. Mistakes are added to
 * d. Returns false if the row has a mistake. */
bool tool_row_regex(const struct yaml_node *row, struct diag *d, struct buf *out);

#endif
