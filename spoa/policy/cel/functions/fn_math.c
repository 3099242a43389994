/* The math extension (cel-spec, extensions/math). */
#include <math.h>

#include "policy/cel/fn.h"
#include "policy/cel/value.h"

/* The first of the greatest (sign 1) or least (sign -1) of the arguments, or of
 * the elements of the only one where that is a list. */
static void
extreme(CEL_ARGS, int sign)
{
	const struct cel_value *item = v, *best = NULL;

	if (n == 1 && v->type == CEL_LIST) {
		item = v->list.v;
		n = v->list.n;
	}
	if (!cel_charge(c, n, out))
		return;
	for (size_t i = 0; i < n; i++) {
		if (!cel_is_number(item[i].type)) {
			cel_raise_types(c, out, sign > 0 ? "math.greatest()" : "math.least()",
				&item[i], NULL);
			return;
		}
		if (!best || cel_order(&item[i], best) == sign)
			best = &item[i];
	}
	if (best)
		*out = *best;
	else
		cel_raise_lit(out, "math.greatest() and math.least() need a number");
}

static void
greatest(CEL_ARGS)
{
	extreme(c, v, n, out, 1);
}

static void
least(CEL_ARGS)
{
	extreme(c, v, n, out, -1);
}

/* clang-format off */
CEL_VALUE(math_ceil,   cel_double(ceil(v->d)))
CEL_VALUE(math_floor,  cel_double(floor(v->d)))
CEL_VALUE(math_round,  cel_double(round(v->d)))
CEL_VALUE(math_trunc,  cel_double(trunc(v->d)))
CEL_VALUE(math_sqrt,   cel_double(sqrt(cel_as_double(v))))
CEL_VALUE(abs_double,  cel_double(fabs(v->d)))
CEL_VALUE(sign_double, cel_double(v->d > 0 ? 1 : v->d < 0 ? -1 : v->d))
CEL_VALUE(sign_int,    cel_int((v->i > 0) - (v->i < 0)))
CEL_VALUE(sign_uint,   cel_uint(v->u > 0))
CEL_VALUE(is_nan,      cel_bool(isnan(v->d) != 0))
CEL_VALUE(is_inf,      cel_bool(isinf(v->d) != 0))
CEL_VALUE(is_finite,   cel_bool(isfinite(v->d) != 0))
/* clang-format on */

CEL_CHECKED(abs_int, v->i == INT64_MIN, "int overflow", cel_int(v->i < 0 ? -v->i : v->i))

/* --- bits: the same for int and uint, whose bits are v->u either way --- */

static struct cel_value
bits(const struct cel_value *v, uint64_t u)
{
	return (struct cel_value){ .type = v->type, .u = u };
}

CEL_VALUE(bit_and, bits(v, v[0].u &v[1].u))
CEL_VALUE(bit_or, bits(v, v[0].u | v[1].u))
CEL_VALUE(bit_xor, bits(v, v[0].u ^ v[1].u))
CEL_VALUE(bit_not, bits(v, ~v->u))

CEL_CHECKED(shift_left, v[1].i < 0, "math.bitShiftLeft(): a negative number of bits",
	bits(v, v[1].i > 63 ? 0 : v->u << v[1].i))
/* Zeros come in at the left, for int too. */
CEL_CHECKED(shift_right, v[1].i < 0, "math.bitShiftRight(): a negative number of bits",
	bits(v, v[1].i > 63 ? 0 : v->u >> v[1].i))

/* clang-format off */
const struct cel_fn cel_fns_math[] = {
	{ "math.greatest",      false, "*+", '*', greatest,    NULL },
	{ "math.least",         false, "*+", '*', least,       NULL },
	{ "math.ceil",          false, "d",  'd', math_ceil,   NULL },
	{ "math.floor",         false, "d",  'd', math_floor,  NULL },
	{ "math.round",         false, "d",  'd', math_round,  NULL },
	{ "math.trunc",         false, "d",  'd', math_trunc,  NULL },
	{ "math.sqrt",          false, "d",  'd', math_sqrt,   NULL },
	{ "math.sqrt",          false, "i",  'd', math_sqrt,   NULL },
	{ "math.sqrt",          false, "u",  'd', math_sqrt,   NULL },
	{ "math.abs",           false, "d",  'd', abs_double,  NULL },
	{ "math.abs",           false, "i",  'i', abs_int,     NULL },
	{ "math.abs",           false, "u",  'u', cel_same,    NULL },
	{ "math.sign",          false, "d",  'd', sign_double, NULL },
	{ "math.sign",          false, "i",  'i', sign_int,    NULL },
	{ "math.sign",          false, "u",  'u', sign_uint,   NULL },
	{ "math.isNaN",         false, "d",  'b', is_nan,      NULL },
	{ "math.isInf",         false, "d",  'b', is_inf,      NULL },
	{ "math.isFinite",      false, "d",  'b', is_finite,   NULL },
	{ "math.bitAnd",        false, "ii", 'i', bit_and,     NULL },
	{ "math.bitAnd",        false, "uu", 'u', bit_and,     NULL },
	{ "math.bitOr",         false, "ii", 'i', bit_or,      NULL },
	{ "math.bitOr",         false, "uu", 'u', bit_or,      NULL },
	{ "math.bitXor",        false, "ii", 'i', bit_xor,     NULL },
	{ "math.bitXor",        false, "uu", 'u', bit_xor,     NULL },
	{ "math.bitNot",        false, "i",  'i', bit_not,     NULL },
	{ "math.bitNot",        false, "u",  'u', bit_not,     NULL },
	{ "math.bitShiftLeft",  false, "ii", 'i', shift_left,  NULL },
	{ "math.bitShiftLeft",  false, "ui", 'u', shift_left,  NULL },
	{ "math.bitShiftRight", false, "ii", 'i', shift_right, NULL },
	{ "math.bitShiftRight", false, "ui", 'u', shift_right, NULL },
	{ NULL,                 false, NULL, 0,   NULL,        NULL },
};
/* clang-format on */
