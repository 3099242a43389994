/* One epoch of Redis' data, for quota_lives.c and its tests. */
#ifndef BUDGET_QUOTA_LIVES_QUOTA_LIVES_PRIVATE_H
#define BUDGET_QUOTA_LIVES_QUOTA_LIVES_PRIVATE_H

#include "budget/quota/quota_private.h"

enum {
	LIVES = 4 * REDIS_HOLDERS_MAX, /* epochs that are remembered */
	BEAT_US = 100000,
	/* the most names of workers; with more workers, nobody knows whether all have arrived */
	NAMES_MAX = QUOTA_NAMES_MAX,
};

/* Workers that take part in an epoch. */
struct names {
	size_t n;
	uint64_t id[NAMES_MAX];
};

/* One epoch. owner: worker. */
struct life {
	struct tag tag;
	struct quota *quota;
	uint64_t epoch;	    /* 0: unused */
	char keys_tag[16];  /* tag of the epoch's keys, as redis_life.tag */
	uint64_t tagged_us; /* monotonic, when the tag changed; 0: never */
	enum life_state state;
	size_t chain;	   /* index of the ledger's chain that is read next */
	size_t unanswered; /* pipelines of additions without a reply */
	size_t published;  /* number of counters added */
	/* number of published counters that Redis had lost; without a cluster, all of them */
	size_t lost;
	bool spoilt; /* an addition failed */
	bool unsure; /* it is not known how much of the sum was moved to another epoch */
	bool left;   /* this worker has left the epoch for another one */
	/* this worker was the first to see that the epoch ended, and informed the others */
	bool ended;
	uint64_t seen_us; /* monotonic, when this worker first saw the epoch */
	/* monotonic, when limits were reduced to a share; 0: limits are not reduced */
	uint64_t settled_us;
	/* names of the workers of the previous epoch; owner: the life. NULL: not known */
	struct names *missed;
	uint64_t reduced_until_us; /* the latest end of a window whose limit was reduced */
	uint64_t names_us; /* monotonic, when the members were last requested; 0: never */
	/* the epoch whose members were requested, until Redis answers; otherwise 0 */
	uint64_t names_of;
	uint64_t beat_us, looked_us, renewed_us, asked_us;
	/* the other instance's node in the last question of LIFE_ASKS; 0: none */
	uint64_t asked_other;
	int64_t expected, came; /* number of workers: expected, and arrived so far */
	bool begun;		/* another worker already continues in this epoch */
};

/* Argument of a callback; the server may have another epoch when it runs. */
struct asked {
	struct tag tag;
	struct quota *quota;
	uint64_t epoch;
};

/* Moves the life to its next state. Aborts if no life can do so from its present state. */
void life_enter(struct life *l, enum life_state next);

/* ---- workers that did not take part ---- */

/* Returns the name of a worker: hash of the node, number of the process, place in it. */
uint64_t worker_name(uint64_t node, uint64_t process, unsigned place);
/* Reads the names of `n` pairs of a name and its score. */
void names_read(struct names *out, const struct span *pairs, size_t n);
/* Returns the number of different nodes. */
size_t names_nodes(const struct names *is);
/* Returns true if the usage of all workers in `missed` is counted where those in `is` take
 * part. A worker takes part after it has added its own usage. The first worker of a later
 * process of the same node has added the usage that the journal has for the whole node. */
bool names_back(const struct names *missed, const struct names *is, const struct quota_daemon *d);

#endif
