/* The callers of a target, and how the last attempt of each ended; counts of windows of ten
 * seconds. For the files of targets/.
 *
 * A slot is a word that is changed by compare and swap. It is reused only if its caller neither
 * asked nor got a response for ten seconds. Therefore a flood of new names cannot displace
 * callers who count, and cannot make the failures of a few callers half of what is left. With
 * more than 64 callers in ten seconds, those in the slots stand for all. Any worker. */
#ifndef GATE_TARGETS_CALLERS_H
#define GATE_TARGETS_CALLERS_H

#include "gate/targets/entry.h"

struct target_counts {
	unsigned one, other;
};
/* Facts that show whether failures are the target's or single callers'. */
struct callers_blame {
	/* only one caller was seen, or at least two callers, and half of all, failed last */
	bool half;
	bool single; /* only one caller was seen */
	bool one;    /* nobody else failed */
	bool some;   /* some callers, but not all, failed */
	/* the sum of failures in a row; each caller counts at most half of `enough` */
	unsigned weight;
};

/* The callers whose last attempt ended within the window; age_s is how many seconds ago. */
struct callers_known {
	size_t n;
	struct caller_known {
		uint32_t caller;
		unsigned failures;
		uint32_t age_s;
	} of[TARGET_CALLERS];
};
/* Forgets how all attempts ended. */
void callers_forget(struct target_callers *c);

/* Returns the sums of those seconds of the window that are not before since_s. */
struct target_counts target_window_sum(
	const struct target_window *w, uint32_t now_s, uint32_t since_s);
/* Returns true if one more repeat is allowed: repeats may be a fifth of the first attempts,
 * or a small number. A few repeats are always allowed: as many as open a breaker, and
 * TARGET_BUDGET_LEAST more. A breaker that needs more failures than TARGET_WINDOW_LEAST is
 * opened by its share of failures first. */
bool target_budget_fits(struct target_counts sum, const struct target_load *beside);
/* Adds to the counts of this second. Returns false and adds nothing if `beside` is given and
 * the sum leaves no room for a repeat. */
bool target_window_add(struct target_window *w, uint32_t now_s, struct target_counts add,
	const struct target_load *beside);
/* Returns the caller's slot, and takes a free one if the caller has none. Returns
 * TARGET_CALLERS if none is free. */
size_t callers_slot(struct target_callers *c, uint32_t caller, uint32_t now_s);
unsigned callers_failures(const struct target_callers *c, uint32_t caller);
/* Notes that the caller's last attempt failed or succeeded. Returns the failures in a row. */
unsigned callers_ended(struct target_callers *c, uint32_t caller, bool failed, uint32_t now_s);
/* Takes over from another daemon how a caller's last attempt ended, at the second at_s. */
void callers_told(struct target_callers *c, uint32_t caller, unsigned failures, uint32_t now_s,
	uint32_t at_s);
void callers_list(const struct target_callers *c, uint32_t now_s, struct callers_known *out);
/* Returns the caller with the most failures in a row, or 0 if nobody has any. */
uint32_t callers_most(const struct target_callers *c);
/* Returns true if no caller who asked within the window has fewer failures in a row. */
bool callers_first_to_probe(const struct target_callers *c, uint32_t caller, uint32_t now_s);
void callers_unrefuse(struct target_callers *c);
/* Notes that the caller's attempt put the target out, or probed it in vain while it was out. */
void callers_refused(struct target_callers *c, uint32_t caller, uint32_t now_s);
/* Returns when that was, or 0. For caller 0: the latest time of any caller. */
uint32_t callers_refused_at(const struct target_callers *c, uint32_t caller);
/* Looks at the callers whose last attempt ended in the window. For the weight, failures after
 * since_s count at any age. */
struct callers_blame callers_blame(
	const struct target_callers *c, uint32_t now_s, uint32_t since_s, unsigned enough);
/* Returns the budget of repeats that the caller has. */
const struct target_window *callers_budget(const struct target_callers *c, uint32_t caller);

#endif
