/* Names that say what pdftotext does not read. Looked for in each byte of the file: a reader
 * goes to objects by offsets, so they may lie within what looks like a stream, a string, a
 * comment. A name is long, or it counts with what follows it alone: compressed bytes are not to
 * look like it. */
#include "extract/pdf_lex.h"
#include "extract/pdf.h"

/* What must follow. */
enum follows {
	ANYTHING,
	OBJECT, /* << [ ( or a reference */
	REFERENCE_OR_DICT,
	FULL_ARRAY, /* [ and not at once ], or a reference */
	THE_VALUE,  /* the name `value`, or a reference */
};

/* clang-format off */
static const struct {
	const char *name;
	enum follows follows;
	const char *value;
	enum extract_unread why;
} names[] = {
	{ "Widget",         ANYTHING,   NULL, EXTRACT_FORMS },
	{ "XFA",            OBJECT,     NULL, EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Tx", EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Btn", EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Ch", EXTRACT_FORMS },
	{ "FT",             THE_VALUE,  "Sig", EXTRACT_FORMS },
	{ "EmbeddedFiles",  ANYTHING,   NULL, EXTRACT_ATTACHMENTS },
	{ "EmbeddedFile",   ANYTHING,   NULL, EXTRACT_ATTACHMENTS },
	{ "FileAttachment", ANYTHING,   NULL, EXTRACT_ATTACHMENTS },
	{ "EF",             REFERENCE_OR_DICT, NULL, EXTRACT_ATTACHMENTS },
	{ "OFF",            FULL_ARRAY, NULL, EXTRACT_LAYERS },
	{ "BaseState",      THE_VALUE,  "OFF", EXTRACT_LAYERS },
	{ "RichMedia",      ANYTHING,   NULL, EXTRACT_ANNOTATIONS },
#define ANNOTATION(value) { "Subtype", THE_VALUE, value, EXTRACT_ANNOTATIONS },
	ANNOTATION("Text") ANNOTATION("FreeText") ANNOTATION("Line") ANNOTATION("Square")
	ANNOTATION("Circle") ANNOTATION("Polygon") ANNOTATION("PolyLine") ANNOTATION("Highlight")
	ANNOTATION("Underline") ANNOTATION("Squiggly") ANNOTATION("StrikeOut") ANNOTATION("Stamp")
	ANNOTATION("Caret") ANNOTATION("Ink") ANNOTATION("Popup") ANNOTATION("FileAttachment")
	ANNOTATION("Sound") ANNOTATION("Movie") ANNOTATION("Screen") ANNOTATION("PrinterMark")
	ANNOTATION("TrapNet") ANNOTATION("Watermark") ANNOTATION("3D") ANNOTATION("Redact")
	ANNOTATION("Projection")
};
/* clang-format on */

/* reference = number number "R" */
static bool
is_reference(struct pdf_token t, struct span rest)
{
	if (t.kind != PDF_NUMBER)
		return false;
	pdf_next(&rest, &t);
	if (t.kind != PDF_NUMBER)
		return false;
	pdf_next(&rest, &t);
	return pdf_is(&t, PDF_WORD, "R");
}

static bool
follows_it(enum follows follows, const char *value, const struct pdf_token *t, struct span rest)
{
	struct pdf_token after;

	switch (follows) {
	case ANYTHING: return true;
	case OBJECT:
		return t->kind == PDF_STRING || pdf_is(t, PDF_MARK, "<<") ||
		       pdf_is(t, PDF_MARK, "[") || is_reference(*t, rest);
	case REFERENCE_OR_DICT: return pdf_is(t, PDF_MARK, "<<") || is_reference(*t, rest);
	case FULL_ARRAY:
		if (!pdf_is(t, PDF_MARK, "["))
			return is_reference(*t, rest);
		pdf_next(&rest, &after);
		return is_reference(after, rest);
	case THE_VALUE: return pdf_is(t, PDF_NAME, value) || is_reference(*t, rest);
	}
	return true;
}

static void
judge_name(const char *name, struct span rest, struct pdf_found *f)
{
	struct pdf_token t = { .kind = PDF_END };
	bool ahead = false;

	if (!strcmp(name, "Encrypt"))
		f->error = EXTRACT_ENCRYPTED;
	for (size_t i = 0; i < COUNT_OF(names); i++) {
		if (f->unread & 1u << names[i].why || strcmp(name, names[i].name))
			continue;
		if (!ahead && names[i].follows != ANYTHING)
			pdf_next(&rest, &t);
		ahead = ahead || names[i].follows != ANYTHING;
		if (follows_it(names[i].follows, names[i].value, &t, rest))
			f->unread |= 1u << names[i].why;
	}
}

void
pdf_names(struct span bytes, struct pdf_found *f)
{
	while (!f->error) {
		struct pdf_token t;
		size_t at = span_chr(bytes, '/');
		if (at >= bytes.n)
			return;
		bytes = span_cut(bytes, at, bytes.n);
		struct span rest = bytes;
		pdf_next(&rest, &t);
		judge_name(t.name, rest, f);
		bytes = span_cut(bytes, 1, bytes.n);
	}
}
