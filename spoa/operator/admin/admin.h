/* The admin server: metrics, status, keys, limits and records over HTTP. It runs on
 * libmicrohttpd with one thread for each door: the admin socket and, if configured, TCP and
 * TLS. */
#ifndef OPERATOR_ADMIN_ADMIN_H
#define OPERATOR_ADMIN_ADMIN_H

#include "operator/server/server.h"

/* How the server starts, reloads and stops the admin server (operator/server/server.h). */
extern const struct server_front admin_front;

struct admin;
struct decisions;
/* Returns the ring of decisions for GET /decisions/live, or NULL if the daemon writes no
 * records. */
struct decisions *admin_decisions(struct admin *a);
/* Writes the table of endpoints as OpenAPI 3.1, for GET /openapi.json. */
void admin_openapi(struct server *s, struct buf *out);
/* Appends the admin server's own metrics to /metrics. */
void admin_metrics(struct server *s, struct buf *out);

#endif
