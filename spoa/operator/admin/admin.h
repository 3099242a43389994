/* The admin server: metrics, status, keys, limits, records over HTTP (libmicrohttpd, a thread a
 * door), on the admin socket and, where configured, on TCP. */
#ifndef OPERATOR_ADMIN_ADMIN_H
#define OPERATOR_ADMIN_ADMIN_H


#include "operator/server/server.h"

extern const struct server_front admin_front;

struct admin;
struct decisions;
/* Of GET /decisions/live; NULL where there are no records. */
struct decisions *admin_decisions(struct admin *a);
/* GET /openapi.json: the table as OpenAPI 3.1. */
void admin_openapi(struct server *s, struct buf *out);
/* Its own rows of /metrics. */
void admin_metrics(struct server *s, struct buf *out);

#endif
