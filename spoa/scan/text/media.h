/* The Content-Type of a body (RFC 9110 8.3), as far as it says how to read. */
#ifndef SCAN_TEXT_MEDIA_H
#define SCAN_TEXT_MEDIA_H

#include "base/span.h"

enum media_kind {
	MEDIA_OTHER,   /* none, or any that is not one of these */
	MEDIA_JSON,    /* application/json, text/json, +json */
	MEDIA_LINES,   /* application/jsonl, application/x-ndjson and the like */
	MEDIA_PARTS,   /* multipart/… */
	MEDIA_FORM,    /* application/x-www-form-urlencoded */
	MEDIA_TWO,     /* more than one type in a value, or quotes that do not close */
	MEDIA_CHARSET, /* a charset that is not UTF-8 */
};

enum media_kind media_kind(struct span content_type);
bool media_is_form_data(struct span content_type);
/* Of a type without its parameters: a JSON document a line. */
bool media_is_lines(struct span type);
/* The boundary of a multipart type (RFC 2046 5.1.1), without quotes; empty where there is
 * none, several, one in pieces (RFC 2231) or one with other characters. */
struct span media_boundary(struct span content_type);

#endif
