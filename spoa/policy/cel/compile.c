/* From text to program, and from program to value: the two entry points. Between them,
 * constants are folded, so that literals, timestamp("...") and lists of constants cost nothing
 * at run time. */
#include "base/err.h"
#include "policy/cel/eval.h"
#include "policy/cel/fn.h"
#include "policy/cel/value.h"

/* steps that folding may take for a whole expression; the rest is left to run time */
#define FOLD_STEPS 100000
#define FOLD_BYTES (1u << 20)
#define FEW_SLOTS  16

/* --- folding --- */

static bool
foldable(const struct cel_node *n)
{
	if (n->op == OP_CONST || n->op >= OP_SLOT)
		return false;
	for (uint32_t i = 0; i < n->nkids; i++)
		if (n->kid[i]->op != OP_CONST)
			return false;
	return true;
}

/* Prepares a constant last argument: compiles a pattern, or loads a time zone. */
static bool
prepare_node(struct cel_check *k, struct cel_node *n)
{
	const struct cel_node *last = n->nkids ? n->kid[n->nkids - 1] : NULL;

	if (n->op != OP_CALL || !last || last->op != OP_CONST)
		return true;
	for (uint32_t i = 0; i < n->call.nfn; i++) {
		const struct cel_fn *fn = n->call.fn[i];
		const char *why = "out of memory";
		if (!fn->prepare ||
			cel_fn_type(fn->args[strlen(fn->args) - 1]) != last->value.type)
			continue;
		n->call.aux = fn->prepare(k->a, &last->value, &why);
		if (!n->call.aux && k->env)
			return cel_error_at(k->err, k->src, last->at, "%.*s(): %s",
				SPAN_ARG(n->call.name), why);
		return true;
	}
	return true;
}

/* Replaces a node over constants by its value. */
static bool
fold_node(struct cel_check *k, struct cel_node *n)
{
	static const struct cel_activation nothing;
	struct cel_value locals[CAP_CEL_VARS];
	struct cel_value v;
	struct cel_ctx c = { .act = &nothing,
		.arena = k->a,
		.steps = k->fold_steps,
		.bytes_left = k->fold_bytes,
		.locals = locals };

	cel_eval_node(&c, n, &v);
	k->fold_steps = c.steps;
	k->fold_bytes = c.bytes_left;
	if (!cel_is_error(&v) && !c.fatal && c.steps >= 0) {
		n->op = OP_CONST;
		n->nkids = 0;
		n->value = v;
	} else if (c.fatal == ERR_NOMEM) {
		return cel_error_at(k->err, k->src, n->at, "out of memory");
	} else if (k->env && !c.fatal && n->op == OP_CALL) {
		return cel_error_at(k->err, k->src, n->at, "%.*s", SPAN_ARG(v.s));
	}
	return true;
}

/* Folds everything that depends on constants only. */
static bool
cel_fold(struct cel_check *k, struct cel_node *n)
{
	for (uint32_t i = 0; i < n->nkids; i++)
		if (!cel_fold(k, n->kid[i]))
			return false;
	return prepare_node(k, n) && (!foldable(n) || fold_node(k, n));
}

/* --- compilation --- */

static bool
result_fits(struct cel_check *k, const struct cel_node *root, enum cel_type want)
{
	enum cel_type type = (enum cel_type)root->type.t;

	if (want == CEL_DYN || type == CEL_DYN || type == want)
		return true;
	return cel_error_at(k->err, k->src, root->at, "the result is %.*s, not %.*s",
		SPAN_ARG(cel_type_name(type)), SPAN_ARG(cel_type_name(want)));
}

const struct cel_program *
cel_compile(struct arena *a, const struct cel_env *env, struct span src, enum cel_type want,
	struct cel_error *err)
{
	struct cel_check k = { .a = a,
		.env = env,
		.err = err,
		.fold_steps = FOLD_STEPS,
		.fold_bytes = FOLD_BYTES };
	struct cel_program *p = arena_new(a, struct cel_program);

	*err = (struct cel_error){ .line = 1, .column = 1 };
	/* names and literals in the program must live longer than the caller's text */
	k.src = arena_dup(a, src);
	struct cel_node *root = k.src.p ? cel_parse(a, k.src, err) : NULL;
	if (root && cel_check(&k, root) && result_fits(&k, root, want) && cel_fold(&k, root)) {
		struct cel_slot_decl *slots = arena_array(a, k.nslots, sizeof(*slots));
		if (p && slots) {
			memcpy(slots, k.slots, k.nslots * sizeof(*slots));
			*p = (struct cel_program){ root, want, slots, k.nslots };
		}
	}
	if (arena_failed(a))
		cel_error_at(err, src, 0, "out of memory");
	return !arena_failed(a) && p->root ? p : NULL;
}

void
cel_result(const struct cel_program *p, enum cel_type *type, enum cel_type *elem)
{
	*type = (enum cel_type)p->root->type.t;
	*elem = *type == CEL_LIST ? (enum cel_type)p->root->type.elem : CEL_DYN;
}

bool
cel_reads(const struct cel_program *p, size_t slot)
{
	for (uint32_t i = 0; i < p->nslots; i++)
		if (p->slots[i].slot == slot)
			return true;
	return false;
}

/* Argument of the walks of cel_names() and cel_compared(). */
struct names {
	const struct cel_program *p;
	size_t slot;
	void (*name)(void *arg, struct span name);
	void *arg;
};

static bool
is_slot(const struct names *s, const struct cel_node *n)
{
	return (n->op == OP_SLOT || n->op == OP_PRESENT) &&
	       s->p->slots[n->slot].slot == s->slot;
}

static bool
names_in(const struct names *s, const struct cel_node *n)
{
	if (n->op == OP_IN && n->kid[1]->op == OP_SLOT && is_slot(s, n->kid[1]) &&
		n->kid[0]->op == OP_CONST && n->kid[0]->value.type == CEL_STRING) {
		s->name(s->arg, n->kid[0]->value.s);
		return true;
	}
	bool all = !is_slot(s, n);
	for (uint32_t i = 0; i < n->nkids; i++)
		all &= names_in(s, n->kid[i]);
	return all;
}

bool
cel_names(const struct cel_program *p, size_t slot, void (*name)(void *arg, struct span name),
	void *arg)
{
	const struct names s = { p, slot, name, arg };

	return !cel_reads(p, slot) || names_in(&s, p->root);
}

static void
literals_of(const struct names *s, const struct cel_value *v)
{
	if (v->type == CEL_STRING)
		s->name(s->arg, v->s);
	for (size_t i = 0; v->type == CEL_LIST && i < v->list.n; i++)
		literals_of(s, &v->list.v[i]);
}

static void
compared_in(const struct names *s, const struct cel_node *n)
{
	bool equal = n->op == OP_EQ || n->op == OP_NE;

	for (uint32_t i = 0; i < n->nkids; i++) {
		bool slot = n->kid[i]->op == OP_SLOT && is_slot(s, n->kid[i]);
		/* a constant, or a list of constants */
		const struct cel_node *with =
			slot && (equal || (n->op == OP_IN && i == 0)) ? n->kid[1 - i] : NULL;
		if (with && with->op == OP_CONST)
			literals_of(s, &with->value);
		for (uint32_t k = 0; with && with->op == OP_LIST && k < with->nkids; k++)
			if (with->kid[k]->op == OP_CONST)
				literals_of(s, &with->kid[k]->value);
		compared_in(s, n->kid[i]);
	}
}

void
cel_compared(const struct cel_program *p, size_t slot,
	void (*literal)(void *arg, struct span text), void *arg)
{
	const struct names s = { p, slot, literal, arg };

	if (cel_reads(p, slot))
		compared_in(&s, p->root);
}

/* --- evaluation --- */

int
cel_eval(const struct cel_program *p, const struct cel_activation *act, struct arena *a,
	struct cel_value *out)
{
	struct cel_slot few[FEW_SLOTS];
	struct cel_value locals[CAP_CEL_VARS];
	struct cel_ctx c = {
		.program = p,
		.act = act,
		.arena = a,
		.steps = act->max_steps && act->max_steps < INT64_MAX ? (int64_t)act->max_steps
								      : CAP_CEL_STEPS,
		.bytes_left = CAP_CEL_EVAL_BYTES,
		.slots = few,
		.locals = locals,
	};

	if (p->nslots > FEW_SLOTS &&
		!(c.slots = cel_take(&c, p->nslots * sizeof(struct cel_slot), out)))
		return c.fatal;
	for (uint32_t i = 0; i < p->nslots; i++)
		c.slots[i].known = false;
	cel_eval_node(&c, p->root, out);
	if (c.steps < 0)
		cel_charge(&c, 0, out);
	if (c.fatal) {
		if (!cel_is_error(out))
			cel_raise_lit(out, "the evaluation was stopped");
		return c.fatal;
	}
	if (cel_is_error(out))
		return ERR_RANGE;
	if (p->want != CEL_DYN && out->type != p->want) {
		cel_raise(&c, out, "the result is %.*s, not %.*s",
			SPAN_ARG(cel_type_name(out->type)), SPAN_ARG(cel_type_name(p->want)));
		return ERR_RANGE;
	}
	return 0;
}
