/* Names in responses: the alias of a route in place of a provider's model, lists of models, and
 * lists of an MCP server. Entries that the caller may not use are removed from lists. A
 * response that might contain a list in an unknown form is not forwarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "answer/guard/guard.h"
#include "policy/route.h"
#include "support/answer_fix.h"

/* ---- the alias of a model ---- */

#define SSE  "text/event-stream"
#define JSON "application/json"
#define CHAT "openai", "/v1/chat/completions"
#define NAMED(model, text)                                                                     \
	"data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"" model          \
	"\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"" text                          \
	"\"},\"finish_reason\":null}]}\n\n"
#define FINISH(model)                                                                          \
	"data: {\"id\":\"1\",\"object\":\"chat.completion.chunk\",\"model\":\"" model          \
	"\",\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\ndata: "    \
	"[DONE]\n\n"
#define WHOLE(model)                                                                           \
	"{\"id\": \"1\", \"object\":\"chat.completion\",\"model\" : \"" model "\","            \
	"\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"the "     \
	"model m-1 says model\"},\"finish_reason\":\"stop\"}],\"usage\":{\"prompt_tokens\":3," \
	"\"completion_tokens\":4,\"total_tokens\":7}}"
#define CLAUDE(model)                                                                          \
	"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\","   \
	"\"type\":\"message\",\"role\":\"assistant\",\"model\":\"" model                       \
	"\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":3,\"output_"       \
	"tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_"        \
	"start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"         \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,"     \
	"\"delta\":{\"type\":\"text_delta\",\"text\":\"m-1\"}}\n\n"                            \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\n"   \
	"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"  \
	"\"end_turn\"},\"usage\":{\"output_tokens\":4}}\n\n"                                   \
	"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"

/* clang-format off */
static const struct {
	const char *name, *dialect, *path, *type, *in, *want;
	long input; /* tokens that are known for it; -1: none */
} aliased[] = {
	{ "a whole answer", CHAT, JSON, WHOLE("m-1-2026"), WHOLE("fast"), 3 },
	{ "a name that is longer", CHAT, JSON, WHOLE("m"), WHOLE("fast"), 3 },
	{ "a name that is empty", CHAT, JSON, WHOLE(""), WHOLE("fast"), 3 },
	{ "each event of a stream", CHAT, SSE, NAMED("m-1", "a") NAMED("m-1", "bc") NAMED("m-1-b", "\\n") FINISH("m"),
		NAMED("fast", "a") NAMED("fast", "bc") NAMED("fast", "\\n") FINISH("fast"), -1 },
	{ "Anthropic's", "anthropic", "/v1/messages", SSE, CLAUDE("claude-1"), CLAUDE("fast"), 3 },
	{ "Gemini's", "gemini", "/v1beta/models/m:generateContent", JSON,
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],"
		"\"modelVersion\":\"m-001\"}",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}],\"role\":\"model\"},\"finishReason\":\"STOP\"}],"
		"\"modelVersion\":\"fast\"}", -1 },
	{ "a response, and its object in an event", "openai", "/v1/responses", SSE,
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"m-1\"}}\n\n"
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"m-1\"}}\n\n",
		"event: response.created\ndata: {\"type\":\"response.created\",\"response\":{\"id\":\"r\",\"model\":\"fast\"}}\n\n"
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"id\":\"r\",\"model\":\"fast\"}}\n\n", -1 },
	{ "embeddings", "openai", "/v1/embeddings", JSON,
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.25,-1]}],\"model\":\"m\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}",
		"{\"object\":\"list\",\"data\":[{\"index\":0,\"embedding\":[0.25,-1]}],\"model\":\"fast\",\"usage\":{\"prompt_tokens\":3,\"total_tokens\":3}}", 3 },
	{ "no model is added", CHAT, JSON, "{\"choices\":[]}", "{\"choices\":[]}", -1 },
	{ "a model that is no text stays", CHAT, JSON, "{\"model\":null,\"choices\":[]}", "{\"model\":null,\"choices\":[]}", -1 },
	{ "sound passes", "openai", "/v1/audio/speech", "audio/mpeg", "\xff\xfb\"model\":\"m\"", "\xff\xfb\"model\":\"m\"", -1 },
};
/* Invalid JSON passes as long as no rule reads it. */
static const struct {
	const char *name, *type, *in;
} unread[] = {
	{ "a JSON type without JSON", JSON, "{\"model\":\"m\",}" },
	{ "a text", "text/plain", "\"model\":\"m\"" },
	{ "an event that is none", SSE, "data: {\"model\":\n\ndata: [DONE]\n\n" },
};
/* clang-format on */

static void
answered(const char *name, struct guard_plan plan, const char *type, int status, struct span in,
	size_t step, const char *want, long input)
{
	const struct guard_head head = { .status = status, .content_type = span_str(type) };
	struct guard *g = guard_new(&plan, &head);
	enum guard_result r = GUARD_PASS;
	struct buf out;

	assert_non_null(g);
	buf_init(&out, 0);
	for (; in.n && !r; in = span_cut(in, step, in.n))
		r = guard_feed(g, span_cut(in, 0, step), &out);
	r = r ? r : guard_end(g, &out);
	if (r || !span_is(buf_view(&out), want))
		fail_msg("%s, %zu bytes each: %d\n%.*s\n%s", name, step, (int)r,
			SPAN_ARG(buf_view(&out)), want);
	struct usage u = guard_usage(g);
	if (input >= 0 && (!u.known || u.input_tokens != input))
		fail_msg("%s: usage %ld", name, (long)u.input_tokens);
	buf_free(&out);
	guard_drop(&g);
}

static struct guard_plan
alias_plan(const char *dialect, const char *path)
{
	return (struct guard_plan){
		.format = answer_format_find(span_str(dialect), span_str(path)),
		.dialect = dialect_find(span_str(dialect)),
		.path = span_str(path),
		.alias = "fast",
	};
}

static void
responses_have_the_requested_name(void **state)
{
	static const size_t steps[] = { 1, 7, 1 << 20 };

	(void)state;
	for (size_t i = 0; i < COUNT_OF(aliased) * COUNT_OF(steps); i++) {
		size_t at = i / COUNT_OF(steps), step = steps[i % COUNT_OF(steps)];
		struct guard_plan plan = alias_plan(aliased[at].dialect, aliased[at].path);
		struct span in = span_str(aliased[at].in);
		answered(aliased[at].name, plan, aliased[at].type, 200, in, step,
			aliased[at].want, aliased[at].input);
		plan.hide_usage = true;
		answered(aliased[at].name, plan, aliased[at].type, 200, in, step,
			aliased[at].want, aliased[at].input);
		plan.alias = NULL; /* without an alias the name is unchanged */
		plan.hide_usage = false;
		answered(aliased[at].name, plan, aliased[at].type, 200, in, step,
			aliased[at].in, aliased[at].input);
	}
	for (size_t i = 0; i < COUNT_OF(unread); i++)
		answered(unread[i].name, alias_plan(CHAT), unread[i].type, 200,
			span_str(unread[i].in), 3, unread[i].in, -1);
	answered("an error", alias_plan(CHAT), JSON, 404, SPAN_LIT("{\"model\":\"m\"}"), 5,
		"{\"model\":\"m\"}", -1);
}

/* Also if texts are restored: the gateway's own events have the name too. */
static void
edited_responses_have_the_requested_name(void **state)
{
	struct guard_plan plan = alias_plan(CHAT);
	struct vault *v = vault_new();

	(void)state;
	assert_int_equal(vault_add(v, SPAN_LIT("<PERSON_1>"), SPAN_LIT("Ada")), 0);
	plan.vault = v;
	answered("put back", plan, SSE, 200,
		span_str(NAMED("m-1", "a <PER") NAMED("m-1", "SON_1> b") FINISH("m-1")), 11,
		NAMED("fast", "a ") NAMED("fast", "Ada b") FINISH("fast"), -1);
	answered("held to the end", plan, SSE, 200,
		span_str(NAMED("m-1", "a <PER") FINISH("m-1")), 11,
		NAMED("fast", "a ") NAMED("fast", "<PER") FINISH("fast"), -1);
	answered("whole", plan, JSON, 200, SPAN_LIT(WHOLE("m-1")), 11, WHOLE("fast"), 3);
	vault_free(&v);
}

/* ---- lists ---- */

static bool
may_use(void *arg, struct span model, struct arena *a)
{
	(void)arg;
	(void)a;
	return !span_starts(model, SPAN_LIT("no"));
}

#define LIST(list) "{\"object\":\"list\",\"data\":[" list "],\"last_id\":\"no\"}"
#define M(name)	   "{\"id\":\"" name "\"}"
#define ALIAS(name)                                                                            \
	"{\"id\":\"" name "\",\"object\":\"model\",\"created\":0,\"owned_by\":\"tollgate\"}"
#define ADDED(list, id) "{\"object\":\"list\",\"data\":[" list "],\"last_id\":" id "}"

static void
lists_of_models_have_the_permitted_names(void **state)
{
	static const struct route aliases[] = { { .alias = "fast" }, { .alias = "no-fast" },
		{ .alias = "x/y" } };
	/* clang-format off */
	static const struct {
		const char *name, *dialect, *in, *want;
	} alias_lists[] = {
		{ "at its end", "openai", LIST(M("a") "," M("no")), ADDED(M("a") "," ALIAS("fast") "," ALIAS("x/y"), "\"a\"") },
		{ "of a list of nothing", "openai", LIST(""), ADDED(ALIAS("fast") "," ALIAS("x/y"), "null") },
		{ "of one of which nothing stays", "openai", LIST(M("no1") " , " M("no2")), ADDED(ALIAS("fast") "," ALIAS("x/y"), "null") },
		{ "once", "openai", "{\"data\":[" M("a") "],\"models\":[" M("a") "]}", "{\"data\":[" M("a") "," ALIAS("fast") "," ALIAS("x/y") "],\"models\":[" M("a") "]}" },
		{ "of texts", "openai", "{\"data\":[\"a\"]}", "{\"data\":[\"a\",\"fast\",\"x/y\"]}" },
		{ "without a name", "openai", "[" M("a") "]", "[" M("a") "," ALIAS("fast") "," ALIAS("x/y") "]" },
		{ "not in an element", "openai", "{\"data\":[{\"id\":\"a\",\"aliases\":[\"b\"]}]}",
			"{\"data\":[{\"id\":\"a\",\"aliases\":[\"b\"]}," ALIAS("fast") "," ALIAS("x/y") "]}" },
		{ "not in other lists", "openai", "{\"x\":[1]}", "{\"x\":[1]}" },
		{ "Anthropic's", "anthropic", "{\"data\":[]}",
			"{\"data\":[{\"type\":\"model\",\"id\":\"fast\",\"display_name\":\"fast\",\"created_at\":\"1970-01-01T00:00:00Z\"},"
			"{\"type\":\"model\",\"id\":\"x/y\",\"display_name\":\"x/y\",\"created_at\":\"1970-01-01T00:00:00Z\"}]}" },
		{ "Gemini's", "gemini", "{\"models\":[{\"name\":\"models/no\"}]}",
			"{\"models\":[{\"name\":\"models/fast\",\"displayName\":\"fast\",\"supportedGenerationMethods\":[\"generateContent\"]},"
			"{\"name\":\"models/x/y\",\"displayName\":\"x/y\",\"supportedGenerationMethods\":[\"generateContent\"]}]}" },
		{ "Ollama's", "ollama", "{\"models\":[]}", "{\"models\":[{\"name\":\"fast\",\"model\":\"fast\"},{\"name\":\"x/y\",\"model\":\"x/y\"}]}" },
	};
	/* clang-format on */

	(void)state;
	for (size_t i = 0; i < COUNT_OF(alias_lists); i++) {
		struct guard_plan plan = alias_plan(alias_lists[i].dialect, "/v1/models");
		plan.alias = NULL;
		plan.may_use = may_use;
		plan.aliases = aliases;
		plan.naliases = COUNT_OF(aliases);
		answered(alias_lists[i].name, plan, JSON, 200, span_str(alias_lists[i].in), 5,
			alias_lists[i].want, -1);
	}
}

/* ---- lists of models ---- */

#define DATA(read_list) "{\"object\":\"list\",\"data\":[" read_list "],\"has_more\":false}"

/* clang-format off */
static const struct {
	const char *name, *in, *want; /* NULL: the response is broken */
} model_lists[] = {
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
read_list(const char *in, const char *type, int status, struct buf *out)
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

	for (size_t i = 0; i < 4 * COUNT_OF(model_lists); i++) {
		const size_t at = i / 4;
		if (i % 4 == 0 && !strncmp(model_lists[at].name, "lines of", 8))
			continue; /* these do not match their type */
		struct buf out;
		buf_init(&out, 0);
		enum guard_result r = read_list(model_lists[at].in, types[i % 4], 200, &out);
		if ((r == GUARD_PASS) != (model_lists[at].want != NULL) ||
			(model_lists[at].want &&
				!span_is(buf_view(&out), model_lists[at].want)))
			fail_msg("%s, %s: %d %.*s", model_lists[at].name, types[i % 4], (int)r,
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
	assert_int_equal(read_list(DATA(M("no")), "application/json", 404, &out), GUARD_PASS);
	assert_true(span_is(buf_view(&out), DATA(M("no"))));
	buf_free(&out);
}

/* ---- lists of an MCP server ---- */

#define HIDES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-x, phase: tool, when: 'tool.name.startsWith(\"x\")', deny: {hide: "     \
	"true}}\n"                                                                             \
	"  - {name: files, phase: tool, when: 'resource.uri.startsWith(\"file:\")', deny: "    \
	"{hide: true}}\n"                                                                      \
	"  - {name: out, phase: response, when: '\"US_SSN\" in response.entities', deny: "     \
	"{reason: no numbers}}\n"                                                              \
	"  - {name: mail, phase: response, redact: {entities: [EMAIL_ADDRESS]}}\n"
#define R(id, result) "{\"jsonrpc\":\"2.0\",\"id\":" id ",\"result\":{" result "}}"
#define T(name)	      "{\"name\":\"" name "\",\"description\":\"d\"}"
#define U(uri)	      "{\"uri\":\"" uri "\",\"name\":\"n\"}"
#define GZIP	      "gzip"
#define EV(data)      "event: message\ndata: " data "\n\n"

/* clang-format off */
static const struct {
	const char *name, *type, *in, *want; /* NULL: nothing is forwarded, or nothing more than `before` */
	const char *before;
	size_t hidden;
	int status; /* 0: 200 */
} server_lists[] = {
	{ "a whole list", JSON, R("1", "\"tools\":[" T("x") "," T("a") "],\"nextCursor\":\"c\\u0031\""),
		R("1", "\"tools\":[" T("a") "],\"nextCursor\":\"c\\u0031\""), "", 1, 0 },
	{ "sparfenyuk/mcp-proxy#233: a page of which nothing is left", JSON, R("\"q\"", "\"tools\":[" T("x") "],\"nextCursor\":\"2\""),
		R("\"q\"", "\"tools\":[],\"nextCursor\":\"2\""), "", 1, 0 },
	{ "what may be kept is for one", JSON, R("1", "\"tools\":[],\"ttlMs\":5,\"cacheScope\":\"public\""),
		R("1", "\"tools\":[],\"ttlMs\":5,\"cacheScope\":\"private\""), "", 0, 0 },
	{ "a byte order mark", JSON, "\xef\xbb\xbf" R("1", "\"tools\":[" T("x") "]"), R("1", "\"tools\":[]"), "", 1, 0 },
	{ "a type of text", "text/plain", R("1", "\"tools\":[" T("x") "]"), R("1", "\"tools\":[]"), "", 1, 0 },
	{ "no type", "", R("1", "\"tools\":[" T("x") "]"), R("1", "\"tools\":[]"), "", 1, 0 },
	{ "under an error's status", JSON, R("1", "\"tools\":[" T("x") "]"), R("1", "\"tools\":[]"), "", 1, 400 },
	{ "what is left is read as any answer", JSON, R("1", "\"tools\":[" T("x") ",{\"name\":\"a\",\"description\":\"ask " MAIL "\"}]"),
		R("1", "\"tools\":[{\"name\":\"a\",\"description\":\"ask <EMAIL_ADDRESS>\"}]"), "", 1, 0 },
	{ "and what is cut is not", JSON, R("1", "\"tools\":[{\"name\":\"x\",\"description\":\"his ssn is 536-22-1840\"}]"), R("1", "\"tools\":[]"), "", 1, 0 },
	{ "a call's result has lists too", JSON, R("1", "\"content\":[],\"tools\":[" T("x") "],\"prompts\":[" T("xx") "," T("y") "]"),
		R("1", "\"content\":[],\"tools\":[],\"prompts\":[" T("y") "]"), "", 2, 0 },
	{ "resources", JSON, R("1", "\"resources\":[" U("file:///a") "],\"resourceTemplates\":[{\"uriTemplate\":\"file:///{b}\"},{\"uriTemplate\":\"db:{b}\"}]"),
		R("1", "\"resources\":[],\"resourceTemplates\":[{\"uriTemplate\":\"db:{b}\"}]"), "", 2, 0 },

	{ "messages a line each, which say that they are one", JSON, "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n" R("1", "\"tools\":[" T("x") "]"),
		"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}\r\n" R("1", "\"tools\":[]"), "", 1, 0 },
	{ "and by their type", "application/x-ndjson", R("1", "\"tools\":[" T("x") "]") "\n", R("1", "\"tools\":[]") "\n", "", 1, 0 },
	{ "one over many lines", JSON, "{\n  \"result\": {\n\"tools\":[]}\n}\n", "{\n  \"result\": {\n\"tools\":[]}\n}\n", "", 0, 0 },
	{ "a result with spaces after it", JSON, R("1", "") "\n \n", R("1", "") "\n \n", "", 0, 0 },

	{ "in a stream", SSE, EV(R("1", "\"tools\":[" T("x") "," T("a") "]")), EV(R("1", "\"tools\":[" T("a") "]")), "", 1, 0 },
	{ "agentgateway#2644: its other fields stay", SSE, "id: 7\nevent: message\nretry: 50\ndata: " R("1", "\"tools\":[" T("x") "]") "\n\n",
		"id: 7\nevent: message\nretry: 50\ndata: " R("1", "\"tools\":[]") "\n\n", "", 1, 0 },
	{ "events that say no type", SSE, "data: " R("1", "\"tools\":[" T("x") "]") "\n\n", "data: " R("1", "\"tools\":[]") "\n\n", "", 1, 0 },
	{ "data in lines", SSE, "data: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{\"tools\":[" T("x") "]}}\n\n",
		"data: {\"jsonrpc\":\"2.0\",\"id\":1,\ndata: \"result\":{\"tools\":[]}}\n\n", "", 1, 0 },
	{ "ends of lines as they came", SSE, "data: " R("1", "\"tools\":[" T("x") "]") "\r\n\r\n", "data: " R("1", "\"tools\":[]") "\r\n\r\n", "", 1, 0 },
	{ "each of several", SSE, EV(R("1", "\"tools\":[" T("x") "]")) EV(R("2", "\"tools\":[" T("a") "," T("x") "]")),
		EV(R("1", "\"tools\":[]")) EV(R("2", "\"tools\":[" T("a") "]")), "", 2, 0 },
	{ "what is no list passes", SSE, "id: 1\ndata:\n\n: hello\n\n" EV("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"tools\":[" T("x") "]}}"),
		"id: 1\ndata:\n\n: hello\n\n" EV("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"tools\":[" T("x") "]}}"), "", 0, 0 },
	{ "an event of another type", SSE, "event: ping\ndata: now\n\n" EV(R("1", "\"tools\":[]")), "event: ping\ndata: now\n\n" EV(R("1", "\"tools\":[]")), "", 0, 0 },
	{ "an event with a list", SSE, "event: ping\ndata: " R("1", "\"tools\":[" T("x") "]") "\n\n", "event: ping\ndata: " R("1", "\"tools\":[]") "\n\n", "", 1, 0 },
	{ "the last one without its end", SSE, "data: " R("1", "\"tools\":[" T("x") "]"), "data: " R("1", "\"tools\":[]"), "", 1, 0 },
	{ "under a key in other letters", JSON, "{\"Result\":{\"Tools\":[" T("x") "]}}", "{\"Result\":{\"Tools\":[]}}", "", 1, 0 },
	{ "a name in other letters", JSON, R("1", "\"tools\":[{\"name\":\"a\",\"Name\":\"x\"}," T("a") "]"), R("1", "\"tools\":[" T("a") "]"), "", 1, 0 },
	{ "a line that some readers take for an event", SSE, "\xc3\xaf\xc2\xbb\xc2\xbf" "data: " R("1", "\"tools\":[" T("x") "]") "\n\n: hi\n\n", ":\n\n: hi\n\n", "", 0, 0 },
	{ "and next to one", SSE, ": a\xe2\x80\xa8" "data: " R("1", "\"tools\":[" T("x") "]") "\ndata: " R("1", "\"tools\":[" T("x") "]") "\r\n\r\n", ":\ndata: " R("1", "\"tools\":[]") "\r\n\r\n", "", 1, 0 },

	{ "a list that is none", JSON, R("1", "\"tools\":{\"x\":" T("x") "}"), NULL, "", 0, 0 },
	{ "no JSON", JSON, "{\"jsonrpc\":\"2.0\",\"result\":{\"tools\":[" T("x"), NULL, "", 0, 0 },
	{ "lists given twice", JSON, R("1", "\"tools\":[],\"tools\":[" T("x") "]"), NULL, "", 0, 0 },
	{ "by an escape", JSON, R("1", "\"tools\":[],\"tool\\u0073\":[" T("x") "]"), NULL, "", 0, 0 },
	{ "results given twice", JSON, "{\"result\":{},\"result\":{\"tools\":[" T("x") "]}}", NULL, "", 0, 0 },
	{ "an array of messages", JSON, "[" R("1", "\"tools\":[" T("x") "]") "]", NULL, "", 0, 0 },
	{ "in a stream", SSE, EV("[" R("1", "\"tools\":[" T("x") "]") "]"), NULL, "", 0, 0 },
	{ "two messages on a line", JSON, R("1", "") R("2", "\"tools\":[" T("x") "]"), NULL, "", 0, 0 },
	{ "two lists on two", JSON, R("1", "\"tools\":[" T("x") "]") "\n" "{\"result\":{\"tools\":[" T("x") "]}", NULL, R("1", "\"tools\":[]") "\n", 1, 0 },
	{ "lines of which one is none", "application/x-ndjson", R("1", "\"tools\":[" T("x") "]") "\nno\n", NULL, R("1", "\"tools\":[]") "\n", 1, 0 },
	{ "text", "text/plain", "hello", NULL, "", 0, 0 },
	{ "a page", "text/html", "<html>hello</html>", NULL, "", 0, 0 },
	{ "an HTML page with the type of JSON", JSON, "<html>hello</html>", NULL, "", 0, 0 },
	{ "the older transport", SSE, "event: endpoint\ndata: /messages?s=1\n\n", NULL, "", 0, 0 },
	{ "after another event", SSE, ": hi\n\nevent:endpoint\r\ndata:/m\r\n\r\n", NULL, ": hi\n\n", 0, 0 },
	{ "an accepted notification, in words", "text/plain", "Accepted", "Accepted", "", 0, 202 },
	{ "events without their type", "text/plain", EV(R("1", "\"tools\":[" T("x") "]")), NULL, "", 0, 0 },
	{ "nor an error's status", SSE, EV(R("1", "\"tools\":[" T("x") "]")), NULL, "", 0, 400 },
	{ "an image", "image/png", "\x89PNG\r\n\x1a\n0123456789012345678901234567890123456789012345678901234567890123456789", NULL, "", 0, 0 },
	{ "what came before in a stream goes", SSE, EV(R("1", "\"tools\":[]")) EV("{\"result\":{\"tools\":[" T("x") "]"), NULL, EV(R("1", "\"tools\":[]")), 0, 0 },
	{ "a stream of bytes", SSE, "\x1f\x8b\x08 data", NULL, "", 0, 0 },
	{ "an error in words", "text/plain", "Bad Request: no session", "Bad Request: no session", "", 0, 400 },
	{ "a page of an error", "text/html", "<html>no</html>", "<html>no</html>", "", 0, 502 },
	{ "nothing", JSON, "", "", "", 0, 202 },
};
/* clang-format on */

static void
try_list(size_t i, size_t step)
{
	const struct answer_case c = {
		.rules = HIDES, .dialect = "mcp", .path = "/mcp", .type = server_lists[i].type
	};
	struct guard_head head = { .status = server_lists[i].status > 0 ? server_lists[i].status
									: 200,
		.content_type = span_str(c.type) };
	const char *want = server_lists[i].want ? server_lists[i].want : server_lists[i].before;
	struct guard_rig r;

	guard_rig_load(&r, &c);
	r.plan.messages = (struct guard_messages){
		.is = true, .awaited = true, .filters = true, .server = SPAN_LIT("s")
	};
	r.g = guard_new(&r.plan, &head);
	assert_non_null(r.g);
	for (struct span s = span_str(server_lists[i].in); s.n; s = span_cut(s, step, s.n))
		guard_rig_feed(&r, span_cut(s, 0, step));
	if (!r.got)
		r.got = guard_end(r.g, &r.out);
	if ((r.got == GUARD_PASS) != (server_lists[i].want != NULL) ||
		!span_is(buf_view(&r.out), want) ||
		guard_report(r.g)->tools_hidden != server_lists[i].hidden)
		fail_msg("%s, in pieces of %zu: %d %s, hidden %zu: %.*s", server_lists[i].name,
			step, (int)r.got, guard_report(r.g)->why ? guard_report(r.g)->why : "",
			guard_report(r.g)->tools_hidden, SPAN_ARG(buf_view(&r.out)));
	guard_rig_close(&r);
}

static void
hidden_entries_are_removed_from_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(server_lists); i++) {
		try_list(i, SIZE_MAX);
		try_list(i, 1);
	}
}

/* The next line of a subscription may arrive much later. */
static void
line_of_a_subscription_is_forwarded_at_once(void **state)
{
	static const char first[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/a\"}\n";
	const struct answer_case c = {
		.rules = HIDES, .dialect = "mcp", .path = "/mcp", .type = JSON
	};
	struct guard_head head = { .status = 200, .content_type = SPAN_LIT(JSON) };

	(void)state;
	for (int listens = 0; listens < 2; listens++) {
		struct guard_rig r;
		guard_rig_load(&r, &c);
		r.plan.messages = (struct guard_messages){
			.is = true, .listens = listens, .filters = true, .server = SPAN_LIT("s")
		};
		r.g = guard_new(&r.plan, &head);
		assert_non_null(r.g);
		guard_rig_feed(&r, span_str(first));
		assert_int_equal(guard_withholds(r.g), !listens);
		assert_true(span_is(buf_view(&r.out), listens ? first : ""));
		guard_rig_feed(&r, SPAN_LIT("{\"result\":{\"tools\":[" T("x") "]}}\n"));
		assert_false(guard_withholds(r.g));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_PASS);
		assert_int_equal(guard_report(r.g)->tools_hidden, 1);
		guard_rig_close(&r);
	}
}

/* ---- names that are never changed ---- */

#define MESSAGES "anthropic", "/v1/messages"
#define ANSWERS  "openai", "/v1/responses"
#define CALLED(name, text)                                                                     \
	"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"content\":\"" text      \
	"\",\"tool_calls\":[{\"id\":\"call_1\",\"type\":\"function\",\"function\":{\"name\":\"" name \
	"\",\"arguments\":\"{}\"}}]},\"finish_reason\":\"tool_calls\"}]}"
#define PIECES(name)                                                                           \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"call_"   \
	"1\",\"type\":\"function\",\"function\":{\"name\":\"" name                                 \
	"\",\"arguments\":\"{}\"}}]},\"finish_reason\":null}]}\n\ndata: [DONE]\n\n"
#define BLOCK(name)                                                                            \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,"      \
	"\"content_block\":{\"type\":\"tool_use\",\"id\":\"toolu_1\",\"name\":\"" name             \
	"\",\"input\":{}}}\n\nevent: content_block_stop\ndata: "                               \
	"{\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_stop\ndata: "         \
	"{\"type\":\"message_stop\"}\n\n"
#define ECHO(name, word)                                                                       \
	"{\"id\":\"r\",\"object\":\"response\",\"output\":[],\"tools\":[{\"type\":\"function\","   \
	"\"name\":\"" name "\",\"parameters\":{\"properties\":{\"" name "\":{\"enum\":[\"" word   \
	"\"]}},\"required\":[\"" name "\"]}}]}"
#define OFFERS(name, word)                                                                     \
	R("1", "\"tools\":[{\"name\":\"" name "\",\"inputSchema\":{\"type\":\"object\","        \
	       "\"properties\":{\"" name "\":{\"enum\":[\"" word "\"]}}}}]")

/* clang-format off */
static const struct {
	const char *name, *dialect, *path, *type, *in, *want; /* NULL: the response is denied */
} fixed[] = {
	{ "the name of a called tool is no person", CHAT, JSON, CALLED("Maria_Lopez", "hi"), CALLED("Maria_Lopez", "hi") },
	{ "nor is that of a tool that is named like a value that was replaced", CHAT, JSON, CALLED("Grant", "Mr. Tom Grant"), CALLED("Grant", "Mr. <PERSON>") },
	{ "in a stream", CHAT, SSE, PIECES("Grant"), PIECES("Grant") },
	{ "in a block", MESSAGES, SSE, BLOCK("Grant"), BLOCK("Grant") },
	{ "the tools that a response repeats", ANSWERS, JSON, ECHO("Grant", "Maria Lopez"), ECHO("Grant", "Maria Lopez") },
	{ "the tools of a server", "mcp", "/mcp", JSON, OFFERS("Grant", "Maria Lopez"), OFFERS("Grant", "Maria Lopez") },
	{ "an address as a name denies", CHAT, JSON, CALLED(MAIL, "hi"), NULL },
	{ "an address among the values of a schema denies", "mcp", "/mcp", JSON, OFFERS("Grant", MAIL), NULL },
};
/* clang-format on */

static void
names_in_responses_are_never_changed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(fixed); i++) {
		const struct answer_case c = {
			.rules = "detectors: {names: all}\nrules: [{name: a, phase: response, "
				 "redact: {entities: [PERSON, EMAIL_ADDRESS, LOCATION]}}]\n",
			.dialect = fixed[i].dialect,
			.path = fixed[i].path,
			.type = fixed[i].type,
		};
		struct guard_rig r;
		guard_rig_open(&r, &c);
		guard_rig_feed(&r, span_str(fixed[i].in));
		guard_rig_end(&r);
		if ((r.got == GUARD_PASS) != (fixed[i].want != NULL) ||
			(fixed[i].want && !span_is(buf_view(&r.out), fixed[i].want)))
			fail_msg("%s: %d %s: %.*s", fixed[i].name, (int)r.got,
				guard_report(r.g)->why ? guard_report(r.g)->why : "",
				SPAN_ARG(buf_view(&r.out)));
		guard_rig_close(&r);
	}
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_in_responses_are_never_changed),
		cmocka_unit_test(responses_have_the_requested_name),
		cmocka_unit_test(edited_responses_have_the_requested_name),
		cmocka_unit_test(lists_of_models_have_the_permitted_names),
		cmocka_unit_test(only_permitted_models_are_listed),
		cmocka_unit_test(error_is_not_read_as_a_list),
		cmocka_unit_test(hidden_entries_are_removed_from_lists),
		cmocka_unit_test(line_of_a_subscription_is_forwarded_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
