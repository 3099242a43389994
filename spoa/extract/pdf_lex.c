/* Tokens and strings of PDF, ISO 32000-1 7.2, 7.3, 7.9.2. */
#include "extract/pdf_lex.h"

#include "base/ascii.h"
#include "base/codec/utf8.h"
#include "base/scoped.h"

/* 7.2.2: white space has NUL in it. */
static bool
is_pdf_space(char c)
{
	return c == ' ' || c == '\n' || c == '\r' || c == '\t' || c == '\f' || c == 0;
}

static bool
is_delimiter(char c)
{
	return c && strchr("()<>[]{}/%", c);
}

static bool
is_regular(char c)
{
	return !is_pdf_space(c) && !is_delimiter(c);
}

static void
skip_space(struct span *s)
{
	size_t i = 0;

	for (; i < s->n && (is_pdf_space(s->p[i]) || s->p[i] == '%'); i++)
		if (s->p[i] == '%')
			while (i + 1 < s->n && s->p[i + 1] != '\n' && s->p[i + 1] != '\r')
				i++;
	*s = span_cut(*s, i, s->n);
}

/* name = "/" { regular | "#" hex hex } */
static size_t
undo_name(struct span s, char out[PDF_NAME_BYTES + 1])
{
	size_t i = 1, n = 0;

	while (i < s.n && is_regular(s.p[i])) {
		char c = s.p[i++];
		if (c == '#' && s.n - i >= 2 && hex_value(s.p[i]) >= 0 &&
			hex_value(s.p[i + 1]) >= 0) {
			c = (char)(hex_value(s.p[i]) << 4 | hex_value(s.p[i + 1]));
			i += 2;
		}
		if (n < PDF_NAME_BYTES)
			out[n++] = c;
	}
	out[n] = 0;
	return i;
}

/* string = "(" { byte | "\" byte | string } ")" | "<" { hex } ">"; to the end where it is
 * open. */
static size_t
string_length(struct span s)
{
	size_t depth = 0;

	if (s.p[0] == '<') {
		size_t end = span_chr(s, '>');
		return end < s.n ? end + 1 : s.n;
	}
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\\')
			i++;
		else if (s.p[i] == '(')
			depth++;
		else if (s.p[i] == ')' && --depth == 0)
			return i + 1;
	}
	return s.n;
}

void
pdf_next(struct span *s, struct pdf_token *t)
{
	skip_space(s);
	size_t n = 1;
	char c = s->n ? s->p[0] : 0;

	if (!s->n) {
		t->kind = PDF_END;
		n = 0;
	} else if (c == '/') {
		t->kind = PDF_NAME;
		n = undo_name(*s, t->name);
	} else if (c == '(' || (c == '<' && !(s->n > 1 && s->p[1] == '<'))) {
		t->kind = PDF_STRING;
		n = string_length(*s);
	} else if (is_delimiter(c)) {
		t->kind = PDF_MARK;
		n = s->n > 1 && (c == '<' || c == '>') && s->p[1] == c ? 2 : 1;
	} else {
		t->kind = PDF_NUMBER;
		for (n = 0; n < s->n && is_regular(s->p[n]); n++)
			if (!is_digit(s->p[n]) && !strchr("+-.", s->p[n]))
				t->kind = PDF_WORD;
	}
	t->raw = span_cut(*s, 0, n);
	*s = span_cut(*s, n, s->n);
}

bool
pdf_is(const struct pdf_token *t, enum pdf_token_kind kind, const char *text)
{
	return t->kind == kind &&
	       (kind == PDF_NAME ? !strcmp(t->name, text) : span_is(t->raw, text));
}

static void
hex_bytes(struct span raw, struct buf *out)
{
	int high = -1;

	for (size_t i = 1; i < raw.n && raw.p[i] != '>'; i++) {
		int d = hex_value(raw.p[i]);
		if (d < 0)
			continue;
		if (high < 0) {
			high = d;
			continue;
		}
		buf_putc(out, (char)(high << 4 | d));
		high = -1;
	}
	if (high >= 0)
		buf_putc(out, (char)(high << 4));
}

/* After a backslash at s.p[i]: table 3 of 7.3.4.2. Returns how many bytes it was. */
static size_t
put_escape(struct span s, size_t i, struct buf *out)
{
	static const char from[] = "nrtbf", to[] = "\n\r\t\b\f";
	const char *at = strchr(from, s.p[i]);
	size_t n = 0;
	unsigned octal = 0;

	if (s.p[i] && at) {
		buf_putc(out, to[at - from]);
		return 1;
	}
	if (s.p[i] == '\r' || s.p[i] == '\n')
		return s.p[i] == '\r' && i + 1 < s.n && s.p[i + 1] == '\n' ? 2 : 1;
	for (; n < 3 && i + n < s.n && s.p[i + n] >= '0' && s.p[i + n] <= '7'; n++)
		octal = octal * 8 + (unsigned)(s.p[i + n] - '0');
	buf_putc(out, n ? (char)octal : s.p[i]);
	return n ? n : 1;
}

void
pdf_string_bytes(struct span raw, struct buf *out)
{
	if (raw.n && raw.p[0] == '<') {
		hex_bytes(raw, out);
		return;
	}
	struct span s =
		span_cut(raw, 1, raw.n > 1 && raw.p[raw.n - 1] == ')' ? raw.n - 1 : raw.n);
	for (size_t i = 0; i < s.n;) {
		if (s.p[i] == '\\' && i + 1 < s.n) {
			i += 1 + put_escape(s, i + 1, out);
		} else {
			buf_putc(out, s.p[i]);
			i++;
		}
	}
}

static void
put_code(struct buf *out, uint32_t cp)
{
	if (cp < ' ' || cp == 0x7F)
		cp = ' ';
	buf_utf8(out, cp);
}

static void
utf16_text(struct span s, bool little, struct buf *out)
{
	while (s.n >= 2)
		put_code(out, utf16_next(&s, little));
}

/* PDFDocEncoding where it is not Latin 1 (annex D.2). */
static uint32_t
doc_encoding(unsigned char c)
{
	static const uint16_t accents[] = { 0x2D8, 0x2C7, 0x2C6, 0x2D9, 0x2DD, 0x2DB, 0x2DA,
		0x2DC };
	static const uint16_t high[] = { 0x2022, 0x2020, 0x2021, 0x2026, 0x2014, 0x2013, 0x192,
		0x2044, 0x2039, 0x203A, 0x2212, 0x2030, 0x201E, 0x201C, 0x201D, 0x2018, 0x2019,
		0x201A, 0x2122, 0xFB01, 0xFB02, 0x141, 0x152, 0x160, 0x178, 0x17D, 0x131, 0x142,
		0x153, 0x161, 0x17E, 0xFFFD, 0x20AC };

	if (c >= 0x18 && c < 0x20)
		return accents[c - 0x18];
	return c >= 0x80 && c <= 0xA0 ? high[c - 0x80] : c;
}

void
pdf_text(struct span s, struct buf *out)
{
	if (span_starts(s, SPAN_LIT("\xFE\xFF"))) {
		utf16_text(span_cut(s, 2, s.n), false, out);
	} else if (span_starts(s, SPAN_LIT("\xFF\xFE"))) {
		utf16_text(span_cut(s, 2, s.n), true, out);
	} else if (utf8_valid(s)) { /* many write it without its mark */
		if (span_starts(s, SPAN_LIT("\xEF\xBB\xBF")))
			s = span_cut(s, 3, s.n);
		for (size_t i = 0; i < s.n; i++)
			buf_putc(out,
				(unsigned char)s.p[i] < ' ' || s.p[i] == 0x7F ? ' ' : s.p[i]);
	} else {
		for (size_t i = 0; i < s.n; i++)
			put_code(out, doc_encoding((unsigned char)s.p[i]));
	}
}
