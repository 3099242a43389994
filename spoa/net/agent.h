/* The SPOP side of a worker. The agent accepts HAProxy's connections, handles HELLO, NOTIFY, ACK
 * and DISCONNECT (SPOE.txt 3.2), and passes each NOTIFY to the gate. owner: worker. */
#ifndef NET_AGENT_H
#define NET_AGENT_H

#include <ev.h>
#include <stdbool.h>

#include "base/codec/spop.h"
#include "base/span.h"
#include "base/metrics.h"

struct agent;
struct agent_call; /* one NOTIFY that waits for its ACK */

/* The gate's functions. Neither may call agent_free(). */
struct agent_ops {
	/* A NOTIFY arrived. Its messages are views into the frame, which is valid until
	 * agent_ack(), or until `gone` returns. The function may call agent_ack() at once. The
	 * agent itself acknowledges a NOTIFY without messages, with no actions. */
	void (*notify)(void *ctx, struct agent_call *call, const struct spop_message *messages,
		size_t n);
	/* The connection closed, or HAProxy canceled the frame: `call` must not be used again.
	 * Never called from inside agent_ack(). Counted as M_SPOP_DROPPED. */
	void (*gone)(void *ctx, struct agent_call *call);
	void *ctx;
};

/* Returns NULL if memory is exhausted. */
struct agent *agent_new(struct ev_loop *loop, const struct agent_ops *ops, struct metrics *m);
/* Accepts connections on a listening socket (unix or TCP, non-blocking). All workers may share
 * the socket. The caller keeps it and closes it after agent_drain() or agent_free(). Returns 0,
 * or ERR_FULL for a ninth socket. */
int agent_listen(struct agent *ag, int fd);
/* The caller's own data of a call; NULL until it is set. */
void agent_call_set(struct agent_call *call, void *data);
void *agent_call_data(const struct agent_call *call);
/* Returns the largest payload of an ACK, in bytes (spop_actions_bytes), that fits the frames of
 * this connection. */
size_t agent_ack_room(const struct agent_call *call);
/* Sends one ACK with these actions and ends the call, whose messages `actions` may still refer
 * to. The ACK leaves at the end of the loop's turn, together with others of the connection.
 * Returns ERR_LIMIT if the actions exceed agent_ack_room(): then nothing is sent and the call
 * continues. Returns ERR_CLOSED or ERR_NOMEM if the connection is lost; the call has ended in
 * these cases too. */
int agent_ack(struct agent_call *call, const struct spop_action *actions, size_t n);
/* Stops accepting. Each connection stays open until it has been idle for 50 ms; after one
 * second, it stays open only until all that has arrived is acknowledged. Then the agent sends
 * DISCONNECT 0 and closes. */
void agent_drain(struct agent *ag);
/* While `aside`, HAProxy's health checks and new connections are refused, and each connection is
 * closed between two frames, so that HAProxy asks another daemon. */
void agent_aside(struct agent *ag, bool aside);
/* Closes every second connection that serves requests, the first of them included, with its next
 * ACK. HAProxy opens new ones, and distributes them among the daemons. */
void agent_give_back(struct agent *ag);
/* Returns the number of open connections. 0 after agent_drain() means that everything is
 * acknowledged and sent. */
size_t agent_conns(const struct agent *ag);

/* ---- the hand-over to another process ---- */

/* One connection of HAProxy, on its way from one process to another. */
struct agent_parcel {
	int fd;
	bool greeted;	    /* HAProxy's HELLO was acknowledged; false: HELLO is still expected */
	uint32_t max_frame; /* bytes; as negotiated by HELLO */
	double load;	    /* agent_load() of this connection; 0: unknown */
	struct span engine; /* HAProxy's engine-id, for logs */
	struct span in;	    /* bytes read of frames that were not yet decided */
};
/* Called for each connection. The views are valid until the function returns. Returns 0, or a
 * negative error that ends the walk. */
typedef int agent_parcel_ready(void *arg, const struct agent_parcel *p);

/* Stops accepting and reading. NOTIFYs that were read get their ACKs. Connections that have sent
 * or received a DISCONNECT are closed. */
void agent_freeze(struct agent *ag);
/* Returns true once the agent is frozen and every ACK has been sent. */
bool agent_is_still(const struct agent *ag);
/* Calls `ready` for each connection. The agent must be still; then any thread may call this,
 * because the connections of a still agent do not change. Returns 0, the error of `ready`, or
 * ERR_NOMEM. */
int agent_parcels(struct agent *ag, agent_parcel_ready *ready, void *arg);
/* Accepts and reads again. For a hand-over that failed, after which the other process has read
 * from no connection. */
void agent_thaw(struct agent *ag);
/* The other process serves the connections now: closes this process' descriptors of them without
 * a DISCONNECT. The agent never accepts again. */
void agent_forget_handed(struct agent *ag);
/* Serves a connection that another process began. The agent takes over `fd` and closes it on
 * failure: ERR_FULL, ERR_NOMEM, or ERR_RANGE if HELLO cannot negotiate such a frame size. */
int agent_adopt(struct agent *ag, const struct agent_parcel *p);

/* ---- moving a connection to another agent of this process ---- */

/* Returns how much HAProxy asked of this agent lately: NOTIFYs, and kilobytes of them, as the
 * weighted mean of the last seconds, in half a second. */
double agent_load(const struct agent *ag);
/* Gives one connection away, of which the load is nearest to half of `difference` and less than
 * 0.9 of it. The connection is not read from now on. When its calls in flight have their ACKs,
 * `ready` gets it once; 0 means that it was taken over together with its descriptor. If that
 * lasts longer than 50 ms, or `ready` fails, the agent keeps the connection. Does nothing if no
 * connection fits, or while another one moves, or the agent drains, steps aside or is frozen. */
void agent_move(struct agent *ag, double difference, agent_parcel_ready *ready, void *arg);

/* Closes every connection, after calling `gone` for each pending call, and frees the agent. */
void agent_free(struct agent **ag);

#endif
