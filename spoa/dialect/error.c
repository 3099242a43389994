/* Error documents in the caller's dialect. One line, capped, never with prompt
 * text: what cannot be written as it is, is left out. */
#include "base/caps.h"
#include "base/err.h"
#include "codec/utf8.h"
#include "dialect/family.h"

/* The code, and the types that OpenAI (https://platform.openai.com/docs/guides/error-codes) and
 * Anthropic (https://docs.anthropic.com/en/api/errors) give with a status: SDKs go by the
 * status, people and logs by the type. */
/* clang-format off */
static const struct status_row {
	int status;
	const char *code, *type[TYPES];
} statuses[] = {
	{ 400, "invalid_request",      { "invalid_request_error", "invalid_request_error" } },
	{ 401, "invalid_credentials",  { "authentication_error", "authentication_error" } },
	{ 403, "permission_denied",    { "permission_error", "permission_error" } },
	{ 404, "not_found",            { "not_found_error", "not_found_error" } },
	{ 408, "request_timeout",      { "invalid_request_error", "invalid_request_error" } },
	{ 413, "request_too_large",    { "invalid_request_error", "request_too_large" } },
	{ 415, "unsupported_encoding", { "invalid_request_error", "invalid_request_error" } },
	{ 429, "rate_limit_exceeded",  { "rate_limit_error", "rate_limit_error" } },
	{ 451, "legal_restriction",    { "permission_error", "permission_error" } },
	{ 501, "not_implemented",      { "invalid_request_error", "invalid_request_error" } },
	{ 503, "service_unavailable",  { "server_error", "overloaded_error" } }, /* others from 500 on, too */
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

/* The row of a status; of another one that of 400 or 503. */
static const struct status_row *
row_of(int status)
{
	const struct status_row *last = &statuses[COUNT_OF(statuses) - 1];

	for (const struct status_row *r = statuses; r <= last; r++)
		if (r->status == status)
			return r;
	return status < 500 ? statuses : last;
}

static const char *
type_of(const struct dialect *d, int status)
{
	return row_of(status)->type[d->types];
}

/* Writes the document of "MESSAGE (ID)", the message cut until the document fits. */
static void
write_capped(const struct dialect *d, const char *type, const char *code, struct span message,
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
		d->error(&doc, type, code, buf_view(&text), id);
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
	const char *type = type_of(d, status);

	if (!code)
		code = row_of(status)->code;
	if (d->types == TYPES_OPENAI && !strcmp(code, "insufficient_quota"))
		type = code;
	write_capped(d, type, code, message, id, out);
}

void
dialect_stream_error(const struct dialect *d, const char *code, struct span message,
	struct span id, struct buf *out)
{
	const char *type = NULL;
	int status = 503;

	if (!code)
		code = "service_unavailable";
	for (size_t i = 0; i < COUNT_OF(stream_codes); i++) {
		if (!strcmp(code, stream_codes[i].code)) {
			type = stream_codes[i].type;
			status = stream_codes[i].status;
		}
	}
	if (!type || d->types != TYPES_OPENAI)
		type = type_of(d, status);
	buf_str(out, d->stream_begin);
	write_capped(d, type, code, message, id, out);
	buf_str(out, "\n\n");
}
