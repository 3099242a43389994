/* The rows of tables in a text, the runs of adjacent rows, and the headers above them. A run is
 * read from a row upwards, and is continued when a later row is asked for. */
#include "scan/detect/context/rows.h"

#include <stdlib.h>
#include <string.h>

#include "base/among.h"
#include "base/effort.h"
#include "base/mem.h"

/* ---- lines ---- */

/* Returns the byte that ends the lines of a text: a line feed, or a carriage return if the text
 * has no line feed. `was`: the result for an earlier part. Returns 0 as long as no line has
 * ended. */
char
rows_line_mark(struct span t, char was)
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
size_t
rows_line_begin(struct span t, size_t at, char mark)
{
	size_t from = at > COLUMN_LINE ? at - COLUMN_LINE : 0;
	const char *p = at > from ? memrchr(t.p + from, mark, at - from) : NULL;

	effort_add((p ? at - (size_t)(p - t.p) : at - from) / 4);
	return p ? (size_t)(p - t.p) + 1 : from;
}

bool
rows_line_start(struct span t, size_t i, char mark)
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

	while (line.n && is_line_space(line.p[line.n - 1]) && line.p[line.n - 1] != '\t')
		line.n--;
	return line;
}

struct span
rows_line(struct columns *c, size_t from, size_t to)
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

char
rows_mark(struct columns *c)
{
	if (!c->mark) {
		c->mark = rows_line_mark(c->text, c->table ? c->table->mark : 0);
		c->mark = c->mark ? c->mark : '\n';
	}
	return c->mark;
}

/* ---- rows of several lines ---- */

/* the bytes between cells that may be in quotes */
static const char cell_ends[] = "\t;,\n\r";

enum quoted_cell { CELL_NONE, CELL_CLOSED, CELL_OPEN };

/* Finds the end of the quoted cell whose opening quote is at q, which is at the beginning of
 * the text or after a separator. *end becomes the offset after the closing quote, or t.n if it
 * is missing, or the end of what was examined. A quote in a cell is doubled (RFC 4180). */
static enum quoted_cell
quoted_cell(struct span t, size_t q, size_t *end)
{
	*end = q + 1;
	if (q > 0 && !is_one_of(t.p[q - 1], cell_ends))
		return CELL_NONE;
	for (size_t i = q + 1; i < t.n; i++) {
		const char *quote = memchr(t.p + i, '"', t.n - i);
		if (!quote)
			break;
		*end = i = (size_t)(quote - t.p) + 1;
		if (i >= t.n || is_one_of(t.p[i], cell_ends))
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

/* Records that the line around `at` and the next ones, up to that around `to`, are one row. */
static void
push_row(struct columns *c, size_t at, size_t to)
{
	struct column_rows *r = &c->rows;
	size_t from = rows_line_begin(c->text, at, c->mark),
	       end = line_end(c->text, to, c->mark);

	if (r->n && from <= r->v[r->n - 1].to)
		from = r->v[--r->n].from;
	if (!rows_line_start(c->text, from, c->mark) || end == SIZE_MAX ||
		end - from + rows_lead(c, from) > COLUMN_LINE)
		return;
	if (!mem_room(&r->v, &r->room, r->n + 1, sizeof(*r->v))) {
		c->lost = true;
		return;
	}
	r->v[r->n].from = from;
	r->v[r->n++].to = end;
}

/* Returns true if a cell may begin with the text's first byte. */
static bool
begins_cell(const struct columns *c)
{
	return !c->inside && (!c->lead || is_one_of(c->table->line[c->lead - 1], cell_ends));
}

/* Finds the rows that have line ends in quoted cells. */
static void
find_rows(struct columns *c)
{
	struct span t = c->text;
	char mark = rows_mark(c);
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
		else if ((q > 0 || begins_cell(c)) && memchr(t.p + q, mark, end - q))
			push_row(c, q, end);
	}
}

/* Returns the row of several lines that begins at or before `at` and ends at or after it, or
 * NULL. */
const struct column_row *
rows_of_lines(struct columns *c, size_t at)
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
size_t
rows_end(struct columns *c, size_t from)
{
	const struct column_row *r = rows_of_lines(c, from);

	return r ? r->to : line_end(c->text, from, c->mark);
}

/* Returns the offset of the first byte of the row around `at`, or an offset within it if it is
 * too long. */
size_t
rows_start(struct columns *c, size_t at)
{
	const struct column_row *r = rows_of_lines(c, at);

	return r ? r->from : rows_line_begin(c->text, at, c->mark);
}

/* ---- runs and headers ---- */

const struct fields_parts *
rows_parts(struct columns *c, size_t from, struct span line)
{
	if (c->parts_of != from + 1)
		c->parts = fields_parts(line);
	c->parts_of = from + 1;
	return &c->parts;
}

/* Returns the number of fields of the line at `from`. */
static unsigned
row_fields(struct columns *c, size_t from, struct span line, unsigned frame)
{
	const struct fields_parts *p = rows_parts(c, from, line);

	return p->plain && p->n[frame] ? p->n[frame] + 1 : fields_count(frame, line);
}

struct span
rows_header_line(struct columns *c, unsigned frame, size_t header)
{
	if (header >= (size_t)CARRIED && header < (size_t)CARRIED + COLUMN_HEADS) {
		const struct column_head *h = &c->table->head[header - (size_t)CARRIED];
		return span_of(c->table->kept + h->from, h->n);
	}
	if (header == (size_t)ABOVE)
		return span_of(c->above, c->above_n);
	size_t end = rows_end(c, header);
	struct span line = rows_line(c, header, end);
	if (frame != FRAME_RULED)
		return line;
	line = rows_line(c, end + 1, rows_end(c, end + 1));
	return span_cut(c->text, header, end + 1 + line.n);
}

/* Returns true if a line names columns again, as the header of a second table below the first
 * does. Such a line reads like names, and its first name is among the names of the header
 * above. */
static bool
names_columns_again(unsigned frame, struct span line, struct span above)
{
	struct span first = fields_first(frame, line);
	struct field_place v[COLUMN_FIELDS];
	bool again = false;
	unsigned none, n;

	if (!is_column_name(first))
		return false;
	n = fields_split(frame, SPAN_LIT(""), above, false, v, &none);
	for (unsigned k = 0; k < n && n <= COLUMN_FIELDS && !again; k++)
		again = span_ieq(first, column_name_in(span_cut(above, v[k].from, v[k].to)));
	return again && fields_are_names(frame, line);
}

/* Adds a header, or the first line with a number of fields. */
static void
push_width(struct column_run *run, size_t line, unsigned fields, bool names)
{
	size_t k = run->widths < COLUMN_WIDTHS ? run->widths++ : COLUMN_WIDTHS - 1u;

	run->width[k].line = line;
	run->width[k].fields = fields;
	run->width[k].names = names;
}

/* Takes a ruler of columns, whose names are in the line above. */
static void
note_ruler(struct columns *c, struct column_run *run, size_t from, struct span ruler)
{
	struct field_place v[COLUMN_FIELDS];
	size_t last = run->last;
	struct span line, head;
	unsigned index;

	if (last == SIZE_MAX || ruler.n >= sizeof(c->above))
		return;
	line = last == (size_t)ABOVE	 ? span_of(c->above, c->above_n)
	       : last >= (size_t)CARRIED ? rows_header_line(c, FRAME_RULED, last)
					 : rows_line(c, last, rows_end(c, last));
	if (last < (size_t)CARRIED && (last > 0 || !c->lead)) {
		head = span_cut(c->text, last, from + ruler.n);
	} else if (line.n + ruler.n + 1 <= sizeof(c->above)) {
		memmove(c->above, line.p, line.n);
		c->above[line.n] = '\n';
		memcpy(c->above + line.n + 1, ruler.p, ruler.n);
		c->above_n = line.n + 1 + ruler.n;
		head = span_of(c->above, c->above_n);
		last = (size_t)ABOVE;
	} else {
		return;
	}
	if (fields_are_names(FRAME_RULED, head))
		push_width(run, last,
			fields_split(
				FRAME_RULED, head, span_cut(head, 0, line.n), false, v, &index),
			true);
}

/* Records the first line of each number of fields in [from, to), and whether the line is a
 * header. */
static void
note_widths(struct columns *c, struct column_run *run, unsigned frame, size_t from, size_t to)
{
	for (size_t end; from < to; from = end + 1) {
		end = rows_end(c, from);
		if (end == SIZE_MAX)
			return;
		struct span line = rows_line(c, from, end);
		size_t k = run->widths;
		if (frame == FRAME_RULED) {
			if (fields_column_ruler(line))
				note_ruler(c, run, from, line);
			run->last = from;
			continue;
		}
		if (frame == FRAME_INDEXED) {
			struct field_place v[COLUMN_FIELDS];
			unsigned index;
			if (!(c->inside && from == 0) && fields_are_names(frame, line))
				push_width(run, from,
					fields_split(
						frame, SPAN_LIT(""), line, false, v, &index),
					true);
			continue;
		}
		if (run->widths == COLUMN_WIDTHS)
			return;
		unsigned n = row_fields(c, from, line, frame);
		while (k > 0 && run->width[k - 1].fields != n)
			k--;
		k = k ? k - 1 : run->widths;
		if (k < run->widths && run->width[k].names &&
			names_columns_again(
				frame, line, rows_header_line(c, frame, run->width[k].line)))
			k = run->widths;
		/* A sentence with a separator may come before the header. */
		if ((k == run->widths || !run->width[k].names) && n <= COLUMN_FIELDS &&
			!fields_ruler(line)) {
			run->width[k].line = from;
			run->width[k].fields = n;
			run->width[k].names =
				!(c->inside && from == 0) && fields_are_names(frame, line);
			run->widths += k == run->widths;
		}
	}
}

size_t
rows_carried(const struct columns *c, unsigned frame)
{
	for (unsigned k = 0; c->table && !c->inside && k < COLUMN_HEADS; k++)
		if (c->table->head[k].n && c->table->head[k].frame == frame)
			return (size_t)CARRIED + k;
	return SIZE_MAX;
}

struct column_run *
rows_run_to(struct columns *c, unsigned frame, size_t line, size_t end)
{
	struct column_run *run = &c->run[frame];
	size_t from = line, carried;

	if (line >= run->from && line < run->to)
		return run;
	while (from > 0 && from != run->to) {
		size_t above = rows_start(c, from - 1);
		if (!rows_line_start(c->text, above, c->mark) ||
			!fields_is_row(frame, rows_line(c, above, from - 1)))
			break;
		from = above;
	}
	if (from == 0 || from != run->to)
		*run = (struct column_run){ .from = from, .last = SIZE_MAX };
	if (from == 0 && (carried = rows_carried(c, frame)) != SIZE_MAX) {
		const struct column_head *h = &c->table->head[carried - (size_t)CARRIED];
		if (h->fields)
			push_width(run, carried, h->fields, true);
		else
			run->last = carried;
	}
	note_widths(c, run, frame, from, end + 1);
	run->to = end + 1;
	return run;
}

/* Returns the header for the line at `line`, which has n fields, or SIZE_MAX. The header is the
 * last line with as many fields that is not below `line`. `goes_on`: more fields may follow. */
static size_t
header_of(const struct column_run *run, size_t line, unsigned n, bool goes_on)
{
	for (size_t k = run->widths; k-- > 0;) {
		size_t at = run->width[k].line;
		bool fits = goes_on ? run->width[k].fields >= n && run->width[k].names
				    : run->width[k].fields == n;
		if (fits && (at <= line || is_before_text(at)))
			return run->width[k].names ? at : SIZE_MAX;
	}
	return SIZE_MAX;
}

/* Returns the header of a row that is aligned with spaces: the last one whose columns fit. */
static size_t
header_of_places(struct columns *c, const struct column_run *run, unsigned frame, size_t at,
	struct span line, bool goes_on)
{
	struct field_place v[COLUMN_FIELDS];
	unsigned index;

	for (size_t k = run->widths; k-- > 0;) {
		size_t header = run->width[k].line;
		if (!run->width[k].names || (header >= at && !is_before_text(header)))
			continue;
		unsigned n = fields_split(
			frame, rows_header_line(c, frame, header), line, goes_on, v, &index);
		if (n == run->width[k].fields + index)
			return header;
	}
	return SIZE_MAX;
}

size_t
rows_header(struct columns *c, unsigned frame, size_t from, size_t end, struct span line)
{
	bool goes_on = rows_goes_on(c, end);

	if (frame == FRAME_RULED && c->ruled == RULED_NO)
		return SIZE_MAX;
	if (frame >= COLUMN_CUTS) {
		if (!fields_has(frame, line))
			return SIZE_MAX;
		return header_of_places(
			c, rows_run_to(c, frame, from, end), frame, from, line, goes_on);
	}
	const struct fields_parts *p = rows_parts(c, from, line);
	unsigned n = p->n[frame] ? row_fields(c, from, line, frame) : COLUMN_FIELDS + 1;
	/* the first field of an incomplete row */
	if (goes_on && !p->n[frame] && rows_carried(c, frame) != SIZE_MAX)
		n = 1;
	if (n > COLUMN_FIELDS)
		return SIZE_MAX;
	const struct column_run *run = rows_run_to(c, frame, from, end);
	size_t header = header_of(run, from, n, goes_on);
	if (frame == FRAME_GAP && (header == SIZE_MAX || goes_on)) {
		size_t other = header_of_places(c, run, frame, from, line, goes_on);
		header = other != SIZE_MAX ? other : header;
	}
	return header;
}

size_t
rows_own_header(struct columns *c, unsigned frame, size_t from, size_t end, struct span line)
{
	if (frame >= COLUMN_CUTS) {
		struct column_run *run;
		if (frame == FRAME_RULED && c->ruled == RULED_NO)
			return SIZE_MAX;
		run = rows_run_to(c, frame, from, end);
		/* the ruler is the next line */
		if (frame == FRAME_RULED && end + 1 < c->text.n &&
			rows_end(c, end + 1) != SIZE_MAX)
			run = rows_run_to(c, frame, end + 1, rows_end(c, end + 1));
		for (size_t k = run->widths; k-- > 0;)
			if (run->width[k].names &&
				(run->width[k].line == from ||
					(from == 0 && run->width[k].line == (size_t)ABOVE)))
				return run->width[k].line;
		return SIZE_MAX;
	}
	unsigned n = fields_count(frame, line);
	return n > COLUMN_FIELDS ? SIZE_MAX
				 : header_of(rows_run_to(c, frame, from, end), from, n, false);
}

/* Returns true if the text has two parts of a ruler with spaces between them, or may have its
 * end. */
static bool
has_ruler(struct span t)
{
	static const char *const parts[] = { "- -", "-  -", "= =", "=  =" };

	for (size_t k = 0; k < COUNT_OF(parts); k++)
		if (t.n && memchr(t.p, parts[k][0], t.n) &&
			memmem(t.p, t.n, parts[k], strlen(parts[k])))
			return true;
	return false;
}

bool
rows_may_be_ruled(struct columns *c)
{
	if (c->ruled == RULED_UNKNOWN) {
		bool found =
			rows_carried(c, FRAME_RULED) != SIZE_MAX &&
			c->table->head[rows_carried(c, FRAME_RULED) - (size_t)CARRIED].fields;
		found = found || has_ruler(c->text) ||
			(c->lead && has_ruler(span_of(c->table->line, c->lead)));
		effort_add(c->text.n / 64);
		c->ruled = found ? RULED_YES : RULED_NO;
	}
	return c->ruled == RULED_YES;
}
