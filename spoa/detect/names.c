/* The stage that finds names: one pass over the capitals of a text. Text without them
 * costs eight bytes a step; a run of capitalised words is read once and shown to every
 * finder that is asked for. A person who was found for certain is found again wherever
 * a part of the name stands. */
#include <endian.h>
#include <stdio.h>

#include "base/err.h"
#include "detect/names_run.h"

enum { LOWER_MAX = 4096 }; /* bytes of a text that is read without capitals */

/* Never quite sure: a threshold of 1.0 switches an entity off. */
#define SURE_MAX 0.99f

static const char *const finders[FINDERS] = { "person", "place", "nationality", "organisation",
	"facility", "street" };

int
finder_find(struct span name)
{
	for (int f = 0; f < FINDERS; f++)
		if (span_is(name, finders[f]))
			return f;
	return -1;
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

/* ---- the pass ---- */

/* The first capital or byte over 127 from i on. */
static size_t
skip_plain(struct span t, size_t i)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;

	for (; i + 8 <= t.n; i += 8) {
		uint64_t v, low, hit;
		memcpy(&v, t.p + i, sizeof(v));
		v = le64toh(v);
		low = v & ~high;
		hit = (((low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z'))) | v) & high;
		if (hit)
			return i + (size_t)__builtin_ctzll(hit) / 8;
	}
	while (i < t.n && !is_upper(t.p[i]) && (unsigned char)t.p[i] < 0x80)
		i++;
	return i;
}

/* In a text without capitals every word may be a name. */
static size_t
skip_to_word(const struct names_sweep *w, size_t i)
{
	if (!w->lower)
		return skip_plain(w->text, i);
	while (i < w->text.n && !is_alpha(w->text.p[i]) && (unsigned char)w->text.p[i] < 0x80)
		i++;
	return i;
}

static bool
inside_word(struct span t, size_t i)
{
	if (i == 0)
		return false;
	return is_alnum(t.p[i - 1]) || t.p[i - 1] == '_';
}

static size_t
past_word(struct span t, size_t i)
{
	unsigned n;
	uint64_t folded;

	for (; i < t.n; i += n)
		if (glyph_at(t, i, &n, &folded) == LETTER_NONE && !is_digit(t.p[i]) &&
			t.p[i] != '_')
			break;
	return i;
}

/* One capitalised word that is an ordinary one, as most sentences begin with: only the
 * word before it can make a name of it, and of a street. */
static bool
is_plain(const struct word *x)
{
	const uint32_t name = W_NAME | W_PLACE | W_NATION | W_STREET;

	return x->flags & W_COMMON && !(x->flags & name) && !x->initial;
}

/* A word of no list, and nothing before it that a name follows: worth 0.2 as a person at
 * most, no place, and an organisation has two words. */
static bool
is_unheard_of(struct names_sweep *w, const struct word *x)
{
	bool label;
	size_t start;

	return !(x->flags & ~(uint32_t)W_MORE) && !x->initial && !w->person_key &&
	       w->threshold[FIND_PERSON] > 0.25f &&
	       !words_before(w, x->start, W_TITLE | W_CUE | W_BEFORE, &label, &start);
}

static void
look_at(struct names_sweep *w, struct run *run)
{
	if (run->w[0].code && run->n == 1)
		return;
	if (run->n == 1 && is_plain(&run->w[0])) {
		if (w->threshold[FIND_STREET] < 1.0f)
			find_street_start(w, run);
		return;
	}
	if (run->n == 1 && is_unheard_of(w, &run->w[0])) {
		if (w->threshold[FIND_STREET] < 1.0f)
			find_street(w, run);
		return;
	}
	if (w->threshold[FIND_PERSON] < 1.0f)
		find_person(w, run);
	if (w->threshold[FIND_PLACE] < 1.0f || w->threshold[FIND_NATION] < 1.0f)
		find_place(w, run);
	if (w->threshold[FIND_ORGANISATION] < 1.0f || w->threshold[FIND_FACILITY] < 1.0f)
		find_organisation(w, run);
	if (w->threshold[FIND_STREET] < 1.0f)
		find_street(w, run);
}

static void
first_pass(struct names_sweep *w)
{
	struct run run;

	for (size_t i = 0; !w->err && (i = skip_to_word(w, i)) < w->text.n;) {
		unsigned n;
		uint64_t folded;
		enum letter k = glyph_at(w->text, i, &n, &folded);
		if (k == LETTER_NONE) {
			i += n;
			continue;
		}
		if (k == LETTER_HAN) {
			i = find_han(w, i);
			continue;
		}
		if (inside_word(w->text, i) || (k == LETTER_LOWER && !w->lower)) {
			i = past_word(w->text, i);
			continue;
		}
		run_read(w, i, &run);
		if (k == LETTER_LOWER && run.w[0].flags & W_TITLE && run.w[0].dot &&
			w->text.n - run.w[0].end > 2 && w->text.p[run.w[0].end + 1] == ' ') {
			w->titled = i = run.w[0].end + 2; /* "dr. weiss" */
			continue;
		}
		if (k == LETTER_LOWER && !word_stands_out(w, &run.w[0])) {
			i = run.w[0].end;
			continue;
		}
		look_at(w, &run);
		i = run.w[run.n - 1].end;
	}
}

/* Where known people are named again. */
static void
second_pass(struct names_sweep *w)
{
	struct word word;

	for (size_t i = 0; !w->err && (i = skip_plain(w->text, i)) < w->text.n;) {
		unsigned n;
		uint64_t folded;
		enum letter k = glyph_at(w->text, i, &n, &folded);
		if (k == LETTER_NONE || k == LETTER_HAN) {
			i += n;
			continue;
		}
		if (inside_word(w->text, i) || k == LETTER_LOWER ||
			!word_read_hash(w, i, &word)) {
			i = past_word(w->text, i);
			continue;
		}
		find_known(w, &word);
		i = word.end > i ? word.end : i + n;
	}
}

/* ---- what is asked for ---- */

static bool
thresholds(struct names_sweep *w)
{
	bool any = false;

	for (size_t f = 0; f < FINDERS; f++) {
		size_t e = w->r->finders[f];
		w->threshold[f] = e == 0 ? 2.0f
				  : w->opt && w->opt->thresholds
					  ? w->opt->thresholds[e - 1]
					  : w->r->entities[e - 1].threshold;
		any |= w->threshold[f] < 1.0f;
	}
	return any;
}

/* Whether the key before the text is one of people's names. */
static bool
is_person_key(struct names_sweep *w, struct span key)
{
	struct names_sweep k = *w;
	bool label;
	size_t start = 0;
	char text[CONTEXT_BYTES + 2];

	if (key.n == 0 || key.n > CONTEXT_BYTES)
		return false;
	memcpy(text, key.p, key.n);
	text[key.n] = ':';
	text[key.n + 1] = ' ';
	k.text = span_of(text, key.n + 2);
	if (!words_before(&k, k.text.n, W_KEY | W_CUE, &label, &start))
		return false;
	/* "name" alone, or the end of a longer key by two words: not "file name" */
	return start == 0 || memchr(text + start, '_', key.n - start) ||
	       memchr(text + start, ' ', key.n - start);
}

/* More than one byte of a hundred, as most texts have soon. */
static bool
many_capitals(struct span t)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), high = ones << 7;
	size_t n = 0;

	for (size_t i = 0; i + 8 <= t.n && n * 100 <= t.n; i += 8) {
		uint64_t v, low, hit;
		memcpy(&v, t.p + i, sizeof(v));
		low = v & ~high;
		hit = (low + ones * (0x80 - 'A')) & ~(low + ones * (0x7f - 'Z')) & ~v & high;
		for (; hit; hit &= hit - 1)
			n++;
	}
	return n * 100 > t.n;
}

/* Chats are written without capitals; a long text or one of code is not read so. */
static bool
without_capitals(struct span t)
{
	static const bool code[256] = {
		['{'] = 1, ['}'] = 1, [';'] = 1, ['<'] = 1, ['>'] = 1, ['='] = 1, ['\0'] = 1
	};
	size_t letters = 0, upper = 0;

	if (t.n > LOWER_MAX)
		return false;
	if (many_capitals(t))
		return false;
	for (size_t i = 0; i < t.n; i++) {
		unsigned char c = (unsigned char)t.p[i];
		if (code[c])
			return false;
		letters += (unsigned char)((c | 0x20) - 'a') < 26;
		upper += (unsigned char)(c - 'A') < 26;
	}
	return letters > 0 && upper * 100 <= letters;
}

/* People of the parts of a text before this one. */
static void
known_before(struct names_sweep *w, const struct known_names *k)
{
	memcpy(w->known, k->v, k->n * sizeof(k->v[0]));
	w->nknown = k->n;
	for (size_t i = 0; i < k->n; i++)
		w->known_bits |= UINT64_C(1) << (k->v[i] & 63);
}

static void
known_after(const struct names_sweep *w, struct known_names *k)
{
	for (size_t i = k->n; i < w->nknown && k->n < KNOWN_NAMES; i++) {
		size_t at = 0;
		while (at < k->n && k->v[at] != w->known[i])
			at++;
		if (at == k->n)
			k->v[k->n++] = w->known[i];
	}
}

int
names_scan(const struct detect_rules *r, struct detect_scratch *s, struct span text,
	const struct detect_options *opt)
{
	struct names_sweep w = { .r = r, .t = r->names, .s = s, .opt = opt, .text = text };

	if (!r->names || !thresholds(&w))
		return 0;
	w.person_key = opt && is_person_key(&w, opt->before);
	w.lower = !(opt && opt->part) && without_capitals(text);
	if (s->known)
		known_before(&w, s->known);
	first_pass(&w);
	if (s->known)
		known_after(&w, s->known);
	if (w.nknown && w.threshold[FIND_PERSON] < 1.0f)
		second_pass(&w);
	return w.err;
}
