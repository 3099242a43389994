/* Cohere's API v2: chat, embed, rerank. https://docs.cohere.com/reference/chat */
#include "scan/dialect/openai.h"

/* clang-format off */
#define MODEL  { "model", T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_MODEL }

static const struct row chat_rows[] = {
	MODEL,
	{ "stream",                      T_BOOL|T_NULL,   ROLE_OTHER, F_RESERVED, READ_STREAM },
	{ "max_tokens",                  T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "messages",                    T_ARRAY|T_NULL,  ROLE_OTHER, 0, 0 },
	{ "messages[*]",                 T_OBJECT,        ROLE_OTHER, 0, READ_MESSAGE },
	{ "messages[*].role",            T_STRING,        ROLE_OTHER, F_RESERVED, READ_ROLE },
	{ "messages[*].content",         T_STRING|T_ARRAY|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*]",      T_OBJECT|T_STRING, ROLE_BY_MESSAGE, 0, READ_PART },
	{ "messages[*].content[*].type", T_STRING,        ROLE_OTHER, F_RESERVED, 0 },
	{ "messages[*].content[*].text", T_STRING,        ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*].thinking", T_STRING,    ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*].image_url.url", T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	{ "messages[*].content[*].document", T_ANY,       ROLE_BY_MESSAGE, F_DEEP, 0 },
	{ "messages[*].tool_plan",       T_STRING|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].citations",       T_ANY,           ROLE_DOCUMENT, F_DEEP, 0 },
	{ "messages[*].tool_call_id",    T_STRING|T_NULL, ROLE_TOOL_RESULT, 0, 0 },
	{ "messages[*].tool_calls",      T_ARRAY|T_NULL,  ROLE_TOOL_CALL, F_DATA, 0 },
	{ "messages[*].tool_calls[*]",   T_OBJECT,        ROLE_TOOL_CALL, F_DEEP, 0 },
	{ "messages[*].tool_calls[*].type", T_STRING,     ROLE_TOOL_CALL, F_RESERVED, 0 },
	{ "messages[*].tool_calls[*].function.name", T_STRING, ROLE_TOOL_CALL, F_RESERVED, READ_TOOL },
	{ "messages[*].tool_calls[*].function.arguments", T_ANY, ROLE_TOOL_CALL, F_DATA, 0 },
	{ "documents",                   T_ARRAY|T_NULL,  ROLE_DOCUMENT, F_DATA, 0 },
	{ "tools",                       T_ARRAY|T_NULL,  ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*].function",           T_ANY,           ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "response_format",             T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ 0 },
};
static const struct part_row parts[] = {
	{ "text",      NULL,    false },
	{ "thinking",  NULL,    false },
	{ "document",  NULL,    false },
	{ "image_url", "image", false },
	{ 0 },
};
static const struct ref_row chat_refs[] = { { "messages[*].content[*].image_url.url", "url" }, { 0 } };
static const struct param_row params[] = { { "p", "top_p" }, { "k", "top_k" }, { 0 } };

/* v1: what the caller says now, and the turns before. */
static const struct row v1_rows[] = {
	MODEL,
	{ "stream",                      T_BOOL|T_NULL,   ROLE_OTHER, F_RESERVED, READ_STREAM },
	{ "max_tokens",                  T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "message",                     T_STRING,        ROLE_USER, 0, 0 },
	{ "preamble",                    T_STRING|T_NULL, ROLE_SYSTEM, 0, 0 },
	{ "chat_history",                T_ARRAY|T_NULL,  ROLE_OTHER, 0, 0 },
	{ "chat_history[*]",             T_OBJECT,        ROLE_OTHER, 0, READ_MESSAGE },
	{ "chat_history[*].role",        T_STRING,        ROLE_OTHER, F_RESERVED, READ_ROLE },
	{ "chat_history[*].message",     T_STRING|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "chat_history[*].tool_calls",  T_ANY,           ROLE_TOOL_CALL, F_DATA, 0 },
	{ "chat_history[*].tool_results", T_ANY,          ROLE_TOOL_RESULT, F_DATA, 0 },
	{ "tool_results",                T_ANY,           ROLE_TOOL_RESULT, F_DATA, 0 },
	{ "documents",                   T_ANY,           ROLE_DOCUMENT, F_DATA, 0 },
	{ "tools",                       T_ANY,           ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*].parameter_definitions", T_ANY,        ROLE_TOOL_DEFINITION, F_DATA, 0 },
	{ "prompt",                      T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ 0 },
};
static const struct ref_row v1_refs[] = { { "conversation_id", "conversation" }, { 0 } };

static const struct row embed_rows[] = {
	MODEL,
	{ "texts",                       T_ARRAY|T_NULL,  ROLE_USER, F_DEEP, 0 },
	{ "images",                      T_ARRAY|T_NULL,  ROLE_USER, 0, 0 },
	{ "images[*]",                   T_STRING,        ROLE_USER, F_OPAQUE, READ_IMAGE },
	{ "inputs",                      T_ARRAY|T_NULL,  ROLE_USER, F_DEEP, 0 },
	{ "inputs[*].content[*]",        T_OBJECT,        ROLE_USER, F_DEEP, READ_PART },
	{ "inputs[*].content[*].type",   T_STRING,        ROLE_OTHER, F_RESERVED, 0 },
	{ "inputs[*].content[*].image_url.url", T_STRING, ROLE_USER, F_OPAQUE, 0 },
	{ 0 },
};
static const struct ref_row embed_refs[] = { { "inputs[*].content[*].image_url.url", "url" }, { 0 } };
static const struct row rerank_rows[] = {
	MODEL,
	{ "query",                       T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ "documents",                   T_ARRAY|T_NULL,  ROLE_DOCUMENT, F_DATA, 0 },
	{ 0 },
};
static const struct row text_rows[] = {
	MODEL,
	{ "text",                        T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ "inputs",                      T_ANY,           ROLE_USER, F_DEEP, 0 },
	{ "examples",                    T_ANY,           ROLE_DOCUMENT, F_DATA, 0 },
	{ 0 },
};
/* clang-format on */

#define CHAT                                                                                   \
	.rows = chat_rows, .parts = parts, .refs = chat_refs, .params = params,                \
	.model = "model", .cap = "max_tokens", .tree = TREE
static const struct table chat = { .json = true, CHAT };
static const struct table other = { .lenient = true, CHAT };
static const struct table v1 = { .json = true,
	.rows = v1_rows,
	.refs = v1_refs,
	.params = params,
	.model = "model",
	.cap = "max_tokens",
	.tree = TREE };
static const struct table embed = { .json = true,
	.rows = embed_rows,
	.parts = parts,
	.refs = embed_refs,
	.model = "model",
	.tree = TREE };
static const struct table rerank = {
	.json = true, .rows = rerank_rows, .model = "model", .tree = TREE
};
static const struct table text = {
	.json = true, .rows = text_rows, .model = "model", .tree = TREE
};

/* clang-format off */
static const struct endpoint_row endpoints[] = {
	{ "POST", "/v2/chat",       "chat",     &chat, 0 },
	{ "POST", "/v2/embed",      "embed",    &embed, 0 },
	{ "POST", "/v2/rerank",     "rerank",   &rerank, 0 },
	{ "POST", "/v1/chat",       "chat_v1",  &v1, 0 },
	{ "POST", "/v1/generate",   "chat_v1",  &v1, 0 },
	{ "POST", "/v1/embed",      "embed",    &embed, 0 },
	{ "POST", "/v1/rerank",     "rerank",   &rerank, 0 },
	{ "POST", "/v1/classify",   "classify", &text, 0 },
	{ "POST", "/v1/tokenize",   "tokens",   &text, E_FREE },
	{ "POST", "/v1/detokenize", "tokens",   &table_input, E_FREE },
	{ "POST", "/v1/summarize",  "chat_v1",  &v1, 0 },
	{ "POST", "/v2/audio/transcriptions", "transcriptions", &table_form, 0 },
	{ "POST", "/v1/check-api-key", "key",   NULL, E_FREE },
	RUNS("/v1/embed-jobs",                  "embed_jobs"),
	RUNS("/v1/finetuning/finetuned-models", "fine_tuning"),
	RUNS("/v2/batches",                     "batches"),
	KEPT("/v1/embed-jobs", "embed_jobs"),
	KEPT("/v1/finetuning", "fine_tuning"),
	KEPT("/v1/datasets",   "datasets"),
	KEPT("/v1/connectors", "connectors"),
	KEPT("/v2/batches",    "batches"),
	{ "GET",  "/v1/models",     "models",   NULL, 0 },
	{ "GET",  "/v1/models/{model}", "models", NULL, 0 },
	{ 0 },
};
static const char *const tells[] = { "/v2/chat", "/v2/embed", NULL };
static const char *const bases[] = { "", NULL };
/* clang-format on */

const struct dialect dialect_cohere = {
	.name = "cohere",
	.endpoints = endpoints,
	.tells = tells,
	.bases = bases,
	.main = &chat,
	.other = &other,
	.usage = usage_cohere,
	.error = "{'message':%m,'id':%i}",
	.stream_error = "{'type':'message-end','delta':{'finish_reason':'ERROR','error':%m}}",
	/* v1's clients look at other members */
	.line_error = "{'is_finished':true,'event_type':'stream-end','finish_reason':'ERROR',"
		      "'type':'message-end','delta':{'finish_reason':'ERROR','error':%m}}",
};
