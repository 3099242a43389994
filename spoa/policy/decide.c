/* The verdict on one request: rules top to bottom. Two outcomes are followed in
 * one pass, what is enforced and what would be without shadow, so that a shadow
 * period shows what enforcing will do. Same facts, same verdict. */
#include "policy/decide.h"

#include <stdio.h>

#include "base/err.h"
#include "policy/facts.h"

/* One outcome in the making. */
struct track {
	const struct rule *ended; /* deny or permit */
	bool over;
	enum rule_effect effect;
	bool failed;
	const struct rule *first_redact;
	struct entity_set redact;
	uint8_t with[DETECT_ENTITIES_MAX];
};

struct pass {
	const struct policy *p;
	const struct policy_facts *f;
	struct facts_view view;
	struct track enforced, full; /* full: as if nothing were shadowed */
	bool waiting_end;	     /* a waiting rule may end the enforced outcome */
	bool waiting_any;	     /* a rule waits, or one redacts what is not read yet */
	struct policy_verdict *out;
};

/* Whether a match of this rule is recorded only. */
static bool
lifted(const struct pass *ps, const struct rule *r)
{
	if (r->effect == RULE_PERMIT)
		return r->shadow;
	return (r->shadow || ps->p->shadow) && ps->f->identity && ps->f->identity->verified;
}

static void
end(struct track *t, const struct rule *r, enum rule_effect effect, bool failed)
{
	if (t->over)
		return;
	t->over = true;
	t->ended = r;
	t->effect = effect;
	t->failed = failed;
}

static void
add_redaction(struct track *t, const struct rule *r, const struct entity_set *found)
{
	bool any = false;

	if (t->over)
		return;
	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++) {
		uint64_t hit = found ? r->redact.bit[i] & found->bit[i] : 0;
		any |= hit != 0;
		for (uint64_t more = hit & ~t->redact.bit[i]; more; more &= more - 1)
			t->with[64 * i + (size_t)__builtin_ctzll(more)] = (uint8_t)r->with;
		t->redact.bit[i] |= hit;
	}
	if (any && !t->first_redact)
		t->first_redact = r;
}

static void
apply(struct pass *ps, const struct rule *r)
{
	bool lift = lifted(ps, r);

	if (r->effect == RULE_REDACT) {
		ps->waiting_any |= !ps->f->whole;
		add_redaction(&ps->full, r, ps->f->entities);
		if (!lift)
			add_redaction(&ps->enforced, r, ps->f->entities);
		return;
	}
	end(&ps->full, r, r->effect, false);
	if (!lift)
		end(&ps->enforced, r, r->effect, false);
}

static void
one_rule(struct pass *ps, const struct rule *r, struct rule_trace *t)
{
	if (!ps->f->whole && r->reads_body) {
		t->fate = RULE_WAITS;
		ps->waiting_any = true;
		if (r->effect != RULE_REDACT && !lifted(ps, r))
			ps->waiting_end = true;
		return;
	}
	int hit = facts_test(&ps->view, r->when, &t->error);
	if (hit == 0) {
		t->fate = RULE_NO_MATCH;
	} else if (hit > 0) {
		t->fate = RULE_MATCHED;
		apply(ps, r);
	} else {
		t->fate = RULE_ERROR;
		if (r->skip_on_error)
			return;
		/* It did not match, so shadow does not lift it. */
		end(&ps->full, r, RULE_DENY, true);
		end(&ps->enforced, r, RULE_DENY, true);
	}
}

static bool
any_entity(const struct entity_set *s)
{
	uint64_t all = 0;

	for (size_t i = 0; i < DETECT_ENTITIES_MAX / 64; i++)
		all |= s->bit[i];
	return all != 0;
}

/* The effect of a track and the rule that gave it. */
static enum rule_effect
conclude(const struct pass *ps, const struct track *t, const struct rule **rule)
{
	enum rule_effect e = t->over		     ? t->effect
			     : ps->p->default_permit ? RULE_PERMIT
						     : RULE_DENY;

	*rule = t->ended;
	if (e == RULE_PERMIT && any_entity(&t->redact)) {
		*rule = t->first_redact;
		return RULE_REDACT;
	}
	return e;
}

static void
fill(struct pass *ps)
{
	struct policy_verdict *v = ps->out;
	const struct track *t = &ps->enforced;

	v->effect = conclude(ps, t, &v->rule);
	v->shadow_effect = conclude(ps, &ps->full, &v->shadow_rule);
	v->shadowed = v->shadow_effect != v->effect || v->shadow_rule != v->rule ||
		      memcmp(&ps->full.redact, &t->redact, sizeof(t->redact)) != 0 ||
		      memcmp(ps->full.with, t->with, sizeof(t->with)) != 0;
	v->classes_hit = ps->view.classes_hit;
	v->failed = t->failed;
	if (v->effect == RULE_DENY) {
		bool own = v->rule && v->rule->effect == RULE_DENY;
		v->status = own ? v->rule->status : 403;
		v->reason = v->failed ? "a rule of the policy could not be evaluated"
			    : own     ? v->rule->reason
				      : "no rule of the policy permits it";
	} else {
		v->redact = t->redact;
		memcpy(v->with, t->with, sizeof(v->with));
		v->redacts = v->effect == RULE_REDACT;
	}
	if (!ps->f->whole)
		v->waits =
			v->effect == RULE_DENY && t->over ? ps->waiting_end : ps->waiting_any;
}

int
policy_decide(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_verdict *out)
{
	struct pass *ps = arena_new(a, struct pass);

	memset(out, 0, sizeof(*out));
	out->trace = arena_array(a, p->nrules, sizeof(*out->trace));
	if (!ps || !out->trace)
		return ERR_NOMEM;
	ps->p = p;
	ps->f = f;
	ps->out = out;
	facts_init(&ps->view, p, f, a);
	for (size_t i = 0; i < p->nrules; i++) {
		out->trace[i].rule = &p->rules[i];
		if (ps->enforced.over)
			out->trace[i].fate = RULE_NOT_REACHED;
		else
			one_rule(ps, &p->rules[i], &out->trace[i]);
	}
	fill(ps);
	return arena_failed(a) ? ERR_NOMEM : 0;
}

bool
policy_asks(const struct policy *p, const struct external *x, const struct policy_facts *f,
	struct arena *a)
{
	struct facts_view *v = x->when ? arena_new(a, struct facts_view) : NULL;
	struct span error;

	if (!v)
		return true;
	facts_init(v, p, f, a);
	return facts_test(v, x->when, &error) != 0;
}

/* ---- limits ---- */

/* Not by printf: a claim may hold NUL. */
static struct span
dimension_values(struct facts_view *v, const struct limit *l)
{
	struct span value[PER_MAX];
	size_t total = 0, at = 0;
	bool present;

	for (size_t i = 0; i < l->nper; i++) {
		struct cel_value x = facts_lookup(v, l->per[i], &present);
		INVARIANT(x.type == CEL_STRING);
		value[i] = x.s;
		total += x.s.n + 24;
	}
	char *joined = arena_alloc(v->a, total);
	for (size_t i = 0; joined && i < l->nper; i++) {
		at += (size_t)snprintf(joined + at, 24, "%zu:", value[i].n);
		if (value[i].n)
			memcpy(joined + at, value[i].p, value[i].n);
		at += value[i].n;
	}
	return span_of(joined, at);
}

int
policy_limits(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_limit_hit **hits, size_t *n)
{
	struct facts_view *v = arena_new(a, struct facts_view);
	struct span error;

	*n = 0;
	*hits = arena_array(a, p->nlimits, sizeof(**hits));
	if (!v || !*hits)
		return ERR_NOMEM;
	facts_init(v, p, f, a);
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		if (!f->whole && l->reads_body)
			continue;
		if (facts_test(v, l->when, &error) == 0)
			continue;
		(*hits)[*n].limit = l;
		(*hits)[(*n)++].values = dimension_values(v, l);
	}
	return arena_failed(a) ? ERR_NOMEM : 0;
}
