/* tollgate check --json. */
#include "cmd/check_json.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/span.h"

/* "file:line:column: message"; without a column, or a line, where there is none. */
static json_t *
mistake(struct span line)
{
	json_int_t at[2] = { 0, 0 };
	struct span file = { NULL, 0 }, rest = line;
	json_t *o = json_object();

	for (size_t i = 0; i + 1 < line.n; i++) {
		size_t k = i + 1, n = 0;
		if (line.p[i] != ':')
			continue;
		while (n < 2 && k < line.n && line.p[k] >= '0' && line.p[k] <= '9') {
			for (at[n] = 0; k < line.n && line.p[k] >= '0' && line.p[k] <= '9'; k++)
				at[n] = at[n] * 10 % 1000000000 + (line.p[k] - '0');
			n++;
			if (k < line.n && line.p[k] == ':')
				k++;
		}
		if (n && k < line.n && line.p[k] == ' ' && line.p[k - 1] == ':') {
			file = span_cut(line, 0, i);
			rest = span_cut(line, k + 1, line.n);
			at[1] = n == 2 ? at[1] : 0;
			break;
		}
		at[0] = at[1] = 0;
	}
	if (file.p)
		json_object_set_new(o, "file", json_stringn(file.p, file.n));
	if (at[0])
		json_object_set_new(o, "line", json_integer(at[0]));
	if (at[1])
		json_object_set_new(o, "column", json_integer(at[1]));
	json_t *text = json_stringn(rest.p, rest.n);
	json_object_set_new(o, "message", text ? text : json_string("no UTF-8"));
	return o;
}

static json_t *
lines_of(const struct buf *from, json_t *(*one)(struct span line), json_t *list)
{
	struct span rest = buf_view(from);

	while (rest.n)
		json_array_append_new(list, one(span_next(&rest, '\n')));
	return list;
}

static json_t *
note_of(struct span line)
{
	struct span s =
		span_starts(line, SPAN_LIT("note: ")) ? span_cut(line, 6, line.n) : line;
	json_t *text = json_stringn(s.p, s.n);

	return text ? text : json_string("no UTF-8");
}

void
check_print_json(bool valid, json_t *more, const struct buf *errors, const struct buf *haproxy,
	const struct buf *notes, const struct buf *advice)
{
	json_auto_t *o = json_pack("{s:b,s:o,s:o}", "valid", valid, "errors",
		lines_of(haproxy, mistake, lines_of(errors, mistake, json_array())), "notes",
		lines_of(advice, note_of, lines_of(notes, note_of, json_array())));

	json_object_update(o, more);
	char *text = json_dumps(o, JSON_COMPACT | JSON_ENSURE_ASCII);
	puts(text ? text : "{}");
	free(text);
}
