/* Pipelines with deadlines and a circuit breaker over hiredis' asynchronous API.
 *
 * A pipeline that is past its deadline is answered ERR_TIMEOUT and opens the
 * circuit; its memory stays until hiredis has given every callback. While the
 * circuit is open one PING a tick probes; its answer closes it. */
#include "store/redis.h"

#include <hiredis/async.h>
#include <hiredis/hiredis.h>
#include <netdb.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/tag.h"
#include "store/redis_url.h"

enum { TICK_MS = 10, PROBE_MS = 100, CONNECT_MS = 1000, RETRY_MS = 100 };
enum { EPOCH_RETRY_MS = 500 };

struct redis {
	struct tag tag;
	struct ev_loop *loop;
	struct redis_url url;
	char text[REDIS_URL_TEXT_MAX];
	uint64_t deadline_us;
	struct metrics *metrics;
	redisAsyncContext *ac;
	bool connected; /* handshake done */
	bool open;	/* the circuit: fail at once */
	bool probing;
	bool refused; /* this connection's AUTH or SELECT */
	bool said_down;
	uint64_t connect_began_us, retry_at_us, probe_at_us, probed_us;
	struct redis_life life;
	bool life_asked, said_epoch;
	uint64_t life_asked_us, time_asked_us;
	void (*before_write)(void *);
	void *before_write_arg;
	TAILQ_HEAD(, redis_pipe) sent; /* oldest first */
	struct redis_pipe *failed;     /* to be told at the next turn */
	ev_timer tick, soon;
	ev_io rd, wr;
	ev_prepare flush;
	bool unsent, flushing;
	struct buf command; /* being formatted */
};

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
	bool soon; /* in r->failed, which frees it */
	int err;
	size_t n, cap, got;
	struct redis_reply_ints replies[]; /* cap of them, then what arg points to */
};

/* ---- pipelines ---- */

static void
unlist(struct redis_pipe *p)
{
	if (p->listed)
		TAILQ_REMOVE(&p->r->sent, p, of_sent);
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
	if (err)
		metric_inc(p->r->metrics, M_REDIS_ERRORS);
	if (p->hash_cb)
		answer_hash(p, err);
	if (p->cb)
		p->cb(p->arg, err, p->replies, err ? 0 : p->n);
}

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

static void
on_reply(redisAsyncContext *ac UNUSED, void *reply, void *priv)
{
	struct redis_pipe *p = TAGGED(redis_pipe, priv);

	if (reply && p->hash_cb)
		p->hash = reply;
	else if (reply)
		read_reply(&p->replies[p->got], reply);
	else
		p->err = ERR_IO;
	if (++p->got < p->n)
		return;
	answer(p, p->err);
	if (!p->soon)
		pipe_free(p);
}

struct redis_pipe *
redis_begin(struct redis *r, size_t commands, redis_cb *cb, const void *arg, size_t bytes)
{
	struct redis_pipe *p = calloc(1, sizeof(*p) + commands * sizeof(p->replies[0]) + bytes);

	if (!p)
		abort(); /* some kilobytes: nothing sensible is left to do */
	TAG(redis_pipe, p);
	p->r = r;
	p->cb = cb;
	p->cap = commands;
	p->arg = &p->replies[commands];
	if (bytes)
		memcpy(p->arg, arg, bytes);
	if (!r->connected || r->open)
		p->err = ERR_IO;
	return p;
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

void
redis_command(struct redis_pipe *p, int argc, const char **argv, const size_t *lens)
{
	if (p->err)
		return;
	INVARIANT(p->n < p->cap);
	struct span command = format(&p->r->command, argc, argv, lens);
	if (!command.p || redisAsyncFormattedCommand(
				  p->r->ac, on_reply, p, command.p, command.n) != REDIS_OK) {
		p->err = ERR_IO;
		return;
	}
	p->n++;
}

static void
answer_failed(struct redis *r)
{
	for (struct redis_pipe *p; (p = r->failed);) {
		r->failed = p->next;
		p->soon = false;
		answer(p, p->err);
		/* Commands that did go out still bring replies to it. */
		if (p->got >= p->n)
			pipe_free(p);
	}
}

static void
on_soon(struct ev_loop *loop UNUSED, ev_timer *t, int revents UNUSED)
{
	answer_failed(TAGGED(redis, t->data));
}

void
redis_send(struct redis_pipe *p)
{
	struct redis *r = p->r;

	if (p->err) {
		p->soon = true;
		p->next = r->failed;
		r->failed = p;
		if (!ev_is_active(&r->soon)) {
			ev_timer_set(&r->soon, 0., 0.);
			ev_timer_start(r->loop, &r->soon);
		}
		return;
	}
	p->deadline_us = clock_mono_us() + r->deadline_us;
	p->listed = true;
	TAILQ_INSERT_TAIL(&r->sent, p, of_sent);
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

/* ---- the connection ---- */

static void
say_down(struct redis *r, const char *why)
{
	if (r->said_down)
		return;
	r->said_down = true;
	log_event(LOG_WARN, "redis.down", LS("url", r->text), LS("why", why));
}

static void
say_up(struct redis *r)
{
	r->open = false;
	if (r->said_down)
		log_event(LOG_INFO, "redis.up", LS("url", r->text));
	r->said_down = false;
}

/* ---- its life and its clock ---- */

static void
epoch_unknown(struct redis *r, const char *why)
{
	r->life_asked = false;
	if (!r->said_epoch)
		log_event(LOG_WARN, "redis.epoch", LS("url", r->text), LS("why", why));
	r->said_epoch = true;
}

/* The last of the three: SET, TIME, GET. */
static void
on_epoch(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);
	long long v = rep && rep->type == REDIS_REPLY_STRING ? strtoll(rep->str, NULL, 10) : 0;

	if (!rep)
		return;
	if (v <= 0) {
		epoch_unknown(r, rep->type == REDIS_REPLY_ERROR ? rep->str : "no number");
		return;
	}
	r->life.epoch = (uint64_t)v;
	r->life_asked = r->said_epoch = false;
}

static void
on_time(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	if (!rep || rep->type != REDIS_REPLY_ARRAY || rep->elements != 2 ||
		rep->element[0]->type != REDIS_REPLY_STRING ||
		rep->element[1]->type != REDIS_REPLY_STRING)
		return;
	const int64_t time[2] = { strtoll(rep->element[0]->str, NULL, 10),
		strtoll(rep->element[1]->str, NULL, 10) };
	redis_life_time(r, r->time_asked_us, time);
}

static void
on_info(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	if (!rep)
		return;
	if (rep->type == REDIS_REPLY_ERROR ||
		!redis_life_named(&r->life, span_of(rep->str ? rep->str : "", rep->len))) {
		epoch_unknown(r, rep->type == REDIS_REPLY_ERROR ? rep->str : "no run_id");
		return;
	}
	r->time_asked_us = clock_mono_us();
	redisAsyncCommand(ac, NULL, NULL, "SET %s %llu NX", r->life.key,
		(unsigned long long)redis_life_draw());
	redisAsyncCommand(ac, on_time, NULL, "TIME");
	redisAsyncCommand(ac, on_epoch, NULL, "GET %s", r->life.key);
}

/* RUNID is asked for each time: at one address there may be another server. */
static void
ask_life(struct redis *r)
{
	r->life.epoch = 0;
	r->life_asked_us = clock_mono_us();
	r->life_asked = redisAsyncCommand(r->ac, on_info, NULL, "INFO server") == REDIS_OK;
}

const struct redis_life *
redis_life(const struct redis *r)
{
	return &r->life;
}

bool
redis_life_asked(const struct redis *r)
{
	return redis_up(r) && r->life_asked;
}

void
redis_life_ended(struct redis *r, uint64_t epoch)
{
	if (r->life.epoch == epoch && r->ac && r->connected)
		ask_life(r);
}

void
redis_life_time(struct redis *r, uint64_t sent_us, const int64_t time[2])
{
	redis_life_saw(&r->life, sent_us, clock_mono_us(), time[0] * 1000000 + time[1]);
}

void
redis_before_write(struct redis *r, void (*cb)(void *arg), void *arg)
{
	r->before_write = cb;
	r->before_write_arg = arg;
}

static void
on_pong(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	r->probing = false;
	if (!rep)
		return;
	if (rep->type == REDIS_REPLY_ERROR) {
		say_down(r, rep->str);
		return;
	}
	/* A connection that goes on without AUTH or SELECT is not the one asked for. */
	if (r->refused)
		return;
	if (!r->connected)
		ask_life(r);
	r->connected = true;
	say_up(r);
}

static void
on_setup(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	if (rep && rep->type == REDIS_REPLY_ERROR) {
		say_down(r, rep->str);
		r->refused = true;
		redisAsyncDisconnect(ac);
	}
}

/* ---- hiredis on libev ---- */

/* Not hiredis' own adapter: it asks epoll for writability before each write and
 * takes it back after. Here all that a turn of the loop has queued is written at
 * its end at once; epoll is asked only where the socket is full. */
static void
on_flush(struct ev_loop *loop UNUSED, ev_prepare *w, int revents UNUSED)
{
	struct redis *r = TAGGED(redis, w->data);

	if (r->before_write)
		r->before_write(r->before_write_arg);
	if (!r->unsent || !r->ac)
		return;
	r->unsent = false;
	r->flushing = true;
	redisAsyncHandleWrite(r->ac); /* may end the connection: lost() */
	r->flushing = false;
}

static void
on_io(struct ev_loop *loop UNUSED, ev_io *w, int revents)
{
	struct redis *r = TAGGED(redis, w->data);

	if (r->ac && revents & EV_READ)
		redisAsyncHandleRead(r->ac);
	if (r->ac && revents & EV_WRITE)
		redisAsyncHandleWrite(r->ac);
}

static void
add_read(void *data)
{
	struct redis *r = TAGGED(redis, data);

	ev_io_start(r->loop, &r->rd);
}

static void
del_read(void *data)
{
	struct redis *r = TAGGED(redis, data);

	ev_io_stop(r->loop, &r->rd);
}

static void
add_write(void *data)
{
	struct redis *r = TAGGED(redis, data);

	/* A connection that is being made tells by being writable. */
	if (r->flushing || !r->ac || !(r->ac->c.flags & REDIS_CONNECTED))
		ev_io_start(r->loop, &r->wr);
	else
		r->unsent = true;
}

static void
del_write(void *data)
{
	struct redis *r = TAGGED(redis, data);

	ev_io_stop(r->loop, &r->wr);
	r->unsent = false;
}

static void
detach(void *data)
{
	del_read(data);
	del_write(data);
}

static void
attach(struct redis *r, redisAsyncContext *ac)
{
	ev_io_init(&r->rd, on_io, ac->c.fd, EV_READ);
	ev_io_init(&r->wr, on_io, ac->c.fd, EV_WRITE);
	r->rd.data = r->wr.data = r;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = detach;
	ac->ev.data = r;
	r->ac = ac;
}

static void
lost(struct redis *r, const char *why)
{
	r->ac = NULL;
	r->connected = r->probing = r->life_asked = false;
	r->life.epoch = 0;
	r->open = true;
	r->retry_at_us = clock_mono_us() + RETRY_MS * 1000;
	say_down(r, why);
}

static void
give_up(struct redis *r, const char *why)
{
	redisAsyncContext *ac = r->ac;

	lost(r, why);
	redisAsyncFree(ac);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct redis *r = TAGGED(redis, ac->data);

	if (status != REDIS_OK)
		lost(r, ac->errstr);
}

static void
on_disconnect(const redisAsyncContext *ac, int status)
{
	lost(ac->data, status == REDIS_OK ? "closed" : ac->errstr);
}

static void
probe(struct redis *r, uint64_t now)
{
	if (r->probing || now < r->probe_at_us)
		return;
	r->probe_at_us = now + PROBE_MS * 1000;
	r->probed_us = now;
	r->probing = redisAsyncCommand(r->ac, on_pong, NULL, "PING") == REDIS_OK;
}

static void
try_connect(struct redis *r, uint64_t now)
{
	const struct redis_url *u = &r->url;

	r->retry_at_us = now + RETRY_MS * 1000;
	redisAsyncContext *ac = u->path[0] ? redisAsyncConnectUnix(u->path)
					   : redisAsyncConnect(u->host, (int)u->port);
	if (!ac)
		return;
	if (ac->err) {
		say_down(r, ac->errstr);
		redisAsyncFree(ac);
		return;
	}
	ac->data = r;
	attach(r, ac);
	r->connect_began_us = now;
	r->open = true;
	r->refused = false;
	redisAsyncSetConnectCallback(ac, on_connect);
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	if (u->password[0] && u->user[0])
		redisAsyncCommand(ac, on_setup, NULL, "AUTH %s %s", u->user, u->password);
	else if (u->password[0])
		redisAsyncCommand(ac, on_setup, NULL, "AUTH %s", u->password);
	if (u->db)
		redisAsyncCommand(ac, on_setup, NULL, "SELECT %u", u->db);
	r->probe_at_us = 0;
	probe(r, now);
}

static void
on_tick(struct ev_loop *loop UNUSED, ev_timer *t, int revents UNUSED)
{
	struct redis *r = TAGGED(redis, t->data);
	uint64_t now = clock_mono_us();

	for (struct redis_pipe *p; (p = TAILQ_FIRST(&r->sent)) && p->deadline_us <= now;) {
		if (!r->open)
			say_down(r, "no answer within the deadline");
		r->open = true;
		answer(p, ERR_TIMEOUT);
	}
	if (r->life_asked && !r->open && now - r->life_asked_us > r->deadline_us) {
		say_down(r, "no answer within the deadline");
		r->open = true;
	}
	if (!r->ac) {
		if (now >= r->retry_at_us)
			try_connect(r, now);
	} else if (!r->connected && now - r->connect_began_us > CONNECT_MS * 1000) {
		give_up(r, "no connection within a second");
	} else if (r->open && r->probing && now - r->probed_us > CONNECT_MS * 1000) {
		/* A peer that vanished without a word would hold this connection until
		 * TCP gives up, a quarter of an hour later. */
		give_up(r, "no answer within a second");
	} else if (r->open) {
		probe(r, now);
	} else if (r->life.epoch == 0 && !r->life_asked &&
		   now - r->life_asked_us > EPOCH_RETRY_MS * 1000) {
		ask_life(r);
	}
}

static int
resolve(struct redis_url *u)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *res = NULL;

	if (u->path[0])
		return 0;
	if (getaddrinfo(u->host, NULL, &hints, &res) != 0)
		return ERR_NOTFOUND;
	int e = getnameinfo(res->ai_addr, res->ai_addrlen, u->host, sizeof(u->host), NULL, 0,
		NI_NUMERICHOST);
	freeaddrinfo(res);
	return e ? ERR_NOTFOUND : 0;
}

struct redis *
redis_new(struct ev_loop *loop, const char *url, uint64_t deadline_us, struct metrics *m)
{
	struct redis *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	if (redis_url_parse(url, &r->url) < 0) {
		free(r);
		return NULL;
	}
	redis_url_text(&r->url, r->text);
	if (resolve(&r->url) < 0)
		log_event(LOG_ERROR, "redis.unresolved", LS("url", r->text));
	TAG(redis, r);
	TAILQ_INIT(&r->sent);
	r->loop = loop;
	buf_init(&r->command, 1u << 20);
	r->deadline_us = deadline_us;
	r->metrics = m;
	r->open = true;
	ev_timer_init(&r->tick, on_tick, (int)TICK_MS / 1000., (int)TICK_MS / 1000.);
	r->tick.data = r;
	ev_timer_start(loop, &r->tick);
	ev_timer_init(&r->soon, on_soon, 0., 0.);
	r->soon.data = r;
	ev_prepare_init(&r->flush, on_flush);
	r->flush.data = r;
	ev_prepare_start(loop, &r->flush);
	try_connect(r, clock_mono_us());
	return r;
}

void
redis_free(struct redis **rp)
{
	struct redis *r = *rp;

	if (!r)
		return;
	ev_timer_stop(r->loop, &r->tick);
	ev_timer_stop(r->loop, &r->soon);
	ev_prepare_stop(r->loop, &r->flush);
	/* hiredis ends each command with a callback; whoever asked may be gone. */
	struct redis_pipe *p;
	TAILQ_FOREACH (p, &r->sent, of_sent)
		p->answered = true;
	for (p = r->failed; p; p = p->next)
		p->answered = true;
	answer_failed(r);
	if (r->ac) {
		redisAsyncContext *ac = r->ac;
		r->said_down = true; /* on_disconnect still runs: nothing to report */
		redisAsyncFree(ac);
	}
	explicit_bzero(&r->url, sizeof(r->url));
	buf_free(&r->command);
	free(r);
	*rp = NULL;
}

bool
redis_up(const struct redis *r)
{
	return r->connected && !r->open;
}
