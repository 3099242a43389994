/* The SPOP side of a worker: accepts HAProxy's connections, speaks HELLO, NOTIFY,
 * ACK, DISCONNECT (SPOE.txt 3.2), and hands each NOTIFY to the gate. owner:
 * worker. */
#ifndef NET_AGENT_H
#define NET_AGENT_H

#include <ev.h>

#include "base/codec/spop.h"
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
/* Drops every connection (gone is called for what is pending). */
void agent_free(struct agent **ag);

#endif
