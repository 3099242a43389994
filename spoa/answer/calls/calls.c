/* Holds calls until they are decided, for every dialect.
 *
 * Each frame of a stream becomes an event in a queue. The dialect's `read` adds its pieces to
 * calls (calls_at(), calls_note()). When a call is complete, settle_calls() lets the user judge
 * it. drain() then sends the events from the head of the queue up to the first one with an
 * undecided call. An event that no call concerns is sent as it came. Others go through the
 * dialect's `say`.
 *
 * Example (chat completions): two events carry pieces of call 0, and the third one finishes the
 * choice. The first two wait. The third completes the call, the user denies it, and nothing is
 * left of the first two events except the reason.
 *
 * The events of a long call are joined. A call of 4 MB in pieces of four characters would make
 * 200 MB of events. Once CAP_CALLS_EVENTS bytes wait, an event is not kept if it only adds
 * arguments to one call and is like the previous one (calls_fold()). Its text is in the call's
 * buffer already. One event (`fold`) stands for all of them, and when the call is decided, it
 * is written in events of FOLD_BYTES like the original. Example: `{"delta":"ab","n":7}` and
 * `{"delta":"cd","n":8}` are alike if `n` is in `varies`, so the second one is folded.
 *
 * Memory is bounded by CAP_CALLS_HELD, CAP_CALLS and CAP_CALL_ARGUMENTS; beyond them the
 * response ends. */
#include "answer/calls/calls_private.h"

#include <stdlib.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/json_put.h"

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
	explicit_bzero(e->bytes, e->bytes_n);
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

void
calls_fail(struct calls *c, int err)
{
	c->err = c->err ? c->err : err;
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

	if (!h) {
		calls_fail(c, c->ncalls == CAP_CALLS ? CALLS_OVER : ERR_NOMEM);
		return NULL;
	}
	INVARIANT(c->ncalls < CAP_CALLS);
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

	if (choice == NO_NUMBER || index == NO_NUMBER)
		calls_fail(c, CALLS_UNSOUND);
	return h || c->err ? h : call_new(c, choice, index);
}

/* Returns true if the arguments are one JSON object with nothing after it. A client that joins
 * such arguments with those of another call gets invalid JSON. */
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
		/* calls after this one have their numbers already */
		TAILQ_FOREACH (o, &c->calls, all)
			if (o->choice == h->choice && o->index > h->index)
				calls_fail(c, CALLS_UNSOUND);
		h->over = true;
		h = c->err ? NULL : call_new(c, h->choice, h->index);
		if (!h)
			return NULL;
		h->again = c->touched = true;
		h->place++;
	}
	if (!h->id.n)
		buf_span(&h->id, span_cut(id, 0, CALL_NAME));
	return h;
}

/* Returns true if these complete arguments, repeated after the call was settled, are the ones
 * that were judged. */
static bool
were_judged(const struct held_call *h, struct span arguments)
{
	unsigned char hash[SHA256_BYTES];

	sha256(arguments, hash);
	return h->lost || h->of->user.names_only || !memcmp(hash, h->judged, sizeof(hash));
}

/* Returns true if the pieces, joined, equal the arguments. A surrogate pair may be split over
 * two pieces. */
static bool
are_joined(struct calls *c, struct span pieces, struct span arguments)
{
	SCOPED_BUF(joined, 0);

	utf8_join_halves(pieces, &joined);
	bool same = span_eq(buf_view(&joined), arguments);
	if (buf_failed(&joined))
		calls_fail(c, ERR_NOMEM);
	return same;
}

/* Adds a piece of a name. Some providers repeat the whole name in each piece; the repetition is
 * not a piece. */
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

void
calls_note_end(struct call_end *e, struct span text)
{
	for (size_t i = 0; i < text.n; i++) {
		char c = text.p[i];
		if (!e->scan.depth && !memchr(" \t\r\n", c, 4))
			e->odd |= e->closed || c != '{';
		e->closed |= json_scan_byte(&e->scan, c) == JSON_BYTE_CLOSES && !e->scan.depth;
	}
}

static int
note_arguments(struct held_call *h, struct span arguments)
{
	const struct calls_user *u = &h->of->user;

	h->begun = true;
	calls_note_end(&h->end, arguments);
	if (h->settled && (h->over || !u->names_only))
		return CALLS_AGAIN;
	if (h->settled)
		return h->is == CALL_DENIED ? u->more(u->arg, h->entry, arguments) : 0;
	if (h->arguments.n + arguments.n > CAP_CALL_ARGUMENTS)
		return CALLS_OVER;
	buf_span(&h->arguments, arguments);
	return buf_failed(&h->arguments) ? ERR_NOMEM : 0;
}

/* Returns true if a complete statement of the call equals what is known of it; otherwise a
 * client might see two different calls. Sets *arguments to the part that is new. */
static bool
agrees(struct held_call *h, struct span name, struct span *arguments, enum answer_says how)
{
	struct span had = buf_view(&h->arguments), all = *arguments;
	bool last = how == SAYS_LAST;

	if (h->nnames && (name.n || last) && !span_eq(name, buf_view(&h->name)))
		return false;
	if (h->settled && (all.n || last) && !were_judged(h, all))
		return false;
	if (last && !h->settled) {
		buf_clear(&h->arguments);
		return true;
	}
	*arguments = h->settled || h->lost || had.n ? SPAN_LIT("") : all;
	return h->settled || h->lost || !had.n || !all.n || are_joined(h->of, had, all);
}

void
calls_note(struct held_call *h, struct span name, struct span arguments, enum answer_says how)
{
	struct calls *c = h->of;

	if (how == SAYS_AGAIN && h->settled)
		arguments = SPAN_LIT("");
	if (how >= SAYS_ALL && !agrees(h, name, &arguments, how))
		calls_fail(c, CALLS_UNSOUND);
	if (c->err)
		return;
	calls_fail(c, note_name(h, name));
	if (!c->err && arguments.n)
		calls_fail(c, note_arguments(h, arguments));
}

void
calls_piece(struct calls *c, struct held_call *h, const struct node *n)
{
	struct held_event *e = c->now;

	if (e->npieces == e->room) {
		size_t room = e->room ? 2 * e->room : 2;
		struct call_piece *v = reallocarray(e->pieces, room, sizeof(*v));
		if (!v) {
			calls_fail(c, ERR_NOMEM);
			return;
		}
		e->pieces = v;
		e->room = room;
	}
	e->pieces[e->npieces++] = (struct call_piece){ .of = h, .at = n->start };
}

void
calls_end(struct calls *c, struct held_call *h)
{
	if (!h)
		return;
	h->over = true;
	calls_piece(c, h, c->root);
}

void
calls_over(struct calls *c, uint32_t choice)
{
	struct held_call *h;

	TAILQ_FOREACH (h, &c->calls, all)
		h->over |= choice == CALL_ALL || h->choice == choice;
}

struct call_choice *
calls_choice(struct calls *c, uint32_t number)
{
	for (size_t i = 0; i < c->nchoices; i++)
		if (c->choices[i].number == number)
			return &c->choices[i];
	if (c->nchoices == CALL_CHOICES) {
		calls_fail(c, CALLS_OVER);
		return &c->choices[0];
	}
	INVARIANT(c->nchoices < CALL_CHOICES);
	c->choices[c->nchoices] = (struct call_choice){ .number = number };
	return &c->choices[c->nchoices++];
}

/* ---- decisions ---- */

static int
ask_about_call(struct calls *c, struct held_call *h, struct call_answer *got)
{
	struct span names[CALL_NAMES + 2] = { buf_view(&h->name) }, all = names[0];
	struct call call = { .names = names,
		.nnames = 1,
		.any_text = h->any_text,
		.apart = h->kind && (h->kind->tool || !h->kind->arguments[0]),
		.lost = h->lost,
		.by_name = c->user.names_only && !h->over,
		.kept = c->kept,
		.goes_with_denied = h->with && h->with->is == CALL_DENIED };
	SCOPED_BUF(whole, 0);
	SCOPED_BUF(repeated, CALL_NAME);

	for (size_t i = 0; c->d->joins_names && h->repeats && i <= h->repeats; i++)
		buf_span(&repeated, all);
	if (!buf_failed(&repeated)) /* longer than any tool's name */
		call.repeated = buf_view(&repeated);
	for (size_t i = 0, from = 0; h->nnames > 1 && i < h->nnames; i++) {
		INVARIANT(call.nnames <= CALL_NAMES && from <= h->name_ends[i]);
		names[call.nnames++] = span_cut(all, from, h->name_ends[i]);
		from = h->name_ends[i];
	}
	if (h->kind && h->kind->also)
		names[call.nnames++] = span_str(h->kind->also);
	/* a surrogate pair may be split over two pieces */
	utf8_join_halves(buf_view(&h->arguments), &whole);
	call.arguments = buf_view(&whole);
	sha256(call.arguments, h->judged);
	int r = buf_failed(&whole) ? ERR_NOMEM : c->user.judge(c->user.arg, &call, got);
	if (!r && got->is != CALL_GOES)
		buf_span(&h->text, got->text);
	return r ? r : buf_failed(&h->text) ? ERR_NOMEM : 0;
}

/* Counts the removed calls before this one. Calls are sent in order: if a call is removed after
 * a later one was sent, its index stays a hole, which crashes clients. */
static void
count_less(struct calls *c, struct held_call *h)
{
	const struct held_call *o;

	TAILQ_FOREACH (o, &c->calls, all) {
		if (o->choice != h->choice || !o->settled || o == h)
			continue;
		h->less += o->is == CALL_DENIED && o->place < h->place;
		if (h->is == CALL_DENIED && o->is != CALL_DENIED && o->place > h->place)
			calls_fail(c, CALLS_UNSOUND);
	}
}

/* Lets the user judge all calls that are known, in their order. */
static void
settle_calls(struct calls *c)
{
	struct held_call *h;

	TAILQ_FOREACH (h, &c->calls, all) {
		struct call_answer got = { .is = CALL_GOES };
		struct call_choice *of = calls_choice(c, h->choice);
		/* the call is complete, or only its name matters and the name is complete */
		bool known = h->over || (c->user.names_only && h->begun && h->nnames);
		if (h->settled || !known)
			continue;
		/* some clients join its name with the previous call's arguments */
		if (h->again && h->over && !is_whole_call(h))
			calls_fail(c, CALLS_UNSOUND);
		if (!c->err)
			calls_fail(c, ask_about_call(c, h, &got));
		if (c->err)
			return;
		INVARIANT(!h->settled && !h->less);
		h->settled = true;
		h->is = got.is;
		h->entry = got.entry;
		if (c->d->renumbers)
			count_less(c, h);
		of->denied += got.is == CALL_DENIED;
		of->kept += got.is != CALL_DENIED;
		c->touched |= got.is == CALL_DENIED;
		if (!h->folds)
			buf_free(&h->arguments);
	}
}

/* ---- events ---- */

/* Returns a copy of the frame outside of the queue. NULL: out of memory. */
static struct held_event *
event_new(const struct frame *f)
{
	struct frame copy = *f;
	size_t n = frame_copy(&copy, NULL);
	struct held_event *e = malloc(sizeof(*e) + n);

	if (!e)
		return NULL;
	*e = (struct held_event){ .frame = *f, .bytes_n = n };
	frame_copy(&e->frame, e->bytes);
	return e;
}

/* Appends a copy of the frame to the queue and returns it. NULL: out of memory. */
static struct held_event *
calls_event(struct calls *c, const struct frame *f)
{
	struct held_event *e = event_new(f);

	if (e) {
		STAILQ_INSERT_TAIL(&c->events, e, all);
		c->held += sizeof(*e) + e->bytes_n;
	}
	return e;
}

/* If the arena ran out of memory, nodes may be missing, so nothing that was read is
 * reliable. */
static void
over_room(struct calls *c)
{
	if (arena_failed(&c->work))
		calls_fail(c, ERR_NOMEM);
}

/* Sends the frame in c->made, parsed as a reader would parse it. */
static int
pass_made(struct calls *c)
{
	struct span in = buf_view(&c->made);
	struct frames again;
	struct frame f;

	if (buf_failed(&c->made))
		return ERR_NOMEM;
	if (c->kind == FRAMES_ARRAY) {
		f = (struct frame){ .raw = in, .data = in, .has_data = true };
		return c->user.pass(c->user.arg, &f);
	}
	frames_init(&again, c->kind, CAP_CALL_EVENT);
	SCOPED_BUF(inner, 0);
	int r = frames_next(&again, &in, &f);
	if (r == FRAME_MORE)
		r = frames_end(&again, &f);
	if (r == FRAME_WHOLE && c->wrap && frame_unwrap(&f, &inner) == ERR_NOMEM)
		r = ERR_NOMEM;
	r = r == FRAME_WHOLE ? c->user.pass(c->user.arg, &f) : r < 0 ? r : CALLS_OVER;
	frames_free(&again);
	return r;
}

/* Sends *data, which is freed, in a frame like `as`. If `as` is NULL, in a frame of this
 * type. */
static void
pass_json(struct calls *c, const struct frame *as, const char *type, struct buf *data)
{
	struct frame_writer w;
	int r = c->err ? c->err : buf_failed(data) ? ERR_NOMEM : 0;

	frame_writer_init(&w, c->kind);
	w.wrap = c->wrap;
	buf_clear(&c->made);
	if (c->kind == FRAMES_ARRAY)
		buf_span(&c->made, buf_view(data));
	else if (!r && as)
		r = frame_rewrite(&w, as, buf_view(data), &c->made);
	else if (!r)
		r = frame_write(&w, c->wrap ? c->now->frame.type : span_str(type),
			buf_view(data), &c->made);
	buf_free(data);
	calls_fail(c, r == ERR_LIMIT ? CALLS_OVER : r ? r : pass_made(c));
}

void
calls_say(struct calls *c, const char *type, const char *form, ...)
{
	struct buf data;
	va_list args;

	buf_init(&data, 0);
	va_start(args, form);
	json_put_vform(&data, form, args);
	va_end(args);
	pass_json(c, NULL, type, &data);
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

/* Parses the event into *t and makes it the current one. Returns 0 or the parser's error. */
static int
open_tree(struct calls *c, struct held_event *e, struct tree *t)
{
	c->now = e;
	c->piece = 0;
	c->t = t;
	int r = tree_read_as(t, &c->work, e->frame.data, c->format);
	c->root = t->root;
	return r;
}

/* Lets the dialect read the event. Anything that clients read differently ends the response. */
static void
read_tree(struct calls *c, const struct tree *t)
{
	if (c->whole && c->d->blocks)
		calls_read_whole(c);
	else
		c->d->read(c);
	if (t->odd)
		calls_fail(c, CALLS_UNSOUND);
	over_room(c);
}

/* Lets the dialect change the event. Returns true if nothing of it is to be sent. */
static bool
say_tree(struct calls *c)
{
	const struct held_event *e = c->now;
	bool blocks = c->whole && c->d->blocks;

	if (blocks)
		calls_say_whole(c);
	bool drop = !blocks && c->d->say(c);
	if (c->d->blocks)
		calls_say_end(c, c->root, 0);
	/* a piece that should have been changed was not looked up */
	for (size_t i = 0; i < e->npieces; i++)
		if (!e->pieces[i].is_said && e->pieces[i].of->is != CALL_GOES)
			calls_fail(c, CALLS_UNSOUND);
	over_room(c);
	return drop || c->err;
}

/* Lets the dialect change the event, and sends it in a frame like `as`. If `as` is NULL and
 * nothing changed, sends the original frame. */
static void
calls_say_event(struct calls *c, struct held_event *e, const struct frame *as)
{
	struct tree t;
	struct buf data;

	calls_fail(c, open_tree(c, e, &t));
	bool goes = !c->err && !say_tree(c);
	if (goes && !as && !t.root->changed) {
		calls_fail(c, c->user.pass(c->user.arg, &e->frame));
	} else if (goes) {
		buf_init(&data, 0);
		tree_write(&t, t.root, &data);
		pass_json(c, as ? as : &e->frame, NULL, &data);
	}
	arena_reset(&c->work);
}

/* ---- long calls: joining events ---- */

enum { FOLD_BYTES = 16 << 10 }; /* arguments of a long call in one event that we write */

/* Members that may differ between events. Their values carry nothing that a later event does
 * not repeat. */
static const char *const varies[] = { "sequence_number", "obfuscation", "p", "usage",
	"usageMetadata", "event_id", "created", "created_at", "createTime" };
/* Members that may hold a string. A string anywhere else may be text. */
static const char *const fixed_words[] = { "id", "object", "model", "modelVersion",
	"responseId", "system_fingerprint", "service_tier", "provider", "type", "event_type",
	"role", "name", "item_id", "call_id", "tool_call_id", "jsonPath", "json_path",
	"response_id", "conversation_id" };

/* Returns true if both nodes are equal, except for `text` and the members in `varies`, and no
 * other string in them may be text. */
static bool
are_alike(const struct tree *t, const struct node *n, const struct tree *u,
	const struct node *o, const struct node *text)
{
	if (n->tok != o->tok || !span_eq(n->key, o->key))
		return SPAN_IN(n->key, varies) && span_eq(n->key, o->key);
	if (n == text || SPAN_IN(n->key, varies))
		return true;
	if (n->tok != JSON_OBJECT && n->tok != JSON_ARRAY)
		return span_eq(tree_raw(t, n), tree_raw(u, o)) &&
		       (n->tok != JSON_STRING || n->end == n->start + 2 ||
			       SPAN_IN(n->key, fixed_words));
	const struct node *a = n->first, *b = o->first;
	for (; a && b; a = a->next, b = b->next)
		if (!are_alike(t, a, u, b, text))
			return false;
	return !a && !b;
}

/* Returns true if the event that is read is like `like`, except for this text. If `like` was
 * compared before (`plain`), equal bytes around the text suffice. */
static bool
is_like(struct calls *c, const struct node *text, struct held_event *like)
{
	struct span had = like->frame.data, now = c->t->raw;
	size_t after = had.n - like->text_end;
	struct tree u;

	if (like->plain && text->start == like->text && now.n - text->end == after &&
		!memcmp(now.p, had.p, like->text) &&
		!memcmp(now.p + text->end, had.p + like->text_end, after))
		return true;
	bool is = like->texts == 1 && !tree_read(&u, &c->work, had) &&
		  are_alike(c->t, c->root, &u, u.root, text);
	like->plain |= is;
	return is;
}

/* Joins a surrogate pair whose halves arrived in two events into one character. */
static void
join_folded(struct held_call *h, size_t from, size_t at)
{
	struct span all = buf_view(&h->arguments);
	char *to = h->arguments.p + h->arguments.start + at - UTF8_HALF, whole[4];

	if (at < from + UTF8_HALF || !utf8_half_at(all, at - UTF8_HALF) ||
		!utf8_half_at(all, at))
		return;
	uint32_t high = utf8_value(all.p + at - UTF8_HALF, UTF8_HALF),
		 low = utf8_value(all.p + at, UTF8_HALF);
	if (high >= 0xdc00 || low < 0xdc00)
		return;
	size_t n = utf8_encode(0x10000 + ((high & 0x3ff) << 10) + (low & 0x3ff), whole);
	memcpy(to, whole, n);
	memmove(to + n, to + 2 * UTF8_HALF, all.n - at - UTF8_HALF);
	h->arguments.n -= 2 * UTF8_HALF - n;
}

/* Returns true if another event will carry the arguments of the event that is read, so that the
 * latter need not wait. */
static bool
calls_fold(struct calls *c, const struct held_event *e)
{
	struct held_call *h = e->npieces == 1 ? e->pieces[0].of : NULL;
	struct span had = h ? buf_view(&h->arguments) : SPAN_LIT("");
	/* the only string of the event that holds arguments */
	const struct node *text = e->texts == 1 ? c->root : NULL;

	if (!h || h->settled || h->over || !h->like || c->held < CAP_CALLS_EVENTS ||
		e->frame.exception || !span_eq(e->frame.type, h->like->frame.type))
		return false;
	while (text && (text->tok != JSON_STRING || text->start != e->text))
		text = tree_next(text, c->root);
	if (!text)
		return false;
	struct span said = tree_text(c->t, text);
	size_t from = had.n - said.n;
	if (!span_ends(had, said) || !is_like(c, text, h->like))
		return false;
	INVARIANT(said.n <= had.n && (!h->fold || h->fold->folded));
	if (!h->fold) {
		struct held_event *f = calls_event(c, &h->like->frame);
		if (!f || !(f->pieces = calloc(1, sizeof(struct call_piece)))) {
			calls_fail(c, ERR_NOMEM);
			return false;
		}
		f->pieces[f->npieces++] = h->like->pieces[0];
		f->text = h->like->text;
		f->text_end = h->like->text_end;
		f->folded = true;
		f->from = from;
		h->fold = f;
		h->folds++;
	}
	join_folded(h, h->fold->from, from);
	h->fold->to = h->arguments.n;
	return true;
}

/* Notes that `e` waits, so that later events like it can be folded. */
static void
calls_unfolded(struct held_event *e)
{
	for (size_t i = 0; i < e->npieces; i++) {
		e->pieces[i].of->fold = NULL;
		e->pieces[i].of->like = NULL;
	}
	if (e->npieces == 1)
		e->pieces[0].of->like = e;
}

/* ---- long calls: writing the joined event ---- */

/* Returns the number of bytes that one event may carry, without splitting a character. */
static size_t
folded_piece_of(struct span text)
{
	return text.n > FOLD_BYTES ? utf8_before(text.p, FOLD_BYTES + 1) : text.n;
}

/* Writes the inside of a JSON string. Unpaired halves of surrogate pairs become \u escapes
 * again. */
static void
put_folded_text(struct span s, struct buf *out)
{
	while (s.n) {
		const char *at = memchr(s.p, '\xED', s.n);
		size_t n = at ? (size_t)(at - s.p) : s.n;
		buf_json(out, span_cut(s, 0, n));
		s = span_cut(s, n, s.n);
		if (s.n && utf8_half_at(s, 0)) {
			buf_printf(out, "\\u%04x", utf8_value(s.p, UTF8_HALF));
			s = span_cut(s, UTF8_HALF, s.n);
		} else if (s.n) {
			buf_json(out, span_cut(s, 0, 1));
			s = span_cut(s, 1, s.n);
		}
	}
}

struct span
calls_first(const struct held_call *h)
{
	struct span all = buf_view(&h->text);

	return h->folds ? span_cut(all, 0, folded_piece_of(all)) : all;
}

static void
say_folded_piece(struct calls *c, const struct held_event *e, struct span text)
{
	struct span like = e->frame.data;
	struct held_event one = *e;
	SCOPED_BUF(data, 0);

	buf_span(&data, span_cut(like, 0, e->text));
	buf_putc(&data, '"');
	put_folded_text(text, &data);
	buf_putc(&data, '"');
	buf_span(&data, span_cut(like, e->text_end, like.n));
	one.frame.data = buf_view(&data);
	if (buf_failed(&data))
		calls_fail(c, ERR_NOMEM);
	else
		calls_say_event(c, &one, &e->frame);
}

/* Sends the arguments that `e` stands for, in events of FOLD_BYTES at most. */
static void
calls_say_folded(struct calls *c, struct held_event *e)
{
	struct held_call *h = e->pieces[0].of;
	enum call_verdict is = h->is;

	INVARIANT(e->folded && e->npieces == 1 && h->settled && h->folds > 0);
	struct span text = span_cut(buf_view(&h->arguments), e->from, e->to);

	/* the rest of the new arguments; calls_first() went into the first piece */
	if (is == CALL_EDITED) {
		text = buf_view(&h->text);
		text = h->rest_said ? SPAN_LIT("") : span_cut(text, calls_first(h).n, text.n);
		h->rest_said = true;
	}
	c->touched = true; /* sequence numbers of later events change */
	h->is = CALL_GOES;
	while (!c->err && is != CALL_DENIED && text.n) {
		size_t n = folded_piece_of(text);
		say_folded_piece(c, e, span_cut(text, 0, n));
		text = span_cut(text, n, text.n);
	}
	h->is = is;
	if (--h->folds == 0)
		buf_free(&h->arguments);
}

/* ---- the queue of events ---- */

static void
say_calls(struct calls *c, struct held_event *e)
{
	bool as_it_is = !c->touched;

	for (size_t i = 0; i < e->npieces; i++)
		as_it_is &= e->pieces[i].of->is == CALL_GOES;
	if (e->folded) {
		calls_say_folded(c, e);
	} else if (!as_it_is) {
		calls_say_event(c, e, NULL);
	} else {
		c->number = e->number ? e->number : c->number;
		calls_fail(c, c->user.pass(c->user.arg, &e->frame));
	}
}

static bool
may_go(const struct held_event *e)
{
	for (size_t i = 0; i < e->npieces; i++)
		if (!e->pieces[i].of->settled)
			return false;
	return true;
}

/* Sends all events up to the first one with an undecided call. Returns 0 or the error. */
static int
drain(struct calls *c)
{
	struct held_event *e;

	settle_calls(c);
	while (!c->err && (e = STAILQ_FIRST(&c->events)) && may_go(e)) {
		INVARIANT(c->held >= sizeof(*e) + e->bytes_n);
		STAILQ_REMOVE_HEAD(&c->events, all);
		c->held -= sizeof(*e) + e->bytes_n;
		say_calls(c, e);
		event_free(e);
	}
	return c->err ? c->err : calls_held(c) > CAP_CALLS_HELD ? CALLS_OVER : 0;
}

static void
read_event(struct calls *c, struct held_event *e, bool *folded)
{
	struct tree t;
	int r = open_tree(c, e, &t);

	/* with nothing held or removed, guard/ reports invalid JSON itself */
	if (r && (r == ERR_NOMEM || c->held || c->touched))
		calls_fail(c, r == ERR_NOMEM ? r : CALLS_NO_JSON);
	if (r)
		return;
	read_tree(c, &t);
	/* The provider reported an error, so incomplete calls will never be completed. */
	const struct node *error = calls_member(c, "error");
	if (!c->err && (e->frame.exception || calls_is(c, "type", "error") ||
			       (error && error->tok != JSON_NULL))) {
		drop_events(c);
		c->failed = true;
	}
	/* some clients use the error, others the calls */
	if (c->failed && e->npieces)
		calls_fail(c, CALLS_UNSOUND);
	*folded = !c->err && calls_fold(c, e);
	if (!c->err && !*folded)
		calls_unfolded(e);
	over_room(c);
}

int
calls_frame(struct calls *c, const struct frame *f)
{
	struct held_event *e = event_new(f);
	bool folded = false;

	if (!e)
		return ERR_NOMEM;
	read_event(c, e, &folded);
	arena_reset(&c->work);
	if (c->err || folded) {
		event_free(e);
		return c->err;
	}
	STAILQ_INSERT_TAIL(&c->events, e, all);
	c->held += sizeof(*e) + e->bytes_n;
	return drain(c);
}

int
calls_finish(struct calls *c)
{
	calls_over(c, CALL_ALL);
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
	struct tree t;

	c->whole = true;
	int r = open_tree(c, &e, &t);
	if (!r)
		read_tree(c, &t);
	calls_over(c, CALL_ALL);
	settle_calls(c);
	if (!r && !c->err)
		say_tree(c);
	*changed = !r && !c->err && t.root->changed;
	if (*changed)
		tree_write(&t, t.root, out);
	if (*changed && buf_failed(out))
		calls_fail(c, ERR_NOMEM);
	arena_reset(&c->work);
	free(e.pieces);
	return r ? r : c->err;
}
