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
	struct entity_set redact;
	uint8_t with[DETECT_ENTITIES_MAX];
};

/* The first rule that ends it, and the first style for each entity, count. `found` may be
 * NULL. */
void track_end(struct track *t, const struct rule *r, enum rule_effect effect, bool failed);
void track_redact(struct track *t, const struct rule *r, const struct entity_set *found);
/* Those of a rule that matched; none twice. */
void tags_add(const char **tags, size_t *n, const struct rule *r);

/* The rules with one target; where none reads it, with all of them. */
struct evaluation {
	struct track enforced, full; /* full: as if nothing were shadowed */
	bool waiting_end;	     /* a waiting rule may end the enforced outcome */
	bool waiting_any;	     /* a rule waits, or one redacts what is not read yet */
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
	struct policy_verdict *out;
};

static inline const struct track *
pass_track(const struct evaluation *e, bool full)
{
	return full ? &e->full : &e->enforced;
}

/* Whether a match of this rule is recorded only: its denial or redaction, and what a
 * rule that only changes does. */
bool pass_lifted(const struct pass *ps, const struct rule *r);
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
