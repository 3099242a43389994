/* Finds the places at which literals, bytes and words begin. Literals: with AVX2, eight places
 * at a time with one gather; otherwise four places at a time without branches. The choice is
 * made at run time, and both give the same bits. */
#include "scan/detect/prefilter/starts.h"

#include <endian.h>

#include "base/ascii.h"
#include "base/bits.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { AFTER = 8 }; /* bytes that are read after a block */

/* ---- patterns ---- */

static inline uint64_t
literal_bit(const struct prefilter *f, uint32_t four)
{
	return f->fourth[literal_hash(four)] >> (~four >> 24 & 31) & 1;
}

static uint64_t
literals_plain(const struct prefilter *f, const char *p)
{
	uint64_t bits = 0;

	for (unsigned i = 0; i < BLOCK; i += 4) {
		uint64_t eight;
		memcpy(&eight, p + i, sizeof(eight));
		eight = le64toh(eight);
		bits |= (literal_bit(f, (uint32_t)eight) |
				literal_bit(f, (uint32_t)(eight >> 8)) << 1 |
				literal_bit(f, (uint32_t)(eight >> 16)) << 2 |
				literal_bit(f, (uint32_t)(eight >> 24)) << 3)
			<< i;
	}
	return bits;
}

#ifdef __x86_64__
__attribute__((target("avx2"))) static uint64_t
literals_avx2(const struct prefilter *f, const char *p)
{
	const __m256i windows = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6,
		4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
	const __m256i fold = _mm256_set1_epi32(0x202020);
	const __m256i factor = _mm256_set1_epi32((int)LITERAL_FACTOR);
	const __m256i last = _mm256_set1_epi32(31);
	uint64_t bits = 0;

	for (unsigned i = 0; i < BLOCK; i += 8) {
		__m128i sixteen = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m256i four =
			_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), windows);
		__m256i slot = _mm256_srli_epi32(
			_mm256_mullo_epi32(
				_mm256_slli_epi32(_mm256_or_si256(four, fold), 8), factor),
			32 - LITERAL_BITS);
		__m256i found = _mm256_i32gather_epi32((const int *)f->fourth, slot, 4);
		/* Shifts the bit of the fourth byte to the sign, which movemask collects. */
		__m256i by = _mm256_and_si256(_mm256_srli_epi32(four, 24), last);
		int hit = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sllv_epi32(found, by)));
		bits |= (uint64_t)(unsigned)hit << i;
	}
	return bits;
}
#endif

static inline void
bits_at(const struct prefilter *f, const char *p, size_t room, bool vectors, struct starts *out)
{
	uint64_t bits[BLOCK_SETS], literal;

	bits[BYTES_PATTERN] = 0; /* the classifier may not set it */
#ifdef __x86_64__
	literal = vectors ? literals_avx2(f, p) : literals_plain(f, p);
#else
	literal = literals_plain(f, p);
#endif
	if (vectors)
		block_classify_avx2(&f->bytes, p, bits);
	else
		block_classify_plain(&f->bytes, p, BLOCK, bits);
	*out = (struct starts){
		.literal = literal & bits_below(room),
		.digit = bits[BYTES_DIGIT],
		.upper = bits[BYTES_UPPER],
		.lower = bits[BYTES_LOWER],
		.byte = bits[BYTES_PATTERN] & bits_below(room),
	};
}

/* Classifies the last bytes of a text, in a copy that is padded with zeros. */
static void
last_bits(
	const struct prefilter *f, const char *p, size_t room, bool vectors, struct starts *out)
{
	char last[BLOCK + AFTER] = { 0 };

	memcpy(last, p, room);
	bits_at(f, last, room, vectors, out);
}

static void
starts_either_way(
	const struct prefilter *f, const char *p, size_t room, bool vectors, struct starts *out)
{
	(room < BLOCK + AFTER ? last_bits : bits_at)(f, p, room, vectors, out);
}

void
starts_at(const struct prefilter *f, const char *p, size_t room, struct starts *out)
{
	starts_either_way(f, p, room, block_vectors(), out);
}

void
starts_at_plain(const struct prefilter *f, const char *p, size_t room, struct starts *out)
{
	starts_either_way(f, p, room, false, out);
}

/* ---- words ---- */

static bool
is_lead(char c)
{
	return (unsigned char)c >= 0xC0;
}

/* The first byte of a two-byte letter, from U+00C0 on. */
static bool
is_letter_lead(char c)
{
	return (unsigned char)c >= 0xC3 && (unsigned char)c <= 0xDF;
}

/* The first byte of a two-byte Latin letter, U+00C0 to U+027F (utf8_latin_at()). */
static bool
is_latin_lead(char c)
{
	return (unsigned char)c >= 0xC3 && (unsigned char)c <= 0xC9;
}

/* The first byte of a character from U+0580 on. */
static bool
is_late_lead(char c)
{
	return (unsigned char)c >= 0xD6;
}

enum { UPPER, ALPHA, DIGIT, HIGH };
enum { LEAD, LETTER_LEAD, LATE_LEAD, LATIN_LEAD };
enum { BEGIN, INSIDE, BEYOND };
static struct block_sets letters, leads, capitals_begin, letters_begin;

__attribute__((constructor)) static void
fill_sets(void)
{
	block_sets_fill(&letters,
		(bool (*const[])(char)){ is_upper, is_alpha, is_digit, is_high, NULL });
	block_sets_fill(&leads, (bool (*const[])(char)){ is_lead, is_letter_lead, is_late_lead,
					is_latin_lead, NULL });
	block_sets_fill(
		&capitals_begin, (bool (*const[])(char)){ is_upper, is_word, is_high, NULL });
	block_sets_fill(
		&letters_begin, (bool (*const[])(char)){ is_alpha, is_word, is_high, NULL });
}

size_t
starts_next_word(struct span t, size_t at, bool small, uint64_t *bits)
{
	const struct block_sets *sets = small ? &letters_begin : &capitals_begin;
	bool before = at > 0 && at < t.n && is_word(t.p[at - 1]);

	for (*bits = 0; at < t.n; at += BLOCK) {
		uint64_t in[BLOCK_SETS];
		block_classify(sets, t.p + at, t.n - at, in);
		*bits = (in[BEGIN] & ~(in[INSIDE] << 1 | before)) | in[BEYOND];
		if (*bits)
			return at;
		before = in[INSIDE] >> (BLOCK - 1);
	}
	return t.n;
}

struct word_starts
word_starts(struct span text, size_t at)
{
	char before = at ? text.p[at - 1] : 0;
	uint64_t in[BLOCK_SETS], lead[BLOCK_SETS];

	block_classify(&letters, text.p + at, text.n - at, in);
	struct word_starts out = {
		.begins = ~(in[ALPHA] << 1 | is_alpha(before)) |
			  (in[UPPER] & ((in[ALPHA] & ~in[UPPER]) << 1 | is_lower(before))),
		.alnum = in[ALPHA] | in[DIGIT],
		.digit = in[DIGIT],
	};
	if (in[HIGH]) {
		block_classify(&leads, text.p + at, text.n - at, lead);
		/* for a word in ASCII, only Latin letters belong to a word */
		out.begins &= ~(lead[LETTER_LEAD] << 2 & (in[HIGH] & ~lead[LEAD]) << 1 &
				(in[HIGH] | lead[LATIN_LEAD] << 2));
		out.begins |= lead[LATE_LEAD];
		out.alnum |= lead[LEAD];
	}
	return out;
}
