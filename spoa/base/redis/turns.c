/* Turns with Redis: the thread, its waits, and its connection. */
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

/* ---- the thread ---- */

static void *
turns_run(void *arg)
{
	struct turns *t = arg;
	const struct turns_kind *k = t->kind;

	pthread_mutex_lock(&t->lock);
	while (!t->stopping) {
		t->soon = false;
		pthread_mutex_unlock(&t->lock);
		uint64_t puts = k->puts ? k->puts(t->arg) : 0;
		t->next_us = 0;
		enum turn end = k->turn(t->arg, puts);
		bool up = end != TURN_AWAY;
		if (up && !t->up && k->back)
			k->back(t->arg);
		t->said = t->said && !up;
		pthread_mutex_lock(&t->lock);
		t->up = up;
		t->tried = true;
		if (end == TURN_DONE)
			t->known = puts;
		pthread_cond_broadcast(&t->changed);
		struct timespec until = clock_timespec(
			t->next_us ? t->next_us
				   : clock_mono_us() + (up ? k->every_us : k->again_us));
		int late = 0;
		while (!late && !t->stopping && !(t->soon && (up || k->hurries)))
			late = pthread_cond_timedwait(&t->changed, &t->lock, &until);
	}
	pthread_mutex_unlock(&t->lock);
	if (k->last)
		k->last(t->arg);
	return NULL;
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
	/* No SIGPIPE either: a write to a Redis that went away is an error, not an end. */
	INVARIANT(!t->running && !t->stopping && t->kind->turn);
	t->running = thread_start(&t->thread, t->kind->thread, turns_run, t) == 0;
	if (!t->running)
		buf_str(why, err_str(ERR_NOMEM));
	return t->running ? 0 : ERR_NOMEM;
}

void
turns_stop(struct turns *t, uint64_t most_us)
{
	if (t->running) {
		pthread_mutex_lock(&t->lock);
		t->stopping = true;
		t->stop_us = clock_mono_us() + most_us;
		pthread_cond_broadcast(&t->changed);
		pthread_mutex_unlock(&t->lock);
		pthread_join(t->thread, NULL);
	}
	turns_hang_up(t);
	pthread_cond_destroy(&t->changed);
	pthread_mutex_destroy(&t->lock);
	explicit_bzero(&t->options, sizeof(t->options));
}

/* ---- others ---- */

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
	t->soon = true;
	pthread_cond_broadcast(&t->changed);
}

bool
turns_wait(struct turns *t, uint64_t most_us)
{
	struct timespec until = clock_timespec(clock_mono_us() + most_us);
	uint64_t mine = t->kind->puts(t->arg);
	int late = 0;

	SCOPED_LOCK(&t->lock);
	if (t->known < mine) {
		t->soon = true;
		pthread_cond_broadcast(&t->changed);
	}
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
