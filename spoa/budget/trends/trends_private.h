/* The slots and sums of trends, shared by trends.c and trends_view.c. */
#ifndef BUDGET_TRENDS_TRENDS_PRIVATE_H
#define BUDGET_TRENDS_TRENDS_PRIVATE_H

#include <pthread.h>

#include "base/buf.h"
#include "budget/trends/trends.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, ROW_TOTAL = 0 };

struct trends;

/* ---- slots ---- */

/* The values of one minute or hour that are not 0. Each is packed as a row, a value's id and a
 * number, all in LEB128 (seven bits a byte). If a row and value occur several times, readers
 * add the numbers. */
struct slot {
	int64_t at;	  /* minutes or hours since 1970 */
	char *p;	  /* packed values, in a block of exactly their size; NULL: none */
	size_t n, merged; /* bytes now, and bytes after the last merge */
	bool folded;	  /* rows other than the total were moved to the coarse step's slot */
};

static inline struct span
slot_view(const struct slot *s)
{
	return span_of(s->p, s->n);
}

/* Slots in the order of time, the oldest first. */
struct slots {
	const char *word; /* the first word of their lines in the file */
	int64_t unit_s;
	int64_t coarse; /* units of a coarse step */
	size_t fine;	/* newest slots that are never folded */
	size_t n, most;
	struct slot *slot; /* room for most + 1 */
};

struct packed_value {
	unsigned row, value;
	uint64_t n;
};

/* Returns the index of the first slot at that time or later. */
size_t slots_from(const struct slots *s, int64_t at);
/* Returns true if there is a slot at that time. */
bool slots_has(const struct slots *s, int64_t at);

/* ---- sums ---- */

/* The sums of some rows over some steps. The sum of a median is the sum of median times
 * requests; the number of these requests has a column of its own. */
enum { WEIGHT_OVERHEAD = RATES_VALUES, WEIGHT_FIRST, COLUMNS };
struct slot_sums {
	size_t rows, steps;
	uint64_t (*v)[COLUMNS]; /* row r at step s is v[r * steps + s] */
	bool *seen;		/* [step]: a slot was added to the step */
};
bool slot_sums_make(struct slot_sums *s, size_t rows, size_t steps);
void slot_sums_drop(struct slot_sums *s);

/* A table as[] maps the rows of slots to rows of sums. ROW_COUNTS is added to a row that stands
 * for several names: it gets counts but no quantiles, because quantiles of several names cannot
 * be added. */
enum { ROW_COUNTS = 0x8000, ROW_NONE = 0xFFFF };
/* Adds a slot's values to a step. as[row] is the row in the sums; NULL: each row keeps its
 * number. */
void slot_sums_add(struct slot_sums *s, size_t step, struct span packed, const uint16_t *as);
uint64_t slot_sums_value(const uint64_t v[COLUMNS], unsigned value);
/* Returns the weight by which names are ordered: the cost in billionths of a dollar, plus
 * tokens and requests. */
uint64_t slot_sums_weight(const uint64_t v[COLUMNS]);

/* ---- names ---- */

/* The rows of a kind: row `by` is its "other", and its names are from trends_first(by) to
 * trends_first(by + 1) - 1. */
unsigned trends_first(unsigned by);
/* Returns the row of a name, or the row of "other" if the name has none. */
unsigned trends_row(const struct trends *t, unsigned by, struct span name);

struct row_name {
	char name[SERIES_LABEL_BYTES]; /* "": free */
	uint16_t reuse;		       /* how many names have left this row */
	bool written, sent; /* the name is in the file; in the lines for other daemons */
};

struct trends {
	pthread_mutex_t lock;
	char *path; /* NULL: no file */
	struct slots minutes, hours;
	struct row_name name[TRENDS_ROWS]; /* [0]: the total; [by]: "other" of the kind */
	bool full[TRENDS_BY]; /* a name found no row, so names leave at the next minute */
	bool anew;	      /* the file must be replaced */
	size_t lines;	      /* lines in the file; 0: there is no file */
	bool unwritten;	      /* the failed write was logged */
	bool shared;	      /* trends_since() was called */
	size_t sent_lines;    /* calls of trends_since() since one returned all lines */
	struct buf unsent;    /* lines for the next call; failed: they were too many */
};

#endif
