/* The family `ollama`: Ollama's own API. Responses stream unless `stream` is false; the output
 * limit is in `options`. https://github.com/ollama/ollama/blob/main/docs/api.md */
#include "scan/dialect/openai.h"

/* clang-format off */
#define OPTIONS \
	{ "model",                 T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	ROW_STREAM("stream"), \
	{ "options",               T_OBJECT|T_NULL,    ROLE_OTHER, 0, READ_CAP_HOLDER }, \
	{ "options.num_predict",   T_NUMBER|T_NULL,    ROLE_OTHER, F_RESERVED|F_SIGNED|F_ZERO, READ_CAP }, \
	ROW_DEEP("format", ROLE_TOOL_DEFINITION)

#define CHAT \
	{ "messages",              T_ARRAY|T_NULL,     ROLE_OTHER, 0, 0 }, \
	{ "messages[*]",           T_OBJECT,           ROLE_OTHER, 0, READ_MESSAGE }, \
	ROW_ROLE("messages[*].role"), \
	ROW_TEXT("messages[*].content", ROLE_BY_MESSAGE), \
	ROW_TEXT("messages[*].thinking", ROLE_BY_MESSAGE), \
	{ "messages[*].images",    T_ARRAY|T_NULL,     ROLE_BY_MESSAGE, 0, 0 }, \
	{ "messages[*].images[*]", T_STRING,           ROLE_BY_MESSAGE, F_OPAQUE, READ_IMAGE }, \
	ROW_TEXT("messages[*].tool_name", ROLE_TOOL_RESULT), \
	{ "messages[*].tool_calls", T_ARRAY|T_NULL,    ROLE_TOOL_CALL, F_DATA, 0 }, \
	{ "messages[*].tool_calls[*]", T_OBJECT,       ROLE_TOOL_CALL, F_DEEP, 0 }, \
	ROW_TOOL("messages[*].tool_calls[*].function.name"), \
	ROW_DATA("messages[*].tool_calls[*].function.arguments", ROLE_TOOL_CALL), \
	{ "tools",                 T_ARRAY|T_NULL,     ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION)

static const struct row chat_rows[] = { OPTIONS, CHAT, { 0 } };
static const struct row generate_rows[] = {
	OPTIONS,
	ROW_TEXT("prompt", ROLE_USER),
	ROW_TEXT("suffix", ROLE_USER),
	ROW_TEXT("system", ROLE_SYSTEM),
	ROW_TEXT("template", ROLE_SYSTEM),
	{ "images",                T_ARRAY|T_NULL,     ROLE_USER, 0, 0 },
	{ "images[*]",             T_STRING,           ROLE_USER, F_OPAQUE, READ_IMAGE },
	/* The token ids of an earlier conversation. */
	{ "context",               T_ARRAY|T_NULL,     ROLE_OTHER, 0, 0 },
	{ "context[*]",            T_ANY,              ROLE_OTHER, F_DEEP, READ_TOKENS },
	{ 0 },
};
/* Requests that create, copy, download or show models; every member that names a model
 * counts. */
static const struct row other_rows[] = {
	OPTIONS, CHAT,
	ROW_NAMES("name"),
	ROW_NAMES("from"),
	ROW_NAMES("source"),
	ROW_NAMES("destination"),
	{ 0 },
};
static const struct row embed_rows[] = {
	{ "model",                 T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL },
	{ "input",                 T_STRING|T_ARRAY|T_NULL, ROLE_USER, F_DEEP, 0 },
	ROW_TEXT("prompt", ROLE_USER),
	{ 0 },
};

static const struct name_row chat_names[] = {
	WORD("messages[*].tool_name"),
	WORD("messages[*].tool_call_id"),
	WORD("messages[*].tool_calls[*].id"),
	WORD("tools[*].type"),
	WORD("tools[*].function.name"),
	SCHEMA("tools[*].function.parameters"),
	SCHEMA("format"),
	WORD("think"),
	WORD("keep_alive"),
	{ 0 },
};

static const struct param_row params[] = {
	{ "options.temperature", "temperature" },
	{ "options.top_p", "top_p" },
	{ "options.top_k", "top_k" },
	{ "options.seed", "seed" },
	{ "options.num_predict", "max_tokens" },
	{ "options.presence_penalty", "presence_penalty" },
	{ "options.frequency_penalty", "frequency_penalty" },
	{ 0 },
};
/* clang-format on */

#define OWN .model = "model", .params = params, .cap = "options.num_predict", .tree = TREE
static const struct table chat = { .json = true, .streams = true, .rows = chat_rows, .names = chat_names, OWN };
static const struct table generate = {
	.json = true, .streams = true, .rows = generate_rows, .names = chat_names, OWN
};
static const struct table other = { .lenient = true, .rows = other_rows, .names = chat_names, OWN };
static const struct table embed = {
	.json = true, .rows = embed_rows, .model = "model", .tree = TREE
};

/* clang-format off */
static const struct endpoint_row endpoints[] = {
	{ "POST", "/api/chat",            "chat",     &chat, 0 },
	{ "POST", "/api/generate",        "generate", &generate, 0 },
	{ "POST", "/api/embed",           "embed",    &embed, 0 },
	{ "POST", "/api/embeddings",      "embed",    &embed, 0 },
	{ "GET",  "/api/tags",            "models",   NULL, 0 },
	{ "GET",  "/api/ps",              "models",   NULL, 0 },
	{ "GET",  "/api/version",         "version",  NULL, 0 },
	{ "POST", "/api/show",            "models",   &other, 0 },
	OPENAI_ENDPOINTS("/v1"),
	{ "GET",  "/v1/models",           "models",   NULL, 0 },
	{ "POST", "/v1/messages",         "messages", &table_messages, 0 },
	{ 0 },
};
static const char *const hints[] = {
	"/api/chat", "/api/generate", "/api/embed", "/api/embeddings", "/api/tags", "/api/ps",
	"/api/show", "/api/version", "/api/pull", "/api/push", "/api/create", "/api/copy",
	"/api/delete", NULL,
};
/* clang-format on */

const struct dialect dialect_ollama = {
	.name = "ollama",
	.endpoints = endpoints,
	.hints = hints,
	.bases = no_base,
	.main = &chat,
	.other = &other,
	.usage = usage_ollama,
	.error = "{'error':%m,'type':'%t','code':'%c','request_id':%i}",
	.stream = STREAM_LINES,
};
