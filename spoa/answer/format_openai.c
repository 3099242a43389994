/* Responses of OpenAI's endpoints and of compatible servers. One table has chat completions,
 * completions, embeddings, images and transcriptions, since their paths do not collide.
 * Responses have a table of their own; their streams repeat every text when it is done. Source:
 * https://platform.openai.com/docs/api-reference */
#include "answer/rows.h"

/* clang-format off */
/* Rows that a message and its pieces in a stream share. */
#define MESSAGE(at, text, part) \
	ROW(at ".role",                        READ_MARK), \
	JOINED(at ".content",                  READ_TEXT, KIND_TEXT, text), \
	JOINED(at ".content[+].text",          READ_TEXT, KIND_TEXT, text), /* parts are joined */ \
	ROW(at ".content[+].type",             READ_WORD), \
	OF(at ".content[+].thinking[*].text", READ_TEXT, KIND_REASONING), \
	ROW(at ".content[+].thinking[*].type", READ_WORD), \
	OF(at ".refusal",                     READ_TEXT, KIND_REFUSAL), \
	OF(at ".reasoning_content",           READ_TEXT, KIND_REASONING), \
	OF(at ".reasoning",                   READ_TEXT, KIND_REASONING), \
	SLOT(at ".reasoning_details[*].index", READ_INDEX, 1), \
	ROW(at ".reasoning_details[*].type",   READ_WORD), \
	OF(at ".reasoning_details[*].text",   READ_TEXT, KIND_REASONING), \
	OF(at ".reasoning_details[*].summary", READ_TEXT, KIND_REASONING), \
	ROW(at ".reasoning_details[*].data",   READ_SEALED), \
	ROW(at ".reasoning_details[*].signature", READ_SEALED), \
	CALL(at ".tool_calls[*]",             part, NULL), \
	SLOT(at ".tool_calls[*].index",         READ_INDEX, 1), \
	FUNCTION(at ".tool_calls[*]",          READ_MARK), \
	OF(at ".tool_calls[*].custom.name",   READ_TOOL, KIND_INPUT), \
	OF(at ".tool_calls[*].custom.input",  READ_TEXT, KIND_INPUT), \
	CALL(at ".function_call",             part, NULL), \
	ROW(at ".function_call.name",          READ_TOOL), \
	OF(at ".function_call.arguments",     READ_TEXT, KIND_ARGUMENTS), \
	ROW(at ".audio.id",                    READ_MARK), \
	MEDIA(at ".images[*].image_url.url",   "image"), \
	MEDIA(at ".audio.data",                "audio"), \
	ROW(at ".audio.transcript",            READ_TEXT)

static const struct answer_row rows[] = {
	ROW("id",                              READ_WORD),
	ROW("object",                          READ_OBJECT),
	ROW("model",                           READ_MODEL),
	ROW("system_fingerprint",              READ_WORD),
	ROW("service_tier",                    READ_WORD),
	ROW("obfuscation",                     READ_WORD),
	ROW("created",                         READ_WORD),
	ROW("seed",                            READ_WORD),
	ROW("usage",                           READ_MARK),
	ROW("x_groq",                          READ_MARK),
	ROW("x_groq.id",                       READ_WORD),
	ROW("error",                           READ_ERROR),
	SLOT("choices[*].index",                READ_INDEX, 0),
	ROW("choices[*].finish_reason",        READ_FINISH),
	ROW("choices[*].text",                 READ_TEXT),
	ROW("choices[*].logprobs",             READ_WITHHELD),
	ROW("choices[*].stop_reason",          READ_WORD),
	MESSAGE("choices[*].message", 1, WHOLE),
	MESSAGE("choices[*].delta", 2, EVENT),
	/* assistants: a run that waits for outputs (alone, in a list and in an event), and its
	 * steps, which grow before that */
	ENDS("required_action.type",           READ_WORD),
	FUNCTION("required_action.submit_tool_outputs.tool_calls[*]", READ_WORD),
	FUNCTION("data[*].required_action.submit_tool_outputs.tool_calls[*]", READ_WORD),
	FUNCTION("step_details.tool_calls[*]", READ_WORD),
	FUNCTION("data[*].step_details.tool_calls[*]", READ_WORD),
	SLOT("delta.step_details.tool_calls[*].index", READ_INDEX, 0),
	FUNCTION("delta.step_details.tool_calls[*]", READ_MARK),
	ROW("data[*].object",                  READ_WORD),
	ROW("data[*].embedding",               READ_OPAQUE),
	MEDIA("data[*].b64_json",              "image"),
	OF("data[*].revised_prompt",          READ_TEXT, KIND_OTHER),
	MEDIA("b64_json",                      "image"),
	/* transcriptions: the complete text at the end; some servers send one segment per
	 * event */
	ROW("type",                            READ_WORD),
	IN("transcript.text.done", "text",     READ_COPY, KIND_TEXT),
	ROW("text",                            READ_TEXT),
	ROW("delta",                           READ_TEXT),
	ROW("logprobs",                        READ_WITHHELD),
	/* llama.cpp's /completion and /infill */
	ROW("content",                         READ_TEXT),
	ROW("stop_type",                       READ_FINISH),
	ROW("completion_probabilities",        READ_WITHHELD),
	{ 0 },
};
static const char *const ends[] = { "transcript.text.done", "image_generation.completed",
	"image_edit.completed", NULL };
static const char *const transcript_last[] = { "transcript.text.done", "error", NULL };

/* Perplexity's events repeat all text so far. */
const struct answer_format answer_openai = {
	.name = "openai", .rows = rows, .type = "type", .ends = ends, .so_far = "choices[*].message.", .counted = 2, .tree = FORMAT_TREE };

/* `last`: servers that send segments without a type have no last event. */
const struct answer_format answer_transcripts = {
	.name = "transcripts", .rows = rows, .type = "type", .ends = ends, .last = transcript_last, .counted = 2, .tree = FORMAT_TREE };

/* ---- Mistral's transcriptions: the delta and the complete text have the same member ---- */

static const struct answer_row transcription_rows[] = {
	ROW("type",                            READ_WORD),
	ROW("model",                           READ_MODEL),
	ROW("language",                        READ_WORD),
	ROW("audio_language",                  READ_WORD),
	ROW("usage",                           READ_MARK),
	IN("transcription.done", "text",       READ_COPY, KIND_TEXT),
	IN("transcription.segment", "text",    READ_TEXT, KIND_TEXT),
	ROW("text",                            READ_TEXT),
	ROW("error",                           READ_ERROR),
	{ 0 },
};
static const char *const transcription_ends[] = { "transcription.done", NULL };

const struct answer_format answer_transcriptions = {
	.name = "transcriptions", .rows = transcription_rows, .type = "type", .ends = transcription_ends, .counted = 1, .tree = FORMAT_TREE };

/* ---- Mistral's conversations ---- */

static const struct answer_call_kind conversation_pieces[] = {
	{ "function.call.delta", .arguments = { "arguments" } },
	{ 0 },
};
static const struct answer_row conversation_rows[] = {
	CALLS("", EVENT, NULL, conversation_pieces),
	KEPT_CALLS,
	ROW("type",                            READ_WORD),
	ROW("object",                          READ_WORD),
	ROW("id",                              READ_WORD),
	ROW("conversation_id",                 READ_WORD),
	ROW("response_id",                     READ_WORD),
	ROW("tool_call_id",                    READ_MARK),
	ROW("model",                           READ_MODEL),
	ROW("role",                            READ_MARK),
	ROW("created_at",                      READ_WORD),
	ROW("usage",                           READ_MARK),
	SLOT("output_index",                    READ_INDEX, 0),
	SLOT("content_index",                   READ_INDEX, 1),
	JOINED("content",                      READ_TEXT, KIND_TEXT, 1),
	ROW("content.type",                    READ_WORD),
	JOINED("content.text",                 READ_TEXT, KIND_TEXT, 1),
	OF("content.thinking[*].text",        READ_TEXT, KIND_REASONING),
	OF("arguments",                       READ_TEXT, KIND_ARGUMENTS),
	ROW("outputs[*].type",                 READ_WORD),
	ROW("outputs[*].object",               READ_WORD),
	ROW("outputs[*].id",                   READ_WORD),
	ROW("outputs[*].tool_call_id",         READ_WORD),
	ROW("outputs[*].model",                READ_MODEL),
	ROW("outputs[*].role",                 READ_WORD),
	JOINED("outputs[*].content",           READ_TEXT, KIND_TEXT, 2),
	ROW("outputs[*].content[+].type",      READ_WORD),
	JOINED("outputs[*].content[+].text",   READ_TEXT, KIND_TEXT, 2),
	ROW("outputs[*].name",                 READ_TOOL),
	OF("outputs[*].arguments",            READ_TEXT, KIND_ARGUMENTS),
	{ 0 },
};
static const char *const conversation_ends[] = { "conversation.response.done",
	"conversation.response.error", NULL };

const struct answer_format answer_conversations = {
	.name = "conversations", .rows = conversation_rows, .type = "type", .ends = conversation_ends,
	.counted = 2, .blocks = true, .tree = FORMAT_TREE };

/* ---- Responses API ---- */

/* Items that a client acts on. The first two arrive in pieces. The others are complete in their
 * item, and the item that is done counts. docs/tools.md lists them. */
static const struct answer_call_kind response_kinds[] = {
	{ "function_call", .arguments = { "arguments" }, .says = SAYS_ALL },
	{ "custom_tool_call", .arguments = { "input" }, .says = SAYS_ALL, .any_text = true },
	{ "mcp_approval_request", .arguments = { "arguments" }, .says = SAYS_LAST },
	{ "local_shell_call", .name = "local_shell", .arguments = { "action" },
		.says = SAYS_LAST },
	{ "shell_call", .name = "shell", .arguments = { "action" }, .says = SAYS_LAST },
	{ "apply_patch_call", .name = "apply_patch", .arguments = { "operation" },
		.says = SAYS_LAST },
	{ "computer_call", .name = "computer", .also = "computer_use_preview",
		.arguments = { "action", "actions" }, .says = SAYS_LAST },
	{ "tool_search_call", .name = "tool_search", .arguments = { "arguments" },
		.says = SAYS_LAST, .runs = true },
	{ "web_search_call", .says = SAYS_NONE }, { "file_search_call", .says = SAYS_NONE },
	{ "code_interpreter_call", .says = SAYS_NONE }, { "mcp_call", .says = SAYS_NONE },
	{ "image_generation_call", .says = SAYS_NONE },
	{ "*_call", .says = SAYS_LAST },
	{ 0 },
};
/* Events that carry arguments of an item. */
static const struct answer_call_kind response_pieces[] = {
	{ "response.function_call_arguments.delta", "function_call", .arguments = { "delta" } },
	{ "response.function_call_arguments.done", "function_call",
		.arguments = { "arguments" }, .says = SAYS_ALL },
	{ "response.custom_tool_call_input.delta", "custom_tool_call", .arguments = { "delta" },
		.any_text = true },
	{ "response.custom_tool_call_input.done", "custom_tool_call", .arguments = { "input" },
		.says = SAYS_ALL, .any_text = true },
	{ 0 },
};
/* Rows of an item, in every place. */
#define ITEM(at) \
	CALLS(at,                       ANY, "function_call", response_kinds), \
	ROW(at ".type",                 READ_WORD), \
	ROW(at ".id",                   READ_WORD), \
	ROW(at ".call_id",              READ_WORD), \
	ROW(at ".status",               READ_WORD), \
	ROW(at ".role",                 READ_MARK), \
	ROW(at ".name",                 READ_TOOL), \
	OF(at ".arguments",            READ_COPY, KIND_ARGUMENTS), \
	OF(at ".input",                READ_COPY, KIND_INPUT), \
	OF(at ".code",                 READ_COPY, KIND_INPUT), \
	ROW(at ".encrypted_content",    READ_SEALED), \
	MEDIA(at ".result",             "image"), \
	ROW(at ".content[+].type",      READ_WORD), \
	ROW(at ".content[+].text",      READ_COPY), \
	OF(at ".content[+].refusal",   READ_COPY, KIND_REFUSAL), \
	ROW(at ".content[+].logprobs",  READ_WITHHELD), \
	ROW(at ".summary[*].type",      READ_WORD), \
	OF(at ".summary[*].text",      READ_COPY, KIND_REASONING)
/* Rows of a response, which is the document or a member of an event. */
#define RESPONSE(at) \
	ROW(at "id",                    READ_WORD), \
	ROW(at "object",                READ_WORD), \
	ROW(at "model",                 READ_MODEL), \
	ROW(at "usage",                 READ_MARK), \
	ROW(at "incomplete_details.reason", READ_FINISH), \
	ROW(at "error",                 READ_ERROR), \
	ROW(at "service_tier",          READ_WORD), \
	ROW(at "truncation",            READ_WORD), \
	ROW(at "tool_choice",           READ_WORD), \
	ROW(at "previous_response_id",  READ_WORD)

static const struct answer_row response_rows[] = {
	CALLS("", EVENT, NULL, response_pieces),
	/* an event "error" has its code and message beside the type */
	ROW("type", READ_OBJECT),
	ROW("sequence_number", READ_WORD),
	ROW("event_id", READ_WORD),
	ROW("obfuscation", READ_WORD),
	ROW("item_id", READ_WORD),
	ROW("status", READ_FINISH),
	SLOT("output_index", READ_INDEX, 0),
	SLOT("content_index", READ_INDEX, 1),
	SLOT("summary_index", READ_INDEX, 1),
	SLOT("command_index", READ_INDEX, 1),
	IN("response.refusal.delta", "delta", READ_TEXT, KIND_REFUSAL),
	IN("response.reasoning_text.delta", "delta", READ_TEXT, KIND_REASONING),
	IN("response.reasoning_summary_text.delta", "delta", READ_TEXT, KIND_REASONING),
	IN("response.function_call_arguments.delta", "delta", READ_TEXT, KIND_ARGUMENTS),
	IN("response.custom_tool_call_input.delta", "delta", READ_TEXT, KIND_INPUT),
	IN("response.mcp_call_arguments.delta", "delta", READ_TEXT, KIND_ARGUMENTS),
	IN("response.code_interpreter_call_code.delta", "delta", READ_TEXT, KIND_INPUT),
	/* any call, such as a shell's or a patch's */
	IN("*_call", "delta", READ_TEXT, KIND_INPUT),
	ROW("delta", READ_OPAQUE, .media = "audio", .event = "response.audio.delta"),
	ROW("delta", READ_OPAQUE, .media = "audio", .event = "response.output_audio.delta"),
	IN("response.audio.transcript.delta", "delta", READ_TEXT, KIND_TEXT),
	ROW("delta", READ_TEXT),
	IN("conversation.item.input_audio_transcription.segment", "text", READ_TEXT, KIND_TEXT),
	ROW("text", READ_COPY),
	OF("refusal", READ_COPY, KIND_REFUSAL),
	OF("arguments", READ_COPY, KIND_ARGUMENTS),
	OF("input", READ_COPY, KIND_INPUT),
	OF("code", READ_COPY, KIND_INPUT),
	ROW("logprobs", READ_WITHHELD),
	MEDIA("partial_image_b64", "image"),
	ROW("part.type", READ_WORD),
	ROW("part.text", READ_COPY),
	OF("part.refusal", READ_COPY, KIND_REFUSAL),
	ROW("part.logprobs", READ_WITHHELD),
	ITEM("item"),
	ITEM("output[*]"),
	ITEM("response.output[*]"),
	RESPONSE(""),
	RESPONSE("response."),
	ROW("response.status", READ_FINISH),
	{ 0 },
};
/* An item's deltas end when the item is done. If only its audio is done, its transcript may
 * continue. */
static const char *const response_no_ends[] = { "response.output_audio.done", "response.audio.done", NULL };
static const char *const response_ends[] = { "*.done", "response.completed",
	"response.incomplete", "response.failed", "*_transcription.completed", "*_transcription.failed", "error", NULL };
static const char *const response_last[] = { "response.completed", "response.incomplete",
	"response.failed", "response.cancelled", "error", NULL };

const struct answer_format answer_openai_responses = {
	.name = "openai_responses", .rows = response_rows, .type = "type", .ends = response_ends, .no_ends = response_no_ends, .last = response_last,
	.counted = 2, .blocks = true, .tree = FORMAT_TREE };

/* ---- Realtime API: the same events, partly under other names; a session has many responses
 * ---- */

static const char *const realtime_last[] = { "response.done", "response.completed",
	"response.incomplete", "response.failed", "response.cancelled", "error", NULL };

const struct answer_format answer_realtime = {
	.name = "openai_realtime", .rows = response_rows, .type = "type", .ends = response_ends, .no_ends = response_no_ends, .last = realtime_last,
	.counted = 2, .blocks = true, .tree = FORMAT_TREE };
/* clang-format on */
