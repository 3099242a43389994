/* The texts of a PDF (ISO 32000-1) that pdftotext does not print, and repairs of those that it
 * prints. */
#ifndef EXTRACT_PDF_H
#define EXTRACT_PDF_H

#include "base/buf.h"
#include "extract/extract.h"

/* ---- objects: extract/pdf_objects.c ---- */

struct pdf_found {
	enum extract_error error; /* EXTRACT_READ: all objects were read */
	unsigned unread;	  /* bits 1u << enum extract_unread */
	/* strings of objects and XMP, one per line, UTF-8; the caller frees it */
	struct buf text;
	/* frames (extract/extract.h): FRAME_TEXT for each script, form and attachment that is
	 * text; FRAME_FILE for each attachment that is a PDF; FRAME_SHOWN. The caller frees it */
	struct buf frames;
};

/* Reads the objects of a PDF with libqpdf, and fills *f for any bytes. An encrypted file is read
 * if its password is empty. No I/O. */
void pdf_scan(struct span file, struct pdf_found *f);

/* ---- texts ---- */

/* Appends the bytes of a text string (7.9.2.2) as UTF-8. Control characters become spaces; with
 * `lines`, tabs and the ends of lines stay. */
void pdf_text(struct span s, bool lines, struct buf *out);
/* Returns true if the bytes are text for pdf_text(): they have a byte order mark of UTF-16, or no
 * control characters. */
bool pdf_is_text(struct span s);
/* Appends the text of XMP or other XML: text between tags, and values of attributes, one per
 * line. */
void pdf_xmp(struct span xml, struct buf *out);

/* Reads the next page of the output of pdftohtml -xml: its text, one piece per line, and its
 * number. *out is cleared before. Returns false after the last page. */
bool pdf_html_page(struct span *xml, unsigned *page, struct buf *out);

/* Appends rows of letters with spaces between them, without these spaces, one per line; then
 * again from the second and from the third word on. */
void pdf_join_letters(struct span text, struct buf *out);
/* The first of 256 private characters that stand for unnamed letters in the copy of a document. */
enum { PDF_UNNAMED = 0xEC00 };
/* Returns true if letters of a page have no name: a line has at least eight control characters,
 * replacement characters or letters of the copy (PDF_UNNAMED), or so many letters of the copy follow
 * each other on several lines. They are of three kinds at least: single symbols, such as the
 * check boxes of a form, and rows of dots are no text. */
bool pdf_letters_unnamed(struct span text);
/* Appends a text without the letters of the copy. */
void pdf_named_letters(struct span text, struct buf *out);
/* Appends the last line of a page and the first line of the next one, for a value that is broken
 * between them. Headers and footers that both pages have, except for their numbers, are skipped.
 * Appends nothing if a page has no other line. */
void pdf_page_border(struct span page, struct span next, struct buf *out);

#endif
