/* Calls by the rows of their format: where an event has one, where it says its name and its
 * arguments, what it ended for. So what is read for the rules and what the guard reads is in
 * the same places. Apart from calls.c, which holds them, and from the dialects' files, which
 * say what may come after what. */
#include "answer/calls/calls_private.h"
#include "base/err.h"

/* ---- where they are ---- */

static void
find_parts(const struct node *of, struct call_parts *p)
{
	for (struct node *n = of->first; n; n = n->next) {
		const struct answer_row *row = n->rows ? n->rows->rows : NULL;
		bool any_text = row && row->kind == KIND_INPUT;
		struct node **part = NULL;
		if (row && row->read == READ_TOOL)
			part = &p->name[any_text];
		else if (row &&
			 (row->read == READ_INPUT || row->kind == KIND_ARGUMENTS || any_text))
			part = &p->arguments[any_text];
		if (part) {
			n->of->odd |= *part != NULL;
			*part = n;
		} else if (n->rows && n->rows->calls) {
			find_parts(n, p);
		}
	}
}

struct call_parts
calls_parts(const struct node *of)
{
	struct call_parts p = { 0 };

	if (of)
		find_parts(of, &p);
	return p;
}

static bool
is_of_type(const struct node *n, const char *type)
{
	bool unless = type && *type == '!';

	return !type || tree_is(n->of, tree_member(n, "type"), type + unless) != unless;
}

struct node *
calls_next(const struct calls *c, const struct node *within, const struct node *n)
{
	enum answer_part other = c->whole ? IN_EVENT : IN_WHOLE;
	struct node *next = tree_next(n, within);

	for (; next; next = tree_next(next, within)) {
		const struct answer_row *call = next->rows ? next->rows->call : NULL;
		if (!call || next->tok != JSON_OBJECT || !is_of_type(next, call->type))
			continue;
		if (call->part != other)
			return next;
		next->of->odd = true;
	}
	return NULL;
}

struct node *
calls_element(struct node *n)
{
	while (n->up && n->up->tok != JSON_ARRAY)
		n = n->up;
	return n;
}

uint32_t
calls_place(const struct node *n)
{
	uint32_t place = 0;

	for (const struct node *o = n->up ? n->up->first : n; o != n; o = o->next)
		place++;
	return place;
}

/* ---- read ---- */

int
calls_read(struct calls *c, const struct tree *t, struct held_call *h, const struct node *of,
	const struct node *piece)
{
	struct call_parts p = calls_parts(of);
	struct span name[2], said[2];
	int r = h ? 0 : calls_failed(c);

	for (int i = 0; i < 2 && !r; i++) {
		const struct node *n = p.arguments[i];
		bool text = c->d->texts && n && n->rows->rows->read == READ_TEXT;
		r = calls_text(t, p.name[i], &name[i]);
		if (!r)
			r = text ? calls_text(t, n, &said[i]) : calls_arguments(t, n, &said[i]);
	}
	if (r)
		return r;
	/* which of the two it is some say by its type, some by what is there */
	int is = name[1].n || said[1].n;
	if (is && (name[0].n || said[0].n))
		return CALLS_UNSOUND;
	if (c->d->by_id && h->index != CALL_OLDER) {
		struct span id;
		r = calls_text(t, tree_member(of, "id"), &id);
		h = r ? h : calls_by_id(c, h, id, name[is]);
	}
	if (!h || r)
		return r ? r : calls_failed(c);
	h->any_text |= p.name[1] || p.arguments[1];
	if (c->d->begins_empty && !c->whole && span_is(said[is], "{}"))
		said[is] = SPAN_LIT("");
	r = calls_note(h, name[is], said[is]);
	return r ? r : calls_piece(c, h, piece);
}

int
calls_read_whole(struct calls *c, const struct tree *t)
{
	int r = 0;

	for (struct node *n = calls_next(c, t->root, t->root); n && !r;
		n = calls_next(c, t->root, n)) {
		const struct node *at = calls_element(n);
		r = calls_read(c, t, calls_at(c, 0, calls_place(at)), n, at);
	}
	return r;
}

/* ---- said ---- */

int
calls_put_arguments(const struct tree *t, const struct node *of, struct held_call *h)
{
	struct call_parts p = calls_parts(of);
	int r = 0;

	for (int i = 0; i < 2 && !r; i++) {
		struct node *n = p.arguments[i];
		/* an empty object is where a stream begins */
		if (!n || n->tok == JSON_NULL || (n->tok == JSON_OBJECT && !n->first))
			continue;
		struct span now = h->said ? SPAN_LIT("") : calls_first(h);
		h->said = true;
		r = n->tok != JSON_STRING && !h->any_text && now.n ? tree_put_json(t, n, now)
								   : tree_put_text(t, n, now);
	}
	return r;
}

int
calls_put_reason(
	const struct tree *t, struct node *message, struct call_choice *of, struct held_call *h)
{
	struct node *content = tree_member(message, "content");
	struct buf b;
	int r;

	if (h->said)
		return 0;
	buf_init(&b, 0);
	buf_str(&b, of->said ? "\n\n" : "");
	buf_span(&b, buf_view(&h->text));
	if (content && content->tok == JSON_ARRAY)
		r = tree_add_with(
			t, content, "{\"type\":\"text\",\"text\":", buf_view(&b), "}");
	else
		r = content ? tree_append_text(t, content, buf_view(&b))
			    : tree_add_text(t, message, "content", buf_view(&b));
	if (buf_failed(&b))
		r = ERR_NOMEM;
	buf_free(&b);
	of->said = h->said = true;
	return r;
}

int
calls_say_listed(struct calls *c, const struct tree *t,
	int (*put_reason)(struct calls *c, const struct tree *t, struct node *message,
		struct held_call *h))
{
	int r = 0;

	for (struct node *n = calls_next(c, t->root, t->root); n && !r;
		n = calls_next(c, t->root, n)) {
		struct held_call *h = calls_of(c, n);
		if (h && h->is == CALL_DENIED) {
			tree_cut(n);
			if (tree_is_empty(n->up))
				tree_cut(n->up);
			r = put_reason(c, t, n->up->up, h);
		} else if (h && h->is == CALL_EDITED) {
			r = calls_put_arguments(t, n, h);
		}
	}
	return r;
}

int
calls_say_whole(struct calls *c, const struct tree *t)
{
	int r = 0;

	for (struct node *n = calls_next(c, t->root, t->root); n && !r;
		n = calls_next(c, t->root, n)) {
		struct node *at = calls_element(n);
		struct held_call *h = calls_of(c, at);
		if (h && h->is == CALL_DENIED)
			r = tree_put_with(t, at, c->d->in_place, buf_view(&h->text), "}");
		else if (h && h->is == CALL_EDITED)
			r = calls_put_arguments(t, n, h);
	}
	return r;
}

int
calls_say_end(const struct calls *c, const struct tree *t, const struct node *within,
	const struct call_choice *of)
{
	if (!of || !of->denied || of->kept)
		return 0;
	for (struct node *n = tree_next(within, within); n; n = tree_next(n, within)) {
		const struct answer_row *row = n->rows ? n->rows->rows : NULL;
		bool was = false;
		for (size_t i = 0; row && row->read == READ_FINISH && i < 2; i++)
			was |= c->d->finish[i] && tree_is(t, n, c->d->finish[i]);
		if (was && tree_put_text(t, n, span_str(c->d->none)))
			return ERR_NOMEM;
	}
	return 0;
}
