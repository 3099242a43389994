/* Splits the lines of tables: CSV (RFC 4180, also with ';'), tab-separated values, COPY of
 * PostgreSQL, Markdown, the output of databases, LaTeX, and columns that are aligned with
 * spaces (fields.h). */
#include "scan/detect/context/fields.h"

#include "base/among.h"
#include "base/effort.h"
#include "scan/detect/prefilter/starts.h"

/* ---- frames ---- */

/* Signs that stand for separators of more than one byte, and for places. */
enum {
	GAP = ' ',    /* at least two spaces */
	BAR = '\xE2', /* a bar of a box */
	TWO = '\1',   /* "||" */
	PLACES = '\2',
};

/* The separator of each frame of lines. In the text of a separator a backslash may escape it.
 * Quotes may be around a cell, and then a line break may be in it (RFC 4180). */
static const char cuts[COLUMN_FRAMES] = {
	[FRAME_TAB] = '\t',
	[FRAME_PIPE] = '|',
	[FRAME_BOX] = BAR,
	[FRAME_LATEX] = '&',
	[FRAME_SEMICOLON] = ';',
	[FRAME_COMMA] = ',',
	[FRAME_GAP] = GAP,
	[FRAME_RULED] = PLACES,
	[FRAME_INDEXED] = PLACES,
};
const uint8_t fields_order[COLUMN_FRAMES] = { FRAME_TAB, FRAME_PIPE, FRAME_BOX, FRAME_LATEX,
	FRAME_RULED, FRAME_SEMICOLON, FRAME_COMMA, FRAME_INDEXED, FRAME_GAP };
/* one set for the first byte of each separator */
static struct block_sets cut_sets;

/* Signs of a ruler of LaTeX. */
static const char *const latex_rulers[] = { "\\hline", "\\toprule", "\\midrule", "\\bottomrule",
	"\\cline", "\\cmidrule", "\\endhead", "\\endfirsthead", "\\rowcolor" };

__attribute__((constructor)) static void
fill_sets(void)
{
	for (unsigned k = 0; k < COLUMN_CUTS; k++)
		block_sets_add(&cut_sets, k, (unsigned char)cuts[k]);
}

/* ---- a line and its separators ---- */

static struct span
without_blanks(struct span s)
{
	while (s.n && is_line_space(s.p[0]))
		s = span_cut(s, 1, s.n);
	s.n = span_back(s, s.n, 0, is_line_space);
	return s;
}

/* Returns the offset after the quoted field that begins at i, or i if the closing quote is
 * missing. */
static size_t
past_quotes(struct span line, size_t i)
{
	for (size_t k = i + 1; k < line.n; k += 2) {
		const char *q = memchr(line.p + k, '"', line.n - k);
		if (!q)
			return i;
		k = (size_t)(q - line.p);
		if (k + 1 >= line.n || line.p[k + 1] != '"')
			return k + 1;
	}
	return i;
}

static size_t
gap_after(struct span line, size_t i)
{
	for (; i < line.n; i++) {
		const char *b = memchr(line.p + i, ' ', line.n - i);
		if (!b)
			return line.n;
		i = (size_t)(b - line.p);
		if (i + 1 < line.n && line.p[i + 1] == ' ')
			return i;
	}
	return line.n;
}

/* Returns true if a bar of a box begins at i: U+2502 and U+2503 (light and heavy), U+2551
 * (double), U+2506, U+2507, U+250A and U+250B (broken). */
static bool
is_bar(struct span line, size_t i)
{
	static const unsigned char bars[][2] = { { 0x94, 0x82 }, { 0x94, 0x83 }, { 0x95, 0x91 },
		{ 0x94, 0x86 }, { 0x94, 0x87 }, { 0x94, 0x8A }, { 0x94, 0x8B } };

	for (size_t k = 0; k < COUNT_OF(bars) && i + 2 < line.n; k++)
		if (line.p[i] == BAR && !memcmp(line.p + i + 1, bars[k], 2))
			return true;
	return false;
}

/* Returns true if the first byte of a separator at i begins one. `first`: at the beginning of a
 * field. */
static bool
is_separator(struct span line, size_t i, char cut, bool first)
{
	switch (cut) {
	case '|':
	case '&': return first || line.p[i - 1] != '\\';
	case BAR: return is_bar(line, i);
	case TWO: return i + 1 < line.n && line.p[i + 1] == '|';
	default: return true;
	}
}

/* Returns the offset at which the field that begins at i ends: at a separator or the line's
 * end. */
static size_t
field_end(struct span line, size_t i, char cut)
{
	size_t from = i;

	if (cut == GAP)
		return gap_after(line, i);
	while (i < line.n && line.p[i] == ' ')
		i++;
	if (i < line.n && line.p[i] == '"' && cut != '|')
		i = past_quotes(line, i);
	for (; i < line.n; i++) {
		const char *p = memchr(line.p + i, cut == TWO ? '|' : cut, line.n - i);
		if (!p)
			return line.n;
		i = (size_t)(p - line.p);
		if (is_separator(line, i, cut, i == from))
			return i;
	}
	return line.n;
}

/* Returns the beginning of the field after the field that ends at i, or line.n + 1 if there is
 * none. */
static size_t
next_field(struct span line, size_t i, char cut)
{
	if (i >= line.n)
		return line.n + 1;
	i += cut == BAR ? 3 : cut == TWO ? 2 : 1;
	while (cut == GAP && i < line.n && line.p[i] == ' ')
		i++;
	return i;
}

/* Returns the beginning of the first field. Spaces at the beginning of a line are not a field.
 */
static size_t
first_field(struct span line, char cut)
{
	size_t i = 0;

	while (i < line.n && (line.p[i] == ' ' || (cut != '\t' && line.p[i] == '\t')))
		i++;
	return i;
}

/* Returns the offset of the end of a row of LaTeX, or 0. */
static size_t
latex_end(struct span line)
{
	const char *end = memmem(line.p, line.n, "\\\\", 2);

	return end ? (size_t)(end - line.p) : 0;
}

/* Returns true for "COPY t (a, b) FROM stdin;" if *cut separates the fields of the rows below:
 * a tab, or a comma for "WITH (FORMAT csv)" (PostgreSQL, COPY). *line and *cut become those of
 * the list of names. */
static bool
is_copy(struct span *line, char *cut)
{
	struct span all = span_cut(*line, first_field(*line, '\t'), line->n);

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

/* Adapts the line and its separator if the line is written as a header only: COPY of
 * PostgreSQL, "^ a ^ b ^" of DokuWiki, "||a||b||" of Jira. The part from the end of a row of
 * LaTeX on does not count. Returns true for COPY. */
static bool
adapt_header(struct span *line, char *cut)
{
	if (*cut == '|') {
		size_t i = first_field(*line, '|');
		if (i < line->n && line->p[i] == '^')
			*cut = '^';
		else if (i + 4 < line->n && !memcmp(line->p + i, "||", 2) &&
			 !memcmp(line->p + line->n - 2, "||", 2))
			*cut = TWO;
	} else if (*cut == '&') {
		size_t end = latex_end(*line);
		*line = span_cut(*line, 0, end ? end : line->n);
	}
	return is_copy(line, cut);
}

struct fields_parts
fields_parts(struct span line)
{
	struct fields_parts out = { .plain = true };
	uint64_t at[BLOCK_SETS], before = 0;
	unsigned tabs = 0, any = 0;
	size_t i = 0;

	effort_add(line.n / 8);

	for (; i < line.n && (line.p[i] == ' ' || line.p[i] == '\t'); i++)
		tabs += line.p[i] == '\t';
	for (; i < line.n; i += BLOCK) {
		block_classify(&cut_sets, line.p + i, line.n - i, at);
		/* the second space of each gap */
		uint64_t blank = at[FRAME_GAP];
		at[FRAME_GAP] =
			blank & (blank << 1 | before >> 63) & ~(blank << 2 | before >> 62);
		before = blank;
		for (unsigned k = 0; k < COLUMN_CUTS; k++)
			if (at[k])
				any |= out.n[k] += (unsigned)__builtin_popcountll(at[k]);
	}
	if (out.n[FRAME_TAB])
		out.n[FRAME_TAB] += tabs;
	if (any)
		out.plain = !memchr(line.p, '"', line.n) && !memchr(line.p, '\\', line.n);
	/* The first byte of a bar is that of other characters too. */
	if (out.n[FRAME_BOX]) {
		unsigned bars = 0;
		for (size_t k = 0; k < line.n; k++)
			bars += is_bar(line, k);
		out.n[FRAME_BOX] = bars;
	}
	/* A row of LaTeX has its end in its line. */
	if (out.n[FRAME_LATEX] && !latex_end(line))
		out.n[FRAME_LATEX] = 0;
	size_t first = first_field(line, '|');
	if (first < line.n &&
		(line.p[first] == '^' ||
			span_starts(span_cut(line, first, line.n), SPAN_LIT("||")))) {
		out.n[FRAME_PIPE] += line.p[first] == '^';
		out.plain = false;
	}
	return out;
}

/* ---- rulers ---- */

/* \hline of LaTeX */
static bool
is_latex_ruler(struct span line)
{
	if (!line.n || line.p[0] != '\\')
		return false;
	for (size_t k = 0; k < COUNT_OF(latex_rulers); k++)
		if (span_starts(line, span_str(latex_rulers[k])))
			return !memchr(line.p, '&', line.n);
	return false;
}

bool
fields_ruler(struct span line)
{
	size_t drawn = 0;

	if (line.n && line.p[0] == '\\')
		return is_latex_ruler(line);
	if (line.n == 1 && is_one_of(line.p[0], "_=")) /* tbl(1) */
		return true;
	for (size_t i = 0; i < line.n; i++) {
		char x = line.p[i];
		if (x == '-' || x == '=')
			drawn++;
		else if (x == BAR && i + 2 < line.n && is_one_of(line.p[i + 1], "\x94\x95"))
			drawn += !is_bar(line, i), i += 2;
		else if (!is_line_space(x) && x != '|' && x != '+' && x != ':')
			return false;
	}
	return drawn >= 2;
}

bool
fields_column_ruler(struct span line)
{
	unsigned drawn = 0;

	for (size_t i = 0; i < line.n; i++) {
		if (!is_one_of(line.p[i], "-= "))
			return false;
		drawn += line.p[i] != ' ' && (i == 0 || line.p[i - 1] == ' ');
	}
	return drawn >= 2 && drawn <= COLUMN_FIELDS;
}

/* ---- names ---- */

/* The meaning of a byte in a header's field: a mark before or after the name, or a sign that
 * the field is no name. */
enum { MARK_BEFORE = 1, MARK_AFTER = 2, NO_NAME = 4 };
/* clang-format off */
static const uint8_t marks[256] = {
	['"'] = MARK_BEFORE | MARK_AFTER, ['\''] = MARK_BEFORE | MARK_AFTER,
	['`'] = MARK_BEFORE | MARK_AFTER, ['*'] = MARK_BEFORE | MARK_AFTER,
	['_'] = MARK_BEFORE | MARK_AFTER, ['#'] = MARK_BEFORE, ['['] = MARK_BEFORE,
	[':'] = MARK_AFTER, [']'] = MARK_AFTER, ['='] = NO_NAME | MARK_BEFORE, ['<'] = NO_NAME,
	['>'] = NO_NAME, ['{'] = NO_NAME, ['}'] = NO_NAME, [';'] = NO_NAME, ['@'] = NO_NAME,
	['\\'] = NO_NAME, ['!'] = NO_NAME, ['?'] = NO_NAME, ['$'] = NO_NAME, ['%'] = NO_NAME,
	['^'] = NO_NAME, ['~'] = NO_NAME, ['\0'] = NO_NAME | MARK_BEFORE | MARK_AFTER,
};
/* clang-format on */

static uint8_t
mark_of(char c)
{
	return marks[(unsigned char)c];
}

struct span
without_quotes(struct span s)
{
	s = without_blanks(s);
	while (s.n && mark_of(s.p[0]) & MARK_BEFORE)
		s = span_cut(s, 1, s.n);
	while (s.n && mark_of(s.p[s.n - 1]) & MARK_AFTER)
		s.n--;
	return without_blanks(s);
}

struct span
column_name_in(struct span s)
{
	s = without_quotes(s);
	if (s.n > 2 && s.p[0] == '.' && s.p[1] == ' ')
		return without_quotes(span_cut(s, 2, s.n));
	if (s.n && s.p[0] == '\\') {
		const char *open = memrchr(s.p, '{', s.n);
		size_t from = open ? (size_t)(open - s.p) + 1 : 0;
		s = span_cut(s, from, s.n);
		s = without_quotes(span_cut(s, 0, span_chr(s, '}')));
	}
	return s;
}

enum { NAME_BLANKS = 4 };

bool
is_column_name(struct span s)
{
	size_t digits = 0, blanks = 0;

	if (s.n == 0 || s.n > COLUMN_NAME || !is_letter(s.p[0]))
		return false;
	for (size_t i = 0; i < s.n && digits <= 2 && blanks <= NAME_BLANKS; i++) {
		char x = s.p[i];
		digits += is_digit(x) ? 1 : 0;
		blanks += x == ' ' ? 1 : 0;
		if (mark_of(x) & NO_NAME ||
			(x == '.' && i + 1 < s.n && s.p[i + 1] == ' ' && i > 3))
			return false;
	}
	return digits <= 2 && blanks <= NAME_BLANKS;
}

/* ---- places of columns ---- */

/* The columns' first characters, and the characters after them. */
struct column_places {
	unsigned n;
	uint16_t from[COLUMN_FIELDS], to[COLUMN_FIELDS];
};

/* Fills at[] with the offset of each character, and of the end. Returns their number. */
static size_t
character_offsets(struct span line, uint16_t at[COLUMN_LINE + 1])
{
	size_t n = 0;

	for (size_t i = 0; i < line.n && i < COLUMN_LINE; i++)
		if (((unsigned char)line.p[i] & 0xC0) != 0x80)
			at[n++] = (uint16_t)i;
	at[n] = (uint16_t)(line.n < COLUMN_LINE ? line.n : COLUMN_LINE);
	effort_add(line.n / 4);
	return n;
}

/* Finds the words of a line, with at least `apart` spaces between two. Returns false if there
 * are too many. */
static bool
word_places(struct span line, unsigned apart, struct column_places *p)
{
	uint16_t at[COLUMN_LINE + 1];
	size_t n = character_offsets(line, at);

	p->n = 0;
	for (size_t i = 0; i < n; i++) {
		if (line.p[at[i]] == ' ')
			continue;
		if (p->n == 0 || i >= p->to[p->n - 1] + apart) {
			if (p->n == COLUMN_FIELDS)
				return false;
			p->from[p->n++] = (uint16_t)i;
		}
		p->to[p->n - 1] = (uint16_t)(i + 1);
	}
	return p->n >= 2;
}

enum places_kind {
	PLACES_LEFT,  /* a cell begins where its name begins */
	PLACES_RIGHT, /* a cell ends where its name ends */
	PLACES_RULED, /* a cell is between the beginnings of two parts of a ruler */
};

/* Cuts a line at the places. Returns false if it does not fit. `whole`: no cell is empty. */
static bool
cut_at_places(const struct column_places *p, enum places_kind kind, struct span line, bool part,
	bool whole, struct field_place *v)
{
	uint16_t at[COLUMN_LINE + 1];
	size_t n = character_offsets(line, at), cells = 0;

	for (unsigned k = 0; k < p->n; k++) {
		bool last = k + 1 == p->n;
		size_t from = kind == PLACES_RIGHT ? (k ? p->to[k - 1] : 0u) : p->from[k];
		size_t to = kind == PLACES_RIGHT ? p->to[k] : last ? n : p->from[k + 1];
		from = from < n ? from : n;
		to = to < n ? to : n;
		/* a space is between two columns */
		if (kind != PLACES_RIGHT ? k && from < n && line.p[at[from - 1]] != ' '
					 : !last && to < n && line.p[at[to]] != ' ')
			return false;
		if (kind == PLACES_RIGHT && last && to < n)
			return false;
		size_t begin = from, end = to;
		while (begin < end && line.p[at[begin]] == ' ')
			begin++;
		while (end > begin && line.p[at[end - 1]] == ' ')
			end--;
		bool empty = begin == end;
		if (!empty && ((kind == PLACES_LEFT && begin != from) ||
				      (kind == PLACES_RIGHT && end != p->to[k] &&
					      !(part && end == n))))
			return false;
		if (empty && whole && !part)
			return false;
		cells += !empty;
		v[k] = (struct field_place){ at[begin], at[end] };
	}
	return cells > 0;
}

/* Returns the offset after the number that begins a row, or 0. */
static size_t
past_row_number(struct span line)
{
	size_t i = span_past_set(line, 0, " ");
	size_t end = span_past(span_cut(line, 0, i + 10), i, is_digit);

	if (i > 8 || end == i || end >= line.n)
		return 0;
	end += line.p[end] == '*';
	return end < line.n && line.p[end] == ' ' ? end : 0;
}

/* Returns true for a header with spaces before its names, below which rows have a number. */
static bool
is_indexed_header(struct span line)
{
	struct column_places p;

	if (line.n < 4 || memcmp(line.p, "  ", 2) != 0 ||
		is_one_of(line.p[line.n - 1], ".,:;{}()") || !word_places(line, 1, &p))
		return false;
	uint16_t at[COLUMN_LINE + 1];
	character_offsets(line, at);
	for (unsigned k = 0; k < p.n; k++)
		if (!is_column_name(column_name_in(span_cut(line, at[p.from[k]], at[p.to[k]]))))
			return false;
	return true;
}

/* Splits a row below a ruler or an indexed header. */
static unsigned
split_at_places(unsigned frame, struct span header, struct span line, bool part,
	struct field_place *v, unsigned *index)
{
	struct column_places p;
	size_t names = span_chr(header, '\n');

	if (frame == FRAME_RULED) {
		struct span ruler = span_cut(header, names + 1, header.n);
		return word_places(ruler, 1, &p) &&
				       cut_at_places(&p, PLACES_RULED, line, part, false, v)
			       ? p.n
			       : 0;
	}
	if (!word_places(header, 1, &p) || p.n >= COLUMN_FIELDS)
		return 0;
	size_t number = past_row_number(line);
	if (!number || number > p.from[0])
		return 0;
	uint16_t end = (uint16_t)number;
	/* the names begin after the number */
	char copy[COLUMN_LINE];
	memcpy(copy, line.p, line.n);
	memset(copy, ' ', number);
	line = span_of(copy, line.n);
	if (!cut_at_places(&p, PLACES_RIGHT, line, part, true, v + 1) &&
		!cut_at_places(&p, PLACES_LEFT, line, part, true, v + 1))
		return 0;
	v[0] = (struct field_place){ 0, end };
	*index = 1;
	return p.n + 1;
}

/* ---- the fields of a line ---- */

unsigned
fields_count(unsigned frame, struct span line)
{
	char cut = cuts[frame];
	unsigned n = 0;

	adapt_header(&line, &cut);
	effort_add(line.n / 8);
	for (size_t i = first_field(line, cut); i <= line.n && n <= COLUMN_FIELDS; n++)
		i = next_field(line, field_end(line, i, cut), cut);
	return n;
}

/* Splits a row with gaps whose number of fields is not that of its header: a first field
 * without a name, as the index that pandas prints, or empty cells. */
static unsigned
split_other_gaps(struct span header, unsigned names, struct span line, bool part, unsigned n,
	struct field_place *v, unsigned *index)
{
	struct column_places p;

	if ((n == names + 1 || (part && n <= names)) && v[0].to < first_field(header, GAP)) {
		*index = 1;
		return n;
	}
	if (names < 3 || n > names || !word_places(header, 2, &p) || p.n != names)
		return n;
	struct field_place at[COLUMN_FIELDS];
	if (!cut_at_places(&p, PLACES_LEFT, line, part, false, at) &&
		!cut_at_places(&p, PLACES_RIGHT, line, part, false, at))
		return n;
	memcpy(v, at, names * sizeof(*v));
	return names;
}

unsigned
fields_split(unsigned frame, struct span header, struct span line, bool part,
	struct field_place *v, unsigned *index)
{
	char cut = cuts[frame];
	unsigned n = 0;

	*index = 0;
	if (cut == PLACES && header.n)
		return split_at_places(frame, header, line, part, v, index);
	if (cut == PLACES) { /* the header of a table with an index */
		struct column_places p;
		uint16_t at[COLUMN_LINE + 1];
		character_offsets(line, at);
		if (!word_places(line, 1, &p))
			return 0;
		for (; n < p.n; n++)
			v[n] = (struct field_place){ at[p.from[n]], at[p.to[n]] };
		return n;
	}
	const char *begin = line.p;
	adapt_header(&line, &cut);
	const size_t before = (size_t)(line.p - begin);
	effort_add(line.n / 8);
	for (size_t i = first_field(line, cut); i <= line.n; n++) {
		size_t end = field_end(line, i, cut);
		if (n == COLUMN_FIELDS)
			return n + 1;
		v[n] = (struct field_place){ (uint16_t)(before + i), (uint16_t)(before + end) };
		i = next_field(line, end, cut);
	}
	if (frame != FRAME_GAP || !header.n)
		return n;
	unsigned names = fields_count(frame, header);
	return n == names ? n : split_other_gaps(header, names, line, part, n, v, index);
}

struct span
fields_first(unsigned frame, struct span line)
{
	char cut = cuts[frame];

	adapt_header(&line, &cut);
	size_t from = first_field(line, cut);
	return column_name_in(span_cut(line, from, field_end(line, from, cut)));
}

bool
fields_has(unsigned frame, struct span line)
{
	char cut = cuts[frame];

	if (frame == FRAME_INDEXED)
		return past_row_number(line) || is_indexed_header(line);
	if (frame == FRAME_RULED)
		return line.n > 0;
	return adapt_header(&line, &cut) ||
	       field_end(line, first_field(line, cut), cut) < line.n;
}

bool
fields_is_row(unsigned frame, struct span line)
{
	return fields_has(frame, line) || fields_ruler(line) ||
	       (frame == FRAME_INDEXED && memmem(line.p, line.n, "  <", 3));
}

bool
fields_are_names(unsigned frame, struct span line)
{
	char cut = cuts[frame];
	unsigned names = 0;

	if (frame == FRAME_INDEXED)
		return is_indexed_header(line);
	if (frame == FRAME_RULED) {
		struct field_place v[COLUMN_FIELDS];
		unsigned none,
			n = fields_split(frame, line, span_cut(line, 0, span_chr(line, '\n')),
				false, v, &none);
		for (unsigned k = 0; k < n; k++) {
			struct span s = column_name_in(span_cut(line, v[k].from, v[k].to));
			if (s.n && !is_column_name(s))
				return false;
			names += s.n > 0;
		}
		return names >= 2;
	}
	/* "Research & Development" is no header. */
	if (cut == '&' && !latex_end(line))
		return false;
	adapt_header(&line, &cut);
	effort_add(line.n / 4);
	for (size_t i = first_field(line, cut); i <= line.n;) {
		size_t end = field_end(line, i, cut);
		struct span s = column_name_in(span_cut(line, i, end));
		if (is_column_name(s))
			names++;
		else if (s.n || (i > 0 && end < line.n))
			return false;
		i = next_field(line, end, cut);
	}
	return names >= 2;
}

bool
fields_copy(struct span line)
{
	char tab = '\t', comma = ',';

	return is_copy(&line, &tab) || is_copy(&line, &comma);
}

bool
fields_prose(struct span line)
{
	unsigned blanks = 0;

	for (size_t i = first_field(line, ' '); i + 1 < line.n; i++) {
		char x = line.p[i];
		if (is_one_of(x, "\t|;,&^") || x == BAR || (x == ' ' && line.p[i + 1] == ' '))
			return false;
		blanks += x == ' ';
		if (blanks > NAME_BLANKS)
			return true;
	}
	return false;
}

bool
fields_pair(struct span line, struct span *name, struct span *cell)
{
	char cut = memchr(line.p, '|', line.n) ? '|' : memchr(line.p, BAR, line.n) ? BAR : ':';
	size_t i = first_field(line, cut), end = field_end(line, i, cut);

	if (end == i) { /* a bar before the name */
		i = next_field(line, end, cut);
		end = i < line.n ? field_end(line, i, cut) : line.n;
	}
	if (end >= line.n)
		return false;
	*name = column_name_in(span_cut(line, i, end));
	i = next_field(line, end, cut);
	if (i < line.n)
		end = field_end(line, i, cut);
	*cell = without_quotes(span_cut(line, i, i < line.n ? end : line.n));
	return is_column_name(*name) && cell->n;
}
