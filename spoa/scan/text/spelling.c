/* Reads a placeholder in any accepted spelling: open *DECOR name *DECOR close, unit by unit.
 * Redaction numbers placeholders in placeholder.c; restoration holds back text that may be the
 * beginning of a spelling. Both use this reader. */
#include "scan/text/spelling.h"

#include "base/ascii.h"
#include "base/codec/uri.h"
#include "base/scoped.h"
#include "scan/text/spelled.h"

enum { DECOR_MOST = 4 };

/* The spellings of the brackets, in lower case. */
static const struct bracket {
	const char *open, *close;
	enum spelling_escape escape;
} brackets[] = {
	{ "<", ">", ESCAPE_NONE }, { "\\<", "\\>", ESCAPE_NONE },
	{ "&lt;", "&gt;", ESCAPE_HTML }, { "&#60;", "&#62;", ESCAPE_HTML },
	{ "&#x3c;", "&#x3e;", ESCAPE_HTML }, { "\\u003c", "\\u003e", ESCAPE_JSON },
	{ "%3c", "%3e", ESCAPE_URI },
	{ "\xef\xbc\x9c", "\xef\xbc\x9e", ESCAPE_NONE }, /* fullwidth forms */
};
#define MARKDOWN (&brackets[1])

const bool spelling_begins[256] = {
	['<'] = true, ['\\'] = true, ['&'] = true, ['%'] = true, [0xef] = true
};

/* ---- units ---- */

/* Reads the rest of an escape after its backslash, which has n bytes in a text of `level` - 1.
 * Sets *c to what the escape spells. Returns the bytes of the whole escape, n if it is no
 * escape, or 0 if more input is needed. */
static size_t
escape_unit(struct span in, unsigned level, size_t n, int *c)
{
	static const char from[] = "bfnrt/\"\\", to[] = "\b\f\n\r\t/\"\\";
	int digit, unit = 0;
	size_t m = spelling_unit(span_cut(in, n, in.n), level - 1, &digit);

	if (m == 0)
		return 0;
	if (digit == 'u') {
		size_t at = n + m;
		for (int i = 0; i < 4; i++, at += m) {
			m = spelling_unit(span_cut(in, at, in.n), level - 1, &digit);
			if (m == 0)
				return 0;
			if (digit < 0 || digit > 0x7f || !is_hex((char)digit))
				return n; /* no escape: the backslash stands for itself */
			unit = unit << 4 | hex_value((char)digit);
		}
		*c = unit < 0x80 ? unit : -unit;
		return at;
	}
	const char *known = digit > 0 && digit < 0x80 ? strchr(from, digit) : NULL;
	if (!known)
		return n;
	*c = to[known - from];
	return n + m;
}

size_t
spelling_unit(struct span in, unsigned level, int *c)
{
	if (in.n == 0)
		return 0;
	if (level == 0) {
		*c = (unsigned char)in.p[0];
		return 1;
	}
	size_t n = spelling_unit(in, level - 1, c);
	return n && *c == '\\' ? escape_unit(in, level, n, c) : n;
}

/* ---- the reader ---- */

/* The position in a possible spelling. */
struct reader {
	struct span in;
	size_t at;
	unsigned level;
	bool more; /* the input ended before a decision */
};

/* Returns the next character without consuming it; -2 if there is none or the spelling would
 * exceed SPELLING_MOST. */
static int
peek_spelled(struct reader *r, size_t *raw)
{
	int c = -2;

	*raw = spelling_unit(span_cut(r->in, r->at, r->in.n), r->level, &c);
	if (r->at + *raw > SPELLING_MOST)
		return -2;
	if (*raw)
		return c;
	r->more = true;
	return -2;
}

/* Consumes a word if it is next, in any letter case. */
static bool
take_spelled_word(struct reader *r, const char *word)
{
	struct reader ahead = *r;
	size_t raw;

	for (; *word; word++) {
		int c = peek_spelled(&ahead, &raw);
		if (c < 0 || c > 0xff || to_lower((char)c) != *word) {
			r->more = r->more || ahead.more;
			return false;
		}
		ahead.at += raw;
	}
	*r = ahead;
	return true;
}

static const struct bracket *
take_bracket(struct reader *r, bool close)
{
	size_t raw;
	int first = peek_spelled(r, &raw);

	for (size_t i = 0; first >= 0 && i < COUNT_OF(brackets); i++) {
		const char *word = close ? brackets[i].close : brackets[i].open;
		if (first == (unsigned char)word[0] && take_spelled_word(r, word))
			return &brackets[i];
	}
	return NULL;
}

/* Consumes emphasis and spaces next to a bracket. */
static void
take_decor(struct reader *r)
{
	size_t raw;

	for (int i = 0; i < DECOR_MOST; i++) {
		int c = peek_spelled(r, &raw);
		if (c < 0 || c > 0x7f || !is_one_of((char)c, "*_`~ "))
			return;
		r->at += raw;
	}
}

/* Consumes a name: letters, digits, and "_", "\_", "-" or a space as underscores. *markdown is
 * set if an underscore was escaped. */
static void
take_name(struct reader *r, const struct spelling_names *names, struct spelling *out,
	bool *markdown)
{
	size_t raw;
	uint32_t node;

	out->node = 1;
	for (;;) {
		struct reader before = *r;
		int c = peek_spelled(r, &raw);
		bool escaped = c == '\\';
		if (escaped) {
			r->at += raw;
			c = peek_spelled(r, &raw);
		}
		if (c < 0 || c > 0x7f || (escaped && c != '_')) {
			bool more = r->more;
			*r = before;
			r->more = more;
			return;
		}
		char letter = is_one_of((char)c, "_- ") ? '_' : to_upper((char)c);
		node = letter == '_' || is_alnum(letter)
			       ? names->next(names->of, out->node, letter)
			       : 0;
		if (node == 0 || out->name_n == sizeof(out->name)) {
			*r = before;
			return;
		}
		r->at += raw;
		out->node = node;
		out->name[out->name_n++] = letter;
		*markdown = *markdown || escaped;
	}
}

/* Returns 1 if a spelling was read. Returns 0 if there is none, or if more input is needed
 * (reader.more). */
static int
read_spelling(struct reader *r, const struct spelling_names *names, struct spelling *out)
{
	bool markdown = false;
	const struct bracket *open = take_bracket(r, false), *close;

	if (!open)
		return 0;
	take_decor(r);
	if (r->more)
		return 0;
	take_name(r, names, out, &markdown);
	if (r->more || !names->whole(names->of, out->node, span_of(out->name, out->name_n)))
		return 0;
	take_decor(r);
	if (r->more || !(close = take_bracket(r, true)))
		return 0;
	/* In a path such as C:\Users\<PERSON_1>\Documents the backslash is no escape. */
	if (open == MARKDOWN && close != MARKDOWN && !markdown)
		return 0;
	if ((open->escape == ESCAPE_URI) != (close->escape == ESCAPE_URI))
		return 0;
	out->raw = r->at;
	out->escape = open->escape;
	return 1;
}

int
spelling_at(struct span in, unsigned level, bool final, const struct spelling_names *names,
	struct spelling *out)
{
	struct reader r = { .in = in, .level = level };

	out->name_n = 0;
	if (read_spelling(&r, names, out))
		return 1;
	return r.more && !final ? -1 : 0;
}

/* ---- values in place of a spelling ---- */

static void
html(struct buf *out, struct span value)
{
	static const char signs[] = "&<>\"";
	static const char *const names[] = { "&amp;", "&lt;", "&gt;", "&quot;" };

	for (size_t i = 0; i < value.n; i++) {
		const char *sign =
			is_one_of(value.p[i], signs) ? strchr(signs, value.p[i]) : NULL;
		if (sign)
			buf_str(out, names[sign - signs]);
		else
			buf_putc(out, value.p[i]);
	}
}

void
spelling_value(struct buf *out, struct span value, enum spelling_escape escape, unsigned level)
{

	if (escape == ESCAPE_NONE && level == 0) {
		buf_span(out, value);
		return;
	}
	SCOPED_BUF(text, 0);
	if (escape == ESCAPE_HTML)
		html(&text, value);
	else if (escape == ESCAPE_URI)
		uri_encode(&text, value, false);
	else
		buf_span(&text, value);
	spelled_json(&text, level + (escape == ESCAPE_JSON));
	out->failed |= text.failed;
	buf_span(out, buf_view(&text));
}
