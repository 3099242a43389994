/* What limits have left for somebody who is not asking: for `tollgate quota get`. */
#ifndef GATE_LIMITS_LOOK_H
#define GATE_LIMITS_LOOK_H

#include "gate/limits/limits.h"

enum { LOOK_ROWS_MAX = 512 };

/* One limit that applies. */
struct look_row {
	const char *route; /* the first it applies to */
	enum limit_of of;
	uint64_t amount, policy_amount; /* policy_amount: as the policy has it; 0: it is the API
					   key's own */
	bool burst;			/* the bound of its burst */
	bool counted;			/* false: bounds one request, and counts nothing */
	struct quota_dim dim;		/* as it was read */
	uint64_t reduced_to;		/* what may be used of `amount` while dim.reduced_s is not 0 */
};

struct look {
	struct tag tag;
	struct arena arena;
	/* Who: as JSON, members of an identity; or the id of an API key. */
	json_t *identity;
	struct span key;
	struct span route, model; /* empty: each route; no model */
	/* On the gate's worker, once, later or inside. */
	void (*done)(struct look *l);
	void *arg;
	/* out; in the arena */
	int err; /* 0; ERR_NOTFOUND: *why names what; ERR_SYNTAX: likewise; ERR_IO: the store
		    does not answer; ERR_NOMEM; ERR_LIMIT: more than LOOK_ROWS_MAX */
	struct span why;
	struct look_row *rows;
	size_t nrows;
	/* its own */
	struct request *r;
	size_t asked;
};

/* On the gate's worker; *l lives until done() ran. Counters are read, nothing is charged. */
void limits_look(struct gate *g, struct look *l);

#endif
