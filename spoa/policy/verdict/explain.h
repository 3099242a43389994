/* Explains a verdict: every rule in order with its outcome, the values that its condition read,
 * and a sentence. Decides nothing. */
#ifndef POLICY_VERDICT_EXPLAIN_H
#define POLICY_VERDICT_EXPLAIN_H

#include <jansson.h>

#include "policy/env.h"
#include "policy/verdict/tool.h"

/* Slots whose value is unknown, because a record does not contain it. */
struct slot_set {
	bool in[V_ALL];
};

/* Returns NULL if memory is exhausted, otherwise an object:
 *
 *     {"policy": name@version, "rules": [{"rule", "outcome", "effect", "status"? (for a call
 *      "as", "hide"?), "when"?, "values"?: {path: value}, "not_recorded"?: [path], "shadow"?,
 *      "error"?, "says"}], "default": "permit", "says": sentence}
 *
 * `outcome` is one of explain_outcomes[]. Rules that were evaluated have `values`; a parameter
 * that was not given is null. `verdict` is NULL or has no trace if no rule was evaluated.
 * `missing` NULL: every value is known. (prose: ok says) */
json_t *policy_explain(const struct policy *p, const struct policy_facts *f,
	const struct policy_verdict *verdict, const struct slot_set *missing, struct arena *a);

/* Explains the verdict on a response. The object has no "default", because a response that no
 * rule denies is passed. */
json_t *policy_answer_explain(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, const struct answer_verdict *verdict,
	const struct slot_set *missing, struct arena *a);

/* Explains the verdict on a call. */
json_t *policy_tool_explain(const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, const struct tool_verdict *verdict, struct arena *a);

/* Names for the fates of struct rule_trace: "not reached", "not matched", "matched", "error",
 * "waits". */
extern const char *const explain_outcomes[];
/* "deny", "permit", "redact", … as in policies */
const char *rule_effect_name(enum rule_effect e);

#endif
