/* What a request says that prices depend on: the size and the quality of images, how much a web
 * search may read. Bodies of one kind say it in one place.
 * https://platform.openai.com/docs/api-reference/images/create,
 * https://platform.openai.com/docs/guides/tools-web-search (search_context_size),
 * https://cloud.google.com/vertex-ai/generative-ai/docs/model-reference/imagen-api */
#include "base/codec/json.h"
#include "base/err.h"
#include "scan/dialect/family.h"

enum { PATH_MAX_BYTES = 96, WORD_MAX_BYTES = 64 };

/* Arrays are passed through: tools.size is that of each tool. */
/* clang-format off */
static const struct {
	const char *path;
	enum price_ask ask;
} places[] = {
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

struct reading {
	struct json *j;
	struct span in;
	struct arena *a;
	struct price_asked *out;
	char path[PATH_MAX_BYTES];
};

static bool
leads_on(struct span path)
{
	for (size_t i = 0; i < COUNT_OF(places); i++)
		if (span_starts(span_str(places[i].path), path))
			return true;
	return false;
}

/* Two that differ, or no word: the provider's choice. Kept, as the body goes away before the
 * answer. */
static void
note_asked(struct price_asked *out, struct arena *a, struct span path, struct span v)
{
	for (size_t i = 0; v.n && i < COUNT_OF(places); i++) {
		struct span *to = &out->v[places[i].ask];
		if (span_is(path, places[i].path))
			*to = v.n > WORD_MAX_BYTES || (to->n && !span_eq(*to, v))
				      ? SPAN_LIT("auto")
				      : arena_dup(a, v);
	}
}

/* A value whose first token was just read; `n` bytes of path lead to it. The recursion ends
 * where no place leads on. */
static int
read_asked_value(struct reading *r, size_t n, enum json_tok tok, struct json_event *ev)
{
	struct json_event in;
	int err = 0;

	if (tok == JSON_STRING) {
		note_asked(r->out, r->a, span_of(r->path, n), json_text(r->a, r->in, ev));
	} else if (tok == JSON_ARRAY && n && leads_on(span_of(r->path, n))) {
		while (!err && (tok = json_next(r->j, &in)) != JSON_ARRAY_END &&
			tok != JSON_ERROR)
			if (tok == JSON_OBJECT)
				err = read_asked_value(r, n, tok, &in);
			else
				json_skip(r->j, &in);
		return err ? err : json_error(r->j, NULL, NULL);
	} else if (tok == JSON_OBJECT && (!n || leads_on(span_of(r->path, n)))) {
		while (!err && json_next(r->j, &in) == JSON_KEY) {
			struct span key = json_text(r->a, r->in, &in);
			if (!key.p)
				return ERR_NOMEM;
			size_t at = n + (n > 0), to = at + key.n;
			tok = json_next(r->j, &in);
			if (to >= sizeof(r->path)) {
				json_skip(r->j, &in);
				continue;
			}
			r->path[n] = '.';
			memcpy(r->path + at, key.p, key.n);
			err = read_asked_value(r, to, tok, &in);
		}
		return err ? err : json_error(r->j, NULL, NULL);
	}
	return json_skip(r->j, ev) == JSON_ERROR ? json_error(r->j, NULL, NULL) : 0;
}

int
dialect_asked(const struct body *b, struct span raw, struct arena *a, struct price_asked *out)
{
	for (size_t i = 0; i < b->nparams; i++) /* of a form too */
		if (b->params[i].kind == PARAM_STRING)
			note_asked(out, a, b->params[i].name, b->params[i].text);
	for (size_t i = 0; i < b->marks.nrequests; i++) {
		size_t top = b->marks.request[i].top;
		struct json_event ev;
		if (!top || top > raw.n)
			continue;
		struct reading r = { .in = span_cut(raw, top - 1, raw.n), .a = a, .out = out };
		if (!(r.j = json_open(a, r.in)))
			return ERR_NOMEM;
		int err = read_asked_value(&r, 0, json_next(r.j, &ev), &ev);
		if (err)
			return err;
	}
	return 0;
}

/* Of Bedrock's inference profiles: anthropic.x is in the account's own region. */
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
