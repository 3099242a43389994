/* Lists the contents of a rule set, and runs the rules' own examples as `tollgate check` and
 * the tests do. */
#include "scan/detect/info.h"

#include "base/codec/yaml.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/detect/engine.h"
#include "scan/detect/rules/rule.h"

void
detect_info(const struct detect_rules *r, size_t entity, struct detect_info *out)
{
	INVARIANT(entity < r->nentities);
	const struct entity_rule *e = &r->entities[entity];

	*out = (struct detect_info){ .name = e->name,
		.class = e->class,
		.source = e->source ? e->source : "",
		.threshold = e->threshold,
		.examples = e->nexamples,
		.context = e->context.words.n,
		.against = e->context.against.n,
		.boost = e->context.boost,
		.own = e->own };
	for (size_t i = 0; i < r->npatterns; i++)
		out->patterns += r->patterns[i].entity == entity;
}

bool
detect_pattern_info(const struct detect_rules *r, size_t entity, size_t nth,
	struct detect_pattern_info *out)
{
	static const char *const starts[] = { [START_ANYWHERE] = "anywhere",
		[START_LITERAL] = "literal",
		[START_DIGITS] = "digits",
		[START_BYTE] = "byte",
		[START_SEED] = "seed" };

	for (size_t i = 0; i < r->npatterns; i++) {
		const struct pattern *p = &r->patterns[i];
		if (p->entity != entity || nth-- > 0)
			continue;
		*out = (struct detect_pattern_info){ p->name, p->regex, "", "", starts[p->kind],
			p->score };
		if (p->check) {
			out->check = p->check->name;
			out->proof = p->check->proof ? p->check->proof : CHECK_DIGITS;
		}
		return true;
	}
	return false;
}

void
detect_literals(const struct detect_rules *r, size_t entity,
	void (*each)(void *arg, struct span literal), void *arg)
{
	for (size_t h = 0; h < (size_t)1 << LITERAL_BITS; h++)
		for (const struct literal *l = r->prefilter.literals[h]; l; l = l->next)
			if (r->patterns[l->pattern].entity == entity)
				each(arg, l->text);
}

bool
detect_entity_is(const struct detect_rules *r, size_t entity, size_t nth, size_t *out)
{
	INVARIANT(entity < r->nentities);
	if (nth >= r->entities[entity].nis)
		return false;
	*out = r->entities[entity].is[nth];
	return true;
}

bool
detect_context_word(
	const struct detect_rules *r, size_t entity, bool against, size_t nth, struct span *out)
{
	INVARIANT(entity < r->nentities);
	const struct entity_rule *e = &r->entities[entity];
	const struct words *w = against ? &e->context.against : &e->context.words;

	if (nth >= w->n)
		return false;
	*out = w->v[nth];
	return true;
}

bool
detect_example(
	const struct detect_rules *r, size_t entity, size_t nth, struct detect_example *out)
{
	INVARIANT(entity < r->nentities);
	const struct entity_rule *e = &r->entities[entity];

	if (nth >= e->nexamples)
		return false;
	const struct example *x = &e->examples[nth];
	*out = (struct detect_example){ x->text, x->find, x->at->file, x->at->line,
		x->at->column };
	return true;
}

/* ---- the rules' own examples ---- */

static bool
example_holds(const struct detect_rules *r, struct detect_scratch *s, size_t entity,
	const struct example *x, const float *thresholds, struct arena *a)
{
	struct detect_options opt = { .thresholds = thresholds, .before = x->before };
	struct findings f;

	if (detect_scan(r, s, x->text, &opt, a, &f))
		return false;
	bool found = false;
	for (size_t i = 0; i < f.n; i++) {
		if (f.v[i].entity != entity)
			continue;
		if (!x->find.p)
			return false;
		if (span_eq(span_cut(x->text, f.v[i].start, f.v[i].end), x->find))
			found = true;
	}
	return found == (x->find.p != NULL);
}

int
detect_self_test(const struct detect_rules *r, struct buf *errors)
{
	struct detect_scratch *s = detect_scratch_new(r);
	float thresholds[DETECT_ENTITIES_MAX];
	int failed = 0;

	if (!s)
		return ERR_NOMEM;
	SCOPED_ARENA(a, 0, false);
	/* A policy's own class may find the value of an example first, so own classes are off. */
	for (size_t e = 0; e < r->nentities; e++)
		thresholds[e] = r->entities[e].own ? 2.0f : r->entities[e].threshold;
	for (size_t e = 0; e < r->nentities; e++)
		for (size_t k = 0; k < r->entities[e].nexamples; k++) {
			const struct example *x = &r->entities[e].examples[k];
			if (example_holds(r, s, e, x, thresholds, &a))
				continue;
			failed++;
			buf_printf(errors, "%s:%u:%u: %s: this example must %s\n", x->at->file,
				x->at->line, x->at->column, r->entities[e].name,
				x->find.p ? "match" : "not match");
		}
	detect_scratch_free(&s);
	return failed;
}
