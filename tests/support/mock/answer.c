/* What the simulated provider says: OpenAI chat completions and (responses.c) responses,
 * Anthropic messages and their count, the model list, an echo for business APIs. Separate from
 * the sockets, because here stands what a test may rely on:
 *
 * A token is a word (a run of bytes between white space). Prompt tokens are the
 * words of all message texts and of the system text; output tokens are the
 * words of the answer, times n. `usage` is therefore exact and can be counted
 * by a test. The model `echo` answers with the last user text, `say:TEXT` with
 * TEXT, every other one with the sentence below. */
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

#include "mock.h"

#define SENTENCE "The simulated provider has read your message and agrees."
#define N_MAX	 128

struct mock_control mock_control = { .times = -1, .cut_after = -1 };

static void
control_reset(void)
{
	json_decref(mock_control.headers);
	json_decref(mock_control.usage);
	free(mock_control.body);
	mock_control = (struct mock_control){ .times = -1, .cut_after = -1 };
}

/* `body` as it is, or `body_base64`; false: it is no base64. */
static bool
control_body(json_t *o)
{
	json_t *plain = json_object_get(o, "body"), *coded = json_object_get(o, "body_base64");
	const char *type = json_string_value(json_object_get(o, "content_type"));
	json_t *from = plain ? plain : coded;
	size_t n = json_string_length(from);

	if (!json_is_string(from))
		return true;
	mock_control.body = malloc(n + 1);
	if (!mock_control.body)
		return false;
	memcpy(mock_control.body, json_string_value(from), n);
	mock_control.nbody = n;
	snprintf(mock_control.content_type, sizeof(mock_control.content_type), "%s",
		type ? type : "application/json");
	return plain ||
	       sodium_base642bin((unsigned char *)mock_control.body, n, json_string_value(from),
		       n, "\n", &mock_control.nbody, NULL,
		       sodium_base64_VARIANT_ORIGINAL) == 0;
}

bool
mock_control_set(struct span body)
{
	json_t *o = body.n ? json_loadb(body.p, body.n, 0, NULL) : json_object();
	json_t *v;

	if (!json_is_object(o)) {
		json_decref(o);
		return false;
	}
	control_reset();
	mock_control.status = (int)json_integer_value(json_object_get(o, "status"));
	if ((v = json_object_get(o, "times")) && json_is_integer(v))
		mock_control.times = (long)json_integer_value(v);
	mock_control.delay_s = json_number_value(json_object_get(o, "delay_ms")) / 1000;
	mock_control.chunk_s = json_number_value(json_object_get(o, "chunk_ms")) / 1000;
	mock_control.chunk_bytes =
		(size_t)json_integer_value(json_object_get(o, "chunk_bytes"));
	if ((v = json_object_get(o, "cut_after_bytes")) && json_is_integer(v))
		mock_control.cut_after = json_integer_value(v);
	if ((v = json_object_get(o, "headers")) && json_is_object(v))
		mock_control.headers = json_incref(v);
	if ((v = json_object_get(o, "usage")))
		mock_control.usage = json_incref(v);
	bool fine = control_body(o);
	json_decref(o);
	if (mock_control.times == 0 || !fine)
		control_reset();
	return fine;
}

void
mock_control_used(void)
{
	if (mock_control.times > 0 && --mock_control.times == 0)
		control_reset();
}

const struct mock_field *
mock_field(const struct mock_request *r, const char *name)
{
	for (size_t i = 0; i < r->nfields; i++)
		if (span_is(r->fields[i].name, name))
			return &r->fields[i];
	return NULL;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

static int64_t
words(const char *p, size_t n)
{
	int64_t count = 0;
	bool in = false;

	for (size_t i = 0; i < n; i++) {
		bool space = is_space(p[i]);
		count += !space && !in;
		in = !space;
	}
	return count;
}

/* The first word of s with the white space around it: the events of a stream,
 * put together, are the text. */
struct span
mock_next_word(struct span *s)
{
	size_t i = 0;

	while (i < s->n && is_space(s->p[i]))
		i++;
	while (i < s->n && !is_space(s->p[i]))
		i++;
	while (i < s->n && is_space(s->p[i]))
		i++;
	struct span w = span_of(s->p, i);
	*s = span_of(s->p + i, s->n - i);
	return w;
}

struct prompt {
	int64_t tokens;
	struct buf last_user;
};

/* content: a string, or parts of which those with a "text" count. */
static void
read_content(json_t *content, struct prompt *p, bool user)
{
	size_t i;
	json_t *part;

	if (user)
		buf_clear(&p->last_user);
	if (json_is_string(content)) {
		p->tokens += words(json_string_value(content), json_string_length(content));
		if (user)
			buf_put(&p->last_user, json_string_value(content),
				json_string_length(content));
	}
	json_array_foreach(content, i, part)
	{
		json_t *t = json_object_get(part, "text");
		if (!json_is_string(t))
			continue;
		p->tokens += words(json_string_value(t), json_string_length(t));
		if (user && p->last_user.n)
			buf_putc(&p->last_user, '\n');
		if (user)
			buf_put(&p->last_user, json_string_value(t), json_string_length(t));
	}
}

/* Responses call theirs `input`; there a text may stand in its place. */
static json_t *
messages_of(json_t *req)
{
	json_t *m = json_object_get(req, "messages");

	return m ? m : json_object_get(req, "input");
}

static void
read_prompt(json_t *req, struct prompt *p)
{
	size_t i;
	json_t *m;

	read_content(json_object_get(req, "system"), p, false);
	read_content(json_object_get(req, "instructions"), p, false);
	if (json_is_string(json_object_get(req, "input")))
		read_content(json_object_get(req, "input"), p, true);
	json_array_foreach(messages_of(req), i, m)
	{
		const char *role = json_string_value(json_object_get(m, "role"));
		read_content(
			json_object_get(m, "content"), p, role && strcmp(role, "user") == 0);
	}
}

void
mock_event_end(struct mock_answer *out)
{
	buf_str(&out->body, "\n\n");
	if (out->nends == out->ends_size) {
		out->ends_size = out->ends_size ? out->ends_size * 2 : 64;
		out->ends = realloc(out->ends, out->ends_size * sizeof *out->ends);
		if (!out->ends)
			abort();
	}
	out->ends[out->nends++] = out->body.n;
}

/* What /_control's "usage" says instead; either dialect's names serve. */
static struct mock_counts
usage_counts(int64_t in, int64_t out)
{
	json_t *u = mock_control.usage, *v;
	struct mock_counts c = { in, out, u && !json_is_object(u) };

	if ((v = json_object_get(u, "prompt_tokens")) ||
		(v = json_object_get(u, "input_tokens")))
		c.in = json_integer_value(v);
	if ((v = json_object_get(u, "completion_tokens")) ||
		(v = json_object_get(u, "output_tokens")))
		c.out = json_integer_value(v);
	return c;
}

/* Further members of /_control's "usage" (prompt_tokens_details, …) as they are. */
static void
put_usage_extra(struct buf *b)
{
	static const char *known[] = { "prompt_tokens", "input_tokens", "completion_tokens",
		"output_tokens", "total_tokens" };
	const char *k;
	json_t *v;

	json_object_foreach(mock_control.usage, k, v)
	{
		bool skip = false;
		for (size_t i = 0; i < sizeof known / sizeof *known; i++)
			skip |= strcmp(k, known[i]) == 0;
		if (skip)
			continue;
		char *s = json_dumps(v, JSON_COMPACT | JSON_ENCODE_ANY);
		buf_printf(b, ",\"%s\":%s", k, s ? s : "null");
		free(s);
	}
}

static void
openai_usage(struct buf *b, struct mock_counts c)
{
	json_t *total = json_object_get(mock_control.usage, "total_tokens");

	buf_printf(b,
		"{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld",
		(long long)c.in, (long long)c.out,
		(long long)(total ? json_integer_value(total) : c.in + c.out));
	put_usage_extra(b);
	buf_putc(b, '}');
}

static void
openai_chunk_open(struct buf *b, uint64_t serial, struct span model)
{
	buf_printf(b,
		"data: "
		"{\"id\":\"chatcmpl-mock%llu\",\"object\":\"chat.completion.chunk\","
		"\"created\":%d,\"model\":",
		(unsigned long long)serial, MOCK_CREATED);
	buf_json_str(b, model);
	buf_str(b, ",\"choices\":[");
}

static void
openai_stream(struct mock_answer *out, uint64_t serial, struct span model, struct span text,
	int n, struct mock_counts c, bool include_usage)
{
	struct buf *b = &out->body;
	const char *tail = include_usage ? "],\"usage\":null}" : "]}";

	for (int i = 0; i < n; i++) {
		openai_chunk_open(b, serial, model);
		buf_printf(b,
			"{\"index\":%d,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},"
			"\"finish_reason\":null}%s",
			i, tail);
		mock_event_end(out);
	}
	for (struct span rest = text; rest.n;) {
		struct span w = mock_next_word(&rest);
		for (int i = 0; i < n; i++) {
			openai_chunk_open(b, serial, model);
			buf_printf(b, "{\"index\":%d,\"delta\":{\"content\":", i);
			buf_json_str(b, w);
			buf_printf(b, "},\"finish_reason\":null}%s", tail);
			mock_event_end(out);
		}
	}
	for (int i = 0; i < n; i++) {
		openai_chunk_open(b, serial, model);
		buf_printf(
			b, "{\"index\":%d,\"delta\":{},\"finish_reason\":\"stop\"}%s", i, tail);
		mock_event_end(out);
	}
	if (include_usage && !c.none) {
		openai_chunk_open(b, serial, model);
		buf_str(b, "],\"usage\":");
		openai_usage(b, c);
		buf_putc(b, '}');
		mock_event_end(out);
	}
	buf_str(b, "data: [DONE]");
	mock_event_end(out);
}

static void
openai_answer(struct mock_answer *out, uint64_t serial, struct span model, struct span text,
	int n, struct mock_counts c)
{
	struct buf *b = &out->body;

	buf_printf(b,
		"{\"id\":\"chatcmpl-mock%llu\",\"object\":\"chat.completion\",\"created\":%d,"
		"\"model\":",
		(unsigned long long)serial, MOCK_CREATED);
	buf_json_str(b, model);
	buf_str(b, ",\"choices\":[");
	for (int i = 0; i < n; i++) {
		buf_printf(b,
			"%s{\"index\":%d,\"message\":{\"role\":\"assistant\",\"content\":",
			i ? "," : "", i);
		buf_json_str(b, text);
		buf_str(b, ",\"refusal\":null},\"logprobs\":null,\"finish_reason\":\"stop\"}");
	}
	buf_putc(b, ']');
	if (!c.none) {
		buf_str(b, ",\"usage\":");
		openai_usage(b, c);
	}
	buf_str(b, "}\n");
}

static void
anthropic_open(struct buf *b, uint64_t serial, struct span model)
{
	buf_printf(b,
		"{\"id\":\"msg_mock%llu\",\"type\":\"message\",\"role\":\"assistant\","
		"\"model\":",
		(unsigned long long)serial);
	buf_json_str(b, model);
}

static void
anthropic_stream(struct mock_answer *out, uint64_t serial, struct span model, struct span text,
	struct mock_counts c)
{
	struct buf *b = &out->body;

	buf_str(b, "event: message_start\ndata: {\"type\":\"message_start\",\"message\":");
	anthropic_open(b, serial, model);
	buf_str(b, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
	if (!c.none) {
		buf_printf(b, ",\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%d",
			(long long)c.in, c.out > 0);
		put_usage_extra(b);
		buf_putc(b, '}');
	}
	buf_str(b, "}}");
	mock_event_end(out);
	buf_str(b, "event: content_block_start\ndata: "
		   "{\"type\":\"content_block_start\",\"index\":0,"
		   "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}");
	mock_event_end(out);
	buf_str(b, "event: ping\ndata: {\"type\":\"ping\"}");
	mock_event_end(out);
	for (struct span rest = text; rest.n;) {
		struct span w = mock_next_word(&rest);
		buf_str(b, "event: content_block_delta\ndata: "
			   "{\"type\":\"content_block_delta\",\"index\":0,"
			   "\"delta\":{\"type\":\"text_delta\",\"text\":");
		buf_json_str(b, w);
		buf_str(b, "}}");
		mock_event_end(out);
	}
	buf_str(b, "event: content_block_stop\ndata: "
		   "{\"type\":\"content_block_stop\",\"index\":0}");
	mock_event_end(out);
	buf_str(b, "event: message_delta\ndata: "
		   "{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\","
		   "\"stop_sequence\":null}");
	if (!c.none)
		buf_printf(b, ",\"usage\":{\"output_tokens\":%lld}", (long long)c.out);
	buf_putc(b, '}');
	mock_event_end(out);
	buf_str(b, "event: message_stop\ndata: {\"type\":\"message_stop\"}");
	mock_event_end(out);
}

static void
anthropic_answer(struct mock_answer *out, uint64_t serial, struct span model, struct span text,
	struct mock_counts c)
{
	struct buf *b = &out->body;

	anthropic_open(b, serial, model);
	buf_str(b, ",\"content\":[{\"type\":\"text\",\"text\":");
	buf_json_str(b, text);
	buf_str(b, "}],\"stop_reason\":\"end_turn\",\"stop_sequence\":null");
	if (!c.none) {
		buf_printf(b, ",\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld",
			(long long)c.in, (long long)c.out);
		put_usage_extra(b);
		buf_putc(b, '}');
	}
	buf_str(b, "}\n");
}

/* The providers' own error documents. */
static void
error_answer(struct mock_answer *out, int status, bool anthropic)
{
	static const struct {
		int status;
		const char *openai, *anthropic;
	} types[] = {
		{ 400, "invalid_request_error", "invalid_request_error" },
		{ 401, "authentication_error", "authentication_error" },
		{ 403, "permission_error", "permission_error" },
		{ 404, "invalid_request_error", "not_found_error" },
		{ 413, "invalid_request_error", "request_too_large" },
		{ 429, "rate_limit_error", "rate_limit_error" },
		{ 529, "server_error", "overloaded_error" },
		{ 0, "server_error", "api_error" },
	};
	size_t i = 0;

	while (types[i].status && types[i].status != status)
		i++;
	out->status = status;
	buf_clear(&out->body);
	if (anthropic)
		buf_printf(&out->body,
			"{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":"
			"\"simulated provider: status %d\"}}\n",
			types[i].anthropic, status);
	else
		buf_printf(&out->body,
			"{\"error\":{\"message\":\"simulated provider: status "
			"%d\",\"type\":\"%s\",\"param\":null,"
			"\"code\":\"simulated_%d\"}}\n",
			status, types[i].openai, status);
}

enum wire { OPENAI, RESPONSES, ANTHROPIC, COUNT_TOKENS };

static void
chat_answer(
	const struct mock_request *r, uint64_t serial, enum wire wire, struct mock_answer *out)
{
	bool anthropic = wire >= ANTHROPIC;
	json_t *req = json_loadb(r->body.p ? r->body.p : "", r->body.n, JSON_ALLOW_NUL, NULL);
	json_t *model = json_object_get(req, "model");
	struct prompt p = { 0 };

	if (!json_is_string(model) ||
		!(json_is_array(messages_of(req)) ||
			(wire == RESPONSES && json_is_string(messages_of(req))))) {
		error_answer(out, 400, anthropic);
		goto out;
	}
	read_prompt(req, &p);
	if (wire == COUNT_TOKENS) {
		buf_printf(&out->body, "{\"input_tokens\":%lld}\n", (long long)p.tokens);
		goto out;
	}
	struct span name = span_of(json_string_value(model), json_string_length(model));
	struct span text = span_str(SENTENCE);
	if (span_is(name, "echo"))
		text = buf_view(&p.last_user);
	else if (span_starts(name, span_str("say:")))
		text = span_cut(name, 4, name.n);
	json_int_t n = json_integer_value(json_object_get(req, "n"));
	n = wire != OPENAI || n < 1 ? 1 : n > N_MAX ? N_MAX : n;
	struct mock_counts c = usage_counts(p.tokens, words(text.p, text.n) * n);
	out->stream = json_is_true(json_object_get(req, "stream"));
	json_t *options = json_object_get(req, "stream_options");
	bool include_usage = json_is_true(json_object_get(options, "include_usage"));
	if (out->stream)
		out->content_type = "text/event-stream";
	if (wire == RESPONSES)
		mock_responses(out, serial, name, text, c);
	else if (out->stream && anthropic)
		anthropic_stream(out, serial, name, text, c);
	else if (out->stream)
		openai_stream(out, serial, name, text, (int)n, c, include_usage);
	else if (anthropic)
		anthropic_answer(out, serial, name, text, c);
	else
		openai_answer(out, serial, name, text, (int)n, c);
out:
	buf_free(&p.last_user);
	json_decref(req);
}

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

/* The bytes that /_control gave; where it streams them, an event ends with an empty line. */
static void
given_answer(struct mock_answer *out)
{
	struct span all = span_of(mock_control.body, mock_control.nbody);

	out->content_type = mock_control.content_type;
	out->stream = mock_control.chunk_bytes || mock_control.chunk_s > 0;
	for (size_t at = 0; out->stream && at < all.n;) {
		const char *end = memmem(all.p + at, all.n - at, "\n\n", 2);
		size_t to = end ? (size_t)(end - all.p) + 2 : all.n;
		buf_span(&out->body, span_cut(all, at, to));
		mock_event_end(out);
		at = to;
	}
	if (!out->stream)
		buf_span(&out->body, all);
}

void
mock_answer(const struct mock_request *r, uint64_t serial, struct mock_answer *out)
{
	static const struct {
		const char *path;
		enum wire wire;
	} wires[] = {
		{ "/v1/chat/completions", OPENAI },
		{ "/v1/responses", RESPONSES },
		{ "/v1/messages", ANTHROPIC },
		{ "/v1/messages/count_tokens", COUNT_TOKENS },
	};
	size_t w = 0;
	while (w < sizeof wires / sizeof *wires && !span_is(r->path, wires[w].path))
		w++;
	bool known = w < sizeof wires / sizeof *wires;
	bool anthropic = known && wires[w].wire >= ANTHROPIC;
	bool post = span_is(r->method, "POST");

	buf_clear(&out->body);
	out->nends = 0;
	out->stream = false;
	out->status = 200;
	out->content_type = "application/json";
	if (mock_control.body) {
		given_answer(out);
		out->status = mock_control.status ? mock_control.status : 200;
		return;
	}
	if (mock_control.status >= 400) {
		error_answer(out, mock_control.status, anthropic);
		return;
	}
	if (post && known)
		chat_answer(r, serial, wires[w].wire, out);
	else if (span_is(r->path, "/v1/models") &&
		 (span_is(r->method, "GET") || span_is(r->method, "HEAD")))
		models_answer(out);
	else if (!span_starts(r->path, span_str("/v1/")))
		echo_answer(r, out);
	else
		error_answer(out, 404, anthropic);
	if (mock_control.status)
		out->status = mock_control.status;
}
