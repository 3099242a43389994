/* The list of families, and the interpretation of a method and path in one of them. paths.c
 * finds the row of a path; dialect_endpoint() turns its flags into a struct endpoint. The row
 * indexes are built once, at the first lookup. The second half reads and replaces the model in
 * a path. */
#include "base/scoped.h"
#include "scan/dialect/openai.h"

#include <pthread.h>
#include <stdio.h>

#include "base/among.h"
#include "base/codec/uri.h"
#include "base/err.h"

static const struct dialect *const all[] = { &dialect_openai, &dialect_anthropic,
	&dialect_gemini, &dialect_bedrock, &dialect_cohere, &dialect_mistral, &dialect_ollama,
	&dialect_tgi, &dialect_mcp, &dialect_rest };
static pthread_once_t once = PTHREAD_ONCE_INIT;
static char names[256];
static struct endpoint_index endpoints[COUNT_OF(all)];

static void
prepare_tables(void)
{
	size_t n = 0;

	for (size_t i = 0; i < COUNT_OF(all); i++) {
		n += (size_t)snprintf(
			names + n, sizeof(names) - n, "%s%s", i ? ", " : "", all[i]->name);
		endpoint_index_make(&endpoints[i], all[i]->endpoints);
	}
	INVARIANT(n < sizeof(names)); /* the names are constants of this program */
}

static const struct endpoint_row *
find_row(const struct dialect *d, struct span method, struct span path, bool whole,
	struct span *model)
{
	size_t i = 0;

	pthread_once(&once, prepare_tables);
	while (all[i] != d)
		i++;
	return endpoint_row_find(d, &endpoints[i], method, path, whole, model);
}

const struct dialect *
dialect_find(struct span name)
{
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (span_is(name, all[i]->name))
			return all[i];
	return NULL;
}

const char *
dialect_name(const struct dialect *d)
{
	return d->name;
}

const char *
dialect_names(void)
{
	pthread_once(&once, prepare_tables);
	return names;
}

bool
dialect_has_model(const struct dialect *d)
{
	return d != &dialect_rest && d != &dialect_mcp;
}

bool
dialect_is_of_mcp(const struct dialect *d)
{
	return d == &dialect_mcp;
}

const struct table *
dialect_table(const struct dialect *d)
{
	return d->main ? d->main : &table_rest;
}

/* Endpoints whose errors, usage and streams are those of another family. */
static const struct {
	const struct table *table;
	const struct dialect *dialect;
} speaks[] = {
	{ &table_chat, &dialect_openai },
	{ &table_completions, &dialect_openai },
	{ &table_responses, &dialect_openai },
	{ &table_messages, &dialect_anthropic },
	{ &table_messages_no_model, &dialect_anthropic },
};

const struct dialect *
dialect_for_path(struct span path, bool refused)
{
	for (size_t i = 0; i < COUNT_OF(all); i++)
		if (endpoint_is_among(all[i]->tells, path) ||
			(refused && endpoint_is_among(all[i]->hints, path)))
			return all[i];
	return &dialect_rest;
}

bool
dialect_serves(
	const struct dialect *d, struct span method, struct span path, struct span prefix)
{
	struct span model;

	if (prefix.n && prefix.p[prefix.n - 1] == '/')
		prefix.n--;
	if (!span_starts(path, prefix))
		return false;
	return find_row(d, method, span_cut(path, prefix.n, path.n), true, &model) != NULL;
}

bool
endpoint_draws(const struct endpoint *e)
{
	return e->name && !strcmp(e->name, "images");
}

struct endpoint
dialect_endpoint(const struct dialect *d, struct span method, struct span path)
{
	struct span model = { NULL, 0 };
	const struct endpoint_row *r = find_row(d, method, path, false, &model);
	struct endpoint e = { .dialect = d,
		.family = d,
		.table = d->other ? d->other : &table_rest,
		.bare_models = d->bare_models,
		.free = dialect_is_of_mcp(d) };

	if (!r)
		return e;
	e.name = r->name;
	e.table = r->table ? r->table : &table_any;
	for (size_t i = 0; i < COUNT_OF(speaks); i++)
		if (e.table == speaks[i].table)
			e.dialect = speaks[i].dialect;
	e.streams = r->flags & E_STREAMS;
	e.stored = r->flags & E_STORED;
	e.unseen = r->flags & E_UNSEEN;
	e.free = r->flags & E_FREE;
	e.beside = r->flags & E_BESIDE;
	if (model.n) {
		e.model = (size_t)(model.p - path.p);
		e.model_end = e.model + model.n;
		if (r->flags & E_TWO)
			e.model = span_behind(span_cut(path, 0, e.model - 1), '/');
	}
	return e;
}

/* ---- the model in a path ---- */

/* Returns true if no piece is empty or a dot segment. A provider that decodes %2F would
 * otherwise normalize the path differently. */
static bool
is_plain_model(struct span model)
{
	struct span rest = model;

	if (span_chr(model, '\\') < model.n || (model.n && model.p[model.n - 1] == '/'))
		return false;
	while (rest.p) {
		struct span piece = span_next(&rest, '/');
		struct span name = span_cut(piece, 0, span_chr(piece, ';'));
		if (!piece.n || span_is(name, ".") || span_is(name, ".."))
			return false;
	}
	return true;
}

int
endpoint_check_path(const struct endpoint *e, struct span path, struct body_refusal *why)
{
	char text[512];
	size_t n = 0;

	for (size_t i = 0; i + 2 < path.n; i++) {
		int c = path.p[i] == '%' ? uri_escape_at(path.p + i, path.p + path.n) : 0;
		bool inside = i >= e->model && i < e->model_end;
		if ((c == '/' || c == ':') && !inside)
			return refuse_path(why, i,
				c == '/' ? "it has an encoded separator"
					 : "it has an encoded colon");
	}
	for (size_t i = e->model; i < e->model_end; i++) {
		int c = path.p[i];
		if (n == sizeof(text))
			return refuse_path(why, e->model, "its model name is too long");
		if (c == '%') {
			c = uri_escape_at(path.p + i, path.p + path.n);
			i += 2;
		}
		text[n++] = (char)c;
	}
	if (e->model_end && !is_plain_model(span_of(text, n)))
		return refuse_path(
			why, e->model, "its model name has an empty segment or a dot segment");
	return 0;
}

static struct span
bare_model(struct span model)
{
	return span_cut(model, span_behind(model, '/'), model.n);
}

static bool
is_same_model(const struct endpoint *e, struct span x, struct span y)
{
	return span_eq(x, y) || (e->bare_models && span_eq(bare_model(x), bare_model(y)));
}

/* Shortens a model's resource name to the form of paths: "projects/p/…/models/x" becomes "x",
 * and "…/tunedModels/x" becomes "tunedModels/x". */
static struct span
short_name(struct span model)
{
	struct span name = bare_model(model), two;

	if (name.n == model.n)
		return model;
	two = bare_model(span_cut(model, 0, model.n - name.n - 1));
	if (span_is(two, "models"))
		return name;
	if (span_is(two, "tunedModels") || span_is(two, "endpoints"))
		return span_of(two.p, two.n + 1 + name.n);
	return model;
}

/* Adds the parameter `stream`, so that a rule's request.stream is true even if only the path
 * requests a stream. */
static int
add_stream(struct arena *a, struct body *b)
{
	for (size_t i = 0; i < b->nparams; i++)
		if (span_is(b->params[i].name, "stream"))
			return 0;
	struct body_param *v = arena_array(a, b->nparams + 1, sizeof(*v));
	if (!v)
		return ERR_NOMEM;
	if (b->nparams)
		memcpy(v, b->params, b->nparams * sizeof(*v));
	v[b->nparams++] =
		(struct body_param){ SPAN_LIT("stream"), PARAM_BOOL, SPAN_LIT("true") };
	b->params = v;
	return 0;
}

int
endpoint_settle(const struct endpoint *e, struct span path, struct arena *a, struct body *b,
	struct body_refusal *why)
{
	struct span model;

	for (size_t i = 0; e->bare_models && i < b->nothers; i++)
		b->others[i] = short_name(b->others[i]);
	for (size_t i = 0; e->bare_models && i < b->marks.nmodels; i++)
		b->marks.model[i].name = short_name(b->marks.model[i].name);
	if (e->bare_models && b->model.p)
		b->model = short_name(b->model);
	/* jobs, agents and sessions name their model only in `others` */
	if (!b->model.p && b->nothers && !e->table->cap)
		b->model = b->others[0];
	b->stream |= e->streams;
	if (b->stream && add_stream(a, b))
		return ERR_NOMEM;
	if (!e->model_end)
		return 0;
	if (uri_decode(span_cut(path, e->model, e->model_end), false, a, &model))
		return ERR_NOMEM;
	for (size_t i = 0; i < b->marks.nmodels; i++)
		if (!b->marks.model[i].null && !is_same_model(e, b->marks.model[i].name, model))
			return refuse(why, 400, "ambiguous_model", b->marks.model[i].start,
				"the path and the body name different models");
	b->model = model;
	return 0;
}

int
endpoint_amend(const struct endpoint *e, struct span path, struct span model, struct arena *a,
	struct splice *edit)
{
	struct span rest = model;

	if (!e->model_end || !model.n)
		return 0;
	SCOPED_BUF(out, 3 * model.n);
	/* In tunedModels/x the slash separates segments and must not be encoded. */
	bool two = memchr(path.p + e->model, '/', e->model_end - e->model);
	while (rest.p) {
		struct span piece = two ? span_next(&rest, '/') : rest;
		uri_encode(&out, piece, false);
		if (!two)
			break;
		if (rest.p)
			buf_putc(&out, '/');
	}
	struct span with = arena_kept(a, &out);
	if (!with.p)
		return ERR_NOMEM;
	*edit = (struct splice){ e->model, e->model_end, with };
	return !span_eq(with, span_cut(path, e->model, e->model_end));
}
