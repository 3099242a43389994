/* A part: one pipeline of a turn, with the reservations that one server decides.
 * quota_redis.c fills it; quota_part.c writes the commands and reads the replies. */
#ifndef BUDGET_QUOTA_QUOTA_PART_H
#define BUDGET_QUOTA_QUOTA_PART_H

#include "budget/quota/quota_private.h"

/* The commands for a dim, as bits. */
enum plan {
	COUNTS = 1,
	MAKES = 2, /* creates the key */
	READS = 4,
	LOOKS = 8,   /* reads all cells without counting */
	SPENDS = 16, /* counts the amount spent, too */
	LONGS = 32,  /* reads the cells of long deadlines, too */
	FORMER = 64, /* reads the counters of quota_dim.former, too, before it counts */
};

/* One dim of a request in a part. */
struct item {
	struct quota_request *q;
	unsigned short k;
	unsigned short plan;
};

/* owner: the pipeline, until its replies have arrived. */
struct part {
	struct tag tag;
	struct quota *quota;
	struct redis *node; /* valid while the commands are written */
	uint64_t sent_us, epoch;
	bool revision; /* the revision is read before the counters */
	bool longs;    /* the key for long deadlines is set before everything else */
	/* items with FORMER: each has one MGET before all commands that count */
	size_t former;
	/* charges without a reply in time */
	struct silent *silent;
	size_t nsilent;
	size_t nitems;
	struct item item[];
};

static inline struct quota_dim *
item_dim(const struct item *i)
{
	return &i->q->dim[i->k];
}

/* Sends the commands of the part; part_answered() gets the replies. */
void part_send(struct quota *qt, struct part *t);

/* Notes that the request is over at this dim for at least retry_ms. */
void part_over(struct quota_request *q, size_t k, int64_t retry_ms);

#endif
