/* tollgate check --json. */
#ifndef CMD_CHECK_JSON_H
#define CMD_CHECK_JSON_H

#include <jansson.h>
#include <stdbool.h>

#include "base/buf.h"

/* Each a text of lines: mistakes as "file:line:column: message", remarks after "note: ".
 * `more`, which may be NULL, is what is said of a policy that is valid. */
void check_print_json(bool valid, json_t *more, const struct buf *errors,
	const struct buf *haproxy, const struct buf *notes, const struct buf *advice);

#endif
