/* What rules change about a request that may go: target, model, cap on the output,
 * headers toward the provider, recognisers that must have answered. */
#include "base/err.h"
#include "gate/request.h"

const struct target *
request_target(const struct request *r)
{
	if (r->found.have_verdict && r->found.verdict.changes.target)
		return r->found.verdict.changes.target;
	return r->found.route ? r->found.route->targets : NULL;
}

bool
request_amendment(const struct request *r, struct amendment *am)
{
	const struct policy_changes *c = &r->found.verdict.changes;

	*am = (struct amendment){ .model = span_str(c->model),
		.cap_tokens = c->max_output_tokens };
	return r->in.have_body && r->in.body.format == BODY_JSON &&
	       dialect_has_model(r->in.body.dialect) && (c->model || c->max_output_tokens);
}

void
request_amended(struct request *r)
{
	struct amendment am;

	if (!request_amendment(r, &am))
		return;
	if (am.model.n && !span_eq(am.model, r->in.body.model)) {
		r->in.asked_model = r->in.body.model.p ? r->in.body.model : SPAN_LIT("");
		r->in.body.model = am.model;
	}
	if (am.cap_tokens && (r->in.body.output_cap_tokens < 0 ||
				     (uint64_t)r->in.body.output_cap_tokens > am.cap_tokens))
		r->in.body.output_cap_tokens = (int64_t)am.cap_tokens;
	request_estimate_tokens(r);
}

/* An earlier rule set it. */
static bool
set_before(const struct policy_changes *c, size_t rule, const char *name)
{
	for (size_t i = 0; i < rule; i++) {
		const struct rule_change *x = c->rules[i]->change;
		for (size_t k = 0; k < x->nheaders; k++)
			if (!strcmp(x->headers[k].name, name))
				return true;
	}
	return false;
}

const struct header *
request_header(const struct request *r, size_t *rule, size_t *at)
{
	const struct policy_changes *c = &r->found.verdict.changes;

	for (; *rule < c->nrules; ++*rule, *at = 0) {
		const struct rule_change *x = c->rules[*rule]->change;
		while (*at < x->nheaders) {
			const struct header *h = &x->headers[(*at)++];
			if (!set_before(c, *rule, h->name))
				return h;
		}
	}
	return NULL;
}

bool
request_sets_header(const struct request *r, struct span name)
{
	const struct header *h;

	for (size_t rule = 0, at = 0; (h = request_header(r, &rule, &at));)
		if (span_ieq(name, span_str(h->name)))
			return true;
	return false;
}

/* That of a recogniser which was asked, or which had nothing to be asked about. */
static bool
answered(const struct request *r, size_t external)
{
	const struct external *x = &r->snap->policy->externals[external];

	for (size_t i = 0; i < r->scan.nrecognitions; i++)
		if (r->scan.recognitions[i].x == x)
			return r->scan.recognitions[i].outcome == ASK_ANSWERED;
	return r->found.considered >> external & 1;
}

static bool
unanswered(const struct request *r, size_t external)
{
	return (r->found.verdict.changes.require >> external & 1) && !answered(r, external);
}

bool
request_unanswered(const struct request *r)
{
	for (size_t i = 0; i < r->snap->policy->nexternals; i++)
		if (unanswered(r, i))
			return true;
	return false;
}

bool
request_unmet(const struct request *r)
{
	enum outcome says = request_on_failure(r)->classifier;

	for (size_t i = 0; i < r->snap->policy->nexternals && says != OUT_PERMIT; i++)
		/* Redacting is the external step's, where it knew: now nothing stands for it.
		 */
		if (unanswered(r, i) && (says == OUT_DENY || !(r->found.required >> i & 1)))
			return true;
	return false;
}
