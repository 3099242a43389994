/* Equality, order and look-up of values. The functions recurse over nested values, at most
 * VALUE_DEPTH levels. Numbers of different types are compared by value. Language definition,
 * "Equality" and "Ordering". */
#include "policy/cel/value.h"

#include <math.h>
#include <stdio.h>

#include "base/codec/letters.h"
#include "policy/cel/net.h"
#include "policy/cel/number.h"
#include "policy/cel/time.h"

_Static_assert(
	CEL_TEXT >= CEL_DOUBLE_TEXT && CEL_TEXT >= CEL_TIME_TEXT && CEL_TEXT >= CEL_NET_TEXT,
	"room for each");

#define VALUE_DEPTH  600
#define ANOTHER_CASE "a key differs from it only by case"

/* clang-format off */
static const char *const type_names[] = {
	[CEL_NULL]      = "null_type",
	[CEL_BOOL]      = "bool",
	[CEL_INT]       = "int",
	[CEL_UINT]      = "uint",
	[CEL_DOUBLE]    = "double",
	[CEL_STRING]    = "string",
	[CEL_BYTES]     = "bytes",
	[CEL_LIST]      = "list",
	[CEL_MAP]       = "map",
	[CEL_TIMESTAMP] = "google.protobuf.Timestamp",
	[CEL_DURATION]  = "google.protobuf.Duration",
	[CEL_TYPE]      = "type",
	[CEL_IP]        = "net.IP",
	[CEL_CIDR]      = "net.CIDR",
};
/* clang-format on */
#define NTYPES (COUNT_OF(type_names))

struct span
cel_type_name(enum cel_type t)
{
	return span_str((size_t)t < NTYPES ? type_names[t] : t == CEL_DYN ? "dyn" : "error");
}

enum cel_type
cel_type_named(struct span name)
{
	size_t i = span_find(name, type_names, NTYPES);

	return i < NTYPES ? (enum cel_type)i : CEL_ERROR;
}

/* An integer and a double are compared as doubles, which round above 2^53: the conformance
 * suite requires that 2^63 - 1 is not less than 2.0^63. */
static int
double_order(double a, double b)
{
	return isnan(a) || isnan(b) ? CEL_UNORDERED : (a > b) - (a < b);
}

static int
int_uint(int64_t i, uint64_t u)
{
	return i < 0 || u > INT64_MAX ? -1 : (i > (int64_t)u) - (i < (int64_t)u);
}

static int
flip(int order)
{
	return order == -1 || order == 1 ? -order : order;
}

static int
number_order(const struct cel_value *a, const struct cel_value *b)
{
	if (a->type == b->type) {
		if (a->type == CEL_INT)
			return (a->i > b->i) - (a->i < b->i);
		if (a->type == CEL_UINT)
			return (a->u > b->u) - (a->u < b->u);
		return double_order(a->d, b->d);
	}
	if (a->type == CEL_DOUBLE)
		return flip(number_order(b, a));
	if (b->type == CEL_DOUBLE)
		return double_order(cel_as_double(a), b->d);
	return a->type == CEL_INT ? int_uint(a->i, b->u) : flip(int_uint(b->i, a->u));
}

int
cel_order(const struct cel_value *a, const struct cel_value *b)
{
	if (cel_is_number(a->type) && cel_is_number(b->type))
		return number_order(a, b);
	if (a->type != b->type)
		return CEL_NO_ORDER;
	switch (a->type) {
	case CEL_BOOL: return a->b - b->b;
	case CEL_STRING: /* bytes of UTF-8 sort like code points */
	case CEL_BYTES: return span_order(a->s, b->s);
	case CEL_TIMESTAMP:
	case CEL_DURATION:
		if (a->t.s != b->t.s)
			return a->t.s < b->t.s ? -1 : 1;
		return (a->t.ns > b->t.ns) - (a->t.ns < b->t.ns);
	default: return CEL_NO_ORDER;
	}
}

static bool equal_to(
	const struct cel_value *a, const struct cel_value *b, int64_t *steps, unsigned depth);

/* Returns true if another key matches when case is ignored. Go's encoding/json, for example,
 * uses the last matching key. */
static bool
has_other_case(const struct cel_value *map, const struct cel_value *key)
{
	for (size_t i = 0; i < map->list.n && key->type == CEL_STRING; i++) {
		const struct cel_value *k = &map->list.v[2 * i];
		if (k->type == CEL_STRING && !span_eq(k->s, key->s) &&
			letters_caseless_eq(k->s, key->s))
			return true;
	}
	return false;
}

const struct cel_value *
cel_map_find(const struct cel_value *map, const struct cel_value *key, int64_t *steps)
{
	static const struct cel_value ambiguous = { .type = CEL_ERROR,
		.s = { ANOTHER_CASE, sizeof(ANOTHER_CASE) - 1 } };

	*steps -= (int64_t)(map->list.n / 8);
	if (map->caseless && has_other_case(map, key))
		return &ambiguous;
	for (size_t i = 0; i < map->list.n; i++) {
		const struct cel_value *k = &map->list.v[2 * i];
		if (k->type == CEL_STRING ? key->type == CEL_STRING && span_eq(k->s, key->s)
					  : equal_to(k, key, steps, VALUE_DEPTH))
			return k + 1;
	}
	return NULL;
}

static bool
is_ambiguous(const struct cel_value *map, int64_t *steps)
{
	for (size_t i = 0; map->caseless && i < map->list.n && *steps >= 0; i++)
		if (cel_map_find(map, &map->list.v[2 * i], steps)->type == CEL_ERROR)
			return true;
	return false;
}

static bool
equal_maps(const struct cel_value *a, const struct cel_value *b, int64_t *steps, unsigned depth)
{
	for (size_t i = 0; i < a->list.n; i++) {
		const struct cel_value *k = &a->list.v[2 * i];
		const struct cel_value *other = cel_map_find(b, k, steps);
		if (!other || *steps < 0 || !equal_to(k + 1, other, steps, depth + 1))
			return false;
	}
	return true;
}

/* Compares as CEL does: numbers by value whatever their types, maps in any order. Charges the
 * work to *steps; if it falls below 0, the result means nothing. */
static bool
equal_to(const struct cel_value *a, const struct cel_value *b, int64_t *steps, unsigned depth)
{
	if (cel_is_number(a->type) && cel_is_number(b->type))
		return number_order(a, b) == 0;
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case CEL_NULL: return true;
	case CEL_STRING:
	case CEL_BYTES:
	case CEL_TYPE: *steps -= (int64_t)(a->s.n / 64); return span_eq(a->s, b->s);
	case CEL_IP:
	case CEL_CIDR:
		return a->family == b->family && a->prefix == b->prefix &&
		       memcmp(a->ip, b->ip, sizeof(a->ip)) == 0;
	case CEL_LIST:
	case CEL_MAP: break;
	default: return cel_order(a, b) == 0;
	}
	if (a->type == CEL_MAP && (is_ambiguous(a, steps) || is_ambiguous(b, steps)))
		*steps = -1;
	if (a->list.n != b->list.n || (*steps -= (int64_t)a->list.n) < 0)
		return false;
	if (depth > VALUE_DEPTH) {
		*steps = -1;
		return false;
	}
	if (a->type == CEL_MAP)
		return equal_maps(a, b, steps, depth);
	for (size_t i = 0; i < a->list.n; i++)
		if (!equal_to(&a->list.v[i], &b->list.v[i], steps, depth + 1))
			return false;
	return true;
}

bool
cel_equal(const struct cel_value *a, const struct cel_value *b, int64_t *steps)
{
	return equal_to(a, b, steps, 0);
}

struct cel_value
cel_copy(const struct cel_value *v, struct arena *a)
{
	struct cel_value to = *v, *list;
	size_t n = v->type == CEL_MAP ? 2 * v->list.n : v->list.n;

	switch (v->type) {
	case CEL_STRING:
	case CEL_BYTES:
	case CEL_ERROR: to.s = arena_dup(a, v->s); break;
	case CEL_LIST:
	case CEL_MAP:
		list = arena_array(a, n, sizeof(*list));
		for (size_t i = 0; list && i < n; i++)
			list[i] = cel_copy(&v->list.v[i], a);
		to.list.v = list;
		to.list.n = list ? v->list.n : 0;
		break;
	default: break;
	}
	return to;
}

size_t
cel_write(const struct cel_value *v, char out[CEL_TEXT])
{
	switch (v->type) {
	case CEL_NULL: return (size_t)sprintf(out, "null");
	case CEL_BOOL: return (size_t)sprintf(out, "%s", v->b ? "true" : "false");
	case CEL_INT: return (size_t)sprintf(out, "%lld", (long long)v->i);
	case CEL_UINT: return (size_t)sprintf(out, "%llu", (unsigned long long)v->u);
	case CEL_DOUBLE: return cel_double_write(v->d, out);
	case CEL_TIMESTAMP:
	case CEL_DURATION: return cel_time_write(v, out);
	case CEL_IP:
	case CEL_CIDR: return cel_net_write(v, out);
	default: return 0;
	}
}
