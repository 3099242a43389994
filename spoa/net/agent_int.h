/* The structures of agent.c. Only agent.c and its tests include this header. */
#ifndef NET_AGENT_INT_H
#define NET_AGENT_INT_H

#include <sys/queue.h>

#include "base/caps.h"
#include "base/tag.h"
#include "net/accept.h"
#include "net/agent.h"

#define AGENT_READ_BYTES    65536u /* one read takes as many frames as fit into this */
/* the most bytes of one connection that a hand-over passes on */
#define AGENT_PARCEL_BYTES (CAP_FRAME_BYTES + AGENT_READ_BYTES + 4)
/* classes of cached frame memory; a block of a class has 4 KiB << class */
#define AGENT_CLASSES	    10
/* arguments and messages of a NOTIFY up to these numbers are stored next to its bytes */
#define AGENT_INLINE_ARGS   32
#define AGENT_INLINE_MSGS   4
#define AGENT_HELLO_S	    5.0	 /* seconds: after the connection opened, HELLO must arrive */
#define AGENT_STALL_S	    10.0 /* seconds: a frame must progress, and so must unsent output */
#define AGENT_LINGER_S	    2.0	 /* seconds: after DISCONNECT, HAProxy must close */
/* seconds: between two looks at all connections */
#define AGENT_SWEEP_S	    0.5
/* seconds: how long a connection must be idle before a draining agent closes it */
#define AGENT_DRAIN_IDLE_S  0.05
/* seconds: after this, a draining agent reads only what has already arrived */
#define AGENT_DRAIN_S	    1.0
#define AGENT_DRAIN_SWEEP_S 0.02

/* seconds: how long a connection that moves is not read while its calls in flight are decided */
#define AGENT_MOVE_S	    0.05
/* a NOTIFY of this size is twice the load of an empty one (about 30 µs, and 30 µs for a KB) */
#define AGENT_LOAD_BYTES    1024.

/* seconds: a connection that was read within this time serves requests */
#define AGENT_USED_S	    10.0

/* HELLO → OPEN → CLOSING → LINGER; every state may become BROKEN (the table in agent.c). A health check
 * moves from HELLO to CLOSING at once. */
enum conn_state {
	CONN_HELLO, /* only HELLO or DISCONNECT may arrive */
	CONN_OPEN, /* NOTIFY and DISCONNECT may arrive */
	CONN_CLOSING, /* DISCONNECT is queued; input is discarded */
	CONN_LINGER,  /* all is sent and our side is shut down; waits until HAProxy closes */
	CONN_BROKEN,  /* is freed by its own event */
};

/* One frame while it is read. A NOTIFY then stays in memory until its ACK. owner: its
 * connection, or the agent's cache of free memory. */
struct agent_call {
	struct tag tag;
	LIST_ENTRY(agent_call) of_conn; /* linked in the connection's `calls` */
	/* next in a bucket of the agent's table, or in the cache's list */
	struct agent_call *chain;
	struct agent_conn *conn;
	void *data; /* the gate's; NULL: none */
	/* stream-id and frame-id, which identify the NOTIFY on its connection */
	uint64_t stream, frame;
	struct spop_message *messages; /* inline_messages, or behind `args` */
	struct spop_arg *args; /* inline_args, or one allocation with the messages behind it */
	size_t size;	       /* bytes allocated */
	size_t have, n;	       /* bytes read; bytes of the frame */
	struct spop_message inline_messages[AGENT_INLINE_MSGS];
	struct spop_arg inline_args[AGENT_INLINE_ARGS];
	char bytes[];
};

/* One connection of HAProxy. owner: the agent, which holds at most CAP_SPOP_CONNS of them. */
struct agent_conn {
	struct tag tag;
	LIST_ENTRY(agent_conn) all; /* linked in the agent's `conns` */
	struct agent *ag;
	ev_io rd, wr;
	int fd;
	enum conn_state state;
	uint32_t max_frame; /* bytes; CAP_SPOP_HELLO_BYTES until HELLO negotiates another size */
	unsigned char len[4]; /* the first `nlen` bytes of a frame's length prefix */
	unsigned nlen;
	struct agent_call *in; /* the frame that is being read; NULL: none */
	struct buf stash;      /* bytes read but not parsed, because the connection is paused */
	struct buf out;	       /* frames of this turn, and bytes that the socket did not take */
	LIST_ENTRY(agent_conn) of_turn; /* linked in the agent's `gathered` */
	bool gathered;
	LIST_HEAD(, agent_call) calls; /* NOTIFYs that wait for their ACK, at most CAP_SPOP_CALLS */
	size_t ncalls;
	double opened_at, shut_at; /* seconds, as ev_now(); shut_at: when CLOSING began */
	double read_at, sent_at; /* ev_now() of the last progress in each direction */
	double asked, load; /* load since the last sweep; see agent_load() */
	bool open;		 /* counted in the agent's nopen */
	bool paused;		 /* not read, because a limit is reached */
	bool last;		 /* draining, and all that had arrived was read */
	bool leaving;		 /* is closed with the next ACK that leaves nothing in flight */
	size_t nengine; /* HAProxy's engine-id, nengine bytes of it */
	char engine[CAP_SPOP_ENGINE_BYTES];
};

/* The agent of one worker. owner: worker. */
struct agent {
	struct tag tag;
	struct ev_loop *loop;
	struct agent_ops ops;
	struct metrics *m;
	struct acceptor acceptor;
	ev_timer sweep;
	/* all connections; the ones with frames of this turn */
	LIST_HEAD(, agent_conn) conns, gathered;
	ev_prepare turn_ends;
	size_t nconns, nopen; /* all connections; connections that do not linger yet */
	/* hash table of the calls in flight by (connection, stream, frame); NULL until the first
	 * one */
	struct agent_call **table;
	size_t nbuckets, pending;
	struct agent_call *cache[AGENT_CLASSES]; /* lists of free frame memory, by class */
	size_t cached_bytes, held_bytes; /* bytes in the cache; bytes of frames in memory */
	bool starved; /* connections are paused because held_bytes reached CAP_SPOP_HELD */
	double load;		   /* of all connections, at the last sweep */
	struct agent_conn *moving; /* agent_move(); NULL: none */
	agent_parcel_ready *move_ready;
	void *move_arg;
	ev_timer move_late;
	bool draining;
	bool frozen; /* not read: the connections are being handed over */
	bool aside;  /* agent_aside() */
	double drain_at; /* ev_now() when draining began */
	/* ev_now() when a second of logging began, in which nlogged protocol errors were
	 * reported */
	double log_at;
	unsigned nlogged;
	char *scratch; /* AGENT_READ_BYTES; zeroed after each read */
	/* the messages and arguments of the NOTIFY that is being parsed */
	struct spop_message messages[CAP_SPOP_MESSAGES];
	struct spop_arg args[CAP_SPOP_ARGS];
};

/* Takes over a connected, non-blocking stream socket. Closes it on failure: ERR_FULL for more
 * than CAP_SPOP_CONNS, or ERR_NOMEM. */
int agent_conn_new(struct agent *ag, int fd);
/* Returns true if nothing is in flight, half read or unsent. */
bool agent_conn_idle(const struct agent_conn *c);

#endif
