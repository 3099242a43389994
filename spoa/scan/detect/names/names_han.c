/* Finds names in Chinese, Japanese and Korean. These scripts have no capitals, and the first two
 * have no spaces. A name is a family name of the lists that is followed by a given name or an
 * honorific, or preceded by a cue. */
#include "base/utf8.h"
#include "scan/detect/names/names_run.h"

enum { GIVEN_CHARS = 3, CUE_CHARS = 6, HONOUR_CHARS = 4 };

/* The first characters at a place. */
struct chars {
	size_t at[CUE_CHARS + 1];     /* offset of each character, and the end of the last */
	uint64_t hash[CUE_CHARS + 1]; /* hash of the first n characters */
	size_t n;
};

/* Reads up to `max` characters of Han from `at` on. */
static struct chars
chars_ahead(struct span t, size_t at, size_t max)
{
	struct chars c = { .at = { at }, .hash = { HASH_SEED } };
	unsigned n;
	uint64_t folded;

	while (c.n < max && at < t.n && glyph_at_han(t, at, &n, &folded) == LETTER_HAN) {
		at += n;
		c.hash[c.n + 1] = hash_step(c.hash[c.n], folded);
		c.at[++c.n] = at;
	}
	return c;
}

/* Returns false if no cue can end before `at`. A cue in other letters is always possible. */
static bool
may_end_cue(const struct names_sweep *w, size_t at)
{
	unsigned n;
	uint64_t folded;

	if (at == 0)
		return false;
	if (glyph_at_han(w->text, utf8_before(w->text.p, at), &n, &folded) != LETTER_HAN)
		return true;
	return names_flags_small(w->t, hash_step(HASH_SEED, folded)) & W_LAST;
}

/* Moves back over one colon, quote, equals sign or space, fullwidth forms included. */
static size_t
before_mark(struct span t, size_t i)
{
	const char *p = t.p + i;

	if (i >= 3 && (!memcmp(p - 3, "\xef\xbc\x9a", 3) || !memcmp(p - 3, "\xe3\x80\x80", 3)))
		return i - 3;
	return i > 0 && (p[-1] == ':' || p[-1] == ' ' || p[-1] == '"' || p[-1] == '=') ? i - 1
										       : i;
}

/* Returns true if a cue ends before `at`, directly or with up to three such marks between. */
static bool
cue_before(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t folded[CUE_CHARS];
	size_t i = before_mark(t, before_mark(t, before_mark(t, at)));

	if (!may_end_cue(w, i))
		return false;
	for (size_t k = 0; k < CUE_CHARS && i > 0; k++) {
		uint64_t h = HASH_SEED;
		unsigned n;
		i = utf8_before(t.p, i);
		if (glyph_at_han(t, i, &n, &folded[k]) == LETTER_NONE)
			folded[k] = names_hashed_mark(t.p[i]);
		for (size_t j = k + 1; j-- > 0;)
			h = folded[j] ? hash_step(h, folded[j]) : h;
		if (names_flags_small(w->t, h) & W_CUE)
			return true;
	}
	return false;
}

static bool
honour_after(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t folded, h = HASH_SEED;
	unsigned n;

	if (at < t.n && t.p[at] == ' ')
		at++;
	for (size_t k = 0; k < HONOUR_CHARS && at < t.n; k++, at += n) {
		if (glyph_at_han(t, at, &n, &folded) != LETTER_HAN)
			return false;
		h = hash_step(h, folded);
		if (k == 0 && !names_han(w->t, HAN_HONOUR, h))
			return false;
		if (names_flags_small(w->t, h) & W_HONORIFIC)
			return true;
	}
	return false;
}

static void
found(struct names_sweep *w, size_t start, size_t end, float score)
{
	names_keep(w, FIND_PERSON, start, end, score);
}

/* Returns the end of the longest given name of the lists at `at`, or `at`. */
static size_t
given_at(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t one, pair, folded, next;
	unsigned n, next_n;

	if (at >= t.n || glyph_at_han(t, at, &n, &folded) != LETTER_HAN)
		return at;
	one = hash_step(HASH_SEED, folded);
	if (at + n < t.n && glyph_at_han(t, at + n, &next_n, &next) == LETTER_HAN &&
		names_han(w->t, HAN_TWO, pair = hash_step(one, next))) {
		struct chars c = chars_ahead(t, at, GIVEN_CHARS);
		for (size_t k = c.n; k > 1; k--)
			if (names_flags(w->t, c.hash[k]) & W_GIVEN)
				return c.at[k];
	}
	if (names_han(w->t, HAN_GIVEN, one) && names_flags(w->t, one) & W_GIVEN)
		return at + n;
	return at;
}

/* Decides about the family name [at, to) by the text after it. Returns the end of the name, or
 * `at` if there is none. */
static size_t
name_at(struct names_sweep *w, size_t at, size_t to, size_t chars)
{
	struct span t = w->text;
	size_t given = to < t.n && t.p[to] == ' ' ? to + 1 : to, end = given_at(w, given);
	bool cue;

	cue = w->person_key || cue_before(w, at);
	if (w->labeled && !cue)
		return at;
	if (end == given && honour_after(w, to)) {
		found(w, at, to, chars > 1 ? 0.6f : 0.5f);
		return to;
	}
	if (end > given) {
		bool blank = given > to;
		float score = chars > 1 ? 0.6f : end - given > 3 ? 0.45f : 0.25f;
		score += (cue ? 0.35f : 0) + (honour_after(w, end) ? 0.3f : 0) -
			 (blank && !cue ? 0.1f : 0);
		found(w, at, end, score);
		return end;
	}
	if (!cue)
		return at;
	/* The given name is in no list, but a name is announced. Take up to two more characters
	 * if no more follow. */
	struct chars rest = chars_ahead(t, to, GIVEN_CHARS);
	if (rest.n >= 1 && rest.n < GIVEN_CHARS) {
		found(w, at, rest.at[rest.n], 0.6f);
		return rest.at[rest.n];
	}
	if (rest.n == GIVEN_CHARS && chars == 1) {
		found(w, at, rest.at[2], 0.55f);
		return rest.at[2];
	}
	return at;
}

static void
place_in(struct names_sweep *w, size_t at, const struct chars *c)
{
	for (size_t k = c->n; k > 1; k--) {
		uint32_t f = names_flags(w->t, c->hash[k]);
		if (!(f & W_PLACE))
			continue;
		names_keep(w, FIND_PLACE, at, c->at[k], f & W_COUNTRY ? 0.45f : 0.36f);
		return;
	}
}

/* Looks for a name or place that begins at `at`. `one` is the hash of its first character and
 * `pair` that of its first two; pair 0: no term begins with these. Returns the end of the name,
 * or `at`. */
static size_t
begins_at(struct names_sweep *w, size_t at, unsigned n, uint64_t one, uint64_t pair)
{
	size_t end = at;

	if (w->threshold[FIND_PERSON] < 1.0f) {
		if (pair && names_flags(w->t, pair) & W_SURNAME)
			end = name_at(w, at, past_glyph(w->text, at + n), 2);
		if (end == at && names_han(w->t, HAN_SURNAME, one) &&
			names_flags(w->t, one) & W_SURNAME)
			end = name_at(w, at, at + n, 1);
	}
	if (pair && w->threshold[FIND_PLACE] < 1.0f) {
		struct chars c = chars_ahead(w->text, at, CUE_CHARS);
		place_in(w, at, &c);
	}
	return end;
}

size_t
find_han(struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	unsigned n, next_n;
	uint64_t folded, next;
	enum letter k = glyph_at_han(t, at, &n, &folded), next_k;

	while (k == LETTER_HAN && !w->err) {
		uint64_t one = hash_step(HASH_SEED, folded), pair = 0;
		next_k = LETTER_NONE;
		if (at + n < t.n &&
			(next_k = glyph_at_han(t, at + n, &next_n, &next)) == LETTER_HAN)
			pair = hash_step(one, next);
		bool two = pair && names_han(w->t, HAN_TWO, pair);
		size_t end = at;
		if (two || names_han(w->t, HAN_SURNAME, one))
			end = begins_at(w, at, n, one, two ? pair : 0);
		if (end > at) {
			at = end;
			k = at < t.n ? glyph_at_han(t, at, &n, &folded) : LETTER_NONE;
			continue;
		}
		at += n;
		k = next_k;
		n = next_n;
		folded = next;
	}
	return at;
}
