/* A condition of which only some fields are known: its result, if that is the same for all
 * values of the others. && and || are commutative in CEL and absorb errors of the other side,
 * so one known side may be enough. Language definition, "Logical Operators". */
#include "policy/cel/ast.h"
#include "policy/cel/eval.h"

struct partial {
	struct cel_ctx c;
	bool (*known)(void *ctx, size_t slot);
};

static bool
all_known(const struct partial *p, const struct cel_node *n)
{
	if ((n->op == OP_SLOT || n->op == OP_PRESENT) &&
		!p->known(p->c.act->ctx, p->c.program->slots[n->slot].slot))
		return false;
	for (uint32_t i = 0; i < n->nkids; i++)
		if (!all_known(p, n->kid[i]))
			return false;
	return true;
}

static int
evaluated(struct partial *p, const struct cel_node *n)
{
	struct cel_value v;

	if (p->c.fatal || !all_known(p, n))
		return -1;
	cel_eval_node(&p->c, n, &v);
	return p->c.fatal || p->c.steps < 0 || v.type != CEL_BOOL ? -1 : v.b;
}

static int
comes_to(struct partial *p, const struct cel_node *n)
{
	bool ends = n->op == OP_OR, depends = false; /* the value that decides alone */
	int x;

	switch (n->op) {
	case OP_NOT: x = comes_to(p, n->kid[0]); return x < 0 ? x : !x;
	case OP_COND:
		x = comes_to(p, n->kid[0]);
		return x < 0 ? -1 : comes_to(p, n->kid[x ? 1 : 2]);
	case OP_AND:
	case OP_OR:
		for (uint32_t i = 0; i < n->nkids; i++) {
			if ((x = comes_to(p, n->kid[i])) == ends)
				return ends;
			depends |= x < 0;
		}
		return depends ? -1 : !ends;
	default: return evaluated(p, n);
	}
}

int
cel_partial(const struct cel_program *prog, const struct cel_activation *act,
	bool (*known)(void *ctx, size_t slot), struct arena *a)
{
	struct cel_value locals[CAP_CEL_VARS];
	struct cel_slot *slots = arena_array(a, prog->nslots, sizeof(*slots));
	struct partial p = { .c = { .program = prog,
				     .act = act,
				     .arena = a,
				     .steps = CAP_CEL_STEPS,
				     .bytes_left = CAP_CEL_EVAL_BYTES,
				     .slots = slots,
				     .locals = locals },
		.known = known };

	return slots || !prog->nslots ? comes_to(&p, prog->root) : -1;
}
