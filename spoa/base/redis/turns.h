/* A service that takes turns with Redis: what changed here goes there, what changed there comes
 * here. The service, its connection, when the next turn is and what is told of Redis are the
 * same for all that do so; what is sent and what becomes of the replies is each one's own.
 *
 *   every_us after a turn, or at once where somebody waits, comes the next one; where Redis is
 *   away again_us after it. That it went, and that it is back, is logged once each.
 */
#ifndef BASE_REDIS_TURNS_H
#define BASE_REDIS_TURNS_H

#include <pthread.h>

#include "base/redis/redis_sync.h"
#include "base/service.h"

enum turn {
	TURN_AWAY, /* Redis is, or what else a turn needs */
	TURN_PART, /* what is waited for is not all there yet */
	TURN_DONE, /* Redis has all that was put before the turn */
};

enum { TURNS_WHY = 260 };

/* One row each. What may be NULL says so. */
struct turns_kind {
	const char *thread;	       /* its name */
	const char *away;	       /* the log line; NULL: `lost` says it */
	uint64_t every_us, again_us;
	bool hurries;		       /* turns_soon() counts where Redis is away, too */
	uint64_t (*puts)(void *arg);   /* counts up with what has to go; or NULL */
	enum turn (*turn)(void *arg, uint64_t puts); /* puts: as it was before */
	void (*back)(void *arg);       /* says that Redis is there; or NULL */
	void (*lost)(void *arg, const char *why); /* the connection is over; or NULL */
	void (*last)(void *arg);       /* after the last turn; or NULL */
	/* Corrects a key of another type, so that a command can be repeated. False with *why. NULL:
	 * the key is removed, and the next turn begins it again. */
	bool (*repair)(void *arg, const char *key, char why[TURNS_WHY]);
};

/* Part of whatever takes them. */
struct turns {
	const struct turns_kind *kind;
	void *arg;
	struct redis_options options;
	struct service service;
	pthread_mutex_t lock; /* of what follows, and of what its owner says */
	pthread_cond_t changed;
	bool stopping, soon;
	bool turning;	  /* a turn is in progress: `soon` is read at its end */
	bool tried, up;	  /* of the last turn; written by the thread */
	uint64_t known;	  /* of kind->puts(): Redis has so many; likewise */
	uint64_t stop_us; /* `last` may take until then */
	char why[200];	  /* it is not up */
	/* owner: the thread */
	redisContext *redis;
	bool said;	  /* that it is away */
	uint64_t next_us; /* a turn may set it: when the next one is; 0: as `kind` says */
};

/* The options are copied; NULL: there is no Redis, and no turn dials. */
void turns_init(struct turns *t, const struct turns_kind *kind, void *arg,
	const struct redis_options *redis);
/* Redis may be away. 0, or ERR_NOMEM with *why. */
int turns_start(struct turns *t, struct buf *why);
/* Ends the service, whose `last` gets so much time; what turns_init() made is gone. */
void turns_stop(struct turns *t, uint64_t most_us);

/* ---- any thread ---- */

/* Waits until the first turn is over, at most so long. */
void turns_first(struct turns *t, uint64_t most_us);
/* The next turn is at once. */
void turns_soon(struct turns *t);
/* Waits until Redis has all that was put before the call, at most so long; false: it has not. */
bool turns_wait(struct turns *t, uint64_t most_us);
/* The last turn found Redis; else *why not. */
bool turns_up(struct turns *t, struct buf *why);

/* ---- within a turn ---- */

/* There is a connection to the server with that key. */
bool turns_dial(struct turns *t, struct span key);
/* Redis is away: logged, shown, and the connection is over. */
void turns_lost(struct turns *t, const char *why);
void turns_hang_up(struct turns *t);
/* The reply to a command, of which argv[1] is the key; or NULL with *why, and *wrong: the key
 * is of another type than ours. */
redisReply *turns_try(struct turns *t, int argc, const char **argv, const size_t *lens,
	char why[TURNS_WHY], bool *wrong);
/* Returns the reply to a command, of which argv[1] is the key; or NULL, and Redis is away. A key of
 * another type, which somebody else wrote, is repaired or removed as the kind states. */
redisReply *turns_ask(struct turns *t, int argc, const char **argv, const size_t *lens);
bool turns_append(struct turns *t, int argc, const char **argv, const size_t *lens);
/* The last of so many replies to what was appended; or the first that is an error, since of
 * what EXEC says "EXECABORT" to only the command knows why. NULL: out of touch. */
redisReply *turns_replies(struct turns *t, size_t n);
/* The first error in what EXEC says, which goes on after a command that fails; NULL: none. */
const char *turns_exec_error(const redisReply *r);
/* What is wrong with a reply, or with none. */
const char *turns_why(const struct turns *t, const redisReply *r);

#endif
