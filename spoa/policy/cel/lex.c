/* Lexer of the Common Expression Language: one token for each call, with literals decoded into
 * the arena. It is separate from the parser so that every position in an error has one source.
 * The first half decodes escapes: in a string, \\x and octal escapes name code points; in
 * bytes, they name bytes, and \\u is for strings only. Language definition, "Syntax" and
 * "String and Bytes Values". */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "policy/cel/ast.h"
#include "policy/cel/lex.h"

/* Reads exactly `count` digits in `base` at p. Returns false if there are fewer. */
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

/* Reads the escape at p, after the backslash, into *v. Returns the number of its characters, or
 * 0 if there is no escape. *wide: the value is a code point even in bytes (\\u, \\U). */
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

/* Decodes the body of a string or bytes literal, between its quotes. `at` is the body's offset
 * in the source. */
static bool
cel_unescape(struct cel_lexer *lx, struct span body, size_t at, bool bytes, struct span *out)
{
	const char *p = body.p, *end = body.p + body.n;
	char *q =
		arena_alloc(lx->a, body.n + 1); /* an escape is never shorter than its value */

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
				"unknown escape; a raw string r\"...\" takes backslashes "
				"literally");
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

/* --- tokens --- */

bool
cel_error_at(struct cel_error *err, struct span src, size_t at, const char *fmt, ...)
{
	va_list ap;

	utf8_position(src, at, &err->line, &err->column);
	va_start(ap, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, ap);
	va_end(ap);
	return false;
}

bool
cel_reserved(struct span name)
{
	static const char *const words[] = { "as", "break", "const", "continue", "else",
		"false", "for", "function", "if", "import", "in", "let", "loop", "namespace",
		"null", "package", "return", "true", "var", "void", "while" };

	return SPAN_IN(name, words);
}

/* Returns the byte at offset `at`, or -1 beyond the end. */
static int
peek_char(const struct cel_lexer *lx, size_t at)
{
	return at < lx->src.n ? (unsigned char)lx->src.p[at] : -1;
}

static bool
digit_at(const struct cel_lexer *lx, size_t at)
{
	return at < lx->src.n && is_digit(lx->src.p[at]);
}

static void
skip_space(struct cel_lexer *lx)
{
	for (;;) {
		int c = peek_char(lx, lx->at);
		if (c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f') {
			lx->at++;
		} else if (c == '/' && peek_char(lx, lx->at + 1) == '/') {
			while (lx->at < lx->src.n && lx->src.p[lx->at] != '\n')
				lx->at++;
		} else {
			return;
		}
	}
}

/* Reads a string or bytes literal, whose prefix (r, b, both or none) has been read: lx->at is
 * at its first quote. */
static bool
lex_string(struct cel_lexer *lx, bool raw, bool bytes, struct cel_token *t)
{
	size_t at = lx->at;
	int quote = peek_char(lx, at);
	bool triple = peek_char(lx, at + 1) == quote && peek_char(lx, at + 2) == quote;
	size_t width = triple ? 3 : 1;
	size_t from = at + width;

	for (at = from;; at++) {
		int c = peek_char(lx, at);
		if (c < 0 || (!triple && (c == '\n' || c == '\r')))
			return cel_error_at(lx->err, lx->src, t->at, "the string does not end");
		if (c == '\\' && !raw && peek_char(lx, at + 1) >= 0) {
			at++;
			continue;
		}
		if (c == quote && (!triple || (peek_char(lx, at + 1) == quote &&
						      peek_char(lx, at + 2) == quote)))
			break;
	}
	struct span body = span_of(lx->src.p + from, at - from);
	lx->at = at + width;
	t->tok = bytes ? TOK_BYTES : TOK_STRING;
	t->value.type = bytes ? CEL_BYTES : CEL_STRING;
	if (raw) {
		t->value.s = arena_dup(lx->a, body);
		return t->value.s.p || cel_error_at(lx->err, lx->src, t->at, "out of memory");
	}
	return cel_unescape(lx, body, from, bytes, &t->value.s);
}

static bool
lex_int(struct cel_lexer *lx, size_t end, bool hex, struct cel_token *t)
{
	uint64_t v = 0;
	bool over = false;

	for (size_t i = lx->at + (hex ? 2 : 0); i < end; i++) {
		over |= __builtin_mul_overflow(v, hex ? 16u : 10u, &v);
		over |= __builtin_add_overflow(v, (unsigned)hex_value(lx->src.p[i]), &v);
	}
	lx->at = end;
	t->tok = TOK_INT;
	if (peek_char(lx, end) == 'u' || peek_char(lx, end) == 'U') {
		lx->at++;
		t->tok = TOK_UINT;
	} else if (v > (uint64_t)INT64_MAX + 1) {
		over = true;
	}
	if (over)
		return cel_error_at(lx->err, lx->src, t->at, "the number does not fit 64 bits");
	t->value.type = CEL_UINT;
	t->value.u = v;
	return true;
}

/* INT_LIT, UINT_LIT, FLOAT_LIT without their sign. */
static bool
lex_number(struct cel_lexer *lx, struct cel_token *t)
{
	size_t end = lx->at;
	bool hex = peek_char(lx, end) == '0' && (peek_char(lx, end + 1) | 0x20) == 'x';
	bool fp = false;

	if (hex) {
		end = span_past(lx->src, end + 2, is_hex);
		if (end == lx->at + 2)
			return cel_error_at(lx->err, lx->src, t->at, "0x without digits");
	} else {
		end = span_past(lx->src, end, is_digit);
		if (peek_char(lx, end) == '.' && digit_at(lx, end + 1)) {
			fp = true;
			end = span_past(lx->src, end + 1, is_digit);
		}
		if ((peek_char(lx, end) | 0x20) == 'e') {
			size_t sign =
				peek_char(lx, end + 1) == '+' || peek_char(lx, end + 1) == '-';
			if (digit_at(lx, end + 1 + sign)) {
				fp = true;
				end = span_past(lx->src, end + 1 + sign, is_digit);
			}
		}
	}
	if (!fp)
		return lex_int(lx, end, hex, t);
	struct span text = arena_dup(lx->a, span_of(lx->src.p + lx->at, end - lx->at));
	if (!text.p)
		return cel_error_at(lx->err, lx->src, t->at, "out of memory");
	t->tok = TOK_DOUBLE;
	t->value.type = CEL_DOUBLE;
	t->value.d = strtod(text.p, NULL);
	if (t->value.d > 1.7976931348623157e308)
		return cel_error_at(
			lx->err, lx->src, t->at, "the number does not fit a double");
	lx->at = end;
	return true;
}

/* Reads an identifier, or the prefix of a string: [rR] [bB] in either order. */
static bool
lex_word(struct cel_lexer *lx, struct cel_token *t)
{
	bool raw = false, bytes = false;
	size_t end = lx->at;

	for (; end < lx->at + 2; end++) {
		int c = peek_char(lx, end);
		if ((c == 'r' || c == 'R') && !raw)
			raw = true;
		else if ((c == 'b' || c == 'B') && !bytes)
			bytes = true;
		else
			break;
	}
	if (end > lx->at && (peek_char(lx, end) == '"' || peek_char(lx, end) == '\'')) {
		lx->at = end;
		return lex_string(lx, raw, bytes, t);
	}
	end = span_past(lx->src, lx->at, is_word);
	t->tok = TOK_IDENT;
	t->text = span_of(lx->src.p + lx->at, end - lx->at);
	lx->at = end;
	return true;
}

static bool
is_quoted(char c)
{
	return is_word(c) || is_one_of(c, ".-/ ");
}

/* ESC_IDENT: `name` with letters, digits and _ . - / space */
static bool
lex_quoted(struct cel_lexer *lx, struct cel_token *t)
{
	size_t from = lx->at + 1, end = span_past(lx->src, from, is_quoted);

	if (peek_char(lx, end) != '`' || end == from)
		return cel_error_at(lx->err, lx->src, t->at, "not a name in backticks");
	t->tok = TOK_QUOTED;
	t->text = span_of(lx->src.p + from, end - from);
	lx->at = end + 1;
	return true;
}

static bool
lex_punct(struct cel_lexer *lx, struct cel_token *t)
{
	static const char two[][3] = { "&&", "||", "==", "!=", "<=", ">=" };
	int c = peek_char(lx, lx->at), d = peek_char(lx, lx->at + 1);

	t->tok = TOK_PUNCT;
	for (size_t i = 0; i < COUNT_OF(two); i++)
		if (c == two[i][0] && d == two[i][1]) {
			t->punct = PUNCT2(c, d);
			lx->at += 2;
			return true;
		}
	if (c <= 0 || !strchr("()[]{}<>.,:?!+-*/%", c)) {
		if (c == '=')
			return cel_error_at(lx->err, lx->src, t->at,
				"'=' is not an operator; use '==' to compare");
		if (c == '&' || c == '|')
			return cel_error_at(lx->err, lx->src, t->at,
				"'%c' is not an operator; use '%c%c'", c, c, c);
		if (c < 0x20 || c >= 0x7f)
			return cel_error_at(lx->err, lx->src, t->at,
				"unexpected byte 0x%02x outside a string", (unsigned)c);
		return cel_error_at(lx->err, lx->src, t->at, "unexpected '%c'", c);
	}
	t->punct = c;
	lx->at++;
	return true;
}

bool
cel_lex(struct cel_lexer *lx, struct cel_token *t)
{
	skip_space(lx);
	*t = (struct cel_token){ .tok = TOK_END, .at = (uint32_t)lx->at };
	int c = peek_char(lx, lx->at);
	bool ok;
	if (c < 0)
		return true;
	if (c == '"' || c == '\'')
		ok = lex_string(lx, false, false, t);
	else if (digit_at(lx, lx->at) || (c == '.' && digit_at(lx, lx->at + 1)))
		ok = lex_number(lx, t);
	else if (c == '`')
		ok = lex_quoted(lx, t);
	else if (is_word((char)c))
		ok = lex_word(lx, t);
	else
		ok = lex_punct(lx, t);
	if (t->tok != TOK_IDENT && t->tok != TOK_QUOTED)
		t->text = span_of(lx->src.p + t->at, lx->at - t->at);
	return ok;
}
