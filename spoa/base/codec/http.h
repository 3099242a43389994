/* HTTP/1.1 message heads as views, parsed by llhttp in strict mode (RFC 9112), and written
 * again. No I/O. The same structure holds a head that arrived as SPOP arguments, so that the
 * gate handles both paths alike. */
#ifndef BASE_CODEC_HTTP_H
#define BASE_CODEC_HTTP_H

#include <sys/types.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/span.h"

struct http_field {
	struct span name; /* as received; compare it with span_ieq() */
	struct span value;
};

struct http_head {
	struct span method; /* requests only */
	struct span path;   /* as received, never normalized, without the query */
	struct span query;  /* without '?'; has_query distinguishes an empty query from none */
	bool has_query;
	int status; /* responses only */
	struct http_field *fields;
	size_t nfields;
};

/* Returns a Content-Type without its parameters (RFC 9110 8.3.1). */
struct span http_media_type(struct span content_type);
/* Returns the nth field (from 0) of that name, or NULL. */
const struct http_field *http_field_nth(
	const struct http_head *h, const char *name, size_t nth);
/* Sets *value to the value of the only field of that name. Returns the number found, 0 or 1, or
 * ERR_DUPLICATE. *value is empty if the field is absent. */
int http_field_one(const struct http_head *h, const char *name, struct span *value);
/* Returns the value of the first field of that name, or "". */
struct span http_field_first(const struct http_head *h, const char *name);
/* Returns true if a list with commas (RFC 9110 5.6.1) contains the token, in any case. */
bool http_lists(struct span list, struct span token);

/* Parses a date in today's form (RFC 9110 5.6.7, IMF-fixdate) to wall seconds. Returns 0 or
 * ERR_SYNTAX. */
int http_date(struct span s, int64_t *at_s);

/* ---- parsing ---- */

/* How the end of a body is found (RFC 9112 6.3). */
enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_message {
	struct http_head head; /* views of the input and of the caller's fields */
	enum http_framing framing;
	uint64_t length;  /* HTTP_LENGTH */
	int64_t declared; /* the Content-Length of the head; -1: none */
	bool close;	  /* no further message may follow on this connection */
	bool old;	  /* an HTTP/1.0 request: its response may not be chunked */
	bool expects_continue;
	bool websocket; /* the request asks for a WebSocket (ws_asked) */
	const char *why; /* after an error: a fixed phrase, never input */
};

/* The progress of the search for the end of a head. {0} before the first call; kept between calls
 * while the input grows. */
struct http_scan {
	size_t at;   /* bytes that were searched */
	size_t line; /* offset of the last, unfinished line */
};

/* Parses one whole head at the front of `in`. Returns the number of its bytes, 0 if it is not
 * whole yet, or an error with m->why (prose: ok long): ERR_SYNTAX, for a 400 (malformed, folded
 * lines, bare LF or CR, control characters, another version, more than `max` fields);
 * ERR_AMBIGUOUS, for a 400 (two lengths, length and chunked, another transfer coding);
 * ERR_UNSUPPORTED, for a 501 (CONNECT, TRACE, any Upgrade except to WebSocket); ERR_LIMIT (more
 * than CAP_HEAD_BYTES). HTTP/1.0, which HAProxy passes on from its clients, is accepted without
 * Transfer-Encoding and sets `close`. */
ssize_t http_parse_request(struct span in, struct http_scan *scan, struct http_field *fields,
	size_t max, struct http_message *m);
/* As http_parse_request(), for a response. `to_head`: it responds to a HEAD request. */
ssize_t http_parse_response(struct span in, struct http_scan *scan, struct http_field *fields,
	size_t max, bool to_head, struct http_message *m);

/* Removes a body's framing. Trailers are parsed and dropped. */
struct http_body {
	enum http_framing framing;
	int state;	      /* chunked: the state of the grammar (http.c) */
	uint64_t left;	      /* payload bytes until the end of the chunk or of the body */
	size_t line_bytes;    /* chunked: bytes of this size line */
	size_t trailer_bytes; /* bytes of all trailers */
	bool done;	      /* the whole body was consumed */
};
/* Begins a body. `done` is set immediately if the body is empty. */
void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length);
/* Consumes the front of `in`. Returns the number of bytes consumed; *payload is a view of the
 * payload among them, at most one run for each call. Returns ERR_SYNTAX, or ERR_LIMIT if a size
 * line or the trailers are too long. Returns 0 only if `in` is empty or the body is done. */
ssize_t http_body_next(struct http_body *b, struct span in, struct span *payload);
/* The peer has closed. Returns 0 if the body may end here, otherwise ERR_TRUNCATED. */
int http_body_eof(struct http_body *b);

/* ---- writing ---- */

/* Writes "METHOD path?query HTTP/1.1" and the fields, without the empty line. Omits the fields
 * that belong to one connection (RFC 9110 7.6.1: Connection and the fields that it names,
 * Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade), the framing (Transfer-Encoding,
 * Content-Length) and Expect. Returns 0, ERR_SYNTAX if a part has a forbidden byte (CR, LF, NUL,
 * a space in the target), or ERR_LIMIT if the buffer failed. After an error, the buffer may hold
 * a part of the head. */
int http_put_request(struct buf *out, const struct http_head *h);
/* Writes a status line, such as "HTTP/1.1 200 OK". */
void http_put_status(struct buf *out, int status);
/* Writes the fields as http_put_request() does, and also omits those whose name begins with
 * `drop` (any case; empty: none). */
int http_put_fields(struct buf *out, const struct http_head *h, struct span drop);
/* Writes the line before a chunk of n bytes (RFC 9112 7.1). Returns its length. */
#define HTTP_CHUNK_MAX	20
#define HTTP_LAST_CHUNK "0\r\n\r\n"
size_t http_chunk_line(char out[HTTP_CHUNK_MAX], size_t n);

#endif
