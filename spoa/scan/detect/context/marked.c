/* Reads tables whose cells are marked (marked.h). A table is between its first mark and its
 * last one; text outside tables is passed without looking at more than the first bytes of
 * marks.
 *
 * SQL is read only as far as it determines the column of a value: the list of names in INSERT,
 * and the ends of literals. A quote in a string is doubled (ISO 9075-2, 5.3). */
#include "scan/detect/context/marked.h"

#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/context/fields.h"

enum marked_kind { MARKED_TAGS, MARKED_LINES, MARKED_SQL };

/* The frames. `open`: the text that a table may begin with. Tags: the names of rows, cells, and
 * the end, with spaces around each. Lines: the marks at a line's beginning. */
/* clang-format off */
static const struct marked_frame {
	const char *open;
	enum marked_kind kind;
	bool line; /* `open` is at the beginning of a line */
	char close; /* the last byte of a tag */
	const char *row, *cell, *head, *end;
	const char *between; /* lines: the bytes that begin another cell in the same line */
} frames[] = {
	{ .open = "<", .kind = MARKED_TAGS, .close = '>', .row = " tr row table:table-row w:tr a:tr ",
		.cell = " td th entry cell table:table-cell w:tc a:tc ", .head = " th ",
		.end = " /table /tgroup /table:table /w:tbl /a:tbl " },
	{ .open = "[", .kind = MARKED_TAGS, .close = ']', .row = " tr ", .cell = " td th ", .head = " th ",
		.end = " /table " },
	{ .open = "{|", .kind = MARKED_LINES, .line = true, .row = "|-", .cell = "|", .head = "!", .end = "|}",
		.between = "|!" },
	{ .open = "|===", .kind = MARKED_LINES, .line = true, .cell = "|", .end = "|===", .between = "|" },
	{ .open = ".. list-table::", .kind = MARKED_LINES, .line = true, .row = "* -", .cell = "-" },
	{ .open = "into ", .kind = MARKED_SQL },
	{ .open = "insert ", .kind = MARKED_SQL }, /* SQL Server leaves INTO out */
};
/* clang-format on */
enum { WIKI = 2, ASCIIDOC, LIST, INTO, INSERT };

enum marked_place {
	OUT,  /* outside cells */
	CELL, /* in a cell's text */
	TAG,
	MARK,	/* at a line's beginning */
	OPTION, /* in the line of the opening mark */
	TABLE,	/* SQL: in the table's name; behind it */
	TABLE_END,
	NAMES,
	VALUES, /* before VALUES */
	FIRST,	/* before the first tuple */
	NEXT,	/* before another tuple */
	STRING, /* in a string of a literal */
	END,	/* after a tuple */
};

/* Results of a step. */
enum {
	STEP = 0,
	STEP_AGAIN = 1, /* the byte is read again */
	STEP_CELL = 2,	/* a cell's text ended before the byte */
	STEP_FROM = 4,	/* a cell's text begins after the byte, or with it (STEP_AGAIN) */
};
/* The part of the table after the end of a cell. */
enum marked_follow { CELL_LAST, CELL_NEXT, CELL_NEXT_HEAD, ROW_ENDS };

static const struct marked_frame *
frame_of(const struct marked_table *s)
{
	return &frames[s->frame - 1];
}

/* ---- names ---- */

static void
keep_letters(struct marked_table *s, struct span text)
{
	size_t at = (size_t)s->names_n + s->row_n;

	if (!s->collect || !text.n)
		return;
	if (text.n >= sizeof(s->names) - at) {
		s->collect = false;
		return;
	}
	memcpy(s->names + at, text.p, text.n);
	s->row_n = (uint16_t)(s->row_n + text.n);
}

static void
cell_ends(struct marked_table *s)
{
	char *cell = s->names + s->names_n + s->cell_at;

	s->closed = true;
	if (!s->collect)
		return;
	struct span name =
		column_name_in(span_trim(span_of(cell, s->row_n - s->cell_at), " \t\r\n"));
	bool sql = frame_of(s)->kind == MARKED_SQL; /* any word is a name there */
	if (name.n && ((!sql && !is_column_name(name)) || memchr(name.p, '\n', name.n))) {
		s->collect = false;
		return;
	}
	if (name.n)
		memmove(cell, name.p, name.n);
	s->row_n = (uint16_t)(s->cell_at + name.n);
	keep_letters(s, SPAN_LIT("\n"));
}

static void
cell_begins(struct marked_table *s, bool head)
{
	if (s->field == 0) {
		s->collect = s->all_heads = true;
		s->row_n = 0;
	} else if (!s->closed) {
		cell_ends(s);
	}
	s->all_heads &= head;
	/* Names in ordinary cells do not replace others, and literals are no names. */
	s->collect &= s->all_heads || (s->fields < 2 && frame_of(s)->kind != MARKED_SQL);
	if (s->field < UINT16_MAX)
		s->field++;
	s->cell_at = s->row_n;
	s->passed = s->seen = s->equals = s->closed = false;
}

static void
row_ends(struct marked_table *s)
{
	if (s->field && !s->closed)
		cell_ends(s);
	if (s->collect && s->field && s->field <= COLUMN_FIELDS && s->row_n > s->field) {
		memmove(s->names, s->names + s->names_n, s->row_n);
		s->names_n = s->row_n;
		s->fields = s->field;
		s->renamed = true;
	}
	s->field = s->row_n = 0;
	s->collect = false;
}

static void
table_ends(struct marked_table *s)
{
	row_ends(s);
	s->frame = s->in = s->token_n = 0;
	s->open = false;
	s->fields = s->names_n = 0;
}

unsigned
marked_names(const struct marked_table *s, struct span *name, unsigned most)
{
	struct span all = span_of(s->names, s->names_n);
	unsigned n = 0;

	while (n < most && n < s->fields)
		name[n++] = span_next(&all, '\n');
	return n;
}

/* ---- tags ---- */

/* Returns true if the list, which has spaces around each word, has the mark. */
static bool
has_mark(const char *list, struct span mark)
{
	char word[MARKED_TOKEN + 3];

	if (!mark.n)
		return false;
	word[0] = ' ';
	memcpy(word + 1, mark.p, mark.n);
	memcpy(word + 1 + mark.n, " ", 2);
	return strstr(list, word) != NULL;
}

/* The name of a tag has ended. Returns false if no table begins with the tag. */
static bool
tag_named(struct marked_table *s)
{
	const struct marked_frame *f = frame_of(s);
	struct span mark = span_of(s->token, s->token_n);

	s->token_done = true;
	if (!s->open && !has_mark(f->row, mark))
		return false;
	if (has_mark(f->row, mark)) {
		row_ends(s);
		s->open = true;
		s->after = OUT;
	} else if (has_mark(f->cell, mark)) {
		cell_begins(s, has_mark(f->head, mark));
		s->after = CELL;
	} else if (has_mark(f->end, mark)) {
		s->open = false;
	} else if (span_take(&mark, '/') && has_mark(f->cell, mark)) {
		s->after = OUT;
	}
	return true;
}

static unsigned
step_tag(struct marked_table *s, char c)
{
	if (s->token_done) {
		if (c != frame_of(s)->close)
			return STEP;
	} else if (c != frame_of(s)->close && !is_space(c) && (c != '/' || !s->token_n)) {
		bool name = is_alnum(c) || c == '/' || c == ':' || c == '-' || c == '*';
		if (s->token_n < MARKED_TOKEN)
			s->token[s->token_n++] = to_lower(c);
		else
			s->token_done = s->open; /* no mark is so long */
		if (!s->open && (!name || s->token_n == MARKED_TOKEN)) {
			table_ends(s);
			return STEP_AGAIN;
		}
		return STEP;
	} else if (!tag_named(s)) {
		table_ends(s);
		return STEP;
	}
	if (c != frame_of(s)->close)
		return STEP;
	if (!s->open) {
		table_ends(s);
		return STEP;
	}
	s->in = s->after;
	return s->in == CELL ? STEP_FROM : STEP;
}

static unsigned
step_tags(struct marked_table *s, char c)
{
	if (s->in == TAG)
		return step_tag(s, c);
	if (c != frame_of(s)->open[0]) {
		s->seen |= s->in == CELL && !is_space(c);
		return STEP;
	}
	unsigned step = s->in == CELL && s->seen ? STEP_CELL : STEP;
	s->next = CELL_LAST;
	s->after = step ? OUT : s->in;
	s->in = TAG;
	s->token_n = 0;
	s->token_done = false;
	return step;
}

/* ---- lines ---- */

/* The mark at a line's beginning is complete. */
static unsigned
line_marked(struct marked_table *s, const char *mark)
{
	const struct marked_frame *f = frame_of(s);

	s->token_n = 0;
	if (mark == f->end) {
		table_ends(s);
		return STEP;
	}
	if (mark == f->row || (f == &frames[ASCIIDOC] && s->fields && s->field >= s->fields))
		row_ends(s);
	if (mark == f->row && f == &frames[WIKI]) {
		s->in = OPTION;
		return STEP;
	}
	cell_begins(s, mark == f->head);
	s->in = CELL;
	return STEP_FROM;
}

/* The bytes at a line's beginning are no mark. */
static unsigned
line_unmarked(struct marked_table *s)
{
	bool ends = frame_of(s) == &frames[LIST] && !s->inside_line;

	s->token_n = 0;
	s->in = OPTION;
	if (ends)
		table_ends(s);
	return STEP_AGAIN;
}

/* Reads a mark at a line's beginning. The longest one counts. */
static unsigned
step_mark(struct marked_table *s, char c)
{
	const struct marked_frame *f = frame_of(s);
	const char *const marks[] = { f->row, f->cell, f->head, f->end };
	const char *is = NULL, *was = NULL; /* with c, and without it */
	bool longer = false;

	if (!s->token_n && (c == ' ' || c == '\t' || c == '\r')) {
		s->inside_line = true;
		return STEP;
	}
	if (!s->token_n && c == '\n') {
		/* names in lines of their own end at an empty line */
		if (f == &frames[ASCIIDOC] && !s->fields && s->field > 1)
			row_ends(s);
		s->inside_line = false;
		return STEP;
	}
	s->token[s->token_n] = c;
	struct span more = span_of(s->token, s->token_n + 1u);
	for (size_t k = 0; k < COUNT_OF(marks); k++) {
		struct span mark = span_str(marks[k]);
		bool begins = mark.n >= more.n && span_starts(mark, more);
		longer |= begins && mark.n > more.n;
		is = begins && mark.n == more.n ? marks[k] : is;
		was = mark.n && mark.n < more.n && span_starts(more, mark) ? marks[k] : was;
	}
	if (longer) {
		s->token_n++;
		return STEP;
	}
	if (is)
		return line_marked(s, is);
	if (!was || (f == &frames[WIKI] && c == '+'))
		return line_unmarked(s);
	return line_marked(s, was) | STEP_AGAIN;
}

static unsigned
step_cells(struct marked_table *s, char c)
{
	const struct marked_frame *f = frame_of(s);

	s->next = CELL_LAST;
	if (c == '\n') {
		/* names in one line */
		if (f == &frames[ASCIIDOC] && !s->fields && s->field > s->line_field + 1u)
			s->next = ROW_ENDS;
		return STEP_CELL;
	}
	s->equals |= c == '=';
	if (f == &frames[ASCIIDOC] && c == '|' && s->last != '\\')
		s->next = CELL_NEXT;
	else if (f == &frames[WIKI] && s->last == c && (c == '|' || c == '!'))
		s->next = c == '!' ? CELL_NEXT_HEAD : CELL_NEXT;
	else if (f == &frames[WIKI] && s->last == '|' && s->equals) {
		/* attributes before the text */
		s->row_n = s->cell_at;
		s->equals = false;
		return STEP_FROM | STEP_AGAIN;
	}
	return s->next ? STEP_CELL : STEP;
}

static unsigned
step_lines(struct marked_table *s, char c)
{
	unsigned step = s->in == MARK	? step_mark(s, c)
			: s->in == CELL ? step_cells(s, c)
					: STEP;

	if (c == '\n' && s->in != MARK && s->frame && !(step & STEP_AGAIN)) {
		s->in = MARK;
		s->inside_line = false;
		s->line_field = s->next == ROW_ENDS ? 0 : s->field;
	}
	return step;
}

/* ---- SQL ---- */

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

static unsigned
sql_ends(struct marked_table *s)
{
	table_ends(s);
	return STEP_AGAIN;
}

static unsigned
step_names(struct marked_table *s, char c)
{
	if (c == ',' || c == ')') {
		cell_ends(s);
		if (c == ',') {
			cell_begins(s, true);
			return STEP;
		}
		row_ends(s);
		if (!s->fields)
			return sql_ends(s);
		s->walked = s->token_n = 0;
		s->in = VALUES;
		return STEP;
	}
	if (c == '\'' || c == '(')
		return sql_ends(s);
	keep_letters(s, span_of(&c, 1));
	return STEP;
}

/* Reads up to the first tuple. */
static unsigned
step_values(struct marked_table *s, char c)
{
	enum { MOST = 80 };

	if (is_word(c) && s->token_n < MARKED_TOKEN) {
		s->token[s->token_n++] = to_lower(c);
		return s->walked++ > MOST ? sql_ends(s) : STEP;
	}
	struct span word = span_of(s->token, s->token_n);
	bool values = span_is(word, "value") || span_is(word, "values");
	s->token_n = 0;
	if (values && (is_space(c) || c == '('))
		s->in = FIRST;
	else if (!is_before_values(c) || s->walked++ > MOST)
		return sql_ends(s);
	return s->in == FIRST ? STEP_AGAIN : STEP;
}

static unsigned
step_literal(struct marked_table *s, char c)
{
	if (s->depth == 0 && (c == ',' || c == ')')) {
		s->next = c == ',' ? CELL_NEXT : CELL_LAST;
		s->in = c == ',' ? CELL : END;
		return STEP_CELL;
	}
	s->in = c == '\'' ? STRING : CELL;
	if (c == '(' && s->depth < UINT8_MAX)
		s->depth++;
	else if (c == ')')
		s->depth--;
	return STEP;
}

static unsigned
step_sql(struct marked_table *s, char c)
{
	enum { MOST = 160 };

	switch (s->in) {
	case TABLE:
	case TABLE_END:
		/* INTO, IGNORE and other words before the table */
		if (frame_of(s) == &frames[INSERT] && is_sql_name(c))
			s->in = TABLE;
		if (c == '(' && s->seen) {
			s->in = NAMES;
			cell_begins(s, true);
			return STEP;
		}
		if (s->walked++ > MOST ||
			(!is_space(c) && (!is_sql_name(c) || s->in == TABLE_END)))
			return sql_ends(s);
		if (is_space(c) && s->seen)
			s->in = TABLE_END;
		s->seen |= !is_space(c);
		return STEP;
	case NAMES: return step_names(s, c);
	case VALUES: return step_values(s, c);
	case CELL: return step_literal(s, c);
	default: break;
	}
	if (is_space(c) || (c == ',' && s->in == END)) {
		s->in = c == ',' ? NEXT : s->in;
		return STEP;
	}
	if (s->in == FIRST && is_word(c)) { /* OVERRIDING SYSTEM VALUE */
		s->in = VALUES;
		return STEP_AGAIN;
	}
	if (c != '(' || s->in == END)
		return sql_ends(s);
	s->field = s->depth = 0;
	s->in = CELL;
	cell_begins(s, false);
	return STEP_FROM;
}

/* Returns true if the quote at `at` ends its string. A backslash before the quote escapes it,
 * as in MySQL, unless what follows the quote shows that the string has ended. */
static bool
is_closing_quote(struct span t, size_t at)
{
	size_t next = span_past(t, at + 1, is_space);

	return at == 0 || t.p[at - 1] != '\\' || next >= t.n || is_one_of(t.p[next], ",);");
}

/* Returns the offset of the quote of N'…', E'…' or _utf8'…', or `at`. */
static size_t
sql_string_begin(struct span t, size_t at)
{
	size_t i = span_past(span_cut(t, 0, at + 8), at, is_word);

	return i < t.n && t.p[i] == '\'' ? i : at;
}

/* ---- outside tables ---- */

/* For the first byte of an opening mark, the second one; 1: any byte. 0: no mark begins so. */
static char opening[256];

__attribute__((constructor)) static void
fill_opening(void)
{
	for (size_t k = 0; k < COUNT_OF(frames); k++) {
		const char *open = frames[k].open;
		char second = open[1];
		opening[(unsigned char)open[0]] = opening[(unsigned char)to_upper(open[0])] =
			second ? second : 1;
	}
}

/* Returns the offset of the next byte at which a mark may begin, or t.n. */
static size_t
next_opening(struct span t, size_t i)
{
	for (; i < t.n; i++) {
		char second = opening[(unsigned char)t.p[i]];
		if (second && (second == 1 || i + 1 == t.n || to_lower(t.p[i + 1]) == second))
			return i;
	}
	return t.n;
}

/* Returns true if only spaces precede the byte at i in its line. */
static bool
opens_line(const struct marked_table *s, struct span t, size_t i)
{
	i = span_back_set(t, i, i > 64 ? i - 64 : 0, " \t");
	return i > 0 ? t.p[i - 1] == '\n' : !s->inside_line;
}

/* Adds the byte at i to the mark that may open a table. Returns false if no mark begins so. */
static bool
may_open(struct marked_table *s, struct span t, size_t i)
{
	bool any = false;

	if (!s->token_n) {
		s->line = opens_line(s, t, i);
		if (is_word(t.p[i]) && is_word(i ? t.p[i - 1] : s->last))
			return false;
	}
	s->token[s->token_n++] = is_space(t.p[i]) ? ' ' : to_lower(t.p[i]);
	for (unsigned k = 0; k < COUNT_OF(frames) && !s->frame; k++) {
		const struct marked_frame *f = &frames[k];
		if ((f->line && !s->line) ||
			!span_starts(span_str(f->open), span_of(s->token, s->token_n)))
			continue;
		any = true;
		if (f->open[s->token_n])
			continue;
		s->frame = (uint8_t)(k + 1);
		s->in = f->kind == MARKED_TAGS ? TAG : f->kind == MARKED_LINES ? OPTION : TABLE;
		s->after = OUT;
		s->token_n = 0;
		s->open = s->token_done = s->seen = s->collect = false;
		s->next = CELL_LAST;
		s->walked = s->field = s->line_field = s->row_n = 0;
	}
	return any;
}

/* Passes text outside tables. Returns the offset after the mark that opens one, or t.n. */
static size_t
pass_outside(struct marked_table *s, struct span t, size_t i)
{
	while (i < t.n && !s->frame) {
		if (!s->token_n)
			i = next_opening(t, i);
		if (i == t.n)
			break;
		bool first = !s->token_n;
		bool opens = may_open(s, t, i);
		s->token_n = opens ? s->token_n : 0;
		i += first || opens;
	}
	return i;
}

/* ---- the reader ---- */

/* Sets *out to the cell [from, end), if it is below a name. */
static bool
is_below_name(const struct marked_table *s, struct span t, size_t from, size_t end,
	struct marked_cell *out)
{
	if (!s->frame || !s->field || s->field > s->fields || from >= end)
		return false;
	if (frame_of(s)->kind == MARKED_SQL)
		from = sql_string_begin(t, span_past(t, from, is_space));
	*out = (struct marked_cell){
		.field = s->field - 1u, .start = from, .end = end, .begun = s->passed
	};
	return from < end;
}

/* A cell has ended, and perhaps another one begins. */
static void
follow_cell(struct marked_table *s)
{
	const struct marked_frame *f = frame_of(s);
	bool full = f == &frames[ASCIIDOC] && s->fields && s->field >= s->fields;

	cell_ends(s);
	if (s->next == ROW_ENDS || (s->next == CELL_NEXT && full))
		row_ends(s);
	if (s->next == CELL_NEXT || s->next == CELL_NEXT_HEAD)
		cell_begins(s, s->next == CELL_NEXT_HEAD);
}

/* Takes the byte at i. Returns its step. */
static unsigned
marked_step(struct marked_table *s, struct span t, size_t i)
{
	switch (frame_of(s)->kind) {
	case MARKED_TAGS: return step_tags(s, t.p[i]);
	case MARKED_LINES: return step_lines(s, t.p[i]);
	default: break;
	}
	if (s->in != STRING)
		return step_sql(s, t.p[i]);
	/* A doubled quote ends the string and begins it again. */
	if (t.p[i] == '\'' && is_closing_quote(t, i))
		s->in = CELL;
	return STEP;
}

bool
marked_next(struct marked_table *s, struct span t, size_t *at, struct marked_cell *out)
{
	size_t i = *at, from = i;
	bool found = false;

	while (i < t.n && !found) {
		if (!s->frame) {
			from = i = pass_outside(s, t, i);
			s->last = i ? t.p[i - 1] : s->last;
			continue;
		}
		bool names = frame_of(s)->kind != MARKED_SQL;
		unsigned step = marked_step(s, t, i);
		bool again = step & STEP_AGAIN;
		if (step & STEP_CELL) {
			/* without the first byte of "||" */
			size_t end = s->frame == WIKI + 1 && s->next && i > from ? i - 1 : i;
			if (names)
				keep_letters(s, span_cut(t, from, end));
			found = is_below_name(s, t, from, end, out);
			follow_cell(s);
		}
		if (step & (STEP_CELL | STEP_FROM))
			from = again ? i : i + 1;
		s->last = again ? s->last : step & STEP_CELL ? '\n' : t.p[i];
		i += !again;
	}
	effort_add((i - *at) / 16 + 1);
	*at = i;
	if (i < t.n)
		return found;
	size_t line = span_back_set(t, t.n, 0, " \t");
	if (t.n && !(s->frame && frame_of(s)->kind == MARKED_LINES))
		s->inside_line = line ? t.p[line - 1] != '\n' : s->inside_line;
	/* The cell may continue in the next part. */
	if (s->frame && (s->in == CELL || s->in == STRING) && from < t.n) {
		if (frame_of(s)->kind != MARKED_SQL)
			keep_letters(s, span_cut(t, from, t.n));
		found = is_below_name(s, t, from, t.n, out);
		s->passed |= span_past(t, from, is_space) < t.n;
	}
	return found;
}

bool
marked_ends_inside(const struct marked_table *s, struct span text, bool lines)
{
	/* the first bytes of marks, and those that need a line of their own */
	const char *marks = lines ? "(<[|-" : "(<[";
	struct marked_table copy;
	struct marked_cell cell;
	bool any = s->frame;

	for (size_t k = 0; marks[k] && !any; k++)
		any = text.n && memchr(text.p, marks[k], text.n);
	if (!any || s->frame)
		return any;
	memcpy(&copy, s, offsetof(struct marked_table, names));
	for (size_t at = 0; at < text.n;)
		marked_next(&copy, text, &at, &cell);
	return copy.frame != 0;
}
