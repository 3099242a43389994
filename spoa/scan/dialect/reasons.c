/* Determines whether a model may generate reasoning tokens that are charged but do not appear
 * in the response. If so, the gateway cannot count them itself. Unknown models may reason. The
 * second half recognizes requests whose response arrives later (background, batches). */
#include "base/among.h"
#include "base/sha256.h"
#include "scan/dialect/family.h"

/* Prefixes of models that reason only on request, after the prefixes of region and vendor
 * ("us.", "anthropic."). "": all models of the dialect. Reasons: OpenAI's o series and GPT-5
 * reason without showing it. Claude since version 4 and Gemini since 2.5 return a summary if
 * thinking was requested. Servers of open models return every generated token. */
/* clang-format off */
static const struct {
	const char *dialect, *prefixes[14];
} open[] = {
	{ "openai", { "gpt-3.5", "gpt-4", "chatgpt-4o", "davinci", "babbage" } },
	{ "anthropic", { "claude-2", "claude-3", "claude-opus-4", "claude-sonnet-4",
		"claude-haiku-4" } },
	{ "bedrock", { "claude-3", "claude-opus-4", "claude-sonnet-4", "claude-haiku-4",
		"nova-micro", "nova-lite", "nova-pro", "titan", "llama3", "llama4",
		"mistral", "mixtral", "command" } },
	{ "gemini", { "gemini-1.", "gemini-2.0", "gemma" } },
	{ "cohere", { "command" } },
	{ "mistral", { "" } },
	{ "ollama", { "" } },
	{ "tgi", { "" } },
};
/* clang-format on */

/* Members of requests that ask for reasoning, at any depth, and parts of model names that
 * indicate it. */
static const char *const asks[] = { "thinking", "thinkingConfig", "thinking_config",
	"reasoning", "reasoning_effort", "reasoningConfig", "reasoning_config",
	"reasoningContent" };
static const char *const tells[] = { "think", "reason" };

static bool
has_key(const struct body *b, const char *const *names, size_t n)
{
	for (size_t i = 0; i < b->nsegments; i++)
		if (b->segments[i].role == ROLE_KEY &&
			span_find(b->segments[i].text, names, n) < n)
			return true;
	return false;
}

/* Removes prefixes that end with a dot before a letter: "us.anthropic.claude-3-5" becomes
 * "claude-3-5"; "gemini-1.5" stays. */
static struct span
bare_reason_model(struct span model)
{
	for (size_t i = 0; i + 1 < model.n; i++)
		if (model.p[i] == '.' && model.p[i + 1] >= 'a' && model.p[i + 1] <= 'z')
			return bare_reason_model(span_cut(model, i + 1, model.n));
	return model;
}

bool
dialect_may_reason(const struct dialect *d, struct span model, const struct body *b)
{
	struct span name = d == &dialect_bedrock ? bare_reason_model(model) : model;

	if (SPAN_AMONG(model, tells, span_holds))
		return true;
	for (size_t i = 0; i < COUNT_OF(open); i++)
		for (const char *const *p = open[i].prefixes; *p; p++)
			if (!strcmp(open[i].dialect, d->name) &&
				span_starts(name, span_str(*p)))
				return b && has_key(b, asks, COUNT_OF(asks));
	return true;
}

bool
dialect_takes_on(const struct endpoint *e, const struct body *b)
{
	static const char *const names[] = { "background" };

	return has_key(b, names, COUNT_OF(names)) || dialect_batches(e);
}

/* ---- batches whose requests are in a file ----
 *
 * The file is uploaded first, and the response names it. A job then refers to the file by this
 * id (OpenAI "Batch API"; Mistral "Batch inference"). */

struct file_name
file_name_of(struct span id)
{
	unsigned char h[SHA256_BYTES];
	struct file_name f;

	sha256(id, h);
	memcpy(f.hash, h, sizeof(f.hash));
	return f;
}

bool
file_named(const struct file_name *f)
{
	static const struct file_name none;

	return memcmp(f, &none, sizeof(none)) != 0;
}

bool
dialect_batches(const struct endpoint *e)
{
	return e->table && (e->table->batch || e->table->line);
}

bool
dialect_batch_file(const struct endpoint *e, const struct body *b)
{
	for (size_t i = 0; e->table && e->table->line && i < b->nsegments; i++)
		if (span_is(segment_key(b->segments, &b->segments[i]), "purpose") &&
			span_is(b->segments[i].text, "batch"))
			return true;
	return false;
}

size_t
dialect_job_files(
	const struct endpoint *e, const struct body *b, struct file_name *out, size_t max)
{
	static const char *const files[][2] = {
		[false] = { "input_file_id", "input_files" },
		/* Gemini's jobs contain the requests, or name the file */
		[true] = { "fileName", "file_name" },
	};
	size_t n = 0;

	bool jobs = e->name && (!strcmp(e->name, "batches") || !strcmp(e->name, "batch"));
	if (!jobs || !e->table)
		return 0;
	const char *const *names = files[e->table->batch];
	for (size_t i = 0; i < b->nsegments; i++) {
		const struct segment *s = &b->segments[i];
		if (span_find(segment_key(b->segments, s), names, 2) == 2)
			continue;
		if (n < max)
			out[n] = file_name_of(s->text);
		n++;
	}
	return n;
}
