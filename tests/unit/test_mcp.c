/* mcp/: the content of one message, invalid messages, and header fields that must match. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "scan/mcp/message.h"
#include "scan/mcp/refusal.h"
#include "scan/mcp/session.h"
#include "support/guard.h"

static const char *const kinds[] = { "request", "notification", "response" };
static const char *const abouts[] = { "unknown", "nothing", "tools", "tool", "resources",
	"resource", "prompts", "prompt" };

/* Writes "KIND METHOD about=… id=… name=… …", or "STATUS CODE id=…". */
static void
tell(const struct mcp_message *m, const struct mcp_error *why, int err, struct buf *out)
{
	if (err == ERR_NOMEM) {
		buf_str(out, "no memory");
		return;
	}
	if (err) {
		buf_printf(out, "%d %d", why->status, (int)why->code);
		assert_non_null(why->why);
		return;
	}
	buf_printf(out, "%s%s %.*s about=%s", m->era == MCP_STATELESS ? "2026 " : "",
		kinds[m->kind], SPAN_ARG(m->method), abouts[m->about]);
	if (m->lists)
		buf_str(out, " lists");
	if (m->begins)
		buf_str(out, " begins");
	if (m->id.n)
		buf_printf(out, " id=%.*s", SPAN_ARG(m->id));
	if (m->name.p)
		buf_printf(out, " %s=%.*s", m->plain_name ? "name" : "odd", SPAN_ARG(m->name));
	if (m->arguments.n)
		buf_printf(out, " arguments=%.*s", SPAN_ARG(m->arguments));
	if (m->input_responses.n)
		buf_printf(out, " answers=%.*s", SPAN_ARG(m->input_responses));
	if (m->result.n)
		buf_printf(out, " result=%.*s", SPAN_ARG(m->result));
}

#define RPC	     "{\"jsonrpc\":\"2.0\","
#define CALL_BEGIN   RPC "\"id\":1,\"method\":\"tools/call\",\"params\":{"
#define CALL(params) RPC "\"id\":1,\"method\":\"tools/call\",\"params\":{" params "}}"
#define NEW	     "\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\"}"
#define K1	     "\xcf\x81m" /* a Greek rho */
#define A100                                                                                   \
	"aaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaaaaaaaabbbbbbbbbbaaaa" \
	"aaaaaabbbbbbbbbb"

/* clang-format off */
static const struct row {
	const char *name, *body, *want;
} rows[] = {
	{ "a call", CALL("\"name\":\"t\",\"arguments\":{\"a\":[1,{\"b\":2}]}"), "request tools/call about=tool id=1 name=t arguments={\"a\":[1,{\"b\":2}]}" },
	{ "a call of 2026", CALL("\"name\":\"t\"," NEW), "2026 request tools/call about=tool id=1 name=t" },
	{ "a call that brings answers", CALL("\"name\":\"t\",\"inputResponses\":{\"r\":{}}," NEW), "2026 request tools/call about=tool id=1 name=t answers={\"r\":{}}" },
	{ "an older revision in _meta is of sessions", CALL("\"name\":\"t\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2025-11-25\"}"), "request tools/call about=tool id=1 name=t" },
	{ "the order of members says nothing", "{\"params\":{\"arguments\":{},\"name\":\"t\"},\"method\":\"tools/call\",\"id\":\"x\",\"jsonrpc\":\"2.0\"}", "request tools/call about=tool id=\"x\" name=t arguments={}" },
	{ "a method in escapes is that method", RPC "\"id\":1,\"method\":\"tools\\/c\\u0061ll\",\"params\":{\"name\":\"\\u0074\"}}", "request tools/call about=tool id=1 name=t" },
	{ "a list", RPC "\"id\":0,\"method\":\"tools/list\"}", "request tools/list about=tools lists id=0" },
	{ "a page of it", RPC "\"id\":-7,\"method\":\"tools/list\",\"params\":{\"cursor\":\"c\"}}", "request tools/list about=tools lists id=-7" },
	{ "templates are a list of resources", RPC "\"id\":1,\"method\":\"resources/templates/list\"}", "request resources/templates/list about=resources lists id=1" },
	{ "a resource has its URI", RPC "\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":\"file:///a b\"}}", "request resources/read about=resource id=1 name=file:///a b" },
	{ "a prompt", RPC "\"id\":1,\"method\":\"prompts/get\",\"params\":{\"name\":\"p\",\"arguments\":{\"x\":\"y\"}}}", "request prompts/get about=prompt id=1 name=p arguments={\"x\":\"y\"}" },
	{ "a completion is about a prompt", RPC "\"id\":1,\"method\":\"completion/complete\",\"params\":{\"name\":\"x\",\"ref\":{\"type\":\"ref/prompt\",\"name\":\"p\"}}}", "request completion/complete about=prompt id=1 name=p" },
	{ "or about resources", RPC "\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":{\"type\":\"ref/resource\",\"uri\":\"a:{b}\"}," NEW "}}", "2026 request completion/complete about=resource id=1 name=a:{b}" },
	{ "about both", RPC "\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":{\"name\":\"p\",\"uri\":\"a:b\"}}}", "400 -32602" },
	{ "about none", RPC "\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":\"p\"}}", "400 -32602" },
	{ "in other letters", RPC "\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":{\"name\":\"p\",\"NAME\":\"q\"}}}", "400 -32600" },
	{ "the beginning", RPC "\"id\":1,\"method\":\"initialize\",\"params\":{\"protocolVersion\":\"2025-11-25\"}}", "request initialize about=nothing begins id=1" },
	{ "a notification", RPC "\"method\":\"notifications/initialized\"}", "notification notifications/initialized about=nothing" },
	{ "an unknown one", RPC "\"method\":\"notifications/x\"}", "notification notifications/x about=unknown" },
	{ "an unknown method", RPC "\"id\":1,\"method\":\"vendor/do\",\"params\":{\"name\":1}}", "request vendor/do about=unknown id=1" },
	{ "a method in other letters is unknown", RPC "\"id\":1,\"method\":\"Tools/call\",\"params\":{\"name\":\"t\"}}", "request Tools/call about=unknown id=1" },
	{ "an answer to the server", RPC "\"id\":3,\"result\":{\"role\":\"user\"}}", "response  about=nothing id=3 result={\"role\":\"user\"}" },
	{ "a refusal of the server's request", RPC "\"id\":\"s\",\"error\":{\"code\":-1,\"message\":\"no\"}}", "response  about=nothing id=\"s\" result={\"code\":-1,\"message\":\"no\"}" },
	{ "a name beyond ASCII is odd", CALL("\"name\":\"" K1 "\""), "request tools/call about=tool id=1 odd=" K1 },
	{ "a name with a blank is odd", CALL("\"name\":\"a b\""), "request tools/call about=tool id=1 odd=a b" },
	{ "a long name is odd", CALL("\"name\":\"" A100 "01234567890123456789012345678\""), "request tools/call about=tool id=1 odd=" A100 "01234567890123456789012345678" },
	{ "a name of all signs is not", CALL("\"name\":\"a_B-9./z\""), "request tools/call about=tool id=1 name=a_B-9./z" },

	{ "an array", "[" CALL("\"name\":\"t\"") "]", "400 -32600" },
	{ "an empty array", "[]", "400 -32600" },
	{ "a text", "\"tools/call\"", "400 -32600" },
	{ "nothing", "", "400 -32700" },
	{ "no JSON", "{jsonrpc:2}", "400 -32700" },
	{ "what sessions have, in 2026", RPC "\"id\":1,\"method\":\"ping\",\"params\":{" NEW "}}", "2026 request ping about=unknown id=1" },
	{ "a subscription, in 2026", RPC "\"id\":1,\"method\":\"resources/subscribe\",\"params\":{" NEW "}}", "2026 request resources/subscribe about=unknown id=1" },
	{ "half of one", RPC "\"id\":1,\"method\":\"ping\"", "400 -32700" },
	{ "two of them", RPC "\"id\":1,\"method\":\"ping\"}{}", "400 -32700" },
	{ "a mark of byte order", "\xef\xbb\xbf" RPC "\"id\":1,\"method\":\"ping\"}", "400 -32700" },
	{ "bytes that are no UTF-8", RPC "\"id\":1,\"method\":\"ping\",\"x\":\"\xff\"}", "400 -32700" },
	{ "not of JSON-RPC", "{\"id\":1,\"method\":\"ping\"}", "400 -32600" },
	{ "of the first JSON-RPC", "{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "400 -32600" },
	{ "a revision that is a number", "{\"jsonrpc\":2.0,\"id\":1,\"method\":\"ping\"}", "400 -32600" },
	{ "a method given twice", RPC "\"id\":1,\"method\":\"ping\",\"method\":\"tools/call\"}", "400 -32600" },
	{ "given twice in escapes", RPC "\"id\":1,\"method\":\"ping\",\"meth\\u006fd\":\"tools/call\"}", "400 -32600" },
	{ "a name given twice", CALL("\"name\":\"a\",\"name\":\"b\""), "400 -32600" },
	{ "an argument given twice", CALL("\"name\":\"a\",\"arguments\":{\"x\":[{\"y\":1,\"y\":2}]}"), "400 -32600" },
	{ "a revision given twice", CALL("\"name\":\"a\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\"io.modelcontextprotocol/protocolVersion\":\"2025-11-25\"}"), "400 -32600" },
	{ "what nobody reads given twice", RPC "\"id\":1,\"method\":\"ping\",\"x\":{\"y\":1,\"y\":1}}", "400 -32600" },
	{ "params given twice", RPC "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"a\"},\"params\":{\"name\":\"b\"}}", "400 -32600" },
	{ "a method in other letters", RPC "\"id\":1,\"method\":\"ping\",\"Method\":\"tools/call\"}", "400 -32600" },
	{ "a name's key in other letters", CALL("\"name\":\"a\",\"Name\":\"b\""), "400 -32600" },
	{ "arguments in other letters", CALL("\"name\":\"a\",\"ARGUMENTS\":{}"), "400 -32600" },
	{ "an id that is a fraction", RPC "\"id\":1.5,\"method\":\"ping\"}", "400 -32600" },
	{ "an id that is a whole fraction", RPC "\"id\":1.0,\"method\":\"ping\"}", "400 -32600" },
	{ "an id with an exponent", RPC "\"id\":1e3,\"method\":\"ping\"}", "400 -32600" },
	{ "an id that doubles cannot hold", RPC "\"id\":12345678901234567,\"method\":\"ping\"}", "400 -32600" },
	{ "less than nothing", RPC "\"id\":-0,\"method\":\"ping\"}", "400 -32600" },
	{ "an id that is null", RPC "\"id\":null,\"method\":\"ping\"}", "400 -32600" },
	{ "an id that is an object", RPC "\"id\":{},\"method\":\"ping\"}", "400 -32600" },
	{ "an id that is too long", RPC "\"id\":\"" A100 A100 A100 "\",\"method\":\"ping\"}", "400 -32600" },
	{ "a call without an id", RPC "\"method\":\"tools/call\",\"params\":{\"name\":\"t\"}}", "400 -32600" },
	{ "an unknown method without an id", RPC "\"method\":\"x/y\"}", "400 -32600" },
	{ "a notification with an id", RPC "\"id\":1,\"method\":\"notifications/initialized\"}", "400 -32600" },
	{ "a method that is a number", RPC "\"id\":1,\"method\":7}", "400 -32600" },
	{ "no method", RPC "\"id\":1,\"params\":{}}", "400 -32600" },
	{ "an empty method", RPC "\"id\":1,\"method\":\"\"}", "400 -32600" },
	{ "an answer with a method", RPC "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\"},\"result\":{}}", "400 -32600" },
	{ "with a method of no params", RPC "\"id\":1,\"method\":\"ping\",\"result\":{}}", "400 -32600" },
	{ "an answer with params", RPC "\"id\":1,\"params\":{\"name\":\"t\"},\"result\":{}}", "400 -32600" },
	{ "an answer of both kinds", RPC "\"id\":1,\"error\":{},\"result\":{}}", "400 -32600" },
	{ "an answer to nothing", RPC "\"result\":{}}", "400 -32600" },
	{ "params that are a list", RPC "\"id\":1,\"method\":\"tools/call\",\"params\":[\"t\",{}]}", "400 -32602" },
	{ "params that are null", RPC "\"id\":1,\"method\":\"ping\",\"params\":null}", "400 -32602" },
	{ "arguments that are a list", CALL("\"name\":\"t\",\"arguments\":[]"), "400 -32602" },
	{ "arguments that are a text", CALL("\"name\":\"t\",\"arguments\":\"{}\""), "400 -32602" },
	{ "answers that are a list", CALL("\"name\":\"t\",\"inputResponses\":[]"), "400 -32602" },
	{ "a _meta that is a text", CALL("\"name\":\"t\",\"_meta\":\"x\""), "400 -32602" },
	{ "a revision that is no text", CALL("\"name\":\"t\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":1}"), "400 -32602" },
	{ "a call of nothing", CALL("\"arguments\":{}"), "400 -32602" },
	{ "a call of an empty name", CALL("\"name\":\"\""), "400 -32602" },
	{ "a name that is a number", CALL("\"name\":7"), "400 -32602" },
	{ "a call without params", RPC "\"id\":1,\"method\":\"tools/call\"}", "400 -32602" },
	{ "subscriptions that are a text", RPC "\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{\"resourceSubscriptions\":\"a:b\"}}}", "400 -32602" },
	{ "subscriptions to no text", RPC "\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{\"resourceSubscriptions\":[\"a:b\",7]}}}", "400 -32602" },
	{ "subscriptions in other letters", RPC "\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{\"resourcesubscriptions\":[]}}}", "400 -32600" },
	{ "their member in other letters", RPC "\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{\"Notifications\":{}}}", "400 -32600" },
	{ "a resource by a name", RPC "\"id\":1,\"method\":\"resources/read\",\"params\":{\"name\":\"x\"}}", "400 -32602" },
};
/* clang-format on */

static void
message_is_read_or_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		size_t n = strlen(rows[i].body);
		char *p = guard_dup(rows[i].body, n);
		struct mcp_message m;
		struct mcp_error why;
		struct arena a;
		struct buf got;

		arena_init(&a, 0, false);
		buf_init(&got, 0);
		int err = mcp_read(span_of(p, n), &a, &m, &why);
		tell(&m, &why, err, &got);
		if (!span_is(buf_view(&got), rows[i].want))
			fail_msg("%s: %.*s, not %s", rows[i].name, SPAN_ARG(buf_view(&got)),
				rows[i].want);
		buf_free(&got);
		arena_reset(&a);
		guard_free(p, n);
	}
}

/* No prefix of a message is a message. */
static void
cut_message_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		for (size_t n = 0; n < strlen(rows[i].body); n++) {
			char *p = guard_dup(rows[i].body, n);
			struct mcp_message m;
			struct mcp_error why;
			struct arena a;

			arena_init(&a, 0, false);
			if (mcp_read(span_of(p, n), &a, &m, &why) != ERR_SYNTAX &&
				strcmp(rows[i].name, "two of them") != 0)
				fail_msg("%s, cut after %zu bytes", rows[i].name, n);
			arena_reset(&a);
			guard_free(p, n);
		}
}

/* Returns the code of the refusal, or 0. `n` letters are put between `before` and `after`. */
static int
code_of(const char *before, size_t n, const char *after)
{
	struct mcp_message m;
	struct mcp_error why;
	struct arena a;
	struct buf b;

	arena_init(&a, 0, false);
	buf_init(&b, 0);
	buf_str(&b, before);
	for (size_t i = 0; i < n; i++)
		buf_putc(&b, '1');
	buf_str(&b, after);
	int err = mcp_read(buf_view(&b), &a, &m, &why);
	arena_reset(&a);
	buf_free(&b);
	return err ? (int)why.code : 0;
}

/* Unknown members of a filter take no memory. */
static void
unknown_filter_members_take_no_memory(void **state)
{
	struct mcp_message m;
	struct mcp_error why;
	struct arena a;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	arena_init(&a, 8 << 20, false);
	buf_str(&b, RPC "\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{");
	for (int i = 0; i < 20000; i++)
		buf_printf(&b, "%s\"%d\":1", i ? "," : "", i);
	buf_str(&b, "}}}");
	assert_int_equal(mcp_read(buf_view(&b), &a, &m, &why), 0);
	assert_false(arena_failed(&a));
	arena_reset(&a);
	buf_free(&b);
}

#define LISTEN                                                                                 \
	RPC "\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{\"notifications\":{"     \
	    "\"resourceSubscriptions\":["

static void
value_that_is_one_byte_too_long_is_refused(void **state)
{
	static const struct {
		const char *name, *before, *after;
		size_t most;
		int code;
	} lengths[] = {
		{ "an id", RPC "\"id\":\"", "\",\"method\":\"ping\"}", 254, -32600 },
		{ "an id in digits", RPC "\"id\":", ",\"method\":\"ping\"}", 15, -32600 },
		{ "a URI", RPC "\"id\":1,\"method\":\"resources/read\",\"params\":{\"uri\":\"",
			"\"}}", 8192, -32602 },
		{ "a URI that is subscribed to", LISTEN "\"", "\"]}}}", 8192, -32602 },
	};
	struct buf uris;

	(void)state;
	for (size_t i = 0; i < COUNT_OF(lengths); i++)
		for (size_t over = 0; over < 2; over++) {
			int code = code_of(
				lengths[i].before, lengths[i].most + over, lengths[i].after);
			if (code != (over ? lengths[i].code : 0))
				fail_msg("%s, %zu over: %d", lengths[i].name, over, code);
		}
	buf_init(&uris, 0);
	buf_str(&uris, LISTEN);
	for (size_t n = 1; n <= 256; n++) {
		buf_str(&uris, n > 1 ? ",\"a:b\"" : "\"a:b\"");
		if (n < 255)
			continue;
		struct buf one;
		buf_init(&one, 0);
		buf_span(&one, buf_view(&uris));
		buf_putc(&one, '\0');
		assert_int_equal(code_of(buf_view(&one).p, 0, "]}}}"), n > 255 ? -32602 : 0);
		buf_free(&one);
	}
	buf_free(&uris);
}

/* Another reader may take the member for the one that the gateway reads. */
static void
known_member_in_other_case_is_refused(void **state)
{
	static const char *const of_message[] = { "jsonrpc", "id", "method", "params", "result",
		"error" };
	static const char *const of_params[] = { "name", "uri", "arguments", "inputResponses",
		"_meta", "ref", "notifications" };
	static const char *const before[] = { RPC "\"id\":1,\"method\":\"ping\",\"",
		CALL_BEGIN "\"name\":\"t\",\"" };
	static const char *const after[] = { "\":{}}", "\":{}}}" };
	char text[256], key[32];

	(void)state;
	for (size_t in = 0; in < 2; in++)
		for (size_t i = 0; i < (in ? COUNT_OF(of_params) : COUNT_OF(of_message)); i++) {
			const char *name = in ? of_params[i] : of_message[i];
			size_t n = strlen(name);
			snprintf(key, sizeof(key), "%s", name);
			key[n - 1] = (char)(key[n - 1] & ~0x20);
			snprintf(text, sizeof(text), "%s%s", before[in], key);
			if (code_of(text, 0, after[in]) != -32600)
				fail_msg("%s is taken beside %s", key, name);
		}
}

/* ---- header fields ---- */

#define OLD_CALL                                                                               \
	CALL("\"name\":\"t\",\"arguments\":{\"region\":\"eu\",\"n\":5,\"on\":true,\"deep\":{"  \
	     "\"note\":\"h\xc3\xa9\"}}")
#define NEW_CALL CALL("\"name\":\"t\",\"arguments\":{\"region\":\"eu\"}," NEW)
#define V26	 "mcp-protocol-version: 2026-07-28\n"
#define Z60	 "000000000000000000000000000000000000000000000000000000000000"

/* clang-format off */
static const struct {
	const char *name, *body, *fields;
	int code; /* 0: they match */
	enum mcp_era era;
} header_rows[] = {
	{ "none, before 2026", OLD_CALL, "", 0, MCP_SESSIONS },
	{ "a revision", OLD_CALL, "MCP-Protocol-Version: 2025-06-18\n", 0, MCP_SESSIONS },
	{ "one that nobody speaks", OLD_CALL, "mcp-protocol-version: 2031-01-01\n", -32022, 0 },
	{ "nor does the body's count", CALL("\"name\":\"t\",\"_meta\":{\"io.modelcontextprotocol/protocolVersion\":\"2031-01-01\"}"), "", -32022, 0 },
	{ "asked what is spoken", RPC "\"id\":1,\"method\":\"server/discover\"}", "mcp-protocol-version: v9\n", 0, MCP_SESSIONS },
	{ "given twice", OLD_CALL, "mcp-protocol-version: 2025-06-18\nmcp-protocol-version: 2025-06-18\n", -32020, 0 },
	{ "those that are there are equal", OLD_CALL, "mcp-method: tools/call\nmcp-name: t\n", 0, MCP_SESSIONS },
	{ "another method", OLD_CALL, "mcp-method: tools/list\n", -32020, 0 },
	{ "another name", OLD_CALL, "mcp-name: u\n", -32020, 0 },
	{ "a name of what has none", RPC "\"id\":1,\"method\":\"tools/list\"}", "mcp-name: t\n", -32020, 0 },
	{ "2026 with all", NEW_CALL, V26 "mcp-method: tools/call\nmcp-name: t\n", 0, MCP_STATELESS },
	{ "2026 without a method", NEW_CALL, V26 "mcp-name: t\n", -32020, 0 },
	{ "2026 without a name", NEW_CALL, V26 "mcp-method: tools/call\n", -32020, 0 },
	{ "2026 without the name that a completion refers to", RPC "\"id\":1,\"method\":\"completion/complete\",\"params\":{\"ref\":{\"name\":\"p\"}," NEW "}}", V26 "mcp-method: completion/complete\n", 0, MCP_STATELESS },
	{ "2026 without a revision", NEW_CALL, "mcp-method: tools/call\nmcp-name: t\n", -32020, 0 },
	{ "2026 in the body alone", NEW_CALL, "mcp-protocol-version: 2025-11-25\nmcp-method: tools/call\nmcp-name: t\n", -32020, 0 },
	{ "2026 in the header alone", OLD_CALL, V26 "mcp-method: tools/call\nmcp-name: t\n", -32602, 0 },
	{ "a method in other letters", NEW_CALL, V26 "mcp-method: Tools/Call\nmcp-name: t\n", -32020, 0 },
	{ "a name given twice", NEW_CALL, V26 "mcp-method: tools/call\nmcp-name: t\nMcp-Name: t\n", -32020, 0 },
	{ "a name as base64", NEW_CALL, V26 "mcp-method: tools/call\nmcp-name: =?base64?dA==?=\n", 0, MCP_STATELESS },
	{ "another as base64", NEW_CALL, V26 "mcp-method: tools/call\nmcp-name: =?base64?dQ==?=\n", -32020, 0 },
	{ "what is no base64", NEW_CALL, V26 "mcp-method: tools/call\nmcp-name: =?base64?d?=\n", -32020, 0 },
	{ "base64 without its padding", NEW_CALL, V26 "mcp-method: tools/call\nmcp-name: =?base64?dA?=\n", -32020, 0 },
	{ "an argument", OLD_CALL, "mcp-param-region: eu\n", 0, MCP_SESSIONS },
	{ "another", OLD_CALL, "mcp-param-region: us\n", -32020, 0 },
	{ "another one's value", OLD_CALL, "mcp-param-region: 5\n", -32020, 0 },
	{ "the value of one of that name inside another", CALL("\"name\":\"t\",\"arguments\":{\"in\":{\"region\":\"us\"},\"region\":\"eu\"}"), "mcp-param-region: us\n", -32020, 0 },
	{ "a number", OLD_CALL, "mcp-param-N: 5\n", 0, MCP_SESSIONS },
	{ "a number written otherwise", OLD_CALL, "mcp-param-n: 5.0\n", 0, MCP_SESSIONS },
	{ "a number in hexadecimal", OLD_CALL, "mcp-param-n: 0x5\n", -32020, 0 },
	{ "a number with something after it", OLD_CALL, "mcp-param-n: 5-3\n", -32020, 0 },
	{ "a number as long as is compared", OLD_CALL, "mcp-param-n: 5." Z60 "00\n", 0, MCP_SESSIONS },
	{ "a longer one", OLD_CALL, "mcp-param-n: 5." Z60 "000\n", -32020, 0 },
	{ "a truth value", OLD_CALL, "mcp-param-on: true\n", 0, MCP_SESSIONS },
	{ "an argument inside, by another name", OLD_CALL, "mcp-param-x: =?base64?aMOp?=\n", 0, MCP_SESSIONS },
	{ "what no argument says", OLD_CALL, "mcp-param-x: secret\n", -32020, 0 },
	{ "an argument given twice", OLD_CALL, "mcp-param-n: 5\nMCP-Param-N: 5\n", -32020, 0 },
	{ "an argument of what has none", RPC "\"id\":1,\"method\":\"ping\"}", "mcp-param-n: 5\n", -32020, 0 },
};
/* clang-format on */

static void
read_fields(const char *text, struct http_field *fields, struct http_head *h)
{
	struct span rest = span_str(text);

	*h = (struct http_head){ .fields = fields };
	while (rest.n) {
		struct span value = span_next(&rest, '\n');
		struct span name = span_next(&value, ':');
		fields[h->nfields++] = (struct http_field){ name, span_trim(value, " ") };
	}
}

static void
header_fields_must_match_the_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(header_rows); i++) {
		struct http_field fields[8];
		struct http_head h;
		struct mcp_message m;
		struct mcp_error why;
		struct arena a;

		arena_init(&a, 0, false);
		read_fields(header_rows[i].fields, fields, &h);
		assert_int_equal(mcp_read(span_str(header_rows[i].body), &a, &m, &why), 0);
		int err = mcp_headers(&h, &m, &a, &why);
		if (err != (header_rows[i].code ? ERR_SYNTAX : 0) ||
			(int)why.code != header_rows[i].code || (err && why.status != 400) ||
			(!err && m.era != header_rows[i].era))
			fail_msg("%s: %d %d (%s)", header_rows[i].name, err, (int)why.code,
				why.why ? why.why : "");
		arena_reset(&a);
	}
}

static void
replaced_argument_is_replaced_in_its_field(void **state)
{
	/* clang-format off */
	static const struct { const char *field, *value, *was, *now, *want; } t[] = {
		{ "mcp-param-to", "Ann", "{\"n\":1,\"to\":\"Ann\"}", "{\"n\":1,\"to\":\"<PERSON>\"}", "<PERSON>" },
		{ "mcp-param-to", "Ann", "{\"n\":1,\"to\":\"Ann\"}", "{\"n\":2,\"to\":\"Ann\"}", "Ann" },
		{ "mcp-param-n", "12345678", "{\"n\":12345678}", "{\"n\":\"<ID>\"}", "<ID>" },
		{ "mcp-param-to", "Ann", "{\"to\":\"Ann\"}", "{\"to\":\"h\xc3\xa9\"}", "=?base64?aMOp?=" },
		{ "mcp-param-to", "=?base64?aMOp?=", "{\"to\":\"h\xc3\xa9\"}", "{\"to\":\"=?base64?x\"}", "=?base64?PT9iYXNlNjQ/eA==?=" },
		{ "mcp-param-to", "Bob", "{\"to\":\"Ann\"}", "{\"to\":\"x\"}", "" },
		{ "mcp-param-to", "Ann", "{\"to\":\"Ann\"}", "{\"to\":\"a\\nb\"}", "=?base64?YQpi?=" },
		{ "mcp-param-to", "Ann", "{\"to\":\"Ann\"}", "{\"to\":\"x \"}", "=?base64?eCA=?=" },
	};
	/* clang-format on */
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct span got = mcp_param_sent(span_str(t[i].field), span_str(t[i].value),
			span_str(t[i].was), span_str(t[i].now), &a);
		if (!span_is(got, t[i].want))
			fail_msg("%zu: %.*s, not %s", i, SPAN_ARG(got), t[i].want);
	}
	arena_reset(&a);
}

/* The memory for one field is reused for the next. More than the limit for all fields is
 * refused. */
static void
many_fields_need_no_more_memory_than_one(void **state)
{
	enum { N = 40, ITEMS = 60000, ROOM = 8 << 20 };
	static char names[N][24];
	struct http_field fields[N];
	struct http_head h = { .fields = fields, .nfields = 20 };
	struct mcp_message m;
	struct mcp_error why;
	struct arena a;
	struct buf b;

	(void)state;
	buf_init(&b, 0);
	buf_str(&b, RPC "\"id\":1,\"method\":\"tools/call\",\"params\":{\"name\":\"t\","
			"\"arguments\":{\"l\":[0");
	for (size_t i = 0; i < ITEMS; i++)
		buf_str(&b, ",\"\\u0061 longer than a pointer\"");
	buf_str(&b, "]");
	for (size_t i = 0; i < N; i++) {
		snprintf(names[i], sizeof(names[i]), "mcp-param-a%zu", i);
		fields[i] = (struct http_field){ span_str(names[i]), SPAN_LIT("x") };
		buf_printf(&b, ",\"a%zu\":\"x\"", i);
	}
	buf_str(&b, "}}}");
	assert_false(buf_failed(&b));
	arena_init(&a, ROOM, false);
	assert_int_equal(mcp_read(buf_view(&b), &a, &m, &why), 0);
	assert_int_equal(mcp_headers(&h, &m, &a, &why), 0);
	h.nfields = N;
	assert_int_equal(mcp_headers(&h, &m, &a, &why), ERR_SYNTAX);
	assert_int_equal(why.code, MCP_CODE_HEADER);
	assert_false(arena_failed(&a));
	arena_reset(&a);
	buf_free(&b);
}

/* ---- refusals ---- */

static void
denial_has_the_form_that_the_message_expects(void **state)
{
	/* clang-format off */
	static const struct { const char *name, *body; int status; const char *want; } t[] = {
		{ "a call gets a result", CALL("\"name\":\"t\""), 200,
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"no \\\"x\\\" (decision D)\"}],\"isError\":true}}" },
		{ "in 2026 a complete one", CALL("\"name\":\"t\"," NEW), 200,
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":\"no \\\"x\\\" (decision D)\"}],\"isError\":true,\"resultType\":\"complete\"}}" },
		{ "another request an error", RPC "\"id\":\"q\",\"method\":\"resources/read\",\"params\":{\"uri\":\"u\"}}", 200,
			"{\"jsonrpc\":\"2.0\",\"id\":\"q\",\"error\":{\"code\":-32010,\"message\":\"no \\\"x\\\" (decision D)\",\"data\":{\"code\":\"permission_denied\"}}}" },
		{ "an unknown method is not found", RPC "\"id\":2,\"method\":\"a/b\"}", 200,
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,\"message\":\"no \\\"x\\\" (decision D)\",\"data\":{\"code\":\"permission_denied\"}}}" },
		{ "nor in 2026, with its status", RPC "\"id\":2,\"method\":\"a/b\",\"params\":{" NEW "}}", 404,
			"{\"jsonrpc\":\"2.0\",\"id\":2,\"error\":{\"code\":-32601,\"message\":\"no \\\"x\\\" (decision D)\",\"data\":{\"code\":\"permission_denied\"}}}" },
		{ "a notification has no answer", RPC "\"method\":\"notifications/progress\"}", 400,
			"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32010,\"message\":\"no \\\"x\\\" (decision D)\",\"data\":{\"code\":\"permission_denied\"}}}" },
		{ "nor has an answer", RPC "\"id\":9,\"result\":{}}", 400,
			"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32010,\"message\":\"no \\\"x\\\" (decision D)\",\"data\":{\"code\":\"permission_denied\"}}}" },
	};
	/* clang-format on */
	(void)state;
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		struct mcp_refusal r = { .reason = "permission_denied",
			.message = SPAN_LIT("no \"x\""),
			.decision = SPAN_LIT("D") };
		struct mcp_message m;
		struct mcp_error why;
		struct arena a;
		struct buf out;
		int status;

		arena_init(&a, 0, false);
		buf_init(&out, 0);
		assert_int_equal(mcp_read(span_str(t[i].body), &a, &m, &why), 0);
		mcp_denied(&m, &r, &status);
		mcp_refuse(&r, &out);
		if (status != t[i].status || !span_is(buf_view(&out), t[i].want))
			fail_msg("%s: %d %.*s", t[i].name, status, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		arena_reset(&a);
	}
}

static void
refusal_is_shortened_to_fit(void **state)
{
	static char text[4000];
	struct mcp_refusal r = { .code = MCP_CODE_VERSION,
		.message = span_of(text, sizeof(text)) };
	struct buf out;

	(void)state;
	memset(text, '"', sizeof(text));
	buf_init(&out, 0);
	for (int result = 0; result < 2; result++) {
		buf_clear(&out);
		r.result = result;
		mcp_refuse(&r, &out);
		assert_true(out.n <= CAP_ERROR_BYTES && out.n > CAP_ERROR_BYTES / 3);
	}
	/* A character is never cut, at whichever byte the text ends. */
	for (size_t i = 1; i + 1 < sizeof(text); i += 2)
		memcpy(text + i, "\xc3\xa9", 2);
	for (size_t odd = 0; odd < 2; odd++) {
		buf_clear(&out);
		r.message = span_of(text + 1 - odd, sizeof(text) - 2);
		mcp_refuse(&r, &out);
		assert_true(out.n <= CAP_ERROR_BYTES && utf8_valid(buf_view(&out)));
		assert_null(memmem(buf_view(&out).p, out.n, "fffd", 4));
	}
	/* An id for which there is no room is left out. */
	r.id = span_of(text, sizeof(text));
	buf_clear(&out);
	mcp_refuse(&r, &out);
	assert_true(out.n <= CAP_ERROR_BYTES &&
		    span_starts(buf_view(&out), SPAN_LIT("{\"jsonrpc\":\"2.0\",\"id\":null,")));
	buf_free(&out);
}

/* The longest id that is kept, with a revision whose bytes each take six. */
static void
parts_without_room_in_a_refusal_are_left_out(void **state)
{
	static char id[CAP_ERROR_BYTES / 2], revision[64];
	struct mcp_refusal r = { .code = MCP_CODE_VERSION,
		.id = span_of(id, sizeof(id)),
		.message = SPAN_LIT("no"),
		.requested = span_of(revision, sizeof(revision)),
		.decision = SPAN_LIT("0123456789abcdef-0123456789") };
	struct buf out;

	(void)state;
	memset(id, '1', sizeof(id));
	memset(revision, 1, sizeof(revision));
	buf_init(&out, 0);
	mcp_refuse(&r, &out);
	assert_true(out.n <= CAP_ERROR_BYTES && span_ends(buf_view(&out), SPAN_LIT("}}")));
	assert_non_null(memmem(buf_view(&out).p, out.n, id, sizeof(id)));
	assert_null(memmem(buf_view(&out).p, out.n, "requested", 9));
	buf_free(&out);
}

static void
refusal_in_a_stream_is_an_event(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	mcp_refuse_event(&(struct mcp_refusal){ .code = MCP_CODE_PARSE }, &out);
	assert_true(span_is(buf_view(&out),
		"event: message\ndata: {\"jsonrpc\":\"2.0\",\"id\":null,"
		"\"error\":{\"code\":-32700,\"message\":\"\"}}\n\n"));
	buf_free(&out);
}

/* For an unsupported revision, the requested revision is repeated if it has a valid form. */
static void
refusal_repeats_only_a_valid_revision(void **state)
{
	static const struct {
		const char *requested;
		bool said;
	} t[] = { { "2031-01-01", true }, { Z60 "0000", true }, { Z60 "00000", false },
		{ "2031\xff", false }, { "", false } };
	struct mcp_refusal r = { .code = MCP_CODE_VERSION, .message = SPAN_LIT("no") };
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		buf_clear(&out);
		r.requested = span_str(t[i].requested);
		mcp_refuse(&r, &out);
		bool said = memmem(buf_view(&out).p, out.n, "\"requested\"", 11) != NULL;
		if (said != t[i].said || !memmem(buf_view(&out).p, out.n, "\"supported\"", 11))
			fail_msg("%s: %.*s", t[i].requested, SPAN_ARG(buf_view(&out)));
	}
	buf_free(&out);
}

/* A tool's result states that a rule decided, or that a call that was sent has no result. An
 * outage before that is an error. */
static void
refused_response_is_a_denial_or_an_outage(void **state)
{
	static const struct {
		const char *code;
		bool sent, denied;
	} t[] = { { "content_policy_violation", false, true },
		{ "permission_denied", true, true }, { "unreadable_content", false, true },
		{ "provider_error", true, true }, { NULL, true, true },
		{ "quota_exceeded", false, false }, { NULL, false, false } };
	const struct mcp_refusal of = {
		.id = SPAN_LIT("1"), .result = true, .code = MCP_CODE_DENIED
	};
	struct buf out;

	(void)state;
	buf_init(&out, 0);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		buf_clear(&out);
		mcp_answer_refused(&of, t[i].code, SPAN_LIT("no"), SPAN_LIT("D"), t[i].sent,
			i % 2, &out);
		struct span s = buf_view(&out);
		bool event = span_starts(s, SPAN_LIT("event: message\ndata: {"));
		bool result = memmem(s.p, s.n, "\"isError\":true", 14) != NULL;
		bool outage = memmem(s.p, s.n, "\"code\":-32603", 13) != NULL;
		if (event != i % 2 || result != t[i].denied || outage == result)
			fail_msg("%s: %.*s", t[i].code ? t[i].code : "none", SPAN_ARG(s));
	}
	assert_non_null(memmem(buf_view(&out).p, out.n, "service_unavailable", 19));
	buf_free(&out);
}

/* ---- sessions ---- */

static void
session_belongs_to_the_caller_it_was_given_to(void **state)
{
	static const struct mcp_session_of ann = { SPAN_LIT("ann"), SPAN_LIT("bot"),
		SPAN_LIT("tools"), SPAN_LIT("srv") };
	/* clang-format off */
	static const struct { const char *name; struct mcp_session_of of; bool key, own; } t[] = {
		{ "the same", { SPAN_LIT("ann"), SPAN_LIT("bot"), SPAN_LIT("tools"), SPAN_LIT("srv") }, false, true },
		{ "another person", { SPAN_LIT("bob"), SPAN_LIT("bot"), SPAN_LIT("tools"), SPAN_LIT("srv") }, false, false },
		{ "nobody", { SPAN_LIT(""), SPAN_LIT("bot"), SPAN_LIT("tools"), SPAN_LIT("srv") }, false, false },
		{ "another agent", { SPAN_LIT("ann"), SPAN_LIT("b0t"), SPAN_LIT("tools"), SPAN_LIT("srv") }, false, false },
		{ "another route", { SPAN_LIT("ann"), SPAN_LIT("bot"), SPAN_LIT("t"), SPAN_LIT("srv") }, false, false },
		{ "another server", { SPAN_LIT("ann"), SPAN_LIT("bot"), SPAN_LIT("tools"), SPAN_LIT("s") }, false, false },
		{ "names that join alike", { SPAN_LIT("annbot"), SPAN_LIT(""), SPAN_LIT("tools"), SPAN_LIT("srv") }, false, false },
		{ "another key", { SPAN_LIT("ann"), SPAN_LIT("bot"), SPAN_LIT("tools"), SPAN_LIT("srv") }, true, false },
	};
	/* clang-format on */
	unsigned char keys[2][32] = { { 1 }, { 2 } }, of[32];
	struct span id, bound;
	struct arena a;

	(void)state;
	arena_init(&a, 0, false);
	mcp_session_key(keys[0], &ann, of);
	bound = mcp_session_bind(of, SPAN_LIT("s-1"), &a);
	assert_int_equal(bound.n, 3 + 1 + 32);
	for (size_t i = 0; i < COUNT_OF(t); i++) {
		mcp_session_key(keys[t[i].key], &t[i].of, of);
		if (mcp_session_check(of, bound, &id) != t[i].own)
			fail_msg("%s", t[i].name);
		assert_true(!t[i].own || span_is(id, "s-1"));
	}
	/* whatever characters the names contain */
	const struct mcp_session_of left = { SPAN_LIT("a,:b"), SPAN_LIT("c"), SPAN_LIT("d"),
		SPAN_LIT("e") },
				    right = { SPAN_LIT("a"), SPAN_LIT("b,:c"), SPAN_LIT("d"),
					    SPAN_LIT("e") };
	unsigned char one[32], other[32];
	mcp_session_key(keys[0], &left, one);
	mcp_session_key(keys[0], &right, other);
	assert_memory_not_equal(one, other, sizeof(one));
	mcp_session_key(keys[0], &ann, of);
	/* no other id, and no changed part of one */
	for (size_t i = 0; i < bound.n; i++) {
		char *p = guard_dup(bound.p, bound.n);
		p[i] ^= 1;
		assert_false(mcp_session_check(of, span_of(p, bound.n), &id));
		guard_free(p, bound.n);
		p = guard_dup(bound.p, i);
		assert_false(mcp_session_check(of, span_of(p, i), &id));
		guard_free(p, i);
	}
	assert_false(mcp_session_check(of, SPAN_LIT("s-1"), &id));
	assert_int_equal(mcp_session_bind(of, SPAN_LIT(""), &a).n, 0);
	assert_int_equal(mcp_session_bind(of, SPAN_LIT("a b"), &a).n, 0);
	assert_int_equal(mcp_session_bind(of, SPAN_LIT("a\r\nb"), &a).n, 0);
	assert_int_equal(mcp_session_bind(of, SPAN_LIT("\xc3\xa9"), &a).n, 0);
	/* at most 1,024 bytes, from the server and from a client that could make the tag */
	static char text[1025 + 1 + 32 + 1];
	unsigned char all[32];
	memset(text, 'x', sizeof(text));
	bound = mcp_session_bind(of, span_of(text, 1024), &a);
	assert_int_equal(bound.n, 1024 + 1 + 32);
	assert_true(mcp_session_check(of, bound, &id));
	assert_int_equal(mcp_session_bind(of, span_of(text, 1025), &a).n, 0);
	hmac_sha256(of, span_of(text, 1025), all);
	text[1025] = '.';
	for (size_t i = 0; i < 16; i++)
		snprintf(text + 1026 + 2 * i, 3, "%02x", all[i]);
	assert_false(mcp_session_check(of, span_of(text, 1025 + 1 + 32), &id));
	arena_reset(&a);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(message_is_read_or_refused),
		cmocka_unit_test(cut_message_is_refused),
		cmocka_unit_test(unknown_filter_members_take_no_memory),
		cmocka_unit_test(value_that_is_one_byte_too_long_is_refused),
		cmocka_unit_test(known_member_in_other_case_is_refused),
		cmocka_unit_test(header_fields_must_match_the_body),
		cmocka_unit_test(replaced_argument_is_replaced_in_its_field),
		cmocka_unit_test(many_fields_need_no_more_memory_than_one),
		cmocka_unit_test(denial_has_the_form_that_the_message_expects),
		cmocka_unit_test(refusal_is_shortened_to_fit),
		cmocka_unit_test(parts_without_room_in_a_refusal_are_left_out),
		cmocka_unit_test(refusal_repeats_only_a_valid_revision),
		cmocka_unit_test(refused_response_is_a_denial_or_an_outage),
		{ .name = "agentgateway#2644: a refusal in a stream says its event",
			.test_func = refusal_in_a_stream_is_an_event },
		cmocka_unit_test(session_belongs_to_the_caller_it_was_given_to),
	};

	return cmocka_run_group_tests_name("mcp", tests, NULL, NULL);
}
