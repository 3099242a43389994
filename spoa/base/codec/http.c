/* HTTP/1.1 heads: finds fields, drops the fields of one connection, and writes heads (RFC 9110
 * 7.6.1, RFC 9112 3 and 5). Writing validates every byte again, because a head may come from
 * SPOP arguments instead of the parser, and one CR in it would begin a second request. */
#include "base/codec/http.h"

#include <stdio.h>
#include <time.h>

#include "base/ascii.h"
#include "base/err.h"

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

bool
http_lists(struct span list, struct span token)
{
	while (list.p)
		if (span_ieq(span_trim(span_next(&list, ','), " \t"), token))
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
is_token(struct span s)
{
	return s.n > 0 && span_past(s, 0, is_tchar) == s.n;
}

static bool
is_target(struct span s)
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
		if (!is_token(f->name) || span_past(f->value, 0, is_field_char) != f->value.n)
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
	if (!is_token(h->method) || !h->path.n || !is_target(h->path) || !is_target(h->query))
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
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 422, "Unprocessable Content" },
	{ 424, "Failed Dependency" },
	{ 425, "Too Early" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 451, "Unavailable For Legal Reasons" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 529, "Overloaded" },
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
