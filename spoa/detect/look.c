/* The look at a block: with SSE2, which every x86-64 has, sixteen bytes at a time; else
 * a table, a byte at a time. Both give the same bits. */
#include "detect/look.h"

#include "detect/check.h"

#ifdef __SSE2__
#include <emmintrin.h>
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
	case '[':
	case '{': return OPEN;
	default: return 0;
	}
}

static void
look_slow(const char *p, size_t n, struct look *l)
{
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
		l->blank_a |= p[i] == ' ' && (i + 1 == n || (p[i + 1] | 0x20) == 'a') ? bit : 0;
	}
}

#ifdef __SSE2__
static __m128i
eq(__m128i v, char c)
{
	return _mm_cmpeq_epi8(v, _mm_set1_epi8(c));
}

static __m128i
within(__m128i v, char from, char span)
{
	__m128i x = _mm_sub_epi8(v, _mm_set1_epi8(from));

	return _mm_cmpeq_epi8(_mm_min_epu8(x, _mm_set1_epi8(span)), x);
}

static uint64_t
bits(__m128i v, unsigned at)
{
	return (uint64_t)(uint32_t)_mm_movemask_epi8(v) << at;
}

static __m128i
any(__m128i a, __m128i b, __m128i c, __m128i d)
{
	return _mm_or_si128(_mm_or_si128(a, b), _mm_or_si128(c, d));
}

static void
look_fast(const char *p, struct look *l)
{
	uint64_t blank = 0, a = 0;

	for (unsigned at = 0; at < LOOK_BLOCK; at += 16) {
		__m128i v = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
		__m128i lower = _mm_or_si128(v, _mm_set1_epi8(0x20));
		__m128i digit = within(v, '0', 9), line = eq(v, '\n');
		/* Signed: bytes above ASCII are below a blank as well. */
		__m128i low = _mm_cmplt_epi8(v, _mm_set1_epi8(0x20));
		__m128i white = _mm_or_si128(line, _mm_or_si128(eq(v, '\t'), eq(v, '\r')));
		__m128i marks = any(eq(v, '+'), eq(v, '/'), eq(v, '-'), eq(v, '_'));
		l->strange |= bits(_mm_andnot_si128(white, low), at);
		l->escape |= bits(any(eq(v, '\\'), eq(v, '%'), eq(v, '&'), eq(v, '=')), at);
		l->digit |= bits(digit, at);
		__m128i alnum = _mm_or_si128(digit, within(lower, 'a', 25));
		l->alnum |= bits(alnum, at);
		l->token |= bits(_mm_or_si128(alnum, marks), at);
		l->quote |= bits(
			_mm_or_si128(eq(v, '"'), _mm_or_si128(eq(v, '\''), eq(v, '`'))), at);
		l->line |= bits(line, at);
		l->mark |= bits(any(eq(v, '*'), eq(v, '~'), eq(v, '<'), eq(v, '|')), at);
		/* '{' is '[' with the case bit */
		l->open |= bits(_mm_or_si128(eq(v, '('), eq(lower, '{')), at);
		blank |= bits(eq(v, ' '), at);
		a |= bits(eq(lower, 'a'), at);
	}
	l->blank_a = blank & (a >> 1 | UINT64_C(1) << 63);
}
#endif

void
look_at(const char *p, size_t n, struct look *l)
{
	*l = (struct look){ 0 };
#ifdef __SSE2__
	if (n >= LOOK_BLOCK) {
		look_fast(p, l);
		return;
	}
#endif
	look_slow(p, n < LOOK_BLOCK ? n : LOOK_BLOCK, l);
}
