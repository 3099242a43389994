/* extract/pdf: texts of a PDF besides those of its pages, row by row and cut at every offset;
 * the response made of a job's frames; heads of pictures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <zlib.h>
#include <stdlib.h>

#include "base/scoped.h"
#include "extract/frame.h"
#include "extract/pdf.h"
#include "extract/picture.h"
#include "support/guard.h"

#define HEAD	"%PDF-1.7\n"
#define TAIL	"\n%%EOF\n"
#define PAGES	"1 0 obj <</Type/Catalog/Pages 2 0 R>> endobj\n2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n"
#define PAGE	"3 0 obj <</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>> endobj\n"
#define ROOT	"trailer <</Root 1 0 R>>\n"
#define OBJ(s)	"7 0 obj " s " endobj\n"
#define OBJ8(s) "8 0 obj " s " endobj\n"
#define OBJ9(s) "9 0 obj " s " endobj\n"
#define WHY(w)	(1u << EXTRACT_##w)
#define NOTHING 0

/* clang-format off */
/* Objects beside those of an empty page. libqpdf finds them without a table of their places. */
static const struct {
	const char *name, *body;
	unsigned unread;
	enum extract_error error;
	const char *text;
	/* texts of frames, with their kinds; NULL: none */
	const char *frames;
} rows[] = {
	{ "a page alone", "", NOTHING, 0, "", NULL },
	{ "a note is text", OBJ("<</Type/Annot/Subtype/Text/Contents(a note)>>"), NOTHING, 0, "a note\n", NULL },
	{ "the author of a note", OBJ("<</Subtype/Text/Contents(a note)/T(Ann Lee)>>"), NOTHING, 0, "author name: Ann Lee\na note\nAnn Lee\n", NULL },
	{ "rich text of a note", OBJ("<</Subtype/FreeText/RC 8 0 R>>") OBJ8("<</Length 30>>stream\n<p>rich &amp; famous</p>\nendstream"), NOTHING, 0, "", "1:<p>rich &amp; famous</p>1:rich & famous\n" },
	{ "a sound is not read", OBJ("<</Subtype/Sound/Sound 8 0 R>>") OBJ8("<</Length 1>>stream\nx\nendstream"), WHY(ANNOTATIONS), 0, "", NULL },
	{ "a field by its names", OBJ("<</FT /Tx/T(iban)/TU(Your IBAN)/V(DE89)>>"), NOTHING, 0, "iban: DE89\nYour IBAN: DE89\niban\nYour IBAN\nDE89\n", NULL },
	{ "a choice that is a name", OBJ("<</FT /Btn/T(paid)/V/Yes>>"), NOTHING, 0, "paid: Yes\npaid\n", NULL },
	{ "a value in a stream", OBJ("<</FT /Tx/T(ab)/V 8 0 R>>") OBJ8("<</Length 9>>stream\na\nvalue\nendstream"), NOTHING, 0, "ab\n", "1:a\nvalue" },
	{ "XFA", OBJ("<</XFA[(ab) 8 0 R (cd) 9 0 R]>>") OBJ8("<</Length 9>>stream\n<a>one</a>\nendstream") OBJ9("<</Length 9>>stream\n<b>two</b>\nendstream"), NOTHING, 0, "ab\ncd\n", "1:<a>one</a>1:one\n1:<b>two</b>1:two\n" },
	{ "XFA in an encoding that nobody knows", OBJ("<</XFA 8 0 R>>") OBJ8("<</Length 1/Filter/Other>>stream\nx\nendstream"), WHY(FORMS), 0, "", NULL },
	{ "a script", OBJ("<</S/JavaScript/JS(app.alert\\('hi'\\))>>"), NOTHING, 0, "app.alert('hi')\n", NULL },
	{ "a script in a stream", OBJ("<</S/JavaScript/JS 8 0 R>>") OBJ8("<</Length 9>>stream\nvar a = 1;\nvar b;\nendstream"), NOTHING, 0, "", "1:var a = 1;\nvar b;" },
	{ "a script in UTF-16", OBJ("<</S/JavaScript/JS 8 0 R>>") OBJ8("<</Length 9/Filter/ASCIIHexDecode>>stream\nFEFF0061000A0062>\nendstream"), NOTHING, 0, "", "1:a\nb" },
	{ "an attached text", OBJ("<</F(a.txt)/EF<</F 8 0 R/UF 8 0 R>>>>") OBJ8("<</Length 9>>stream\nattached\nendstream"), NOTHING, 0, "a.txt\n", "1:attached" },
	{ "an attached text that nothing refers to", OBJ8("<</Type/EmbeddedFile/Length 9>>stream\nattached\nendstream"), NOTHING, 0, "", "1:attached" },
	{ "an attached PDF", OBJ("<</EF<</UF 8 0 R>>>>") OBJ8("<</Length 9>>stream\n%PDF-1.4\nendstream"), NOTHING, 0, "", "7:%PDF-1.4\n" },
	{ "an attached picture", OBJ("<</EF<</F 8 0 R>>>>") OBJ8("<</Length 9/Filter/ASCIIHexDecode>>stream\n89504e470d0a1a0a00>\nendstream"), WHY(ATTACHMENTS), 0, "", NULL },
	{ "an attached RTF", OBJ("<</EF<</F 8 0 R>>>>") OBJ8("<</Length 9>>stream\n{\\rtf1}\nendstream"), WHY(ATTACHMENTS), 0, "", NULL },
	{ "no attachment in a list", OBJ("<</EmbeddedFiles<</Names[]>>>>"), NOTHING, 0, "", NULL },
	{ "an attachment in an encoding that nobody knows", OBJ("<</EF<</F 8 0 R>>>>") OBJ8("<</Length 1/Filter/Other>>stream\nx\nendstream"), WHY(ATTACHMENTS), 0, "", NULL },
	{ "pages that are fewer than counted", OBJ("<</Count 9/Kids[3 0 R]>>"), NOTHING, 0, "", NULL },
	{ "fewer are counted than there are", OBJ("<</Type/Pages/Count 1/Kids[3 0 R 3 0 R]>>"), NOTHING, EXTRACT_DAMAGED, "", NULL },
	{ "a count in another object", OBJ("<</Count 8 0 R/Kids[3 0 R 3 0 R]>>") OBJ8("1"), NOTHING, EXTRACT_DAMAGED, "", NULL },
	{ "names and outlines have no number of pages", OBJ("<</Kids[3 0 R 3 0 R]/Limits[(ab) (cd)]>>") OBJ8("<</Count -2/First 3 0 R>>"), NOTHING, 0, "ab\ncd\n", NULL },
	{ "a key with two values", OBJ("<</Title(ab)/Title(cd)>>"), WHY(ERRORS), 0, "cd\n", NULL },
	{ "a title", OBJ("<</Title(A \\(nested (title\\)\\) \\101\\n\\\nwrapped))>>"), NOTHING, 0, "A (nested (title)) A wrapped)\n", NULL },
	{ "in UTF-16", OBJ("<</Title<FEFF 00E9 D83D DE00 D83D>>>"), NOTHING, 0, "\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD\n", NULL },
	{ "in UTF-16 the other way", OBJ("<</Title<FFFE E900 4100>>>"), NOTHING, 0, "\xC3\xA9""A\n", NULL },
	{ "in PDFDocEncoding", OBJ("<</Title(a\x80\xE9)>>"), NOTHING, 0, "a\xE2\x80\xA2\xC3\xA9\n", NULL },
	{ "in UTF-8", OBJ("<</Title(\xC3\xA9t\xC3\xA9)>>"), NOTHING, 0, "\xC3\xA9t\xC3\xA9\n", NULL },
	{ "an odd digit", OBJ("<</Title<41424>>>"), NOTHING, 0, "AB@\n", NULL },
	{ "twice the same", OBJ("[(ab)(ab)]") OBJ8("(ab)"), NOTHING, 0, "ab\n", NULL },
	{ "an address", OBJ("<</S/URI/URI(https://example.com/)>>"), NOTHING, 0, "https://example.com/\n", NULL },
	{ "an author in another object", OBJ("<</Author 8 0 R>>") OBJ8("(me)"), NOTHING, 0, "author name: me\n", NULL },
	{ "an author in UTF-16", OBJ("<</Author<FEFF 00E9 0041>>>"), NOTHING, 0, "author name: \xC3\xA9""A\n", NULL },
	{ "the browser that printed it", OBJ("<</Creator(Mozilla/5.0 \\(X11\\) HeadlessChrome/131.0.6778.85)>>"), NOTHING, 0, "Mozilla/5.0 (X11) HeadlessChrome/131.0.6778.85\n", NULL },
	{ "dates and identifiers are no text", OBJ("<</ModDate(D:20260101120000+01'00')/ID[(abcdef)<414243>]/Ordering(Identity)>>"), NOTHING, 0, "", NULL },
	{ "a date with more text", OBJ("<</ModDate(D:20260101 call me)>>"), NOTHING, 0, "D:20260101 call me\n", NULL },
	{ "XMP", OBJ("<</Type/Metadata/Length 999>>stream\n<a xmlns:b='http://x/' b:c=\"of it\">A &lt;b&gt; &#233;&#x41;</a>\nendstream"), NOTHING, 0, "of it\nA <b> \xC3\xA9""A\n", NULL },
	{ "an image that has XMP is none", OBJ("<</Subtype/Image/Filter/DCTDecode/Metadata 99 0 R/Length 1>>stream\nx\nendstream"), NOTHING, 0, "", NULL },
	{ "XMP without a type, by its kind", OBJ("<</Subtype/XML/Length 9>>stream\n<a>it</a>\nendstream"), NOTHING, 0, "it\n", NULL },
	{ "XMP with a predictor", OBJ("<</Type/Metadata/Filter[/ASCIIHexDecode]/Length 9>>stream\n3c613e69743c2f613e>\nendstream"), NOTHING, 0, "it\n", NULL },
	{ "XMP in an encoding that nobody knows", OBJ("<</Type/Metadata/Filter/Other/Length 1>>stream\nx\nendstream"), WHY(METADATA), 0, "", NULL },
	{ "a font with a letter table", OBJ("<</Subtype/Type0/Encoding/Identity-H/ToUnicode 8 0 R>>") OBJ8("<</Length 1>>stream\nx\nendstream") OBJ9("<</Subtype/Type0/Encoding/90ms-RKSJ-H>>"), NOTHING, 0, "", NULL },
	{ "one that does not", OBJ("<</F1<</Subtype/Type0/Encoding/Identity-H>>/F2<</ToUnicode 8 0 R>>>>"), NOTHING, 0, "", "8:" },
	{ "nor one with a map of its own", OBJ("<</Subtype/Type0/Encoding 8 0 R>>") OBJ8("<</Length 1>>stream\nx\nendstream"), NOTHING, 0, "", "8:" },
	{ "letters that only the font knows", OBJ("<</BaseFont/EVFTAV+Sans/Type/Font/FirstChar 3/Subtype/TrueType>>"), NOTHING, 0, "", "8:" },
	{ "a TrueType font that is whole, encoded, or Latin", OBJ("<</BaseFont/Sans/Subtype/TrueType>>") OBJ8("<</BaseFont/EVFTAV+Sans/Subtype/TrueType/Encoding/WinAnsiEncoding>>")
		OBJ9("<</BaseFont/EVFTAV+Sans/Subtype/TrueType/FontDescriptor<</Flags 32>>>>"), NOTHING, 0, "", NULL },
	{ "one of a collection that readers know", OBJ("<</Subtype/Type0/Encoding/Identity-H/DescendantFonts[8 0 R]>>") OBJ8("<</CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)>>>>"), NOTHING, 0, "", NULL },
	{ "and one of none", OBJ("<</Subtype/Type0/Encoding/Identity-H/DescendantFonts[8 0 R]>>") OBJ8("<</CIDSystemInfo<</Ordering(Identity)>>>>") OBJ9("<</Ordering(Japan1)>>"), NOTHING, 0, "", "8:" },
	{ "an object that nothing refers to", OBJ("(nobody's)"), NOTHING, 0, "nobody's\n", NULL },
};
/* clang-format on */

/* letters of the copy, U+EC01 to U+EC03 */
#define B1 "\xEE\xB0\x81"
#define B2 "\xEE\xB0\x82"
#define B3 "\xEE\xB0\x83"

static void
scan_text(const char *body, size_t n, struct pdf_found *f)
{
	char *p = guard_dup(body, n);

	pdf_scan(span_of(p, n), f);
	guard_free(p, n);
}

static void
pdf_found_free(struct pdf_found *f)
{
	buf_free(&f->text);
	buf_free(&f->frames);
}

/* Appends the kind and the text of each frame, except that of FRAME_SHOWN. */
static void
texts_of_frames(struct span s, struct buf *out)
{
	struct frame f;

	while (s.n >= sizeof(f)) {
		memcpy(&f, s.p, sizeof(f));
		s = span_cut(s, sizeof(f), s.n);
		buf_printf(out, "%u:%.*s", f.kind, f.kind == FRAME_SHOWN ? 0 : (int)f.n, s.p);
		s = span_cut(s, f.n, s.n);
	}
	assert_int_equal(s.n, 0);
}

static void
texts_of_a_pdf_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char file[2048];
		struct pdf_found f;
		SCOPED_BUF(frames, 0);
		int n = snprintf(file, sizeof(file), "%s%s%s%s%s%s", HEAD, PAGES, PAGE,
			rows[i].body, ROOT, TAIL);
		scan_text(file, (size_t)n, &f);
		texts_of_frames(buf_view(&f.frames), &frames);
		if (f.error != rows[i].error || f.unread != rows[i].unread ||
			(!f.error && !span_is(buf_view(&f.text), rows[i].text)) ||
			!span_is(buf_view(&frames), rows[i].frames ? rows[i].frames : ""))
			fail_msg("%s: error %d, unread %x, text \"%.*s\", frames \"%.*s\"",
				rows[i].name, f.error, f.unread, SPAN_ARG(buf_view(&f.text)),
				SPAN_ARG(buf_view(&frames)));
		pdf_found_free(&f);
	}
}

/* A copy of the document shows them: pdftotext prints its text. */
static void
hidden_parts_of_a_pdf_are_shown(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *page, *root; bool shown; } hidden[] = {
		{ "a page alone", "", "", false },
		{ "a stamp that is seen", "/Annots[<</Subtype/Stamp/F 4/AP<</N 9 0 R>>>>]", "", false },
		{ "a hidden stamp", "/Annots[<</Subtype/Stamp/F 2/AP<</N 9 0 R>>>>]", "", true },
		{ "an appearance while the mouse is down", "/Annots[<</Subtype/Widget/AP<</N 9 0 R/D 9 0 R>>>>]", "", true },
		{ "an appearance of another state", "/Annots[<</Subtype/Widget/AS/a/AP<</N<</a 9 0 R/b 9 0 R>>>>>>]", "", true },
		{ "the appearance of the state", "/Annots[<</Subtype/Widget/AS/a/AP<</N<</a 9 0 R>>>>>>]", "", false },
		{ "layers", "", "/OCProperties<</OCGs[8 0 R]/D<<>>>>", true },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(hidden); i++) {
		char file[2048];
		struct pdf_found f;
		SCOPED_BUF(frames, 0);
		int n = snprintf(file, sizeof(file),
			"%s1 0 obj <</Type/Catalog/Pages 2 0 R%s>> endobj\n"
			"2 0 obj <</Type/Pages/Kids[3 0 R]/Count 1>> endobj\n"
			"3 0 obj <</Type/Page/Parent 2 0 R%s>> endobj\n"
			"9 0 obj <</Length 1>>stream\nx\nendstream endobj\n" ROOT "%s", HEAD,
			hidden[i].root, hidden[i].page, TAIL);
		scan_text(file, (size_t)n, &f);
		texts_of_frames(buf_view(&f.frames), &frames);
		assert_int_equal(f.error, EXTRACT_READ);
		assert_int_equal(f.unread, NOTHING);
		if (!span_is(buf_view(&frames), hidden[i].shown ? "8:" : ""))
			fail_msg("%s: frames \"%.*s\"", hidden[i].name,
				SPAN_ARG(buf_view(&frames)));
		pdf_found_free(&f);
	}
}

/* Appends a file with a table of its objects, and the string "one" as object 7. Returns the
 * offset of the table. */
static size_t
first_revision(struct buf *b)
{
	static const char first[] = HEAD PAGES PAGE;

	buf_str(b, first);
	buf_str(b, OBJ("(one)"));
	size_t table = b->n;
	buf_printf(b,
		"xref\n0 1\n0000000000 65535 f \n1 3\n%010d 00000 n \n%010d 00000 n \n"
		"%010d 00000 n \n7 1\n%010d 00000 n \n"
		"trailer <</Root 1 0 R/Size 8>>\nstartxref\n%zu%s",
		(int)(strstr(first, "1 0 obj") - first),
		(int)(strstr(first, "2 0 obj") - first),
		(int)(strstr(first, "3 0 obj <<") - first), (int)sizeof(first) - 1, table,
		TAIL);
	return table;
}

/* Saving a change appends it to the file, so the bytes still have what was there before. */
static void
older_revisions_are_read(void **state)
{
	struct pdf_found f;

	(void)state;
	SCOPED_BUF(b, 0);
	size_t first = first_revision(&b), second = b.n;
	buf_str(&b, OBJ("(two)"));
	size_t table = b.n;
	buf_printf(&b,
		"xref\n7 1\n%010zu 00000 n \ntrailer <</Root 1 0 R/Size 8/Prev %zu>>\n"
		"startxref\n%zu%s",
		second, first, table, TAIL);
	pdf_scan(buf_view(&b), &f);
	assert_int_equal(f.error, EXTRACT_READ);
	assert_true(span_is(buf_view(&f.text), "two\none\n"));
	pdf_found_free(&f);
	for (int i = 0; i < 80; i++)
		buf_printf(&b, "startxref\n%zu%s", table, TAIL);
	pdf_scan(buf_view(&b), &f);
	assert_int_equal(f.error, EXTRACT_TOO_LARGE);
	pdf_found_free(&f);
}

static void
lines_at_the_border_of_pages_are_joined(void **state)
{
	/* clang-format off */
	static const struct { const char *page, *next, *lines; } borders[] = {
		{ "pay to DE89 3704 0044\n", "0532 0130 00 today\nmore\n", "pay to DE89 3704 0044\n0532 0130 00 today\n" },
		{ "Letter\nof\nDE89 3704\n\n Page 1 of 2\n", "Letter\n0044 0532\nthe end\nPage 2 of 2", "DE89 3704\n0044 0532\n" },
		{ "Letter\nPage 1", "Letter\nPage 2", "" },
		{ "", "first", "" },
		{ "last", "\n \n", "" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(borders); i++) {
		SCOPED_BUF(out, 0);
		pdf_page_border(span_str(borders[i].page), span_str(borders[i].next), &out);
		if (!span_is(buf_view(&out), borders[i].lines))
			fail_msg("%zu: %.*s", i, SPAN_ARG(buf_view(&out)));
	}
}

static void
letters_of_a_pdf_string_are_decoded(void **state)
{
	static const struct {
		const char *text, *joined;
	} letters[] = {
		{ "", "" },
		{ "a b c d e f g h", "" },
		{ "a b c d e f g h i\nnext", "abcdefghi\nbcdefghi\ncdefghi\n" },
		{ "pay DE 8 9 3 7 0 4 0 0 4 4, now it",
			"payDE8937040044,\nDE8937040044,\n8937040044,\n" },
		{ "account DE8 9 3 7 0 4 0 0 4 4", "DE8937040044\n937040044\n37040044\n" },
		{ "to be or not to be is the one", "" },
		{ "a  b c d e f g h i", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(letters); i++) {
		SCOPED_BUF(out, 0);
		size_t n = strlen(letters[i].text);
		char *p = guard_dup(letters[i].text, n);
		pdf_join_letters(span_of(p, n), &out);
		if (!span_is(buf_view(&out), letters[i].joined))
			fail_msg("%s: %.*s", letters[i].text, SPAN_ARG(buf_view(&out)));
		guard_free(p, n);
	}
	assert_false(pdf_letters_unnamed(SPAN_LIT("\1\2\3\4\5\6\7 \r\n\t\f\1\2\3")));
	assert_true(pdf_letters_unnamed(SPAN_LIT("\1\2\3\4\5\6\7 \x08")));
	/* bullets and leaders */
	assert_false(pdf_letters_unnamed(SPAN_LIT("\3 one\n\3 two\n\3 \3 \3 \3 \3 \3 \3 \3 \3")));
	/* letters of the copy: check boxes, a number in a line, and one that stands upright */
	assert_false(pdf_letters_unnamed(SPAN_LIT(B1 " yes " B2 " no\n" B1 " left " B3 " right\n" B1
		B2 B1 B2 B1 B2 B1 B2 B1 B2)));
	assert_false(pdf_letters_unnamed(SPAN_LIT(B1 "\n" B2 "\n" B3 "\n" B1 "\n" B2 "\n" B3 "\nx\n" B1
		"\n" B2)));
	assert_true(pdf_letters_unnamed(SPAN_LIT("IBAN " B1 B2 B3 B1 " " B1 B2 B3 B1 "\n")));
	assert_true(pdf_letters_unnamed(SPAN_LIT(B1 "\n" B2 "\n" B3 "\n" B1 "\n" B2 "\n" B3 "\n" B1
		"\n" B2)));
	assert_false(pdf_letters_unnamed(SPAN_LIT("\xEE\xB1")));
	SCOPED_BUF(named, 0);
	pdf_named_letters(SPAN_LIT("a" B1 "b\f" B3 "\xEE\xB7\xBF\xEE\xB0"), &named);
	assert_true(span_is(buf_view(&named), "ab\f\xEE\xB7\xBF\xEE\xB0"));
	assert_true(pdf_letters_unnamed(
		SPAN_LIT("\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"
			 "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD")));
}

/* A composite font without names becomes one whose letters are private characters, in the copy only. */
static void
unnamed_letters_are_named_in_the_copy(void **state)
{
	static const char *const fonts[] = { "/Type0/Encoding/Identity-H", "/TrueType" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(fonts); i++) {
		char file[1024];
		struct pdf_found f;
		struct frame head;
		snprintf(file, sizeof(file),
			"%%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n"
			"2 0 obj<</Type/Pages/Count 1/Kids[3 0 R]>>endobj\n"
			"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Resources<</Font<</F 4 0 R>>>>>>endobj\n"
			"4 0 obj<</Type/Font/BaseFont/ABCDEF+X/Subtype%s>>endobj\n"
			"trailer<</Root 1 0 R>>\n%%%%EOF\n",
			fonts[i]);
		scan_text(file, strlen(file), &f);
		assert_int_equal(f.error, 0);
		assert_int_equal(f.unread, 0);
		assert_true(f.frames.n > sizeof(head));
		memcpy(&head, f.frames.p + f.frames.start, sizeof(head));
		assert_int_equal(head.kind, FRAME_SHOWN);
		assert_int_equal(head.page, 0);
		assert_non_null(memmem(f.frames.p, f.frames.n, i ? "<00> <FF> <EC00>" : "<0000> <00FF> <EC00>", 16));
		pdf_found_free(&f);
	}
}

/* Each word is examined a few times, not once from every other word, which would take
 * minutes. */
static void
rows_take_linear_time(void **state)
{
	static const char *const few[] = { "ab ", "a b c d e f g h i ab cd ef gh ij kl mn " };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(few); i++) {
		SCOPED_BUF(line, 0);
		SCOPED_BUF(out, 0);
		while (line.n < 2u << 20)
			buf_str(&line, few[i]);
		pdf_join_letters(buf_view(&line), &out);
		assert_true(out.n < 2 * line.n);
	}
}

/* Whatever is missing at the end, nothing is read beyond it. */
static void
cut_pdf_is_not_read_beyond_its_end(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char file[2048];
		/* the end mark comes first, so that it is always found */
		int n = snprintf(file, sizeof(file), "%s%s%s%s%s%s", HEAD, PAGES, PAGE, ROOT, TAIL,
			rows[i].body);
		for (size_t cut = (size_t)n - strlen(rows[i].body); cut <= (size_t)n; cut += 7) {
			struct pdf_found f;
			scan_text(file, cut, &f);
			pdf_found_free(&f);
		}
	}
}

static void
heads_of_files_are_recognized(void **state)
{
	/* clang-format off */
	static const struct { const char *file; enum extract_error error; } heads[] = {
		{ HEAD PAGES PAGE ROOT TAIL, EXTRACT_READ },
		{ "junk " HEAD PAGES PAGE ROOT TAIL, EXTRACT_READ },
		{ HEAD TAIL, EXTRACT_DAMAGED },
		{ "", EXTRACT_UNSUPPORTED },
		{ "GIF89a" TAIL, EXTRACT_UNSUPPORTED },
		{ HEAD, EXTRACT_DAMAGED },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(heads); i++) {
		struct pdf_found f;
		scan_text(heads[i].file, strlen(heads[i].file), &f);
		assert_int_equal(f.error, heads[i].error);
		pdf_found_free(&f);
	}
}

/* Writes a file with an object stream of n bytes of `plain`, deflated. */
static void
packed_file(struct buf *b, const char *type, const char *plain, size_t n)
{
	uLongf size = compressBound(n);
	Bytef *packed = malloc(size);
	unsigned char rows_of[] = { 0, 0, 0, 0, 1, 0, 9, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 0, 7, 0 };

	assert_int_equal(compress2(packed, &size, (const Bytef *)plain, n, 9), Z_OK);
	buf_str(b, HEAD PAGES PAGE);
	size_t at = b->n;
	buf_printf(b, "7 0 obj <<%s/Filter/FlateDecode/Length %lu>>stream\r\n", type, size);
	buf_put(b, packed, size);
	buf_str(b, "\nendstream endobj\n");
	size_t table = b->n;
	/* rows: kind, offset or stream, place in the stream; objects 1, 2, 3, 9, 7 */
	static const char *const objects[] = { "1 0 obj", "2 0 obj", "3 0 obj <<" };
	for (size_t i = 0; i < COUNT_OF(objects); i++) {
		size_t off = (size_t)((char *)memmem(b->p, b->n, objects[i], strlen(objects[i])) - b->p);
		rows_of[4 * i] = 1;
		rows_of[4 * i + 1] = (unsigned char)(off >> 8);
		rows_of[4 * i + 2] = (unsigned char)off;
	}
	rows_of[12] = 1;
	rows_of[13] = (unsigned char)(at >> 8);
	rows_of[14] = (unsigned char)at;
	buf_printf(b, "8 0 obj <</Type/XRef/Size 10/Index[1 3 7 1 9 1]/W[1 2 1]/Root 1 0 R/Length 20>>stream\n");
	buf_put(b, rows_of, sizeof(rows_of));
	buf_printf(b, "\nendstream endobj\nstartxref\n%zu%s", table, TAIL);
	free(packed);
}

static void
compressed_object_streams_are_read(void **state)
{
	static const char objects[] = "9 0 <</Title(packed)>>";
	struct pdf_found f;

	(void)state;
	SCOPED_BUF(b, 0);
	packed_file(&b, "/Type/ObjStm/N 1/First 4", objects, sizeof(objects) - 1);
	pdf_scan(buf_view(&b), &f);
	assert_int_equal(f.error, EXTRACT_READ);
	assert_int_equal(f.unread, NOTHING);
	assert_true(span_is(buf_view(&f.text), "packed\n"));
	pdf_found_free(&f);
}

/* In the form of pdftohtml's output. The document's content is only text in it. */
static void
output_of_pdftohtml_is_read_as_text(void **state)
{
	struct span xml = SPAN_LIT("<?xml?><pdf2xml>\n<page number=\"2\" top=\"0\">\n"
				   "<text top=\"1\">a &amp; <b>b</b> &#233;</text>\n"
				   "<text><a href=\"x\">c</a></text></page>\n"
				   "<page number=\"99999999999\"><text>d");
	struct buf b;
	unsigned page = 0;

	(void)state;
	buf_init(&b, 0);
	assert_true(pdf_html_page(&xml, &page, &b));
	assert_int_equal(page, 2);
	assert_true(span_is(span_trim(buf_view(&b), "\n"), "a & b \xC3\xA9\n\nc"));
	assert_true(pdf_html_page(&xml, &page, &b));
	assert_true(page > EXTRACT_PAGES);
	assert_true(span_is(buf_view(&b), "d"));
	assert_false(pdf_html_page(&xml, &page, &b));
	buf_free(&b);
}

static void
expensive_pdfs_are_limited(void **state)
{
	size_t n = 70 << 20;
	char *zeros = calloc(1, n);
	struct pdf_found f;

	(void)state;
	SCOPED_BUF(b, 0);
	packed_file(&b, "/Type/Metadata", zeros, n);
	pdf_scan(buf_view(&b), &f);
	assert_int_equal(f.error, EXTRACT_TOO_LARGE);
	pdf_found_free(&f);
	free(zeros);
	buf_clear(&b);
	buf_str(&b, HEAD PAGES PAGE "7 0 obj ");
	for (int i = 0; i < 400; i++)
		buf_str(&b, "[");
	buf_str(&b, " endobj\n" ROOT TAIL);
	pdf_scan(buf_view(&b), &f);
	assert_true(f.error || f.unread & WHY(ERRORS));
	pdf_found_free(&f);
}

static void
answer(const struct buf *said, const char *want)
{
	struct buf json;

	buf_init(&json, 0);
	frame_answer(buf_view(said), EXTRACT_KILLED, &json);
	if (!span_is(buf_view(&json), want))
		fail_msg("%.*s\nis not %s", SPAN_ARG(buf_view(&json)), want);
	buf_free(&json);
}

/* A job may send any frames. Only whole frames with an end become a response. */
static void
frames_of_a_job_become_a_response_only_if_whole(void **state)
{
	static const char killed[] = "{\"error\":\"killed\"}";
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	answer(&b, killed);
	frame_put(&b, FRAME_PAGES, 0, 2);
	frame_put_text(&b, FRAME_TEXT, 1, SPAN_LIT("a\"\xFF"));
	frame_put(&b, FRAME_UNREAD, 2, EXTRACT_NO_TEXT);
	frame_put(&b, FRAME_UNREAD, 0, EXTRACT_ERRORS);
	frame_put(&b, FRAME_UNREAD, 0, EXTRACT_ERRORS);
	answer(&b, killed);
	frame_put(&b, FRAME_END, 0, EXTRACT_READ);
	answer(&b, "{\"pages\":2,\"texts\":[{\"page\":1,\"text\":\"a\\\"\xEF\xBF\xBD\"}],"
		   "\"read\":\"text\","
		   "\"unread\":[{\"page\":2,\"why\":\"no_text\"},{\"page\":0,\"why\":"
		   "\"errors\"}]}");
	for (size_t cut = 0; cut < b.n; cut++) {
		struct buf part;
		buf_init(&part, 0);
		buf_span(&part, span_cut(buf_view(&b), 0, cut));
		answer(&part, killed);
		buf_free(&part);
	}
	frame_put(&b, FRAME_END, 0, EXTRACT_READ);
	answer(&b, killed); /* frames after the end make it invalid */
	/* clang-format off */
	static const struct { unsigned kind, n; } bad[] = {
		{ FRAME_TEXT, 1000 }, { FRAME_TEXT, ~0u }, { FRAME_UNREAD, EXTRACT_UNREAD_N },
		{ FRAME_END, EXTRACT_ERRORS_N }, { FRAME_CAGE, 0 }, { 0, 0 }, { 99, 0 },
	};
	/* clang-format on */
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		buf_clear(&b);
		frame_put(&b, bad[i].kind, 0, bad[i].n);
		frame_put(&b, FRAME_END, 0, EXTRACT_READ);
		answer(&b, killed);
	}
	buf_clear(&b);
	frame_put(&b, FRAME_END, 0, EXTRACT_TIMEOUT);
	answer(&b, "{\"error\":\"timeout\"}");
	/* over the limit of all texts together */
	buf_clear(&b);
	char *large = calloc(1, EXTRACT_TEXT_BYTES / 2 + 1);
	for (int i = 0; i < 2; i++)
		frame_put_text(&b, FRAME_TEXT, 1, span_of(large, EXTRACT_TEXT_BYTES / 2 + 1));
	frame_put(&b, FRAME_END, 0, EXTRACT_READ);
	answer(&b, "{\"error\":\"too_large\"}");
	free(large);
	buf_free(&b);
}

#define PNG(w, h) "\x89PNG\r\n\x1a\n\0\0\0\rIHDR" w h "\x08\0\0\0\0"

static void
heads_of_pictures_are_checked(void **state)
{
	/* clang-format off */
	static const struct { struct span file; enum extract_error error; } pictures[] = {
		{ SPAN_LIT(PNG("\0\0\x10\0", "\0\0\x20\0")), EXTRACT_READ },
		{ SPAN_LIT(PNG("\0\0\xEA\x60", "\0\0\xEA\x60")), EXTRACT_TOO_LARGE },
		{ SPAN_LIT("GIF89a\x10\0\x10\0\0"), EXTRACT_READ },
		{ SPAN_LIT("GIF89a\xFF\xFF\xFF\xFF\0"), EXTRACT_TOO_LARGE },
		{ SPAN_LIT("\xFF\xD8\xFF\xE0\0\x04xx\xFF\xFF\xC2\0\x11\x08\0\x10\0\x10\x03\0\0"), EXTRACT_READ },
		{ SPAN_LIT("\xFF\xD8\xFF\xE0\0\x04xx\xFF\xFF\xC2\0\x11\x08\xFF\xFF\xFF\xFF\x03\0\0"), EXTRACT_TOO_LARGE },
		{ SPAN_LIT("\xFF\xD8\xFF\xE0\0\0xx\xFF"), EXTRACT_READ },
		{ SPAN_LIT("RIFF\0\0\0\0WEBPVP8X\x0A\0\0\0\0\0\0\0\xFF\xFF\0\xFF\xFF\0"), EXTRACT_TOO_LARGE },
		{ SPAN_LIT("RIFF\0\0\0\0WEBPVP8L\x0A\0\0\0\x2F\xFF\xFF\xFF\xFF\0\0\0\0\0"), EXTRACT_TOO_LARGE },
		{ SPAN_LIT("RIFF\0\0\0\0WEBPVP8 \x0A\0\0\0\0\0\0\x9D\x01\x2A\x10\0\x10\0"), EXTRACT_READ },
		{ SPAN_LIT("RIFF\0\0\0\0WAVEfmt "), EXTRACT_UNSUPPORTED },
		{ SPAN_LIT("RIFF"), EXTRACT_UNSUPPORTED },
		{ SPAN_LIT("II*\0\x08\0\0\0"), EXTRACT_READ },
		{ SPAN_LIT("MM\0*\0\0\0\x08"), EXTRACT_READ },
		{ SPAN_LIT("/etc/passwd\n"), EXTRACT_UNSUPPORTED },
		{ SPAN_LIT("%PDF-1.4"), EXTRACT_UNSUPPORTED },
		{ SPAN_LIT(""), EXTRACT_UNSUPPORTED },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(pictures); i++) {
		struct span s = pictures[i].file;
		for (size_t cut = 0; cut <= s.n; cut++) {
			char *p = guard_dup(s.p, cut);
			enum extract_error error = picture_check(span_of(p, cut));
			guard_free(p, cut);
			if (cut == s.n && error != pictures[i].error)
				fail_msg("picture %zu: %s", i, extract_error_words[error]);
		}
	}
}

/* The manual contains each word that a response may have. */
static void
manual_has_every_word_of_a_response(void **state)
{
	static const char *const *const words[] = { extract_error_words + 1,
		extract_unread_words };
	static const size_t n[] = { EXTRACT_ERRORS_N - 1, EXTRACT_UNREAD_N };
	struct buf page;

	(void)state;
	buf_init(&page, 1 << 20);
	assert_true(buf_file(&page, "docs/man/tollgate-extract.8"));
	for (size_t list = 0; list < COUNT_OF(words); list++)
		for (size_t i = 0; i < n[list]; i++) {
			char line[64];
			int size =
				snprintf(line, sizeof(line), "\n.It Cm %s\n", words[list][i]);
			if (!memmem(page.p + page.start, page.n, line, (size_t)size))
				fail_msg(
					"docs/man/tollgate-extract.8 lacks %s", words[list][i]);
		}
	buf_free(&page);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(texts_of_a_pdf_are_found),
		cmocka_unit_test(letters_of_a_pdf_string_are_decoded),
		cmocka_unit_test(unnamed_letters_are_named_in_the_copy),
		cmocka_unit_test(rows_take_linear_time),
		cmocka_unit_test(cut_pdf_is_not_read_beyond_its_end),
		cmocka_unit_test(heads_of_files_are_recognized),
		cmocka_unit_test(compressed_object_streams_are_read),
		cmocka_unit_test(hidden_parts_of_a_pdf_are_shown),
		cmocka_unit_test(older_revisions_are_read),
		cmocka_unit_test(lines_at_the_border_of_pages_are_joined),
		cmocka_unit_test(output_of_pdftohtml_is_read_as_text),
		cmocka_unit_test(expensive_pdfs_are_limited),
		cmocka_unit_test(frames_of_a_job_become_a_response_only_if_whole),
		cmocka_unit_test(heads_of_pictures_are_checked),
		cmocka_unit_test(manual_has_every_word_of_a_response),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
