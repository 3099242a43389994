/* OpenAI's tables, which other families' servers read by as well. */
#ifndef SCAN_DIALECT_OPENAI_H
#define SCAN_DIALECT_OPENAI_H

#include "scan/dialect/family.h"

/* table_chat is in family.h. */
extern const struct part_row chat_parts[];
extern const struct table table_chat_other, table_responses, table_responses_count, table_items,
	table_completions, table_completion, /* llama.cpp's own */
	table_input,			     /* embeddings, moderations, speech, scores */
	table_form,			     /* images and audio, by form */
	table_batch_job, table_session,	     /* realtime: what a token is made for */
	table_realtime,			     /* and what is said in it */
	table_files,			     /* uploads, whose JSON lines are requests */
	table_pieces;			     /* the same in several bodies */

/* clang-format off */
/* What names a model next to `model`: of engines and deployments, and OpenRouter's presets. */
#define MODEL_ELSEWHERE \
	ROW_NAMES("engine"), \
	ROW_NAMES("preset")

/* Rows of paths below /v1 that most servers have. */
#define OPENAI_ENDPOINTS(base) \
	{ "POST", base "/chat/completions", "chat",        &table_chat, 0 }, \
	{ "POST", base "/completions",      "completions", &table_completions, 0 }, \
	{ "POST", base "/responses",        "responses",   &table_responses, 0 }, \
	{ "POST", base "/embeddings",       "embeddings",  &table_input, 0 }
/* clang-format on */

#endif
