/* The admin side: /metrics, /healthz, /readyz, /status, /recent, keys and limits over HTTP
 * (libmicrohttpd, a thread of its own), on the admin socket and, where
 * configured, on TCP. */
#ifndef NET_ADMIN_H
#define NET_ADMIN_H

#include "base/buf.h"
#include "config/config.h"

struct server; /* what it reports on: net/server.h */
struct admin;

/* NULL with a message in *why. */
struct admin *admin_start(const struct config *cfg, struct server *s, struct buf *why);
void admin_stop(struct admin **a);

#endif
