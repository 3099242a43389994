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

/* Sends a command, of which argv[1] is the key, and returns its reply in *r. False: Redis is away, which was logged. A key
 * of another type is removed, and counts as away. */
bool group_ask(struct group *g, int argc, const char **argv, const size_t *lens, redisReply **r);

#endif
