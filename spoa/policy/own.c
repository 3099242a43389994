/* Reads classes with their own detectors before the detection rules are loaded. Their words,
 * patterns and files are compiled into the rules that the rest of the policy then uses.
 * policy_open() loads the rules and the policy together. */
#include "base/ascii.h"
#include "base/scoped.h"
#include "policy/own.h"

#include <stdlib.h>

#include "policy/config/include.h"
#include "policy/config/read.h"
#include "policy/policy.h"
#include "policy/section.h"
#include "scan/detect/custom/custom.h"
#include "scan/detect/detect.h"

enum { SHINGLES_LEAST = 64 }; /* highest value of `shingles` */

/* State of one load. Lives on its stack. */
struct reading {
	struct arena *a;
	struct diag *d;
	const char *file;
};

bool
class_is_score(const struct yaml_node *n)
{
	return n->kind == YAML_MAPPING && yaml_get(n, "score") &&
	       n->count == 1 + (yaml_get(n, "roles") != NULL);
}

/* Returns the class's name in upper case, with '_' for other characters. */
static const char *
entity_of(struct reading *r, const struct yaml_node *n)
{
	char *name = arena_strdup(r->a, n->key->s.p);

	for (char *p = name; p && *p; p++)
		*p = is_alnum(*p) ? to_upper(*p) : '_';
	return name;
}

/* Returns the node of a list of strings, or NULL if it is missing or wrong. */
static const struct yaml_node *
own_texts(struct reading *r, const struct yaml_node *n, const char *key)
{
	const struct yaml_node *c = yaml_get(n, key);

	return c && read_texts(r->a, r->d, c, key, NULL, NULL) ? c : NULL;
}

/* Returns the path of a file that the policy depends on, or NULL. */
static const char *
own_path(struct reading *r, const struct yaml_node *c)
{
	const char *out = NULL;

	if (c && read_path(r->a, r->d, c, &out))
		diag_reads(r->d, out);
	return out;
}

/* Sets the entity: `entity` of the class, or its name. */
static void
entity_name(struct reading *r, const struct yaml_node *n, struct detect_own *own)
{
	const struct yaml_node *c = yaml_get(n, "entity");

	own->entity = c ? c->kind == YAML_SCALAR ? c->s.p : "" : entity_of(r, n);
	if (c)
		own->at = c;
	if (own->entity && detect_entity_is_name(span_str(own->entity)))
		return;
	diag_at(r->d, own->at,
		"%s: at most 63 upper case letters, digits and _ are expected as the name of "
		"its entity%s",
		c ? "entity" : n->key->s.p, c ? "" : "; give one with `entity:`");
	own->entity = NULL;
}

static void
own_numbers(struct reading *r, const struct yaml_node *n, struct detect_own *own)
{
	const struct yaml_node *c = yaml_get(n, "threshold");
	double v;

	if (c && read_score(r->d, c, &v))
		own->threshold = (float)v;
	uint64_t shingles = OWN_SHINGLES;
	if ((c = yaml_get(n, "shingles"))) {
		if (read_uint(r->d, c, 1, SHINGLES_LEAST, &shingles) &&
			!yaml_get(n, "fingerprints"))
			diag_at(r->d, c->key,
				"shingles: is for fingerprints, and the class has none: "
				"remove it");
	}
	own->shingles = (unsigned)shingles;
}

static bool
class_has_detectors(const struct yaml_node *n)
{
	return yaml_get(n, "words") || yaml_get(n, "patterns") || yaml_get(n, "dictionary") ||
	       yaml_get(n, "fingerprints");
}

const char *
class_own_entity(struct arena *a, const struct yaml_node *n)
{
	struct reading r = { .a = a };
	const struct yaml_node *c = yaml_get(n, "entity");

	if (!class_has_detectors(n))
		return NULL;
	return c ? c->s.p : entity_of(&r, n);
}

/* Reads a class that is a mapping. Returns false if it has no detectors of its own. */
static bool
read_own_class(struct reading *r, const struct yaml_node *n, struct detect_own *own)
{
	/* keys of a class without its own detectors */
	static const char *const of_any[] = { "entity", "entities", "classes", "without",
		"roles", NULL };
	unsigned errors = r->d->errors;

	*own = (struct detect_own){ .at = n->key, .class = n->key->s.p, .threshold = 0.5f };
	if (!section_read(r->a, r->d, n, SECTION_CLASS, own))
		return false;
	if (!class_has_detectors(n)) {
		if (!yaml_get(n, "entities") && !yaml_get(n, "classes") &&
			!yaml_get(n, "without") && r->d->errors == errors)
			diag_at(r->d, n,
				"%s: one of entities, classes, without, words, patterns, "
				"dictionary, fingerprints is expected",
				n->key->s.p);
		for (const struct yaml_node *c = n->child; c && r->d->errors == errors;
			c = c->next)
			if (!read_listed(of_any, c->key->s))
				diag_at(r->d, c->key,
					"%s: needs words, patterns, dictionary or "
					"fingerprints, and the class has none",
					c->key->s.p);
		return false;
	}
	entity_name(r, n, own);
	own_numbers(r, n, own);
	own->words = own_texts(r, n, "words");
	own->patterns = own_texts(r, n, "patterns");
	own->context = own_texts(r, n, "context");
	own->against = own_texts(r, n, "against");
	own->dictionary_at = yaml_get(n, "dictionary");
	own->dictionary = own_path(r, own->dictionary_at);
	own->fingerprints_at = yaml_get(n, "fingerprints");
	own->fingerprints = own_path(r, own->fingerprints_at);
	if (own->patterns && own->patterns->count > OWN_PATTERNS) {
		diag_at(r->d, own->patterns,
			"patterns: more than %d: use a dictionary for more words",
			OWN_PATTERNS);
		own->patterns = NULL;
	}
	return own->entity != NULL;
}

static int
by_entity(const void *x, const void *y)
{
	const struct detect_own *a = x, *b = y;

	return strcmp(a->entity, b->entity);
}

const struct detect_extra *
policy_own(struct arena *a, const struct yaml_node *root, const char *file, struct diag *d)
{
	struct reading r = { a, d, file };
	const struct yaml_node *classes = yaml_get(root, "classes");
	struct detect_extra *extra = arena_new(a, struct detect_extra);
	struct detect_own *v = arena_array(a, OWN_CLASSES, sizeof(*v));
	size_t n = 0;

	if (!extra || !v || !classes || classes->kind != YAML_MAPPING)
		return extra;
	for (const struct yaml_node *c = classes->child; c && n < OWN_CLASSES; c = c->next)
		if (c->kind == YAML_MAPPING && !class_is_score(c) &&
			read_own_class(&r, c, &v[n]))
			n++;
	qsort(v, n, sizeof(*v), by_entity);
	*extra = (struct detect_extra){ v, n };
	return extra;
}

/* Returns rules that know only the names of the entities. They are used after an error in own
 * detectors, so that the rest of the policy is still checked. */
static struct detect_rules *
names_only(struct arena *a, const struct detect_extra *extra, const char *detectors)
{
	struct detect_own *v = arena_array(a, OWN_CLASSES, sizeof(*v));
	struct detect_extra names = { v, extra ? extra->n : 0 };
	struct detect_rules *rules;

	for (size_t i = 0; v && i < names.n; i++)
		v[i] = (struct detect_own){ .at = extra->v[i].at,
			.class = extra->v[i].class,
			.entity = extra->v[i].entity,
			.threshold = 0.5f };
	SCOPED_BUF(errors, 1 << 20);
	rules = v ? detect_load_with(detectors, &names, &errors) : NULL;
	if (!rules)
		rules = detect_load(detectors, &errors);
	return rules;
}

const struct policy *
policy_open(struct arena *a, const char *file, const struct config *cfg, const char *detectors,
	struct detect_rules **rules, struct diag *d)
{
	const struct yaml_node *root = policy_tree(a, file, d);
	const struct policy *p = NULL;
	unsigned before = d->errors;

	*rules = NULL;
	if (!root)
		return NULL;
	SCOPED_BUF(errors, 1 << 20);
	if (detectors)
		diag_reads(d, detectors);
	const struct detect_extra *extra = policy_own(a, root, file, d);
	*rules = detect_load_with(detectors, extra, &errors);
	for (size_t i = 0; i < errors.n; i++)
		d->errors += buf_view(&errors).p[i] == '\n';
	buf_span(&d->text, buf_view(&errors));
	if (!*rules && d->errors == before)
		diag_file(d, file, "out of memory");
	/* errors of own detectors do not hide errors of the rest */
	unsigned own = d->errors;
	struct detect_rules *shipped = *rules ? *rules : names_only(a, extra, detectors);
	if (shipped)
		p = policy_compile(a, root, file, cfg, shipped, d);
	if (shipped != *rules)
		detect_free(&shipped);
	if (own == before && p)
		return p;
	detect_free(rules);
	return NULL;
}
