/* Filters a list of models, so that the caller sees only models that they may use. Others are
 * removed, aliases are added at the end, and all other bytes stay.
 *
 * Providers' lists differ: under `data`, under `models` or without a name; of objects, strings
 * or members; grouped, in lines or in events. An element is judged by the name that its own
 * members state. */
#include <stdlib.h>

#include "answer/guard/guard_private.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "base/push.h"
#include "policy/route.h"
#include "scan/text/model_names.h"

struct list {
	struct guard *g;
	struct span raw;
	size_t base; /* offset of `raw` in the response */
	struct json *j;
	struct splice *v;
	size_t n, room;
	struct span first, last; /* names that stay */
	bool added;		 /* aliases were added */
	struct cursor {
		/* 0: the list has no cursor, or the caller may use the model that the cursor
		 * names */
		size_t start, end;
	} cursor[2];
};

/* Members that name an element's model, in the order of preference. */
static const char *const names[] = { "id", "model", "modelId", "model_id", "slug", "name" };
/* Members that contain lists of models, or strings that are model names. */
static const char *const lists[] = { "data", "models", "items", "results", "aliases" };
static const char *const cursors[] = { "first_id", "last_id" };

/* Removes the prefix of names in Gemini's lists: models/x in a list is x in a path. */
static struct span
bare_listed_name(struct span name)
{
	struct span prefix = SPAN_LIT("models/");

	return span_starts(name, prefix) ? span_cut(name, prefix.n, name.n) : name;
}

static bool
may_use(struct list *l, struct span name)
{
	return l->g->plan.may_use(l->g->plan.may_use_arg, bare_listed_name(name), &l->g->work);
}

static int
cut(struct list *l, size_t start, size_t end, struct span with)
{
	struct splice one = { l->base + start, l->base + end, with };

	INVARIANT(start <= end);
	return ARENA_PUSH(&l->g->work, l->v, l->n, l->room, 64, one) ? 0 : ERR_NOMEM;
}

static int
listed_by_start(const void *a, const void *b)
{
	const struct splice *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* ---- aliases ---- */

/* An alias as an element of a list, per dialect, and the text around a list. $ stands for the
 * name. */
static const struct dialect_list {
	const char *dialect, *element, *begin, *end;
} dialect_lists[] = {
	{ "anthropic",
		"{\"type\":\"model\",\"id\":\"$\",\"display_name\":\"$\",\"created_at\":"
		"\"1970-01-01T00:00:00Z\"}",
		"{\"data\":[", "],\"has_more\":false,\"first_id\":null,\"last_id\":null}" },
	{ "gemini",
		"{\"name\":\"models/$\",\"displayName\":\"$\",\"supportedGenerationMethods\":["
		"\"generateContent\"]}",
		"{\"models\":[", "]}" },
	{ "ollama", "{\"name\":\"$\",\"model\":\"$\"}", "{\"models\":[", "]}" },
	{ "cohere", "{\"name\":\"$\",\"endpoints\":[\"chat\"]}", "{\"models\":[", "]}" },
	{ "", "{\"id\":\"$\",\"object\":\"model\",\"created\":0,\"owned_by\":\"tollgate\"}",
		"{\"object\":\"list\",\"data\":[", "]}" },
};

static const struct dialect_list *
list_of_dialect(const struct dialect *d)
{
	size_t i = 0;

	while (*dialect_lists[i].dialect &&
		strcmp(dialect_lists[i].dialect, dialect_name(d)) != 0)
		i++;
	return &dialect_lists[i];
}

static void
put_listed(const char *as, struct span name, struct buf *out)
{
	for (; *as; as++)
		if (*as == '$')
			buf_json(out, name);
		else
			buf_putc(out, *as);
}

void
guard_list_model(const struct dialect *d, struct span name, struct buf *out)
{
	put_listed(list_of_dialect(d)->element, name, out);
}

void
guard_list_models(const struct dialect *d, struct span elements, struct buf *out)
{
	buf_str(out, list_of_dialect(d)->begin);
	buf_span(out, elements);
	buf_str(out, list_of_dialect(d)->end);
}

/* Appends the aliases that the caller may use to a list of `texts` or of objects. */
static int
add_aliases(struct list *l, size_t end, bool any, bool texts)
{
	const struct guard_plan *p = &l->g->plan;
	const char *as = texts ? "\"$\"" : list_of_dialect(p->dialect)->element;
	struct span all;
	struct buf b;

	buf_init(&b, 0);
	for (size_t i = 0; i < p->naliases; i++) {
		if (!may_use(l, span_str(p->aliases[i].alias)))
			continue;
		buf_str(&b, any ? "," : "");
		any = true;
		put_listed(as, span_str(p->aliases[i].alias), &b);
	}
	l->added = true;
	if (guard_take(l->g, &b, &all))
		return ERR_NOMEM;
	return all.n ? cut(l, end, end, all) : 0;
}

/* ---- elements and lists ---- */

/* Collects adjacent hidden elements, which are removed together, with the comma before them or,
 * at the beginning, after them. */
struct hiding {
	bool kept, hiding;
	size_t kept_end, from, to; /* end of the last element that stays; range to remove */
};

static int
hiding_end(struct list *l, struct hiding *r, size_t to)
{
	if (!r->hiding)
		return 0;
	r->hiding = false;
	return cut(l, r->from, to, SPAN_LIT(""));
}

static int
hiding_add(struct list *l, struct hiding *r, size_t start, size_t end, bool hidden)
{
	int err = 0;

	if (hidden) {
		r->from = r->hiding ? r->from : r->kept ? r->kept_end : start;
		r->to = end;
		r->hiding = true;
		return 0;
	}
	err = hiding_end(l, r, r->kept ? r->to : start);
	r->kept = true;
	r->kept_end = end;
	return err;
}

/* Skips the value that *ev begins; *ev becomes its last token. */
static int
skip(struct list *l, struct json_event *ev)
{
	enum json_tok tok = ev->tok;

	for (unsigned depth = 0;; tok = json_next(l->j, ev)) {
		if (tok == JSON_ERROR || tok == JSON_END)
			return ERR_SYNTAX;
		depth += tok == JSON_OBJECT || tok == JSON_ARRAY;
		depth -= tok == JSON_OBJECT_END || tok == JSON_ARRAY_END;
		if (!depth)
			return 0;
	}
}

static int read_array(struct list *l, struct json_event *ev, bool listed, bool first);

/* Reads an object after its opening brace, up to the closing one. An element is judged by its
 * own name. A member of OBJECT_MEMBERS without a name is judged by its key. OBJECT_HOLDER only
 * contains lists. At the end ev->end is the object's end. */
enum object { OBJECT_HOLDER, OBJECT_ELEMENT, OBJECT_MEMBERS };

static int
read_object(struct list *l, struct json_event *ev, enum object is, bool *hidden)
{
	struct span name = { NULL, 0 };
	size_t best = COUNT_OF(names) + 1, before = l->n;
	enum json_tok tok = JSON_END;
	struct hiding r = { 0 };
	int err = 0;

	*hidden = false;
	while (!err && (tok = json_next(l->j, ev)) == JSON_KEY) {
		struct span key = json_text(&l->g->work, l->raw, ev), text;
		size_t start = ev->start - 1, which, inner = l->n;
		bool gone = false;
		if (!key.p)
			return ERR_NOMEM;
		bool list = SPAN_IN(key, lists) || model_key(key) == KEY_MODELS;
		switch (json_next(l->j, ev)) {
		case JSON_STRING:
			if (!(text = json_text(&l->g->work, l->raw, ev)).p)
				return ERR_NOMEM;
			which = span_find(key, names, COUNT_OF(names));
			which += which == COUNT_OF(names) && model_key(key) != KEY_MODEL;
			if (is != OBJECT_HOLDER && which < best) {
				best = which;
				name = text;
			} else if (is == OBJECT_HOLDER && !may_use(l, text)) {
				which = span_find(key, cursors, COUNT_OF(cursors));
				if (which < COUNT_OF(cursors))
					l->cursor[which] =
						(struct cursor){ ev->start - 1, ev->end + 1 };
				else if (SPAN_IN(key, names) || model_key(key) == KEY_MODEL)
					err = cut(l, ev->start - 1, ev->end + 1,
						SPAN_LIT("null"));
			}
			ev->end++;
			break;
		case JSON_ARRAY:
			err = list || is == OBJECT_HOLDER
				      ? read_array(l, ev, list, is == OBJECT_HOLDER)
				      : skip(l, ev);
			break;
		case JSON_OBJECT:
			if (is == OBJECT_ELEMENT && !list) {
				err = skip(l, ev);
				break;
			}
			size_t open = ev->start;
			err = read_object(l, ev,
				list		       ? OBJECT_MEMBERS
				: is == OBJECT_MEMBERS ? OBJECT_ELEMENT
						       : OBJECT_HOLDER,
				&gone);
			if (list && gone && !err) {
				l->n = inner;
				err = cut(l, open, ev->end, SPAN_LIT("null"));
				gone = false;
			}
			gone |= is == OBJECT_MEMBERS && !list && !may_use(l, key);
			break;
		default: err = skip(l, ev);
		}
		if (gone)
			l->n = inner;
		if (!err && is == OBJECT_MEMBERS)
			err = hiding_add(l, &r, start, ev->end, gone);
	}
	if (err || tok != JSON_OBJECT_END)
		return err ? err : ERR_SYNTAX;
	if (!name.p)
		return hiding_end(l, &r, r.to);
	*hidden = !may_use(l, name);
	if (*hidden || is == OBJECT_MEMBERS)
		l->n = before;
	if (!*hidden) {
		l->first = l->first.p ? l->first : name;
		l->last = name;
	}
	return 0;
}

/* Reads an array after its opening bracket, up to the closing one. `listed`: strings in it name
 * models. `first`: aliases may be added. */
static int
read_array(struct list *l, struct json_event *ev, bool listed, bool first)
{
	struct hiding r = { 0 };
	bool texts = false;
	enum json_tok tok;
	int err = 0;

	while (!err && (tok = json_next(l->j, ev)) != JSON_ARRAY_END) {
		size_t start = ev->start, inner = l->n;
		bool hidden = false;
		struct span text;
		switch (tok) {
		case JSON_ERROR: return ERR_SYNTAX;
		case JSON_OBJECT: err = read_object(l, ev, OBJECT_ELEMENT, &hidden); break;
		case JSON_ARRAY: err = read_array(l, ev, listed, false); break;
		case JSON_STRING:
			if (!(text = json_text(&l->g->work, l->raw, ev)).p)
				return ERR_NOMEM;
			hidden = listed && !may_use(l, text);
			texts = true;
			start--;
			ev->end++;
			break;
		default: break;
		}
		if (hidden)
			l->n = inner;
		if (!err)
			err = hiding_add(l, &r, start, ev->end, hidden);
	}
	if (!err)
		err = hiding_end(l, &r, r.to);
	return err || !listed || !first || l->added ? err
						    : add_aliases(l, ev->start, r.kept, texts);
}

/* ---- documents and lines ---- */

/* Corrects first_id and last_id, from which the caller requests the next page. */
static int
mend_cursors(struct list *l)
{
	int err = 0;

	for (size_t i = 0; i < COUNT_OF(cursors) && !err; i++) {
		struct span name = i ? l->last : l->first, with = SPAN_LIT("null");
		struct buf quoted;
		if (!l->cursor[i].end)
			continue;
		buf_init(&quoted, 0);
		buf_json_str(&quoted, name);
		if (guard_take(l->g, &quoted, name.p ? &with : &name))
			return ERR_NOMEM;
		err = cut(l, l->cursor[i].start, l->cursor[i].end, with);
	}
	return err;
}

/* Reads a document. `line`: it may be a single model, and *hidden is set if the model is
 * hidden. */
static int
read_document(struct list *l, struct span raw, size_t base, bool line, bool *hidden)
{
	size_t before = l->n;
	bool added = l->added;
	struct json_event ev;
	int err = 0;

	l->raw = raw;
	l->base = base;
	l->first = l->last = (struct span){ NULL, 0 };
	memset(l->cursor, 0, sizeof(l->cursor));
	l->j = json_open(&l->g->work, raw);
	if (!l->j)
		return ERR_NOMEM;
	switch (json_next(l->j, &ev)) {
	case JSON_OBJECT:
		err = read_object(l, &ev, line ? OBJECT_ELEMENT : OBJECT_HOLDER, hidden);
		break;
	case JSON_ARRAY: err = read_array(l, &ev, true, true); break;
	default: err = ERR_SYNTAX;
	}
	if (!err && json_next(l->j, &ev) != JSON_END)
		err = ERR_SYNTAX;
	if (err || *hidden) {
		l->n = before;
		l->added = added;
	}
	return err || *hidden ? err : mend_cursors(l);
}

/* Reads JSON lines, or events with one document per line. */
static int
read_listed_lines(struct list *l, struct span all)
{
	static const char *const fields[] = { "event:", "id:", "retry:", ":" };
	struct span rest = all;
	int err = 0;

	while (rest.n && !err) {
		const char *from = rest.p;
		struct span line = span_trim(span_next(&rest, '\n'), GUARD_BLANKS);
		bool other = !line.n, hidden = false;
		for (size_t i = 0; i < COUNT_OF(fields); i++)
			other |= span_starts(line, span_str(fields[i])) &&
				 span_chr(line, '\r') == line.n;
		if (span_starts(line, SPAN_LIT("data:")))
			line = span_trim(span_cut(line, 5, line.n), GUARD_BLANKS);
		if (!other && !span_is(line, "[DONE]"))
			err = read_document(l, line, (size_t)(line.p - all.p), true, &hidden);
		l->base = 0;
		if (hidden && !err)
			err = cut(l, (size_t)(from - all.p),
				rest.p ? (size_t)(rest.p - all.p) : all.n, SPAN_LIT(""));
	}
	return err;
}

static int
filter(struct list *l, struct span all, struct buf *out)
{
	bool events = guard_begins_events(span_trim(all, GUARD_BLANKS));
	bool hidden = false;
	int err = events ? ERR_SYNTAX : read_document(l, all, 0, false, &hidden);

	if (err == ERR_SYNTAX && (events || span_chr(all, '\n') < all.n))
		err = read_listed_lines(l, all);
	return err ? err : splice_apply(all, l->v, l->n, out);
}

/* ---- the description of one model ---- */

/* Renames a single model's description that was requested by an alias: the names at its top
 * level become the alias. */
static int
call_card(struct list *l, struct span all, struct buf *out)
{
	struct json_event ev;
	struct {
		struct span text;
		size_t start, end;
	} said[COUNT_OF(names)] = { 0 };
	size_t first = 0, n;
	int err = 0;

	l->j = json_open(&l->g->work, all);
	if (!l->j)
		return ERR_NOMEM;
	if (json_next(l->j, &ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (!err && json_next(l->j, &ev) == JSON_KEY) {
		struct span key = json_text(&l->g->work, all, &ev);
		if (!key.p)
			return ERR_NOMEM;
		n = span_find(key, names, COUNT_OF(names));
		if (json_next(l->j, &ev) != JSON_STRING || n == COUNT_OF(names)) {
			err = skip(l, &ev);
			continue;
		}
		said[n].text = json_text(&l->g->work, all, &ev);
		said[n].start = ev.start;
		said[n].end = ev.end;
	}
	while (first < COUNT_OF(names) && !said[first].text.p)
		first++;
	for (n = first; n < COUNT_OF(names) && !err; n++) {
		size_t prefix = said[n].text.n - bare_listed_name(said[n].text).n;
		if (said[n].text.p && span_eq(said[n].text, said[first].text))
			err = cut(l, said[n].start + prefix, said[n].end,
				span_str(l->g->plan.alias));
	}
	/* edits are in the order of `names`, not of the text */
	if (l->n > 1)
		qsort(l->v, l->n, sizeof(*l->v), listed_by_start);
	return err ? err : splice_apply(all, l->v, l->n, out);
}

enum guard_result
guard_filter_list(struct guard *g)
{
	struct span all = guard_past_mark(buf_view(&g->body));
	struct list l = { .g = g };
	struct buf out;

	if ((!g->plan.may_use && !g->plan.card) || g->status / 100 != 2 || !g->body.n)
		return g->failed;
	buf_init(&out, CAP_ANSWER_BYTES);
	int err = g->plan.card ? call_card(&l, all, &out) : filter(&l, all, &out);
	if (err || buf_failed(&out)) {
		buf_free(&out);
		return err == ERR_NOMEM || !err
			       ? guard_no_memory(g)
			       : guard_fail(g, GUARD_BROKEN,
					 "the list of models is not strict JSON");
	}
	buf_free(&g->body);
	g->body = out;
	return g->failed;
}
