/* Counts the frames of MPEG audio (ISO 11172-3 2.4.1.3, ISO 13818-3 2.4.1.3), layers 1 to 3. */
#include "base/ascii.h"
#include "scan/media/sound_reader.h"

enum { FRAME_HEAD = 4, ID3V1 = 128, ID3V2_HEAD = 10, LAYER_1 = 3, LAYER_3 = 1, MPEG_1 = 3 };

/* kbit/s by version (MPEG 1, or 2 and 2.5), by layer 1 to 3, by index */
static const uint16_t kbits[2][3][15] = {
	{ { 0, 32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448 },
		{ 0, 32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384 },
		{ 0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320 } },
	{ { 0, 32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256 },
		{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 },
		{ 0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160 } },
};

struct mpeg_frame {
	unsigned version, layer, rate, channels, samples;
	size_t bytes;
};

/* Returns false if no frame with a known length begins here. */
static bool
mpeg_frame_at(struct span s, struct mpeg_frame *f)
{
	static const unsigned rates[] = { 44100, 48000, 32000 };
	const unsigned char *p = (const unsigned char *)s.p;

	if (s.n < FRAME_HEAD || p[0] != 0xff || (p[1] & 0xe0) != 0xe0)
		return false;
	unsigned layer = p[1] >> 1 & 3, bits = p[2] >> 4, rate = p[2] >> 2 & 3;
	f->version = p[1] >> 3 & 3;
	if (f->version == 1 || !layer || !bits || bits == 15 || rate == 3)
		return false;
	bool one = f->version == MPEG_1;
	f->layer = layer;
	f->rate = rates[rate] >> (one ? 0 : f->version == 2 ? 1 : 2);
	f->channels = p[3] >> 6 == 3 ? 1 : 2;
	f->samples = layer == LAYER_1 ? 384 : layer == LAYER_3 && !one ? 576 : 1152;
	size_t slot = layer == LAYER_1 ? 4 : 1, padding = p[2] >> 1 & 1,
	       bps = kbits[!one][LAYER_1 - layer][bits] * 1000u;
	f->bytes = (f->samples / 8 * bps / f->rate / slot + padding) * slot;
	return f->bytes > FRAME_HEAD;
}

/* Returns the number of frames that a Xing or Info header states, which is a frame without
 * sound; 0: this frame is none. */
static uint64_t
stated_frames(struct span frame)
{
	enum { SIDE_MOST = 40, HAS_FRAMES = 1 };
	static const char *const names[] = { "Xing", "Info" };

	for (size_t i = 0; i < COUNT_OF(names); i++) {
		const char *at = memmem(frame.p,
			frame.n < SIDE_MOST + 4 ? frame.n : SIDE_MOST + 4, names[i], 4);
		if (!at)
			continue;
		struct media_rd r =
			media_rd(span_cut(frame, (size_t)(at - frame.p) + 4, frame.n));
		unsigned has = media_u32(&r);
		return has & HAS_FRAMES ? media_u32(&r) : 0;
	}
	return 0;
}

/* Skips the ID3v2 tag. One with an object of any type (GEOB) could hold a sound. */
static size_t
skip_tag(struct span s, struct sound *out)
{
	const unsigned char *p = (const unsigned char *)s.p;

	if (s.n < ID3V2_HEAD || !span_starts(s, SPAN_LIT("ID3")))
		return 0;
	size_t n = ID3V2_HEAD +
		   ((size_t)p[6] << 21 | (size_t)p[7] << 14 | (size_t)p[8] << 7 | p[9]);
	struct span tag = span_cut(s, 0, n);
	if (memmem(tag.p, tag.n, "GEOB", 4) || memmem(tag.p, tag.n, "\0GEO\0", 5))
		sound_has(out, SOUND_IN_TAG);
	return tag.n;
}

void
sound_mpeg(struct span s, struct sound *out)
{
	struct mpeg_frame first, f;
	size_t at = skip_tag(s, out), end = s.n;
	uint64_t frames = 0, stated = 0;

	if (s.n >= ID3V1 && span_starts(span_cut(s, s.n - ID3V1, s.n), SPAN_LIT("TAG")))
		end -= ID3V1;
	if (!mpeg_frame_at(span_cut(s, at, end), &first))
		return;
	out->codec = first.layer == LAYER_3 ? "mp3" : "mp2";
	out->channels = first.channels;
	stated = stated_frames(span_cut(s, at, at + first.bytes));
	if (stated)
		at += first.bytes;
	while (at + FRAME_HEAD <= end && mpeg_frame_at(span_cut(s, at, end), &f)) {
		if (f.version != first.version || f.layer != first.layer ||
			f.rate != first.rate) {
			sound_has(out, SOUND_STREAMS);
			return;
		}
		out->channels = f.channels > out->channels ? f.channels : out->channels;
		frames++;
		at += f.bytes;
	}
	out->ms = sound_ms(frames * first.samples, first.rate);
	/* a decoder looks for another frame in what is left */
	while (at < end && !s.p[at])
		at++;
	if (at < end && !span_starts(span_cut(s, at, end), SPAN_LIT("APETAGEX")))
		sound_has(out, SOUND_LENGTH);
	if (stated && sound_lies(sound_ms(stated * first.samples, first.rate), out->ms))
		sound_has(out, SOUND_LENGTH);
}
