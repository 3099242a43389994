/* Converts words to hashed features, and collects features into blocks; see inject_walk.h. Each
 * word adds one feature for each of its characters (the n-gram that ends there) and four for
 * the word with its predecessors. */
#include "scan/inject/inject_walk.h"

/* upper bound of the features that one word writes, surplus ones included */
enum { FEATURES_WORD = 2 * INJECT_WORD + 16 };

#define ALPHA	     UINT32_C(0x9E3779B1)
#define BETA	     UINT32_C(0x85EBCA6B)
#define GAMMA	     UINT64_C(0xD6E8FEB86659FD93)
#define FOUR	     (UINT64_MAX << 32)
#define FIVE	     (UINT64_MAX << 24)
#define SPACE_BEFORE ((uint64_t)' ' << 56)

static inline uint16_t
bucket(uint32_t h)
{
	h ^= h >> 15;
	return (uint16_t)((h * ALPHA) >> (32 - INJECT_BITS));
}

static inline void
add_feature(struct inject_walk *w, uint32_t h)
{
	w->f[w->n++] = bucket(h);
}

/* ---- blocks ---- */

static void
hand_over(struct inject_walk *w, bool end)
{
	w->take(w, end);
	w->n = 0;
	if (end)
		w->units = 0;
}

static inline void
make_room(struct inject_walk *w, unsigned units)
{
	if (w->units + units > INJECT_BLOCK_UNITS)
		hand_over(w, true);
	else if (w->n + FEATURES_WORD > INJECT_FEED ||
		 (w->units <= INJECT_HALF_UNITS && w->units + units > INJECT_HALF_UNITS))
		hand_over(w, false);
	w->units += units;
}

/* Reports a word, or a character of a script without spaces, to seen() if it is watched. */
static inline void
see_word(struct inject_walk *w, uint32_t hash)
{
	if (w->watch && (w->watch[hash % INJECT_WATCH / 64] >> (hash % 64) & 1))
		w->seen(w, hash);
	w->nwords++;
}

/* ---- characters ---- */

static inline uint32_t
gram_hash(const uint32_t *v, unsigned n)
{
	uint32_t h = n;

	for (unsigned i = 0; i < n; i++)
		h = h * BETA + v[i];
	return h;
}

/* Returns the eight characters that end with character k of x, preceded by those of
 * `before`. */
static inline uint64_t
eight_ending(uint64_t before, uint64_t x, unsigned k)
{
	return (uint64_t)(((unsigned __int128)x << 64 | before) >> (8 * k + 8));
}

/* Returns the last characters after a word that ends with the first n of x, followed by a
 * space. */
static inline uint64_t
and_space(uint64_t before, uint64_t x, size_t n)
{
	return eight_ending(before, x, (unsigned)n - 1) >> 8 | SPACE_BEFORE;
}

void
inject_solid(struct inject_walk *w, uint32_t cp)
{
	make_room(w, 1);
	memmove(w->solid, w->solid + 1, 3 * sizeof(w->solid[0]));
	w->solid[3] = cp;
	w->nsolid += w->nsolid < 4;
	for (unsigned n = 1; n <= w->nsolid; n++)
		add_feature(w, gram_hash(w->solid + 4 - n, n));
	w->before = and_space(w->before << 8, inject_byte(cp), 1);
	w->h2 = w->h1;
	w->h1 = cp * ALPHA;
	see_word(w, w->h1);
}

void
inject_syllables(struct inject_walk *w)
{
	uint32_t v[1 + INJECT_WORD] = { ' ' };

	make_room(w, 0);
	for (size_t i = 0; i < w->word_n; i++)
		v[1 + i] = w->word[i] < 0x80 ? w->word[i] : w->wide[i];
	for (size_t i = 1; i <= w->word_n; i++)
		add_feature(w, gram_hash(v + i - 1, 2));
	for (size_t i = 2; i <= w->word_n; i++)
		add_feature(w, gram_hash(v + i - 2, 3));
}

/* Writes the eight features of the n-grams that end at the characters of x; `mask` keeps the
 * last four or five characters. Always eight: surplus ones are overwritten later, and a loop of
 * constant length is faster than one that stops early. */
static inline void
in_a_row(uint16_t *f, uint64_t before, uint64_t x, uint64_t mask)
{
#pragma GCC unroll 8
	for (unsigned k = 0; k < 8; k++)
		f[k] = (uint16_t)((eight_ending(before, x, k) & mask) * GAMMA >>
				  (64 - INJECT_BITS));
}

void
inject_word(
	struct inject_walk *w, uint64_t x, const unsigned char *p, size_t n, unsigned scripts)
{
	uint64_t hash = n * GAMMA, before = w->before;
	uint64_t mask = scripts & SCRIPT_SHORT ? FOUR : FIVE;

	make_room(w, 2);
	uint16_t *f = w->f + w->n;
	for (w->n += n; n > 8; n -= 8) {
		in_a_row(f, before, x, mask);
		hash = (hash ^ x) * GAMMA;
		hash ^= hash >> 29;
		before = x;
		x = inject_eight(p += 8);
		f += 8;
	}
	in_a_row(f, before, x, mask);
	w->before = and_space(before, x, n);
	hash = (hash ^ x << (64 - 8 * n)) * GAMMA;
	hash ^= hash >> 29;
	uint32_t h = (uint32_t)(hash * GAMMA >> 32);
	w->nsolid = 0;
	see_word(w, h);
	uint32_t one = h + w->h1 * UINT32_C(0xC2B2AE35), two = w->h2 * UINT32_C(0x27D4EB2F);
	f = w->f + w->n;
	f[0] = bucket(h);
	f[1] = bucket(one);
	f[2] = bucket(one + two);
	f[3] = bucket(h + w->h2 * UINT32_C(0x165667B1));
	w->n += 4;
	w->h2 = w->h1;
	w->h1 = h;
}

void
inject_features_begin(struct inject_walk *w)
{
	w->n = 0;
	w->units = 0;
	w->before = SPACE_BEFORE;
	w->nsolid = 0;
	w->h1 = w->h2 = 1;
	w->nwords = 0;
}

void
inject_features_end(struct inject_walk *w)
{
	if (w->units)
		hand_over(w, true);
}
