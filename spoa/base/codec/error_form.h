/* Documents that say an error: a form says how one looks, with places for what differs. */
#ifndef BASE_CODEC_ERROR_FORM_H
#define BASE_CODEC_ERROR_FORM_H

#include "base/buf.h"

/* A form is JSON with ' for its quotes, and % with a letter for its places. */
struct error_words {
	const char *type, *code; /* %t, %c: our own words, as they are */
	int number;		 /* %n: a status, or a code of JSON-RPC */
	struct span message;	 /* %m: with the decision's id after it */
	struct span param;	 /* %p: 128 bytes of it at most; empty: null */
	struct span decision;	 /* %i: that id, 64 bytes of it at most; may be empty */
	struct span request;	 /* %r: JSON as it is, CAP_ERROR_BYTES / 2 at most */
	struct span more;	 /* %x: JSON as it is; left out where it leaves no room */
};

/* Appends one line, at most CAP_ERROR_BYTES: the message is cut until it fits. */
void error_write(const char *form, struct error_words e, struct buf *out);

#endif
