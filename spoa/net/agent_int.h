/* What agent.c (timers, the end), agent_conn.c (a connection's bytes) and
 * agent_call.c (frames in memory, ACKs) share. Not for anyone else. */
#ifndef NET_AGENT_INT_H
#define NET_AGENT_INT_H

#include <sys/queue.h>

#include "base/caps.h"
#include "base/tag.h"
#include "net/accept.h"
#include "net/agent.h"

#define AGENT_READ_BYTES    65536u /* one read takes as many frames as fit this */
#define AGENT_PARCEL_BYTES (CAP_FRAME_BYTES + AGENT_READ_BYTES + 4)
#define AGENT_CLASSES	    10	   /* cached frame memory: 4 KiB << class */
#define AGENT_INLINE_ARGS   32	   /* a NOTIFY's arrays live next to its bytes up to these */
#define AGENT_INLINE_MSGS   4
#define AGENT_HELLO_S	    5.0	 /* an opened connection must say HELLO within */
#define AGENT_STALL_S	    10.0 /* a begun frame goes on, unsent output moves, within */
#define AGENT_LINGER_S	    2.0	 /* after DISCONNECT the peer closes within */
#define AGENT_SWEEP_S	    0.5
#define AGENT_DRAIN_IDLE_S  0.05
#define AGENT_DRAIN_S	    1.0
#define AGENT_DRAIN_SWEEP_S 0.02

enum conn_state {
	CONN_HELLO, /* nothing but HELLO (or DISCONNECT) is allowed */
	CONN_OPEN,
	CONN_CLOSING, /* DISCONNECT is queued; input is thrown away */
	CONN_LINGER,  /* all is sent, our side shut down; until the peer closes */
	CONN_BROKEN,  /* to be destroyed from its own event */
};

/* owner: worker. One frame: while it is read, and, as a NOTIFY, until its ACK. */
struct agent_call {
	struct tag tag;
	LIST_ENTRY(agent_call) of_conn; /* the connection's calls */
	struct agent_call *chain;	/* bucket of the agent's table, or the cache's list */
	struct agent_conn *conn;
	void *data;
	uint64_t stream, frame;
	struct spop_message *messages;
	struct spop_arg *args; /* inline_args, or one allocation with messages after it */
	size_t size;	       /* bytes allocated */
	size_t have, n;	       /* bytes read, bytes of the frame */
	struct spop_message inline_messages[AGENT_INLINE_MSGS];
	struct spop_arg inline_args[AGENT_INLINE_ARGS];
	char bytes[];
};

struct agent_conn {
	struct tag tag;
	LIST_ENTRY(agent_conn) all; /* the agent's connections */
	struct agent *ag;
	ev_io rd, wr;
	int fd;
	enum conn_state state;
	uint32_t max_frame;
	unsigned char len[4]; /* the length prefix, nlen bytes of it */
	unsigned nlen;
	struct agent_call *in; /* the frame that is being read */
	struct buf stash;      /* bytes read but not looked at: the connection is paused */
	struct buf out;	       /* frames of this turn, and what the socket did not take */
	LIST_ENTRY(agent_conn) of_turn; /* the agent's `gathered` */
	bool gathered;
	LIST_HEAD(, agent_call) calls;
	size_t ncalls;
	double opened_at, shut_at;
	double read_at, sent_at; /* ev_now of the last progress in each direction */
	bool open;		 /* counted in the agent's nopen */
	bool paused;		 /* not read: a cap is reached */
	bool last;		 /* draining, and all that had arrived is read */
	size_t nengine;
	char engine[CAP_SPOP_ENGINE_BYTES];
};

struct agent {
	struct tag tag;
	struct ev_loop *loop;
	struct agent_ops ops;
	struct metrics *m;
	struct acceptor acceptor;
	ev_timer sweep;
	LIST_HEAD(, agent_conn) conns, gathered; /* all; those with frames of this turn */
	ev_prepare turn_ends;
	size_t nconns, nopen; /* all; those not yet lingering */
	struct agent_call **table;
	size_t nbuckets, pending;
	struct agent_call *cache[AGENT_CLASSES];
	size_t cached_bytes, held_bytes;
	bool starved; /* connections are paused for held_bytes */
	bool draining;
	bool frozen; /* not read: the connections are being handed over */
	double drain_at;
	double log_at; /* protocol errors logged since: nlogged */
	unsigned nlogged;
	char *scratch; /* AGENT_READ_BYTES */
	struct spop_message messages[CAP_SPOP_MESSAGES];
	struct spop_arg args[CAP_SPOP_ARGS];
};

/* agent_call.c */
/* Memory for a frame of n bytes; NULL: none. */
struct agent_call *call_new(struct agent_conn *c, size_t n);
/* Zeroes the frame's bytes and gives the memory back. */
void call_free(struct agent *ag, struct agent_call *call);
/* Puts a read NOTIFY in flight: SPOP_E_INTERLACED where its key already is,
 * SPOP_E_RESOURCE; then the call is still the caller's. */
enum spop_status call_start(struct agent_call *call, const struct spop_frame *f);
struct agent_call *call_find(const struct agent_conn *c, uint64_t stream, uint64_t frame);
/* gone and free. */
void call_drop(struct agent_call *call);

/* agent.c */
/* Counts open connections, for agent_conns and for the other workers. */
void conns_changed(struct agent *ag, int by);

/* agent_conn.c */
/* Takes over a connected, non-blocking stream socket. On failure it is closed: ERR_FULL
 * over CAP_SPOP_CONNS, ERR_NOMEM. */
int conn_new(struct agent *ag, int fd);
void conn_free(struct agent_conn *c);
/* Where to put a frame; it is sent when the loop's turn ends. The caller looks at
 * buf_failed(). */
struct buf *conn_out(struct agent_conn *c);
/* Sends what is there now; ERR_CLOSED: the connection is of no more use. */
int conn_flush(struct agent_conn *c);
/* Sends what this turn put into any connection. May free connections. */
void agent_flush(struct agent *ag);
/* DISCONNECT with that status; what is in flight is dropped. Ends reading. */
void conn_disconnect(struct agent_conn *c, enum spop_status status);
/* Moves the connection to another state. Any move but those of the table in agent_conn.c aborts. */
void conn_enter(struct agent_conn *c, enum conn_state to);
/* Destroys it from its own event: callbacks higher up may still hold it. */
void conn_break(struct agent_conn *c);
/* Reads again if the reason for the pause is gone. */
void conn_resume(struct agent_conn *c);
/* HELLO or NOTIFY may still arrive. */
bool conn_talks(const struct agent_conn *c);
/* Nothing in flight, half read or unsent. */
bool conn_idle(const struct agent_conn *c);
/* Reads until nothing more has arrived, then no more (draining). */
void conn_read_last(struct agent_conn *c);

#endif
