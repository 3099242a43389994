/* Finds the tools whose results a request contains. A result names its call by an id. The call,
 * in an earlier turn of the same request, names the tool. A few dialects name the tool in the
 * result itself. The request is parsed again for this, only if a rule of the policy uses the
 * names.
 *
 * Steps for each request: read_result_value() walks the objects at `places` and sorts them into
 * calls and results; name_results() joins both lists by id.
 *
 * Example: {"role":"tool","tool_call_id":"c1"} is a result. It has the name "search" if an
 * earlier message has {"id":"c1","function":{"name":"search"}}.
 *
 * https://platform.openai.com/docs/api-reference/chat/create (tool_call_id), …/responses/create
 * (call_id), https://docs.anthropic.com/en/api/messages (tool_use_id),
 * https://ai.google.dev/api/caching#FunctionResponse, AWS Bedrock Converse (toolUseId),
 * https://docs.cohere.com/reference/chat, https://docs.mistral.ai/api,
 * https://docs.ollama.com/api (tool_name) */
#include <stdlib.h>

#include "base/among.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/dialect/family.h"

enum { PATH_MAX_BYTES = 96 };

/* Paths of objects that are calls or results; arrays count as their elements. BY_TYPE: the
 * object's `type` or `role` decides. */
/* clang-format off */
static const struct place {
	const char *path;
	enum { BY_TYPE, CALL, RESULT } is;
} places[] = {
	{ "messages", BY_TYPE }, /* chat: role "tool" */ { "messages.tool_calls", CALL },
	{ "messages.content", BY_TYPE }, /* Anthropic */
	{ "messages.content.toolUse", CALL }, /* Bedrock */ { "messages.content.toolResult", RESULT },
	{ "input", BY_TYPE }, /* Responses, Gemini's interactions */ { "input.content", BY_TYPE },
	{ "items", BY_TYPE }, { "inputs", BY_TYPE }, /* Mistral's conversations */
	{ "inputs.tool_calls", CALL }, { "contents.parts.functionCall", CALL }, /* Gemini */
	{ "contents.parts.function_call", CALL },
	{ "contents.parts.toolCall", CALL },
	{ "contents.parts.tool_call", CALL },
	{ "contents.parts.functionResponse", RESULT },
	{ "contents.parts.function_response", RESULT },
	{ "contents.parts.toolResponse", RESULT },
	{ "contents.parts.tool_response", RESULT },
	{ "contents.parts.codeExecutionResult", RESULT },
	{ "contents.parts.code_execution_result", RESULT },
	{ "tool_results", RESULT }, /* Cohere's v1 */ { "chat_history.tool_results", RESULT },
	{ "tool_outputs", RESULT }, /* OpenAI's assistants */
};
/* Members by which an object describes itself. */
static const char *const refs[] = { "call_id", "tool_call_id", "tool_use_id", "toolUseId" };
static const char *const names[] = { "name", "tool_name", "toolType", "tool_type" };
/* objects that contain the name */
static const char *const holders[] = { "function", "custom", "call" };
static const char *const outputs[] = { "output", "outputs", "result", "results", "logs",
	"error" };
static const char *const results[] = { "_result", "_output", "function.result",
	"tool.execution" };
static const char *const calls[] = { "_call", "_use", "function.call" };
static const char *const own_calls[] = { "function_call", "custom_tool_call", "function.call" };
static const char *const roles[] = { "tool", "function" };
/* clang-format on */

/* The members of one object that matter; empty: the object does not have the member. */
struct said {
	struct span type, role, id, ref, name;
	bool output; /* a tool that the provider ran: call and result are one item */
};

/* The id of a call and the name of its tool. */
struct link {
	struct span id, name;
	size_t start, end; /* the object's place in the raw bytes, from { to } */
};
struct links {
	struct link *v;
	size_t n, room;
};

/* One run of dialect_results(). All memory is in the arena. */
struct reading {
	struct json *j;
	struct span in;
	struct arena *a;
	struct links called, answered; /* calls and results of one request */
	struct span *names;	       /* tools of all requests so far */
	size_t nnames, room;
	size_t base; /* offset of `in` in the raw bytes */
	/* for dialect_result_places(): the results of all requests so far */
	bool wants_places;
	struct result_place *found;
	size_t nfound, found_room;
	size_t *turns; /* offsets of the elements of the top-level lists */
	size_t nturns, turns_room;
	char path[PATH_MAX_BYTES];
};

static bool
leads_on(struct span path)
{
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (span_starts(span_str(places[i].path), path))
			return true;
	return false;
}

static const struct place *
result_place(struct span path)
{
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (span_is(path, places[i].path))
			return &places[i];
	return NULL;
}

static int
link_add(struct reading *r, struct links *to, struct span id, const struct link *at,
	struct span name)
{
	struct link l = { id, name, at->start, at->end };

	return ARENA_PUSH(r->a, to->v, to->n, to->room, 16, l) ? 0 : ERR_NOMEM;
}

static int
name_add(struct reading *r, struct span name)
{
	return ARENA_PUSH(r->a, r->names, r->nnames, r->room, 16, name) ? 0 : ERR_NOMEM;
}

/* Adds an object to the calls or to the results, after its members were read. */
static int
settle_result(struct reading *r, const struct place *at, const struct said *s,
	const struct link *where)
{
	bool call =
		at->is == CALL || (at->is == BY_TYPE && SPAN_AMONG(s->type, calls, span_ends));
	bool result = at->is == RESULT ||
		      (!call && (SPAN_AMONG(s->type, results, span_ends) || s->ref.n ||
					SPAN_AMONG(s->role, roles, span_ieq)));
	struct span name = s->name;

	if (result)
		return link_add(r, &r->answered, s->ref.n ? s->ref : s->id, where, name);
	if (!call)
		return 0;
	if (!name.n && span_ends(s->type, SPAN_LIT("_call")))
		name = span_cut(s->type, 0, s->type.n - 5);
	if (at->is == BY_TYPE && s->output && !SPAN_IN(s->type, own_calls))
		return link_add(r, &r->answered, (struct span){ NULL, 0 }, where, name);
	return link_add(r, &r->called, s->ref.n ? s->ref : s->id, where, name);
}

static int
keep_result(struct reading *r, struct span *to, const struct json_event *ev)
{
	*to = json_text(r->a, r->in, ev);
	return to->p ? 0 : ERR_NOMEM;
}

/* Reads an object that contains a name ({"name": …}), from behind its brace to its end. */
static int
read_holder(struct reading *r, struct said *s)
{
	struct json_event ev;
	struct json_member m;
	int err = 0;

	while (json_member(r->j, r->a, r->in, &m, &ev, &err)) {
		if (ev.tok == JSON_STRING && span_is(m.key, "name"))
			err = keep_result(r, &s->name, &ev);
		json_skip(r->j, &ev);
	}
	return err;
}

/* Returns the member of `s` for this key, or NULL. */
static struct span *
result_member(struct said *s, struct span key)
{
	return span_is(key, "type")   ? &s->type
	       : span_is(key, "role") ? &s->role
	       : span_is(key, "id")   ? &s->id
	       : SPAN_IN(key, refs)   ? &s->ref
	       : SPAN_IN(key, names)  ? &s->name
				      : NULL;
}

/* Notes where an element of a top-level list begins. */
static int
turn_add(struct reading *r, size_t n, const struct json_event *ev)
{
	if (!r->wants_places || memchr(r->path, '.', n))
		return 0;
	return ARENA_PUSH(r->a, r->turns, r->nturns, r->turns_room, 16, r->base + ev->start)
		       ? 0
		       : ERR_NOMEM;
}

/* Reads a value whose first token has been read; path[0..n) leads to the value. The recursion
 * ends at objects whose path is not a prefix of any place. */
static int
read_result_value(struct reading *r, size_t n, enum json_tok tok, struct json_event *ev)
{
	const struct place *at = result_place(span_of(r->path, n));
	struct said s = { 0 };
	struct link where = { .start = r->base + ev->start };
	struct json_member m;
	struct json_event in = { 0 };
	int err = 0;

	if (tok == JSON_ARRAY && n && leads_on(span_of(r->path, n))) {
		while (!err && (tok = json_next(r->j, &in)) != JSON_ARRAY_END &&
			tok != JSON_ERROR)
			if (tok == JSON_OBJECT)
				err = turn_add(r, n, &in) ? ERR_NOMEM
							  : read_result_value(r, n, tok, &in);
			else
				json_skip(r->j, &in);
		return err ? err : json_error(r->j, NULL, NULL);
	}
	if (tok != JSON_OBJECT || (n && !leads_on(span_of(r->path, n))))
		return json_skip(r->j, ev) == JSON_ERROR ? json_error(r->j, NULL, NULL) : 0;
	while (json_member(r->j, r->a, r->in, &m, &in, &err)) {
		struct span key = m.key;
		size_t from = n + (n > 0), to = from + key.n;
		tok = in.tok;
		s.output |= tok != JSON_NULL && SPAN_IN(key, outputs);
		if (at && tok == JSON_OBJECT && at->is != BY_TYPE && SPAN_IN(key, holders)) {
			err = read_holder(r, &s);
		} else if (at && tok == JSON_STRING) {
			/* an empty name does not replace another one */
			struct span *member = result_member(&s, key);
			if (member && in.start < in.end)
				err = keep_result(r, member, &in);
		} else if (to >= sizeof(r->path)) {
			json_skip(r->j, &in);
		} else {
			if (n)
				r->path[n] = '.';
			memcpy(r->path + from, key.p, key.n);
			err = read_result_value(r, to, tok, &in);
		}
	}
	where.end = r->base + in.end;
	return err || !at ? err : settle_result(r, at, &s, &where);
}

/* Compares by the first member: a span, or a link by its id. */
static int
by_first_text(const void *a, const void *b)
{
	return span_order(*(const struct span *)a, *(const struct span *)b);
}

/* Adds a result's place. `tool` is the name of its call; empty: none, or several calls with other
 * names have the id. A result that itself gives another name than its call has no name. */
static int
result_place_add(struct reading *r, const struct link *result, struct span tool, bool called)
{
	struct span own = result->name;
	struct result_place p = { result->start, result->end,
		!called			       ? own
		: own.n && !span_eq(own, tool) ? (struct span){ NULL, 0 }
					       : tool };

	return !r->wants_places || ARENA_PUSH(r->a, r->found, r->nfound, r->found_room, 16, p)
		       ? 0
		       : ERR_NOMEM;
}

/* Joins calls and results. Both lists are sorted by id, so that each id is looked up once. */
static int
name_results(struct reading *r)
{
	struct links *to = &r->called, *from = &r->answered;
	size_t k = 0, first = 0;
	struct span tool = { NULL, 0 };
	int err = 0;

	if (to->n)
		qsort(to->v, to->n, sizeof(*to->v), by_first_text);
	if (from->n)
		qsort(from->v, from->n, sizeof(*from->v), by_first_text);
	for (size_t i = 0; !err && i < from->n; i++) {
		struct span id = from->v[i].id, own = from->v[i].name;
		if (i == 0 || !span_eq(id, from->v[i - 1].id)) {
			while (k < to->n && span_order(to->v[k].id, id) < 0)
				k++;
			for (first = k; id.n && k < to->n && span_eq(to->v[k].id, id) && !err;
				k++)
				err = name_add(r, to->v[k].name);
			tool = first < k ? to->v[first].name : (struct span){ NULL, 0 };
			for (size_t c = first; c < k; c++)
				if (!span_eq(to->v[c].name, tool))
					tool = (struct span){ NULL, 0 };
		}
		if (!err)
			err = result_place_add(r, &from->v[i], tool, first < k);
		if (!err && (own.n || !id.n || first == k))
			err = name_add(r, own);
	}
	to->n = from->n = 0;
	return err;
}

static int
read_results(struct reading *r, const struct body *b, struct span raw)
{
	int err = 0;

	for (size_t i = 0; !err && i < b->marks.nrequests; i++) {
		size_t top = b->marks.request[i].top;
		struct json_event ev;
		if (!top || top > raw.n)
			return ERR_TRUNCATED; /* the request's bytes are no longer kept */
		r->base = top - 1;
		r->in = span_cut(raw, top - 1, raw.n);
		if (!(r->j = json_open(r->a, r->in)))
			return ERR_NOMEM;
		err = read_result_value(r, 0, json_next(r->j, &ev), &ev);
		if (!err)
			err = name_results(r);
	}
	return err;
}

int
dialect_results(
	const struct body *b, struct span raw, struct arena *a, struct span **out, size_t *n)
{
	struct reading r = { .a = a };
	int err = read_results(&r, b, raw);

	*n = 0;
	/* Results in unknown places count as results without a name. */
	for (size_t i = 0; i < b->nsegments && !err && !r.nnames; i++)
		if (b->segments[i].role == ROLE_TOOL_RESULT)
			err = name_add(&r, SPAN_LIT(""));
	if (err)
		return err;
	if (r.nnames)
		qsort(r.names, r.nnames, sizeof(*r.names), by_first_text);
	for (size_t i = 0; i < r.nnames; i++)
		if (i == 0 || !span_eq(r.names[i], r.names[*n - 1]))
			r.names[(*n)++] = r.names[i];
	*out = r.names;
	return *n > CAP_TOOL_RESULTS ? ERR_LIMIT : 0;
}

static int
by_start(const void *a, const void *b)
{
	const struct result_place *x = a, *y = b;

	return (x->start > y->start) - (x->start < y->start);
}

int
dialect_result_places(
	const struct body *b, struct span raw, struct arena *a, struct result_places *out)
{
	struct reading r = { .a = a, .wants_places = true };
	int err = read_results(&r, b, raw);

	*out = (struct result_places){ 0 };
	if (err)
		return err;
	if (r.nfound)
		qsort(r.found, r.nfound, sizeof(*r.found), by_start);
	*out = (struct result_places){ r.found, r.nfound, r.turns, r.nturns };
	return 0;
}
