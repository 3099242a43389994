/* The evidence of `audit report` for a period. One pass over the records keeps counts and
 * capped lists, so that memory use does not depend on the number of records. */
#ifndef CMD_REPORT_REPORT_H
#define CMD_REPORT_REPORT_H

#include "cmd/records/audit.h"
#include "record/journal/verify.h"

enum {
	REPORT_NODES = 256,  /* chains that are verified; further ones are only counted */
	REPORT_LIST = 1000,  /* items of a list; further ones are only counted */
	REPORT_NAMES = 2000, /* distinct values that are counted; all others are "(other)" */
	REPORT_FEW = 30,     /* distinct values that are counted below each of these values */
};

/* The chain of one node. */
struct report_chain {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t first, last, trimmed; /* sequence numbers; trimmed: the last one that a trim
				        * record names */
	uint64_t records;	       /* records in the period */
	char begin[CLOCK_RFC3339_LEN], end[CLOCK_RFC3339_LEN];
	uint64_t boots, unclean;
	struct verifier *verifier; /* NULL: there is no key, or the chain ended at a gap */
	uint64_t verified, commits;
	bool bad;
	json_t *policy; /* the policy in force before the period; NULL: unknown */
};

/* The report. Owned by the command. */
struct report {
	struct audit_args *a;
	json_t *o;    /* one member for each section */
	json_t *open; /* periods of degraded operation that have no end yet */
	struct report_chain *chain;
	size_t nchains;
	uint64_t records, torn;
	bool no_memory;
};

/* Adds a line of the source. The lines must be in order. */
void report_line(void *arg, struct span line);
/* Completes the report after the last line. */
void report_end(struct report *r);

#endif
