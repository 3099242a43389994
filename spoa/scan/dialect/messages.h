/* The request of Anthropic's Messages API, which comes alone, in batches and inside other
 * providers' bodies: https://docs.anthropic.com/en/api/messages. Content blocks nest: a
 * tool's result and a document hold blocks of their own. */
#ifndef SCAN_DIALECT_MESSAGES_H
#define SCAN_DIALECT_MESSAGES_H

/* clang-format off */
#define AT_M(at) at "messages[*]"
#define AT_B(at) AT_M(at) ".content[*]"
#define AT_R(at) AT_B(at) ".content[*]"        /* blocks of a tool's result or a search result */
#define AT_N(at) AT_R(at) ".source.content[*]" /* blocks of a document in one */
#define AT_D(at) AT_B(at) ".source.content[*]" /* blocks of a document */

#define MESSAGES_ROWS(at) \
	{ at "model",                              T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	{ at "stream",                             T_BOOL|T_NULL,      ROLE_OTHER, F_RESERVED, READ_STREAM }, \
	{ at "max_tokens",                         T_NUMBER|T_NULL,    ROLE_OTHER, F_RESERVED, READ_CAP }, \
	{ at "system",                             T_STRING|T_ARRAY|T_NULL, ROLE_SYSTEM, 0, 0 }, \
	{ at "fallbacks[*].model",                 T_STRING|T_NULL,    ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	{ at "system[*]",                          T_OBJECT|T_STRING,  ROLE_SYSTEM, 0, READ_PART }, \
	{ at "system[*].type",                     T_STRING,           ROLE_SYSTEM, F_RESERVED, 0 }, \
	{ at "system[*].text",                     T_STRING,           ROLE_SYSTEM, 0, 0 }, \
	{ at "messages",                           T_ARRAY,            ROLE_OTHER, 0, 0 }, \
	{ AT_M(at),                                T_OBJECT,           ROLE_OTHER, 0, READ_MESSAGE }, \
	{ AT_M(at) ".role",                        T_STRING,           ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	{ AT_M(at) ".content",                     T_STRING|T_ARRAY,   ROLE_BY_MESSAGE, 0, 0 }, \
	{ AT_B(at),                                T_OBJECT|T_STRING,  ROLE_BY_MESSAGE, 0, READ_PART }, \
	{ AT_B(at) ".type",                        T_STRING,           ROLE_OTHER, F_RESERVED, 0 }, \
	{ AT_B(at) ".text",                        T_STRING,           ROLE_BY_MESSAGE, 0, 0 }, \
	{ AT_B(at) ".thinking",                    T_STRING,           ROLE_BY_MESSAGE, 0, 0 }, \
	{ AT_B(at) ".name",                        T_STRING,           ROLE_TOOL_CALL, F_RESERVED, READ_TOOL }, \
	{ AT_B(at) ".input",                       T_ANY,              ROLE_TOOL_CALL, F_DATA, 0 }, \
	{ AT_B(at) ".id",                          T_STRING,           ROLE_TOOL_CALL, 0, 0 }, \
	{ AT_B(at) ".tool_use_id",                 T_STRING,           ROLE_TOOL_RESULT, 0, 0 }, \
	{ AT_B(at) ".content",                     T_ANY,              ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ AT_R(at),                                T_OBJECT|T_STRING,  ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	{ AT_R(at) ".type",                        T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	{ AT_R(at) ".text",                        T_STRING,           ROLE_TOOL_RESULT, 0, 0 }, \
	{ AT_R(at) ".source",                      T_ANY,              ROLE_TOOL_RESULT, F_DEEP, 0 }, \
	{ AT_R(at) ".source.type",                 T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, READ_SOURCE_TYPE }, \
	{ AT_R(at) ".source.data",                 T_STRING,           ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ AT_N(at),                                T_OBJECT|T_STRING,  ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	{ AT_N(at) ".type",                        T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	{ AT_N(at) ".text",                        T_STRING,           ROLE_TOOL_RESULT, 0, 0 }, \
	{ AT_N(at) ".source.type",                 T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, READ_SOURCE_TYPE }, \
	{ AT_N(at) ".source.data",                 T_STRING,           ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ AT_B(at) ".title",                       T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_B(at) ".context",                     T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_B(at) ".citations",                   T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_B(at) ".source",                      T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_B(at) ".source.type",                 T_STRING,           ROLE_DOCUMENT, F_RESERVED, READ_SOURCE_TYPE }, \
	{ AT_B(at) ".source.data",                 T_STRING,           ROLE_DOCUMENT, F_OPAQUE, 0 }, \
	{ AT_B(at) ".source.content",              T_STRING|T_ARRAY,  ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_D(at),                                T_OBJECT|T_STRING,  ROLE_DOCUMENT, F_DEEP, READ_PART }, \
	{ AT_D(at) ".type",                        T_STRING,           ROLE_DOCUMENT, F_RESERVED, 0 }, \
	{ AT_D(at) ".text",                        T_STRING,           ROLE_DOCUMENT, 0, 0 }, \
	{ AT_D(at) ".source",                      T_ANY,              ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_D(at) ".source.type",                 T_STRING,           ROLE_DOCUMENT, F_RESERVED, READ_SOURCE_TYPE }, \
	{ AT_D(at) ".source.data",                 T_STRING,           ROLE_DOCUMENT, F_OPAQUE, 0 }, \
	{ at "tools",                              T_ARRAY|T_NULL,     ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "tools[*]",                           T_OBJECT,           ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "tools[*].type",                      T_STRING|T_NULL,    ROLE_TOOL_DEFINITION, F_RESERVED, 0 }, \
	{ at "tools[*].input_schema",              T_ANY,              ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "metadata",                           T_ANY,              ROLE_OTHER, F_DATA, 0 }

#define MESSAGES_SEALS(at) \
	{ AT_B(at) ".signature",                   "thinking",          1, ALONE_BLOCK }, \
	{ AT_B(at) ".data",                        "redacted_thinking", 1, ALONE_BLOCK }, \
	{ AT_R(at) ".encrypted_content",           "web_search_result", 0, NULL }, \
	{ AT_B(at) ".citations[*].encrypted_index", "web_search_result_location", 0, NULL }, \
	{ AT_B(at) ".content.encrypted_stdout",    "encrypted_code_execution_result", 0, NULL }

#define MESSAGES_REFS(at) \
	{ AT_B(at) ".source.url",      "url" }, \
	{ AT_B(at) ".source.file_id",  "file" }, \
	{ AT_B(at) ".file_id",         "file" }, \
	{ AT_R(at) ".source.url",      "url" }, \
	{ AT_R(at) ".source.file_id",  "file" }, \
	{ AT_D(at) ".source.url",      "url" }, \
	{ AT_D(at) ".source.file_id",  "file" }, \
	{ at "container",              "container" }, \
	{ at "container.id",           "container" }, \
	{ at "thread.continue",        "thread" }, \
	{ at "thread.previous_message_id", "thread" }

#define MESSAGES_PARTS \
	{ "text",                                   NULL,    false }, \
	{ "thinking",                               NULL,    false }, \
	{ "redacted_thinking",                      NULL,    false }, \
	{ "tool_use",                               NULL,    false }, \
	{ "tool_result",                            NULL,    false }, \
	{ "tool_reference",                         NULL,    false }, \
	{ "server_tool_use",                        NULL,    false }, \
	{ "mcp_tool_use",                           NULL,    false }, \
	{ "mcp_tool_result",                        NULL,    false }, \
	{ "web_search_tool_result",                 NULL,    false }, \
	{ "web_search_result",                      NULL,    false }, \
	{ "web_fetch_tool_result",                  NULL,    false }, \
	{ "code_execution_tool_result",             NULL,    false }, \
	{ "bash_code_execution_tool_result",        NULL,    false }, \
	{ "text_editor_code_execution_tool_result", NULL,    false }, \
	{ "search_result",                          NULL,    false }, \
	{ "image",                                  "image", false }, \
	{ "document",                               "file",  true }, \
	{ "container_upload",                       "file",  false }
/* clang-format on */

#endif
