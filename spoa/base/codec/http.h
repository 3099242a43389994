/* HTTP/1.1 message heads as views, on llhttp in strict mode (RFC 9112), and
 * their serialisation. No I/O. The same struct carries a head that arrived as
 * SPOP arguments, so that the gate sees one shape on both paths. */
#ifndef BASE_CODEC_HTTP_H
#define BASE_CODEC_HTTP_H

#include <sys/types.h>

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
	int status; /* responses */
	struct http_field *fields;
	size_t nfields;
};

/* A Content-Type without its parameters (RFC 9110 8.3.1). */
struct span http_media_type(struct span content_type);
/* The nth field (0-based) of that name, NULL where there is none. */
const struct http_field *http_field_nth(
	const struct http_head *h, const char *name, size_t nth);
/* The value of the only field of that name; empty where absent. More than one:
 * ERR_DUPLICATE. 0 or 1 = number found. */
int http_field_one(const struct http_head *h, const char *name, struct span *value);
/* The value of the first one, "" where absent. */
struct span http_field_first(const struct http_head *h, const char *name);
/* Whether a list with commas (RFC 9110 5.6.1) holds the token, in any case. */
bool http_lists(struct span list, struct span token);

/* A date as it is written today (RFC 9110 5.6.7, IMF-fixdate), wall seconds: 0 or ERR_SYNTAX. */
int http_date(struct span s, int64_t *at_s);

/* ---- parsing ---- */

/* How the end of a body is found (RFC 9112 section 6.3). */
enum http_framing { HTTP_NO_BODY, HTTP_LENGTH, HTTP_CHUNKED, HTTP_UNTIL_CLOSE };

struct http_message {
	struct http_head head; /* views of the input and of the caller's fields */
	enum http_framing framing;
	uint64_t length;  /* HTTP_LENGTH */
	int64_t declared; /* the Content-Length as it is there; -1: none */
	bool close;	  /* no further message may follow on this connection */
	bool old;	  /* a request of HTTP/1.0: no chunks in the answer to it */
	bool expects_continue;
	bool websocket; /* of a request: it asks for one, as ws_asked() says */
	const char *why; /* after an error: a fixed phrase, never input */
};

/* How far the search for the end of a head has come: {0} before the first call,
 * carried between calls over a growing input. */
struct http_scan {
	size_t at;   /* looked at so far */
	size_t line; /* where its last, unfinished line begins */
};

/* One whole head from the front of `in`. >0: bytes of the head; 0: it is not
 * whole yet; <0: ERR_SYNTAX (malformed, obs-fold, bare LF or CR, control
 * characters, another version, more than max fields: 400), ERR_AMBIGUOUS (two
 * lengths, length and chunked, an unknown transfer coding: 400), ERR_UNSUPPORTED
 * (CONNECT, TRACE, Upgrade but for a WebSocket: 501), ERR_LIMIT (over CAP_HEAD_BYTES). HTTP/1.0, which
 * HAProxy passes on from its clients, is accepted without Transfer-Encoding and
 * sets close. */
ssize_t http_parse_request(struct span in, struct http_scan *scan, struct http_field *fields,
	size_t max, struct http_message *m);
/* The same for a response. to_head: it answers a HEAD request. */
ssize_t http_parse_response(struct span in, struct http_scan *scan, struct http_field *fields,
	size_t max, bool to_head, struct http_message *m);

/* Decodes a body's framing; trailers are parsed and dropped. */
struct http_body {
	enum http_framing framing;
	int state;	      /* chunked: where in the grammar */
	uint64_t left;	      /* payload bytes until the end of the chunk or the body */
	size_t line_bytes;    /* chunked: of this size line or trailer line */
	size_t trailer_bytes; /* of all trailers */
	bool done;	      /* the whole body has been consumed */
};
/* done at once where there is nothing to come. */
void http_body_init(struct http_body *b, enum http_framing framing, uint64_t length);
/* Takes the front of `in`: returns how many bytes it took, with the payload
 * among them in *payload (a view, at most one run a call), or ERR_SYNTAX,
 * ERR_LIMIT (a size line or trailers over their cap). 0 only where `in` is empty
 * or the body is done. */
ssize_t http_body_next(struct http_body *b, struct span in, struct span *payload);
/* The peer closed: 0 where the body may end so, else ERR_TRUNCATED. */
int http_body_eof(struct http_body *b);

/* ---- writing ---- */

/* "METHOD path?query HTTP/1.1" and the fields, without the empty line and
 * without what belongs to one connection only (RFC 9110 7.6.1: Connection and the
 * fields it names, Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade), the framing
 * (Transfer-Encoding, Content-Length) and Expect. ERR_SYNTAX: a part holds what may not be
 * there (CR, LF, NUL, a space in the target). Nothing half-written is usable
 * then. ERR_LIMIT, ERR_NOMEM: the buffer refused. */
int http_put_request(struct buf *out, const struct http_head *h);
/* "HTTP/1.1 200 OK". */
void http_put_status(struct buf *out, int status);
/* The fields but those, and those whose name begins with
 * `drop` (any case; empty: none). Results as http_put_request. */
int http_put_fields(struct buf *out, const struct http_head *h, struct span drop);
/* The line before a chunk of n bytes (RFC 9112 section 7.1); its length. */
#define HTTP_CHUNK_MAX	20
#define HTTP_LAST_CHUNK "0\r\n\r\n"
size_t http_chunk_line(char out[HTTP_CHUNK_MAX], size_t n);

#endif
