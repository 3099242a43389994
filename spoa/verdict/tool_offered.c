/* A chat request without the tools that rules hide, in every dialect's shape: what is left is a
 * request that its provider takes.
 * https://platform.openai.com/docs/api-reference/chat/create (tools, functions, tool_choice),
 * …/responses/create (tools), https://docs.anthropic.com/en/api/messages (tools, mcp_servers),
 * https://ai.google.dev/api/caching#Tool, AWS Bedrock Converse (toolConfig). */
#include <stdlib.h>

#include "base/err.h"
#include "verdict/cuts.h"

/* clang-format off */
/* Members of a request that hold tools; what else says something of them. */
static const char *const lists[] = { "tools", "functions", "mcp_servers", "plugins" };
static const char *const choices[] = { "tool_choice", "toolChoice", "function_call" };
static const char *const configs[] = { "toolConfig", "tool_config" };
static const char *const of_tools[] = { "parallel_tool_calls" };
/* Members of a tool: what holds its name, Gemini's lists of functions, the server. */
static const char *const wraps[] = { "function", "custom", "toolSpec", "tool_spec", "systemTool" };
static const char *const nested[] = { "functionDeclarations", "function_declarations" };
static const char *const servers[] = { "server_label", "mcp_server_name" };
static const char *const types[] = { "type", "id" };
/* clang-format on */

enum { MEMBERS_MAX = 32 };

struct reading {
	struct cutting c;
	struct span *names; /* hidden */
	size_t nnames, room;
	bool gone[COUNT_OF(lists)]; /* of which nothing is left */
	bool config_gone;
};

/* *gone: nothing of it is left. */
static int read_list(struct reading *r, bool of_servers, bool *gone, struct json_event *ev);

/* One tool, by all that it may be called: what one reader takes for its name another does not.
 */
static int
judge(struct reading *r, const struct tool_call *calls, size_t n, bool *hidden)
{
	const struct rule *by;

	*hidden = false;
	for (size_t i = 0; i < n; i++)
		*hidden |= tool_list_hides(r->c.f->judge, &calls[i], &by);
	r->c.out->hidden += *hidden;
	r->c.out->shown += !*hidden;
	for (size_t i = 0; *hidden && i < n; i++) {
		struct span *v =
			arena_grow(r->c.a, r->names, r->nnames, &r->room, sizeof(*v), 16);
		if (!v)
			return ERR_NOMEM;
		r->names = v;
		v[r->nnames++] = calls[i].name;
	}
	return 0;
}

/* ---- a tool ---- */

struct tool {
	struct span name, inner, description, server, type;
	/* by which Gemini names what it runs itself: all of them in order */
	struct tool_member {
		struct span key;
		size_t start, end;
		enum { MEMBER_OTHER, MEMBER_TOOL, MEMBER_LIST, MEMBER_GONE } is;
	} member[MEMBERS_MAX];
	size_t nmembers;
};

static int read_tool(struct reading *r, struct tool *t, bool inner, struct json_event *ev);

/* With its key read, to the end of its value. */
static int
tool_member(struct reading *r, struct tool *t, struct tool_member *m, bool inner,
	struct json_event *ev)
{
	struct span *to = span_is(m->key, "name")	   ? inner ? &t->inner : &t->name
			  : span_is(m->key, "description") ? &t->description
			  : inner			   ? NULL
			  : SPAN_IN(m->key, servers)	   ? &t->server
			  : SPAN_IN(m->key, types)	   ? &t->type
							   : NULL;
	bool gone = false;

	json_next(r->c.j, ev);
	if (to)
		return cut_text(&r->c, ev, to);
	if (ev->tok == JSON_ARRAY && SPAN_IN(m->key, nested) && !inner) {
		int err = read_list(r, false, &gone, ev);
		m->is = gone ? MEMBER_GONE : MEMBER_LIST;
		return err;
	}
	if (ev->tok == JSON_OBJECT && SPAN_IN(m->key, wraps) && !inner)
		return read_tool(r, t, true, ev);
	m->is = ev->tok == JSON_OBJECT ? MEMBER_TOOL : MEMBER_OTHER;
	return cut_pass(&r->c, ev);
}

static int
read_tool(struct reading *r, struct tool *t, bool inner, struct json_event *ev)
{
	int err = 0;

	while (!err && json_next(r->c.j, ev) == JSON_KEY) {
		struct tool_member m = { json_text(r->c.a, r->c.in, ev), ev->start - 1, 0, 0 };
		err = m.key.p ? tool_member(r, t, &m, inner, ev) : ERR_NOMEM;
		m.end = cut_end(ev);
		if (!inner && t->nmembers < MEMBERS_MAX)
			t->member[t->nmembers++] = m;
	}
	return err ? err : json_error(r->c.j, NULL, NULL);
}

static struct tool_call
offered(const struct tool *t, struct span name)
{
	return (struct tool_call){ .as = TOOL_OFFERED,
		.name = name,
		.server = SPAN_LIT(""),
		.description = t->description };
}

/* Gemini's: lists of functions, and what it runs itself by its member. */
static int
by_members(struct reading *r, struct tool *t, bool *gone)
{
	struct run run = { 0 };
	size_t left = 0, went = 0;
	int err = 0;

	if (t->nmembers == MEMBERS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < t->nmembers && !err; i++) {
		struct tool_member *m = &t->member[i];
		bool goes = m->is == MEMBER_GONE;
		struct tool_call c = offered(t, m->key);
		if (m->is == MEMBER_TOOL)
			err = judge(r, &c, 1, &goes);
		left += !goes && m->is != MEMBER_OTHER;
		went += goes;
		if (!err)
			err = run_add(&r->c, &run, m->start, m->end, goes);
	}
	*gone = went && !left;
	return err ? err : run_end(&r->c, &run);
}

static int
one_tool(struct reading *r, bool of_servers, bool *gone, struct json_event *ev)
{
	struct tool *t = arena_new(r->c.a, struct tool);
	struct tool_call calls[3];
	size_t n = 0;

	if (!t)
		return ERR_NOMEM;
	*gone = false;
	int err = ev->tok == JSON_OBJECT ? read_tool(r, t, false, ev) : cut_pass(&r->c, ev);
	if (err)
		return err;
	if (of_servers)
		t->server = t->name;
	if (t->server.n) {
		calls[n] = offered(t, SPAN_LIT("mcp"));
		calls[n++].server = t->server;
	}
	if (t->name.n && !of_servers)
		calls[n++] = offered(t, t->name);
	if (t->inner.n)
		calls[n++] = offered(t, t->inner);
	if (!n && t->type.n)
		calls[n++] = offered(t, t->type);
	return n ? judge(r, calls, n, gone) : by_members(r, t, gone);
}

/* With its bracket just read. */
static int
read_list(struct reading *r, bool of_servers, bool *gone, struct json_event *ev)
{
	struct run run = { 0 };
	bool goes;
	int err = 0;

	while (!err && json_next(r->c.j, ev) != JSON_ARRAY_END) {
		if (ev->tok == JSON_ERROR)
			return json_error(r->c.j, NULL, NULL);
		size_t start = cut_start(ev);
		if (!(err = one_tool(r, of_servers, &goes, ev)))
			err = run_add(&r->c, &run, start, cut_end(ev), goes);
	}
	*gone = run.from && !run.kept_end;
	return err ? err : run_end(&r->c, &run);
}

/* ---- the request, from its brace on ---- */

static int
open_request(struct reading *r, struct json_event *ev)
{
	if (!(r->c.j = json_open(r->c.a, r->c.in)))
		return ERR_NOMEM;
	if (json_next(r->c.j, ev) == JSON_OBJECT)
		return 0;
	return json_error(r->c.j, NULL, NULL) ? json_error(r->c.j, NULL, NULL) : ERR_SYNTAX;
}

/* Its tools; of an object that configures them (Bedrock's), those. */
static int
read_lists(struct reading *r, bool config, struct json_event *ev)
{
	int err = 0;

	while (!err && json_next(r->c.j, ev) == JSON_KEY) {
		struct span key = json_text(r->c.a, r->c.in, ev);
		size_t i = 0;
		if (!key.p)
			return ERR_NOMEM;
		while (i < COUNT_OF(lists) && !span_is(key, lists[i]))
			i++;
		json_next(r->c.j, ev);
		if (i < COUNT_OF(lists) && ev->tok == JSON_ARRAY)
			err = read_list(r, span_is(key, "mcp_servers"),
				config ? &r->config_gone : &r->gone[i], ev);
		else if (ev->tok == JSON_OBJECT && SPAN_IN(key, configs) && !config)
			err = read_lists(r, true, ev);
		else
			err = cut_pass(&r->c, ev);
	}
	return err ? err : json_error(r->c.j, NULL, NULL);
}

/* To the end of a value: whether it says the name of what is hidden. */
static int
names_hidden(struct reading *r, struct json_event *ev, bool *says)
{
	unsigned depth = ev->depth;
	bool open = ev->tok == JSON_OBJECT || ev->tok == JSON_ARRAY;

	*says = false;
	do {
		if (ev->tok == JSON_STRING) {
			struct span s = json_text(r->c.a, r->c.in, ev);
			if (!s.p)
				return ERR_NOMEM;
			for (size_t i = 0; i < r->nnames; i++)
				*says |= span_eq(s, r->names[i]);
		}
		open = open && (ev->depth != depth || (ev->tok != JSON_OBJECT_END &&
							      ev->tok != JSON_ARRAY_END));
	} while (open && json_next(r->c.j, ev) > JSON_ERROR);
	return json_error(r->c.j, NULL, NULL);
}

static int read_rest(struct reading *r, bool config, struct json_event *ev);

/* Whether a member of the request goes; *ev is its value's first token, then its last. */
static int
goes(struct reading *r, struct span key, bool config, bool *gone, struct json_event *ev)
{
	bool none = r->c.out->shown == 0;
	int err;

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (span_is(key, lists[i])) {
			*gone = !config && r->gone[i];
			return cut_pass(&r->c, ev);
		}
	if (SPAN_IN(key, choices) || (SPAN_IN(key, configs) && ev->tok != JSON_OBJECT)) {
		err = names_hidden(r, ev, gone);
		*gone |= none;
		return err;
	}
	if (SPAN_IN(key, configs) && !config) {
		err = read_rest(r, true, ev);
		*gone = none || r->config_gone;
		return err;
	}
	*gone = none && SPAN_IN(key, of_tools);
	if (!config)
		return cut_pass(&r->c, ev);
	/* Gemini's functionCallingConfig: which functions may be called */
	return names_hidden(r, ev, gone);
}

/* What says something of tools that are gone. */
static int
read_rest(struct reading *r, bool config, struct json_event *ev)
{
	struct run run = { 0 };
	int err = 0;

	while (!err && json_next(r->c.j, ev) == JSON_KEY) {
		size_t start = ev->start - 1;
		struct span key = json_text(r->c.a, r->c.in, ev);
		bool gone = false;
		if (!key.p)
			return ERR_NOMEM;
		json_next(r->c.j, ev);
		if (!(err = goes(r, key, config, &gone, ev)))
			err = run_add(&r->c, &run, start, cut_end(ev), gone);
	}
	if (!err)
		err = json_error(r->c.j, NULL, NULL);
	return err ? err : run_end(&r->c, &run);
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
	struct reading r = { .c = { .f = f, .in = request, .a = a, .out = out } };
	struct json_event ev;
	size_t n = 0, end = 0;

	*out = (struct tool_cuts){ 0 };
	int err = open_request(&r, &ev);
	if (!err)
		err = read_lists(&r, false, &ev);
	if (err || !out->hidden)
		return err;
	if (!(err = open_request(&r, &ev)))
		err = read_rest(&r, false, &ev);
	if (err)
		return err;
	qsort(out->v, out->n, sizeof(*out->v), by_place);
	for (size_t i = 0; i < out->n; i++)
		if (out->v[i].start >= end) {
			end = out->v[i].end;
			out->v[n++] = out->v[i];
		}
	out->n = n;
	return 0;
}
