/* Cohere v2: chat, embed, rerank. */
#include <stdio.h>

#include "mock.h"

static json_t *
usage(struct mock_counts c)
{
	json_t *u = json_pack("{s:{s:I,s:I},s:{s:I,s:I}}", "billed_units", "input_tokens", c.in,
		"output_tokens", c.out, "tokens", "input_tokens", c.in, "output_tokens", c.out);

	if (c.cached)
		json_object_set_new(u, "cached_tokens", json_integer(c.cached));
	return u;
}

/* Takes ownership of the arguments. */
static json_t *
call(const struct mock_say *s, json_t *args)
{
	char id[40];

	snprintf(id, sizeof id, "call_mock%llu", (unsigned long long)s->serial);
	return json_pack("{s:s,s:s,s:{s:o,s:o}}", "id", id, "type", "function", "function",
		"name", mock_text(s->tool), "arguments", args);
}

static json_t *
citation(const struct mock_say *s)
{
	return json_pack("{s:i,s:i,s:o,s:[{s:s,s:s,s:{s:o}}],s:s}", "start", 0, "end",
		(int)s->text.n, "text", mock_text(s->text), "sources", "type", "document", "id",
		"doc:0", "document", "text", mock_text(s->text), "type", "TEXT_CONTENT");
}

static void
whole(struct mock_answer *out, const struct mock_say *s, const char *id)
{
	json_t *content = json_array(), *m = json_pack("{s:s}", "role", "assistant"), *a;

	if (s->thinking.n)
		json_array_append_new(content, json_pack("{s:s,s:o}", "type", "thinking",
						       "thinking", mock_text(s->thinking)));
	if (!s->tool.n)
		json_array_append_new(content,
			json_pack("{s:s,s:o}", "type", "text", "text", mock_text(s->text)));
	json_object_set_new(m, "content", content);
	if (s->tool.n) {
		json_object_set_new(m, "tool_plan", json_string("I will ask."));
		json_object_set_new(
			m, "tool_calls", json_pack("[o]", call(s, mock_text(s->args))));
	}
	if (s->cites)
		json_object_set_new(m, "citations", json_pack("[o]", citation(s)));
	a = json_pack("{s:s,s:o,s:s}", "id", id, "message", m, "finish_reason",
		s->tool.n ? "TOOL_CALL" : "COMPLETE");
	if (!s->c.none)
		json_object_set_new(a, "usage", usage(s->c));
	mock_put(&out->body, a);
}

/* An event about item `index`. Takes ownership of message, which becomes delta.message. */
static void
event(struct mock_answer *out, const char *type, int index, json_t *message)
{
	mock_event(out, type,
		json_pack("{s:s,s:i,s:{s:o}}", "type", type, "index", index, "delta", "message",
			message));
}

static void
item_end(struct mock_answer *out, const char *type, int index)
{
	mock_event(out, type, json_pack("{s:s,s:i}", "type", type, "index", index));
}

/* A content block whose text is the member `kind`. */
static void
stream_content(struct mock_answer *out, int index, const char *kind, struct span text)
{
	event(out, "content-start", index,
		json_pack("{s:{s:s,s:s}}", "content", "type", kind, kind, ""));
	while (text.n)
		event(out, "content-delta", index,
			json_pack("{s:{s:o}}", "content", kind,
				mock_text(mock_next_piece(&text))));
	item_end(out, "content-end", index);
}

static void
stream(struct mock_answer *out, const struct mock_say *s, const char *id)
{
	json_t *end;
	int i = 0;

	mock_event(out, "message-start",
		json_pack("{s:s,s:s,s:{s:{s:s,s:[],s:s,s:[],s:[]}}}", "type", "message-start",
			"id", id, "delta", "message", "role", "assistant", "content",
			"tool_plan", "", "tool_calls", "citations"));
	if (s->thinking.n)
		stream_content(out, i++, "thinking", s->thinking);
	if (s->tool.n) {
		mock_event(out, "tool-plan-delta",
			json_pack("{s:s,s:{s:{s:s}}}", "type", "tool-plan-delta", "delta",
				"message", "tool_plan", "I will ask."));
		event(out, "tool-call-start", i,
			json_pack("{s:o}", "tool_calls", call(s, json_string(""))));
		for (struct span rest = s->args; rest.n;)
			event(out, "tool-call-delta", i,
				json_pack("{s:{s:{s:o}}}", "tool_calls", "function",
					"arguments", mock_text(mock_next_piece(&rest))));
		item_end(out, "tool-call-end", i);
	} else {
		stream_content(out, i, "text", s->text);
	}
	if (s->cites) {
		event(out, "citation-start", 0, json_pack("{s:o}", "citations", citation(s)));
		item_end(out, "citation-end", 0);
	}
	end = json_pack("{s:s,s:{s:s}}", "type", "message-end", "delta", "finish_reason",
		s->tool.n ? "TOOL_CALL" : "COMPLETE");
	if (!s->c.none)
		json_object_set_new(json_object_get(end, "delta"), "usage", usage(s->c));
	mock_event(out, "message-end", end);
}

void
mock_cohere_chat(struct mock_answer *out, const struct mock_say *s)
{
	char id[40];

	snprintf(id, sizeof id, "mock-%llu", (unsigned long long)s->serial);
	if (out->stream)
		stream(out, s, id);
	else
		whole(out, s, id);
}

void
mock_cohere_embed(struct mock_answer *out, const struct mock_say *s)
{
	json_t *texts = json_object_get(s->req, "texts"), *floats = json_array();

	for (size_t i = 0; i < json_array_size(texts); i++)
		json_array_append_new(floats, json_pack("[f,f]", 0.5, -0.25));
	mock_put(&out->body,
		json_pack("{s:s,s:{s:o},s:O,s:s,s:{s:{s:s},s:{s:I}}}", "id", "mock",
			"embeddings", "float", floats, "texts", texts, "response_type",
			"embeddings_by_type", "meta", "api_version", "version", "2",
			"billed_units", "input_tokens", s->c.in));
}

/* In the order of the documents, each one slightly less relevant. */
void
mock_cohere_rerank(struct mock_answer *out, const struct mock_say *s)
{
	size_t n = json_array_size(json_object_get(s->req, "documents"));
	json_t *results = json_array();

	for (size_t i = 0; i < n; i++)
		json_array_append_new(
			results, json_pack("{s:i,s:f}", "index", (int)i, "relevance_score",
					 1.0 / (double)(i + 1)));
	mock_put(&out->body, json_pack("{s:s,s:o,s:{s:{s:s},s:{s:i}}}", "id", "mock", "results",
				     results, "meta", "api_version", "version", "2",
				     "billed_units", "search_units", 1));
}
