/* Inside the relay: one edge (a connection from HAProxy) carries one exchange at
 * a time, on one upstream (a connection to HAProxy's inner bind) that comes from
 * the pool and returns to it. owner: worker. */
#ifndef NET_RELAY_CONN_H
#define NET_RELAY_CONN_H

#include <sys/queue.h>
#include <sys/un.h>

#include "answer/guard/guard.h"
#include "base/caps.h"
#include "base/tag.h"
#include "net/accept.h"
#include "net/relay.h"
#include "net/relay_said.h"

#define READ_MIN_BYTES 8192  /* a read */
#define READ_MAX_BYTES 65536 /* one after a read that was filled */

/*                                                ┌──────────┐
 *                                                ↓          │
 *    HEAD → CLAIM ─┬─────────────────────────→ EXCHANGE → AGAIN
 *                  └→ DEFER → VERDICT ─(permit)─┘   │
 *                               └─────(denial)──────┴──→ FINISH → FLUSH ─┬→ HEAD
 *                                    EXCHANGE → SOCKET ──↑               └→ LINGER → gone
 * In CLAIM, VERDICT, AGAIN and FINISH the gate has the word, in EXCHANGE sometimes a helper: an
 * edge that goes away then loses its descriptor at once and its memory after the answer. */
enum edge_state {
	EDGE_HEAD,     /* idle, or reading a request's head */
	EDGE_CLAIM,    /* gate_claim is out */
	EDGE_DEFER,    /* reading the whole body */
	EDGE_VERDICT,  /* gate_body or gate_refuse is out */
	EDGE_EXCHANGE, /* request and response pass */
	EDGE_SOCKET,   /* after a 101: messages pass, both ways (relay_socket.c) */
	EDGE_AGAIN,    /* gate_again is out: the attempt failed, nothing was written */
	EDGE_FINISH,   /* gate_finish is out; the response's last bytes wait */
	EDGE_FLUSH,    /* the rest of the response is being written */
	EDGE_LINGER,   /* all written; reads and drops until the peer closes */
	EDGE_DEAD,     /* freed at the end of the loop turn */
};

/*    NONE ─┬──────────────────────────→ BEGUN
 *          └→ WITHHELD ─┬─(let go)──────→┘
 *                       └─(its end)─→ WHOLE
 * of an answer that is read; one that is not begins with its head. */
enum response_life {
	RESPONSE_NONE,
	RESPONSE_WITHHELD, /* its head waits in `head`, its body in `spool`, until all may go */
	RESPONSE_BEGUN,	   /* its head is in out or was written */
	RESPONSE_WHOLE,	   /* likewise, and its body: it goes out in one write */
};

#define SEND_MAX_BYTES (1u << 20) /* to a provider, a turn of the loop */

struct upstream;
struct socket;

/* What may go wrong on the way, and is no decision: a row each in relay_answer.c. */
enum failure_kind {
	FAIL_BODY_MALFORMED,
	FAIL_BODY_CHANGED,
	FAIL_BODY_SLOW,
	FAIL_BODY_UNEXPECTED,
	FAIL_BODY_LARGE,
	FAIL_RECORD,
	FAIL_HELD,
	FAIL_MEMORY,
	FAIL_CLIENT_SLOW,
	FAIL_NOT_REACHED,
	FAIL_NOT_ANSWERED,
	FAIL_REFUSED,
	FAIL_LOGIN,
	FAIL_SILENT,
	FAIL_ABORTED,
	FAIL_UNHEARD,
	FAIL_ANSWER,
	FAIL_FOREIGN,
	FAIL_ANSWER_HELD,
	FAIL_ANSWER_UNREAD,
	FAIL_SOCKET,
};

/* What is asked about when an attempt failed. */
enum again_why {
	AGAIN_FAILED,	/* there is no answer, and no connection any more */
	AGAIN_DOCUMENT, /* an answer that is an error, unread in upstream.in */
	AGAIN_EVENT,	/* a stream that ended, or said its error, before any content */
};

struct edge {
	struct tag tag;
	struct relay *relay;
	LIST_ENTRY(edge) all; /* relay->edges, or dead_edges */
	int fd;		      /* -1: gone, waits for the gate */
	enum edge_state state;
	ev_io readable, writable;
	ev_timer timer;
	uint64_t timer_us;  /* when the timer fires, not after the true deadline */
	uint64_t active_us; /* the edge's last byte, either way */
	uint64_t defer_us;  /* EDGE_DEFER began */
	bool hup_watched;   /* reading is paused: only its closing is watched */
	bool filled;	    /* the last read took all there was room for */

	struct buf in; /* unread bytes of the request */
	struct http_scan scan;
	struct http_body body; /* the request's */
	int64_t declared;
	bool expects_continue;
	bool websocket;	       /* it asks for one, */
	char ws_key[25];       /* with this key (WS_KEY_BYTES) */
	struct socket *socket; /* EDGE_SOCKET; NULL */
	bool last_request;     /* close after this response */
	bool old_peer;	       /* HTTP/1.0: the close ends what has no length */
	char method[24];
	char ticket[CAP_TICKET_BYTES];

	struct gate_claim claim;
	struct exchange *x;
	const struct exchange_plan *plan; /* of x, and as long */
	struct upstream *up;
	struct exchange_result result;
	bool retried;	     /* once, as its kept connection was closed */
	unsigned char moves; /* away from a HAProxy that is being replaced */

	/* The attempt under way, where the plan says that another may follow: relay_again.c */
	struct edge_attempt {
		struct guard
			*watch; /* looks for the first content of an answer that nobody reads */
		uint64_t head_us; /* an error's document is gathered since then; 0: none is */
		const char *failed_why;
		enum again_why why;
		enum failure_kind failed;
		enum attempt_said said; /* how it ended; before, what HAProxy says of that */
		bool asked, stands;
		uint64_t whole_us; /* it is whole, may be an error all the same, and began then;
				      0: no */
		bool streams;	   /* its answer comes in events, of whatever framing */
		bool late, eof;	   /* no more of the document comes */
		bool poolable;	   /* its connection is as new */
		bool sent;	   /* a byte of it went */
		bool broke_early;  /* HAProxy says so */
	} attempt;

	struct {
		char *p; /* EDGE_DEFER: the body, held until it was sent */
		size_t n, size;
	} whole;

	struct buf out;
	size_t held;		/* bytes at the end of out that wait for gate_finish */
	struct buf head, spool; /* without framing; what came out of the guard */
	struct guard *guard;	/* of the answer, the exchange's; NULL: none, or it is over */
	struct {
		enum response_life life;
		enum http_framing framing; /* as it goes out */
		int64_t declared;	   /* its Content-Length; -1: none */
		uint64_t sent;		   /* bytes of it written */
		bool streams;		   /* it is an event stream */
		bool events;		   /* its type says so: a comment may go between two */
		bool heard;		   /* the gate knows that its body began */
		bool said;		   /* a byte of its body came out of the guard */
		char last;		   /* the last payload byte */
		char tail[4];		   /* of what goes out: whether an event ends there */
		uint64_t opens_us;	   /* a stream's head waits so long; 0: no longer */
		enum guard_result refused;
		bool terminator;       /* the last chunk is to be appended */
		bool cut;	       /* closes when out is written: it is not whole */
		enum relay_said whose; /* SAID_NOTHING: a provider's, for all that is known */
		size_t held;	       /* bytes that the gate counts of a stream */
	} answer;
	/* What came is put through the guard; much of it by a helper (EDGE_EXCHANGE): until it
	 * is back the guard, the upstream's bytes and `out` here are the helper's, nothing is
	 * read of either side, and what ends the exchange waits for it. */
	struct {
		bool away;
		bool late;	   /* the exchange's time is over */
		bool at_once;	   /* head and body came in one read */
		const char *gone;  /* NULL; why nobody waits for it */
		const char *wrong; /* where the framing is */
		int err;
		struct buf out;
	} reading;
};

struct upstream {
	struct tag tag;
	struct relay *relay;
	LIST_ENTRY(upstream) idle; /* relay->pool, or dead_upstreams */
	struct edge *edge;	   /* NULL: pooled */
	int fd;
	ev_io readable, writable;
	ev_timer connecting; /* the listener's backlog was full: tries again */
	uint64_t since_us;   /* began to be idle, or to connect */
	uint64_t active_us;  /* its last byte, either way */
	bool reused;
	bool connected;
	char ws_key[25]; /* of the WebSocket that it was asked for */

	struct buf out; /* head and copied body; what was sent stays for a retry */
	struct buf in;
	struct {
		size_t sent;	  /* of out */
		struct span swap; /* sent after out: the gate's memory */
		size_t swap_sent;
		bool began;	  /* a byte was sent */
		uint64_t done_us; /* the last one was; 0: not yet */
		bool whole;	  /* nothing will be appended to out */
		bool dropped;	  /* out no longer begins with its first byte */
		bool failed;	  /* the peer reads no more: only its answer matters */
	} request;
	struct {
		bool heard;	  /* a byte of it arrived */
		bool filled;	  /* the last read took all there was room for */
		bool to_head;	  /* of a HEAD request: it has no body */
		bool eof;	  /* the provider closed in the middle of it */
		bool head_done;	  /* its head was read, */
		bool close;	  /* and it says that the connection ends with it */
		unsigned interim; /* 1xx heads skipped */
		struct http_scan scan;
		struct http_body body;
	} answer;
};

struct relay {
	struct tag tag;
	struct ev_loop *loop;
	const struct relay_gate_ops *ops;
	struct gate *gate;
	struct metrics *metrics;
	struct relay_options options;
	struct sockaddr_un egress;

	struct acceptor acceptor;
	bool draining;

	LIST_HEAD(, edge) edges, dead_edges;
	size_t nedges;
	LIST_HEAD(, upstream) pool, dead_upstreams; /* newest first */
	LIST_HEAD(, socket) gathered; /* with messages that were decided in this turn */
	size_t npool;
	ev_timer pool_sweep;
	ev_prepare bury;

	int hup_fd; /* an epoll set of paused edges */
	ev_io hup;

	struct http_field fields[CAP_HEADERS]; /* of the head being read */
};

/* relay_edge.c: the connection */
void edge_new(struct relay *r, int fd);
/* Closes and buries it. No exchange may be open. */
void edge_close(struct edge *c);
/* Nothing of it is read or written any more. What the gate holds of it stays held. */
void edge_forget_answer(struct edge *c);
/* Moves the edge along an arrow of the picture above enum edge_state. Any other move aborts. */
void edge_enter(struct edge *c, enum edge_state to);
/* Arms what the state waits for: call at the end of every event. */
void edge_update(struct edge *c);
/* Writes what may be written; moves on where all was. */
void edge_flush(struct edge *c);
/* Ends the exchange, closes the upstream; `why` goes into the record. */
void edge_end(struct edge *c, const char *why);
/* The peer is gone. */
void edge_gone(struct edge *c);
/* Bytes that may be written now. */
size_t edge_unsent(const struct edge *c);
/* The provider waits until the edge has taken some of it; not while nothing of it may go. */
bool edge_full(const struct edge *c);

/* relay_request.c: from the head to the upstream */
void request_progress(struct edge *c);
void request_timeout(struct edge *c);
/* Room for direct reads of a deferred body of known length; n 0: none. */
char *request_room(struct edge *c, size_t *n);
void request_took(struct edge *c, size_t n);
void request_free_whole(struct edge *c);
/* Moves body bytes to the upstream as far as it takes them. */
void request_pump(struct edge *c);
bool request_paused(const struct edge *c);

/* relay_answer.c: responses of our own, and the end of every exchange */
/* Refuses a request that has no exchange; the connection closes after it. */
void answer_error(struct edge *c, int status, const char *code, const char *message);
struct failure {
	int status;
	const char *code;
	enum exchange_end end; /* where its request was sent */
	enum metric counted;
	const char *why;
};
/* Its row; counts it. */
const struct failure *failure_noted(struct edge *c, enum failure_kind kind);
/* Answers with an error and ends the exchange; a response already begun is cut. `why` NULL: the
 * row's. Where another attempt may follow, it does. */
void answer_fail(struct edge *c, enum failure_kind kind, const char *why);
/* None may, or none did; `sent`: a byte of the request was. */
void answer_fail_now(struct edge *c, enum failure_kind kind, const char *why, bool sent);
/* The same for an answer that a rule denies. */
void answer_forbid(struct edge *c, int status, const char *why);
void answer_denial(struct edge *c, const struct exchange_denial *d);
/* plan->document. */
void answer_document(struct edge *c);
/* Tells the gate how it ended; the held bytes follow when it agrees. */
void answer_finish(struct edge *c, enum exchange_end end, const char *why);

/* relay_upstream.c */
/* Begins to send plan->head, or gives again what plan->replays. */
void upstream_begin(struct edge *c);
/* Sends what is queued. */
void upstream_flush(struct upstream *u);
/* Its HAProxy is being replaced and has not taken the request: sends it again on a new
 * connection, and closes all idle ones. False: it cannot be sent again, or MOVES_MAX found
 * only such (the new connection, too, may be one that it took before it stopped to listen). */
#define MOVES_MAX 3
bool upstream_moves(struct upstream *u);
/* Bytes queued and not sent, without the swap. */
size_t upstream_unsent(const struct upstream *u);
/* The whole request is written. */
bool upstream_sent(const struct upstream *u);
/* All of it was: nothing of it is kept, and nothing is left to send. */
void upstream_forget_sent(struct upstream *u);
void upstream_resume(struct upstream *u);
/* Neither reads nor writes until upstream_resume() and upstream_flush(). */
void upstream_rest(struct upstream *u);
void upstream_close(struct upstream *u);
/* The exchange is over: back to the pool, or closed. */
void upstream_release(struct upstream *u, bool reusable);

struct upstream *pool_take(struct relay *r);
void pool_put(struct upstream *u);
void pool_drop(struct upstream *u);
void pool_sweep(struct ev_loop *loop, ev_timer *w, int events);

/* relay_response.c */
/* Nobody waits for what a helper reads, since `why`; or, NULL, its time is over. */
void response_give_up(struct edge *c, const char *why);
/* Bytes of u->in may have arrived. */
void response_progress(struct upstream *u);
/* The provider closed (err 0) or the connection failed. */
void response_eof(struct upstream *u, int err);
/* A head of an error: how long it asks to wait; of a 401 or 403 the gate is told, where the
 * credential was ours. Once an answer. */
void response_failed(struct edge *c, const struct http_head *h);
/* What is kept of a stream is held as a body is. False: there is no room. */
bool response_hold(struct edge *c);
/* What was kept back of it goes. */
void response_goes_on(struct upstream *u);
/* The stream ends here, as HTTP says. */
void response_ends(struct edge *c);

/* relay_stream.c: event streams of MCP, which may be silent for hours */
/* It has no end of its own. */
bool stream_stays(const struct edge *c);
void stream_begins(struct edge *c);
bool stream_opens(const struct edge *c);
/* These bytes of it go out. */
void stream_passes(struct edge *c, struct span bytes);
/* When its head need not wait any more, or it has been silent for long: says so with a comment,
 * between two events. */
uint64_t stream_due(const struct edge *c);
void stream_keep_alive(struct edge *c);

/* relay_socket.c: WebSockets, from the 101 on */
/* What the head that asks for one has, but for the fields of the plan; the key is made here. */
void socket_put_head(struct upstream *u);
/* The provider's 101 was read and is checked here: the caller has its own; messages pass. */
void socket_open(struct upstream *u, const struct http_message *m, size_t head);
/* Bytes of one side were read. */
void socket_progress(struct edge *c);
/* Writes what may go of those in relay->gathered: where a turn of the loop ends. */
void sockets_flush(struct relay *r);
/* Neither side is read while it is far ahead, or a message of it is decided. */
bool socket_reads_edge(const struct edge *c);
bool socket_reads_upstream(const struct edge *c);
uint64_t socket_due(const struct edge *c);
void socket_timeout(struct edge *c);
/* The provider closed its connection. */
void socket_eof(struct edge *c);
/* Says goodbye to both sides, and ends it. */
void socket_close(struct edge *c, unsigned code, enum exchange_end end, const char *why);
void socket_free(struct edge *c);
/* The daemon drains: one without an answer under way ends. */
void socket_drain(struct edge *c);

/* relay_again.c: an attempt that another may follow */
/* An answer whose head came is kept back: a stream, or a short document that may be an error.
 */
bool again_keeps(struct edge *c, const struct http_message *m, const struct guard *g);
/* Its failure is still one that may be told. */
bool again_may(const struct edge *c);
/* Nothing of its answer may go. */
bool again_holds(const struct edge *c);
/* The first content is there, or what is as good. */
void again_stands(struct edge *c);
/* All of the request was sent, maybe after that. */
void again_sent(struct edge *c);
/* True: the gate is asked, or more is read of what it will be asked about. */
bool again_failed(
	struct edge *c, enum failure_kind kind, const char *why, const struct failure *f);
void again_unanswered(struct upstream *u, const struct http_message *m);
bool again_head(struct upstream *u, const struct http_message *m, size_t head);
/* After some of a stream was read: true where none of it goes yet. */
bool again_event(struct upstream *u);
/* An error's document is being gathered. */
bool again_gathers(const struct edge *c);
/* When the attempt has lasted too long; and it has: true where that is no failure. */
uint64_t again_due(const struct edge *c);
bool again_late(struct edge *c);

#endif
