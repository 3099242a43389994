/* text/usage and text/error: token counts in responses, requesting and hiding them, and error
 * documents. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/caps.h"
#include "base/codec/eventstream.h"
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/dialect/usage.h"
#include "support/guard.h"
#include "support/usage_fix.h"

static const char OPENAI[] = "openai", ANTHROPIC[] = "anthropic", REST[] = "rest";

static const struct {
	const char *name, *dialect, *in;
	int err;
	int64_t input, output, cached;
} wholes[] = {
	{ "OpenAI", OPENAI,
		"{\"id\":\"x\",\"choices\":[{\"usage\":{\"prompt_tokens\":9}}],\"usage\":{"
		"\"prompt_tokens\":19,\"completion_tokens\":10,\"total_tokens\":29,\"prompt_"
		"tokens_details\":{\"cached_tokens\":5,\"audio_tokens\":0},\"completion_tokens_"
		"details\":{\"reasoning_tokens\":7}}}",
		0, 19, 10, 5 },
	{ "OpenAI without details, with null ones", OPENAI,
		"{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2,\"prompt_tokens_"
		"details\":null}}",
		0, 1, 2, 0 },
	{ "Anthropic adds what was cached", ANTHROPIC,
		"{\"type\":\"message\",\"content\":[],\"usage\":{\"input_tokens\":100,\"cache_"
		"creation_input_tokens\":20,\"cache_read_input_tokens\":3,\"output_tokens\":7,"
		"\"cache_creation\":{\"input_tokens\":999}}}",
		0, 123, 7, 3 },
	{ "responses", OPENAI,
		"{\"object\":\"response\",\"usage\":{\"input_tokens\":9,\"input_tokens_"
		"details\":{\"cached_tokens\":4},\"output_tokens\":5,\"output_tokens_details\":"
		"{\"reasoning_tokens\":3},\"total_tokens\":14}}",
		0, 9, 5, 4 },
	{ "one count under two names counts once", OPENAI,
		"{\"usage\":{\"prompt_tokens\":9,\"input_tokens\":9,\"completion_tokens\":5,"
		"\"output_tokens\":5},\"x_groq\":{\"usage\":{\"prompt_tokens\":9,"
		"\"completion_tokens\":5}}}",
		0, 9, 5, 0 },
	{ "llama.cpp's own", OPENAI,
		"{\"content\":\"x\",\"stop\":true,\"tokens_evaluated\":7,\"tokens_cached\":11,"
		"\"tokens_predicted\":4}",
		0, 7, 4, 0 },
	{ "Gemini: thoughts are apart, what was cached is inside", "gemini",
		"{\"usageMetadata\":{\"promptTokenCount\":10,\"cachedContentTokenCount\":6,"
		"\"candidatesTokenCount\":3,\"thoughtsTokenCount\":20,"
		"\"toolUsePromptTokenCount\":"
		"2,\"totalTokenCount\":35,\"promptTokensDetails\":[{\"modality\":\"TEXT\","
		"\"tokenCount\":10}]}}",
		0, 12, 23, 6 },
	{ "Gemini refused the prompt", "gemini",
		"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"},\"usageMetadata\":{"
		"\"promptTokenCount\":10,\"totalTokenCount\":10}}",
		0, 10, 0, 0 },
	{ "Gemini's embeddings", "gemini",
		"{\"embedding\":{\"values\":[0.1]},\"usageMetadata\":{\"promptTokenCount\":7,"
		"\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":7}]}}",
		0, 7, 0, 0 },
	{ "Vertex' embeddings, of several texts", "gemini",
		"{\"predictions\":[{\"embeddings\":{\"statistics\":{\"token_count\":6,"
		"\"truncated\":false},\"values\":[0.1]}},{\"embeddings\":{\"values\":[],"
		"\"statistics\":{\"truncated\":false,\"token_count\":3}}}],\"metadata\":{"
		"\"billableCharacterCount\":20}}",
		0, 9, 0, 0 },
	{ "Imagen has no tokens", "gemini",
		"{\"predictions\":[{\"mimeType\":\"image/png\",\"bytesBase64Encoded\":\"x\"}]}",
		0, 0, 0, 0 },
	{ "an interaction: what was thought is apart, what was cached inside", "gemini",
		"{\"id\":\"i\",\"steps\":[],\"usage\":{\"total_input_tokens\":7,\"total_output_"
		"tokens\":20,\"total_thought_tokens\":22,\"total_tokens\":50,"
		"\"total_tool_use_tokens\":1,\"total_cached_tokens\":3}}",
		0, 8, 42, 3 },
	{ "a candidate that counts itself, with what it searched for", "gemini",
		"{\"candidates\":[{\"tokenCount\":57,\"groundingMetadata\":{"
		"\"webSearchQueries\":[\"a\"]}}],\"usageMetadata\":{\"promptTokenCount\":10,"
		"\"candidatesTokenCount\":57}}",
		0, 10, 57, 0 },
	{ "Bedrock, where the total says that what was cached is apart", "bedrock",
		"{\"usage\":{\"inputTokens\":10,\"outputTokens\":5,\"totalTokens\":45,"
		"\"cacheReadInputTokens\":20,\"cacheWriteInputTokens\":10}}",
		0, 40, 5, 20 },
	{ "Bedrock, where it says that it is inside", "bedrock",
		"{\"usage\":{\"inputTokens\":40,\"outputTokens\":5,\"totalTokens\":45,"
		"\"cacheReadInputTokens\":20,\"cacheWriteInputTokens\":10}}",
		0, 40, 5, 20 },
	{ "Claude on Bedrock", "bedrock",
		"{\"type\":\"message\",\"usage\":{\"input_tokens\":1,\"cache_creation_input_"
		"tokens\":2,\"cache_read_input_tokens\":4,\"output_tokens\":8}}",
		0, 7, 8, 4 },
	{ "Llama on Bedrock", "bedrock",
		"{\"generation\":\"x\",\"prompt_token_count\":3,\"generation_token_count\":4}",
		0, 3, 4, 0 },
	{ "what answers as OpenAI's do on Bedrock", "bedrock",
		"{\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,"
		"\"total_"
		"tokens\":7,\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
		0, 3, 4, 2 },
	{ "the last event of Titan on Bedrock", "bedrock",
		"{\"outputText\":\"x\",\"totalOutputTextTokenCount\":4,\"inputTextTokenCount\":"
		"3}",
		0, 3, 4, 0 },
	{ "Cohere: tokens, not units and not both", "cohere",
		"{\"usage\":{\"billed_units\":{\"input_tokens\":5,\"output_tokens\":6},"
		"\"tokens\":"
		"{\"input_tokens\":71,\"output_tokens\":8},\"cached_tokens\":64}}",
		0, 71, 8, 64 },
	{ "Cohere's embeddings", "cohere",
		"{\"embeddings\":{},\"meta\":{\"billed_units\":{\"input_tokens\":4}}}", 0, 4, 0,
		0 },
	{ "Cohere's rerank has no tokens, and says what it has", "cohere",
		"{\"results\":[],\"meta\":{\"billed_units\":{\"search_units\":1}}}", 0, 0, 0,
		0 },
	{ "images without tokens", OPENAI,
		"{\"created\":1,\"data\":[{\"url\":\"x\"},{\"b64_json\":\"y\"}]}", 0, 0, 0, 0 },
	{ "Mistral", "mistral",
		"{\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7,"
		"\"prompt_audio_seconds\":null}}",
		0, 3, 4, 0 },
	{ "Ollama", "ollama",
		"{\"message\":{\"content\":\"x\"},\"done\":true,\"prompt_eval_count\":26,"
		"\"eval_count\":282}",
		0, 26, 282, 0 },
	{ "Ollama's embeddings", "ollama", "{\"embeddings\":[[0.1]],\"prompt_eval_count\":8}",
		0, 8, 0, 0 },
	{ "TGI", "tgi",
		"{\"generated_text\":\"x\",\"details\":{\"finish_reason\":\"length\","
		"\"generated_tokens\":1,\"input_length\":5}}",
		0, 5, 1, 0 },
	{ "TGI without details", "tgi", "{\"generated_text\":\"x\",\"details\":null}",
		ERR_NOTFOUND, 0, 0, 0 },
	{ "null counts are absent", ANTHROPIC,
		"{\"usage\":{\"input_tokens\":4,\"cache_read_input_tokens\":null,\"output_"
		"tokens\":1}}",
		0, 4, 1, 0 },
	{ "no usage", OPENAI, "{\"error\":{}}", ERR_NOTFOUND, 0, 0, 0 },
	{ "null usage", OPENAI, "{\"usage\":null}", ERR_NOTFOUND, 0, 0, 0 },
	{ "usage of other types", OPENAI,
		"{\"usage\":[{\"prompt_tokens\":1}],\"x\":{\"usage\":{\"prompt_tokens\":1}}}",
		ERR_NOTFOUND, 0, 0, 0 },
	{ "counts that are no counts", OPENAI,
		"{\"usage\":{\"prompt_tokens\":\"9\",\"completion_tokens\":-1}}", ERR_NOTFOUND,
		0, 0, 0 },
	{ "the most that is believed", OPENAI,
		"{\"usage\":{\"prompt_tokens\":4294967296,\"completion_tokens\":2}}", 0,
		INT64_C(1) << 32, 2, 0 },
	{ "elements that add up to more", "gemini",
		"{\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":1,"
		"\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":4000000000},"
		"{\"modality\":\"AUDIO\",\"tokenCount\":4000000000}]}}",
		ERR_NOTFOUND, 0, 0, 0 },
	{ "embeddings: the total says that there is no output", OPENAI,
		"{\"usage\":{\"prompt_tokens\":8,\"total_tokens\":8}}", 0, 8, 0, 0 },
	{ "the total says what the output was", OPENAI,
		"{\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":null,\"total_tokens\":"
		"20}}",
		0, 8, 12, 0 },
	{ "a total below the input", OPENAI,
		"{\"usage\":{\"prompt_tokens\":8,\"total_tokens\":7}}", ERR_NOTFOUND, 0, 0, 0 },
	{ "no output", OPENAI, "{\"usage\":{\"prompt_tokens\":8}}", ERR_NOTFOUND, 0, 0, 0 },
	{ "no input", OPENAI, "{\"usage\":{\"completion_tokens\":8,\"total_tokens\":8}}",
		ERR_NOTFOUND, 0, 0, 0 },
	{ "no output of Anthropic's", ANTHROPIC, "{\"usage\":{\"input_tokens\":8}}",
		ERR_NOTFOUND, 0, 0, 0 },
	{ "a number of others is not looked at", OPENAI,
		"{\"usage\":{\"prompt_tokens\":8,\"completion_tokens\":2,\"cost\":0.01,"
		"\"completion_tokens_details\":{\"speed\":1.5}}}",
		0, 8, 2, 0 },
	{ "no JSON", OPENAI, "<html>", ERR_SYNTAX, 0, 0, 0 },
	{ "a cut answer", OPENAI, "{\"usage\":{\"prompt_tokens\":1,\"completion_tokens\":2}",
		ERR_TRUNCATED, 0, 0, 0 },
	{ "a scalar", OPENAI, "3", ERR_NOTFOUND, 0, 0, 0 },
	{ "no dialect that counts", REST, "{\"usage\":{\"prompt_tokens\":1}}", ERR_NOTFOUND, 0,
		0, 0 },
};

static void
usage_of_a_whole_response_is_read(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
		struct span in = span_str(wholes[i].in);
		char *p = guard_dup(in.p, in.n);
		struct arena a;
		struct usage u;

		arena_init(&a, 0, false);
		int err = whole_usage(dialect(wholes[i].dialect), span_of(p, in.n), &u);
		if (err != wholes[i].err || u.known != (err == 0) ||
			u.input_tokens != wholes[i].input ||
			u.output_tokens != wholes[i].output ||
			u.cached_tokens != wholes[i].cached)
			fail_msg("%s: %d %d %ld %ld %ld", wholes[i].name, err, u.known,
				(long)u.input_tokens, (long)u.output_tokens,
				(long)u.cached_tokens);
		arena_reset(&a);
		guard_free(p, in.n);
	}
}

/* If one count is not a plain integer, the whole usage is unknown. */
static void
invalid_count_makes_the_usage_unknown(void **state)
{
	static const char *const bad[] = { "10.0", "1.5", "-1", "-0", "1e3", "1E+2", "\"9\"",
		"\"\"", "true", "[9]", "{\"n\":9}", "18446744073709551617",
		"9223372036854775807", "281474976710656", "4294967297",
		"99999999999999999999999999" };
	static const struct {
		const char *dialect, *in; /* contains one %s */
	} docs[] = {
		{ OPENAI, "{\"usage\":{\"prompt_tokens\":%s,\"completion_tokens\":2}}" },
		{ OPENAI, "{\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":%s}}" },
		{ OPENAI, "{\"usage\":{\"prompt_tokens\":2,\"total_tokens\":%s}}" },
		{ OPENAI, "{\"usage\":{\"prompt_tokens\":2,\"completion_tokens\":2,\"prompt_"
			  "tokens_details\":{\"cached_tokens\":%s}}}" },
		{ ANTHROPIC, "{\"usage\":{\"input_tokens\":%s,\"output_tokens\":2}}" },
		{ ANTHROPIC, "{\"usage\":{\"input_tokens\":2,\"output_tokens\":%s}}" },
		{ ANTHROPIC, "{\"usage\":{\"input_tokens\":2,\"output_tokens\":2,\"cache_read_"
			     "input_tokens\":%s}}" },
		{ ANTHROPIC,
			"{\"usage\":{\"cache_creation_input_tokens\":%s,\"input_tokens\":2,"
			"\"output_tokens\":2}}" },
	};
	static const char *const good[] = { "{\"usage\":{\"prompt_tokens\":1,\"completion_"
					    "tokens\":1}}",
		"{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}" };

	(void)state;
	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++)
		for (size_t k = 0; k < sizeof(bad) / sizeof(bad[0]); k++) {
			const struct dialect *d = dialect(docs[i].dialect);
			struct span g = span_str(good[docs[i].dialect == ANTHROPIC]);
			char text[300];
			struct arena a;
			struct usage u, v = { 0 }, w = { 0 };
			arena_init(&a, 0, false);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			int n = snprintf(text, sizeof(text), docs[i].in, bad[k]);
#pragma GCC diagnostic pop
			struct span in = span_of(text, (size_t)n);
			int err = whole_usage(d, in, &u);
			/* in a stream, before and after a valid one */
			event_usage(d, SPAN_LIT(""), g, &v);
			assert_true(v.known);
			event_usage(d, SPAN_LIT(""), in, &v);
			event_usage(d, SPAN_LIT(""), in, &w);
			event_usage(d, SPAN_LIT(""), g, &w);
			if (err != ERR_NOTFOUND || u.known || v.known || w.known)
				fail_msg("%s: %d %d %d %d", text, err, u.known, v.known,
					w.known);
			arena_reset(&a);
		}
}

/* A reader of a stream looks for usage only if such a key is present. */
static void
each_usage_row_has_its_key(void **state)
{
	static const struct usage_row *const rows[] = { usage_openai, usage_anthropic,
		usage_gemini, usage_bedrock, usage_cohere, usage_ollama, usage_tgi };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (const struct usage_row *u = rows[i]; u->path; u++) {
			struct span rest = span_str(u->path);
			bool counts = false;
			while (rest.n)
				counts |= usage_key_counts(span_next(&rest, '.'));
			/* TGI has both in one object; items without tokens are in whole
			 * responses or beside a usage. */
			if (!counts && strcmp(u->path, "details.input_length") != 0 &&
				(u->field < USAGE_IMAGES || u->field > USAGE_LENGTH))
				fail_msg("%s", u->path);
		}
	assert_false(usage_key_counts(SPAN_LIT("created")));
	assert_false(usage_key_counts(SPAN_LIT("content")));
}

static void
usage_of_a_stream_is_read(void **state)
{
	struct usage u = { 0 };

	(void)state;
	event(OPENAI, "", "{\"choices\":[{\"delta\":{\"content\":\"usage\"}}],\"usage\":null}",
		&u);
	event(OPENAI, "", "[DONE]", &u);
	event(OPENAI, "", "{\"usage\":", &u);
	assert_false(u.known);
	event(OPENAI, "",
		"{\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":6,"
		"\"prompt_tokens_details\":{\"cached_tokens\":2}}}",
		&u);
	assert_true(
		u.known && u.input_tokens == 5 && u.output_tokens == 6 && u.cached_tokens == 2);

	/* A part of the usage, or a duplicate key, is not the usage. */
	u = (struct usage){ 0 };
	event(OPENAI, "", "{\"usage\":{\"completion_tokens\":6}}", &u);
	assert_false(u.known);
	event(OPENAI, "", "{\"usage\":{\"prompt_tokens\":6}}", &u);
	assert_true(u.known);
	event(OPENAI, "", "{\"usage\":{\"prompt_tokens\":6,\"prompt_tokens\":7}}", &u);
	assert_false(u.known);
	u = (struct usage){ 0 };
	event(OPENAI, "", "{\"message\":\"a usage\",\"usage\":[1]}", &u);
	event(OPENAI, "", "{\"usage\":{\"prompt_tokens\":6,\"completion_tokens\":6}}", &u);
	assert_false(u.known);

	u = (struct usage){ 0 };
	event(ANTHROPIC, "message_start",
		"{\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"usage\":{\"input_"
		"tokens\":25,\"cache_read_input_tokens\":10,\"output_tokens\":1}}}",
		&u);
	assert_false(u.known); /* the place where the output begins is not its size */
	event(ANTHROPIC, "content_block_delta", "{\"delta\":{\"text\":\"usage\"}}", &u);
	assert_false(u.known);
	event(ANTHROPIC, "message_delta",
		"{\"type\":\"message_delta\",\"delta\":{},\"usage\":{\"output_tokens\":15}}",
		&u);
	assert_true(u.known && u.input_tokens == 35 && u.output_tokens == 15 &&
		    u.cached_tokens == 10);
	event(ANTHROPIC, "message_delta",
		"{\"usage\":{\"input_tokens\":40,\"cache_read_input_tokens\":10,\"output_"
		"tokens\":20}}",
		&u);
	assert_true(u.input_tokens == 50 && u.output_tokens == 20);
}

static const struct {
	const char *dialect, *in[3]; /* events */
	int64_t input, output, cached;
} usages[] = {
	{ "openai",
		{ "{\"type\":\"response.created\",\"response\":{\"usage\":null}}",
			"{\"type\":\"response.output_text.delta\",\"delta\":\"usage\"}",
			"{\"type\":\"response.completed\",\"response\":{\"usage\":{"
			"\"input_tokens\":2,\"input_tokens_details\":{\"cached_tokens\":1},"
			"\"output_tokens\":4,\"total_tokens\":6}}}" },
		2, 4, 1 },
	{ "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":4,\"totalTokenCount\":4}}",
			"{\"usageMetadata\":{\"promptTokenCount\":4,\"thoughtsTokenCount\":9}}",
			"{\"usageMetadata\":{\"promptTokenCount\":4,\"candidatesTokenCount\":2,"
			"\"thoughtsTokenCount\":9,\"totalTokenCount\":15}}" },
		4, 11, 0 },
	{ "bedrock",
		{ "{\"role\":\"assistant\"}", "{\"stopReason\":\"end_turn\"}",
			"{\"usage\":{\"inputTokens\":3,\"outputTokens\":2,\"totalTokens\":5},"
			"\"metrics\":{\"latencyMs\":1}}" },
		3, 2, 0 },
	{ "cohere",
		{ "{\"type\":\"content-delta\",\"delta\":{\"message\":{\"content\":{\"text\":"
		  "\"usage\"}}}}",
			"{\"type\":\"content-end\"}",
			"{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\","
			"\"usage\":{\"billed_units\":{\"input_tokens\":1,\"output_tokens\":1},"
			"\"tokens\":{\"input_tokens\":5,\"output_tokens\":6}}}}" },
		5, 6, 0 },
	{ "tgi",
		{ "{\"token\":{\"text\":\"a\"},\"generated_text\":null,\"details\":null}",
			"{\"token\":{\"text\":\"b\"},\"generated_text\":null,\"details\":null}",
			"{\"token\":{\"text\":\"c\"},\"generated_text\":\"abc\",\"details\":{"
			"\"generated_tokens\":3,\"input_length\":2}}" },
		2, 3, 0 },
};

static void
usage_is_read_in_streams_of_each_dialect(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(usages); i++) {
		struct usage u = { 0 };
		for (size_t k = 0; k < COUNT_OF(usages[i].in); k++)
			event(usages[i].dialect, "", usages[i].in[k], &u);
		if (!u.known || u.input_tokens != usages[i].input ||
			u.output_tokens != usages[i].output ||
			u.cached_tokens != usages[i].cached)
			fail_msg("%s: %d %ld %ld %ld", usages[i].dialect, u.known,
				(long)u.input_tokens, (long)u.output_tokens,
				(long)u.cached_tokens);
	}
}

static const struct {
	const char *name, *in, *want; /* NULL: not needed */
} asks[] = {
	{ "nothing said", "{\"stream\":true}",
		"{\"stream_options\":{\"include_usage\":true},\"stream\":true}" },
	{ "white space", "{ \"stream\":true}",
		"{\"stream_options\":{\"include_usage\":true}, \"stream\":true}" },
	{ "options without it", "{\"stream\":true,\"stream_options\":{\"x\":1}}",
		"{\"stream\":true,\"stream_options\":{\"include_usage\":true,\"x\":1}}" },
	{ "empty options", "{\"stream_options\":{ },\"stream\":true}",
		"{\"stream_options\":{\"include_usage\":true },\"stream\":true}" },
	{ "null options", "{\"stream_options\":null,\"stream\":true}",
		"{\"stream_options\":{\"include_usage\":true},\"stream\":true}" },
	{ "false", "{\"stream\":true,\"stream_options\":{\"include_usage\": false}}",
		"{\"stream\":true,\"stream_options\":{\"include_usage\": true}}" },
	{ "null", "{\"stream_options\":{\"include_usage\":null,\"y\":2},\"stream\":true}",
		"{\"stream_options\":{\"include_usage\":true,\"y\":2},\"stream\":true}" },
	{ "the caller asks", "{\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
		NULL },
	{ "no stream", "{\"stream\":false}", NULL },
	{ "no stream said", "{}", NULL },
};

static void
usage_of_a_stream_is_requested(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(asks) / sizeof(asks[0]); i++) {
		struct span in = span_str(asks[i].in);
		struct arena a;
		struct body b;
		struct body_refusal why;
		struct splice edit;
		struct buf out;

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(body_read(dialect_table(dialect(OPENAI)), span_str(NULL), in,
					 &a, &b, &why),
			0);
		int r = dialect_ask_usage(&b, &edit);
		assert_int_equal(r, asks[i].want != NULL);
		if (r) {
			assert_int_equal(splice_apply(in, &edit, 1, &out), 0);
			if (!span_is(buf_view(&out), asks[i].want))
				fail_msg(
					"%s: got %.*s", asks[i].name, SPAN_ARG(buf_view(&out)));
			assert_int_equal(body_read(dialect_table(dialect(OPENAI)),
						 span_str(NULL), buf_view(&out), &a, &b, &why),
				0);
			assert_true(b.wants_usage);
		}
		assert_int_equal(body_read(dialect_table(dialect(ANTHROPIC)), span_str(NULL),
					 in, &a, &b, &why),
			0);
		assert_int_equal(dialect_ask_usage(&b, &edit), 0);
		buf_free(&out);
		arena_reset(&a);
	}
}

static void
errors_have_the_form_of_the_dialect(void **state)
{
	static const struct {
		const char *dialect;
		int status;
		const char *code, *want;
	} rows[] = {
		{ OPENAI, 403, "content_policy_violation",
			"{\"error\":{\"message\":\"no \\\"x\\\" (decision "
			"d-1)\",\"type\":\"permission_error\",\"param\":null,\"code\":"
			"\"content_policy_violation\"},\"request_id\":\"d-1\"}" },
		{ OPENAI, 429, NULL,
			"{\"error\":{\"message\":\"no \\\"x\\\" (decision "
			"d-1)\",\"type\":\"rate_limit_error\",\"param\":null,\"code\":\"rate_"
			"limit_exceeded\"},\"request_id\":\"d-1\"}" },
		{ OPENAI, 429, "insufficient_quota",
			"{\"error\":{\"message\":\"no \\\"x\\\" (decision "
			"d-1)\",\"type\":\"insufficient_quota\",\"param\":null,\"code\":"
			"\"insufficient_quota\"},\"request_id\":\"d-1\"}" },
		{ ANTHROPIC, 429, "insufficient_quota",
			"{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
			"\"message\":\"no \\\"x\\\" (decision "
			"d-1)\",\"code\":\"insufficient_quota\"},\"request_id\":\"d-1\"}" },
		{ REST, 404, NULL,
			"{\"error\":{\"message\":\"no \\\"x\\\" (decision "
			"d-1)\",\"type\":\"not_found_error\",\"param\":null,\"code\":\"not_"
			"found\"},\"request_id\":\"d-1\"}" },
		/* clang-format off */
		{ "gemini", 403, "content_policy_violation", "{\"error\":{\"code\":403,\"message\":\"no \\\"x\\\" (decision d-1)\",\"status\":\"PERMISSION_DENIED\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"content_policy_violation\",\"metadata\":{\"decision\":\"d-1\"}}]}}" },
		{ "gemini", 429, NULL, "{\"error\":{\"code\":429,\"message\":\"no \\\"x\\\" (decision d-1)\",\"status\":\"RESOURCE_EXHAUSTED\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"rate_limit_exceeded\",\"metadata\":{\"decision\":\"d-1\"}}]}}" },
		{ "bedrock", 403, "content_policy_violation", "{\"message\":\"no \\\"x\\\" (decision d-1)\",\"__type\":\"AccessDeniedException\",\"reason\":\"content_policy_violation\",\"request_id\":\"d-1\"}" },
		{ "bedrock", 429, "insufficient_quota", "{\"message\":\"no \\\"x\\\" (decision d-1)\",\"__type\":\"ServiceQuotaExceededException\",\"reason\":\"insufficient_quota\",\"request_id\":\"d-1\"}" },
		{ "cohere", 403, NULL, "{\"message\":\"no \\\"x\\\" (decision d-1)\",\"id\":\"d-1\"}" },
		{ "mistral", 404, NULL, "{\"object\":\"error\",\"message\":\"no \\\"x\\\" (decision d-1)\",\"type\":\"not_found_error\",\"param\":null,\"code\":\"not_found\",\"request_id\":\"d-1\"}" },
		{ "ollama", 413, NULL, "{\"error\":\"no \\\"x\\\" (decision d-1)\",\"type\":\"invalid_request_error\",\"code\":\"request_too_large\",\"request_id\":\"d-1\"}" },
		{ "tgi", 429, NULL, "{\"error\":\"no \\\"x\\\" (decision d-1)\",\"error_type\":\"overloaded\",\"code\":\"rate_limit_exceeded\",\"request_id\":\"d-1\"}" },
		/* clang-format on */
	};
	/* clang-format off */
	static const struct {
		const char *dialect, *code, *want;
	} streams[] = {
		{ "gemini", NULL, "data: {\"error\":{\"code\":503,\"message\":\"m (decision d)\",\"status\":\"UNAVAILABLE\",\"details\":[{\"@type\":\"type.googleapis.com/google.rpc.ErrorInfo\",\"reason\":\"service_unavailable\",\"metadata\":{\"decision\":\"d\"}}]}}\n\n" },
		{ "cohere", "content_policy_violation", "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"m (decision d)\"}}\n\n" },
		{ "mistral", "content_policy_violation", "data: {\"object\":\"error\",\"message\":\"m (decision d)\",\"type\":\"content_filter\",\"param\":null,\"code\":\"content_policy_violation\",\"request_id\":\"d\"}\n\n" },
		{ "ollama", "content_policy_violation", "{\"error\":\"m (decision d)\",\"type\":\"content_filter\",\"code\":\"content_policy_violation\",\"request_id\":\"d\"}\n" },
		{ "tgi", NULL, "data: {\"error\":\"m (decision d)\",\"error_type\":\"overloaded\",\"code\":\"service_unavailable\",\"request_id\":\"d\"}\n\n" },
	};
	/* clang-format on */
	static const struct {
		int status;
		const char *anthropic;
	} types[] = { { 400, "invalid_request_error" }, { 401, "authentication_error" },
		{ 403, "permission_error" }, { 404, "not_found_error" },
		{ 413, "request_too_large" }, { 415, "invalid_request_error" },
		{ 429, "rate_limit_error" }, { 451, "permission_error" },
		{ 500, "api_error" }, { 501, "invalid_request_error" },
		{ 503, "overloaded_error" } };
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		buf_clear(&out);
		dialect_error(dialect(rows[i].dialect), rows[i].status, rows[i].code,
			SPAN_LIT("no \"x\""), SPAN_LIT("d-1"), &out);
		if (!span_is(buf_view(&out), rows[i].want))
			fail_msg("%zu: %.*s", i, SPAN_ARG(buf_view(&out)));
		struct span type = dialect_error_type(dialect(rows[i].dialect), buf_view(&out));
		bool bedrock = !strcmp(rows[i].dialect, "bedrock");
		if (span_ends(type, SPAN_LIT("Exception")) != bedrock || !!type.n != bedrock)
			fail_msg("%zu: header %.*s", i, SPAN_ARG(type));
	}
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		char want[64];
		buf_clear(&out);
		dialect_error(dialect(ANTHROPIC), types[i].status, NULL, SPAN_LIT(""),
			SPAN_LIT(""), &out);
		snprintf(want, sizeof(want), "\"error\":{\"type\":\"%s\",", types[i].anthropic);
		assert_non_null(memmem(buf_view(&out).p, out.n, want, strlen(want)));
	}
	buf_clear(&out);
	dialect_stream_error(dialect(OPENAI), NULL, "content_policy_violation", SPAN_LIT("m"),
		SPAN_LIT("d"), &out);
	assert_true(span_is(buf_view(&out),
		"data: {\"error\":{\"message\":\"m (decision "
		"d)\",\"type\":\"content_filter\",\"param\":null,\"code\":"
		"\"content_policy_violation\"},\"request_id\":\"d\"}\n\n"));
	buf_clear(&out);
	dialect_stream_error(
		dialect(ANTHROPIC), NULL, NULL, SPAN_LIT("m"), SPAN_LIT("d"), &out);
	assert_true(span_is(buf_view(&out),
		"event: error\ndata: "
		"{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"m "
		"(decision d)\",\"code\":\"service_unavailable\"},\"request_id\":\"d\"}\n\n"));
	for (size_t i = 0; i < COUNT_OF(streams); i++) {
		buf_clear(&out);
		dialect_stream_error(dialect(streams[i].dialect), NULL, streams[i].code,
			SPAN_LIT("m"), SPAN_LIT("d"), &out);
		if (!span_is(buf_view(&out), streams[i].want))
			fail_msg("%s: %.*s", streams[i].dialect, SPAN_ARG(buf_view(&out)));
	}
	/* Bedrock's error is an exception frame with correct CRCs. */
	struct eventstream_message m;
	buf_clear(&out);
	dialect_stream_error(dialect("bedrock"), NULL, "rate_limit_exceeded", SPAN_LIT("m"),
		SPAN_LIT("d"), &out);
	assert_int_equal(eventstream_read(buf_view(&out), &m), 0);
	assert_true(span_is(m.message_type, "exception"));
	assert_true(span_is(m.exception_type, "throttlingException"));
	assert_non_null(memmem(m.payload.p, m.payload.n, "{\"message\":\"m (", 15));
	/* OpenAI's responses have the error flat, and nested for their SDK. */
	buf_clear(&out);
	assert_string_equal(
		dialect_stream_error_data(dialect(OPENAI), "responses",
			"content_policy_violation", SPAN_LIT("m"), SPAN_LIT("d"), &out),
		"error");
	assert_non_null(memmem(buf_view(&out).p, out.n, "{\"type\":\"error\",\"code\"", 22));
	assert_non_null(memmem(buf_view(&out).p, out.n, "\"error\":{\"type\"", 15));
	buf_free(&out);
}

static void
error_is_one_limited_line_of_json(void **state)
{
	static const char *const names[] = { OPENAI, ANTHROPIC, "gemini", "bedrock", "cohere",
		"mistral", "ollama", "tgi" };
	char long_message[5000];
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (int fill = 0; fill < 4; fill++) {
		static const char fills[] = { 'a', '\n', '"', '\xe9' };
		memset(long_message, fills[fill], sizeof(long_message));
		for (size_t n = 0; n <= sizeof(long_message); n += 499) {
			struct arena a;
			struct json_event ev;
			buf_clear(&out);
			dialect_error(dialect(names[n % COUNT_OF(names)]), 403,
				"content_policy_violation", span_of(long_message, n),
				SPAN_LIT("0123456789abcdef\"\n0123456789abcdef"), &out);
			struct span doc = buf_view(&out);
			assert_true(doc.n <= CAP_ERROR_BYTES);
			assert_true(span_chr(doc, '\n') == doc.n);
			arena_init(&a, 0, false);
			struct json *j = json_open(&a, doc);
			while (json_next(j, &ev) > JSON_ERROR)
				;
			assert_int_equal(ev.tok, JSON_END);
			assert_non_null(memmem(doc.p, doc.n, "0123456789abcdef\\\"\\n", 20));
			if (n > 1000 && fills[fill] == 'a')
				assert_true(doc.n == CAP_ERROR_BYTES);
			arena_reset(&a);
		}
	}
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(usage_of_a_whole_response_is_read),
		cmocka_unit_test(invalid_count_makes_the_usage_unknown),
		cmocka_unit_test(each_usage_row_has_its_key),
		cmocka_unit_test(usage_of_a_stream_is_read),
		cmocka_unit_test(usage_is_read_in_streams_of_each_dialect),
		cmocka_unit_test(usage_of_a_stream_is_requested),
		cmocka_unit_test(errors_have_the_form_of_the_dialect),
		cmocka_unit_test(error_is_one_limited_line_of_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
