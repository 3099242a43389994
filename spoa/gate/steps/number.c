/* Assigns the text that replaces each hit, before the body is edited.
 *
 * A placeholder depends only on the request before its value. Clients send the whole
 * conversation with each turn, so a number that depended on later text would change the
 * beginning of the request, and the provider's prompt cache would not match. Therefore:
 *
 * - Parts outside of the list of messages (instructions, tools) come first, wherever they are in
 *   the body, because the list grows.
 * - Another occurrence of a value is numbered when the value was found, not earlier: a value may
 *   be recognized only in a later turn.
 * - A placeholder in the text, such as one that a tool repeats in an error, is noted when the
 *   numbering comes to it. One that was given before means its value. Any other one is foreign:
 *   it stands for no value, and no later value gets it. */
#include <stdlib.h>

#include "base/err.h"
#include "base/scoped.h"
#include "gate/exchange.h"
#include "gate/files/files.h"
#include "gate/steps/steps.h"
#include "policy/policy.h"
#include "scan/text/inner.h"

/* A place in the order of numbering. */
struct number_place {
	enum { PLACE_TARGET, PLACE_ASIDE, PLACE_MESSAGES } part;
	const struct segment *segment;
	size_t at; /* offset in its text */
};

struct numbered {
	struct hit *hit;
	struct number_place place;
};

/* The state of one request. */
struct numbering {
	struct request *r;
	/* indices of the segments of the list of messages, last exclusive */
	size_t first, last;
	struct number_place noted; /* placeholders in the text before it were noted */
	/* JSON in the segment of the last other occurrence */
	const struct segment *opened;
	struct inner inner;
};

/* ---- the order ---- */

/* Names of the member that has the messages of the conversation. */
static const char *const growing[] = { "messages", "input", "contents", "chat_history" };

static void
find_messages(struct numbering *n)
{
	const struct body *b = &n->r->in.body;

	for (size_t i = 0; n->r->in.have_body && i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (s->role != ROLE_KEY || s->key != SEGMENT_NO_KEY)
			continue;
		if (n->last > n->first) {
			n->last = i;
			return;
		}
		if (SPAN_IN(s->text, growing)) {
			n->first = i;
			n->last = b->nsegments;
		}
	}
}

static struct number_place
number_place_of(const struct numbering *n, const struct segment *s, size_t at)
{
	struct number_place p = { PLACE_TARGET, s, at };

	if (!request_in_target(n->r, s)) {
		size_t i = (size_t)(s - n->r->in.body.segments);
		p.part = i >= n->first && i < n->last ? PLACE_MESSAGES : PLACE_ASIDE;
	}
	return p;
}

static int
by_first_place(const struct number_place *a, const struct number_place *b)
{
	if (a->part != b->part)
		return a->part < b->part ? -1 : 1;
	if (a->segment != b->segment)
		return a->segment < b->segment ? -1 : 1;
	return (a->at > b->at) - (a->at < b->at);
}

static int
numbered_order(const void *x, const void *y)
{
	const struct numbered *a = x, *b = y;
	int order = by_first_place(&a->place, &b->place);

	if (order)
		return order;
	/* equal places: the value itself comes before its other occurrences */
	if (!a->hit->of != !b->hit->of)
		return a->hit->of ? 1 : -1;
	return (a->hit > b->hit) - (a->hit < b->hit);
}

/* Lists the hits in the order of numbering. Returns their number. */
static size_t
list_numbered(struct numbering *n, struct numbered *v)
{
	struct overlay *o = &n->r->scan.overlay;
	size_t count = 0;
	bool sorted = true;

	for (size_t i = 0; i < o->nhits + o->nwholes; i++) {
		struct hit *h = i < o->nhits ? &o->hits[i] : &o->wholes[i - o->nhits];
		const struct file *f = request_file_hit(n->r, h);
		if (f && !f->written)
			continue; /* the file is removed as a whole */
		struct number_place at = number_place_of(n, h->segment, h->f.start);
		if (h->of) {
			struct number_place of = number_place_of(n, h->of->segment, h->of->f.start);
			if (by_first_place(&of, &at) > 0)
				at = of;
		}
		v[count] = (struct numbered){ h, at };
		sorted = sorted && (!count || numbered_order(&v[count - 1], &v[count]) < 0);
		count++;
	}
	if (!sorted)
		qsort(v, count, sizeof(*v), numbered_order);
	return count;
}

/* ---- placeholders in the text ---- */

/* Returns the segment after p->segment in the order of numbering and sets the part of *p; NULL: none. */
static const struct segment *
next_part(const struct numbering *n, struct number_place *p)
{
	const struct request *r = n->r;
	const struct body *b = &r->in.body;
	size_t count = r->in.have_body ? b->nsegments : 0, i;

	if (p->part == PLACE_TARGET) {
		size_t t = p->segment ? (size_t)(p->segment - r->in.target) + 1 : 0;
		if (t < r->in.ntarget)
			return &r->in.target[t];
		p->part = PLACE_ASIDE;
		p->segment = NULL;
	}
	i = p->segment ? (size_t)(p->segment - b->segments) + 1 : 0;
	if (p->part == PLACE_ASIDE) {
		if (i == n->first)
			i = n->last;
		if (i < count)
			return &b->segments[i];
		p->part = PLACE_MESSAGES;
		i = n->first;
	}
	return i < n->last ? &b->segments[i] : NULL;
}

/* Notes the placeholders in the text from n->noted to the place; NULL: to the end. */
static void
note_literals(struct numbering *n, const struct number_place *to)
{
	struct number_place *p = &n->noted;

	for (;;) {
		bool here = to && p->segment == to->segment;
		if (p->segment && (!here || p->at < to->at))
			redactor_repeated(n->r->out.redactor,
				span_cut(p->segment->text, p->at,
					here ? to->at : p->segment->text.n));
		if (here) {
			p->at = p->at > to->at ? p->at : to->at;
			return;
		}
		const struct segment *next = next_part(n, p);
		if (!next)
			return;
		p->segment = next;
		p->at = 0;
	}
}

/* ---- replacements ---- */

/* Returns true for keys and path segments, which must not become empty. */
static bool
is_numbered_name(const struct segment *s)
{
	return s->role == ROLE_KEY || s->role == ROLE_PATH;
}

/* Returns the value that another occurrence spells; p NULL: out of memory. */
static struct span
mention_spelling(struct numbering *n, const struct hit *h)
{
	struct arena *a = &n->r->arena;

	if (h->value.p)
		return hit_value(h);
	if (n->opened != h->segment) {
		bool call = h->segment->role == ROLE_TOOL_CALL;
		if (inner_open(&n->inner, h->segment->text, call, a))
			return (struct span){ NULL, 0 };
		n->opened = h->segment;
	}
	if (!n->inner.n)
		return hit_value(h);
	SCOPED_BUF(said, 0);
	inner_said(&n->inner, h->f.start, h->f.end, &said);
	return buf_failed(&said) ? (struct span){ NULL, 0 } : arena_dup(a, buf_view(&said));
}

/* Returns the replacement of a hit. Another occurrence of a value gets the value's placeholder.
 * If values are restored and it is spelled differently, it gets one of its own. */
static struct span
replacement_of_hit(struct numbering *n, const struct hit *h)
{
	struct request *r = n->r;
	const struct segment *s = h->segment;
	const struct finding *f = &h->f;
	bool own = h->of && r->found.route->response & RESP_RESTORE &&
		   r->found.verdict.redact.with[f->entity] != STYLE_HASH;
	struct span value = own ? mention_spelling(n, h) : hit_value(h->of ? h->of : h);

	if (own && !value.p)
		return value;
	if (h->piece && r->found.verdict.redact.with[f->entity] == STYLE_MASK)
		value = span_cut(s->text, f->start, f->end);
	else if (h->piece == PIECE_FURTHER)
		return SPAN_LIT("");
	if (h->kind == HIT_UNKNOWN)
		return redactor_get(r->out.redactor, STYLE_PLACEHOLDER,
			SPAN_LIT("UNCLASSIFIED"), s->text, false, is_numbered_name(s));
	if (h->kind == HIT_CREDENTIAL)
		return redactor_get(r->out.redactor, STYLE_PLACEHOLDER, SPAN_LIT("CREDENTIAL"),
			value, false, is_numbered_name(s));
	return redactor_get(r->out.redactor,
		(enum redact_style)r->found.verdict.redact.with[f->entity],
		span_str(detect_entity_name(r->snap->rules, f->entity)), value,
		detect_entity_folds(r->snap->rules, f->entity), is_numbered_name(s));
}

bool
request_number_hits(struct request *r)
{
	struct overlay *o = &r->scan.overlay;
	struct numbering n = { .r = r };
	struct numbered *v = arena_array(&r->arena, o->nhits + o->nwholes, sizeof(*v));

	if (!v)
		return false;
	find_messages(&n);
	size_t count = list_numbered(&n, v);
	for (size_t i = 0; i < count; i++) {
		note_literals(&n, &v[i].place);
		v[i].hit->with = replacement_of_hit(&n, v[i].hit);
		if (!v[i].hit->with.p)
			return false;
	}
	/* a later request of a kept conversation must not give them to a value either */
	if (r->out.placeholders)
		note_literals(&n, NULL);
	return true;
}
