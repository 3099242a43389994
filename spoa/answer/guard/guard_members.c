/* Follows members of events that no row of a format names, such as a provider's new
 * delta.thoughts, or every member of an unknown format.
 *
 * A value may be spread over the same member of several events, so each member is read in its
 * event and together with the events before and after. Text that may be the beginning of a
 * value is not moved to another event, as a channel's text is, because clients expect the
 * member in its place. Instead the event and those after it wait (QUEUE_MEMBERS) until more of
 * the member arrives or its end is clear.
 *
 * Three kinds are not followed: values that stay equal; words, ids and times, by key and looks;
 * and digits of one shape in each event, which count something. The first value of a member may
 * be the beginning of anything, and waits for one event. */
#include <stdlib.h>

#include "answer/guard/guard_stream.h"
#include "base/ascii.h"
#include "base/err.h"
#include "scan/detect/stream/stream.h"

enum {
	FOLLOWED_MAX = 32, /* members that are followed at once */
	PIECE_MAX = 1024,  /* a longer text is followed at both ends only */
	PIECE_END = 512,   /* size of each end */
	/* events without the member after which it has ended; the second if it is words */
	GAP = 3,
	GAP_OF_WORDS = 1,
	ID_BYTES = 8,	  /* letters and digits of this length are an id */
	AGAIN_BYTES = 16, /* equal texts of this length, or of letters alone, are repetitions */
};

/* A part of a text that was scanned: n bytes from `at`, which begin at `start` in the member's
 * stream. */
struct piece {
	STAILQ_ENTRY(piece) all;
	struct event *in;
	size_t text, at, start, n;
};

/* ---- looks ---- */

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

/* ---- findings and their places ---- */

/* Takes a decided piece. A finding is marked in each text that has a part of it. */
static int
take_piece(void *arg, const struct stream_piece *p)
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

/* ---- a member over events ---- */

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
	int err = detect_stream_finish(w->scan, g->plan.scratch, take_piece, w);
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
		w->scan, g->plan.scratch, span_cut(all, from, to), take_piece, w);
	if (!err && detect_stream_held(w->scan) > g->report.held_max_bytes)
		g->report.held_max_bytes = detect_stream_held(w->scan);
	return guard_scanned(g, err);
}

/* Scans a text. Of a long one only the ends may be parts of other values; its event reads the
 * whole. */
static enum guard_result
member_take(struct member *w, struct event *in, size_t text, struct span s)
{
	if (s.n <= PIECE_MAX)
		return member_feed(w, in, text, s, 0, s.n);
	if (member_feed(w, in, text, s, 0, utf8_begin(s, PIECE_END)) || member_end(w))
		return w->g->failed;
	return member_feed(w, in, text, s, utf8_begin(s, s.n - PIECE_END), s.n);
}

/* ---- events ---- */

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
			/* the event's undecided pieces would refer to it */
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
