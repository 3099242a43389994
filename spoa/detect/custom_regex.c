/* A reader of the part of PCRE2's language whose cost can be bounded from its text. What
 * needs a memory of what matched (back references, recursion, conditions) is refused.
 * Sets are of bytes and may be too large, never too small: every conclusion from two
 * sets being disjoint holds. */
#include "detect/custom_regex.h"

#include <math.h>
#include <stdio.h>

#include "base/buf.h"
#include "codec/utf8.h"
#include "detect/rule.h"

enum kind { RE_SET, RE_CAT, RE_ALT, RE_REPEAT, RE_LOOK, RE_EDGE };

struct re {
	enum kind kind;
	struct re *child, *next;
	uint64_t set[4]; /* RE_SET: first bytes of the character */
	char exact[4];	 /* RE_SET: the only character, */
	uint8_t nexact;	 /* and its bytes; 0: one of several */
	bool letter;	 /* RE_SET: that letter in either case */
	uint8_t bytes_min, bytes_max;
	unsigned min, max; /* RE_REPEAT */
	bool possessive;
	bool negative; /* RE_LOOK */
	bool boundary; /* RE_EDGE: \b */
};

struct reader {
	struct arena *a;
	struct span s;
	size_t i;
	unsigned depth;
	bool caseless, utf;
	struct buf out;
	size_t copied; /* of s into out */
	char *why;
	size_t *at;
	bool failed;
	bool rough; /* the set in brackets is larger than what it stands for */
};

static void
refuse(struct reader *r, size_t at, const char *why)
{
	if (r->failed)
		return;
	r->failed = true;
	*r->at = at;
	snprintf(r->why, 200, "%s", why);
}

static void
refuse_number(struct reader *r, const char *what, double n, const char *advice)
{
	char why[200];

	snprintf(why, sizeof(why), "%s %s%.0f %s", what, n > 1e9 ? "over " : "",
		n > 1e9 ? 1e9 : n, advice);
	refuse(r, 0, why);
}

static struct re *
new_re(struct reader *r, enum kind kind)
{
	struct re *n = arena_new(r->a, struct re);

	if (!n) {
		refuse(r, 0, "out of memory");
		return NULL;
	}
	n->kind = kind;
	return n;
}

static bool
ahead(const struct reader *r, const char *text)
{
	return span_starts(span_cut(r->s, r->i, r->s.n), span_str(text));
}

/* ---- sets ---- */

static void
add_range(uint64_t set[4], unsigned from, unsigned to)
{
	for (; from <= to; from++)
		set_add(set, (unsigned char)from);
}

static void
add_high(uint64_t set[4])
{
	set[2] = set[3] = UINT64_MAX;
}

static void
invert_ascii(uint64_t set[4])
{
	set[0] = ~set[0];
	set[1] = ~set[1];
	add_high(set);
}

static bool
disjoint(const uint64_t a[4], const uint64_t b[4])
{
	return !((a[0] & b[0]) | (a[1] & b[1]) | (a[2] & b[2]) | (a[3] & b[3]));
}

static bool
is_digits(const uint64_t set[4])
{
	uint64_t digits[4] = { 0 };

	add_range(digits, '0', '9');
	return !memcmp(digits, set, sizeof(digits));
}

/* \d \w \s \h \p{…} and their opposites, as sets; false: none of these. */
static bool
class_escape(struct reader *r, char c, uint64_t set[4])
{
	uint64_t v[4] = { 0 };

	switch (c | 0x20) {
	case 'd': add_range(v, '0', '9'); break;
	case 'w':
		add_range(v, '0', '9');
		add_range(v, 'a', 'z');
		add_range(v, 'A', 'Z');
		set_add(v, '_');
		break;
	case 's':
		add_range(v, '\t', '\r');
		set_add(v, ' ');
		break;
	case 'h':
		set_add(v, '\t');
		set_add(v, ' ');
		break;
	case 'p': /* any property: no more is known than that it is a character */
		r->rough = true;
		add_range(v, 0, 127);
		if (r->i < r->s.n && r->s.p[r->i] == '{')
			while (r->i < r->s.n && r->s.p[r->i] != '}')
				r->i++;
		if (r->i < r->s.n)
			r->i++;
		break;
	default: return false;
	}
	if (is_upper(c) && c != 'P')
		invert_ascii(v);
	if (r->utf)
		add_high(v);
	for (unsigned k = 0; k < 4; k++)
		set[k] |= v[k];
	return true;
}

static void
hex_escape(struct reader *r, uint32_t *cp)
{
	bool braces = r->i < r->s.n && r->s.p[r->i] == '{';
	size_t from = r->i += braces;

	*cp = 0;
	while (r->i < r->s.n && is_hex(r->s.p[r->i]) && (braces || r->i - from < 2) &&
		*cp <= 0x10FFFF) {
		char c = r->s.p[r->i++];
		*cp = *cp << 4 | (uint32_t)(is_digit(c) ? c - '0' : (c | 0x20) - 'a' + 10);
	}
	r->i += braces;
}

/* One character behind a backslash, or as it is written; false: it is none. */
static bool
one_character(struct reader *r, uint32_t *cp)
{
	static const char letters[] = "ntrfae", codes[] = "\n\t\r\f\a\033";
	size_t from = r->i;
	unsigned char c = (unsigned char)r->s.p[r->i++];

	if (c != '\\') {
		size_t n =
			r->utf && c >= 0x80 ? utf8_sequence(r->s.p + from, r->s.n - from) : 1;
		*cp = c;
		if (n > 1) {
			*cp = c & (0x7Fu >> n);
			for (size_t k = 1; k < n; k++)
				*cp = *cp << 6 | ((unsigned char)r->s.p[from + k] & 0x3F);
			r->i = from + n;
		}
		return true;
	}
	if (r->i == r->s.n)
		return false;
	c = (unsigned char)r->s.p[r->i++];
	const char *known = strchr(letters, c);
	*cp = known ? (unsigned char)codes[known - letters] : c;
	if (c == 'x')
		hex_escape(r, cp);
	return known || c == 'x' || !is_alnum((char)c);
}

static void
add_character(const struct reader *r, struct re *n, uint32_t cp)
{
	if (cp >= 0x80) {
		if (r->utf)
			add_high(n->set);
		else
			set_add(n->set, (unsigned char)cp);
		return;
	}
	set_add(n->set, (unsigned char)cp);
	if (r->caseless && is_alpha((char)cp)) {
		set_add(n->set, (unsigned char)(cp ^ 0x20));
		if (r->utf) /* K is also the Kelvin sign */
			add_high(n->set);
	}
}

static void
set_bytes(const struct reader *r, struct re *n)
{
	n->bytes_min = 1;
	n->bytes_max = r->utf && (n->set[2] | n->set[3]) ? 4 : 1;
}

static struct re *
character(struct reader *r, uint32_t cp)
{
	struct re *n = new_re(r, RE_SET);

	if (!n)
		return NULL;
	add_character(r, n, cp);
	set_bytes(r, n);
	n->letter = r->caseless && cp < 0x80 && is_alpha((char)cp);
	if (r->caseless && r->utf)
		return n;
	if (cp >= 0x80 && r->utf)
		n->nexact = (uint8_t)utf8_encode(cp, n->exact);
	else
		n->exact[n->nexact++] = (char)cp;
	if (n->letter)
		n->exact[0] = (char)(n->exact[0] | 0x20);
	n->bytes_min = n->bytes_max = n->nexact;
	return n;
}

static void
posix_class(struct reader *r, struct re *n)
{
	static const struct {
		const char *name, *ranges;
	} known[] = { { "alpha", "AZaz" }, { "digit", "09" }, { "alnum", "09AZaz" },
		{ "upper", "AZ" }, { "lower", "az" }, { "xdigit", "09AFaf" },
		{ "space", "\t\r  " }, { "blank", "\t\t  " }, { "word", "09AZaz__" },
		{ "punct", "!/:@[`{~" } };
	size_t from = r->i + 2;

	while (r->i < r->s.n && !ahead(r, ":]"))
		r->i++;
	struct span name = span_cut(r->s, from, r->i);
	r->i += 2;
	for (size_t k = 0; k < sizeof(known) / sizeof(known[0]); k++)
		for (const char *p = known[k].ranges; span_is(name, known[k].name) && *p;
			p += 2) {
			add_range(n->set, (unsigned char)p[0], (unsigned char)p[1]);
			if (r->caseless) {
				add_range(n->set, 'A', 'Z');
				add_range(n->set, 'a', 'z');
				r->rough = true;
			}
			if (r->utf)
				add_high(n->set);
			if (p[2] == 0)
				return;
		}
	add_range(n->set, 0, 255); /* another: anything */
	r->rough = true;
}

/* class = "[" ["^"] { item | item "-" item } "]" */
static struct re *
bracket(struct reader *r)
{
	struct re *n = new_re(r, RE_SET);
	size_t open = r->i++;
	bool negated = r->i < r->s.n && r->s.p[r->i] == '^';

	r->i += negated;
	r->rough = false;
	for (size_t first = r->i;
		n && r->i < r->s.n && (r->s.p[r->i] != ']' || r->i == first);) {
		uint32_t from, to;
		if (ahead(r, "[:")) {
			posix_class(r, n);
			continue;
		}
		if (r->s.p[r->i] == '\\' && r->i + 1 < r->s.n) {
			size_t back = r->i;
			r->i += 2;
			if (class_escape(r, r->s.p[back + 1], n->set))
				continue;
			r->i = back;
		}
		if (!one_character(r, &from)) {
			refuse(r, open, "this escape is not supported inside [ ]");
			return n;
		}
		to = from;
		if (r->i + 1 < r->s.n && r->s.p[r->i] == '-' && r->s.p[r->i + 1] != ']') {
			r->i++;
			if (!one_character(r, &to)) { /* [a-\d]: a, - and digits */
				add_range(n->set, 0, 255);
				r->rough = true;
				continue;
			}
		}
		for (uint32_t c = from; c <= to && c < 0x80; c++)
			add_character(r, n, c);
		if (to >= 0x80 && r->utf)
			add_high(n->set);
		else if (to >= 0x80)
			add_range(n->set, from < 0x80 ? 0x80 : from & 255, to & 255);
	}
	r->i++;
	if (n && negated && r->rough) {
		add_range(n->set, 0, 255);
	} else if (n && negated) {
		uint64_t high[2] = { n->set[2], n->set[3] };
		invert_ascii(n->set);
		if (!r->utf) {
			n->set[2] = ~high[0];
			n->set[3] = ~high[1];
		}
	}
	if (n)
		set_bytes(r, n);
	return n;
}

/* ---- structure ---- */

static struct re *alternatives(struct reader *r);

static struct re *
escape(struct reader *r)
{
	size_t at = r->i;
	char c = at + 1 < r->s.n ? r->s.p[at + 1] : 0;
	struct re *n;
	uint32_t cp;

	if (strchr("bBAzZ", c) && c) {
		r->i += 2;
		n = new_re(r, RE_EDGE);
		if (n)
			n->boundary = c == 'b';
		return n;
	}
	n = new_re(r, RE_SET);
	r->i += 2;
	if (n && class_escape(r, c, n->set)) {
		set_bytes(r, n);
		return n;
	}
	r->i = at;
	if (one_character(r, &cp))
		return character(r, cp);
	refuse(r, at,
		is_digit(c)
			? "references to what matched before are not supported"
			: "this escape is not supported; \\b \\B \\A \\z \\Z \\d \\w \\s \\h "
			  "\\p{…} \\n \\t \\r \\f \\a \\e \\xHH are");
	return n;
}

/* (?ims-ims) and (?ims-ims: */
static bool
flags(struct reader *r, size_t at)
{
	bool off = false;

	for (; r->i < r->s.n && strchr("ims-", r->s.p[r->i]); r->i++) {
		off |= r->s.p[r->i] == '-';
		if (r->s.p[r->i] == 'i')
			r->caseless = !off;
	}
	if (r->i < r->s.n && (r->s.p[r->i] == ')' || r->s.p[r->i] == ':'))
		return true;
	refuse(r, at,
		"this group is not supported; ( ) (?: ) (?> ) (?<name> ) (?= ) (?! ) (?<= ) "
		"(?<! ) "
		"(?i) (?m) (?s) are");
	return false;
}

static struct re *
group(struct reader *r)
{
	static const struct {
		const char *open;
		bool look, negative;
	} known[] = { { "(?<=", true, false }, { "(?<!", true, true }, { "(?=", true, false },
		{ "(?!", true, true }, { "(?>", false, false }, { "(?:", false, false } };
	size_t at = r->i, k = 0;
	bool caseless = r->caseless;
	struct re *n = NULL;

	if (ahead(r, "(*"))
		refuse(r, at, "verbs are not supported");
	if (++r->depth > REGEX_DEPTH)
		refuse(r, at, "brackets are nested too deep");
	while (k < sizeof(known) / sizeof(known[0]) && !ahead(r, known[k].open))
		k++;
	bool plain = k == sizeof(known) / sizeof(known[0]);
	if (!plain) {
		r->i += strlen(known[k].open);
	} else if (ahead(r, "(?<") || ahead(r, "(?P<")) {
		r->i += span_chr(span_cut(r->s, r->i, r->s.n), '>') + 1;
	} else if (ahead(r, "(?")) {
		r->i += 2;
		if (r->failed || !flags(r, at))
			return NULL;
		if (r->s.p[r->i++] == ')') { /* to the end of the group around it */
			r->depth--;
			return new_re(r, RE_CAT);
		}
	} else {
		r->i++;
	}
	if (r->failed)
		return NULL;
	struct re *inner = alternatives(r);
	r->i++; /* ")" */
	r->caseless = caseless;
	r->depth--;
	if (plain || !known[k].look)
		return inner;
	n = new_re(r, RE_LOOK);
	if (n) {
		n->child = inner;
		n->negative = known[k].negative;
	}
	return n;
}

static bool
number(const struct reader *r, size_t *i, unsigned *out)
{
	size_t from = *i;

	for (*out = 0; *i < r->s.n && is_digit(r->s.p[*i]) && *out < 100000; ++*i)
		*out = *out * 10 + (unsigned)(r->s.p[*i] - '0');
	return *i > from;
}

/* quantifier = ("*" | "+" | "?" | "{" n ["," [m]] "}") ["?" | "+"] */
static bool
quantifier(struct reader *r, unsigned *min, unsigned *max, bool *open, size_t *end)
{
	size_t i = r->i;
	char c = i < r->s.n ? r->s.p[i++] : 0;

	*open = c == '*' || c == '+';
	*min = c == '+';
	*max = 1;
	*end = i;
	if (*open || c == '?')
		return true;
	if (c != '{' || !number(r, &i, min))
		return false;
	*max = *min;
	if (i < r->s.n && r->s.p[i] == ',') {
		i++;
		*open = !number(r, &i, max);
	}
	if (i >= r->s.n || r->s.p[i] != '}')
		return false;
	*end = i + 1;
	return true;
}

static struct re *
piece(struct reader *r)
{
	size_t from = r->i, end;
	char c = r->s.p[r->i];
	struct re *n = NULL;
	unsigned min, max;
	bool open;

	if (c == '(') {
		n = group(r);
	} else if (c == '[') {
		n = bracket(r);
	} else if (c == '\\') {
		n = escape(r);
	} else if (c == '^' || c == '$') {
		r->i++;
		n = new_re(r, RE_EDGE);
	} else if (c == '.') {
		r->i++;
		n = new_re(r, RE_SET);
		if (n) {
			add_range(n->set, 0, 255);
			set_bytes(r, n);
		}
	} else {
		uint32_t cp;
		one_character(r, &cp);
		n = character(r, cp);
	}
	if (r->failed || !n || !quantifier(r, &min, &max, &open, &end))
		return n;
	if (open) {
		max = n->kind == RE_SET ? REGEX_OPEN : REGEX_OPEN_GROUP;
		max = max < min ? min : max;
		buf_span(&r->out, span_cut(r->s, r->copied, r->i));
		buf_printf(&r->out, "{%u,%u}", min, max);
		r->copied = end;
	}
	r->i = end;
	struct re *q = new_re(r, RE_REPEAT);
	if (!q)
		return NULL;
	if (r->i < r->s.n && (r->s.p[r->i] == '?' || r->s.p[r->i] == '+'))
		q->possessive = r->s.p[r->i++] == '+';
	q->child = n;
	q->min = min;
	q->max = max;
	if (quantifier(r, &min, &max, &open, &end))
		refuse(r, from, "a repetition of a repetition: use ( )");
	return q;
}

static struct re *
sequence(struct reader *r)
{
	struct re *n = new_re(r, RE_CAT), **end = n ? &n->child : NULL;

	while (n && !r->failed && r->i < r->s.n && r->s.p[r->i] != '|' && r->s.p[r->i] != ')') {
		*end = piece(r);
		if (*end)
			end = &(*end)->next;
	}
	return n;
}

static struct re *
alternatives(struct reader *r)
{
	bool caseless = r->caseless;
	struct re *n = new_re(r, RE_ALT), **end = n ? &n->child : NULL;

	while (n && !r->failed) {
		*end = sequence(r);
		if (!*end)
			return NULL;
		end = &(*end)->next;
		if (r->i >= r->s.n || r->s.p[r->i] != '|')
			break;
		r->i++;
	}
	r->caseless = caseless;
	return n && n->child && !n->child->next ? n->child : n;
}

/* ---- conclusions ---- */

struct width {
	double min, max;
};

static struct width
width_of(const struct re *n)
{
	struct width w = { 0, 0 }, c;

	switch (n->kind) {
	case RE_SET: return (struct width){ n->bytes_min, n->bytes_max };
	case RE_REPEAT:
		c = width_of(n->child);
		return (struct width){ c.min * n->min, c.max * n->max };
	case RE_CAT:
		for (const struct re *x = n->child; x; x = x->next) {
			c = width_of(x);
			w.min += c.min;
			w.max += c.max;
		}
		return w;
	case RE_ALT:
		for (const struct re *x = n->child; x; x = x->next) {
			c = width_of(x);
			w.min = x == n->child || c.min < w.min ? c.min : w.min;
			w.max = c.max > w.max ? c.max : w.max;
		}
		return w;
	default: return w;
	}
}

/* What may come next: the bytes, and whether an assertion or the outside may. */
struct follow {
	uint64_t set[4];
	bool fails; /* an assertion may refuse there: as if any byte could follow */
};

/* Adds what n can begin with; true where n may be empty. */
static bool
first_of(const struct re *n, struct follow *f)
{
	bool empty = n->kind == RE_CAT;

	switch (n->kind) {
	case RE_SET:
		for (unsigned k = 0; k < 4; k++)
			f->set[k] |= n->set[k];
		return false;
	case RE_REPEAT: return n->max == 0 || first_of(n->child, f) || n->min == 0;
	case RE_CAT:
		for (const struct re *x = n->child; x && empty; x = x->next)
			empty = first_of(x, f);
		return empty;
	case RE_ALT:
		for (const struct re *x = n->child; x; x = x->next)
			empty |= first_of(x, f);
		return empty;
	default: f->fails = true; return true;
	}
}

static bool
meets(const struct follow *a, const struct follow *b)
{
	return a->fails || b->fails || !disjoint(a->set, b->set);
}

static double ways(const struct re *n, const struct follow *after);

/* With what stands behind it in its sequence. */
static double
ways_in_sequence(const struct re *n, const struct follow *after)
{
	double product = 1;

	for (; n; n = n->next) {
		struct follow f = { { 0 }, false };
		bool empty = true;
		for (const struct re *x = n->next; x && empty; x = x->next)
			empty = first_of(x, &f);
		for (unsigned k = 0; empty && k < 4; k++)
			f.set[k] |= after->set[k];
		f.fails |= empty && after->fails;
		product *= ways(n, &f);
	}
	return product;
}

static double
ways_of_alternatives(const struct re *n, const struct follow *after)
{
	struct follow seen = { { 0 }, false };
	double sum = 0, most = 0;
	bool apart = true;

	for (const struct re *x = n->child; x; x = x->next) {
		struct follow f = { { 0 }, false };
		double w = ways(x, after);
		if (first_of(x, &f))
			f.fails = true;
		apart = apart && !(x != n->child && meets(&f, &seen));
		for (unsigned k = 0; k < 4; k++)
			seen.set[k] |= f.set[k];
		seen.fails |= f.fails;
		sum += w;
		most = w > most ? w : most;
	}
	return apart ? most : sum;
}

/* An upper bound of the ways in which a backtracking matcher can go through n at one
 * place of a text. A repetition whose next turn cannot be confused with what follows has
 * one way. */
static double
ways(const struct re *n, const struct follow *after)
{
	static const struct follow none;

	if (n->kind == RE_CAT)
		return ways_in_sequence(n->child, after);
	if (n->kind == RE_ALT)
		return ways_of_alternatives(n, after);
	if (n->kind == RE_LOOK)
		return ways(n->child, &none);
	if (n->kind != RE_REPEAT)
		return 1;
	struct follow again = { { 0 }, false };
	bool empty = first_of(n->child, &again);
	bool one_way = n->possessive || n->min == n->max || (!empty && !meets(&again, after));
	double choices = one_way ? 1 : n->max - n->min + 1;
	if (n->child->kind == RE_SET)
		return choices;
	for (unsigned k = 0; k < 4; k++)
		again.set[k] |= after->set[k];
	again.fails |= after->fails || empty;
	return choices * pow(ways(n->child, &again), n->max);
}

/* ---- where a match begins ---- */

enum { ITEMS = 256 };

static size_t
flatten(const struct re *n, const struct re **items, size_t at)
{
	if (n->kind != RE_CAT) {
		if (at < ITEMS)
			items[at] = n;
		return at + 1;
	}
	for (const struct re *x = n->child; x; x = x->next)
		at = flatten(x, items, at);
	return at;
}

/* The characters from items[i] on that are known; all of one kind of case. */
static struct span
literal_at(struct arena *a, const struct re *const *items, size_t n, size_t i, bool *caseless)
{
	char text[REGEX_BYTES + 4];
	size_t bytes = 0;
	bool folds = false;

	for (size_t k = i; k < n && items[k]->kind == RE_SET && items[k]->nexact; k++)
		folds |= items[k]->letter;
	for (; i < n && items[i]->kind == RE_SET && items[i]->nexact; i++) {
		bool capital = items[i]->nexact == 1 && is_alpha(items[i]->exact[0]);
		if (folds && capital && !items[i]->letter)
			break; /* (?i:falcon)X */
		if (bytes + items[i]->nexact > sizeof(text))
			break;
		memcpy(text + bytes, items[i]->exact, items[i]->nexact);
		bytes += items[i]->nexact;
	}
	*caseless = folds;
	return arena_dup(a, span_of(text, bytes));
}

static bool
literals_of_branches(struct arena *a, const struct re *alt, struct regex_facts *f)
{
	size_t n = 0;
	bool caseless = false, this;

	for (const struct re *x = alt->child; x; x = x->next, n++) {
		const struct re *items[ITEMS];
		size_t count = flatten(x, items, 0);
		if (n == REGEX_LITERALS || count > ITEMS)
			return false;
		f->literals[n] = literal_at(a, items, count, 0, &this);
		if (f->literals[n].n < LITERAL_MIN || (n && this != caseless))
			return false;
		caseless = this;
	}
	f->nliterals = n;
	f->caseless = caseless;
	return true;
}

static void
find_literal(struct arena *a, const struct re *const *items, size_t n, struct regex_facts *f)
{
	size_t back = 0, best = 0;
	uint64_t set[4] = { 0 };

	for (size_t i = 0; i < n && back <= REGEX_BACK && best == 0; i++) {
		struct width w = width_of(items[i]);
		bool caseless;
		struct span s = literal_at(a, items, n, i, &caseless);
		if (s.n >= LITERAL_MIN) {
			f->literals[0] = s;
			f->nliterals = best = 1;
			f->caseless = caseless;
		} else if (items[i]->kind == RE_ALT && literals_of_branches(a, items[i], f)) {
			best = 1;
		}
		if (best) {
			f->start = REGEX_LITERAL;
			f->back = back;
			memcpy(f->back_set, set, sizeof(set));
			return;
		}
		if (w.min != w.max || w.max > REGEX_BACK)
			return;
		back += (size_t)w.max;
		struct follow first = { { 0 }, false };
		first_of(items[i], &first);
		/* Of several bytes only the first are known. */
		if (w.max > 1)
			add_range(first.set, 0, 255);
		for (unsigned k = 0; k < 4; k++)
			set[k] |= first.set[k];
	}
}

static bool
refuses_digits(const struct re *n)
{
	if (n->kind == RE_EDGE)
		return n->boundary;
	if (n->kind != RE_LOOK || !n->negative)
		return false;
	const struct re *x = n->child;
	while (x->kind == RE_CAT && x->child && !x->child->next)
		x = x->child;
	return x->kind == RE_SET && !x->nexact && is_digits(x->set);
}

/* \b\d{4}-… and (?<!\d)\d{4}(?!\d): a match begins where a run of digits does. */
static void
find_digits(const struct re *const *items, size_t n, struct regex_facts *f)
{
	if (n < 3 || f->utf || !refuses_digits(items[0]))
		return;
	const struct re *q = items[1], *d = q->kind == RE_REPEAT ? q->child : q;
	unsigned from = q->kind == RE_REPEAT ? q->min : 1,
		 to = q->kind == RE_REPEAT ? q->max : 1;
	struct follow next = { { 0 }, false };
	uint64_t digits[4] = { 0 };
	add_range(digits, '0', '9');
	if (d->kind != RE_SET || !is_digits(d->set) || from < 1 || to > REGEX_RUN)
		return;
	bool empty = first_of(items[2], &next);
	if (!refuses_digits(items[2]) && (empty || next.fails || !disjoint(next.set, digits)))
		return;
	f->start = REGEX_DIGITS;
	f->digits[0] = from;
	f->digits[1] = to;
}

static bool
needs_utf(struct span s)
{
	for (size_t i = 0; i < s.n; i++) {
		struct span rest = span_cut(s, i, s.n);
		if ((unsigned char)s.p[i] >= 0x80 || span_starts(rest, SPAN_LIT("\\p")) ||
			span_starts(rest, SPAN_LIT("\\P")))
			return true;
		/* \x{100} */
		size_t close = span_chr(rest, '}');
		if (span_starts(rest, SPAN_LIT("\\x{")) && close < rest.n && close > 5)
			return true;
		if (s.p[i] == '\\')
			i++;
	}
	return false;
}

bool
regex_study(
	struct arena *a, struct span regex, struct regex_facts *out, char why[200], size_t *at)
{
	struct reader r = { .a = a, .s = regex, .why = why, .at = at };
	static const struct follow none;
	const struct re *items[ITEMS];

	*out = (struct regex_facts){ .utf = needs_utf(regex) };
	*at = 0;
	if (regex.n > REGEX_BYTES) {
		refuse(&r, 0, "longer than 1000 bytes");
		return false;
	}
	r.utf = out->utf;
	buf_init(&r.out, 16 * REGEX_BYTES);
	const struct re *root = alternatives(&r);
	if (!r.failed && r.i < regex.n)
		refuse(&r, r.i, "an unmatched )");
	struct width w = root && !r.failed ? width_of(root) : (struct width){ 0, 0 };
	double tried = root && !r.failed ? ways(root, &none) : 0;
	if (!r.failed && w.min < 1)
		refuse(&r, 0, "matches the empty text");
	if (!r.failed && w.max > REGEX_WIDTH)
		refuse_number(&r, "a match may have", w.max,
			"bytes, 4096 are the most: bound its repetitions, as in {1,20}");
	if (!r.failed && tried > REGEX_WAYS)
		refuse_number(&r, "can be tried in", tried,
			"ways at one place, 1000 are the most: bound its repetitions, as in "
			"{1,20}, or exclude what follows them, as in [^;]+;");
	buf_span(&r.out, span_cut(regex, r.copied, regex.n));
	buf_putc(&r.out, 0);
	if (!r.failed) {
		out->regex = arena_strdup(a, buf_failed(&r.out) ? "" : buf_view(&r.out).p);
		out->width = (size_t)w.max;
		size_t n = flatten(root, items, 0);
		if (n <= ITEMS)
			find_literal(a, items, n, out);
		if (n <= ITEMS && out->start == REGEX_ANYWHERE)
			find_digits(items, n, out);
	}
	buf_free(&r.out);
	return !r.failed && out->regex;
}
