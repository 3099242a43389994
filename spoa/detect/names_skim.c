/* The quick no to a capitalised word, which most are: it stands alone, and nothing beside
 * it makes a name of it. What it says no to, the finders find nothing in; what it does
 * not, they look at. */
#include "detect/names_run.h"

enum { ROOM = 80 }; /* bytes behind the word's first that may be read */

/* What a word alone is worth at most, without a cue before it or a number beside it. */
#define WORTH_PERSON 0.25f /* an ordinary one that is a name too */
#define WORTH_PLACE  0.38f /* a region */
#define WORTH_NATION 0.40f

bool
words_skim(const struct names_sweep *w)
{
	return !w->lower && !w->person_key &&
	       w->threshold[FIND_PERSON] > WORTH_PERSON + 0.01f &&
	       w->threshold[FIND_PLACE] > WORTH_PLACE + 0.01f &&
	       w->threshold[FIND_NATION] > WORTH_NATION + 0.01f;
}

/* Whether no other word follows in a run; only letters stand in [at, end). */
static bool
alone(const struct names_sweep *w, size_t at, size_t end)
{
	const char *p = w->text.p + end;

	if ((unsigned char)p[0] >= 0x80 || p[0] == '\'')
		return false;
	if (p[0] == '-')
		return (unsigned char)p[1] < 0x80 && !is_alpha(p[1]);
	if (p[0] == '.')
		return end - at > 2;
	if (p[0] == ',' && p[1] == ' ')
		return run_ends(w, end + 2 + (p[2] == ' '), 0);
	return p[0] != ' ' || run_ends(w, end + 1 + (p[1] == ' '), SMALL_WORDS);
}

/* What the lists say of it makes it nothing alone. */
static bool
is_little(const struct names_sweep *w, size_t at, size_t end, uint32_t flags)
{
	struct span word = span_of(w->text.p + at, end - at);
	bool initial = word.n == 1;

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

size_t
word_skimmed(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t h = HASH_SEED;
	size_t i = at;

	if (t.n - at < ROOM)
		return 0;
	for (; i - at < ROOM / 2 && is_alpha(t.p[i]); i++)
		h = hash_step(h, (unsigned char)t.p[i] | 0x20u);
	if (is_alpha(t.p[i]) || !alone(w, at, i))
		return 0;
	if (!touches_code(t, at, i) &&
		(!is_little(w, at, i, names_flags(w->t, h)) || may_lead(w, at)))
		return 0;
	return i;
}
