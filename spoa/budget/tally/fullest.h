/* The limits of callers with the largest used share, also of callers far from their limit. The
 * table has a fixed size: a caller's limit belongs to a set of FULL_WAYS entries. If the set is
 * full, a new entry replaces one whose window is over, or that with the smallest share.
 * owner: worker, the only thread that writes; any thread reads. */
#ifndef BUDGET_TALLY_FULLEST_H
#define BUDGET_TALLY_FULLEST_H

#include <stdatomic.h>

#include "base/buf.h"

enum { FULL_SETS = 16, FULL_WAYS = 8, FULL_TEXT = 64, FULL_WORDS = 46 };
enum { FULL_LIMIT, FULL_PERSON, FULL_TEAM, FULL_ROUTE, FULL_TEXTS };

/* The state of one limit of a caller, as a reservation returned it. */
struct full_seen {
	uint64_t caller; /* the limit, its caller and its window, as a hash; not 0 */
	uint64_t used, of;
	const char *counts,
		*calendar; /* words that live as long as the daemon; calendar NULL: rolling */
	uint64_t window_s; /* window of a rolling limit, in seconds */
	int64_t begin_ms;  /* begin of a calendar's window; 0: a rolling limit */
	int64_t at_ms, reset_ms; /* ms since 1970 */
};

struct fullest {
	struct full_slot {
		_Atomic uint64_t turn; /* odd while the slot is written */
		_Atomic uint64_t word[FULL_WORDS];
	} slot[FULL_SETS * FULL_WAYS];
	/* the worker's own */
	struct full_kept {
		struct full_seen seen;
		/* The amount used at a moment. The rate is measured from `first`, a day ago or
		 * more; `day` is the last midnight, which is the next `first`. */
		struct full_base {
			uint64_t used;
			int64_t ms;
		} first, day;
		uint8_t n[FULL_TEXTS], pad[4];
		char text[FULL_TEXTS][FULL_TEXT];
	} kept[FULL_SETS * FULL_WAYS];
	uint64_t writes;
};

/* Notes the state of a caller's limit. If the limit needs a new entry, returns the entry, to
 * which the calling function adds texts with fullest_name(). Returns NULL if the limit has an
 * entry, or if its share is too small for one. */
struct full_kept *fullest_see(struct fullest *f, const struct full_seen *seen);
void fullest_name(struct fullest *f, struct full_kept *k, const struct span text[FULL_TEXTS]);
/* Writes {"limits":[{…}]} of n workers: the `count` limits with the largest share whose window
 * is not over, the largest first. Any thread. */
void fullest_json(struct buf *out, const struct fullest *const *f, size_t n, size_t count,
	int64_t now_ms);

#endif
