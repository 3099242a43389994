/* OpenAI's chat completions, which Mistral also uses, completions and embeddings. */
#include <string.h>

#include "mock.h"

static void
openai_usage(struct buf *b, struct mock_counts c)
{
	json_t *total = json_object_get(mock_control.usage, "total_tokens");

	buf_printf(b,
		"{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,\"total_tokens\":%lld",
		(long long)c.in, (long long)c.out,
		(long long)(total ? json_integer_value(total) : c.in + c.out));
	if (c.cached)
		buf_printf(b,
			",\"prompt_tokens_details\":{\"cached_tokens\":%lld,"
			"\"cache_write_tokens\":%lld}",
			(long long)c.cached, (long long)c.written);
	if (c.reasoning)
		buf_printf(b, ",\"completion_tokens_details\":{\"reasoning_tokens\":%lld}",
			(long long)c.reasoning);
	mock_usage_extra(b);
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

/* An event of one choice, up to the members of its delta; with `finish` up to its end. */
static void
openai_chunk(struct mock_answer *out, const struct mock_say *s, int choice, const char *finish)
{
	struct buf *b = &out->body;

	openai_chunk_open(b, s->serial, s->model);
	buf_printf(b, "{\"index\":%d,\"delta\":{", choice);
	if (finish)
		buf_printf(b, "},\"finish_reason\":\"%s\"}]", finish);
}

static void
openai_chunk_close(struct mock_answer *out, const struct mock_say *s, const char *finish)
{
	struct buf *b = &out->body;

	if (!finish)
		buf_str(b, "},\"finish_reason\":null}]");
	if (finish && s->whole_calls &&
		!s->c.none) { /* Mistral sends usage without a request for it */
		buf_str(b, ",\"usage\":");
		openai_usage(b, s->c);
	} else if (s->include_usage) {
		buf_str(b, ",\"usage\":null");
	}
	buf_putc(b, '}');
	mock_event_end(out);
}

static void
openai_pieces(
	struct mock_answer *out, const struct mock_say *s, const char *member, struct span text)
{
	while (text.n) {
		struct span w = mock_next_piece(&text);
		for (int i = 0; i < s->n; i++) {
			openai_chunk(out, s, i, NULL);
			buf_printf(&out->body, "\"%s\":", member);
			buf_json_str(&out->body, w);
			openai_chunk_close(out, s, NULL);
		}
	}
}

static void
put_call_head(struct buf *b, const struct mock_say *s, int call)
{
	buf_printf(b, "\"id\":\"call_%05llu%s\",\"type\":\"function\",\"function\":{\"name\":",
		(unsigned long long)s->serial, call ? "b" : "");
	buf_json_str(b, s->tool);
}

/* The first fragment has id and name; Mistral sends the call in one fragment. Two calls
 * alternate. */
static void
openai_calls(struct mock_answer *out, const struct mock_say *s)
{
	struct buf *b = &out->body;
	struct span rest[2] = { s->args, s->more };

	mock_pieces++;
	for (bool first = true; first || rest[0].n || rest[1].n; first = false)
		for (int i = 0; i < (s->more.n ? 2 : 1); i++) {
			if (!first && !rest[i].n)
				continue;
			struct span w = s->whole_calls ? rest[i]
					: first	       ? SPAN_LIT("")
						       : mock_next_piece(&rest[i]);
			openai_chunk(out, s, 0, NULL);
			buf_printf(b, "\"tool_calls\":[{\"index\":%d,", i);
			if (first) {
				put_call_head(b, s, i);
				buf_putc(b, ',');
			} else {
				buf_str(b, "\"function\":{");
			}
			buf_str(b, "\"arguments\":");
			buf_json_str(b, w);
			buf_str(b, "}}]");
			openai_chunk_close(out, s, NULL);
			if (s->whole_calls)
				rest[i].n = 0;
		}
}

static void
openai_stream(struct mock_answer *out, const struct mock_say *s)
{
	struct buf *b = &out->body;
	const char *finish = s->tool.n ? "tool_calls" : "stop";

	for (int i = 0; i < s->n; i++) {
		openai_chunk(out, s, i, NULL);
		buf_str(b, "\"role\":\"assistant\",\"content\":\"\"");
		openai_chunk_close(out, s, NULL);
	}
	openai_pieces(out, s, "reasoning_content", s->thinking);
	openai_pieces(out, s, "content", s->text);
	if (s->tool.n)
		openai_calls(out, s);
	for (int i = 0; i < s->n; i++) {
		openai_chunk(out, s, i, finish);
		openai_chunk_close(out, s, finish);
	}
	if (s->include_usage && !s->c.none) {
		openai_chunk_open(b, s->serial, s->model);
		buf_str(b, "],\"usage\":");
		openai_usage(b, s->c);
		buf_putc(b, '}');
		mock_event_end(out);
	}
	buf_str(b, "data: [DONE]");
	mock_event_end(out);
}

static void
openai_answer(struct mock_answer *out, const struct mock_say *s)
{
	struct buf *b = &out->body;

	buf_printf(b,
		"{\"id\":\"chatcmpl-mock%llu\",\"object\":\"chat.completion\",\"created\":%d,"
		"\"model\":",
		(unsigned long long)s->serial, MOCK_CREATED);
	buf_json_str(b, s->model);
	buf_str(b, ",\"choices\":[");
	for (int i = 0; i < s->n; i++) {
		buf_printf(b,
			"%s{\"index\":%d,\"message\":{\"role\":\"assistant\",\"content\":",
			i ? "," : "", i);
		if (s->tool.n)
			buf_str(b, "null");
		else
			buf_json_str(b, s->text);
		if (s->thinking.n) {
			buf_str(b, ",\"reasoning_content\":");
			buf_json_str(b, s->thinking);
		}
		if (s->tool.n) {
			buf_str(b, ",\"tool_calls\":[");
			for (int c = 0; c < (s->more.n ? 2 : 1); c++) {
				buf_str(b, c ? ",{" : "{");
				put_call_head(b, s, c);
				buf_str(b, ",\"arguments\":");
				buf_json_str(b, c ? s->more : s->args);
				buf_str(b, "}}");
			}
			buf_putc(b, ']');
		}
		if (!s->whole_calls)
			buf_str(b, ",\"refusal\":null");
		buf_printf(b, "}%s,\"finish_reason\":\"%s\"}",
			s->whole_calls ? "" : ",\"logprobs\":null",
			s->tool.n ? "tool_calls" : "stop");
	}
	buf_putc(b, ']');
	if (!s->c.none) {
		buf_str(b, ",\"usage\":");
		openai_usage(b, s->c);
	}
	buf_str(b, "}\n");
}

void
mock_openai_chat(struct mock_answer *out, const struct mock_say *s)
{
	if (out->stream)
		openai_stream(out, s);
	else
		openai_answer(out, s);
}

/* ---- completions and embeddings ---- */

static void
put_completion(struct mock_answer *out, const struct mock_say *s, struct span text,
	const char *finish, bool usage)
{
	struct buf *b = &out->body;

	buf_printf(b,
		"{\"id\":\"cmpl-mock%llu\",\"object\":\"text_completion\",\"created\":%d,"
		"\"model\":",
		(unsigned long long)s->serial, MOCK_CREATED);
	buf_json_str(b, s->model);
	buf_str(b, ",\"choices\":[{\"index\":0,\"logprobs\":null,\"text\":");
	buf_json_str(b, text);
	buf_printf(b, ",\"finish_reason\":%s}]", finish);
	if (usage && !s->c.none) {
		buf_str(b, ",\"usage\":");
		openai_usage(b, s->c);
	}
	buf_putc(b, '}');
}

void
mock_openai_completion(struct mock_answer *out, const struct mock_say *s)
{
	struct buf *b = &out->body;

	if (!out->stream) {
		put_completion(out, s, s->text, "\"stop\"", true);
		buf_putc(b, '\n');
		return;
	}
	for (struct span rest = s->text; rest.n;) {
		buf_str(b, "data: ");
		put_completion(out, s, mock_next_piece(&rest), "null", false);
		mock_event_end(out);
	}
	buf_str(b, "data: ");
	put_completion(out, s, SPAN_LIT(""), "\"stop\"", false);
	mock_event_end(out);
	if (s->include_usage && !s->c.none) {
		buf_printf(b,
			"data: {\"id\":\"cmpl-mock%llu\",\"object\":\"text_completion\","
			"\"created\":%d,\"choices\":[],\"usage\":",
			(unsigned long long)s->serial, MOCK_CREATED);
		openai_usage(b, s->c);
		buf_putc(b, '}');
		mock_event_end(out);
	}
	buf_str(b, "data: [DONE]");
	mock_event_end(out);
}

/* Model "words": texts of the same words have vectors near each other, whatever their order. */
static void
put_words_vector(struct buf *b, const char *text)
{
	enum { DIMS = 64 };
	unsigned v[DIMS] = { 0 }, h = 5381;

	for (const char *p = text;; p++) {
		if ((*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') ||
			(*p >= '0' && *p <= '9')) {
			h = h * 33 + (unsigned)(*p | 0x20);
			continue;
		}
		if (h != 5381)
			v[h % DIMS]++;
		h = 5381;
		if (!*p)
			break;
	}
	for (size_t i = 0; i < DIMS; i++)
		buf_printf(b, "%s%u", i ? "," : "[", v[i]);
	buf_str(b, "]}");
}

void
mock_openai_embeddings(struct mock_answer *out, const struct mock_say *s)
{
	/* [0.5, -0.25, 0.125, 1.0], as numbers or as little-endian floats */
	static const unsigned char floats[] = { 0, 0, 0, 0x3f, 0, 0, 0x80, 0xbe, 0, 0, 0, 0x3e,
		0, 0, 0x80, 0x3f };
	const char *format = json_string_value(json_object_get(s->req, "encoding_format"));
	json_t *input = json_object_get(s->req, "input");
	size_t n = json_is_array(input) ? json_array_size(input) : 1;
	struct buf *b = &out->body;

	buf_str(b, "{\"object\":\"list\",\"data\":[");
	for (size_t i = 0; i < n; i++) {
		buf_printf(b, "%s{\"object\":\"embedding\",\"index\":%zu,\"embedding\":",
			i ? "," : "", i);
		if (format && !strcmp(format, "base64")) {
			buf_putc(b, '"');
			mock_base64(b, span_of((const char *)floats, sizeof floats));
			buf_str(b, "\"}");
		} else if (span_is(s->model, "words") && json_is_string(input)) {
			put_words_vector(b, json_string_value(input));
		} else {
			buf_str(b, "[0.5,-0.25,0.125,1.0]}");
		}
	}
	buf_str(b, "],\"model\":");
	buf_json_str(b, s->model);
	buf_printf(b, ",\"usage\":{\"prompt_tokens\":%lld,\"total_tokens\":%lld}}\n",
		(long long)s->c.in, (long long)s->c.in);
}
