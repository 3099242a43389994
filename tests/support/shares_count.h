/* Returns how many shares a table has, and how many of them it knows to be erased. */
#ifndef TESTS_SHARES_COUNT_H
#define TESTS_SHARES_COUNT_H

#include "record/seal/shares_private.h"

struct shares_count {
	uint64_t here, erased, lost;
};

static inline struct shares_count
shares_count(struct shares *s)
{
	struct shares_count c = { .here = 0 };

	pthread_rwlock_rdlock(&s->lock);
	c.here = s->n;
	c.erased = s->nerased;
	for (size_t i = 0; i < s->nlost; i++)
		c.lost += s->lost[i].to - s->lost[i].from + 1;
	pthread_rwlock_unlock(&s->lock);
	return c;
}

#endif
