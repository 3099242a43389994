/* Ollama's own API, whose streams are lines and the default, and TGI's API. */
#include "mock.h"

static json_t *
open_line(const struct mock_say *s, bool done)
{
	return json_pack("{s:o,s:s,s:b}", "model", mock_text(s->model), "created_at", MOCK_TIME,
		"done", done);
}

/* The members of the last line only. */
static void
finish(const struct mock_say *s, json_t *line)
{
	json_object_set_new(line, "done_reason", json_string("stop"));
	json_object_set_new(line, "total_duration", json_integer(1000000));
	if (s->c.none)
		return;
	json_object_set_new(line, "prompt_eval_count", json_integer(s->c.in));
	json_object_set_new(line, "eval_count", json_integer(s->c.out));
}

/* A line of chat or of generate: `key` is content, thinking or tool_calls. */
static json_t *
line(const struct mock_say *s, bool chat, const char *key, json_t *value, bool done)
{
	json_t *l = open_line(s, done);

	if (chat) {
		json_t *m = json_pack("{s:s,s:s}", "role", "assistant", "content", "");
		json_object_set_new(m, key, value);
		json_object_set_new(l, "message", m);
	} else {
		json_object_set_new(l, "response", json_string(""));
		json_object_set_new(l, key, value);
	}
	if (done)
		finish(s, l);
	return l;
}

static json_t *
calls(const struct mock_say *s)
{
	return json_pack("[{s:{s:o,s:o}}]", "function", "name", mock_text(s->tool), "arguments",
		json_loadb(s->args.p, s->args.n, 0, NULL));
}

static void
generate(struct mock_answer *out, const struct mock_say *s, bool chat)
{
	const char *key = chat ? "content" : "response";

	out->framing = MOCK_LINES;
	if (!out->stream) {
		json_t *l = line(s, chat, key, mock_text(s->text), true);
		json_t *m = chat ? json_object_get(l, "message") : l;
		if (s->thinking.n)
			json_object_set_new(m, "thinking", mock_text(s->thinking));
		if (s->tool.n)
			json_object_set_new(m, "tool_calls", calls(s));
		mock_put(&out->body, l);
		return;
	}
	for (struct span rest = s->thinking; rest.n;)
		mock_event(out, NULL,
			line(s, chat, "thinking", mock_text(mock_next_piece(&rest)), false));
	for (struct span rest = s->text; rest.n;)
		mock_event(out, NULL,
			line(s, chat, key, mock_text(mock_next_piece(&rest)), false));
	if (s->tool.n)
		mock_event(out, NULL, line(s, chat, "tool_calls", calls(s), false));
	mock_event(out, NULL, line(s, chat, key, mock_text(SPAN_LIT("")), true));
}

void
mock_ollama_chat(struct mock_answer *out, const struct mock_say *s)
{
	generate(out, s, true);
}

void
mock_ollama_generate(struct mock_answer *out, const struct mock_say *s)
{
	generate(out, s, false);
}

void
mock_ollama_embed(struct mock_answer *out, const struct mock_say *s)
{
	json_t *input = json_object_get(s->req, "input"), *all = json_array();
	size_t n = json_is_array(input) ? json_array_size(input) : 1;

	for (size_t i = 0; i < n; i++)
		json_array_append_new(all, json_pack("[f,f]", 0.5, -0.25));
	mock_put(&out->body, json_pack("{s:o,s:o,s:I}", "model", mock_text(s->model),
				     "embeddings", all, "prompt_eval_count", s->c.in));
}

/* The last event contains the whole text again. */
void
mock_tgi_generate(struct mock_answer *out, const struct mock_say *s)
{
	json_t *details = json_pack("{s:s,s:I,s:I}", "finish_reason", "eos_token",
		"generated_tokens", s->c.out, "input_length", s->c.in);
	int index = 0;

	if (!out->stream) {
		mock_put(&out->body, json_pack("{s:o,s:o}", "generated_text",
					     mock_text(s->text), "details", details));
		return;
	}
	for (struct span rest = s->text; rest.n; index++) {
		struct span piece = mock_next_piece(&rest);
		json_t *e = json_pack("{s:i,s:{s:i,s:o,s:f,s:b}}", "index", index, "token",
			"id", index, "text", mock_text(piece), "logprob", -0.5, "special", 0);
		json_object_set_new(
			e, "generated_text", rest.n ? json_null() : mock_text(s->text));
		json_object_set_new(e, "details", rest.n ? json_null() : json_incref(details));
		mock_event(out, NULL, e);
	}
	json_decref(details);
}
