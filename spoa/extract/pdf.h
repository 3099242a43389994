/* The parts of a PDF that pdftotext does not print (ISO 32000-1): text outside of pages, and
 * things that cannot be read. The whole file is scanned, not parsed: objects of older revisions
 * and objects without references count too. In doubt, a thing counts as present. */
#ifndef EXTRACT_PDF_H
#define EXTRACT_PDF_H

#include "base/buf.h"
#include "extract/extract.h"

struct pdf_found {
	enum extract_error error; /* EXTRACT_READ: scanned to the end */
	unsigned unread;	  /* bits 1u << enum extract_unread */
	/* strings of objects and XMP, one per line, UTF-8; the caller frees it */
	struct buf text;
};

/* Fills *f for any bytes. No I/O. */
void pdf_scan(struct span file, struct pdf_found *f);

/* Reads the next page of the output of pdftohtml -xml: its text, one piece per line, and its
 * number. *out is cleared before. Returns false after the last page. */
bool pdf_html_page(struct span *xml, unsigned *page, struct buf *out);

/* ---- letters ---- */

/* Appends rows of letters with spaces between them, without these spaces, one per line; then
 * again from the second and from the third word on. */
void pdf_join_letters(struct span text, struct buf *out);
/* Returns true if the text has so many control characters that a font has no names for its
 * letters. */
bool pdf_letters_unnamed(struct span text);

#endif
