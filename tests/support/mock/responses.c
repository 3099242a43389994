/* OpenAI's responses, which Codex uses: reasoning, then one message or one function call, whole
 * or as the events of a stream, numbered, each with its type. As at OpenAI, the .done event,
 * the item and the last event repeat the text of the pieces. */
#include <stdio.h>
#include <string.h>

#include "mock.h"

struct place {
	char id[40];
	int output;
	struct span args; /* of a call */
};

static json_t *
part(struct span text)
{
	return json_pack("{s:s,s:[],s:o}", "type", "output_text", "annotations", "text",
		mock_text(text));
}

static json_t *
message(const struct mock_say *s, const struct place *p, bool done)
{
	json_t *m = json_pack("{s:s,s:s,s:s,s:s,s:[]}", "id", p->id, "type", "message",
		"status", done ? "completed" : "in_progress", "role", "assistant", "content");

	if (done)
		json_array_append_new(json_object_get(m, "content"), part(s->text));
	return m;
}

static json_t *
call(const struct mock_say *s, const struct place *p, bool done)
{
	json_t *c = json_pack("{s:s,s:s,s:s,s:o,s:s,s:o}", "id", p->id, "type", "function_call",
		"status", done ? "completed" : "in_progress", "arguments",
		mock_text(done ? p->args : SPAN_LIT("")), "call_id", p->id + 3, "name",
		mock_text(s->tool));

	if (s->space.n)
		json_object_set_new(c, "namespace", mock_text(s->space));
	return c;
}

static json_t *
reasoning(const struct mock_say *s, const struct place *p, bool done)
{
	json_t *m = json_pack("{s:s,s:s,s:[]}", "id", p->id, "type", "reasoning", "summary");

	if (done)
		json_array_append_new(json_object_get(m, "summary"),
			json_pack("{s:s,s:o}", "type", "summary_text", "text",
				mock_text(s->thinking)));
	return m;
}

static struct place
place(const struct mock_say *s, const char *kind, int output)
{
	struct place p = { .output = output };

	snprintf(p.id, sizeof p.id, "%s_mock%llu", kind, (unsigned long long)s->serial);
	return p;
}

/* The second of two simultaneous calls, or the first. */
static struct place
call_place(const struct mock_say *s, int output, bool second)
{
	struct place p = place(s, "fc", output);

	p.args = second ? s->more : s->args;
	if (second)
		strcat(p.id, "b");
	return p;
}

static json_t *
response(const struct mock_say *s, bool done)
{
	json_t *r, *output = json_array();
	struct place p = place(s, "resp", 0), rs = place(s, "rs", 0), msg = place(s, "msg", 0),
		     fc = call_place(s, 0, false), fc2 = call_place(s, 0, true);

	r = json_pack("{s:s,s:s,s:i,s:s,s:n,s:n,s:o,s:o,s:b,s:s,s:[]}", "id", p.id, "object",
		"response", "created_at", MOCK_CREATED, "status",
		done ? "completed" : "in_progress", "error", "incomplete_details", "model",
		mock_text(s->model), "output", output, "parallel_tool_calls", 1, "tool_choice",
		"auto", "tools");
	if (!done)
		return r;
	if (s->thinking.n)
		json_array_append_new(output, reasoning(s, &rs, true));
	json_array_append_new(output, s->tool.n ? call(s, &fc, true) : message(s, &msg, true));
	if (s->more.n)
		json_array_append_new(output, call(s, &fc2, true));
	if (!s->c.none)
		json_object_set_new(r, "usage",
			json_pack("{s:I,s:{s:I,s:I},s:I,s:{s:I},s:I}", "input_tokens", s->c.in,
				"input_tokens_details", "cached_tokens", s->c.cached,
				"cache_write_tokens", s->c.written, "output_tokens", s->c.out,
				"output_tokens_details", "reasoning_tokens", s->c.reasoning,
				"total_tokens", s->c.in + s->c.out));
	return r;
}

/* ---- the stream ---- */

static unsigned sequence;

/* Takes ownership of `more`, whose members follow type and number. */
static void
event(struct mock_answer *out, const char *type, json_t *more)
{
	json_t *e = json_pack("{s:s,s:i}", "type", type, "sequence_number", (int)sequence++);

	json_object_update(e, more);
	json_decref(more);
	mock_event(out, type, e);
}

/* An event of a part of an item: `key` has `value`. */
static void
part_event(struct mock_answer *out, const char *type, const struct place *p, const char *index,
	const char *key, json_t *value)
{
	json_t *e = json_pack("{s:s,s:i}", "item_id", p->id, "output_index", p->output);

	if (index)
		json_object_set_new(e, index, json_integer(0));
	json_object_set_new(e, key, value);
	event(out, type, e);
}

static void
item_event(struct mock_answer *out, const char *type, const struct place *p, json_t *item)
{
	event(out, type, json_pack("{s:i,s:o}", "output_index", p->output, "item", item));
}

static void
stream_reasoning(struct mock_answer *out, const struct mock_say *s, int output)
{
	static const char index[] = "summary_index",
			  part_of[] = "response.reasoning_summary_part";
	struct place p = place(s, "rs", output);
	char type[64];

	item_event(out, "response.output_item.added", &p, reasoning(s, &p, false));
	snprintf(type, sizeof type, "%s.added", part_of);
	part_event(out, type, &p, index, "part",
		json_pack("{s:s,s:s}", "type", "summary_text", "text", ""));
	for (struct span rest = s->thinking; rest.n;)
		part_event(out, "response.reasoning_summary_text.delta", &p, index, "delta",
			mock_text(mock_next_piece(&rest)));
	part_event(out, "response.reasoning_summary_text.done", &p, index, "text",
		mock_text(s->thinking));
	snprintf(type, sizeof type, "%s.done", part_of);
	part_event(out, type, &p, index, "part",
		json_pack("{s:s,s:o}", "type", "summary_text", "text", mock_text(s->thinking)));
	item_event(out, "response.output_item.done", &p, reasoning(s, &p, true));
}

static void
stream_message(struct mock_answer *out, const struct mock_say *s, int output)
{
	static const char index[] = "content_index";
	struct place p = place(s, "msg", output);

	item_event(out, "response.output_item.added", &p, message(s, &p, false));
	part_event(out, "response.content_part.added", &p, index, "part", part(SPAN_LIT("")));
	for (struct span rest = s->text; rest.n;)
		part_event(out, "response.output_text.delta", &p, index, "delta",
			mock_text(mock_next_piece(&rest)));
	part_event(out, "response.output_text.done", &p, index, "text", mock_text(s->text));
	part_event(out, "response.content_part.done", &p, index, "part", part(s->text));
	item_event(out, "response.output_item.done", &p, message(s, &p, true));
}

static void
stream_call(struct mock_answer *out, const struct mock_say *s, int output, bool second)
{
	struct place p = call_place(s, output, second);

	item_event(out, "response.output_item.added", &p, call(s, &p, false));
	for (struct span rest = p.args; rest.n;)
		part_event(out, "response.function_call_arguments.delta", &p, NULL, "delta",
			mock_text(mock_next_piece(&rest)));
	part_event(out, "response.function_call_arguments.done", &p, NULL, "arguments",
		mock_text(p.args));
	item_event(out, "response.output_item.done", &p, call(s, &p, true));
}

void
mock_responses(struct mock_answer *out, const struct mock_say *s)
{
	if (!out->stream) {
		mock_put(&out->body, response(s, true));
		buf_putc(&out->body, '\n');
		return;
	}
	sequence = 0;
	event(out, "response.created", json_pack("{s:o}", "response", response(s, false)));
	event(out, "response.in_progress", json_pack("{s:o}", "response", response(s, false)));
	if (s->thinking.n)
		stream_reasoning(out, s, 0);
	if (s->tool.n)
		stream_call(out, s, s->thinking.n > 0, false);
	else
		stream_message(out, s, s->thinking.n > 0);
	if (s->more.n)
		stream_call(out, s, 1 + (s->thinking.n > 0), true);
	event(out, "response.completed", json_pack("{s:o}", "response", response(s, true)));
}
