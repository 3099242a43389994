/* Writes error documents in the caller's dialect, and the event that ends a stream. A document
 * is one line of bounded length and never contains prompt text. Values that cannot be encoded
 * are left out.
 *
 * The last section is for JSON-RPC 2.0 as MCP uses it: it finds the ids of the requests in a
 * body, which may be one message or an array of messages, and writes an error for each id.
 * Longer bodies than BODY_MAX bytes are not searched, and ids beyond IDS_MAX bytes in total are
 * left out. */
#include "base/buf.h"
#include "base/codec/error_form.h"
#include "base/codec/eventstream.h"
#include "base/codec/json.h"
#include "base/deny_status.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/dialect/family.h"

/* The error code of each status, and the types that the families give with the status
 * (base/deny_status.h). A provider's 500 is no denial. */
/* clang-format off */
static const struct status_row {
	int status;
	const char *code, *type[TYPES];
} statuses[] = {
	{ 500, "service_unavailable", { "server_error", "api_error", "INTERNAL", "InternalServerException", "generation" } },
#define F(X, status, by, code, reason, ...) { status, code, { __VA_ARGS__ } },
	DENY_STATUS(F, )
#undef F
};

/* Codes of errors that end a stream: a decision on content, or a failure. */
static const struct {
	const char *code, *type;
	int status; /* for dialects whose type depends on the status */
} stream_codes[] = {
	{ "content_policy_violation", "content_filter", 403 },
	{ "permission_denied",        "content_filter", 403 },
	{ "content_filter",           "content_filter", 403 },
	{ "unreadable_content",       "content_filter", 403 },
	{ "invalid_credentials",      NULL,             401 },
	{ "rate_limit_exceeded",      NULL,             429 },
	{ "insufficient_quota",       "insufficient_quota", 429 },
};
/* clang-format on */

/* Returns the row of a status. An unknown status has the row of 400 below 500, else the row of
 * 503. */
static const struct status_row *
row_of(int status)
{
	const struct status_row *end = statuses + COUNT_OF(statuses), *r = statuses;

	while (r < end && r->status != status)
		r++;
	return r < end ? r : row_of(status < 500 ? DENY_400 : DENY_503);
}

/* Writes a document by one of the family's forms. */
static void
write_form(const struct dialect *d, const char *form, int status, const char *type,
	const char *code, struct span message, struct span id, struct buf *out)
{
	int number = d != &dialect_mcp ? status
		     : status == 400   ? MCP_CODE_REQUEST
		     : status < 500    ? MCP_CODE_DENIED
				       : MCP_CODE_INTERNAL;

	/* param is the part before the colon: "top_k" of "top_k: not supported …" */
	size_t member = code && !strcmp(code, "translation_unsupported") ? span_chr(message, ':')
									  : message.n;
	error_write(form,
		(struct error_words){ .number = number,
			.param = span_cut(message, 0, member < message.n ? member : 0),
			.type = type,
			.code = code,
			.message = message,
			.decision = id },
		out);
}

/* Errors of Anthropic's message threads. Its SDKs read error.details.error_code: they then
 * repeat the request without a thread, or send the whole conversation in a new thread. The
 * value "thread" in `unsupported` causes the first:
 * https://github.com/anthropics/anthropic-sdk-python
 * types/thread_unsupported_request_error_details.py */
#define THREAD_ERROR(more)                                                                     \
	"{'type':'error','error':{'type':'%t','message':%m,'code':'%c','details':{"            \
	"'error_code':'%c'" more "}},'request_id':%i}"
static const struct {
	const char *code, *form;
} thread_errors[] = {
	{ "thread_unsupported_request", THREAD_ERROR(",'unsupported':['thread']") },
	{ "thread_not_found", THREAD_ERROR("") },
};

/* Writes a thread's error if `code` is one. The form is the same in every dialect. */
static bool
write_thread_error(int status, const char *code, struct span message, struct span id,
	struct buf *out)
{
	for (size_t i = 0; code && i < COUNT_OF(thread_errors); i++)
		if (!strcmp(code, thread_errors[i].code)) {
			write_form(&dialect_anthropic, thread_errors[i].form, status,
				row_of(status)->type[TYPES_ANTHROPIC], code, message, id, out);
			return true;
		}
	return false;
}

void
dialect_error(const struct dialect *d, int status, const char *code, struct span message,
	struct span id, struct buf *out)
{
	const struct status_row *r = row_of(status);

	if (write_thread_error(status, code, message, id, out))
		return;
	const char *type = r->type[d->types];

	if (!code)
		code = r->code;
	if (!strcmp(code, "insufficient_quota"))
		type = d->types == TYPES_OPENAI	   ? code
		       : d->types == TYPES_BEDROCK ? "ServiceQuotaExceededException"
						   : type;
	write_form(d, d->error, status, type, code, message, id, out);
}

struct span
dialect_error_type(const struct dialect *d, struct span document)
{
	struct span key = SPAN_LIT("\"__type\":\"");
	const char *at =
		d->types == TYPES_BEDROCK ? memmem(document.p, document.n, key.p, key.n) : NULL;

	if (!at)
		return SPAN_LIT("");
	struct span rest = span_cut(document, (size_t)(at - document.p) + key.n, document.n);
	return span_cut(rest, 0, span_chr(rest, '"'));
}

/* Messages about a prompt that is too long. "#": its tokens, "@": the window, "^": the excess.
 * The last row is for all other families. Sources as in refusal.c. */
static const struct {
	const struct dialect *d;
	const char *endpoint, *says;
} too_long[] = {
	{ &dialect_openai, "responses",
		"Your input exceeds the context window of this model. Please adjust your input "
		"and try again." },
	{ &dialect_anthropic, NULL, "prompt is too long: # tokens > @ maximum" },
	{ &dialect_gemini, NULL,
		"The input token count (#) exceeds the maximum number of tokens allowed (@)." },
	{ &dialect_bedrock, NULL, "Input is too long for requested model." },
	{ &dialect_cohere, NULL,
		"too many tokens: total number of tokens in the prompt cannot exceed @ - "
		"received #. Try using a shorter prompt." },
	{ &dialect_mistral, NULL,
		"Prompt contains # tokens and 0 draft tokens, too large for model with @ "
		"maximum "
		"context length" },
	{ &dialect_ollama, NULL, "prompt too long; exceeded max context length by ^ tokens" },
	{ &dialect_tgi, NULL,
		"Input validation error: `inputs` must have less than @ tokens. Given: #" },
	{ NULL, NULL,
		"This model's maximum context length is @ tokens. However, your messages "
		"resulted in # tokens. Please reduce the length of the messages." },
};

struct span
dialect_too_long(const struct dialect *d, const char *endpoint, uint64_t tokens,
	uint64_t window, struct arena *a)
{
	char number[SPAN_DECIMAL];
	size_t i = 0;

	while (too_long[i].d &&
		(too_long[i].d != d ||
			(too_long[i].endpoint && !str_same(too_long[i].endpoint, endpoint))))
		i++;
	SCOPED_BUF(out, 512);
	for (const char *p = too_long[i].says; *p; p++) {
		uint64_t n = *p == '#' ? tokens : *p == '@' ? window : tokens - window;
		if (*p == '#' || *p == '@' || *p == '^')
			buf_span(&out, span_of(number, span_decimal(number, (int64_t)n)));
		else
			buf_putc(&out, *p);
	}
	return arena_dup(a, buf_view(&out));
}

/* The error event of OpenAI's responses, with "error", without which the SDK does not throw. */
static const char responses_error[] =
	"{'type':'error','code':'%c','message':%m,'param':null,'sequence_number':0,"
	"'error':{'type':'%t','code':'%c','param':null,'message':%m}}";

/* The error event of a realtime session. */
static const char realtime_error[] =
	"{'type':'error','error':{'type':'%t','code':'%c','message':%m,'param':null,"
	"'decision':%i}}";

void
dialect_line_error(const struct dialect *d, const char *code, struct span message,
	struct span id, struct buf *out)
{
	if (d->line_error)
		write_form(d, d->line_error, 503, NULL, code, message, id, out);
	else
		dialect_error(d, 403, code, message, id, out);
}

const char *
dialect_stream_error_data(const struct dialect *d, const char *endpoint, const char *code,
	struct span message, struct span id, struct buf *out)
{
	const char *type = NULL, *event = d->stream_event;
	const char *form = d->stream_error ? d->stream_error : d->error;
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
		type = row_of(status)->type[d->types];
	if (d->types == TYPES_BEDROCK)
		/* Bedrock's streams have exception names of their own, by status. */
		event = status == 429	? "throttlingException"
			: status >= 500 ? "serviceUnavailableException"
					: "validationException";
	if (d == &dialect_openai && endpoint && !strcmp(endpoint, "responses")) {
		form = responses_error;
		event = "error";
	}
	if (d == &dialect_openai && endpoint && !strcmp(endpoint, "realtime"))
		form = realtime_error;
	write_form(d, form, status, type, code, message, id, out);
	return event ? event : "";
}

/* Writes a frame with :message-type exception, which the SDKs throw. */
static void
write_exception(struct buf *out, const char *type, struct span data)
{
	SCOPED_BUF(headers, 0);

	eventstream_header(&headers, ":exception-type", span_str(type));
	eventstream_header(&headers, ":content-type", SPAN_LIT("application/json"));
	eventstream_header(&headers, ":message-type", SPAN_LIT("exception"));
	int err = eventstream_write(out, buf_view(&headers), data);
	/* both parts are short, see error_write() */
	INVARIANT(err == 0 || buf_failed(out));
	out->failed |= headers.failed;
}

void
dialect_stream_error(const struct dialect *d, const char *endpoint, const char *code,
	struct span message, struct span id, struct buf *out)
{
	SCOPED_BUF(data, 0);

	const char *event = dialect_stream_error_data(d, endpoint, code, message, id, &data);
	out->failed |= data.failed;
	if (d->stream == STREAM_FRAMES) {
		write_exception(out, event, buf_view(&data));
	} else if (d->stream == STREAM_LINES) {
		buf_span(out, buf_view(&data));
		buf_putc(out, '\n');
	} else {
		if (*event)
			buf_printf(out, "event: %s\n", event);
		buf_str(out, "data: ");
		buf_span(out, buf_view(&data));
		buf_str(out, "\n\n");
	}
}

/* ---- JSON-RPC ---- */

enum {
	BODY_MAX = 4 << 20,
	ID_MAX = 256, /* bytes of an id as written, quotes included */
	IDS_MAX = 4096,
};

/* Reads the members of a message whose brace has been read. *id: the id as written; empty if
 * there is none, or no member `jsonrpc`. Returns false if the message is not JSON. */
static bool
read_message(struct json *j, struct arena *a, struct span in, struct span *id)
{
	struct json_member m;
	struct json_event ev;
	bool rpc = false;
	int err = 0;

	*id = (struct span){ NULL, 0 };
	while (json_member(j, a, in, &m, &ev, &err)) {
		bool is_id = span_is(m.key, "id");
		rpc |= span_is(m.key, "jsonrpc");
		if (is_id && ev.tok == JSON_STRING)
			*id = span_cut(in, ev.start - 1, ev.end + 1);
		else if (is_id && ev.tok == JSON_NUMBER)
			*id = span_cut(in, ev.start, ev.end);
		else
			json_skip(j, &ev);
	}
	if (!rpc)
		*id = (struct span){ NULL, 0 };
	return !err;
}

int
dialect_rpc_ids(struct span body, struct arena *keep, struct span *out)
{
	struct json_event ev;
	struct span id;

	*out = (struct span){ NULL, 0 };
	if (body.n > BODY_MAX)
		return 0;
	SCOPED_ARENA(a, 0, true);
	SCOPED_BUF(ids, IDS_MAX);
	struct json *j = json_open(&a, body);
	enum json_tok tok = j ? json_next(j, &ev) : JSON_ERROR;
	if (tok == JSON_ARRAY)
		tok = json_next(j, &ev);
	while (tok == JSON_OBJECT && read_message(j, &a, body, &id)) {
		if (id.n && id.n <= ID_MAX && ids.n + id.n < IDS_MAX) {
			if (ids.n)
				buf_putc(&ids, '\n');
			buf_span(&ids, id);
		}
		tok = json_next(j, &ev);
	}
	if (ids.n)
		*out = arena_dup(keep, buf_view(&ids));
	return !j || buf_failed(&ids) || (ids.n && !out->p) ? ERR_NOMEM : 0;
}

void
dialect_rpc_error(
	struct span ids, const char *code, struct span message, struct span id, struct buf *out)
{
	struct mcp_refusal r = { .code = MCP_CODE_DENIED,
		.reason = code ? code : "service_unavailable",
		.message = message,
		.decision = id };

	while (ids.n) {
		r.id = span_next(&ids, '\n');
		mcp_refuse_event(&r, out);
	}
}
