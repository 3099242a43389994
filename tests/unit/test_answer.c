/* Responses as texts of channels: the content of each format's documents and events. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/document.h"
#include "base/buf.h"
#include "support/guard.h"

static const char *const kinds[] = { "text", "reasoning", "signed", "refusal", "arguments",
	"input", "other" };

static bool
is_call(const struct answer_document *d, struct span name)
{
	for (size_t i = 0; i < d->ncalls; i++)
		if (span_eq(d->calls[i].name, name))
			return true;
	return false;
}

/* Writes each text as "kind N.N:TEXT", copies with "=", followed by the other results. Names of
 * calls occur once. */
static void
show(const struct answer_document *d, struct buf *out)
{
	for (size_t i = 0; i < d->ntexts; i++) {
		const struct answer_text *t = &d->texts[i];
		if (t->aside && is_call(d, t->text))
			continue;
		buf_printf(out, "%s%s%s%s %u.%u:%.*s|", t->aside ? "aside" : kinds[t->kind],
			t->copy && t->kind != KIND_OTHER ? "=" : "", t->number ? "#" : "",
			t->key ? "!" : "", t->slot[0], t->slot[1], SPAN_ARG(t->text));
	}
	for (size_t i = 0; i < d->ncalls; i++)
		buf_printf(out, "call %u.%u:%.*s|", d->calls[i].slot[0], d->calls[i].slot[1],
			SPAN_ARG(d->calls[i].name));
	if (d->finish.n)
		buf_printf(out, "finish %.*s|", SPAN_ARG(d->finish));
	if (d->model.n)
		buf_printf(out, "model %.*s|", SPAN_ARG(d->model));
	if (d->nwithheld)
		buf_printf(out, "withheld %zu|", d->nwithheld);
	if (d->error)
		buf_str(out, "error|");
	if (d->ends.any)
		buf_str(out, d->ends.all ? "ends all|" : "ends|");
	if (d->ends.numbered[0])
		buf_printf(out, "of %u|", d->ends.slot[0]);
	if (d->sealed_bytes)
		buf_str(out, "sealed|");
	if (d->opaque_bytes)
		buf_str(out, "opaque|");
	for (unsigned m = 0; m < MEDIAS; m++)
		if (d->media >> m & 1)
			buf_printf(out, "media %s|", answer_media_names[m]);
	buf_putc(out, '\0');
}

static const struct {
	const char *name, *dialect, *path, *event, *json, *want;
} rows[] = {
	{ "a chat completion", "openai", "/v1/chat/completions", "",
		"{\"id\":\"c\",\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
		"\"assistant\",\"content\":\"a\\u0062\"},\"finish_reason\":\"stop\"},{"
		"\"index\":1,"
		"\"message\":{\"content\":\"x\",\"refusal\":null}}],\"usage\":{}}",
		"text 0.0:ab|text 1.0:x|finish stop|model m|ends|" },
	{ "an index after its text counts", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"delta\":{\"content\":\"x\",\"tool_calls\":[{\"function\":{"
		"\"arguments\":\"{}\",\"name\":\"f\"},\"index\":3}]},\"index\":2}]}",
		"text 2.0:x|arguments 2.3:{}|call 2.3:f|" },
	{ "token by token again is withheld", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"delta\":{\"content\":\"x\"},\"logprobs\":{\"content\":[{"
		"\"token\":"
		"\"x\"}]}}]}",
		"text 0.0:x|withheld 1|" },
	{ "an empty list of it is not", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"delta\":{\"content\":\"x\"},\"logprobs\":[]}]}",
		"text 0.0:x|" },
	{ "no logprobs are not", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"delta\":{\"content\":\"x\"},\"logprobs\":null}]}",
		"text 0.0:x|" },
	{ "what no row names is text", "openai", "/v1/chat/completions", "",
		"{\"choices\":[],\"note\":{\"why\":[\"y\"]}}",
		"aside! 0.0:note|aside! 0.0:why|other 0.0:y|" },
	{ "numbers that no row names, where they are long", "openai", "/v1/chat/completions",
		"", "{\"choices\":[{\"a\":4111111111111111,\"b\":1.2345678901,\"c\":123456}]}",
		"aside! 0.0:a|aside# 0.0:4111111111111111|aside! 0.0:b|aside! 0.0:c|" },
	{ "a number as content", "openai", "/v1/chat/completions", "",
		"{\"created\":1732184735,\"choices\":[{\"message\":{\"content\":"
		"4111111111111111}}]}",
		"aside# 0.0:4111111111111111|" },
	{ "words that are none", "openai", "/v1/chat/completions", "",
		"{\"id\":\"a "
		"b\",\"model\":\"x@y\",\"object\":\"chat.completion\",\"choices\":[{"
		"\"index\":\"4111 "
		"1111\",\"delta\":{\"role\":\"4111111\"},\"finish_reason\":\"it "
		"is\"}]}",
		"aside 0.0:a b|aside 0.0:x@y|aside 0.0:4111 1111|aside 0.0:4111111|aside "
		"0.0:it "
		"is|finish it is|model x@y|ends|" },
	{ "seals and pictures that are none", "openai", "/v1/images/generations", "",
		"{\"data\":[{\"b64_json\":\"AA+/==\"},{\"b64_json\":\"my number\"}]}",
		"aside 1.0:my number|opaque|media image|" },
	{ "media by their types", "gemini", "/v1beta/models/g:generateContent", "",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"inlineData\":{\"data\":\"AAAA\","
		"\"mimeType\":\"image/png\"}},{\"inlineData\":{\"mimeType\":\"audio/"
		"wav\",\"data\":"
		"\"AAAA\"}},{\"inlineData\":{\"data\":\"AAAA\"}}]}}]}",
		"opaque|media image|media audio|media unknown|" },
	{ "media by their places", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"message\":{\"audio\":{\"data\":\"AAAA\"},\"images\":[{"
		"\"image_url\":{"
		"\"url\":\"data:image/png;base64,AAAA\"}},{\"image_url\":{\"url\":\"https://"
		"x.org/"
		"a\"}}]}}]}",
		"aside 0.1:https://x.org/a|opaque|media image|media audio|" },
	{ "0 and 0.0 are one number", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"index\":1.0,\"delta\":{\"content\":\"x\"}},{\"index\":1e0,"
		"\"delta\":{\"content\":\"y\"}},{\"index\":1.5,\"delta\":{\"content\":\"z\"}}]"
		"}",
		"text 1.0:x|text 1.0:y|text 4294967295.0:z|" },
	{ "a tool that takes any text", "openai", "/v1/responses", "",
		"{\"delta\":\"x\",\"output_index\":1,\"type\":\"response.custom_tool_call_"
		"input."
		"delta\"}",
		"input 1.0:x|of 1|" },
	{ "an error", "openai", "/v1/chat/completions", "",
		"{\"error\":{\"message\":\"no\",\"code\":null}}",
		"aside! 0.0:message|other 0.0:no|aside! 0.0:code|error|ends all|" },
	{ "an embedding is opaque", "openai", "/v1/embeddings", "",
		"{\"data\":[{\"embedding\":\"AAAA\"},{\"embedding\":[0.1,2]}]}",
		"opaque|media unknown|" },
	{ "a responses delta", "openai", "/v1/responses", "response.output_text.delta",
		"{\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":"
		"0,"
		"\"item_id\":\"i\",\"delta\":\"x\",\"sequence_number\":4}",
		"text 1.0:x|of 1|" },
	{ "a responses delta of arguments", "openai", "/v1/responses", "",
		"{\"delta\":\"x\",\"output_index\":1,\"type\":\"response.function_call_"
		"arguments.delta\"}",
		"arguments 1.0:x|of 1|" },
	{ "the done event of responses repeats the text", "openai", "/v1/responses",
		"response.output_text.done",
		"{\"type\":\"response.output_text.done\",\"output_index\":1,\"text\":\"xy\"}",
		"text= 1.0:xy|ends|of 1|" },
	{ "so does the last event", "openai", "/v1/responses", "response.completed",
		"{\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"status\":"
		"\"completed\","
		"\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
		"\"text\":"
		"\"xy\"}]},{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"{}\"}]}}",
		"text= 0.0:xy|arguments= 1.0:{}|call 1.0:f|finish completed|ends all|" },
	{ "an Anthropic message", "anthropic", "/v1/messages", "",
		"{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\","
		"\"content\":["
		"{\"type\":\"thinking\",\"thinking\":\"t\",\"signature\":\"S\"},{\"type\":"
		"\"text\","
		"\"text\":\"x\"},{\"type\":\"tool_use\",\"id\":\"i\",\"name\":\"f\",\"input\":{"
		"\"k\":"
		"[\"v\",12345678]}}],\"stop_reason\":\"tool_use\",\"stop_sequence\":null}",
		"signed 0.0:t|text 1.0:x|arguments=! 2.0:k|arguments= 2.0:v|arguments=# "
		"2.0:12345678|"
		"call 2.0:f|finish tool_use|model c|ends all|sealed|" },
	{ "an Anthropic delta", "anthropic", "/v1/messages", "content_block_delta",
		"{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":"
		"\"input_json_delta\",\"partial_json\":\"{\\\"a\"}}",
		"arguments 1.0:{\"a|of 1|" },
	{ "an Anthropic block's end", "anthropic", "/v1/messages", "content_block_stop",
		"{\"type\":\"content_block_stop\",\"index\":1}", "ends|of 1|" },
	{ "a Gemini event", "gemini", "/v1beta/models/g:streamGenerateContent", "",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"h\",\"thought\":true},{"
		"\"text\":"
		"\"x\"},{\"functionCall\":{\"name\":\"f\",\"args\":{\"a\":\"v\"}}}],\"role\":"
		"\"model\"},"
		"\"finishReason\":\"STOP\",\"index\":0}],\"modelVersion\":\"g\"}",
		"text 0.1:h|text 0.0:x|arguments=! 0.0:a|arguments= 0.0:v|call 0.0:f|finish "
		"STOP|"
		"model g|ends|" },
	{ "a Bedrock delta", "bedrock", "/model/m/converse-stream", "contentBlockDelta",
		"{\"contentBlockIndex\":2,\"delta\":{\"text\":\"x\"},\"p\":\"abc\"}",
		"text 2.0:x|of 2|" },
	{ "an Ollama line", "ollama", "/api/chat", "",
		"{\"model\":\"l\",\"created_at\":\"t\",\"message\":{\"role\":\"assistant\","
		"\"content\":"
		"\"x\"},\"done\":false}",
		"text 0.0:x|model l|" },
	{ "a Cohere delta", "cohere", "/v2/chat", "",
		"{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{\"content\":{"
		"\"text\":"
		"\"x\"}}}}",
		"text 0.0:x|of 0|" },
	{ "the last event of TGI repeats the text", "tgi", "/generate_stream", "",
		"{\"token\":{\"text\":\"y\"},\"generated_text\":\"xy\",\"details\":{\"finish_"
		"reason\":"
		"\"length\"}}",
		"text 0.0:y|text= 0.0:xy|finish length|ends all|" },
	{ "a key that looks like a path is none", "openai", "/v1/chat/completions", "",
		"{\"choices\":[{\"delta.content\":\"x\",\"delta\":{\"content\":\"y\"}}],"
		"\"choices[*].finish_reason\":\"z\"}",
		"aside! 0.0:delta.content|other 0.0:x|text 0.0:y|aside! "
		"0.0:choices[*].finish_reason|other 0.0:z|" },
	{ "any JSON", "rest", "/x", "", "[\"a\",{\"b\":\"c\"}]",
		"other 0.0:a|other! 0.0:b|other 0.0:c|" },
	{ "a string alone", "rest", "/x", "", "\"a\"", "other 0.0:a|" },
};

static void
documents_are_split_into_texts(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct arena a;
		struct buf out;
		struct answer_document d;
		const char *why = "";
		arena_init(&a, 0, true);
		buf_init(&out, 0);
		const struct answer_format *f =
			answer_format_find(span_str(rows[i].dialect), span_str(rows[i].path));
		int err = answer_read(
			f, NULL, span_str(rows[i].event), span_str(rows[i].json), &a, &d, &why);
		if (err)
			fail_msg("%s: %d %s", rows[i].name, err, why);
		show(&d, &out);
		if (strcmp(buf_view(&out).p, rows[i].want) != 0)
			fail_msg("%s:\n got  %s\n want %s", rows[i].name, buf_view(&out).p,
				rows[i].want);
		buf_free(&out);
		arena_reset(&a);
	}
}

static void
invalid_json_is_an_error(void **state)
{
	static const char *const bad[] = { "", "{", "{\"a\":1,\"a\":2}", "{}x", "[1,]",
		"{\"a\":\"\\ud80\"}", "\xff" };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct arena a;
		struct answer_document d;
		const char *why = NULL;
		arena_init(&a, 0, true);
		assert_true(answer_read(&answer_openai, NULL, span_str(""), span_str(bad[i]),
				    &a, &d, &why) < 0);
		assert_non_null(why);
		arena_reset(&a);
	}
}

static bool
counts(const struct answer_format *f, const char *json)
{
	struct arena a;
	struct answer_document d;
	const char *why;

	arena_init(&a, 0, true);
	assert_int_equal(answer_read(f, NULL, span_str(""), span_str(json), &a, &d, &why), 0);
	arena_reset(&a);
	return d.counts;
}

/* An event is searched for its usage only if the reader of its texts has found such a key. */
static void
keys_of_token_counts_are_noticed(void **state)
{
	(void)state;
	assert_true(counts(&answer_openai, "{\"choices\":[],\"usage\":{\"prompt_tokens\":1}}"));
	assert_true(counts(&answer_openai, "{\"us\\u0061ge\":{}}"));
	assert_true(counts(&answer_openai, "{\"x_groq\":{\"usage\":{}}}"));
	assert_true(counts(&answer_openai_responses, "{\"response\":{\"usage\":{}}}"));
	assert_true(counts(&answer_anthropic, "{\"message\":{\"usage\":{}}}"));
	assert_true(counts(&answer_cohere, "{\"delta\":{\"usage\":{\"tokens\":{}}}}"));
	assert_true(counts(&answer_ollama, "{\"eval_count\":1}"));
	assert_true(counts(&answer_tgi, "{\"details\":{\"generated_tokens\":1}}"));
	assert_true(counts(&answer_any, "{\"meta\":{\"tokens\":1}}"));
	assert_false(counts(&answer_openai, "{\"choices\":[{\"delta\":{\"content\":\"usage, "
					    "tokens\"}}],\"usage\":null}"));
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(documents_are_split_into_texts),
		cmocka_unit_test(invalid_json_is_an_error),
		cmocka_unit_test(keys_of_token_counts_are_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
