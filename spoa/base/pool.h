/* Threads for work that would block an event loop. The caller sends itself a message when the
 * work is done; the pool knows nothing of loops. The pool has many threads of low priority, so
 * that a few long pieces of work leave threads for shorter ones, and processor time for the
 * loops. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <pthread.h>
#include <stdbool.h>

struct pool;

/* One piece of work, part of the caller's object. Belongs to the pool until `run` is called. */
struct work {
	struct work *next;
	/* Runs on one of the pool's threads, whose number from 0 on is `thread`. The pool does
	 * not touch `w` after the call has begun. */
	void (*run)(struct work *w, unsigned thread);
};

/* Starts a thread that gets no signals, because main handles them. `name` has at most 15 bytes
 * or is NULL. Returns 0 or ERR_NOMEM. */
int thread_start(pthread_t *id, const char *name, void *(*run)(void *), void *arg);

/* Initializes a condition whose waits end at a monotonic time, as clock_timespec() returns it. */
void cond_init(pthread_cond_t *c);

/* Returns NULL if memory is exhausted or no thread could be started. May start fewer threads. */
struct pool *pool_new(unsigned threads);
/* Queues work; the oldest runs first. Any thread. */
void pool_submit(struct pool *p, struct work *w);
/* Returns true while the pool is being stopped: long work should end early. Any thread. */
bool pool_stopping(const struct pool *p);
/* Waits for the work in progress and for the queued work, which can see pool_stopping(). Sets *p
 * to NULL. */
void pool_free(struct pool **p);

#endif
