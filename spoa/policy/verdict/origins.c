/* Origins of the values of a call. The request is read once more for this, only on routes
 * whose rules ask: each text gets a source by its role, and the result of a tool by its call. A
 * text without a known source is untrusted.
 *
 * The words of sources:
 *   user           the person typed the text
 *   system         the application's instructions
 *   model          the model wrote the text, or no text of the conversation has the value
 *   document       a document, a description of a tool, text of unknown origin
 *   tool:S/T       a result of a tool that a label names, and that is not untrusted; or a member
 *                  of an untrusted result that the policy lists as a field
 *   text:S/T       another text of an untrusted result
 *   small, unseen, shown: see below */
#include "policy/verdict/origins.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "base/scoped.h"
#include "policy/labels.h"
#include "policy/policy.h"
#include "policy/route.h"
#include "scan/dialect/dialect.h"
#include "scan/text/body.h"
#include "scan/text/marked.h"
#include "scan/text/origin.h"

enum { TOOL_BYTES = 128, PATH_BYTES = 256, KEY_BYTES = 64, DEPTH = 32, PER_VALUE = 8 };

/* ---- names ---- */

/* Returns a tool's name as sources have it: the prefix of clients that join servers is taken off,
 * so mcp__github__create_issue is github/create_issue. */
static struct span
source_tool(struct arena *a, struct span name)
{
	char *to = arena_alloc(a, TOOL_BYTES);
	size_t n = 0;
	bool joined = false;

	if (!to || !name.n)
		return (struct span){ NULL, 0 };
	if (span_starts(name, SPAN_LIT("mcp__")))
		name = span_cut(name, 5, name.n);
	for (size_t i = 0; i < name.n && n < TOOL_BYTES; i++) {
		char c = name.p[i];
		if (!joined && i && c == '_' && i + 2 < name.n && name.p[i + 1] == '_') {
			to[n++] = '/';
			joined = true;
			i++;
		} else {
			to[n++] = is_alnum(c) || memchr("_-./:", c, 5) ? c : '?';
		}
	}
	return span_of(to, n);
}

static bool
is_untrusted(const struct policy *p, struct span tool)
{
	bool named = false;

	for (size_t i = 0; tool.n && i < p->nlabels; i++) {
		if (!label_names(&p->labels[i], tool))
			continue;
		if (label_untrusted(&p->labels[i]))
			return true;
		named = true;
	}
	return !named;
}

/* ---- the texts of a request ---- */

/* State while the texts of a request are read. */
struct telling {
	const struct policy *p;
	const struct body *body;
	struct span raw;
	struct arena *a;   /* keeps the index and the names of sources */
	struct arena *own; /* freed after the request was read */
	struct origins *index;
	struct result_places places;
	size_t place; /* index of the next place */
	size_t turn;  /* number of the message */
	struct marked marked;
	bool mixed;
	/* the source that was begun last */
	enum origin_kind kind;
	struct span name;
	size_t at_turn;
	bool begun;
};

/* Adds a text, and begins a source unless the last one is the same. */
static int
tell(struct telling *t, enum origin_kind kind, struct span name, struct span text)
{
	int err = 0;

	if (!t->begun || kind != t->kind || !span_eq(name, t->name) || t->turn != t->at_turn) {
		err = origins_source(t->index, kind, name, (uint32_t)t->turn);
		t->begun = true;
		t->kind = kind;
		t->name = name;
		t->at_turn = t->turn;
	}
	return err ? err : origins_text(t->index, text);
}

/* Returns the name "KIND:TOOL". */
static struct span
named_source(struct telling *t, const char *kind, struct span tool)
{
	return arena_printf(t->a, "%s:%.*s", kind, SPAN_ARG(tool.n ? tool : SPAN_LIT("?")));
}

/* Adds the listed fields of a result that is JSON. `path` has room for PATH_BYTES. */
static int
tell_fields(struct telling *t, struct json *j, struct span in, enum json_tok tok,
	struct json_event *ev, struct span tool, char *path, size_t n, unsigned depth)
{
	struct json_event inner;
	struct json_member m;
	int err = 0;

	if (depth > DEPTH || tok == JSON_ERROR)
		return 0;
	if (tok == JSON_ARRAY) {
		while (!err && (tok = json_next(j, &inner)) != JSON_ARRAY_END && tok != JSON_ERROR)
			err = tell_fields(t, j, in, tok, &inner, tool, path, n, depth + 1);
		return err;
	}
	if (tok == JSON_OBJECT) {
		while (json_member(j, t->own, in, &m, &inner, &err)) {
			size_t to = n + (n > 0) + m.key.n;
			if (to >= PATH_BYTES) {
				json_skip(j, &inner);
				continue;
			}
			if (n)
				path[n] = '.';
			memcpy(path + to - m.key.n, m.key.p, m.key.n);
			err = tell_fields(
				t, j, in, inner.tok, &inner, tool, path, to, depth + 1);
		}
		return err == ERR_NOMEM ? err : 0;
	}
	if ((tok != JSON_STRING && tok != JSON_NUMBER) ||
		!labels_field(t->p->labels, t->p->nlabels, tool, span_of(path, n)))
		return 0;
	struct span text = tok == JSON_STRING ? json_text(t->own, in, ev)
					      : span_cut(in, ev->start, ev->end);
	return text.p ? tell(t, ORIGIN_OTHER, named_source(t, "tool", tool), text) : ERR_NOMEM;
}

/* Adds a text of a result. */
static int
tell_result(struct telling *t, struct span tool, struct span text)
{
	bool untrusted = is_untrusted(t->p, tool), fields = false;
	char path[PATH_BYTES] = "";
	struct json_event ev;
	int err = 0;

	for (size_t i = 0; i < t->p->nlabels; i++)
		fields |= t->p->labels[i].nfields > 0;
	size_t at = span_past(text, 0, is_space);
	if (untrusted && fields && tool.n && at < text.n &&
		(text.p[at] == '{' || text.p[at] == '[')) {
		struct json *j = json_open(t->own, text);
		err = j ? tell_fields(t, j, text, json_next(j, &ev), &ev, tool, path, 0, 0)
			: ERR_NOMEM;
	}
	return err ? err
		   : tell(t, ORIGIN_OTHER, named_source(t, untrusted ? "text" : "tool", tool), text);
}

/* Adds the numbers of a result, which may be shorter than those that the body has as segments. */
static int
tell_numbers(struct telling *t, const struct result_place *at, struct span tool)
{
	struct span in = span_cut(t->raw, at->start, at->end);
	struct json *j = json_open(t->own, in);
	struct json_event ev;
	enum json_tok tok;
	int err = j ? 0 : ERR_NOMEM;

	while (!err && (tok = json_next(j, &ev)) != JSON_END && tok != JSON_ERROR)
		if (tok == JSON_NUMBER)
			err = tell_result(t, tool, span_cut(in, ev.start, ev.end));
	return err;
}

/* Adds a text of a user message: parts that a client marked are documents, and a text that equals
 * an earlier one of another source keeps that source. */
static int
tell_user(struct telling *t, const struct segment *s)
{
	struct span name, rest = s->text;
	size_t from = 0, at = 0;
	bool typed = true;
	int err = 0;

	if (t->mixed || s->unattributed)
		return tell(t, ORIGIN_OTHER, SPAN_LIT("document"), s->text);
	if (origins_repeats(t->index, s->text, &name))
		return tell(t, span_is(name, "model") ? ORIGIN_MODEL : ORIGIN_OTHER, name, s->text);
	/* lines of one role are added together */
	while (!err && at < s->text.n) {
		struct span line = span_next(&rest, '\n');
		size_t end = (size_t)(line.p - s->text.p) + line.n;
		bool own = line.n == 0
				   ? typed
				   : marked_roles(t->body, s, end - line.n, end, &t->marked) ==
					     1u << ROLE_USER;
		if (own != typed && at > from) {
			err = tell(t, typed ? ORIGIN_USER : ORIGIN_OTHER,
				typed ? SPAN_LIT("user") : SPAN_LIT("document"),
				span_cut(s->text, from, at));
			from = at;
		}
		typed = own;
		at = end < s->text.n ? end + 1 : end;
	}
	return err ? err
		   : tell(t, typed ? ORIGIN_USER : ORIGIN_OTHER,
			     typed ? SPAN_LIT("user") : SPAN_LIT("document"),
			     span_cut(s->text, from, s->text.n));
}

/* Returns the place that holds the segment, or NULL. Adds the numbers of places that begin before
 * the segment. */
static const struct result_place *
result_place_of(struct telling *t, const struct segment *s, int *err)
{
	const struct result_places *r = &t->places;

	while (!*err && t->place < r->n && r->v[t->place].start <= s->start) {
		const struct result_place *at = &r->v[t->place++];
		*err = tell_numbers(t, at, source_tool(t->a, at->tool));
	}
	/* results do not nest in the forms that are known; the nearest one before counts */
	const struct result_place *last = t->place ? &r->v[t->place - 1] : NULL;
	return last && s->end <= last->end ? last : NULL;
}

static int
tell_segment(struct telling *t, const struct segment *s)
{
	int err = 0;

	while (t->turn < t->places.nturns && t->places.turns[t->turn] <= s->start)
		t->turn++;
	const struct result_place *at = result_place_of(t, s, &err);
	if (err || !s->text.n)
		return err;
	if (at)
		return tell_result(t, source_tool(t->a, at->tool), s->text);
	switch (s->role) {
	case ROLE_SYSTEM:
	case ROLE_KEY: return 0;
	case ROLE_USER: return tell_user(t, s);
	case ROLE_ASSISTANT: return tell(t, ORIGIN_MODEL, SPAN_LIT("model"), s->text);
	case ROLE_TOOL_CALL: return tell(t, ORIGIN_OTHER, SPAN_LIT("model"), s->text);
	case ROLE_TOOL_RESULT: return tell_result(t, (struct span){ NULL, 0 }, s->text);
	default: return tell(t, ORIGIN_OTHER, SPAN_LIT("document"), s->text);
	}
}

/* The system's texts are the first, wherever the body has them. */
static int
tell_all(struct telling *t)
{
	const struct body *b = t->body;
	int err = 0;

	for (size_t i = 0; !err && i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_SYSTEM && b->segments[i].text.n)
			err = tell(t, ORIGIN_OTHER, SPAN_LIT("system"), b->segments[i].text);
	for (size_t i = 0; !err && i < b->nsegments; i++)
		err = tell_segment(t, &b->segments[i]);
	for (; !err && t->place < t->places.n; t->place++)
		err = tell_numbers(t, &t->places.v[t->place],
			source_tool(t->a, t->places.v[t->place].tool));
	return err;
}

void
origins_of_request(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct answer_origins *out)
{
	struct telling t = { .p = p, .body = f->body, .raw = f->raw, .a = a };
	int err = 0;

	*out = (struct answer_origins){ .asked = true };
	if (!f->route || !f->route->uses.origins || !f->body) {
		out->asked = false;
		return;
	}
	out->unseen = f->route->dialect && span_is(span_str("mcp"), dialect_name(f->route->dialect));
	if (out->unseen)
		return;
	SCOPED_ARENA(own, CAP_REQUEST_ARENA, true);
	t.own = &own;
	t.mixed = f->route->user_text == USER_MIXED;
	t.index = origins_new(a);
	err = t.index ? dialect_result_places(f->body, f->raw, &own, &t.places) : ERR_NOMEM;
	if (!err)
		err = tell_all(&t);
	out->index = t.index;
	out->why = err == ERR_LIMIT ? "tool.origins: the conversation has too many words"
		   : err	    ? "tool.origins: the conversation cannot be read"
				    : NULL;
}

/* ---- the values of a call ---- */

/* The values and pieces of one call. */
struct values {
	struct arena *a;
	struct origin_value *v; /* in the order in which they are listed */
	struct entry_of {
		struct span path;
		size_t first, n; /* of v: the whole value, and its pieces */
	} * paths;
	size_t nv, v_room, npaths, paths_room;
	bool over, failed;
};

static void
add_argument_piece(struct values *s, struct span text)
{
	s->over |= s->nv >= CAP_ORIGIN_VALUES;
	if (s->over)
		return;
	if (!ARENA_PUSH(s->a, s->v, s->nv, s->v_room, 16, (struct origin_value){ .text = text }))
		s->failed = true;
}

static void
add_argument(struct values *s, const char *path, size_t n, struct span text)
{
	struct span url = origin_url(text), piece;
	struct entry_of e = { arena_dup(s->a, span_of(path, n)), s->nv, 0 };

	add_argument_piece(s, url.n ? url : text);
	for (bool first = true; url.n && origin_url_piece(&url, &piece); first = false)
		if (first || !origin_is_small(piece))
			add_argument_piece(s, piece);
	e.n = s->nv - e.first;
	if (!s->over && !ARENA_PUSH(s->a, s->paths, s->npaths, s->paths_room, 16, e))
		s->failed = true;
}

static void
walk_values(struct values *s, const struct cel_value *v, char *path, size_t n, unsigned depth)
{
	char number[40];
	int m;

	if (s->over || s->failed)
		return;
	switch (v->type) {
	case CEL_MAP:
		for (size_t i = 0; i < v->list.n && depth < DEPTH; i++) {
			struct span key = v->list.v[2 * i].s;
			if (!key.n || key.n > KEY_BYTES || !span_is_alnum(key, "_-"))
				key = SPAN_LIT("*");
			size_t to = n + (n > 0) + key.n;
			s->over |= to >= PATH_BYTES;
			if (s->over)
				return;
			if (n)
				path[n] = '.';
			memcpy(path + to - key.n, key.p, key.n);
			walk_values(s, &v->list.v[2 * i + 1], path, to, depth + 1);
		}
		s->over |= depth >= DEPTH;
		return;
	case CEL_LIST:
		for (size_t i = 0; i < v->list.n && depth < DEPTH; i++) {
			m = snprintf(number, sizeof(number), "[%zu]", i);
			s->over |= n + (size_t)m >= PATH_BYTES;
			if (s->over)
				return;
			memcpy(path + n, number, (size_t)m);
			walk_values(s, &v->list.v[i], path, n + (size_t)m, depth + 1);
		}
		s->over |= depth >= DEPTH;
		return;
	case CEL_STRING: add_argument(s, path, n, v->s); return;
	case CEL_INT: m = snprintf(number, sizeof(number), "%lld", (long long)v->i); break;
	case CEL_UINT:
		m = snprintf(number, sizeof(number), "%llu", (unsigned long long)v->u);
		break;
	case CEL_DOUBLE: m = snprintf(number, sizeof(number), "%.15g", v->d); break;
	default: m = 0; /* true, false, null: small */
	}
	add_argument(s, path, n, arena_dup(s->a, span_of(number, (size_t)m)));
}

/* Returns the tool of the source "KIND:TOOL", or an empty span. */
static struct span
tool_of_source(struct span source)
{
	bool of_tool = span_starts(source, SPAN_LIT("tool:")) ||
		       span_starts(source, SPAN_LIT("text:"));

	return of_tool ? span_cut(source, 5, source.n) : (struct span){ NULL, 0 };
}

/* Adds the labels of a source. */
static size_t
source_labels(const struct policy *p, struct span source, struct cel_value *list, size_t n,
	size_t room)
{
	struct span tool = tool_of_source(source);
	bool text = span_starts(source, SPAN_LIT("text:"));

	for (size_t i = 0; i < p->nlabels && n < room; i++) {
		const struct label *l = &p->labels[i];
		bool hit = tool.p ? (label_untrusted(l) ? text : label_names(l, tool))
				  : l->documents && span_is(source, "document");
		if (hit)
			list[n++] = cel_string(span_str(l->name));
	}
	return n;
}

/* Returns the sources of one value. */
static struct cel_value
sources_of(const struct policy *p, const struct origin_value *v, bool unseen, struct arena *a)
{
	size_t room = PER_VALUE + p->nlabels, n = 0;
	struct cel_value *list = arena_array(a, room, sizeof(*list));

	if (!list)
		return cel_list(NULL, 0);
	if (origin_is_small(v->text)) {
		list[n++] = cel_string(SPAN_LIT("small"));
		return cel_list(list, n);
	}
	if (unseen) {
		list[n++] = cel_string(SPAN_LIT("unseen"));
		return cel_list(list, n);
	}
	if (v->user)
		list[n++] = cel_string(SPAN_LIT("user"));
	if (!v->first.p)
		list[n++] = cel_string(SPAN_LIT("model"));
	else if (!span_is(v->first, "user"))
		list[n++] = cel_string(v->first);
	if (v->shown)
		list[n++] = cel_string(SPAN_LIT("shown"));
	if (v->first.p)
		n = source_labels(p, v->first, list, n, room);
	return cel_list(list, n);
}

static struct cel_value
origins_failed(const char *why)
{
	return (struct cel_value){ .type = CEL_ERROR, .s = span_str(why) };
}

struct cel_value
origins_of_call(const struct policy *p, const struct answer_origins *o,
	const struct cel_value *arguments, struct arena *a)
{
	struct values s = { .a = a };
	char path[PATH_BYTES] = "";

	if (!o->asked || o->why)
		return origins_failed(o->why ? o->why : "tool.origins is unknown here");
	if (arguments->type == CEL_ERROR)
		return *arguments;
	walk_values(&s, arguments, path, 0, 0);
	struct cel_value *pairs = arena_array(a, 2 * s.npaths, sizeof(*pairs));
	if (s.over)
		return origins_failed("tool.origins: the arguments have too many values");
	int err = o->index ? origins_find(o->index, a, s.v, s.nv) : 0;
	if (s.failed || !pairs || err)
		return origins_failed(err == ERR_LIMIT
					      ? "tool.origins: looking up the values takes too long"
					      : "tool.origins: out of memory");
	for (size_t i = 0; i < s.npaths; i++) {
		struct cel_value *list = arena_array(a, s.paths[i].n, sizeof(*list));
		for (size_t k = 0; list && k < s.paths[i].n; k++)
			list[k] = sources_of(p, &s.v[s.paths[i].first + k], o->unseen, a);
		pairs[2 * i] = cel_string(s.paths[i].path);
		pairs[2 * i + 1] = cel_list(list, list ? s.paths[i].n : 0);
	}
	return (struct cel_value){ .type = CEL_MAP, .list = { pairs, s.npaths } };
}

/* ---- why ---- */

struct span
origins_because(const struct cel_value *origins, struct arena *a)
{
	for (size_t i = 0; origins->type == CEL_MAP && i < origins->list.n; i++) {
		const struct cel_value *at = &origins->list.v[2 * i], *pieces = at + 1;
		for (size_t k = 0; k < pieces->list.n; k++) {
			const struct cel_value *list = &pieces->list.v[k];
			struct span source = list->list.n ? list->list.v[0].s : SPAN_LIT("");
			if (span_is(source, "user") || span_is(source, "small") || !source.n)
				continue;
			return arena_printf(a,
				"the argument %.*s has a value from %.*s: ask the person to "
				"write the value",
				SPAN_ARG(at->s), SPAN_ARG(source));
		}
	}
	return (struct span){ NULL, 0 };
}
