/* The counters of a dim. Each is a key on Redis, "KEY:EPOCH:CELL" (cell_key()):
 *
 *   CELL_SUB    a sub-bucket of a rolling window
 *   CELL_SLICES a hash: what is noted of the slices of a sub-bucket (quota_window.h)
 *   CELL_TOTAL  what is reserved and what is spent of a window of the calendar
 *   CELL_USED   what of it is spent. Told, and no decision needs it; but where orphans are
 *               dropped there is no total: they decide on what is spent and on
 *   CELL_SHORT  what is reserved until a deadline and expires with it: deadlines within half
 *   CELL_LONG   an hour, and longer ones. What is in flight too
 *
 * A reservation adds to one cell, its own. Of a rolling window, and where orphans are
 * dropped, it then reads the others: those of long deadlines only where there are any, of
 * which a key tells (quota_redis.c). */
#ifndef BUDGET_QUOTA_QUOTA_CELL_H
#define BUDGET_QUOTA_QUOTA_CELL_H

#include "budget/quota/quota_window.h"

enum cell_kind { CELL_SUB, CELL_TOTAL, CELL_USED, CELL_SHORT, CELL_LONG, CELL_SLICES };

struct cell {
	enum cell_kind kind;
	int64_t id; /* sub-bucket; begin of the window; deadline / width */
};

/* A correction: what was spent, and what more or less its own cell holds. */
struct change {
	struct quota_dim dim;
	struct quota_place at;
	int64_t spent, own;
	bool unseen; /* it was counted after all that this worker knows was read */
	/* the id by which Redis recognizes an addition that is sent again; 0: it has not been sent,
	 * or needs none */
	uint64_t id;
	bool without_id; /* the next attempt is sent without the id: the keys of the counter and
			  * of the id are on two nodes */
};

enum {
	CELL_SHORT_S = 900,  /* width of a deadline's bucket */
	CELL_LONG_S = 21600, /* likewise */
	CELL_SHORT_READ = 4, /* buckets that live at a moment, and one for a clock set back */
	CELL_LONG_READ = 6,
	CELL_READ_MAX = 12,
	CELL_HOLD_MAX_S = 90000, /* no deadline is later */
	CELL_KEY_TEXT = QUOTA_KEY_MAX + 2 * SPAN_DECIMAL + 4,
};

/* Where the dim is charged at this moment of the counts' clock. */
struct quota_place cell_place(const struct quota_dim *d, int64_t now_ms, uint64_t epoch);
/* The same for an amount that is counted without a decision: its slice is that moment's. */
struct quota_place cell_place_at(const struct quota_dim *d, int64_t now_ms, uint64_t epoch);
/* Whether what was sent to d->at at d->asked_s counts as one of this moment. */
bool cell_in_time(const struct quota_dim *d, int64_t now_ms);
/* The cell that a charge at this place adds to. */
struct cell cell_own(const struct quota_dim *d, const struct quota_place *at);
/* Where the settlement of what was held there counts what was used. */
struct cell cell_spent(const struct quota_dim *d, const struct quota_place *at);
/* From when on nobody reads it, and no correction of it means anything. */
int64_t cell_ends_ms(const struct quota_dim *d, const struct quota_place *at, struct cell c);
/* Whether a correction of the cell still means anything. */
bool cell_alive(
	const struct quota_dim *d, const struct quota_place *at, struct cell c, int64_t now_ms);
/* Returns true if this correction of the cell still has an effect: cell_alive(), or, for a refund
 * (delta below 0) to a cell that is no sub-bucket, up to a day later. If a clock is ahead for a
 * moment, a cell seems to be over that is not, and a refund that is not sent would count until
 * the cell ends. If the key no longer exists, the reply shows it. */
bool cell_takes(const struct quota_dim *d, const struct quota_place *at, struct cell c,
	int64_t delta, int64_t now_ms);
/* How long its key must live from now on. */
int64_t cell_ttl_s(
	const struct quota_dim *d, const struct quota_place *at, struct cell c, int64_t now_ms);
/* "KEY:EPOCH:CELL"; of CELL_SLICES "tollgate:p:{LIMIT:HASH}:EPOCH:BUCKET". How many bytes. */
size_t cell_key(
	char out[CELL_KEY_TEXT], const struct quota_dim *d, uint64_t epoch, struct cell c);

/* ---- of calendars and of what is in flight ---- */

/* What is reserved expires with its deadline. */
bool cell_expires(const struct quota_dim *d);
/* Charged for good in a window with a total: it is spent at once, too. */
bool cell_spends(const struct quota_dim *d, const struct quota_place *at);
/* What the settlement of a charge at its `actual` corrects: what was held becomes what was
 * spent, what was charged for good is corrected. The dim is as it is after it. */
struct change cell_settle(struct quota_dim *d);
/* The cells that are read after adding to the own one; `looks`: without adding; `longs`:
 * CELL_LONG too. What is spent comes first. */
size_t cell_reads(
	const struct quota_dim *d, bool looks, bool longs, struct cell out[CELL_READ_MAX]);
/* Of what adding answered (own; 0 where it looks) and of what was read: what cell_judge()
 * is told. */
void cell_sums(const struct quota_dim *d, bool looks, const int64_t *read, size_t n,
	int64_t *own, int64_t *used);

/* ---- of all ---- */

/* Fills the dim's outs; true: within the limit; else *retry_ms is when it may be, at the
 * earliest. A rolling window: as window_judge(). Of others c->near[0] is what is used, and c->own
 * the total, or what is held where that expires; the charge is in one of them. */
bool cell_judge(struct quota_dim *d, const struct window_counts *c, int64_t now_ms,
	int64_t *retry_ms);

#endif
