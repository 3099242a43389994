/* Builds an automaton in three steps. 1. Trees become nodes of a Thompson automaton, with one
 * accepting node a pattern. 2. Sets of nodes become states of a deterministic automaton,
 * breadth first. 3. States become compact tables.
 *
 * An accepting node stays in all later states. A walk ends in a state with only accepting
 * nodes, or in a state that was not expanded because of AUTOMATON_STATES_MAX; all patterns that
 * are still possible there count as accepted. */
#include "scan/detect/prefilter/automaton.h"

#include <stdlib.h>

#include "base/bits.h"
#include "base/err.h"
#include "base/fnv.h"
#include "base/mem.h"

/* ---- look-arounds ----
 *
 * Reads the look-arounds at both ends of a pattern: single bytes, pairs of bytes, and one longer
 * row. Example: (?<![\d.])\d{4}(?!\d) gives not_before = digits and '.', and `allowed` without
 * digits. Other look-arounds are ignored, which only widens the automaton. */

enum { AUTOMATON_PAIRS = 3, AUTOMATON_ROW = 8 };

/* The condition on the bytes after a match. The next byte is in `allowed`, or the text ends and
 * `end` is true. The next two bytes are not in first[k] and second[k]. The next nrow bytes are
 * not in row[0], row[1], … in this order. The sets belong to the tree. */
struct automaton_tail {
	uint64_t allowed[4];
	bool end;
	size_t npairs, nrow;
	const uint64_t *first[AUTOMATON_PAIRS], *second[AUTOMATON_PAIRS];
	const uint64_t *row[AUTOMATON_ROW];
};

/* Returns the set of n if n is one byte wide, else NULL. */
static const uint64_t *
as_set(const struct regex_node *n)
{
	while (n && n->kind == REGEX_CAT && n->child && !n->child->next)
		n = n->child;
	return n && n->kind == REGEX_SET ? n->set : NULL;
}

/* Returns true if n is two bytes wide. The first byte may be a choice of alternatives. Each
 * call returns the next alternative that is one byte wide; *nth counts them. */
static bool
as_pair(const struct regex_node *n, int *nth, const uint64_t **first, const uint64_t **second)
{
	while (n && n->kind == REGEX_CAT && n->child && !n->child->next)
		n = n->child;
	if (!n || n->kind != REGEX_CAT || !n->child || !n->child->next || n->child->next->next)
		return false;
	const struct regex_node *head = n->child;
	*second = as_set(head->next);
	if (head->kind == REGEX_ALT) {
		int k = 0;
		for (head = head->child; head; head = head->next)
			if (as_set(head) && k++ == *nth)
				break;
	} else if (*nth > 0) {
		return false;
	}
	++*nth;
	*first = as_set(head);
	return *first && *second;
}

static bool
has_digits(const uint64_t set[4])
{
	for (char c = '0'; c <= '9'; c++)
		if (!set_has(set, c))
			return false;
	return true;
}

static void
read_behind(const struct regex_node *look, struct automaton_edges *e)
{
	bool several = look->child->kind == REGEX_ALT;
	const struct regex_node *n = several ? look->child->child : look->child;

	for (; n; n = several ? n->next : NULL) {
		const uint64_t *set = as_set(n), *first, *second;
		int nth = 0;
		if (set && look->negative)
			set_join(e->not_before, set);
		else if (set && !several && !e->needs_before) {
			set_join(e->before, set);
			e->needs_before = true;
		} else if (look->negative && as_pair(n, &nth, &first, &second) &&
			   has_digits(first))
			set_join(e->not_before_2, second);
	}
}

static bool
is_nothing(const struct regex_node *n)
{
	return n->kind == REGEX_LOOK || n->kind == REGEX_EDGE ||
	       (n->kind == REGEX_CAT && !n->child);
}

void
automaton_edges_of(const struct regex_node *tree, struct automaton_edges *e)
{
	*e = (struct automaton_edges){ .needs_before = false };
	if (tree->kind != REGEX_CAT)
		return;
	for (const struct regex_node *n = tree->child; n && is_nothing(n); n = n->next)
		if (n->kind == REGEX_LOOK && n->behind)
			read_behind(n, e);
}

/* Reads a row of at least three bytes, each of one set. Returns its length, or 0. */
static size_t
as_row(const struct regex_node *n, const uint64_t *row[AUTOMATON_ROW])
{
	size_t len = 0;

	if (n->kind != REGEX_CAT)
		return 0;
	for (n = n->child; n; n = n->next) {
		bool repeat = n->kind == REGEX_REPEAT;
		const uint64_t *set = as_set(repeat ? n->child : n);
		size_t times = repeat ? n->max : 1;
		if (!set || (repeat && n->min != n->max) || times > AUTOMATON_ROW - len)
			return 0;
		while (times--)
			row[len++] = set;
	}
	return len > 2 ? len : 0;
}

static void
read_ahead(const struct regex_node *look, struct automaton_tail *t)
{
	bool several = look->child->kind == REGEX_ALT;
	const struct regex_node *n = several ? look->child->child : look->child;

	if (!look->negative) {
		const uint64_t *set = as_set(look->child);
		for (int i = 0; set && i < 4; i++)
			t->allowed[i] &= set[i];
		t->end = t->end && !set;
		return;
	}
	for (; n; n = several ? n->next : NULL) {
		const uint64_t *set = as_set(n), *first, *second;
		int nth = 0;
		for (int i = 0; set && i < 4; i++)
			t->allowed[i] &= ~set[i];
		while (!set && t->npairs < AUTOMATON_PAIRS &&
			as_pair(n, &nth, &first, &second)) {
			t->first[t->npairs] = first;
			t->second[t->npairs++] = second;
		}
		if (!set && !t->nrow)
			t->nrow = as_row(n, t->row);
	}
}

static void
automaton_tail_of(const struct regex_node *tree, struct automaton_tail *t)
{
	const struct regex_node *last = NULL;

	*t = (struct automaton_tail){ .end = true };
	memset(t->allowed, 0xFF, sizeof(t->allowed));
	if (tree->kind == REGEX_CAT)
		for (const struct regex_node *n = tree->child; n; n = n->next)
			last = is_nothing(n) ? last : n;
	for (const struct regex_node *n = last ? last->next : NULL; n; n = n->next)
		if (n->kind == REGEX_LOOK && !n->behind)
			read_ahead(n, t);
}

/* ---- building ---- */

enum {
	NODES_MAX = 24000,
	COPIES_MAX = 24, /* copies of a repeated piece; more repetitions become a loop */
	SLOTS = 1 << 15,
	NONE = 0,
};

/* A node of the Thompson automaton. */
struct node {
	/* mask of classes that lead to node a; 0: an accepting node or a fork */
	uint32_t classes;
	uint16_t a, b;	  /* b: the other branch of a fork; 0: none */
	uint16_t pattern; /* index of the input that the node belongs to */
	bool accept;
	/* nodes reachable without a byte: reach_n entries of builder.reach from reach_from
	 * on */
	uint32_t reach_from;
	uint16_t reach_n;
	bool reached;
};

/* A state of the deterministic automaton: a set of nodes. */
struct state {
	uint32_t from; /* its nodes, ascending: n entries of builder.members */
	uint32_t n, hash;
	bool ends;
};

struct list {
	uint16_t *v;
	size_t n, room;
};

/* The state of one automaton_build() call. At most NODES_MAX nodes and AUTOMATON_STATES_MAX
 * states. */
struct builder {
	struct arena *a;  /* memory of the result */
	struct arena tmp; /* memory of trees, nodes and states; freed at the end */
	const struct automaton_input *in;
	size_t nin;
	struct automaton *out;
	uint64_t class_sets[AUTOMATON_CLASSES][4];
	struct node *nodes;
	size_t nnodes;
	uint16_t *start; /* index: an input; the node at which its pattern begins */
	struct automaton_edges *edges;
	uint32_t *back; /* index: an input; the classes of its back_set */
	struct list reach, members;
	struct state *states;
	uint32_t nstates;
	uint16_t *slots; /* hash table of states: index plus 1; 0: free */
	uint32_t *mark;	 /* by node: the round in which it was added */
	uint32_t round;
	bool *accepted; /* by input: accepted in this round */
	bool overflow;
};

/* ---- classes of bytes ---- */

/* Classes are coarse by design: a class that a set covers partly counts as covered. */
static void
make_classes(struct builder *b)
{
	static const char *const sets[] = { "0123456789", "ABCDEFGHIJKLMNOPQRSTUVWXYZ",
		"abcdefghijklmnopqrstuvwyz", "x", " ", "-", ".", "/", ",", "(", ")", ":", "_",
		"+", "\t\n\v\f\r", "|%=", "@", "&", "\"'`" };
	enum { SETS = COUNT_OF(sets), OTHER = SETS, HIGH };

	for (unsigned c = 0; c < 256; c++) {
		unsigned class = c >= 0x80 ? HIGH : OTHER;
		for (unsigned k = 0; k < SETS; k++)
			if (c && strchr(sets[k], (int)c))
				class = k;
		b->out->class_of[c] = (uint8_t) class;
		set_add(b->class_sets[class], (unsigned char)c);
	}
}

static uint32_t
classes_of(const struct builder *b, const uint64_t set[4])
{
	uint32_t mask = 0;

	for (unsigned k = 0; k < AUTOMATON_END; k++)
		if (set_meets(b->class_sets[k], set))
			mask |= 1u << k;
	return mask;
}

/* Returns true if the set covers the whole class. */
static bool
class_within(const struct builder *b, unsigned class, const uint64_t set[4])
{
	bool any = false;

	for (int i = 0; i < 4; i++) {
		if (b->class_sets[class][i] & ~set[i])
			return false;
		any |= b->class_sets[class][i] != 0;
	}
	return any;
}

/* ---- trees to nodes, from the end to the beginning ---- */

static uint16_t
add_node(struct builder *b, struct node n)
{
	if (b->nnodes == NODES_MAX) {
		b->overflow = true;
		return NONE;
	}
	b->nodes[b->nnodes] = n;
	return (uint16_t)b->nnodes++;
}

static uint16_t emit_node(
	struct builder *b, const struct regex_node *n, uint16_t next, uint16_t pattern);

static uint16_t
emit_sequence(
	struct builder *b, const struct regex_node *child, uint16_t next, uint16_t pattern)
{
	if (!child)
		return next;
	return emit_node(b, child, emit_sequence(b, child->next, next, pattern), pattern);
}

static uint16_t
emit_repeat(struct builder *b, const struct regex_node *n, uint16_t next, uint16_t pattern)
{
	unsigned min = n->min, optional = n->max - n->min;
	bool loop = n->max == REGEX_FOREVER;
	uint16_t at = next;

	if (min > COPIES_MAX) {
		min = COPIES_MAX;
		loop = true;
	} else if (min + optional > COPIES_MAX) {
		loop = true;
	}
	if (loop) {
		at = add_node(b, (struct node){ .b = next, .pattern = pattern });
		uint16_t body = emit_node(b, n->child, at, pattern);
		b->nodes[at].a = body;
	} else {
		for (unsigned i = 0; i < optional && !b->overflow; i++)
			at = add_node(
				b, (struct node){ .a = emit_node(b, n->child, at, pattern),
					   .b = next,
					   .pattern = pattern });
	}
	for (unsigned i = 0; i < min && !b->overflow; i++)
		at = emit_node(b, n->child, at, pattern);
	return at;
}

/* Makes the nodes of n, followed by the node `next`. Returns the first node. */
static uint16_t
emit_node(struct builder *b, const struct regex_node *n, uint16_t next, uint16_t pattern)
{
	uint16_t at = next;

	if (b->overflow)
		return NONE;
	switch (n->kind) {
	case REGEX_SET:
		return add_node(b, (struct node){ .classes = classes_of(b, n->set),
					   .a = next,
					   .pattern = pattern });
	case REGEX_CAT: return emit_sequence(b, n->child, next, pattern);
	case REGEX_ALT:
		at = emit_node(b, n->child, next, pattern);
		for (const struct regex_node *c = n->child->next; c; c = c->next)
			at = add_node(b, (struct node){ .a = at,
						 .b = emit_node(b, c, next, pattern),
						 .pattern = pattern });
		return at;
	case REGEX_REPEAT: return emit_repeat(b, n, next, pattern);
	default: return next; /* look-arounds and edges need no node */
	}
}

/* ---- conditions after a match ---- */

static uint16_t
emit_either(struct builder *b, uint16_t one, uint16_t other, uint16_t pattern)
{
	return one && other
		       ? add_node(b, (struct node){ .a = one, .b = other, .pattern = pattern })
		       : one | other;
}

/* Makes nodes that refuse the rest of t's row, after its first byte. `then`: the set that the
 * second byte must be in. */
static uint16_t
emit_no_row(struct builder *b, const struct automaton_tail *t, const uint64_t then[4],
	uint16_t accept, uint16_t pattern)
{
	uint16_t next = NONE;

	for (size_t k = t->nrow; k-- > 1;) {
		uint64_t in[4], out[4];
		for (int i = 0; i < 4; i++) {
			uint64_t may = k == 1 ? then[i] : ~UINT64_C(0);
			in[i] = t->row[k][i] & may;
			out[i] = ~t->row[k][i] & may;
		}
		uint16_t ends = add_node(
			b, (struct node){ .classes = classes_of(b, out) | 1u << AUTOMATON_END,
				   .a = accept,
				   .pattern = pattern });
		if (next)
			next = add_node(b, (struct node){ .classes = classes_of(b, in),
						   .a = next,
						   .pattern = pattern });
		next = emit_either(b, ends, next, pattern);
	}
	return next;
}

/* Makes the nodes between the last byte of a match and its accepting node. */
static uint16_t
emit_tail(struct builder *b, const struct automaton_tail *t, uint16_t accept, uint16_t pattern)
{
	uint16_t all = NONE;

	for (unsigned in = 0; in < 1u << t->npairs; in++) {
		uint64_t here[4], then[4], first[4] = { 0 };
		memcpy(here, t->allowed, sizeof(here));
		memset(then, 0xFF, sizeof(then));
		for (size_t k = 0; k < t->npairs; k++)
			for (int i = 0; i < 4; i++) {
				here[i] &= in >> k & 1 ? t->first[k][i] : ~t->first[k][i];
				then[i] &= in >> k & 1 ? ~t->second[k][i] : ~UINT64_C(0);
			}
		for (int i = 0; t->nrow && i < 4; i++) {
			first[i] = here[i] & t->row[0][i];
			here[i] &= ~t->row[0][i];
		}
		uint32_t begins = classes_of(b, first);
		if (begins)
			all = emit_either(b, all,
				add_node(b,
					(struct node){ .classes = begins,
						.a = emit_no_row(b, t, then, accept, pattern),
						.pattern = pattern }),
				pattern);
		struct node n = {
			.classes = classes_of(b, here), .a = accept, .pattern = pattern
		};
		if (in)
			n.a = add_node(b, (struct node){ .classes = classes_of(b, then) |
								    1u << AUTOMATON_END,
						  .a = accept,
						  .pattern = pattern });
		else if (t->end)
			n.classes |= 1u << AUTOMATON_END;
		all = emit_either(b, all, add_node(b, n), pattern);
	}
	return all;
}

static void
add_pattern(struct builder *b, uint16_t index)
{
	uint16_t accept = add_node(b, (struct node){ .accept = true, .pattern = index });
	struct automaton_tail t;
	struct regex re;

	b->back[index] = b->in[index].back_max ? classes_of(b, b->in[index].back_set) : 0;
	b->start[index] = accept;
	if (!regex_read(
		    &b->tmp, span_str(b->in[index].regex), REGEX_RULE, b->in[index].utf, &re))
		return;
	automaton_edges_of(re.root, &b->edges[index]);
	automaton_tail_of(re.root, &t);
	bool plain = t.end && t.npairs == 0 && t.nrow == 0 &&
		     !~(t.allowed[0] & t.allowed[1] & t.allowed[2] & t.allowed[3]);
	b->start[index] =
		emit_node(b, re.root, plain ? accept : emit_tail(b, &t, accept, index), index);
	if (b->overflow)
		b->start[index] = accept;
}

/* ---- nodes to states ---- */

static bool
list_push(struct builder *b, struct list *l, uint16_t v)
{
	if (!mem_room(&l->v, &l->room, l->n + 1, sizeof(*l->v))) {
		b->overflow = true;
		return false;
	}
	l->v[l->n++] = v;
	return true;
}

static void
resolve_forks(struct builder *b, uint16_t at)
{
	struct node *n = &b->nodes[at];

	if (b->mark[at] == b->round)
		return;
	b->mark[at] = b->round;
	if (n->accept || n->classes) {
		list_push(b, &b->reach, at);
	} else if (n->a || n->b) {
		if (n->a)
			resolve_forks(b, n->a);
		if (n->b)
			resolve_forks(b, n->b);
	}
}

/* Returns the nodes reachable from `at` without a byte; cached. */
static const uint16_t *
reach_of(struct builder *b, uint16_t at, uint16_t *n)
{
	struct node *x = &b->nodes[at];

	if (!x->reached) {
		size_t from = b->reach.n;
		b->round++;
		resolve_forks(b, at);
		x->reach_from = (uint32_t)from;
		x->reach_n = (uint16_t)(b->reach.n - from);
		x->reached = true;
	}
	*n = x->reach_n;
	return b->reach.v ? b->reach.v + x->reach_from : NULL;
}

static int
by_number(const void *x, const void *y)
{
	return (int)*(const uint16_t *)x - (int)*(const uint16_t *)y;
}

/* Returns the state of these nodes, new or known. The nodes are at the end of b->members. */
static uint16_t
state_of(struct builder *b, size_t from)
{
	uint16_t *v = b->members.v ? b->members.v + from : NULL;
	size_t n = b->members.n - from, kept = 0;
	uint32_t hash = FNV32_BASIS;
	bool ends = true;

	/* An accepted pattern needs none of its other nodes. */
	for (size_t i = 0; i < n; i++)
		if (b->nodes[v[i]].accept)
			b->accepted[b->nodes[v[i]].pattern] = true;
	for (size_t i = 0; i < n; i++)
		if (b->nodes[v[i]].accept || !b->accepted[b->nodes[v[i]].pattern])
			v[kept++] = v[i];
	for (size_t i = 0; i < kept; i++)
		b->accepted[b->nodes[v[i]].pattern] = false;
	n = kept;
	if (n)
		qsort(v, n, sizeof(*v), by_number);
	for (size_t i = 0; i < n; i++) {
		hash = fnv32_step(hash, v[i]);
		ends = ends && b->nodes[v[i]].accept;
	}
	hash ^= hash >> 15;
	uint32_t slot = hash % SLOTS;
	for (; b->slots[slot]; slot = (slot + 1) % SLOTS) {
		const struct state *s = &b->states[b->slots[slot] - 1];
		if (s->hash == hash && s->n == n &&
			(n == 0 || !memcmp(b->members.v + s->from, v, n * sizeof(*v)))) {
			b->members.n = from;
			return (uint16_t)(b->slots[slot] - 1);
		}
	}
	if (b->nstates == AUTOMATON_STATES_MAX) {
		b->overflow = true;
		return 0;
	}
	b->members.n = from + n;
	b->states[b->nstates] = (struct state){ (uint32_t)from, (uint32_t)n, hash, ends };
	b->slots[slot] = (uint16_t)(b->nstates + 1);
	return (uint16_t)b->nstates++;
}

static void
add_members(struct builder *b, uint16_t at, uint32_t round)
{
	uint16_t n;

	/* reach_of() can move the list that it returns, and uses its own rounds. */
	reach_of(b, at, &n);
	for (uint16_t i = 0; i < n; i++) {
		uint16_t m = b->reach.v[b->nodes[at].reach_from + i];
		if (b->mark[m] != round) {
			b->mark[m] = round;
			list_push(b, &b->members, m);
		}
	}
}

static uint16_t
follow_class(struct builder *b, uint16_t state, unsigned class)
{
	size_t from = b->members.n, n = b->states[state].n;
	uint32_t round = ++b->round;

	for (size_t i = 0; i < n; i++) {
		uint16_t at = b->members.v[b->states[state].from + i];
		const struct node *x = &b->nodes[at];
		if (x->accept) {
			if (b->mark[at] != round) {
				b->mark[at] = round;
				list_push(b, &b->members, at);
			}
		} else if (x->classes >> class & 1) {
			add_members(b, x->a, round);
		}
	}
	return state_of(b, from);
}

/* Fills the state's row. Neighboring classes that its nodes do not distinguish share a
 * state. */
static void
expand_state(struct builder *b, uint16_t state, uint16_t row[AUTOMATON_CLASSES])
{
	uint32_t apart = 1;

	for (uint32_t i = 0; i < b->states[state].n; i++) {
		uint32_t classes = b->nodes[b->members.v[b->states[state].from + i]].classes;
		apart |= classes ^ classes << 1;
	}
	for (unsigned c = 0; c <= AUTOMATON_END; c++)
		row[c] = apart >> c & 1 ? follow_class(b, state, c) : row[c - 1];
}

/* Adds the nodes that a match can have reached if the walk begins inside the match: after up to
 * back_max bytes of back_set, the last of which has this class. */
static void
add_after(struct builder *b, const struct automaton_input *in, uint16_t start, unsigned class,
	uint32_t round)
{
	struct list now = { .n = 0 }, then = { .n = 0 };
	uint32_t back = b->back[in - b->in];
	uint16_t n;
	const uint16_t *v = reach_of(b, start, &n);

	for (uint16_t i = 0; i < n; i++)
		list_push(b, &now, v[i]);
	for (unsigned k = 0; k < in->back_max && now.n && (back >> class & 1); k++) {
		then.n = 0;
		for (size_t i = 0; i < now.n; i++) {
			const struct node *x = &b->nodes[now.v[i]];
			if (x->classes >> class & 1)
				add_members(b, x->a, round);
			if (!(x->classes & back))
				continue;
			v = reach_of(b, x->a, &n);
			for (uint16_t m = 0; m < n && then.n < NODES_MAX; m++)
				list_push(b, &then, v[m]);
		}
		qsort(then.v, then.n, sizeof(uint16_t), by_number);
		size_t kept = 0;
		for (size_t i = 0; i < then.n; i++)
			if (kept == 0 || then.v[kept - 1] != then.v[i])
				then.v[kept++] = then.v[i];
		then.n = kept;
		struct list swap = now;
		now = then;
		then = swap;
	}
	free(now.v);
	free(then.v);
}

static uint16_t
initial_state(struct builder *b, bool digit, unsigned class)
{
	size_t from = b->members.n;
	uint32_t round = ++b->round;

	for (uint16_t i = 0; i < b->nin; i++) {
		const struct automaton_edges *e = &b->edges[i];
		bool begin = class == AUTOMATON_BEGIN;
		bool here =
			begin ? !e->needs_before
			      : !class_within(b, class, e->not_before) &&
					!(digit && class_within(b, class, e->not_before_2)) &&
					!(e->needs_before &&
						!(classes_of(b, e->before) >> class & 1));
		if (here)
			add_members(b, b->start[i], round);
		if (!begin)
			add_after(b, &b->in[i], b->start[i], class, round);
	}
	return state_of(b, from);
}

/* ---- states to tables ---- */

static int
patterns_of(struct builder *b, const struct state *s, struct list *l, struct automaton_list *to)
{
	*to = (struct automaton_list){ .from = (uint32_t)l->n };
	for (uint32_t i = 0; i < s->n; i++) {
		uint16_t input = b->nodes[b->members.v[s->from + i]].pattern;
		if (b->accepted[input])
			continue;
		b->accepted[input] = true;
		if (!list_push(b, l, b->in[input].pattern))
			return ERR_NOMEM;
	}
	for (uint32_t i = 0; i < s->n; i++)
		b->accepted[b->nodes[b->members.v[s->from + i]].pattern] = false;
	to->n = (uint16_t)(l->n - to->from);
	if (to->n)
		qsort(l->v + to->from, to->n, sizeof(uint16_t), by_number);
	return 0;
}

/* Numbers the states: first those that continue, then those that end a walk. `rows` is filled
 * for the first `expanded` states. */
static int
number_states(struct builder *b, uint16_t (*rows)[AUTOMATON_CLASSES], uint32_t expanded)
{
	struct automaton *o = b->out;
	uint16_t *number = arena_array(&b->tmp, b->nstates, sizeof(*number));
	struct list l = { .n = 0 };
	uint16_t ends = 0;
	int err = 0;

	if (!number)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < b->nstates; i++)
		if (i < expanded && !b->states[i].ends)
			number[i] = o->live++;
	for (uint32_t i = 0; i < b->nstates; i++)
		if (i >= expanded || b->states[i].ends)
			number[i] = (uint16_t)(o->live + ends++);
	o->states = (uint16_t)b->nstates;
	o->next = arena_array(b->a, (size_t)o->live + 1, sizeof(o->next[0]));
	o->lists = arena_array(b->a, b->nstates, sizeof(o->lists[0]));
	if (!o->next || !o->lists)
		return ERR_NOMEM;
	for (uint32_t i = 0; i < b->nstates && !err; i++) {
		err = patterns_of(b, &b->states[i], &l, &o->lists[number[i]]);
		for (unsigned c = 0; c < AUTOMATON_CLASSES && number[i] < o->live; c++)
			o->next[number[i]][c] = number[rows[i][c]];
	}
	for (int d = 0; d < 2; d++)
		for (unsigned c = 0; c < AUTOMATON_CLASSES; c++)
			o->initial[d][c] = number[o->initial[d][c]];
	/* The states after runs of 0, 1, 2, … digits. */
	for (int d = 0; d < 2; d++)
		for (unsigned c = 0; c < AUTOMATON_CLASSES; c++) {
			uint16_t s = o->initial[d][c];
			for (unsigned n = 0; n < AUTOMATON_RUNS; n++) {
				o->after[d][c][n] = s;
				s = s < o->live ? o->next[s][o->class_of['0']] : s;
			}
		}
	o->patterns = err ? NULL : arena_array(b->a, l.n + 1, sizeof(uint16_t));
	if (o->patterns && l.n)
		memcpy(o->patterns, l.v, l.n * sizeof(uint16_t));
	o->nlisted = l.n;
	free(l.v);
	return o->patterns ? err : ERR_NOMEM;
}

static int
build_states(struct builder *b)
{
	uint16_t(*rows)[AUTOMATON_CLASSES] = calloc(AUTOMATON_STATES_MAX, sizeof(rows[0]));
	uint32_t done = 0;
	int err;

	if (!rows)
		return ERR_NOMEM;
	for (int d = 0; d < 2; d++)
		for (unsigned c = 0; c < AUTOMATON_CLASSES; c++)
			b->out->initial[d][c] = initial_state(b, d, c);
	/* A state is expanded only if a whole row of new states fits. */
	for (; done < b->nstates && b->nstates + AUTOMATON_CLASSES < AUTOMATON_STATES_MAX;
		done++)
		if (!b->states[done].ends)
			expand_state(b, (uint16_t)done, rows[done]);
	err = b->overflow ? ERR_NOMEM : number_states(b, rows, done);
	free(rows);
	return err;
}

int
automaton_build(
	struct arena *a, const struct automaton_input *in, size_t n, struct automaton *out)
{
	struct builder b = { .a = a, .in = in, .nin = n, .out = out };
	int err = ERR_NOMEM;

	memset(out, 0, sizeof(*out));
	arena_init(&b.tmp, 0, false);
	b.nodes = arena_array(&b.tmp, NODES_MAX + 1, sizeof(struct node));
	b.start = arena_array(&b.tmp, n + 1, sizeof(uint16_t));
	b.edges = arena_array(&b.tmp, n + 1, sizeof(struct automaton_edges));
	b.states = arena_array(&b.tmp, AUTOMATON_STATES_MAX, sizeof(struct state));
	b.slots = arena_array(&b.tmp, SLOTS, sizeof(uint16_t));
	b.mark = arena_array(&b.tmp, NODES_MAX + 1, sizeof(uint32_t));
	b.accepted = arena_array(&b.tmp, n + 1, sizeof(bool));
	b.back = arena_array(&b.tmp, n + 1, sizeof(uint32_t));
	if (arena_failed(&b.tmp))
		goto out;
	b.nnodes = 1; /* node 0 means none */
	make_classes(&b);
	for (size_t i = 0; i < n; i++)
		add_pattern(&b, (uint16_t)i);
	/* If there are too many nodes, the last patterns are in every list. */
	b.overflow = false;
	/* Resolve all forks in advance, because resolving uses its own rounds. */
	uint16_t many;
	for (size_t i = 1; i < b.nnodes && !b.overflow; i++)
		if (b.nodes[i].classes)
			reach_of(&b, b.nodes[i].a, &many);
	for (size_t i = 0; i < b.nin && !b.overflow; i++)
		reach_of(&b, b.start[i], &many);
	err = b.overflow || arena_failed(&b.tmp) ? ERR_NOMEM : build_states(&b);
out:
	free(b.reach.v);
	free(b.members.v);
	arena_reset(&b.tmp);
	return err;
}
