/* What a PDF holds that pdftotext does not print (ISO 32000-1): text that is in no page, and
 * things whose text is not read. A scan of the whole file, not a parser: objects of older
 * revisions and those that nothing refers to count, and in doubt something is there. */
#ifndef EXTRACT_PDF_H
#define EXTRACT_PDF_H

#include "base/buf.h"
#include "extract/extract.h"

struct pdf_found {
	enum extract_error error; /* EXTRACT_READ: scanned to the end */
	unsigned unread;	  /* bits 1u << enum extract_unread */
	struct buf text; /* strings of objects and of XMP, a line each, UTF-8; the caller's to
			    free */
};

/* Fills *f, whatever the file is. No I/O. */
void pdf_scan(struct span file, struct pdf_found *f);

/* The texts of pdftohtml -xml one page after another, a line each; false: there is none left.
 * *page: as it is numbered there. *out is cleared before. */
bool pdf_html_page(struct span *xml, unsigned *page, struct buf *out);

/* ---- between the parts of the scan ---- */

/* Of a page's text the rows of letters with a blank between, without the blanks, a line each;
 * once more from the second and the third word on. */
void pdf_join_letters(struct span text, struct buf *out);
/* Whether so many control characters are in it that a font has no names for its letters. */
bool pdf_letters_unnamed(struct span text);

#endif
