/* Streams of every dialect whose events are not the dialect's: members in the wrong place, an
 * error beside a call, invalid names and numbers, repeated events. Rules with phase: tool deny
 * some calls by name, some by arguments. A client must not find any of them in the output. The
 * first byte selects the dialect. Each further three bytes are an event: the kind of change,
 * the event, and the new value. */
#include <stdio.h>
#include <stdlib.h>

#include "answer/calls/tree.h"
#include "answer/frames.h"
#include "answer/guard/guard.h"
#include "base/err.h"
#include "support/policy_fix.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { EVENTS = 12, EVENTS_MOST = 24 };

#define CHUNK(rest) "{\"choices\":[{\"index\":0," rest "}]}"
#define PIECE(rest) CHUNK("\"delta\":{\"tool_calls\":[{" rest "}]}")
#define BLOCK(i, name)                                                                         \
	"{\"type\":\"content_block_start\",\"index\":" i                                       \
	",\"content_block\":{\"type\":\"tool_use\",\"id\":\"x\",\"name\":\"" name              \
	"\",\"input\":{}}}"
#define INPUT(i, text)                                                                         \
	"{\"type\":\"content_block_delta\",\"index\":" i                                       \
	",\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"" text "\"}}"
#define ITEM(name, text)                                                                       \
	"{\"type\":\"function_call\",\"id\":\"fc_x\",\"call_id\":\"x\",\"name\":\"" name       \
	"\",\"arguments\":\"" text "\"}"
#define DONE(i, item)                                                                          \
	"{\"type\":\"response.output_item.done\",\"output_index\":" i ",\"item\":" item "}"
#define PART(rest)	 "{\"candidates\":[{\"content\":{\"parts\":[" rest "]}}]}"
#define CALL(name, args) PART("{\"functionCall\":{\"name\":\"" name "\",\"args\":" args "}}")
#define START(i, name)                                                                         \
	"{\"contentBlockIndex\":" i                                                            \
	",\"start\":{\"toolUse\":{\"toolUseId\":\"x\",\"name\":\"" name "\"}}}"
#define DELTA(i, text)                                                                         \
	"{\"contentBlockIndex\":" i ",\"delta\":{\"toolUse\":{\"input\":\"" text "\"}}}"
#define TOOL(type, i, rest)                                                                    \
	"{\"type\":\"tool-call-" type "\",\"index\":" i                                        \
	",\"delta\":{\"message\":{\"tool_calls\":{\"function\":{" rest "}}}}}"
#define LINE(name, args)                                                                       \
	"{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"" name       \
	"\",\"arguments\":" args "}}]}}"

#define STEP(i, name)                                                                          \
	"{\"event_type\":\"step.start\",\"index\":" i                                          \
	",\"step\":{\"type\":\"function_call\",\"id\":\"x\",\"name\":\"" name                  \
	"\",\"arguments\":{}}}"
#define STEP_INPUT(i, text)                                                                    \
	"{\"event_type\":\"step.delta\",\"index\":" i                                          \
	",\"delta\":{\"type\":\"arguments_delta\",\"arguments\":\"" text "\"}}"
#define STEP_END(i) "{\"event_type\":\"step.stop\",\"index\":" i "}"
#define CONVERSED(i, name, text)                                                               \
	"{\"type\":\"function.call.delta\",\"output_index\":" i ",\"tool_call_id\":\"x" i      \
	"\",\"name\":\"" name "\",\"arguments\":\"" text "\"}"

static const struct {
	const struct answer_format *format;
	const char *dialect, *type;
	enum frames_kind kind;
	const char *events[EVENTS];
} dialects[] = {
	{ &answer_openai, "openai", "text/event-stream", FRAMES_SSE,
		{ PIECE("\"index\":0,\"id\":\"x\",\"function\":{\"name\":\"delete\","
			"\"arguments\":\"{}\"}"),
			PIECE("\"index\":1,\"id\":\"y\",\"function\":{\"name\":\"pay\","
			      "\"arguments\":\"\"}"),
			PIECE("\"index\":1,\"function\":{\"arguments\":\"{\\\"amount\\\":\"}"),
			PIECE("\"index\":1,\"function\":{\"arguments\":\"500}\"}"),
			PIECE("\"index\":2,\"function\":{\"name\":\"list\",\"arguments\":\"{}"
			      "\"}"),
			CHUNK("\"delta\":{},\"finish_reason\":\"tool_calls\""),
			CHUNK("\"delta\":{\"content\":\"so\"}"),
			CHUNK("\"delta\":{\"function_call\":{\"name\":\"delete\",\"arguments\":"
			      "\"\"}}"),
			PIECE("\"index\":3,\"custom\":{\"name\":\"delete\",\"input\":\"x\"}"),
			PIECE("\"index\":4,\"function\":{\"name\":\"del\"}"),
			PIECE("\"index\":4,\"function\":{\"name\":\"ete\"}"),
			PIECE("\"index\":0,\"function\":{\"arguments\":\"{\\\"amount\\\":500}"
			      "\"}") } },
	{ &answer_openai_responses, "openai", "text/event-stream", FRAMES_SSE,
		{ "{\"type\":\"response.created\",\"response\":{\"store\":false,\"output\":[]}"
		  "}",
			DONE("0", ITEM("delete", "{}")), DONE("1", ITEM("list", "{}")),
			"{\"type\":\"response.output_item.added\",\"output_index\":2,"
			"\"item\":" ITEM("pay", "") "}",
			"{\"type\":\"response.function_call_arguments.delta\",\"output_index\":"
			"2,"
			"\"delta\":\"{\\\"amount\\\":500}\"}",
			"{\"type\":\"response.function_call_arguments.done\",\"output_index\":"
			"2,"
			"\"arguments\":\"{\\\"amount\\\":500}\"}",
			DONE("2", ITEM("pay", "{\\\"amount\\\":500}")),
			"{\"type\":\"response.completed\",\"response\":{\"output\":[" ITEM(
				"delete", "{}") "," ITEM("list", "{}") "]}}",
			DONE("3",
				"{\"type\":\"local_shell_call\",\"call_id\":\"x\",\"action\":{"
				"\"type\":\"exec\",\"command\":[\"rm\"]}}"),
			DONE("3", "{\"type\":\"custom_tool_call\",\"call_id\":\"x\",\"name\":"
				  "\"delete\",\"input\":\"x\"}"),
			"{\"type\":\"response.output_text.delta\",\"output_index\":4,"
			"\"content_index\":0,\"delta\":\"so\"}",
			"{\"type\":\"response.completed\",\"response\":{\"output\":[]}}" } },
	{ &answer_anthropic, "anthropic", "text/event-stream", FRAMES_SSE,
		{ "{\"type\":\"message_start\",\"message\":{\"content\":[]}}",
			BLOCK("0", "delete"), INPUT("0", "{}"),
			"{\"type\":\"content_block_stop\",\"index\":0}", BLOCK("1", "pay"),
			INPUT("1", "{\\\"amount\\\":"), INPUT("1", "500}"),
			"{\"type\":\"content_block_stop\",\"index\":1}", BLOCK("0", "list"),
			"{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{"
			"\"type\":"
			"\"text\",\"text\":\"\"}}",
			"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}",
			"{\"type\":\"message_stop\"}" } },
	{ &answer_gemini, "gemini", "text/event-stream", FRAMES_SSE,
		{ CALL("delete", "{}"), CALL("list", "{}"), CALL("pay", "{\"amount\":500}"),
			CALL("pay", "{\"amount\":5}"),
			PART("{\"functionCall\":{\"name\":\"pay\",\"willContinue\":true}}"),
			PART("{\"functionCall\":{\"args\":{\"amount\":500}}}"),
			PART("{\"text\":\"so\"}"),
			PART("{\"executableCode\":{\"language\":\"PYTHON\",\"code\":\"x\"}}"),
			PART("{\"functionCall\":{\"name\":\"list\",\"args\":{}},"
			     "\"thoughtSignature\":\"x\"}"),
			PART("{\"function_call\":{\"name\":\"delete\",\"args\":{}}}"),
			"{\"candidates\":[{\"index\":0,\"content\":{\"parts\":[]},"
			"\"finishReason\":\"STOP\"}]}",
			"{\"usageMetadata\":{\"totalTokenCount\":1}}" } },
	{ &answer_bedrock, "bedrock", "application/vnd.amazon.eventstream", FRAMES_EVENTSTREAM,
		{ "{\"role\":\"assistant\"}", START("0", "delete"), DELTA("0", "{}"),
			"{\"contentBlockIndex\":0}", START("1", "pay"),
			DELTA("1", "{\\\"amount\\\":"), DELTA("1", "500}"),
			"{\"contentBlockIndex\":1}", START("2", "list"),
			"{\"contentBlockIndex\":2,\"delta\":{\"text\":\"so\"}}",
			"{\"contentBlockIndex\":2}", "{\"stopReason\":\"tool_use\"}" } },
	{ &answer_cohere, "cohere", "text/event-stream", FRAMES_SSE,
		{ TOOL("start", "0", "\"name\":\"delete\",\"arguments\":\"{}\""),
			"{\"type\":\"tool-call-end\",\"index\":0}",
			TOOL("start", "1", "\"name\":\"pay\",\"arguments\":\"\""),
			TOOL("delta", "1", "\"arguments\":\"{\\\"amount\\\":\""),
			TOOL("delta", "1", "\"arguments\":\"500}\""),
			"{\"type\":\"tool-call-end\",\"index\":1}",
			TOOL("start", "0", "\"name\":\"list\",\"arguments\":\"{}\""),
			TOOL("delta", "0", "\"arguments\":\"{\\\"amount\\\":500}\""),
			"{\"type\":\"content-start\",\"index\":0,\"delta\":{\"message\":{"
			"\"content\":"
			"{\"type\":\"text\",\"text\":\"\"}}}}",
			"{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
			"\"content\":"
			"{\"text\":\"so\"}}}}",
			"{\"type\":\"content-end\",\"index\":0}",
			"{\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"TOOL_CALL\"}"
			"}" } },
	{ &answer_ollama, "ollama", "application/x-ndjson", FRAMES_LINES,
		{ LINE("delete", "{}"), LINE("list", "{}"), LINE("pay", "{\"amount\":500}"),
			LINE("pay", "{\"amount\":5}"), LINE("pay", "\"{\\\"amount\\\":500}\""),
			"{\"message\":{\"content\":\"so\"}}", "{\"message\":{},\"done\":true}",
			LINE("list", "{\"amount\":500}"),
			LINE("mail", "{\"to\":\"a@example.org\"}"),
			"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":"
			"\"stop\"}",
			"{\"message\":{\"content\":null,\"tool_calls\":[]}}",
			"{\"message\":{\"tool_calls\":null}}" } },
	{ &answer_interactions, "gemini", "text/event-stream", FRAMES_SSE,
		{ STEP("0", "delete"), STEP_END("0"), STEP("1", "pay"),
			STEP_INPUT("1", "{\\\"amount\\\":"), STEP_INPUT("1", "500}"),
			STEP_END("1"), STEP("0", "list"),
			"{\"event_type\":\"content.delta\",\"index\":2,\"delta\":{\"type\":"
			"\"function_call\",\"name\":\"delete\",\"arguments\":{}}}",
			"{\"event_type\":\"step.start\",\"index\":3,\"step\":{\"type\":"
			"\"model_output\"}}",
			"{\"event_type\":\"step.delta\",\"index\":3,\"delta\":{\"type\":"
			"\"text\",\"text\":\"so\"}}",
			STEP_END("3"),
			"{\"event_type\":\"interaction.completed\",\"interaction\":{\"id\":"
			"\"v\",\"status\":\"done\"}}" } },
	{ &answer_conversations, "mistral", "text/event-stream", FRAMES_SSE,
		{ CONVERSED("0", "delete", "{}"), CONVERSED("1", "pay", "{\\\"amount\\\":"),
			CONVERSED("1", "pay", "500}"), CONVERSED("2", "list", "{}"),
			CONVERSED("1", "list", "{}"), CONVERSED("0", "pay", "500}"),
			CONVERSED("3", "del", ""), CONVERSED("3", "ete", "{}"),
			"{\"type\":\"message.output.delta\",\"output_index\":4,\"content\":"
			"\"so\"}",
			"{\"type\":\"tool.execution.done\",\"output_index\":5,\"name\":"
			"\"web_search\"}",
			"{\"type\":\"conversation.response.started\",\"conversation_id\":"
			"\"c\"}",
			"{\"type\":\"conversation.response.done\"}" } },
	{ &answer_invoke, "bedrock", "application/vnd.amazon.eventstream", FRAMES_EVENTSTREAM,
		{ "{\"type\":\"message_start\",\"message\":{\"content\":[]}}",
			BLOCK("0", "delete"), INPUT("0", "{}"),
			"{\"type\":\"content_block_stop\",\"index\":0}", BLOCK("1", "pay"),
			INPUT("1", "{\\\"amount\\\":"), INPUT("1", "500}"),
			"{\"type\":\"content_block_stop\",\"index\":1}", BLOCK("0", "list"),
			TOOL("start", "0", "\"name\":\"delete\",\"arguments\":\"{}\""),
			"{\"contentBlockStart\":" START("0", "delete") "}",
			"{\"type\":\"message_stop\"}" } },
};

/* Returns true if the dialect wraps its events in others (Bedrock's InvokeModel). */
static bool
wraps(size_t d)
{
	return dialects[d].format == &answer_invoke;
}

static struct {
	const struct policy *policy;
	struct answer_request asked;
} set;

static void
set_up(void)
{
	static struct arena arena;
	static const char text[] = POLICY_HEAD
		"rules:\n"
		"  - {name: a, phase: tool, when: 'tool.name == \"delete\"', deny: true}\n"
		"  - {name: b, phase: tool, when: 'tool.name == \"pay\" && "
		"tool.arguments.amount > "
		"100', deny: true}\n"
		"  - {name: d, phase: tool, when: 'tool.name in [\"local_shell\", "
		"\"code_execution\"]', deny: true}\n"
		"  - {name: c, phase: tool, when: 'tool.name == \"mail\"', redact: {classes: "
		"[pii]}}\n";

	set.policy = fix_asked(text, &arena, &set.asked);
}

/* ---- the input ---- */

/* Values in place of a name or a number. */
static const char *const values[] = { "0", "1", "2", "-1", "null", "\"0\"", "1.0", "1e0",
	"18446744073709551616", "[0]", "{}", "true", "[\"delete\"]", "{\"0\":\"delete\"}",
	"\"delete\"", "\"del\"", "\"ete\"", "\"pay\"", "\"\"", "[]" };
static const char *const keys[] = { "name", "index", "output_index", "contentBlockIndex",
	"type", "arguments", "input", "args", "partial_json", "id", "finish_reason" };
/* Members under which others are put. */
static const char *const places[] = { "response", "item", "delta", "message", "content_block",
	"choices", "candidates", "start", "error", "Type", "Delta", "output" };

/* Returns the i-th member of that name anywhere in the tree. */
static struct node *
find_key(struct node *n, const char *key)
{
	struct node *found = NULL;

	for (struct node *c = n->first; c && !found; c = c->next)
		found = span_is(c->key, key) ? c : find_key(c, key);
	return found;
}

/* Copies all members of `from` that `to` does not have. */
static void
graft(const struct tree *to, const struct tree *from)
{
	for (const struct node *c = from->root->first; c; c = c->next) {
		char *key = arena_alloc(to->a, c->key.n + 1);
		if (!key)
			abort();
		snprintf(key, c->key.n + 1, "%.*s", SPAN_ARG(c->key));
		if (!tree_member(to->root, key))
			tree_add(to, to->root, key, tree_raw(from, c));
	}
}

static void
mutate(const struct tree *t, const struct tree *other, unsigned how, unsigned with)
{
	struct node *n = NULL;

	switch (how) {
	case 1: graft(t, other); break;
	case 2: tree_add(t, t->root, "error", span_str("{\"message\":\"x\"}")); break;
	case 3:
		if ((n = tree_member(t->root, "type")))
			tree_put(n, SPAN_LIT("\"error\""));
		else
			tree_add(t, t->root, "type", SPAN_LIT("\"error\""));
		break;
	case 4:
		for (size_t i = 0; i < COUNT_OF(keys) && !n; i++)
			n = find_key(t->root, keys[(i + with) % COUNT_OF(keys)]);
		if (n)
			tree_put(n, span_str(values[with % COUNT_OF(values)]));
		break;
	case 5: {
		const char *key = places[with % COUNT_OF(places)];
		n = tree_member(t->root, key);
		if (n)
			tree_put(n, other->raw);
		else
			tree_add(t, t->root, key, other->raw);
		break;
	}
	case 6:
		n = find_key(t->root, keys[with % COUNT_OF(keys)]);
		if (n && n->up)
			tree_cut(n);
		break;
	case 7:
		n = tree_member(t->root, "type");
		if (n && tree_member(other->root, "type"))
			tree_put(n, tree_raw(other, tree_member(other->root, "type")));
		break;
	default: break;
	}
}

static struct span
bedrock_type(struct span json)
{
	static const char *const types[][2] = { { "\"start\"", "contentBlockStart" },
		{ "\"delta\"", "contentBlockDelta" }, { "stopReason", "messageStop" },
		{ "role", "messageStart" } };

	for (size_t i = 0; i < COUNT_OF(types); i++)
		if (memmem(json.p, json.n, types[i][0], strlen(types[i][0])))
			return span_str(types[i][1]);
	return SPAN_LIT("contentBlockStop");
}

static void
make(size_t d, const uint8_t *program, size_t n, struct buf *out)
{
	struct frame_writer w;
	struct arena a;
	struct buf one;

	frame_writer_init(&w, dialects[d].kind);
	w.wrap = wraps(d);
	arena_init(&a, 0, false);
	buf_init(&one, 0);
	for (size_t i = 0; i + 3 <= n && i < EVENTS_MOST * 3; i += 3) {
		const char *const *events = dialects[d].events;
		struct tree t, other;
		if (tree_read(&t, &a, span_str(events[program[i + 1] % EVENTS])) ||
			tree_read(&other, &a, span_str(events[program[i + 2] % EVENTS])))
			abort();
		mutate(&t, &other, program[i] % 8, program[i + 2]);
		buf_clear(&one);
		tree_write(&t, t.root, &one);
		for (unsigned times = 1 + (program[i] >> 7); times; times--)
			frame_write(&w,
				wraps(d) ? SPAN_LIT("chunk")
				: dialects[d].kind == FRAMES_EVENTSTREAM
					? bedrock_type(buf_view(&one))
					: SPAN_LIT(""),
				buf_view(&one), out);
		arena_reset(&a);
	}
	if (dialects[d].format == &answer_openai)
		buf_str(out, "data: [DONE]\n\n");
	arena_reset(&a);
	buf_free(&one);
}

/* ---- the output ---- */

/* A client's calls, by their index or in the order in which they began. */
struct client {
	size_t n;
	bool whole; /* its stream did not fail */
	struct client_call {
		uint64_t index;
		char name[64], arguments[256];
	} v[64];
};

static void
join(char *to, size_t room, const struct tree *t, const struct node *n)
{
	struct span s = n && n->tok == JSON_OBJECT ? tree_raw(t, n) : tree_text(t, n);
	size_t have = strlen(to);

	snprintf(to + have, room - have, "%.*s", SPAN_ARG(s));
}

static struct client_call *
call_at(struct client *c, uint64_t index, bool begins)
{
	for (size_t i = 0; i < c->n && !begins; i++)
		if (c->v[i].index == index)
			return &c->v[i];
	if (c->n == COUNT_OF(c->v))
		return NULL;
	c->v[c->n] = (struct client_call){ .index = index };
	return &c->v[c->n++];
}

static void
client_adds(struct client *c, const struct tree *t, uint64_t index, bool begins,
	const struct node *of)
{
	static const char *const arguments[] = { "arguments", "input", "args" };
	struct client_call *call = call_at(c, index, begins);

	if (!call)
		return;
	join(call->name, sizeof(call->name), t, tree_member(of, "name"));
	for (size_t i = 0; i < COUNT_OF(arguments); i++)
		join(call->arguments, sizeof(call->arguments), t,
			tree_member(of, arguments[i]));
}

static void
read_choices(struct client *c, const struct tree *t)
{
	const struct node *n, *v;

	for (n = tree_elements(tree_member(t->root, "choices")); n; n = n->next) {
		const struct node *delta = tree_member(n, "delta");
		uint64_t base = 100 * (1 + tree_number(t, tree_member(n, "index"), 0));
		for (v = tree_elements(tree_member(delta, "tool_calls")); v; v = v->next) {
			uint64_t i = base + tree_number(t, tree_member(v, "index"), 0);
			client_adds(c, t, i, false, tree_member(v, "function"));
			client_adds(c, t, i, false, tree_member(v, "custom"));
		}
		if (tree_member(delta, "function_call"))
			client_adds(
				c, t, base + 99, false, tree_member(delta, "function_call"));
	}
}

static void
read_responses(struct client *c, const struct tree *t)
{
	static const char *const is[] = { "function_call", "custom_tool_call" };
	const struct node *item = tree_member(t->root, "item"), *n;
	const struct node *response = tree_member(t->root, "response");

	if (tree_is(t, tree_member(item, "type"), "local_shell_call"))
		abort();
	if (tree_is(t, tree_member(t->root, "type"), "response.output_item.done") &&
		SPAN_IN(tree_text(t, tree_member(item, "type")), is))
		client_adds(c, t, 0, true, item);
	for (n = tree_elements(tree_member(response, "output")); n; n = n->next)
		if (SPAN_IN(tree_text(t, tree_member(n, "type")), is))
			client_adds(c, t, 0, true, n);
}

/* Reads blocks in their order, as the SDK does. */
static void
read_blocks(struct client *c, const struct tree *t, uint64_t *blocks)
{
	const struct node *type = tree_member(t->root, "type");
	const struct node *block = tree_member(t->root, "content_block");
	const struct node *delta = tree_member(t->root, "delta");
	uint64_t index = tree_number(t, tree_member(t->root, "index"), 0);

	if (tree_is(t, type, "content_block_start")) {
		if (tree_is(t, tree_member(block, "type"), "tool_use")) {
			struct client_call *call = call_at(c, *blocks, true);
			if (call)
				join(call->name, sizeof(call->name), t,
					tree_member(block, "name"));
		}
		++*blocks;
	} else if (tree_is(t, type, "content_block_delta") && index < *blocks) {
		for (size_t i = 0; i < c->n; i++)
			if (c->v[i].index == index)
				join(c->v[i].arguments, sizeof(c->v[i].arguments), t,
					tree_member(delta, "partial_json"));
	}
}

/* Interactions have calls by the number of the step. Conversations join the parts of one number
 * and repeat the name in each part. */
static void
read_steps(struct client *c, const struct tree *t)
{
	const struct node *step = tree_member(t->root, "step"), *n;
	const struct node *delta = tree_member(t->root, "delta");
	uint64_t index = 2000 + tree_number(t, tree_member(t->root, "index"), 0);

	if (tree_is(t, tree_member(step, "type"), "function_call")) {
		struct client_call *call = call_at(c, index, true);
		if (call)
			join(call->name, sizeof(call->name), t, tree_member(step, "name"));
	}
	if (tree_is(t, tree_member(delta, "type"), "function_call"))
		client_adds(c, t, index, true, delta);
	if (tree_is(t, tree_member(delta, "type"), "arguments_delta"))
		for (size_t i = c->n; i-- > 0;)
			if (c->v[i].index == index) {
				join(c->v[i].arguments, sizeof(c->v[i].arguments), t,
					tree_member(delta, "arguments"));
				break;
			}
	if (tree_is(t, tree_member(t->root, "type"), "function.call.delta")) {
		index = 3000 + tree_number(t, tree_member(t->root, "output_index"), 0);
		struct client_call *call = call_at(c, index, false);
		if (call && (n = tree_member(t->root, "name")))
			snprintf(call->name, sizeof(call->name), "%.*s",
				SPAN_ARG(tree_text(t, n)));
		if (call)
			join(call->arguments, sizeof(call->arguments), t,
				tree_member(t->root, "arguments"));
	}
}

static void
read_event(struct client *c, const struct tree *t, uint64_t *blocks)
{
	const struct node *message = tree_member(tree_member(t->root, "delta"), "message");
	const struct node *n, *p;

	read_choices(c, t);
	read_responses(c, t);
	read_blocks(c, t, blocks);
	read_steps(c, t);
	for (n = tree_elements(tree_member(t->root, "candidates")); n; n = n->next)
		for (p = tree_elements(tree_member(tree_member(n, "content"), "parts")); p;
			p = p->next)
			if (tree_member(p, "executableCode"))
				abort();
			else if (tree_member(p, "functionCall"))
				client_adds(c, t, 0, true, tree_member(p, "functionCall"));
	if (tree_member(t->root, "contentBlockStart") &&
		c->whole) /* Nova's, through Bedrock's InvokeModel */
		client_adds(c, t, 0, true,
			tree_member(
				tree_member(tree_member(t->root, "contentBlockStart"), "start"),
				"toolUse"));
	/* Converse: a part belongs to the call that began last */
	n = tree_member(tree_member(t->root, "start"), "toolUse");
	if (n)
		client_adds(c, t, 0, true, n);
	n = tree_member(tree_member(t->root, "delta"), "toolUse");
	if (n && c->n)
		join(c->v[c->n - 1].arguments, sizeof(c->v[0].arguments), t,
			tree_member(n, "input"));
	/* Cohere, Ollama */
	n = tree_member(message, "tool_calls");
	if (n && c->whole)
		client_adds(c, t, 1000 + tree_number(t, tree_member(t->root, "index"), 0),
			tree_is(t, tree_member(t->root, "type"), "tool-call-start"),
			tree_member(n, "function"));
	message = tree_member(t->root, "message");
	for (n = tree_elements(tree_member(message, "tool_calls")); n; n = n->next)
		client_adds(c, t, 0, true, tree_member(n, "function"));
}

/* A denial ends the stream for calls in Bedrock's InvokeModel that are not Claude's. Their
 * clients run calls only of a whole stream. */
static void
check(size_t d, struct span out, bool whole)
{
	struct client c = { .whole = whole || !wraps(d) };
	struct frames frames;
	struct buf inner;
	uint64_t blocks = 0;
	struct arena a;
	struct frame f;
	struct tree t;

	arena_init(&a, 0, false);
	frames_init(&frames, dialects[d].kind, 0);
	buf_init(&inner, 0);
	while (frames_next(&frames, &out, &f) == FRAME_WHOLE) {
		buf_clear(&inner);
		if (wraps(d) && frame_unwrap(&f, &inner))
			continue; /* an exception of its own */
		if (f.has_data && !tree_read(&t, &a, f.data))
			read_event(&c, &t, &blocks);
		arena_reset(&a);
	}
	frames_free(&frames);
	buf_free(&inner);
	for (size_t i = 0; i < c.n; i++)
		if (!strcmp(c.v[i].name, "delete") ||
			(!strcmp(c.v[i].name, "pay") &&
				!strcmp(c.v[i].arguments, "{\"amount\":500}")))
			abort();
}

static enum guard_result
run(size_t d, struct span in, size_t step, struct buf *out)
{
	struct guard_plan plan = { .format = dialects[d].format,
		.dialect = dialect_find(span_str(dialects[d].dialect)),
		.path = wraps(d) ? SPAN_LIT("/model/claude/invoke-with-response-stream")
				 : SPAN_LIT("/x"),
		.rules = detect_fix()->rules,
		.scratch = detect_fix()->scratch,
		.inspects = true,
		.policy = set.policy,
		.options = policy_detect_options(set.policy),
		.asked = &set.asked };
	struct guard_head head = { .status = 200, .content_type = span_str(dialects[d].type) };
	struct guard *g = guard_new(&plan, &head);
	enum guard_result got = GUARD_PASS;

	if (!g)
		abort();
	for (size_t at = 0; at < in.n && !got; at += step)
		got = guard_feed(g, span_cut(in, at, at + step), out);
	if (!got)
		got = guard_end(g, out);
	if (got && !guard_report(g)->why)
		abort();
	guard_drop(&g);
	return got;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf in, one, two;

	if (size < 1)
		return 0;
	if (!set.policy)
		set_up();
	size_t d = data[0] % COUNT_OF(dialects);
	buf_init(&in, 0);
	buf_init(&one, 0);
	buf_init(&two, 0);
	make(d, data + 1, size - 1, &in);
	enum guard_result a = run(d, buf_view(&in), in.n + 1, &one);
	enum guard_result b = run(d, buf_view(&in), 1 + size % 61, &two);
	if (a != b || !span_eq(buf_view(&one), buf_view(&two)))
		abort();
	check(d, buf_view(&one), a == GUARD_PASS);
	buf_free(&in);
	buf_free(&one);
	buf_free(&two);
	return 0;
}
