/* A chat request without the tools that rules hide, in every dialect's shape: what is left is a
 * request that its provider takes. One tool is offered_tool.c's.
 * https://platform.openai.com/docs/api-reference/chat/create (tools, functions, tool_choice),
 * …/responses/create (tools), https://docs.anthropic.com/en/api/messages (tools, mcp_servers),
 * https://ai.google.dev/api/caching#Tool, AWS Bedrock Converse (toolConfig,
 * additionalModelRequestFields). */
#include <stdlib.h>

#include "base/err.h"
#include "base/push.h"
#include "policy/verdict/offered.h"

/* clang-format off */
/* Members of a request that hold tools; what else says something of them. */
static const struct {
	const char *member;
	enum offered_kind kind;
} lists[OFFERED_LISTS] = {
	{ "tools",       OFFERED_TOOLS },
	{ "functions",   OFFERED_TOOLS },
	{ "mcp_servers", OFFERED_SERVERS },
	{ "plugins",     OFFERED_PLUGINS }, /* OpenRouter's */
	{ "connectors",  OFFERED_PLUGINS }, /* Cohere's */
};
/* What the provider runs where it is said, by no list; and what rules know it by. */
static const struct {
	const char *member, *name;
} switches[] = {
	{ "web_search_options", "web_search" }, /* OpenAI chat */
	{ "search_parameters",  "web_search" }, /* xAI */
	{ "enable_search",      "web_search" }, /* Qwen */
};
static const char *const choices[] = { "tool_choice", "toolChoice", "function_call" };
static const char *const configs[] = { "toolConfig", "tool_config" };
static const char *const further[] = { "additionalModelRequestFields", "session",
	"completion_args", "generation_config", "extra_body" };
static const char *const items[] = { "input", "items" }; /* of Responses: some bring tools */
static const char *const of_tools[] = { "parallel_tool_calls", "max_tool_calls" };
/* clang-format on */

enum level { AT_TOP, IN_CONFIG, IN_FURTHER };

struct reading {
	struct offered o;
	bool switched[COUNT_OF(switches)]; /* it goes */
};

int
names_add(struct offered *o, struct names *to, struct span name)
{
	return ARENA_PUSH(o->c.a, to->v, to->n, to->room, 16, name) ? 0 : ERR_NOMEM;
}

bool
names_have(const struct names *v, struct span name)
{
	for (size_t i = 0; i < v->n && name.n; i++)
		if (span_eq(v->v[i], name))
			return true;
	return false;
}

/* Where it is among them; their number: nowhere. */
static size_t
list_at(struct span key)
{
	size_t i = 0;

	while (i < COUNT_OF(lists) && !span_is(key, lists[i].member))
		i++;
	return i;
}

static size_t
switch_at(struct span key)
{
	size_t i = 0;

	while (i < COUNT_OF(switches) && !span_is(key, switches[i].member))
		i++;
	return i;
}

static enum level
offered_level_of(struct span key)
{
	return SPAN_IN(key, configs) ? IN_CONFIG : SPAN_IN(key, further) ? IN_FURTHER : AT_TOP;
}

/* Items of a conversation, with their bracket read: the tools that some bring later. */
static int
read_items(struct reading *r, struct json_event *ev)
{
	struct cutting *c = &r->o.c;
	struct json_member m;
	bool gone = false;
	int err = 0;

	while (!err && json_next(c->j, ev) > JSON_ERROR && ev->tok != JSON_ARRAY_END) {
		if (ev->tok != JSON_OBJECT) {
			err = cut_pass(c, ev);
			continue;
		}
		while (cut_member(c, &m, ev, &err)) {
			bool tools = list_at(m.key) == 0;
			err = tools && ev->tok == JSON_OBJECT ? ERR_SYNTAX
			      : tools && ev->tok == JSON_ARRAY
				      ? offered_list(&r->o, OFFERED_TOOLS, &gone, ev)
				      : cut_pass(c, ev);
		}
	}
	return err ? err : json_error(c->j, NULL, NULL);
}

/* ---- first its tools; of an object that holds them, those ---- */

static int
read_offered_lists(struct reading *r, enum level level, struct json_event *ev)
{
	struct cutting *c = &r->o.c;
	struct json_member m;
	int err = 0;

	while (cut_member(c, &m, ev, &err)) {
		size_t i = list_at(m.key), s = level ? COUNT_OF(switches) : switch_at(m.key);
		enum level in = level ? AT_TOP : offered_level_of(m.key);
		if (i < COUNT_OF(lists) && (ev->tok == JSON_ARRAY || ev->tok == JSON_OBJECT))
			err = offered_list(&r->o, lists[i].kind, &r->o.gone[level][i], ev);
		else if (ev->tok == JSON_OBJECT && in)
			err = read_offered_lists(r, in, ev);
		else if (ev->tok == JSON_ARRAY && !level && SPAN_IN(m.key, items))
			err = read_items(r, ev);
		else if (s < COUNT_OF(switches) && ev->tok != JSON_NULL &&
			 ev->tok != JSON_FALSE)
			err = offered_switch(
				&r->o, span_str(switches[s].name), &r->switched[s]);
		if (!err && ev->tok != JSON_ARRAY_END && ev->tok != JSON_OBJECT_END)
			err = cut_pass(c, ev);
	}
	return err;
}

/* ---- then what says something of tools that are gone ---- */

/* To the end of a value: hidden names go out of its lists; *gone: it says nothing else. */
static int
without_hidden(struct reading *r, bool *gone, struct json_event *ev)
{
	struct cutting *c = &r->o.c;
	struct run run = { 0 };
	bool goes, went = false, list = ev->tok == JSON_ARRAY;
	int err = 0;

	*gone = false;
	if (ev->tok == JSON_STRING) {
		struct span s = json_text(c->a, c->in, ev);
		*gone = names_have(&r->o.hidden, s);
		return s.p ? 0 : ERR_NOMEM;
	}
	if (!list && ev->tok != JSON_OBJECT)
		return 0;
	while (!err && json_next(c->j, ev) > JSON_ERROR && ev->tok != JSON_ARRAY_END &&
		ev->tok != JSON_OBJECT_END) {
		if (ev->tok == JSON_KEY)
			json_next(c->j, ev);
		size_t start = cut_start(ev);
		err = without_hidden(r, &goes, ev);
		went |= goes;
		if (!err && list)
			err = run_add(c, &run, start, cut_end(ev), goes);
	}
	*gone = went && !(list && run.kept_end);
	if (!err)
		err = json_error(c->j, NULL, NULL);
	return err ? err : run_end(c, &run);
}

static int read_rest(struct reading *r, enum level level, struct json_event *ev);

/* Whether a member of the request goes; *ev is its value's first token, then its last. */
static int
member_goes(
	struct reading *r, struct span key, enum level level, bool *gone, struct json_event *ev)
{
	size_t i = list_at(key), s = level ? COUNT_OF(switches) : switch_at(key);
	bool none = r->o.c.out->shown == 0, all = true;
	enum level in = level ? AT_TOP : offered_level_of(key);
	int err;

	if (i < COUNT_OF(lists)) {
		*gone = r->o.gone[level][i];
		return cut_pass(&r->o.c, ev);
	}
	if (in && ev->tok == JSON_OBJECT) {
		for (i = 0; i < COUNT_OF(lists); i++)
			all &= !r->o.gone[in][i];
		err = read_rest(r, in, ev);
		*gone = in == IN_CONFIG && (none || !all);
		return err;
	}
	if (SPAN_IN(key, choices) || in == IN_CONFIG || level == IN_CONFIG) {
		err = without_hidden(r, gone, ev);
		*gone |= none && level != IN_CONFIG;
		return err;
	}
	*gone = (none && SPAN_IN(key, of_tools)) || (s < COUNT_OF(switches) && r->switched[s]);
	return cut_pass(&r->o.c, ev);
}

static int
read_rest(struct reading *r, enum level level, struct json_event *ev)
{
	struct cutting *c = &r->o.c;
	struct run run = { 0 };
	struct json_member m;
	int err = 0;

	while (cut_member(c, &m, ev, &err)) {
		bool gone = false;
		if (!(err = member_goes(r, m.key, level, &gone, ev)))
			err = run_add(c, &run, m.start, cut_end(ev), gone);
	}
	return err ? err : run_end(c, &run);
}

/* The outer one first. */
static int
by_place(const void *a, const void *b)
{
	const struct splice *x = a, *y = b;

	return x->start != y->start ? (x->start < y->start ? -1 : 1)
	       : x->end != y->end   ? (x->end > y->end ? -1 : 1)
				    : 0;
}

int
tool_filter_offered(const struct tool_filter *f, struct span request, struct arena *a,
	struct tool_cuts *out)
{
	struct reading r = { .o.c = { .f = f, .in = request, .a = a, .out = out } };
	struct json_event ev;
	size_t n = 0, end = 0;
	int err = 0;

	/* A list of servers may come before the tools that say what is used of them, and after
	 * them: first is read who uses which, then which are gone, then what is cut. */
	for (unsigned pass = 0; pass == 0 || (r.o.linked && pass < 3 && !err); pass++) {
		*out = (struct tool_cuts){ 0 };
		memset(r.o.gone, 0, sizeof(r.o.gone));
		r.o.hidden.n = 0;
		if (pass == 1)
			r.o.servers.n = 0;
		if (!(err = cut_open(&r.o.c, &ev)))
			err = read_offered_lists(&r, AT_TOP, &ev);
	}
	if (err || (!out->n && !out->hidden))
		return err;
	if (!(err = cut_open(&r.o.c, &ev)))
		err = read_rest(&r, AT_TOP, &ev);
	if (err)
		return err;
	if (out->n)
		qsort(out->v, out->n, sizeof(*out->v), by_place);
	for (size_t i = 0; i < out->n; i++)
		if (out->v[i].start >= end) {
			end = out->v[i].end;
			out->v[n++] = out->v[i];
		}
	out->n = n;
	return 0;
}
