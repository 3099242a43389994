/* Lists without what their reader may not use: what is cut, what stays byte for byte, and what
 * must not go on. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "base/err.h"
#include "support/policy_fix.h"
#include "verdict/tool_filter.h"

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: by-args, phase: tool, when: 'tool.arguments.x == 1', deny: {hide: "        \
	"true}}\n"                                                                             \
	"  - {name: no-x, phase: tool, when: 'tool.name == \"x\" && mcp.method == "            \
	"\"tools/call\"', deny: {hide: true}}\n"                                               \
	"  - {name: no-p, phase: tool, when: 'tool.name == \"p\" && mcp.method == "            \
	"\"prompts/get\"', deny: {hide: true}}\n"                                              \
	"  - {name: only, phase: tool, when: 'tool.name == \"denied\"', deny: true}\n"         \
	"  - {name: said, phase: tool, when: 'tool.description.contains(\"secret\")', deny: "  \
	"{hide: true}}\n"                                                                      \
	"  - {name: files, phase: tool, when: 'resource.uri.startsWith(\"file:\")', deny: "    \
	"{hide: true}}\n"                                                                      \
	"  - {name: other, phase: tool, when: 'tool.server == \"other\"', deny: {hide: "       \
	"true}}\n"

#define R(result) "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{" result "}}"
#define T(name)	  "{\"name\":\"" name "\"}"
#define U(uri)	  "{\"uri\":\"" uri "\",\"name\":\"n\"}"

static const struct row {
	const char *name, *in, *want; /* NULL: as it came */
	size_t hidden;
	int err;
} rows[] = {
	{ "the first of several", R("\"tools\":[" T("x") "," T("a") "," T("b") "]"),
		R("\"tools\":[" T("a") "," T("b") "]"), 1, 0 },
	{ "the last", R("\"tools\":[" T("a") " , " T("x") " ]"), R("\"tools\":[" T("a") " ]"),
		1, 0 },
	{ "one between", R("\"tools\":[ " T("a") ", " T("x") ", " T("b") "]"),
		R("\"tools\":[ " T("a") ", " T("b") "]"), 1, 0 },
	{ "all, and the cursor stays",
		R("\"nextCursor\":\"c\\u0032\",\"tools\":[" T("x") "," T("x") "]"),
		R("\"nextCursor\":\"c\\u0032\",\"tools\":[]"), 2, 0 },
	{ "runs",
		R("\"tools\":[" T("x") "," T("x") "," T("a") "," T("x") "," T("x") "," T(
			"b") "," T("x") "," T("x") "]"),
		R("\"tools\":[" T("a") "," T("b") "]"), 6, 0 },
	{ "none", R("\"tools\":[" T("a") "],\"nextCursor\":\"2\""), NULL, 0, 0 },
	{ "an empty page", R("\"tools\":[],\"nextCursor\":\"2\""), NULL, 0, 0 },
	{ "what is denied and not hidden", R("\"tools\":[" T("denied") "]"), NULL, 0, 0 },
	{ "a name with escapes", R("\"tools\":[{\"\\u006eame\":\"\\u0078\"}," T("a") "]"),
		R("\"tools\":[" T("a") "]"), 1, 0 },
	{ "what looks like it is another name", R("\"tools\":[" T("\xd1\x85") "]"), NULL, 0,
		0 },
	{ "by its description",
		R("\"tools\":[{\"name\":\"a\",\"description\":\"a secret one\",\"inputSchema\":"
		  "{\"type\":\"object\",\"properties\":{\"name\":{\"type\":\"string\"}}}}]"),
		R("\"tools\":[]"), 1, 0 },
	{ "names inside its schema are no names of it",
		R("\"tools\":[{\"name\":\"a\",\"inputSchema\":{\"properties\":{\"name\":\"x\","
		  "\"description\":\"secret\"}},\"annotations\":{\"name\":\"x\"}}]"),
		NULL, 0, 0 },
	{ "an entry without a name",
		R("\"tools\":[{\"title\":\"x\"},{\"name\":3},7,\"x\",[" T("a") "],null," T(
			"a") "]"),
		R("\"tools\":[" T("a") "]"), 6, 0 },
	{ "a prompt is no tool", R("\"prompts\":[" T("x") "," T("p") "]"),
		R("\"prompts\":[" T("x") "]"), 1, 0 },
	{ "and a tool no prompt", R("\"tools\":[" T("p") "]"), NULL, 0, 0 },
	{ "resources by their URI, and not by a name",
		R("\"resources\":[" U("file:///a") "," U(
			"db://b") ",{\"uri\":\"db://c\",\"name\":"
				  "\"x\"}]"),
		R("\"resources\":[" U("db://b") ",{\"uri\":\"db://c\",\"name\":\"x\"}]"), 1,
		0 },
	{ "templates by their text",
		R("\"resourceTemplates\":[{\"uriTemplate\":\"file:///{p}\",\"name\":\"n\"},{"
		  "\"uriTemplate\":\"db://{t}\",\"name\":\"n\"}]"),
		R("\"resourceTemplates\":[{\"uriTemplate\":\"db://{t}\",\"name\":\"n\"}]"), 1,
		0 },
	{ "a list that another method asked for",
		R("\"prompts\":[" T("p") "],\"tools\":[" T("x") "]"),
		R("\"prompts\":[],\"tools\":[]"), 2, 0 },
	/* who may keep it */
	{ "a page for everybody is for the caller",
		R("\"cacheScope\":\"public\",\"ttlMs\":9,\"tools\":[" T("x") "," T("a") "]"),
		R("\"cacheScope\":\"private\",\"ttlMs\":9,\"tools\":[" T("a") "]"), 1, 0 },
	{ "also where nothing is hidden",
		R("\"tools\":[" T("a") "],\"cacheScope\" : \"public\""),
		R("\"tools\":[" T("a") "],\"cacheScope\" : \"private\""), 0, 0 },
	{ "or nobody said it", R("\"ttlMs\":9,\"tools\":[" T("x") "]"),
		R("\"cacheScope\":\"private\",\"ttlMs\":9,\"tools\":[]"), 1, 0 },
	{ "or it is no text", R("\"cacheScope\":[1,{\"a\":2}],\"tools\":[]"),
		R("\"cacheScope\":\"private\",\"tools\":[]"), 0, 0 },
	/* what is no list */
	{ "a tool's result",
		R("\"content\":[{\"type\":\"text\",\"text\":\"x\"}],\"isError\":false"), NULL,
		0, 0 },
	{ "a list in a result's value", R("\"structuredContent\":{\"tools\":[" T("x") "]}"),
		NULL, 0, 0 },
	{ "an error",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"error\":{\"code\":-1,\"tools\":[" T("x") "]}}",
		NULL, 0, 0 },
	{ "a notification",
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}", NULL,
		0, 0 },
	{ "a result that is no object",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":[" T("x") "]}", NULL, 0, 0 },
	/* what must not go on */
	{ "a list that is none", R("\"tools\":{\"x\":" T("x") "}"), NULL, 0, ERR_SYNTAX },
	{ "a second list", R("\"tools\":[],\"tools\":[" T("x") "]"), NULL, 0, ERR_DUPLICATE },
	{ "a second result", "{\"result\":{},\"result\":{\"tools\":[" T("x") "]}}", NULL, 0,
		ERR_DUPLICATE },
	{ "a second name", R("\"tools\":[{\"name\":\"a\",\"name\":\"x\"}]"), NULL, 0,
		ERR_DUPLICATE },
	{ "an array of messages", "[" R("\"tools\":[" T("x") "]") "]", NULL, 0, ERR_SYNTAX },
	{ "cut", "{\"result\":{\"tools\":[" T("a"), NULL, 0, ERR_TRUNCATED },
	{ "more after it", R("\"tools\":[]") "{}", NULL, 0, ERR_SYNTAX },
	{ "nothing", "", NULL, 0, ERR_TRUNCATED },
};

struct fix {
	struct policy_fix x;
	struct answer_request asked;
	struct tool_filter f;
};

static void
begin(struct fix *t, const char *rules)
{
	char text[4096];

	snprintf(text, sizeof(text), "%s%s", POLICY_HEAD, rules);
	const struct policy *p = fix_must_load(&t->x, text);
	struct policy_facts f = { .route = p->routes, .whole = true };
	assert_int_equal(policy_answer_request(p, &f, &t->x.a, &t->asked), 0);
	t->f = (struct tool_filter){
		.judge = tool_list_new(p, &t->asked, &t->x.a),
		.server = SPAN_LIT("mine"),
	};
	assert_non_null(t->f.judge);
}

static void
lists(void **state)
{
	struct fix t;

	(void)state;
	begin(&t, RULES);
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct row *row = &rows[i];
		struct span in = span_str(row->in);
		struct tool_cuts cuts;
		struct buf out;
		int err = tool_filter_list(&t.f, in, &t.x.a, &cuts);
		if (err != row->err)
			fail_msg("%s: %s", row->name, err_str(err));
		if (err)
			continue;
		buf_init(&out, 0);
		assert_int_equal(splice_apply(in, cuts.v, cuts.n, &out), 0);
		const char *want = row->want ? row->want : row->in;
		if (!span_is(buf_view(&out), want) || cuts.hidden != row->hidden)
			fail_msg("%s: %zu hidden, %.*s", row->name, cuts.hidden,
				SPAN_ARG(buf_view(&out)));
		buf_free(&out);
	}
	fix_done(&t.x);
}

static void
of_another_server_all_is_hidden(void **state)
{
	struct fix t;
	struct tool_cuts cuts;
	struct span in = SPAN_LIT(R("\"tools\":[" T("a") "," T("b") "]"));

	(void)state;
	begin(&t, RULES);
	t.f.server = SPAN_LIT("other");
	assert_int_equal(tool_filter_list(&t.f, in, &t.x.a, &cuts), 0);
	assert_int_equal(cuts.hidden, 2);
	assert_int_equal(cuts.shown, 0);
	fix_done(&t.x);
}

/* Cut anywhere it is an error, or it says the same as whole. */
static void
a_page_that_ends_early_never_passes(void **state)
{
	static const char page[] =
		R("\"cacheScope\":\"public\",\"tools\":[" T("a") "," T("x") "]");
	struct fix t;
	struct tool_cuts cuts;

	(void)state;
	begin(&t, RULES);
	for (size_t n = 0; n + 1 < sizeof(page); n++)
		assert_true(tool_filter_list(&t.f, span_of(page, n), &t.x.a, &cuts) < 0);
	fix_done(&t.x);
}

static enum tool_state
state_of(void *arg, struct span name, struct span entry)
{
	assert_true(entry.p[0] == '{' && entry.p[entry.n - 1] == '}');
	++*(size_t *)arg;
	return span_is(name, "b") ? TOOL_CHANGED : TOOL_APPROVED;
}

static void
what_changed_is_not_shown(void **state)
{
	struct fix t;
	struct tool_cuts cuts;
	struct span in = SPAN_LIT(R("\"tools\":[" T("a") "," T("b") "]"));
	size_t asked = 0;

	(void)state;
	begin(&t, RULES);
	t.f.state = state_of;
	t.f.arg = &asked;
	assert_int_equal(tool_filter_list(&t.f, in, &t.x.a, &cuts), 0);
	assert_int_equal(asked, 2);
	assert_int_equal(cuts.hidden, 1);
	fix_done(&t.x);
}

static void
out_of_memory_is_an_error(void **state)
{
	struct fix t;
	struct span in = SPAN_LIT(R("\"ttlMs\":1,\"tools\":[" T("\\u0061") "," T("x") "]"));
	bool done = false;

	(void)state;
	begin(&t, RULES);
	for (size_t cap = 16; cap < 1 << 20 && !done; cap += 16) {
		struct tool_cuts cuts;
		struct arena a;
		arena_init(&a, cap, false);
		int err = tool_filter_list(&t.f, in, &a, &cuts);
		assert_true(err == 0 || err == ERR_NOMEM);
		done = err == 0;
		if (done)
			assert_int_equal(cuts.hidden, 1);
		arena_reset(&a);
	}
	assert_true(done);
	fix_done(&t.x);
}

/* Printed, not judged: the aim is 2 ms. */
static void
a_list_of_500_tools(void **state)
{
	struct fix t;
	struct tool_cuts cuts;
	struct buf page;
	struct timespec from, to;
	enum { TOOLS = 500, TIMES = 20 };

	(void)state;
	begin(&t, RULES);
	buf_init(&page, 0);
	buf_str(&page, "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"tools\":[");
	for (size_t i = 0; i < TOOLS; i++)
		buf_printf(&page,
			"%s{\"name\":\"%s_%zu\",\"description\":\"Does the thing number %zu "
			"with "
			"\\\"care\\\" and says what came of it, in a few "
			"words.\",\"inputSchema\":{"
			"\"type\":\"object\",\"properties\":{\"path\":{\"type\":\"string\","
			"\"description\":\"where\"},\"n\":{\"type\":\"integer\"}},\"required\":"
			"["
			"\"path\"]}}",
			i ? "," : "", i % 10 ? "tool" : "denied", i, i);
	buf_str(&page, "]}}");
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (size_t i = 0; i < TIMES; i++) {
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(tool_filter_list(&t.f, buf_view(&page), &a, &cuts), 0);
		arena_reset(&a);
	}
	clock_gettime(CLOCK_MONOTONIC, &to);
	assert_int_equal(cuts.shown, TOOLS);
	print_message("a list of %d tools, %zu bytes, 7 rules: %.2f ms\n", TOOLS, page.n,
		((double)(to.tv_sec - from.tv_sec) * 1e3 +
			(double)(to.tv_nsec - from.tv_nsec) / 1e6) /
			TIMES);
	buf_free(&page);
	fix_done(&t.x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists),
		cmocka_unit_test(of_another_server_all_is_hidden),
		cmocka_unit_test(a_page_that_ends_early_never_passes),
		cmocka_unit_test(what_changed_is_not_shown),
		cmocka_unit_test(out_of_memory_is_an_error),
		cmocka_unit_test(a_list_of_500_tools),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
