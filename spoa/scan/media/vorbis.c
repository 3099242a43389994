/* Reads Vorbis comments (https://xiph.org/vorbis/doc/v-comment.html). FLAC (RFC 9639 8) has
 * them in a block; the streams of Ogg (RFC 3533) have them in their second packet. */
#include "scan/media/reader.h"

enum {
	FLAC_COMMENT = 4,
	FLAC_PICTURE = 6,
	OGG_STREAMS = 16,
	OGG_BEGINS = 2,
};

/* Reads the comments of Vorbis, Opus and FLAC. */
static void
vorbis_read(struct media *m, struct span comments)
{
	struct media_rd r = media_rd(comments);

	r.little = true;
	media_text(m, media_take(&r, media_u32(&r)), MEDIA_UTF8);
	for (size_t n = media_u32(&r); n && !r.err && media_part(m); n--) {
		struct span s = media_take(&r, media_u32(&r));
		/* pictures in base64 are not texts */
		if (!r.err && !span_istarts(s, SPAN_LIT("METADATA_BLOCK_PICTURE=")) &&
			!span_istarts(s, SPAN_LIT("COVERART="))) {
			struct span value = s, key = span_next(&value, '=');
			media_named(m, key, value, MEDIA_UTF8);
		}
	}
	if (r.err)
		media_flaw(m, FILE_DAMAGED);
}

/* Reads the description of a picture: type, media type, description, further fields. */
static void
flac_picture(struct media *m, struct span data)
{
	struct media_rd r = media_rd(data);

	media_u32(&r);
	media_take(&r, media_u32(&r));
	struct span text = media_take(&r, media_u32(&r));
	if (r.err)
		media_flaw(m, FILE_DAMAGED);
	media_text(m, text, MEDIA_UTF8);
}

void
flac_read(struct media *m)
{
	struct media_rd r = media_rd(m->bytes);
	bool last = false;

	media_take(&r, id3_read(m, m->bytes));
	media_take(&r, 4);
	while (!last && !r.err && media_part(m)) {
		unsigned head = media_u8(&r);
		struct span data = media_take(&r, media_number(&r, 3));
		last = head >> 7;
		if (r.err)
			break;
		if ((head & 0x7f) == FLAC_COMMENT)
			vorbis_read(m, data);
		else if ((head & 0x7f) == FLAC_PICTURE)
			flac_picture(m, data);
	}
	if (r.err)
		media_flaw(m, FILE_TRUNCATED);
}

/* ---- Ogg ---- */

/* One logical stream of an Ogg file; at most OGG_STREAMS. */
struct ogg_stream {
	uint32_t serial;
	unsigned packets;	    /* number of complete packets */
	struct media_pieces second; /* the part of the second packet read so far */
};

/* Reads the second packet, which begins with the codec's name. */
static void
ogg_comment(struct media *m, struct span packet)
{
	static const char *const heads[] = { "\x03vorbis", "OpusTags", "\x81theora" };

	for (size_t i = 0; i < COUNT_OF(heads); i++)
		if (span_starts(packet, span_str(heads[i]))) {
			vorbis_read(m, span_cut(packet, strlen(heads[i]), packet.n));
			return;
		}
	if (packet.n > 4 && (packet.p[0] & 0x7f) == FLAC_COMMENT)
		vorbis_read(m, span_cut(packet, 4, packet.n));
}

/* Reads a page. A packet is a run of segments of 255 bytes and one shorter segment. */
static void
ogg_page(struct media *m, struct ogg_stream *o, struct span lacing, struct media_rd *r)
{
	for (size_t i = 0; i < lacing.n && !m->nomem; i++) {
		struct span s = media_take(r, (unsigned char)lacing.p[i]);
		if (o->packets == 1)
			media_append(m, &o->second, s);
		if (s.n < 255 && !r->err && o->packets++ == 1)
			ogg_comment(m, span_of(o->second.p, o->second.n));
	}
}

static struct ogg_stream *
ogg_stream(struct media *m, struct ogg_stream v[OGG_STREAMS], size_t *n, uint32_t serial,
	bool begins)
{
	size_t i = 0;

	while (i < *n && v[i].serial != serial)
		i++;
	if (i == OGG_STREAMS) {
		media_flaw(m, FILE_BOMB);
		return NULL;
	}
	if (i == *n || begins) {
		v[i] = (struct ogg_stream){ .serial = serial };
		*n += i == *n;
	}
	return &v[i];
}

void
ogg_read(struct media *m)
{
	struct ogg_stream streams[OGG_STREAMS] = { 0 };
	struct media_rd r = media_rd(m->bytes);
	size_t n = 0;

	r.little = true;
	while (media_left(&r) && !r.err && !m->nomem) {
		if (!span_is(media_take(&r, 4), "OggS")) {
			r.at -= r.err ? 0 : 4;
			break;
		}
		media_u8(&r);
		unsigned flags = media_u8(&r);
		media_number(&r, 8);
		uint32_t serial = media_u32(&r);
		media_number(&r, 8);
		struct span lacing = media_take(&r, media_u8(&r));
		struct ogg_stream *o = ogg_stream(m, streams, &n, serial, flags & OGG_BEGINS);
		if (!o)
			return;
		ogg_page(m, o, lacing, &r);
	}
	if (r.err)
		media_flaw(m, FILE_TRUNCATED);
	else
		media_after(m, r.at);
}
