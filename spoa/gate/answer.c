/* From a request to the guard of its answer: what the rules of answers read of it, what is put
 * back, and how its texts are searched. */
#include "base/err.h"
#include "gate/exchange.h"

struct filling {
	struct vault *vault;
	int err;
};

/* What does not fit is not put back. */
static void
put_in_vault(void *arg, struct span placeholder, struct span value)
{
	struct filling *f = arg;
	int err = vault_add(f->vault, placeholder, value);

	if (err == ERR_NOMEM)
		f->err = err;
}

static int
fill_vault(struct request *r, struct exchange *x)
{
	if (!(r->found.route->response & RESP_RESTORE) || !r->out.redactor)
		return 0;
	vault_free(&x->vault);
	x->vault = vault_new();
	struct filling f = { x->vault, x->vault ? 0 : ERR_NOMEM };
	if (x->vault)
		redactor_each(r->out.redactor, put_in_vault, &f);
	return f.err;
}

int
exchange_expect(struct request *r, struct exchange *x, struct arena *own)
{
	struct policy_facts f;

	if (!x->plan.reads_answer)
		return 0;
	int err = fill_vault(r, x);
	if (err || !(r->found.route->response & RESP_INSPECT))
		return err;
	request_facts(r, &f);
	return policy_answer_request(r->snap->policy, &f, own, &x->asked);
}

/* Searched for what the rules that reach the route can use. */
static struct detect_options
options_of(const struct snapshot *s, const struct route *route)
{
	struct detect_options o = policy_detect_options(s->policy);

	o.used = route->find_all || !s->answers ? NULL : s->answers[route - s->policy->routes];
	return o;
}

int
gate_answer(struct exchange *x, const struct guard_head *h, struct guard **out)
{
	struct request *r = x->r;
	const struct policy *p = r->snap->policy;
	const struct route *route = r->found.route;
	struct guard_plan plan = {
		.format = answer_format_find(
			span_str(dialect_name(r->found.endpoint.dialect)), x->plan.head.path),
		.dialect = r->found.endpoint.dialect,
		.path = x->plan.head.path,
		.hide_usage = x->hide_usage,
		.unread = request_on_failure(r)->classifier,
		.hash_key = r->snap->hash_key_set ? r->snap->hash_key : NULL,
		.vault = x->vault && vault_count(x->vault) ? x->vault : NULL,
	};

	struct snapshot_local *own = snapshot_mine(r->snap, r->worker);
	if (!own)
		return ERR_NOMEM;
	plan.rules = r->snap->rules;
	plan.scratch = own->scratch;
	if (route->response & RESP_INSPECT) {
		plan.inspects = true;
		plan.policy = p;
		plan.options = options_of(r->snap, route);
		plan.asked = &x->asked;
		plan.scores = route->uses.injection;
	}
	guard_drop(&x->guard);
	x->guard = guard_new(&plan, h);
	*out = x->guard;
	return x->guard ? 0 : ERR_NOMEM;
}
