/* Compares a span with each string of a list, and its bytes with a class of bytes. */
#ifndef BASE_AMONG_H
#define BASE_AMONG_H

#include "base/ascii.h"

/* ---- relations of two spans, besides those of span.h ---- */

static inline bool
span_iends(struct span s, struct span suffix)
{
	return s.n >= suffix.n && span_ieq(span_of(s.p + s.n - suffix.n, suffix.n), suffix);
}

static inline bool
span_holds(struct span s, struct span piece)
{
	/* The first and the last byte are looked for first, because memchr() compares 16 bytes
	 * or more at once, and memmem() single bytes. */
	const char *p = s.n ? memchr(s.p, piece.p[0], s.n) : NULL;

	return p && memchr(s.p, piece.p[piece.n - 1], s.n) &&
	       memmem(p, s.n - (size_t)(p - s.p), piece.p, piece.n);
}

static inline bool
span_iholds(struct span s, struct span piece)
{
	for (size_t i = 0; i < s.n; i++)
		if (span_ieq(span_cut(s, i, i + piece.n), piece))
			return true;
	return false;
}

/* ---- lists ---- */

/* Returns true if the relation holds for s and one of n strings. Example: SPAN_AMONG(s,
 * prefixes, span_starts). */
static inline bool
span_among(
	struct span s, const char *const *list, size_t n, bool (*is)(struct span, struct span))
{
	for (size_t i = 0; i < n; i++)
		if (is(s, span_str(list[i])))
			return true;
	return false;
}
#define SPAN_AMONG(s, list, is) span_among(s, list, COUNT_OF(list), is)

/* ---- bytes ---- */

static inline bool
is_quote(char c)
{
	return c == '"' || c == '\'' || c == '`';
}

static inline bool
span_all(struct span s, bool (*is)(char))
{
	return span_past(s, 0, is) == s.n;
}

static inline bool
span_some(struct span s, bool (*is)(char))
{
	for (size_t i = 0; i < s.n; i++)
		if (is(s.p[i]))
			return true;
	return false;
}

/* As span_past(), for the bytes of a set. */
static inline size_t
span_past_set(struct span s, size_t at, const char *set)
{
	while (at < s.n && is_one_of(s.p[at], set))
		at++;
	return at;
}

/* Returns the offset after the last c in s, or 0 if s holds none. */
static inline size_t
span_behind(struct span s, char c)
{
	const char *p = s.n ? memrchr(s.p, c, s.n) : NULL;

	return p ? (size_t)(p - s.p) + 1 : 0;
}

/* Returns the offset of the first byte of the run of `is` bytes that ends before `at`. The
 * result is never below `floor`. */
static inline size_t
span_back(struct span s, size_t at, size_t floor, bool (*is)(char))
{
	while (at > floor && is(s.p[at - 1]))
		at--;
	return at;
}

static inline size_t
span_back_set(struct span s, size_t at, size_t floor, const char *set)
{
	while (at > floor && is_one_of(s.p[at - 1], set))
		at--;
	return at;
}

#endif
