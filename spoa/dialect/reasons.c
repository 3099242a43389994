/* Whether a model may reason where nobody sees it: tokens that are charged and stand in no
 * answer. Of most models that are not named here nothing is known, and so they may. */
#include "dialect/family.h"

/* Names begin so, after a region's and a vendor's ("us.", "anthropic."). "": any of the
 * dialect. OpenAI's o series and GPT-5 reason behind the answer; Claude since version 4 tells a
 * summary, where it was asked to think; Gemini since 2.5 likewise. Servers of open models say
 * all that was made. */
static const struct {
	const char *dialect, *prefix;
} open[] = {
	{ "openai", "gpt-3.5" },
	{ "openai", "gpt-4" },
	{ "openai", "chatgpt-4o" },
	{ "openai", "davinci" },
	{ "openai", "babbage" },
	{ "anthropic", "claude-2" },
	{ "anthropic", "claude-3" },
	{ "anthropic", "claude-opus-4" },
	{ "anthropic", "claude-sonnet-4" },
	{ "anthropic", "claude-haiku-4" },
	{ "bedrock", "claude-3" },
	{ "bedrock", "claude-opus-4" },
	{ "bedrock", "claude-sonnet-4" },
	{ "bedrock", "claude-haiku-4" },
	{ "bedrock", "nova-micro" },
	{ "bedrock", "nova-lite" },
	{ "bedrock", "nova-pro" },
	{ "bedrock", "titan" },
	{ "bedrock", "llama3" },
	{ "bedrock", "llama4" },
	{ "bedrock", "mistral" },
	{ "bedrock", "mixtral" },
	{ "bedrock", "command" },
	{ "gemini", "gemini-1." },
	{ "gemini", "gemini-2.0" },
	{ "gemini", "gemma" },
	{ "cohere", "command" },
	{ "mistral", "" },
	{ "ollama", "" },
	{ "tgi", "" },
};

/* Members of requests that ask for it, wherever they stand, and words of names that tell it. */
static const char *const asks[] = { "thinking", "thinkingConfig", "thinking_config",
	"reasoning", "reasoning_effort", "reasoningConfig", "reasoning_config",
	"reasoningContent" };
static const char *const tells[] = { "think", "reason" };

static bool
asked(const struct body *b)
{
	for (size_t i = 0; b && i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_KEY && SPAN_IN(b->segments[i].text, asks))
			return true;
	return false;
}

/* After the last dot that a letter follows: "us.anthropic.claude-3-5", not "gemini-1.5". */
static struct span
bare(struct span model)
{
	for (size_t i = 0; i + 1 < model.n; i++)
		if (model.p[i] == '.' && model.p[i + 1] >= 'a' && model.p[i + 1] <= 'z')
			return bare(span_cut(model, i + 1, model.n));
	return model;
}

bool
dialect_may_reason(const struct dialect *d, struct span model, const struct body *b)
{
	struct span name = span_is(span_str(dialect_name(d)), "bedrock") ? bare(model) : model;

	for (size_t i = 0; i < COUNT_OF(tells); i++)
		if (model.n && memmem(model.p, model.n, tells[i], strlen(tells[i])))
			return true;
	for (size_t i = 0; i < COUNT_OF(open); i++)
		if (!strcmp(open[i].dialect, dialect_name(d)) &&
			span_starts(name, span_str(open[i].prefix)))
			return asked(b);
	return true;
}

bool
dialect_takes_on(const struct endpoint *e, const struct body *b)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_KEY &&
			span_is(b->segments[i].text, "background"))
			return true;
	return e->table && (e->table->batch || e->table->line);
}
