/* Finds tables in plain text: CSV (RFC 4180, also with ';'), tab-separated values, Markdown, the
 * output of databases, and columns aligned with spaces. A table is searched for from a value
 * upwards, and only for a value that may be a candidate. Text without candidates is not read.
 *
 * SQL is read only as far as it determines the column of a value. These are the lists of names in
 * COPY (PostgreSQL's dumps) and in INSERT, and the ends of literals. A quote in a string is doubled
 * (ISO 9075-2, 5.3). */
#include "scan/detect/context/columns.h"

#include <string.h>

#include "base/among.h"
#include "base/effort.h"
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

/* Returns the offset after VALUES or VALUE, at which a tuple begins, in the text after the
 * names. Returns 0 if there is none. */
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
		if (end < t.n && t.p[end] == '(')
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

/* Finds the next "INTO t (a, b) … VALUES (" at or after *at, which may be several lines long.
 * *names becomes the list of names, separated by commas, and *values the offset of the first
 * tuple. *at moves there. Returns false if there is none; *at then moves to the end of `t`. */
static bool
sql_insert(struct span t, size_t *at, struct span *names, size_t *values)
{
	enum { NAMES = 2048 };
	const struct span into = SPAN_LIT("INTO");
	size_t i = *at;

	for (; i + into.n < t.n; i++) {
		size_t open;
		if (to_lower(t.p[i]) != 'i' || (i > 0 && is_word(t.p[i - 1])) ||
			!span_ieq(span_cut(t, i, i + into.n), into) ||
			!(open = behind_table(t, i + into.n)) || open >= t.n ||
			t.p[open] != '(')
			continue;
		struct span list = span_cut(t, open + 1, open + 1 + NAMES);
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

	return t.p[at - 1] != '\\' || next >= t.n || is_one_of(t.p[next], ",);");
}

/* Returns the offset after the string that begins at `at`; t.n if the string does not end
 * before `to`. */
static size_t
sql_string_end(struct span t, size_t at, size_t to)
{
	for (at++; at < to; at++) {
		if (t.p[at] != '\'')
			continue;
		if (at + 1 < to && t.p[at + 1] == '\'')
			at++;
		else if (is_closing_quote(t, at))
			return at + 1;
	}
	return t.n;
}

/* Returns where the literal or expression that begins at `at` ends: at a comma, a closing
 * parenthesis or the line's end. Returns t.n if it does not end within `most` bytes. */
static size_t
sql_literal_end(struct span t, size_t at, size_t most)
{
	size_t to = t.n - at > most ? at + most : t.n, depth = 0;

	while (at < to) {
		if (t.p[at] == '\'') {
			at = sql_string_end(t, at, to);
			continue;
		}
		if (depth == 0 && is_one_of(t.p[at], ",)\n"))
			return at;
		depth += t.p[at] == '(';
		depth -= t.p[at] == ')';
		at++;
	}
	return t.n;
}

/* Returns the offset of the quote of N'…', E'…' or _utf8'…', or `at`. */
static size_t
sql_string_begin(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + 8), at, is_word);

	return i < t.n && t.p[i] == '\'' ? i : at;
}

/* ---- lines and fields ---- */

/* separators of fields; ' ' stands for at least two spaces */
static const char cuts[COLUMN_CUTS] = { '\t', '|', ';', ',', ' ' };
/* one set for each separator */
static struct block_sets cut_sets;

__attribute__((constructor)) static void
fill_sets(void)
{
	for (unsigned k = 0; k < COLUMN_CUTS; k++)
		block_sets_add(&cut_sets, k, (unsigned char)cuts[k]);
}

/* Stands for a line's offset: the header of the table that began before the text. */
enum { CARRIED = -2 };

void
columns_begin(struct columns *c, struct span text, bool inside, struct column_table *table)
{
	c->text = text;
	c->table = table;
	c->lead = table && table->line_n <= COLUMN_LINE ? table->line_n : 0;
	c->joined_n = 0;
	c->inside = table ? table->line_n > c->lead : inside;
	c->known = false;
	c->split = c->parts_of = 0;
	c->heads = c->judged = 0;
	c->lists = false;
	for (size_t i = 0; i < COLUMN_CUTS; i++)
		c->run[i] = (struct column_run){ 0 };
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

/* Returns the offset at which the field that begins at i ends: at a separator or the line's end. */
static size_t
field_end(struct span line, size_t i, char cut)
{
	size_t from = i;

	if (cut == ' ')
		return gap_after(line, i);
	while (i < line.n && line.p[i] == ' ')
		i++;
	if (i < line.n && line.p[i] == '"' && cut != '|')
		i = past_quotes(line, i);
	for (; i < line.n; i++) {
		const char *p = memchr(line.p + i, cut, line.n - i);
		if (!p)
			return line.n;
		i = (size_t)(p - line.p);
		if (cut != '|' || i == from || line.p[i - 1] != '\\')
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
	i++;
	while (cut == ' ' && i < line.n && line.p[i] == ' ')
		i++;
	return i;
}

/* Returns the beginning of the first field. Spaces at the beginning of a line are not a field. */
static size_t
first_field(struct span line, char cut)
{
	size_t i = 0;

	while (i < line.n && (line.p[i] == ' ' || (cut != '\t' && line.p[i] == '\t')))
		i++;
	return i;
}

/* Returns the number of fields, or COLUMN_FIELDS + 1 if there are too many. */
static unsigned
count_fields(struct span line, char cut)
{
	unsigned n = 0;

	sql_copy(&line, &cut);
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
	if (out.n[0])
		out.n[0] += tabs;
	if (any)
		out.plain = !memchr(line.p, '"', line.n) && !memchr(line.p, '\\', line.n);
	return out;
}

/* |---|:--:|, ----+----, ===== */
static bool
is_ruler(struct span line)
{
	size_t drawn = 0;

	for (size_t i = 0; i < line.n; i++) {
		char x = line.p[i];
		if (x == '-' || x == '=')
			drawn++;
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

enum { NAME_BLANKS = 4 };

/* Returns true if the field reads like a column's name: short, few words, at most two digits, no
 * sentence. */
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

	sql_copy(&line, &cut);
	effort_add(line.n / 4);
	for (size_t i = first_field(line, cut); i <= line.n;) {
		size_t end = field_end(line, i, cut);
		struct span s = without_quotes(span_cut(line, i, end));
		if (is_column_name(s))
			names++;
		else if (s.n || (i > 0 && end < line.n))
			return false;
		i = next_field(line, end, cut);
	}
	return names >= 2;
}

/* ---- runs of lines ---- */

static size_t
line_start(struct span t, size_t at)
{
	size_t from = at > COLUMN_LINE ? at - COLUMN_LINE : 0;
	const char *p = at > from ? memrchr(t.p + from, '\n', at - from) : NULL;

	effort_add((p ? at - (size_t)(p - t.p) : at - from) / 4);
	return p ? (size_t)(p - t.p) + 1 : from;
}

static bool
is_line_start(struct span t, size_t i)
{
	return i == 0 || t.p[i - 1] == '\n';
}

/* Returns the offset of the line's '\n' or the text's end, or SIZE_MAX if the line is too long. */
static size_t
line_end(struct span t, size_t at)
{
	size_t n = t.n - at > COLUMN_LINE ? COLUMN_LINE : t.n - at;
	const char *p = n ? memchr(t.p + at, '\n', n) : NULL;

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
	if (!c->joined_n) {
		if (c->lead + to > COLUMN_LINE)
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

/* Returns true if a separator of the kind divides the line into fields. */
static bool
has_cut(struct span line, char cut)
{
	size_t i = first_field(line, cut);

	if (sql_copy(&line, &cut))
		return true;
	if (cut != ' ')
		return i < line.n && memchr(line.p + i, cut, line.n - i);
	return gap_after(line, i) < line.n;
}

static bool
is_row(struct span line, char cut)
{
	return has_cut(line, cut) || is_ruler(line);
}

/* Returns the separators of the line at `from`. The result is valid until the next call for another
 * line. */
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

	return p->plain && p->n[cut] ? p->n[cut] + 1 : count_fields(line, cuts[cut]);
}

/* Returns true if a line names columns again, as the header of a second table below the first
 * does. Such a line reads like names, and its first name is among the names of the header
 * above. */
static bool
names_columns_again(struct span line, struct span above, char cut)
{
	size_t from = first_field(line, cut);
	struct span first = without_quotes(span_cut(line, from, field_end(line, from, cut)));
	bool again = false;

	for (size_t i = first_field(above, cut); first.n && i <= above.n && !again;) {
		size_t end = field_end(above, i, cut);
		again = span_ieq(first, without_quotes(span_cut(above, i, end)));
		i = next_field(above, end, cut);
	}
	return again && are_names(line, cut);
}

/* Returns the line of a header. `header`: the result of header_of(). */
static struct span
header_line(struct columns *c, size_t header)
{
	return header == (size_t)CARRIED ? span_of(c->table->head, c->table->head_n)
					 : column_line_at(c, header, line_end(c->text, header));
}

/* Records the first line of each number of fields in [from, to), and whether the line is a
 * header. */
static void
note_widths(struct columns *c, struct column_run *run, unsigned cut, size_t from, size_t to)
{
	while (from < to && run->widths < COLUMN_WIDTHS) {
		size_t end = line_end(c->text, from), k = run->widths;
		if (end == SIZE_MAX)
			return;
		struct span line = column_line_at(c, from, end);
		unsigned n = fields_of(c, from, line, cut);
		while (k > 0 && run->width[k - 1].fields != n)
			k--;
		k = k ? k - 1 : run->widths;
		if (k < run->widths && run->width[k].names &&
			names_columns_again(
				line, header_line(c, run->width[k].line), cuts[cut]))
			k = run->widths;
		/* A sentence with a separator may come before the header. */
		if ((k == run->widths || !run->width[k].names) && n <= COLUMN_FIELDS &&
			!is_ruler(line)) {
			run->width[k].line = from;
			run->width[k].fields = n;
			run->width[k].names =
				!(c->inside && from == 0) && are_names(line, cuts[cut]);
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
		size_t above = line_start(c->text, from - 1);
		if (!is_line_start(c->text, above) ||
			!is_row(column_line_at(c, above, from - 1), cuts[cut]))
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

/* Determines whether the line around `at` is a row, and its header. */
static void
look_at_line(struct columns *c, size_t at)
{
	c->known = true;
	c->row = false;
	c->line = line_start(c->text, at);
	c->line_end = line_end(c->text, at);
	if (c->line_end == SIZE_MAX) {
		c->line_end = at + COLUMN_LINE;
		return;
	}
	c->line_end++;
	if ((c->line == 0 && !(c->table && c->table->head_n)) ||
		!is_line_start(c->text, c->line) || c->line_end - c->line > COLUMN_LINE)
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
		c->row = c->header < c->line || c->header == (size_t)CARRIED;
		c->cut = k;
		c->fields = n;
	}
	c->field = 0;
	c->field_at = first_field(line, cuts[c->cut % COLUMN_CUTS]);
}

static void
split_names(struct columns *c, struct span line, char cut)
{
	c->names = 0;
	for (size_t i = first_field(line, cut); i <= line.n && c->names < COLUMN_FIELDS;) {
		size_t end = field_end(line, i, cut);
		c->name[c->names++] = without_quotes(span_cut(line, i, end));
		i = next_field(line, end, cut);
	}
}

static void
split_header(struct columns *c, size_t at, unsigned cut)
{
	if (c->split == at + 1 && c->split_cut == cut)
		return;
	struct span line = header_line(c, at);
	char by = cuts[cut];
	sql_copy(&line, &by);
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
	       !memchr(c->text.p + c->header, '\n', head - c->header);
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
		c->field_at = first_field(line, cuts[c->cut]);
	}
	while (c->field + 1 < c->names) {
		size_t end = field_end(line, c->field_at, cuts[c->cut]);
		effort_add(8);
		if (in_line < end || end >= line.n)
			break;
		c->field_at = next_field(line, end, cuts[c->cut]);
		c->field++;
	}
	*out = (struct column){ .name = c->name[c->field],
		.index = c->field,
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
		if (x == '\t' || x == '|' || x == ';' || x == ',' ||
			(x == ' ' && line.p[i + 1] == ' '))
			return false;
		blanks += x == ' ';
		if (blanks > NAME_BLANKS)
			return true;
	}
	return false;
}

void
columns_judge_head(struct columns *c, size_t at)
{
	if (at >= c->judged) {
		size_t from = line_start(c->text, at), end = line_end(c->text, at);
		c->judged = end == SIZE_MAX ? at + COLUMN_LINE : end + 1;
		c->judged_head = false;
		if (end == SIZE_MAX || end - from > COLUMN_LINE ||
			!is_line_start(c->text, from) || (c->inside && from == 0))
			return;
		struct span line = column_line_at(c, from, end);
		if (end >= c->text.n || is_prose(line))
			goto out;
		/* The first separator of a header is near its beginning. */
		struct column_parts p = parts_of(span_cut(line, 0, COLUMN_NAME + 16));
		for (unsigned k = 0; k < COLUMN_CUTS && !c->judged_head; k++) {
			struct span list = line;
			char by = cuts[k];
			c->judged_head =
				(p.n[k] || sql_copy(&list, &by)) && are_names(list, by);
		}
	}
out:
	if (c->judged_head && c->heads < COLUMN_HEADERS)
		c->head[c->heads++] = at;
}

/* Passes those cells of the rows below a header whose field's bit is set in `wanted`. */
static bool
take_rows(struct columns *c, size_t from, unsigned fields, uint64_t wanted, columns_take *take,
	void *arg)
{
	char cut = cuts[c->split_cut];

	while (from < c->text.n && !effort_over()) {
		size_t end = line_end(c->text, from);
		if (end == SIZE_MAX)
			return true;
		effort_add(end - from);
		struct span line = column_line_at(c, from, end);
		bool goes_on = column_line_goes_on(c, end);
		if (!is_row(line, cut) && !goes_on)
			return true;
		unsigned n = count_fields(line, cut);
		bool ours = !is_ruler(line) && (n == fields || (goes_on && n < fields));
		if (ours &&
			header_of(run_to(c, c->split_cut, from, end), from, n, goes_on) == from)
			return true; /* the next table begins */
		unsigned k = 0;
		for (size_t i = first_field(line, cut); ours && i <= line.n && k < fields;
			k++) {
			size_t stop = field_end(line, i, cut), lead = column_lead(c, from);
			struct span cell = without_quotes(span_cut(line, i, stop));
			size_t at = cell.n ? (size_t)(cell.p - line.p) : 0;
			/* A cell that began before the text was passed with the earlier part. */
			if (wanted >> k & 1 && cell.n && c->name[k].n && at >= lead &&
				!take(arg, c->name[k], from + at - lead,
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

/* Records whether the rules' key at `at` may be in the names of an INSERT, after a parenthesis or a
 * comma. */
void
columns_judge_list(struct columns *c, size_t at)
{
	size_t i = span_back(c->text, at, at > COLUMN_NAME ? at - COLUMN_NAME : 0, is_word);

	i = span_back_set(c->text, i, 0, "\"`[");
	i = span_back(c->text, i, i > COLUMN_NAME ? i - COLUMN_NAME : 0, is_space);
	c->lists = i > 0 && is_one_of(c->text.p[i - 1], "(,");
}

/* Passes those cells of an INSERT's rows whose field's bit is set in `wanted`. tuples = tuple { ","
 * tuple }; tuple = "(" literal { "," literal } ")". */
static bool
take_tuples(struct columns *c, size_t at, uint64_t wanted, columns_take *take, void *arg)
{
	struct span t = c->text;

	while (at < t.n && t.p[at] == '(') {
		for (unsigned k = 0; at < t.n && t.p[at] != ')' && k < c->names; k++) {
			size_t begin = sql_past_blanks(t, at + 1);
			size_t end = begin < t.n ? sql_literal_end(t, begin, COLUMN_LINE) : t.n;
			begin = begin < end ? sql_string_begin(t, begin) : begin;
			struct span cell = without_quotes(span_cut(t, begin, end));
			if (end < t.n && wanted >> k & 1 && cell.n && c->name[k].n) {
				size_t start = (size_t)(cell.p - t.p);
				if (!take(arg, c->name[k], start, start + cell.n))
					return false;
			}
			effort_add(end < t.n ? end - at : COLUMN_LINE);
			at = sql_past_blanks(t, end);
		}
		at = at < t.n && t.p[at] == ')' ? sql_past_blanks(t, at + 1) : t.n;
		if (effort_over() || at >= t.n || t.p[at] != ',')
			break;
		at = sql_past_blanks(t, at + 1);
	}
	return true;
}

/* Passes the cells of all INSERTs. A dump repeats the same names, so `keys` is not asked again for
 * them. */
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
		split_names(c, names, ',');
		for (unsigned k = 0; k < c->names; k++)
			c->name[k] = without_quotes(span_trim(c->name[k], " \t\r\n"));
		c->split = 0; /* name[] has no header's names */
		if (!span_eq(names, last))
			wanted = keys(arg, c->name, c->names);
		last = names;
		more = !wanted || take_tuples(c, values, wanted, take, arg);
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
		if (!has_cut(line, cuts[k]) ||
			(n = count_fields(line, cuts[k])) > COLUMN_FIELDS ||
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
	size_t i = 0, first = c->lead ? line_end(c->text, 0) : SIZE_MAX;
	bool more = true;

	if (c->table && is_carried(c, c->table->cut))
		more = cells_of_table(c, take, keys, of, arg);
	if (more && first < c->text.n)
		more = cells_below(c, 0, first, &i, take, keys, arg);
	while (more && i < c->heads) {
		size_t from = line_start(c->text, c->head[i]);
		more = cells_below(c, from, line_end(c->text, from), &i, take, keys, arg);
	}
	if (more && c->lists)
		cells_of_lists(c, take, keys, arg);
}

/* ---- parts of a text ---- */

/* Updates the table after the line in t->line has ended. */
static void
line_passed(struct column_table *t)
{
	struct span line =
		line_of(span_of(t->line, t->line_n < COLUMN_LINE ? t->line_n : COLUMN_LINE), 0,
			SIZE_MAX);
	bool whole = line.n <= COLUMN_HEAD && t->line_n <= COLUMN_LINE; /* may be a header */

	if (t->head_n && (t->line_n > COLUMN_LINE || !is_row(line, cuts[t->cut])))
		t->head_n = 0;
	struct column_parts p =
		whole ? parts_of(line) : (struct column_parts){ .plain = false };
	for (unsigned k = 0; k < COLUMN_CUTS; k++) {
		unsigned n = p.n[k] || (whole && has_cut(line, cuts[k]))
				     ? count_fields(line, cuts[k])
				     : COLUMN_FIELDS + 1;
		bool other = !t->head_n || (k == t->cut && n != t->fields);
		bool again = t->head_n && k == t->cut && n == t->fields &&
			     names_columns_again(line, span_of(t->head, t->head_n), cuts[k]);
		if (n > COLUMN_FIELDS || (!other && !again) || is_ruler(line) ||
			!are_names(line, cuts[k]))
			continue;
		memcpy(t->head, line.p, line.n);
		t->head_n = line.n;
		t->cut = k;
		t->fields = n;
		t->keys_of = NULL;
		break;
	}
}

void
columns_pass(struct column_table *t, struct span text)
{
	while (text.n) {
		const char *end = memchr(text.p, '\n', text.n);
		size_t n = end ? (size_t)(end - text.p) : text.n;
		size_t room = t->line_n < COLUMN_LINE ? COLUMN_LINE - t->line_n : 0;
		if (n)
			memcpy(t->line + (room ? t->line_n : 0), text.p, n < room ? n : room);
		t->line_n += n;
		if (end) {
			line_passed(t);
			t->line_n = 0;
		}
		text = span_cut(text, n + (end != NULL), text.n);
	}
}
