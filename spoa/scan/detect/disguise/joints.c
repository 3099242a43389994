/* Joins strings in pieces: "AK" + "IA", adjacent string literals, arrays that are joined, and
 * parts of templates. If an operator or a call joins pieces, all are joined. Literals that only
 * stand next to each other are joined only if neither is a value that the rules find by itself. */
#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/disguise/heuristics.h"

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
	l->list_joined =
		SPAN_AMONG(before, calls, span_ends) || SPAN_AMONG(after, joined, span_starts);
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

void
heuristic_bracket(struct heuristic *l, size_t i)
{
	if (byte_at(l, i) == '{' && i > 0 && byte_at(l, i - 1) == '$')
		empty_piece(l, i - 1);
	else
		heuristic_address(l, i);
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

void
heuristic_quote(struct heuristic *l, size_t i)
{
	if (byte_at(l, i + 1) == byte_at(l, i) && i > 0 && is_alnum(byte_at(l, i - 1)))
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
