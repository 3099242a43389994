/* Escapes in string and bytes literals. Separate from the lexer because the two
 * kinds differ: in a string \x and octal escapes name code points, in bytes they
 * name bytes, and \u belongs to strings only. Language definition, "String and
 * Bytes Values". */
#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "policy/cel/ast.h"
#include "policy/cel/lex.h"

/* Exactly `count` digits in `base` at p; false where they are not there. */
static bool
read_digits(const char *p, const char *end, int count, int base, uint32_t *out)
{
	uint32_t v = 0;

	if (end - p < count)
		return false;
	for (int i = 0; i < count; i++) {
		int d = hex_value(p[i]);
		if (d < 0 || d >= base)
			return false;
		v = v * (uint32_t)base + (uint32_t)d;
	}
	*out = v;
	return true;
}

/* The escape at p (after the backslash): how many characters it takes, and its
 * value; *wide: a code point even in bytes (\u, \U). 0: no escape. */
static int
read_escape(const char *p, const char *end, uint32_t *v, bool *wide)
{
	static const char names[] = "abfnrtv\\?\"'`";
	static const char values[] = "\a\b\f\n\r\t\v\\?\"'`";
	const char *at = *p ? strchr(names, *p) : NULL;

	*wide = false;
	if (at) {
		*v = (unsigned char)values[at - names];
		return 1;
	}
	switch (*p) {
	case 'x':
	case 'X': return read_digits(p + 1, end, 2, 16, v) ? 3 : 0;
	case 'u': *wide = true; return read_digits(p + 1, end, 4, 16, v) ? 5 : 0;
	case 'U': *wide = true; return read_digits(p + 1, end, 8, 16, v) ? 9 : 0;
	case '0':
	case '1':
	case '2':
	case '3': return read_digits(p, end, 3, 8, v) ? 3 : 0;
	}
	return 0;
}

bool
cel_unescape(struct cel_lexer *lx, struct span body, size_t at, bool bytes, struct span *out)
{
	const char *p = body.p, *end = body.p + body.n;
	char *q = arena_alloc(
		lx->a, body.n + 1); /* an escape is never shorter than what it means */

	if (!q)
		return cel_error_at(lx->err, lx->src, at, "out of memory");
	out->p = q;
	while (p < end) {
		size_t here = at + (size_t)(p - body.p);
		if (*p != '\\') {
			*q++ = *p++;
			continue;
		}
		uint32_t v = 0;
		bool wide;
		int used = ++p < end ? read_escape(p, end, &v, &wide) : 0;
		if (used == 0)
			return cel_error_at(lx->err, lx->src, here,
				"no such escape; the raw form r\"...\" takes backslashes as "
				"they are");
		if (bytes && wide)
			return cel_error_at(
				lx->err, lx->src, here, "\\u is for strings; bytes take \\x");
		if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
			return cel_error_at(lx->err, lx->src, here, "not a Unicode code point");
		if (bytes)
			*q++ = (char)v;
		else
			q += utf8_encode(v, q);
		p += used;
	}
	out->n = (size_t)(q - out->p);
	return true;
}
