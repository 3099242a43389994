/* An evaluation in progress, as functions see it. */
#ifndef POLICY_CEL_EVAL_H
#define POLICY_CEL_EVAL_H

#include "policy/cel/ast.h"

struct cel_slot {
	struct cel_value value;
	bool known, present;
};

struct cel_ctx {
	const struct cel_program *program;
	const struct cel_activation *act;
	struct arena *arena;
	int64_t steps;	   /* left; below zero: fatal */
	size_t bytes_left; /* of CAP_CEL_EVAL_BYTES */
	int fatal;	   /* ERR_LIMIT, ERR_NOMEM: no && or || absorbs it */
	const void *aux;   /* of the function being called */
	struct cel_slot *slots;
	struct cel_value *locals;
};

/* Takes n bytes off the memory budget, for what a callee allocates by itself;
 * false: *out is an error and the evaluation ends. */
bool cel_spend(struct cel_ctx *c, size_t n, struct cel_value *out);
/* Memory of the evaluation; NULL: *out is an error and the evaluation ends. */
void *cel_take(struct cel_ctx *c, size_t n, struct cel_value *out);
/* A string of a copy of p's n bytes. */
void cel_give(struct cel_ctx *c, const char *p, size_t n, struct cel_value *out);
void *cel_take_values(struct cel_ctx *c, size_t n, struct cel_value *out);
/* Takes n off the budget; false: *out is an error and the evaluation ends. */
bool cel_charge(struct cel_ctx *c, size_t n, struct cel_value *out);
/* *out becomes an error. Messages name types and the expression's own words,
 * never a value: they end in records. */
__attribute__((format(printf, 3, 4))) void cel_raise(
	struct cel_ctx *c, struct cel_value *out, const char *fmt, ...);
/* The same with a text that lives long enough. */
void cel_raise_lit(struct cel_value *out, const char *message);
/* No overload of `what` for the types of a and b (NULL: it takes one). *out may be either. */
void cel_raise_types(struct cel_ctx *c, struct cel_value *out, const char *what,
	const struct cel_value *a, const struct cel_value *b);

void cel_eval_node(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out);

static inline bool
cel_is_error(const struct cel_value *v)
{
	return v->type == CEL_ERROR;
}

#endif
