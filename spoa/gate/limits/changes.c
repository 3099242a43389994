/* What rules change about a request that may go: model, cap on the output, headers
 * toward the provider. */
#include "gate/limits/limits.h"
#include "scan/text/table.h"

uint64_t
request_output_default(const struct request *r, struct span model, bool most)
{
	const struct policy *p = r->snap->policy;
	const struct body_marks *m = r->in.have_body ? &r->in.body.marks : NULL;

	if (model.n || !m || m->nmodels < 2)
		return policy_output_default(p, model.n ? model : r->in.body.model);
	uint64_t all = policy_output_default(p, m->model[0].name);
	for (size_t i = 1; i < m->nmodels; i++) {
		uint64_t one = policy_output_default(p, m->model[i].name);
		all = (one > all) == most ? one : all;
	}
	return all;
}

bool
request_amendment(const struct request *r, struct amendment *am)
{
	const struct policy_changes *c = &r->found.verdict.changes;
	const struct limit_change *x = r->found.fell.change;
	const struct body *b = r->in.have_body ? &r->in.body : NULL;
	const struct body_marks *m = b ? &b->marks : NULL;
	bool named = m && m->nmodels, capped = m && m->ncaps;

	*am = (struct amendment){ .model_in_path = r->found.endpoint.model_end > 0 };
	for (size_t i = 0; m && i < m->nrequests; i++) {
		named |= m->request[i].table->model != NULL;
		capped |= m->request[i].table->cap != NULL;
	}
	if (am->model_in_path || named)
		am->model = span_str(x && x->model ? x->model : c->model);
	if (capped)
		am->cap_tokens = c->max_output_tokens;
	if (capped && x && x->max_output_tokens &&
		(!am->cap_tokens || x->max_output_tokens < am->cap_tokens))
		am->cap_tokens = x->max_output_tokens;
	if (capped && r->found.learned_cap &&
		(!am->cap_tokens || r->found.learned_cap < am->cap_tokens))
		am->cap_tokens = r->found.learned_cap;
	if (capped)
		am->ceiling_tokens = request_output_ceiling(r, am->model);
	if (capped && r->found.sends_default)
		am->missing_tokens = request_output_default(r, am->model, false);
	return am->model.n || am->cap_tokens || am->missing_tokens || am->ceiling_tokens;
}
