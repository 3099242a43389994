/* Finds and replaces values that are spread over several texts of a stream: over members that
 * no row of a format names, and over the end of a block. A value is replaced in its first text
 * and removed from the others (struct split). guard_channel.c has the texts that arrive in
 * pieces.
 *
 * A member without a row is a provider's new delta.thoughts, or any member of an unknown
 * format. A value may be spread over the same member of several events, so each member is read
 * in its event and together with the events before and after. Text that may be the beginning of
 * a value is not moved to another event, as a channel's text is, because clients expect the
 * member in its place. Instead the event and those after it wait (QUEUE_MEMBERS) until more of
 * the member arrives or its end is clear. Three kinds are not followed: values that stay equal;
 * words, ids and times, by key and looks; and digits of one shape in each event, which count
 * something. The first value of a member may be the beginning of anything, and waits for one
 * event.
 *
 * Clients join blocks of one kind, but a channel reads each block alone. If a value may have
 * begun at a block's end, boundary_open() copies the channel's scan, and the copy continues
 * into the following blocks. The events wait unchanged until the copy knows the result
 * (QUEUE_BOUNDARY). guard_whole.c does the same in a whole response. States of struct boundary:
 * closed (scan NULL), between two blocks (`between`), and inside a block. Example: one block
 * ends with "alice@" and the next one begins with "example.org". */
#include <stdlib.h>

#include "answer/guard/guard_stream.h"
#include "base/ascii.h"
#include "base/err.h"
#include "base/push.h"
#include "scan/detect/stream/stream.h"

/* A part of a split value in an event's text. `text` is the index of this text among the texts
 * without a row. */
struct mark {
	size_t text, start, end;
	struct split *of;
	bool first;
};

/* ---- split values, and their marks in events ---- */

static void
split_drop(struct split *s)
{
	INVARIANT(!s || s->refs > 0);
	if (!s || --s->refs)
		return;
	buf_free(&s->value);
	buf_free(&s->with);
	free(s);
}

/* Creates a value with a reference count of 1. NULL: out of memory. split_drop() releases a
 * reference. */
static struct split *
split_new(size_t entity, enum answer_kind kind, struct span value)
{
	struct split *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->refs = 1;
	s->entity = entity;
	s->kind = kind;
	buf_init(&s->value, 0);
	buf_init(&s->with, 0);
	buf_span(&s->value, value);
	return s;
}

/* Marks a part of a value: bytes of the unnamed text with this index. Returns 0 or ERR_NOMEM.
 */
static int
event_mark(struct event *e, size_t text, size_t start, size_t end, struct split *of)
{
	INVARIANT(of->refs > 0 && start <= end && e->nmarks <= e->room);
	if (e->nmarks == e->room) {
		size_t room = e->room ? 2 * e->room : 4;
		struct mark *v = realloc(e->marks, room * sizeof(*v));
		if (!v)
			return ERR_NOMEM;
		e->marks = v;
		e->room = room;
	}
	e->marks[e->nmarks++] = (struct mark){
		.text = text, .start = start, .end = end, .of = of, .first = of->n == 0
	};
	of->n += end - start;
	of->refs++;
	return 0;
}

void
event_unmark(struct event *e)
{
	for (size_t i = 0; i < e->nmarks; i++)
		split_drop(e->marks[i].of);
	free(e->marks);
	e->marks = NULL;
	e->nmarks = e->room = 0;
}

/* ---- editing a text that has marks ---- */

enum guard_result
guard_split_decide(struct guard *g, struct split *s)
{
	struct span with;

	if (s->is != SPLIT_NEW)
		return g->failed;
	s->is = SPLIT_STAYS;
	if (guard_found(g, s->entity, s->kind) && guard_judge(g, ANSWER_NEW))
		return g->failed;
	if (!guard_replacement(g, s->entity, buf_view(&s->value), false, &with))
		return g->failed;
	s->is = SPLIT_REPLACED;
	buf_span(&s->with, with);
	return with.p && !buf_failed(&s->with) ? g->failed : guard_no_memory(g);
}

/* Appends the text from `from` to `to`, with the findings inside replaced. */
static void
put_between(struct guard *g, const struct answer_text *t, const struct findings *found,
	size_t from, size_t to, struct buf *out)
{
	struct answer_text part = *t;
	struct findings in = { 0 };
	struct span now;

	part.text = span_cut(t->text, from, to);
	in.v = arena_array(&g->work, found->n + 1, sizeof(*in.v));
	for (size_t i = 0; in.v && i < found->n; i++) {
		struct finding f = found->v[i];
		if (f.start < from || f.end > to)
			continue;
		f.start -= from;
		f.end -= from;
		in.v[in.n++] = f;
	}
	if (!in.v)
		guard_no_memory(g);
	else if (!guard_edit(g, &part, &in, &now))
		buf_span(out, now);
}

/* Extends a mark over the findings of the text alone that it touches, but not before `from`. */
static void
widen(struct mark *m, const struct findings *found, size_t from)
{
	for (size_t i = 0; i < found->n; i++) {
		const struct finding *f = &found->v[i];
		if (f->end <= m->start || f->start >= m->end)
			continue;
		m->start = f->start < m->start ? f->start : m->start;
		m->end = f->end > m->end ? f->end : m->end;
	}
	m->start = m->start < from ? from : m->start;
}

static bool
is_marked(const struct event *e, size_t text, const struct finding *f)
{
	for (size_t i = 0; i < e->nmarks; i++)
		if (e->marks[i].text == text && e->marks[i].start < f->end &&
			f->start < e->marks[i].end)
			return true;
	return false;
}

/* Scans the text alone, and notes findings that no mark covers. */
static enum guard_result
scan_alone(struct guard *g, const struct event *e, const struct answer_text *t, size_t text,
	struct findings *found)
{
	bool is_new = false;

	*found = (struct findings){ 0 };
	g->report.text_bytes += t->text.n;
	int err = detect_scan(
		g->plan.rules, g->plan.scratch, t->text, &g->plan.options, &g->work, found);
	if (err)
		return guard_gave_up(g, t->text.n, err);
	g->evasion |= found->evasion;
	for (size_t i = 0; i < found->n; i++)
		if (!is_marked(e, text, &found->v[i]))
			is_new |= guard_found(g, found->v[i].entity, t->kind);
	return is_new ? guard_judge(g, ANSWER_NEW) : g->failed;
}

enum guard_result
guard_members_edit(
	struct guard *g, struct event *e, const struct answer_text *t, struct span *out)
{
	size_t text = e->next++, from = 0, marks = 0;
	struct findings found;
	struct buf b;

	for (size_t i = 0; i < e->nmarks; i++)
		marks += e->marks[i].text == text;
	if (!marks)
		return guard_edit_alone(g, t, out);
	if (scan_alone(g, e, t, text, &found))
		return g->failed;
	buf_init(&b, 0);
	for (size_t i = 0; i < e->nmarks && !g->failed; i++) {
		struct mark m = e->marks[i];
		if (m.text != text || guard_split_decide(g, m.of))
			continue;
		widen(&m, &found, from);
		if (m.end <= from)
			continue;
		put_between(g, t, &found, from, m.start, &b);
		struct span with = m.of->is == SPLIT_STAYS ? span_cut(t->text, m.start, m.end)
				   : m.first		   ? buf_view(&m.of->with)
							   : SPAN_LIT("");
		guard_transcribe(g, t, with);
		buf_span(&b, with);
		from = m.end;
	}
	if (!g->failed && from < t->text.n)
		put_between(g, t, &found, from, t->text.n, &b);
	return guard_take(g, &b, out);
}

enum {
	FOLLOWED_MAX = 32, /* members that are followed at the same time */
	PIECE_MAX = 1024,  /* bytes; of a longer text, only the two ends are followed */
	PIECE_END = 512,   /* bytes of each of these ends */
	/* A member has ended after this many events without it; the second number is for
	 * members whose values are words. */
	GAP = 3,
	GAP_OF_WORDS = 1,
	ID_BYTES = 8, /* a string of letters and digits of at least this length is an id */
	/* if a member has the same text again, and the text has this length or only letters, it
	 * is a repetition */
	AGAIN_BYTES = 16,
};

/* A part of a text that was scanned: n bytes from `at`, which begin at `start` in the member's
 * stream. */
struct piece {
	STAILQ_ENTRY(piece) all;
	struct event *in;
	size_t text, at, start, n;
};

/* ---- members: how a value looks ---- */

static bool
is_edge(char c)
{
	return c == '-' || c == '_' || c == '.' || c == ':';
}

/* Returns true for digits with separators: 12:30:45, 2026-11-21 10:00:00. */
static bool
is_time(struct span s)
{
	size_t colons = 0;

	for (size_t i = 0; i < s.n; i++) {
		if (!is_digit(s.p[i]) && !memchr(" -:.TZ+/,", s.p[i], 9))
			return false;
		colons += s.p[i] == ':';
	}
	return colons >= 2;
}

/* Returns true if the string has a sign that words, ids and times do not have. */
static bool
looks_like_text(struct span s)
{
	if (!span_is_alnum(s, "-_.:/+=|"))
		return !is_time(s);
	return is_edge(s.p[0]) || is_edge(s.p[s.n - 1]);
}

static bool
looks_like_id(struct span s)
{
	bool digits = false, letters = false;

	for (size_t i = 0; i < s.n; i++) {
		digits |= is_digit(s.p[i]);
		letters |= is_alpha(s.p[i]);
	}
	return (digits && letters && s.n >= ID_BYTES) || is_time(s);
}

static uint64_t
mix(uint64_t h, uint64_t with)
{
	return (h ^ with) * 0x9e3779b97f4a7c15u + (h >> 29);
}

/* Returns a hash of the places of digits and the bytes between them; 0: the string has
 * letters. */
static uint64_t
shape_of(struct span s)
{
	uint64_t h = s.n;

	for (size_t i = 0; i < s.n; i++) {
		if (is_alpha(s.p[i]))
			return 0;
		h = mix(h, is_digit(s.p[i]) ? '0' : (unsigned char)s.p[i]);
	}
	return h;
}

static bool
is_letters(struct span s)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alpha(s.p[i]) && s.p[i] != ' ')
			return false;
	return s.n >= 4;
}

/* ---- members: findings and their places ---- */

/* Takes a decided piece. A finding is marked in each text that has a part of it. */
static int
take_member_piece(void *arg, const struct stream_piece *p)
{
	struct member *w = arg;
	size_t end = p->start + p->text.n;
	struct piece *at;

	if (p->kind == PIECE_UNREAD && guard_unread_run(w->g, p->text.n))
		return ERR_BAD_STATE;
	if (!p->more) {
		split_drop(w->under_way);
		w->under_way = p->kind == PIECE_FINDING
				       ? split_new(p->finding.entity, KIND_OTHER, p->text)
				       : NULL;
		if (p->kind == PIECE_FINDING &&
			(!w->under_way || buf_failed(&w->under_way->value)))
			return ERR_NOMEM;
	}
	while ((at = STAILQ_FIRST(&w->pieces)) && at->start < end) {
		size_t from = p->start > at->start ? p->start - at->start : 0;
		size_t to = (end < at->start + at->n ? end : at->start + at->n) - at->start;
		if (w->under_way && p->kind == PIECE_FINDING &&
			event_mark(at->in, at->text, at->at + from, at->at + to, w->under_way))
			return ERR_NOMEM;
		if (to < at->n)
			break;
		at->in->open--;
		STAILQ_REMOVE_HEAD(&w->pieces, all);
		free(at);
	}
	return 0;
}

/* ---- members: a member over events ---- */

/* Releases the events of a member that occurred once and may not return. If it continues, its
 * rest is a finding. */
static void
let_member_go(struct member *w)
{
	struct piece *p;

	while ((p = STAILQ_FIRST(&w->pieces))) {
		p->in->open--;
		STAILQ_REMOVE_HEAD(&w->pieces, all);
		free(p);
	}
}

static void
member_unfollow(struct member *w)
{
	let_member_go(w);
	detect_stream_free(&w->scan);
	split_drop(w->under_way);
	w->under_way = NULL;
	LIST_REMOVE(w, followed);
	w->g->members.nfollowed--;
}

/* Ends a member, so that all its pieces are decided. */
static enum guard_result
member_end(struct member *w)
{
	struct guard *g = w->g;

	if (!w->scan)
		return g->failed;
	int err = detect_stream_finish(w->scan, g->plan.scratch, take_member_piece, w);
	g->evasion |= detect_stream_evasion(w->scan);
	member_unfollow(w);
	return guard_scanned(g, err);
}

/* Returns the member of a text. NULL: there are too many. */
static struct member *
text_member_of(struct guard *g, const struct answer_text *t)
{
	struct run *r = guard_run(g, t->kind, t->path, t->slot);

	if (!r)
		return NULL;
	if (!r->member && !(r->member = arena_new(&g->life, struct member))) {
		guard_no_memory(g);
		return NULL;
	}
	if (!r->member->g)
		STAILQ_INIT(&r->member->pieces);
	r->member->g = g;
	r->member->run = r;
	return r->member;
}

/* Notes the member's value in this event. In arrays there may be several texts. */
static void
member_note(struct member *w, const struct answer_text *t)
{
	uint64_t event = w->g->members.event;

	if (w->event != event) {
		w->event = event;
		w->lettered |= w->seen && !w->digits;
		w->seen++;
		w->last = w->value;
		w->last_shape = w->shape;
		w->value = w->shape = w->bytes = 0;
		w->words = w->letters = w->digits = true;
	}
	w->value = mix(w->value, span_hash(t->text));
	w->shape = mix(w->shape, shape_of(t->text));
	w->bytes += t->text.n;
	w->text |= looks_like_text(t->text);
	w->words &= !looks_like_text(t->text) && (t->worded || looks_like_id(t->text));
	w->letters &= is_letters(t->text);
	w->digits &= shape_of(t->text) != 0;
}

/* Returns true if the value in this event may continue the previous one. */
static bool
member_goes_on(const struct member *w)
{
	bool digits = w->digits && !w->lettered && w->shape == w->last_shape;

	if (w->last == w->value && (w->bytes >= AGAIN_BYTES || w->letters))
		return false;
	return w->text || !(w->words || digits);
}

static enum guard_result
member_feed(struct member *w, struct event *in, size_t text, struct span all, size_t from,
	size_t to)
{
	struct guard *g = w->g;
	struct piece *p = calloc(1, sizeof(*p));

	if (!w->scan) {
		w->scan = detect_stream_new(g->plan.rules, &g->plan.options);
		w->fed = 0;
		if (w->scan) {
			LIST_INSERT_HEAD(&g->members.followed, w, followed);
			g->members.nfollowed++;
		}
	}
	if (!p || !w->scan) {
		free(p);
		return guard_no_memory(g);
	}
	*p = (struct piece){
		.in = in, .text = text, .at = from, .start = w->fed, .n = to - from
	};
	STAILQ_INSERT_TAIL(&w->pieces, p, all);
	in->open++;
	w->fed += p->n;
	int err = detect_stream_feed(
		w->scan, g->plan.scratch, span_cut(all, from, to), take_member_piece, w);
	if (!err && detect_stream_held(w->scan) > g->report.held_max_bytes)
		g->report.held_max_bytes = detect_stream_held(w->scan);
	return guard_scanned(g, err);
}

/* Scans a text of a member. If the text is long, only its two ends are scanned here, because
 * only these can be parts of values that other texts continue. The whole text is scanned alone
 * as well. */
static enum guard_result
member_take(struct member *w, struct event *in, size_t text, struct span s)
{
	if (s.n <= PIECE_MAX)
		return member_feed(w, in, text, s, 0, s.n);
	if (member_feed(w, in, text, s, 0, utf8_begin(s, PIECE_END)) || member_end(w))
		return w->g->failed;
	return member_feed(w, in, text, s, utf8_begin(s, s.n - PIECE_END), s.n);
}

/* ---- members: events ---- */

static bool
has_room(const struct guard *g, const struct member *w)
{
	return w->scan || g->members.nfollowed < FOLLOWED_MAX;
}

/* Adds the event's unnamed texts to their members. A first value that looks like a word or an
 * id is followed only if there is room beside the texts. */
static enum guard_result
take_texts(struct guard *g, struct event *in)
{
	const struct answer_text *v = in->d.texts;
	size_t n = in->d.ntexts;
	struct member **of, *w;
	size_t text = 0, apart = 0;

	while (text < n && !v[text].unnamed)
		text++;
	if (text == n)
		return g->failed;
	of = arena_array(&g->work, n, sizeof(*of));
	if (!of)
		return guard_no_memory(g);
	text = 0;
	for (size_t i = 0; i < n && !g->failed; i++)
		if (v[i].unnamed && v[i].text.n && (of[i] = text_member_of(g, &v[i])))
			member_note(of[i], &v[i]);
	for (size_t i = 0; i < n && !g->failed; i++) {
		if (!v[i].unnamed)
			continue;
		size_t place = text++;
		bool goes_on = (w = of[i]) && member_goes_on(w);
		if (w && !goes_on)
			member_end(w);
		if (goes_on && has_room(g, w))
			member_take(w, in, place, v[i].text);
		else if (v[i].text.n && (!w || goes_on))
			apart += v[i].text.n;
	}
	/* more members than are followed */
	g->report.apart_bytes += apart;
	if (apart && !g->report.unread_why)
		g->report.unread_why =
			"the stream has too many unknown fields to join across events";
	text = 0;
	for (size_t i = 0; i < n && !g->failed; i++) {
		size_t place = text;
		text += v[i].unnamed;
		if ((w = of[i]) && w->seen == 1 && !member_goes_on(w) && has_room(g, w))
			member_take(w, in, place, v[i].text);
	}
	return g->failed;
}

/* Ends members that end with this event, or were missing in too many events. */
static enum guard_result
end_some(struct guard *g, const struct answer_document *d)
{
	struct member *w, *next;

	for (w = LIST_FIRST(&g->members.followed); w; w = next) {
		next = LIST_NEXT(w, followed);
		uint64_t gap = g->members.event - w->event;
		bool over = gap >= (w->text ? GAP : GAP_OF_WORDS);
		if (over || (d && answer_ends(d, w->run->slot))) {
			if (member_end(w))
				break;
		} else if (gap && w->seen == 1) {
			let_member_go(w);
		}
	}
	return g->failed;
}

bool
guard_members_may_go(const struct guard *g, const struct event *e)
{
	(void)g;
	return !e->open;
}

/* A frame without data waits for the events before it. */
enum guard_result
guard_members_take(struct guard *g, struct event *e, bool *waits)
{
	struct event_queue *q = &g->queues[QUEUE_MEMBERS];

	if (!guard_inspects(g))
		return g->failed;
	if (e->frame.has_data) {
		g->members.event++;
		if (take_texts(g, e) || end_some(g, event_says(e))) {
			/* the undecided pieces would keep a pointer to the event */
			guard_members_free(g);
			return g->failed;
		}
	}
	*waits = !STAILQ_EMPTY(&q->events) || e->open;
	return *waits && queue_is_full(q, e) ? guard_members_end(g) : g->failed;
}

enum guard_result
guard_members_end(struct guard *g)
{
	while (!LIST_EMPTY(&g->members.followed) &&
		!member_end(LIST_FIRST(&g->members.followed)))
		continue;
	return g->failed;
}

void
guard_members_free(struct guard *g)
{
	while (!LIST_EMPTY(&g->members.followed))
		member_unfollow(LIST_FIRST(&g->members.followed));
}

static bool
is_joined(const struct answer_text *t)
{
	return text_grows(t) && !t->deep && t->text.n;
}

/* ---- blocks: values over an edge ---- */

/* Keeps a value until the end of the stream, which may repeat it. */
static int
add_crossing(struct guard *g, const struct stream_piece *p, size_t start)
{
	struct boundary *s = &g->boundary;

	if (s->ncrossings == CAP_CROSSINGS)
		return guard_unread(g, p->text.n,
			       "too many values continue across the ends of blocks")
			       ? ERR_BAD_STATE
			       : 0;
	struct crossing *x = ARENA_PUSH(&g->life, s->crossings, s->ncrossings,
		s->crossings_room, 8, (struct crossing){ .start = start });
	if (!x)
		return ERR_NOMEM;
	*x = (struct crossing){ .of = split_new(p->finding.entity, s->kind, p->text),
		.start = start,
		.end = start + p->text.n,
		.cuts = arena_array(&g->life, s->nedges, sizeof(*x->cuts)) };
	for (size_t i = 0; x->cuts && i < s->nedges; i++)
		if (x->start < s->edges[i] && s->edges[i] < x->end)
			x->cuts[x->ncuts++] = s->edges[i] - x->start;
	INVARIANT(x->ncuts <= s->nedges && x->start < x->end);
	return !x->of || buf_failed(&x->of->value) || !x->cuts ? ERR_NOMEM : 0;
}

static int
take_boundary_piece(void *arg, const struct stream_piece *p)
{
	struct guard *g = arg;
	struct boundary *s = &g->boundary;
	size_t start = s->from + p->start;

	s->decided = start + p->text.n;
	if (p->kind != PIECE_FINDING || p->more || s->decided <= s->opened)
		return 0;
	return add_crossing(g, p, start);
}

/* Ends the scan, so that all waiting events may leave. */
static enum guard_result
boundary_end(struct guard *g, bool finish)
{
	struct boundary *s = &g->boundary;
	int err = 0;

	if (!s->scan)
		return g->failed;
	if (finish)
		err = detect_stream_finish(s->scan, g->plan.scratch, take_boundary_piece, g);
	detect_stream_free(&s->scan);
	return guard_scanned(g, err);
}

/* ---- blocks: opening and reading ---- */

/* Returns a channel that ends with the event and whose text may continue in another one. NULL:
 * none. */
static struct channel *
ends_in(struct guard *g, const struct answer_document *d)
{
	struct channel *c, *ended = NULL;

	if (!d || !d->ends.any || d->ends.all || d->finish.n || d->error)
		return NULL;
	for (size_t i = 0; i < d->ntexts; i++)
		if (is_joined(&d->texts[i]))
			return NULL;
	LIST_FOREACH (c, &g->channels, all) {
		if (kind_is_shown(c->of.kind) && c->scan && !c->halved.is &&
			answer_ends(d, c->of.slot) &&
			g->boundary.total[c->of.kind] == c->from + c->fed)
			ended = c;
	}
	return ended;
}

/* Notes that a block ends here, and forgets the ends before the decided part. */
static enum guard_result
add_edge(struct guard *g)
{
	struct boundary *s = &g->boundary;
	size_t known = 0;

	while (known < s->nedges && s->edges[known] <= s->decided)
		known++;
	INVARIANT(s->scan && known <= s->nedges);
	s->nedges -= known;
	if (known)
		memmove(s->edges, s->edges + known, s->nedges * sizeof(*s->edges));
	if (!ARENA_PUSH(&g->life, s->edges, s->nedges, s->edges_room, 8, s->fed))
		return guard_no_memory(g);
	s->between = true;
	return g->failed;
}

static enum guard_result
boundary_open(struct guard *g, struct channel *c)
{
	struct boundary *s = &g->boundary;

	if (!detect_stream_held(c->scan))
		return g->failed;
	INVARIANT(!s->scan);
	s->scan = detect_stream_copy(c->scan);
	if (!s->scan)
		return guard_no_memory(g);
	s->kind = c->of.kind;
	memcpy(s->slot, c->of.slot, sizeof(s->slot));
	s->from = c->from;
	s->fed = c->from + c->fed;
	s->decided = s->fed - detect_stream_held(s->scan);
	s->opened = s->fed;
	s->halved.is = false;
	s->nedges = 0;
	return add_edge(g);
}

/* Returns true if the event shows that the text does not continue. */
static bool
boundary_is_over(const struct guard *g, const struct answer_document *d)
{
	const struct boundary *s = &g->boundary;

	if (!d || d->ends.all || d->finish.n || d->error || d->ncalls || d->ninputs)
		return true;
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		if (!is_joined(t))
			continue;
		bool same = !memcmp(t->slot, s->slot, sizeof(s->slot));
		const struct run *r = guard_run_find(g, t->kind, 0, t->slot);
		if (t->kind != s->kind || t->slot[ANSWER_NUMBERS] != s->slot[ANSWER_NUMBERS] ||
			(!s->between && !same) || (r && r->over))
			return true;
	}
	return false;
}

/* Scans byte by byte, so that the result does not depend on the pieces, and stops once all is
 * decided. */
static enum guard_result
boundary_feed(struct guard *g, struct span text)
{
	struct boundary *s = &g->boundary;

	for (size_t i = 0; i < text.n; i++) {
		s->fed++;
		int err = detect_stream_feed(s->scan, g->plan.scratch, span_cut(text, i, i + 1),
			take_boundary_piece, g);
		if (guard_scanned(g, err))
			return g->failed;
		if (s->decided >= s->edges[s->nedges - 1])
			return boundary_end(g, false);
	}
	return g->failed;
}

/* Reads the event's texts of the kind that is scanned. */
static enum guard_result
boundary_read(struct guard *g, const struct answer_document *d)
{
	struct boundary *s = &g->boundary;

	if (boundary_is_over(g, d))
		return boundary_end(g, true);
	for (size_t i = 0; i < d->ntexts; i++) {
		struct answer_text t = d->texts[i];
		if (!is_joined(&t))
			continue;
		s->between = false;
		memcpy(s->slot, t.slot, sizeof(s->slot));
		if (guard_pair(g, &s->halved, &t) || boundary_feed(g, t.text) || !s->scan)
			return g->failed;
	}
	/* the block ends with the event, if it had text */
	if (s->between || !answer_ends(d, s->slot))
		return g->failed;
	bool half = s->halved.is;
	s->halved.is = false;
	if (half && (boundary_feed(g, SPAN_LIT(GUARD_NO_HALF)) || !s->scan))
		return g->failed;
	return s->fed > s->edges[s->nedges - 1] ? add_edge(g) : g->failed;
}

/* ---- blocks: events ---- */

/* While a scan is open, events whose text is decided may leave. */
bool
guard_boundary_may_go(const struct guard *g, const struct event *e)
{
	return !g->boundary.scan || e->text_end <= g->boundary.decided;
}

enum guard_result
guard_boundary_take(struct guard *g, struct event *e, bool *waits)
{
	const struct answer_document *d = event_says(e);
	struct boundary *s = &g->boundary;
	bool open = s->scan != NULL;
	struct channel *c;

	if (!guard_inspects(g) || !g->format->blocks)
		return g->failed;
	if (!open && (!(c = ends_in(g, d)) || boundary_open(g, c) || !s->scan))
		return g->failed;
	if (open && e->frame.has_data && boundary_read(g, d))
		return g->failed;
	*waits = true;
	e->text_end = s->fed;
	if (!queue_is_full(&g->queues[QUEUE_BOUNDARY], e))
		return g->failed;
	/* a value that began in one block continues in the next one */
	if (!s->between && guard_unread(g, s->fed - s->decided,
				   "a value that continues across the end of a block is longer "
				   "than the gateway holds"))
		return g->failed;
	return boundary_end(g, true);
}

enum guard_result
guard_boundary_end(struct guard *g)
{
	return boundary_end(g, true);
}

void
guard_boundary_free(struct guard *g)
{
	detect_stream_free(&g->boundary.scan);
	for (size_t i = 0; i < g->boundary.ncrossings; i++)
		split_drop(g->boundary.crossings[i].of);
}

/* ---- blocks: replacement ---- */

struct crossing *
guard_boundary_at(struct guard *g, enum answer_kind kind, size_t start, size_t end)
{
	struct crossing *first = NULL;

	for (size_t i = 0; i < g->boundary.ncrossings; i++) {
		struct crossing *x = &g->boundary.crossings[i];
		if (x->end > start && x->start < end && x->of->kind == kind &&
			(!first || x->start < first->start))
			first = x;
	}
	return first;
}

/* ---- blocks: repetitions ---- */

/* Sets *out to part k of the value, as a finding of the text. The first part must end the text,
 * the last one must begin it, and a part between must be the whole text. Returns false if it
 * does not. */
static bool
part_of(const struct crossing *x, struct span text, size_t k, struct finding *out)
{
	struct span value = buf_view(&x->of->value), part;
	bool last = k == x->ncuts;

	INVARIANT(k <= x->ncuts && x->ncuts > 0);
	part = span_cut(value, k ? x->cuts[k - 1] : 0, last ? value.n : x->cuts[k]);
	bool is = k == 0 ? span_ends(text, part)
		  : last ? span_starts(text, part)
			 : span_eq(text, part);
	*out = (struct finding){ .start = k ? 0 : text.n - part.n,
		.end = k ? part.n : text.n,
		.entity = (uint16_t)x->of->entity };
	return is;
}

/* Adds the parts of all kept values that are in the text as findings: first parts or later
 * parts. The kind is not compared, because a row for text may repeat reasoning. */
static void
add_parts(struct guard *g, const struct answer_text *t, bool first, struct findings *all,
	struct span *wholes)
{
	struct finding part;

	for (size_t i = 0; i < g->boundary.ncrossings; i++) {
		struct crossing *x = &g->boundary.crossings[i];
		if (x->of->is != SPLIT_REPLACED || !x->ncuts)
			continue;
		for (size_t k = first ? 0 : 1; k <= (first ? 0 : x->ncuts); k++)
			if (part_of(x, t->text, k, &part)) {
				wholes[all->n] = first ? buf_view(&x->of->value) : SPAN_LIT("");
				all->v[all->n++] = part;
				break;
			}
	}
}

enum guard_result
guard_boundary_again(struct guard *g, const struct answer_text *t, struct findings *found)
{
	size_t room = found->n + 2 * g->boundary.ncrossings;
	struct findings all = { .evasion = found->evasion };

	if (!t->copy || t->kind == KIND_OTHER || !g->boundary.ncrossings)
		return g->failed;
	all.v = arena_array(&g->work, room, sizeof(*all.v));
	struct span *wholes = arena_array(&g->work, room, sizeof(*wholes));
	if (!all.v || !wholes)
		return guard_no_memory(g);
	add_parts(g, t, false, &all, wholes);
	for (size_t i = 0; i < found->n; i++) {
		wholes[all.n] = (struct span){ NULL, 0 };
		all.v[all.n++] = found->v[i];
	}
	add_parts(g, t, true, &all, wholes);
	INVARIANT(all.n <= room);
	*found = all;
	g->wholes = wholes;
	return g->failed;
}
