/* The members of requests, by what they mean for the cache. Sources: the reference of each API;
 * what is not here has no cache, so that a member that comes tomorrow cannot be missed. */
#include <stddef.h>

#include "gate/cache/key.h"

#define KEYED(name)                                                                            \
	{                                                                                      \
		name, MEMBER_KEYED, NULL, NULL                                                 \
	}
#define LEFT(name)                                                                             \
	{                                                                                      \
		name, MEMBER_LEFT, NULL, NULL                                                  \
	}
#define NEVER(name)                                                                            \
	{                                                                                      \
		name, MEMBER_NEVER, NULL, NULL                                                 \
	}
#define BUT(name, only)                                                                        \
	{                                                                                      \
		name, MEMBER_NEVER, only, NULL                                                 \
	}
#define NEEDED(name, only)                                                                     \
	{                                                                                      \
		name, MEMBER_NEEDED, only, NULL                                                \
	}
#define WARMTH                                                                                 \
	{                                                                                      \
		"temperature", MEMBER_WARMTH, NULL, NULL                                       \
	}
#define TOOLS(name)                                                                            \
	{                                                                                      \
		name, MEMBER_TOOLS, NULL, NULL                                                 \
	}
#define WITHIN(name, of)                                                                       \
	{                                                                                      \
		name, MEMBER_WITHIN, NULL, of                                                  \
	}
#define LAST                                                                                   \
	{                                                                                      \
		NULL, MEMBER_NEVER, NULL, NULL                                                 \
	}

/* https://platform.openai.com/docs/api-reference/chat/create, and what local servers add */
static const struct cache_member chat[] = { KEYED("model"), KEYED("messages"), TOOLS("tools"),
	KEYED("tool_choice"), KEYED("parallel_tool_calls"), KEYED("functions"),
	KEYED("function_call"), KEYED("response_format"), KEYED("max_tokens"),
	KEYED("max_completion_tokens"), WARMTH, KEYED("top_p"), KEYED("top_k"), KEYED("min_p"),
	KEYED("stop"), KEYED("seed"), KEYED("random_seed"), KEYED("frequency_penalty"),
	KEYED("presence_penalty"), KEYED("repetition_penalty"), KEYED("logit_bias"),
	KEYED("reasoning_effort"), KEYED("reasoning"), KEYED("thinking"), KEYED("verbosity"),
	KEYED("prediction"), KEYED("safe_prompt"), KEYED("prompt_mode"), KEYED("service_tier"),
	KEYED("chat_template_kwargs"), LEFT("stream"), LEFT("stream_options"), LEFT("user"),
	LEFT("metadata"), LEFT("safety_identifier"), LEFT("prompt_cache_key"),
	LEFT("prompt_cache_retention"), BUT("n", "1"), BUT("store", "false"),
	BUT("logprobs", "false"), BUT("modalities", "[\"text\"]"), NEVER("top_logprobs"),
	NEVER("audio"), NEVER("web_search_options"), LAST };

/* https://platform.openai.com/docs/api-reference/responses/create: without `store: false` the
 * provider keeps the answer, and its id means something there */
static const struct cache_member responses[] = { KEYED("model"), KEYED("input"),
	KEYED("instructions"), TOOLS("tools"), KEYED("tool_choice"),
	KEYED("parallel_tool_calls"), KEYED("max_tool_calls"), KEYED("max_output_tokens"),
	WARMTH, KEYED("top_p"), KEYED("text"), KEYED("reasoning"), KEYED("truncation"),
	KEYED("service_tier"), KEYED("verbosity"), LEFT("stream"), LEFT("stream_options"),
	LEFT("user"), LEFT("metadata"), LEFT("safety_identifier"), LEFT("prompt_cache_key"),
	LEFT("prompt_cache_retention"), NEEDED("store", "false"), BUT("background", "false"),
	BUT("include", "[]"), NEVER("previous_response_id"), NEVER("conversation"),
	NEVER("prompt"), NEVER("top_logprobs"), LAST };

/* https://docs.anthropic.com/en/api/messages */
static const struct cache_member messages[] = { KEYED("model"), KEYED("messages"),
	KEYED("system"), TOOLS("tools"), KEYED("tool_choice"), KEYED("max_tokens"), WARMTH,
	KEYED("top_p"), KEYED("top_k"), KEYED("stop_sequences"), KEYED("thinking"),
	KEYED("output_config"), KEYED("output_format"), KEYED("context_management"),
	KEYED("service_tier"), KEYED("anthropic_version"), KEYED("anthropic_beta"),
	LEFT("stream"), LEFT("metadata"), LEFT("cache_control"), NEVER("container"),
	NEVER("mcp_servers"), LAST };

/* https://ai.google.dev/api/generate-content: both spellings are taken there */
static const struct cache_member generation[] = { WARMTH, KEYED("topP"), KEYED("top_p"),
	KEYED("topK"), KEYED("top_k"), KEYED("maxOutputTokens"), KEYED("max_output_tokens"),
	KEYED("stopSequences"), KEYED("stop_sequences"), KEYED("seed"),
	KEYED("presencePenalty"), KEYED("frequencyPenalty"), KEYED("responseMimeType"),
	KEYED("response_mime_type"), KEYED("responseSchema"), KEYED("response_schema"),
	KEYED("responseJsonSchema"), KEYED("thinkingConfig"), KEYED("thinking_config"),
	BUT("candidateCount", "1"), BUT("candidate_count", "1"),
	BUT("responseModalities", "[\"TEXT\"]"), BUT("responseLogprobs", "false"), LAST };
static const struct cache_member generate[] = { KEYED("model"), KEYED("contents"),
	KEYED("systemInstruction"), KEYED("system_instruction"), TOOLS("tools"),
	KEYED("toolConfig"), KEYED("tool_config"), KEYED("safetySettings"),
	KEYED("safety_settings"), WITHIN("generationConfig", generation),
	WITHIN("generation_config", generation), LEFT("labels"), NEVER("cachedContent"),
	NEVER("cached_content"), LAST };

/* https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html */
static const struct cache_member inference[] = { WARMTH, KEYED("topP"), KEYED("maxTokens"),
	KEYED("stopSequences"), LAST };
static const struct cache_member tool_config[] = { TOOLS("tools"), KEYED("toolChoice"), LAST };
static const struct cache_member converse[] = { KEYED("messages"), KEYED("system"),
	KEYED("modelId"), WITHIN("inferenceConfig", inference),
	WITHIN("toolConfig", tool_config), KEYED("additionalModelRequestFields"),
	KEYED("guardrailConfig"), KEYED("performanceConfig"), KEYED("outputConfig"),
	KEYED("serviceTier"), LEFT("requestMetadata"),
	NEVER("additionalModelResponseFieldPaths"), NEVER("promptVariables"), LAST };

const struct cache_member *
cache_members(enum form f)
{
	static const struct cache_member *const of[FORMS] = { [FORM_CHAT] = chat,
		[FORM_RESPONSES] = responses,
		[FORM_MESSAGES] = messages,
		[FORM_GENERATE] = generate,
		[FORM_CONVERSE] = converse };

	return of[f];
}
