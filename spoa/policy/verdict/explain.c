/* Explains a verdict in words and as JSON. Values are looked up again from the facts: the same
 * facts give the values that the conditions read. */
#include "policy/verdict/explain.h"

#include <stdio.h>

#include "base/utf8.h"
#include "base/scoped.h"
#include "policy/external.h"
#include "policy/policy.h"
#include "policy/rule.h"
#include "policy/verdict/facts.h"

enum { SAID_BYTES = 160 }; /* the most bytes of one value in a sentence */

const char *const explain_outcomes[] = { "not reached", "not matched", "matched", "error",
	"waits" };
const char explain_letters[] = "-nmew";

static const char *const effects[] = { "deny", "permit", "redact",
	"change" }; /* enum rule_effect */

const char *
rule_effect_name(enum rule_effect e)
{
	return effects[e];
}

/* State of one explanation. Lives in the arena. */
struct telling {
	struct facts_view view;
	bool answer;  /* about a response or a call; otherwise about a request */
	bool changed; /* the call's description is not the approved one */
	bool odd_uri; /* the call's URI has several spellings */
	const char *it;
	const struct entity_set *found; /* may be NULL */
	const struct detect_rules *names;
	bool verified, whole;
	const struct rule_outcome *verdict;
	bool waits; /* the decision waits for the body */
	const struct slot_set *missing;
	struct buf says;
};

/* ---- JSON ---- */

static json_t *
parsed(const struct buf *b)
{
	json_t *v = json_loadb(buf_view(b).p, b->n, JSON_ALLOW_NUL | JSON_DECODE_ANY, NULL);

	return v ? v : json_null();
}

/* Returns a JSON string. Bytes that are not UTF-8 are replaced. */
static json_t *
text(struct span s)
{
	SCOPED_BUF(b, 0);

	buf_json_str(&b, s);
	return parsed(&b);
}

/* ---- values ---- */

static bool
missing(const struct telling *t, size_t slot)
{
	return t->missing && t->missing->in[slot];
}

static bool
reads(const struct rule *r, size_t slot)
{
	return r->when && cel_reads(r->when, slot);
}

/* "prompt.classes was []" */
static void
say_value(struct telling *t, size_t slot)
{
	const char *path = t->view.p->env->vars[slot].path;
	bool present;

	buf_str(&t->says, path);
	if (missing(t, slot)) {
		buf_str(&t->says, " was not recorded");
		return;
	}
	struct cel_value got = facts_lookup(&t->view, slot, &present);
	if (got.type == CEL_ERROR) {
		buf_str(&t->says, " was not given");
		return;
	}
	SCOPED_BUF(v, 1u << 20);
	cel_json(&got, &v);
	size_t n = v.n > SAID_BYTES ? utf8_begin(buf_view(&v), SAID_BYTES) : v.n;
	buf_printf(&t->says, " was %.*s%s", (int)n, n ? buf_view(&v).p : "",
		n < v.n || buf_failed(&v) ? "…" : "");
}

static void
say_values(struct telling *t, const struct rule *r)
{
	const char *between = ": ";

	for (size_t slot = 0; slot < t->view.p->env->n; slot++)
		if (reads(r, slot)) {
			buf_str(&t->says, between);
			say_value(t, slot);
			between = ", ";
		}
}

/* Returns the value that the rule read, or null if a parameter was not given. */
static json_t *
value_json(struct telling *t, size_t slot)
{
	SCOPED_BUF(b, 0);
	bool present;

	struct cel_value got = facts_lookup(&t->view, slot, &present);
	if (got.type == CEL_ERROR)
		return json_null();
	cel_json(&got, &b);
	return parsed(&b);
}

static void
add_values(struct telling *t, const struct rule *r, json_t *o)
{
	json_t *values = json_object(), *unknown = json_array();

	for (size_t slot = 0; slot < t->view.p->env->n; slot++) {
		const char *path = t->view.p->env->vars[slot].path;
		if (reads(r, slot) && missing(t, slot))
			json_array_append_new(unknown, json_string(path));
		else if (reads(r, slot))
			json_object_set_new(values, path, value_json(t, slot));
	}
	if (json_object_size(values))
		json_object_set(o, "values", values);
	if (json_array_size(unknown))
		json_object_set(o, "not_recorded", unknown);
	json_decref(values);
	json_decref(unknown);
}

/* ---- sentences ---- */

/* Appends the entities that a redaction finds in these facts. */
static void
say_redaction(struct telling *t, const struct rule *r)
{
	if (r->phase == PHASE_TOOL) {
		buf_str(&t->says, "it redacts findings in arguments and results");
		return;
	}
	size_t n = 0, count = t->found && t->names ? detect_entity_count(t->names) : 0;

	buf_str(&t->says, "it redacts ");
	for (size_t e = 0; e < count; e++)
		if (entity_in(&r->redact, e) && entity_in(t->found, e))
			buf_printf(&t->says, "%s%s", n++ ? ", " : "",
				detect_entity_name(t->names, e));
	if (n == 0)
		buf_str(&t->says,
			t->whole ? "nothing, because none of its entities was found"
				 : "the findings in the body, which has not been read yet");
}

static void
say_names(struct telling *t, const char *what, const char *const *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(&t->says, "%s%s", i ? ", " : what, v[i]);
}

/* Appends ", and " if text was added since `from`. */
static void
say_and(struct telling *t, size_t from)
{
	if (t->says.n > from)
		buf_str(&t->says, ", and ");
}

static void
say_change(struct telling *t, const struct rule *r)
{
	const struct rule_change *x = r->change;
	size_t from = t->says.n;

	say_names(t, "it keeps the targets ", x->targets, x->ntargets);
	if (x->model) {
		say_and(t, from);
		buf_printf(&t->says, "it sends model %s", x->model);
	}
	if (x->max_output_tokens) {
		say_and(t, from);
		buf_printf(&t->says, "it caps the output at %llu tokens",
			(unsigned long long)x->max_output_tokens);
	}
	if (x->ntags) {
		say_and(t, from);
		say_names(t, "it tags ", x->tags, x->ntags);
	}
	if (x->require) {
		say_and(t, from);
		buf_str(&t->says, "it requires ");
		size_t n = 0;
		if (x->require & REQUIRE_OCR)
			buf_str(&t->says, n++ ? "" : "that pictures are read");
		if (x->require & ~REQUIRE_OCR)
			buf_str(&t->says, n ? ", a response of " : "a response of ");
		n = 0;
		for (size_t i = 0; i < t->view.p->nexternals; i++)
			if (x->require >> i & 1)
				buf_printf(&t->says, "%s%s", n++ ? ", " : "",
					t->view.p->externals[i].rec.name);
	}
	if (x->nheaders)
		say_and(t, from);
	for (size_t i = 0; i < x->nheaders; i++)
		buf_printf(&t->says, "%s%s", i ? ", " : "it sets ", x->headers[i].name);
}

static void
say_rule_part(struct telling *t, const struct rule *r,
	void (*say)(struct telling *, const struct rule *))
{
	if (r->effect == RULE_DENY || r->effect == RULE_PERMIT ||
		(r->redacts && say == say_change))
		buf_str(&t->says, ", and ");
	say(t, r);
}

static void
say_effect(struct telling *t, const struct rule *r)
{
	switch (r->effect) {
	case RULE_DENY:
		if (r->phase == PHASE_TOOL)
			buf_printf(&t->says, "it denies with %s%s",
				r->as_error ? "a JSON-RPC error" : "a result",
				r->hides ? " and hides it" : "");
		else
			buf_printf(&t->says, "it denies with %d", r->status);
		if (r->reason && r->reason[0])
			buf_printf(&t->says, ", %s", r->reason);
		break;
	case RULE_PERMIT: buf_str(&t->says, "it permits"); break;
	case RULE_REDACT:
	case RULE_CHANGE: break;
	}
	if (r->redacts)
		say_rule_part(t, r, say_redaction);
	if (r->change)
		say_rule_part(t, r, say_change);
}

static bool
in_shadow(const struct telling *t, const struct rule *r)
{
	if (r->effect == RULE_PERMIT)
		return r->shadow;
	if (r->effect == RULE_CHANGE)
		return (r->shadow || t->view.p->shadow) && !t->answer;
	return (r->shadow || t->view.p->shadow) && t->verified;
}

static void
say_rule(struct telling *t, const struct rule_trace *x)
{
	const struct rule *r = x->rule;

	buf_clear(&t->says);
	switch (x->fate) {
	case RULE_NO_MATCH:
		buf_printf(&t->says, "%s did not match", r->name);
		say_values(t, r);
		break;
	case RULE_MATCHED:
		buf_printf(&t->says, "%s %s", r->name,
			r->when ? "matched" : "has no condition and matched");
		say_values(t, r);
		buf_str(&t->says, "; ");
		say_effect(t, r);
		if (in_shadow(t, r))
			buf_str(&t->says, "; in shadow: recorded, not enforced");
		break;
	case RULE_ERROR:
		buf_printf(&t->says, "%s could not be evaluated (%.*s)", r->name,
			SPAN_ARG(x->error));
		say_values(t, r);
		if (r->skip_on_error)
			buf_str(&t->says, "; on_error: skip, so it did not match");
		else
			buf_printf(&t->says, "; on_error: deny, so the %s is denied", t->it);
		break;
	case RULE_WAITS:
		buf_printf(&t->says, "%s waits for %s", r->name,
			!t->answer	  ? "the body, which has not been read yet"
			: r->reads_finish ? "the response's finish reason"
					  : "the end of the block");
		break;
	case RULE_NOT_REACHED:
		buf_printf(&t->says, "%s was not reached", r->name);
		if (!t->verdict || !t->verdict->trace)
			buf_printf(&t->says, ": the %s was decided before the rules", t->it);
		else if (t->verdict->rule)
			buf_printf(
				&t->says, ": %s ended the evaluation", t->verdict->rule->name);
		break;
	}
}

/* Appends the reason for the outcome. */
static void
say_outcome(struct telling *t)
{
	const struct rule_outcome *v = t->verdict;
	const char *otherwise = t->view.p->default_permit ? "permit" : "deny";
	const char *name = v && v->rule ? v->rule->name : "default";

	buf_clear(&t->says);
	if (!v || !v->trace) {
		buf_printf(
			&t->says, "the %s was decided before the rules were evaluated", t->it);
		return;
	}
	buf_printf(&t->says, "%s: ", rule_effect_name(v->effect));
	if (v->failed)
		buf_printf(
			&t->says, "%s could not be evaluated, so the request is denied", name);
	else if (v->effect == RULE_DENY && v->rule && v->rule->effect != RULE_DENY)
		buf_printf(&t->says, "%s and other rules leave no target", name);
	else if (t->changed)
		buf_str(&t->says,
			"the tool's description is not the approved one, and no permit that "
			"reads tool.state ended the evaluation");
	else if (t->odd_uri)
		buf_str(&t->says, tool_odd_uri);
	else if (!v->rule && t->answer)
		buf_printf(&t->says, "no rule denied the %s", t->it);
	else if (!v->rule)
		buf_printf(&t->says, "no rule ended the evaluation, and the default is %s",
			otherwise);
	else if (v->effect == RULE_REDACT)
		buf_printf(&t->says, "%s redacts, and nothing denied the %s", name, t->it);
	else
		buf_printf(&t->says, "%s matched and ended the evaluation", name);
	if (t->waits)
		buf_str(&t->says, "; rules wait for the body");
	if (v->shadowed)
		buf_printf(&t->says, "; without shadow it would be %s by %s",
			rule_effect_name(v->shadow_effect),
			v->shadow_rule ? v->shadow_rule->name
			: t->answer    ? "no rule"
				       : "default");
}

/* ---- whole explanation ---- */

static json_t *
explain_rule(struct telling *t, const struct rule_trace *x)
{
	const struct rule *r = x->rule;
	json_t *o = json_pack("{ss ss ss so* ss*}", "rule", r->name, "outcome",
		explain_outcomes[x->fate], "effect", rule_effect_name(r->effect), "status",
		r->effect == RULE_DENY && r->phase != PHASE_TOOL ? json_integer(r->status)
								 : NULL,
		"when", r->when ? r->when_text : NULL);

	if (r->effect == RULE_DENY && r->phase == PHASE_TOOL)
		json_object_set_new(o, "as", json_string(r->as_error ? "error" : "result"));
	if (r->hides)
		json_object_set_new(o, "hide", json_true());

	if (x->fate == RULE_NO_MATCH || x->fate == RULE_MATCHED || x->fate == RULE_ERROR)
		add_values(t, r, o);
	if (r->shadow || t->view.p->shadow)
		json_object_set_new(o, "shadow", json_true());
	if (x->fate == RULE_ERROR)
		json_object_set_new(o, "error", text(x->error));
	say_rule(t, x);
	json_object_set_new(o, "says", text(buf_view(&t->says)));
	return o;
}

static json_t *
rules_told(struct telling *t, const struct rule *rules, size_t n)
{
	const struct policy *p = t->view.p;
	const struct rule_trace *trace = t->verdict ? t->verdict->trace : NULL;
	json_t *list = json_array();

	buf_init(&t->says, 1u << 20);
	for (size_t i = 0; i < n; i++) {
		struct rule_trace unreached = { .rule = &rules[i], .fate = RULE_NOT_REACHED };
		json_array_append_new(list, explain_rule(t, trace ? &trace[i] : &unreached));
	}
	say_outcome(t);
	json_t *o = json_pack("{ss so ss* so}", "policy", p->label, "rules", list, "default",
		t->answer	    ? NULL
		: p->default_permit ? "permit"
				    : "deny",
		"says", text(buf_view(&t->says)));
	buf_free(&t->says);
	return o;
}

json_t *
policy_explain(const struct policy *p, const struct policy_facts *f,
	const struct policy_verdict *verdict, const struct slot_set *missing_slots,
	struct arena *a)
{
	struct telling *t = arena_new(a, struct telling);

	if (!t)
		return NULL;
	t->it = "request";
	t->found = f->entities;
	t->names = f->rules;
	t->verified = f->identity && f->identity->verified;
	t->whole = f->whole;
	t->verdict = verdict ? &verdict->ruled : NULL;
	t->waits = verdict && verdict->waits;
	t->missing = missing_slots;
	facts_init(&t->view, p, f, a);
	return rules_told(t, p->rules, p->nrules);
}

json_t *
policy_answer_explain(const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, const struct answer_verdict *verdict,
	const struct slot_set *missing_slots, struct arena *a)
{
	struct telling *t = arena_new(a, struct telling);

	if (!t)
		return NULL;
	t->verdict = verdict ? &verdict->ruled : NULL;
	t->answer = t->whole = true;
	t->it = "answer";
	t->found = &f->entities;
	t->names = f->rules;
	t->verified = asked->verified;
	t->missing = missing_slots;
	facts_answer(&t->view, p, asked, f, a);
	return rules_told(t, p->answer_rules, p->nanswer_rules);
}

json_t *
policy_tool_explain(const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, const struct tool_verdict *verdict, struct arena *a)
{
	struct telling *t = arena_new(a, struct telling);

	if (!t)
		return NULL;
	t->verdict = &verdict->ruled;
	t->answer = t->whole = true;
	t->changed = verdict->changed;
	t->odd_uri = verdict->odd_uri;
	t->it = "call";
	t->verified = asked->verified;
	facts_tool(&t->view, p, asked, c, a);
	return rules_told(t, p->tool_rules, p->ntool_rules);
}
