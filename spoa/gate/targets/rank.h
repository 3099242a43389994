/* Orders a route's targets, and decides which are out. A pure function of the targets' state,
 * the request's properties and random numbers. */
#ifndef GATE_TARGETS_RANK_H
#define GATE_TARGETS_RANK_H

#include "gate/targets/state.h"
#include "policy/route.h"
#include "policy/verdict/decide.h"

struct rank_target {
	const struct target *target;
	const struct target_state *state; /* NULL: nothing is known */
	/* why it is out already: tried, window, output, pinned; 0: it is not */
	enum target_out out;
	const char *lacks; /* target_is_without(); NULL: nothing is known */
	/* no other target is left, so this one is asked before its time: target_may_early()
	 */
	bool early;
	uint64_t price_nanousd; /* price of this prompt; UINT64_MAX: not known */
};

struct rank_ask {
	struct choose choose;
	enum target_size size;
	uint64_t sticky; /* the key of sticky selection; 0: select at random */
	uint64_t random;
	uint32_t caller; /* caller of struct target_asks */
	uint64_t now_us;
};

/* Fills out[i] for each of `n` targets (TARGETS_MAX at most).
 *
 * Groups of equal priority come in their order. Within a group, `choose` decides. A target
 * that has just recovered gets a growing share for ten seconds. A target that is open only
 * because of its share of failures stays in: the last of its group if the group has no other,
 * otherwise the last of all. A target whose provider has no room, while the provider's queue
 * has, also is the last of all, because the request must wait. With a full queue the target
 * is TARGET_BUSY. */
void targets_rank(const struct rank_ask *ask, const struct rank_target *t, size_t n,
	struct policy_rank *out);

#endif
