/* Early reject of capitalized words. Most capitalized words stand alone, and nothing next to
 * them makes a name of them. This file rejects only words in which the finders would find
 * nothing; all others are passed to the finders. */
#include "base/ascii.h"
#include "scan/detect/names/names_run.h"

enum {
	LONG = 24, /* bytes of the longest word that is judged */
	ROOM = 32, /* bytes from the word's beginning on that must exist, because they may be
		    * read */
};

/* The highest score of a single word without a cue before it or a number next to it. */
#define WORTH_PERSON 0.25f /* an ordinary word that is also a name */
#define WORTH_PLACE  0.38f /* a region */
#define WORTH_NATION 0.40f

bool
words_rejectable(const struct names_sweep *w)
{
	return !w->lower && !w->person_key &&
	       w->threshold[FIND_PERSON] > WORTH_PERSON + 0.01f &&
	       w->threshold[FIND_PLACE] > WORTH_PLACE + 0.01f &&
	       w->threshold[FIND_NATION] > WORTH_NATION + 0.01f;
}

/* Returns true if no other word follows in a run. [at, end) contains only letters. */
static bool
alone(const struct names_sweep *w, size_t at, size_t end)
{
	const char *p = w->text.p + end;

	switch (p[0]) {
	case ' ': return run_ends(w, end + 1 + (p[1] == ' '), SMALL_WORDS);
	case ',': return p[1] != ' ' || run_ends(w, end + 2 + (p[2] == ' '), 0);
	case '.': return end - at > 2;
	case '-': return (unsigned char)p[1] < 0x80 && !is_alpha(p[1]);
	case '\'': return false;
	default: return (unsigned char)p[0] < 0x80 || memcmp(p, "\xe2\x80\x99", 3) != 0;
	}
}

/* Returns true if a word with these flags cannot be a name when it stands alone. */
static bool
is_little(const struct names_sweep *w, size_t at, size_t end, uint32_t flags)
{
	struct span word = span_of(w->text.p + at, end - at);
	bool initial = word.n == 1 || (word.n == 2 && is_high(word.p[0]));

	if (flags & (W_COUNTRY | W_STREET) || (flags & W_TITLE && w->text.p[end] == '.'))
		return false;
	if (flags & W_NAME && !(flags & W_COMMON) && !initial)
		return false;
	if (flags & W_PLACE && place_stands_out(w->text, at, end))
		return false;
	if (!(flags & ~(uint32_t)W_MORE) && names_surname_end(w->t, word))
		return false;
	return flags & (W_COMMON | W_GIVEN) || !names_street_end(w->t, word);
}

/* Returns the end of the letters of one word from `at` on, and sets *hash. Returns 0 if the word
 * is too long. */
static inline size_t
letters_from(struct span t, size_t at, uint64_t *hash)
{
	uint64_t h = HASH_SEED, folded;
	unsigned n;
	size_t i = at;

	for (; i - at < LONG; i++) {
		unsigned char c = (unsigned char)(t.p[i] | 0x20);
		if ((unsigned char)(c - 'a') >= 26)
			break;
		h = hash_step(h, c);
	}
	for (; is_letter(t.p[i]); i += n) {
		enum letter k = glyph_at_alpha(t, i, &n, &folded);
		if (k == LETTER_NONE || k == LETTER_HAN)
			break;
		if (i - at >= LONG)
			return 0;
		h = folded ? hash_step(h, folded) : h;
	}
	*hash = h;
	return i;
}

/* Returns true if a word before it leads to a name or to a street. */
static bool
is_led(struct names_sweep *w, size_t at)
{
	bool label;
	size_t start;

	return words_before(w, at, W_LEAD | W_PARTICLE, &label, &start) &&
	       (words_before(w, at, W_LEAD, &label, &start) || street_leads(w, at));
}

size_t
word_rejected(struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t h;
	size_t end = t.n - at < ROOM ? 0 : letters_from(t, at, &h);

	if (!end || !alone(w, at, end))
		return 0;
	if ((at > 0 && code_before[(unsigned char)t.p[at - 1]]) ||
		code_after[(unsigned char)t.p[end]])
		return end;
	if (is_little(w, at, end, names_flags(w->t, h)) && !is_led(w, at))
		return end;
	return touches_code(t, at, end) ? end : 0;
}

size_t
word_unknown(const struct names_sweep *w, size_t at)
{
	uint64_t h;
	size_t end = w->text.n - at < ROOM ? 0 : letters_from(w->text, at, &h);

	return end && word_ends(w->text, end) && !known_maybe(w, h) ? end : 0;
}
