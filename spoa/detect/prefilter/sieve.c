/* The sieve's ways: with AVX2 eight places at a time, a gathered look-up each, chosen
 * when the program runs; else four places a round, without a branch. All give the same bits. */
#include "detect/prefilter/sieve.h"

#include <endian.h>

#include "base/ascii.h"
#include "base/bits.h"

#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { BEHIND = 8 }; /* bytes read behind a block */

static inline uint64_t
literal_bit(const struct prefilter *f, uint32_t four)
{
	return f->fourth[literal_hash(four)] >> (~four >> 24 & 31) & 1;
}

/* The lowest bits of eight bytes, the lowest byte's first. */
static inline uint64_t
bits_of(uint64_t eight)
{
	return (eight & UINT64_C(0x0101010101010101)) * UINT64_C(0x0102040810204080) >> 56;
}

static void
sieve_plain(const struct prefilter *f, const char *p, struct sieve *out)
{
	struct sieve x = { 0 };

	for (unsigned i = 0; i < SIEVE_BLOCK; i += 4) {
		uint64_t eight;
		memcpy(&eight, p + i, sizeof(eight));
		eight = le64toh(eight);
		x.literal |= (literal_bit(f, (uint32_t)eight) |
				     literal_bit(f, (uint32_t)(eight >> 8)) << 1 |
				     literal_bit(f, (uint32_t)(eight >> 16)) << 2 |
				     literal_bit(f, (uint32_t)(eight >> 24)) << 3)
			     << i;
	}
	for (unsigned i = 0; i < SIEVE_BLOCK; i += 8) {
		uint64_t of = 0;
		for (unsigned k = 0; k < 8; k++)
			of |= (uint64_t)f->sieve_of[(unsigned char)p[i + k]] << (8 * k);
		x.byte |= bits_of(of) << i;
		x.digit |= bits_of(of >> 1) << i;
		x.upper |= bits_of(of >> 2) << i;
		x.lower |= bits_of(of >> 3) << i;
	}
	*out = x;
}

static void
marks_plain(const char *p, const char *bytes, size_t n, uint64_t *out)
{
	const uint64_t ones = UINT64_C(0x0101010101010101), low = 0x7F * ones;

	for (size_t k = 0; k < n; k++) {
		out[k] = 0;
		for (unsigned i = 0; i < SIEVE_BLOCK; i += 8) {
			uint64_t eight;
			memcpy(&eight, p + i, sizeof(eight));
			uint64_t x = le64toh(eight) ^ (unsigned char)bytes[k] * ones;
			out[k] |= bits_of(~(((x & low) + low) | x) >> 7) << i; /* zero bytes */
		}
	}
}

static void
letters_plain(const char *p, struct sieve_letters *out)
{
	struct sieve_letters l = { 0 };

	for (unsigned i = 0; i < SIEVE_BLOCK; i++) {
		l.upper |= (uint64_t)is_upper(p[i]) << i;
		l.alpha |= (uint64_t)is_alpha(p[i]) << i;
		l.digit |= (uint64_t)is_digit(p[i]) << i;
		l.word |= (uint64_t)is_word(p[i]) << i;
		l.high |= (uint64_t)((unsigned char)p[i] >> 7) << i;
	}
	*out = l;
}

static void
beyond_plain(const char *p, struct sieve_beyond *out)
{
	struct sieve_beyond x = { 0 };

	for (unsigned i = 0; i < SIEVE_BLOCK; i++) {
		unsigned char c = (unsigned char)p[i];
		x.lead |= (uint64_t)(c >= 0xC0) << i;
		x.letter |= (uint64_t)(c >= 0xC3 && c <= 0xDF) << i;
		x.late |= (uint64_t)(c >= 0xD6) << i;
	}
	*out = x;
}

/* Words begin in a block, of which l are the letters, behind `before`: a word's or none. */
static inline uint64_t
begins_of(const struct sieve_letters *l, bool small, bool before)
{
	return ((small ? l->alpha : l->upper) & ~(l->word << 1 | before)) | l->high;
}

/* How many blocks of n have none; *bits are of the one behind them. */
static size_t
begins_plain(const char *p, size_t n, bool small, bool before, uint64_t *bits)
{
	struct sieve_letters l;
	size_t k = 0;

	for (*bits = 0; k < n; k++, before = is_word(p[k * SIEVE_BLOCK - 1])) {
		letters_plain(p + k * SIEVE_BLOCK, &l);
		*bits = begins_of(&l, small, before);
		if (*bits)
			break;
	}
	return k;
}

#ifdef __x86_64__
static bool
has_avx2(void)
{
	return __builtin_cpu_supports("avx2");
}

__attribute__((target("avx2"))) static inline uint64_t
literals_avx2(const struct prefilter *f, const char *p)
{
	const __m256i windows = _mm256_setr_epi8(0, 1, 2, 3, 1, 2, 3, 4, 2, 3, 4, 5, 3, 4, 5, 6,
		4, 5, 6, 7, 5, 6, 7, 8, 6, 7, 8, 9, 7, 8, 9, 10);
	const __m256i fold = _mm256_set1_epi32(0x202020);
	const __m256i factor = _mm256_set1_epi32((int)LITERAL_FACTOR);
	const __m256i last = _mm256_set1_epi32(31);
	uint64_t bits = 0;

	for (unsigned i = 0; i < SIEVE_BLOCK; i += 8) {
		__m128i sixteen = _mm_loadu_si128((const __m128i *)(const void *)(p + i));
		__m256i four =
			_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(sixteen), windows);
		__m256i slot = _mm256_srli_epi32(
			_mm256_mullo_epi32(
				_mm256_slli_epi32(_mm256_or_si256(four, fold), 8), factor),
			32 - LITERAL_BITS);
		__m256i found = _mm256_i32gather_epi32((const int *)f->fourth, slot, 4);
		/* The bit of the fourth byte to the place of the sign. */
		__m256i by = _mm256_and_si256(_mm256_srli_epi32(four, 24), last);
		int hit = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_sllv_epi32(found, by)));
		bits |= (uint64_t)(unsigned)hit << i;
	}
	return bits;
}

/* Bits of the bytes that are set. */
#define BITS(v) ((uint64_t)(uint32_t)_mm256_movemask_epi8(v))
/* Bytes from..from+n, set. */
#define WITHIN(v, from, n)                                                                     \
	_mm256_cmpeq_epi8(_mm256_min_epu8(_mm256_sub_epi8(v, _mm256_set1_epi8(from)),          \
				  _mm256_set1_epi8(n)),                                        \
		_mm256_sub_epi8(v, _mm256_set1_epi8(from)))

__attribute__((target("avx2"))) static void
sieve_avx2(const struct prefilter *f, const char *p, struct sieve *out)
{
	/* Which high halves each low half goes with, as bits: those below 8, the others. */
	const __m256i low = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i *)(const void *)f->sieve_halves[0]));
	const __m256i high = _mm256_broadcastsi128_si256(
		_mm_loadu_si128((const __m128i *)(const void *)f->sieve_halves[1]));
	const __m256i bit_of = _mm256_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16,
		32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128, 1, 2, 4, 8, 16, 32, 64, -128);
	const __m256i half = _mm256_set1_epi8(15);
	struct sieve x = { .literal = literals_avx2(f, p) };

	for (unsigned i = 0; i < SIEVE_BLOCK; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		__m256i lo = _mm256_and_si256(v, half);
		__m256i hi = _mm256_and_si256(_mm256_srli_epi16(v, 4), half);
		__m256i in = _mm256_blendv_epi8(
			_mm256_shuffle_epi8(low, lo), _mm256_shuffle_epi8(high, lo), v);
		__m256i no =
			_mm256_cmpeq_epi8(_mm256_and_si256(in, _mm256_shuffle_epi8(bit_of, hi)),
				_mm256_setzero_si256());
		x.byte |= (uint64_t)(uint32_t)~_mm256_movemask_epi8(no) << i;
		x.digit |= BITS(WITHIN(v, '0', 9)) << i;
		x.upper |= BITS(WITHIN(v, 'A', 25)) << i;
		x.lower |= BITS(WITHIN(v, 'a', 25)) << i;
	}
	*out = x;
}

__attribute__((target("avx2"))) static void
marks_avx2(const char *p, const char *bytes, size_t n, uint64_t *out)
{
	__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + SIEVE_BLOCK / 2));

	for (size_t k = 0; k < n; k++) {
		__m256i c = _mm256_set1_epi8(bytes[k]);
		uint32_t low = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(a, c));
		uint32_t high = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(b, c));
		out[k] = low | (uint64_t)high << 32;
	}
}

struct half_letters {
	uint64_t upper, alpha, digit, word, high;
};

__attribute__((target("avx2"))) static inline struct half_letters
half_letters(const char *p)
{
	__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i alpha = WITHIN(_mm256_or_si256(v, _mm256_set1_epi8(0x20)), 'a', 25);
	__m256i digit = WITHIN(v, '0', 9), line = _mm256_cmpeq_epi8(v, _mm256_set1_epi8('_'));

	return (struct half_letters){
		.upper = BITS(WITHIN(v, 'A', 25)),
		.alpha = BITS(alpha),
		.digit = BITS(digit),
		.word = BITS(_mm256_or_si256(_mm256_or_si256(alpha, digit), line)),
		.high = BITS(v),
	};
}

__attribute__((target("avx2"))) static void
letters_avx2(const char *p, struct sieve_letters *out)
{
	struct half_letters a = half_letters(p), b = half_letters(p + SIEVE_BLOCK / 2);

	*out = (struct sieve_letters){
		.upper = a.upper | b.upper << 32,
		.alpha = a.alpha | b.alpha << 32,
		.digit = a.digit | b.digit << 32,
		.word = a.word | b.word << 32,
		.high = a.high | b.high << 32,
	};
}

__attribute__((target("avx2"))) static void
beyond_avx2(const char *p, struct sieve_beyond *out)
{
	*out = (struct sieve_beyond){ 0 };
	for (unsigned i = 0; i < SIEVE_BLOCK; i += 32) {
		__m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(p + i));
		out->lead |= BITS(WITHIN(v, -64, 63)) << i;   /* 0xC0 to 0xFF */
		out->letter |= BITS(WITHIN(v, -61, 28)) << i; /* 0xC3 to 0xDF */
		out->late |= BITS(WITHIN(v, -42, 41)) << i;   /* 0xD6 to 0xFF */
	}
}

/* Whether one of 64 bytes is a capital, or with `fold` any letter, or beyond ASCII. */
__attribute__((target("avx2"))) static inline bool
any_begins(const char *p, __m256i fold, __m256i from)
{
	const __m256i last = _mm256_set1_epi8(25);
	__m256i a = _mm256_loadu_si256((const __m256i *)(const void *)p);
	__m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(p + SIEVE_BLOCK / 2));
	__m256i x = _mm256_sub_epi8(_mm256_or_si256(a, fold), from);
	__m256i y = _mm256_sub_epi8(_mm256_or_si256(b, fold), from);

	x = _mm256_cmpeq_epi8(_mm256_min_epu8(x, last), x);
	y = _mm256_cmpeq_epi8(_mm256_min_epu8(y, last), y);
	return _mm256_movemask_epi8(
		       _mm256_or_si256(_mm256_or_si256(a, b), _mm256_or_si256(x, y))) != 0;
}

__attribute__((target("avx2"))) static size_t
begins_avx2(const char *p, size_t n, bool small, bool before, uint64_t *bits)
{
	const __m256i fold = _mm256_set1_epi8(small ? 0x20 : 0);
	const __m256i from = _mm256_set1_epi8(small ? 'a' : 'A');
	struct sieve_letters l;

	*bits = 0;
	for (size_t k = 0; k < n; k++) {
		if (!any_begins(p + k * SIEVE_BLOCK, fold, from))
			continue;
		letters_avx2(p + k * SIEVE_BLOCK, &l);
		*bits = begins_of(&l, small, k > 0 ? is_word(p[k * SIEVE_BLOCK - 1]) : before);
		if (*bits)
			return k;
	}
	return n;
}
#endif

static bool
always(void)
{
	return true;
}

static const struct way {
	const char *name;
	bool (*possible)(void);
	void (*run)(const struct prefilter *f, const char *p, struct sieve *out);
	void (*letters)(const char *p, struct sieve_letters *out);
	void (*marks)(const char *p, const char *bytes, size_t n, uint64_t *out);
	void (*beyond)(const char *p, struct sieve_beyond *out);
	size_t (*begins)(const char *p, size_t n, bool small, bool before, uint64_t *bits);
} ways[] = {
	{ "plain", always, sieve_plain, letters_plain, marks_plain, beyond_plain,
		begins_plain },
#ifdef __x86_64__
	{ "avx2", has_avx2, sieve_avx2, letters_avx2, marks_avx2, beyond_avx2, begins_avx2 },
#endif
};

static const struct way *
best_way(void)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("avx2"))
		return &ways[1];
#endif
	return &ways[0];
}

const char *
sieve_name(size_t k)
{
	return k < sizeof(ways) / sizeof(ways[0]) ? ways[k].name : NULL;
}

static void
run(const struct way *w, const struct prefilter *f, const char *p, size_t room,
	struct sieve *out)
{
	char last[SIEVE_BLOCK + BEHIND] = { 0 };

	if (room >= sizeof(last)) {
		w->run(f, p, out);
		return;
	}
	memcpy(last, p, room);
	w->run(f, last, out);
	out->literal &= bits_below(room);
	out->byte &= bits_below(room);
}

bool
sieve_with(size_t k, const struct prefilter *f, const char *p, size_t room, struct sieve *out)
{
	if (!ways[k].possible())
		return false;
	run(&ways[k], f, p, room, out);
	return true;
}

void
sieve_at(const struct prefilter *f, const char *p, size_t room, struct sieve *out)
{
	run(best_way(), f, p, room, out);
}

/* ---- words ---- */

static void
last_letters(const struct way *w, struct span rest, struct sieve_letters *out)
{
	char last[SIEVE_BLOCK] = { 0 };

	memcpy(last, rest.p, rest.n);
	w->letters(last, out);
}

static inline void
letters_with(const struct way *w, struct span text, size_t at, struct sieve_letters *out)
{
	if (text.n - at < SIEVE_BLOCK)
		last_letters(w, span_of(text.p + at, text.n - at), out);
	else
		w->letters(text.p + at, out);
}

bool
sieve_letters_with(size_t k, struct span text, size_t at, struct sieve_letters *out)
{
	if (!ways[k].possible())
		return false;
	letters_with(&ways[k], text, at, out);
	return true;
}

void
sieve_letters(struct span text, size_t at, struct sieve_letters *out)
{
	letters_with(best_way(), text, at, out);
}

/* The block at `at`; in `last`, with zeros behind it, where the text ends before. */
static const char *
whole_block(struct span text, size_t at, char last[SIEVE_BLOCK])
{
	if (text.n - at >= SIEVE_BLOCK)
		return text.p + at;
	memset(last, 0, SIEVE_BLOCK);
	memcpy(last, text.p + at, text.n - at);
	return last;
}

static inline void
marks_with(const struct way *w, struct span text, size_t at, const char *bytes, size_t n,
	uint64_t *out)
{
	char last[SIEVE_BLOCK];

	w->marks(whole_block(text, at, last), bytes, n, out);
}

bool
sieve_marks_with(
	size_t k, struct span text, size_t at, const char *bytes, size_t n, uint64_t *out)
{
	if (!ways[k].possible())
		return false;
	marks_with(&ways[k], text, at, bytes, n, out);
	return true;
}

void
sieve_marks(struct span text, size_t at, const char *bytes, size_t n, uint64_t *out)
{
	marks_with(best_way(), text, at, bytes, n, out);
}

static void
beyond_with(const struct way *w, struct span text, size_t at, struct sieve_beyond *out)
{
	char last[SIEVE_BLOCK];

	w->beyond(whole_block(text, at, last), out);
}

bool
sieve_beyond_with(size_t k, struct span text, size_t at, struct sieve_beyond *out)
{
	if (!ways[k].possible())
		return false;
	beyond_with(&ways[k], text, at, out);
	return true;
}

/* The rest of a text behind its last whole block. */
static bool
last_begins(const struct way *w, struct span rest, bool small, bool before, uint64_t *bits)
{
	char last[SIEVE_BLOCK] = { 0 };

	memcpy(last, rest.p, rest.n);
	return w->begins(last, 1, small, before, bits) == 0;
}

static size_t
begins_with(const struct way *w, struct span t, size_t at, bool small, uint64_t *bits)
{
	*bits = 0;
	if (at >= t.n)
		return t.n;
	bool before = at > 0 && is_word(t.p[at - 1]);
	size_t whole = (t.n - at) / SIEVE_BLOCK;
	at += SIEVE_BLOCK * w->begins(t.p + at, whole, small, before, bits);
	if (*bits || at == t.n)
		return at;
	before = at > 0 && is_word(t.p[at - 1]);
	return last_begins(w, span_of(t.p + at, t.n - at), small, before, bits) ? at : t.n;
}

size_t
sieve_begins(struct span text, size_t at, bool small, uint64_t *bits)
{
	return begins_with(best_way(), text, at, small, bits);
}

bool
sieve_begins_with(
	size_t k, struct span text, size_t at, bool small, uint64_t *bits, size_t *block)
{
	if (!ways[k].possible())
		return false;
	*block = begins_with(&ways[k], text, at, small, bits);
	return true;
}

struct sieve_words
sieve_words(struct span text, size_t at)
{
	char before = at ? text.p[at - 1] : 0;
	struct sieve_letters l;

	sieve_letters(text, at, &l);
	struct sieve_words out = {
		.begins = ~(l.alpha << 1 | is_alpha(before)) |
			  (l.upper & ((l.alpha & ~l.upper) << 1 | is_lower(before))),
		.alnum = l.alpha | l.digit,
		.digit = l.digit,
	};
	if (l.high) {
		struct sieve_beyond x;
		beyond_with(best_way(), text, at, &x);
		out.begins &= ~(x.letter << 2 & (l.high & ~x.lead) << 1);
		out.begins |= x.late;
		out.alnum |= x.lead;
	}
	return out;
}
