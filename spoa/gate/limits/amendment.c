/* Determines what rules and limits change about a request before it is sent: the model, and the
 * limit on its output. Three parts: the changes themselves, `output_default` for requests
 * without an output limit, and `reserve: learned`. */
#include "base/sha256.h"
#include "gate/gate_private.h"
#include "gate/limits/limits.h"
#include "policy/policy.h"
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

/* The smallest of several output limits applies: that of a rule, of at_limit or at_soft, and
 * the learned one. */
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

/* ---- output_default ----
 *
 * If a request states no output limit and a limit counts its response, output_default is sent
 * as the output limit, so that the reservation bounds the cost. If no such limit applies, the
 * body stays unchanged. */

bool
limits_counts_answer(enum limit_of of)
{
	return limit_has(of, COUNTS_OUTPUT);
}

bool
limits_counts_text(enum limit_of of)
{
	return limit_has(of, COUNTS_INPUT | COUNTS_OUTPUT);
}

void
limits_expect(struct request *r)
{
	const struct identity *id = &r->found.identity;
	const struct found_limits *l = &r->found.limits;
	struct policy_facts f;
	struct amendment am;

	if (!r->gate || !r->in.have_body || r->found.route->reserve != RESERVE_CAP ||
		!dialect_lacks_cap(&r->in.body) ||
		(request_amendment(r, &am) && am.model.n && !span_eq(am.model, r->in.body.model)))
		return;
	request_facts(r, &f);
	if (limits_apply(r, &f))
		return; /* the quota step will report the error */
	r->found.bounded = false;
	for (size_t i = 0; i < l->n; i++)
		r->found.bounded |= limits_counts_answer(l->hit[i].limit->of);
	for (size_t i = 0; i < id->nlimits; i++)
		r->found.bounded |= limits_counts_answer(id->limits[i].of);
	limits_send_default(r);
}

bool
limits_send_default(struct request *r)
{
	struct amendment am;

	if (!r->found.bounded || r->found.sends_default || !r->in.have_body ||
		r->found.route->reserve == RESERVE_ESTIMATE || !dialect_lacks_cap(&r->in.body))
		return false;
	/* without a relay, bodies cannot be changed */
	if (!gate_cfg(r->gate)->relay)
		return false;
	/* the limit of a rule, or the learned one, is sent already */
	request_amendment(r, &am);
	if (am.cap_tokens && am.cap_tokens <= request_output_default(r, am.model, false))
		return false;
	r->found.sends_default = true;
	return true;
}

/* ---- reserve: learned ----
 *
 * Learns how long a model's responses to a caller are, to reserve no more than that. The
 * reservation is also sent as the output limit, so a response cannot exceed it. The learned
 * length is one that 19 of 20 responses do not exceed; half as much again is reserved. A
 * response that our limit has cut doubles the length. owner: worker. */

enum {
	SAMPLES = 8,	/* responses needed; before that, the request's own limit is reserved */
	LEAST_CAP = 64, /* tokens */
	LEAST_STEP = 8, /* tokens by which the length changes at least */
	MOST_CAP = 10000000,
};

/* Returns the entry of the request's route, model and person. Two keys with the same place
 * replace each other. */
static struct learned_place *
learned_place_of(const struct request *r)
{
	unsigned char h[SHA256_BYTES];
	struct sha256 s;
	uint64_t key;

	sha256_begin(&s);
	sha256_add(&s, span_str(r->found.route->name));
	sha256_add(&s, span_of("", 1));
	sha256_add(&s, r->in.body.model);
	sha256_add(&s, span_of("", 1));
	sha256_add(&s, r->found.identity.person);
	sha256_end(&s, h);
	memcpy(&key, h, sizeof(key));
	struct learned_place *p = &r->gate->learned[key % LEARNED];
	if (p->key != key)
		*p = (struct learned_place){ .key = key };
	return p;
}

/* Returns the output limit to send: one and a half times the learned length. */
static uint64_t
cap_of(const struct learned_place *p)
{
	uint64_t cap = p->tokens + p->tokens / 2;

	return cap > LEAST_CAP ? cap : LEAST_CAP;
}

bool
limits_learned(struct request *r)
{
	if (r->found.route->reserve != RESERVE_LEARNED || r->found.learned_cap || !r->in.have_body ||
		r->in.body_state == BODY_STATE_PARTIAL || r->in.body.choices > 1 ||
		r->in.body.prompts > 1 || r->in.body.marks.nrequests > 1 ||
		!r->found.endpoint.table->cap)
		return false;
	const struct learned_place *p = learned_place_of(r);
	if (p->samples < SAMPLES || (int64_t)cap_of(p) >= r->found.output_tokens)
		return false;
	r->found.learned_cap = cap_of(p);
	return true;
}

/* The length rises by up to 19 steps after a longer response and falls by a nineteenth of a
 * step otherwise, so it settles where 1 of 20 responses is longer. */
void
limits_learn(struct request *r, uint64_t output_tokens)
{
	if (r->found.route->reserve != RESERVE_LEARNED)
		return;
	struct learned_place *p = learned_place_of(r);
	uint64_t step = p->tokens / 8 > LEAST_STEP ? p->tokens / 8 : LEAST_STEP;
	if (p->samples == 0)
		p->tokens = output_tokens;
	else if (r->found.learned_cap && output_tokens >= r->found.learned_cap)
		p->tokens = 2 * r->found.learned_cap;
	else if (output_tokens > p->tokens)
		p->tokens += output_tokens - p->tokens < 19 * step ? output_tokens - p->tokens
								   : 19 * step;
	else if (p->tokens > step)
		p->tokens -= (step + 18) / 19;
	p->tokens = p->tokens < MOST_CAP ? p->tokens : MOST_CAP;
	p->samples += p->samples < SAMPLES;
}
