/* From the results of the rules to a target: which candidates are left, in which order, and how
 * the rules change the request. */
#include "base/err.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/target.h"
#include "policy/verdict/pass.h"

const char *const target_outs[TARGET_OUTS] = { "", "tried", "ejected", "busy", "window",
	"output", "pinned", "keyless", "limit", "form" };

static const struct evaluation *
evaluation_at(const struct pass *ps, size_t at)
{
	return &ps->e[ps->each ? at : 0];
}

/* Returns the change by rule `i` if it matched and counts for this track, or NULL. */
static const struct rule_change *
change_of_rule(const struct pass *ps, const struct evaluation *e, size_t i, bool full)
{
	const struct rule *r = &ps->p->rules[i];

	if (!r->change || e->trace[i].fate != RULE_MATCHED)
		return NULL;
	return full || !pass_unchanged(ps, r) ? r->change : NULL;
}

/* Returns the number of rules that count: those up to the rule that ended the track. On the
 * enforced track, later rules were not reached. */
static size_t
rules_until(const struct pass *ps, const struct evaluation *e, bool full)
{
	const struct rule *end = full ? e->k.full.ended : NULL;

	return end ? (size_t)(end - ps->p->rules) + 1 : ps->p->nrules;
}

enum { PLACES = 256 }; /* values of policy_rank.place */

/* Returns true if the rule's targets contain this one, and sets *place to its index. */
static bool
names_target(const struct rule_change *x, const struct target *t, size_t *place)
{
	for (*place = 0; *place < x->ntargets; ++*place)
		if (policy_target_is(t, x->targets[*place]))
			return true;
	return false;
}

/* Returns the rule whose targets leave this target out, or NULL. *place is the place by the
 * first rule with targets if the route chooses by order, else the place before rules were
 * evaluated. */
static const struct rule *
routed_away(const struct pass *ps, size_t at, bool full, size_t *place)
{
	const struct evaluation *e = evaluation_at(ps, at);
	size_t n = ps->p->changes ? rules_until(ps, e, full) : 0;
	bool placed = ps->f->route && ps->f->route->choose.by != CHOOSE_ORDER;

	*place = ps->f->ranks ? ps->f->ranks[at].place : at;
	for (size_t i = 0; i < n; i++) {
		const struct rule_change *x = change_of_rule(ps, e, i, full);
		size_t k;
		if (!x || x->ntargets == 0)
			continue;
		if (!names_target(x, &ps->targets[at], &k))
			return &ps->p->rules[i];
		if (!placed)
			*place += k * PLACES;
		placed = true;
	}
	return NULL;
}

/* Collects the changes by the rules for the target at `at`. */
static void
collect_changes(const struct pass *ps, size_t at, bool full, struct policy_changes *c)
{
	const struct evaluation *e = evaluation_at(ps, at);
	size_t n = ps->p->changes ? rules_until(ps, e, full) : 0;

	c->target = &ps->targets[at];
	for (size_t i = 0; i < n; i++) {
		const struct rule *r = &ps->p->rules[i];
		const struct rule_change *x = r->change;
		if (!x || e->trace[i].fate != RULE_MATCHED)
			continue;
		if (full || !rule_lifted(ps->p, ps->verified, r))
			c->require |= x->require;
		if (!full && pass_unchanged(ps, r))
			continue;
		if (x->model && !c->model) {
			c->model = x->model;
			c->model_rule = r;
		}
		if (x->max_output_tokens &&
			(!c->max_output_tokens || x->max_output_tokens < c->max_output_tokens))
			c->max_output_tokens = x->max_output_tokens;
		if (x->nheaders) {
			INVARIANT(c->nrules < ps->p->nheader_rules);
			c->rules[c->nrules++] = r;
		}
	}
	if (!c->model)
		c->model = c->target->model;
}

int
pass_choose(const struct pass *ps, bool full, struct policy_candidate *candidates,
	struct choice *out)
{
	const struct policy_rank *ranks = ps->f->ranks;
	size_t best = 0, denied = ps->ntargets, kept_out = ps->ntargets;
	bool any = false;
	const struct rule *rule;

	*out = (struct choice){ 0 };
	for (size_t i = 0; i < ps->ntargets; i++) {
		const struct evaluation *e = evaluation_at(ps, i);
		struct policy_candidate *c = &candidates[i];
		size_t place;
		*c = (struct policy_candidate){
			.target = &ps->targets[i], .trace = e->trace, .fate = CANDIDATE_LEFT
		};
		if (pass_conclude(ps, pass_track(e, full), &rule) == RULE_DENY) {
			c->fate = CANDIDATE_DENIED;
			c->rule = rule;
			denied = denied < i ? denied : i;
		} else if ((rule = routed_away(ps, i, full, &place))) {
			c->fate = CANDIDATE_ROUTED;
			c->rule = rule;
		} else if (ranks && ranks[i].out) {
			c->fate = CANDIDATE_OUT;
			c->out = ranks[i].out;
			kept_out = kept_out < i ? kept_out : i;
		} else if (!any || place < best) {
			any = true;
			best = place;
			out->at = i;
		}
	}
	out->none_in = !any && kept_out < ps->ntargets;
	if (out->none_in)
		denied = kept_out;
	if (!any && denied == ps->ntargets) {
		out->routed = true;
		out->effect = RULE_DENY;
		out->rule = candidates[0].rule;
	} else {
		out->at = any ? out->at : denied;
		INVARIANT(out->at < ps->ntargets);
		out->effect = pass_conclude(
			ps, pass_track(evaluation_at(ps, out->at), full), &out->rule);
	}
	if (any)
		candidates[out->at].fate = CANDIDATE_CHOSEN;
	out->changes.rules =
		arena_array(ps->view.a, ps->p->nheader_rules, sizeof(*out->changes.rules));
	if (!out->changes.rules)
		return ERR_NOMEM;
	collect_changes(ps, out->at, full, &out->changes);
	return 0;
}

bool
pass_waits(const struct pass *ps, const struct policy_candidate *candidates)
{
	for (size_t i = 0; i < ps->ntargets; i++) {
		const struct evaluation *e = evaluation_at(ps, i);
		bool out = candidates[i].fate == CANDIDATE_ROUTED ||
			   (candidates[i].fate == CANDIDATE_DENIED && e->k.enforced.over);
		if (out ? e->waiting_end : e->waiting_any)
			return true;
	}
	return false;
}

int
pass_collect(const struct pass *ps)
{
	struct policy_verdict *v = ps->out;
	size_t n = 0;

	if (!ps->p->changes)
		return 0;
	for (size_t i = 0; i < ps->p->nrules; i++) {
		const struct rule *r = &ps->p->rules[i];
		bool matched = false;
		for (size_t k = 0; k < (ps->each ? ps->ntargets : 1); k++)
			matched |= ps->e[k].trace[i].fate == RULE_MATCHED;
		if (r->change && matched && !rule_lifted(ps->p, ps->verified, r))
			v->may_require |= r->change->require;
		n += r->change ? r->change->ntags : 0;
	}
	v->ruled.tags = arena_array(ps->view.a, n, sizeof(*v->ruled.tags));
	if (!v->ruled.tags)
		return ERR_NOMEM;
	outcome_tag(&v->ruled, v->ruled.trace, ps->p->nrules);
	return 0;
}
