/* What a name means: a variable of a macro, a field of the environment, a type,
 * or (without an environment) something to ask for at run time. The longest
 * dotted name wins. Language definition, "Name Resolution". */
#include "policy/cel/resolve.h"

#include "policy/cel/fn.h"
#include "policy/cel/value.h"

int
cel_local(const struct cel_check *k, struct span name)
{
	for (uint32_t i = k->nscope; i > 0; i--)
		if (span_eq(k->scope[i - 1], name))
			return (int)i - 1;
	return -1;
}

struct span
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

/* The row of that path; -1: none. */
static int
env_find(const struct cel_env *env, struct span path)
{
	for (size_t i = 0; i < env->n; i++)
		if (span_is(path, env->vars[i].path))
			return (int)i;
	return -1;
}

/* A mistake, with the nearest name that there is. Always false. */
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

/* The program's own number of an environment's slot. */
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

bool
cel_resolve(struct cel_check *k, struct cel_node *n, struct span path, struct span blame)
{
	const struct cel_node *first = n;

	while (first->op == OP_SELECT)
		first = first->kid[0];
	uint32_t at = first->at; /* errors point at a name's first letter */
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

bool
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
