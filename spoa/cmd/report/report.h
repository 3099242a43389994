/* Evidence of a time, from records: what `audit report` prints. One pass over the lines; what
 * is kept are counts and capped lists, whatever the number of records. */
#ifndef CMD_REPORT_REPORT_H
#define CMD_REPORT_REPORT_H

#include "cmd/records/audit.h"
#include "record/journal/verify.h"

enum {
	REPORT_NODES = 256,  /* chains; more are counted and not verified */
	REPORT_LIST = 1000,  /* items of a list; more are counted */
	REPORT_NAMES = 2000, /* values that are counted apart; the others are "(other)" */
	REPORT_FEW = 30,     /* such values under each of them */
};

/* One node's chain as it is read. */
struct report_chain {
	char node[CHAIN_NODE_MAX + 1];
	uint64_t first, last, trimmed; /* sequence numbers; trimmed: up to, as a record says */
	uint64_t records;	       /* of the time */
	char begin[CLOCK_RFC3339_LEN], end[CLOCK_RFC3339_LEN];
	uint64_t boots, unclean;
	struct verifier *verifier; /* NULL: there is no key, or it ended at a gap */
	uint64_t verified, commits;
	bool bad;
	json_t *policy; /* in force before the time; NULL: not known */
};

struct report {
	struct audit_args *a;
	json_t *o;    /* a member a section */
	json_t *open; /* degraded times without an end */
	struct report_chain *chain;
	size_t nchains;
	uint64_t records, torn;
	bool no_memory;
};

/* Lines of the source, in their order; one that is no line at all. */
void report_line(void *arg, struct span line);
void report_torn(void *arg, size_t bytes);
/* After the last one: what only then is known. */
void report_end(struct report *r);

#endif
