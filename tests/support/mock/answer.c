/* Which dialect answers: a row a path. Providers' errors, events in each framing, the list of
 * models, an echo for business APIs. What is said is in say.c. */
#include <stdlib.h>
#include <string.h>

#include "codec/eventstream.h"
#include "mock.h"

const struct mock_field *
mock_field(const struct mock_request *r, const char *name)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (span_is(r->fields[i].name, name))
			return &r->fields[i];
	return NULL;
}

/* ---- documents and events ---- */

static int
put_piece(const char *p, size_t n, void *arg)
{
	buf_put(arg, p, n);
	return 0;
}

void
mock_put(struct buf *out, json_t *doc)
{
	if (!doc)
		abort();
	json_dump_callback(doc, put_piece, out, JSON_COMPACT | JSON_ENCODE_ANY);
	json_decref(doc);
}

static void
note_end(struct mock_answer *out)
{
	if (out->nends == out->ends_size) {
		out->ends_size = out->ends_size ? out->ends_size * 2 : 64;
		out->ends = realloc(out->ends, out->ends_size * sizeof *out->ends);
		if (!out->ends)
			abort();
	}
	out->ends[out->nends++] = out->body.n;
}

void
mock_event_end(struct mock_answer *out)
{
	buf_str(&out->body, "\n\n");
	note_end(out);
}

static void
put_frame(struct buf *out, const char *kind, const char *type, struct span payload)
{
	struct buf headers = { 0 };
	bool event = !strcmp(kind, "event");

	eventstream_header(&headers, event ? ":event-type" : ":exception-type", span_str(type));
	eventstream_header(&headers, ":content-type", SPAN_LIT("application/json"));
	eventstream_header(&headers, ":message-type", span_str(kind));
	if (eventstream_write(out, buf_view(&headers), payload) < 0)
		abort();
	buf_free(&headers);
}

static void
event_of(struct mock_answer *out, const char *kind, const char *type, json_t *doc)
{
	struct buf *b = &out->body, payload = { 0 };

	switch (out->framing) {
	case MOCK_SSE:
		if (type)
			buf_printf(b, "event: %s\n", type);
		buf_str(b, "data: ");
		mock_put(b, doc);
		mock_event_end(out);
		return;
	case MOCK_LINES:
		mock_put(b, doc);
		buf_putc(b, '\n');
		break;
	case MOCK_ARRAY:
		buf_str(b, out->nends ? ",\r\n" : "[");
		mock_put(b, doc);
		break;
	case MOCK_EVENTSTREAM:
		mock_put(&payload, doc);
		put_frame(b, kind, type, buf_view(&payload));
		buf_free(&payload);
		break;
	}
	note_end(out);
}

void
mock_event(struct mock_answer *out, const char *type, json_t *doc)
{
	event_of(out, "event", type, doc);
}

void
mock_events_end(struct mock_answer *out)
{
	if (out->framing != MOCK_ARRAY)
		return;
	buf_str(&out->body, "]");
	note_end(out);
}

static const char *
stream_type(const struct mock_answer *out)
{
	switch (out->framing) {
	case MOCK_SSE: return "text/event-stream";
	case MOCK_LINES: return "application/x-ndjson";
	case MOCK_ARRAY: return "application/json";
	case MOCK_EVENTSTREAM: return "application/vnd.amazon.eventstream";
	}
	abort();
}

/* ---- dialects ---- */

enum errors { OPENAI, RESPONSES, ANTHROPIC, GEMINI, BEDROCK, COHERE, MISTRAL, OLLAMA, TGI };

enum {
	M = 1,	/* a model is needed */
	T = 2,	/* a member that holds the prompt is needed */
	S = 4,	/* `stream: true` makes a stream */
	D = 8,	/* so does its absence */
	V = 16, /* so does the path */
};

/* clang-format off */
static const struct row {
	const char *begin, *end; /* the model between them; begin NULL: the whole path is end */
	mock_writer *write;
	enum errors errors;
	unsigned flags;
} rows[] = {
	{ NULL, "/v1/chat/completions",      mock_openai_chat,       OPENAI, M|T|S },
	{ NULL, "/v1/responses",             mock_responses,         RESPONSES, M|T|S },
	{ NULL, "/v1/completions",           mock_openai_completion, OPENAI, M|T|S },
	{ NULL, "/v1/embeddings",            mock_openai_embeddings, OPENAI, M|T },
	{ NULL, "/mistral/v1/chat/completions", mock_openai_chat,    MISTRAL, M|T|S },
	{ "/openai/deployments/", "/chat/completions", mock_openai_chat, OPENAI, T|S },
	{ NULL, "/v1/messages",              mock_anthropic,         ANTHROPIC, M|T|S },
	{ NULL, "/v1/messages/count_tokens", mock_anthropic_count,   ANTHROPIC, M|T },
	{ "/models/", ":generateContent",    mock_gemini,            GEMINI, T },
	{ "/models/", ":streamGenerateContent", mock_gemini,         GEMINI, T|V },
	{ "/models/", ":countTokens",        mock_gemini_count,      GEMINI, 0 },
	{ "/models/", ":embedContent",       mock_gemini_embed,      GEMINI, 0 },
	{ "/models/", ":batchEmbedContents", mock_gemini_embed,      GEMINI, 0 },
	{ "/model/", "/converse",            mock_bedrock_converse,  BEDROCK, T },
	{ "/model/", "/converse-stream",     mock_bedrock_converse,  BEDROCK, T|V },
	{ "/model/", "/invoke",              mock_bedrock_invoke,    BEDROCK, T },
	{ "/model/", "/invoke-with-response-stream", mock_bedrock_invoke, BEDROCK, T|V },
	{ NULL, "/v2/chat",                  mock_cohere_chat,       COHERE, M|T|S },
	{ NULL, "/v2/embed",                 mock_cohere_embed,      COHERE, M },
	{ NULL, "/v2/rerank",                mock_cohere_rerank,     COHERE, M },
	{ NULL, "/api/chat",                 mock_ollama_chat,       OLLAMA, M|T|D },
	{ NULL, "/api/generate",             mock_ollama_generate,   OLLAMA, M|T|D },
	{ NULL, "/api/embed",                mock_ollama_embed,      OLLAMA, M|T },
	{ NULL, "/generate",                 mock_tgi_generate,      TGI, T },
	{ NULL, "/generate_stream",          mock_tgi_generate,      TGI, T|V },
};

/* What each calls a status. */
static const struct {
	int status;
	const char *openai, *anthropic, *gemini, *bedrock, *exception;
} types[] = {
	{ 400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT", "ValidationException", "validationException" },
	{ 401, "authentication_error", "authentication_error", "UNAUTHENTICATED", "UnrecognizedClientException", "validationException" },
	{ 403, "permission_error", "permission_error", "PERMISSION_DENIED", "AccessDeniedException", "validationException" },
	{ 404, "invalid_request_error", "not_found_error", "NOT_FOUND", "ResourceNotFoundException", "validationException" },
	{ 413, "invalid_request_error", "request_too_large", "INVALID_ARGUMENT", "ValidationException", "validationException" },
	{ 429, "rate_limit_error", "rate_limit_error", "RESOURCE_EXHAUSTED", "ThrottlingException", "throttlingException" },
	{ 503, "server_error", "api_error", "UNAVAILABLE", "ServiceUnavailableException", "serviceUnavailableException" },
	{ 529, "server_error", "overloaded_error", "UNAVAILABLE", "ServiceUnavailableException", "serviceUnavailableException" },
	{ 0,   "server_error", "api_error", "INTERNAL", "InternalServerException", "internalServerException" },
};
/* clang-format on */

/* The row of method and path; *model is decoded into memory where the path has it. */
static const struct row *
find_row(const struct mock_request *r, struct buf *memory, struct span *model)
{
	if (!span_is(r->method, "POST"))
		return NULL;
	for (const struct row *w = rows; w < rows + COUNT_OF(rows); w++) {
		struct span end = span_str(w->end), all = r->path;
		if (!w->begin && !span_eq(all, end))
			continue;
		if (!w->begin)
			return w;
		const char *at = memmem(all.p, all.n, w->begin, strlen(w->begin));
		if (!at || !span_ends(all, end))
			continue;
		size_t from = (size_t)(at - all.p) + strlen(w->begin);
		if (from >= all.n - end.n)
			continue;
		*model = span_cut(all, from, all.n - end.n);
		for (size_t i = 0; i < model->n; i++) {
			char hex[3] = { 0 };
			if (model->p[i] == '%' && i + 2 < model->n) {
				memcpy(hex, model->p + i + 1, 2);
				i += 2;
			}
			buf_putc(memory, *hex ? (char)strtol(hex, NULL, 16) : model->p[i]);
		}
		*model = buf_view(memory);
		return w;
	}
	return NULL;
}

/* The providers' own error documents. */
static json_t *
error_document(int status, enum errors errors)
{
	size_t i = 0;
	char text[64];

	while (types[i].status && types[i].status != status)
		i++;
	snprintf(text, sizeof text, "simulated provider: status %d", status);
	switch (errors) {
	case ANTHROPIC:
		return json_pack("{s:s,s:{s:s,s:s}}", "type", "error", "error", "type",
			types[i].anthropic, "message", text);
	case GEMINI:
		return json_pack("{s:{s:i,s:s,s:s}}", "error", "code", status, "message", text,
			"status", types[i].gemini);
	case BEDROCK: return json_pack("{s:s}", "message", text);
	case COHERE: return json_pack("{s:s,s:s}", "message", text, "id", "mock");
	case MISTRAL:
		return json_pack("{s:s,s:s,s:s,s:n,s:n}", "object", "error", "message", text,
			"type", types[i].openai, "param", "code");
	case OLLAMA: return json_pack("{s:s}", "error", text);
	case TGI:
		return json_pack("{s:s,s:s}", "error", text, "error_type",
			status == 429 ? "overloaded" : "generation");
	default: break;
	}
	char code[32];
	snprintf(code, sizeof code, "simulated_%d", status);
	return json_pack("{s:{s:s,s:s,s:n,s:s}}", "error", "message", text, "type",
		types[i].openai, "param", "code", code);
}

static void
error_answer(struct mock_answer *out, int status, enum errors errors)
{
	static char head[128];
	size_t i = 0;

	while (types[i].status && types[i].status != status)
		i++;
	out->status = status;
	out->stream = false;
	buf_clear(&out->body);
	if (errors == BEDROCK) {
		snprintf(head, sizeof head, "x-amzn-errortype: %s\r\n", types[i].bedrock);
		out->head = head;
	}
	mock_put(&out->body, error_document(status, errors));
	buf_putc(&out->body, '\n');
}

/* A stream ends with an error after `events` of it. */
static void
error_in_stream(struct mock_answer *out, size_t events, enum errors errors)
{
	json_t *doc = error_document(503, errors);

	if (events >= out->nends) {
		json_decref(doc);
		return;
	}
	out->nends = events;
	out->body.n = events ? out->ends[events - 1] : 0;
	if (errors == ANTHROPIC) {
		mock_event(out, "error", doc);
	} else if (errors == RESPONSES) {
		json_t *flat = json_pack("{s:s,s:s,s:s,s:n,s:i}", "type", "error", "code",
			"simulated_503", "message", "simulated provider: status 503", "param",
			"sequence_number", (int)events);
		json_object_set_new(flat, "error", json_incref(json_object_get(doc, "error")));
		json_decref(doc);
		mock_event(out, "error", flat);
	} else if (errors == BEDROCK) {
		event_of(out, "exception", "serviceUnavailableException", doc);
	} else if (errors == COHERE) {
		json_decref(doc);
		mock_event(out, "message-end",
			json_pack("{s:s,s:{s:s,s:s}}", "type", "message-end", "delta", "error",
				"simulated provider: status 503", "finish_reason", "ERROR"));
	} else {
		mock_event(out, NULL, doc);
	}
	mock_events_end(out);
}

static bool
has_prompt(json_t *req)
{
	static const char *const members[] = { "messages", "input", "contents", "prompt",
		"inputs" };

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (json_object_get(req, members[i]))
			return true;
	return false;
}

static void
dialect_answer(const struct mock_request *r, uint64_t serial, const struct row *w,
	struct span in_path, struct mock_answer *out)
{
	struct mock_say s = { .serial = serial, .whole_calls = w->errors == MISTRAL };
	bool read = mock_say_read(&s, r, in_path);
	json_t *stream = json_object_get(s.req, "stream");

	if (!read || ((w->flags & M) && !s.model.n) || ((w->flags & T) && !has_prompt(s.req))) {
		error_answer(out, 400, w->errors);
		goto out;
	}
	out->stream = (w->flags & V) || ((w->flags & (S | D)) && json_is_true(stream)) ||
		      ((w->flags & D) && !stream);
	w->write(out, &s);
	if (!out->stream)
		goto out;
	mock_events_end(out);
	if (mock_control.error_after >= 0)
		error_in_stream(out, (size_t)mock_control.error_after, w->errors);
	out->content_type = stream_type(out);
out:
	mock_say_free(&s);
}

/* ---- the rest ---- */

static void
models_answer(struct mock_answer *out)
{
	static const char *ids[] = { "echo", "gpt-mock", "claude-mock" };

	buf_str(&out->body, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < sizeof ids / sizeof *ids; i++)
		buf_printf(&out->body,
			"%s{\"id\":\"%s\",\"object\":\"model\",\"created\":%d,\"owned_by\":"
			"\"mock\"}",
			i ? "," : "", ids[i], MOCK_CREATED);
	buf_str(&out->body, "]}\n");
}

static void
echo_answer(const struct mock_request *r, struct mock_answer *out)
{
	json_t *o = json_pack("{s:s%,s:s%}", "method", r->method.p, r->method.n, "path",
		r->target.p, r->target.n);
	json_t *body = json_stringn(r->body.p ? r->body.p : "", r->body.n);
	char *s;

	if (o && body)
		json_object_set(o, "body", body);
	json_decref(body);
	s = o ? json_dumps(o, JSON_COMPACT) : NULL;
	buf_str(&out->body, s ? s : "{}");
	buf_putc(&out->body, '\n');
	free(s);
	json_decref(o);
}

/* Where the first event of exact bytes ends: with an empty line, or where a frame of Amazon's
 * says. */
static size_t
exact_end(struct span rest)
{
	bool frames = strstr(mock_control.content_type, "amazon.eventstream") != NULL;
	const char *end = frames ? NULL : memmem(rest.p, rest.n, "\n\n", 2);
	size_t n = end ? (size_t)(end - rest.p) + 2 : rest.n;

	if (frames && rest.n > 4)
		n = (size_t)(unsigned char)rest.p[2] << 8 | (unsigned char)rest.p[3];
	return n && n < rest.n ? n : rest.n;
}

/* The bytes that /_control gave, in events where it streams them. */
static void
exact_answer(struct mock_answer *out)
{
	struct span rest = buf_view(&mock_control.body);

	out->content_type = mock_control.content_type;
	out->stream =
		mock_control.chunk_bytes || mock_control.chunk_s > 0 || mock_control.hold_after;
	while (out->stream && rest.n) {
		size_t n = exact_end(rest);
		buf_span(&out->body, span_cut(rest, 0, n));
		note_end(out);
		rest = span_cut(rest, n, rest.n);
	}
	buf_span(&out->body, rest);
}

void
mock_answer(const struct mock_request *r, uint64_t serial, struct mock_answer *out)
{
	struct buf memory = { 0 };
	struct span model = { "", 0 };
	const struct row *w = find_row(r, &memory, &model);
	enum errors errors = w ? w->errors : OPENAI;

	buf_clear(&out->body);
	out->nends = 0;
	out->stream = false;
	out->framing = MOCK_SSE;
	out->head = NULL;
	out->status = 200;
	out->content_type = "application/json";
	if (mock_control.exact)
		exact_answer(out);
	else if (mock_control.status >= 400)
		error_answer(out, mock_control.status, errors);
	else if (w)
		dialect_answer(r, serial, w, model, out);
	else if (span_is(r->path, "/v1/models") &&
		 (span_is(r->method, "GET") || span_is(r->method, "HEAD")))
		models_answer(out);
	else if (!span_starts(r->path, SPAN_LIT("/v1/")))
		echo_answer(r, out);
	else
		error_answer(out, 404, errors);
	if (mock_control.status)
		out->status = mock_control.status;
	buf_free(&memory);
}
