/* The admin server: metrics, status, keys, limits, records over HTTP (libmicrohttpd, a thread a
 * door), on the admin socket and, where configured, on TCP. */
#ifndef ADMIN_ADMIN_H
#define ADMIN_ADMIN_H

#include "net/server.h"

extern const struct server_front admin_front;

struct admin;
struct decisions;
/* Of GET /decisions/live; NULL where there are no records. */
struct decisions *admin_decisions(struct admin *a);

#endif
