/* The ids of API keys, as operands of `tollgate key`, `limit` and `quota`. */
#ifndef CMD_DAEMON_KEY_H
#define CMD_DAEMON_KEY_H

#include <stdbool.h>

/* Returns whether an operand may be the id of a key. Otherwise prints a message, which
 * never contains the operand, since it may be a whole key or a secret. */
bool key_id_given(const char *what, const char *id);

#endif
