/* Reads the cells below names that are keys of rules: in rows below a header, in records, in
 * tables whose cells are marked, in tables of JSON, and in lists below a key. */
#include "scan/detect/context/cells.h"

#include <string.h>

#include "base/among.h"
#include "base/effort.h"
#include "base/mem.h"
#include "scan/detect/context/rows.h"

static void
push_place(struct columns *c, struct column_keys *k, size_t at)
{
	if (mem_room(&k->v, &k->room, k->n + 1, sizeof(*k->v)))
		k->v[k->n++] = at;
	else
		c->lost = true;
}

/* ---- records ---- */

/* Returns true if the line begins a record: "-[ RECORD 1 ]---" of psql's expanded print, "Row
 * 1:" of ClickHouse, or "*** 1. row ***" of MySQL. */
static bool
begins_record(struct span line)
{
	size_t i = span_past_set(line, 0, " ");
	struct span near = span_cut(line, i, i + 48);

	if (span_starts(near, SPAN_LIT("Row ")) && near.n > 5 && near.p[near.n - 1] == ':')
		return span_past(near, 4, is_digit) == near.n - 1;
	return memmem(near.p, near.n, "[ RECORD ", 9) || memmem(near.p, near.n, ". row ***", 9);
}

/* Returns true if the line has bars, or is drawn, or is a pair without a value. */
static bool
is_in_box(struct span line)
{
	return fields_is_row(FRAME_PIPE, line) || fields_is_row(FRAME_BOX, line) ||
	       (line.n && span_chr(line, ':') == line.n - 1);
}

bool
cells_line_in_record(struct columns *c, size_t line)
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
		above = rows_start(c, at - 1);
		struct span s = rows_line(c, above, at - 1);
		effort_add(16 + s.n / 4);
		found = begins_record(s);
		if (!found && !fields_pair(s, &name, &cell) && !is_in_box(s))
			break;
	}
	c->record = found;
	c->record_from = above;
	c->record_to = rows_end(c, line) == SIZE_MAX ? line + 1 : rows_end(c, line) + 1;
	return found;
}

/* Records a key at `at` that names the value in its line. Returns false if there is none. */
static bool
judge_pair(struct columns *c, size_t at)
{
	size_t from = rows_start(c, at), end = rows_end(c, from);
	struct span name, cell;

	if (c->pairs.n && c->pairs.v[c->pairs.n - 1] == from)
		return true;
	if (end == SIZE_MAX || !rows_line_start(c->text, from, c->mark) || rows_lead(c, from))
		return false;
	struct span line = rows_line(c, from, end);
	if (!fields_pair(line, &name, &cell) || at >= from + (size_t)(cell.p - line.p) ||
		!cells_line_in_record(c, from))
		return false;
	push_place(c, &c->pairs, from);
	return true;
}

/* Passes the value of the line at `from`, which is a name and a value. */
static bool
take_pair(struct columns *c, size_t from, columns_take *take, void *arg)
{
	struct span line = rows_line(c, from, rows_end(c, from)), name, cell;

	if (!fields_pair(line, &name, &cell))
		return true;
	size_t at = (size_t)(cell.p - line.p), lead = rows_lead(c, from);
	return at < lead || take(arg, name, from + at - lead, from + at - lead + cell.n);
}

static bool
cells_of_records(struct columns *c, columns_take *take, columns_keys *keys, void *arg)
{
	struct span name, cell;
	bool more = true;

	if (c->lead && c->table->record && rows_end(c, 0) != SIZE_MAX &&
		fields_pair(rows_line(c, 0, rows_end(c, 0)), &name, &cell) &&
		keys(arg, &name, 1))
		more = take_pair(c, 0, take, arg);
	for (size_t k = 0; k < c->pairs.n && more && !effort_over(); k++)
		more = take_pair(c, c->pairs.v[k], take, arg);
	return more;
}

bool
cells_in_record(struct span text)
{
	/* memchr() is the cheaper search, and few pieces of a stream have a bracket. */
	return (memchr(text.p, '[', text.n) && memmem(text.p, text.n, "[ RECORD ", 9)) ||
	       (memchr(text.p, 'R', text.n) && memmem(text.p, text.n, "Row ", 4)) ||
	       (memchr(text.p, '*', text.n) && memmem(text.p, text.n, ". row ***", 9));
}

/* ---- headers that are keys ---- */

/* Returns true if the line [from, end) may be a header. */
static bool
may_be_head(struct columns *c, size_t from, size_t end, struct span line)
{
	if (end >= c->text.n || fields_prose(line))
		return false;
	/* The first separator of a header is near its beginning. */
	struct fields_parts p = fields_parts(span_cut(line, 0, COLUMN_NAME + 16));
	for (unsigned k = 0; k < COLUMN_CUTS; k++)
		if ((p.n[k] || k == FRAME_LATEX) && fields_are_names(k, line))
			return true;
	if (fields_copy(line) || fields_are_names(FRAME_INDEXED, line))
		return true;
	size_t below = rows_may_be_ruled(c) ? rows_end(c, end + 1) : SIZE_MAX;
	return below != SIZE_MAX && fields_column_ruler(rows_line(c, end + 1, below)) &&
	       rows_own_header(c, FRAME_RULED, from, end, line) != SIZE_MAX;
}

void
columns_judge_head(struct columns *c, size_t at)
{
	bool pair = true; /* the line may be of a record */

	if (at >= c->judged) {
		size_t from = rows_start(c, at), end = rows_end(c, from);
		c->judged = end == SIZE_MAX ? at + COLUMN_LINE : end + 1;
		c->judged_head = false;
		if (end == SIZE_MAX || end - from > COLUMN_LINE ||
			!rows_line_start(c->text, from, c->mark) || (c->inside && from == 0))
			return;
		struct span line = rows_line(c, from, end), name, cell;
		pair = from > 0 ? fields_pair(line, &name, &cell)
				: c->table && c->table->record;
		c->judged_head = may_be_head(c, from, end, line);
	}
	if (pair && judge_pair(c, at))
		c->judged_head = false;
	if (c->judged_head)
		push_place(c, &c->heads, at);
}

/* Records whether the rules' key at `at` may be in a table of JSON: after a parenthesis, a
 * comma, a bracket, or a colon and a quote. The same for a table whose cells are marked: also
 * after a tag, a bar, or the mark of a list. */
void
columns_judge_list(struct columns *c, size_t at)
{
	size_t i = span_back(c->text, at, at > COLUMN_NAME ? at - COLUMN_NAME : 0, is_word);

	i = span_back_set(c->text, i, 0, "\"`[");
	bool quoted = is_one_of(c->text.p[i], "\"[");
	c->lists |= quoted && c->text.p[i] == '[';
	i = span_back(c->text, i, i > COLUMN_NAME ? i - COLUMN_NAME : 0, is_space);
	if (i == 0)
		return;
	c->lists |= is_one_of(c->text.p[i - 1], quoted ? "(,:" : "(,");
	c->marked |= is_one_of(c->text.p[i - 1], "(,>]|!-");
}

/* Passes those cells of the rows below a header whose field's bit is set in `wanted`. *rows
 * becomes true if there is a row. */
static bool
take_rows(struct columns *c, size_t from, size_t header, unsigned frame, uint64_t wanted,
	columns_take *take, void *arg, bool *rows)
{
	struct field_place v[COLUMN_FIELDS];

	rows_split_header(c, header, frame);
	const struct span head = rows_header_line(c, frame, header);
	unsigned fields = c->names, index;
	for (size_t end; from < c->text.n && !effort_over(); from = end + 1) {
		end = rows_end(c, from);
		if (end == SIZE_MAX)
			return true;
		effort_add(end - from);
		struct span line = rows_line(c, from, end);
		bool goes_on = rows_goes_on(c, end);
		if (!fields_is_row(frame, line) && !goes_on)
			return true;
		unsigned n = fields_split(frame, head, line, goes_on, v, &index);
		if (fields_ruler(line) || n > COLUMN_FIELDS || n == 0 ||
			(n != fields + index && !(goes_on && n < fields + index)))
			continue;
		size_t own = rows_header(c, frame, from, end, line);
		if (own == from)
			return true; /* the next table begins */
		size_t lead = rows_lead(c, from);
		*rows = true;
		for (unsigned k = index; k < n; k++) {
			struct span cell = without_quotes(span_cut(line, v[k].from, v[k].to));
			size_t at = cell.n ? (size_t)(cell.p - line.p) : 0;
			struct span name = c->name[k - index];
			/* A cell that began before the text was passed with the earlier part.
			 */
			if (wanted >> (k - index) & 1 && cell.n && name.n && at >= lead &&
				!take(arg, name, from + at - lead, from + at - lead + cell.n))
				return false;
		}
	}
	return true;
}

/* Returns the fields of a header's line that contain a key, a bit for each. */
static uint64_t
wanted_fields(const struct columns *c, size_t line, size_t end, size_t *next)
{
	uint64_t wanted = 0;

	for (; *next < c->heads.n && c->heads.v[*next] < end; ++*next)
		for (unsigned k = 0; k < c->names; k++) {
			size_t at = c->name[k].n ? (size_t)(c->name[k].p - c->text.p) : 0;
			if (c->heads.v[*next] >= line && c->name[k].n &&
				c->heads.v[*next] >= at &&
				c->heads.v[*next] < at + c->name[k].n)
				wanted |= UINT64_C(1) << k;
		}
	return wanted;
}

/* Passes the cells below the line [from, end) if the line is a header. *next moves past the
 * keys in the line. */
static bool
cells_below(struct columns *c, size_t from, size_t end, size_t *next, columns_take *take,
	columns_keys *keys, void *arg)
{
	struct span line = rows_line(c, from, end);
	bool used = false, more = true, ruled = rows_may_be_ruled(c);
	const size_t first = *next;

	for (unsigned k = 0; k < COLUMN_FRAMES && !used; k++) {
		unsigned frame = fields_order[k];
		if ((frame == FRAME_RULED && !ruled) || !fields_has(frame, line))
			continue;
		size_t header = rows_own_header(c, frame, from, end, line);
		if (header != from && header != (size_t)ABOVE)
			continue;
		rows_split_header(c, header, frame);
		*next = first;
		/* The list of places has no keys that stand before the text. */
		uint64_t wanted = rows_lead(c, from) || header != from
					  ? keys(arg, c->name, c->names)
					  : wanted_fields(c, from, end, next);
		used = !wanted;
		more = !wanted ||
		       take_rows(c, end + 1, header, frame, wanted, take, arg, &used);
	}
	while (*next < c->heads.n && c->heads.v[*next] <= end)
		++*next;
	return more;
}

/* Passes the cells of the tables that began before the text. */
static bool
cells_of_carried(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg)
{
	bool more = true, rows = false;

	for (unsigned k = 0; k < COLUMN_HEADS && more; k++) {
		struct column_head *h = &c->table->head[k];
		size_t header = (size_t)CARRIED + k, end;
		if (!h->n || c->inside)
			continue;
		if (!h->fields) {
			/* The ruler may be the first line. */
			if (!rows_may_be_ruled(c) || (end = rows_end(c, 0)) == SIZE_MAX)
				continue;
			const struct column_run *run = rows_run_to(c, FRAME_RULED, 0, end);
			if (!run->widths || run->width[0].line != (size_t)ABOVE)
				continue;
			rows_split_header(c, (size_t)ABOVE, FRAME_RULED);
			uint64_t wanted = keys(arg, c->name, c->names);
			return !wanted || take_rows(c, end + 1, (size_t)ABOVE, FRAME_RULED,
						  wanted, take, arg, &rows);
		}
		rows_split_header(c, header, h->frame);
		if (h->keys_of != of) {
			h->keys = keys(arg, c->name, c->names);
			h->keys_of = of;
		}
		more = !h->keys || take_rows(c, 0, header, h->frame, h->keys, take, arg, &rows);
	}
	return more;
}

/* ---- marked cells ---- */

static void
split_marked(struct columns *c, const struct marked_table *s)
{
	rows_forget_header(c);
	c->names = marked_names(s, c->name, COLUMN_FIELDS);
}

static bool
cells_of_marked(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg)
{
	struct marked_table s = { .frame = 0 }, *carried = c->table ? &c->table->marked : &s;
	struct marked_cell cell;
	bool split = false;

	if (carried->fields && (carried->renamed || carried->keys_of != of)) {
		split_marked(c, carried);
		carried->keys = keys(arg, c->name, c->names);
		carried->keys_of = of;
		carried->renamed = false;
	}
	if (c->table)
		s = *carried;
	for (size_t at = 0; at < c->text.n && !effort_over();) {
		if (!marked_next(&s, c->text, &at, &cell))
			break;
		if (!split || s.renamed)
			split_marked(c, &s);
		if (s.renamed)
			s.keys = keys(arg, c->name, c->names);
		s.renamed = false;
		split = true;
		if (cell.begun || !(s.keys >> cell.field & 1) || cell.field >= c->names)
			continue;
		struct span v = span_trim(span_cut(c->text, cell.start, cell.end), " \t\r\n");
		v = without_quotes(v);
		size_t start = v.n ? (size_t)(v.p - c->text.p) : 0;
		if (v.n && !span_ieq(v, c->name[cell.field]) &&
			!take(arg, c->name[cell.field], start, start + v.n))
			return false;
	}
	return true;
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
		i = span_past(near, i + 1, is_line_space);
	size_t digits = span_past(span_cut(near, 0, i + 6), i, is_digit);
	if (digits > i && digits + 1 < near.n && is_one_of(near.p[digits], ".)") &&
		near.p[digits + 1] == ' ')
		i = span_past(near, digits + 1, is_line_space);
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
	i = span_past(near, i, is_line_space);
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
	push_place(c, &c->items, at);
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

	for (size_t k = 0; k < c->items.n && more; k++) {
		size_t at = c->items.v[k];
		size_t end =
			span_past(span_cut(c->text, 0, at + COLUMN_NAME), at, is_name_letter);
		more = take_items(
			c, span_cut(c->text, at, end), items_after(c->text, end), take, arg);
	}
	return more;
}

/* Passes the items of the list that began before the text. */
static bool
cells_of_carried_items(struct columns *c, columns_take *take, void *arg)
{
	const struct column_items *l = &c->table->items;

	return take_items(c, span_of(l->name, l->n), c->table->line_n ? past_item(c->text) : 0,
		take, arg);
}

void
cells_pass_items(struct column_table *t, struct span text)
{
	size_t n, at = t->line_n ? past_item(text) : 0;

	if (!t->items.n)
		return;
	at = at < text.n ? past_items(text, at, &n) : at;
	if (text.n - at > COLUMN_LINE / 4)
		t->items.n = 0;
}

void
cells_begin_items(struct column_table *t, struct span text)
{
	size_t line = text.n, from = text.n, end, n;
	const char *open = memrchr(text.p, '[', text.n);

	/* the first line of those at the end that are one item each */
	while (line > 0) {
		size_t start = rows_line_begin(text, line - 1, '\n');
		if (!rows_line_start(text, start, '\n') ||
			(line < text.n &&
				next_item(span_cut(text, 0, line), start, &end) >= line))
			break;
		from = line;
		line = start;
	}
	/* Its name is the line above, or the first line itself; a bracket is nearer. */
	for (unsigned k = 0; k < 3 && !t->items.n; k++) {
		size_t at = k == 0   ? (open ? (size_t)(open - text.p) : 0)
			    : k == 1 ? (line ? line - 1 : 0)
				     : (from < text.n ? from - 1 : 0);
		while (k && at > 0 && text.p[at - 1] == '\n')
			at--;
		size_t stop = at ? rows_line_begin(text, at, '\n') : 0, start = stop;
		while (stop < at && items_after(text, stop) != at + 1)
			stop++;
		start = span_back(text, stop, stop > COLUMN_NAME ? stop - COLUMN_NAME : 0,
			is_name_letter);
		if (!at || start == stop || items_after(text, stop) != at + 1 ||
			past_items(text, at + 1, &n) + COLUMN_LINE / 4 < text.n || n < 3)
			continue;
		t->items.n = stop - start < COLUMN_NAME ? stop - start : COLUMN_NAME;
		memcpy(t->items.name, text.p + start, t->items.n);
	}
}

/* ---- all of them ---- */

void
columns_cells(
	struct columns *c, columns_take *take, columns_keys *keys, const void *of, void *arg)
{
	size_t i = 0, first = c->lead ? rows_end(c, 0) : SIZE_MAX;
	bool more = true;

	if (c->table)
		more = cells_of_carried(c, take, keys, of, arg);
	if (more && first < c->text.n)
		more = cells_below(c, 0, first, &i, take, keys, arg);
	while (more && i < c->heads.n) {
		size_t from = rows_start(c, c->heads.v[i]);
		more = cells_below(c, from, rows_end(c, from), &i, take, keys, arg);
	}
	rows_forget_header(c); /* these are not in a table with a header */
	if (more && (c->pairs.n || (c->table && c->table->record)))
		more = cells_of_records(c, take, keys, arg);
	if (more && (c->marked || (c->table && c->table->marked.frame)))
		more = cells_of_marked(c, take, keys, of, arg);
	if (more && c->lists)
		more = json_cells(c, take, keys, arg);
	rows_forget_header(c);
	if (more && c->table && c->table->items.n)
		more = cells_of_carried_items(c, take, arg);
	if (more)
		cells_of_items(c, take, arg);
}
