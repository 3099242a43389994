/* Members of events that no row of a format names: a provider's new delta.thoughts, or all
 * of a format that no table has. Each is read in its event, and with the same member of the
 * events before and after: a value may be spread over them. What may be the beginning of one
 * is not moved to another event, as text of known members is (guard_stream.c): these members
 * may be anything, and clients expect them where they are. The event waits, and those after
 * it, until more of the member has come, or none does.
 *
 * Not read together are: what stays as it is from event to event; words, ids and times, by
 * their keys and looks; digits of one shape in each event, which count something. The first
 * time that a member comes it may be the beginning of anything, and waits for one event. */
#include <stdlib.h>

#include "answer/guard/guard_stream.h"
#include "base/ascii.h"
#include "base/err.h"
#include "scan/detect/stream/stream.h"

enum {
	FOLLOWED_MAX = 32, /* members that may go on */
	PIECE_MAX = 1024,  /* of a longer one the ends: */
	PIECE_END = 512,   /* so much of each */
	GAP = 3,
	GAP_OF_WORDS = 1, /* events without the member, and it is at its end */
	ID_BYTES = 8,	  /* letters and digits together: an id */
	AGAIN_BYTES = 16, /* so long, or letters alone, it is said again */
};

/* What was fed of a text: n bytes from `at`, in its stream from `start`. */
struct piece {
	STAILQ_ENTRY(piece) all;
	struct event *in;
	size_t text, at, start, n;
};

/* ---- what it looks like ---- */

static bool
is_edge(char c)
{
	return c == '-' || c == '_' || c == '.' || c == ':';
}

/* Digits, and what separates them: 12:30:45, 2026-11-21 10:00:00. */
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

/* Something that words, ids and times of formats do not have. */
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

/* Where its digits are, and what is between them; 0: it has letters. */
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

/* ---- what was found, and where ---- */

/* What is handed out is decided; a finding is marked in each piece that it is in. */
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

/* ---- a member, over events ---- */

/* What came once need not come again: its event goes, and what goes on of it is found. */
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

/* Nothing more comes: what waited for it is decided. */
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

/* NULL: there are too many. */
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

/* What the member is in this event, all of it: in arrays there may be several. */
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

/* Whether what it is in this event goes on from what it was. */
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

/* A long one is read in its event, as any is: its ends alone may be a part of others. */
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

/* Of the texts of an event those that no row names, into what they go on from. What looks like
 * a word or an id is taken where it is the first that its member says, and there is room for it
 * next to what is text. */
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
	/* more of them than are followed */
	g->report.apart_bytes += apart;
	if (apart && !g->report.unread_why)
		g->report.unread_why =
			"members that no format names, more than are followed over events";
	text = 0;
	for (size_t i = 0; i < n && !g->failed; i++) {
		size_t place = text;
		text += v[i].unnamed;
		if ((w = of[i]) && w->seen == 1 && !member_goes_on(w) && has_room(g, w))
			member_take(w, in, place, v[i].text);
	}
	return g->failed;
}

/* Members of which this event, or too many of the last ones, say that they are at their end. */
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

/* A frame without data waits for those before it. */
enum guard_result
guard_members_take(struct guard *g, struct event *e, bool *waits)
{
	struct event_queue *q = &g->queues[QUEUE_MEMBERS];

	if (!guard_inspects(g))
		return g->failed;
	if (e->frame.has_data) {
		g->members.event++;
		if (take_texts(g, e) || end_some(g, event_says(e))) {
			guard_members_free(g); /* pieces that are not decided are in it */
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
