/* HTTP/1.1 message heads as views, on llhttp in strict mode (RFC 9112), and
 * their serialisation. No I/O. The same struct carries a head that arrived as
 * SPOP arguments, so that the gate sees one shape on both paths. */
#ifndef CODEC_HTTP_H
#define CODEC_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

struct http_field {
	struct span name; /* as received; compare with span_ieq */
	struct span value;
};

struct http_head {
	struct span method; /* requests */
	struct span path;   /* as received, never normalised, without the query */
	struct span query;  /* without '?'; has_query tells "?" from nothing */
	bool has_query;
	int status;	    /* responses */
	struct http_field *fields;
	size_t nfields;
};

/* The nth field (0-based) of that name, NULL where there is none. */
const struct http_field *http_field_nth(const struct http_head *h, const char *name, size_t nth);
/* The value of the only field of that name; empty where absent. More than one:
 * ERR_DUPLICATE. 0 or 1 = number found. */
int http_field_one(const struct http_head *h, const char *name, struct span *value);
/* Drops every field of that name. */
void http_field_drop(struct http_head *h, const char *name);

#endif
