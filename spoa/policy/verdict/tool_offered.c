/* tool_filter_offered() removes tools from a chat request, in the shape of every dialect. The
 * result is a request that its provider accepts. First one tool is judged: its names, and who
 * runs it. Then the request is walked through: its tools, and the members that name removed
 * tools.
 * https://platform.openai.com/docs/api-reference/chat/create (tools, functions, tool_choice),
 * …/responses/create (tools), https://docs.anthropic.com/en/api/messages (tools, mcp_servers),
 * https://docs.anthropic.com/en/docs/agents-and-tools/mcp-connector,
 * https://ai.google.dev/api/caching#Tool, AWS Bedrock Converse (toolConfig,
 * additionalModelRequestFields), https://docs.mistral.ai/agents/connectors,
 * https://docs.cohere.com/v1/reference/chat. */
#include "policy/verdict/tool_cut.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/uri.h"
#include "base/err.h"
#include "base/push.h"

enum offered_kind {
	OFFERED_TOOLS,
	OFFERED_SERVERS, /* MCP servers, by their names */
	OFFERED_PLUGINS, /* tools of the provider, by id */
};

enum { OFFERED_LISTS = 5 };

/* A list of names in the arena. */
struct names {
	struct span *v;
	size_t n, room;
};

/* The state of one request while it is read. Lives on the stack of tool_filter_offered(). */
struct offered {
	struct cutting c;
	struct names hidden; /* removed tools; for a server, its label */
	/* servers with an entry that states which of their tools are used */
	struct names toolsets;
	struct names servers; /* removed servers, with everything that names them */
	struct tool *spare;   /* reused for the next tool of a list */
	bool linked;	      /* a list of servers was read */
	/* lists without a remaining tool, by level: top, configuration, further fields */
	bool gone[3][OFFERED_LISTS];
};

/* clang-format off */
/* Members of a tool: members that contain its name, lists of further tools and of servers, and
 * the server's name and address. */
static const char *const wraps[] = { "function", "custom", "toolSpec", "tool_spec" };
static const char *const systems[] = { "systemTool", "system_tool" };
static const char *const nested[] = { "functionDeclarations", "function_declarations", "tools" };
static const char *const nested_servers[] = { "mcpServers", "mcp_servers" };
static const char *const labels[] = { "server_label", "mcp_server_name" };
static const char *const places[] = { "server_url", "url", "connector_id" };
static const char *const transports[] = { "streamableHttpTransport", "streamable_http_transport" };
/* marks where a prompt may be cached; not a tool */
static const char *const fillers[] = { "cachePoint", "cache_point", "cache_control" };
/* types whose calls are sent to the caller, by name; Anthropic's have a date after them */
static const char *const callers[] = { "function", "custom", "namespace" };
static const char *const dated[] = { "bash_", "text_editor_", "computer_2", "memory_" };
static const char *const server_types[] = { "mcp", "mcp_server", "mcp_toolset", "connector" };
/* clang-format on */

enum { MEMBERS_MAX = 32 };

/* One tool while it is read. Large, so it is reused. */
struct tool {
	struct tool *spare; /* next free one */
	struct span name, inner, description, server, uri, type, id;
	bool system;  /* `inner` names a tool that the provider runs */
	bool odd_uri; /* `uri` has several spellings */
	/* all members in order: Gemini names tools that it runs by members */
	struct tool_member {
		struct span key;
		size_t start, end;
		enum { MEMBER_OTHER, MEMBER_TOOL, MEMBER_LIST, MEMBER_GONE, MEMBER_FILLER } is;
	} member[MEMBERS_MAX];
	size_t nmembers;
	/* names of a server's tools that the provider may call */
	struct listed {
		struct span name;
		size_t start, end;
		unsigned list;
		enum listed_as {
			LISTED_ALLOWED,
			LISTED_CONFIG, /* allowed if all others are off */
			LISTED_UNASKED /* called without approval */
		} as;
	} * listed;
	size_t nlisted, room;
	unsigned nlists;
	bool allows; /* only the listed tools are allowed */
	bool off;    /* only tools with a configuration are on */
};

static int read_tool(struct offered *o, struct tool *t, bool inner, struct json_event *ev);

/* ---- names of a server's tools ---- */

/* Declared early because a list may hold tools that hold lists. */
static int offered_list(
	struct offered *o, enum offered_kind kind, bool *gone, struct json_event *ev);

static int
names_add(struct offered *o, struct names *to, struct span name)
{
	return ARENA_PUSH(o->c.a, to->v, to->n, to->room, 16, name) ? 0 : ERR_NOMEM;
}

static bool
names_have(const struct names *v, struct span name)
{
	for (size_t i = 0; i < v->n && name.n; i++)
		if (span_eq(v->v[i], name))
			return true;
	return false;
}

static int
list_name(struct offered *o, struct tool *t, const struct listed *name)
{
	t->allows |= name->as == LISTED_ALLOWED;
	return name->name.p && ARENA_PUSH(o->c.a, t->listed, t->nlisted, t->room, 16, *name)
		       ? 0
		       : ERR_NOMEM;
}

/* Collects the strings of all lists in a value. */
static int
read_names(struct offered *o, struct tool *t, enum listed_as as, struct json_event *ev)
{
	int err = 0;

	if (ev->tok == JSON_ARRAY) {
		unsigned list = t->nlists++;
		while (!err && json_next(o->c.j, ev) > JSON_ERROR &&
			ev->tok != JSON_ARRAY_END) {
			if (ev->tok != JSON_STRING) {
				err = read_names(o, t, as, ev);
				continue;
			}
			struct listed one = { json_text(o->c.a, o->c.in, ev), cut_start(ev),
				cut_end(ev), list, as };
			err = list_name(o, t, &one);
		}
	} else if (ev->tok == JSON_OBJECT) {
		while (!err && json_next(o->c.j, ev) == JSON_KEY) {
			json_next(o->c.j, ev);
			err = read_names(o, t, as, ev);
		}
	}
	return err ? err : json_error(o->c.j, NULL, NULL);
}

/* Reads Anthropic's `configs`, an object of tools by name, or `default_config`, which applies
 * to all tools without one. */
static int
read_configs(struct offered *o, struct tool *t, bool each, struct json_event *ev)
{
	unsigned list = t->nlists++;
	struct json_member m;
	int err = 0;

	while (cut_member(&o->c, &m, ev, &err)) {
		t->off |= !each && span_is(m.key, "enabled") && ev->tok == JSON_FALSE;
		err = cut_pass(&o->c, ev);
		struct listed one = { m.key, m.start, cut_end(ev), list, LISTED_CONFIG };
		if (each && !err)
			err = list_name(o, t, &one);
	}
	return err;
}

/* Reads a string member. Two members with different values for the same thing are an error,
 * because readers differ. */
static int
one_text(struct offered *o, struct json_event *ev, struct span *to)
{
	struct span was = *to;
	int err = cut_text(&o->c, ev, to);

	return !err && was.n && !span_eq(was, *to) ? ERR_SYNTAX : err;
}

/* Reads the address of a server. A connector's id is not a URL. */
static int
read_place(struct offered *o, struct tool *t, struct span key, struct json_event *ev)
{
	int err = one_text(o, ev, &t->uri);
	bool id = span_is(key, "connector_id") && span_chr(t->uri, ':') == t->uri.n;

	t->odd_uri |= t->uri.n && !id && !uri_is_normal(t->uri) && !uri_lacks_slash(t->uri);
	return err;
}

/* Reads OpenAI's require_approval (names of tools that need no approval), or the old form of
 * allowed tools, or the address of a Gemini server. */
static int
read_within(struct offered *o, struct tool *t, bool approval, struct json_event *ev)
{
	struct json_member m;
	int err = 0;

	while (cut_member(&o->c, &m, ev, &err)) {
		if (span_is(m.key, approval ? "never" : "allowed_tools"))
			err = read_names(o, t, approval ? LISTED_UNASKED : LISTED_ALLOWED, ev);
		else if (!approval && SPAN_IN(m.key, places))
			err = read_place(o, t, m.key, ev);
		else
			err = cut_pass(&o->c, ev);
	}
	return err;
}

/* ---- members of a tool ---- */

static struct span *
tool_text(struct tool *t, struct span key, bool inner)
{
	if (span_is(key, "name"))
		return inner ? &t->inner : &t->name;
	if (span_is(key, "description"))
		return &t->description;
	if (inner)
		return NULL;
	return SPAN_IN(key, labels)   ? &t->server
	       : SPAN_IN(key, places) ? &t->uri
	       : span_is(key, "type") ? &t->type
	       : span_is(key, "id")   ? &t->id
				      : NULL;
}

/* Reads a member, whose key was read, to the end of its value. */
static int
tool_member(struct offered *o, struct tool *t, struct tool_member *m, bool inner,
	struct json_event *ev)
{
	struct span *to = tool_text(t, m->key, inner);
	bool gone = false, object;
	int err;

	json_next(o->c.j, ev);
	object = ev->tok == JSON_OBJECT;
	if (to == &t->uri)
		return read_place(o, t, m->key, ev);
	if (to)
		return one_text(o, ev, to);
	if (inner)
		return cut_pass(&o->c, ev);
	if ((object || ev->tok == JSON_ARRAY) &&
		(SPAN_IN(m->key, nested) || SPAN_IN(m->key, nested_servers))) {
		err = offered_list(o, SPAN_IN(m->key, nested) ? OFFERED_TOOLS : OFFERED_SERVERS,
			&gone, ev);
		m->is = gone ? MEMBER_GONE : MEMBER_LIST;
		return err;
	}
	if (object && (SPAN_IN(m->key, wraps) || SPAN_IN(m->key, systems))) {
		t->system |= SPAN_IN(m->key, systems);
		return read_tool(o, t, true, ev);
	}
	if (span_is(m->key, "allowed_tools"))
		return read_names(o, t, LISTED_ALLOWED, ev);
	if (object && span_is(m->key, "require_approval"))
		return read_within(o, t, true, ev);
	if (object && (span_is(m->key, "configs") || span_is(m->key, "default_config")))
		return read_configs(o, t, span_is(m->key, "configs"), ev);
	if (object && (span_is(m->key, "tool_configuration") || SPAN_IN(m->key, transports)))
		return read_within(o, t, false, ev);
	m->is = SPAN_IN(m->key, fillers) ? MEMBER_FILLER
		: ev->tok == JSON_NULL	 ? MEMBER_OTHER
					 : MEMBER_TOOL;
	return cut_pass(&o->c, ev);
}

static int
read_tool(struct offered *o, struct tool *t, bool inner, struct json_event *ev)
{
	int err = 0;

	while (!err && json_next(o->c.j, ev) == JSON_KEY) {
		struct tool_member m = { json_text(o->c.a, o->c.in, ev), ev->start - 1, 0, 0 };
		err = m.key.p ? tool_member(o, t, &m, inner, ev) : ERR_NOMEM;
		m.end = cut_end(ev);
		if (!inner && t->nmembers < MEMBERS_MAX)
			t->member[t->nmembers++] = m;
	}
	return err ? err : json_error(o->c.j, NULL, NULL);
}

/* ---- judging a tool ---- */

/* The judgement on all names of a tool. All are asked, because readers differ in which one they
 * use. (prose: ok asked) */
struct asked {
	bool hidden, refused;
	size_t names; /* number of a server's tools that are removed */
	const struct rule *refuses;
};

static void
ask_offered(struct offered *o, const struct tool_call *c, struct asked *to)
{
	struct tool_list *judge = o->c.f->judge;
	const struct rule *by = NULL;
	enum tool_hosted is = c->as == TOOL_HOSTED	       ? tool_list_hosted(judge, c, &by)
			      : tool_list_hides(judge, c, &by) ? HOSTED_HIDDEN
							       : HOSTED_SHOWN;

	o->c.out->odd_uri |= c->odd_uri;
	if (c->as == TOOL_HOSTED && uri_lacks_slash(c->uri)) {
		/* many servers accept the address with a slash too, so both are judged */
		struct tool_call whole = *c;
		whole.uri = arena_printf(o->c.a, "%.*s/", SPAN_ARG(c->uri));
		ask_offered(o, &whole, to);
	}
	to->hidden |= is == HOSTED_HIDDEN;
	if (is == HOSTED_HIDDEN && !o->c.out->by)
		o->c.out->by = by;
	if (is != HOSTED_REFUSED || to->refused)
		return;
	to->refused = true;
	to->refuses = by;
}

static void
settle_offered(struct offered *o, const struct asked *is, bool counts)
{
	struct tool_cuts *out = o->c.out;

	out->hidden += !is->hidden ? is->names : counts;
	out->shown += counts && !is->hidden;
	if (is->hidden || !is->refused || out->refuses)
		return;
	out->refuses = true;
	out->refused = is->refuses;
}

/* A tool that the provider runs has no description, whatever the caller writes beside it. */
static struct tool_call
call_of(const struct tool *t, enum tool_as as, struct span name)
{
	bool described = as != TOOL_HOSTED && t->description.p;

	return (struct tool_call){ .as = as,
		.name = name,
		.server = SPAN_LIT(""),
		.uri = SPAN_LIT(""),
		.description = described ? t->description : SPAN_LIT("") };
}

static struct tool_call
of_server(const struct tool *t, struct span name)
{
	struct tool_call c = call_of(t, TOOL_HOSTED, name);

	c.server = t->server.p ? t->server : c.server;
	c.uri = t->uri.p ? t->uri : c.uri;
	c.odd_uri = t->odd_uri;
	return c;
}

/* Judges a tool that the provider runs because of a member of the request. *hidden: the member
 * is removed. */
static int
offered_switch(struct offered *o, struct span name, bool *hidden)
{
	static const struct tool nothing;
	struct tool_call c = call_of(&nothing, TOOL_HOSTED, name);
	struct asked is = { 0 };

	ask_offered(o, &c, &is);
	settle_offered(o, &is, is.hidden);
	*hidden = is.hidden;
	return 0;
}

/* Returns true if `type` is `name` with a date: web_search_20250305 is web_search. */
static bool
is_dated(struct span type, struct span name)
{
	if (!name.n || !span_starts(type, name))
		return false;
	for (size_t i = name.n; i < type.n; i++)
		if (type.p[i] != '_' && (type.p[i] < '0' || type.p[i] > '9'))
			return false;
	return true;
}

/* Returns the type without its date: web_search for web_search_2025_08_26. Empty if it has no
 * date. */
static struct span
without_date(struct span type)
{
	size_t n = type.n, digits = 0;

	while (n && (type.p[n - 1] == '_' || (type.p[n - 1] >= '0' && type.p[n - 1] <= '9')))
		digits += type.p[--n] != '_';
	return digits == 8 ? span_cut(type, 0, n) : (struct span){ NULL, 0 };
}

/* Returns true for tools whose calls are sent to the caller. */
static bool
is_callers(const struct tool *t)
{
	return !t->type.n || SPAN_IN(t->type, callers) ||
	       (t->name.n && SPAN_AMONG(t->type, dated, span_starts));
}

/* Judges names that the provider may call, and cuts hidden ones. An empty list may mean all
 * tools, so the server is removed instead. */
static int
ask_listed(struct offered *o, struct tool *t, struct asked *is)
{
	int err = 0;

	for (unsigned l = 0; l < t->nlists && !err; l++) {
		struct run run = { 0 };
		bool empties = false;
		for (size_t i = 0; i < t->nlisted && !err; i++) {
			const struct listed *v = &t->listed[i];
			struct tool_call c = of_server(t, v->name);
			struct asked one = { 0 };
			if (v->list != l || (v->as == LISTED_CONFIG && !t->off))
				continue;
			ask_offered(o, &c, &one);
			is->names += one.hidden;
			empties |= one.hidden && v->as != LISTED_UNASKED;
			is->refused |= one.refused && !one.hidden;
			is->refuses = is->refuses ? is->refuses : one.refuses;
			err = cut_run_add(&o->c, &run, v->start, v->end, one.hidden);
		}
		is->hidden |= empties && !run.kept_end;
		err = err ? err : cut_run_end(&o->c, &run);
	}
	return err;
}

/* Judges an MCP server that the provider calls. */
static int
ask_server(struct offered *o, struct tool *t, enum offered_kind kind, struct asked *is)
{
	struct tool_call c = of_server(t, SPAN_LIT("mcp"));
	bool elsewhere = kind == OFFERED_SERVERS && names_have(&o->toolsets, t->server);

	ask_offered(o, &c, is);
	c.any = true;
	if (!t->allows && !t->off && !elsewhere && !is->hidden && !is->refused)
		ask_offered(o, &c, is);
	is->hidden |= names_have(&o->servers, t->server);
	int err = ask_listed(o, t, is);
	if (span_is(t->type, "mcp_toolset") && !err)
		err = names_add(o, &o->toolsets, t->server);
	/* an entry that uses a removed server is removed, and so is a server whose entry is
	 * removed */
	if (is->hidden && (kind == OFFERED_SERVERS || span_is(t->type, "mcp_toolset")) && !err)
		err = names_add(o, &o->servers, t->server);
	return is->hidden && !err ? names_add(o, &o->hidden, t->server) : err;
}

/* Converts google_search to googleSearch, in the arena. *to is empty if `key` has no underscore
 * before a letter. */
static int
in_camel_case(struct offered *o, struct span key, struct span *to)
{
	char *p = arena_alloc(o->c.a, key.n);
	size_t n = 0;

	*to = (struct span){ NULL, 0 };
	for (size_t i = 0; p && i < key.n; i++) {
		bool up = key.p[i] == '_' && i + 1 < key.n && key.p[i + 1] >= 'a' &&
			  key.p[i + 1] <= 'z';
		p[n++] = up ? (char)(key.p[++i] - 'a' + 'A') : key.p[i];
	}
	if (n < key.n)
		*to = span_of(p, n);
	return p ? 0 : ERR_NOMEM;
}

/* Judges a tool that is named by a member, in both spellings. */
static int
ask_member(struct offered *o, const struct tool *t, struct span key, struct asked *is)
{
	struct tool_call c = call_of(t, TOOL_HOSTED, key);
	int err = in_camel_case(o, key, &c.name);

	if (c.name.n && !err)
		ask_offered(o, &c, is);
	c.name = key;
	ask_offered(o, &c, is);
	return err;
}

/* Judges a Gemini tool: lists of functions, and members for tools that the provider runs.
 * *filler: it contains no tool. */
static int
by_members(struct offered *o, struct tool *t, bool *gone, bool *filler)
{
	struct run run = { 0 };
	size_t left = 0, went = 0, fillers_left = 0;
	int err = 0;

	if (t->nmembers == MEMBERS_MAX)
		return ERR_LIMIT;
	for (size_t i = 0; i < t->nmembers && !err; i++) {
		struct tool_member *m = &t->member[i];
		struct asked is = { .hidden = m->is == MEMBER_GONE };
		if (m->is == MEMBER_TOOL) {
			err = ask_member(o, t, m->key, &is);
			settle_offered(o, &is, true);
			if (is.hidden && !err)
				err = names_add(o, &o->hidden, m->key);
		}
		left += !is.hidden && m->is != MEMBER_OTHER && m->is != MEMBER_FILLER;
		fillers_left += m->is == MEMBER_FILLER;
		went += is.hidden;
		if (!err)
			err = cut_run_add(&o->c, &run, m->start, m->end, is.hidden);
	}
	*gone = went && !left;
	*filler = !left && fillers_left;
	return err ? err : cut_run_end(&o->c, &run);
}

/* Judges a tool by its names, of which it has at least one. */
static int
by_names(struct offered *o, struct tool *t, enum offered_kind kind, struct asked *is)
{
	bool server = kind == OFFERED_SERVERS || t->server.n || SPAN_IN(t->type, server_types);
	bool callers_own = !server && kind != OFFERED_PLUGINS && is_callers(t) && !t->system;
	enum tool_as as = callers_own ? TOOL_OFFERED : TOOL_HOSTED;
	bool typed = !server && !callers_own && !is_dated(t->type, t->name);
	const struct span all[] = {
		/* a server's own name is its label */
		server && t->name.p == t->server.p ? (struct span){ NULL, 0 } : t->name,
		t->inner,
		typed ? t->type : (struct span){ NULL, 0 },
		typed ? without_date(t->type) : (struct span){ NULL, 0 },
	};
	bool any = false;
	int err = server ? ask_server(o, t, kind, is) : 0;

	for (size_t i = 0; i < COUNT_OF(all) && !err; i++) {
		/* a tool without a name is judged by its type */
		struct tool_call c = call_of(t, as, all[i]);
		if (!all[i].n)
			continue;
		if (server)
			c.server = t->server.p ? t->server : c.server;
		any = true;
		ask_offered(o, &c, is);
	}
	if (!any && !server && !err) {
		struct tool_call c = call_of(t, as, t->type);
		ask_offered(o, &c, is);
	}
	for (size_t i = 0; i < t->nmembers; i++)
		is->hidden |= t->member[i].is == MEMBER_GONE;
	for (size_t i = 0; is->hidden && i < COUNT_OF(all) && !err; i++)
		err = all[i].n ? names_add(o, &o->hidden, all[i]) : 0;
	return err;
}

/* Keeps the description for rules on the tool's calls. */
static int
tell_offered_tool(struct offered *o, const struct tool *t)
{
	struct tools_told *to = &o->c.out->told;
	const struct span name[] = { t->name, t->inner };

	for (size_t i = 0; i < COUNT_OF(name); i++) {
		size_t bytes = name[i].n + t->description.n;
		if (!name[i].n)
			continue;
		if (bytes > CAP_TOOL_DESCRIPTIONS - to->bytes) {
			to->cut = true;
			continue;
		}
		struct tool_told one = { name[i],
			t->description.p ? t->description : SPAN_LIT("") };
		if (!ARENA_PUSH(o->c.a, to->v, to->n, to->room, 16, one))
			return ERR_NOMEM;
		to->bytes += bytes;
	}
	return 0;
}

static int
judge_tool(struct offered *o, struct tool *t, enum offered_kind kind, bool *gone, bool *filler,
	struct json_event *ev)
{
	struct asked is = { 0 };
	int err = ev->tok == JSON_OBJECT ? read_tool(o, t, false, ev) : cut_pass(&o->c, ev);
	if (err)
		return err;
	if (t->id.n && (kind == OFFERED_PLUGINS || !t->type.n))
		t->type = t->id;
	if (kind == OFFERED_SERVERS || (!t->server.n && span_is(t->type, "mcp_server")))
		t->server = t->name;
	if (!t->server.n && span_is(t->type, "connector"))
		t->server = t->uri;
	if (!t->name.n && !t->inner.n && !t->type.n && !t->server.n)
		return by_members(o, t, gone, filler);
	if (kind == OFFERED_TOOLS && (err = tell_offered_tool(o, t)))
		return err;
	if (!(err = by_names(o, t, kind, &is)))
		settle_offered(
			o, &is, kind != OFFERED_SERVERS && !span_is(t->type, "namespace"));
	*gone = is.hidden;
	return err;
}

/* Judges one tool. The struct is large and therefore reused: a list may contain a tool in every
 * third byte. */
static int
one_tool(struct offered *o, enum offered_kind kind, bool *gone, bool *filler,
	struct json_event *ev)
{
	struct tool *t = o->spare ? o->spare : arena_new(o->c.a, struct tool);

	*gone = *filler = false;
	if (!t)
		return ERR_NOMEM;
	o->spare = t->spare;
	int err = judge_tool(o, t, kind, gone, filler, ev);
	*t = (struct tool){ .spare = o->spare };
	o->spare = t;
	return err;
}

/* Judges a list, whose bracket was read, or one tool in its place. *gone becomes true if
 * something was removed and no tool is left. */
static int
offered_list(struct offered *o, enum offered_kind kind, bool *gone, struct json_event *ev)
{
	struct run run = { 0 };
	bool goes, filler, left = false, went = false;
	int err = 0;

	o->linked |= kind == OFFERED_SERVERS;
	if (ev->tok == JSON_OBJECT) {
		err = one_tool(o, kind, &goes, &filler, ev);
		*gone |= goes;
		return err;
	}
	while (!err && json_next(o->c.j, ev) != JSON_ARRAY_END) {
		if (ev->tok == JSON_ERROR)
			return json_error(o->c.j, NULL, NULL);
		size_t start = cut_start(ev);
		if (!(err = one_tool(o, kind, &goes, &filler, ev)))
			err = cut_run_add(&o->c, &run, start, cut_end(ev), goes);
		left |= !goes && !filler;
		went |= goes;
	}
	*gone |= went && !left;
	return err ? err : cut_run_end(&o->c, &run);
}

/* ---- the request ---- */

/* clang-format off */
/* Members of a request that contain tools. */
static const struct {
	const char *member;
	enum offered_kind kind;
} offered_lists[OFFERED_LISTS] = {
	{ "tools",       OFFERED_TOOLS },
	{ "functions",   OFFERED_TOOLS },
	{ "mcp_servers", OFFERED_SERVERS },
	{ "plugins",     OFFERED_PLUGINS }, /* OpenRouter's */
	{ "connectors",  OFFERED_PLUGINS }, /* Cohere's */
};
/* Members that turn on a tool of the provider, and the name by which rules know the tool. */
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
/* members of Responses requests in which some items contain tools */
static const char *const items[] = { "input", "items" };
static const char *const of_tools[] = { "parallel_tool_calls", "max_tool_calls" };
/* clang-format on */

/* The place of a member in the request. */
enum level { AT_TOP, IN_CONFIG, IN_FURTHER };

struct offered_reading {
	struct offered o;
	bool switched[COUNT_OF(switches)]; /* the member is removed */
};

/* Returns the index of the member in `lists`, or their number. */
static size_t
list_at(struct span key)
{
	size_t i = 0;

	while (i < COUNT_OF(offered_lists) && !span_is(key, offered_lists[i].member))
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

/* Reads items of a conversation, whose bracket was read. Some contain tools. */
static int
read_items(struct offered_reading *r, struct json_event *ev)
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

/* ---- first pass: tools ---- */

static int
read_offered_lists(struct offered_reading *r, enum level level, struct json_event *ev)
{
	struct cutting *c = &r->o.c;
	struct json_member m;
	int err = 0;

	while (cut_member(c, &m, ev, &err)) {
		size_t i = list_at(m.key), s = level ? COUNT_OF(switches) : switch_at(m.key);
		enum level in = level ? AT_TOP : offered_level_of(m.key);
		if (i < COUNT_OF(offered_lists) && (ev->tok == JSON_ARRAY || ev->tok == JSON_OBJECT))
			err = offered_list(&r->o, offered_lists[i].kind, &r->o.gone[level][i], ev);
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

/* ---- second pass: members that name removed tools ---- */

/* Reads to the end of a value and cuts hidden names out of its lists. *gone: the value contains
 * nothing else. */
static int
without_hidden(struct offered_reading *r, bool *gone, struct json_event *ev)
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
			err = cut_run_add(c, &run, start, cut_end(ev), goes);
	}
	*gone = went && !(list && run.kept_end);
	if (!err)
		err = json_error(c->j, NULL, NULL);
	return err ? err : cut_run_end(c, &run);
}

static int read_rest(struct offered_reading *r, enum level level, struct json_event *ev);

/* Determines if a member of the request is removed (*gone). *ev is the first token of its
 * value, then its last. */
static int
member_goes(
	struct offered_reading *r, struct span key, enum level level, bool *gone, struct json_event *ev)
{
	size_t i = list_at(key), s = level ? COUNT_OF(switches) : switch_at(key);
	bool none = r->o.c.out->shown == 0, all = true;
	enum level in = level ? AT_TOP : offered_level_of(key);
	int err;

	if (i < COUNT_OF(offered_lists)) {
		*gone = r->o.gone[level][i];
		return cut_pass(&r->o.c, ev);
	}
	if (in && ev->tok == JSON_OBJECT) {
		for (i = 0; i < COUNT_OF(offered_lists); i++)
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
read_rest(struct offered_reading *r, enum level level, struct json_event *ev)
{
	struct cutting *c = &r->o.c;
	struct run run = { 0 };
	struct json_member m;
	int err = 0;

	while (cut_member(c, &m, ev, &err)) {
		bool gone = false;
		if (!(err = member_goes(r, m.key, level, &gone, ev)))
			err = cut_run_add(c, &run, m.start, cut_end(ev), gone);
	}
	return err ? err : cut_run_end(c, &run);
}

/* Sorts edits by position, an outer one before those that it contains. */
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
	struct offered_reading r = { .o.c = { .f = f, .in = request, .a = a, .out = out } };
	struct json_event ev;
	size_t n = 0, end = 0;
	int err = 0;

	/* A list of servers may come before or after the tools that use them. The first pass
	 * reads which tool uses which server, the second which servers are removed, the third
	 * cuts. */
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
