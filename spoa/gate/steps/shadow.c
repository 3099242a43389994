/* The shadow policy: evaluated on the same facts after the policy in force, in memory of its
 * own, and never enforced. Failures are counted. */
#include "base/scoped.h"
#include "gate/steps/steps.h"
#include "policy/policy.h"
#include "policy/rule.h"

/* memory for its evaluation; beyond it the result is `failed` */
enum { ARENA_BYTES = 16 << 20 };

static bool
is_same_text(const char *a, const char *b)
{
	return !strcmp(a ? a : "", b ? b : "");
}

/* Takes the fetched values of the policy in force, by their sources. */
static void
take_data(const struct request *r, const struct policy *p, const struct cel_value **data)
{
	const struct policy *first = r->snap->policy;

	for (size_t i = 0; i < p->ndata; i++)
		for (size_t k = 0; k < first->ndata; k++)
			if (p->data[i].kind == first->data[k].kind && r->found.data[k] &&
				p->data[i].kind != DATA_FILE &&
				is_same_text(p->data[i].place, first->data[k].place))
				data[i] = r->found.data[k];
}

/* Returns the name of the target that the verdict selects; "": none. */
static const char *
verdict_target_name(const struct policy_verdict *v)
{
	return v->ruled.effect != RULE_DENY && v->changes.target ? v->changes.target->name : "";
}

/* Returns bits that name what differs from the verdict in force. */
static unsigned
differences(const struct request *r, const struct policy_facts *f,
	const struct policy_verdict *v, const struct shadow *s)
{
	const struct policy_verdict *mine = &r->found.verdict;
	unsigned d = 0;

	if (v->ruled.effect != mine->ruled.effect ||
		(v->ruled.effect == RULE_DENY && v->ruled.status != mine->ruled.status))
		d |= SHADOW_DECISION;
	if (!is_same_text(s->rule, mine->ruled.rule ? mine->ruled.rule->name : "default"))
		d |= SHADOW_RULE;
	if (memcmp(&v->redact, &mine->redact, sizeof(v->redact)) != 0)
		d |= SHADOW_REDACTIONS;
	if (!is_same_text(f->route ? f->route->name : "", r->found.route->name) ||
		!is_same_text(verdict_target_name(v), verdict_target_name(mine)))
		d |= SHADOW_ROUTE;
	return d;
}

/* Returns true if the routes have the same targets, so that facts by index apply to both. */
static bool
same_targets(const struct route *a, const struct route *b)
{
	bool same_as = a->ntargets == b->ntargets;

	for (size_t i = 0; same_as && i < a->ntargets; i++)
		same_as = is_same_text(a->targets[i].name, b->targets[i].name) &&
			  str_same(a->targets[i].model, b->targets[i].model);
	return same_as;
}

bool
request_shadow_facts(
	const struct request *r, struct policy_facts *f, const struct cel_value **data)
{
	const struct policy *p = r->snap->shadow_policy;
	const struct target *mine = f->target;

	if (!p || !p->nanswer_rules)
		return false;
	f->route = policy_route_as(
		policy_route(p, f->method, f->host, f->path), request_asked_model(r));
	f->target = NULL;
	f->only = NULL;
	f->ranks = NULL;
	f->at = NULL;
	f->data = data;
	take_data(r, p, data);
	for (size_t i = 0; mine && f->route && i < f->route->ntargets; i++)
		if (is_same_text(f->route->targets[i].name, mine->name))
			f->target = &f->route->targets[i];
	return f->route != NULL;
}

/* Sets f->only to the target of this name on the shadow's route. */
static void
find_only(struct policy_facts *f, const struct target *mine)
{
	f->only = NULL;
	for (size_t i = 0; mine && f->route && i < f->route->ntargets; i++)
		if (is_same_text(f->route->targets[i].name, mine->name))
			f->only = &f->route->targets[i];
}

void
request_shadow(struct request *r, const struct policy_facts *mine)
{
	const struct policy *p = r->snap->shadow_policy;
	const struct cel_value *data[CAP_DATA] = { NULL };
	struct policy_facts f = *mine;
	struct policy_verdict *v;

	if (!p)
		return;
	SCOPED_ARENA(a, ARENA_BYTES, true);
	r->found.shadow = (struct shadow){ .state = SHADOW_FAILED };
	f.route = policy_route_as(
		policy_route(p, f.method, f.host, f.path), request_asked_model(r));
	f.target = NULL;
	/* with the same targets, the order of this moment applies to both policies */
	if (!f.route || !same_targets(f.route, r->found.route)) {
		f.ranks = NULL;
		f.at = NULL;
	}
	find_only(&f, mine->only);
	f.data = data;
	take_data(r, p, data);
	v = arena_new(&a, struct policy_verdict);
	if (v && f.route && policy_decide(p, &f, &a, v) == 0 && !(v->waits && !f.whole)) {
		r->found.shadow.state = SHADOW_DECIDED;
		r->found.shadow.effect = v->ruled.effect;
		r->found.shadow.status = v->ruled.status;
		r->found.shadow.rule = v->ruled.rule ? v->ruled.rule->name : "default";
		r->found.shadow.differs = differences(r, &f, v, &r->found.shadow);
	} else if (v && !f.route) {
		r->found.shadow = (struct shadow){ .state = SHADOW_DECIDED,
			.effect = RULE_DENY,
			.status = 404,
			.rule = "",
			.differs = SHADOW_ROUTE | SHADOW_RULE |
				   (r->found.verdict.ruled.effect == RULE_DENY
						   ? 0
						   : SHADOW_DECISION) };
	}
	if (r->gate)
		metric_inc(r->gate->metrics, r->found.shadow.state == SHADOW_FAILED
						     ? M_SHADOW_FAILED
					     : r->found.shadow.differs ? M_SHADOW_OTHER
								       : M_SHADOW_SAME);
}
