/* OpenAI's responses, which Codex speaks: one message with one text, whole or as the
 * events of a stream, numbered, each with its type. */
#include "mock.h"

static void
put_message(struct buf *b, uint64_t serial, const char *status, const struct span *text)
{
	buf_printf(b,
		"{\"id\":\"msg_mock%llu\",\"type\":\"message\",\"status\":\"%s\","
		"\"role\":\"assistant\",\"content\":[",
		(unsigned long long)serial, status);
	if (text) {
		buf_str(b, "{\"type\":\"output_text\",\"annotations\":[],\"text\":");
		buf_json_str(b, *text);
		buf_putc(b, '}');
	}
	buf_str(b, "]}");
}

static void
put_response(struct buf *b, uint64_t serial, struct span model, const struct span *text,
	struct mock_counts c)
{
	buf_printf(b,
		"{\"id\":\"resp_mock%llu\",\"object\":\"response\",\"created_at\":%d,"
		"\"status\":\"%s\",\"error\":null,\"model\":",
		(unsigned long long)serial, MOCK_CREATED, text ? "completed" : "in_progress");
	buf_json_str(b, model);
	buf_str(b, ",\"output\":[");
	if (text)
		put_message(b, serial, "completed", text);
	buf_str(b, "],\"parallel_tool_calls\":true,\"tool_choice\":\"auto\",\"tools\":[]");
	if (text && !c.none)
		buf_printf(b,
			",\"usage\":{\"input_tokens\":%lld,"
			"\"input_tokens_details\":{\"cached_tokens\":0},\"output_tokens\":%lld,"
			"\"output_tokens_details\":{\"reasoning_tokens\":0},"
			"\"total_tokens\":%lld}",
			(long long)c.in, (long long)c.out, (long long)(c.in + c.out));
	buf_putc(b, '}');
}

/* Up to where the event's own members begin. */
static struct buf *
event(struct mock_answer *out, const char *type, unsigned *sequence)
{
	buf_printf(&out->body, "event: %s\ndata: {\"type\":\"%s\",\"sequence_number\":%u", type,
		type, (*sequence)++);
	return &out->body;
}

static void
put_place(struct buf *b, uint64_t serial)
{
	buf_printf(b, ",\"item_id\":\"msg_mock%llu\",\"output_index\":0,\"content_index\":0",
		(unsigned long long)serial);
}

static void
event_close(struct mock_answer *out)
{
	buf_putc(&out->body, '}');
	mock_event_end(out);
}

static void
put_part(struct buf *b, struct span text)
{
	buf_str(b, ",\"part\":{\"type\":\"output_text\",\"annotations\":[],\"text\":");
	buf_json_str(b, text);
	buf_putc(b, '}');
}

static void
stream(struct mock_answer *out, uint64_t serial, struct span model, struct span text,
	struct mock_counts c)
{
	static const char *const begins[] = { "response.created", "response.in_progress" };
	unsigned n = 0;
	struct buf *b;

	for (size_t i = 0; i < 2; i++) {
		b = event(out, begins[i], &n);
		buf_str(b, ",\"response\":");
		put_response(b, serial, model, NULL, c);
		event_close(out);
	}
	b = event(out, "response.output_item.added", &n);
	buf_str(b, ",\"output_index\":0,\"item\":");
	put_message(b, serial, "in_progress", NULL);
	event_close(out);
	put_place(event(out, "response.content_part.added", &n), serial);
	put_part(b, SPAN_LIT(""));
	event_close(out);
	for (struct span rest = text; rest.n;) {
		struct span w = mock_next_word(&rest);
		put_place(event(out, "response.output_text.delta", &n), serial);
		buf_str(b, ",\"delta\":");
		buf_json_str(b, w);
		event_close(out);
	}
	put_place(event(out, "response.output_text.done", &n), serial);
	buf_str(b, ",\"text\":");
	buf_json_str(b, text);
	event_close(out);
	put_place(event(out, "response.content_part.done", &n), serial);
	put_part(b, text);
	event_close(out);
	event(out, "response.output_item.done", &n);
	buf_str(b, ",\"output_index\":0,\"item\":");
	put_message(b, serial, "completed", &text);
	event_close(out);
	event(out, "response.completed", &n);
	buf_str(b, ",\"response\":");
	put_response(b, serial, model, &text, c);
	event_close(out);
}

void
mock_responses(struct mock_answer *out, uint64_t serial, struct span model, struct span text,
	struct mock_counts c)
{
	if (out->stream) {
		stream(out, serial, model, text, c);
		return;
	}
	put_response(&out->body, serial, model, &text, c);
	buf_putc(&out->body, '\n');
}
