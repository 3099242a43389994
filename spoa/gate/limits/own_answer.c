/* What is answered here where the target that would be asked speaks another form: how many tokens
 * a request is, by our own count, and which models the route has. No model runs, and nothing goes
 * upstream.
 * https://docs.anthropic.com/en/api/messages-count-tokens,
 * https://platform.openai.com/docs/api-reference/responses/input-tokens,
 * https://ai.google.dev/api/tokens, https://ai.google.dev/api/models */
#include "answer/guard/guard.h"
#include "base/scoped.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"

/* ---- tokens ---- */

static bool
answer_tokens(struct request *r, struct buf *out)
{
	static const struct {
		const char *dialect, *begin; /* of the document, before the number */
	} counts[] = {
		{ "anthropic", "{\"input_tokens\":" },
		{ "openai", "{\"object\":\"response.input_tokens\",\"input_tokens\":" },
		{ "gemini", "{\"totalTokens\":" },
	};
	const struct endpoint *e = &r->found.endpoint;

	/* Vertex' wants the tokens themselves */
	if (!e->name || strcmp(e->name, "count") != 0 || !r->in.have_body ||
		span_ends(r->in.head.path, SPAN_LIT(":computeTokens")))
		return false;
	request_count_tokens(r);
	for (size_t i = 0; i < COUNT_OF(counts); i++)
		if (!strcmp(dialect_name(e->dialect), counts[i].dialect))
			buf_printf(out, "%s%lld}", counts[i].begin,
				(long long)r->found.prompt_tokens);
	r->found.counted = out->n;
	return out->n;
}

/* ---- models ---- */

/* The i-th name of a route: what an alias route is called by, its aliases, its targets' models.
 * False: it has no more. Empty: a target's without one, or said before. */
static bool
route_model(const struct route *route, size_t i, struct span *name)
{
	*name = SPAN_LIT("");
	if (i < route->naliases) {
		*name = span_str(route->aliases[i].alias);
		return true;
	}
	i -= route->naliases;
	if (i >= route->ntargets)
		return i == route->ntargets && route->alias
			       ? (*name = span_str(route->alias), true)
			       : false;
	const char *model = route->targets[i].model;
	for (size_t k = 0; k < i && model; k++)
		if (route->targets[k].model && !strcmp(route->targets[k].model, model))
			model = NULL;
	if (model)
		*name = span_str(model);
	return true;
}

/* One model's card, or a list of those that the caller may use. */
static bool
answer_models(struct request *r, struct buf *out)
{
	bool one = r->found.endpoint.model_end;
	SCOPED_BUF(all, 0);
	struct span name;

	if (!request_asks_of_models(r))
		return false;
	for (size_t i = 0; route_model(r->found.route, i, &name); i++)
		if (name.n && (!one || span_eq(name, request_asked_model(r))) &&
			request_may_use(r, name, &r->arena)) {
			buf_str(&all, all.n ? "," : "");
			guard_list_model(r->found.endpoint.dialect, name, &all);
		}
	if (one)
		buf_span(out, buf_view(&all));
	else
		guard_list_models(r->found.endpoint.dialect, buf_view(&all), out);
	return out->n;
}

bool
request_answers(struct request *r)
{
	SCOPED_BUF(document, 0);

	if (answer_tokens(r, &document) || answer_models(r, &document))
		r->found.document = arena_dup(&r->arena, buf_view(&document));
	return r->found.document.n;
}
