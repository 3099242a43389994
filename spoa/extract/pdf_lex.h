/* Tokens of PDF (ISO 32000-1 7.2 and 7.3), cut off the front of a span. */
#ifndef EXTRACT_PDF_LEX_H
#define EXTRACT_PDF_LEX_H

#include "base/buf.h"

enum pdf_token_kind {
	PDF_END,
	PDF_NAME,   /* `name`, with #xx undone */
	PDF_STRING, /* `raw` with its brackets */
	PDF_NUMBER, /* `raw` */
	PDF_WORD,   /* obj, stream, R */
	PDF_MARK,   /* << >> [ ] { } and what is nothing: `raw` */
};

/* A name that is longer is none that means anything. */
enum { PDF_NAME_BYTES = 40 };

struct pdf_token {
	enum pdf_token_kind kind;
	struct span raw;
	char name[PDF_NAME_BYTES + 1];
};

/* The next one; white space and comments before it are dropped. */
void pdf_next(struct span *s, struct pdf_token *t);
bool pdf_is(const struct pdf_token *t, enum pdf_token_kind kind, const char *text);
/* Appends a PDF_STRING's bytes. */
void pdf_string_bytes(struct span raw, struct buf *out);
/* Appends bytes of a text string (7.9.2.2) as UTF-8, without control characters. */
void pdf_text(struct span bytes, struct buf *out);

#endif
