/* A NOTIFY from its bytes to its ACK: the frame's memory, the table of calls in flight, and the
 * ACK.
 *
 * Each frame has memory of its own, so that a call may wait for Redis or the journal while later
 * frames arrive and leave, and so that two requests never share a buffer. Released memory is
 * zeroed and cached by size for the next frame. ACKs are sent in any order: a call is identified
 * by connection, stream and frame (SPOE.txt 3.2.7). */
#include "base/caps.h"
#include "base/err.h"
#include "net/agent_int.h"

#include <stdlib.h>

/* Returns the class of memory for that many bytes, and the size of its blocks. AGENT_CLASSES:
 * too large to be cached. */
static size_t
class_of(size_t bytes, size_t *size)
{
	size_t class = 0;

	while (class < AGENT_CLASSES && (size_t)4096 << class < bytes)
		class ++;
	*size = class < AGENT_CLASSES ? (size_t)4096 << class : bytes;
	return class;
}

struct agent_call *
call_new(struct agent_conn *c, size_t n)
{
	struct agent *ag = c->ag;
	size_t size, class = class_of(sizeof(struct agent_call) + n, &size);
	struct agent_call *call = class < AGENT_CLASSES ? ag->cache[class] : NULL;

	if (call) {
		INVARIANT(call->size == size && ag->cached_bytes >= size);
		ag->cache[class] = call->chain;
		ag->cached_bytes -= size;
	} else if (!(call = malloc(size))) {
		return NULL;
	}
	call->chain = NULL;
	call->conn = c;
	TAG(agent_call, call);
	call->data = NULL;
	call->stream = call->frame = 0;
	call->messages = call->inline_messages;
	call->args = call->inline_args;
	call->size = size;
	call->have = 0;
	call->n = n;
	ag->held_bytes += size;
	return call;
}

void
call_free(struct agent *ag, struct agent_call *call)
{
	size_t size, class = class_of(call->size, &size);

	INVARIANT(call->have <= call->n && ag->held_bytes >= call->size && call->conn->in != call);
	TAG_CLEAR(agent_call, call);
	if (call->args != call->inline_args)
		free(call->args);
	explicit_bzero(call->bytes, call->have);
	ag->held_bytes -= call->size;
	if (class < AGENT_CLASSES && ag->cached_bytes + size <= CAP_SPOP_CACHED) {
		call->chain = ag->cache[class];
		ag->cache[class] = call;
		ag->cached_bytes += size;
	} else {
		free(call);
	}
	if (ag->starved && ag->held_bytes < CAP_SPOP_HELD) {
		ag->starved = false;
		struct agent_conn *c;
		LIST_FOREACH (c, &ag->conns, all)
			conn_resume(c);
	}
}

static size_t
bucket(const struct agent *ag, const struct agent_conn *c, uint64_t stream, uint64_t frame)
{
	uint64_t h = (uint64_t)(uintptr_t)c * 0x9e3779b97f4a7c15u;

	h = (h ^ h >> 32 ^ stream) * 0xbf58476d1ce4e5b9u;
	h = (h ^ h >> 29 ^ frame) * 0x94d049bb133111ebu;
	return (size_t)(h ^ h >> 32) & (ag->nbuckets - 1);
}

struct agent_call *
call_find(const struct agent_conn *c, uint64_t stream, uint64_t frame)
{
	struct agent *ag = c->ag;

	if (!ag->nbuckets)
		return NULL;
	struct agent_call *call = ag->table[bucket(ag, c, stream, frame)];
	while (call && !(call->conn == c && call->stream == stream && call->frame == frame))
		call = call->chain;
	return call;
}

/* Grows the table so that it has at least one bucket for each call in flight. Returns false if
 * memory is exhausted. */
static bool
grow_calls(struct agent *ag)
{
	size_t old = ag->nbuckets, n = old ? 2 * old : 64;

	if (ag->pending < old)
		return true;
	struct agent_call **was = ag->table, **now = calloc(n, sizeof(*now));
	if (!now)
		return false;
	ag->table = now;
	ag->nbuckets = n;
	for (size_t i = 0; i < old; i++) {
		for (struct agent_call *next, *call = was[i]; call; call = next) {
			next = call->chain;
			size_t at = bucket(ag, call->conn, call->stream, call->frame);
			call->chain = now[at];
			now[at] = call;
		}
	}
	free(was);
	return true;
}

/* Copies the messages and arguments from the agent's arrays, which hold the NOTIFY that was just
 * parsed. */
static bool
keep_call_room(struct agent_call *call, size_t nmessages, size_t nargs)
{
	const struct agent *ag = call->conn->ag;

	INVARIANT(nmessages <= CAP_SPOP_MESSAGES && nargs <= CAP_SPOP_ARGS);
	INVARIANT(call->args == call->inline_args); /* nothing was allocated yet */
	if (nmessages > AGENT_INLINE_MSGS || nargs > AGENT_INLINE_ARGS) {
		size_t args_bytes = nargs * sizeof(*call->args);
		void *p = malloc(args_bytes + nmessages * sizeof(*call->messages));
		if (!p)
			return false;
		call->args = p;
		call->messages = (struct spop_message *)(void *)((char *)p + args_bytes);
	}
	memcpy(call->args, ag->args, nargs * sizeof(*call->args));
	for (size_t i = 0; i < nmessages; i++) {
		call->messages[i] = ag->messages[i];
		call->messages[i].args = call->args + (ag->messages[i].args - ag->args);
	}
	return true;
}

enum spop_status
call_start(struct agent_call *call, const struct spop_frame *f)
{
	struct agent_conn *c = call->conn;
	struct agent *ag = c->ag;
	size_t nmessages = CAP_SPOP_MESSAGES, nargs = CAP_SPOP_ARGS;
	enum spop_status err =
		spop_messages_read(f->payload, ag->messages, &nmessages, ag->args, &nargs);

	INVARIANT(call->have == call->n && c->state == CONN_OPEN);
	if (err)
		return err;
	if (call_find(c, f->stream, f->frame))
		return SPOP_E_INTERLACED;
	if (!grow_calls(ag) || !keep_call_room(call, nmessages, nargs))
		return SPOP_E_RESOURCE;
	call->stream = f->stream;
	call->frame = f->frame;
	struct agent_call **at = &ag->table[bucket(ag, c, f->stream, f->frame)];
	call->chain = *at;
	*at = call;
	LIST_INSERT_HEAD(&c->calls, call, of_conn);
	c->ncalls++;
	ag->pending++;
	metric_inc(ag->m, M_SPOP_NOTIFY);
	if (nmessages)
		ag->ops.notify(ag->ops.ctx, call, call->messages, nmessages);
	else
		agent_ack(call, NULL, 0);
	return SPOP_OK;
}

/* Takes the call out of the table and of its connection. */
static void
end_agent_call(struct agent_call *call)
{
	struct agent_conn *c = call->conn;
	struct agent *ag = c->ag;
	struct agent_call **at = &ag->table[bucket(ag, c, call->stream, call->frame)];

	while (*at && *at != call)
		at = &(*at)->chain;
	INVARIANT(*at == call && c->ncalls > 0 && ag->pending > 0);
	*at = call->chain;
	LIST_REMOVE(call, of_conn);
	c->ncalls--;
	ag->pending--;
}

void
call_drop(struct agent_call *call)
{
	struct agent *ag = TAGGED(agent_call, call)->conn->ag;

	end_agent_call(call);
	metric_inc(ag->m, M_SPOP_DROPPED);
	ag->ops.gone(ag->ops.ctx, call);
	call_free(ag, call);
}

void
agent_call_set(struct agent_call *call, void *data)
{
	TAGGED(agent_call, call)->data = data;
}

void *
agent_call_data(const struct agent_call *call)
{
	return call->data;
}

size_t
agent_ack_room(const struct agent_call *call)
{
	INVARIANT(call->conn->max_frame >= SPOP_MIN_MAX_FRAME);
	return call->conn->max_frame - spop_ack_head_bytes(call->stream, call->frame);
}

int
agent_ack(struct agent_call *call, const struct spop_action *actions, size_t n)
{
	struct agent_conn *c = TAGGED(agent_call, call)->conn;
	struct agent *ag = c->ag;
	int err = ERR_CLOSED;

	if (spop_actions_bytes(actions, n) > agent_ack_room(call))
		return ERR_LIMIT;
	if (c->state == CONN_OPEN) {
		spop_put_ack(conn_out(c), call->stream, call->frame, actions, n);
		err = buf_failed(&c->out) ? ERR_NOMEM : 0;
		if (err)
			conn_break(c);
		else
			metric_inc(ag->m, M_SPOP_ACK);
	}
	end_agent_call(call);
	call_free(ag, call);
	conn_resume(c);
	return err;
}
