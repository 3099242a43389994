/* Counts how often a request permits the use of tools that the provider runs and charges by
 * use. The result bounds the reservation. The second part recognizes MCP messages.
 *
 * https://platform.openai.com/docs/api-reference/responses/create (tools, max_tool_calls),
 * https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/web-search-tool (max_uses),
 * https://ai.google.dev/api/caching#Tool */
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/dialect/family.h"

/* The charged tools if the price list has no `tools`. */
/* clang-format off */
static const struct price_tool usual[] = {
	{ "web_search*", PRICE_SEARCHES }, /* _preview, _20250305, _options, … */
	{ "code_interpreter", PRICE_SESSIONS },
	{ "googleSearch*", PRICE_SEARCHES }, /* …Retrieval */ { "google_search*", PRICE_SEARCHES },
	{ "googleMaps*", PRICE_MAPS },
	{ "google_maps*", PRICE_MAPS },
	{ "enterpriseWebSearch", PRICE_SEARCHES },
	{ "enterprise_web_search", PRICE_SEARCHES },
};
/* clang-format on */

enum { USES_MAX = 1000000 };

/* The tools of one request. */
struct offers {
	struct json *j;
	struct span in;
	struct arena *a;
	const struct price_tool *tools;
	size_t ntools;
	uint64_t uses[PRICE_KINDS]; /* stated maximum uses, summed by kind */
	uint64_t open[PRICE_KINDS]; /* number of tools without a stated maximum */
	bool capped;
	uint64_t cap; /* max_tool_calls: the maximum of all tools together */
};

/* Returns true if a name is that of a charged tool, and sets *kind. The name is a tool's type,
 * Gemini's member, or a member of the request. The most specific pattern counts. */
static bool
kind_of(const struct offers *o, struct span name, enum price_kind *kind)
{
	const struct price_tool *best = NULL;

	for (size_t i = 0; i < o->ntools; i++)
		if (price_better(best ? best->name : NULL, o->tools[i].name, name))
			best = &o->tools[i];
	if (best)
		*kind = best->kind;
	return best;
}

static bool
offered_number(const struct offers *o, const struct json_event *ev, uint64_t *n)
{
	if (ev->tok != JSON_NUMBER || span_u64(span_cut(o->in, ev->start, ev->end), n) != 0)
		return false;
	*n = *n > USES_MAX ? USES_MAX : *n;
	return true;
}

/* Reads a tool from behind its opening brace to its end. `kind`: the kind that the member's
 * name implies; PRICE_KINDS: none. */
static int
read_tool(struct offers *o, enum price_kind kind)
{
	static const char *const names[] = { "type", "id" }; /* id: OpenRouter's plugins */
	static const char *const bounds[] = { "max_uses", "max_search_results" }; /* xAI */
	struct json_event ev;
	struct json_member m;
	uint64_t uses = 0;
	bool says = false;
	int err = 0;

	for (; json_member(o->j, o->a, o->in, &m, &ev, &err); json_skip(o->j, &ev)) {
		if (SPAN_IN(m.key, names) && ev.tok == JSON_STRING) {
			struct span type = json_text(o->a, o->in, &ev);
			if (!type.p)
				return ERR_NOMEM;
			kind_of(o, type, &kind);
		} else if (SPAN_IN(m.key, bounds)) {
			says = offered_number(o, &ev, &uses);
		} else if (ev.tok == JSON_OBJECT) {
			kind_of(o, m.key, &kind);
		}
	}
	if (kind != PRICE_KINDS) {
		o->uses[kind] += says ? uses : 0;
		o->open[kind] += !says;
	}
	return err;
}

static int
read_tools(struct offers *o)
{
	struct json_event ev;
	int err = 0;

	for (enum json_tok tok; !err && (tok = json_next(o->j, &ev)) != JSON_ARRAY_END;) {
		if (tok == JSON_OBJECT)
			err = read_tool(o, PRICE_KINDS);
		else if (json_skip(o->j, &ev) == JSON_ERROR)
			err = json_error(o->j, NULL, NULL);
	}
	return err;
}

/* Reads one request from its opening brace to its end. */
static int
read_request(struct offers *o)
{
	static const char *const lists[] = { "tools", "plugins" };
	struct json_event ev;
	struct json_member m;
	enum price_kind kind;
	int err = 0;

	if (!(o->j = json_open(o->a, o->in)))
		return ERR_NOMEM;
	json_next(o->j, &ev);
	while (json_member(o->j, o->a, o->in, &m, &ev, &err)) {
		if (SPAN_IN(m.key, lists) && ev.tok == JSON_ARRAY) {
			err = read_tools(o);
		} else if (ev.tok == JSON_OBJECT && kind_of(o, m.key, &kind)) {
			err = read_tool(o, kind);
		} else {
			if (span_is(m.key, "max_tool_calls"))
				o->capped = offered_number(o, &ev, &o->cap);
			json_skip(o->j, &ev);
		}
	}
	return err;
}

int
dialect_offered(const struct body *b, struct span raw, const struct price_tool *tools, size_t n,
	uint64_t otherwise, struct arena *a, struct price_usage *out)
{
	const struct offers none = {
		.a = a, .tools = n ? tools : usual, .ntools = n ? n : COUNT_OF(usual)
	};
	uint64_t choices = b->choices > 1 ? (uint64_t)b->choices : 1;
	enum price_kind kind;
	bool any = false;

	/* Only a body with a short string that names such a tool is parsed again; almost no
	 * body has one. */
	for (size_t i = 0; i < b->nsegments && !any; i++)
		any = b->segments[i].text.n < 64 && kind_of(&none, b->segments[i].text, &kind);
	for (size_t i = 0; any && i < b->marks.nrequests; i++) {
		size_t top = b->marks.request[i].top;
		if (!top || top > raw.n)
			continue;
		struct offers o = none;
		o.in = span_cut(raw, top - 1, raw.n);
		int err = read_request(&o);
		if (err)
			return err;
		for (enum price_kind k = 0; k < PRICE_KINDS; k++) {
			uint64_t uses = o.uses[k] + o.open[k] * otherwise;
			if (o.capped && (o.uses[k] || o.open[k]))
				uses = o.cap;
			out->n[k] += uses * choices;
		}
	}
	return 0;
}

bool
dialect_is_mcp(struct span raw, struct arena *a)
{
	static const char *const methods[] = { "initialize", "ping", "completion/complete",
		"logging/setLevel", "tools/list", "tools/call", "prompts/list", "prompts/get",
		"resources/list", "resources/read", "resources/templates/list",
		"resources/subscribe", "resources/unsubscribe", "notifications/initialized",
		"notifications/cancelled", "notifications/progress",
		"notifications/roots/list_changed" };
	bool rpc = false, method = false;
	struct json *j = json_open(a, raw);
	struct json_event ev;

	if (!j || json_next(j, &ev) != JSON_OBJECT)
		return false;
	while (json_next(j, &ev) == JSON_KEY) {
		struct span name = json_text(a, raw, &ev);
		if (!span_is(name, "jsonrpc") && !span_is(name, "method")) {
			json_skip(j, &ev);
			continue;
		}
		if (json_next(j, &ev) != JSON_STRING)
			return false;
		struct span text = json_text(a, raw, &ev);
		if (span_is(name, "method"))
			method = SPAN_IN(text, methods);
		else
			rpc = span_is(text, "2.0");
	}
	return rpc && method;
}
