/* The family `cohere`: chat, embed and rerank of API v2, and v1.
 * https://docs.cohere.com/reference/chat */
#include "scan/dialect/openai.h"

/* clang-format off */
#define MODEL  { "model", T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_MODEL }

static const struct row chat_rows[] = {
	MODEL,
	ROW_STREAM("stream"),
	ROW_CAP("max_tokens"),
	{ "messages",                    T_ARRAY|T_NULL,  ROLE_OTHER, 0, 0 },
	{ "messages[*]",                 T_OBJECT,        ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("messages[*].role"),
	{ "messages[*].content",         T_STRING|T_ARRAY|T_NULL, ROLE_BY_MESSAGE, 0, 0 },
	{ "messages[*].content[*]",      T_OBJECT|T_STRING, ROLE_BY_MESSAGE, 0, READ_PART },
	ROW_WORD("messages[*].content[*].type", ROLE_OTHER),
	ROW_STRING("messages[*].content[*].text", ROLE_BY_MESSAGE),
	ROW_STRING("messages[*].content[*].thinking", ROLE_BY_MESSAGE),
	ROW_OPAQUE("messages[*].content[*].image_url.url", ROLE_BY_MESSAGE),
	ROW_DEEP("messages[*].content[*].document", ROLE_BY_MESSAGE),
	ROW_TEXT("messages[*].tool_plan", ROLE_BY_MESSAGE),
	ROW_DEEP("messages[*].citations", ROLE_DOCUMENT),
	ROW_TEXT("messages[*].tool_call_id", ROLE_TOOL_RESULT),
	{ "messages[*].tool_calls",      T_ARRAY|T_NULL,  ROLE_TOOL_CALL, F_DATA, 0 },
	{ "messages[*].tool_calls[*]",   T_OBJECT,        ROLE_TOOL_CALL, F_DEEP, 0 },
	ROW_WORD("messages[*].tool_calls[*].type", ROLE_TOOL_CALL),
	ROW_TOOL("messages[*].tool_calls[*].function.name"),
	ROW_DATA("messages[*].tool_calls[*].function.arguments", ROLE_TOOL_CALL),
	{ "documents",                   T_ARRAY|T_NULL,  ROLE_DOCUMENT, F_DATA, 0 },
	{ "tools",                       T_ARRAY|T_NULL,  ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION),
	{ "response_format",             T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ 0 },
};
static const struct part_row parts[] = {
	{ PART_TYPES("text", "thinking", "document"), NULL, false },
	{ PART_TYPES("image_url"), "image", false },
	{ 0 },
};
static const struct name_row chat_names[] = {
	WORD("messages[*].tool_call_id"),
	WORD("messages[*].tool_calls[*].id"),
	WORD("messages[*].citations[*].type"),
	WORD("messages[*].content[*].image_url.detail"),
	WORD("tools[*].type"),
	WORD("tools[*].function.name"),
	SCHEMA("tools[*].function.parameters"),
	WORD("tool_choice"),
	WORD("response_format.type"),
	SCHEMA("response_format.json_schema"),
	SCHEMA("response_format.schema"),
	WORD("citation_options"),
	WORD("thinking"),
	WORD("safety_mode"),
	{ 0 },
};
static const struct ref_row chat_refs[] = { { "messages[*].content[*].image_url.url", "url" }, { 0 } };
static const struct param_row params[] = { { "p", "top_p" }, { "k", "top_k" }, { 0 } };

/* v1: the caller's message, and the earlier turns in chat_history. */
static const struct row v1_rows[] = {
	MODEL,
	ROW_STREAM("stream"),
	ROW_CAP("max_tokens"),
	ROW_STRING("message", ROLE_USER),
	ROW_TEXT("preamble", ROLE_SYSTEM),
	{ "chat_history",                T_ARRAY|T_NULL,  ROLE_OTHER, 0, 0 },
	{ "chat_history[*]",             T_OBJECT,        ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("chat_history[*].role"),
	ROW_TEXT("chat_history[*].message", ROLE_BY_MESSAGE),
	ROW_DATA("chat_history[*].tool_calls", ROLE_TOOL_CALL),
	ROW_DATA("chat_history[*].tool_results", ROLE_TOOL_RESULT),
	ROW_DATA("tool_results", ROLE_TOOL_RESULT),
	ROW_DATA("documents", ROLE_DOCUMENT),
	ROW_DEEP("tools", ROLE_TOOL_DEFINITION),
	ROW_DATA("tools[*].parameter_definitions", ROLE_TOOL_DEFINITION),
	ROW_TEXT("prompt", ROLE_USER),
	{ 0 },
};
static const struct name_row v1_names[] = {
	WORD("tools[*].name"),
	{ "tools[*].parameter_definitions", NAME_SCHEMAS },
	WORD("chat_history[*].tool_calls[*].name"),
	WORD("chat_history[*].tool_results[*].call.name"),
	WORD("tool_results[*].call.name"),
	WORD("connectors[*].id"),
	WORD("conversation_id"),
	WORD("prompt_truncation"),
	WORD("citation_quality"),
	WORD("response_format.type"),
	SCHEMA("response_format.schema"),
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
	ROW_WORD("inputs[*].content[*].type", ROLE_OTHER),
	ROW_OPAQUE("inputs[*].content[*].image_url.url", ROLE_USER),
	{ 0 },
};
static const struct ref_row embed_refs[] = { { "inputs[*].content[*].image_url.url", "url" }, { 0 } };
static const struct row rerank_rows[] = {
	MODEL,
	ROW_TEXT("query", ROLE_USER),
	{ "documents",                   T_ARRAY|T_NULL,  ROLE_DOCUMENT, F_DATA, 0 },
	{ 0 },
};
static const struct row text_rows[] = {
	MODEL,
	ROW_TEXT("text", ROLE_USER),
	ROW_DEEP("inputs", ROLE_USER),
	ROW_DATA("examples", ROLE_DOCUMENT),
	{ 0 },
};
#define NAMED .model = "model", .tree = TREE
#define CHAT .rows = chat_rows, .names = chat_names, .parts = parts, .refs = chat_refs, .params = params, .cap = "max_tokens", NAMED
static const struct table chat   = { .json = true, CHAT };
static const struct table other  = { .lenient = true, CHAT };
static const struct table v1     = { .json = true, .rows = v1_rows, .names = v1_names, .refs = v1_refs, .params = params, .cap = "max_tokens", NAMED };
static const struct table embed  = { .json = true, .rows = embed_rows, .parts = parts, .refs = embed_refs, NAMED };
static const struct table rerank = { .json = true, .rows = rerank_rows, NAMED };
static const struct table text   = { .json = true, .rows = text_rows, NAMED };

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
	RUNS("/v1/embed-jobs", "embed_jobs"),
	RUNS("/v1/finetuning/finetuned-models", "fine_tuning"),
	RUNS("/v2/batches", "batches"),
	KEPT("/v1/embed-jobs", "embed_jobs"),
	KEPT("/v1/finetuning", "fine_tuning"),
	KEPT("/v1/datasets", "datasets"),
	KEPT("/v1/connectors", "connectors"),
	KEPT("/v2/batches", "batches"),
	{ "GET",  "/v1/models",     "models",   NULL, 0 },
	{ "GET",  "/v1/models/{model}", "models", NULL, 0 },
	{ 0 },
};
static const char *const tells[] = { "/v2/chat", "/v2/embed", NULL };
/* clang-format on */

const struct dialect dialect_cohere = {
	.name = "cohere",
	.endpoints = endpoints,
	.tells = tells,
	.bases = no_base,
	.main = &chat,
	.other = &other,
	.usage = usage_cohere,
	.error = "{'message':%m,'id':%i}",
	.stream_error = "{'type':'message-end','delta':{'finish_reason':'ERROR','error':%m}}",
	/* clients of v1 and v2 read different members, so the line has the members of both */
	.line_error = "{'is_finished':true,'event_type':'stream-end','finish_reason':'ERROR',"
		      "'type':'message-end','delta':{'finish_reason':'ERROR','error':%m}}",
};
