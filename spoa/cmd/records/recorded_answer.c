/* What completions say of answers, for the rules with phase: response:
 * gate/steps/record_answer.c wrote it. */
#include <string.h>

#include "base/scoped.h"
#include "cmd/records/opening.h"
#include "cmd/records/recorded.h"
#include "record/audit/record_fields.h"
#include "scan/text/body.h"

/* ---- what was sealed ---- */

/* The next line of what was kept of calls (gate/sealing) that says what one was made with, by
 * that way; NULL: none. */
static json_t *
next_arguments(struct span *text, const char *by)
{
	while (text->n) {
		struct span line = span_next(text, '\n');
		json_t *o = json_loadb(line.p, line.n, JSON_ALLOW_NUL, NULL);
		if (json_is_string(json_object_get(o, "arguments")) &&
			str_same(json_str_in(o, "by"), by))
			return o;
		json_decref(o);
	}
	return NULL;
}

static void
set_call_arguments(json_t *record, struct span text)
{
	const struct span all = text;
	const char *ways[] = { "answer", "mcp" };
	json_t *call;
	size_t i;

	for (size_t w = 0; w < COUNT_OF(ways); w++) {
		text = all;
		json_array_foreach(record_get(record, RF_CALLS), i, call)
		{
			if (!span_is(json_span(record_in(call, RF_CALLS_BY)), ways[w]))
				continue;
			json_auto_t *said = next_arguments(&text, ways[w]);
			if (said)
				json_object_set(call, record_rows[RF_CALLS_ARGUMENTS].name,
					json_object_get(said, "arguments"));
		}
	}
}

/* As rules read them: all, as the model wrote them, once it had. */
static void
set_read_arguments(json_t *record, struct span text, bool full)
{
	json_t *names = record_get(record, RF_ANSWER_VERDICT_TOOL_CALLS), *name;
	const char *when = record_text(record, RF_ANSWER_VERDICT_WHEN);
	bool over = !strcmp(when, answer_when_names[ANSWER_WHOLE]) ||
		    !strcmp(when, answer_when_names[ANSWER_END]);
	json_auto_t *list = json_array();
	size_t i;

	if (!names || !over || (!full && record_get(record, RF_ANSWER_FINDINGS)))
		return;
	json_array_foreach(names, i, name)
	{
		json_auto_t *said = next_arguments(&text, "answer");
		if (!said || !json_equal(json_object_get(said, "tool"), name))
			return;
		json_array_append(list, json_object_get(said, "arguments"));
	}
	json_auto_t *more = next_arguments(&text, "answer");
	if (!more)
		json_object_set(record_get(record, RF_ANSWER_VERDICT),
			record_rows[RF_ANSWER_VERDICT_TOOL_ARGUMENTS].name, list);
}

void
recorded_open(struct opening *o, json_t *record)
{
	const json_t *kept = opening_kept(record, SEAL_TOOLS);

	if (!str_same(json_str_in(kept, "form"), "texts") ||
		json_is_true(json_object_get(kept, "cut")))
		return;
	SCOPED_BUF(text, 0);
	SCOPED_BUF(why, 4096);
	if (opening_text(o, record, SEAL_TOOLS, &text, &why) != OPENING_OPENED)
		return;
	set_call_arguments(record, buf_view(&text));
	set_read_arguments(record, buf_view(&text), str_same(json_str_in(kept, "how"), "full"));
}

/* ---- what was found ---- */

/* No score is in the record: where this policy asks for more than the rule files do, what was
 * found then may be nothing now. */
static void
read_entities(struct recorded_answer *out, json_t *record, const struct policy_alone *p,
	struct arena *a)
{
	json_t *value;
	const char *name;

	json_object_foreach(record_get(record, RF_ANSWER_VERDICT_ENTITIES), name, value)
	{
		int e = detect_entity_find(p->rules, span_str(name));
		if (e < 0)
			continue;
		if (!out->same_version &&
			p->p->thresholds[e] > detect_entity_threshold(p->rules, (size_t)e))
			out->unsure =
				arena_printf(a, "the score of %s was not recorded", name).p;
		entity_add(&out->facts.entities, (size_t)e);
		out->roles[e] = recorded_roles(record_in(value, RF_ENTITIES_ROLES));
	}
	out->facts.roles = out->roles;
	out->facts.rules = p->rules;
}

static void
read_recorded_lists(struct recorded_answer *out, json_t *record, struct arena *a)
{
	json_t *calls = record_get(record, RF_ANSWER_VERDICT_TOOL_CALLS),
	       *arguments = record_get(record, RF_ANSWER_VERDICT_TOOL_ARGUMENTS);
	struct answer_tool *tools = arena_array(a, json_array_size(calls), sizeof(*tools));

	out->arguments_held = json_array_size(arguments) == json_array_size(calls);
	out->arguments_sealed = !out->arguments_held && opening_kept(record, SEAL_TOOLS);
	for (size_t i = 0; tools && i < json_array_size(calls); i++)
		tools[i] = (struct answer_tool){ .name = json_span(json_array_get(calls, i)),
			.arguments = json_span(json_array_get(arguments, i)),
			.lost = !out->arguments_held };
	out->facts.media = recorded_spans(
		record_get(record, RF_ANSWER_VERDICT_MEDIA), a, &out->facts.nmedia);
	out->facts.tools = tools;
	out->facts.ntools = json_array_size(calls);
}

bool
recorded_answer_read(struct recorded_answer *out, json_t *record, json_t *decision,
	const struct recorded *request, const struct policy_alone *p, struct arena *a)
{
	const char *when = record_text(record, RF_ANSWER_VERDICT_WHEN);

	memset(out, 0, sizeof(*out));
	out->judged = record_get(record, RF_ANSWER_VERDICT) != NULL;
	out->request = request;
	out->same_version = request->same_version;
	while (out->when < ANSWER_END && strcmp(answer_when_names[out->when], when) != 0)
		out->when++;
	/* The last one, where that is not what all of them came to. */
	bool last = record_get(record, RF_ANSWER_VERDICT_DECISION) != NULL;
	out->effect = !out->judged ? "permit"
		      : last	   ? record_text(record, RF_ANSWER_VERDICT_DECISION)
				   : record_text(record, RF_ANSWER_DECISION);
	out->rule = record_text(record, last ? RF_ANSWER_VERDICT_RULE : RF_ANSWER_RULE);
	out->tags = record_get(record, last ? RF_ANSWER_VERDICT_TAGS : RF_ANSWER_TAGS);
	out->outcomes = json_string_value(record_get(record, RF_ANSWER_VERDICT_OUTCOMES));
	read_entities(out, record, p, a);
	out->all_searched = record_is(record, RF_ANSWER_VERDICT_SEARCHED, "all");
	recorded_searched(p, record_text(record, RF_ANSWER_VERDICT_SEARCHED), &out->searched);
	out->facts.injection =
		json_number_value(record_get(record, RF_ANSWER_VERDICT_INJECTION));
	out->facts.bytes = record_int(record, RF_ANSWER_VERDICT_BYTES);
	out->facts.tokens = record_int(record, RF_ANSWER_VERDICT_TOKENS);
	out->facts.finish_reason = record_span(record, RF_ANSWER_VERDICT_FINISH_REASON);
	out->facts.model = record_span(record, RF_ANSWER_MODEL);
	out->facts.status = (int)record_int(record, RF_ANSWER_VERDICT_STATUS);
	out->facts.streamed = json_is_true(record_get(record, RF_ANSWER_STREAMED));
	out->facts.evasion = json_is_true(record_get(record, RF_ANSWER_VERDICT_EVASION));
	out->missing = request->missing;
	for (size_t slot = 0; slot < V_COUNT; slot++)
		if (policy_slot_reads_answer(slot))
			out->missing.in[slot] = false;
	recorded_not_held(record_get(record, RF_ANSWER_VERDICT_NOT_HELD), &out->missing);
	out->missing.in[V_RESPONSE_INJECTION] =
		!json_is_true(record_get(record, RF_ANSWER_VERDICT_SCORED));
	read_recorded_lists(out, record, a);
	for (size_t slot = V_TOOL_NAME; slot <= V_MCP_METHOD; slot++)
		out->missing.in[slot] = false; /* of a model's calls */
	out->missing.in[V_TOOL_DESCRIPTION] = out->facts.ntools > 0;
	out->missing.in[V_TOOL_NAME] = out->missing.in[V_RESPONSE_TOOL_CALLS];
	out->missing.in[V_TOOL_ARGUMENTS] = out->facts.ntools && !out->arguments_held;
	/* As the rules on answers read it: with the target that it went to. */
	struct policy_facts f = request->facts;
	for (size_t i = 0; f.route && i < f.route->ntargets; i++)
		if (record_is(decision, RF_TARGET, f.route->targets[i].name))
			f.target = &f.route->targets[i];
	return policy_answer_request(p->p, &f, a, &out->asked) == 0 && !arena_failed(a);
}

int
recorded_answer_decide(const struct recorded_answer *r, const struct policy_alone *p,
	struct arena *a, struct answer_verdict *out, const char **unsure)
{
	int err = policy_answer(p->p, &r->asked, &r->facts, r->when, a, out);

	*unsure = r->unsure;
	for (size_t i = 0; err == 0 && i < p->p->nanswer_rules && !*unsure; i++)
		if (out->ruled.trace[i].fate != RULE_NOT_REACHED &&
			out->ruled.trace[i].fate != RULE_WAITS)
			*unsure = recorded_unsure(r->request, r, p, &p->p->answer_rules[i], a);
	bool calls = r->asked.route && r->asked.route->uses.calls && r->facts.ntools;
	for (size_t i = 0; err == 0 && calls && i < p->p->ntool_rules && !*unsure; i++)
		*unsure = recorded_unsure(r->request, r, p, &p->p->tool_rules[i], a);
	return err;
}
