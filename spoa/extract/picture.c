/* Checks the head of a picture: its kind, one that leptonica reads, and its size as stated by
 * PNG (ISO 15948 11.2.2), GIF, WebP and JPEG (T.81 B.2.2). A picture with a false size fails at
 * the memory limit of its cage. */
#include "extract/picture.h"

static uint64_t
big_endian(const char *p, size_t n)
{
	uint64_t v = 0;

	for (size_t i = 0; i < n; i++)
		v = v << 8 | (unsigned char)p[i];
	return v;
}

static uint64_t
little_endian(const char *p, size_t n)
{
	uint64_t v = 0;

	while (n--)
		v = v << 8 | (unsigned char)p[n];
	return v;
}

static uint64_t
png_points(struct span s)
{
	return s.n < 24 ? 0 : big_endian(s.p + 16, 4) * big_endian(s.p + 20, 4);
}

static uint64_t
gif_points(struct span s)
{
	return s.n < 10 ? 0 : little_endian(s.p + 6, 2) * little_endian(s.p + 8, 2);
}

/* Three kinds of first chunks (RFC 9649). */
static uint64_t
webp_points(struct span s)
{
	if (s.n < 30)
		return 0;
	if (!memcmp(s.p + 12, "VP8X", 4))
		return (1 + little_endian(s.p + 24, 3)) * (1 + little_endian(s.p + 27, 3));
	if (!memcmp(s.p + 12, "VP8L", 4)) {
		uint64_t bits = little_endian(s.p + 21, 4);
		return (1 + (bits & 0x3FFF)) * (1 + (bits >> 14 & 0x3FFF));
	}
	return (little_endian(s.p + 26, 2) & 0x3FFF) * (little_endian(s.p + 28, 2) & 0x3FFF);
}

/* Reads the segments up to that of a frame. */
static uint64_t
jpeg_points(struct span s)
{
	size_t at = 2;

	while (s.n > 9 && at < s.n - 9) {
		unsigned char marker = (unsigned char)s.p[at + 1];
		if ((unsigned char)s.p[at] != 0xFF)
			return 0;
		if (marker == 0xFF) { /* fill bytes */
			at++;
			continue;
		}
		if (marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 &&
			marker != 0xCC)
			return big_endian(s.p + at + 5, 2) * big_endian(s.p + at + 7, 2);
		at += 2 + big_endian(s.p + at + 2, 2);
	}
	return 0;
}

enum extract_error
picture_check(struct span s)
{
	/* clang-format off */
	static const struct { struct span magic; uint64_t (*points)(struct span); } kinds[] = {
		{ { "\x89PNG\r\n\x1a\n", 8 }, png_points },
		{ { "\xFF\xD8\xFF", 3 },      jpeg_points },
		{ { "GIF8", 4 },              gif_points },
		{ { "RIFF", 4 },              webp_points },
		{ { "II*\0", 4 },             NULL },
		{ { "MM\0*", 4 },             NULL },
	};
	/* clang-format on */

	for (size_t i = 0; i < COUNT_OF(kinds); i++) {
		if (!span_starts(s, kinds[i].magic))
			continue;
		if (kinds[i].points == webp_points && (s.n < 12 || memcmp(s.p + 8, "WEBP", 4)))
			return EXTRACT_UNSUPPORTED;
		bool large = kinds[i].points && kinds[i].points(s) > EXTRACT_PIXELS;
		return large ? EXTRACT_TOO_LARGE : EXTRACT_READ;
	}
	return EXTRACT_UNSUPPORTED;
}
