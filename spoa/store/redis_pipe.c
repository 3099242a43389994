/* Pipelines with deadlines. One that is past its deadline is answered ERR_TIMEOUT and opens
 * the circuit of the servers that were silent; its memory stays until hiredis has given
 * every callback. Of a cluster each command goes to the node that holds its key, in order,
 * and follows redirections (Redis Cluster specification, "MOVED redirection", "ASK
 * redirection"); while a slot moves, an MGET is asked key by key where the node says
 * TRYAGAIN. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "store/redis_find.h"
#include "store/redis_private.h"

enum { HOPS_MAX = 5 };

struct redis_pipe {
	struct tag tag;
	struct redis *r;
	redis_cb *cb;
	void *arg;
	redis_hash_cb *hash_cb; /* instead of cb: the whole is one HGETALL */
	size_t fields, bytes;
	const redisReply *hash; /* during on_reply() */
	TAILQ_ENTRY(redis_pipe) of_sent;
	struct redis_pipe *next; /* failed */
	uint64_t deadline_us;
	bool listed, answered;
	bool soon; /* in f->failed, which frees it */
	int err;
	size_t n, cap, waits;
	LIST_HEAD(, redis_call) calls;	   /* of a cluster, not yet answered */
	struct redis_reply_ints replies[]; /* cap of them, then what arg points to */
};

/* A command to a cluster, kept until it is answered: it may have to go elsewhere. */
struct redis_call {
	struct tag tag;
	struct redis_pipe *p;
	LIST_ENTRY(redis_call) of_pipe;
	struct redis *node;
	size_t reply;
	int element; /* of the reply's list; -1: the whole */
	unsigned hops;
	size_t n;
	char command[];
};

/* ---- telling ---- */

static void
unlist(struct redis_pipe *p)
{
	if (p->listed)
		TAILQ_REMOVE(&p->r->f->sent, p, of_sent);
	p->listed = false;
}

static void
pipe_free(struct redis_pipe *p)
{
	unlist(p);
	free(p);
}

static void
answer_hash(struct redis_pipe *p, int err)
{
	const redisReply *reply = p->hash;
	size_t n = reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0, bytes = 0;
	struct span *v = NULL;

	if (!err && (!reply || reply->type != REDIS_REPLY_ARRAY || n % 2))
		err = ERR_SYNTAX;
	if (!err && n / 2 > p->fields)
		err = ERR_LIMIT;
	if (!err && !(v = calloc(n + 1, sizeof(*v))))
		err = ERR_NOMEM;
	for (size_t i = 0; !err && i < n; i++) {
		const redisReply *e = reply->element[i];
		if (e->type != REDIS_REPLY_STRING)
			err = ERR_SYNTAX;
		else if ((bytes += e->len) > p->bytes)
			err = ERR_LIMIT;
		else
			v[i] = span_of(e->str, e->len);
	}
	p->hash_cb(p->arg, err, v, err ? 0 : n / 2);
	free(v);
}

static void
answer(struct redis_pipe *p, int err)
{
	if (p->answered)
		return;
	p->answered = true;
	unlist(p);
	for (size_t i = 0; !err && i < p->n; i++)
		if (p->replies[i].err == ERR_IO || p->replies[i].err == ERR_TIMEOUT) {
			metric_inc(p->r->metrics, M_REDIS_ERRORS);
			break;
		}
	if (err)
		metric_inc(p->r->metrics, M_REDIS_ERRORS);
	if (p->hash_cb)
		answer_hash(p, err ? err : p->hash ? 0 : p->replies[0].err);
	if (p->cb)
		p->cb(p->arg, err, p->replies, err ? 0 : p->n);
}

/* One command of it is answered, or never will be. */
static void
settle(struct redis_pipe *p)
{
	if (--p->waits)
		return;
	answer(p, p->err);
	if (!p->soon)
		pipe_free(p);
}

/* ---- replies ---- */

static void
read_reply(struct redis_reply_ints *to, const redisReply *reply)
{
	to->err = ERR_SYNTAX;
	if (reply->type == REDIS_REPLY_INTEGER)
		to->i = reply->integer;
	else if (reply->type == REDIS_REPLY_ARRAY && reply->elements <= REDIS_LIST_MAX)
		for (; to->n < reply->elements; to->n++) {
			const redisReply *e = reply->element[to->n];
			to->list[to->n] =
				e->type == REDIS_REPLY_STRING ? strtoll(e->str, NULL, 10) : 0;
		}
	else if (reply->type != REDIS_REPLY_STATUS)
		return;
	to->err = 0;
}

/* A master that became a replica: whatever is written here is lost. */
static void
look_for_role(struct redis *r, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR &&
		span_starts(span_of(reply->str, reply->len), SPAN_LIT("READONLY")))
		r->wrong = true;
}

static void
on_reply(redisAsyncContext *ac, void *reply, void *priv)
{
	struct redis_pipe *p = TAGGED(redis_pipe, priv);

	if (!reply) {
		p->err = ERR_IO;
	} else if (p->hash_cb) {
		p->hash = reply;
	} else {
		look_for_role(ac->data, reply);
		read_reply(&p->replies[p->n - p->waits], reply);
	}
	settle(p);
}

/* ---- commands to a cluster ---- */

static void on_call(redisAsyncContext *ac, void *reply, void *priv);

static void
call_end(struct redis_call *c)
{
	struct redis_pipe *p = c->p;

	LIST_REMOVE(c, of_pipe);
	free(c);
	settle(p);
}

static bool
call_send(struct redis_call *c, struct redis *to)
{
	c->node = to;
	return to && to->connected && !to->open &&
	       redisAsyncFormattedCommand(to->ac, on_call, c, c->command, c->n) == REDIS_OK;
}

static struct redis_call *
call_new(struct redis_pipe *p, size_t reply, int element, struct span command)
{
	struct redis_call *c = calloc(1, sizeof(*c) + command.n);

	if (!c)
		abort(); /* a hundred bytes: nothing sensible is left to do */
	TAG(redis_call, c);
	c->p = p;
	c->reply = reply;
	c->element = element;
	c->n = command.n;
	memcpy(c->command, command.p, command.n);
	LIST_INSERT_HEAD(&p->calls, c, of_pipe);
	p->waits++;
	return c;
}

/* The Redis serialisation protocol, as a client sends it: "*ARGC", then each
 * argument as "$BYTES" and itself. Lives until the next one. */
static struct span
format(struct buf *b, int argc, const char **argv, const size_t *lens)
{
	buf_clear(b);
	buf_putc(b, '*');
	buf_int(b, argc);
	for (int i = 0; i < argc; i++) {
		char *to = buf_reserve(b, lens[i] + SPAN_DECIMAL + 5);
		if (!to)
			break;
		size_t n = 3;
		memcpy(to, "\r\n$", 3);
		n += span_decimal(to + n, (int64_t)lens[i]);
		memcpy(to + n, "\r\n", 2);
		memcpy(to + n + 2, argv[i], lens[i]);
		buf_commit(b, n + 2 + lens[i]);
	}
	buf_str(b, "\r\n");
	return buf_failed(b) ? (struct span){ NULL, 0 } : buf_view(b);
}

/* The next argument of a formatted command: "$BYTES CRLF argument CRLF". */
static struct span
next_argument(struct span *s)
{
	struct span length = span_trim(span_next(s, '\n'), "$\r");
	uint64_t n = 0;

	INVARIANT(span_u64(length, &n) == 0 && n + 2 <= s->n);
	struct span arg = span_cut(*s, 0, n);
	*s = span_cut(*s, n + 2, s->n);
	return arg;
}

/* Some keys of an MGET are at the old node, some at the new one: they are asked one by one.
 * Each may be answered as a whole would have been. */
static bool
split(struct redis_call *c)
{
	struct span s = span_of(c->command, c->n);
	struct redis_reply_ints *to = &c->p->replies[c->reply];
	int n = 0;

	span_next(&s, '\n');
	if (c->element >= 0 || !span_is(next_argument(&s), "MGET"))
		return false;
	to->err = ERR_TIMEOUT; /* until all are answered: */
	to->i = 0;
	for (; s.n; n++, to->i++) {
		struct span key = next_argument(&s);
		const char *argv[] = { "GET", key.p };
		const size_t lens[] = { 3, key.n };
		struct span get = format(&c->p->r->f->command, 2, argv, lens);
		INVARIANT(get.p && n < REDIS_LIST_MAX);
		struct redis_call *one = call_new(c->p, c->reply, n, get);
		if (!call_send(one, c->node)) {
			to->err = ERR_IO;
			call_end(one);
		}
	}
	to->n = (size_t)n;
	return true;
}

static void
on_asking(redisAsyncContext *ac UNUSED, void *reply UNUSED, void *priv UNUSED)
{
}

/* "MOVED SLOT HOST:PORT" and "ASK SLOT HOST:PORT": true where the command is on its way
 * again. */
static bool
follow(struct redis_call *c, struct span said)
{
	struct redis *front = c->p->r;
	struct span word = span_next(&said, ' ');
	bool ask = span_is(word, "ASK"), moved = span_is(word, "MOVED");
	struct redis_place place;
	uint64_t slot;

	if (span_is(word, "TRYAGAIN") && split(c)) {
		call_end(c);
		return true;
	}
	if ((!ask && !moved) || ++c->hops > HOPS_MAX ||
		span_u64(span_next(&said, ' '), &slot) || slot >= REDIS_SLOTS ||
		redis_place_read(said, c->node->place.host, &place))
		return false;
	struct redis *to = redis_node_at(front, &place);
	if (moved) {
		redis_finder_again(front->f->finder);
		if (to)
			front->f->owner[slot] = to;
	}
	if (ask && to && to->connected && !to->open)
		redisAsyncCommand(to->ac, on_asking, NULL, "ASKING");
	return call_send(c, to);
}

static void
on_call(redisAsyncContext *ac, void *priv_reply, void *priv)
{
	struct redis_call *c = TAGGED(redis_call, priv);
	struct redis_reply_ints *to = &c->p->replies[c->reply];
	const redisReply *reply = priv_reply;

	if (!reply) {
		to->err = ERR_IO;
	} else if (reply->type == REDIS_REPLY_ERROR &&
		   follow(c, span_of(reply->str, reply->len))) {
		return;
	} else if (reply->type == REDIS_REPLY_ERROR) {
		look_for_role(ac->data, reply);
		to->err = c->hops ? ERR_IO : ERR_SYNTAX;
	} else if (c->p->hash_cb) {
		c->p->hash = reply;
		to->err = 0;
	} else if (c->element < 0) {
		read_reply(to, reply);
	} else {
		if (reply->type == REDIS_REPLY_STRING)
			to->list[c->element] = strtoll(reply->str, NULL, 10);
		if (--to->i == 0 && to->err == ERR_TIMEOUT)
			to->err = 0;
	}
	call_end(c);
}

/* What cannot be sent fails alone: another node may hold the others. */
static void
call_begin(struct redis_pipe *p, struct redis *node, struct span command)
{
	struct redis_call *c;

	p->replies[p->n].err = ERR_IO;
	if (node && node->connected && !node->open) {
		p->replies[p->n].err = ERR_TIMEOUT; /* until it is answered */
		c = call_new(p, p->n, -1, command);
		if (!call_send(c, node)) {
			p->replies[p->n].err = ERR_IO;
			LIST_REMOVE(c, of_pipe);
			p->waits--;
			free(c);
		}
	}
	p->n++;
}

/* ---- pipelines ---- */

struct redis_pipe *
redis_begin(struct redis *r, size_t commands, redis_cb *cb, const void *arg, size_t bytes)
{
	struct redis_pipe *p = calloc(1, sizeof(*p) + commands * sizeof(p->replies[0]) + bytes);

	if (!p)
		abort(); /* some kilobytes: nothing sensible is left to do */
	TAG(redis_pipe, p);
	LIST_INIT(&p->calls);
	p->r = r;
	p->cb = cb;
	p->cap = commands;
	p->arg = &p->replies[commands];
	if (bytes)
		memcpy(p->arg, arg, bytes);
	if (!r->f->cluster && (!r->connected || r->open))
		p->err = ERR_IO;
	return p;
}

void
redis_command_at(struct redis_pipe *p, struct redis *node, int argc, const char **argv,
	const size_t *lens)
{
	if (p->err)
		return;
	INVARIANT(p->n < p->cap);
	struct span command = format(&p->r->f->command, argc, argv, lens);
	if (command.p && p->r->f->cluster) {
		call_begin(p, node, command);
		return;
	}
	if (!command.p || redisAsyncFormattedCommand(
				  p->r->ac, on_reply, p, command.p, command.n) != REDIS_OK) {
		p->err = ERR_IO;
		return;
	}
	p->n++;
	p->waits++;
}

void
redis_command(struct redis_pipe *p, int argc, const char **argv, const size_t *lens)
{
	redis_command_at(p, argc > 1 ? redis_at(p->r, span_of(argv[1], lens[1])) : p->r, argc,
		argv, lens);
}

void
redis_pipes_failed(struct redis *r)
{
	for (struct redis_pipe *p; (p = r->f->failed);) {
		r->f->failed = p->next;
		p->soon = false;
		answer(p, p->err);
		/* Commands that did go out still bring replies to it. */
		if (!p->waits)
			pipe_free(p);
	}
}

void
redis_send(struct redis_pipe *p)
{
	struct redis *r = p->r;

	if (p->err || !p->waits) {
		p->soon = true;
		p->next = r->f->failed;
		r->f->failed = p;
		if (!ev_is_active(&r->f->soon)) {
			ev_timer_set(&r->f->soon, 0., 0.);
			ev_timer_start(r->loop, &r->f->soon);
		}
		return;
	}
	p->deadline_us = clock_mono_us() + r->deadline_us;
	p->listed = true;
	TAILQ_INSERT_TAIL(&r->f->sent, p, of_sent);
}

void
redis_hash(struct redis *r, struct span key, size_t fields, size_t bytes, redis_hash_cb *cb,
	void *arg)
{
	struct redis_pipe *p = redis_begin(r, 1, NULL, NULL, 0);
	const char *argv[] = { "HGETALL", key.p };
	const size_t lens[] = { 7, key.n };

	p->hash_cb = cb;
	p->arg = arg;
	p->fields = fields;
	p->bytes = bytes;
	redis_command(p, 2, argv, lens);
	redis_send(p);
}

void
redis_pipes_late(struct redis *r, uint64_t now)
{
	struct redis_call *c;

	for (struct redis_pipe *p; (p = TAILQ_FIRST(&r->f->sent)) && p->deadline_us <= now;) {
		LIST_FOREACH (c, &p->calls, of_pipe)
			redis_conn_late(c->node);
		if (!r->f->cluster)
			redis_conn_late(r);
		answer(p, r->f->cluster ? 0 : ERR_TIMEOUT);
	}
}

void
redis_pipes_end(struct redis *r)
{
	struct redis_pipe *p;

	TAILQ_FOREACH (p, &r->f->sent, of_sent)
		p->answered = true;
	for (p = r->f->failed; p; p = p->next)
		p->answered = true;
	redis_pipes_failed(r);
}
