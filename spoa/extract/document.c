/* Writes the texts of a document with their places, and chooses the reader of a file by its
 * first bytes (extract/document.h). */
#include "extract/document.h"

#include <string.h>

#include "base/scoped.h"
#include "base/utf8.h"
#include "extract/frame.h"
#include "extract/zip_file.h"

void
document_fail(struct document *d, enum extract_error error)
{
	if (!d->error)
		d->error = error;
}

void
document_unread(struct document *d, enum extract_unread why)
{
	d->unread |= 1u << why;
}

const char *
place_name(struct span name, char to[DOCUMENT_PLACE])
{
	size_t n = name.n < DOCUMENT_PLACE ? name.n : DOCUMENT_PLACE - 1;

	if (n)
		memcpy(to, name.p, utf8_begin(name, n));
	to[n ? utf8_begin(name, n) : 0] = 0;
	for (char *c = to; *c; c++)
		*c = (unsigned char)*c < ' ' || *c == 0x7F ? ' ' : *c;
	return to;
}

void
passage_place(struct passage *p, const char *format, ...)
{
	va_list ap;

	size_t before = p->places.n;

	buf_printf(&p->places, "%zu ", p->text.n - p->marked);
	size_t from = p->places.n;
	va_start(ap, format);
	buf_vprintf(&p->places, format, ap);
	va_end(ap);
	for (size_t i = from; i < p->places.n; i++) {
		char *c = &p->places.p[p->places.start + i];
		*c = (unsigned char)*c < ' ' || *c == 0x7F ? ' ' : *c;
	}
	buf_putc(&p->places, '\n');
	struct span place = span_cut(buf_view(&p->places), from, p->places.n);
	struct span last = span_cut(buf_view(&p->places), p->last, before);
	if (before && span_eq(place, last)) { /* the place before continues */
		p->places.n = before;
		return;
	}
	p->last = from;
	p->marked = p->text.n;
}

void
passage_put(struct document *d, struct passage *p, struct span text)
{
	buf_span(&p->text, text);
	if (p->text.n + d->text_bytes > EXTRACT_TEXT_BYTES ||
		p->places.n + d->place_bytes > DOCUMENT_PLACES)
		document_fail(d, EXTRACT_TOO_LARGE);
}

void
passage_line(struct document *d, struct passage *p, struct span text)
{
	if (!span_trim(text, " \t\r\n").n)
		return;
	passage_put(d, p, text);
	passage_put(d, p, SPAN_LIT("\n"));
}

void
passage_end(struct document *d, struct passage *p)
{
	if (buf_failed(&p->text) || buf_failed(&p->places))
		document_fail(d, EXTRACT_MEMORY);
	if (!d->error && span_trim(buf_view(&p->text), " \t\r\n").n) {
		SCOPED_BUF(places, 0);
		buf_printf(&places, "%s\n", d->inside);
		buf_span(&places, buf_view(&p->places));
		frame_put_text(&d->out, FRAME_PLACES, 0, buf_view(&places));
		frame_put_text(&d->out, FRAME_TEXT, 0, buf_view(&p->text));
		d->text_bytes += p->text.n;
		d->place_bytes += places.n;
		if (buf_failed(&d->out))
			document_fail(d, EXTRACT_MEMORY);
	}
	buf_clear(&p->text);
	buf_clear(&p->places);
	p->marked = p->last = 0;
}

void
passage_free(struct passage *p)
{
	buf_free(&p->text);
	buf_free(&p->places);
}

void
document_text(struct document *d, const char *place, struct span text)
{
	SCOPED_PASSAGE(p);

	if (*place)
		passage_place(&p, "%s", place);
	passage_put(d, &p, text);
	passage_end(d, &p);
}

void
document_link(struct document *d, struct span url)
{
	enum { LINK_BYTES = 2048 };

	document_text(d, "", url);
	if (!d->error)
		frame_put_text(&d->out, FRAME_LINK, 0, span_cut(url, 0, LINK_BYTES));
}

/* ---- the kind of a file ---- */

/* Returns true if a text begins like HTML, behind spaces, a mark and comments. */
static bool
begins_html(struct span s)
{
	if (span_starts(s, SPAN_LIT("\xEF\xBB\xBF")))
		s = span_cut(s, 3, s.n);
	for (;;) {
		s = span_trim(s, " \t\r\n\f");
		const char *end =
			span_starts(s, SPAN_LIT("<!--")) ? memmem(s.p, s.n, "-->", 3) : NULL;
		if (!end)
			break;
		s = span_cut(s, (size_t)(end - s.p) + 3, s.n);
	}
	return span_istarts(s, SPAN_LIT("<!doctype html")) ||
	       span_istarts(s, SPAN_LIT("<html"));
}

static bool
is_rtf(struct span s)
{
	return span_starts(span_trim(span_cut(s, 0, 64), " \t\r\n"), SPAN_LIT("{\\rt"));
}

static void
read_gzip(struct document *d, struct span file)
{
	SCOPED_BUF(inner, 0);
	enum extract_error error = gzip_inflate(file, &d->left, &inner);

	if (d->kind == EXTRACT_NO_KIND)
		d->kind = EXTRACT_GZIP;
	if (error)
		document_fail(d, error);
	else if (!document_inner(d, SPAN_LIT("gzip"), buf_view(&inner)))
		document_unread(d, EXTRACT_ATTACHMENTS);
}

/* Reads a file of one of the kinds, or returns false. */
static bool
read_by_kind(struct document *d, struct span file)
{
	if (span_starts(file, SPAN_LIT("PK"))) {
		office_read(d, file);
	} else if (span_starts(file, SPAN_LIT("\x1F\x8B"))) {
		read_gzip(d, file);
	} else if (is_rtf(file)) {
		d->kind = d->depth ? d->kind : EXTRACT_RTF;
		rtf_read(d, file);
	} else if (begins_html(span_cut(file, 0, 4096))) {
		d->kind = d->depth ? d->kind : EXTRACT_HTML;
		html_read(d, file);
	} else {
		return false;
	}
	return true;
}

bool
document_inner(struct document *d, struct span name, struct span file)
{
	SCOPED_BUF(inside, 0);
	char cut[DOCUMENT_PLACE];
	const char *outer = d->inside;
	enum extract_kind kind = d->kind;

	if (span_starts(file, SPAN_LIT("\xD0\xCF\x11\xE0"))) {
		document_fail(d, EXTRACT_OLD_OFFICE);
		return true;
	}
	buf_printf(&inside, "%s%s, ", outer, place_name(name, cut));
	buf_putc(&inside, 0);
	if (buf_failed(&inside)) {
		document_fail(d, EXTRACT_MEMORY);
		return true;
	}
	d->inside = inside.p + inside.start;
	d->depth++;
	bool is = true, nested = d->depth >= DOCUMENT_DEPTH + 1;
	if (nested && (span_starts(file, SPAN_LIT("PK\3\4")) ||
			      span_starts(file, SPAN_LIT("\x1F\x8B"))))
		document_fail(d, EXTRACT_NESTED);
	else if (!read_by_kind(d, file)) {
		is = utf8_text(file);
		if (is)
			document_text(d, "", file);
	}
	d->depth--;
	d->inside = outer;
	d->kind = kind;
	return is;
}

void
document_read(struct span file, struct document *d)
{
	*d = (struct document){ .left = DOCUMENT_BYTES, .inside = "" };
	if (span_starts(file, SPAN_LIT("\xD0\xCF\x11\xE0")))
		document_fail(d, EXTRACT_OLD_OFFICE);
	else if (!read_by_kind(d, file))
		document_fail(d, EXTRACT_UNSUPPORTED);
	if (!d->text_seen && d->text_bytes)
		d->text_seen = true;
	if (!d->text_seen && d->picture_seen)
		document_unread(d, EXTRACT_NO_TEXT);
}

void
document_free(struct document *d)
{
	buf_free(&d->out);
	buf_free(&d->people);
}
