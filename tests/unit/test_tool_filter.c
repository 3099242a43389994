/* Lists without the entries that their reader may not use: removed entries, bytes that stay
 * unchanged, and lists that must not be forwarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <time.h>

#include "base/codec/json.h"
#include "base/err.h"
#include "policy/rule.h"
#include "policy/verdict/tool_filter.h"
#include "support/policy_fix.h"

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
	const char *name, *in, *want; /* NULL: unchanged */
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
	{ "what has several spellings",
		R("\"resources\":[" U("DB://b") "," U("db://a/../b") "," U(" db://b") "," U(
			"db://b") "],\"resourceTemplates\":[{\"uriTemplate\":\"DB://{t}\"}]"),
		R("\"resources\":[" U("db://b") "],\"resourceTemplates\":[]"), 4, 0 },
	{ "a list that another method asked for",
		R("\"prompts\":[" T("p") "],\"tools\":[" T("x") "]"),
		R("\"prompts\":[],\"tools\":[]"), 2, 0 },
	/* cache scope of the result */
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
	/* results that are not lists */
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
	/* must not be forwarded */
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
check(const struct row *row,
	int (*filter)(const struct tool_filter *f, struct span in, struct arena *a,
		struct tool_cuts *out),
	struct fix *t)
{
	const char *want = row->want ? row->want : row->in;
	struct span in = span_str(row->in);
	struct tool_cuts cuts;
	struct buf out;
	int err = filter(&t->f, in, &t->x.a, &cuts);

	if (err != row->err)
		fail_msg("%s: %s", row->name, err_str(err));
	if (err)
		return;
	buf_init(&out, 0);
	assert_int_equal(splice_apply(in, cuts.v, cuts.n, &out), 0);
	if (!span_is(buf_view(&out), want) || cuts.hidden != row->hidden)
		fail_msg("%s: %zu hidden, %.*s", row->name, cuts.hidden,
			SPAN_ARG(buf_view(&out)));
	buf_free(&out);
}

static void
hidden_tools_are_removed_from_lists(void **state)
{
	struct fix t;

	(void)state;
	begin(&t, RULES);
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(&rows[i], tool_filter_list, &t);
	fix_done(&t.x);
}

/* ---- tools that a chat request offers ---- */

#define OFFERED                                                                                \
	"rules:\n"                                                                             \
	"  - {name: by-args, phase: tool, when: 'tool.arguments.x == 1', deny: {hide: "        \
	"true}}\n"                                                                             \
	"  - {name: no-x, phase: tool, when: 'tool.name in [\"x\", \"y\"]', deny: {hide: "     \
	"true}}\n"                                                                             \
	"  - {name: searches, phase: tool, when: 'tool.name.startsWith(\"web_search\") || "    \
	"tool.name == \"googleSearch\"', deny: {hide: true}}\n"                                \
	"  - {name: denied, phase: tool, when: 'tool.name == \"denied\"', deny: true}\n"       \
	"  - {name: foreign, phase: tool, when: 'tool.server == \"foreign\"', deny: {hide: "   \
	"true}}\n"
#define F(name) "{\"type\":\"function\",\"function\":{\"name\":\"" name "\",\"parameters\":{}}}"
#define N(name) "{\"type\":\"function\",\"name\":\"" name "\"}"
#define B(name) "{\"toolSpec\":{\"name\":\"" name "\",\"inputSchema\":{\"json\":{}}}}"
#define M	"\"model\":\"m\""

static const struct row offered[] = {
	{ "OpenAI chat", "{" M ",\"tools\":[" F("x") "," F("a") "]}",
		"{" M ",\"tools\":[" F("a") "]}", 1, 0 },
	{ "what is only denied is offered", "{\"tools\":[" F("denied") "]}", NULL, 0, 0 },
	{ "a choice of what is gone goes",
		"{\"tool_choice\":{\"type\":\"function\",\"function\":{\"name\":\"x\"}}," M
		",\"tools\":[" F("a") "," F("x") "]}",
		"{" M ",\"tools\":[" F("a") "]}", 1, 0 },
	{ "a choice of what stays does not",
		"{\"tools\":[" F("a") "," F("x") "],\"tool_choice\":\"required\"}",
		"{\"tools\":[" F("a") "],\"tool_choice\":\"required\"}", 1, 0 },
	{ "of none left nothing is said",
		"{" M ",\"tools\":[" F("x") "," F("y") "],\"tool_choice\":\"auto\","
						       "\"parallel_tool_calls\":false,\"n\":1}",
		"{" M ",\"n\":1}", 2, 0 },
	{ "also where it is all there is", "{\"tools\":[" F("x") "]}", "{}", 1, 0 },
	{ "functions of old",
		"{\"functions\":[{\"name\":\"x\"},{\"name\":\"a\"}],"
		"\"function_call\":{\"name\":\"x\"}}",
		"{\"functions\":[{\"name\":\"a\"}]}", 1, 0 },
	{ "a custom tool", "{\"tools\":[{\"type\":\"custom\",\"custom\":{\"name\":\"x\"}}]}",
		"{}", 1, 0 },
	{ "names in a schema are no names of it",
		"{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"a\","
		"\"parameters\":{\"name\":\"x\",\"function\":{\"name\":\"x\"}}}}]}",
		NULL, 0, 0 },
	{ "a tool of two names is what either of them is",
		"{\"tools\":[{\"function\":{\"name\":\"x\"},\"name\":\"a\"},{\"name\":\"x\","
		"\"function\":{\"name\":\"a\"}},{\"name\":\"x\",\"server_label\":\"ours\"}]}",
		"{}", 3, 0 },
	{ "Responses", "{\"tools\":[" N("x") "," N("a") "],\"input\":\"x\"}",
		"{\"tools\":[" N("a") "],\"input\":\"x\"}", 1, 0 },
	{ "what the provider runs, by its type",
		"{\"tools\":[{\"type\":\"web_search_preview\"}," N("a") "]}",
		"{\"tools\":[" N("a") "]}", 1, 0 },
	{ "a hosted MCP server, by its label",
		"{\"tools\":[{\"type\":\"mcp\",\"server_label\":\"foreign\",\"server_url\":"
		"\"https://x\"},{\"type\":\"mcp\",\"server_label\":\"ours\"}]}",
		"{\"tools\":[{\"type\":\"mcp\",\"server_label\":\"ours\"}]}", 1, 0 },
	{ "Anthropic",
		"{\"tools\":[{\"name\":\"x\",\"input_schema\":{}},{\"name\":\"a\"},{"
		"\"type\":\"web_search_20250305\",\"name\":\"web_search\"}],\"tool_choice\":{"
		"\"type\":\"tool\",\"name\":\"x\"}}",
		"{\"tools\":[{\"name\":\"a\"}]}", 2, 0 },
	{ "Anthropic's servers",
		"{\"mcp_servers\":[{\"type\":\"url\",\"name\":\"foreign\"}],\"tools\":[{"
		"\"type\":\"mcp_toolset\",\"mcp_server_name\":\"foreign\"}]," M "}",
		"{" M "}", 1, 0 },
	{ "Gemini's functions",
		"{\"tools\":[{\"functionDeclarations\":[{\"name\":\"x\"},{\"name\":\"a\","
		"\"parameters\":{}}]}],\"toolConfig\":{\"functionCallingConfig\":{\"mode\":"
		"\"ANY\",\"allowedFunctionNames\":[\"x\",\"a\"]},\"retrievalConfig\":{}}}",
		"{\"tools\":[{\"functionDeclarations\":[{\"name\":\"a\",\"parameters\":{}}]}],"
		"\"toolConfig\":{\"functionCallingConfig\":{\"mode\":"
		"\"ANY\",\"allowedFunctionNames\":[\"a\"]},\"retrievalConfig\":{}}}",
		1, 0 },
	{ "and none of those that may be called is left",
		"{\"tools\":[{\"functionDeclarations\":[{\"name\":\"x\"},{\"name\":\"a\"}]}],"
		"\"toolConfig\":{\"functionCallingConfig\":{\"mode\":\"ANY\","
		"\"allowedFunctionNames\":[\"x\"]},\"retrievalConfig\":{}}}",
		"{\"tools\":[{\"functionDeclarations\":[{\"name\":\"a\"}]}],"
		"\"toolConfig\":{\"retrievalConfig\":{}}}",
		1, 0 },
	{ "a choice among several loses what is gone",
		"{\"tools\":[" N("x") "," N("a") "],\"tool_choice\":{\"type\":\"allowed_tools\","
		"\"mode\":\"required\",\"tools\":[" N("x") "," N("a") "]}}",
		"{\"tools\":[" N("a") "],\"tool_choice\":{\"type\":\"allowed_tools\","
		"\"mode\":\"required\",\"tools\":[" N("a") "]}}", 1, 0 },
	{ "and goes with the last",
		"{\"tools\":[" N("x") "," N("a") "],\"tool_choice\":{\"type\":\"allowed_tools\","
		"\"mode\":\"required\",\"tools\":[" N("x") "]}}",
		"{\"tools\":[" N("a") "]}", 1, 0 },
	{ "a namespace without what is gone",
		"{\"tools\":[{\"type\":\"namespace\",\"name\":\"crm\",\"tools\":[" N("x") "," N("a")
		"]},{\"type\":\"namespace\",\"name\":\"all\",\"tools\":[" N("x") "]}]}",
		"{\"tools\":[{\"type\":\"namespace\",\"name\":\"crm\",\"tools\":[" N("a") "]}]}",
		2, 0 },
	{ "marks of a cache are no tools",
		"{\"toolConfig\":{\"tools\":[" B("x") ",{\"cachePoint\":{\"type\":\"default\"}}]}}",
		"{}", 1, 0 },
	{ "further fields of Bedrock",
		"{\"additionalModelRequestFields\":{\"tools\":[{\"name\":\"x\"}],\"k\":1}}",
		"{\"additionalModelRequestFields\":{\"k\":1}}", 1, 0 },
	{ "a choice next to them",
		"{\"tools\":[" F("x") "],\"completion_args\":{\"tool_choice\":\"required\","
		"\"top_p\":1}}",
		"{\"completion_args\":{\"top_p\":1}}", 1, 0 },
	{ "tools that an item of the conversation brings",
		"{\"input\":[\"x\",{\"type\":\"additional_tools\",\"tools\":[" N("x") "," N("a")
		"]},{\"type\":\"message\",\"content\":[{\"tools\":[" N("x") "]}]}]}",
		"{\"input\":[\"x\",{\"type\":\"additional_tools\",\"tools\":[" N("a")
		"]},{\"type\":\"message\",\"content\":[{\"tools\":[" N("x") "]}]}]}", 1, 0 },
	{ "a search that the request switches on",
		"{" M ",\"web_search_options\":{\"search_context_size\":\"low\"}}", "{" M "}", 1, 0 },
	{ "or off", "{" M ",\"enable_search\":false}", NULL, 0, 0 },
	{ "Gemini's own tools",
		"{\"tools\":[{\"googleSearch\":{}},{\"codeExecution\":{},\"googleSearch\":{"
		"\"a\":1}}]}",
		"{\"tools\":[{\"codeExecution\":{}}]}", 2, 0 },
	{ "of one tool of Gemini's all functions, and not the rest",
		"{\"tools\":[{\"function_declarations\":[{\"name\":\"x\"}],\"codeExecution\":{}"
		"}]}",
		"{\"tools\":[{\"codeExecution\":{}}]}", 1, 0 },
	{ "all of Gemini's",
		"{\"contents\":[],\"tools\":[{\"functionDeclarations\":[{\"name\":\"x\"},{"
		"\"name\":\"y\"}],\"googleSearch\":{}}],\"toolConfig\":{"
		"\"functionCallingConfig\":{\"mode\":\"ANY\"}}}",
		"{\"contents\":[]}", 3, 0 },
	{ "Bedrock",
		"{\"toolConfig\":{\"tools\":[" B("x") "," B("a") "],\"toolChoice\":{"
								 "\"tool\":{\"name\":\"x\"}}}}",
		"{\"toolConfig\":{\"tools\":[" B("a") "]}}", 1, 0 },
	{ "all of Bedrock's",
		"{\"messages\":[],\"toolConfig\":{\"toolChoice\":{\"any\":{}},"
		"\"tools\":[" B("x") "," B("y") "]}}",
		"{\"messages\":[]}", 2, 0 },
	{ "what is no tool is the provider's to refuse",
		"{\"tools\":[3,\"x\",[],{},null," F("x") "]}",
		"{\"tools\":[3,\"x\",[],{},null]}", 1, 0 },
	{ "one in the place of a list", "{\"tools\":{\"name\":\"x\"}}", "{}", 1, 0 },
	{ "one declaration in the place of a list",
		"{\"tools\":{\"functionDeclarations\":{\"name\":\"x\"}}}", "{}", 1, 0 },
	{ "and a second configuration does not bring it back",
		"{\"toolConfig\":{\"tools\":" B("x") "},\"tool_config\":{\"tools\":[" B("a") "]}}",
		"{}", 1, 0 },
	{ "in an item it cannot be taken out",
		"{\"input\":[{\"type\":\"additional_tools\",\"tools\":" N("x") "}]}", NULL, 0,
		ERR_SYNTAX },
	{ "items that are kept", "{\"items\":[{\"type\":\"additional_tools\",\"tools\":[" N("x") "]}]}",
		"{\"items\":[{\"type\":\"additional_tools\",\"tools\":[]}]}", 1, 0 },
	{ "in what is put in besides", "{\"extra_body\":{\"tools\":[" F("x") "]}}",
		"{\"extra_body\":{}}", 1, 0 },
	{ "a label that is its name",
		"{\"tools\":[{\"type\":\"function\",\"name\":\"x\",\"server_label\":\"x\"}]}",
		"{}", 1, 0 },
	{ "what is after the request is not read", "{\"tools\":[" F("x") "]}\n{{", "{}\n{{", 1,
		0 },
	{ "a second list", "{\"tools\":[],\"tools\":[" F("x") "]}", NULL, 0, ERR_DUPLICATE },
	{ "a second name", "{\"tools\":[{\"name\":\"a\",\"name\":\"x\"}]}", NULL, 0,
		ERR_DUPLICATE },
	{ "a second label",
		"{\"tools\":[{\"type\":\"mcp\",\"server_label\":\"x\",\"mcp_server_name\":\"y\"}]}",
		NULL, 0, ERR_SYNTAX },
	{ "no request", "[]", NULL, 0, ERR_SYNTAX },
};

static void
denied_tools_are_removed_from_a_chat(void **state)
{
	struct fix t;

	(void)state;
	begin(&t, OFFERED);
	for (size_t i = 0; i < COUNT_OF(offered); i++)
		check(&offered[i], tool_filter_offered, &t);
	fix_done(&t.x);
}

/* ---- tools that the provider runs ---- */

static void
many_tiny_tools_take_little_memory(void **state)
{
	enum { TOOLS = 100000 };
	struct tool_cuts cuts;
	struct fix t;
	struct arena a;
	struct buf in;

	(void)state;
	begin(&t, RULES);
	arena_init(&a, 8 << 20, true);
	buf_init(&in, 0);
	buf_str(&in, "{\"tools\":[{}");
	for (int i = 1; i < TOOLS; i++)
		buf_str(&in, ",{}");
	buf_str(&in, "]}");
	assert_int_equal(tool_filter_offered(&t.f, buf_view(&in), &a, &cuts), 0);
	assert_int_equal(cuts.n, 0);
	arena_reset(&a);
	buf_free(&in);
	fix_done(&t.x);
}

#define HOSTED                                                                                 \
	"rules:\n"                                                                             \
	"  - {name: by-args, phase: tool, when: 'tool.arguments.x == 1', deny: true}\n"        \
	"  - {name: may, phase: tool, when: 'tool.name == \"web_fetch\" && "                    \
	"tool.arguments.u == 1', permit: true}\n"                                              \
	"  - {name: code, phase: tool, when: 'tool.name in [\"code_interpreter\", "             \
	"\"codeExecution\", \"nova_code\", \"web_fetch\"]', deny: {reason: no code}}\n"         \
	"  - {name: search, phase: tool, when: 'tool.name == \"web_search\" || tool.name == "  \
	"\"googleSearch\" || tool.name == \"web-search\"', deny: {hide: true}}\n"              \
	"  - {name: evil, phase: tool, when: 'tool.server == \"evil\"', deny: true}\n"         \
	"  - {name: elsewhere, phase: tool, when: 'resource.uri.startsWith(\"http:\")', "      \
	"deny: true}\n"                                                                        \
	"  - {name: no-delete, phase: tool, when: 'tool.server == \"crm\" && tool.name == "    \
	"\"delete\"', deny: {hide: true}}\n"                                                   \
	"  - {name: no-pay, phase: tool, when: 'tool.server == \"bank\" && tool.name == "      \
	"\"pay\"', deny: true}\n" \
	"  - {name: fails, phase: tool, when: 'tool.name in [\"shell\", \"ours\"] && "           \
	"int(tool.description) > 3', deny: true}\n"                                              \
	"  - {name: skipped, phase: tool, when: 'tool.name == \"apply_patch\" && "               \
	"int(tool.description) > 3', deny: true, on_error: skip}\n"
#define MCP(label, more)                                                                       \
	"{\"type\":\"mcp\",\"server_label\":\"" label "\",\"server_url\":\"https://h/mcp\"" more "}"
#define NEVER ",\"require_approval\":\"never\""
#define TOOLS(list) "{" M ",\"tools\":[" list "]}"

static const struct hosted_row {
	const char *name, *in, *want; /* NULL: unchanged */
	size_t hidden;
	const char *refused; /* refused by this rule; NULL: not refused */
} hosted[] = {
	{ "taken out", TOOLS("{\"type\":\"web_search\"}," N("a")), TOOLS(N("a")), 1, NULL },
	{ "refused", TOOLS("{\"type\":\"code_interpreter\",\"container\":{}}"), NULL, 0,
		"code" },
	{ "arguments that nobody knows deny nothing", TOOLS("{\"type\":\"file_search\"}"), NULL,
		0, NULL },
	{ "and permit nothing",
		TOOLS("{\"type\":\"web_fetch_20250910\",\"name\":\"web_fetch\"}"), NULL, 0,
		"code" },
	{ "the caller's tool of that name is denied when it is called",
		TOOLS(N("code_interpreter")), NULL, 0, NULL },
	{ "Anthropic's is known by its name, without the date",
		TOOLS("{\"type\":\"web_search_20250305\",\"name\":\"web_search\"}"), "{" M "}",
		1, NULL },
	{ "by another name, too", TOOLS("{\"type\":\"web_search\",\"name\":\"a\"}"), "{" M "}",
		1, NULL },
	{ "a type of later", TOOLS("{\"type\":\"nova_code\"}"), NULL, 0, "code" },
	{ "Gemini's", TOOLS("{\"codeExecution\":{}}"), NULL, 0, "code" },
	{ "Gemini's, in other letters", TOOLS("{\"google_search\":{}}"), "{" M "}", 1, NULL },
	{ "Gemini's, in the place of a list", "{" M ",\"tools\":{\"googleSearch\":{}}}",
		"{" M "}", 1, NULL },
	{ "whatever its member holds", TOOLS("{\"codeExecution\":[]}"), NULL, 0, "code" },
	{ "OpenAI's with a date", TOOLS("{\"type\":\"web_search_2025_08_26\"}"), "{" M "}", 1,
		NULL },
	{ "Anthropic's that is called otherwise",
		TOOLS("{\"type\":\"web_search_20250305\",\"name\":\"a\"}"), "{" M "}", 1,
		NULL },
	{ "a rule that fails denies what nobody asks about later",
		TOOLS("{\"type\":\"shell\"}"), NULL, 0, "fails" },
	{ "and not what is the caller's to call", TOOLS(N("ours")), NULL, 0, NULL },
	{ "nor where it says so", TOOLS("{\"type\":\"apply_patch\"}"), NULL, 0, NULL },
	{ "an id is no type",
		TOOLS("{\"type\":\"code_interpreter\",\"id\":\"function\",\"name\":\"a\"}"),
		NULL, 0, "code" },
	{ "Gemini's, one of them", TOOLS("{\"urlContext\":{},\"googleSearch\":{}}"),
		TOOLS("{\"urlContext\":{}}"), 1, NULL },
	{ "Bedrock's",
		"{\"toolConfig\":{\"tools\":[{\"systemTool\":{\"name\":\"nova_code\"}}]}}",
		NULL, 0, "code" },
	{ "Mistral's", TOOLS("{\"type\":\"code_interpreter\"},{\"type\":\"image_generation\"}"),
		NULL, 0, "code" },
	{ "Mistral's connectors", TOOLS("{\"type\":\"connector\",\"connector_id\":\"evil\"}"),
		NULL, 0, "evil" },
	{ "Cohere's connectors", "{\"connectors\":[{\"id\":\"web-search\"},{\"id\":\"mine\"}]}",
		"{\"connectors\":[{\"id\":\"mine\"}]}", 1, NULL },
	{ "OpenRouter's plugins", "{\"plugins\":[{\"id\":\"web-search\"}]}", "{}", 1, NULL },
	{ "a search without a list", "{" M ",\"search_parameters\":{\"mode\":\"on\"}}",
		"{" M "}", 1, NULL },
	/* MCP servers */
	{ "a server by its label", TOOLS(MCP("evil", "")), NULL, 0, "evil" },
	{ "by its place",
		TOOLS("{\"type\":\"mcp\",\"server_label\":\"good\",\"server_url\":\"http://"
		      "x\"}"),
		NULL, 0, "elsewhere" },
	{ "another one", TOOLS(MCP("good", NEVER)), NULL, 0, NULL },
	{ "a name that it allows", TOOLS(MCP("bank", ",\"allowed_tools\":[\"see\",\"pay\"]")),
		NULL, 0, "no-pay" },
	{ "none that is denied", TOOLS(MCP("bank", ",\"allowed_tools\":[\"see\"]" NEVER)), NULL,
		0, NULL },
	{ "a name that is hidden goes",
		TOOLS(MCP("crm", ",\"allowed_tools\":[\"delete\",\"list\"]" NEVER)),
		TOOLS(MCP("crm", ",\"allowed_tools\":[\"list\"]" NEVER)), 1, NULL },
	{ "in an item of the conversation",
		"{\"input\":[{\"type\":\"additional_tools\",\"tools\":[" MCP("evil", "") "]}]}",
		NULL, 0, "evil" },
	{ "in its other form",
		TOOLS(MCP("crm", ",\"allowed_tools\":{\"tool_names\":[\"list\",\"delete\"]}")),
		TOOLS(MCP("crm", ",\"allowed_tools\":{\"tool_names\":[\"list\"]}")), 1, NULL },
	{ "the last one takes the server along",
		TOOLS(MCP("crm", ",\"allowed_tools\":[\"delete\"]") "," N("a")), TOOLS(N("a")),
		1, NULL },
	{ "a rule for tools of any server is for those that are named",
		TOOLS(MCP("good", ",\"allowed_tools\":[\"code_interpreter\"]")), NULL, 0,
		"code" },
	{ "all that there are, never asked", TOOLS(MCP("bank", NEVER)), NULL, 0, "no-pay" },
	{ "an empty list is all that there are",
		TOOLS(MCP("bank", ",\"allowed_tools\":[]" NEVER)), NULL, 0, "no-pay" },
	{ "nor if they are asked about: no answer says the server", TOOLS(MCP("bank", "")),
		NULL, 0, "no-pay" },
	{ "those never asked, by name",
		TOOLS(MCP("crm",
			",\"allowed_tools\":[\"list\"],\"require_approval\":{\"never\":{"
			"\"tool_names\":[\"delete\"]}}")),
		TOOLS(MCP("crm",
			",\"allowed_tools\":[\"list\"],\"require_approval\":{\"never\":{"
			"\"tool_names\":[]}}")),
		1, NULL },
	{ "Anthropic's servers: all that there are",
		"{\"mcp_servers\":[{\"type\":\"url\",\"name\":\"bank\",\"url\":\"https://"
		"b\"}]}",
		NULL, 0, "no-pay" },
	{ "of them what a configuration allows",
		"{\"mcp_servers\":[{\"name\":\"bank\",\"url\":\"https://"
		"b\",\"tool_configuration\":{"
		"\"enabled\":true,\"allowed_tools\":[\"see\"]}}]}",
		NULL, 0, NULL },
	{ "of them what a toolset enables",
		"{\"mcp_servers\":[{\"name\":\"crm\",\"url\":\"https://"
		"b\"}],\"tools\":[{\"type\":"
		"\"mcp_toolset\",\"mcp_server_name\":\"crm\",\"default_config\":{\"enabled\":"
		"false},"
		"\"configs\":{\"delete\":{\"enabled\":true},\"list\":{\"enabled\":true}}}]}",
		"{\"mcp_servers\":[{\"name\":\"crm\",\"url\":\"https://"
		"b\"}],\"tools\":[{\"type\":"
		"\"mcp_toolset\",\"mcp_server_name\":\"crm\",\"default_config\":{\"enabled\":"
		"false},"
		"\"configs\":{\"list\":{\"enabled\":true}}}]}",
		1, NULL },
	{ "a toolset takes its server along",
		"{\"mcp_servers\":[{\"name\":\"crm\",\"url\":\"https://"
		"b\"}],\"k\":1,\"tools\":[{\"type\":"
		"\"mcp_toolset\",\"mcp_server_name\":\"crm\"}]}",
		"{\"k\":1}", 1, NULL },
	{ "a toolset that enables the rest",
		"{\"mcp_servers\":[{\"name\":\"bank\",\"url\":\"https://"
		"b\"}],\"tools\":[{\"type\":"
		"\"mcp_toolset\",\"mcp_server_name\":\"bank\",\"configs\":{\"pay\":{"
		"\"enabled\":false}}"
		"}]}",
		NULL, 0, "no-pay" },
	{ "Gemini's servers",
		TOOLS("{\"mcpServers\":[{\"name\":\"good\",\"streamableHttpTransport\":{"
		      "\"url\":"
		      "\"http://x\"}}]}"),
		NULL, 0, "elsewhere" },
	{ "the server of an interaction",
		TOOLS("{\"type\":\"mcp_server\",\"name\":\"crm\",\"url\":\"https://"
		      "x\",\"allowed_tools\":[{"
		      "\"mode\":\"any\",\"tools\":[\"delete\",\"list\"]}]}"),
		TOOLS("{\"type\":\"mcp_server\",\"name\":\"crm\",\"url\":\"https://"
		      "x\",\"allowed_tools\":[{"
		      "\"mode\":\"any\",\"tools\":[\"list\"]}]}"),
		1, NULL },
};

static void
tools_run_by_the_provider_are_removed_or_refused(void **state)
{
	struct fix t;

	(void)state;
	begin(&t, HOSTED);
	for (size_t i = 0; i < COUNT_OF(hosted); i++) {
		const struct row row = { hosted[i].name, hosted[i].in, hosted[i].want,
			hosted[i].hidden, 0 };
		struct tool_cuts cuts;
		assert_int_equal(
			tool_filter_offered(&t.f, span_str(row.in), &t.x.a, &cuts), 0);
		const char *by = cuts.refuses ? cuts.refused->name : NULL;
		if (!str_same(by, hosted[i].refused))
			fail_msg("%s: refused by %s", row.name, by ? by : "none");
		if (!by)
			check(&row, tool_filter_offered, &t);
	}
	fix_done(&t.x);
}

static void
all_tools_of_a_denied_server_are_hidden(void **state)
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

/* A cut page is an error, or has the same content as the whole one. */
static void
incomplete_page_never_passes(void **state)
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
state_of(void *arg, struct span method, struct span name, struct span entry)
{
	bool self = span_is(method, "initialize");

	assert_true(entry.p[0] == (self ? '"' : '{'));
	assert_true(entry.p[entry.n - 1] == (self ? '"' : '}'));
	++*(size_t *)arg;
	return span_is(name, "b") || span_is(entry, "\"be bad\"") ? TOOL_CHANGED
								 : TOOL_APPROVED;
}

static void
changed_tools_are_hidden(void **state)
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
changed_instructions_are_removed(void **state)
{
	static const struct {
		const char *in, *want;
	} two[] = {
		{ R("\"instructions\":\"be bad\",\"x\":1"),
			R("\"instructions\":\"\",\"x\":1") },
		{ R("\"Instructions\":\"be bad\""), R("\"Instructions\":\"\"") },
		{ R("\"instructions\":\"be good\""), R("\"instructions\":\"be good\"") },
		{ R("\"instructions\":{\"a\":1}"), R("\"instructions\":{\"a\":1}") },
	};
	struct fix t;
	size_t asked = 0;

	(void)state;
	begin(&t, RULES);
	t.f.state = state_of;
	t.f.arg = &asked;
	for (size_t i = 0; i < COUNT_OF(two); i++) {
		struct tool_cuts cuts;
		struct buf out;
		buf_init(&out, 0);
		assert_int_equal(
			tool_filter_list(&t.f, span_str(two[i].in), &t.x.a, &cuts), 0);
		assert_int_equal(
			splice_apply(span_str(two[i].in), cuts.v, cuts.n, &out), 0);
		assert_true(span_is(buf_view(&out), two[i].want));
		buf_free(&out);
	}
	assert_int_equal(asked, 3);
	fix_done(&t.x);
}

static void
lack_of_memory_is_an_error_of_the_filter(void **state)
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

static double
ms_since(const struct timespec *from)
{
	struct timespec to;

	clock_gettime(CLOCK_MONOTONIC, &to);
	return (double)(to.tv_sec - from->tv_sec) * 1e3 +
	       (double)(to.tv_nsec - from->tv_nsec) / 1e6;
}

/* The time is printed, not checked. The aim is 2 ms more than parsing the bytes. */
static void
list_of_500_tools_is_filtered(void **state)
{
	struct fix t;
	struct tool_cuts cuts;
	struct buf page;
	struct timespec from;
	double scanned, filtered;
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
		struct json_event ev;
		struct arena a;
		arena_init(&a, 0, false);
		struct json *j = json_open(&a, buf_view(&page));
		while (json_next(j, &ev) > JSON_ERROR)
			;
		arena_reset(&a);
	}
	scanned = ms_since(&from) / TIMES;
	clock_gettime(CLOCK_MONOTONIC, &from);
	for (size_t i = 0; i < TIMES; i++) {
		struct arena a;
		arena_init(&a, 0, false);
		assert_int_equal(tool_filter_list(&t.f, buf_view(&page), &a, &cuts), 0);
		arena_reset(&a);
	}
	filtered = ms_since(&from) / TIMES;
	assert_int_equal(cuts.shown, TOOLS);
	print_message("a list of %d tools, %zu bytes, 7 rules: %.2f ms, of which reading it "
		      "%.2f ms\n",
		TOOLS, page.n, filtered, scanned);
	buf_free(&page);
	fix_done(&t.x);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_tools_are_removed_from_lists),
		cmocka_unit_test(denied_tools_are_removed_from_a_chat),
		cmocka_unit_test(many_tiny_tools_take_little_memory),
		cmocka_unit_test(tools_run_by_the_provider_are_removed_or_refused),
		cmocka_unit_test(all_tools_of_a_denied_server_are_hidden),
		cmocka_unit_test(incomplete_page_never_passes),
		cmocka_unit_test(changed_tools_are_hidden),
		cmocka_unit_test(changed_instructions_are_removed),
		cmocka_unit_test(lack_of_memory_is_an_error_of_the_filter),
		cmocka_unit_test(list_of_500_tools_is_filtered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
