/* Pipelines with deadlines, and the commands in them. A pipeline past its deadline gets
 * ERR_TIMEOUT and opens the circuit of the servers that were silent. Its memory stays until
 * hiredis has called every callback.
 *
 * In a cluster, each command is sent to the node that holds its key, in order, and follows
 * redirections (Redis Cluster specification, "MOVED redirection", "ASK redirection"). An MGET is
 * divided by the slots of its keys. If a node replies TRYAGAIN while a slot moves, its keys are
 * asked for one by one. */
#include "base/redis/redis_private.h"

#include <stdlib.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_replies.h"

/* ---- calling the callbacks ---- */

static void
unlist_pipe(struct redis_pipe *p)
{
	if (p->listed)
		TAILQ_REMOVE(&p->r->f->sent, p, of_sent);
	p->listed = false;
}

static void
pipe_free(struct redis_pipe *p)
{
	INVARIANT(!p->waits && !p->soon && p->answered && LIST_EMPTY(&p->calls));
	unlist_pipe(p);
	TAG_CLEAR(redis_pipe, p);
	free(p);
}

/* Calls the callback of redis_value() with GET's reply. */
static void
answer_value(struct redis_pipe *p, const redisReply *reply)
{
	bool there = reply->type == REDIS_REPLY_STRING;
	struct span pair[2] = { { NULL, 0 }, { NULL, 0 } };
	int err = there && reply->len > p->bytes	     ? ERR_LIMIT
		  : !there && reply->type != REDIS_REPLY_NIL ? ERR_SYNTAX
							     : 0;

	if (there && !err)
		pair[1] = span_of(reply->str, reply->len);
	p->hash_cb(p->arg, err, pair, there && !err);
}

static void
answer_hash(struct redis_pipe *p, int err)
{
	const redisReply *reply = p->hash;
	size_t n = reply && reply->type == REDIS_REPLY_ARRAY ? reply->elements : 0, bytes = 0;
	struct span *v = NULL;

	if (p->single && !err && reply) {
		answer_value(p, reply);
		return;
	}
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

/* Returns why the replies cannot be used; 0: they can. In a cluster, any node may have failed. */
static int
pipe_failure(const struct redis_pipe *p)
{
	int err = p->err;

	for (size_t i = 0; !err && p->r->f->cluster && i < p->n; i++)
		if (p->replies[i].err == ERR_IO || p->replies[i].err == ERR_TIMEOUT)
			err = ERR_IO;
	return err;
}

static void
answer_pipe(struct redis_pipe *p, int err)
{
	if (p->answered)
		return;
	p->answered = true;
	unlist_pipe(p);
	if (!err)
		err = pipe_failure(p);
	if (err)
		metric_inc(p->r->metrics, M_REDIS_ERRORS);
	if (p->hash_cb)
		answer_hash(p, err);
	if (p->cb)
		p->cb(p->arg, err, p->replies, err ? 0 : p->n);
}

/* One command has its reply, or will never have one. */
static void
redis_pipe_settle(struct redis_pipe *p)
{
	INVARIANT(p->waits > 0);
	if (--p->waits)
		return;
	if (p->timed_out && p->late) {
		int err = pipe_failure(p);
		p->late(p->arg, err, p->replies, err ? 0 : p->n);
	}
	answer_pipe(p, p->err);
	if (!p->soon)
		pipe_free(p);
}

/* ---- replies ---- */

void
redis_pipe_read(struct redis_reply_ints *to, const redisReply *reply)
{
	to->err = ERR_SYNTAX;
	to->nil = reply->type == REDIS_REPLY_NIL;
	if (reply->type == REDIS_REPLY_ERROR) {
		to->err = redis_is_full(reply) ? ERR_FULL : ERR_SYNTAX;
		to->forbidden = redis_forbids(reply);
		to->split = span_starts(span_of(reply->str, reply->len), span_str("TRYAGAIN"));
		return;
	}
	if (reply->type == REDIS_REPLY_INTEGER)
		to->i = reply->integer;
	else if (reply->type == REDIS_REPLY_ARRAY && reply->elements <= REDIS_LIST_MAX)
		for (; to->n < reply->elements; to->n++) {
			const redisReply *e = reply->element[to->n];
			if (e->type == REDIS_REPLY_ERROR)
				return;
			to->list[to->n] = e->type == REDIS_REPLY_STRING
						  ? strtoll(e->str, NULL, 10)
					  : e->type == REDIS_REPLY_INTEGER ? e->integer
									   : 0;
		}
	else if (reply->type != REDIS_REPLY_STATUS)
		return;
	to->err = 0;
}

/* A master that became a replica loses what is written to it. */
void
redis_pipe_role(struct redis *r, const redisReply *reply)
{
	if (reply->type == REDIS_REPLY_ERROR &&
		span_starts(span_of(reply->str, reply->len), SPAN_LIT("READONLY")))
		r->wrong = true;
}

static void
on_reply(redisAsyncContext *ac, void *reply, void *priv)
{
	struct redis_pipe *p = TAGGED(redis_pipe, priv);

	INVARIANT(p->waits > 0 && p->waits <= p->n && p->n <= p->cap);
	if (!reply) {
		p->err = ERR_IO;
	} else if (p->hash_cb) {
		p->hash = reply;
	} else {
		redis_pipe_role(ac->data, reply);
		redis_pipe_read(&p->replies[p->n - p->waits], reply);
	}
	redis_pipe_settle(p);
}

/* Formats a command in the Redis serialization protocol: "*ARGC", then each argument as "$BYTES"
 * and itself. Example: GET a is "*2\r\n$3\r\nGET\r\n$1\r\na\r\n". The result is valid until the
 * next call. */
static struct span
redis_pipe_format(struct buf *b, int argc, const char **argv, const size_t *lens)
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

/* ---- commands to a cluster ---- */

enum { HOPS_MAX = 5 };

/* A command to a cluster. It is kept until it has its reply, because it may have to be sent to
 * another node. owner: its pipeline. */
struct redis_call {
	struct tag tag;
	struct redis_pipe *p;
	LIST_ENTRY(redis_call) of_pipe;
	struct redis *node;
	size_t reply;
	size_t from, part; /* elements of the reply's list; part 0: the whole reply */
	unsigned hops;
	bool reads; /* the command changes nothing */
	bool away, held;
	bool asking; /* it was sent after an ASKING */
	unsigned round; /* the pipeline's round when it was sent after all writes */
	size_t n;
	char command[];
};

static void on_call(redisAsyncContext *ac, void *reply, void *priv);

/* Removes the next argument of a formatted command: "$BYTES CRLF argument CRLF". */
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

static bool
is_read_command(struct span command)
{
	static const char *const names[] = { "GET", "MGET", "TIME", "HGETALL", "HMGET" };

	span_next(&command, '\n');
	return span_find(next_argument(&command), names, COUNT_OF(names)) < COUNT_OF(names);
}

/* Returns the key of the command: the first argument; of an EVAL the third one. Valid as long as
 * the call. */
static struct span
key_of_call(const struct redis_call *c)
{
	struct span s = span_of(c->command, c->n);

	span_next(&s, '\n');
	if (span_is(next_argument(&s), "EVAL")) {
		next_argument(&s);
		next_argument(&s);
	}
	return next_argument(&s);
}

static unsigned
key_slot(const struct redis_call *c)
{
	return redis_slot(key_of_call(c));
}

/* Notes that a node has redirected the slot, and informs the other workers of the daemon. */
static void
slot_is_at(const struct redis_call *c, unsigned slot, struct redis *node,
	const struct redis_place *place)
{
	struct redis *front = c->p->r;

	redis_note_moved_slot(front, slot, node);
	redis_finder_report_moved(front->f->finder, slot, place);
}

static void repeat_reads(struct redis_pipe *p);

static void
redis_call_end(struct redis_call *c)
{
	struct redis_pipe *p = c->p;

	INVARIANT(!c->away || p->writes_away > 0);
	INVARIANT(!c->held || p->waits > 0);
	if (c->away && --p->writes_away == 0)
		repeat_reads(p);
	LIST_REMOVE(c, of_pipe);
	TAG_CLEAR(redis_call, c);
	free(c);
	redis_pipe_settle(p);
}

/* Returns true if this reply must be read again later. A caller that first writes and then reads
 * relies on the order. If a write of the pipeline was redirected, reads that overtook it are
 * repeated after it. */
static bool
hold_call(struct redis_call *c)
{
	const struct redis_pipe *p = c->p;

	c->held = c->reads && !p->answered && (p->writes_away || c->round != p->round);
	return c->held;
}

/* Sends the command. Returns false if it could not be sent; its reply then has the error. */
static bool
call_send(struct redis_call *c, struct redis *to)
{
	c->node = to;
	c->round = c->p->writes_away ? c->p->round - 1 : c->p->round;
	if (to && conn_takes(to) &&
		redisAsyncFormattedCommand(to->ac, on_call, c, c->command, c->n) == REDIS_OK)
		return true;
	c->p->replies[c->reply].err = ERR_IO;
	return false;
}

static void
repeat_reads(struct redis_pipe *p)
{
	const struct redis_front *f = p->r->f;
	struct redis_call *c, *next;

	for (c = LIST_FIRST(&p->calls); c; c = next) {
		struct redis *to = NULL;
		next = LIST_NEXT(c, of_pipe);
		if (!c->held)
			continue;
		c->held = false;
		for (size_t i = 0; i < f->nodes; i++)
			if (f->node[i] == c->node)
				to = c->node;
		/* The write that was waited for still counts as pending, so the pipeline is not
		 * freed. */
		if (!call_send(c, to))
			redis_call_end(c);
	}
}

/* Sends a command whose reply is `part` elements from `from` on; 0: the whole reply. */
static void
call_begin(struct redis_pipe *p, size_t reply, size_t from, size_t part, struct redis *to,
	struct span command)
{
	struct redis_call *c = calloc(1, sizeof(*c) + command.n);

	INVARIANT(reply < p->cap && from + part <= REDIS_LIST_MAX);
	if (!c)
		/* without memory for about a hundred bytes, the process cannot continue */
		abort();
	TAG(redis_call, c);
	c->p = p;
	c->reply = reply;
	c->from = from;
	c->part = part;
	c->n = command.n;
	c->reads = is_read_command(command);
	memcpy(c->command, command.p, command.n);
	LIST_INSERT_HEAD(&p->calls, c, of_pipe);
	p->waits++;
	if (!call_send(c, to)) {
		LIST_REMOVE(c, of_pipe);
		p->waits--;
		TAG_CLEAR(redis_call, c);
		free(c);
	}
}

static void
get_begin(struct redis_pipe *p, size_t reply, size_t from, size_t n, struct redis *to,
	const char **keys, const size_t *key_lens)
{
	const char *argv[1 + REDIS_LIST_MAX] = { n > 1 ? "MGET" : "GET" };
	size_t lens[1 + REDIS_LIST_MAX] = { n > 1 ? 4 : 3 };

	memcpy(argv + 1, keys, n * sizeof(*argv));
	memcpy(lens + 1, key_lens, n * sizeof(*lens));
	call_begin(p, reply, from, n, to,
		redis_pipe_format(&p->r->f->command, (int)n + 1, argv, lens));
}

/* Expects a list whose elements arrive in `parts` replies. Until all have arrived, the reply is
 * late. */
static void
expect_parts(struct redis_reply_ints *to, size_t n, size_t parts)
{
	to->err = ERR_TIMEOUT;
	to->n = n;
	to->i = (int64_t)parts;
}

/* Divides an MGET whose keys are in several slots: one MGET for each run of keys in the same
 * slot. Returns false if there is only one slot. */
static bool
mget_begin(struct redis_pipe *p, size_t n, const char **keys, const size_t *lens)
{
	unsigned slot[REDIS_LIST_MAX];
	size_t runs = 0;

	INVARIANT(n <= REDIS_LIST_MAX);
	for (size_t i = 0; i < n; i++) {
		slot[i] = redis_slot(span_of(keys[i], lens[i]));
		runs += i == 0 || slot[i] != slot[i - 1];
	}
	if (runs < 2)
		return false;
	expect_parts(&p->replies[p->n], n, runs);
	for (size_t i = 0, end; i < n; i = end) {
		for (end = i + 1; end < n && slot[end] == slot[i];)
			end++;
		get_begin(p, p->n, i, end - i, p->r->f->owner[slot[i]], keys + i, lens + i);
	}
	return true;
}

/* Some keys of an MGET are at the old node, some at the new one. Asks for them one by one; each
 * gets the redirections that the whole would have got. */
static bool
ask_singly(struct redis_call *c)
{
	struct span s = span_of(c->command, c->n);
	struct redis_reply_ints *to = &c->p->replies[c->reply];
	const char *keys[REDIS_LIST_MAX];
	size_t lens[REDIS_LIST_MAX], n = 0;

	span_next(&s, '\n');
	if (!span_is(next_argument(&s), "MGET"))
		return false;
	for (; s.n && n < REDIS_LIST_MAX; n++) {
		struct span key = next_argument(&s);
		keys[n] = key.p;
		lens[n] = key.n;
	}
	if (!c->part)
		expect_parts(to, n, n);
	else
		to->i += (int64_t)n - 1;
	for (size_t i = 0; i < n; i++)
		get_begin(c->p, c->reply, c->from + i, 1, c->node, keys + i, lens + i);
	return true;
}

/* Handles the reply to the question whether the node owns the slot, which follows a write that
 * an ASK redirected. */
static void
on_owner(redisAsyncContext *ac UNUSED, void *priv_reply, void *priv)
{
	struct redis_call *c = TAGGED(redis_call, priv);
	const redisReply *reply = priv_reply;

	if (!reply)
		c->p->replies[c->reply].err = ERR_IO;
	else if (reply->type != REDIS_REPLY_ERROR)
		slot_is_at(c, key_slot(c), c->node, &c->node->place);
	redis_call_end(c);
}

/* A node from which a slot moves replies ASK even if the other node already has the slot and the
 * first one has not heard of it. Workers that know it count there in another epoch. Therefore,
 * after the write, the other node is asked for the key once more, without ASKING. If that node
 * replies, the slot has moved, and the reservation is tried again there. If it redirects, every
 * count in the other epoch comes later and includes this one. Returns true if the question was
 * sent. */
static bool
ask_owner(struct redis_call *c)
{
	struct span key = key_of_call(c);
	struct span get = redis_pipe_format(&c->p->r->f->command, 2,
		(const char *[]){ "GET", key.p }, (const size_t[]){ 3, key.n });

	if (conn_takes(c->node) && redisAsyncFormattedCommand(c->node->ac, on_owner, c, get.p,
					   get.n) == REDIS_OK)
		return true;
	c->p->replies[c->reply].err = ERR_IO;
	return false;
}

static void
on_asking(redisAsyncContext *ac UNUSED, void *reply UNUSED, void *priv UNUSED)
{
}

/* Returns another node that accepts commands, or NULL. */
static struct redis *
another_node(const struct redis_front *f, const struct redis *not)
{
	for (size_t i = 0; i < f->nodes; i++)
		if (f->node[i] != not && conn_up(f->node[i]))
			return f->node[i];
	return NULL;
}

/* Follows "MOVED SLOT HOST:PORT" and "ASK SLOT HOST:PORT". Returns true if the command was sent
 * again. A node that was emptied and reset knows no slot and replies "CLUSTERDOWN Hash slot not
 * served": any other node can redirect. */
static bool
follow_redirection(struct redis_call *c, struct span said)
{
	struct redis *front = c->p->r;
	struct span word = span_next(&said, ' ');
	bool ask = span_is(word, "ASK"), moved = span_is(word, "MOVED"),
	     unserved = span_is(word, "CLUSTERDOWN") && span_is(said, "Hash slot not served");
	struct redis *to = unserved ? another_node(front->f, c->node) : NULL;
	struct redis_place place;
	uint64_t slot;

	if (span_is(word, "TRYAGAIN") && ask_singly(c)) {
		redis_call_end(c);
		return true;
	}
	if ((!ask && !moved && !to) || ++c->hops > HOPS_MAX)
		return false;
	if (!unserved && (span_u64(span_next(&said, ' '), &slot) || slot >= REDIS_SLOTS ||
				 redis_place_read(said, c->node->place.host, &place)))
		return false;
	if (!unserved)
		to = redis_node_at(front, &place);
	if (!c->reads) {
		c->p->writes_away += !c->away;
		c->p->round++;
		c->away = true;
	}
	if (moved)
		slot_is_at(c, (unsigned)slot, to, &place);
	if (ask || unserved)
		redis_finder_refresh(front->f->finder);
	c->asking = ask;
	if (ask && to && conn_takes(to))
		redisAsyncCommand(to->ac, on_asking, NULL, "ASKING");
	return call_send(c, to);
}

static void
read_reply_part(
	const struct redis_call *c, struct redis_reply_ints *to, const redisReply *reply)
{
	bool list = reply->type == REDIS_REPLY_ARRAY;

	INVARIANT(to->i > 0 && c->from + c->part <= to->n); /* this part was expected */
	if ((list ? reply->elements : 1) != c->part)
		to->err = ERR_SYNTAX;
	for (size_t i = 0; i < c->part && to->err == ERR_TIMEOUT; i++) {
		const redisReply *e = list ? reply->element[i] : reply;
		if (e->type == REDIS_REPLY_STRING)
			to->list[c->from + i] = strtoll(e->str, NULL, 10);
		else if (e->type != REDIS_REPLY_NIL)
			to->err = ERR_SYNTAX;
	}
	if (--to->i == 0 && to->err == ERR_TIMEOUT)
		to->err = 0;
}

static void
on_call(redisAsyncContext *ac, void *priv_reply, void *priv)
{
	struct redis_call *c = TAGGED(redis_call, priv);
	struct redis_reply_ints *to = &c->p->replies[c->reply];
	const redisReply *reply = priv_reply;

	if (!reply) {
		to->err = ERR_IO;
	} else if (reply->type == REDIS_REPLY_ERROR) {
		to->err = ERR_TIMEOUT;
		if (follow_redirection(c, span_of(reply->str, reply->len)))
			return; /* the pipeline may be freed */
		if (to->err == ERR_TIMEOUT)
			redis_pipe_read(to, reply);
		redis_pipe_role(ac->data, reply);
	} else if (hold_call(c)) {
		if (!c->p->writes_away)
			repeat_reads(c->p);
		return;
	} else if (c->p->hash_cb) {
		c->p->hash = reply;
		to->err = 0;
	} else if (c->part) {
		read_reply_part(c, to, reply);
	} else {
		redis_pipe_read(to, reply);
		if (c->asking && !c->reads && c->p->cb && ask_owner(c))
			return;
	}
	redis_call_end(c);
}

/* Adds a command to a cluster, for this node; an MGET for the nodes that hold its keys. */
static void
redis_call_begin(struct redis_pipe *p, struct redis *node, int argc, const char **argv,
	const size_t *lens)
{
	p->replies[p->n].err = ERR_TIMEOUT; /* until the reply arrives */
	bool mget = argc > 2 && argc <= 1 + REDIS_LIST_MAX && !strcmp(argv[0], "MGET");
	if (!mget || !mget_begin(p, (size_t)argc - 1, argv + 1, lens + 1))
		call_begin(p, p->n, 0, 0, node,
			redis_pipe_format(&p->r->f->command, argc, argv, lens));
	p->n++;
}

/* Opens the circuits of the nodes that have not replied. */
static void
redis_calls_late(struct redis_pipe *p)
{
	struct redis_call *c;

	LIST_FOREACH (c, &p->calls, of_pipe)
		if (!c->held)
			redis_conn_late(c->node);
}

/* ---- pipelines ---- */

struct redis_pipe *
redis_begin(struct redis *r, size_t commands, redis_cb *cb, const void *arg, size_t bytes)
{
	struct redis_pipe *p = calloc(1, sizeof(*p) + commands * sizeof(p->replies[0]) + bytes);

	if (!p)
		abort(); /* some kilobytes: the process cannot continue */
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
	INVARIANT(p->n < p->cap && !p->listed && !p->answered && argc > 0);
	if (p->r->f->cluster) {
		redis_call_begin(p, node, argc, argv, lens);
		return;
	}
	struct span command = redis_pipe_format(&p->r->f->command, argc, argv, lens);
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
	int key = argc > 3 && !strcmp(argv[0], "EVAL") ? 3 : 1;

	redis_command_at(p, argc > key ? redis_at(p->r, span_of(argv[key], lens[key])) : p->r,
		argc, argv, lens);
}

void
redis_pipes_failed(struct redis *r)
{
	for (struct redis_pipe *p; (p = r->f->failed);) {
		r->f->failed = p->next;
		p->soon = false;
		answer_pipe(p, p->err);
		/* Commands that were sent still get their replies. */
		if (!p->waits)
			pipe_free(p);
	}
}

void
redis_send(struct redis_pipe *p)
{
	struct redis *r = p->r;

	INVARIANT(!p->listed && !p->soon && !p->answered); /* a pipeline is sent once */
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
redis_send_only(struct redis *r, int argc, const char **argv, const size_t *lens)
{
	struct redis_pipe *p = redis_begin(r, 1, NULL, NULL, 0);

	redis_command(p, argc, argv, lens);
	redis_send(p);
}

void
redis_late(struct redis_pipe *p, redis_cb *late)
{
	INVARIANT(!p->late && !p->answered);
	p->late = late;
}

void
redis_pairs(struct redis *r, int argc, const char **argv, const size_t *lens, size_t fields,
	size_t bytes, redis_hash_cb *cb, void *arg)
{
	struct redis_pipe *p = redis_begin(r, 1, NULL, NULL, 0);

	p->hash_cb = cb;
	p->arg = arg;
	p->single = !fields; /* redis_value() was called */
	p->fields = fields;
	p->bytes = bytes;
	redis_command(p, argc, argv, lens);
	redis_send(p);
}

void
redis_hash(struct redis *r, struct span key, size_t fields, size_t bytes, redis_hash_cb *cb,
	void *arg)
{
	redis_pairs(r, 2, (const char *[]){ "HGETALL", key.p }, (size_t[]){ 7, key.n }, fields,
		bytes, cb, arg);
}

void
redis_value(struct redis *r, struct span key, size_t bytes, redis_hash_cb *cb, void *arg)
{
	redis_pairs(r, 2, (const char *[]){ "GET", key.p }, (size_t[]){ 3, key.n }, 0, bytes,
		cb, arg);
}

void
redis_pipes_late(struct redis *r, uint64_t now)
{
	for (struct redis_pipe *p; (p = TAILQ_FIRST(&r->f->sent)) && p->deadline_us <= now;) {
		redis_calls_late(p);
		if (!r->f->cluster)
			redis_conn_late(r);
		p->timed_out = true;
		answer_pipe(p, ERR_TIMEOUT);
	}
}

/* ---- a stream that gives way ---- */

/* the stream's end records how far it is, so the stream is never emptied */
enum { BALLAST_LEAST = 16 };

void
redis_ballast(struct redis *r, struct redis_ballast *b)
{
	r->f->ballast = b;
}

uint64_t
redis_ballast_left(uint64_t n, unsigned try)
{
	return n <= BALLAST_LEAST ? n : try <= 1 ? n - n / 8 - 1 : n / 2;
}

void
redis_ballast_trimmed(struct redis_ballast *b, uint64_t gone)
{
	uint64_t had = atomic_load(&b->entries);

	while (!atomic_compare_exchange_weak(&b->entries, &had, had > gone ? had - gone : 0))
		;
}

static void
on_trimmed(void *arg, int err, const struct redis_reply_ints *replies, size_t n)
{
	struct redis_ballast *b = *(struct redis_ballast **)arg;
	uint64_t gone = err || !n || replies->err || replies->i < 0 ? 0 : (uint64_t)replies->i;

	redis_ballast_trimmed(b, gone);
	atomic_fetch_add(&b->given, gone);
}

bool
redis_give_way(struct redis *r, unsigned try)
{
	struct redis_ballast *b = r->f->ballast;
	uint64_t n = b ? atomic_load(&b->entries) : 0, left = redis_ballast_left(n, try);
	char most[SPAN_DECIMAL];

	if (left == n)
		return false;
	struct redis_pipe *p = redis_begin(r, 1, on_trimmed, &b, sizeof(b));
	redis_command(p, 5, (const char *[]){ "XTRIM", b->key, "MAXLEN", "~", most },
		(const size_t[]){ 5, strlen(b->key), 6, 1, span_decimal(most, (int64_t)left) });
	redis_send(p);
	return true;
}
