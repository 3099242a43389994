/* Every rule's own examples, as `check` and the tests run them. */
#include "base/codec/yaml.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/detect/engine.h"

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
	/* A policy's own may take what an example holds: they are off. */
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
