/* Responses through the guard under rules with phase: response. Each row is a response, whole
 * or streamed, and the output for it. The output is the same wherever the bytes are cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "answer/document.h"
#include "answer/frames.h"
#include "support/answer_fix.h"
#include "support/answer_run.h"

#define SEAL "{\"encrypted_content\":\"SIG\"},"
#define LAST4                                                                                  \
	"rules: [{name: a, phase: response, redact: {entities: [CREDIT_CARD], with: "          \
	"last4}}]\n"
#define NO_DROP                                                                                \
	"rules: [{name: a, phase: response, when: 'response.tool_calls.exists(c, c.name == "   \
	"\"drop_table\")', deny: {reason: no drops}}]\n"

/* ---- values across the ends of blocks, and escapes in arguments ---- */

#define DELTA(text)                                                                            \
	"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"            \
	"\"function\":{" text "}}]}}]}\n\n"

static const struct answer_case answer_blocks[] = {
	{ "what its escapes spell is read, and no half of an escape goes", REDACT, "openai",
		"/v1/chat/completions", "application/json",
		"{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\","
		"\"arguments\":\"{\\\"to\\\":\\\"hi,\\\\n" MAIL
		"\\\\nZo\\\\u00eb O'Neill\\\\tok \\\\ud83d\\\\ude00\\\"}\"}}]},"
		"\"finish_reason\":\"tool_calls\"}]}",
		"arguments 0.0 "
		"{\"to\":\"hi,\\n<EMAIL_ADDRESS>\\n<PERSON>\\tok \\ud83d\\ude00\"}|finish "
		"tool_calls|found 2|redacted 2|tool f|" },
	{ "in a stream too, cut anywhere", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		DELTA("\"name\":\"f\",\"arguments\":\"{\\\"to\\\":\\\"hi,\\\\njane\"")
			DELTA("\"arguments\":\".doe@example.org\\\\nZo\\\\u0\"")
				DELTA("\"arguments\":\"0eb O'Neill\\\\tok \\\\ud83d\"")
					DELTA("\"arguments\":\"\\\\ude00\\\"}\"") STOP,
		"arguments 0.0 "
		"{\"to\":\"hi,\\n<EMAIL_ADDRESS>\\n<PERSON>\\tok \\ud83d\\ude00\"}|finish "
		"stop|found 2|redacted 2|tool f|" },
	{ "a value over two blocks of a stream", REDACT, "anthropic", "/v1/messages",
		"text/event-stream",
		"data: "
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"to jane.d\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"oe@exam\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"event: ping\ndata: {\"type\":\"ping\"}\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"ple.o\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"rg and on. \"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
		"data: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		"\"usage\":{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text 1.0  and on. |finish end_turn|found "
		"1|redacted 1|" },
	{ "over three, and another one at the next end", REDACT, "anthropic", "/v1/messages",
		"text/event-stream",
		"data: "
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"to jane.doe@\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"exam\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"ple.org, 4111 1111 1111 \"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":2}\n\n"
		": so\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":3,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":3,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"1111 and on\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":3}\n\n"
		"data: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		"\"usage\":{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text 2.0 , <CREDIT_CARD>|text 3.0  and on|finish "
		"end_turn|found 2|redacted 2|" },
	{ "what is whole in a block stays one, whatever comes next", REDACT, "anthropic",
		"/v1/messages", "text/event-stream",
		"data: "
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"4111 1111 1111 1111\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"7 and on\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
		"data: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		"\"usage\":{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		"text 0.0 <CREDIT_CARD>|text 1.0 7 and on|finish end_turn|found 1|redacted "
		"1|" },
	{ "a call between them is an end", REDACT, "anthropic", "/v1/messages",
		"text/event-stream",
		"data: "
		"{\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"at bob@exam\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":"
		"\"tool_use\",\"name\":\"f\",\"input\":{}}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":1}\n\n"
		"data: "
		"{\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":"
		"\"text\",\"text\":\"\"}}\n\n"
		"data: "
		"{\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"text_"
		"delta\",\"text\":\"ple.org\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":2}\n\n"
		"data: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		"\"usage\":{\"output_tokens\":9}}\n\ndata: {\"type\":\"message_stop\"}\n\n",
		"text 0.0 at bob@exam|text 2.0 ple.org|finish end_turn|tool f|" },
	{ "across two items of a response, repeated twice", REDACT, "openai", "/v1/responses",
		"text/event-stream",
		"data: "
		"{\"type\":\"response.output_text.delta\",\"output_index\":0,\"content_index\":"
		"0,\"delta\":\"to jane.doe@exam\"}\n\n"
		"data: "
		"{\"type\":\"response.output_text.done\",\"output_index\":0,\"content_index\":"
		"0,\"text\":\"to jane.doe@exam\"}\n\n"
		"data: "
		"{\"type\":\"response.output_text.delta\",\"output_index\":1,\"content_index\":"
		"0,\"delta\":\"ple.org and on. \"}\n\n"
		"data: "
		"{\"type\":\"response.output_text.done\",\"output_index\":1,\"content_index\":"
		"0,\"text\":\"ple.org and on. \"}\n\n"
		"data: "
		"{\"type\":\"response.completed\",\"response\":{\"status\":\"completed\","
		"\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
		"\"text\":\"to "
		"jane.doe@exam\"}]},{\"type\":\"message\",\"content\":[{\"type\":\"output_"
		"text\",\"text\":\"ple.org and on. \"}]}]}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>to "
		"<EMAIL_ADDRESS>|text 1.0  and on. |text= 1.0  and on.  and on. |finish "
		"completed|found 1|redacted 3|" },
	{ "over two of Bedrock's", REDACT, "bedrock", "/model/x/converse-stream", CONVERSE,
		"contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"to "
		"jane.doe@exam\"}}\ncontentBlockStop {\"contentBlockIndex\":0}\n"
		"contentBlockDelta "
		"{\"contentBlockIndex\":1,\"delta\":{\"text\":\"ple.org.\"}}\ncontentBlockStop "
		"{\"contentBlockIndex\":1}\n"
		"messageStop {\"stopReason\":\"end_turn\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|text 1.0 .|finish end_turn|found 1|redacted 1|" },
};

/* ---- members with equal texts, and texts that interleave ---- */

#define READS_ARGUMENTS                                                                        \
	"rules: [{name: r, phase: response, redact: {classes: [pii]}}, {name: a, phase: "      \
	"response, when: 'response.tool_calls.exists(c, c.name == \"f\" && "                   \
	"has(c.arguments.n) "                                                                  \
	"&& c.arguments.n > 10)', deny: {reason: too many}}]\n"
#define EVENT(json)	"data: " json "\n\n"
#define CHOICE(members) EVENT("{\"choices\":[{\"index\":0," members "}]}")
#define TWICE(text)	CHOICE("\"text\":\"" text "\",\"delta\":{\"content\":\"" text "\"}")
#define BOTH(delta, all)                                                                       \
	CHOICE("\"delta\":{\"content\":\"" delta "\"},\"message\":{\"content\":\"" all "\"}")
#define CALLS(arguments)                                                                       \
	CHOICE("\"delta\":{\"function_call\":{\"arguments\":\"" arguments                      \
	       "\"},\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"" arguments     \
	       "\"}}]}")
#define STOPS		 ",\"finishReason\":\"STOP\""
#define PART(part, more) "{\"candidates\":[{\"content\":{\"parts\":[{" part "}]}" more "}]}"
#define PATH(path, text, more)                                                                 \
	PART("\"functionCall\":{\"partialArgs\":[{\"jsonPath\":\"" path                        \
	     "\",\"stringValue\":\"" text "\"" more "}],\"willContinue\":true}",               \
		"")
#define OF_ONE(part)                                                                           \
	"{\"candidates\":[{\"index\":1,\"content\":{\"parts\":[{" part "}]}" STOPS "}]}"

static const struct answer_case answer_members[] = {
	{ "a text under two names, in which nothing is found", REDACT, "openai",
		"/v1/completions", "text/event-stream",
		TWICE("of 4111 11") TWICE("11 it is. ") STOP,
		"text 0.0 of of 4111 1111 it is. 4111 1111 it is. |finish stop|" },
	{ "and a value over two events", REDACT, "openai", "/v1/completions",
		"text/event-stream", TWICE("to jane.doe@") TWICE("example.org") STOP,
		"text 0.0 to to <EMAIL_ADDRESS><EMAIL_ADDRESS>|finish stop|found 2|redacted "
		"2|" },
	{ "all so far next to what is new", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		BOTH("to jane", "to jane") BOTH(".doe@", "to jane.doe@")
			BOTH("example.org it ", "to jane.doe@example.org it ")
				BOTH("is.", "to jane.doe@example.org it is.") STOP,
		"text 0.0 to to to to to to <EMAIL_ADDRESS> it is.<EMAIL_ADDRESS> it "
		"is.|finish stop|found 2|redacted 2|" },
	{ "what is new, twice", REDACT, "openai", "/v1/chat/completions", "text/event-stream",
		BOTH("to jane", "to jane") BOTH(".doe@", ".doe@")
			BOTH("example.org it is. ", "example.org it is. ") STOP,
		"text 0.0 to to <EMAIL_ADDRESS> it is. <EMAIL_ADDRESS> it is. |finish "
		"stop|found 2|redacted 2|" },
	{ "two members for a call's arguments", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		CALLS("{\\\"to\\\":\\\"jane.doe@") CALLS("example.org\\\"}") STOP,
		"arguments 0.0 {\"to\":{\"to\":\"<EMAIL_ADDRESS>\"}\"<EMAIL_ADDRESS>\"}|finish "
		"stop|found 2|redacted 2|" },
	{ "which rules read each for itself", READS_ARGUMENTS, "openai", "/v1/chat/completions",
		"text/event-stream",
		CHOICE("\"delta\":{\"function_call\":{\"name\":\"f\",\"arguments\":\"{}\"},"
		       "\"tool_calls\":[{\"index\":0,\"function\":{\"arguments\":\"{\\\"n\\\":"
		       "11}\"}}]}") STOP,
		"arguments 0.0 {}{\"n\":11}|denied too many|finish stop|tool f|" },
	{ "Ollama's two endpoints in one line", REDACT, "ollama", "/api/chat",
		"application/x-ndjson",
		"{\"response\":\"to jane.doe@\",\"message\":{\"content\":\"to jane.doe@\"}}\n"
		"{\"response\":\"example.org it \",\"message\":{\"content\":\"example.org it "
		"\"}}\n{\"done\":true}\n",
		"text 0.0 to to <EMAIL_ADDRESS> it <EMAIL_ADDRESS> it |found 2|redacted 2|" },
	{ "reasoning under two names, by Bedrock's invoke", REDACT, "bedrock",
		"/invoke-with-response-stream", FRAMES,
		"{\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"to jane.doe@\","
		"\"reasoning_content\":\"to jane.doe@\"}}]}\n"
		"{\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"example.org it \","
		"\"reasoning_content\":\"example.org it \"}}]}\n"
		"{\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n",
		"reasoning 0.0 to to <EMAIL_ADDRESS> it <EMAIL_ADDRESS> it |finish stop|found "
		"2|redacted 2|" },
	{ "a reasoning's text and its summary have numbers of their own", REDACT, "openai",
		"/v1/responses", "text/event-stream",
		EVENT("{\"type\":\"response.reasoning_text.delta\",\"output_index\":0,"
		      "\"content_index\":0,\"delta\":\"to jane.doe@\"}")
			EVENT("{\"type\":\"response.reasoning_summary_text.delta\","
			      "\"output_index\":0,\"summary_index\":0,\"delta\":\"of "
			      "bob@\"}")
				EVENT("{\"type\":\"response.reasoning_text.delta\","
				      "\"output_index\":0,\"content_index\":0,\"delta\":"
				      "\"example.org \"}")
					EVENT("{\"type\":\"response.reasoning_summary_text."
					      "delta\",\"output_index\":0,\"summary_index\":0,"
					      "\"delta\":\"example.net \"}")
						EVENT("{\"type\":\"response.completed\"}"),
		"reasoning 0.0 to of <EMAIL_ADDRESS> <EMAIL_ADDRESS> |found 2|redacted 2|" },
	{ "details of reasoning by their number, not their place", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream",
		CHOICE("\"delta\":{\"reasoning_details\":[{\"index\":0,\"text\":\"so. \"},{"
		       "\"index\":1,\"text\":\"to jane.doe@\"}]}")
			CHOICE("\"delta\":{\"reasoning_details\":[{\"index\":1,\"text\":"
			       "\"example.org \"}]}") STOP,
		"reasoning 0.0 so. |reasoning 0.1 to <EMAIL_ADDRESS> |finish stop|found "
		"1|redacted 1|" },
	{ "a plan after a block of thoughts is another text", REDACT, "cohere", "/v2/chat",
		"text/event-stream",
		EVENT("{\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
		      "\"content\":{\"thinking\":\"so it is. \"}}}}")
			EVENT("{\"type\":\"content-end\",\"index\":0}")
				EVENT("{\"type\":\"tool-plan-delta\",\"delta\":{\"message\":{"
				      "\"tool_plan\":\"I ask. \"}}}")
					EVENT("{\"type\":\"message-end\",\"delta\":{"
					      "\"finish_reason\":\"TOOL_CALL\"}}"),
		"same|" },
	{ "an array that ends while text waits", REDACT, "gemini",
		"/v1beta/models/g:streamGenerateContent", "application/json",
		"[" PART("\"text\":\"to jane.doe@\"", "") ",\n" PART(
			"\"text\":\"example.org\"", "") "\n]\n",
		"text 0.0 to <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "and one of which all text does", REDACT, "gemini",
		"/v1beta/models/g:streamGenerateContent", "application/json",
		"[" PART("\"text\":\"jane.doe@example.org\"", "") "]",
		"text 0.0 <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "a finish reason in each event, as from Vertex", REDACT, "gemini",
		"/v1/publishers/google/models/g:streamGenerateContent", "text/event-stream",
		EVENT(PART("\"text\":\"to jane.\"", STOPS))
			EVENT(PART("\"text\":\"doe@example\"", STOPS)) ": so\n\n" EVENT(
				PART("\"text\":\".org and on. \"", STOPS))
				EVENT(PART("\"text\":\"At bob@example.net\"", STOPS)),
		"text 0.0 to <EMAIL_ADDRESS> and on. At <EMAIL_ADDRESS>|finish STOP|found "
		"2|redacted 2|" },
	{ "in an array, of two candidates, with thoughts", REDACT, "gemini",
		"/v1/publishers/google/models/g:streamGenerateContent", "application/json",
		"[" PART("\"text\":\"of jane\",\"thought\":true", STOPS) "," OF_ONE(
			"\"text\":\"to bob\"") "," PART("\"text\":\".doe@example.org. "
							"\",\"thought\":true",
			STOPS) "," PART("\"text\":\"so. \"",
			STOPS) "," OF_ONE("\"text\":\"@example.net\"") "]",
		"text 0.1 of <EMAIL_ADDRESS>. |text 1.0 to <EMAIL_ADDRESS>|text 0.0 so. "
		"|finish "
		"STOP|found 2|redacted 2|" },
	{ "one finish and what comes after it go as they came", REDACT, "gemini",
		"/v1beta/models/g:streamGenerateContent", "text/event-stream",
		EVENT(PART("\"text\":\"So it is. \"", "")) EVENT(PART("\"text\":\"4111\"",
			STOPS)) ": so\n\n" EVENT("{\"usageMetadata\":{\"promptTokenCount\":3,"
						 "\"candidatesTokenCount\":4,"
						 "\"totalTokenCount\":7}}") ": so\n\n",
		"same|" },
	{ "a call's arguments by their paths, in pieces", READS_ARGUMENTS, "gemini",
		"/v1/publishers/google/models/g:streamGenerateContent", "text/event-stream",
		EVENT(PART("\"functionCall\":{\"name\":\"g\",\"willContinue\":true}", ""))
			EVENT(PATH("$.to", "jane.d", ",\"willContinue\":true"))
				EVENT(PATH("$.of", "bob@example", ",\"willContinue\":true"))
					EVENT(PATH("$.to", "oe@example.org", "")) EVENT(
						PATH("$.of", ".net", ",\"willContinue\":true"))
						EVENT(PATH("$.of", "", ""))
							EVENT(PART("\"functionCall\":"
								   "{}",
								STOPS)),
		"input 0.0 <EMAIL_ADDRESS><EMAIL_ADDRESS>|finish STOP|found 2|redacted 2|tool "
		"g|" },
	{ "which rules on arguments cannot read", READS_ARGUMENTS, "gemini",
		"/v1/publishers/google/models/g:streamGenerateContent", "text/event-stream",
		EVENT(PART("\"functionCall\":{\"name\":\"f\",\"willContinue\":true}", ""))
			EVENT(PATH("$.n", "11", "")) EVENT(PART("\"functionCall\":{}", STOPS)),
		"input 0.0 11|denied a rule of the policy could not be evaluated|finish "
		"STOP|tool f|" },
	{ "a result of Bedrock's own tool, in pieces", REDACT, "bedrock",
		"/model/x/converse-stream", CONVERSE,
		"contentBlockStart {\"contentBlockIndex\":1,\"start\":{\"toolResult\":{"
		"\"toolUseId\":\"t\",\"status\":\"success\"}}}\n"
		"contentBlockDelta "
		"{\"contentBlockIndex\":1,\"delta\":{\"toolResult\":[{\"text\":"
		"\"to jane.doe@\"}]}}\n"
		"contentBlockDelta "
		"{\"contentBlockIndex\":1,\"delta\":{\"toolResult\":[{\"text\":"
		"\"exam\"},{\"text\":\"ple.org\"}]}}\n"
		"contentBlockStop {\"contentBlockIndex\":1}\n"
		"messageStop {\"stopReason\":\"end_turn\"}\n",
		"text 1.0 to <EMAIL_ADDRESS>|finish end_turn|found 1|redacted 1|" },
	{ "an event's retry that is no number", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"retry: DE89370400440532013000\nid: 7\n" CHUNK(
			"it is. ") "retry: 250000\n\n" STOP,
		"text 0.0 it is. |finish stop|found 1|redacted 1|" },
};

/* ---- one stream of each dialect, with a value across two events ---- */

static const struct answer_case answer_streams[] = {
	{ "Bedrock's converse-stream", REDACT, "bedrock", "/model/x/converse-stream", CONVERSE,
		"messageStart {\"role\":\"assistant\"}\n"
		"contentBlockDelta {\"contentBlockIndex\":0,\"delta\":{\"text\":\"to "
		"jane.doe@\"}}\n"
		"contentBlockDelta "
		"{\"contentBlockIndex\":0,\"delta\":{\"text\":\"example.org\"}}\n"
		"contentBlockStop {\"contentBlockIndex\":0}\n"
		"contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":"
		"\"{\\\"to\\\":\\\"jane.doe@\"}}}\n"
		"contentBlockDelta {\"contentBlockIndex\":1,\"delta\":{\"toolUse\":{\"input\":"
		"\"example.org\\\"}\"}}}\n"
		"contentBlockStop {\"contentBlockIndex\":1}\n"
		"messageStop {\"stopReason\":\"tool_use\"}\n"
		"metadata "
		"{\"usage\":{\"inputTokens\":3,\"outputTokens\":4,\"totalTokens\":7}}\n",
		"text 0.0 to <EMAIL_ADDRESS>|arguments 1.0 "
		"{\"to\":\"<EMAIL_ADDRESS>\"}|finish tool_use|found 2|redacted 2|usage 3 4|" },
	{ "Cohere's chat", REDACT, "cohere", "/v2/chat", "text/event-stream",
		"data: {\"type\":\"content-start\",\"index\":0}\n\n"
		"data: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
		"\"content\":{\"text\":\"to jane.doe@\"}}}}\n\n"
		"data: {\"type\":\"content-delta\",\"index\":0,\"delta\":{\"message\":{"
		"\"content\":{\"text\":\"example.org\"}}}}\n\n"
		"data: {\"type\":\"content-end\",\"index\":0}\n\n"
		"data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"COMPLETE\","
		"\"usage\":{\"tokens\":{\"input_tokens\":3,\"output_tokens\":4}}}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish COMPLETE|found 1|redacted 1|usage 3 4|" },
	{ "TGI's stream", REDACT, "tgi", "/generate_stream", "text/event-stream",
		"data: {\"index\":1,\"token\":{\"id\":7,\"text\":\"to jane.doe@\"},"
		"\"generated_text\":null}\n\n"
		"data: {\"index\":2,\"token\":{\"id\":8,\"text\":\"example.org\"},"
		"\"generated_text\":\"to " MAIL "\",\"details\":{\"finish_reason\":\"length\","
		"\"generated_tokens\":2}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|finish length|found "
		"2|redacted 2|" },
	{ "Ollama's generate", REDACT, "ollama", "/api/generate", "application/x-ndjson",
		"{\"model\":\"l\",\"response\":\"to jane.doe@\",\"done\":false}\n"
		"{\"model\":\"l\",\"response\":\"example.org\",\"done\":false}\n"
		"{\"model\":\"l\",\"response\":\"\",\"done\":true,\"done_reason\":\"stop\","
		"\"prompt_eval_count\":3,\"eval_count\":2}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|usage 3 2|" },
	{ "OpenAI's completions", REDACT, "openai", "/v1/completions", "text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"text\":\"to jane.doe@\"}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"text\":\"example.org\",\"finish_reason\":"
		"\"stop\"}]}\n\n"
		"data: {\"choices\":[],\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4}}"
		"\n\ndata: [DONE]\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|usage 3 4|" },
	{ "a chat by Azure's path, with its filters", REDACT, "openai",
		"/openai/deployments/d/chat/completions", "text/event-stream",
		"data: {\"choices\":[],\"prompt_filter_results\":[{\"prompt_index\":0,"
		"\"content_filter_results\":{\"hate\":{\"filtered\":false,\"severity\":"
		"\"safe\"}}}]}\n\n" CHUNK("to jane.doe@") CHUNK("example.org") STOP,
		"other 0.0 safe|text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "a transcription", REDACT, "openai", "/v1/audio/transcriptions", "text/event-stream",
		"data: {\"type\":\"transcript.text.delta\",\"delta\":\"to jane.doe@\"}\n\n"
		"data: {\"type\":\"transcript.text.delta\",\"delta\":\"example.org\"}\n\n"
		"data: {\"type\":\"transcript.text.done\",\"text\":\"to " MAIL "\",\"usage\":{"
		"\"type\":\"tokens\",\"input_tokens\":3,\"output_tokens\":4}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|other 0.0 "
		"tokens|found 2|redacted "
		"2|usage 3 4|" },
	{ "Mistral's transcription", REDACT, "mistral", "/v1/audio/transcriptions",
		"text/event-stream",
		"data: {\"type\":\"transcription.language\",\"audio_language\":\"en\"}\n\n"
		"data: {\"type\":\"transcription.text.delta\",\"text\":\"to jane.doe@\"}\n\n"
		"data: {\"type\":\"transcription.text.delta\",\"text\":\"example.org\"}\n\n"
		"data: {\"type\":\"transcription.done\",\"model\":\"m\",\"text\":\"to " MAIL
		"\",\"usage\":{\"prompt_tokens\":3,\"completion_tokens\":4,\"total_tokens\":7}}"
		"\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|found 2|redacted "
		"2|usage 3 4|" },
	{ "an image's events", REDACT, "openai", "/v1/images/generations", "text/event-stream",
		"data: {\"type\":\"image_generation.partial_image\",\"b64_json\":\"QUJD\"}\n\n"
		"data: "
		"{\"type\":\"image_generation.completed\",\"b64_json\":\"QUJD\",\"usage\":{"
		"\"input_tokens\":3,\"output_tokens\":4}}\n\n",
		"same|" },
	{ "Gemini's last event, with text and the count", REDACT, "gemini",
		"/v1beta/models/g:streamGenerateContent", "text/event-stream",
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"to "
		"jane.doe@\"}]}}]}\n\n"
		"data: {\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"example.org\"}]},"
		"\"finishReason\":\"STOP\"}],\"usageMetadata\":{\"promptTokenCount\":3,"
		"\"candidatesTokenCount\":4,\"totalTokenCount\":7}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish STOP|found 1|redacted 1|usage 3 4|" },
	{ "Mistral by Bedrock's invoke", REDACT, "bedrock", "/invoke-with-response-stream",
		FRAMES,
		"{\"outputs\":[{\"text\":\"to jane.doe@\",\"stop_reason\":null}]}\n"
		"{\"outputs\":[{\"text\":\"example.org\",\"stop_reason\":\"stop\"}]}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "Cohere by it", REDACT, "bedrock", "/invoke-with-response-stream", FRAMES,
		"{\"event_type\":\"text-generation\",\"text\":\"to jane.doe@\"}\n"
		"{\"event_type\":\"text-generation\",\"text\":\"example.org\"}\n"
		"{\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish COMPLETE|found 1|redacted 1|" },
	{ "what no table knows", REDACT, "rest", "/x", "text/event-stream",
		"data: {\"out\":{\"words\":\"to jane.doe@\"}}\n\n"
		"data: {\"out\":{\"words\":\"example.org now\"}}\n\n",
		"other 0.0 outwordsto <EMAIL_ADDRESS>outwords now|found 1|redacted 1|" },
	{ "lines of text that no table knows", REDACT, "rest", "/x", "text/event-stream",
		"data: to jane.doe@\n\ndata: example.org now\n\n", "found 1|redacted 1|" },
};

/* ---- other responses ---- */

static const struct answer_case rows[] = {
	{ "a whole answer is redacted", REDACT, "openai", "/v1/chat/completions",
		"application/json",
		"{\"model\":\"m\",\"choices\":[{\"index\":0,\"message\":{\"role\":"
		"\"assistant\","
		"\"content\":\"write to " MAIL "\"},\"finish_reason\":\"stop\"}]}",
		"text 0.0 write to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "findings between escapes, in their places", REDACT, "openai", "/v1/chat/completions",
		"application/json",
		"{\"choices\":[{\"message\":{\"content\":\"\\u00e9\\n\\\"" MAIL
		"\\\" \\ud83d\\ude00 or\\tbob@example.net\\n\"},\"finish_reason\":\"stop\"}]}",
		"text 0.0 \xc3\xa9\n\"<EMAIL_ADDRESS>\" \xf0\x9f\x98\x80 or\t<EMAIL_ADDRESS>\n|"
		"finish stop|found 2|redacted 2|" },
	{ "in its arguments too, with quotes where there were none", REDACT, "openai",
		"/v1/chat/completions", "application/json",
		"{\"choices\":[{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\","
		"\"arguments\":\"{\\\"to\\\":\\\"" MAIL
		"\\\",\\\"card\\\":4111111111111111}\"}}]},"
		"\"finish_reason\":\"tool_calls\"}]}",
		"arguments 0.0 {\"to\":\"<EMAIL_ADDRESS>\",\"card\":\"<CREDIT_CARD>\"}|finish "
		"tool_calls|found 2|redacted 2|tool f|" },
	{ "a value over two items of a tool's result", REDACT, "mcp", "/mcp", "application/json",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"content\":[{\"type\":\"text\",\"text\":"
		"\"to jane.d\"},{\"type\":\"text\",\"text\":\"oe@example.org now\"}]}}",
		"text 0.0 to <EMAIL_ADDRESS> now|found 1|redacted 1|" },
	{ "arguments that are values", REDACT, "anthropic", "/v1/messages", "application/json",
		"{\"type\":\"message\",\"content\":[{\"type\":\"tool_use\",\"name\":\"f\","
		"\"input\":{"
		"\"card\":4111111111111111,\"to\":[\"" MAIL
		"\"]}}],\"stop_reason\":\"tool_use\"}",
		"arguments 0.0 card<CREDIT_CARD>to<EMAIL_ADDRESS>|finish tool_use|found "
		"2|redacted "
		"2|tool f|" },
	{ "a whole answer is denied", DENY, "openai", "/v1/chat/completions",
		"application/json",
		"{\"choices\":[{\"message\":{\"content\":\"my ssn is 536-22-1840\"}}]}",
		"denied no numbers|found 1|" },
	{ "an error document of the provider is read like the rest", REDACT, "openai",
		"/v1/chat/completions", "application/json",
		"{\"error\":{\"message\":\"bad: " MAIL "\"}}",
		"other 0.0 bad: <EMAIL_ADDRESS>|found 1|redacted 1|error|" },
	{ "text that is no JSON", REDACT, "openai", "/v1/audio/transcriptions", "text/plain",
		"call " MAIL, "raw call <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "JSON that calls itself audio", REDACT, "openai", "/v1/audio/speech", "audio/mpeg",
		"{\"x\":\"" MAIL "\"}", "other 0.0 <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "an answer that is broken", REDACT, "openai", "/v1/chat/completions",
		"application/json", "{\"choices\":[", "broken the response is not strict JSON|" },
	{ "a file of lines: what a batch came to", REDACT, "openai", "/v1/files/f/content",
		"application/octet-stream",
		"{\"id\":\"1\",\"t\":\"to " MAIL "\"}\n\n{\"t\":\"of bob@\"}\n"
		"{\"t\":\"example.org\"}",
		"raw {\"id\":\"1\",\"t\":\"to <EMAIL_ADDRESS>\"}\n\n{\"t\":\"of bob@\"}\n"
		"{\"t\":\"example.org\"}|found 1|redacted 1|" },
	{ "of which one is broken", REDACT, "openai", "/v1/files/f/content",
		"application/octet-stream", "{\"id\":\"1\"}\n{\"id\":\n",
		"broken the response is not strict JSON|" },
	{ "a repetition of the text by tokens is removed", REDACT, "openai",
		"/v1/chat/completions", "application/json",
		"{\"choices\":[{\"message\":{\"content\":\"x\"},\"logprobs\":{\"content\":[{"
		"\"token\":\"x\"}]}}]}",
		"text 0.0 x|" },
	/* streams */
	{ "text that waits next to an empty one", REDACT, "ollama", "/api/chat",
		"application/x-ndjson",
		"{\"message\":{\"content\":\"\",\"thinking\":\"to "
		"jane.doe@\"},\"done\":false}\n"
		"{\"message\":{\"content\":\"\",\"thinking\":\"example.org\"},\"done\":false}\n"
		"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\","
		"\"prompt_eval_count\":3,\"eval_count\":2}\n",
		"reasoning 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|usage 3 2|" },
	{ "a call that arrives in one event is sent in one", REDACT, "mistral",
		"/v1/chat/completions", "text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,"
		"\"id\":\"x\",\"function\":{\"name\":\"f\",\"arguments\":\"{\\\"to\\\":["
		"\\\"4111 11}\\\"]}\"}}]}}]}\n\n" STOP,
		"same|" },
	{ "Claude's events in Bedrock's frames", REDACT, "bedrock",
		"/model/x/invoke-with-response-stream", "application/vnd.amazon.eventstream",
		"{\"type\":\"message_start\",\"message\":{\"usage\":{\"input_tokens\":3,"
		"\"output_tokens\":1}}}\n"
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\","
		"\"text\":\"to jane.doe@\"}}\n"
		"{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_"
		"delta\","
		"\"text\":\"example.org\"}}\n"
		"{\"type\":\"content_block_stop\",\"index\":0}\n"
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},"
		"\"usage\":{"
		"\"output_tokens\":9}}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish end_turn|found 1|redacted 1|usage 3 9|" },
	{ "two choices of one event, both wait", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"to jane.doe@\"}},"
		"{\"index\":1,\"delta\":{\"content\":\"at bob@\"}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"example.org\"}},"
		"{\"index\":1,\"delta\":{\"content\":\"example.net\"}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"},"
		"{\"index\":1,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text 1.0 at <EMAIL_ADDRESS>|finish stop|found "
		"2|redacted 2|" },
	{ "held text is not sent by its tokens", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"to jane.doe@\"},"
		"\"logprobs\":{\"content\":[{\"token\":\"jane.doe@\"}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"example.org\"},"
		"\"logprobs\":{\"content\":[{\"token\":\"example.org\"}]}}]}\n\n" STOP,
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "a stream's value over several events", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		CHUNK("write to ") CHUNK("jane") CHUNK(".doe@ex") CHUNK("ample.o")
			CHUNK("rg now") STOP,
		"text 0.0 write to <EMAIL_ADDRESS> now|finish stop|found 1|redacted 1|" },
	{ "one that the end completes", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream", CHUNK("at jane.") CHUNK("doe@example.org") STOP,
		"text 0.0 at <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "two choices at once", REDACT, "openai", "/v1/chat/completions", "text/event-stream",
		CHUNK("a jane.doe@") "data: "
				     "{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"b "
				     "john@\"}}]}\n\n" CHUNK(
					     "example.org") "data: "
							    "{\"choices\":[{\"index\":1,"
							    "\"delta\":{\"content\":\"example."
							    "net\"}}]}\n\n"
							    "data: "
							    "{\"choices\":[{\"index\":1,"
							    "\"delta\":{},\"finish_reason\":"
							    "\"stop\"}]}\n\n" STOP,
		"text 1.0 b <EMAIL_ADDRESS>|text 0.0 a <EMAIL_ADDRESS>|finish stop|found "
		"2|redacted 2|" },
	{ "a stream that is denied", DENY, "openai", "/v1/chat/completions",
		"text/event-stream",
		CHUNK("the ssn is ") CHUNK("536-22-") CHUNK("1840 of him") STOP,
		"text 0.0 the ssn is |denied no numbers|finish stop|found 1|" },
	{ "a stream without a value is byte for byte what it was", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream",
		": hi\r\n\r\n" CHUNK("it is fine. ") CHUNK("\\u0077ell then. ") STOP, "same|" },
	{ "an Anthropic block", REDACT, "anthropic", "/v1/messages", "text/event-stream",
		"event: message_start\ndata: "
		"{\"type\":\"message_start\",\"message\":{\"model\":\"c\","
		"\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n"
		"event: content_block_start\ndata: "
		"{\"type\":\"content_block_start\",\"index\":0,"
		"\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n"
		"event: content_block_delta\ndata: "
		"{\"type\":\"content_block_delta\",\"index\":0,"
		"\"delta\":{\"type\":\"text_delta\",\"text\":\"to jane.doe@\"}}\n\n"
		"event: content_block_delta\ndata: "
		"{\"type\":\"content_block_delta\",\"index\":0,"
		"\"delta\":{\"type\":\"text_delta\",\"text\":\"example.org\"}}\n\n"
		"event: content_block_stop\ndata: "
		"{\"type\":\"content_block_stop\",\"index\":0}\n\n"
		"event: message_delta\ndata: "
		"{\"type\":\"message_delta\",\"delta\":{\"stop_reason\":"
		"\"end_turn\"},\"usage\":{\"output_tokens\":9}}\n\n"
		"event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish end_turn|found 1|redacted 1|usage 3 9|" },
	{ "responses' error has its code beside its type", REDACT, "openai", "/v1/responses",
		"text/event-stream",
		"event: error\ndata: "
		"{\"type\":\"error\",\"code\":\"server_is_overloaded\",\"message\":\"x\","
		"\"param\":null,\"sequence_number\":2}\n\n",
		"input= 0.0 server_is_overloaded|other 0.0 x|error|" },
	{ "responses say it again when it is done", REDACT, "openai", "/v1/responses",
		"text/event-stream",
		"event: response.output_text.delta\ndata: "
		"{\"type\":\"response.output_text.delta\","
		"\"output_index\":0,\"content_index\":0,\"delta\":\"to jane.doe@ex\"}\n\n"
		"event: response.output_text.delta\ndata: "
		"{\"type\":\"response.output_text.delta\","
		"\"output_index\":0,\"content_index\":0,\"delta\":\"ample.org\"}\n\n"
		"event: response.output_text.done\ndata: "
		"{\"type\":\"response.output_text.done\","
		"\"output_index\":0,\"content_index\":0,\"text\":\"to " MAIL "\"}\n\n"
		"event: response.completed\ndata: "
		"{\"type\":\"response.completed\",\"response\":{"
		"\"status\":\"completed\",\"output\":[{\"type\":\"message\",\"content\":[{"
		"\"type\":"
		"\"output_text\",\"text\":\"to " MAIL "\"}]}]}}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>to "
		"<EMAIL_ADDRESS>|finish "
		"completed|found 3|redacted 3|" },
	{ "an Ollama stream", REDACT, "ollama", "/api/chat", "application/x-ndjson",
		"{\"model\":\"l\",\"message\":{\"content\":\"to jane.doe@\"},\"done\":false}\n"
		"{\"model\":\"l\",\"message\":{\"content\":\"example.org\"},\"done\":false}\n"
		"{\"model\":\"l\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":"
		"\"stop\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "Ollama's end, without its reason", REDACT, "ollama", "/api/generate",
		"application/x-ndjson",
		"{\"response\":\"to jane.doe@\",\"done\":false}\n"
		"{\"response\":\"example.org\",\"done\":false}\n"
		"{\"response\":\"\",\"done\":true,\"eval_count\":2}\n",
		"text 0.0 to <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "llama.cpp's", REDACT, "tgi", "/completion", "application/x-ndjson",
		"{\"content\":\"to jane.doe@\"}\n{\"content\":\"example.org\"}\n"
		"{\"content\":\"\",\"stop\":true}\n",
		"text 0.0 to <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "TGI's last event, which repeats the text", REDACT, "tgi", "/generate_stream",
		"application/x-ndjson",
		"{\"token\":{\"text\":\"to jane.doe@\"}}\n"
		"{\"token\":{\"text\":\"example.org\"},\"generated_text\":\"to " MAIL "\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|found 2|redacted "
		"2|" },
	{ "Cohere's v1", REDACT, "cohere", "/v1/generate", "application/stream+json",
		"{\"text\":\"to jane.doe@\",\"is_finished\":false}\n"
		"{\"text\":\"example.org\",\"is_finished\":false}\n"
		"{\"text\":\"\",\"is_finished\":true}\n",
		"text 0.0 to <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "Gemini's array", REDACT, "gemini", "/v1beta/models/g:streamGenerateContent",
		"application/json",
		"[{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"to "
		"jane.doe@\"}]}}]}\n,\r\n"
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"example.org\"}]},"
		"\"finishReason\":\"STOP\"}]}\n]",
		"text 0.0 to <EMAIL_ADDRESS>|finish STOP|found 1|redacted 1|" },
	{ "signed reasoning is cut off where something of it would be replaced", REDACT,
		"anthropic", "/v1/messages", "text/event-stream",
		"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"thinking_delta\",\"thinking\":\"he is jane.doe@\"}}\n\n"
		"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"thinking_delta\",\"thinking\":\"example.org and so on\"}}\n\n"
		"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"signature_delta\",\"signature\":\"SIG\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":0}\n\n" EVENT(
			"{\"type\":\"message_stop\"}"),
		"signed 0.0 he is |found 1|" },
	{ "in a whole answer all of it goes, and its signature", REDACT, "anthropic",
		"/v1/messages", "application/json",
		"{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"it "
		"is " MAIL "\",\"signature\":\"SIG\"},{\"type\":\"text\",\"text\":\"fine\"}],"
		"\"stop_reason\":\"end_turn\"}",
		"text 1.0 fine|finish end_turn|found 1|" },
	{ "a finish reason that is empty ends nothing", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"to jane.doe@\"},"
		"\"finish_reason\":\"\"}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"example.org\"},"
		"\"finish_reason\":\"\"}]}\n\n" STOP,
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "nor does an error that is empty", REDACT, "ollama", "/api/chat",
		"application/x-ndjson",
		"{\"message\":{\"content\":\"to jane.doe@\"},\"error\":\"\"}\n"
		"{\"message\":{\"content\":\"example.org\"},\"error\":\"\"}\n"
		"{\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"stop\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "reasoning under two names", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"to jane.doe@\","
		"\"reasoning_content\":\"to jane.doe@\",\"reasoning_details\":[{\"text\":\"to "
		"jane.doe@\"}]}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"reasoning\":\"example.org\","
		"\"reasoning_content\":\"example.org\",\"reasoning_details\":[{\"text\":"
		"\"example.org\"}]}}]}\n\n" STOP,
		"reasoning 0.0 to to to <EMAIL_ADDRESS><EMAIL_ADDRESS><EMAIL_ADDRESS>|finish "
		"stop|found 3|redacted 3|" },
	{ "a transcript beside the content", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"to jane.doe@\","
		"\"audio\":{\"transcript\":\" x \"}}}]}\n\n"
		"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"example.org\","
		"\"audio\":{\"transcript\":\" y \"}}}]}\n\n" STOP,
		"text 0.0 to  x  y <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "a call's name in two events", NO_DROP, "openai", "/v1/chat/completions",
		"text/event-stream",
		DELTA("\"name\":\"drop_\"") DELTA("\"name\":\"table\"") STOP,
		"denied no drops|finish stop|tool drop_|tool table|" },
	{ "another name for the same call", NO_DROP, "openai", "/v1/chat/completions",
		"text/event-stream",
		DELTA("\"name\":\"ok\"") DELTA("\"name\":\"drop_table\"") STOP,
		"denied no drops|finish stop|tool ok|tool drop_table|" },
	{ "data that is empty is no event", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"data:\n\n" CHUNK("to jane.doe@") "data: \n\n" CHUNK("example.org") STOP,
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "a transcription, a segment an event", REDACT, "openai", "/v1/audio/transcriptions",
		"text/event-stream",
		"data: {\"text\":\" to jane.doe@\"}\n\ndata: {\"text\":\"example.org\"}\n\n"
		"data: {\"text\":\" it is\"}\n\n",
		"text 0.0  to <EMAIL_ADDRESS> it is|found 1|redacted 1|" },
	{ "a transcription in pieces, and all of it at its end", REDACT, "openai",
		"/v1/audio/transcriptions", "text/event-stream",
		"data: {\"type\":\"transcript.text.delta\",\"delta\":\"to jane.doe@\"}\n\n"
		"data: {\"type\":\"transcript.text.delta\",\"delta\":\"example.org\"}\n\n"
		"data: {\"type\":\"transcript.text.done\",\"text\":\"to " MAIL "\"}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|found 2|redacted "
		"2|" },
	{ "more than the end in its event", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream", CHUNK("it is. ") "data: [DONE] " MAIL "\n\n",
		"text 0.0 it is. |broken an event of the stream is not JSON|" },
	{ "spaces before JSON with an audio type", REDACT, "openai", "/v1/audio/speech",
		"audio/mpeg", " \n{\"x\":\"" MAIL "\"}",
		"other 0.0 <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "spaces before audio", REDACT, "openai", "/v1/audio/speech", "audio/mpeg",
		" \n\x01\xff ok", "same|" },
	{ "text that is not UTF-8", REDACT, "openai", "/v1/audio/transcriptions",
		"text/plain; charset=latin1", "caf\xe9 " MAIL,
		"broken the response is not UTF-8|" },
	{ "a text alone, escaped", REDACT, "rest", "/x", "application/json",
		"\"jane.doe\\u0040example.org\"",
		"other 0.0 <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "a key where no format is known", REDACT, "rest", "/x", "application/json",
		"{\"u\":{\"" MAIL "\":{\"n\":1}}}",
		"other 0.0 u<EMAIL_ADDRESS>n|found 1|redacted 1|" },
	{ "events that call themselves text", REDACT, "openai", "/v1/chat/completions",
		"text/plain", CHUNK("to jane.doe@") CHUNK("example.org") STOP,
		"broken the response contains events, but its Content-Type names no stream|" },
	{ "an error beside what was made is no error document", REDACT, "openai",
		"/v1/chat/completions", "application/json",
		"{\"choices\":[{\"message\":{\"content\":\"" MAIL
		"\"}}],\"error\":{\"code\":0}}",
		"text 0.0 <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "more seals than texts", REDACT, "anthropic", "/v1/messages", "application/json",
		"{\"type\":\"message\",\"content\":[{\"type\":\"thinking\",\"thinking\":\"it "
		"is " MAIL "\",\"signature\":\"SIG\",\"data\":\"SIG\",\"content\":[" SEAL SEAL
			SEAL SEAL SEAL SEAL SEAL SEAL "{}]}],\"stop_reason\":\"end_turn\"}",
		"finish end_turn|found 1|" },
	{ "text after the end of its choice cannot be looked at with what was before", REDACT,
		"openai", "/v1/chat/completions", "text/event-stream",
		CHUNK("to 4111 1111 ") "data: "
				       "{\"choices\":[{\"index\":0,\"delta\":{},\"finish_"
				       "reason\":\"stop\"}]}\n\n" CHUNK("1111 1111") STOP,
		"text 0.0 to 4111 1111 |broken text follows the end of its choice or block|finish stop|" },
	{ "a signature beside other words is one", REDACT, "anthropic", "/v1/messages",
		"text/event-stream",
		"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"thinking_delta\",\"thinking\":\"he is jane.doe@example.org\"}}\n\n"
		"data: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":"
		"\"signature_delta\",\"signature\":\"SIG\",\"more\":\"x\"}}\n\n"
		"data: {\"type\":\"content_block_stop\",\"index\":0}\n\n" EVENT(
			"{\"type\":\"message_stop\"}"),
		"signed 0.0 he is |found 1|" },
	{ "names, ids and keys", REDACT, "openai", "/v1/chat/completions", "application/json",
		"{\"id\":\"c " MAIL "\",\"" MAIL
		"\":1,\"choices\":[{\"message\":{\"tool_calls\":[{"
		"\"function\":{\"name\":\"" MAIL "\",\"arguments\":\"{}\"}}]}}]}",
		"denied a value that must be replaced is in a name, which cannot be changed|found "
		"3|redacted 2|tool <redacted>|" },
	{ "in a stream", REDACT, "openai", "/v1/chat/completions", "text/event-stream",
		"data: "
		"{\"id\":\"c\",\"more\":4111111111111111,\"choices\":[{\"index\":0,\"delta\":{"
		"\"tool_calls\":[{\"index\":0,\"function\":{\"name\":\"" MAIL
		"\",\"arguments\":\"\"}}]}}]}\n\n" STOP,
		"denied a value that must be replaced is in a name, which cannot be changed|found "
		"2|redacted 1|tool <redacted>|" },
	{ "held text and an unknown member are left out", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream",
		"data: {\"new\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"to "
		"jane.doe@\"}}]}\n\n"
		"data: "
		"{\"new\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"exam\"}}]}\n\n"
		"data: {\"new\":1,\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ple."
		"org\"}}]}\n\n" STOP,
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "comments, ids and other fields of events", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"\xef\xbb\xbf: to " MAIL "\r\n\r\nid: " MAIL "\nevent: a " MAIL
		"\nretry: 1\nx: " MAIL "\nid: 7\n" CHUNK("it is. ") ": ping\n\n: ping\n\n" STOP,
		"text 0.0 it is. |finish stop|found 4|redacted 4|" },
	{ "a tool's input that is no JSON", REDACT, "openai", "/v1/responses",
		"text/event-stream",
		"data: {\"type\":\"response.custom_tool_call_input.delta\",\"output_index\":0,"
		"\"delta\":\"say \\\"to jane.doe@ex\"}\n\n"
		"data: {\"type\":\"response.custom_tool_call_input.delta\",\"output_index\":0,"
		"\"delta\":\"ample.org 4111111111111111\"}\n\n"
		"data: {\"type\":\"response.custom_tool_call_input.done\",\"output_index\":0,"
		"\"input\":\"say \\\"to " MAIL
		" 4111111111111111\"}\n\n" EVENT("{\"type\":\"response.completed\"}"),
		"input 0.0 say \"to <EMAIL_ADDRESS> <CREDIT_CARD>|input= 0.0 say \"to "
		"<EMAIL_ADDRESS> <CREDIT_CARD>|found 4|redacted 4|" },
	{ "arguments are read when they are complete", READS_ARGUMENTS, "openai",
		"/v1/chat/completions", "text/event-stream",
		DELTA("\"name\":\"f\",\"arguments\":\"{\\\"to\\\":\\\"jane.doe@\"")
			DELTA("\"arguments\":\"example.org\\\",\\\"n\\\":1}\"") STOP,
		"arguments 0.0 {\"to\":\"<EMAIL_ADDRESS>\",\"n\":1}|finish stop|found "
		"1|redacted "
		"1|tool f|" },
	{ "and then deny", READS_ARGUMENTS, "openai", "/v1/chat/completions",
		"text/event-stream",
		DELTA("\"name\":\"f\",\"arguments\":\"{\\\"n\\\":\"")
			DELTA("\"arguments\":\"11}\"") STOP,
		"arguments 0.0 {\"n\":11}|denied too many|finish stop|tool f|" },
	{ "arguments that are a value, for each call", READS_ARGUMENTS, "gemini",
		"/v1beta/models/g:streamGenerateContent", "text/event-stream",
		"data: "
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\","
		"\"args\":{\"n\":1}}}]}}]}\n\n"
		"data: "
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\","
		"\"args\":{\"n\":2}}}]}}]}\n\n",
		"arguments 0.0 nn|tool f|" },
	{ "of which one may deny", READS_ARGUMENTS, "ollama", "/api/chat", "application/json",
		"{\"message\":{\"tool_calls\":[{\"function\":{\"name\":\"f\",\"arguments\":{"
		"\"n\":1}}},{"
		"\"function\":{\"name\":\"f\",\"arguments\":{\"n\":11}}}]}}",
		"denied too many|tool f|" },
	{ "also if only their order distinguishes them", READS_ARGUMENTS, "gemini",
		"/v1beta/models/g:generateContent", "application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"g\","
		"\"args\":{\"n\":1}}},{\"functionCall\":{\"name\":\"f\",\"args\":{\"n\":11}}}]}"
		"}]}",
		"denied too many|tool g|tool f|" },
	{ "and permit", READS_ARGUMENTS, "gemini", "/v1beta/models/g:generateContent",
		"application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"functionCall\":{\"name\":\"f\","
		"\"args\":{\"n\":1}}},{\"functionCall\":{\"name\":\"g\",\"args\":{\"n\":11}}}]}"
		"}]}",
		"arguments 0.0 nn|tool f|tool g|" },
	{ "llama.cpp's own, over two events", REDACT, "openai", "/completion",
		"text/event-stream",
		"data: {\"index\":0,\"content\":\"to jane.doe@\",\"stop\":false}\n\n"
		"data: {\"index\":0,\"content\":\"example.org\",\"stop\":false}\n\n"
		"data: {\"index\":0,\"content\":\"\",\"stop\":true,\"stop_type\":\"eos\"}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish eos|found 1|redacted 1|" },
	{ "Mistral's conversations", REDACT, "mistral", "/v1/conversations",
		"text/event-stream",
		"data: "
		"{\"type\":\"message.output.delta\",\"output_index\":1,\"content_index\":2,"
		"\"content\":\"to jane.doe@\"}\n\n"
		"data: "
		"{\"type\":\"message.output.delta\",\"output_index\":1,\"content_index\":2,"
		"\"content\":{\"type\":\"text\",\"text\":\"example.org\"}}\n\n"
		"data: {\"type\":\"conversation.response.done\"}\n\n",
		"text 1.2 to <EMAIL_ADDRESS>|found 1|redacted 1|" },
	{ "Anthropic's complete", REDACT, "anthropic", "/v1/complete", "text/event-stream",
		"data: {\"type\":\"completion\",\"completion\":\"to jane.doe@\"}\n\n"
		"data: {\"type\":\"completion\",\"completion\":\"example.org\"}\n\n"
		"data: {\"type\":\"completion\",\"completion\":\"\",\"stop_reason\":"
		"\"stop_sequence\"}\n\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop_sequence|found 1|redacted 1|" },
	{ "Cohere's v1, under its own type", REDACT, "cohere", "/v1/chat",
		"application/stream+json",
		"{\"event_type\":\"text-generation\",\"text\":\"to jane.doe@\"}\n"
		"{\"event_type\":\"text-generation\",\"text\":\"example.org\"}\n"
		"{\"event_type\":\"stream-end\",\"finish_reason\":\"COMPLETE\",\"response\":{"
		"\"text\":\"to " MAIL "\"}}\n",
		"text 0.0 to <EMAIL_ADDRESS>|text= 0.0 to <EMAIL_ADDRESS>|finish "
		"COMPLETE|found 2|redacted 2|" },
	{ "Llama by Bedrock's invoke", REDACT, "bedrock", "/invoke-with-response-stream",
		FRAMES,
		"{\"generation\":\"to jane.doe@\"}\n{\"generation\":\"example.org\"}\n"
		"{\"generation\":\"\",\"stop_reason\":\"stop\"}\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "Titan", REDACT, "bedrock", "/invoke-with-response-stream", FRAMES,
		"{\"index\":0,\"outputText\":\"to jane.doe@\"}\n"
		"{\"index\":0,\"outputText\":\"example.org\",\"completionReason\":\"FINISH\"}"
		"\n",
		"text 0.0 to <EMAIL_ADDRESS>|finish FINISH|found 1|redacted 1|" },
	{ "Nova", REDACT, "bedrock", "/invoke-with-response-stream", FRAMES,
		"{\"contentBlockDelta\":{\"delta\":{\"text\":\"to jane.doe@\"},"
		"\"contentBlockIndex\":1}}\n"
		"{\"contentBlockDelta\":{\"delta\":{\"text\":\"example.org\"},"
		"\"contentBlockIndex\":1}}\n"
		"{\"messageStop\":{\"stopReason\":\"end_turn\"}}\n",
		"text 1.0 to <EMAIL_ADDRESS>|finish end_turn|found 1|redacted 1|" },
	{ "Nova's block ends what it holds", REDACT, "bedrock", "/invoke-with-response-stream",
		FRAMES,
		"{\"contentBlockDelta\":{\"delta\":{\"text\":\"to jane.doe@example.org\"},"
		"\"contentBlockIndex\":0}}\n"
		"{\"contentBlockStop\":{\"contentBlockIndex\":0}}\n"
		"{\"contentBlockDelta\":{\"delta\":{\"text\":\"4111 1111\"},"
		"\"contentBlockIndex\":0}}\n",
		"text 0.0 to <EMAIL_ADDRESS>|broken text follows the end of its choice or block|found 1|redacted 1|" },
	{ "one that speaks like OpenAI's", REDACT, "bedrock", "/invoke-with-response-stream",
		FRAMES,
		"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"to jane.doe@\"}}]}\n"
		"{\"choices\":[{\"index\":1,\"delta\":{\"content\":\"example.org\"},"
		"\"finish_reason\":\"stop\"}]}\n",
		"text 1.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "an index of many digits is that index", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		"data: {\"choices\":[{\"index\":0.0000000000000000000000000000000000000000,"
		"\"delta\":{\"content\":\"to jane.doe@\"}}]}\n\n" CHUNK("example.org") STOP,
		"text 0.0 to <EMAIL_ADDRESS>|finish stop|found 1|redacted 1|" },
	{ "events under an image's type", REDACT, "openai", "/v1/chat/completions", "image/png",
		"\r\n" CHUNK("to jane.doe@") CHUNK("example.org") STOP,
		"broken the response contains events, but its Content-Type names no stream|" },
	{ "events after a comment, as text", REDACT, "openai", "/v1/chat/completions",
		"text/plain", ": x\n\n" CHUNK("to jane.doe@") CHUNK("example.org") STOP,
		"broken the response contains events, but its Content-Type names no stream|" },
	{ "JSON after a byte order mark under an image's type", DENY, "openai",
		"/v1/chat/completions", "image/png",
		"\xef\xbb\xbf {\"choices\":[{\"message\":{\"content\":\"my ssn is "
		"536-22-1840\"}}]}",
		"denied no numbers|found 1|" },
	{ "parts that a client joins, with one beside them", REDACT, "gemini",
		"/v1beta/models/g:generateContent", "application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"bob@x.org, "
		"jane.doe@\"},{"
		"\"text\":\"hm\",\"thought\":true},{\"text\":\"exam\"},{\"text\":\"ple.org "
		"it is\"}]},\"finishReason\":\"STOP\"}]}",
		"text 0.0 <EMAIL_ADDRESS>, <EMAIL_ADDRESS> it is|text 0.1 hm|finish STOP|found "
		"2|redacted 2|" },
	{ "of which the last digits are those of all of it", LAST4, "gemini",
		"/v1beta/models/g:generateContent", "application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"card 5555 5555 5555 "
		"44\"},"
		"{\"text\":\"44 is it\"}]}}]}",
		"text 0.0 card **** **** **** 4444 is it|found 1|redacted 1|" },
	{ "parts of a chat's content", DENY, "openai", "/v1/chat/completions",
		"application/json",
		"{\"choices\":[{\"index\":0,\"message\":{\"content\":[{\"type\":\"text\","
		"\"text\":"
		"\"his ssn is 536-\"},{\"type\":\"text\",\"text\":\"22-1840\"}]}}]}",
		"denied no numbers|found 1|" },
	{ "and deny", DENY, "gemini", "/v1beta/models/g:generateContent", "application/json",
		"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"my ssn is 536-\"},{"
		"\"text\":\"22-1840\"}]}}]}",
		"denied no numbers|found 1|" },
	{ "blocks of Claude's answer, with a call between them", REDACT, "anthropic",
		"/v1/messages", "application/json",
		"{\"content\":[{\"type\":\"text\",\"text\":\"to jane.doe@\"},{\"type\":"
		"\"tool_use\",\"name\":\"f\",\"input\":{\"a\":\"4111\"}},{\"type\":\"text\","
		"\"text\":\"example.org now\"}]}",
		"text 0.0 to <EMAIL_ADDRESS>|arguments 1.0 a4111|text 2.0  now|found "
		"1|redacted "
		"1|tool f|" },
	{ "of Bedrock's", DENY, "bedrock", "/model/x/converse", "application/json",
		"{\"output\":{\"message\":{\"content\":[{\"text\":\"my ssn is 536-\"},"
		"{\"text\":\"22-1840\"}]}}}",
		"denied no numbers|found 1|" },
	{ "of Cohere's", DENY, "cohere", "/v2/chat", "application/json",
		"{\"message\":{\"content\":[{\"type\":\"text\",\"text\":\"my ssn is 536-\"},"
		"{\"type\":\"text\",\"text\":\"22-1840\"}]}}",
		"denied no numbers|found 1|" },
	{ "items of OpenAI's responses, and the parts of one", REDACT, "openai",
		"/v1/responses", "application/json",
		"{\"output\":[{\"type\":\"message\",\"content\":[{\"type\":\"output_text\","
		"\"text\":\"to jane.\"},{\"type\":\"output_text\",\"text\":\"doe@\"}]},"
		"{\"type\":\"message\",\"content\":[{\"type\":\"output_text\",\"text\":"
		"\"example.org now\"}]}]}",
		"text= 0.0 to <EMAIL_ADDRESS>|text= 1.0  now|found 1|redacted 1|" },
	{ "a value of one block that would be none with what the next begins with", DENY,
		"anthropic", "/v1/messages", "application/json",
		"{\"content\":[{\"type\":\"text\",\"text\":\"my ssn is 536-22-1840\"},{"
		"\"type\":\"text\",\"text\":\"abc is\"}]}",
		"denied no numbers|found 1|" },
	{ "choices are not joined", DENY, "openai", "/v1/chat/completions", "application/json",
		"{\"choices\":[{\"index\":0,\"message\":{\"content\":\"my ssn is 536-\"}},"
		"{\"index\":1,\"message\":{\"content\":\"22-1840\"}}]}",
		"same|" },
	{ "an emoji whose halves are in two events", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream",
		CHUNK("so \\ud83d") CHUNK("\\ude00 to jane.doe@") CHUNK("example.org") STOP,
		"text 0.0 so \xf0\x9f\x98\x80 to <EMAIL_ADDRESS>|finish stop|found 1|redacted "
		"1|" },
	{ "halves that are alone: of each event, at the end, of an unknown member", REDACT,
		"openai", "/v1/chat/completions", "text/event-stream",
		CHUNK("a\\ude00\\ud83d") CHUNK("b") "data: {\"note\":\"\\ud83d to " MAIL
						    "\"}\n\n" CHUNK("c\\ud83d") STOP,
		"other 0.0 \xef\xbf\xbd to <EMAIL_ADDRESS>|text 0.0 a\xef\xbf\xbd\xef\xbf\xbd"
		"bc\xef\xbf\xbd|finish stop|found 1|redacted 1|" },
	{ "halves in a whole answer", REDACT, "openai", "/v1/chat/completions",
		"application/json",
		"{\"choices\":[{\"message\":{\"content\":\"\\ud83d " MAIL
		" \\ude00\"},\"finish_reason\":\"stop\"}]}",
		"text 0.0 \xed\xa0\xbd <EMAIL_ADDRESS> \xed\xb8\x80|finish stop|found "
		"1|redacted 1|" },
	{ "what waits before an event that is no JSON", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream",
		"data: {\"note\":\"it is fine\"}\n\ndata: {oops\n\n",
		"other 0.0 it is fine|broken an event of the stream is not JSON|" },
	{ "what waits before an end that has a comment", REDACT, "openai",
		"/v1/chat/completions", "text/event-stream",
		"data: {\"note\":\"to jane.doe@example.org\"}\n\n: to " MAIL
		"\ndata: [DONE]\n\n",
		"other 0.0 to <EMAIL_ADDRESS>|found 2|redacted 2|" },
	{ "what Mistral fills its events with waits for nothing", REDACT, "mistral",
		"/v1/chat/completions", "text/event-stream",
		"data: {\"p\":\"abcdef\",\"choices\":[{\"index\":0,\"delta\":{\"content\":\"so "
		"it is. \"}}]}\n\ndata: {oops\n\n",
		"other 0.0 abcdef|text 0.0 so it is. |broken an event of the stream is not JSON|" },
	{ "an event that is no JSON", REDACT, "openai", "/v1/chat/completions",
		"text/event-stream", CHUNK("it is. ") "data: {oops\n\n",
		"text 0.0 it is. |broken an event of the stream is not JSON|" },
};

/* ---- every cut ---- */

static void
try_cuts(const struct answer_case *all, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const struct answer_case *r = &all[i];
		struct policy_fix f;
		struct buf out, say, out2, say2;
		struct arena a;
		struct answer_request asked;
		answer_load(r->rules, &f, &a, &asked);
		struct detect_scratch *scratch = detect_scratch_new(detect_fix()->rules);
		buf_init(&out, 0);
		buf_init(&say, 0);
		answer_case_run(r, f.p, &asked, scratch, NULL, 0, SIZE_MAX / 2, &out, &say);
		if (strcmp(buf_view(&say).p, r->want) != 0)
			fail_msg("%s:\n got  %s\n want %s\n out %.*s", r->name,
				buf_view(&say).p, r->want, SPAN_ARG(buf_view(&out)));
		if (!strcmp(r->rules, REDACT) && out.n &&
			memmem(buf_view(&out).p, out.n, "jane", 4))
			fail_msg("%s: a redacted value is sent: %.*s", r->name,
				SPAN_ARG(buf_view(&out)));
		for (size_t cut = 0; cut < strlen(r->in); cut++) {
			buf_init(&out2, 0);
			buf_init(&say2, 0);
			answer_case_run(
				r, f.p, &asked, scratch, NULL, cut, cut ? 0 : 1, &out2, &say2);
			if (!span_eq(buf_view(&out), buf_view(&out2)) ||
				!span_eq(buf_view(&say), buf_view(&say2)))
				fail_msg("%s, cut at %zu:\n got  %s %.*s\n want %s %.*s",
					r->name, cut, buf_view(&say2).p,
					SPAN_ARG(buf_view(&out2)), buf_view(&say).p,
					SPAN_ARG(buf_view(&out)));
			buf_free(&out2);
			buf_free(&say2);
		}
		detect_scratch_free(&scratch);
		arena_reset(&a);
		buf_free(&out);
		buf_free(&say);
		fix_done(&f);
	}
}

static void
cut_responses_give_the_same_output(void **state)
{
	(void)state;
	try_cuts(rows, COUNT_OF(rows));
}

static void
cut_blocks_and_escapes_give_the_same_output(void **state)
{
	(void)state;
	try_cuts(answer_blocks, COUNT_OF(answer_blocks));
}

static void
cut_repeated_members_give_the_same_output(void **state)
{
	(void)state;
	try_cuts(answer_members, COUNT_OF(answer_members));
}

static void
cut_streams_of_each_dialect_give_the_same_output(void **state)
{
	(void)state;
	try_cuts(answer_streams, COUNT_OF(answer_streams));
}

/* ---- the same streams, with placeholders ---- */

/* Returns the text with every `of` replaced with `by`. */
static char *
instead(const char *text, const char *of, const char *by)
{
	struct buf b;

	buf_init(&b, 0);
	for (const char *at; (at = strstr(text, of)); text = at + strlen(of)) {
		buf_span(&b, span_of(text, (size_t)(at - text)));
		buf_str(&b, by);
	}
	buf_str(&b, text);
	buf_putc(&b, '\0');
	char *made = strdup(buf_view(&b).p);
	buf_free(&b);
	return made;
}

/* Removes "found 1|redacted 1|" in place, because a restored value is not a finding. */
static void
forget_counts(char *say)
{
	static const char *const counts[] = { "found ", "redacted " };

	for (size_t i = 0; i < COUNT_OF(counts); i++) {
		char *at = strstr(say, counts[i]);
		char *end = at ? strchr(at, '|') : NULL;
		if (end)
			memmove(at, end + 1, strlen(end + 1) + 1);
	}
}

static struct answer_case
of_placeholders(const struct answer_case *r)
{
	struct answer_case made = *r;
	char *half = instead(r->in, "jane.doe@", "<EMAIL_ADD");

	made.in = instead(half, "example.org", "RESS_1>");
	free(half);
	made.want = instead(r->want, "<EMAIL_ADDRESS>", MAIL);
	forget_counts((char *)made.want);
	return made;
}

static void
try_restored(const struct answer_case *r, const struct vault *v)
{
	struct answer_case c = of_placeholders(r);
	struct policy_fix f;
	struct arena a;
	struct answer_request asked;

	answer_load(r->rules, &f, &a, &asked);
	struct detect_scratch *scratch = detect_scratch_new(detect_fix()->rules);
	for (size_t cut = 0; cut < strlen(c.in); cut++) {
		struct buf out, say;
		buf_init(&out, 0);
		buf_init(&say, 0);
		answer_case_run(&c, f.p, &asked, scratch, v, cut, cut ? 0 : 1, &out, &say);
		if (strcmp(buf_view(&say).p, c.want) != 0)
			fail_msg("%s, cut at %zu:\n got  %s\n want %s\n out %.*s", r->name, cut,
				buf_view(&say).p, c.want, SPAN_ARG(buf_view(&out)));
		buf_free(&out);
		buf_free(&say);
	}
	detect_scratch_free(&scratch);
	arena_reset(&a);
	fix_done(&f);
	free((char *)c.in);
	free((char *)c.want);
}

static void
values_are_restored_in_each_dialect_at_every_cut(void **state)
{
	(void)state;
	struct vault *v = vault_new();

	assert_int_equal(vault_add(v, SPAN_LIT("<EMAIL_ADDRESS_1>"), SPAN_LIT(MAIL)), 0);
	/* In members that no table lists, a value is restored only if it is whole in one
	 * event. */
	for (size_t i = 0; i < COUNT_OF(answer_streams); i++)
		if (!strcmp(answer_streams[i].rules, REDACT) &&
			strcmp(answer_streams[i].dialect, "rest") != 0)
			try_restored(&answer_streams[i], v);
	vault_free(&v);
}

int
main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(cut_responses_give_the_same_output),
		cmocka_unit_test(cut_blocks_and_escapes_give_the_same_output),
		cmocka_unit_test(cut_repeated_members_give_the_same_output),
		cmocka_unit_test(cut_streams_of_each_dialect_give_the_same_output),
		cmocka_unit_test(values_are_restored_in_each_dialect_at_every_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
