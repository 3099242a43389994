/* Error documents. A form is the shape of a document, with places for the variable parts. */
#ifndef BASE_CODEC_ERROR_FORM_H
#define BASE_CODEC_ERROR_FORM_H

#include "base/buf.h"

/* The words for the places. A form is JSON with ' for its quotes, and % with a letter for each
 * place. */
struct error_words {
	const char *type, *code; /* %t, %c: words of this program, not escaped */
	int number;		 /* %n: a status, or a code of JSON-RPC */
	struct span message;	 /* %m: the message, followed by the decision's id */
	struct span param;	 /* %p: cut to 128 bytes; empty: null */
	struct span decision;	 /* %i: the decision's id, cut to 64 bytes; may be empty */
	struct span request;	 /* %r: JSON, unchanged, at most CAP_ERROR_BYTES / 2 */
	struct span more;	 /* %x: JSON, unchanged; left out if there is no room for it */
};

/* Appends one line of at most CAP_ERROR_BYTES. The message is cut until the line fits. */
void error_write(const char *form, struct error_words e, struct buf *out);

#endif
