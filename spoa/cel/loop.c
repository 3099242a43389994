/* Macros at run time: the variable is bound to each element (or key) in turn.
 * all() and exists() absorb errors as && and || do; the others do not. Language
 * definition, "Macros". */
#include "cel/eval.h"
#include "cel/value.h"

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
	l->at++;
	if (l->range.type == CEL_MAP) {
		var[0] = l->range.list.v[2 * i];
		if (l->n->nvars == 2)
			var[1] = l->range.list.v[2 * i + 1];
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
holds(struct loop *l, const struct cel_node *predicate, struct cel_value *out)
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
		if (holds(l, l->n->kid[1], out)) {
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
		if (!holds(l, l->n->kid[1], out))
			return;
		count += out->b;
	}
	if (!l->c->fatal)
		*out = cel_bool(count == 1);
}

static void
filter(struct loop *l, struct cel_value *out)
{
	struct cel_value *v = cel_take_values(l->c, l->range.list.n, out);
	size_t n = 0;

	while (v && next_element(l, out)) {
		if (!holds(l, l->n->kid[1], out))
			return;
		if (out->b)
			v[n++] = l->c->locals[l->n->local];
	}
	if (!l->c->fatal)
		*out = cel_list(v, n);
}

/* map, transformList and transformMap: kid[1] of each element for which kid[2],
 * where there is one, holds. */
static void
transform(struct loop *l, bool to_map, struct cel_value *out)
{
	size_t width = to_map ? 2 : 1;
	struct cel_value *v = cel_take_values(l->c, l->range.list.n * width, out);
	size_t n = 0;

	while (v && next_element(l, out)) {
		if (l->n->nkids == 3) {
			if (!holds(l, l->n->kid[2], out))
				return;
			if (!out->b)
				continue;
		}
		struct cel_value key = l->c->locals[l->n->local];
		cel_eval_node(l->c, l->n->kid[1], out);
		if (cel_is_error(out))
			return;
		if (to_map)
			v[n * width] = key;
		v[n * width + width - 1] = *out;
		n++;
	}
	if (l->c->fatal)
		return;
	*out = cel_list(v, n);
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
	case OP_FILTER: filter(&l, out); break;
	case OP_TRANSFORM_LIST: transform(&l, false, out); break;
	default: transform(&l, true, out); break;
	}
}
