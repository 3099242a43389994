/* The structures and functions that the relay's files share. An edge is a connection from
 * HAProxy and carries one exchange at a time. An upstream is a connection to HAProxy's inner
 * bind: an exchange takes one from the pool, or opens one, and returns it afterwards. owner:
 * worker. */
#ifndef NET_RELAY_CONN_H
#define NET_RELAY_CONN_H

#include <sys/queue.h>
#include <sys/un.h>

#include "answer/guard/guard.h"
#include "answer/stream_end.h"
#include "base/caps.h"
#include "base/tag.h"
#include "net/accept.h"
#include "net/relay.h"
#include "net/relay_said.h"

#define READ_MIN_BYTES 8192  /* bytes of one read */
#define READ_MAX_BYTES 65536 /* bytes of a read that follows a full one */

enum { RELAY_FAILED_MOST = 65536 }; /* most bytes of edge.failed */

/*                                                ┌──────────┐
 *                                                ↓          │
 *    HEAD → CLAIM ─┬─────────────────────────→ EXCHANGE → AGAIN
 *                  └→ DEFER → VERDICT ─(permit)─┘   │
 *                               └─────(denial)──────┴──→ FINISH → FLUSH ─┬→ HEAD
 *                                    EXCHANGE → SOCKET ──↑               └→ LINGER → gone
 *
 * In CLAIM, VERDICT, AGAIN and FINISH the edge waits for the gate, and in EXCHANGE sometimes for
 * a helper. If the connection closes meanwhile, its descriptor is closed at once and its memory
 * is freed after the answer. */
enum edge_state {
	EDGE_HEAD,     /* idle, or reading a request's head */
	EDGE_CLAIM,    /* waits for gate_claim */
	EDGE_DEFER,    /* reads the whole body */
	EDGE_VERDICT,  /* waits for gate_body or gate_refuse */
	EDGE_EXCHANGE, /* request and response pass */
	EDGE_SOCKET,   /* after a 101: messages pass in both directions (relay_socket.c) */
	EDGE_AGAIN,    /* the attempt failed before a byte was written; waits for gate_again */
	EDGE_FINISH,   /* waits for gate_finish; the response's last bytes are held back */
	EDGE_FLUSH,    /* the rest of the response is being written */
	EDGE_LINGER,   /* all is written; input is read and dropped until the peer closes */
	EDGE_DEAD,     /* freed at the end of the loop's turn */
};

/* A response that is inspected begins in one of two ways. One that is not inspected begins with
 * its head.
 *
 *    NONE ─┬──────────────────────────→ BEGUN
 *          └→ WITHHELD ─┬─(released)──→┘
 *                       └─(at its end)─→ WHOLE */
enum response_life {
	RESPONSE_NONE,
	RESPONSE_WITHHELD, /* its head waits in `head` and its body in `spool` until all may pass */
	RESPONSE_BEGUN,	   /* its head is in `out` or was written */
	RESPONSE_WHOLE,	   /* head and body are in `out` and leave in one write */
};

#define SEND_MAX_BYTES (1u << 20) /* most bytes sent to a provider in one turn of the loop */

struct upstream;
struct socket;

/* The failures of an exchange that are not decisions of the policy. relay_answer.c has a row for
 * each: status, code, how it is recorded. */
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
	FAIL_TOKEN_AWAY,
	FAIL_TOKEN_REFUSED,
	FAIL_TOKEN_LOGIN,
};

/* Why the gate is asked for another attempt. */
enum retry_why {
	RETRY_FAILED,	/* there is no response, and the connection is closed */
	RETRY_DOCUMENT, /* an error response, still unparsed in upstream.in */
	RETRY_EVENT,	/* a stream that ended, or reported an error, before any content */
};

/* One connection from HAProxy. owner: the relay, which links it in `edges` and frees it at the
 * end of the turn in which it died. At most CAP_RELAY_CONNS exist. */
struct edge {
	struct tag tag;
	struct relay *relay;
	LIST_ENTRY(edge) all; /* relay->edges, or dead_edges */
	int fd;		      /* -1: closed; the edge waits for the gate */
	enum edge_state state;
	ev_io readable, writable;
	ev_timer timer;
	uint64_t timer_us;  /* when the timer fires: at or before the true deadline; monotonic µs */
	uint64_t active_us; /* the edge's last byte in either direction, monotonic µs */
	uint64_t defer_us;  /* when EDGE_DEFER began, monotonic µs */
	/* How the peer reads a response that is longer than the socket holds. */
	struct {
		uint64_t full_us;  /* since when the socket is full, monotonic µs; 0: it is not */
		uint64_t pause_us; /* the longest time that it was full until the peer read on */
		/* While the daemon drains: the bytes that the peer had not read yet, and the time
		 * since which their number is the same (monotonic µs; 0: all was read) */
		size_t unread_bytes;
		uint64_t since_us;
	} stuck;
	bool hup_watched;   /* reading is paused; only a close is watched for (relay.c) */
	bool filled;	    /* the last read filled all the room that it had */

	struct buf in; /* bytes of the request that were not parsed yet */
	struct http_scan scan;
	struct http_body body; /* the request's body, as it is read from the edge */
	int64_t declared; /* the request's Content-Length; negative: none */
	bool expects_continue;
	bool websocket;	       /* the request asks for a WebSocket */
	char ws_key[25];       /* its Sec-WebSocket-Key, a string (WS_KEY_BYTES) */
	struct socket *socket; /* NULL except in EDGE_SOCKET, and until gate_finish answers */
	bool last_request;     /* the connection closes after this response */
	bool old_peer;	       /* HTTP/1.0: a body without a length ends with the connection */
	char method[24];
	char ticket[CAP_TICKET_BYTES];

	struct gate_claim claim;
	struct exchange *x; /* NULL: no exchange */
	const struct exchange_plan *plan; /* the gate's plan for `x`, with the same lifetime */
	struct upstream *up; /* NULL: no upstream */
	struct exchange_result result;
	/* the request was sent a second time, because a pooled connection was closed */
	bool retried;
	/* how often the request left a HAProxy that is being replaced; at most MOVES_MAX */
	unsigned char moves;

	/* The current attempt. All of it is used only if the plan permits another attempt
	 * (relay_response.c). */
	struct edge_attempt {
		struct guard
			/* finds the first content of a response that is not inspected; NULL:
			 * none */
			*watch;
		/* an error document is being collected since then, monotonic µs; 0: none is */
		uint64_t head_us;
		const char *failed_why; /* the record's text for `failed`; NULL: the row's */
		enum retry_why why;
		enum failure_kind failed;
		/* how the attempt ended; before that, what HAProxy reported of it */
		enum attempt_said said;
		/* asked: the gate was asked for another attempt. stands: this attempt's response
		 * is final. */
		bool asked, stands;
		/* a short document with a success status, collected since then because it may be
		 * an error; monotonic µs; 0: none is */
		uint64_t whole_us;
		bool streams;	   /* the response consists of events, in any framing */
		/* no more of the error document is awaited: time is over, or the provider
		 * closed */
		bool late, eof;
		bool poolable;	   /* the connection can return to the pool */
		bool sent;	   /* a byte of the request was sent */
		/* HAProxy reports that its connection to the provider broke at once */
		bool broke_early;
	} attempt;

	struct {
		char *p; /* in EDGE_DEFER the body, held until it was sent; NULL: none */
		size_t n, size;
	} whole;

	struct buf out;
	size_t held;		/* bytes at the end of `out` that wait for gate_finish */
	/* a withheld response: its fields without framing, and the bytes that the guard
	 * released */
	struct buf head, spool;
	/* the beginning of an error document that no other attempt follows */
	struct buf failed;
	/* inspects the response; owned by the exchange. NULL: not inspected, or over. */
	struct guard *guard;
	struct {
		enum response_life life;
		enum http_framing framing; /* the framing towards the edge */
		int64_t declared;	   /* the Content-Length towards the edge; -1: none */
		uint64_t sent;		   /* bytes written of the response */
		bool streams;		   /* the response is an event stream */
		/* its type is text/event-stream: a comment may be inserted between two events */
		bool events;
		struct stream_end end;	   /* the end of a stream that has no guard */
		bool heard;		   /* the gate knows that the body began */
		bool said;		   /* the guard has released a byte of the body */
		char last;		   /* the last payload byte */
		/* the last bytes sent, from which stream_due() sees whether an event ends there */
		char tail[4];
		/* a stream's head is held back until then, monotonic µs; 0: it is not */
		uint64_t opens_us;
		bool fails;		   /* an error document, whose beginning is kept in `failed` */
		char coding[8];		   /* its Content-Encoding; "": none */
		enum guard_result refused; /* why the guard refuses the response */
		bool terminator;       /* the last chunk is still to be appended */
		/* the response is incomplete: closes the connection once `out` is written */
		bool cut;
		/* the origin of the response; SAID_NOTHING: the provider, as far as is known */
		enum relay_said whose;
		size_t held;	       /* bytes of a stream that are held with the gate */
	} answer;
	/* The response bytes that are being put through the guard. A helper thread does this if
	 * they are long (in EDGE_EXCHANGE). Until the helper returns, the guard, the upstream's
	 * bytes and `out` in this structure belong to the helper; neither side is read, and
	 * whatever ends the exchange waits. */
	struct {
		bool away; /* a helper has them, or their sounds are being transcribed */
		bool late;	   /* the exchange's deadline has passed meanwhile */
		bool at_once;	   /* head and body arrived in one read */
		/* why the exchange ends when the helper returns; NULL: it continues */
		const char *gone;
		const char *wrong; /* the text for an error of the framing */
		int err; /* 0, or the result of read_response_body() */
		struct buf out; /* the bytes that the guard released */
	} reading;
};

/* One connection to HAProxy's inner bind. owner: the edge that uses it, or the relay's pool,
 * which holds at most options.pool of them. */
struct upstream {
	struct tag tag;
	struct relay *relay;
	LIST_ENTRY(upstream) idle; /* relay->pool, or dead_upstreams */
	struct edge *edge;	   /* NULL: the upstream is in the pool */
	int fd; /* -1: closed, or the upstream replays a stored response */
	ev_io readable, writable;
	ev_timer connecting; /* the listener's backlog was full: connect is tried again */
	uint64_t since_us;   /* when it became idle, or began to connect; monotonic µs */
	uint64_t active_us;  /* its last byte in either direction, monotonic µs */
	bool reused; /* the connection came from the pool */
	bool connected;
	char ws_key[25]; /* the Sec-WebSocket-Key that was sent on this connection */

	/* head and copied body; sent bytes stay for a retry, up to CAP_RELAY_AHEAD */
	struct buf out;
	struct buf in; /* bytes of the response that were not parsed yet */
	struct {
		size_t sent;	  /* bytes of `out` that were sent */
		struct span swap; /* a body in the gate's memory, sent after `out` */
		size_t swap_sent;
		bool began;	  /* a byte of the request was sent */
		uint64_t done_us; /* when the last byte was sent, monotonic µs; 0: not yet */
		bool whole;	  /* nothing will be appended to `out` */
		bool dropped; /* `out` no longer begins with the request's first byte: no retry */
		bool failed;	  /* the peer reads no more: only its response matters */
	} request;
	struct {
		bool heard;	  /* a byte of the response arrived */
		bool filled;	  /* the last read filled all the room that it had */
		bool to_head;	  /* it responds to HEAD: it has no body */
		bool eof;	  /* the provider closed in the middle of the response */
		bool head_done;	  /* the head was read */
		bool close; /* the head announces that the connection closes after this response */
		unsigned interim; /* interim (1xx) responses skipped, at most CAP_INTERIM */
		struct http_scan scan;
		struct http_body body;
	} answer;
};

/* The relay of one worker. owner: worker. */
struct relay {
	struct tag tag;
	struct ev_loop *loop;
	struct gate *gate;
	struct metrics *metrics;
	struct relay_options options;
	struct sockaddr_un egress;

	struct acceptor acceptor;
	bool draining;

	LIST_HEAD(, edge) edges, dead_edges;
	size_t nedges;
	/* `pool` begins with the upstream that was used last */
	LIST_HEAD(, upstream) pool, dead_upstreams;
	LIST_HEAD(, socket) gathered; /* WebSockets with messages that were decided in this turn */
	size_t npool; /* upstreams in `pool` */
	ev_timer pool_sweep;
	ev_prepare bury; /* runs before the loop waits: writes WebSocket messages, frees the dead */

	int hup_fd; /* an epoll set of the edges that are not read */
	ev_io hup;

	struct http_field fields[CAP_HEADERS]; /* fields of the head that is being parsed */
};

/* relay.c: the connection from the edge */
/* Closes the edge and queues it for freeing. No exchange may be open. */
void edge_close(struct edge *c);
/* Drops all bytes and the state of the response, so that none of it is read or written. Bytes
 * that the gate counts as held stay counted. */
void edge_forget_answer(struct edge *c);
/* Moves the edge along an arrow of the drawing above enum edge_state. Any other move aborts the
 * process. */
void edge_enter(struct edge *c, enum edge_state to);
/* Arms the events and the timer that the state waits for. Call this at the end of every event. */
void edge_update(struct edge *c);
/* Writes what may be written. If all was written, moves to the next state. */
void edge_flush(struct edge *c);
/* Ends the exchange and closes the upstream. `why`, a static string, is recorded. */
void edge_end(struct edge *c, const char *why);
/* Ends the exchange because the client closed the connection. */
void edge_gone(struct edge *c);
/* Returns the number of bytes that may be written now. */
size_t edge_unsent(const struct edge *c);
/* Returns true if the provider must wait until the client has taken some bytes. Returns false
 * while the response is held back for another attempt. */
bool edge_full(const struct edge *c);

/* relay_request.c: from the head to the upstream */
/* Parses the bytes that arrived in `in`, as the state requires. */
void request_progress(struct edge *c);
/* Handles an expired deadline in EDGE_DEFER, EDGE_EXCHANGE or EDGE_SOCKET. */
void request_timeout(struct edge *c);
/* Returns room to read a deferred body of known length in place, and its size in *n. Returns
 * NULL, with *n = 0, if the body is not read in place or was refused. */
char *request_room(struct edge *c, size_t *n);
/* Notes that `n` bytes were read into request_room(). */
void request_took(struct edge *c, size_t n);
void request_free_whole(struct edge *c);
/* Moves body bytes to the upstream, as many as it accepts. */
void request_pump(struct edge *c);
/* Returns true if body bytes must not be read because the upstream is behind or broken. */
bool request_paused(const struct edge *c);

/* relay_answer.c: the gateway's own responses, and the end of every exchange */
/* Refuses a request that has no exchange. The connection closes after the response. */
void answer_error(struct edge *c, int status, const char *code, const char *message);
/* One row of the table of failures. */
struct failure {
	int status;
	const char *code;
	enum exchange_end end; /* how the exchange ended, if a byte of the request was sent */
	enum metric counted; /* the counter; UNCOUNTED in relay_answer.c: none */
	const char *why;
	bool final; /* a further attempt would fail in the same way: clients should not try
		     */
};
/* Returns the row of `kind` and increments its counter. */
const struct failure *failure_noted(struct edge *c, enum failure_kind kind);
/* Responds with an error and ends the exchange, unless the plan permits another attempt: then
 * the gate is asked first. A response that has already begun is cut off. `why` NULL: the row's
 * text. */
void answer_fail(struct edge *c, enum failure_kind kind, const char *why);
/* As answer_fail(), but never asks for another attempt. `sent`: a byte of the request was sent. */
void answer_fail_now(struct edge *c, enum failure_kind kind, const char *why, bool sent);
/* As answer_fail_now(), for a response that a rule denies. `why` NULL: a default text. */
void answer_forbid(struct edge *c, int status, const char *why);
/* Responds with the gate's denial of a request and ends the exchange. */
void answer_denial(struct edge *c, const struct exchange_denial *d);
/* Responds with plan->document. */
void answer_document(struct edge *c);
/* Reports to the gate how the exchange ended. The held bytes are sent when the gate has recorded
 * it. `why` may be NULL. */
void answer_finish(struct edge *c, enum exchange_end end, const char *why);

/* relay_upstream.c */
/* Begins to send plan->head, or replays the stored response if plan->replays is set. */
void upstream_begin(struct edge *c);
/* Sends what is queued. */
void upstream_flush(struct upstream *u);
/* HAProxy is being replaced and has not accepted the request: closes all idle connections and
 * sends the request again on a new one. Returns false if the request cannot be sent again, or if
 * MOVES_MAX connections led to the old process. A new connection may, too, if the process
 * accepted it before it stopped listening. */
#define MOVES_MAX 3
bool upstream_moves(struct upstream *u);
/* Returns the number of bytes queued in `out` and not sent. The swapped body is not counted. */
size_t upstream_unsent(const struct upstream *u);
/* Returns true if the whole request was written. */
bool upstream_sent(const struct upstream *u);
/* Frees the bytes of the request, which were all sent. */
void upstream_forget_sent(struct upstream *u);
/* Reads again after upstream_rest(), or after the edge was full. */
void upstream_resume(struct upstream *u);
/* Neither reads nor writes until upstream_resume() and upstream_flush() are called. */
void upstream_rest(struct upstream *u);
/* Separates the upstream from its edge: returns it to the pool if `reusable`, otherwise closes
 * it. */
void upstream_release(struct upstream *u, bool reusable);

/* Closes a pooled connection. */
void pool_drop(struct upstream *u);
/* Timer: closes connections that were idle for options.idle_us. */
void pool_sweep(struct ev_loop *loop, ev_timer *w, int events);

/* relay_response.c */
/* Makes the helper stop early. `why` not NULL: the exchange ends for this reason when the helper
 * returns. NULL: its deadline has passed. */
void response_give_up(struct edge *c, const char *why);
/* Handles bytes in u->in. Called also when none have arrived. */
void response_progress(struct upstream *u);
/* Handles the end of the connection: the provider closed (err 0), or an error occurred. */
void response_eof(struct upstream *u, int err);
/* Ends a stream with a proper HTTP end. */
void response_ends(struct edge *c);

/* relay_response.c: event streams of MCP, which may be silent for hours */
/* Returns true if the stream has no end of its own and may stay open. */
bool stream_stays(const struct edge *c);
/* Returns true while a stream's head waits for its first event. */
bool stream_opens(const struct edge *c);
/* Returns when stream_keep_alive() must be called, in monotonic µs: when a head need not wait
 * any longer, or after long silence between two events. UINT64_MAX: never. */
uint64_t stream_due(const struct edge *c);
/* Sends the waiting head, or a comment. */
void stream_keep_alive(struct edge *c);

/* relay_socket.c: WebSockets, from the 101 on */
/* Writes the fields of a request that asks for a WebSocket, except for those of the plan.
 * Generates the key. */
void socket_put_head(struct upstream *u);
/* Checks the provider's 101, sends the client a 101 of its own, and begins to pass messages.
 * `head`: the length of the provider's head, in bytes. */
void socket_open(struct upstream *u, const struct http_message *m, size_t head);
/* Handles bytes that one of the sides has sent. */
void socket_progress(struct edge *c);
/* Writes the messages of the sockets in relay->gathered. Called at the end of each turn of the
 * loop. */
void sockets_flush(struct relay *r);
/* Return false while this side is far ahead of the other, or a message from it is being
 * decided. */
bool socket_reads_edge(const struct edge *c);
bool socket_reads_upstream(const struct edge *c);
/* Returns the next deadline in monotonic µs; UINT64_MAX: none. */
uint64_t socket_due(const struct edge *c);
/* Handles an expired deadline. */
void socket_timeout(struct edge *c);
/* The provider closed its connection: closes both sides. */
void socket_eof(struct edge *c);
/* Sends a close frame to both sides and ends the exchange. */
void socket_close(struct edge *c, unsigned code, enum exchange_end end, const char *why);
/* Frees c->socket, if any. */
void socket_free(struct edge *c);
/* The daemon drains: closes the socket unless a response is in progress. */
void socket_drain(struct edge *c);

/* relay_response.c: an attempt that may be followed by another one */
/* Returns true if no byte of this attempt's response may be sent yet. */
bool retry_holds(const struct edge *c);
/* Called when the whole request was sent, which may be after retry_stands(). */
void retry_sent(struct edge *c);
/* Returns true if the gate was asked for another attempt: the caller then does nothing more.
 * Returns false if the failure is final. */
bool retry_failed(
	struct edge *c, enum failure_kind kind, const char *why, const struct failure *f);
/* Returns when the attempt has lasted too long, in monotonic µs; UINT64_MAX: never. */
uint64_t retry_due(const struct edge *c);
/* Handles that deadline. Returns false if it is a failure of the attempt. */
bool retry_late(struct edge *c);

#endif
