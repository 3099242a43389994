/* The effects of rules and the outcomes of `on_failure`, as verdicts state them. Code that only
 * acts on a verdict needs no other part of the policy. */
#ifndef POLICY_EFFECT_H
#define POLICY_EFFECT_H

/* Effect of a rule on the evaluation. A permit may also redact and change. A verdict is one of
 * the first three. */
enum rule_effect { RULE_DENY, RULE_PERMIT, RULE_REDACT, RULE_CHANGE };

/* outcomes of on_failure; REDACT only for classifier */
enum outcome { OUT_DENY, OUT_PERMIT, OUT_REDACT };

/* Handling of reasoning under a provider's signature in which a value would be replaced. */
enum signed_reasoning { SIGNED_DROP, SIGNED_DENY, SIGNED_LEAVE };

#endif
