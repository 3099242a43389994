/* A call, judged by the rules with phase: tool of a request that was decided offline: "tool" of
 * the input. A server or a method makes it MCP's, else it is one in a model's answer. */
#include <jansson.h>
#include <stdlib.h>

#include "base/codec/json_text.h"
#include "base/codec/uri_normal.h"
#include "cmd/policies/decide.h"
#include "policy/config/read.h"
#include "policy/verdict/explain.h"

static const char *const known[] = { "name", "server", "arguments", "state", "description",
	"uri", "method", NULL };

static const char *
read_texts_of(json_t *in, struct tool_call *c)
{
	const struct {
		const char *name;
		struct span *to;
	} texts[] = { { "name", &c->name }, { "server", &c->server },
		{ "description", &c->description }, { "uri", &c->uri },
		{ "method", &c->method } };
	json_t *v;

	for (size_t i = 0; i < COUNT_OF(texts); i++) {
		if ((v = json_object_get(in, texts[i].name)) && !json_is_string(v))
			return "tool: a string is expected for name, server, description, uri "
			       "and method";
		*texts[i].to = v ? json_span(v) : SPAN_LIT("");
	}
	bool template = span_is(c->method, "completion/complete");
	c->odd_uri = c->uri.n &&
		     !(template ? uri_template_is_normal(c->uri) : uri_is_normal(c->uri));
	if (!c->method.n && c->uri.n)
		c->method = SPAN_LIT("resources/read");
	else if (!c->method.n && c->server.n)
		c->method = SPAN_LIT("tools/call");
	return NULL;
}

static const char *
read_decided_call(struct request *r, json_t *in, struct tool_call *c)
{
	json_t *v, *arguments = json_object_get(in, "arguments");
	struct span state = json_span(json_object_get(in, "state"));
	const char *name;

	if (!json_is_object(in))
		return "tool must be an object";
	json_object_foreach(in, name, v)
	{
		if (!read_listed(known, span_str(name)))
			return "tool knows name, server, arguments, state, description, uri, "
			       "method";
	}
	while (!span_is(state, tool_states[c->state]))
		if (c->state++ == TOOL_UNLISTED)
			return "tool.state must be new, approved, changed or unlisted";
	if (arguments) {
		char *text = json_dumps(arguments, JSON_ENCODE_ANY | JSON_COMPACT);
		c->arguments = arena_dup(&r->arena, span_str(text));
		free(text);
	}
	return read_texts_of(in, c);
}

static json_t *
redactions(const struct request *r, const struct tool_verdict *v)
{
	json_t *list = json_array();

	for (size_t e = 0; e < detect_entity_count(r->snap->rules); e++)
		if (entity_in(&v->redact.of, e))
			json_array_append_new(
				list, json_pack("{ss ss}", "entity",
					      detect_entity_name(r->snap->rules, e), "with",
					      style_names[v->redact.with[e]]));
	return list;
}

static json_t *
result_json(const struct request *r, const struct tool_verdict *v, bool hidden)
{
	bool denied = v->ruled.effect == RULE_DENY;

	return json_pack("{ss ss ss* ss* sb so* so* ss*}", "decision",
		rule_effect_name(v->ruled.effect), "rule",
		v->ruled.rule ? v->ruled.rule->name : "", "as",
		!denied	   ? NULL
		: v->error ? "error"
			   : "result",
		"reason", denied ? v->ruled.reason : NULL, "hidden", hidden, "redacts",
		decide_unless_empty(redactions(r, v)), "tags",
		decide_unless_empty(decide_names(v->ruled.tags, v->ruled.ntags)), "shadow",
		!v->ruled.shadowed     ? NULL
		: v->ruled.shadow_rule ? v->ruled.shadow_rule->name
				       : "none");
}

const char *
decide_tool(struct request *r, json_t *in, json_t *result, json_t *explain, bool *matched)
{
	const struct policy *p = r->snap->policy;
	json_t *tool = json_object_get(in, "tool");
	struct answer_request asked;
	struct tool_verdict v;
	struct policy_facts f;
	struct body body;
	struct tool_call c = { 0 };
	const struct rule *by;

	if (!tool)
		return NULL;
	const char *why = read_decided_call(r, tool, &c);
	if (why || r->out.decision.kind == D_DENY)
		return why;
	request_asked_facts(r, &f, &body);
	if (policy_answer_request(p, &f, &r->arena, &asked))
		return "out of memory";
	if (!c.method.n && !c.description.n)
		policy_describe(&asked, &r->arena, &c);
	if (policy_tool(p, &asked, &c, &r->arena, &v))
		return "out of memory";
	/* as its entry would be, in a list or of what a chat offers */
	struct tool_call entry = c;
	entry.as = c.method.n ? TOOL_LISTED : TOOL_OFFERED;
	struct tool_list *l = tool_list_new(p, &asked, &r->arena);
	bool hidden = !l || tool_list_hides(l, &entry, &by);
	json_object_set_new(result, "tool", result_json(r, &v, hidden));
	for (size_t i = 0; matched && i < p->ntool_rules; i++)
		matched[i] |= v.ruled.trace[i].fate == RULE_MATCHED;
	if (explain)
		json_object_set_new(
			explain, "tool", policy_tool_explain(p, &asked, &c, &v, &r->arena));
	return NULL;
}
