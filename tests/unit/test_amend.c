/* Another model and a lower cap in a body whose other bytes stay as they came. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "text/dialect.h"

/* clang-format off */
static const struct {
	const char *dialect, *model;
	unsigned cap;
	const char *in, *want;
} rows[] = {
	{ "openai", "b", 0, "{\"model\":\"a\"}", "{\"model\":\"b\"}" },
	{ "openai", "a", 0, "{\"model\":\"a\"}", "{\"model\":\"a\"}" },
	{ "openai", "a", 0, "{\"model\":\"\\u0061\"}", "{\"model\":\"\\u0061\"}" },
	{ "openai", "b", 0, "{ \"x\" : 1 ,\"model\" :\"\\u0061\\\"\" , \"y\":\"model\" }", "{ \"x\" : 1 ,\"model\" :\"b\" , \"y\":\"model\" }" },
	{ "openai", "b", 0, "{}", "{\"model\":\"b\"}" },
	{ "openai", "b", 0, " { } ", " {\"model\":\"b\" } " },
	{ "openai", "b", 0, "{ \"x\":1}", "{\"model\":\"b\", \"x\":1}" },
	{ "openai", "b", 7, "{}", "{\"model\":\"b\",\"max_completion_tokens\":7}" },
	{ "openai", "b", 7, "{\"n\":1}", "{\"model\":\"b\",\"max_completion_tokens\":7,\"n\":1}" },
	{ "openai", "b\"\\", 0, "{\"model\":\"a\"}", "{\"model\":\"b\\\"\\\\\"}" },
	{ "openai", NULL, 0, "{\"model\":\"a\"}", "{\"model\":\"a\"}" },
	/* caps */
	{ "openai", NULL, 7, "{\"model\":\"a\"}", "{\"max_completion_tokens\":7,\"model\":\"a\"}" },
	{ "anthropic", NULL, 7, "{\"model\":\"a\"}", "{\"max_tokens\":7,\"model\":\"a\"}" },
	{ "openai", NULL, 7, "{\"max_tokens\":8}", "{\"max_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_tokens\":7}", "{\"max_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_tokens\":6}", "{\"max_tokens\":6}" },
	{ "openai", NULL, 7, "{\"max_tokens\":0}", "{\"max_tokens\":0}" },
	{ "openai", NULL, 7, "{\"max_tokens\":4294967295}", "{\"max_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_completion_tokens\":70}", "{\"max_completion_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_tokens\":6,\"max_completion_tokens\":70}", "{\"max_tokens\":6,\"max_completion_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_tokens\":60,\"max_completion_tokens\":70}", "{\"max_tokens\":7,\"max_completion_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_tokens\":null}", "{\"max_tokens\":7}" },
	{ "openai", NULL, 7, "{\"max_tokens\":null,\"max_completion_tokens\":null}", "{\"max_tokens\":7,\"max_completion_tokens\":null}" },
	{ "openai", NULL, 7, "{\"max_tokens\":null,\"max_completion_tokens\":3}", "{\"max_tokens\":null,\"max_completion_tokens\":3}" },
	{ "openai", NULL, 7, "{\"x\":{\"max_tokens\":90,\"model\":\"z\"}}", "{\"max_completion_tokens\":7,\"x\":{\"max_tokens\":90,\"model\":\"z\"}}" },
	{ "anthropic", "b", 7, "{\"max_tokens\":90,\"model\":\"a\"}", "{\"max_tokens\":7,\"model\":\"b\"}" },
	/* where no dialect knows a model */
	{ "rest", "b", 7, "{\"model\":\"a\"}", "{\"model\":\"a\"}" },
	{ "rest", "b", 7, "plain text", "plain text" },
};
/* clang-format on */

static void
what_is_changed_and_nothing_else(void **state)
{
	unsigned bad = 0;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct arena a;
		struct body b, again;
		struct body_refusal why;
		struct splice edits[AMEND_MAX];
		struct buf out;
		struct amendment am = { span_str(rows[i].model), rows[i].cap };
		const struct dialect *d = dialect_find(span_str(rows[i].dialect));
		struct span raw = span_str(rows[i].in);
		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(body_read(d, (struct span){ 0 }, raw, &a, &b, &why), 0);
		int n = dialect_amend(&b, &am, &a, edits);
		assert_in_range(n, 0, AMEND_MAX);
		assert_int_equal(splice_apply(raw, edits, (size_t)n, &out), 0);
		if (!span_is(buf_view(&out), rows[i].want)) {
			print_error("%s: got %.*s, want %s\n", rows[i].in,
				SPAN_ARG(buf_view(&out)), rows[i].want);
			bad++;
		}
		assert_int_equal(
			body_read(d, (struct span){ 0 }, buf_view(&out), &a, &again, &why), 0);
		if (dialect_has_model(d) && rows[i].model)
			assert_true(span_is(again.model, rows[i].model));
		if (dialect_has_model(d) && rows[i].cap)
			assert_in_range(again.output_cap_tokens, 0, rows[i].cap);
		buf_free(&out);
		arena_reset(&a);
	}
	assert_int_equal(bad, 0);
}

/* Two edits at one place: the usage that is asked for, and what was missing. */
static void
asking_for_usage_beside_it(void **state)
{
	static const struct span raw = SPAN_LIT("{\"stream\":true,\"messages\":[]}");
	struct amendment am = { SPAN_LIT("m"), 9 };
	struct splice edits[AMEND_MAX + 1];
	struct body_refusal why;
	struct body b;
	struct arena a;
	struct buf out;

	(void)state;
	arena_init(&a, 0, false);
	buf_init(&out, 0);
	assert_int_equal(body_read(dialect_find(SPAN_LIT("openai")), (struct span){ 0 }, raw,
				 &a, &b, &why),
		0);
	int n = dialect_amend(&b, &am, &a, edits);
	assert_int_equal(n, 1);
	assert_int_equal(dialect_ask_usage(&b, &edits[1]), 1);
	assert_int_equal(splice_apply(raw, edits, 2, &out), 0);
	assert_int_equal(body_read(dialect_find(SPAN_LIT("openai")), (struct span){ 0 },
				 buf_view(&out), &a, &b, &why),
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
		cmocka_unit_test(what_is_changed_and_nothing_else),
		cmocka_unit_test(asking_for_usage_beside_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
