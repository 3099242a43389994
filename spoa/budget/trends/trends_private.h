/* The sums of trends, for the files of this folder. */
#ifndef BUDGET_TRENDS_TRENDS_PRIVATE_H
#define BUDGET_TRENDS_TRENDS_PRIVATE_H

#include <pthread.h>

#include "base/buf.h"
#include "budget/trends/trends.h"

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, ROW_TOTAL = 0 };

struct trends;

/* ---- slots (slots.c) ---- */

/* Each value that is not 0, packed as a row, a value and a number, of seven bits a byte
 * (LEB128). Values of the same row and value are added up by readers. */
struct slot {
	int64_t at;	  /* minutes or hours since 1970 */
	char *p;	  /* packed values, in memory of their size; NULL: none */
	size_t n, merged; /* bytes; those when each row and value was among them once */
	bool folded; /* rows other than the total are in the slot where the coarse step begins
		      */
};
static inline struct span
slot_view(const struct slot *s)
{
	return span_of(s->p, s->n);
}

/* By their time, the oldest first. */
struct slots {
	const char *word; /* of the file's lines */
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
void slot_pack(struct buf *b, const struct packed_value *v);
/* Takes the first value off. Returns false at the end. */
bool slot_unpack(struct span *s, struct packed_value *out);

bool slots_make(struct slots *s, const char *word, int64_t unit_s, int64_t coarse, size_t fine,
	size_t most);
void slots_drop(struct slots *s);
/* The first slot at that time or later. */
size_t slots_from(const struct slots *s, int64_t at);
/* Returns true if there is a slot at that time. */
bool slots_has(const struct slots *s, int64_t at);
/* Adds values at a time, which may be one of the past if a clock was set back. The oldest slot
 * leaves if there are too many. */
void slots_add(struct slots *s, int64_t at, struct span packed);
/* Moves all rows other than the total to coarse steps, in slots that are not among the `fine`
 * newest and are older than as many units before now_at. */
void slots_fold(struct slots *s, int64_t now_at);
/* Gives the values of rows to other rows: as[row], which may have ROW_COUNTS. */
void slots_move(struct slots *s, const uint16_t *as);

/* ---- sums (slots.c) ---- */

/* Sums of some rows over some steps. For a median, the sum is of median times requests, and the
 * sum of the requests has a column of its own. */
enum { WEIGHT_OVERHEAD = RATES_VALUES, WEIGHT_FIRST, COLUMNS };
struct slot_sums {
	size_t rows, steps;
	uint64_t (*v)[COLUMNS]; /* row r at step s is v[r * steps + s] */
	bool *seen;		/* of a step: there is a slot */
};
bool slot_sums_make(struct slot_sums *s, size_t rows, size_t steps);
void slot_sums_drop(struct slot_sums *s);

/* Rows of sums by rows of slots. ROW_COUNTS, added to a row of sums: a row that stands for
 * several names has counts, and no quantiles, because the quantiles of several names do not add
 * up. */
enum { ROW_COUNTS = 0x8000, ROW_NONE = 0xFFFF };
/* Adds a slot's values to a step. as[row]: its row in the sums; NULL: the same row, of
 * TRENDS_ROWS. */
void slot_sums_add(struct slot_sums *s, size_t step, struct span packed, const uint16_t *as);
uint64_t slot_sums_value(const uint64_t v[COLUMNS], unsigned value);
/* The order of names: by cost, then by tokens and requests, which weigh as a billionth of a
 * dollar. */
uint64_t slot_sums_weight(const uint64_t v[COLUMNS]);
/* Packs the first step of sums of TRENDS_ROWS rows. Of each kind, the rows with the most
 * weight, TRENDS_SLOT_NAMES of them; the rest is added to the kind's "other". */
void slot_sums_pack(struct slot_sums *s, struct buf *packed);

/* ---- names ---- */

/* The rows of a kind: row `by` is its "other", and its names are from trends_first(by) to
 * trends_first(by + 1) - 1. */
unsigned trends_first(unsigned by);
/* The row of a name, if it has one; else that of "other". */
unsigned trends_row(const struct trends *t, unsigned by, struct span name);

struct row_name {
	char name[SERIES_LABEL_BYTES]; /* "": free */
	uint16_t reuse;		       /* how many names left the row */
	bool written, sent; /* the file, or the lines for other daemons, have the name */
};

struct trends {
	pthread_mutex_t lock;
	char *path; /* NULL: no file */
	struct slots minutes, hours;
	struct row_name name[TRENDS_ROWS]; /* [0]: total; [by]: the kind's other names */
	bool full[TRENDS_BY]; /* a name found no room: at the next minute, names leave */
	bool anew;	      /* the file is to be replaced */
	size_t lines;	      /* of the file; 0: there is none */
	bool unwritten;	      /* this was logged */
	bool shared;	      /* trends_since() was called */
	size_t sent_lines;    /* calls of trends_since() since all lines were given */
	struct buf unsent;    /* lines for it; failed: too many */
};

#endif
