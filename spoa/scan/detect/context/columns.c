/* Finds the column of a place in a text, and keeps the tables of its parts. A table is searched
 * for from a value upwards, and only for a value that may be a candidate. Text without
 * candidates is not read. */
#include "scan/detect/context/columns.h"

#include <stdlib.h>
#include <string.h>

#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/context/cells.h"
#include "scan/detect/context/rows.h"

void
columns_begin(struct columns *c, struct span text, bool inside, struct column_table *table)
{
	c->text = text;
	c->table = table;
	c->lead = table && table->line_n <= COLUMN_LINE ? table->line_n : 0;
	c->joined_n = c->above_n = 0;
	c->inside = table ? table->line_n > c->lead : inside;
	c->known = false;
	c->mark = 0;
	c->ruled = RULED_UNKNOWN;
	c->rows.known = false;
	c->rows.n = 0;
	c->parts_of = 0;
	rows_forget_header(c);
	c->heads.n = c->items.n = c->pairs.n = 0;
	c->judged = c->items_end = 0;
	c->record_from = c->record_to = 0;
	c->lists = c->marked = c->lost = false;
	for (size_t i = 0; i < COLUMN_FRAMES; i++)
		c->run[i] = (struct column_run){ 0 };
}

void
columns_free(struct columns *c)
{
	free(c->rows.v);
	free(c->heads.v);
	free(c->items.v);
	free(c->pairs.v);
}

/* ---- the column of a place ---- */

/* Returns true if the parts passed so far end in a table. */
static bool
is_in_table(const struct column_table *t)
{
	bool in = false;

	for (unsigned k = 0; k < COLUMN_HEADS; k++)
		in |= t->head[k].n && t->head[k].fields;
	return in;
}

/* Determines whether the line around `at` is a row, and its header. */
static void
look_at_line(struct columns *c, size_t at)
{
	c->known = true;
	c->row = false;
	c->line = rows_start(c, at);
	c->line_end = rows_end(c, c->line);
	if (c->line_end == SIZE_MAX) {
		c->line_end = at + COLUMN_LINE;
		return;
	}
	c->line_end++;
	if ((c->line == 0 && !(c->table && is_in_table(c->table))) ||
		!rows_line_start(c->text, c->line, c->mark) ||
		c->line_end - c->line > COLUMN_LINE)
		return;
	struct span line = rows_line(c, c->line, c->line_end - 1);
	bool ruled = rows_may_be_ruled(c);
	for (unsigned k = 0; k < COLUMN_FRAMES && !c->row; k++) {
		unsigned frame = fields_order[k];
		if (frame == FRAME_RULED && !ruled)
			continue;
		c->header = rows_header(c, frame, c->line, c->line_end - 1, line);
		if (c->header >= c->line && !is_before_text(c->header))
			continue;
		unsigned n = fields_split(frame, rows_header_line(c, frame, c->header), line,
			rows_goes_on(c, c->line_end - 1), c->place, &c->index);
		c->row = n > 0 && n <= COLUMN_FIELDS && !fields_ruler(line);
		c->frame = frame;
		c->fields = n;
		c->field = 0;
	}
}

void
rows_forget_header(struct columns *c)
{
	c->split = 0;
	c->names = 0;
}

void
rows_split_header(struct columns *c, size_t header, unsigned frame)
{
	struct field_place v[COLUMN_FIELDS];
	unsigned index, n;

	if (c->split == header + 1 && c->split_cut == frame)
		return;
	struct span head = rows_header_line(c, frame, header);
	struct span line =
		frame == FRAME_RULED ? span_cut(head, 0, span_chr(head, '\n')) : head;
	n = fields_split(
		frame, frame == FRAME_RULED ? head : SPAN_LIT(""), line, false, v, &index);
	c->names = 0;
	while (c->names < n && c->names < COLUMN_FIELDS) {
		c->name[c->names] =
			column_name_in(span_cut(line, v[c->names].from, v[c->names].to));
		c->names++;
	}
	c->split = header + 1;
	c->split_cut = frame;
}

bool
columns_row(struct columns *c, size_t at)
{
	if (!c->known || at < c->line || at >= c->line_end)
		look_at_line(c, at);
	if (c->row)
		rows_split_header(c, c->header, c->frame);
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
	size_t in_line = at - c->line + rows_lead(c, c->line);
	if (in_line < c->place[c->field].from)
		c->field = 0;
	while (c->field + 1 < c->fields && c->field + 1 < c->names + c->index &&
		in_line >= c->place[c->field].to) {
		effort_add(8);
		c->field++;
	}
	if (c->field < c->index || c->field - c->index >= c->names)
		return false;
	*out = (struct column){ .name = c->name[c->field - c->index],
		.index = c->field - c->index,
		.line = c->line,
		.line_end = c->line_end - 1 };
	return out->name.n > 0;
}

bool
columns_ends_inside(struct columns *c, struct span text, struct column_table *t)
{
	bool lines = memchr(text.p, '\n', text.n) ||
		     (t->mark != '\n' && memchr(text.p, '\r', text.n));

	if (marked_ends_inside(&t->marked, text, lines) || t->record ||
		(lines && cells_in_record(text)))
		return true;
	if (!lines && !is_in_table(t))
		return false;
	t->more = true;
	columns_begin(c, text, false, t);
	return columns_row(c, text.n - 1);
}

/* ---- parts of a text ---- */

/* Appends to the line in t->line, as far as it fits. */
static void
keep_line(struct column_table *t, struct span s)
{
	size_t room = t->line_n < COLUMN_LINE ? COLUMN_LINE - t->line_n : 0;

	if (s.n && room)
		memcpy(t->line + t->line_n, s.p, s.n < room ? s.n : room);
	t->line_n += s.n;
}

/* A header that the next part needs. */
struct kept_head {
	size_t header;
	unsigned frame, fields;
};

/* Finds the headers of the tables whose last row is [from, end). Returns their number. */
static unsigned
find_headers(struct columns *c, size_t from, size_t end, struct kept_head *v)
{
	struct span line = rows_line(c, from, end);
	unsigned n = 0;

	if (!rows_line_start(c->text, from, c->mark) || !line.n ||
		rows_end(c, from) == SIZE_MAX || (from == 0 && c->inside))
		return 0;
	bool ruled = rows_may_be_ruled(c);
	for (unsigned k = 0; k < COLUMN_FRAMES && n < COLUMN_HEADS; k++) {
		unsigned frame = fields_order[k];
		if ((frame == FRAME_RULED && !ruled) || !fields_is_row(frame, line))
			continue;
		const struct column_run *run = rows_run_to(c, frame, from, end);
		for (unsigned w = run->widths; w-- > 0;)
			if (run->width[w].names) {
				v[n++] = (struct kept_head){ run->width[w].line, frame,
					run->width[w].fields };
				break;
			}
	}
	/* A ruler may follow. */
	if (n < COLUMN_HEADS && !fields_ruler(line) && !fields_prose(line) &&
		(n == 0 || v[0].frame == FRAME_INDEXED || v[0].frame == FRAME_GAP))
		v[n++] = (struct kept_head){ from, FRAME_RULED, 0 };
	return n;
}

/* Returns true if the headers are those that are kept already. */
static bool
headers_stay(const struct column_table *t, const struct kept_head *v, unsigned n)
{
	for (unsigned k = 0; k < COLUMN_HEADS; k++)
		if (k < n ? v[k].header != (size_t)CARRIED + k : t->head[k].n > 0)
			return false;
	return true;
}

/* Keeps the headers. Those of one line share its bytes. */
static void
keep_heads(struct columns *c, const struct kept_head *v, unsigned n)
{
	struct column_table *t = c->table;
	struct column_head head[COLUMN_HEADS];
	char kept[COLUMN_KEPT];
	unsigned heads = 0;
	size_t room = 0;

	if (headers_stay(t, v, n))
		return;
	for (unsigned k = 0; k < n; k++) {
		struct span line =
			v[k].fields ? rows_header_line(c, v[k].frame, v[k].header)
				    : rows_line(c, v[k].header, rows_end(c, v[k].header));
		struct column_head *h = &head[heads];
		size_t old = v[k].header - (size_t)CARRIED;
		*h = old < COLUMN_HEADS ? t->head[old]
					: (struct column_head){ .frame = v[k].frame,
						  .fields = v[k].fields };
		const char *same = room >= line.n ? memmem(kept, room, line.p, line.n) : NULL;
		if (line.n > COLUMN_HEAD || (!same && line.n > sizeof(kept) - room))
			continue;
		h->from = (uint16_t)(same ? (size_t)(same - kept) : room);
		h->n = (uint16_t)line.n;
		if (!same) {
			memcpy(kept + room, line.p, line.n);
			room += line.n;
		}
		heads += line.n > 0;
	}
	if (room)
		memcpy(t->kept, kept, room);
	for (unsigned k = 0; k < COLUMN_HEADS; k++)
		t->head[k] = k < heads ? head[k] : (struct column_head){ .n = 0 };
}

static void pass_piece(struct column_table *t, struct span text);

/* Passes `text`, which has line ends. */
static void
pass_lines(struct column_table *t, struct span text)
{
	struct columns c; /* only its lists are set here: a piece of a stream is short */
	struct kept_head v[COLUMN_HEADS];
	bool more = t->more;

	c.rows = (struct column_rows){ .n = 0 };
	c.heads = c.items = c.pairs = (struct column_keys){ .n = 0 };
	t->more = true;
	columns_begin(&c, text, false, t);
	/* Lines that are no row of several lines, as it turns out, are passed one by one. */
	if (c.lead && memchr(t->line, t->mark, c.lead) && !rows_of_lines(&c, 0)) {
		char line[COLUMN_LINE];
		struct span lines = span_of(line, c.lead);
		memcpy(line, t->line, c.lead);
		t->line_n = 0;
		t->more = false;
		pass_piece(t, lines);
		t->more = true;
		columns_begin(&c, text, false, t);
	}
	size_t last = rows_start(&c, text.n);
	if (last > 0) {
		size_t above = rows_start(&c, last - 1);
		bool whole = rows_line_start(text, last, t->mark);
		unsigned n = whole ? find_headers(&c, above, last - 1, v) : 0;
		t->record = whole && cells_line_in_record(&c, last);
		keep_heads(&c, v, n);
		t->line_n = whole ? 0 : COLUMN_LINE + 1;
	}
	t->more = more;
	keep_line(t, span_cut(text, last, text.n));
	columns_free(&c);
}

/* Passes the lines of `text`. */
static void
pass_piece(struct column_table *t, struct span text)
{
	if (!text.n)
		return;
	t->mark = rows_line_mark(text, t->mark);
	if (!t->mark && t->line_n <= COLUMN_LINE && memchr(t->line, '\r', t->line_n))
		t->mark = '\r'; /* text follows it that is no line feed */
	if (t->mark && memchr(text.p, t->mark, text.n))
		pass_lines(t, text);
	else
		keep_line(t, text);
}

void
columns_pass(struct column_table *t, struct span text)
{
	struct marked_cell cell;

	for (size_t at = 0; at < text.n;)
		marked_next(&t->marked, text, &at, &cell);
	cells_pass_items(t, text);
	pass_piece(t, text);
	if (!t->items.n && !t->marked.frame && !is_in_table(t) && text.n >= COLUMN_LINE)
		cells_begin_items(t, text);
}
