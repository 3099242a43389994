/* Counts the sound of an Ogg file (RFC 3533): Opus by its packets (RFC 6716 3.1), Vorbis by the
 * position of its pages. */
#include "scan/media/sound_reader.h"

enum { OGG_BEGINS = 2, OGG_CONTINUES = 1, OPUS_RATE = 48000 };

struct ogg_sound {
	bool opus, vorbis;
	unsigned packets; /* complete ones */
	bool within;	  /* the last packet continues in the next page */
	uint64_t samples; /* of Opus' packets, at 48 kHz */
	uint64_t skip, position;
	uint32_t rate, serial;
};

/* Returns the samples of an Opus packet at 48 kHz; 0: invalid. */
static unsigned
opus_samples(struct span packet)
{
	static const unsigned frame[] = { 480, 960, 1920, 2880 },
			      short_frame[] = { 120, 240, 480, 960 };
	const unsigned char *p = (const unsigned char *)packet.p;

	if (!packet.n)
		return 0;
	unsigned config = p[0] >> 3, code = p[0] & 3,
		 frames = code == 0	 ? 1
			  : code < 3	 ? 2
			  : packet.n > 1 ? p[1] & 0x3f
					 : 0,
		 size = config < 12   ? frame[config & 3]
			: config < 16 ? 480u << (config & 1)
				      : short_frame[config & 3];
	return frames * size <= 5760 ? frames * size : 0;
}

static void
first_packet(struct ogg_sound *o, struct span s, struct sound *out)
{
	struct media_rd r = media_rd(s);

	r.little = true;
	if (span_starts(s, SPAN_LIT("OpusHead"))) {
		media_take(&r, 9);
		out->channels = media_u8(&r);
		o->skip = media_u16(&r);
		o->opus = !r.err;
		out->codec = o->opus ? "opus" : "";
	} else if (span_starts(s, SPAN_LIT("\x01vorbis"))) {
		media_take(&r, 11);
		out->channels = media_u8(&r);
		o->rate = media_u32(&r);
		o->vorbis = !r.err && o->rate;
		out->codec = o->vorbis ? "vorbis" : "";
	}
}

/* Reads a page: each packet is known by its first bytes. */
static void
ogg_packets(struct ogg_sound *o, struct span lacing, struct media_rd *r, bool continues,
	struct sound *out)
{
	size_t begins = r->at;
	bool inside = continues && o->within;

	for (size_t i = 0; i < lacing.n; i++) {
		size_t n = (unsigned char)lacing.p[i];
		media_take(r, n);
		if (n == 255)
			continue;
		struct span packet = span_cut(r->s, begins, r->at);
		if (!inside && !o->packets)
			first_packet(o, packet, out);
		/* a packet is counted where it begins or, if that was another page, not again
		 */
		else if (o->opus && o->packets > 1 && !inside)
			o->samples += opus_samples(packet);
		inside = false;
		o->packets++;
		begins = r->at;
	}
	o->within = lacing.n && (unsigned char)lacing.p[lacing.n - 1] == 255;
	if (o->within && o->opus && o->packets > 1 && !inside)
		o->samples += opus_samples(span_cut(r->s, begins, r->at));
}

void
sound_ogg(struct span bytes, struct sound *out)
{
	struct media_rd r = media_rd(bytes);
	struct ogg_sound o = { 0 };
	bool any = false;

	r.little = true;
	while (media_left(&r) && !r.err && span_is(media_take(&r, 4), "OggS")) {
		media_u8(&r);
		unsigned flags = media_u8(&r);
		uint64_t position = media_number(&r, 8);
		uint32_t serial = media_u32(&r);
		media_number(&r, 8);
		struct span lacing = media_take(&r, media_u8(&r));
		if (flags & OGG_BEGINS && any)
			sound_has(out, o.packets > 2 ? SOUND_CHAINED : SOUND_STREAMS);
		if (any && serial != o.serial)
			sound_has(out, SOUND_STREAMS);
		if (out->flaw)
			return;
		o.serial = serial;
		any = true;
		ogg_packets(&o, lacing, &r, flags & OGG_CONTINUES, out);
		if (position == UINT64_MAX)
			continue;
		if (position < o.position)
			sound_has(out, SOUND_LENGTH);
		o.position = position;
	}
	if (o.vorbis) {
		out->ms = sound_ms(o.position, o.rate);
	} else if (o.opus) {
		out->ms = sound_ms(o.samples, OPUS_RATE);
		if (sound_lies(sound_ms(o.position, OPUS_RATE), out->ms))
			sound_has(out, SOUND_LENGTH);
	}
}
