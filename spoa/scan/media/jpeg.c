/* Reads JPEG (ITU-T T.81 annex B), a list of segments. APP1 (EXIF, XMP), APP13 (Photoshop,
 * IPTC) and COM contain texts. Thumbnails inside EXIF are not inspected. */
#include "scan/media/reader.h"

enum {
	SOI = 0xd8,
	EOI = 0xd9,
	SOS = 0xda,
	TEM = 0x01,
	RST0 = 0xd0,
	RST7 = 0xd7,
	SOF0 = 0xc0,
	SOF15 = 0xcf,
	DHT = 0xc4,
	JPG = 0xc8,
	DAC = 0xcc,
	APP0 = 0xe0,
	APP1 = 0xe1,
	APP2 = 0xe2,
	APP13 = 0xed,
	APP14 = 0xee,
	COM = 0xfe,
	XMP_GUID = 32,
};

#define XMP_HEAD       SPAN_LIT("http://ns.adobe.com/xap/1.0/\0")
#define XMP_MORE       SPAN_LIT("http://ns.adobe.com/xmp/extension/\0")
#define EXIF_HEAD      SPAN_LIT("Exif\0")
#define PHOTOSHOP_HEAD SPAN_LIT("Photoshop 3.0\0")

/* Data that several segments of one image contain together. */
struct jpeg {
	struct media *m;
	struct media_pieces
		resources; /* Photoshop's, which are split if longer than a segment */
	struct span xmp;   /* extended XMP, assembled in the arena; p NULL: none yet */
	size_t xmp_have;   /* bytes of it that have been copied */
	bool more;	   /* further images may follow (multi-picture format, CIPA DC-007) */
	/* a frame header was found */
	bool framed;
};

void
jpeg_app1(struct media *m, struct span data)
{
	if (span_starts(data, XMP_HEAD))
		xmp_read(m, span_cut(data, XMP_HEAD.n, data.n));
	else if (span_starts(data, EXIF_HEAD))
		exif_read(m, span_cut(data, EXIF_HEAD.n + 1, data.n), false);
	else
		exif_read(m, data, false);
}

/* Copies one piece of extended XMP: GUID, total length, offset of the piece, the piece (XMP
 * part 3, 1.1.3.1). */
static void
jpeg_extended(struct jpeg *j, struct span data)
{
	struct media_rd r = media_rd(data);

	media_take(&r, XMP_GUID);
	size_t whole = media_u32(&r), at = media_u32(&r);
	struct span piece = media_take(&r, media_left(&r));
	if (r.err || (j->xmp.p && whole != j->xmp.n) || at > whole || piece.n > whole - at) {
		media_flaw(j->m, FILE_DAMAGED);
		return;
	}
	if (!j->xmp.p && !media_look(j->m, whole))
		return;
	char *room = j->xmp.p ? (char *)(uintptr_t)j->xmp.p : arena_alloc(j->m->a, whole);
	if (!room) {
		j->m->nomem = true;
		return;
	}
	if (piece.n)
		memcpy(room + at, piece.p, piece.n);
	j->xmp = span_of(room, whole);
	j->xmp_have += piece.n;
}

static void
jpeg_frame(struct jpeg *j, struct span data)
{
	struct media_rd r = media_rd(data);

	media_take(&r, 1);
	uint64_t height = media_u16(&r), width = media_u16(&r);
	if (r.err || !width || !height || j->framed)
		media_flaw(j->m, FILE_DAMAGED);
	media_points(j->m, width, height);
	j->framed = true;
}

static void
jpeg_segment(struct jpeg *j, unsigned marker, struct span data)
{
	if (marker == APP1 && span_starts(data, XMP_MORE))
		jpeg_extended(j, span_cut(data, XMP_MORE.n, data.n));
	else if (marker == APP1 &&
		 (span_starts(data, XMP_HEAD) || span_starts(data, EXIF_HEAD)))
		jpeg_app1(j->m, data);
	else if (marker == APP13 && span_starts(data, PHOTOSHOP_HEAD))
		media_append(j->m, &j->resources, span_cut(data, PHOTOSHOP_HEAD.n, data.n));
	else if (marker == APP2 && span_starts(data, SPAN_LIT("MPF\0")))
		j->more = true;
	else if (marker == COM)
		media_text(j->m, data, MEDIA_UTF8);
	else if (marker >= SOF0 && marker <= SOF15 && marker != DHT && marker != JPG &&
		 marker != DAC)
		jpeg_frame(j, data);
}

/* Skips to the next marker, as decoders do, after entropy-coded data or garbage. */
static void
jpeg_skip(struct media_rd *r, bool coded)
{
	while (media_left(r) >= 2) {
		const char *p = memchr(r->s.p + r->at, 0xff, media_left(r) - 1);
		if (!p)
			break;
		unsigned next = (unsigned char)p[1];
		r->at = (size_t)(p - r->s.p);
		if (next && next != 0xff && !(coded && next >= RST0 && next <= RST7))
			return;
		r->at += next == 0xff ? 1 : 2;
	}
	r->at = r->s.n;
	r->err = true;
}

/* Reads one image at r, and leaves r behind the image. */
static void
jpeg_picture(struct jpeg *j, struct media_rd *r)
{
	unsigned marker = 0;

	r->at += 2; /* SOI */
	while (!r->err && marker != EOI) {
		jpeg_skip(r, marker == SOS);
		media_take(r, 1);
		marker = media_u8(r);
		if (r->err || marker == EOI || marker == TEM || marker == SOI ||
			(marker >= RST0 && marker <= RST7))
			continue;
		size_t length = media_u16(r);
		if (length < 2) {
			media_flaw(j->m, r->err ? FILE_TRUNCATED : FILE_DAMAGED);
			return;
		}
		struct span data = media_take(r, length - 2);
		if (!r->err)
			jpeg_segment(j, marker, data);
	}
	if (r->err)
		media_flaw(j->m, FILE_TRUNCATED);
	else if (!j->framed)
		media_flaw(j->m, FILE_DAMAGED);
}

/* Returns true if another image begins after padding, and skips the padding. */
static bool
jpeg_again(struct media_rd *r)
{
	size_t end = r->at;

	while (media_left(r) && !r->s.p[r->at])
		r->at++;
	if (span_starts(span_cut(r->s, r->at, r->s.n), SPAN_LIT("\xff\xd8\xff")))
		return true;
	r->at = end;
	return false;
}

/* Returns true if the picture looks different without the segment. */
static bool
jpeg_draws(unsigned marker, struct span data)
{
	switch (marker) {
	case APP0: return span_starts(data, SPAN_LIT("JFIF\0"));
	case APP2: return span_starts(data, SPAN_LIT("ICC_PROFILE\0"));
	case APP14: return span_starts(data, SPAN_LIT("Adobe"));
	default: return marker < APP0;
	}
}

/* Appends an EXIF segment with the orientation alone. */
static void
jpeg_turn(struct media *m, unsigned orientation, struct media_pieces *out)
{
	const char turn[] = { '\xff', '\xe1', 0, 34, 'E', 'x', 'i', 'f', 0, 0, 'M', 'M', 0, '*',
		0, 0, 0, 8, 0, 1, 1, 0x12, 0, 3, 0, 0, 0, 1, 0, (char)orientation, 0, 0, 0, 0,
		0, 0 };

	if (orientation > 1)
		media_append(m, out, span_of(turn, sizeof(turn)));
}

void
jpeg_bare(struct media *m, struct media_pieces *out)
{
	struct media_rd r = media_rd(m->bytes);
	unsigned marker = 0;

	media_append(m, out, media_take(&r, 2)); /* SOI */
	while (!r.err && marker != EOI) {
		size_t coded = r.at;
		jpeg_skip(&r, marker == SOS);
		if (marker == SOS)
			media_append(m, out, span_cut(m->bytes, coded, r.at));
		size_t at = r.at;
		media_take(&r, 1);
		marker = media_u8(&r);
		bool alone = marker == EOI || marker == TEM || marker == SOI ||
			     (marker >= RST0 && marker <= RST7);
		struct span data = alone ? SPAN_LIT("") : media_take(&r, media_u16(&r) - 2);
		/* JFIF must be first */
		if (marker != APP0 && m->out->orientation) {
			jpeg_turn(m, m->out->orientation, out);
			m->out->orientation = 0;
		}
		if (jpeg_draws(marker, data))
			media_append(m, out, span_cut(m->bytes, at, r.at));
	}
}

void
jpeg_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);
	bool more = false;

	do {
		struct jpeg j = { .m = m };
		jpeg_picture(&j, &r);
		photoshop_read(m, span_of(j.resources.p, j.resources.n));
		if (j.xmp_have < j.xmp.n)
			media_flaw(m, FILE_DAMAGED);
		xmp_read(m, j.xmp);
		more |= j.more;
	} while (!r.err && more && media_part(m) && jpeg_again(&r));
	if (!r.err)
		media_after(m, r.at);
}
