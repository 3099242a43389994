/* Finds the end of a body (RFC 9112 section 6): counted, chunked, or at the close. The decoder
 * is stricter than llhttp's: a bare LF, a space after the size or a malformed trailer is an
 * error, because the next hop may read it differently. It is separate from llhttp because the
 * relay takes the payload in place, run by run. */
#include <limits.h>

#include "base/ascii.h"
#include "base/codec/http.h"
#include "base/err.h"

#define SIZE_LINE_CAP 256  /* bytes of a size with its extensions, which are hardly ever used */
#define TRAILERS_CAP  8192 /* bytes of all trailers of a body */

/* The states of chunked framing. SIZE_FIRST → SIZE → (EXTENSION) → SIZE_LF → DATA → DATA_CR →
 * DATA_LF → SIZE_FIRST …; after a chunk of size 0, SIZE_LF → TRAILER_FIRST, then one NAME,
 * VALUE, LF for each trailer, and LAST_LF. */
enum {
	SIZE_FIRST, /* a chunk's size: at least one digit */
	SIZE,
	EXTENSION,
	SIZE_LF,
	DATA,
	DATA_CR,
	DATA_LF,
	TRAILER_FIRST, /* the first byte of a trailer's name, or the CR of the last line */
	TRAILER_NAME,
	TRAILER_VALUE,
	TRAILER_LF,
	LAST_LF,
};

void
http_body_init(struct http_body *b, enum http_framing framing, uint64_t length)
{
	*b = (struct http_body){ .framing = framing };
	b->left = framing == HTTP_LENGTH ? length : 0;
	b->done = framing == HTTP_NO_BODY || (framing == HTTP_LENGTH && length == 0);
}

int
http_body_eof(struct http_body *b)
{
	if (b->framing == HTTP_UNTIL_CLOSE)
		b->done = true;
	return b->done ? 0 : ERR_TRUNCATED;
}

/* chunk = 1*HEXDIG [ chunk-ext ] CRLF data CRLF; the last chunk has size 0 and is followed by *(
 * name ":" value CRLF ) CRLF (RFC 9112 7.1). Handles one byte outside data. Returns true if the
 * byte is permitted. */
static bool
framing_byte(struct http_body *b, char c)
{
	switch (b->state) {
	case SIZE_FIRST:
	case SIZE: {
		int digit = hex_value(c);
		if (digit >= 0 && b->left >> 56)
			return false;
		if (digit >= 0) {
			b->left = b->left << 4 | (uint64_t)digit;
			b->state = SIZE;
			return true;
		}
		if (b->state == SIZE_FIRST)
			return false;
		b->state = c == ';' ? EXTENSION : SIZE_LF;
		return c == ';' || c == '\r';
	}
	case EXTENSION:
		if (c == '\r')
			b->state = SIZE_LF;
		return c == '\r' || is_field_char(c);
	case SIZE_LF:
		b->state = b->left ? DATA : TRAILER_FIRST;
		b->line_bytes = 0;
		return c == '\n';
	case DATA_CR: b->state = DATA_LF; return c == '\r';
	case DATA_LF:
		b->state = SIZE_FIRST;
		b->line_bytes = 0;
		return c == '\n';
	case TRAILER_FIRST:
		b->state = c == '\r' ? LAST_LF : TRAILER_NAME;
		return c == '\r' || is_tchar(c);
	case TRAILER_NAME:
		if (c == ':')
			b->state = TRAILER_VALUE;
		return c == ':' || is_tchar(c);
	case TRAILER_VALUE:
		if (c == '\r')
			b->state = TRAILER_LF;
		return c == '\r' || is_field_char(c);
	case TRAILER_LF: b->state = TRAILER_FIRST; return c == '\n';
	case LAST_LF: b->done = c == '\n'; return c == '\n';
	default: return false;
	}
}

static ssize_t
chunked_next(struct http_body *b, struct span in, struct span *payload)
{
	size_t at = 0;

	while (at < in.n && !b->done) {
		if (b->state == DATA) {
			size_t n = b->left < in.n - at ? (size_t)b->left : in.n - at;
			*payload = span_of(in.p + at, n);
			b->left -= n;
			if (b->left == 0)
				b->state = DATA_CR;
			return (ssize_t)(at + n);
		}
		bool in_trailers = b->state >= TRAILER_FIRST;
		if (!framing_byte(b, in.p[at++]))
			return ERR_SYNTAX;
		if (in_trailers ? ++b->trailer_bytes > TRAILERS_CAP
				: ++b->line_bytes > SIZE_LINE_CAP)
			return ERR_LIMIT;
	}
	return (ssize_t)at;
}

ssize_t
http_body_next(struct http_body *b, struct span in, struct span *payload)
{
	*payload = (struct span){ NULL, 0 };
	if (b->done || in.n == 0)
		return 0;
	if (in.n > SSIZE_MAX)
		in.n = SSIZE_MAX;
	switch (b->framing) {
	case HTTP_CHUNKED: return chunked_next(b, in, payload);
	case HTTP_UNTIL_CLOSE: *payload = in; return (ssize_t)in.n;
	case HTTP_LENGTH: {
		size_t n = b->left < in.n ? (size_t)b->left : in.n;
		*payload = span_of(in.p, n);
		b->left -= n;
		b->done = b->left == 0;
		return (ssize_t)n;
	}
	case HTTP_NO_BODY: break;
	}
	return 0;
}
