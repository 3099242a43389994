/* What rules change about a request that may go: target, model, cap on the output,
 * headers toward the provider, recognisers that must have answered. */
#include "base/err.h"
#include "gate/request.h"

const struct target *
request_target(const struct request *r)
{
	if (r->have_verdict && r->verdict.changes.target)
		return r->verdict.changes.target;
	return r->route ? r->route->targets : NULL;
}

bool
request_amendment(const struct request *r, struct amendment *am)
{
	const struct policy_changes *c = &r->verdict.changes;

	*am = (struct amendment){ .model = span_str(c->model),
		.cap_tokens = c->max_output_tokens };
	return r->have_body && r->body.format == BODY_JSON &&
	       dialect_has_model(r->body.dialect) && (c->model || c->max_output_tokens);
}

void
request_amended(struct request *r)
{
	struct amendment am;

	if (!request_amendment(r, &am))
		return;
	if (am.model.n && !span_eq(am.model, r->body.model)) {
		r->asked_model = r->body.model.p ? r->body.model : SPAN_LIT("");
		r->body.model = am.model;
	}
	if (am.cap_tokens && (r->body.output_cap_tokens < 0 ||
				     (uint64_t)r->body.output_cap_tokens > am.cap_tokens))
		r->body.output_cap_tokens = (int64_t)am.cap_tokens;
	request_estimate_tokens(r);
}

const struct header *
request_header(const struct request *r, size_t *rule, size_t *at)
{
	const struct policy_changes *c = &r->verdict.changes;

	for (; *rule < c->nrules; ++*rule, *at = 0) {
		const struct rule_change *x = c->rules[*rule]->change;
		if (*at < x->nheaders)
			return &x->headers[(*at)++];
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

	for (size_t i = 0; i < r->nrecognitions; i++)
		if (r->recognitions[i].x == x)
			return r->recognitions[i].outcome == ASK_ANSWERED;
	return r->considered >> external & 1;
}

enum outcome
request_required(const struct request *r)
{
	enum outcome says = request_on_failure(r)->classifier;

	for (size_t i = 0; i < r->snap->policy->nexternals; i++) {
		if (!(r->verdict.changes.require >> i & 1) || answered(r, i))
			continue;
		/* Redacting was the external step's: it knew, or nothing stands for it. */
		if (says != OUT_REDACT || !(r->required >> i & 1))
			return says == OUT_REDACT ? OUT_DENY : says;
	}
	return OUT_PERMIT;
}
