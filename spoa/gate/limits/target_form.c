/* Requests for a target that uses another form (chat completions, messages, …). A request is
 * sent in its own form if the target supports it, else translated into one that the target
 * supports. This happens again for each target; a target whose form cannot hold the request is
 * skipped, like one whose window is too small.
 *
 * If the target's form has no token count or list of models, the gateway returns these itself,
 * from its own count and the route's models. No model runs, and nothing is sent upstream.
 * https://docs.anthropic.com/en/api/messages-count-tokens,
 * https://platform.openai.com/docs/api-reference/responses/input-tokens,
 * https://ai.google.dev/api/tokens, https://ai.google.dev/api/models */
#include "answer/guard/guard.h"
#include "base/ascii.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"

/* ---- the gateway's own responses ---- */

static bool
answer_tokens(struct request *r, struct buf *out)
{
	static const struct {
		const char *dialect, *begin; /* begin: the document before the number */
	} counts[] = {
		{ "anthropic", "{\"input_tokens\":" },
		{ "openai", "{\"object\":\"response.input_tokens\",\"input_tokens\":" },
		{ "gemini", "{\"totalTokens\":" },
	};
	const struct endpoint *e = &r->found.endpoint;

	/* Vertex AI's computeTokens returns the tokens themselves */
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

/* Returns the i-th model name of a route: names of aliases, the targets' models, the route's
 * own alias. False: there are no more. *name is empty for a target without a model, or a
 * repeated one. */
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

/* Writes one model's card, or the list of models that the caller may use. */
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

/* Sets found.document if the gateway can respond itself. Returns false if it cannot, or memory
 * ran out (which the arena remembers). */
static bool
request_answers(struct request *r)
{
	SCOPED_BUF(document, 0);

	if (answer_tokens(r, &document) || answer_models(r, &document))
		r->found.document = arena_dup(&r->arena, buf_view(&document));
	return r->found.document.n;
}

/* ---- translation ---- */

/* Returns the form of the request; FORM_NONE: no known form, or the body could not be read. */
static enum form
form_asked(const struct request *r)
{
	enum form f = r->in.have_body && r->in.body.format == BODY_JSON
			      ? form_of_endpoint(&r->found.endpoint)
			      : FORM_NONE;

	/* other endpoints return scores and classes under the same name */
	return f == FORM_EMBEDDINGS && !span_ends(r->in.head.path, SPAN_LIT("/embeddings"))
		       ? FORM_NONE
		       : f;
}

/* Returns the model that is sent to the target. */
static struct span
form_model_sent(const struct request *r)
{
	struct amendment am;

	request_amendment(r, &am);
	return am.model.n ? am.model : r->in.read_model;
}

/* Returns the form that the target needs; FORM_NONE: `from` cannot be translated into it. */
static enum form
form_sent(const struct request *r, enum form from)
{
	enum form to = request_target(r)->translated;

	if (from == FORM_EMBEDDINGS && to)
		to = form_of_embeddings(form_dialect(to), form_model_sent(r));
	return forms_into(to) >> from & 1 ? to : FORM_NONE;
}

/* Mistral's chat completions differ from OpenAI's although the path is the same. */
static bool
has_own_words(const struct request *r, enum form asked, const struct target *to)
{
	const struct dialect *mistral = dialect_find(SPAN_LIT("mistral"));

	return asked == FORM_CHAT && to->translated == FORM_CHAT && to->dialect == mistral &&
	       r->found.endpoint.dialect != mistral;
}

static bool
translates_to(const struct request *r, const struct target *to)
{
	enum form asked = form_asked(r);

	return r->found.route->translates && to->forms &&
	       (!(to->forms >> asked & 1) || has_own_words(r, asked, to));
}

bool
request_translates(const struct request *r)
{
	return translates_to(r, request_target(r));
}

bool
limits_keeps_threads(const struct request *r, const struct target *to)
{
	return to->threads && !translates_to(r, to) && request_reads_answer(r);
}

/* Returns the output limit to send if the request states none: the reservation, but at most the
 * model's own limit. */
static uint64_t
cap_unsaid(const struct request *r, struct span model)
{
	const struct token_models *m = r->snap->models;
	uint64_t cap = request_output_default(r, model, false),
		 most = m ? model_size_of(m, model).output : 0;

	return most && most < cap ? most : cap;
}

static struct model_size
size_of_model(const struct request *r, struct span model)
{
	const struct token_models *m = r->snap->models;

	return m ? model_size_of(m, model) : (struct model_size){ .effort.takes = EFFORT_ANY };
}

static int
form_write(struct request *r, struct found_form *f)
{
	struct buf written;
	struct span model = form_model_sent(r);
	const struct model_size size = size_of_model(r, model);
	const struct translate_ask ask = { .from = f->from,
		.to = f->to,
		.dialect = request_target(r)->dialect,
		.body = r->out.sends == SENDS_REWRITTEN ? buf_view(&r->out.rewritten)
							: r->in.raw,
		.model = model,
		.stream = r->in.body.stream,
		.cap_tokens = cap_unsaid(r, model),
		.effort = size.effort,
		.fixed_sampling = size.fixed_sampling,
		.custom_tools = size.custom_tools,
		.user_key = r->gate ? r->gate->shared->prompt_key : NULL,
		.drop = r->found.route->drop,
		.ndrop = r->found.route->ndrop };
	/* the model may become part of the path */
	if (!model.n || span_is(model, ".") || span_is(model, "..")) {
		f->made = (struct translated_request){ .refused = SPAN_LIT("model"),
			.why = "the request names no model" };
		return ERR_UNSUPPORTED;
	}
	buf_init(&written, r->out.rewritten.cap);
	int err = translate_request(&ask, &r->arena, &written, &f->made);
	if (err || buf_failed(&written)) {
		buf_free(&written);
		return err ? err : ERR_NOMEM;
	}
	buf_free(&r->out.rewritten);
	r->out.rewritten = written;
	r->out.sends = SENDS_REWRITTEN;
	buf_clear(&r->out.new_target);
	form_target(f->to, model, f->made.stream, &r->out.new_target);
	return buf_failed(&r->out.new_target) ? ERR_NOMEM : 0;
}

int
request_translate(struct request *r)
{
	struct found_form *f;
	enum form from = form_asked(r);
	int err = ERR_UNSUPPORTED;

	r->found.form = NULL;
	r->found.document = SPAN_LIT("");
	r->found.counted = false;
	if (r->in.have_body && r->in.body.thread &&
		!limits_keeps_threads(r, request_target(r))) {
		if (!(f = arena_new(&r->arena, struct found_form)))
			return ERR_NOMEM;
		*f = (struct found_form){ .from = from, .refused = true, .thread = true };
		f->made.why = "the target keeps no threads: send the whole conversation "
			      "without `thread`";
		r->found.form = f;
		return 0;
	}
	if (!request_translates(r) || (!from && request_answers(r)))
		return 0;
	if (!(f = arena_new(&r->arena, struct found_form)))
		return ERR_NOMEM;
	*f = (struct found_form){ .from = from, .to = form_sent(r, from) };
	if (f->to)
		err = form_write(r, f);
	else
		f->made.why = "this endpoint cannot be translated, and the target does not "
			      "support it";
	f->refused = err == ERR_UNSUPPORTED || err == ERR_SYNTAX;
	if (!err || f->refused)
		r->found.form = f;
	return f->refused ? 0 : err;
}

/* Returns the refused field's path for the denial if it looks like a name and has no finding,
 * else empty: the caller chooses these names. */
static struct span
refused_at(struct request *r, struct span path)
{
	for (size_t i = 0; i < path.n; i++)
		if (!is_alnum(path.p[i]) && !strchr("_-.[]$", path.p[i]))
			return SPAN_LIT("");
	return path.n > CAP_ERROR_BYTES / 8 || request_may_hold(r, path) ? SPAN_LIT("") : path;
}

enum step_result
limits_form(struct request *r)
{
	const struct policy_verdict *v = &r->found.verdict;
	const struct found_form *f = r->found.form;
	bool left = false;

	if (request_asks_of_models(r))
		return request_deny(r, 404, "model_not_found", "",
			SPAN_LIT("the route has no model of this name; list the models for "
				 "valid names"));
	struct span at = refused_at(r, f->made.refused);
	request_deny(r, 400,
		f->thread ? "thread_unsupported_request" : "translation_unsupported", "",
		arena_printf(
			&r->arena, "%.*s%s%s", SPAN_ARG(at), at.n ? ": " : "", f->made.why));
	for (size_t i = 0; r->found.ranks && i < v->ncandidates && !left; i++)
		left = v->candidates[i].fate == CANDIDATE_LEFT;
	if (!left && limits_some_are_away(r))
		return request_none_in(r);
	if (!left || !limits_keep_denial(r))
		return limits_over(r);
	limits_leave_target(r, TARGET_FORM,
		f->thread ? "threads"
			  : form_name(f->to ? f->to : request_target(r)->translated));
	return STEP_REROUTES;
}
