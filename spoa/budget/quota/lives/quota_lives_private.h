/* A life of Redis' data, as quota_lives.c and its tests see it. */
#ifndef BUDGET_QUOTA_LIVES_QUOTA_LIVES_PRIVATE_H
#define BUDGET_QUOTA_LIVES_QUOTA_LIVES_PRIVATE_H

#include "budget/quota/quota_private.h"

enum {
	LIVES = 4 * REDIS_HOLDERS_MAX, /* epochs that are remembered */
	BEAT_US = 100000,
	NAMES_MAX = 512, /* workers; of more, nobody knows whether all have come */
};

/* Workers that take part in an epoch. */
struct names {
	size_t n;
	uint64_t id[NAMES_MAX];
};

struct life {
	struct tag tag;
	struct quota *quota;
	uint64_t epoch; /* 0: no life */
	char keys_tag[16];  /* of the epoch's keys, as redis_life.tag */
	uint64_t tagged_us; /* when the tag changed; 0: never */
	enum life_state state;
	size_t chain;	     /* of the ledger, the next one to look at */
	size_t unanswered;   /* pipelines that add */
	size_t published;    /* counters */
	size_t lost;	     /* of these, counters that Redis had lost; without a cluster all of them */
	bool spoilt;	     /* one of them failed */
	bool unsure;	     /* it is not known how much of it was moved to another epoch */
	bool left;	     /* for another one */
	bool ended;	     /* as it saw first, and told */
	uint64_t seen_us;    /* in it for the first time */
	uint64_t settled_us; /* when limits were reduced to a share; 0: they are not */
	struct names *missed; /* who took part before it; owner: the life. NULL: not known */
	uint64_t reduced_until_us; /* the latest end of a window that was reduced */
	uint64_t names_us; /* when it was asked who takes part; 0: never */
	uint64_t names_of; /* the epoch of this request while Redis has not answered; else 0 */
	uint64_t beat_us, renewed_us, asked_us;
	int64_t expected, came; /* workers */
	bool begun;		/* somebody goes on in it already */
};

/* A callback's: the server may have another life by then. */
struct asked {
	struct tag tag;
	struct quota *quota;
	uint64_t epoch;
};

/* Moves it on. Stops the program if no life goes from its state to `next`. */
void life_enter(struct life *l, enum life_state next);

/* ---- workers that did not take part ---- */

uint64_t worker_name(uint64_t node, uint64_t process, unsigned place);
/* The names of n pairs of a name and its score. */
void names_read(struct names *out, const struct span *pairs, size_t n);
/* The number of different nodes. */
size_t names_nodes(const struct names *is);
/* True if the usage of all workers in `missed` is counted where those in `is` take part. A worker takes
 * part after it has added its own usage. The first worker of a later process of the same node has added
 * what the journal holds of the whole node. */
bool names_back(const struct names *missed, const struct names *is);

/* ---- publishing counts ---- */

#endif
