/* WebSockets. After a 101, messages pass between the edge and the upstream. Each message is read
 * whole and decided by the gate before it is sent. Frames are written again, so that no
 * extension, fragmentation or mask of one side reaches the other. The gateway answers pings
 * itself, on both sides, and pings a side that has been silent for 20 s.
 *
 * A side is not read while one of its messages is being decided, while the other side is far
 * behind, or while it is ahead of its pace. owner: worker. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/codec/ws.h"
#include "base/err.h"
#include "base/random.h"
#include "net/relay_conn.h"

#define PING_US	  20000000u /* after this silence, the side is pinged */
#define GONE_US	  60000000u /* after this silence, the side is gone */
#define HALF_US	  30000000u /* longest time for the rest of a message to arrive */
#define LOOK_US	  1000000u  /* between two checks whether the session is over */
#define PACE_US	  10000000u /* the period of CAP_SOCKET_CONTROLS and CAP_SOCKET_DECIDED */
/* bytes; the gate counts held bytes in these steps */
#define HOLD_STEP 65536u

enum socket_side { SIDE_CLIENT, SIDE_PROVIDER, SIDES };

/* The WebSocket of one edge. owner: the edge, until gate_finish answers. */
struct socket {
	struct edge *of;
	LIST_ENTRY(socket) of_turn; /* linked in the relay's `gathered` */
	bool gathered;
	struct side {
		struct ws_reader reader;
		bool waits; /* one of its messages is being decided */
		uint64_t heard_us,
			/* when its last byte arrived, when it was pinged; monotonic µs */
			pinged_us;
		uint64_t half_us; /* since when a message is incomplete; monotonic µs; 0: none is */
		/* When the control frames, and the decided messages, that have arrived would
		 * have arrived at an even rate; monotonic µs (pace_is_over). */
		uint64_t controls_us, decided_us;
		bool paused; /* ahead of that by more than PACE_US: not read */
	} side[SIDES];
	/* when the gate is asked next whether the session is over; monotonic µs */
	uint64_t look_us;
	size_t held;	  /* bytes that the gate counts as held */
	bool closing; /* close frames were sent */
};

/* ---- writing ---- */

/* Masks the frame with unpredictable bytes (RFC 6455 10.3). */
static void
put_masked(struct edge *c, enum ws_op op, struct span payload)
{
	unsigned char mask[4];

	random_bytes(mask, sizeof(mask));
	ws_put(&c->up->out, op, true, payload, mask);
}

static void
put_frame(struct edge *c, enum socket_side to, enum ws_op op, struct span payload)
{
	if (to == SIDE_CLIENT)
		ws_put(&c->out, op, true, payload, NULL);
	else if (c->up)
		put_masked(c, op, payload);
}

static void
socket_emit(void *arg, bool to_client, bool binary, struct span message)
{
	struct edge *c = TAGGED(edge, arg);

	put_frame(c, to_client ? SIDE_CLIENT : SIDE_PROVIDER, binary ? WS_BINARY : WS_TEXT,
		message);
	metric_add(c->relay->metrics, to_client ? M_RELAY_BYTES_DOWN : M_RELAY_BYTES_UP,
		message.n);
	if (to_client)
		c->result.response_bytes += message.n;
}

/* Adjusts the bytes of both sides that the gate counts as held. Returns false if the limit on
 * held bytes is reached. */
static bool
socket_hold(struct edge *c)
{
	struct socket *s = c->socket;
	size_t n = ws_kept(&s->side[SIDE_CLIENT].reader) +
		   ws_kept(&s->side[SIDE_PROVIDER].reader) + c->out.size + c->in.size;

	if (c->up)
		n += c->up->out.size + c->up->in.size;
	n = n / HOLD_STEP * HOLD_STEP;
	if (n > s->held && !gate_hold(c->x, n - s->held))
		return false;
	if (n < s->held)
		gate_unhold(c->x, s->held - n);
	s->held = n;
	return true;
}

/* ---- the end ---- */

void
socket_free(struct edge *c)
{
	if (!c->socket)
		return;
	for (size_t i = 0; i < SIDES; i++)
		ws_reader_free(&c->socket->side[i].reader);
	if (c->socket->gathered)
		LIST_REMOVE(c->socket, of_turn);
	free(c->socket);
	c->socket = NULL;
}

/* Sends a close frame with `code` to the client and with `to_provider` to the provider, and ends
 * the exchange. `why` is recorded and, unless the end is normal, sent to the client. */
static void
close_both(struct edge *c, unsigned code, unsigned to_provider, enum exchange_end end,
	const char *why)
{
	static const unsigned char mask[4];

	if (c->state != EDGE_SOCKET || c->socket->closing)
		return;
	c->socket->closing = true;
	ws_put_close(&c->out, code, span_str(end == END_COMPLETE ? NULL : why), NULL);
	if (c->up) {
		ws_put_close(&c->up->out, to_provider, SPAN_LIT(""), mask);
		upstream_flush(c->up);
	}
	if (c->up)
		upstream_release(c->up, false);
	c->held = 0;
	answer_finish(c, end, why);
	edge_flush(c);
	edge_update(c);
}

void
socket_close(struct edge *c, unsigned code, enum exchange_end end, const char *why)
{
	bool ours = code == WS_POLICY || code == WS_INTERNAL;

	close_both(c, code, ours ? WS_NORMAL : code, end, why);
}

/* One side sent malformed frames, or memory is exhausted. For malformed frames of the provider,
 * the client gets no code that blames the client. */
static void
frames_wrong(struct edge *c, enum socket_side from, const struct ws_reader *r)
{
	bool ours = r->wrong == WS_INTERNAL;

	if (from == SIDE_CLIENT)
		socket_close(c, r->wrong, END_CLIENT_ABORT, r->why);
	else
		close_both(c, WS_INTERNAL, ours ? WS_NORMAL : r->wrong, END_PROVIDER_ABORT,
			r->why);
}

static void
socket_denied(struct edge *c)
{
	const struct socket_end *e = gate_socket_end(c->x);

	if (e->denied)
		metric_inc(c->relay->metrics, M_ANSWERS_DENIED);
	socket_close(c, e->code, e->denied ? END_ANSWER_DENIED : END_PROVIDER_ABORT, e->why);
}

/* ---- reading ---- */

/* Counts one more event. Returns true if its sender is too fast: it may send a burst of `most`
 * events, and after that `most` events in each PACE_US. */
static bool
pace_is_over(uint64_t *paid_us, unsigned most)
{
	uint64_t now = clock_mono_us();

	*paid_us = (*paid_us > now ? *paid_us : now) + PACE_US / most;
	return *paid_us > now + PACE_US;
}

/* The other side gets the code, but not the reason, which is uninspected text. */
static void
peer_closes(struct edge *c, enum socket_side from, enum ws_code code)
{
	bool client = from == SIDE_CLIENT;

	socket_close(c, code, END_COMPLETE,
		client ? "the client closed the connection"
		       : "the provider closed the connection");
}

/* Handles one message. Returns false if reading must stop: the socket has ended, or the gate is
 * deciding. */
static bool
take_message(struct edge *c, enum socket_side from, const struct ws_message *m)
{
	struct side *s = &c->socket->side[from];
	bool client = from == SIDE_CLIENT;

	INVARIANT(c->state == EDGE_SOCKET && !s->waits && !c->socket->closing);
	switch (m->op) {
	case WS_CONTINUATION: return true;
	case WS_CLOSE: peer_closes(c, from, m->code); return false;
	case WS_PING:
	case WS_PONG:
		if (pace_is_over(&s->controls_us, CAP_SOCKET_CONTROLS)) {
			socket_close(c, WS_POLICY,
				client ? END_CLIENT_ABORT : END_PROVIDER_ABORT,
				"the peer sends too many pings");
			return false;
		}
		if (m->op == WS_PING)
			put_frame(c, from, WS_PONG, m->payload);
		return true;
	default: s->half_us = 0; break;
	}
	switch (gate_message(c->x, client, m->op == WS_BINARY, m->payload)) {
	case SOCKET_GOES: return true;
	case SOCKET_WAITS:
		s->waits = true;
		if (client)
			s->paused = pace_is_over(&s->decided_us, CAP_SOCKET_DECIDED);
		return false;
	case SOCKET_ENDS: socket_denied(c); return false;
	}
	return false;
}

static bool
side_reads(const struct edge *c, enum socket_side from)
{
	const struct side *s = &c->socket->side[from];

	if (c->socket->closing || s->waits || !c->up || s->paused)
		return false;
	return from == SIDE_CLIENT ? upstream_unsent(c->up) < CAP_RELAY_AHEAD
				   : edge_unsent(c) < CAP_RELAY_UNSENT;
}

bool
socket_reads_edge(const struct edge *c)
{
	return side_reads(c, SIDE_CLIENT);
}

bool
socket_reads_upstream(const struct edge *c)
{
	return side_reads(c, SIDE_PROVIDER);
}

static void
read_side(struct edge *c, enum socket_side from)
{
	struct side *s = &c->socket->side[from];
	struct buf *in = from == SIDE_CLIENT ? &c->in : &c->up->in;
	struct ws_message m;

	if (in->n)
		s->heard_us = clock_mono_us();
	while (in->n && side_reads(c, from)) {
		ssize_t n = ws_next(&s->reader, buf_view(in), &m);
		if (n < 0) {
			frames_wrong(c, from, &s->reader);
			return;
		}
		buf_consume(in, (size_t)n);
		if (!take_message(c, from, &m))
			break;
	}
	if (c->state != EDGE_SOCKET)
		return;
	/* A message cannot become whole while we do not read. */
	if (!ws_is_half(&s->reader) || !side_reads(c, from))
		s->half_us = 0;
	else if (!s->half_us)
		s->half_us = clock_mono_us();
	if (in->n == 0)
		buf_free(in);
}

static void
read_sides(struct edge *c)
{
	read_side(c, SIDE_CLIENT);
	if (c->state == EDGE_SOCKET)
		read_side(c, SIDE_PROVIDER);
}

static void
write_sides(struct edge *c)
{
	if (c->state != EDGE_SOCKET)
		return;
	if (buf_failed(&c->out) || buf_failed(&c->up->out) || !socket_hold(c)) {
		socket_close(c, WS_TRY_AGAIN, END_PROVIDER_ABORT,
			"the limit on held bytes is reached");
		return;
	}
	edge_flush(c);
	if (c->state == EDGE_SOCKET)
		upstream_flush(c->up);
	if (c->state != EDGE_SOCKET)
		return;
	if (edge_unsent(c) == 0)
		buf_free(&c->out);
	if (upstream_unsent(c->up) == 0) {
		buf_free(&c->up->out);
		c->up->request.sent = 0;
	}
	upstream_resume(c->up);
}

/* Returns true if messages that have arrived can be read now, because writing made room. No
 * event reports this. */
static bool
socket_reads_on(const struct edge *c)
{
	return c->state == EDGE_SOCKET &&
	       ((side_reads(c, SIDE_CLIENT) && c->in.n) ||
		       (side_reads(c, SIDE_PROVIDER) && c->up->in.n));
}

void
socket_progress(struct edge *c)
{
	do {
		read_sides(c);
		write_sides(c);
	} while (socket_reads_on(c));
}

void
sockets_flush(struct relay *r)
{
	for (struct socket *s; (s = LIST_FIRST(&r->gathered));) {
		INVARIANT(s->gathered && s->of->socket == s);
		LIST_REMOVE(s, of_turn);
		s->gathered = false;
		struct edge *c = s->of;
		write_sides(c);
		if (socket_reads_on(c))
			socket_progress(c);
		edge_update(c);
	}
}

/* A message was decided. The next one is passed to the gate at once. Bytes that may be sent are
 * written at the end of the loop's turn, so that the messages of one turn leave in one write.
 */
static void
message_back(void *arg, bool from_client, enum socket_goes goes)
{
	struct edge *c = TAGGED(edge, arg);

	INVARIANT(c->socket && c->x);
	c->socket->side[from_client ? SIDE_CLIENT : SIDE_PROVIDER].waits = false;
	if (goes == SOCKET_ENDS)
		socket_denied(c);
	else
		read_sides(c);
	if (c->state == EDGE_SOCKET && !c->socket->gathered) {
		c->socket->gathered = true;
		LIST_INSERT_HEAD(&c->relay->gathered, c->socket, of_turn);
	}
	edge_update(c);
}

/* ---- silence ---- */

static uint64_t
side_due(const struct edge *c, enum socket_side of)
{
	const struct side *s = &c->socket->side[of];

	if (s->paused)
		return s->decided_us - PACE_US;
	if (!side_reads(c, of))
		return UINT64_MAX; /* the silence is not this side's */
	uint64_t silent = s->heard_us + (s->pinged_us > s->heard_us ? GONE_US : PING_US);
	uint64_t half = s->half_us ? s->half_us + HALF_US : UINT64_MAX;
	return half < silent ? half : silent;
}

uint64_t
socket_due(const struct edge *c)
{
	uint64_t due = c->plan->deadline_us;

	if (c->socket->closing || !c->up)
		return UINT64_MAX;
	due = c->socket->look_us < due ? c->socket->look_us : due;
	for (enum socket_side i = 0; i < SIDES; i++) {
		uint64_t at = side_due(c, i);
		due = at < due ? at : due;
	}
	return due;
}

void
socket_timeout(struct edge *c)
{
	uint64_t now = clock_mono_us();

	INVARIANT(c->state == EDGE_SOCKET && c->socket);
	if (now >= c->plan->deadline_us) {
		socket_close(c, WS_GOING_AWAY, END_PROVIDER_ABORT,
			"the session has lasted too long");
		return;
	}
	if (now >= c->socket->look_us) {
		c->socket->look_us = now + LOOK_US;
		if (gate_socket_over(c->x)) {
			socket_denied(c);
			return;
		}
	}
	for (enum socket_side i = 0; i < SIDES && c->state == EDGE_SOCKET; i++) {
		struct side *s = &c->socket->side[i];
		if (s->paused && now >= side_due(c, i))
			s->paused = false;
		if (now < side_due(c, i))
			continue;
		if (s->half_us && now >= s->half_us + HALF_US) {
			socket_close(c, WS_POLICY,
				i == SIDE_CLIENT ? END_CLIENT_ABORT : END_PROVIDER_ABORT,
				"a message was not complete after 30 seconds");
			return;
		}
		if (s->pinged_us > s->heard_us) {
			socket_close(c, WS_GOING_AWAY,
				i == SIDE_CLIENT ? END_CLIENT_ABORT : END_PROVIDER_ABORT,
				i == SIDE_CLIENT ? "the client sends nothing"
						 : "the provider sends nothing");
			return;
		}
		put_frame(c, i, WS_PING, SPAN_LIT(""));
		s->pinged_us = now;
	}
	if (c->state == EDGE_SOCKET)
		socket_progress(c);
}

void
socket_eof(struct edge *c)
{
	socket_close(c, WS_INTERNAL, END_PROVIDER_ABORT, "the provider closed the connection");
}

void
socket_drain(struct edge *c)
{
	if (c->state == EDGE_SOCKET && gate_socket_rests(c->x))
		socket_close(c, WS_GOING_AWAY, END_COMPLETE, "the daemon is stopping");
}

/* ---- the handshake ---- */

void
socket_put_head(struct upstream *u)
{
	unsigned char random[16];

	random_bytes(random, sizeof(random));
	ws_key_of(random, u->ws_key);
	buf_printf(&u->out,
		"connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
		"sec-websocket-key: %s\r\n",
		u->ws_key);
}

static void
put_accepted(struct edge *c)
{
	char accept[WS_ACCEPT_BYTES];

	ws_accept(span_str(c->ws_key), accept);
	buf_printf(&c->out,
		"HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: "
		"websocket\r\n"
		"sec-websocket-accept: %s\r\n",
		accept);
	if (c->plan->subprotocol)
		buf_printf(&c->out, "sec-websocket-protocol: %s\r\n", c->plan->subprotocol);
	buf_span(&c->out, gate_response_fields(c->x));
	buf_str(&c->out, "\r\n");
}

void
socket_open(struct upstream *u, const struct http_message *m, size_t head)
{
	struct edge *c = u->edge;
	const char *why = ws_accepted(&m->head, span_str(u->ws_key));
	const struct socket_calls calls = { socket_emit, message_back, c };
	size_t message = c->plan->socket_bytes;
	size_t room = 2 * message + CAP_HEAD_BYTES + CAP_RELAY_UNSENT + 2 * READ_MAX_BYTES;

	if (why || !c->body.done) {
		answer_fail(c, FAIL_ANSWER, why);
		return;
	}
	INVARIANT(!c->socket && c->held == 0 && c->answer.life == RESPONSE_NONE);
	c->socket = calloc(1, sizeof(*c->socket));
	if (!c->socket || gate_socket_begin(c->x, &calls)) {
		answer_fail(c, FAIL_MEMORY, NULL);
		return;
	}
	c->socket->of = c;
	c->socket->look_us = clock_mono_us() + LOOK_US;
	ws_reader_init(&c->socket->side[SIDE_CLIENT].reader, true, message);
	ws_reader_init(&c->socket->side[SIDE_PROVIDER].reader, false, message);
	buf_consume(&u->in, head);
	upstream_forget_sent(u);
	c->out.cap = u->out.cap = room;
	u->request.whole = true;
	u->answer.head_done = true;
	c->last_request = true;
	c->result.status = m->head.status;
	c->answer.life = RESPONSE_BEGUN;
	edge_enter(c, EDGE_SOCKET);
	for (size_t i = 0; i < SIDES; i++)
		c->socket->side[i].heard_us = clock_mono_us();
	put_accepted(c);
	gate_heard(c->x, true);
	socket_progress(c);
}
