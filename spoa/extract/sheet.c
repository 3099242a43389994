/* Reads the sheets of a workbook (extract/sheet.h): shared strings, number formats, and cells
 * by row. A row is a line whose cells are divided by tabs, so that the detectors see the header
 * above a cell, as they do in CSV. A cell that is displayed otherwise than it is stored is
 * written again behind the name of its column. */
#include "extract/sheet.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "extract/xml_text.h"

enum {
	STRINGS_MOST = 4 << 20, /* shared strings */
	STYLES_MOST = 1 << 17,
	HEADS_MOST = 256, /* columns whose names are kept */
	GAP_MOST = 256,	  /* empty cells of a row that are written as tabs */
	COLUMNS_MOST = 16384,
	ROWS_MOST = 1048576,
};

/* ---- shared strings ---- */

struct strings_reader {
	struct document *d;
	struct workbook *w;
	unsigned text, phonetic; /* inside of <t>; of <rPh> */
	struct passage aside;
};

static void
strings_start(void *arg, const char *name, const char **atts)
{
	struct strings_reader *r = arg;

	(void)atts;
	r->text += str_same(name, "t");
	r->phonetic += str_same(name, "rPh");
}

static void
strings_end(void *arg, const char *name)
{
	struct strings_reader *r = arg;

	r->text -= str_same(name, "t") && r->text;
	r->phonetic -= str_same(name, "rPh") && r->phonetic;
	if (str_same(name, "si")) {
		uint32_t end = (uint32_t)r->w->strings.n;
		buf_put(&r->w->ends, &end, sizeof(end));
		if (r->w->ends.n / sizeof(end) > STRINGS_MOST)
			document_fail(r->d, EXTRACT_TOO_LARGE);
	}
}

static void
strings_text(void *arg, struct span text)
{
	struct strings_reader *r = arg;

	if (r->phonetic || !r->text)
		passage_line(r->d, &r->aside, text);
	else
		buf_span(&r->w->strings, text);
}

void
workbook_strings(struct document *d, struct workbook *w, struct span xml)
{
	static const struct xml_calls calls = { strings_start, strings_end, strings_text,
		NULL };
	struct strings_reader r = { .d = d, .w = w };

	xml_parse(d, xml, &calls, &r);
	passage_end(d, &r.aside);
	passage_free(&r.aside);
}

/* Returns a shared string, or an empty span. */
static struct span
shared_string(const struct workbook *w, uint64_t i)
{
	uint32_t from = 0, end;

	if (i >= w->ends.n / sizeof(end))
		return SPAN_LIT("");
	const char *ends = w->ends.p + w->ends.start;
	memcpy(&end, ends + i * sizeof(end), sizeof(end));
	if (i)
		memcpy(&from, ends + (i - 1) * sizeof(from), sizeof(from));
	return span_cut(buf_view(&w->strings), from, end);
}

/* ---- number formats ---- */

struct styles_reader {
	struct document *d;
	struct workbook *w;
	bool cells; /* inside of <cellXfs> */
};

static void
styles_start(void *arg, const char *name, const char **atts)
{
	struct styles_reader *r = arg;
	const char *id = xml_attribute(atts, "numFmtId"),
		   *code = xml_attribute(atts, "formatCode");

	if (str_same(name, "cellXfs"))
		r->cells = true;
	if (str_same(name, "numFmt") && id && code && !strpbrk(code, "\t\n"))
		buf_printf(&r->w->formats, "%s\t%s\n", id, code);
	if (r->cells && str_same(name, "xf")) {
		uint32_t n = id ? (uint32_t)strtoul(id, NULL, 10) : 0;
		buf_put(&r->w->styles, &n, sizeof(n));
		if (r->w->styles.n / sizeof(n) > STYLES_MOST)
			document_fail(r->d, EXTRACT_TOO_LARGE);
	}
}

static void
styles_end(void *arg, const char *name)
{
	struct styles_reader *r = arg;

	if (str_same(name, "cellXfs"))
		r->cells = false;
}

void
workbook_styles(struct document *d, struct workbook *w, struct span xml)
{
	static const struct xml_calls calls = { styles_start, styles_end, NULL, NULL };
	struct styles_reader r = { .d = d, .w = w };

	xml_parse(d, xml, &calls, &r);
}

void
workbook_free(struct workbook *w)
{
	buf_free(&w->strings);
	buf_free(&w->ends);
	buf_free(&w->formats);
	buf_free(&w->styles);
}

/* Cuts the next section of a format from the front: up to a ';' outside of quotes. */
static struct span
next_section(struct span *code)
{
	bool quoted = false;
	size_t i = 0;

	for (; i < code->n && (quoted || code->p[i] != ';'); i++) {
		if (code->p[i] == '"')
			quoted = !quoted;
		else if (code->p[i] == '\\' && !quoted)
			i++;
	}
	i = i < code->n ? i : code->n;
	struct span section = span_cut(*code, 0, i);
	*code = span_cut(*code, i + 1, code->n);
	return section;
}

/* Takes the brackets from the front of a section: colors, locales, a condition. Returns false
 * if it has a condition that the value does not meet. */
static bool
section_holds(struct span *section, double value, bool *has)
{
	bool holds = true;

	while (section->n && section->p[0] == '[') {
		size_t end = span_chr(*section, ']');
		char inside[32];
		span_copy(span_cut(*section, 1, end), inside, sizeof(inside));
		*section = span_cut(*section, end + 1, section->n);
		if (!is_one_of(inside[0], "<>="))
			continue;
		double bound = strtod(inside + strcspn(inside, "-0123456789."), NULL);
		bool equal = strchr(inside, '=') != NULL;
		*has = true;
		if (strstr(inside, "<>"))
			holds = value < bound || value > bound;
		else if (inside[0] == '<')
			holds = value < bound || (equal && value <= bound);
		else if (inside[0] == '>')
			holds = value > bound || (equal && value >= bound);
		else
			holds = value >= bound && value <= bound;
	}
	return holds;
}

/* Returns the section of the format that displays the value (18.8.31). */
static struct span
choose_section(struct span code, double value)
{
	struct span first = { NULL, 0 }, section = { NULL, 0 };

	for (unsigned i = 0; code.n && i < 3; i++) {
		bool has = false;
		section = next_section(&code);
		if (i == 0)
			first = section;
		bool holds = section_holds(&section, value, &has);
		if (has ? holds
			: (i == 0 && (value > 0 || !code.n)) ||
					(i == 1 && (value < 0 || first.p[0] == '[')) ||
					(i == 2 && value >= 0 && value <= 0))
			return section;
	}
	return first.n && first.p[0] == '[' ? section : first;
}

static bool
is_number_placeholder(char c)
{
	return c == '0' || c == '#' || c == '?';
}

/* Goes through a format: counts its places, and with `out` fills in the digits. Returns the
 * number of places, or -1 if it has something other than digits and literals. */
static int
fill_digits(struct span code, struct span digits, int places, struct buf *out)
{
	int seen = 0;

	for (size_t i = 0; i < code.n; i++) {
		char c = code.p[i];
		struct span literal = span_cut(code, i, i + 1);
		if (is_number_placeholder(c)) {
			int left = places - seen++;
			if (!out)
				continue;
			if (left == places && (int)digits.n > places)
				buf_span(out, span_cut(digits, 0, digits.n - (size_t)places));
			if (left <= (int)digits.n)
				buf_putc(out, digits.p[digits.n - (size_t)left]);
			else if (c == '0')
				buf_putc(out, '0');
			continue;
		}
		if (c == '"') {
			size_t end = span_chr(span_cut(code, i + 1, code.n), '"');
			literal = span_cut(code, i + 1, i + 1 + end);
			i += end + 1;
		} else if (c == '\\') {
			literal = span_cut(code, i + 1, i + 2);
			i++;
		} else if (c == '_' || c == '*') {
			literal = c == '_' ? SPAN_LIT(" ") : SPAN_LIT("");
			i++;
		} else if (!is_one_of(c, "-()+ :/!^&'~{}<>=$") && !is_high(c)) {
			return -1;
		}
		if (out)
			buf_span(out, literal);
	}
	return seen;
}

static bool
is_date_format(struct span code, unsigned id)
{
	bool quoted = false;

	if (!code.n)
		return id >= 14 && id <= 22;
	for (size_t i = 0; i < code.n; i++) {
		char c = code.p[i];
		if (c == '"')
			quoted = !quoted;
		else if (c == '\\')
			i++;
		else if (c == '[' && !quoted)
			i += span_chr(span_cut(code, i, code.n), ']');
		else if (!quoted && (c == 'y' || c == 'Y' || c == 'd' || c == 'D'))
			return true;
	}
	return false;
}

/* Appends the date of a day's number, days before 1900-03-01 excepted (18.17.4.1). */
static void
put_date(double days, bool since_1904, struct buf *out)
{
	if (!(days >= 61 && days < 2958466))
		return;
	/* days to a date, from 0000-03-01 on */
	int64_t z = (int64_t)days + (since_1904 ? 1462 : 0) - 25569 + 719468;
	int64_t era = z / 146097, day = z - era * 146097;
	int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
	day -= 365 * year + year / 4 - year / 100;
	int64_t month = (5 * day + 2) / 153;
	buf_printf(out, "%04d-%02d-%02d", (int)(year + era * 400 + (month >= 10)),
		(int)(month < 10 ? month + 3 : month - 9),
		(int)(day - (153 * month + 2) / 5 + 1));
}

void
sheet_display(
	const char *number, struct span code, unsigned id, bool since_1904, struct buf *out)
{
	char *end, digits[32];
	double value = strtod(number, &end);

	if (*end || end == number || !(fabs(value) < 1e21))
		return;
	if (is_date_format(code, id)) {
		put_date(value, since_1904, out);
		return;
	}
	if (fabs(value - nearbyint(value)) > 0)
		return;
	snprintf(digits, sizeof(digits), "%.0f", fabs(value));
	struct span section = choose_section(code, value);
	int places = fill_digits(section, SPAN_LIT(""), 0, NULL);
	if (places > 1) {
		fill_digits(section, span_str(digits), places, out);
	} else if (strpbrk(number, "eE.")) {
		buf_str(out, value < 0 ? "-" : "");
		buf_str(out, digits);
	}
}

/* ---- cells ---- */

enum sheet_field { FIELD_NONE, FIELD_VALUE, FIELD_FORMULA, FIELD_INLINE };

struct sheet_reader {
	struct document *d;
	struct workbook *w;
	const char *name;
	struct passage rows, aside;
	enum sheet_field field;
	unsigned phonetic;
	struct buf value, formula, shown;
	char type[12]; /* of the cell */
	uint32_t style;
	unsigned row, column; /* from 0 on */
	unsigned written;     /* column behind the last one that was written in this row */
	bool any;	      /* the row has a cell */
	struct buf heads[HEADS_MOST];
};

/* Reads "B17". Returns false if it is no name of a cell. */
static bool
take_cell_name(const char *name, unsigned *column, unsigned *row)
{
	unsigned c = 0;
	char *end;

	for (; is_alpha(*name) && c <= COLUMNS_MOST; name++)
		c = c * 26 + (unsigned)(to_upper(*name) - 'A') + 1;
	unsigned long r = strtoul(name, &end, 10);
	if (!c || c > COLUMNS_MOST || !r || r > ROWS_MOST || *end)
		return false;
	*column = c - 1;
	*row = (unsigned)r - 1;
	return true;
}

static void
start_sheet_cell(struct sheet_reader *r, const char **atts)
{
	const char *at = xml_attribute(atts, "r"), *type = xml_attribute(atts, "t"),
		   *style = xml_attribute(atts, "s");

	if (at && !take_cell_name(at, &r->column, &r->row))
		document_fail(r->d, EXTRACT_DAMAGED);
	snprintf(r->type, sizeof(r->type), "%s", type ? type : "n");
	r->style = style ? (uint32_t)strtoul(style, NULL, 10) : 0;
	buf_clear(&r->value);
	buf_clear(&r->formula);
}

/* Writes a text of the cell that is not its stored value, behind the name of its column. */
static void
put_beside(struct sheet_reader *r, struct span text, bool named)
{
	char cell[24];

	if (!span_trim(text, " \t\r\n").n)
		return;
	cell_name(cell, r->column, r->row);
	passage_place(&r->aside, "sheet %s, %s", r->name, cell);
	if (named && r->column < HEADS_MOST && r->heads[r->column].n) {
		passage_put(r->d, &r->aside, buf_view(&r->heads[r->column]));
		passage_put(r->d, &r->aside, SPAN_LIT(": "));
	}
	passage_line(r->d, &r->aside, text);
}

/* Returns true if a formula could hold a value: it has a string, or a long number. */
static bool
formula_has_text(struct span f)
{
	size_t digits = 0;

	for (size_t i = 0; i < f.n; i++) {
		digits = is_digit(f.p[i]) ? digits + 1 : 0;
		if (digits >= 8 || f.p[i] == '"' || f.p[i] == '\'' || f.p[i] == '@' ||
			is_high(f.p[i]))
			return true;
	}
	return false;
}

/* Finds the code of a format's number. */
static struct span
format_code(const struct workbook *w, uint32_t style, unsigned *id)
{
	uint32_t number = 0;
	char name[16];

	if (style < w->styles.n / sizeof(number))
		memcpy(&number, w->styles.p + w->styles.start + style * sizeof(number),
			sizeof(number));
	*id = number;
	snprintf(name, sizeof(name), "%u", number);
	for (struct span s = number ? buf_view(&w->formats) : SPAN_LIT(""); s.n;) {
		struct span line = span_next(&s, '\n');
		if (span_is(span_next(&line, '\t'), name))
			return line;
	}
	return SPAN_LIT("");
}

static void
put_displayed(struct sheet_reader *r, struct span stored)
{
	char number[40];
	unsigned id;

	if (!stored.n || stored.n >= sizeof(number))
		return;
	span_copy(stored, number, sizeof(number));
	struct span code = format_code(r->w, r->style, &id);
	buf_clear(&r->shown);
	sheet_display(number, code, id, r->w->since_1904, &r->shown);
	if (r->shown.n && !span_eq(buf_view(&r->shown), stored))
		put_beside(r, buf_view(&r->shown), true);
}

/* Writes a cell into its row. Line ends and tabs inside of it become spaces, and the cell is
 * then written again with them. */
static void
end_sheet_cell(struct sheet_reader *r)
{
	struct span text = buf_view(&r->value);
	uint64_t i;
	char cell[24];

	if (str_same(r->type, "s"))
		text = span_u64(span_trim(text, " \t\r\n"), &i) ? SPAN_LIT("")
								: shared_string(r->w, i);
	if (text.n) {
		unsigned tabs = r->column > r->written ? r->column - r->written : 0;
		for (unsigned t = 0; t < (tabs < GAP_MOST ? tabs : 1); t++)
			passage_put(r->d, &r->rows, SPAN_LIT("\t"));
		r->written = r->column;
		cell_name(cell, r->column, r->row);
		passage_place(&r->rows, "%s", cell);
		bool lines = false;
		for (size_t k = 0; k < text.n; k++)
			lines |= text.p[k] == '\n' || text.p[k] == '\r' || text.p[k] == '\t';
		size_t from = r->rows.text.n;
		passage_put(r->d, &r->rows, text);
		for (char *p = r->rows.text.p + r->rows.text.start;
			lines && from < r->rows.text.n; from++)
			p[from] = p[from] == '\n' || p[from] == '\r' || p[from] == '\t'
					  ? ' '
					  : p[from];
		r->any = true;
		if (r->row == 0 && r->column < HEADS_MOST && !r->heads[r->column].n)
			buf_span(&r->heads[r->column],
				span_cut(text, 0, utf8_begin(text, DOCUMENT_PLACE)));
		if (lines)
			put_beside(r, text, false);
		if (str_same(r->type, "n"))
			put_displayed(r, text);
	}
	if (formula_has_text(buf_view(&r->formula)))
		put_beside(r, buf_view(&r->formula), false);
	r->column++;
}

static void
sheet_start(void *arg, const char *name, const char **atts)
{
	struct sheet_reader *r = arg;

	if (str_same(name, "row")) {
		const char *n = xml_attribute(atts, "r");
		unsigned long row = n ? strtoul(n, NULL, 10) : r->row + 1u;
		if (!row || row > ROWS_MOST)
			document_fail(r->d, EXTRACT_DAMAGED);
		r->row = (unsigned)row - 1;
		r->column = r->written = 0;
		r->any = false;
	} else if (str_same(name, "c")) {
		start_sheet_cell(r, atts);
	} else if (str_same(name, "v")) {
		r->field = FIELD_VALUE;
	} else if (str_same(name, "f")) {
		r->field = FIELD_FORMULA;
	} else if (str_same(name, "t")) {
		r->field = FIELD_INLINE;
	}
	r->phonetic += str_same(name, "rPh");
}

static void
sheet_end(void *arg, const char *name)
{
	struct sheet_reader *r = arg;

	r->phonetic -= str_same(name, "rPh") && r->phonetic;
	r->field = FIELD_NONE;
	if (str_same(name, "c")) {
		end_sheet_cell(r);
	} else if (str_same(name, "row")) {
		if (r->any)
			passage_put(r->d, &r->rows, SPAN_LIT("\n"));
		r->row++;
	}
}

static void
sheet_text(void *arg, struct span text)
{
	struct sheet_reader *r = arg;

	if (r->field == FIELD_FORMULA)
		buf_span(&r->formula, text);
	else if (r->field != FIELD_NONE && !r->phonetic)
		buf_span(&r->value, text);
	else if (span_trim(text, " \t\r\n").n)
		put_beside(r, text, false);
}

void
workbook_sheet(struct document *d, struct workbook *w, struct span xml, const char *name)
{
	static const struct xml_calls calls = { sheet_start, sheet_end, sheet_text, NULL };
	struct sheet_reader *r = calloc(1, sizeof(*r));
	SCOPED_BUF(where, 0);

	if (!r) {
		document_fail(d, EXTRACT_MEMORY);
		return;
	}
	r->d = d;
	r->w = w;
	r->name = name;
	buf_printf(&where, "sheet %s", name);
	buf_putc(&where, 0);
	xml_walk_with(d, xml, where.p, "sheetData", &calls, r);
	d->text_seen |= r->rows.text.n > 0;
	/* the places of cells are short; their common part is the prefix */
	const char *outer = d->inside;
	SCOPED_BUF(inside, 0);
	buf_printf(&inside, "%ssheet %s, ", outer, name);
	buf_putc(&inside, 0);
	d->inside = inside.p ? inside.p : outer;
	passage_end(d, &r->rows);
	d->inside = outer;
	passage_end(d, &r->aside);
	passage_free(&r->rows);
	passage_free(&r->aside);
	buf_free(&r->value);
	buf_free(&r->formula);
	buf_free(&r->shown);
	for (size_t i = 0; i < HEADS_MOST; i++)
		buf_free(&r->heads[i]);
	free(r);
}
