/* Streams with values across the ends of blocks, and calls with escapes in their arguments:
 * rows for test_guard.c. */
#ifndef SUPPORT_ANSWER_BLOCKS_H
#define SUPPORT_ANSWER_BLOCKS_H

#include "support/answer_run.h"

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

#endif
