/* Texts that a provider sealed: signatures of reasoning and encrypted content, which clients send
 * back unchanged. Such a text is base64 of bytes that only the provider can read. */
#ifndef SCAN_TEXT_SEALED_H
#define SCAN_TEXT_SEALED_H

#include "base/buf.h"

enum {
	SEALED_LEAST = 52,	   /* digits of a sealed text: 39 bytes */
	SEALED_READABLE = 4 << 10, /* readable bytes in a sealed text; with more it is not sealed */
};

/* Returns true if the text is sealed: it is one run of base64 that neither decodes to text nor
 * begins like a file or like compressed text. Some models' names or ids may be readable in the
 * decoded bytes, at most SEALED_READABLE bytes. They are appended to `readable`, each with a line
 * end after it, and some bytes more than once; NULL: not needed. Random bytes have none: fewer
 * than one text of 8 KB in a million does. */
bool sealed_reads(struct span text, struct buf *readable);
/* Returns true if the text is base64 or hexadecimal of SEALED_LEAST digits or more, whatever it
 * decodes to. A client cannot change a part of it. */
bool sealed_is_coded(struct span text);

#endif
