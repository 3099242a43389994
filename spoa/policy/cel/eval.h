/* An evaluation in progress, as functions see it. For cel/ only. */
#ifndef POLICY_CEL_EVAL_H
#define POLICY_CEL_EVAL_H

#include "policy/cel/ast.h"

/* The value of a slot, after the slot was looked up. */
struct cel_slot {
	struct cel_value value;
	bool known, present;
};

/* State of one evaluation. Lives on the stack of cel_eval(). */
struct cel_ctx {
	const struct cel_program *program;
	const struct cel_activation *act;
	struct arena *arena;
	int64_t steps;	   /* steps left; below zero: the evaluation ends with ERR_LIMIT */
	size_t bytes_left; /* bytes left of CAP_CEL_EVAL_BYTES */
	int fatal;	   /* ERR_LIMIT or ERR_NOMEM: not absorbed by && and || */
	const void *aux;   /* aux of the function that is being called */
	struct cel_slot *slots;
	struct cel_value *locals;
};

/* Charges n bytes to the memory budget, for allocations by a callee itself. Returns false if
 * the budget is exhausted: *out is an error, and the evaluation ends. */
bool cel_spend(struct cel_ctx *c, size_t n, struct cel_value *out);
/* Allocates memory of the evaluation. Returns NULL if it is exhausted: *out is an error, and
 * the evaluation ends. */
void *cel_take(struct cel_ctx *c, size_t n, struct cel_value *out);
/* Sets *out to a string with a copy of n bytes at p. */
void cel_give(struct cel_ctx *c, const char *p, size_t n, struct cel_value *out);
void *cel_take_values(struct cel_ctx *c, size_t n, struct cel_value *out);
/* Charges n steps to the budget. Returns false if it is exhausted: *out is an error, and the
 * evaluation ends. */
bool cel_charge(struct cel_ctx *c, size_t n, struct cel_value *out);
/* Sets *out to an error. Messages name types and words of the expression, never a value,
 * because records contain them. */
__attribute__((format(printf, 3, 4))) void cel_raise(
	struct cel_ctx *c, struct cel_value *out, const char *fmt, ...);
/* Sets *out to an error with a static message. */
void cel_raise_lit(struct cel_value *out, const char *message);
/* Sets *out to an error: `what` has no overload for the types of a and b (NULL: one operand).
 * *out may be one of them. */
void cel_raise_types(struct cel_ctx *c, struct cel_value *out, const char *what,
	const struct cel_value *a, const struct cel_value *b);

void cel_eval_node(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out);

static inline bool
cel_is_error(const struct cel_value *v)
{
	return v->type == CEL_ERROR;
}

#endif
