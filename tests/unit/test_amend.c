/* Another model and a lower output limit in a body. All other bytes must stay unchanged. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scan/dialect/dialect.h"

enum { EDITS = 8 };

/* clang-format off */
static const struct {
	const char *dialect, *model;
	unsigned cap;
	const char *in, *want;
	unsigned missing; /* the limit for requests without one */
} rows[] = {
	{ "openai", "b", 0, "{\"model\":\"a\"}", "{\"model\":\"b\"}", 0 },
	{ "openai", "a", 0, "{\"model\":\"a\"}", "{\"model\":\"a\"}", 0 },
	{ "openai", "a", 0, "{\"model\":\"\\u0061\"}", "{\"model\":\"\\u0061\"}", 0 },
	{ "openai", "b", 0, "{ \"x\" : 1 ,\"model\" :\"\\u0061\\\"\" , \"y\":\"model\" }", "{ \"x\" : 1 ,\"model\" :\"b\" , \"y\":\"model\" }", 0 },
	{ "openai", "b", 0, "{}", "{\"model\":\"b\"}", 0 },
	{ "openai", "b", 0, " { } ", " {\"model\":\"b\" } ", 0 },
	{ "openai", "b", 0, "{ \"x\":1}", "{\"model\":\"b\", \"x\":1}", 0 },
	{ "openai", "b", 7, "{}", "{\"model\":\"b\",\"max_completion_tokens\":7}", 0 },
	{ "openai", "b", 7, "{\"n\":1}", "{\"model\":\"b\",\"max_completion_tokens\":7,\"n\":1}", 0 },
	{ "openai", "b\"\\", 0, "{\"model\":\"a\"}", "{\"model\":\"b\\\"\\\\\"}", 0 },
	{ "openai", NULL, 0, "{\"model\":\"a\"}", "{\"model\":\"a\"}", 0 },
	/* output limits */
	{ "openai", NULL, 7, "{\"model\":\"a\"}", "{\"max_completion_tokens\":7,\"model\":\"a\"}", 0 },
	{ "anthropic", NULL, 7, "{\"model\":\"a\"}", "{\"max_tokens\":7,\"model\":\"a\"}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":8}", "{\"max_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":7}", "{\"max_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":6}", "{\"max_tokens\":6}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":0}", "{\"max_tokens\":7}", 0 },
	{ "anthropic", NULL, 7, "{\"max_tokens\":0}", "{\"max_tokens\":0}", 0 },
	{ "ollama", NULL, 0, "{\"options\":{\"num_predict\":0}}", "{\"options\":{\"num_predict\":7}}", 7 },
	{ "openai", NULL, 7, "{\"max_tokens\":4294967295}", "{\"max_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_completion_tokens\":70}", "{\"max_completion_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":6,\"max_completion_tokens\":70}", "{\"max_tokens\":6,\"max_completion_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":60,\"max_completion_tokens\":70}", "{\"max_tokens\":7,\"max_completion_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":null}", "{\"max_tokens\":7}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":null,\"max_completion_tokens\":null}", "{\"max_tokens\":7,\"max_completion_tokens\":null}", 0 },
	{ "openai", NULL, 7, "{\"max_tokens\":null,\"max_completion_tokens\":3}", "{\"max_tokens\":null,\"max_completion_tokens\":3}", 0 },
	{ "openai", NULL, 7, "{\"x\":{\"max_tokens\":90,\"model\":\"z\"}}", "{\"max_completion_tokens\":7,\"x\":{\"max_tokens\":90,\"model\":\"z\"}}", 0 },
	{ "anthropic", "b", 7, "{\"max_tokens\":90,\"model\":\"a\"}", "{\"max_tokens\":7,\"model\":\"b\"}", 0 },
	/* limits in an object, and models in the path */
	{ "gemini", "b", 7, "{}", "{\"generationConfig\":{\"maxOutputTokens\":7}}", 0 },
	{ "gemini", NULL, 7, "{\"contents\":[]}", "{\"generationConfig\":{\"maxOutputTokens\":7},\"contents\":[]}", 0 },
	{ "gemini", NULL, 7, "{\"generationConfig\":{}}", "{\"generationConfig\":{\"maxOutputTokens\":7}}", 0 },
	{ "gemini", NULL, 7, "{\"generationConfig\":null}", "{\"generationConfig\":{\"maxOutputTokens\":7}}", 0 },
	{ "gemini", NULL, 7, "{\"generationConfig\":{\"topK\":1}}", "{\"generationConfig\":{\"maxOutputTokens\":7,\"topK\":1}}", 0 },
	{ "gemini", NULL, 7, "{\"generation_config\":{\"max_output_tokens\":9}}", "{\"generation_config\":{\"max_output_tokens\":7}}", 0 },
	{ "gemini", NULL, 7, "{\"generationConfig\":{\"maxOutputTokens\":\"9\"}}", "{\"generationConfig\":{\"maxOutputTokens\":\"7\"}}", 0 },
	{ "gemini", NULL, 7, "{\"generationConfig\":{\"maxOutputTokens\":6}}", "{\"generationConfig\":{\"maxOutputTokens\":6}}", 0 },
	{ "gemini", "b", 0, "{\"model\":\"a\"}", "{\"model\":\"b\"}", 0 },
	{ "bedrock", "b", 7, "{\"inferenceConfig\":{\"temperature\":1}}", "{\"inferenceConfig\":{\"maxTokens\":7,\"temperature\":1}}", 0 },
	{ "ollama", "b", 7, "{\"model\":\"a\",\"options\":{\"num_predict\":-1}}", "{\"model\":\"b\",\"options\":{\"num_predict\":7}}", 0 },
	{ "ollama", NULL, 7, "{\"options\":{\"num_predict\":null}}", "{\"options\":{\"num_predict\":7}}", 0 },
	{ "bedrock", NULL, 7, "{\"additionalModelRequestFields\":{\"max_tokens\":90}}", "{\"additionalModelRequestFields\":{\"max_tokens\":7}}", 0 },
	{ "bedrock", NULL, 7, "{\"inferenceConfig\":{\"maxTokens\":6},\"additionalModelRequestFields\":{\"maxTokens\":90}}", "{\"inferenceConfig\":{\"maxTokens\":6},\"additionalModelRequestFields\":{\"maxTokens\":7}}", 0 },
	{ "bedrock", NULL, 7, "{\"additionalModelRequestFields\":{\"inferenceConfig\":{\"max_new_tokens\":90,\"x\":1}}}", "{\"additionalModelRequestFields\":{\"inferenceConfig\":{\"max_new_tokens\":7,\"x\":1}}}", 0 },
	/* only if the request states none */
	{ "bedrock", NULL, 0, "{\"additionalModelRequestFields\":{\"max_gen_len\":90}}", "{\"additionalModelRequestFields\":{\"max_gen_len\":90}}", 7 },
	{ "openai", NULL, 0, "{\"max_tokens\":90}", "{\"max_tokens\":90}", 7 },
	{ "openai", NULL, 0, "{ }", "{\"max_completion_tokens\":7 }", 7 },
	{ "openai", NULL, 0, "{\"max_tokens\":null}", "{\"max_tokens\":7}", 7 },
	{ "openai", NULL, 5, "{\"model\":\"a\"}", "{\"max_completion_tokens\":5,\"model\":\"a\"}", 7 },
	{ "openai", NULL, 9, "{\"model\":\"a\"}", "{\"max_completion_tokens\":7,\"model\":\"a\"}", 7 },
	{ "openai", NULL, 9, "{\"max_tokens\":8}", "{\"max_tokens\":8}", 7 },
	{ "openai", NULL, 9, "{\"max_tokens\":10}", "{\"max_tokens\":9}", 7 },
	{ "gemini", NULL, 0, "{\"contents\":[]}", "{\"generationConfig\":{\"maxOutputTokens\":7},\"contents\":[]}", 7 },
	{ "ollama", NULL, 0, "{\"options\":{\"num_predict\":-1}}", "{\"options\":{\"num_predict\":7}}", 7 },
	{ "ollama", NULL, 0, "{\"options\":{\"num_predict\":8}}", "{\"options\":{\"num_predict\":8}}", 7 },
	{ "cohere", NULL, 0, "{\"model\":\"a\"}", "{\"max_tokens\":7,\"model\":\"a\"}", 7 },
	{ "tgi", NULL, 0, "{\"inputs\":\"a\"}", "{\"parameters\":{\"max_new_tokens\":7},\"inputs\":\"a\"}", 7 },
	{ "mistral", NULL, 0, "{\"model\":\"a\"}", "{\"max_tokens\":7,\"model\":\"a\"}", 7 },
	{ "rest", NULL, 0, "{\"model\":\"a\"}", "{\"model\":\"a\"}", 7 },
	/* bodies in which no dialect finds a model */
	{ "rest", "b", 7, "{\"model\":\"a\"}", "{\"model\":\"a\"}", 0 },
	{ "rest", "b", 7, "plain text", "plain text", 0 },
};
/* clang-format on */

static void
only_model_and_limit_change(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct body b, again;
		struct body_refusal why;
		struct splice edits[EDITS];
		struct buf out;
		struct amendment am = { .model = span_str(rows[i].model),
			.cap_tokens = rows[i].cap,
			.missing_tokens = rows[i].missing };
		const struct dialect *d = dialect_find(span_str(rows[i].dialect));
		struct span raw = span_str(rows[i].in);
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(
			body_read(dialect_table(d), (struct span){ 0 }, raw, &a, &b, &why), 0);
		int n = dialect_amend(&b, &am, &a, edits);
		assert_in_range(n, 0, dialect_amend_max(&b));
		assert_int_equal(splice_apply(raw, edits, (size_t)n, &out), 0);
		if (!span_is(buf_view(&out), rows[i].want)) {
			print_error("%s: got %.*s, want %s\n", rows[i].in,
				SPAN_ARG(buf_view(&out)), rows[i].want);
			bad++;
		}
		assert_int_equal(body_read(dialect_table(d), (struct span){ 0 }, buf_view(&out),
					 &a, &again, &why),
			0);
		if (dialect_has_model(d) && rows[i].model && b.marks.nmodels)
			assert_true(span_is(again.model, rows[i].model));
		if (dialect_has_model(d) && rows[i].cap)
			assert_in_range(again.output_cap_tokens, 0, rows[i].cap);
		buf_free(&out);
		arena_reset(&a);
	}
	assert_int_equal(bad, 0);
}

/* Two edits at one place: the request for usage, and the missing limit. */
static void
usage_request_is_added_beside_the_limit(void **state)
{
	static const struct span raw = SPAN_LIT("{\"stream\":true,\"messages\":[]}");
	struct amendment am = { .model = SPAN_LIT("m"), .cap_tokens = 9 };
	struct splice edits[EDITS + 1];
	struct body_refusal why;
	struct body b;
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	assert_int_equal(body_read(dialect_table(dialect_find(SPAN_LIT("openai"))),
				 (struct span){ 0 }, raw, &a, &b, &why),
		0);
	int n = dialect_amend(&b, &am, &a, edits);
	assert_int_equal(n, 1);
	assert_int_equal(dialect_ask_usage(&b, &edits[1]), 1);
	assert_int_equal(splice_apply(raw, edits, 2, &out), 0);
	assert_int_equal(body_read(dialect_table(dialect_find(SPAN_LIT("openai"))),
				 (struct span){ 0 }, buf_view(&out), &a, &b, &why),
		0);
	assert_true(span_is(b.model, "m"));
	assert_int_equal(b.output_cap_tokens, 9);
	assert_true(b.wants_usage && b.stream);
	buf_free(&out);
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_model_and_limit_change),
		cmocka_unit_test(usage_request_is_added_beside_the_limit),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
