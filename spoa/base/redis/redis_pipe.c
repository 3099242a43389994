/* Pipelines with deadlines. A pipeline past its deadline gets ERR_TIMEOUT and opens the circuit
 * of the servers that were silent. Its memory stays until hiredis has called every callback.
 * redis_call.c has the commands to a cluster. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/redis/redis_private.h"
#include "base/redis/redis_replies.h"

/* ---- calling the callbacks ---- */

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
	INVARIANT(!p->waits && !p->soon && p->answered && LIST_EMPTY(&p->calls));
	unlist(p);
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
failure(const struct redis_pipe *p)
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
	unlist(p);
	if (!err)
		err = failure(p);
	if (err)
		metric_inc(p->r->metrics, M_REDIS_ERRORS);
	if (p->hash_cb)
		answer_hash(p, err);
	if (p->cb)
		p->cb(p->arg, err, p->replies, err ? 0 : p->n);
}

/* One command has its reply, or will never have one. */
void
redis_pipe_settle(struct redis_pipe *p)
{
	INVARIANT(p->waits > 0);
	if (--p->waits)
		return;
	if (p->timed_out && p->late) {
		int err = failure(p);
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

/* ---- pipelines ---- */

/* Formats a command in the Redis serialization protocol: "*ARGC", then each argument as "$BYTES"
 * and itself. Example: GET a is "*2\r\n$3\r\nGET\r\n$1\r\na\r\n". The result is valid until the
 * next call. */
struct span
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
redis_tell(struct redis *r, int argc, const char **argv, const size_t *lens)
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
