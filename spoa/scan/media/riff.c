/* Reads RIFF (Microsoft's and IBM's Multimedia Programming Interface, 1991): WAV, AVI and WebP,
 * and with big-endian numbers AIFF. A file is a list of chunks. LIST INFO, EXIF, XMP and ID3
 * chunks contain texts. */
#include "scan/media/reader.h"

enum { RIFF_DEPTH = 4, VP8L_SIGNATURE = 0x2f, POINTS_MASK = 0x3fff, PIPED = 0x7fffff00 };

/* Reads an image's size. VP8: after a frame tag and a start code, two sizes of 14 bits (RFC
 * 6386 9.1). VP8L and VP8X store the size minus one (RFC 9649 3.4, 2.7). */
static void
webp_size(struct media *m, struct span type, struct media_rd r)
{
	uint64_t width, height;
	bool sound = true;

	if (span_is(type, "VP8 ")) {
		media_take(&r, 3);
		sound = span_is(media_take(&r, 3), "\x9d\x01\x2a");
		width = media_u16(&r) & POINTS_MASK;
		height = media_u16(&r) & POINTS_MASK;
	} else if (span_is(type, "VP8L")) {
		sound = media_u8(&r) == VP8L_SIGNATURE;
		uint32_t bits = media_u32(&r);
		width = (bits & POINTS_MASK) + 1;
		height = (bits >> 14 & POINTS_MASK) + 1;
	} else {
		media_take(&r, 4);
		width = media_number(&r, 3) + 1;
		height = media_number(&r, 3) + 1;
	}
	if (r.err || !sound)
		media_flaw(m, FILE_DAMAGED);
	else
		media_points(m, width, height);
}

static void
riff_chunk(struct media *m, struct span type, struct span list, struct media_rd r)
{
	/* AIFF's text chunks */
	static const char *const texts[] = { "NAME", "AUTH", "(c) ", "ANNO" };
	static const char *const pictures[] = { "VP8 ", "VP8L", "VP8X" };

	if (span_is(type, "IART") || (!r.little && span_is(type, "AUTH")))
		media_field(m, "artist name", span_cut(r.s, 0, span_chr(r.s, '\0')),
			MEDIA_UTF8);
	else if (span_is(list, "INFO") || (!r.little && SPAN_IN(type, texts)))
		media_text(m, r.s, MEDIA_UTF8);
	else if (span_is(type, "EXIF"))
		jpeg_app1(m, r.s);
	else if (span_is(type, "XMP ") || span_is(type, "_PMX"))
		xmp_read(m, r.s);
	else if (span_is(type, "id3 ") || span_is(type, "ID3 "))
		id3_read(m, r.s);
	else if (SPAN_IN(type, pictures))
		webp_size(m, type, r);
	else if (span_is(type, "ANMF"))
		media_flaw(m, FILE_ANIMATED);
}

/* Reads the chunks of the file (depth 0) or of a list. */
static void
riff_chunks(struct media *m, struct span s, struct span list, bool little, unsigned depth)
{
	struct media_rd r = media_rd(s);

	r.little = little;
	while (media_left(&r) >= 8 && media_part(m)) {
		struct span type = media_take(&r, 4);
		size_t n = media_u32(&r);
		/* Sound written to a pipe: the program could not return to write the length. */
		if (!depth && n > media_left(&r) && span_is(type, "data") && n >= PIPED)
			n = media_left(&r);
		struct media_rd data = media_rd(media_take(&r, n));
		data.little = little;
		if (r.err) {
			media_flaw(m, depth ? FILE_DAMAGED : FILE_TRUNCATED);
			return;
		}
		if (n & 1 && media_left(&r))
			media_take(&r, 1);
		if (span_is(type, "LIST") && span_starts(data.s, SPAN_LIT("movi")))
			continue;
		if (!span_is(type, "LIST"))
			riff_chunk(m, type, list, data);
		else if (depth < RIFF_DEPTH)
			riff_chunks(m, span_cut(data.s, 4, data.s.n), span_cut(data.s, 0, 4),
				little, depth + 1);
		else
			media_flaw(m, FILE_BOMB);
	}
}

/* Reads RIFF, or the big-endian RIFX and FORM (AIFF): a size, a kind, and chunks. */
void
riff_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);
	bool little = span_starts(m->bytes, SPAN_LIT("RIFF"));

	r.little = little;
	media_take(&r, 4);
	size_t n = media_u32(&r), left = media_left(&r);
	if (m->out->kind == FILE_WAV && (!n || n >= PIPED))
		n = left;
	if (n > left || n < 4) {
		media_flaw(m, n < 4 ? FILE_DAMAGED : FILE_TRUNCATED);
		n = left;
	}
	struct span body = media_take(&r, n);
	riff_chunks(m, span_cut(body, 4, body.n), span_cut(body, 0, 0), little, 0);
	media_after(m, r.at + (n & 1 && media_left(&r)));
}
