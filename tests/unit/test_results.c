/* dialect/results: which tools produced the results in a request, in every dialect. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/caps.h"
#include "base/err.h"
#include "scan/dialect/dialect.h"

#define CHAT(messages) "{\"model\":\"m\",\"messages\":[" messages "]}"
#define CALLS(of)      "{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[" of "]}"
#define FUNCTION(id, name)                                                                     \
	"{\"id\":\"" id "\",\"type\":\"function\",\"function\":{\"arguments\":\"{}\","         \
	"\"name\":\"" name "\"}}"
#define TOOL(id)     "{\"role\":\"tool\",\"tool_call_id\":\"" id "\",\"content\":\"r\"}"
#define INPUT(items) "{\"model\":\"m\",\"input\":[" items "]}"
#define USE(id, name)                                                                          \
	"{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"x\"},{\"type\":"   \
	"\"tool_use\",\"id\":\"" id "\",\"name\":\"" name "\",\"input\":{\"name\":\"no\","     \
	"\"id\":\"u9\"}}]}"
#define USED(id)                                                                               \
	"{\"role\":\"user\",\"content\":[{\"type\":\"tool_result\",\"tool_use_id\":\"" id      \
	"\",\"content\":[{\"type\":\"text\",\"text\":\"r\"}]}]}"
#define GEMINI(parts)                                                                          \
	"{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"x\"}]},{\"role\":\"user\","  \
	"\"parts\":[" parts "]}]}"

/* The expected names, each followed by a bar. */
static const struct {
	const char *dialect, *path, *in, *want;
} rows[] = {
	/* OpenAI's chat */
	{ "openai", "/v1/chat/completions",
		CHAT("{\"role\":\"user\",\"content\":\"tool_call_id\"}"), "" },
	{ "openai", "/v1/chat/completions", CHAT(CALLS(FUNCTION("c1", "web_fetch"))), "" },
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "web_fetch")) "," TOOL("c1")), "web_fetch|" },
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "b") "," FUNCTION("c2", "a")) "," TOOL("c2") "," TOOL(
			"c1") "," TOOL("c1")),
		"a|b|" },
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "b") "," FUNCTION("c2", "a")) "," TOOL("c2")), "a|" },
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS("{\"id\":\"c1\",\"type\":\"custom\",\"custom\":{\"name\":\"sh\","
			   "\"input\":\"x\"}}") "," TOOL("c1")),
		"sh|" },
	/* spelled with an escape */
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "web_\\u0066etch")) "," TOOL("\\u00631")),
		"web_fetch|" },
	/* the call is missing, or has no id; both kinds in one message */
	{ "openai", "/v1/chat/completions", CHAT(TOOL("c1")), "|" },
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "a")) "," TOOL("c1") "," TOOL("c2")), "|a|" },
	{ "openai", "/v1/chat/completions", CHAT("{\"role\":\"tool\",\"content\":\"r\"}"),
		"|" },
	/* two calls with one id: either may be meant */
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "a") "," FUNCTION("c1", "b")) "," TOOL("c1")),
		"a|b|" },
	/* a result with another name than its call */
	{ "openai", "/v1/chat/completions",
		CHAT(CALLS(FUNCTION("c1", "web_fetch")) ",{\"role\":\"tool\",\"name\":\"safe\","
							"\"tool_call_id\":\"c1\","
							"\"content\":\"r\"}"),
		"safe|web_fetch|" },
	{ "openai", "/v1/chat/completions",
		CHAT("{\"role\":\"Tool\",\"name\":\"f\",\"content\":\"r\"}"), "f|" },
	/* the older form, before there were tools */
	{ "openai", "/v1/chat/completions",
		CHAT("{\"role\":\"assistant\",\"content\":null,\"function_call\":{\"name\":"
		     "\"f\","
		     "\"arguments\":\"{}\"}},{\"role\":\"function\",\"name\":\"f\",\"content\":"
		     "\"r\"}"),
		"f|" },
	{ "openai", "/v1/chat/completions",
		CHAT("{\"role\":\"user\",\"name\":\"ann\",\"content\":\"x\"}"), "" },
	/* Responses */
	{ "openai", "/v1/responses", "{\"input\":\"function_call_output\"}", "" },
	{ "openai", "/v1/responses",
		INPUT("{\"type\":\"function_call\",\"id\":\"fc_1\",\"call_id\":\"c1\",\"name\":"
		      "\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\","
		      "\"call_id\":\"c1\",\"output\":\"r\"}"),
		"f|" },
	{ "openai", "/v1/responses",
		INPUT("{\"type\":\"custom_tool_call\",\"call_id\":\"c1\",\"name\":\"sh\","
		      "\"input\":\"x\"},{\"type\":\"custom_tool_call_output\",\"call_id\":"
		      "\"c1\",\"output\":[{\"type\":\"input_text\",\"text\":\"r\"}]}"),
		"sh|" },
	{ "openai", "/v1/responses",
		INPUT("{\"type\":\"function_call_output\",\"call_id\":\"c1\",\"output\":"
		      "\"r\"}"),
		"|" },
	{ "openai", "/v1/responses",
		INPUT("{\"type\":\"local_shell_call\",\"call_id\":\"c1\",\"action\":{}},{"
		      "\"type\":"
		      "\"local_shell_call_output\",\"call_id\":\"c1\",\"output\":\"r\"}"),
		"local_shell|" },
	/* the result of a tool that the provider ran */
	{ "openai", "/v1/responses",
		INPUT("{\"type\":\"mcp_call\",\"id\":\"m1\",\"server_label\":\"s\",\"name\":"
		      "\"f\","
		      "\"arguments\":\"{}\",\"output\":\"r\"}"),
		"f|" },
	{ "openai", "/v1/responses",
		INPUT("{\"type\":\"file_search_call\",\"id\":\"m1\",\"results\":[{\"text\":"
		      "\"r\"}]"
		      "}"),
		"file_search|" },
	{ "openai", "/v1/conversations/c/items",
		"{\"items\":[{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"f\","
		"\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"c1\","
		"\"output\":\"r\"}]}",
		"f|" },
	/* Anthropic: names in arguments and in results do not count */
	{ "anthropic", "/v1/messages", CHAT(USE("u1", "f")), "" },
	{ "anthropic", "/v1/messages", CHAT(USE("u1", "f") "," USED("u1")), "f|" },
	{ "anthropic", "/v1/messages", CHAT(USE("u1", "f") "," USED("u9")), "|" },
	{ "anthropic", "/v1/messages",
		CHAT("{\"role\":\"assistant\",\"content\":[{\"type\":\"server_tool_use\","
		     "\"id\":"
		     "\"s1\",\"name\":\"web_search\",\"input\":{}},{\"type\":"
		     "\"web_search_tool_result\",\"tool_use_id\":\"s1\",\"content\":[]},"
		     "{\"type\":\"mcp_tool_use\",\"id\":\"m1\",\"name\":\"g\",\"server_name\":"
		     "\"x\",\"input\":{}},{\"type\":\"mcp_tool_result\",\"tool_use_id\":\"m1\","
		     "\"content\":[]}]}"),
		"g|web_search|" },
	/* each request of a batch has its own ids */
	{ "anthropic", "/v1/messages/batches",
		"{\"requests\":[{\"custom_id\":\"a\",\"params\":" CHAT(USE(
			"u1", "f")) "},{\"custom_id\":\"b\",\"params\":" CHAT(USED("u1")) "}]}",
		"|" },
	{ "anthropic", "/v1/messages/batches",
		"{\"requests\":[{\"custom_id\":\"a\",\"params\":" CHAT(USE("u1", "f") "," USED(
			"u1")) "},{\"custom_id\":\"b\",\"params\":" CHAT(USE("u1",
			"g") "," USED("u1")) "}]}",
		"f|g|" },
	/* Gemini: the result names its tool */
	{ "gemini", "/v1beta/models/x:generateContent",
		GEMINI("{\"functionCall\":{\"name\":\"f\",\"args\":{}}}"), "" },
	{ "gemini", "/v1beta/models/x:generateContent",
		GEMINI("{\"functionResponse\":{\"name\":\"f\",\"response\":{\"name\":\"no\"}}"
		       "}"),
		"f|" },
	{ "gemini", "/v1beta/models/x:generateContent",
		GEMINI("{\"function_response\":{\"name\":\"f\",\"response\":{}}}"), "f|" },
	{ "gemini", "/v1beta/models/x:generateContent",
		"{\"contents\":{\"parts\":{\"functionResponse\":{\"name\":\"f\",\"response\":{}"
		"}}}"
		"}",
		"f|" },
	{ "gemini", "/v1beta/models/x:generateContent",
		GEMINI("{\"functionCall\":{\"id\":\"g1\",\"name\":\"f\",\"args\":{}}},"
		       "{\"functionResponse\":{\"id\":\"g1\",\"name\":\"safe\",\"response\":{}}"
		       "}"),
		"f|safe|" },
	{ "gemini", "/v1beta/models/x:generateContent",
		GEMINI("{\"functionResponse\":{\"response\":{\"x\":\"r\"}}}"), "|" },
	/* if no place for results is known there, they have an unknown tool */
	{ "gemini", "/v1beta/models/x:countTokens",
		"{\"generateContentRequest\":" GEMINI("{\"functionResponse\":{\"name\":\"f\","
						      "\"response\":{\"x\":\"r\"}}}") "}",
		"|" },
	/* Bedrock */
	{ "bedrock", "/model/m/converse",
		"{\"messages\":[{\"role\":\"assistant\",\"content\":[{\"toolUse\":{"
		"\"toolUseId\":"
		"\"t1\",\"name\":\"f\",\"input\":{}}}]},{\"role\":\"user\",\"content\":[{"
		"\"toolResult\":{\"toolUseId\":\"t1\",\"content\":[{\"text\":\"r\"}]}}]}]}",
		"f|" },
	{ "bedrock", "/model/m/converse",
		"{\"messages\":[{\"role\":\"user\",\"content\":[{\"toolResult\":{\"toolUseId\":"
		"\"t1\",\"content\":[{\"json\":{\"name\":\"x\"}}]}}]}]}",
		"|" },
	{ "bedrock", "/model/m/invoke", CHAT(USE("u1", "f") "," USED("u1")), "f|" },
	/* Cohere */
	{ "cohere", "/v2/chat",
		CHAT("{\"role\":\"assistant\",\"tool_calls\":[" FUNCTION("c1", "f") "]}," TOOL(
			"c1")),
		"f|" },
	{ "cohere", "/v1/chat",
		"{\"message\":\"x\",\"tool_results\":[{\"call\":{\"name\":\"f\",\"parameters\":"
		"{}},"
		"\"outputs\":[{\"name\":\"no\"}]}]}",
		"f|" },
	/* Mistral */
	{ "mistral", "/v1/chat/completions", CHAT(CALLS(FUNCTION("c1", "f")) "," TOOL("c1")),
		"f|" },
	{ "mistral", "/v1/conversations",
		"{\"model\":\"m\",\"inputs\":[{\"type\":\"function.call\",\"tool_call_id\":"
		"\"c1\","
		"\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function.result\","
		"\"tool_call_id\":\"c1\",\"result\":\"r\"}]}",
		"f|" },
	{ "mistral", "/v1/conversations",
		"{\"model\":\"m\",\"inputs\":[{\"type\":\"function.result\",\"tool_call_id\":"
		"\"c1\",\"result\":\"r\"}]}",
		"|" },
	/* Ollama */
	{ "ollama", "/api/chat",
		CHAT("{\"role\":\"tool\",\"tool_name\":\"f\",\"content\":\"r\"}"), "f|" },
	{ "ollama", "/api/chat", CHAT("{\"role\":\"tool\",\"content\":\"r\"}"), "|" },
	/* text is no result */
	{ "rest", "/x", CHAT("{\"content\":\"r\"}"), "" },
};

/* Leaves the parsed result in the arena and returns the result of the call. */
static int
read_results(const char *dialect, const char *path, struct span in, struct arena *a,
	struct span **names, size_t *n)
{
	struct endpoint e = dialect_endpoint(
		dialect_find(span_str(dialect)), SPAN_LIT("POST"), span_str(path));
	struct body_refusal why;
	struct body b;

	arena_init(a, 0, false);
	if (body_read(e.table, (struct span){ 0 }, in, a, &b, &why) != 0)
		fail_msg("%s: %s", in.p, why.why);
	return dialect_results(&b, in, a, names, n);
}

static void
tool_results_are_assigned_to_their_tools(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct span *names;
		struct arena a;
		char got[256] = "";
		size_t n, at = 0;
		assert_int_equal(read_results(rows[i].dialect, rows[i].path,
					 span_str(rows[i].in), &a, &names, &n),
			0);
		for (size_t k = 0; k < n; k++)
			at += (size_t)snprintf(
				got + at, sizeof(got) - at, "%.*s|", SPAN_ARG(names[k]));
		if (strcmp(got, rows[i].want) != 0)
			fail_msg("%s %s: %s, not %s", rows[i].dialect, rows[i].in, got,
				rows[i].want);
		arena_reset(&a);
	}
}

/* Many results and calls with one id are compared once. Over the limit, no name is assigned. */
static void
number_of_results_is_limited(void **state)
{
	static const size_t counts[] = { CAP_TOOL_RESULTS, CAP_TOOL_RESULTS + 1 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		struct span *names;
		struct arena a;
		struct buf in;
		size_t n;
		buf_init(&in, 0);
		buf_str(&in, "{\"messages\":[{\"role\":\"assistant\",\"tool_calls\":[");
		for (size_t k = 0; k < counts[i]; k++)
			buf_printf(&in, "%s{\"id\":\"c\",\"function\":{\"name\":\"t%zu\"}}",
				k ? "," : "", k);
		buf_str(&in, "]}");
		for (size_t k = 0; k < 2000; k++)
			buf_str(&in, "," TOOL("c"));
		buf_str(&in, "]}");
		int err = read_results(
			"openai", "/v1/chat/completions", buf_view(&in), &a, &names, &n);
		assert_int_equal(err, i == 0 ? 0 : ERR_LIMIT);
		assert_true(err || n == counts[i]);
		arena_reset(&a);
		buf_free(&in);
	}
}

/* If the bytes are gone, the result must not be an empty list. */
static void
body_without_its_bytes_is_an_error(void **state)
{
	struct span in = SPAN_LIT(CHAT(TOOL("c1"))), *names;
	struct endpoint e = dialect_endpoint(dialect_find(SPAN_LIT("openai")), SPAN_LIT("POST"),
		SPAN_LIT("/v1/chat/completions"));
	struct body_refusal why;
	struct body b;
	struct arena a;
	size_t n;

	(void)state;
	arena_init(&a, 0, false);
	assert_int_equal(body_read(e.table, (struct span){ 0 }, in, &a, &b, &why), 0);
	assert_int_equal(
		dialect_results(&b, (struct span){ 0 }, &a, &names, &n), ERR_TRUNCATED);
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tool_results_are_assigned_to_their_tools),
		cmocka_unit_test(number_of_results_is_limited),
		cmocka_unit_test(body_without_its_bytes_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
