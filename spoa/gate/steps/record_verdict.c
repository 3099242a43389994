/* What a completion says of the rules on answers, besides what came of them: the facts they
 * read and the fate of each, so that they can be asked again. */
#include "answer/guard/guard.h"
#include "base/codec/utf8.h"
#include "gate/steps/record.h"
#include "policy/verdict/explain.h"

enum { RULES_MAX = 4096, SCORE_DIGITS = 6 };

void
record_rules(struct buf *b, const struct rule_trace *trace, size_t nrules)
{
	size_t n = 0;

	for (size_t i = 0; trace && i < nrules && n < LIST_MAX; i++) {
		const struct rule_trace *t = &trace[i];
		if (t->fate != RULE_MATCHED && t->fate != RULE_ERROR)
			continue;
		put_object_item(b, RF_RULES, n++);
		put_name(b, RF_RULES_NAME, t->rule->name);
		put_name(b, RF_RULES_FATE, t->fate == RULE_MATCHED ? "matched" : "error");
		put_str(b, RF_RULES_ERROR, t->error);
		buf_putc(b, '}');
	}
	put_end(b, n);
}

void
record_would(struct buf *b, const struct rule_outcome *o, enum record_field effect,
	enum record_field rule)
{
	if (!o->shadowed)
		return;
	put_name(b, effect, rule_effect_name(o->shadow_effect));
	put_name(b, rule, o->shadow_rule ? o->shadow_rule->name : NULL);
}

void
record_outcomes(
	struct buf *b, enum record_field field, const struct rule_trace *trace, size_t nrules)
{
	if (!trace || nrules > RULES_MAX)
		return;
	key(b, field);
	buf_putc(b, '"');
	for (size_t i = 0; i < nrules; i++)
		buf_putc(b, explain_letters[trace[i].fate]);
	buf_putc(b, '"');
}

/* {"EMAIL_ADDRESS": {"roles": ["assistant"], "with": "mask"}} */
static void
put_entities(struct buf *b, const struct answer_facts *f, const struct answer_verdict *v)
{
	bool any = false;

	for (size_t e = 0; f->rules && e < detect_entity_count(f->rules); e++) {
		if (!entity_in(&f->entities, e))
			continue;
		if (!any)
			put_object(b, RF_ANSWER_VERDICT_ENTITIES);
		any = true;
		key_in_map(b, detect_entity_name(f->rules, e));
		buf_putc(b, '{');
		put_roles(b, RF_ENTITIES_ROLES, f->roles ? f->roles[e] : 0);
		if (entity_in(&v->redact.of, e) && v->ruled.effect != RULE_DENY)
			put_name(b, RF_ENTITIES_WITH, style_names[v->redact.with[e]]);
		buf_putc(b, '}');
	}
	if (any)
		buf_putc(b, '}');
}

/* Names that a record may hold. False: a reader must not take the list for what rules read. */
static bool
put_calls(struct buf *b, const struct guard_report *a)
{
	const struct answer_facts *f = a->facts;
	size_t n = 0;

	for (size_t i = 0; i < f->ntools && n < LIST_MAX; i++)
		if (span_find(f->tools[i].name, a->tools, a->ntools) < a->ntools)
			put_text_item(b, RF_ANSWER_VERDICT_TOOL_CALLS, n++, f->tools[i].name);
	put_end(b, n);
	return n == f->ntools;
}

static void
put_facts(struct buf *b, const struct guard_report *a)
{
	const struct answer_facts *f = a->facts;
	size_t nmedia = f->nmedia < LIST_MAX ? f->nmedia : LIST_MAX, n = 0;

	put_entities(b, f, &a->verdict);
	key(b, RF_ANSWER_VERDICT_INJECTION);
	buf_printf(b, "%.*f", SCORE_DIGITS, f->injection);
	put_int(b, RF_ANSWER_VERDICT_BYTES, f->bytes);
	put_int(b, RF_ANSWER_VERDICT_TOKENS, f->tokens);
	put_utf8(b, RF_ANSWER_VERDICT_FINISH_REASON, f->finish_reason);
	put_int(b, RF_ANSWER_VERDICT_STATUS, f->status);
	put_flag(b, RF_ANSWER_VERDICT_EVASION, f->evasion);
	put_spans(b, RF_ANSWER_VERDICT_MEDIA, f->media, nmedia);
	bool calls = put_calls(b, a);
	/* Lists that are cut, and texts: a reader must not take them for what rules read. */
	const struct {
		bool held;
		enum policy_slot slot;
	} lists[] = { { calls, V_RESPONSE_TOOL_CALLS },
		{ nmedia == f->nmedia, V_RESPONSE_MEDIA },
		{ f->finish_reason.n <= VALUE_MAX, V_RESPONSE_FINISH } };
	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (!lists[i].held)
			put_text_item(b, RF_ANSWER_VERDICT_NOT_HELD, n++,
				span_str(policy_env.vars[lists[i].slot].path));
	put_end(b, n);
}

/* What was said last, where more was said before: what is judged again says that. */
static void
put_last(struct buf *b, const struct guard_report *a)
{
	const struct rule_outcome *v = &a->verdict.ruled, *all = &a->sum.ruled;

	if (v->effect == all->effect && v->rule == all->rule && v->ntags == all->ntags)
		return;
	put_name(b, RF_ANSWER_VERDICT_DECISION, rule_effect_name(v->effect));
	put_name(b, RF_ANSWER_VERDICT_RULE, v->rule ? v->rule->name : NULL);
	key(b, RF_ANSWER_VERDICT_TAGS);
	buf_putc(b, '[');
	for (size_t i = 0; i < v->ntags; i++) {
		buf_str(b, i ? "," : "");
		buf_json_str(b, span_str(v->tags[i]));
	}
	buf_putc(b, ']');
}

void
record_answer_verdict(struct buf *b, const struct policy *p, const struct route *route,
	const struct guard_report *a)
{
	put_object(b, RF_ANSWER_VERDICT);
	put_name(b, RF_ANSWER_VERDICT_WHEN, answer_when_names[a->when]);
	put_last(b, a);
	record_outcomes(
		b, RF_ANSWER_VERDICT_OUTCOMES, a->verdict.ruled.trace, p->nanswer_rules);
	record_rules(b, a->verdict.ruled.trace, p->nanswer_rules);
	put_facts(b, a);
	put_name(b, RF_ANSWER_VERDICT_SEARCHED, route->find_all ? "all" : route->uses.searched);
	put_flag(b, RF_ANSWER_VERDICT_SCORED, route->uses.injection);
	buf_putc(b, '}');
}

void
record_rule_did(const struct request *r, const struct rule_outcome *o)
{
	const struct rule *would = o->shadowed ? o->shadow_rule : NULL;
	const int64_t now_ms = r->now_wall_ns / 1000000;

	rule_tally_add(&r->gate->tally.rules, o->rule ? o->rule->name : NULL,
		o->effect == RULE_DENY	   ? RULE_DID_DENY
		: o->effect == RULE_REDACT ? RULE_DID_REDACT
					   : RULE_DID_PERMIT,
		now_ms);
	rule_tally_add(
		&r->gate->tally.rules, would ? would->name : NULL, RULE_DID_WOULD, now_ms);
}
