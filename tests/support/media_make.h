/* Media files, byte by byte: parts that tests combine. */
#ifndef TESTS_SUPPORT_MEDIA_MAKE_H
#define TESTS_SUPPORT_MEDIA_MAKE_H

#include <stdlib.h>
#include <zlib.h>

#include "base/buf.h"

static inline void
make_be32(struct buf *b, uint32_t v)
{
	for (int i = 24; i >= 0; i -= 8)
		buf_putc(b, (char)(v >> i));
}

static inline void
make_le32(struct buf *b, uint32_t v)
{
	for (int i = 0; i < 32; i += 8)
		buf_putc(b, (char)(v >> i));
}

static inline void
make_le16(struct buf *b, unsigned v)
{
	buf_putc(b, (char)v);
	buf_putc(b, (char)(v >> 8));
}

static inline void
make_zlib(struct buf *b, struct span text)
{
	uLongf n = compressBound(text.n);
	char *to = buf_reserve(b, n);

	if (!to || compress((Bytef *)to, &n, (const Bytef *)text.p, text.n) != Z_OK)
		abort();
	buf_commit(b, n);
}

/* Appends a PNG chunk; the parser does not read the checksum. */
static inline void
make_chunk(struct buf *b, const char *type, struct span data)
{
	make_be32(b, (uint32_t)data.n);
	buf_str(b, type);
	buf_span(b, data);
	make_be32(b, 0);
}

static inline void
make_png_head(struct buf *b, uint32_t width, uint32_t height)
{
	buf_span(b, SPAN_LIT("\x89PNG\r\n\x1a\n"));
	make_be32(b, 13);
	buf_str(b, "IHDR");
	make_be32(b, width);
	make_be32(b, height);
	buf_span(b, SPAN_LIT("\x08\2\0\0\0....")); /* followed by a checksum */
}

static inline void
make_segment(struct buf *b, unsigned marker, struct span head, struct span data)
{
	size_t n = head.n + data.n + 2;

	buf_putc(b, '\xff');
	buf_putc(b, (char)marker);
	buf_putc(b, (char)(n >> 8));
	buf_putc(b, (char)n);
	buf_span(b, head);
	buf_span(b, data);
}

/* Appends a frame, a scan with a byte pair that looks like a marker, and the end. */
static inline void
make_jpeg_rest(struct buf *b, unsigned width, unsigned height)
{
	const char frame[] = { 8, 0, (char)height, 0, (char)width, 1, 1, 0x11, 0 };

	make_segment(b, 0xc0, span_of(frame, sizeof(frame)), SPAN_LIT(""));
	make_segment(b, 0xda, SPAN_LIT("\1\1\0\0\x3f\0"), SPAN_LIT(""));
	buf_span(b, SPAN_LIT("coded\xff\0\xff\xd0more\xff\xd9"));
}

static inline void
make_riff_chunk(struct buf *b, const char *type, struct span data)
{
	buf_str(b, type);
	make_le32(b, (uint32_t)data.n);
	buf_span(b, data);
	if (data.n & 1)
		buf_putc(b, '\0');
}

static inline void
make_box(struct buf *b, const char *type, struct span head, struct span data)
{
	make_be32(b, (uint32_t)(head.n + data.n + 8));
	buf_str(b, type);
	buf_span(b, head);
	buf_span(b, data);
}

/* Wraps the content of b in a box. Returns how many bytes precede it. */
static inline size_t
make_wrap(struct buf *b, const char *type)
{
	size_t before = b->n;
	struct buf inner;

	buf_init(&inner, 0);
	buf_span(&inner, buf_view(b));
	make_box(b, type, buf_view(&inner), SPAN_LIT(""));
	buf_free(&inner);
	return before;
}

/* ---- TIFF, little-endian ---- */

static inline void
make_tag(struct buf *b, unsigned id, unsigned type, uint32_t count, uint32_t value)
{
	make_le16(b, id);
	make_le16(b, type);
	make_le32(b, count);
	make_le32(b, value);
}

/* Artist "Ann Artist", XPTitle "Té", UserComment "User", and a place: 48° 51' 30" N, 2° 17' 40"
 * E. */
static inline void
make_exif(struct buf *b)
{
	static const uint32_t place[] = { 48, 1, 51, 1, 30, 1, 2, 1, 17, 1, 40, 1 };
	enum { EXIF = 62, GPS = 80, DATA = 134 };

	buf_span(b, SPAN_LIT("II*\0\x08\0\0\0\4\0"));
	make_tag(b, 0x013b, 2, 11, DATA);
	make_tag(b, 0x8769, 4, 1, EXIF);
	make_tag(b, 0x8825, 4, 1, GPS);
	make_tag(b, 0x9c9b, 1, 6, DATA + 12);
	buf_span(b, SPAN_LIT("\0\0\0\0\1\0"));
	make_tag(b, 0x9286, 7, 16, DATA + 18);
	buf_span(b, SPAN_LIT("\0\0\0\0\4\0"));
	make_tag(b, 1, 2, 2, 'N');
	make_tag(b, 2, 5, 3, DATA + 34);
	make_tag(b, 3, 2, 2, 'E');
	make_tag(b, 4, 5, 3, DATA + 58);
	buf_span(b, SPAN_LIT("\0\0\0\0Ann Artist\0\0T\0\xe9\0\0\0UNICODE\0U\0s\0e\0r\0"));
	for (size_t i = 0; i < COUNT_OF(place); i++)
		make_le32(b, place[i]);
}

#endif
