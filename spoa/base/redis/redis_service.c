/* Turns with Redis, in which a user of the service exchanges its changes with other daemons.
 *
 * There are three sections. On the connection, the user's turn sends its commands. The
 * thread of the service takes a turn at each interval, or when it is woken. Other threads
 * wake the service or wait for a turn.
 *
 * The lock guards the state of the turns. The connection belongs to the thread alone. */
#include "base/redis/redis_service.h"

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
redis_service_hang_up(struct redis_service *t)
{
	if (t->redis)
		redisFree(t->redis);
	t->redis = NULL;
}

void
redis_service_lost(struct redis_service *t, const char *why)
{
	if (t->kind->away && !t->said)
		log_event(LOG_WARN, t->kind->away, LS("why", why));
	t->said = true;
	pthread_mutex_lock(&t->lock);
	snprintf(t->why, sizeof(t->why), "%s", why);
	pthread_mutex_unlock(&t->lock);
	if (t->kind->lost)
		t->kind->lost(t->arg, why);
	redis_service_hang_up(t);
}

bool
redis_service_dial(struct redis_service *t, struct span key)
{
	if (t->redis)
		return true;
	SCOPED_BUF(why, 4096);
	t->redis = redis_dial(&t->options, key, COMMAND_US, &why);
	buf_putc(&why, '\0');
	if (!t->redis)
		redis_service_lost(t, buf_view(&why).p);
	return t->redis != NULL;
}

const char *
redis_service_why(const struct redis_service *t, const redisReply *r)
{
	return r && r->type == REDIS_REPLY_ERROR ? r->str : redis_sync_error(t->redis);
}

redisReply *
redis_service_try(struct redis_service *t, int argc, const char **argv, const size_t *lens,
	char why[REDIS_SERVICE_WHY], bool *wrong)
{
	redisReply *r = redis_ask_argv(t->redis, argc, argv, lens);

	*wrong = false;
	if (r && r->type != REDIS_REPLY_ERROR)
		return r;
	*wrong = r && !strncmp(r->str, "WRONGTYPE", 9);
	snprintf(why, REDIS_SERVICE_WHY, "%s%s%s", r ? argv[1] : "", r ? ": " : "",
		redis_service_why(t, r));
	freeReplyObject(r);
	return NULL;
}

redisReply *
redis_service_ask(struct redis_service *t, int argc, const char **argv, const size_t *lens)
{
	char why[REDIS_SERVICE_WHY];
	bool wrong;
	redisReply *r = redis_service_try(t, argc, argv, lens, why, &wrong);

	if (!r && wrong && !t->kind->repair)
		freeReplyObject(redis_ask(t->redis, "DEL %s", argv[1]));
	else if (!r && wrong && t->kind->repair(t->arg, argv[1], why))
		r = redis_service_try(t, argc, argv, lens, why, &wrong);
	if (!r)
		redis_service_lost(t, why);
	return r;
}

bool
redis_service_append(struct redis_service *t, int argc, const char **argv, const size_t *lens)
{
	return redisAppendCommandArgv(t->redis, argc, argv, lens) == REDIS_OK;
}

redisReply *
redis_service_replies(struct redis_service *t, size_t n)
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
redis_service_exec_error(const redisReply *r)
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
hurry_turn(struct redis_service *t)
{
	t->soon = true;
	if (!t->turning && (t->up || t->kind->hurries))
		service_wake(&t->service);
}

static uint64_t
redis_service_turn(void *arg)
{
	struct redis_service *t = arg;
	const struct redis_service_kind *k = t->kind;

	pthread_mutex_lock(&t->lock);
	t->soon = false;
	t->turning = true;
	pthread_mutex_unlock(&t->lock);
	uint64_t puts = k->puts ? k->puts(t->arg) : 0;
	t->next_us = 0;
	enum redis_turn end = k->turn(t->arg, puts);
	bool up = end != REDIS_TURN_AWAY;
	if (up && !t->up && k->back)
		k->back(t->arg);
	t->said = t->said && !up;
	SCOPED_LOCK(&t->lock);
	t->up = up;
	t->tried = true;
	t->turning = false;
	if (end == REDIS_TURN_DONE)
		t->known = puts;
	pthread_cond_broadcast(&t->changed);
	if (t->soon && (up || k->hurries))
		return 0;
	return t->next_us ? t->next_us : clock_mono_us() + (up ? k->every_us : k->again_us);
}

static void
redis_service_last(void *arg)
{
	struct redis_service *t = arg;

	if (t->kind->last)
		t->kind->last(t->arg);
}

void
redis_service_init(struct redis_service *t, const struct redis_service_kind *kind, void *arg,
	const struct redis_options *redis)
{
	*t = (struct redis_service){ .kind = kind, .arg = arg };
	if (redis)
		t->options = *redis;
	pthread_mutex_init(&t->lock, NULL);
	cond_init(&t->changed);
}

int
redis_service_start(struct redis_service *t, struct buf *why)
{
	/* A service gets no SIGPIPE either: a write to a Redis that has closed is an error, not
	 * the end of the daemon. */
	const struct service_options o = { .name = t->kind->thread,
		.turn = redis_service_turn,
		.last = redis_service_last,
		.arg = t };
	int err = service_start(&t->service, &o);

	if (err)
		buf_str(why, err_str(err));
	return err;
}

void
redis_service_stop(struct redis_service *t, uint64_t most_us)
{
	pthread_mutex_lock(&t->lock);
	t->stopping = true;
	t->stop_us = clock_mono_us() + most_us;
	pthread_cond_broadcast(&t->changed);
	pthread_mutex_unlock(&t->lock);
	service_stop(&t->service);
	redis_service_hang_up(t);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	explicit_bzero(&t->options, sizeof(t->options));
}

/* ---- other threads ---- */

void
redis_service_await_first(struct redis_service *t, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	int late = 0;

	SCOPED_LOCK(&t->lock);
	while (!t->tried && !late)
		late = pthread_cond_timedwait(&t->changed, &t->lock, &until);
}

void
redis_service_wake(struct redis_service *t)
{
	SCOPED_LOCK(&t->lock);
	hurry_turn(t);
}

bool
redis_service_wait(struct redis_service *t, uint64_t most_us)
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
redis_service_up(struct redis_service *t, struct buf *why)
{
	SCOPED_LOCK(&t->lock);
	if (!t->up)
		buf_str(why, t->why[0] ? t->why : "Redis does not answer");
	return t->up;
}
