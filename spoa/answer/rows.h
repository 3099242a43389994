/* Macros for the rows of format tables: a row of a kind, with a slot, or for events of one
 * type. */
#ifndef ANSWER_ROWS_H
#define ANSWER_ROWS_H

#include "answer/format.h"

/* clang-format off */
#define ROW(at_, read_, ...)             { .path = at_, .read = read_, __VA_ARGS__ }
#define OF(at_, read_, kind_)            ROW(at_, read_, .kind = kind_)
#define SLOT(at_, read_, slot_)          ROW(at_, read_, .slot = slot_)
#define ENDS(at_, read_)                 ROW(at_, read_, .ends = true)
#define MEDIA(at_, media_)               ROW(at_, READ_OPAQUE, .media = media_)
#define IN(event_, at_, read_, kind_)    ROW(at_, read_, .kind = kind_, .event = event_)
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
		ROW("delta.message.content.text", READ_TEXT),                                  \
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
extern const struct answer_call_kind answer_kept_lists[], answer_kept_items[],
	answer_kept_delta[];

/* Memory for the tree of a const format. */
#define FORMAT_TREE (&(struct answer_tree){ NULL })

#endif
