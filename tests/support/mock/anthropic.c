/* Anthropic's messages and their count, with thinking, citations and tool use as content
 * blocks. Bedrock's invoke wraps them (bedrock.c). */
#include "mock.h"

/* Input counts are separate here: input_tokens does not include the cached ones. */
static void
put_usage(struct buf *b, struct mock_counts c, int64_t out)
{
	buf_printf(b, ",\"usage\":{\"input_tokens\":%lld,\"output_tokens\":%lld",
		(long long)(c.in - c.cached - c.written), (long long)out);
	if (c.cached)
		buf_printf(b,
			",\"cache_creation_input_tokens\":%lld,"
			"\"cache_read_input_tokens\":%lld",
			(long long)c.written, (long long)c.cached);
	mock_usage_extra(b);
	buf_putc(b, '}');
}

static void
open_message(struct buf *b, const struct mock_say *s)
{
	buf_printf(b,
		"{\"id\":\"msg_mock%llu\",\"type\":\"message\",\"role\":\"assistant\","
		"\"model\":",
		(unsigned long long)s->serial);
	buf_json_str(b, s->model);
}

static struct buf *
event(struct mock_answer *out, const char *type)
{
	buf_printf(&out->body, "event: %s\ndata: {\"type\":\"%s\"", type, type);
	return &out->body;
}

static void
event_close(struct mock_answer *out)
{
	buf_putc(&out->body, '}');
	mock_event_end(out);
}

static void
put_citation(struct buf *b, struct span text)
{
	buf_str(b, "{\"type\":\"char_location\",\"cited_text\":");
	buf_json_str(b, text);
	buf_printf(b,
		",\"document_index\":0,\"document_title\":null,\"start_char_index\":0,"
		"\"end_char_index\":%zu}",
		text.n);
}

static void
put_tool(struct buf *b, const struct mock_say *s, bool second, struct span input)
{
	buf_printf(b, "{\"type\":\"tool_use\",\"id\":\"toolu_mock%llu%s\",\"name\":",
		(unsigned long long)s->serial, second ? "b" : "");
	buf_json_str(b, s->tool);
	buf_str(b, ",\"input\":");
	buf_span(b, input);
	buf_putc(b, '}');
}

/* A block that grows by `delta` events. The member of each delta has a piece of the text. */
static void
deltas(struct mock_answer *out, int index, const char *type, const char *member,
	struct span text)
{
	while (text.n) {
		struct buf *b = event(out, "content_block_delta");
		buf_printf(b, ",\"index\":%d,\"delta\":{\"type\":\"%s\",\"%s\":", index, type,
			member);
		buf_json_str(b, mock_next_piece(&text));
		buf_putc(b, '}');
		event_close(out);
	}
}

static struct buf *
block_open(struct mock_answer *out, int index)
{
	buf_printf(
		event(out, "content_block_start"), ",\"index\":%d,\"content_block\":", index);
	return &out->body;
}

static void
block_close(struct mock_answer *out, int index)
{
	buf_printf(event(out, "content_block_stop"), ",\"index\":%d", index);
	event_close(out);
}

static void
stream_blocks(struct mock_answer *out, const struct mock_say *s)
{
	int i = 0;

	if (s->thinking.n) {
		buf_str(block_open(out, i),
			"{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}");
		event_close(out);
		deltas(out, i, "thinking_delta", "thinking", s->thinking);
		buf_printf(event(out, "content_block_delta"),
			",\"index\":%d,\"delta\":{\"type\":\"signature_delta\",\"signature\":"
			"\"bW9jaw==\"}",
			i);
		event_close(out);
		block_close(out, i++);
	}
	if (!s->tool.n) {
		buf_str(block_open(out, i), "{\"type\":\"text\",\"text\":\"\"}");
		event_close(out);
		event(out, "ping");
		event_close(out);
		deltas(out, i, "text_delta", "text", s->text);
		if (s->cites) {
			struct buf *b = event(out, "content_block_delta");
			buf_printf(b,
				",\"index\":%d,\"delta\":{\"type\":\"citations_delta\","
				"\"citation\":",
				i);
			put_citation(b, s->text);
			buf_putc(b, '}');
			event_close(out);
		}
		block_close(out, i++);
	} else {
		for (int c = 0; c < (s->more.n ? 2 : 1); c++) {
			put_tool(block_open(out, i), s, c, SPAN_LIT("{}"));
			event_close(out);
			deltas(out, i, "input_json_delta", "partial_json",
				c ? s->more : s->args);
			block_close(out, i++);
		}
	}
}

static void
stream(struct mock_answer *out, const struct mock_say *s)
{
	struct buf *b = event(out, "message_start");

	buf_str(b, ",\"message\":");
	open_message(b, s);
	buf_str(b, ",\"content\":[],\"stop_reason\":null,\"stop_sequence\":null");
	if (!s->c.none)
		put_usage(b, s->c, s->c.out > 0);
	buf_putc(b, '}');
	event_close(out);
	stream_blocks(out, s);
	buf_printf(event(out, "message_delta"),
		",\"delta\":{\"stop_reason\":\"%s\",\"stop_sequence\":null}",
		s->tool.n ? "tool_use" : "end_turn");
	if (!s->c.none)
		buf_printf(b, ",\"usage\":{\"output_tokens\":%lld}", (long long)s->c.out);
	event_close(out);
	event(out, "message_stop");
	event_close(out);
}

static void
whole(struct mock_answer *out, const struct mock_say *s)
{
	struct buf *b = &out->body;

	open_message(b, s);
	buf_str(b, ",\"content\":[");
	if (s->thinking.n) {
		buf_str(b, "{\"type\":\"thinking\",\"thinking\":");
		buf_json_str(b, s->thinking);
		buf_str(b, ",\"signature\":\"bW9jaw==\"},");
	}
	if (s->tool.n) {
		put_tool(b, s, false, s->args);
		buf_str(b, s->more.n ? "," : "");
		if (s->more.n)
			put_tool(b, s, true, s->more);
	} else {
		buf_str(b, "{\"type\":\"text\",\"text\":");
		buf_json_str(b, s->text);
		if (s->cites) {
			buf_str(b, ",\"citations\":[");
			put_citation(b, s->text);
			buf_putc(b, ']');
		}
		buf_putc(b, '}');
	}
	buf_printf(b, "],\"stop_reason\":\"%s\",\"stop_sequence\":null",
		s->tool.n ? "tool_use" : "end_turn");
	if (!s->c.none)
		put_usage(b, s->c, s->c.out);
	buf_str(b, "}\n");
}

void
mock_anthropic(struct mock_answer *out, const struct mock_say *s)
{
	if (out->stream)
		stream(out, s);
	else
		whole(out, s);
}

void
mock_anthropic_count(struct mock_answer *out, const struct mock_say *s)
{
	out->stream = false;
	buf_printf(&out->body, "{\"input_tokens\":%lld}\n", (long long)s->c.in);
}
