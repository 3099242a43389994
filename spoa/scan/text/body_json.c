/* Reads a JSON body as segments.
 *
 * The walk descends the tree of the dialect's rows together with the document. Strings without a
 * row become segments with ROLE_OTHER. A message's "role" or a part's "type" may come after the
 * members that depend on it, so both are applied when the object ends (pop()).
 *
 * States: frames[0] is around the document, frames[depth] is the innermost open object or list.
 * json_next() drives the walk: a key sets the frame's current member, an opening bracket pushes
 * a frame, a closing bracket pops it, and a scalar is read at once. */
#include <stdio.h>

#include "base/caps.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/text/walk.h"

/* ---- refusals ---- */

int
walk_no_memory(struct walk *w)
{
	return refuse_room(w->why, "the body has too many parts to be read");
}

static int
refuse_json(struct walk *w, const struct json *j)
{
	const char *what;
	size_t at;
	int err = json_error(j, &what, &at);

	if (err == ERR_NOMEM)
		return walk_no_memory(w);
	bool limit = err == ERR_LIMIT;
	refuse(w->why, limit ? 413 : 400,
		limit		       ? "request_too_complex"
		: err == ERR_DUPLICATE ? "duplicate_key"
		: err == ERR_ENCODING  ? "invalid_encoding"
				       : "invalid_json",
		at, "the body is not strict JSON: %s", what);
	return err;
}

int
walk_refuse_type(struct walk *w, const struct row *row, size_t at)
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
	const char *path = row->path + (row->path[0] == '.');
	return refuse(w->why, 400, "invalid_type", at, "%s must be %s", path, list);
}

struct segment *
seglist_add(struct seglist *l)
{
	struct segment *v = arena_grow(l->a, l->v, l->n, &l->room, sizeof(*v), 64);

	if (!v)
		return NULL;
	l->v = v;
	return &l->v[l->n++];
}

/* ---- strings that the provider sealed ---- */

static void
note_seal(struct walk *w, const struct json_event *ev, struct span text)
{
	struct frame *f = &w->frames[w->depth];

	if (!f->object || ev->tok != JSON_STRING)
		return;
	INVARIANT(w->segs.n > 0); /* the string is the segment that was added last */
	if (span_is(f->name, "type"))
		f->type = text;
	reasoning_string(&f->said, f->name, text);
	if (f->member && f->member->seal && f->nseals < WALK_SEALS)
		f->seal[f->nseals++] =
			(struct seal){ (uint32_t)(w->segs.n - 1), f->member->seal };
}

/* Marks the sealed strings of an object. This happens when the object ends, because only then is
 * its type known. */
static void
settle_seals(struct walk *w, struct frame *f)
{
	for (unsigned i = 0; i < f->nseals; i++) {
		const struct seal_row *row = f->seal[i].row;
		INVARIANT(f->seal[i].segment < w->segs.n);
		struct segment *s = &w->segs.v[f->seal[i].segment];
		s->sealed = !row->of || span_is(f->type, row->of);
		if (s->sealed && row->signs && s->end > s->start)
			(f - (row->signs - 1))->said.signs = row;
	}
}

/* Ends an object for reasoning.c, which records turns and signed blocks. The facts are passed to
 * the object around it. */
static int
settle_reasoning(struct walk *w, struct frame *f, size_t end)
{
	struct signed_block block = {
		.start = f->start, .end = end, .first = f->first, .last = (uint32_t)w->segs.n
	};

	return reasoning_end(&w->reasoning, &f->said, &(f - 1)->said, &block, w->a)
		       ? walk_no_memory(w)
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
		return walk_no_memory(w);
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
read_body_key(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *clash;
	struct span text = json_text(w->a, w->raw, ev);

	if (!text.p)
		return walk_no_memory(w);
	f->name = text;
	reasoning_key(&f->said, text);
	f->member = node_member(f->node, text, &clash);
	f->member_key = (uint32_t)w->segs.n;
	if (clash && w->t->rows)
		return refuse(w->why, 400, "ambiguous_key", ev->start,
			"a key differs from \"%.*s\" only by case", SPAN_ARG(clash->key));
	if (f->member && f->member->snake.n) {
		if (f->seen & UINT64_C(1) << f->member->bit)
			return refuse(w->why, 400, "duplicate_key", ev->start,
				"\"%.*s\" occurs twice, in two spellings",
				SPAN_ARG(f->member->key));
		f->seen |= UINT64_C(1) << f->member->bit;
	}
	if (f->part)
		walk_part_key(w, f, f->member ? f->member->key : text);
	int err = add_segment(w, ROLE_KEY, SEG_JSON, ev, text, f->key);
	if (!err)
		w->segs.v[w->segs.n - 1].reserved =
			w->t->rows && f->member && f->member != f->node->any;
	return err;
}

static int
add_param(struct walk *w, struct span name, const struct json_event *ev, struct span text)
{
	struct body *b = w->out;
	struct body_param param = { name, PARAM_BOOL, text };

	if (ev->tok == JSON_STRING || ev->tok == JSON_NUMBER || ev->tok == JSON_NULL)
		param.kind = ev->tok == JSON_STRING   ? PARAM_STRING
			     : ev->tok == JSON_NUMBER ? PARAM_NUMBER
						      : PARAM_NULL;
	return ARENA_PUSH(w->a, b->params, b->nparams, w->params_room, 8, param)
		       ? 0
		       : walk_no_memory(w);
}

/* Returns true if the format has a parameter of this name at another place. Then a member with
 * the name at top level has no meaning to the provider. */
static bool
is_elsewhere(const struct table *t, struct span name)
{
	for (const struct param_row *p = t->params; p && p->path && !t->lenient; p++)
		if (span_is(name, p->name))
			return true;
	return false;
}

/* Counts a reference. A data URI is not counted, because its content is in the body. */
static int
add_ref(struct walk *w, const char *kind, struct span text)
{

	if (!text.n || walk_is_data_uri(text))
		return 0;
	w->refs++;
	return ref_add(w->out, &w->refs_room, &(struct body_ref){ kind, 1 }, w->a)
		       ? walk_no_memory(w)
		       : 0;
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

/* Returns the text of a number. If a body has WALK_FRACTIONS numbers with long fractions, they
 * are measurements such as scores and embeddings, not obfuscated identifiers. Then the readings
 * of the fractions are removed, from the earlier numbers too. */
static struct span
read_literal_number(struct walk *w, struct span literal)
{
	bool fraction;
	struct span text =
		number_text(literal, w->nfractions < WALK_FRACTIONS, w->a, &fraction);

	if (!text.p || !fraction)
		return text;
	INVARIANT(w->nfractions < WALK_FRACTIONS);
	w->fraction[w->nfractions++] = (uint32_t)w->segs.n;
	if (w->nfractions < WALK_FRACTIONS)
		return text;
	for (unsigned i = 0; i < WALK_FRACTIONS - 1; i++) {
		struct segment *s = &w->segs.v[w->fraction[i]];
		text = number_text(span_cut(w->raw, s->start, s->end), false, w->a, &fraction);
		if (!text.p)
			return text;
		w->out->inspected_bytes -= s->text.n - text.n;
		s->text = text;
	}
	return number_text(literal, false, w->a, &fraction);
}

/* Returns whether the key of the current member or element means that its value is a model's
 * name. */
static enum model_key
named_model(const struct walk *w, const struct row *row)
{
	const struct frame *f = &w->frames[w->depth];

	if (f->no_models || !w->depth || (row && (row->flags & F_NONE)))
		return KEY_ELSE;
	if (row && (row->flags & F_NAMES))
		return KEY_MODEL;
	if (!f->object)
		return f->names;
	if (f->names && (f->names == KEY_MODELS || !model_key_in(MODEL_ASIDE, f->name)))
		return f->names;
	return model_key(f->name);
}

static int
read_scalar(struct walk *w, const struct node *node, const struct row *row, enum seg_role role,
	const struct json_event *ev, uint32_t key)
{
	struct span text = span_cut(w->raw, ev->start, ev->end);
	size_t refs = w->refs;
	int err = 0;

	if (ev->tok == JSON_STRING) {
		text = json_text(w->a, w->raw, ev);
		if (!text.p)
			return walk_no_memory(w);
		err = add_segment(w, role, SEG_JSON, ev, text, key);
		if (!err && (w->frames[w->depth].anyone || (row && (row->flags & F_ANYONE))))
			w->segs.v[w->segs.n - 1].unattributed = true;
		bool names = !err && named_model(w, row);
		w->frames[w->depth].told |= names;
		if (names && (!row || row->read != READ_MODEL) &&
			model_add_other(w->out, text, w->a))
			return walk_no_memory(w);
	} else if (ev->tok == JSON_NUMBER && number_is_long(text)) {
		struct span number = read_literal_number(w, text);
		if (!number.p)
			return walk_no_memory(w);
		err = add_segment(w, role, SEG_NUMBER, ev, number, key);
	}
	if (err)
		return err;
	if (row && w->segs.n && w->segs.v[w->segs.n - 1].start == ev->start) {
		struct segment *s = &w->segs.v[w->segs.n - 1];
		s->reserved = row->flags & F_RESERVED;
		s->media = row->flags & F_OPAQUE;
		s->candidate = s->media && walk_may_be_opaque(text);
	}
	note_seal(w, ev, text);
	if (node && node->param)
		err = add_param(w, span_str(node->param), ev, text);
	else if (w->depth == 1 && w->frames[1].object && !is_elsewhere(w->t, w->frames[1].name))
		err = add_param(w, w->frames[1].name, ev, text);
	if (!err && node && node->ref && ev->tok == JSON_STRING)
		err = add_ref(w, node->ref, text);
	bool refers = w->refs > refs &&
		      (strcmp(node->ref, "url") != 0 || memmem(text.p, text.n, "://", 3));
	if (row && (row->flags & F_OPAQUE) && ev->tok == JSON_STRING && text.n && !refers) {
		w->contents++;
		w->segs.v[w->segs.n - 1].data = true;
	}
	return !err && row ? walk_value(w, row, ev, text) : err;
}

static int
push(struct walk *w, const struct node *node, const struct row *row,
	const struct json_event *ev, uint32_t key)
{
	enum seg_role deep = w->frames[w->depth].deep;
	bool object = ev->tok == JSON_OBJECT;

	struct frame *frames = arena_grow(
		w->a, w->frames, w->depth + 1, &w->frames_room, sizeof(*frames), WALK_FEW);
	if (!frames)
		return walk_no_memory(w);
	w->frames = frames;
	if (node && node->ref && !object && add_ref(w, node->ref, SPAN_LIT("[]")))
		return walk_no_memory(w);
	const struct frame *around = &w->frames[w->depth];
	const struct frame *holder = w->depth && !around->object ? around - 1 : around;
	struct span called = around->object ? around->name : SPAN_LIT("");
	bool none = around->no_models || (row && (row->flags & F_NONE)) ||
		    model_key_in(MODEL_OWN, called) ||
		    (around->schema && model_key_in(MODEL_SCHEMA_KEYWORD, called));
	enum model_key names = named_model(w, row);
	/* Each object in a list describes itself by its own members. */
	if (object && (!around->object || names == KEY_MODEL))
		names = names ? KEY_MODEL : KEY_ELSE;
	struct reasoning_frame said =
		reasoning_open(&around->said, object, !around->object, holder->name);
	INVARIANT(w->depth + 1 < w->frames_room);
	w->frames[++w->depth] = (struct frame){
		.node = node,
		.row = row,
		.deep = row && (row->flags & F_DEEP) ? row->role : deep,
		.object = object,
		.anyone = around->anyone || (row && (row->flags & F_ANYONE)),
		.no_models = none,
		.schema = around->schema || model_key_in(MODEL_SCHEMA, called),
		.names = names,
		.message = row && row->read == READ_MESSAGE,
		.part = object && row && row->read == READ_PART,
		.first = (uint32_t)w->segs.n,
		.key = key,
		.start = ev->start,
		.refs = w->refs,
		.contents = w->contents,
		.role = w->t->speaker,
		.said = said,
	};
	if (w->depth == 1 && object)
		w->out->marks.top = ev->end;
	if (row && row->read == READ_OPTIONS)
		w->out->marks.options = ev->start;
	w->out->prompts += row && row->read == READ_PROMPT;
	struct request_mark *q = walk_request(w);
	if (row && row->read == READ_CAP_HOLDER && q)
		q->holder = ev->start;
	struct frame *f = &w->frames[w->depth];
	if (w->t->inner && walk_is_request(w, f) && !(f->node = table_tree(w->t->inner)))
		return walk_no_memory(w);
	return walk_is_request(w, f) ? walk_begin_request(w, ev->end) : 0;
}

static int
pop(struct walk *w, const struct json_event *ev)
{
	INVARIANT(w->depth > 0); /* the JSON parser closes only what it opened */
	struct frame *f = &w->frames[w->depth--];
	int err = f->part ? walk_part_end(w, f, ev->end) : 0;

	INVARIANT(f->ids <= w->segs.n && f->first <= w->segs.n);
	if (f->ids)
		w->segs.v[f->ids - 1].end = (uint32_t)ev->end;
	settle_seals(w, f);
	if (!err)
		err = settle_reasoning(w, f, ev->end);
	/* In "models": {"x": {}} the key x is the model. */
	struct frame *holder = &w->frames[w->depth];
	if (f->names && f->object && !f->told && holder->object && holder->names) {
		f->told = true;
		if (model_add_other(w->out, holder->name, w->a))
			return walk_no_memory(w);
	}
	holder->told |= f->told;
	bool anyone = f->anyone || f->role == ROLE_OTHER || (f->item && !f->spoken);
	for (size_t i = f->message ? f->first : w->segs.n; i < w->segs.n; i++) {
		struct segment *v = &w->segs.v[i];
		bool by = v->role == ROLE_BY_MESSAGE;
		v->unattributed |= anyone && (by || (v->role == ROLE_OTHER && !v->reserved));
		if (by)
			v->role = f->role;
	}
	if (f->row && f->row->read == READ_OPTIONS) {
		w->out->marks.options_end = ev->end;
		w->out->marks.options_empty = f->first == w->segs.n;
	}
	struct request_mark *q = walk_request(w);
	if (f->row && f->row->read == READ_CAP_HOLDER && q) {
		q->holder_end = ev->end;
		q->holder_empty = f->first == w->segs.n;
	}
	if (q && walk_is_request(w, f))
		q->empty = f->first == w->segs.n;
	return err;
}

static int
read_any(struct walk *w, const struct json_event *ev)
{
	struct frame *f = &w->frames[w->depth];
	const struct node *node = f->object ? f->member : f->node ? f->node->element : NULL;
	const struct row *row = node ? node->row : NULL;
	uint32_t key = f->object ? f->member_key : f->key;

	if (w->depth == 0) { /* the document itself */
		node = f->node;
		row = node->row;
	}
	if (w->depth == 0 && w->t->json && ev->tok != JSON_OBJECT)
		return refuse(
			w->why, 400, "invalid_type", ev->start, "the body must be an object");
	if (row && (row->flags & F_ONE) && ev->tok == JSON_OBJECT && node->element) {
		node = node->element;
		row = node->row;
	}
	if (row && row->types && !(row->types & type_of(ev->tok))) {
		bool edited = row->read == READ_MODEL || row->read == READ_CAP ||
			      row->read == READ_CAP_HOLDER;
		if (!w->t->lenient || edited)
			return walk_refuse_type(w, row, ev->start);
		node = NULL;
		row = NULL;
	}
	if (ev->tok != JSON_OBJECT && ev->tok != JSON_ARRAY)
		return read_scalar(w, node, row, row ? row->role : f->deep, ev, key);
	return push(w, node, row, ev, key);
}

/* Returns the number of quotes, two for each string. With it, the list of segments is allocated
 * once with enough room: it is never copied, and no arena memory is wasted. */
static size_t
count_quotes(struct span raw)
{
	size_t n = 0, i = 0;

	for (; raw.n - i >= 64; i += 64) { /* a loop that compilers vectorize */
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
body_json(const struct table *t, struct span raw, struct arena *a, struct body *out,
	struct body_refusal *why)
{
	struct walk *w = arena_new(a, struct walk);
	struct json *j = json_open(a, raw);
	struct json_event ev;
	int err = 0;

	body_begin(out, t, BODY_JSON);
	const struct node *root = table_tree(t);
	if (!w || !j || !root) {
		refuse(why, 413, "request_too_complex", 0,
			"the gateway has no memory to read the body");
		return ERR_NOMEM;
	}
	w->t = t;
	w->raw = raw;
	w->a = a;
	w->out = out;
	w->why = why;
	w->segs.a = a;
	w->segs.room = count_quotes(raw) / 2 + WALK_FEW;
	w->frames_room = WALK_FEW;
	w->segs.v = arena_array(a, w->segs.room, sizeof(*w->segs.v));
	w->frames = arena_array(a, w->frames_room, sizeof(*w->frames));
	if (!w->segs.v || !w->frames)
		return walk_no_memory(w);
	w->frames[0] = (struct frame){ .node = root,
		.deep = ROLE_OTHER,
		.key = SEGMENT_NO_KEY,
		.no_models = t->no_models };
	while (!err) {
		switch (json_next(j, &ev)) {
		case JSON_END:
			INVARIANT(w->depth == 0 && w->segs.n <= CAP_SEGMENTS);
			out->segments = w->segs.v;
			out->nsegments = w->segs.n;
			out->reasoning = w->reasoning.v;
			out->nreasoning = w->reasoning.n;
			return 0;
		case JSON_ERROR: err = refuse_json(w, j); break;
		case JSON_KEY: err = read_body_key(w, &ev); break;
		case JSON_OBJECT_END:
		case JSON_ARRAY_END: err = pop(w, &ev); break;
		default: err = read_any(w, &ev);
		}
	}
	return err;
}
