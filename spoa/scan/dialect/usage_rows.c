/* The places of token counts in each family's responses. Rows of one field are summed, except
 * rows with `instead`. Parts of the input and the output have fields of their own;
 * usage_split() subtracts them from the totals, so that each token is charged once. */
#include "scan/dialect/family.h"

/* clang-format off */
/* OpenAI's chat completions and compatible servers; responses, images and transcriptions; Groq;
 * llama.cpp's own endpoint. https://platform.openai.com/docs/api-reference */
const struct usage_row usage_openai[] = {
	{ "usage.prompt_tokens",                       USAGE_INPUT,  false },
	{ "usage.input_tokens",                        USAGE_INPUT,  true },
	{ "x_groq.usage.prompt_tokens",                USAGE_INPUT,  true },
	{ "tokens_evaluated",                          USAGE_INPUT,  true },
	{ "usage.completion_tokens",                   USAGE_OUTPUT, false },
	{ "usage.output_tokens",                       USAGE_OUTPUT, true },
	{ "x_groq.usage.completion_tokens",            USAGE_OUTPUT, true },
	{ "tokens_predicted",                          USAGE_OUTPUT, true },
	{ "usage.total_tokens",                        USAGE_TOTAL,  false },
	{ "x_groq.usage.total_tokens",                 USAGE_TOTAL,  true },
	{ "usage.prompt_tokens_details.cached_tokens", USAGE_CACHED, false },
	{ "usage.input_tokens_details.cached_tokens",  USAGE_CACHED, true },
	{ "usage.prompt_cache_hit_tokens",             USAGE_CACHED, true }, /* DeepSeek */
	{ "usage.cached_tokens",                       USAGE_CACHED, true }, /* Moonshot */
	{ "x_groq.usage.prompt_tokens_details.cached_tokens", USAGE_CACHED, true },
	{ "usage.prompt_tokens_details.cache_write_tokens", USAGE_WRITE, false },
	{ "usage.input_tokens_details.cache_write_tokens",  USAGE_WRITE, true },
	{ "usage.prompt_tokens_details.audio_tokens",  USAGE_AUDIO_IN, false },
	{ "usage.input_tokens_details.audio_tokens",   USAGE_AUDIO_IN, true },
	{ "usage.input_token_details.audio_tokens",    USAGE_AUDIO_IN, true }, /* transcriptions */
	{ "usage.input_token_details.cached_tokens",   USAGE_CACHED, true }, /* realtime */
	{ "usage.input_token_details.image_tokens",    USAGE_IMAGE_IN, true },
	{ "usage.output_token_details.audio_tokens",   USAGE_AUDIO_OUT, true },
	{ "usage.prompt_tokens_details.image_tokens",  USAGE_IMAGE_IN, false },
	{ "usage.input_tokens_details.image_tokens",   USAGE_IMAGE_IN, true },
	{ "usage.completion_tokens_details.reasoning_tokens", USAGE_REASONING, false },
	{ "usage.output_tokens_details.reasoning_tokens", USAGE_REASONING, true },
	{ "usage.completion_tokens_details.audio_tokens", USAGE_AUDIO_OUT, false },
	{ "usage.output_tokens_details.audio_tokens",  USAGE_AUDIO_OUT, true },
	{ "usage.output_tokens_details.image_tokens",  USAGE_IMAGE_OUT, false },
	{ "output[].web_search_call",                    USAGE_SEARCHES, false },
	{ "output[].code_interpreter_call",              USAGE_SESSIONS, false },
	{ "output[].x_search_call",                      USAGE_SEARCHES, false }, /* xAI */
	{ "usage.num_sources_used",                    USAGE_SEARCHES, false }, /* xAI's live search */
	{ "usage.server_tool_use.web_search_requests", USAGE_SEARCHES, false }, /* OpenRouter */
	{ "output[].file_search_call",                   USAGE_FILES, false },
	{ "output[].image_generation_call",              USAGE_DRAWN, false },
	{ "data[].image",                                USAGE_IMAGES, false },
	{ "usage.seconds",                             USAGE_SECONDS, false }, /* transcriptions */
	{ "usage.prompt_audio_seconds",                USAGE_SECONDS, false }, /* Mistral */
	{ "duration",                                  USAGE_LENGTH, false },
	{ 0 },
};

/* Anthropic's input_tokens exclude cached tokens, so the cache counts are added to the input.
 * https://docs.anthropic.com/en/api/messages */
#define ANTHROPIC(instead) \
	{ "usage.input_tokens",                        USAGE_INPUT,  instead }, \
	{ "usage.cache_creation_input_tokens",         USAGE_INPUT,  false }, \
	{ "usage.cache_read_input_tokens",             USAGE_INPUT,  false }, \
	{ "usage.cache_read_input_tokens",             USAGE_CACHED, instead }, \
	{ "usage.cache_creation_input_tokens",         USAGE_WRITE,  instead }, \
	{ "usage.cache_creation.ephemeral_1h_input_tokens", USAGE_WRITE_1H, instead }, \
	{ "usage.output_tokens_details.thinking_tokens", USAGE_REASONING, instead }, \
	{ "usage.server_tool_use.web_search_requests", USAGE_SEARCHES, instead }, \
	{ "usage.output_tokens",                       USAGE_OUTPUT, instead }
const struct usage_row usage_anthropic[] = { ANTHROPIC(false), { 0 } };

/* Candidates exclude thought tokens, so both are summed. The prompt includes cached tokens.
 * https://ai.google.dev/api/generate-content#UsageMetadata */
const struct usage_row usage_gemini[] = {
	{ "usageMetadata.promptTokenCount",            USAGE_INPUT,  false },
	{ "usageMetadata.toolUsePromptTokenCount",     USAGE_INPUT,  false },
	{ "usageMetadata.candidatesTokenCount",        USAGE_OUTPUT, false },
	{ "usageMetadata.responseTokenCount",          USAGE_OUTPUT, true }, /* live */
	{ "usageMetadata.thoughtsTokenCount",          USAGE_OUTPUT, false },
	{ "usageMetadata.responseTokensDetails[].AUDIO", USAGE_AUDIO_OUT, true },
	{ "usageMetadata.responseTokensDetails[].IMAGE", USAGE_IMAGE_OUT, true },
	{ "usageMetadata.totalTokenCount",             USAGE_TOTAL,  false },
	{ "usageMetadata.cachedContentTokenCount",     USAGE_CACHED, false },
	{ "usageMetadata.thoughtsTokenCount",          USAGE_REASONING, false },
	/* embeddings: the total equals the input */
	{ "usageMetadata.promptTokenCount",            USAGE_TOTAL,  true },
	{ "predictions[].token_count",                 USAGE_INPUT,  true }, /* Vertex */
	{ "predictions[].token_count",                 USAGE_TOTAL,  true },
	{ "predictions[].image",                       USAGE_IMAGES, false },
	{ "usageMetadata.totalTokenCount",             USAGE_KEPT,   false },
	/* interactions: the output excludes thought tokens here too */
	{ "usage.total_input_tokens",                  USAGE_INPUT,  false },
	{ "usage.total_tool_use_tokens",               USAGE_INPUT,  false },
	{ "usage.total_output_tokens",                 USAGE_OUTPUT, false },
	{ "usage.total_thought_tokens",                USAGE_OUTPUT, false },
	{ "usage.total_thought_tokens",                USAGE_REASONING, false },
	{ "usage.total_cached_tokens",                 USAGE_CACHED, false },
	{ "usage.input_tokens_by_modality[].audio",    USAGE_AUDIO_IN, false },
	{ "usage.input_tokens_by_modality[].image",    USAGE_IMAGE_IN, false },
	{ "usage.output_tokens_by_modality[].audio",   USAGE_AUDIO_OUT, false },
	{ "usage.output_tokens_by_modality[].image",   USAGE_IMAGE_OUT, false },
	{ "usage.grounding_tool_count[].google_search", USAGE_SEARCHES, false },
	{ "usage.grounding_tool_count[].google_maps",  USAGE_MAPS, false },
	{ "candidates[].maps",                         USAGE_MAPS, false },
	/* models up to 2.5 are charged by request, not by query */
	{ "candidates[].webSearchQueries",             USAGE_SEARCHES, false },
	{ "usageMetadata.promptTokensDetails[].AUDIO",   USAGE_AUDIO_IN, false },
	{ "usageMetadata.promptTokensDetails[].IMAGE",   USAGE_IMAGE_IN, false },
	{ "usageMetadata.candidatesTokensDetails[].AUDIO", USAGE_AUDIO_OUT, false },
	{ "usageMetadata.candidatesTokensDetails[].IMAGE", USAGE_IMAGE_OUT, false },
	{ 0 },
};

/* Converse, and invoke of Claude, Nova, Llama, Titan and models with OpenAI's format. Other
 * models report usage in response headers, or in the last event of a stream.
 * https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html */
const struct usage_row usage_bedrock[] = {
	{ "usage.inputTokens",                         USAGE_INPUT,  false },
	{ "usage.cacheReadInputTokens",                USAGE_APART,  false },
	{ "usage.cacheWriteInputTokens",               USAGE_APART,  false },
	{ "usage.cacheReadInputTokens",                USAGE_CACHED, false },
	{ "usage.cacheWriteInputTokens",               USAGE_WRITE,  false },
	{ "usage.cacheDetails[].1h",                     USAGE_WRITE_1H, false },
	{ "usage.outputTokens",                        USAGE_OUTPUT, false },
	{ "usage.totalTokens",                         USAGE_TOTAL,  false },
	ANTHROPIC(true),
	{ "prompt_token_count",                        USAGE_INPUT,  true },
	{ "generation_token_count",                    USAGE_OUTPUT, true },
	{ "inputTextTokenCount",                       USAGE_INPUT,  true },
	{ "totalOutputTextTokenCount",                 USAGE_OUTPUT, true },
	{ "usage.prompt_tokens",                       USAGE_INPUT,  true },
	{ "usage.prompt_tokens_details.cached_tokens", USAGE_CACHED, true },
	{ "usage.completion_tokens",                   USAGE_OUTPUT, true },
	{ "usage.completion_tokens_details.reasoning_tokens", USAGE_REASONING, true },
	{ "amazon-bedrock-invocationMetrics.inputTokenCount",  USAGE_INPUT,  true },
	{ "amazon-bedrock-invocationMetrics.outputTokenCount", USAGE_OUTPUT, true },
	{ 0 },
};

/* Tokens, or billed units if no tokens are reported (embed): then the total equals the input.
 * https://docs.cohere.com/reference/chat */
const struct usage_row usage_cohere[] = {
	{ "usage.tokens.input_tokens",                 USAGE_INPUT,  false },
	{ "meta.tokens.input_tokens",                  USAGE_INPUT,  true },
	{ "meta.billed_units.input_tokens",            USAGE_INPUT,  true },
	{ "usage.tokens.output_tokens",                USAGE_OUTPUT, false },
	{ "meta.tokens.output_tokens",                 USAGE_OUTPUT, true },
	{ "meta.billed_units.output_tokens",           USAGE_OUTPUT, true },
	{ "meta.billed_units.input_tokens",            USAGE_TOTAL,  false },
	{ "usage.cached_tokens",                       USAGE_CACHED, false },
	{ "meta.billed_units.search_units",            USAGE_SEARCHES, false },
	{ 0 },
};

/* For embed the total equals the input.
 * https://github.com/ollama/ollama/blob/main/docs/api.md */
const struct usage_row usage_ollama[] = {
	{ "prompt_eval_count",                         USAGE_INPUT,  false },
	{ "prompt_eval_count",                         USAGE_TOTAL,  false },
	{ "eval_count",                                USAGE_OUTPUT, false },
	{ 0 },
};

/* https://huggingface.github.io/text-generation-inference */
const struct usage_row usage_tgi[] = {
	{ "details.input_length",                      USAGE_INPUT,  false },
	{ "details.generated_tokens",                  USAGE_OUTPUT, false },
	{ 0 },
};
/* clang-format on */
