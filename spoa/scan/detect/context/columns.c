/* Finds tables in plain text: CSV (RFC 4180, also with ';'), tab-separated values, Markdown,
 * the output of databases, and columns aligned with spaces. A table is searched for from a
 * value upwards, and only for a value that may be a candidate. Text without candidates is not
 * read.
 *
 * SQL is read only as far as it determines the column of a value. These are the lists of names
 * in COPY (PostgreSQL's dumps) and in INSERT, and the ends of literals. A quote in a string is
 * doubled (ISO 9075-2, 5.3). Tables of JSON (names in one list, rows in another) are read in
 * one part of a text. */
#include "scan/detect/context/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/among.h"
#include "base/effort.h"
#include "base/mem.h"
#include "scan/detect/prefilter/starts.h"

/* ---- SQL ---- */

/* Returns the offset of the first byte from `at` on that is neither a space character nor a
 * line's end. */
static size_t
sql_past_blanks(struct span t, size_t at)
{
	return span_past(t, at, is_space);
}

/* Returns true for "COPY t (a, b) FROM stdin;" if *cut separates the fields of the rows below:
 * a tab, or a comma for "WITH (FORMAT csv)" (PostgreSQL, COPY). *line and *cut become those of
 * the list of names. */
static bool
sql_copy(struct span *line, char *cut)
{
	struct span all = span_cut(*line, sql_past_blanks(*line, 0), line->n);

	if (!span_istarts(all, SPAN_LIT("COPY ")))
		return false;
	size_t open = span_chr(all, '('), close = span_chr(all, ')');
	struct span end = span_cut(all, close, all.n);
	if (open >= close || !span_istarts(end, SPAN_LIT(") FROM stdin")) ||
		*cut != (span_iholds(end, SPAN_LIT("csv")) ? ',' : '\t'))
		return false;
	*line = span_cut(all, open + 1, close);
	*cut = ',';
	return true;
}

/* Returns true for the characters of a table's or column's name, with the quotes of all
 * dialects. */
static bool
is_sql_name(char c)
{
	return is_word(c) || is_high(c) || is_one_of(c, ".\"`[]$#-");
}

/* Returns true for the characters between the list of names and VALUES: OVERRIDING SYSTEM VALUE
 * (ISO 9075-2, 14.11), OUTPUT (SQL Server), and the joint of two strings of a program. */
static bool
is_before_values(char c)
{
	return is_word(c) || is_space(c) || is_one_of(c, ".\"'+\\");
}

/* Returns the offset after VALUES or VALUE, at which a tuple or the text's end is, in the text
 * after the names. Returns 0 if there is none. */
static size_t
behind_values(struct span t, size_t at)
{
	enum { MOST = 80 };
	const struct span word = SPAN_LIT("VALUE");
	size_t to = t.n - at > MOST ? at + MOST : t.n;

	for (size_t i = at; i < to && is_before_values(t.p[i]); i++) {
		if (is_word(t.p[i - 1]) || !span_ieq(span_cut(t, i, i + word.n), word))
			continue;
		size_t end = i + word.n;
		end += end < t.n && to_lower(t.p[end]) == 's';
		end = sql_past_blanks(t, end);
		if (end == t.n || t.p[end] == '(')
			return end;
	}
	return 0;
}

/* Returns the offset after the table's name, or 0 if there is none. Spaces come
 * before the name. */
static size_t
behind_table(struct span t, size_t at)
{
	enum { MOST = 160 };
	size_t from = sql_past_blanks(t, at);
	size_t to = span_past(span_cut(t, 0, from + MOST), from, is_sql_name);

	return from > at && to > from ? sql_past_blanks(t, to) : 0;
}

/* Returns the offset of the next INTO, in any case, that has a byte after it; t.n: none. Compares
 * four bytes at once: every text is searched. */
static size_t
next_into(struct span t, size_t i)
{
	static const char into[4] = { 'i', 'n', 't', 'o' };
	uint32_t want, at;

	memcpy(&want, into, sizeof(want));
	for (; i + sizeof(at) < t.n; i++) {
		memcpy(&at, t.p + i, sizeof(at));
		if ((at | 0x20202020) == want)
			return i;
	}
	return t.n;
}

/* Finds the next "INTO t (a, b) … VALUES (" at or after *at, which may be several lines long.
 * *names becomes the list of names, separated by commas, and *values the offset of the first
 * tuple. *at moves there. Returns false if there is none; *at then moves to the end of `t`. */
static bool
sql_insert(struct span t, size_t *at, struct span *names, size_t *values)
{
	const struct span into = SPAN_LIT("INTO");

	for (size_t i = *at; (i = next_into(t, i)) < t.n; i++) {
		size_t open;
		if ((i > 0 && is_word(t.p[i - 1])) || !(open = behind_table(t, i + into.n)) || open >= t.n ||
			t.p[open] != '(')
			continue;
		struct span list = span_cut(t, open + 1, open + 1 + COLUMN_NAMES);
		size_t close = span_chr(list, ')');
		*names = span_cut(list, 0, close);
		effort_add(close / 4);
		if (close == list.n || memchr(names->p, '\'', close) ||
			memchr(names->p, '(', close))
			continue;
		if (!(*values = behind_values(t, open + close + 2)))
			continue;
		*at = *values;
		return true;
	}
	*at = t.n;
	return false;
}

/* Returns true if the quote at `at` ends its string. A backslash before the quote escapes it,
 * as in MySQL, unless what follows the quote shows that the string has ended. */
static bool
is_closing_quote(struct span t, size_t at)
{
	size_t next = sql_past_blanks(t, at + 1);

	return at == 0 || t.p[at - 1] != '\\' || next >= t.n || is_one_of(t.p[next], ",);");
}

/* Returns the offset of the quote of N'…', E'…' or _utf8'…', or `at`. */
static size_t
sql_string_begin(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + 8), at, is_word);

	return i < t.n && t.p[i] == '\'' ? i : at;
}

/* Moves from `at` to the end of the next literal of the tuples in `t`, or to the end of the
 * tuples, or to t.n if they may continue. Returns the offset. *p: the place at `at`; becomes
 * the place of the result. */
static size_t
next_literal(struct span t, size_t at, struct tuple_place *p)
{
	for (; at < t.n; at++) {
		char c = t.p[at];
		if (p->in == TUPLE_STRING) {
			/* A doubled quote ends the string and begins it again. */
			if (c == '\'' && is_closing_quote(t, at))
				p->in = TUPLE_FIELD;
		} else if (p->in == TUPLE_FIELD) {
			if (c == '\'')
				p->in = TUPLE_STRING;
			else if (p->depth == 0 && (c == ',' || c == ')'))
				return at;
			p->depth += c == '(';
			p->depth -= c == ')';
			p->begun |= !is_space(c);
		} else if (p->in == TUPLE_NEXT && c == '(') {
			*p = (struct tuple_place){ .in = TUPLE_FIELD };
		} else if (p->in == TUPLE_END && c == ',') {
			p->in = TUPLE_NEXT;
		} else if (!is_space(c)) {
			p->in = TUPLE_NONE;
			return at;
		}
	}
	return at;
}

/* ---- frames ---- */

/* Signs that stand for separators of more than one byte. */
enum {
	GAP = ' ' /* at least two spaces */,
	BAR = '\xE2' /* a bar of a box */,
	TWO = '\1' /* "||" */
};

/* The separator of each frame of lines. In the text of a separator a backslash may escape it.
 * Quotes may be around a cell, and then a line break may be in it (RFC 4180). The first frame
 * that has a header counts. */
enum { FRAME_TAB, FRAME_PIPE, FRAME_BOX, FRAME_LATEX, FRAME_SEMICOLON, FRAME_COMMA, FRAME_GAP };
static const struct frame {
	char cut;
} frames[COLUMN_CUTS] = {
	[FRAME_TAB] = { .cut = '\t' },
	[FRAME_PIPE] = { .cut = '|' },
	[FRAME_BOX] = { .cut = BAR },
	[FRAME_LATEX] = { .cut = '&' },
	[FRAME_SEMICOLON] = { .cut = ';' },
	[FRAME_COMMA] = { .cut = ',' },
	[FRAME_GAP] = { .cut = GAP },
};
/* one set for the first byte of each separator */
static struct block_sets cut_sets;

/* Signs of a ruler of LaTeX. */
static const char *const latex_rulers[] = { "\\hline", "\\toprule", "\\midrule", "\\bottomrule",
	"\\cline", "\\cmidrule", "\\endhead", "\\endfirsthead", "\\rowcolor" };

__attribute__((constructor)) static void
fill_sets(void)
{
	for (unsigned k = 0; k < COLUMN_CUTS; k++)
		block_sets_add(&cut_sets, k, (unsigned char)frames[k].cut);
}

/* Stands for a line's offset: the header of the table that began before the text. */
enum { CARRIED = -2 };

/* Forgets the names of columns, which may be views of a text that is gone. */
static void
forget_header(struct columns *c)
{
	c->split = 0;
	c->names = 0;
}

void
columns_begin(struct columns *c, struct span text, bool inside, struct column_table *table)
{
	c->text = text;
	c->table = table;
	c->lead = table && table->line_n <= COLUMN_LINE ? table->line_n : 0;
	c->joined_n = 0;
	c->inside = table ? table->line_n > c->lead : inside;
	c->known = false;
	c->mark = 0;
	c->rows.known = false;
	c->rows.n = 0;
	c->parts_of = 0;
	forget_header(c);
	c->heads = c->judged = 0;
	c->nitems = c->items_end = 0;
	c->npairs = c->record_from = c->record_to = 0;
	c->lists = c->markup = c->lost = false;
	for (size_t i = 0; i < COLUMN_CUTS; i++)
		c->run[i] = (struct column_run){ 0 };
}

void
columns_free(struct columns *c)
{
	free(c->head);
	free(c->rows.v);
	free(c->items);
	free(c->pairs);
}

/* ---- a line and its fields ---- */

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct span
without_blanks(struct span s)
{
	while (s.n && is_blank(s.p[0]))
		s = span_cut(s, 1, s.n);
	s.n = span_back(s, s.n, 0, is_blank);
	return s;
}

/* Returns the offset after the quoted field that begins at i, or i if the closing quote is
 * missing. */
static size_t
past_quotes(struct span line, size_t i)
{
	for (size_t k = i + 1; k < line.n; k += 2) {
		const char *q = memchr(line.p + k, '"', line.n - k);
		if (!q)
			return i;
		k = (size_t)(q - line.p);
		if (k + 1 >= line.n || line.p[k + 1] != '"')
			return k + 1;
	}
	return i;
}

static size_t
gap_after(struct span line, size_t i)
{
	for (; i < line.n; i++) {
		const char *b = memchr(line.p + i, ' ', line.n - i);
		if (!b)
			return line.n;
		i = (size_t)(b - line.p);
		if (i + 1 < line.n && line.p[i + 1] == ' ')
			return i;
	}
	return line.n;
}

/* Returns true if a bar of a box begins at i: U+2502 and U+2503 (light and heavy), U+2551
 * (double), U+2506, U+2507, U+250A and U+250B (broken). */
static bool
is_bar(struct span line, size_t i)
{
	static const unsigned char bars[][2] = { { 0x94, 0x82 }, { 0x94, 0x83 }, { 0x95, 0x91 },
		{ 0x94, 0x86 }, { 0x94, 0x87 }, { 0x94, 0x8A }, { 0x94, 0x8B } };

	for (size_t k = 0; k < COUNT_OF(bars) && i + 2 < line.n; k++)
		if (line.p[i] == BAR && !memcmp(line.p + i + 1, bars[k], 2))
			return true;
	return false;
}

/* Returns true if the first byte of a separator at i begins one. `first`: at the beginning of a
 * field. */
static bool
is_separator(struct span line, size_t i, char cut, bool first)
{
	switch (cut) {
	case '|':
	case '&': return first || line.p[i - 1] != '\\';
	case BAR: return is_bar(line, i);
	case TWO: return i + 1 < line.n && line.p[i + 1] == '|';
	default: return true;
	}
}

/* Returns the offset at which the field that begins at i ends: at a separator or the line's
 * end. */
static size_t
field_end(struct span line, size_t i, char cut)
{
	size_t from = i;

	if (cut == GAP)
		return gap_after(line, i);
	while (i < line.n && line.p[i] == ' ')
		i++;
	if (i < line.n && line.p[i] == '"' && cut != '|')
		i = past_quotes(line, i);
	for (; i < line.n; i++) {
		const char *p = memchr(line.p + i, cut == TWO ? '|' : cut, line.n - i);
		if (!p)
			return line.n;
		i = (size_t)(p - line.p);
		if (is_separator(line, i, cut, i == from))
			return i;
	}
	return line.n;
}

/* Returns the beginning of the field after the field that ends at i, or line.n + 1 if there is
 * none. */
static size_t
next_field(struct span line, size_t i, char cut)
{
	if (i >= line.n)
		return line.n + 1;
	i += cut == BAR ? 3 : cut == TWO ? 2 : 1;
	while (cut == GAP && i < line.n && line.p[i] == ' ')
		i++;
	return i;
}

/* Returns the beginning of the first field. Spaces at the beginning of a line are not a field.
 */
static size_t
first_field(struct span line, char cut)
{
	size_t i = 0;

	while (i < line.n && (line.p[i] == ' ' || (cut != '\t' && line.p[i] == '\t')))
		i++;
	return i;
}

/* Returns the offset of the end of a row of LaTeX, or 0. */
static size_t
latex_end(struct span line)
{
	const char *end = memmem(line.p, line.n, "\\\\", 2);

	return end ? (size_t)(end - line.p) : 0;
}

/* Adapts the line and its separator if the line is written as a header only: COPY of
 * PostgreSQL,
 * "^ a ^ b ^" of DokuWiki, "||a||b||" of Jira. The part from the end of a row of LaTeX on does
 * not count. Returns true for COPY. */
static bool
column_opening(struct span *line, char *cut)
{
	if (*cut == '|') {
		size_t i = first_field(*line, '|');
		if (i < line->n && line->p[i] == '^')
			*cut = '^';
		else if (i + 4 < line->n && !memcmp(line->p + i, "||", 2) &&
			 !memcmp(line->p + line->n - 2, "||", 2))
			*cut = TWO;
	} else if (*cut == '&') {
		size_t end = latex_end(*line);
		*line = span_cut(*line, 0, end ? end : line->n);
	}
	return sql_copy(line, cut);
}

/* Returns the number of fields, or COLUMN_FIELDS + 1 if there are too many. */
static unsigned
count_fields(struct span line, char cut)
{
	unsigned n = 0;

	column_opening(&line, &cut);
	effort_add(line.n / 8);
	for (size_t i = first_field(line, cut); i <= line.n && n <= COLUMN_FIELDS; n++)
		i = next_field(line, field_end(line, i, cut), cut);
	return n;
}

static struct column_parts
parts_of(struct span line)
{
	struct column_parts out = { .plain = true };
	uint64_t at[BLOCK_SETS], before = 0;
	unsigned tabs = 0, any = 0;
	size_t i = 0;

	effort_add(line.n / 8);

	for (; i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'); i++)
		tabs += line.p[i] == '\t';
	for (; i < line.n; i += BLOCK) {
		block_classify(&cut_sets, line.p + i, line.n - i, at);
		/* the second space of each gap */
		uint64_t blank = at[COLUMN_CUTS - 1];
		at[COLUMN_CUTS - 1] =
			blank & (blank << 1 | before >> 63) & ~(blank << 2 | before >> 62);
		before = blank;
		for (unsigned k = 0; k < COLUMN_CUTS; k++)
			if (at[k])
				any |= out.n[k] += (unsigned)__builtin_popcountll(at[k]);
	}
	if (out.n[FRAME_TAB])
		out.n[FRAME_TAB] += tabs;
	if (any)
		out.plain = !memchr(line.p, '"', line.n) && !memchr(line.p, '\\', line.n);
	/* The first byte of a bar is that of other characters too. */
	if (out.n[FRAME_BOX]) {
		unsigned bars = 0;
		for (size_t k = 0; k < line.n; k++)
			bars += is_bar(line, k);
		out.n[FRAME_BOX] = bars;
	}
	/* A row of LaTeX has its end in its line. */
	if (out.n[FRAME_LATEX] && !latex_end(line))
		out.n[FRAME_LATEX] = 0;
	size_t first = first_field(line, '|');
	if (first < line.n && (line.p[first] == '^' ||
				      span_starts(span_cut(line, first, line.n), SPAN_LIT("||")))) {
		out.n[FRAME_PIPE] += line.p[first] == '^';
		out.plain = false;
	}
	return out;
}

/* \hline of LaTeX */
static bool
is_latex_ruler(struct span line)
{
	if (!line.n || line.p[0] != '\\')
		return false;
	for (size_t k = 0; k < COUNT_OF(latex_rulers); k++)
		if (span_starts(line, span_str(latex_rulers[k])))
			return !memchr(line.p, '&', line.n);
	return false;
}

/* |---|:--:|, ----+----, =====, a line of a box (U+2500 to U+257F), \hline */
static bool
is_ruler(struct span line)
{
	size_t drawn = 0;

	if (line.n && line.p[0] == '\\')
		return is_latex_ruler(line);
	for (size_t i = 0; i < line.n; i++) {
		char x = line.p[i];
		if (x == '-' || x == '=')
			drawn++;
		else if (x == BAR && i + 2 < line.n && is_one_of(line.p[i + 1], "\x94\x95"))
			drawn += !is_bar(line, i), i += 2;
		else if (!is_blank(x) && x != '|' && x != '+' && x != ':')
			return false;
	}
	return drawn >= 2;
}

/* ---- headers ---- */

/* The meaning of a byte in a header's field: a mark before or after the name, or a sign that
 * the field is no name. */
enum { MARK_BEFORE = 1, MARK_AFTER = 2, NO_NAME = 4 };
/* clang-format off */
static const uint8_t marks[256] = {
	['"'] = MARK_BEFORE | MARK_AFTER, ['\''] = MARK_BEFORE | MARK_AFTER,
	['`'] = MARK_BEFORE | MARK_AFTER, ['*'] = MARK_BEFORE | MARK_AFTER,
	['_'] = MARK_BEFORE | MARK_AFTER, ['#'] = MARK_BEFORE, ['['] = MARK_BEFORE,
	[':'] = MARK_AFTER, [']'] = MARK_AFTER, ['='] = NO_NAME, ['<'] = NO_NAME,
	['>'] = NO_NAME, ['{'] = NO_NAME, ['}'] = NO_NAME, [';'] = NO_NAME, ['@'] = NO_NAME,
	['\\'] = NO_NAME, ['!'] = NO_NAME, ['?'] = NO_NAME, ['$'] = NO_NAME, ['%'] = NO_NAME,
	['^'] = NO_NAME, ['~'] = NO_NAME, ['\0'] = NO_NAME | MARK_BEFORE | MARK_AFTER,
};
/* clang-format on */

static uint8_t
mark_of(char c)
{
	return marks[(unsigned char)c];
}

/* Returns a field's text without the quotes, stars and hashes around it. */
static struct span
without_quotes(struct span s)
{
	s = without_blanks(s);
	while (s.n && mark_of(s.p[0]) & MARK_BEFORE)
		s = span_cut(s, 1, s.n);
	while (s.n && mark_of(s.p[s.n - 1]) & MARK_AFTER)
		s.n--;
	return without_blanks(s);
}

/* Returns the name in a header's field: without quotes and without the marks of LaTeX
 * (\textbf{a}) and of Textile (_. a). */
static struct span
column_name_in(struct span s)
{
	s = without_quotes(s);
	if (s.n > 2 && s.p[0] == '.' && s.p[1] == ' ')
		return without_quotes(span_cut(s, 2, s.n));
	if (s.n && s.p[0] == '\\') {
		const char *open = memrchr(s.p, '{', s.n);
		size_t from = open ? (size_t)(open - s.p) + 1 : 0;
		s = span_cut(s, from, s.n);
		s = without_quotes(span_cut(s, 0, span_chr(s, '}')));
	}
	return s;
}

enum { NAME_BLANKS = 4 };

/* Returns true if the field reads like a column's name: short, few words, at most two digits,
 * no sentence. */
static bool
is_column_name(struct span s)
{
	size_t digits = 0, blanks = 0;

	if (s.n == 0 || s.n > COLUMN_NAME || !is_letter(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n && digits <= 2 && blanks <= NAME_BLANKS; i++) {
		char x = s.p[i];
		digits += is_digit(x) ? 1 : 0;
		blanks += x == ' ' ? 1 : 0;
		if (mark_of(x) & NO_NAME ||
			(x == '.' && i + 1 < s.n && s.p[i + 1] == ' ' && i > 3))
			return false;
	}
	return digits <= 2 && blanks <= NAME_BLANKS;
}

/* Returns true if the line's fields are names. The first and the last field may be empty. */
static bool
are_names(struct span line, char cut)
{
	unsigned names = 0;

	/* "Research & Development" is no header. */
	if (cut == '&' && !latex_end(line))
		return false;
	column_opening(&line, &cut);
	effort_add(line.n / 4);
	for (size_t i = first_field(line, cut); i <= line.n;) {
		size_t end = field_end(line, i, cut);
		struct span s = column_name_in(span_cut(line, i, end));
		if (is_column_name(s))
			names++;
		else if (s.n || (i > 0 && end < line.n))
			return false;
		i = next_field(line, end, cut);
	}
	return names >= 2;
}

/* ---- runs of lines ---- */

/* Returns the byte that ends the lines of a text: a line feed, or a carriage return if the text
 * has no line feed. `was`: the result for an earlier part. Returns 0 as long as no line has
 * ended. */
static char
line_mark(struct span t, char was)
{
	const char *cr;

	if (was == '\n' || memchr(t.p, '\n', t.n))
		return '\n';
	cr = t.n ? memchr(t.p, '\r', t.n - 1) : NULL;
	effort_add(t.n / 16);
	return cr ? '\r' : was;
}

/* Returns the offset of the first byte of the line around `at`, or an offset within it if the
 * line is too long. `mark`: the byte that ends a line. */
static size_t
line_start(struct span t, size_t at, char mark)
{
	size_t from = at > COLUMN_LINE ? at - COLUMN_LINE : 0;
	const char *p = at > from ? memrchr(t.p + from, mark, at - from) : NULL;

	effort_add((p ? at - (size_t)(p - t.p) : at - from) / 4);
	return p ? (size_t)(p - t.p) + 1 : from;
}

static bool
is_line_start(struct span t, size_t i, char mark)
{
	return i == 0 || t.p[i - 1] == mark;
}

/* Returns the offset of the line's end or the text's end, or SIZE_MAX if the line is too long.
 */
static size_t
line_end(struct span t, size_t at, char mark)
{
	size_t n = t.n - at > COLUMN_LINE ? COLUMN_LINE : t.n - at;
	const char *p = n ? memchr(t.p + at, mark, n) : NULL;

	effort_add((p ? (size_t)(p - t.p) - at : n) / 8);
	return p ? (size_t)(p - t.p) : n < t.n - at ? SIZE_MAX : t.n;
}

static struct span
line_of(struct span t, size_t from, size_t to)
{
	struct span line = span_cut(t, from, to);

	while (line.n && is_blank(line.p[line.n - 1]) && line.p[line.n - 1] != '\t')
		line.n--;
	return line;
}

/* Returns the line [from, to) of the text. The first line is returned from its beginning, which
 * may be before the text. Returns an empty span if the line is longer than a row may be. */
static struct span
column_line_at(struct columns *c, size_t from, size_t to)
{
	if (from > 0 || !c->lead)
		return line_of(c->text, from, to);
	if (c->joined_n != c->lead + to || !c->joined_n) {
		if (to > COLUMN_LINE - c->lead)
			return span_of("", 0);
		memcpy(c->joined, c->table->line, c->lead);
		if (to)
			memcpy(c->joined + c->lead, c->text.p, to);
		c->joined_n = c->lead + to;
	}
	return line_of(span_of(c->joined, c->joined_n), 0, c->joined_n);
}

/* Returns the number of bytes of the line at `from` that are before the text. */
static size_t
column_lead(const struct columns *c, size_t from)
{
	return from == 0 ? c->lead : 0;
}

/* ---- rows of several lines ---- */

enum quoted_cell { CELL_NONE, CELL_CLOSED, CELL_OPEN };

/* Finds the end of the quoted cell whose opening quote is at q, which is at the beginning of
 * the text or after a separator. *end becomes the offset after the closing quote, or t.n if it
 * is missing, or the end of what was examined. A quote in a cell is doubled (RFC 4180). */
static enum quoted_cell
quoted_cell(struct span t, size_t q, size_t *end)
{
	static const char ends[] = "\t;,\n\r";

	*end = q + 1;
	if (q > 0 && !is_one_of(t.p[q - 1], ends))
		return CELL_NONE;
	for (size_t i = q + 1; i < t.n; i++) {
		const char *quote = memchr(t.p + i, '"', t.n - i);
		if (!quote)
			break;
		*end = i = (size_t)(quote - t.p) + 1;
		if (i >= t.n || is_one_of(t.p[i], ends))
			return CELL_CLOSED;
		if (t.p[i] != '"')
			return CELL_NONE;
	}
	*end = t.n;
	return CELL_OPEN;
}

/* Returns the next offset at or after *at, and below `to`, at which a quoted cell begins, with
 * its end in *end, or t.n. *at moves past the cell. */
static size_t
next_quoted(struct span t, size_t *at, size_t to, size_t *end, enum quoted_cell *is)
{
	for (size_t q; *at < to; *at = q + 1) {
		const char *quote = memchr(t.p + *at, '"', to - *at);
		if (!quote)
			break;
		q = (size_t)(quote - t.p);
		struct span near = span_cut(t, 0, q + COLUMN_LINE);
		*is = quoted_cell(near, q, end);
		effort_add(2 + (*end - q) / 32);
		if (*is == CELL_OPEN && near.n < t.n)
			*is = CELL_NONE;
		if (*is != CELL_NONE) {
			*at = *end;
			return q;
		}
	}
	*at = to;
	return t.n;
}

static char
mark_of_lines(struct columns *c)
{
	if (!c->mark) {
		c->mark = line_mark(c->text, c->table ? c->table->mark : 0);
		c->mark = c->mark ? c->mark : '\n';
	}
	return c->mark;
}

/* Records that the line around `at` and the next ones, up to that around `to`, are one row. */
static void
push_row(struct columns *c, size_t at, size_t to)
{
	struct column_rows *r = &c->rows;
	size_t from = line_start(c->text, at, c->mark), end = line_end(c->text, to, c->mark);

	if (r->n && from <= r->v[r->n - 1].to)
		from = r->v[--r->n].from;
	if (!is_line_start(c->text, from, c->mark) || end == SIZE_MAX ||
		end - from + column_lead(c, from) > COLUMN_LINE)
		return;
	if (!mem_room(&r->v, &r->room, r->n + 1, sizeof(*r->v))) {
		c->lost = true;
		return;
	}
	r->v[r->n].from = from;
	r->v[r->n++].to = end;
}

/* Finds the rows that have line ends in quoted cells. */
static void
find_rows(struct columns *c)
{
	struct span t = c->text;
	char mark = mark_of_lines(c);
	size_t at = 0, end, q;
	enum quoted_cell is;

	c->rows.known = true;
	effort_add(t.n / 32);
	if (!c->lead && !memchr(t.p, mark, t.n))
		return; /* one line */
	if (c->lead) {
		/* a cell that began before the text */
		size_t n = t.n < COLUMN_LINE - c->lead ? t.n : COLUMN_LINE - c->lead, i = 0;
		memcpy(c->joined, c->table->line, c->lead);
		memcpy(c->joined + c->lead, t.p, n);
		c->joined_n = 0;
		struct span line = span_of(c->joined, c->lead + n);
		while ((q = next_quoted(line, &i, c->lead, &end, &is)) < line.n)
			if (end >= c->lead &&
				(is == CELL_CLOSED || (n == t.n && c->table->more))) {
				at = end - c->lead;
				if (memchr(line.p + q, mark, end - q))
					push_row(c, 0, at);
			}
	}
	while ((q = next_quoted(t, &at, t.n, &end, &is)) < t.n) {
		if (is == CELL_OPEN && !(c->table && c->table->more))
			at = q + 1;
		else if ((q > 0 || !(c->inside || c->lead)) && memchr(t.p + q, mark, end - q))
			push_row(c, q, end);
	}
}

/* Returns the row of several lines that begins at or before `at` and ends at or after it, or
 * NULL. */
static const struct column_row *
row_of_lines(struct columns *c, size_t at)
{
	struct column_rows *r = &c->rows;

	if (!r->known)
		find_rows(c);
	if (!r->n)
		return NULL;
	size_t low = 0, high = r->n;
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (r->v[middle].to < at)
			low = middle + 1;
		else
			high = middle;
	}
	return low < r->n && r->v[low].from <= at ? &r->v[low] : NULL;
}

/* Returns the offset of the end of the row that begins at `from`, or SIZE_MAX if it is too
 * long. */
static size_t
row_end(struct columns *c, size_t from)
{
	const struct column_row *r = row_of_lines(c, from);

	return r ? r->to : line_end(c->text, from, c->mark);
}

/* Returns the offset of the first byte of the row around `at`, or an offset within it if it is
 * too long. */
static size_t
row_start(struct columns *c, size_t at)
{
	const struct column_row *r = row_of_lines(c, at);

	return r ? r->from : line_start(c->text, at, c->mark);
}

/* Returns true if a separator of the kind divides the line into fields. */
static bool
has_cut(struct span line, char cut)
{
	if (column_opening(&line, &cut))
		return true;
	return field_end(line, first_field(line, cut), cut) < line.n;
}

static bool
is_row(struct span line, char cut)
{
	return has_cut(line, cut) || is_ruler(line);
}

/* Returns the separators of the line at `from`. The result is valid until the next call for
 * another line. */
static const struct column_parts *
parts_at(struct columns *c, size_t from, struct span line)
{
	if (c->parts_of != from + 1)
		c->parts = parts_of(line);
	c->parts_of = from + 1;
	return &c->parts;
}

/* Returns the number of fields of the line at `from`. */
static unsigned
fields_of(struct columns *c, size_t from, struct span line, unsigned cut)
{
	const struct column_parts *p = parts_at(c, from, line);

	return p->plain && p->n[cut] ? p->n[cut] + 1 : count_fields(line, frames[cut].cut);
}

/* Returns true if a line names columns again, as the header of a second table below the first
 * does. Such a line reads like names, and its first name is among the names of the header
 * above. */
static bool
names_columns_again(struct span line, struct span above, char cut)
{
	struct span opening = line;
	char by = cut;

	column_opening(&opening, &by);
	size_t from = first_field(opening, by);
	struct span first =
		column_name_in(span_cut(opening, from, field_end(opening, from, by)));
	bool again = false;

	by = cut;
	column_opening(&above, &by);
	for (size_t i = first_field(above, by); first.n && i <= above.n && !again;) {
		size_t end = field_end(above, i, by);
		again = span_ieq(first, column_name_in(span_cut(above, i, end)));
		i = next_field(above, end, by);
	}
	return again && are_names(line, cut);
}

/* Returns the line of a header. `header`: the result of header_of(). */
static struct span
header_line(struct columns *c, size_t header)
{
	return header == (size_t)CARRIED ? span_of(c->table->head, c->table->head_n)
					 : column_line_at(c, header, row_end(c, header));
}

/* Records the first line of each number of fields in [from, to), and whether the line is a
 * header. */
static void
note_widths(struct columns *c, struct column_run *run, unsigned cut, size_t from, size_t to)
{
	while (from < to && run->widths < COLUMN_WIDTHS) {
		size_t end = row_end(c, from), k = run->widths;
		if (end == SIZE_MAX)
			return;
		struct span line = column_line_at(c, from, end);
		unsigned n = fields_of(c, from, line, cut);
		while (k > 0 && run->width[k - 1].fields != n)
			k--;
		k = k ? k - 1 : run->widths;
		if (k < run->widths && run->width[k].names &&
			names_columns_again(
				line, header_line(c, run->width[k].line), frames[cut].cut))
			k = run->widths;
		/* A sentence with a separator may come before the header. */
		if ((k == run->widths || !run->width[k].names) && n <= COLUMN_FIELDS &&
			!is_ruler(line)) {
			run->width[k].line = from;
			run->width[k].fields = n;
			run->width[k].names =
				!(c->inside && from == 0) && are_names(line, frames[cut].cut);
			run->widths += k == run->widths;
		}
		from = end + 1;
	}
}

/* Returns true if a table with this separator continues in the text's first line. */
static bool
is_carried(const struct columns *c, unsigned cut)
{
	return c->table && c->table->head_n && c->table->cut == cut && !c->inside;
}

/* Extends the run of the separator to the line [line, end), and upwards to its first line. */
static struct column_run *
run_to(struct columns *c, unsigned cut, size_t line, size_t end)
{
	struct column_run *run = &c->run[cut];
	size_t from = line;

	if (line >= run->from && line < run->to)
		return run;
	while (from > 0 && from != run->to) {
		size_t above = row_start(c, from - 1);
		if (!is_line_start(c->text, above, c->mark) ||
			!is_row(column_line_at(c, above, from - 1), frames[cut].cut))
			break;
		from = above;
	}
	if (from == 0 || from != run->to)
		*run = (struct column_run){ .from = from };
	if (from == 0 && is_carried(c, cut)) {
		run->width[0].line = (size_t)CARRIED;
		run->width[0].fields = c->table->fields;
		run->width[0].names = true;
		run->widths = 1;
	}
	note_widths(c, run, cut, from, end + 1);
	run->to = end + 1;
	return run;
}

/* Returns the offset of the header for the line at `line`, which has n fields, or SIZE_MAX. The
 * header is the last line with as many fields that is not below `line`. `goes_on`: more fields
 * may follow. */
static size_t
header_of(const struct column_run *run, size_t line, unsigned n, bool goes_on)
{
	for (size_t k = run->widths; k-- > 0;) {
		size_t at = run->width[k].line;
		bool fits = goes_on ? run->width[k].fields >= n && run->width[k].names
				    : run->width[k].fields == n;
		if (fits && (at <= line || at == (size_t)CARRIED))
			return run->width[k].names ? at : SIZE_MAX;
	}
	return SIZE_MAX;
}

/* Returns true if the line that ends at `end` may continue in the next part of the text. */
static bool
column_line_goes_on(const struct columns *c, size_t end)
{
	return c->table && c->table->more && end == c->text.n;
}

/* ---- the column of a place ---- */

/* Returns 1 if the first field of a row of n fields has no name, as the index that pandas
 * prints, else 0. The names of such a header begin after the end of that field. */
static unsigned
index_fields(struct span header, unsigned names, struct span line, unsigned n, bool goes_on,
	char cut)
{
	if (cut != GAP || !n || (goes_on ? n > names + 1 : n != names + 1))
		return 0;
	return field_end(line, first_field(line, cut), cut) < first_field(header, cut);
}

/* Determines whether the line around `at` is a row, and its header. */
static void
look_at_line(struct columns *c, size_t at)
{
	c->known = true;
	c->row = false;
	c->line = row_start(c, at);
	c->line_end = row_end(c, c->line);
	if (c->line_end == SIZE_MAX) {
		c->line_end = at + COLUMN_LINE;
		return;
	}
	c->line_end++;
	if ((c->line == 0 && !(c->table && c->table->head_n)) ||
		!is_line_start(c->text, c->line, c->mark) ||
		c->line_end - c->line > COLUMN_LINE)
		return;
	struct span line = column_line_at(c, c->line, c->line_end - 1);
	bool goes_on = column_line_goes_on(c, c->line_end - 1);
	struct column_parts p = *parts_at(c, c->line, line);
	for (unsigned k = 0; k < COLUMN_CUTS && !c->row; k++) {
		unsigned n = p.n[k] ? fields_of(c, c->line, line, k) : COLUMN_FIELDS + 1;
		/* the first field of an incomplete row */
		if (goes_on && !p.n[k] && is_carried(c, k))
			n = 1;
		if (n > COLUMN_FIELDS)
			continue;
		c->header =
			header_of(run_to(c, k, c->line, c->line_end - 1), c->line, n, goes_on);
		c->index = 0;
		if (k == FRAME_GAP && n > 1 && (c->header == SIZE_MAX || goes_on)) {
			size_t header = header_of(&c->run[k], c->line, n - 1, goes_on);
			if (header < c->line || header == (size_t)CARRIED) {
				struct span head = header_line(c, header);
				c->index = index_fields(
					head, count_fields(head, GAP), line, n, goes_on, GAP);
			}
			c->header = c->index ? header : c->header;
		}
		c->row = c->header < c->line || c->header == (size_t)CARRIED;
		c->cut = k;
		c->fields = n;
	}
	c->field = 0;
	c->field_at = first_field(line, frames[c->cut % COLUMN_CUTS].cut);
}

static void
split_names(struct columns *c, struct span line, char cut)
{
	c->names = 0;
	for (size_t i = first_field(line, cut); i <= line.n && c->names < COLUMN_FIELDS;) {
		size_t end = field_end(line, i, cut);
		c->name[c->names++] = column_name_in(span_cut(line, i, end));
		i = next_field(line, end, cut);
	}
}

static void
split_header(struct columns *c, size_t at, unsigned cut)
{
	if (c->split == at + 1 && c->split_cut == cut)
		return;
	struct span line = header_line(c, at);
	char by = frames[cut].cut;
	column_opening(&line, &by);
	split_names(c, line, by);
	c->split = at + 1;
	c->split_cut = cut;
}

bool
columns_row(struct columns *c, size_t at)
{
	if (!c->known || at < c->line || at >= c->line_end)
		look_at_line(c, at);
	if (c->row)
		split_header(c, c->header, c->cut);
	return c->row;
}

bool
columns_below(struct columns *c, size_t at, size_t head)
{
	return columns_row(c, at) && head >= c->header && head < c->line &&
	       !memchr(c->text.p + c->header, c->mark, head - c->header);
}

bool
columns_at(struct columns *c, size_t at, struct column *out)
{
	if (!columns_row(c, at))
		return false;
	struct span line = column_line_at(c, c->line, c->line_end - 1);
	size_t in_line = at - c->line + column_lead(c, c->line);
	if (in_line < c->field_at) {
		c->field = 0;
		c->field_at = first_field(line, frames[c->cut].cut);
	}
	while (c->field + 1 < c->names + c->index) {
		size_t end = field_end(line, c->field_at, frames[c->cut].cut);
		effort_add(8);
		if (in_line < end || end >= line.n)
			break;
		c->field_at = next_field(line, end, frames[c->cut].cut);
		c->field++;
	}
	if (c->field < c->index)
		return false;
	*out = (struct column){ .name = c->name[c->field - c->index],
		.index = c->field - c->index,
		.line = c->line,
		.line_end = c->line_end - 1 };
	return out->name.n > 0;
}

/* ---- headers that are keys ---- */

/* Returns true if more words than a name has stand before the first separator. Such a line is
 * no header, whatever follows. */
static bool
is_prose(struct span line)
{
	unsigned blanks = 0;

	for (size_t i = first_field(line, ' '); i + 1 < line.n; i++) {
		char x = line.p[i];
		if (is_one_of(x, "\t|;,&^") || x == BAR || (x == ' ' && line.p[i + 1] == ' '))
			return false;
		blanks += x == ' ';
		if (blanks > NAME_BLANKS)
			return true;
	}
	return false;
}

static void
push_place(struct columns *c, size_t **v, size_t *n, size_t *room, size_t at)
{
	if (mem_room(v, room, *n + 1, sizeof(**v)))
		(*v)[(*n)++] = at;
	else
		c->lost = true;
}

/* Returns true if the line begins a record of psql's expanded print: "-[ RECORD 1 ]---". */
static bool
begins_record(struct span line)
{
	return memmem(line.p, line.n < 32 ? line.n : 32, "[ RECORD ", 9) != NULL;
}

/* Splits a line of a record: "name | value", with or without bars around it. Returns false if
 * it is none. */
static bool
split_pair(struct span line, struct span *name, struct span *cell)
{
	char cut = memchr(line.p, '|', line.n) ? '|' : BAR;
	size_t i = first_field(line, cut), end = field_end(line, i, cut);

	if (end == i) { /* a bar before the name */
		i = next_field(line, end, cut);
		end = i < line.n ? field_end(line, i, cut) : line.n;
	}
	if (end >= line.n)
		return false;
	*name = column_name_in(span_cut(line, i, end));
	i = next_field(line, end, cut);
	if (i < line.n)
		end = field_end(line, i, cut);
	*cell = without_quotes(span_cut(line, i, i < line.n ? end : line.n));
	return is_column_name(*name) && cell->n;
}

/* Returns true if the line at `line` is in a record. The lines that were examined last are
 * remembered with the result, so that each is read once. */
static bool
is_in_record(struct columns *c, size_t line)
{
	enum { LINES = 80 };
	struct span name, cell;
	size_t at = line, above = line;
	bool found = false;

	for (size_t k = 0; k < LINES && !found; k++, at = above) {
		if (c->record_to && at > c->record_from && at <= c->record_to) {
			found = c->record;
			above = c->record_from;
			break;
		}
		if (at == 0) {
			found = c->table && c->table->record;
			break;
		}
		above = line_start(c->text, at - 1, c->mark);
		struct span s = column_line_at(c, above, at - 1);
		effort_add(16 + s.n / 4);
		found = begins_record(s);
		if (!found && !split_pair(s, &name, &cell) && !is_row(s, '|') &&
			!is_row(s, BAR))
			break;
	}
	c->record = found;
	c->record_from = above;
	c->record_to = line_end(c->text, line, c->mark) + 1;
	return found;
}

/* Records a key at `at` that names the value in its line. Returns false if there is none. */
static bool
judge_pair(struct columns *c, size_t at)
{
	size_t from = row_start(c, at), end = row_end(c, from);
	struct span name, cell;

	if (c->npairs && c->pairs[c->npairs - 1] == from)
		return true;
	if (end == SIZE_MAX || !is_line_start(c->text, from, c->mark) || column_lead(c, from))
		return false;
	struct span line = column_line_at(c, from, end);
	if (!split_pair(line, &name, &cell) || at >= from + (size_t)(cell.p - line.p) ||
		!is_in_record(c, from))
		return false;
	push_place(c, &c->pairs, &c->npairs, &c->pairs_room, from);
	return true;
}

/* Passes the value of the line at `from`, which is a name and a value. */
static bool
take_pair(struct columns *c, size_t from, columns_take *take, void *arg)
{
	struct span line = column_line_at(c, from, row_end(c, from)), name, cell;

	if (!split_pair(line, &name, &cell))
		return true;
	size_t at = (size_t)(cell.p - line.p), lead = column_lead(c, from);
	return at < lead || take(arg, name, from + at - lead, from + at - lead + cell.n);
}

static bool
cells_of_records(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
{
	struct span name, cell;
	bool more = true;

	if (c->lead && c->table->record && row_end(c, 0) != SIZE_MAX &&
		split_pair(column_line_at(c, 0, row_end(c, 0)), &name, &cell) &&
		keys(arg, &name, 1))
		more = take_pair(c, 0, take, arg);
	for (size_t k = 0; k < c->npairs && more && !effort_over(); k++)
		more = take_pair(c, c->pairs[k], take, arg);
	return more;
}

bool
columns_in_record(const struct column_table *t, struct span text)
{
	/* memchr() is the cheaper search, and few pieces of a stream have a bracket. */
	return t->record || (memchr(text.p, '[', text.n) &&
				    memmem(text.p, text.n, "[ RECORD ", 9));
}

void
columns_judge_head(struct columns *c, size_t at)
{
	bool pair = true; /* the line may be of a record */

	if (at >= c->judged) {
		size_t from = row_start(c, at), end = row_end(c, from);
		c->judged = end == SIZE_MAX ? at + COLUMN_LINE : end + 1;
		c->judged_head = false;
		if (end == SIZE_MAX || end - from > COLUMN_LINE ||
			!is_line_start(c->text, from, c->mark) || (c->inside && from == 0))
			return;
		struct span line = column_line_at(c, from, end);
		pair = from > 0 ? memchr(line.p, '|', line.n) || memchr(line.p, BAR, line.n)
				: c->table && c->table->record;
		if (end >= c->text.n || is_prose(line))
			goto out;
		/* The first separator of a header is near its beginning. */
		struct column_parts p = parts_of(span_cut(line, 0, COLUMN_NAME + 16));
		for (unsigned k = 0; k < COLUMN_CUTS && !c->judged_head; k++) {
			struct span list = line;
			char by = frames[k].cut;
			c->judged_head = (p.n[k] || k == FRAME_LATEX || sql_copy(&list, &by)) &&
					 are_names(line, frames[k].cut);
		}
	}
out:
	if (pair && judge_pair(c, at))
		c->judged_head = false;
	if (c->judged_head)
		push_place(c, &c->head, &c->heads, &c->heads_room, at);
}

/* Passes those cells of the rows below a header whose field's bit is set in `wanted`. */
static bool
take_rows(struct columns *c, size_t from, unsigned fields, uint64_t wanted, columns_take *take,
	void *arg)
{
	char cut = frames[c->split_cut].cut;
	struct span head = cut == GAP ? header_line(c, c->split - 1) : span_of("", 0);

	while (from < c->text.n && !effort_over()) {
		size_t end = row_end(c, from);
		if (end == SIZE_MAX)
			return true;
		effort_add(end - from);
		struct span line = column_line_at(c, from, end);
		bool goes_on = column_line_goes_on(c, end);
		if (!is_row(line, cut) && !goes_on)
			return true;
		unsigned n = count_fields(line, cut);
		if (cut == '&')
			column_opening(&line, &cut);
		unsigned index = index_fields(head, fields, line, n, goes_on, cut);
		bool ours =
			!is_ruler(line) && (n == fields || index || (goes_on && n < fields));
		if (ours &&
			header_of(run_to(c, c->split_cut, from, end), from, n, goes_on) == from)
			return true; /* the next table begins */
		unsigned k = 0;
		for (size_t i = first_field(line, cut);
			ours && i <= line.n && k < fields + index; k++) {
			size_t stop = field_end(line, i, cut), lead = column_lead(c, from);
			struct span cell = without_quotes(span_cut(line, i, stop));
			size_t at = cell.n ? (size_t)(cell.p - line.p) : 0;
			/* A cell that began before the text was passed with the earlier part.
			 */
			unsigned name = k - index;
			if (k >= index && wanted >> name & 1 && cell.n && c->name[name].n &&
				at >= lead &&
				!take(arg, c->name[name], from + at - lead,
					from + at - lead + cell.n))
				return false;
			i = next_field(line, stop, cut);
		}
		from = end + 1;
	}
	return true;
}

/* Returns the fields of a header's line that contain a key, a bit for each. */
static uint64_t
wanted_fields(const struct columns *c, size_t line, size_t end, size_t *next)
{
	uint64_t wanted = 0;

	for (; *next < c->heads && c->head[*next] < end; ++*next)
		for (unsigned k = 0; k < c->names; k++) {
			size_t at = c->name[k].n ? (size_t)(c->name[k].p - c->text.p) : 0;
			if (c->head[*next] >= line && c->name[k].n && c->head[*next] >= at &&
				c->head[*next] < at + c->name[k].n)
				wanted |= UINT64_C(1) << k;
		}
	return wanted;
}

/* Records whether the rules' key at `at` may be in the names of an INSERT or of a table of
 * JSON, after a parenthesis, a comma, a bracket, or a colon and a quote. */
void
columns_judge_list(struct columns *c, size_t at)
{
	size_t i = span_back(c->text, at, at > COLUMN_NAME ? at - COLUMN_NAME : 0, is_word);

	i = span_back_set(c->text, i, 0, "\"`[");
	bool quoted = is_one_of(c->text.p[i], "\"[");
	c->lists |= quoted && c->text.p[i] == '[';
	i = span_back(c->text, i, i > COLUMN_NAME ? i - COLUMN_NAME : 0, is_space);
	c->lists |= i > 0 && is_one_of(c->text.p[i - 1], quoted ? "(,:" : "(,");
	c->markup |= i > 0 && c->text.p[i - 1] == '>';
}

/* ---- tables of HTML ---- */

/* Returns true if a tag of the name begins at `at`, which is a '<'. */
static bool
is_tag(struct span t, size_t at, struct span name)
{
	size_t end = at + 1 + name.n;

	return span_ieq(span_cut(t, at + 1, end), name) && (end >= t.n || !is_alnum(t.p[end]));
}

/* Returns the text of the cell whose tag is at `at`, without the tags around it (a <code>). */
static struct span
markup_cell(struct span t, size_t at)
{
	struct span near = span_cut(t, 0, at + COLUMN_LINE);

	while (at < near.n && near.p[at] == '<') {
		at += span_chr(span_cut(near, at, near.n), '>');
		at = span_past(near, at < near.n ? at + 1 : at, is_space);
		if (at + 1 < near.n && near.p[at] == '<' && near.p[at + 1] == '/')
			break;
	}
	struct span rest = span_cut(near, at, near.n);
	size_t end = span_chr(rest, '<');
	effort_add(end / 4 + 8);
	return end == rest.n ? span_cut(t, at, at)
			     : span_trim(span_cut(rest, 0, end), " \t\r\n");
}

/* Moves past the next cell of the table, to the text behind its tag, and sets *cell to its
 * offset. p->field becomes the number of cells of its row. *head: the cell begins a row with a
 * <th>. Returns false after the table's last cell, or at the text's end. */
static bool
next_cell(struct span t, size_t *at, struct tuple_place *p, size_t *cell, bool *head)
{
	size_t from = *at;

	for (; *at < t.n; ++*at) {
		const char *tag = memchr(t.p + *at, '<', t.n - *at);
		*at = tag ? (size_t)(tag - t.p) : t.n;
		if (is_tag(t, *at, SPAN_LIT("tr"))) {
			p->field = 0;
		} else if (is_tag(t, *at, SPAN_LIT("/table"))) {
			p->in = TUPLE_NONE;
			break;
		} else if (is_tag(t, *at, SPAN_LIT("td")) || is_tag(t, *at, SPAN_LIT("th"))) {
			*head = p->field == 0 && to_lower(t.p[*at + 2]) == 'h';
			p->field++;
			*cell = (*at)++;
			effort_add((*at - from) / 8);
			return true;
		}
	}
	effort_add((*at - from) / 8);
	return false;
}

/* Splits the cells of the row at `at` into name[], if they are names. Returns the offset after
 * them, or 0. */
static size_t
markup_names(struct columns *c, size_t at)
{
	struct tuple_place p = { .in = TUPLE_FIELD };
	size_t cell, end = at, next = at;
	bool head;

	c->names = 0;
	c->split = 0;
	while (c->names < COLUMN_FIELDS && next_cell(c->text, &next, &p, &cell, &head) &&
		p.field == c->names + 1) {
		struct span name = markup_cell(c->text, cell);
		if (name.n && !is_column_name(name))
			return 0;
		c->name[c->names++] = name;
		end = next;
	}
	return c->names ? end : 0;
}

/* Passes the wanted cells of a table's rows. Ends at the next row of names. */
static bool
take_markup(struct columns *c, size_t *at, struct tuple_place *p, uint64_t wanted,
	columns_take *take, void *arg)
{
	size_t cell;
	bool head;

	for (size_t from = *at; !effort_over() && next_cell(c->text, at, p, &cell, &head);
		from = *at) {
		if (head && c->names > 1) {
			struct tuple_place two = *p;
			size_t next = *at, second;
			if (next_cell(c->text, &next, &two, &second, &head) && two.field == 2 &&
				to_lower(c->text.p[second + 2]) == 'h') {
				*at = from;
				return true;
			}
		}
		unsigned k = p->field - 1;
		if (p->field == 0 || k >= c->names || !(wanted >> k & 1) || !c->name[k].n)
			continue;
		struct span s = markup_cell(c->text, cell);
		size_t start = (size_t)(s.p - c->text.p);
		if (s.n && !take(arg, c->name[k], start, start + s.n))
			return false;
	}
	return true;
}

static bool
cells_of_markup(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
{
	bool more = true;

	for (size_t at = 0, row; more && at < c->text.n && !effort_over();) {
		const char *tag = memchr(c->text.p + at, '<', c->text.n - at);
		row = tag ? (size_t)(tag - c->text.p) : c->text.n;
		effort_add((row - at) / 8 + 1);
		at = row + 1;
		if (row >= c->text.n || !is_tag(c->text, row, SPAN_LIT("tr")))
			continue;
		size_t end = markup_names(c, row);
		uint64_t wanted = end ? keys(arg, c->name, c->names) : 0;
		if (!wanted)
			continue;
		struct tuple_place p = { .in = TUPLE_FIELD };
		more = take_markup(c, &end, &p, wanted, take, arg);
		at = end > row ? end : at;
	}
	return more;
}

/* ---- tables of JSON ---- */

/* Returns the offset after the string whose first byte is at `at`, at its closing quote, or
 * t.n. */
static size_t
json_quote(struct span t, size_t at)
{
	while (at < t.n && t.p[at] != '"')
		at += t.p[at] == '\\' ? 2 : 1;
	return at < t.n ? at : t.n;
}

static size_t
json_past_space(struct span t, size_t at)
{
	return span_past(t, at, is_space);
}

/* Returns the name in an object that describes a column, such as {"name": "a", "type": "text"}.
 * `at`: after its brace. *end moves after the closing brace, or to 0 if there is none. */
static struct span
json_column(struct span t, size_t at, size_t *end)
{
	static const char *const members[] = { "name", "column_name", "field", "key", "id" };
	struct span name = { 0 }, key = { 0 };

	*end = 0;
	for (unsigned depth = 0; at < t.n; at++) {
		if (t.p[at] == '"') {
			size_t close = json_quote(t, at + 1);
			struct span text = span_cut(t, at + 1, close);
			if (depth == 0 && key.p && SPAN_AMONG(key, members, span_ieq) &&
				!name.p)
				name = text;
			at = close;
			size_t next = json_past_space(t, at + 1);
			key = next < t.n && t.p[next] == ':' ? text : (struct span){ 0 };
		} else if (t.p[at] == '}' && depth-- == 0) {
			*end = at + 1;
			break;
		} else {
			depth += t.p[at] == '{';
		}
	}
	return name;
}

/* Reads the names of columns after the bracket before `at` into name[]. names = name { "," name
 * }
 * "]", where a name is a string or an object. Returns the offset after them, or 0. */
static size_t
json_names(struct columns *c, size_t at)
{
	struct span t = span_cut(c->text, 0, at + COLUMN_NAMES);

	c->split = 0;
	for (c->names = 0; c->names < COLUMN_FIELDS;) {
		size_t end = 0;
		struct span name;
		at = json_past_space(t, at);
		if (at >= t.n || !is_one_of(t.p[at], "\"{"))
			return 0;
		if (t.p[at] == '"') {
			name = span_cut(t, at + 1, json_quote(t, at + 1));
			end = at + name.n + 2;
		} else {
			name = json_column(t, at + 1, &end);
		}
		if (!end)
			return 0;
		c->name[c->names++] = name.n <= COLUMN_NAME ? name : (struct span){ 0 };
		effort_add((end - at) / 4);
		at = json_past_space(t, end);
		if (at >= t.n || !is_one_of(t.p[at], ",]"))
			return 0;
		if (t.p[at++] == ']')
			return at;
	}
	return 0;
}

/* Returns the key of the list whose bracket is at `at`, or nothing. */
static struct span
json_key_before(struct span t, size_t at)
{
	size_t from = at > COLUMN_NAME ? at - COLUMN_NAME : 0,
	       i = span_back(t, at, from, is_space);

	if (i == 0 || t.p[i - 1] != ':')
		return (struct span){ 0 };
	i = span_back(t, i - 1, from, is_space);
	if (i == 0 || t.p[i - 1] != '"')
		return (struct span){ 0 };
	return span_cut(t, span_back(t, i - 1, from, is_word), i - 1);
}

/* Returns the offset of the bracket of the row that begins at `at`, or t.n. row = list | "{"
 * string
 * ":" list "}". */
static size_t
json_row(struct span t, size_t at)
{
	if (at >= t.n || t.p[at] != '{')
		return at < t.n && t.p[at] == '[' ? at : t.n;
	at = json_past_space(t, at + 1);
	if (at >= t.n || t.p[at] != '"')
		return t.n;
	at = json_past_space(t, json_quote(span_cut(t, 0, at + COLUMN_NAME), at + 1) + 1);
	if (at >= t.n || t.p[at] != ':')
		return t.n;
	at = json_past_space(t, at + 1);
	return at < t.n && t.p[at] == '[' ? at : t.n;
}

/* Returns the offset of the value of a cell that is an object: "{" string ":" value "}".
 * Another cell begins at `at` itself. */
static size_t
json_cell(struct span t, size_t at)
{
	size_t i = at < t.n && t.p[at] == '{' ? json_past_space(t, at + 1) : t.n;

	if (i >= t.n || t.p[i] != '"')
		return at;
	i = json_past_space(t, json_quote(span_cut(t, 0, i + COLUMN_NAME), i + 1) + 1);
	return i < t.n && t.p[i] == ':' ? json_past_space(t, i + 1) : at;
}

/* Passes the wanted cells of the rows whose first one is at `at`. rows = row { "," row }; a
 * row's list is "[" cell { "," cell } "]". Returns the offset at which they end; *more becomes
 * false if `take` ends the search. */
static size_t
take_json(struct columns *c, size_t at, uint64_t wanted, columns_take *take, void *arg,
	bool *more)
{
	struct span t = c->text;

	for (size_t row; (row = json_row(t, at)) < t.n && !effort_over();) {
		bool object = row > at;
		char sign = ',';
		at = row;
		for (unsigned k = 0; sign == ','; k++) {
			size_t cell = json_past_space(t, at + 1), from = json_cell(t, cell),
			       end = from;
			if (from < t.n && t.p[from] == '"') {
				end = json_quote(t, ++from);
				at = end + 1;
			} else {
				while (end < t.n && !is_one_of(t.p[end], ",[]{}\""))
					end++;
				at = end;
			}
			effort_add(end - from + 1);
			if (k < c->names && wanted >> k & 1 && end > from &&
				!take(arg, c->name[k], from,
					span_back(t, end, from, is_space))) {
				*more = false;
				return end;
			}
			at = json_past_space(t, at);
			if (from > cell && at < t.n && t.p[at] == '}')
				at = json_past_space(t, at + 1);
			sign = at < t.n ? t.p[at] : '\0';
		}
		if (object && sign == ']') {
			at = json_past_space(t, at + 1);
			sign = at < t.n && t.p[at] == '}' ? ']' : '\0';
		}
		size_t next = sign == ']' ? json_past_space(t, at + 1) : t.n;
		if (next >= t.n || t.p[next] != ',')
			return at;
		at = json_past_space(t, next + 1);
	}
	return at;
}

/* Passes the cells of tables as pandas, BigQuery, Elasticsearch and others write them: names in
 * a list named "columns", and rows in a list after or before it; or a list of rows whose first
 * row are names. */
static bool
cells_of_json(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
{
	enum { FAR = 4096 /* bytes between the names and the rows */ };
	static const char *const of_names[] = { "columns", "column_names", "cols", "fields",
		"headers", "header", "rowtype", "meta", "columninfo" };
	static const char *const of_rows[] = { "rows", "data", "values", "records",
		"data_array" };
	struct span t = c->text;
	size_t names = 0;	       /* end of the names in name[]; 0: none */
	size_t rows = 0, rows_end = 0; /* the last rows that no names precede; 0: none */
	uint64_t wanted = 0;
	bool more = true;

	for (size_t at = 0; more && at < t.n && !effort_over();) {
		const char *open = memchr(t.p + at, '[', t.n - at);
		size_t i = open ? (size_t)(open - t.p) : t.n, end;
		effort_add((i - at) / 8 + 1);
		at = i + 1;
		if (i >= t.n)
			break;
		struct span key = json_key_before(t, i);
		size_t inner = json_past_space(t, at);
		bool nested = inner < t.n && t.p[inner] == '[';
		bool is_rows = SPAN_AMONG(key, of_rows, span_ieq) && json_row(t, inner) < t.n;
		if (is_rows && names && i - names <= FAR) {
			at = take_json(c, inner, wanted, take, arg, &more);
			names = rows = 0;
		} else if (SPAN_AMONG(key, of_names, span_ieq) && (end = json_names(c, at))) {
			wanted = keys(arg, c->name, c->names);
			if (wanted && rows && i - rows_end <= FAR)
				take_json(c, rows, wanted, take, arg, &more);
			names = wanted && !rows ? end : 0;
			rows = 0;
			at = end;
		} else if (nested && (end = json_names(c, inner + 1)) &&
			   (wanted = keys(arg, c->name, c->names))) {
			names = rows = 0;
			at = end;
			end = json_past_space(t, end);
			if (end < t.n && t.p[end] == ',')
				at = take_json(c, json_past_space(t, end + 1), wanted, take,
					arg, &more);
		} else if (is_rows) {
			names = 0;
			rows = inner;
			rows_end = at = take_json(c, inner, 0, take, arg, &more);
		} else if (nested || SPAN_AMONG(key, of_names, span_ieq)) {
			names = 0;
		}
	}
	return more;
}

/* ---- lists below a key ---- */

/* Returns the offset of the item from `at` on, with its end in *end, or t.n if the list ends.
 * items = [ "[" ] item { ( "," | end of line ) item }. An item is in quotes, or has no space
 * characters. A mark or a number of a list may precede it. */
static size_t
next_item(struct span t, size_t at, size_t *end)
{
	enum { MOST = 256 };
	struct span near = span_cut(t, 0, at + 2 * MOST);
	size_t i = span_past_set(near, at, " \t\r\n,");

	if (i + 1 < near.n && is_one_of(near.p[i], "-*+") && near.p[i + 1] == ' ')
		i = span_past(near, i + 1, is_blank);
	size_t digits = span_past(span_cut(near, 0, i + 6), i, is_digit);
	if (digits > i && digits + 1 < near.n && is_one_of(near.p[digits], ".)") &&
		near.p[digits + 1] == ' ')
		i = span_past(near, digits + 1, is_blank);
	if (i >= near.n || is_one_of(near.p[i], "[](){}<>|"))
		return t.n;
	char quote = near.p[i];
	if (is_one_of(quote, "\"'`")) {
		size_t from = ++i;
		while (i < near.n && near.p[i] != quote && near.p[i] != '\n')
			i += near.p[i] == '\\' ? 2 : 1;
		if (i >= near.n || near.p[i] != quote)
			return t.n;
		*end = i;
		i++;
		at = from;
	} else {
		size_t from = i;
		while (i < near.n && !is_space(near.p[i]) && near.p[i] != ',' &&
			near.p[i] != ']')
			i++;
		/* A line of key=value is no item. */
		size_t equals = span_chr(span_cut(near, from, i), '=');
		if (from + equals + 1 < i && is_alnum(near.p[from + equals + 1]))
			return t.n;
		*end = i;
		at = from;
	}
	i = span_past(near, i, is_blank);
	/* Another word in the line: no list. */
	return *end - at <= MOST && (i >= t.n || is_one_of(t.p[i], ",]\n")) ? at : t.n;
}

static bool
is_name_letter(char c)
{
	return is_letter(c) || c == '_' || c == '-';
}

/* Returns the offset after the items from `at` on, and their number. */
static size_t
past_items(struct span t, size_t at, size_t *n)
{
	size_t end = at, i;

	for (*n = 0; (i = next_item(t, at, &end)) < t.n && end > i; ++*n) {
		at = end + (end < t.n && is_one_of(t.p[end], "\"'`"));
		effort_add(at - i);
	}
	return at;
}

/* Returns where the items below a name begin, or 0. `at`: the end of the name. After it are its
 * marks and a colon, and then a bracket or the line's end; or " for staging:" and the line's
 * end. */
static size_t
items_after(struct span t, size_t at)
{
	enum { MOST = 16, WORDS = 48 };
	static const char *const joints[] = { " are", " for ", " of ", " in ", " from " };
	size_t i = span_past_set(span_cut(t, 0, at + MOST), at, "\"'`*_:= \t\r");

	if (i < t.n && i - at < MOST && is_one_of(t.p[i], "[\n"))
		return i + 1;
	if (at >= t.n || t.p[at] != ' ')
		return 0;
	struct span rest = span_cut(t, at, at + WORDS);
	size_t end = span_chr(rest, '\n');
	if (end == rest.n || rest.p[end - 1] != ':')
		return 0;
	for (size_t k = 0; k < COUNT_OF(joints); k++)
		if (span_istarts(rest, span_str(joints[k])))
			return at + end + 1;
	return 0;
}

/* Returns the offset after the item that began before the text. */
static size_t
past_item(struct span t)
{
	size_t i = 0;

	while (i < t.n && i < COLUMN_LINE && t.p[i] != ',' && t.p[i] != '\n')
		i++;
	return i;
}

void
columns_judge_items(struct columns *c, size_t at)
{
	enum { LEAST = 3 };
	size_t name = span_past(span_cut(c->text, 0, at + COLUMN_NAME), at, is_name_letter), n;
	size_t from = items_after(c->text, name);

	if (!from || name == at || (at > 0 && is_alnum(c->text.p[at - 1])))
		return;
	size_t end = past_items(c->text, from, &n);
	if (n < LEAST || columns_row(c, at))
		return;
	c->items_end = end;
	push_place(c, &c->items, &c->nitems, &c->items_room, at);
}

static bool
take_items(struct columns *c, struct span name, size_t at, columns_take *take, void *arg)
{
	for (size_t i, end; (i = next_item(c->text, at, &end)) < c->text.n && end > i;) {
		if (effort_over() || !take(arg, name, i, end))
			return false;
		at = end + (end < c->text.n && is_one_of(c->text.p[end], "\"'`"));
	}
	return true;
}

static bool
cells_of_items(struct columns *c, columns_take *take, void *arg)
{
	bool more = true;

	for (size_t k = 0; k < c->nitems && more; k++) {
		size_t at = c->items[k];
		size_t end =
			span_past(span_cut(c->text, 0, at + COLUMN_NAME), at, is_name_letter);
		more = take_items(
			c, span_cut(c->text, at, end), items_after(c->text, end), take, arg);
	}
	return more;
}

/* ---- tuples of SQL ---- */

/* Passes those cells of an INSERT's rows whose field's bit is set in `wanted`. tuples = tuple {
 * "," tuple }; tuple = "(" literal { "," literal } ")". *p: the place in the tuples at `at`;
 * *at moves to the end of the tuples, or to the text's end if they may continue. */
static bool
take_tuples(struct columns *c, size_t *at, struct tuple_place *p, uint64_t wanted,
	columns_take *take, void *arg)
{
	struct span t = c->text;
	bool known =
		p->in == TUPLE_FIELD && !p->begun; /* the literal at *at begins in the text */

	while (*at < t.n && p->in != TUPLE_NONE && !effort_over()) {
		size_t from = *at, begin = from, end;
		if (p->in == TUPLE_NEXT || p->in == TUPLE_END) {
			size_t open = span_past_set(t, from, " \t\r\n,");
			begin = open < t.n && t.p[open] == '(' ? open + 1 : from;
			known = begin > from;
		}
		end = next_literal(t, from, p);
		*at = end;
		effort_add(end - from + 1);
		/* The last literal may continue in the next part. */
		bool part = end >= t.n && p->in != TUPLE_NEXT && p->in != TUPLE_END &&
			    c->table && c->table->more;
		if (!part && (end >= t.n || p->in != TUPLE_FIELD))
			continue;
		begin = sql_string_begin(t, sql_past_blanks(t, begin));
		struct span cell = span_trim(span_cut(t, begin, end), " \t\r\n");
		cell = without_quotes(cell);
		if (known && p->field < c->names && wanted >> p->field & 1 && cell.n &&
			c->name[p->field].n) {
			size_t start = (size_t)(cell.p - t.p);
			if (!take(arg, c->name[p->field], start, start + cell.n))
				return false;
		}
		if (part)
			break;
		known = true;
		p->begun = false;
		p->field++;
		if (t.p[end] == ')')
			*p = (struct tuple_place){ .in = TUPLE_END };
		(*at)++;
	}
	return true;
}

/* Splits the names of an INSERT. */
static void
split_list(struct columns *c, struct span names)
{
	split_names(c, names, ',');
	for (unsigned k = 0; k < c->names; k++)
		c->name[k] = without_quotes(span_trim(c->name[k], " \t\r\n"));
	c->split = 0; /* name[] has no header's names */
}

/* Passes the cells of the list that began before the text. */
static bool
cells_of_carried(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg)
{
	struct column_list *l = &c->table->list;
	struct tuple_place p = l->place;
	size_t at = 0;

	if (l->kind == LIST_ITEMS && c->table->line_n)
		at = past_item(c->text);
	split_list(c, span_of(l->names, l->n));
	if (l->keys_of != of) {
		l->keys = keys(arg, c->name, c->names);
		l->keys_of = of;
	}
	return !l->keys ||
	       (l->kind == LIST_TUPLES		? take_tuples(c, &at, &p, l->keys, take, arg)
		       : l->kind == LIST_MARKUP ? take_markup(c, &at, &p, l->keys, take, arg)
						: take_items(c, c->name[0], at, take, arg));
}

bool
columns_in_tuples(const struct column_table *t, struct span text)
{
	struct tuple_place p = { .in = TUPLE_NONE };
	struct span names;

	if (t->insert.n || (t->list.n && t->list.kind == LIST_TUPLES))
		return true;
	if (!memchr(text.p, '(', text.n))
		return false;
	effort_add(text.n / 4);
	for (size_t at = 0, values; sql_insert(text, &at, &names, &values);) {
		p = (struct tuple_place){ .in = TUPLE_NEXT };
		at = values;
		while (at < text.n && p.in != TUPLE_NONE) {
			at = next_literal(text, at, &p);
			if (at < text.n && p.in == TUPLE_FIELD && text.p[at++] == ')')
				p.in = TUPLE_END;
		}
	}
	return p.in != TUPLE_NONE;
}

/* Passes the cells of the INSERT whose names are before the text, or partly in it. */
static bool
cells_of_begun(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
{
	const struct column_insert *s = &c->table->insert;
	struct tuple_place p = { .in = TUPLE_NEXT };
	char all[2 * COLUMN_NAMES];
	size_t n = c->text.n < sizeof(all) - s->n ? c->text.n : sizeof(all) - s->n, at = 0,
	       values;
	struct span names;

	memcpy(all, c->table->list.names, s->n);
	memcpy(all + s->n, c->text.p, n);
	if (!sql_insert(span_of(all, s->n + n), &at, &names, &values) ||
		names.p != all + behind_table(span_of(all, s->n + n), 4) + 1 || values < s->n)
		return true;
	split_list(c, names);
	uint64_t wanted = keys(arg, c->name, c->names);
	values -= s->n;
	return !wanted || take_tuples(c, &values, &p, wanted, take, arg);
}

/* Passes the cells of all INSERTs. A dump repeats the same names, so `keys` is not asked again
 * for them. */
static bool
cells_of_lists(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
{
	struct span names, last = { 0 };
	uint64_t wanted = 0;
	bool more = true;

	for (size_t at = 0, from = 0, values; more && !effort_over(); from = at) {
		bool found = sql_insert(c->text, &at, &names, &values);
		effort_add((at - from) / 2);
		if (!found)
			break;
		split_list(c, names);
		if (!span_eq(names, last))
			wanted = keys(arg, c->name, c->names);
		last = names;
		struct tuple_place p = { .in = TUPLE_NEXT };
		more = !wanted || take_tuples(c, &values, &p, wanted, take, arg);
	}
	return more;
}

/* Passes the cells of the table that began before the text. */
static bool
cells_of_table(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg)
{
	struct column_table *t = c->table;

	split_header(c, (size_t)CARRIED, t->cut);
	if (t->keys_of != of) {
		t->keys = keys(arg, c->name, c->names);
		t->keys_of = of;
	}
	return !t->keys || take_rows(c, 0, t->fields, t->keys, take, arg);
}

/* Passes the cells below the line [from, end) if the line is a header. *next moves past the
 * keys in the line. */
static bool
cells_below(struct columns *c, size_t from, size_t end, size_t *next, columns_take *take,
	columns_keys *keys, void *arg)
{
	struct span line = column_line_at(c, from, end);
	bool used = false, more = true;

	for (unsigned k = 0; k < COLUMN_CUTS && !used; k++) {
		unsigned n;
		if (!has_cut(line, frames[k].cut) ||
			(n = count_fields(line, frames[k].cut)) > COLUMN_FIELDS ||
			header_of(run_to(c, k, from, end), from, n, false) != from)
			continue;
		split_header(c, from, k);
		used = true;
		/* head[] has no keys that stand before the text */
		uint64_t wanted = column_lead(c, from) ? keys(arg, c->name, c->names)
						       : wanted_fields(c, from, end, next);
		more = !wanted || take_rows(c, end + 1, n, wanted, take, arg);
	}
	while (*next < c->heads && c->head[*next] <= end)
		++*next;
	return more;
}

void
columns_cells(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg)
{
	size_t i = 0, first = c->lead ? row_end(c, 0) : SIZE_MAX;
	bool more = true;

	if (c->table && is_carried(c, c->table->cut))
		more = cells_of_table(c, take, keys, of, arg);
	if (more && first < c->text.n)
		more = cells_below(c, 0, first, &i, take, keys, arg);
	while (more && i < c->heads) {
		size_t from = row_start(c, c->head[i]);
		more = cells_below(c, from, row_end(c, from), &i, take, keys, arg);
	}
	forget_header(c); /* these are not in a table with a header */
	if (more && (c->npairs || (c->table && c->table->record)))
		more = cells_of_records(c, take, keys, arg);
	if (more && c->table && c->table->insert.n)
		more = cells_of_begun(c, take, keys, arg);
	if (more && c->table && c->table->list.n)
		more = cells_of_carried(c, take, keys, of, arg);
	if (more && c->lists)
		more = cells_of_lists(c, take, keys, arg) && cells_of_json(c, take, keys, arg);
	if (more && c->markup)
		more = cells_of_markup(c, take, keys, arg);
	forget_header(c);
	if (more)
		cells_of_items(c, take, arg);
}

/* ---- parts of a text ---- */

/* Updates the table after a line has ended, of which `line` is what is kept. `fits`: it is
 * whole. */
static void
line_passed(struct column_table *t, struct span line, bool fits)
{
	line = line_of(line, 0, SIZE_MAX);
	bool whole = line.n <= COLUMN_HEAD && fits; /* may be a header */

	t->record =
		begins_record(line) || (t->record && (is_row(line, '|') || is_row(line, BAR)));

	if (t->head_n && (!fits || !is_row(line, frames[t->cut].cut)))
		t->head_n = 0;
	struct column_parts p =
		whole ? parts_of(line) : (struct column_parts){ .plain = false };
	for (unsigned k = 0; k < COLUMN_CUTS; k++) {
		unsigned n = p.n[k] || (whole && has_cut(line, frames[k].cut))
				     ? count_fields(line, frames[k].cut)
				     : COLUMN_FIELDS + 1;
		bool other = !t->head_n || (k == t->cut && n != t->fields);
		bool again =
			t->head_n && k == t->cut && n == t->fields &&
			names_columns_again(line, span_of(t->head, t->head_n), frames[k].cut);
		if (n > COLUMN_FIELDS || (!other && !again) || is_ruler(line) ||
			!are_names(line, frames[k].cut))
			continue;
		memcpy(t->head, line.p, line.n);
		t->head_n = line.n;
		t->cut = k;
		t->fields = n;
		t->keys_of = NULL;
		break;
	}
}

/* Appends to the line in t->line, as far as it fits. */
static void
keep_line(struct column_table *t, struct span s)
{
	size_t room = t->line_n < COLUMN_LINE ? COLUMN_LINE - t->line_n : 0;

	if (s.n && room)
		memcpy(t->line + t->line_n, s.p, s.n < room ? s.n : room);
	t->line_n += s.n;
}

/* Passes each of the lines in t->line, except for a last one that has not ended. */
static void
split_line(struct column_table *t, char mark)
{
	struct span all = span_of(t->line, t->line_n < COLUMN_LINE ? t->line_n : COLUMN_LINE);
	size_t at = 0, end;

	for (; (end = at + span_chr(span_cut(all, at, all.n), mark)) < all.n; at = end + 1)
		line_passed(t, span_cut(all, at, end), true);
	t->line_n -= at;
	memmove(t->line, t->line + at, all.n - at);
}

/* Returns true if the line ends in a quoted cell. */
static bool
ends_in_cell(struct span line)
{
	enum quoted_cell is = CELL_NONE;
	size_t at = 0, end;

	while (next_quoted(line, &at, line.n, &end, &is) < line.n)
		;
	return is == CELL_OPEN;
}

/* Returns true if each line end in `s` is in a quoted cell. */
static bool
is_row_of_lines(struct span s, char mark)
{
	enum quoted_cell is;
	size_t at = 0, end = 0, q;

	for (size_t from = 0; (q = next_quoted(s, &at, s.n, &end, &is)) < s.n; from = end)
		if (memchr(s.p + from, mark, q - from))
			return false;
	return end <= s.n && !memchr(s.p + end, mark, s.n - end);
}

/* The line in t->line has ended. It continues in the next one if its end is in a quoted cell.
 */
static void
line_ended(struct column_table *t)
{
	bool fits = t->line_n <= COLUMN_LINE;
	struct span line = span_of(t->line, fits ? t->line_n : COLUMN_LINE);

	if (t->line_n < COLUMN_LINE && ends_in_cell(line)) {
		keep_line(t, span_of(&t->mark, 1));
		return;
	}
	if (memchr(line.p, t->mark, line.n) && !is_row_of_lines(line, t->mark)) {
		split_line(t, t->mark);
		fits = t->line_n <= COLUMN_LINE;
		line = span_of(t->line, fits ? t->line_n : COLUMN_LINE);
	}
	line_passed(t, line, fits);
	t->line_n = 0;
}

/* Moves the list past `text`, from `at` on. Returns the offset at which it ends. */
static size_t
pass_list(struct column_list *l, struct span text, size_t at)
{
	size_t cell, n;
	bool head;

	if (l->kind == LIST_ITEMS && at < text.n)
		at = past_items(text, at, &n);
	if (l->kind == LIST_ITEMS && text.n - at > COLUMN_LINE / 4)
		l->place.in = TUPLE_NONE;
	while (l->kind == LIST_MARKUP && next_cell(text, &at, &l->place, &cell, &head))
		;
	while (l->kind == LIST_TUPLES && at < text.n && l->place.in != TUPLE_NONE) {
		at = next_literal(text, at, &l->place);
		if (at >= text.n || l->place.in != TUPLE_FIELD)
			continue;
		l->place.field++;
		l->place.begun = false;
		if (text.p[at++] == ')')
			l->place = (struct tuple_place){ .in = TUPLE_END };
	}
	if (l->place.in == TUPLE_NONE)
		l->n = 0;
	return at;
}

static void
list_new(struct column_list *l, enum list_kind kind, struct span names)
{
	*l = (struct column_list){ .n = names.n, .kind = kind };
	l->place.in = kind == LIST_TUPLES ? TUPLE_NEXT : TUPLE_FIELD;
	memcpy(l->names, names.p, names.n);
}

/* ---- INSERTs in parts of a text ---- */

/* Appends to the beginning of an INSERT. Returns false if there is no room. */
static bool
keep_insert(struct column_table *t, struct span more)
{
	if (more.n > sizeof(t->list.names) - t->insert.n)
		return false;
	if (more.n)
		memcpy(t->list.names + t->insert.n, more.p, more.n);
	t->insert.n += more.n;
	return true;
}

/* Returns the offset after the word INTO from `at` on, or t.n. s->into: the letters of it that
 * the last bytes were. */
static size_t
past_into(struct column_insert *s, struct span t, size_t at)
{
	static const char into[] = "into";

	for (; at < t.n; at++) {
		char c = to_lower(t.p[at]);
		if (s->into == sizeof(into) - 1 && !is_word(c))
			return at;
		s->into = s->into < sizeof(into) - 1 && c == into[s->into] &&
					  (s->into || !s->word)
				  ? s->into + 1
				  : 0;
		s->word = is_word(c);
	}
	return t.n;
}

/* Continues the beginning of the INSERT with the text from `at` on, up to the next parenthesis.
 * Returns the offset after it. The list begins at the parenthesis of the first tuple. */
static size_t
continue_insert(struct column_table *t, struct span all, size_t at)
{
	struct column_list *l = &t->list;
	struct column_insert *s = &t->insert;
	struct span rest = span_cut(all, at, all.n), names;
	const char *p = memchr(rest.p, '(', rest.n);
	size_t n = p ? (size_t)(p - rest.p) + 1 : rest.n, from = 0, values;
	char copy[COLUMN_LIST];

	if (!keep_insert(t, span_cut(rest, 0, n))) {
		s->n = 0;
		return at;
	}
	struct span text = span_of(l->names, s->n);
	size_t open = behind_table(text, sizeof("INTO") - 1);
	bool begun = p && open && open + 1 < s->n;
	if (begun || (open && open < s->n && text.p[open] != '(')) {
		memcpy(copy, text.p, text.n);
		text.p = copy;
		s->n = 0;
	}
	if (begun && sql_insert(text, &from, &names, &values) && names.n) {
		list_new(l, LIST_TUPLES, names);
		pass_list(l, text, values);
	}
	return at + n;
}

/* Passes the INSERTs of `text`, up to the tuples in which it ends. */
static void
pass_inserts(struct column_table *t, struct span text)
{
	struct column_list *l = &t->list;
	struct column_insert *s = &t->insert;

	effort_add(text.n / 8);
	for (size_t at = 0; at < text.n;) {
		if (l->n && l->kind == LIST_TUPLES) {
			at = pass_list(l, text, at);
			s->into = 0;
			s->word = false;
		} else if (s->n) {
			at = continue_insert(t, text, at);
		} else {
			at = past_into(s, text, at);
			if (at < text.n) {
				keep_insert(t, SPAN_LIT("INTO"));
				s->into = 0;
			}
		}
	}
}

/* Finds the table of HTML whose rows may continue after `text`: the names are in its first row.
 */
static void
begin_markup(struct column_list *l, struct columns *c)
{
	size_t at = 0, end = 0;

	for (size_t i = 0; i < c->text.n; i++) {
		const char *tag = memchr(c->text.p + i, '<', c->text.n - i);
		i = tag ? (size_t)(tag - c->text.p) : c->text.n;
		if (is_tag(c->text, i, SPAN_LIT("table")))
			at = i + 1;
		else if (is_tag(c->text, i, SPAN_LIT("/table")))
			at = 0;
	}
	if (!at || !(end = markup_names(c, at)))
		return;
	char names[COLUMN_LIST];
	size_t n = 0;
	for (unsigned k = 0; k < c->names && n + COLUMN_NAME < sizeof(names); k++) {
		if (k)
			names[n++] = ',';
		for (size_t i = 0; i < c->name[k].n; i++)
			names[n++] = c->name[k].p[i] == ',' ? ' ' : c->name[k].p[i];
	}
	if (!n)
		return;
	list_new(l, LIST_MARKUP, span_of(names, n));
	pass_list(l, c->text, end);
}

/* Finds the list in which `text` ends, and the name above that list. */
static void
begin_items(struct column_list *l, struct span text)
{
	size_t line = text.n, from = text.n, end, n;
	const char *open = memrchr(text.p, '[', text.n);

	/* the first line of those at the end that are one item each */
	while (line > 0) {
		size_t start = line_start(text, line - 1, '\n');
		if (!is_line_start(text, start, '\n') ||
			(line < text.n &&
				next_item(span_cut(text, 0, line), start, &end) >= line))
			break;
		from = line;
		line = start;
	}
	/* Its name is the line above, or the first line itself; a bracket is nearer. */
	for (unsigned k = 0; k < 3 && !l->n; k++) {
		size_t at = k == 0   ? (open ? (size_t)(open - text.p) : 0)
			    : k == 1 ? (line ? line - 1 : 0)
				     : (from < text.n ? from - 1 : 0);
		while (k && at > 0 && text.p[at - 1] == '\n')
			at--;
		size_t stop = at ? line_start(text, at, '\n') : 0, start = stop;
		while (stop < at && items_after(text, stop) != at + 1)
			stop++;
		start = span_back(text, stop, stop > COLUMN_NAME ? stop - COLUMN_NAME : 0,
			is_name_letter);
		if (!at || start == stop || items_after(text, stop) != at + 1 ||
			past_items(text, at + 1, &n) + COLUMN_LINE / 4 < text.n || n < 3)
			continue;
		list_new(l, LIST_ITEMS, span_cut(text, start, stop));
	}
}

void
columns_pass(struct column_table *t, struct span text)
{
	const struct span all = text;

	if (t->list.n && t->list.kind != LIST_TUPLES)
		pass_list(&t->list, text,
			t->list.kind == LIST_ITEMS && t->line_n ? past_item(text) : 0);
	if (!t->list.n || t->list.kind == LIST_TUPLES)
		pass_inserts(t, text);
	if (!t->list.n && !t->insert.n && text.n >= COLUMN_LINE) {
		struct columns c = { .text = text };
		begin_markup(&t->list, &c);
	}
	char was = t->mark;
	t->mark = line_mark(text, was);
	if (!t->mark && text.n && t->line_n <= COLUMN_LINE && memchr(t->line, '\r', t->line_n))
		t->mark = '\r'; /* text follows it that is no line feed */
	if (t->mark == '\r' && !was && t->line_n && t->line_n <= COLUMN_LINE)
		split_line(t, t->mark);
	while (text.n) {
		const char *end = t->mark ? memchr(text.p, t->mark, text.n) : NULL;
		size_t n = end ? (size_t)(end - text.p) : text.n;
		keep_line(t, span_cut(text, 0, n));
		if (end)
			line_ended(t);
		text = span_cut(text, n + (end != NULL), text.n);
	}
	if (!t->list.n && !t->insert.n && !t->head_n && all.n >= COLUMN_LINE)
		begin_items(&t->list, all);
}
