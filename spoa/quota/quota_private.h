/* The quota of one worker, as its own files see it. */
#ifndef QUOTA_QUOTA_PRIVATE_H
#define QUOTA_QUOTA_PRIVATE_H

#include "quota/quota_known.h"
#include "quota/quota_table.h"

struct quota {
	struct tag tag;
	struct redis *redis;
	struct quota_request *first, **last; /* asked for in this turn */
	struct quota_known *known;
	struct quota_table *table;
	struct mailbox *self;
	struct metrics *metrics;
};

/* Puts the request into the turn's queue: written after all corrections, by
 * counts_write(). */
void counts_queue(struct quota *qt, struct quota_request *q);
/* At the end of a turn of the loop, before it is written. */
void counts_write(void *quota);
/* Adds to the bucket at this place, or takes from it, on Redis. Fire and forget. */
void counts_correct(
	struct quota *qt, const struct quota_dim *d, struct quota_place at, int64_t delta);

/* quota.c: */
/* The request's answer, at a later turn. */
void quota_tell(struct quota *qt, struct quota_request *q);
/* Corrects what was charged at this place, or what is more now where it is gone. */
void quota_correct(struct quota *qt, const struct quota_dim *d, struct quota_place at,
	int64_t delta, uint64_t now_us);

#endif
