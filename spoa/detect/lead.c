/* How far a pattern's finding may stand behind the beginning of its match: "curl … -u"
 * before a password. Who scans a part of a text must begin it so far back. Apart from
 * the outlines, whose trees it measures. */
#include "detect/outline.h"
#include "detect/rule.h"

static size_t
width_of(const struct outline_node *n)
{
	size_t w = 0, c;

	if (n->kind == OUTLINE_SET)
		return 1;
	if (n->kind == OUTLINE_LOOK)
		return 0;
	for (const struct outline_node *x = n->child; x; x = x->next) {
		c = width_of(x);
		w = n->kind == OUTLINE_ALT ? (c > w ? c : w) : w + c;
		w = w < LEAD_MAX ? w : LEAD_MAX;
	}
	if (n->kind == OUTLINE_REPEAT)
		w = n->max && w > LEAD_MAX / n->max ? LEAD_MAX : w * n->max;
	return w;
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
pattern_lead(const char *regex)
{
	static const char value[] = "(?<value>";
	const char *at = strstr(regex, value);
	struct arena a;

	if (!at)
		return 0;
	arena_init(&a, 0, false);
	const char *end = group_end(at + sizeof(value) - 1);
	struct span rest = arena_printf(&a, "%.*s(?:)%s", (int)(at - regex), regex, end);
	const struct outline_node *tree = rest.p ? outline_parse(&a, rest.p) : NULL;
	size_t w = tree ? width_of(tree) : LEAD_UNKNOWN;
	arena_reset(&a);
	return (uint16_t)(w < LEAD_MAX ? w : LEAD_MAX);
}
