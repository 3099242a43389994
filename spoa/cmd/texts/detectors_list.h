/* tollgate detectors list. */
#ifndef CMD_TEXTS_DETECTORS_LIST_H
#define CMD_TEXTS_DETECTORS_LIST_H

#include "cmd/texts/scan_rules.h"

enum list_form { LIST_TABLE, LIST_JSON, LIST_MARKDOWN };

/* To stdout; the exit code. */
int detectors_list(const struct scan_rules *s, enum list_form form);

#endif
