/* Reads classes of entities, their detection thresholds, the injection model and lists of
 * roles. A class in the policy replaces the members that the rule files give to this class.
 * Classes that the policy does not list keep their members. own.c reads the detectors that a
 * class adds. */
#include <stdlib.h>

#include "base/scoped.h"
#include "policy/build.h"
#include "policy/own.h"
#include "policy/policy.h"
#include "scan/inject/inject.h"
#include "scan/text/body.h"

void
build_roles(struct builder *b, const struct yaml_node *n, uint16_t may, uint16_t *out)
{
	_Static_assert(ROLE_COUNT <= 16, "a bit each");
	const struct yaml_node *c = build_each(b, n, "roles", NULL, NULL);

	*out = 0;
	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		uint16_t bit = 0;
		for (unsigned k = 0; k < ROLE_COUNT && !bit; k++)
			if (nearest_is(&near, role_name((enum seg_role)k)))
				bit = (uint16_t)(1u << k);
		if (!bit)
			diag_at(b->d, c, "roles: no such role: %s%s", c->s.p,
				nearest_hint(&near));
		else if (!(bit & may))
			diag_at(b->d, c, "roles: segments of role %s have no injection score",
				c->s.p);
		*out |= bit;
	}
}

/* ---- injection model ---- */

/* Roles with an injection score; gate/steps/step_classify.c scores them. */
enum {
	INJECT_ROLES = 1u << ROLE_OTHER | 1u << ROLE_USER | 1u << ROLE_TOOL_RESULT |
		       1u << ROLE_DOCUMENT | 1u << ROLE_QUERY
};

/* patterns: {ID: false}: turns single patterns of the model off. */
static void
injection_patterns(struct builder *b, const struct yaml_node *n)
{
	if (!read_map(b->d, n, "patterns", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct nearest near = nearest_to(c->key->s);
		const char *id;
		size_t i = 0;
		bool on;
		while ((id = inject_pattern_id(b->p->inject, i)) && !nearest_is(&near, id))
			i++;
		if (!id)
			diag_at(b->d, c->key, "%s: the injection model has no such pattern%s",
				c->key->s.p, nearest_hint(&near));
		else if (read_bool(b->d, c, &on) && !on)
			b->p->inject_off |= UINT64_C(1) << i;
	}
}

/* injection: {model: FILE, patterns: …}. Without `model`, the shipped model is loaded. */
static void
build_injection(struct builder *b, const struct yaml_node *n)
{
	const struct yaml_node *c = n && n->kind == YAML_MAPPING ? yaml_get(n, "model") : NULL;
	const char *file = NULL;

	if (n && !build_section(b, n, SECTION_INJECTION, NULL))
		n = NULL;
	if (c && !build_path(b, c, &file))
		c = NULL;
	SCOPED_BUF(why, 4096);
	b->p->inject = inject_load(b->a, file, &why);
	if (!b->p->inject && c)
		diag_at(b->d, c, "model: %.*s", SPAN_ARG(buf_view(&why)));
	else if (!b->p->inject)
		diag_file(b->d, b->file, "%.*s", SPAN_ARG(buf_view(&why)));
	if (b->p->inject && n && (c = yaml_get(n, "patterns")))
		injection_patterns(b, c);
	/* {score: 0.9, roles: […]}: a class that a request has if its injection score is at
	 * least this value. */
}

static void
build_score(struct builder *b, const struct yaml_node *c, struct policy_class *k)
{
	const struct yaml_node *n = yaml_get(c, "score");
	double v;

	if (!yaml_double(n, &v) || !(v > 0.0 && v <= 1.0)) {
		diag_at(b->d, n,
			"score: a number above 0.0, at most 1.0, is expected, found %s",
			yaml_found(n));
		return;
	}
	if ((n = yaml_get(c, "roles")))
		build_roles(b, n, INJECT_ROLES, &k->roles);
	/* A request has one injection score, so all classes with `score` need the same
	 * roles. */
	for (const struct policy_class *o = b->p->classes; o < k; o++)
		if (o->injection > 0 && o->roles != k->roles)
			diag_at(b->d, c->key,
				"%s: its roles differ from those of %s: a request has one "
				"score, so write the same roles",
				k->name, o->name);
	b->p->inject_roles = k->roles;
	k->injection = v;
	b->p->scores = true;
}

/* ---- classes ---- */

static int
class_find(const struct policy *p, struct span name)
{
	for (size_t i = 0; i < p->nclasses; i++)
		if (span_is(name, p->classes[i].name))
			return (int)i;
	return -1;
}

static int
entity_find(struct builder *b, const struct yaml_node *n, struct span name)
{
	int e = detect_entity_find(b->rules, name);

	if (e >= 0)
		return e;
	struct nearest near = nearest_to(name);
	for (size_t i = 0; i < detect_entity_count(b->rules); i++)
		nearest_try(&near, detect_entity_name(b->rules, i));
	diag_at(b->d, n, "%.*s: no such entity%s", SPAN_ARG(name), nearest_hint(&near));
	return -1;
}

void
build_entities(
	struct builder *b, const struct yaml_node *n, const char *what, struct entity_set *out)
{
	const struct yaml_node *c = build_each(b, n, what, NULL, NULL);

	for (; c; c = yaml_next(n, c)) {
		int e = entity_find(b, c, c->s);
		if (e < 0)
			continue;
		entity_add(&b->p->lists, (size_t)e);
		detect_entity_below(b->rules, (size_t)e, out->bit);
	}
}

void
build_class_members(struct builder *b, const struct yaml_node *n, struct entity_set *out)
{
	const struct yaml_node *c = build_each(b, n, "classes", NULL, NULL);
	const struct policy_class *all = b->p->classes;

	for (; c; c = yaml_next(n, c)) {
		struct nearest near = nearest_to(c->s);
		size_t k = nearest_find(&near, all, b->p->nclasses, sizeof(*all));
		if (k < b->p->nclasses)
			entities_join(out, &all[k].entities);
		else
			diag_at(b->d, c, "%s: no such class%s", c->s.p, nearest_hint(&near));
	}
}

/* without: [PERSON]: removes members, but not the special entities below them. Removing an
 * entity that is no member is an error. */
static void
remove_members(struct builder *b, const struct yaml_node *n, struct policy_class *k)
{
	const struct yaml_node *c = build_each(b, n, "without", NULL, NULL);

	for (; c; c = yaml_next(n, c)) {
		int e = entity_find(b, c, c->s);
		if (e < 0)
			continue;
		if (!entity_in(&k->entities, (size_t)e))
			diag_at(b->d, c, "without: %s is not in class %s", c->s.p, k->name);
		k->entities.bit[e / 64] &= ~(1ull << (e % 64));
	}
}

/* falcon: {words, patterns, …, entities}: a class with its own detectors. policy/own.c has read
 * them, and the rules know them as one entity. Without `entities`, the class keeps the members
 * that the rule files give to a class of its name. */
static void
own_class(struct builder *b, const struct yaml_node *c, struct policy_class *k)
{
	const struct yaml_node *list = yaml_get(c, "entities");
	const char *own = class_own_entity(b->a, c);
	int e = own ? detect_entity_find(b->rules, span_str(own)) : -1;

	if (class_is_score(c)) {
		build_score(b, c, k);
		return;
	}
	if (yaml_get(c, "roles"))
		build_roles(b, yaml_get(c, "roles"), UINT16_MAX, &k->roles);
	if (list && (list->kind != YAML_SEQUENCE || list->count))
		build_entities(b, list, "entities", &k->entities);
	for (size_t i = 0; !list && i < detect_entity_count(b->rules); i++)
		if (!strcmp(detect_entity_class(b->rules, i), k->name))
			entity_add(&k->entities, i);
	if (yaml_get(c, "without") && !yaml_get(c, "classes"))
		remove_members(b, yaml_get(c, "without"), k);
	if (e >= 0)
		entity_add(&k->entities, (size_t)e);
	else if (own && b->d->errors == 0)
		diag_at(b->d, c->key,
			"%s: the detectors were loaded without this entity: reload the daemon",
			own);
}

static int
class_by_name(const void *x, const void *y)
{
	const struct yaml_node *const *a = x, *const *b = y;

	return strcmp((*a)->key->s.p, (*b)->key->s.p);
}

/* Classes are sorted by name, as prompt.classes is: the order of keys in the file has no
 * meaning, and the policy's version does not depend on it. */
static void
listed_classes(struct builder *b, const struct yaml_node *n, struct policy_class *classes)
{
	struct policy *p = b->p;

	const struct yaml_node **sorted = build_array(b, n, n->count, sizeof(*sorted));
	size_t count = 0;

	for (const struct yaml_node *c = n->child; sorted && c; c = c->next)
		sorted[count++] = c;
	if (count)
		qsort(sorted, count, sizeof(*sorted), class_by_name);
	for (size_t i = 0; i < count; i++) {
		const struct yaml_node *c = sorted[i];
		struct policy_class *k = &classes[p->nclasses];
		if (p->nclasses == CLASSES_MAX) {
			diag_at(b->d, c->key, "more than %d classes", CLASSES_MAX);
			return;
		}
		if (!build_name(b, c->key, 64, &k->name))
			continue;
		p->nclasses++;
		if (c->kind == YAML_MAPPING)
			own_class(b, c, k);
		else if (c->kind != YAML_SEQUENCE || c->count) /* []: an empty class */
			build_entities(b, c, "entities", &k->entities);
	}
}

/* Adds the classes that rule files name and the policy does not list. */
static void
rule_file_classes(struct builder *b, const struct yaml_node *at, struct policy_class *classes,
	size_t listed)
{
	struct policy *p = b->p;

	for (size_t e = 0; e < detect_entity_count(b->rules); e++) {
		const char *name = detect_entity_class(b->rules, e);
		if (!name || !*name)
			continue;
		int k = class_find(p, span_str(name));
		if (k < 0 && p->nclasses == CLASSES_MAX) {
			diag_at(b->d, at, "more than %d classes, with those of the detectors",
				CLASSES_MAX);
			return;
		}
		if (k < 0) {
			k = (int)p->nclasses++;
			classes[k].name = arena_strdup(b->a, name);
		}
		if ((size_t)k >= listed)
			entity_add(&classes[k].entities, e);
	}
}

/* typed-secret: {classes: [secret], roles: [user]}: adds members of other classes after all
 * classes are known. Such a class must name classes with members of their own, so that the
 * order of classes does not matter. */
static void
joined_classes(struct builder *b, const struct yaml_node *n, struct policy_class *classes)
{
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		const struct yaml_node *of =
			c->kind == YAML_MAPPING ? yaml_get(c, "classes") : NULL;
		int k = class_find(b->p, c->key->s);
		unsigned before = b->d->errors;
		const struct yaml_node *m =
			k < 0 ? NULL : build_each(b, of, "classes", NULL, NULL);
		if (!m)
			continue;
		for (; m; m = yaml_next(of, m)) {
			const struct yaml_node *its = yaml_get(n, m->s.p);
			if (its && its->kind == YAML_MAPPING &&
				(yaml_get(its, "classes") || yaml_get(its, "roles")))
				diag_at(b->d, m,
					"%s: a class with classes or roles cannot be a member "
					"of another class",
					m->s.p);
		}
		if (b->d->errors == before)
			build_class_members(b, of, &classes[k].entities);
		if (yaml_get(c, "without") && b->d->errors == before)
			remove_members(b, yaml_get(c, "without"), &classes[k]);
	}
}

void
build_classes(struct builder *b, const struct yaml_node *n)
{
	struct yaml_node at = build_at(b, n);

	struct policy_class *classes = build_array(b, &at, CLASSES_MAX, sizeof(*classes));
	if (!classes)
		return;
	b->p->classes = classes;
	if (n && read_map(b->d, n, "classes", NULL, NULL))
		listed_classes(b, n, classes);
	rule_file_classes(b, &at, classes, b->p->nclasses);
	if (n && n->kind == YAML_MAPPING)
		joined_classes(b, n, classes);
}

static void
read_thresholds(struct builder *b, const struct yaml_node *n)
{
	if (!read_map(b->d, n, "thresholds", NULL, NULL))
		return;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		int e = entity_find(b, c->key, c->key->s);
		double v;
		if (read_score(b->d, c, &v) && e >= 0)
			b->p->thresholds[e] = (float)v;
	}
}

void
build_detectors(struct builder *b, const struct yaml_node *n)
{
	struct yaml_node at = build_at(b, n);
	size_t count = detect_entity_count(b->rules);

	b->p->thresholds = build_array(b, &at, count, sizeof(float));
	if (!b->p->thresholds)
		return;
	for (size_t e = 0; e < count; e++)
		b->p->thresholds[e] = detect_entity_threshold(b->rules, e);
	build_injection(b, n && n->kind == YAML_MAPPING ? yaml_get(n, "injection") : NULL);
	if (n && build_section(b, n, SECTION_DETECTORS, b->p) && yaml_get(n, "thresholds"))
		read_thresholds(b, yaml_get(n, "thresholds"));
}

struct detect_options
policy_detect_options(const struct policy *p)
{
	return (struct detect_options){ .thresholds = p->thresholds,
		.skip_samples = p->skip_samples,
		.labeled_names = p->labeled_names };
}

const char *
policy_class_of(const struct policy *p, const struct detect_rules *r, size_t entity)
{
	const char *own = detect_entity_class(r, entity), *first = NULL;

	for (size_t i = 0; i < p->nclasses; i++) {
		if (!entity_in(&p->classes[i].entities, entity))
			continue;
		if (!strcmp(p->classes[i].name, own))
			return own;
		first = first ? first : p->classes[i].name;
	}
	return first;
}
