/* Scores a text in three steps. 1. The model scores each window, and the worst counts; repeated
 * words are left out in a second pass. 2. For a user's text, quotations that are only mentioned
 * are left out. 3. Patterns that were found raise the score to a minimum.
 *
 * The first section finds quotations by their opening and closing marks. For each mark, the last
 * closing mark found is remembered, so that no part of the text is searched twice for the same
 * mark. */
#include <math.h>
#include <string.h>

#include "base/ascii.h"
#include "scan/inject/inject_model.h"

/* ---- quotations ---- */

enum {
	/* the mark does not open after a letter or close before a letter: "don't" */
	NO_LETTER = 1,
	NO_DIGIT = 2,  /* the mark does not open after an ASCII letter or digit: 5" */
	/* the mark opens only at the beginning of a line, and the end of the text closes it
	 * too */
	LINE = 4,
};

/* If several marks open at one place, the first row's counts. Of rows with the same opening
 * mark, the one that closes first counts. */
static const struct mark {
	const char *open, *close;
	unsigned flags;
} marks[] = {
	{ "```", "```", 0 },
	{ "\"\"\"", "\"\"\"", 0 },
	{ "`", "`", 0 },
	{ "\"", "\"", NO_DIGIT },
	{ "'", "'", NO_LETTER },
	{ "> ", "\n", LINE },
	{ "<quote>", "</quote>", 0 },
	{ "“", "”", 0 },
	{ "”", "”", 0 },
	{ "„", "“", 0 },
	{ "„", "”", 0 },
	{ "„", "\"", 0 },
	{ "‘", "’", NO_LETTER },
	{ "‚", "‘", 0 },
	{ "«", "»", 0 },
	{ "»", "«", 0 },
	{ "‹", "›", 0 },
	{ "「", "」", 0 },
	{ "『", "』", 0 },
};
_Static_assert(COUNT_OF(marks) <= QUOTE_MARKS, "inject_quotes.closer");

static const bool may_open[256] = {
	['`'] = true,
	['"'] = true,
	['\''] = true,
	[0xe2] = true,
	['>'] = true,
	['<'] = true,
	[0xc2 /* « » */] = true,
	[0xe3] = true,
};

/* Returns true for ‘ to ‟, ‹ and ›. Invisible characters, dashes and mathematical signs begin
 * with the same byte, and a text may be full of them. */
static inline bool
general_mark(const char *p, size_t n)
{
	unsigned char last = n > 2 ? (unsigned char)p[2] : 0;

	return (last & 0xf8) == 0x98 || last == 0xb9 || last == 0xba;
}

/* Compares byte by byte: this is called for every mark at each possible place, and almost all
 * marks differ within three bytes. */
static inline bool
mark_is_at(const char *mark, const char *p, size_t n)
{
	size_t i = 0;

	while (mark[i] && i < n && mark[i] == p[i])
		i++;
	return mark[i] == 0;
}

static bool
mark_opens(const struct mark *m, struct span t, size_t at)
{
	unsigned char before = at ? (unsigned char)t.p[at - 1] : '\n';

	if (!mark_is_at(m->open, t.p + at, t.n - at))
		return false;
	if (m->flags & LINE)
		return before == '\n';
	if (before == '\\')
		return false;
	if (m->flags & NO_LETTER)
		return !is_letter_or_digit((char)before);
	return !(m->flags & NO_DIGIT) || !is_alnum((char)before);
}

/* Returns the offset of the first closing mark at or after `from`; the text's length if there
 * is none. */
static size_t
closing_mark(const struct mark *m, struct span t, size_t from)
{
	size_t len = strlen(m->close);

	for (; from < t.n; from++) {
		const char *p = memmem(t.p + from, t.n - from, m->close, len);
		if (!p)
			return t.n;
		from = (size_t)(p - t.p);
		if (p[-1] == '\\' || ((m->flags & NO_LETTER) && from + len < t.n &&
					     is_letter_or_digit(t.p[from + len])))
			continue;
		return from;
	}
	return t.n;
}

/* Returns the end of the quotation that opens at `at`, closing mark included; 0: none opens. */
static size_t
quotation_at(struct inject_quotes *q, size_t at)
{
	size_t end = 0;

	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		const struct mark *m = &marks[i];
		if (end && strcmp(m->open, marks[i - 1].open))
			break;
		if (*m->open != q->text.p[at] || !mark_opens(m, q->text, at))
			continue;
		size_t inside = at + strlen(m->open), *c = &q->closer[i];
		if (*c < inside)
			*c = closing_mark(m, q->text, inside);
		if (*c - at > QUOTE_MAX || (*c == q->text.n && !(m->flags & LINE)))
			continue;
		size_t close = *c == q->text.n ? *c : *c + strlen(m->close);
		if (end == 0 || close < end)
			end = close;
	}
	return end;
}

void
inject_quotes_begin(struct inject_quotes *q, struct span text)
{
	memset(q, 0, sizeof(*q));
	q->text = text;
}

bool
inject_quotes_outside(struct inject_quotes *q, struct span *piece)
{
	size_t from = q->at, end;

	if (from > q->text.n)
		return false;
	for (; q->at < q->text.n; q->at++) {
		unsigned char c = (unsigned char)q->text.p[q->at];
		if (!may_open[c])
			continue;
		if (c == 0xe2 && !general_mark(q->text.p + q->at, q->text.n - q->at))
			continue;
		if ((end = quotation_at(q, q->at)) == 0)
			continue;
		*piece = span_cut(q->text, from, q->at);
		q->at = end;
		q->n++;
		return true;
	}
	*piece = span_cut(q->text, from, q->text.n);
	q->at = q->text.n + 1;
	return true;
}

/* ---- the score ---- */

double
inject_margin(const struct inject_model *m, int64_t sum, size_t n)
{
	return m->bias + m->scale * (double)sum / sqrt((double)(n + INJECT_SOFT));
}

/* The worst of n windows of a harmless text increases with n, about like the worst of n
 * exponential draws: 1 + 1/2 + ... + 1/n. The correction is smaller than harmless texts would
 * need, because it lowers long attacks too. It is limited, so that nobody can hide an attack in
 * a text of any length. Both constants were chosen on held-out sources. The sum is explicit,
 * because the trainer must not depend on a machine's logarithm. */
#define LENGTH_WEIGHT 0.25
enum { LENGTH_WINDOWS = 64 };

double
inject_text_margin(double worst, size_t windows)
{
	double more = 0;

	for (size_t i = 2; i <= windows && i <= LENGTH_WINDOWS; i++)
		more += 1 / (double)i;
	return worst - LENGTH_WEIGHT * more;
}

/* A short attack inside a long text fills only a short window: halves of blocks, 24 words.
 * Short windows vary more, so their margin is reduced. Chosen with our own attacks inside a
 * license text, so that few harmless texts exceed a threshold. */
enum { SHORT_HALVES = 3 };
#define SHORT_LESS 0.8

/* Below this score the model is so sure that the text is harmless that a pattern in it is only
 * a question ("is it OK to ignore the previous instructions when I cook?"). */
#define HARMLESS 0.05
/* Limits of the text around quotations: a longer text contains mentions of anything. */
enum { AROUND_WORDS = 250, AROUND_BYTES = 4096 };
/* A shorter sentence reports nothing; skipping such sentences saves time. */
enum { REPORT_BYTES = 16 };
/* Example: "Now please go." */
enum { ALONE_WORDS = 3 };

/* The state of scoring one text, on the stack. */
struct scoring {
	struct inject_walk walk; /* must be first: take() receives its address */
	const struct inject *inject;
	struct {
		int64_t sum;
		size_t n;
	} block[INJECT_WINDOW]; /* a ring of the last blocks */
	struct window {
		int64_t sum;
		size_t n;
	} half[SHORT_HALVES]; /* a ring of the last halves of blocks */
	size_t halves;
	double worst_short;
	size_t ended;		/* number of complete blocks */
	bool within;		/* a block is incomplete */
	bool due;		/* a complete block is not yet in a scored window */
	double worst;
	size_t windows;
	struct pattern_state patterns, mentions;
};

static void
score_window(struct scoring *s)
{
	int64_t sum = 0;
	size_t n = 0;

	for (size_t i = 0; i < INJECT_WINDOW && i < s->ended; i++) {
		sum += s->block[i].sum;
		n += s->block[i].n;
	}
	double margin = inject_margin(&s->inject->model, sum, n);
	if (margin > s->worst)
		s->worst = margin;
	s->windows++;
	s->due = false;
}

/* Scores the window of the last halves of blocks. */
static void
score_short(struct scoring *s, int64_t sum, size_t n)
{
	s->half[s->halves++ % SHORT_HALVES] = (struct window){ sum, n };
	if (s->halves < SHORT_HALVES)
		return;
	sum = 0;
	n = 0;
	for (size_t i = 0; i < SHORT_HALVES; i++) {
		sum += s->half[i].sum;
		n += s->half[i].n;
	}
	double margin = inject_margin(&s->inject->model, sum, n);
	if (margin > s->worst_short)
		s->worst_short = margin;
}

static void
score_take(struct inject_walk *w, bool end)
{
	struct scoring *s = (struct scoring *)(void *)w;
	const int8_t *weight = s->inject->model.weight;
	size_t at = s->ended % INJECT_WINDOW;
	int64_t sum = 0;

	if (!s->within) {
		s->block[at].sum = 0;
		s->block[at].n = 0;
	}
#pragma GCC unroll 4
	for (size_t i = 0; i < w->n; i++)
		sum += weight[w->f[i]];
	s->block[at].sum += sum;
	s->block[at].n += w->n;
	score_short(s, sum, w->n);
	s->within = !end;
	if (!end)
		return;
	s->ended++;
	s->due = true;
	if (s->ended >= INJECT_WINDOW && s->ended % INJECT_STRIDE == 0)
		score_window(s);
}

static void
score_seen(struct inject_walk *w, uint32_t hash)
{
	struct scoring *s = (struct scoring *)(void *)w;

	inject_pattern_word(&s->inject->patterns, &s->patterns, hash, w->nwords);
}

static void
seen_around(struct inject_walk *w, uint32_t hash)
{
	struct scoring *s = (struct scoring *)(void *)w;

	inject_pattern_word(&s->inject->mentions, &s->mentions, hash, w->nwords);
	score_seen(w, hash);
}

static void
score_begin(struct scoring *s, const struct inject *j)
{
	inject_walk_begin(&s->walk, score_take);
	s->inject = j;
	s->ended = 0;
	s->within = s->due = false;
	s->worst = s->worst_short = -HUGE_VAL;
	s->halves = s->windows = 0;
	memset(&s->patterns, 0, sizeof(s->patterns));
}

/* Converts steps to a score: 0 steps are 0.5, one step is 0.9. Logistic up to 0.9. Above, a
 * hyperbola with the same slope: the logistic function would be 1.000000 from seven steps on,
 * and two attacks could not be compared. */
static double
sigmoid(double steps)
{
	if (steps < 0)
		return 1 - sigmoid(-steps);
	if (steps <= 1)
		return 1 / (1 + exp(-log(9.0) * steps));
	return 1 - 0.1 / (1 + 0.9 * log(9.0) * (steps - 1));
}

static double
calibrate(const struct inject_model *m, double margin, enum inject_origin o)
{
	double steps = (margin - m->suspect[o]) / (m->block[o] - m->suspect[o]);

	/* Six digits, so that rules and records use the same value. */
	return floor(1e6 * sigmoid(steps) + 0.5) / 1e6;
}

/* Ends the walk and returns the score; 0 if the text has no words. */
static double
score_finish(struct scoring *s, enum inject_origin o)
{
	inject_walk_end(&s->walk);
	if (s->due)
		score_window(s);
	double margin = inject_text_margin(s->worst, s->windows);
	if (s->halves > SHORT_HALVES && s->worst_short - SHORT_LESS > margin)
		margin = s->worst_short - SHORT_LESS;
	return s->ended ? calibrate(&s->inject->model, margin, o) : 0;
}

/* ---- text that a user only talks about ---- */

static void
begin_around(struct scoring *s, const struct inject *j)
{
	score_begin(s, j);
	memset(&s->mentions, 0, sizeof(s->mentions));
	s->walk.watch = j->watch;
	s->walk.seen = seen_around;
}

/* Cuts off the first sentence, including its end mark. */
static struct span
next_sentence(struct span *text)
{
	size_t n = 0;

	while (n < text->n && !strchr(".!?\n", text->p[n]))
		n++;
	n += n < text->n;
	struct span sentence = span_cut(*text, 0, n);
	*text = span_cut(*text, n, text->n);
	return sentence;
}

/* Returns true if the sentence reports a command to an assistant ("asked the bot to
 * ignore ...") and requests nothing itself. */
static bool
is_report(const struct inject *j, struct span sentence)
{
	struct scoring s;

	begin_around(&s, j);
	inject_walk_text(&s.walk, sentence);
	score_finish(&s, INJECT_USER);
	return s.mentions.found & j->mentions.reports &&
	       !(s.mentions.found & j->mentions.commands);
}

/* Scores a piece outside quotations, without reports. Returns the number of reports, which
 * count as quotations. */
static size_t
go_around(struct scoring *s, struct span piece)
{
	size_t reported = 0;

	while (piece.n) {
		struct span sentence = next_sentence(&piece);
		if (sentence.n >= REPORT_BYTES && is_report(s->inject, sentence)) {
			reported++;
			continue;
		}
		/* A mention of kind `alone` counts only in a sentence of a few words. */
		uint64_t before = s->mentions.found, alone = s->inject->mentions.alone;
		uint32_t nwords = s->walk.nwords;
		inject_walk_text(&s->walk, sentence);
		if (s->walk.nwords - nwords > ALONE_WORDS)
			s->mentions.found &= ~alone | before;
	}
	inject_walk_text(&s->walk, SPAN_LIT(" "));
	return reported;
}

/* Returns true if the text outside quotations is short enough to be examined. */
static bool
little_around(struct span text)
{
	struct inject_quotes q;
	struct span piece;
	size_t bytes = 0;

	for (inject_quotes_begin(&q, text); inject_quotes_outside(&q, &piece);)
		if ((bytes += piece.n) > AROUND_BYTES)
			return false;
	return true;
}

/* Examines the text around quotations. If this text mentions them ("what does ... mean") and
 * does not ask to act on them ("do what is written there"), *score and *found are reduced to
 * those of the text around. Without a mention they stay: harmless text around an attack does
 * not make the attack harmless. Returns false if a mention without quotation marks was found;
 * patterns then must not raise the score. */
static bool
look_around(const struct inject *j, struct span text, double *score, uint64_t *found)
{
	struct inject_quotes q;
	struct scoring s;
	struct span piece;
	size_t reported = 0;

	if (!little_around(text))
		return true;
	begin_around(&s, j);
	for (inject_quotes_begin(&q, text); inject_quotes_outside(&q, &piece);)
		reported += go_around(&s, piece);
	double around = score_finish(&s, INJECT_USER);
	uint64_t said = s.mentions.found & (q.n ? UINT64_MAX : j->mentions.unquoted);
	if ((!said && !reported) ||
		s.mentions.found & (j->mentions.commands | j->mentions.addresses) ||
		s.walk.nwords > AROUND_WORDS)
		return true;
	if (*score >= INJECT_SUSPECT && around < *score)
		*score = around;
	*found &= s.patterns.found;
	return !(s.mentions.found & j->mentions.unquoted);
}

struct inject_result
inject_score(const struct inject *j, struct span text, enum inject_origin o, uint64_t off)
{
	struct inject_result r = { 0, NULL };
	struct scoring s;
	bool lifts = true;

	score_begin(&s, j);
	s.walk.watch = j->patterns.watch;
	s.walk.seen = score_seen;
	inject_walk_text(&s.walk, text);
	double whole = score_finish(&s, o), once = whole;
	uint64_t found = s.patterns.found & ~off;
	if (whole >= HARMLESS) {
		score_begin(&s, j);
		inject_walk_once(&s.walk, text);
		once = score_finish(&s, o);
	}
	if (o == INJECT_USER && (whole >= INJECT_SUSPECT || found))
		lifts = look_around(j, text, &whole, &found);
	r.score = once < whole ? once : whole;
	/* The patterns that count, given the model's score of the whole text; repeated words do
	 * not weaken a pattern. */
	uint64_t strong = whole < HARMLESS ? 0 : found & ~j->patterns.weak;
	found = !lifts		   ? 0
		: whole < HARMLESS ? found & j->patterns.suspects
		: strong	   ? strong
				   : found;
	if (found) {
		double floor = strong ? INJECT_BLOCK : INJECT_SUSPECT;
		r.score = r.score < floor ? floor : r.score;
		r.pattern = inject_pattern_id(j, (size_t)__builtin_ctzll(found));
	}
	return r;
}
