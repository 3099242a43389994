/* Which entities a policy can use: those that a condition, a recogniser's condition or an
 * effect names, by themselves or by a class. Others are found in vain. */
#include <stdio.h>

#include "base/sha256.h"
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

/* By the slots that hold entities, classes and whether a value was in disguise. */
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
policy_limit_names_used(const struct policy *p, const struct detect_rules *r,
	const struct limit *l, struct entity_set *out)
{
	bool named = policy_names_used(p, r, l->when, out);

	for (size_t i = 0; i < l->nper; i++)
		named &= policy_names_used(p, r, l->per[i], out);
	return named;
}

bool
policy_answer_names_used(const struct policy *p, const struct detect_rules *r,
	const struct cel_program *when, struct entity_set *out)
{
	struct naming n = { p, r, out };

	return names_used(
		&n, when, V_RESPONSE_ENTITIES, V_RESPONSE_CLASSES, V_RESPONSE_EVASION);
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

/* "NAME" in prompt.classes: a misspelt NAME is valid CEL and never matches. */
struct named {
	const struct builder *b;
	const struct yaml_node *at;
	const char *what, *name, *field; /* "rule", its name, "prompt.classes" */
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
	diag_at(m->b->d, m->at, "%s %s: no %s can be \"%.*s\"%s", m->what, m->name, m->field,
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
	diag_at(m->b->d, m->at, "%s %s: no %s can be \"%.*s\"%s", m->what, m->name, m->field,
		SPAN_ARG(name), nearest_hint(&near));
}

/* Reports the classes and entities that the condition names and nothing can find. */
static void
names_known(struct builder *b, const struct yaml_node *at, const char *what, const char *name,
	const struct cel_program *when)
{
	static const struct {
		enum policy_slot slot;
		void (*known)(void *arg, struct span name);
	} fields[] = {
		{ V_PROMPT_CLASSES, known_class },
		{ V_PROMPT_ENTITIES, known_entity },
		{ V_RESPONSE_CLASSES, known_class },
		{ V_RESPONSE_ENTITIES, known_entity },
	};

	for (size_t i = 0; when && i < COUNT_OF(fields); i++) {
		struct named m = { b, at, what, name, policy_env.vars[fields[i].slot].path };
		cel_names(when, fields[i].slot, fields[i].known, &m);
	}
}

void
build_names(struct builder *b)
{
	const struct policy *p = b->p;

	for (size_t i = 0; i < p->nrules; i++)
		names_known(b, p->rules[i].at, "rule", p->rules[i].name, p->rules[i].when);
	for (size_t i = 0; i < p->nanswer_rules + p->ntool_rules; i++)
		names_known(b, p->answer_rules[i].at, "rule", p->answer_rules[i].name,
			p->answer_rules[i].when);
	for (size_t i = 0; i < p->nlimits; i++) {
		const struct limit *l = &p->limits[i];
		names_known(b, l->at, "limit", l->name, l->when);
		for (size_t k = 0; k < l->nper; k++)
			names_known(b, l->at, "limit", l->name, l->per[k]);
	}
	for (size_t i = 0; i < p->nexternals; i++)
		names_known(b, p->externals[i].at, "external", p->externals[i].rec.name,
			p->externals[i].when);
}

/* Classes that decide what becomes of a request of which somebody is silent. */
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

	for (size_t i = 0; i < p->nrules; i++) {
		all |= !policy_names_used(p, b->rules, p->rules[i].when, &p->used);
		entities_join(&p->used, &p->rules[i].redact);
	}
	/* What they read of the request; of the answer: build_answers(). */
	for (size_t i = 0; i < p->nanswer_rules + p->ntool_rules; i++)
		all |= !policy_names_used(p, b->rules, p->answer_rules[i].when, &p->used);
	/* arguments are the request's */
	for (size_t i = 0; i < p->ntool_rules; i++)
		entities_join(&p->used, &p->tool_rules[i].redact);
	for (size_t i = 0; i < p->nlimits; i++)
		all |= !policy_limit_names_used(p, b->rules, &p->limits[i], &p->used);
	for (size_t i = 0; i < p->nexternals; i++)
		all |= !policy_names_used(p, b->rules, p->externals[i].when, &p->used);
	use_on_failure(p, &p->on_failure);
	for (size_t i = 0; i < p->nroutes; i++)
		use_on_failure(p, &p->routes[i].on_failure);
	p->uses_all = all;
}
