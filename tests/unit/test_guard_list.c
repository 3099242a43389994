/* guard/guard_list: removal of entries from lists of models. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "answer/guard/guard.h"

/* Permits every model that does not begin with "no". */
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
	const char *name, *in, *want; /* NULL: the response is broken */
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
	{ "the id takes precedence over a name", DATA("{\"name\":\"no\",\"id\":\"a\"}"), DATA("{\"name\":\"no\",\"id\":\"a\"}") },
	{ "a name that is escaped", DATA(M("n\\u006f")), DATA("") },
	{ "what names no model stays", DATA("1,[2],{\"x\":\"no\"}," M("no")), DATA("1,[2],{\"x\":\"no\"}") },
	{ "texts that are names", DATA("1,\"no\",\"a\", [\"no\",\"b\"] ,\"no\""), DATA("1,\"a\", [\"b\"]") },
	{ "two lists", "{\"models\":[" M("no") "," M("a") "],\"data\":[" M("a") "," M("no") "]}", "{\"models\":[" M("a") "],\"data\":[" M("a") "]}" },
	{ "another member's list", "{\"x\":[" M("no") "]}", "{\"x\":[]}" },
	{ "a list in an object", "{\"x\":{\"models\":[" M("no") "," M("a") "]}}", "{\"x\":{\"models\":[" M("a") "]}}" },
	{ "lists in groups", DATA("{\"by\":\"x\",\"models\":[" M("no") "," M("a") "]}"), DATA("{\"by\":\"x\",\"models\":[" M("a") "]}") },
	{ "another name of one that stays", DATA("{\"id\":\"a\",\"aliases\":[\"no\",\"b\"],\"tags\":[\"no\"]}"), DATA("{\"id\":\"a\",\"aliases\":[\"b\"],\"tags\":[\"no\"]}") },
	{ "members", "{\"models\":{\"no\":{\"x\":1},\"a\":{\"x\":2},\"n\":3}}", "{\"models\":{\"a\":{\"x\":2},\"n\":3}}" },
	{ "members with names of their own", "{\"data\":{\"a\":{\"id\":\"no\"},\"b\":{\"id\":\"b\"}}}", "{\"data\":{\"b\":{\"id\":\"b\"}}}" },
	{ "an object that is no list", "{\"data\":" M("no") "}", "{\"data\":null}" },
	{ "one that may be used", "{\"data\":" M("a") "}", "{\"data\":" M("a") "}" },
	{ "a server's only model", "{\"model_id\":\"no\",\"version\":\"no\"}", "{\"model_id\":null,\"version\":\"no\"}" },
	{ "Amazon's", "{\"modelSummaries\":[{\"modelArn\":\"x\",\"modelId\":\"no\"},{\"modelId\":\"a\"}]}", "{\"modelSummaries\":[{\"modelId\":\"a\"}]}" },
	{ "where pages begin and end", "{\"first_id\":\"no1\",\"data\":[" M("no1") "," M("a") "," M("b") "," M("no2") "],\"last_id\":\"no2\"}", "{\"first_id\":\"a\",\"data\":[" M("a") "," M("b") "],\"last_id\":\"b\"}" },
	{ "a page of none", "{\"data\":[" M("no") "],\"last_id\":\"no\"}", "{\"data\":[],\"last_id\":null}" },
	{ "lines", M("no") "\n" M("a") "\n" M("no"), M("a") "\n" },
	{ "an event of one", "data: " M("no") "\n\ndata: " M("a") "\n\n", "\ndata: " M("a") "\n\n" },
	{ "one alone", M("no"), "{\"id\":null}" },
	{ "lines of lists", DATA(M("no")) "\n\n" DATA(M("a") "," M("no")) "\n", DATA("") "\n\n" DATA(M("a")) "\n" },
	{ "events", "event: x\r\ndata: " DATA(M("no") "," M("a")) "\r\n\r\ndata: [DONE]\n\n", "event: x\r\ndata: " DATA(M("a")) "\r\n\r\ndata: [DONE]\n\n" },
	{ "an event over two lines", "data: {\"data\":[\ndata: " M("no") "]}\n\n", NULL },
	{ "events that CR ends", "data: {}\rdata: " DATA(M("no")) "\r\r", NULL },
	{ "text", "no", NULL },
	{ "a byte order mark", "\xef\xbb\xbf" DATA(M("no")), DATA("") },
	{ "no object", "[" M("no") "," M("a") ",\"no\"]", "[" M("a") "]" },
	{ "a list that does not end", "{\"data\":[" M("a"), NULL },
	{ "a name twice", DATA("{\"id\":\"a\",\"id\":\"no\"}"), NULL },
	{ "something after it", DATA("") "x", NULL },
};
/* clang-format on */

static enum guard_result
list(const char *in, const char *type, int status, struct buf *out)
{
	const struct guard_plan plan = {
		.format = answer_format_find(SPAN_LIT("openai"), SPAN_LIT("/v1/models")),
		.dialect = dialect_find(SPAN_LIT("openai")),
		.path = SPAN_LIT("/v1/models"),
		.may_use = may_use,
	};
	const struct guard_head head = { .status = status, .content_type = span_str(type) };
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
only_permitted_models_are_listed(void **state)
{
	(void)state;
	static const char *const types[] = { "application/json", "text/event-stream",
		"application/x-ndjson", "image/png" };

	for (size_t i = 0; i < 4 * COUNT_OF(rows); i++) {
		const size_t at = i / 4;
		if (i % 4 == 0 && !strncmp(rows[at].name, "lines of", 8))
			continue; /* these do not match their type */
		struct buf out;
		buf_init(&out, 0);
		enum guard_result r = list(rows[at].in, types[i % 4], 200, &out);
		if ((r == GUARD_PASS) != (rows[at].want != NULL) ||
			(rows[at].want && !span_is(buf_view(&out), rows[at].want)))
			fail_msg("%s, %s: %d %.*s", rows[at].name, types[i % 4], (int)r,
				SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
}

static void
error_is_not_read_as_a_list(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	assert_int_equal(list(DATA(M("no")), "application/json", 404, &out), GUARD_PASS);
	assert_true(span_is(buf_view(&out), DATA(M("no"))));
	buf_free(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_permitted_models_are_listed),
		cmocka_unit_test(error_is_not_read_as_a_list),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
