/* Formats of Gemini and Vertex, Bedrock's Converse, Cohere, Ollama, TGI and llama.cpp, MCP, and
 * any other JSON, and the table that selects a format by dialect and path
 * (answer_format_find()). An event of these streams is a small response, so whole and streamed
 * responses share rows. */
#include "answer/rows.h"

/* clang-format off */
/* Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse. An event's
 * parts continue those of the previous event. The member `thought` beside a text marks
 * reasoning. */
static const struct answer_call_kind gemini_snake[] = {
	{ .arguments = { "args" } }, { 0 } };
static const struct answer_call_kind gemini_code[] = {
	/* code that the model wrote to be run */
	{ .name = "code_execution", .also = "codeExecution" }, { 0 } };
#define GEMINI \
	ROW("responseId",                              READ_WORD), \
	ROW("modelVersion",                            READ_MODEL), \
	ROW("createTime",                              READ_WORD), \
	ROW("usageMetadata",                           READ_MARK), \
	ROW("usageMetadata.trafficType",               READ_WORD), \
	ROW("promptFeedback.blockReason",              READ_FINISH), \
	ROW("error",                                   READ_ERROR), \
	SLOT("candidates[*].index",                     READ_INDEX, 0), \
	ROW("candidates[*].finishReason",              READ_FINISH), \
	ROW("candidates[*].content.role",              READ_WORD), \
	ROW("candidates[*].content.parts[*].text",     READ_TEXT), \
	SLOT("candidates[*].content.parts[*].thought",  READ_FLAG, 1), \
	ROW("candidates[*].content.parts[*].thoughtSignature", READ_SEALED), \
	ROW("candidates[*].content.parts[*].inlineData.data", READ_OPAQUE), \
	ROW("candidates[*].content.parts[*].inlineData.mimeType", READ_MEDIA), \
	CALL("candidates[*].content.parts[*].functionCall", ANY, NULL), \
	CALLS("candidates[*].content.parts[*].function_call", ANY, "", gemini_snake), \
	CALLS("candidates[*].content.parts[*].executableCode", ANY, "", gemini_code), \
	CALLS("candidates[*].content.parts[*].executable_code", ANY, "", gemini_code), \
	ROW("candidates[*].content.parts[*].functionCall.id", READ_WORD), \
	ROW("candidates[*].content.parts[*].functionCall.name", READ_TOOL), \
	ROW("candidates[*].content.parts[*].functionCall.args", READ_INPUT), \
	/* Arguments in pieces, each the value of a path. Source: \
	 * https://cloud.google.com/vertex-ai/generative-ai/docs/multimodal/function-calling */ \
	SLOT("candidates[*].content.parts[*].functionCall.partialArgs[*].jsonPath", READ_PATH, ANSWER_NUMBERS), \
	ROW("candidates[*].content.parts[*].functionCall.partialArgs[*].stringValue", READ_TEXT, .kind = KIND_INPUT, .piece = true), \
	ROW("candidates[*].content.parts[*].functionCall.partialArgs[*].willContinue", READ_MORE), \
	ROW("candidates[*].logprobsResult",            READ_WITHHELD), \
	ROW("candidates[*].safetyRatings[*].category", READ_WORD), \
	ROW("candidates[*].safetyRatings[*].probability", READ_WORD), \
	ROW("embedding.values",                        READ_OPAQUE), \
	ROW("embeddings[*].values",                    READ_OPAQUE)
static const struct answer_row gemini_rows[] = { GEMINI, { 0 } };
const struct answer_format answer_gemini = {
	.name = "gemini", .rows = gemini_rows, .endless = true, .repeats = true, .counted = 1, .tree = FORMAT_TREE,
};

/* Source: https://ai.google.dev/api/live. Messages of a session, which has many turns. Readers
 * of protocol buffers accept both spellings of a name. */
#define LIVE_PART(at) \
	ROW(at ".text",                                READ_TEXT), \
	SLOT(at ".thought",                            READ_FLAG, 1), \
	ROW(at ".thoughtSignature",                    READ_SEALED), \
	ROW(at ".inlineData.data",                     READ_OPAQUE), \
	ROW(at ".inlineData.mimeType",                 READ_MEDIA), \
	CALLS(at ".executableCode",                    ANY, "", gemini_code), \
	CALLS(at ".executable_code",                   ANY, "", gemini_code), \
	LIVE_CALL(at ".functionCall"), \
	LIVE_CALL(at ".function_call")
#define LIVE_CALL(at) \
	CALLS(at,                                      ANY, "", gemini_snake), \
	ROW(at ".id",                                  READ_WORD), \
	ROW(at ".name",                                READ_TOOL), \
	ROW(at ".args",                                READ_INPUT)
#define LIVE_CONTENT(at) \
	ENDS(at ".turnComplete",                       READ_WORD), \
	ROW(at ".modelTurn.role",                      READ_WORD), \
	LIVE_PART(at ".modelTurn.parts[*]"), \
	LIVE_PART(at ".model_turn.parts[*]"), \
	JOINED(at ".inputTranscription.text",          READ_TEXT, KIND_TEXT, 1), \
	JOINED(at ".input_transcription.text",         READ_TEXT, KIND_TEXT, 1), \
	JOINED(at ".outputTranscription.text",         READ_TEXT, KIND_TEXT, 2), \
	JOINED(at ".output_transcription.text",        READ_TEXT, KIND_TEXT, 2)
static const struct answer_row live_rows[] = {
	ROW("setupComplete.sessionId",                 READ_WORD),
	ROW("usageMetadata",                           READ_MARK),
	ROW("error",                                   READ_ERROR),
	LIVE_CONTENT("serverContent"),
	LIVE_CONTENT("server_content"),
	LIVE_CALL("toolCall.functionCalls[*]"),
	LIVE_CALL("toolCall.function_calls[*]"),
	LIVE_CALL("tool_call.functionCalls[*]"),
	LIVE_CALL("tool_call.function_calls[*]"),
	ROW("toolCallCancellation.ids[*]",             READ_WORD),
	ROW("sessionResumptionUpdate.newHandle",       READ_SEALED),
	ROW("goAway.timeLeft",                         READ_WORD),
	{ 0 },
};
const struct answer_format answer_live = {
	.name = "gemini_live", .rows = live_rows, .endless = true, .repeats = true, .tree = FORMAT_TREE,
};

const struct answer_call_kind answer_kept_lists[] = {
	{ "function_call", .arguments = { "arguments" }, .says = SAYS_AGAIN },
	{ "function.call", .arguments = { "arguments" }, .says = SAYS_AGAIN },
	{ 0 },
}, answer_kept_items[] = {
	{ "function_call", .arguments = { "arguments" } },
	{ "function.call", .arguments = { "arguments" } },
	{ 0 },
}, answer_kept_delta[] = {
	{ "function_call", .arguments = { "arguments" } },
	{ "function.call", .arguments = { "arguments" } },
	{ .arguments = { "arguments" } },
	{ 0 },
};

/* Source: https://ai.google.dev/api/interactions-api. Members without a row are read as any
 * text. */
static const struct answer_row interaction_rows[] = { KEPT_CALLS, GEMINI, { 0 } };
const struct answer_format answer_interactions = {
	.name = "gemini", .rows = interaction_rows, .endless = true, .repeats = true, .counted = 1, .tree = FORMAT_TREE,
};

/* Source:
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html */
#define BLOCK(at) \
	CONVERSE_BLOCK(at), \
	ROW(at ".reasoningContent.redactedContent",     READ_SEALED), \
	ROW(at ".citationsContent.content[+].text",     READ_TEXT), \
	CALL(at ".toolUse",                             WHOLE, "!server_tool_use"), \
	MEDIA(at ".image.source.bytes",                 "image"), \
	ROW(at ".image.format",                         READ_WORD)
static const struct answer_row bedrock_rows[] = {
	ROW("p",                                        READ_WORD),
	ROW("role",                                     READ_MARK),
	ROW("usage",                                    READ_MARK),
	ROW("metrics",                                  READ_MARK),
	ROW("stopReason",                               READ_FINISH),
	SLOT("contentBlockIndex",                        READ_INDEX, 0),
	CALL("start.toolUse",                           EVENT, "!server_tool_use"),
	ROW("start.toolUse.toolUseId",                  READ_WORD),
	ROW("start.toolUse.name",                       READ_TOOL),
	ROW("start.toolUse.input",                      READ_INPUT),
	ROW("delta.text",                               READ_TEXT),
	OF("delta.toolUse.input",                      READ_TEXT, KIND_ARGUMENTS),
	ROW("start.toolResult.toolUseId",               READ_WORD),
	ROW("start.toolResult.status",                  READ_WORD),
	ROW("delta.toolResult[+].text",                 READ_TEXT),
	OF("delta.reasoningContent.text",              READ_TEXT, KIND_SIGNED),
	ROW("delta.reasoningContent.signature",         READ_SEALED),
	ROW("delta.reasoningContent.redactedContent",   READ_SEALED),
	ROW("output.message.role",                      READ_WORD),
	BLOCK("output.message.content[*]"),
	{ 0 },
};
static const char *const bedrock_ends[] = { "contentBlockStop", "messageStop", "metadata", NULL };
const struct answer_format answer_bedrock = {
	.name = "bedrock", .rows = bedrock_rows, .ends = bedrock_ends, .counted = 1, .blocks = true, .tree = FORMAT_TREE,
};

/* Source: https://docs.cohere.com/reference/chat-stream */
static const struct answer_row cohere_rows[] = {
	ROW("id",                                       READ_WORD),
	ROW("type",                                     READ_WORD),
	SLOT("index",                                    READ_INDEX, 0),
	ROW("finish_reason",                            READ_FINISH),
	ROW("usage",                                    READ_MARK),
	ROW("meta",                                     READ_MARK),
	ROW("message.role",                             READ_WORD),
	ROW("message.content[*].type",                  READ_WORD),
	ROW("message.content[*].text",                  READ_TEXT),
	OF("message.content[*].thinking",              READ_TEXT, KIND_REASONING),
	CALL("message.tool_calls[*]",                   WHOLE, NULL),
	ROW("logprobs",                                 READ_WITHHELD),
	ROW("delta.usage",                              READ_MARK),
	ROW("delta.error",                              READ_ERROR),
	CALL("delta.message.tool_calls",                EVENT, NULL),
	ROW("embeddings",                               READ_OPAQUE),
	ENDS("is_finished",                             READ_WORD), /* v1 */
	COHERE,
	{ 0 },
};
static const char *const cohere_ends[] = { "content-end", "tool-call-end", "tool-call-start",
	"message-end", NULL };
const struct answer_format answer_cohere = {
	.name = "cohere", .rows = cohere_rows, .type = "type", .ends = cohere_ends, .lines = true, .counted = 1, .blocks = true, .tree = FORMAT_TREE,
};

/* Source: https://github.com/ollama/ollama/blob/main/docs/api.md. Each line is a small
 * response. */
static const struct answer_row ollama_rows[] = {
	ROW("model",                                    READ_MODEL),
	ROW("created_at",                               READ_WORD),
	ENDS("done",                                    READ_WORD),
	ROW("done_reason",                              READ_FINISH),
	ROW("message.role",                             READ_WORD),
	ROW("message.content",                          READ_TEXT),
	OF("message.thinking",                         READ_TEXT, KIND_REASONING),
	CALL("message.tool_calls[*]",                   ANY, NULL),
	ROW("message.tool_calls[*].function.name",      READ_TOOL),
	ROW("message.tool_calls[*].function.arguments", READ_INPUT),
	ROW("response",                                 READ_TEXT),
	OF("thinking",                                 READ_TEXT, KIND_REASONING),
	ROW("error",                                    READ_ERROR),
	ROW("context",                                  READ_OPAQUE),
	ROW("embeddings",                               READ_OPAQUE),
	ROW("embedding",                                READ_OPAQUE),
	{ 0 },
};
const struct answer_format answer_ollama = {
	.name = "ollama", .rows = ollama_rows, .lines = true, .counted = 1, .tree = FORMAT_TREE,
};

/* Source: https://huggingface.github.io/text-generation-inference. The last event repeats the
 * whole text. llama.cpp's /completion also returns the prompt. */
static const struct answer_row tgi_rows[] = {
	ROW("token.text",                               READ_TEXT),
	ROW("top_tokens",                               READ_WITHHELD),
	ENDS("generated_text",                          READ_COPY),
	ROW("details.seed",                             READ_WORD),
	ROW("details.finish_reason",                    READ_FINISH),
	ROW("details.prefill",                          READ_WITHHELD),
	ROW("details.tokens",                           READ_WITHHELD),
	ROW("content",                                  READ_TEXT),
	ENDS("stop",                                    READ_WORD),
	ROW("stop_type",                                READ_WORD),
	ROW("model",                                    READ_MODEL),
	ROW("completion_probabilities",                 READ_WITHHELD),
	ROW("error",                                    READ_ERROR),
	ROW("error_type",                               READ_WORD),
	{ 0 },
};
const struct answer_format answer_tgi = {
	.name = "tgi", .rows = tgi_rows, .counted = 1, .tree = FORMAT_TREE,
};

/* Responses of MCP servers, and their requests. Each event is complete, so every string without
 * a row is a text of its own. */
#define CONTENT(at) \
	ROW(at ".type",                                 READ_WORD), \
	ROW(at ".data",                                 READ_OPAQUE), \
	ROW(at ".mimeType",                             READ_MEDIA), \
	ROW(at ".resource.blob",                        READ_OPAQUE), \
	ROW(at ".resource.mimeType",                    READ_MEDIA)
static const struct answer_row mcp_rows[] = {
	ROW("jsonrpc",                                  READ_WORD),
	ROW("id",                                       READ_WORD),
	ROW("method",                                   READ_WORD),
	ROW("result.resultType",                        READ_WORD),
	ROW("result.protocolVersion",                   READ_WORD),
	ROW("result.cacheScope",                        READ_WORD),
	ROW("result.nextCursor",                        READ_SEALED),
	ROW("result.requestState",                      READ_SEALED),
	CONTENT("result.content[*]"),
	ROW("result.contents[*].blob",                  READ_OPAQUE),
	ROW("result.contents[*].mimeType",              READ_MEDIA),
	ROW("result.messages[*].role",                  READ_WORD),
	CONTENT("result.messages[*].content"),
	ROW("result.tools[*].name",                     READ_WORD),
	ROW("result.prompts[*].name",                   READ_WORD),
	ROW("params.progressToken",                     READ_WORD),
	ROW("params.requestId",                         READ_WORD),
	ROW("params.mode",                              READ_WORD),
	ROW("params.messages[*].role",                  READ_WORD),
	CONTENT("params.messages[*].content"),
	{ 0 },
};
/* Each event is a message that ends all texts, so no text waits for the next event. */
static const char *const mcp_ends[] = { "2.0", NULL };
const struct answer_format answer_mcp = {
	.name = "mcp", .rows = mcp_rows, .type = "jsonrpc", .ends = mcp_ends, .endless = true, .tree = FORMAT_TREE,
};

/* Any other JSON: every string is text, and no text continues in the next event. */
static const struct answer_row any_rows[] = { { 0 } };
const struct answer_format answer_any = { .name = "any", .rows = any_rows, .endless = true, .tree = FORMAT_TREE };
/* clang-format on */

/* ---- selection of a format ---- */

/* In order: the first entry of the dialect whose path matches is used. "" matches every path;
 * see path_is(). */
static const struct {
	const char *dialect, *path;
	const struct answer_format *format;
} answers[] = {
	{ "openai", "/realtime", &answer_realtime },
	{ "openai", "/responses", &answer_openai_responses },
	{ "openai", "/responses/*", &answer_openai_responses },
	{ "openai", "/audio/transcriptions", &answer_transcripts },
	{ "openai", "/audio/translations", &answer_transcripts },
	{ "openai", "", &answer_openai },
	{ "mistral", "/conversations", &answer_conversations },
	{ "mistral", "/conversations/*", &answer_conversations },
	{ "mistral", "/audio/transcriptions", &answer_transcriptions },
	{ "mistral", "", &answer_openai },
	{ "anthropic", "/complete", &answer_complete },
	{ "anthropic", "", &answer_anthropic },
	{ "gemini", "/ws/*", &answer_live },
	{ "gemini", "/interactions", &answer_interactions },
	{ "gemini", "/interactions/*", &answer_interactions },
	{ "gemini", "", &answer_gemini },
	{ "bedrock", "/invoke", &answer_invoke },
	{ "bedrock", "/invoke-with-response-stream", &answer_invoke },
	{ "bedrock", "", &answer_bedrock },
	{ "cohere", "", &answer_cohere },
	{ "ollama", "", &answer_ollama },
	{ "tgi", "", &answer_tgi },
	{ "mcp", "", &answer_mcp },
	{ "rest", "/responses", &answer_openai_responses },
	{ "rest", "/responses/*", &answer_openai_responses },
};

/* Returns true if the path ends with `row`. A row that ends with a slash and a star matches if
 * the path contains the part before the star, so that a stored response matches too. */
static bool
path_is(struct span path, struct span row)
{
	struct span below = SPAN_LIT("/*");

	if (!span_ends(row, below))
		return span_ends(path, row);
	return memmem(path.p, path.n, row.p, row.n - 1) != NULL;
}

const struct answer_format *
answer_format_find(struct span dialect, struct span path)
{
	for (size_t i = 0; i < COUNT_OF(answers); i++)
		if (span_is(dialect, answers[i].dialect) &&
			path_is(path, span_str(answers[i].path)))
			return answers[i].format;
	return &answer_any;
}
