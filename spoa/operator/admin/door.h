/* Who may come in: by the unix socket the user that the kernel names, by a token, by a
 * browser's session, by a client's certificate; and what a browser must bring besides, since a
 * page of somebody else may have sent it. Any admin thread. */
#ifndef OPERATOR_ADMIN_DOOR_H
#define OPERATOR_ADMIN_DOOR_H

#include "operator/admin/endpoint.h"

struct door;
struct config;

/* NULL with a message in *why. `cfg` is that of the start. */
struct door *door_new(const struct config *cfg, struct server *s, struct buf *why);
void door_free(struct door **d);
/* Users, hosts and the tokens' file anew. On the main thread. */
void door_reload(struct door *d, const struct config *cfg);
/* Whether others than root and the daemon's user may ask on the unix socket. */
bool door_is_shared(const struct door *d);

/* Fills q->peer. True: go on. False: it was answered, and *ok says what that came to. */
bool door_enter(struct door *d, struct asking *q, enum MHD_Result *ok);

/* POST, DELETE, GET /session. */
admin_begin_fn door_login, door_logout, door_who;
/* Whether the caller has what the endpoint needs, still. */
bool door_still(struct door *d, const struct asking *q);
/* Rows of /metrics that are no counters. */
void door_metrics(struct door *d, struct buf *out);

#endif
