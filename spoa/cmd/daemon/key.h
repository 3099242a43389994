/* The keys that the running daemon keeps, as `tollgate key --live`, `limit` and `quota` use
 * them. */
#ifndef CMD_DAEMON_KEY_H
#define CMD_DAEMON_KEY_H

#include "cmd/daemon/admin.h"
#include "policy/identity/apikeys.h"

/* The options of `tollgate key --live`. All pointers are borrowed from argv. */
struct key_live {
	struct admin_cmd c;
	const struct apikey *key; /* texts of the key; NULL: not given; "": remove the value */
	const char *lists[APIKEY_LISTS], *ttl, *until, *clearance, *overlap;
};

/* Returns whether an operand may be the id of a key. Otherwise prints a message, which
 * never contains the operand, since it may be a whole key or a secret. */
bool key_id_given(const char *what, const char *id);

#endif
