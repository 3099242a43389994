/* Names in Chinese, Japanese and Korean, which have neither capitals nor, in the first
 * two, blanks: a family name of the lists, then a given name, an honorific, or a cue
 * before it. */
#include "detect/names_run.h"

enum { GIVEN_CHARS = 3, CUE_CHARS = 6, HONOUR_CHARS = 4 };

struct chars {
	size_t at[CUE_CHARS + 1];     /* where the nth character begins, and the end */
	uint64_t hash[CUE_CHARS + 1]; /* of the first n */
	size_t n;
};

/* Up to `max` letters of the kind from `at` on. */
static struct chars
chars_ahead(struct span t, size_t at, size_t max)
{
	struct chars c = { .at = { at }, .hash = { HASH_SEED } };
	unsigned n;
	uint64_t folded;

	while (c.n < max && at < t.n && glyph_at(t, at, &n, &folded) == LETTER_HAN) {
		at += n;
		c.hash[c.n + 1] = hash_step(c.hash[c.n], folded);
		c.at[++c.n] = at;
	}
	return c;
}

/* A cue that ends before `at`, by a colon or a blank or directly. */
static bool
cue_before(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	size_t i = at;

	for (int k = 0; k < 3 && i > 0; k++) {
		if (i >= 3 && (!memcmp(t.p + i - 3, "\xef\xbc\x9a", 3) ||
				      !memcmp(t.p + i - 3, "\xe3\x80\x80", 3)))
			i -= 3;
		else if (strchr(": \"=", t.p[i - 1]) && t.p[i - 1])
			i--;
	}
	for (size_t k = 0, b = i; k < CUE_CHARS && b > 0; k++) {
		b = glyph_before(t, b);
		if (names_flags_small(w->t, names_hash(span_cut(t, b, i))) & W_CUE)
			return true;
	}
	return false;
}

/* The quick no: a cue ends in a character that ends one, or is followed by a mark. */
static bool
announced(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;

	if (at == 0)
		return false;
	size_t b = glyph_before(t, at);
	unsigned n;
	uint64_t folded;
	if (glyph_at(t, b, &n, &folded) != LETTER_HAN)
		return true;
	return names_flags_small(w->t, hash_step(HASH_SEED, folded)) & W_LAST;
}

static bool
honour_after(const struct names_sweep *w, size_t at)
{
	struct chars c;

	if (at < w->text.n && w->text.p[at] == ' ')
		at++;
	c = chars_ahead(w->text, at, HONOUR_CHARS);
	for (size_t k = c.n; k > 0; k--)
		if (names_flags_small(w->t, c.hash[k]) & W_HONORIFIC)
			return true;
	return false;
}

static void
found(struct names_sweep *w, size_t start, size_t end, float score)
{
	names_keep(w, FIND_PERSON, start, end, score);
}

/* The longest given name of the lists at `at`; at: none. */
static size_t
given_at(const struct names_sweep *w, size_t at)
{
	struct chars c = chars_ahead(w->text, at, GIVEN_CHARS);

	if (c.n > 1 && names_han_two(w->t, c.hash[2]))
		for (size_t k = c.n; k > 1; k--)
			if (names_flags(w->t, c.hash[k]) & W_GIVEN)
				return c.at[k];
	if (c.n && names_han_one(w->t, c.hash[1]) && names_flags(w->t, c.hash[1]) & W_GIVEN)
		return c.at[1];
	return at;
}

/* A family name on [at, to): what follows decides. The end, or at. */
static size_t
name_at(struct names_sweep *w, size_t at, size_t to, size_t chars)
{
	struct span t = w->text;
	size_t given = to < t.n && t.p[to] == ' ' ? to + 1 : to, end;
	bool cue;

	end = given_at(w, given);
	if (end == given && chars == 1 && !w->person_key && !honour_after(w, to) &&
		!announced(w, at))
		return at;
	cue = w->person_key || (announced(w, at) && cue_before(w, at));
	if (end > given) {
		bool blank = given > to;
		float score = chars > 1 ? 0.6f : end - given > 3 ? 0.45f : 0.25f;
		score += (cue ? 0.35f : 0) + (honour_after(w, end) ? 0.3f : 0) -
			 (blank && !cue ? 0.1f : 0);
		found(w, at, end, score);
		return end;
	}
	if (honour_after(w, to)) {
		found(w, at, to, chars > 1 ? 0.6f : 0.5f);
		return to;
	}
	/* in no list, but a name is announced: up to two more characters, if no more follow */
	struct chars rest = chars_ahead(t, to, GIVEN_CHARS);
	if (cue && rest.n >= 1 && rest.n < GIVEN_CHARS) {
		found(w, at, rest.at[rest.n], 0.6f);
		return rest.at[rest.n];
	}
	if (cue && rest.n == GIVEN_CHARS && chars == 1) {
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

size_t
find_han(struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	unsigned n;
	uint64_t folded;

	while (at < t.n && !w->err && glyph_at(t, at, &n, &folded) == LETTER_HAN) {
		uint64_t next_folded, h = hash_step(HASH_SEED, folded);
		unsigned next_n;
		bool one = names_han_one(w->t, h), two = false;
		if (at + n < t.n && glyph_at(t, at + n, &next_n, &next_folded) == LETTER_HAN)
			two = names_han_two(w->t, hash_step(h, next_folded));
		if (!one && !two) {
			at += n;
			continue;
		}
		struct chars c = chars_ahead(t, at, two ? CUE_CHARS : 1);
		size_t end = at;
		if (w->threshold[FIND_PERSON] < 1.0f) {
			if (two && names_flags(w->t, c.hash[2]) & W_SURNAME)
				end = name_at(w, at, c.at[2], 2);
			if (end == at && one && names_flags(w->t, c.hash[1]) & W_SURNAME)
				end = name_at(w, at, c.at[1], 1);
		}
		if (two && w->threshold[FIND_PLACE] < 1.0f)
			place_in(w, at, &c);
		at = end > at ? end : at + n;
	}
	return at;
}
