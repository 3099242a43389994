/* Finds conditions that a NaN passes. double("NaN") is a number for which every comparison
 * except != is false (IEEE 754). So `double(x) > 100.0` is false for a text that is not an
 * amount. Language definition, "Numeric Values". */
#include "policy/cel/ast.h"
#include "policy/cel/value.h"

enum { CONVERSIONS_MAX = 32 };

struct nan_walk {
	bool wants; /* the result that the condition should have if the number is NaN */
	/* for double() of each text: did one comparison of it give the wanted result? */
	struct {
		const struct cel_node *of;
		bool held;
	} seen[CONVERSIONS_MAX];
	size_t n;
	const struct cel_node *local[CAP_CEL_VARS]; /* values of macros' variables */
};

/* Returns the text that a conversion in `n` reads, which may be "NaN", or NULL. */
static const struct cel_node *
conversion_in(const struct nan_walk *w, const struct cel_node *n)
{
	const struct cel_node *found = NULL;

	if (n->op == OP_LOCAL)
		return w->local[n->local];
	if (n->op == OP_CALL && span_is(n->call.name, "double") && n->nkids == 1 &&
		(n->kid[0]->type.t == CEL_STRING || n->kid[0]->type.t == CEL_DYN))
		return n->kid[0];
	if (n->type.t != CEL_DOUBLE && n->type.t != CEL_DYN && n->type.t != CEL_LIST)
		return NULL;
	for (uint32_t i = 0; i < n->nkids && !found; i++)
		found = conversion_in(w, n->kid[i]);
	return found;
}

/* Notes a comparison. `comes`: its result if the number is NaN. `under`: 1, or -1 below a
 * negation, or 0 if unknown. */
static void
compared_to(struct nan_walk *w, const struct cel_node *of, bool comes, int under)
{
	if (!of || w->n == CONVERSIONS_MAX)
		return;
	w->seen[w->n].of = of;
	w->seen[w->n++].held = under && (under > 0) == (comes == w->wants);
}

static void
find_comparisons(struct nan_walk *w, const struct cel_node *n, int under)
{
	bool macro = n->op >= OP_ALL && n->op <= OP_BIND;
	int of_kids = n->op == OP_NOT ? -under : 0;

	if (n->op == OP_AND || n->op == OP_OR || n->op == OP_COND || macro)
		of_kids = n->op == OP_EXISTS_ONE ? 0 : under;
	for (uint32_t i = 0; n->op >= OP_EQ && n->op <= OP_IN && i < n->nkids; i++)
		compared_to(w, conversion_in(w, n->kid[i]), n->op == OP_NE, under);
	if (n->op == OP_CALL && n->nkids == 1 && span_is(n->call.name, "math.isNaN"))
		compared_to(w, conversion_in(w, n->kid[0]), true, under);
	if (n->op == OP_CALL && n->nkids == 1 && span_is(n->call.name, "math.isFinite"))
		compared_to(w, conversion_in(w, n->kid[0]), false, under);
	for (uint32_t i = 0; i < n->nkids; i++) {
		bool aside = i == 0 && (macro || n->op == OP_COND);
		find_comparisons(w, n->kid[i], aside ? 0 : of_kids);
		for (uint8_t k = 0; i == 0 && macro && k < n->nvars; k++)
			w->local[n->local + k] = conversion_in(w, n->kid[0]);
	}
}

static bool
is_same_node(const struct cel_node *a, const struct cel_node *b)
{
	int64_t steps = CAP_CEL_STEPS;

	if (a->op != b->op || a->flags != b->flags || a->nkids != b->nkids)
		return false;
	for (uint32_t i = 0; i < a->nkids; i++)
		if (!is_same_node(a->kid[i], b->kid[i]))
			return false;
	switch (a->op) {
	case OP_CONST: return cel_equal(&a->value, &b->value, &steps);
	case OP_SELECT:
	case OP_NAME: return span_eq(a->name, b->name);
	case OP_SLOT:
	case OP_PRESENT: return a->slot == b->slot;
	case OP_LOCAL: return a->local == b->local;
	case OP_CALL: return span_eq(a->call.name, b->call.name);
	default: return true;
	}
}

bool
cel_lets_nan(const struct cel_program *p, bool wants)
{
	struct nan_walk w = { .wants = wants };

	find_comparisons(&w, p->root, 1);
	for (size_t i = 0; i < w.n; i++) {
		bool held = false;
		for (size_t k = 0; k < w.n; k++)
			held |= w.seen[k].held && is_same_node(w.seen[i].of, w.seen[k].of);
		if (!held)
			return true;
	}
	return false;
}
