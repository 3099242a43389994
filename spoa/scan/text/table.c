/* Converts the rows of a table ("messages[*].content[*].text") into a tree. The JSON walk
 * descends the tree together with the document, one step per key. A tree is built at first use
 * and never freed. */
#include "scan/text/table.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ascii.h"
#include "base/err.h"

enum {
	SIBLINGS_MAX = 64, /* a frame records in one 64-bit word which members it has seen */
	SNAKE_MAX = 64,
};

static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;

/* The state of building one tree. */
struct maker {
	bool snake, failed;
};

static struct node *
new_node(struct maker *m, struct span key)
{
	struct node *n = calloc(1, sizeof(*n));

	m->failed |= !n;
	if (n)
		n->key = key;
	return n;
}

/* Returns "max_tokens" for "maxTokens"; empty if both are the same or the table has no second
 * spelling. */
static struct span
snake_of(struct maker *m, struct span key)
{
	char out[SNAKE_MAX];
	size_t n = 0;

	for (size_t i = 0; i < key.n; i++) {
		INVARIANT(n + 2 < sizeof(out));
		if (is_upper(key.p[i]))
			out[n++] = '_';
		out[n++] = to_lower(key.p[i]);
	}
	if (!m->snake || n == key.n)
		return (struct span){ NULL, 0 };
	char *kept = malloc(n);
	m->failed |= !kept;
	if (kept)
		memcpy(kept, out, n);
	return span_of(kept, kept ? n : 0);
}

/* Returns a node as mutable. The tree is constant only after it was built. */
static struct node *
made_row_node(const struct node *n)
{
	return (struct node *)(uintptr_t)n;
}

static struct node *
row_member(struct maker *m, struct node *n, struct span key)
{
	if (span_is(key, "*")) {
		if (!n->any)
			n->any = new_node(m, key);
		return made_row_node(n->any);
	}
	for (const struct node *c = n->members; c; c = c->next)
		if (span_eq(c->key, key))
			return made_row_node(c);
	struct node *c = new_node(m, key);
	if (!c)
		return NULL;
	c->next = n->members;
	c->bit = c->next ? c->next->bit + 1 : 0;
	c->snake = snake_of(m, key);
	INVARIANT(c->bit < SIBLINGS_MAX);
	n->members = c;
	return c;
}

static struct node *
element(struct maker *m, struct node *n)
{
	if (!n->element)
		n->element = new_node(m, (struct span){ NULL, 0 });
	return made_row_node(n->element);
}

/* Returns the node of a path, creating the steps. path = step { "." step }; step = key { "[*]" } */
static struct node *
node_of(struct maker *m, struct node *root, const char *path)
{
	struct span rest = span_str(path);
	struct node *n = root;

	while (rest.n && n) {
		struct span step = span_next(&rest, '.');
		size_t key = span_chr(step, '[');
		if (key)
			n = row_member(m, n, span_cut(step, 0, key));
		for (size_t at = key; at < step.n && n; at += 3)
			n = element(m, n);
	}
	return n;
}

static void
free_nodes(const struct node *n)
{
	while (n) {
		const struct node *next = n->next;
		free_nodes(n->members);
		free_nodes(n->element);
		free_nodes(n->any);
		free((void *)(uintptr_t)n->snake.p);
		free(made_row_node(n));
		n = next;
	}
}

static const struct node *
build(const struct table *t)
{
	struct maker m = { .snake = t->snake };
	struct node *root = new_node(&m, (struct span){ NULL, 0 }), *n;

	/* The nodes of rows come before these in each list of members, because bodies have them
	 * more often. */
	for (const struct name_row *r = t->names; root && r && r->path; r++)
		if ((n = node_of(&m, root, r->path)))
			n->name = r->kind;
	for (const struct row *r = t->rows; root && r && r->path; r++)
		if ((n = node_of(&m, root, r->path))) {
			INVARIANT(!n->row);
			n->row = r;
		}
	for (const struct seal_row *r = t->seals; root && r && r->path; r++)
		if ((n = node_of(&m, root, r->path)))
			n->seal = r;
	for (const struct param_row *r = t->params; root && r && r->path; r++)
		if ((n = node_of(&m, root, r->path)))
			n->param = r->name;
	for (const struct ref_row *r = t->refs; root && r && r->path; r++)
		if ((n = node_of(&m, root, r->path)))
			n->ref = r->kind;
	if (!m.failed)
		return root;
	free_nodes(root);
	return NULL;
}

const struct node *
table_tree(const struct table *t)
{
	const struct node *root = atomic_load_explicit(&t->tree->root, memory_order_acquire);

	if (root)
		return root;
	pthread_mutex_lock(&building);
	root = atomic_load_explicit(&t->tree->root, memory_order_acquire);
	if (!root) {
		root = build(t);
		atomic_store_explicit(&t->tree->root, root, memory_order_release);
	}
	pthread_mutex_unlock(&building);
	return root;
}

/* Compares keys with Unicode's simple case folding, as far as it affects ASCII letters: A-Z, and
 * also the long s (U+017F) and the Kelvin sign (U+212A). Case-insensitive parsers such as Go's
 * encoding/json fold those too. */
static bool
folds_to(struct span key, struct span want)
{
	size_t i = 0, k = 0;

	while (i < key.n && k < want.n) {
		struct span rest = span_cut(key, i, key.n);
		char c = key.p[i], w = want.p[k++];
		if (c == '\xc5' && span_starts(rest, SPAN_LIT("\xc5\xbf"))) {
			c = 's';
			i += 2;
		} else if (c == '\xe2' && span_starts(rest, SPAN_LIT("\xe2\x84\xaa"))) {
			c = 'k';
			i += 3;
		} else {
			i++;
		}
		if (to_lower(c) != to_lower(w))
			return false;
	}
	return i == key.n && k == want.n;
}

const struct node *
node_member(const struct node *n, struct span key, const struct node **clash)
{
	*clash = NULL;
	if (!n)
		return NULL;
	for (const struct node *m = n->members; m; m = m->next)
		if (span_eq(m->key, key) || (m->snake.n && span_eq(m->snake, key)))
			return m;
	for (const struct node *m = n->members; m; m = m->next)
		if (folds_to(key, m->key) || (m->snake.n && folds_to(key, m->snake)))
			*clash = m;
	return *clash ? NULL : n->any;
}
