/* From text to program, and from program to value: the entry points, and questions about a
 * program.
 *
 * The checker finds the meaning of every name, the overloads that a call may take, and the type
 * of every node, as far as they are known before run time. With an environment, a mistake is an
 * error here; without one, it is left to run time. A name is a variable of a macro, a field of
 * the environment, a type, or (without an environment) looked up at run time. The longest
 * dotted name is used. Language definition, "Name Resolution", "Gradual Type Checking".
 *
 * A function's overloads are found by its name in the tables of all families (fn.h); programs hold
 * pointers to their rows.
 *
 * Then constants are folded, so that literals, timestamp("...") and lists of constants cost
 * nothing at run time.
 *
 * cel_lets_nan() finds conditions that a NaN passes. double("NaN") is a number for which every
 * comparison except != is false (IEEE 754). So `double(x) > 100.0` is false for a text that is
 * not an amount. Language definition, "Numeric Values". */

#include "base/err.h"
#include "policy/cel/ast.h"
#include "policy/cel/eval.h"
#include "policy/cel/fn.h"
#include "policy/cel/value.h"

/* ---- the registry of functions ---- */

static const struct cel_fn *const tables[] = { cel_fns_core, cel_fns_convert, cel_fns_time,
	cel_fns_string, cel_fns_math, cel_fns_net, cel_fns_ours };
#define NTABLES (COUNT_OF(tables))

static enum cel_type
cel_fn_type(char letter)
{
	static const char letters[] = "nbiudsylmtDTIC"; /* a letter for each type, in the
							 * order of enum cel_type */
	const char *at = strchr(letters, letter);

	return at && letter ? (enum cel_type)(at - letters) : CEL_DYN;
}

/* Returns the next overload with that name and style after `after` (NULL: the first), or
 * NULL. */
static const struct cel_fn *
cel_fn_next(const struct cel_fn *after, struct span name, bool member)
{
	bool passed = !after;

	for (size_t i = 0; i < NTABLES; i++)
		for (const struct cel_fn *fn = tables[i]; fn->name; fn++) {
			if (passed && fn->member == member && span_is(name, fn->name))
				return fn;
			passed |= fn == after;
		}
	return NULL;
}

bool
cel_fn_fits(const struct cel_fn *fn, const uint8_t *types, size_t n)
{
	const char *want = fn->args;

	for (size_t i = 0; i < n; i++) {
		if (*want == 0)
			return false;
		enum cel_type t = cel_fn_type(*want);
		if (t != CEL_DYN && types[i] != CEL_DYN && t != (enum cel_type)types[i])
			return false;
		if (want[1] != '+')
			want++;
	}
	return *want == 0 || (n > 0 && want[1] == '+');
}

/* Returns the number of edits that turn a into b, at most `cap`. */
static size_t
cel_distance(struct span a, struct span b, size_t cap)
{
	size_t row[65];

	if (a.n > 64 || b.n > 64)
		return cap;
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t best = diagonal + (a.p[i - 1] != b.p[j - 1]);
			diagonal = row[j];
			if (best > row[j] + 1)
				best = row[j] + 1;
			if (best > row[j - 1] + 1)
				best = row[j - 1] + 1;
			row[j] = best;
		}
	}
	return row[b.n] < cap ? row[b.n] : cap;
}

/* Returns the known name that is spelled most like `name`, for "did you mean", or NULL. */
static const char *
cel_fn_nearest(struct span name)
{
	const char *best = NULL;
	size_t least = name.n / 3 + 2;

	for (size_t i = 0; i < NTABLES; i++)
		for (const struct cel_fn *fn = tables[i]; fn->name; fn++) {
			size_t d = cel_distance(name, span_str(fn->name), least);
			if (d < least) {
				least = d;
				best = fn->name;
			}
		}
	return best;
}

/* Checks the types of a node and of those below it. Returns false after an error. */
static bool cel_check(struct cel_check *k, struct cel_node *n);

/* ---- checking ---- */

/* Returns the number of a macro's variable in scope, or -1. */
static int
cel_local(const struct cel_check *k, struct span name)
{
	for (uint32_t i = k->nscope; i > 0; i--)
		if (span_eq(k->scope[i - 1], name))
			return (int)i - 1;
	return -1;
}

/* Returns "a.b.c" if `n` is a.b.c and `a` is not a variable of a macro. Otherwise p is NULL. */
static struct span
cel_dotted(const struct cel_check *k, const struct cel_node *n)
{
	size_t len = 0;
	const struct cel_node *m;

	for (m = n; m->op == OP_SELECT && !(m->flags & F_QUOTED); m = m->kid[0])
		len += m->name.n + 1;
	if (m->op != OP_IDENT || (!(m->flags & F_ROOT) && cel_local(k, m->name) >= 0))
		return span_of(NULL, 0);
	len += m->name.n;
	char *p = arena_alloc(k->a, len + 1);
	if (!p)
		return span_of(NULL, 0);
	size_t at = len;
	for (m = n;; m = m->kid[0]) {
		at -= m->name.n;
		memcpy(p + at, m->name.p, m->name.n);
		if (m->op == OP_IDENT)
			return span_of(p, len);
		p[--at] = '.';
	}
}

/* Returns the row of the path, or -1. */
static int
env_find(const struct cel_env *env, struct span path)
{
	for (size_t i = 0; i < env->n; i++)
		if (span_is(path, env->vars[i].path))
			return (int)i;
	return -1;
}

/* Reports an unknown name, with the name that is spelled most like it. Returns false. */
static bool
unknown_name(struct cel_check *k, size_t at, struct span path)
{
	const char *best = NULL;
	size_t least = path.n / 3 + 2;

	for (size_t i = 0; i < k->env->n; i++) {
		struct span row = span_str(k->env->vars[i].path);
		if (row.n > path.n && row.p[path.n] == '.' && span_starts(row, path))
			return cel_error_at(k->err, k->src, at,
				"%.*s: a group of fields, not a value; did you mean %s?",
				SPAN_ARG(path), row.p);
		size_t d = cel_distance(path, row, least);
		const char *leaf = strrchr(row.p, '.');
		if (leaf && d > cel_distance(path, span_str(leaf + 1), least))
			d = cel_distance(path, span_str(leaf + 1), least);
		if (d < least) {
			least = d;
			best = row.p;
		}
	}
	for (uint32_t i = 0; i < k->nscope; i++)
		if (cel_distance(path, k->scope[i], least) < least)
			return cel_error_at(k->err, k->src, at,
				"%.*s: no such field; did you mean %.*s?", SPAN_ARG(path),
				SPAN_ARG(k->scope[i]));
	int shown = path.n > 80 ? 80 : (int)path.n;
	if (!best)
		return cel_error_at(k->err, k->src, at, "%.*s: no such field", shown, path.p);
	return cel_error_at(k->err, k->src, at, "%.*s: no such field; did you mean %s?", shown,
		path.p, best);
}

/* Gives the node the program's own index for a slot of the environment. */
static bool
use_slot(struct cel_check *k, struct cel_node *n, int slot, bool present)
{
	const struct cel_var *var = &k->env->vars[slot];
	uint32_t i = 0;

	while (i < k->nslots && k->slots[i].slot != (uint32_t)slot)
		i++;
	if (i == CAP_CEL_SLOTS)
		return cel_error_at(
			k->err, k->src, n->at, "too many different fields are read");
	if (i == k->nslots)
		k->slots[k->nslots++] =
			(struct cel_slot_decl){ (uint32_t)slot, (uint8_t)var->type };
	n->op = present ? OP_PRESENT : OP_SLOT;
	n->nkids = 0;
	n->slot = i;
	n->type = present ? (struct cel_styp){ CEL_BOOL, CEL_DYN }
			  : (struct cel_styp){ (uint8_t)var->type, (uint8_t)var->elem };
	return true;
}

/* Gives the part of `n` that the longest known prefix of `path` names its meaning. `blame` is
 * the name for errors. Returns false with *err filled. */
static bool
cel_resolve(struct cel_check *k, struct cel_node *n, struct span path, struct span blame)
{
	const struct cel_node *first = n;

	while (first->op == OP_SELECT)
		first = first->kid[0];
	uint32_t at = first->at; /* errors point to the first letter of a name */
	if (!k->env) {
		n->op = OP_NAME;
		n->nkids = 0;
		n->name = path;
		return true;
	}
	for (struct cel_node *m = n;; m = m->kid[0]) {
		int slot = env_find(k->env, path);
		if (slot >= 0) {
			m->at = at;
			return use_slot(k, m, slot, false);
		}
		if (m->op == OP_IDENT)
			break;
		path.n -= m->name.n + 1;
	}
	enum cel_type type = cel_type_named(blame);
	if (type == CEL_ERROR)
		return unknown_name(k, at, blame);
	n->op = OP_CONST;
	n->nkids = 0;
	n->value = (struct cel_value){ .type = CEL_TYPE, .s = cel_type_name(type) };
	n->type = (struct cel_styp){ CEL_TYPE, CEL_DYN };
	return true;
}

/* Resolves the name in has(n), as cel_resolve() does for n. The node becomes OP_PRESENT if n is
 * a field of the environment itself. */
static bool
cel_resolve_has(struct cel_check *k, struct cel_node *n)
{
	if (!k->env || (n->flags & F_QUOTED))
		return true;
	struct span path = cel_dotted(k, n);
	if (!path.p)
		return true;
	int slot = env_find(k->env, path);
	if (slot >= 0)
		return use_slot(k, n, slot, true);
	struct span operand = span_of(path.p, path.n - n->name.n - 1);
	return cel_resolve(k, n->kid[0], operand, path);
}

/* --- types --- */

#define TYPE_OF(n) ((enum cel_type)(n)->type.t)

static bool
mistake(struct cel_check *k, const struct cel_node *n, const char *what, const char *wanted)
{
	if (!k->env)
		return true;
	struct span found = cel_type_name(TYPE_OF(n));
	return cel_error_at(k->err, k->src, n->at, "%s needs %s, found %.*s", what, wanted,
		SPAN_ARG(found));
}

static bool
mismatch(struct cel_check *k, const struct cel_node *n, const char *what)
{
	if (!k->env)
		return true;
	struct span a = cel_type_name(TYPE_OF(n->kid[0])),
		    b = cel_type_name(TYPE_OF(n->kid[1]));
	return cel_error_at(k->err, k->src, n->at, "'%s' is not defined for %.*s and %.*s",
		what, SPAN_ARG(a), SPAN_ARG(b));
}

static void
set_type(struct cel_node *n, enum cel_type t, enum cel_type elem)
{
	n->type = (struct cel_styp){ (uint8_t)t, (uint8_t)elem };
}

static bool
is_or_dyn(const struct cel_node *n, enum cel_type t)
{
	return TYPE_OF(n) == t || TYPE_OF(n) == CEL_DYN;
}

static bool
comparable(enum cel_type a, enum cel_type b)
{
	return a == CEL_DYN || b == CEL_DYN || a == b || (cel_is_number(a) && cel_is_number(b));
}

static bool
ordered(enum cel_type t)
{
	return cel_is_number(t) || t == CEL_DYN || t == CEL_BOOL || t == CEL_STRING ||
	       t == CEL_BYTES || t == CEL_TIMESTAMP || t == CEL_DURATION;
}

/* --- members --- */

static bool
check_ident(struct cel_check *k, struct cel_node *n)
{
	int local = n->flags & F_ROOT ? -1 : cel_local(k, n->name);

	if (local < 0)
		return cel_resolve(k, n, n->name, n->name);
	n->op = OP_LOCAL;
	n->type = k->scope_type[local];
	n->local = (uint8_t)local;
	return true;
}

static bool
check_select(struct cel_check *k, struct cel_node *n)
{
	bool test = n->flags & F_TEST;
	struct span path = test ? span_of(NULL, 0) : cel_dotted(k, n);

	if (test && !cel_resolve_has(k, n))
		return false;
	if (path.p && !cel_resolve(k, n, path, path))
		return false;
	if (n->op != OP_SELECT)
		return true;
	if (!cel_check(k, n->kid[0]))
		return false;
	set_type(n, test ? CEL_BOOL : CEL_DYN, CEL_DYN);
	if (TYPE_OF(n->kid[0]) == CEL_MAP && !test)
		n->type.t = n->kid[0]->type.elem;
	else if (!is_or_dyn(n->kid[0], CEL_MAP) && k->env)
		return cel_error_at(k->err, k->src, n->at, "%.*s has no fields, so no '%.*s'",
			SPAN_ARG(cel_type_name(TYPE_OF(n->kid[0]))), SPAN_ARG(n->name));
	return true;
}

static bool
check_index(struct cel_check *k, struct cel_node *n)
{
	enum cel_type range = TYPE_OF(n->kid[0]), index = TYPE_OF(n->kid[1]);

	set_type(n, CEL_DYN, CEL_DYN);
	if (range == CEL_DYN)
		return true;
	if (range != CEL_LIST && range != CEL_MAP)
		return mistake(k, n->kid[0], "[]", "a list or a map");
	n->type.t = n->kid[0]->type.elem;
	if (range == CEL_LIST && !cel_is_number(index) && index != CEL_DYN)
		return mistake(k, n->kid[1], "the index of a list", "an int");
	return true;
}

/* --- operators --- */

static const char *
op_text(enum cel_op op)
{
	static const char *const text[] = { "==", "!=", "<", "<=", ">", ">=", "in", "+", "-",
		"*", "/", "%" };

	return op >= OP_EQ && op <= OP_MOD ? text[op - OP_EQ] : "?";
}

static bool
check_compare(struct cel_check *k, struct cel_node *n)
{
	enum cel_type a = TYPE_OF(n->kid[0]), b = TYPE_OF(n->kid[1]);
	bool order = n->op != OP_EQ && n->op != OP_NE;

	set_type(n, CEL_BOOL, CEL_DYN);
	if (!comparable(a, b) || (order && (!ordered(a) || !ordered(b))))
		return mismatch(k, n, op_text((enum cel_op)n->op));
	return true;
}

static bool
check_in(struct cel_check *k, struct cel_node *n)
{
	const struct cel_node *set = n->kid[1];

	set_type(n, CEL_BOOL, CEL_DYN);
	if (TYPE_OF(set) == CEL_LIST) {
		if (comparable(TYPE_OF(n->kid[0]), (enum cel_type)set->type.elem) || !k->env)
			return true;
		return cel_error_at(k->err, k->src, n->at,
			"'in' looks for a %.*s, but the list holds %.*s",
			SPAN_ARG(cel_type_name(TYPE_OF(n->kid[0]))),
			SPAN_ARG(cel_type_name((enum cel_type)set->type.elem)));
	}
	if (!is_or_dyn(set, CEL_MAP))
		return mistake(k, set, "'in'", "a list or a map");
	return true;
}

static bool
check_arith(struct cel_check *k, struct cel_node *n)
{
	/* clang-format off */
	static const struct { const char *ops; enum cel_type a, b, result; } rows[] = {
		{ "+-*/%", CEL_INT,       CEL_INT,       CEL_INT },
		{ "+-*/%", CEL_UINT,      CEL_UINT,      CEL_UINT },
		{ "+-*/",  CEL_DOUBLE,    CEL_DOUBLE,    CEL_DOUBLE },
		{ "+",     CEL_STRING,    CEL_STRING,    CEL_STRING },
		{ "+",     CEL_BYTES,     CEL_BYTES,     CEL_BYTES },
		{ "+",     CEL_LIST,      CEL_LIST,      CEL_LIST },
		{ "+-",    CEL_DURATION,  CEL_DURATION,  CEL_DURATION },
		{ "+-",    CEL_TIMESTAMP, CEL_DURATION,  CEL_TIMESTAMP },
		{ "+",     CEL_DURATION,  CEL_TIMESTAMP, CEL_TIMESTAMP },
		{ "-",     CEL_TIMESTAMP, CEL_TIMESTAMP, CEL_DURATION },
	};
	/* clang-format on */
	enum cel_type a = TYPE_OF(n->kid[0]), b = TYPE_OF(n->kid[1]);
	enum cel_type result = CEL_ERROR;
	char op = op_text((enum cel_op)n->op)[0];

	for (size_t i = 0; i < COUNT_OF(rows); i++) {
		if (!strchr(rows[i].ops, op) || (a != CEL_DYN && a != rows[i].a) ||
			(b != CEL_DYN && b != rows[i].b))
			continue;
		result = result == CEL_ERROR || result == rows[i].result ? rows[i].result
									 : CEL_DYN;
	}
	set_type(n, result == CEL_ERROR ? CEL_DYN : result, CEL_DYN);
	if (result == CEL_LIST && n->kid[0]->type.elem == n->kid[1]->type.elem)
		n->type.elem = n->kid[0]->type.elem;
	return result != CEL_ERROR || mismatch(k, n, op_text((enum cel_op)n->op));
}

static bool
check_logic(struct cel_check *k, struct cel_node *n)
{
	const char *what = n->op == OP_AND ? "'&&'" : n->op == OP_OR ? "'||'" : "'!'";

	set_type(n, CEL_BOOL, CEL_DYN);
	for (uint32_t i = 0; i < n->nkids; i++)
		if (!is_or_dyn(n->kid[i], CEL_BOOL) && !mistake(k, n->kid[i], what, "bool"))
			return false;
	return true;
}

static bool
check_cond(struct cel_check *k, struct cel_node *n)
{
	const struct cel_styp *yes = &n->kid[1]->type, *no = &n->kid[2]->type;

	n->type = *yes;
	if (yes->t != no->t)
		n->type.t = CEL_DYN;
	if (yes->elem != no->elem)
		n->type.elem = CEL_DYN;
	return is_or_dyn(n->kid[0], CEL_BOOL) ||
	       mistake(k, n->kid[0], "the condition of '?'", "bool");
}

/* Returns the common type of the elements first, first + step, ... of a list or map literal. */
static enum cel_type
common_type(const struct cel_node *n, uint32_t first, uint32_t step)
{
	enum cel_type t = first < n->nkids ? TYPE_OF(n->kid[first]) : CEL_DYN;

	for (uint32_t i = first; i < n->nkids; i += step)
		if (TYPE_OF(n->kid[i]) != t)
			return CEL_DYN;
	return t;
}

/* --- calls and macros --- */

static bool
check_kids(struct cel_check *k, struct cel_node *n, uint32_t first)
{
	for (uint32_t i = first; i < n->nkids; i++)
		if (!cel_check(k, n->kid[i]))
			return false;
	return true;
}

static bool
unknown_function(struct cel_check *k, const struct cel_node *n, struct span name)
{
	const char *near = cel_fn_nearest(name);

	if (!k->env)
		return true;
	if (near && span_is(name, near))
		return cel_error_at(k->err, k->src, n->at, "%.*s() is %s", SPAN_ARG(name),
			n->flags & F_MEMBER ? "a function, not a method"
					    : "a method: write it after a value and a dot");
	return cel_error_at(k->err, k->src, n->at, "no such function: %.*s()%s%s%s",
		SPAN_ARG(name), near ? "; did you mean " : "", near ? near : "",
		near ? "()?" : "");
}

static bool
no_overload(struct cel_check *k, const struct cel_node *n, struct span name)
{
	char types[120];
	size_t at = 0;

	if (!k->env)
		return true;
	types[0] = 0;
	for (uint32_t i = n->flags & F_MEMBER ? 1 : 0; i < n->nkids && at < 80; i++) {
		struct span t = cel_type_name(TYPE_OF(n->kid[i]));
		memcpy(types + at, at ? ", " : "", at ? 2 : 0);
		at += at ? 2 : 0;
		memcpy(types + at, t.p, t.n);
		at += t.n;
		types[at] = 0;
	}
	struct span receiver = n->flags & F_MEMBER ? cel_type_name(TYPE_OF(n->kid[0])) : name;
	bool asks_list =
		n->flags & F_MEMBER && span_is(name, "contains") && span_is(receiver, "list");
	return cel_error_at(k->err, k->src, n->at, "%.*s%s%.*s(%s): no such form%s",
		SPAN_ARG(receiver), n->flags & F_MEMBER ? "." : "",
		n->flags & F_MEMBER ? (int)name.n : 0, name.p, types,
		asks_list ? "; to search a list, write VALUE in LIST" : "");
}

/* Returns true for the functions of tool.origins: in tool.from("to", ["user"]), the receiver is the
 * field tool.origins. */
static bool
of_origins(struct span name)
{
	return span_is(name, "tool.from") || span_is(name, "tool.origin");
}

/* Returns a function's name with its namespace, such as math.abs in math.abs(x). */
static struct span
qualify(struct cel_check *k, struct cel_node *n)
{
	struct span name = n->name;
	struct span scope = n->flags & F_MEMBER ? cel_dotted(k, n->kid[0]) : span_of(NULL, 0);

	if (!scope.p)
		return name;
	struct span full = arena_printf(k->a, "%.*s.%.*s", SPAN_ARG(scope), SPAN_ARG(name));
	if (!full.p || !cel_fn_next(NULL, full, false))
		return name;
	n->flags &= (uint8_t)~F_MEMBER;
	if (of_origins(full)) {
		struct cel_node *slot = arena_alloc(k->a, sizeof(*slot) + sizeof(slot->kid[0]));
		if (!slot)
			return name;
		*slot = (struct cel_node){ .op = OP_SELECT,
			.at = n->kid[0]->at,
			.nkids = 1,
			.depth = n->kid[0]->depth + 1,
			.name = SPAN_LIT("origins") };
		slot->kid[0] = n->kid[0];
		n->kid[0] = slot;
		return full;
	}
	n->nkids--;
	memmove(n->kid, n->kid + 1, n->nkids * sizeof(n->kid[0]));
	return full;
}

/* Reports an argument of tool.from() or tool.origin() that is no literal. The gateway must know all paths
 * and sources when it loads the policy. */
static bool
check_literals(struct cel_check *k, const struct cel_node *n)
{
	for (uint32_t i = 1; i < n->nkids; i++) {
		const struct cel_node *arg = n->kid[i];
		bool literal = arg->op == OP_CONST || arg->op == OP_LIST;
		for (uint32_t j = 0; literal && arg->op == OP_LIST && j < arg->nkids; j++)
			literal = arg->kid[j]->op == OP_CONST &&
				  arg->kid[j]->value.type == CEL_STRING;
		if (!literal)
			return cel_error_at(k->err, k->src, arg->at,
				"%.*s() takes literals: a path, and a list of sources",
				SPAN_ARG(n->name));
	}
	return true;
}

static bool
check_call(struct cel_check *k, struct cel_node *n)
{
	struct span name = qualify(k, n);
	bool member = n->flags & F_MEMBER;
	size_t n_fn = 0, all = 0;

	if (of_origins(name)) {
		n->name = name;
		if (!check_literals(k, n))
			return false;
	}
	if (!check_kids(k, n, 0))
		return false;
	for (const struct cel_fn *fn = NULL; (fn = cel_fn_next(fn, name, member));)
		all++;
	const struct cel_fn **rows = arena_array(k->a, all + 1, sizeof(const struct cel_fn *));
	uint8_t *types = arena_alloc(k->a, n->nkids);
	if (!rows || !types)
		return cel_error_at(k->err, k->src, n->at, "out of memory");
	for (uint32_t i = 0; i < n->nkids; i++)
		types[i] = n->kid[i]->type.t;
	set_type(n, CEL_DYN, CEL_DYN);
	for (const struct cel_fn *fn = NULL; (fn = cel_fn_next(fn, name, member));) {
		if (!cel_fn_fits(fn, types, n->nkids))
			continue;
		enum cel_type result = cel_fn_type(fn->result);
		n->type.t = (uint8_t)(n_fn == 0 || TYPE_OF(n) == result ? result : CEL_DYN);
		rows[n_fn++] = fn;
	}
	if (all == 0 && !unknown_function(k, n, name))
		return false;
	if (all > 0 && n_fn == 0 && !no_overload(k, n, name))
		return false;
	n->call.name = name;
	n->call.fn = rows;
	n->call.nfn = (uint32_t)n_fn;
	n->call.aux = NULL;
	return true;
}

/* Sets the type of a macro's result, after its parts were checked. */
static bool
macro_type(struct cel_check *k, struct cel_node *n)
{
	const struct cel_node *body = n->kid[1], *predicate = NULL;

	switch (n->op) {
	case OP_BIND: n->type = body->type; break;
	case OP_FILTER:
		set_type(n, CEL_LIST,
			TYPE_OF(n->kid[0]) == CEL_LIST ? (enum cel_type)n->kid[0]->type.elem
						       : CEL_DYN);
		predicate = body;
		break;
	case OP_TRANSFORM_LIST:
	case OP_TRANSFORM_MAP:
		set_type(n, n->op == OP_TRANSFORM_LIST ? CEL_LIST : CEL_MAP, TYPE_OF(body));
		predicate = n->nkids == 3 ? n->kid[2] : NULL;
		break;
	default: set_type(n, CEL_BOOL, CEL_DYN); predicate = body;
	}
	return !predicate || is_or_dyn(predicate, CEL_BOOL) ||
	       mistake(k, predicate, "a macro's condition", "bool");
}

static bool
check_macro(struct cel_check *k, struct cel_node *n)
{
	const struct cel_node *range = n->kid[0];
	uint32_t outer = k->nscope;

	if (!cel_check(k, n->kid[0]))
		return false;
	enum cel_type t = TYPE_OF(range);
	if (n->op != OP_BIND && t != CEL_LIST && t != CEL_MAP && t != CEL_DYN &&
		!mistake(k, range, "a macro", "a list or a map"))
		return false;
	n->local = (uint8_t)outer;
	/* variables of a list: elements, or with two variables index and element; of a map:
	 * keys, or with two variables key and value */
	struct cel_styp var[2] = { { CEL_DYN, CEL_DYN }, { CEL_DYN, CEL_DYN } };
	if (n->op == OP_BIND)
		var[0] = range->type;
	else if (t == CEL_LIST && n->nvars == 2)
		var[0].t = CEL_INT;
	else if (t == CEL_LIST)
		var[0].t = range->type.elem;
	if (t != CEL_DYN)
		var[1].t = range->type.elem;
	for (size_t i = 0; i < n->nvars; i++) {
		if (k->nscope == CAP_CEL_VARS)
			return cel_error_at(
				k->err, k->src, n->at, "macros are nested too deeply");
		k->scope[k->nscope] = n->var[i];
		k->scope_type[k->nscope++] = var[i];
	}
	if (!check_kids(k, n, 1))
		return false;
	k->nscope = outer;
	return macro_type(k, n);
}

static bool
cel_check(struct cel_check *k, struct cel_node *n)
{
	switch ((enum cel_op)n->op) {
	case OP_IDENT: return check_ident(k, n);
	case OP_SELECT: return check_select(k, n);
	case OP_CALL: return check_call(k, n);
	case OP_ALL ... OP_BIND: return check_macro(k, n);
	case OP_CONST:
	case OP_SLOT ... OP_NAME: return true;
	default: break;
	}
	if (!check_kids(k, n, 0))
		return false;
	switch ((enum cel_op)n->op) {
	case OP_INDEX: return check_index(k, n);
	case OP_LIST: set_type(n, CEL_LIST, common_type(n, 0, 1)); return true;
	case OP_MAPLIT: set_type(n, CEL_MAP, common_type(n, 1, 2)); return true;
	case OP_AND:
	case OP_OR:
	case OP_NOT: return check_logic(k, n);
	case OP_NEG:
		n->type = n->kid[0]->type;
		return is_or_dyn(n->kid[0], CEL_INT) || TYPE_OF(n->kid[0]) == CEL_DOUBLE ||
		       mistake(k, n->kid[0], "'-'", "a number with a sign");
	case OP_COND: return check_cond(k, n);
	case OP_IN: return check_in(k, n);
	case OP_EQ ... OP_GE: return check_compare(k, n);
	default: return check_arith(k, n);
	}
}

/* ---- folding, and the entry points ---- */

/* steps that folding may take for a whole expression; the rest is left to run time */
#define FOLD_STEPS 100000
#define FOLD_BYTES (1u << 20)
#define FEW_SLOTS  16

/* --- folding --- */

static bool
foldable(const struct cel_node *n)
{
	if (n->op == OP_CONST || n->op >= OP_SLOT)
		return false;
	for (uint32_t i = 0; i < n->nkids; i++)
		if (n->kid[i]->op != OP_CONST)
			return false;
	return true;
}

/* Prepares a constant last argument: compiles a pattern, or loads a time zone. */
static bool
prepare_node(struct cel_check *k, struct cel_node *n)
{
	const struct cel_node *last = n->nkids ? n->kid[n->nkids - 1] : NULL;

	if (n->op != OP_CALL || !last || last->op != OP_CONST)
		return true;
	for (uint32_t i = 0; i < n->call.nfn; i++) {
		const struct cel_fn *fn = n->call.fn[i];
		const char *why = "out of memory";
		if (!fn->prepare ||
			cel_fn_type(fn->args[strlen(fn->args) - 1]) != last->value.type)
			continue;
		n->call.aux = fn->prepare(k->a, &last->value, &why);
		if (!n->call.aux && k->env)
			return cel_error_at(k->err, k->src, last->at, "%.*s(): %s",
				SPAN_ARG(n->call.name), why);
		return true;
	}
	return true;
}

/* Replaces a node over constants by its value. */
static bool
fold_node(struct cel_check *k, struct cel_node *n)
{
	static const struct cel_activation nothing;
	struct cel_value locals[CAP_CEL_VARS];
	struct cel_value v;
	struct cel_ctx c = { .act = &nothing,
		.arena = k->a,
		.steps = k->fold_steps,
		.bytes_left = k->fold_bytes,
		.locals = locals };

	cel_eval_node(&c, n, &v);
	k->fold_steps = c.steps;
	k->fold_bytes = c.bytes_left;
	if (!cel_is_error(&v) && !c.fatal && c.steps >= 0) {
		n->op = OP_CONST;
		n->nkids = 0;
		n->value = v;
	} else if (c.fatal == ERR_NOMEM) {
		return cel_error_at(k->err, k->src, n->at, "out of memory");
	} else if (k->env && !c.fatal && n->op == OP_CALL) {
		return cel_error_at(k->err, k->src, n->at, "%.*s", SPAN_ARG(v.s));
	}
	return true;
}

/* Folds everything that depends on constants only. */
static bool
cel_fold(struct cel_check *k, struct cel_node *n)
{
	for (uint32_t i = 0; i < n->nkids; i++)
		if (!cel_fold(k, n->kid[i]))
			return false;
	return prepare_node(k, n) && (!foldable(n) || fold_node(k, n));
}

/* --- compilation --- */

static bool
result_fits(struct cel_check *k, const struct cel_node *root, enum cel_type want)
{
	enum cel_type type = (enum cel_type)root->type.t;

	if (want == CEL_DYN || type == CEL_DYN || type == want)
		return true;
	return cel_error_at(k->err, k->src, root->at, "the result is %.*s, not %.*s",
		SPAN_ARG(cel_type_name(type)), SPAN_ARG(cel_type_name(want)));
}

const struct cel_program *
cel_compile(struct arena *a, const struct cel_env *env, struct span src, enum cel_type want,
	struct cel_error *err)
{
	struct cel_check k = { .a = a,
		.env = env,
		.err = err,
		.fold_steps = FOLD_STEPS,
		.fold_bytes = FOLD_BYTES };
	struct cel_program *p = arena_new(a, struct cel_program);

	*err = (struct cel_error){ .line = 1, .column = 1 };
	/* names and literals in the program must live longer than the caller's text */
	k.src = arena_dup(a, src);
	struct cel_node *root = k.src.p ? cel_parse(a, k.src, err) : NULL;
	if (root && cel_check(&k, root) && result_fits(&k, root, want) && cel_fold(&k, root)) {
		struct cel_slot_decl *slots = arena_array(a, k.nslots, sizeof(*slots));
		if (p && slots) {
			memcpy(slots, k.slots, k.nslots * sizeof(*slots));
			*p = (struct cel_program){ root, want, slots, k.nslots };
		}
	}
	if (arena_failed(a))
		cel_error_at(err, src, 0, "out of memory");
	return !arena_failed(a) && p->root ? p : NULL;
}

void
cel_result(const struct cel_program *p, enum cel_type *type, enum cel_type *elem)
{
	*type = (enum cel_type)p->root->type.t;
	*elem = *type == CEL_LIST ? (enum cel_type)p->root->type.elem : CEL_DYN;
}

bool
cel_reads(const struct cel_program *p, size_t slot)
{
	for (uint32_t i = 0; i < p->nslots; i++)
		if (p->slots[i].slot == slot)
			return true;
	return false;
}

/* Argument of the walks of cel_names() and cel_compared(). */
struct names {
	const struct cel_program *p;
	size_t slot;
	void (*name)(void *arg, struct span name);
	void *arg;
};

static bool
is_slot(const struct names *s, const struct cel_node *n)
{
	return (n->op == OP_SLOT || n->op == OP_PRESENT) &&
	       s->p->slots[n->slot].slot == s->slot;
}

static bool
names_in(const struct names *s, const struct cel_node *n)
{
	if (n->op == OP_IN && n->kid[1]->op == OP_SLOT && is_slot(s, n->kid[1]) &&
		n->kid[0]->op == OP_CONST && n->kid[0]->value.type == CEL_STRING) {
		s->name(s->arg, n->kid[0]->value.s);
		return true;
	}
	bool all = !is_slot(s, n);
	for (uint32_t i = 0; i < n->nkids; i++)
		all &= names_in(s, n->kid[i]);
	return all;
}

bool
cel_names(const struct cel_program *p, size_t slot, void (*name)(void *arg, struct span name),
	void *arg)
{
	const struct names s = { p, slot, name, arg };

	return !cel_reads(p, slot) || names_in(&s, p->root);
}

static void
literals_of(const struct names *s, const struct cel_value *v)
{
	if (v->type == CEL_STRING)
		s->name(s->arg, v->s);
	for (size_t i = 0; v->type == CEL_LIST && i < v->list.n; i++)
		literals_of(s, &v->list.v[i]);
}

static void
compared_in(const struct names *s, const struct cel_node *n)
{
	bool equal = n->op == OP_EQ || n->op == OP_NE;

	for (uint32_t i = 0; i < n->nkids; i++) {
		bool slot = n->kid[i]->op == OP_SLOT && is_slot(s, n->kid[i]);
		/* a constant, or a list of constants */
		const struct cel_node *with =
			slot && (equal || (n->op == OP_IN && i == 0)) ? n->kid[1 - i] : NULL;
		if (with && with->op == OP_CONST)
			literals_of(s, &with->value);
		for (uint32_t k = 0; with && with->op == OP_LIST && k < with->nkids; k++)
			if (with->kid[k]->op == OP_CONST)
				literals_of(s, &with->kid[k]->value);
		compared_in(s, n->kid[i]);
	}
}

void
cel_compared(const struct cel_program *p, size_t slot,
	void (*literal)(void *arg, struct span text), void *arg)
{
	const struct names s = { p, slot, literal, arg };

	if (cel_reads(p, slot))
		compared_in(&s, p->root);
}

/* --- evaluation --- */

int
cel_eval(const struct cel_program *p, const struct cel_activation *act, struct arena *a,
	struct cel_value *out)
{
	struct cel_slot few[FEW_SLOTS];
	struct cel_value locals[CAP_CEL_VARS];
	struct cel_ctx c = {
		.program = p,
		.act = act,
		.arena = a,
		.steps = act->max_steps && act->max_steps < INT64_MAX ? (int64_t)act->max_steps
								      : CAP_CEL_STEPS,
		.bytes_left = CAP_CEL_EVAL_BYTES,
		.slots = few,
		.locals = locals,
	};

	if (p->nslots > FEW_SLOTS &&
		!(c.slots = cel_take(&c, p->nslots * sizeof(struct cel_slot), out)))
		return c.fatal;
	for (uint32_t i = 0; i < p->nslots; i++)
		c.slots[i].known = false;
	cel_eval_node(&c, p->root, out);
	if (c.steps < 0)
		cel_charge(&c, 0, out);
	if (c.fatal) {
		if (!cel_is_error(out))
			cel_raise_lit(out, "the evaluation was stopped");
		return c.fatal;
	}
	if (cel_is_error(out))
		return ERR_RANGE;
	if (p->want != CEL_DYN && out->type != p->want) {
		cel_raise(&c, out, "the result is %.*s, not %.*s",
			SPAN_ARG(cel_type_name(out->type)), SPAN_ARG(cel_type_name(p->want)));
		return ERR_RANGE;
	}
	return 0;
}

/* ---- conditions that a NaN passes ---- */

enum { CONVERSIONS_MAX = 32 };

struct nan_walk {
	bool wants; /* the result that the condition should have if the number is NaN */
	/* for double() of each text: did one comparison of it give the wanted result? */
	struct {
		const struct cel_node *of;
		bool held;
	} seen[CONVERSIONS_MAX];
	size_t n;
	const struct cel_node *local[CAP_CEL_VARS]; /* values of macros' variables */
};

/* Returns the text that a conversion in `n` reads, which may be "NaN", or NULL. */
static const struct cel_node *
conversion_in(const struct nan_walk *w, const struct cel_node *n)
{
	const struct cel_node *found = NULL;

	if (n->op == OP_LOCAL)
		return w->local[n->local];
	if (n->op == OP_CALL && span_is(n->call.name, "double") && n->nkids == 1 &&
		(n->kid[0]->type.t == CEL_STRING || n->kid[0]->type.t == CEL_DYN))
		return n->kid[0];
	if (n->type.t != CEL_DOUBLE && n->type.t != CEL_DYN && n->type.t != CEL_LIST)
		return NULL;
	for (uint32_t i = 0; i < n->nkids && !found; i++)
		found = conversion_in(w, n->kid[i]);
	return found;
}

/* Notes a comparison. `comes`: its result if the number is NaN. `under`: 1, or -1 below a
 * negation, or 0 if unknown. */
static void
compared_to(struct nan_walk *w, const struct cel_node *of, bool comes, int under)
{
	if (!of || w->n == CONVERSIONS_MAX)
		return;
	w->seen[w->n].of = of;
	w->seen[w->n++].held = under && (under > 0) == (comes == w->wants);
}

static void
find_comparisons(struct nan_walk *w, const struct cel_node *n, int under)
{
	bool macro = n->op >= OP_ALL && n->op <= OP_BIND;
	int of_kids = n->op == OP_NOT ? -under : 0;

	if (n->op == OP_AND || n->op == OP_OR || n->op == OP_COND || macro)
		of_kids = n->op == OP_EXISTS_ONE ? 0 : under;
	for (uint32_t i = 0; n->op >= OP_EQ && n->op <= OP_IN && i < n->nkids; i++)
		compared_to(w, conversion_in(w, n->kid[i]), n->op == OP_NE, under);
	if (n->op == OP_CALL && n->nkids == 1 && span_is(n->call.name, "math.isNaN"))
		compared_to(w, conversion_in(w, n->kid[0]), true, under);
	if (n->op == OP_CALL && n->nkids == 1 && span_is(n->call.name, "math.isFinite"))
		compared_to(w, conversion_in(w, n->kid[0]), false, under);
	for (uint32_t i = 0; i < n->nkids; i++) {
		bool aside = i == 0 && (macro || n->op == OP_COND);
		find_comparisons(w, n->kid[i], aside ? 0 : of_kids);
		for (uint8_t k = 0; i == 0 && macro && k < n->nvars; k++)
			w->local[n->local + k] = conversion_in(w, n->kid[0]);
	}
}

static bool
is_same_node(const struct cel_node *a, const struct cel_node *b)
{
	int64_t steps = CAP_CEL_STEPS;

	if (a->op != b->op || a->flags != b->flags || a->nkids != b->nkids)
		return false;
	for (uint32_t i = 0; i < a->nkids; i++)
		if (!is_same_node(a->kid[i], b->kid[i]))
			return false;
	switch (a->op) {
	case OP_CONST: return cel_equal(&a->value, &b->value, &steps);
	case OP_SELECT:
	case OP_NAME: return span_eq(a->name, b->name);
	case OP_SLOT:
	case OP_PRESENT: return a->slot == b->slot;
	case OP_LOCAL: return a->local == b->local;
	case OP_CALL: return span_eq(a->call.name, b->call.name);
	default: return true;
	}
}

bool
cel_lets_nan(const struct cel_program *p, bool wants)
{
	struct nan_walk w = { .wants = wants };

	find_comparisons(&w, p->root, 1);
	for (size_t i = 0; i < w.n; i++) {
		bool held = false;
		for (size_t k = 0; k < w.n; k++)
			held |= w.seen[k].held && is_same_node(w.seen[i].of, w.seen[k].of);
		if (!held)
			return true;
	}
	return false;
}
