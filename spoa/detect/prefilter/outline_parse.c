/* PCRE2's syntax (pcre2pattern(3)) to a tree that accepts at least as much: possessive
 * and atomic is greedy, a back reference is anything that its group matches, assertions
 * other than look-arounds are nothing. Case is folded for ASCII, as PCRE2 does without UTF.
 * What is not known here is refused: the caller then lets PCRE2 decide alone. */
#include "detect/prefilter/outline.h"

#include "base/ascii.h"
#include "base/caps.h"
#include "detect/prefilter/bits.h"

enum { NESTING_MAX = 64, NAMED_MAX = 8 };

struct parser {
	struct arena *a;
	const char *p;
	struct {
		struct span name;
		const struct outline_node *n;
		size_t nodes; /* in it, references followed */
	} named[NAMED_MAX];   /* groups, of which the first are known */
	size_t nnamed, nodes;
	unsigned looks; /* look-arounds around what is read: more, if negated, is less */
	bool caseless, failed;
	int depth;
	struct outline_node none; /* where the arena is full */
};

static struct outline_node *alternatives(struct parser *q);

static struct outline_node *
node_of(struct parser *q, enum outline_kind kind)
{
	struct outline_node *n = arena_new(q->a, struct outline_node);

	if (!n) {
		q->failed = true;
		q->none = (struct outline_node){ .kind = kind };
		return &q->none;
	}
	n->kind = kind;
	if (++q->nodes > CAP_RULE_NODES)
		q->failed = true;
	return n;
}

static struct outline_node *
refuse(struct parser *q)
{
	q->failed = true;
	return node_of(q, OUTLINE_CAT);
}

static void
add_byte(const struct parser *q, uint64_t set[4], unsigned char c)
{
	set_add(set, c);
	if (q->caseless && is_alpha((char)c))
		set_add(set, (unsigned char)(c ^ 0x20));
}

static void
add_range(const struct parser *q, uint64_t set[4], unsigned from, unsigned to)
{
	for (unsigned c = from; c <= to; c++)
		add_byte(q, set, (unsigned char)c);
}

static void
invert(uint64_t set[4])
{
	for (int i = 0; i < 4; i++)
		set[i] = ~set[i];
}

/* \d \s \w and their opposites; false: something else. */
static bool
add_named(uint64_t set[4], char c)
{
	uint64_t s[4] = { 0 };
	struct parser plain = { .caseless = false };

	switch (c | 0x20) {
	case 'd': add_range(&plain, s, '0', '9'); break;
	case 's':
		add_range(&plain, s, '\t', '\r');
		set_add(s, ' ');
		break;
	case 'w':
		add_range(&plain, s, '0', '9');
		add_range(&plain, s, 'A', 'Z');
		add_range(&plain, s, 'a', 'z');
		set_add(s, '_');
		break;
	default: return false;
	}
	if (is_upper(c))
		invert(s);
	for (int i = 0; i < 4; i++)
		set[i] |= s[i];
	return true;
}

/* The byte that an escape stands for, q->p behind it; -1: it stands for none. */
static int
escaped_byte(struct parser *q)
{
	char c = *q->p++;
	int v = 0, digits = 0;

	switch (c) {
	case 'n': return '\n';
	case 'r': return '\r';
	case 't': return '\t';
	case 'f': return '\f';
	case 'x':
		if (*q->p == '{')
			return -1;
		for (; digits < 2 && hex_value(*q->p) >= 0; digits++)
			v = v * 16 + hex_value(*q->p++);
		return v;
	default:
		if (is_alnum(c) || c == '\0') {
			q->p -= c == '\0';
			return -1;
		}
		return (unsigned char)c;
	}
}

/* One end of a range, or a single byte of a class; -1: a named set was added. */
static int
class_byte(struct parser *q, uint64_t set[4])
{
	if (*q->p != '\\')
		return (unsigned char)*q->p++;
	q->p++;
	if (add_named(set, *q->p)) {
		q->p++;
		return -1;
	}
	int c = *q->p == 'b' ? (q->p++, '\b') : escaped_byte(q);
	if (c < 0)
		q->failed = true;
	return c;
}

/* class = "[" [ "^" ] { byte | byte "-" byte | escape } "]" */
static struct outline_node *class(struct parser *q)
{
	struct outline_node *n = node_of(q, OUTLINE_SET);
	bool negative = *q->p == '^', first = true;

	q->p += negative;
	for (; !q->failed && (*q->p != ']' || first); first = false) {
		if (*q->p == '\0' ||
			(*q->p == '[' && (q->p[1] == ':' || q->p[1] == '.' || q->p[1] == '=')))
			return refuse(q);
		int from = class_byte(q, n->set), to = from;
		if (from >= 0 && q->p[0] == '-' && q->p[1] != ']' && q->p[1] != '\0') {
			q->p++;
			to = class_byte(q, n->set);
			if (to < from)
				return refuse(q);
		}
		if (from >= 0)
			add_range(q, n->set, (unsigned)from, (unsigned)to);
	}
	q->p += *q->p == ']';
	if (negative)
		invert(n->set);
	return n;
}

static struct outline_node *
anything(struct parser *q)
{
	struct outline_node *all = node_of(q, OUTLINE_SET), *n = node_of(q, OUTLINE_REPEAT);

	memset(all->set, 0xFF, sizeof(all->set));
	n->child = all;
	n->max = OUTLINE_FOREVER;
	return n;
}

/* What the group of that name matches; where it is not known, anything. */
static struct outline_node *
referred(struct parser *q, struct span name)
{
	struct outline_node *n = NULL;

	for (size_t i = 0; i < q->nnamed && !q->caseless && !q->looks; i++) {
		if (!span_eq(q->named[i].name, name))
			continue;
		/* References to groups with references multiply. */
		if (q->nodes + q->named[i].nodes > CAP_RULE_NODES)
			continue;
		q->nodes += q->named[i].nodes;
		struct outline_node *copy = node_of(q, OUTLINE_CAT);
		*copy = *q->named[i].n;
		copy->next = NULL;
		n = node_of(q, OUTLINE_CAT);
		n->child = copy;
	}
	return n ? n : anything(q);
}

static struct outline_node *
escape(struct parser *q)
{
	struct outline_node *n = node_of(q, OUTLINE_SET);

	if (strchr("bBKAZzG", *q->p) && *q->p) {
		q->p++;
		return node_of(q, OUTLINE_CAT);
	}
	if (is_digit(*q->p)) {
		while (is_digit(*q->p))
			q->p++;
		return anything(q);
	}
	if (q->p[0] == 'g' && q->p[1] == '{') {
		const char *name = q->p + 2, *end = strchr(name, '}');
		if (!end)
			return refuse(q);
		q->p = end + 1;
		return referred(q, span_of(name, (size_t)(end - name)));
	}
	if (add_named(n->set, *q->p)) {
		q->p++;
		return n;
	}
	int c = escaped_byte(q);
	if (c < 0)
		return refuse(q);
	add_byte(q, n->set, (unsigned char)c);
	return n;
}

/* (?i) (?-i) (?i: ; the flags known are i alone. True: the group is only flags. */
static bool
flags(struct parser *q)
{
	bool on = true;

	for (; *q->p != ')' && *q->p != ':'; q->p++) {
		if (*q->p == '-')
			on = false;
		else if (*q->p == 'i')
			q->caseless = on;
		else {
			q->failed = true;
			return true;
		}
	}
	return *q->p++ == ')';
}

/* Behind "(": look-arounds, named, atomic and plain groups, flags. */
static struct outline_node *
group(struct parser *q)
{
	bool was = q->caseless, look = false, behind = false, negative = false;
	struct span name = { NULL, 0 };

	if (*q->p == '*')
		return refuse(q);
	if (*q->p == '?') {
		q->p++;
		behind = q->p[0] == '<' && (q->p[1] == '=' || q->p[1] == '!');
		q->p += behind;
		look = *q->p == '=' || *q->p == '!';
		negative = *q->p == '!';
		if (look || *q->p == ':' || *q->p == '>') {
			q->p++;
		} else if (*q->p == '<' || *q->p == 'P' || *q->p == '\'') {
			char close = *q->p == '\'' ? '\'' : '>';
			q->p += *q->p == 'P';
			const char *end = strchr(q->p + 1, close);
			if (!end || (*q->p != '<' && *q->p != '\''))
				return refuse(q);
			name = span_of(q->p + 1, (size_t)(end - q->p - 1));
			q->p = end + 1;
		} else if (flags(q)) {
			return node_of(q, OUTLINE_CAT); /* hold until the group around ends */
		}
	}
	size_t before = q->nodes;
	q->looks += look;
	struct outline_node *n = alternatives(q);
	q->looks -= look;
	if (*q->p != ')')
		return refuse(q);
	q->p++;
	q->caseless = was;
	if (name.p && q->nnamed < NAMED_MAX) {
		q->named[q->nnamed].name = name;
		q->named[q->nnamed].nodes = q->nodes - before;
		q->named[q->nnamed++].n = n;
	}
	if (!look)
		return n;
	struct outline_node *l = node_of(q, OUTLINE_LOOK);
	l->child = n;
	l->behind = behind;
	l->negative = negative;
	return l;
}

static struct outline_node *
atom(struct parser *q)
{
	struct outline_node *n;
	char c = *q->p++;

	switch (c) {
	case '(': return group(q);
	case '[': return class(q);
	case '\\': return escape(q);
	case '^':
	case '$': return node_of(q, OUTLINE_CAT);
	case '.':
		n = node_of(q, OUTLINE_SET);
		set_add(n->set, '\n');
		invert(n->set);
		return n;
	default:
		n = node_of(q, OUTLINE_SET);
		add_byte(q, n->set, (unsigned char)c);
		return n;
	}
}

static unsigned
number(struct parser *q)
{
	unsigned v = 0;

	for (; is_digit(*q->p); q->p++)
		v = v < OUTLINE_FOREVER ? v * 10 + (unsigned)(*q->p - '0') : v;
	return v < OUTLINE_FOREVER ? v : OUTLINE_FOREVER;
}

/* "{" n [ "," [ m ] ] "}"; anything else is a brace. */
static bool
bounds(struct parser *q, unsigned *min, unsigned *max)
{
	const char *was = q->p++;

	if (is_digit(*q->p)) {
		*min = *max = number(q);
		if (*q->p == ',') {
			q->p++;
			*max = is_digit(*q->p) ? number(q) : OUTLINE_FOREVER;
		}
		if (*q->p++ == '}')
			return true;
	}
	q->p = was;
	return false;
}

/* atom { ( "?" | "*" | "+" | bounds ) [ "?" | "+" ] } */
static struct outline_node *
repeated(struct parser *q)
{
	struct outline_node *n = atom(q);

	for (;;) {
		unsigned min = 0, max = OUTLINE_FOREVER;
		if (*q->p == '?' || *q->p == '*' || *q->p == '+') {
			min = *q->p == '+';
			max = *q->p == '?' ? 1 : OUTLINE_FOREVER;
			q->p++;
		} else if (*q->p != '{' || !bounds(q, &min, &max)) {
			return n;
		}
		q->p += *q->p == '?' || *q->p == '+';
		struct outline_node *r = node_of(q, OUTLINE_REPEAT);
		r->min = (uint16_t)min;
		r->max = (uint16_t)max;
		r->child = n;
		if (n->kind == OUTLINE_LOOK) /* an assertion, perhaps: nothing */
			r = node_of(q, OUTLINE_CAT);
		n = r;
	}
}

static struct outline_node *
sequence(struct parser *q)
{
	struct outline_node *n = node_of(q, OUTLINE_CAT), **at = &n->child;

	while (!q->failed && *q->p && *q->p != '|' && *q->p != ')') {
		*at = repeated(q);
		at = &(*at)->next;
	}
	return n;
}

static struct outline_node *
alternatives(struct parser *q)
{
	if (++q->depth > NESTING_MAX)
		return refuse(q);
	struct outline_node *first = sequence(q);
	if (*q->p == '|') {
		struct outline_node *n = node_of(q, OUTLINE_ALT), **at = &first->next;
		n->child = first;
		while (!q->failed && *q->p == '|') {
			q->p++;
			*at = sequence(q);
			at = &(*at)->next;
		}
		first = n;
	}
	q->depth--;
	return first;
}

struct outline_node *
outline_parse(struct arena *a, const char *regex)
{
	struct parser *q = arena_new(a, struct parser);

	if (!q)
		return NULL;
	*q = (struct parser){ .a = a, .p = regex };
	struct outline_node *n = alternatives(q);
	return q->failed || *q->p ? NULL : n;
}
