/* One pipeline of a turn: the reservations that one server decides. For quota_redis.c, which
 * fills it, quota_part.c, which writes it, and reads what came back. */
#ifndef BUDGET_QUOTA_QUOTA_PART_H
#define BUDGET_QUOTA_QUOTA_PART_H

#include "budget/quota/quota_private.h"

/* What is sent for a dim. */
enum plan {
	COUNTS = 1,
	MAKES = 2, /* the key */
	READS = 4,
	LOOKS = 8,   /* reads all, without counting */
	SPENDS = 16, /* counts what is used too */
	LONGS = 32,  /* reads what is held until long deadlines too */
	FORMER = 64, /* reads the counters of quota_dim.former too, before it counts */
};

struct item {
	struct quota_request *q;
	unsigned short k;
	unsigned short plan;
};

/* The reservations of a turn that one node decides. */
struct part {
	struct tag tag;
	struct quota *quota;
	struct redis *node; /* while it is written */
	uint64_t sent_us, epoch;
	bool revision; /* read before the counters */
	bool longs;    /* set before all */
	size_t former; /* items with FORMER: each has one MGET, before all that is counted */
	/* charges that were not answered in time */
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

/* Writes it; part_answered() is told. */
void part_send(struct quota *qt, struct part *t);

/* The request is over at this dim: so long from now on, at least. */
void part_over(struct quota_request *q, size_t k, int64_t retry_ms);

#endif
