/* Counts tool calls by server, tool and decision, and the placeholders that stay in them by tool
 * and reason, for /metrics. Names come from policies, callers and models. After CALL_NAMES
 * entries, a further tool is counted as "other". owner: worker, the only thread that adds; any
 * thread adds up. */
#ifndef BUDGET_TALLY_CALLS_H
#define BUDGET_TALLY_CALLS_H

#include <stdatomic.h>

#include "base/buf.h"
#include "scan/text/placeholder.h"

enum { CALL_NAMES = 256, CALL_NAME_BYTES = 200 };
enum call_decision { CALL_PERMIT, CALL_REDACT, CALL_DENY, CALL_DECISIONS };

struct call_tally {
	_Atomic size_t n; /* entries that may be read */
	struct call_entry {
		char name[CALL_NAME_BYTES]; /* "SERVER TOOL"; constant once it is set */
		_Atomic uint64_t v[CALL_DECISIONS];
		_Atomic uint64_t left[LEFT_REASONS];
	} entry[CALL_NAMES]; /* [0]: "other" */
};

/* Counts a call. An empty server means that a model's response called the tool. A name that has
 * other characters than letters, digits and _-./: is counted as "other". */
void call_tally_add(
	struct call_tally *t, struct span server, struct span tool, enum call_decision d);
/* Counts placeholders that stay in the arguments of a call in a model's response, by reason. */
void call_tally_left(
	struct call_tally *t, struct span tool, const uint32_t left[LEFT_REASONS]);
/* Writes the sum over n workers as Prometheus text. Any thread. */
void call_tally_write(struct buf *out, const struct call_tally *const *t, size_t n);

#endif
