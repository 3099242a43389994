/* extract/document: Office documents, archives and RTF, row by row and cut at every offset; numbers
 * as formats display them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/scoped.h"
#include "extract/document.h"
#include "extract/frame.h"
#include "extract/sheet.h"
#include "extract/xml_text.h"
#include "support/guard.h"

/* Appends the texts of a document, each with its places: "text@head|offset place|". */
static void
put_texts(const struct document *d, struct buf *out)
{
	struct span said = buf_view(&d->out);
	struct frame f;

	while (said.n >= sizeof(f)) {
		memcpy(&f, said.p, sizeof(f));
		struct span text = span_cut(said, sizeof(f), sizeof(f) + f.n);
		if (f.kind == FRAME_UNREAD)
			text.n = 0;
		said = span_cut(said, sizeof(f) + text.n, said.n);
		if (f.kind == FRAME_TEXT)
			buf_printf(out, "%.*s@", SPAN_ARG(text));
		for (size_t i = 0; f.kind == FRAME_PLACES && i < text.n; i++)
			buf_putc(out, text.p[i] == '\n' ? '|' : text.p[i]);
	}
}

/* clang-format off */
static const struct {
	const char *name, *xml, *want;
} walks[] = {
	{ "runs are joined", "<p><r><t>ab</t></r><r><t>cd</t></r></p>", "|0 paragraph 1|abcd\n@" },
	{ "paragraphs are apart", "<x><p><t>a</t></p><p><t>b</t></p></x>", "|0 paragraph 1|2 paragraph 2|a\nb\n@" },
	{ "a row has tabs", "<tbl><tr><tc><p><t>a</t></p></tc><tc><p><t>b</t></p><p><t>c</t></p></tc></tr></tbl>", "|0 paragraph 1|2 paragraph 2|2 paragraph 3|a\tb c\t\n@" },
	{ "a box is apart", "<p><r><t>a</t><txbxContent><p><r><t>x</t></r></p></txbxContent><t>b</t></r></p>", "|0 paragraph 1|ab\n@|0 paragraph 1|x\n@" },
	{ "an attribute is apart", "<p><r><t>a</t></r><docPr descr='d'/><r><t>b</t></r></p>", "|0 paragraph 1|ab\n@|0 paragraph 1|d\n@" },
	{ "two words of any attribute", "<p other='some words'/>", "|0 paragraph 1|some words\n@" },
	{ "an address of any attribute", "<p other='a@b'/>", "|0 paragraph 1|a@b\n@" },
	{ "a number of any attribute", "<p other='078-05-1120'/>", "|0 paragraph 1|078-05-1120\n@" },
	{ "no identifier of any attribute", "<p other='00A77B3E' w='9144000' g='{5C22544A-7EE6-4342-B048-85BDC9FD1C3A}'/>", "" },
	{ "a comment of XML", "<p><!-- c --></p>", "|0 paragraph 1|c\n@" },
	{ "inserted and deleted", "<p><t>a</t><ins><r><t>b</t></r></ins><del><r><delText>c</delText></r></del></p>", "|0 paragraph 1|ab\n@|0 paragraph 1, with deleted text|ac\n@" },
	{ "hidden", "<p><r><rPr><vanish/></rPr><t>a</t></r><r><t>b</t></r></p>", "|0 paragraph 1|ab\n@|0 paragraph 1|b\n@" },
	{ "not hidden", "<p><r><rPr><vanish val='0'/></rPr><t>a</t></r></p>", "|0 paragraph 1|a\n@" },
	{ "a symbol, a hyphen and a break", "<p><r><sym char='F041'/><noBreakHyphen/><br/><t>a</t></r></p>", "|0 paragraph 1|A-\na\n@" },
	{ "spaces of OpenDocument", "<p>a<s c='3'/>b</p>", "|0 paragraph 1|a   b\n@" },
	{ "an element has its name", "<x><ssn>078051120</ssn></x>", "|ssn: 078051120\n@" },
	{ "a comment has its author", "<x><comment author='A. Smith'><p><t>a</t></p></comment></x>", "|0 comment by A. Smith|a\n@|0 comment by A. Smith|author name: A. Smith\n@" },
	{ "an author of a list", "<x><authors><author>Ann</author></authors><comment ref='B2' authorId='0'><text><t>a</t></text></comment></x>", "|0 B2, comment by Ann|a\n@|author name: Ann\n@" },
	{ "a place without control characters", "<x><comment author='A&#10;1 B'><p><t>a</t></p></comment></x>", "|0 comment by A 1 B|a\n@|0 comment by A 1 B|author name: A\n1 B\n@" },
};

static const struct {
	const char *number, *code;
	unsigned id;
	const char *want;
} numbers[] = {
	{ "78051120", "000-00-0000", 164, "078-05-1120" },
	{ "78051120", "000\\-00\\-0000", 164, "078-05-1120" },
	{ "4.1111111E7", "", 0, "41111111" },
	{ "41111111", "", 0, "" },
	{ "1234", "\"SSN \"00-00;\"minus\"0", 164, "SSN 12-34" },
	{ "5551234567", "[<=9999999]###-####;(###) ###-####", 164, "(555) 123-4567" },
	{ "5551234", "[<=9999999]###-####;(###) ###-####", 164, "555-1234" },
	{ "12.5", "00-00", 164, "" },
	{ "1234", "#,##0", 3, "" },
	{ "1234", "0.00%", 10, "" },
	{ "29251", "", 14, "1980-01-31" },
	{ "29251", "dd/mm/yyyy", 164, "1980-01-31" },
	{ "60", "", 14, "" },
	{ "x", "00-00", 164, "" },
	{ "-12", "00-00", 164, "00-12" },
	{ "1", "00-", 164, "01-" },
	{ "1", "00\\", 164, "01" },
	{ "1", "00\"", 164, "01" },
};

static const struct {
	const char *name, *rtf, *want;
	enum extract_error error;
} rtfs[] = {
	{ "a text", "{\\rtf1 a\\par b}", "|0 paragraph 1|2 paragraph 2|a\nb\n@", 0 },
	{ "letters of any form", "{\\rtf1 \\'e9\\u8364?\\u-10179 ?\\u-8704 ?\\{}", "|0 paragraph 1|\u00e9\u20ac\U0001F600{\n@", 0 },
	{ "a note is apart", "{\\rtf1 a{\\footnote n}b}", "|0 paragraph 1|ab\n@|0 paragraph 1|n\n@", 0 },
	{ "an unknown destination is apart", "{\\rtf1 a{\\*\\other n}b}", "|0 paragraph 1|ab\n@|0 paragraph 1|n\n@", 0 },
	{ "hidden text", "{\\rtf1 a{\\v h}b}", "|0 paragraph 1|ahb\n@|0 paragraph 1|ab\n@", 0 },
	{ "a picture is no text", "{\\rtf1 a{\\pict 4111}b}", "|0 paragraph 1|ab\n@", 0 },
	{ "no end", "{\\rtf1 a", "", EXTRACT_DAMAGED },
	{ "text behind the end", "{\\rtf1 a} bcd", "", EXTRACT_DAMAGED },
};
/* clang-format on */

static void
walk_writes_all_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(walks); i++) {
		struct document d = { .left = DOCUMENT_BYTES, .inside = "" };
		SCOPED_BUF(got, 0);
		xml_walk(&d, span_str(walks[i].xml), "", true);
		put_texts(&d, &got);
		if (d.error || !span_is(buf_view(&got), walks[i].want))
			fail_msg("%s: %s: %.*s", walks[i].name, extract_error_words[d.error],
				SPAN_ARG(buf_view(&got)));
		document_free(&d);
	}
}

static void
numbers_are_displayed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(numbers); i++) {
		SCOPED_BUF(got, 0);
		sheet_display(numbers[i].number, span_str(numbers[i].code), numbers[i].id, false, &got);
		if (!span_is(buf_view(&got), numbers[i].want))
			fail_msg("%s as %s: %.*s", numbers[i].number, numbers[i].code,
				SPAN_ARG(buf_view(&got)));
	}
}

static void
rtf_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rtfs); i++) {
		struct span whole = span_str(rtfs[i].rtf);
		for (size_t cut = 0; cut <= whole.n; cut++) {
			char *p = guard_dup(whole.p, cut);
			struct document d;
			SCOPED_BUF(got, 0);
			document_read(span_of(p, cut), &d);
			put_texts(&d, &got);
			if (cut == whole.n && (d.error != rtfs[i].error ||
						      (!d.error && !span_is(buf_view(&got), rtfs[i].want))))
				fail_msg("%s: %s: %.*s", rtfs[i].name, extract_error_words[d.error],
					SPAN_ARG(buf_view(&got)));
			document_free(&d);
			guard_free(p, cut);
		}
	}
}

/* Each seed of the fuzz target is read, and refused wherever it is cut. */
static void
seeds_are_read_and_their_pieces_refused(void **state)
{
	static const char *const seeds[] = { "runs.docx", "payroll.xlsx", "notes.pptx", "letter.odt",
		"table.ods", "inner.zip" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(seeds); i++) {
		char path[128];
		SCOPED_BUF(file, 1 << 20);
		snprintf(path, sizeof(path), "tests/fuzz/seeds/document/%s", seeds[i]);
		assert_true(buf_file(&file, path));
		for (size_t cut = 0; cut <= file.n; cut++) {
			char *p = guard_dup(file.p + file.start, cut);
			struct document d;
			document_read(span_of(p, cut), &d);
			if (!d.error != (cut == file.n))
				fail_msg("%s cut at %zu: %s", seeds[i], cut,
					extract_error_words[d.error]);
			document_free(&d);
			guard_free(p, cut);
		}
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_writes_all_texts),
		cmocka_unit_test(numbers_are_displayed),
		cmocka_unit_test(rtf_is_read),
		cmocka_unit_test(seeds_are_read_and_their_pieces_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
