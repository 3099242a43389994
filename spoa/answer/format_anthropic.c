/* Answers of Anthropic's messages: content blocks, each a channel, that begin, grow and
 * stop. https://docs.anthropic.com/en/api/messages-streaming */
#include "answer/rows.h"

/* clang-format off */
#define BLOCK(at) \
	ROW(at ".type",              READ_WORD), \
	ROW(at ".id",                READ_WORD), \
	ROW(at ".tool_use_id",       READ_WORD), \
	ROW(at ".text",              READ_TEXT), \
	OF(at ".thinking",          READ_TEXT, KIND_SIGNED), \
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
	BLOCK(at "content[*]")

static const struct answer_row rows[] = {
	ROW("type",                  READ_WORD),
	SLOT("index",                 READ_INDEX, 0),
	MESSAGE(""),
	ROW("message.type",          READ_WORD),
	MESSAGE("message."),
	BLOCK("content_block"),
	ROW("delta.type",            READ_WORD),
	ROW("delta.text",            READ_TEXT),
	OF("delta.thinking",        READ_TEXT, KIND_SIGNED),
	OF("delta.partial_json",    READ_TEXT, KIND_ARGUMENTS),
	ROW("delta.signature",       READ_SEALED),
	ROW("delta.stop_reason",     READ_FINISH),
	OF("delta.stop_sequence",   READ_TEXT, KIND_OTHER),
	ROW("delta.citation.type",   READ_WORD),
	ROW("delta.citation.encrypted_index", READ_SEALED),
	ROW("request_id",            READ_WORD),
	ROW("error",                 READ_ERROR),
	ROW("error.type",            READ_WORD),
	{ 0 },
};
static const char *const ends[] = { "content_block_stop", "message_stop", "error", NULL };
/* clang-format on */

const struct answer_format answer_anthropic = {
	.name = "anthropic",
	.rows = rows,
	.type = "type",
	.ends = ends,
	.counted = 1,	.tree = FORMAT_TREE,
};
