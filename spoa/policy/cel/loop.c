/* Macros at run time: the variable is bound to each element (or key) in turn.
 * all() and exists() absorb errors as && and || do; the others do not. Language
 * definition, "Macros". */
#include "base/err.h"
#include "policy/cel/eval.h"
#include "policy/cel/value.h"

struct loop {
	struct cel_ctx *c;
	const struct cel_node *n;
	struct cel_value range;
	size_t at; /* elements bound so far */
};

/* Binds the variables to the next element; false at the end. */
static bool
next_element(struct loop *l, struct cel_value *out)
{
	struct cel_value *var = &l->c->locals[l->n->local];
	size_t i = l->at;

	if (i == l->range.list.n || !cel_charge(l->c, 1, out))
		return false;
	INVARIANT(i < l->range.list.n);
	l->at++;
	if (l->range.type == CEL_MAP) {
		var[0] = l->range.list.v[2 * i];
		if (l->n->nvars == 2)
			var[1] = l->range.caseless
					 ? *cel_map_find(&l->range, &var[0], &l->c->steps)
					 : l->range.list.v[2 * i + 1];
	} else if (l->n->nvars == 2) {
		var[0] = cel_int((int64_t)i);
		var[1] = l->range.list.v[i];
	} else {
		var[0] = l->range.list.v[i];
	}
	return true;
}

/* The predicate's answer in *out; false: it is an error. */
static bool
loop_holds(struct loop *l, const struct cel_node *predicate, struct cel_value *out)
{
	cel_eval_node(l->c, predicate, out);
	if (cel_is_error(out))
		return false;
	if (out->type != CEL_BOOL) {
		cel_raise_types(l->c, out, "a macro's condition", out, NULL);
		return false;
	}
	return true;
}

/* all (stop == false) and exists (stop == true) */
static void
quantify(struct loop *l, bool stop, struct cel_value *out)
{
	struct cel_value error = { .type = CEL_NULL };

	while (next_element(l, out)) {
		if (loop_holds(l, l->n->kid[1], out)) {
			if (out->b == stop)
				return;
		} else if (l->c->fatal) {
			return;
		} else if (error.type == CEL_NULL) {
			error = *out;
		}
	}
	if (l->c->fatal)
		return;
	*out = cel_is_error(&error) ? error : cel_bool(!stop);
}

static void
exists_one(struct loop *l, struct cel_value *out)
{
	size_t count = 0;

	while (next_element(l, out)) {
		if (!loop_holds(l, l->n->kid[1], out))
			return;
		count += out->b;
	}
	if (!l->c->fatal)
		*out = cel_bool(count == 1);
}

/* filter, map, transformList and transformMap: of each element for which the condition, where
 * there is one, holds, the element itself, or what kid[1] makes of it. */
static void
transform(struct loop *l, struct cel_value *out)
{
	const struct cel_node *n = l->n;
	const struct cel_node *made = n->op == OP_FILTER ? NULL : n->kid[1];
	const struct cel_node *condition = !made ? n->kid[1] : n->nkids == 3 ? n->kid[2] : NULL;
	bool to_map = n->op == OP_TRANSFORM_MAP;
	size_t width = to_map ? 2 : 1, count = 0;
	struct cel_value *v = cel_take_values(l->c, l->range.list.n * width, out);

	while (v && next_element(l, out)) {
		if (condition) {
			if (!loop_holds(l, condition, out))
				return;
			if (!out->b)
				continue;
		}
		struct cel_value first = l->c->locals[n->local];
		*out = first;
		if (made)
			cel_eval_node(l->c, made, out);
		if (cel_is_error(out))
			return;
		INVARIANT(count < l->range.list.n); /* at most one of each element */
		if (to_map)
			v[count * width] = first;
		v[count * width + width - 1] = *out;
		count++;
	}
	if (l->c->fatal)
		return;
	*out = cel_list(v, count);
	if (to_map)
		out->type = CEL_MAP;
}

void
cel_loop(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	struct loop l = { .c = c, .n = n };

	cel_eval_node(c, n->kid[0], out);
	if (cel_is_error(out))
		return;
	l.range = *out;
	if (n->op == OP_BIND) {
		c->locals[n->local] = l.range;
		cel_eval_node(c, n->kid[1], out);
		return;
	}
	if (l.range.type != CEL_LIST && l.range.type != CEL_MAP) {
		cel_raise_types(c, out, "a macro", &l.range, NULL);
		return;
	}
	switch (n->op) {
	case OP_ALL: quantify(&l, false, out); break;
	case OP_EXISTS: quantify(&l, true, out); break;
	case OP_EXISTS_ONE: exists_one(&l, out); break;
	default: transform(&l, out); break;
	}
}
