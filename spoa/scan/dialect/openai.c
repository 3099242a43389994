/* The family `openai`: the rows of all OpenAI's paths, and the tables of their bodies. Members
 * that compatible servers add (vLLM, llama.cpp: reasoning_content) are in the tables too, and
 * the servers' own endpoints. https://platform.openai.com/docs/api-reference */
#include "scan/dialect/openai.h"

/* ---- chat completions ----
 *
 * OpenAI and vLLM refuse an output limit of 0; for Ollama 0 is no limit (F_ZERO). */

/* clang-format off */
static const struct row chat_rows[] = {
	{ "model",                          T_STRING,                ROLE_OTHER, F_RESERVED, READ_MODEL },
	ROW_STREAM("stream"),
	{ "stream_options",                 T_OBJECT|T_NULL,         ROLE_OTHER, F_RESERVED, READ_OPTIONS },
	{ "stream_options.include_usage",   T_BOOL|T_NULL,           ROLE_OTHER, F_RESERVED, READ_INCLUDE_USAGE },
	{ "max_tokens",                     T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED|F_ZERO, READ_CAP },
	{ "max_completion_tokens",          T_NUMBER|T_NULL,         ROLE_OTHER, F_RESERVED|F_ZERO, READ_CAP },
	ROW_CHOICES("n"),
	ROW_CHOICES("best_of"),
	{ "messages",                       T_ARRAY,                 ROLE_OTHER, 0, 0 },
	{ "messages[*]",                    T_OBJECT,                ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("messages[*].role"),
	ROW_TEXT("messages[*].name", ROLE_BY_MESSAGE),
	{ "messages[*].content",            T_STRING|T_ARRAY|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*]",         T_OBJECT|T_STRING,       ROLE_BY_MESSAGE, 0, READ_PART },
	ROW_WORD("messages[*].content[*].type", ROLE_OTHER),
	ROW_STRING("messages[*].content[*].text", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].content[*].refusal", ROLE_BY_MESSAGE),
	{ "messages[*].content[*].image_url",        T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	ROW_OPAQUE("messages[*].content[*].image_url.url", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].input_audio.data", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].file.file_data", ROLE_DOCUMENT),
	ROW_STRING("messages[*].content[*].file.filename", ROLE_DOCUMENT),
	ROW_TEXT("messages[*].refusal", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].reasoning_content", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].tool_call_id", ROLE_TOOL_RESULT),
	{ "messages[*].tool_calls",         T_ARRAY|T_NULL,          ROLE_TOOL_CALL, F_DATA, 0 },
	{ "messages[*].tool_calls[*]",      T_OBJECT,                ROLE_TOOL_CALL, F_DEEP, 0 },
	ROW_WORD("messages[*].tool_calls[*].type", ROLE_TOOL_CALL),
	ROW_TOOL("messages[*].tool_calls[*].function.name"),
	ROW_DATA("messages[*].tool_calls[*].function.arguments", ROLE_TOOL_CALL),
	ROW_TOOL("messages[*].tool_calls[*].custom.name"),
	ROW_STRING("messages[*].tool_calls[*].custom.input", ROLE_TOOL_CALL),
	{ "messages[*].function_call",      T_OBJECT|T_NULL,         ROLE_TOOL_CALL, F_DATA, 0 },
	ROW_TOOL("messages[*].function_call.name"),
	ROW_DATA("messages[*].function_call.arguments", ROLE_TOOL_CALL),
	{ "tools",                          T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*]",                       T_OBJECT,                ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_WORD("tools[*].type", ROLE_TOOL_DEFINITION),
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION),
	ROW_DEEP("tools[*].custom", ROLE_TOOL_DEFINITION),
	{ "functions",                      T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_DATA("metadata", ROLE_OTHER),
	{ "response_format",                T_OBJECT|T_NULL,         ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "prediction",                     T_OBJECT|T_NULL,         ROLE_ASSISTANT, F_DATA, 0 },
	/* members of vLLM, llama.cpp and others */
	/* fallback models */
	{ "models",                         T_ANY,                   ROLE_OTHER, F_RESERVED, 0 },
	{ "models[*]",                      T_STRING,                ROLE_OTHER, F_RESERVED, READ_MODEL },
	MODEL_ELSEWHERE,
	ROW_DATA("documents", ROLE_DOCUMENT),
	{ "prompt",                         T_ANY,                   ROLE_OTHER, F_ANYONE, 0 },
	ROW_TEXT("chat_template", ROLE_SYSTEM),
	ROW_DEEP("structured_outputs", ROLE_TOOL_DEFINITION),
	ROW_DEEP("grammar", ROLE_TOOL_DEFINITION),
	ROW_DEEP("json_schema", ROLE_TOOL_DEFINITION),
	ROW_DEEP("messages[*].reasoning", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].video_url.url", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].audio_url.url", ROLE_BY_MESSAGE),
	{ 0 },
};

static const struct part_row chat_parts[] = {
	{ PART_TYPES("text", "refusal"), NULL, false },
	{ PART_TYPES("image_url"), "image", false },
	{ PART_TYPES("input_audio", "audio_url"), "audio", false },
	{ PART_TYPES("file"), "file", false },
	{ PART_TYPES("video_url"), "video", false },
	{ 0 },
};

static const struct param_row chat_params[] = { CONVERSATION_PARAMS, { 0 } };
static const struct ref_row chat_refs[] = {
	{ "messages[*].content[*].image_url", "url" },
	{ "messages[*].content[*].image_url.url", "url" },
	{ "messages[*].content[*].video_url.url", "url" },
	{ "messages[*].content[*].audio_url.url", "url" },
	{ "messages[*].content[*].file.file_id", "file" },
	{ "messages[*].audio.id", "audio" },
	{ 0 },
};

static const struct seal_row chat_seals[] = { SEALS_OPENAI, { 0 } };

#define CALL_NAMES(at) \
	WORD(at ".id"), \
	WORD(at ".call_id")
static const struct name_row chat_names[] = {
	{ "messages[*].name", NAME_SPEAKER },
	WORD("messages[*].tool_call_id"),
	CALL_NAMES("messages[*].tool_calls[*]"),
	WORD("messages[*].audio.id"),
	WORD("messages[*].content[*].image_url.detail"),
	WORD("messages[*].content[*].input_audio.format"),
	WORD("messages[*].content[*].file.file_id"),
	WORD("messages[*].content[*].cache_control"),
	WORD("messages[*].reasoning_details[*].type"),
	WORD("messages[*].reasoning_details[*].id"),
	WORD("messages[*].reasoning_details[*].format"),
	WORD("tools[*].function.name"),
	SCHEMA("tools[*].function.parameters"),
	WORD("tools[*].custom.name"),
	WORD("tools[*].custom.format.type"),
	WORD("tools[*].custom.format.grammar.syntax"),
	WORD("tools[*].cache_control"),
	WORD("functions[*].name"),
	SCHEMA("functions[*].parameters"),
	WORD("tool_choice"),
	WORD("function_call"),
	WORD("response_format.type"),
	WORD("response_format.json_schema.name"),
	SCHEMA("response_format.json_schema.schema"),
	SCHEMA("response_format.schema"),
	WORD("prediction.type"),
	WORD("prediction.content[*].type"),
	WORD("modalities"),
	WORD("audio"),
	WORD("reasoning_effort"),
	WORD("reasoning"),
	WORD("thinking"),
	WORD("verbosity"),
	WORD("service_tier"),
	WORD("prompt_cache_retention"),
	WORD("prompt_cache_options"),
	WORD("moderation"),
	WORD("messages[*].content[*].prompt_cache_breakpoint"),
	WORD("prediction.content[*].prompt_cache_breakpoint"),
	WORD("web_search_options.search_context_size"),
	WORD("web_search_options.user_location.type"),
	/* members of vLLM, llama.cpp, OpenRouter and others */
	SCHEMA("structured_outputs.json"),
	WORD("structured_outputs.choice"),
	SCHEMA("guided_json"),
	WORD("guided_choice"),
	SCHEMA("json_schema"),
	WORD("provider"),
	WORD("plugins[*].id"),
	WORD("transforms"),
	{ 0 },
};

/* clang-format on */

#define CHAT                                                                                   \
	.rows = chat_rows, .parts = chat_parts, .seals = chat_seals, .names = chat_names,      \
	.refs = chat_refs,                                                                     \
	.params = chat_params, .model = "model", .cap = "max_completion_tokens",               \
	.asks_usage = true
const struct table table_chat = { .json = true, CHAT, .tree = TREE };
static const struct table table_chat_other = { .lenient = true, CHAT, .tree = TREE };

/* ---- rows of several other endpoints ---- */

/* clang-format off */
#define MODEL \
	ROW_MODEL("model"), \
	MODEL_ELSEWHERE
#define STREAM { "stream", T_BOOL|T_NULL, ROLE_OTHER, F_RESERVED, READ_STREAM }
#define ASKED \
	{ "stream_options",               T_OBJECT|T_NULL, ROLE_OTHER, F_RESERVED, READ_OPTIONS }, \
	{ "stream_options.include_usage", T_BOOL|T_NULL,   ROLE_OTHER, F_RESERVED, READ_INCLUDE_USAGE }

/* A string, an array of strings, or arrays of token ids. */
#define INPUTS(name, role, element) \
	ROW_DEEP(name, role), \
	{ name "[*]",    T_ANY, role, F_DEEP, element }, \
	{ name "[*][*]", T_ANY, role, F_DEEP, READ_IDS }
#define INPUT(name, role) INPUTS(name, role, READ_IDS)

/* ---- responses ---- */

/* Tools. The schemas of a caller's own functions are tool definitions and nothing else. */
#define TOOLS(at, types, role) \
	{ at,                             types, role, F_DEEP, 0 }, \
	ROW_DEEP(at "[*].parameters", role), \
	ROW_DEEP(at "[*].input_schema", role), \
	ROW_DEEP(at "[*].function", role), \
	ROW_DEEP(at "[*].format", role), \
	ROW_DATA(at "[*].annotations", role), \
	ROW_DATA(at "[*].filters", role), \
	ROW_DATA(at "[*].headers", role), \
	ROW_DEEP(at "[*].tools[*].parameters", role), \
	ROW_DEEP(at "[*].tools[*].input_schema", role)

/* An item of a conversation. If the item has no role, its type implies one. */
#define ITEM(at) \
	{ at,                       T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_MESSAGE }, \
	{ at ".type",                  T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ITEM_TYPE }, \
	{ at ".role",                  T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	ROW_DEEP(at ".content", ROLE_BY_MESSAGE), \
	{ at ".content[*]",            T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_PART }, \
	ROW_WORD(at ".content[*].type", ROLE_OTHER), \
	{ at ".content[*].image_url",  T_STRING|T_NULL, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	{ at ".content[*].file_data",  T_STRING|T_NULL, ROLE_DOCUMENT, F_OPAQUE, 0 }, \
	ROW_TEXT(at ".content[*].filename", ROLE_DOCUMENT), \
	ROW_OPAQUE(at ".content[*].input_audio.data", ROLE_BY_MESSAGE), \
	{ at ".name",                  T_STRING|T_NULL, ROLE_BY_MESSAGE, F_RESERVED, READ_TOOL }, \
	{ at ".output",                T_ANY, ROLE_TOOL_RESULT, F_DATA, READ_PART }, \
	{ at ".output.type",           T_STRING|T_NULL, ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	{ at ".output.image_url",      T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ at ".output[*]",             T_ANY, ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	{ at ".output[*].type",        T_STRING|T_NULL, ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	{ at ".output[*].image_url",   T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ at ".output[*].file_data",   T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ at ".result",                T_ANY, ROLE_TOOL_RESULT, F_DATA|F_OPAQUE, READ_IMAGE }, \
	ROW_DATA(at ".revised_prompt", ROLE_TOOL_RESULT), \
	ROW_DATA(at ".arguments", ROLE_BY_MESSAGE), \
	ROW_DATA(at ".action", ROLE_BY_MESSAGE), \
	ROW_DATA(at ".action.sources", ROLE_TOOL_RESULT), \
	ROW_DATA(at ".operation", ROLE_BY_MESSAGE), \
	ROW_DATA(at ".results", ROLE_TOOL_RESULT), \
	ROW_DATA(at ".outputs", ROLE_TOOL_RESULT), \
	ROW_DATA(at ".logs", ROLE_TOOL_RESULT), \
	ROW_DATA(at ".error", ROLE_TOOL_RESULT), \
	TOOLS(at ".tools", T_ANY, ROLE_BY_MESSAGE)
#define ITEMS(at) \
	{ at,                             T_STRING|T_ARRAY|T_NULL, ROLE_USER, 0, 0 }, \
	ITEM(at "[*]")

#define ITEM_REFS(at) \
	{ at ".content[*].image_url", "url" }, \
	{ at ".content[*].file_url", "url" }, \
	{ at ".content[*].file_id", "file" }, \
	{ at ".output.image_url", "url" }, \
	{ at ".output.file_id", "file" }, \
	{ at ".output[*].image_url", "url" }, \
	{ at ".output[*].file_url", "url" }, \
	{ at ".output[*].file_id", "file" }

/* Tools, and what a choice among them names. */
#define TOOLS_NAMES(at) \
	WORD(at "[*].name"), \
	SCHEMA(at "[*].parameters"), \
	SCHEMA(at "[*].input_schema"), \
	SCHEMA(at "[*].output_schema"), \
	WORD(at "[*].function.name"), \
	SCHEMA(at "[*].function.parameters"), \
	WORD(at "[*].format.type"), \
	WORD(at "[*].format.syntax"), \
	WORD(at "[*].server_label"), \
	WORD(at "[*].connector_id"), \
	WORD(at "[*].require_approval"), \
	WORD(at "[*].allowed_tools"), \
	WORD(at "[*].allowed_callers"), \
	WORD(at "[*].vector_store_ids"), \
	WORD(at "[*].ranking_options.ranker"), \
	WORD(at "[*].filters.type"), \
	WORD(at "[*].filters.key"), \
	WORD(at "[*].filters.filters[*].type"), \
	WORD(at "[*].filters.filters[*].key"), \
	WORD(at "[*].container"), \
	WORD(at "[*].environment.type"), \
	WORD(at "[*].environment.container_id"), \
	WORD(at "[*].environment.file_ids"), \
	WORD(at "[*].environment.memory_limit"), \
	WORD(at "[*].environment.skills[*].type"), \
	WORD(at "[*].environment.skills[*].name"), \
	WORD(at "[*].environment.skills[*].skill_id"), \
	WORD(at "[*].environment.skills[*].version"), \
	WORD(at "[*].environment.skills[*].source.type"), \
	WORD(at "[*].environment.skills[*].source.media_type"), \
	WORD(at "[*].environment.network_policy.type"), \
	WORD(at "[*].environment.network_policy.domain_secrets[*].name"), \
	WORD(at "[*].search_context_size"), \
	WORD(at "[*].user_location.type"), \
	WORD(at "[*].user_location.timezone"), \
	WORD(at "[*].search_content_types"), \
	WORD(at "[*].execution"), \
	WORD(at "[*].tunnel_id"), \
	WORD(at "[*].model"), \
	WORD(at "[*].action"), \
	WORD(at "[*].background"), \
	WORD(at "[*].input_fidelity"), \
	WORD(at "[*].input_image_mask.file_id"), \
	WORD(at "[*].moderation"), \
	WORD(at "[*].output_format"), \
	WORD(at "[*].quality"), \
	WORD(at "[*].size"), \
	WORD(at "[*].tools[*].allowed_callers"), \
	WORD(at "[*].tools[*].format.type"), \
	WORD(at "[*].tools[*].format.syntax"), \
	WORD(at "[*].tools[*].type"), \
	WORD(at "[*].tools[*].name"), \
	SCHEMA(at "[*].tools[*].parameters"), \
	SCHEMA(at "[*].tools[*].input_schema")

#define ITEM_NAMES(at) \
	CALL_NAMES(at), \
	WORD(at ".status"), \
	WORD(at ".phase"), \
	WORD(at ".namespace"), \
	WORD(at ".server_label"), \
	WORD(at ".approval_request_id"), \
	WORD(at ".container_id"), \
	WORD(at ".execution"), \
	WORD(at ".caller"), \
	WORD(at ".agent"), \
	WORD(at ".action.type"), \
	WORD(at ".action.button"), \
	WORD(at ".action.sources[*].type"), \
	WORD(at ".actions[*].type"), \
	WORD(at ".actions[*].button"), \
	WORD(at ".error.type"), \
	WORD(at ".output[*].outcome.type"), \
	WORD(at ".environment.skills[*].name"), \
	WORD(at ".content[*].prompt_cache_breakpoint"), \
	WORD(at ".output[*].prompt_cache_breakpoint"), \
	WORD(at ".operation.type"), \
	WORD(at ".environment.type"), \
	WORD(at ".environment.container_id"), \
	WORD(at ".summary[*].type"), \
	WORD(at ".outputs[*].type"), \
	WORD(at ".results[*].file_id"), \
	WORD(at ".pending_safety_checks[*].id"), \
	WORD(at ".pending_safety_checks[*].code"), \
	WORD(at ".acknowledged_safety_checks[*].id"), \
	WORD(at ".acknowledged_safety_checks[*].code"), \
	WORD(at ".content[*].file_id"), \
	WORD(at ".content[*].detail"), \
	WORD(at ".content[*].input_audio.format"), \
	WORD(at ".content[*].annotations[*].type"), \
	WORD(at ".content[*].annotations[*].file_id"), \
	WORD(at ".content[*].annotations[*].container_id"), \
	WORD(at ".output[*].file_id"), \
	WORD(at ".output[*].detail"), \
	WORD(at ".output.file_id"), \
	TOOLS_NAMES(at ".tools")

/* Settings of a response, alone and in an event of a session. */
#define ANSWER_NAMES(at) \
	TOOLS_NAMES(at "tools"), \
	WORD(at "tool_choice"), \
	WORD(at "text.format.type"), \
	WORD(at "text.format.name"), \
	SCHEMA(at "text.format.schema"), \
	WORD(at "text.verbosity"), \
	WORD(at "reasoning"), \
	WORD(at "include"), \
	WORD(at "truncation"), \
	WORD(at "service_tier"), \
	WORD(at "context_management"), \
	WORD(at "prompt_cache_retention"), \
	WORD(at "prompt_cache_options"), \
	WORD(at "moderation"), \
	WORD(at "previous_response_id"), \
	WORD(at "conversation"), \
	WORD(at "prompt.id"), \
	WORD(at "prompt.version")

static const struct name_row responses_names[] = { ANSWER_NAMES(""), ITEM_NAMES("input[*]"), ITEM_NAMES("instructions[*]"), { 0 } };
static const struct name_row items_names[] = { ITEM_NAMES("items[*]"), { 0 } };

static const struct row responses_rows[] = {
	MODEL, STREAM,
	{ "instructions",                 T_STRING|T_ARRAY|T_NULL, ROLE_SYSTEM, F_DEEP, 0 },
	ITEMS("input"),
	{ "prompt",                       T_OBJECT|T_NULL, ROLE_OTHER, 0, 0 },
	{ "prompt.variables",             T_OBJECT|T_NULL, ROLE_USER, F_DATA, 0 },
	TOOLS("tools", T_ARRAY|T_NULL, ROLE_TOOL_DEFINITION),
	ROW_DATA("metadata", ROLE_OTHER),
	{ "tools[*]",                     T_OBJECT, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_WORD("tools[*].type", ROLE_TOOL_DEFINITION),
	{ "text",                         T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_CAP("max_output_tokens"),
	{ 0 },
};
static const struct part_row responses_parts[] = {
	{ PART_TYPES("input_text", "output_text", "text", "summary_text",
		"reasoning_text", "refusal", "encrypted_content"), NULL, false },
	{ PART_TYPES("input_image", "computer_screenshot"), "image", false },
	{ PART_TYPES("input_audio"), "audio", false },
	{ PART_TYPES("input_file"), "file", false },
	{ 0 },
};
/* The output of a shell tool. */
static const struct part_row responses_keyed[] = {
	{ PART_TYPES("stdout", "stderr", "outcome"), NULL, false },
	{ 0 },
};
static const struct seal_row responses_seals[] = { SEALS_ITEMS("input"), { 0 } };
static const struct param_row responses_params[] = {
	{ "reasoning.effort", "reasoning_effort" },
	{ "text.verbosity", "verbosity" },
	{ "max_output_tokens", "max_tokens" },
	{ "conversation.id", "conversation.id" },
	CONVERSATION_PARAMS,
	{ 0 },
};
static const struct ref_row responses_refs[] = {
	ITEM_REFS("input[*]"),
	{ "previous_response_id", "response" },
	{ "conversation", "conversation" },
	{ "conversation.id", "conversation" },
	{ "prompt.id", "prompt" },
	{ "tools[*].vector_store_ids", "vector_store" },
	{ "tools[*].container.file_ids", "file" },
	{ 0 },
};
static const struct row items_rows[] = {
	ITEMS("items"),
	ROW_DATA("metadata", ROLE_OTHER),
	{ 0 },
};
static const struct seal_row items_seals[] = { SEALS_ITEMS("items"), { 0 } };
static const struct ref_row items_refs[] = { ITEM_REFS("items[*]"), { 0 } };
#define RESPONSES \
	.json = true, .text_type = "input_text", .rows = responses_rows, .parts = responses_parts, .keyed = responses_keyed, .seals = responses_seals, .names = responses_names, \
	.params = responses_params, .refs = responses_refs, .speaker = ROLE_USER, .model = "model", .tree = TREE
const struct table table_responses = { .cap = "max_output_tokens", RESPONSES };
static const struct table table_responses_count = { RESPONSES };
static const struct table table_items = {
	.json = true, .text_type = "input_text", .rows = items_rows, .parts = responses_parts, .keyed = responses_keyed, .seals = items_seals, .names = items_names,
	.refs = items_refs, .speaker = ROLE_USER, .tree = TREE
};

/* ---- completions, and llama.cpp's own ---- */

static const struct row completions_rows[] = {
	MODEL, STREAM, ASKED,
	INPUTS("prompt", ROLE_USER, READ_PROMPT),
	ROW_TEXT("suffix", ROLE_USER),
	{ "max_tokens",                   T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED|F_SIGNED, READ_CAP },
	{ "n_predict",                    T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED|F_SIGNED, READ_CAP },
	ROW_CHOICES("n"),
	ROW_CHOICES("best_of"),
	ROW_TEXT("grammar", ROLE_TOOL_DEFINITION),
	ROW_DEEP("json_schema", ROLE_TOOL_DEFINITION),
	ROW_DEEP("response_format", ROLE_TOOL_DEFINITION),
	ROW_DEEP("structured_outputs", ROLE_TOOL_DEFINITION),
	ROW_TEXT("input_prefix", ROLE_USER),
	ROW_TEXT("input_suffix", ROLE_USER),
	{ "input_extra",                  T_ARRAY|T_NULL, ROLE_DOCUMENT, F_DATA, 0 },
	{ 0 },
};
static const struct name_row completions_names[] = {
	WORD("response_format.type"),
	WORD("response_format.json_schema.name"),
	SCHEMA("response_format.json_schema.schema"),
	SCHEMA("response_format.schema"),
	SCHEMA("structured_outputs.json"),
	WORD("structured_outputs.choice"),
	SCHEMA("guided_json"),
	WORD("guided_choice"),
	SCHEMA("json_schema"),
	{ 0 },
};
static const struct param_row native_params[] = { { "n_predict", "max_tokens" }, { 0 } };

const struct table table_completions = { .json = true, .asks_usage = true, .rows = completions_rows, .names = completions_names, .model = "model", .cap = "max_tokens", .tree = TREE };
static const struct table table_completion = { .json = true, .rows = completions_rows, .names = completions_names, .params = native_params, .cap = "n_predict", .tree = TREE };

/* ---- endpoints that generate no text ---- */

static const struct row input_rows[] = {
	MODEL, STREAM,
	INPUT("input", ROLE_USER),
	ROW_WORD("input[*].type", ROLE_OTHER),
	ROW_OPAQUE("input[*].image_url.url", ROLE_USER),
	INPUT("content", ROLE_USER),
	INPUT("prompt", ROLE_USER),
	INPUT("tokens", ROLE_USER),
	ROW_TEXT("instructions", ROLE_SYSTEM),
	ROW_DEEP("query", ROLE_USER),
	ROW_DEEP("text_1", ROLE_USER),
	ROW_DEEP("text_2", ROLE_USER),
	ROW_DATA("documents", ROLE_DOCUMENT),
	{ "messages",                     T_ARRAY|T_NULL, ROLE_OTHER, 0, 0 },
	{ "messages[*]",                  T_OBJECT, ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("messages[*].role"),
	ROW_DEEP("messages[*].content", ROLE_BY_MESSAGE),
	{ 0 },
};
/* Speech has voices that are called like people. */
static const struct name_row input_names[] = {
	WORD("encoding_format"),
	WORD("response_format"),
	WORD("stream_format"),
	WORD("voice"),
	WORD("truncate"),
	{ 0 },
};
static const struct ref_row input_refs[] = { { "input[*].image_url.url", "url" }, { 0 } };

/* Multipart forms with files, or JSON. */
static const struct row form_rows[] = {
	MODEL, STREAM,
	{ "n",                            T_NUMBER|T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_CHOICES },
	ROW_TEXT("prompt", ROLE_USER),
	{ "images",                       T_ARRAY|T_NULL, ROLE_USER, F_DEEP, 0 },
	{ "images[*].image_url",          T_STRING|T_NULL, ROLE_USER, F_OPAQUE, READ_IMAGE },
	{ "mask.image_url",               T_STRING|T_NULL, ROLE_USER, F_OPAQUE, READ_IMAGE },
	{ 0 },
};
static const struct ref_row form_refs[] = {
	{ "images[*].image_url", "url" },
	{ "images[*].file_id", "file" },
	{ "mask.image_url", "url" },
	{ "mask.file_id", "file" },
	{ 0 },
};
static const struct row batch_rows[] = { MODEL, { "metadata", T_ANY, ROLE_OTHER, F_DATA, 0 }, { 0 } };
static const struct ref_row batch_refs[] = { { "input_file_id", "file" }, { 0 } };

const struct table table_input     = { .json = true, .rows = input_rows, .names = input_names, .refs = input_refs, .model = "model", .tree = TREE };
const struct table table_form      = { .lenient = true, .rows = form_rows, .refs = form_refs, .model = "model", .tree = TREE };
static const struct table table_batch_job = { .json = true, .rows = batch_rows, .refs = batch_refs, .tree = TREE };

/* ---- sessions that do not pass the gateway ---- */

static const struct row session_rows[] = {
	MODEL,
	ROW_TEXT("instructions", ROLE_SYSTEM),
	TOOLS("tools", T_ANY, ROLE_TOOL_DEFINITION),
	ROW_MODEL("session.model"),
	ROW_TEXT("session.instructions", ROLE_SYSTEM),
	TOOLS("session.tools", T_ANY, ROLE_TOOL_DEFINITION),
	ROW_DATA("session.prompt.variables", ROLE_USER),
	ROW_DATA("session.tracing.metadata", ROLE_OTHER),
	{ 0 },
};
#define SESSION_NAMES(at) \
	ANSWER_NAMES(at), \
	WORD(at "type"), \
	WORD(at "voice"), \
	WORD(at "modalities"), \
	WORD(at "output_modalities"), \
	WORD(at "audio")
static const struct name_row session_names[] = { SESSION_NAMES(""), SESSION_NAMES("session."), { 0 } };
static const struct table table_session = { .lenient = true, .rows = session_rows, .names = session_names, .tree = TREE };

/* ---- events of a realtime session, one a message ---- */

#define SAID(at) \
	{ at ".content[*].audio",         T_STRING|T_NULL, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	ROW_TEXT(at ".content[*].transcript", ROLE_BY_MESSAGE)
static const struct row realtime_rows[] = {
	ROW_WORD("type", ROLE_OTHER),
	ROW_MODEL("session.model"),
	ROW_TEXT("session.instructions", ROLE_SYSTEM),
	TOOLS("session.tools", T_ANY, ROLE_TOOL_DEFINITION),
	ROW_DATA("session.prompt.variables", ROLE_USER),
	ROW_DATA("session.tracing.metadata", ROLE_OTHER),
	ITEM("item"), SAID("item"),
	ROW_TEXT("response.instructions", ROLE_SYSTEM),
	ITEMS("response.input"), SAID("response.input[*]"),
	TOOLS("response.tools", T_ANY, ROLE_TOOL_DEFINITION),
	ROW_DATA("response.prompt.variables", ROLE_USER),
	ROW_DATA("response.metadata", ROLE_OTHER),
	{ 0 },
};
static const struct part_row realtime_parts[] = {
	{ PART_TYPES("input_text", "output_text", "text"), NULL, false },
	{ PART_TYPES("input_audio", "output_audio", "audio"), "audio", false },
	{ PART_TYPES("input_image"), "image", false },
	{ 0 },
};
static const struct ref_row realtime_refs[] = {
	ITEM_REFS("item"), ITEM_REFS("response.input[*]"), { "response.prompt.id", "prompt" },
	{ "session.prompt.id", "prompt" }, { 0 },
};
static const struct name_row realtime_names[] = {
	WORD("event_id"),
	WORD("item_id"),
	WORD("previous_item_id"),
	WORD("response_id"),
	ITEM_NAMES("item"),
	SESSION_NAMES("session."),
	SESSION_NAMES("response."),
	ITEM_NAMES("response.input[*]"),
	{ 0 },
};
static const struct table table_realtime = {
	.json = true, .text_type = "input_text", .rows = realtime_rows, .names = realtime_names, .parts = realtime_parts, .keyed = responses_keyed,
	.refs = realtime_refs, .speaker = ROLE_USER, .cap = "", .tree = TREE
};

/* ---- uploaded files of JSON lines ---- */

/* A line is a request of a batch: {"custom_id","method","url","body"}. */
static const struct row line_rows[] = { { "body", T_OBJECT, ROLE_OTHER, 0, READ_REQUEST }, { 0 } };
static const struct name_row line_names[] = { WORD("custom_id"), WORD("method"), WORD("url"), { 0 } };
static const struct row no_rows[] = { { "purpose", T_STRING, ROLE_OTHER, F_RESERVED, 0 }, { 0 } };

#define LINE(by, part_rows, keyed_rows, wrote) { \
	.json = true, .batch = true, .rows = line_rows, .names = line_names, .parts = part_rows, .keyed = keyed_rows, .speaker = wrote, .inner = by, .tree = TREE }
static const struct table line_chat        = LINE(&table_chat, chat_parts, NULL, ROLE_OTHER);
static const struct table line_responses   = LINE(&table_responses, responses_parts, responses_keyed, ROLE_USER);
static const struct table line_completions = LINE(&table_completions, NULL, NULL, ROLE_OTHER);
static const struct table line_input       = LINE(&table_input, NULL, NULL, ROLE_OTHER);
/* clang-format on */

/* Returns the table of a line by its `url`. A line without `url` is an example of fine-tuning,
 * which resembles a chat. */
static const struct table *
line_table(struct span url)
{
	static const struct {
		const char *path;
		const struct table *table;
	} lines[] = {
		{ "/chat/completions", &line_chat },
		{ "/responses", &line_responses },
		{ "/completions", &line_completions },
		{ "/embeddings", &line_input },
		{ "/moderations", &line_input },
	};

	for (size_t i = 0; i < COUNT_OF(lines); i++)
		if (span_ends(url, span_str(lines[i].path)))
			return lines[i].table;
	return url.n ? &line_chat : &table_chat_other;
}

static const struct table table_files = {
	.lenient = true, .rows = no_rows, .line = line_table, .tree = TREE
};
/* Numbered parts of one upload. */
static const struct table table_pieces = {
	.lenient = true, .pieces = true, .rows = no_rows, .line = line_table, .tree = TREE
};

/* ---- paths ---- */

/* clang-format off */
#define DEPLOYED "/deployments/{model}"
#define BESIDE E_UNSEEN | E_BESIDE
static const struct endpoint_row endpoints[] = {
	OPENAI_ENDPOINTS(""),
	OPENAI_ENDPOINTS(DEPLOYED),
	OPENAI_ENDPOINTS("/engines/{model}"),
	{ "GET",  "/chat/completions",              "stored_chats",  NULL, 0 },
	{ "GET",  "/chat/completions/{id}",         "stored_chat",   NULL, E_STORED },
	{ "GET",  "/chat/completions/{id}/messages", "stored_chats", NULL, 0 },
	{ NULL,   "/chat/completions/{id}",         "stored_chats",  NULL, 0 },
	{ "GET",  "/responses/{id}",                "stored_response", NULL, E_STORED },
	{ "DELETE", "/responses/{id}",              "stored",        NULL, 0 },
	{ "GET",  "/responses/{id}/input_items",    "stored",        NULL, 0 },
	{ "POST", "/responses/{id}/cancel",         "stored_response", NULL, E_STORED },
	{ "POST", "/responses/compact",             "compact",       &table_responses_count, 0 },
	{ "POST", "/responses/input_tokens",        "count",         &table_responses_count, E_FREE },
	{ "POST", "/conversations",                 "conversations", &table_items, E_EMPTY },
	{ "POST", "/conversations/{id}",            "conversations", NULL, 0 },
	{ "POST", "/conversations/{id}/items",      "conversations", &table_items, 0 },
	{ "GET",  "/conversations/{id}/items",      "stored",        NULL, 0 },
	{ "GET",  "/conversations/{id}",            "stored",        NULL, 0 },
	{ "DELETE", "/conversations/{id}",          "stored",        NULL, 0 },
	{ "GET",  "/conversations/{id}/items/{id}", "stored",        NULL, 0 },
	{ "DELETE", "/conversations/{id}/items/{id}", "stored",      NULL, 0 },
	{ "POST", "/moderations",                   "moderations",   &table_input, 0 },
	{ "POST", "/images/generations",            "images",        &table_form, 0 },
	{ "POST", "/images/edits",                  "images",        &table_form, 0 },
	{ "POST", "/images/variations",             "images",        &table_form, 0 },
	{ "POST", DEPLOYED "/images/generations",   "images",        &table_form, 0 },
	/* Azure: the response names an operation, which has the images later */
	{ "POST", "/images/generations:submit",     "image_jobs",    &table_form, E_UNSEEN },
	{ "GET",  "/operations/images/{id}",        "operations",    NULL, E_STORED },
	{ "POST", DEPLOYED "/images/edits",         "images",        &table_form, 0 },
	{ "POST", "/audio/speech",                  "speech",        &table_input, 0 },
	{ "POST", DEPLOYED "/audio/speech",         "speech",        &table_input, 0 },
	{ "POST", "/audio/transcriptions",          "transcriptions", &table_form, 0 },
	{ "POST", "/audio/translations",            "transcriptions", &table_form, 0 },
	{ "POST", DEPLOYED "/audio/transcriptions", "transcriptions", &table_form, 0 },
	{ "POST", DEPLOYED "/audio/translations",   "transcriptions", &table_form, 0 },
	{ "GET",  "/models",                        "models",        NULL, 0 },
	{ "GET",  "/models/{model}",                "models",        NULL, 0 },
	/* a tuned model. A POST is Gemini's */
	{ "DELETE", "/models/{model}",              "models",        NULL, 0 },
	{ NULL,   "/files",                         "files",         &table_files, 0 },
	{ NULL,   "/files/{id}",                    "files",         NULL, 0 },
	{ "GET",  "/files/{id}/content",            "file",          NULL, E_STORED },
	{ "POST", "/uploads",                       "files",         NULL, 0 },
	{ "POST", "/uploads/{id}/parts",            "files",         &table_pieces, 0 },
	{ "POST", "/uploads/{id}/complete",         "files",         NULL, 0 },
	{ "POST", "/uploads/{id}/cancel",           "files",         NULL, 0 },
	{ "GET",  "/batches",                       "batches",       NULL, 0 },
	{ "POST", "/batches",                       "batches",       &table_batch_job, 0 },
	{ "POST", DEPLOYED "/batches",              "batches",       &table_batch_job, 0 },
	{ "GET",  "/batches/{id}",                  "batches",       NULL, 0 },
	{ "POST", "/batches/{id}/cancel",           "batches",       NULL, 0 },
	{ "GET",  "/realtime",                      "realtime",      &table_realtime, 0 },
	{ "GET",  "/responses",                     "responses",     &table_responses, 0 },
	/* Sessions over WebRTC and SIP, client secrets for them, and all further paths below
	 * /realtime. The last two before /realtime/{more} are Azure's. */
	{ "POST", "/realtime",                      "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/client_secrets",       "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/sessions",             "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/transcription_sessions", "realtime",    &table_session, BESIDE },
	{ "POST", "/realtime/calls",                "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/calls/{id}/accept",    "realtime",      &table_session, BESIDE },
	{ "POST", "/realtime/calls/{id}/refer",     "realtime",      &table_session, E_BESIDE },
	{ "POST", "/realtime/calls/{id}/reject",    "realtime",      &table_session, E_BESIDE },
	{ "POST", "/realtime/calls/{id}/hangup",    "realtime",      &table_session, E_BESIDE },
	{ "POST", "/realtime/translations/client_secrets", "realtime", &table_session, BESIDE },
	{ "POST", "/realtime/translations/calls",   "realtime",      &table_session, BESIDE },
	{ "POST", "/realtimertc",                   "realtime",      &table_session, BESIDE },
	{ "POST", "/realtimeapi/sessions",          "realtime",      &table_session, BESIDE },
	{ NULL,   "/realtime/{more}",               "realtime",      &table_session, E_BESIDE },
	/* First the requests that run a model without reported usage, then all other paths of
	 * kept things. */
	RUNS("/threads/runs", "runs"),
	RUNS("/threads/{id}/runs", "runs"),
	RUNS("/threads/{id}/runs/{id}/submit_tool_outputs", "runs"),
	RUNS("/chatkit/sessions", "runs"),
	RUNS("/fine_tuning/jobs", "fine_tuning"),
	RUNS("/fine_tuning/jobs/{id}/resume", "fine_tuning"),
	RUNS("/fine_tuning/alpha/graders/run", "fine_tuning"),
	RUNS("/evals/{id}/runs", "evals"),
	RUNS("/videos", "videos"),
	RUNS("/videos/{id}/remix", "videos"),
	RUNS("/videos/edits", "videos"),
	RUNS("/videos/extensions", "videos"),
	KEPT("/assistants", "assistants"),
	KEPT("/threads", "threads"),
	KEPT("/chatkit", "threads"),
	KEPT("/vector_stores", "vector_stores"),
	KEPT("/containers", "containers"),
	KEPT("/skills", "skills"),
	KEPT("/fine_tuning", "fine_tuning"),
	KEPT("/evals", "evals"),
	KEPT("/videos", "videos"),
	{ NULL,   "/audio/voices/{more}",           "voices",        &table_kept, 0 },
	/* endpoints of vLLM and llama.cpp */
	{ "POST", "/v1/messages",                   "messages",      &table_messages, 0 },
	{ "POST", "/completion",                    "completion",    &table_completion, 0 },
	{ "POST", "/infill",                        "completion",    &table_completion, 0 },
	{ "POST", "/embedding",                     "embeddings",    &table_input, 0 },
	{ "POST", "/pooling",                       "embeddings",    &table_input, 0 },
	{ "POST", "/classify",                      "embeddings",    &table_input, 0 },
	{ "POST", "/score",                         "embeddings",    &table_input, 0 },
	{ "POST", "/rerank",                        "embeddings",    &table_input, 0 },
	{ "POST", "/v2/rerank",                     "embeddings",    &table_input, 0 },
	{ "POST", "/tokenize",                      "tokens",        &table_input, E_FREE },
	{ "POST", "/detokenize",                    "tokens",        &table_input, E_FREE },
	{ "POST", "/apply-template",                "tokens",        &table_input, E_FREE },
	{ 0 },
};
static const char *const tells[] = {
	"/chat/completions", "/v1/responses", "/v1/completions", "/v1/embeddings",
	"/realtime/calls", "/realtime/calls/{id}/accept", "/realtime/client_secrets",
	"/realtime/sessions", "/realtime/transcription_sessions", NULL,
};
static const char *const bases[] = { "", "/v1", "/openai/v1", "/openai", NULL };
/* clang-format on */

const char error_openai[] = "{'error':{'message':%m,'type':'%t','param':%p,'code':'%c'},"
			    "'request_id':%i}";

const struct dialect dialect_openai = {
	.name = "openai",
	.endpoints = endpoints,
	.tells = tells,
	.bases = bases,
	.main = &table_chat,
	.other = &table_chat_other,
	.usage = usage_openai,
	.error = error_openai,
};
