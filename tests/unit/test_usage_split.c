/* dialect/usage_split: each token of a usage counts once, under its price kind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "scan/dialect/usage_feed.h"
#include "support/usage_fix.h"

static const char OPENAI[] = "openai", ANTHROPIC[] = "anthropic";

/* In the order of PRICE_TABLE's first ten kinds, then images, searches, sessions. */
static const struct {
	const char *name, *dialect;
	const char *in[3]; /* one: a whole response; more: events of a stream */
	uint64_t want[PRICE_REQUESTS];
	enum price_service service;
} splits[] = {
	{ "cached tokens are taken out of the prompt, not billed in full", OPENAI,
		{ "{\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":50,"
		  "\"prompt_tokens_details\":{\"cached_tokens\":64,\"audio_tokens\":10,"
		  "\"cache_write_tokens\":6},\"completion_tokens_details\":{\"reasoning_"
		  "tokens\":"
		  "30,\"audio_tokens\":5}},\"service_tier\":\"flex\"}" },
		{ [PRICE_INPUT] = 20,
			[PRICE_CACHED] = 64,
			[PRICE_WRITE] = 6,
			[PRICE_AUDIO_IN] = 10,
			[PRICE_OUTPUT] = 15,
			[PRICE_REASONING] = 30,
			[PRICE_AUDIO_OUT] = 5 },
		PRICE_FLEX },
	{ "cached tokens of a stream are not dropped", OPENAI,
		{ "{\"choices\":[{\"delta\":{\"content\":\"x\"}}],\"usage\":null}",
			"{\"choices\":[],\"usage\":{\"prompt_tokens\":100,"
			"\"completion_tokens\":5,\"prompt_tokens_details\":{\"cached_tokens\":"
			"96}}}" },
		{ [PRICE_INPUT] = 4, [PRICE_CACHED] = 96, [PRICE_OUTPUT] = 5 }, 0 },
	{ "cached tokens of a stream of responses, and its searches", OPENAI,
		{ "{\"type\":\"response.created\",\"response\":{\"usage\":null,\"output\":[]}}",
			"{\"type\":\"response.completed\",\"response\":{\"output\":[{\"type\":"
			"\"web_search_call\",\"action\":{\"type\":\"search\"}},{\"type\":"
			"\"web_search_call\"},{\"type\":\"code_interpreter_call\"},{\"type\":"
			"\"message\",\"content\":[{\"type\":\"web_search_call\"}]}],"
			"\"service_tier\":\"priority\",\"usage\":{\"input_tokens\":20,"
			"\"input_tokens_details\":{\"cached_tokens\":8},\"output_tokens\":9,"
			"\"output_tokens_details\":{\"reasoning_tokens\":4},\"total_tokens\":"
			"29}}}" },
		{ [PRICE_INPUT] = 12,
			[PRICE_CACHED] = 8,
			[PRICE_OUTPUT] = 5,
			[PRICE_REASONING] = 4,
			[PRICE_SEARCHES] = 2,
			[PRICE_SESSIONS] = 1 },
		PRICE_PRIORITY },
	{ "cache writes are not under-reported, those for an hour are apart", ANTHROPIC,
		{ "{\"usage\":{\"input_tokens\":10,\"cache_read_input_tokens\":1000,"
		  "\"cache_creation_input_tokens\":300,\"cache_creation\":{"
		  "\"ephemeral_5m_input_tokens\":100,\"ephemeral_1h_input_tokens\":200},"
		  "\"output_tokens\":40,\"output_tokens_details\":{\"thinking_tokens\":30},"
		  "\"server_tool_use\":{\"web_search_requests\":2,\"web_fetch_requests\":1},"
		  "\"service_tier\":\"batch\"}}" },
		{ [PRICE_INPUT] = 10,
			[PRICE_CACHED] = 1000,
			[PRICE_WRITE] = 100,
			[PRICE_WRITE_1H] = 200,
			[PRICE_OUTPUT] = 10,
			[PRICE_REASONING] = 30,
			[PRICE_SEARCHES] = 2 },
		PRICE_BATCH },
	{ "cache writes of a stream count once, though both events say them", ANTHROPIC,
		{ "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":10,"
		  "\"cache_creation_input_tokens\":300,\"cache_read_input_tokens\":50,"
		  "\"cache_creation\":{\"ephemeral_5m_input_tokens\":0,"
		  "\"ephemeral_1h_input_tokens\":300},\"output_tokens\":1}}}",
			"{\"type\":\"message_delta\",\"usage\":{\"input_tokens\":10,"
			"\"cache_creation_input_tokens\":300,\"cache_read_input_tokens\":50,"
			"\"output_tokens\":7}}" },
		{ [PRICE_INPUT] = 10,
			[PRICE_CACHED] = 50,
			[PRICE_WRITE_1H] = 300,
			[PRICE_OUTPUT] = 7 },
		0 },
	{ "Gemini's cached tokens are not counted twice, nor what was thought", "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":60,"
		  "\"candidatesTokenCount\":30,\"thoughtsTokenCount\":20,"
		  "\"toolUsePromptTokenCount\":5,\"totalTokenCount\":155,"
		  "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":88},"
		  "{\"tokenCount\":12,\"modality\":\"AUDIO\"}],\"candidatesTokensDetails\":[{"
		  "\"modality\":\"IMAGE\",\"tokenCount\":30}]}}" },
		{ [PRICE_INPUT] = 33,
			[PRICE_CACHED] = 60,
			[PRICE_AUDIO_IN] = 12,
			[PRICE_REASONING] = 20,
			[PRICE_IMAGE_OUT] = 30 },
		0 },
	{ "Gemini's searches, of each candidate", "gemini",
		{ "{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"x\"}]},"
		  "\"groundingMetadata\":{\"searchEntryPoint\":{\"webSearchQueries\":[\"no\"]},"
		  "\"webSearchQueries\":[\"a\",\"b, c\"],\"groundingChunks\":[{\"web\":{}}]}},{"
		  "\"groundingMetadata\":{\"webSearchQueries\":[\"d\"]},\"index\":1},{"
		  "\"index\":"
		  "2}],\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":3}"
		  "}" },
		{ [PRICE_INPUT] = 10, [PRICE_OUTPUT] = 3, [PRICE_SEARCHES] = 3 }, 0 },
	{ "a candidate that counts its tokens counts its searches apart", "gemini",
		{ "{\"candidates\":[{\"tokenCount\":57,\"groundingMetadata\":{"
		  "\"webSearchQueries\":[\"a\"]}}],\"usageMetadata\":{\"promptTokenCount\":10,"
		  "\"candidatesTokenCount\":57}}" },
		{ [PRICE_INPUT] = 10, [PRICE_OUTPUT] = 57, [PRICE_SEARCHES] = 1 }, 0 },
	{ "an interaction, in a stream", "gemini",
		{ "{\"event_type\":\"step.delta\",\"delta\":{\"type\":\"text\",\"text\":\"x\"}"
		  "}",
			"{\"event_type\":\"interaction.completed\",\"interaction\":{\"usage\":{"
			"\"total_input_tokens\":10,\"total_output_tokens\":5,\"total_thought_"
			"tokens\":4,\"total_cached_tokens\":3,\"input_tokens_by_modality\":[{"
			"\"modality\":\"text\",\"tokens\":8},{\"modality\":\"audio\","
			"\"tokens\":2}],"
			"\"grounding_tool_count\":[{\"type\":\"google_search\",\"count\":2},{"
			"\"type\":\"retrieval\",\"count\":9}]}}}" },
		{ [PRICE_INPUT] = 5,
			[PRICE_CACHED] = 3,
			[PRICE_AUDIO_IN] = 2,
			[PRICE_OUTPUT] = 5,
			[PRICE_REASONING] = 4,
			[PRICE_SEARCHES] = 2 },
		0 },
	{ "what maps are the ground of", "gemini",
		{ "{\"candidates\":[{\"groundingMetadata\":{\"groundingChunks\":[{\"maps\":{"
		  "\"uri\":\"u\"}},{\"maps\":{}}]}}],\"usageMetadata\":{\"promptTokenCount\":"
		  "10,"
		  "\"candidatesTokenCount\":3}}" },
		{ [PRICE_INPUT] = 10, [PRICE_OUTPUT] = 3, [PRICE_MAPS] = 1 }, 0 },
	{ "Claude, fast, though its tier is the standard", ANTHROPIC,
		{ "{\"usage\":{\"input_tokens\":1,\"output_tokens\":8,\"speed\":\"fast\","
		  "\"service_tier\":\"standard\",\"inference_geo\":\"us\"}}" },
		{ [PRICE_INPUT] = 1, [PRICE_OUTPUT] = 8 }, PRICE_FAST },
	{ "and in a stream that says it once", ANTHROPIC,
		{ "{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":1,"
		  "\"output_tokens\":1,\"service_tier\":\"standard\",\"inference_geo\":\"us\","
		  "\"speed\":\"fast\"}}}",
			"{\"type\":\"message_delta\",\"usage\":{\"output_tokens\":8}}" },
		{ [PRICE_INPUT] = 1, [PRICE_OUTPUT] = 8 }, PRICE_FAST },
	{ "what the cache keeps for an hour adds up", "bedrock",
		{ "{\"usage\":{\"inputTokens\":10,\"outputTokens\":5,\"totalTokens\":15,"
		  "\"cacheWriteInputTokens\":10,\"cacheDetails\":[{\"ttl\":\"1h\","
		  "\"inputTokens\":4},{\"inputTokens\":3,\"ttl\":\"1h\"}]}}" },
		{ [PRICE_WRITE] = 3, [PRICE_WRITE_1H] = 7, [PRICE_OUTPUT] = 5 }, 0 },
	{ "a part that is null is none; one that nobody prices may be anything", "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":10,\"candidatesTokenCount\":3,"
		  "\"promptTokensDetails\":[{\"modality\":\"AUDIO\",\"tokenCount\":null},{"
		  "\"modality\":\"TEXT\",\"tokenCount\":\"x\"}]}}" },
		{ [PRICE_INPUT] = 10, [PRICE_OUTPUT] = 3 }, 0 },
	{ "Gemini's stream says it again in each event", "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":100,\"cachedContentTokenCount\":60}"
		  "}",
			"{\"usageMetadata\":{\"promptTokenCount\":100,"
			"\"cachedContentTokenCount\":60,\"candidatesTokenCount\":3,"
			"\"thoughtsTokenCount\":9,\"totalTokenCount\":112}}" },
		{ [PRICE_INPUT] = 40,
			[PRICE_CACHED] = 60,
			[PRICE_OUTPUT] = 3,
			[PRICE_REASONING] = 9 },
		0 },
	{ "Bedrock's cache is apart, with its hours", "bedrock",
		{ "{\"usage\":{\"inputTokens\":10,\"outputTokens\":5,\"totalTokens\":45,"
		  "\"cacheReadInputTokens\":20,\"cacheWriteInputTokens\":10,\"cacheDetails\":[{"
		  "\"ttl\":\"5m\",\"inputTokens\":4},{\"ttl\":\"1h\",\"inputTokens\":6}]},"
		  "\"serviceTier\":{\"type\":\"priority\"}}" },
		{ [PRICE_INPUT] = 10,
			[PRICE_CACHED] = 20,
			[PRICE_WRITE] = 4,
			[PRICE_WRITE_1H] = 6,
			[PRICE_OUTPUT] = 5 },
		PRICE_PRIORITY },
	{ "Bedrock's cache is inside", "bedrock",
		{ "{\"usage\":{\"inputTokens\":40,\"outputTokens\":5,\"totalTokens\":45,"
		  "\"cacheReadInputTokens\":20,\"cacheWriteInputTokens\":10}}" },
		{ [PRICE_INPUT] = 10,
			[PRICE_CACHED] = 20,
			[PRICE_WRITE] = 10,
			[PRICE_OUTPUT] = 5 },
		0 },
	{ "Claude on Bedrock", "bedrock",
		{ "{\"type\":\"message\",\"usage\":{\"input_tokens\":1,"
		  "\"cache_creation_input_tokens\":2,\"cache_read_input_tokens\":4,"
		  "\"output_tokens\":8}}" },
		{ [PRICE_INPUT] = 1,
			[PRICE_CACHED] = 4,
			[PRICE_WRITE] = 2,
			[PRICE_OUTPUT] = 8 },
		0 },
	{ "Cohere's", "cohere",
		{ "{\"usage\":{\"tokens\":{\"input_tokens\":71,\"output_tokens\":8},"
		  "\"cached_tokens\":64}}" },
		{ [PRICE_INPUT] = 7, [PRICE_CACHED] = 64, [PRICE_OUTPUT] = 8 }, 0 },
	{ "units of ranking", "cohere",
		{ "{\"results\":[],\"meta\":{\"billed_units\":{\"search_units\":3}}}" },
		{ [PRICE_SEARCHES] = 3 }, 0 },
	{ "images without tokens count by the piece", OPENAI,
		{ "{\"data\":[{\"url\":\"x\",\"revised_prompt\":\"y\"},{\"b64_json\":\"z\"}]"
		  "}" },
		{ [PRICE_IMAGES] = 2 }, 0 },
	{ "a transcription that says its seconds", OPENAI,
		{ "{\"text\":\"x\",\"duration\":8.47,\"usage\":{\"type\":\"duration\","
		  "\"seconds\":9}}" },
		{ [PRICE_SECONDS] = 9 }, 0 },
	{ "a part of a second is one", OPENAI,
		{ "{\"text\":\"x\",\"usage\":{\"type\":\"duration\",\"seconds\":9.01}}" },
		{ [PRICE_SECONDS] = 10 }, 0 },
	{ "its length alone, in a text", OPENAI,
		{ "{\"text\":\"x\",\"duration\":\"8.470000\"}" }, { [PRICE_SECONDS] = 9 }, 0 },
	{ "its length is nothing next to tokens", OPENAI,
		{ "{\"text\":\"x\",\"duration\":8.47,\"usage\":{\"input_tokens\":5,"
		  "\"output_tokens\":6}}" },
		{ [PRICE_INPUT] = 5, [PRICE_OUTPUT] = 6 }, 0 },
	{ "Mistral's seconds, next to tokens", "mistral",
		{ "{\"text\":\"x\",\"usage\":{\"prompt_audio_seconds\":203,"
		  "\"prompt_tokens\":4,\"completion_tokens\":6,\"total_tokens\":10}}" },
		{ [PRICE_INPUT] = 4, [PRICE_OUTPUT] = 6, [PRICE_SECONDS] = 203 }, 0 },
	{ "a cache of Gemini's: written, and kept", "gemini",
		{ "{\"name\":\"cachedContents/1\",\"createTime\":\"2026-01-01T00:00:00Z\","
		  "\"updateTime\":\"2026-01-01T00:00:00Z\",\"expireTime\":"
		  "\"2026-01-01T01:00:00Z\",\"usageMetadata\":{\"totalTokenCount\":1000}}" },
		{ [PRICE_WRITE] = 1000, [PRICE_STORED] = 3600000 }, 0 },
	{ "one that is kept on is not written again", "gemini",
		{ "{\"name\":\"cachedContents/1\",\"createTime\":\"2026-01-01T00:00:00Z\","
		  "\"updateTime\":\"2026-01-01T01:00:00Z\",\"expireTime\":"
		  "\"2026-01-01T02:00:00Z\",\"usageMetadata\":{\"totalTokenCount\":1000}}" },
		{ [PRICE_STORED] = 3600000 }, 0 },
	{ "Gemini's tier, on Vertex", "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2,"
		  "\"trafficType\":\"ON_DEMAND_FLEX\"}}" },
		{ [PRICE_INPUT] = 1, [PRICE_OUTPUT] = 2 }, PRICE_FLEX },
	{ "and as its API says it", "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":1,\"candidatesTokenCount\":2,"
		  "\"serviceTier\":\"SERVICE_TIER_PRIORITY\"}}" },
		{ [PRICE_INPUT] = 1, [PRICE_OUTPUT] = 2 }, PRICE_PRIORITY },
	{ "images with tokens do not", OPENAI,
		{ "{\"data\":[{\"b64_json\":\"z\"}],\"usage\":{\"input_tokens\":50,"
		  "\"output_tokens\":4000,\"input_tokens_details\":{\"text_tokens\":10,"
		  "\"image_tokens\":40}}}" },
		{ [PRICE_INPUT] = 10, [PRICE_IMAGE_IN] = 40, [PRICE_OUTPUT] = 4000 }, 0 },
	{ "a transcription's sound", OPENAI,
		{ "{\"text\":\"x\",\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,"
		  "\"input_token_details\":{\"text_tokens\":4,\"audio_tokens\":10},"
		  "\"output_tokens\":7,\"total_tokens\":21}}" },
		{ [PRICE_INPUT] = 4, [PRICE_AUDIO_IN] = 10, [PRICE_OUTPUT] = 7 }, 0 },
	{ "what was thought is apart, as xAI's total shows", OPENAI,
		{ "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,\"total_tokens\":"
		  "42,"
		  "\"completion_tokens_details\":{\"reasoning_tokens\":30}}}" },
		{ [PRICE_INPUT] = 10, [PRICE_OUTPUT] = 2, [PRICE_REASONING] = 30 }, 0 },
	{ "parts that are more than the whole cost no less and no more", OPENAI,
		{ "{\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,"
		  "\"prompt_tokens_details\":{\"cached_tokens\":99,\"audio_tokens\":4},"
		  "\"completion_tokens_details\":{\"reasoning_tokens\":30}}}" },
		{ [PRICE_CACHED] = 6, [PRICE_AUDIO_IN] = 4, [PRICE_REASONING] = 2 }, 0 },
	{ "a turn of Realtime whose audio was cached", OPENAI,
		{ "{\"usage\":{\"total_tokens\":10100,\"input_tokens\":10000,\"output_tokens\":100,"
		  "\"input_token_details\":{\"text_tokens\":200,\"audio_tokens\":9500,"
		  "\"image_tokens\":300,\"cached_tokens\":9300,\"cached_tokens_details\":"
		  "{\"text_tokens\":100,\"audio_tokens\":9000,\"image_tokens\":200}},"
		  "\"output_token_details\":{\"text_tokens\":100,\"audio_tokens\":0}}}" },
		{ [PRICE_INPUT] = 100,
			[PRICE_CACHED] = 100,
			[PRICE_AUDIO_IN] = 500,
			[PRICE_IMAGE_IN] = 100,
			[PRICE_CACHED_AUDIO] = 9000,
			[PRICE_CACHED_IMAGE] = 200,
			[PRICE_OUTPUT] = 100 },
		0 },
	{ "Gemini's cached audio", "gemini",
		{ "{\"usageMetadata\":{\"promptTokenCount\":1000,\"candidatesTokenCount\":5,"
		  "\"totalTokenCount\":1005,\"cachedContentTokenCount\":900,"
		  "\"promptTokensDetails\":[{\"modality\":\"TEXT\",\"tokenCount\":100},"
		  "{\"modality\":\"AUDIO\",\"tokenCount\":900}],\"cacheTokensDetails\":["
		  "{\"modality\":\"AUDIO\",\"tokenCount\":850},{\"modality\":\"TEXT\","
		  "\"tokenCount\":50}]}}" },
		{ [PRICE_INPUT] = 50,
			[PRICE_CACHED] = 50,
			[PRICE_AUDIO_IN] = 50,
			[PRICE_CACHED_AUDIO] = 850,
			[PRICE_OUTPUT] = 5 },
		0 },
	{ "cached audio that is more than was cached", OPENAI,
		{ "{\"usage\":{\"input_tokens\":10,\"output_tokens\":1,\"input_token_details\":{"
		  "\"audio_tokens\":8,\"cached_tokens\":3,\"cached_tokens_details\":{"
		  "\"audio_tokens\":9}}}}" },
		{ [PRICE_INPUT] = 2,
			[PRICE_AUDIO_IN] = 5,
			[PRICE_CACHED_AUDIO] = 3,
			[PRICE_OUTPUT] = 1 },
		0 },
	{ "a rerank with a total alone (Jina, Voyage, older vLLM)", OPENAI,
		{ "{\"model\":\"rerank\",\"results\":[{\"index\":0,\"relevance_score\":0.9}],"
		  "\"usage\":{\"total_tokens\":1300}}" },
		{ [PRICE_INPUT] = 1300 }, 0 },
	{ "llama.cpp's tokens_cached is no price", OPENAI,
		{ "{\"content\":\"x\",\"tokens_evaluated\":7,\"tokens_cached\":11,"
		  "\"tokens_predicted\":4}" },
		{ [PRICE_INPUT] = 7, [PRICE_OUTPUT] = 4 }, 0 },
};

static void
token_counts_once(void **state)
{
	bool wrong = false;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(splits); i++) {
		struct usage u = { 0 };
		struct arena a;
		arena_init(&a, 0, false);
		if (!splits[i].in[1])
			assert_int_equal(whole_usage(dialect(splits[i].dialect),
						 span_str(splits[i].in[0]), &u),
				0);
		for (size_t k = 0; splits[i].in[1] && k < 3 && splits[i].in[k]; k++)
			event(splits[i].dialect, "", splits[i].in[k], &u);
		arena_reset(&a);
		struct price_usage got = usage_split(&u);
		for (enum price_kind k = 0; k < PRICE_REQUESTS; k++)
			if (got.n[k] != splits[i].want[k]) {
				print_error("%s: %s is %llu, not %llu\n", splits[i].name,
					price_names[k], (unsigned long long)got.n[k],
					(unsigned long long)splits[i].want[k]);
				wrong = true;
			}
		wrong |= got.service != splits[i].service || got.n[PRICE_REQUESTS] != 1;
		if (wrong)
			fail_msg("%s: service %d", splits[i].name, got.service);
	}
}

/* The reader of long bodies finds the same usage, whatever pieces the body arrives in. */
static void
fed_usage_is_the_same(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(splits); i++) {
		struct span in = span_str(splits[i].in[0]);
		struct usage want, got;
		if (splits[i].in[1])
			continue;
		assert_int_equal(whole_usage(dialect(splits[i].dialect), in, &want), 0);
		for (size_t piece = 1; piece <= in.n + 1; piece += piece < 4 ? 1 : in.n / 3 + 1) {
			struct usage_feed *f = usage_feed_new(dialect(splits[i].dialect));
			for (size_t at = 0; at < in.n; at += piece)
				usage_feed(f, span_cut(in, at, at + piece < in.n ? at + piece : in.n));
			if (!usage_feed_end(f, &got))
				fail_msg("%s: not read in pieces of %zu", splits[i].name, piece);
			usage_feed_free(&f);
			struct price_usage a = usage_split(&want), b = usage_split(&got);
			for (enum price_kind k = 0; k < PRICE_KINDS; k++)
				if (a.n[k] != b.n[k])
					fail_msg("%s: %s is %llu, not %llu", splits[i].name,
						price_names[k], (unsigned long long)b.n[k],
						(unsigned long long)a.n[k]);
			assert_int_equal(a.service, b.service);
		}
	}
}

/* A body of many megabytes, with the usage at its end or beginning. */
static void
usage_of_a_long_body_is_found(void **state)
{
	static const char usage[] = "\"usage\":{\"input_tokens\":50,\"output_tokens\":4000}";
	static char part[65536];

	(void)state;
	memset(part, 'Q', sizeof(part));
	for (int first = 0; first < 2; first++) {
		struct usage_feed *f = usage_feed_new(dialect(OPENAI));
		struct usage u;
		usage_feed(f, SPAN_LIT("{"));
		if (first)
			usage_feed(f, span_str(usage));
		usage_feed(f, span_str(first ? ",\"data\":[" : "\"data\":["));
		for (int i = 0; i < 3; i++) {
			usage_feed(f, span_str(i ? ",{\"b64_json\":\"" : "{\"b64_json\":\""));
			for (int k = 0; k < 40; k++)
				usage_feed(f, span_of(part, sizeof(part)));
			usage_feed(f, SPAN_LIT("\",\"n\":[0.25,-1e-3,[[]],{}]}"));
		}
		usage_feed(f, SPAN_LIT("]"));
		assert_false(usage_feed_end(f, &u)); /* cut off */
		if (!first) {
			usage_feed(f, SPAN_LIT(","));
			usage_feed(f, span_str(usage));
		}
		usage_feed(f, SPAN_LIT("}\n"));
		assert_true(usage_feed_end(f, &u));
		assert_int_equal(u.input_tokens, 50);
		assert_int_equal(u.output_tokens, 4000);
		usage_feed_free(&f);
	}
}

/* Bytes that are no document, and documents that are too deep, have no usage and do no harm. */
static void
fed_garbage_has_no_usage(void **state)
{
	static const char *const bad[] = { "", "[", "}", "{]", "{\"usage\":{\"input_tokens\":1}",
		"{\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}",
		"{\"usage\":{\"input_tokens\":-1,\"output_tokens\":1}}",
		"{\"usage\":{\"input_tokens\":1,\"input_tokens\":1,\"output_tokens\":1}}",
		"{1:2}", "RIFF....", "{\"usage\":[{\"input_tokens\":1}]}" };
	struct usage u;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(bad); i++) {
		struct usage_feed *f = usage_feed_new(dialect(OPENAI));
		usage_feed(f, span_str(bad[i]));
		if (usage_feed_end(f, &u))
			fail_msg("read: %s", bad[i]);
		usage_feed_free(&f);
	}
	struct usage_feed *f = usage_feed_new(dialect("gemini"));
	for (int i = 0; i < 100000; i++)
		usage_feed(f, SPAN_LIT("[{\"a\":"));
	assert_false(usage_feed_end(f, &u));
	usage_feed_free(&f);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(token_counts_once),
		cmocka_unit_test(fed_usage_is_the_same),
		cmocka_unit_test(usage_of_a_long_body_is_found),
		cmocka_unit_test(fed_garbage_has_no_usage),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
