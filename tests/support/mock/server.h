/* The connections of the simulated provider: server.c. */
#ifndef MOCK_SERVER_H
#define MOCK_SERVER_H

#include <ev.h>
#include <stdint.h>

void mock_server_init(struct ev_loop *l);
/* The number of the first response. */
void mock_server_serial(uint64_t first);
/* A callback for a listener's EV_READ. */
void mock_accept(struct ev_loop *l, ev_io *w, int events);
/* Ends all connections. */
void mock_server_cut(void);

#endif
