/* Arithmetic. Integers never wrap: an overflow is an error. Timestamps stay
 * within the years 1 to 9999, durations within 64 bits of nanoseconds. Language
 * definition, "Numeric Values", "Overflow", "Timestamps and Durations". */
#include "policy/cel/eval.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

/* Both kinds of integers, in 128 bits. */
static void
integer_arith(enum cel_op op, const struct cel_value *a, const struct cel_value *b,
	struct cel_value *out)
{
	bool sign = a->type == CEL_INT, over = false;
	__int128 x = sign ? a->i : (__int128)a->u, y = sign ? b->i : (__int128)b->u, r = 0;
	__int128 least = sign ? INT64_MIN : 0, most = sign ? INT64_MAX : (__int128)UINT64_MAX;

	if ((op == OP_DIV || op == OP_MOD) && y == 0) {
		cel_raise_lit(out, op == OP_DIV ? "division by zero" : "modulus by zero");
		return;
	}
	switch (op) {
	case OP_ADD: r = x + y; break;
	case OP_SUB: r = x - y; break;
	case OP_MUL: over = __builtin_mul_overflow(x, y, &r); break;
	case OP_DIV: r = x / y; break;
	default: r = x % y; break;
	}
	if (over || r < least || r > most)
		cel_raise_lit(out, sign ? "int overflow" : "uint overflow");
	else
		*out = sign ? cel_int((int64_t)r) : cel_uint((uint64_t)r);
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
	*out = cel_double(r);
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
cel_append(struct cel_ctx *c, const struct cel_value *a, const struct cel_value *b,
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

	if (a->type == b->type) {
		switch (a->type) {
		case CEL_INT:
		case CEL_UINT: integer_arith(op, a, b, out); return;
		case CEL_DOUBLE:
			if (double_arith(op, a->d, b->d, out))
				return;
			break;
		case CEL_STRING:
		case CEL_BYTES:
			if (op != OP_ADD)
				break;
			concat(c, a, b, out);
			return;
		case CEL_LIST:
			if (op != OP_ADD)
				break;
			cel_append(c, a, b, out);
			return;
		default: break;
		}
	}
	if (!time_arith(op, a, b, out))
		cel_raise_types(c, out, names[op - OP_ADD], a, b);
}

void
cel_negate(struct cel_ctx *c, const struct cel_value *a, struct cel_value *out)
{
	struct cel_value v = *a;

	if (v.type == CEL_DOUBLE)
		*out = cel_double(-v.d);
	else if (v.type != CEL_INT)
		cel_raise_types(c, out, "-", &v, NULL);
	else if (v.i == INT64_MIN)
		cel_raise_lit(out, "int overflow");
	else
		*out = cel_int(-v.i);
}
