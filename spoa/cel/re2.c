/* RE2's syntax rewritten for PCRE2, whose own is larger and here and there
 * different. What RE2 does not have is refused, so that a policy means the same
 * in every implementation of CEL. https://github.com/google/re2/wiki/Syntax */
#include <stdlib.h>

#include "cel/regex.h"

struct re2 {
	const char *p, *end;
	char *out;
	size_t n;
	const char *why;
};

#define GROWTH 40 /* bytes written for one read, at most */

static void
put(struct re2 *r, const char *text, size_t n)
{
	memcpy(r->out + r->n, text, n);
	r->n += n;
}

static void
put_str(struct re2 *r, const char *text)
{
	put(r, text, strlen(text));
}

static bool
refuse(struct re2 *r, const char *why)
{
	r->why = why;
	return false;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool
is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* \123, \0, \12: up to three octal digits at r->p */
static bool
octal(struct re2 *r)
{
	unsigned v = 0;
	char text[8] = "\\x{";
	static const char hex[] = "0123456789abcdef";

	if (*r->p != '0' &&
		(r->end - r->p < 2 || r->p[0] > '7' || r->p[1] < '0' || r->p[1] > '7'))
		return refuse(r, "backreferences are not part of the syntax (RE2)");
	for (int i = 0; i < 3 && r->p < r->end && *r->p >= '0' && *r->p <= '7'; i++)
		v = v * 8 + (unsigned)(*r->p++ - '0');
	text[3] = hex[v >> 8 & 15];
	text[4] = hex[v >> 4 & 15];
	text[5] = hex[v & 15];
	text[6] = '}';
	put(r, text, 7);
	return true;
}

/* \pL \p{Greek} \P{^Lu}: name and braces are PCRE2's own */
static bool
property(struct re2 *r)
{
	put(r, "\\", 1);
	put(r, r->p++, 1);
	if (r->p < r->end && is_alpha(*r->p)) {
		put(r, r->p++, 1);
		return true;
	}
	if (r->p == r->end || *r->p != '{')
		return refuse(r, "\\p needs a class");
	const char *from = r->p++;
	while (r->p < r->end && (is_alpha(*r->p) || *r->p == '_' || *r->p == '^'))
		r->p++;
	if (r->p == r->end || *r->p != '}')
		return refuse(r, "\\p needs a class");
	r->p++;
	put(r, from, (size_t)(r->p - from));
	return true;
}

/* \xHH or \x{H...} */
static bool
hexadecimal(struct re2 *r)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	const char *from = r->p++;

	if (r->p < r->end && *r->p == '{') {
		r->p++;
		while (r->p < r->end && *r->p && strchr(digits, *r->p) && r->p - from < 10)
			r->p++;
		if (r->p == r->end || *r->p != '}' || r->p - from < 3)
			return refuse(r, "\\x needs hexadecimal digits");
		r->p++;
	} else {
		if (r->end - r->p < 2 || !r->p[0] || !r->p[1] || !strchr(digits, r->p[0]) ||
			!strchr(digits, r->p[1]))
			return refuse(r, "\\x needs hexadecimal digits");
		r->p += 2;
	}
	put(r, "\\", 1);
	put(r, from, (size_t)(r->p - from));
	return true;
}

/* \Q...\E, outside a class */
static bool
quoted(struct re2 *r)
{
	for (r->p++; r->p < r->end; r->p++) {
		if (r->end - r->p >= 2 && r->p[0] == '\\' && r->p[1] == 'E') {
			r->p += 2;
			return true;
		}
		/* A backslash before a letter would be an escape. */
		if (!is_alpha(*r->p) && !is_digit(*r->p) && !((unsigned char)*r->p & 0x80) &&
			*r->p)
			put(r, "\\", 1);
		put(r, r->p, 1);
	}
	return true;
}

/* An escape; r->p is behind the backslash. */
static bool
escape(struct re2 *r, bool in_class)
{
	if (r->p == r->end)
		return refuse(r, "a backslash at the end");
	char c = *r->p;
	if (is_digit(c))
		return octal(r);
	switch (c) {
	case 'x': return hexadecimal(r);
	case 'p':
	case 'P': return property(r);
	case 's': put_str(r, in_class ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]"); break;
	case 'S':
		put_str(r, in_class ? "\\x00-\\x08\\x0b\\x0e-\\x1f\\x21-\\x{10ffff}"
				    : "[^\\t\\n\\f\\r ]");
		break;
	case 'v': put_str(r, "\\x0b"); break;
	case 'a':
	case 'f':
	case 't':
	case 'n':
	case 'r':
	case 'd':
	case 'D':
	case 'w':
	case 'W':
		put(r, "\\", 1);
		put(r, &c, 1);
		break;
	case 'A':
	case 'b':
	case 'B':
	case 'z':
	case 'Q':
		if (in_class)
			return refuse(r, "that escape has no meaning in [...]");
		if (c == 'Q')
			return quoted(r);
		put(r, "\\", 1);
		put(r, &c, 1);
		break;
	default:
		if (is_alpha(c) || (unsigned char)c >= 0x80 || (unsigned char)c < 0x20)
			return refuse(r, "no such escape in the syntax (RE2)");
		put(r, "\\", 1);
		put(r, &c, 1);
	}
	r->p++;
	return true;
}

/* [:alpha:] and the like, inside a class; 0 where there is none. */
static size_t
posix_class(const struct re2 *r)
{
	static const char *const names[] = { "alnum", "alpha", "ascii", "blank", "cntrl",
		"digit", "graph", "lower", "print", "punct", "space", "upper", "word",
		"xdigit" };
	struct span rest = span_of(r->p, (size_t)(r->end - r->p));

	if (!span_starts(rest, SPAN_LIT("[:")))
		return 0;
	bool negated = rest.n > 2 && rest.p[2] == '^';
	struct span name = span_cut(rest, negated ? 3 : 2, rest.n);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		size_t n = strlen(names[i]);
		if (span_starts(name, span_str(names[i])) &&
			span_starts(span_cut(name, n, name.n), SPAN_LIT(":]")))
			return n + (negated ? 5 : 4);
	}
	return 0;
}

/* class = "[" [ "^" ] [ "]" ] { item } "]"; r->p is behind the bracket */
static bool
char_class(struct re2 *r)
{
	put(r, "[", 1);
	if (r->p < r->end && *r->p == '^')
		put(r, r->p++, 1);
	for (bool first = true;; first = false) {
		if (r->p == r->end)
			return refuse(r, "[ without ]");
		char c = *r->p;
		if (c == ']' && !first)
			break;
		size_t n = c == '[' ? posix_class(r) : 0;
		if (n) {
			put(r, r->p, n);
			r->p += n;
		} else if (c == '[' && r->end - r->p > 1 && strchr(":.=", r->p[1]) && r->p[1]) {
			return refuse(r, "no such class in [[: :]]");
		} else if (c == '\\') {
			r->p++;
			if (!escape(r, true))
				return false;
		} else {
			if (c == '[' || (c == ']' && first))
				put(r, "\\", 1);
			put(r, r->p++, 1);
		}
	}
	put(r, r->p++, 1);
	return true;
}

/* What follows "(": a plain group, (?:, (?P<name>, (?<name>, (?flags) or (?flags: */
static bool
group(struct re2 *r, bool *is_flags)
{
	put(r, "(", 1);
	*is_flags = false;
	if (r->p == r->end || *r->p != '?')
		return true;
	const char *from = r->p++;
	if (r->end - r->p >= 2 && r->p[0] == 'P' && r->p[1] == '<')
		r->p++;
	if (r->p < r->end && *r->p == '<') {
		r->p++;
		if (r->p == r->end || (!is_alpha(*r->p) && *r->p != '_'))
			return refuse(r, "lookaround is not part of the syntax (RE2)");
		while (r->p < r->end && (is_alpha(*r->p) || is_digit(*r->p) || *r->p == '_'))
			r->p++;
		if (r->p == r->end || *r->p++ != '>')
			return refuse(r, "a group's name does not end");
		put(r, from, (size_t)(r->p - from));
		return true;
	}
	bool minus = false;
	for (; r->p < r->end && *r->p && strchr("imsU-", *r->p); r->p++) {
		if (*r->p == '-' && minus)
			break;
		minus |= *r->p == '-';
	}
	if (r->p == r->end || (*r->p != ':' && *r->p != ')') || r->p[-1] == '-' ||
		(*r->p == ')' && r->p[-1] == '?'))
		return refuse(r, "that kind of group is not part of the syntax (RE2)");
	*is_flags = *r->p == ')';
	r->p++;
	put(r, from, (size_t)(r->p - from));
	return true;
}

/* {n}, {n,} or {n,m} at r->p; 0: a plain brace, -1: refused, else its length */
static int
counted(struct re2 *r)
{
	const char *p = r->p + 1;
	long n[2] = { 0, 0 };

	for (int i = 0; i < 2; i++) {
		const char *from = p;
		for (; p < r->end && is_digit(*p) && p - from < 9; p++)
			n[i] = n[i] * 10 + (*p - '0');
		if (i == 0 && (p == from || p == r->end))
			return 0;
		if (i == 0 && *p != ',')
			break;
		p += i == 0;
	}
	if (p >= r->end || *p != '}')
		return 0;
	if (n[0] > 1000 || n[1] > 1000) {
		refuse(r, "a repetition is over 1000");
		return -1;
	}
	return (int)(p + 1 - r->p);
}

/* * + ? {n,m}, each with its lazy form; r->p is at it. */
static bool
quantifier(struct re2 *r, int length)
{
	put(r, r->p, (size_t)length);
	r->p += length;
	if (r->p < r->end && *r->p == '?')
		put(r, r->p++, 1);
	if (r->p < r->end && (*r->p == '*' || *r->p == '+' || *r->p == '?'))
		return refuse(r, "two repetitions in a row");
	if (r->p < r->end && *r->p == '{') {
		int again = counted(r);
		if (again)
			return again > 0 ? refuse(r, "two repetitions in a row") : false;
	}
	return true;
}

static bool
translate(struct re2 *r)
{
	bool repeatable = false; /* something stands before that can be repeated */

	while (r->p < r->end) {
		char c = *r->p;
		int braces = c == '{' ? counted(r) : 0;
		bool flags = false;
		if (braces < 0)
			return false;
		if (c == '*' || c == '+' || c == '?' || braces) {
			if (!repeatable)
				return refuse(r, "nothing stands before a repetition");
			if (!quantifier(r, braces ? braces : 1))
				return false;
			repeatable = false;
			continue;
		}
		repeatable = c != '(' && c != '|';
		r->p++;
		if (c == '\\') {
			if (!escape(r, false))
				return false;
		} else if (c == '[') {
			if (!char_class(r))
				return false;
		} else if (c == '(') {
			if (!group(r, &flags))
				return false;
		} else {
			if (c == '{' || c == '}' || c == ']')
				put(r, "\\", 1);
			put(r, &c, 1);
		}
	}
	return true;
}

struct span
cel_regex_translate(struct arena *a, struct span pattern, const char **why)
{
	struct re2 r = { .p = pattern.p, .end = pattern.p + pattern.n };

	*why = "out of memory";
	r.out = arena_alloc(a, pattern.n * GROWTH + 1);
	if (!r.out)
		return span_of(NULL, 0);
	if (!translate(&r)) {
		*why = r.why;
		return span_of(NULL, 0);
	}
	return span_of(r.out, r.n);
}
