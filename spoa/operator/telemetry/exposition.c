/* Splits our own /metrics into lines and labels. A label's value may contain any byte except an
 * unescaped quote or newline. */
#include "operator/telemetry/exposition.h"

#include <string.h>

/* Returns the position of the first } that is not inside a quoted value. */
static size_t
labels_end(struct span s)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < s.n && (quoted || s.p[i] != '}'); i++) {
		if (quoted && s.p[i] == '\\')
			i++;
		else if (s.p[i] == '"')
			quoted = !quoted;
	}
	return i < s.n ? i : s.n;
}

static enum exposition_line
read_sample(struct exposition *e, struct span line)
{
	size_t n = 0;

	while (n < line.n && line.p[n] != '{' && line.p[n] != ' ')
		n++;
	e->name = span_cut(line, 0, n);
	e->labels = span_cut(line, 0, 0);
	line = span_cut(line, n, line.n);
	if (line.n && line.p[0] == '{') {
		size_t end = labels_end(line);
		e->labels = span_cut(line, 1, end);
		line = span_cut(line, end < line.n ? end + 1 : end, line.n);
	}
	line = span_trim(line, " ");
	e->value = span_next(&line, ' ');
	e->exemplar = span_starts(line, SPAN_LIT("# {")) ? span_cut(line, 2, line.n)
							 : span_cut(line, 0, 0);
	return LINE_SAMPLE;
}

enum exposition_line
exposition_next(struct exposition *e)
{
	while (e->rest.n) {
		struct span line = span_next(&e->rest, '\n');
		bool help = span_starts(line, SPAN_LIT("# HELP "));
		if (!line.n)
			continue;
		if (line.p[0] != '#')
			return read_sample(e, line);
		if (!help && !span_starts(line, SPAN_LIT("# TYPE ")))
			continue;
		e->text = span_cut(line, 7, line.n);
		e->name = span_next(&e->text, ' ');
		return help ? LINE_HELP : LINE_TYPE;
	}
	return LINE_END;
}

bool
exposition_label(struct span *labels, struct span *name, struct span *value)
{
	size_t i;

	if (labels->n && labels->p[0] == ',')
		*labels = span_cut(*labels, 1, labels->n);
	for (i = 0; i < labels->n && labels->p[i] != '='; i++)
		;
	if (i + 2 > labels->n || labels->p[i + 1] != '"')
		return false;
	*name = span_cut(*labels, 0, i);
	size_t at = i + 2, end = at;
	while (end < labels->n && labels->p[end] != '"')
		end += labels->p[end] == '\\' ? 2 : 1;
	if (end >= labels->n)
		return false;
	*value = span_cut(*labels, at, end);
	*labels = span_cut(*labels, end + 1, labels->n);
	return true;
}

struct span
exposition_family(struct span name, struct span type)
{
	bool total = span_is(type, "counter") && span_ends(name, SPAN_LIT("_total"));

	return span_cut(name, 0, name.n - (total ? strlen("_total") : 0));
}

struct span
exposition_unit(struct span family)
{
	static const char *const units[] = { "_seconds", "_bytes", "_ratio" };

	for (size_t i = 0; i < COUNT_OF(units); i++)
		if (span_ends(family, span_str(units[i])))
			return span_cut(family, family.n - strlen(units[i]) + 1, family.n);
	return span_cut(family, 0, 0);
}
