/* What one caller of the admin server may have written: so many records at once and a second,
 * by number and bytes, so that whoever may read little, or change little, fills no disk. Of
 * readings that are over it a sum is kept, which is a record each second: none is lost, and a
 * reader is never told to wait for having read. owner: its lock, any admin thread; one of its
 * own writes the sums. */
#ifndef OPERATOR_ADMIN_ALLOWANCES_H
#define OPERATOR_ADMIN_ALLOWANCES_H

#include "operator/admin/calls.h"

enum allowance { ALLOW_READS, ALLOW_CHANGES, ALLOWANCES };

struct allowances;

/* Records a sum: 0, or why it is kept for later. `last`: there is no later. */
typedef int allowances_record_fn(
	struct server *s, const struct admin_peer *peer, json_t *after /* taken */, bool last);

struct allowances *allowances_new(struct server *s, allowances_record_fn *record);
/* After the last call; what is summed is recorded first. */
void allowances_free(struct allowances **s);

/* A record of so many bytes. 0: it is within the share, and counted; else in how many seconds
 * it is. */
unsigned allowances_take(struct allowances *s, const struct caller_id *who,
	enum allowance which, size_t bytes, uint64_t now_us);
/* One reading into the caller's sum. */
int allowances_sum(struct allowances *s, const struct admin_peer *peer, const char *command,
	uint64_t records);

/* The admin server's; NULL: there is none (yet). */
struct allowances *admin_allowances(const struct server *s);

#endif
