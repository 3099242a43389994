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
#define OBJ(s)	"7 0 obj " s " endobj "
#define WHY(w)	(1u << EXTRACT_##w)
#define NOTHING 0

static const char LONG_SPACE[] =
	"7 0 obj <</Subtype"
	"                                                                "
	"                                                                "
	"                                                                "
	"                                                                "
	"%% a comment\n%% and one more\r /Stamp>>";

/* clang-format off */
static const struct {
	const char *name, *body;
	unsigned unread;
	enum extract_error error;
	const char *text;
} rows[] = {
	{ "a page alone", OBJ("<</Type/Page/Annots[]/Resources<</Font<</F1 3 0 R>>>>>>"), NOTHING, 0, "" },
	{ "fonts and pictures are no annotations", OBJ("<</Subtype/Type1>>") OBJ("<</Subtype/Image>>") OBJ("<</Subtype/Link>>"), NOTHING, 0, "" },
	{ "a note", OBJ("<</Type/Annot/Subtype/Text>>"), WHY(ANNOTATIONS), 0, "" },
	{ "a name with #xx", OBJ("<</Sub#74ype /#53tamp>>"), WHY(ANNOTATIONS), 0, "" },
	{ "far apart, with comments", LONG_SPACE, WHY(ANNOTATIONS), 0, "" },
	{ "whose kind is another object's", OBJ("<</Subtype 9 0 R>>"), WHY(ANNOTATIONS), 0, "" },
	{ "within a string", "( 7 0 obj <</Subtype/Stamp>>)", WHY(ANNOTATIONS), 0, "" },
	{ "within a stream", OBJ("<</Length 30>>stream\n8 0 obj <</Subtype/Stamp>>\nendstream"), WHY(ANNOTATIONS), 0, "" },
	{ "within a comment", "% 8 0 obj <</Subtype/Stamp>>\n", WHY(ANNOTATIONS), 0, "" },
	{ "media", OBJ("<</RichMediaContent 3 0 R/Subtype/RichMedia>>"), WHY(ANNOTATIONS), 0, "" },
	{ "a field", OBJ("<</FT /Tx/T(a field)>>"), WHY(FORMS), 0, "a field\n" },
	{ "its kind elsewhere", OBJ("<</FT 9 0 R>>"), WHY(FORMS), 0, "" },
	{ "a widget", OBJ("<</Subtype/Widget>>"), WHY(FORMS), 0, "" },
	{ "XFA", OBJ("<</XFA[(ab) 3 0 R]>>"), WHY(FORMS), 0, "ab\n" },
	{ "a form without fields", OBJ("<</AcroForm<</Fields[]>>>>"), NOTHING, 0, "" },
	{ "an attachment", OBJ("<</EmbeddedFiles 3 0 R>>"), WHY(ATTACHMENTS), 0, "" },
	{ "a file in a file", OBJ("<</F(a.txt)/EF<</F 3 0 R>>>>"), WHY(ATTACHMENTS), 0, "a.txt\n" },
	{ "EF that is no dictionary", OBJ("<</EF 3>>"), NOTHING, 0, "" },
	{ "a layer that is off", OBJ("<</OCProperties<</D<</OFF[9 0 R]>>>>>>"), WHY(LAYERS), 0, "" },
	{ "all of them are", OBJ("<</OCProperties<</D<</BaseState/OFF>>>>>>"), WHY(LAYERS), 0, "" },
	{ "none is", OBJ("<</OCProperties<</D<</OFF[]/BaseState/ON>>>>>>"), NOTHING, 0, "" },
	{ "pages as many as there are", OBJ("<</Type/Pages/Kids[1 0 R 2 0 R]/Count 2>>") OBJ("<</Count 9/Kids[3 0 R]>>"), NOTHING, 0, "" },
	{ "fewer are counted than there are", OBJ("<</Type/Pages/Count 1/Kids[1 0 R 2 0 R]>>"), NOTHING, EXTRACT_DAMAGED, "" },
	{ "counted twice", OBJ("<</Count 2/Kids[1 0 R 2 0 R]/Count 1>>"), NOTHING, EXTRACT_DAMAGED, "" },
	{ "a count that is elsewhere", OBJ("<</Count 9 0 R/Kids[1 0 R]>>"), NOTHING, EXTRACT_DAMAGED, "" },
	{ "pages whose list is elsewhere", OBJ("<</Kids 9 0 R/Count 1>>"), NOTHING, EXTRACT_DAMAGED, "" },
	{ "names and outlines have no number of pages", OBJ("<</Kids[1 0 R 2 0 R]/Limits[(ab) (cd)]>>") OBJ("<</Count -2/First 3 0 R>>"), NOTHING, 0, "ab\ncd\n" },
	{ "a key", "trailer <</Encrypt 3 0 R>>", NOTHING, EXTRACT_ENCRYPTED, "" },
	{ "metadata of an encrypted one alone", OBJ("<</EncryptMetadata true>>"), NOTHING, 0, "" },
	{ "a title", OBJ("<</Title(A \\(nested (title\\)\\) \\101\\n\\\nwrapped))>>"), NOTHING, 0, "A (nested (title)) A wrapped)\n" },
	{ "in UTF-16", OBJ("<</Title<FEFF 00E9 D83D DE00 D83D>>>"), NOTHING, 0, "\xC3\xA9\xF0\x9F\x98\x80\xEF\xBF\xBD\n" },
	{ "in UTF-16 the other way", OBJ("<</Title<FFFE E900 4100>>>"), NOTHING, 0, "\xC3\xA9""A\n" },
	{ "in PDFDocEncoding", OBJ("<</Title(a\x80\xE9)>>"), NOTHING, 0, "a\xE2\x80\xA2\xC3\xA9\n" },
	{ "in UTF-8", OBJ("<</Title(\xC3\xA9t\xC3\xA9)>>"), NOTHING, 0, "\xC3\xA9t\xC3\xA9\n" },
	{ "an odd digit", OBJ("<</Title<41424>>>"), NOTHING, 0, "AB@\n" },
	{ "an address", OBJ("<</S/URI/URI(https://example.com/)>>"), NOTHING, 0, "https://example.com/\n" },
	{ "of the trailer", "trailer <</Info<</Author(me)>>>>", NOTHING, 0, "author name: me\n" },
	{ "an author in UTF-16", OBJ("<</Author<FEFF 00E9 0041>>>"), NOTHING, 0, "author name: \xC3\xA9""A\n" },
	{ "the browser that printed it", "trailer <</Info<</Creator(Mozilla/5.0 \\(X11\\) HeadlessChrome/131.0.6778.85)>>>>", NOTHING, 0, "Mozilla/5.0 (X11) HeadlessChrome/131.0.6778.85\n" },
	{ "dates and identifiers are no text", OBJ("<</ModDate(D:20260101120000+01'00')/ID[(abcdef)<414243>]/Ordering(Identity)>>"), NOTHING, 0, "" },
	{ "a date with more text", OBJ("<</ModDate(D:20260101 call me)>>"), NOTHING, 0, "D:20260101 call me\n" },
	{ "no white space at all", "7 0obj<</Title(ab)>>endobj", NOTHING, 0, "ab\n" },
	{ "an open string", OBJ("<</Title(open"), NOTHING, 0, "open endobj  %%EOF\n" },
	{ "XMP", OBJ("<</Type/Metadata/Length 999>>stream\n<a xmlns:b='http://x/' b:c=\"of it\">A &lt;b&gt; &#233;&#x41;</a>\nendstream"), NOTHING, 0, "of it\nA <b> \xC3\xA9""A\n" },
	{ "an image that has XMP is none", OBJ("<</Subtype/Image/Filter/DCTDecode/Metadata 9 0 R>>stream\nx\nendstream"), NOTHING, 0, "" },
	{ "XMP without a type, by its kind", OBJ("<</Subtype/XML>>stream\n<a>it</a>\nendstream"), NOTHING, 0, "it\n" },
	{ "XMP in another coding", OBJ("<</Type/Metadata/Filter/LZWDecode>>stream\nx\nendstream"), WHY(METADATA), 0, "" },
	{ "objects in another coding", OBJ("<</Type/ObjStm/Filter/LZWDecode>>stream\nx\nendstream"), NOTHING, EXTRACT_UNSUPPORTED, "" },
	{ "in two", OBJ("<</Type/ObjStm/Filter[/FlateDecode/FlateDecode]>>stream\nx\nendstream"), NOTHING, EXTRACT_UNSUPPORTED, "" },
	{ "in one that is elsewhere", OBJ("<</Type/ObjStm/Filter 9 0 R>>stream\nx\nendstream"), NOTHING, EXTRACT_UNSUPPORTED, "" },
	{ "in one that predicts", OBJ("<</Type/ObjStm/Filter/FlateDecode/DecodeParms<</Predictor 12>>>>stream\nx\nendstream"), NOTHING, EXTRACT_UNSUPPORTED, "" },
	{ "a filter parameter in another object", OBJ("<</Type/ObjStm/Filter/FlateDecode/DecodeParms 9 0 R>>stream\nx\nendstream"), NOTHING, EXTRACT_UNSUPPORTED, "" },
	{ "after a word that is a value", OBJ("<</A foo/B endobj/C stream/D >>/E]/Type/ObjStm/Filter/LZWDecode>>stream\nx\nendstream"), NOTHING, EXTRACT_UNSUPPORTED, "" },
	{ "behind what is no end of a line", OBJ("<</Type/ObjStm/First 4>>stream 1 0 <<>>\n1 0 <</Title(packed)>>\nendstream"), NOTHING, EXTRACT_DAMAGED, "" },
	{ "a font with a letter table", OBJ("<</Subtype/Type0/Encoding/Identity-H/ToUnicode 8 0 R>>") OBJ("<</Subtype/Type0/Encoding/90ms-RKSJ-H>>"), NOTHING, 0, "" },
	{ "one that does not", OBJ("<</F1<</Subtype/Type0/Encoding/Identity-H>>/F2<</ToUnicode 8 0 R>>>>"), WHY(FONTS), 0, "" },
	{ "nor one with a map of its own", OBJ("<</Subtype/Type0/Encoding 9 0 R>>"), WHY(FONTS), 0, "" },
	{ "letters that only the font knows", OBJ("<</BaseFont/EVFTAV+Sans/Type/Font/FirstChar 3/Subtype/TrueType>>"), WHY(FONTS), 0, "" },
	{ "a TrueType font that is whole, encoded or mapped", OBJ("<</BaseFont/Sans/Subtype/TrueType>>") OBJ("<</BaseFont/EVFTAV+Sans/Subtype/TrueType/Encoding/WinAnsiEncoding>>")
		OBJ("<</BaseFont/EVFTAV+Sans/Subtype/TrueType/ToUnicode 9 0 R>>"), NOTHING, 0, "" },
	{ "one of a collection that readers know", OBJ("<</Subtype/Type0/Encoding/Identity-H>>") OBJ("<</CIDSystemInfo<</Registry(Adobe)/Ordering(Japan1)>>>>"), NOTHING, 0, "" },
	{ "and one of none", OBJ("<</Subtype/Type0/Encoding/Identity-H>>") OBJ("<</Ordering(Japan1)>>") OBJ("<</Ordering(Identity)>>"), WHY(FONTS), 0, "" },
	{ "of one that is elsewhere", OBJ("<</Subtype/Type0/Encoding/Identity-H>>") OBJ("<</Ordering(GB1)>>") OBJ("<</Ordering 9 0 R>>"), WHY(FONTS), 0, "" },
	{ "a filter that does not match its data", OBJ("<</Type/ObjStm/Filter/FlateDecode>>stream\nx\nendstream"), NOTHING, EXTRACT_DAMAGED, "" },
	{ "plain objects", OBJ("<</Type/ObjStm/N 1/First 4>>stream\n1 0 <</Title(packed)/FT/Tx>>\nendstream"), WHY(FORMS), 0, "packed\n" },
};
/* clang-format on */

static void
scan_text(const char *body, size_t n, struct pdf_found *f)
{
	char *p = guard_dup(body, n);

	pdf_scan(span_of(p, n), f);
	guard_free(p, n);
}

static void
texts_of_a_pdf_are_found(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		char file[2048];
		struct pdf_found f;
		int n = snprintf(file, sizeof(file), "%s%s%s", HEAD, rows[i].body, TAIL);
		scan_text(file, (size_t)n, &f);
		if (f.error != rows[i].error || f.unread != rows[i].unread ||
			!span_is(buf_view(&f.text), rows[i].text))
			fail_msg("%s: error %d, unread %x, text \"%.*s\"", rows[i].name,
				f.error, f.unread, SPAN_ARG(buf_view(&f.text)));
		buf_free(&f.text);
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
	assert_false(pdf_letters_unnamed(SPAN_LIT("\1\2\3\4\5\6\7 \r\n\t\f")));
	assert_true(pdf_letters_unnamed(SPAN_LIT("\1\2\3\4\5\6\7 \x08")));
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
		int n = snprintf(file, sizeof(file), "%s%s%s", HEAD, TAIL, rows[i].body);
		for (size_t cut = 0; cut <= (size_t)n; cut++) {
			struct pdf_found f;
			scan_text(file, cut, &f);
			buf_free(&f.text);
		}
	}
}

static void
heads_of_files_are_recognized(void **state)
{
	/* clang-format off */
	static const struct { const char *file; enum extract_error error; } heads[] = {
		{ HEAD TAIL, EXTRACT_READ },
		{ "junk " HEAD TAIL, EXTRACT_READ },
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
		buf_free(&f.text);
	}
}

/* Writes a file with an object stream of n bytes of `plain`, deflated, shortened by `less`
 * bytes. */
static void
packed_file(struct buf *b, const char *type, const char *plain, size_t n, size_t less)
{
	uLongf size = compressBound(n);
	Bytef *packed = malloc(size);

	assert_int_equal(compress2(packed, &size, (const Bytef *)plain, n, 9), Z_OK);
	buf_printf(b, "%s7 0 obj <<%s/Filter/FlateDecode/Length %lu>>stream\r\n", HEAD, type,
		size - less);
	buf_put(b, packed, size - less);
	buf_str(b, "\nendstream endobj" TAIL);
	free(packed);
}

static void
compressed_object_streams_are_read(void **state)
{
	static const char objects[] = "1 0 2 9 <</Title(packed)>> <</Subtype/Stamp>>";
	/* clang-format off */
	static const struct { const char *type; size_t less; unsigned unread; const char *text; } packs[] = {
		{ "/Type/ObjStm/N 2/First 8", 0, WHY(ANNOTATIONS), "packed\n" },
		{ "/Type/ObjStm/N 2/First 8", 4, WHY(ANNOTATIONS), "packed\n" }, /* no checksum */
		{ "/Type/Other/N 2/First 8", 0, WHY(ANNOTATIONS), "packed\n" },
		{ "/Type/Other", 0, NOTHING, "" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(packs); i++) {
		struct buf b;
		struct pdf_found f;
		buf_init(&b, 0);
		packed_file(&b, packs[i].type, objects, sizeof(objects) - 1, packs[i].less);
		pdf_scan(buf_view(&b), &f);
		assert_int_equal(f.error, EXTRACT_READ);
		assert_int_equal(f.unread, packs[i].unread);
		assert_true(span_is(buf_view(&f.text), packs[i].text));
		buf_free(&f.text);
		buf_free(&b);
	}
}

/* The length is in another object, and the word that ends the stream is among its uncompressed
 * bytes. */
static void
stored_stream_with_an_end_word_is_read(void **state)
{
	static const char objects[] = "1 0 2 19 (a endstream here) <</Title(packed)>>";
	char n = sizeof(objects) - 1;
	char head[] = { 0x78, 0x01, 1, n, 0, (char)~n, (char)0xff };
	struct buf b;
	struct pdf_found f;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, HEAD "7 0 obj <</First 9/Filter/FlateDecode/Length 9 0 R>>stream\n");
	buf_put(&b, head, sizeof(head));
	buf_str(&b, objects);
	buf_str(&b, "\nendstream endobj" TAIL);
	pdf_scan(buf_view(&b), &f);
	assert_int_equal(f.error, EXTRACT_READ);
	assert_true(span_ends(buf_view(&f.text), SPAN_LIT("packed\n")));
	buf_free(&f.text);
	buf_free(&b);
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
	struct buf b;
	struct pdf_found f;

	(void)state;
	buf_init(&b, 0);
	packed_file(&b, "/Type/ObjStm", zeros, n, 0);
	pdf_scan(buf_view(&b), &f);
	assert_int_equal(f.error, EXTRACT_TOO_LARGE);
	buf_free(&f.text);
	buf_free(&b);
	/* each of many places where an object may begin is followed by all the others */
	buf_str(&b, HEAD);
	for (int i = 0; i < 20000; i++)
		buf_str(&b, "obj ( ");
	buf_str(&b, TAIL);
	pdf_scan(buf_view(&b), &f);
	assert_int_not_equal(f.error, EXTRACT_READ);
	buf_free(&f.text);
	buf_free(&b);
	free(zeros);
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
		cmocka_unit_test(rows_take_linear_time),
		cmocka_unit_test(cut_pdf_is_not_read_beyond_its_end),
		cmocka_unit_test(heads_of_files_are_recognized),
		cmocka_unit_test(compressed_object_streams_are_read),
		cmocka_unit_test(stored_stream_with_an_end_word_is_read),
		cmocka_unit_test(output_of_pdftohtml_is_read_as_text),
		cmocka_unit_test(expensive_pdfs_are_limited),
		cmocka_unit_test(frames_of_a_job_become_a_response_only_if_whole),
		cmocka_unit_test(heads_of_pictures_are_checked),
		cmocka_unit_test(manual_has_every_word_of_a_response),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
