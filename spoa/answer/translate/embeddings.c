/* Embeddings: translates OpenAI's requests to other forms, and vectors to OpenAI's form.
 * Sources: https://platform.openai.com/docs/api-reference/embeddings,
 * https://ai.google.dev/api/embeddings, https://docs.cohere.com/reference/embed,
 * https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html */
#include <endian.h>
#include <stdlib.h>

#include "answer/translate/answer_private.h"
#include "answer/translate/request_private.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/scoped.h"

/* ---- requests ---- */

/* clang-format off */
static const struct member embeddings_members[] = {
	{ "model",           IS_TEXT,   DOC_MODEL },
	{ "input",           IS_TEXTS,  DOC_INPUTS },
	{ "encoding_format", IS_TEXT,   DOC_ENCODING },
	{ "dimensions",      IS_NUMBER, SET_DIMENSIONS },
	{ 0 },
};
static const struct member gemini_dimensions[] = { { "outputDimensionality", IS_NUMBER, SET_DIMENSIONS }, { 0 } };
static const struct member cohere_dimensions[] = { { "output_dimension", IS_NUMBER, SET_DIMENSIONS }, { 0 } };
/* clang-format on */

static void
read_embeddings(struct question *q)
{
	static const char *const encodings[] = { "float", "base64", NULL };
	const struct node *inputs = q->set[DOC_INPUTS];

	q->to->base64 = question_word(q, q->set[DOC_ENCODING], encodings) == 1;
	if (!inputs) {
		question_odd(q, q->tree.root, "the input is missing");
		return;
	}
	for (struct node *e = tree_elements(inputs); e; e = e->next, q->to->vectors++)
		if (e->tok != JSON_STRING)
			question_refuse(q, e,
				"is not a string: token ids are specific to one model, so send "
				"text");
	if (inputs->tok == JSON_STRING)
		q->to->vectors = 1;
	else if (!q->to->vectors)
		question_odd(q, inputs, "is empty");
}

/* Returns the input after `n`, or the first one; there may be a single text. NULL: none. */
static const struct node *
next_input(const struct question *q, const struct node *n)
{
	const struct node *inputs = q->set[DOC_INPUTS];

	if (n)
		return n == inputs ? NULL : n->next;
	return inputs->tok == JSON_STRING ? inputs : tree_elements(inputs);
}

static void
write_embed_gemini(struct question *q)
{
	struct span model = arena_printf(q->a, "models/%.*s", SPAN_ARG(q->ask->model));

	json_put_open(q->out, "requests", '[');
	for (const struct node *n = next_input(q, NULL); n; n = next_input(q, n)) {
		json_put_form(q->out, "{'model':%t,'content':{'parts':[{", model);
		put_node(q->out, "text", n);
		json_put_form(q->out, "}]}");
		question_put_settings(q);
		json_put_close(q->out, '}');
	}
	json_put_close(q->out, ']');
}

static void
write_embed_cohere(struct question *q)
{
	json_put_open(q->out, "texts", '[');
	for (const struct node *n = next_input(q, NULL); n; n = next_input(q, n))
		put_node(q->out, NULL, n);
	json_put_form(q->out, "],'input_type':'search_document','embedding_types':['float']");
	question_put_settings(q);
}

static void
write_embed_titan(struct question *q)
{
	if (q->to->vectors > 1)
		question_refuse(q, q->set[DOC_INPUTS],
			"the target accepts only one input for each request");
	put_node(q->out, "inputText", next_input(q, NULL));
	question_put_settings(q);
}

/* clang-format off */
const struct request_form embeddings_request_form = {
	.form = FORM_EMBEDDINGS, .members = embeddings_members, .read = read_embeddings };
const struct request_form embed_gemini_request_form = {
	.form = FORM_EMBED_GEMINI, .members = gemini_dimensions, .write = write_embed_gemini, .model_in_path = true };
const struct request_form embed_cohere_request_form = {
	.form = FORM_EMBED_COHERE, .members = cohere_dimensions, .write = write_embed_cohere };
const struct request_form embed_invoked_request_form = {
	.form = FORM_EMBED_INVOKED, .members = cohere_dimensions, .write = write_embed_cohere, .model_in_path = true };
const struct request_form embed_titan_request_form = {
	.form = FORM_EMBED_TITAN, .members = embeddings_members, .write = write_embed_titan, .model_in_path = true };
/* clang-format on */

/* ---- responses ---- */

/* Paths of the lists of numbers: members below each other, through any list. */
static const char *const vectors_at[FORMS] = {
	[FORM_EMBED_GEMINI] = "embeddings.values",
	[FORM_EMBED_COHERE] = "embeddings.float",
	[FORM_EMBED_INVOKED] = "embeddings.float",
	[FORM_EMBED_TITAN] = "embedding",
};

struct vectors {
	struct span raw;
	struct json *j;
	struct arena *a;
	bool base64;
	size_t n;
	struct buf *out;
};

/* Writes a vector. *ev is the first number or the closing bracket. In base64 a number is a
 * 32-bit float with the lowest byte first. */
static int
put_vector(struct vectors *v, size_t start, struct json_event *ev)
{
	SCOPED_BUF(floats, 0);

	json_put_form(v->out, "{'object':'embedding','index':%u", (uint64_t)v->n++);
	for (; ev->tok == JSON_NUMBER; json_next(v->j, ev)) {
		/* a bracket or a comma ends the number */
		float f = v->base64 ? strtof(v->raw.p + ev->start, NULL) : 0;
		uint32_t bits;
		memcpy(&bits, &f, sizeof(bits));
		bits = htole32(bits);
		if (v->base64)
			buf_span(&floats, span_of((const char *)&bits, sizeof(bits)));
	}
	if (ev->tok != JSON_ARRAY_END)
		return ERR_SYNTAX;
	if (v->base64) {
		json_put_form(v->out, "'embedding':'");
		base64_put(v->out, floats.p + floats.start, floats.n);
		buf_putc(v->out, '"');
	} else {
		json_put_raw(v->out, "embedding", span_cut(v->raw, start, ev->end));
	}
	json_put_close(v->out, '}');
	return buf_failed(&floats) ? ERR_NOMEM : 0;
}

/* Finds vectors in the value that begins with *ev. `at` is the rest of the path. */
static int
find_vectors(struct vectors *v, const char *at, struct json_event *ev)
{
	struct span rest = span_str(at), name = span_next(&rest, '.');
	struct json_member m;
	size_t start = ev->start;
	int err = 0;

	if (ev->tok == JSON_OBJECT && *at) {
		while (json_member(v->j, v->a, v->raw, &m, ev, &err) && !err)
			if (span_eq(m.key, name))
				err = find_vectors(v, rest.n ? rest.p : "", ev);
			else if (json_skip(v->j, ev) == JSON_ERROR)
				err = ERR_SYNTAX;
		return err;
	}
	if (ev->tok != JSON_ARRAY)
		return json_skip(v->j, ev) == JSON_ERROR ? ERR_SYNTAX : 0;
	if (json_next(v->j, ev) == JSON_NUMBER)
		/* older models of Cohere have no types */
		return put_vector(v, start, ev);
	for (; !err && ev->tok != JSON_ARRAY_END; json_next(v->j, ev))
		err = ev->tok == JSON_ERROR ? ERR_SYNTAX : find_vectors(v, at, ev);
	return err;
}

int
answer_vectors(struct translator *t, struct span json)
{
	struct json_event ev;
	struct vectors v = { .raw = json,
		.j = json_open(&t->work, json),
		.a = &t->work,
		.base64 = t->plan.base64,
		.out = &t->choice->parts[SAID_TEXT] };
	int64_t known = t->in.usage.known ? t->in.usage.input_tokens : t->plan.head_tokens;
	uint64_t tokens = known > 0 ? (uint64_t)known : 0;
	int err = ERR_NOMEM;

	if (v.j) {
		json_next(v.j, &ev);
		err = find_vectors(&v, vectors_at[t->plan.from], &ev);
	}
	if (err == ERR_NOMEM || buf_failed(v.out))
		return translator_fail(t, ERR_NOMEM, NULL);
	if (err || json_next(v.j, &ev) != JSON_END)
		return translator_fail(
			t, ERR_SYNTAX, "the provider's response is not a list of vectors");
	if (v.n != t->plan.vectors)
		return translator_fail(t, ERR_SYNTAX,
			"the number of vectors in the provider's response differs from the "
			"number of inputs");
	json_put_form(t->out,
		"{'object':'list','data':[%j],'model':%t,'usage':{'prompt_tokens':%u,"
		"'total_tokens':%u}}",
		buf_view(v.out), t->plan.model, tokens, tokens);
	t->state = TRANSLATOR_ENDED;
	return 0;
}
