/* Operations on values that need no evaluator. Language definition, "Equality" and "Ordering".
 * `steps` is a budget: work on large values is charged to it. If it falls below zero, the
 * result has no meaning, and the caller must stop. */
#ifndef POLICY_CEL_VALUE_H
#define POLICY_CEL_VALUE_H

#include "policy/cel/cel.h"

/* Returns the name as type() does: "int", "list", "google.protobuf.Timestamp". */
struct span cel_type_name(enum cel_type t);
/* Returns the type with this name, or CEL_ERROR. */
enum cel_type cel_type_named(struct span name);

static inline bool
cel_is_number(enum cel_type t)
{
	return t == CEL_INT || t == CEL_UINT || t == CEL_DOUBLE;
}

/* Returns a number's value, perhaps rounded. */
static inline double
cel_as_double(const struct cel_value *v)
{
	return v->type == CEL_INT ? (double)v->i : v->type == CEL_UINT ? (double)v->u : v->d;
}

/* Returns a deep copy in the arena. The caller checks arena_failed(). */
struct cel_value cel_copy(const struct cel_value *v, struct arena *a);
/* Returns true if the values are equal. Values of different types are unequal, but numbers are
 * compared by value. */
bool cel_equal(const struct cel_value *a, const struct cel_value *b, int64_t *steps);
/* Returns -1, 0, 1, CEL_UNORDERED (a NaN is compared) or CEL_NO_ORDER (types without order). */
enum { CEL_UNORDERED = 2, CEL_NO_ORDER = 3 };
int cel_order(const struct cel_value *a, const struct cel_value *b);
/* Returns the value of a key, or NULL. Returns a CEL_ERROR if a `caseless` map has another key
 * that other programs take for it. Keys 1, 1u and 1.0 are equal. */
const struct cel_value *cel_map_find(
	const struct cel_value *map, const struct cel_value *key, int64_t *steps);

/* Writes a value that is neither a string nor a collection, without a NUL: "null", "true",
 * "1.5", "2026-01-01T00:00:00Z", "10.0.0.0/8". Returns the length, or 0 for other values. */
#define CEL_TEXT 48
size_t cel_write(const struct cel_value *v, char out[CEL_TEXT]);

#define CEL_NS_PER_S 1000000000

/* ---- doubles ---- */

#define CEL_DOUBLE_TEXT 32

/* Writes the shortest digits that read back as d: "NaN", "Infinity", "-Infinity", "1e+21";
 * integral values without a point ("1"). Returns the length. */
size_t cel_double_write(double d, char out[CEL_DOUBLE_TEXT]);
/* Parses a decimal number, "NaN" or "Infinity" (also Inf), with an optional sign; the whole
 * span. Returns false for any other text. */
bool cel_double_parse(struct span s, double *out);

/* ---- IP addresses and networks ---- */

/* bytes of the longest text of cel_net_write(), with its NUL */
#define CEL_NET_TEXT 48

/* Parses "10.0.0.1" or "2001:db8::1". Zones and dotted IPv4 within IPv6 are errors;
 * ::ffff:a00:1 is read as the IPv4 address it stands for. Returns 0 or ERR_SYNTAX. */
int cel_ip_parse(struct span s, struct cel_value *out);
/* Parses "10.0.0.0/8". Bits after the prefix are kept. Returns 0 or ERR_SYNTAX. */
int cel_cidr_parse(struct span s, struct cel_value *out);
/* Writes the canonical form (RFC 5952), for networks with the prefix. Returns the length. */
size_t cel_net_write(const struct cel_value *v, char out[CEL_NET_TEXT]);
/* Returns true if the address, or the whole network, is within `cidr`. */
bool cel_cidr_contains(const struct cel_value *cidr, const struct cel_value *v);

#endif
