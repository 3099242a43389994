/* Scoring: the worst window of a text, what its patterns add, and what a quotation takes off.
 */
#include "scan/inject/inject_model.h"

#include <math.h>

#include "scan/inject/inject_quote.h"

double
inject_margin(const struct inject_model *m, int64_t sum, size_t n)
{
	return m->bias + m->scale * (double)sum / sqrt((double)(n + INJECT_SOFT));
}

/* The worst of n windows of harmless text grows with n: about as the worst of n exponential
 * draws, 1 + 1/2 + ... + 1/n. What is taken off for it is less than harmless texts would need,
 * since long attacks fall with it; and it ends, so that nobody hides an attack in a text as
 * long as he likes. Both are chosen on held-out sources. A sum, since the trainer may not
 * depend on a machine's logarithm. */
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

/* A short attack inside a long text fills a short window: halves of blocks, 24 words. Short
 * windows vary more, so their margin counts less. Chosen on our own attacks inside a license, so
 * that few harmless texts cross a threshold. */
enum { SHORT_HALVES = 3 };
#define SHORT_LESS 0.8

/* Below it the model is so sure that a text is harmless that a pattern in it is only asked
 * about ("is it OK to ignore the previous instructions when I cook?"). */
#define HARMLESS 0.05
/* Around quotations: a longer text has mentions of anything. */
enum { AROUND_WORDS = 250, AROUND_BYTES = 4096 };
/* A shorter sentence reports nothing, and many of them cost nothing. */
enum { REPORT_BYTES = 16 };
/* "Now please go." */
enum { ALONE_WORDS = 3 };

struct scoring {
	struct inject_walk walk; /* first: take() is given its address */
	const struct inject *inject;
	struct {
		int64_t sum;
		size_t n;
	} block[INJECT_WINDOW]; /* the last ones */
	struct window {
		int64_t sum;
		size_t n;
	} half[SHORT_HALVES]; /* of blocks, the last ones */
	size_t halves;
	double worst_short;
	size_t ended;		/* blocks */
	bool within;		/* a block is under way */
	bool due;		/* a block ended that no window has seen */
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

/* The window of the last halves of blocks. */
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

/* From steps to a score: 0.5 at none, 0.9 at one. Logistic up to 0.9; above it a hyperbola
 * that goes on with the same slope, since the logistic function would give 1.000000 from
 * seven steps on, and which of two attacks is worse would be gone. */
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

	/* Six digits: what a rule reads is what the record holds. */
	return floor(1e6 * sigmoid(steps) + 0.5) / 1e6;
}

/* 0: no words. */
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

/* ---- what a user only talks about ---- */

static void
begin_around(struct scoring *s, const struct inject *j)
{
	score_begin(s, j);
	memset(&s->mentions, 0, sizeof(s->mentions));
	s->walk.watch = j->watch;
	s->walk.seen = seen_around;
}

/* Cuts the first sentence off, with what ends it. */
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

/* Whether it tells what somebody says to an assistant ("asked the bot to ignore ..."), and asks
 * for nothing itself. */
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

/* Goes on with what is outside quotations; how many sentences count as such. */
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
		/* A mention that counts alone only does so in a sentence of few words. */
		uint64_t before = s->mentions.found, alone = s->inject->mentions.alone;
		uint32_t nwords = s->walk.nwords;
		inject_walk_text(&s->walk, sentence);
		if (s->walk.nwords - nwords > ALONE_WORDS)
			s->mentions.found &= ~alone | before;
	}
	inject_walk_text(&s->walk, SPAN_LIT(" "));
	return reported;
}

/* Whether little enough is outside quotations to be worth a second look. */
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

/* The second look: where the text around quotations says that they are only talked about (a
 * mention: "what does ... mean") and nothing there asks to act on them (a command: "do what it
 * says"), *score and *found become those of the text around, no higher than before. However
 * harmless that is, without a mention it says nothing about what is quoted. False: a mention
 * that needs no quotation is there, so that a pattern found does not lift. */
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
	/* Of the patterns found, those that have a say where the model gives the whole text this
	 * score: repeated words take nothing from a pattern. */
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
