/* Reads a regular expression into a tree. A recursive descent parser handles the structure:
 * alternatives, sequences, repetitions, groups and references to them. Below it, the sets of one
 * character are read: escapes, brackets, and the bytes that they stand for. The table of
 * syntaxes has their differences. If PCRE2 gives a piece of syntax another meaning, the piece is
 * rewritten in PCRE2's form. */
#include "base/regex/regex.h"

#include <stdio.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/buf.h"
#include "base/caps.h"
#include "base/utf8.h"

enum { REGEX_NAMED = 8 };

/* The state of one regex_read() call. */
struct regex_reader {
	struct arena *a;
	struct span s;
	size_t i; /* offset of the next byte of s */
	enum regex_syntax syntax;
	bool utf;     /* s consists of characters, not bytes */
	bool unicode; /* \w and similar classes, and case, are Unicode's */
	bool caseless, dotall;
	/* the set that was read for brackets is larger than the set that the brackets mean */
	bool rough;
	bool wide;	       /* the last character that was read counts as any character */
	unsigned depth, looks; /* number of open groups; number of open look-arounds */
	size_t nodes;
	struct {
		const struct regex_node *n;
		size_t nodes; /* nodes in the group, with references expanded */
	/* the first REGEX_NAMED named groups; references to further groups match anything */
	} named[REGEX_NAMED];
	size_t nnamed;
	struct buf out; /* s rewritten for PCRE2, up to offset `copied` */
	size_t copied;
	bool unmatched;	 /* there is a ) without a ( */
	const char *why; /* why the expression is refused; NULL: it is accepted so far */
	size_t at;
	struct regex_node none; /* returned if the arena is full */
};

#define REGEX_NOT_VALID "not a valid regular expression" /* PCRE2's own error has the details */

/* The differences of the syntaxes, by regex_syntax. */
static const struct {
	unsigned depth; /* limit of nested brackets */
	const char *too_deep, *flags, *bad_group, *twice;
} syntaxes[] = {
	[REGEX_RULE] = { 63, REGEX_NOT_VALID, "ims-", REGEX_NOT_VALID, NULL },
	[REGEX_OWN] = { REGEX_DEPTH, "brackets are nested too deep", "ims-",
		"this group is not supported; these are: ( ) (?: ) (?> ) (?<name> ) (?= ) (?! "
		") (?<= ) (?<! ) (?i) (?m) (?s)",
		"a repetition follows a repetition: use ( )" },
	[REGEX_RE2] = { 99, REGEX_NOT_VALID, "imsU-",
		"that kind of group is not part of the syntax (RE2)",
		"two repetitions follow each other" },
};

/* Refuses the expression; the first reason is kept. Returns a node that is never used. */
static struct regex_node *
regex_refuse(struct regex_reader *r, size_t at, const char *why)
{
	if (!r->why) {
		r->why = why;
		r->at = at;
	}
	r->none = (struct regex_node){ .kind = REGEX_CAT };
	return &r->none;
}

static struct regex_node *
regex_node(struct regex_reader *r, enum regex_kind kind)
{
	struct regex_node *n = arena_new(r->a, struct regex_node);

	if (!n)
		return regex_refuse(r, 0, "out of memory");
	if (++r->nodes > CAP_RULE_NODES)
		regex_refuse(r, r->i, "too many parts");
	n->kind = kind;
	return n;
}

/* Writes `text` for PCRE2 instead of the bytes from `from` to the next one. */
static void
regex_rewrite(struct regex_reader *r, size_t from, const char *text)
{
	buf_span(&r->out, span_cut(r->s, r->copied, from));
	buf_str(&r->out, text);
	r->copied = r->i;
}

/* Returns the byte k bytes ahead; 0 at the end. */
static char
regex_peek(const struct regex_reader *r, size_t k)
{
	return r->i + k < r->s.n ? r->s.p[r->i + k] : 0;
}

static bool
regex_ahead(const struct regex_reader *r, const char *text)
{
	return span_starts(span_cut(r->s, r->i, r->s.n), span_str(text));
}

/* ---- sets of one character ---- */

enum { A_SET = -1, REFUSED = -2 }; /* returned instead of a character */

static void
set_add_all(uint64_t set[4])
{
	memset(set, 0xFF, 4 * sizeof(set[0]));
}

static void
set_add_high(uint64_t set[4])
{
	set[2] = set[3] = UINT64_MAX;
}

static void
add_range(const struct regex_reader *r, uint64_t set[4], int32_t from, int32_t to)
{
	set_add_range(set, (unsigned)from, (unsigned)(r->utf && to > 127 ? 127 : to));
	if (r->utf && to > 127)
		set_add_high(set);
}

static void
add_either_case(const struct regex_reader *r, uint64_t set[4])
{
	uint64_t letters = UINT64_C(0x07FFFFFE), any = (set[1] | set[1] >> 32) & letters;

	if (!r->caseless)
		return;
	set[1] |= any | any << 32;
	if (any && r->unicode) /* the Kelvin sign is also a K */
		set_add_high(set);
}

static struct regex_node *
finish_set(const struct regex_reader *r, struct regex_node *n)
{
	n->bytes_min = 1;
	n->bytes_max = r->utf && (n->set[2] | n->set[3]) ? 4 : 1;
	return n;
}

static struct regex_node *
set_of_character(struct regex_reader *r, int32_t c)
{
	struct regex_node *n = regex_node(r, REGEX_SET);

	add_range(r, n->set, c, c);
	add_either_case(r, n->set);
	n->letter = r->caseless && c < 0x80 && is_alpha((char)c);
	if (r->wide)
		set_add_all(n->set);
	if (r->wide || (r->caseless && r->unicode))
		return finish_set(r, n);
	if (r->utf && c >= 0x80)
		n->nexact = (uint8_t)utf8_encode((uint32_t)c, n->exact);
	else
		n->exact[n->nexact++] = (char)(n->letter ? c | 0x20 : c);
	n->bytes_min = n->bytes_max = n->nexact;
	return n;
}

static int32_t
plain_character(struct regex_reader *r)
{
	unsigned char c = (unsigned char)r->s.p[r->i];
	size_t n = r->utf && c >= 0x80 ? utf8_sequence(r->s.p + r->i, r->s.n - r->i) : 1;
	int32_t cp = (int32_t)utf8_value(r->s.p + r->i, n);

	r->i += n ? n : 1;
	return cp;
}

/* ---- escapes ---- */

/* \pL \p{Greek} \P{^Lu}; r->i is after the p. The set is any character; in RE2, a class that
 * begins with L is any letter. */
static void
add_property(struct regex_reader *r, uint64_t set[4])
{
	bool braces = regex_peek(r, 0) == '{', good = true;
	size_t from = r->i += braces;

	while (braces && r->i < r->s.n && r->s.p[r->i] != '}')
		r->i++;
	struct span name = span_cut(r->s, from, braces ? r->i : from + 1);
	good = r->i++ < r->s.n;
	for (size_t i = 0; i < name.n && r->syntax == REGEX_RE2; i++)
		good = good && (is_alpha(name.p[i]) || (braces && is_one_of(name.p[i], "_^")));
	if (!good)
		regex_refuse(r, from, "\\p needs a class");
	bool letter = r->syntax == REGEX_RE2 && name.n && name.p[0] == 'L';
	set_add_range(set, letter ? 'A' : 0, letter ? 'Z' : 127);
	set_add_range(set, letter ? 'a' : 0, letter ? 'z' : 127);
	set_add_high(set);
	r->rough |= r->syntax == REGEX_OWN;
}

/* \d \w \s \h \p{…} and their opposites; r->i is after the letter c. Returns false for any other
 * escape. */
static bool
add_class(struct regex_reader *r, char c, uint64_t set[4])
{
	uint64_t v[4] = { 0 };

	switch (c | 0x20) {
	case 'd': set_add_range(v, '0', '9'); break;
	case 'w':
		for (unsigned b = 0; b < 0x80; b++)
			if (is_word((char)b))
				set_add(v, (unsigned char)b);
		break;
	case 's':
		set_add_range(v, '\t', '\r');
		set_add(v, ' ');
		break;
	case 'h':
		if (r->syntax == REGEX_RE2)
			return false;
		set_add(v, '\t');
		set_add(v, ' ');
		set_add(v, 0xA0);
		break;
	case 'p':
		if (r->syntax == REGEX_RULE)
			return false;
		add_property(r, v);
		break;
	default: return false;
	}
	if (is_upper(c) && c != 'P')
		set_invert(v);
	if (is_upper(c) && r->syntax == REGEX_RE2)
		set_add_all(v);
	if (r->unicode)
		set_add_high(v);
	set_join(set, v);
	return true;
}

/* \xHH or \x{H…}; r->i is after the x. */
static int32_t
read_hexadecimal(struct regex_reader *r)
{
	bool braces = regex_peek(r, 0) == '{', re2 = r->syntax == REGEX_RE2;
	size_t from = r->i += braces, most = !braces ? 2 : re2 ? 8 : r->s.n;
	int32_t v = 0;

	for (; is_hex(regex_peek(r, 0)) && r->i - from < most; r->i++)
		v = v > 0x10FFFF ? v : v << 4 | hex_value(r->s.p[r->i]);
	size_t digits = r->i - from;
	if (re2 && (digits < (braces ? 1 : 2) || (braces && regex_peek(r, 0) != '}')))
		regex_refuse(r, from, "\\x needs hexadecimal digits");
	/* Without a digit, the escape would change its meaning when a repetition after it is
	 * rewritten. */
	if (r->syntax == REGEX_OWN && digits == 0)
		regex_refuse(r, from, "a hexadecimal digit is expected after \\x");
	if (v > (r->utf ? 0x10FFFF : 0xFF))
		regex_refuse(r, from, REGEX_NOT_VALID);
	r->i += braces;
	r->wide |= re2;
	return v;
}

/* \123, \0, \12: up to three octal digits, at r->i. */
static int32_t
read_octal(struct regex_reader *r)
{
	size_t from = r->i;
	char text[16];
	int32_t v = 0;

	for (; r->i - from < 3 && regex_peek(r, 0) >= '0' && regex_peek(r, 0) <= '7'; r->i++)
		v = v * 8 + (r->s.p[r->i] - '0');
	if (r->i == from || (r->i == from + 1 && v > 0))
		regex_refuse(r, from, "backreferences are not part of the syntax (RE2)");
	snprintf(text, sizeof(text), "\\x{%03x}", (unsigned)v);
	regex_rewrite(r, from - 1, text);
	r->wide = true;
	return v;
}

/* Rewrites an escape that means something else, or nothing, to PCRE2; r->i is after the letter
 * c. */
static void
rewrite_escape(struct regex_reader *r, char c, bool inside)
{
	const char *text = c == 'v'   ? "\\x0b"
			   : c == 's' ? inside ? "\\t\\n\\f\\r " : "[\\t\\n\\f\\r ]"
			   : c != 'S' ? NULL
			   : inside   ? "\\x00-\\x08\\x0b\\x0e-\\x1f\\x21-\\x{10ffff}"
				      : "[^\\t\\n\\f\\r ]";

	if (text)
		regex_rewrite(r, r->i - 2, text);
}

/* Returns the character of the escape at r->i; A_SET if a set was added; or REFUSED. */
static int32_t
read_set_escape(struct regex_reader *r, uint64_t set[4], bool inside)
{
	static const char *const letters[] = { "ntrfaeb", "ntrfae", "ntrfav" };
	static const char *const codes[] = { "\n\t\r\f\a\033\b", "\n\t\r\f\a\033",
		"\n\t\r\f\a\v" };
	bool re2 = r->syntax == REGEX_RE2;

	if (++r->i >= r->s.n) {
		regex_refuse(r, r->i, "the pattern ends with a backslash");
		return REFUSED;
	}
	char c = r->s.p[r->i];
	const char *known = c ? strchr(letters[r->syntax], c) : NULL;
	if (re2 && is_digit(c))
		return read_octal(r);
	if (!re2 && is_high(c))
		return plain_character(r);
	r->i++;
	bool class = add_class(r, c, set);
	if (re2)
		rewrite_escape(r, c, inside);
	if (class)
		return A_SET;
	if (c == 'x')
		return read_hexadecimal(r);
	if (known)
		return codes[r->syntax][known - letters[r->syntax]];
	if (re2 && inside && is_one_of(c, "AbBzQ"))
		regex_refuse(r, r->i, "that escape has no meaning in [...]");
	if (re2 && (is_letter(c) || (unsigned char)c < ' '))
		regex_refuse(r, r->i, "no such escape in the syntax (RE2)");
	return is_alnum(c) ? REFUSED : c;
}

/* \Q…\E at r->i. Each character is escaped for PCRE2 if the escape has no other meaning. The
 * tree has one set with any character for it. */
static struct regex_node *
read_quoted(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_SET);
	char text[3] = "\\";
	size_t at = r->i;

	r->i += 2;
	regex_rewrite(r, at, "");
	for (; r->i < r->s.n && !regex_ahead(r, "\\E");) {
		text[1] = r->s.p[r->i++];
		if (text[1] && !is_letter_or_digit(text[1]))
			regex_rewrite(r, r->i - 1, text);
	}
	at = r->i;
	r->i += r->i < r->s.n ? 2 : 0;
	regex_rewrite(r, at, "");
	set_add_all(n->set);
	return finish_set(r, n);
}

/* ---- outside brackets ---- */

static struct regex_node *
regex_escaped(struct regex_reader *r)
{
	static const char *const edges[] = { "bBAzZKG", "bBAzZ", "bBAz" };
	size_t at = r->i;
	char c = regex_peek(r, 1);

	if (is_one_of(c, edges[r->syntax])) {
		struct regex_node *edge = regex_node(r, REGEX_EDGE);
		edge->boundary = c == 'b';
		r->i += 2;
		return edge;
	}
	if (r->syntax == REGEX_RE2 && c == 'Q')
		return read_quoted(r);
	struct regex_node *n = regex_node(r, REGEX_SET);
	r->wide = false;
	int32_t v = read_set_escape(r, n->set, false);
	if (v >= 0)
		return set_of_character(r, v);
	if (v == REFUSED)
		return regex_refuse(r, at,
			is_digit(c)
				? "references to earlier matches are not supported"
				: "this escape is not supported; these are: \\b \\B \\A \\z "
				  "\\Z \\d \\w \\s \\h \\p{…} \\n \\t \\r \\f \\a \\e \\xHH");
	return finish_set(r, n);
}

static struct regex_node *
regex_character(struct regex_reader *r)
{
	size_t at = r->i;
	int32_t c = plain_character(r);
	char text[3] = { '\\', (char)c };

	if (r->syntax == REGEX_RE2 && c < 0x80 && is_one_of((char)c, "{}]"))
		regex_rewrite(r, at, text);
	r->wide = false;
	return set_of_character(r, c);
}

static struct regex_node *
regex_dot(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_SET);

	r->i++;
	set_add_all(n->set);
	if (r->syntax == REGEX_RULE && !r->dotall)
		n->set[0] &= ~(UINT64_C(1) << '\n');
	n->dot = true;
	return finish_set(r, n);
}

/* ---- brackets ---- */

/* "[:" ["^"] name ":]" at r->i. Returns false if it is not such a class. */
static bool
posix_class(struct regex_reader *r, uint64_t set[4])
{
	static const struct {
		const char *name;
		struct span ranges;
	} known[] = { { "alnum", SPAN_LIT("09AZaz") }, { "alpha", SPAN_LIT("AZaz") },
		{ "ascii", SPAN_LIT("\0\x7F") }, { "blank", SPAN_LIT("\t\t  ") },
		{ "cntrl", SPAN_LIT("\0\x1F\x7F\x7F") }, { "digit", SPAN_LIT("09") },
		{ "graph", SPAN_LIT("!~") }, { "lower", SPAN_LIT("az") },
		{ "print", SPAN_LIT(" ~") }, { "punct", SPAN_LIT("!/:@[`{~") },
		{ "space", SPAN_LIT("\t\r  ") }, { "upper", SPAN_LIT("AZ") },
		{ "word", SPAN_LIT("09AZaz__") }, { "xdigit", SPAN_LIT("09AFaf") } };
	struct span s = span_cut(r->s, r->i, r->s.n);
	bool negated = s.n > 2 && s.p[2] == '^';
	size_t from = negated ? 3 : 2, n = span_past(s, from, is_alpha), k = 0;
	uint64_t v[4] = { 0 };

	if (!span_starts(s, SPAN_LIT("[:")) ||
		!span_starts(span_cut(s, n, s.n), SPAN_LIT(":]")))
		return false;
	struct span name = span_cut(s, from, n);
	if (r->caseless && (span_is(name, "upper") || span_is(name, "lower")))
		name = SPAN_LIT("alpha");
	while (k < COUNT_OF(known) && !span_is(name, known[k].name))
		k++;
	if (k == COUNT_OF(known))
		return false;
	for (size_t i = 0; i < known[k].ranges.n; i += 2)
		set_add_range(v, (unsigned char)known[k].ranges.p[i],
			(unsigned char)known[k].ranges.p[i + 1]);
	if (negated)
		set_invert(v);
	if (r->unicode)
		set_add_high(v);
	if (r->syntax == REGEX_RE2)
		set_add_all(v);
	set_join(set, v);
	r->i += n + 2;
	return true;
}

/* Reads one end of a range, or a whole item: a character, A_SET or REFUSED. */
static int32_t
read_set_item(struct regex_reader *r, uint64_t set[4], size_t open)
{
	size_t at = r->i;
	char c = r->s.p[at], text[3] = { '\\', c };

	if (posix_class(r, set))
		return A_SET;
	if (r->syntax == REGEX_RE2 && c == '[' && is_one_of(regex_peek(r, 1), ":.="))
		regex_refuse(r, at, "no such class in [[: :]]");
	if (c == '\\') {
		int32_t v = read_set_escape(r, set, true);
		if (v == REFUSED)
			regex_refuse(r, open, "this escape is not supported inside [ ]");
		return v;
	}
	int32_t v = plain_character(r);
	if (r->syntax == REGEX_RE2 && is_one_of(c, "[]"))
		regex_rewrite(r, at, text);
	return v;
}

/* item = posix class | escape | character [ "-" character ] */
static void
add_item(struct regex_reader *r, uint64_t set[4], size_t open)
{
	bool re2 = r->syntax == REGEX_RE2;
	size_t at = r->i, second = 0;

	r->wide = false;
	int32_t from = read_set_item(r, set, open), to = from;
	if (regex_peek(r, 0) == '-' && regex_peek(r, 1) != ']' && r->i + 1 < r->s.n &&
		(from >= 0 || re2)) {
		second = ++r->i;
		to = read_set_item(r, set, open);
		if (!re2 && to < from)
			regex_refuse(r, open, REGEX_NOT_VALID);
		r->wide |= re2 && (r->s.p[at] == '\\' || r->s.p[second] == '\\' ||
					  from > 0x7F || to > 0x7F);
	}
	if (r->wide)
		set_add_all(set);
	else if (from >= 0)
		add_range(r, set, from, to);
}

/* "[" ["^"] { item } "]". A closing bracket that is the first item is a character. */
static struct regex_node *
regex_bracket(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_SET);
	size_t open = r->i++;
	bool negated = regex_peek(r, 0) == '^';

	r->i += negated;
	r->rough = false;
	do {
		if (r->i >= r->s.n)
			return regex_refuse(r, open, "[ without ]");
		add_item(r, n->set, open);
	} while (!r->why && regex_peek(r, 0) != ']');
	r->i++;
	add_either_case(r, n->set);
	if (negated)
		set_invert(n->set);
	if (negated && r->utf) /* some characters beyond ASCII are always outside the set */
		set_add_high(n->set);
	if (negated && r->rough)
		set_add_all(n->set);
	return finish_set(r, n);
}

/* ---- references: REGEX_RULE ---- */

static struct regex_node *read_regex_alternatives(struct regex_reader *r);

static struct regex_node *
regex_of_anything(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_REPEAT);

	n->child = regex_node(r, REGEX_SET);
	set_add_range(n->child->set, 0, 255);
	n->max = REGEX_FOREVER;
	return n;
}

/* \1 \g{name}: a copy of the group of that name; anything, if the group is not known. */
static struct regex_node *
read_reference(struct regex_reader *r)
{
	size_t from = r->i + 3, n = span_chr(span_cut(r->s, from, r->s.n), '}');
	struct span name = span_cut(r->s, from, from + n);

	if (is_digit(regex_peek(r, 1))) {
		r->i = span_past(r->s, r->i + 1, is_digit);
		return regex_of_anything(r);
	}
	if (name.p + name.n == r->s.p + r->s.n)
		return regex_refuse(r, r->i, REGEX_NOT_VALID);
	r->i = from + n + 1;
	for (size_t i = 0; i < r->nnamed && !r->caseless && !r->looks; i++) {
		/* References to groups with references multiply the nodes. */
		if (!span_eq(r->named[i].n->name, name) ||
			r->nodes + r->named[i].nodes > CAP_RULE_NODES)
			continue;
		r->nodes += r->named[i].nodes;
		struct regex_node *copy = regex_node(r, REGEX_CAT);
		*copy = *r->named[i].n;
		copy->next = NULL;
		copy->name = SPAN_LIT("");
		return copy;
	}
	return regex_of_anything(r);
}

/* ---- groups ---- */

/* Reads (?i) (?-i) (?i: at r->i, after the question mark. Returns true if the group consists
 * only of flags. */
static bool
read_flags(struct regex_reader *r, size_t open)
{
	bool off = false, any = false;

	for (; is_one_of(regex_peek(r, 0), syntaxes[r->syntax].flags); r->i++, any = true) {
		char c = r->s.p[r->i];
		if (c == '-' && off && r->syntax == REGEX_RE2)
			break;
		off |= c == '-';
		if (c == 'i')
			r->caseless = !off || r->syntax == REGEX_RE2;
		if (c == 's')
			r->dotall = !off;
	}
	char end = regex_peek(r, 0);
	bool empty = r->syntax == REGEX_RE2 && (any ? r->s.p[r->i - 1] == '-' : end == ')');
	if ((end != ')' && end != ':') || empty)
		regex_refuse(r, open, syntaxes[r->syntax].bad_group);
	r->i++;
	return end == ')';
}

/* name = letter { letter | digit } up to `close`, where "_" is a letter too; r->i is at the
 * name. */
static struct span
read_name(struct regex_reader *r, size_t open, char close)
{
	struct span rest = span_cut(r->s, r->i, r->s.n), name = span_next(&rest, close);
	bool re2 = r->syntax == REGEX_RE2;
	char first = name.n ? *name.p : 0;

	/* (?<* is a look-around too: PCRE2's, which is not always atomic. */
	if (!is_alpha(first) && first != '_' && (re2 || !is_high(first)))
		regex_refuse(r, open,
			re2 ? "lookaround is not part of the syntax (RE2)"
			    : syntaxes[r->syntax].bad_group);
	if (!rest.p || (re2 && span_past(name, 0, is_word) < name.n))
		regex_refuse(r, open, "a group's name does not end");
	r->i += name.n + 1;
	return name;
}

/* "(" … ")". *flags: the group consists only of flags, which apply until the enclosing group
 * ends. */
static struct regex_node *
read_regex_group(struct regex_reader *r, bool *flags)
{
	static const struct {
		const char *open;
		bool look, behind, negative;
	} known[] = { { "(?<=", true, true, false }, { "(?<!", true, true, true },
		{ "(?=", true, false, false }, { "(?!", true, false, true },
		{ "(?>", false, false, false }, { "(?:", false, false, false } };
	enum { KNOWN = COUNT_OF(known) };
	size_t open = r->i, k = r->syntax == REGEX_RE2 ? KNOWN : 0, before = r->nodes;
	bool caseless = r->caseless, dotall = r->dotall;
	struct span name = { NULL, 0 };

	if (r->syntax != REGEX_RE2 && regex_ahead(r, "(*"))
		return regex_refuse(r, open, "verbs are not supported");
	if (++r->depth > syntaxes[r->syntax].depth)
		return regex_refuse(r, open, syntaxes[r->syntax].too_deep);
	while (k < KNOWN && !regex_ahead(r, known[k].open))
		k++;
	bool look = k < KNOWN && known[k].look;
	if (k < KNOWN) {
		r->i += strlen(known[k].open);
	} else if (regex_ahead(r, "(?<") || regex_ahead(r, "(?P<") ||
		   (r->syntax == REGEX_RULE && regex_ahead(r, "(?'"))) {
		r->i += regex_ahead(r, "(?P") ? 4 : 3;
		name = read_name(r, open, r->s.p[r->i - 1] == '<' ? '>' : '\'');
	} else if (regex_ahead(r, "(?")) {
		r->i += 2;
		*flags = read_flags(r, open);
	} else {
		r->i++;
	}
	if (*flags || r->why) {
		r->depth--;
		return regex_node(r, REGEX_CAT);
	}
	r->looks += look; /* inside a negative look-around, accepting more means accepting less */
	struct regex_node *n = read_regex_alternatives(r);
	r->looks -= look;
	r->depth--;
	if (regex_peek(r, 0) != ')')
		return regex_refuse(r, open, REGEX_NOT_VALID);
	r->i++;
	if (r->syntax != REGEX_RE2)
		r->caseless = caseless;
	r->dotall = dotall;
	n->name = name;
	if (name.p && r->nnamed < REGEX_NAMED) {
		r->named[r->nnamed].nodes = r->nodes - before;
		r->named[r->nnamed++].n = n;
	}
	if (!look)
		return n;
	struct regex_node *l = regex_node(r, REGEX_LOOK);
	l->child = n;
	l->behind = known[k].behind;
	l->negative = known[k].negative;
	return l;
}

/* ---- repetitions ---- */

static bool
read_repeat_number(const struct regex_reader *r, size_t *k, uint32_t *out)
{
	size_t from = *k;

	for (*out = 0; is_digit(regex_peek(r, *k)); ++*k)
		if (*out < 1000000)
			*out = *out * 10 + (uint32_t)(regex_peek(r, *k) - '0');
	return *k > from;
}

/* repetition = "*" | "+" | "?" | "{" n ["," [m]] "}" at r->i. Returns its length, or 0 if there
 * is none. */
static size_t
read_repetition(struct regex_reader *r, uint32_t *min, uint32_t *max)
{
	char c = regex_peek(r, 0);
	size_t k = 1;

	*min = c == '+';
	*max = c == '?' ? 1 : REGEX_FOREVER;
	if (c == '*' || c == '+' || c == '?')
		return 1;
	if (c != '{' || !read_repeat_number(r, &k, min))
		return 0;
	*max = *min;
	if (regex_peek(r, k) == ',') {
		k++;
		if (!read_repeat_number(r, &k, max))
			*max = REGEX_FOREVER;
	}
	if (regex_peek(r, k) != '}')
		return 0;
	if (r->syntax == REGEX_RE2 && (*min > 1000 || (*max > 1000 && *max != REGEX_FOREVER)))
		regex_refuse(r, r->i, "a repetition count is above 1000");
	return k + 1;
}

/* Limits an open repetition in a policy's own pattern. */
static void
bound_repetition(struct regex_reader *r, struct regex_node *n, size_t from)
{
	char text[32];

	n->max = n->child->kind == REGEX_SET ? REGEX_OPEN : REGEX_OPEN_GROUP;
	n->max = n->max < n->min ? n->min : n->max;
	snprintf(text, sizeof(text), "{%u,%u}", n->min, n->max);
	regex_rewrite(r, from, text);
}

/* piece = atom { repetition [ "?" | "+" ] } */
static struct regex_node *
read_regex_piece(struct regex_reader *r)
{
	bool flags = false;
	size_t from = r->i, len;
	struct regex_node *n;
	uint32_t min, max;

	if (read_repetition(r, &min, &max))
		return regex_refuse(r, from, "a repetition has nothing to repeat");
	switch (r->s.p[r->i]) {
	case '(': n = read_regex_group(r, &flags); break;
	case '[': n = regex_bracket(r); break;
	case '.': n = regex_dot(r); break;
	case '^':
	case '$':
		n = regex_node(r, REGEX_EDGE);
		r->i++;
		break;
	case '\\':
		n = r->syntax == REGEX_RULE &&
				    (is_digit(regex_peek(r, 1)) || regex_ahead(r, "\\g{"))
			    ? read_reference(r)
			    : regex_escaped(r);
		break;
	case ')':
		r->unmatched = true; /* other errors are reported first */
	/* fall through */
	default: n = regex_character(r);
	}
	for (bool again = false;
		!r->why && !flags && (len = read_repetition(r, &min, &max)) > 0; again = true) {
		if (again && syntaxes[r->syntax].twice)
			return regex_refuse(r, from, syntaxes[r->syntax].twice);
		struct regex_node *x = regex_node(r, REGEX_REPEAT);
		size_t at = r->i;
		r->i += len;
		x->child = n;
		x->min = min;
		x->max = max;
		if (max == REGEX_FOREVER && r->syntax == REGEX_OWN)
			bound_repetition(r, x, at);
		x->possessive = regex_peek(r, 0) == '+' && r->syntax != REGEX_RE2;
		r->i += x->possessive || regex_peek(r, 0) == '?';
		n = x;
		if (x->child->kind == REGEX_LOOK && r->syntax == REGEX_RULE)
			/* may be an assertion, which matches no characters */
			n = regex_node(r, REGEX_CAT);
	}
	return n;
}

/* ---- sequences, alternatives ---- */

static struct regex_node *
read_regex_sequence(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_CAT), **at = &n->child;

	while (!r->why && r->i < r->s.n && r->s.p[r->i] != '|' &&
		(r->s.p[r->i] != ')' || r->depth == 0)) {
		*at = read_regex_piece(r);
		at = &(*at)->next;
	}
	return n;
}

static struct regex_node *
read_regex_alternatives(struct regex_reader *r)
{
	struct regex_node *first = read_regex_sequence(r);

	if (regex_peek(r, 0) != '|')
		return first;
	struct regex_node *n = regex_node(r, REGEX_ALT), **at = &first->next;
	n->child = first;
	while (!r->why && regex_peek(r, 0) == '|') {
		r->i++;
		*at = read_regex_sequence(r);
		at = &(*at)->next;
	}
	return n;
}

bool
regex_read(
	struct arena *a, struct span s, enum regex_syntax syntax, bool utf, struct regex *out)
{
	struct regex_reader r = { .a = a,
		.s = s,
		.syntax = syntax,
		.utf = utf || syntax == REGEX_RE2,
		.unicode = utf && syntax == REGEX_OWN };

	buf_init(&r.out, 0);
	if (utf && syntax == REGEX_RULE)
		regex_refuse(&r, 0, "characters are not bytes");
	out->root = read_regex_alternatives(&r);
	if (r.unmatched)
		regex_refuse(&r, 0, REGEX_NOT_VALID);
	out->text = s;
	if (syntax != REGEX_RULE) {
		regex_rewrite(&r, s.n, "");
		out->text = arena_dup(a, buf_view(&r.out));
	}
	if (buf_failed(&r.out) || !out->text.p)
		regex_refuse(&r, 0, "out of memory");
	buf_free(&r.out);
	out->why = r.why;
	out->at = r.at;
	return !r.why;
}
