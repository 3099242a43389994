/* Merging from characters instead of bytes, with the same result. A Chinese text then has a
 * third of the parts. A character c of two or three bytes may be one part from the beginning
 * under three conditions (prose: ok long):
 *
 * - Merging c alone gives the token c, by ranks of at most m(c).
 *
 * - Every token that contains c and more has a rank above m(c). Before any of them could be
 * formed, c would have been merged anyway, because the lowest rank comes first.
 *
 * - No token crosses an edge of c at this place: no token contains a part of c and bytes beyond
 * it, or c and a part of the next character.
 *
 * The first two are one bit for each character. The third is checked for each pair of neighbors:
 * a filter holds each (end of a character, beginning of the next one) inside tokens in which not
 * both characters are whole. A false hit in the filter costs time, but does not change the
 * result. */
#include "base/tokens/ranks.h"

#include <stdlib.h>

#include "base/codec/utf8.h"

/* Returns the bytes of a character that begins with c; 0: no character does. */
static inline size_t
sequence_bytes(char c)
{
	unsigned char u = (unsigned char)c;

	return u < 0x80 ? 1 : u < 0xC2 ? 0 : u < 0xE0 ? 2 : u < 0xF0 ? 3 : u < 0xF5 ? 4 : 0;
}

/* The contribution of an end of n bytes before p, or of a beginning of n bytes at p, to the
 * number of a bit. */
static inline uint32_t
end_part(const char *p, size_t n)
{
	uint32_t v = (uint32_t)n;

	for (size_t i = n; i > 0; i--)
		v = v << 8 | (unsigned char)p[-(ptrdiff_t)i];
	return v * 0x9E3779B1u;
}

static inline uint32_t
begin_part(const char *p, size_t n)
{
	uint32_t v = (uint32_t)n;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v * 0x85EBCA77u;
}

static inline uint32_t
cross_bit(uint32_t end, uint32_t begin)
{
	return (end ^ begin) >> 16;
}

static inline bool
bit_of(const uint64_t *v, uint32_t i)
{
	return v[i / 64] >> (i % 64) & 1;
}

/* Returns true if a token may cross the place p between a character of n bytes and one of m. */
static inline __attribute__((always_inline)) bool
crossed_by(const uint64_t *cross, const char *p, size_t n, size_t m)
{
	uint32_t begin[4];
	bool any = false;

	for (size_t k = 0; k < m; k++)
		begin[k] = begin_part(p, k + 1);
	for (size_t i = 0; i < n; i++) {
		uint32_t end = end_part(p, i + 1);
		for (size_t k = 0; k < m; k++)
			if (i + 1 < n || k + 1 < m)
				any |= bit_of(cross, cross_bit(end, begin[k]));
	}
	return any;
}

static bool
crossed(const struct ranks *r, const char *p, size_t n, size_t m)
{
	return n == 3 && m == 3 ? crossed_by(r->cross, p, 3, 3) : crossed_by(r->cross, p, n, m);
}

size_t
ranks_parts(const struct ranks *r, const char *p, size_t n, uint32_t *start)
{
	size_t parts = 0, len = 0;
	bool clean = true; /* no token crosses the edge before the character at i */

	for (size_t i = 0; i < n; i += len) {
		if ((unsigned char)p[i] < 0x80 &&
			(i + 1 == n || (unsigned char)p[i + 1] < 0x80)) {
			start[parts++] = (uint32_t)i;
			len = 1;
			clean = true; /* between two ASCII characters, neither can be partial */
			continue;
		}
		len = utf8_sequence(p + i, n - i);
		if (!len) { /* not UTF-8: merges from bytes */
			for (parts = 0; parts < n; parts++)
				start[parts] = (uint32_t)parts;
			break;
		}
		size_t next = i + len < n ? sequence_bytes(p[i + len]) : 0;
		bool edge = clean;
		clean = !next || next > n - i - len || !crossed(r, p + i + len, len, next);
		if (len > 1 && edge && clean && (len == 2 || len == 3) &&
			bit_of(r->whole, utf8_value(p + i, len)))
			start[parts++] = (uint32_t)i;
		else
			for (size_t k = 0; k < len; k++)
				start[parts++] = (uint32_t)(i + k);
	}
	start[parts] = (uint32_t)n;
	return parts;
}

/* ---- making the file ---- */

/* Returns the highest rank by which a character's bytes become its token; RANK_NONE: they do
 * not. */
static uint32_t
rank_within(const struct ranks *r, const char *p, size_t n)
{
	uint32_t all = ranks_find(r, p, n);

	if (n == 2 || all == RANK_NONE)
		return all;
	uint32_t a = ranks_find(r, p, 2), b = ranks_find(r, p + 1, 2), low = a < b ? a : b;
	if (low == RANK_NONE)
		return RANK_NONE;
	return low > all ? low : all;
}

/* Notes the characters of a token, of which the first and the last may be partial. */
static void
look_through(const struct ranks *r, uint32_t rank, const uint32_t *within, uint64_t *whole,
	uint64_t *cross)
{
	struct span t = ranks_token(r, rank);
	size_t i = 0, len, last = 0;
	bool partial = false;

	for (; i < t.n; i += len) {
		size_t n = i ? sequence_bytes(t.p[i]) : utf8_sequence(t.p, t.n);
		bool part = !n || n > t.n - i;
		if (part && i == 0 && ((unsigned char)t.p[0] & 0xC0) == 0x80) {
			/* the end of a character */
			for (n = 1; n < t.n && ((unsigned char)t.p[n] & 0xC0) == 0x80;)
				n++;
		}
		len = !n || n > t.n - i ? t.n - i : n;
		if (i && (part || partial) && last <= 4 && len <= 4) {
			uint32_t bit =
				cross_bit(end_part(t.p + i, last), begin_part(t.p + i, len));
			cross[bit / 64] |= UINT64_C(1) << (bit % 64);
		}
		if (!part && (len == 2 || len == 3) && len < t.n) {
			uint32_t cp = utf8_value(t.p + i, len);
			if (cp < RANKS_WHOLE_BITS && rank <= within[cp])
				whole[cp / 64] &= ~(UINT64_C(1) << (cp % 64));
		}
		partial = part;
		last = len;
	}
}

bool
ranks_find_whole(const struct ranks *r, uint64_t *whole, uint64_t *cross)
{
	uint32_t *within = malloc(RANKS_WHOLE_BITS * sizeof(*within));
	char text[4];

	if (!within)
		return false;
	for (uint32_t cp = 0x80; cp < RANKS_WHOLE_BITS; cp++) {
		within[cp] = cp >= 0xD800 && cp < 0xE000
				     ? RANK_NONE
				     : rank_within(r, text, utf8_encode(cp, text));
		if (within[cp] != RANK_NONE)
			whole[cp / 64] |= UINT64_C(1) << (cp % 64);
	}
	for (uint32_t i = 0; i < r->head->tokens; i++)
		look_through(r, i, within, whole, cross);
	free(within);
	return true;
}
