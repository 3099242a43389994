/* The stage that finds names: one pass over the capitalized words of a text. Text without
 * capitals costs little more than a look at each block of 64 bytes. A run of capitalized words
 * is read once and passed to each finder that is asked for. If a person was found with
 * certainty, a second pass finds parts of the name elsewhere. */
#include <pthread.h>

#include "base/ascii.h"
#include "base/effort.h"
#include "base/err.h"
#include "scan/detect/names/names.h"
#include "scan/detect/names/names_run.h"
#include "scan/detect/prefilter/starts.h"

/* ---- the compiled-in word lists ---- */

extern const uint64_t names_packed[];

static struct names_table *builtin;

static void
open_builtin(void)
{
	builtin = names_unpack(names_packed);
}

const struct names_table *
names_builtin(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, open_builtin);
	return builtin;
}

enum { LOWER_MAX = 4096 }; /* bytes; a longer text is not read as one without capitals */

/* ---- a text without capitals ---- */

static bool
is_code(char c)
{
	return is_one_of(c, ";<=>{}") || c == 0;
}

enum { LETTERS, CAPITALS, CODE };
static struct block_sets capital_sets;

__attribute__((constructor)) static void
fill_capital_sets(void)
{
	block_sets_fill(&capital_sets, (bool (*const[])(char)){ is_alpha, is_upper, is_code, NULL });
}

/* Chats are written without capitals. A long text or a text of code is not read in that way. */
static bool
text_without_capitals(struct span t)
{
	size_t letters = 0, upper = 0;

	if (t.n > LOWER_MAX)
		return false;
	for (size_t i = 0; i < t.n; i += BLOCK) {
		uint64_t in[BLOCK_SETS];
		block_classify(&capital_sets, t.p + i, t.n - i, in);
		letters += (size_t)__builtin_popcountll(in[LETTERS]);
		upper += (size_t)__builtin_popcountll(in[CAPITALS]);
		if (in[CODE] || upper * 100 > t.n)
			return false;
	}
	return letters > 0 && upper * 100 <= letters;
}

/* ---- words ---- */

/* Returns the first possible beginning at or after i, or the text's end. */
static size_t
begin_ahead(struct names_sweep *w, size_t i)
{
	size_t block = i - i % BLOCK, n = w->text.n;
	uint64_t bits;

	if (i >= n)
		return n;
	if (w->block < block || w->block == NO_BLOCK)
		w->block = starts_next_word(w->text, block, w->lower, &w->begins);
	bits = w->block == block ? w->begins & ~UINT64_C(0) << i % BLOCK : w->begins;
	if (!bits) {
		w->block = starts_next_word(w->text, block + BLOCK, w->lower, &w->begins);
		bits = w->begins;
	}
	return bits ? w->block + (size_t)__builtin_ctzll(bits) : n;
}

/* Returns the end of the letters, digits and '_' from i on. */
static size_t
past_word(struct span t, size_t i)
{
	unsigned n;
	uint64_t folded;

	for (;;) {
		i = span_past(t, i, is_word);
		while (i < t.n && two_bytes(t, i) && entry_of_two(t, i) >> 24)
			i += 2;
		if (i == t.n || ((unsigned char)t.p[i] < 0x80 && !is_word(t.p[i])))
			return i;
		if (glyph_at(t, i, &n, &folded) == LETTER_NONE && !is_word(t.p[i]))
			return i;
		i += n;
	}
}

size_t
past_glyph(struct span t, size_t i)
{
	unsigned n;
	uint64_t folded;

	glyph_at(t, i, &n, &folded);
	return i + n;
}

/* Returns true if Han at i continues an ASCII word, from `from` on, that contains a letter which
 * could have begun a name. */
static bool
han_in_word(const struct names_sweep *w, size_t from, size_t i)
{
	for (; i > from && is_word(w->text.p[i - 1]); i--)
		if (w->lower ? is_alpha(w->text.p[i - 1]) : is_upper(w->text.p[i - 1]))
			return true;
	return false;
}

/* The same as word_begins(), from a character beyond ASCII on. */
static enum letter
begins_beyond(struct names_sweep *w, size_t from, size_t *at)
{
	struct span t = w->text;

	for (size_t i = *at; i < t.n; i = begin_ahead(w, i)) {
		unsigned n;
		uint64_t folded;
		*at = i;
		if ((unsigned char)t.p[i] < 0x80)
			return t.p[i] & 0x20 ? LETTER_LOWER : LETTER_UPPER;
		enum letter k = glyph_at_alpha(t, i, &n, &folded);
		if (k == LETTER_NONE) {
			i += n;
			continue;
		}
		bool inside = k == LETTER_HAN ? han_in_word(w, from, i)
					      : (i > 0 && is_word(t.p[i - 1]));
		if (!inside && (k != LETTER_LOWER || w->lower))
			return k;
		i = past_word(t, i);
	}
	*at = t.n;
	return LETTER_NONE;
}

/* Moves *at to the first letter, at or after *at, that begins a capitalized word or is Han, and
 * returns its kind. In a text without capitals any word counts. Returns LETTER_NONE if there is
 * no more. A word before *at must have ended there. */
static enum letter
word_begins(struct names_sweep *w, size_t *at)
{
	struct span t = w->text;
	size_t from = *at, i = begin_ahead(w, from);

	*at = i;
	if (i >= t.n)
		return LETTER_NONE;
	if ((unsigned char)t.p[i] >= 0x80)
		return begins_beyond(w, from, at);
	return t.p[i] & 0x20 ? LETTER_LOWER : LETTER_UPPER;
}

/* ---- words before a word ---- */

size_t
past_particles(const struct names_sweep *w, size_t at)
{
	for (int k = 0; k < 3; k++) {
		const char *p = w->text.p;
		size_t b = at, end;
		if (b < 3 || (p[b - 1] != ' ' && p[b - 1] != '\''))
			break;
		b -= p[b - 1] == ' ';
		end = b;
		while (b > 0 && end - b < 4 && (is_lower(p[b - 1]) || p[b - 1] == '\''))
			b--;
		if (b == end || b == 0 || p[b - 1] != ' ')
			break;
		uint32_t f = names_flags_small(w->t, names_hash(span_cut(w->text, b, end)));
		if (!(f & W_PARTICLE) || f & W_STREET_START)
			break;
		at = b;
	}
	return at;
}

/* Returns where small words such as "de la" before `at` begin if a title precedes them, as in
 * "mevrouw van den Heuvel"; else `at`. */
static size_t
titled_from(struct names_sweep *w, size_t at)
{
	const char *p = w->text.p + at;
	bool label;
	size_t start;

	/* Most capitals begin a sentence or follow another capitalized word. */
	if (at < 2 || p[-1] != ' ' || !is_lower(p[-2]) ||
		!words_before(w, at, W_PARTICLE, &label, &start))
		return at;
	size_t from = past_particles(w, at);
	if (from == at || !words_before(w, from, W_TITLE, &label, &start) || label)
		return at;
	return from;
}

/* ---- finders and candidates ---- */

enum { WORK_RUN = 128 }; /* units of effort for a run of words */

/* The score of a name stays below 1, so that a threshold of 1.0 switches an entity off. */
#define SURE_MAX 0.99f

static const char *const finders[FINDERS] = { "person", "place", "nationality", "organisation",
	"facility", "street" };

int
finder_find(struct span name)
{
	size_t f = span_find(name, finders, FINDERS);

	return f < FINDERS ? (int)f : -1;
}

const char *
finder_names(void)
{
	return "person, place, nationality, organisation, facility, street";
}

void
names_keep(struct names_sweep *w, enum finder f, size_t start, size_t end, float score)
{
	if (w->err || score < w->threshold[f] || end <= start || w->threshold[f] >= 1.0f)
		return;
	struct finding v = { .entity = (uint16_t)(w->r->finders[f] - 1),
		.start = start,
		.end = end,
		.score = score > SURE_MAX ? SURE_MAX : score };
	w->err = scratch_keep(w->s, v);
}

/* ---- the pass over a text ---- */

/* Returns true if the run has only ordinary words. A word before the run can make it a street;
 * nothing else can make it a name. */
static bool
is_plain_run(const struct run *run)
{
	const uint32_t alone = W_NAME | W_PLACE | W_NATION | W_STREET;
	const uint32_t beside = W_ORG | W_FACILITY | W_FACILITY_START | W_TITLE;

	return run->all & W_COMMON && !run->initials &&
	       !(run->any & (run->n > 1 ? alone | beside : alone));
}

static void
look_at_name(struct names_sweep *w, struct run *run)
{
	if (run->w[0].code && run->n == 1)
		return;
	if (is_plain_run(run)) {
		if (w->threshold[FIND_STREET] < 1.0f)
			find_street_start(w, run);
		return;
	}
	if (w->threshold[FIND_PERSON] < 1.0f && !no_person_in(w, run))
		find_person(w, run);
	if (w->threshold[FIND_PLACE] < 1.0f || w->threshold[FIND_NATION] < 1.0f)
		find_place(w, run);
	if (w->threshold[FIND_ORGANISATION] < 1.0f || w->threshold[FIND_FACILITY] < 1.0f)
		find_organisation(w, run);
	if (w->threshold[FIND_STREET] < 1.0f)
		find_street(w, run);
}

/* Looks for a name that begins with the word at `at`. Returns the end of the text that was read. */
static size_t
look_from(struct names_sweep *w, size_t at, enum letter first)
{
	struct run run;
	size_t from = first == LETTER_UPPER ? titled_from(w, at) : at;
	size_t end =
		first == LETTER_UPPER && from == at && w->rejects ? word_rejected(w, at) : 0;

	if (end)
		return end;
	if (!word_read(w, from, &run.w[0])) { /* "'t" begins with no letter */
		from = at;
		word_read(w, from, &run.w[0]);
	}
	if (first == LETTER_LOWER) {
		const struct word *x = &run.w[0]; /* the title in "dr. weiss" */
		if (x->flags & W_TITLE && x->dot && w->text.n - x->end > 2 &&
			w->text.p[x->end + 1] == ' ')
			return w->titled = x->end + 2;
		if (!word_stands_out(w, &run.w[0]))
			return run.w[0].end;
	}
	run_read(w, &run);
	if (run.w[run.n - 1].end <= at) { /* the small words do not reach the name: "van 't Hoff" */
		from = at;
		word_read(w, from, &run.w[0]);
		run_read(w, &run);
	}
	effort_add(WORK_RUN + 8 * (run.w[run.n - 1].end - from));
	if (effort_over())
		w->err = effort_err();
	look_at_name(w, &run);
	return run.w[run.n - 1].end;
}

/* Finds known people again wherever a part of their names is capitalized. */
static void
second_pass(struct names_sweep *w)
{
	struct word word;
	enum letter k;

	w->lower = false;
	w->block = NO_BLOCK;
	for (size_t i = 0; !w->err && (k = word_begins(w, &i)) != LETTER_NONE;) {
		if (k == LETTER_HAN) {
			i = past_glyph(w->text, i);
			continue;
		}
		size_t end = word_unknown(w, i);
		if (!end) {
			word_read(w, i, &word);
			find_known(w, &word);
			effort_add(64);
			end = word.end;
		}
		i = end;
	}
}

/* ---- the entities that are asked for ---- */

static bool
thresholds(struct names_sweep *w)
{
	bool any = false;

	for (size_t f = 0; f < FINDERS; f++) {
		size_t e = w->r->finders[f];
		w->threshold[f] = e ? scan_threshold(w->r, w->opt, e - 1) : 2.0f;
		any |= w->threshold[f] < 1.0f;
	}
	return any;
}

/* Returns whether a key names a person. */
static enum field_lead
key_lead(const struct names_table *t, struct span key)
{
	uint32_t f = names_key(t, key);

	return f & W_WEAK ? LEAD_KEY : f & (W_KEY | W_CUE) ? LEAD_SURE : LEAD_NONE;
}

static void
known_after(const struct names_sweep *w, struct known_names *k)
{
	for (size_t i = k->n; i < w->known->n && k->n < KNOWN_NAMES; i++) {
		size_t at = 0;
		while (at < k->n && k->v[at] != w->known->v[i])
			at++;
		if (at < k->n)
			continue;
		k->at[k->n] = w->known->at[i];
		k->v[k->n++] = w->known->v[i];
	}
}

int
names_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	struct known_names known;
	struct names_sweep w = { .r = r,
		.t = r->names,
		.s = s,
		.opt = opt,
		.text = text,
		.block = NO_BLOCK,
		.known = &known,
		.labeled = opt && opt->labeled_names };

	known.n = 0;
	effort_add(text.n);
	if (!r->names || !thresholds(&w))
		return 0;
	w.key = opt ? key_lead(w.t, opt->before) : LEAD_NONE;
	w.lower = !(opt && opt->part) && text_without_capitals(text);
	w.rejects = words_rejectable(&w);
	/* People found in earlier parts of the same text. */
	if (s->known) {
		*w.known = *s->known;
		for (size_t i = 0; i < s->known->n; i++)
			known_mark(&w, s->known->v[i]);
	}
	enum letter k;
	for (size_t i = 0; !w.err && (k = word_begins(&w, &i)) != LETTER_NONE;)
		i = k == LETTER_HAN ? find_han(&w, i) : look_from(&w, i, k);
	if (s->known)
		known_after(&w, s->known);
	if (known.n && w.threshold[FIND_PERSON] < 1.0f)
		second_pass(&w);
	if (!w.err && effort_over())
		w.err = effort_err();
	return w.err;
}
