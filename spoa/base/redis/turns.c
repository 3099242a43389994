/* Turns with Redis: the service that takes them, the threads that wait for a turn, and the
 * connection. */
#include "base/redis/turns.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/pool.h"
#include "base/scoped.h"

#define COMMAND_US 500000u

/* ---- the connection ---- */

void
turns_hang_up(struct turns *t)
{
	if (t->redis)
		redisFree(t->redis);
	t->redis = NULL;
}

void
turns_lost(struct turns *t, const char *why)
{
	if (t->kind->away && !t->said)
		log_event(LOG_WARN, t->kind->away, LS("why", why));
	t->said = true;
	pthread_mutex_lock(&t->lock);
	snprintf(t->why, sizeof(t->why), "%s", why);
	pthread_mutex_unlock(&t->lock);
	if (t->kind->lost)
		t->kind->lost(t->arg, why);
	turns_hang_up(t);
}

bool
turns_dial(struct turns *t, struct span key)
{
	if (t->redis)
		return true;
	SCOPED_BUF(why, 4096);
	t->redis = redis_dial(&t->options, key, COMMAND_US, &why);
	buf_putc(&why, '\0');
	if (!t->redis)
		turns_lost(t, buf_view(&why).p);
	return t->redis != NULL;
}

const char *
turns_why(const struct turns *t, const redisReply *r)
{
	return r && r->type == REDIS_REPLY_ERROR ? r->str : redis_sync_error(t->redis);
}

redisReply *
turns_try(struct turns *t, int argc, const char **argv, const size_t *lens, char why[TURNS_WHY],
	bool *wrong)
{
	redisReply *r = redis_ask_argv(t->redis, argc, argv, lens);

	*wrong = false;
	if (r && r->type != REDIS_REPLY_ERROR)
		return r;
	*wrong = r && !strncmp(r->str, "WRONGTYPE", 9);
	snprintf(why, TURNS_WHY, "%s%s%s", r ? argv[1] : "", r ? ": " : "", turns_why(t, r));
	freeReplyObject(r);
	return NULL;
}

redisReply *
turns_ask(struct turns *t, int argc, const char **argv, const size_t *lens)
{
	char why[TURNS_WHY];
	bool wrong;
	redisReply *r = turns_try(t, argc, argv, lens, why, &wrong);

	if (!r && wrong && !t->kind->repair)
		freeReplyObject(redis_ask(t->redis, "DEL %s", argv[1]));
	else if (!r && wrong && t->kind->repair(t->arg, argv[1], why))
		r = turns_try(t, argc, argv, lens, why, &wrong);
	if (!r)
		turns_lost(t, why);
	return r;
}

bool
turns_append(struct turns *t, int argc, const char **argv, const size_t *lens)
{
	return redisAppendCommandArgv(t->redis, argc, argv, lens) == REDIS_OK;
}

redisReply *
turns_replies(struct turns *t, size_t n)
{
	redisReply *r = NULL;

	while (n-- && !(r && r->type == REDIS_REPLY_ERROR)) {
		freeReplyObject(r);
		r = redis_reply(t->redis);
		if (!r)
			return NULL;
	}
	return r;
}

const char *
turns_exec_error(const redisReply *r)
{
	for (size_t i = 0; r->type == REDIS_REPLY_ARRAY && i < r->elements; i++)
		if (r->element[i]->type == REDIS_REPLY_ERROR)
			return r->element[i]->str;
	return NULL;
}

/* ---- the service ---- */

/* Begins the next turn soon. The caller holds the lock. While Redis is away, this works only for
 * the kinds that permit it. */
static void
hurry_turn(struct turns *t)
{
	t->soon = true;
	if (!t->turning && (t->up || t->kind->hurries))
		service_wake(&t->service);
}

static uint64_t
turns_turn(void *arg)
{
	struct turns *t = arg;
	const struct turns_kind *k = t->kind;

	pthread_mutex_lock(&t->lock);
	t->soon = false;
	t->turning = true;
	pthread_mutex_unlock(&t->lock);
	uint64_t puts = k->puts ? k->puts(t->arg) : 0;
	t->next_us = 0;
	enum turn end = k->turn(t->arg, puts);
	bool up = end != TURN_AWAY;
	if (up && !t->up && k->back)
		k->back(t->arg);
	t->said = t->said && !up;
	SCOPED_LOCK(&t->lock);
	t->up = up;
	t->tried = true;
	t->turning = false;
	if (end == TURN_DONE)
		t->known = puts;
	pthread_cond_broadcast(&t->changed);
	if (t->soon && (up || k->hurries))
		return 0;
	return t->next_us ? t->next_us : clock_mono_us() + (up ? k->every_us : k->again_us);
}

static void
turns_last(void *arg)
{
	struct turns *t = arg;

	if (t->kind->last)
		t->kind->last(t->arg);
}

void
turns_init(struct turns *t, const struct turns_kind *kind, void *arg,
	const struct redis_options *redis)
{
	*t = (struct turns){ .kind = kind, .arg = arg };
	if (redis)
		t->options = *redis;
	pthread_mutex_init(&t->lock, NULL);
	cond_init(&t->changed);
}

int
turns_start(struct turns *t, struct buf *why)
{
	/* A service gets no SIGPIPE either: a write to a Redis that has closed is an error, not
	 * the end of the daemon. */
	const struct service_options o = {
		.name = t->kind->thread, .turn = turns_turn, .last = turns_last, .arg = t
	};
	int err = service_start(&t->service, &o);

	if (err)
		buf_str(why, err_str(err));
	return err;
}

void
turns_stop(struct turns *t, uint64_t most_us)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	t->stop_us = clock_mono_us() + most_us;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	service_stop(&t->service);
	turns_hang_up(t);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	explicit_bzero(&t->options, sizeof(t->options));
}

/* ---- other threads ---- */

void
turns_first(struct turns *t, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	int late = 0;

	SCOPED_LOCK(&t->lock);
	while (!t->tried && !late)
		late = pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

void
turns_soon(struct turns *t)
{
	SCOPED_LOCK(&t->lock);
	hurry_turn(t);
}

bool
turns_wait(struct turns *t, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	uint64_t mine = t->kind->puts(t->arg);
	int late = 0;

	SCOPED_LOCK(&t->lock);
	if (t->known < mine)
		hurry_turn(t);
	while (t->known < mine && !t->stopping && !late)
		late = pthread_cond_timedwait(&t->changed, &t->lock, &until);
	return t->known >= mine;
}

bool
turns_up(struct turns *t, struct buf *why)
{
	SCOPED_LOCK(&t->lock);
	if (!t->up)
		buf_str(why, t->why[0] ? t->why : "Redis does not answer");
	return t->up;
}
