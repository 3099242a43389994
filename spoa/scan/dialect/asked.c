/* Request parameters that prices depend on: the size and quality of images, and how much
 * context a web search may read. The second part finds the region in a path or a model's name.
 * https://platform.openai.com/docs/api-reference/images/create,
 * https://platform.openai.com/docs/guides/tools-web-search (search_context_size),
 * https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api */
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/dialect/family.h"

enum { WORD_MAX_BYTES = 64 };

/* The places of each enum price_ask. "tools.size" is the size in any element of `tools`. */
/* clang-format off */
static const struct json_place places[] = {
	{ "size", ASKED_SIZE },
	{ "quality", ASKED_QUALITY },
	{ "tools.size", ASKED_SIZE },
	{ "tools.quality", ASKED_QUALITY },
	{ "tools.search_context_size", ASKED_CONTEXT },
	{ "web_search_options.search_context_size", ASKED_CONTEXT },
	{ "parameters.sampleImageSize", ASKED_SIZE },
	{ "generationConfig.imageConfig.imageSize", ASKED_SIZE },
	{ "generation_config.image_config.image_size", ASKED_SIZE },
	{ "imageGenerationConfig.quality", ASKED_QUALITY },
};
/* clang-format on */

/* The argument of note_asked(). */
struct asking {
	struct arena *a;
	struct price_asked *out;
};

/* Records a value. If two values differ, or the value is longer than a word, "auto" (the
 * provider's choice) is recorded. The value is copied, because the body is released before the
 * response arrives. */
static void
note_asked(void *arg, int ask, struct span v)
{
	const struct asking *r = arg;
	struct span *to = &r->out->v[ask];

	if (v.n)
		*to = v.n > WORD_MAX_BYTES || (to->n && !span_eq(*to, v)) ? SPAN_LIT("auto")
									  : arena_dup(r->a, v);
}

int
dialect_asked(const struct body *b, struct span raw, struct arena *a, struct price_asked *out)
{
	struct asking r = { a, out };

	for (size_t i = 0; i < b->nparams; i++) /* also the fields of a form */
		for (size_t k = 0; k < COUNT_OF(places); k++)
			if (b->params[i].kind == PARAM_STRING &&
				span_is(b->params[i].name, places[k].path))
				note_asked(&r, places[k].what, b->params[i].text);
	for (size_t i = 0; i < b->marks.nrequests; i++) {
		size_t top = b->marks.request[i].top;
		/* Bytes after this request belong to the following requests; the reader stops
		 * at its end. */
		if (top && top <= raw.n)
			json_strings(span_cut(raw, top - 1, raw.n), places, COUNT_OF(places),
				false, a, note_asked, &r);
	}
	return arena_failed(a) ? ERR_NOMEM : 0;
}

/* Returns the area of a Bedrock inference profile: "eu" of "eu.anthropic.claude". Empty for
 * "anthropic.claude", which runs in the account's own region. */
static struct span
profile(struct span model)
{
	static const char *const areas[] = { "us", "us-gov", "eu", "apac", "jp", "au", "ca",
		"global" };
	struct span rest = model, area = span_next(&rest, '.');

	return rest.n && SPAN_IN(area, areas) ? area : (struct span){ NULL, 0 };
}

struct span
dialect_region(struct span path, struct span model)
{
	static const char at[] = "/locations/";
	const char *p = memmem(path.p, path.n, at, sizeof(at) - 1);
	struct span arn = model;

	if (p) {
		struct span rest =
			span_cut(path, (size_t)(p - path.p) + sizeof(at) - 1, path.n);
		return span_next(&rest, '/');
	}
	if (!span_starts(model, SPAN_LIT("arn:")))
		return profile(model);
	while (span_chr(model, '/') < model.n)
		span_next(&model, '/');
	if (profile(model).n)
		return profile(model);
	for (int i = 0; i < 3; i++)
		span_next(&arn, ':');
	return span_next(&arn, ':');
}
