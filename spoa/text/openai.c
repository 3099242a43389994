/* The dialect of OpenAI's POST /v1/chat/completions, which vLLM, llama.cpp and
 * most others speak too: https://platform.openai.com/docs/api-reference/chat,
 * with the members that those servers add (reasoning_content). */
#include "text/table.h"

/* clang-format off */
static const struct row rows[] = {
	{ "model",                          T_STRING,                ROLE_OTHER, F_RESERVED, READ_MODEL },
	{ "stream",                         T_BOOL|T_NULL,           ROLE_OTHER, F_RESERVED, READ_STREAM },
	{ "stream_options",                 T_OBJECT|T_NULL,         ROLE_OTHER, F_RESERVED, READ_OPTIONS },
	{ "stream_options.include_usage",   T_BOOL|T_NULL,           ROLE_OTHER, F_RESERVED, READ_INCLUDE_USAGE },
	{ "max_tokens",                     T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "max_completion_tokens",          T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "n",                              T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED, READ_CHOICES },
	{ "messages",                       T_ARRAY,                 ROLE_OTHER, 0, 0 },
	{ "messages[*]",                    T_OBJECT,                ROLE_OTHER, 0, READ_MESSAGE },
	{ "messages[*].role",               T_STRING,                ROLE_OTHER, F_RESERVED, READ_ROLE },
	{ "messages[*].name",               T_STRING|T_NULL,         ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content",            T_STRING|T_ARRAY|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*]",         T_OBJECT|T_STRING,       ROLE_BY_MESSAGE, 0, READ_PART },
	{ "messages[*].content[*].type",    T_STRING,                ROLE_OTHER, F_RESERVED, 0 },
	{ "messages[*].content[*].text",    T_STRING,                ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*].refusal", T_STRING,                ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*].image_url",        T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	{ "messages[*].content[*].image_url.url",    T_STRING,       ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	{ "messages[*].content[*].input_audio.data", T_STRING,       ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	{ "messages[*].content[*].file.file_data",   T_STRING,       ROLE_DOCUMENT, F_OPAQUE, 0 },
	{ "messages[*].content[*].file.filename",    T_STRING,       ROLE_DOCUMENT, 0, 0 },
	{ "messages[*].refusal",            T_STRING|T_NULL,         ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].reasoning_content",  T_STRING|T_NULL,         ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].tool_call_id",       T_STRING|T_NULL,         ROLE_TOOL_RESULT, 0, 0 },
	{ "messages[*].tool_calls",         T_ARRAY|T_NULL,          ROLE_TOOL_CALL, F_DEEP, 0 },
	{ "messages[*].tool_calls[*]",      T_OBJECT,                ROLE_TOOL_CALL, F_DEEP, 0 },
	{ "messages[*].tool_calls[*].type", T_STRING,                ROLE_TOOL_CALL, F_RESERVED, 0 },
	{ "messages[*].tool_calls[*].function.name", T_STRING,       ROLE_TOOL_CALL, F_RESERVED, READ_TOOL },
	{ "messages[*].tool_calls[*].function.arguments", T_ANY,     ROLE_TOOL_CALL, F_DEEP, 0 },
	{ "messages[*].tool_calls[*].custom.name", T_STRING,         ROLE_TOOL_CALL, F_RESERVED, READ_TOOL },
	{ "messages[*].tool_calls[*].custom.input", T_STRING,        ROLE_TOOL_CALL, 0, 0 },
	{ "messages[*].function_call",      T_OBJECT|T_NULL,         ROLE_TOOL_CALL, F_DEEP, 0 },
	{ "messages[*].function_call.name", T_STRING,                ROLE_TOOL_CALL, F_RESERVED, READ_TOOL },
	{ "messages[*].function_call.arguments", T_ANY,              ROLE_TOOL_CALL, F_DEEP, 0 },
	{ "tools",                          T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*]",                       T_OBJECT,                ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*].type",                  T_STRING,                ROLE_TOOL_DEFINITION, F_RESERVED, 0 },
	{ "functions",                      T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "response_format",                T_OBJECT|T_NULL,         ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "prediction",                     T_OBJECT|T_NULL,         ROLE_ASSISTANT, F_DEEP, 0 },
	{ 0 },
};

static const struct part_row parts[] = {
	{ "text",        NULL,    false },
	{ "refusal",     NULL,    false },
	{ "image_url",   "image", false },
	{ "input_audio", "audio", false },
	{ "file",        "file",  false },
	{ 0 },
};

/* Items of POST /responses, and what gateways to models that reason put into messages of
 * this shape. */
#define SEALS \
	{ "input[*].encrypted_content",                    NULL, 0, NULL }, \
	{ "input[*].content[*].encrypted_content",                    NULL, 0, NULL }, \
	{ "messages[*].reasoning_details[*].data",         "reasoning.encrypted", 1, NULL }, \
	{ "messages[*].reasoning_details[*].signature",    NULL, 1, NULL }, \
	{ "messages[*].thinking_blocks[*].signature",      "thinking", 1, NULL }, \
	{ "messages[*].thinking_blocks[*].data",           "redacted_thinking", 1, NULL }, \
	{ "messages[*].extra_content.google.thought_signature", NULL, 0, NULL }, \
	{ "messages[*].tool_calls[*].extra_content.google.thought_signature", NULL, 0, NULL }

static const struct seal_row seals[] = { SEALS, { 0 } };

/* Where clients of APIs that have no table of their own yet send back what the provider
 * sealed: Gemini, Anthropic's blocks on other paths and in batches, Bedrock. */
#define GEMINI(at) \
	{ at "contents[*].parts[*].thoughtSignature",      NULL, 0, NULL }, \
	{ at "contents[*].parts[*].thought_signature",     NULL, 0, NULL }
#define ANTHROPIC(at) \
	{ at "messages[*].content[*].signature",           "thinking", 1, ALONE_BLOCK }, \
	{ at "messages[*].content[*].data",                "redacted_thinking", 1, ALONE_BLOCK }, \
	{ at "messages[*].content[*].content[*].encrypted_content", "web_search_result", 0, NULL }

static const struct seal_row rest_seals[] = {
	SEALS,
	GEMINI(""),
	GEMINI("generateContentRequest."),
	GEMINI("requests[*].request."),
	ANTHROPIC(""),
	ANTHROPIC("requests[*].params."),
	{ "messages[*].content[*].reasoningContent.reasoningText.signature", NULL, 3, ALONE_TEXT },
	{ "messages[*].content[*].reasoningContent.redactedContent", NULL, 2, ALONE_TEXT },
	{ 0 },
};

static const struct usage_row usage[] = {
	{ "usage.prompt_tokens",                       USAGE_INPUT },
	{ "usage.completion_tokens",                   USAGE_OUTPUT },
	{ "usage.total_tokens",                        USAGE_TOTAL },
	{ "usage.prompt_tokens_details.cached_tokens", USAGE_CACHED },
	{ 0 },
};

static const char *const paths[] = { "/chat/completions", NULL };

/* clang-format on */

static void
error(struct buf *out, const char *type, const char *code, struct span message, struct span id)
{
	buf_str(out, "{\"error\":{\"message\":");
	buf_json_str(out, message);
	buf_printf(out,
		",\"type\":\"%s\",\"param\":null,\"code\":\"%s\"},\"request_id\":", type, code);
	buf_json_str(out, id);
	buf_putc(out, '}');
}

const struct dialect dialect_openai = {
	.name = "openai",
	.json = true,
	.paths = paths,
	.rows = rows,
	.parts = parts,
	.seals = seals,
	.usage = usage,
	.cap = "max_completion_tokens",
	.asks_usage = true,
	.error = error,
	.stream_begin = "data: ", /* and no [DONE] after it */
};

/* Any other JSON, form or text: no roles, nothing that must be so, errors in the shape
 * that most clients know. */
const struct dialect dialect_rest = {
	.name = "rest",
	.seals = rest_seals,
	.error = error,
	.stream_begin = "data: ", /* and no [DONE] after it */
};
