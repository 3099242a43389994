/* HTTP/1.1 messages (RFC 9110, RFC 9112): heads are parsed, searched and written, and bodies are
 * separated from their framing.
 *
 * llhttp parses heads in strict mode. A head is parsed once it is whole, so that every field is a
 * view of one contiguous buffer. Some versions of llhttp (8.1 on Debian 12, 9 on Debian 13) accept
 * what a next hop could read differently. This code refuses it with every version: bare LF and CR,
 * folded lines, spaces before the colon, control characters, several lengths, and any transfer
 * coding except one "chunked".
 *
 * Writing drops the fields of one connection (RFC 9110 7.6.1) and validates every byte again,
 * because a head may come from SPOP arguments instead of the parser, and one CR in it would begin
 * a second request. */
#include "base/codec/http.h"

#include <limits.h>
#include <llhttp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/codec/ws.h"
#include "base/deny_status.h"
#include "base/err.h"

/* ---- fields ---- */

struct span
http_media_type(struct span content_type)
{
	return span_trim(span_cut(content_type, 0, span_chr(content_type, ';')), " \t");
}

const struct http_field *
http_field_nth(const struct http_head *h, const char *name, size_t nth)
{
	struct span want = span_str(name);

	for (size_t i = 0; i < h->nfields; i++)
		if (span_ieq(h->fields[i].name, want) && nth-- == 0)
			return &h->fields[i];
	return NULL;
}

int
http_field_one(const struct http_head *h, const char *name, struct span *value)
{
	const struct http_field *f = http_field_nth(h, name, 0);

	*value = f ? f->value : (struct span){ NULL, 0 };
	if (!f)
		return 0;
	return http_field_nth(h, name, 1) ? ERR_DUPLICATE : 1;
}

struct span
http_field_first(const struct http_head *h, const char *name)
{
	const struct http_field *f = http_field_nth(h, name, 0);

	return f ? f->value : SPAN_LIT("");
}

bool
http_lists(struct span list, struct span token)
{
	while (list.p)
		if (span_ieq(span_trim(span_next(&list, ','), " \t"), token))
			return true;
	return false;
}

int
http_date(struct span s, int64_t *at_s)
{
	char text[32];
	struct tm tm = { 0 };

	if (s.n != strlen("Sun, 06 Nov 1994 08:49:37 GMT"))
		return ERR_SYNTAX;
	memcpy(text, s.p, s.n);
	text[s.n] = '\0';
	const char *rest = strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm);
	if (!rest || *rest)
		return ERR_SYNTAX;
	*at_s = timegm(&tm);
	return 0;
}

/* ---- parsing heads ---- */

#if defined(LLHTTP_VERSION_MAJOR) && LLHTTP_VERSION_MAJOR < 9 && !LLHTTP_STRICT_MODE
#error "llhttp before 9 is strict only when compiled with LLHTTP_STRICT_MODE=1"
#endif

struct parse {
	struct http_message *m;
	struct span in; /* the whole head */
	struct span target;
	size_t max;
	bool complete;
	const char *why;
};

static int
refuse_message(struct http_message *m, int err, const char *why)
{
	m->why = why;
	return err;
}

/* Finds the end of the head. Returns its bytes, 0 if it has not arrived, or an error for a
 * malformed line. */
static ssize_t
head_end(struct span in, struct http_scan *s, struct http_message *m)
{
	size_t limit = in.n < CAP_HEAD_BYTES ? in.n : CAP_HEAD_BYTES;

	while (s->at < limit) {
		const char *lf = memchr(in.p + s->at, '\n', limit - s->at);
		if (!lf)
			break;
		size_t at = (size_t)(lf - in.p);
		char first = in.p[s->line];
		if (at == s->line || in.p[at - 1] != '\r')
			return refuse_message(m, ERR_SYNTAX, "a line ends without CR");
		if (first == ' ' || first == '\t')
			return refuse_message(m, ERR_SYNTAX, "a folded line");
		if (at - 1 == s->line)
			return s->line ? (ssize_t)at + 1
				       : refuse_message(m, ERR_SYNTAX,
						 "an empty line precedes the message");
		s->at = s->line = at + 1;
	}
	if (in.n >= CAP_HEAD_BYTES)
		return refuse_message(m, ERR_LIMIT, "the header is too large");
	s->at = in.n;
	return 0;
}

/* Returns true if s has a byte below 0x20, other than tab, or 0x7f. Eight bytes are tested at a
 * time. Borrows may raise a false alarm but never miss such a byte; after an alarm, the bytes
 * are tested one by one. */
static bool
has_control(struct span s)
{
	const uint64_t ones = 0x0101010101010101u, high = ones << 7;
	size_t i = 0;

	for (; i + 8 <= s.n; i += 8) {
		uint64_t w;
		memcpy(&w, s.p + i, 8);
		uint64_t del = w ^ (ones * 0x7f);
		if ((((w - ones * 0x20) & ~w) | ((del - ones) & ~del)) & high)
			break;
	}
	return span_past(s, i, is_field_char) < s.n;
}

static bool
lines_clean(struct span head)
{
	while (head.n) {
		const char *lf = memchr(head.p, '\n', head.n);
		size_t n = (size_t)(lf - head.p);
		if (has_control(span_of(head.p, n - 1)))
			return false;
		head = span_cut(head, n + 1, head.n);
	}
	return true;
}

static int
on_url(llhttp_t *p, const char *at, size_t n)
{
	struct parse *x = p->data;

	if (x->target.p && x->target.p + x->target.n != at)
		return -1;
	x->target = x->target.p ? span_of(x->target.p, x->target.n + n) : span_of(at, n);
	return 0;
}

static int
on_header_field(llhttp_t *p, const char *at, size_t n)
{
	struct parse *x = p->data;
	struct http_head *h = &x->m->head;

	if (n == 0 || at[n] != ':' || at[-1] != '\n') {
		x->why = "a field name is malformed";
		return -1;
	}
	if (h->nfields == x->max) {
		x->why = "the message has too many header fields";
		return -1;
	}
	h->fields[h->nfields++] = (struct http_field){ span_of(at, n), span_of(at + n, 0) };
	return 0;
}

static int
on_header_value(llhttp_t *p, const char *at, size_t n)
{
	struct parse *x = p->data;
	struct http_head *h = &x->m->head;
	struct http_field *f = h->nfields ? &h->fields[h->nfields - 1] : NULL;

	if (!f || (f->value.n && f->value.p + f->value.n != at))
		return -1;
	f->value = f->value.n ? span_of(f->value.p, f->value.n + n) : span_of(at, n);
	return 0;
}

static int
on_headers_complete(llhttp_t *p)
{
	struct parse *x = p->data;

	x->complete = true;
	return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
	.on_url = on_url,
	.on_header_field = on_header_field,
	.on_header_value = on_header_value,
	.on_headers_complete = on_headers_complete,
};

static const char *
reason_of(llhttp_errno_t err)
{
	switch (err) {
	case HPE_INVALID_METHOD: return "the method is unknown";
	case HPE_INVALID_URL: return "a malformed target";
	case HPE_INVALID_VERSION:
	case HPE_INVALID_CONSTANT: return "the protocol or its version is not supported";
	case HPE_INVALID_STATUS: return "a malformed status";
	case HPE_INVALID_HEADER_TOKEN: return "a header field is malformed";
	default: return "a malformed head";
	}
}

/* Runs llhttp over a whole head. Afterwards, *p has the version. */
static int
run_llhttp(
	llhttp_t *p, llhttp_type_t type, struct span head, size_t max, struct http_message *m)
{
	struct parse x = { .m = m, .in = head, .max = max };

	llhttp_init(p, type, &settings);
	p->data = &x;
	llhttp_errno_t err = llhttp_execute(p, head.p, head.n);
	p->data = NULL;
	if (x.complete) {
		/* HPE_PAUSED, or an error about the framing, which is decided here from the
		 * fields. */
		m->head.path = x.target;
		for (size_t i = 0; i < m->head.nfields; i++)
			m->head.fields[i].value = span_trim(m->head.fields[i].value, " \t");
		return 0;
	}
	if (x.why)
		return refuse_message(m, ERR_SYNTAX, x.why);
	if (err == HPE_UNEXPECTED_CONTENT_LENGTH || err == HPE_INVALID_CONTENT_LENGTH ||
		err == HPE_INVALID_TRANSFER_ENCODING)
		return refuse_message(m, ERR_AMBIGUOUS, "the length of the body is ambiguous");
	return refuse_message(m, ERR_SYNTAX, reason_of(err));
}

/* The fields that determine the end of the message. Each may occur once. */
struct framing_fields {
	const struct http_field *length, *coding, *expect;
	bool repeated;
	bool close, upgrade;
};

static void
read_once(const struct http_field *f, const struct http_field **slot, bool *repeated)
{
	if (*slot)
		*repeated = true;
	*slot = f;
}

/* Switches on the length of the name first, because most fields are none of these. */
static struct framing_fields
framing_fields(const struct http_head *h)
{
	struct framing_fields ff = { 0 };

	for (size_t i = 0; i < h->nfields; i++) {
		const struct http_field *f = &h->fields[i];
		switch (f->name.n) {
		case 6:
			if (span_ieq(f->name, SPAN_LIT("expect")))
				read_once(f, &ff.expect, &ff.repeated);
			break;
		case 7:
			if (span_ieq(f->name, SPAN_LIT("upgrade")))
				ff.upgrade = true;
			break;
		case 10:
			if (span_ieq(f->name, SPAN_LIT("connection"))) {
				ff.close |= http_lists(f->value, SPAN_LIT("close"));
				ff.upgrade |= http_lists(f->value, SPAN_LIT("upgrade"));
			}
			break;
		case 14:
			if (span_ieq(f->name, SPAN_LIT("content-length")))
				read_once(f, &ff.length, &ff.repeated);
			break;
		case 17:
			if (span_ieq(f->name, SPAN_LIT("transfer-encoding")))
				read_once(f, &ff.coding, &ff.repeated);
			break;
		default: break;
		}
	}
	return ff;
}

/* Determines the framing (RFC 9112 6.1 to 6.3) without the tolerances of the RFC. `none`: the
 * framing of a message without a length. */
static int
read_head_framing(
	const struct framing_fields *ff, enum http_framing none, struct http_message *m)
{
	uint64_t length = 0;

	m->declared = -1;
	m->framing = none;
	if (ff->repeated)
		return refuse_message(m, ERR_AMBIGUOUS, "a framing field is repeated");
	if (ff->length && ff->coding)
		return refuse_message(m, ERR_AMBIGUOUS, "Content-Length and Transfer-Encoding");
	if (ff->coding) {
		if (!span_ieq(ff->coding->value, SPAN_LIT("chunked")))
			return refuse_message(
				m, ERR_AMBIGUOUS, "the transfer coding is not chunked");
		m->framing = HTTP_CHUNKED;
	}
	if (ff->length) {
		/* A body of 2^60 bytes or more could never arrive. */
		if (span_u64(ff->length->value, &length) || length >> 60)
			return refuse_message(m, ERR_AMBIGUOUS, "a malformed Content-Length");
		m->framing = HTTP_LENGTH;
		m->length = length;
		m->declared = (int64_t)length;
	}
	return 0;
}

static ssize_t
parse_head(llhttp_t *p, llhttp_type_t type, struct span in, struct http_scan *scan,
	struct http_field *fields, size_t max, struct http_message *m)
{
	*m = (struct http_message){ .head.fields = fields };
	ssize_t n = head_end(in, scan, m);
	if (n <= 0)
		return n;
	struct span head = span_of(in.p, (size_t)n);
	if (!lines_clean(head))
		return refuse_message(m, ERR_SYNTAX, "a control character");
	int err = run_llhttp(p, type, head, max, m);
	return err ? err : n;
}

ssize_t
http_parse_request(struct span in, struct http_scan *scan, struct http_field *fields,
	size_t max, struct http_message *m)
{
	llhttp_t p;
	ssize_t n = parse_head(&p, HTTP_REQUEST, in, scan, fields, max, m);

	if (n <= 0)
		return n;
	struct http_head *h = &m->head;
	h->method = span_cut(in, 0, span_chr(in, ' '));
	struct span target = h->path;
	h->path = span_cut(target, 0, span_chr(target, '?'));
	h->has_query = h->path.n < target.n;
	h->query = span_cut(target, h->path.n + 1, target.n);
	/* There is exactly one space on either side (RFC 9112 section 3). */
	if (target.p != in.p + h->method.n + 1 ||
		!span_starts(
			span_cut(in, h->method.n + 1 + target.n, in.n), SPAN_LIT(" HTTP/")))
		return refuse_message(m, ERR_SYNTAX, "the request line is malformed");
	if (p.http_major != 1 || p.http_minor > 1)
		return refuse_message(m, ERR_SYNTAX, "the version is not HTTP/1");
	if (span_is(h->method, "CONNECT") || span_is(h->method, "TRACE"))
		return refuse_message(m, ERR_UNSUPPORTED, "CONNECT or TRACE");
	struct framing_fields ff = framing_fields(h);
	/* HTTP/1.0 does not define transfer codings (RFC 9112 6.1). */
	if (p.http_minor == 0 && ff.coding)
		return refuse_message(m, ERR_AMBIGUOUS, "Transfer-Encoding in HTTP/1.0");
	int err = read_head_framing(&ff, HTTP_NO_BODY, m);
	if (err)
		return err;
	m->websocket = ff.upgrade && p.http_minor == 1 && ws_asked(h);
	if (ff.upgrade && !m->websocket)
		return refuse_message(m, ERR_UNSUPPORTED, "Upgrade");
	if (ff.expect && !span_ieq(ff.expect->value, SPAN_LIT("100-continue")))
		return refuse_message(m, ERR_SYNTAX, "the expectation is unknown");
	m->old = p.http_minor == 0;
	m->expects_continue = ff.expect != NULL && !m->old;
	m->close = ff.close || m->old;
	return n;
}

ssize_t
http_parse_response(struct span in, struct http_scan *scan, struct http_field *fields,
	size_t max, bool to_head, struct http_message *m)
{
	llhttp_t p;
	ssize_t n = parse_head(&p, HTTP_RESPONSE, in, scan, fields, max, m);

	if (n <= 0)
		return n;
	m->head.status = p.status_code;
	if (p.http_major != 1 || p.http_minor > 1)
		return refuse_message(m, ERR_SYNTAX, "the version is not HTTP/1");
	if (p.status_code < 100 || p.status_code > 599)
		return refuse_message(m, ERR_SYNTAX, "the status is outside 100 to 599");
	struct framing_fields ff = framing_fields(&m->head);
	int err = read_head_framing(&ff, HTTP_UNTIL_CLOSE, m);
	if (err)
		return err;
	if (p.http_minor == 0 && ff.coding)
		return refuse_message(m, ERR_AMBIGUOUS, "Transfer-Encoding in HTTP/1.0");
	m->close = ff.close || p.http_minor == 0;
	if (to_head || p.status_code < 200 || p.status_code == 204 || p.status_code == 304) {
		/* The head announces a body where none is permitted: the bytes that follow are
		 * not a response. */
		if (!to_head && p.status_code != 304 && (ff.coding || (ff.length && m->length)))
			m->close = true;
		m->framing = HTTP_NO_BODY;
		m->length = 0;
	}
	m->close = m->close || m->framing == HTTP_UNTIL_CLOSE;
	return n;
}

/* ---- bodies ---- */

/* Finds the end of a body (RFC 9112 section 6): counted, chunked, or at the close. The decoder
 * is stricter than llhttp's: a bare LF, a space after the size or a malformed trailer is an
 * error, because the next hop may read it differently. It is separate from llhttp because the
 * relay takes the payload in place, run by run. */

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

/* ---- writing ---- */

static bool
is_hop_name(struct span name)
{
	static const struct span names[] = { SPAN_LIT("te"), SPAN_LIT("expect"),
		SPAN_LIT("upgrade"), SPAN_LIT("trailer"), SPAN_LIT("connection"),
		SPAN_LIT("keep-alive"), SPAN_LIT("content-length"),
		SPAN_LIT("proxy-connection"), SPAN_LIT("transfer-encoding") };

	/* Lengths are compared first, because this function runs for every field of every head. */
	for (size_t i = 0; i < COUNT_OF(names); i++)
		if (name.n == names[i].n && span_ieq(name, names[i]))
			return true;
	return false;
}

/* Returns true if a Connection field names this field. */
static bool
is_named_hop(const struct http_head *h, struct span name)
{
	for (size_t i = 0; i < h->nfields; i++)
		if (span_ieq(h->fields[i].name, SPAN_LIT("connection")) &&
			http_lists(h->fields[i].value, name))
			return true;
	return false;
}

static bool
is_http_token(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_tchar) == s.n;
}

static bool
is_request_target(struct span s)
{
	return span_past(s, 0, is_visible) == s.n;
}

int
http_put_fields(struct buf *out, const struct http_head *h, struct span drop)
{
	bool connection = http_field_nth(h, "connection", 0) != NULL;

	for (size_t i = 0; i < h->nfields; i++) {
		const struct http_field *f = &h->fields[i];
		if (is_hop_name(f->name) || (drop.n && span_istarts(f->name, drop)) ||
			(connection && is_named_hop(h, f->name)))
			continue;
		if (!is_http_token(f->name) ||
			span_past(f->value, 0, is_field_char) != f->value.n)
			return ERR_SYNTAX;
		char *to = buf_reserve(out, f->name.n + f->value.n + 4);
		if (!to)
			return ERR_LIMIT;
		memcpy(to, f->name.p, f->name.n);
		to += f->name.n;
		*to++ = ':';
		*to++ = ' ';
		if (f->value.n)
			memcpy(to, f->value.p, f->value.n);
		memcpy(to + f->value.n, "\r\n", 2);
		buf_commit(out, f->name.n + f->value.n + 4);
	}
	return 0;
}

int
http_put_request(struct buf *out, const struct http_head *h)
{
	if (!is_http_token(h->method) || !h->path.n || !is_request_target(h->path) ||
		!is_request_target(h->query))
		return ERR_SYNTAX;
	buf_span(out, h->method);
	buf_putc(out, ' ');
	buf_span(out, h->path);
	if (h->has_query) {
		buf_putc(out, '?');
		buf_span(out, h->query);
	}
	buf_str(out, " HTTP/1.1\r\n");
	int err = http_put_fields(out, h, SPAN_LIT(""));
	if (err)
		return err;
	return buf_failed(out) ? ERR_LIMIT : 0;
}

/* clang-format off */
static const struct { int status; const char *reason; } reasons[] = {
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 204, "No Content" },
	{ 206, "Partial Content" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 402, "Payment Required" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 414, "URI Too Long" },
	{ 422, "Unprocessable Content" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 502, "Bad Gateway" },
	{ 504, "Gateway Timeout" },
	{ 529, "Overloaded" },
#define F(X, status, by, code, reason, ...) { status, reason },
	DENY_STATUS(F, )
#undef F
};
/* clang-format on */

void
http_put_status(struct buf *out, int status)
{
	const char *reason = "";

	for (size_t i = 0; i < COUNT_OF(reasons); i++)
		if (reasons[i].status == status)
			reason = reasons[i].reason;
	buf_str(out, "HTTP/1.1 ");
	buf_int(out, status);
	buf_putc(out, ' ');
	buf_str(out, reason);
	buf_str(out, "\r\n");
}

size_t
http_chunk_line(char out[HTTP_CHUNK_MAX], size_t n)
{
	char digits[16];
	size_t k = 0;

	do {
		digits[k++] = "0123456789abcdef"[n & 15];
		n >>= 4;
	} while (n);
	for (size_t i = 0; i < k; i++)
		out[i] = digits[k - 1 - i];
	out[k] = '\r';
	out[k + 1] = '\n';
	return k + 2;
}
