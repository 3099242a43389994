/* The family `tgi`: Hugging Face's Text Generation Inference. /generate, /generate_stream, and
 * / with `stream`; OpenAI's paths under /v1.
 * https://huggingface.github.io/text-generation-inference/ */
#include "scan/dialect/openai.h"

/* clang-format off */
static const struct row generate_rows[] = {
	ROW_TEXT("inputs", ROLE_USER),
	ROW_STREAM("stream"),
	{ "parameters",                T_OBJECT|T_NULL, ROLE_OTHER, 0, READ_CAP_HOLDER },
	ROW_CAP("parameters.max_new_tokens"),
	ROW_CHOICES("parameters.best_of"),
	ROW_DEEP("parameters.grammar", ROLE_TOOL_DEFINITION),
	ROW_MODEL("parameters.adapter_id"),
	{ "messages",                  T_ARRAY|T_NULL,  ROLE_OTHER, 0, 0 },
	{ "messages[*]",               T_OBJECT,        ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("messages[*].role"),
	ROW_DEEP("messages[*].content", ROLE_BY_MESSAGE),
	{ 0 },
};
static const struct name_row names[] = {
	WORD("parameters.grammar.type"),
	SCHEMA("parameters.grammar.value"),
	{ 0 },
};
static const struct param_row params[] = {
	{ "parameters.temperature", "temperature" },
	{ "parameters.top_p", "top_p" },
	{ "parameters.top_k", "top_k" },
	{ "parameters.seed", "seed" },
	{ "parameters.max_new_tokens", "max_tokens" },
	{ "parameters.best_of", "n" },
	{ 0 },
};
/* clang-format on */

/* The server has one model. Bodies name no model, only an adapter. */
#define GENERATE                                                                               \
	.rows = generate_rows, .names = names, .params = params, .cap = "parameters.max_new_tokens",           \
	.tree = TREE
static const struct table generate = { .json = true, GENERATE };
static const struct table tokens = {
	.json = true, .rows = generate_rows, .params = params, .tree = TREE
};
static const struct table other = { .lenient = true, GENERATE };

/* clang-format off */
static const struct endpoint_row endpoints[] = {
	{ "POST", "/generate",        "generate", &generate, 0 },
	{ "POST", "/generate_stream", "generate", &generate, E_STREAMS },
	{ "POST", "/",                "generate", &generate, 0 },
	{ "POST", "/tokenize",        "tokens",   &tokens, 0 },
	{ "POST", "/chat_tokenize",   "tokens",   &table_chat, 0 },
	{ "POST", "/invocations",     "generate", &generate, 0 },
	OPENAI_ENDPOINTS("/v1"),
	{ "GET",  "/info",            "models",   NULL, 0 },
	{ "GET",  "/v1/models",       "models",   NULL, 0 },
	{ 0 },
};
/* clang-format on */

const struct dialect dialect_tgi = {
	.name = "tgi",
	.endpoints = endpoints,
	.bases = no_base,
	.main = &generate,
	.other = &other,
	.types = TYPES_TGI,
	.usage = usage_tgi,
	.error = "{'error':%m,'error_type':'%t','code':'%c','request_id':%i}",
	.stream = STREAM_SSE,
};
