/* The look at a block: with AVX2 or SSE2 as vectors, else a byte at a time. All give the
 * same bits. */
#include "detect/look.h"

#include "detect/check.h"

#ifdef __SSE2__
#include <immintrin.h>
#include <string.h>
#endif

enum {
	STRANGE = 1,
	ESCAPE = 2,
	TOKEN = 4,
	DIGIT = 8,
	QUOTE = 16,
	LINE = 32,
	MARK = 64,
	OPEN = 128
};

static unsigned
class_of(unsigned char c)
{
	if (c >= 0x80 || (c < 0x20 && c != '\t' && c != '\n' && c != '\r'))
		return STRANGE;
	if (is_digit((char)c))
		return TOKEN | DIGIT;
	if (is_alpha((char)c))
		return TOKEN;
	switch (c) {
	case '\\':
	case '%':
	case '&':
	case '=': return ESCAPE;
	case '+':
	case '/':
	case '-':
	case '_': return TOKEN;
	case '"':
	case '\'':
	case '`': return QUOTE;
	case '\n': return LINE;
	case '*':
	case '~':
	case '<':
	case '|': return MARK;
	case '(':
	case '@':
	case '[':
	case '{': return OPEN;
	default: return 0;
	}
}

void
look_bytewise(const char *p, size_t n, struct look *l)
{
	*l = (struct look){ 0 };
	for (size_t i = 0; i < n; i++) {
		unsigned c = class_of((unsigned char)p[i]);
		uint64_t bit = UINT64_C(1) << i;
		l->strange |= c & STRANGE ? bit : 0;
		l->escape |= c & ESCAPE ? bit : 0;
		l->token |= c & TOKEN ? bit : 0;
		l->digit |= c & DIGIT ? bit : 0;
		l->alnum |= is_alnum(p[i]) ? bit : 0;
		l->quote |= c & QUOTE ? bit : 0;
		l->line |= c & LINE ? bit : 0;
		l->mark |= c & MARK ? bit : 0;
		l->open |= c & OPEN ? bit : 0;
		l->number |=
			(p[i] | 0x20) == 'v' || (p[i] | 0x20) == 'x' || (p[i] | 0x20) == 'z'
				? bit
				: 0;
		l->blank_a |= (p[i] == ' ' || p[i] == '_' || p[i] == '-') &&
					      (i + 1 == n || (p[i + 1] | 0x20) == 'a')
				      ? bit
				      : 0;
	}
}

#ifdef __SSE2__
/* Thirty-two bytes at a time, as vectors of the compiler: with AVX2 one operation each,
 * with SSE2 two. */
typedef unsigned char vec __attribute__((vector_size(32)));
typedef signed char mask __attribute__((vector_size(32)));

#define EQ(v, c)	   ((mask)((v) == (unsigned char)(c)))
#define WITHIN(v, from, n) ((mask)((v) - (unsigned char)(from) <= (unsigned char)(n)))

#define LOOK(p, bits, l)                                                                       \
	struct look x = { 0 };                                                                 \
	uint64_t blank = 0, a = 0;                                                             \
	for (unsigned at = 0; at < LOOK_BLOCK; at += sizeof(vec)) {                            \
		vec v;                                                                         \
		memcpy(&v, p + at, sizeof(v));                                                 \
		vec lower = v | 0x20;                                                          \
		mask digit = WITHIN(v, '0', 9), alnum = digit | WITHIN(lower, 'a', 25);        \
		mask line = EQ(v, '\n'), low = EQ(v, '_') | EQ(v, '-');                        \
		/* Signed: bytes above ASCII are below a blank as well. */                     \
		mask strange = (mask)((mask)v < 0x20) & ~(line | EQ(v, '\t') | EQ(v, '\r'));   \
		bits(x.strange, strange);                                                      \
		bits(x.escape, EQ(v, '\\') | EQ(v, '%') | EQ(v, '&') | EQ(v, '='));            \
		bits(x.digit, digit);                                                          \
		bits(x.alnum, alnum);                                                          \
		bits(x.token, alnum | EQ(v, '+') | EQ(v, '/') | low);                          \
		bits(x.quote, EQ(v, '"') | EQ(v, '\'') | EQ(v, '`'));                          \
		bits(x.line, line);                                                            \
		bits(x.mark, EQ(v, '*') | EQ(v, '~') | EQ(v, '<') | EQ(v, '|'));               \
		/* '{' is '[' with the case bit */                                             \
		bits(x.open, EQ(v, '(') | EQ(v, '@') | EQ(lower, '{'));                        \
		bits(x.number, EQ(lower, 'v') | EQ(lower, 'x') | EQ(lower, 'z'));              \
		bits(blank, EQ(v, ' ') | low);                                                 \
		bits(a, EQ(lower, 'a'));                                                       \
	}                                                                                      \
	x.blank_a = blank & (a >> 1 | UINT64_C(1) << 63);                                      \
	*(l) = x

#define BITS_SSE2(to, m)                                                                       \
	do {                                                                                   \
		union {                                                                        \
			mask whole;                                                            \
			__m128i half[2];                                                       \
		} u = { .whole = (m) };                                                        \
		uint32_t lo = (uint32_t)_mm_movemask_epi8(u.half[0]);                          \
		uint32_t hi = (uint32_t)_mm_movemask_epi8(u.half[1]);                          \
		(to) |= (uint64_t)(hi << 16 | lo) << at;                                       \
	} while (0)
#define BITS_AVX2(to, m) ((to) |= (uint64_t)(uint32_t)_mm256_movemask_epi8((__m256i)(m)) << at)

static void
look_sse2(const char *p, size_t blocks, struct look *l)
{
	for (; blocks; blocks--, p += LOOK_BLOCK, l++) {
		LOOK(p, BITS_SSE2, l);
	}
}

__attribute__((target("avx2"))) static void
look_avx2(const char *p, size_t blocks, struct look *l)
{
	for (; blocks; blocks--, p += LOOK_BLOCK, l++) {
		LOOK(p, BITS_AVX2, l);
	}
}

static void
look_blocks(const char *p, size_t blocks, struct look *l)
{
	if (__builtin_cpu_supports("avx2"))
		look_avx2(p, blocks, l);
	else
		look_sse2(p, blocks, l);
}

/* Less than a block: as one that goes on with blanks. */
static void
look_rest(const char *p, size_t n, struct look *l)
{
	char block[LOOK_BLOCK];

	memset(block, ' ', sizeof(block));
	memcpy(block, p, n);
	look_blocks(block, 1, l);
	if (n && (p[n - 1] == ' ' || p[n - 1] == '_' || p[n - 1] == '-'))
		l->blank_a |= UINT64_C(1) << (n - 1);
	l->blank_a &= (UINT64_C(1) << n) - 1;
}
#else
static void
look_blocks(const char *p, size_t blocks, struct look *l)
{
	for (; blocks; blocks--, p += LOOK_BLOCK, l++)
		look_bytewise(p, LOOK_BLOCK, l);
}

static void
look_rest(const char *p, size_t n, struct look *l)
{
	look_bytewise(p, n, l);
}
#endif

void
look_over(const char *p, size_t n, struct look *l)
{
	size_t blocks = n / LOOK_BLOCK;

	look_blocks(p, blocks, l);
	if (n % LOOK_BLOCK)
		look_rest(p + blocks * LOOK_BLOCK, n % LOOK_BLOCK, l + blocks);
}
