/* Binary search. */
#ifndef BASE_SEARCH_H
#define BASE_SEARCH_H

#include <stddef.h>

/* Of n rows, of which those come first that are `less`, an expression of the index k: the first
 * that is not; n where all are. */
#define SEARCH_FIRST(n, k, less)                                                               \
	__extension__({                                                                        \
		size_t from_ = 0, to_ = (n);                                                   \
		while (from_ < to_) {                                                          \
			size_t k = (from_ + to_) / 2;                                          \
			if (less)                                                              \
				from_ = k + 1;                                                 \
			else                                                                   \
				to_ = k;                                                       \
		}                                                                              \
		from_;                                                                         \
	})

#endif
