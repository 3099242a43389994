/* Cuts hidden entries out of the lists of an MCP message. tool_list_hides() judges the entries.
 * https://modelcontextprotocol.io/specification, "Tools", "Resources", "Prompts", "Caching". */
#include "policy/verdict/tool_cut.h"

#include "base/codec/uri.h"
#include "base/err.h"

/* clang-format off */
static const struct list {
	const char *member, *method;
	const char *named_by; /* member with the name; NULL: `name` */
	bool (*is_normal)(struct span uri);
} lists[] = {
	{ "tools",             "tools/call",     NULL, NULL },
	{ "prompts",           "prompts/get",    NULL, NULL },
	{ "resources",         "resources/read", "uri", uri_is_normal },
	{ "resourceTemplates", "resources/read", "uriTemplate", uri_template_is_normal },
};
/* clang-format on */

/* State of tool_filter_list(). Lives on its stack. */
struct reading {
	struct cutting c;
	bool scoped, timed; /* the result has cacheScope, ttlMs */
};

/* Returns true if the entry is hidden, and counts it. */
static bool
cut_hides(struct cutting *c, const struct tool_call *call)
{
	const struct rule *by;
	bool hidden = !tool_is_call(call) || tool_list_hides(c->f->judge, call, &by);

	c->out->hidden += hidden;
	c->out->shown += !hidden;
	return hidden;
}

/* ---- entries of MCP lists ---- */

/* Reads an object, whose brace was read, to its end. */
static int
read_entry(struct cutting *r, const struct list *l, struct tool_call *c, struct json_event *ev)
{
	struct span by = span_str(l->named_by ? l->named_by : "name");
	struct json_member m;
	bool odd = false;
	int err = 0;

	while (cut_member(r, &m, ev, &err)) {
		/* some clients ignore the case of keys: such an entry counts as one without a
		 * name */
		odd |= span_ieq(m.key, by) && !span_eq(m.key, by);
		struct span *to = span_eq(m.key, by) ? l->named_by ? &c->uri : &c->name
				  : span_is(m.key, "description") ? &c->description
								  : NULL;
		err = to ? cut_text(r, ev, to) : cut_pass(r, ev);
	}
	if (odd)
		c->name = c->uri = SPAN_LIT("");
	c->odd_uri = c->uri.n && !l->is_normal(c->uri);
	return err;
}

static int
one_entry(struct cutting *r, const struct list *l, struct run *run, struct json_event *ev)
{
	size_t start = cut_start(ev);
	struct tool_call c = { .as = TOOL_LISTED,
		.method = span_str(l->method),
		.server = r->f->server,
		.name = SPAN_LIT(""),
		.uri = SPAN_LIT(""),
		.description = SPAN_LIT("") };
	int err = ev->tok == JSON_OBJECT ? read_entry(r, l, &c, ev) : cut_pass(r, ev);

	if (err)
		return err;
	size_t end = cut_end(ev);
	if (r->f->state && c.name.n)
		c.state = r->f->state(r->f->arg, c.method, c.name, span_cut(r->in, start, end));
	return cut_run_add(r, run, start, end, cut_hides(r, &c));
}

static int
read_list(struct cutting *r, const struct list *l)
{
	struct run run = { 0 };
	struct json_event ev;
	int err = 0;

	if (json_next(r->j, &ev) != JSON_ARRAY)
		return json_error(r->j, NULL, NULL) ? json_error(r->j, NULL, NULL) : ERR_SYNTAX;
	while (!err && json_next(r->j, &ev) != JSON_ARRAY_END)
		err = ev.tok == JSON_ERROR ? json_error(r->j, NULL, NULL)
					   : one_entry(r, l, &run, &ev);
	return err ? err : cut_run_end(r, &run);
}

/* ---- the result of an MCP message ---- */

/* Reads a server's instructions, which a model will read. If they are hidden, they become an
 * empty string. */
static int
read_instructions(struct reading *r)
{
	struct cutting *c = &r->c;
	struct tool_call call = { .as = TOOL_LISTED,
		.method = SPAN_LIT("initialize"),
		.server = c->f->server,
		.name = SPAN_LIT(""),
		.uri = SPAN_LIT("") };
	const struct rule *by;
	struct json_event ev;

	json_next(c->j, &ev);
	if (ev.tok != JSON_STRING || !c->f->state)
		return cut_pass(c, &ev);
	call.description = json_text(c->a, c->in, &ev);
	if (!call.description.p)
		return ERR_NOMEM;
	size_t start = cut_start(&ev), end = cut_end(&ev);
	call.state =
		c->f->state(c->f->arg, call.method, call.name, span_cut(c->in, start, end));
	if (!tool_list_hides(c->f->judge, &call, &by))
		return 0;
	c->out->hidden++;
	return cut_bytes(c, start, end, SPAN_LIT("\"\""));
}

static int
read_member(struct reading *r, struct span key, bool *list)
{
	struct json_event ev;

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (span_ieq(key, span_str(lists[i].member))) {
			*list = true;
			return read_list(&r->c, &lists[i]);
		}
	if (span_ieq(key, SPAN_LIT("instructions")))
		return read_instructions(r);
	r->timed |= span_is(key, "ttlMs");
	json_next(r->c.j, &ev);
	size_t start = cut_start(&ev);
	int err = cut_pass(&r->c, &ev);
	if (err || !span_is(key, "cacheScope"))
		return err;
	r->scoped = true;
	return cut_bytes(&r->c, start, cut_end(&ev), SPAN_LIT("\"private\""));
}

static int
read_result(struct reading *r, struct json_event *ev)
{
	size_t open = ev->end, first = r->c.out->n;
	bool list = false;
	int err = 0;

	while (!err && json_next(r->c.j, ev) == JSON_KEY) {
		struct span key = json_text(r->c.a, r->c.in, ev);
		err = key.p ? read_member(r, key, &list) : ERR_NOMEM;
	}
	if (!err)
		err = json_error(r->c.j, NULL, NULL);
	if (err || !r->timed || r->scoped || !list)
		return err;
	/* ttlMs without cacheScope: cacheScope is inserted, before all other edits of the
	 * result */
	if ((err = cut_bytes(&r->c, open, open, SPAN_LIT("\"cacheScope\":\"private\","))))
		return err;
	struct splice last = r->c.out->v[r->c.out->n - 1];
	memmove(&r->c.out->v[first + 1], &r->c.out->v[first],
		(r->c.out->n - 1 - first) * sizeof(last));
	r->c.out->v[first] = last;
	return 0;
}

int
tool_filter_list(
	const struct tool_filter *f, struct span json, struct arena *a, struct tool_cuts *out)
{
	struct reading r = { .c = { .f = f, .in = json, .a = a, .out = out } };
	struct json_event ev;
	struct json_member m;

	*out = (struct tool_cuts){ 0 };
	int err = cut_open(&r.c, &ev);
	while (cut_member(&r.c, &m, &ev, &err)) {
		size_t start = cut_start(&ev);
		bool result = span_ieq(m.key, SPAN_LIT("result"));
		err = result && ev.tok == JSON_OBJECT ? read_result(&r, &ev)
						      : cut_pass(&r.c, &ev);
		out->answers |= result || span_ieq(m.key, SPAN_LIT("error"));
		if (span_ieq(m.key, SPAN_LIT("id")))
			out->id = span_cut(json, start, cut_end(&ev));
	}
	while (!err && ev.tok > JSON_ERROR)
		json_next(r.c.j, &ev);
	return err ? err : json_error(r.c.j, NULL, NULL);
}
