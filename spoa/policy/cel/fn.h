/* Functions: a row each in a table of overloads, one file a family. */
#ifndef POLICY_CEL_FN_H
#define POLICY_CEL_FN_H

#include "base/attr.h"
#include "policy/cel/eval.h"

/* What a function is called with: its arguments, how many, and where its value goes. */
#define CEL_ARGS                                                                               \
	struct cel_ctx *c UNUSED, const struct cel_value *v UNUSED, size_t n UNUSED,           \
		struct cel_value *out

/* clang-format off */
/* A function that cannot fail: its value, made of its arguments v. */
#define CEL_VALUE(function, value) \
	static void function(CEL_ARGS) \
	{ \
		*out = (value); \
	}
/* One that first takes `cost` steps off the budget. */
#define CEL_CHARGED(function, cost, value) \
	static void function(CEL_ARGS) \
	{ \
		if (cel_charge(c, cost, out)) \
			*out = (value); \
	}
/* One that fails with `message` where its arguments are `wrong`. */
#define CEL_CHECKED(function, wrong, message, value) \
	static void function(CEL_ARGS) \
	{ \
		if (wrong) \
			cel_raise_lit(out, message); \
		else \
			*out = (value); \
	}
/* One that makes its value of a text, with a parser that gives 0 where it could. */
#define CEL_PARSED(function, parse, message) \
	static void function(CEL_ARGS) \
	{ \
		if (parse(v->s, out)) \
			cel_raise_lit(out, message); \
	}
/* clang-format on */

/* Types in `args` and `result`, a letter each: b bool, i int, u uint, d double,
 * s string, y bytes, l list, m map, t timestamp, D duration, T type, n null,
 * I address, C network, * any. */
struct cel_fn {
	const char *name; /* "size", or with its namespace "math.abs" */
	bool member;	  /* args[0] is the receiver: x.size() */
	const char *args; /* a '+' at the end: the last one any number of times */
	char result;
	void (*call)(CEL_ARGS);
	/* Where the last argument is constant: what call() finds in c->aux, made
	 * once; NULL with *why (static text): the argument is wrong. */
	const void *(*prepare)(struct arena *a, const struct cel_value *last, const char **why);
};

/* Tables end with a row without a name. */
extern const struct cel_fn cel_fns_core[], cel_fns_convert[], cel_fns_time[], cel_fns_string[],
	cel_fns_math[], cel_fns_net[], cel_fns_ours[];

/* Gives its argument: dyn(), and conversions of what is of the type already. */
void cel_same(CEL_ARGS);
/* The next overload of that name and style after `after` (NULL: the first). */
const struct cel_fn *cel_fn_next(const struct cel_fn *after, struct span name, bool member);
/* Whether arguments of these types fit; CEL_DYN fits everything. */
bool cel_fn_fits(const struct cel_fn *fn, const uint8_t *types, size_t n);
enum cel_type cel_fn_type(char letter);
/* The known name nearest to `name`, for "did you mean"; NULL: none is near. */
const char *cel_fn_nearest(struct span name);
/* Edits that turn a into b, at most `cap`. */
size_t cel_distance(struct span a, struct span b, size_t cap);

#endif
