/* Remarks on limits: what a line of them brings with it that it does not say. */
#include <inttypes.h>

#include "base/scoped.h"
#include "policy/advice/notes.h"
#include "policy/prices.h"

enum { LIMITS_A_REQUEST = 16 }; /* QUOTA_DIMS_MAX of budget/quota/quota.h */

static bool
counts_tokens(const struct limit *l)
{
	return l->of == LIMIT_TOKENS || l->of == LIMIT_OUTPUT_TOKENS || l->of == LIMIT_MESSAGE;
}

bool
limit_may_reach(const struct limit *l, const struct route *route)
{
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, true);

	return policy_may_reach(&a, l->when, route);
}

/* Whether a target that the limit may reach has no price for the model. */
static const struct target *
unpriced(const struct noting *r, const struct limit *l, const char *model)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		if (!limit_may_reach(l, t) || !t->dialect || !dialect_has_model(t->dialect))
			continue;
		for (size_t k = 0; k < t->ntargets; k++)
			if (!policy_price(r->p, &t->targets[k], span_str(model), INT64_MAX))
				return &t->targets[k];
	}
	return NULL;
}

static bool
in_dollars(const struct policy *p)
{
	for (size_t i = 0; i < p->nlimits; i++)
		if (p->limits[i].of == LIMIT_USD)
			return true;
	return false;
}

static void
remark_on_change(
	const struct noting *r, const struct limit *l, const struct limit_change *x, bool soft)
{
	const char *key = soft ? "at_soft" : "at_limit";
	const struct target *none;

	if (!x || !x->model)
		return;
	if (in_dollars(r->p) && (none = unpriced(r, l, x->model)))
		note_say(r, l->at,
			"limit %s: %s: %s has no price at %s: where a limit in dollars applies "
			"it is refused",
			l->name, key, x->model, none->name[0] ? none->name : "its target");
	if (!soft && !x->up_to)
		note_say(r, l->at,
			"limit %s: past it requests go on with %s, as far as other limits let "
			"them: up_to is where it ends",
			l->name, x->model);
}

/* 80 of 200000, where 80% is what a person writes. */
static bool
soft_is_meant_as_share(const struct limit *l)
{
	const struct yaml_node *soft = yaml_get(l->at, "soft");

	return soft && l->of != LIMIT_USD && soft->s.n && soft->s.p[soft->s.n - 1] != '%' &&
	       l->soft < 100 && l->soft < l->amount / 100;
}

static void
remark_on_limit(const struct noting *r, const struct limit *l)
{
	bool reached = false;

	for (size_t i = 0; i < r->p->nroutes; i++)
		reached |= limit_may_reach(l, &r->p->routes[i]);
	if (!reached)
		note_say(r, l->at,
			"limit %s: no route's requests can be such: it is never counted",
			l->name);
	if (counts_tokens(l) && l->amount <= policy_output_least(r->p))
		note_say(r, l->at,
			"limit %s: a request that states no cap takes output_default, %" PRIu64
			" tokens: it can never pass",
			l->name, policy_output_least(r->p));
	if (soft_is_meant_as_share(l))
		note_say(r, l->at,
			"limit %s: soft: %" PRIu64
			" is a count, less than 1 %% of the limit: a share is written %" PRIu64
			"%%",
			l->name, l->soft, l->soft);
	remark_on_change(r, l, l->at_limit, false);
	remark_on_change(r, l, l->at_soft, true);
}

/* Why a route takes the relay. */
static void
relayed(const struct noting *r)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		const struct limit *l = t->told_of_end;
		if (!l)
			continue;
		note_say(r, t->at, "route %s: takes the relay: limit %s counts %s%s", t->name,
			l->name,
			l->of == LIMIT_USD ? "dollars, and reads what its answers used"
					   : "requests under way",
			r->cfg && !r->cfg->relay ? ", and the configuration has none: 503"
						 : "");
	}
}

/* Requests with a body are what tokens are counted of. */
bool
route_takes_body(const struct route *t)
{
	for (size_t i = 0; i < t->nmethods; i++)
		if (strcmp(t->methods[i], "GET") && strcmp(t->methods[i], "HEAD") &&
			strcmp(t->methods[i], "OPTIONS"))
			return true;
	return t->nmethods == 0;
}

static void
unmetered(const struct noting *r)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		const char *first = NULL;
		for (size_t k = 0; k < r->p->nlimits && !first; k++)
			if (r->p->limits[k].of != LIMIT_MESSAGE &&
				(counts_tokens(&r->p->limits[k]) ||
					r->p->limits[k].of == LIMIT_INPUT_TOKENS) &&
				limit_may_reach(&r->p->limits[k], t))
				first = r->p->limits[k].name;
		if (first && !(t->response & RESP_METER) && route_takes_body(t))
			note_say(r, t->at,
				"route %s: does not meter: limit %s settles at what was "
				"reserved",
				t->name, first);
	}
}

/* Where a request that states no cap may be answered past a limit. */
static void
estimated(const struct noting *r)
{
	for (const struct route *t = r->p->routes; t < r->p->routes + r->p->nroutes; t++) {
		bool says = t->reserve == RESERVE_ESTIMATE;
		if (!says && (!route_takes_body(t) || !r->cfg || r->cfg->relay))
			continue;
		for (size_t k = 0; k < r->p->nlimits; k++) {
			const struct limit *l = &r->p->limits[k];
			if ((counts_tokens(l) || l->of == LIMIT_USD) && limit_may_reach(l, t))
				note_say(r, says ? yaml_get(t->at, "reserve") : t->at,
					"route %s: %s: answers to requests that state no cap "
					"may pass limit %s",
					t->name, says ? "reserve: estimate" : "no relay",
					l->name);
		}
	}
}

/* Which requests belong together is a secret of each daemon's own without the file. */
static void
conversations(const struct noting *r)
{
	const struct policy *p = r->p;
	bool hashes = p->nconversation &&
		      p->conversation[p->nconversation - 1].kind == CONVERSATION_HASH;

	if (p->reads_conversation && hashes && r->cfg && r->cfg->redis_url &&
		!r->cfg->redact_key_file)
		note_say(r, NULL,
			"conversation: hash: no redact.key_file: daemons that share limits do "
			"not agree on conversations without a name");
}

/* A share of as many daemons as nobody counted. */
static void
uncounted(const struct noting *r)
{
	const struct policy *p = r->p;
	bool routes = false;

	if (!r->cfg || !r->cfg->redis_url || r->cfg->redis_daemons)
		return;
	for (size_t k = 0; k < p->nroutes; k++) {
		const struct on_failure *of = &p->routes[k].on_failure;
		routes |= of->quota_share && !of->quota_peers;
	}
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		bool own = l->away == AWAY_SHARE && !l->peers;
		if (!own && !(routes && l->away == AWAY_ROUTE))
			continue;
		note_say(r, l->at,
			"limit %s: tollgate.yaml has no redis.daemons: a daemon that starts "
			"while Redis is away does not know its share, and spends none",
			l->name);
	}
}

void
policy_limit_notes(const struct noting *r)
{
	const struct policy *p = r->p;

	for (size_t i = 0; i < p->nlimits; i++)
		remark_on_limit(r, &p->limits[i]);
	relayed(r);
	unmetered(r);
	estimated(r);
	conversations(r);
	uncounted(r);
	if (p->nlimits > LIMITS_A_REQUEST)
		note_say(r, p->limits[LIMITS_A_REQUEST].at,
			"a request to which more than %d limits apply is a 503",
			LIMITS_A_REQUEST);
	if (p->nlimits && r->cfg && !r->cfg->redis_url)
		note_say(r, NULL, "no redis: limits count in this process only");
}
