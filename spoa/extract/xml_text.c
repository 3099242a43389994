/* Reads XML of Office Open XML (ECMA-376) and of OpenDocument (OASIS ODF 1.3). The walk writes
 * all character data, and each attribute that a table names or that looks like text. A list of
 * elements states which ones end a paragraph, divide a cell or hide text, so that a value is
 * whole although its runs are split, and values of different cells stay apart.
 *
 * A paragraph is written as it is now. If it has deleted, inserted or hidden parts, it is
 * written again as it was before, and as it is shown, because a value may be whole in one
 * reading only. */
#include "extract/xml_text.h"

#include <expat.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/utf8.h"

/* ---- expat ---- */

struct xml_parser {
	struct document *d;
	XML_Parser p;
	const struct xml_calls *calls;
	void *arg;
	unsigned depth;
};

const char *
xml_local(const char *name)
{
	const char *colon = strrchr(name, ':');

	return colon ? colon + 1 : name;
}

const char *
xml_attribute(const char **atts, const char *name)
{
	for (; *atts; atts += 2)
		if (str_same(xml_local(*atts), name))
			return atts[1];
	return NULL;
}

static void
stop_if_failed(struct xml_parser *x)
{
	if (x->d->error)
		XML_StopParser(x->p, XML_FALSE);
}

static void
expat_start(void *arg, const char *name, const char **atts)
{
	struct xml_parser *x = arg;

	if (++x->depth > DOCUMENT_NEST)
		document_fail(x->d, EXTRACT_NESTED);
	else if (x->calls->start)
		x->calls->start(x->arg, xml_local(name), atts);
	stop_if_failed(x);
}

static void
expat_end(void *arg, const char *name)
{
	struct xml_parser *x = arg;

	x->depth--;
	if (x->calls->end && !x->d->error)
		x->calls->end(x->arg, xml_local(name));
	stop_if_failed(x);
}

static void
expat_text(void *arg, const char *p, int n)
{
	struct xml_parser *x = arg;

	if (x->calls->text && !x->d->error)
		x->calls->text(x->arg, span_of(p, (size_t)n));
	stop_if_failed(x);
}

static void
expat_comment(void *arg, const char *text)
{
	struct xml_parser *x = arg;

	if (x->calls->comment && !x->d->error)
		x->calls->comment(x->arg, span_str(text));
}

static void
expat_instruction(void *arg, const char *target, const char *text)
{
	if (!str_same(target, "mso-application"))
		expat_comment(arg, text);
}

/* Entities need a document type, so none can be defined without one. */
static void
expat_doctype(void *arg, const char *name, const char *system, const char *public, int internal)
{
	struct xml_parser *x = arg;

	(void)name, (void)system, (void)public, (void)internal;
	document_fail(x->d, EXTRACT_DOCTYPE);
	stop_if_failed(x);
}

void
xml_parse(struct document *d, struct span xml, const struct xml_calls *calls, void *arg)
{
	struct xml_parser x = { .d = d, .calls = calls, .arg = arg };
	unsigned long salt = 0;

	if (d->error)
		return;
	x.p = XML_ParserCreate(NULL);
	if (!x.p) {
		document_fail(d, EXTRACT_MEMORY);
		return;
	}
	random_bytes(&salt, sizeof(salt));
	XML_SetHashSalt(x.p, salt | 1);
	XML_SetUserData(x.p, &x);
	XML_SetElementHandler(x.p, expat_start, expat_end);
	XML_SetCharacterDataHandler(x.p, expat_text);
	XML_SetCommentHandler(x.p, expat_comment);
	XML_SetProcessingInstructionHandler(x.p, expat_instruction);
	XML_SetStartDoctypeDeclHandler(x.p, expat_doctype);
	if (XML_Parse(x.p, xml.p ? xml.p : "", (int)xml.n, 1) != XML_STATUS_OK) {
		enum XML_Error code = XML_GetErrorCode(x.p);
		document_fail(d, code == XML_ERROR_NO_MEMORY ? EXTRACT_MEMORY
				 : code == XML_ERROR_UNKNOWN_ENCODING ||
						 code == XML_ERROR_INCORRECT_ENCODING
					 ? EXTRACT_ENCODING
					 : EXTRACT_DAMAGED);
	}
	XML_ParserFree(x.p);
}

const char *
xml_root(struct span xml, char name[32])
{
	SCOPED_BUF(b, 0);
	size_t n = 0;

	for (size_t i = 0; i < xml.n && b.n < 4096;
		i++) /* UTF-16 has a NUL beside each letter */
		if (xml.p[i])
			buf_putc(&b, xml.p[i]);
	struct span s = buf_view(&b);
	for (;;) {
		span_next(&s, '<');
		if (span_starts(s, SPAN_LIT("!--"))) {
			const char *end = memmem(s.p, s.n, "-->", 3);
			s = span_cut(s, end ? (size_t)(end - s.p) : s.n, s.n);
		} else if (!s.n || (s.p[0] != '?' && s.p[0] != '!')) {
			break;
		}
	}
	for (size_t i = 0; i < s.n && n < 31 && !is_one_of(s.p[i], " \t\r\n/>"); i++) {
		name[n++] = s.p[i];
		if (s.p[i] == ':')
			n = 0;
	}
	name[n] = 0;
	return name;
}

void
cell_name(char name[24], unsigned column, unsigned row)
{
	char letters[8];
	size_t n = sizeof(letters);

	letters[--n] = 0;
	for (unsigned c = column + 1; c && n; c = (c - 1) / 26)
		letters[--n] = (char)('A' + (c - 1) % 26);
	snprintf(name, 24, "%s%u", letters + n, row + 1);
}

/* ---- elements and attributes ---- */

enum element_act {
	ACT_NONE,
	ACT_TEXT, /* its text belongs to the paragraph */
	ACT_PARAGRAPH,
	ACT_TABLE,
	ACT_ROW,
	ACT_CELL,
	ACT_RUN,
	ACT_TAB,
	ACT_BREAK,
	ACT_HYPHEN,
	ACT_SPACE, /* text:s */
	ACT_SYMBOL,
	ACT_INSERTED,
	ACT_DELETED,
	ACT_HIDDEN, /* hides the run that has it */
	ACT_FIELD,  /* instructions of a field */
	ACT_BOX,    /* its text is apart from the paragraph around it */
	ACT_NOTE,   /* a comment, which names its author */
	ACT_SHEET,
};

/* clang-format off */
static const struct { const char *name; enum element_act act; } elements[] = {
	{ "p", ACT_PARAGRAPH }, { "h", ACT_PARAGRAPH },
	{ "t", ACT_TEXT }, { "delText", ACT_TEXT }, { "span", ACT_TEXT }, { "a", ACT_TEXT },
	{ "r", ACT_RUN }, { "fld", ACT_RUN },
	{ "tbl", ACT_TABLE }, { "table", ACT_TABLE },
	{ "tr", ACT_ROW }, { "table-row", ACT_ROW },
	{ "tc", ACT_CELL }, { "table-cell", ACT_CELL }, { "covered-table-cell", ACT_CELL },
	{ "tab", ACT_TAB }, { "ptab", ACT_TAB },
	{ "br", ACT_BREAK }, { "cr", ACT_BREAK }, { "line-break", ACT_BREAK },
	{ "noBreakHyphen", ACT_HYPHEN }, { "s", ACT_SPACE }, { "sym", ACT_SYMBOL },
	{ "ins", ACT_INSERTED }, { "moveTo", ACT_INSERTED },
	{ "del", ACT_DELETED }, { "moveFrom", ACT_DELETED },
	{ "vanish", ACT_HIDDEN }, { "webHidden", ACT_HIDDEN }, { "specVanish", ACT_HIDDEN },
	{ "instrText", ACT_FIELD }, { "delInstrText", ACT_FIELD },
	{ "txbxContent", ACT_BOX }, { "rPh", ACT_BOX }, { "frame", ACT_BOX }, { "custom-shape", ACT_BOX },
	{ "rect", ACT_BOX }, { "ellipse", ACT_BOX }, { "rt", ACT_BOX }, { "ruby-text", ACT_BOX },
	{ "note", ACT_BOX }, { "annotation", ACT_NOTE }, { "comment", ACT_NOTE },
	{ "threadedComment", ACT_NOTE }, { "cm", ACT_NOTE },
};

/* Attributes that hold text. `element` NULL: any. `label`: is written before the value, as a
 * name that detectors know. */
static const struct { const char *element, *attribute, *label; } attributes[] = {
	{ "docVar", "val", NULL }, { "alias", "val", NULL }, { "tag", "val", NULL },
	{ "listItem", "value", NULL }, { "listEntry", "val", NULL }, { "default", "val", NULL },
	{ "statusText", "val", NULL }, { "helpText", "val", NULL }, { "query", "val", "query" },
	{ "connectString", "val", "connection string" }, { "udl", "val", NULL },
	{ "s", "v", NULL }, { "n", "v", NULL }, { "d", "v", NULL }, { "sheetName", "val", NULL },
	{ "style", "val", NULL }, { "caption", "val", NULL },
	{ NULL, "descr", NULL }, { NULL, "title", NULL }, { NULL, "alt", NULL },
	{ NULL, "author", "author name" }, { NULL, "initials", NULL }, { NULL, "tooltip", NULL },
	{ NULL, "display", NULL }, { NULL, "displayText", NULL }, { NULL, "prompt", NULL },
	{ NULL, "promptTitle", NULL }, { NULL, "error", NULL }, { NULL, "errorTitle", NULL },
	{ NULL, "instr", NULL }, { NULL, "string", NULL }, { NULL, "command", "command" },
	{ NULL, "connection", "connection string" }, { NULL, "url", NULL }, { NULL, "sourceFile", NULL },
	{ NULL, "href", NULL }, { NULL, "caption", NULL }, { NULL, "uniqueName", NULL },
	{ NULL, "comment", NULL }, { NULL, "location", NULL }, { NULL, "displayName", "author name" },
	{ NULL, "userId", NULL }, { NULL, "name", NULL }, { NULL, "description", NULL },
	{ NULL, "sql", "query" }, { NULL, "formula", NULL }, { NULL, "string-value", NULL },
	{ NULL, "date-value", NULL }, { NULL, "value", NULL }, { NULL, "connection-resource", NULL },
	{ NULL, "user", NULL }, { NULL, "statement", NULL }, { NULL, "database-name", NULL },
	{ NULL, "condition", NULL }, { NULL, "macro", NULL }, { NULL, "placeholder", NULL },
	{ NULL, "current-value", NULL }, { NULL, "label", NULL }, { NULL, "help-message", NULL },
	{ NULL, "oddHeader", NULL }, { NULL, "filterVal", NULL }, { NULL, "val1", NULL },
};

/* Elements whose names are those of fonts, styles and colors. */
static const char *const plain_names[] = { "lsdException", "font", "font-face", "style", "latin", "ea", "cs",
	"clrScheme", "fontScheme", "fmtScheme", "theme", "cellStyle", "tableStyle", "default-style",
	"config-item", "config-item-set", "config-item-map-indexed", "config-item-map-named", "cNvPr-x",
	"compatSetting", "attr", "ext", "gd", "altName", "name" };

/* Elements whose text has a better name. */
static const struct { const char *element, *label; } labels[] = {
	{ "creator", "author name" }, { "lastModifiedBy", "author name" }, { "Manager", "author name" },
	{ "initial-creator", "author name" }, { "printed-by", "author name" }, { "author", "author name" },
};
/* clang-format on */

static enum element_act
element_act(const char *name)
{
	for (size_t i = 0; i < COUNT_OF(elements); i++)
		if (str_same(elements[i].name, name))
			return elements[i].act;
	return ACT_NONE;
}

/* Returns true if the value of an attribute that no table names is text: it has an address, two
 * words, letters that are not ASCII, or a number with separators or of 12 digits. */
static bool
bytes_look_like_text(struct span s)
{
	size_t words = 0, letters = 0, digits = 0, dashes = 0;
	bool other = false, hex = true;

	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (is_high(c) || (c == '@' && i && i + 1 < s.n))
			return true;
		letters = is_alpha(c) ? letters + 1 : 0;
		words += letters == 3 && (i < 3 || s.p[i - 3] == ' ');
		digits += is_digit(c);
		dashes += c == '-' || c == ' ';
		hex = hex && (is_hex(c) || c == '-' || c == '{' || c == '}');
		other |= !is_digit(c) && c != '-' && c != ' ' && c != '.';
	}
	return words >= 2 || (!other && (digits >= 12 || (digits >= 8 && dashes >= 1))) ||
	       (s.n >= 20 && !hex && digits >= 4 && !memchr(s.p, ',', s.n) &&
		       !memchr(s.p, '/', s.n));
}

/* Returns true if a name of a style or font has an address or a number, as no such name has. */
static bool
has_own_number(struct span s)
{
	size_t digits = 0;

	for (size_t i = 0; i < s.n; i++) {
		digits += is_digit(s.p[i]);
		if (s.p[i] == '@' || digits >= 6)
			return true;
	}
	return false;
}

/* ---- the walk ---- */

enum view { VIEW_NOW, VIEW_BEFORE, VIEW_SHOWN, VIEWS };

enum { BOXES_MOST = 8, HEADS_MOST = 256, GAP_MOST = 256 };

/* A paragraph while it is read. */
struct open_paragraph {
	struct buf views[VIEWS];
	struct buf field;
	unsigned inserted, deleted, hidden; /* how many elements around say so */
	unsigned tables;
	bool in_cell, cell_text;
};

struct walk {
	struct document *d;
	const char *where;
	bool paragraphs, sheets;
	struct passage body, aside;
	enum element_act stack[DOCUMENT_NEST + 2];
	bool run_hidden[DOCUMENT_NEST + 2]; /* the run at this depth is hidden */
	unsigned depth;
	struct open_paragraph *at, boxes[BOXES_MOST + 1];
	size_t nboxes;
	unsigned paragraph;
	struct buf plain; /* text of an element outside of paragraphs */
	char label[64], property[64];
	char note[DOCUMENT_PLACE]; /* author of the comment around; "": none */
	char note_cell[24];	   /* the cell that it is about; "": none */
	char sheet[DOCUMENT_PLACE];
	unsigned row, column, rows_more, columns_more;
	struct buf value; /* the stored value of a cell */
	struct buf cell_shown;
	struct buf heads[HEADS_MOST]; /* texts of the first row */
	struct buf authors; /* of an xlsx part with comments, in the form of d->people */
	unsigned nauthors;
	/* the content of these elements goes to other calls; inner_depth 0: not inside */
	const char *inner_element;
	const struct xml_calls *inner;
	void *inner_arg;
	unsigned inner_depth;
};

/* Writes the place: of the paragraph, the comment or the cell. */
static void
walk_place(struct walk *w, struct passage *p, const char *more)
{
	SCOPED_BUF(b, 0);
	char cell[24];

	buf_str(&b, w->where);
	if (w->note[0] && w->note_cell[0])
		buf_printf(&b, "%s%s", b.n ? ", " : "", w->note_cell);
	if (w->note[0])
		buf_printf(&b, "%scomment by %s", b.n ? ", " : "", w->note);
	if (w->sheets && w->sheet[0]) {
		cell_name(cell, w->column, w->row);
		buf_printf(&b, "%ssheet %s, %s", b.n ? ", " : "", w->sheet, cell);
	} else if (w->paragraphs && !w->note[0] && w->paragraph) {
		buf_printf(&b, "paragraph %u", w->paragraph);
	}
	if (*more)
		buf_printf(&b, "%s%s", b.n ? ", " : "", more);
	if (!p->places.n && !b.n)
		return;
	buf_putc(&b, 0);
	if (!buf_failed(&b))
		passage_place(p, "%s", b.p + b.start);
}

/* Writes a text that is apart from the paragraphs. */
static void
walk_aside(struct walk *w, const char *more, const char *label, struct span text)
{
	text = span_trim(text, " \t\r\n");
	if (!text.n)
		return;
	walk_place(w, &w->aside, more);
	if (label && *label) {
		passage_put(w->d, &w->aside, span_str(label));
		passage_put(w->d, &w->aside, SPAN_LIT(": "));
	}
	passage_line(w->d, &w->aside, text);
}

/* Adds the text to each view of its paragraph that contains it: the present text, the text before
 * tracked changes, and the displayed text. */
static void
put_in_views(struct walk *w, struct span text)
{
	struct open_paragraph *o = w->at;

	if (!o->deleted)
		buf_span(&o->views[VIEW_NOW], text);
	if (!o->inserted)
		buf_span(&o->views[VIEW_BEFORE], text);
	if (!o->deleted && !o->hidden)
		buf_span(&o->views[VIEW_SHOWN], text);
	if (o->views[VIEW_NOW].n + o->views[VIEW_BEFORE].n > EXTRACT_TEXT_BYTES)
		document_fail(w->d, EXTRACT_TOO_LARGE);
}

static void
end_paragraph(struct walk *w)
{
	struct open_paragraph *o = w->at;
	struct span now = buf_view(&o->views[VIEW_NOW]);
	bool box = w->nboxes > 0;
	struct passage *to = box ? &w->aside : &w->body;

	if (o->in_cell && w->sheets && !box)
		buf_span(&w->cell_shown, now);
	if (span_trim(now, " \t\r\n").n) {
		if (o->in_cell && o->cell_text)
			passage_put(w->d, to, SPAN_LIT(" "));
		if (!w->sheets || box || !o->in_cell)
			walk_place(w, to, "");
		passage_put(w->d, to, now);
		o->cell_text = true;
		if (!o->in_cell)
			passage_put(w->d, to, SPAN_LIT("\n"));
	}
	for (enum view v = VIEW_BEFORE; v < VIEWS; v++) {
		struct span s = buf_view(&o->views[v]);
		if (!span_eq(s, now) &&
			(v == VIEW_BEFORE || !span_eq(s, buf_view(&o->views[VIEW_BEFORE]))))
			walk_aside(w, v == VIEW_BEFORE ? "with deleted text" : "", NULL, s);
	}
	walk_aside(w, "", NULL, buf_view(&o->field));
	for (enum view v = 0; v < VIEWS; v++)
		buf_clear(&o->views[v]);
	buf_clear(&o->field);
}

static void
end_plain(struct walk *w)
{
	if (w->plain.n) {
		struct span text = buf_view(&w->plain);
		bool is_label = w->label[0] && strlen(w->label) > 2;
		struct span label = span_str(w->label);
		/* codes such as &L stand before the text of a sheet's header */
		for (size_t i = 0;
			i + 1 < text.n && (span_ends(label, SPAN_LIT("Header")) ||
						  span_ends(label, SPAN_LIT("Footer")));
			i++)
			if (text.p[i] == '&')
				w->plain.p[w->plain.start + i] =
					w->plain.p[w->plain.start + i + 1] = ' ';
		walk_aside(w, "", is_label ? w->label : NULL, text);
	}
	buf_clear(&w->plain);
}

static void
walk_attributes(struct walk *w, const char *name, const char **atts)
{
	const char *named = xml_attribute(atts, "name");
	bool plain = false;

	if (str_same(name, "panose1") || str_same(name, "sig")) /* of a font */
		return;
	for (size_t i = 0; i < COUNT_OF(plain_names); i++)
		plain |= str_same(plain_names[i], name);
	for (const char **a = atts; *a; a += 2) {
		const char *attribute = xml_local(*a), *label = NULL;
		struct span value = span_str(a[1]);
		bool is = false;
		if (!value.n || span_starts(span_str(*a), SPAN_LIT("xmlns")))
			continue;
		if (w->sheets && w->stack[w->depth] == ACT_CELL &&
			span_ends(span_str(attribute), SPAN_LIT("value")))
			continue; /* end_cell() writes it */
		for (size_t i = 0; i < COUNT_OF(attributes) && !is; i++) {
			is = str_same(attributes[i].attribute, attribute) &&
			     (!attributes[i].element || str_same(attributes[i].element, name));
			label = is ? attributes[i].label : NULL;
		}
		if (str_same(attribute, "schemeClr") || str_same(attribute, "type"))
			continue;
		bool of_style = plain || str_same(attribute, "typeface") ||
				str_same(attribute, "style");
		if (((of_style || !is) && !bytes_look_like_text(value)) ||
			(of_style && !has_own_number(value)))
			continue;
		if (!label && named && named != a[1])
			label = named;
		walk_aside(w, "", label, value);
	}
}

static void
open_box(struct walk *w)
{
	if (w->nboxes == BOXES_MOST) {
		document_fail(w->d, EXTRACT_NESTED);
		return;
	}
	w->at = &w->boxes[++w->nboxes];
	w->at->inserted = w->at->deleted = w->at->hidden = w->at->tables = 0;
	w->at->in_cell = w->at->cell_text = false;
}

static void
close_box(struct walk *w)
{
	if (!w->nboxes)
		return;
	end_paragraph(w);
	w->at = &w->boxes[--w->nboxes];
}

/* Returns the number of times that a cell or row of OpenDocument is repeated. */
static unsigned
is_repeated_name(const char **atts, const char *name)
{
	const char *n = xml_attribute(atts, name);
	unsigned long v = n ? strtoul(n, NULL, 10) : 1;

	return v < 1 ? 1 : v > 2000000 ? 2000000 : (unsigned)v;
}

static void
start_cell(struct walk *w, const char **atts)
{
	struct open_paragraph *o = w->at;
	struct passage *to = w->nboxes ? &w->aside : &w->body;

	if (!w->sheets || w->nboxes) {
		if (o->in_cell || o->tables > 1)
			passage_put(w->d, to, SPAN_LIT(" "));
		o->in_cell = true;
		o->cell_text = false;
		return;
	}
	w->column += w->columns_more;
	w->columns_more = is_repeated_name(atts, "number-columns-repeated");
	o->in_cell = true;
	o->cell_text = false;
	buf_clear(&w->value);
	buf_clear(&w->cell_shown);
	const char *value = xml_attribute(atts, "value");
	value = value ? value : xml_attribute(atts, "date-value");
	value = value ? value : xml_attribute(atts, "string-value");
	if (value)
		buf_str(&w->value, value);
	walk_place(w, to, "");
}

static void
end_cell(struct walk *w)
{
	struct open_paragraph *o = w->at;
	struct passage *to = w->nboxes ? &w->aside : &w->body;

	o->in_cell = o->tables > 1;
	if (!w->sheets || w->nboxes) {
		passage_put(w->d, to, SPAN_LIT("\t"));
		return;
	}
	struct span shown = span_trim(buf_view(&w->cell_shown), " \t\r\n");
	struct span value = buf_view(&w->value);
	if (w->row == 0 && w->column < HEADS_MOST)
		buf_span(&w->heads[w->column], span_cut(shown, 0, DOCUMENT_PLACE));
	if (value.n && !span_eq(value, shown)) {
		char head[DOCUMENT_PLACE] = "";
		if (w->column < HEADS_MOST)
			place_name(buf_view(&w->heads[w->column]), head);
		walk_aside(w, "", head, value);
	}
	unsigned tabs = w->columns_more < GAP_MOST ? w->columns_more : 1;
	for (unsigned i = 0; i < tabs; i++)
		passage_put(w->d, to, SPAN_LIT("\t"));
}

static void
end_row(struct walk *w)
{
	struct passage *to = w->nboxes ? &w->aside : &w->body;

	passage_put(w->d, to, w->at->tables > 1 ? SPAN_LIT(" ") : SPAN_LIT("\n"));
}

static void
start_table(struct walk *w, const char **atts)
{
	const char *name = xml_attribute(atts, "name");

	w->at->tables++;
	if (!w->sheets || w->nboxes || w->at->tables > 1)
		return;
	place_name(name ? span_str(name) : SPAN_LIT("?"), w->sheet);
	w->row = w->column = w->rows_more = 0;
	for (size_t i = 0; i < HEADS_MOST; i++)
		buf_clear(&w->heads[i]);
}

static void
put_symbol(struct walk *w, const char **atts)
{
	const char *code = xml_attribute(atts, "char");
	unsigned long cp = code ? strtoul(code, NULL, 16) : 0;
	SCOPED_BUF(b, 0);

	if (cp >= 0xF000 && cp <= 0xF0FF) /* a symbol font maps its letters here */
		cp -= 0xF000;
	if (cp < ' ' || cp > 0xFFFF || (cp & 0xF800) == 0xD800)
		return;
	buf_utf8(&b, (uint32_t)cp);
	put_in_views(w, buf_view(&b));
}

/* Adds an author to a list of lines "ID<tab>NAME". */
static void
add_author(struct buf *list, const char *id, struct span name)
{
	buf_printf(list, "%s\t%.*s\n", id, SPAN_ARG(span_cut(name, 0, span_chr(name, '\n'))));
}

static struct span
find_author(const struct buf *list, struct span id)
{
	for (struct span s = buf_view(list); s.n;) {
		struct span line = span_next(&s, '\n');
		if (span_eq(span_next(&line, '\t'), id))
			return line;
	}
	return SPAN_LIT("?");
}

/* The author of a comment is named by it, or by a list in the part (xlsx) or in another part.
 */
static void
start_note(struct walk *w, const char **atts)
{
	const char *author = xml_attribute(atts, "author"),
		   *id = xml_attribute(atts, "authorId"), *cell = xml_attribute(atts, "ref");
	bool threaded = !id && (id = xml_attribute(atts, "personId"));
	const struct buf *list = !threaded && w->nauthors ? &w->authors : &w->d->people;

	if (author)
		place_name(span_str(author), w->note);
	else if (id)
		place_name(find_author(list, span_str(id)), w->note);
	snprintf(w->note_cell, sizeof(w->note_cell), "%s", cell ? cell : "");
}

/* Keeps people that comments refer to: persons of Excel, authors of PowerPoint. */
static void
keep_person(struct walk *w, const char *name, const char **atts)
{
	const char *id = xml_attribute(atts, "id"), *is = xml_attribute(atts, "displayName");

	if (str_same(name, "cmAuthor") || (str_same(name, "author") && id))
		is = xml_attribute(atts, "name");
	else if (!str_same(name, "person"))
		return;
	if (id && is)
		add_author(&w->d->people, id, span_str(is));
}

static void
walk_start(void *arg, const char *name, const char **atts)
{
	struct walk *w = arg;
	enum element_act act = element_act(name), outer = w->stack[w->depth];

	if (w->inner_depth) {
		w->inner_depth++;
		w->inner->start(w->inner_arg, name, atts);
		return;
	}
	if (w->inner && str_same(name, w->inner_element)) {
		w->inner_depth = 1;
		return;
	}
	end_plain(w);
	keep_person(w, name, atts);
	if (outer == ACT_NOTE || w->depth < 2 || act == ACT_NONE)
		snprintf(w->label, sizeof(w->label), "%s", name);
	for (size_t i = 0; i < COUNT_OF(labels); i++)
		if (str_same(labels[i].element, name))
			snprintf(w->label, sizeof(w->label), "%s", labels[i].label);
	const char *named = xml_attribute(atts, "name");
	if (named && (str_same(name, "property") || str_same(name, "user-defined")))
		snprintf(w->property, sizeof(w->property), "%s", named);
	if (str_same(name, "annotation"))
		w->note[0] = 0;
	w->stack[++w->depth] = act;
	w->run_hidden[w->depth] = false;
	switch (act) {
	case ACT_PARAGRAPH: w->paragraph += w->nboxes == 0; break;
	case ACT_TABLE: start_table(w, atts); break;
	case ACT_ROW:
		if (w->sheets && !w->nboxes) {
			w->row += w->rows_more;
			w->rows_more = is_repeated_name(atts, "number-rows-repeated");
			w->column = w->columns_more = 0;
		}
		break;
	case ACT_CELL: start_cell(w, atts); break;
	case ACT_TAB:
		if (outer == ACT_RUN || outer == ACT_PARAGRAPH || outer == ACT_TEXT)
			put_in_views(w, SPAN_LIT("\t"));
		break;
	case ACT_BREAK: put_in_views(w, w->at->in_cell ? SPAN_LIT(" ") : SPAN_LIT("\n")); break;
	case ACT_HYPHEN: put_in_views(w, SPAN_LIT("-")); break;
	case ACT_SPACE:
		for (unsigned n = is_repeated_name(atts, "c"); outer != ACT_NONE && n && n < 256; n--)
			put_in_views(w, SPAN_LIT(" "));
		break;
	case ACT_SYMBOL: put_symbol(w, atts); break;
	case ACT_INSERTED: w->at->inserted++; break;
	case ACT_DELETED: w->at->deleted++; break;
	case ACT_HIDDEN: {
		const char *val = xml_attribute(atts, "val");
		/* w:r > w:rPr > w:vanish */
		if (w->depth > 2 && w->stack[w->depth - 2] == ACT_RUN &&
			!w->run_hidden[w->depth - 2] &&
			!(val && (str_same(val, "0") || str_same(val, "false")))) {
			w->run_hidden[w->depth - 2] = true;
			w->at->hidden++;
		}
		break;
	}
	case ACT_BOX: open_box(w); break;
	case ACT_NOTE:
		if (str_same(name, "annotation"))
			open_box(w);
		start_note(w, atts);
		break;
	default: break;
	}
	walk_attributes(w, name, atts);
}

static void
walk_end(void *arg, const char *name)
{
	struct walk *w = arg;
	enum element_act act = w->stack[w->depth];

	if (w->inner_depth) {
		if (--w->inner_depth)
			w->inner->end(w->inner_arg, name);
		return;
	}
	if (str_same(name, "author") && w->plain.n) {
		char id[24];
		snprintf(id, sizeof(id), "%u", w->nauthors++);
		add_author(&w->authors, id, buf_view(&w->plain));
	}
	if (str_same(name, "creator") && w->depth && w->stack[w->depth - 1] == ACT_NOTE)
		place_name(buf_view(&w->plain), w->note);
	if (w->property[0] && w->plain.n)
		snprintf(w->label, sizeof(w->label), "%s", w->property);
	end_plain(w);
	w->label[0] = 0;
	if (str_same(name, "property") || str_same(name, "user-defined"))
		w->property[0] = 0;
	switch (act) {
	case ACT_PARAGRAPH: end_paragraph(w); break;
	case ACT_TABLE: w->at->tables -= w->at->tables > 0; break;
	case ACT_ROW: end_row(w); break;
	case ACT_CELL: end_cell(w); break;
	case ACT_INSERTED: w->at->inserted -= w->at->inserted > 0; break;
	case ACT_DELETED: w->at->deleted -= w->at->deleted > 0; break;
	case ACT_RUN: w->at->hidden -= w->run_hidden[w->depth] && w->at->hidden; break;
	case ACT_BOX: close_box(w); break;
	case ACT_NOTE:
		end_paragraph(w);
		if (str_same(name, "annotation"))
			close_box(w);
		w->note[0] = 0;
		break;
	default: break;
	}
	w->depth--;
}

/* Returns true if text here belongs to the paragraph around. */
static bool
is_inline(const struct walk *w)
{
	enum element_act act = w->stack[w->depth];

	return act == ACT_TEXT || act == ACT_PARAGRAPH || act == ACT_RUN ||
	       act == ACT_INSERTED || act == ACT_DELETED;
}

static void
walk_text(void *arg, struct span text)
{
	struct walk *w = arg;
	enum element_act act = w->stack[w->depth];

	if (w->inner_depth) {
		w->inner->text(w->inner_arg, text);
		return;
	}
	if (act == ACT_FIELD)
		buf_span(&w->at->field, text);
	else if (act == ACT_TEXT ||
		 (is_inline(w) && (span_trim(text, " \t\r\n").n || w->at->views[VIEW_NOW].n)))
		put_in_views(w, text);
	else
		buf_span(&w->plain, text);
	if (w->plain.n > EXTRACT_TEXT_BYTES)
		document_fail(w->d, EXTRACT_TOO_LARGE);
}

static void
walk_comment(void *arg, struct span text)
{
	walk_aside(arg, "", NULL, text);
}

static const struct xml_calls walk_calls = { walk_start, walk_end, walk_text, walk_comment };

/* Walks over a part. `w` has the settings of the walk, all else 0. */
static void
walk_part(struct walk *w, struct span xml)
{
	struct document *d = w->d;

	w->at = w->boxes;
	xml_parse(d, xml, &walk_calls, w);
	/* text outside of paragraphs, as in the strings of a workbook */
	end_paragraph(w);
	d->text_seen |= w->body.text.n > 0;
	passage_end(d, &w->body);
	passage_end(d, &w->aside);
	passage_free(&w->body);
	passage_free(&w->aside);
	for (size_t i = 0; i <= BOXES_MOST; i++) {
		for (enum view v = 0; v < VIEWS; v++)
			buf_free(&w->boxes[i].views[v]);
		buf_free(&w->boxes[i].field);
	}
	for (size_t i = 0; i < HEADS_MOST; i++)
		buf_free(&w->heads[i]);
	buf_free(&w->plain);
	buf_free(&w->value);
	buf_free(&w->cell_shown);
	buf_free(&w->authors);
	free(w);
}

static struct walk *
walk_new(struct document *d, const char *where)
{
	struct walk *w = calloc(1, sizeof(*w));

	if (!w) {
		document_fail(d, EXTRACT_MEMORY);
		return NULL;
	}
	w->d = d;
	w->where = where;
	return w;
}

void
xml_walk(struct document *d, struct span xml, const char *where, bool paragraphs)
{
	struct walk *w = walk_new(d, where);

	if (!w)
		return;
	w->paragraphs = paragraphs;
	walk_part(w, xml);
}

void
xml_walk_sheets(struct document *d, struct span xml)
{
	struct walk *w = walk_new(d, "");

	if (!w)
		return;
	w->sheets = true;
	walk_part(w, xml);
}

void
xml_walk_with(struct document *d, struct span xml, const char *where, const char *element,
	const struct xml_calls *calls, void *arg)
{
	struct walk *w = walk_new(d, where);

	if (!w)
		return;
	w->inner_element = element;
	w->inner = calls;
	w->inner_arg = arg;
	walk_part(w, xml);
}
