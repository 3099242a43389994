/* Arithmetic. Integers never wrap: an overflow is an error. Timestamps stay
 * within the years 1 to 9999, durations within 64 bits of nanoseconds. Language
 * definition, "Numeric Values", "Overflow", "Timestamps and Durations". */
#include "cel/eval.h"
#include "cel/time.h"
#include "cel/value.h"

static void
int_arith(enum cel_op op, int64_t a, int64_t b, struct cel_value *out)
{
	int64_t r = 0;
	bool over = false;

	if ((op == OP_DIV || op == OP_MOD) && b == 0) {
		cel_raise_lit(out, op == OP_DIV ? "division by zero" : "modulus by zero");
		return;
	}
	switch (op) {
	case OP_ADD: over = __builtin_add_overflow(a, b, &r); break;
	case OP_SUB: over = __builtin_sub_overflow(a, b, &r); break;
	case OP_MUL: over = __builtin_mul_overflow(a, b, &r); break;
	case OP_DIV:
		over = a == INT64_MIN && b == -1;
		r = over ? 0 : a / b;
		break;
	default: r = b == -1 ? 0 : a % b; break;
	}
	if (over)
		cel_raise_lit(out, "int overflow");
	else
		*out = cel_int(r);
}

static void
uint_arith(enum cel_op op, uint64_t a, uint64_t b, struct cel_value *out)
{
	uint64_t r = 0;
	bool over = false;

	if ((op == OP_DIV || op == OP_MOD) && b == 0) {
		cel_raise_lit(out, op == OP_DIV ? "division by zero" : "modulus by zero");
		return;
	}
	switch (op) {
	case OP_ADD: over = __builtin_add_overflow(a, b, &r); break;
	case OP_SUB: over = __builtin_sub_overflow(a, b, &r); break;
	case OP_MUL: over = __builtin_mul_overflow(a, b, &r); break;
	case OP_DIV: r = a / b; break;
	default: r = a % b; break;
	}
	if (over)
		cel_raise_lit(out, "uint overflow");
	else
		*out = (struct cel_value){ .type = CEL_UINT, .u = r };
}

/* IEEE 754: dividing by zero gives an infinity or NaN, as it should. */
__attribute__((no_sanitize("float-divide-by-zero"))) static bool
double_arith(enum cel_op op, double a, double b, struct cel_value *out)
{
	double r;

	switch (op) {
	case OP_ADD: r = a + b; break;
	case OP_SUB: r = a - b; break;
	case OP_MUL: r = a * b; break;
	case OP_DIV: r = a / b; break;
	default: return false;
	}
	*out = (struct cel_value){ .type = CEL_DOUBLE, .d = r };
	return true;
}

static void
concat(struct cel_ctx *c, const struct cel_value *a, const struct cel_value *b,
	struct cel_value *out)
{
	size_t n = a->s.n + b->s.n;
	char *p;

	if (!cel_charge(c, n / 64, out) || !(p = cel_take(c, n, out)))
		return;
	if (a->s.n)
		memcpy(p, a->s.p, a->s.n);
	if (b->s.n)
		memcpy(p + a->s.n, b->s.p, b->s.n);
	*out = (struct cel_value){ .type = a->type, .s = { p, n } };
}

static void
append(struct cel_ctx *c, const struct cel_value *a, const struct cel_value *b,
	struct cel_value *out)
{
	size_t n = a->list.n + b->list.n;
	struct cel_value *v;

	if (!cel_charge(c, n / 8, out) || !(v = cel_take_values(c, n, out)))
		return;
	if (a->list.n)
		memcpy(v, a->list.v, a->list.n * sizeof(*v));
	if (b->list.n)
		memcpy(v + a->list.n, b->list.v, b->list.n * sizeof(*v));
	*out = cel_list(v, n);
}

/* Sums and differences of timestamps and durations; false: not for these types. */
static bool
time_arith(enum cel_op op, const struct cel_value *a, const struct cel_value *b,
	struct cel_value *out)
{
	bool minus = op == OP_SUB;

	if (op != OP_ADD && op != OP_SUB)
		return false;
	if (a->type == CEL_DURATION && b->type == CEL_DURATION)
		cel_time_sum(CEL_DURATION, a, b, minus, out);
	else if (a->type == CEL_TIMESTAMP && b->type == CEL_DURATION)
		cel_time_sum(CEL_TIMESTAMP, a, b, minus, out);
	else if (a->type == CEL_DURATION && b->type == CEL_TIMESTAMP && !minus)
		cel_time_sum(CEL_TIMESTAMP, a, b, false, out);
	else if (a->type == CEL_TIMESTAMP && b->type == CEL_TIMESTAMP && minus)
		cel_time_sum(CEL_DURATION, a, b, true, out);
	else
		return false;
	return true;
}

void
cel_arith(struct cel_ctx *c, enum cel_op op, const struct cel_value *a,
	const struct cel_value *b, struct cel_value *out)
{
	static const char *const names[] = { "+", "-", "*", "/", "%" };
	struct cel_value pair[2] = { *a, *b }; /* *out may be one of them */

	if (a->type == b->type) {
		switch (a->type) {
		case CEL_INT: int_arith(op, a->i, b->i, out); return;
		case CEL_UINT: uint_arith(op, a->u, b->u, out); return;
		case CEL_DOUBLE:
			if (double_arith(op, a->d, b->d, out))
				return;
			break;
		case CEL_STRING:
		case CEL_BYTES:
			if (op != OP_ADD)
				break;
			concat(c, &pair[0], &pair[1], out);
			return;
		case CEL_LIST:
			if (op != OP_ADD)
				break;
			append(c, &pair[0], &pair[1], out);
			return;
		default: break;
		}
	}
	if (!time_arith(op, &pair[0], &pair[1], out))
		cel_raise_types(c, out, names[op - OP_ADD], pair, 2);
}

void
cel_negate(struct cel_ctx *c, const struct cel_value *a, struct cel_value *out)
{
	struct cel_value v = *a;

	if (v.type == CEL_DOUBLE)
		*out = (struct cel_value){ .type = CEL_DOUBLE, .d = -v.d };
	else if (v.type != CEL_INT)
		cel_raise_types(c, out, "-", &v, 1);
	else if (v.i == INT64_MIN)
		cel_raise_lit(out, "int overflow");
	else
		*out = cel_int(-v.i);
}
