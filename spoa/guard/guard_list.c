/* A list of models, as its provider gives it, holds only those that the caller may use: the
 * others are taken out of it, and all else stays byte for byte. */
#include "base/err.h"
#include "codec/json.h"
#include "guard/guard_private.h"

struct listed {
	size_t start, end; /* raw bytes of the element */
	bool hidden;
};

struct list {
	struct guard *g;
	struct span raw;
	struct json *j;
	struct listed *v;
	size_t n, room;
};

/* What of an element names its model: the first of these that it has. */
static const char *const names[] = { "id", "model", "name" };

/* Gemini's lists say models/x of what a path calls x. */
static struct span
bare(struct span name)
{
	struct span prefix = SPAN_LIT("models/");

	return span_starts(name, prefix) ? span_cut(name, prefix.n, name.n) : name;
}

/* With the opening brace just read: to the closing one. */
static int
read_element(struct list *l, struct listed *e)
{
	struct span name = { NULL, 0 };
	size_t best = COUNT_OF(names);
	struct json_event ev;

	while (json_next(l->j, &ev) == JSON_KEY) {
		struct span key = json_text(&l->g->work, l->raw, &ev);
		size_t which = span_find(key, names, COUNT_OF(names));
		if (!key.p)
			return ERR_NOMEM;
		if (json_next(l->j, &ev) == JSON_STRING && which < best) {
			best = which;
			name = json_text(&l->g->work, l->raw, &ev);
			if (!name.p)
				return ERR_NOMEM;
		} else if (json_skip(l->j, &ev) == JSON_ERROR) {
			return ERR_SYNTAX;
		}
	}
	e->end = ev.end;
	if (name.p)
		e->hidden =
			!l->g->plan.may_use(l->g->plan.may_use_arg, bare(name), &l->g->work);
	return 0;
}

static int
read_elements(struct list *l)
{
	struct json_event ev;
	enum json_tok tok;
	int err = 0;

	while (!err && (tok = json_next(l->j, &ev)) != JSON_ARRAY_END) {
		if (tok == JSON_ERROR)
			return ERR_SYNTAX;
		struct listed *v =
			arena_grow(&l->g->work, l->v, l->n, &l->room, sizeof(*v), 64);
		if (!v)
			return ERR_NOMEM;
		l->v = v;
		v += l->n++;
		*v = (struct listed){ .start = ev.start, .end = ev.end };
		if (tok == JSON_OBJECT) {
			err = read_element(l, v);
		} else {
			if (tok == JSON_STRING)
				v->start--, v->end++;
			if (json_skip(l->j, &ev) == JSON_ERROR)
				return ERR_SYNTAX;
			if (tok == JSON_ARRAY)
				v->end = ev.end;
		}
	}
	return err;
}

/* Neighbours go together, with the comma before them or, of the first ones, after. */
static size_t
splices_of(const struct list *l, struct splice *out)
{
	size_t n = 0;

	for (size_t i = 0, last; i < l->n; i = last + 1) {
		last = i;
		if (!l->v[i].hidden)
			continue;
		while (last + 1 < l->n && l->v[last + 1].hidden)
			last++;
		bool first = i == 0, all = last + 1 == l->n;
		out[n++] = (struct splice){ first ? l->v[i].start : l->v[i - 1].end,
			first && !all ? l->v[last + 1].start : l->v[last].end, SPAN_LIT("") };
	}
	return n;
}

static int
filter(struct list *l, struct buf *out)
{
	static const char *const lists[] = { "data", "models" };
	struct json_event ev;
	int err = 0;

	l->j = json_open(&l->g->work, l->raw);
	if (!l->j)
		return ERR_NOMEM;
	if (json_next(l->j, &ev) != JSON_OBJECT)
		return ERR_SYNTAX;
	while (!err && json_next(l->j, &ev) == JSON_KEY) {
		bool is_list = SPAN_IN(json_text(&l->g->work, l->raw, &ev), lists);
		if (json_next(l->j, &ev) == JSON_ARRAY && is_list && !l->n)
			err = read_elements(l);
		else if (json_skip(l->j, &ev) == JSON_ERROR)
			err = ERR_SYNTAX;
	}
	if (!err && json_next(l->j, &ev) != JSON_END)
		err = ERR_SYNTAX;
	if (err)
		return err;
	struct splice *splices = arena_array(&l->g->work, l->n + 1, sizeof(*splices));
	if (!splices)
		return ERR_NOMEM;
	return splice_apply(l->raw, splices, splices_of(l, splices), out);
}

enum guard_result
guard_filter_list(struct guard *g)
{
	struct list l = { .g = g, .raw = buf_view(&g->body) };
	struct buf out;

	if (!g->plan.may_use || g->status / 100 != 2 || !g->body.n)
		return g->failed;
	buf_init(&out, CAP_ANSWER_BYTES);
	int err = filter(&l, &out);
	if (err || buf_failed(&out)) {
		buf_free(&out);
		return err == ERR_NOMEM || !err
			       ? guard_no_memory(g)
			       : guard_fail(g, GUARD_BROKEN,
					 "the list of models is no strict JSON");
	}
	buf_free(&g->body);
	g->body = out;
	return g->failed;
}
