/* Counts the shares in a file. */
#include "support/shares_count.h"

struct shares_count
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
