/* Reads a record's line in place: moves over its strings and values without building objects.
 * The daemon wrote these lines. For other input the result is undefined, but the reader never
 * moves past the end. */
#ifndef RECORD_JOURNAL_LINE_H
#define RECORD_JOURNAL_LINE_H

#ifdef __SSE2__
#include <emmintrin.h>
#endif
#include <string.h>

#include "base/span.h"

/* Position of the reader and end of the line. */
struct line_rd {
	const char *p, *end;
};

static inline struct line_rd
line_rd_over(struct span s)
{
	return (struct line_rd){ s.p, s.n ? s.p + s.n : s.p };
}

/* Returns the next quote, or NULL if there is none. */
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
/* `quote` is a quote that a backslash precedes. Returns that quote if an even number of
 * backslashes precedes it, otherwise the next one that is not escaped, or NULL. */
const char *line_quote_escaped(const char *from, const char *quote, const char *end);

/* `p` is at an opening quote and moves past the string. *raw is the text between the quotes.
 * Returns false if the string does not end. */
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
/* `p` is at a value and moves past it, or to the end of the line if the value does not end. */
void line_skip(struct line_rd *r);
/* As line_member(), if spaces may be between the parts. */
bool line_member_spaced(struct line_rd *r, struct span *name);
/* `p` is at the beginning of an object, or after a value in it. Moves to the value of the next
 * member and sets *name to its name without quotes. Returns false if there is no further
 * member. */
static inline bool
line_member(struct line_rd *r, struct span *name)
{
	const char *p = r->p;

	/* The daemon writes lines without spaces. */
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
/* Moves to the next item of an array, as line_member() does for an object. */
bool line_item(struct line_rd *r);

/* Finds the members `names` of an object in one pass. out[i] is the raw value of names[i], or
 * n 0 if there is no such member. */
void line_members(struct span object, const struct span *names, size_t n, struct span *out);

#endif
