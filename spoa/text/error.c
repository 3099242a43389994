/* Error documents in the caller's dialect. One line, capped, never with prompt
 * text: what cannot be written as it is, is left out. */
#include "base/caps.h"
#include "base/err.h"
#include "codec/utf8.h"
#include "text/table.h"

/* clang-format off */
static const struct {
	int status;
	const char *code;
} codes[] = {
	{ 400, "invalid_request" },
	{ 401, "invalid_credentials" },
	{ 403, "permission_denied" },
	{ 404, "not_found" },
	{ 408, "request_timeout" },
	{ 413, "request_too_large" },
	{ 415, "unsupported_encoding" },
	{ 429, "rate_limit_exceeded" },
	{ 451, "legal_restriction" },
	{ 501, "not_implemented" },
	{ 503, "service_unavailable" },
};

/* What ends a stream is a decision on its content, or a failure. */
static const struct {
	const char *code, *type;
	int status; /* for dialects whose type goes by it */
} stream_codes[] = {
	{ "content_policy_violation", "content_filter", 403 },
	{ "permission_denied",        "content_filter", 403 },
	{ "content_filter",           "content_filter", 403 },
	{ "unreadable_content",       "content_filter", 403 },
	{ "rate_limit_exceeded",      NULL,             429 },
	{ "insufficient_quota",       "insufficient_quota", 429 },
};
/* clang-format on */

static const char *
code_of(int status)
{
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (codes[i].status == status)
			return codes[i].code;
	return status < 500 ? "invalid_request" : "service_unavailable";
}

typedef void write_fn(struct buf *out, const char *type, const char *code, struct span message,
	struct span id);

/* Writes "MESSAGE (ID)" by fn, the message cut until the document fits. */
static void
write_capped(write_fn *fn, const char *type, const char *code, struct span message,
	struct span id, struct buf *out)
{
	struct buf text, doc;

	buf_init(&text, 0);
	buf_init(&doc, 0);
	message = span_cut(message, 0, CAP_ERROR_BYTES);
	id = span_cut(id, 0, 64);
	id.n = utf8_prefix(id);
	for (;;) {
		message.n = utf8_prefix(message);
		buf_clear(&text);
		buf_clear(&doc);
		buf_span(&text, message);
		if (id.n) {
			buf_str(&text, " (decision ");
			buf_span(&text, id);
			buf_putc(&text, ')');
		}
		fn(&doc, type, code, buf_view(&text), id);
		if (doc.n <= CAP_ERROR_BYTES || !message.n)
			break;
		size_t over = doc.n - CAP_ERROR_BYTES;
		message.n = over < message.n / 2 ? message.n - over : message.n / 2;
	}
	INVARIANT(buf_failed(&doc) || doc.n <= CAP_ERROR_BYTES);
	buf_span(out, buf_view(&doc));
	out->failed |= doc.failed || text.failed;
	buf_free(&text);
	buf_free(&doc);
}

void
dialect_error(const struct dialect *d, int status, const char *code, struct span message,
	struct span id, struct buf *out)
{
	const char *type = d->error_type(status);

	if (!code)
		code = code_of(status);
	if (d != &dialect_anthropic && !strcmp(code, "insufficient_quota"))
		type = code;
	write_capped(d->error, type, code, message, id, out);
}

void
dialect_stream_error(const struct dialect *d, const char *code, struct span message,
	struct span id, struct buf *out)
{
	const char *type = NULL;
	int status = 503;

	if (!code)
		code = "service_unavailable";
	for (size_t i = 0; i < sizeof(stream_codes) / sizeof(stream_codes[0]); i++) {
		if (!strcmp(code, stream_codes[i].code)) {
			type = stream_codes[i].type;
			status = stream_codes[i].status;
		}
	}
	if (!type || d == &dialect_anthropic)
		type = d->error_type(status);
	write_capped(d->stream_error, type, code, message, id, out);
}
