/* The stage that finds obfuscated values.
 *
 * A text is classified once, in chunks (look.h). Views are made only if a chunk may contain
 * obfuscation:
 * - plain_done(): a view with characters and escapes resolved. It is edited again as long as
 *   that reveals more, at most EVADE_PASSES times, and finally by guesses.
 * - once_done(): a view of the chunk with guesses about spelling and separators.
 * - read_blob(): decoded blobs. Each is a text of its own, scanned one level deeper.
 *
 * If an edit drops something between two words, there are two readings: the words are joined, or
 * they are separate. Both are scanned; candidates of the joined reading that are only several
 * values side by side are dropped (drop_joined()).
 * All work is bounded: the views by the size of a chunk, levels by CAP_DECODE_DEPTH, and
 * decoding by CAP_DECODE_RATIO. */
#include "scan/detect/disguise/evade.h"

#include <stdlib.h>

#include "base/among.h"
#include "base/ascii.h"
#include "base/attr.h"
#include "base/bits.h"
#include "base/caps.h"
#include "base/effort.h"
#include "base/err.h"
#include "scan/detect/disguise/decode.h"
#include "scan/detect/disguise/look.h"
#include "scan/detect/disguise/terminal.h"

/* ---- the classifier ----
 *
 * Classifies blocks of text. Each function below defines a class; the classes become lookup
 * tables at program start. */

static bool
is_hidden(char c)
{
	return is_high(c) || is_one_of(c, "\\%&=^[") ||
	       ((unsigned char)c < ' ' && !is_space(c));
}

static bool
is_token(char c)
{
	return is_alnum(c) || is_one_of(c, "+/-_");
}

static bool
is_gap(char c)
{
	return is_high(c) || is_space(c) ||
	       (c > ' ' && c < 0x7F && !is_alnum(c) && !is_one_of(c, "$%@"));
}

static bool
is_sign(char c)
{
	return is_one_of(c, "\"'`\n\r*~<|([{@");
}

static bool
is_cross(char c)
{
	return is_one_of(to_lower(c), "uvxz");
}

static bool
is_blank(char c)
{
	return c == ' ';
}

static bool
is_a(char c)
{
	return to_lower(c) == 'a';
}

static bool
is_t_r_p(char c)
{
	return is_one_of(to_lower(c), "trp");
}

enum { HIDDEN, TOKEN, ALNUM, DIGIT, GAP, SIGN, CROSS, BLANK, A, T_R_P };

static struct block_sets look_sets;

__attribute__((constructor)) static void
fill_look_sets(void)
{
	block_sets_fill(
		&look_sets, (bool (*const[])(char)){ is_hidden, is_token, is_alnum, is_digit, is_gap,
			       is_sign, is_cross, is_blank, is_a, is_t_r_p, NULL });
}

/* Classifies n bytes of text from p on, one struct per block. */
static void
look_over(const char *p, size_t n, struct look *l)
{
	for (size_t i = 0; i < n; i += BLOCK, l++) {
		uint64_t m[BLOCK_SETS], within = bits_below(n - i);
		block_classify(&look_sets, p + i, n - i, m);
		*l = (struct look){
			.hidden = m[HIDDEN],
			.token = m[TOKEN],
			.alnum = m[ALNUM],
			.digit = m[DIGIT],
			.gap = m[GAP],
			.sign = m[SIGN],
			.cross = m[CROSS],
			.blank = m[BLANK],
			.at = ~m[ALNUM] & within & look_on(m[A] | ~within, 1, 1) &
			      look_on(m[T_R_P] | ~within, 3, 2),
		};
	}
}

/* ---- the stage ---- */

enum {
	PIECE = 6 << 10,	 /* bytes that are decoded at a time */
	PIECE_OVERLAP = 2 << 10, /* bytes at the end of a piece that the next piece begins with */
	WHOLE_BLOB = 4 << 10,	 /* characters; in a longer blob only the characters that hold
				  * the value are redacted */
	VIEW_ROOM = EVADE_CHUNK + EVADE_OVERLAP + 2 * VIEW_TAIL,
	VIEW_ROOM_DEEP = PIECE + 2 * VIEW_TAIL,
	LEVELS = CAP_DECODE_DEPTH + 1,
	CUT_BLOCKS = 64,
};

/* The buffers of one level of decoding. Allocated once per scratch (level 0) or per scan (deeper
 * levels). */
struct level {
	struct view view[2];
	char *piece;
	bool decoded; /* `piece` holds decoded text that must be zeroed */
	/* where[i]: offset in the blob's text of the byte piece[i] */
	uint32_t *where;
	struct chunk chunk, inner;
	struct whole whole; /* complete values of the chunk */
	struct view_part part[VIEW_PARTS];
	struct view_part joint[2][VIEW_PARTS]; /* joints of the text, and of its view */
};

/* The state of a scan, kept in the scratch between scans. */
struct evade {
	rules_fn *rules;
	const struct detect_rules *r;
	struct detect_scratch *s;
	size_t budget; /* bytes that may still be decoded */
	unsigned depth;
	size_t escapes; /* escapes resolved in the last pass */
	size_t first;	/* index of the first candidate of this level's text */
	bool sequences; /* the text contains terminal sequences */
	const struct detect_options *opt;
	struct level *levels[LEVELS];
};

/* The context of an editor's callback. */
struct pass {
	struct evade *e;
	bool key; /* a region contains the beginning of a PEM key */
};

static int scan_text(struct evade *e, struct span text, const struct detect_options *opt);

/* ---- memory ---- */

static void
level_wipe(struct level *l)
{
	for (size_t i = 0; i < 2; i++) {
		struct view *v = &l->view[i];
		if (v->text)
			explicit_bzero(v->text, v->n > v->most ? v->n : v->most);
		v->n = v->most = 0;
	}
	if (l->decoded)
		explicit_bzero(l->piece, PIECE);
	l->decoded = false;
}

static void
level_free(struct level **lp)
{
	struct level *l = *lp;

	if (!l)
		return;
	level_wipe(l);
	for (size_t i = 0; i < 2; i++) {
		free(l->view[i].text);
		free(l->view[i].map);
	}
	free(l->piece);
	free(l->where);
	free(l);
	*lp = NULL;
}

static struct level *
level_new(unsigned depth)
{
	struct level *l = calloc(1, sizeof(*l));
	bool ok = l != NULL;

	for (size_t i = 0; ok && i < 2; i++) {
		struct view *v = &l->view[i];
		v->room = depth ? VIEW_ROOM_DEEP : VIEW_ROOM;
		v->text = malloc(v->room);
		v->map = malloc((v->room + 1) * sizeof(*v->map));
		ok = v->text && v->map;
	}
	if (ok) {
		l->piece = malloc(PIECE);
		l->where = malloc((PIECE + 1) * sizeof(*l->where));
		ok = l->piece && l->where;
	}
	if (!ok)
		level_free(&l);
	return l;
}

static struct level *
evade_level_of(struct evade *e)
{
	if (!e->levels[e->depth])
		e->levels[e->depth] = level_new(e->depth);
	return e->levels[e->depth];
}

/* ---- values that are complete by themselves ---- */

/* Marks a candidate's bytes as a complete value. A scan of a stream also asks for weaker
 * candidates; those are not complete values. */
static void
whole_add(const struct evade *e, struct level *l, const struct finding *f)
{
	struct whole *w = &l->whole;
	size_t end = w->from + 64 * COUNT_OF(w->bits), to = f->end < end ? f->end : end;

	if (f->end <= w->from || f->start >= end || f->flags & FINDING_RUN ||
		f->score < e->r->entities[f->entity].threshold ||
		evade_key_begun(span_cut(l->chunk.text, f->start, f->end)))
		return;
	w->any = true;
	for (size_t i = f->start > w->from ? f->start : w->from; i < to; i++)
		w->bits[(i - w->from) / 64] |= UINT64_C(1) << ((i - w->from) % 64);
}

/* Begins the record of complete values for the chunk at `from` with the findings in the text
 * itself. Values that only a view shows are added by read_view(). If the text will continue, no
 * value near its end is complete, because more groups of digits may follow. */
static void
whole_begin(struct evade *e, struct level *l, struct span text, size_t from)
{
	struct whole *w = &l->whole;
	enum { UNDECIDED = 16 };
	size_t open = e->s->open.of == text.p ? UNDECIDED : 0;

	memset(w->bits, 0, w->any ? sizeof(w->bits) : 0);
	w->any = false;
	w->from = from > EVADE_OVERLAP ? from - EVADE_OVERLAP : 0;
	effort_add(128 + e->s->n - e->first);
	for (size_t i = e->first; i < e->s->n; i++)
		if (!(e->s->v[i].flags & FINDING_EVASION) && e->s->v[i].end + open <= text.n)
			whole_add(e, l, &e->s->v[i]);
}

/* Returns true if one of the strings that f joins is a complete value up to its quote, or up to
 * the backslash that continues its line. Then f covers more, but nothing was hidden. */
static bool
holds_literal(const struct level *l, const struct finding *f)
{
	const struct whole *w = &l->whole;
	struct span t = l->chunk.text;

	effort_add(w->any ? f->end - f->start : 0);
	for (size_t i = f->start; w->any && i + 1 < f->end; i++) {
		bool slash = t.p[i + 1] == '\\' && i + 2 < f->end;
		if (whole_has(w, i) && !whole_has(w, i + 1) &&
			is_one_of(t.p[i + 1 + slash], slash ? "\r\n\"'`" : "\"'`"))
			return true;
	}
	return false;
}

/* ---- what is found in a view ---- */

static bool
may_be_guess(const struct evade *e, const struct finding *f)
{
	/* Entities that a guess may reveal without validation. */
	static const char *const names[] = { "US_SSN", "PHONE_NUMBER", "EMAIL_ADDRESS",
		"CRYPTO", "IP_ADDRESS" };

	const struct entity_rule *rule = &e->r->entities[f->entity];

	return f->flags & FINDING_VALIDATED || !strcmp(rule->class, "secret") ||
	       SPAN_IN(span_str(rule->name), names);
}

static bool
is_named_finding(const struct evade *e, const struct view *v, const struct finding *f)
{
	return context_score(&e->r->entities[f->entity].context, span_of(v->text, v->n),
		       v->starts && e->opt ? e->opt->before : SPAN_LIT(""), f->start, f->end,
		       0.0f) > 0.0f;
}

/* Decides whether a candidate of the view holds, and converts it to bytes of the original. */
static bool
bring_back(struct evade *e, const struct view *v, struct finding *f, bool heuristic)
{
	struct finding seen = *f;
	bool cut = f->start == 0 && !v->starts;
	unsigned flags = view_back(v, &f->start, &f->end);

	if (cut)
		return false;
	if (flags == 0 && (heuristic || (!v->starts && seen.start < CONTEXT_BYTES)))
		return false;
	if (flags & EDIT_GUESS && !may_be_guess(e, f))
		return false;
	/* If the text continues, the name may still follow. */
	if (flags & EDIT_NAMED && !e->s->open.of && !is_named_finding(e, v, &seen))
		return false;
	/* A finding without edits inside was only separated from other text by an edit, so it
	 * was not hidden. */
	if (flags)
		f->flags |= FINDING_EVASION;
	if (!(flags & EDIT_HIDE))
		f->flags |= FINDING_WEAK;
	return true;
}

/* How far a text was searched for blobs. For a view, also where the next edit is and the next
 * character that no blob contains. */
struct searched {
	size_t blobs, codes[CODE_BASES], reversed, dumps;
	struct blob_lines lines[BLOB_WRAPPED];
	size_t edit, barrier;
};

static int blobs_of(
	struct evade *e, const struct chunk *c, struct searched *s, const struct view *v);

static void
look_at_chunk(struct chunk *c, struct span text, size_t from)
{
	size_t to = from + EVADE_CHUNK < text.n ? from + EVADE_CHUNK : text.n;

	c->text = text;
	c->from = from;
	c->to = to;
	/* A row of codes or letters may continue in the block after the chunk. */
	size_t blocks = (to - from + BLOCK - 1) / BLOCK;
	size_t n = to - from + BLOCK < text.n - from ? to - from + BLOCK : text.n - from;
	c->look[blocks] = (struct look){ 0 };
	effort_add(n / 2);
	look_over(text.p + from, n, c->look);
}

static int
read_view(struct evade *e, const struct view *v, bool heuristic)
{
	struct detect_options opt = e->opt ? *e->opt : (struct detect_options){ 0 };
	struct detect_scratch *s = e->s;
	size_t from = s->n, kept = s->n;

	opt.table = NULL; /* a table belongs to the text itself, not to a view */
	if (!v->starts) {
		opt.before = (struct span){ NULL, 0 };
		opt.inside = false;
	}
	opt.part |= !v->starts || !v->ends;
	int err = e->rules(e->r, s, span_of(v->text, v->n), &opt);
	for (size_t i = from; i < s->n; i++) {
		struct finding f = s->v[i];
		if (!bring_back(e, v, &f, heuristic))
			continue;
		if (holds_literal(e->levels[e->depth], &f))
			f.flags &= (uint16_t)~FINDING_EVASION;
		s->v[kept++] = f;
	}
	s->n = kept;
	/* Afterwards, because two rules may find one value, and both are compared with the strings
	 * that it joins. */
	for (size_t i = from; i < kept && !heuristic; i++)
		whole_add(e, e->levels[e->depth], &s->v[i]);
	return err;
}

/* Scans blobs that only the view shows: wrapped by escapes or split by quotes. */
static int
read_view_blobs(struct evade *e, const struct view *v)
{
	struct chunk *c = &e->levels[e->depth]->inner;
	struct detect_scratch *s = e->s;
	struct searched done = { 0 };
	size_t from = s->n;
	int err = 0;

	for (size_t at = 0; at < v->n && !err; at += EVADE_CHUNK) {
		look_at_chunk(c, span_of(v->text, v->n), at);
		err = blobs_of(e, c, &done, v);
	}
	for (size_t i = from; i < s->n; i++)
		view_back(v, &s->v[i].start, &s->v[i].end);
	return err;
}

static int
nothing_more(struct editor *ed UNUSED)
{
	return 0;
}

/* Scans a view that is a whole copy, but only around the edits. The rest was scanned before. */
static int
read_parts(struct evade *e, struct editor *ed, bool heuristic)
{
	struct span t = span_of(ed->out->text, ed->out->n);
	size_t n = 0;

	for (size_t i = 0; i < ed->nparts; i++) {
		size_t from = view_before(t, ed->part[i].from);
		size_t to = view_after(t, ed->part[i].to, VIEW_MARGIN);
		if (n == 0 || from > ed->part[n - 1].to)
			ed->part[n++] = (struct view_part){ from, to };
		else
			ed->part[n - 1].to = to;
	}
	e->s->parts = ed->part;
	e->s->nparts = n;
	int err = read_view(e, ed->out, heuristic);
	e->s->nparts = 0;
	return err;
}

/* Callback for views of guesses, and for views in which joints are boundaries. */
static int
once_done(struct editor *ed)
{
	struct pass *p = ed->ctx;
	int err = read_view(p->e, ed->out, !ed->apart);

	return err ? err : read_view_blobs(p->e, ed->out);
}

/* ---- two readings of dropped text ---- */

/* Removes those of the candidates s->v[from, to) that consist of several values of s->v[begin,
 * end) side by side. */
static void
drop_joined(struct evade *e, const struct editor *ed, size_t from, size_t to, size_t begin,
	size_t end)
{
	struct detect_scratch *s = e->s;
	struct span t = e->levels[e->depth]->chunk.text;
	size_t kept = from;

	for (size_t i = from; i < s->n; i++)
		if (i >= to || !view_side_by_side(ed, t, &s->v[i], s->v + begin, end - begin))
			s->v[kept++] = s->v[i];
	s->n = kept;
}

enum reading { JOINED, APART, GUESSED };

/* Copies all of v into the other view of the level, with edits. */
static int
edit_again(struct evade *e, const struct view *v, unsigned pass, enum reading as,
	struct editor *ed)
{
	struct level *l = e->levels[e->depth];

	*ed = (struct editor){ .src = span_of(v->text, v->n),
		.over = v,
		.out = v == &l->view[0] ? &l->view[1] : &l->view[0],
		.whole = true,
		.part = l->part,
		.pass = pass,
		.apart = as == APART,
		.joint = as == JOINED ? l->joint[1] : NULL,
		.done = nothing_more };
	l->inner.named = v->starts && e->opt && e->opt->before.n;
	l->inner.whole = &l->whole;
	for (size_t at = 0; at < v->n; at += EVADE_CHUNK) {
		look_at_chunk(&l->inner, ed->src, at);
		if (as == GUESSED)
			heuristics_edit(&l->inner, ed);
		else
			normalise_edit(&l->inner, ed, &e->s->evasion);
	}
	return view_close(ed);
}

/* Makes one more pass over v, into the other view, and scans the result. If dropping something
 * joins words, the reading with boundaries is scanned too. Returns the new view, or NULL if
 * there was nothing to edit. */
static struct view *
scan_again(struct evade *e, struct view *v, unsigned pass, enum reading as, int *err)
{
	struct editor ed, other;
	size_t from = e->s->n, to;

	*err = edit_again(e, v, pass, as, &ed);
	e->escapes = ed.escapes;
	if (ed.edits && !*err)
		*err = read_parts(e, &ed, as == GUESSED);
	to = e->s->n;
	if (ed.joints && !*err) {
		*err = edit_again(e, v, pass, APART, &other);
		if (!*err)
			*err = read_parts(e, &other, false);
		drop_joined(e, &ed, from, to, to, *err ? to : e->s->n);
		if (!*err)
			*err = edit_again(e, v, pass, as, &ed);
	}
	return ed.edits && !*err ? ed.out : NULL;
}

static int
plain_done(struct editor *ed)
{
	struct pass *p = ed->ctx;
	struct view *v = ed->out, *more;
	int err = read_view(p->e, v, false);

	p->key |= memmem(v->text, v->n, "-----BEGIN ", 11) != NULL;
	for (unsigned k = 1; !err && (more = scan_again(p->e, v, k, JOINED, &err)); k++) {
		if (k == EVADE_PASSES && p->e->escapes)
			return ERR_LIMIT;
		if (k == EVADE_PASSES)
			break;
		v = more;
	}
	if (!err)
		err = read_view_blobs(p->e, v);
	if (!err)
		scan_again(p->e, v, 0, GUESSED, &err);
	return err;
}

/* Scans the chunk again with joints as boundaries. The candidates of the first reading are s->v
 * from `first` on. */
static int
scan_apart(struct evade *e, struct editor *joined, struct pass *p, size_t first)
{
	struct level *l = e->levels[e->depth];
	struct detect_scratch *s = e->s;
	struct editor ed = { .src = joined->src,
		.out = &l->view[0],
		.apart = true,
		.done = once_done,
		.ctx = p };
	size_t from = s->n;

	normalise_edit(&l->chunk, &ed, &s->evasion);
	int err = view_close(&ed);
	drop_joined(e, joined, first, from, from, err ? from : s->n);
	return err;
}

/* ---- blobs ---- */

/* Converts the candidates s->v from `from` on from the decoded piece to the bytes of the blob. */
static void
from_piece(struct evade *e, const struct blob *b, const uint32_t *where, size_t from)
{
	bool whole = b->end - b->start <= WHOLE_BLOB;

	for (size_t i = from; i < e->s->n; i++) {
		struct finding *f = &e->s->v[i];
		size_t start = where[f->start], end = where[f->end] + 1;
		f->start = whole ? b->start : start;
		f->end = whole || end > b->end ? b->end : end;
		f->flags = (uint16_t)((f->flags | FINDING_EVASION | FINDING_WEAK) &
				      ~FINDING_VALIDATED);
	}
}

/* units of effort for a scan of decoded text, however short the text is */
enum { WORK_DECODED = 512 };

/* Scans the bytes [start, start + n) of the piece, which are text. */
static int
read_decoded(struct evade *e, const struct blob *b, const struct detect_options *opt,
	size_t start, size_t n)
{
	struct level *l = e->levels[e->depth];
	struct detect_options inside = *opt;
	const struct detect_options *outer = e->opt;
	size_t from = e->s->n, first = e->first;

	if (e->depth == CAP_DECODE_DEPTH)
		return ERR_LIMIT;
	effort_add(WORK_DECODED);
	if (start)
		inside.before = (struct span){ NULL, 0 };
	e->depth++;
	e->opt = &inside;
	e->first = from;
	int err = e->rules(e->r, e->s, span_of(l->piece + start, n), &inside);
	if (!err)
		err = scan_text(e, span_of(l->piece + start, n), &inside);
	e->first = first;
	e->opt = outer;
	e->depth--;
	from_piece(e, b, l->where + start, from);
	return err;
}

/* Scans n decoded bytes: all of them, or only the stretches of text if other bytes are among
 * them. */
static int
read_piece(struct evade *e, const struct blob *b, const struct detect_options *opt, size_t n)
{
	const char *piece = e->levels[e->depth]->piece;
	size_t at = 0, start, len;
	int err = 0;

	if (decode_is_text(piece, n))
		return read_decoded(e, b, opt, 0, n);
	while (!err && decode_stretch(piece, n, &at, &start, &len))
		err = read_decoded(e, b, opt, start, len);
	return err;
}

static int
read_blob(struct evade *e, struct span text, const struct blob *b)
{
	struct level *l = evade_level_of(e);
	struct detect_options opt = e->opt ? *e->opt : (struct detect_options){ 0 };
	struct decoding d;
	size_t have = 0;
	int err = 0;

	/* The name of the value may precede the blob. */
	if (b->start > 0)
		opt.before = span_cut(text,
			b->start > CONTEXT_BYTES ? b->start - CONTEXT_BYTES : 0, b->start);
	opt.inside = true;
	opt.table = NULL;
	if (!l)
		return ERR_NOMEM;
	decode_begin(&d, text, b);
	for (size_t n; !err; have = PIECE_OVERLAP) {
		l->decoded = true;
		n = decode_some(&d, l->piece + have, l->where + have, PIECE - have);
		if (n == 0)
			break;
		if (n > e->budget)
			return ERR_LIMIT;
		e->budget -= n;
		n += have;
		l->where[n] = (uint32_t)(d.at < b->end && n == PIECE ? d.at : b->end);
		err = read_piece(e, b, &opt, n);
		if (n < PIECE)
			break;
		memmove(l->piece, l->piece + n - PIECE_OVERLAP, PIECE_OVERLAP);
		memmove(l->where, l->where + n - PIECE_OVERLAP,
			PIECE_OVERLAP * sizeof(*l->where));
	}
	return err;
}

/* Returns true if no blob that begins at `at` reaches an edit. Then the original shows the blob
 * as well. */
static bool
plain_to_see(const struct view *v, size_t at, struct searched *s)
{
	if (s->edit < at)
		s->edit = at;
	while (s->edit < v->n && !(v->map[s->edit] & ~MAP_OFFSET))
		s->edit++;
	if (s->barrier < at)
		s->barrier = at;
	while (s->barrier < s->edit && blob_may_continue(v->text[s->barrier]))
		s->barrier++;
	return s->barrier < s->edit;
}

static bool
all_ones(uint64_t x)
{
	/* detects a byte of ones: eight aligned characters of a token */
	x = ~x;
	return (x - UINT64_C(0x0101010101010101)) & ~x & UINT64_C(0x8080808080808080);
}

/* Returns true if the block has a run of BLOB_MIN token characters, or of eight at its edge,
 * which may continue in another block. */
static bool
long_run(uint64_t token)
{
	uint64_t x = token & token >> 1;

	x &= x >> 2;
	x &= x >> 4;
	return x & x >> 7 || x & 1 || x >> 56;
}

/* Returns the bytes i for which x, or the block after, has a bit three to ten bytes later, as
 * between the codes in 52,53 and Chr(52) & Chr(53). */
static uint64_t
after_gap(uint64_t x, uint64_t next)
{
	uint64_t on = 0;

	for (unsigned n = 3; n <= 10; n++)
		on |= look_on(x, next, n);
	return on;
}

/* Returns the bytes at which codes of characters may begin: a digit that begins a word of two to
 * four characters. */
static uint64_t
code_bits(const struct look *l, bool before, uint64_t next)
{
	uint64_t in = l->alnum, code = l->digit & ~(in << 1 | before);

	return code & look_on(in, next, 1) &
	       (~look_on(in, next, 2) | ~look_on(in, next, 3) | ~look_on(in, next, 4));
}

/* Returns the bytes at which the number of a character may begin: a word of two or three letters
 * and digits, or 0x and two more. */
static uint64_t
number_bits(const struct look *k)
{
	uint64_t open = UINT64_C(15) << 60; /* words that may continue in the next block */
	uint64_t in = k->alnum, begins = in & ~(in << 1) & (in >> 1 | open);

	return begins & (~(in >> 2) | ~(in >> 3) | (k->cross >> 1 & ~(in >> 4)) | open);
}

/* The bits of a block and of the next one; the first byte is the lowest bit. */
typedef unsigned __int128 two_blocks;

static two_blocks
two_blocks_of(uint64_t here, uint64_t next)
{
	return (two_blocks)next << 64 | here;
}

/* Moves each bit from the first byte of a word to the first byte of the next word. The carry of
 * the addition crosses the bytes between them. */
static two_blocks
to_next_word(two_blocks bits, two_blocks words)
{
	return ((bits << 1) + ~words) & words;
}

/* Returns all places at which the number before each bit may begin. A number and its separator
 * have three to eight bytes. */
static two_blocks
to_number_before(two_blocks bits)
{
	two_blocks places = 0;

	for (unsigned n = 3; n <= 8; n++)
		places |= bits >> n;
	return places;
}

enum { ROW_MIN = 8 }; /* least numbers that decode.c reads as character codes */

/* Returns true if ROW_MIN numbers follow one another in the two blocks without another word
 * between them. `before`: a word continues from the previous byte. */
static bool
has_row_of_numbers(const struct look *here, const struct look *next, bool before)
{
	two_blocks alnum = two_blocks_of(here->alnum, next->alnum);
	two_blocks words = alnum & ~(alnum << 1 | before);
	two_blocks numbers = words & two_blocks_of(number_bits(here), number_bits(next));
	two_blocks last = numbers; /* each bit ends a row of n numbers */

	for (unsigned n = 1; n < ROW_MIN && last; n++)
		last = to_next_word(last, words) & numbers;
	return last != 0;
}

/* Returns the bytes of the first block at which a row of ROW_MIN numbers may begin, judged by
 * the distances between the numbers. Rows double in length: two rows of n numbers, one after the
 * other, are a row of 2n. */
static uint64_t
rows_of_numbers(const struct look *here, const struct look *next)
{
	/* each bit begins a row of n numbers */
	two_blocks rows = two_blocks_of(number_bits(here), number_bits(next));

	for (unsigned n = 1; n < ROW_MIN; n *= 2) {
		two_blocks follows = rows;
		for (unsigned k = 0; k < n; k++)
			follows = to_number_before(follows);
		rows &= follows;
	}
	return (uint64_t)rows;
}

/* Returns the bytes of the first block at which at least three character codes in a row may
 * begin. */
static uint64_t
rows_of_codes(const struct look *here, const struct look *next, bool before)
{
	if (!here->digit || !has_row_of_numbers(here, next, before))
		return 0;
	uint64_t code = code_bits(here, before, next->alnum),
		 more = code_bits(next, here->alnum >> 63, 0);
	uint64_t row = code & after_gap(code, more);
	row &= after_gap(row, more & after_gap(more, 0));
	return row ? row & rows_of_numbers(here, next) : 0;
}

static int
found_blob(struct evade *e, struct span text, const struct view *v, const struct blob *b)
{
	size_t start = b->start, end = b->end;

	/* If no edit lies inside, the original shows the blob too. A weak guess does not count
	 * as an edit. */
	unsigned flags = v ? view_back(v, &start, &end) : 0;
	return v && (flags == 0 || flags & EDIT_NAMED) ? 0 : read_blob(e, text, b);
}

static int
try_blob(struct evade *e, struct span text, const struct view *v, size_t at, struct searched *s)
{
	struct blob b;

	if (v && plain_to_see(v, at, s)) {
		s->blobs = blob_run(text, at);
		return 0;
	}
	bool found = blob_find(text, at, &b, s->lines, &s->blobs);
	if (effort_over()) /* blob_find() may have ended early */
		return effort_err();
	return found ? found_blob(e, text, v, &b) : 0;
}

static int
try_codes(
	struct evade *e, struct span text, const struct view *v, size_t at, struct searched *s)
{
	struct blob b;
	int err = 0;

	for (size_t k = 0; k < CODE_BASES && !err; k++)
		if (at >= s->codes[k] && blob_codes(text, at, code_bases[k], &b, &s->codes[k]))
			err = found_blob(e, text, v, &b);
	return err;
}

/* Returns the beginning of the first binary number of the row, at most BACK characters before
 * `at`. */
static size_t
bits_start(struct span t, size_t at, size_t floor)
{
	enum { BACK = 72 };

	if (floor + BACK < at)
		floor = at - BACK;
	return span_past_set(t, span_back_set(t, at, floor, "01 "), " ");
}

/* Returns the first byte of the token around `at`, not before `floor`, which was examined
 * already. */
static size_t
token_start(struct span t, size_t at, size_t floor)
{
	while (at > floor &&
		(is_alnum(t.p[at - 1]) || t.p[at - 1] == '+' || t.p[at - 1] == '/' ||
			t.p[at - 1] == '-' || t.p[at - 1] == '_'))
		at--;
	return at;
}

/* Examines runs of eight aligned token characters: base64, hexadecimal, binary. */
static int
runs_of(struct evade *e, struct span t, const struct view *v, size_t base, uint64_t token,
	struct searched *s)
{
	bool any = long_run(token);
	int err = effort_over() ? effort_err() : 0;

	for (size_t i = 0; i < 64 && !err; i += 8) {
		size_t at = base + i;
		if ((token >> i & 255) != 255)
			continue;
		if (any && at >= s->blobs)
			err = try_blob(e, t, v, token_start(t, at, s->blobs), s);
		if (!err && at >= s->codes[CODE_BASES - 1] && (t.p[at] & ~1) == '0' &&
			(t.p[at + 1] & ~1) == '0' && (t.p[at + 2] & ~1) == '0')
			err = try_codes(
				e, t, v, bits_start(t, at, s->codes[CODE_BASES - 1]), s);
	}
	return err;
}

/* Scans the text after U+202E at `at`, if there is one. Such text is displayed in reverse. */
static int
try_reversed(
	struct evade *e, struct span t, const struct view *v, size_t at, struct searched *s)
{
	struct blob b;

	if (at < s->reversed || !span_starts(span_cut(t, at, t.n), SPAN_LIT("\xE2\x80\xAE")) ||
		!blob_reversed(t, at, &b))
		return 0;
	s->reversed = b.end;
	return found_blob(e, t, v, &b);
}

/* Returns the bytes at which seven zeros or other digits begin in the two blocks: the first address
 * of a dump. */
static uint64_t
seven_digits(const struct look *here, const struct look *next)
{
	two_blocks x = two_blocks_of(here->digit, next->digit);

	x &= x >> 1;
	x &= x >> 2;
	return (uint64_t)(x & x >> 3);
}

/* Scans a dump of bytes whose first address is at `at`. */
static int
try_dump(struct evade *e, struct span t, const struct view *v, size_t at, struct searched *s)
{
	struct blob b;

	if (at < s->dumps || (at > 0 && t.p[at - 1] != '\n') ||
		!span_starts(span_cut(t, at, t.n), SPAN_LIT("0000000")) || !blob_dump(t, at, &b))
		return effort_over() ? effort_err() : 0;
	s->dumps = b.end;
	return found_blob(e, t, v, &b);
}

/* Scans the encoded values that begin in the chunk: tokens, reversed text, character codes. */
static int
blobs_of(struct evade *e, const struct chunk *c, struct searched *s, const struct view *v)
{
	struct span t = c->text;
	int err = 0;

	for (size_t base = c->from, k = 0; base < c->to && !err; base += BLOCK, k++) {
		const struct look *l = &c->look[k];
		if (long_run(l->token) || all_ones(l->digit))
			err = runs_of(e, t, v, base, l->token, s);
		bool digits = (l->digit & l->digit >> 1) || l->digit >> 63;
		for (uint64_t x = digits ? seven_digits(l, &l[1]) : 0; x && !err; x &= x - 1)
			err = try_dump(e, t, v, base + (size_t)__builtin_ctzll(x), s);
		for (uint64_t x = l->hidden; x && !err && e->s->evasion; x &= x - 1)
			err = try_reversed(e, t, v, base + (size_t)__builtin_ctzll(x), s);
		uint64_t row = rows_of_codes(l, &l[1], base > 0 && is_alnum(t.p[base - 1]));
		for (; row && !err; row &= row - 1)
			err = try_codes(e, t, v, base + (size_t)__builtin_ctzll(row), s);
	}
	return err;
}

/* ---- a text ---- */

static int
scan_text(struct evade *e, struct span text, const struct detect_options *opt)
{
	struct level *l = evade_level_of(e);
	struct searched done = { 0 };
	int err = 0;

	if (!l)
		return ERR_NOMEM;
	e->opt = opt;
	for (size_t at = 0, next; at < text.n && !err; at = next) {
		struct pass p = { .e = e };
		struct editor ed = { .src = text,
			.out = &l->view[0],
			.joint = l->joint[0],
			.done = plain_done,
			.ctx = &p };
		size_t first = e->s->n;
		l->chunk.named = e->opt && e->opt->before.n;
		l->chunk.whole = &l->whole;
		look_at_chunk(&l->chunk, text, at);
		whole_begin(e, l, text, at);
		normalise_edit(&l->chunk, &ed, &e->s->evasion);
		err = view_close(&ed);
		if (!err && ed.joints)
			err = scan_apart(e, &ed, &p, first);
		e->sequences |= ed.sequences && e->depth == 0;
		struct editor lo = {
			.src = text, .out = &l->view[0], .done = once_done, .ctx = &p
		};
		if (!err) {
			heuristics_edit(&l->chunk, &lo);
			err = view_close(&lo);
		}
		if (!err)
			err = blobs_of(e, &l->chunk, &done, NULL);
		size_t to = next = l->chunk.to;
		/* A value may continue after the chunk, so its end is examined again. */
		size_t last = ed.last > lo.last ? ed.last : lo.last;
		if (to < text.n && last + EVADE_SHORT > to)
			next = to - (p.key ? EVADE_OVERLAP : EVADE_SHORT);
	}
	return err;
}

/* Caches terminal_cut_bits() of the blocks that were asked for last. Many candidates begin and
 * end in the same few blocks. */
struct cut_blocks {
	struct span text;
	size_t block[CUT_BLOCKS]; /* block number in the text + 1; 0: unused */
	uint64_t bits[CUT_BLOCKS];
};

static bool
is_cut(struct cut_blocks *c, size_t at)
{
	size_t k = at / BLOCK % CUT_BLOCKS;

	if (c->block[k] != at / BLOCK + 1) {
		c->block[k] = at / BLOCK + 1;
		c->bits[k] = terminal_cut_bits(c->text, at / BLOCK * BLOCK);
	}
	return c->bits[k] >> at % BLOCK & 1;
}

/* Marks candidates that begin or end inside a sequence, such as m…@… in ESC[31malice@…, and
 * candidates whose last character is not displayed. */
static void
mark_cut(struct detect_scratch *s, struct span text)
{
	struct cut_blocks c = { .text = text };

	effort_add(4 * s->n);
	for (size_t i = 0; i < s->n; i++) {
		size_t start = s->v[i].start, end = s->v[i].end;
		if (is_cut(&c, start) || is_cut(&c, end) || is_cut(&c, end - 1) ||
			terminal_drops_before(text, end))
			s->v[i].flags |= FINDING_CUT;
	}
}

int
evade_scan(rules_fn *rules, const struct detect_rules *r, struct detect_scratch *s,
	struct span text, const struct detect_options *opt)
{
	struct evade *e = s->evade;

	if (!e)
		e = s->evade = calloc(1, sizeof(*e));
	if (!e)
		return ERR_NOMEM;
	e->rules = rules;
	e->r = r;
	e->s = s;
	e->depth = 0;
	e->first = 0;
	e->sequences = false;
	e->budget = CAP_DECODE_RATIO * text.n + PIECE;
	int err = scan_text(e, text, opt);
	if (e->sequences)
		mark_cut(s, text);
	for (size_t i = 1; i < LEVELS; i++)
		level_free(&e->levels[i]);
	return err;
}

void
evade_wipe(struct detect_scratch *s)
{
	for (size_t i = 0; s->evade && i < LEVELS; i++)
		if (s->evade->levels[i])
			level_wipe(s->evade->levels[i]);
}

void
evade_free(struct detect_scratch *s)
{
	if (!s->evade)
		return;
	for (size_t i = 0; i < LEVELS; i++)
		level_free(&s->evade->levels[i]);
	free(s->evade);
	s->evade = NULL;
}
