/* Reading SQL as far as it says which column a value is in: the list of names in COPY and
 * INSERT, and where a literal ends (ISO 9075-2, 5.3: a quote in a string is doubled). Apart
 * from columns.c, which knows lines and separators and nothing of a language. */
#include <string.h>

#include "scan/detect/context/sql.h"

static bool
is_sql_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

bool
sql_copy(struct span *line, char *cut)
{
	if (*cut != '\t' || !span_starts(*line, SPAN_LIT("COPY ")))
		return false;
	size_t open = span_chr(*line, '('), close = span_chr(*line, ')');
	if (open >= close ||
		!span_starts(span_cut(*line, close, line->n), SPAN_LIT(") FROM stdin")))
		return false;
	*line = span_cut(*line, open + 1, close);
	*cut = ',';
	return true;
}

bool
sql_insert(struct span *line, size_t *values)
{
	const struct span insert = SPAN_LIT("INSERT INTO "), word = SPAN_LIT("VALUES");
	size_t from = sql_past_blanks(*line, 0);

	if (!span_ieq(span_cut(*line, from, from + insert.n), insert))
		return false;
	size_t open = span_chr(*line, '('), close = span_chr(*line, ')');
	size_t at = sql_past_blanks(*line, close + 1);
	if (open >= close || !span_ieq(span_cut(*line, at, at + word.n), word))
		return false;
	*values = at + word.n;
	*line = span_cut(*line, open + 1, close);
	return true;
}

size_t
sql_literal_end(struct span t, size_t at, size_t most)
{
	size_t to = t.n - at > most ? at + most : t.n;

	if (t.p[at] != '\'') {
		while (at < to && !memchr(",)\n", t.p[at], 3))
			at++;
		return at < to ? at : t.n;
	}
	for (at++; at < to; at++)
		if (t.p[at] == '\'' && (at + 1 >= t.n || t.p[++at] != '\''))
			return at;
	return t.n;
}

size_t
sql_past_blanks(struct span t, size_t at)
{
	while (at < t.n && is_sql_blank(t.p[at]))
		at++;
	return at;
}
