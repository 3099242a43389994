/* Reads PNG (ISO 15948, https://www.w3.org/TR/png-3/), a list of chunks. tEXt, zTXt, iTXt and
 * eXIf contain texts. Checksums are not verified: decoders differ in which of them they
 * verify. */
#include "base/ascii.h"
#include "scan/media/reader.h"

#define PNG_PROFILE SPAN_LIT("Raw profile type ")

enum { PNG_SIGNATURE = 8, PNG_LENGTH_MAX = 0x7fffffff };

/* Reads a raw profile: ImageMagick writes other metadata in hexadecimal into texts, "\nexif\n
 * 1234\n4578…". */
static void
png_profile(struct media *m, struct span name, struct span text)
{
	span_take(&text, '\n');
	span_next(&text, '\n');
	span_next(&text, '\n');
	char *raw = arena_alloc(m->a, text.n / 2 + 1);
	size_t n = 0, digits = 0;

	m->nomem |= !raw;
	for (size_t i = 0; raw && i < text.n; i++)
		if (is_hex(text.p[i])) {
			n += digits & 1;
			raw[digits / 2] = (char)(raw[digits / 2] << 4 | hex_value(text.p[i]));
			digits++;
		} else if (!is_space(text.p[i])) {
			media_flaw(m, FILE_DAMAGED);
			return;
		}
	struct span data = span_of(raw, raw ? n : 0);
	if (span_starts(data, SPAN_LIT("\x1c")))
		iptc_read(m, data);
	else if (span_is(name, "iptc") || span_is(name, "8bim"))
		photoshop_read(m, data);
	else if (span_is(name, "xmp"))
		xmp_read(m, data);
	else
		jpeg_app1(m, data);
}

/* Reads a text chunk: keyword NUL [method] text. */
static void
png_text(struct media *m, struct span data, bool packed)
{
	struct span text = data, keyword = span_next(&text, '\0');

	if (!text.p) {
		media_flaw(m, FILE_DAMAGED);
		return;
	}
	if (packed && (!span_take(&text, '\0') || !media_inflate(m, text, &text)))
		media_flaw(m, FILE_DAMAGED);
	else if (span_starts(keyword, PNG_PROFILE) && !span_ends(keyword, SPAN_LIT(" icc")))
		png_profile(m, span_cut(keyword, PNG_PROFILE.n, keyword.n), text);
	else
		media_named(m, keyword, text, MEDIA_UTF8);
}

/* Reads an iTXt chunk: keyword NUL flag method language NUL translated-keyword NUL text. */
static void
png_international(struct media *m, struct span data)
{
	struct span text = data, keyword = span_next(&text, '\0');

	if (text.n < 2) {
		media_flaw(m, FILE_DAMAGED);
		return;
	}
	bool packed = text.p[0];
	text = span_cut(text, 2, text.n);
	span_next(&text, '\0');
	struct span translated = span_next(&text, '\0');
	if (!text.p) {
		media_flaw(m, FILE_DAMAGED);
		return;
	}
	if (packed && !media_inflate(m, text, &text))
		return;
	media_text(m, translated, MEDIA_UTF8);
	if (span_is(keyword, "XML:com.adobe.xmp"))
		xmp_read(m, text);
	else
		media_named(m, keyword, text, MEDIA_UTF8);
}

static void
png_chunk(struct media *m, struct span type, struct span data)
{
	if (span_is(type, "tEXt") || span_is(type, "zTXt")) {
		png_text(m, data, type.p[0] == 'z');
	} else if (span_is(type, "iTXt")) {
		png_international(m, data);
	} else if (span_is(type, "eXIf")) {
		jpeg_app1(m, data);
	} else if (span_is(type, "fdAT")) {
		media_flaw(m, FILE_ANIMATED);
	} else if (span_is(type, "IHDR")) {
		struct media_rd r = media_rd(data);
		uint64_t width = media_u32(&r);
		if (data.n != 13)
			media_flaw(m, FILE_DAMAGED);
		media_points(m, width, media_u32(&r));
	}
}

void
png_bare(struct media *m, struct media_pieces *out)
{
	static const char *const draws[] = { "IHDR", "PLTE", "IDAT", "IEND", "tRNS", "gAMA", "cHRM",
		"sRGB", "iCCP", "cICP", "sBIT", "bKGD", "pHYs" };
	struct media_rd r = media_rd(m->bytes);

	media_append(m, out, media_take(&r, PNG_SIGNATURE));
	for (struct span type = { NULL, 0 }; !r.err && !span_is(type, "IEND");) {
		size_t at = r.at, length = media_u32(&r);
		type = media_take(&r, 4);
		media_take(&r, length);
		media_number(&r, 4);
		if (SPAN_IN(type, draws))
			media_append(m, out, span_cut(m->bytes, at, r.at));
	}
}

void
png_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);
	struct span type = { NULL, 0 };

	if (!span_is(media_take(&r, PNG_SIGNATURE), "\x89PNG\r\n\x1a\n"))
		media_flaw(m, r.err ? FILE_TRUNCATED : FILE_DAMAGED);
	for (bool first = true; !r.err && !span_is(type, "IEND"); first = false) {
		size_t length = media_u32(&r);
		type = media_take(&r, 4);
		if (length > PNG_LENGTH_MAX || !span_is_alnum(type, "") ||
			first != span_is(type, "IHDR")) {
			media_flaw(m, r.err ? FILE_TRUNCATED : FILE_DAMAGED);
			return;
		}
		struct span data = media_take(&r, length);
		media_number(&r, 4);
		if (r.err)
			break;
		png_chunk(m, type, data);
	}
	if (r.err)
		media_flaw(m, FILE_TRUNCATED);
	else
		media_after(m, r.at);
}
