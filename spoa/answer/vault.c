/* The placeholders' names as a tree with one character per node. Text that arrives in pieces is
 * compared with all placeholders in one pass, and is held back only while one of them may
 * continue.
 *
 * Example: with <EMAIL_1> and <EMAIL_2> the tree is E-M-A-I-L-_, then the nodes 1 and 2 with a
 * value each. Memory is bounded by CAP_VAULT_BYTES, which vault_add() checks. */
#include "answer/vault.h"

#include "base/ascii.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/err.h"
#include "base/mem.h"
#include "scan/detect/detect.h"

/* A character of a name. Nodes refer to each other by index. */
struct node {
	uint32_t child, sibling; /* index; 0: none */
	uint32_t value;		 /* index in `values` plus 1; 0: no name ends here */
	char c;
};

struct value {
	size_t at, n; /* bytes of `text` */
};

enum { ROOT = 1, FIRST_NODES = 64, FIRST_VALUES = 8 };

struct vault {
	struct node *nodes; /* nodes[0] is unused, nodes[ROOT] is the root */
	size_t nnodes, nodes_room;
	struct value *values;
	size_t nvalues, values_room;
	struct buf text;
	bool urls;
	const struct detect_rules *rules; /* vault_count_unknown(); NULL: none */
	bool alone;
};

struct vault *
vault_new(void)
{
	struct vault *v = mem_get_zeroed(sizeof(*v));

	if (!v)
		return NULL;
	buf_init(&v->text, 0);
	v->nodes = mem_get_zeroed(FIRST_NODES * sizeof(*v->nodes));
	if (!v->nodes) {
		vault_free(&v);
		return NULL;
	}
	v->nodes_room = FIRST_NODES;
	v->nnodes = ROOT + 1;
	return v;
}

void
vault_free(struct vault **v)
{
	if (!*v)
		return;
	mem_put((*v)->nodes, (*v)->nodes_room * sizeof(*(*v)->nodes));
	mem_put((*v)->values, (*v)->values_room * sizeof(*(*v)->values));
	buf_free(&(*v)->text);
	mem_put(*v, sizeof(**v));
	*v = NULL;
}

void
vault_allow_urls(struct vault *v)
{
	v->urls = true;
}

bool
vault_urls(const struct vault *v)
{
	return v->urls;
}

size_t
vault_count(const struct vault *v)
{
	return v ? v->nvalues : 0;
}

void
vault_count_unknown(struct vault *v, const struct detect_rules *rules, bool alone)
{
	v->rules = rules;
	v->alone = alone;
}

bool
vault_matters(const struct vault *v)
{
	return v && (v->nvalues || v->alone);
}

static uint32_t
next_node(const void *of, uint32_t node, char c)
{
	const struct vault *v = of;

	for (node = v->nodes[node].child; node; node = v->nodes[node].sibling)
		if (v->nodes[node].c == c)
			return node;
	return 0;
}

static bool
is_whole_placeholder(const void *of, uint32_t node, struct span name)
{
	const struct vault *v = of;

	(void)name;
	return v->nodes[node].value != 0;
}

struct spelling_names
vault_names(const struct vault *v)
{
	return (struct spelling_names){
		.of = v, .next = next_node, .whole = is_whole_placeholder
	};
}

struct span
vault_value(const struct vault *v, uint32_t node)
{
	INVARIANT(node < v->nnodes && v->nodes[node].value - 1 < v->nvalues);
	const struct value *value = &v->values[v->nodes[node].value - 1];

	return span_cut(buf_view(&v->text), value->at, value->at + value->n);
}

/* Doubles the room of an array from mem_get(). Returns false if memory is out. */
static bool
grow_vault(void *array, size_t *room, size_t first, size_t size)
{
	void **at = array, *p;
	size_t want = *room ? 2 * *room : first;

	p = *at ? mem_grow(*at, *room * size, want * size) : mem_get(want * size);
	if (!p)
		return false;
	*at = p;
	*room = want;
	return true;
}

/* Adds a child and returns its index, or 0 if memory is out. */
static uint32_t
add_node(struct vault *v, uint32_t parent, char c)
{
	if (v->nnodes == v->nodes_room &&
		!grow_vault(&v->nodes, &v->nodes_room, FIRST_NODES, sizeof(*v->nodes)))
		return 0;
	INVARIANT(parent && parent < v->nnodes && v->nnodes < v->nodes_room);
	uint32_t at = (uint32_t)v->nnodes++;
	v->nodes[at] = (struct node){ .sibling = v->nodes[parent].child, .c = c };
	v->nodes[parent].child = at;
	return at;
}

/* Returns true for "<" name ">", with name = A-Z *( A-Z / 0-9 / "_" ) "_" 1*DIGIT. */
static bool
is_placeholder(struct span s)
{
	size_t digits = 0;

	if (s.n < 5 || s.n > SPELLING_NAME_MOST + 2 || s.p[0] != '<' || s.p[s.n - 1] != '>' ||
		!is_upper(s.p[1]))
		return false;
	for (size_t i = 1; i < s.n - 1; i++)
		if (!is_upper(s.p[i]) && !is_digit(s.p[i]) && s.p[i] != '_')
			return false;
	while (is_digit(s.p[s.n - 2 - digits]))
		digits++;
	return digits > 0 && s.p[s.n - 2 - digits] == '_';
}

int
vault_add(struct vault *v, struct span placeholder, struct span value)
{
	uint32_t node = ROOT;

	if (!is_placeholder(placeholder))
		return ERR_SYNTAX;
	if (v->text.n + value.n + (v->nnodes + placeholder.n) * sizeof(struct node) >
		CAP_VAULT_BYTES)
		return ERR_LIMIT;
	for (size_t i = 1; i < placeholder.n - 1; i++) {
		uint32_t next = next_node(v, node, placeholder.p[i]);
		node = next ? next : add_node(v, node, placeholder.p[i]);
		if (!node)
			return ERR_NOMEM;
	}
	if (v->nodes[node].value)
		return ERR_DUPLICATE;
	if (v->nvalues == v->values_room &&
		!grow_vault(&v->values, &v->values_room, FIRST_VALUES, sizeof(*v->values)))
		return ERR_NOMEM;
	INVARIANT(v->nvalues < v->values_room);
	v->values[v->nvalues] = (struct value){ v->text.n, value.n };
	buf_span(&v->text, value);
	if (buf_failed(&v->text))
		return ERR_NOMEM;
	v->nodes[node].value = (uint32_t)++v->nvalues;
	return 0;
}

/* Removes from the end the `least` to `most` characters for which `is` is true, and the
 * underscore before them. p NULL: the name does not end so. */
static struct span
without_end(struct span name, bool (*is)(char), size_t least, size_t most)
{
	size_t n = 0;

	while (n < name.n && n < most && is(name.p[name.n - 1 - n]))
		n++;
	return n < least || n + 1 >= name.n || name.p[name.n - 1 - n] != '_'
		       ? (struct span){ NULL, 0 }
		       : span_cut(name, 0, name.n - n - 1);
}

/* The form of names is entity [ "_" tag ] "_" 1*DIGIT (scan/text/placeholder.h). The tag has
 * eight characters. */
bool
vault_is_unknown(const struct vault *v, struct span name)
{
	uint32_t node = ROOT;

	struct span entity =
		v->rules ? without_end(name, is_digit, 1, 9) : (struct span){ NULL, 0 };
	if (!entity.p)
		return false;
	for (size_t i = 0; node && i < name.n; i++)
		node = next_node(v, node, name.p[i]);
	if (node && v->nodes[node].value)
		return false;
	if (detect_entity_find(v->rules, entity) >= 0)
		return true;
	struct span before = without_end(entity, is_alnum, 8, 8);
	return before.p && detect_entity_find(v->rules, before) >= 0;
}
