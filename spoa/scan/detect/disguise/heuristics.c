/* Heuristics: an editor that makes guesses about unusual spelling. This file handles letters
 * written one by one, values cut by markup and strings in pieces; groups of digits, line breaks and
 * words have their own files (heuristics.h). Each guess is narrow, and a finding needs a
 * checksum, a secret's prefix or a name near it (EDIT_GUESS, EDIT_NAMED).
 *
 * heuristics_edit() walks over the bits of the classifier and calls a guess only at bytes where
 * it may apply. */
#include "scan/detect/disguise/heuristics.h"

#include "base/among.h"
#include "base/bits.h"
#include "base/effort.h"

enum { WORK_GUESS = 10, WORK_TAG = 16 }; /* units of effort for each place and each tag examined */
enum { SPELLED_MIN = 9, SPELLED_MAX = 512 };

/* clang-format off */
const bool heuristic_tokens[256] = {
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['_'] = 1, ['-'] = 1,
	['+'] = 1, ['/'] = 1, ['='] = 1, ['@'] = 1, ['.'] = 1,
};
/* clang-format on */

void
heuristic_edit(struct heuristic *l, size_t from, size_t to, const char *with, unsigned flags)
{
	view_edit(l->ed, from, to, with, strlen(with), EDIT_GUESS | flags);
	l->at = to;
}

bool
heuristic_may_be_named(const struct heuristic *l, size_t from, size_t to)
{
	/* The name, and the text that a finding may have on either side of the guess. */
	enum { AROUND = CONTEXT_BYTES + 16 + 2 * BLOCK };
	const struct chunk *c = l->c;
	uint64_t letters = 0;

	if (c->named || from < c->from + AROUND || to + AROUND > c->to)
		return true;
	for (size_t k = (from - AROUND - c->from) / BLOCK; k <= (to + AROUND - c->from) / BLOCK;
		k++)
		letters |= (c->look[k].alnum & ~c->look[k].digit) |
			   (c->look[k].hidden & ~c->look[k].sign); /* no bracket */
	return letters != 0;
}

/* ---- single characters: a l i c e @ … ---- */

static bool
gap_at(const struct heuristic *l, size_t i, struct span gap)
{
	return i < l->t.n && gap.n <= l->t.n - i && l->t.p[i] == gap.p[0] &&
	       (gap.n == 1 || !memcmp(l->t.p + i, gap.p, gap.n));
}

/* Returns true if the sign at i is followed by nothing that it could belong to. */
static bool
ends_sentence(const struct heuristic *l, size_t i)
{
	return !is_alnum(byte_at(l, i)) && !heuristic_token(byte_at(l, i + 1));
}

static bool
is_single(const struct heuristic *l, size_t i, struct span gap)
{
	char c = byte_at(l, i), last = gap.p[gap.n - 1];

	return c > ' ' && c != gap.p[0] && (unsigned char)c < 0x7F &&
	       (gap_at(l, i + 1, gap) || !heuristic_token(byte_at(l, i + 1)) ||
		       ends_sentence(l, i + 1)) &&
	       (i == 0 || byte_at(l, i - 1) == last || !is_alnum(byte_at(l, i - 1)));
}

/* Returns the offset of the next single character after i, or 0 if the row ends. */
static size_t
next_single(const struct heuristic *l, size_t i, struct span gap)
{
	size_t k = i + 1;
	char c = gap.p[0];

	if (gap.n > 1)
		return gap_at(l, k, gap) && is_single(l, k + gap.n, gap) ? k + gap.n : 0;
	while ((byte_at(l, k) == c ||
		       (c == ' ' && k == i + 1 &&
			       (byte_at(l, k) == ',' || byte_at(l, k) == ';'))) &&
		k - i < 4)
		k++;
	return k > i + 1 && is_single(l, k, gap) ? k : 0;
}

/* A table, because this is asked for every single character. */
/* clang-format off */
static const bool spells[256] = {
	[' '] = 1, ['-'] = 1, ['.'] = 1, ['_'] = 1, [','] = 1, ['*'] = 1, ['|'] = 1, ['/'] = 1,
	['\n'] = 1, [':'] = 1, [';'] = 1, ['~'] = 1, ['\t'] = 1,
};
/* clang-format on */

/* Returns what separates the single character at i from the next: one sign, or several as in
 * "a", "b" and a - b. Empty if nothing does. */
static struct span
gap_of(const struct heuristic *l, size_t i)
{
	enum { WIDE = 4 };
	size_t k = i + 1;

	while (k - i <= WIDE && !is_alnum(byte_at(l, k)) && byte_at(l, k))
		k++;
	struct span all = span_cut(l->t, i + 1, k), one = span_cut(l->t, i + 1, i + 2);
	bool wide = false;
	for (size_t j = 1; j < all.n; j++)
		wide |= all.p[j] != all.p[0];
	if (wide && is_alnum(byte_at(l, k)) && all.n <= WIDE && gap_at(l, k + 1, all))
		return all;
	return one.n && spells[(unsigned char)one.p[0]] ? one : span_of("", 0);
}

/* Returns true if the characters stand between brackets, commas or line breaks, as a row of a
 * table does. */
static bool
is_row(const struct heuristic *l, size_t from, size_t to)
{
	while (from > 0 && byte_at(l, from - 1) == ' ')
		from--;
	while (byte_at(l, to) == ' ')
		to++;
	char before = from > 0 ? byte_at(l, from - 1) : 0, after = byte_at(l, to);

	return before && after && strchr("\n[(,{", before) && strchr("\r\n]),}", after);
}

/* Returns true if a token with a known prefix is spelled out from k on. Characters before it,
 * such as "I" or a list's letter, are no part of it. */
static bool
begins_token(const struct heuristic *l, size_t k, struct span gap)
{
	size_t second = next_single(l, k, gap);

	for (const struct heuristic_key *key = heuristic_keys; second && key->prefix; key++) {
		const char *p = key->prefix;
		size_t at_k = second;
		if (p[0] != byte_at(l, k) || p[1] != byte_at(l, second))
			continue;
		for (p += 2; *p; p++)
			if (!(at_k = next_single(l, at_k, gap)) || byte_at(l, at_k) != *p)
				break;
		if (!*p)
			return true;
	}
	return false;
}

static void
spelled_row(struct heuristic *l, size_t i)
{
	struct span gap = gap_of(l, i);
	size_t first = i, last = i, n = 1, digits = 0, letters = 0, step = gap.n + 1;

	if (!gap.n)
		return;
	while (first >= step && first - step >= l->at && gap_at(l, first - gap.n, gap) &&
		is_single(l, first - step, gap) && i - first < SPELLED_MAX)
		first -= step;
	for (size_t k = first; last - first < SPELLED_MAX;) {
		n += k != first;
		digits += is_digit(byte_at(l, k));
		letters += is_alpha(byte_at(l, k));
		last = k;
		k = next_single(l, k, gap);
		if (!k)
			break;
	}
	effort_add(5 * (last - first));
	if (letters == 1 && is_alpha(byte_at(l, first))) { /* "a 4 7 1 6": the first letter is a
							    * word */
		first = next_single(l, first, gap);
		letters = 0;
		n--;
	}
	l->row_end = last + 1;
	if (n < SPELLED_MIN || digits + letters < SPELLED_MIN - 1)
		return;
	bool dashes = digits + letters < n, blank = gap.p[0] == ' ';
	unsigned flags =
		!letters && !dashes &&
				(is_row(l, first, last + 1) || digits < 13 || digits > 19)
			? EDIT_NAMED
			: 0;
	for (size_t k = first, next; k < last; k = next) {
		next = next_single(l, k, gap);
		if (!next)
			break;
		const char *with = next - k == step || (dashes && gap.p[0] != '-') ? ""
				   : gap.p[0] == '-'				   ? "-"
				   : letters					   ? " "
										   : "";
		if (letters > 1 && blank && begins_token(l, next, gap))
			continue;
		heuristic_edit(l, k + 1, next, with, flags);
	}
}

/* ---- markup inside a word ---- */

/* Tags inside a word and around one. The last entry is empty. */
static const struct span inline_tags[] = { { "b", 1 }, { "i", 1 }, { "u", 1 }, { "s", 1 },
	{ "em", 2 }, { "strong", 6 }, { "span", 4 }, { "wbr", 3 }, { "font", 4 },
	{ "code", 4 }, { "mark", 4 }, { "small", 5 }, { "sub", 3 }, { "sup", 3 }, { "tt", 2 },
	{ "kbd", 3 }, { "var", 3 }, { "br", 2 }, { "a", 1 }, { "del", 3 }, { "ins", 3 },
	{ NULL, 0 } };
static const struct span cell_tags[] = { { "td", 2 }, { "th", 2 }, { "tr", 2 }, { "li", 2 },
	{ "p", 1 }, { "div", 3 }, { "dd", 2 }, { "dt", 2 }, { NULL, 0 } };

/* Returns the end of the tag at i if its name is in `names`; 0 if there is none. */
static size_t
tag_end(const struct heuristic *l, size_t i, const struct span *names)
{
	enum { TAG = 96 }; /* bytes of a tag, at most */
	size_t k = i + 1 + (byte_at(l, i + 1) == '/');
	size_t n = span_past(span_cut(l->t, 0, k + 8), k, is_alpha) - k;
	struct span name = span_cut(l->t, k, k + n);

	effort_add(WORK_TAG);
	while (names->n && !span_ieq(name, *names))
		names++;
	if (!names->n)
		return 0;
	struct span rest = span_cut(l->t, k + n, i + TAG);
	size_t end = span_chr(rest, '>');
	effort_add(end);
	return end < rest.n && !memchr(rest.p, '\n', end) ? k + n + end + 1 : 0;
}

/* Returns the end of a comment or of the beginning of a CDATA section; 0 if there is none. */
static size_t
declaration_end(const struct heuristic *l, size_t i)
{
	if (span_starts(span_cut(l->t, i, i + 4), SPAN_LIT("<!--"))) {
		for (size_t k = i + 4; k - i < 128 && byte_at(l, k); k++)
			if (byte_at(l, k) == '>' && byte_at(l, k - 1) == '-' &&
				byte_at(l, k - 2) == '-')
				return k + 1;
		return 0;
	}
	return span_starts(span_cut(l->t, i, i + 9), SPAN_LIT("<![CDATA[")) ? i + 9 : 0;
}

size_t
heuristic_cell(const struct heuristic *l, size_t i)
{
	size_t k = i;

	for (size_t to; k - i < 160 && byte_at(l, k) == '<'; k = to)
		if (!(to = tag_end(l, k, cell_tags)))
			break;
	return k;
}

size_t
heuristic_markup(const struct heuristic *l, size_t i)
{
	size_t k = i;

	for (size_t to; k - i < 160; k = to) {
		char c = byte_at(l, k);
		if (c == '<' &&
			((to = declaration_end(l, k)) || (to = tag_end(l, k, inline_tags))))
			continue;
		if (c == 0 || !strchr("*~`|", c))
			break;
		for (to = k; byte_at(l, to) == c && to - k < 3;)
			to++;
	}
	effort_add(4 * (k - i));
	return k;
}

/* Returns true if the mark at i is emphasis. A single mark inside a word usually separates cells
 * or fields of EDI (|, *, ~), except for two stars around a part of a word. `ID*` at the
 * beginning of a line is a segment of X12. */
static bool
is_emphasis(const struct heuristic *l, size_t i)
{
	enum { WORD = 256, TAG = 3 };
	size_t from = i, to = i, stars = 0, tag;

	if (byte_at(l, i) == '`')
		return true;
	if (byte_at(l, i) != '*')
		return false;
	while (from > 0 && i - from < WORD &&
		(heuristic_token(byte_at(l, from - 1)) || byte_at(l, from - 1) == '*'))
		from--;
	while (to - i < WORD && (heuristic_token(byte_at(l, to)) || byte_at(l, to) == '*'))
		to++;
	effort_add(3 * (to - from));
	for (size_t k = from; k < to; k++)
		stars += byte_at(l, k) == '*';
	tag = span_chr(span_cut(l->t, from, to), '*');
	bool begins = from == 0 || byte_at(l, from - 1) == '\n' || byte_at(l, from - 1) == '~';
	return stars == 2 && !(begins && tag <= TAG);
}

static void
markup(struct heuristic *l, size_t i)
{
	if (i == 0)
		return;
	bool token = heuristic_token(byte_at(l, i - 1));
	if (!token && !(i > 1 && l->t.p[i - 1] == ' ' && is_digit(l->t.p[i - 2])))
		return;
	size_t to = heuristic_markup(l, i), more;
	const char *with = "";
	if (to == i)
		return;
	if (byte_at(l, to) == ' ' && byte_at(l, to + 1) == '<' &&
		(more = heuristic_markup(l, to + 1)) > to + 1) {
		to = more; /* a space between two words that are marked one by one */
		with = " ";
	}
	if (byte_at(l, to) == '\n' && byte_at(l, to - 1) == '>') { /* <br> */
		size_t line = to + 1;
		to = span_past_set(span_cut(l->t, 0, to + 16), line, " \t");
		with = to > line && is_digit(byte_at(l, to)) ? " " : "";
	}
	/* The mark begins or ends at a space between two groups of digits. */
	bool spaced = token ? byte_at(l, to) == ' ' && is_digit(byte_at(l, to + 1)) &&
				      is_digit(l->t.p[i - 1])
			    : is_digit(byte_at(l, to));
	if (spaced && (byte_at(l, i) == '<' || (byte_at(l, i) == '*' && byte_at(l, i + 1) == '*')))
		heuristic_edit(l, i, to, "", 0);
	if (!token || spaced || !heuristic_token(byte_at(l, to)))
		return;
	bool before = is_alnum(byte_at(l, i - 1)), after = is_alnum(byte_at(l, to));
	if (byte_at(l, i) == '*' && !before && !after && byte_at(l, i - 1) != '-' &&
		byte_at(l, to) != '-')
		return; /* a path: src/ *.py */
	/* These are cells of a table; groups.c handles numbers in them. */
	if (byte_at(l, i) == '|' && (is_digit(byte_at(l, i - 1)) || !(before || after)))
		return;
	if ((to == i + 1 && !is_emphasis(l, i)) || heuristic_apart(l, i, to))
		return;
	heuristic_edit(l, i, to, with, 0);
}

/* ---- strings in pieces ----
 *
 * Joins strings in pieces: "AK" + "IA", adjacent string literals, arrays that are joined, and
 * parts of templates. If an operator or a call joins pieces, all are joined. Literals that only
 * stand next to each other are joined only if neither is a value that the rules find by itself. */

enum { JOIN_BACK = 64 };

/* Returns the offset after the white space at i. */
static size_t
past_blanks(const struct heuristic *l, size_t i)
{
	size_t k = i;

	while (k - i < JOIN_BACK && is_space(byte_at(l, k)))
		k++;
	return k;
}

/* Returns true if a word at i means that pieces are joined. A comma joins only if such a word is
 * near. */
static bool
said_at(const struct heuristic *l, size_t i, size_t to)
{
	static const char *const words[] = { "].join", "join(", "concat(", "implode(",
		"CONCAT(", "Concat(", "Join(", "cat(", "paste0(", "%s%s", "{}{}", "-join" };

	char c = byte_at(l, i), next = byte_at(l, i + 1);

	for (size_t k = 0; k < COUNT_OF(words); k++)
		if (c == words[k][0] && next == words[k][1] &&
			span_starts(span_cut(l->t, i, to), span_str(words[k])))
			return true;
	return false;
}

/* Returns true if a joining word is near i. Places are asked for in nearly ascending order, so
 * each byte is searched once. */
static bool
said_to_join(struct heuristic *l, size_t i)
{
	/* clang-format off */
	static const uint8_t first[256] = {
		['j'] = 1, ['J'] = 1, ['c'] = 1 | 8, ['C'] = 1, [']'] = 2, ['i'] = 4,
		['p'] = 8, ['%'] = 16, ['{'] = 32, ['-'] = 64,
	};
	static const uint8_t second[256] = {
		['o'] = 1, ['O'] = 1, ['.'] = 2, ['m'] = 4, ['a'] = 8, ['s'] = 16, ['}'] = 32,
		['j'] = 64,
	};
	/* clang-format on */
	size_t from = i > 160 ? i - 160 : 0, to = i + 240 < l->t.n ? i + 240 : l->t.n;

	if (l->join_from > from || l->join_at < from)
		l->join_from = l->join_at = from;
	effort_add(l->join_at < to ? to - l->join_at : 0);
	for (; l->join_at < to; l->join_at++) {
		unsigned char c = (unsigned char)l->t.p[l->join_at];
		if (!(first[c] & second[(unsigned char)byte_at(l, l->join_at + 1)]))
			continue;
		if (said_at(l, l->join_at, to))
			return true;
		if (to - l->join_at < 8)
			break; /* a word may continue after `to` */
	}
	return false;
}

/* The connection between two literals. */
enum joint {
	JOINT_BESIDE,	/* nothing, or something that may also separate two values */
	JOINT_OPERATOR, /* an operator that joins */
	JOINT_COMMA,	/* joins if a call near it joins its arguments */
};

/* Returns the kind of an operator at k. A backslash at a line's end joins, and so does a dot
 * that ends no sentence. */
static enum joint
joint_at(const struct heuristic *l, size_t i, size_t k)
{
	char c = byte_at(l, k), next = byte_at(l, k + 1);

	if (c == '\\')
		return next == '\n' || next == '\r' ? JOINT_OPERATOR : JOINT_BESIDE;
	return c == '.' && k == i && is_space(next) ? JOINT_BESIDE : JOINT_OPERATOR;
}

/* Returns the offset after an operator between strings and the white space around it; 0 if there
 * can be no joint. */
static size_t
string_joint(const struct heuristic *l, size_t i, enum joint *joint)
{
	static const char *const ops[] = { "+", "..", ".concat(", ".", "&", "<>", "++", "~",
		"\\", "}${", "},${", ").append(", ").concat(", ")+(", ") + (", "||", "^", "<<",
		"%", ").add(", ").write(", "," };
	enum { JOINING = 15 }; /* the first operators join */
	size_t k = past_blanks(l, i);

	*joint = JOINT_BESIDE;
	for (size_t o = 0; o < COUNT_OF(ops); o++) {
		size_t n = strlen(ops[o]);
		if (byte_at(l, k) != ops[o][0] ||
			!span_starts(span_cut(l->t, k, k + n), span_of(ops[o], n)))
			continue;
		if (o < JOINING)
			*joint = joint_at(l, i, k);
		else if (*ops[o] == ',')
			*joint = JOINT_COMMA;
		if (*joint == JOINT_COMMA && l->t.p[i - 1] == '`')
			return 0;
		k = past_blanks(l, k + n);
		if ((byte_at(l, k) == '`' || byte_at(l, k) == '\\') &&
			byte_at(l, k + 1) == '\n')
			k = past_blanks(l, k + 1); /* the string continues in the next line */
		return k;
	}
	return k;
}

/* Characters of literals in a list: tokens, quotes, spaces and commas. */
/* clang-format off */
static const bool listed[256] = {
	['0' ... '9'] = 1, ['A' ... 'Z'] = 1, ['a' ... 'z'] = 1, ['_'] = 1, ['-'] = 1,
	['+'] = 1, ['/'] = 1, ['='] = 1, ['@'] = 1, ['.'] = 1, ['"'] = 1, ['\''] = 1, ['`'] = 1,
	[','] = 1, [' '] = 1, ['\t'] = 1, ['\r'] = 1, ['\n'] = 1,
};
/* clang-format on */

/* Returns true if the list of literals around i is all arguments of a joining call, or an array
 * that is joined without a separator. The answer is kept for all places of the list. */
static bool
in_joining_call(struct heuristic *l, size_t i)
{
	enum { BACK = 256, AHEAD = 2048 };
	static const char *const calls[] = { "concat(", "CONCAT(", "Concat(", "cat(", "paste0(",
		"append(", "\"\".join([", "''.join([", "implode('', [" };
	static const char *const joined[] = { "].join(\"\")", "].join('')", "].join(``)" };
	size_t from = i, to = i;

	if (i < l->list_end)
		return l->list_joined;
	while (from > 0 && i - from < BACK && listed[(unsigned char)l->t.p[from - 1]])
		from--;
	while (to - i < AHEAD && listed[(unsigned char)byte_at(l, to)])
		to++;
	effort_add(to - from);
	struct span before = span_cut(l->t, 0, from), after = span_cut(l->t, to, l->t.n);
	l->list_end = to;
	/* Almost no list is one of these, and the byte beside it shows that. */
	char bracket = from > 0 ? l->t.p[from - 1] : 0;
	l->list_joined =
		((bracket == '(' || bracket == '[') && SPAN_AMONG(before, calls, span_ends)) ||
		(byte_at(l, to) == ']' && SPAN_AMONG(after, joined, span_starts));
	return l->list_joined;
}

/* Returns true if the literal before the quote at i is a long token and no address. */
static bool
is_long_literal(const struct heuristic *l, size_t i)
{
	enum { LONG = 12 };

	for (size_t k = 1; k <= LONG; k++)
		if (i < k || !heuristic_token(byte_at(l, i - k)) || byte_at(l, i - k) == '@')
			return false;
	return true;
}

/* Returns true if a space next to a digit is at i: part of a number in pieces. */
static bool
is_spaced(const struct heuristic *l, size_t i, size_t beside)
{
	return byte_at(l, i) == ' ' && is_digit(byte_at(l, beside));
}

/* Returns true if only a token is between the quote at i and its partner. */
static bool
token_to_quote(const struct heuristic *l, size_t i, bool back)
{
	size_t k = i;

	do
		k = back ? k - 1 : k + 1;
	while (k > 0 && k < l->t.n && k - i + 128 < 256 && heuristic_token(byte_at(l, k)));
	effort_add(back ? i - k : k - i);
	return byte_at(l, k) == byte_at(l, i);
}

/* Returns true if the literal that ends at the quote at i is the beginning of a mailbox name: it
 * ends with a dot and is not a word of a sentence. */
static bool
is_unfinished(const struct heuristic *l, size_t i)
{
	size_t from = span_back(l->t, i - 1, i > JOIN_BACK ? i - JOIN_BACK : 0, is_lower);

	return byte_at(l, i - 1) == '.' && i - 1 - from > 2 && from > 0 &&
	       byte_at(l, from - 1) == byte_at(l, i);
}

/* First characters of the operators in string_joint(), and quotes. */
/* clang-format off */
static const bool joins[256] = {
	['+'] = 1, ['.'] = 1, ['&'] = 1, ['|'] = 1, ['<'] = 1, ['~'] = 1, ['^'] = 1,
	['\\'] = 1, ['}'] = 1, ['%'] = 1, [','] = 1, ['"'] = 1, ['\''] = 1, ['`'] = 1,
	[')'] = 1,
};
/* clang-format on */

/* Joins the piece that ends at the quote at i with the next one, if another quote follows soon. */
static void
piece_end(struct heuristic *l, size_t i)
{
	if (i < 2 || !(heuristic_token(byte_at(l, i - 1)) || is_spaced(l, i - 1, i - 2)))
		return;
	size_t next = past_blanks(l, i + 1);
	if (!joins[(unsigned char)byte_at(l, next)] &&
		!(is_alpha(byte_at(l, next)) && is_quote(byte_at(l, next + 1))))
		return;
	enum joint joint;
	size_t k = string_joint(l, i + 1, &joint);
	if (k && is_alpha(byte_at(l, k)) && is_quote(byte_at(l, k + 1))) /* f"", r'', L"" */
		k++;
	/* "a" "b" on one line may be two words of a shell command. */
	if (k && byte_at(l, k) == byte_at(l, i) && past_blanks(l, i + 1) == k && k > i + 1 &&
		!memchr(l->t.p + i, '\n', k - i) &&
		!(token_to_quote(l, i, true) && token_to_quote(l, k, false)))
		return;
	if (!k || !is_quote(byte_at(l, k)) ||
		!(heuristic_token(byte_at(l, k + 1)) || is_spaced(l, k + 1, k + 2)) ||
		(joint == JOINT_COMMA && !said_to_join(l, next) &&
			!(is_long_literal(l, i) && in_joining_call(l, i))))
		return;
	if (joint != JOINT_OPERATOR && heuristic_apart(l, i, k + 1) &&
		!(joint == JOINT_COMMA ? in_joining_call(l, i) : is_unfinished(l, i)))
		return;
	heuristic_edit(l, i, k + 1, "", 0);
}

/* Removes an empty string in the middle of a word: AK""IA, AK${''}IA */
static void
empty_piece(struct heuristic *l, size_t i)
{
	size_t k = i;

	if (byte_at(l, k) == '$')
		k += 2;
	if (!is_quote(byte_at(l, k)) || byte_at(l, k + 1) != byte_at(l, k))
		return;
	k += 2;
	if (byte_at(l, i) == '$' && byte_at(l, k++) != '}')
		return;
	if (i > 0 && is_alnum(byte_at(l, i - 1)) && is_alnum(byte_at(l, k)) &&
		!heuristic_apart(l, i, k))
		heuristic_edit(l, i, k, "", 0);
}

/* Returns the last quote of a string in braces that contains a token, as in f"AK{'IA'}…" or
 * `AK${"IA"}…`. The opening brace is at i. Returns 0 if there is none. */
static size_t
braced_string(const struct heuristic *l, size_t i)
{
	enum { BRACED_MAX = 128 };
	size_t k = i + 2;

	if (byte_at(l, i) != '{' || !is_quote(byte_at(l, i + 1)))
		return 0;
	while (k - i < BRACED_MAX && heuristic_token(byte_at(l, k)))
		k++;
	if (byte_at(l, k) != byte_at(l, i + 1) || byte_at(l, k + 1) != '}')
		return 0;
	/* The braces of []string{"a"}, in a program are no template. */
	char after = byte_at(l, k + 2);
	return heuristic_token(after) || is_quote(after) || after == '{' || after == '$' ? k
											 : 0;
}

static void
braced_begin(struct heuristic *l, size_t i)
{
	size_t before = i > 0 && byte_at(l, i - 1) == '$' ? i - 1 : i,
	       last = braced_string(l, i);

	if (!last || before < l->at || before == 0 || !heuristic_token(byte_at(l, before - 1)))
		return;
	if (last > i + 2)
		heuristic_edit(l, before, i + 2, "", 0);
	else if (heuristic_token(byte_at(l, last + 2)))
		heuristic_edit(l, before, last + 2, "", 0);
}

/* Removes the end of such a string at its last quote i; another one may follow. */
static void
braced_end(struct heuristic *l, size_t i)
{
	size_t first = span_back(l->t, i, i > 128 ? i - 128 : 0, heuristic_token), next = i + 2;

	effort_add(i - first);
	if (first < 2 || first == i || braced_string(l, first - 2) != i)
		return;
	next += byte_at(l, next) == '$';
	if (braced_string(l, next))
		heuristic_edit(l, i, next + 2, "", 0);
	else if (heuristic_token(byte_at(l, i + 2)))
		heuristic_edit(l, i, i + 2, "", 0);
}

/* Removes the marks of git diff --word-diff around a part of a word: {+added+}. */
static void
word_diff(struct heuristic *l, size_t i)
{
	enum { WORD = 256 };
	struct span rest = span_cut(l->t, i + 2, i + WORD);
	const char *end = rest.n ? memmem(rest.p, rest.n, "+}", 2) : NULL;
	size_t close = end ? (size_t)(end - l->t.p) : 0;

	effort_add(rest.n / 8);
	if (!end || close == i + 2 || memchr(rest.p, '\n', (size_t)(end - rest.p)) ||
		!((i > 0 && heuristic_token(l->t.p[i - 1])) || heuristic_token(byte_at(l, close + 2))))
		return;
	heuristic_edit(l, i, i + 2, "", 0);
	heuristic_edit(l, close, close + 2, "", 0);
}

/* Examines a bracket or an @ at i. */
static void
heuristic_bracket(struct heuristic *l, size_t i)
{
	if (byte_at(l, i) == '{' && i > 0 && byte_at(l, i - 1) == '$')
		empty_piece(l, i - 1);
	else
		heuristic_address(l, i);
	if (byte_at(l, i) == '{' && byte_at(l, i + 1) == '+' && l->at <= i)
		word_diff(l, i);
	if (byte_at(l, i) == '{' && l->at <= i)
		braced_begin(l, i);
}

/* Returns true if the quote at i has a prefix (f"", rb"", L""), so no word continues after the
 * quote. */
static bool
is_prefixed(const struct heuristic *l, size_t i)
{
	size_t k = i;

	while (k > 0 && i - k < 2 && byte_at(l, k - 1) &&
		strchr("fFrRbBuUL", byte_at(l, k - 1)))
		k--;
	return k < i && (k == 0 || !is_alnum(byte_at(l, k - 1)));
}

/* Returns the offset after the beginning of the next part of a parameter (RFC 2231 section 3), as in
 * "47";CRLF filename*1="16", whose first part ends with the quote at i. Returns 0 if there is none. */
static size_t
next_parameter(const struct heuristic *l, size_t i)
{
	enum { BLANKS = 8, NAME = 32 };
	size_t k = i + 1 + (byte_at(l, i + 1) == ';'), from = k;

	while (k - from < BLANKS && is_space(byte_at(l, k)))
		k++;
	size_t name = k;
	while (k - name < NAME && (is_alnum(byte_at(l, k)) || byte_at(l, k) == '-'))
		k++;
	if (name == i + 1 || k == name || byte_at(l, k) != '*' || !is_digit(byte_at(l, k + 1)))
		return 0;
	k = span_past(span_cut(l->t, 0, k + 4), k + 1, is_digit);
	k += byte_at(l, k) == '*';
	return byte_at(l, k) == '=' && byte_at(l, k + 1) == '"' ? k + 2 : 0;
}

/* Examines a quote at i, which ends or begins a string. */
static void
heuristic_quote(struct heuristic *l, size_t i)
{
	size_t part = byte_at(l, i) == '"' ? next_parameter(l, i) : 0;

	if (part)
		heuristic_edit(l, i, part, "", 0);
	else if (byte_at(l, i + 1) == byte_at(l, i) && i > 0 && is_alnum(byte_at(l, i - 1)))
		empty_piece(l, i);
	else
		piece_end(l, i);
	if (l->at <= i && byte_at(l, i + 1) == '}')
		braced_end(l, i);
	/* A"B"C is one word of a shell; an apostrophe is usual spelling. */
	if (l->at <= i && i > 0 && byte_at(l, i) != '\'' && is_alnum(byte_at(l, i - 1)) &&
		is_alnum(byte_at(l, i + 1)) && !is_prefixed(l, i) &&
		!heuristic_apart(l, i, i + 1))
		heuristic_edit(l, i, i + 1, "", 0);
}

/* ---- the walk ---- */

/* Returns the bytes i for which x has a bit two to five bytes later. */
static uint64_t
next_alone(uint64_t x, uint64_t next)
{
	return look_on(x, next, 2) | look_on(x, next, 3) | look_on(x, next, 4) |
	       look_on(x, next, 5);
}

/* Returns the letters and digits that stand alone and have two more such characters after them. */
static uint64_t
rows_of(const struct heuristic *l, const struct look *k, size_t base)
{
	bool before = base > 0 && is_alnum(l->t.p[base - 1]);
	uint64_t alone = look_alone(k->alnum, before, k[1].alnum);

	if (!alone)
		return 0;
	uint64_t next = look_alone(k[1].alnum, k->alnum >> 63, 0);
	uint64_t rows = alone & next_alone(alone, next);
	return rows & next_alone(rows, next & next_alone(next, 0));
}

/* Returns true if the digits at bit k end an amount such as 1234.56 that begins at `from`. No
 * other group may follow, and the amount has fewer digits than a card. */
static bool
is_amount(
	const struct heuristic *l, size_t base, const struct look *b, unsigned from, unsigned k)
{
	enum { CARD_LEAST = 13 };
	unsigned end = k + (unsigned)__builtin_ctzll(~(b->digit >> k) | UINT64_C(1) << 63);

	if (k < 2 || end > 61 || end - k > 2 || end - from > CARD_LEAST ||
		!(b->digit >> (k - 2) & 1) || l->t.p[base + k - 1] != '.')
		return false;
	return !(b->gap >> end & 1) || !((b->gap | b->digit) >> (end + 1) & 1);
}

/* Returns the runs of digits that another run follows in the same block, with only separators
 * between them, as bits of their first digits. More bits are returned at the end of the block
 * and where markup may separate them. */
static uint64_t
first_groups(const struct heuristic *l, size_t base, const struct look *k, uint64_t starts,
	bool before)
{
	uint64_t digit = k->digit, out = 0;
	uint64_t gap = k->gap & ~digit & (digit << 1 | before); /* first bytes of the gaps */
	uint64_t after = (gap + k->gap) & ~k->gap, in = (gap + k->gap) ^ k->gap;

	for (uint64_t x = in & k->gap & k->sign; x; x &= x - 1)
		if (l->t.p[base + (size_t)__builtin_ctzll(x)] == '<')
			return starts;
	if ((digit | k->gap) >> 63 && starts)
		out = UINT64_C(1) << (63 - __builtin_clzll(starts));
	for (uint64_t x = after & digit; x; x &= x - 1) {
		uint64_t below = starts & ((x & -x) - 1);
		if (!below)
			continue;
		unsigned from = 63 - (unsigned)__builtin_clzll(below);
		if (!is_amount(l, base, k, from, (unsigned)__builtin_ctzll(x)))
			out |= UINT64_C(1) << from;
	}
	return out;
}

/* Returns the digits next to a letter and the letters next to a digit, in one block and the
 * first byte of the next. */
static uint64_t
mixed_bits(const struct look *k, const struct look *next)
{
	uint64_t alpha = k->alnum & ~k->digit;

	return (alpha & look_on(k->digit, next->digit, 1)) |
	       (k->digit & look_on(alpha, next->alnum & ~next->digit, 1));
}

/* Returns the bytes at which groups of digits may begin: no letter precedes, or the country code
 * of an IBAN (groups.c) does. Bytes at the edge of the block are included. */
static uint64_t
group_starts(const struct heuristic *l, size_t base, const struct look *k)
{
	static const struct look none = { 0 };
	const uint64_t last = UINT64_C(1) << 63, near = (UINT64_C(1) << 40) - 1;
	bool before = base > 0 && is_digit(l->t.p[base - 1]);
	uint64_t digit = k->digit, alpha = k->alnum & ~digit;
	uint64_t starts = digit & ~(digit << 1 | before);
	uint64_t iban =
		(alpha << 1 | 1) & (alpha << 2 | 3) & ~(k->alnum << 3) & (digit >> 1 | last);

	/* Letters next to digits may stand for digits (leet.c). */
	if (!(mixed_bits(k, &k[1]) | (mixed_bits(&k[1], &none) & near)))
		starts = first_groups(l, base, k, starts, before) | (starts & iban);
	uint64_t first = alpha & ~(k->alnum << 1); /* a single letter that may stand for a digit */
	return starts & (~(alpha << 1) | iban | first << 1);
}

/* Returns the bytes at which a digit's name in Cyrillic may begin: four, six, two or nine. */
static uint64_t
cyrillic(const struct heuristic *l, size_t base, const struct look *k)
{
	uint64_t high = k->hidden & ~k->sign;

	return BITS_WHERE(high & ~(high << 1), base, i,
		byte_at(l, i) == '\xD1'
			? is_one_of(byte_at(l, i + 1), "\x87\x88")
			: byte_at(l, i) == '\xD0' && byte_at(l, i + 1) == '\xB4');
}

/* Returns the spaces after a digit and before what may be the name of a separator. */
static uint64_t
said_bits(const struct heuristic *l, size_t base, const struct look *k)
{
	bool before = base > 0 && is_digit(l->t.p[base - 1]);
	uint64_t blanks = (k->digit << 1 | before) & k->blank &
			  ((k->alnum & ~k->digit) >> 1 | UINT64_C(1) << 63);

	return BITS_WHERE(blanks, base, i, heuristic_may_name_separator(l, i));
}

/* Returns true if the space at i precedes "at" as a word, or the beginning of another word for
 * it: arroba, arobase, apenstaartje. */
static bool
begins_at_sign(const struct heuristic *l, size_t i)
{
	char third = (char)(byte_at(l, i + 2) | 0x20),
	     fourth = (char)(byte_at(l, i + 3) | 0x20);

	return third == 't'   ? !is_alnum(byte_at(l, i + 3))
	       : third == 'r' ? fourth == 'r' || fourth == 'o'
			      : fourth == 'e';
}

/* Returns true if a shell wraps its command line at i: it writes " \r". */
static bool
wraps_command(const struct heuristic *l, size_t i)
{
	return i > 0 && l->t.p[i - 1] == ' ' && byte_at(l, i + 1) != '\n';
}

/* Tries the guesses that may begin with the byte at i. */
static void
edit_from(struct heuristic *l, size_t i)
{
	switch (byte_at(l, i)) {
	case '0' ... '9': heuristic_digits(l, i); break;
	case '"':
	case '\'': heuristic_quote(l, i); break;
	case '`':
		heuristic_quote(l, i);
		if (l->at <= i)
			markup(l, i);
		break;
	case '\n': heuristic_line(l, i); break;
	case '\r': heuristic_line(l, i); break;
	case '*':
	case '~':
	case '<':
	case '|':
		if (byte_at(l, i) == '<')
			heuristic_address(l, i);
		if (l->at <= i)
			markup(l, i);
		break;
	case '(':
	case '[':
	case '{':
	case '@': heuristic_bracket(l, i); break;
	case ' ': heuristic_named_separator(l, i); break;
	case 'X':
	case 'x':
		heuristic_named_separator(l, i);
		heuristic_number(l, i);
		break;
	case '\xD0':
	case '\xD1':
	case 'U':
	case 'u':
	case 'V':
	case 'v':
	case 'Z':
	case 'z': heuristic_number(l, i); break;
	default: break;
	}
}

void
heuristics_edit(const struct chunk *c, struct editor *ed)
{
	struct heuristic l = { .t = c->text, .c = c, .ed = ed, .at = c->from };

	for (size_t base = c->from, k = 0; base < c->to && !ed->err; base += BLOCK, k++) {
		const struct look *b = &c->look[k];
		uint64_t rows = rows_of(&l, b, base);
		uint64_t at = BITS_WHERE(b->at, base, i, begins_at_sign(&l, i));
		uint64_t more = b->sign | heuristic_numerals(&l, base, b->cross) |
				cyrillic(&l, base, b);
		if (b->digit)
			more |= group_starts(&l, base, b) | said_bits(&l, base, b);
		if (base && effort_over())
			ed->err = effort_err();
		for (uint64_t todo = rows | at | more; todo && !ed->err; todo &= todo - 1) {
			unsigned bit = (unsigned)__builtin_ctzll(todo);
			size_t i = base + bit;
			if (byte_at(&l, i) == '\r' && !wraps_command(&l, i))
				continue;
			effort_add(WORK_GUESS);
			if (i < l.at)
				continue;
			if (rows >> bit & 1 && i >= l.row_end)
				spelled_row(&l, i);
			if (i >= l.at && at >> bit & 1)
				heuristic_address(&l, i);
			if (i >= l.at && more >> bit & 1)
				edit_from(&l, i);
		}
	}
}
