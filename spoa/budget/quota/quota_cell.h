/* The counters (cells) of a dim. With Redis, each is a key "KEY:EPOCH:CELL" (cell_key()):
 *
 *   CELL_SUB    a sub-bucket of a rolling window
 *   CELL_SLICES a hash: the amounts noted for the slices of a sub-bucket (quota_window.h)
 *   CELL_TOTAL  the amounts reserved and spent in a calendar window
 *   CELL_USED   the amount spent in it, for information. Where orphans are dropped there is no
 *               total. Such limits decide on the amount spent and on
 *   CELL_SHORT  the amounts reserved until a deadline, which expire with it: deadlines within
 *   CELL_LONG   half an hour, and longer ones. Also requests in flight
 *
 * A reservation adds to one cell, its own. For a rolling window, and where orphans are
 * dropped, it then reads the others. Cells of long deadlines are read only if a key shows
 * that there are any (quota_redis.c). */
#ifndef BUDGET_QUOTA_QUOTA_CELL_H
#define BUDGET_QUOTA_QUOTA_CELL_H

#include "budget/quota/quota_window.h"

enum cell_kind { CELL_SUB, CELL_TOTAL, CELL_USED, CELL_SHORT, CELL_LONG, CELL_SLICES };

struct cell {
	enum cell_kind kind;
	/* the sub-bucket, the begin of the window, or the deadline divided by the width */
	int64_t id;
};

/* A correction of a charge: the change of the amount spent, and of the charge's own cell. */
struct change {
	struct quota_dim dim;
	struct quota_place at;
	int64_t spent, own;
	/* it was counted after the last time that this worker read the counter */
	bool unseen;
	/* the id by which Redis recognizes a correction that is sent again: that of the dim, or
	 * one that this worker drew when it was sent first; 0: neither */
	uint64_t id;
	/* the next attempt is sent without the id, because the keys of the counter and of the
	 * id are on two nodes */
	bool without_id;
	/* an earlier daemon may have sent it: it is never sent without the id */
	bool repeats;
};

enum {
	CELL_SHORT_S = 900,  /* width of a deadline's bucket, in seconds */
	CELL_LONG_S = 21600, /* bucket width for long deadlines, in seconds */
	/* buckets that exist at one moment, and one more in case the clock was set back */
	CELL_SHORT_READ = 4,
	CELL_LONG_READ = 6,
	CELL_READ_MAX = 12,
	CELL_HOLD_MAX_S = 90000, /* no deadline is later */
	CELL_KEY_TEXT = QUOTA_KEY_MAX + 2 * SPAN_DECIMAL + 4,
};

/* Returns the place of a charge at this time of the counts' clock. */
struct quota_place cell_place(const struct quota_dim *d, int64_t now_ms, uint64_t epoch);
/* Returns true if a charge that was sent to d->at at d->asked_s still belongs to the window
 * of now_ms. */
bool cell_in_time(const struct quota_dim *d, int64_t now_ms);
/* Returns the cell that a charge at this place adds to. */
struct cell cell_own(const struct quota_dim *d, const struct quota_place *at);
/* Returns the cell in which the settlement of a reserved charge counts the usage. */
struct cell cell_spent(const struct quota_dim *d, const struct quota_place *at);
/* Returns the time from which the cell is not read and corrections have no effect. */
int64_t cell_ends_ms(const struct quota_dim *d, const struct quota_place *at, struct cell c);
/* Returns true before cell_ends_ms(). */
bool cell_alive(
	const struct quota_dim *d, const struct quota_place *at, struct cell c, int64_t now_ms);
/* Returns true if this correction of the cell still has an effect: cell_alive(), or, for a refund
 * (delta below 0) to a cell that is no sub-bucket, up to a day later. If a clock is ahead for a
 * moment, a cell seems to be over that is not, and a refund that is not sent would count until
 * the cell ends. If the key no longer exists, the reply shows it. */
bool cell_takes(const struct quota_dim *d, const struct quota_place *at, struct cell c,
	int64_t delta, int64_t now_ms);
/* Returns the seconds that the cell's key must live from now on. */
int64_t cell_ttl_s(
	const struct quota_dim *d, const struct quota_place *at, struct cell c, int64_t now_ms);
/* Writes "KEY:EPOCH:CELL", or for CELL_SLICES "tollgate:p:{LIMIT:HASH}:EPOCH:BUCKET". Returns
 * the number of bytes. */
size_t cell_key(
	char out[CELL_KEY_TEXT], const struct quota_dim *d, uint64_t epoch, struct cell c);

/* ---- calendars and requests in flight ---- */

/* Returns true if reserved amounts expire with their deadline. */
bool cell_expires(const struct quota_dim *d);
/* Returns true if the charge is final in a window with a total, so that it is also counted as
 * spent at once. */
bool cell_spends(const struct quota_dim *d, const struct quota_place *at);
/* Settles a charge at its `actual` and returns the correction: a reserved amount becomes the
 * amount spent; a final charge is corrected. The dim has the settled values afterwards. */
struct change cell_settle(struct quota_dim *d);
/* Computes the arguments of cell_judge() from the reply to the addition (*own; 0 for a read)
 * and the cells that were read. */
void cell_sums(const struct quota_dim *d, bool looks, const int64_t *read, size_t n,
	int64_t *own, int64_t *used);

/* ---- all kinds ---- */

/* Fills the dim's results. Returns true if the dim is within its limit; otherwise *retry_ms
 * is the earliest time at which it may be. Rolling windows: window_judge(). For the others,
 * c->near[0] is the amount spent, and c->own the total, or the amount reserved where that
 * expires; one of them includes the charge. */
bool cell_judge(struct quota_dim *d, const struct window_counts *c, int64_t now_ms,
	int64_t *retry_ms);

#endif
