/* Gives each target a place: the smallest is asked first.
 *
 * Within a group, a draw by weight is a race of exponential random times: the time of a
 * target is -log(x) / weight, and the smallest wins. Each target then wins with exactly its
 * share, and the remaining targets keep theirs. With a sticky key, a hash of the key and the
 * target replaces the random number (weighted rendezvous hashing), so that a target that is
 * added or removed moves only its own share. */
#include "gate/targets/rank.h"

#include <math.h>

#include "gate/targets/entry.h"

/* Returns the x-th number of a SplitMix64 sequence. */
static uint64_t
rank_number(uint64_t seed, uint64_t x)
{
	return target_mixed(seed + (x + 1) * UINT64_C(0x9e3779b97f4a7c15));
}

/* Returns a number greater than 0 and at most 1. */
static double
unit_interval(uint64_t x)
{
	return ((double)(x >> 11) + 1.0) / 9007199254740992.0;
}

/* The sort key of a target. The first member that differs decides. */
struct key {
	enum { LEFT, LAST_OF_ALL, NOT_IN } in;
	unsigned priority;
	enum { HEALTHY, COMING_BACK, FAILING } health;
	bool waits;  /* the provider has no room, but its queue has */
	double cost; /* depends on `choose` */
	double race; /* decides between equal costs */
	size_t at;
};

static int
key_order(const struct key *a, const struct key *b)
{
	if (a->in != b->in)
		return a->in < b->in ? -1 : 1;
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	if (a->health != b->health)
		return a->health < b->health ? -1 : 1;
	if (a->cost != b->cost)
		return a->cost < b->cost ? -1 : 1;
	if (a->race != b->race)
		return a->race < b->race ? -1 : 1;
	return a->at < b->at ? -1 : 1;
}

/* Returns why the target is out, from its state. Sets k->health if it is in. */
static enum target_out
look_at_rank(const struct rank_ask *ask, const struct rank_target *t, struct key *k,
	double chance, const char **state)
{
	double ramp;

	k->health = HEALTHY;
	*state = NULL;
	if (t->out || !t->state)
		return t->out;
	enum target_condition c = target_condition_for(
		t->state, ask->caller, t->target->breaker.on, ask->now_us, NULL, &ramp);
	if (c != TARGET_CLOSED && c != TARGET_RAMP)
		target_wanted(t->state, ask->caller, ask->now_us);
	if (t->lacks && !t->early) {
		*state = t->lacks;
		return TARGET_EJECTED;
	}
	if (t->early && c == TARGET_OPEN)
		c = TARGET_PROBE_DUE;
	switch (c) {
	case TARGET_RAMP: k->health = chance <= ramp ? HEALTHY : COMING_BACK; break;
	case TARGET_OPEN_SHARE: k->health = FAILING; break;
	case TARGET_CLOSED:
	case TARGET_PROBE_DUE: break;
	default: *state = target_conditions[c]; return TARGET_EJECTED;
	}
	if (target_has_room(t->state, t->target))
		return TARGET_IN;
	k->waits = true;
	return target_may_queue(t->state, t->target) ? TARGET_IN : TARGET_BUSY;
}

/* A target that was never asked counts as fastest, so that it is tried once. */
static double
latency_cost(const struct target_state *s, const struct rank_ask *ask)
{
	int64_t under_way = s ? target_under_way(s) : 0;
	uint64_t us = s ? target_latency_us(s, ask->size, ask->now_us) : TARGET_UNKNOWN_US;

	if (us == TARGET_UNKNOWN_US && !under_way)
		return 0;
	return (double)us * (double)(under_way + 1);
}

/* Returns the cost by `choose`. For latency, the draw is made when all costs are known. */
static double
rank_cost(const struct rank_ask *ask, const struct rank_target *t)
{
	switch (ask->choose.by) {
	case CHOOSE_PRICE: return (double)t->price_nanousd;
	case CHOOSE_LATENCY: return latency_cost(t->state, ask);
	default: return 0;
	}
}

/* Orders the two winners of their group's race by cost; the others keep their order. */
static void
better_of_two(struct key *k, size_t n, const double *costs)
{
	if (n > 1 && k[0].in == k[1].in && k[0].priority == k[1].priority &&
		k[0].health == k[1].health && costs[k[1].at] < costs[k[0].at]) {
		struct key first = k[0];
		k[0] = k[1];
		k[1] = first;
	}
}

static void
sort_keys(struct key *k, size_t n)
{
	for (size_t i = 1; i < n; i++) {
		struct key x = k[i];
		size_t at = i;
		for (; at > 0 && key_order(&x, &k[at - 1]) < 0; at--)
			k[at] = k[at - 1];
		k[at] = x;
	}
}

void
targets_rank(const struct rank_ask *ask, const struct rank_target *t, size_t n,
	struct policy_rank *out)
{
	bool by_draw = ask->choose.by != CHOOSE_ORDER, two = ask->choose.by == CHOOSE_LATENCY;
	bool sticky = by_draw && ask->sticky;
	struct key k[TARGETS_MAX];
	double costs[TARGETS_MAX];

	n = n < TARGETS_MAX ? n : TARGETS_MAX;
	for (size_t i = 0; i < n; i++) {
		uint64_t hash = t[i].state ? t[i].state->hash : i;
		uint64_t x = sticky ? rank_number(ask->sticky ^ hash, 0)
				    : rank_number(ask->random, i);
		unsigned weight = t[i].target->weight;
		k[i] = (struct key){ .at = i, .priority = t[i].target->priority };
		out[i].out = look_at_rank(
			ask, &t[i], &k[i], unit_interval(rank_number(x, 1)), &out[i].state);
		k[i].in = out[i].out ? NOT_IN : LEFT;
		costs[i] = rank_cost(ask, &t[i]);
		k[i].cost = two || !by_draw ? 0 : costs[i];
		k[i].race = by_draw ? weight ? -log(unit_interval(x)) / weight : INFINITY : 0;
	}
	/* A target that fails now and then is the last of its group if the group has no
	 * other. Otherwise it is asked after all others, like a target for which the request
	 * has to wait. */
	for (size_t i = 0; i < n; i++) {
		bool other = false;
		for (size_t j = 0; j < n && k[i].health == FAILING; j++)
			other |= j != i && k[j].priority == k[i].priority &&
				 k[j].health != FAILING &&
				 (k[j].in == LEFT || out[j].out == TARGET_TRIED);
		if ((other || k[i].waits) && k[i].in == LEFT)
			k[i].in = LAST_OF_ALL;
	}
	sort_keys(k, n);
	if (two && !sticky)
		better_of_two(k, n, costs);
	for (size_t i = 0; i < n; i++)
		out[k[i].at].place = (uint8_t)i;
}
