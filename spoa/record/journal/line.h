/* A record's line gone through as it is: its strings and values are stepped over, nothing is
 * built of them. The daemon wrote these lines; of others this may give nonsense, never a byte
 * after their end. */
#ifndef RECORD_JOURNAL_LINE_H
#define RECORD_JOURNAL_LINE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <string.h>

#include "base/span.h"

/* Where the reader is, and where the line ends. */
struct line_rd {
	const char *p, *end;
};

static inline struct line_rd
line_rd_over(struct span s)
{
	return (struct line_rd){ s.p, s.n ? s.p + s.n : s.p };
}

/* The next quote; NULL: there is none. */
static inline const char *
line_quote(const char *p, const char *end)
{
#ifdef __SSE2__
	const __m128i quote = _mm_set1_epi8('"');

	for (; end - p >= 16; p += 16) {
		__m128i is = _mm_cmpeq_epi8(_mm_loadu_si128((const __m128i *)p), quote);
		int mask = _mm_movemask_epi8(is);
		if (mask)
			return p + __builtin_ctz((unsigned)mask);
	}
#endif
	return p < end ? memchr(p, '"', (size_t)(end - p)) : NULL;
}
/* That quote of a string, after a backslash, or the next one that is not escaped. */
const char *line_quote_escaped(const char *from, const char *quote, const char *end);

/* p is at an opening quote, and moves past the string; *raw is what is between its quotes.
 * False: it does not end. */
static inline bool
line_string(struct line_rd *r, struct span *raw)
{
	const char *from = r->p + 1, *quote = line_quote(from, r->end);

	if (quote && quote[-1] == '\\')
		quote = line_quote_escaped(from, quote, r->end);
	*raw = span_of(from, (size_t)((quote ? quote : r->end) - from));
	r->p = quote ? quote + 1 : r->end;
	return quote != NULL;
}
/* p is at a value, and moves past it, or to the end where it does not end. */
void line_skip(struct line_rd *r);
/* line_member() where there may be blanks. */
bool line_member_spaced(struct line_rd *r, struct span *name);
/* p is at an object, or after a value in it: it moves to the value of the next member, whose
 * name this is, without its quotes. False: there is none. */
static inline bool
line_member(struct line_rd *r, struct span *name)
{
	const char *p = r->p;

	/* as the daemon writes it: without blanks */
	if (r->end - p > 2 && (*p == ',' || *p == '{') && p[1] == '"') {
		struct line_rd at = { p + 1, r->end };
		if (line_string(&at, name) && at.end - at.p > 1 && *at.p == ':' &&
			at.p[1] > ' ') {
			r->p = at.p + 1;
			return true;
		}
	}
	return line_member_spaced(r, name);
}
/* The same of a list: p moves to its next item. */
bool line_item(struct line_rd *r);

/* Of an object the members that are wanted, raw, in one pass; empty where they are not there.
 */
void line_members(struct span object, const struct span *names, size_t n, struct span *out);

#endif
