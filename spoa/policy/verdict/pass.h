/* One decision in the making, for decide.c, choose.c, answer.c and tool.c only. */
#ifndef POLICY_VERDICT_PASS_H
#define POLICY_VERDICT_PASS_H

#include "policy/verdict/facts.h"

/* One outcome. */
struct track {
	const struct rule *ended; /* deny or permit */
	bool over;
	enum rule_effect effect;
	bool failed;
	const struct rule *first_redact;
	struct redactions redact;
	bool strips;
};

/* The first rule that ends it, and the first style for each entity, count. `found` may be
 * NULL. */
void track_end(struct track *t, const struct rule *r, enum rule_effect effect, bool failed);
void track_redact(struct track *t, const struct rule *r, const struct entity_set *found);

/* What is enforced, and what would be if nothing were shadowed. */
struct tracks {
	struct track enforced, full;
};

/* Whether a match of this rule is recorded only: its denial or redaction. Of a permit: what it
 * redacts. */
bool rule_lifted(const struct policy *p, bool verified, const struct rule *r);
/* The same of what a rule ends the evaluation with. */
bool rule_end_lifted(const struct policy *p, bool verified, const struct rule *r);
/* What a rule came to, into its trace and both tracks: `hit` as of facts_test(). A failure
 * denies, unless the rule skips. */
void tracks_rule(struct tracks *k, const struct policy *p, bool verified, const struct rule *r,
	int hit, const struct entity_set *found, struct rule_trace *t);
/* With both effects and rules in *o: the rest of it. */
void tracks_fill(
	const struct track *enforced, const struct track *full, struct rule_outcome *o);
/* Room for the fates of n rules, and for all tags of the first `tagging`. */
int outcome_begin(struct rule_outcome *o, const struct rule *rules, size_t n, size_t tagging,
	struct arena *a);
/* Adds the tags of the rules that matched; none twice. */
void outcome_tag(struct rule_outcome *o, const struct rule_trace *trace, size_t nrules);

/* The rules with one target; where none reads it, with all of them. */
struct evaluation {
	struct tracks k;
	bool waiting_end; /* a waiting rule may end the enforced outcome */
	bool waiting_any; /* a rule waits, or one redacts what is not read yet */
	struct rule_trace *trace;
};

struct pass {
	const struct policy *p;
	const struct policy_facts *f;
	struct facts_view view;
	const struct target *targets;
	size_t ntargets;
	struct evaluation *e; /* one, or one a target */
	bool each;
	bool verified; /* the caller's identity: what shadow may lift */
	struct policy_verdict *out;
};

static inline const struct track *
pass_track(const struct evaluation *e, bool full)
{
	return full ? &e->k.full : &e->k.enforced;
}

/* What a rule that only changes does is recorded only. */
static inline bool
pass_unchanged(const struct pass *ps, const struct rule *r)
{
	return r->shadow || ps->p->shadow;
}

/* The effect of a track and the rule that gave it. */
enum rule_effect pass_conclude(
	const struct pass *ps, const struct track *t, const struct rule **rule);

/* choose.c: what came out, by enforced or full tracks. */
struct choice {
	size_t at;		 /* of the targets: chosen, or the denial's */
	enum rule_effect effect; /* deny: none is left */
	const struct rule *rule;
	bool routed;  /* none is left, and no rule denied one */
	bool none_in; /* the rules leave some, the ranks none of them */
	struct policy_changes changes;
};
int pass_choose(const struct pass *ps, bool full, struct policy_candidate *candidates,
	struct choice *out);
/* Whether the body may still change what becomes of the targets. */
bool pass_waits(const struct pass *ps, const struct policy_candidate *candidates);
/* Tags, and what may be required. */
int pass_collect(const struct pass *ps);

#endif
