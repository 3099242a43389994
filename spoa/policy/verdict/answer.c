/* The verdict on a response. As for requests, two outcomes are followed in one pass: the
 * enforced one, and the one without shadow mode. */
#include "policy/verdict/answer.h"

#include "base/err.h"
#include "base/scoped.h"
#include "policy/cel/value.h"
#include "policy/data.h"
#include "policy/route.h"
#include "policy/rule.h"
#include "policy/verdict/pass.h"
#include "policy/verdict/tool.h"

const char *const answer_when_names[] = { "whole", "new", "block", "end" };

/* ---- kept facts of the request ---- */

int
tools_told_copy(const struct tools_told *from, struct arena *a, struct tools_told *to)
{
	*to = *from;
	to->room = from->n;
	to->v = arena_array(a, from->n, sizeof(*to->v));
	for (size_t i = 0; to->v && i < from->n; i++) {
		to->v[i].name = arena_dup(a, from->v[i].name);
		to->v[i].description = arena_dup(a, from->v[i].description);
	}
	return arena_failed(a) ? ERR_NOMEM : 0;
}

int
policy_answer_request(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct answer_request *out)
{
	bool described = false;

	*out = (struct answer_request){
		.route = f->route,
		.verified = f->identity && f->identity->verified,
		.kept = arena_array(a, p->nanswer_slots, sizeof(*out->kept)),
	};
	if (!out->kept)
		return ERR_NOMEM;
	for (size_t i = 0; i < p->ntool_rules; i++)
		described |= p->tool_rules[i].when &&
			     cel_reads(p->tool_rules[i].when, V_TOOL_DESCRIPTION);
	if (f->told && described && tools_told_copy(f->told, a, &out->told))
		return ERR_NOMEM;
	if (p->nanswer_slots == 0)
		return 0;
	SCOPED_ARENA(own, 0, true);
	struct facts_view *v = arena_new(&own, struct facts_view);
	if (v)
		facts_init(v, p, f, &own);
	for (size_t i = 0; v && i < p->nanswer_slots; i++) {
		size_t slot = p->answer_slots[i];
		struct cel_value got = facts_lookup(v, slot, &out->kept[i].present);
		/* a file's value lives as long as the policy */
		out->kept[i].value =
			slot >= V_COUNT && p->data[slot - V_COUNT].kind == DATA_FILE
				? got
				: cel_copy(&got, a);
	}
	return arena_failed(&own) || arena_failed(a) ? ERR_NOMEM : 0;
}

/* ---- the rules ---- */

/* State of policy_answer(). Lives in its arena. */
struct judging {
	const struct policy *p;
	const struct answer_request *asked;
	const struct answer_facts *f;
	enum answer_when when;
	struct facts_view view;
	struct tracks k;
};

/* Returns the effect of a track. A response that no rule denies is permitted. */
static enum rule_effect
conclude_answer(const struct track *t, const struct rule **rule)
{
	*rule = t->over ? t->ended : t->first_redact;
	return t->over ? RULE_DENY : entities_any(&t->redact.of) ? RULE_REDACT : RULE_PERMIT;
}

/* ---- calls in the response ---- */

static int
one_call(struct judging *j, size_t i, struct arena *a, struct answer_verdict *v)
{
	const struct answer_tool *t = &j->f->tools[i];
	struct tool_verdict *got = arena_new(a, struct tool_verdict);

	if (!got || policy_called(j->p, j->asked, t, a, got) < 0)
		return ERR_NOMEM;
	v->of_tools[i] = got;
	if (got->ruled.shadow_effect == RULE_DENY)
		track_end(&j->k.full, got->ruled.shadow_rule, RULE_DENY, got->ruled.failed);
	if (got->ruled.effect == RULE_DENY)
		track_end(&j->k.enforced, got->ruled.rule, RULE_DENY, got->ruled.failed);
	outcome_tag(&v->ruled, got->ruled.trace, j->p->ntool_rules);
	return 0;
}

/* Evaluates the calls by the rules with phase: tool. A denied call denies the response. In a
 * stream, a call's arguments are complete when its block has ended. */
static int
judge_calls(struct judging *j, struct arena *a, struct answer_verdict *v)
{
	int err = 0;

	if (j->when == ANSWER_NEW || !j->asked->route || !j->asked->route->uses.calls)
		return 0;
	v->of_tools = arena_array(a, j->f->ntools, sizeof(*v->of_tools));
	if (!v->of_tools)
		return ERR_NOMEM;
	for (size_t i = 0; i < j->f->ntools && !err && !j->k.enforced.over; i++)
		if (!j->f->tools[i].let_go || j->f->asks_all)
			err = one_call(j, i, a, v);
	return err;
}

int
policy_answer(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, enum answer_when when, struct arena *a,
	struct answer_verdict *out)
{
	struct judging *j = arena_new(a, struct judging);
	bool over = when == ANSWER_WHOLE || when == ANSWER_END;

	memset(out, 0, sizeof(*out));
	if (outcome_begin(&out->ruled, p->answer_rules, p->nanswer_rules,
		    p->nanswer_rules + p->ntool_rules, a) ||
		!j)
		return ERR_NOMEM;
	j->p = p;
	j->asked = asked;
	j->f = f;
	j->when = when;
	facts_answer(&j->view, p, asked, f, a);
	for (size_t i = 0; i < p->nanswer_rules && !j->k.enforced.over; i++) {
		const struct rule *r = &p->answer_rules[i];
		struct rule_trace *t = &out->ruled.trace[i];
		if ((r->reads_late && when == ANSWER_NEW) ||
			(r->reads_finish && !over && f->finish_reason.n == 0))
			t->fate = RULE_WAITS;
		else
			tracks_rule(&j->k, p, asked->verified, r,
				facts_test(&j->view, r->when, &t->error), &f->entities, t);
	}
	int err = judge_calls(j, a, out);
	const struct track *t = &j->k.enforced;
	out->ruled.effect = conclude_answer(t, &out->ruled.rule);
	out->ruled.shadow_effect = conclude_answer(&j->k.full, &out->ruled.shadow_rule);
	tracks_fill(t, &j->k.full, &out->ruled);
	out->classes_hit = j->view.answer_classes;
	if (out->ruled.effect == RULE_DENY) {
		const struct rule *r = out->ruled.rule;
		out->ruled.status = r && r->effect == RULE_DENY ? r->status : 403;
		out->ruled.reason = out->ruled.failed
					    ? "a rule of the policy could not be evaluated"
					    : r->reason;
	}
	out->redact = t->redact;
	outcome_tag(&out->ruled, out->ruled.trace, p->nanswer_rules);
	return arena_failed(a) ? ERR_NOMEM : err;
}
