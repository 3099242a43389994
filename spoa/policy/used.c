/* Which entities a policy can use: those that a condition, a recogniser's condition or an
 * effect names, by themselves or by a class. Others are found in vain. */
#include "policy/build.h"

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

bool
policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return !when || (cel_names(when, V_PROMPT_ENTITIES, name_entity, &n) &&
				cel_names(when, V_PROMPT_CLASSES, name_class, &n) &&
				!cel_reads(when, V_PROMPT_EVASION));
}

void
build_used(struct builder *b)
{
	struct policy *p = b->p;
	bool all = false;

	for (size_t i = 0; i < p->nrules; i++) {
		all |= !policy_names_used(p, b->rules, p->rules[i].when, &p->used);
		entities_join(&p->used, &p->rules[i].redact);
	}
	for (size_t i = 0; i < p->nlimits; i++)
		all |= !policy_names_used(p, b->rules, p->limits[i].when, &p->used);
	for (size_t i = 0; i < p->nexternals; i++)
		all |= !policy_names_used(p, b->rules, p->externals[i].when, &p->used);
	p->uses_all = all;
}
