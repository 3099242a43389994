/* Determines the entities that a policy can use: all that a condition, a recognizer's
 * condition or an effect names, directly or by a class. The gateway searches only for these,
 * unless a condition may depend on any entity. */
#include <stdio.h>

#include "base/sha256.h"
#include "policy/build.h"
#include "policy/env.h"
#include "policy/external.h"
#include "policy/limit.h"
#include "policy/policy.h"

/* Argument of cel_names(). */
struct naming {
	const struct policy *p;
	const struct detect_rules *r;
	struct entity_set *out;
};

static void
name_entity(void *arg, struct span name)
{
	const struct naming *n = arg;
	int e = detect_entity_find(n->r, name);

	if (e >= 0)
		entity_add(n->out, (size_t)e);
}

static void
name_class(void *arg, struct span name)
{
	const struct naming *n = arg;

	for (size_t k = 0; k < n->p->nclasses; k++)
		if (span_is(name, n->p->classes[k].name))
			entities_join(n->out, &n->p->classes[k].entities);
}

/* Adds the entities that a condition names in the given slots. Returns false if it may depend on
 * any entity. */
static bool
names_used(struct naming *n, const struct cel_program *when, enum policy_slot entities,
	enum policy_slot classes, enum policy_slot evasion)
{
	return !when ||
	       (cel_names(when, entities, name_entity, n) &&
		       cel_names(when, classes, name_class, n) && !cel_reads(when, evasion));
}

bool
policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return names_used(&n, when, V_PROMPT_ENTITIES, V_PROMPT_CLASSES, V_PROMPT_EVASION);
}

bool
policy_answer_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return names_used(
		&n, when, V_RESPONSE_ENTITIES, V_RESPONSE_CLASSES, V_RESPONSE_EVASION);
}

bool
policy_condition_next(const struct policy *p, struct policy_condition *c)
{
	size_t i = c->next, per = c->per;

	if (i < p->nall_rules) {
		const struct rule *r = &p->rules[i];
		*c = (struct policy_condition){ "rule", r->name, r->at, r->when, i + 1, 0 };
		return true;
	}
	i -= p->nall_rules;
	if (i < p->nlimits) {
		const struct limit *l = &p->limits[i];
		bool more = per < l->nper;
		*c = (struct policy_condition){ "limit", l->name, l->at,
			per ? l->per[per - 1] : l->when, more ? c->next : c->next + 1,
			more ? per + 1 : 0 };
		return true;
	}
	i -= p->nlimits;
	if (i < p->nexternals) {
		const struct external *x = &p->externals[i];
		*c = (struct policy_condition){ "external", x->rec.name, x->at, x->when,
			c->next + 1, 0 };
		return true;
	}
	return false;
}

void
policy_entities_hash(const struct detect_rules *r, const struct entity_set *set, char out[17])
{
	unsigned char digest[SHA256_BYTES];
	struct sha256 h;

	sha256_begin(&h);
	for (size_t e = 0; e < detect_entity_count(r); e++)
		if (entity_in(set, e)) {
			sha256_add(&h, span_str(detect_entity_name(r, e)));
			sha256_add(&h, SPAN_LIT("\n"));
		}
	sha256_end(&h, digest);
	for (size_t i = 0; i < 8; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

/* A condition, and the field in which names are checked. A misspelled "NAME" in prompt.classes is
 * valid CEL and never matches. */
struct named {
	const struct builder *b;
	const struct policy_condition *of;
	enum policy_slot field;
};

/* Reports a class or entity that does not exist. */
static void
known_name(void *arg, struct span name)
{
	const struct named *m = arg;
	const struct policy *p = m->b->p;
	bool class = m->field == V_PROMPT_CLASSES || m->field == V_RESPONSE_CLASSES;
	size_t n = class ? p->nclasses : detect_entity_count(m->b->rules);
	struct nearest near = nearest_to(name);

	for (size_t i = 0; i < n; i++)
		if (nearest_is(&near,
			    class ? p->classes[i].name : detect_entity_name(m->b->rules, i)))
			return;
	diag_at(m->b->d, m->of->at, "%s %s: no %s can be \"%.*s\"%s", m->of->what, m->of->name,
		policy_env.vars[m->field].path, SPAN_ARG(name), nearest_hint(&near));
}

void
build_names(struct builder *b)
{
	static const enum policy_slot fields[] = { V_PROMPT_CLASSES, V_PROMPT_ENTITIES,
		V_RESPONSE_CLASSES, V_RESPONSE_ENTITIES };

	for (struct policy_condition c = { 0 }; policy_condition_next(b->p, &c);)
		for (size_t i = 0; c.when && i < COUNT_OF(fields); i++) {
			struct named m = { b, &c, fields[i] };
			cel_names(c.when, fields[i], known_name, &m);
		}
}

/* Adds the classes that on_failure.classifier names. */
static void
use_on_failure(struct policy *p, const struct on_failure *of)
{
	for (size_t i = 0; i < of->nby_class; i++)
		entities_join(&p->used, &p->classes[of->by_class[i].class].entities);
}

void
build_used(struct builder *b)
{
	struct policy *p = b->p;
	bool all = false;

	/* entities in requests; build_answers() determines those in responses */
	for (struct policy_condition c = { 0 }; policy_condition_next(p, &c);)
		all |= !policy_names_used(p, b->rules, c.when, &p->used);
	/* arguments of calls are part of requests */
	for (size_t i = 0; i < p->nall_rules; i++)
		if (p->rules[i].phase != PHASE_RESPONSE)
			entities_join(&p->used, &p->rules[i].redact);
	use_on_failure(p, &p->on_failure);
	for (size_t i = 0; i < p->nroutes; i++)
		use_on_failure(p, &p->routes[i].on_failure);
	p->uses_all = all;
}
