/* Gemini and Vertex. The events of a stream are small responses: as SSE with ?alt=sse,
 * otherwise as one JSON array, element by element. */
#include <stdio.h>

#include "mock.h"

/* candidatesTokenCount and thoughtsTokenCount are separate. */
static json_t *
usage(const struct mock_say *s)
{
	struct mock_counts c = s->c;
	json_t *u = json_pack("{s:I,s:I,s:I}", "promptTokenCount", c.in, "candidatesTokenCount",
		c.out - c.reasoning, "totalTokenCount", c.in + c.out);

	if (c.cached)
		json_object_set_new(u, "cachedContentTokenCount", json_integer(c.cached));
	if (c.reasoning)
		json_object_set_new(u, "thoughtsTokenCount", json_integer(c.reasoning));
	return u;
}

/* Takes ownership of the parts, which each candidate has. */
static json_t *
answer(const struct mock_say *s, json_t *parts, bool last)
{
	char id[32];
	json_t *candidates = json_array();

	snprintf(id, sizeof id, "mock%llu", (unsigned long long)s->serial);
	for (int i = 0; i < s->n; i++) {
		json_t *one = json_pack("{s:{s:O,s:s},s:i}", "content", "parts", parts, "role",
			"model", "index", i);
		if (last)
			json_object_set_new(one, "finishReason", json_string("STOP"));
		json_array_append_new(candidates, one);
	}
	json_decref(parts);
	json_t *a = json_pack("{s:o,s:o,s:s}", "candidates", candidates, "modelVersion",
		mock_text(s->model), "responseId", id);
	if (!s->c.none)
		json_object_set_new(a, "usageMetadata", usage(s));
	return a;
}

static json_t *
thought(struct span text)
{
	return json_pack("{s:o,s:b}", "text", mock_text(text), "thought", 1);
}

static json_t *
said(struct span text)
{
	return json_pack("{s:o}", "text", mock_text(text));
}

static json_t *
call(const struct mock_say *s, struct span args)
{
	return json_pack("{s:{s:o,s:o}}", "functionCall", "name", mock_text(s->tool), "args",
		json_loadb(args.p, args.n, 0, NULL));
}

static void
stream(struct mock_answer *out, const struct mock_say *s)
{
	for (struct span rest = s->thinking; rest.n;)
		mock_event(out, NULL,
			answer(s, json_pack("[o]", thought(mock_next_piece(&rest))), false));
	for (struct span rest = s->text; rest.n;)
		mock_event(out, NULL,
			answer(s, json_pack("[o]", said(mock_next_piece(&rest))), false));
	if (s->tool.n)
		mock_event(out, NULL, answer(s, json_pack("[o]", call(s, s->args)), false));
	if (s->more.n)
		mock_event(out, NULL, answer(s, json_pack("[o]", call(s, s->more)), false));
	mock_event(out, NULL, answer(s, json_pack("[o]", said(SPAN_LIT(""))), true));
}

void
mock_gemini(struct mock_answer *out, const struct mock_say *s)
{
	json_t *parts;

	if (out->stream) {
		out->framing = s->sse ? MOCK_SSE : MOCK_ARRAY;
		stream(out, s);
		return;
	}
	parts = json_array();
	if (s->thinking.n)
		json_array_append_new(parts, thought(s->thinking));
	json_array_append_new(parts, s->tool.n ? call(s, s->args) : said(s->text));
	if (s->more.n)
		json_array_append_new(parts, call(s, s->more));
	mock_put(&out->body, answer(s, parts, true));
	buf_putc(&out->body, '\n');
}

void
mock_gemini_count(struct mock_answer *out, const struct mock_say *s)
{
	mock_put(&out->body, json_pack("{s:I}", "totalTokens", s->c.in));
}

/* batchEmbedContents, or embedContent of one. */
void
mock_gemini_embed(struct mock_answer *out, const struct mock_say *s)
{
	json_t *requests = json_object_get(s->req, "requests"), *all = json_array();

	if (!requests) {
		json_decref(all);
		mock_put(&out->body,
			json_pack("{s:{s:[f,f]}}", "embedding", "values", 0.5, -0.25));
		return;
	}
	for (size_t i = 0; i < json_array_size(requests); i++)
		json_array_append_new(all, json_pack("{s:[f,f]}", "values", 0.5, -0.25));
	mock_put(&out->body, json_pack("{s:o}", "embeddings", all));
}
