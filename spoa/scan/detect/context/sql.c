/* Reading SQL as far as it says which column a value is in: the list of names in COPY and
 * INSERT, and where a literal ends (ISO 9075-2, 5.3: a quote in a string is doubled). Apart
 * from columns.c, which knows lines and separators and nothing of a language. */
#include <string.h>

#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/context/sql.h"

static bool
is_sql_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
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

/* ---- INSERT ---- */

/* A part of a table's or a column's name, with what quotes it in some dialect. */
static bool
is_sql_name(char c)
{
	return is_word(c) || is_high(c) || is_one_of(c, ".\"`[]$#-");
}

/* Between the list of names and VALUES: OVERRIDING SYSTEM VALUE (ISO 9075-2, 14.11), OUTPUT
 * (SQL Server), and the joint of two strings of a program. */
static bool
is_before_values(char c)
{
	return is_word(c) || is_sql_blank(c) || is_one_of(c, ".\"'+\\");
}

/* The offset behind VALUES or VALUE, at which a tuple begins, in the text behind the names; 0
 * if there is none. */
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

/* Returns the offset after the table's name, or 0 if there is none. The name begins at `at`, or after blanks at `at`. */
static size_t
behind_table(struct span t, size_t at)
{
	enum { MOST = 160 };
	size_t from = sql_past_blanks(t, at);
	size_t to = span_past(span_cut(t, 0, from + MOST), from, is_sql_name);

	return from > at && to > from ? sql_past_blanks(t, to) : 0;
}

bool
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

/* Returns true if the quote at `at` ends its string. A backslash before the quote escapes it, as in MySQL,
 * unless what follows the quote shows that the string has ended. */
static bool
is_closing_quote(struct span t, size_t at)
{
	size_t next = sql_past_blanks(t, at + 1);

	return t.p[at - 1] != '\\' || next >= t.n || is_one_of(t.p[next], ",);");
}

/* Behind the string that begins at `at`; t.n if it does not end before `to`. */
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

size_t
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

size_t
sql_string_begin(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + 8), at, is_word);

	return i < t.n && t.p[i] == '\'' ? i : at;
}

size_t
sql_past_blanks(struct span t, size_t at)
{
	return span_past(t, at, is_sql_blank);
}
