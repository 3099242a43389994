/* Reads `output_default`: the number of output tokens to reserve for a request without a cap on
 * its output. It is one number, or one for each pattern of models. If several patterns match,
 * the most specific one applies. */
#include "base/price/price.h"
#include "policy/build.h"
#include "policy/policy.h"

enum { OUTPUT_MOST = 10000000, OUTPUT_ROWS = 64 };

/* Returns true if no earlier pattern may match the same model without one of the two being more
 * specific. */
static bool
is_clear(struct builder *b, const struct yaml_node *n, const struct output_default *v, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		const char *x = v[k].model, *y = v[i].model;
		if (!price_ambiguous(x, y))
			continue;
		diag_at(b->d, n->key,
			"output_default: %s and %s may match the same model, and neither is "
			"more specific: change one of them",
			y, x);
		return false;
	}
	return true;
}

static void
by_model(struct builder *b, const struct yaml_node *n)
{
	struct output_default *v = build_array(b, n, n->count, sizeof(*v));

	if (n->count == 0)
		diag_at(b->d, n, "output_default: the mapping is empty");
	if (n->count > OUTPUT_ROWS)
		diag_at(b->d, n, "output_default: more than %d", OUTPUT_ROWS);
	if (!v || n->count == 0 || n->count > OUTPUT_ROWS)
		return;
	b->p->output_defaults = v;
	for (const struct yaml_node *c = n->child; c; c = c->next) {
		struct output_default *one = &v[b->p->noutput_defaults];
		if (c->key->s.n == 0 || c->key->s.n > PRICE_PATTERN_MAX) {
			diag_at(b->d, c->key,
				"output_default: a model or a pattern such as gpt-5*, at most "
				"%d bytes, is expected",
				PRICE_PATTERN_MAX);
			continue;
		}
		one->model = arena_strdup(b->a, c->key->s.p);
		if (!one->model)
			continue;
		if (read_uint(b->d, c, 1, OUTPUT_MOST, &one->tokens) &&
			is_clear(b, c, v, b->p->noutput_defaults))
			b->p->noutput_defaults++;
	}
}

void
build_output_default(struct builder *b, const struct yaml_node *n)
{
	if (n && n->kind == YAML_MAPPING)
		by_model(b, n);
	else if (n && n->kind == YAML_SCALAR)
		read_uint(b->d, n, 1, OUTPUT_MOST, &b->p->output_default);
	else if (n)
		diag_at(b->d, n,
			"output_default: a whole number from 1 to %d, or a mapping of models "
			"to such numbers, is expected, found %s",
			OUTPUT_MOST, yaml_found(n));
}

uint64_t
policy_output_default(const struct policy *p, struct span model)
{
	const struct output_default *best = NULL;

	for (size_t i = 0; i < p->noutput_defaults; i++) {
		const struct output_default *v = &p->output_defaults[i];
		if (price_better(best ? best->model : NULL, v->model, model))
			best = v;
	}
	return best ? best->tokens : p->output_default;
}

uint64_t
policy_output_least(const struct policy *p)
{
	uint64_t least = UINT64_MAX;
	bool every = false; /* a pattern matches every model */

	for (size_t i = 0; i < p->noutput_defaults; i++) {
		const struct output_default *v = &p->output_defaults[i];
		least = v->tokens < least ? v->tokens : least;
		every |= !strcmp(v->model, "*");
	}
	return !every && p->output_default < least ? p->output_default : least;
}
