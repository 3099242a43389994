/* The family `gemini`: the Gemini API and Vertex AI. The model and the verb are in the path.
 * Google's JSON mapping accepts camelCase and snake_case names, and a single object in place of
 * a list (F_ONE). https://ai.google.dev/api/generate-content
 *
 * Interactions are another format of the same API: turns that Google keeps, and agents that
 * Google runs. https://ai.google.dev/api/interactions-api */
#include "base/attr.h"
#include "scan/dialect/family.h"

/* clang-format off */
#define LIST T_ARRAY|T_OBJECT|T_NULL

/* Inline and linked files of a part. */
#define DATA(at, role) \
	{ at ".inlineData",                 T_OBJECT|T_NULL, role, F_DEEP, 0 }, \
	{ at ".inlineData.mimeType",        T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_SOURCE_TYPE }, \
	{ at ".inlineData.data",            T_STRING|T_NULL, role, F_OPAQUE, 0 }, \
	{ at ".fileData",                   T_OBJECT|T_NULL, role, F_DEEP, 0 }, \
	{ at ".fileData.mimeType",          T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_SOURCE_TYPE }, \
	ROW_TEXT(at ".fileData.fileUri", role)

#define PARTS(at, role) \
	{ at ".parts",                      LIST, role, F_ONE, 0 }, \
	{ at ".parts[*]",                   T_OBJECT, role, 0, READ_PART }, \
	ROW_TEXT(at ".parts[*].text", role), \
	DATA(at ".parts[*]", role)

#define CONTENTS(at) \
	{ at,                   LIST|T_STRING, ROLE_USER, F_ONE, 0 }, \
	{ at "[*]",                T_OBJECT, ROLE_OTHER, 0, READ_MESSAGE }, \
	{ at "[*].role",           T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_ROLE }, \
	PARTS(at "[*]", ROLE_BY_MESSAGE), \
	{ at "[*].parts[*].functionCall",         T_OBJECT|T_NULL, ROLE_TOOL_CALL, F_DATA, 0 }, \
	{ at "[*].parts[*].functionCall.name",    T_STRING|T_NULL, ROLE_TOOL_CALL, F_RESERVED, READ_TOOL }, \
	ROW_DATA(at "[*].parts[*].functionCall.args", ROLE_TOOL_CALL), \
	{ at "[*].parts[*].functionResponse",     T_OBJECT|T_NULL, ROLE_TOOL_RESULT, F_DATA, 0 }, \
	{ at "[*].parts[*].functionResponse.name", T_STRING|T_NULL, ROLE_TOOL_RESULT, F_RESERVED, 0 }, \
	ROW_DATA(at "[*].parts[*].functionResponse.response", ROLE_TOOL_RESULT), \
	{ at "[*].parts[*].functionResponse.parts", LIST, ROLE_TOOL_RESULT, F_DEEP|F_ONE, 0 }, \
	{ at "[*].parts[*].functionResponse.parts[*]", T_OBJECT, ROLE_TOOL_RESULT, F_DEEP, READ_PART }, \
	DATA(at "[*].parts[*].functionResponse.parts[*]", ROLE_TOOL_RESULT), \
	ROW_DATA(at "[*].parts[*].executableCode", ROLE_TOOL_CALL), \
	ROW_DATA(at "[*].parts[*].codeExecutionResult", ROLE_TOOL_RESULT), \
	ROW_DATA(at "[*].parts[*].toolCall", ROLE_TOOL_CALL), \
	ROW_DATA(at "[*].parts[*].toolResponse", ROLE_TOOL_RESULT)

/* A request to generate. `at` has no trailing dot; "" is the document itself. */
#define GENERATE(at) \
	ROW_MODEL(at ".model"), \
	CONTENTS(at ".contents"), \
	{ at ".systemInstruction",          T_OBJECT|T_STRING|T_NULL, ROLE_SYSTEM, F_DEEP, 0 }, \
	{ at ".systemInstruction.role",     T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, 0 }, \
	PARTS(at ".systemInstruction", ROLE_SYSTEM), \
	{ at ".tools",                      LIST, ROLE_TOOL_DEFINITION, F_DEEP|F_ONE, 0 }, \
	ROW_DEEP(at ".tools[*].functionDeclarations", ROLE_TOOL_DEFINITION), \
	ROW_DATA(at ".labels", ROLE_OTHER), \
	{ at ".toolConfig",                 T_OBJECT|T_NULL, ROLE_TOOL_DEFINITION, F_DEEP, 0 }, \
	{ at ".generationConfig",           T_OBJECT|T_NULL, ROLE_OTHER, 0, READ_CAP_HOLDER }, \
	{ at ".generationConfig.maxOutputTokens", T_NUMBER|T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_CAP }, \
	{ at ".generationConfig.candidateCount",  T_NUMBER|T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, READ_CHOICES }, \
	ROW_DEEP(at ".generationConfig.responseSchema", ROLE_TOOL_DEFINITION), \
	ROW_DEEP(at ".generationConfig.responseJsonSchema", ROLE_TOOL_DEFINITION)

#define SEALS(at) \
	SEAL(at ".contents[*].parts[*].thoughtSignature"), \
	SEAL(at ".contents[*].parts[*].functionCall.thoughtSignature"), \
	SEALS_KEPT(at ".contents[*].parts[*]"), \
	SEALS_KEPT(at ".contents[*].parts[*].functionCall")

#define REFS(at) \
	{ at ".contents[*].parts[*].fileData.fileUri", "file" }, \
	{ at ".systemInstruction.parts[*].fileData.fileUri", "file" }, \
	{ at ".cachedContent", "cached_content" }

#define FUNCTIONS ".tools[*].functionDeclarations[*]"
#define SPEECH ".generationConfig.speechConfig"
#define CONTENTS_NAMES(at) \
	WORD(at "[*].parts[*].functionCall.id"), \
	WORD(at "[*].parts[*].functionResponse.id"), \
	WORD(at "[*].parts[*].functionResponse.scheduling"), \
	WORD(at "[*].parts[*].executableCode.language"), \
	WORD(at "[*].parts[*].executableCode.id"), \
	WORD(at "[*].parts[*].codeExecutionResult.outcome"), \
	WORD(at "[*].parts[*].codeExecutionResult.id"), \
	WORD(at "[*].parts[*].toolCall.id"), \
	WORD(at "[*].parts[*].toolCall.toolType"), \
	WORD(at "[*].parts[*].toolResponse.id"), \
	WORD(at "[*].parts[*].toolResponse.toolType"), \
	WORD(at "[*].parts[*].mediaResolution")

#define NAMES(at) \
	CONTENTS_NAMES(at ".contents"), \
	WORD(at FUNCTIONS ".name"), \
	WORD(at FUNCTIONS ".behavior"), \
	SCHEMA(at FUNCTIONS ".parameters"), \
	SCHEMA(at FUNCTIONS ".parametersJsonSchema"), \
	SCHEMA(at FUNCTIONS ".response"), \
	SCHEMA(at FUNCTIONS ".responseJsonSchema"), \
	WORD(at ".tools[*].mcpServers[*].name"), \
	WORD(at ".tools[*].fileSearch.fileSearchStoreNames"), \
	WORD(at ".tools[*].computerUse"), \
	WORD(at ".toolConfig.functionCallingConfig"), \
	WORD(at ".toolConfig.retrievalConfig.languageCode"), \
	WORD(at ".generationConfig.responseMimeType"), \
	WORD(at ".generationConfig.responseModalities"), \
	SCHEMA(at ".generationConfig.responseSchema"), \
	SCHEMA(at ".generationConfig.responseJsonSchema"), \
	WORD(at ".generationConfig.mediaResolution"), \
	WORD(at ".generationConfig.thinkingConfig"), \
	WORD(at SPEECH ".languageCode"), \
	WORD(at SPEECH ".voiceConfig"), \
	WORD(at SPEECH ".multiSpeakerVoiceConfig.speakerVoiceConfigs[*].voiceConfig"), \
	WORD(at ".generationConfig.imageConfig"), \
	WORD(at ".safetySettings"), \
	WORD(at ".cachedContent"), \
	WORD(at ".serviceTier")

static const struct row generate_rows[] = { GENERATE(""), { 0 } };
static const struct name_row generate_names[] = { NAMES(""), { 0 } };
static const struct name_row count_names[] = { NAMES(""), NAMES("generateContentRequest"), { 0 } };
static const struct row count_rows[] = { GENERATE(""), GENERATE("generateContentRequest"), { 0 } };
#define IN_BATCH "batch.inputConfig.requests.requests[*].request"
static const struct row batch_rows[] = {
	{ IN_BATCH, T_OBJECT|T_NULL, ROLE_OTHER, 0, READ_REQUEST },
	GENERATE(IN_BATCH),
	{ 0 },
};
static const struct name_row batch_names[] = { NAMES(IN_BATCH), { 0 } };
static const struct name_row line_names[] = { NAMES("request"), { 0 } };
/* A line of a batch file: {"key","request"}. At the upload it is unknown which job will run the
 * file, if any. */
static const struct row line_rows[] = { GENERATE("request"), { 0 } };
/* Messages of a live session. */
#define TOLD "toolResponse.functionResponses"
static const struct row live_rows[] = {
	GENERATE("setup"),
	CONTENTS("clientContent.turns"),
	{ TOLD,                         LIST, ROLE_TOOL_RESULT, F_DEEP|F_ONE, 0 },
	{ TOLD "[*]",                   T_OBJECT, ROLE_TOOL_RESULT, F_DATA, 0 },
	{ TOLD "[*].name",              T_STRING|T_NULL, ROLE_TOOL_RESULT, F_RESERVED, 0 },
	ROW_DATA(TOLD "[*].response", ROLE_TOOL_RESULT),
	ROW_TEXT("realtimeInput.text", ROLE_USER),
	{ "realtimeInput.audio.data",   T_STRING|T_NULL, ROLE_USER, F_OPAQUE, 0 },
	{ "realtimeInput.video.data",   T_STRING|T_NULL, ROLE_USER, F_OPAQUE, 0 },
	{ "realtimeInput.mediaChunks[*].data", T_STRING|T_NULL, ROLE_USER, F_OPAQUE, 0 },
	{ 0 },
};
static const struct name_row live_names[] = {
	NAMES("setup"),
	CONTENTS_NAMES("clientContent.turns"),
	WORD(TOLD "[*].id"),
	WORD(TOLD "[*].scheduling"),
	WORD("realtimeInput.audio.mimeType"),
	WORD("realtimeInput.video.mimeType"),
	WORD("realtimeInput.mediaChunks[*].mimeType"),
	{ 0 },
};
static const struct row embed_rows[] = {
	ROW_MODEL("model"),
	{ "content",                    T_OBJECT|T_NULL, ROLE_USER, F_DEEP, 0 },
	PARTS("content", ROLE_USER),
	ROW_TEXT("title", ROLE_DOCUMENT),
	{ "requests",                   LIST, ROLE_USER, F_DEEP|F_ONE, 0 },
	ROW_MODEL("requests[*].model"),
	PARTS("requests[*].content", ROLE_USER),
	ROW_TEXT("requests[*].title", ROLE_DOCUMENT),
	{ 0 },
};
/* Vertex: embeddings, images, and any other model's instances. */
static const struct row predict_rows[] = { { "instances", LIST|T_STRING, ROLE_USER, F_DATA|F_ONE, 0 }, { 0 } };

/* Types of parts by key; a part has one of these keys. */
static const struct part_row keyed[] = {
	{ PART_TYPES("text", "functionCall", "functionResponse", "executableCode",
		"codeExecutionResult", "toolCall", "toolResponse", "thoughtSignature"), NULL, false },
	{ PART_TYPES("inlineData", "fileData"), "file", true },
	{ 0 },
};

static const struct seal_row live_seals[] = { SEAL("setup.sessionResumption.handle"), SEAL("clientContent.turns[*].parts[*].thoughtSignature"), SEALS_KEPT("clientContent.turns[*].parts[*]"), { 0 } };
static const struct ref_row live_refs[] = { { "clientContent.turns[*].parts[*].fileData.fileUri", "file" }, { "setup.systemInstruction.parts[*].fileData.fileUri", "file" }, { 0 } };
static const struct seal_row generate_seals[] = { SEALS(""), { 0 } };
static const struct seal_row count_seals[] = { SEALS(""), SEALS("generateContentRequest"), { 0 } };
static const struct seal_row line_seals[] = { SEALS("request"), SEALS(""), { 0 } };
static const struct seal_row batch_seals[] = { SEALS(IN_BATCH), { 0 } };

static const struct param_row params[] = {
	{ "generationConfig.temperature", "temperature" },
	{ "generationConfig.topP", "top_p" },
	{ "generationConfig.topK", "top_k" },
	{ "generationConfig.maxOutputTokens", "max_tokens" },
	{ "generationConfig.candidateCount", "n" },
	{ "generationConfig.seed", "seed" },
	{ "generationConfig.presencePenalty", "presence_penalty" },
	{ "generationConfig.frequencyPenalty", "frequency_penalty" },
	{ "generationConfig.responseLogprobs", "logprobs" },
	{ "generationConfig.logprobs", "top_logprobs" },
	{ 0 },
};
static const struct ref_row refs[] = { REFS(""), { 0 } };
static const struct ref_row count_refs[] = { REFS(""), REFS("generateContentRequest"), { 0 } };
static const struct ref_row line_refs[] = { REFS("request"), { 0 } };
static const struct ref_row batch_refs[] = { REFS(IN_BATCH), { "batch.inputConfig.fileName", "file" }, { 0 } };
#define PROTO .snake = true, .speaker = ROLE_USER, .keyed = keyed, .tree = TREE
#define BODY \
	.rows = generate_rows, .seals = generate_seals, .names = generate_names, .params = params, .refs = refs, \
	.cap = "generationConfig.maxOutputTokens"
static const struct table generate = { .json = true, BODY, PROTO };
static const struct table other    = { .lenient = true, BODY, PROTO };
static const struct table live     = { .json = true, .rows = live_rows, .seals = live_seals, .names = live_names, .refs = live_refs, .cap = "", PROTO };
static const struct table count    = { .json = true, .rows = count_rows, .seals = count_seals, .names = count_names, .refs = count_refs, PROTO };
static const struct table batch    = { .json = true, .batch = true, .rows = batch_rows, .seals = batch_seals, .names = batch_names, .refs = batch_refs, .cap = "generationConfig.maxOutputTokens", PROTO };
static const struct table line     = { .lenient = true, .batch = true, .rows = line_rows, .seals = line_seals, .names = line_names, .refs = line_refs, PROTO };
/* clang-format on */

static const struct table *
line_table(struct span url UNUSED)
{
	return &line;
}

static const struct table files = {
	.lenient = true, .seals = line_seals, .line = line_table, .tree = TREE
};
static const struct table embed = { .json = true, .rows = embed_rows, PROTO };
static const struct table predict = { .json = true, .rows = predict_rows, PROTO };

/* ---- interactions ----
 *
 * Names are snake_case only, and an item's type implies its role. */

/* clang-format off */
#define STEP "input[*]"
#define CONTENT_PART STEP ".content[*]"
static const struct row interactions_rows[] = {
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
	{ CONTENT_PART,                      T_OBJECT|T_STRING, ROLE_BY_MESSAGE, F_DEEP, READ_PART },
	{ CONTENT_PART ".type",              T_STRING|T_NULL, ROLE_OTHER, F_RESERVED, 0 },
	{ CONTENT_PART ".data",              T_STRING|T_NULL, ROLE_BY_MESSAGE, F_OPAQUE, 0 },
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
static const struct part_row interactions_parts[] = {
	{ PART_TYPES("text"), NULL, false },
	{ PART_TYPES("image"), "image", false },
	{ PART_TYPES("audio"), "audio", false },
	{ PART_TYPES("video"), "video", false },
	{ PART_TYPES("document"), "file", false },
	{ 0 },
};
static const struct seal_row interactions_seals[] = { SEALS_OWN(STEP), SEALS_KEPT(STEP), { 0 } };
static const struct param_row interactions_params[] = {
	{ "generation_config.temperature", "temperature" },
	{ "generation_config.top_p", "top_p" },
	{ "generation_config.max_output_tokens", "max_tokens" },
	{ "generation_config.seed", "seed" },
	{ "generation_config.thinking_level", "reasoning_effort" },
	{ 0 },
};
static const struct ref_row interactions_refs[] = {
	{ "previous_interaction_id", "response" },
	{ "cached_content", "cached_content" },
	{ "input.uri", "url" },
	{ STEP ".uri", "url" },
	{ CONTENT_PART ".uri", "url" },
	{ STEP ".result[*].uri", "url" },
	{ 0 },
};

static const struct name_row interactions_names[] = {
	WORD(STEP ".id"),
	WORD(STEP ".call_id"),
	WORD(STEP ".mime_type"),
	WORD(STEP ".server_name"),
	WORD(CONTENT_PART ".mime_type"),
	WORD("agent"),
	WORD("agent_config.type"),
	WORD("previous_interaction_id"),
	WORD("cached_content"),
	WORD("tools[*].type"),
	WORD("tools[*].name"),
	SCHEMA("tools[*].parameters"),
	WORD("tools[*].allowed_tools"),
	WORD("tools[*].environment"),
	WORD("response_modalities"),
	WORD("response_mime_type"),
	SCHEMA("response_format"),
	WORD("generation_config.thinking_level"),
	WORD("generation_config.thinking_summaries"),
	WORD("generation_config.tool_choice"),
	WORD("generation_config.speech_config"),
	WORD("service_tier"),
	{ 0 },
};
/* No `.model`: an agent has its own model, so the gateway inserts none. */
static const struct table interactions = {
	.json = true, .rows = interactions_rows, .parts = interactions_parts, .seals = interactions_seals, .names = interactions_names, .params = interactions_params, .refs = interactions_refs, .speaker = ROLE_USER,
	.cap = "generation_config.max_output_tokens", .tree = TREE
};
/* clang-format on */

/* ---- paths ---- */

/* clang-format off */
#define MODEL(place, flags) \
	{ "POST", place ":generateContent",       "generate", &generate, flags }, \
	{ "POST", place ":streamGenerateContent", "generate", &generate, (flags) | E_STREAMS }, \
	{ "POST", place ":countTokens",           "count",    &count,    (flags) | E_FREE }, \
	{ "POST", place ":computeTokens",         "count",    &count,    (flags) | E_FREE }, \
	{ "POST", place ":embedContent",          "embed",    &embed,    flags }, \
	{ "POST", place ":batchEmbedContents",    "embed",    &embed,    flags }, \
	{ "POST", place ":asyncBatchEmbedContent", "batch",   &table_kept, (flags) | E_UNSEEN }, \
	{ "POST", place ":batchGenerateContent",  "batch",    &batch,    flags }, \
	{ "POST", place ":predict",               "predict",  &predict,  flags }, \
	{ "POST", place ":predictLongRunning",    "predict",  &predict,  (flags) | E_UNSEEN }, \
	{ "POST", place ":fetchPredictOperation", "predict",  &predict,  flags }

static const struct endpoint_row endpoints[] = {
	{ "POST", "/interactions",                "interactions", &interactions, 0 },
	KEPT("/interactions", "interactions"),
	MODEL("/models/{model}", 0),
	MODEL("/tunedModels/{model}", E_TWO),
	MODEL("/endpoints/{model}", E_TWO),
	{ "POST", "/publishers/anthropic/models/count-tokens:rawPredict",   "count", &table_messages, E_FREE },
	{ "POST", "/publishers/anthropic/models/{model}:rawPredict",        "messages", &table_messages_no_model, 0 },
	{ "POST", "/publishers/anthropic/models/{model}:streamRawPredict",  "messages", &table_messages_no_model, E_STREAMS },
	{ "POST", "/publishers/mistralai/models/{model}:rawPredict",        "chat", &table_chat, 0 },
	{ "POST", "/publishers/mistralai/models/{model}:streamRawPredict",  "chat", &table_chat, E_STREAMS },
	{ "POST", "/models/{model}:rawPredict",       "raw",    NULL, 0 },
	{ "POST", "/models/{model}:streamRawPredict", "raw",    NULL, E_STREAMS },
	{ "POST", "/openai/chat/completions",            "chat", &table_chat, 0 },
	{ "POST", "/endpoints/openapi/chat/completions", "chat", &table_chat, 0 },
	/* Other families have these paths below /v1, so only /v1beta at the root counts. */
	{ "GET",  "/v1beta/models",                   "models", NULL, E_ROOT },
	{ "GET",  "/v1beta/models/{model}",           "models", NULL, E_ROOT },
	{ "GET",  "/v1beta/tunedModels",              "models", NULL, E_ROOT },
	{ "GET",  "/v1beta/tunedModels/{model}",      "models", NULL, E_ROOT | E_TWO },
	{ "POST", "/upload/v1beta/files",             "files",  &files, E_ROOT },
	{ NULL,   "/v1beta/files",                    "files",  NULL, E_ROOT },
	{ NULL,   "/v1beta/files/{id}",               "files",  NULL, E_ROOT },
	{ "GET",  "/v1beta/cachedContents",           "cached", NULL, E_ROOT },
	{ "POST", "/v1beta/cachedContents",           "cached", &other, E_ROOT },
	{ "GET",  "/v1beta/cachedContents/{id}",      "cached", NULL, E_ROOT | E_STORED },
	{ NULL,   "/v1beta/cachedContents/{id}",      "cached", &other, E_ROOT },
	{ "GET",  "/v1beta/batches",                  "batch",  NULL, E_ROOT },
	{ NULL,   "/v1beta/batches/{id}",             "batch",  NULL, E_ROOT },
	{ NULL,   "/cachedContents",                  "cached", &other, 0 },
	{ "GET",  "/cachedContents/{id}",             "cached", NULL, E_STORED },
	{ NULL,   "/cachedContents/{id}",             "cached", &other, 0 },
	RUNS("/tunedModels", "tuning"),
	RUNS("/tuningJobs", "tuning"),
	RUNS("/batchPredictionJobs", "batch"),
#define LIVE(service) { "GET", "/ws/google." service, "live", &live, E_ROOT }
	LIVE("ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent"),
	LIVE("ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContent"),
	LIVE("ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"),
	LIVE("cloud.aiplatform.v1.LlmBidiService/BidiGenerateContent"),
	LIVE("cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"),
	/* a token for a session that does not pass the gateway */
	{ "POST", "/auth_tokens", "live", &table_kept, E_UNSEEN | E_BESIDE },
	{ "POST", "/authTokens",  "live", &table_kept, E_UNSEEN | E_BESIDE },
	/* each uploaded document is embedded */
	RUNS("/fileSearchStores/{id}", "file_search_stores"),
	{ "POST", "/upload/v1beta/fileSearchStores/{id}", "file_search_stores", &table_kept, E_ROOT | E_UNSEEN },
	KEPT("/tuningJobs", "tuning"),
	KEPT("/batchPredictionJobs", "batch"),
	KEPT("/operations", "operations"),
	KEPT("/fileSearchStores", "file_search_stores"),
	KEPT_AT("/upload/v1beta/fileSearchStores", "file_search_stores", E_ROOT),
	/* other families have this path below /v1 */
	KEPT_AT("/v1beta/agents", "agents", E_ROOT),
	{ "GET",  "/models/{id}/operations/{id}",      "operations", NULL, E_STORED },
	{ "GET",  "/tunedModels/{id}/operations/{id}", "operations", NULL, E_STORED },
	{ 0 },
};

static const char *const tells[] = {
	"/models/{model}:generateContent", "/models/{model}:streamGenerateContent",
	"/models/{model}:countTokens", "/models/{model}:embedContent",
	"/models/{model}:batchEmbedContents", "/models/{model}:batchGenerateContent",
	"/tunedModels/{model}:generateContent", "/tunedModels/{model}:streamGenerateContent", NULL,
};
#define VERTEX(version) \
	version, version "/projects/{id}/locations/{id}", version "/publishers/google", \
	version "/projects/{id}/locations/{id}/publishers/google", \
	version "/projects/{id}/locations/{id}/publishers/{id}"
static const char *const bases[] = {
	"/v1beta", "/v1alpha", VERTEX("/v1"), VERTEX("/v1beta1"), NULL,
};
/* clang-format on */

const struct dialect dialect_gemini = {
	.name = "gemini",
	.endpoints = endpoints,
	.tells = tells,
	.bases = bases,
	.main = &generate,
	.other = &other,
	.bare_models = true,
	.bills_on = true,
	.types = TYPES_GOOGLE,
	.usage = usage_gemini,
	/* google.rpc.Status in its REST form. */
	.error = "{'error':{'code':%n,'message':%m,'status':'%t','details':[{"
		 "'@type':'type.googleapis.com/google.rpc.ErrorInfo','reason':'%c',"
		 "'metadata':{'decision':%i}}]}}",
};
