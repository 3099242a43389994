/* Streams in which two members of an event have the same text, or several texts interleave:
 * rows for test_guard.c. */
#ifndef SUPPORT_ANSWER_MEMBERS_H
#define SUPPORT_ANSWER_MEMBERS_H

#include "support/answer_run.h"

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

#endif
