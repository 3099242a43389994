/* Cells below keys, and what the parts of a text have in common of them: records, and lists of
 * values below a key. For columns.c. */
#ifndef SCAN_DETECT_CONTEXT_CELLS_H
#define SCAN_DETECT_CONTEXT_CELLS_H

#include "scan/detect/context/columns.h"

/* Returns true if the line at `line` is in a record. The lines that were examined last are
 * remembered with the result, so that each is read once. */
bool cells_line_in_record(struct columns *c, size_t line);
/* Returns true if the text may end in a record that begins in it. */
bool cells_in_record(struct span text);

/* Passes the cells of tables of JSON (json_table.c). */
bool json_cells(struct columns *c, columns_take *take, columns_keys *keys, void *arg);

/* Moves the list below a key past `text`. */
void cells_pass_items(struct column_table *t, struct span text);
/* Finds the list in which `text` ends, and the name above that list. */
void cells_begin_items(struct column_table *t, struct span text);

#endif
