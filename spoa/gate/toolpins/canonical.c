/* Reads the value into a small tree, sorts the members of each object, and writes the tree.
 * The JSON reader limits depth and number of nodes. */
#include "gate/toolpins/canonical.h"

#include <stdlib.h>

#include "base/codec/json.h"
#include "base/err.h"

struct node {
	enum json_tok tok;
	struct span name; /* of a member, without escapes */
	/* a string without escapes; a number, true, false or null as written */
	struct span text;
	struct node *child, *next;
	size_t n;
};

struct reader {
	struct arena *a;
	struct json *j;
	struct span in;
};

/* value = object | array | string | number | "true" | "false" | "null". The first token has
 * been read. Returns NULL on an error, see json_error(). */
static struct node *
read_canonical_value(struct reader *r, struct json_event *ev)
{
	struct node *v = arena_new(r->a, struct node), **at;

	if (!v)
		return NULL;
	v->tok = ev->tok;
	v->text = ev->tok == JSON_STRING ? json_text(r->a, r->in, ev)
					 : span_cut(r->in, ev->start, ev->end);
	if (v->tok != JSON_OBJECT && v->tok != JSON_ARRAY)
		return v->tok > JSON_ERROR && v->text.p ? v : NULL;
	for (at = &v->child;
		json_next(r->j, ev) != JSON_OBJECT_END && ev->tok != JSON_ARRAY_END;
		at = &(*at)->next, v->n++) {
		struct span name = { NULL, 0 };
		if (ev->tok == JSON_KEY) {
			name = json_text(r->a, r->in, ev);
			if (!name.p)
				return NULL;
			json_next(r->j, ev);
		}
		if (ev->tok <= JSON_ERROR || !(*at = read_canonical_value(r, ev)))
			return NULL;
		(*at)->name = name;
	}
	return v;
}

static int
node_by_name(const void *x, const void *y)
{
	return span_order((*(struct node *const *)x)->name, (*(struct node *const *)y)->name);
}

static bool
write_value(struct arena *a, const struct node *v, const char *without, struct buf *out)
{
	bool object = v->tok == JSON_OBJECT, first = true;
	struct node **list = arena_array(a, v->n + 1, sizeof(struct node *));
	size_t n = 0;

	if (!list)
		return false;
	if (v->tok == JSON_STRING) {
		buf_json_str(out, v->text);
		return true;
	}
	if (!object && v->tok != JSON_ARRAY) {
		buf_span(out, v->text);
		return true;
	}
	for (struct node *c = v->child; c; c = c->next)
		list[n++] = c;
	if (object && n)
		qsort(list, n, sizeof(struct node *), node_by_name);
	buf_putc(out, object ? '{' : '[');
	for (size_t i = 0; i < n; i++) {
		if (object && without && span_is(list[i]->name, without))
			continue;
		if (!first)
			buf_putc(out, ',');
		first = false;
		if (object) {
			buf_json_str(out, list[i]->name);
			buf_putc(out, ':');
		}
		if (!write_value(a, list[i], NULL, out))
			return false;
	}
	buf_putc(out, object ? '}' : ']');
	return true;
}

int
canonical_write(struct arena *a, struct span json, const char *without, struct buf *out)
{
	struct reader r = { .a = a, .j = json_open(a, json), .in = json };
	struct json_event ev;

	if (!r.j)
		return ERR_NOMEM;
	json_next(r.j, &ev);
	struct node *v = read_canonical_value(&r, &ev);
	int err = json_error(r.j, NULL, NULL);
	if (!v)
		return err ? err : ERR_NOMEM;
	/* text after the value is not JSON */
	if (json_next(r.j, &ev) != JSON_END)
		return json_error(r.j, NULL, NULL);
	return write_value(a, v, without, out) && !buf_failed(out) ? 0 : ERR_NOMEM;
}
