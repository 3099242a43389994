/* One element more in an array that grows in an arena. */
#ifndef BASE_PUSH_H
#define BASE_PUSH_H

#include "base/arena.h"

/* Adds an element, the last argument, to v, an array of n with room for `room`, all three of
 * which are changed; `first`: as of arena_grow. Its address; NULL: as arena_alloc, and all is
 * as it was. */
#define ARENA_PUSH(a, v, n, room, first, ...)                                                  \
	__extension__({                                                                        \
		__typeof__(v) grown_ = arena_grow(a, v, n, &(room), sizeof(*(v)), first);      \
		if (grown_) {                                                                  \
			(v) = grown_;                                                          \
			grown_ += (n)++;                                                       \
			*grown_ = (__VA_ARGS__);                                               \
		}                                                                              \
		grown_;                                                                        \
	})

#endif
