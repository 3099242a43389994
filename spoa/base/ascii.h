/* Characters of ASCII by what they are, whatever the locale. A byte beyond ASCII is is_high and
 * nothing else. Comparisons, not a table: compilers make vectors of them. */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H

#include "base/span.h"

static inline bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static inline bool
is_upper(char c)
{
	return c >= 'A' && c <= 'Z';
}

static inline bool
is_lower(char c)
{
	return c >= 'a' && c <= 'z';
}

static inline bool
is_alpha(char c)
{
	return is_upper(c) || is_lower(c);
}

static inline bool
is_alnum(char c)
{
	return is_digit(c) || is_alpha(c);
}

static inline bool
is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static inline bool
is_lower_hex(char c)
{
	return is_hex(c) && !is_upper(c);
}

/* \w of regular expressions. */
static inline bool
is_word(char c)
{
	return is_alnum(c) || c == '_';
}

static inline bool
is_high(char c)
{
	return (unsigned char)c >= 0x80;
}

/* A letter of ASCII, or a byte of a character beyond it. */
static inline bool
is_letter(char c)
{
	return is_alpha(c) || is_high(c);
}

static inline bool
is_letter_or_digit(char c)
{
	return is_letter(c) || is_digit(c);
}

/* NUL is in no set. */
static inline bool
is_one_of(char c, const char *set)
{
	return c && strchr(set, c);
}

static inline bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Neither a blank nor a control character. */
static inline bool
is_visible(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f;
}

/* No control character. */
static inline bool
is_in_line(char c)
{
	return is_visible(c) || c == ' ';
}

/* A visible character of ASCII. */
static inline bool
is_graph(char c)
{
	return is_visible(c) && !is_high(c);
}

/* What a field's value may hold (RFC 9110 5.5). */
static inline bool
is_field_char(char c)
{
	return is_in_line(c) || c == '\t';
}

/* tchar of RFC 9110 5.6.2 */
static inline bool
is_tchar(char c)
{
	return is_alnum(c) || is_one_of(c, "!#$%&'*+-.^_`|~");
}

static inline char
to_lower(char c)
{
	return is_upper(c) ? (char)(c | 0x20) : c;
}

static inline char
to_upper(char c)
{
	return is_lower(c) ? (char)(c & ~0x20) : c;
}

/* 0 to 15, or -1. */
static inline int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place. */
static inline void
ascii_lower(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = to_lower(p[i]);
}

/* Whether all of s is letters, digits and what else `signs` has. */
static inline bool
span_is_alnum(struct span s, const char *signs)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && !is_one_of(s.p[i], signs))
			return false;
	return true;
}

/* The first byte from `at` on that is none of a class; s.n where all are. */
static inline size_t
span_past(struct span s, size_t at, bool (*is)(char))
{
	while (at < s.n && is(s.p[at]))
		at++;
	return at;
}

/* What a number of JSON consists of. */
static inline bool
is_number_char(char c)
{
	return is_digit(c) || is_one_of(c, "+-.eE");
}

/* The number that `digits` hexadecimal digits at `at` spell, 7 at most; -1: they are not there.
 */
static inline int
span_hex(struct span s, size_t at, size_t digits)
{
	int v = 0;

	for (size_t i = at; i < at + digits; i++) {
		int digit = i < s.n ? hex_value(s.p[i]) : -1;
		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

/* One decimal digit or more, and nothing else. */
static inline bool
span_is_digits(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_digit) == s.n;
}

#endif
