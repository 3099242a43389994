/* Calls of tools by server, tool and decision. Names come from policies, callers and models:
 * beyond the cap a tool is "other". owner: worker, which alone adds; any thread sums. */
#ifndef BUDGET_TALLY_CALLS_H
#define BUDGET_TALLY_CALLS_H

#include <stdatomic.h>

#include "base/buf.h"

enum { CALL_NAMES = 256, CALL_NAME_BYTES = 200 };
enum call_decision { CALL_PERMIT, CALL_REDACT, CALL_DENY, CALL_DECISIONS };

struct call_tally {
	_Atomic size_t n; /* entries that may be read */
	struct call_entry {
		char name[CALL_NAME_BYTES]; /* "SERVER TOOL"; does not change any more */
		_Atomic uint64_t v[CALL_DECISIONS];
	} entry[CALL_NAMES]; /* [0]: all other */
};

/* The server "": a model's answer called it. A name that is no plain one is "other". */
void call_tally_add(
	struct call_tally *t, struct span server, struct span tool, enum call_decision d);
/* Prometheus text of the sum over n workers. Any thread. */
void call_tally_write(struct buf *out, const struct call_tally *const *t, size_t n);

#endif
