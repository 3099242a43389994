/* Turns the rows of a dialect ("messages[*].content[*].text") into a tree that
 * the JSON walker descends with the document: one step a key. Built once. */
#include "text/table.h"

#include <pthread.h>
#include <stdio.h>

#include "base/ascii.h"
#include "base/err.h"

enum { NODES_MAX = 384 };

static struct node pool[NODES_MAX];
static size_t npool;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static const struct dialect *const all[] = { &dialect_openai, &dialect_anthropic,
	&dialect_rest };
enum { NALL = COUNT_OF(all) };
static struct node *trees[NALL];
static char names[256];

static struct node *
new_node(struct span key)
{
	INVARIANT(npool < NODES_MAX);
	pool[npool].key = key;
	return &pool[npool++];
}

static struct node *
member(struct node *n, struct span key)
{
	for (const struct node *m = n->members; m; m = m->next)
		if (span_eq(m->key, key))
			return &pool[m - pool];
	struct node *m = new_node(key);
	m->next = n->members;
	n->members = m;
	return m;
}

static struct node *
element(struct node *n)
{
	if (!n->element)
		n->element = new_node((struct span){ NULL, 0 });
	return &pool[n->element - pool];
}

/* path = step { "." step }; step = key { "[*]" } */
static struct node *
node_of(struct node *root, const char *path)
{
	struct span rest = span_str(path);
	struct node *n = root;

	while (rest.n) {
		struct span step = span_next(&rest, '.');
		size_t key = span_chr(step, '[');
		n = member(n, span_cut(step, 0, key));
		for (size_t at = key; at < step.n; at += 3)
			n = element(n);
	}
	return n;
}

static void
build(void)
{
	size_t n = 0;

	for (size_t i = 0; i < NALL; i++) {
		n += (size_t)snprintf(
			names + n, sizeof(names) - n, "%s%s", i ? ", " : "", all[i]->name);
		trees[i] = new_node((struct span){ NULL, 0 });
		for (const struct row *r = all[i]->rows; r && r->path; r++) {
			struct node *node = node_of(trees[i], r->path);
			INVARIANT(!node->row);
			node->row = r;
		}
		for (const struct seal_row *r = all[i]->seals; r && r->path; r++)
			node_of(trees[i], r->path)->seal = r;
	}
}

const struct node *
table_tree(const struct dialect *d)
{
	pthread_once(&once, build);
	for (size_t i = 0; i < NALL; i++)
		if (all[i] == d)
			return trees[i];
	return NULL;
}

/* Unicode simple case folding, as far as it meets ASCII letters: besides A-Z
 * the long s (U+017F) and the Kelvin sign (U+212A), which parsers that match
 * keys blind to case (Go's encoding/json) do fold. */
static bool
folds_to(struct span key, struct span want)
{
	size_t i = 0, k = 0;

	while (i < key.n && k < want.n) {
		struct span rest = span_cut(key, i, key.n);
		char c = key.p[i], w = want.p[k++];
		if (span_starts(rest, SPAN_LIT("\xc5\xbf"))) {
			c = 's';
			i += 2;
		} else if (span_starts(rest, SPAN_LIT("\xe2\x84\xaa"))) {
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
		if (span_eq(m->key, key))
			return m;
	for (const struct node *m = n->members; m; m = m->next)
		if (folds_to(key, m->key))
			*clash = m;
	return NULL;
}

const struct dialect *
dialect_find(struct span name)
{
	for (size_t i = 0; i < NALL; i++)
		if (span_is(name, all[i]->name))
			return all[i];
	return NULL;
}

const char *
dialect_name(const struct dialect *d)
{
	return d->name;
}

const char *
dialect_names(void)
{
	pthread_once(&once, build);
	return names;
}

const struct dialect *
dialect_for_path(struct span path)
{
	for (size_t i = 0; i < NALL; i++)
		for (const char *const *p = all[i]->paths; p && *p; p++)
			if (span_ends(path, span_str(*p)))
				return all[i];
	return &dialect_rest;
}

bool
dialect_is_json(const struct dialect *d)
{
	return d->json;
}

bool
dialect_has_model(const struct dialect *d)
{
	return d->cap != NULL;
}
