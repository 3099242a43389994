/* Parses the Content-Type of a body (RFC 9110 8.3), as far as it decides how the body is read. */
#ifndef SCAN_TEXT_MEDIA_H
#define SCAN_TEXT_MEDIA_H

#include "base/span.h"

enum media_kind {
	MEDIA_OTHER,   /* absent, or a type that is not listed here */
	MEDIA_JSON,    /* application/json, text/json, +json */
	MEDIA_LINES,   /* application/jsonl, application/x-ndjson and the like */
	MEDIA_PARTS,   /* multipart/… */
	MEDIA_FORM,    /* application/x-www-form-urlencoded */
	MEDIA_TWO,     /* more than one type in the value, or quotes that do not close */
	MEDIA_CHARSET, /* a charset that is not UTF-8 */
};

/* Returns the kind of a Content-Type header's value, parameters included. */
enum media_kind media_kind(struct span content_type);
bool media_is_form_data(struct span content_type);
/* Returns true for a type, given without parameters, that means one JSON document per line. */
bool media_is_lines(struct span type);
/* Returns the boundary of a multipart type (RFC 2046 5.1.1), without quotes. The span is empty
 * if there is no boundary, if there are several, if it is split into pieces (RFC 2231), or if it
 * contains other characters than those that are allowed. */
struct span media_boundary(struct span content_type);

#endif
