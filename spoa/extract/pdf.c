/* Scans a PDF (ISO 32000-1) for text and things that pdftotext does not report. The parts are:
 * tokens and strings (7.2, 7.3, 7.9.2), names that are looked for in all bytes, XMP metadata
 * and the output of pdftohtml, letters that were placed one by one, and finally the scan of
 * objects. */
#define ZLIB_CONST
#include <zlib.h>

#include "base/buf.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "base/scoped.h"
#include "extract/pdf.h"
#include "scan/media/xml.h"

enum pdf_token_kind {
	PDF_END,
	PDF_NAME,   /* `name`, with #xx decoded */
	PDF_STRING, /* `raw`, with its brackets */
	PDF_NUMBER, /* `raw` */
	PDF_WORD,   /* obj, stream, R */
	PDF_MARK,   /* << >> [ ] { } or an unexpected byte: `raw` */
};

/* longer names have no meaning for the scan */
enum { PDF_NAME_BYTES = 40 };

struct pdf_token {
	enum pdf_token_kind kind;
	struct span raw;
	char name[PDF_NAME_BYTES + 1];
};

/* White space (7.2.2), which includes NUL. */
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

/* Decodes a name: name = "/" { regular | "#" hex hex }. Returns its length in `s`. */
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

/* Returns the length of a string: string = "(" { byte | "\" byte | string } ")" | "<" { hex }
 * ">". A string that is not closed reaches to the end. */
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

/* Cuts the next token from the front of *s, after white space and comments. */
static void
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

static bool
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

/* Appends the character that an escape stands for (7.3.4.2, table 3); s.p[i] follows the
 * backslash. Returns the number of its bytes. */
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

/* Appends the decoded bytes of a PDF_STRING. */
static void
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

/* Returns the code point of a byte in PDFDocEncoding (annex D.2). */
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

/* Appends the bytes of a text string (7.9.2.2) as UTF-8, without control characters. */
static void
pdf_text(struct span s, struct buf *out)
{
	if (span_starts(s, SPAN_LIT("\xFE\xFF"))) {
		utf16_text(span_cut(s, 2, s.n), false, out);
	} else if (span_starts(s, SPAN_LIT("\xFF\xFE"))) {
		utf16_text(span_cut(s, 2, s.n), true, out);
	} else if (utf8_valid(s)) { /* many programs write UTF-8 without a mark */
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

/* ---- names ----
 *
 * Names of things that pdftotext does not read. They are searched in every byte of the file: a
 * reader finds objects by offsets, so a name may be inside of what looks like a stream, a
 * string or a comment. A name is long, or it counts only with the token that follows, so that
 * compressed bytes do not look like it. */

/* The token that must follow a name. */
enum follows {
	ANYTHING,
	OBJECT, /* << [ ( or a reference */
	REFERENCE_OR_DICT,
	FULL_ARRAY, /* [ with a reference in it, or a reference */
	THE_VALUE,  /* the name `value`, or a reference */
};

/* clang-format off */
static const struct {
	const char *name;
	enum follows follows;
	const char *value;
	enum extract_unread why;
} names[] = {
	{ "Widget",         ANYTHING,   NULL, EXTRACT_FORMS },
	{ "XFA",            OBJECT,     NULL, EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Tx", EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Btn", EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Ch", EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Sig", EXTRACT_FORMS },
	{ "EmbeddedFiles",  ANYTHING,   NULL, EXTRACT_ATTACHMENTS },
	{ "EmbeddedFile",   ANYTHING,   NULL, EXTRACT_ATTACHMENTS },
	{ "FileAttachment", ANYTHING,   NULL, EXTRACT_ATTACHMENTS },
	{ "EF",             REFERENCE_OR_DICT, NULL, EXTRACT_ATTACHMENTS },
	{ "OFF",            FULL_ARRAY, NULL, EXTRACT_LAYERS },
	{ "BaseState",      THE_VALUE,  "OFF", EXTRACT_LAYERS },
	{ "RichMedia",      ANYTHING,   NULL, EXTRACT_ANNOTATIONS },
#define ANNOTATION(value) { "Subtype", THE_VALUE, value, EXTRACT_ANNOTATIONS },
	ANNOTATION("Text") ANNOTATION("FreeText") ANNOTATION("Line") ANNOTATION("Square")
	ANNOTATION("Circle") ANNOTATION("Polygon") ANNOTATION("PolyLine") ANNOTATION("Highlight")
	ANNOTATION("Underline") ANNOTATION("Squiggly") ANNOTATION("StrikeOut") ANNOTATION("Stamp")
	ANNOTATION("Caret") ANNOTATION("Ink") ANNOTATION("Popup") ANNOTATION("FileAttachment")
	ANNOTATION("Sound") ANNOTATION("Movie") ANNOTATION("Screen") ANNOTATION("PrinterMark")
	ANNOTATION("TrapNet") ANNOTATION("Watermark") ANNOTATION("3D") ANNOTATION("Redact")
	ANNOTATION("Projection")
};
/* clang-format on */

/* Returns true for reference = number number "R". */
static bool
is_reference(struct pdf_token t, struct span rest)
{
	if (t.kind != PDF_NUMBER)
		return false;
	pdf_next(&rest, &t);
	if (t.kind != PDF_NUMBER)
		return false;
	pdf_next(&rest, &t);
	return pdf_is(&t, PDF_WORD, "R");
}

static bool
follows_it(enum follows follows, const char *value, const struct pdf_token *t, struct span rest)
{
	struct pdf_token after;

	switch (follows) {
	case ANYTHING: return true;
	case OBJECT:
		return t->kind == PDF_STRING || pdf_is(t, PDF_MARK, "<<") ||
		       pdf_is(t, PDF_MARK, "[") || is_reference(*t, rest);
	case REFERENCE_OR_DICT: return pdf_is(t, PDF_MARK, "<<") || is_reference(*t, rest);
	case FULL_ARRAY:
		if (!pdf_is(t, PDF_MARK, "["))
			return is_reference(*t, rest);
		pdf_next(&rest, &after);
		return is_reference(after, rest);
	case THE_VALUE: return pdf_is(t, PDF_NAME, value) || is_reference(*t, rest);
	}
	return true;
}

static void
judge_name(const char *name, struct span rest, struct pdf_found *f)
{
	struct pdf_token t = { .kind = PDF_END };
	bool ahead = false;

	if (!strcmp(name, "Encrypt"))
		f->error = EXTRACT_ENCRYPTED;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (f->unread & 1u << names[i].why || strcmp(name, names[i].name))
			continue;
		if (!ahead && names[i].follows != ANYTHING)
			pdf_next(&rest, &t);
		ahead = ahead || names[i].follows != ANYTHING;
		if (follows_it(names[i].follows, names[i].value, &t, rest))
			f->unread |= 1u << names[i].why;
	}
}

/* Finds names anywhere in the bytes: in objects, streams, strings or comments. */
static void
pdf_names(struct span bytes, struct pdf_found *f)
{
	while (!f->error) {
		struct pdf_token t;
		size_t at = span_chr(bytes, '/');
		if (at >= bytes.n)
			return;
		bytes = span_cut(bytes, at, bytes.n);
		struct span rest = bytes;
		pdf_next(&rest, &t);
		judge_name(t.name, rest, f);
		bytes = span_cut(bytes, 1, bytes.n);
	}
}

/* ---- XMP and pdftohtml ----
 *
 * Text of an XMP packet (ISO 16684-1), without an XML parser: text between tags, and values of
 * attributes, because RDF may be written so. Addresses of schemas are not text. The same
 * functions read the output of pdftohtml -xml: <page number="3"> with <text>…</text>, which may
 * contain <b>, <i> and <a>. */

/* Appends the text between tags of XML, with entities decoded. */
static void
pdf_entities(struct span s, struct buf *out)
{
	while (s.n) {
		uint32_t cp = 0;
		size_t n = s.p[0] == '&' ? xml_reference(span_cut(s, 1, s.n), &cp) : 0;
		if (n && (cp > 0x10ffff || (cp & 0x1ff800) == 0xd800))
			cp = 0xfffd;
		if (n)
			buf_utf8(out, cp);
		else
			buf_putc(out, s.p[0]);
		s = span_cut(s, n + 1, s.n);
	}
}

static void
put_plain(struct span s, struct buf *out)
{
	SCOPED_BUF(b, 0);

	pdf_entities(span_trim(s, " \t\r\n"), &b);
	if (b.n < 2)
		return;
	pdf_text(buf_view(&b), out);
	buf_putc(out, '\n');
}

/* Appends the attributes of a tag, except declarations. */
static void
put_attributes(struct span tag, struct buf *out)
{
	size_t at;

	while ((at = span_chr(tag, '=')) < tag.n) {
		struct span name = span_trim(span_cut(tag, 0, at), " \t\r\n");
		tag = span_trim(span_cut(tag, at + 1, tag.n), " \t\r\n");
		if (!tag.n || (tag.p[0] != '"' && tag.p[0] != '\''))
			continue;
		char quote = tag.p[0];
		tag = span_cut(tag, 1, tag.n);
		struct span value = span_next(&tag, quote);
		for (size_t space; (space = span_chr(name, ' ')) < name.n;)
			name = span_cut(name, space + 1, name.n);
		if (!span_starts(name, SPAN_LIT("xmlns")) &&
			!span_starts(name, SPAN_LIT("rdf:")))
			put_plain(value, out);
	}
}

/* Appends the text of an XMP packet: text between tags, and values of attributes. */
static void
pdf_xmp(struct span xml, struct buf *out)
{
	SCOPED_BUF(b, 0);

	if (xml.n > 1 && (xml.p[0] == 0 || xml.p[1] == 0 || (unsigned char)xml.p[0] >= 0xFE)) {
		/* UTF-16: with a byte order mark, or else big-endian */
		if ((unsigned char)xml.p[0] < 0xFE)
			buf_put(&b, xml.p[0] ? "\xFF\xFE" : "\xFE\xFF", 2);
		buf_span(&b, xml);
		SCOPED_BUF(utf8, 0);
		pdf_text(buf_view(&b), &utf8);
		buf_clear(&b);
		buf_move(&b, &utf8);
		xml = buf_view(&b);
	}
	while (xml.n && !buf_failed(out)) {
		put_plain(span_next(&xml, '<'), out);
		struct span tag = span_next(&xml, '>');
		if (!span_starts(tag, SPAN_LIT("?")))
			put_attributes(tag, out);
	}
}

/* ---- pdftohtml ---- */

static unsigned
page_number(struct span tag)
{
	unsigned n = 0;

	for (size_t i = strlen("page number=\""); i < tag.n && is_digit(tag.p[i]) && n < 100000;
		i++)
		n = n * 10 + (unsigned)(tag.p[i] - '0');
	return n;
}

bool
pdf_html_page(struct span *xml, unsigned *page, struct buf *out)
{
	bool inside = false;

	buf_clear(out);
	while (xml->n) {
		struct span before = *xml, plain = span_next(xml, '<');
		if (inside)
			pdf_entities(plain, out);
		struct span tag = span_next(xml, '>');
		if (!span_starts(tag, SPAN_LIT("page number="))) {
			if (inside && span_starts(tag, SPAN_LIT("/text")))
				buf_putc(out, '\n');
			continue;
		}
		if (inside) {
			*xml = span_cut(before, plain.n, before.n);
			return true;
		}
		inside = true;
		*page = page_number(tag);
	}
	return inside;
}

/* ---- letters ----
 *
 * Letters that were placed one by one: pdftotext prints a space between letters that are a
 * little apart, so that "DE 8 9 3 7 0" is many words. And letters that a font does not name. */

enum {
	/* bytes of a short word; it may have several, because letters that are close together
	 * are not separated */
	SHORT_WORD = 3,
	ROW_WORDS = 9,
	/* a row ends after this many words without a new end; bounds how often a word is
	 * examined */
	OTHERS_MOST = 36,
	/* number of words at which a row is assumed to begin, because short words may precede
	 * the row */
	ROW_BEGINS = 3,
	UNNAMED_LEAST = 8, /* least number of such letters; the shortest values have so many */
};

/* Returns the end of a row of short words at the front, of which three in four have one byte,
 * and the last one has one byte and perhaps a punctuation mark. Returns 0 if there is no such
 * row. */
static size_t
letters_row(struct span line)
{
	size_t words = 0, single = 0, since = 0, end = 0, at = 0;

	while (at < line.n && since++ < OTHERS_MOST) {
		size_t n = span_chr(span_cut(line, at, line.n), ' ');
		if (n == 0 || n > SHORT_WORD)
			break;
		words++;
		single += n == 1;
		if ((n == 1 || (n == 2 && !is_alpha(line.p[at + 1]))) && words >= ROW_WORDS &&
			single * 4 >= words * 3) {
			end = at + n;
			since = 0;
		}
		at += n + 1;
	}
	return end;
}

static void
put_letters_row(struct span row, struct buf *out)
{
	for (size_t begin = 0; begin < ROW_BEGINS && row.n; begin++) {
		for (size_t i = 0; i < row.n; i++)
			if (row.p[i] != ' ')
				buf_putc(out, row.p[i]);
		buf_putc(out, '\n');
		row = span_cut(row, span_chr(row, ' ') + 1, row.n);
	}
}

void
pdf_join_letters(struct span text, struct buf *out)
{
	while (text.n) {
		struct span line = span_next(&text, '\n');
		while (line.n) {
			size_t row = letters_row(line);
			if (row)
				put_letters_row(span_cut(line, 0, row), out);
			size_t skip = row ? row : span_chr(line, ' ');
			line = span_cut(line, skip + 1, line.n);
		}
	}
}

bool
pdf_letters_unnamed(struct span text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.n; i++)
		n += (unsigned char)text.p[i] < ' ' && !strchr("\t\n\f\r", text.p[i]);
	return n >= UNNAMED_LEAST;
}

/* ---- objects ----
 *
 * The scan of a PDF's objects: their strings, object streams (ISO 32000-1 7.5.7) and XMP.
 *
 * Every place where an object may begin is read ("obj", "trailer"), because an offset might
 * send a reader there, even inside of another object. Bytes may thus be read more than once, so
 * their number is bounded. Only streams with objects or XMP are decompressed. */

enum {
	HEAD_BYTES = 1024, /* "%PDF-" must be in these first bytes */
	TAIL_BYTES = 4096, /* "%%EOF" must be in these last bytes */
	INFLATED_BYTES = 64 << 20,
	STEP_BYTES_PDF = 64 << 10,
	TIMES_OVER = 8, /* bytes read for each byte of the file */
	NEST_MAX = 100,
};

/* State of one scan. Lives on the stack of pdf_scan(). */
struct scan {
	struct pdf_found *f;
	struct span file;
	size_t left; /* bytes that may still be read */
	size_t inflated;
	struct buf bytes; /* decoded bytes of a string */
	/* fonts without a map for their letters; collections of characters (9.7.3) whose
	 * letters readers know, and others */
	bool unnamed, known, unknown;
};

/* The part of an object's dictionary that describes its stream. */
struct stream_dict {
	bool objects, xmp;
	bool flate, other; /* encoded with Flate, or otherwise */
	size_t length;	   /* 0: not stated in the dictionary */
};

/* The part of a dictionary that describes a font: letters of several bytes, and a map of its
 * letters; a TrueType font of which some letters are embedded, and its encoding. */
struct font_dict {
	bool composite, own, unicode;
	bool truetype, subset, encoded;
};

/* The part of a dictionary that describes the pages below (7.7.3.2). If there are two values,
 * the one that hides more counts. */
struct pages_dict {
	size_t kids, count;
	bool counted;
};

/* The containers that are open around a token. In a dictionary, a value may be any token, also
 * ">>" or a word, because poppler reads it so. */
struct nest {
	unsigned depth;
	bool value; /* a key was read */
	char open[NEST_MAX];
	struct {
		struct font_dict font;
		struct pages_dict pages;
	} dict[NEST_MAX];
};

/* Strings under these keys are not text. */
static const char *const no_text_of[] = { "ID", "O", "U", "OE", "UE", "Perms", "Registry",
	"Ordering", "Panose", "CharSet", "Indexed", "DeviceRGB", "DeviceGray", "DeviceCMYK",
	"Lang" };

/* Adobe's collections, by their /Ordering. */
static const char *const known_orderings[] = { "Japan1", "GB1", "CNS1", "Korea1", "KR" };

/* Returns true for date = "D:" digits with + - Z ' (7.9.4). */
static bool
is_pdf_date(struct span s)
{
	if (!span_starts(s, SPAN_LIT("D:")))
		return false;
	for (size_t i = 2; i < s.n; i++)
		if (!is_digit(s.p[i]) && !strchr("+-Z'", s.p[i]))
			return false;
	return s.n <= 24;
}

static void
put_found_string(struct scan *s, const char *key, struct span raw)
{
	if (SPAN_IN(span_str(key), no_text_of))
		return;
	buf_clear(&s->bytes);
	pdf_string_bytes(raw, &s->bytes);
	struct span bytes = span_trim(buf_view(&s->bytes), " \t\r\n");
	if (bytes.n < 2 || is_pdf_date(bytes))
		return;
	/* a name that detectors know, as scan/media/ writes it for other formats */
	if (!strcmp(key, "Author"))
		buf_str(&s->f->text, "author name: ");
	pdf_text(bytes, &s->f->text);
	buf_putc(&s->f->text, '\n');
}

/* Reads /Filter: names = name | "[" { name } "]". A reference counts as an unknown filter. */
static void
read_filter(struct span at, struct stream_dict *d)
{
	struct pdf_token t;

	pdf_next(&at, &t);
	bool list = pdf_is(&t, PDF_MARK, "[");
	if (list)
		pdf_next(&at, &t);
	for (; t.kind == PDF_NAME; pdf_next(&at, &t)) {
		bool flate = !strcmp(t.name, "FlateDecode") || !strcmp(t.name, "Fl");
		d->other = d->other || !flate || d->flate;
		d->flate = d->flate || flate;
		if (!list)
			return;
	}
	d->other = d->other || !list || !pdf_is(&t, PDF_MARK, "]");
}

static size_t
number_after(struct span at)
{
	struct pdf_token t;
	uint64_t n;

	pdf_next(&at, &t);
	return t.kind == PDF_NUMBER && !span_u64(t.raw, &n) ? n : 0;
}

/* Returns true for parameters = dictionary | null | "[" parameters "]" of /DecodeParms.
 * Parameters in another object may contain a predictor. */
static bool
parameters_are_here(struct span at)
{
	struct pdf_token t;

	pdf_next(&at, &t);
	if (pdf_is(&t, PDF_MARK, "["))
		pdf_next(&at, &t);
	return pdf_is(&t, PDF_MARK, "<<") || pdf_is(&t, PDF_WORD, "null") ||
	       pdf_is(&t, PDF_MARK, "]");
}

/* Returns true if a composite font (9.7.6) uses its CIDs or a map of its own. */
static bool
encodes_by_itself(struct span at)
{
	struct pdf_token t;

	pdf_next(&at, &t);
	return t.kind != PDF_NAME || !strcmp(t.name, "Identity-H") ||
	       !strcmp(t.name, "Identity-V");
}

/* Returns true for the name of a font of which some letters are embedded: six letters and a plus
 * sign come first (9.9.2). */
static bool
is_subset(struct span at)
{
	struct pdf_token t;
	size_t n = 0;

	pdf_next(&at, &t);
	while (t.kind == PDF_NAME && t.name[n] >= 'A' && t.name[n] <= 'Z')
		n++;
	return n == 6 && t.name[n] == '+';
}

static void
read_font_key(const char *name, struct span after, struct font_dict *d)
{
	if (!strcmp(name, "TrueType"))
		d->truetype = true;
	else if (!strcmp(name, "BaseFont"))
		d->subset = is_subset(after);
	d->encoded |= !strcmp(name, "Encoding");
	if (!strcmp(name, "Type0"))
		d->composite = true;
	else if (!strcmp(name, "Encoding"))
		d->own = encodes_by_itself(after);
	else if (!strcmp(name, "ToUnicode"))
		d->unicode = number_after(after) != 0;
}

/* Returns the number of references in an array, or SIZE_MAX if the array is another object. */
static size_t
references_after(struct span at)
{
	struct pdf_token t;
	size_t n = 0;

	pdf_next(&at, &t);
	if (!pdf_is(&t, PDF_MARK, "["))
		return SIZE_MAX;
	while (t.kind != PDF_END && !pdf_is(&t, PDF_MARK, "]")) {
		pdf_next(&at, &t);
		n += pdf_is(&t, PDF_WORD, "R");
	}
	return n;
}

/* Reads /Kids and /Count. A reader that uses /Count shows no /Kids beyond that number, and
 * another reader shows them. */
static void
read_pages_key(const char *name, struct span after, struct pages_dict *d)
{
	if (!strcmp(name, "Kids")) {
		size_t kids = references_after(after);
		d->kids = kids > d->kids ? kids : d->kids;
	} else if (!strcmp(name, "Count")) {
		struct pdf_token t;
		size_t count = number_after(after);
		for (int i = 0; i < 3; i++)
			pdf_next(&after, &t);
		if (pdf_is(&t, PDF_WORD, "R"))
			count = 0;
		d->count = d->counted && d->count < count ? d->count : count;
		d->counted = true;
	}
}

/* Reads a name of a dictionary that has the name `before` in front of it. XMP has /Type /Metadata;
 * /Metadata as a key only refers to XMP, for example to that of an image. */
static void
read_stream_key(
	const char *before, const char *name, struct span after, struct stream_dict *d)
{
	if (!strcmp(name, "First") || !strcmp(name, "ObjStm"))
		d->objects = true;
	else if (!strcmp(name, "Metadata") || !strcmp(name, "XML"))
		d->xmp = d->xmp || !strcmp(before, "Type") || !strcmp(before, "Subtype");
	else if (!strcmp(name, "Filter"))
		read_filter(after, d);
	else if (!strcmp(name, "Predictor"))
		d->other = d->other || number_after(after) != 1;
	else if (!strcmp(name, "DecodeParms") || !strcmp(name, "DP"))
		d->other = d->other || !parameters_are_here(after);
	else if (!strcmp(name, "Length"))
		d->length = number_after(after);
}

/* Returns the data after "stream" and its line end. *ok: nothing else follows on the line. */
static struct span
after_stream(struct span at, bool *ok)
{
	size_t n = 0;

	while (n < at.n && (at.p[n] == ' ' || at.p[n] == '\t'))
		n++;
	*ok = n < at.n && (at.p[n] == '\r' || at.p[n] == '\n');
	n += span_starts(span_cut(at, n, at.n), SPAN_LIT("\r\n")) ? 2 : 1;
	return span_cut(at, n, at.n);
}

/* Returns the stream's data: by /Length if "endstream" follows there, else up to that word. */
static struct span
stream_data(struct span at, size_t length)
{
	if (length && length < at.n) {
		struct span after = span_cut(at, length, at.n);
		struct pdf_token t;
		after = span_cut(after, 0, 64);
		pdf_next(&after, &t);
		if (pdf_is(&t, PDF_WORD, "endstream"))
			return span_cut(at, 0, length);
	}
	const char *end = at.n ? memmem(at.p, at.n, "endstream", 9) : NULL;
	return span_cut(at, 0, end ? (size_t)(end - at.p) : at.n);
}

static void
read_ordering(struct scan *s, struct span after)
{
	struct pdf_token t;

	pdf_next(&after, &t);
	buf_clear(&s->bytes);
	if (t.kind == PDF_STRING)
		pdf_string_bytes(t.raw, &s->bytes);
	if (SPAN_IN(buf_view(&s->bytes), known_orderings))
		s->known = true;
	else
		s->unknown = true;
}

/* Decompresses a stream: a head of two bytes (RFC 1950 2.2), then deflate. Bytes after it, such
 * as a checksum, are ignored, as readers of PDF do. */
static enum extract_error
inflate_stream(struct scan *s, struct span in, struct buf *out)
{
	unsigned head =
		in.n < 2 ? 0u : (unsigned)(unsigned char)in.p[0] << 8 | (unsigned char)in.p[1];

	if ((head >> 8 & 15) != Z_DEFLATED || head % 31 || head & 0x20)
		return EXTRACT_DAMAGED;
	z_stream z = { .next_in = (const Bytef *)in.p + 2, .avail_in = (uInt)in.n - 2 };
	int r = inflateInit2(&z, -MAX_WBITS);
	enum extract_error error = r == Z_OK ? EXTRACT_READ : EXTRACT_MEMORY;

	while (!error && r == Z_OK) {
		char *to = buf_reserve(out, STEP_BYTES_PDF);
		if (!to) {
			error = EXTRACT_MEMORY;
			break;
		}
		z.next_out = (Bytef *)to;
		z.avail_out = STEP_BYTES_PDF;
		r = inflate(&z, Z_NO_FLUSH);
		buf_commit(out, STEP_BYTES_PDF - z.avail_out);
		s->inflated += STEP_BYTES_PDF - z.avail_out;
		if (s->inflated > INFLATED_BYTES)
			error = EXTRACT_TOO_LARGE;
		else if (r != Z_OK && r != Z_STREAM_END)
			error = EXTRACT_DAMAGED;
	}
	inflateEnd(&z);
	return error;
}

static void read_objects(struct scan *s, struct span in, bool many);

/* Reads a stream with objects or XMP. Compressed data end where they say, whatever /Length is,
 * because "endstream" may occur among their bytes. */
static void
read_stream(struct scan *s, const struct stream_dict *d, struct span at)
{
	SCOPED_BUF(plain, 0);
	bool ok;
	struct span data = after_stream(at, &ok);

	if (!ok)
		s->f->error = EXTRACT_DAMAGED;
	else if (d->other && d->objects)
		s->f->error = EXTRACT_UNSUPPORTED;
	else if (d->other)
		s->f->unread |= 1u << EXTRACT_METADATA;
	else if (d->flate)
		s->f->error = inflate_stream(s, data, &plain);
	if (d->other || s->f->error)
		return;
	data = d->flate ? buf_view(&plain) : stream_data(data, d->length);
	s->left += plain.n;
	if (d->objects) {
		pdf_names(data, s->f);
		read_objects(s, data, true);
	} else {
		pdf_xmp(data, &s->f->text);
	}
}

/* Updates the containers around the token. */
static void
nest_token(struct scan *s, struct nest *n, const struct pdf_token *t, struct span after)
{
	bool opens = pdf_is(t, PDF_MARK, "<<") || pdf_is(t, PDF_MARK, "[");
	char in = n->depth ? n->open[n->depth - 1] : 0;
	struct font_dict *font = &n->dict[n->depth ? n->depth - 1 : 0].font;
	struct pages_dict *pages = &n->dict[n->depth ? n->depth - 1 : 0].pages;

	if (opens && n->depth == NEST_MAX) {
		s->f->error = EXTRACT_DAMAGED;
	} else if (opens) {
		n->value = false;
		memset(&n->dict[n->depth], 0, sizeof(n->dict[0]));
		n->open[n->depth++] = t->raw.p[0];
	} else if (in == '[') {
		n->depth -= pdf_is(t, PDF_MARK, "]");
	} else if (in == '<') {
		if (t->kind == PDF_NAME)
			read_font_key(t->name, after, font);
		if (t->kind == PDF_NAME && !n->value)
			read_pages_key(t->name, after, pages);
		if (!n->value && pdf_is(t, PDF_MARK, ">>")) {
			n->depth--;
			s->unnamed |= font->composite && font->own && !font->unicode;
			/* the letters have numbers of the font's own, and no names */
			if (font->truetype && font->subset && !font->encoded && !font->unicode)
				s->f->unread |= 1u << EXTRACT_FONTS;
			if (pages->counted && pages->count < pages->kids)
				s->f->error = EXTRACT_DAMAGED;
		}
		n->value = !n->value && t->kind == PDF_NAME;
	}
}

/* Returns true for words that are values. Any other word ends an object. */
static bool
is_value_word(const struct pdf_token *t)
{
	return pdf_is(t, PDF_WORD, "R") || pdf_is(t, PDF_WORD, "true") ||
	       pdf_is(t, PDF_WORD, "false") || pdf_is(t, PDF_WORD, "null");
}

/* Reads the tokens of one object, or with `many` to the end: appends strings, and reads a
 * stream. */
static void
read_objects(struct scan *s, struct span in, bool many)
{
	struct stream_dict d = { 0 };
	struct nest nest; /* not initialized as a whole, because there are many objects */
	char key[PDF_NAME_BYTES + 1] = "";
	struct span at = in;
	struct pdf_token t;

	nest.depth = 0;
	nest.value = false;
	do {
		struct span before = at;
		pdf_next(&at, &t);
		size_t n = before.n - at.n;
		if (n > s->left) {
			s->f->error = EXTRACT_DAMAGED;
			return;
		}
		s->left -= n;
		if (t.kind == PDF_NAME) {
			read_stream_key(key, t.name, at, &d);
			memcpy(key, t.name, sizeof(key));
			if (!strcmp(key, "Ordering"))
				read_ordering(s, at);
		} else if (t.kind == PDF_STRING) {
			put_found_string(s, key, t.raw);
		} else if (t.kind == PDF_WORD && !many && !nest.depth) {
			if (pdf_is(&t, PDF_WORD, "stream") && (d.objects || d.xmp))
				read_stream(s, &d, at);
			if (!is_value_word(&t))
				return;
		}
		nest_token(s, &nest, &t, at);
	} while (t.kind != PDF_END && !s->f->error && !buf_failed(&s->f->text));
}

/* Reads an object after each occurrence of the word. */
static void
read_each(struct scan *s, const char *word)
{
	size_t n = strlen(word);
	struct span at = s->file;

	while (at.n && !s->f->error && !buf_failed(&s->f->text)) {
		const char *found = memmem(at.p, at.n, word, n);
		if (!found)
			return;
		bool ends = found > s->file.p && is_alpha(found[-1]); /* "endobj" */
		at = span_cut(at, (size_t)(found - at.p) + n, at.n);
		if (!ends)
			read_objects(s, at, false);
	}
}

static bool
is_in(struct span s, const char *word)
{
	return s.n && memmem(s.p, s.n, word, strlen(word));
}

void
pdf_scan(struct span file, struct pdf_found *f)
{
	struct scan s = { .f = f, .file = file };

	*f = (struct pdf_found){ 0 };
	buf_init(&f->text, EXTRACT_TEXT_BYTES);
	buf_init(&s.bytes, 0);
	s.left = file.n * TIMES_OVER;
	if (!is_in(span_cut(file, 0, HEAD_BYTES), "%PDF-"))
		f->error = EXTRACT_UNSUPPORTED;
	else if (!is_in(span_cut(file, file.n > TAIL_BYTES ? file.n - TAIL_BYTES : 0, file.n),
			 "%%EOF"))
		f->error = EXTRACT_DAMAGED;
	if (!f->error)
		pdf_names(file, f);
	if (!f->error)
		read_each(&s, "obj");
	if (!f->error)
		read_each(&s, "trailer");
	/* The collection of each font is not followed: one unknown collection is enough. */
	if (s.unnamed && (s.unknown || !s.known))
		f->unread |= 1u << EXTRACT_FONTS;
	if (!f->error && buf_failed(&f->text))
		f->error = EXTRACT_TOO_LARGE;
	buf_free(&s.bytes);
}
