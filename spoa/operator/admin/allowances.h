/* Limits the records that one caller of the admin server causes, so that a caller with few
 * rights cannot fill the disk.
 *
 * Each caller has a bucket for readings and one for changes: a burst of records, a
 * rate, and a rate of bytes. A reading beyond the limit is not refused but added to a sum,
 * which becomes one record each second. So no reading goes unrecorded, and no reader has to
 * wait. Any admin thread may call these functions; a lock protects the state, and a thread of
 * its own writes the sums. */
#ifndef OPERATOR_ADMIN_ALLOWANCES_H
#define OPERATOR_ADMIN_ALLOWANCES_H

#include "operator/admin/calls.h"

enum allowance { ALLOW_READS, ALLOW_CHANGES, ALLOWANCES };

struct allowances;

/* Records a sum. Takes ownership of `after`. Returns 0, or an error if the sum must be kept and
 * recorded later. `last`: this is the last attempt. */
typedef int allowances_record_fn(
	struct server *s, const struct admin_peer *peer, json_t *after, bool last);

/* Returns NULL if memory is exhausted. */
struct allowances *allowances_new(struct server *s, allowances_record_fn *record);
/* Records the remaining sums and frees everything. No other call may follow. */
void allowances_free(struct allowances **s);

/* Accounts for a record of so many bytes at the monotonic time `now_us`. Returns 0 if the
 * record is within the caller's limit and was counted, otherwise the seconds after which it
 * would be. */
unsigned allowances_take(struct allowances *s, const struct caller_id *who,
	enum allowance which, size_t bytes, uint64_t now_us);
/* Adds one reading of `records` records by this command to the caller's sum. Returns 0 or
 * ERR_NOMEM. */
int allowances_sum(struct allowances *s, const struct admin_peer *peer, const char *command,
	uint64_t records);

/* Returns the admin server's allowances, or NULL before it has started. */
struct allowances *admin_allowances(const struct server *s);

#endif
