/* OpenAI's other endpoints, and what servers that speak like it add: responses, completions,
 * embeddings, moderations, images, speech; vLLM's and llama.cpp's own.
 * https://platform.openai.com/docs/api-reference */
#include "scan/dialect/openai.h"

/* clang-format off */
#define MODEL \
	{ "model", T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_MODEL }, \
	MODEL_ELSEWHERE
#define STREAM { "stream", T_BOOL|T_NULL, ROLE_OTHER, F_RESERVED, READ_STREAM }
#define ASKED \
	{ "stream_options",               T_OBJECT|T_NULL, ROLE_OTHER, F_RESERVED, READ_OPTIONS }, \
	{ "stream_options.include_usage", T_BOOL|T_NULL,   ROLE_OTHER, F_RESERVED, READ_INCLUDE_USAGE }

/* Text, texts, or ids of tokens. */
#define INPUTS(name, role, element) \
	{ name,          T_ANY, role, F_DEEP, 0 }, \
	{ name "[*]",    T_ANY, role, F_DEEP, element }, \
	{ name "[*][*]", T_ANY, role, F_DEEP, READ_IDS }
#define INPUT(name, role) INPUTS(name, role, READ_IDS)

/* ---- responses ---- */

/* Tools: what describes a caller's own is no more than that. */
#define TOOLS(at, types, role) \
	{ at,                             types, role, F_DEEP, 0 }, \
	{ at "[*].parameters",            T_ANY, role, F_DEEP, 0 }, \
	{ at "[*].input_schema",          T_ANY, role, F_DEEP, 0 }, \
	{ at "[*].function",              T_ANY, role, F_DEEP, 0 }, \
	{ at "[*].format",                T_ANY, role, F_DEEP, 0 }, \
	{ at "[*].annotations",           T_ANY, role, F_DATA, 0 }, \
	{ at "[*].filters",               T_ANY, role, F_DATA, 0 }, \
	{ at "[*].headers",               T_ANY, role, F_DATA, 0 }, \
	{ at "[*].tools[*].parameters",   T_ANY, role, F_DEEP, 0 }, \
	{ at "[*].tools[*].input_schema", T_ANY, role, F_DEEP, 0 }

/* Items of a conversation; what an item's type says of its role counts where it has none. */
#define ITEMS(at) \
	{ at,                             T_STRING|T_ARRAY|T_NULL, ROLE_USER, 0, 0 }, \
	{ at "[*]",                       T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_MESSAGE }, \
	{ at "[*].type",                  T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ITEM_TYPE }, \
	{ at "[*].role",                  T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	{ at "[*].content",               T_ANY, ROLE_BY_MESSAGE, F_DEEP, 0 }, \
	{ at "[*].content[*]",            T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_PART }, \
	{ at "[*].content[*].type",       T_STRING, ROLE_OTHER, F_RESERVED, 0 }, \
	{ at "[*].content[*].image_url",  T_STRING|T_NULL, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	{ at "[*].content[*].file_data",  T_STRING|T_NULL, ROLE_DOCUMENT, F_OPAQUE, 0 }, \
	{ at "[*].content[*].filename",   T_STRING|T_NULL, ROLE_DOCUMENT, 0, 0 }, \
	{ at "[*].content[*].input_audio.data", T_STRING, ROLE_BY_MESSAGE, F_OPAQUE, 0 }, \
	{ at "[*].name",                  T_STRING|T_NULL, ROLE_BY_MESSAGE, F_RESERVED, READ_TOOL }, \
	{ at "[*].output",                T_ANY, ROLE_TOOL_RESULT, F_DATA, READ_PART }, \
	{ at "[*].output.type",           T_STRING|T_NULL, ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	{ at "[*].output.image_url",      T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ at "[*].output[*]",             T_ANY, ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	{ at "[*].output[*].type",        T_STRING|T_NULL, ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	{ at "[*].output[*].image_url",   T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ at "[*].output[*].file_data",   T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 }, \
	{ at "[*].result",                T_ANY, ROLE_TOOL_RESULT, F_DATA|F_OPAQUE, READ_IMAGE }, \
	{ at "[*].revised_prompt",        T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ at "[*].arguments",             T_ANY, ROLE_BY_MESSAGE, F_DATA, 0 }, \
	{ at "[*].action",                T_ANY, ROLE_BY_MESSAGE, F_DATA, 0 }, \
	{ at "[*].action.sources",        T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ at "[*].operation",             T_ANY, ROLE_BY_MESSAGE, F_DATA, 0 }, \
	{ at "[*].results",               T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ at "[*].outputs",               T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ at "[*].logs",                  T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ at "[*].error",                 T_ANY, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	TOOLS(at "[*].tools", T_ANY, ROLE_BY_MESSAGE)

#define ITEM_REFS(at) \
	{ at "[*].content[*].image_url",  "url" }, \
	{ at "[*].content[*].file_url",   "url" }, \
	{ at "[*].content[*].file_id",    "file" }, \
	{ at "[*].output.image_url",      "url" }, \
	{ at "[*].output.file_id",        "file" }, \
	{ at "[*].output[*].image_url",   "url" }, \
	{ at "[*].output[*].file_url",    "url" }, \
	{ at "[*].output[*].file_id",     "file" }

#define ITEM_SEALS(at) \
	{ at "[*].encrypted_content",            NULL, 0, NULL }, \
	{ at "[*].content[*].encrypted_content", NULL, 0, NULL }

static const struct row responses_rows[] = {
	MODEL, STREAM,
	{ "instructions",                 T_STRING|T_ARRAY|T_NULL, ROLE_SYSTEM, F_DEEP, 0 },
	ITEMS("input"),
	{ "prompt",                       T_OBJECT|T_NULL, ROLE_OTHER, 0, 0 },
	{ "prompt.variables",             T_OBJECT|T_NULL, ROLE_USER, F_DATA, 0 },
	TOOLS("tools", T_ARRAY|T_NULL, ROLE_TOOL_DEFINITION),
	{ "metadata",                     T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ "tools[*]",                     T_OBJECT, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "tools[*].type",                T_STRING, ROLE_TOOL_DEFINITION, F_RESERVED, 0 },
	{ "text",                         T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "max_output_tokens",            T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED, READ_CAP },
	{ 0 },
};
static const struct part_row responses_parts[] = {
	{ "input_text",          NULL,    false },
	{ "output_text",         NULL,    false },
	{ "text",                NULL,    false },
	{ "summary_text",        NULL,    false },
	{ "reasoning_text",      NULL,    false },
	{ "refusal",             NULL,    false },
	{ "encrypted_content",   NULL,    false },
	{ "input_image",         "image", false },
	{ "computer_screenshot", "image", false },
	{ "input_audio",         "audio", false },
	{ "input_file",          "file",  false },
	{ 0 },
};
/* What a shell said. */
static const struct part_row responses_keyed[] = {
	{ "stdout", NULL, false }, { "stderr", NULL, false }, { "outcome", NULL, false }, { 0 },
};
static const struct seal_row responses_seals[] = { ITEM_SEALS("input"), { 0 } };
static const struct param_row responses_params[] = {
	{ "reasoning.effort",  "reasoning_effort" },
	{ "text.verbosity",    "verbosity" },
	{ "max_output_tokens", "max_tokens" },
	{ "conversation.id",   "conversation.id" },
	CONVERSATION_PARAMS,
	{ 0 },
};
static const struct ref_row responses_refs[] = {
	ITEM_REFS("input"),
	{ "previous_response_id",                  "response" },
	{ "conversation",                          "conversation" },
	{ "conversation.id",                       "conversation" },
	{ "prompt.id",                             "prompt" },
	{ "tools[*].vector_store_ids",             "vector_store" },
	{ "tools[*].container.file_ids",           "file" },
	{ 0 },
};
static const struct row items_rows[] = {
	ITEMS("items"),
	{ "metadata",                     T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ 0 },
};
static const struct seal_row items_seals[] = { ITEM_SEALS("items"), { 0 } };
static const struct ref_row items_refs[] = { ITEM_REFS("items"), { 0 } };
/* clang-format on */

#define RESPONSES                                                                              \
	.json = true, .rows = responses_rows, .parts = responses_parts,                        \
	.keyed = responses_keyed, .seals = responses_seals, .params = responses_params,        \
	.refs = responses_refs, .speaker = ROLE_USER, .model = "model", .tree = TREE
const struct table table_responses = { .cap = "max_output_tokens", RESPONSES };
const struct table table_responses_count = { RESPONSES };
const struct table table_items = { .json = true,
	.rows = items_rows,
	.parts = responses_parts,
	.keyed = responses_keyed,
	.seals = items_seals,
	.refs = items_refs,
	.speaker = ROLE_USER,
	.tree = TREE };

/* clang-format off */

/* ---- completions, and llama.cpp's own ---- */

static const struct row completions_rows[] = {
	MODEL, STREAM, ASKED,
	INPUTS("prompt", ROLE_USER, READ_PROMPT),
	{ "suffix",                       T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ "max_tokens",                   T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED|F_SIGNED, READ_CAP },
	{ "n_predict",                    T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED|F_SIGNED, READ_CAP },
	{ "n",                            T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED, READ_CHOICES },
	{ "best_of",                      T_NUMBER|T_NULL, ROLE_OTHER, F_RESERVED, READ_CHOICES },
	{ "grammar",                      T_STRING|T_NULL, ROLE_TOOL_DEFINITION, 0, 0 },
	{ "json_schema",                  T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "response_format",              T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "structured_outputs",           T_ANY, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ "input_prefix",                 T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ "input_suffix",                 T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ "input_extra",                  T_ARRAY|T_NULL, ROLE_DOCUMENT, F_DATA, 0 },
	{ 0 },
};
static const struct param_row native_params[] = { { "n_predict", "max_tokens" }, { 0 } };
/* clang-format on */

const struct table table_completions = { .json = true,
	.asks_usage = true,
	.rows = completions_rows,
	.model = "model",
	.cap = "max_tokens",
	.tree = TREE };
const struct table table_completion = { .json = true,
	.rows = completions_rows,
	.params = native_params,
	.cap = "n_predict",
	.tree = TREE };

/* clang-format off */

/* ---- what makes no text ---- */

static const struct row input_rows[] = {
	MODEL, STREAM,
	INPUT("input", ROLE_USER),
	{ "input[*].type",                T_STRING, ROLE_OTHER, F_RESERVED, 0 },
	{ "input[*].image_url.url",       T_STRING, ROLE_USER, F_OPAQUE, 0 },
	INPUT("content", ROLE_USER),
	INPUT("prompt", ROLE_USER),
	INPUT("tokens", ROLE_USER),
	{ "instructions",                 T_STRING|T_NULL, ROLE_SYSTEM, 0, 0 },
	{ "query",                        T_ANY, ROLE_USER, F_DEEP, 0 },
	{ "text_1",                       T_ANY, ROLE_USER, F_DEEP, 0 },
	{ "text_2",                       T_ANY, ROLE_USER, F_DEEP, 0 },
	{ "documents",                    T_ANY, ROLE_DOCUMENT, F_DATA, 0 },
	{ "messages",                     T_ARRAY|T_NULL, ROLE_OTHER, 0, 0 },
	{ "messages[*]",                  T_OBJECT, ROLE_OTHER, 0, READ_MESSAGE },
	{ "messages[*].role",             T_STRING, ROLE_OTHER, F_RESERVED, READ_ROLE },
	{ "messages[*].content",          T_ANY, ROLE_BY_MESSAGE, F_DEEP, 0 },
	{ 0 },
};
static const struct ref_row input_refs[] = { { "input[*].image_url.url", "url" }, { 0 } };

/* Forms with files, or JSON. */
static const struct row form_rows[] = {
	MODEL, STREAM,
	{ "n",                            T_NUMBER|T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_CHOICES },
	{ "prompt",                       T_STRING|T_NULL, ROLE_USER, 0, 0 },
	{ "images",                       T_ARRAY|T_NULL, ROLE_USER, F_DEEP, 0 },
	{ "images[*].image_url",          T_STRING|T_NULL, ROLE_USER, F_OPAQUE, READ_IMAGE },
	{ "mask.image_url",               T_STRING|T_NULL, ROLE_USER, F_OPAQUE, READ_IMAGE },
	{ 0 },
};
static const struct ref_row form_refs[] = {
	{ "images[*].image_url",          "url" },
	{ "images[*].file_id",            "file" },
	{ "mask.image_url",               "url" },
	{ "mask.file_id",                 "file" },
	{ 0 },
};
static const struct row batch_rows[] = {
	MODEL,
	{ "metadata",                     T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ 0 },
};
static const struct ref_row batch_refs[] = { { "input_file_id", "file" }, { 0 } };
/* clang-format on */

const struct table table_input = {
	.json = true, .rows = input_rows, .refs = input_refs, .model = "model", .tree = TREE
};
const struct table table_form = {
	.lenient = true, .rows = form_rows, .refs = form_refs, .model = "model", .tree = TREE
};
const struct table table_batch_job = {
	.json = true, .rows = batch_rows, .refs = batch_refs, .tree = TREE
};

/* ---- sessions that go on elsewhere ---- */

/* clang-format off */
static const struct row session_rows[] = {
	MODEL,
	{ "instructions",         T_STRING|T_NULL, ROLE_SYSTEM, 0, 0 },
	TOOLS("tools", T_ANY, ROLE_TOOL_DEFINITION),
	{ "session.model",        T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_MODEL },
	{ "session.instructions", T_STRING|T_NULL, ROLE_SYSTEM, 0, 0 },
	TOOLS("session.tools", T_ANY, ROLE_TOOL_DEFINITION),
	{ "session.prompt.variables", T_ANY, ROLE_USER, F_DATA, 0 },
	{ "session.tracing.metadata", T_ANY, ROLE_OTHER, F_DATA, 0 },
	{ 0 },
};
/* clang-format on */
const struct table table_session = { .lenient = true, .rows = session_rows, .tree = TREE };

/* ---- files of JSON lines ---- */

/* A request of a batch: {"custom_id","method","url","body"}. */
/* clang-format off */
static const struct row line_rows[] = {
	{ "body", T_OBJECT, ROLE_OTHER, 0, READ_REQUEST },
	{ 0 },
};
static const struct row no_rows[] = { { "purpose", T_STRING, ROLE_OTHER, F_RESERVED, 0 }, { 0 } };
/* clang-format on */

#define LINE(name, by, part_rows, keyed_rows, wrote)                                           \
	static const struct table name = { .json = true,                                       \
		.batch = true,                                                                 \
		.rows = line_rows,                                                             \
		.parts = part_rows,                                                            \
		.keyed = keyed_rows,                                                           \
		.speaker = wrote,                                                              \
		.inner = by,                                                                   \
		.tree = TREE }
LINE(line_chat, &table_chat, chat_parts, NULL, ROLE_OTHER);
LINE(line_responses, &table_responses, responses_parts, responses_keyed, ROLE_USER);
LINE(line_completions, &table_completions, NULL, NULL, ROLE_OTHER);
LINE(line_input, &table_input, NULL, NULL, ROLE_OTHER);

/* Examples to train a model by look like chats. */
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

const struct table table_files = {
	.lenient = true, .rows = no_rows, .line = line_table, .tree = TREE
};
const struct table table_pieces = {
	.lenient = true, .pieces = true, .rows = no_rows, .line = line_table, .tree = TREE
};
