/* The quick no to a capitalised word, which most are: an ordinary one, as sentences begin
 * with, that nothing beside it makes a name of. What it says no to, the finders find
 * nothing in; what it does not, they look at. */
#include "detect/names_run.h"

enum { ROOM = 80 }; /* bytes behind the word's first that may be read */

/* What may stand right before and behind such a word: no mark of code, nothing that
 * joins it to another. */
static const bool before[256] = { [' '] = 1, ['\n'] = 1, ['"'] = 1, ['('] = 1, ['\t'] = 1 };
static const bool behind[256] = {
	[' '] = 1, ['\n'] = 1, [';'] = 1, ['!'] = 1, ['?'] = 1, [')'] = 1, ['"'] = 1
};

/* One that alone is worth 0.25 as a person at most, and nothing else. */
static bool
is_little(const struct names_sweep *w, uint32_t flags, bool initial)
{
	if (flags & (W_PLACE | W_NATION | W_STREET) || !(flags & W_COMMON || initial))
		return false;
	return (!initial && !(flags & W_NAME)) ||
	       (w->threshold[FIND_PERSON] > 0.25f && !w->person_key);
}

size_t
word_skimmed(const struct names_sweep *w, size_t at)
{
	struct span t = w->text;
	uint64_t h = HASH_SEED;
	size_t i = at;

	if (w->lower || t.n - at < ROOM || (at > 0 && !before[(unsigned char)t.p[at - 1]]))
		return 0;
	for (; i - at < ROOM / 2 && is_alpha(t.p[i]); i++)
		h = hash_step(h, (unsigned char)t.p[i] | 0x20u);
	if (!behind[(unsigned char)t.p[i]])
		return 0;
	if (t.p[i] == ' ' && !run_ends(w, i + 1 + (t.p[i + 1] == ' '), SMALL_WORDS))
		return 0;
	if (!is_little(w, names_flags(w->t, h), i == at + 1) || may_lead(w, at))
		return 0;
	return i;
}
