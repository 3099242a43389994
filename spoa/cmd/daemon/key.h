/* What `tollgate key` asks of the running daemon. */
#ifndef CMD_DAEMON_KEY_H
#define CMD_DAEMON_KEY_H

#include "cmd/daemon/admin.h"
#include "policy/identity/apikeys.h"

struct key_live {
	struct admin_cmd c;
	const struct apikey *key; /* its texts; NULL: not given, "": none any more */
	const char *lists[APIKEY_LISTS], *ttl, *until, *clearance, *overlap;
};

/* Whether an operand may be the id of a key. False after a message, which never says it: it is
 * a whole key, or its secret. */
bool key_id_given(const char *what, const char *id);


#endif
