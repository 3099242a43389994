/* Remarks on routes with several targets, and on names that mean targets. */
#include "policy/advice/notes.h"

/* What has several attempts takes the relay; what has not says so where that may surprise. */
static void
attempts(const struct policy *p, const struct config *cfg, const struct noting *to)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		if (r->retry.attempts > 1)
			note_say(to, r->at,
				"route %s: takes the relay: a request of it may have %u "
				"attempts%s",
				r->name, r->retry.attempts,
				cfg && !cfg->relay ? ", and the configuration has none: 503"
						   : "");
		else if (r->ntargets > 1)
			note_say(to, r->at,
				"route %s: %zu targets and one attempt%s: where the one that "
				"is chosen fails, no other is asked",
				r->name, r->ntargets,
				r->direct		   ? ", by via: direct"
				: yaml_get(r->at, "retry") ? ""
							   : ", for want of a relay");
	}
}

/* A bound that another one always comes before. */
static void
times(const struct policy *p, const struct noting *to)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		const struct retry *t = &r->retry;
		const struct {
			const char *name;
			uint64_t us, before;
			const char *what;
		} bounds[] = {
			{ "first_byte", t->first_byte_us, t->overall_us, "overall" },
			{ "first_content", t->first_content_us, t->overall_us, "overall" },
			{ "whole", t->whole_us, t->overall_us, "overall" },
			{ "overall", t->overall_us, r->deadline_us, "the route's deadline" },
		};
		for (size_t k = 0; k < COUNT_OF(bounds); k++)
			if (bounds[k].us && bounds[k].before && bounds[k].us > bounds[k].before)
				note_say(to, yaml_get(yaml_get(r->at, "retry"), bounds[k].name),
					"route %s: %s: never counts: %s is shorter", r->name,
					bounds[k].name, bounds[k].what);
	}
}

/* Bounds of streams leave a request for a whole answer without any. */
static void
whole_unbounded(const struct policy *p, const struct noting *to)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		const struct retry *t = &r->retry;
		const char *only = t->first_byte_us ? "first_byte" : "first_content";
		if (t->whole_us || (!t->first_byte_us && !t->first_content_us))
			continue;
		note_say(to, yaml_get(yaml_get(r->at, "retry"), only),
			"route %s: %s bounds streams only: a request without `stream` waits for "
			"its answer until the route's deadline: set retry.whole",
			r->name, only);
	}
}

static void
choosing(const struct policy *p, const struct noting *to, const char *what, const char *name,
	struct choose choose, const struct target *v, size_t n)
{
	bool drawn = choose.by == CHOOSE_WEIGHT || choose.by == CHOOSE_LATENCY;

	for (size_t i = 0; i < n && !drawn; i++)
		if (v[i].weight > 1) {
			note_say(to, v[i].at,
				"%s %s: weight: counts where targets are drawn: choose: {by: "
				"weight}",
				what, name);
			break;
		}
	if (n > 1 && choose.by == CHOOSE_PRICE && !p->prices)
		note_say(to, v->at,
			"%s %s: choose: by price: the policy names no file of prices: targets "
			"go in their order",
			what, name);
	if (n > 1 && !drawn && choose.sticky)
		note_say(to, v->at, "%s %s: sticky: does nothing where targets go by %s", what,
			name, choose.by == CHOOSE_PRICE ? "price" : "order");
}

static bool
is_alias(const struct policy *p, const char *model)
{
	for (size_t i = 0; model && i < p->nroutes; i++)
		if (policy_route_as(&p->routes[i], span_str(model))->alias)
			return true;
	return false;
}

/* A model that is sent and bears a name that callers ask for: other targets may be meant. */
static void
both(const struct policy *p, const struct noting *to, const char *what, const char *name,
	const struct target *v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (is_alias(p, v[i].model))
			note_say(to, v[i].at,
				"%s %s: %s is one of `models` too: what is sent is that name "
				"itself, and who asks for it gets what the name stands for",
				what, name, v[i].model);
}

/* Of what only a model's name leads to. */
static void
names(const struct policy *p, const struct config *cfg, const struct noting *to)
{
	size_t first = 0; /* each is told of once */

	while (first < p->nroutes && !p->routes[first].naliases)
		first++;
	for (size_t i = first; i < p->nroutes; i++)
		for (size_t k = 0; k < p->routes[i].naliases; k++) {
			const struct route *a = &p->routes[i].aliases[k];
			if (i == first) {
				choosing(p, to, "model", a->alias, a->choose, a->targets,
					a->ntargets);
				both(p, to, "model", a->alias, a->targets, a->ntargets);
			}
			if (cfg && !cfg->relay)
				note_say(to, p->routes[i].at,
					"route %s: model %s: what is sent is another name, and "
					"the configuration has no relay: 503",
					p->routes[i].name, a->alias);
		}
}

/* Callers ask for names; what a rule or a limit sends is a model. */
static void
sent(const struct policy *p, const struct noting *to)
{
	static const char says[] =
		"%s %s: %s is one of `models`: what it sends is that name itself";

	for (size_t i = 0; i < p->nrules; i++) {
		const struct rule_change *x = p->rules[i].change;
		if (x && is_alias(p, x->model))
			note_say(to, p->rules[i].at, says, "rule", p->rules[i].name, x->model);
	}
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		const struct limit_change *both[] = { l->at_soft, l->at_limit };
		for (size_t k = 0; k < COUNT_OF(both); k++)
			if (both[k] && is_alias(p, both[k]->model))
				note_say(to, l->at, says, "limit", l->name, both[k]->model);
	}
}

/* Two of the route's targets that the rule names in another order. */
static bool
reorders(const struct rule_change *x, const struct route *r)
{
	size_t before = 0;

	for (size_t n = 0; n < x->ntargets; n++)
		for (size_t t = 0; t < r->ntargets; t++)
			if (policy_target_is(&r->targets[t], x->targets[n])) {
				if (t < before)
					return true;
				before = t;
			}
	return false;
}

/* A rule's order counts on routes that go by order. */
static void
orders(const struct policy *p, const struct noting *to)
{
	for (size_t i = 0; i < p->nrules; i++) {
		const struct rule_change *x = p->rules[i].change;
		bool by_order = false;
		const struct route *other = NULL;
		for (size_t k = 0; x && k < p->nroutes; k++) {
			const struct route *r = &p->routes[k];
			if (!reorders(x, r))
				continue;
			by_order |= r->choose.by == CHOOSE_ORDER;
			other = r;
		}
		if (other && !by_order)
			note_say(to, p->rules[i].at,
				"rule %s: route: targets: their order counts for nothing: "
				"route %s does not choose by order",
				p->rules[i].name, other->name);
	}
}

/* What of the other forms has no place in this one. */
static const char *const losses[FORMS] = {
	[FORM_CHAT] = "top_k, files by URL, citations",
	[FORM_RESPONSES] = "n over 1, top_k, stop texts, seed, penalties, logprobs",
	[FORM_MESSAGES] = "n over 1, logprobs, seed, penalties, audio, JSON without a schema",
	[FORM_GENERATE] = "logprobs, files and images by URL, one call at a time",
	[FORM_CONVERSE] = "n over 1, logprobs, top_k, seed, penalties, audio, files and images by "
			  "URL",
	[FORM_EMBED_COHERE] = "conversations",
};

/* Returns true if no path of a member reads so: a number in brackets, brackets after no name, or "$". */
static bool
drop_never_matches(const char *drop)
{
	size_t name = strcspn(drop, "=");
	const char *bracket = memchr(drop, '[', name);

	if (*drop == '$' || *drop == '[' || *drop == '.' || !name || drop[name - 1] == '.')
		return true;
	for (; bracket; bracket = memchr(bracket, '[', (size_t)(drop + name - bracket))) {
		if (strncmp(bracket, "[*]", 3) != 0)
			return true;
		bracket++;
	}
	return false;
}

static void
losses_noted(const struct policy *p, const struct config *cfg, const struct noting *to)
{
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		unsigned callers = forms_of_dialect(r->dialect);
		if (r->translates && cfg && !cfg->relay)
			note_say(to, r->at,
				"route %s: translates, and the configuration has no relay: 503",
				r->name);
		for (size_t i = 0; i < r->ndrop; i++)
			if (drop_never_matches(r->drop[i]))
				note_say(to, r->at,
					"route %s: translate.drop has no effect for %s: a path is "
					"`top_k`, or `messages[*].name` with [*] for any place",
					r->name, r->drop[i]);
		for (size_t i = 0; i < r->ntargets; i++) {
			const struct target *t = &r->targets[i];
			if (t->forms && callers & forms_into(t->translated) & ~t->forms)
				note_say(to, t->at,
					"route %s: %s is asked in %s by callers of other forms: it "
					"has no place for %s, nor for tools that a provider runs "
					"(docs/translation.md)",
					r->name, t->name, form_name(t->translated),
					losses[t->translated]);
		}
	}
}

void
policy_target_notes(const struct policy *p, const struct config *cfg, const struct noting *to)
{
	attempts(p, cfg, to);
	times(p, to);
	whole_unbounded(p, to);
	for (const struct route *r = p->routes; r < p->routes + p->nroutes; r++) {
		choosing(p, to, "route", r->name, r->choose, r->targets, r->ntargets);
		both(p, to, "route", r->name, r->targets, r->ntargets);
	}
	losses_noted(p, cfg, to);
	names(p, cfg, to);
	sent(p, to);
	orders(p, to);
}
