/* Facts of an answer and of a call as CEL values, next to those of the request that were kept.
 */
#include "base/caps.h"
#include "policy/data.h"
#include "policy/verdict/facts.h"

static void
kept(struct facts_view *v, const struct policy *p, const struct answer_request *asked,
	struct arena *a)
{
	static const struct policy_facts nothing;

	facts_init(v, p, &nothing, a);
	memset(&v->answer_classes, 0, sizeof(v->answer_classes));
	for (size_t i = 0; i < p->nanswer_slots; i++) {
		size_t slot = p->answer_slots[i];
		v->known[slot] = true;
		v->value[slot] = asked->kept[i].value;
		v->present[slot] = asked->kept[i].present;
	}
}

void
facts_answer(struct facts_view *v, const struct policy *p, const struct answer_request *asked,
	const struct answer_facts *f, struct arena *a)
{
	kept(v, p, asked, a);
	v->answer = f;
	facts_find_classes(p, &f->entities, f->roles, f->injection, &v->answer_classes);
}

void
facts_tool(struct facts_view *v, const struct policy *p, const struct answer_request *asked,
	const struct tool_call *c, struct arena *a)
{
	kept(v, p, asked, a);
	v->call = c;
}

void
facts_call(struct facts_view *v, const struct tool_call *c)
{
	memset(&v->known[V_TOOL_NAME], 0, (V_MCP_METHOD + 1 - V_TOOL_NAME) * sizeof(*v->known));
	v->call = c;
}

/* Of more values than that nobody makes a call; each takes a hundred bytes where it is read. */
static bool
has_too_many(struct span text)
{
	bool string = false;
	size_t n = 0;

	for (size_t i = 0; i < text.n && n <= CAP_ARGUMENT_VALUES; i++) {
		if (text.p[i] == '"')
			string = !string;
		else if (string)
			i += text.p[i] == '\\';
		else
			n += text.p[i] == ',' || text.p[i] == '[' || text.p[i] == '{';
	}
	return n > CAP_ARGUMENT_VALUES;
}

/* What is no JSON, or JSON that others may read otherwise (equal keys, too deep), is the
 * text: what reads a member of it fails, which is the rule's on_error. */
static struct cel_value
facts_arguments(struct facts_view *v, struct span text)
{
	struct cel_value got = { .type = CEL_MAP };
	json_t *o;

	if (text.n == 0)
		return got;
	if (has_too_many(text))
		return cel_string(text);
	o = json_loadb(text.p, text.n,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
	if (!o || data_json_of_others(o, CAP_DATA_DEPTH, v->a, &got) < 0)
		got = cel_string(text);
	json_decref(o);
	return got;
}

static struct cel_value
tool_calls(struct facts_view *v)
{
	size_t n = v->answer->ntools;
	struct cel_value *list = arena_array(v->a, n, sizeof(*list)),
			 *pairs = arena_array(v->a, 4 * n, sizeof(*pairs));

	for (size_t i = 0; list && pairs && i < n; i++, pairs += 4) {
		pairs[0] = cel_string(SPAN_LIT("name"));
		pairs[1] = cel_string(v->answer->tools[i].name);
		pairs[2] = cel_string(SPAN_LIT("arguments"));
		if (!v->answer->tools[i].lost)
			pairs[3] = facts_arguments(v, v->answer->tools[i].arguments);
		list[i] = (struct cel_value){ .type = CEL_MAP,
			.list = { pairs, v->answer->tools[i].lost ? 1 : 2 } };
	}
	return cel_list(list, list && pairs ? n : 0);
}

struct cel_value
facts_of_answer(struct facts_view *v, enum policy_slot slot)
{
	static const struct answer_facts nothing;
	const struct answer_facts *f = v->answer;

	if (!f)
		f = v->answer = &nothing;
	switch (slot) {
	case V_RESPONSE_CLASSES: return facts_classes(v, &v->answer_classes);
	case V_RESPONSE_ENTITIES: return facts_entities(v, f->rules, &f->entities);
	case V_RESPONSE_MEDIA: return facts_texts(v, f->media, f->nmedia);
	case V_RESPONSE_INJECTION: return cel_double(f->injection);
	case V_RESPONSE_BYTES: return cel_int(f->bytes);
	case V_RESPONSE_TOKENS: return cel_int(f->tokens);
	case V_RESPONSE_FINISH: return cel_string(f->finish_reason);
	case V_RESPONSE_MODEL: return cel_string(f->model);
	case V_RESPONSE_STATUS: return cel_int(f->status);
	case V_RESPONSE_EVASION: return cel_bool(f->evasion);
	case V_RESPONSE_TOOL_CALLS: return tool_calls(v);
	default: return cel_bool(f->streamed);
	}
}

struct cel_value
facts_of_tool(struct facts_view *v, enum policy_slot slot, bool *present)
{
	static const struct tool_call nothing;
	const struct tool_call *c = v->call ? v->call : &nothing;

	switch (slot) {
	case V_TOOL_NAME: return cel_string(c->name);
	case V_TOOL_SERVER: return cel_string(c->server);
	case V_TOOL_DESCRIPTION:
		if (!c->undescribed)
			return cel_string(c->description);
		*present = false;
		return (struct cel_value){ .type = CEL_ERROR,
			.s = SPAN_LIT("the descriptions of the request's tools are longer than "
				      "what is kept") };
	case V_TOOL_STATE: return cel_string(span_str(tool_states[c->state]));
	case V_RESOURCE_URI: return cel_string(c->uri);
	case V_MCP_METHOD: return cel_string(c->method);
	default: break;
	}
	*present = c->arguments.n > 0 && !c->lost;
	if (c->lost)
		return (struct cel_value){ .type = CEL_ERROR,
			.s = SPAN_LIT("tool.arguments is longer than what is kept") };
	return facts_arguments(v, c->arguments);
}
