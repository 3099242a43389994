/* Appends to an array that grows in an arena. */
#ifndef BASE_PUSH_H
#define BASE_PUSH_H

#include "base/arena.h"

/* Appends an element, the last argument, to v, an array of n elements with room for `room`.
 * Updates all three. `first` is the room of the first array, as in arena_grow(). Evaluates to
 * the address of the new element, or to NULL if the arena failed; v, n and room are then
 * unchanged. */
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
