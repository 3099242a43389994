/* guard/guard_list: what is taken out of lists of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "guard/guard.h"

/* Everything but what begins with "no". */
static bool
may_use(void *arg, struct span model, struct arena *a)
{
	(void)arg;
	(void)a;
	return !span_starts(model, SPAN_LIT("no"));
}

#define DATA(list) "{\"object\":\"list\",\"data\":[" list "],\"has_more\":false}"
#define M(name)	   "{\"id\":\"" name "\"}"

/* clang-format off */
static const struct {
	const char *name, *in, *want; /* NULL: broken */
} rows[] = {
	{ "nothing to hide", DATA(M("a") "," M("b")), DATA(M("a") "," M("b")) },
	{ "the first", DATA(M("no") ", " M("b")), DATA(M("b")) },
	{ "the last", DATA(M("a") " , " M("no")), DATA(M("a")) },
	{ "one between", DATA(M("a") "," M("no") "," M("b")), DATA(M("a") "," M("b")) },
	{ "neighbours", DATA(M("no1") "," M("no2") "," M("b") "," M("no3") "," M("no4")), DATA(M("b")) },
	{ "all", DATA(M("no1") "," M("no2")), DATA("") },
	{ "none there", DATA(""), DATA("") },
	{ "Gemini's names", "{\"models\":[{\"name\":\"models/no\"},{\"name\":\"models/a\"}]}", "{\"models\":[{\"name\":\"models/a\"}]}" },
	{ "Ollama's", "{\"models\":[{\"name\":\"x\",\"model\":\"no\",\"details\":{\"id\":\"a\"}},{\"name\":\"a\"}]}", "{\"models\":[{\"name\":\"a\"}]}" },
	{ "the id says more than a name", DATA("{\"name\":\"no\",\"id\":\"a\"}"), DATA("{\"name\":\"no\",\"id\":\"a\"}") },
	{ "a name that is escaped", DATA(M("n\\u006f")), DATA("") },
	{ "what names no model stays", DATA("1,\"no\",[2],{\"x\":\"no\"}," M("no")), DATA("1,\"no\",[2],{\"x\":\"no\"}") },
	{ "another member's list", "{\"x\":[" M("no") "]}", "{\"x\":[" M("no") "]}" },
	{ "an object that is no list", "{\"data\":" M("no") "}", "{\"data\":" M("no") "}" },
	{ "a list that does not end", "{\"data\":[" M("a"), NULL },
	{ "a name twice", DATA("{\"id\":\"a\",\"id\":\"no\"}"), NULL },
	{ "no object", "[" M("no") "]", NULL },
	{ "something after it", DATA("") "x", NULL },
};
/* clang-format on */

static enum guard_result
list(const char *in, int status, struct buf *out)
{
	const struct guard_plan plan = {
		.format = answer_format_find(SPAN_LIT("openai"), SPAN_LIT("/v1/models")),
		.dialect = dialect_find(SPAN_LIT("openai")),
		.path = SPAN_LIT("/v1/models"),
		.may_use = may_use,
	};
	const struct guard_head head = { .status = status,
		.content_type = SPAN_LIT("application/json") };
	struct guard *g = guard_new(&plan, &head);

	assert_non_null(g);
	assert_true(guard_withholds(g));
	enum guard_result r = GUARD_PASS;
	for (struct span s = span_str(in); s.n && !r; s = span_cut(s, 1, s.n))
		r = guard_feed(g, span_cut(s, 0, 1), out);
	assert_int_equal(out->n, 0);
	r = r ? r : guard_end(g, out);
	guard_drop(&g);
	return r;
}

static void
only_what_may_be_used_is_listed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		struct buf out;
		buf_init(&out, 0);
		enum guard_result r = list(rows[i].in, 200, &out);
		if ((r == GUARD_PASS) != (rows[i].want != NULL) ||
			(rows[i].want && !span_is(buf_view(&out), rows[i].want)))
			fail_msg("%s: %d %.*s", rows[i].name, (int)r, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
}

static void
an_error_is_no_list(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(list(DATA(M("no")), 404, &out), GUARD_PASS);
	assert_true(span_is(buf_view(&out), DATA(M("no"))));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_what_may_be_used_is_listed),
		cmocka_unit_test(an_error_is_no_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
