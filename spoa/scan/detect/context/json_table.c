/* Reads tables of JSON: names in one list, and rows in another, in one part of a text. */
#include <string.h>

#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/context/cells.h"

enum { COLUMN_NAMES = 2048 /* bytes of a list of names */ };

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
bool
json_cells(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
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
