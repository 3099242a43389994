/* Counts the samples of FLAC (RFC 9639): its frames have no length, so that each is found by
 * its header, whose checksum and number must be right. */
#include "scan/media/sound_reader.h"

enum { STREAMINFO_BYTES = 34, APPLICATION = 2, HEAD_MOST = 16 };

/* The checksum of a frame's header (RFC 9639 9.1.8): x^8 + x^2 + x + 1. */
static unsigned
flac_crc8(const unsigned char *p, size_t n)
{
	unsigned crc = 0;

	for (size_t i = 0; i < n; i++) {
		crc ^= p[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc & 0x80 ? (crc << 1 ^ 7) & 0xff : crc << 1;
	}
	return crc;
}

/* Reads a number coded as UTF-8 would code it, of up to 36 bits (RFC 9639 9.1.5). */
static bool
coded_number(struct media_rd *r, uint64_t *v)
{
	unsigned first = media_u8(r), more = 0;

	while (more < 7 && first & 0x80 >> more)
		more++;
	if (more == 1 || more > 7)
		return false;
	*v = more ? first & (0x7f >> more) : first;
	for (unsigned i = 1; i < more; i++) {
		unsigned next = media_u8(r);
		if ((next & 0xc0) != 0x80)
			return false;
		*v = *v << 6 | (next & 0x3f);
	}
	return !r->err;
}

/* Returns the number of samples of the frame that begins here, or 0. *number: of the frame, or
 * of its first sample if the blocks differ in size. */
static unsigned
frame_samples(struct span s, uint64_t *number, bool *by_sample)
{
	struct media_rd r = media_rd(span_cut(s, 0, HEAD_MOST + 2));
	unsigned sync = media_u16(&r), sizes = media_u8(&r), block = sizes >> 4,
		 rate = sizes & 15, samples;

	*by_sample = sync & 1;
	media_u8(&r);
	if ((sync & 0xfffe) != 0xfff8 || !block || rate == 15 || !coded_number(&r, number))
		return 0;
	if (block == 1)
		samples = 192;
	else if (block < 6)
		samples = 576u << (block - 2);
	else if (block == 6)
		samples = media_u8(&r) + 1;
	else if (block == 7)
		samples = media_u16(&r) + 1;
	else
		samples = 256u << (block - 8);
	media_take(&r, rate == 12 ? 1 : rate == 13 || rate == 14 ? 2 : 0);
	size_t n = r.at;
	unsigned crc = media_u8(&r);
	return !r.err && crc == flac_crc8((const unsigned char *)s.p, n) ? samples : 0;
}

static uint64_t
count_samples(struct span s)
{
	uint64_t total = 0, frames = 0, number;
	bool by_sample;

	for (size_t at = 0; at < s.n;) {
		const char *p = memchr(s.p + at, 0xff, s.n - at);
		if (!p)
			break;
		at = (size_t)(p - s.p);
		unsigned n = frame_samples(span_cut(s, at, s.n), &number, &by_sample);
		if (n && number == (by_sample ? total : frames)) {
			total += n;
			frames++;
		}
		at++;
	}
	return total;
}

void
sound_flac(struct span bytes, struct sound *out)
{
	/* the daemon's reader of metadata has found an ID3 tag's end already */
	const char *begins = memmem(bytes.p, bytes.n, "fLaC", 4);
	struct media_rd r = media_rd(
		begins ? span_cut(bytes, (size_t)(begins - bytes.p), bytes.n) : SPAN_LIT(""));
	uint64_t stated = 0;
	uint32_t rate = 0;
	bool last = false;

	media_take(&r, 4);
	while (!last && !r.err) {
		unsigned head = media_u8(&r);
		struct span data = media_take(&r, media_number(&r, 3));
		last = head >> 7;
		if ((head & 0x7f) == APPLICATION)
			sound_has(out, SOUND_IN_TAG);
		if ((head & 0x7f) || data.n < STREAMINFO_BYTES)
			continue;
		struct media_rd info = media_rd(span_cut(data, 10, 18));
		uint64_t v = media_number(&info, 8);
		rate = (uint32_t)(v >> 44);
		out->channels = (unsigned)(v >> 41 & 7) + 1;
		stated = v & 0xfffffffffULL;
	}
	if (r.err || !rate)
		return;
	out->codec = "flac";
	uint64_t counted = count_samples(media_take(&r, media_left(&r)));
	out->ms = sound_ms(counted, rate);
	if (stated && sound_lies(sound_ms(stated, rate), out->ms))
		sound_has(out, SOUND_LENGTH);
}
