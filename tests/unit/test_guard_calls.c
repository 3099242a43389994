/* Calls in a model's response that rules with phase: tool deny or redact: the client's
 * response, whole, streamed, and cut at each byte; reports, counters and limits; placeholders,
 * and frames around frames. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "answer/frames.h"
#include "answer/vault.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "support/answer_fix.h"

#define RULES                                                                                  \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: {reason: not "       \
	"here}}\n"                                                                             \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                        \
	"tool.arguments.amount > 100', deny: {reason: too much}}\n"                            \
	"  - {name: never, phase: tool, when: 'tool.name == \"drop\"', deny: {as: error}}\n"    \
	"  - {name: mail, phase: tool, when: 'tool.name == \"send\"', redact: {classes: "       \
	"[pii]}}\n"                                                                            \
	"  - {name: quiet, phase: tool, mode: shadow, when: 'tool.name == \"look\"', deny: "    \
	"true}\n"
#define RM   "The call of the tool rm was denied: not here"
#define PAY  "The call of the tool pay was denied: too much"
#define JSON "application/json"
#define SSE  "text/event-stream"
#define CHAT "openai", "/v1/chat/completions"
#define MSGS "anthropic", "/v1/messages"
#define DONE "data: [DONE]\n\n"

/* chat, whole */
#define WHOLE(message, finish)                                                                 \
	"{\"id\":\"c\",\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\"," message \
	"},\"finish_reason\":\"" finish "\"}],\"usage\":{\"total_tokens\":3}}"

#define FN(name, args)                                                                         \
	"{\"id\":\"" name "1\",\"type\":\"function\",\"function\":{\"name\":\"" name           \
	"\",\"arguments\":\"" args "\"}}"
/* and streamed */
#define CHUNK_OF(choice, delta, finish)                                                        \
	"data: {\"id\":\"c\",\"choices\":[{\"index\":" choice ",\"delta\":{" delta             \
	"},\"finish_reason\":" finish "}]}\n\n"
#define DELTA(delta)   CHUNK_OF("0", delta, "null")
#define FINISH(reason) CHUNK_OF("0", "", "\"" reason "\"")
#define BEGIN(index, name)                                                                     \
	DELTA("\"tool_calls\":[{\"index\":" index ",\"id\":\"" name                            \
	      "1\",\"type\":\"function\",\"function\":{\"name\":\"" name                       \
	      "\",\"arguments\":\"\"}}]")
#define MORE(index, args)                                                                      \
	DELTA("\"tool_calls\":[{\"index\":" index ",\"function\":{\"arguments\":\"" args "\"}}]")

/* the others */
#define GEM "gemini", "/v1beta/models/g:generateContent"

#define AWS    "bedrock", "/model/m/converse"
#define COHERE "cohere", "/v2/chat"
#define OLLAMA "ollama", "/api/chat"
#define CANDIDATE(parts)                                                                       \
	"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts                 \
	"]},\"finishReason\":\"STOP\"}]}"
#define CALL(name, args) "{\"functionCall\":{\"name\":\"" name "\",\"args\":" args "}}"
#define GEMINI_PARTS(parts, more)                                                              \
	"{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":[" parts "]}" more "}]}"
#define OLLAMA_LINE(text, name)                                                                \
	"{\"message\":{\"content\":\"" text "\",\"tool_calls\":[{\"function\":{\"name\":\"" name   \
	"\",\"arguments\":{}}}]},\"done\":false}\n"
#define CONVERSE(blocks, stop)                                                                 \
	"{\"output\":{\"message\":{\"role\":\"assistant\",\"content\":[" blocks                 \
	"]}},\"stopReason\":\"" stop "\"}"
#define TOOL_USE(name, input)                                                                  \
	"{\"toolUse\":{\"toolUseId\":\"t\",\"name\":\"" name "\",\"input\":" input "}}"
#define TOOL_CALLS(inner) ",\"delta\":{\"message\":{\"tool_calls\":{" inner "}}}"
#define TOOL_START(index, name)                                                                \
	EVENT("tool-call-start",                                                               \
		",\"index\":" index TOOL_CALLS("\"id\":\"" name                               \
						 "1\",\"type\":\"function\",\"function\":{"    \
						 "\"name\":\"" name                               \
						 "\",\"arguments\":\"\"}"))
#define TOOL_MORE(index, args)                                                                 \
	EVENT("tool-call-delta",                                                               \
		",\"index\":" index TOOL_CALLS("\"function\":{\"arguments\":\"" args "\"}"))
#define TOOL_END(index) EVENT("tool-call-end", ",\"index\":" index)
#define COHERE_END(finish)                                                                     \
	EVENT("message-end", ",\"delta\":{\"finish_reason\":\"" finish "\"}")

/* Anthropic */
#define MESSAGE(blocks, stop)                                                                  \
	"{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"content\":[" blocks       \
	"],\"stop_reason\":\"" stop "\",\"usage\":{\"input_tokens\":1,\"output_tokens\":2}}"

#define USE(name, input)                                                                       \
	"{\"type\":\"tool_use\",\"id\":\"" name "1\",\"name\":\"" name "\",\"input\":" input "}"
#define TEXT(text) "{\"type\":\"text\",\"text\":\"" text "\"}"
#define EVENT(type, rest)                                                                      \
	"event: " type "\ndata: {\"type\":\"" type "\"" rest "}\n\n"
#define START                                                                                  \
	EVENT("message_start",                                                                 \
		",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\","      \
		"\"content\":[],\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}")
#define OPEN(index, block)                                                                     \
	EVENT("content_block_start", ",\"index\":" index ",\"content_block\":" block)
#define PART(index, part)                                                                      \
	EVENT("content_block_delta",                                                           \
		",\"index\":" index ",\"delta\":{\"type\":\"input_json_delta\",\"partial_"     \
		"json\":\"" part "\"}")
#define SAID(index, text)                                                                      \
	EVENT("content_block_delta",                                                           \
		",\"index\":" index ",\"delta\":{\"type\":\"text_delta\",\"text\":\"" text     \
		"\"}")
#define CLOSE(index) EVENT("content_block_stop", ",\"index\":" index)
#define STOP_FOR(reason)                                                                       \
	EVENT("message_delta",                                                                 \
		",\"delta\":{\"stop_reason\":\"" reason "\"},\"usage\":{\"output_tokens\":2}") \
	EVENT("message_stop", "")

/* responses */
#define RESP "openai", "/v1/responses"

#define RESPONSE(store, output)                                                                \
	"{\"id\":\"r\",\"object\":\"response\",\"status\":\"completed\",\"store\":" store           \
	",\"output\":[" output "]}"
#define FC(name, args)                                                                         \
	"{\"type\":\"function_call\",\"id\":\"fc_" name "\",\"call_id\":\"c" name                \
	"\",\"name\":\"" name "\",\"arguments\":\"" args "\",\"status\":\"completed\"}"
#define MSG(id, text)                                                                          \
	"{\"id\":\"msg_" id "\",\"type\":\"message\",\"status\":\"completed\",\"role\":"            \
	"\"assistant\",\"content\":[{\"type\":\"output_text\",\"text\":\"" text                    \
	"\",\"annotations\":[]}]}"
#define NUMBERED(type, n, rest)                                                                \
	"event: " type "\ndata: {\"type\":\"" type "\",\"sequence_number\":" n rest "}\n\n"
#define CREATED(store)                                                                         \
	NUMBERED("response.created", "0",                                                      \
		",\"response\":{\"id\":\"r\",\"status\":\"in_progress\",\"store\":" store          \
		",\"output\":[]}")
#define ADDED(n, i, item)                                                                      \
	NUMBERED("response.output_item.added", n, ",\"output_index\":" i ",\"item\":" item)
#define ARGS(n, i, name, args)                                                                 \
	NUMBERED("response.function_call_arguments.delta", n,                                  \
		",\"item_id\":\"fc_" name "\",\"output_index\":" i ",\"delta\":\"" args "\"")
#define ARGS_DONE(n, i, name, args)                                                            \
	NUMBERED("response.function_call_arguments.done", n,                                   \
		",\"item_id\":\"fc_" name "\",\"output_index\":" i ",\"arguments\":\"" args "\"")
#define ITEM_DONE(n, i, item)                                                                  \
	NUMBERED("response.output_item.done", n, ",\"output_index\":" i ",\"item\":" item)
#define COMPLETED(n, output)                                                                   \
	NUMBERED("response.completed", n, ",\"response\":" RESPONSE("false", output))
#define OWN(type, n, i, id, rest)                                                              \
	NUMBERED(type, n,                                                                      \
		",\"item_id\":\"msg_" id "\",\"output_index\":" i ",\"content_index\":0," rest)
#define OWN_TEXT(n0, n1, n2, n3, i, id, text)                                                  \
	OWN("response.content_part.added", n0, i, id,                                          \
		"\"part\":{\"type\":\"output_text\",\"text\":\"\",\"annotations\":[]}")            \
	OWN("response.output_text.delta", n1, i, id, "\"delta\":\"" text "\"")                 \
	OWN("response.output_text.done", n2, i, id, "\"text\":\"" text "\"")                   \
	OWN("response.content_part.done", n3, i, id,                                           \
		"\"part\":{\"type\":\"output_text\",\"text\":\"" text "\",\"annotations\":[]}")
#define MSG_BEGUN(id)                                                                          \
	"{\"id\":\"msg_" id "\",\"type\":\"message\",\"status\":\"in_progress\",\"role\":"          \
	"\"assistant\",\"content\":[]}"

/* stored turns */
#define INTER "gemini", "/v1beta/interactions"

#define STEP(name, args)                                                                       \
	"{\"type\":\"function_call\",\"id\":\"" name "1\",\"name\":\"" name "\",\"arguments\":" args \
	"}"
#define INTERACTION(list, steps)                                                               \
	"{\"id\":\"v1\",\"status\":\"requires_action\",\"" list "\":[" steps "]}"
#define IEVENT(type, rest)                                                                     \
	"event: " type "\ndata: {\"event_type\":\"" type "\"" rest "}\n\n"
#define IDONE IEVENT("interaction.completed", ",\"interaction\":{\"id\":\"v1\",\"status\":\"done\"}")
#define CONV  "mistral", "/v1/conversations"
#define MCALL(name, args)                                                                      \
	"event: function.call.delta\ndata: {\"type\":\"function.call.delta\",\"output_index\":0,"  \
	"\"tool_call_id\":\"t1\",\"name\":\"" name "\",\"arguments\":\"" args "\"}\n\n"
#define MDONE "event: conversation.response.done\ndata: {\"type\":\"conversation.response.done\"}\n\n"

static const char SAME[] = "as it came, in whatever pieces";
static const char ANYHOW[] = "it goes";

#define ID_CALL(index, id, name, args)                                                         \
	DELTA("\"tool_calls\":[{\"index\":" index ",\"id\":\"" id                               \
	      "\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args "\"}}]")

static const struct row {
	const char *name, *dialect, *path, *type, *in, *want; /* NULL: unchanged */
	enum guard_result got;
} rows[] = {
	/* ---- chat, whole ---- */
	{ "no call is touched that no rule denies", CHAT, JSON,
		WHOLE("\"content\":null, \"tool_calls\":[" FN("a", "{}") "]", "tool_calls"),
		NULL, 0 },
	{ "one of several goes, and its reason is text", CHAT, JSON,
		WHOLE("\"content\":null,\"tool_calls\":[" FN("a", "{}") "," FN(
			      "rm", "{}") "," FN("b", "{}") "]",
			"tool_calls"),
		WHOLE("\"content\":\"" RM
		      "\",\"tool_calls\":[" FN("a", "{}") "," FN("b", "{}") "]",
			"tool_calls"),
		0 },
	{ "the only one: no list, and a finish that agrees", CHAT, JSON,
		WHOLE("\"content\":\"Well.\",\"tool_calls\":[" FN("rm", "{}") "]",
			"tool_calls"),
		WHOLE("\"content\":\"Well.\\n\\n" RM "\"", "stop"), 0 },
	{ "two, by name and by arguments", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("rm", "{}") "," FN(
			      "pay", "{\\\"amount\\\":101}") "]",
			"tool_calls"),
		WHOLE("\"content\":\"" RM "\\n\\n" PAY "\"", "stop"), 0 },
	{ "arguments that a rule permits", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("pay", "{\\\"amount\\\":100}") "]", "tool_calls"),
		NULL, 0 },
	{ "arguments that are no JSON fail the rule that reads them", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("pay", "{\\\"amount") "]", "tool_calls"),
		WHOLE("\"content\":\"The call of the tool pay was denied: a rule of the policy "
		      "could not be evaluated\"",
			"stop"),
		0 },
	{ "a length stays one", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("rm", "{}") "]", "length"),
		WHOLE("\"content\":\"" RM "\"", "length"), 0 },
	{ "the older function_call", CHAT, JSON,
		WHOLE("\"content\":null,\"function_call\":{\"name\":\"rm\",\"arguments\":\"{}"
		      "\"}",
			"function_call"),
		WHOLE("\"content\":\"" RM "\"", "stop"), 0 },
	{ "a custom tool", CHAT, JSON,
		WHOLE("\"content\":null,\"tool_calls\":[{\"id\":\"x\",\"type\":\"custom\","
		      "\"custom\":{\"name\":\"rm\",\"input\":\"-rf\"}}]",
			"tool_calls"),
		WHOLE("\"content\":\"" RM "\"", "stop"), 0 },
	{ "a name with escapes is what it spells", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("\\u0072m", "{}") "]", "tool_calls"),
		WHOLE("\"content\":\"" RM "\"", "stop"), 0 },
	{ "arguments are redacted", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("send", "{\\\"to\\\":\\\"" MAIL "\\\"}") "]",
			"tool_calls"),
		WHOLE("\"tool_calls\":[" FN("send", "{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}") "]",
			"tool_calls"),
		0 },
	{ "of the calls that the rule matches", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("a", "{\\\"to\\\":\\\"" MAIL "\\\"}") "]",
			"tool_calls"),
		NULL, 0 },
	{ "as: error ends the turn", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("a", "{}") "," FN("drop", "{}") "]", "tool_calls"),
		"", GUARD_DENIED },
	{ "shadow changes nothing", CHAT, JSON,
		WHOLE("\"tool_calls\":[" FN("look", "{}") "]", "tool_calls"), NULL, 0 },
	{ "each choice by itself", CHAT, JSON,
		"{\"choices\":[{\"index\":0,\"message\":{\"tool_calls\":[" FN("rm",
			"{}") "]},\"finish_reason\":\"tool_calls\"},{\"index\":1,\"message\":{"
			      "\"tool_calls\":[" FN(
				      "a", "{}") "]},\"finish_reason\":\"tool_calls\"}]}",
		"{\"choices\":[{\"index\":0,\"message\":{\"content\":\"" RM
		"\"},\"finish_reason\":\"stop\"},{\"index\":1,\"message\":{\"tool_calls\":[" FN(
			"a", "{}") "]},\"finish_reason\":\"tool_calls\"}]}",
		0 },
	/* ---- chat, streamed ---- */
	{ "a stream that no rule denies", CHAT, SSE,
		DELTA("\"role\":\"assistant\",\"content\":null") BEGIN("0", "a")
			MORE("0", "{\\\"x\\\":") MORE("0", "1}") BEGIN("1", "b") MORE("1", "{}")
				FINISH("tool_calls") DONE,
		NULL, 0 },
	{ "the first of three: the others take its index", CHAT, SSE,
		BEGIN("0", "rm") MORE("0", "{}") BEGIN("1", "a") MORE("1", "{}") BEGIN("2", "b")
			MORE("2", "{}") FINISH("tool_calls") DONE,
		DELTA("\"content\":\"" RM "\"") BEGIN("0", "a") MORE("0", "{}") BEGIN("1", "b")
			MORE("1", "{}") FINISH("tool_calls") DONE,
		0 },
	{ "the one between", CHAT, SSE,
		BEGIN("0", "a") MORE("0", "{}") BEGIN("1", "rm") MORE("1", "{\\\"x\\\":") MORE(
			"1", "1}") BEGIN("2", "b") MORE("2", "{}") FINISH("tool_calls") DONE,
		BEGIN("0", "a") MORE("0", "{}") DELTA("\"content\":\"" RM "\"") BEGIN("1", "b")
			MORE("1", "{}") FINISH("tool_calls") DONE,
		0 },
	{ "all of them", CHAT, SSE,
		DELTA("\"content\":\"It is. \"") BEGIN("0", "rm") MORE("0", "{}")
			BEGIN("1", "pay") MORE("1", "{\\\"amo") MORE("1", "unt\\\":200}")
				FINISH("tool_calls") DONE,
		DELTA("\"content\":\"It is. \"") DELTA("\"content\":\"\\n\\n" RM "\"")
			DELTA("\"content\":\"\\n\\n" PAY "\"") FINISH("stop") DONE,
		0 },
	{ "whole calls in one chunk, with their finish", CHAT, SSE,
		CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"id\":\"x\",\"function\":{\"name\":"
			"\"rm\","
			"\"arguments\":\"{}\"}},{\"index\":1,\"id\":\"y\",\"function\":{"
			"\"name\":"
			"\"a\",\"arguments\":\"{}\"}}]",
			"\"tool_calls\"") DONE,
		CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"id\":\"y\",\"function\":{\"name\":"
			"\"a\","
			"\"arguments\":\"{}\"}}],\"content\":\"" RM "\"",
			"\"tool_calls\"") DONE,
		0 },
	{ "the older one in pieces", CHAT, SSE,
		DELTA("\"content\":null,\"function_call\":{\"name\":\"rm\",\"arguments\":\"\"}")
			DELTA("\"function_call\":{\"arguments\":\"{}\"}")
				FINISH("function_call") DONE,
		DELTA("\"content\":\"" RM "\"") FINISH("stop") DONE, 0 },
	{ "arguments in pieces are redacted as one", CHAT, SSE,
		BEGIN("0", "send") MORE("0", "{\\\"to\\\":\\\"jane.doe@")
			MORE("0", "example.org\\\"}") FINISH("tool_calls") DONE,
		DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"send1\",\"type\":\"function\","
		      "\"function\":{\"name\":\"send\",\"arguments\":\"{\\\"to\\\":\\\"<EMAIL_"
		      "ADDRESS>\\\"}\"}}]") MORE("0", "") MORE("0", "") FINISH("tool_calls")
			DONE,
		0 },
	{ "another choice's text waits, and goes", CHAT, SSE,
		BEGIN("0", "rm") CHUNK_OF("1", "\"content\":\"It is. \"", "null")
			MORE("0", "{}") FINISH("tool_calls") CHUNK_OF("1", "", "\"stop\"") DONE,
		DELTA("\"content\":\"The call of the tool rm was denied: not \"") CHUNK_OF(
			"1", "\"content\":\"It is. \"", "null") DELTA("\"content\":\"here\"")
			FINISH("stop") CHUNK_OF("1", "", "\"stop\"") DONE,
		0 },
	{ "comments go at once", CHAT, SSE,
		BEGIN("0", "rm") ": ping\n\n" MORE("0", "{}") FINISH("tool_calls") DONE,
		": ping\n\n" DELTA("\"content\":\"" RM "\"") FINISH("stop") DONE, 0 },
	{ "cut in a call: nothing of it went", CHAT, SSE,
		DELTA("\"content\":\"It is. \"") BEGIN("0", "a") MORE("0", "{\\\"x"),
		DELTA("\"content\":\"It is. \""), GUARD_CUT },
	{ "without a finish it ends with the stream", CHAT, SSE,
		BEGIN("0", "rm") MORE("0", "{}") DONE, DELTA("\"content\":\"" RM "\"") DONE,
		0 },
	{ "a call that goes on after its end", CHAT, SSE,
		BEGIN("0", "a") FINISH("tool_calls") MORE("0", "{}") DONE,
		BEGIN("0", "a") FINISH("tool_calls"), GUARD_BROKEN },
	{ "a name that grows after its end", CHAT, SSE,
		BEGIN("0", "a") FINISH("tool_calls") DELTA(
			"\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"rm\"}}]") DONE,
		BEGIN("0", "a") FINISH("tool_calls"), GUARD_BROKEN },
	{ "a name in more pieces than one may have", CHAT, SSE,
		BEGIN("0", "a") BEGIN("0", "b") BEGIN("0", "c") BEGIN("0", "d") BEGIN("0", "e")
			FINISH("tool_calls") DONE,
		"", GUARD_UNREAD },
	{ "one that goes on after another began", CHAT, SSE,
		BEGIN("0", "rm") BEGIN("1", "b") MORE("0", "{}") MORE("1", "{}")
			FINISH("tool_calls") DONE,
		DELTA("\"content\":\"" RM "\"") BEGIN("0", "b") MORE("0", "{}")
			FINISH("tool_calls") DONE,
		0 },
	{ "the later one first", CHAT, SSE,
		BEGIN("1", "rm") BEGIN("0", "b") FINISH("tool_calls") DONE,
		DELTA("\"content\":\"" RM "\"") BEGIN("0", "b") FINISH("tool_calls") DONE, 0 },
	{ "a hole that nothing can fill", CHAT, SSE,
		BEGIN("1", "a") BEGIN("0", "rm") FINISH("tool_calls") DONE, "", GUARD_BROKEN },
	{ "a number that is none", CHAT, SSE,
		BEGIN("4294967295", "rm") FINISH("tool_calls") DONE, "", GUARD_BROKEN },
	{ "a number that is another's, cut short", CHAT, SSE,
		BEGIN("0", "a") BEGIN("4294967296", "rm") DONE, "", GUARD_BROKEN },
	{ "a call where a list should be", CHAT, SSE,
		DELTA("\"tool_calls\":" FN("rm", "{}")) DONE, "", GUARD_BROKEN },
	{ "two of one number, whole", CHAT, JSON,
		WHOLE("\"content\":null,\"tool_calls\":[{\"index\":0,\"function\":{\"name\":"
		      "\"rm\"}},{\"index\":0,\"function\":{\"name\":\"a\"}}]",
			"tool_calls"),
		WHOLE("\"content\":\"" RM
		      "\",\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"a\"}}]",
			"tool_calls"),
		0 },
	{ "a message that has a call before it begins", MSGS, SSE,
		EVENT("message_start", ",\"message\":{\"content\":[" USE("rm", "{}") "]}")
			STOP_FOR("tool_use"),
		"", GUARD_BROKEN },
	{ "a response whose end has other arguments", RESP, SSE,
		CREATED("false") ADDED("1", "0", FC("pay", ""))
			ITEM_DONE("2", "0", FC("pay", "{\\\"amount\\\":5}"))
				COMPLETED("3", FC("pay", "{\\\"amount\\\":500}")),
		CREATED("false") ADDED("1", "0", FC("pay", ""))
			ITEM_DONE("2", "0", FC("pay", "{\\\"amount\\\":5}")),
		GUARD_BROKEN },
	{ "the other spelling of a call", GEM, JSON,
		CANDIDATE("{\"function_call\":{\"name\":\"rm\",\"args\":{}}}"),
		CANDIDATE("{\"text\":\"" RM "\"}"), 0 },
	{ "a document under the type of events", CHAT, SSE,
		WHOLE("\"tool_calls\":[" FN("rm", "{}") "]", "tool_calls"), "", GUARD_UNREAD },
	{ "arguments that are an object where a text should be", RESP, JSON,
		"{\"store\":false,\"output\":[{\"type\":\"function_call\",\"name\":\"send\","
		"\"arguments\":{\"to\":\"" MAIL "\"}}]}",
		"", GUARD_BROKEN },
	{ "pieces of them that are objects", MSGS, SSE,
		START OPEN("0", USE("send", "{}")) EVENT("content_block_delta",
			",\"index\":0,\"delta\":{\"type\":\"input_json_delta\",\"partial_"
			"json\":{\"to\":\"" MAIL "\"}}") CLOSE("0") STOP_FOR("tool_use"),
		START, GUARD_BROKEN },
	{ "a list where a call should be", COHERE, SSE,
		EVENT("tool-call-start",
			",\"index\":0,\"delta\":{\"message\":{\"tool_calls\":[" FN(
				"rm", "") "]}}") COHERE_END("TOOL_CALL"),
		"", GUARD_BROKEN },
	{ "as: error ends the stream, before anything of the calls", CHAT, SSE,
		BEGIN("0", "a") MORE("0", "{}") BEGIN("1", "drop") MORE("1", "{}")
			FINISH("tool_calls") DONE,
		"", GUARD_DENIED },
	{ "the provider fails in a call", CHAT, SSE,
		BEGIN("0", "a") "data: {\"error\":{\"message\":\"no\"}}\n\n",
		"data: {\"error\":{\"message\":\"no\"}}\n\n", 0 },
	/* ---- the end of a call: after the whole event, and without other events ---- */
	{ "the last piece in the chunk of the finish", CHAT, SSE,
		BEGIN("0", "pay") MORE("0", "{") CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			"\"\\\"amount\\\":5}\"}}]",
			"\"tool_calls\"") DONE,
		SAME, 0 },
	{ "after text, which ends there", CHAT, SSE,
		DELTA("\"content\":\"I pay. \"") BEGIN("0", "pay") MORE("0", "{") CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			"\"\\\"amount\\\":5}\"}}]",
			"\"tool_calls\"") DONE,
		SAME, 0 },
	{ "two whose last pieces are in it", CHAT, SSE,
		DELTA("\"content\":\"I pay. \"") BEGIN("0", "pay") MORE("0", "{")
			BEGIN("1", "pay") MORE("1", "{") CHUNK_OF("0",
				"\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
				"\"\\\"amount\\\":5}\"}},{\"index\":1,\"function\":{"
				"\"arguments\":\"\\\"amount\\\":6}\"}}]",
				"\"tool_calls\"") DONE,
		SAME, 0 },
	{ "so it is denied, too", CHAT, SSE,
		DELTA("\"content\":\"I pay.\"") BEGIN("0", "pay") MORE("0", "{") CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			"\"\\\"amount\\\":500}\"}}]",
			"\"tool_calls\"") DONE,
		DELTA("\"content\":\"I pay.\"") DELTA("\"content\":\"\\n\\n" PAY "\"")
			FINISH("stop") DONE,
		0 },
	{ "another choice ends meanwhile", CHAT, SSE,
		BEGIN("0", "pay") MORE("0", "{") CHUNK_OF("1", "", "\"stop\"")
			MORE("0", "\\\"amount\\\":5}") FINISH("tool_calls") DONE,
		SAME, 0 },
	{ "in the event of a piece", CHAT, SSE,
		BEGIN("0", "pay") CHUNK_OF("1", "\"content\":\"No. \"",
			"null") "data: "
				"{\"id\":\"c\",\"choices\":[{\"index\":0,\"delta\":{\"tool_"
				"calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\"}}]},"
				"\"finish_reason\":null},{\"index\":1,\"delta\":{},\"finish_"
				"reason\":\"stop\"}]}\n\n" MORE("0", "\\\"amount\\\":5}")
					FINISH("tool_calls") DONE,
		SAME, 0 },
	{ "another choice's call ends meanwhile", CHAT, SSE,
		BEGIN("0", "pay") CHUNK_OF("1",
			"\"tool_calls\":[{\"index\":0,\"id\":\"z\",\"function\":{\"name\":"
			"\"pay\",\"arguments\":\"{\\\"amount\\\":7}\"}}]",
			"null") MORE("0", "{") CHUNK_OF("1", "", "\"tool_calls\"")
			MORE("0", "\\\"amount\\\":5}") FINISH("tool_calls") DONE,
		SAME, 0 },
	{ "an empty finish is none", CHAT, SSE,
		CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"id\":\"z\",\"function\":{\"name\":"
			"\"pay\",\"arguments\":\"{\"}}]",
			"\"\"") CHUNK_OF("0",
			"\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			"\"\\\"amount\\\":5}\"}}]",
			"\"\"") FINISH("tool_calls") DONE,
		SAME, 0 },
	{ "a message that ends within a call", RESP, SSE,
		CREATED("true") ADDED("1", "0", MSG_BEGUN("m")) OWN(
			"response.output_text.delta", "2", "0", "m",
			"\"delta\":\"I pay. \"") ADDED("3", "1", FC("pay", "")) ARGS("4", "1",
			"pay", "{") OWN("response.output_text.done", "5", "0", "m",
			"\"text\":\"I pay. \"") ITEM_DONE("6", "0", MSG("m", "I pay. "))
			ARGS("7", "1", "pay", "\\\"amount\\\":5}") ARGS_DONE(
				"8", "1", "pay", "{\\\"amount\\\":5}") ITEM_DONE("9", "1",
				FC("pay", "{\\\"amount\\\":5}")) COMPLETED("10",
				MSG("m", "I pay. ") "," FC("pay", "{\\\"amount\\\":5}")),
		SAME, 0 },
	{ "a call that ends within another one", RESP, SSE,
		CREATED("true") ADDED("1", "0", FC("pay", "")) ARGS("2", "0", "pay", "{") ADDED(
			"3", "1", FC("a", "")) ARGS("4", "1", "a", "{}") ARGS_DONE("5", "1",
			"a", "{}") ITEM_DONE("6", "1", FC("a", "{}")) ARGS("7", "0", "pay",
			"\\\"amount\\\":5}") ARGS_DONE("8", "0", "pay", "{\\\"amount\\\":5}")
			ITEM_DONE("9", "0", FC("pay", "{\\\"amount\\\":5}")) COMPLETED(
				"10", FC("pay", "{\\\"amount\\\":5}") "," FC("a", "{}")),
		SAME, 0 },
	{ "a block that stops between a call's pieces", MSGS, SSE,
		START OPEN("0", TEXT("")) SAID("0", "I pay. ") OPEN("1", USE("pay", "{}"))
			PART("1", "{") CLOSE("0") PART("1", "\\\"amount\\\":5}") CLOSE("1")
				STOP_FOR("tool_use"),
		SAME, 0 },
	{ "a call that stops between another's pieces", MSGS, SSE,
		START OPEN("0", USE("pay", "{}")) PART("0", "{") OPEN("1", USE("a", "{}"))
			PART("1", "{}") CLOSE("1") PART("0", "\\\"amount\\\":5}") CLOSE("0")
				STOP_FOR("tool_use"),
		SAME, 0 },
	{ "content that ends between a call's pieces", COHERE, SSE,
		EVENT("content-start",
			",\"index\":1,\"delta\":{\"message\":{\"content\":{"
			"\"type\":\"text\",\"text\":\"\"}}}") EVENT("content-delta",
			",\"index\":1,\"delta\":{\"message\":{\"content\":{"
			"\"text\":\"I pay. \"}}}") TOOL_START("0", "pay") TOOL_MORE("0", "{")
			EVENT("content-end", ",\"index\":1") TOOL_MORE("0", "\\\"amount\\\":5}")
				TOOL_END("0") COHERE_END("TOOL_CALL"),
		SAME, 0 },
	{ "a call that ends between another's pieces", COHERE, SSE,
		TOOL_START("0", "pay") TOOL_MORE("0", "{") TOOL_START("1", "a")
			TOOL_MORE("1", "{}") TOOL_END("1") TOOL_MORE("0", "\\\"amount\\\":5}")
				TOOL_END("0") COHERE_END("TOOL_CALL"),
		SAME, 0 },
	{ "a candidate that ends while another calls", "gemini",
		"/v1beta/models/g:streamGenerateContent", SSE,
		"data: "
		"{\"candidates\":[{\"index\":1,\"content\":{\"role\":\"model\",\"parts\":[{"
		"\"text\":\"No. \"}]}}]}\n\n"
		"data: "
		"{\"candidates\":[{\"index\":0,\"content\":{\"role\":\"model\",\"parts\":"
		"[" CALL("pay",
			"{\"amount\":5}") "]}},{\"index\":1,\"content\":{\"parts\":[]},"
					  "\"finishReason\":\"STOP\"}]}\n\n"
					  "data: "
					  "{\"candidates\":[{\"index\":0,\"content\":{\"role\":"
					  "\"model\",\"parts\":[" CALL("a",
						  "{}") "]},\"finishReason\":\"STOP\"}]}\n\n",
		SAME, 0 },
	{ "a finish in each event, and a call in pieces", "gemini",
		"/v1beta/models/g:streamGenerateContent", SSE,
		"data: " GEMINI_PARTS(
			"{\"functionCall\":{\"name\":\"a\",\"willContinue\":true}}",
			",\"finishReason\":\"STOP\"") "\n\n"
						      "data: " GEMINI_PARTS(
							      "{\"functionCall\":{"
							      "\"partialArgs\":[{\"jsonPath\":"
							      "\"$.x\",\"stringValue\":\"so\"}]"
							      "}}",
							      ",\"finishReason\":\"STOP\"") "\n"
											    "\n",
		SAME, 0 },
	{ "one that does not go on, and the stream neither", "gemini",
		"/v1beta/models/g:streamGenerateContent", SSE,
		"data: " GEMINI_PARTS(
			"{\"functionCall\":{\"name\":\"rm\",\"willContinue\":true}}",
			"") "\n\n"
			    "data: " GEMINI_PARTS("{\"text\":\"\"}",
				    ",\"finishReason\":\"MAX_TOKENS\"") "\n\n",
		"data: " GEMINI_PARTS("{\"text\":\"The call of the tool rm was denied: not \"}",
			"") "\n\n"
			    "data: " GEMINI_PARTS("{\"text\":\"here\"}",
				    "") "\n\n"
					"data: " GEMINI_PARTS("{\"text\":\"\"}",
						",\"finishReason\":\"MAX_TOKENS\"") "\n\n",
		0 },
	{ "a tool run by the provider within a call", CONV, SSE,
		MCALL("pay", "{") "event: tool.execution.done\ndata: "
				  "{\"type\":\"tool.execution.done\",\"output_index\":1,"
				  "\"name\":\"web_search\"}\n\n" MCALL(
					  "pay", "\\\"amount\\\":5}") MDONE,
		SAME, 0 },
	{ "a step that stops within a call", INTER, SSE,
		IEVENT("step.start", ",\"index\":0,\"step\":{\"type\":\"model_output\"}")
			IEVENT("step.delta", ",\"index\":0,\"delta\":{\"type\":\"text\","
					     "\"text\":\"I pay. \"}") IEVENT("step.start",
				",\"index\":1,\"step\":" STEP("pay", "{}"))
				IEVENT("step.delta", ",\"index\":1,\"delta\":{\"type\":"
						     "\"arguments_delta\",\"arguments\":\"{\"}")
					IEVENT("step.stop", ",\"index\":0") IEVENT("step.delta",
						",\"index\":1,\"delta\":{\"type\":\"arguments_"
						"delta\",\"arguments\":\"\\\"amount\\\":5}\"}")
						IEVENT("step.stop", ",\"index\":1") IDONE,
		SAME, 0 },
	/* ---- ids ---- */
	{ "calls under one index, with ids of their own", CHAT, SSE,
		ID_CALL("0", "a", "pay", "{\\\"amount\\\":5}") ID_CALL("0", "b", "rm", "{}")
			ID_CALL("0", "c", "a", "{}") FINISH("tool_calls") DONE,
		ID_CALL("0", "a", "pay", "{\\\"amount\\\":5}") DELTA("\"content\":\"" RM "\"")
			ID_CALL("1", "c", "a", "{}") FINISH("tool_calls") DONE,
		0 },
	{ "in one event", CHAT, SSE,
		DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"a\","
		      "\"arguments\":\"{}\"}},{\"index\":0,\"id\":\"b\",\"function\":{\"name\":"
		      "\"pay\",\"arguments\":\"{\\\"amount\\\":500}\"}}]") FINISH("tool_calls")
			DONE,
		DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"a\",\"function\":{\"name\":\"a\","
		      "\"arguments\":\"{}\"}}],\"content\":\"" PAY "\"") FINISH("tool_calls")
			DONE,
		0 },
	{ "none of them is denied", CHAT, SSE,
		ID_CALL("0", "a", "pay", "{\\\"amount\\\":5}") ID_CALL(
			"0", "b", "pay", "{\\\"amount\\\":6}") FINISH("tool_calls") DONE,
		ID_CALL("0", "a", "pay", "{\\\"amount\\\":5}") ID_CALL(
			"1", "b", "pay", "{\\\"amount\\\":6}") FINISH("tool_calls") DONE,
		0 },
	{ "another id in each piece of one", CHAT, SSE,
		ID_CALL("0", "a", "a", "{") DELTA("\"tool_calls\":[{\"index\":0,\"id\":\"b\","
						  "\"function\":{\"arguments\":\"}\"}}]")
			FINISH("tool_calls") DONE,
		SAME, 0 },
	{ "a name in pieces under two ids is one, too", CHAT, SSE,
		ID_CALL("0", "a", "r", "") ID_CALL("0", "b", "m", "{}") FINISH("tool_calls")
			DONE,
		DELTA("\"content\":\"" RM "\"") FINISH("stop") DONE, 0 },
	{ "a name for the arguments of the one before", CHAT, SSE,
		ID_CALL("0", "a", "a", "{\\\"amount\\\":500}") ID_CALL("0", "b", "pay", "")
			FINISH("tool_calls") DONE,
		ID_CALL("0", "a", "a", "{\\\"amount\\\":500}"), GUARD_BROKEN },
	{ "halves of a character in two pieces, and all of it at the end", RESP, SSE,
		CREATED("true") ADDED("1", "0", FC("a", ""))
			ARGS("2", "0", "a", "{\\\"x\\\":\\\"\\ud83d") ARGS(
				"3", "0", "a", "\\ude00\\\"}") ARGS_DONE("4", "0", "a",
				"{\\\"x\\\":\\\"\\ud83d\\ude00\\\"}") ITEM_DONE("5", "0",
				FC("a", "{\\\"x\\\":\\\"\xf0\x9f\x98\x80\\\"}"))
				COMPLETED("6", FC("a", "{\\\"x\\\":\\\"\\ud83d\\ude00\\\"}")),
		ANYHOW, 0 },
	/* ---- Anthropic, whole ---- */
	{ "a block of text in its place", MSGS, JSON,
		MESSAGE(TEXT("So.") "," USE("a", "{}") "," USE("rm", "{\"x\":1}"), "tool_use"),
		MESSAGE(TEXT("So.") "," USE("a", "{}") "," TEXT(RM), "tool_use"), 0 },
	{ "none left", MSGS, JSON, MESSAGE(USE("rm", "{}"), "tool_use"),
		MESSAGE(TEXT(RM), "end_turn"), 0 },
	{ "input redacted", MSGS, JSON,
		MESSAGE(USE("send", "{\"to\":\"" MAIL "\",\"n\":1}"), "tool_use"),
		MESSAGE(USE("send", "{\"to\":\"<EMAIL_ADDRESS>\",\"n\":1}"), "tool_use"), 0 },
	{ "a tool of the provider's own denies the answer", MSGS, JSON,
		MESSAGE("{\"type\":\"server_tool_use\",\"id\":\"s\",\"name\":\"rm\",\"input\":{"
			"}}",
			"end_turn"),
		"", GUARD_DENIED },
	/* ---- Anthropic, streamed ---- */
	{ "what no rule denies", MSGS, SSE,
		START OPEN("0", TEXT("")) SAID("0", "So. ") CLOSE("0") OPEN("1", USE("a", "{}"))
			PART("1", "{\\\"x\\\":") PART("1", "1}") CLOSE("1")
				STOP_FOR("tool_use"),
		NULL, 0 },
	{ "the first of two, with the same index", MSGS, SSE,
		START OPEN("0", USE("rm", "{}")) PART("0", "") PART("0", "{\\\"x\\\":1}")
			CLOSE("0") OPEN("1", USE("a", "{}")) PART("1", "{}") CLOSE("1")
				STOP_FOR("tool_use"),
		START OPEN("0", TEXT("")) SAID("0", RM) CLOSE("0") OPEN("1", USE("a", "{}"))
			PART("1", "{}") CLOSE("1") STOP_FOR("tool_use"),
		0 },
	{ "the only one", MSGS, SSE,
		START OPEN("0", USE("pay", "{}")) PART("0", "{\\\"amount\\\":")
			PART("0", "101}") CLOSE("0") STOP_FOR("tool_use"),
		START OPEN("0", TEXT("")) SAID("0", PAY) CLOSE("0") STOP_FOR("end_turn"), 0 },
	{ "without arguments", MSGS, SSE,
		START OPEN("0", USE("rm", "{}")) CLOSE("0") STOP_FOR("tool_use"),
		START OPEN("0", TEXT("")) SAID("0", RM) CLOSE("0") STOP_FOR("end_turn"), 0 },
	{ "arguments over events", MSGS, SSE,
		START OPEN("0", USE("send", "{}")) PART("0", "{\\\"to\\\":\\\"jane.doe@")
			PART("0", "example.org\\\"}") CLOSE("0") STOP_FOR("tool_use"),
		START OPEN("0", USE("send", "{}")) PART("0",
			"{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}") CLOSE("0") STOP_FOR("tool_use"),
		0 },
	/* ---- responses, whole ---- */
	{ "a message in its place", RESP, JSON,
		RESPONSE("false", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}," FC(
					  "rm", "{}") "," FC("a", "{}")),
		RESPONSE(
			"false", "{\"type\":\"reasoning\",\"id\":\"rs_1\",\"summary\":[]}," MSG(
					 "rm", RM) "," FC("a", "{}")),
		0 },
	{ "a custom one", RESP, JSON,
		RESPONSE("false", "{\"type\":\"custom_tool_call\",\"id\":\"ctc_1\",\"call_id\":"
				  "\"x\",\"name\":\"rm\",\"input\":\"-rf\"}"),
		RESPONSE("false", MSG("1", RM)), 0 },
	{ "a turn that the provider keeps is denied", RESP, JSON,
		RESPONSE("true", FC("rm", "{}") "," FC("a", "{}")), "", GUARD_DENIED },
	{ "and goes where no call is", RESP, JSON, RESPONSE("true", FC("a", "{}")), NULL, 0 },
	{ "arguments redacted", RESP, JSON,
		RESPONSE("true", FC("send", "{\\\"to\\\":\\\"" MAIL "\\\"}")),
		RESPONSE("true", FC("send", "{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}")), 0 },
	/* ---- responses, streamed ---- */
	{ "all copies agree, and event numbers continue", RESP, SSE,
		CREATED("false") ADDED("1", "0", FC("rm", "")) ARGS("2", "0", "rm",
			"{}") ARGS_DONE("3", "0", "rm", "{}") ITEM_DONE("4", "0",
			FC("rm", "{}")) ADDED("5", "1", FC("a", "")) ARGS("6", "1", "a", "{}")
			ARGS_DONE("7", "1", "a", "{}") ITEM_DONE("8", "1", FC("a", "{}"))
				COMPLETED("9", FC("rm", "{}") "," FC("a", "{}")),
		CREATED("false") ADDED("1", "0", MSG_BEGUN("rm")) OWN_TEXT(
			"2", "3", "4", "5", "0", "rm", RM) ITEM_DONE("6", "0", MSG("rm", RM))
			ADDED("7", "1", FC("a", "")) ARGS("8", "1", "a", "{}") ARGS_DONE(
				"9", "1", "a", "{}") ITEM_DONE("10", "1", FC("a", "{}"))
				COMPLETED("11", MSG("rm", RM) "," FC("a", "{}")),
		0 },
	{ "nothing of a call of a kept turn goes", RESP, SSE,
		CREATED("true") ADDED("1", "0", FC("rm", "")) ARGS("2", "0", "rm", "{}")
			ARGS_DONE("3", "0", "rm", "{}") ITEM_DONE("4", "0", FC("rm", "{}"))
				COMPLETED("5", FC("rm", "{}")),
		CREATED("true"), GUARD_DENIED },
	{ "one that no rule denies", RESP, SSE,
		CREATED("true") ADDED("1", "0", FC("a", "")) ARGS("2", "0", "a", "{}")
			ARGS_DONE("3", "0", "a", "{}") ITEM_DONE("4", "0", FC("a", "{}"))
				COMPLETED("5", FC("a", "{}")),
		NULL, 0 },
	{ "redacted in every copy", RESP, SSE,
		CREATED("true") ADDED("1", "0", FC("send", "")) ARGS("2", "0", "send",
			"{\\\"to\\\":\\\"jane.doe@") ARGS("3", "0", "send", "example.org\\\"}")
			ARGS_DONE("4", "0", "send", "{\\\"to\\\":\\\"" MAIL "\\\"}") ITEM_DONE(
				"5", "0", FC("send", "{\\\"to\\\":\\\"" MAIL "\\\"}"))
				COMPLETED("6", FC("send", "{\\\"to\\\":\\\"" MAIL "\\\"}")),
		CREATED("true") ADDED("1", "0", FC("send", "")) ARGS("2", "0", "send",
			"{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}") ARGS("3", "0", "send",
			"") ARGS_DONE("4", "0", "send", "{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}")
			ITEM_DONE("5", "0", FC("send", "{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}"))
				COMPLETED("6",
					FC("send", "{\\\"to\\\":\\\"<EMAIL_ADDRESS>\\\"}")),
		0 },
	{ "two copies of arguments that differ", RESP, SSE,
		CREATED("false") ADDED("1", "0", FC("pay", ""))
			ARGS("2", "0", "pay", "{\\\"amount\\\":1}")
				ARGS_DONE("3", "0", "pay", "{\\\"amount\\\":1000}"),
		CREATED("false"), GUARD_BROKEN },
	/* ---- stored turns ---- */
	{ "an interaction's call", INTER, JSON, INTERACTION("steps", STEP("a", "{\"x\":1}")),
		NULL, 0 },
	{ "one that is denied denies it", INTER, JSON,
		INTERACTION("steps", STEP("a", "{}") "," STEP("rm", "{}")), "", GUARD_DENIED },
	{ "of older revisions too", INTER, JSON,
		INTERACTION("outputs", STEP("pay", "{\"amount\":101}")), "", GUARD_DENIED },
	{ "redacted", INTER, JSON,
		INTERACTION("outputs", STEP("send", "{\"to\":\"" MAIL "\"}")),
		INTERACTION("outputs", STEP("send", "{\"to\":\"<EMAIL_ADDRESS>\"}")), 0 },
	{ "streamed", INTER, SSE,
		IEVENT("step.start", ",\"index\":0,\"step\":" STEP("pay", "{}")) IEVENT(
			"step.delta", ",\"index\":0,\"delta\":{\"type\":\"arguments_delta\","
				      "\"arguments\":\"{\\\"amount\\\":1\"}")
			IEVENT("step.delta", ",\"index\":0,\"delta\":{\"type\":\"arguments_"
					     "delta\",\"arguments\":\"01}\"}")
				IEVENT("step.stop", ",\"index\":0") IDONE,
		"", GUARD_DENIED },
	{ "streamed, and goes", INTER, SSE,
		IEVENT("step.start", ",\"index\":0,\"step\":" STEP("pay", "{}"))
			IEVENT("step.delta", ",\"index\":0,\"delta\":{\"type\":\"arguments_"
					     "delta\",\"arguments\":\"{\\\"amount\\\":1}\"}")
				IEVENT("step.stop", ",\"index\":0") IDONE,
		NULL, 0 },
	{ "streamed by older revisions", INTER, SSE,
		IEVENT("content.delta", ",\"index\":0,\"delta\":" STEP("rm", "{\"x\":1}"))
			IEVENT("content.stop", ",\"index\":0"),
		"", GUARD_DENIED },
	{ "a conversation's", CONV, JSON,
		"{\"object\":\"conversation.response\",\"outputs\":[{\"type\":\"function."
		"call\",\"name\":\"rm\",\"arguments\":\"{}\"}]}",
		"", GUARD_DENIED },
	{ "a conversation's, streamed", CONV, SSE, MCALL("rm", "{") MCALL("rm", "}") MDONE, "",
		GUARD_DENIED },
	{ "which goes", CONV, SSE, MCALL("a", "{}") MDONE, NULL, 0 },
	/* ---- the other dialects ---- */
	{ "a part in its place", GEM, JSON,
		CANDIDATE(CALL("a", "{\"x\":1}") "," CALL("rm", "{}") "," CALL("b", "{}")),
		CANDIDATE(CALL("a", "{\"x\":1}") ",{\"text\":\"" RM "\"}," CALL("b", "{}")),
		0 },
	{ "of two with one name the one whose arguments say it", GEM, JSON,
		CANDIDATE(CALL("pay", "{\"amount\":500}") "," CALL("pay", "{\"amount\":5}")),
		CANDIDATE("{\"text\":\"" PAY "\"}," CALL("pay", "{\"amount\":5}")), 0 },
	{ "what the signed one takes with it", GEM, JSON,
		CANDIDATE("{\"functionCall\":{\"name\":\"rm\",\"args\":{}},"
			  "\"thoughtSignature\":\"c2ln\"}," CALL("a", "{}")),
		CANDIDATE("{\"text\":\"" RM "\"},{\"text\":\"The call of the tool a was "
			  "denied: the call belongs to "
			  "the same step as a denied call\"}"),
		0 },
	{ "one that is signed itself goes alone", GEM, JSON,
		CANDIDATE("{\"functionCall\":{\"name\":\"rm\",\"args\":{}},"
			  "\"thoughtSignature\":\"c2ln\"},{\"functionCall\":{\"name\":\"a\","
			  "\"args\":{}},\"thoughtSignature\":\"c2lo\"}"),
		CANDIDATE("{\"text\":\"" RM "\"},{\"functionCall\":{\"name\":\"a\",\"args\":{}}"
			  ",\"thoughtSignature\":\"c2lo\"}"),
		0 },
	{ "arguments redacted, as a value", GEM, JSON,
		CANDIDATE(CALL("send", "{\"to\":\"" MAIL "\"}")),
		CANDIDATE(CALL("send", "{\"to\":\"<EMAIL_ADDRESS>\"}")), 0 },
	{ "a block of text in its place", AWS, JSON,
		CONVERSE("{\"text\":\"so\"}," TOOL_USE("rm", "{}") "," TOOL_USE(
				 "a", "{\"x\":1}"),
			"tool_use"),
		CONVERSE("{\"text\":\"so\"},{\"text\":\"" RM "\"}," TOOL_USE("a", "{\"x\":1}"),
			"tool_use"),
		0 },
	{ "none left", AWS, JSON, CONVERSE(TOOL_USE("rm", "{}"), "tool_use"),
		CONVERSE("{\"text\":\"" RM "\"}", "end_turn"), 0 },
	{ "the reason is content that there was none of", COHERE, JSON,
		"{\"message\":{\"role\":\"assistant\",\"tool_calls\":[" FN(
			"rm", "{}") "]},\"finish_reason\":\"TOOL_CALL\"}",
		"{\"message\":{\"role\":\"assistant\",\"content\":[" TEXT(
			RM) "]},\"finish_reason\":\"COMPLETE\"}",
		0 },
	{ "one of two, streamed", COHERE, SSE,
		TOOL_START("0", "rm") TOOL_MORE("0", "{}") TOOL_END("0") TOOL_START("1", "a")
			TOOL_MORE("1", "{}") TOOL_END("1") COHERE_END("TOOL_CALL"),
		EVENT("content-start",
			",\"index\":0,\"delta\":{\"message\":{\"content\":{"
			"\"type\":\"text\",\"text\":\"\"}}}") EVENT("content-delta",
			",\"index\":0,\"delta\":{\"message\":{\"content\":{\"text\":\"" RM
			"\"}}}") EVENT("content-end", ",\"index\":0") TOOL_START("0", "a")
			TOOL_MORE("0", "{}") TOOL_END("0") COHERE_END("TOOL_CALL"),
		0 },
	{ "the second of two that a rule reads", COHERE, SSE,
		TOOL_START("0", "pay") TOOL_MORE("0", "{\\\"amount\\\":5}") TOOL_END("0")
			TOOL_START("1", "pay") TOOL_MORE("1", "{\\\"amount\\\":6}")
				TOOL_END("1") COHERE_END("TOOL_CALL"),
		NULL, 0 },
	{ "one that is no call by its type, and has a name", MSGS, JSON,
		MESSAGE(USE("a", "{}") ",{\"typd\":\"tool_use\",\"id\":\"x\",\"name\":\"rm\","
				       "\"input\":{}}," USE("b", "{}"),
			"tool_use"),
		"", GUARD_DENIED },
	{ "text of its message", OLLAMA, JSON,
		"{\"message\":{\"role\":\"assistant\",\"content\":\"so\",\"tool_calls\":[{"
		"\"function\":{\"name\":\"rm\",\"arguments\":{}}},{\"function\":{\"name\":"
		"\"a\",\"arguments\":{\"x\":1}}}]},\"done\":true}",
		"{\"message\":{\"role\":\"assistant\",\"content\":\"so\\n\\n" RM
		"\",\"tool_calls\":[{\"function\":{\"name\":\"a\",\"arguments\":{\"x\":1}}}]},"
		"\"done\":true}",
		0 },
	{ "one event with a call that goes and the words of one that does not", "gemini",
		"/v1beta/models/g:streamGenerateContent", SSE,
		"data: " GEMINI_PARTS(CALL("a", "{}") "," CALL("rm", "{}"),
			"") "\n\ndata: " GEMINI_PARTS("{\"text\":\"\"}",
			",\"finishReason\":\"STOP\"") "\n\n",
		"data: " GEMINI_PARTS(CALL("a", "{}") ",{\"text\":\"" RM "\"}",
			"") "\n\ndata: " GEMINI_PARTS("{\"text\":\"\"}",
			",\"finishReason\":\"STOP\"") "\n\n",
		0 },
	{ "text next to a call, whose end may be a name's beginning", OLLAMA,
		"application/x-ndjson",
		OLLAMA_LINE("my name is", "a") OLLAMA_LINE(
			" Jane", "b") "{\"message\":{\"content\":\"\"},\"done\":true}\n",
		NULL, 0 },
	{ "cut in a call", MSGS, SSE, START OPEN("0", USE("a", "{}")) PART("0", "{\\\"x"),
		START, GUARD_CUT },
};

static void
run(const struct row *row, size_t step, bool at, struct buf *out, enum guard_result *got)
{
	struct answer_case c = { row->name, RULES, row->dialect, row->path, row->type, row->in,
		"" };
	struct span in = span_str(row->in);
	struct guard_rig r;

	guard_rig_open(&r, &c);
	if (at) {
		guard_rig_feed(&r, span_cut(in, 0, step));
		guard_rig_feed(&r, span_cut(in, step, in.n));
	} else {
		for (size_t i = 0; i < in.n; i += step)
			guard_rig_feed(&r, span_cut(in, i, i + step));
	}
	guard_rig_end(&r);
	*got = r.got;
	buf_span(out, buf_view(&r.out));
	guard_rig_close(&r);
}

/* Finds the text of an event that contains nothing else: its beginning and end. */
static bool
piece_of(struct span event, size_t *from, size_t *to)
{
	static const char *const marks[] = { "\"delta\":{\"content\":\"",
		"\"function\":{\"arguments\":\"", "_delta\",\"text\":\"",
		"_delta\",\"partial_json\":\"", "\"message\":{\"content\":{\"text\":\"", "_index\":0,\"delta\":\"" };

	for (size_t i = 0; i < COUNT_OF(marks); i++) {
		const char *at = memmem(event.p, event.n, marks[i], strlen(marks[i]));
		if (!at)
			continue;
		*from = (size_t)(at - event.p) + strlen(marks[i]);
		for (*to = *from; *to < event.n && event.p[*to] != '"'; ++*to)
			*to += event.p[*to] == '\\';
		return true;
	}
	return false;
}

/* Joins consecutive pieces of one text. The places of the cuts do not matter here
 * (guard_channel.c). */
static void
join_pieces(struct span all, struct buf *out)
{
	struct buf last;
	size_t lf, lt, f, t;

	buf_init(&last, 0);
	while (all.n) {
		const char *end = memmem(all.p, all.n, "\n\n", 2);
		struct span event = span_cut(all, 0, end ? (size_t)(end - all.p) + 2 : all.n);
		struct span before = buf_view(&last);
		all = span_cut(all, event.n, all.n);
		if (before.n && piece_of(before, &lf, &lt) && piece_of(event, &f, &t) &&
			span_eq(span_cut(before, 0, lf), span_cut(event, 0, f)) &&
			span_eq(span_cut(before, lt, before.n), span_cut(event, t, event.n))) {
			struct buf joined;
			buf_init(&joined, 0);
			buf_span(&joined, span_cut(before, 0, lt));
			buf_span(&joined, span_cut(event, f, event.n));
			buf_free(&last);
			last = joined;
			continue;
		}
		buf_span(out, before);
		buf_clear(&last);
		buf_span(&last, event);
	}
	buf_span(out, buf_view(&last));
	buf_free(&last);
}

/* Copies the events without their sequence numbers, which depend on the number of pieces. Returns true if the
 * numbers continue from 0 on. */
static bool
cut_numbers(struct span all, struct buf *out)
{
	static const struct span member = SPAN_LIT("\"sequence_number\":");
	bool continues = true;
	const char *at;

	for (uint64_t next = 0, is;
		all.n && (at = memmem(all.p, all.n, member.p, member.n)); next++) {
		size_t from = (size_t)(at - all.p) + member.n, to = span_past(all, from, is_digit);
		continues &= !span_u64(span_cut(all, from, to), &is) && is == next;
		buf_span(out, span_cut(all, 0, from));
		all = span_cut(all, to, all.n);
	}
	buf_span(out, all);
	return continues;
}

/* Counts each byte in the arguments of the calls. */
static void
count_arguments(struct span all, size_t n[256])
{
	static const char *const marks[] = { "arguments\":\"", "partial_json\":\"",
		",\"delta\":\"", "\"args\":{", "stringValue\":\"" };

	memset(n, 0, 256 * sizeof(*n));
	for (size_t i = 0; i < COUNT_OF(marks); i++)
		for (const char *at = all.p, *end = all.p + all.n;
			at && (at = memmem(at, (size_t)(end - at), marks[i], strlen(marks[i])));)
			for (at += strlen(marks[i]); at < end && *at != '"' && *at != '}'; at++) {
				at += *at == '\\';
				n[(unsigned char)*at]++;
			}
}

/* With a sanitizer, every cut would take minutes. */
#ifdef TG_SANITIZE
#define CUTS 7
#else
#define CUTS 1
#endif

static size_t failures;

static void
failed(const struct row *row, size_t step, bool at, enum guard_result got, struct span out,
	const char *want)
{
	fprintf(stderr, "%s, %s %zu: %d\n got  %.*s\n want %s\n", row->name,
		at ? "cut at" : "in steps of", step, got, SPAN_ARG(out), want);
	failures++;
}

static void
check(const struct row *row, size_t step, bool at)
{
	const char *want = row->want ? row->want : row->in;
	enum guard_result got;
	struct buf raw, out, expected, plain, wanted;

	buf_init(&raw, 0);
	buf_init(&plain, 0);
	buf_init(&wanted, 0);
	buf_init(&out, 0);
	buf_init(&expected, 0);
	run(row, step, at, &raw, &got);
	if (want == ANYHOW) {
		if (got != row->got)
			failed(row, step, at, got, buf_view(&raw), want);
		buf_free(&raw);
		return;
	}
	if (want == SAME) {
		size_t was[256], is[256];
		count_arguments(span_str(row->in), was);
		count_arguments(buf_view(&raw), is);
		if (got != row->got || memcmp(was, is, sizeof(was)) != 0)
			failed(row, step, at, got, buf_view(&raw), want);
		buf_free(&raw);
		return;
	}
	bool continues = cut_numbers(buf_view(&raw), &plain);
	cut_numbers(span_str(want), &wanted);
	join_pieces(buf_view(&plain), &out);
	join_pieces(buf_view(&wanted), &expected);
	if (got != row->got || !continues || !span_eq(buf_view(&out), buf_view(&expected)))
		failed(row, step, at, got, buf_view(&out), want);
	buf_free(&raw);
	buf_free(&plain);
	buf_free(&wanted);
	buf_free(&out);
	buf_free(&expected);
}

static void
denied_call_of_several_is_removed(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows); i++)
		check(&rows[i], SIZE_MAX / 2, false);
	assert_int_equal(failures, 0);
}

static void
cut_calls_give_the_same_output(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT_OF(rows) && !failures; i++) {
		check(&rows[i], 1, false);
		if (!strcmp(rows[i].type, SSE))
			for (size_t at = 1; at < strlen(rows[i].in); at += CUTS)
				check(&rows[i], at, true);
	}
	assert_int_equal(failures, 0);
}

/* ---- reports and limits ---- */

#define REPORT_RULES                                                                           \
	"rules:\n"                                                                             \
	"  - {name: no-rm, phase: tool, when: 'tool.name == \"rm\"', deny: {reason: not "      \
	"here}, tag: [seen]}\n"                                                                \
	"  - {name: small, phase: tool, when: 'tool.name == \"pay\" && "                       \
	"tool.arguments.amount > 100', deny: {reason: too much}}\n"                            \
	"  - {name: mail, phase: tool, when: 'tool.name == \"send\"', redact: {classes: "      \
	"[pii]}}\n"                                                                            \
	"  - {name: never, phase: response, when: 'response.tool_calls.exists(c, c.name == "   \
	"\"rm\")', deny: "                                                                     \
	"true}\n"
#define CHAT_DELTA(delta)                                                                      \
	"data: {\"choices\":[{\"index\":0,\"delta\":{" delta "},\"finish_reason\":null}]}\n\n"
#define CHAT_CALL(index, name, args)                                                           \
	CHAT_DELTA("\"tool_calls\":[{\"index\":" index                                         \
		   ",\"id\":\"i\",\"function\":{\"name\":\"" name "\",\"arguments\":\"" args   \
		   "\"}}]")
#define CHAT_END                                                                               \
	"data: "                                                                               \
	"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"tool_calls\"}]}\n\n"
#define USAGE                                                                                  \
	"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":11,\"completion_tokens\":7,"       \
	"\"total_tokens\":18}}\n\n"

static const struct answer_case chat = { "chat", REPORT_RULES, "openai", "/v1/chat/completions",
	SSE, "", "" };

static void
removed_calls_are_counted_and_reported(void **state)
{
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, SPAN_LIT(CHAT_CALL("0", "rm", "{}") CHAT_CALL("1", "list", "{}")
					   CHAT_END USAGE DONE));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	const struct guard_report *a = guard_report(r.g);
	struct usage u = guard_usage(r.g);
	assert_true(u.known);
	assert_int_equal(u.input_tokens, 11);
	assert_int_equal(u.output_tokens, 7);
	assert_string_equal(a->finish, "tool_calls");
	assert_true(a->content && a->ended);
	assert_int_equal(a->ntools, 2);
	assert_int_equal(a->ncalled, 2);
	assert_string_equal(a->called[0].name, "rm");
	assert_int_equal(a->called[0].ruled.effect, RULE_DENY);
	assert_string_equal(a->called[0].ruled.rule->name, "no-rm");
	assert_string_equal(a->called[1].name, "list");
	assert_int_equal(a->called[1].ruled.effect, RULE_PERMIT);
	assert_int_equal(a->sum.ruled.effect, RULE_REDACT);
	assert_string_equal(a->sum.ruled.rule->name, "no-rm");
	assert_int_equal(a->sum.ruled.ntags, 1);
	/* response rules read the remaining response */
	assert_int_equal(a->verdict.ruled.effect, RULE_PERMIT);
	guard_rig_close(&r);
}

/* The relay must not take a held response for silence. */
static void
held_calls_count_as_content(void **state)
{
	struct guard_rig r;

	(void)state;
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, SPAN_LIT(CHAT_CALL("0", "list", "{")));
	assert_int_equal(r.out.n, 0);
	assert_true(guard_report(r.g)->content);
	assert_true(guard_held(r.g) >= strlen(CHAT_CALL("0", "list", "{")));
	assert_false(guard_is_long(r.g, 1));
	for (unsigned i = 0; i < 64; i++)
		guard_rig_feed(&r, SPAN_LIT(CHAT_CALL("0", "list", " ")));
	/* all of it may be forwarded with the next byte */
	assert_int_equal(r.out.n, 0);
	assert_true(guard_is_long(r.g, 1));
	guard_rig_close(&r);
}

static enum guard_result
long_call(const char *name, size_t pieces, const char *piece, struct buf *in, struct buf *out)
{
	struct guard_rig r;

	buf_clear(in);
	buf_printf(in, CHAT_CALL("0", "%s", "{\\\"x\\\":\\\""), name);
	for (size_t i = 0; i < pieces; i++)
		buf_printf(in,
			CHAT_DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
				   "\"%s\"}}]"),
			piece);
	buf_str(in, CHAT_DELTA("\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":"
			       "\"\\\"}\"}}]") CHAT_END DONE);
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, buf_view(in));
	guard_rig_end(&r);
	buf_clear(out);
	buf_span(out, buf_view(&r.out));
	enum guard_result got = r.got;
	guard_rig_close(&r);
	return got;
}

static size_t
dots(const struct buf *b)
{
	struct span s = buf_view(b);
	size_t n = 0;

	for (size_t i = 0; i < s.n; i++)
		n += s.p[i] == '.';
	return n;
}

static void
long_calls_are_limited(void **state)
{
	char piece[1025];
	struct buf in, out;

	(void)state;
	memset(piece, '.', sizeof(piece) - 1);
	piece[sizeof(piece) - 1] = '\0';
	buf_init(&in, 0);
	buf_init(&out, 0);
	assert_int_equal(long_call("list", 80, piece, &in, &out), GUARD_PASS);
	assert_int_equal(dots(&in), dots(&out));
	/* the arguments contain no amount */
	assert_int_equal(long_call("pay", 80, piece, &in, &out), GUARD_PASS);
	assert_non_null(memmem(out.p, out.n, "evaluated", 9));
	assert_null(memmem(out.p, out.n, "tool_calls", 10));
	/* text that waits behind the call is limited */
	assert_int_equal(
		long_call("list", CAP_CALL_ARGUMENTS / sizeof(piece) + 8, piece, &in, &out),
		GUARD_UNREAD);
	assert_int_equal(out.n, 0);
	buf_free(&in);
	buf_free(&out);
}

static void
number_of_calls_is_limited(void **state)
{
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	for (unsigned i = 0; i < CAP_CALLS + 1; i++)
		buf_printf(&in, CHAT_CALL("%u", "rm", "{}"), i);
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_UNREAD);
	guard_rig_close(&r);
	buf_free(&in);
}

/* Events between the pieces of a call wait for its end. */
static void
events_that_wait_for_a_call_are_limited(void **state)
{
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	buf_str(&in, "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"");
	for (unsigned i = 0; i < 1 << 20; i++)
		buf_putc(&in, '.');
	buf_str(&in, "\"}}]}\n\n");
	guard_rig_open(&r, &chat);
	guard_rig_feed(&r, SPAN_LIT(CHAT_CALL("0", "list", "{")));
	/* a third of the limit is accepted, the whole is not, because each event needs further
	 * memory */
	for (size_t i = 0; i < CAP_CALLS_HELD / 3 / in.n; i++)
		guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_PASS);
	for (size_t i = 0; i < CAP_CALLS_HELD / in.n; i++)
		guard_rig_feed(&r, buf_view(&in));
	assert_int_equal(r.got, GUARD_UNREAD);
	assert_int_equal(r.out.n, 0);
	guard_rig_close(&r);
	buf_free(&in);
}

static void
number_of_choices_is_limited(void **state)
{
	struct guard_rig r;
	struct buf in;

	(void)state;
	buf_init(&in, 0);
	guard_rig_open(&r, &chat);
	for (unsigned i = 0; i <= 128; i++) {
		assert_int_equal(r.got, GUARD_PASS);
		buf_clear(&in);
		buf_printf(&in, "data: {\"choices\":[{\"index\":%u,\"delta\":{}}]}\n\n", i);
		guard_rig_feed(&r, buf_view(&in));
	}
	assert_int_equal(r.got, GUARD_UNREAD);
	guard_rig_close(&r);
	buf_free(&in);
}

static void
placeholders_are_restored_in_permitted_calls(void **state)
{
	struct vault *v = vault_new();
	struct guard_rig r;

	(void)state;
	assert_int_equal(
		vault_add(v, SPAN_LIT("<EMAIL_ADDRESS_1>"), SPAN_LIT("jane@x.org")), 0);
	guard_rig_load(&r, &chat);
	r.plan.vault = v;
	guard_rig_begin(&r, &chat);
	guard_rig_feed(&r,
		SPAN_LIT(CHAT_CALL("0", "rm", "{\\\"to\\\":\\\"<EMAIL_ADDRESS_1>\\\"}")
				CHAT_CALL("1", "list", "{\\\"to\\\":\\\"<EMAIL_ADDRESS_1>\\\"}")
					CHAT_END DONE));
	guard_rig_end(&r);
	assert_int_equal(r.got, GUARD_PASS);
	assert_true(span_is(buf_view(&r.out),
		CHAT_DELTA("\"content\":\"The call of the tool rm was denied: not \"")
			CHAT_DELTA("\"content\":\"here\"") CHAT_CALL(
				"0", "list", "{\\\"to\\\":\\\"jane@x.org\\\"}") CHAT_END DONE));
	guard_rig_close(&r);
	vault_free(&v);
}

/* Claude's events within those of AWS (InvokeModelWithResponseStream). */
static void
wrapped_frames_are_edited(void **state)
{
	static const char *const in[] = { "{\"type\":\"content_block_start\",\"index\":0,"
					  "\"content_block\":{\"type\":\"tool_use\","
					  "\"id\":\"t\",\"name\":\"rm\",\"input\":{}}}",
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"input_"
		"json_delta\","
		"\"partial_json\":\"{}\"}}",
		"{\"type\":\"content_block_stop\",\"index\":0}",
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"}}",
		"{\"type\":\"message_stop\"}" };
	static const char want[] =
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"text\","
		"\"text\":\"\"}}\n"
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\","
		"\"text\":\"The call of the tool rm was denied: not \"}}\n"
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\","
		"\"text\":\"here\"}}\n"
		"{\"type\":\"content_block_stop\",\"index\":0}\n"
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"}}\n"
		"{\"type\":\"message_stop\"}\n";
	static const struct answer_case c = { "invoke", REPORT_RULES, "bedrock",
		"/model/claude/invoke-with-response-stream", FRAMES, "", "" };
	struct frame_writer w;
	struct frames frames;
	struct frame f;
	struct guard_rig r;
	struct buf bytes, said, inner;

	(void)state;
	buf_init(&bytes, 0);
	buf_init(&said, 0);
	buf_init(&inner, 0);
	frame_writer_init(&w, FRAMES_EVENTSTREAM);
	w.wrap = true;
	for (size_t i = 0; i < COUNT_OF(in); i++)
		assert_int_equal(
			frame_write(&w, SPAN_LIT("chunk"), span_str(in[i]), &bytes), 0);
	for (size_t step = 1; step < bytes.n; step += 97) {
		guard_rig_open(&r, &c);
		for (size_t at = 0; at < bytes.n; at += step)
			guard_rig_feed(&r, span_cut(buf_view(&bytes), at, at + step));
		guard_rig_end(&r);
		assert_int_equal(r.got, GUARD_PASS);
		struct span out = buf_view(&r.out);
		frames_init(&frames, FRAMES_EVENTSTREAM, 0);
		buf_clear(&said);
		while (frames_next(&frames, &out, &f) > 0) {
			buf_clear(&inner);
			assert_true(span_is(f.type, "chunk"));
			assert_int_equal(frame_unwrap(&f, &inner), 0);
			buf_span(&said, f.data);
			buf_putc(&said, '\n');
		}
		frames_free(&frames);
		if (!span_is(buf_view(&said), want))
			fail_msg("in steps of %zu:\n%.*s", step, SPAN_ARG(buf_view(&said)));
		guard_rig_close(&r);
	}
	buf_free(&bytes);
	buf_free(&said);
	buf_free(&inner);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(denied_call_of_several_is_removed),
		cmocka_unit_test(cut_calls_give_the_same_output),
		cmocka_unit_test(removed_calls_are_counted_and_reported),
		cmocka_unit_test(held_calls_count_as_content),
		cmocka_unit_test(long_calls_are_limited),
		cmocka_unit_test(number_of_calls_is_limited),
		cmocka_unit_test(events_that_wait_for_a_call_are_limited),
		cmocka_unit_test(number_of_choices_is_limited),
		cmocka_unit_test(placeholders_are_restored_in_permitted_calls),
		cmocka_unit_test(wrapped_frames_are_edited),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
