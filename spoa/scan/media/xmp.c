/* Reads XMP (ISO 16684-1): RDF in XML, taken as one text, and then once more the values of
 * properties that detectors know by a name ("creator name: Ann Lee"). Character references and predefined
 * entities (XML 1.0 4.1, 4.6) are decoded, so that detectors see the characters themselves. */
#include <stdlib.h>

#include "base/ascii.h"
#include "base/caps.h"
#include "base/utf8.h"
#include "base/scoped.h"
#include "scan/media/reader.h"
#include "scan/media/xml.h"

/* Parses "#64" or "#x40" (an '@'). Returns false for anything else. */
static bool
xml_number(struct span s, uint32_t *cp)
{
	bool hex = s.n > 1 && to_lower(s.p[1]) == 'x';
	size_t i = hex ? 2 : 1;

	for (*cp = 0; i < s.n; i++) {
		int digit = hex_value(s.p[i]);
		if (digit < 0 || (!hex && digit > 9))
			return false;
		if (*cp <= 0x10ffff)
			*cp = *cp * (hex ? 16 : 10) + (uint32_t)digit;
	}
	return s.n > (hex ? 2 : 1);
}

size_t
xml_reference(struct span s, uint32_t *cp)
{
	static const struct {
		const char *name;
		char c;
	} entities[] = { { "amp", '&' }, { "lt", '<' }, { "gt", '>' }, { "quot", '"' },
		{ "apos", '\'' } };
	enum { REFERENCE_MAX = 15 };
	struct span head = span_cut(s, 0, REFERENCE_MAX);
	size_t end = span_chr(head, ';');

	if (end == head.n)
		return 0;
	head = span_cut(head, 0, end);
	if (span_starts(head, SPAN_LIT("#")))
		return xml_number(head, cp) ? end + 1 : 0;
	for (size_t i = 0; i < COUNT_OF(entities); i++)
		if (span_is(head, entities[i].name)) {
			*cp = (unsigned char)entities[i].c;
			return end + 1;
		}
	return 0;
}

static void
xml_undo(struct span xml, struct buf *out)
{
	while (xml.n) {
		size_t plain = span_chr(xml, '&');
		buf_span(out, span_cut(xml, 0, plain));
		xml = span_cut(xml, plain, xml.n);
		uint32_t cp = 0;
		size_t n = xml_reference(span_cut(xml, 1, xml.n), &cp);
		bool is = n && cp && cp <= 0x10ffff && (cp & 0x1ff800) != 0xd800;
		if (is)
			buf_utf8(out, cp);
		else
			buf_span(out, span_cut(xml, 0, 1));
		xml = span_cut(xml, is ? n + 1 : 1, xml.n);
	}
}

/* ---- properties ---- */

/* Properties that are about persons: XMP, EXIF for XMP, IPTC Core and Extension, PLUS, Creative
 * Commons, MWG regions.
 * A property of any namespace counts by its name, and "Name" only in regions. */
static const struct {
	const char *property, *name;
} xmp_fields[] = {
	{ "Artist", "artist name" },
	{ "Author", "author name" },
	{ "BodySerialNumber", "camera serial number" },
	{ "CameraOwnerName", "owner name" },
	{ "CaptionWriter", "writer name" },
	{ "CiAdrCity", "city" },
	{ "CiAdrExtadr", "address" },
	{ "CiEmailWork", "email" },
	{ "CiTelWork", "phone" },
	{ "Credit", "credit name" },
	{ "LicensorName", "owner name" },
	{ "LensSerialNumber", "lens serial number" },
	{ "Owner", "owner name" },
	{ "OwnerName", "owner name" },
	{ "PersonDisplayName", "person name" },
	{ "PersonInImage", "person name" },
	{ "SerialNumber", "camera serial number" },
	{ "attributionName", "author name" },
	{ "contributor", "contributor name" },
	{ "creator", "creator name" },
	{ "mwg-rs:Name", "person name" },
};

enum { XMP_LATITUDE, XMP_LONGITUDE, XMP_AXES };

/* One walk through the XML. `open` is the property whose element is open; n 0: none. */
struct xmp_walk {
	struct media *m;
	struct span open;
	double angle[XMP_AXES];
	bool have[XMP_AXES];
};

static struct span
xmp_local(struct span name)
{
	size_t colon = span_chr(name, ':');

	return colon < name.n ? span_cut(name, colon + 1, name.n) : name;
}

static const char *
xmp_field_name(struct span property)
{
	for (size_t i = 0; i < COUNT_OF(xmp_fields); i++)
		if (span_is(property, xmp_fields[i].property) ||
			span_is(xmp_local(property), xmp_fields[i].property))
			return xmp_fields[i].name;
	return NULL;
}

static int
xmp_axis(struct span property)
{
	return span_is(xmp_local(property), "GPSLatitude")    ? XMP_LATITUDE
	       : span_is(xmp_local(property), "GPSLongitude") ? XMP_LONGITUDE
							      : XMP_AXES;
}

/* Parses "48,51.502N" or "48,51,30N": degrees, minutes, seconds, and a letter. */
static bool
xmp_angle(struct span s, double *out)
{
	char number[32];
	double unit = 1;

	s = span_trim(s, " \t\r\n");
	if (s.n < 2 || s.n > sizeof(number) || !strchr("NSEW", s.p[s.n - 1]))
		return false;
	bool negative = strchr("SW", s.p[s.n - 1]);
	s = span_cut(s, 0, s.n - 1);
	for (*out = 0; s.n; unit *= 60) {
		struct span part = span_next(&s, ',');
		if (!part.n || span_past(part, 0, is_digit) == 0)
			return false;
		span_copy(part, number, sizeof(number));
		*out += strtod(number, NULL) / unit;
	}
	*out = negative ? -*out : *out;
	return *out >= -180 && *out <= 180;
}

static void
xmp_value(struct xmp_walk *w, struct span property, struct span value)
{
	const char *name = xmp_field_name(property);
	int axis = xmp_axis(property);
	SCOPED_BUF(b, CAP_MEDIA_TEXT_BYTES);

	if (axis < XMP_AXES)
		w->have[axis] = xmp_angle(value, &w->angle[axis]);
	if (!name || !span_trim(value, " \t\r\n").n)
		return;
	xml_undo(value, &b);
	media_field(w->m, name, buf_view(&b), MEDIA_UTF8);
}

/* Reads the attributes of a tag: name="value". */
static void
xmp_attributes(struct xmp_walk *w, struct span rest)
{
	while (rest.n) {
		struct span name = span_trim(span_next(&rest, '='), " \t\r\n");
		rest = span_cut(rest, span_past(rest, 0, is_space), rest.n);
		if (!rest.n || !strchr("\"'", rest.p[0]))
			return;
		char quote = rest.p[0];
		rest = span_cut(rest, 1, rest.n);
		xmp_value(w, name, span_next(&rest, quote));
	}
}

/* Handles a tag, without its brackets. */
static void
xmp_tag(struct xmp_walk *w, struct span tag)
{
	bool ends = span_take(&tag, '/');
	size_t n = 0;

	while (n < tag.n && !strchr(" \t\r\n/", tag.p[n]))
		n++;
	struct span name = span_cut(tag, 0, n);
	if (ends) {
		if (span_eq(name, w->open))
			w->open = span_cut(name, 0, 0);
		return;
	}
	xmp_attributes(w, span_cut(tag, n, tag.n));
	if (!span_ends(tag, SPAN_LIT("/")) &&
		(xmp_field_name(name) || xmp_axis(name) < XMP_AXES))
		w->open = name;
}

static void
xmp_properties(struct media *m, struct span xml)
{
	struct xmp_walk w = { .m = m };

	while (xml.n) {
		struct span text = span_next(&xml, '<');
		if (w.open.n)
			xmp_value(&w, w.open, text);
		if (span_starts(xml, SPAN_LIT("?")) || span_starts(xml, SPAN_LIT("!")))
			span_next(&xml, '>');
		else
			xmp_tag(&w, span_next(&xml, '>'));
	}
	if (w.have[XMP_LATITUDE] && w.have[XMP_LONGITUDE])
		media_position(m, w.angle[XMP_LATITUDE], w.angle[XMP_LONGITUDE]);
}

/* Returns the encoding. A mark, or the NUL beside '<', identifies UTF-16 (XML 1.0 F.1). */
static enum media_charset
xml_charset(struct span s)
{
	return span_starts(s, SPAN_LIT("\xff\xfe")) || span_starts(s, SPAN_LIT("<\0"))
		       ? MEDIA_UTF16LE
	       : span_starts(s, SPAN_LIT("\xfe\xff")) || span_starts(s, SPAN_LIT("\0<"))
		       ? MEDIA_UTF16BE
		       : MEDIA_UTF8;
}

void
xmp_read(struct media *m, struct span xml)
{
	SCOPED_BUF(b, 2 * CAP_MEDIA_TEXT_BYTES);

	if (xml_charset(xml) != MEDIA_UTF8) {
		media_text(m, xml, xml_charset(xml));
		return;
	}
	if (!media_look(m, xml.n))
		return;
	xmp_properties(m, xml);
	if (!memchr(xml.n ? xml.p : "", '&', xml.n)) {
		media_text(m, xml, MEDIA_UTF8);
		return;
	}
	xml_undo(xml, &b);
	media_text(m, media_kept(m, &b, buf_view(&b)), MEDIA_UTF8);
}
