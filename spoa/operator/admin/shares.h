/* What one caller of the admin server may have written: so many records at once and a second,
 * by number and bytes, so that whoever may read little, or change little, fills no disk. Of
 * readings that are over it a sum is kept, which is a record each second: none is lost, and a
 * reader is never told to wait for having read. owner: its lock, any admin thread; one of its
 * own writes the sums. */
#ifndef OPERATOR_ADMIN_SHARES_H
#define OPERATOR_ADMIN_SHARES_H

#include "operator/admin/calls.h"

enum share { SHARE_READS, SHARE_CHANGES, SHARES };

struct shares;

/* Records a sum: 0, or why it is kept for later. `last`: there is no later. */
typedef int shares_record_fn(
	struct server *s, const struct admin_peer *peer, json_t *after /* taken */, bool last);

struct shares *shares_new(struct server *s, shares_record_fn *record);
/* After the last call; what is summed is recorded first. */
void shares_free(struct shares **s);

/* A record of so many bytes. 0: it is within the share, and counted; else in how many seconds
 * it is. */
unsigned shares_take(struct shares *s, const struct caller_id *who, enum share which,
	size_t bytes, uint64_t now_us);
/* One reading into the caller's sum. */
int shares_sum(
	struct shares *s, const struct admin_peer *peer, const char *command, uint64_t records);

/* The admin server's; NULL: there is none (yet). */
struct shares *admin_shares(const struct server *s);

#endif
