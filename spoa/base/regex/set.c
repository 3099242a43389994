/* The half of the reader that handles characters: escapes, brackets, and the sets of bytes that
 * they stand for. */
#include <stdio.h>

#include "base/ascii.h"
#include "base/bits.h"
#include "base/codec/utf8.h"
#include "base/regex/reader.h"

enum { A_SET = -1, REFUSED = -2 }; /* returned instead of a character */

static void
add_all(uint64_t set[4])
{
	memset(set, 0xFF, 4 * sizeof(set[0]));
}

static void
add_high(uint64_t set[4])
{
	set[2] = set[3] = UINT64_MAX;
}

static void
add_range(const struct regex_reader *r, uint64_t set[4], int32_t from, int32_t to)
{
	set_add_range(set, (unsigned)from, (unsigned)(r->utf && to > 127 ? 127 : to));
	if (r->utf && to > 127)
		add_high(set);
}

static void
add_either_case(const struct regex_reader *r, uint64_t set[4])
{
	uint64_t letters = UINT64_C(0x07FFFFFE), any = (set[1] | set[1] >> 32) & letters;

	if (!r->caseless)
		return;
	set[1] |= any | any << 32;
	if (any && r->unicode) /* the Kelvin sign is also a K */
		add_high(set);
}

static struct regex_node *
finish_set(const struct regex_reader *r, struct regex_node *n)
{
	n->bytes_min = 1;
	n->bytes_max = r->utf && (n->set[2] | n->set[3]) ? 4 : 1;
	return n;
}

static struct regex_node *
character(struct regex_reader *r, int32_t c)
{
	struct regex_node *n = regex_node(r, REGEX_SET);

	add_range(r, n->set, c, c);
	add_either_case(r, n->set);
	n->letter = r->caseless && c < 0x80 && is_alpha((char)c);
	if (r->wide)
		add_all(n->set);
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
	add_high(set);
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
		add_all(v);
	if (r->unicode)
		add_high(v);
	set_join(set, v);
	return true;
}

/* \xHH or \x{H…}; r->i is after the x. */
static int32_t
hexadecimal(struct regex_reader *r)
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
octal(struct regex_reader *r)
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
escape(struct regex_reader *r, uint64_t set[4], bool inside)
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
		return octal(r);
	if (!re2 && is_high(c))
		return plain_character(r);
	r->i++;
	bool class = add_class(r, c, set);
	if (re2)
		rewrite_escape(r, c, inside);
	if (class)
		return A_SET;
	if (c == 'x')
		return hexadecimal(r);
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
quoted(struct regex_reader *r)
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
	add_all(n->set);
	return finish_set(r, n);
}

/* ---- outside brackets ---- */

struct regex_node *
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
		return quoted(r);
	struct regex_node *n = regex_node(r, REGEX_SET);
	r->wide = false;
	int32_t v = escape(r, n->set, false);
	if (v >= 0)
		return character(r, v);
	if (v == REFUSED)
		return regex_refuse(r, at,
			is_digit(c)
				? "references to earlier matches are not supported"
				: "this escape is not supported; these are: \\b \\B \\A \\z "
				  "\\Z \\d \\w \\s \\h \\p{…} \\n \\t \\r \\f \\a \\e \\xHH");
	return finish_set(r, n);
}

struct regex_node *
regex_character(struct regex_reader *r)
{
	size_t at = r->i;
	int32_t c = plain_character(r);
	char text[3] = { '\\', (char)c };

	if (r->syntax == REGEX_RE2 && c < 0x80 && is_one_of((char)c, "{}]"))
		regex_rewrite(r, at, text);
	r->wide = false;
	return character(r, c);
}

struct regex_node *
regex_dot(struct regex_reader *r)
{
	struct regex_node *n = regex_node(r, REGEX_SET);

	r->i++;
	add_all(n->set);
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
		add_high(v);
	if (r->syntax == REGEX_RE2)
		add_all(v);
	set_join(set, v);
	r->i += n + 2;
	return true;
}

/* Reads one end of a range, or a whole item: a character, A_SET or REFUSED. */
static int32_t
item(struct regex_reader *r, uint64_t set[4], size_t open)
{
	size_t at = r->i;
	char c = r->s.p[at], text[3] = { '\\', c };

	if (posix_class(r, set))
		return A_SET;
	if (r->syntax == REGEX_RE2 && c == '[' && is_one_of(regex_peek(r, 1), ":.="))
		regex_refuse(r, at, "no such class in [[: :]]");
	if (c == '\\') {
		int32_t v = escape(r, set, true);
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
	int32_t from = item(r, set, open), to = from;
	if (regex_peek(r, 0) == '-' && regex_peek(r, 1) != ']' && r->i + 1 < r->s.n &&
		(from >= 0 || re2)) {
		second = ++r->i;
		to = item(r, set, open);
		if (!re2 && to < from)
			regex_refuse(r, open, REGEX_NOT_VALID);
		r->wide |= re2 && (r->s.p[at] == '\\' || r->s.p[second] == '\\' ||
					  from > 0x7F || to > 0x7F);
	}
	if (r->wide)
		add_all(set);
	else if (from >= 0)
		add_range(r, set, from, to);
}

/* "[" ["^"] { item } "]". A closing bracket that is the first item is a character. */
struct regex_node *
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
		add_high(n->set);
	if (negated && r->rough)
		add_all(n->set);
	return finish_set(r, n);
}
