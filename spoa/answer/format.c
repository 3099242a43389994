/* The formats of responses: their tables, the tree of a table's rows, and the table that
 * selects a format by dialect and path (answer_format_find()). An event of most streams is a
 * small response, so whole and streamed responses share rows.
 *
 * The tree has one node per key or array of the rows' paths ("choices[*].delta.content"). A
 * tree is built at its first use and never freed. Readers take the root from an atomic pointer;
 * one mutex serializes builders. scan/text/table.c does the same for requests, whose rows
 * differ. */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "answer/format.h"
#include "base/err.h"
#include "scan/dialect/usage.h"

/* ---- macros for rows ---- */

/* clang-format off */
#define ROW(at_, read_, ...)             { .path = at_, .read = read_, __VA_ARGS__ }
#define OF(at_, read_, kind_)            ROW(at_, read_, .kind = kind_)
#define SLOT(at_, read_, slot_)          ROW(at_, read_, .slot = slot_)
#define ENDS(at_, read_)                 ROW(at_, read_, .ends = true)
#define MEDIA(at_, media_)               ROW(at_, READ_OPAQUE, .media = media_)
#define IN(event_, at_, read_, kind_)    ROW(at_, read_, .kind = kind_, .event = event_)
/* Texts of one type of event, and of events without a type. The text of an event of another type has no
 * row, because no client joins it to the others, and it could split a value. */
#define TYPED(event_, at_, read_, kind_, slot_) \
	ROW(at_, read_, .kind = kind_, .slot = slot_, .event = event_), \
		ROW(at_, read_, .kind = kind_, .slot = slot_, .event = "")
/* Events of a call, of which `event_` is a part of the type, for this tool. */
#define TOOL(event_, at_, read_, tool_) \
	ROW(at_, read_, .kind = KIND_INPUT, .event = "*" event_, .tool = tool_)
/* Texts with the same slot are one text. */
#define JOINED(at_, read_, kind_, slot_) ROW(at_, read_, .kind = kind_, .slot = slot_)
/* `part_` is WHOLE, EVENT or ANY. */
#define CALL(at_, part_, type_)          CALLS(at_, part_, type_, NULL)
#define CALLS(at_, part_, type_, kinds_) \
	ROW(at_, READ_CALL, .part = IN_##part_, .type = type_, .kinds = kinds_)
/* clang-format on */

/* A function call as OpenAI writes it. `id_` is how its id is read. */
#define FUNCTION(at_, id_)                                                                     \
	ROW(at_ ".id", id_), ROW(at_ ".type", READ_WORD),                                      \
		ROW(at_ ".function.name", READ_TOOL),                                          \
		OF(at_ ".function.arguments", READ_TEXT, KIND_ARGUMENTS)
/* A block of a message as Bedrock writes it. */
#define CONVERSE_BLOCK(at_)                                                                    \
	ROW(at_ ".text", READ_TEXT),                                                           \
		OF(at_ ".reasoningContent.reasoningText.text", READ_TEXT, KIND_SIGNED),        \
		ROW(at_ ".reasoningContent.reasoningText.signature", READ_SEALED),             \
		ROW(at_ ".toolUse.toolUseId", READ_WORD), ROW(at_ ".toolUse.name", READ_TOOL), \
		ROW(at_ ".toolUse.input", READ_INPUT)
/* A turn as Cohere writes it (v2 and v1), whole or in events. */
#define COHERE                                                                                 \
	OF("message.tool_plan", READ_TEXT, KIND_REASONING),                                    \
		FUNCTION("message.tool_calls[*]", READ_WORD),                                  \
		ROW("delta.finish_reason", READ_FINISH), ROW("delta.message.role", READ_MARK), \
		ROW("delta.message.content.type", READ_WORD),                                  \
		TYPED("*content-", "delta.message.content.text", READ_TEXT, KIND_TEXT, 1),     \
		OF("delta.message.content.thinking", READ_TEXT, KIND_REASONING),               \
		OF("delta.message.tool_plan", READ_TEXT, KIND_REASONING),                      \
		FUNCTION("delta.message.tool_calls", READ_MARK), ROW("event_type", READ_WORD), \
		ROW("text", READ_TEXT), ROW("response.text", READ_COPY),                       \
		SLOT("tool_call_delta.index", READ_INDEX, 0),                                  \
		OF("tool_call_delta.text", READ_TEXT, KIND_REASONING),                         \
		ROW("tool_call_delta.name", READ_TOOL),                                        \
		OF("tool_call_delta.parameters", READ_TEXT,                                    \
			KIND_ARGUMENTS), /* the whole call, which clients use */               \
		ENDS("tool_calls[*].name", READ_TOOL),                                         \
		ROW("tool_calls[*].parameters", READ_INPUT),                                   \
		ROW("response.tool_calls[*].name", READ_TOOL),                                 \
		ROW("response.tool_calls[*].parameters", READ_INPUT)

/* clang-format off */
/* Kinds of calls in responses that the provider keeps: in lists, items, and deltas of items. */
static const struct answer_call_kind answer_kept_lists[] = {
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
/* clang-format on */

/* The places of calls in responses that the provider keeps: lists, items, and deltas of items,
 * which may have no type. */
#define KEPT_CALLS                                                                             \
	CALLS("steps[*]", ANY, NULL, answer_kept_lists),                                       \
		CALLS("outputs[*]", ANY, NULL, answer_kept_lists),                             \
		CALLS("interaction.steps[*]", EVENT, NULL, answer_kept_lists),                 \
		CALLS("interaction.outputs[*]", EVENT, NULL, answer_kept_lists),               \
		CALLS("response.steps[*]", EVENT, NULL, answer_kept_lists),                    \
		CALLS("response.outputs[*]", EVENT, NULL, answer_kept_lists),                  \
		CALLS("step", EVENT, NULL, answer_kept_items),                                 \
		CALLS("content", EVENT, NULL, answer_kept_items),                              \
		CALLS("delta", EVENT, NULL, answer_kept_delta)

/* Memory for the tree of a const format. */
#define FORMAT_TREE (&(struct answer_tree){ NULL })

/* ---- OpenAI ---- */

/* Responses of OpenAI's endpoints and of compatible servers. One table has chat completions,
 * completions, embeddings, images and transcriptions, since their paths do not collide.
 * Responses have a table of their own; their streams repeat every text when it is done. Source:
 * https://platform.openai.com/docs/api-reference */

/* clang-format off */
/* Signatures of reasoning that servers and gateways add to a message or call (see SEALS_OWN and
 * SEALS_KEPT in scan/dialect/family.h). */
#define CHAT_SEALS(at) \
	ROW(at ".signature",                   READ_SEALED), \
	ROW(at ".encrypted_content",           READ_SEALED), \
	ROW(at ".reasoning_opaque",            READ_SEALED), \
	ROW(at ".thought_signature",           READ_SEALED), \
	ROW(at ".extra_content.google.thought_signature", READ_SEALED), \
	ROW(at ".provider_specific_fields.thought_signature", READ_SEALED), \
	ROW(at ".provider_specific_fields.thought_signatures[*]", READ_SEALED), \
	ROW(at ".provider_specific_fields.thinking_blocks[*].signature", READ_SEALED)
/* Rows that a message and its pieces in a stream share. */
#define CHAT_MESSAGE(at, text, part) \
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
	ROW(at ".thinking_blocks[*].signature", READ_SEALED), \
	CHAT_SEALS(at), \
	CHAT_SEALS(at ".tool_calls[*]"), \
	ROW(at ".tool_calls[*].function.provider_specific_fields.thought_signature", READ_SEALED), \
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

static const struct answer_row openai_rows[] = {
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
	CHAT_MESSAGE("choices[*].message", 1, WHOLE),
	CHAT_MESSAGE("choices[*].delta", 2, EVENT),
	/* assistants: a run that waits for outputs (alone, in a list and in an event), and its
	 * steps, which grow before that */
	ENDS("required_action.type",           READ_WORD),
	FUNCTION("required_action.submit_tool_outputs.tool_calls[*]", READ_WORD),
	FUNCTION("data[*].required_action.submit_tool_outputs.tool_calls[*]", READ_WORD),
	FUNCTION("step_details.tool_calls[*]", READ_WORD),
	FUNCTION("data[*].step_details.tool_calls[*]", READ_WORD),
	SLOT("delta.step_details.tool_calls[*].index", READ_INDEX, 0),
	FUNCTION("delta.step_details.tool_calls[*]", READ_MARK),
	ROW("tools[*].type",                   READ_WORD),
	ROW("tools[*].function.name",          READ_WORD),
	ROW("tools[*].function.parameters",    READ_SCHEMA),
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
static const char *const openai_ends[] = { "transcript.text.done", "image_generation.completed",
	"image_edit.completed", NULL };
static const char *const transcript_last[] = { "transcript.text.done", "error", NULL };

/* Perplexity's events repeat all text so far. */
const struct answer_format answer_openai = {
	.name = "openai", .rows = openai_rows, .type = "type", .ends = openai_ends, .so_far = "choices[*].message.", .counted = 2, .tree = FORMAT_TREE };

/* `last`: servers that send segments without a type have no last event. */
static const struct answer_format answer_transcripts = {
	.name = "transcripts", .rows = openai_rows, .type = "type", .ends = openai_ends, .last = transcript_last, .counted = 2, .tree = FORMAT_TREE };

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
	TYPED("message.output.delta", "content", READ_TEXT, KIND_TEXT, 1),
	ROW("content.type",                    READ_WORD),
	TYPED("message.output.delta", "content.text", READ_TEXT, KIND_TEXT, 1),
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
	{ "local_shell_call", .tool = OWN_LOCAL_SHELL, .arguments = { "action" },
		.says = SAYS_LAST },
	{ "shell_call", .tool = OWN_SHELL, .arguments = { "action" }, .says = SAYS_LAST },
	{ "apply_patch_call", .tool = OWN_PATCH, .arguments = { "operation" },
		.says = SAYS_LAST },
	{ "computer_call", .tool = OWN_COMPUTER, .also = "computer_use_preview",
		.arguments = { "action", "actions" }, .says = SAYS_LAST },
	{ "tool_search_call", .tool = OWN_SEARCH, .arguments = { "arguments" },
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
	ROW(at "tools[*].type",         READ_WORD), \
	ROW(at "tools[*].name",         READ_WORD), \
	ROW(at "tools[*].server_label", READ_WORD), \
	ROW(at "tools[*].parameters",   READ_SCHEMA), \
	ROW(at "tool_choice.type",      READ_WORD), \
	ROW(at "tool_choice.name",      READ_WORD), \
	ROW(at "text.format.type",      READ_WORD), \
	ROW(at "text.format.name",      READ_WORD), \
	ROW(at "text.format.schema",    READ_SCHEMA), \
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
	ROW("sequence_number", READ_SEQUENCE),
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
	/* the arguments of calls whose type names the tool, and of any other call */
	TOOL("local_shell_call", "delta", READ_TEXT, OWN_LOCAL_SHELL),
	TOOL("shell_call", "delta", READ_TEXT, OWN_SHELL),
	TOOL("apply_patch_call", "delta", READ_TEXT, OWN_PATCH),
	IN("*_call", "delta", READ_TEXT, KIND_INPUT),
	ROW("delta", READ_OPAQUE, .media = "audio", .event = "response.audio.delta"),
	ROW("delta", READ_OPAQUE, .media = "audio", .event = "response.output_audio.delta"),
	IN("response.output_text.delta", "delta", READ_TEXT, KIND_TEXT),
	IN("response.text.delta", "delta", READ_TEXT, KIND_TEXT),
	IN("*audio_transcript", "delta", READ_TEXT, KIND_TEXT),
	IN("*audio.transcript", "delta", READ_TEXT, KIND_TEXT),
	IN("*audio_transcription", "delta", READ_TEXT, KIND_TEXT),
	IN("", "delta", READ_TEXT, KIND_TEXT),
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
	TOOL("local_shell_call", "command", READ_COPY, OWN_LOCAL_SHELL),
	TOOL("shell_call", "command", READ_COPY, OWN_SHELL),
	TOOL("apply_patch_call", "diff", READ_COPY, OWN_PATCH),
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

/* ---- Anthropic ---- */

/* Responses of Anthropic's Messages API: content blocks, each a channel, that begin, grow and
 * stop. Bedrock's invoke has them too. Source:
 * https://docs.anthropic.com/en/api/messages-streaming */

/* clang-format off */
/* `text` is the slot of texts that clients join: a block's beginning and its deltas. */
#define ANTHROPIC_BLOCK(at, text, part) \
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
#define ANTHROPIC_MESSAGE(at) \
	ROW(at "id",                 READ_WORD), \
	ROW(at "role",               READ_WORD), \
	ROW(at "model",              READ_MODEL), \
	ROW(at "stop_reason",        READ_FINISH), \
	OF(at "stop_sequence",      READ_TEXT, KIND_OTHER), \
	ROW(at "usage",              READ_MARK), \
	ROW(at "usage.service_tier", READ_WORD), \
	ROW(at "usage.inference_geo", READ_WORD), \
	ANTHROPIC_BLOCK(at "content[*]", 0, WHOLE)

#define MESSAGES \
	ROW("type",                  READ_WORD), \
	SLOT("index",                 READ_INDEX, 0), \
	ANTHROPIC_MESSAGE(""), \
	ROW("message.type",          READ_WORD), \
	ANTHROPIC_MESSAGE("message."), \
	ANTHROPIC_BLOCK("content_block", 1, EVENT), \
	ROW("delta.type",            READ_WORD), \
	TYPED("content_block_delta", "delta.text", READ_TEXT, KIND_TEXT, 1), \
	TYPED("content_block_delta", "delta.thinking", READ_TEXT, KIND_SIGNED, 1), \
	TYPED("content_block_delta", "delta.partial_json", READ_TEXT, KIND_ARGUMENTS, 2), \
	ROW("delta.signature",       READ_SEALED), \
	ROW("delta.stop_reason",     READ_FINISH), \
	OF("delta.stop_sequence",   READ_TEXT, KIND_OTHER), \
	ROW("delta.citation.type",   READ_WORD), \
	ROW("delta.citation.encrypted_index", READ_SEALED), \
	ROW("request_id",            READ_WORD), \
	ROW("error",                 READ_ERROR), \
	ROW("error.type",            READ_WORD)

static const struct answer_row anthropic_rows[] = {
	MESSAGES,
	ROW("completion",            READ_TEXT), /* /v1/complete */
	{ 0 },
};
static const char *const anthropic_ends[] = { "content_block_stop", "message_stop", "error", NULL };
static const char *const anthropic_last[] = { "message_stop", "error", NULL };

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
	.name = "anthropic", .rows = anthropic_rows, .type = "type", .ends = anthropic_ends, .last = anthropic_last, .counted = 1, .blocks = true, .tree = FORMAT_TREE };
static const struct answer_format answer_complete = {
	.name = "complete", .rows = anthropic_rows, .type = "type", .ends = anthropic_ends, .counted = 1, .tree = FORMAT_TREE };
const struct answer_format answer_invoke = {
	.name = "invoke", .rows = invoke_rows, .type = "type", .ends = invoke_ends, .counted = 1, .blocks = true, .tree = FORMAT_TREE };
/* clang-format on */

/* ---- other providers, and any JSON ---- */

/* clang-format off */
/* Source: https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse. An event's
 * parts continue those of the previous event. The member `thought` beside a text marks
 * reasoning. */
static const struct answer_call_kind gemini_snake[] = {
	{ .arguments = { "args" } }, { 0 } };
static const struct answer_call_kind gemini_code[] = {
	/* code that the model wrote to be run */
	{ .tool = OWN_CODE, .also = "codeExecution" }, { 0 } };
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
 * a row is a text of its own. The texts of a result are searched together, too. */
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
	CONTENT("result.content[+]"),
	JOINED("result.content[+].text",                READ_TEXT, KIND_TEXT, 1), /* models read them as one text */
	ROW("result.contents[*].blob",                  READ_OPAQUE),
	ROW("result.contents[*].mimeType",              READ_MEDIA),
	ROW("result.messages[*].role",                  READ_WORD),
	CONTENT("result.messages[*].content"),
	ROW("result.tools[*].name",                     READ_WORD),
	ROW("result.tools[*].inputSchema",              READ_SCHEMA),
	ROW("result.tools[*].outputSchema",             READ_SCHEMA),
	ROW("result.prompts[*].name",                   READ_WORD),
	ROW("result.prompts[*].arguments[*].name",      READ_WORD),
	ROW("result.serverInfo.name",                   READ_WORD),
	ROW("result.serverInfo.version",                READ_WORD),
	ROW("params.requestedSchema",                   READ_SCHEMA),
	ROW("params.tools[*].name",                     READ_WORD),
	ROW("params.tools[*].inputSchema",              READ_SCHEMA),
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

/* ---- the tree of a format ---- */

static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;

/* A tree that is being built, in one block of memory. */
struct maker {
	struct answer_node *v; /* all nodes; v[0] is the root */
	size_t n;
};

/* Returns an upper bound on the nodes that a path needs. */
static size_t
steps_of(const char *path)
{
	size_t n = 1;

	for (; *path; path++)
		n += *path == '.' || *path == '[';
	return n;
}

/* Casts const away. A tree is not const while it is built. */
static struct answer_node *
made_answer_node(const struct answer_node *n)
{
	return (struct answer_node *)(uintptr_t)n;
}

static struct answer_node *
format_member(struct maker *m, struct answer_node *n, struct span key)
{
	const struct answer_node *c = answer_member(n, key);

	if (c)
		return made_answer_node(c);
	struct answer_node *new = &m->v[m->n++];
	/* In the order of the rows, which have the most frequent members first. */
	const struct answer_node **end = &n->members;
	while (*end)
		end = (const struct answer_node **)&made_answer_node(*end)->next;
	new->key = key;
	new->counts = usage_key_counts(key);
	*end = new;
	return new;
}

static struct answer_node *
format_element(struct maker *m, struct answer_node *n)
{
	if (!n->element)
		n->element = &m->v[m->n++];
	return made_answer_node(n->element);
}

/* Returns the node of a path, and adds missing nodes. Grammar:
 *
 *   path = step { "." step }; step = key [ "[*]" | "[+]" ]
 *
 * With "+" the elements form one text, and their places distinguish nothing. */
static struct answer_node *
node_of(struct maker *m, const char *path)
{
	struct span rest = span_str(path);
	struct answer_node *n = m->v;

	while (rest.n) {
		struct span step = span_next(&rest, '.');
		size_t key = span_chr(step, '[');
		n = format_member(m, n, span_cut(step, 0, key));
		if (key < step.n) {
			n->joined = step.p[key + 1] == '+';
			n = format_element(m, n);
		}
	}
	return n;
}

/* Sets `calls` of all nodes: true if a call, its name or its arguments are there or below. */
static bool
mark_calls(struct answer_node *n)
{
	const struct answer_row *r = n->rows;

	n->calls =
		n->call || (r && (r->read == READ_TOOL || r->read == READ_INPUT ||
					 r->kind == KIND_ARGUMENTS || r->kind == KIND_INPUT));
	if (n->element)
		n->calls |= mark_calls(made_answer_node(n->element));
	for (const struct answer_node *m = n->members; m; m = m->next)
		n->calls |= mark_calls(made_answer_node(m));
	return n->calls;
}

static const struct answer_node *
build(const struct answer_format *f)
{
	struct maker m = { .n = 1 };
	size_t room = 1 + (f->type ? steps_of(f->type) : 0);

	for (const struct answer_row *r = f->rows; r->path; r++)
		room += steps_of(r->path);
	m.v = calloc(room, sizeof(*m.v));
	if (!m.v)
		return NULL;
	for (const struct answer_row *r = f->rows; r->path; r++) {
		struct answer_node *n = node_of(&m, r->path);
		if (r->read == READ_CALL) {
			n->call = r;
			continue;
		}
		if (!n->rows)
			n->rows = r;
		/* in our tables, rows of one path are adjacent */
		INVARIANT(n->rows + n->nrows == r);
		n->nrows++;
	}
	if (f->type)
		node_of(&m, f->type)->is_type = true;
	INVARIANT(m.n <= room);
	mark_calls(m.v);
	return m.v;
}

const struct answer_node *
answer_tree(const struct answer_format *f)
{
	const struct answer_node *root =
		atomic_load_explicit(&f->tree->root, memory_order_acquire);

	if (root)
		return root;
	pthread_mutex_lock(&building);
	root = atomic_load_explicit(&f->tree->root, memory_order_acquire);
	if (!root) {
		root = build(f);
		atomic_store_explicit(&f->tree->root, root, memory_order_release);
	}
	pthread_mutex_unlock(&building);
	return root;
}

const struct answer_node *
answer_member(const struct answer_node *n, struct span key)
{
	const struct answer_node *c = n ? n->members : NULL;

	while (c && (c->key.n != key.n || memcmp(c->key.p, key.p, key.n)))
		c = c->next;
	return c;
}

const char *
answer_own_name(enum answer_own_tool tool)
{
	static const char *const names[] = { [OWN_NONE] = NULL,
		[OWN_LOCAL_SHELL] = "local_shell",
		[OWN_SHELL] = "shell",
		[OWN_PATCH] = "apply_patch",
		[OWN_COMPUTER] = "computer",
		[OWN_SEARCH] = "tool_search",
		[OWN_CODE] = "code_execution" };

	INVARIANT(tool < COUNT_OF(names));
	return names[tool];
}

const struct answer_call_kind *
answer_kind_of_type(const struct answer_call_kind *kinds, struct span type)
{
	for (; kinds->type || kinds->tool || kinds->arguments[0]; kinds++) {
		const char *is = kinds->type;
		if (!is || (*is == '*' ? span_ends(type, span_str(is + 1)) : span_is(type, is)))
			return kinds;
	}
	return NULL;
}

bool
answer_type_is(struct span type, const char *row)
{
	return *row == '*' ? type.n && memmem(type.p, type.n, row + 1, strlen(row + 1))
			   : span_is(type, row);
}

uint32_t
answer_number(struct span literal)
{
	/* the literal is followed by a byte of the document that ends it */
	double v = strtod(literal.p, NULL);

	return v >= 0 && v < UINT32_MAX && v == (uint32_t)v ? (uint32_t)v : UINT32_MAX;
}
