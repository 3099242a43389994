/* Operations on values that need no evaluator. Language definition, "Equality"
 * and "Ordering". `steps` is a budget: work on large values is taken off it, and
 * where it falls below zero the answer is meaningless and the caller gives up. */
#ifndef POLICY_CEL_VALUE_H
#define POLICY_CEL_VALUE_H

#include "policy/cel/cel.h"

/* The name type() gives: "int", "list", "google.protobuf.Timestamp". */
struct span cel_type_name(enum cel_type t);
/* The type whose name it is; CEL_ERROR: none. */
enum cel_type cel_type_named(struct span name);

static inline bool
cel_is_number(enum cel_type t)
{
	return t == CEL_INT || t == CEL_UINT || t == CEL_DOUBLE;
}

/* A number's value, perhaps rounded. */
static inline double
cel_as_double(const struct cel_value *v)
{
	return v->type == CEL_INT ? (double)v->i : v->type == CEL_UINT ? (double)v->u : v->d;
}

/* A deep copy in the arena, which the caller checks. */
struct cel_value cel_copy(const struct cel_value *v, struct arena *a);
/* Values of different types are unequal, numbers are compared by value. */
bool cel_equal(const struct cel_value *a, const struct cel_value *b, int64_t *steps);
/* -1, 0, 1, or CEL_UNORDERED (a NaN), or CEL_NO_ORDER (types without order). */
enum { CEL_UNORDERED = 2, CEL_NO_ORDER = 3 };
int cel_order(const struct cel_value *a, const struct cel_value *b);
/* The value of a key; NULL: none; a CEL_ERROR: what others take for it is there, too
 * (`caseless`). Keys 1, 1u and 1.0 are one. */
const struct cel_value *cel_map_find(
	const struct cel_value *map, const struct cel_value *key, int64_t *steps);

/* What is neither text nor a collection as text, without a NUL: "null", "true", "1.5",
 * "2026-01-01T00:00:00Z", "10.0.0.0/8". Its length; 0: v is something else. */
#define CEL_TEXT 48
size_t cel_write(const struct cel_value *v, char out[CEL_TEXT]);

#define CEL_NS_PER_S 1000000000

#endif
