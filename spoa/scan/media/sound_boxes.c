/* Counts the sound of an ISO base media file (ISO 14496-12): M4A, MP4, and the fragments that
 * browsers record. */
#include "scan/media/sound_reader.h"

enum { BOXES_DEEP = 8, BOXES_MOST = 100000, AAC_SAMPLES = 1024, PRIMING_S = 1 };

/* One file while it is read. The members of the track are those of the track that is read now.
 */
struct boxes_sound {
	struct sound *out;
	size_t boxes;
	unsigned sounds, pictures;
	bool is_sound;	      /* of the track */
	uint64_t stated_ms;   /* of the track, as mdhd states it */
	uint64_t samples;     /* of the track, as stts counts them */
	uint64_t units;	      /* their length in units of mdhd */
	uint32_t scale, rate; /* units and samples a second */
	/* fragments (8.8): the length and number of samples, the default length of one */
	uint64_t fragment_units, fragment_samples;
	uint32_t trex_length, tfhd_length, sound_scale, sound_track, fragment_track;
	uint32_t track;
};

static void boxes_in(struct boxes_sound *b, struct span s, unsigned depth);

/* A list of edits may only skip what an encoder puts before the sound. */
static void
edit_list(struct boxes_sound *b, struct media_rd r)
{
	unsigned wide = media_u8(&r) ? 8 : 4;

	media_take(&r, 3);
	uint32_t n = media_u32(&r);
	media_number(&r, wide);
	uint64_t from = media_number(&r, wide);
	unsigned rate = media_u32(&r);
	/* the scale is not known yet: at most a second of 192 kHz */
	if (n > 1 || (n == 1 && (rate != 1u << 16 || from > 192000ull * PRIMING_S)))
		sound_has(b->out, SOUND_EDITED);
}

static void
media_header(struct boxes_sound *b, struct media_rd r)
{
	unsigned wide = media_u8(&r) ? 8 : 4;

	media_take(&r, 3 + 2 * wide);
	b->scale = media_u32(&r);
	b->stated_ms = sound_ms(media_number(&r, wide), b->scale);
}

static void
handler(struct boxes_sound *b, struct media_rd r)
{
	media_take(&r, 8);
	struct span type = media_take(&r, 4);
	b->is_sound = span_is(type, "soun");
	b->sounds += b->is_sound;
	b->pictures += span_is(type, "vide");
	if (!b->is_sound)
		return;
	b->sound_scale = b->scale;
	b->sound_track = b->track;
	b->samples = b->units = 0;
}

/* Sets the number of channels from the decoder's configuration (ISO 14496-1 7.2.6.7, ISO
 * 14496-3 1.6.2.1), because the box around it may always state two. */
static void
aac_channels(struct boxes_sound *b, struct span esds)
{
	enum { DECODER_INFO = 5, ANY_RATE = 15 };
	const char *at = memchr(esds.p, DECODER_INFO, esds.n);
	struct media_rd r =
		media_rd(at ? span_cut(esds, (size_t)(at - esds.p) + 1, esds.n) : SPAN_LIT(""));

	while (!r.err && media_u8(&r) & 0x80)
		;
	unsigned config = media_u16(&r), rate = config >> 7 & 15, channels = config >> 3 & 15;
	if (!r.err && rate != ANY_RATE && channels)
		b->out->channels = channels == 7 ? 8 : channels;
}

static void
sample_description(struct boxes_sound *b, struct media_rd r)
{
	static const struct {
		const char *type, *codec;
	} codecs[] = { { "mp4a", "aac" }, { "Opus", "opus" }, { "fLaC", "flac" },
		{ "alac", "alac" } };

	if (!b->is_sound)
		return;
	media_take(&r, 4);
	if (media_u32(&r) != 1)
		sound_has(b->out, SOUND_STREAMS);
	media_u32(&r);
	struct span type = media_take(&r, 4);
	media_take(&r, 16);
	b->out->channels = media_u16(&r);
	media_take(&r, 6);
	b->rate = media_u32(&r) >> 16;
	for (size_t i = 0; i < COUNT_OF(codecs) && !r.err; i++)
		if (span_is(type, codecs[i].type))
			b->out->codec = codecs[i].codec;
	const char *esds = memmem(r.s.p + r.at, media_left(&r), "esds", 4);
	if (esds)
		aac_channels(b, span_cut(r.s, (size_t)(esds - r.s.p) + 8, r.s.n));
}

static void
times_of_samples(struct boxes_sound *b, struct media_rd r)
{
	media_take(&r, 4);
	for (uint32_t n = media_u32(&r); b->is_sound && n && !r.err; n--) {
		uint64_t count = media_u32(&r);
		b->samples += count;
		b->units += count * media_u32(&r);
	}
}

/* The number of samples that have bytes is the number that a decoder plays. */
static void
sizes_of_samples(struct boxes_sound *b, struct media_rd r)
{
	media_take(&r, 8);
	uint32_t n = media_u32(&r);
	if (b->is_sound && !r.err && n != b->samples)
		sound_has(b->out, SOUND_LENGTH);
}

/* ---- fragments ---- */

static void
fragment_header(struct boxes_sound *b, struct media_rd r)
{
	enum { BASE = 1, DESCRIPTION = 2, LENGTH = 8 };
	unsigned flags = media_u32(&r) & 0xffffff;

	b->fragment_track = media_u32(&r);
	media_take(&r, (flags & BASE ? 8u : 0) + (flags & DESCRIPTION ? 4u : 0));
	b->tfhd_length = flags & LENGTH ? media_u32(&r) : b->trex_length;
}

static void
fragment_run(struct boxes_sound *b, struct media_rd r)
{
	enum {
		OFFSET = 1,
		FIRST = 4,
		LENGTH = 0x100,
		SIZE = 0x200,
		FLAGS = 0x400,
		TIME = 0x800
	};
	unsigned flags = media_u32(&r) & 0xffffff;
	uint32_t n = media_u32(&r);

	media_take(&r, (flags & OFFSET ? 4u : 0) + (flags & FIRST ? 4u : 0));
	if (b->fragment_track != b->sound_track)
		return;
	for (b->fragment_samples += n; n && !r.err; n--) {
		b->fragment_units += flags & LENGTH ? media_u32(&r) : b->tfhd_length;
		if (!(flags & (LENGTH | SIZE | FLAGS | TIME))) {
			b->fragment_units += (uint64_t)(n - 1) * b->tfhd_length;
			break;
		}
		media_take(&r, (flags & SIZE ? 4u : 0) + (flags & FLAGS ? 4u : 0) +
				       (flags & TIME ? 4u : 0));
	}
	if (r.err)
		sound_has(b->out, SOUND_LENGTH);
}

/* ---- the tree ---- */

static void
box_in(struct boxes_sound *b, struct span type, struct span data, unsigned depth)
{
	static const char *const holders[] = { "moov", "mdia", "minf", "stbl", "edts", "moof",
		"traf", "mvex" };
	static const struct {
		const char *type;
		void (*read)(struct boxes_sound *b, struct media_rd r);
	} known[] = { { "elst", edit_list }, { "mdhd", media_header }, { "hdlr", handler },
		{ "stsd", sample_description }, { "stts", times_of_samples },
		{ "stsz", sizes_of_samples }, { "tfhd", fragment_header },
		{ "trun", fragment_run } };
	struct media_rd r = media_rd(data);

	if (span_is(type, "trak")) {
		b->is_sound = false;
		b->scale = 0;
		boxes_in(b, data, depth + 1);
	} else if (span_is(type, "tkhd")) {
		unsigned wide = media_u8(&r) ? 8 : 4;
		media_take(&r, 3 + 2 * wide);
		b->track = media_u32(&r);
	} else if (span_is(type, "trex")) {
		media_take(&r, 4);
		uint32_t track = media_u32(&r);
		media_u32(&r);
		uint32_t length = media_u32(&r);
		if (!r.err && (!b->sound_track || track == b->sound_track))
			b->trex_length = length;
	} else if (SPAN_IN(type, holders)) {
		boxes_in(b, data, depth + 1);
	} else {
		for (size_t i = 0; i < COUNT_OF(known); i++)
			if (span_is(type, known[i].type))
				known[i].read(b, r);
	}
}

static void
boxes_in(struct boxes_sound *b, struct span s, unsigned depth)
{
	struct media_rd r = media_rd(s);

	while (depth < BOXES_DEEP && media_left(&r) >= 8 && b->boxes++ < BOXES_MOST) {
		size_t start = r.at;
		uint64_t size = media_u32(&r);
		struct span type = media_take(&r, 4);
		if (size == 1)
			size = media_number(&r, 8);
		else if (!size)
			size = s.n - start;
		if (r.err || size < r.at - start || size > s.n - start) {
			sound_has(b->out, SOUND_LENGTH);
			return;
		}
		box_in(b, type, media_take(&r, size - (r.at - start)), depth);
	}
	if (b->boxes >= BOXES_MOST)
		sound_has(b->out, SOUND_LENGTH);
}

void
sound_boxes(struct span bytes, struct sound *out)
{
	struct boxes_sound b = { .out = out };

	boxes_in(&b, bytes, 0);
	out->film = b.pictures > 0;
	if (b.sounds != 1)
		sound_has(out, SOUND_STREAMS);
	if (b.fragment_samples) {
		out->ms = sound_ms(b.units + b.fragment_units, b.sound_scale);
		b.samples += b.fragment_samples;
	} else {
		out->ms = sound_ms(b.units, b.sound_scale);
	}
	/* AAC has 1,024 samples in a frame, at the rate of the track or half of it */
	uint64_t least = span_is(span_str(out->codec), "aac")
				 ? sound_ms(b.samples * AAC_SAMPLES, b.rate)
				 : out->ms;
	if (out->ms + 200 < least - least / 50 ||
		(least && out->ms > 2 * least + least / 25 + 400))
		sound_has(out, SOUND_LENGTH);
}
