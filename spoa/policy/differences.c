/* Compares two policy trees section by section. */
#include "policy/differences.h"

#include <stdio.h>

/* State of one comparison. `failed`: memory is exhausted. */
struct comparing {
	struct arena *a;
	struct difference *v;
	size_t n, room;
	bool failed;
};

/* Returns true if both nodes have the same meaning: layout, quoting and the order of keys do
 * not count. */
static bool
same_node(const struct yaml_node *x, const struct yaml_node *y)
{
	if (x->kind != y->kind || x->count != y->count)
		return false;
	if (x->kind == YAML_SCALAR)
		return yaml_is_null(x) == yaml_is_null(y) &&
		       span_eq(span_trim(x->s, " \t\r\n"), span_trim(y->s, " \t\r\n"));
	const struct yaml_node *b = y->child;
	for (const struct yaml_node *a = x->child; a; a = a->next, b = b->next) {
		const struct yaml_node *other =
			x->kind == YAML_MAPPING ? yaml_get(y, a->key->s.p) : b;
		if (!other || !same_node(a, other))
			return false;
	}
	return true;
}

static void
add_difference(struct comparing *c, const struct yaml_node *section, const char *name,
	enum difference_kind kind)
{
	struct difference *v = arena_grow(c->a, c->v, c->n, &c->room, sizeof(*v), 16);

	if (!v) {
		c->failed = true;
		return;
	}
	c->v = v;
	c->v[c->n++] = (struct difference){ section->key->s.p, name, kind };
}

/* Returns the name of an entry of a section. An entry without a name is named by its place,
 * "#2". */
static const char *
entry_name(struct comparing *c, const struct yaml_node *section, const struct yaml_node *entry)
{
	const struct yaml_node *name = yaml_get(entry, "name");
	size_t place = 1;

	if (section->kind == YAML_MAPPING)
		return entry->key->s.p;
	if (name && name->kind == YAML_SCALAR)
		return name->s.p;
	if (entry->kind == YAML_SCALAR)
		return entry->s.p;
	for (const struct yaml_node *x = section->child; x && x != entry; x = x->next)
		place++;
	return arena_printf(c->a, "#%zu", place).p;
}

/* Returns the entry with this name, or NULL. The search begins at *cursor and continues at the
 * beginning, and the cursor is moved behind the entry. Two lists in nearly the same order are
 * thus compared in one pass. */
static const struct yaml_node *
entry_named(struct comparing *c, const struct yaml_node *section, const char *name,
	const struct yaml_node **cursor)
{
	const struct yaml_node *x = *cursor ? *cursor : section->child;

	for (size_t i = 0; i < section->count && x && name; i++) {
		const char *its = entry_name(c, section, x);
		const struct yaml_node *next = x->next ? x->next : section->child;
		if (its && !strcmp(its, name)) {
			*cursor = next;
			return x;
		}
		x = next;
	}
	return NULL;
}

/* Compares the entries of a section that both policies have. */
static void
compare_entries(
	struct comparing *c, const struct yaml_node *before, const struct yaml_node *after)
{
	const struct yaml_node *cursor = NULL;
	size_t found = c->n;

	for (const struct yaml_node *x = after->child; x; x = x->next) {
		const char *name = entry_name(c, after, x);
		const struct yaml_node *was = entry_named(c, before, name, &cursor);
		if (!was)
			add_difference(c, after, name, DIFFERENCE_ADDED);
		else if (!same_node(was, x))
			add_difference(c, after, name, DIFFERENCE_CHANGED);
	}
	cursor = NULL;
	for (const struct yaml_node *x = before->child; x; x = x->next) {
		const char *name = entry_name(c, before, x);
		if (!entry_named(c, after, name, &cursor))
			add_difference(c, before, name, DIFFERENCE_REMOVED);
	}
	if (c->n == found)
		add_difference(c, after, NULL, DIFFERENCE_CHANGED);
}

static void
compare_section(
	struct comparing *c, const struct yaml_node *before, const struct yaml_node *after)
{
	if (!before)
		add_difference(c, after, NULL, DIFFERENCE_ADDED);
	else if (same_node(before, after))
		return;
	else if (before->kind != after->kind || after->kind == YAML_SCALAR)
		add_difference(c, after, NULL, DIFFERENCE_CHANGED);
	else
		compare_entries(c, before, after);
}

bool
policy_differences(struct arena *a, const struct yaml_node *before,
	const struct yaml_node *after, struct differences *out)
{
	struct comparing c = { .a = a };

	for (const struct yaml_node *x = after ? after->child : NULL; x; x = x->next)
		compare_section(&c, yaml_get(before, x->key->s.p), x);
	for (const struct yaml_node *x = before ? before->child : NULL; x; x = x->next)
		if (!yaml_get(after, x->key->s.p))
			add_difference(&c, x, NULL, DIFFERENCE_REMOVED);
	*out = (struct differences){ c.v, c.n };
	return !c.failed;
}

void
policy_differences_print(const struct differences *d, struct buf *out)
{
	static const char *const suffix[] = { [DIFFERENCE_CHANGED] = "",
		[DIFFERENCE_ADDED] = " (new)",
		[DIFFERENCE_REMOVED] = " (removed)" };

	for (size_t i = 0; i < d->n; i++) {
		const struct difference *x = &d->v[i];
		bool same = i && !strcmp(x->section, x[-1].section);
		if (!same)
			buf_printf(out, "%s%s", i ? "; " : "", x->section);
		if (x->name)
			buf_printf(out, "%s%s", same ? ", " : " ", x->name);
		else if (x->kind == DIFFERENCE_CHANGED && !strcmp(x->section, "rules"))
			buf_str(out, " (their order)");
		buf_str(out, suffix[x->kind]);
	}
}
