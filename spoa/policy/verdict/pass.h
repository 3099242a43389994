/* One decision in progress. For decide.c, answer.c, tool.c and tracks.c only. */
#ifndef POLICY_VERDICT_PASS_H
#define POLICY_VERDICT_PASS_H

#include "policy/verdict/facts.h"

/* One outcome in progress. */
struct track {
	const struct rule *ended; /* deny or permit */
	bool over;
	enum rule_effect effect;
	bool failed;
	const struct rule *first_redact;
	struct redactions redact;
	bool strips;
};

/* The first rule that ends the evaluation, and the first style for each entity, count. `found`
 * may be NULL. */
void track_end(struct track *t, const struct rule *r, enum rule_effect effect, bool failed);
void track_redact(struct track *t, const struct rule *r, const struct entity_set *found);

/* Two outcomes of one evaluation: the enforced one, and the one without shadow mode. */
struct tracks {
	struct track enforced, full;
};

/* Returns true if a match of this rule is only recorded, as in shadow mode: its denial or
 * redaction, also the redaction of a permit. */
bool rule_lifted(const struct policy *p, bool verified, const struct rule *r);
/* Returns true if the effect with which this rule ends the evaluation is only recorded. */
bool rule_end_lifted(const struct policy *p, bool verified, const struct rule *r);
/* Adds the result of a rule to its trace and to both tracks. `hit` is that of facts_test(). A
 * failure denies, unless the rule has on_error: skip. */
void tracks_rule(struct tracks *k, const struct policy *p, bool verified, const struct rule *r,
	int hit, const struct entity_set *found, struct rule_trace *t);
/* Fills the rest of *o, after both effects and rules were set. */
void tracks_fill(
	const struct track *enforced, const struct track *full, struct rule_outcome *o);
/* Makes room for the results of n rules and for all tags of the first `tagging` rules. Returns
 * 0 or ERR_NOMEM. */
int outcome_begin(struct rule_outcome *o, const struct rule *rules, size_t n, size_t tagging,
	struct arena *a);
/* Adds the tags of the rules that matched, without duplicates. */
void outcome_tag(struct rule_outcome *o, const struct rule_trace *trace, size_t nrules);

/* The rules evaluated with one target, or with all targets if no rule reads the target. */
struct evaluation {
	struct tracks k;
	bool waiting_end; /* a waiting rule may end the enforced outcome */
	bool waiting_any; /* a rule waits, or a rule redacts in a body that is not read yet */
	struct rule_trace *trace;
};

/* State of policy_decide(). Lives in its arena. */
struct pass {
	const struct policy *p;
	const struct policy_facts *f;
	struct facts_view view;
	const struct target *targets;
	size_t ntargets;
	struct evaluation *e; /* one evaluation, or one for each target */
	bool each;
	bool verified; /* the caller's identity: shadow mode applies to verified callers only */
	struct policy_verdict *out;
};

static inline const struct track *
pass_track(const struct evaluation *e, bool full)
{
	return full ? &e->k.full : &e->k.enforced;
}

/* Returns true if the changes by this rule are only recorded. */
static inline bool
pass_unchanged(const struct pass *ps, const struct rule *r)
{
	return r->shadow || ps->p->shadow;
}

#endif
