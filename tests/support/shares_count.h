/* Returns how many shares a table has, and how many of them it knows to be erased. */
#ifndef TESTS_SHARES_COUNT_H
#define TESTS_SHARES_COUNT_H

#include "record/seal/shares_private.h"

struct shares_count {
	uint64_t here, erased, lost;
};

/* Returns how many shares of the file exist, were erased, and are lost. */
struct shares_count shares_count(struct shares *s);

#endif
