/* A JSON body as segments. The walker descends the dialect's tree of rows along
 * the document; strings where there is no row are segments all the same, their
 * role ROLE_OTHER. What a message's "role" or a part's "type" decides is settled
 * when the object ends, since both may come after what they speak of. */
#include "base/ascii.h"
#include "text/number.h"
#include "text/opaque.h"
#include "text/reasoning.h"

#include <stdio.h>

#include "base/caps.h"
#include "base/err.h"
#include "codec/json.h"

enum {
	FRACTIONS = 16,	  /* numbers with long ones in a body of measurements */
	OPAQUE_MIN = 256, /* shorter base64 is scanned as text whatever it belongs to */
	FEW = 16,
	SEALS = 2,	    /* of one object */
	DATA_URI_HEAD = 64, /* "data:image/png;base64," */
};

struct frame {
	const struct node *node; /* NULL: below what the dialect knows */
	enum seg_role deep;	 /* of what no row gives a role */
	bool object, message, part;
	uint32_t first; /* segment */
	uint32_t key;	/* segment that names this container */
	size_t start;
	struct span type, source; /* of a part; type.p NULL: none */
	enum seg_role role;	  /* of a message */
	struct seal {
		uint32_t segment;
		const struct seal_row *row;
	} seal[SEALS];
	unsigned nseals;
	struct reasoning_frame said; /* for text/reasoning.c */
	/* the member being read */
	const struct node *member;
	struct span name;
	uint32_t member_key;
};

struct walk {
	const struct dialect *d;
	struct span raw;
	struct arena *a;
	struct body *out;
	struct body_refusal *why;
	struct seglist segs;
	size_t tools_room, params_room, frames_room;
	struct reasoning reasoning;
	uint32_t fraction[FRACTIONS]; /* segments of numbers with long ones */
	unsigned nfractions;
	struct frame *frames; /* frames[0] is around the document */
	unsigned depth;
};

/* ---- refusals ---- */

static int
no_memory(struct walk *w)
{
	refuse(w->why, 413, "request_too_complex", 0, "the body has too many parts to be read");
	return ERR_NOMEM;
}

static int
refuse_json(struct walk *w, const struct json *j)
{
	const char *what;
	size_t at;
	int err = json_error(j, &what, &at);

	if (err == ERR_NOMEM)
		return no_memory(w);
	bool limit = err == ERR_LIMIT;
	refuse(w->why, limit ? 413 : 400,
		limit		       ? "request_too_complex"
		: err == ERR_DUPLICATE ? "duplicate_key"
		: err == ERR_ENCODING  ? "invalid_encoding"
				       : "invalid_json",
		at, "the body is not strict JSON: %s", what);
	return err;
}

static int
refuse_type(struct walk *w, const struct row *row, size_t at)
{
	static const char *const names[] = { "a string", "a number", "a boolean", "null",
		"an object", "an array" };
	char list[80] = "";
	size_t n = 0;

	for (unsigned i = 0, left = row->types; left; left &= ~(1u << i++)) {
		if (!(left & 1u << i))
			continue;
		const char *glue = n == 0 ? "" : left == 1u << i ? " or " : ", ";
		n += (size_t)snprintf(list + n, sizeof(list) - n, "%s%s", glue,
			1u << i == T_NUMBER ? "an integer of zero or more" : names[i]);
	}
	return refuse(w->why, 400, "invalid_type", at, "%s must be %s", row->path, list);
}

/* ---- growing lists ---- */

struct segment *
seglist_add(struct seglist *l)
{
	struct segment *v = arena_grow(l->a, l->v, l->n, &l->room, sizeof(*v), 64);

	if (!v)
		return NULL;
	l->v = v;
	return &l->v[l->n++];
}

static int
add_span(struct walk *w, struct span **v, size_t *n, size_t *room, struct span s)
{
	struct span *more = arena_grow(w->a, *v, *n, room, sizeof(*more), 8);

	if (!more)
		return no_memory(w);
	*v = more;
	more[(*n)++] = s;
	return 0;
}

/* ---- what the dialect reads ---- */

/* Digits only, as T_NUMBER says. */
static int
read_count(struct walk *w, const struct row *row, const struct json_event *ev, int64_t least,
	int64_t *out)
{
	uint64_t v;

	if (span_u64(span_cut(w->raw, ev->start, ev->end), &v) != 0)
		return refuse_type(w, row, ev->start);
	if (v > INT64_MAX || (int64_t)v < least)
		return refuse(w->why, 400, "invalid_value", ev->start, "%s is out of range",
			row->path);
	*out = (int64_t)v;
	return 0;
}

static enum seg_role
message_role(struct span role)
{
	static const struct {
		const char *name;
		enum seg_role role;
	} roles[] = {
		{ "system", ROLE_SYSTEM },
		{ "developer", ROLE_SYSTEM },
		{ "user", ROLE_USER },
		{ "assistant", ROLE_ASSISTANT },
		{ "tool", ROLE_TOOL_RESULT },
		{ "function", ROLE_TOOL_RESULT },
	};

	for (size_t i = 0; i < COUNT_OF(roles); i++)
		if (span_is(role, roles[i].name))
			return roles[i].role;
	return ROLE_OTHER;
}

static int
read_value(struct walk *w, const struct row *row, const struct json_event *ev, struct span text)
{
	struct body *b = w->out;
	struct frame *f = &w->frames[w->depth];
	struct body_marks *m = &b->marks;
	int64_t count;

	switch (row->read) {
	case READ_MODEL:
		b->model = text;
		m->model = ev->start;
		m->model_end = ev->end;
		return 0;
	case READ_STREAM: b->stream = ev->tok == JSON_TRUE; return 0;
	case READ_OPTIONS: /* null; an object is marked where it opens and closes */
		m->options = ev->start;
		m->options_end = ev->end;
		m->options_null = true;
		return 0;
	case READ_INCLUDE_USAGE:
		b->wants_usage = ev->tok == JSON_TRUE;
		m->include = ev->start;
		m->include_end = ev->end;
		return 0;
	case READ_CAP:
		count = -1;
		if (ev->tok != JSON_NULL && read_count(w, row, ev, 0, &count))
			return ERR_SYNTAX;
		INVARIANT(m->ncaps < COUNT_OF(m->cap));
		m->cap[m->ncaps++] = (struct cap_mark){ ev->start, ev->end, count };
		if (count > b->output_cap_tokens)
			b->output_cap_tokens = count;
		return 0;
	case READ_CHOICES:
		return ev->tok == JSON_NULL ? 0 : read_count(w, row, ev, 1, &b->choices);
	case READ_ROLE: f->role = message_role(text); return 0;
	case READ_SOURCE_TYPE: w->frames[w->depth - 1].source = text; return 0;
	case READ_TOOL: return add_span(w, &b->tools, &b->ntools, &w->tools_room, text);
	default: return 0;
	}
}

/* ---- opaque parts ---- */

static bool
is_base64(struct span s)
{
	while (s.n && s.p[s.n - 1] == '=')
		s.n--;
	return span_is_alnum(s, "+/-_");
}

/* Where the base64 of a "data:image/png;base64,…" begins; 0: the whole is
 * base64, or it is no such URI (then is_base64 says no, for the colon). */
static size_t
data_uri_head(struct span s)
{
	size_t comma = span_chr(span_cut(s, 0, DATA_URI_HEAD), ',');

	if (comma >= DATA_URI_HEAD || comma >= s.n || !span_istarts(s, SPAN_LIT("data:")) ||
		!span_ends(span_cut(s, 0, comma), SPAN_LIT(";base64")))
		return 0;
	return comma + 1;
}

static bool
may_be_opaque(struct span text)
{
	struct span data = span_cut(text, data_uri_head(text), text.n);

	return text.n >= OPAQUE_MIN && is_base64(data) && opaque_is_noise(data);
}

/* The data of an opaque part ceases to be text; its head stays. */
static void
cut_opaque(struct walk *w, struct segment *s)
{
	size_t head = data_uri_head(s->text);
	struct span raw = span_cut(w->raw, s->start, s->end);

	w->out->inspected_bytes -= s->text.n - head;
	s->end = s->start + (uint32_t)(s->escaped ? json_raw_offset(raw, head) : head);
	s->text.n = head;
	s->opaque = true;
}

static const char *
part_kind(const struct walk *w, const struct frame *f)
{
	for (const struct part_row *p = w->d->parts; f->type.p && p->type; p++) {
		if (!span_is(f->type, p->type))
			continue;
		if (p->by_source &&
			(span_is(f->source, "text") || span_is(f->source, "content")))
			return NULL;
		return p->kind;
	}
	return "unknown";
}

static int
part_end(struct walk *w, const struct frame *f, size_t end)
{
	const char *kind = part_kind(w, f);
	bool known = kind && strcmp(kind, "unknown");

	for (size_t i = f->first; i < w->segs.n; i++) {
		struct segment *s = &w->segs.v[i];
		if (s->candidate && known)
			cut_opaque(w, s);
		s->candidate = false;
		s->counted |= kind != NULL;
	}
	if (!kind || !opaque_add(&w->out->unread, w->a, span_str(kind), end - f->start))
		return 0;
	return no_memory(w);
}

/* ---- what the provider sealed ---- */

static void
note_seal(struct walk *w, const struct json_event *ev, struct span text)
{
	struct frame *f = &w->frames[w->depth];

	if (!f->object || ev->tok != JSON_STRING)
		return;
	if (span_is(f->name, "type"))
		f->type = text;
	reasoning_string(&f->said, f->name, text);
	if (f->member && f->member->seal && f->nseals < SEALS)
		f->seal[f->nseals++] =
			(struct seal){ (uint32_t)(w->segs.n - 1), f->member->seal };
}

/* Only now is the type of the object known. */
static void
settle_seals(struct walk *w, struct frame *f)
{
	for (unsigned i = 0; i < f->nseals; i++) {
		const struct seal_row *row = f->seal[i].row;
		struct segment *s = &w->segs.v[f->seal[i].segment];
		s->sealed = !row->of || span_is(f->type, row->of);
		if (s->sealed && row->signs && s->end > s->start)
			(f - (row->signs - 1))->said.signs = row;
	}
}

/* What its objects say of turns and of signed reasoning, outwards. */
static int
settle_reasoning(struct walk *w, struct frame *f, size_t end)
{
	struct signed_block block = {
		.start = f->start, .end = end, .first = f->first, .last = (uint32_t)w->segs.n
	};

	return reasoning_end(&w->reasoning, &f->said, &(f - 1)->said, &block, w->a)
		       ? no_memory(w)
		       : 0;
}

/* ---- the walk ---- */

static int
add_segment(struct walk *w, enum seg_role role, enum seg_form form, const struct json_event *ev,
	struct span text, uint32_t key)
{
	if (w->segs.n == CAP_SEGMENTS) {
		refuse(w->why, 413, "request_too_complex", ev->start,
			"the body has too many strings");
		return ERR_LIMIT;
	}
	struct segment *s = seglist_add(&w->segs);
	if (!s)
		return no_memory(w);
	*s = (struct segment){
		.role = role,
		.form = form,
		.escaped = ev->escaped,
		.key = key,
		.start = (uint32_t)ev->start,
		.end = (uint32_t)ev->end,
		.text = text,
	};
	w->out->inspected_bytes += text.n;
	return 0;
}

static int
read_key(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *clash;
	struct span text = json_text(w->a, w->raw, ev);

	if (!text.p)
		return no_memory(w);
	f->name = text;
	reasoning_key(&f->said, text);
	f->member = node_member(f->node, text, &clash);
	f->member_key = (uint32_t)w->segs.n;
	if (clash && w->d->json)
		return refuse(w->why, 400, "ambiguous_key", ev->start,
			"a key differs from \"%.*s\" only by case", SPAN_ARG(clash->key));
	int err = add_segment(w, ROLE_KEY, SEG_JSON, ev, text, f->key);
	if (!err)
		w->segs.v[w->segs.n - 1].reserved = w->d->json && f->member;
	return err;
}

static int
add_param(struct walk *w, const struct json_event *ev, struct span text)
{
	struct body *b = w->out;
	struct body_param *v =
		arena_grow(w->a, b->params, b->nparams, &w->params_room, sizeof(*v), 8);

	if (!v)
		return no_memory(w);
	b->params = v;
	v += b->nparams++;
	v->name = w->frames[1].name;
	v->text = text;
	switch (ev->tok) {
	case JSON_STRING: v->kind = PARAM_STRING; break;
	case JSON_NUMBER: v->kind = PARAM_NUMBER; break;
	case JSON_NULL: v->kind = PARAM_NULL; break;
	default: v->kind = PARAM_BOOL;
	}
	return 0;
}

static unsigned
type_of(enum json_tok tok)
{
	switch (tok) {
	case JSON_STRING: return T_STRING;
	case JSON_NUMBER: return T_NUMBER;
	case JSON_TRUE:
	case JSON_FALSE: return T_BOOL;
	case JSON_NULL: return T_NULL;
	case JSON_OBJECT: return T_OBJECT;
	default: return T_ARRAY;
	}
}

/* Among so many numbers with long fractions one is a measurement (scores, embeddings), not
 * somebody's number in disguise: what is after the points is no reading of any. */
static struct span
read_number(struct walk *w, struct span literal)
{
	bool fraction;
	struct span text = number_text(literal, w->nfractions < FRACTIONS, w->a, &fraction);

	if (!text.p || !fraction)
		return text;
	w->fraction[w->nfractions++] = (uint32_t)w->segs.n;
	if (w->nfractions < FRACTIONS)
		return text;
	for (unsigned i = 0; i < FRACTIONS - 1; i++) {
		struct segment *s = &w->segs.v[w->fraction[i]];
		text = number_text(span_cut(w->raw, s->start, s->end), false, w->a, &fraction);
		if (!text.p)
			return text;
		w->out->inspected_bytes -= s->text.n - text.n;
		s->text = text;
	}
	return number_text(literal, false, w->a, &fraction);
}

static int
read_scalar(struct walk *w, const struct row *row, enum seg_role role,
	const struct json_event *ev, uint32_t key)
{
	struct span text = span_cut(w->raw, ev->start, ev->end);
	int err = 0;

	if (ev->tok == JSON_STRING) {
		text = json_text(w->a, w->raw, ev);
		if (!text.p)
			return no_memory(w);
		err = add_segment(w, role, SEG_JSON, ev, text, key);
	} else if (ev->tok == JSON_NUMBER && number_is_long(text)) {
		struct span number = read_number(w, text);
		if (!number.p)
			return no_memory(w);
		err = add_segment(w, role, SEG_NUMBER, ev, number, key);
	}
	if (err)
		return err;
	if (row && w->segs.n && w->segs.v[w->segs.n - 1].start == ev->start) {
		struct segment *s = &w->segs.v[w->segs.n - 1];
		s->reserved = row->flags & F_RESERVED;
		s->candidate = (row->flags & F_OPAQUE) && may_be_opaque(text);
	}
	note_seal(w, ev, text);
	if (w->depth == 1 && w->frames[1].object)
		err = add_param(w, ev, text);
	return !err && row ? read_value(w, row, ev, text) : err;
}

static int
push(struct walk *w, const struct node *node, const struct row *row,
	const struct json_event *ev, uint32_t key)
{
	enum seg_role deep = w->frames[w->depth].deep;
	bool object = ev->tok == JSON_OBJECT;

	struct frame *frames = arena_grow(
		w->a, w->frames, w->depth + 1, &w->frames_room, sizeof(*frames), FEW);
	if (!frames)
		return no_memory(w);
	w->frames = frames;
	const struct frame *around = &w->frames[w->depth];
	const struct frame *holder = w->depth && !around->object ? around - 1 : around;
	struct reasoning_frame said =
		reasoning_open(&around->said, object, !around->object, holder->name);
	w->frames[++w->depth] = (struct frame){
		.node = node,
		.deep = row && (row->flags & F_DEEP) ? row->role : deep,
		.object = object,
		.message = row && row->read == READ_MESSAGE,
		.part = object && row && row->read == READ_PART,
		.first = (uint32_t)w->segs.n,
		.key = key,
		.start = ev->start,
		.role = ROLE_OTHER,
		.said = said,
	};
	if (w->depth == 1 && object)
		w->out->marks.top = ev->end;
	if (row && row->read == READ_OPTIONS)
		w->out->marks.options = ev->start;
	return 0;
}

static int
pop(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth--];
	int err = f->part ? part_end(w, f, ev->end) : 0;

	settle_seals(w, f);
	if (!err)
		err = settle_reasoning(w, f, ev->end);
	if (f->message)
		for (size_t i = f->first; i < w->segs.n; i++)
			if (w->segs.v[i].role == ROLE_BY_MESSAGE)
				w->segs.v[i].role = f->role;
	if (w->depth == 0)
		w->out->marks.top_empty = w->segs.n == 0;
	if (f->node && f->node->row && f->node->row->read == READ_OPTIONS) {
		w->out->marks.options_end = ev->end;
		w->out->marks.options_empty = f->first == w->segs.n;
	}
	return err;
}

static int
read_any(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *node = f->object ? f->member : f->node ? f->node->element : NULL;
	const struct row *row = node ? node->row : NULL;
	uint32_t key = f->object ? f->member_key : f->key;

	if (w->depth == 0) /* the document itself */
		node = f->node;
	if (w->depth == 0 && w->d->json && ev->tok != JSON_OBJECT)
		return refuse(
			w->why, 400, "invalid_type", ev->start, "the body must be an object");
	if (row && row->types && !(row->types & type_of(ev->tok)))
		return refuse_type(w, row, ev->start);
	if (ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
		return read_scalar(w, row, row ? row->role : f->deep, ev, key);
	return push(w, node, row, ev, key);
}

/* Two make a string: a list of segments that is made large enough at once is
 * never copied, and wastes nothing of a request's arena. */
static size_t
count_quotes(struct span raw)
{
	size_t n = 0, i = 0;

	for (; raw.n - i >= 64; i += 64) { /* a shape that compilers vectorise */
		unsigned char some = 0;
		for (size_t k = 0; k < 64; k++)
			some = (unsigned char)(some + (raw.p[i + k] == '"'));
		n += some;
	}
	for (; i < raw.n; i++)
		n += raw.p[i] == '"';
	return n < 2 * CAP_SEGMENTS ? n : 2 * CAP_SEGMENTS;
}

int
body_json(const struct dialect *d, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct walk *w = arena_new(a, struct walk);
	struct json *j = json_open(a, raw);
	struct json_event ev;
	int err = 0;

	*out = (struct body){
		.dialect = d, .format = BODY_JSON, .output_cap_tokens = -1, .choices = 1
	};
	if (!w || !j) {
		refuse(why, 413, "request_too_complex", 0, "no memory to read the body");
		return ERR_NOMEM;
	}
	w->d = d;
	w->raw = raw;
	w->a = a;
	w->out = out;
	w->why = why;
	w->segs.a = a;
	w->segs.room = count_quotes(raw) / 2 + FEW;
	w->frames_room = FEW;
	w->segs.v = arena_array(a, w->segs.room, sizeof(*w->segs.v));
	w->frames = arena_array(a, w->frames_room, sizeof(*w->frames));
	if (!w->segs.v || !w->frames)
		return no_memory(w);
	w->frames[0] = (struct frame){
		.node = table_tree(d), .deep = ROLE_OTHER, .key = SEGMENT_NO_KEY
	};
	while (!err) {
		switch (json_next(j, &ev)) {
		case JSON_END:
			out->segments = w->segs.v;
			out->nsegments = w->segs.n;
			out->reasoning = w->reasoning.v;
			out->nreasoning = w->reasoning.n;
			return 0;
		case JSON_ERROR: err = refuse_json(w, j); break;
		case JSON_KEY: err = read_key(w, &ev); break;
		case JSON_OBJECT_END:
		case JSON_ARRAY_END: err = pop(w, &ev); break;
		default: err = read_any(w, &ev);
		}
	}
	return err;
}
