/* Bump allocation for one lifetime (a request, a snapshot). An arena latches
 * overflow: after one failed allocation every further one fails and
 * arena_failed() says so, so that a step checks once. owner: whoever holds it. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/span.h"

struct arena_chunk;

struct arena {
	struct arena_chunk *chunks; /* newest first */
	char *at, *end;		    /* free part of the newest chunk */
	size_t used_bytes;	    /* sum of chunk sizes, */
	size_t apart_bytes;	    /* of them, of pieces with a chunk of their own */
	size_t cap_bytes;	    /* never grow beyond; 0: no cap */
	bool failed;
	bool wipe; /* zero before release: holds text or secrets */
};

/* Nothing is allocated before the first arena_alloc. */
void arena_init(struct arena *a, size_t cap_bytes, bool wipe);
/* Releases everything; the arena is as after arena_init. */
void arena_reset(struct arena *a);
/* n bytes, aligned for any object, zeroed; NULL (latched) over the cap or out
 * of memory. n == 0 gives a valid unique pointer. */
void *arena_alloc(struct arena *a, size_t n);
/* As arena_alloc for an array, overflow-checked. */
void *arena_array(struct arena *a, size_t count, size_t size);
/* v, an array of n elements with room for *room, or where that is used up a copy with twice
 * the room (`first` for none); NULL: as arena_alloc, and v and *room are as they were. */
void *arena_grow(struct arena *a, void *v, size_t n, size_t *room, size_t size, size_t first);
/* A copy with a NUL after it (not counted in n). On failure p is NULL, n 0. */
struct span arena_dup(struct arena *a, struct span s);
char *arena_strdup(struct arena *a, const char *s);
__attribute__((format(printf, 2, 3))) struct span arena_printf(
	struct arena *a, const char *fmt, ...);
static inline bool
arena_failed(const struct arena *a)
{
	return a->failed;
}

#define arena_new(a, type) ((type *)arena_alloc((a), sizeof(type)))

#endif
