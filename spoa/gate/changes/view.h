/* Making views; live.h says how they are read. Any thread, with the lock of the struct live. */
#ifndef GATE_CHANGES_VIEW_H
#define GATE_CHANGES_VIEW_H

#include "gate/changes/live.h"

/* Of the entries, sorted by field: a reference to each. NULL: out of memory. */
struct live_view *live_view_of(struct live_entry **v, size_t n);
void live_view_free(struct live_view *v);

#endif
