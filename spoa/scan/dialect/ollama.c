/* Ollama's own API: streams unless told otherwise, caps in `options`.
 * https://github.com/ollama/ollama/blob/main/docs/api.md */
#include "scan/dialect/openai.h"

/* clang-format off */
#define OPTIONS \
	{ "model",                 T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	{ "stream",                T_BOOL|T_NULL,      ROLE_OTHER, F_RESERVED, READ_STREAM }, \
	{ "options",               T_OBJECT|T_NULL,    ROLE_OTHER, 0, READ_CAP_HOLDER }, \
	{ "options.num_predict",   T_NUMBER|T_NULL,    ROLE_OTHER, F_RESERVED|F_SIGNED|F_ZERO, READ_CAP }, \
	{ "format",                T_ANY,              ROLE_TOOL_DEFINITION, F_DEEP, 0 }

#define CHAT \
	{ "messages",              T_ARRAY|T_NULL,     ROLE_OTHER, 0, 0 }, \
	{ "messages[*]",           T_OBJECT,           ROLE_OTHER, 0, READ_MESSAGE }, \
	{ "messages[*].role",      T_STRING,           ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	{ "messages[*].content",   T_STRING|T_NULL,    ROLE_BY_MESSAGE, 0, 0 }, \
	{ "messages[*].thinking",  T_STRING|T_NULL,    ROLE_BY_MESSAGE, 0, 0 }, \
	{ "messages[*].images",    T_ARRAY|T_NULL,     ROLE_BY_MESSAGE, 0, 0 }, \
	{ "messages[*].images[*]", T_STRING,           ROLE_BY_MESSAGE, F_OPAQUE, READ_IMAGE }, \
	{ "messages[*].tool_name", T_STRING|T_NULL,    ROLE_TOOL_RESULT, 0, 0 }, \
	{ "messages[*].tool_calls", T_ARRAY|T_NULL,    ROLE_TOOL_CALL, F_DATA, 0 }, \
	{ "messages[*].tool_calls[*]", T_OBJECT,       ROLE_TOOL_CALL, F_DEEP, 0 }, \
	{ "messages[*].tool_calls[*].function.name", T_STRING, ROLE_TOOL_CALL, F_RESERVED, READ_TOOL }, \
	{ "messages[*].tool_calls[*].function.arguments", T_ANY, ROLE_TOOL_CALL, F_DATA, 0 }, \
	{ "tools",                 T_ARRAY|T_NULL,     ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ "tools[*].function",     T_ANY,              ROLE_TOOL_DEFINITION, F_DEEP, 0 }

static const struct row chat_rows[] = { OPTIONS, CHAT, { 0 } };
static const struct row generate_rows[] = {
	OPTIONS,
	{ "prompt",                T_STRING|T_NULL,    ROLE_USER, 0, 0 },
	{ "suffix",                T_STRING|T_NULL,    ROLE_USER, 0, 0 },
	{ "system",                T_STRING|T_NULL,    ROLE_SYSTEM, 0, 0 },
	{ "template",              T_STRING|T_NULL,    ROLE_SYSTEM, 0, 0 },
	{ "images",                T_ARRAY|T_NULL,     ROLE_USER, 0, 0 },
	{ "images[*]",             T_STRING,           ROLE_USER, F_OPAQUE, READ_IMAGE },
	/* Token ids of an earlier conversation. */
	{ "context",               T_ARRAY|T_NULL,     ROLE_OTHER, 0, 0 },
	{ "context[*]",            T_ANY,              ROLE_OTHER, F_DEEP, READ_TOKENS },
	{ 0 },
};
/* Making, copying, fetching, showing a model: what it is made of or called, wherever. */
static const struct row other_rows[] = {
	OPTIONS, CHAT,
	{ "name",                  T_ANY,              ROLE_OTHER, F_NAMES, 0 },
	{ "from",                  T_ANY,              ROLE_OTHER, F_NAMES, 0 },
	{ "source",                T_ANY,              ROLE_OTHER, F_NAMES, 0 },
	{ "destination",           T_ANY,              ROLE_OTHER, F_NAMES, 0 },
	{ 0 },
};
static const struct row embed_rows[] = {
	{ "model",                 T_STRING,           ROLE_OTHER, F_RESERVED, READ_MODEL },
	{ "input",                 T_STRING|T_ARRAY|T_NULL, ROLE_USER, F_DEEP, 0 },
	{ "prompt",                T_STRING|T_NULL,    ROLE_USER, 0, 0 },
	{ 0 },
};

static const struct param_row params[] = {
	{ "options.temperature",       "temperature" },
	{ "options.top_p",             "top_p" },
	{ "options.top_k",             "top_k" },
	{ "options.seed",              "seed" },
	{ "options.num_predict",       "max_tokens" },
	{ "options.presence_penalty",  "presence_penalty" },
	{ "options.frequency_penalty", "frequency_penalty" },
	{ 0 },
};
/* clang-format on */

#define OWN .model = "model", .params = params, .cap = "options.num_predict", .tree = TREE
static const struct table chat = { .json = true, .streams = true, .rows = chat_rows, OWN };
static const struct table generate = {
	.json = true, .streams = true, .rows = generate_rows, OWN
};
static const struct table other = { .lenient = true, .rows = other_rows, OWN };
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
static const char *const bases[] = { "", NULL };
/* clang-format on */

const struct dialect dialect_ollama = {
	.name = "ollama",
	.endpoints = endpoints,
	.hints = hints,
	.bases = bases,
	.main = &chat,
	.other = &other,
	.usage = usage_ollama,
	.error = "{'error':%m,'type':'%t','code':'%c','request_id':%i}",
	.stream = STREAM_LINES,
};
