/* Finds holders whose names resemble a name that has no share: names in another case or Unicode
 * form, and names with typing errors. `audit erase` reports them, because shares are found by the
 * exact bytes of a name. */
#include "base/ascii.h"
#include "base/codec/letters.h"
#include "base/codec/utf8.h"
#include "policy/config/read.h"
#include "record/seal/shares_private.h"

enum { FOLDED_MAX = 2 * SHARE_HOLDER_MAX };

/* Appends the letters of a character without its case and its marks. */
static size_t
fold_character(uint32_t cp, char *out)
{
	const char *latin = letters_latin(cp);
	struct folded f = letters_fold(cp);
	size_t n = 0;

	if (f.kind == FOLD_MARK || f.kind == FOLD_DROP || f.kind == FOLD_BIDI)
		return 0;
	if (f.kind == FOLD_ASCII)
		latin = NULL;
	else if (!latin || to_lower(latin[0]) == 'q' || latin[0] == '.')
		return utf8_encode(letters_plain(cp), out);
	for (size_t i = 0; i < (latin ? 2 : f.n); i++)
		if (!latin || latin[i] != '.')
			out[n++] = to_lower(latin ? latin[i] : f.c[i]);
	return n;
}

/* Removes the differences of case and Unicode form. The result ends with a NUL. */
static struct span
fold_name(struct span name, char out[FOLDED_MAX + 8])
{
	size_t n = 0, step;

	for (size_t at = 0; at < name.n && n < FOLDED_MAX; at += step) {
		step = utf8_step(name, at);
		if (step == 1)
			out[n++] = to_lower(name.p[at]);
		else
			n += fold_character(utf8_value(name.p + at, step), out + n);
	}
	out[n] = '\0';
	return span_of(out, n);
}

/* The number of typing errors, one to three, up to which a name still resembles another. */
static unsigned
slips_allowed(size_t letters)
{
	return letters < 8 ? 1 : letters < 12 ? 2 : 3;
}

/* The number of typing errors between the names; UINT32_MAX: too many. */
static unsigned
slips_of(struct span word, struct span folded)
{
	unsigned allowed = slips_allowed(word.n);
	struct nearest near = nearest_to(word);

	if (span_eq(word, folded))
		return 0;
	if (folded.n > word.n + allowed || word.n > folded.n + allowed)
		return UINT32_MAX;
	nearest_try(&near, folded.p);
	return near.distance <= allowed ? near.distance : UINT32_MAX;
}

size_t
shares_near(struct shares *s, struct span name, struct share_near *out, size_t most)
{
	char folded[FOLDED_MAX + 8], other[FOLDED_MAX + 8];
	struct span word = fold_name(name, folded);
	size_t found = 0;

	pthread_rwlock_rdlock(&s->lock);
	for (size_t i = 0; i < s->n; i++) {
		const struct share_entry *e = s->entry[i];
		unsigned slips = slips_of(word, fold_name(span_of(e->holder, e->n), other));
		size_t at = found;
		while (at && slips < UINT32_MAX && out[at - 1].slips > slips)
			at--;
		if (at < most && slips < UINT32_MAX) {
			found += found < most;
			memmove(out + at + 1, out + at, (found - 1 - at) * sizeof(*out));
			out[at] = (struct share_near){ .slips = slips, .n = e->n };
			memcpy(out[at].name, e->holder, e->n);
		}
		if (i % SHARES_AT_ONCE)
			continue;
		pthread_rwlock_unlock(&s->lock);
		pthread_rwlock_rdlock(&s->lock);
	}
	pthread_rwlock_unlock(&s->lock);
	return found;
}
