/* Builds the tree of a format's rows ("choices[*].delta.content"), one node per key or array.
 *
 * A tree is built at its first use and never freed. Readers take the root from an atomic
 * pointer; one mutex serializes builders. scan/text/table.c does the same for requests, whose
 * rows differ. */
#include "answer/format_tree.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/err.h"
#include "scan/dialect/usage.h"

static pthread_mutex_t building = PTHREAD_MUTEX_INITIALIZER;

/* A tree that is being built, in one block of memory. */
struct maker {
	struct answer_node *v; /* all nodes; v[0] is the root */
	size_t n;
};

/* Returns an upper bound on the nodes that a path needs. */
static size_t
steps_of(const char *path)
{
	size_t n = 1;

	for (; *path; path++)
		n += *path == '.' || *path == '[';
	return n;
}

/* Casts const away. A tree is not const while it is built. */
static struct answer_node *
made_answer_node(const struct answer_node *n)
{
	return (struct answer_node *)(uintptr_t)n;
}

static struct answer_node *
format_member(struct maker *m, struct answer_node *n, struct span key)
{
	const struct answer_node *c = answer_member(n, key);

	if (c)
		return made_answer_node(c);
	struct answer_node *new = &m->v[m->n++];
	/* In the order of the rows, which have the most frequent members first. */
	const struct answer_node **end = &n->members;
	while (*end)
		end = (const struct answer_node **)&made_answer_node(*end)->next;
	new->key = key;
	new->counts = usage_key_counts(key);
	*end = new;
	return new;
}

static struct answer_node *
element(struct maker *m, struct answer_node *n)
{
	if (!n->element)
		n->element = &m->v[m->n++];
	return made_answer_node(n->element);
}

/* Returns the node of a path, and adds missing nodes. Grammar:
 *
 *   path = step { "." step }; step = key [ "[*]" | "[+]" ]
 *
 * With "+" the elements form one text, and their places distinguish nothing. */
static struct answer_node *
node_of(struct maker *m, const char *path)
{
	struct span rest = span_str(path);
	struct answer_node *n = m->v;

	while (rest.n) {
		struct span step = span_next(&rest, '.');
		size_t key = span_chr(step, '[');
		n = format_member(m, n, span_cut(step, 0, key));
		if (key < step.n) {
			n->joined = step.p[key + 1] == '+';
			n = element(m, n);
		}
	}
	return n;
}

/* Sets `calls` of all nodes: true if a call, its name or its arguments are there or below. */
static bool
mark_calls(struct answer_node *n)
{
	const struct answer_row *r = n->rows;

	n->calls =
		n->call || (r && (r->read == READ_TOOL || r->read == READ_INPUT ||
					 r->kind == KIND_ARGUMENTS || r->kind == KIND_INPUT));
	if (n->element)
		n->calls |= mark_calls(made_answer_node(n->element));
	for (const struct answer_node *m = n->members; m; m = m->next)
		n->calls |= mark_calls(made_answer_node(m));
	return n->calls;
}

static const struct answer_node *
build(const struct answer_format *f)
{
	struct maker m = { .n = 1 };
	size_t room = 1 + (f->type ? steps_of(f->type) : 0);

	for (const struct answer_row *r = f->rows; r->path; r++)
		room += steps_of(r->path);
	m.v = calloc(room, sizeof(*m.v));
	if (!m.v)
		return NULL;
	for (const struct answer_row *r = f->rows; r->path; r++) {
		struct answer_node *n = node_of(&m, r->path);
		if (r->read == READ_CALL) {
			n->call = r;
			continue;
		}
		if (!n->rows)
			n->rows = r;
		/* in our tables, rows of one path are adjacent */
		INVARIANT(n->rows + n->nrows == r);
		n->nrows++;
	}
	if (f->type)
		node_of(&m, f->type)->is_type = true;
	INVARIANT(m.n <= room);
	mark_calls(m.v);
	return m.v;
}

const struct answer_node *
answer_tree(const struct answer_format *f)
{
	const struct answer_node *root =
		atomic_load_explicit(&f->tree->root, memory_order_acquire);

	if (root)
		return root;
	pthread_mutex_lock(&building);
	root = atomic_load_explicit(&f->tree->root, memory_order_acquire);
	if (!root) {
		root = build(f);
		atomic_store_explicit(&f->tree->root, root, memory_order_release);
	}
	pthread_mutex_unlock(&building);
	return root;
}

const struct answer_node *
answer_member(const struct answer_node *n, struct span key)
{
	const struct answer_node *c = n ? n->members : NULL;

	while (c && (c->key.n != key.n || memcmp(c->key.p, key.p, key.n)))
		c = c->next;
	return c;
}

bool
answer_type_is(struct span type, const char *row)
{
	return *row == '*' ? type.n && memmem(type.p, type.n, row + 1, strlen(row + 1))
			   : span_is(type, row);
}

uint32_t
answer_number(struct span literal)
{
	/* the literal is followed by a byte of the document that ends it */
	double v = strtod(literal.p, NULL);

	return v >= 0 && v < UINT32_MAX && v == (uint32_t)v ? (uint32_t)v : UINT32_MAX;
}
