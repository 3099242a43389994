/* Facts about a request: the fields that conditions read, and whether it concerns the list of
 * models. */
#include "gate/request.h"

#include "policy/env.h"
#include "policy/policy.h"
#include "policy/rule.h"

void
request_facts(struct request *r, struct policy_facts *f)
{
	*f = (struct policy_facts){
		.identity = &r->found.identity,
		.route = r->found.route,
		.target = request_target(r),
		.ranks = r->found.ranks,
		.at = r->found.at,
		.only = request_joined_target(r),
		.method = r->in.head.method,
		.host = r->in.host,
		.path = r->in.head.path,
		.conversation = r->found.conversation,
		.tags = r->found.tags,
		.ntags = r->found.ntags,
		.now_wall_ns = r->now_wall_ns,
		.whole = r->in.body_state != BODY_STATE_PARTIAL,
		.body = r->in.have_body ? &r->in.body : NULL,
		.raw = r->in.raw,
		.model = r->in.body.model,
		.media = r->in.media,
		.nmedia = r->in.nmedia,
		.speech = r->in.speech,
		.nspeech = r->in.nspeech,
		.speech_seconds = r->in.speech_seconds,
		.macros = r->in.macros,
		.entities = &r->found.entities,
		.roles = r->found.roles,
		.rules = r->snap->rules,
		.tokens = r->found.prompt_tokens,
		.bytes = (int64_t)r->in.raw.n,
		.injection = r->found.injection,
		.evasion = r->found.evasion,
		.invisible = r->found.invisible,
		.data = r->found.data,
		.call = r->found.message ? &r->found.message->call : NULL,
		.told = &r->found.offer.told,
	};
	if (f->only && f->ranks)
		f->ranks += f->only - f->route->targets;
}

void
request_asked_facts(struct request *r, struct policy_facts *f)
{
	request_facts(r, f);
	f->model = request_asked_model(r);
}

bool
request_is_https(const struct request *r)
{
	struct span said = http_field_first(&r->in.head, "x-forwarded-proto");
	struct span first = span_trim(span_next(&said, ','), " \t");

	if (span_ieq(first, SPAN_LIT("https")) || span_ieq(first, SPAN_LIT("http")))
		return first.n == 5;
	return !r->in.plain;
}

bool
request_model_matters(const struct request *r)
{
	const struct policy *p = r->snap->policy;

	for (size_t i = 0; i < p->nrules; i++)
		if (p->rules[i].when && cel_reads(p->rules[i].when, V_MODEL_NAME))
			return true;
	return false;
}

bool
request_asks_of_models(const struct request *r)
{
	const char *name = r->found.endpoint.name;

	return name && !strcmp(name, "models") && span_is(r->in.head.method, "GET");
}

bool
request_lists_models(const struct request *r)
{
	return request_asks_of_models(r) && !r->found.probe && !r->found.endpoint.model_end &&
	       !r->found.document.n &&
	       (r->found.identity.nmodels || request_model_matters(r) ||
		       r->found.route->naliases);
}

bool
request_may_use(void *arg, struct span model, struct arena *a)
{
	struct request *r = arg;
	struct policy_facts f;
	struct policy_verdict v;

	if (r->found.identity.nmodels && !identity_has_model(&r->found.identity, model))
		return false;
	request_facts(r, &f);
	f.route = policy_route_as(r->found.route, model);
	f.ranks = NULL; /* both describe other targets, or another time */
	f.at = NULL;
	f.model = model;
	f.body = NULL;
	f.whole = true;
	return policy_decide(r->snap->policy, &f, a, &v) == 0 && v.ruled.effect != RULE_DENY;
}

bool
request_may_hold(struct request *r, struct span text)
{
	struct snapshot_local *mine = snapshot_mine(r->snap, r->worker);
	struct detect_options opt = policy_detect_options(r->snap->policy);
	struct findings found = { 0 };

	if (!mine)
		return true;
	int err = detect_scan(r->snap->rules, mine->scratch, text, &opt, &r->arena, &found);
	detect_scratch_wipe(mine->scratch);
	return err < 0 || found.n;
}

/* Returns an empty name for an observed request, because the old backend is no target of the
 * route. */
struct span
request_provider(const struct request *r)
{
	const struct target *to = r->out.decision.kind == D_OBSERVED ? NULL : request_target(r);

	return span_str(to ? to->known : NULL);
}
