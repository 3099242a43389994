/* Between the parts of the scan. */
#ifndef EXTRACT_PDF_PRIVATE_H
#define EXTRACT_PDF_PRIVATE_H

#include "extract/pdf.h"

/* Names anywhere in these bytes, be they in objects, streams, strings or comments. */
void pdf_names(struct span bytes, struct pdf_found *f);
/* What is between tags of XML, its entities undone. */
void pdf_entities(struct span s, struct buf *out);
/* Text of an XMP packet: what is between tags, and values of attributes. */
void pdf_xmp(struct span xml, struct buf *out);

#endif
