/* OpenAI's tables. Other families with OpenAI-compatible endpoints use them too. */
#ifndef SCAN_DIALECT_OPENAI_H
#define SCAN_DIALECT_OPENAI_H

#include "scan/dialect/family.h"

/* table_chat is in family.h. */
extern const struct table table_responses, table_completions,
	table_input, /* embeddings, moderations, speech, scores */
	table_form;  /* images and audio as multipart forms */

/* clang-format off */
/* Members other than `model` that name a model: engines, deployments, and OpenRouter's
 * presets. */
#define MODEL_ELSEWHERE \
	ROW_NAMES("engine"), \
	ROW_NAMES("preset")

/* Rows of the paths below /v1 that most compatible servers have. */
#define OPENAI_ENDPOINTS(base) \
	{ "POST", base "/chat/completions", "chat",        &table_chat, 0 }, \
	{ "POST", base "/completions",      "completions", &table_completions, 0 }, \
	{ "POST", base "/responses",        "responses",   &table_responses, 0 }, \
	{ "POST", base "/embeddings",       "embeddings",  &table_input, 0 }
/* clang-format on */

#endif
