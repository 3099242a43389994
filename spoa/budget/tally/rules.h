/* What rules did, by name: for GET /policy/rules. Names come from the policy, which reloads:
 * beyond the cap a name is "other". owner: worker, which alone adds; any thread sums. */
#ifndef BUDGET_TALLY_RULES_H
#define BUDGET_TALLY_RULES_H

#include <stdatomic.h>

#include "base/span.h"

enum { RULE_NAMES = 512, RULE_NAME_BYTES = 64, RULE_KNOWN = 64 };
/* RULE_DID_WOULD: it would have, and was not enforced (shadow, observe). */
enum rule_did { RULE_DID_PERMIT, RULE_DID_REDACT, RULE_DID_DENY, RULE_DID_WOULD, RULE_DIDS };

struct rule_tally {
	_Atomic size_t n; /* entries that may be read */
	struct rule_entry {
		char name[RULE_NAME_BYTES]; /* does not change any more */
		_Atomic uint64_t v[RULE_DIDS];
		_Atomic uint64_t last_ms; /* since 1970 */
	} entry[RULE_NAMES]; /* [0]: all other */
	/* the worker's own: where names were found last, by their address */
	uint16_t known[RULE_KNOWN];
};

/* `name` NULL: no rule did. */
void rule_tally_add(struct rule_tally *t, const char *name, enum rule_did did, int64_t now_ms);
struct rule_sum {
	uint64_t v[RULE_DIDS], last_ms;
};
/* Adds up what n workers have of that name. Any thread. */
void rule_tally_sum(
	const struct rule_tally *const *t, size_t n, const char *name, struct rule_sum *out);

#endif
