/* The family `mistral`: OpenAI's chat with parts and members of its own, fill-in-the-middle
 * completions, agents, conversations, OCR. https://docs.mistral.ai/api/ */
#include "base/attr.h"
#include "scan/dialect/openai.h"

/* clang-format off */
/* An agent is a model with instructions. Rules match its id as a model. */
#define MODEL \
	ROW_MODEL("model"), \
	{ "agent_id",                 T_STRING|T_NULL, ROLE_OTHER, F_NAMES, 0 }

/* A chunk of content, in a message of any role. */
#define CHUNK(at, role) \
	{ at,                         T_OBJECT|T_STRING, role, F_DEEP, READ_PART }, \
	ROW_WORD(at ".type", ROLE_OTHER), \
	{ at ".image_url",            T_OBJECT|T_STRING, role, F_OPAQUE, 0 }, \
	ROW_OPAQUE(at ".image_url.url", role), \
	{ at ".document_url",         T_STRING|T_NULL,   ROLE_DOCUMENT, F_OPAQUE, 0 }, \
	{ at ".input_audio",          T_OBJECT|T_STRING, role, F_DEEP|F_OPAQUE, 0 }, \
	ROW_OPAQUE(at ".input_audio.data", role)
#define CHUNK_REFS(at) \
	{ at ".image_url", "url" }, \
	{ at ".image_url.url", "url" }, \
	{ at ".document_url", "url" }, \
	{ at ".file_id", "file" }

#define MESSAGES(at) \
	{ at,                         T_STRING|T_ARRAY|T_NULL, ROLE_USER, 0, 0 }, \
	{ at "[*]",                   T_OBJECT|T_STRING,       ROLE_BY_MESSAGE, F_DEEP, READ_MESSAGE }, \
	{ at "[*].role",              T_STRING|T_NULL,         ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	{ at "[*].type",              T_STRING|T_NULL,         ROLE_OTHER, F_RESERVED, READ_ITEM_TYPE }, \
	{ at "[*].content",           T_STRING|T_ARRAY|T_NULL, ROLE_BY_MESSAGE, F_DEEP, 0 }, \
	CHUNK(at "[*].content[*]", ROLE_BY_MESSAGE), \
	ROW_TEXT(at "[*].tool_call_id", ROLE_TOOL_RESULT), \
	ROW_TEXT(at "[*].name", ROLE_BY_MESSAGE), \
	ROW_DATA(at "[*].arguments", ROLE_BY_MESSAGE), \
	ROW_DATA(at "[*].result", ROLE_TOOL_RESULT), \
	ROW_DATA(at "[*].info", ROLE_TOOL_RESULT), \
	ROW_DATA(at "[*].output", ROLE_TOOL_RESULT), \
	ROW_DATA(at "[*].outputs", ROLE_TOOL_RESULT), \
	ROW_DATA(at "[*].error", ROLE_TOOL_RESULT), \
	{ at "[*].tool_calls",        T_ARRAY|T_NULL,          ROLE_TOOL_CALL, F_DATA, 0 }, \
	{ at "[*].tool_calls[*]",     T_OBJECT,                ROLE_TOOL_CALL, F_DEEP, 0 }, \
	{ at "[*].tool_calls[*].type", T_STRING|T_NULL,        ROLE_TOOL_CALL, F_RESERVED, 0 }, \
	ROW_TOOL(at "[*].tool_calls[*].function.name"), \
	ROW_DATA(at "[*].tool_calls[*].function.arguments", ROLE_TOOL_CALL)

#define COMMON \
	MODEL, \
	ROW_STREAM("stream"), \
	ROW_CAP("max_tokens"), \
	ROW_CHOICES("n"), \
	{ "tools",                    T_ARRAY|T_NULL,          ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION), \
	ROW_DATA("metadata", ROLE_OTHER), \
	{ "response_format",          T_OBJECT|T_NULL,         ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ "prediction",               T_OBJECT|T_NULL,         ROLE_ASSISTANT, F_DATA, 0 }

static const struct row chat_rows[] = { COMMON, MESSAGES("messages"), { 0 } };
static const struct row fim_rows[] = {
	COMMON,
	ROW_TEXT("prompt", ROLE_USER),
	ROW_TEXT("suffix", ROLE_USER),
	{ 0 },
};
static const struct row conversation_rows[] = {
	MODEL,
	ROW_STREAM("stream"),
	MESSAGES("inputs"),
	ROW_TEXT("instructions", ROLE_SYSTEM),
	{ "tools",                    T_ARRAY|T_NULL,  ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION),
	ROW_DATA("metadata", ROLE_OTHER),
	{ "completion_args",          T_OBJECT|T_NULL, ROLE_OTHER, 0, READ_CAP_HOLDER },
	ROW_CAP("completion_args.max_tokens"),
	{ 0 },
};
static const struct row ocr_rows[] = {
	MODEL,
	CHUNK("document", ROLE_DOCUMENT),
	{ 0 },
};
/* Embeddings and moderations: a string, strings, or conversations. */
static const struct row input_rows[] = {
	MODEL,
	ROW_DEEP("input", ROLE_USER),
	{ "input[*]",                 T_ANY, ROLE_USER, F_DEEP, READ_MESSAGE },
	{ "input[*].role",            T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ROLE },
	ROW_DEEP("input[*].content", ROLE_BY_MESSAGE),
	{ "input[*][*]",              T_ANY, ROLE_USER, F_DEEP, READ_MESSAGE },
	{ "input[*][*].role",         T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ROLE },
	ROW_DEEP("input[*][*].content", ROLE_BY_MESSAGE),
	{ 0 },
};
static const struct row job_rows[] = { MODEL, { 0 } };

static const struct part_row parts[] = {
	{ PART_TYPES("text", "thinking", "reference", "tool_reference"), NULL, false },
	{ PART_TYPES("image_url"), "image", false },
	{ PART_TYPES("input_audio"), "audio", false },
	{ PART_TYPES("document_url", "file", "tool_file"), "file", false },
	{ 0 },
};
#define MESSAGE_NAMES(at) \
	{ at "[*].name", NAME_SPEAKER }, \
	WORD(at "[*].id"), \
	WORD(at "[*].object"), \
	WORD(at "[*].tool_call_id"), \
	WORD(at "[*].agent_id"), \
	WORD(at "[*].previous_agent_id"), \
	WORD(at "[*].next_agent_id"), \
	WORD(at "[*].tool_calls[*].id"), \
	WORD(at "[*].content[*].file_id"), \
	WORD(at "[*].content[*].tool")
#define SETTING_NAMES(at) \
	WORD(at "tool_choice"), \
	WORD(at "reasoning_effort"), \
	WORD(at "response_format.type"), \
	WORD(at "response_format.json_schema.name"), \
	SCHEMA(at "response_format.json_schema.schema"), \
	WORD(at "prompt_mode")
#define TOOL_NAMES \
	WORD("tools[*].type"), \
	WORD("tools[*].function.name"), \
	SCHEMA("tools[*].function.parameters"), \
	WORD("tools[*].library_ids"), \
	WORD("tools[*].connector_id"), \
	WORD("tools[*].tool_configuration"), \
	WORD("agent_id")
static const struct name_row chat_names[] = { MESSAGE_NAMES("messages"), SETTING_NAMES(""), TOOL_NAMES, { 0 } };
static const struct name_row conversation_names[] = {
	MESSAGE_NAMES("inputs"), SETTING_NAMES("completion_args."), TOOL_NAMES,
	WORD("handoff_execution"),
	WORD("from_entry_id"),
	{ 0 },
};
static const struct ref_row chat_refs[] = {
	CHUNK_REFS("messages[*].content[*]"),
	{ "agent_id",        "agent" },
	{ 0 },
};
static const struct ref_row conversation_refs[] = {
	CHUNK_REFS("inputs[*].content[*]"),
	{ "agent_id",        "agent" },
	{ 0 },
};
static const struct ref_row ocr_refs[] = { CHUNK_REFS("document"), { 0 } };
static const struct ref_row job_refs[] = { { "input_files", "file" }, { "agent_id", "agent" }, { 0 } };
static const struct param_row chat_params[] = { { "random_seed", "seed" }, { 0 } };
static const struct param_row conversation_params[] = {
	{ "completion_args.temperature", "temperature" },
	{ "completion_args.top_p", "top_p" },
	{ "completion_args.max_tokens", "max_tokens" },
	{ "completion_args.random_seed", "seed" },
	{ 0 },
};
#define NAMED .model = "model", .tree = TREE
#define CHAT .rows = chat_rows, .names = chat_names, .parts = parts, .refs = chat_refs, .params = chat_params, .speaker = ROLE_USER, .cap = "max_tokens"
static const struct table chat  = { .json = true, CHAT, NAMED };
static const struct table agent = { .json = true, CHAT, .tree = TREE };
static const struct table other = { .lenient = true, CHAT, NAMED };
static const struct table fim   = { .json = true, .rows = fim_rows, .params = chat_params, .cap = "max_tokens", NAMED };
/* No `.model`: an agent has its own model, so the gateway inserts none. */
static const struct table conversation = {
	.json = true, .rows = conversation_rows, .names = conversation_names, .parts = parts, .refs = conversation_refs, .params = conversation_params,
	.speaker = ROLE_USER, .cap = "completion_args.max_tokens", .tree = TREE
};
static const struct table ocr   = { .json = true, .rows = ocr_rows, .parts = parts, .refs = ocr_refs, NAMED };
static const struct table input = { .json = true, .rows = input_rows, .speaker = ROLE_USER, NAMED };
static const struct table job   = { .json = true, .rows = job_rows, .refs = job_refs, .tree = TREE };

/* A line of a batch file: {"custom_id","body"}. The job determines the endpoint later. */
static const struct row line_rows[] = { { "body", T_OBJECT, ROLE_OTHER, 0, READ_REQUEST }, { 0 } };
static const struct table line = { .json = true, .batch = true, .rows = line_rows, .parts = parts, .speaker = ROLE_USER, .inner = &chat, .tree = TREE };
/* clang-format on */
static const struct table *
line_table(struct span url UNUSED)
{
	return &line;
}
static const struct table files = { .lenient = true, .line = line_table, .tree = TREE };

/* clang-format off */
static const struct endpoint_row endpoints[] = {
	{ "POST", "/v1/chat/completions",      "chat",        &chat, 0 },
	{ "POST", "/v1/agents/completions",    "chat",        &agent, 0 },
	{ "POST", "/v1/fim/completions",       "chat",        &fim, 0 },
	{ "POST", "/v1/conversations",         "conversations", &conversation, 0 },
	{ "POST", "/v1/conversations/{id}",    "conversations", &conversation, 0 },
	{ "POST", "/v1/conversations/{id}/restart", "conversations", &conversation, 0 },
	{ "GET",  "/v1/conversations",         "stored",      NULL, 0 },
	{ "GET",  "/v1/conversations/{id}",    "stored",      NULL, 0 },
	{ "DELETE", "/v1/conversations/{id}",  "stored",      NULL, 0 },
	{ "GET",  "/v1/conversations/{id}/history",  "stored", NULL, E_STORED },
	{ "GET",  "/v1/conversations/{id}/messages", "stored", NULL, E_STORED },
	{ "POST", "/v1/embeddings",            "embeddings",  &input, 0 },
	{ "POST", "/v1/moderations",           "moderations", &input, 0 },
	{ "POST", "/v1/chat/moderations",      "moderations", &input, 0 },
	{ "POST", "/v1/classifications",       "moderations", &input, 0 },
	{ "POST", "/v1/chat/classifications",  "moderations", &input, 0 },
	{ "POST", "/v1/ocr",                   "ocr",         &ocr, 0 },
	{ "POST", "/v1/audio/transcriptions",  "transcriptions", &table_form, 0 },
	{ "GET",  "/v1/models",                "models",      NULL, 0 },
	{ "GET",  "/v1/models/{model}",        "models",      NULL, 0 },
	{ "DELETE", "/v1/models/{model}",      "models",      NULL, 0 },
	{ NULL,   "/v1/files",                 "files",       &files, 0 },
	{ NULL,   "/v1/files/{id}",            "files",       NULL, 0 },
	{ "GET",  "/v1/files/{id}/content",    "file",        NULL, E_STORED },
	{ "GET",  "/v1/files/{id}/url",        "files",       NULL, 0 },
	{ "GET",  "/v1/batch/jobs",            "batches",     NULL, 0 },
	{ "POST", "/v1/batch/jobs",            "batches",     &job, 0 },
	{ NULL,   "/v1/batch/jobs/{id}",       "batches",     NULL, 0 },
	{ "POST", "/v1/batch/jobs/{id}/cancel", "batches",    NULL, 0 },
	{ "POST", "/v1/audio/speech",          "speech",      &table_input, 0 },
	RUNS("/v1/fine_tuning/jobs", "fine_tuning"),
	RUNS("/v1/fine_tuning/jobs/{id}/start", "fine_tuning"),
	RUNS("/v1/libraries/{id}/documents", "libraries"), /* a model reads each document */
	RUNS("/v1/libraries/{id}/documents/{id}/reprocess", "libraries"),
	KEPT("/v1/agents", "agents"),
	KEPT("/v1/libraries", "libraries"),
	KEPT("/v1/fine_tuning", "fine_tuning"),
	KEPT("/v1/connectors", "connectors"),
	KEPT("/v1/audio/voices", "voices"),
	{ 0 },
};
/* clang-format on */

const struct dialect dialect_mistral = {
	.name = "mistral",
	.endpoints = endpoints,
	.bases = no_base,
	.main = &chat,
	.other = &other,
	.usage = usage_openai,
	.bills_on = true,
	.error = "{'object':'error','message':%m,'type':'%t','param':%p,'code':'%c','request_"
		 "id':%i}",
	.stream = STREAM_SSE,
};
