/* A tree of JSON over the tokens of base/codec/json.h.
 *
 * tree_read_as() keeps each value's offsets in the document. Changes set `with`, `gone` and
 * `changed` up to the root, and tree_write() copies every node that is not changed from the
 * original bytes. This file knows nothing of calls, except for the keys in matters(). */
#include "answer/calls/tree.h"

#include <string.h>

#include "base/ascii.h"
#include "base/err.h"
#include "base/json_put.h"

/* Returns true if the key has a capital or a non-ASCII byte. Only such a key can equal a row's
 * key except for case. */
static bool
is_cased(struct span key)
{
	for (size_t i = 0; i < key.n; i++)
		if ((key.p[i] >= 'A' && key.p[i] <= 'Z') || (key.p[i] & 0x80))
			return true;
	return false;
}

/* Returns true if the key equals `word` as Go's encoding/json compares keys: without case, and
 * with the long s (U+017F) and the Kelvin sign (U+212A) equal to s and k. */
static bool
folds_to(struct span key, struct span word)
{
	static const char *const more[] = { "\xc5\xbf", "\xe2\x84\xaa" };

	while (key.n && word.n) {
		size_t n = 1;
		char c = to_lower(key.p[0]);
		for (size_t i = 0; i < COUNT_OF(more); i++)
			if (span_starts(key, span_str(more[i]))) {
				n = strlen(more[i]);
				c = "sk"[i];
			}
		if (c != to_lower(word.p[0]))
			return false;
		key = span_cut(key, n, key.n);
		word = span_cut(word, 1, word.n);
	}
	return !key.n && !word.n;
}

/* Returns true if the node may contain a call or is a call's name or arguments. Other keys that
 * differ by case do no harm. */
static bool
matters(const struct node *n)
{
	static const char *const texts[] = { "name", "arguments", "input", "partial_json" };

	for (size_t i = 0; i < COUNT_OF(texts); i++)
		if (folds_to(n->key, span_str(texts[i])))
			return true;
	return n->tok == JSON_OBJECT || n->tok == JSON_ARRAY;
}

static bool
is_odd_key(const struct answer_node *of, const struct node *n)
{
	for (const struct answer_node *m = of->members; m; m = m->next)
		if (m->calls && folds_to(n->key, m->key) && matters(n))
			return true;
	return false;
}

/* Returns true if rows lead from here to a call, and the node is an object where they have an
 * array or the reverse. */
static bool
is_odd_shape(const struct node *n)
{
	const struct answer_node *at = n->rows;

	return at && at->calls && !at->rows &&
	       ((n->tok == JSON_OBJECT && at->element && !at->members) ||
		       (n->tok == JSON_ARRAY && n->first && at->members && !at->element));
}

int
tree_read(struct tree *t, struct arena *a, struct span raw)
{
	return tree_read_as(t, a, raw, NULL);
}

int
tree_read_as(struct tree *t, struct arena *a, struct span raw, const struct answer_format *f)
{
	const struct answer_node *rows = f ? answer_tree(f) : NULL;
	struct json *j = json_open(a, raw);
	struct span key = { NULL, 0 }, written = key;
	struct node *at = NULL;
	struct json_event ev;

	*t = (struct tree){ .a = a, .raw = raw };
	if (!j || (f && !rows))
		return ERR_NOMEM;
	json_take_halves(j);
	for (;;) {
		enum json_tok tok = json_next(j, &ev);
		if (tok == JSON_END)
			return t->root ? 0 : ERR_SYNTAX;
		if (tok == JSON_ERROR)
			return json_error(j, NULL, NULL);
		if (tok == JSON_KEY) {
			key = json_text(a, raw, &ev);
			written = span_cut(raw, ev.start - 1, ev.end + 1);
			if (!key.p)
				return ERR_NOMEM;
			continue;
		}
		if (tok == JSON_OBJECT_END || tok == JSON_ARRAY_END) {
			at->end = ev.end;
			t->odd |= is_odd_shape(at);
			at = at->up;
			continue;
		}
		struct node *n = arena_new(a, struct node);
		if (!n)
			return ERR_NOMEM;
		*n = (struct node){ .tok = tok,
			.start = ev.start - (tok == JSON_STRING),
			.end = ev.end + (tok == JSON_STRING),
			.key = key,
			.cased = is_cased(key),
			.written = written,
			.of = t,
			.up = at,
			.rows = !at			? rows
				: !at->rows		? NULL
				: at->tok == JSON_ARRAY ? at->rows->element
							: answer_member(at->rows, key),
			.escaped = ev.escaped };
		t->odd |= n->cased && !n->rows && at && at->rows && is_odd_key(at->rows, n);
		key = written = (struct span){ NULL, 0 };
		if (!at)
			t->root = n;
		else if (at->last)
			at->last->next = n;
		else
			at->first = n;
		if (at)
			at->last = n;
		if (tok == JSON_OBJECT || tok == JSON_ARRAY)
			at = n;
	}
}

struct node *
tree_next(const struct node *n, const struct node *within)
{
	if (n->first)
		return n->first;
	while (n != within && !n->next)
		n = n->up;
	return n == within ? NULL : n->next;
}

struct node *
tree_member(const struct node *object, const char *key)
{
	struct node *found = NULL;

	if (!object || object->tok != JSON_OBJECT)
		return NULL;
	for (struct node *n = object->first; n; n = n->next)
		if (span_is(n->key, key))
			found = n;
		else if (n->cased && folds_to(n->key, span_str(key)) && matters(n))
			object->of->odd = true;
	return found;
}

struct node *
tree_list(const struct node *array)
{
	if (array && array->tok == JSON_OBJECT)
		array->of->odd = true;
	return tree_elements(array);
}

struct node *
tree_elements(const struct node *array)
{
	return array && array->tok == JSON_ARRAY ? array->first : NULL;
}

struct span
tree_raw(const struct tree *t, const struct node *n)
{
	return n ? span_cut(t->raw, n->start, n->end) : SPAN_LIT("");
}

struct span
tree_text(const struct tree *t, const struct node *n)
{
	struct json_event ev;

	if (!n || n->tok != JSON_STRING)
		return SPAN_LIT("");
	ev = (struct json_event){ .tok = JSON_STRING,
		.start = n->start + 1,
		.end = n->end - 1,
		.escaped = n->escaped };
	return json_text(t->a, t->raw, &ev);
}

bool
tree_is(const struct tree *t, const struct node *n, const char *word)
{
	return n && n->tok == JSON_STRING && span_is(tree_text(t, n), word);
}

uint64_t
tree_number(const struct tree *t, const struct node *n, uint64_t otherwise)
{
	uint64_t v;

	return n && n->tok == JSON_NUMBER && !span_u64(tree_raw(t, n), &v) ? v : otherwise;
}

/* ---- changes ---- */

static void
touch(struct node *n)
{
	for (; n; n = n->up)
		n->changed = true;
}

void
tree_put(struct node *n, struct span json)
{
	n->with = json;
	touch(n);
}

/* Replaces the node with the content of *b, which is freed. */
static void
put_made(struct node *n, struct buf *b)
{
	struct arena *a = n->of->a;

	tree_put(n, arena_dup(a, buf_view(b)));
	a->failed |= buf_failed(b);
	buf_free(b);
}

void
tree_put_form(struct node *n, const char *form, ...)
{
	struct buf b;
	va_list args;

	if (!n)
		return;
	buf_init(&b, 0);
	va_start(args, form);
	json_put_vform(&b, form, args);
	va_end(args);
	put_made(n, &b);
}

void
tree_append_text(struct node *n, struct span text)
{
	struct span now = n->with.p ? n->with : tree_raw(n->of, n);
	struct buf b;

	buf_init(&b, 0);
	if (span_starts(now, SPAN_LIT("\""))) {
		buf_span(&b, span_cut(now, 0, now.n - 1));
		buf_json(&b, text);
		buf_putc(&b, '"');
	} else {
		buf_json_str(&b, text);
	}
	put_made(n, &b);
}

struct node *
tree_add(const struct tree *t, struct node *container, const char *key, struct span json)
{
	struct node *n = arena_new(t->a, struct node);

	if (!n)
		return NULL;
	*n = (struct node){
		.tok = JSON_NULL, .key = span_str(key), .of = container->of, .up = container
	};
	if (container->last)
		container->last->next = n;
	else
		container->first = n;
	container->last = n;
	tree_put(n, json);
	return n;
}

void
tree_cut(struct node *n)
{
	n->gone = true;
	touch(n->up);
}

bool
tree_is_empty(const struct node *container)
{
	for (const struct node *n = container->first; n; n = n->next)
		if (!n->gone)
			return false;
	return true;
}

void
tree_write(const struct tree *t, const struct node *n, struct buf *out)
{
	bool object = n->tok == JSON_OBJECT;

	if (n->with.p) {
		buf_span(out, n->with);
		return;
	}
	if (!n->changed || (!object && n->tok != JSON_ARRAY)) {
		buf_span(out, tree_raw(t, n));
		return;
	}
	buf_putc(out, object ? '{' : '[');
	for (const struct node *c = n->first; c; c = c->next) {
		if (c->gone)
			continue;
		json_put_name(out, NULL);
		if (object) {
			if (c->written.p)
				buf_span(out, c->written);
			else
				buf_json_str(out, c->key);
			buf_putc(out, ':');
		}
		tree_write(t, c, out);
	}
	buf_putc(out, object ? '}' : ']');
}
