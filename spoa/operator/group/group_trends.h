/* What the daemons that share a Redis decided over time, in one: budget/trends/trends.h of this daemon, and the sum of the others.
 *
 * The string tollgate:{group}:trends:NODE holds "generation NUMBER" and then a node's lines, which its daemon
 * appends within ten seconds. The number is another one when all lines were written again. Lines are outside
 * input: what cannot be read is left out. */
#ifndef OPERATOR_GROUP_GROUP_TRENDS_H
#define OPERATOR_GROUP_GROUP_TRENDS_H

#include "budget/trends/trends.h"
#include "operator/group/group_private.h"

enum { GROUP_TRENDS_NODES = 32, GROUP_TRENDS_EVERY = 10 /* turns */ };

struct group_trends {
	struct trends *_Atomic *own; /* this daemon's; NULL in it: not yet */
	unsigned turns;
	uint64_t generation, sent; /* of the own string; its bytes. 0: not written yet */
	bool complete;		   /* the own string was written, and all others were read, once */
	struct trends *others;	   /* the sum of the other daemons; NULL: there are none. Both guarded by the lock of turns */
	size_t n;
	struct group_node {
		char node[CHAIN_NODE_MAX + 1]; /* of the first instance */
		bool live, listed;
		uint64_t generation, read; /* of its string; how many bytes were read */
		struct trends_reader *reader;
	} node[GROUP_TRENDS_NODES]; /* [0]: this daemon; guarded by the lock of turns */
};

/* An instance of the daemon wrote its field of the group's hash within the last day, and within the last ten seconds if it
 * is `live`. Daemons over the room are left out. */
void group_trends_node(struct group *g, const char *daemon, bool live);
/* Writes and reads what is new, each GROUP_TRENDS_EVERY turns. False: Redis is away. */
bool group_trends_turn(struct group *g);
void group_trends_free(struct group_trends *t);

#endif
