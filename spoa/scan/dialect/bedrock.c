/* The family `bedrock` (Amazon Bedrock). The model is in the path. A body of `converse`
 * consists of blocks; a block's only key is its type: {"text":…}, {"image":…}. A body of
 * `invoke` has the model's own format.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
#include "scan/dialect/family.h"
#include "scan/dialect/messages.h"

/* clang-format off */
/* An image, video, audio or document in a block. */
#define SOURCE(at, role) \
	{ at ".source",             T_OBJECT|T_NULL, role, F_DEEP, 0 }, \
	{ at ".source.bytes",       T_STRING|T_NULL, role, F_OPAQUE, 0 }
#define MEDIA(at, role) \
	SOURCE(at ".image", role), SOURCE(at ".video", role), SOURCE(at ".audio", role), \
	{ at ".document",           T_OBJECT|T_NULL, ROLE_DOCUMENT, F_DEEP, 0 }, \
	SOURCE(at ".document", ROLE_DOCUMENT), \
	{ at ".document.source.text", T_STRING|T_NULL, ROLE_DOCUMENT, 0, READ_SOURCE_TEXT }, \
	{ at ".document.source.content[*].text", T_STRING|T_NULL, ROLE_DOCUMENT, 0, READ_SOURCE_TEXT }, \
	{ at ".searchResult",       T_OBJECT|T_NULL, ROLE_DOCUMENT, F_DEEP, 0 }

#define MEDIA_REFS(at) \
	{ at ".image.source.s3Location.uri", "s3" }, \
	{ at ".video.source.s3Location.uri", "s3" }, \
	{ at ".audio.source.s3Location.uri", "s3" }, \
	{ at ".document.source.s3Location.uri", "s3" }

#define BLOCK(at) at "messages[*].content[*]"
#define IN_RESULT(at) BLOCK(at) ".toolResult.content[*]"

/* A request to converse, without system prompt and tools. */
#define TALK(at) \
	{ at "messages",                T_ARRAY|T_NULL, ROLE_OTHER, 0, 0 }, \
	{ at "messages[*]",             T_OBJECT, ROLE_OTHER, 0, READ_MESSAGE }, \
	ROW_ROLE(at "messages[*].role"), \
	{ at "messages[*].content",     T_ARRAY, ROLE_BY_MESSAGE, 0, 0 }, \
	{ BLOCK(at),                    T_OBJECT, ROLE_BY_MESSAGE, 0, READ_PART }, \
	ROW_STRING(BLOCK(at) ".text", ROLE_BY_MESSAGE), \
	MEDIA(BLOCK(at), ROLE_BY_MESSAGE), \
	{ BLOCK(at) ".guardContent",    T_OBJECT, ROLE_BY_MESSAGE, F_DEEP, 0 }, \
	ROW_STRING(BLOCK(at) ".guardContent.text.text", ROLE_BY_MESSAGE), \
	{ BLOCK(at) ".citationsContent", T_OBJECT, ROLE_BY_MESSAGE, F_DEEP, 0 }, \
	ROW_STRING(BLOCK(at) ".reasoningContent.reasoningText.text", ROLE_BY_MESSAGE), \
	{ BLOCK(at) ".toolUse",         T_OBJECT, ROLE_TOOL_CALL, F_DATA, 0 }, \
	ROW_TOOL(BLOCK(at) ".toolUse.name"), \
	ROW_DATA(BLOCK(at) ".toolUse.input", ROLE_TOOL_CALL), \
	{ BLOCK(at) ".toolResult",      T_OBJECT, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ BLOCK(at) ".toolResult.content", T_ARRAY, ROLE_TOOL_RESULT, F_DEEP, 0 }, \
	{ IN_RESULT(at),                T_OBJECT, ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	ROW_STRING(IN_RESULT(at) ".text", ROLE_TOOL_RESULT), \
	MEDIA(IN_RESULT(at), ROLE_TOOL_RESULT)

#define SYSTEM(at) \
	{ at "system",                  T_ARRAY|T_NULL, ROLE_SYSTEM, F_DEEP, 0 }, \
	{ at "system[*]",               T_OBJECT, ROLE_SYSTEM, F_DEEP, READ_PART }, \
	ROW_STRING(at "system[*].text", ROLE_SYSTEM), \
	ROW_STRING(at "system[*].guardContent.text.text", ROLE_SYSTEM), \
	{ at "toolConfig",              T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	ROW_DEEP(at "toolConfig.tools[*].toolSpec", ROLE_TOOL_DEFINITION), \
	ROW_DATA(at "requestMetadata", ROLE_OTHER)

#define SEALS(at) \
	{ BLOCK(at) ".reasoningContent.reasoningText.signature", NULL, 3, ALONE_TEXT }, \
	{ BLOCK(at) ".reasoningContent.redactedContent", NULL, 2, ALONE_TEXT }, \
	SEALS_KEPT(BLOCK(at)), \
	SEALS_KEPT(BLOCK(at) ".toolUse")

#define NAMES(at) \
	WORD(BLOCK(at) ".toolUse.toolUseId"), \
	WORD(BLOCK(at) ".toolUse.type"), \
	WORD(BLOCK(at) ".toolResult.toolUseId"), \
	WORD(BLOCK(at) ".toolResult.status"), \
	WORD(BLOCK(at) ".toolResult.type"), \
	WORD(BLOCK(at) ".image.format"), \
	WORD(BLOCK(at) ".video.format"), \
	WORD(BLOCK(at) ".audio.format"), \
	WORD(BLOCK(at) ".document.format"), \
	WORD(BLOCK(at) ".cachePoint"), \
	WORD(IN_RESULT(at) ".image.format"), \
	WORD(IN_RESULT(at) ".video.format"), \
	WORD(IN_RESULT(at) ".document.format"), \
	WORD(at "system[*].cachePoint"), \
	WORD(at "toolConfig.tools[*].toolSpec.name"), \
	SCHEMA(at "toolConfig.tools[*].toolSpec.inputSchema.json"), \
	WORD(at "toolConfig.tools[*].systemTool.name"), \
	WORD(at "toolConfig.tools[*].cachePoint"), \
	WORD(at "toolConfig.toolChoice"), \
	WORD(at "guardrailConfig"), \
	WORD(at "performanceConfig"), \
	WORD(at "serviceTier"), \
	WORD(at "outputConfig.textFormat.type"), \
	WORD(at "outputConfig.textFormat.structure.jsonSchema.name"), \
	SCHEMA(at "outputConfig.textFormat.structure.jsonSchema.schema"), \
	WORD(at "outputConfig.effort"), \
	WORD(at "additionalModelResponseFieldPaths"), \
	WORD(at "additionalModelRequestFields.thinking"), \
	WORD(at "additionalModelRequestFields.reasoning_effort"), \
	WORD(at "additionalModelRequestFields.anthropic_beta"), \
	WORD(at "additionalModelRequestFields.tools[*].type"), \
	WORD(at "additionalModelRequestFields.tools[*].name"), \
	SCHEMA(at "additionalModelRequestFields.tools[*].input_schema"), \
	WORD(at "additionalModelRequestFields.tool_choice")

static const struct row converse_rows[] = {
	TALK(""), SYSTEM(""),
	{ "inferenceConfig",            T_OBJECT|T_NULL, ROLE_OTHER, 0, READ_CAP_HOLDER },
	ROW_CAP("inferenceConfig.maxTokens"),
	/* The models' own names of the output limit. If several are stated, the largest
	 * counts. */
	ROW_CAP("additionalModelRequestFields.max_tokens"),
	ROW_CAP("additionalModelRequestFields.maxTokens"),
	ROW_CAP("additionalModelRequestFields.max_completion_tokens"),
	ROW_CAP("additionalModelRequestFields.max_tokens_to_sample"),
	ROW_CAP("additionalModelRequestFields.max_new_tokens"),
	ROW_CAP("additionalModelRequestFields.max_gen_len"),
	ROW_CAP("additionalModelRequestFields.maxTokenCount"),
	ROW_CAP("additionalModelRequestFields.inferenceConfig.maxTokens"),
	ROW_CAP("additionalModelRequestFields.inferenceConfig.max_new_tokens"),
	ROW_CAP("additionalModelRequestFields.textGenerationConfig.maxTokenCount"),
	{ "promptVariables",            T_OBJECT|T_NULL, ROLE_USER, F_DATA, 0 },
	{ "outputConfig",               T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 },
	{ 0 },
};
static const struct row async_rows[] = { { "modelId", T_STRING, ROLE_OTHER, F_RESERVED, READ_MODEL }, { 0 } };
static const struct row count_rows[] = { TALK("input.converse."), SYSTEM("input.converse."), { 0 } };

/* Claude's body, Nova's with the same names, and the members that other models use for
 * prompts. */
static const struct row invoke_rows[] = {
	MESSAGES_ROWS(""),
	MEDIA(BLOCK(""), ROLE_BY_MESSAGE),
	{ BLOCK("") ".toolUse",         T_OBJECT, ROLE_TOOL_CALL, F_DATA, 0 },
	ROW_TOOL(BLOCK("") ".toolUse.name"),
	{ BLOCK("") ".toolResult",      T_OBJECT, ROLE_TOOL_RESULT, F_DATA, 0 },
	ROW_DEEP("toolConfig", ROLE_TOOL_DEFINITION),
	ROW_DEEP("toolConfig.tools[*].toolSpec", ROLE_TOOL_DEFINITION),
	ROW_DATA("tools[*].parameter_definitions", ROLE_TOOL_DEFINITION),
	ROW_DEEP("tools[*].function", ROLE_TOOL_DEFINITION),
	{ "inferenceConfig.maxTokens",      T_ANY, ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "inferenceConfig.max_new_tokens", T_ANY, ROLE_OTHER, F_RESERVED, READ_CAP },
	{ "textGenerationConfig.maxTokenCount", T_ANY, ROLE_OTHER, F_RESERVED, READ_CAP },
	ROW_CAP("max_gen_len"),
	ROW_CAP("max_tokens_to_sample"),
	ROW_CAP("max_completion_tokens"),
	ROW_DEEP("prompt", ROLE_USER),
	ROW_DEEP("inputText", ROLE_USER),
	ROW_DEEP("message", ROLE_USER),
	ROW_DEEP("preamble", ROLE_SYSTEM),
	{ "chat_history",               T_ANY, ROLE_OTHER, 0, 0 },
	{ "chat_history[*]",            T_OBJECT, ROLE_OTHER, 0, READ_MESSAGE },
	ROW_ROLE("chat_history[*].role"),
	ROW_DEEP("chat_history[*].message", ROLE_BY_MESSAGE),
	ROW_DATA("documents", ROLE_DOCUMENT),
	ROW_DEEP("texts", ROLE_USER),
	ROW_DEEP("query", ROLE_USER),
	{ 0 },
};

static const struct part_row types[] = { MESSAGES_PARTS, { 0 } };
static const struct part_row keyed[] = {
	{ PART_TYPES("text", "json", "toolUse", "toolResult", "reasoningContent",
		"citationsContent", "searchResult", "guardContent", "cachePoint",
		"toolAddition", "toolRemoval"), NULL, false },
	{ PART_TYPES("image"), "image", false },
	{ PART_TYPES("video"), "video", false },
	{ PART_TYPES("audio"), "audio", false },
	{ PART_TYPES("document"), "file", true },
	{ 0 },
};

static const struct seal_row seals[] = { SEALS(""), { 0 } };
static const struct seal_row count_seals[] = { SEALS("input.converse."), { 0 } };
static const struct seal_row invoke_seals[] = { MESSAGES_SEALS(""), SEALS(""), { 0 } };

static const struct param_row params[] = {
	{ "inferenceConfig.maxTokens", "max_tokens" },
	{ "inferenceConfig.temperature", "temperature" },
	{ "inferenceConfig.topP", "top_p" },
	{ "serviceTier.type", "service_tier" },
	{ 0 },
};
static const struct param_row invoke_params[] = {
	{ "inferenceConfig.maxTokens", "max_tokens" },
	{ "inferenceConfig.temperature", "temperature" },
	{ "inferenceConfig.topP", "top_p" },
	{ "inferenceConfig.topK", "top_k" },
	{ "serviceTier.type", "service_tier" },
	{ "textGenerationConfig.temperature", "temperature" },
	{ "textGenerationConfig.topP", "top_p" },
	{ 0 },
};
static const struct ref_row refs[] = { MEDIA_REFS(BLOCK("")), MEDIA_REFS(IN_RESULT("")), { 0 } };
static const struct ref_row invoke_refs[] = { MESSAGES_REFS(""), MEDIA_REFS(BLOCK("")), { 0 } };
static const struct ref_row count_refs[] = {
	MEDIA_REFS(BLOCK("input.converse.")), MEDIA_REFS(IN_RESULT("input.converse.")), { 0 },
};
static const struct name_row names[] = { NAMES(""), { 0 } };
static const struct name_row count_names[] = { NAMES("input.converse."), { 0 } };
static const struct name_row invoke_names[] = {
	MESSAGES_NAMES(""), NAMES(""),
	WORD("anthropic_version"),
	WORD("anthropic_beta"),
	WORD("tools[*].function.name"),
	SCHEMA("tools[*].function.parameters"),
	{ "tools[*].parameter_definitions", NAME_SCHEMAS },
	WORD("schemaVersion"),
	{ 0 },
};
#define CONVERSE \
	.rows = converse_rows, .keyed = keyed, .seals = seals, .names = names, .params = params, .refs = refs, \
	.cap = "inferenceConfig.maxTokens", .tree = TREE
static const struct table converse = { .json = true, CONVERSE };
static const struct table other    = { .lenient = true, CONVERSE };
static const struct table count    = { .json = true, .rows = count_rows, .keyed = keyed, .seals = count_seals, .names = count_names, .refs = count_refs, .tree = TREE };
static const struct table async    = { .json = true, .rows = async_rows, .tree = TREE };
/* A missing output limit cannot be added (cap ""), because the path does not show the model's
 * format. */
static const struct table invoke = {
	.lenient = true, .rows = invoke_rows, .parts = types, .keyed = keyed, .seals = invoke_seals, .names = invoke_names, .params = invoke_params,
	.refs = invoke_refs, .cap = "", .tree = TREE
};

static const struct endpoint_row endpoints[] = {
	{ "POST", "/model/{model}/converse",        "converse", &converse, 0 },
	{ "POST", "/model/{model}/converse-stream", "converse", &converse, E_STREAMS },
	{ "POST", "/model/{model}/invoke",          "invoke",   &invoke, 0 },
	{ "POST", "/model/{model}/invoke-with-response-stream", "invoke", &invoke, E_STREAMS },
	{ "POST", "/model/{model}/count-tokens",    "count",    &count, E_FREE },
	{ "POST", "/guardrail/{id}/version/{id}/apply", "guardrail", NULL, 0 },
	{ "POST", "/guardrail-checks/invoke",       "guardrail", NULL, 0 },
	{ "POST", "/async-invoke",                  "async",    &async, E_UNSEEN },
	{ "GET",  "/async-invoke",                  "async",    NULL, 0 },
	{ "GET",  "/async-invoke/{id}",             "async",    NULL, 0 },
	{ 0 },
};
static const char *const tells[] = {
	"/model/{model}/converse", "/model/{model}/converse-stream", "/model/{model}/invoke",
	"/model/{model}/invoke-with-response-stream", NULL,
};
/* clang-format on */

const struct dialect dialect_bedrock = {
	.name = "bedrock",
	.endpoints = endpoints,
	.tells = tells,
	.bases = no_base,
	.main = &converse,
	.other = &other,
	.types = TYPES_BEDROCK,
	.bills_on = true,
	.usage = usage_bedrock,
	/* AWS restJson1: SDKs read the exception's name from the header x-amzn-errortype or
	 * from __type. A member "code" would replace it, so no member may have this name.
	 * HAProxy and dialect_error_type() read __type. */
	.error = "{'message':%m,'__type':'%t','reason':'%c','request_id':%i}",
	.stream = STREAM_FRAMES,
};
