/* What completions say of answers, for the rules with phase: response: steps/record_answer.c
 * and record_verdict.c wrote it. */
#include <string.h>

#include "cmd/records/recorded.h"
#include "codec/json_text.h"
#include "text/body.h"

static int64_t
number_in(json_t *o, const char *name)
{
	return (int64_t)json_integer_value(json_object_get(o, name));
}

/* No score is in the record: where this policy asks for more than the rule files do, what was
 * found then may be nothing now. */
static void
read_entities(struct recorded_answer *out, json_t *answer, const struct policy_alone *p,
	struct arena *a)
{
	json_t *value;
	const char *name;

	json_object_foreach(json_object_get(answer, "entities"), name, value)
	{
		int e = detect_entity_find(p->rules, span_str(name));
		if (e < 0)
			continue;
		if (!out->same_version &&
			p->p->thresholds[e] > detect_entity_threshold(p->rules, (size_t)e))
			out->unsure =
				arena_printf(a, "the score of %s was not recorded", name).p;
		entity_add(&out->facts.entities, (size_t)e);
		out->roles[e] = recorded_roles(value, "roles");
	}
	out->facts.roles = out->roles;
	out->facts.rules = p->rules;
}

static bool
read_lists(struct recorded_answer *out, json_t *answer, struct arena *a)
{
	json_t *media = json_object_get(answer, "media"),
	       *calls = json_object_get(answer, "tool_calls");
	struct span *kinds = arena_array(a, json_array_size(media), sizeof(*kinds));
	struct answer_tool *tools = arena_array(a, json_array_size(calls), sizeof(*tools));

	for (size_t i = 0; kinds && i < json_array_size(media); i++)
		kinds[i] = json_span(json_array_get(media, i));
	json_t *arguments = json_object_get(answer, "tool_arguments");
	out->arguments_held = json_array_size(arguments) == json_array_size(calls);
	for (size_t i = 0; tools && i < json_array_size(calls); i++)
		tools[i] = (struct answer_tool){ .name = json_span(json_array_get(calls, i)),
			.arguments = json_span(json_array_get(arguments, i)),
			.lost = !out->arguments_held };
	out->facts.media = kinds;
	out->facts.nmedia = json_array_size(media);
	out->facts.tools = tools;
	out->facts.ntools = json_array_size(calls);
	return kinds && tools;
}

static void
read_missing(struct recorded_answer *out, json_t *answer, const struct recorded *request)
{
	json_t *one;
	size_t i;

	out->missing = request->missing;
	for (size_t slot = 0; slot < V_COUNT; slot++)
		if (policy_slot_reads_answer(slot))
			out->missing.in[slot] = false;
	json_array_foreach(json_object_get(answer, "not_held"), i,
		one) for (size_t slot = 0; slot < V_COUNT;
			  slot++) if (!strcmp(policy_env.vars[slot].path,
					      json_string_value(one))) out->missing.in[slot] =
		true;
	out->missing.in[V_RESPONSE_INJECTION] =
		!json_is_true(json_object_get(answer, "scored"));
}

/* As the rules on answers read it: with the target that it went to. */
static bool
read_request(struct recorded_answer *out, json_t *decision, const struct recorded *request,
	const struct policy *p, struct arena *a)
{
	struct policy_facts f = request->facts;

	for (size_t i = 0; f.route && i < f.route->ntargets; i++)
		if (!strcmp(f.route->targets[i].name, json_text_in(decision, "target")))
			f.target = &f.route->targets[i];
	return policy_answer_request(p, &f, a, &out->asked) == 0;
}

json_t *
recorded_answer_in(json_t *completion)
{
	return json_object_get(json_object_get(completion, "answer"), "verdict");
}

bool
recorded_answer_read(struct recorded_answer *out, json_t *completion, json_t *decision,
	const struct recorded *request, const struct policy_alone *p, struct arena *a)
{
	json_t *whole = json_object_get(completion, "answer"),
	       *answer = recorded_answer_in(completion);
	const char *when = json_text_in(answer, "when"),
		   *searched = json_text_in(answer, "searched");

	memset(out, 0, sizeof(*out));
	out->judged = answer != NULL;
	out->request = request;
	out->same_version = request->same_version;
	while (out->when < ANSWER_END && strcmp(answer_when_names[out->when], when) != 0)
		out->when++;
	/* The last one, where that is not what all of them came to. */
	json_t *last = json_object_get(answer, "decision") ? answer : whole;
	out->effect = answer ? json_text_in(last, "decision") : "permit";
	out->rule = json_text_in(last, "rule");
	out->tags = json_object_get(last, "tags");
	out->outcomes = json_string_value(json_object_get(answer, "outcomes"));
	read_entities(out, answer, p, a);
	out->all_searched = !strcmp(searched, "all");
	recorded_searched(p, searched, &out->searched);
	out->facts.injection = json_number_value(json_object_get(answer, "injection"));
	out->facts.bytes = number_in(answer, "bytes");
	out->facts.tokens = number_in(answer, "tokens");
	out->facts.finish_reason = json_span(json_object_get(answer, "finish_reason"));
	out->facts.model = json_span(json_object_get(whole, "model"));
	out->facts.status = (int)number_in(answer, "status");
	out->facts.streamed = json_is_true(json_object_get(whole, "streamed"));
	out->facts.evasion = json_is_true(json_object_get(answer, "evasion"));
	read_missing(out, answer, request);
	return read_lists(out, answer, a) && read_request(out, decision, request, p->p, a);
}

static const char *
rule_unsure(const struct recorded_answer *r, const struct policy_alone *p,
	const struct rule *rule, struct arena *a)
{
	const struct cel_env *env = p->p->env;
	struct entity_set used = rule->redact, asked = { { 0 } };
	const char *what = NULL;

	if (rule->reads_score && r->missing.in[V_RESPONSE_INJECTION])
		return "response.injection was not recorded";
	for (size_t slot = 0; rule->when && slot < env->n; slot++)
		if (r->missing.in[slot] && cel_reads(rule->when, slot))
			return arena_printf(a, "%s was not recorded", env->vars[slot].path).p;
	if (rule->when && r->facts.ntools && !r->arguments_held &&
		cel_reads(rule->when, V_RESPONSE_TOOL_CALLS) &&
		strstr(rule->when_text, "arguments"))
		return "arguments of tool calls are not recorded";
	bool all = !policy_answer_names_used(p->p, p->rules, rule->when, &used),
	     all_asked = !policy_names_used(p->p, p->rules, rule->when, &asked);
	if ((all && !r->all_searched) || (all_asked && !r->request->all_searched))
		return "not all entities were searched for";
	for (size_t e = 0; e < detect_entity_count(p->rules) && !what; e++) {
		bool lacks = entity_in(&used, e) && !r->all_searched &&
			     !entity_in(&r->searched, e),
		     lacked = entity_in(&asked, e) && !r->request->all_searched &&
			      !entity_in(&r->request->searched, e);
		if (lacks || lacked)
			what = detect_entity_name(p->rules, e);
	}
	return what ? arena_printf(a, "%s was not searched for", what).p : NULL;
}

int
recorded_answer_decide(const struct recorded_answer *r, const struct policy_alone *p,
	struct arena *a, struct answer_verdict *out, const char **unsure)
{
	int err = policy_answer(p->p, &r->asked, &r->facts, r->when, a, out);

	*unsure = r->unsure;
	for (size_t i = 0; err == 0 && i < p->p->nanswer_rules && !*unsure; i++)
		if (out->trace[i].fate != RULE_NOT_REACHED && out->trace[i].fate != RULE_WAITS)
			*unsure = rule_unsure(r, p, &p->p->answer_rules[i], a);
	return err;
}
