/* Texts of a PDF (ISO 32000-1), for extract/pdf_objects.c and extract/job.c. The parts are: text
 * strings (7.9.2), XMP metadata and the output of pdftohtml, letters that were placed one by one,
 * and lines at the border of two pages. */
#include "base/buf.h"
#include "base/ascii.h"
#include "base/utf8.h"
#include "base/scoped.h"
#include "extract/pdf.h"
#include "scan/media/xml.h"

/* Appends a character. Control characters become spaces, except ends of lines and tabs if `lines`. */
static void
put_code(struct buf *out, uint32_t cp, bool lines)
{
	bool kept = lines && (cp == '\n' || cp == '\r' || cp == '\t');

	buf_utf8(out, (cp < ' ' || cp == 0x7F) && !kept ? ' ' : cp);
}

static void
utf16_text(struct span s, bool little, bool lines, struct buf *out)
{
	while (s.n >= 2)
		put_code(out, utf16_next(&s, little), lines);
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

void
pdf_text(struct span s, bool lines, struct buf *out)
{
	if (span_starts(s, SPAN_LIT("\xFE\xFF"))) {
		utf16_text(span_cut(s, 2, s.n), false, lines, out);
	} else if (span_starts(s, SPAN_LIT("\xFF\xFE"))) {
		utf16_text(span_cut(s, 2, s.n), true, lines, out);
	} else if (utf8_valid(s)) { /* many programs write UTF-8 without a mark */
		if (span_starts(s, SPAN_LIT("\xEF\xBB\xBF")))
			s = span_cut(s, 3, s.n);
		for (size_t i = 0; i < s.n; i++)
			if ((unsigned char)s.p[i] < 0x80)
				put_code(out, (unsigned char)s.p[i], lines);
			else
				buf_putc(out, s.p[i]);
	} else {
		for (size_t i = 0; i < s.n; i++)
			put_code(out, doc_encoding((unsigned char)s.p[i]), lines);
	}
}

bool
pdf_is_text(struct span s)
{
	if (span_starts(s, SPAN_LIT("\xFE\xFF")) || span_starts(s, SPAN_LIT("\xFF\xFE")))
		return true;
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] < ' ' && !strchr("\t\n\v\f\r", s.p[i] ? s.p[i] : 1))
			return false;
	return true;
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
	pdf_text(buf_view(&b), false, out);
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

void
pdf_xmp(struct span xml, struct buf *out)
{
	SCOPED_BUF(b, 0);

	if (xml.n > 1 && (xml.p[0] == 0 || xml.p[1] == 0 || (unsigned char)xml.p[0] >= 0xFE)) {
		/* UTF-16: with a byte order mark, or else big-endian */
		if ((unsigned char)xml.p[0] < 0xFE)
			buf_put(&b, xml.p[0] ? "\xFF\xFE" : "\xFE\xFF", 2);
		buf_span(&b, xml);
		SCOPED_BUF(utf8, 0);
		pdf_text(buf_view(&b), false, &utf8);
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
	/* least number of such letters in a line, as the shortest values have, and of different
	 * ones */
	UNNAMED_LEAST = 8,
	UNNAMED_KINDS = 3,
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

/* Unnamed letters of a line, or of a row on several lines. */
struct unnamed {
	size_t n, replaced; /* letters; replacement characters among them */
	/* bits by letter: control characters first, then those of the copy */
	uint64_t kinds[5];
};

static bool
is_unnamed_text(const struct unnamed *u)
{
	int different = 0;

	for (size_t i = 0; i < COUNT_OF(u->kinds); i++)
		different += __builtin_popcountll(u->kinds[i]);
	return (u->n >= UNNAMED_LEAST && different >= UNNAMED_KINDS) ||
	       u->replaced >= UNNAMED_LEAST;
}

static void
count_unnamed(struct unnamed *u, unsigned letter)
{
	u->n++;
	u->kinds[letter / 64] |= 1ull << letter % 64;
}

/* Returns the number of a letter of the copy at the front of a text, 0 to 255, or -1. */
static int
copy_letter(struct span s)
{
	if (s.n < 3 || (unsigned char)s.p[0] != (0xE0 | PDF_UNNAMED >> 12))
		return -1;
	unsigned cp = PDF_UNNAMED >> 12 << 12 | ((unsigned)s.p[1] & 0x3F) << 6 |
		      ((unsigned)s.p[2] & 0x3F);
	return cp >= PDF_UNNAMED && cp < PDF_UNNAMED + 256 ? (int)(cp - PDF_UNNAMED) : -1;
}

bool
pdf_letters_unnamed(struct span text)
{
	struct unnamed line = { 0 }, row = { 0 };

	for (size_t i = 0; i < text.n; i++) {
		unsigned char c = (unsigned char)text.p[i];
		struct span rest = span_cut(text, i, text.n);
		int letter = copy_letter(rest);
		if (letter >= 0) {
			count_unnamed(&line, 64 + (unsigned)letter);
			count_unnamed(&row, 64 + (unsigned)letter);
			i += 2;
		} else if (span_starts(rest, SPAN_LIT("\xEF\xBF\xBD"))) {
			line.n++;
			line.replaced++;
		} else if (c == '\n') {
			line = (struct unnamed){ 0 };
		} else if (c < ' ' && !strchr("\t\f\r", c ? c : '\t')) {
			count_unnamed(&line, c);
		}
		if (letter < 0 && c > ' ')
			row = (struct unnamed){ 0 };
		bool counted = letter >= 0 || line.n;
		if (counted && (is_unnamed_text(&line) || is_unnamed_text(&row)))
			return true;
	}
	return false;
}

void
pdf_named_letters(struct span text, struct buf *out)
{
	for (size_t i = 0; i < text.n; i++)
		if (copy_letter(span_cut(text, i, text.n)) >= 0)
			i += 2;
		else
			buf_putc(out, text.p[i]);
}

/* ---- borders of pages ---- */

enum { HEAD_LINES = 3 }; /* lines of a header or footer that are recognized */

/* Cuts the first line that has text from the front of a page, or with `last` the last line from
 * its end. Returns an empty span if no line is left. */
static struct span
cut_line(struct span *s, bool last)
{
	*s = span_trim(*s, " \t\r\n");
	size_t at = 0;

	if (!last)
		return span_trim(span_next(s, '\n'), " \t\r");
	for (at = s->n; at && s->p[at - 1] != '\n'; at--)
		;
	struct span line = span_trim(span_cut(*s, at, s->n), " \t\r");
	*s = span_cut(*s, 0, at);
	return line;
}

/* Returns true if two lines are equal except for their numbers, as headers and footers are. */
static bool
same_but_numbers(struct span a, struct span b)
{
	size_t i = 0, k = 0;

	while (i < a.n && k < b.n) {
		if (is_digit(a.p[i]) && is_digit(b.p[k])) {
			for (; i < a.n && is_digit(a.p[i]); i++)
				;
			for (; k < b.n && is_digit(b.p[k]); k++)
				;
		} else if (a.p[i++] != b.p[k++]) {
			return false;
		}
	}
	return i == a.n && k == b.n;
}

/* Returns the first or last line of `page` that is not in the same place of `other`. */
static struct span
line_of_own(struct span page, struct span other, bool last)
{
	struct span line = cut_line(&page, last);

	for (int i = 0; i < HEAD_LINES && line.n && same_but_numbers(line, cut_line(&other, last));
		i++)
		line = cut_line(&page, last);
	return line;
}

void
pdf_page_border(struct span page, struct span next, struct buf *out)
{
	struct span before = line_of_own(page, next, true);
	struct span after = line_of_own(next, page, false);

	if (!before.n || !after.n)
		return;
	buf_span(out, before);
	buf_putc(out, '\n');
	buf_span(out, after);
	buf_putc(out, '\n');
}
