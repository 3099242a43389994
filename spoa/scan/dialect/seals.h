/* Where clients send back what an OpenAI-like provider sealed. */
#ifndef SCAN_DIALECT_SEALS_H
#define SCAN_DIALECT_SEALS_H

/* clang-format off */
/* Items of POST /responses, and what gateways to models that reason put into messages of
 * this shape. */
#define SEALS_OPENAI \
	{ "input[*].encrypted_content",                    NULL, 0, NULL }, \
	{ "input[*].content[*].encrypted_content",                    NULL, 0, NULL }, \
	{ "messages[*].reasoning_details[*].data",         "reasoning.encrypted", 1, NULL }, \
	{ "messages[*].reasoning_details[*].signature",    NULL, 1, NULL }, \
	{ "messages[*].thinking_blocks[*].signature",      "thinking", 1, NULL }, \
	{ "messages[*].thinking_blocks[*].data",           "redacted_thinking", 1, NULL }, \
	{ "messages[*].extra_content.google.thought_signature", NULL, 0, NULL }, \
	{ "messages[*].tool_calls[*].extra_content.google.thought_signature", NULL, 0, NULL }
/* clang-format on */

#endif
