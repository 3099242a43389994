/* Authentication and authorization on the admin server. A caller is identified by the user of
 * the Unix socket, a token, a browser's session or a client certificate. Requests from browsers
 * must also prove that a page of ours sent them, because pages of other sites can make a
 * browser send requests. Any admin thread may call these functions unless stated otherwise. */
#ifndef OPERATOR_ADMIN_DOOR_H
#define OPERATOR_ADMIN_DOOR_H

#include "operator/admin/endpoint.h"

struct door;
struct config;

/* Creates the door from the configuration of the start. Returns NULL with a message in *why. */
struct door *door_new(const struct config *cfg, struct server *s, struct buf *why);
void door_free(struct door **d);
/* Reads users, hosts and the tokens' file again. On the main thread. */
void door_reload(struct door *d, const struct config *cfg);
/* Returns true if users other than root and the daemon's own may use the Unix socket. */
bool door_is_shared(const struct door *d);

/* Authenticates and authorizes a request and fills q->peer. Returns true to continue. Returns
 * false if the request was answered; *ok is then the result of queueing the response. */
bool door_enter(struct door *d, struct asking *q, enum MHD_Result *ok);

/* Handlers of POST, DELETE and GET /session. */
admin_begin_fn door_login, door_logout, door_who;
/* Returns true if the caller still has the role that the endpoint needs. */
bool door_still(struct door *d, const struct asking *q);
/* Appends the gauges of sessions to /metrics. */
void door_metrics(struct door *d, struct buf *out);

#endif
