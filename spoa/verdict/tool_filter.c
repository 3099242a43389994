/* Cuts of lists. Whether an entry is shown is tool.c's.
 * https://modelcontextprotocol.io/specification, "Tools", "Resources", "Prompts", "Caching". */
#include "verdict/tool_filter.h"

#include "base/err.h"
#include "codec/json.h"

/* clang-format off */
static const struct list {
	const char *member, *method;
	const char *named_by; /* NULL: by `name` */
} lists[] = {
	{ "tools",             "tools/call",     NULL },
	{ "prompts",           "prompts/get",    NULL },
	{ "resources",         "resources/read", "uri" },
	{ "resourceTemplates", "resources/read", "uriTemplate" },
};
/* clang-format on */

struct reading {
	const struct tool_filter *f;
	struct json *j;
	struct span in;
	struct arena *a;
	struct tool_cuts *out;
	bool scoped, timed; /* the result says cacheScope, ttlMs */
};

static int
cut(struct reading *r, size_t start, size_t end, struct span with)
{
	struct tool_cuts *o = r->out;
	struct splice *v = arena_grow(r->a, o->v, o->n, &o->room, sizeof(*v), 16);

	if (!v)
		return ERR_NOMEM;
	o->v = v;
	v[o->n++] = (struct splice){ start, end, with };
	return 0;
}

/* ---- elements between commas ---- */

/* Those that go are cut in runs, with one comma for each: up to the next that stays, or from
 * the end of the last that did. */
struct run {
	size_t from, to; /* of the run under way; from 0: there is none */
	size_t kept_end; /* 0: none stayed */
};

static int
run_add(struct reading *r, struct run *run, size_t start, size_t end, bool goes)
{
	int err = 0;

	if (goes) {
		run->from = run->from ? run->from : start;
		run->to = end;
		return 0;
	}
	if (run->from)
		err = cut(r, run->from, start, SPAN_LIT(""));
	run->from = 0;
	run->kept_end = end;
	return err;
}

static int
run_end(struct reading *r, const struct run *run)
{
	if (!run->from)
		return 0;
	return cut(r, run->kept_end ? run->kept_end : run->from, run->to, SPAN_LIT(""));
}

/* ---- entries ---- */

/* To the end of the value whose first token was read; *ev is its last. */
static int
pass(struct reading *r, struct json_event *ev)
{
	unsigned depth = ev->depth;
	bool open = ev->tok == JSON_OBJECT || ev->tok == JSON_ARRAY;

	while (open && json_next(r->j, ev) > JSON_ERROR)
		open = ev->depth != depth ||
		       (ev->tok != JSON_OBJECT_END && ev->tok != JSON_ARRAY_END);
	return json_error(r->j, NULL, NULL);
}

static int
text_member(struct reading *r, struct json_event *ev, struct span *to)
{
	if (ev->tok != JSON_STRING)
		return pass(r, ev);
	*to = json_text(r->a, r->in, ev);
	return to->p ? 0 : ERR_NOMEM;
}

/* An object whose brace was read, to its end. */
static int
read_entry(struct reading *r, const struct list *l, struct tool_call *c, struct json_event *ev)
{
	int err = 0;

	while (!err && json_next(r->j, ev) == JSON_KEY) {
		struct span key = json_text(r->a, r->in, ev), other;
		if (!key.p)
			return ERR_NOMEM;
		struct span *to = l->named_by && span_is(key, l->named_by) ? &c->uri
				  : !l->named_by && span_is(key, "name")   ? &c->name
				  : span_is(key, "description")		   ? &c->description
									   : &other;
		json_next(r->j, ev);
		err = to == &other ? pass(r, ev) : text_member(r, ev, to);
	}
	return err ? err : json_error(r->j, NULL, NULL);
}

static int
one_entry(struct reading *r, const struct list *l, struct run *run, struct json_event *ev)
{
	size_t start = ev->start - (ev->tok == JSON_STRING);
	struct tool_call c = { .as = TOOL_LISTED,
		.method = span_str(l->method),
		.server = r->f->server,
		.name = SPAN_LIT(""),
		.uri = SPAN_LIT(""),
		.description = SPAN_LIT("") };
	const struct rule *by;
	int err = ev->tok == JSON_OBJECT ? read_entry(r, l, &c, ev) : pass(r, ev);

	if (err)
		return err;
	size_t end = ev->end + (ev->tok == JSON_STRING);
	if (r->f->state && c.name.n)
		c.state = r->f->state(r->f->arg, c.name, span_cut(r->in, start, end));
	bool hidden = !tool_is_call(&c) || tool_list_hides(r->f->judge, &c, &by);
	r->out->hidden += hidden;
	r->out->shown += !hidden;
	return run_add(r, run, start, end, hidden);
}

static int
read_list(struct reading *r, const struct list *l)
{
	struct run run = { 0 };
	struct json_event ev;
	int err = 0;

	if (json_next(r->j, &ev) != JSON_ARRAY)
		return json_error(r->j, NULL, NULL) ? json_error(r->j, NULL, NULL) : ERR_SYNTAX;
	while (!err && json_next(r->j, &ev) != JSON_ARRAY_END)
		err = ev.tok == JSON_ERROR ? json_error(r->j, NULL, NULL)
					   : one_entry(r, l, &run, &ev);
	return err ? err : run_end(r, &run);
}

/* ---- a result ---- */

static int
cache_scope(struct reading *r)
{
	struct json_event ev;

	r->scoped = true;
	json_next(r->j, &ev);
	size_t quote = ev.tok == JSON_STRING, start = ev.start - quote;
	int err = pass(r, &ev);
	return err ? err : cut(r, start, ev.end + quote, SPAN_LIT("\"private\""));
}

static int
read_member(struct reading *r, struct span key, bool *list)
{
	struct json_event ev;

	for (size_t i = 0; i < COUNT_OF(lists); i++)
		if (span_is(key, lists[i].member)) {
			*list = true;
			return read_list(r, &lists[i]);
		}
	if (span_is(key, "cacheScope"))
		return cache_scope(r);
	r->timed |= span_is(key, "ttlMs");
	json_next(r->j, &ev);
	return pass(r, &ev);
}

static int
read_result(struct reading *r, struct json_event *ev)
{
	size_t open = ev->end, first = r->out->n;
	bool list = false;
	int err = 0;

	while (!err && json_next(r->j, ev) == JSON_KEY) {
		struct span key = json_text(r->a, r->in, ev);
		err = key.p ? read_member(r, key, &list) : ERR_NOMEM;
	}
	if (!err)
		err = json_error(r->j, NULL, NULL);
	if (err || !r->timed || r->scoped || !list)
		return err;
	/* how long it may be kept, and not by whom: it stands before all other cuts */
	if ((err = cut(r, open, open, SPAN_LIT("\"cacheScope\":\"private\","))))
		return err;
	struct splice last = r->out->v[r->out->n - 1];
	memmove(&r->out->v[first + 1], &r->out->v[first],
		(r->out->n - 1 - first) * sizeof(last));
	r->out->v[first] = last;
	return 0;
}

int
tool_filter_list(
	const struct tool_filter *f, struct span json, struct arena *a, struct tool_cuts *out)
{
	struct reading r = { .f = f, .in = json, .a = a, .out = out };
	struct json_event ev;
	int err = 0;

	*out = (struct tool_cuts){ 0 };
	if (!(r.j = json_open(a, json)))
		return ERR_NOMEM;
	if (json_next(r.j, &ev) != JSON_OBJECT)
		return json_error(r.j, NULL, NULL) ? json_error(r.j, NULL, NULL) : ERR_SYNTAX;
	while (!err && json_next(r.j, &ev) == JSON_KEY) {
		struct span key = json_text(a, json, &ev);
		if (!key.p)
			return ERR_NOMEM;
		json_next(r.j, &ev);
		err = span_is(key, "result") && ev.tok == JSON_OBJECT ? read_result(&r, &ev)
								      : pass(&r, &ev);
	}
	while (!err && ev.tok > JSON_ERROR)
		json_next(r.j, &ev);
	return err ? err : json_error(r.j, NULL, NULL);
}
