/* The HTTP/1.1 side of a worker. The relay accepts HAProxy's edge connections on a unix socket,
 * asks the gate about each request by its ticket, and sends the request that the gate planned to
 * HAProxy's inner bind. The response passes back the same way. Everything runs on the worker's
 * loop, and relays share nothing with each other. owner: worker. */
#ifndef NET_RELAY_H
#define NET_RELAY_H

#include <ev.h>

#include "base/metrics.h"
#include "gate/engine/gate.h"

struct relay_options {
	const char *egress;   /* path of HAProxy's inner bind; relay_new() copies it */
	/* least average rate of a deferred body, bytes a second; 0: no minimum */
	uint64_t min_rate;
	uint64_t rate_after_us; /* min_rate applies from this long after the head on */
	uint64_t read_us;     /* longest silence of the edge while a request is read */
	uint64_t response_us; /* longest silence of the provider */
	uint64_t idle_us;     /* longest idle time of a connection, on both sides */
	uint64_t keep_alive_us; /* a silent MCP stream gets a comment after this; 0: never */
	/* while the daemon drains: a client that has read nothing for this time, although bytes
	 * wait for it, is disconnected; 0: never */
	uint64_t stuck_us;
	uint64_t slow_us; /* the same for a client that has read on after a pause, at most */
	unsigned pool; /* idle upstream connections kept at most */
};
/* The default of keep_alive_us: 15 s. */
enum { RELAY_KEEP_ALIVE_US = 15000000 };
/* The default of stuck_us. HAProxy reads on for a client that does not read, until its buffer and
 * the client's connection are full: together they hold a daemon that stops for 5 s. */
enum { RELAY_STUCK_US = 4000000 };
/* The default of slow_us. The kernel holds up to 4 MB for HAProxy's client, and HAProxy reads on when
 * a third of them is sent: for a client that reads 50 KB per second, that takes 30 s. */
enum { RELAY_SLOW_US = 60000000 };

struct relay;
/* Returns NULL if memory or descriptors are exhausted, or if the egress path is too long. */
struct relay *relay_new(struct ev_loop *loop, struct gate *gate,
	const struct relay_options *options, struct metrics *m);
/* Accepts connections on a listening socket, which must be non-blocking and stays the caller's.
 * `own`: no other worker accepts on the socket. Returns 0 or ERR_FULL. */
int relay_listen(struct relay *r, int fd, bool own);
/* Stops accepting. Idle connections are closed at once, busy ones after their response. Call
 * this only when no ticket is outstanding. */
void relay_drain(struct relay *r);
/* Called repeatedly while the daemon drains. Ends streams that have no end of their own with a
 * proper HTTP end, so that their clients connect to another daemon. Disconnects
 * clients that do not read (stuck_us). If `sockets` is set,
 * WebSockets are closed too, between two responses. */
void relay_end_streams(struct relay *r, bool sockets);
/* Returns the number of connections that carry a request or wait for the gate. */
size_t relay_active(const struct relay *r);
/* Drains and ends every exchange at once; clients see a closed connection. Connections that wait
 * for the gate stay active until the gate has answered. */
void relay_abort(struct relay *r);
/* Aborts everything and frees the relay. The loop must not run any more, because nothing would
 * receive the gate's pending answers. */
void relay_free(struct relay **r);

#endif
