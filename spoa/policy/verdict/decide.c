/* The verdict on one request. Rules are evaluated from top to bottom, and two outcomes are
 * followed in one pass: the enforced one, and the one without shadow mode, so that a shadow
 * period shows the effect of enforcing. Then the results of the rules lead to a target: which
 * candidates are left, in which order, and how the rules change the request. */
#include "policy/verdict/pass.h"

#include "base/err.h"
#include "policy/verdict/decide.h"

const char *const target_outs[TARGET_OUTS] = { "", "tried", "ejected", "busy", "window",
	"output", "pinned", "keyless", "limit", "form" };

/* The result for the enforced or the full tracks. */
struct choice {
	size_t at;		 /* index of the chosen target, or of the denied one */
	enum rule_effect effect; /* deny: no target is left */
	const struct rule *rule;
	bool routed;  /* no target is left, and no rule denied one */
	bool none_in; /* the rules leave targets, but none is available */
	struct policy_changes changes;
};

/* ---- the choice of a target ---- */

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

/* Returns the effect of a track and sets *rule to its rule. */
static enum rule_effect
pass_conclude(const struct pass *ps, const struct track *t, const struct rule **rule)
{
	enum rule_effect e = t->over		     ? t->effect
			     : ps->p->default_permit ? RULE_PERMIT
						     : RULE_DENY;

	*rule = t->ended;
	if (e == RULE_PERMIT && entities_any(&t->redact.of)) {
		*rule = t->first_redact;
		return RULE_REDACT;
	}
	return e;
}

/* Chooses a target. Returns 0 or ERR_NOMEM. */
static int
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

/* Returns true if the body may still change the choice. */
static bool
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

/* Collects tags, and the recognizers that may be required. Returns 0 or ERR_NOMEM. */
static int
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

/* ---- the rules ---- */

/* Returns the result of a rule that does not read the target, if it was evaluated for an
 * earlier target. Returns 2 if it was not. */
static int
known_rule(const struct pass *ps, size_t at, size_t i, struct span *error)
{
	if (ps->p->rules[i].reads_target)
		return 2;
	for (size_t k = 0; k < at; k++) {
		const struct rule_trace *t = &ps->e[k].trace[i];
		*error = t->error;
		switch (t->fate) {
		case RULE_NO_MATCH: return 0;
		case RULE_MATCHED: return 1;
		case RULE_ERROR: return -1;
		default: break;
		}
	}
	return 2;
}

/* Evaluates one rule for the target at `at`. */
static void
decide_rule(struct pass *ps, size_t at, size_t i)
{
	struct evaluation *e = &ps->e[at];
	const struct rule *r = &ps->p->rules[i];
	struct rule_trace *t = &e->trace[i];

	if (!ps->f->whole && r->reads_body) {
		t->fate = RULE_WAITS;
		e->waiting_any = true;
		if ((r->effect == RULE_DENY || r->effect == RULE_PERMIT) &&
			!rule_end_lifted(ps->p, ps->verified, r))
			e->waiting_end = true;
		return;
	}
	int hit = at ? known_rule(ps, at, i, &t->error) : 2;
	if (hit == 2)
		hit = facts_test(&ps->view, r->when, &t->error);
	e->waiting_any |= hit > 0 && r->redacts && !ps->f->whole;
	/* collect_changes() collects its changes by the rule's fate */
	tracks_rule(&e->k, ps->p, ps->verified, r, hit, ps->f->entities, t);
}

static int
evaluate_target(struct pass *ps, size_t at)
{
	struct evaluation *e = &ps->e[at];

	e->trace = arena_array(ps->view.a, ps->p->nrules, sizeof(*e->trace));
	if (!e->trace)
		return ERR_NOMEM;
	if (at)
		facts_target(&ps->view, &ps->targets[at]);
	for (size_t i = 0; i < ps->p->nrules; i++) {
		e->trace[i].rule = &ps->p->rules[i];
		if (!e->k.enforced.over)
			decide_rule(ps, at, i);
	}
	return 0;
}

static bool
same_changes(const struct policy_changes *x, const struct policy_changes *y)
{
	return x->target == y->target && x->model == y->model &&
	       x->max_output_tokens == y->max_output_tokens && x->require == y->require &&
	       x->nrules == y->nrules;
}

/* Fills the verdict from the tracks. */
static int
fill_pass(struct pass *ps)
{
	struct policy_verdict *v = ps->out;
	struct choice now, would;

	v->ncandidates = ps->ntargets;
	v->candidates = arena_array(ps->view.a, 2 * ps->ntargets, sizeof(*v->candidates));
	if (!v->candidates || pass_choose(ps, false, v->candidates, &now) < 0 ||
		pass_choose(ps, true, v->candidates + ps->ntargets, &would) < 0)
		return ERR_NOMEM;
	const struct track *t = &ps->e[ps->each ? now.at : 0].k.enforced,
			   *full = &ps->e[ps->each ? would.at : 0].k.full;
	v->ruled.trace = v->candidates[now.at].trace;
	v->ruled.effect = now.effect;
	v->ruled.rule = now.rule;
	v->changes = now.changes;
	v->none_in = now.none_in;
	v->ruled.shadow_effect = would.effect;
	v->ruled.shadow_rule = would.rule;
	tracks_fill(t, full, &v->ruled);
	v->ruled.shadowed |= !same_changes(&now.changes, &would.changes);
	if (v->ruled.shadowed)
		v->shadow_changes = would.changes;
	v->classes_hit = ps->view.classes_hit;
	v->ruled.failed &= !now.routed;
	if (v->ruled.effect == RULE_DENY) {
		const struct rule *r = v->ruled.rule;
		bool own = !now.routed && r && r->effect == RULE_DENY;
		v->ruled.status = own ? r->status : 403;
		v->ruled.reason =
			now.routed ? "the rules of the policy leave no target for this request"
			: v->ruled.failed ? "a rule of the policy could not be evaluated"
			: own		  ? r->reason
					  : "no rule of the policy permits this request";
	} else {
		v->redact = t->redact;
		v->redacts = v->ruled.effect == RULE_REDACT;
		v->strips = t->strips;
	}
	if (!ps->f->whole)
		v->waits = pass_waits(ps, v->candidates);
	return pass_collect(ps);
}

int
policy_decide(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_verdict *out)
{
	static const struct target nowhere = {
		.name = "", .region = "", .external = true, .weight = 1, .priority = 1
	};
	struct pass *ps = arena_new(a, struct pass);
	int err = 0;

	memset(out, 0, sizeof(*out));
	if (!ps)
		return ERR_NOMEM;
	ps->p = p;
	ps->f = f;
	ps->out = out;
	ps->targets = f->route ? f->route->targets : &nowhere;
	ps->ntargets = f->route ? f->route->ntargets : 1;
	ps->verified = f->identity && f->identity->verified;
	ps->each = ps->ntargets > 1 && p->rules_read_target;
	size_t n = ps->each ? ps->ntargets : 1;
	ps->e = arena_array(a, n, sizeof(*ps->e));
	if (!ps->e)
		return ERR_NOMEM;
	facts_init(&ps->view, p, f, a);
	ps->view.target = ps->targets;
	for (size_t i = 0; i < n && err == 0; i++)
		err = evaluate_target(ps, i);
	if (err == 0)
		err = fill_pass(ps);
	for (size_t i = 0; i < p->ndata; i++)
		out->data_read |= (uint32_t)ps->view.known[V_COUNT + i] << i;
	return arena_failed(a) ? ERR_NOMEM : err;
}

struct cel_value
policy_data(const struct policy *p, const struct policy_facts *f, size_t i, struct arena *a)
{
	struct facts_view *v = arena_new(a, struct facts_view);
	bool present;

	if (!v)
		return (struct cel_value){ .type = CEL_MAP };
	facts_init(v, p, f, a);
	return facts_lookup(v, V_COUNT + i, &present);
}

/* A condition that reads the target is tried with each of them. */
bool
policy_asks(const struct policy *p, const struct external *x, const struct policy_facts *f,
	struct arena *a)
{
	struct facts_view *v = x->when ? arena_new(a, struct facts_view) : NULL;
	struct span error;

	if (!v)
		return true;
	facts_init(v, p, f, a);
	if (!x->reads_target || !f->route)
		return facts_test(v, x->when, &error) != 0;
	for (size_t i = 0; i < f->route->ntargets; i++) {
		facts_target(v, &f->route->targets[i]);
		if (facts_test(v, x->when, &error) != 0)
			return true;
	}
	return false;
}

int
policy_requires(
	const struct policy *p, const struct policy_facts *f, struct arena *a, uint64_t *which)
{
	struct policy_verdict *v = p->requires ? arena_new(a, struct policy_verdict) : NULL;

	*which = 0;
	if (!p->requires)
		return 0;
	if (!v || policy_decide(p, f, a, v) < 0)
		return ERR_NOMEM;
	*which = v->may_require;
	return 0;
}

void
policy_verdict_forget(struct policy_verdict *v)
{
	v->ruled.trace = NULL;
	v->candidates = NULL;
	v->ruled.tags = NULL;
	v->ncandidates = v->ruled.ntags = 0;
	v->changes.rules = v->shadow_changes.rules = NULL;
	v->changes.nrules = v->shadow_changes.nrules = 0;
}
