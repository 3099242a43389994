/* An arena allocates memory that is released as a whole, at the end of a request or a snapshot.
 * A failed allocation latches: every later one fails too, so that a step needs to check
 * arena_failed() only once, at its end. owner: the holder of the arena; one thread at a time. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *at, *end;		    /* the free part of the newest chunk */
	size_t used_bytes;	    /* bytes in all chunks */
	size_t apart_bytes;	    /* bytes in chunks that hold a single large allocation */
	size_t cap_bytes;	    /* limit of used_bytes; 0: none */
	bool failed; /* an allocation failed */
	bool full;   /* it failed because of cap_bytes */
	bool wipe; /* zero the memory before release, because it holds text or secrets */
};

/* Initializes an arena. Allocates nothing. */
void arena_init(struct arena *a, size_t cap_bytes, bool wipe);
/* Releases everything and clears the latch. The arena can be used again. */
void arena_reset(struct arena *a);
/* Returns n zeroed bytes, aligned for any object. Returns NULL and latches the failure if the
 * limit is reached or memory is exhausted. n == 0 returns a valid unique pointer. */
void *arena_alloc(struct arena *a, size_t n);
/* As arena_alloc(), for an array of `count` elements of `size` bytes. Overflow is a failure. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* Makes room for one more element in an array. `v` has n elements of `size` bytes and room for
 * *room (0: `v` is NULL). Returns v, or a copy with twice the room if v is full; the first array
 * has room for `first`. Returns NULL as arena_alloc() does; v and *room are then unchanged. */
void *arena_grow(struct arena *a, void *v, size_t n, size_t *room, size_t size, size_t first);
/* Returns a copy with a NUL after it, which is not counted in n. On failure, p is NULL and n is
 * 0. */
struct span arena_dup(struct arena *a, struct span s);
/* As arena_dup(), for a string. Returns NULL on failure. */
char *arena_strdup(struct arena *a, const char *s);
/* Returns the formatted text as arena_dup() does. */
__attribute__((format(printf, 2, 3))) struct span arena_printf(
	struct arena *a, const char *fmt, ...);
/* Returns true if an allocation failed because the limit is reached, not because memory is
 * exhausted. */
static inline bool
arena_is_full(const struct arena *a)
{
	return a->full;
}
static inline bool
arena_failed(const struct arena *a)
{
	return a->failed;
}

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
