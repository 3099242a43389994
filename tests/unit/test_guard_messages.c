/* answer/guard/guard_whole.c: responses of an MCP server. Hidden entries are removed from
 * lists, whole and in streams. A response that might contain a list in an unknown form is not
 * forwarded. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "support/answer_fix.h"

#define RULES                                                                                  \
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
#define SSE	      "text/event-stream"
#define JSON	      "application/json"
#define GZIP	      "gzip"
#define EV(data)      "event: message\ndata: " data "\n\n"

/* clang-format off */
static const struct {
	const char *name, *type, *in, *want; /* NULL: nothing is forwarded, or nothing more than `before` */
	const char *before;
	size_t hidden;
	int status; /* 0: 200 */
} lists[] = {
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
one(size_t i, size_t step)
{
	const struct answer_case c = {
		.rules = RULES, .dialect = "mcp", .path = "/mcp", .type = lists[i].type
	};
	struct guard_head head = { .status = lists[i].status > 0 ? lists[i].status : 200,
		.content_type = span_str(c.type) };
	const char *want = lists[i].want ? lists[i].want : lists[i].before;
	struct guard_rig r;

	guard_rig_load(&r, &c);
	r.plan.messages = (struct guard_messages){
		.is = true, .awaited = true, .filters = true, .server = SPAN_LIT("s")
	};
	r.g = guard_new(&r.plan, &head);
	assert_non_null(r.g);
	for (struct span s = span_str(lists[i].in); s.n; s = span_cut(s, step, s.n))
		guard_rig_feed(&r, span_cut(s, 0, step));
	if (!r.got)
		r.got = guard_end(r.g, &r.out);
	if ((r.got == GUARD_PASS) != (lists[i].want != NULL) ||
		!span_is(buf_view(&r.out), want) ||
		guard_report(r.g)->tools_hidden != lists[i].hidden)
		fail_msg("%s, in pieces of %zu: %d %s, hidden %zu: %.*s", lists[i].name, step,
			(int)r.got, guard_report(r.g)->why ? guard_report(r.g)->why : "",
			guard_report(r.g)->tools_hidden, SPAN_ARG(buf_view(&r.out)));
	guard_rig_close(&r);
}

static void
hidden_entries_are_removed_from_lists(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(lists); i++) {
		one(i, SIZE_MAX);
		one(i, 1);
	}
}

/* Of a subscription: the next line may arrive much later. */
static void
line_of_a_subscription_is_forwarded_at_once(void **state)
{
	static const char first[] = "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/a\"}\n";
	const struct answer_case c = {
		.rules = RULES, .dialect = "mcp", .path = "/mcp", .type = JSON
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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hidden_entries_are_removed_from_lists),
		cmocka_unit_test(line_of_a_subscription_is_forwarded_at_once),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
