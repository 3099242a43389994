/* Local variables that are freed when their scope ends, on every path, in reverse order. They
 * are for objects that a function needs only while it runs. No goto may jump over such a
 * declaration. */
#ifndef BASE_SCOPED_H
#define BASE_SCOPED_H

#include <pthread.h>

#include "base/arena.h"
#include "base/buf.h"

/* Combines buf_init() and buf_free(). */
#define SCOPED_BUF(name, cap_bytes_)                                                           \
	__attribute__((cleanup(buf_free))) struct buf name = { .cap = (cap_bytes_) }
/* Combines arena_init() and arena_reset(). */
#define SCOPED_ARENA(name, cap_bytes_, wipe_)                                                  \
	__attribute__((cleanup(arena_reset))) struct arena name = { .cap_bytes = (cap_bytes_), \
		.wipe = (wipe_) }
/* A descriptor that is closed at the end of the scope; negative: none. Keeps errno. */
#define SCOPED_FD(name, fd_) __attribute__((cleanup(scoped_fd_close))) int name = (fd_)
void scoped_fd_close(const int *fd);

/* Returns a copy of the bytes of b, as arena_dup() does. p is NULL also if b failed. */
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
/* Holds the lock until the scope ends. */
#define SCOPED_LOCK(lock)                                                                      \
	__attribute__((cleanup(scoped_unlock), unused)) pthread_mutex_t *held_lock =           \
		scoped_lock(lock)

#endif
