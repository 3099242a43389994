/* Reads the state of limits without a request, for `tollgate quota get`. */
#ifndef GATE_LIMITS_LOOK_H
#define GATE_LIMITS_LOOK_H

#include "gate/limits/limits.h"

enum { LOOK_ROWS_MAX = 512 };

/* One limit that applies. */
struct look_row {
	const char *route; /* the first route to which the limit applies */
	enum limit_of of;
	/* policy_amount: in the policy; 0: the limit is the API key's own */
	uint64_t amount, policy_amount;
	bool burst; /* this row is the limit's burst */
	/* false: the limit bounds a single request, and counts nothing */
	bool counted;
	struct quota_dim dim; /* the dim as it was read from Redis */
	uint64_t reduced_to;  /* usable part of `amount` while dim.reduced_s is not 0 */
};

/* One question. owner: its caller, which keeps it until done() ran. */
struct look {
	struct tag tag;
	struct arena arena;
	/* The caller in question: a JSON object with members of an identity, or the id of an
	 * API key. */
	json_t *identity;
	struct span key;
	struct span route, model; /* empty: all routes; no model */
	/* Called once on the gate's worker, perhaps inside limits_look(). */
	void (*done)(struct look *l);
	void *arg;
	/* Results; rows and `why` are in the arena. */
	/* 0; ERR_NOTFOUND or ERR_SYNTAX, explained by `why`; ERR_IO: Redis does not answer;
	 * ERR_NOMEM; ERR_LIMIT: more than LOOK_ROWS_MAX */
	int err;
	struct span why;
	struct look_row *rows;
	size_t nrows;
	/* internal: the request made for the question, and the rows asked so far */
	struct request *r;
	size_t asked;
};

/* Reads the counters; nothing is charged. Call on the gate's worker. */
void limits_look(struct gate *g, struct look *l);

#endif
