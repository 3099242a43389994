/* Splits a text into words and hashes them. Blocks of 64 bytes are classified into bit masks of
 * ASCII letters and digits, so ASCII words are found without decoding. Only words with other
 * characters are decoded. */
#include "scan/detect/custom/custom_words.h"

#include <endian.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/block.h"
#include "base/codec/letters.h"
#include "base/utf8.h"

enum { WORD_BYTES = 256 }; /* only this many bytes of a longer word count */

/* ---- hashes ---- */

static uint64_t
hash_mix(uint64_t a, uint64_t b)
{
	__extension__ typedef unsigned __int128 wide;
	wide p = (wide)(a ^ UINT64_C(0xA0761D6478BD642F)) * (b ^ UINT64_C(0xE7037ED1A0B428DB));

	return (uint64_t)p ^ (uint64_t)(p >> 64);
}

/* Loads up to eight bytes; missing ones are zero. */
static uint64_t
load_bytes(const char *p, size_t n)
{
	uint64_t v = 0;

	memcpy(&v, p, n < 8 ? n : 8);
	return le64toh(v);
}

/* Hashes n bytes, each OR-ed with `fold`: 0x20 converts ASCII letters to lower case and leaves
 * digits unchanged. `room` bytes can be read. */
static inline uint64_t
hash_bytes(const char *p, size_t n, size_t room, uint64_t fold)
{
	uint64_t h = n * UINT64_C(0x9E3779B97F4A7C15), last;

	if (n <= 8) {
		uint64_t only = n == 0 ? 0 : UINT64_MAX >> (64 - 8 * n);
		uint64_t v = room >= 8 ? load_bytes(p, 8) : load_bytes(p, n);
		return hash_mix((v | fold) & only, h);
	}
	for (size_t i = 0; i + 8 < n; i += 8)
		h = hash_mix(load_bytes(p + i, 8) | fold, h);
	last = load_bytes(p + n - 8, 8) | fold;
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

static enum letters_word
letter_of(uint32_t cp)
{
	if (cp < 0x80)
		return is_alnum((char)cp)			? WORD_LETTER
		       : cp && strchr(" \t\r\n\v\f-_", (int)cp) ? WORD_BLANK
								: WORD_NONE;
	return letters_block(cp)->word;
}

/* Decodes the character at `at`. *n: its length, 1 if the bytes are invalid. */
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
		return 0x80; /* like a control character: not a letter */
	}
	return utf8_value(t.p + at, *n);
}

/* ---- words ---- */

/* Reads a word with characters outside ASCII, or a character that is a word by itself. Returns
 * false if the character at `at` is not a letter. *next is behind the bytes read. */
static bool
wide_word(struct span t, size_t at, struct text_word *w, size_t *next)
{
	char folded[WORD_BYTES];
	size_t n = 0, size;

	*next = at;
	w->start = at;
	while (*next < t.n) {
		uint32_t cp = word_character(t, *next, &size);
		enum letters_word is = letter_of(cp);
		if (is != WORD_LETTER && !(is == WORD_ALONE && *next == at)) {
			if (*next == at) {
				*next += size;
				return false;
			}
			break;
		}
		*next += size;
		if (n + 4 <= sizeof(folded))
			n += utf8_encode(letters_lower(cp), folded + n);
		if (is == WORD_ALONE)
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

/* Classifies the block that begins at `from`. */
static void
look_at_block(struct word_cursor *c, size_t from)
{
	uint64_t bits[BLOCK_SETS];

	block_classify(&sets, c->text.p + from, c->text.n - from, bits);
	c->block = from / 64 + 1;
	c->words = bits[WORDS];
	c->high = bits[HIGH];
}

/* Returns the end of the run of ASCII letters and digits that contains `at`. */
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
	struct word_cursor own = *c; /* a copy that the compiler keeps in registers */
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
		if (letter_of(cp) == WORD_BLANK) {
			blank = true;
			continue;
		}
		if (cp == 0x2018 || cp == 0x2019) { /* O'Brien, with any apostrophe */
			marks[n++] = '\'';
			continue;
		}
		memcpy(marks + n, between.p + i, size);
		n += size;
	}
	*glue = n ? hash_bytes(marks, n, n, 0) | 4 : blank ? GLUE_BLANK : GLUE_NONE;
	return true;
}
