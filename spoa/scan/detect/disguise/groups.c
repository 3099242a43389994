/* Reads digits in groups with unusual separators: 4716/3791/4202/1968, 308_63_0237, 4716 dash
 * 3791, or a number that continues in the next line.
 *
 * Groups are read as long as their separators are alike, or until four groups of four digits.
 * The separators are removed if the digits have a valid checksum (Luhn, mod 97), and replaced by
 * dashes if the groups have the lengths of a social security or telephone number. If the groups
 * may be columns or an array, or if other such groups are near, the name of the value must be
 * near too. */
#include "base/among.h"
#include "base/ascii.h"
#include "base/bits.h"
#include "base/effort.h"
#include "scan/detect/disguise/heuristics.h"
#include "scan/detect/validate/check.h"

/* clang-format off */
/* Characters that separate groups of digits in tables and lists. */
static const bool groups_columns[256] = {
	['\t'] = true, ['|'] = true, [','] = true, [';'] = true, ['\n'] = true, [':'] = true,
	['"'] = true, ['\''] = true, ['`'] = true, ['['] = true, ['{'] = true,
};
/* clang-format on */

/* ---- early reject ----
 *
 * Quickly rejects rows of groups of digits that cannot form a value, by the bits of the
 * classifier: dates, times, amounts, lists of short numbers. If a row cannot be rejected for
 * sure, the groups are read. */

enum { NUMBER_LEAST = 8 }; /* digits of the shortest number that is searched for */

/* A row of groups; bit i of `digit` describes p[i]. */
struct row {
	const char *p;
	uint64_t digit;
	bool plus; /* a plus sign precedes the row */
};

/* The first groups of a row, as far as their separators are alike. */
struct head {
	unsigned n, last; /* number of groups, and offset of the last one */
	/* digits in these groups */
	unsigned digits;
	/* plain: the separator is usual in numbers; column: the separator occurs in tables;
	 * all: the row has no other groups */
	bool plain, column, all;
};

/* The classification of the 64 bytes from i on, one bit each. */
struct groups_ahead {
	uint64_t digit, alnum, gap, sign;
};

static struct groups_ahead
groups_ahead(const struct heuristic *l, size_t i)
{
	const struct look *k = &l->c->look[(i - l->c->from) / BLOCK];
	unsigned shift = (i - l->c->from) % BLOCK;

	if (!shift)
		return (struct groups_ahead){ k->digit, k->alnum, k->gap, k->sign };
	return (struct groups_ahead){
		look_on(k[0].digit, k[1].digit, shift),
		look_on(k[0].alnum, k[1].alnum, shift),
		look_on(k[0].gap, k[1].gap, shift),
		look_on(k[0].sign, k[1].sign, shift),
	};
}

/* Returns true if there are more than twenty digits in a row. */
static bool
has_long_run(uint64_t digit)
{
	digit &= digit >> 1;
	digit &= digit >> 2;
	digit &= digit >> 4;
	digit &= digit >> 8;
	return digit & digit >> 5;
}

/* Returns the bits without the last run of digits, which ends at n. */
static uint64_t
all_but_last(uint64_t digit, unsigned n)
{
	uint64_t other = ~digit & bits_below(n);

	return other ? digit & bits_below(64 - (unsigned)__builtin_clzll(other)) : 0;
}

/* Fills in *h. Returns false if the row must be read. */
static bool
head_of(const struct row *r, uint64_t between, struct head *h)
{
	char sep = r->p[__builtin_ctzll(between)];
	uint64_t in = r->digit;
	bool line = sep == '\n';

	*h = (struct head){ .n = 1, .all = true };
	for (uint64_t x = between; x; x &= x - 1) {
		unsigned i = (unsigned)__builtin_ctzll(x);
		unsigned char c = (unsigned char)r->p[i];
		if (c == '\r' || c == '<' || c >= 0x80 || between >> i & 2)
			return false;
		if (c != (unsigned char)sep && c != '\n') {
			in &= bits_below(i);
			h->all = false;
			break;
		}
		line |= c == '\n';
		h->last = i + 1;
		h->n++;
	}
	h->digits = (unsigned)__builtin_popcountll(in);
	h->plain = !line && (sep == ' ' || sep == '-' || sep == '.');
	h->column = line || groups_columns[(unsigned char)sep];
	return true;
}

static bool
is_nothing(const struct row *r, const struct head *h)
{
	const uint64_t fours = 0x7BDEF, phone = 0xF77;
	/* 212-555-0143, also with a line break in it; cut_groups() cuts off the rest. */
	bool threes =
		(h->n == 3 && (r->digit & 15) == 7) ||
		((r->digit & bits_below(12)) == phone && (r->p[3] == '\n' || r->p[7] == '\n'));

	if ((h->n > 4 || !h->all) && (r->digit & bits_below(20)) == fours)
		return false; /* a card number with other text after it or inside */
	if (h->digits >= 13 && h->digits <= 19 && r->p[0] >= '3' && r->p[0] <= '6')
		return false;
	return h->digits < NUMBER_LEAST || h->plain || (h->column && !r->plus && !threes);
}

/* Returns true if at least three digits stand alone. Then it is a row of single characters,
 * which another guess handles. */
static bool
has_singles(uint64_t digit)
{
	uint64_t alone = digit & ~(digit << 1) & ~(digit >> 1);

	alone &= alone - 1;
	return alone & (alone - 1);
}

/* Rejects all numbers of a row in which no other guess begins. Returns false if the first number
 * must be read. */
static bool
reject_all(const struct row *row, size_t i, size_t *end)
{
	struct row r = *row;
	unsigned last = 63 - (unsigned)__builtin_clzll(r.digit);
	const char *stop = r.p + last + 1;

	while (__builtin_popcountll(r.digit) >= NUMBER_LEAST) {
		uint64_t between = ~r.digit & bits_below((unsigned)(stop - r.p - 1));
		struct head h;
		if (!between)
			break;
		if (!head_of(&r, between, &h) || !is_nothing(&r, &h))
			return *end > i;
		if (h.all)
			break;
		*end += h.last;
		r = (struct row){ r.p + h.last, r.digit >> h.last, r.p[h.last - 1] == '+' };
		if (r.p[-1] == '_')
			return true;
	}
	*end = i + last + 1;
	return true;
}

/* Returns true if a letter is next to a digit in the groups that begin there. */
static bool
groups_mixed(const struct groups_ahead *a)
{
	uint64_t row = a->alnum | a->gap, alpha = a->alnum & ~a->digit;
	uint64_t mixed = (a->digit & alpha >> 1) | (alpha & a->digit >> 1);

	return mixed & row & ~(row + 1);
}

/* Returns true if a number may continue after a line break in the n bytes from i on: the line is full,
 * or begins with the same mark as the next line. */
static bool
wraps_inside(const struct heuristic *l, size_t i, unsigned n)
{
	struct printed_break cut;
	const char *end = memchr(l->t.p + i, '\n', n < l->t.n - i ? n : l->t.n - i);

	if (!end || !heuristic_break(l, (size_t)(end - l->t.p), &cut) || !(cut.full || cut.framed) ||
		cut.left <= i)
		return false;
	size_t to = cut.to + is_one_of(byte_at(l, cut.to), "-.");
	return is_digit(byte_at(l, to)) &&
	       (is_digit(l->t.p[cut.left - 1]) || is_one_of(l->t.p[cut.left - 1], "-."));
}

/* Returns true if the groups of digits that begin at i cannot form any value. Sets *end to
 * where the search continues. */
static bool
groups_reject(const struct heuristic *l, size_t i, const struct groups_ahead *a, size_t *end)
{
	uint64_t other = ~(a->digit | a->gap);
	unsigned n = other ? (unsigned)__builtin_ctzll(other) : 64; /* 64 or more */

	*end = i;
	if (n <= NUMBER_LEAST && !(a->sign & bits_below(n)))
		return true; /* one of these bytes is no digit, and none is '<' */
	uint64_t digit = a->digit & bits_below(n);
	if (has_long_run(digit))
		return false;
	if (wraps_inside(l, i, n))
		return false;
	if (digit >> (n - 1) && i + n < l->t.n && is_alpha(l->t.p[i + n]))
		digit = all_but_last(digit, n);
	if (!digit)
		return true;
	unsigned last = 63 - (unsigned)__builtin_clzll(digit);
	for (unsigned k = last + 1; k < n; k++)
		if (l->t.p[i + k] == '<')
			return false; /* markup may follow */
	struct row r = { l->t.p + i, digit, i > 0 && l->t.p[i - 1] == '+' };
	if (other && !(a->sign & bits_below(n)) && !has_singles(digit) && !groups_mixed(a))
		return reject_all(&r, i, end);
	struct head h = { .n = 1 };
	uint64_t between = ~digit & bits_below(last);
	if (between && (!head_of(&r, between, &h) || !is_nothing(&r, &h)))
		return false;
	if (!other && (h.all || !between))
		return false;
	*end = i + (h.all || !between ? last + 1 : h.last);
	return true;
}

/* ---- reading groups ---- */

enum { GROUPS_MAX = 40, GAP_MAX = 8, GAP_TAGS = 128, DIGITS_MAX = 64 };

/* The groups that were read, offsets in the text. */
struct groups {
	size_t start[GROUPS_MAX], end[GROUPS_MAX];
	size_t n;
	/* digits of all groups; for an IBAN digits and letters */
	size_t digits;
	char sep[GROUPS_MAX]; /* one character that stands for the separator after group i */
	bool odd;	      /* a separator that numbers are not usually written with */
	bool column;	      /* a separator of tables and lists */
};

/* Spaces, punctuation, and any one character beyond ASCII. */
/* clang-format off */
static const bool gaps[256] = {
	['\t'] = true, ['\n'] = true, ['\r'] = true, [' ' ... '#'] = true,
	['&' ... '/'] = true, [':' ... ';'] = true, ['=' ... '?'] = true, ['[' ... '`'] = true,
	['{' ... '~'] = true, [0xC2 ... 0xF4] = true,
};
/* clang-format on */

static bool
is_gap(char c)
{
	return gaps[(unsigned char)c];
}

static const struct span sayings[] = { { "dash", 4 }, { "hyphen", 6 }, { "minus", 5 },
	{ "space", 5 }, { "dot", 3 }, { "slash", 5 }, { "then", 4 }, { "tiret", 5 },
	{ "guion", 5 }, { "strich", 6 } };

/* Compares the first two letters of the words above. */
bool
heuristic_may_name_separator(const struct heuristic *l, size_t i)
{
#define LETTER(c) (UINT32_C(1) << ((c)&31))
	static const uint32_t seconds[32] = { ['d' & 31] = LETTER('a') | LETTER('o'),
		['g' & 31] = LETTER('u'),
		['h' & 31] = LETTER('y'),
		['m' & 31] = LETTER('i'),
		['s' & 31] = LETTER('p') | LETTER('l') | LETTER('t'),
		['t' & 31] = LETTER('h') | LETTER('i') };

	return seconds[byte_at(l, i + 1) & 31] & LETTER(byte_at(l, i + 2));
#undef LETTER
}

/* Returns the end of a separator in words with a space on both sides, or of an x. Returns i if
 * there is none. */
static size_t
past_said_sign(const struct heuristic *l, size_t i)
{
	if ((byte_at(l, i) | 0x20) == 'x' && i > 1 && is_digit(l->t.p[i - 2]) &&
		is_digit(byte_at(l, i + 1)))
		return i + 1;
	if (byte_at(l, i) != ' ' || !heuristic_may_name_separator(l, i))
		return i;
	for (size_t k = 0; k < COUNT_OF(sayings); k++) {
		size_t end = i + 1 + sayings[k].n;
		if (byte_at(l, end) == ' ' && is_digit(byte_at(l, end + 1)) &&
			span_ieq(span_cut(l->t, i + 1, end), sayings[k]))
			return end + 1;
	}
	return i;
}

/* Returns the beginning of the next line's text after the line break that follows i, with the frame
 * around it; 0 if there is none. */
static size_t
printed_gap(const struct heuristic *l, size_t i)
{
	struct printed_break cut;
	size_t feed = heuristic_line_end(l, i);

	return feed && heuristic_break(l, feed, &cut) && cut.left == i && cut.framed ? cut.to : 0;
}

/* Returns the end of the separator at i and sets *sign to a character that stands for it.
 * Returns 0 if there is none. If the next line begins with a date or a time, the number does not
 * continue there. */
static size_t
gap_end(const struct heuristic *l, size_t i, char *sign, bool *line)
{
	size_t k = i, marks = 0;
	char only = byte_at(l, i);

	if (is_gap(only) && (unsigned char)only < 0x80 && is_digit(byte_at(l, i + 1))) {
		*line |= only == '\n';
		*sign = only == '\r' ? ' ' : only;
		return only == '\n' && heuristic_timestamp(l, i + 1) ? printed_gap(l, i) : i + 1;
	}
	if ((is_space(only) || only == '|' || only == '\\' || is_high(only)) &&
		(k = printed_gap(l, i)) > 0) {
		*line = true;
		*sign = '\n';
		return k;
	}
	k = i;
	*sign = 'x';
	if ((is_alpha(byte_at(l, i)) || is_alpha(byte_at(l, i + 1))) &&
		(k = past_said_sign(l, i)) > i)
		return k;
	*sign = 0;
	while (k - i < GAP_MAX || (byte_at(l, k) == '<' && k - i < GAP_TAGS)) {
		char c = byte_at(l, k);
		size_t inside = c == '<' ? heuristic_markup(l, k) : k;
		size_t cell = c == '<' && inside == k ? heuristic_cell(l, k) : k;
		if (inside > k || cell > k) {
			*sign = cell > k ? '|' : '<';
			k = cell > k ? cell : inside;
			marks++;
			continue;
		}
		if (!is_gap(c))
			break;
		while ((byte_at(l, k + 1) & 0xC0) == 0x80) /* continuation bytes of one character */
			k++;
		*line |= c == '\n';
		if ((unsigned char)c > ' ' &&
			!(c == '>' && *line)) { /* the mark of a quoted line is no separator */
			if (*sign && *sign != c)
				marks++;
			*sign = c;
		}
		k++;
	}
	if (k == i || marks > 2 || (*line && heuristic_timestamp(l, k)))
		return 0;
	if (!*sign)
		*sign = *line ? '\n' : k - i > 1 || byte_at(l, i) == '\t' ? '\t' : ' ';
	return k;
}

static size_t
past_digits(const struct heuristic *l, size_t i, bool letters)
{
	while (is_digit(byte_at(l, i)) || (letters && is_alpha(byte_at(l, i))))
		i++;
	return i;
}

static size_t
group_len(const struct groups *g, size_t k)
{
	return g->end[k] - g->start[k];
}

/* Returns true if the separator after group k is like the first one, or is a line break. */
static bool
separators_alike(const struct groups *g, size_t k)
{
	return g->sep[k] == g->sep[0] || g->sep[k] == '\n';
}

/* Reads groups until they have `most` characters. Groups of digits may end with a group of the
 * next number, or with a fifth group; cut_groups() removes it. */
static void
read_groups(const struct heuristic *l, size_t i, bool letters, size_t most, struct groups *g)
{
	g->n = g->digits = 0;
	for (size_t k = i; g->n < GROUPS_MAX && g->digits < most;) {
		size_t end = past_digits(l, k, letters);
		effort_add(16 + end - k);
		bool line = false;
		if (end == k || end - k > 20 ||
			(!letters && is_alpha(byte_at(l, end)) &&
				past_said_sign(l, end) == end))
			break;
		g->start[g->n] = k;
		g->end[g->n] = end;
		g->digits += end - k;
		if (!letters && g->n > 3 && !separators_alike(g, g->n - 1)) {
			g->n++;
			break;
		}
		k = gap_end(l, end, &g->sep[g->n], &line);
		g->n++;
		if (!k || !(is_digit(byte_at(l, k)) || (letters && is_alpha(byte_at(l, k)))))
			break;
	}
}

/* Returns true if the rules themselves accept this separator. */
static bool
is_plain_gap(char sep, struct span gap)
{
	if (memchr(gap.p, '\n', gap.n))
		return false;
	return sep == ' '   ? gap.n <= 2
	       : sep == '-' ? gap.n == 1 || gap.n == 3
			    : sep == '.' && gap.n == 1;
}

static bool
groups_of_four(const struct groups *g, size_t n)
{
	for (size_t k = 0; k < n; k++)
		if (group_len(g, k) != 4)
			return false;
	return true;
}

/* Cuts the groups to those with like separators. The rest belongs to another number, and so may
 * the last group. */
static void
cut_groups(const struct heuristic *l, struct groups *g)
{
	size_t n = g->n > 1 ? 2 : g->n;

	while (n < g->n && separators_alike(g, n - 1))
		n++;
	if (g->n > 3 && groups_of_four(g, 4) && (g->n == 4 || group_len(g, 4) < 4))
		n = 4; /* a card number, whatever separates it from its date or other groups of
			* four */
	if (g->n > 2 && group_len(g, 0) == 3 && group_len(g, 1) == 3 && group_len(g, 2) == 4 &&
		memchr(l->t.p + g->end[0], '\n', g->start[2] - g->end[0]))
		n = 3; /* a telephone number: (212) 555-0143 */
	g->n = n;
	g->digits = 0;
	g->odd = g->column = false;
	for (size_t k = 0; k < n; k++)
		g->digits += group_len(g, k);
	for (size_t k = 0; k + 1 < n; k++) {
		struct span gap = span_cut(l->t, g->end[k], g->start[k + 1]);
		g->odd |= !is_plain_gap(g->sep[k], gap);
		g->column |= g->sep[k] == '|';
		for (size_t i = 0; i < gap.n; i++)
			g->column |= groups_columns[(unsigned char)gap.p[i]] &&
				     !(gap.p[i] == '\n' && g->sep[k] == '<'); /* <br> */
	}
}

static bool
groups_luhn(const struct heuristic *l, const struct groups *g, size_t n)
{
	char d[DIGITS_MAX + 20];
	size_t digits = 0;

	for (size_t k = 0; k < n; digits += group_len(g, k++))
		memcpy(d + digits, l->t.p + g->start[k], group_len(g, k));
	return luhn_valid(d, digits);
}

static void
read_as(struct heuristic *l, const struct groups *g, size_t n, const char *with, unsigned flags)
{
	if (flags & EDIT_NAMED && !heuristic_may_be_named(l, g->start[0], g->end[n - 1]))
		return;
	for (size_t k = 0; k + 1 < n; k++)
		heuristic_edit(l, g->end[k], g->start[k + 1], with, flags);
}

/* Returns true if the groups have the lengths in which cards are printed and read aloud: equal
 * lengths except for the last, or 4-6-5. */
static bool
printed_groups(const struct groups *g)
{
	size_t first = group_len(g, 0);

	if (g->n == 3 && first == 4 && group_len(g, 1) == 6)
		return true;
	for (size_t k = 1; k + 1 < g->n; k++)
		if (group_len(g, k) != first)
			return false;
	return first <= 4 && group_len(g, g->n - 1) <= first;
}

/* Returns true if other groups of that length are near, as in columns of a table. */
static bool
in_table(const struct heuristic *l, const struct groups *g)
{
	enum { NEAR = 96 };
	size_t from = g->start[0] > NEAR ? g->start[0] - NEAR : 0, end = g->end[g->n - 1];
	size_t to = end + NEAR < l->t.n ? end + NEAR : l->t.n, like[2] = { 0, 0 };

	effort_add(to - from);
	for (size_t i = from; i < to; i++) {
		size_t stop = i;
		if (i == g->start[0])
			i = stop = end;
		while (stop < to && is_digit(l->t.p[stop]))
			stop++;
		like[i >= end] += stop - i == group_len(g, 0);
		i = stop;
	}
	return like[0] > 1 || like[1] > 1;
}

/* Returns true if the groups are shorter than those of cards and are part of a list: an array. */
static bool
in_list(const struct heuristic *l, const struct groups *g)
{
	size_t end = g->end[g->n - 1], from = g->start[0];

	if (!g->column || group_len(g, 0) == 4)
		return false;
	while (byte_at(l, end) && strchr(" \"'`", byte_at(l, end)))
		end++;
	while (from > 0 && strchr(" \"'`$#", l->t.p[from - 1]))
		from--;
	return (byte_at(l, end) && strchr(",;|]})", byte_at(l, end))) ||
	       (from > 0 && strchr(",;|[{(=", l->t.p[from - 1]));
}

/* Returns true if the only separator is a line break in running text, so the groups are no
 * column of a table. */
static bool
in_prose(const struct heuristic *l, const struct groups *g)
{
	size_t i = g->start[0];

	if (g->n != 2 || g->sep[0] != '\n' || i < 2)
		return false;
	return is_alpha(l->t.p[i - 1]) ||
	       (l->t.p[i - 1] == ' ' && (is_alpha(l->t.p[i - 2]) || l->t.p[i - 2] == ':'));
}

/* Returns true if a plus sign precedes i, also with tags between. */
static bool
plus_before(const struct heuristic *l, size_t i)
{
	enum { TAG = 64, TAGS = 3 };

	for (unsigned n = 0; n < TAGS && i > 0 && l->t.p[i - 1] == '>'; n++) {
		size_t k = i - 1;
		while (k > 0 && i - k < TAG && l->t.p[k] != '<')
			k--;
		if (l->t.p[k] != '<')
			return false;
		i = k;
	}
	return i > 0 && l->t.p[i - 1] == '+';
}

/* Returns true if marks are inside groups that are otherwise written as usual: 4716 0<b>37</b>9. The
 * marks are then removed one by one (heuristics.c). */
static bool
marked_groups(const struct heuristic *l, const struct groups *g)
{
	bool marks = false, plain = false;

	for (size_t k = 0; k + 1 < g->n; k++) {
		struct span gap = span_cut(l->t, g->end[k], g->start[k + 1]);
		bool usual = is_one_of(g->sep[k], " -."), tag = g->sep[k] == '<';
		marks |= is_one_of(g->sep[k], "<*~`") || (usual && memchr(gap.p, '<', gap.n));
		plain |= usual || (tag && (is_one_of(gap.p[0], " -.") ||
						  is_one_of(gap.p[gap.n - 1], " -.")));
	}
	return marks && plain;
}

/* Returns true if some of the groups are a complete value by themselves. */
static bool
groups_apart(const struct heuristic *l, const struct groups *g)
{
	for (size_t k = 0; k + 1 < g->n; k++)
		if (heuristic_apart(l, g->end[k], g->start[k + 1]))
			return true;
	return false;
}

static void
edit_groups(struct heuristic *l, const struct groups *g)
{
	if (g->n < 2 || groups_apart(l, g))
		return;
	bool plus = plus_before(l, g->start[0]);
	if (g->digits >= 13 && g->digits <= 19 && strchr("3456", l->t.p[g->start[0]]) &&
		groups_luhn(l, g, g->n)) {
		bool printed = printed_groups(g);
		if (!g->odd && printed && group_len(g, 0) == 4)
			return; /* the rules find such a value themselves */
		bool sure = (g->odd && !g->column) || in_prose(l, g) ||
			    (printed && !in_table(l, g) && !in_list(l, g));
		if (!sure && strchr("\"'`", g->sep[0]))
			return; /* strings that may be joined; see heuristics.c */
		read_as(l, g, g->n, "", sure ? 0 : EDIT_NAMED);
		return;
	}
	if (!g->odd)
		return;
	unsigned named = g->column ? EDIT_NAMED : 0;
	if (g->n == 3 && group_len(g, 0) == 3 && group_len(g, 1) == 2 && group_len(g, 2) == 4)
		read_as(l, g, g->n, "-", named);
	else if (plus && g->digits >= 8 && g->digits <= 15)
		read_as(l, g, g->n, " ", named);
	else if (g->n == 3 && group_len(g, 0) == 3 && group_len(g, 1) == 3 &&
		 group_len(g, 2) == 4)
		read_as(l, g, g->n, "-", EDIT_NAMED);
	else if (g->digits >= 9 && g->digits <= 19 && !g->column && g->sep[0] != '<' &&
		 (g->n > 2 || strchr("/_.*#~\\-", g->sep[0])))
		read_as(l, g, g->n, "", EDIT_NAMED);
}

/* Returns true if the line that ends at `end` is full, so that its program has wrapped it there. The
 * next line's text begins at `next`. */
static bool
wraps_after(const struct heuristic *l, size_t end, size_t next)
{
	struct printed_break cut;
	size_t feed = heuristic_line_end(l, end);

	return feed && feed < next && heuristic_break(l, feed, &cut) && (cut.full || cut.framed);
}

/* Returns true if the first n groups, without the line break after group `wrap`, form a value as it is
 * printed in one line: a card, a telephone number with its country, a social security number, an
 * IPv4 address. */
static bool
wrapped_value(const struct heuristic *l, const struct groups *g, size_t n, size_t wrap, char sep)
{
	size_t len[GROUPS_MAX], m = 0, digits = 0;
	bool plus = plus_before(l, g->start[0]);

	for (size_t k = 0; k < n; k++) {
		digits += group_len(g, k);
		if (k && k - 1 == wrap)
			len[m - 1] += group_len(g, k);
		else
			len[m++] = group_len(g, k);
	}
	if (plus)
		return sep != '.' && digits >= 8 && digits <= 15;
	if (sep == '.')
		return m == 4 && len[0] < 4 && len[1] < 4 && len[2] < 4 && len[3] < 4 && digits > 4;
	if (m == 3 && len[0] == 3 && len[1] == 2 && len[2] == 4)
		return sep == '-';
	for (size_t k = 0; k + 1 < m; k++)
		if (len[k] != 4)
			return false;
	return digits >= 13 && digits <= 19 && strchr("3456", l->t.p[g->start[0]]) &&
	       (m == 1 || len[m - 1] <= 4) && groups_luhn(l, g, n);
}

/* Joins a number that a program has wrapped at the end of a full line. */
static bool
edit_wrapped(struct heuristic *l, const struct groups *g)
{
	size_t wrap = 0, n = 1, from, to;
	char sep = 0;

	while (wrap + 1 < g->n && !memchr(l->t.p + g->end[wrap], '\n', g->start[wrap + 1] - g->end[wrap]) &&
		!memchr(l->t.p + g->end[wrap], '\r', g->start[wrap + 1] - g->end[wrap]))
		wrap++;
	if (wrap + 1 >= g->n || heuristic_apart(l, g->end[wrap], g->start[wrap + 1]))
		return false;
	/* The separator of two groups may be the last character of the line. */
	bool ends = strchr("-.", l->t.p[g->end[wrap]]) != NULL,
	     begins = strchr("-.", l->t.p[g->start[wrap + 1] - 1]) != NULL, cut = !ends && !begins;
	from = g->end[wrap] + ends;
	to = g->start[wrap + 1] - begins;
	if ((ends && begins) || !wraps_after(l, from, to + 1))
		return false;
	for (; n < g->n; n++) {
		if (n - 1 == wrap && cut)
			continue;
		sep = sep ? sep : g->sep[n - 1];
		if (g->sep[n - 1] != sep || !strchr(" -.", sep))
			break;
	}
	for (; n > wrap + 1; n--)
		if (ends && sep == '.' && n == wrap + 2)
			break; /* "version 10.2.1." ends a sentence, and a number begins the next line */
		else if (wrapped_value(l, g, n, cut ? wrap : GROUPS_MAX, sep)) {
			heuristic_edit(l, from, to, "", 0);
			return true;
		} else if (cut && sep == ' ' && wrapped_value(l, g, n, GROUPS_MAX, sep)) {
			heuristic_edit(l, from, to, " ", 0);
			return true;
		}
	return false;
}

/* Returns true if a line break precedes group k, with the marks that begin quoted lines and
 * comments. */
static bool
line_between(const struct heuristic *l, const struct groups *g, size_t k)
{
	return strchr(">#/*|", g->sep[k - 1]) &&
	       memchr(l->t.p + g->end[k - 1], '\n', g->start[k] - g->end[k - 1]);
}

/* Returns the length of the IBAN that begins at `i` with a country and two digits, or 0. */
static size_t
begins_iban(const struct heuristic *l, size_t i)
{
	if (!is_digit(byte_at(l, i + 2)) || !is_digit(byte_at(l, i + 3)))
		return 0;
	return iban_length(byte_at(l, i), byte_at(l, i + 1));
}

/* Examines groups of letters and digits that begin with a country code and two digits, until
 * they form a valid IBAN (ISO 7064, mod 97-10). If they do not, another IBAN may begin among
 * them. */
static bool
edit_iban(struct heuristic *l, size_t i)
{
	struct groups g;
	char folded[DIGITS_MAX];
	size_t n = 0, want = begins_iban(l, i);

	if (want == 0 || heuristic_whole(l, i))
		return false; /* a complete value; its letters are a valid IBAN by chance */
	read_groups(l, i, true, want, &g);
	if (g.n < 2)
		return false;
	l->group_end = g.end[g.n - 1];
	for (size_t k = g.n; k-- > 1;)
		if (begins_iban(l, g.start[k]))
			l->group_end = g.start[k];
	for (size_t k = 0; k < g.n && n + group_len(&g, k) <= want; k++) {
		if (k > 1 && !separators_alike(&g, k - 1) && !line_between(l, &g, k))
			break;
		memcpy(folded + n, l->t.p + g.start[k], group_len(&g, k));
		n += group_len(&g, k);
		struct span iban = span_of(folded, n);
		if (span_some(iban, is_upper) && span_some(iban, is_lower))
			break; /* mixed letter case: a token */
		if (k == 0 || n < want || !iban_valid(folded, n))
			continue;
		bool seen = true; /* the rule itself finds it */
		for (size_t j = 0; j < k; j++)
			seen &= g.start[j + 1] - g.end[j] == 1 && strchr(" -", g.sep[j]);
		if (!seen)
			read_as(l, &g, k + 1, "", 0);
		return true;
	}
	return false;
}

static void
groups_of(struct heuristic *l, size_t i)
{
	struct groups g;

	read_groups(l, i, false, DIGITS_MAX, &g);
	size_t all = g.n;
	if (marked_groups(l, &g)) {
		l->group_end = g.end[0];
		return;
	}
	if (g.n > 1 && edit_wrapped(l, &g)) {
		l->group_end = g.end[g.n - 1];
		return;
	}
	cut_groups(l, &g);
	l->group_end = !g.n ? i : g.n < all ? g.start[g.n - 1] : g.end[g.n - 1];
	edit_groups(l, &g);
}

void
heuristic_digits(struct heuristic *l, size_t i)
{
	if (i < l->group_end || (i > 0 && is_digit(l->t.p[i - 1])))
		return;
	if (i >= 2 && is_alpha(l->t.p[i - 1]) && is_alpha(l->t.p[i - 2]) &&
		(i == 2 || !is_alnum(l->t.p[i - 3])) && is_digit(byte_at(l, i + 1)) &&
		i - 2 >= l->at) {
		if (!edit_iban(l, i - 2))
			heuristic_leet_iban(l, i - 2);
		return;
	}
	if (i > 0 && is_alpha(l->t.p[i - 1])) {
		if (i == 1 || !is_alnum(l->t.p[i - 2]))
			heuristic_leet(l, i - 1);
		return;
	}
	if (i > 1 && l->t.p[i - 1] == '_' && is_alnum(l->t.p[i - 2]))
		return;
	struct groups_ahead ahead = groups_ahead(l, i);
	if (groups_mixed(&ahead))
		heuristic_leet(l, i);
	if (l->at > i || groups_reject(l, i, &ahead, &l->group_end))
		return;
	groups_of(l, i);
}

void
heuristic_named_separator(struct heuristic *l, size_t i)
{
	size_t from = i;

	if (past_said_sign(l, i) == i)
		return;
	while (from > l->at && i - from < 20 && is_digit(l->t.p[from - 1]))
		from--;
	if (from < i && (from == 0 || !is_alnum(l->t.p[from - 1])))
		groups_of(l, from);
}
