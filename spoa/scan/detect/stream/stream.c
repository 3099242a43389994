/* The streaming form of the scanner.
 *
 * When a word ends, decide() determines which of the held text may continue and which is
 * decided. The shapes of the words (stream_tail.c) answer most cases. If they are not certain,
 * the held text is scanned for anything that may become a finding (open_scan()). The
 * decided text is then scanned like any other text, so a stream has all stages that a scan has.
 *
 * States of a stream:
 * - normal: take_word() collects text in `buf`, decide() returns what is decided.
 * - swallowing: a candidate is longer than CAP_STREAM_HELD. take_more() returns its continuation
 *   until it ends (stream_resume()).
 * - lost: a limit of work was reached. Everything that follows is returned as PIECE_UNREAD.
 * - err: an error occurred; nothing more is returned.
 *
 * In `buf`, the bytes before `done` were returned and are kept as context; the bytes from `done`
 * to `n` are held. */
#include "scan/detect/stream/stream.h"

#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/effort.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "scan/detect/custom/custom_stage.h"
#include "scan/detect/engine.h"
#include "scan/detect/stream/stream_tail.h"

/* ---- a finding or run that is longer than a stream holds ----
 *
 * Decides where a finding or run ends that is longer than a stream holds.
 *
 * The states are those of struct stream_long. Inside a line every run byte belongs to it. A gap
 * (a line break, quotes) makes the following bytes pending, until the next token shows whether
 * it continues. After a -----END marker, the bytes up to the end of the marker belong to it. */

/* least bytes of a token that is too long to be a word, and so is a piece of a key */
enum { STREAM_TOKEN_MIN = 16 };

/* The state of a finding or run that is longer than a stream holds. A member of struct
 * detect_stream. */
struct stream_long {
	bool unread;	   /* a run of which it is not known whether it is a finding */
	bool gaps;	   /* the finding is written in pieces with gaps between them */
	size_t width;	   /* of an unknown run: length of its lines; 0: the run has one line */
	size_t line;	   /* number of bytes since the last gap */
	/* bytes of the present gap, which may end the finding, and of the token after the
	 * gap */
	size_t gap, token;
	bool breaks;	   /* the gap contains a line break */
	size_t dashes;	   /* number of '-' directly before the next byte */
	size_t marker;	   /* bytes after -----END; 0: not reached */
	uint64_t recent;   /* the last eight bytes */
};

/* The meaning of the next byte. LONG_BELONGS: the byte belongs to the run. LONG_MAYBE: the byte
 * may belong to the run, and becomes pending. LONG_LAST: the run is over; the pending bytes
 * belong to the run, the next byte does not. LONG_OVER: the run is over, and the pending bytes
 * do not belong to it. */
enum stream_next { LONG_BELONGS, LONG_MAYBE, LONG_LAST, LONG_OVER };

enum { MARKER_MAX = 64 }; /* bytes of -----END … PRIVATE KEY----- */

static bool
joins_pieces(char c)
{
	return is_one_of(c, " \t\r\n\"'`,;\\>|#*");
}

/* Begins a long finding or run. `begun`: the bytes of a finding so far. `line`: bytes of its
 * last line. `width`: length of the lines of an unknown run. */
static struct stream_long
stream_long_begin(bool finding, struct span begun, size_t line, size_t width)
{
	struct stream_long s = { .unread = !finding, .line = line, .width = width };

	for (size_t i = 0; i < begun.n && !s.gaps; i++)
		s.gaps = joins_pieces(begun.p[i]);
	return s;
}

/* Returns true if the pending bytes belong to the finding at the end of the text. */
static bool
stream_long_ends(const struct stream_long *s)
{
	return !s->unread && s->breaks && s->token;
}

/* Decides about a byte of the gap between two pieces, or of the piece after the gap. As in the
 * rule for truncated PEM keys, a piece of a finding is longer than any word, or is the short
 * last line. A blob continues in a line as wide as the lines before. */
static enum stream_next
behind_gap(struct stream_long *s, char c)
{
	if (s->token == 0 && (s->unread ? is_space(c) : joins_pieces(c))) {
		s->breaks |= c == '\n';
		return ++s->gap > BREAK_MAX ? LONG_OVER : LONG_MAYBE;
	}
	if (!stream_is_run(c))
		return !s->unread && s->breaks && s->token ? LONG_LAST : LONG_OVER;
	if (s->unread && !(s->breaks && s->line == s->width) && c != '-')
		return LONG_OVER;
	if (++s->token < STREAM_TOKEN_MIN && !s->unread && s->marker == 0)
		return LONG_MAYBE;
	s->line = s->token;
	s->gap = s->token = 0;
	return LONG_BELONGS;
}

/* Decides about the next byte. */
static enum stream_next
stream_long_next(struct stream_long *s, char c)
{
	static const uint64_t ends[] = { UINT64_C(0x2d2d2d2d2d454e44), /* -----END */
		UINT64_C(0x2d2d2d2d20454e44) };			       /* ---- END */
	size_t dashes = s->dashes;

	s->recent = s->recent << 8 | (unsigned char)c;
	s->dashes = c == '-' ? dashes + 1 : 0;
	if (s->marker) {
		bool closed = c != '-' && dashes >= 4;
		return closed || c == '\n' || ++s->marker > MARKER_MAX ? LONG_OVER
								       : LONG_BELONGS;
	}
	if (s->recent == ends[0] || s->recent == ends[1]) {
		s->marker = 1;
		s->dashes = 0;
	}
	if (s->gap)
		return s->token && c == ' ' && dashes == 4 ? LONG_MAYBE : behind_gap(s, c);
	if (stream_is_run(c) || (c == ' ' && dashes == 4)) {
		s->line++;
		return LONG_BELONGS;
	}
	s->breaks = c == '\n';
	s->gap = 1;
	return s->unread ? (c == '\n' || c == '\r' ? LONG_MAYBE : LONG_OVER)
			 : (s->gaps && joins_pieces(c) ? LONG_MAYBE : LONG_OVER);
}

/* ---- the stream ---- */

enum {
	RIGHT = CONTEXT_BYTES + 16, /* bytes after a value's end until its score is final */
	NAME_RIGHT = 32,	    /* the same as RIGHT for a name */
	/* names with at most so many bytes between them are evidence for each other */
	NAME_LIST = 12,
	FINDING_BACK = 256,	    /* the kept context begins at most so many bytes earlier, if
				     * it would otherwise begin within a finding */
	RUN_REACH = 2048,	    /* bytes of a value of 1 KB in hexadecimal */
	/* The next look waits for more bytes: the number of held bytes divided by AGAIN, or one
	 * byte for each LOOK_UNITS units of work of the last look, whichever is more. */
	AGAIN = 6,
	LOOK_UNITS = 1000,
	LEFT_MAX = CHECK_CURL_BACK + WORD_BACK + FINDING_BACK,
	ROOM = LEFT_MAX + CAP_STREAM_HELD + 8,
	MUCH_MAX = 256 << 10, /* bytes of a long delta that one scan handles */
};

/* A stream. `low` follows the struct in the same allocation. */
struct detect_stream {
	const struct detect_rules *rules;
	const struct detect_rules *asked; /* the rules of the entities that are asked for */
	struct stream_asked words;
	struct detect_options opt;
	float *low; /* thresholds for values that context may turn into findings */
	char before[CONTEXT_BYTES];
	struct known_names known;
	struct column_table table; /* the table that the text before buf[0] is in */
	int err;
	uint64_t work;	/* units of work that the stream may still use (base/effort.h) */
	size_t base;	/* offset of buf[0] in the stream */
	/* n: number of bytes in buf; done: number of bytes of buf that were returned */
	size_t n, done;
	size_t curl;	/* offset + 1 in the stream of the last "curl" in returned text; 0: none */
	bool evasion;
	size_t look;  /* the next look waits until buf has so many bytes */
	size_t begun; /* offset in buf at which a pattern or a policy's term may have begun; n:
		       * none */
	/* A candidate that is longer than CAP_STREAM_HELD, until it ends. */
	bool swallowing;
	bool lost; /* the scan reached its limit of work: all further text is uninspected */
	struct finding swallowed;
	struct stream_long run;
	size_t pending; /* bytes in `held`: of a gap in the candidate, and of the token after the
			 * gap */
	char held[BREAK_MAX + STREAM_TOKEN_MIN];
	char *buf; /* `own`, except while a long delta is scanned */
	char own[ROOM];
};

/* ---- beginning and end ---- */

/* Returns the finder of an entity, or FINDERS if the entity is no name. */
static enum finder
finder_of(const struct detect_rules *r, size_t e)
{
	size_t f = 0;

	while (f < FINDERS && r->finders[f] != e + 1)
		f++;
	return (enum finder)f;
}

static bool
is_entity_name(const struct detect_rules *r, size_t e)
{
	return finder_of(r, e) < FINDERS;
}

/* The most that text after a name adds to its score. */
#define NAME_MORE 0.3f
/* A value with any score counts, because context may add any amount. */
#define VALUE_LOW -2.0f

static void
ask_for(struct detect_stream *s)
{
	const struct detect_rules *r = s->rules;
	const struct detect_used *u = s->opt.used;

	s->asked = u && u->rules ? u->rules : r;
	for (size_t e = 0; e < r->nentities; e++) {
		enum finder f = finder_of(r, e);
		s->low[e] = 2.0f;
		if ((u && !(u->entities[e / 64] >> (e % 64) & 1)) ||
			scan_threshold(r, &s->opt, e) > 1.0f)
			continue;
		s->low[e] = VALUE_LOW;
		if (f == FINDERS)
			continue;
		s->low[e] = scan_threshold(r, &s->opt, e) - NAME_MORE;
		s->words.names = r->names;
		s->words.numbers |= f == FIND_STREET || f == FIND_PLACE;
	}
	for (size_t i = 0; i < s->asked->npatterns; i++) {
		const struct pattern *p = &s->asked->patterns[i];
		bool on = s->low[p->entity] <= 1.0f;
		s->words.values |= on;
		s->words.numbers |= on && p->kind == START_DIGITS;
		s->words.addresses |=
			on && !strcmp(r->entities[p->entity].name, "EMAIL_ADDRESS");
	}
}

struct detect_stream *
detect_stream_new(const struct detect_rules *r, const struct detect_options *opt)
{
	struct detect_stream *s = calloc(1, sizeof(*s) + r->nentities * sizeof(float));

	if (!s)
		return NULL;
	s->rules = r;
	s->work = CAP_WORK_TEXT;
	s->low = (float *)(s + 1);
	s->buf = s->own;
	if (opt) {
		size_t n = opt->before.n < CONTEXT_BYTES ? opt->before.n : CONTEXT_BYTES;
		s->opt = *opt;
		if (n)
			memcpy(s->before, opt->before.p + opt->before.n - n, n);
		s->opt.before = span_of(s->before, n);
	}
	s->opt.table = &s->table;
	ask_for(s);
	return s;
}

struct detect_stream *
detect_stream_copy(const struct detect_stream *s)
{
	size_t n = sizeof(*s) + s->rules->nentities * sizeof(float);
	struct detect_stream *copy = malloc(n);

	if (!copy)
		return NULL;
	memcpy(copy, s, n);
	copy->low = (float *)(copy + 1);
	copy->buf = copy->own;
	copy->opt.before.p = copy->before;
	copy->opt.table = &copy->table;
	return copy;
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

/* ---- returning pieces ---- */

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

/* Returns [done, to) as the finding f, or as PIECE_UNREAD if f is NULL. */
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

/* Returns everything up to `limit`. Each finding is either completely before it or completely
 * after. */
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

/* ---- open text ---- */

/* Moves `open` back to the beginning of the candidates that are open or extend into open text. */
static size_t
candidates_open(
	const struct detect_stream *s, const struct detect_scratch *scratch, size_t open)
{
	for (bool moved = true; moved;) {
		moved = false;
		for (size_t i = 0; i < scratch->n; i++) {
			const struct finding *f = &scratch->v[i];
			if (f->start >= open || f->end <= s->done)
				continue;
			const struct context_rule *c = &s->rules->entities[f->entity].context;
			bool name = is_entity_name(s->rules, f->entity);
			size_t right = c->words.n + c->against.n ? RIGHT
				       : name			 ? NAME_RIGHT
								 : 0;
			if (f->end > open || f->end + right > s->n ||
				(name && f->end + NAME_LIST > open)) {
				open = f->start;
				moved = true;
			}
		}
	}
	return open;
}

/* Moves `open` back to the beginning of the matches whose values are open. */
static size_t
leads_open(const struct detect_scratch *scratch, size_t open)
{
	const struct scan_open *o = &scratch->open;

	for (bool moved = true; moved;) {
		moved = false;
		for (unsigned i = 0; i < o->nleads; i++)
			if (o->leads[i].start >= open && o->leads[i].match < open) {
				open = o->leads[i].match;
				moved = true;
			}
	}
	return open;
}

/* Moves `open` back to the beginning of an unfinished armor, and of the run or wrapped blob
 * around it. */
static size_t
runs_open(const struct detect_stream *s, size_t open)
{
	struct span t = span_of(s->buf, s->n);
	size_t armour = stream_open_armour(t, s->done);
	struct token_run run = stream_run_around(t, open);

	if (run.start < open && run.end + RIGHT > s->n && (run.end > open || run.width))
		open = run.start;
	return armour < open ? armour : open;
}

/* Returns true if the held text is in a row of a table. There any word may be a value. */
static bool
is_in_row(struct detect_stream *s, struct detect_scratch *scratch)
{
	return columns_ends_inside(&scratch->columns, span_of(s->buf, s->n), &s->table);
}

/* Sets *open to the offset from which text may continue. Sets *found if a finding may lie before
 * it. */
static int
look_for_open(
	struct detect_stream *s, struct detect_scratch *scratch, size_t *open, bool *found)
{
	struct span t = span_of(s->buf, s->n);
	struct stream_words words = stream_words(t, s->done, &s->words);
	struct detect_options opt = s->opt;
	struct known_names known = s->known;
	bool own = false;
	size_t from = custom_open(s->asked, &s->opt, t, s->done, &own);

	opt.thresholds = s->low;
	opt.used = NULL;
	opt.part = s->table.more = true;
	s->begun = from;
	*open = words.open < from ? words.open : from;
	*found = false;
	if (words.plain && !own && from == t.n && (s->opt.inside || s->opt.before.n == 0) &&
		!is_in_row(s, scratch) &&
		open_is_quiet(s->asked, scratch, &opt, t, s->done, open))
		return 0;
	scratch->known = &known;
	int err = open_scan(s->asked, scratch, t, &opt, s->done, &from);
	scratch->known = NULL;
	if (err)
		return err;
	s->evasion |= scratch->evasion;
	if (from < s->begun)
		s->begun = from;
	*open = candidates_open(s, scratch, from < *open ? from : *open);
	*open = candidates_open(s, scratch, runs_open(s, *open));
	*open = candidates_open(s, scratch, leads_open(scratch, *open));
	/* If there is no candidate in the decided text, there is no finding either. */
	for (size_t i = 0; i < scratch->n && !*found; i++)
		*found = scratch->v[i].start < *open && scratch->v[i].end > s->done;
	return 0;
}

/* Returns the end of the decided text, moved back so that no finding and no character is
 * divided. */
static size_t
limit_of(const struct detect_stream *s, const struct findings *f, size_t limit)
{
	limit = utf8_begin(span_of(s->buf, s->n), limit);
	for (size_t i = f->n; i > 0; i--)
		if (f->v[i - 1].start < limit && f->v[i - 1].end > limit)
			limit = f->v[i - 1].start;
	return limit > s->done ? limit : s->done;
}

/* ---- kept context ---- */

enum { CURL = 4 };
static struct block_sets curl_sets; /* one set for each letter */

__attribute__((constructor)) static void
fill_curl(void)
{
	for (unsigned k = 0; k < CURL; k++)
		block_sets_add(&curl_sets, k, (unsigned char)"curl"[k]);
}

/* Records the last "curl" in the returned text from `was` on. */
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

/* Keeps the bytes that the next window needs before it: context, and text that may lead up to a
 * finding, such as from "curl" to the password after its -u. */
static void
move_on(struct detect_stream *s, const struct findings *f)
{
	struct span t = span_of(s->buf, s->n);
	size_t from = s->done > STREAM_LEFT ? s->done - STREAM_LEFT : 0;

	from = stream_boundary(t, from, 0);
	if (s->curl > s->base && s->curl - s->base <= from &&
		s->base + s->done - s->curl < CHECK_CURL_BACK)
		from = s->curl - s->base - 1;
	for (size_t i = 0; i < f->n; i++)
		if (f->v[i].start < from && f->v[i].end > from &&
			from - f->v[i].start <= FINDING_BACK)
			from = f->v[i].start;
	if (s->done - from > LEFT_MAX)
		from = s->done - LEFT_MAX;
	columns_pass(&s->table, span_cut(t, 0, from));
	memmove(s->buf, s->buf + from, s->n - from);
	s->base += from;
	s->n -= from;
	s->done -= from;
	s->opt.inside |= s->base > 0;
}

static void
begin_swallowing(struct detect_stream *s, const struct finding *f, size_t width)
{
	size_t line = s->n - stream_run_start(span_of(s->buf, s->n), s->n);

	s->swallowing = true;
	s->pending = 0;
	s->run = stream_long_begin(f != NULL,
		span_cut(span_of(s->buf, s->n), f ? f->start : s->n, s->n), line, width);
}

/* Handles a window that is full and completely open. */
static int
too_long(struct detect_stream *s, const struct out *o, const struct findings *f)
{
	struct span t = span_of(s->buf, s->n);
	struct token_run run = stream_run_around(t, s->n);

	for (size_t i = 0; i < f->n; i++) {
		const struct finding *x = &f->v[i];
		if (x->start > s->done || x->end <= s->done)
			continue;
		/* The text from the finding to the window's end may be part of it. */
		if (x->end >= run.start || x->end + BREAK_MAX >= s->n)
			begin_swallowing(s, x, 0);
		return hand_finding(s, o, x, s->swallowing ? s->n : x->end);
	}
	if (run.start < s->n - WORDS_REACH) {
		/* Nothing may be open in the run except a value that the run spells in base64.
		 * Such a value is found in any window, wherever a group begins. */
		size_t to = limit_of(
			s, f, s->begun < s->n - RUN_REACH ? s->begun : s->n - RUN_REACH);
		if (to > s->done && stream_open_armour(t, s->done) > s->done)
			return hand_out(s, o, f, to);
		begin_swallowing(s, NULL, run.width);
		return hand_finding(s, o, NULL, s->n);
	}
	return hand_out(s, o, f, stream_boundary(t, s->n - WORDS_REACH, s->done));
}

/* ---- decided text ---- */

static int
scan_held(struct detect_stream *s, struct detect_scratch *scratch, struct arena *a, bool last,
	struct findings *f)
{
	s->opt.part = !last || s->base > 0;
	s->table.more = !last;
	scratch->known = &s->known;
	int err = detect_scan(s->rules, scratch, span_of(s->buf, s->n), &s->opt, a, f);
	scratch->known = NULL;
	s->evasion |= f->evasion;
	return err;
}

/* Forgets people whose names were found in text that is not yet decided. */
static void
forget_after(struct known_names *k, size_t was, size_t limit)
{
	size_t kept = was;

	for (size_t i = was; i < k->n; i++)
		if (k->at[i] < limit) {
			k->v[kept] = k->v[i];
			k->at[kept++] = k->at[i];
		}
	k->n = kept;
}

/* Returns an offset at or before `at` at which the text may be cut, if so much text follows that
 * nothing open at the cut is unknown. Returns s->done if there is none. */
static size_t
cut_before(const struct detect_stream *s, size_t at)
{
	struct span t = span_of(s->buf, s->n);
	size_t armour = stream_open_armour(t, s->done);

	at = stream_boundary(t, at, s->done);
	struct token_run run = stream_run_around(t, at);
	if (run.start < at && (run.end > at || run.width))
		at = run.start;
	at = armour < at ? armour : at;
	return at > s->done ? at : s->done;
}

/* Returns true if no further character may fit. The held text then ends with a whole one. */
static bool
stream_is_full(const struct detect_stream *s)
{
	enum { CHARACTER = 4 };
	size_t held = s->n - s->done;

	if (held <= CAP_STREAM_HELD - CHARACTER || held >= CAP_STREAM_HELD)
		return held >= CAP_STREAM_HELD;
	size_t last = utf8_before(s->buf, s->n);
	unsigned char lead = (unsigned char)s->buf[last];
	return s->n - last >= (lead < 0xC0 ? 1u : lead < 0xE0 ? 2u : lead < 0xF0 ? 3u : 4u);
}

/* Returns all decided text. */
static int
decide(struct detect_stream *s, struct detect_scratch *scratch, const struct out *o, bool last)
{
	struct findings f = { 0 };
	size_t was = s->base + s->done, open = s->n, known = s->known.n;
	bool full = stream_is_full(s), found = last;
	uint64_t began = effort.done;
	int err = last ? 0 : look_for_open(s, scratch, &open, &found);

	/* In a row of names each name may continue the one before, so all of them would be
	 * examined again and again. If half a window follows, the text counts as decided. */
	if (full && !last && open < s->done + CAP_STREAM_HELD / AGAIN) {
		size_t cut = cut_before(s, s->done + CAP_STREAM_HELD / 2);
		found |= cut > open;
		open = cut > open ? cut : open;
	}
	SCOPED_ARENA(a, 0, true);
	if (!err && (found || (full && open <= s->done)))
		err = scan_held(s, scratch, &a, last, &f);
	s->lost = err == ERR_LIMIT;
	if (!err && !last) {
		open = limit_of(s, &f, open);
		forget_after(&s->known, known, open);
	}
	if (!err && open > s->done)
		err = hand_out(s, o, &f, open);
	else if (!err && full)
		err = too_long(s, o, &f);
	if (s->base + s->done > was) {
		note_curl(s, was - s->base);
		move_on(s, &f);
	}
	size_t part = (s->n - s->done) / AGAIN, paid = (effort.done - began) / LOOK_UNITS;
	s->look = s->n + (part > paid ? part : paid);
	if (s->look > s->done + CAP_STREAM_HELD)
		s->look = s->done + CAP_STREAM_HELD;
	return err;
}

/* ---- candidates that are too long ---- */

/* Returns more of the candidate, and keeps its end as context for the text after it. */
static int
hand_more(struct detect_stream *s, const struct out *o, struct span v)
{
	struct stream_piece p = { .kind = s->run.unread || s->lost ? PIECE_UNREAD
								   : PIECE_FINDING,
		.more = true,
		.start = s->base + s->n,
		.text = v };
	size_t keep = v.n < STREAM_LEFT ? STREAM_LEFT - v.n : 0;

	if (v.n == 0)
		return 0;
	if (p.kind == PIECE_FINDING) {
		s->swallowed.end = p.start + v.n;
		p.finding = s->swallowed;
	}
	int err = o->take(o->arg, &p);
	struct span tail = span_cut(v, v.n > STREAM_LEFT ? v.n - STREAM_LEFT : 0, v.n);
	keep = keep < s->n ? keep : s->n;
	columns_pass(&s->table, span_of(s->buf, s->n - keep));
	columns_pass(&s->table, span_cut(v, 0, v.n - tail.n));
	memmove(s->buf, s->buf + s->n - keep, keep);
	memcpy(s->buf + keep, tail.p, tail.n);
	s->base = p.start + v.n - keep - tail.n;
	s->n = s->done = keep + tail.n;
	return err;
}

/* Ends the candidate. The pending bytes become ordinary text. */
static void
stream_resume(struct detect_stream *s)
{
	memcpy(s->buf + s->n, s->held, s->pending);
	s->n += s->pending;
	s->pending = 0;
	s->swallowing = false;
	s->opt.inside |= s->base > 0;
	s->look = s->n;
}

static int
hand_pending(struct detect_stream *s, const struct out *o)
{
	size_t n = s->pending;

	s->pending = 0;
	return hand_more(s, o, span_of(s->held, n));
}

/* Removes the bytes that belong to the candidate from *delta. */
static int
take_more(struct detect_stream *s, const struct out *o, struct span *delta)
{
	size_t from = 0, i = 0;
	int err = 0;

	for (; i < delta->n && !err && s->swallowing; i++) {
		enum stream_next next = stream_long_next(&s->run, delta->p[i]);
		if (s->pending == 0 && next != LONG_BELONGS) {
			err = hand_more(s, o, span_cut(*delta, from, i));
			from = i;
		}
		if (next == LONG_MAYBE && s->pending < sizeof(s->held)) {
			s->held[s->pending++] = delta->p[i];
			from = i + 1;
			continue;
		}
		if (s->pending && (next == LONG_BELONGS || next == LONG_LAST)) {
			err = err ? err : hand_pending(s, o);
			from = i;
		}
		if (next != LONG_BELONGS) {
			stream_resume(s);
			break;
		}
	}
	if (s->swallowing && !err)
		err = hand_more(s, o, span_cut(*delta, from, i));
	*delta = span_cut(*delta, i, delta->n);
	return err;
}

/* ---- long deltas ---- */

/* Scans the held text and the new text after its first `came` bytes as one text. Returns the
 * decided text through `o` and drops the rest of the new text from the buffer. If all of it is
 * open, changes nothing. */
static int
look_at_much(struct detect_stream *s, struct detect_scratch *scratch, const struct out *o,
	size_t came)
{
	struct findings f = { 0 };
	size_t was = s->base + s->done, known = s->known.n,
	       cut = cut_before(s, s->n - CAP_STREAM_HELD);

	if (cut <= came)
		return 0;
	SCOPED_ARENA(a, 0, true);
	int err = scan_held(s, scratch, &a, false, &f);
	s->lost = err == ERR_LIMIT;
	cut = err ? 0 : limit_of(s, &f, cut);
	forget_after(&s->known, known, cut > came ? cut : 0);
	if (cut > came) {
		err = hand_out(s, o, &f, cut);
		note_curl(s, was - s->base);
		move_on(s, &f);
		s->begun = s->look = s->n = s->done;
	}
	return err;
}

/* Scans a long delta as one text; word by word it would take ten times as long. Removes from
 * *delta what was returned. */
static int
take_much(struct detect_stream *s, struct detect_scratch *scratch, const struct out *o,
	struct span *delta)
{
	struct span more = span_cut(*delta, 0, MUCH_MAX);
	size_t came = s->n, at = s->base + came, room = came + more.n + 8;
	char *all = mem_get(room);

	if (!all)
		return ERR_NOMEM;
	memcpy(all, s->own, came);
	memcpy(all + came, more.p, more.n);
	s->buf = all;
	s->n += more.n;
	int err = look_at_much(s, scratch, o, came);
	if (s->n == came + more.n)
		s->n = came;
	memcpy(s->own, all, s->n);
	s->buf = s->own;
	mem_put(all, room);
	*delta = span_cut(*delta, s->base + s->n - at, delta->n);
	return err;
}

/* ---- the stream ---- */

/* Moves bytes from *delta to the buffer up to the next place where text may be returned. Returns
 * true if that place is reached. `quiet`: no such place is in the delta before its last bytes. */
static bool
take_word(struct detect_stream *s, struct span *delta, bool quiet)
{
	size_t i = 0;
	size_t from = quiet && delta->n > WORD_BACK ? delta->n - WORD_BACK : 0;
	bool ends = false, full = stream_is_full(s);

	while (i < delta->n && !full && !ends) {
		s->buf[s->n++] = delta->p[i++];
		/* Also ask after the first byte of a word: it usually shows that the held text
		 * before it is nothing. */
		ends = s->n >= s->look && i >= from &&
		       (stream_word_ends(span_of(s->buf, s->n)) ||
			       (s->n > s->done + 1 && open_separates(s->buf[s->n - 2])));
		full = stream_is_full(s);
	}
	*delta = span_cut(*delta, i, delta->n);
	return ends || full;
}

/* Returns the held text as PIECE_UNREAD; all further text is returned so too. */
static int
give_stream_up(struct detect_stream *s, struct detect_scratch *scratch, const struct out *o)
{
	scratch->overworked = effort.over;
	return hand_finding(s, o, NULL, s->n);
}

static void
close_account(struct detect_stream *s)
{
	uint64_t done = effort_close();

	s->work -= done < s->work ? done : s->work;
}

int
detect_stream_feed(struct detect_stream *s, struct detect_scratch *scratch, struct span delta,
	stream_take_fn *take, void *arg)
{
	struct out o = { take, arg };
	bool opened = effort_open(s->work += (uint64_t)CAP_WORK_STREAM * delta.n);
	size_t much = delta.n, again = CAP_STREAM_HELD; /* `much`: the delta's length at which
							 * take_much() is tried again */
	bool quiet = delta.n >= STREAM_LONG;

	while (delta.n && !s->err) {
		if (s->lost) {
			s->err = hand_more(s, &o, delta);
			delta.n = 0;
		} else if (s->swallowing) {
			s->err = take_more(s, &o, &delta);
		} else if (delta.n >= STREAM_MUCH && delta.n <= much) {
			much = delta.n;
			s->err = take_much(s, scratch, &o, &delta);
			if (delta.n == much) {
				much -= again < much ? again : much;
				again *= 2;
			}
		} else if (take_word(s, &delta, quiet)) {
			s->err = decide(s, scratch, &o, false);
		}
		if (s->lost && s->err == ERR_LIMIT)
			s->err = give_stream_up(s, scratch, &o);
	}
	if (opened)
		close_account(s);
	return s->err;
}

int
detect_stream_finish(struct detect_stream *s, struct detect_scratch *scratch,
	stream_take_fn *take, void *arg)
{
	struct out o = { take, arg };
	bool opened = effort_open(s->work += CAP_WORK_TEXT);

	if (s->swallowing && !s->err && stream_long_ends(&s->run))
		s->err = hand_pending(s, &o);
	if (s->swallowing)
		stream_resume(s);
	if (!s->err && s->n > s->done)
		s->err = decide(s, scratch, &o, true);
	if (s->lost && s->err == ERR_LIMIT)
		s->err = give_stream_up(s, scratch, &o);
	if (opened)
		close_account(s);
	return s->err;
}
