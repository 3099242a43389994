/* Macros: calls that are no calls, because an argument names a variable or a
 * field. Expanded while parsing. Language definition, "Macros"; two-variable
 * forms and cel.bind as in cel-spec's extensions. */
#include "policy/cel/ast.h"

struct macro {
	const char *name;
	uint8_t vars; /* arguments that name a variable */
	uint8_t args; /* with them */
	enum cel_op op;
};

/* clang-format off */
static const struct macro macros[] = {
	{ "all",           1, 2, OP_ALL },
	{ "all",           2, 3, OP_ALL },
	{ "exists",        1, 2, OP_EXISTS },
	{ "exists",        2, 3, OP_EXISTS },
	{ "exists_one",    1, 2, OP_EXISTS_ONE },
	{ "exists_one",    2, 3, OP_EXISTS_ONE },
	{ "existsOne",     1, 2, OP_EXISTS_ONE },
	{ "existsOne",     2, 3, OP_EXISTS_ONE },
	{ "filter",        1, 2, OP_FILTER },
	{ "map",           1, 2, OP_TRANSFORM_LIST },
	{ "map",           1, 3, OP_TRANSFORM_LIST },
	{ "transformList", 2, 3, OP_TRANSFORM_LIST },
	{ "transformList", 2, 4, OP_TRANSFORM_LIST },
	{ "transformMap",  2, 3, OP_TRANSFORM_MAP },
	{ "transformMap",  2, 4, OP_TRANSFORM_MAP },
};
/* clang-format on */

struct expansion {
	struct arena *a;
	struct span src;
	struct cel_error *err;
};

/* The variable that argument n names. */
static bool
variable(const struct expansion *x, const struct cel_node *n, struct span *out)
{
	if (n->op != OP_IDENT || (n->flags & F_ROOT))
		return cel_error_at(x->err, x->src, n->at,
			"a variable's name is due here, as in list.all(x, x > 0)");
	*out = n->name;
	return true;
}

static struct cel_node *
node_over(const struct expansion *x, enum cel_op op, size_t at, struct cel_node *const *kids,
	size_t n)
{
	struct cel_node *node = cel_node_new(x->a, op, at, kids, n);

	if (!node)
		cel_error_at(x->err, x->src, at, "out of memory");
	return node;
}

/* has(e.f) */
static int
expand_has(const struct expansion *x, struct cel_node *arg, struct cel_node **out)
{
	if (arg->op != OP_SELECT || (arg->flags & F_TEST)) {
		cel_error_at(x->err, x->src, arg->at,
			"has() takes a field, as in has(identity.person)");
		return -1;
	}
	struct cel_node *n = node_over(x, OP_SELECT, arg->at, arg->kid, 1);
	if (!n)
		return -1;
	n->name = arg->name;
	n->flags = (uint8_t)(arg->flags | F_TEST);
	*out = n;
	return 1;
}

/* cel.bind(variable, value, body) */
static int
expand_bind(const struct expansion *x, size_t at, struct cel_node **args, struct cel_node **out)
{
	struct cel_node *n = node_over(x, OP_BIND, at, args + 1, 2);

	if (!n || !variable(x, args[0], &n->var[0]))
		return -1;
	n->nvars = 1;
	*out = n;
	return 1;
}

/* x.all(v, condition) and the like become one node: target, transformation, condition. 1: *out;
 * -1: a mistake, reported. */
static int
expand_loop(const struct expansion *x, const struct macro *m, size_t at,
	struct cel_node *target, struct cel_node **args, struct cel_node **out)
{
	struct cel_node *kids[3] = { target };
	size_t n = 1;

	/* The transformation is last; a condition before it comes after it
	 * in the node. */
	if (m->args == m->vars + 2) {
		kids[n++] = args[m->vars + 1];
		kids[n++] = args[m->vars];
	} else {
		kids[n++] = args[m->vars];
	}
	struct cel_node *node = node_over(x, m->op, at, kids, n);
	if (!node)
		return -1;
	node->nvars = m->vars;
	for (size_t i = 0; i < m->vars; i++)
		if (!variable(x, args[i], &node->var[i]))
			return -1;
	if (m->vars == 2 && span_eq(node->var[0], node->var[1])) {
		cel_error_at(x->err, x->src, args[1]->at, "both variables have the same name");
		return -1;
	}
	*out = node;
	return 1;
}

int
cel_macro(struct arena *a, struct span src, struct span name, size_t at,
	struct cel_node *target, struct cel_node **args, size_t nargs, struct cel_node **out,
	struct cel_error *err)
{
	struct expansion x = { a, src, err };

	if (!target)
		return span_is(name, "has") && nargs == 1 ? expand_has(&x, args[0], out) : 0;
	if (target->op == OP_IDENT && span_is(target->name, "cel") && span_is(name, "bind") &&
		nargs == 3)
		return expand_bind(&x, at, args, out);
	for (size_t i = 0; i < COUNT_OF(macros); i++)
		if (macros[i].args == nargs && span_is(name, macros[i].name))
			return expand_loop(&x, &macros[i], at, target, args, out);
	return 0;
}
