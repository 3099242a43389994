/* Commands to a cluster. Each is sent to the node that holds its key, in order, and follows
 * redirections (Redis Cluster specification, "MOVED redirection", "ASK redirection"). An MGET is
 * divided by the slots of its keys. If a node replies TRYAGAIN while a slot moves, its keys are
 * asked for one by one. */
#include <stdlib.h>

#include "base/attr.h"
#include "base/err.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_private.h"
#include "base/redis/redis_replies.h"

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
reads(struct span command)
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

	redis_slot_at(front, slot, node);
	redis_finder_tell(front->f->finder, slot, place);
}

static void read_again(struct redis_pipe *p);

static void
call_end(struct redis_call *c)
{
	struct redis_pipe *p = c->p;

	INVARIANT(!c->away || p->writes_away > 0);
	INVARIANT(!c->held || p->waits > 0);
	if (c->away && --p->writes_away == 0)
		read_again(p);
	LIST_REMOVE(c, of_pipe);
	TAG_CLEAR(redis_call, c);
	free(c);
	redis_pipe_settle(p);
}

/* Returns true if this reply must be read again later. A caller that first writes and then reads
 * relies on the order. If a write of the pipeline was redirected, reads that overtook it are
 * repeated after it. */
static bool
hold(struct redis_call *c)
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
read_again(struct redis_pipe *p)
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
			call_end(c);
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
		abort(); /* about a hundred bytes: the process cannot continue */
	TAG(redis_call, c);
	c->p = p;
	c->reply = reply;
	c->from = from;
	c->part = part;
	c->n = command.n;
	c->reads = reads(command);
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
	call_end(c);
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
follow(struct redis_call *c, struct span said)
{
	struct redis *front = c->p->r;
	struct span word = span_next(&said, ' ');
	bool ask = span_is(word, "ASK"), moved = span_is(word, "MOVED"),
	     unserved = span_is(word, "CLUSTERDOWN") && span_is(said, "Hash slot not served");
	struct redis *to = unserved ? another_node(front->f, c->node) : NULL;
	struct redis_place place;
	uint64_t slot;

	if (span_is(word, "TRYAGAIN") && ask_singly(c)) {
		call_end(c);
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
		redis_finder_again(front->f->finder);
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
		if (follow(c, span_of(reply->str, reply->len)))
			return; /* the pipeline may be freed */
		if (to->err == ERR_TIMEOUT)
			redis_pipe_read(to, reply);
		redis_pipe_role(ac->data, reply);
	} else if (hold(c)) {
		if (!c->p->writes_away)
			read_again(c->p);
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
	call_end(c);
}

void
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

void
redis_calls_late(struct redis_pipe *p)
{
	struct redis_call *c;

	LIST_FOREACH (c, &p->calls, of_pipe)
		if (!c->held)
			redis_conn_late(c->node);
}
