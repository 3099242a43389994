/* The record entry of each call in a response: it occurs once, however the response arrives,
 * with the size and keyed hash of the arguments and the verdict of the rules with phase: tool.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "policy/rule.h"
#include "policy/verdict/explain.h"
#include "policy/verdict/tool.h"
#include "support/answer_fix.h"

#define TOOLS                                                                                  \
	"rules: [{name: no-drops, phase: tool, when: 'tool.name == \"drop\"', deny: true}, "   \
	"{name: later, phase: tool, when: 'tool.name == \"send\"', mode: shadow, deny: true}]\n"
#define CHAT(calls)                                                                            \
	"{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\",\"tool_calls\":[" calls \
	"]},\"finish_reason\":\"tool_calls\"}]}"
#define CALL(name, arguments)                                                                  \
	"{\"id\":\"c\",\"type\":\"function\",\"function\":{\"name\":\"" name                   \
	"\",\"arguments\":\"" arguments "\"}}"
#define PIECE(index, more)                                                                     \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":" #index       \
	",\"function\":{" more "}}]}}]}\n\n"
#define BLOCK(index, rest)                                                                     \
	"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":" #index \
	",\"content_block\":" rest "}\n\n"
#define DELTA(index, text)                                                                     \
	"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":" #index \
	",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"}}\n\n"
#define OVER(index)                                                                            \
	"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":" #index  \
	"}\n\n"

#define SHELL_ITEM                                                                             \
	"{\"type\":\"local_shell_call\",\"call_id\":\"c\",\"action\":{\"type\":\"exec\","         \
	"\"command\":[\"a\",\"b\"]}}"
#define PATCH_ITEM                                                                             \
	"{\"type\":\"apply_patch_call\",\"call_id\":\"d\",\"operation\":{\"type\":"                 \
	"\"x\",\"path\":\"f\",\"diff\":\"@@\"}}"
#define ITEMS SHELL_ITEM "," PATCH_ITEM

/* For each call: NAME BYTES DECISION RULE OUTCOMES (of shadow rules). */
/* clang-format off */
static const struct answer_case rows[] = {
	{ "a chat's calls, whole", TOOLS, "openai", "/v1/chat/completions", "application/json",
		CHAT(CALL("list", "{\\\"a\\\":1}") "," CALL("drop", "{}")),
		"list 7 permit - nn|drop 2 deny no-drops m-|" },
	{ "in shadow", TOOLS, "openai", "/v1/chat/completions", "application/json",
		CHAT(CALL("send", "{}")), "send 2 permit - nm (deny later)|" },
	{ "the same tool twice is two calls", TOOLS, "openai", "/v1/chat/completions", "application/json",
		CHAT(CALL("list", "{}") "," CALL("list", "{ }")), "list 2 permit - nn|list 3 permit - nn|" },
	{ "a chat's calls, streamed, in pieces", TOOLS, "openai", "/v1/chat/completions", "text/event-stream",
		PIECE(0, "\"name\":\"list\",\"arguments\":\"\"") PIECE(0, "\"arguments\":\"{\\\"a\\\"\"") PIECE(0, "\"arguments\":\":1}\"")
		PIECE(1, "\"name\":\"send\",\"arguments\":\"{}\"") STOP,
		"list 7 permit - nn|send 2 permit - nm (deny later)|" },
	{ "a name in two pieces is one call", TOOLS, "openai", "/v1/chat/completions", "text/event-stream",
		PIECE(0, "\"name\":\"dr\"") PIECE(0, "\"name\":\"op\"") PIECE(0, "\"arguments\":\"{}\"") STOP,
		"drop 2 deny no-drops m-|" },
	{ "Anthropic's, whole", TOOLS, "anthropic", "/v1/messages", "application/json",
		"{\"type\":\"message\",\"content\":[{\"type\":\"text\",\"text\":\"ok\"},"
		"{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"list\",\"input\":{\"a\":\"b\",\"c\":{\"d\":\"e\"}}},"
		"{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"send\",\"input\":{}}],\"stop_reason\":\"tool_use\"}",
		"list 23 permit - nn|send 2 permit - nm (deny later)|" },
	{ "Anthropic's, streamed", TOOLS, "anthropic", "/v1/messages", "text/event-stream",
		BLOCK(0, "{\"type\":\"tool_use\",\"id\":\"a\",\"name\":\"list\",\"input\":{}}") DELTA(0, "{\\\"a\\\"") DELTA(0, ":1}") OVER(0)
		BLOCK(1, "{\"type\":\"tool_use\",\"id\":\"b\",\"name\":\"send\",\"input\":{}}") DELTA(1, "{}") OVER(1)
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}\n\n"
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		"list 7 permit - nn|send 2 permit - nm (deny later)|" },
	{ "Ollama's, each in the same place", TOOLS, "ollama", "/api/chat", "application/x-ndjson",
		"{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"list\",\"arguments\":{\"a\":\"b\"}}}]},\"done\":false}\n"
		"{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"send\",\"arguments\":{}}}]},\"done\":false}\n"
		"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n",
		"list 9 permit - nn|send 2 permit - nm (deny later)|" },
	{ "Gemini's", TOOLS, "gemini", "/v1beta/models/g:generateContent", "application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"list\",\"args\":{\"a\":\"b\"}}},"
		"{\"functionCall\":{\"name\":\"send\",\"args\":{}}}]},\"finishReason\":\"STOP\"}]}",
		"list 9 permit - nn|send 2 permit - nm (deny later)|" },
	{ "responses', whole", TOOLS, "openai", "/v1/responses", "application/json",
		"{\"object\":\"response\",\"status\":\"completed\",\"output\":[{\"type\":\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"list\",\"arguments\":\"{}\"}]}",
		"list 2 permit - nn|" },
	{ "responses' calls, streamed and repeated in the done event", TOOLS, "openai", "/v1/responses", "text/event-stream",
		"event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"list\",\"arguments\":\"\"}}\n\n"
		"event: response.function_call_arguments.delta\ndata: {\"type\":\"response.function_call_arguments.delta\",\"item_id\":\"i\",\"output_index\":0,\"delta\":\"{}\"}\n\n"
		"event: response.function_call_arguments.done\ndata: {\"type\":\"response.function_call_arguments.done\",\"item_id\":\"i\",\"output_index\":0,\"name\":\"list\",\"arguments\":\"{}\"}\n\n"
		"event: response.output_item.done\ndata: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":{\"type\":\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"list\",\"arguments\":\"{}\"}}\n\n"
		"event: response.completed\ndata: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[{\"type\":\"function_call\",\"id\":\"i\",\"call_id\":\"c\",\"name\":\"list\",\"arguments\":\"{}\"}]}}\n\n",
		"list 2 permit - nn|" },
	{ "calls whose type names the tool, whole", TOOLS, "openai", "/v1/responses", "application/json",
		"{\"object\":\"response\",\"status\":\"completed\",\"output\":[" ITEMS "]}",
		"local_shell 35 permit - nn|apply_patch 35 permit - nn|" },
	{ "and streamed", TOOLS, "openai", "/v1/responses", "text/event-stream",
		"data: {\"type\":\"response.output_item.done\",\"output_index\":0,\"item\":" SHELL_ITEM "}\n\n"
		"data: {\"type\":\"response.output_item.done\",\"output_index\":1,\"item\":" PATCH_ITEM "}\n\n"
		"data: {\"type\":\"response.completed\",\"response\":{\"status\":\"completed\",\"output\":[" ITEMS "]}}\n\n",
		"local_shell 35 permit - nn|apply_patch 35 permit - nn|" },
	{ "Bedrock's", TOOLS, "bedrock", "/model/x/converse", "application/json",
		"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"list\",\"input\":{\"a\":\"b\"}}}]}},\"stopReason\":\"tool_use\"}",
		"list 9 permit - nn|" },
	{ "a name that is a value is not in the record", TOOLS, "openai", "/v1/chat/completions", "application/json",
		CHAT(CALL(MAIL, "{}")), "<redacted> 2 permit - nn|" },
};
/* clang-format on */

static const unsigned char key[32] = "keyed";

static void
tell(const struct guard_rig *r, bool judged, struct buf *out)
{
	const struct guard_report *rep = guard_report(r->g);

	for (size_t i = 0; i < rep->ncalled; i++) {
		const struct guard_called *c = &rep->called[i];
		buf_str(out, c->judged == judged ? "" : "unjudged ");
		buf_printf(out, "%s %llu", c->name, (unsigned long long)c->bytes);
		if (c->judged)
			buf_printf(out, " %s %s %s", rule_effect_name(c->ruled.effect),
				c->ruled.rule ? c->ruled.rule->name : "-", c->outcomes);
		if (c->judged && c->ruled.shadowed)
			buf_printf(out, " (%s %s)", rule_effect_name(c->ruled.shadow_effect),
				c->ruled.shadow_rule ? c->ruled.shadow_rule->name : "-");
		buf_putc(out, '|');
	}
}

static void
run(const struct answer_case *c, bool inspects, size_t step, struct guard_rig *r)
{
	struct span in = span_str(c->in);

	guard_rig_load(r, c);
	r->plan.keep_key = key;
	r->plan.keeps = GUARD_KEEPS_TEXT;
	r->plan.reads_calls = true;
	r->plan.inspects = inspects;
	assert_true(r->f.p->routes[0].uses.calls);
	guard_rig_begin(r, c);
	for (size_t at = 0; at < in.n; at += step)
		guard_rig_feed(r, span_cut(in, at, at + step < in.n ? at + step : in.n));
	guard_rig_end(r);
}

static void
each_call_has_exactly_one_entry(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT_OF(rows); i++) {
		const struct answer_case *c = &rows[i / 2];
		struct guard_rig r;
		struct buf say;
		run(c, true, i % 2 ? 1 : 65536, &r);
		buf_init(&say, 0);
		tell(&r, true, &say);
		if (!span_is(buf_view(&say), c->want))
			fail_msg("%s: %.*s", c->name, SPAN_ARG(buf_view(&say)));
		buf_free(&say);
		guard_rig_close(&r);
	}
}

/* If nothing is inspected, no rule is applied, but the calls have entries. */
static void
calls_have_entries_without_inspection(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		const struct answer_case *c = &rows[i];
		struct guard_rig r;
		size_t n = 0;
		for (const char *p = c->want; *p; p++)
			n += *p == '|';
		run(c, false, 7, &r);
		const struct guard_report *rep = guard_report(r.g);
		if (rep->ncalled != n)
			fail_msg("%s: %zu calls", c->name, rep->ncalled);
		for (size_t k = 0; k < n; k++)
			assert_true(rep->called[k].bytes >= 2 && !rep->called[k].judged);
		guard_rig_close(&r);
	}
}

static void
hash_of(size_t row, size_t call, unsigned char out[SHA256_BYTES], struct buf *text)
{
	struct guard_rig r;

	run(&rows[row], true, 3, &r);
	const struct guard_called *c = &guard_report(r.g)->called[call];
	guard_called_hash(r.g, c, out);
	buf_span(text, guard_called_text(r.g, c));
	guard_rig_close(&r);
}

static void
equal_arguments_have_equal_hashes(void **state)
{
	unsigned char whole[SHA256_BYTES], streamed[SHA256_BYTES], want[SHA256_BYTES];
	struct buf text;

	(void)state;
	buf_init(&text, 0);
	hash_of(0, 0, whole, &text);
	assert_true(span_is(buf_view(&text), "{\"a\":1}"));
	buf_clear(&text);
	hash_of(3, 0, streamed, &text);
	assert_true(span_is(buf_view(&text), "{\"a\":1}"));
	hmac_sha256(key, SPAN_LIT("{\"a\":1}"), want);
	assert_memory_equal(whole, want, sizeof(want));
	assert_memory_equal(streamed, want, sizeof(want));
	buf_free(&text);
}

static void
calls_without_room_are_counted(void **state)
{
	const struct answer_case base = rows[0];
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	buf_str(&in, "{\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[");
	for (unsigned i = 0; i < GUARD_CALLS + 3; i++)
		buf_printf(&in, "%s" CALL("t%u", "{}"), i ? "," : "", i);
	buf_printf(&in, "]},\"finish_reason\":\"tool_calls\"}]}%c", 0);
	struct answer_case c = base;
	c.in = buf_view(&in).p;
	run(&c, false, 65536, &r);
	assert_int_equal(guard_report(r.g)->ncalled, GUARD_CALLS);
	assert_int_equal(guard_report(r.g)->called_over, 3);
	guard_rig_close(&r);
	buf_free(&in);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_call_has_exactly_one_entry),
		cmocka_unit_test(calls_have_entries_without_inspection),
		cmocka_unit_test(equal_arguments_have_equal_hashes),
		cmocka_unit_test(calls_without_room_are_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
