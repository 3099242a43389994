/* A table of member names that name models. Only keys are compared, from their ends, because
 * nearly all keys differ from the table's names in the last letter or two. */
#include "scan/text/model_names.h"

#include "base/among.h"
#include "base/caps.h"
#include "base/err.h"

/* clang-format off */
/* The endings, in lower case without separators. */
#define ONE(end)  { SPAN_LIT(end), KEY_MODEL }
#define MANY(end) { SPAN_LIT(end), KEY_MODELS }
/* The names that servers use: OpenRouter, LiteLLM, Azure, Bedrock, Vertex. vLLM, SGLang, TGI and
 * LoRAX treat adapters as models. */
static const struct {
	struct span end;
	enum model_key is;
} ends[] = {
	ONE("model"),
	MANY("models"),
	ONE("modelid"),
	MANY("modelids"),
	ONE("modelname"),
	MANY("modelnames"),
	ONE("modelarn"),
	MANY("modelarns"),
	ONE("modelidentifier"),
	MANY("modelidentifiers"),
	ONE("modelslug"),
	ONE("modeluri"),
	ONE("modelurl"),
	ONE("modelpath"),
	ONE("modelresourcename"),
	ONE("modelfallback"),
	MANY("fallbacks"),
	MANY("modelslist"),
	MANY("modellist"),
	ONE("modelalias"),
	ONE("modelversion"),
	ONE("modelgroup"),
	MANY("modelgroupalias"),
	ONE("fallback"),
	MANY("fallbackdict"),
	ONE("engineid"),
	ONE("deployment"),
	MANY("deployments"),
	ONE("deploymentid"),
	ONE("deploymentname"),
	ONE("lora"),
	MANY("loras"),
	ONE("loraid"),
	ONE("loraname"),
	ONE("lorapath"),
	MANY("loraweights"),
	ONE("adapter"),
	ONE("mergedadapters"),
	MANY("adapters"),
	ONE("adapterid"),
	MANY("adapterids"),
	ONE("adaptername"),
	ONE("adapterpath"),
	ONE("inferenceprofile"),
	ONE("inferenceprofilearn"),
	ONE("inferenceprofileid"),
	ONE("inferenceprofileidentifier"),
};

#define W SPAN_LIT
static const struct span lists[][26] = { [MODEL_SCHEMA] = {
	W("schema"), W("parameters"), W("format"), W("grammar"), W("guidedjson"),
	W("structuredoutputs"), W("function"), W("functions"), W("functiondeclarations"),
	W("toolspec"),
}, [MODEL_SCHEMA_KEYWORD] = {
	W("properties"), W("definitions"), W("defs"), W("default"), W("example"), W("examples"),
	W("enum"), W("const"), W("required"), W("dependentschemas"),
}, [MODEL_ASIDE] = {
	W("type"), W("object"), W("provider"), W("version"), W("speed"), W("effort"),
	W("strategy"), W("method"), W("mode"), W("region"), W("note"), W("title"), W("label"),
	W("description"), W("prompt"), W("messages"), W("instructions"), W("tools"), W("tags"),
	W("metadata"), W("params"), W("parameters"), W("options"), W("settings"), W("config"),
}, [MODEL_OWN] = {
	W("chattemplatekwargs"), W("inputexamples"),
} };
#undef W
/* clang-format on */

static bool
separates(char c)
{
	return c == '_' || c == '-' || c == '.' || c == ' ' || c == '\t' || c == '\\';
}

static bool
ends_as(struct span key, struct span end)
{
	for (size_t i = key.n, n = end.n; n;) {
		i = span_back(key, i, 0, separates);
		if (!i || to_lower(key.p[--i]) != end.p[--n])
			return false;
	}
	return true;
}

/* The endings chained by their last letter, as index + 1; 0 ends a chain. Letters of either case
 * differ only above these five bits. */
enum { LETTER = 31 };
static uint8_t first[LETTER + 1], after[COUNT_OF(ends)];

__attribute__((constructor)) static void
fill_ends(void)
{
	for (size_t i = COUNT_OF(ends); i > 0; i--) {
		struct span end = ends[i - 1].end;
		uint8_t *to = &first[end.p[end.n - 1] & LETTER];
		after[i - 1] = *to;
		*to = (uint8_t)i;
	}
}

enum model_key
model_key(struct span key)
{
	key.n = span_back(key, key.n, 0, separates);
	if (key.n < strlen("lora"))
		return KEY_ELSE;
	for (size_t i = first[key.p[key.n - 1] & LETTER]; i; i = after[i - 1])
		if (ends_as(key, ends[i - 1].end))
			return ends[i - 1].is;
	return KEY_ELSE;
}

bool
model_key_in(enum model_list list, struct span key)
{
	for (const struct span *end = lists[list]; end->n; end++)
		if (ends_as(key, *end))
			return true;
	return false;
}

bool
model_key_path(struct span name)
{
	for (size_t i = 0, from = 0; i <= name.n; i++) {
		if (i < name.n && !is_one_of(name.p[i], "[]."))
			continue;
		if (model_key(span_cut(name, from, i)))
			return true;
		from = i + 1;
	}
	return model_key(name);
}

int
model_add_other(struct body *b, struct span name, struct arena *a)
{
	name = span_trim(name, " \t\r\n");
	for (size_t i = 0; i < b->nothers; i++)
		if (span_eq(b->others[i], name))
			return 0;
	if (!name.n || b->nothers > CAP_MODELS)
		return 0;
	if (!b->others && !(b->others = arena_array(a, CAP_MODELS + 1, sizeof(*b->others))))
		return ERR_NOMEM;
	b->others[b->nothers++] = name;
	return 0;
}
