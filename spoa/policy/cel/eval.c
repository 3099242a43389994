/* The evaluator: walks the checked tree. The work is bounded by a budget of steps and one of
 * memory, and the depth by the parser. Comparisons, logic and look-ups allocate nothing.
 * Integers never wrap: an overflow is an error. Timestamps stay within the years 1 to 9999, and
 * durations within 64 bits of nanoseconds. Language definition, "Evaluation", "Numeric Values",
 * "Overflow", "Timestamps and Durations", "Macros". */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/err.h"
#include "policy/cel/eval.h"
#include "policy/cel/fn.h"
#include "policy/cel/time.h"
#include "policy/cel/value.h"

/* Both kinds of integers, computed in 128 bits. */
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

/* IEEE 754: a division by zero gives an infinity or NaN. */
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

/* Sums and differences of timestamps and durations. Returns false for other types. */
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

/* Computes + - * / %. The operands are not errors. */
static void
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

static void
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

/* --- macros --- */

/* A macro in progress: the variable is bound to each element (or key) in turn. all() and
 * exists() absorb errors as && and || do; the other macros do not. */
struct loop {
	struct cel_ctx *c;
	const struct cel_node *n;
	struct cel_value range;
	size_t at; /* number of elements bound so far */
};

/* Binds the variables to the next element. Returns false at the end. */
static bool
next_element(struct loop *l, struct cel_value *out)
{
	struct cel_value *var = &l->c->locals[l->n->local];
	size_t i = l->at;

	if (i == l->range.list.n || !cel_charge(l->c, 1, out))
		return false;
	INVARIANT(i < l->range.list.n);
	l->at++;
	if (l->range.type == CEL_MAP) {
		var[0] = l->range.list.v[2 * i];
		if (l->n->nvars == 2)
			var[1] = l->range.caseless
					 ? *cel_map_find(&l->range, &var[0], &l->c->steps)
					 : l->range.list.v[2 * i + 1];
	} else if (l->n->nvars == 2) {
		var[0] = cel_int((int64_t)i);
		var[1] = l->range.list.v[i];
	} else {
		var[0] = l->range.list.v[i];
	}
	return true;
}

/* Evaluates the predicate into *out. Returns false if it is an error. */
static bool
loop_holds(struct loop *l, const struct cel_node *predicate, struct cel_value *out)
{
	cel_eval_node(l->c, predicate, out);
	if (cel_is_error(out))
		return false;
	if (out->type != CEL_BOOL) {
		cel_raise_types(l->c, out, "a macro's condition", out, NULL);
		return false;
	}
	return true;
}

/* all() with stop == false, and exists() with stop == true. */
static void
quantify(struct loop *l, bool stop, struct cel_value *out)
{
	struct cel_value error = { .type = CEL_NULL };

	while (next_element(l, out)) {
		if (loop_holds(l, l->n->kid[1], out)) {
			if (out->b == stop)
				return;
		} else if (l->c->fatal) {
			return;
		} else if (error.type == CEL_NULL) {
			error = *out;
		}
	}
	if (l->c->fatal)
		return;
	*out = cel_is_error(&error) ? error : cel_bool(!stop);
}

static void
exists_one(struct loop *l, struct cel_value *out)
{
	size_t count = 0;

	while (next_element(l, out)) {
		if (!loop_holds(l, l->n->kid[1], out))
			return;
		count += out->b;
	}
	if (!l->c->fatal)
		*out = cel_bool(count == 1);
}

/* filter, map, transformList and transformMap. For each element for which the condition (if
 * any) is true, the result contains the element itself or the value of kid[1]. */
static void
transform(struct loop *l, struct cel_value *out)
{
	const struct cel_node *n = l->n;
	const struct cel_node *made = n->op == OP_FILTER ? NULL : n->kid[1];
	const struct cel_node *condition = !made ? n->kid[1] : n->nkids == 3 ? n->kid[2] : NULL;
	bool to_map = n->op == OP_TRANSFORM_MAP;
	size_t width = to_map ? 2 : 1, count = 0;
	struct cel_value *v = cel_take_values(l->c, l->range.list.n * width, out);

	while (v && next_element(l, out)) {
		if (condition) {
			if (!loop_holds(l, condition, out))
				return;
			if (!out->b)
				continue;
		}
		struct cel_value first = l->c->locals[n->local];
		*out = first;
		if (made)
			cel_eval_node(l->c, made, out);
		if (cel_is_error(out))
			return;
		INVARIANT(count < l->range.list.n); /* at most one for each element */
		if (to_map)
			v[count * width] = first;
		v[count * width + width - 1] = *out;
		count++;
	}
	if (l->c->fatal)
		return;
	*out = cel_list(v, count);
	if (to_map)
		out->type = CEL_MAP;
}

/* Evaluates a macro. */
static void
cel_loop(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	struct loop l = { .c = c, .n = n };

	cel_eval_node(c, n->kid[0], out);
	if (cel_is_error(out))
		return;
	l.range = *out;
	if (n->op == OP_BIND) {
		c->locals[n->local] = l.range;
		cel_eval_node(c, n->kid[1], out);
		return;
	}
	if (l.range.type != CEL_LIST && l.range.type != CEL_MAP) {
		cel_raise_types(c, out, "a macro", &l.range, NULL);
		return;
	}
	switch (n->op) {
	case OP_ALL: quantify(&l, false, out); break;
	case OP_EXISTS: quantify(&l, true, out); break;
	case OP_EXISTS_ONE: exists_one(&l, out); break;
	default: transform(&l, out); break;
	}
}

/* --- budgets and errors --- */

static void
give_eval_up(struct cel_ctx *c, int fatal, const char *why, struct cel_value *out)
{
	if (!c->fatal)
		c->fatal = fatal;
	cel_raise_lit(out, why);
}

bool
cel_charge(struct cel_ctx *c, size_t n, struct cel_value *out)
{
	c->steps -= n > INT32_MAX ? INT32_MAX : (int64_t)n;
	if (c->steps >= 0)
		return true;
	give_eval_up(c, ERR_LIMIT, "the evaluation takes too many steps", out);
	return false;
}

bool
cel_spend(struct cel_ctx *c, size_t n, struct cel_value *out)
{
	if (n > c->bytes_left) {
		give_eval_up(c, ERR_LIMIT, "the evaluation takes too much memory", out);
		return false;
	}
	c->bytes_left -= n;
	if (arena_failed(c->arena))
		give_eval_up(c, ERR_NOMEM, "out of memory", out);
	return !arena_failed(c->arena);
}

void *
cel_take(struct cel_ctx *c, size_t n, struct cel_value *out)
{
	void *p = cel_spend(c, n, out) ? arena_alloc(c->arena, n) : NULL;

	if (!p && !c->fatal)
		give_eval_up(c, ERR_NOMEM, "out of memory", out);
	return p;
}

void
cel_give(struct cel_ctx *c, const char *p, size_t n, struct cel_value *out)
{
	char *copy = cel_take(c, n, out);

	if (copy) {
		memcpy(copy, p, n);
		*out = cel_string(span_of(copy, n));
	}
}

void *
cel_take_values(struct cel_ctx *c, size_t n, struct cel_value *out)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, sizeof(struct cel_value), &bytes))
		bytes = SIZE_MAX;
	return cel_take(c, bytes, out);
}

void
cel_raise_lit(struct cel_value *out, const char *message)
{
	*out = (struct cel_value){ .type = CEL_ERROR, .s = span_str(message) };
}

void
cel_raise(struct cel_ctx *c, struct cel_value *out, const char *fmt, ...)
{
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	size_t len = n < 0 ? 0 : (size_t)n >= sizeof(text) ? sizeof(text) - 1 : (size_t)n;
	char *p = cel_take(c, len + 1, out);
	if (!p)
		return;
	memcpy(p, text, len + 1);
	*out = (struct cel_value){ .type = CEL_ERROR, .s = { p, len } };
}

void
cel_raise_types(struct cel_ctx *c, struct cel_value *out, const char *what,
	const struct cel_value *a, const struct cel_value *b)
{
	struct span second = b ? cel_type_name(b->type) : SPAN_LIT("");

	cel_raise(c, out, "%s is not defined for %.*s%s%.*s", what,
		SPAN_ARG(cel_type_name(a->type)), b ? " and " : "", SPAN_ARG(second));
}

/* --- names --- */

static const struct cel_slot *
slot(struct cel_ctx *c, uint32_t i)
{
	struct cel_slot *s = &c->slots[i];

	INVARIANT(i < c->program->nslots);
	if (!s->known) {
		enum cel_type declared = (enum cel_type)c->program->slots[i].type;
		s->known = true;
		s->present = true;
		s->value = c->act->lookup(c->act->ctx, c->program->slots[i].slot, &s->present);
		if (declared != CEL_DYN && s->value.type != declared &&
			!cel_is_error(&s->value))
			cel_raise_lit(
				&s->value, "a field's value has another type than declared");
	}
	return s;
}

/* Replaces *out by its field `name`. */
static void
select_field(struct cel_ctx *c, struct span name, struct cel_value *out)
{
	struct cel_value map = *out, key = cel_string(name);

	if (map.type != CEL_MAP) {
		cel_raise(c, out, "%.*s has no fields, so no '%.*s'",
			SPAN_ARG(cel_type_name(map.type)), SPAN_ARG(name));
		return;
	}
	const struct cel_value *found = cel_map_find(&map, &key, &c->steps);
	if (found)
		*out = *found;
	else
		cel_raise(c, out, "no such key: %.*s", SPAN_ARG(name));
}

/* Without an environment: looks up the longest known prefix, then selects fields. */
static void
lookup_name(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	struct span prefix = n->name;

	while (c->act->lookup_name && !c->act->lookup_name(c->act->ctx, prefix, out)) {
		while (prefix.n > 0 && prefix.p[prefix.n - 1] != '.')
			prefix.n--;
		if (prefix.n == 0)
			break;
		prefix.n--;
	}
	if (!c->act->lookup_name || prefix.n == 0) {
		enum cel_type type = cel_type_named(n->name);
		if (type == CEL_ERROR)
			cel_raise(c, out, "no such name: %.*s", SPAN_ARG(n->name));
		else
			*out = (struct cel_value){ .type = CEL_TYPE, .s = n->name };
		return;
	}
	struct span rest = span_cut(n->name, prefix.n, n->name.n);
	span_next(&rest, '.');
	while (rest.p && !cel_is_error(out))
		select_field(c, span_next(&rest, '.'), out);
}

/* --- members --- */

static void
found_in(const struct cel_value *found, struct cel_value *out)
{
	*out = found && cel_is_error(found) ? *found : cel_bool(found != NULL);
}

static void
test_field(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	struct cel_value key = cel_string(n->name), map = *out;

	if (map.type != CEL_MAP)
		cel_raise_types(c, out, "has()", &map, NULL);
	else
		found_in(cel_map_find(&map, &key, &c->steps), out);
}

/* Returns the value as an index, or -1 if it is not one. */
static int64_t
cel_index_of(const struct cel_value *v)
{
	switch (v->type) {
	case CEL_INT: return v->i < 0 ? -1 : v->i;
	case CEL_UINT: return v->u > INT64_MAX ? -1 : (int64_t)v->u;
	case CEL_DOUBLE:
		return v->d >= 0 && v->d < 0x1p53 && v->d == floor(v->d) ? (int64_t)v->d : -1;
	default: return -1;
	}
}

static bool
is_key(const struct cel_value *v)
{
	return v->type == CEL_INT || v->type == CEL_UINT || v->type == CEL_BOOL ||
	       v->type == CEL_STRING;
}

static void
index_value(struct cel_ctx *c, const struct cel_value *v, const struct cel_value *key,
	struct cel_value *out)
{
	if (v->type == CEL_LIST) {
		int64_t i = cel_index_of(key);
		if (!cel_is_number(key->type))
			cel_raise_types(c, out, "an index of a list", key, NULL);
		else if (i < 0 || (uint64_t)i >= v->list.n)
			cel_raise_lit(out, "index out of range");
		else
			*out = v->list.v[i];
	} else if (v->type != CEL_MAP) {
		cel_raise_types(c, out, "[]", v, NULL);
	} else if (!is_key(key) && key->type != CEL_DOUBLE) {
		cel_raise_types(c, out, "a key of a map", key, NULL);
	} else {
		const struct cel_value *found = cel_map_find(v, key, &c->steps);
		if (found)
			*out = *found;
		else
			cel_raise_lit(out, "no such key");
	}
}

static void
is_in(struct cel_ctx *c, const struct cel_value *v, const struct cel_value *set,
	struct cel_value *out)
{
	if (set->type == CEL_MAP) {
		found_in(cel_map_find(set, v, &c->steps), out);
		return;
	}
	if (set->type != CEL_LIST) {
		cel_raise_types(c, out, "'in'", set, NULL);
		return;
	}
	size_t i = 0;
	c->steps -= (int64_t)(set->list.n / 8);
	while (i < set->list.n && !cel_equal(v, &set->list.v[i], &c->steps))
		i++;
	*out = cel_bool(i < set->list.n);
}

/* --- literals --- */

static void
collection(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	bool map = n->op == OP_MAPLIT;
	struct cel_value *v = cel_take_values(c, n->nkids, out);
	struct cel_value all = { .type = map ? CEL_MAP : CEL_LIST, .list = { v, 0 } };

	for (uint32_t i = 0; v && i < n->nkids; i++) {
		cel_eval_node(c, n->kid[i], &v[i]);
		if (cel_is_error(&v[i])) {
			*out = v[i];
			return;
		}
		if (!map || i % 2) {
			all.list.n++;
		} else if (!is_key(&v[i])) {
			cel_raise_types(c, out, "a key of a map", &v[i], NULL);
			return;
		} else if (cel_map_find(&all, &v[i], &c->steps)) {
			cel_raise_lit(out, "duplicate key in a map");
			return;
		}
	}
	if (v)
		*out = all;
}

/* --- operators --- */

/* && (absorbing == false) and || (absorbing == true): the absorbing value takes precedence over
 * errors on either side. */
static void
logic(struct cel_ctx *c, const struct cel_node *n, bool absorbing, struct cel_value *out)
{
	struct cel_value error = { .type = CEL_NULL };

	for (uint32_t i = 0; i < n->nkids; i++) {
		cel_eval_node(c, n->kid[i], out);
		if (out->type == CEL_BOOL) {
			if (out->b == absorbing)
				return;
			continue;
		}
		if (c->fatal)
			return;
		if (error.type != CEL_NULL)
			continue;
		if (cel_is_error(out))
			error = *out;
		else
			cel_raise_types(c, &error, absorbing ? "'||'" : "'&&'", out, NULL);
	}
	if (error.type != CEL_NULL)
		*out = error;
}

static void
cel_compare(struct cel_ctx *c, enum cel_op op, const struct cel_value *a,
	const struct cel_value *b, struct cel_value *out)
{
	static const char *const names[] = { "<", "<=", ">", ">=" };
	int order = cel_order(a, b);
	bool yes = false;

	INVARIANT(op >= OP_LT && op <= OP_GE);
	if (order == CEL_NO_ORDER) {
		cel_raise_types(c, out, names[op - OP_LT], a, b);
		return;
	}
	switch (op) {
	case OP_LT: yes = order == -1; break;
	case OP_LE: yes = order == -1 || order == 0; break;
	case OP_GT: yes = order == 1; break;
	default: yes = order == 1 || order == 0; break;
	}
	*out = cel_bool(yes);
}

/* Returns the value of an operand, without a copy if it already has a place: most operands are
 * constants and fields. */
static const struct cel_value *
operand(struct cel_ctx *c, const struct cel_node *n, struct cel_value *scratch)
{
	switch (n->op) {
	case OP_CONST: return &n->value;
	case OP_SLOT: return &slot(c, n->slot)->value;
	case OP_LOCAL: return &c->locals[n->local];
	}
	cel_eval_node(c, n, scratch);
	return scratch;
}

static void
binary(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	INVARIANT(n->nkids == 2);
	struct cel_value scratch[2];
	const struct cel_value *a = operand(c, n->kid[0], &scratch[0]);
	const struct cel_value *b = cel_is_error(a) ? a : operand(c, n->kid[1], &scratch[1]);

	if (cel_is_error(b)) {
		*out = *b;
		return;
	}
	switch ((enum cel_op)n->op) {
	case OP_EQ: *out = cel_bool(cel_equal(a, b, &c->steps)); break;
	case OP_NE: *out = cel_bool(!cel_equal(a, b, &c->steps)); break;
	case OP_LT ... OP_GE: cel_compare(c, (enum cel_op)n->op, a, b, out); break;
	case OP_IN: is_in(c, a, b, out); break;
	case OP_INDEX: index_value(c, a, b, out); break;
	default: cel_arith(c, (enum cel_op)n->op, a, b, out);
	}
}

/* --- calls --- */

/* Evaluates the arguments, then finds the overload for their types. If the checker left several
 * overloads, the types are known only now. */
static void
call(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	struct cel_value few[4], *args = few;
	uint8_t few_types[4], *types = few_types;

	if (n->call.nfn == 0) {
		cel_raise(c, out, "no such function: %.*s()", SPAN_ARG(n->call.name));
		return;
	}
	if (n->nkids > 4) {
		args = cel_take_values(c, n->nkids, out);
		types = args ? cel_take(c, n->nkids, out) : NULL;
		if (!types)
			return;
	}
	for (uint32_t i = 0; i < n->nkids; i++) {
		cel_eval_node(c, n->kid[i], &args[i]);
		if (cel_is_error(&args[i])) {
			*out = args[i];
			return;
		}
		types[i] = (uint8_t)args[i].type;
		if ((args[i].type == CEL_STRING || args[i].type == CEL_BYTES) && !args[i].s.p)
			/* functions compute with this pointer, so it must not be NULL */
			args[i].s.p = "";
	}
	for (uint32_t i = 0; i < n->call.nfn; i++)
		if (cel_fn_fits(n->call.fn[i], types, n->nkids)) {
			c->aux = n->call.aux;
			n->call.fn[i]->call(c, args, n->nkids, out);
			return;
		}
	cel_raise(c, out, "%.*s() is not defined for %.*s%s", SPAN_ARG(n->call.name),
		SPAN_ARG(n->nkids ? cel_type_name(args[0].type) : span_str("no arguments")),
		n->nkids > 1 ? " and the following arguments" : "");
}

void
cel_eval_node(struct cel_ctx *c, const struct cel_node *n, struct cel_value *out)
{
	if (--c->steps < 0) {
		cel_charge(c, 0, out);
		return;
	}
	switch ((enum cel_op)n->op) {
	case OP_CONST: *out = n->value; break;
	case OP_SLOT: *out = slot(c, n->slot)->value; break;
	case OP_PRESENT: *out = cel_bool(slot(c, n->slot)->present); break;
	case OP_LOCAL: *out = c->locals[n->local]; break;
	case OP_NAME: lookup_name(c, n, out); break;
	case OP_SELECT:
		cel_eval_node(c, n->kid[0], out);
		if (cel_is_error(out))
			break;
		if (n->flags & F_TEST)
			test_field(c, n, out);
		else
			select_field(c, n->name, out);
		break;
	case OP_CALL: call(c, n, out); break;
	case OP_LIST:
	case OP_MAPLIT: collection(c, n, out); break;
	case OP_AND: logic(c, n, false, out); break;
	case OP_OR: logic(c, n, true, out); break;
	case OP_NOT:
		cel_eval_node(c, n->kid[0], out);
		if (out->type == CEL_BOOL)
			out->b = !out->b;
		else if (!cel_is_error(out))
			cel_raise_types(c, out, "'!'", out, NULL);
		break;
	case OP_NEG:
		cel_eval_node(c, n->kid[0], out);
		if (!cel_is_error(out))
			cel_negate(c, out, out);
		break;
	case OP_COND:
		cel_eval_node(c, n->kid[0], out);
		if (out->type == CEL_BOOL)
			cel_eval_node(c, n->kid[out->b ? 1 : 2], out);
		else if (!cel_is_error(out))
			cel_raise_types(c, out, "'?'", out, NULL);
		break;
	case OP_ALL ... OP_BIND: cel_loop(c, n, out); break;
	case OP_IDENT: /* the checker has resolved all names */
		INVARIANT(n->op != OP_IDENT);
		break;
	default: binary(c, n, out);
	}
}
