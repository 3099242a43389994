/* The connections of the simulated provider: server.c. */
#ifndef MOCK_SERVER_H
#define MOCK_SERVER_H

#include <ev.h>

void mock_server_init(struct ev_loop *l);
/* A callback for a listener's EV_READ. */
void mock_accept(struct ev_loop *l, ev_io *w, int events);
/* Ends all connections. */
void mock_server_cut(void);

#endif
