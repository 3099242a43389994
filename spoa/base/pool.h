/* Threads for work that would hold up an event loop. Whoever hands work over waits
 * for its own message back; the pool itself knows nothing of loops. The threads are
 * many and of low priority: a few long pieces of work leave threads for shorter
 * ones, and processor time for the loops. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <pthread.h>
#include <stdbool.h>

struct pool;

struct work {
	struct work *next;
	/* Run by one of the pool's threads, whose number from 0 on it is told. The pool
	 * does not touch `w` any more once it was called. */
	void (*run)(struct work *w, unsigned thread);
};

/* A thread that gets no signals: those are main's. `name` may be NULL. 0 or ERR_NOMEM. */
int thread_start(pthread_t *id, const char *name, void *(*run)(void *), void *arg);

/* A condition whose waits end by clock_timespec()'s monotonic time. */
void cond_init(pthread_cond_t *c);

/* NULL: out of memory, or no thread could be made. */
struct pool *pool_new(unsigned threads);
/* Any thread. Oldest first. */
void pool_submit(struct pool *p, struct work *w);
/* The pool is being stopped: long work ends early. Any thread. */
bool pool_stopping(const struct pool *p);
/* Waits for the work under way and for what is queued: pool_stopping() tells it. Clears
 * *p. */
void pool_free(struct pool **p);

#endif
