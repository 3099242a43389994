/* Generates tables in many frames. */
#include "support/frame_docs.h"

#include <stdio.h>
#include <string.h>

/* how cells are written */
enum {
	PAD = 1,       /* to the width of the column */
	RIGHT = 2,     /* aligned to the right */
	CENTER = 4,    /* the names are in the middle */
	LONG = 8,      /* a note with line breaks, in quotes */
	QUOTED = 16,   /* each cell in quotes */
	HOLES = 32,    /* some cells are empty */
	NAMED = 64,    /* the name and `head_cut` are before each cell */
	LITERAL = 128, /* SQL: strings in single quotes */
	BARE = 256,    /* names are one word */
	CRS = 512,     /* lines end with CR */
};

enum { CELL = 64 };

/* clang-format off */
const struct frame_kind frame_kinds[] = {
	{ "CSV", "", "", ",", "\n", "", "", ",", "\n", "", 0 },
	{ "CSV, line breaks in quotes", "", "", ",", "\n", "", "", ",", "\n", "", LONG },
	{ "CSV, all quoted, line breaks", "", "\"", "\",\"", "\"\n", "", "", ",", "\n", "", LONG | QUOTED },
	{ "CSV, CRLF, line breaks", "", "", ",", "\r\n", "", "", ",", "\r\n", "", LONG },
	{ "CSV, CR", "", "", ",", "\n", "", "", ",", "\n", "", CRS },
	{ "semicolons, line breaks", "", "", ";", "\n", "", "", ";", "\n", "", LONG },
	{ "semicolons, CR, quoted", "", "\"", "\";\"", "\"\n", "", "", ";", "\n", "", QUOTED | CRS },
	{ "tabs", "", "", "\t", "\n", "", "", "\t", "\n", "", HOLES },
	{ "tabs, line breaks", "", "", "\t", "\n", "", "", "\t", "\n", "", LONG | QUOTED },
	{ "tabs, CR", "", "", "\t", "\n", "", "", "\t", "\n", "", CRS },
	{ "pipes", "", "", "|", "\n", "", "", "|", "\n", "", 0 },
	{ "Excel's sep=", "sep=;\n", "", ";", "\n", "", "", ";", "\n", "", 0 },
	{ "psql", "", " ", " | ", " \n", "%R-++-\n", " ", " | ", " \n", "(9 rows)\n", PAD | CENTER },
	{ "psql, border 2", "%R+-++\n", "| ", " | ", " |\n", "%R+-++\n", "| ", " | ", " |\n", "%R+-++\n", PAD | CENTER },
	{ "psql, border 0", "", "", " ", " \n", "%r-- -\n", "", " ", " \n", "(9 rows)\n", PAD | CENTER },
	{ "psql, unicode", "", " ", " │ ", " \n", "%R─┼──\n", " ", " │ ", " \n", "", PAD | CENTER },
	{ "psql, unicode, border 2", "%R┌─┬┐\n", "│ ", " │ ", " │\n", "%R├─┼┤\n", "│ ", " │ ", " │\n", "%R└─┴┘\n", PAD | CENTER },
	{ "DuckDB", "%R┌─┬┐\n", "│ ", " │ ", " │\n", "│ varchar │ varchar │ varchar │ varchar │ varchar │ varchar │\n%R├─┼┤\n", "│ ", " │ ", " │\n", "%R└─┴┘\n", PAD | CENTER | HOLES },
	{ "rich", "%R┏━┳┓\n", "┃ ", " ┃ ", " ┃\n", "%R┡━╇┩\n", "│ ", " │ ", " │\n", "%R└─┴┘\n", PAD },
	{ "double box", "%R╔═╦╗\n", "║ ", " ║ ", " ║\n", "%R╠═╬╣\n", "║ ", " ║ ", " ║\n", "%R╚═╩╝\n", PAD },
	{ "polars", "%R┌─┬┐\n", "│ ", " ┆ ", " │\n", "│ --- ┆ --- ┆ --- ┆ --- ┆ --- ┆ --- │\n│ str ┆ str ┆ str ┆ str ┆ str ┆ str │\n%R╞═╪╡\n", "│ ", " ┆ ", " │\n", "%R└─┴┘\n", PAD },
	{ "rows of a box", "%R┌─┬┐\n", "│ ", " │ ", " │\n", "%R├─┼┤\n", "│ ", " │ ", " │\n%R├─┼┤\n", "", PAD },
	{ "MySQL", "%R+-++\n", "| ", " | ", " |\n", "%R+-++\n", "| ", " | ", " |\n", "%R+-++\n", PAD | BARE },
	{ "Spark", "%r+-++\n", "|", "|", "|\n", "%r+-++\n", "|", "|", "|\n", "%r+-++\n", PAD | RIGHT },
	{ "ClickHouse", "%R┌─┬┐\n", "│ ", " │ ", " │\n", "%R├─┼┤\n", "│ ", " │ ", " │\n", "%R└─┴┘\n", PAD | BARE },
	{ "psql \\x", "", NULL, " | ", "", "", "-[ RECORD %i ]----------+-----------\n", "\n", "\n", "", PAD | NAMED },
	{ "psql \\x, border 2", "", NULL, " | ", "", "", "+-[ RECORD %i ]---------+-----------+\n| ", " |\n| ", " |\n", "+------+-----+\n", PAD | NAMED },
	{ "psql \\x, unicode", "", NULL, " │ ", "", "", "─[ RECORD %i ]──────────┬───────────\n", "\n", "\n", "", PAD | NAMED },
	{ "MySQL \\G", "", NULL, ": ", "", "", "*************************** %i. row ***************************\n", "\n", "\n", "", PAD | RIGHT | NAMED | BARE },
	{ "SQLite, lines", "", NULL, " = ", "", "", "", "\n", "\n\n", "", PAD | RIGHT | NAMED | BARE },
	{ "ClickHouse, vertical", "", NULL, ":     ", "", "", "Row %i:\n──────\n", "\n", "\n\n", "", NAMED | BARE },
	{ "pandas", "", "    ", "  ", "\n", "", "%I  ", "  ", "\n", "", PAD | RIGHT },
	{ "pandas, names of one word", "", "    ", " ", "\n", "", "%I  ", " ", "\n", "\n[9 rows x 6 columns]\n", PAD | RIGHT | BARE },
	{ "R", "", "   ", " ", "\n", "", "%I ", " ", "\n", "", PAD | RIGHT | BARE },
	{ "tibble", "# A tibble: 9 x 6\n", "   ", " ", "\n", "   <chr> <chr> <chr> <chr> <chr> <chr>\n", "%I ", " ", "\n", "", PAD | BARE },
	{ "two spaces", "", "", "  ", "\n", "", "", "  ", "\n", "", PAD },
	{ "fixed width", "", "", "  ", "\n", "", "", "  ", "\n", "", PAD | HOLES },
	{ "fixed width, a ruler", "", "", " ", "\n", "%r-- -\n", "", " ", "\n", "", PAD | HOLES },
	{ "sqlcmd", "", "", " ", "\n", "%r-- -\n", "", " ", "\n", "\n(9 rows affected)\n", PAD | BARE },
	{ "SQLite, columns", "", "", "  ", "\n", "%r-- -\n", "", "  ", "\n", "", PAD | BARE },
	{ "RST, simple", "%r== =\n", "", " ", "\n", "%r== =\n", "", " ", "\n", "%r== =\n", PAD },
	{ "RST, grid", "%R+-++\n", "| ", " | ", " |\n", "%R+=++\n", "| ", " | ", " |\n%R+-++\n", "", PAD },
	{ "RST, list", ".. list-table::\n   :header-rows: 1\n\n", "   * - ", "\n     - ", "\n", "", "   * - ", "\n     - ", "\n", "", 0 },
	{ "Markdown", "", "| ", " | ", " |\n", "|---|---|---|---|---|---|\n", "| ", " | ", " |\n", "", HOLES },
	{ "Markdown, no outer pipes", "", "", " | ", "\n", "---|---|---|---|---|---\n", "", " | ", "\n", "", 0 },
	{ "Markdown, code and bold", "", "| **", "** | **", "** |\n", "|:--|:--|:--|:--|:--|--:|\n", "| `", "` | `", "` |\n", "", 0 },
	{ "Org", "", "| ", " | ", " |\n", "%R|-+|\n", "| ", " | ", " |\n", "", PAD },
	{ "AsciiDoc", "[%header]\n|===\n", "|", " |", "\n", "\n", "|", " |", "\n", "|===\n", 0 },
	{ "AsciiDoc, a cell a line", "[cols=\"6*\"]\n|===\n", "|", " |", "\n", "\n", "|", "\n|", "\n\n", "|===\n", 0 },
	{ "MediaWiki", "{| class=\"wikitable\"\n", "! ", " !! ", "\n", "", "|-\n| ", " || ", "\n", "|}\n", 0 },
	{ "MediaWiki, a cell a line", "{| class=\"wikitable\"\n|+ People\n|-\n", "! ", "\n! ", "\n", "", "|-\n| ", "\n| ", "\n", "|}\n", 0 },
	{ "MediaWiki, attributes", "{|\n", "! scope=\"col\" | ", " !! scope=\"col\" | ", "\n", "", "|-\n| style=\"x\" | ", "\n| align=\"left\" | ", "\n", "|}\n", 0 },
	{ "DokuWiki", "", "^ ", " ^ ", " ^\n", "", "| ", " | ", " |\n", "", PAD },
	{ "Jira", "", "||", "||", "||\n", "", "|", "|", "|\n", "", 0 },
	{ "Textile", "", "|_. ", " |_. ", " |\n", "", "| ", " | ", " |\n", "", 0 },
	{ "LaTeX", "\\begin{tabular}{llllll}\n\\hline\n", "", " & ", " \\\\\n", "\\hline\n", "", " & ", " \\\\\n", "\\hline\n\\end{tabular}\n", 0 },
	{ "LaTeX, booktabs", "\\begin{tabular}{llllll}\n\\toprule\n", "\\textbf{", "} & \\textbf{", "} \\\\\n", "\\midrule\n", "  ", " & ", " \\\\\n", "\\bottomrule\n\\end{tabular}\n", 0 },
	{ "LaTeX, a line below each", "\\begin{longtable}{l|l|l|l|l|l}\n", "", " & ", "\\\\ \\hline\n", "\\endhead\n", "", "&", "\\\\ \\hline\n", "\\end{longtable}\n", 0 },
	{ "HTML", "<table>", "<tr><th>", "</th><th>", "</th></tr>\n", "", "<tr><td>", "</td><td>", "</td></tr>\n", "</table>\n", 0 },
	{ "HTML, indented", "<table>\n  <thead>\n", "    <tr>\n      <th>", "</th>\n      <th>", "</th>\n    </tr>\n", "  </thead>\n  <tbody>\n", "    <tr>\n      <td>", "</td>\n      <td>", "</td>\n    </tr>\n", "</tbody></table>\n", 0 },
	{ "BBCode", "[table]\n", "[tr][th]", "[/th][th]", "[/th][/tr]\n", "", "[tr][td]", "[/td][td]", "[/td][/tr]\n", "[/table]\n", 0 },
	{ "INSERT, one row", "", NULL, "", "", "", "INSERT INTO people (%N) VALUES (", ", ", ");\n", "", LITERAL | BARE },
	{ "INSERT, one row, quoted names", "", NULL, "", "", "", "INSERT INTO \"public\".\"people\" (%N) VALUES (", ",", ");\n", "", LITERAL | BARE | QUOTED },
	{ "INSERT, one row, lines", "", NULL, "", "", "", "INSERT INTO people\n    (%N)\nVALUES\n    (", ", ", ");\n\n", "", LITERAL | BARE },
	{ "INSERT, a name a line", "", NULL, "", "", "", "INSERT INTO people (%L)\nVALUES (\n    ", ",\n    ", "\n);\n", "", LITERAL | BARE },
	{ "INSERT, all rows", "INSERT INTO people (%N) VALUES\n", NULL, "", "", "", "(", ", ", "),\n", "", LITERAL | BARE },
	{ "INSERT ALL", "INSERT ALL\n", NULL, "", "", "", "  INTO people (%N) VALUES (", ", ", ")\n", "SELECT 1 FROM dual;\n", LITERAL | BARE },
	{ "REPLACE", "", NULL, "", "", "", "REPLACE INTO `people` (%N) VALUES (", ",", ");\n", "", LITERAL | BARE },
	{ "COPY", "COPY public.people (%N) FROM stdin;\n", NULL, "", "", "", "", "\t", "\n", "\\.\n", BARE },
	{ "DocBook", "<table><tgroup cols=\"6\">\n<thead>\n", "<row><entry>", "</entry><entry>", "</entry></row>\n", "</thead><tbody>\n", "<row><entry>", "</entry><entry>", "</entry></row>\n", "</tbody></tgroup></table>\n", 0 },
	{ "SpreadsheetML", "<Table>\n", "<Row>\n <Cell><Data ss:Type=\"String\">", "</Data></Cell>\n <Cell><Data ss:Type=\"String\">", "</Data></Cell>\n</Row>\n", "", "<Row>\n <Cell><Data ss:Type=\"String\">", "</Data></Cell>\n <Cell><Data ss:Type=\"String\">", "</Data></Cell>\n</Row>\n", "</Table>\n", 0 },
	{ "HTML without ends", "<table>", "<tr><th>", "<th>", "", "", "<tr><td>", "<td>", "", "</table>\n", 0 },
	{ "Creole", "", "|=", "|=", "|\n", "", "|", "|", "|\n", "", 0 },
	{ "tbl", ".TS\nl l l l l l.\n", "", "\t", "\n", "_\n", "", "\t", "\n", ".TE\n", 0 },
	{ "kubectl", "", "", "   ", "\n", "", "", "   ", "\n", "", PAD | BARE },
	{ "Typst", "#table(columns: 6,\n", "  [", "], [", "],\n", "", "  [", "], [", "],\n", ")\n", 0 },
	{ "INSERT of SQL Server", "", NULL, "", "", "", "INSERT [dbo].[people] (%N) VALUES (N", ", N", ")\nGO\n", "", LITERAL | BARE },
	{ "MySQL, -t without edges", "", " ", " | ", "\n", "%R-+--\n", " ", " | ", "\n", "", PAD | BARE | RIGHT },
	{ "sqlite, box", "%R╭─┬╮\n", "│ ", " │ ", " │\n", "%R╞═╪╡\n", "│ ", " │ ", " │\n", "%R╰─┴╯\n", PAD | CENTER },
};
/* clang-format on */
const size_t frame_kinds_n = COUNT_OF(frame_kinds);

static struct {
	char names[FRAME_COLUMNS][CELL];
	char cell[FRAME_ROWS][FRAME_COLUMNS][CELL];
	bool marked[FRAME_COLUMNS];
	size_t rows, width[FRAME_COLUMNS];
} table;
static uint64_t frame_random;

static uint32_t
frame_roll(uint32_t below)
{
	frame_random =
		frame_random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(frame_random >> 33) % below;
}

/* ---- cells ---- */

static void
fill_cell(char *out, unsigned column, unsigned how)
{
	static const char letters[] = "CFGHJKLMNPRTVWXYZ",
			  marks[] = "abcdefghkmnpqrstuvw23456789";
	static const char *const cities[] = { "Lyon", "Graz", "Porto", "Turku", "Bergen",
		"Ghent" };
	static const char *const notes[] = { "ok", "call back", "paid", "new", "to check",
		"moved" };
	static const char *const longs[] = { "first line\nsecond line", "one, two\n\nand three",
		"says \"\"yes\"\"\nto all; then\nleft", "a\nb\nc", "ok" };
	size_t n = 2;

	switch (column) {
	case 0:
		snprintf(out, CELL, "%c%08u", letters[frame_roll(sizeof(letters) - 1)],
			10000000 + frame_roll(89999999));
		break;
	case 1:
		snprintf(out, CELL, "%03u-%02u-%04u", 100 + frame_roll(500),
			10 + frame_roll(89), 1000 + frame_roll(8999));
		break;
	case 2: snprintf(out, CELL, "%u", 10000000 + frame_roll(89999999)); break;
	case 3:
		for (memcpy(out, "q7", n); n < 12; n++)
			out[n] = marks[frame_roll(sizeof(marks) - 1)];
		out[n] = '\0';
		break;
	case 4: snprintf(out, CELL, "%s", cities[frame_roll(COUNT_OF(cities))]); break;
	default:
		snprintf(out, CELL, "%s",
			how & LONG ? longs[frame_roll(COUNT_OF(longs))]
				   : notes[frame_roll(COUNT_OF(notes))]);
	}
}

static void
fill_table(size_t rows, unsigned how)
{
	static const char *const names[][FRAME_COLUMNS] = {
		{ "passport number", "ssn", "medical record number", "password", "city",
			"note" },
		{ "passport_no", "social_security_number", "mrn", "passwd", "town", "comment" },
	};
	unsigned order[FRAME_COLUMNS], as = how & BARE ? 1 : frame_roll(2);

	table.rows = rows < FRAME_ROWS ? rows : FRAME_ROWS;
	for (unsigned c = 0; c < FRAME_COLUMNS; c++)
		order[c] = c;
	for (unsigned c = FRAME_COLUMNS; c-- > 1;) {
		unsigned k = frame_roll(c + 1), x = order[c];
		order[c] = order[k];
		order[k] = x;
	}
	for (unsigned c = 0; c < FRAME_COLUMNS; c++) {
		snprintf(table.names[c], CELL, "%s", names[as][order[c]]);
		table.marked[c] = order[c] < 4;
		table.width[c] = strlen(table.names[c]);
		for (size_t i = 0; i < table.rows; i++) {
			char *cell = table.cell[i][c];
			fill_cell(cell, order[c], how);
			if (how & HOLES && frame_roll(5) == 0)
				cell[0] = '\0';
			table.width[c] =
				strlen(cell) > table.width[c] ? strlen(cell) : table.width[c];
		}
	}
}

/* ---- parts of a frame ---- */

static void
put_times(struct buf *b, const char *s, size_t n)
{
	while (n--)
		buf_str(b, s);
}

/* Appends the ruler that is drawn with the four characters at `s`. Returns the character after
 * them. */
static const char *
put_ruler(struct buf *b, const struct frame_kind *k, const char *s, size_t more)
{
	char marks[4][8];
	size_t times; /* spaces between columns are as many as in the rows */

	for (unsigned i = 0; i < 4; i++) {
		size_t n = (unsigned char)*s >= 0xE0 ? 3 : 1;
		memcpy(marks[i], s, n);
		marks[i][n] = '\0';
		s += n;
	}
	times = marks[2][0] == ' ' ? strlen(k->cut) : 1;
	buf_str(b, marks[0]);
	for (unsigned c = 0; c < FRAME_COLUMNS; c++) {
		put_times(b, marks[2], c ? times : 0);
		put_times(b, marks[1], table.width[c] + more - (c == 0 && !more));
	}
	buf_str(b, marks[3]);
	return s;
}

static void
put_part(struct buf *b, const struct frame_kind *k, const char *s, size_t row)
{
	while (*s) {
		if (*s != '%' || !strchr("NLiIRr", s[1])) {
			buf_putc(b, *s++);
			continue;
		}
		char what = s[1];
		s += 2;
		if (what == 'i')
			buf_printf(b, "%zu", row);
		else if (what == 'I')
			buf_printf(b, "%-2zu", row);
		else if (what == 'N' || what == 'L')
			for (unsigned c = 0; c < FRAME_COLUMNS; c++)
				buf_printf(b, k->how & QUOTED ? "%s\"%s\"" : "%s%s",
					what == 'L' ? (c ? ",\n    " : "\n    ")
					: c	    ? ", "
						    : "",
					table.names[c]);
		else
			s = put_ruler(b, k, s, what == 'R' ? 2 : 0);
	}
}

static void
put_padded(struct frame_doc *d, const struct frame_kind *k, const char *s, size_t width,
	bool name, bool marked)
{
	size_t n = strlen(s), left = k->how & PAD && width > n ? width - n : 0;
	size_t before = k->how & RIGHT ? left : k->how & CENTER && name ? left / 2 : 0;
	const char *quote = name				  ? ""
			    : k->how & LITERAL			  ? "'"
			    : k->how & QUOTED			  ? "\""
			    : k->how & LONG && strpbrk(s, ";,\n") ? "\""
								  : "";

	put_times(&d->text, " ", before);
	buf_str(&d->text, quote);
	if (marked && n && d->n < FRAME_VALUES)
		d->v[d->n++] = (struct frame_value){ d->text.n, d->text.n + n };
	buf_str(&d->text, s);
	buf_str(&d->text, quote);
	put_times(&d->text, " ", left - before);
}

void
frame_doc_make(struct frame_doc *d, const struct frame_kind *k, unsigned place, size_t rows,
	uint64_t seed)
{
	static const char *const before[FRAME_PLACES] = { "", "These are the rows, as asked:\n",
		"Dear all,\n\nplease see below; \"some\" rows, and more.\n\n" };
	static const char *const after[FRAME_PLACES] = { "", "That is all.\n", "\nRegards\n" };
	size_t widest = 0;

	frame_random = seed;
	frame_roll(2);
	buf_clear(&d->text);
	d->n = 0;
	fill_table(rows, k->how);
	for (unsigned c = 0; c < FRAME_COLUMNS; c++)
		widest = table.width[c] > widest && c < FRAME_COLUMNS ? table.width[c] : widest;
	buf_str(&d->text, before[place]);
	put_part(&d->text, k, k->top, 0);
	for (unsigned c = 0; k->head && c < FRAME_COLUMNS; c++) {
		put_part(&d->text, k, c ? k->head_cut : k->head, 0);
		put_padded(d, k, table.names[c], table.width[c], true, false);
	}
	put_part(&d->text, k, k->head_end, 0);
	put_part(&d->text, k, k->ruler, 0);
	for (size_t i = 0; i < table.rows; i++) {
		for (unsigned c = 0; c < FRAME_COLUMNS; c++) {
			put_part(&d->text, k, c ? k->cut : k->begin, i + 1);
			if (k->how & NAMED) {
				put_padded(d, k, table.names[c], 24, true, false);
				buf_str(&d->text, k->head_cut);
			}
			put_padded(d, k, table.cell[i][c], k->how & NAMED ? 0 : table.width[c],
				false, table.marked[c]);
		}
		put_part(&d->text, k, k->end, i + 1);
	}
	put_part(&d->text, k, k->bottom, 0);
	buf_str(&d->text, after[place]);
	for (size_t i = 0; k->how & CRS && i < d->text.n; i++)
		if (d->text.p[d->text.start + i] == '\n')
			d->text.p[d->text.start + i] = '\r';
}
