/* Reads the look-arounds at both ends of a pattern: single bytes, pairs of bytes, and one
 * longer row. Example: (?<![\d.])\d{4}(?!\d) gives not_before = digits and '.', and `allowed`
 * without digits. Other look-arounds are ignored, which only widens the automaton. */
#include "scan/detect/prefilter/automaton.h"

#include "base/bits.h"

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

void
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
