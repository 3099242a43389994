/* Chooses the dialect of the response: one table row for each path. Also: events in each
 * framing, the list of models, an echo for business APIs. The texts are in say.c, the errors in
 * error.c. */
#include <stdlib.h>
#include <string.h>

#include "base/codec/eventstream.h"
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
put_end(struct mock_answer *out, size_t end)
{
	if (out->nends == out->ends_size) {
		out->ends_size = out->ends_size ? out->ends_size * 2 : 64;
		out->ends = realloc(out->ends, out->ends_size * sizeof *out->ends);
		if (!out->ends)
			abort();
	}
	out->ends[out->nends++] = end;
}

static void
note_end(struct mock_answer *out)
{
	/* the first piece of the text made this event */
	if (mock_pieces && out->content == SIZE_MAX)
		out->content = out->nends;
	put_end(out, out->body.n);
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
mock_exception(struct mock_answer *out, const char *type, json_t *doc)
{
	event_of(out, "exception", type, doc);
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

enum {
	M = 1,	/* a model is needed */
	T = 2,	/* a member that holds the prompt is needed */
	S = 4,	/* `stream: true` makes a stream */
	D = 8,	/* the absence of `stream` makes a stream */
	V = 16, /* the path makes a stream */
};

/* clang-format off */
static const struct row {
	const char *begin, *end; /* the model is between them; begin NULL: the whole path is end */
	mock_writer *write;
	enum mock_errors errors;
	unsigned flags;
} rows[] = {
	{ NULL, "/v1/chat/completions",      mock_openai_chat,       MOCK_OPENAI, M|T|S },
	{ NULL, "/v1/responses",             mock_responses,         MOCK_RESPONSES, M|T|S },
	{ NULL, "/v1/completions",           mock_openai_completion, MOCK_OPENAI, M|T|S },
	{ NULL, "/v1/embeddings",            mock_openai_embeddings, MOCK_OPENAI, M|T },
	{ NULL, "/mistral/v1/chat/completions", mock_openai_chat,    MOCK_MISTRAL, M|T|S },
	{ "/openai/deployments/", "/chat/completions", mock_openai_chat, MOCK_OPENAI, T|S },
	{ NULL, "/v1/messages",              mock_anthropic,         MOCK_ANTHROPIC, M|T|S },
	{ NULL, "/v1/messages/count_tokens", mock_anthropic_count,   MOCK_ANTHROPIC, M|T },
	{ "/models/", ":generateContent",    mock_gemini,            MOCK_GEMINI, T },
	{ "/models/", ":streamGenerateContent", mock_gemini,         MOCK_GEMINI, T|V },
	{ "/models/", ":countTokens",        mock_gemini_count,      MOCK_GEMINI, 0 },
	{ "/models/", ":embedContent",       mock_gemini_embed,      MOCK_GEMINI, 0 },
	{ "/models/", ":batchEmbedContents", mock_gemini_embed,      MOCK_GEMINI, 0 },
	{ "/model/", "/converse",            mock_bedrock_converse,  MOCK_BEDROCK, T },
	{ "/model/", "/converse-stream",     mock_bedrock_converse,  MOCK_BEDROCK, T|V },
	{ "/model/", "/invoke",              mock_bedrock_invoke,    MOCK_BEDROCK, T },
	{ "/model/", "/invoke-with-response-stream", mock_bedrock_invoke, MOCK_BEDROCK, T|V },
	{ NULL, "/v2/chat",                  mock_cohere_chat,       MOCK_COHERE, M|T|S },
	{ NULL, "/v2/embed",                 mock_cohere_embed,      MOCK_COHERE, M },
	{ NULL, "/v2/rerank",                mock_cohere_rerank,     MOCK_COHERE, M },
	{ NULL, "/api/chat",                 mock_ollama_chat,       MOCK_OLLAMA, M|T|D },
	{ NULL, "/api/generate",             mock_ollama_generate,   MOCK_OLLAMA, M|T|D },
	{ NULL, "/api/embed",                mock_ollama_embed,      MOCK_OLLAMA, M|T },
	{ NULL, "/generate",                 mock_tgi_generate,      MOCK_TGI, T },
	{ NULL, "/generate_stream",          mock_tgi_generate,      MOCK_TGI, T|V },
};

/* clang-format on */

/* Returns the row of method and path. *model is decoded into memory if the path contains it. */
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

/* Keep-alive events of a stream, before its first content. */
static void
put_pings(struct mock_answer *out, enum mock_errors errors)
{
	size_t at = mock_at(&(struct mock_where){ .of_content = true }, out),
	       kept = at ? out->ends[at - 1] : 0, nends = out->nends, *ends = out->ends;
	struct buf body = out->body;

	buf_init(&out->body, 0);
	out->ends = NULL;
	out->nends = out->ends_size = 0;
	buf_span(&out->body, span_cut(buf_view(&body), 0, kept));
	for (size_t i = 0; i < at; i++)
		put_end(out, ends[i]);
	for (long i = 0; i < mock_control.pings; i++) {
		buf_str(&out->body, errors == MOCK_ANTHROPIC
					    ? "event: ping\ndata: {\"type\":\"ping\"}"
					    : ": keep-alive");
		mock_event_end(out);
	}
	size_t more = out->body.n - kept;
	buf_span(&out->body, span_cut(buf_view(&body), kept, body.n));
	for (size_t i = at; i < nends; i++)
		put_end(out, ends[i] + more);
	out->content = at + (size_t)mock_control.pings;
	buf_free(&body);
	free(ends);
}

static bool
has_prompt(json_t *req)
{
	static const char *const members[] = { "messages", "input", "contents", "prompt",
		"inputs", "inputText", "texts" };

	for (size_t i = 0; i < COUNT_OF(members); i++)
		if (json_object_get(req, members[i]))
			return true;
	return false;
}

static void
dialect_answer(const struct mock_request *r, uint64_t serial, const struct row *w,
	struct span in_path, struct mock_answer *out)
{
	struct mock_say s = { .serial = serial, .whole_calls = w->errors == MOCK_MISTRAL };
	bool read = mock_say_read(&s, r, in_path);
	json_t *stream = json_object_get(s.req, "stream");

	if (!read || ((w->flags & M) && !s.model.n) || ((w->flags & T) && !has_prompt(s.req))) {
		mock_error(out, 400, w->errors, s.model);
		goto out;
	}
	out->stream = (w->flags & V) || ((w->flags & (S | D)) && json_is_true(stream)) ||
		      ((w->flags & D) && !stream);
	w->write(out, &s);
	out->in = s.c.in;
	out->out = s.c.out;
	if (!out->stream)
		goto out;
	mock_events_end(out);
	if (out->content == SIZE_MAX) /* no content follows */
		out->content = out->nends > 1;
	if (mock_control.pings && out->framing == MOCK_SSE)
		put_pings(out, w->errors);
	if (mock_control.error.is)
		mock_error_in_stream(
			out, mock_at(&mock_control.error, out), w->errors, s.model);
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
card_answer(struct span model, struct mock_answer *out)
{
	buf_str(&out->body, "{\"id\":");
	buf_json_str(&out->body, model);
	buf_printf(&out->body, ",\"object\":\"model\",\"created\":%d,\"owned_by\":\"mock\"}\n",
		MOCK_CREATED);
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

/* Returns the end of the first event of exact bytes: an empty line, or the length in an Amazon
 * frame. */
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

/* The bytes that /_control gave, as events if it streams them. */
static void
exact_answer(struct mock_answer *out)
{
	struct span rest = buf_view(&mock_control.body);

	out->content_type = mock_control.content_type;
	out->stream =
		mock_control.chunk_bytes || mock_control.chunk_s > 0 || mock_control.hold.is;
	while (out->stream && rest.n) {
		size_t n = exact_end(rest);
		buf_span(&out->body, span_cut(rest, 0, n));
		note_end(out);
		rest = span_cut(rest, n, rest.n);
	}
	buf_span(&out->body, rest);
}

/* The error of the setting, for the requested model. */
static void
set_error(const struct mock_request *r, enum mock_errors errors, struct span in_path,
	struct mock_answer *out)
{
	struct mock_say s = { 0 };

	if (!mock_say_read(&s, r, in_path))
		s.model = in_path;
	mock_error(out, mock_control.status, errors, s.model);
	mock_say_free(&s);
}

void
mock_answer(const struct mock_request *r, uint64_t serial, struct mock_answer *out)
{
	struct buf memory = { 0 };
	struct span model = { "", 0 };
	const struct row *w = find_row(r, &memory, &model);
	enum mock_errors errors = w ? w->errors : MOCK_OPENAI;

	buf_clear(&out->body);
	out->nends = 0;
	out->stream = false;
	out->framing = MOCK_SSE;
	out->head = NULL;
	out->status = 200;
	out->content_type = "application/json";
	out->content = SIZE_MAX;
	out->in = out->out = 0;
	mock_pieces = 0;
	if (mock_control.exact)
		exact_answer(out);
	else if (mock_control.status >= 400 || (mock_control.fault && !mock_control.error.is))
		set_error(r, errors, model, out);
	else if (w)
		dialect_answer(r, serial, w, model, out);
	else if (span_is(r->path, "/v1/models") &&
		 (span_is(r->method, "GET") || span_is(r->method, "HEAD")))
		models_answer(out);
	else if (span_starts(r->path, SPAN_LIT("/v1/models/")) && span_is(r->method, "GET"))
		card_answer(span_cut(r->path, strlen("/v1/models/"), r->path.n), out);
	else if (!span_starts(r->path, SPAN_LIT("/v1/")))
		echo_answer(r, out);
	else
		mock_error(out, 404, errors, model);
	if (mock_control.status)
		out->status = mock_control.status;
	buf_free(&memory);
}
