/* Calls held until they are decided, whatever the dialect: which events wait, for what, and how
 * they go on. Apart from the dialects' files, which know where in an event a call is. */
#include "answer/calls/calls_private.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/utf8.h"
#include "base/err.h"

static const struct calls_dialect *const dialects[] = { &calls_chat, &calls_anthropic,
	&calls_responses, &calls_gemini, &calls_bedrock, &calls_cohere, &calls_ollama,
	&calls_kept };

const struct calls_dialect *
calls_dialect_of(const struct answer_format *f)
{
	for (size_t i = 0; i < COUNT_OF(dialects); i++)
		for (const struct answer_format *const *is = dialects[i]->formats; *is; is++)
			if (*is == f)
				return dialects[i];
	return NULL;
}

struct calls *
calls_new(const struct answer_format *f, enum frames_kind kind, bool wrap,
	const struct calls_user *user)
{
	const struct calls_dialect *d = calls_dialect_of(f);
	struct calls *c = d ? calloc(1, sizeof(*c)) : NULL;

	if (!c)
		return NULL;
	c->d = d;
	c->format = f;
	c->kept = d->keeps;
	c->user = *user;
	c->kind = kind;
	c->wrap = wrap;
	TAILQ_INIT(&c->calls);
	STAILQ_INIT(&c->events);
	arena_init(&c->work, CAP_ANSWER_WORK, true);
	buf_init(&c->made, 0);
	return c;
}

static void
event_free(struct held_event *e)
{
	if (e->bytes)
		explicit_bzero(e->bytes, e->bytes_n);
	free(e->bytes);
	free(e->pieces);
	free(e);
}

static void
drop_events(struct calls *c)
{
	struct held_event *e;

	struct held_call *h;

	while ((e = STAILQ_FIRST(&c->events))) {
		STAILQ_REMOVE_HEAD(&c->events, all);
		event_free(e);
	}
	c->held = 0;
	TAILQ_FOREACH (h, &c->calls, all) {
		h->like = h->fold = NULL;
		h->folds = 0;
	}
}

void
calls_free(struct calls **cp)
{
	struct calls *c = *cp;
	struct held_call *h;

	if (!c)
		return;
	*cp = NULL;
	drop_events(c);
	while ((h = TAILQ_FIRST(&c->calls))) {
		TAILQ_REMOVE(&c->calls, h, all);
		buf_free(&h->id);
		buf_free(&h->name);
		buf_free(&h->arguments);
		buf_free(&h->text);
		free(h);
	}
	arena_reset(&c->work);
	buf_free(&c->made);
	free(c);
}

size_t
calls_held(const struct calls *c)
{
	const struct held_call *h;
	size_t n = c->held;

	TAILQ_FOREACH (h, &c->calls, all)
		n += h->arguments.n;
	return n;
}

/* ---- calls of an event that is read ---- */

/* Numbers over this are none, and no others' either. */
enum { NO_NUMBER = UINT32_MAX - 1 };

uint32_t
calls_number(const struct tree *t, const struct node *n, uint64_t otherwise)
{
	bool says = n && n->tok != JSON_NULL;
	uint64_t v = tree_number(t, n, says ? NO_NUMBER : otherwise);

	return v > INT32_MAX ? NO_NUMBER : (uint32_t)v;
}

struct held_call *
calls_find(const struct calls *c, uint32_t choice, uint32_t index)
{
	struct held_call *h;

	TAILQ_FOREACH_REVERSE(h, &c->calls, held_calls, all)
	if (h->choice == choice && h->index == index)
		return h;
	return NULL;
}

static struct held_call *
call_new(struct calls *c, uint32_t choice, uint32_t index)
{
	struct held_call *h = c->ncalls < CAP_CALLS ? calloc(1, sizeof(*h)) : NULL;
	const struct held_call *o;

	if (!h)
		return NULL;
	h->of = c;
	h->choice = choice;
	h->index = h->place = index;
	TAILQ_FOREACH (o, &c->calls, all)
		h->place += o->choice == choice && o->again;
	buf_init(&h->id, CALL_NAME);
	buf_init(&h->name, CALL_NAME);
	buf_init(&h->arguments, CAP_CALL_ARGUMENTS);
	buf_init(&h->text, 0);
	TAILQ_INSERT_TAIL(&c->calls, h, all);
	c->ncalls++;
	return h;
}

struct held_call *
calls_at(struct calls *c, uint32_t choice, uint32_t index)
{
	struct held_call *h = calls_find(c, choice, index);

	c->odd |= choice == NO_NUMBER || index == NO_NUMBER;
	return h || c->odd ? h : call_new(c, choice, index);
}

/* One JSON object, and nothing after it. Clients that join it with another one have no JSON. */
static bool
is_whole_call(const struct held_call *h)
{
	return h->end.closed && !h->end.odd && !h->any_text;
}

struct held_call *
calls_by_id(struct calls *c, struct held_call *h, struct span id, struct span name)
{
	const struct held_call *o;
	bool other = h->id.n && id.n && !span_eq(id, buf_view(&h->id));

	if (other && name.n && is_whole_call(h)) {
		/* those after it have their numbers by now */
		TAILQ_FOREACH (o, &c->calls, all)
			c->odd |= o->choice == h->choice && o->index > h->index;
		h->over = true;
		h = c->odd ? NULL : call_new(c, h->choice, h->index);
		if (!h)
			return NULL;
		h->again = c->touched = true;
		h->place++;
	}
	if (!h->id.n)
		buf_span(&h->id, span_cut(id, 0, CALL_NAME));
	return h;
}

int
calls_failed(const struct calls *c)
{
	return c->odd ? CALLS_UNSOUND : c->ncalls == CAP_CALLS ? CALLS_OVER : ERR_NOMEM;
}

/* Halves of surrogate pairs may be in two pieces. */
static int
arguments_hash(struct span arguments, unsigned char out[SHA256_BYTES])
{
	struct buf whole;

	buf_init(&whole, 0);
	utf8_join_halves(arguments, &whole);
	int r = buf_failed(&whole) ? ERR_NOMEM : 0;
	sha256(buf_view(&whole), out);
	buf_free(&whole);
	return r;
}

int
calls_joins(struct span pieces, struct span whole, bool *same)
{
	struct buf joined;

	buf_init(&joined, 0);
	utf8_join_halves(pieces, &joined);
	*same = span_eq(buf_view(&joined), whole);
	int r = buf_failed(&joined) ? ERR_NOMEM : 0;
	buf_free(&joined);
	return r;
}

bool
calls_same(const struct held_call *h, struct span arguments)
{
	unsigned char hash[SHA256_BYTES];

	return h->lost || h->of->user.names_only ||
	       (!arguments_hash(arguments, hash) && !memcmp(hash, h->judged, sizeof(hash)));
}

int
calls_text(const struct tree *t, const struct node *n, struct span *out)
{
	*out = tree_text(t, n);
	return n && n->tok != JSON_STRING && n->tok != JSON_NULL ? CALLS_UNSOUND : 0;
}

int
calls_arguments(const struct tree *t, const struct node *n, struct span *out)
{
	if (!n || n->tok != JSON_OBJECT)
		return calls_text(t, n, out);
	*out = tree_raw(t, n);
	return 0;
}

/* Some say the name in each piece: then it is no part of one. */
static int
note_name(struct held_call *h, struct span name)
{
	if (!name.n)
		return 0;
	if (h->nnames == 1 && span_eq(name, buf_view(&h->name))) {
		h->repeats++;
		return 0;
	}
	if (h->repeats && h->of->d->joins_names)
		return CALLS_UNSOUND;
	if (h->settled)
		return CALLS_AGAIN;
	if (h->nnames == CALL_NAMES)
		return CALLS_OVER;
	buf_span(&h->name, name);
	h->name_ends[h->nnames++] = h->name.n;
	return buf_failed(&h->name) ? CALLS_OVER : 0;
}

static void
note_end(struct call_end *e, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		char b = text.p[i];
		bool opens = b == '{' || b == '[', closes = b == '}' || b == ']';
		if (e->string) {
			e->string = e->escape || b != '"';
			e->escape = !e->escape && b == '\\';
		} else if (e->depth) {
			e->string = b == '"';
			e->depth += opens;
			e->depth -= closes;
			e->closed = !e->depth;
		} else if (!memchr(" \t\r\n", b, 4)) {
			e->odd |= e->closed || b != '{';
			e->depth = opens;
		}
	}
}

int
calls_note(struct held_call *h, struct span name, struct span arguments)
{
	const struct calls_user *u = &h->of->user;
	int r = note_name(h, name);

	if (r || !arguments.n)
		return r;
	h->begun = true;
	note_end(&h->end, arguments);
	if (h->settled && (h->over || !u->names_only))
		return CALLS_AGAIN;
	if (h->settled)
		return h->is == CALL_DENIED ? u->more(u->arg, h->entry, arguments) : 0;
	if (h->arguments.n + arguments.n > CAP_CALL_ARGUMENTS)
		return CALLS_OVER;
	buf_span(&h->arguments, arguments);
	return buf_failed(&h->arguments) ? ERR_NOMEM : 0;
}

int
calls_piece(struct calls *c, struct held_call *h, const struct node *n)
{
	struct held_event *e = c->now;

	if (e->npieces == e->room) {
		size_t room = e->room ? 2 * e->room : 2;
		struct call_piece *v = reallocarray(e->pieces, room, sizeof(*v));
		if (!v)
			return ERR_NOMEM;
		e->pieces = v;
		e->room = room;
	}
	e->pieces[e->npieces++] = (struct call_piece){ .of = h, .at = n->start };
	return 0;
}

void
calls_over(struct calls *c, uint32_t choice, const struct held_call *but)
{
	struct held_call *h;

	TAILQ_FOREACH (h, &c->calls, all)
		if (h->choice == choice && h != but)
			h->over = true;
}

void
calls_all_over(struct calls *c)
{
	struct held_call *h;

	TAILQ_FOREACH (h, &c->calls, all)
		h->over = true;
}

struct call_choice *
calls_choice(struct calls *c, uint32_t number)
{
	for (size_t i = 0; i < c->nchoices; i++)
		if (c->choices[i].number == number)
			return &c->choices[i];
	if (c->nchoices == CALL_CHOICES)
		return NULL;
	c->choices[c->nchoices] = (struct call_choice){ .number = number };
	return &c->choices[c->nchoices++];
}

/* ---- what becomes of them ---- */

static int
ask_about_call(struct calls *c, struct held_call *h, struct call_answer *got)
{
	struct span names[CALL_NAMES + 2] = { buf_view(&h->name) }, all = names[0], joined;
	struct call call = { .names = names,
		.nnames = 1,
		.any_text = h->any_text,
		.apart = h->apart,
		.lost = h->lost,
		.by_name = c->user.names_only && !h->over,
		.kept = c->kept,
		.goes_with_denied = h->with && h->with->is == CALL_DENIED };
	struct buf whole, repeated;

	buf_init(&repeated, CALL_NAME);
	for (size_t i = 0; c->d->joins_names && h->repeats && i <= h->repeats; i++)
		buf_span(&repeated, all);
	if (!buf_failed(&repeated)) /* no tool's name is longer */
		call.repeated = buf_view(&repeated);
	for (size_t i = 0, from = 0; h->nnames > 1 && i < h->nnames; i++) {
		names[call.nnames++] = span_cut(all, from, h->name_ends[i]);
		from = h->name_ends[i];
	}
	if (h->also)
		names[call.nnames++] = span_str(h->also);
	/* pairs of surrogates may be in two pieces */
	buf_init(&whole, 0);
	utf8_join_halves(buf_view(&h->arguments), &whole);
	joined = buf_view(&whole);
	call.arguments = joined;
	int r = buf_failed(&whole) ? ERR_NOMEM : c->user.judge(c->user.arg, &call, got);
	if (!r && got->is != CALL_GOES)
		buf_span(&h->text, got->text);
	buf_free(&whole);
	buf_free(&repeated);
	return r ? r : buf_failed(&h->text) ? ERR_NOMEM : 0;
}

/* Those before it that were taken out. One that is taken out before one that went leaves a
 * hole, which crashes clients. */
static int
count_less(const struct calls *c, struct held_call *h)
{
	const struct held_call *o;

	TAILQ_FOREACH (o, &c->calls, all) {
		if (o->choice != h->choice || !o->settled || o == h)
			continue;
		h->less += o->is == CALL_DENIED && o->place < h->place;
		if (h->is == CALL_DENIED && o->is != CALL_DENIED && o->place > h->place)
			return CALLS_UNSOUND;
	}
	return 0;
}

/* Those that are known, in their order. */
static int
settle_calls(struct calls *c)
{
	struct held_call *h;

	TAILQ_FOREACH (h, &c->calls, all) {
		struct call_answer got = { .is = CALL_GOES };
		struct call_choice *of;
		/* it is over, or its name is, and rules read no more of it */
		bool known = h->over || (c->user.names_only && h->begun && h->nnames);
		if (h->settled || !known)
			continue;
		of = calls_choice(c, h->choice);
		if (!of)
			return CALLS_OVER;
		/* by some its name goes with the arguments of the one before */
		if (h->again && h->over && !is_whole_call(h))
			return CALLS_UNSOUND;
		int r = ask_about_call(c, h, &got);
		if (r)
			return r;
		r = arguments_hash(buf_view(&h->arguments), h->judged);
		if (r)
			return r;
		h->settled = true;
		h->is = got.is;
		h->entry = got.entry;
		if (c->d->renumbers && (r = count_less(c, h)))
			return r;
		of->denied += got.is == CALL_DENIED;
		of->kept += got.is != CALL_DENIED;
		c->touched |= got.is == CALL_DENIED;
		if (!h->folds)
			buf_free(&h->arguments);
	}
	return 0;
}

/* ---- events ---- */

static void
keep_view(struct held_event *e, struct span *s, struct span raw, size_t *at)
{
	bool within = s->p >= raw.p && s->p + s->n <= raw.p + raw.n;

	if (!s->n)
		return;
	if (within) {
		s->p = e->bytes + (s->p - raw.p);
		return;
	}
	memcpy(e->bytes + *at, s->p, s->n);
	s->p = e->bytes + *at;
	*at += s->n;
}

/* A copy. NULL: out of memory. */
static struct held_event *
event_new(const struct frame *f)
{
	struct held_event *e = calloc(1, sizeof(*e));
	size_t at = f->raw.n;

	if (!e)
		return NULL;
	e->bytes_n = f->raw.n + f->type.n + f->data.n + f->said.n + f->wrapped.n;
	e->bytes = malloc(e->bytes_n + 1);
	if (!e->bytes) {
		free(e);
		return NULL;
	}
	e->frame = *f;
	memcpy(e->bytes, f->raw.p, f->raw.n);
	e->frame.raw.p = e->bytes;
	keep_view(e, &e->frame.type, f->raw, &at);
	keep_view(e, &e->frame.data, f->raw, &at);
	keep_view(e, &e->frame.said, f->raw, &at);
	keep_view(e, &e->frame.wrapped, f->raw, &at);
	return e;
}

struct held_event *
calls_event(struct calls *c, const struct frame *f)
{
	struct held_event *e = event_new(f);

	if (e) {
		STAILQ_INSERT_TAIL(&c->events, e, all);
		c->held += sizeof(*e) + e->bytes_n;
	}
	return e;
}

/* A frame of ours, in c->made, as a reader would have it. */
static int
pass_made(struct calls *c)
{
	struct span in = buf_view(&c->made);
	struct frames again;
	struct buf inner;
	struct frame f;

	if (buf_failed(&c->made))
		return ERR_NOMEM;
	if (c->kind == FRAMES_ARRAY) {
		f = (struct frame){ .raw = in, .data = in, .has_data = true };
		return c->user.pass(c->user.arg, &f);
	}
	frames_init(&again, c->kind, CAP_CALL_EVENT);
	buf_init(&inner, 0);
	int r = frames_next(&again, &in, &f);
	if (r == FRAME_MORE)
		r = frames_end(&again, &f);
	if (r == FRAME_WHOLE && c->wrap && frame_unwrap(&f, &inner) == ERR_NOMEM)
		r = ERR_NOMEM;
	r = r == FRAME_WHOLE ? c->user.pass(c->user.arg, &f) : r < 0 ? r : CALLS_OVER;
	frames_free(&again);
	buf_free(&inner);
	return r;
}

int
calls_say(struct calls *c, struct span type, struct buf *b)
{
	struct frame_writer w;
	int r = buf_failed(b) ? ERR_NOMEM : 0;

	frame_writer_init(&w, c->kind);
	w.wrap = c->wrap;
	buf_clear(&c->made);
	if (!r && c->kind == FRAMES_ARRAY)
		buf_span(&c->made, buf_view(b));
	else if (!r &&
		 frame_write(&w, c->wrap ? c->now->frame.type : type, buf_view(b), &c->made))
		r = ERR_NOMEM;
	buf_free(b);
	return r ? r : pass_made(c);
}

/* The tree, in a frame like this. */
static int
rewrite(struct calls *c, const struct frame *as, const struct tree *t)
{
	struct frame_writer w;
	struct buf data;
	int r = 0;

	frame_writer_init(&w, c->kind);
	w.wrap = c->wrap;
	buf_init(&data, 0);
	tree_write(t, t->root, &data);
	buf_clear(&c->made);
	if (buf_failed(&data))
		r = ERR_NOMEM;
	else if (c->kind == FRAMES_ARRAY)
		buf_span(&c->made, buf_view(&data));
	else
		r = frame_rewrite(&w, as, buf_view(&data), &c->made);
	buf_free(&data);
	return r == ERR_LIMIT ? CALLS_OVER : r ? r : pass_made(c);
}

struct held_call *
calls_of(struct calls *c, const struct node *n)
{
	const struct held_event *e = c->now;

	for (size_t i = 0; n && i < e->npieces; i++) {
		struct call_piece *p = &e->pieces[(c->piece + i) % e->npieces];
		if (p->at != n->start)
			continue;
		c->piece = (size_t)(p - e->pieces) + 1;
		p->is_said = true;
		return p->of;
	}
	return NULL;
}

/* A piece that would have been changed and was not found again does not go. */
static int
all_said(const struct held_event *e)
{
	for (size_t i = 0; i < e->npieces; i++)
		if (!e->pieces[i].is_said && e->pieces[i].of->is != CALL_GOES)
			return CALLS_UNSOUND;
	return 0;
}

/* What was read without memory is not what was said. */
static int
over_room(const struct calls *c, int r)
{
	return !r && arena_failed(&c->work) ? ERR_NOMEM : r;
}

int
calls_say_event(struct calls *c, struct held_event *e, const struct frame *as)
{
	bool drop = false;
	struct tree t;

	c->now = e;
	c->piece = 0;
	int r = tree_read_as(&t, &c->work, e->frame.data, c->format);
	if (!r)
		r = c->d->say(c, &t, &drop);
	r = over_room(c, r ? r : all_said(e));
	if (!r && !drop)
		r = as || t.root->changed ? rewrite(c, as ? as : &e->frame, &t)
					  : c->user.pass(c->user.arg, &e->frame);
	arena_reset(&c->work);
	return r;
}

static int
say_calls(struct calls *c, struct held_event *e)
{
	bool as_it_is = !c->touched;

	if (e->folded)
		return calls_say_folded(c, e);
	for (size_t i = 0; i < e->npieces; i++)
		as_it_is &= e->pieces[i].of->is == CALL_GOES;
	if (!as_it_is)
		return calls_say_event(c, e, NULL);
	c->number = e->number ? e->number : c->number;
	return c->user.pass(c->user.arg, &e->frame);
}

static bool
may_go(const struct held_event *e)
{
	for (size_t i = 0; i < e->npieces; i++)
		if (!e->pieces[i].of->settled)
			return false;
	return true;
}

/* What is decided, up to the first event that is not. */
static int
drain(struct calls *c)
{
	struct held_event *e;
	int r = settle_calls(c);

	while (!r && (e = STAILQ_FIRST(&c->events)) && may_go(e)) {
		STAILQ_REMOVE_HEAD(&c->events, all);
		c->held -= sizeof(*e) + e->bytes_n;
		r = say_calls(c, e);
		event_free(e);
	}
	return r ? r : calls_held(c) > CAP_CALLS_HELD ? CALLS_OVER : 0;
}

/* What clients do not all read alike is judged by nobody. */
static int
read_tree(struct calls *c, const struct tree *t)
{
	int r = c->d->read(c, t);

	return r ? r : t->odd || c->odd ? CALLS_UNSOUND : 0;
}

static int
read_event(struct calls *c, struct held_event *e, bool *folded)
{
	struct tree t;

	c->now = e;
	*folded = false;
	int r = tree_read_as(&t, &c->work, e->frame.data, c->format);
	if (r && r != ERR_NOMEM)
		r = c->held || c->touched ? CALLS_NO_JSON : 0; /* others say what it is */
	else if (!r)
		r = read_tree(c, &t);
	/* The provider failed: what was under way never was. */
	const struct node *error = r ? NULL : tree_member(t.root, "error");
	if (!r && (e->frame.exception || tree_is(&t, tree_member(t.root, "type"), "error") ||
			  (error && error->tok != JSON_NULL))) {
		drop_events(c);
		c->failed = true;
	}
	/* clients differ in which of the two they go by */
	if (!r && c->failed && e->npieces)
		r = CALLS_UNSOUND;
	if (!r && !(r = calls_fold(c, e, &t, folded)) && !*folded)
		calls_unfolded(e);
	r = over_room(c, r);
	arena_reset(&c->work);
	return r;
}

int
calls_frame(struct calls *c, const struct frame *f)
{
	struct held_event *e = event_new(f);
	bool folded;

	if (!e)
		return ERR_NOMEM;
	int r = read_event(c, e, &folded);
	if (r || folded) {
		event_free(e);
		return r;
	}
	STAILQ_INSERT_TAIL(&c->events, e, all);
	c->held += sizeof(*e) + e->bytes_n;
	return drain(c);
}

int
calls_finish(struct calls *c)
{
	calls_all_over(c);
	return drain(c);
}

int
calls_stop(struct calls *c)
{
	struct held_call *h;

	TAILQ_FOREACH (h, &c->calls, all)
		h->over |= h->may_end;
	return drain(c);
}

int
calls_whole(struct calls *c, struct span raw, struct buf *out, bool *changed)
{
	struct held_event e = { .frame = { .data = raw } };
	bool drop = false;
	struct tree t;

	*changed = false;
	c->now = &e;
	c->whole = true;
	c->piece = 0;
	int r = tree_read_as(&t, &c->work, raw, c->format);
	if (!r)
		r = read_tree(c, &t);
	r = over_room(c, r);
	calls_all_over(c);
	if (!r)
		r = settle_calls(c);
	if (!r)
		r = c->d->say(c, &t, &drop);
	r = over_room(c, r ? r : all_said(&e));
	*changed = !r && t.root->changed;
	if (*changed)
		tree_write(&t, t.root, out);
	arena_reset(&c->work);
	free(e.pieces);
	return r ? r : *changed && buf_failed(out) ? ERR_NOMEM : 0;
}
