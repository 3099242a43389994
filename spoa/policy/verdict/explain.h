/* Why the rules said what they said: every rule in order with its outcome, the
 * values its condition read, and a plain sentence. Decides nothing: it looks at a
 * verdict that counts. */
#ifndef POLICY_VERDICT_EXPLAIN_H
#define POLICY_VERDICT_EXPLAIN_H

#include <jansson.h>

#include "policy/verdict/tool.h"

/* Slots whose value is not known: a record could not hold it. */
struct slot_set {
	bool in[V_ALL];
};

/* NULL: no memory. Otherwise an object:
 *
 *     {"policy": name@version, "rules": [{"rule", "outcome", "effect", "status"? (of a call
 * "as", "hide"?), "when"?, "values"?: {path: value}, "not_recorded"?: [path], "shadow"?,
 *      "error"?, "says"}], "default": "permit", "says": sentence}
 *
 * `outcome` is one of explain_outcomes[]; `values` are there for rules that were
 * evaluated, null where a parameter was not given. `verdict` NULL, or without a
 * trace: no rule was asked. `missing` NULL: every value is known. */
json_t *policy_explain(const struct policy *p, const struct policy_facts *f,
	const struct policy_verdict *verdict, const struct slot_set *missing, struct arena *a);

/* The same of an answer and its rules; without "default": what none denies passes. */
json_t *policy_answer_explain(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, const struct answer_verdict *verdict,
	const struct slot_set *missing, struct arena *a);

/* The same of a call. */
json_t *policy_tool_explain(const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, const struct tool_verdict *verdict, struct arena *a);

/* By the fate of a struct rule_trace: "not reached", "not matched", "matched",
 * "error", "waits". */
extern const char *const explain_outcomes[];
/* "deny", "permit", "redact", … as policies write them. */
const char *rule_effect_name(enum rule_effect e);

#endif
