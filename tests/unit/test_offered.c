/* dialect/offered: tools that the provider runs, and how often a request permits their use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "scan/dialect/dialect.h"

static void
tools_priced_per_use_are_bounded(void **state)
{
	static const struct {
		const char *dialect, *path, *in;
		uint64_t searches, sessions;
	} rows[] = {
		{ "openai", "/v1/responses", "{\"input\":\"web_search\"}", 0, 0 },
		{ "openai", "/v1/responses", "{\"tools\":[{\"type\":\"web_search_preview\"}]}",
			10, 0 },
		{ "openai", "/v1/responses",
			"{\"tools\":[{\"type\":\"web_search\"},{\"type\":\"code_interpreter\","
			"\"container\":{\"type\":\"auto\"}}]}",
			10, 10 },
		{ "openai", "/v1/responses",
			"{\"max_tool_calls\":2,\"tools\":[{\"type\":\"web_search\"}]}", 2, 0 },
		{ "openai", "/v1/responses",
			"{\"tools\":[{\"type\":\"web_search\"}],\"max_tool_calls\":null}", 10,
			0 },
		{ "openai", "/v1/chat/completions",
			"{\"web_search_options\":{},\"messages\":[],\"n\":2}", 20, 0 },
		{ "openai", "/v1/chat/completions",
			"{\"messages\":[],\"tools\":[{\"type\":\"function\",\"function\":{"
			"\"name\":"
			"\"web_search\",\"parameters\":{\"type\":\"web_search\"}}}]}",
			0, 0 },
		{ "anthropic", "/v1/messages",
			"{\"messages\":[],\"tools\":[{\"max_uses\":4,\"type\":"
			"\"web_search_20250305\",\"name\":\"web_search\"}]}",
			4, 0 },
		{ "anthropic", "/v1/messages",
			"{\"messages\":[],\"tools\":[{\"max_uses\":-4,\"type\":"
			"\"web_search_20250305\"}]}",
			10, 0 },
		{ "anthropic", "/v1/messages/batches",
			"{\"requests\":[{\"custom_id\":\"a\",\"params\":{\"messages\":[],"
			"\"tools\":["
			"{\"type\":\"web_search_20250305\",\"max_uses\":3}]}},{\"custom_id\":"
			"\"b\","
			"\"params\":{\"messages\":[],\"tools\":[{\"type\":\"web_search_"
			"20250305\"}]"
			"}}]}",
			13, 0 },
		{ "gemini", "/v1beta/models/x:generateContent",
			"{\"contents\":[],\"tools\":[{\"googleSearch\":{}},{\"google_search\":{"
			"}},"
			"{\"functionDeclarations\":[]}]}",
			20, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct dialect *d = dialect_find(span_str(rows[i].dialect));
		struct endpoint e =
			dialect_endpoint(d, SPAN_LIT("POST"), span_str(rows[i].path));
		struct span in = span_str(rows[i].in);
		struct price_usage most = { .n = { 0 } };
		struct body_refusal why;
		struct body b;
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(body_read(e.table, (struct span){ 0 }, in, &a, &b, &why), 0);
		assert_int_equal(dialect_count_tool_uses(&b, in, NULL, 0, 10, &a, &most), 0);
		if (most.n[PRICE_SEARCHES] != rows[i].searches ||
			most.n[PRICE_SESSIONS] != rows[i].sessions)
			fail_msg("%s: %d searches, %d sessions", rows[i].in,
				(int)most.n[PRICE_SEARCHES], (int)most.n[PRICE_SESSIONS]);
		arena_reset(&a);
	}
}

static void
price_options_are_read_from_the_body(void **state)
{
	static const struct {
		const char *dialect, *path, *in, *want[PRICE_ASKS];
	} rows[] = {
		{ "openai", "/v1/images/generations",
			"{\"prompt\":\"x\",\"size\":\"1024x1792\",\"quality\":\"hd\"}",
			{ "1024x1792", "hd", "" } },
		{ "openai", "/v1/responses",
			"{\"input\":\"x\",\"tools\":[{\"type\":\"web_search\",\"search_context_"
			"size\":\"low\"},{\"type\":\"image_generation\",\"size\":\"big\"}]}",
			{ "big", "", "low" } },
		{ "openai", "/v1/responses",
			"{\"tools\":[{\"search_context_size\":\"low\"},{\"search_context_"
			"size\":"
			"\"high\"}]}",
			{ "", "", "auto" } },
		{ "openai", "/v1/chat/completions",
			"{\"messages\":[{\"role\":\"user\",\"content\":\"size\"}],"
			"\"web_search_options\":{\"user_location\":{\"a\":1},"
			"\"search_context_size\":\"high\"},\"metadata\":{\"size\":\"no\"}}",
			{ "", "", "high" } },
		/* values in a list, or below an unknown name, are ignored */
		{ "openai", "/v1/images/generations",
			"{\"prompt\":\"x\",\"size\":[\"256x256\"],\"quality\":[[\"low\"],{"
			"\"a\":\"low\"}],"
			"\"\":{\"quality\":\"low\"}}",
			{ "", "", "" } },
		{ "gemini", "/v1beta/models/x:predict",
			"{\"instances\":[{\"prompt\":\"x\"}],\"parameters\":{"
			"\"sampleImageSize\":"
			"\"2K\"}}",
			{ "2K", "", "" } },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct endpoint e = dialect_endpoint(dialect_find(span_str(rows[i].dialect)),
			SPAN_LIT("POST"), span_str(rows[i].path));
		struct span in = span_str(rows[i].in);
		struct price_asked asked = { 0 };
		struct body_refusal why;
		struct body b;
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(body_read(e.table, (struct span){ 0 }, in, &a, &b, &why), 0);
		assert_int_equal(dialect_price_parameters(&b, in, &a, &asked), 0);
		for (size_t k = 0; k < ASKED_REGION; k++)
			if (!span_is(asked.v[k], rows[i].want[k]))
				fail_msg("%s: %zu is %.*s", rows[i].in, k,
					SPAN_ARG(asked.v[k]));
		arena_reset(&a);
	}
}

static void
region_is_read_from_path_or_model(void **state)
{
	static const struct {
		const char *path, *model, *want;
	} rows[] = {
		{ "/v1/projects/p/locations/europe-west4/publishers/google/models/g:x", "g",
			"europe-west4" },
		{ "/model/x/converse", "eu.anthropic.claude-haiku-4-5-20251001-v1:0", "eu" },
		{ "/model/x/converse", "anthropic.claude-haiku-4-5-20251001-v1:0", "" },
		{ "/model/x/converse",
			"arn:aws:bedrock:us-east-1:1:inference-profile/eu.anthropic.x", "eu" },
		{ "/model/x/converse",
			"arn:aws:bedrock:eu-west-1::foundation-model/anthropic.x",
			"eu-west-1" },
		{ "/v1/chat/completions", "gpt-4.1", "" },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span got =
			dialect_region(span_str(rows[i].path), span_str(rows[i].model));
		if (!span_is(got, rows[i].want))
			fail_msg("%s: %.*s", rows[i].model, SPAN_ARG(got));
	}
}

/* The price list names the tools and the price of each. */
static void
price_list_names_the_tools(void **state)
{
	static const struct price_tool tools[] = { { "file_search", PRICE_FILES },
		{ "image_generation", PRICE_DRAWN }, { "x_search", PRICE_SEARCHES },
		{ "search_parameters", PRICE_SEARCHES }, { "web", PRICE_SEARCHES },
		{ "any_*", PRICE_SESSIONS }, { "any_search", PRICE_SEARCHES } };
	static const struct {
		const char *path, *in;
		uint64_t searches, sessions, files, drawn;
	} rows[] = {
		{ "/v1/responses",
			"{\"tools\":[{\"type\":\"file_search\",\"vector_store_ids\":[\"v\"]}]}",
			0, 0, 10, 0 },
		{ "/v1/responses",
			"{\"tools\":[{\"type\":\"image_generation\"}],\"max_tool_calls\":3}", 0,
			0, 0, 3 },
		{ "/v1/responses", "{\"tools\":[{\"type\":\"x_search\"}]}", 10, 0, 0, 0 },
		{ "/v1/chat/completions",
			"{\"search_parameters\":{\"mode\":\"auto\",\"max_search_results\":4},"
			"\"messages\":[]}",
			4, 0, 0, 0 },
		{ "/v1/chat/completions", "{\"search_parameters\":{},\"messages\":[]}", 10, 0,
			0, 0 },
		{ "/v1/chat/completions",
			"{\"plugins\":[{\"id\":\"web\",\"max_results\":5}],\"messages\":[]}",
			10, 0, 0, 0 },
		{ "/v1/chat/completions",
			"{\"messages\":[{\"role\":\"user\",\"content\":\"web\"}]}", 0, 0, 0,
			0 },
		{ "/v1/responses",
			"{\"tools\":[{\"type\":\"any_thing\"},{\"type\":\"any_search\"}]}", 10,
			10, 0, 0 },
		{ "/v1/responses", "{\"tools\":[{\"type\":\"web_search\"}]}", 0, 0, 0, 0 },
	};

	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct endpoint e = dialect_endpoint(dialect_find(SPAN_LIT("openai")),
			SPAN_LIT("POST"), span_str(rows[i].path));
		struct span in = span_str(rows[i].in);
		struct price_usage most = { .n = { 0 } };
		struct body_refusal why;
		struct body b;
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(body_read(e.table, (struct span){ 0 }, in, &a, &b, &why), 0);
		assert_int_equal(
			dialect_count_tool_uses(&b, in, tools, COUNT_OF(tools), 10, &a, &most), 0);
		if (most.n[PRICE_SEARCHES] != rows[i].searches ||
			most.n[PRICE_SESSIONS] != rows[i].sessions ||
			most.n[PRICE_FILES] != rows[i].files ||
			most.n[PRICE_DRAWN] != rows[i].drawn)
			fail_msg("%s: %d searches, %d sessions, %d of files, %d images",
				rows[i].in, (int)most.n[PRICE_SEARCHES],
				(int)most.n[PRICE_SESSIONS], (int)most.n[PRICE_FILES],
				(int)most.n[PRICE_DRAWN]);
		arena_reset(&a);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tools_priced_per_use_are_bounded),
		cmocka_unit_test(price_options_are_read_from_the_body),
		cmocka_unit_test(region_is_read_from_path_or_model),
		cmocka_unit_test(price_list_names_the_tools),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
