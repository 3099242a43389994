/* The carry-over form of the scanner: windows over detect_scan(), so that whatever
 * stages a scan has, a stream has. Apart from the pipeline, which knows one text. */
#include "detect/stream/stream.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/err.h"
#include "detect/prefilter/offset.h"
#include "detect/prefilter/starts.h"
#include "detect/rules/scratch.h"
#include "detect/stream/stream_open.h"

enum {
	RIGHT = CONTEXT_BYTES + 16, /* a finding's score is known so far after its end */
	FINDING_BACK = 256,	    /* and not within a finding, if that is not longer */
	TOKEN_MIN = 16,		    /* of a piece of a key that is no word */
	MARKER_MAX = 64,	    /* -----END … PRIVATE KEY----- */
	LEFT_MAX = OFFSET_MAX + WORD_BACK + FINDING_BACK,
	ROOM = LEFT_MAX + CAP_STREAM_HELD + 8,
};

struct detect_stream {
	const struct detect_rules *rules;
	struct detect_options opt;
	char before[CONTEXT_BYTES];
	struct known_names known;
	int err;
	size_t base;	/* of buf[0] in the stream */
	size_t n, done; /* bytes in buf; those handed out */
	size_t curl;	/* where the last one handed out begins in the stream, and one */
	bool evasion;
	size_t lag;  /* bytes after what a window decides */
	size_t want; /* the next window is buf up to here */
	/* what is too long, until it ends */
	bool swallowing, unread;
	struct finding swallowed;
	bool gaps;	   /* of a finding: it is in pieces */
	size_t width;	   /* of an unread one: of its lines, 0: it has one */
	size_t line;	   /* bytes since its last gap */
	size_t gap, token; /* bytes of a gap that may end it, and what follows */
	bool breaks;	   /* the gap has a line break */
	size_t pending;	   /* both, in `held` */
	size_t dashes;	   /* a run of '-' just before */
	size_t marker;	   /* bytes after -----END, 0: not there */
	uint64_t recent;   /* the last eight bytes */
	char held[BREAK_MAX + TOKEN_MIN];
	char buf[ROOM];
};

struct detect_stream *
detect_stream_new(const struct detect_rules *r, const struct detect_options *opt)
{
	struct detect_stream *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->rules = r;
	if (opt) {
		size_t n = opt->before.n < CONTEXT_BYTES ? opt->before.n : CONTEXT_BYTES;
		s->opt = *opt;
		if (n)
			memcpy(s->before, opt->before.p + opt->before.n - n, n);
		s->opt.before = span_of(s->before, n);
	}
	s->lag = r->own_reach + RIGHT > STREAM_LAG ? r->own_reach + RIGHT : STREAM_LAG;
	if (s->lag > STREAM_LAG_MAX)
		s->lag = STREAM_LAG_MAX;
	s->want = STREAM_STEP + s->lag;
	return s;
}

void
detect_stream_free(struct detect_stream **s)
{
	if (!*s)
		return;
	explicit_bzero(*s, sizeof(**s));
	free(*s);
	*s = NULL;
}

size_t
detect_stream_held(const struct detect_stream *s)
{
	return s->n - s->done + s->pending;
}

bool
detect_stream_evasion(const struct detect_stream *s)
{
	return s->evasion;
}

/* ---- handing out ---- */

struct out {
	stream_take_fn *take;
	void *arg;
};

static int
hand_text(struct detect_stream *s, const struct out *o, size_t to)
{
	struct stream_piece p = { .kind = PIECE_TEXT,
		.start = s->base + s->done,
		.text = span_cut(span_of(s->buf, s->n), s->done, to) };

	if (to <= s->done)
		return 0;
	s->done = to;
	return o->take(o->arg, &p);
}

/* [done, to), which f or, without one, nothing is known of. */
static int
hand_finding(struct detect_stream *s, const struct out *o, const struct finding *f, size_t to)
{
	struct stream_piece p = { .kind = f ? PIECE_FINDING : PIECE_UNREAD,
		.start = s->base + s->done,
		.text = span_cut(span_of(s->buf, s->n), s->done, to) };

	if (to <= s->done)
		return 0;
	if (f) {
		p.finding = *f;
		p.finding.start = p.start;
		p.finding.end = p.start + p.text.n;
		s->swallowed = p.finding;
	}
	s->done = to;
	return o->take(o->arg, &p);
}

/* Everything up to `limit`, of which a finding has all or nothing. */
static int
hand_out(struct detect_stream *s, const struct out *o, const struct findings *f, size_t limit)
{
	int err = 0;

	for (size_t i = 0; i < f->n && !err && f->v[i].start < limit; i++) {
		if (f->v[i].end <= s->done)
			continue;
		err = hand_text(s, o, f->v[i].start);
		if (!err)
			err = hand_finding(s, o, &f->v[i], f->v[i].end);
	}
	return err ? err : hand_text(s, o, limit);
}

/* The end of what this window decides. */
static size_t
limit_of(const struct detect_stream *s, const struct findings *f)
{
	struct span t = span_of(s->buf, s->n);
	size_t sure = s->n - RIGHT, limit = stream_boundary(t, s->n - s->lag, s->done);
	size_t armour = stream_open_armour(t, s->done);

	struct token_run run = stream_run_around(t, limit);

	if (run.start < limit && run.end > sure)
		limit = run.start;
	if (armour < limit)
		limit = armour;
	for (size_t i = f->n; i > 0; i--) {
		const struct finding *x = &f->v[i - 1];
		if (x->start >= limit)
			continue;
		if (x->end > sure)
			limit = x->start;
		else if (x->end > limit)
			limit = x->end;
		else
			break;
	}
	return limit > s->done ? limit : s->done;
}

/* ---- windows ---- */

enum { CURL = 4 };
static struct block_sets curl_sets; /* a set for each letter */

__attribute__((constructor)) static void
fill_curl(void)
{
	for (unsigned k = 0; k < CURL; k++)
		block_sets_add(&curl_sets, k, (unsigned char)"curl"[k]);
}

/* Notes the last "curl" in what is handed out, from `was` on. */
static void
note_curl(struct detect_stream *s, size_t was)
{
	struct span t = span_of(s->buf, s->done);
	uint64_t at[BLOCK_SETS];

	for (size_t i = was > CURL ? was - CURL : 0; i < t.n; i += BLOCK - CURL + 1) {
		block_classify(&curl_sets, t.p + i, t.n - i, at);
		uint64_t all = at[0] & at[1] >> 1 & at[2] >> 2 & at[3] >> 3;
		if (all)
			s->curl = s->base + i + 64 - (size_t)__builtin_clzll(all);
	}
}

/* Keeps what the next window needs to the left of it: context, and what may lead up to
 * a finding, "curl" to the password after its -u. */
static void
move_on(struct detect_stream *s, const struct findings *f, const struct far_starts *l)
{
	struct span t = span_of(s->buf, s->n);
	size_t from = s->done > STREAM_LEFT ? s->done - STREAM_LEFT : 0;

	from = stream_boundary(t, from, 0);
	for (size_t i = 0; i < l->n; i++)
		if (l->v[i].from < from && l->v[i].until > s->done)
			from = stream_boundary(t, l->v[i].from, 0);
	if (s->curl > s->base && s->curl - s->base <= from &&
		s->base + s->done - s->curl < CHECK_CURL_BACK)
		from = s->curl - s->base - 1;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].start < from && f->v[i].end > from &&
			from - f->v[i].start <= FINDING_BACK)
			from = f->v[i].start;
	if (s->done - from > LEFT_MAX)
		from = s->done - LEFT_MAX;
	memmove(s->buf, s->buf + from, s->n - from);
	s->base += from;
	s->n -= from;
	s->done -= from;
	s->opt.inside |= s->base > 0;
}

static bool
is_gap(char c)
{
	return is_one_of(c, " \t\r\n\"'`,;\\>|#*");
}

static void
begin_swallowing(struct detect_stream *s, const struct finding *f, size_t width)
{
	s->swallowing = true;
	s->unread = !f;
	s->width = width;
	s->gaps = false;
	for (size_t i = f ? f->start : s->n; i < s->n && !s->gaps; i++)
		s->gaps = is_gap(s->buf[i]);
	s->line = s->n - stream_run_start(span_of(s->buf, s->n), s->n);
	s->gap = s->token = s->pending = s->dashes = s->marker = 0;
	s->recent = 0;
}

/* The window is as large as it may be, and all of it is open. */
static int
too_long(struct detect_stream *s, const struct out *o, const struct findings *f)
{
	struct span t = span_of(s->buf, s->n);
	struct token_run run = stream_run_around(t, s->n);

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->v[i];
		if (x->start > s->done || x->end <= s->done)
			continue;
		/* What follows it up to the window's end may be part of it. */
		if (x->end >= run.start || x->end + BREAK_MAX >= s->n)
			begin_swallowing(s, x, 0);
		return hand_finding(s, o, x, s->swallowing ? s->n : x->end);
	}
	if (run.start < s->n - s->lag) {
		begin_swallowing(s, NULL, run.width);
		return hand_finding(s, o, NULL, s->n);
	}
	return hand_out(s, o, f, stream_boundary(t, s->n - s->lag, s->done));
}

/* Scans what there is and decides as much of it as can be. */
static int
next_window(
	struct detect_stream *s, struct detect_scratch *scratch, const struct out *o, bool last)
{
	struct findings f = { 0 };
	struct arena a;
	size_t was = s->base + s->done, held = s->n - s->done;

	arena_init(&a, 0, true);
	s->opt.part = !last || s->base > 0;
	scratch->known = &s->known;
	scratch->far_starts =
		(struct far_starts){ .of = s->buf, .least = s->done, .over = STREAM_LEFT };
	int err = detect_scan(s->rules, scratch, span_of(s->buf, s->n), &s->opt, &a, &f);
	s->evasion |= f.evasion;
	size_t limit = err ? s->done : last ? s->n : limit_of(s, &f);
	if (!err && limit > s->done)
		err = hand_out(s, o, &f, limit);
	else if (!err && held >= CAP_STREAM_HELD)
		err = too_long(s, o, &f);
	if (s->base + s->done > was) {
		note_curl(s, was - s->base);
		move_on(s, &f, &scratch->far_starts);
		held = s->n - s->done;
		/* The more there is to read again, the more at once. */
		s->want = s->done + s->lag +
			  (s->done / 2 > STREAM_STEP ? s->done / 2 : STREAM_STEP);
		if (s->want < s->n + (held + STREAM_STEP) / 2)
			s->want = s->n + (held + STREAM_STEP) / 2;
	} else {
		s->want = s->done + 2 * held;
	}
	if (s->want > s->done + CAP_STREAM_HELD)
		s->want = s->done + CAP_STREAM_HELD;
	scratch->far_starts.of = NULL;
	scratch->known = NULL;
	arena_reset(&a);
	return err;
}

/* ---- what is too long ---- */

enum next { BELONGS, MAYBE, LAST, OVER }; /* LAST: what is pending does, this does not */

/* A byte of the gap between pieces of it, or of the piece after. As the rule for
 * PEM reads a key that was cut off: a piece is as long as no word is, or the short
 * last line. A blob goes on in a line as wide as the ones before. */
static enum next
behind_gap(struct detect_stream *s, char c)
{
	if (s->token == 0 && (s->unread ? is_space(c) : is_gap(c))) {
		s->breaks |= c == '\n';
		return ++s->gap > BREAK_MAX ? OVER : MAYBE;
	}
	if (!stream_is_run(c))
		return !s->unread && s->breaks && s->token ? LAST : OVER;
	if (s->unread && !(s->breaks && s->line == s->width) && c != '-')
		return OVER;
	if (++s->token < TOKEN_MIN && !s->unread && s->marker == 0)
		return MAYBE;
	s->line = s->token;
	s->gap = s->token = 0;
	return BELONGS;
}

/* Whether the next byte is still part of it. */
static enum next
next_of(struct detect_stream *s, char c)
{
	static const uint64_t ends[] = { UINT64_C(0x2d2d2d2d2d454e44), /* -----END */
		UINT64_C(0x2d2d2d2d20454e44) };			       /* ---- END */
	size_t dashes = s->dashes;

	s->recent = s->recent << 8 | (unsigned char)c;
	s->dashes = c == '-' ? dashes + 1 : 0;
	if (s->marker) {
		bool closed = c != '-' && dashes >= 4;
		return closed || c == '\n' || ++s->marker > MARKER_MAX ? OVER : BELONGS;
	}
	if (s->recent == ends[0] || s->recent == ends[1]) {
		s->marker = 1;
		s->dashes = 0;
	}
	if (s->gap)
		return s->token && c == ' ' && dashes == 4 ? MAYBE : behind_gap(s, c);
	if (stream_is_run(c) || (c == ' ' && dashes == 4)) {
		s->line++;
		return BELONGS;
	}
	s->breaks = c == '\n';
	s->gap = 1;
	return s->unread ? (c == '\n' || c == '\r' ? MAYBE : OVER)
			 : (s->gaps && is_gap(c) ? MAYBE : OVER);
}

/* More of it. Its end stays as the context of what follows. */
static int
hand_more(struct detect_stream *s, const struct out *o, struct span v)
{
	struct stream_piece p = { .kind = s->unread ? PIECE_UNREAD : PIECE_FINDING,
		.more = true,
		.start = s->base + s->n,
		.text = v };
	size_t keep = v.n < STREAM_LEFT ? STREAM_LEFT - v.n : 0;

	if (v.n == 0)
		return 0;
	if (!s->unread) {
		s->swallowed.end = p.start + v.n;
		p.finding = s->swallowed;
	}
	int err = o->take(o->arg, &p);
	struct span tail = span_cut(v, v.n > STREAM_LEFT ? v.n - STREAM_LEFT : 0, v.n);
	keep = keep < s->n ? keep : s->n;
	memmove(s->buf, s->buf + s->n - keep, keep);
	memcpy(s->buf + keep, tail.p, tail.n);
	s->base = p.start + v.n - keep - tail.n;
	s->n = s->done = keep + tail.n;
	return err;
}

/* It is over: what was pending is text like any other. */
static void
stream_resume(struct detect_stream *s)
{
	memcpy(s->buf + s->n, s->held, s->pending);
	s->n += s->pending;
	s->pending = 0;
	s->swallowing = false;
	s->opt.inside |= s->base > 0;
	s->want = s->done + STREAM_STEP + s->lag;
}

static int
hand_pending(struct detect_stream *s, const struct out *o)
{
	size_t n = s->pending;

	s->pending = 0;
	return hand_more(s, o, span_of(s->held, n));
}

/* Takes off *delta what belongs to it. */
static int
take_more(struct detect_stream *s, const struct out *o, struct span *delta)
{
	size_t from = 0, i = 0;
	int err = 0;

	for (; i < delta->n && !err && s->swallowing; i++) {
		enum next next = next_of(s, delta->p[i]);
		if (s->pending == 0 && next != BELONGS) {
			err = hand_more(s, o, span_cut(*delta, from, i));
			from = i;
		}
		if (next == MAYBE && s->pending < sizeof(s->held)) {
			s->held[s->pending++] = delta->p[i];
			from = i + 1;
			continue;
		}
		if (s->pending && (next == BELONGS || next == LAST)) {
			err = err ? err : hand_pending(s, o);
			from = i;
		}
		if (next != BELONGS) {
			stream_resume(s);
			break;
		}
	}
	if (s->swallowing && !err)
		err = hand_more(s, o, span_cut(*delta, from, i));
	*delta = span_cut(*delta, i, delta->n);
	return err;
}

/* ---- the stream ---- */

int
detect_stream_feed(struct detect_stream *s, struct detect_scratch *scratch, struct span delta,
	stream_take_fn *take, void *arg)
{
	struct out o = { take, arg };

	while (delta.n && !s->err) {
		if (s->swallowing) {
			s->err = take_more(s, &o, &delta);
			continue;
		}
		size_t room = s->want - s->n, n = delta.n < room ? delta.n : room;
		memcpy(s->buf + s->n, delta.p, n);
		s->n += n;
		delta = span_cut(delta, n, delta.n);
		if (s->n == s->want)
			s->err = next_window(s, scratch, &o, false);
	}
	return s->err;
}

int
detect_stream_finish(struct detect_stream *s, struct detect_scratch *scratch,
	stream_take_fn *take, void *arg)
{
	struct out o = { take, arg };

	if (s->swallowing && !s->err && !s->unread && s->breaks && s->token)
		s->err = hand_pending(s, &o);
	if (s->swallowing)
		stream_resume(s);
	if (!s->err && s->n > s->done)
		s->err = next_window(s, scratch, &o, true);
	return s->err;
}
