/* Functions of CEL: one row for each overload, in a table for each family, one file for each
 * family. */
#ifndef POLICY_CEL_FN_H
#define POLICY_CEL_FN_H

#include "base/attr.h"
#include "policy/cel/eval.h"

/* The parameters of a function: the evaluation, the arguments and their number, and the place
 * of the result. */
#define CEL_ARGS                                                                               \
	struct cel_ctx *c UNUSED, const struct cel_value *v UNUSED, size_t n UNUSED,           \
		struct cel_value *out

/* clang-format off */
/* A function that cannot fail: its value is computed from its arguments v. */
#define CEL_VALUE(function, value) \
	static void function(CEL_ARGS) \
	{ \
		*out = (value); \
	}
/* A function that first charges `cost` steps. */
#define CEL_CHARGED(function, cost, value) \
	static void function(CEL_ARGS) \
	{ \
		if (cel_charge(c, cost, out)) \
			*out = (value); \
	}
/* A function that fails with `message` if `wrong` is true for its arguments. */
#define CEL_CHECKED(function, wrong, message, value) \
	static void function(CEL_ARGS) \
	{ \
		if (wrong) \
			cel_raise_lit(out, message); \
		else \
			*out = (value); \
	}
/* A function that parses a string with a parser that returns 0 on success. */
#define CEL_PARSED(function, parse, message) \
	static void function(CEL_ARGS) \
	{ \
		if (parse(v->s, out)) \
			cel_raise_lit(out, message); \
	}
/* clang-format on */

/* Types in `args` and `result`, one letter each: b bool, i int, u uint, d double, s string, y
 * bytes, l list, m map, t timestamp, D duration, T type, n null, I address, C network, *
 * any. */
struct cel_fn {
	const char *name; /* "size", or with its namespace "math.abs" */
	bool member;	  /* args[0] is the receiver: x.size() */
	const char *args; /* a '+' at the end: the last argument may be repeated */
	char result;
	void (*call)(CEL_ARGS);
	/* For a constant last argument: makes the value that call() finds in c->aux, once, when
	 * the expression is compiled. Returns NULL with *why (static text) if the argument is
	 * wrong. */
	const void *(*prepare)(struct arena *a, const struct cel_value *last, const char **why);
};

/* a row without a name ends each table */
extern const struct cel_fn cel_fns_core[], cel_fns_convert[], cel_fns_time[], cel_fns_string[],
	cel_fns_math[], cel_fns_net[], cel_fns_ours[];

/* Returns true if arguments of these types fit. CEL_DYN fits everything. */
bool cel_fn_fits(const struct cel_fn *fn, const uint8_t *types, size_t n);

#endif
