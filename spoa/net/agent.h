/* The SPOP side of a worker: accepts HAProxy's connections, speaks HELLO, NOTIFY,
 * ACK, DISCONNECT (SPOE.txt 3.2), and hands each NOTIFY to the gate. owner:
 * worker. */
#ifndef NET_AGENT_H
#define NET_AGENT_H

#include <ev.h>

#include "base/metrics.h"
#include "codec/spop.h"

struct agent;
struct agent_call; /* one NOTIFY that waits for its ACK */

struct agent_ops {
	/* A NOTIFY arrived. Its messages are views into the frame, which lives until
	 * agent_ack or agent_drop. May answer at once. */
	void (*notify)(void *ctx, struct agent_call *call, const struct spop_message *messages, size_t n);
	/* The connection went away: `call` must not be used again. */
	void (*gone)(void *ctx, struct agent_call *call);
	void *ctx;
};

struct agent *agent_new(struct ev_loop *loop, const struct agent_ops *ops, struct metrics *m);
/* Watches a listening socket (shared by all workers; non-blocking). */
int agent_listen(struct agent *ag, int fd);
/* The caller's own data on a call. */
void agent_call_set(struct agent_call *call, void *data);
void *agent_call_data(const struct agent_call *call);
/* Largest ACK payload (actions) that fits this connection's frames. */
size_t agent_ack_room(const struct agent_call *call);
/* Answers: one ACK with these actions, one write. Ends the call. Over the room:
 * ERR_LIMIT and nothing was sent. */
int agent_ack(struct agent_call *call, const struct spop_action *actions, size_t n);
/* Stops accepting; idle connections are told DISCONNECT and closed, busy ones
 * after their last ACK. */
void agent_drain(struct agent *ag);
/* Calls that wait for an ACK. */
size_t agent_pending(const struct agent *ag);
void agent_free(struct agent **ag);

#endif
