/* Rows for the request of Anthropic's Messages API: https://docs.anthropic.com/en/api/messages.
 * The request occurs alone, in batches and inside other providers' bodies, so each row takes a
 * prefix `at`. Content blocks nest: tool results and documents contain blocks of their own. */
#ifndef SCAN_DIALECT_MESSAGES_H
#define SCAN_DIALECT_MESSAGES_H

/* clang-format off */
#define AT_M(at) at "messages[*]"
#define AT_B(at) AT_M(at) ".content[*]"
#define AT_R(at) AT_B(at) ".content[*]"        /* blocks of a tool's result or a search result */
#define AT_N(at) AT_R(at) ".source.content[*]" /* blocks of a document inside a tool result */
#define AT_D(at) AT_B(at) ".source.content[*]" /* blocks of a document */

#define MESSAGES_ROWS(at) \
	{ at "model",                              T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	ROW_STREAM(at "stream"), \
	ROW_CAP(at "max_tokens"), \
	{ at "thread.type",                        T_ANY,              ROLE_OTHER, F_RESERVED, READ_THREAD }, \
	{ at "thread.previous_message_id",         T_ANY,              ROLE_OTHER, 0, READ_THREAD_AFTER }, \
	{ at "system",                             T_STRING|T_ARRAY|T_NULL, ROLE_SYSTEM, 0, 0 }, \
	ROW_MODEL(at "fallbacks[*].model"), \
	{ at "system[*]",                          T_OBJECT|T_STRING,  ROLE_SYSTEM, 0, READ_PART }, \
	ROW_WORD(at "system[*].type", ROLE_SYSTEM), \
	ROW_STRING(at "system[*].text", ROLE_SYSTEM), \
	{ at "messages",                           T_ARRAY,            ROLE_OTHER, 0, 0 }, \
	{ AT_M(at),                                T_OBJECT,           ROLE_OTHER, 0, READ_MESSAGE }, \
	ROW_ROLE(AT_M(at) ".role"), \
	{ AT_M(at) ".content",                     T_STRING|T_ARRAY,   ROLE_BY_MESSAGE, 0, 0 }, \
	{ AT_B(at),                                T_OBJECT|T_STRING,  ROLE_BY_MESSAGE, 0, READ_PART }, \
	ROW_WORD(AT_B(at) ".type", ROLE_OTHER), \
	ROW_STRING(AT_B(at) ".text", ROLE_BY_MESSAGE), \
	ROW_STRING(AT_B(at) ".thinking", ROLE_BY_MESSAGE), \
	ROW_TOOL(AT_B(at) ".name"), \
	ROW_DATA(AT_B(at) ".input", ROLE_TOOL_CALL), \
	ROW_STRING(AT_B(at) ".id", ROLE_TOOL_CALL), \
	ROW_STRING(AT_B(at) ".tool_use_id", ROLE_TOOL_RESULT), \
	ROW_DATA(AT_B(at) ".content", ROLE_TOOL_RESULT), \
	{ AT_R(at),                                T_OBJECT|T_STRING,  ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	ROW_WORD(AT_R(at) ".type", ROLE_TOOL_RESULT), \
	ROW_STRING(AT_R(at) ".text", ROLE_TOOL_RESULT), \
	ROW_DEEP(AT_R(at) ".source", ROLE_TOOL_RESULT), \
	{ AT_R(at) ".source.type",                 T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, READ_SOURCE_TYPE }, \
	ROW_OPAQUE(AT_R(at) ".source.data", ROLE_TOOL_RESULT), \
	{ AT_N(at),                                T_OBJECT|T_STRING,  ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	ROW_WORD(AT_N(at) ".type", ROLE_TOOL_RESULT), \
	ROW_STRING(AT_N(at) ".text", ROLE_TOOL_RESULT), \
	{ AT_N(at) ".source.type",                 T_STRING,           ROLE_TOOL_RESULT, F_RESERVED, READ_SOURCE_TYPE }, \
	ROW_OPAQUE(AT_N(at) ".source.data", ROLE_TOOL_RESULT), \
	ROW_DEEP(AT_B(at) ".title", ROLE_DOCUMENT), \
	ROW_DEEP(AT_B(at) ".context", ROLE_DOCUMENT), \
	ROW_DEEP(AT_B(at) ".citations", ROLE_DOCUMENT), \
	ROW_DEEP(AT_B(at) ".source", ROLE_DOCUMENT), \
	{ AT_B(at) ".source.type",                 T_STRING,           ROLE_DOCUMENT, F_RESERVED, READ_SOURCE_TYPE }, \
	ROW_OPAQUE(AT_B(at) ".source.data", ROLE_DOCUMENT), \
	{ AT_B(at) ".source.content",              T_STRING|T_ARRAY,  ROLE_DOCUMENT, F_DEEP, 0 }, \
	{ AT_D(at),                                T_OBJECT|T_STRING,  ROLE_DOCUMENT, F_DEEP, READ_PART }, \
	ROW_WORD(AT_D(at) ".type", ROLE_DOCUMENT), \
	ROW_STRING(AT_D(at) ".text", ROLE_DOCUMENT), \
	ROW_DEEP(AT_D(at) ".source", ROLE_DOCUMENT), \
	{ AT_D(at) ".source.type",                 T_STRING,           ROLE_DOCUMENT, F_RESERVED, READ_SOURCE_TYPE }, \
	ROW_OPAQUE(AT_D(at) ".source.data", ROLE_DOCUMENT), \
	{ at "tools",                              T_ARRAY|T_NULL,     ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "tools[*]",                           T_OBJECT,           ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at "tools[*].type",                      T_STRING|T_NULL,    ROLE_TOOL_DEFINITION, F_RESERVED, 0 }, \
	ROW_DEEP(at "tools[*].input_schema", ROLE_TOOL_DEFINITION), \
	ROW_DATA(at "metadata", ROLE_OTHER)

#define MESSAGES_SEALS(at) \
	{ AT_B(at) ".signature",                   "thinking",          1, ALONE_BLOCK }, \
	{ AT_B(at) ".data",                        "redacted_thinking", 1, ALONE_BLOCK }, \
	{ AT_R(at) ".encrypted_content",           "web_search_result", 0, NULL }, \
	{ AT_B(at) ".citations[*].encrypted_index", "web_search_result_location", 0, NULL }, \
	{ AT_B(at) ".content.encrypted_stdout",    "encrypted_code_execution_result", 0, NULL }, \
	SEALS_NAMED(AT_B(at)), \
	SEALS_KEPT(AT_B(at)), \
	SEALS_KEPT(at "messages[*]")

/* https://docs.anthropic.com/en/api/messages, with the members of beta versions */
#define MESSAGES_NAMES(at) \
	WORD(AT_B(at) ".id"), \
	WORD(AT_B(at) ".tool_use_id"), \
	WORD(AT_B(at) ".server_name"), \
	WORD(AT_B(at) ".tool_name"), \
	WORD(AT_B(at) ".file_id"), \
	WORD(AT_B(at) ".toolset_name"), \
	WORD(AT_B(at) ".tool"), \
	WORD(AT_B(at) ".from"), \
	WORD(AT_B(at) ".to"), \
	WORD(AT_B(at) ".transformations"), \
	WORD(AT_B(at) ".caller"), \
	WORD(AT_B(at) ".cache_control"), \
	WORD(AT_B(at) ".source.media_type"), \
	WORD(AT_B(at) ".source.file_id"), \
	WORD(AT_B(at) ".citations[*].type"), \
	WORD(AT_B(at) ".citations[*].file_id"), \
	WORD(AT_B(at) ".content.type"), \
	WORD(AT_B(at) ".content.error_code"), \
	WORD(AT_B(at) ".content.file_id"), \
	WORD(AT_B(at) ".content.file_type"), \
	WORD(AT_B(at) ".content.tool_name"), \
	WORD(AT_B(at) ".content.cache_control"), \
	WORD(AT_B(at) ".content.source.type"), \
	WORD(AT_B(at) ".content.source.media_type"), \
	WORD(AT_B(at) ".content.source.file_id"), \
	WORD(AT_B(at) ".content.content.type"), \
	WORD(AT_B(at) ".content.tool_references"), \
	WORD(AT_R(at) ".tool_name"), \
	WORD(AT_R(at) ".tool_use_id"), \
	WORD(AT_R(at) ".id"), \
	WORD(AT_R(at) ".file_id"), \
	WORD(AT_R(at) ".error_code"), \
	WORD(AT_R(at) ".cache_control"), \
	WORD(AT_R(at) ".source.media_type"), \
	WORD(AT_R(at) ".source.file_id"), \
	WORD(AT_D(at) ".cache_control"), \
	WORD(at "system[*].cache_control"), \
	WORD(at "system[*].citations[*].type"), \
	WORD(at "cache_control"), \
	WORD(at "tools[*].name"), \
	WORD(at "tools[*].model"), \
	WORD(at "tools[*].caching"), \
	WORD(at "tools[*].response_inclusion"), \
	SCHEMA(at "tools[*].input_schema"), \
	WORD(at "tools[*].cache_control"), \
	WORD(at "tools[*].allowed_callers"), \
	WORD(at "tools[*].mcp_server_name"), \
	{ at "tools[*].configs", NAME_KEYS }, \
	WORD(at "tools[*].user_location.type"), \
	WORD(at "tools[*].user_location.timezone"), \
	WORD(at "tool_choice"), \
	WORD(at "mcp_servers[*].type"), \
	WORD(at "mcp_servers[*].name"), \
	WORD(at "mcp_servers[*].tool_configuration.allowed_tools"), \
	WORD(at "container"), \
	WORD(at "context_management"), \
	WORD(at "thinking"), \
	WORD(at "output_config.effort"), \
	WORD(at "output_config.format.type"), \
	SCHEMA(at "output_config.format.schema"), \
	WORD(at "output_format.type"), \
	SCHEMA(at "output_format.schema"), \
	WORD(at "output_config.task_budget"), \
	WORD(at "fallbacks[*].output_config.effort"), \
	WORD(at "fallbacks[*].output_config.format.type"), \
	SCHEMA(at "fallbacks[*].output_config.format.schema"), \
	WORD(at "fallbacks[*].output_config.task_budget"), \
	WORD(at "fallbacks[*].speed"), \
	WORD(at "fallbacks[*].thinking"), \
	WORD(at "fallback_credit_token"), \
	WORD(at "betas"), \
	WORD(at "user_profile_id"), \
	WORD(at "service_tier"), \
	WORD(at "speed"), \
	WORD(at "inference_geo"), \
	WORD(at "thread.previous_message_id"), \
	WORD(at "diagnostics.previous_message_id")

#define MESSAGES_REFS(at) \
	{ AT_B(at) ".source.url", "url" }, \
	{ AT_B(at) ".source.file_id", "file" }, \
	{ AT_B(at) ".file_id", "file" }, \
	{ AT_R(at) ".source.url", "url" }, \
	{ AT_R(at) ".source.file_id", "file" }, \
	{ AT_D(at) ".source.url", "url" }, \
	{ AT_D(at) ".source.file_id", "file" }, \
	{ at "container", "container" }, \
	{ at "container.id", "container" }, \
	{ at "thread.continue", "thread" }, \
	{ at "thread.previous_message_id", "thread" }

#define MESSAGES_PARTS \
	{ PART_TYPES("text", "thinking", "redacted_thinking", "tool_use", \
		"tool_result", "tool_reference", "server_tool_use", "mcp_tool_use", \
		"mcp_tool_result", "web_search_tool_result", "web_search_result", \
		"web_fetch_tool_result", "code_execution_tool_result", \
		"bash_code_execution_tool_result", \
		"text_editor_code_execution_tool_result", "search_result"), NULL, false }, \
	{ PART_TYPES("image"), "image", false }, \
	{ PART_TYPES("document"), "file", true }, \
	{ PART_TYPES("container_upload"), "file", false }
/* clang-format on */

#endif
