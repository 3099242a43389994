/* The SPOP side of a worker: accepts HAProxy's connections, speaks HELLO, NOTIFY,
 * ACK, DISCONNECT (SPOE.txt 3.2), and hands each NOTIFY to the gate. owner:
 * worker. */
#ifndef NET_AGENT_H
#define NET_AGENT_H

#include <ev.h>
#include <stdbool.h>

#include "base/codec/spop.h"
#include "base/span.h"
#include "base/metrics.h"

struct agent;
struct agent_call; /* one NOTIFY that waits for its ACK */

/* Neither function may call agent_free. */
struct agent_ops {
	/* A NOTIFY arrived. Its messages are views into the frame, which lives until
	 * agent_ack, or until gone returns. May answer at once. A NOTIFY without any
	 * message is answered by the agent itself, without actions. */
	void (*notify)(void *ctx, struct agent_call *call, const struct spop_message *messages,
		size_t n);
	/* The connection went away, or HAProxy cancelled the frame: `call` must not be
	 * used again. Never called from inside agent_ack. Counted as M_SPOP_DROPPED. */
	void (*gone)(void *ctx, struct agent_call *call);
	void *ctx;
};

/* NULL: out of memory. */
struct agent *agent_new(struct ev_loop *loop, const struct agent_ops *ops, struct metrics *m);
/* Watches a listening socket (unix or TCP, non-blocking; may be shared by all
 * workers). It stays the caller's, who closes it after agent_drain or
 * agent_free. ERR_FULL over eight sockets. */
int agent_listen(struct agent *ag, int fd);
/* The caller's own data on a call; NULL before it is set. */
void agent_call_set(struct agent_call *call, void *data);
void *agent_call_data(const struct agent_call *call);
/* Largest ACK payload (spop_actions_bytes) that fits this connection's frames. */
size_t agent_ack_room(const struct agent_call *call);
/* Answers: one ACK with these actions, which leaves when the loop's turn ends, with
 * others of that connection. Ends the call, whose messages may still be referred to
 * by `actions`. Over the room: ERR_LIMIT, nothing was sent and the call goes on.
 * ERR_CLOSED, ERR_NOMEM: the connection is lost, the call has ended all the same. */
int agent_ack(struct agent_call *call, const struct spop_action *actions, size_t n);
/* Stops accepting. Each connection goes on until it was idle for 50 ms, or, a
 * second later, until what has arrived is answered; then it is told DISCONNECT 0
 * and closed. */
void agent_drain(struct agent *ag);
/* Connections that are open; 0 after agent_drain: all is answered and sent. */
size_t agent_conns(const struct agent *ag);

/* ---- the hand-over to another process ---- */

/* One connection of HAProxy between two processes. */
struct agent_parcel {
	int fd;
	bool greeted;	    /* HAProxy's HELLO was answered; false: the HELLO is still expected */
	uint32_t max_frame; /* bytes; as negotiated by HELLO */
	struct span engine; /* HAProxy's engine-id, for logs */
	struct span in;	    /* bytes that were read of a frame that has not begun its decision */
};
/* The views live until the function returns. 0, or a negative error that ends the walk. */
typedef int agent_parcel_ready(void *arg, const struct agent_parcel *p);

/* Stops accepting and reading. NOTIFYs that were read get their ACKs. Connections after a DISCONNECT
 * are closed. */
void agent_freeze(struct agent *ag);
/* Returns true once the agent is frozen and every ACK has been sent. */
bool agent_is_still(const struct agent *ag);
/* Calls `ready` for each connection of an agent that is still. Any thread: a still agent's connections
 * do not change. 0, or the error of `ready`, or ERR_NOMEM. */
int agent_parcels(struct agent *ag, agent_parcel_ready *ready, void *arg);
/* Accepts and reads again: the hand-over did not happen, and the other process has read from no
 * connection. */
void agent_thaw(struct agent *ag);
/* The other process serves the connections: closes this process' descriptors of them, without a
 * DISCONNECT, and never accepts again. */
void agent_forget_handed(struct agent *ag);
/* Serves a connection that another process began. `fd` belongs to the agent, which closes it on
 * failure: ERR_FULL, ERR_NOMEM, or ERR_RANGE if no HELLO negotiates that frame size. */
int agent_adopt(struct agent *ag, const struct agent_parcel *p);

/* Drops every connection (gone is called for what is pending). */
void agent_free(struct agent **ag);

#endif
