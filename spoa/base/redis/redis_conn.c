/* The connection to one server: hiredis' asynchronous API on libev, the handshake, the circuit
 * breaker, and the server's epoch and clock. While the circuit is open, one PING or one attempt
 * to connect each second probes the server; a reply closes the circuit. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/attr.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/redis/redis_find.h"
#include "base/redis/redis_private.h"
#include "base/scoped.h"

enum {
	PROBE_MS = 1000,
	CONNECT_MS = 1000,
	RETRY_FIRST_MS = 20,
	RETRY_MS = 1000,
	EPOCH_RETRY_MS = 500,
	EPOCH_S = 40 * 86400, /* lifetime of an epoch's keys in seconds; no counter lives longer */
	RENEW_MS = 3600000,   /* how often their lifetime is renewed */
	WRITE_MS = 900, /* once a second, with a timer that fires early */
	/* so much later while ticks are a second apart, because nothing is asked of this client */
	SLOWER_MS = 9000,
	SLOW_TICK_MS = 1000,
	SAY_MS = 2000
};

/* Logs that the server is down, once, and again if the reason changes: for example connection
 * refused, then a wrong password. */
static void
say_down(struct redis *r, const char *why)
{
	uint64_t now = clock_mono_us();

	if (r->said_down && (r->ending || now < r->say_at_us ||
				    !strncmp(r->said, why, sizeof(r->said) - 1)))
		return;
	r->said_down = true;
	r->say_at_us = now + SAY_MS * 1000;
	snprintf(r->said, sizeof(r->said), "%s", why);
	log_event(LOG_WARN, "redis.down", LS("url", r->text), LS("why", why));
}

static void
say_up(struct redis *r)
{
	r->open = false;
	r->demoted = false;
	if (r->said_down)
		log_event(LOG_INFO, "redis.up", LS("url", r->text));
	r->said_down = false;
}

/* ---- the epoch and the clock ---- */

static void
epoch_unknown(struct redis *r, const char *why)
{
	r->life_asked = false;
	if (!r->said_epoch)
		log_event(LOG_WARN, "redis.epoch", LS("url", r->text), LS("why", why));
	r->said_epoch = true;
	if (r->demoted)
		say_up(r);
}

/* ---- two keys for the epoch of a cluster's node ----
 *
 * The epoch shows that a node has lost nothing, so its key must be lost with the data: it is in
 * a slot of the node. If that slot moves to another node, the key moves too. The epoch must then
 * continue, because nothing is lost. So each node has the epoch under two keys, in different
 * slots. The second one (`spare`) is written once the first one has been read, and the first one
 * is then read once more.
 *
 * If another slot becomes the first one, a worker
 *
 *   1. reads the earlier keys from this node itself, without following a redirection,
 *   2. writes the epoch under the new key, if it does not exist (SET NX),
 *   3. reads the earlier keys once more, then the new key.
 *
 * If an earlier key has the epoch in both steps, this node lost nothing before the new key was
 * written. A later loss takes the new key too. Until then, nothing is reserved. If no earlier
 * key has the epoch in step 1, the data may be lost: the worker writes nothing, and asks for the
 * epoch as after a connect. If the epoch is missing in step 3, the worker replaces the value
 * that it has just written. If the slots of the keys change again in the meantime, the worker
 * begins with step 1 again, for the newest key. Several workers may do this at the same time:
 * all of them write the same epoch, or adopt the existing one. A worker that replaces a value
 * makes the others see another epoch with their next reservation, and all count again.
 *
 * A worker that connects does the same if the first key is missing and the second key has an
 * epoch: the slot of the first key has moved, and no other worker has written the new key yet.
 * The second key is the earlier key then. A node that lost its data has neither of them, and the
 * worker draws an epoch.
 *
 * One gap remains: if the data are lost in the round trip between step 1 and step 2, the key has
 * the epoch until the worker replaces it, and another worker may adopt it meanwhile. The same
 * holds between the moment when the first key has been read and the moment when the second key
 * is written. */

static void ask_life(struct redis *r);

/* Returns the epoch that the reply contains; 0: none. */
static long long
epoch_in(const redisReply *rep)
{
	uint64_t v;

	if (!rep || rep->type != REDIS_REPLY_STRING ||
		span_u64(span_of(rep->str, rep->len), &v) != 0 || v > INT64_MAX)
		return 0;
	return (long long)v;
}

static void
on_first_key(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	if (!reply || !r->life.epoch || epoch_in(reply) == (long long)r->life.epoch)
		return;
	redisAsyncCommand(ac, NULL, NULL, "DEL %s", r->life.spare);
	if (((redisReply *)reply)->type != REDIS_REPLY_ERROR)
		redis_life_ended(r, r->life.epoch);
}

/* If Redis refuses the second key, renew_keys() writes it a second later. */
static void
on_spare_written(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	if (reply && ((const redisReply *)reply)->type == REDIS_REPLY_ERROR)
		r->spare_written[0] = '\0';
}

/* Writes the second key. The first key has just been read. */
static void
write_spare(struct redis *r)
{
	if (!r->life.spare[0])
		return;
	strcpy(r->spare_written, r->life.spare);
	redisAsyncCommand(r->ac, on_spare_written, NULL, "SET %s %llu EX %u", r->life.spare,
		(unsigned long long)r->life.epoch, EPOCH_S);
	redisAsyncCommand(r->ac, on_first_key, NULL, "GET %s", r->life.key);
}

static void
on_key_before_spare(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	if (!reply || !r->life.epoch || r->life_asked)
		return;
	if (epoch_in(reply) == (long long)r->life.epoch)
		write_spare(r);
	else if (((redisReply *)reply)->type != REDIS_REPLY_ERROR)
		redis_life_ended(r, r->life.epoch);
}

static void
on_earlier_key(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	r->witnessed |= epoch_in(reply) == (long long)r->life.epoch;
}

/* Reads the earlier keys, then the new one. */
static void
look_at_keys(struct redis *r, redisCallbackFn *cb)
{
	r->witnessed = false;
	for (int i = 0; i < 2; i++)
		if (r->earlier[i][0])
			redisAsyncCommand(
				r->ac, on_earlier_key, NULL, "GET %s", r->earlier[i]);
	redisAsyncCommand(r->ac, cb, NULL, "GET %s", r->life.key);
}

static void on_first_look(redisAsyncContext *ac, void *reply, void *priv);

static void
begin_look(struct redis *r)
{
	r->retagged = false;
	r->life_asked = true;
	r->life_asked_us = clock_mono_us();
	look_at_keys(r, on_first_look);
}

static void
on_second_look(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);
	bool same = epoch_in(reply) == (long long)r->life.epoch;

	if (!reply || !r->life.epoch)
		return; /* the epoch is being asked for */
	if (r->retagged) {
		begin_look(r);
		return;
	}
	if (same && r->witnessed) {
		r->life_asked = r->said_epoch = false;
		r->coming_us = 0;
		write_spare(r);
		return;
	}
	if (same)
		redisAsyncCommand(ac, NULL, NULL, "SET %s %llu EX %u", r->life.key,
			(unsigned long long)redis_life_draw(), EPOCH_S);
	ask_life(r);
}

static void
on_first_look(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	if (!reply || !r->life.epoch)
		return;
	if (r->retagged) {
		begin_look(r);
		return;
	}
	if (!r->witnessed) {
		ask_life(r);
		return;
	}
	redisAsyncCommand(ac, NULL, NULL, "SET %s %llu EX %u NX", r->life.key,
		(unsigned long long)r->life.epoch, EPOCH_S);
	look_at_keys(r, on_second_look);
}

void
redis_conn_tags(struct redis *r, const char *tag, const char *spare_tag)
{
	const struct redis_life was = r->life;
	bool first = strcmp(tag, was.tag) != 0, spare = strcmp(spare_tag, was.spare_tag) != 0;

	if (!first && !spare)
		return;
	redis_life_tag(&r->life, tag, spare_tag);
	if (!r->ac || !r->connected)
		return;
	if (!tag[0]) { /* the node has no slots and counts nothing */
		r->life.epoch = r->coming_us = 0;
		r->retagged |= r->life_asked;
		r->life_asked = false;
		return;
	}
	if (r->life_asked) /* a look at the keys, or a question for the epoch, is in progress */
		r->retagged |= first || !was.epoch;
	else if (!was.epoch)
		ask_life(r);
	else if (!first) /* the earlier second key stays: another worker may still read it */
		redisAsyncCommand(
			r->ac, on_key_before_spare, NULL, "GET %s", r->life.key);
	else {
		strcpy(r->earlier[0], was.key);
		strcpy(r->earlier[1], r->spare_written);
		begin_look(r);
	}
}

static void
on_epoch_once(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	r->epoch_once = epoch_in(reply);
}

/* Handles the last reply of claim_epoch(): SET, TIME and two GET. */
static void
on_epoch(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);
	long long v = epoch_in(rep);

	if (!rep)
		return;
	if (r->retagged) {
		ask_life(r);
		return;
	}
	if (v <= 0) {
		/* the slot of the key may have moved: the map is asked for again */
		if (r->f->cluster) {
			redis_finder_refresh(r->f->finder);
			redis_hold_commands(r);
			if (redis_coming(r)) {
				r->life_asked = false;
				return;
			}
		}
		epoch_unknown(r, rep->type == REDIS_REPLY_ERROR ? rep->str
				 : r->refusal			? r->refused_with
								: "no number");
		return;
	}
	if (v != r->epoch_once) { /* the epoch is asked for again at the next tick */
		r->life_asked = false;
		r->life_asked_us = 0;
		return;
	}
	r->life.epoch = r->last_epoch = (uint64_t)v;
	r->life_asked = r->said_epoch = false;
	r->coming_us = 0;
	write_spare(r);
}

/* Handles the reply to a SET NX of the epoch. If the key exists, the command changes nothing,
 * but it is refused like any write. */
static void
on_write(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	r->write_asked = false;
	if (!rep)
		return;
	redis_pipe_role(r, rep);
	if (r->demoted && !r->wrong)
		say_up(r);
	r->refusal = REDIS_TAKES;
	if (rep->type != REDIS_REPLY_ERROR)
		return;
	r->refusal = redis_life_refusal(span_of(rep->str, rep->len));
	snprintf(r->refused_with, sizeof(r->refused_with), "%s", rep->str);
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

/* Notes the eviction policy and the memory in use. Counters have a TTL, so each policy except
 * noeviction evicts them. */
static void
on_memory(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	if (!rep || rep->type == REDIS_REPLY_ERROR)
		return;
	struct span info = span_of(rep->str ? rep->str : "", rep->len),
		    policy = redis_life_evicts(info);
	if (policy.n && !r->evicts && !r->o->may_evict)
		log_event(LOG_WARN, "redis.evicts", LS("url", r->text), LSP("policy", policy),
			LS("why", "if its memory is full, Redis evicts the counts of limits: "
				  "set maxmemory-policy noeviction"));
	r->evicts = policy.n > 0;
	r->used_bytes = r->evicts ? 0 : redis_life_used(info);
}

/* Returns true if it is time for ask_write(). A server that refused the last write is asked again soon. */
static bool
write_is_due(const struct redis *r, uint64_t now)
{
	bool slow = r->f->every_ms >= SLOW_TICK_MS && r->refusal == REDIS_TAKES;

	return now >= r->write_at_us + (slow ? SLOWER_MS * UINT64_C(1000) : 0);
}

/* Checks whether the server accepts writes, and reads its clock. */
static void
ask_write(struct redis *r)
{
	r->time_asked_us = clock_mono_us();
	r->write_at_us = r->time_asked_us + WRITE_MS * 1000;
	r->write_asked = redisAsyncCommand(r->ac, on_write, NULL, "SET %s %llu EX %u NX",
				 r->life.key, (unsigned long long)redis_life_draw(),
				 EPOCH_S) == REDIS_OK;
	redisAsyncCommand(r->ac, on_time, NULL, "TIME");
	if (r->o->may_evict)
		redisAsyncCommand(r->ac, on_memory, NULL, "INFO memory");
}

/* Renews the lifetime of the keys, and writes the second key if it is missing. */
static void
renew_keys(struct redis *r, uint64_t now)
{
	if (r->life.spare[0] && strcmp(r->life.spare, r->spare_written) != 0)
		redisAsyncCommand(r->ac, on_key_before_spare, NULL, "GET %s", r->life.key);
	if (now < r->renew_at_us)
		return;
	r->renew_at_us = now + RENEW_MS * UINT64_C(1000);
	redisAsyncCommand(r->ac, NULL, NULL, "EXPIRE %s %u", r->life.key, EPOCH_S);
	if (r->life.spare[0])
		redisAsyncCommand(r->ac, NULL, NULL, "EXPIRE %s %u", r->life.spare, EPOCH_S);
}

/* Draws an epoch if there is none, and reads it twice: if a reply was altered on its way, each
 * counter in use would be added to Redis again, under the name of an epoch that does not exist. */
static void
claim_epoch(struct redis *r)
{
	ask_write(r);
	redisAsyncCommand(r->ac, on_epoch_once, NULL, "GET %s", r->life.key);
	redisAsyncCommand(r->ac, on_epoch, NULL, "GET %s", r->life.key);
}

static void
on_key(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);

	r->missing = reply && ((const redisReply *)reply)->type == REDIS_REPLY_NIL;
}

/* Continues with the epoch of the second key if the first key is missing. */
static void
on_spare(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	struct redis *r = TAGGED(redis, ac->data);
	long long v = epoch_in(reply);

	if (!reply)
		return;
	if (r->retagged) {
		ask_life(r);
		return;
	}
	if (!r->missing || v <= 0) {
		claim_epoch(r);
		return;
	}
	r->life.epoch = r->last_epoch = (uint64_t)v;
	strcpy(r->earlier[0], r->life.spare);
	r->earlier[1][0] = '\0';
	begin_look(r);
}

/* Returns false for a node without slots, which can hold no key. */
static bool
may_have_epoch(const struct redis *r)
{
	return !r->f->cluster || r->life.tag[0];
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
	r->retagged = false;
	if (!may_have_epoch(r)) {
		r->life_asked = false;
		return;
	}
	if (r->life.spare[0]) {
		redisAsyncCommand(ac, on_key, NULL, "GET %s", r->life.key);
		redisAsyncCommand(ac, on_spare, NULL, "GET %s", r->life.spare);
	} else
		claim_epoch(r);
}

/* Asks for the epoch. The run_id is asked for each time, because another server may have the
 * same address now. */
static void
ask_life(struct redis *r)
{
	r->life.epoch = 0;
	r->spare_written[0] = '\0';
	r->renew_at_us = 0;
	r->life_asked_us = clock_mono_us();
	if (!may_have_epoch(r))
		return;
	redisAsyncCommand(r->ac, on_memory, NULL, "INFO memory");
	r->life_asked = redisAsyncCommand(r->ac, on_info, NULL, "INFO server") == REDIS_OK;
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
	int64_t at_us;

	if (redis_life_time_read(time, &at_us))
		redis_life_saw(&r->life, sent_us, clock_mono_us(), at_us);
}

/* ---- the handshake ---- */

static void
on_pong(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	r->probing = false;
	if (!rep || r->refused)
		return;
	if (rep->type == REDIS_REPLY_ERROR) {
		say_down(r, rep->str);
		return;
	}
	if (!r->connected)
		ask_life(r);
	r->connected = true;
	if (!r->demoted)
		say_up(r);
}

/* Ends a connection without AUTH, SELECT or the right role. Only the first refusal is the
 * reason: after a wrong password, Redis refuses the later commands with NOAUTH. */
static void
refuse_redis(struct redis *r, const char *why)
{
	if (r->refused)
		return;
	say_down(r, why);
	r->refused = true;
	redisAsyncDisconnect(r->ac);
}

static void
on_setup(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;

	if (rep && rep->type == REDIS_REPLY_ERROR)
		refuse_redis(TAGGED(redis, ac->data), rep->str);
}

/* Checks the role: a server that Sentinels name as the master may have lost that role, or not
 * have it yet. */
static void
on_role(redisAsyncContext *ac, void *reply, void *priv UNUSED)
{
	const redisReply *rep = reply;
	struct redis *r = TAGGED(redis, ac->data);

	if (!rep)
		return;
	bool array = rep->type == REDIS_REPLY_ARRAY && rep->elements > 0 &&
		     rep->element[0]->type == REDIS_REPLY_STRING;
	if (!array || strcmp(rep->element[0]->str, "master") != 0) {
		redis_finder_refresh(r->f->finder);
		refuse_redis(r, array ? "the server is not the master"
				: rep->type == REDIS_REPLY_ERROR ? rep->str
								 : "no role");
	}
}

static bool
send_login(struct redis *r)
{
	struct redis_login l;

	SCOPED_BUF(why, 4096);
	bool ok = redis_login(r->o, false, &l, &why) == 0;
	buf_putc(&why, '\0');
	if (!ok)
		say_down(r, buf_view(&why).p);
	else if (l.asked && l.user[0])
		redisAsyncCommand(r->ac, on_setup, NULL, "AUTH %s %s", l.user, l.password);
	else if (l.asked)
		redisAsyncCommand(r->ac, on_setup, NULL, "AUTH %s", l.password);
	sodium_memzero(&l, sizeof(l));
	return ok;
}

static void
send_setup(struct redis *r)
{
	/* Not every user is permitted this command, and nothing depends on it. */
	if (r->o->client_name[0])
		redisAsyncCommand(r->ac, NULL, NULL, "CLIENT SETNAME %s", r->o->client_name);
	if (r->o->url.db)
		redisAsyncCommand(r->ac, on_setup, NULL, "SELECT %u", r->o->url.db);
	if (r->o->url.kind == REDIS_SENTINEL)
		redisAsyncCommand(r->ac, on_role, NULL, "ROLE");
}

/* ---- hiredis on libev ---- */

/* hiredis' own adapter is not used, because it asks epoll for writability before each write and
 * cancels this afterwards. Here, all commands that a turn of the loop has queued are written at
 * its end at once; epoll is asked only if the socket is full. */
void
redis_conn_flush(struct redis *r)
{
	if (!r->unsent || !r->ac)
		return;
	r->unsent = false;
	r->flushing = true;
	redisAsyncHandleWrite(r->ac); /* may end the connection: connection_lost() */
	r->flushing = false;
}

static void give_redis_up(struct redis *r, const char *why);

static void
on_io(struct ev_loop *loop UNUSED, ev_io *w, int revents)
{
	struct redis *r = TAGGED(redis, w->data);

	if (r->ac && revents & EV_READ)
		redisAsyncHandleRead(r->ac);
	if (r->ac && !redis_bound_holds(r->ac->c.reader))
		give_redis_up(r, r->reading.broken);
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

	/* A connection that is being made reports success by becoming writable. */
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
detach_connection(void *data)
{
	del_read(data);
	del_write(data);
}

static void
attach_connection(struct redis *r, redisAsyncContext *ac)
{
	ev_io_init(&r->rd, on_io, ac->c.fd, EV_READ);
	ev_io_init(&r->wr, on_io, ac->c.fd, EV_WRITE);
	r->rd.data = r->wr.data = r;
	ac->ev.addRead = add_read;
	ac->ev.delRead = del_read;
	ac->ev.addWrite = add_write;
	ac->ev.delWrite = del_write;
	ac->ev.cleanup = detach_connection;
	ac->ev.data = r;
	r->reading = (struct redis_reading){ .ac = ac };
	redis_bound(ac->c.reader, &r->reading);
	r->ac = ac;
}

/* ---- connecting ---- */

static void
connection_lost(struct redis *r, const char *why)
{
	uint64_t now = clock_mono_us();

	/* A connection that lasted is made again at once and soon after, because its server may
	 * only be restarting. */
	if (r->connected && now >= r->connect_began_us + RETRY_MS * 1000) {
		r->retry_ms = RETRY_FIRST_MS;
		r->retry_at_us = 0;
	}
	if (r->ac) /* false if on_disconnect() calls again after give_redis_up() */
		r->refusal = r->wrong ? REDIS_REPLICA : REDIS_TAKES;
	r->ac = NULL;
	r->connected = r->probing = r->life_asked = r->wrong = r->write_asked = false;
	r->life.epoch = r->coming_us = 0;
	r->open = true;
	if (!r->refused) /* refuse_redis() has logged the reason */
		say_down(r, why);
	redis_finder_refresh(r->f->finder);
}

/* Returns why the connection ended: a reply that was refused, a certificate that was refused, or
 * the error of hiredis. */
static const char *
why_lost(const struct redis *r, const redisAsyncContext *ac)
{
	const char *verdict = redis_tls_verdict(r->f->tls);

	if (r->reading.broken)
		return r->reading.broken;
	if (r->o->url.tls && !r->connected)
		return verdict				    ? verdict
		       : strcmp(ac->errstr, "Success") == 0 ? "TLS failed"
							    : ac->errstr;
	return ac->errstr;
}

static void
give_redis_up(struct redis *r, const char *why)
{
	redisAsyncContext *ac = r->ac;

	connection_lost(r, why);
	redisAsyncFree(ac);
}

static void
on_connect(const redisAsyncContext *ac, int status)
{
	struct redis *r = TAGGED(redis, ac->data);

	if (status != REDIS_OK)
		connection_lost(r, why_lost(r, ac));
}

static void
on_disconnect(const redisAsyncContext *ac, int status)
{
	connection_lost(ac->data, status == REDIS_OK ? "closed" : why_lost(ac->data, ac));
}

static void
send_ping(struct redis *r, uint64_t now)
{
	if (r->probing || now < r->probe_at_us)
		return;
	r->probe_at_us = now + PROBE_MS * 1000;
	r->probed_us = now;
	r->probing = redisAsyncCommand(r->ac, on_pong, NULL, "PING") == REDIS_OK;
}

/* Begins TLS if the URL requires it. Returns false if the connection has failed. */
static bool
begin_tls(struct redis *r)
{
	if (!r->o->url.tls)
		return true;
	SCOPED_BUF(why, 4096);
	bool ok = redis_tls_begin(r->f->tls, &r->ac->c, r->place.host, &why) == 0;
	buf_putc(&why, '\0');
	if (!ok)
		say_down(r, buf_view(&why).p);
	return ok;
}

static void
try_connect(struct redis *r, uint64_t now)
{
	const char *path = r->o->url.path;
	unsigned ms = r->retry_ms ? r->retry_ms : RETRY_MS;

	r->retry_ms = ms < RETRY_MS / 2 ? 2 * ms : RETRY_MS;
	r->retry_at_us = now + ms * 1000;
	r->connect_began_us = now;
	redisAsyncContext *ac =
		path[0] ? redisAsyncConnectUnix(path)
			: redisAsyncConnect(r->place.address, (int)r->place.port);
	if (!ac)
		return;
	if (ac->err) {
		say_down(r, ac->errstr);
		redisAsyncFree(ac);
		redis_finder_refresh(r->f->finder);
		return;
	}
	ac->data = r;
	attach_connection(r, ac);
	r->open = true;
	r->refused = false;
	if (!begin_tls(r)) { /* without a listener, TLS fails here and not in connecting */
		r->ac = NULL;
		redisAsyncFree(ac);
		redis_finder_refresh(r->f->finder);
		return;
	}
	redisAsyncSetConnectCallback(ac, on_connect);
	redisAsyncSetDisconnectCallback(ac, on_disconnect);
	if (!send_login(r)) {
		give_redis_up(r, "no password");
		return;
	}
	send_setup(r);
	r->probe_at_us = 0;
	send_ping(r, now);
}

void
redis_conn_late(struct redis *r)
{
	if (!r->open)
		say_down(r, "no reply within the deadline");
	r->open = true;
}

void
redis_conn_tick(struct redis *r)
{
	/* not earlier than anything that began in this turn of the loop */
	uint64_t now = clock_mono_us();

	if (r->life_asked && !r->open && now - r->life_asked_us > r->deadline_us)
		redis_conn_late(r);
	if (!r->ac) {
		if (r->placed && now >= r->retry_at_us)
			try_connect(r, now);
	} else if (r->wrong) {
		/* Another server may soon have this address. Until then the server is asked once
		 * a second, and the event is logged once. */
		r->demoted = !r->f->cluster && r->o->url.kind != REDIS_SENTINEL;
		give_redis_up(r, "the server is no longer the master");
	} else if (!r->connected && now - r->connect_began_us > CONNECT_MS * 1000) {
		give_redis_up(r, "no connection within a second");
	} else if (r->open && r->probing && now - r->probed_us > CONNECT_MS * 1000) {
		/* If the peer vanished without closing, this connection would stay until TCP
		 * gives up, a quarter of an hour later. */
		give_redis_up(r, "no reply within a second");
	} else if (r->open) {
		send_ping(r, now);
	} else if (r->life.epoch == 0 && !r->life_asked &&
		   now - r->life_asked_us > EPOCH_RETRY_MS * 1000) {
		ask_life(r);
	} else if (r->life.epoch && !r->life_asked && !r->write_asked &&
		   /* not while the epoch gets another key: the command would draw an epoch */
		   write_is_due(r, now)) {
		ask_write(r);
		renew_keys(r, now);
	}
}

bool
redis_conn_waits(const struct redis *r)
{
	return !conn_up(r) || r->probing || r->wrong || r->life_asked || r->write_asked ||
	       r->life.epoch == 0;
}

void
redis_conn_place(struct redis *r, const struct redis_place *p)
{
	bool same = r->placed && p && p->port == r->place.port &&
		    !strcmp(p->address, r->place.address) && !strcmp(p->host, r->place.host);

	if (same)
		return;
	if (r->ac)
		give_redis_up(r, "the master now has another address");
	r->placed = p != NULL;
	if (p)
		r->place = *p;
	r->retry_at_us = 0;
}

void
redis_conn_end(struct redis *r)
{
	r->said_down = r->ending = true; /* on_disconnect() still runs, but has nothing to report */
	redis_conn_flush(r);
	if (r->ac)
		redisAsyncFree(r->ac);
}
