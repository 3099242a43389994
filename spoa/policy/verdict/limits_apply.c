/* Chooses the limits that apply to a request, and computes the values of their dimensions. */
#include <inttypes.h>
#include <stdio.h>

#include "base/err.h"
#include "policy/limit.h"
#include "policy/policy.h"
#include "policy/verdict/facts.h"

/* The values of one dimension: one, or each member of a list once. */
struct dimension {
	struct span *v;
	size_t n;
};

static struct span
value_text(struct arena *a, const struct cel_value *v)
{
	switch (v->type) {
	case CEL_STRING: return v->s;
	case CEL_BOOL: return v->b ? SPAN_LIT("true") : SPAN_LIT("false");
	case CEL_INT: return arena_printf(a, "%" PRId64, v->i);
	case CEL_UINT: return arena_printf(a, "%" PRIu64, v->u);
	/* JSON numbers: a claim or parameter may be written as 3 or as 3.0 */
	case CEL_DOUBLE: return arena_printf(a, "%.17g", v->d);
	default: return (struct span){ NULL, 0 };
	}
}

static bool
in_dimension(const struct dimension *d, struct span text)
{
	for (size_t i = 0; i < d->n; i++)
		if (span_eq(d->v[i], text))
			return true;
	return false;
}

/* Evaluates a dimension. An expression that fails counts as the empty value, like a value that
 * is not given. */
static int
evaluate_dimension(struct facts_view *v, const struct cel_program *prog, struct dimension *d)
{
	struct cel_activation act = { .ctx = v, .lookup = facts_lookup };
	struct cel_value got = { .type = CEL_NULL };
	int err = cel_eval(prog, &act, v->a, &got);
	bool list = err == 0 && got.type == CEL_LIST;

	if (err == ERR_NOMEM)
		return err;
	if (err < 0)
		got = (struct cel_value){ .type = CEL_NULL };
	size_t n = list ? got.list.n : 1;
	d->v = arena_array(v->a, n, sizeof(*d->v));
	if (!d->v)
		return ERR_NOMEM;
	for (size_t i = 0; i < n && d->n <= LIMIT_HITS_MAX; i++) {
		struct span text = value_text(v->a, list ? &got.list.v[i] : &got);
		if (!in_dimension(d, text))
			d->v[d->n++] = text;
	}
	return 0;
}

/* Joins the values, each with its length before it: "3:abc". */
static struct span
join_values(struct arena *a, const struct dimension *d, const size_t *at, size_t n)
{
	size_t total = 0, used = 0;

	for (size_t i = 0; i < n; i++)
		total += d[i].v[at[i]].n + 24;
	char *out = arena_alloc(a, total);
	for (size_t i = 0; out && i < n; i++) {
		struct span s = d[i].v[at[i]];
		used += span_decimal(out + used, (int64_t)s.n);
		out[used++] = ':';
		if (s.n)
			memcpy(out + used, s.p, s.n);
		used += s.n;
	}
	return span_of(out, used);
}

struct hits {
	struct policy_limit_hit *v;
	size_t n;
};

/* Adds a hit for every combination of the dimensions' values; none if a dimension is an empty
 * list. */
static int
apply_limit(struct facts_view *v, const struct limit *l, struct hits *h)
{
	struct dimension d[PER_MAX] = { 0 };
	size_t at[PER_MAX] = { 0 }, i = 0;
	int err = 0;

	for (i = 0; i < l->nper && err == 0; i++) {
		err = evaluate_dimension(v, l->per[i], &d[i]);
		if (err == 0 && d[i].n == 0)
			return 0;
	}
	while (err == 0) {
		if (h->n == LIMIT_HITS_MAX)
			return ERR_LIMIT;
		h->v[h->n++] =
			(struct policy_limit_hit){ l, join_values(v->a, d, at, l->nper), l };
		err = arena_failed(v->a) ? ERR_NOMEM : 0;
		for (i = l->nper; i > 0 && ++at[i - 1] == d[i - 1].n; i--)
			at[i - 1] = 0;
		if (i == 0)
			break;
	}
	return err;
}

int
policy_limits(const struct policy *p, const struct policy_facts *f, struct arena *a,
	struct policy_limit_hit **hits, size_t *n)
{
	struct facts_view *v = p->nlimits ? arena_new(a, struct facts_view) : NULL;
	struct hits h = { .v = arena_array(a, LIMIT_HITS_MAX, sizeof(*h.v)) };
	struct span error;
	int err = 0;

	*n = 0;
	if ((p->nlimits && !v) || !h.v)
		return ERR_NOMEM;
	if (v)
		facts_init(v, p, f, a);
	for (size_t i = 0; i < p->nlimits && err == 0; i++) {
		const struct limit *l = &p->limits[i];
		if (l->reads_tool && (!f->call || !tool_is_call(f->call)))
			continue;
		if ((!f->whole && l->reads_body) || facts_test(v, l->when, &error) == 0)
			continue;
		err = apply_limit(v, l, &h);
	}
	*hits = h.v;
	*n = h.n;
	return arena_failed(a) ? ERR_NOMEM : err;
}
