/* Settles what the journal of a retired node has left, on another daemon (recall.c). Apart from
 * recall.h, because the admin server includes it. */
#ifndef OPERATOR_SERVER_RECALL_GONE_H
#define OPERATOR_SERVER_RECALL_GONE_H

#include "base/buf.h"

struct audit;
struct quota_table;
struct worker;

/* The unfinished decisions in the journal of a retired node. */
struct recall_gone;
/* Reads the journal in that folder. No daemon may write to it. Returns NULL with *why if it cannot be
 * read or has no records of the node. */
struct recall_gone *recall_gone_read(const char *journal, const char *node, struct quota_table *table,
	struct buf *why);
/* Returns the number of decisions without an end. */
size_t recall_gone_open(const struct recall_gone *r);
/* Settles them at their reservations on the worker's loop, and records each. With `counts`, usage
 * that Redis has lost since is counted again. Takes ownership of *r. */
void recall_gone_settle(struct recall_gone **r, struct worker *w, struct audit *audit, bool counts);
void recall_gone_free(struct recall_gone **r);

#endif
