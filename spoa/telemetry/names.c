/* Names, and what our dialects are called there. */
#include "telemetry/names.h"

#include <stddef.h>

#include "base/span.h"

const char *const telemetry_names[NAMES_COUNT] = {
#define X(id, name) [NAME_##id] = name,
	NAMES(X)
#undef X
};

/* clang-format off */
static const struct { const char *from, *to; } providers[] = {
	{ "openai",    "openai" },
	{ "anthropic", "anthropic" },
	{ "gemini",    "gcp.gen_ai" }, /* Vertex AI or AI Studio */
	{ "bedrock",   "aws.bedrock" },
	{ "cohere",    "cohere" },
	{ "mistral",   "mistral_ai" },
	{ "ollama",    "ollama" },     /* no well-known value: our own word */
	{ "tgi",       "tgi" },
};
static const struct { const char *from, *to; } operations[] = {
	{ "chat",        "chat" },
	{ "responses",   "chat" },
	{ "messages",    "chat" },
	{ "converse",    "chat" },
	{ "invoke",      "chat" },
	{ "generate",    "generate_content" },
	{ "completions", "text_completion" },
	{ "embeddings",  "embeddings" },
	{ "embed",       "embeddings" },
};
/* clang-format on */

const char *
names_provider(const char *format)
{
	for (size_t i = 0; format && i < COUNT_OF(providers); i++)
		if (str_same(format, providers[i].from))
			return providers[i].to;
	return NULL;
}

const char *
names_operation(const char *format, const char *endpoint)
{
	if (!names_provider(format) || !endpoint)
		return NULL;
	for (size_t i = 0; i < COUNT_OF(operations); i++)
		if (str_same(endpoint, operations[i].from))
			return operations[i].to;
	return endpoint; /* a custom value, as the conventions allow */
}
