/* Finds calls, with their names, arguments and finish reasons, by the rows of their format.
 *
 * The rules and guard/ use the same rows, so both read the same places. calls_parts() finds
 * name and arguments in an object; calls_next() finds the objects. calls_read() adds them to
 * the call, and the functions after it write a decided call. A dialect's file determines which
 * events may follow each other. calls.c holds the calls. */
#include "answer/calls/calls_private.h"

/* ---- finding ---- */

/* Returns the kind of call that the object's type determines. NULL: it is not a call, or the
 * provider runs it. */
static const struct answer_call_kind *
kind_of_call(const struct answer_call_kind *kinds, const struct node *n)
{
	struct span type = tree_text(n->of, tree_member(n, "type"));

	for (; kinds->type || kinds->name || kinds->arguments[0]; kinds++) {
		const char *is = kinds->type;
		if (is &&
			(*is == '*' ? !span_ends(type, span_str(is + 1)) : !span_is(type, is)))
			continue;
		bool none =
			kinds->says == SAYS_NONE ||
			(kinds->runs && tree_is(n->of, tree_member(n, "execution"), "server"));
		return none ? NULL : kinds;
	}
	return NULL;
}

static void
find_parts(struct node *of, struct call_parts *p)
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
		} else if (n->rows && n->rows->calls && n->tok == JSON_OBJECT) {
			find_parts(n, p);
		}
	}
}

struct call_parts
calls_parts(struct node *of)
{
	const struct answer_row *row = of && of->rows ? of->rows->call : NULL;
	struct call_parts p = { 0 };

	if (of && (!row || !row->kinds)) {
		find_parts(of, &p);
		return p;
	}
	p.kind = of ? kind_of_call(row->kinds, of) : NULL;
	if (!p.kind)
		return p;
	struct node **part = &p.arguments[p.kind->any_text];
	p.name[p.kind->any_text] = p.kind->name ? NULL : tree_member(of, "name");
	for (size_t i = 0; i < 2 && p.kind->arguments[i]; i++) {
		struct node *n = tree_member(of, p.kind->arguments[i]);
		if (n && n->tok != JSON_NULL) {
			of->of->odd |= *part != NULL;
			*part = n;
		}
	}
	if (!p.kind->arguments[0]) {
		p.name[0] = NULL;
		*part = of;
	}
	return p;
}

static bool
is_call(const struct node *n, const struct answer_row *row)
{
	bool unless = row->type && *row->type == '!';

	if (row->kinds)
		return kind_of_call(row->kinds, n) != NULL;
	return !row->type ||
	       tree_is(n->of, tree_member(n, "type"), row->type + unless) != unless;
}

struct node *
calls_next(const struct calls *c, struct node *within, const struct node *n)
{
	enum answer_part other = c->whole ? IN_EVENT : IN_WHOLE;
	struct node *next = n ? tree_next(n, within) : within;

	for (; next; next = tree_next(next, within)) {
		const struct answer_row *call = next->rows ? next->rows->call : NULL;
		if (!call || next->tok != JSON_OBJECT || !is_call(next, call))
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

/* ---- reading ---- */

struct node *
calls_member(const struct calls *c, const char *key)
{
	return tree_member(c->root, key);
}

bool
calls_is(const struct calls *c, const char *key, const char *word)
{
	return tree_is(c->t, calls_member(c, key), word);
}

uint32_t
calls_number(const struct calls *c, const struct node *n, uint64_t otherwise)
{
	bool says = n && n->tok != JSON_NULL;
	uint64_t v = tree_number(c->t, n, says ? NO_NUMBER : otherwise);

	return v > INT32_MAX ? NO_NUMBER : (uint32_t)v;
}

struct span
calls_text(struct calls *c, const struct node *n)
{
	if (n && n->tok != JSON_STRING && n->tok != JSON_NULL)
		calls_fail(c, CALLS_UNSOUND);
	return tree_text(c->t, n);
}

struct span
calls_arguments(struct calls *c, const struct node *n)
{
	return n && n->tok == JSON_OBJECT ? tree_raw(c->t, n) : calls_text(c, n);
}

void
calls_said_at(struct calls *c, const struct node *n)
{
	if (!n || n->tok != JSON_STRING)
		return;
	c->now->text = n->start;
	c->now->text_end = n->end;
	c->now->texts++;
}

/* Sets the call's kind; a call must not change from one kind to another. Returns the name that
 * the kind determines, or "" if a member holds the name. */
static struct span
read_call_kind(struct calls *c, struct held_call *h, const struct node *of,
	const struct answer_call_kind *kind)
{
	struct span type = tree_text(c->t, tree_member(of, "type"));
	const char *is = kind->of ? kind->of : kind->type, *was = NULL;

	if (h->kind)
		was = h->kind->of ? h->kind->of : h->kind->type;
	if (is && was && strcmp(is, was) != 0)
		calls_fail(c, CALLS_UNSOUND);
	h->kind = is || !h->kind ? kind : h->kind;
	if (kind->name || kind->arguments[0])
		return kind->name ? span_str(kind->name) : SPAN_LIT("");
	return span_cut(type, 0, type.n - strlen("_call"));
}

void
calls_read(struct calls *c, struct held_call *h, struct node *of, const struct node *piece)
{
	struct call_parts p = calls_parts(of);
	struct span name[2], said[2];

	if (!h)
		return;
	for (int i = 0; i < 2; i++) {
		const struct node *n = p.arguments[i];
		/* a string is required where only a string is valid */
		bool text = p.kind || (n && n->rows->rows->read == READ_TEXT);
		name[i] = calls_text(c, p.name[i]);
		if (p.kind && p.kind->says == SAYS_LAST && n && n->tok != JSON_STRING)
			said[i] = tree_raw(c->t, n);
		else
			said[i] =
				c->d->texts && text ? calls_text(c, n) : calls_arguments(c, n);
	}
	struct span known = p.kind ? read_call_kind(c, h, of, p.kind) : SPAN_LIT("");
	if (known.n)
		name[p.kind->any_text] = known;
	/* some clients take the type, others the members that are present */
	int is = name[1].n || said[1].n;
	if (is && (name[0].n || said[0].n))
		calls_fail(c, CALLS_UNSOUND);
	if (c->d->by_id && h->index != CALL_OLDER)
		h = calls_by_id(c, h, calls_text(c, tree_member(of, "id")), name[is]);
	if (!h)
		return;
	h->any_text |= p.name[1] || p.arguments[1];
	if (c->d->begins_empty && !c->whole && span_is(said[is], "{}"))
		said[is] = SPAN_LIT("");
	calls_note(h, name[is], said[is], p.kind ? p.kind->says : SAYS_MORE);
	calls_said_at(c, p.arguments[is]);
	calls_piece(c, h, piece);
}

void
calls_read_whole(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		struct node *at = calls_element(n);
		calls_read(c, calls_at(c, 0, calls_place(at)), n, at);
	}
}

/* ---- writing ---- */

void
calls_put_arguments(struct held_call *h, struct node *of)
{
	struct call_parts p = calls_parts(of);
	bool all = p.kind && p.kind->says != SAYS_MORE;

	for (int i = 0; i < 2; i++) {
		struct node *n = p.arguments[i];
		bool string = n && n->tok == JSON_STRING;
		/* a stream begins with an empty one */
		if (!n || n->tok == JSON_NULL || (n->tok == JSON_OBJECT && !n->first && !all) ||
			(string && n->end == n->start + 2 && all))
			continue;
		struct span now = all	    ? buf_view(&h->text)
				  : h->said ? SPAN_LIT("")
					    : calls_first(h);
		h->said |= !all;
		tree_put_form(n, string || h->any_text ? "%t" : now.n ? "%j" : "{}", now);
	}
}

void
calls_put_reason(struct calls *c, struct node *message, struct held_call *h)
{
	struct node *content = tree_member(message, "content");
	struct call_choice *of = calls_choice(c, h->choice);
	struct span text = arena_printf(
		&c->work, "%s%.*s", of->said ? "\n\n" : "", SPAN_ARG(buf_view(&h->text)));

	if (h->said)
		return;
	of->said = h->said = true;
	if (content && content->tok == JSON_ARRAY)
		tree_put_form(
			tree_add(c->t, content, "", text), "{'type':'text','text':%t}", text);
	else if (content)
		tree_append_text(content, text);
	else
		tree_put_form(tree_add(c->t, message, "content", text), "%t", text);
}

void
calls_say_element(struct calls *c, struct held_call *h, struct node *n)
{
	struct node *up = n->up;

	if (h->is == CALL_EDITED) {
		calls_put_arguments(h, n);
	} else if (h->is == CALL_DENIED && c->d->in_place) {
		tree_put_form(calls_element(n), c->d->in_place, buf_view(&h->text));
	} else if (h->is == CALL_DENIED) {
		tree_cut(n);
		if (up->tok == JSON_ARRAY && tree_is_empty(up))
			tree_cut(up);
		c->d->put_reason(c, up->tok == JSON_ARRAY ? up->up : up, h);
	}
}

void
calls_say_whole(struct calls *c)
{
	CALLS_EACH (n, c, c->root) {
		struct held_call *h = calls_of(c, calls_element(n));
		if (h)
			calls_say_element(c, h, n);
	}
}

void
calls_say_end(struct calls *c, struct node *within, uint32_t choice)
{
	const struct call_choice *of = calls_choice(c, choice);

	if (!of->denied || of->kept)
		return;
	for (struct node *n = tree_next(within, within); n; n = tree_next(n, within)) {
		const struct answer_row *row = n->rows ? n->rows->rows : NULL;
		for (size_t i = 0; row && row->read == READ_FINISH && i < 2; i++)
			if (c->d->finish[i] && tree_is(c->t, n, c->d->finish[i]))
				tree_put_form(n, "%s", c->d->none);
	}
}
