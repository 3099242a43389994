/* Locals that are freed where their scope ends, on each way out of it, the last one first: what
 * a function needs while it runs and gives to nobody. No goto may pass one. */
#ifndef BASE_SCOPED_H
#define BASE_SCOPED_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"

/* As buf_init() and buf_free(). */
#define SCOPED_BUF(name, cap_bytes_)                                                           \
	__attribute__((cleanup(buf_free))) struct buf name = { .cap = (cap_bytes_) }
/* As arena_init() and arena_reset(). */
#define SCOPED_ARENA(name, cap_bytes_, wipe_)                                                  \
	__attribute__((cleanup(arena_reset))) struct arena name = { .cap_bytes = (cap_bytes_), \
		.wipe = (wipe_) }
/* A descriptor, or less than 0: there is none to be closed. Keeps errno. */
#define SCOPED_FD(name, fd_) __attribute__((cleanup(scoped_fd_close))) int name = (fd_)
void scoped_fd_close(const int *fd);

/* A copy of what b holds, as of arena_dup(); p is NULL, too, where b failed. */
static inline struct span
arena_kept(struct arena *a, const struct buf *b)
{
	return b->failed ? (struct span){ NULL, 0 } : arena_dup(a, buf_view(b));
}

static inline pthread_mutex_t *
scoped_lock(pthread_mutex_t *lock)
{
	pthread_mutex_lock(lock);
	return lock;
}
static inline void
scoped_unlock(pthread_mutex_t **lock)
{
	pthread_mutex_unlock(*lock);
}
/* Held until the scope ends. */
#define SCOPED_LOCK(lock)                                                                      \
	__attribute__((cleanup(scoped_unlock), unused)) pthread_mutex_t *held_lock =           \
		scoped_lock(lock)

#endif
