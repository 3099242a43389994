/* Reads zip archives: Office Open XML (ECMA-376 part 2), OpenDocument (ODF 1.3 part 2) and
 * plain ones. Each entry of the archive is read, also if nothing refers to it. The root element
 * of a part decides how it is read; relationships only give it a place, such as a sheet's name.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ascii.h"
#include "base/scoped.h"
#include "base/utf8.h"
#include "extract/document.h"
#include "extract/frame.h"
#include "extract/sheet.h"
#include "extract/xml_text.h"
#include "extract/zip_file.h"

enum {
	RELATIONS_MOST = 20000,
	UP_MOST = 4, /* relationships that are followed to find the place of a part */
	WHERE_BYTES = 200,
	STRING_LEAST = 4, /* letters of a text in a binary part */
};

/* A relationship (part 2, 9.3). Spans of package.words. */
struct relation {
	struct span from, id, target; /* paths of parts, without '/' in front */
};

struct package {
	struct document *d;
	struct zip zip;
	struct relation *relations;
	size_t nrelations;
	struct arena words;
	struct workbook book;
	struct package_name {
		struct span part;
		char where[WHERE_BYTES]; /* "sheet Payroll", "slide 3" */
	} * names;
	size_t nnames;
};

/* ---- the archive ---- */

static const struct zip_entry *
find_part(const struct package *p, struct span name)
{
	for (size_t i = 0; i < p->zip.n; i++)
		if (span_ieq(p->zip.v[i].name, name))
			return &p->zip.v[i];
	return NULL;
}

/* Decompresses an entry. Returns false if that failed the document. */
static bool
load_part(struct package *p, const struct zip_entry *e, struct buf *out)
{
	enum extract_error error = zip_inflate(e, &p->d->left, out);

	if (error)
		document_fail(p->d, error);
	return !error && !p->d->error;
}

static bool
name_ends(struct span name, const char *end)
{
	size_t n = strlen(end);

	return name.n >= n && span_ieq(span_cut(name, name.n - n, name.n), span_str(end));
}

static bool
name_has(struct span name, const char *part)
{
	return memmem(name.p, name.n, part, strlen(part)) != NULL;
}

/* ---- relationships ---- */

/* Appends the path of a target, relative to the folder of its source. Returns false if it
 * leaves the archive. */
static bool
resolve_part(struct span source, struct span target, struct buf *out)
{
	size_t folder = 0;

	for (size_t i = 0; i < source.n; i++)
		folder = source.p[i] == '/' ? i : folder;
	if (span_starts(target, SPAN_LIT("/")))
		folder = 0;
	buf_span(out, span_cut(source, 0, folder));
	target = span_cut(target, 0, span_chr(target, '#'));
	while (target.n) {
		struct span step = span_next(&target, '/');
		if (!step.n || span_is(step, "."))
			continue;
		if (!span_is(step, "..")) {
			if (out->n)
				buf_putc(out, '/');
			buf_span(out, step);
			continue;
		}
		if (!out->n)
			return false;
		while (out->n && out->p[out->start + out->n - 1] != '/')
			out->n--;
		out->n -= out->n > 0;
	}
	return true;
}

struct relations_reader {
	struct package *p;
	struct span source;
};

static void
relations_start(void *arg, const char *name, const char **atts)
{
	struct relations_reader *r = arg;
	struct package *p = r->p;
	const char *id = xml_attribute(atts, "Id"), *target = xml_attribute(atts, "Target"),
		   *mode = xml_attribute(atts, "TargetMode");
	SCOPED_BUF(path, 0);

	if (!str_same(name, "Relationship") || !id || !target)
		return;
	if (mode && str_same(mode, "External")) {
		document_link(p->d, span_str(target));
		return;
	}
	if (*target == '#') /* a place in the document */
		return;
	if (!resolve_part(r->source, span_str(target), &path)) {
		document_fail(p->d, EXTRACT_OUTSIDE);
		return;
	}
	if (p->nrelations == RELATIONS_MOST) {
		document_fail(p->d, EXTRACT_TOO_LARGE);
		return;
	}
	p->relations[p->nrelations++] = (struct relation){ r->source,
		arena_dup(&p->words, span_str(id)), arena_kept(&p->words, &path) };
}

/* Returns the part that a file of relationships is of: "xl/_rels/workbook.xml.rels" is of
 * "xl/workbook.xml". */
static struct span
source_of_rels(struct package *p, struct span rels)
{
	static const char folder[] = "_rels/";
	const char *at = memmem(rels.p, rels.n, folder, strlen(folder));
	SCOPED_BUF(b, 0);

	if (at) {
		size_t before = (size_t)(at - rels.p);
		buf_span(&b, span_cut(rels, 0, before));
		buf_span(&b, span_cut(rels, before + strlen(folder), rels.n - strlen(".rels")));
	}
	return arena_kept(&p->words, &b);
}

static void
read_relations(struct package *p)
{
	static const struct xml_calls calls = { relations_start, NULL, NULL, NULL };

	p->relations = calloc(RELATIONS_MOST, sizeof(*p->relations));
	if (!p->relations)
		document_fail(p->d, EXTRACT_MEMORY);
	for (size_t i = 0; i < p->zip.n && !p->d->error; i++) {
		SCOPED_BUF(xml, 0);
		if (!name_ends(p->zip.v[i].name, ".rels") || !load_part(p, &p->zip.v[i], &xml))
			continue;
		struct relations_reader r = { p, source_of_rels(p, p->zip.v[i].name) };
		xml_parse(p->d, buf_view(&xml), &calls, &r);
	}
}

/* ---- names of sheets and slides ---- */

struct names_reader {
	struct package *p;
	struct span part;
	unsigned slides;
};

static void
name_part(struct package *p, struct span part, const char *kind, const char *name)
{
	char cut[DOCUMENT_PLACE];

	if (p->nnames == RELATIONS_MOST)
		return;
	struct package_name *n = &p->names[p->nnames++];
	n->part = part;
	snprintf(n->where, sizeof(n->where), "%s %s", kind, place_name(span_str(name), cut));
}

static void
names_start(void *arg, const char *name, const char **atts)
{
	struct names_reader *r = arg;
	struct package *p = r->p;
	bool sheet = str_same(name, "sheet"), slide = str_same(name, "sldId");
	const char *id = NULL, *title = xml_attribute(atts, "name");
	char number[16];

	if (str_same(name, "workbookPr")) {
		const char *since = xml_attribute(atts, "date1904");
		p->book.since_1904 = since && (*since == '1' || *since == 't');
	}
	if (!sheet && !slide)
		return;
	for (const char **a = atts; *a; a += 2) /* r:id, not id */
		if (strchr(*a, ':') && str_same(xml_local(*a), "id"))
			id = a[1];
	snprintf(number, sizeof(number), "%u", ++r->slides);
	for (size_t i = 0; id && i < p->nrelations; i++)
		if (span_eq(p->relations[i].from, r->part) && span_is(p->relations[i].id, id))
			name_part(p, p->relations[i].target, sheet ? "sheet" : "slide",
				sheet && title ? title : number);
}

/* Returns the place of a part: its own name, or that of the part that refers to it. */
static const char *
where_is(const struct package *p, struct span part, unsigned up)
{
	const char *where = "";

	for (size_t i = 0; i < p->nnames; i++)
		if (span_ieq(p->names[i].part, part))
			return p->names[i].where;
	for (size_t i = 0; up && i < p->nrelations && !*where; i++)
		if (span_ieq(p->relations[i].target, part))
			where = where_is(p, p->relations[i].from, up - 1);
	return where;
}

/* ---- parts ---- */

/* The place of a part's texts, by its root element. */
/* clang-format off */
static const struct { const char *root, *where; bool paragraphs; } roots[] = {
	{ "document", "", true }, { "glossaryDocument", "building blocks", false },
	{ "hdr", "header", false }, { "ftr", "footer", false },
	{ "footnotes", "footnotes", false }, { "endnotes", "endnotes", false },
	{ "comments", "", false }, { "commentsEx", "comments", false },
	{ "coreProperties", "properties", false }, { "Properties", "properties", false },
	{ "settings", "settings", false }, { "styles", "styles", false }, { "styleSheet", "styles", false },
	{ "theme", "theme", false }, { "fonts", "fonts", false }, { "numbering", "numbering", false },
	{ "notes", "notes", false }, { "sldLayout", "slide layout", false },
	{ "sldMaster", "slide master", false }, { "notesMaster", "notes master", false },
	{ "chartSpace", "chart", false }, { "dataModel", "diagram", false }, { "drawing", "diagram", false },
	{ "pivotCacheDefinition", "pivot cache", false }, { "pivotCacheRecords", "pivot cache", false },
	{ "externalLink", "external link", false }, { "connections", "connections", false },
	{ "workbook", "workbook", false }, { "document-meta", "properties", false },
	{ "document-styles", "styles", false }, { "document-settings", "settings", false },
};

/* Pictures by their first bytes. Their texts are read by OCR only. */
static const char *const pictures[] = { "\x89PNG", "\xFF\xD8\xFF", "GIF8", "II*", "MM", "BM", "RIFF",
	"\xD7\xCD\xC6\x9A", "VCLMTF" };
/* clang-format on */

static bool
is_picture_part(struct span name, struct span bytes)
{
	for (size_t i = 0; i < COUNT_OF(pictures); i++)
		if (span_starts(bytes, span_str(pictures[i])))
			return pictures[i][0] != 'R' ||
			       span_starts(span_cut(bytes, 8, bytes.n), SPAN_LIT("WEBP"));
	return name_ends(name, ".emf") || name_ends(name, ".wmf") || name_ends(name, ".emz") ||
	       name_ends(name, ".wmz") || name_ends(name, ".ico") || name_ends(name, ".wdp");
}

static bool
is_xml_part(struct span name, struct span bytes)
{
	if (name_ends(name, ".xml") || name_ends(name, ".vml") || name_ends(name, ".svg") ||
		name_ends(name, ".rdf") || name_ends(name, ".sigs"))
		return true;
	return span_starts(bytes, SPAN_LIT("<?xml")) ||
	       span_starts(bytes, SPAN_LIT("\xEF\xBB\xBF<?xml"));
}

/* Writes the texts of a binary part: rows of printable characters in ASCII or UTF-16. */
static void
put_strings(struct document *d, const char *where, struct span bytes)
{
	SCOPED_PASSAGE(text);

	if (*where)
		passage_place(&text, "%s", where);
	for (size_t step = 1; step <= 2; step++) {
		SCOPED_BUF(run, 0);
		for (size_t i = 0; i <= bytes.n; i += step) {
			bool is = i + step <= bytes.n &&
				  (is_visible(bytes.p[i]) || bytes.p[i] == ' ') &&
				  (step == 1 || !bytes.p[i + 1]);
			if (is) {
				buf_putc(&run, bytes.p[i]);
				continue;
			}
			if (run.n >= STRING_LEAST)
				passage_line(d, &text, buf_view(&run));
			buf_clear(&run);
			if (i >= bytes.n)
				break;
		}
	}
	passage_end(d, &text);
}

/* Writes the texts of an XML part. `known`: its place by relationships, or "". */
static void
read_xml_part(struct package *p, struct span name, struct span xml, const char *known)
{
	char root[32], where[WHERE_BYTES + 32];
	size_t before = p->d->text_bytes;
	const char *own = NULL;
	bool paragraphs = false;

	xml_root(xml, root);
	for (size_t i = 0; i < COUNT_OF(roots); i++)
		if (str_same(roots[i].root, root)) {
			own = roots[i].where;
			paragraphs = roots[i].paragraphs;
		}
	if (str_same(root, "worksheet") || str_same(root, "dialogsheet")) {
		char cut[DOCUMENT_PLACE];
		size_t prefix = *known ? strlen("sheet ") : 0;
		workbook_sheet(
			p->d, &p->book, xml, *known ? known + prefix : place_name(name, cut));
		return;
	}
	if (str_same(root, "sst") || str_same(root, "Types") || str_same(root, "Relationships"))
		return;
	if (name_ends(span_str(root), "Master") || str_same(root, "sldLayout"))
		known = ""; /* a part of several slides */
	snprintf(where, sizeof(where), "%s%s%s", known, *known && own && *own ? ", " : "",
		own ? own : "");
	if (!*where && !paragraphs && !str_same(root, "comments"))
		place_name(name, where);
	xml_walk(p->d, xml, where, paragraphs);
	if (str_same(root, "sld")) {
		unsigned slide =
			(unsigned)strtoul(known + (*known ? strlen("slide ") : 0), NULL, 10);
		p->d->text_seen = true; /* a slide without text has its own reason */
		if (p->d->text_bytes == before && memmem(xml.p, xml.n, ":blip", 5))
			frame_put(&p->d->out, FRAME_UNREAD, slide, EXTRACT_NO_TEXT);
	}
}

/* Reads an embedded file: a document one level deep, or a text. */
static void
read_embedded(struct package *p, struct span name, struct span bytes)
{
	for (size_t at; (at = span_chr(name, '/')) < name.n;)
		name = span_cut(name, at + 1, name.n);
	if (!document_inner(p->d, name, bytes))
		document_unread(p->d, EXTRACT_ATTACHMENTS);
}

static void
read_office_part(struct package *p, const struct zip_entry *e)
{
	SCOPED_BUF(content, 0);
	struct span name = e->name;

	if (name_ends(name, ".rels") || span_is(name, "[Content_Types].xml") ||
		!load_part(p, e, &content))
		return;
	struct span bytes = buf_view(&content);
	const char *known = where_is(p, name, UP_MOST);
	if (name_has(name, "xl/model/")) {
		document_unread(p->d, EXTRACT_DATA_MODEL);
	} else if (name_ends(name, "vbaProject.bin") ||
		   name_ends(name, "vbaProjectSignature.bin")) {
		p->d->macros = true;
		if (name_ends(name, "vbaProject.bin") && !vba_read(p->d, bytes))
			document_unread(p->d, EXTRACT_MACROS);
	} else if (is_xml_part(name, bytes)) {
		read_xml_part(p, name, bytes, known);
	} else if (name_has(name, "printerSettings") || name_has(name, "customProperty") ||
		   name_has(name, "layout-cache")) {
		put_strings(p->d, known, bytes);
	} else if (is_picture_part(name, bytes)) {
		p->d->picture_seen |= !name_has(name, "humbnail");
		if (name_ends(name, ".emf") || name_ends(name, ".wmf"))
			put_strings(p->d, known, bytes);
	} else if (name_ends(name, ".odttf") || name_ends(name, ".fntdata") ||
		   name_ends(name, ".ttf") || name_ends(name, ".otf")) {
		; /* a font */
	} else if (name_has(name, "embeddings/")) {
		read_embedded(p, name, bytes);
	} else if (!bytes.n) {
		;
	} else if (name_has(name, "media/")) {
		document_unread(p->d, EXTRACT_ATTACHMENTS);
	} else {
		if (utf8_text(bytes))
			document_text(p->d, "", bytes);
		document_unread(p->d, EXTRACT_PARTS);
	}
}

/* ---- Office Open XML ---- */

/* Kinds by words of the type of the main part. */
/* clang-format off */
static const struct { const char *word; enum extract_kind kind; } content_types[] = {
	{ "wordprocessingml.document.main", EXTRACT_DOCX }, { "wordprocessingml.template.main", EXTRACT_DOCX },
	{ "word.document.macroEnabled.main", EXTRACT_DOCX }, { "word.template.macroEnabledTemplate.main", EXTRACT_DOCX },
	{ "spreadsheetml.sheet.main", EXTRACT_XLSX }, { "spreadsheetml.template.main", EXTRACT_XLSX },
	{ "excel.sheet.macroEnabled.main", EXTRACT_XLSX }, { "excel.template.macroEnabled.main", EXTRACT_XLSX },
	{ "excel.addin.macroEnabled.main", EXTRACT_XLSX },
	{ "presentationml.presentation.main", EXTRACT_PPTX }, { "presentationml.template.main", EXTRACT_PPTX },
	{ "presentationml.slideshow.main", EXTRACT_PPTX }, { "powerpoint.presentation.macroEnabled.main", EXTRACT_PPTX },
	{ "powerpoint.template.macroEnabled.main", EXTRACT_PPTX }, { "powerpoint.slideshow.macroEnabled.main", EXTRACT_PPTX },
};
/* clang-format on */

static void
kind_of_archive(struct package *p, struct span types)
{
	SCOPED_BUF(b, 0);

	for (size_t i = 0; i < types.n; i++) /* also UTF-16 */
		if (types.p[i])
			buf_putc(&b, types.p[i]);
	struct span s = buf_view(&b);
	for (size_t i = 0; i < COUNT_OF(content_types); i++)
		if (s.n && name_has(s, content_types[i].word)) {
			if (!p->d->depth)
				p->d->kind = content_types[i].kind;
			return;
		}
	/* a workbook in binary form, and packages that are no documents */
	document_fail(p->d, EXTRACT_UNSUPPORTED);
}

/* Reads the parts that others refer to: sheet names, shared strings, styles, authors. */
static void
read_first_parts(struct package *p)
{
	static const struct xml_calls names_calls = { names_start, NULL, NULL, NULL };

	p->names = calloc(RELATIONS_MOST, sizeof(*p->names));
	if (!p->names) {
		document_fail(p->d, EXTRACT_MEMORY);
		return;
	}
	for (size_t i = 0; i < p->zip.n && !p->d->error; i++) {
		struct span name = p->zip.v[i].name;
		size_t left = p->d->left; /* each part counts when it is read below */
		char root[32];
		SCOPED_BUF(xml, 0);
		if (name_has(name, "worksheets/") || name_has(name, "slides/") ||
			!name_ends(name, ".xml") || name_has(name, "_rels/") ||
			!load_part(p, &p->zip.v[i], &xml))
			continue;
		p->d->left = left;
		struct span bytes = buf_view(&xml);
		xml_root(bytes, root);
		struct names_reader r = { p, name, 0 };
		if (str_same(root, "workbook") || str_same(root, "presentation"))
			xml_parse(p->d, bytes, &names_calls, &r);
		else if (str_same(root, "sst"))
			workbook_strings(p->d, &p->book, bytes);
		else if (str_same(root, "styleSheet"))
			workbook_styles(p->d, &p->book, bytes);
		else if (str_same(root, "personList") || str_same(root, "cmAuthorLst") ||
			 str_same(root, "authorLst"))
			xml_walk(p->d, bytes, "authors", false);
	}
}

static void
read_ooxml(struct package *p, const struct zip_entry *types)
{
	SCOPED_BUF(xml, 0);

	if (!load_part(p, types, &xml))
		return;
	kind_of_archive(p, buf_view(&xml));
	read_relations(p);
	if (!p->d->error)
		read_first_parts(p);
	for (size_t i = 0; i < p->zip.n && !p->d->error; i++)
		read_office_part(p, &p->zip.v[i]);
}

/* ---- OpenDocument ---- */

static void
read_odf_part(struct package *p, const struct zip_entry *e, bool sheets)
{
	SCOPED_BUF(content, 0);
	struct span name = e->name;

	if (span_is(name, "mimetype"))
		return;
	if (span_starts(name, SPAN_LIT("Basic/")) || span_starts(name, SPAN_LIT("Scripts/"))) {
		/* the modules are XML with a document type, which is not parsed */
		p->d->macros |= !name_ends(name, "-lc.xml") && !name_ends(name, "-lb.xml");
		if (load_part(p, e, &content))
			document_text(p->d, "macro", buf_view(&content));
	} else if (span_is(name, "content.xml") && load_part(p, e, &content)) {
		if (sheets)
			xml_walk_sheets(p->d, buf_view(&content));
		else
			xml_walk(p->d, buf_view(&content), "", true);
	} else if (span_is(name, "META-INF/manifest.xml")) {
		if (load_part(p, e, &content) &&
			name_has(buf_view(&content), "encryption-data"))
			document_fail(p->d, EXTRACT_ENCRYPTED);
	} else if (!p->d->error) {
		read_office_part(p, e);
	}
}

static void
read_odf(struct package *p, struct span type)
{
	bool sheets = name_has(type, "spreadsheet");

	if (!p->d->depth)
		p->d->kind = sheets		      ? EXTRACT_ODS
			     : name_has(type, "text") ? EXTRACT_ODT
						      : EXTRACT_ODF;
	const struct zip_entry *manifest = find_part(p, SPAN_LIT("META-INF/manifest.xml"));
	if (manifest) /* an encrypted document has no XML */
		read_odf_part(p, manifest, sheets);
	for (size_t i = 0; i < p->zip.n && !p->d->error; i++)
		read_odf_part(p, &p->zip.v[i], sheets);
}

/* ---- any archive ---- */

static void
read_plain_zip(struct package *p)
{
	if (!p->d->depth)
		p->d->kind = EXTRACT_ZIP;
	for (size_t i = 0; i < p->zip.n && !p->d->error; i++) {
		SCOPED_BUF(content, 0);
		if (!load_part(p, &p->zip.v[i], &content))
			break;
		document_text(p->d, "", p->zip.v[i].name);
		if (content.n && !document_inner(p->d, p->zip.v[i].name, buf_view(&content)))
			document_unread(p->d, EXTRACT_ATTACHMENTS);
	}
}

void
office_read(struct document *d, struct span file)
{
	struct package p = { .d = d };
	SCOPED_BUF(type, 0);

	arena_init(&p.words, 16 << 20, false);
	enum extract_error error = zip_open(file, &p.zip);
	if (error)
		document_fail(d, error);
	const struct zip_entry *types = find_part(&p, SPAN_LIT("[Content_Types].xml")),
			       *mime = find_part(&p, SPAN_LIT("mimetype"));
	if (mime && !d->error)
		load_part(&p, mime, &type);
	if (d->error)
		;
	else if (types)
		read_ooxml(&p, types);
	else if (mime && name_has(buf_view(&type), "opendocument"))
		read_odf(&p, buf_view(&type));
	else
		read_plain_zip(&p);
	if (arena_failed(&p.words))
		document_fail(d, EXTRACT_MEMORY);
	zip_close(&p.zip);
	workbook_free(&p.book);
	free(p.relations);
	free(p.names);
	arena_reset(&p.words);
}
