/* Tables of OpenAI's other endpoints: responses, completions, embeddings, moderations, images,
 * speech, realtime, uploads; and of vLLM's and llama.cpp's own. The rows of paths are in
 * openai.c. https://platform.openai.com/docs/api-reference */
#include "scan/dialect/openai.h"

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
static const struct seal_row responses_seals[] = { ITEM_SEALS("input"), { 0 } };
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
static const struct seal_row items_seals[] = { ITEM_SEALS("items"), { 0 } };
static const struct ref_row items_refs[] = { ITEM_REFS("items[*]"), { 0 } };
#define RESPONSES \
	.json = true, .text_type = "input_text", .rows = responses_rows, .parts = responses_parts, .keyed = responses_keyed, .seals = responses_seals, \
	.params = responses_params, .refs = responses_refs, .speaker = ROLE_USER, .model = "model", .tree = TREE
const struct table table_responses = { .cap = "max_output_tokens", RESPONSES };
const struct table table_responses_count = { RESPONSES };
const struct table table_items = {
	.json = true, .text_type = "input_text", .rows = items_rows, .parts = responses_parts, .keyed = responses_keyed, .seals = items_seals,
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
static const struct param_row native_params[] = { { "n_predict", "max_tokens" }, { 0 } };

const struct table table_completions = { .json = true, .asks_usage = true, .rows = completions_rows, .model = "model", .cap = "max_tokens", .tree = TREE };
const struct table table_completion = { .json = true, .rows = completions_rows, .params = native_params, .cap = "n_predict", .tree = TREE };

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

const struct table table_input     = { .json = true, .rows = input_rows, .refs = input_refs, .model = "model", .tree = TREE };
const struct table table_form      = { .lenient = true, .rows = form_rows, .refs = form_refs, .model = "model", .tree = TREE };
const struct table table_batch_job = { .json = true, .rows = batch_rows, .refs = batch_refs, .tree = TREE };

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
const struct table table_session = { .lenient = true, .rows = session_rows, .tree = TREE };

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
const struct table table_realtime = {
	.json = true, .text_type = "input_text", .rows = realtime_rows, .parts = realtime_parts, .keyed = responses_keyed,
	.refs = realtime_refs, .speaker = ROLE_USER, .cap = "", .tree = TREE
};

/* ---- uploaded files of JSON lines ---- */

/* A line is a request of a batch: {"custom_id","method","url","body"}. */
static const struct row line_rows[] = { { "body", T_OBJECT, ROLE_OTHER, 0, READ_REQUEST }, { 0 } };
static const struct row no_rows[] = { { "purpose", T_STRING, ROLE_OTHER, F_RESERVED, 0 }, { 0 } };

#define LINE(by, part_rows, keyed_rows, wrote) { \
	.json = true, .batch = true, .rows = line_rows, .parts = part_rows, .keyed = keyed_rows, .speaker = wrote, .inner = by, .tree = TREE }
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

const struct table table_files = {
	.lenient = true, .rows = no_rows, .line = line_table, .tree = TREE
};
const struct table table_pieces = {
	.lenient = true, .pieces = true, .rows = no_rows, .line = line_table, .tree = TREE
};
