/* How far a pattern's finding may stand behind the beginning of its match: "curl … -u"
 * before a password. Who scans a part of a text must begin it so far back. And how far a
 * digit may, that every match has. Apart from the outlines, whose trees it measures. */
#include "detect/prefilter/lead.h"

/* (?: … <…> …){0,4}: what may be left out and has a '<'. */
static bool
is_optional_tag(const struct outline_node *n)
{
	if (n->kind != OUTLINE_REPEAT || n->min > 0)
		return false;
	for (const struct outline_node *x = n->child; x; x = x->next)
		for (const struct outline_node *k = x->kind == OUTLINE_SET ? x : x->child; k;
			k = k->next)
			if (k->kind == OUTLINE_SET && k->set[0] == UINT64_C(1) << '<' &&
				!(k->set[1] | k->set[2] | k->set[3]))
				return true;
	return false;
}

/* At most; tags that may be left out count nothing unless `tags`. */
static size_t
width_of(const struct outline_node *n, bool tags)
{
	size_t w = 0, c;

	if (n->kind == OUTLINE_SET)
		return 1;
	if (n->kind == OUTLINE_LOOK || (!tags && is_optional_tag(n)))
		return 0;
	for (const struct outline_node *x = n->child; x; x = x->next) {
		c = width_of(x, tags);
		w = n->kind == OUTLINE_ALT ? (c > w ? c : w) : w + c;
		w = w < LEAD_MAX ? w : LEAD_MAX;
	}
	if (n->kind == OUTLINE_REPEAT)
		w = n->max && w > LEAD_MAX / n->max ? LEAD_MAX : w * n->max;
	return w;
}

static bool
only_digits(const uint64_t set[4])
{
	return !(set[0] & ~(UINT64_C(0x3FF) << '0')) && !(set[1] | set[2] | set[3]);
}

/* Bytes up to the first digit that every match of n, or what it looks ahead at, has; 0:
 * there is none. */
static size_t
digit_in(const struct outline_node *n)
{
	size_t w = 0, digit;

	switch (n->kind) {
	case OUTLINE_SET: return only_digits(n->set);
	case OUTLINE_LOOK: return n->negative || n->behind ? 0 : digit_in(n->child);
	case OUTLINE_REPEAT: return n->min ? digit_in(n->child) : 0;
	case OUTLINE_ALT:
		for (const struct outline_node *x = n->child; x; x = x->next) {
			if (!(digit = digit_in(x)))
				return 0;
			w = digit > w ? digit : w;
		}
		return w;
	default:
		for (const struct outline_node *x = n->child; x; x = x->next) {
			if ((digit = digit_in(x)))
				return w + digit;
			w += width_of(x, true);
		}
		return 0;
	}
}

uint16_t
pattern_digit(const struct outline_node *tree)
{
	size_t w = digit_in(tree);

	return (uint16_t)(w < LEAD_MAX ? w : 0);
}

/* Behind the bracket that closes the group whose inside begins at p. */
static const char *
group_end(const char *p)
{
	unsigned depth = 1;

	for (bool set = false; *p && depth; p++) {
		if (*p == '\\' && p[1]) {
			p++;
		} else if (set) {
			set = *p != ']';
		} else if (*p == '[') {
			set = true;
			p += p[1] == '^';
			p += p[1] == ']';
		} else {
			depth += *p == '(';
			depth -= *p == ')';
		}
	}
	return p;
}

uint16_t
pattern_lead(const char *regex, uint16_t *plain)
{
	static const char value[] = "(?<value>";
	const char *at = strstr(regex, value);
	struct arena a;

	*plain = 0;
	if (!at)
		return 0;
	arena_init(&a, 0, false);
	const char *end = group_end(at + sizeof(value) - 1);
	struct span rest = arena_printf(&a, "%.*s(?:)%s", (int)(at - regex), regex, end);
	const struct outline_node *tree = rest.p ? outline_parse(&a, rest.p) : NULL;
	size_t w = tree ? width_of(tree, true) : LEAD_UNKNOWN;
	size_t v = tree ? width_of(tree, false) : w;
	arena_reset(&a);
	*plain = (uint16_t)(v < LEAD_MAX ? v : LEAD_MAX);
	return (uint16_t)(w < LEAD_MAX ? w : LEAD_MAX);
}
