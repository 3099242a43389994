/* What a completion says of the rules on answers, besides what came of them: the facts they
 * read and the fate of each, so that they can be asked again. */
#include "codec/utf8.h"
#include "guard/guard.h"
#include "steps/record.h"
#include "verdict/explain.h"

enum { OUTCOMES_MAX = 4096, SCORE_DIGITS = 6, ARGUMENTS_MAX = 48 << 10 };

void
record_rules(struct buf *b, const struct rule_trace *trace, size_t nrules)
{
	size_t n = 0;

	for (size_t i = 0; trace && i < nrules && n < LIST_MAX; i++) {
		const struct rule_trace *t = &trace[i];
		if (t->fate != RULE_MATCHED && t->fate != RULE_ERROR)
			continue;
		put_item(b, "rules", n++);
		buf_putc(b, '{');
		put_str(b, "name", span_str(t->rule->name));
		put_str(b, "fate",
			t->fate == RULE_MATCHED ? SPAN_LIT("matched") : SPAN_LIT("error"));
		put_str(b, "error", t->error);
		buf_putc(b, '}');
	}
	put_end(b, n);
}

static void
put_verdict(struct buf *b, const struct policy *p, const struct answer_verdict *v)
{
	if (v->trace && p->nanswer_rules <= OUTCOMES_MAX) {
		key(b, "outcomes");
		buf_putc(b, '"');
		for (size_t i = 0; i < p->nanswer_rules; i++)
			buf_putc(b, explain_letters[v->trace[i].fate]);
		buf_putc(b, '"');
	}
	record_rules(b, v->trace, p->nanswer_rules);
}

/* {"EMAIL_ADDRESS": {"roles": ["assistant"], "with": "mask"}} */
static void
put_entities(struct buf *b, const struct answer_facts *f, const struct answer_verdict *v)
{
	bool any = false;

	for (size_t e = 0; f->rules && e < detect_entity_count(f->rules); e++) {
		size_t n = 0;
		if (!entity_in(&f->entities, e))
			continue;
		if (!any)
			put_object(b, "entities");
		any = true;
		put_object(b, detect_entity_name(f->rules, e));
		for (unsigned k = 0; f->roles && k < ROLE_COUNT; k++)
			if (f->roles[e] >> k & 1)
				put_text_item(
					b, "roles", n++, span_str(role_name((enum seg_role)k)));
		put_end(b, n);
		if (entity_in(&v->redact, e) && v->effect != RULE_DENY)
			put_str(b, "with", span_str(style_names[v->with[e]]));
		buf_putc(b, '}');
	}
	if (any)
		buf_putc(b, '}');
}

struct names {
	const char *const *v;
	size_t n;
};

/* False: a reader must not take the list for what rules read. */
static bool
put_calls(struct buf *b, const struct answer_facts *f, const struct names *may)
{
	size_t n = 0;

	for (size_t i = 0; i < f->ntools && n < LIST_MAX; i++)
		if (span_find(f->tools[i].name, may->v, may->n) < may->n)
			put_text_item(b, "tool_calls", n++, f->tools[i].name);
	put_end(b, n);
	return n == f->ntools;
}

/* Where the route has texts recorded and nothing was found in them, the calls' arguments as
 * rules read them: then they can be judged again. All of them or none. */
static void
put_arguments(struct buf *b, const struct route *route, const struct guard_report *a)
{
	const struct answer_facts *f = a->facts;
	bool over = a->when == ANSWER_WHOLE || a->when == ANSWER_END;
	size_t left = ARGUMENTS_MAX;

	if (!(route->response & RESP_RECORD) || route->record_answer != PROMPT_REDACTED ||
		a->nfound || !over)
		return;
	for (size_t i = 0; i < f->ntools; i++) {
		struct span s = f->tools[i].arguments;
		if (f->tools[i].lost || 6 * s.n > left || !utf8_valid(s))
			return;
		left -= 6 * s.n;
	}
	for (size_t i = 0; i < f->ntools; i++)
		put_text_item(b, "tool_arguments", i, f->tools[i].arguments);
	put_end(b, f->ntools);
}

/* Lists that are cut, and texts: a reader must not take them for what rules read. */
static void
put_not_held(struct buf *b, const struct answer_facts *f, bool calls)
{
	size_t n = 0;

	if (!calls)
		put_text_item(b, "not_held", n++, SPAN_LIT("response.tool_calls"));
	if (f->nmedia > LIST_MAX)
		put_text_item(b, "not_held", n++, SPAN_LIT("response.media"));
	if (f->finish_reason.n > VALUE_MAX)
		put_text_item(b, "not_held", n++, SPAN_LIT("response.finish_reason"));
	put_end(b, n);
}

static void
put_facts(struct buf *b, const struct route *route, const struct guard_report *a,
	const struct names *may)
{
	const struct answer_facts *f = a->facts;
	size_t n = 0;

	put_entities(b, f, &a->verdict);
	key(b, "injection");
	buf_printf(b, "%.*f", SCORE_DIGITS, f->injection);
	put_int(b, "bytes", f->bytes);
	put_int(b, "tokens", f->tokens);
	put_utf8(b, "finish_reason", f->finish_reason);
	put_int(b, "status", f->status);
	put_flag(b, "evasion", f->evasion);
	n = f->nmedia < LIST_MAX ? f->nmedia : LIST_MAX;
	for (size_t i = 0; i < n; i++)
		put_text_item(b, "media", i, f->media[i]);
	put_end(b, n);
	bool calls = put_calls(b, f, may);
	if (calls)
		put_arguments(b, route, a);
	put_not_held(b, f, calls);
}

/* What was said last, where more was said before: what is judged again says that. */
static void
put_last(struct buf *b, const struct guard_report *a)
{
	const struct answer_verdict *v = &a->verdict;

	if (v->effect == a->sum.effect && v->rule == a->sum.rule && v->ntags == a->sum.ntags)
		return;
	put_str(b, "decision", span_str(rule_effect_name(v->effect)));
	put_str(b, "rule", span_str(v->rule ? v->rule->name : NULL));
	key(b, "tags");
	buf_putc(b, '[');
	for (size_t i = 0; i < v->ntags; i++) {
		if (i)
			buf_putc(b, ',');
		buf_json_str(b, span_str(v->tags[i]));
	}
	buf_putc(b, ']');
}

void
record_answer_verdict(struct buf *b, const struct policy *p, const struct route *route,
	const struct guard_report *a)
{
	const struct names may = { a->tools, a->ntools };

	put_object(b, "verdict");
	put_str(b, "when", span_str(answer_when_names[a->when]));
	put_last(b, a);
	put_verdict(b, p, &a->verdict);
	put_facts(b, route, a, &may);
	put_str(b, "searched",
		route->find_all ? SPAN_LIT("all") : span_str(route->uses.searched));
	put_flag(b, "scored", route->uses.injection);
	buf_putc(b, '}');
}
