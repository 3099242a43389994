/* The counts of limits that a journal's records contain, as one state that grows line by line: the charges by
 * counter and place, and the decisions that have no completion yet. A start reads the journal into
 * such a state and begins with it (quota_recall.h). While the daemon runs, the state follows the
 * journal; a start checkpoint (record/journal/startpoint.h) holds it as text. The state after a
 * checkpoint and the lines that follow it is the state after all lines.
 *
 * The text is lines, sorted, so that one state has one text:
 *
 *	count OWN SPENT ID CHARGE	sums at one place of one counter; CHARGE is quota_write()'s
 *	open ID SEGMENT AT BYTES N	a decision without an end, the place of its line, and
 *	CHARGE				N charges, one a line
 *
 * ID of a count is "-", or, where the name of the counter is hidden, the request whose record hides
 * it so (record/seal/counters.h): a person who is erased is erased here too. */
#ifndef BUDGET_RECALL_QUOTA_FOLD_H
#define BUDGET_RECALL_QUOTA_FOLD_H

#include "base/buf.h"
#include "budget/quota/quota_cell.h"
#include "record/journal/journal.h"
#include "record/seal/counters.h"

enum {
	QUOTA_ORPHANS_MAX = 65536, /* decisions without an end; more are left as they are */
	FOLD_COUNTS_MAX = 524288,  /* places of counters; more are not counted again */
};

/* A decision that was let go through a relay and has no completion. */
struct quota_orphan_of {
	struct quota_orphan_of *next;
	char id[40];
	/* where the journal has it, or its last attempt */
	struct {
		char segment[JOURNAL_NAME_MAX];
		uint64_t at;
		size_t bytes;
	} line;
	struct buf said; /* the caller's, who made it of that */
	size_t ndims;
	struct quota_dim dim[]; /* as the record has them: record/seal/counters.h */
};

/* The amounts that were charged and settled at one place of a counter. */
struct fold_count {
	struct fold_count *next;
	uint64_t hash;	 /* of `charge` */
	uint64_t share;	 /* the number in the hidden name; 0: it is not hidden */
	int64_t own;	 /* of the place's own cell (cell_own) */
	int64_t spent;	 /* of the cell of what is spent (cell_spent) */
	int64_t over_ms; /* from then on it means nothing */
	char id[40], hidden[QUOTA_KEY_MAX]; /* "": the name is not hidden */
	char charge[];	 /* quota_write() of it, with the counter's own name and n 0 */
};

/* owner: one thread. */
struct quota_fold {
	struct shares *shares; /* borrowed; NULL: hidden counters are not counted */
	int64_t now_ms;	       /* what is over by then is not kept; it only grows */
	uint64_t records;      /* lines that were taken */
	uint64_t unnamed;      /* charges of counters whose share is gone */
	bool full;	       /* something had no room: this state is no checkpoint's */
	struct quota_orphan_of **open; /* chains by the id */
	size_t nopen;
	struct fold_count **count; /* chains by the hash */
	size_t ncounts, kept;	   /* of those, after the last sweep */
	size_t most;		   /* counts that have room: FOLD_COUNTS_MAX */
};

struct quota_fold *quota_fold_new(struct shares *shares); /* NULL: out of memory */
void quota_fold_free(struct quota_fold **f);
/* Time goes on: never back. */
void quota_fold_clock(struct quota_fold *f, int64_t now_ms);
/* The next line, and where it begins in that segment. */
void quota_fold_line(
	struct quota_fold *f, const char *segment, uint64_t at, struct span line);
/* A counter's own name in place of the hidden one. False: nobody has it any more. */
bool quota_fold_name(struct shares *shares, struct span id, struct quota_dim *d);

/* When a charge's window, or what is held of it, is over. */
int64_t quota_fold_over_ms(const struct quota_dim *d);
/* Each chain that is not empty, from *i on, which is moved behind it; NULL: no more. */
struct fold_count *quota_fold_counts(const struct quota_fold *f, size_t *i);
struct quota_orphan_of *quota_fold_open(const struct quota_fold *f, size_t *i);

/* The state as text, without what is over. */
void quota_fold_write(struct quota_fold *f, struct buf *out);
/* Takes such a text into an empty state. Counters that have no name any more are left out. 0, or
 * ERR_SYNTAX, ERR_NOMEM: the state is to be freed. */
int quota_fold_read(struct quota_fold *f, struct span text);

#endif
