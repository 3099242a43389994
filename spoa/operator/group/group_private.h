/* The thread of the group, for the files of this folder. */
#ifndef OPERATOR_GROUP_GROUP_PRIVATE_H
#define OPERATOR_GROUP_GROUP_PRIVATE_H

#include "base/redis/turns.h"
#include "record/journal/chain.h"

struct group_trends;

struct group {
	const char *node;
	void (*self)(void *arg, struct buf *out);
	void *arg;
	struct turns turns;
	struct buf others;	     /* JSON; guarded by turns.lock */
	struct group_trends *trends; /* NULL: no samples are taken */
};

#endif
