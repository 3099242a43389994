/* The dialect of Anthropic's POST /v1/messages:
 * https://docs.anthropic.com/en/api/messages. Content blocks nest: a tool's
 * result and a document hold blocks of their own. */
#include "text/table.h"

/* clang-format off */
#define M "messages[*]"
#define B M ".content[*]"
#define R B ".content[*]"        /* blocks of a tool's result or a search result */
#define N R ".source.content[*]" /* blocks of a document in one */
#define D B ".source.content[*]" /* blocks of a document */

static const struct row rows[] = {
	{ "model",            T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL },
	{ "stream",           T_BOOL|T_NULL,      ROLE_OTHER, F_RESERVED, READ_STREAM },
	{ "max_tokens",       T_NUMBER|T_NULL,    ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "system",           T_STRING|T_ARRAY|T_NULL, ROLE_SYSTEM, 0, 0 },
	{ "system[*]",        T_OBJECT|T_STRING,  ROLE_SYSTEM, 0, READ_PART },
	{ "system[*].type",   T_STRING,           ROLE_SYSTEM, F_RESERVED, 0 },
	{ "system[*].text",   T_STRING,           ROLE_SYSTEM, 0, 0 },
	{ "messages",         T_ARRAY,            ROLE_OTHER, 0, 0 },
	{ M,                  T_OBJECT,           ROLE_OTHER, 0, READ_MESSAGE },
	{ M ".role",          T_STRING,           ROLE_OTHER, F_RESERVED, READ_ROLE },
	{ M ".content",       T_STRING|T_ARRAY,   ROLE_BY_MESSAGE, 0, 0 },
	{ B,                  T_OBJECT|T_STRING,  ROLE_BY_MESSAGE, 0, READ_PART },
	{ B ".type",          T_STRING,           ROLE_OTHER, F_RESERVED, 0 },
	{ B ".text",          T_STRING,           ROLE_BY_MESSAGE, 0, 0 },
	{ B ".thinking",      T_STRING,           ROLE_BY_MESSAGE, 0, 0 },
	{ B ".name",          T_STRING,           ROLE_TOOL_CALL, F_RESERVED, READ_TOOL },
	{ B ".input",         T_ANY,              ROLE_TOOL_CALL, F_DEEP, 0 },
	{ B ".id",            T_STRING,           ROLE_TOOL_CALL, 0, 0 },
	{ B ".tool_use_id",   T_STRING,           ROLE_TOOL_RESULT, 0, 0 },
	{ B ".content",       T_ANY,              ROLE_TOOL_RESULT, F_DEEP, 0 },
	{ R,                  T_OBJECT|T_STRING,  ROLE_TOOL_RESULT, F_DEEP, READ_PART },
	{ R ".type",          T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, 0 },
	{ R ".text",          T_STRING,           ROLE_TOOL_RESULT, 0, 0 },
	{ R ".source",        T_ANY,              ROLE_TOOL_RESULT, F_DEEP, 0 },
	{ R ".source.type",   T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, READ_SOURCE_TYPE },
	{ R ".source.data",   T_STRING,           ROLE_TOOL_RESULT, F_OPAQUE, 0 },
	{ N,                  T_OBJECT|T_STRING,  ROLE_TOOL_RESULT, F_DEEP, READ_PART },
	{ N ".type",          T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, 0 },
	{ N ".text",          T_STRING,           ROLE_TOOL_RESULT, 0, 0 },
	{ N ".source.type",   T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, READ_SOURCE_TYPE },
	{ N ".source.data",   T_STRING,           ROLE_TOOL_RESULT, F_OPAQUE, 0 },
	{ B ".title",         T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 },
	{ B ".context",       T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 },
	{ B ".citations",     T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 },
	{ B ".source",        T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 },
	{ B ".source.type",   T_STRING,           ROLE_DOCUMENT, F_RESERVED, READ_SOURCE_TYPE },
	{ B ".source.data",   T_STRING,           ROLE_DOCUMENT, F_OPAQUE, 0 },
	{ B ".source.content", T_STRING|T_ARRAY,  ROLE_DOCUMENT, F_DEEP, 0 },
	{ D,                  T_OBJECT|T_STRING,  ROLE_DOCUMENT, F_DEEP, READ_PART },
	{ D ".type",          T_STRING,           ROLE_DOCUMENT, F_RESERVED, 0 },
	{ D ".text",          T_STRING,           ROLE_DOCUMENT, 0, 0 },
	{ D ".source",        T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 },
	{ D ".source.type",   T_STRING,           ROLE_DOCUMENT, F_RESERVED, READ_SOURCE_TYPE },
	{ D ".source.data",   T_STRING,           ROLE_DOCUMENT, F_OPAQUE, 0 },
	{ "tools",            T_ARRAY|T_NULL,     ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*]",         T_OBJECT,           ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*].type",    T_STRING|T_NULL,    ROLE_TOOL_DEFINITION, F_RESERVED, 0 },
	{ 0 },
};

static const struct part_row parts[] = {
	{ "text",                                   NULL,    false },
	{ "thinking",                               NULL,    false },
	{ "redacted_thinking",                      NULL,    false }, /* the provider's own words, sealed by it */
	{ "tool_use",                               NULL,    false },
	{ "tool_result",                            NULL,    false },
	{ "tool_reference",                         NULL,    false },
	{ "server_tool_use",                        NULL,    false },
	{ "mcp_tool_use",                           NULL,    false },
	{ "mcp_tool_result",                        NULL,    false },
	{ "web_search_tool_result",                 NULL,    false },
	{ "web_search_result",                      NULL,    false },
	{ "web_fetch_tool_result",                  NULL,    false },
	{ "code_execution_tool_result",             NULL,    false },
	{ "bash_code_execution_tool_result",        NULL,    false },
	{ "text_editor_code_execution_tool_result", NULL,    false },
	{ "search_result",                          NULL,    false },
	{ "image",                                  "image", false },
	{ "document",                               "file",  true },
	{ "container_upload",                       "file",  false },
	{ 0 },
};

static const struct seal_row seals[] = {
	{ B ".signature",                   "thinking",          1, ALONE_BLOCK },
	{ B ".data",                        "redacted_thinking", 1, ALONE_BLOCK },
	{ R ".encrypted_content",           "web_search_result", 0, NULL },
	{ B ".citations[*].encrypted_index", "web_search_result_location", 0, NULL },
	{ B ".content.encrypted_stdout",    "encrypted_code_execution_result", 0, NULL },
	{ 0 },
};

/* Cached input is counted apart from input_tokens; the total is the sum. */
static const struct usage_row usage[] = {
	{ "usage.input_tokens",                        USAGE_INPUT },
	{ "usage.cache_creation_input_tokens",         USAGE_INPUT },
	{ "usage.cache_read_input_tokens",             USAGE_INPUT },
	{ "usage.cache_read_input_tokens",             USAGE_CACHED },
	{ "usage.output_tokens",                       USAGE_OUTPUT },
	{ 0 },
};

static const char *const paths[] = { "/v1/messages", "/v1/messages/count_tokens", NULL };

/* clang-format on */

static void
error(struct buf *out, const char *type, const char *code, struct span message, struct span id)
{
	buf_printf(out, "{\"type\":\"error\",\"error\":{\"type\":\"%s\",\"message\":", type);
	buf_json_str(out, message);
	buf_printf(out, ",\"code\":\"%s\"},\"request_id\":", code);
	buf_json_str(out, id);
	buf_putc(out, '}');
}

const struct dialect dialect_anthropic = {
	.name = "anthropic",
	.json = true,
	.paths = paths,
	.rows = rows,
	.parts = parts,
	.seals = seals,
	.usage = usage,
	.cap = "max_tokens",
	.error = error,
	.stream_begin = "event: error\ndata: ",
};
