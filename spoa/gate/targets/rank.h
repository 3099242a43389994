/* In which order a route's targets are asked, and which are out: a pure function of their
 * state, what the caller knows of the request, and random numbers. */
#ifndef GATE_TARGETS_RANK_H
#define GATE_TARGETS_RANK_H

#include "gate/targets/state.h"
#include "policy/verdict/decide.h"

struct rank_target {
	const struct target *target;
	const struct target_state *state; /* NULL: nothing is known of it */
	enum target_out out;		  /* already: tried, window, output, pinned */
	bool lacks;			  /* it does not have the model: target_is_without() */
	bool early; /* no other is left: it is asked before its time, target_may_early() */
	uint64_t price_nanousd; /* of this prompt; UINT64_MAX: not known */
};

struct rank_ask {
	struct choose choose;
	enum target_size size;
	uint64_t sticky; /* key; 0: by chance */
	uint64_t random;
	uint32_t caller; /* as target_asks */
	uint64_t now_us;
};

/* Fills out[i] for each of at most TARGETS_MAX. Places: groups in their order, within a group
 * as `choose` says; one that comes back gets its share of ten seconds' ramp. One that is out by
 * its share of failures alone is in, the last of its group where that has no other, else the
 * last of all. So is one whose provider has no room, while its queue has: the request is to
 * wait; with its queue full it is TARGET_BUSY. */
void targets_rank(const struct rank_ask *ask, const struct rank_target *t, size_t n,
	struct policy_rank *out);

#endif
