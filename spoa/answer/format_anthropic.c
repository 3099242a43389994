/* Responses of Anthropic's Messages API: content blocks, each a channel, that begin, grow and
 * stop. Bedrock's invoke has them too. Source:
 * https://docs.anthropic.com/en/api/messages-streaming */
#include "answer/rows.h"

/* clang-format off */
/* `text` is the slot of texts that clients join: a block's beginning and its deltas. */
#define BLOCK(at, text, part) \
	CALL(at,                     part, "tool_use"), \
	ROW(at ".type",              READ_WORD), \
	ROW(at ".id",                READ_WORD), \
	ROW(at ".tool_use_id",       READ_WORD), \
	JOINED(at ".text",           READ_TEXT, KIND_TEXT, text), \
	JOINED(at ".thinking",       READ_TEXT, KIND_SIGNED, text), \
	ROW(at ".signature",         READ_SEALED), \
	ROW(at ".data",              READ_SEALED), \
	ROW(at ".name",              READ_TOOL), \
	ROW(at ".input",             READ_INPUT), \
	ROW(at ".content[*].type",   READ_WORD), \
	ROW(at ".content[*].encrypted_content", READ_SEALED), \
	ROW(at ".citations[*].type", READ_WORD), \
	ROW(at ".citations[*].encrypted_index", READ_SEALED)
#define MESSAGE(at) \
	ROW(at "id",                 READ_WORD), \
	ROW(at "role",               READ_WORD), \
	ROW(at "model",              READ_MODEL), \
	ROW(at "stop_reason",        READ_FINISH), \
	OF(at "stop_sequence",      READ_TEXT, KIND_OTHER), \
	ROW(at "usage",              READ_MARK), \
	ROW(at "usage.service_tier", READ_WORD), \
	ROW(at "usage.inference_geo", READ_WORD), \
	BLOCK(at "content[*]", 0, WHOLE)

#define MESSAGES \
	ROW("type",                  READ_WORD), \
	SLOT("index",                 READ_INDEX, 0), \
	MESSAGE(""), \
	ROW("message.type",          READ_WORD), \
	MESSAGE("message."), \
	BLOCK("content_block", 1, EVENT), \
	ROW("delta.type",            READ_WORD), \
	JOINED("delta.text",         READ_TEXT, KIND_TEXT, 1), \
	JOINED("delta.thinking",     READ_TEXT, KIND_SIGNED, 1), \
	OF("delta.partial_json",    READ_TEXT, KIND_ARGUMENTS), \
	ROW("delta.signature",       READ_SEALED), \
	ROW("delta.stop_reason",     READ_FINISH), \
	OF("delta.stop_sequence",   READ_TEXT, KIND_OTHER), \
	ROW("delta.citation.type",   READ_WORD), \
	ROW("delta.citation.encrypted_index", READ_SEALED), \
	ROW("request_id",            READ_WORD), \
	ROW("error",                 READ_ERROR), \
	ROW("error.type",            READ_WORD)

static const struct answer_row rows[] = {
	MESSAGES,
	ROW("completion",            READ_TEXT), /* /v1/complete */
	{ 0 },
};
static const char *const ends[] = { "content_block_stop", "message_stop", "error", NULL };
static const char *const last[] = { "message_stop", "error", NULL };

/* Responses of Bedrock's invoke are in the model's own format: Claude, Nova, Llama, Titan,
 * Mistral, Cohere, and models that use OpenAI's. Their paths do not collide. */
#define CHOICE(at) \
	ROW(at ".role",              READ_MARK), \
	ROW(at ".content",           READ_TEXT), \
	OF(at ".refusal",           READ_TEXT, KIND_REFUSAL), \
	OF(at ".reasoning_content", READ_TEXT, KIND_REASONING), \
	OF(at ".reasoning",         READ_TEXT, KIND_REASONING), \
	SLOT(at ".tool_calls[*].index", READ_INDEX, 1), \
	FUNCTION(at ".tool_calls[*]", READ_MARK)

static const struct answer_row invoke_rows[] = {
	MESSAGES,
	ROW("completion",            READ_TEXT),
	ROW("generation",            READ_TEXT),
	ROW("outputText",            READ_TEXT),
	ROW("completionReason",      READ_FINISH),
	ROW("results[*].outputText", READ_TEXT),
	ROW("results[*].completionReason", READ_FINISH),
	ROW("outputs[*].text",       READ_TEXT),
	ROW("outputs[*].stop_reason", READ_FINISH),
	COHERE,
	ROW("finish_reason",         READ_FINISH),
	ROW("generations[*].text",   READ_TEXT),
	ROW("generations[*].finish_reason", READ_FINISH),
	SLOT("choices[*].index",      READ_INDEX, 0),
	ROW("choices[*].finish_reason", READ_FINISH),
	ROW("choices[*].stop_reason", READ_FINISH),
	ROW("choices[*].text",       READ_TEXT),
	ROW("choices[*].logprobs",   READ_WITHHELD),
	CHOICE("choices[*].message"),
	CHOICE("choices[*].delta"),
	CONVERSE_BLOCK("output.message.content[*]"), /* Nova */
	ROW("stopReason",            READ_FINISH),
	ROW("messageStart.role",     READ_MARK),
	ROW("contentBlockStart.start.toolUse.toolUseId", READ_WORD),
	ROW("contentBlockStart.start.toolUse.name", READ_TOOL),
	SLOT("contentBlockStart.contentBlockIndex", READ_INDEX, 0),
	ROW("contentBlockDelta.delta.text", READ_TEXT),
	OF("contentBlockDelta.delta.toolUse.input", READ_TEXT, KIND_ARGUMENTS),
	ROW("contentBlockDelta.delta.toolResult[+].text", READ_TEXT),
	OF("contentBlockDelta.delta.reasoningContent.reasoningText.text", READ_TEXT, KIND_SIGNED),
	SLOT("contentBlockDelta.contentBlockIndex", READ_INDEX, 0),
	SLOT("contentBlockStop.contentBlockIndex", READ_END, 0),
	ROW("messageStop.stopReason", READ_FINISH),
	{ 0 },
};
static const char *const invoke_ends[] = { "content_block_stop", "message_stop", "error", "content-end", "tool-call-end",
	"message-end", NULL };

const struct answer_format answer_anthropic = {
	.name = "anthropic", .rows = rows, .type = "type", .ends = ends, .last = last, .counted = 1, .blocks = true, .tree = FORMAT_TREE };
const struct answer_format answer_complete = {
	.name = "complete", .rows = rows, .type = "type", .ends = ends, .counted = 1, .tree = FORMAT_TREE };
const struct answer_format answer_invoke = {
	.name = "invoke", .rows = invoke_rows, .type = "type", .ends = invoke_ends, .counted = 1, .blocks = true, .tree = FORMAT_TREE };
/* clang-format on */
