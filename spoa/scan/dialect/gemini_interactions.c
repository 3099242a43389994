/* Gemini's interactions: turns that Google keeps, and agents that Google runs. Names are
 * snake_case only, and an item's type implies its role.
 * https://ai.google.dev/api/interactions-api */
#include "scan/dialect/family.h"

/* clang-format off */
#define STEP "input[*]"
#define PART STEP ".content[*]"
static const struct row rows[] = {
	ROW_MODEL("model"),
	{ "agent",                   T_STRING|T_NULL, ROLE_OTHER, F_NAMES, 0 },
	ROW_STREAM("stream"),
	ROW_DEEP("system_instruction", ROLE_SYSTEM),
	{ "input",                   T_ANY, ROLE_USER, F_DEEP, READ_PART },
	{ "input.type",              T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, 0 },
	{ "input.data",              T_STRING|T_NULL, ROLE_USER, F_OPAQUE, 0 },
	{ STEP,                      T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_MESSAGE },
	{ STEP ".type",              T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ITEM_TYPE },
	{ STEP ".role",              T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ROLE },
	{ STEP ".name",              T_STRING|T_NULL, ROLE_BY_MESSAGE, F_RESERVED, READ_TOOL },
	{ STEP ".data",              T_STRING|T_NULL, ROLE_BY_MESSAGE, F_OPAQUE, READ_IMAGE },
	ROW_DEEP(STEP ".content", ROLE_BY_MESSAGE),
	{ PART,                      T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_PART },
	{ PART ".type",              T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, 0 },
	{ PART ".data",              T_STRING|T_NULL, ROLE_BY_MESSAGE, F_OPAQUE, 0 },
	ROW_DATA(STEP ".result", ROLE_TOOL_RESULT),
	{ STEP ".result[*]",         T_ANY, ROLE_TOOL_RESULT, F_DEEP, READ_PART },
	{ STEP ".result[*].type",    T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, 0 },
	{ STEP ".result[*].data",    T_STRING|T_NULL, ROLE_TOOL_RESULT, F_OPAQUE, 0 },
	ROW_DATA(STEP ".results", ROLE_TOOL_RESULT),
	ROW_DATA(STEP ".outputs", ROLE_TOOL_RESULT),
	ROW_DATA(STEP ".output", ROLE_TOOL_RESULT),
	ROW_DATA(STEP ".error", ROLE_TOOL_RESULT),
	ROW_DATA(STEP ".arguments", ROLE_BY_MESSAGE),
	ROW_DEEP("tools", ROLE_TOOL_DEFINITION),
	ROW_DEEP("tools[*].parameters", ROLE_TOOL_DEFINITION),
	ROW_DATA("metadata", ROLE_OTHER),
	ROW_DEEP("response_format", ROLE_TOOL_DEFINITION),
	{ "generation_config",       T_OBJECT|T_NULL, ROLE_OTHER, 0, READ_CAP_HOLDER },
	ROW_CAP("generation_config.max_output_tokens"),
	{ 0 },
};
static const struct part_row parts[] = {
	{ PART_TYPES("text"), NULL, false },
	{ PART_TYPES("image"), "image", false },
	{ PART_TYPES("audio"), "audio", false },
	{ PART_TYPES("video"), "video", false },
	{ PART_TYPES("document"), "file", false },
	{ 0 },
};
static const struct seal_row seals[] = { { STEP ".signature", NULL, 0, NULL }, { 0 } };
static const struct param_row params[] = {
	{ "generation_config.temperature", "temperature" },
	{ "generation_config.top_p", "top_p" },
	{ "generation_config.max_output_tokens", "max_tokens" },
	{ "generation_config.seed", "seed" },
	{ "generation_config.thinking_level", "reasoning_effort" },
	{ 0 },
};
static const struct ref_row refs[] = {
	{ "previous_interaction_id", "response" },
	{ "cached_content", "cached_content" },
	{ "input.uri", "url" },
	{ STEP ".uri", "url" },
	{ PART ".uri", "url" },
	{ STEP ".result[*].uri", "url" },
	{ 0 },
};

/* No `.model`: an agent has its own model, so the gateway inserts none. */
const struct table gemini_interactions = {
	.json = true, .rows = rows, .parts = parts, .seals = seals, .params = params, .refs = refs, .speaker = ROLE_USER,
	.cap = "generation_config.max_output_tokens", .tree = TREE
};
/* clang-format on */
