/* Binary search. */
#ifndef BASE_SEARCH_H
#define BASE_SEARCH_H

#include <stddef.h>

/* Searches n sorted rows, of which the first ones satisfy `less`, an expression of the index k.
 * Evaluates to the index of the first row that does not, or n. Example: SEARCH_FIRST(n, i, v[i]
 * < x) is the index of the first v[i] >= x. */
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
