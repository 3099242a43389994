/* Words and their hashes. ASCII goes by bitmaps of 64 bytes; only words with other
 * letters are decoded. Case folding: CaseFolding.txt of Unicode 15, statuses C and
 * S, for the alphabets that companies' terms are written in. */
#include "detect/custom/custom_words.h"

#include <endian.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/block.h"
#include "base/search.h"
#include "codec/utf8.h"

enum { WORD_BYTES = 256 }; /* longer words count by their beginning */

/* ---- hashing ---- */

static uint64_t
hash_mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide p = (wide)(a ^ UINT64_C(0xA0761D6478BD642F)) * (b ^ UINT64_C(0xE7037ED1A0B428DB));

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Up to eight bytes; the others are zero. */
static uint64_t
load(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n < 8 ? n : 8);
	return le64toh(v);
}

/* Of n bytes, each OR-ed with `fold`: 0x20 makes ASCII letters small and leaves
 * digits alone. `room` bytes may be read. */
static inline uint64_t
hash_bytes(const char *p, size_t n, size_t room, uint64_t fold)
{
	uint64_t h = n * UINT64_C(0x9E3779B97F4A7C15), last;

	if (n <= 8) {
		uint64_t only = n == 0 ? 0 : UINT64_MAX >> (64 - 8 * n);
		uint64_t v = room >= 8 ? load(p, 8) : load(p, n);
		return hash_mix((v | fold) & only, h);
	}
	for (size_t i = 0; i + 8 < n; i += 8)
		h = hash_mix(load(p + i, 8) | fold, h);
	last = load(p + n - 8, 8) | fold;
	return hash_mix(last, h);
}

uint64_t
word_chain(uint64_t phrase, uint64_t glue, uint64_t word)
{
	return hash_mix(phrase + glue * UINT64_C(0x9E3779B97F4A7C15), word);
}

uint64_t
word_exact(struct span text, const struct text_word *w)
{
	return hash_bytes(text.p + w->start, w->end - w->start, w->end - w->start, 0);
}

struct hash_bits
hash_bits_for(size_t hashes, unsigned most)
{
	enum { LEAST = 12, A_HASH = 16 };
	unsigned bits = LEAST;

	while (bits < most && (UINT64_C(1) << bits) < A_HASH * (uint64_t)hashes)
		bits++;
	return (struct hash_bits){ calloc((UINT64_C(1) << bits) / 64, sizeof(uint64_t)),
		64 - bits };
}

size_t
hash_bits_size(struct hash_bits b)
{
	return b.v ? (size_t)(UINT64_C(1) << (64 - b.shift)) / 8 : 0;
}

/* ---- letters ---- */

/* Capitals from..to, `step` apart, become small by adding `delta`. */
static const struct {
	uint16_t from, to;
	uint8_t step;
	int16_t delta;
} folds[] = {
	/* clang-format off */
	{ 0x41, 0x5A, 1, 32 },       { 0xC0, 0xD6, 1, 32 },       { 0xD8, 0xDE, 1, 32 },
	{ 0x100, 0x12E, 2, 1 },      { 0x130, 0x130, 1, -199 },   { 0x132, 0x136, 2, 1 },
	{ 0x139, 0x147, 2, 1 },      { 0x14A, 0x176, 2, 1 },      { 0x178, 0x178, 1, -121 },
	{ 0x179, 0x17D, 2, 1 },      { 0x17F, 0x17F, 1, -268 },   { 0x18F, 0x18F, 1, 202 },
	{ 0x1A0, 0x1A4, 2, 1 },      { 0x1AF, 0x1AF, 1, 1 },      { 0x1CD, 0x1DB, 2, 1 },
	{ 0x1DE, 0x1EE, 2, 1 },      { 0x1F4, 0x1F4, 1, 1 },      { 0x1F8, 0x21E, 2, 1 },
	{ 0x222, 0x232, 2, 1 },      { 0x386, 0x386, 1, 38 },     { 0x388, 0x38A, 1, 37 },
	{ 0x38C, 0x38C, 1, 64 },     { 0x38E, 0x38F, 1, 63 },     { 0x391, 0x3A1, 1, 32 },
	{ 0x3A3, 0x3AB, 1, 32 },     { 0x3C2, 0x3C2, 1, 1 },      { 0x400, 0x40F, 1, 80 },
	{ 0x410, 0x42F, 1, 32 },     { 0x460, 0x480, 2, 1 },      { 0x48A, 0x4BE, 2, 1 },
	{ 0x4C0, 0x4C0, 1, 15 },     { 0x4C1, 0x4CD, 2, 1 },      { 0x4D0, 0x52E, 2, 1 },
	{ 0x531, 0x556, 1, 48 },     { 0x1E00, 0x1E94, 2, 1 },    { 0x1E9E, 0x1E9E, 1, -7615 },
	{ 0x1EA0, 0x1EFE, 2, 1 },
	/* clang-format on */
};

uint32_t
fold_letter(uint32_t cp)
{
	size_t low = SEARCH_FIRST(sizeof(folds) / sizeof(folds[0]), mid, cp > folds[mid].to);
	if (low == sizeof(folds) / sizeof(folds[0]) || cp < folds[low].from ||
		(cp - folds[low].from) % folds[low].step)
		return cp;
	return (uint32_t)((int32_t)cp + folds[low].delta);
}

enum letter { LETTER_NONE, LETTER_BLANK, LETTER_WORD, LETTER_ALONE };

static const struct {
	uint32_t from, to;
	enum letter is;
} scripts[] = {
	/* clang-format off */
	{ 0x80, 0x9F, LETTER_NONE },       { 0xA0, 0xA0, LETTER_BLANK },
	{ 0xA1, 0xA9, LETTER_NONE },       { 0xAB, 0xB4, LETTER_NONE },
	{ 0xB6, 0xB9, LETTER_NONE },       { 0xBB, 0xBF, LETTER_NONE },
	{ 0xD7, 0xD7, LETTER_NONE },       { 0xF7, 0xF7, LETTER_NONE },
	{ 0xE01, 0xEFF, LETTER_ALONE },    { 0x1000, 0x109F, LETTER_ALONE },
	{ 0x1100, 0x11FF, LETTER_ALONE },  { 0x1680, 0x1680, LETTER_BLANK },
	{ 0x1780, 0x17FF, LETTER_ALONE },  { 0x2000, 0x200A, LETTER_BLANK },
	{ 0x200B, 0x200F, LETTER_NONE },   { 0x2010, 0x2015, LETTER_BLANK },
	{ 0x2016, 0x2027, LETTER_NONE },   { 0x2028, 0x2029, LETTER_BLANK },
	{ 0x202A, 0x202E, LETTER_NONE },   { 0x202F, 0x202F, LETTER_BLANK },
	{ 0x2030, 0x205E, LETTER_NONE },   { 0x205F, 0x205F, LETTER_BLANK },
	{ 0x2060, 0x2070, LETTER_NONE },   { 0x20A0, 0x20CF, LETTER_NONE },
	{ 0x2190, 0x2211, LETTER_NONE },   { 0x2212, 0x2212, LETTER_BLANK },
	{ 0x2213, 0x245F, LETTER_NONE },   { 0x2500, 0x2BFF, LETTER_NONE },
	{ 0x2E80, 0x2FFF, LETTER_ALONE },  { 0x3000, 0x3000, LETTER_BLANK },
	{ 0x3001, 0x3004, LETTER_NONE },   { 0x3005, 0x3007, LETTER_ALONE },
	{ 0x3008, 0x3020, LETTER_NONE },   { 0x3021, 0x303F, LETTER_ALONE },
	{ 0x3040, 0xA4CF, LETTER_ALONE },  { 0xA960, 0xA97F, LETTER_ALONE },
	{ 0xAC00, 0xD7FF, LETTER_ALONE },  { 0xE000, 0xF8FF, LETTER_NONE },
	{ 0xF900, 0xFAFF, LETTER_ALONE },  { 0xFE10, 0xFE57, LETTER_NONE },
	{ 0xFE58, 0xFE58, LETTER_BLANK },  { 0xFE59, 0xFE62, LETTER_NONE },
	{ 0xFE63, 0xFE63, LETTER_BLANK },  { 0xFE64, 0xFE6F, LETTER_NONE },
	{ 0xFEFF, 0xFEFF, LETTER_NONE },   { 0xFF01, 0xFF0C, LETTER_NONE },
	{ 0xFF0D, 0xFF0D, LETTER_BLANK },  { 0xFF0E, 0xFF0F, LETTER_NONE },
	{ 0xFF1A, 0xFF20, LETTER_NONE },   { 0xFF3B, 0xFF40, LETTER_NONE },
	{ 0xFF5B, 0xFF65, LETTER_NONE },   { 0xFF66, 0xFF9F, LETTER_ALONE },
	{ 0xFFE0, 0xFFFF, LETTER_NONE },   { 0x1F000, 0x1FAFF, LETTER_NONE },
	{ 0x20000, 0x3FFFF, LETTER_ALONE }, { 0xE0000, 0xE0FFF, LETTER_NONE },
	/* clang-format on */
};

static enum letter
letter_of(uint32_t cp)
{
	size_t n = sizeof(scripts) / sizeof(scripts[0]);

	if (cp < 0x80)
		return is_alnum((char)cp)			? LETTER_WORD
		       : cp && strchr(" \t\r\n\v\f-_", (int)cp) ? LETTER_BLANK
								: LETTER_NONE;
	size_t low = SEARCH_FIRST(n, mid, cp > scripts[mid].to);
	return low < n && cp >= scripts[low].from ? scripts[low].is : LETTER_WORD;
}

/* The character at `at`; its bytes in *n, 1 where it is none. */
static uint32_t
word_character(struct span t, size_t at, size_t *n)
{
	const unsigned char *p = (const unsigned char *)t.p + at;
	size_t left = t.n - at;

	*n = 1;
	if (p[0] < 0x80)
		return p[0];
	*n = utf8_sequence(t.p + at, left < 4 ? left : 4);
	if (*n == 0) {
		*n = 1;
		return 0x80; /* as a control character: no letter */
	}
	return utf8_value(t.p + at, *n);
}

/* ---- words ---- */

/* A word with other letters than ASCII, or a character that is one. False: what
 * is at `at` is no letter; *next is after it. */
static bool
wide_word(struct span t, size_t at, struct text_word *w, size_t *next)
{
	char folded[WORD_BYTES];
	size_t n = 0, size;

	*next = at;
	w->start = at;
	while (*next < t.n) {
		uint32_t cp = word_character(t, *next, &size);
		enum letter is = letter_of(cp);
		if (is != LETTER_WORD && !(is == LETTER_ALONE && *next == at)) {
			if (*next == at) {
				*next += size;
				return false;
			}
			break;
		}
		*next += size;
		if (n + 4 <= sizeof(folded))
			n += utf8_encode(fold_letter(cp), folded + n);
		if (is == LETTER_ALONE)
			break;
	}
	w->end = *next;
	w->hash = hash_bytes(folded, n, n, 0);
	return true;
}

enum { WORDS, HIGH };
static struct block_sets sets;

__attribute__((constructor)) static void
fill_sets(void)
{
	block_sets_fill(&sets, (bool (*const[])(char)){ is_alnum, is_high, NULL });
}

/* Bitmaps of the block that begins at `from`. */
static void
look_at_block(struct word_cursor *c, size_t from)
{
	uint64_t bits[BLOCK_SETS];

	block_classify(&sets, c->text.p + from, c->text.n - from, bits);
	c->block = from / 64 + 1;
	c->words = bits[WORDS];
	c->high = bits[HIGH];
}

/* Where the run of ASCII letters and digits that holds `at` ends. */
static inline size_t
run_end(struct word_cursor *c, size_t at)
{
	for (;;) {
		if (c->block != at / 64 + 1)
			look_at_block(c, at / 64 * 64);
		uint64_t stop = ~c->words >> (at % 64);
		if (stop)
			return at + (size_t)__builtin_ctzll(stop);
		at = (at / 64 + 1) * 64;
		if (at >= c->text.n)
			return c->text.n;
	}
}

static inline __attribute__((always_inline)) bool
one_word(struct word_cursor *c, struct text_word *w)
{
	struct span t = c->text;

	while (c->at < t.n) {
		if (c->block != c->at / 64 + 1)
			look_at_block(c, c->at / 64 * 64);
		uint64_t any = (c->words | c->high) >> (c->at % 64);
		if (!any) {
			c->at = (c->at / 64 + 1) * 64;
			continue;
		}
		c->at += (size_t)__builtin_ctzll(any);
		size_t at = c->at, end = at;
		if (!((unsigned char)t.p[at] & 0x80))
			end = run_end(c, at);
		if (end < t.n && (unsigned char)t.p[end] & 0x80) {
			if (wide_word(t, at, w, &c->at))
				return true;
			continue;
		}
		w->start = at;
		w->end = c->at = end;
		size_t n = end - at < WORD_BYTES ? end - at : WORD_BYTES;
		w->hash = hash_bytes(t.p + at, n, t.n - at, UINT64_C(0x2020202020202020));
		return true;
	}
	return false;
}

bool
word_next(struct word_cursor *c, struct text_word *w)
{
	return one_word(c, w);
}

size_t
words_next(struct word_cursor *c, struct text_word *v, size_t room)
{
	struct word_cursor own = *c; /* in registers */
	size_t n = 0;

	while (n < room && one_word(&own, &v[n]))
		n++;
	*c = own;
	return n;
}

bool
word_glue(struct span between, uint64_t *glue)
{
	char marks[GLUE_BYTES];
	size_t n = 0, size;
	bool blank = false;

	if (between.n > GLUE_BYTES)
		return false;
	if (between.n == 1 && (between.p[0] == ' ' || between.p[0] == '-')) {
		*glue = GLUE_BLANK;
		return true;
	}
	for (size_t i = 0; i < between.n; i += size) {
		uint32_t cp = word_character(between, i, &size);
		if (letter_of(cp) == LETTER_BLANK) {
			blank = true;
			continue;
		}
		if (cp == 0x2018 || cp == 0x2019) { /* O'Brien, however it is typed */
			marks[n++] = '\'';
			continue;
		}
		memcpy(marks + n, between.p + i, size);
		n += size;
	}
	*glue = n ? hash_bytes(marks, n, n, 0) | 4 : blank ? GLUE_BLANK : GLUE_NONE;
	return true;
}
