/* Counts the matches of each rule by effect, for GET /policy/rules. Names come from the policy,
 * which reloads. After RULE_NAMES entries, a further name is counted as "other".
 * owner: worker, the only thread that adds; any thread adds up. */
#ifndef BUDGET_TALLY_RULES_H
#define BUDGET_TALLY_RULES_H

#include <stdatomic.h>

#include "base/span.h"

enum { RULE_NAMES = 512, RULE_NAME_BYTES = 64, RULE_KNOWN = 64 };
/* RULE_DID_WOULD: the rule matched, but was not enforced (shadow, observe). RULE_DID_APPLY: the
 * rule matched a request that was not denied, and another rule or the default decided, as with
 * rules that route, add tags or change limits. */
enum rule_did {
	RULE_DID_PERMIT,
	RULE_DID_REDACT,
	RULE_DID_DENY,
	RULE_DID_WOULD,
	RULE_DID_APPLY,
	RULE_DIDS
};

struct rule_tally {
	_Atomic size_t n; /* entries that may be read */
	struct rule_entry {
		char name[RULE_NAME_BYTES]; /* constant once it is set */
		_Atomic uint64_t v[RULE_DIDS];
		_Atomic uint64_t last_ms; /* ms since 1970: the last addition */
	} entry[RULE_NAMES];		  /* [0]: "other" */
	/* the worker's own: the entry in which a name was found last, by the name's address */
	uint16_t known[RULE_KNOWN];
};

/* Counts a match. `name` NULL: no rule matched, and nothing is counted. */
void rule_tally_add(struct rule_tally *t, const char *name, enum rule_did did, int64_t now_ms);
struct rule_sum {
	uint64_t v[RULE_DIDS], last_ms;
};
/* Adds up the counts of a name over n workers. Any thread. */
void rule_tally_sum(
	const struct rule_tally *const *t, size_t n, const char *name, struct rule_sum *out);

#endif
