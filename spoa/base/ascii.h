/* Classes of ASCII characters, independent of the locale. For a byte beyond ASCII, is_high() and
 * is_letter() hold. The functions are comparisons instead of a table, so that compilers can
 * vectorize them. */
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

/* The class \w of regular expressions. */
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

/* An ASCII letter, or a byte of a character beyond ASCII. */
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

/* Returns true if the string `set` holds c. NUL is in no set. */
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

/* Neither a space nor a control character of ASCII. */
static inline bool
is_visible(char c)
{
	return (unsigned char)c > ' ' && c != 0x7f;
}

/* Not a control character of ASCII. */
static inline bool
is_in_line(char c)
{
	return is_visible(c) || c == ' ';
}

/* A visible ASCII character. */
static inline bool
is_graph(char c)
{
	return is_visible(c) && !is_high(c);
}

/* A character that a field value may hold (RFC 9110 5.5). */
static inline bool
is_field_char(char c)
{
	return is_in_line(c) || c == '\t';
}

/* A tchar (RFC 9110 5.6.2). */
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

/* Returns 0 to 15, or -1 if c is not a hexadecimal digit. */
static inline int
hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Converts n bytes to lower case in place. */
static inline void
ascii_lower(char *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		p[i] = to_lower(p[i]);
}

/* Returns true if s consists of letters, digits and characters of `signs`. */
static inline bool
span_is_alnum(struct span s, const char *signs)
{
	for (size_t i = 0; i < s.n; i++)
		if (!is_alnum(s.p[i]) && !is_one_of(s.p[i], signs))
			return false;
	return true;
}

/* Returns the offset of the first byte from `at` on that is not in the class, or s.n if there is
 * none. */
static inline size_t
span_past(struct span s, size_t at, bool (*is)(char))
{
	while (at < s.n && is(s.p[at]))
		at++;
	return at;
}

/* A character that a JSON number may consist of. */
static inline bool
is_number_char(char c)
{
	return is_digit(c) || is_one_of(c, "+-.eE");
}

/* Returns the value of `digits` hexadecimal digits at offset `at`, at most 7 of them. Returns -1
 * if one of them is missing or is not a digit. */
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

/* Returns true if s is one decimal digit or more, and nothing else. */
static inline bool
span_is_digits(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_digit) == s.n;
}

#endif
