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

/* "NAME" in prompt.classes: a misspelt NAME is valid CEL and never matches. */
struct named {
	const struct builder *b;
	const struct yaml_node *at;
	const char *what, *name; /* "rule", its name */
};

static void
known_class(void *arg, struct span name)
{
	const struct named *m = arg;
	const struct policy *p = m->b->p;
	struct nearest near = nearest_to(name);

	for (size_t i = 0; i < p->nclasses; i++)
		if (nearest_is(&near, p->classes[i].name))
			return;
	diag_at(m->b->d, m->at, "%s %s: no prompt.classes can be \"%.*s\"%s", m->what, m->name,
		SPAN_ARG(name), nearest_hint(&near));
}

static void
known_entity(void *arg, struct span name)
{
	const struct named *m = arg;
	struct nearest near = nearest_to(name);

	for (size_t i = 0; i < detect_entity_count(m->b->rules); i++)
		if (nearest_is(&near, detect_entity_name(m->b->rules, i)))
			return;
	diag_at(m->b->d, m->at, "%s %s: no prompt.entities can be \"%.*s\"%s", m->what, m->name,
		SPAN_ARG(name), nearest_hint(&near));
}

static void
names_known(struct builder *b, const struct yaml_node *at, const char *what, const char *name,
	const struct cel_program *when)
{
	struct named m = { b, at, what, name };

	if (!when)
		return;
	cel_names(when, V_PROMPT_CLASSES, known_class, &m);
	cel_names(when, V_PROMPT_ENTITIES, known_entity, &m);
}

void
build_names(struct builder *b)
{
	const struct policy *p = b->p;

	for (size_t i = 0; i < p->nrules; i++)
		names_known(b, p->rules[i].at, "rule", p->rules[i].name, p->rules[i].when);
	for (size_t i = 0; i < p->nlimits; i++)
		names_known(b, p->limits[i].at, "limit", p->limits[i].name, p->limits[i].when);
	for (size_t i = 0; i < p->nexternals; i++)
		names_known(b, p->externals[i].at, "external", p->externals[i].rec.name,
			p->externals[i].when);
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
