/* Finds where names may begin: the first letters of words, found 64 bytes at a time, so that the
 * bytes between them cost almost nothing. */
#include "base/ascii.h"
#include "scan/detect/names/names_run.h"
#include "scan/detect/prefilter/starts.h"

enum { LOWER_MAX = 4096 }; /* bytes; a longer text is not read as one without capitals */

/* ---- a text without capitals ---- */

static bool
is_code(char c)
{
	return is_one_of(c, ";<=>{}") || c == 0;
}

enum { LETTERS, CAPITALS, CODE };
static struct block_sets sets;

__attribute__((constructor)) static void
fill_sets(void)
{
	block_sets_fill(&sets, (bool (*const[])(char)){ is_alpha, is_upper, is_code, NULL });
}

/* Chats are written without capitals. A long text or a text of code is not read in that way. */
bool
text_without_capitals(struct span t)
{
	size_t letters = 0, upper = 0;

	if (t.n > LOWER_MAX)
		return false;
	for (size_t i = 0; i < t.n; i += BLOCK) {
		uint64_t in[BLOCK_SETS];
		block_classify(&sets, t.p + i, t.n - i, in);
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

enum letter
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

size_t
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
