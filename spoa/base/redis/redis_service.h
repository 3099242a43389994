/* A service that exchanges changes with Redis in turns: local changes are sent, and changes from
 * other daemons are read. The thread, its connection, the schedule and the log events are the
 * same for all users. Each user defines what is sent and how replies are used.
 *
 * The next turn begins every_us after the last one, or at once if a thread waits. While Redis is
 * away, the next turn begins again_us after the last one. The log has one event when Redis is
 * lost and one when it is back. */
#ifndef BASE_REDIS_REDIS_SERVICE_H
#define BASE_REDIS_REDIS_SERVICE_H

#include <pthread.h>

#include "base/redis/redis_sync.h"
#include "base/service.h"

/* The result of a turn. */
enum redis_turn {
	REDIS_TURN_AWAY, /* Redis is away, or something else that the turn needs */
	REDIS_TURN_PART, /* not everything that is waited for is done */
	REDIS_TURN_DONE, /* Redis has everything that was put before the turn */
};

enum { REDIS_SERVICE_WHY = 260 };

/* One user of a service: a constant row. Members may be NULL only if their comment permits it. */
struct redis_service_kind {
	const char *thread;	       /* the thread's name */
	const char *away; /* the event that is logged when Redis is lost; NULL: `lost` logs it */
	uint64_t every_us, again_us;
	bool hurries; /* redis_service_wake() works also while Redis is away */
	/* a counter that increases with each change to be sent; or NULL */
	uint64_t (*puts)(void *arg);
	/* one turn; puts: the counter before the turn */
	enum redis_turn (*turn)(void *arg, uint64_t puts);
	void (*back)(void *arg);       /* called when Redis is back; or NULL */
	void (*lost)(void *arg, const char *why); /* called when the connection is lost; or NULL */
	void (*last)(void *arg);       /* called after the last turn; or NULL */
	/* Corrects a key of another type, so that a command can be repeated. Returns false with
	 * *why. NULL: the key is removed, and the next turn writes it again. */
	bool (*repair)(void *arg, const char *key, char why[REDIS_SERVICE_WHY]);
};

/* A service, which is a member of its user's structure. */
struct redis_service {
	const struct redis_service_kind *kind;
	void *arg;
	struct redis_options options;
	struct service service;
	/* guards the members below, and those members of the user whose comment states it */
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool stopping, soon;
	bool turning;	  /* a turn is in progress: `soon` is read at its end */
	/* tried: a turn was taken; up: the last turn reached Redis. Written by the thread */
	bool tried, up;
	/* Redis has the changes up to this value of kind->puts(). Written by the thread */
	uint64_t known;
	uint64_t stop_us; /* `last` must end by then, monotonic µs */
	char why[200];	  /* why Redis is not up */
	/* Members of the thread. */
	redisContext *redis;
	bool said;	  /* it is logged that Redis is away */
	/* when the next turn is, set by a turn; monotonic µs; 0: as `kind` states */
	uint64_t next_us;
};

/* Initializes the structure. The options are copied; NULL: there is no Redis, and no turn
 * connects. */
void redis_service_init(struct redis_service *t, const struct redis_service_kind *kind,
	void *arg, const struct redis_options *redis);
/* Starts the thread. Redis may be away. Returns 0, or ERR_NOMEM with *why. */
int redis_service_start(struct redis_service *t, struct buf *why);
/* Stops the thread, whose `last` gets `most_us`, and frees everything. */
void redis_service_stop(struct redis_service *t, uint64_t most_us);

/* ---- any thread ---- */

/* Waits until the first turn is over, at most `most_us`. */
void redis_service_await_first(struct redis_service *t, uint64_t most_us);
/* Begins the next turn at once. */
void redis_service_wake(struct redis_service *t);
/* Waits until Redis has everything that was put before the call, at most `most_us`. Returns
 * false if it has not. */
bool redis_service_wait(struct redis_service *t, uint64_t most_us);
/* Returns true if the last turn found Redis; otherwise *why has the reason. */
bool redis_service_up(struct redis_service *t, struct buf *why);

/* ---- within a turn ---- */

/* Connects to the server with that key, if there is no connection. Returns false if Redis is
 * away. */
bool redis_service_dial(struct redis_service *t, struct span key);
/* Notes that Redis is away: logs the event and closes the connection. */
void redis_service_lost(struct redis_service *t, const char *why);
/* Closes the connection. */
void redis_service_hang_up(struct redis_service *t);
/* Sends a command, of which argv[1] is the key. Returns the reply, or NULL with *why. *wrong is
 * set if the key has another type. */
redisReply *redis_service_try(struct redis_service *t, int argc, const char **argv,
	const size_t *lens, char why[REDIS_SERVICE_WHY], bool *wrong);
/* Sends a command, of which argv[1] is the key. Returns the reply, or NULL after
 * redis_service_lost(). A key of another type, which another program wrote, is repaired or
 * removed as the kind states. */
redisReply *redis_service_ask(
	struct redis_service *t, int argc, const char **argv, const size_t *lens);
/* Appends a command, whose reply redis_service_replies() reads. */
bool redis_service_append(
	struct redis_service *t, int argc, const char **argv, const size_t *lens);
/* Reads n replies to appended commands and returns the last one, or the first error: if EXEC
 * returns "EXECABORT", only the reply to the faulty command has the reason. NULL: the connection
 * is lost. */
redisReply *redis_service_replies(struct redis_service *t, size_t n);
/* Returns the first error in EXEC's reply, because EXEC continues after a command that fails;
 * NULL: none. */
const char *redis_service_exec_error(const redisReply *r);
/* Returns what is wrong with a reply, or why there is none. */
const char *redis_service_why(const struct redis_service *t, const redisReply *r);

#endif
