/* Amazon Bedrock: converse, and invoke with Claude's own body. Streams are binary event
 * streams; invoke's contain Claude's events in base64. */
#include <stdio.h>
#include <stdlib.h>

#include "mock.h"

static json_t *
usage(const struct mock_say *s)
{
	struct mock_counts c = s->c;
	json_t *u = json_pack("{s:I,s:I,s:I}", "inputTokens", c.in - c.cached - c.written,
		"outputTokens", c.out, "totalTokens", c.in + c.out);

	if (c.cached) {
		json_object_set_new(u, "cacheReadInputTokens", json_integer(c.cached));
		json_object_set_new(u, "cacheWriteInputTokens", json_integer(c.written));
	}
	return u;
}

static json_t *
tool_head(const struct mock_say *s, bool second)
{
	char id[40];

	snprintf(id, sizeof id, "tooluse_mock%llu%s", (unsigned long long)s->serial,
		second ? "b" : "");
	return json_pack("{s:s,s:o}", "toolUseId", id, "name", mock_text(s->tool));
}

static void
whole(struct mock_answer *out, const struct mock_say *s)
{
	json_t *content = json_array(), *answer;

	if (s->thinking.n)
		json_array_append_new(content,
			json_pack("{s:{s:{s:o,s:s}}}", "reasoningContent", "reasoningText",
				"text", mock_text(s->thinking), "signature", "bW9jaw=="));
	for (int c = 0; s->tool.n && c < (s->more.n ? 2 : 1); c++) {
		struct span args = c ? s->more : s->args;
		json_t *tool = tool_head(s, c);
		json_object_set_new(tool, "input", json_loadb(args.p, args.n, 0, NULL));
		json_array_append_new(content, json_pack("{s:o}", "toolUse", tool));
	}
	if (!s->tool.n)
		json_array_append_new(content, json_pack("{s:o}", "text", mock_text(s->text)));
	answer = json_pack("{s:{s:{s:s,s:o}},s:s}", "output", "message", "role", "assistant",
		"content", content, "stopReason", s->tool.n ? "tool_use" : "end_turn");
	if (!s->c.none)
		json_object_set_new(answer, "usage", usage(s));
	json_object_set_new(answer, "metrics", json_pack("{s:i}", "latencyMs", 1));
	mock_put(&out->body, answer);
}

/* Takes ownership of the delta. */
static void
delta(struct mock_answer *out, int block, json_t *d)
{
	mock_event(out, "contentBlockDelta",
		json_pack("{s:i,s:o}", "contentBlockIndex", block, "delta", d));
}

static void
block_stop(struct mock_answer *out, int block)
{
	mock_event(out, "contentBlockStop", json_pack("{s:i}", "contentBlockIndex", block));
}

static void
stream(struct mock_answer *out, const struct mock_say *s)
{
	int i = 0;

	mock_event(out, "messageStart", json_pack("{s:s}", "role", "assistant"));
	if (s->thinking.n) {
		for (struct span rest = s->thinking; rest.n;)
			delta(out, i,
				json_pack("{s:{s:o}}", "reasoningContent", "text",
					mock_text(mock_next_piece(&rest))));
		delta(out, i,
			json_pack("{s:{s:s}}", "reasoningContent", "signature", "bW9jaw=="));
		block_stop(out, i++);
	}
	for (int c = 0; c < (s->more.n ? 2 : 1); c++) {
		if (s->tool.n)
			mock_event(out, "contentBlockStart",
				json_pack("{s:i,s:{s:o}}", "contentBlockIndex", i, "start",
					"toolUse", tool_head(s, c)));
		for (struct span rest = !s->tool.n ? s->text : c ? s->more : s->args; rest.n;) {
			json_t *piece = mock_text(mock_next_piece(&rest));
			delta(out, i,
				s->tool.n ? json_pack("{s:{s:o}}", "toolUse", "input", piece)
					  : json_pack("{s:o}", "text", piece));
		}
		block_stop(out, i++);
	}
	mock_event(out, "messageStop",
		json_pack("{s:s}", "stopReason", s->tool.n ? "tool_use" : "end_turn"));
	if (!s->c.none)
		mock_event(out, "metadata",
			json_pack(
				"{s:o,s:{s:i}}", "usage", usage(s), "metrics", "latencyMs", 1));
}

void
mock_bedrock_converse(struct mock_answer *out, const struct mock_say *s)
{
	out->framing = MOCK_EVENTSTREAM;
	if (out->stream)
		stream(out, s);
	else
		whole(out, s);
}

/* Claude's events, each as the base64 of its data. */
void
mock_bedrock_invoke(struct mock_answer *out, const struct mock_say *s)
{
	/* Cohere's embed, as on its own path, and Titan's */
	if (json_object_get(s->req, "texts")) {
		mock_cohere_embed(out, s);
		return;
	}
	if (json_object_get(s->req, "inputText")) {
		mock_put(&out->body, json_pack("{s:[f,f],s:I}", "embedding", 0.5, -0.25,
					     "inputTextTokenCount", s->c.in));
		return;
	}
	struct mock_answer claude = { .stream = out->stream, .content = SIZE_MAX };
	size_t from = 0;

	mock_anthropic(&claude, s);
	struct span all = buf_view(&claude.body);
	if (!out->stream)
		buf_span(&out->body, all);
	out->framing = MOCK_EVENTSTREAM;
	for (size_t i = 0; i < claude.nends; from = claude.ends[i++]) {
		struct span e = span_cut(all, from, claude.ends[i]);
		struct span data = span_cut(e, span_chr(e, '{'), e.n - 2);
		struct buf coded = { 0 };
		mock_base64(&coded, data);
		mock_event(
			out, "chunk", json_pack("{s:o}", "bytes", mock_text(buf_view(&coded))));
		buf_free(&coded);
	}
	out->content = claude.content;
	free(claude.ends);
	buf_free(&claude.body);
}
