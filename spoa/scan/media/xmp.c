/* Reads XMP (ISO 16684-1): RDF in XML, taken as one text. Character references and predefined
 * entities (XML 1.0 4.1, 4.6) are decoded, so that detectors see the characters themselves. */
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
	if (!memchr(xml.n ? xml.p : "", '&', xml.n)) {
		media_text(m, xml, MEDIA_UTF8);
		return;
	}
	xml_undo(xml, &b);
	media_text(m, media_kept(m, &b, buf_view(&b)), MEDIA_UTF8);
}
