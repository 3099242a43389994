/* Forms, by the names of endpoints: the row of a path in a family names the form. Example:
 * "POST /v1/messages" is the endpoint "messages" of anthropic and thus FORM_MESSAGES. */
#include "scan/dialect/form.h"

#include "base/codec/uri.h"
#include "scan/dialect/family.h"

/* clang-format off */
static const struct form_row {
	const char *name; /* also the name of its endpoints */
	const struct dialect *dialect;
	/* Path and query of requests; %s is the model. [1]: for streams; "": no streams. */
	const char *path[2];
} forms[FORMS] = {
	[FORM_CHAT]      = { "chat",      &dialect_openai,    { "/v1/chat/completions", "/v1/chat/completions" } },
	[FORM_RESPONSES] = { "responses", &dialect_openai,    { "/v1/responses", "/v1/responses" } },
	[FORM_MESSAGES]  = { "messages",  &dialect_anthropic, { "/v1/messages", "/v1/messages" } },
	[FORM_GENERATE]  = { "generate",  &dialect_gemini,    { "/v1beta/models/%s:generateContent", "/v1beta/models/%s:streamGenerateContent?alt=sse" } },
	[FORM_CONVERSE]  = { "converse",  &dialect_bedrock,   { "/model/%s/converse", "/model/%s/converse-stream" } },
	[FORM_EMBEDDINGS]    = { "embeddings", &dialect_openai, { "/v1/embeddings", "/v1/embeddings" } },
	[FORM_EMBED_GEMINI]  = { "embed", &dialect_gemini, { "/v1beta/models/%s:batchEmbedContents", "" } },
	[FORM_EMBED_COHERE]  = { "embed", &dialect_cohere, { "/v2/embed", "" } },
	[FORM_EMBED_INVOKED] = { "invoke", &dialect_bedrock, { "/model/%s/invoke", "" } },
	[FORM_EMBED_TITAN]   = { "invoke", &dialect_bedrock, { "/model/%s/invoke", "" } },
};
/* clang-format on */

const char *
form_name(enum form f)
{
	return forms[f].name;
}

/* Returns the form with this name, or FORM_NONE. */
static enum form
form_named(struct span name)
{
	for (int f = FORM_NONE + 1; f <= FORM_EMBEDDINGS; f++)
		if (span_is(name, forms[f].name))
			return (enum form)f;
	return FORM_NONE;
}

/* A name counts only within its family: Cohere's "chat" is another format than FORM_CHAT. */
enum form
form_of_endpoint(const struct endpoint *e)
{
	enum form f = e->name ? form_named(span_str(e->name)) : FORM_NONE;

	return forms_of_dialect(e->dialect) >> f & 1 ? f : FORM_NONE;
}

unsigned
forms_of_dialect(const struct dialect *d)
{
	static const struct {
		const struct dialect *dialect;
		unsigned forms;
	} families[] = {
		{ &dialect_openai, 1u << FORM_CHAT | 1u << FORM_RESPONSES | 1u << FORM_EMBEDDINGS },
		{ &dialect_anthropic, 1u << FORM_MESSAGES },
		{ &dialect_gemini, 1u << FORM_GENERATE },
		{ &dialect_bedrock, 1u << FORM_CONVERSE },
		{ &dialect_mistral, 1u << FORM_CHAT | 1u << FORM_EMBEDDINGS },
		{ &dialect_cohere, 1u << FORM_EMBED_COHERE },
	};

	for (size_t i = 0; i < COUNT_OF(families); i++)
		if (families[i].dialect == d)
			return families[i].forms;
	return 0;
}

unsigned
forms_into(enum form to)
{
	if (to < FORMS_OF_TALK)
		return to ? (1u << FORMS_OF_TALK) - 1 - (1u << FORM_NONE) : 0;
	return to == FORM_EMBEDDINGS ? 0 : 1u << FORM_EMBEDDINGS;
}

enum form
form_of_embeddings(const struct dialect *d, struct span model)
{
	/* a substring of the model, because Bedrock's names begin with a region or an ARN */
	static const struct {
		const struct dialect *dialect;
		const char *model;
		enum form form;
	} embeds[] = {
		{ &dialect_gemini, "", FORM_EMBED_GEMINI },
		{ &dialect_cohere, "", FORM_EMBED_COHERE },
		{ &dialect_bedrock, "cohere.embed", FORM_EMBED_INVOKED },
		{ &dialect_bedrock, "amazon.titan-embed", FORM_EMBED_TITAN },
	};

	for (size_t i = 0; i < COUNT_OF(embeds); i++)
		if (embeds[i].dialect == d && model.n &&
			memmem(model.p, model.n, embeds[i].model, strlen(embeds[i].model)))
			return embeds[i].form;
	return FORM_NONE;
}

const struct dialect *
form_dialect(enum form f)
{
	return forms[f].dialect;
}

void
form_target(enum form f, struct span model, bool stream, struct buf *out)
{
	struct span path = span_str(forms[f].path[stream]);
	size_t at = span_chr(path, '%');

	buf_span(out, span_cut(path, 0, at));
	if (at == path.n)
		return;
	uri_encode(out, model, false);
	buf_span(out, span_cut(path, at + strlen("%s"), path.n));
}
