/* Which entities a policy can use: those that a condition, a recogniser's condition or an
 * effect names, by themselves or by a class. Others are found in vain. */
#include "policy/build.h"

struct naming {
	const struct policy *p;
	const struct detect_rules *r;
	struct entity_set *out;
};

static void
join(struct entity_set *to, const struct entity_set *from)
{
	for (size_t i = 0; i < sizeof(to->bit) / sizeof(to->bit[0]); i++)
		to->bit[i] |= from->bit[i];
}

static void
add_entity(void *arg, struct span name)
{
	const struct naming *n = arg;
	int e = detect_entity_find(n->r, name);

	if (e >= 0)
		n->out->bit[e / 64] |= 1ull << (e % 64);
}

static void
add_class(void *arg, struct span name)
{
	const struct naming *n = arg;

	for (size_t k = 0; k < n->p->nclasses; k++)
		if (span_is(name, n->p->classes[k].name))
			join(n->out, &n->p->classes[k].entities);
}

bool
policy_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return !when || (cel_names(when, V_PROMPT_ENTITIES, add_entity, &n) &&
				cel_names(when, V_PROMPT_CLASSES, add_class, &n) &&
				!cel_reads(when, V_PROMPT_EVASION));
}

void
build_used(struct builder *b)
{
	struct policy *p = b->p;
	bool all = false;

	for (size_t i = 0; i < p->nrules; i++) {
		all |= !policy_names_used(p, b->rules, p->rules[i].when, &p->used);
		join(&p->used, &p->rules[i].redact);
	}
	for (size_t i = 0; i < p->nlimits; i++)
		all |= !policy_names_used(p, b->rules, p->limits[i].when, &p->used);
	for (size_t i = 0; i < p->nexternals; i++)
		all |= !policy_names_used(p, b->rules, p->externals[i].when, &p->used);
	p->uses_all = all;
}
