/* The counts of limits that the records of a journal lead to: a state that grows line by
 * line. The state has the charges by counter and place, and the decisions without a
 * completion. At a start, the daemon reads the journal into such a state and begins with it
 * (quota_recall.h). While the daemon runs, the state follows the journal, and a start
 * checkpoint (record/journal/startpoint.h) holds it as text. The state of a checkpoint plus
 * the lines after it gives the same state as all lines.
 *
 * The text consists of sorted lines, so that one state has exactly one text:
 *
 * 	count OWN SPENT ID CHARGE	sums at one place of one counter. CHARGE is quota_write()'s.
 * 	late USED ID CHARGE		a settlement. No record states that Redis has it.
 * 	open ID SEGMENT AT BYTES N	a decision without an end, the place of its line, and
 * 	CHARGE				N charges, one in each line.
 * 	ended ID			a settled orphan of the other instance
 *
 * The ID of a count is "-". If the counter's name is hidden, the ID is the request whose
 * record hides the name in this way (record/seal/counters.h), so that a person who is erased
 * is erased here, too. */
#ifndef BUDGET_RECALL_QUOTA_FOLD_H
#define BUDGET_RECALL_QUOTA_FOLD_H

#include <sys/queue.h>

#include "base/buf.h"
#include "budget/quota/quota_cell.h"
#include "record/journal/journal.h"
#include "record/seal/counters.h"

enum {
	/* decisions without an end; further ones are left unsettled */
	QUOTA_ORPHANS_MAX = 65536,
	/* places of counters; further ones are not counted again */
	FOLD_COUNTS_MAX = 524288,
	/* settlements; further ones are not sent again */
	FOLD_LATE_MAX = 65536,
};

/* A decision that was sent to a relay and has no completion. */
struct quota_orphan_of {
	struct quota_orphan_of *next;
	LIST_ENTRY(quota_orphan_of) of_all; /* quota_fold.all_open; unused in a copy */
	char id[40];
	/* the place in the journal of its record, or of its last attempt's record */
	struct {
		char segment[JOURNAL_NAME_MAX];
		uint64_t at;
		size_t bytes;
	} line;
	struct buf said; /* for use by the orphan() callback */
	size_t ndims;
	/* as recorded; names may be hidden (record/seal/counters.h) */
	struct quota_dim dim[];
};

/* The amounts charged and settled at one place of a counter. */
struct fold_count {
	struct fold_count *next;
	uint64_t hash; /* hash of `charge` */
	/* the share's number in the hidden name; 0: the name is not hidden */
	uint64_t share;
	int64_t own;	 /* sum of the place's own cell (cell_own) */
	int64_t spent;	 /* sum of the cell for the amount spent (cell_spent) */
	int64_t over_ms; /* wall clock in ms, from which the sums have no effect */
	char id[40], hidden[QUOTA_KEY_MAX]; /* empty if the name is not hidden */
	char charge[]; /* text of quota_write() with the counter's real name and n 0 */
};

/* A decision in the other instance's journal whose completion is in this journal. */
struct fold_ended {
	struct fold_ended *next;
	char id[40];
};

/* A settlement of a counter in Redis. It was recorded, and no later record states that Redis has
 * it. */
struct fold_late {
	struct fold_late *next;
	char id[40];	 /* of the request */
	uint64_t used;	 /* the amount */
	int64_t over_ms; /* wall clock in ms, from which it has no effect */
	struct quota_dim dim; /* the charge as recorded; its id identifies the settlement */
};

/* owner: one thread. */
struct quota_fold {
	struct shares *shares; /* borrowed; NULL: hidden counters are not counted */
	int64_t now_ms;	       /* windows that ended before are not kept; only increases */
	uint64_t records;      /* lines taken */
	uint64_t unnamed;      /* charges of counters whose share no longer exists */
	/* something had no room, so this state must not become a checkpoint */
	bool full;
	struct quota_orphan_of **open; /* hash table by id */
	LIST_HEAD(, quota_orphan_of) all_open; /* the same decisions */
	size_t nopen;
	/* orphans of the other instance's journal that this journal settles; hash table by id
	 */
	struct fold_ended **ended;
	size_t nended;
	struct fold_count **count; /* hash table by `hash` */
	size_t ncounts, kept;	   /* ncounts after the last sweep */
	size_t most;		   /* limit of counts: FOLD_COUNTS_MAX */
	struct fold_late **late;   /* hash table by the id of the charge */
	size_t nlate;
};

/* Returns NULL if memory is exhausted. */
struct quota_fold *quota_fold_new(struct shares *shares);
void quota_fold_free(struct quota_fold **f);
/* Advances the state's clock; an earlier time is ignored. */
void quota_fold_clock(struct quota_fold *f, int64_t now_ms);
/* Takes the next line, which begins at offset `at` of that segment. */
void quota_fold_line(struct quota_fold *f, const char *segment, uint64_t at, struct span line);

/* Iterate over the chains: return the next chain that is not empty, from *i on, and move *i
 * behind it; NULL after the last. */
struct fold_count *quota_fold_counts(const struct quota_fold *f, size_t *i);

/* As quota_fold_counts(), for the settlements. */
struct fold_late *quota_fold_late(const struct quota_fold *f, size_t *i);
/* Settles the open decisions that the other instance's journal has settled (`ended`), as its
 * completions did. Returns their number. */
size_t quota_fold_settled_by(struct quota_fold *f, const struct quota_fold *other);
/* Remembers the orphans that `from` has settled. Returns 0 or ERR_NOMEM. */
int quota_fold_copy_ended(struct quota_fold *f, const struct quota_fold *from);
/* Forgets the orphans that are no longer open in the other instance's journal, because that
 * instance has seen that they were settled. */
void quota_fold_forget_ended(struct quota_fold *f, const struct quota_fold *other);

/* Writes the state as text, without windows that have ended. */
void quota_fold_write(struct quota_fold *f, struct buf *out);
/* Reads such a text into an empty state. Counters whose share no longer exists are left out.
 * Returns 0, ERR_SYNTAX or ERR_NOMEM; free the state after an error. */
int quota_fold_read(struct quota_fold *f, struct span text);

#endif
