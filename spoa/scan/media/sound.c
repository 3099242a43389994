/* Finds the reader of a sound, and reads WAV (Microsoft's and IBM's Multimedia Programming
 * Interface, 1991). */
#include "scan/media/sound_reader.h"

#define SOUND_WORD(name, word) [name] = (word),
const char *const sound_flaws[] = { SOUND_FLAW_TABLE(SOUND_WORD) };
#undef SOUND_WORD

static const struct {
	enum file_magic kind;
	void (*read)(struct span bytes, struct sound *out);
} readers[] = { { FILE_WAV, sound_wav }, { FILE_MP3, sound_mpeg }, { FILE_FLAC, sound_flac },
	{ FILE_OGG, sound_ogg }, { FILE_M4A, sound_boxes }, { FILE_MP4, sound_boxes },
	{ FILE_WEBM, sound_webm } };

bool
sound_kind(enum file_magic kind)
{
	for (size_t i = 0; i < COUNT_OF(readers); i++)
		if (readers[i].kind == kind)
			return true;
	return false;
}

void
sound_read(struct span bytes, enum file_magic kind, struct sound *out)
{
	*out = (struct sound){ .codec = "" };
	for (size_t i = 0; i < COUNT_OF(readers); i++)
		if (readers[i].kind == kind)
			readers[i].read(bytes, out);
	if (!out->codec[0])
		sound_has(out, SOUND_CODEC);
	if (!out->ms)
		sound_has(out, SOUND_LENGTH);
}

/* ---- WAV ---- */

enum {
	WAV_PCM = 1,
	WAV_FLOAT = 3,
	WAV_ALAW = 6,
	WAV_MULAW = 7,
	WAV_EXTENSIBLE = 0xfffe,
	/* a chunk of another kind that is longer could be sound */
	WAV_TAG_MOST = 4 << 10,
};

struct wav_format {
	unsigned tag, channels, rate, bytes_a_second, block, bits;
};

static bool
read_wav_format(struct media_rd r, struct wav_format *f)
{
	f->tag = media_u16(&r);
	f->channels = media_u16(&r);
	f->rate = media_u32(&r);
	f->bytes_a_second = media_u32(&r);
	f->block = media_u16(&r);
	f->bits = media_u16(&r);
	if (f->tag == WAV_EXTENSIBLE) { /* the first two bytes of the subformat's GUID */
		media_take(&r, 8);
		f->tag = media_u16(&r);
	}
	return !r.err;
}

static bool
is_wav_tag(struct span type)
{
	static const char *const known[] = { "LIST", "fact", "cue ", "smpl", "inst", "bext",
		"iXML", "PEAK", "JUNK", "junk", "PAD ", "FLLR", "id3 ", "ID3 ", "XMP ",
		"_PMX" };

	return SPAN_IN(type, known);
}

void
sound_wav(struct span bytes, struct sound *out)
{
	struct media_rd r = media_rd(bytes);
	struct wav_format f = { 0 };
	struct span data = { NULL, 0 };
	bool format = false;

	r.little = span_starts(bytes, SPAN_LIT("RIFF"));
	media_take(&r, 12);
	while (media_left(&r) >= 8) {
		struct span type = media_take(&r, 4);
		size_t n = media_u32(&r);
		bool is_data = span_is(type, "data");
		if (is_data && data.p)
			sound_has(out, SOUND_STREAMS);
		/* a pipe's length is not known */
		struct media_rd c =
			media_rd(media_take(&r, n < media_left(&r) ? n : media_left(&r)));
		c.little = r.little;
		if (is_data && !data.p)
			data = c.s;
		else if (span_is(type, "fmt "))
			format = read_wav_format(c, &f);
		else if (!is_wav_tag(type) && c.s.n > WAV_TAG_MOST)
			sound_has(out, SOUND_IN_TAG);
		media_take(&r, n & 1 && media_left(&r));
	}
	out->channels = f.channels;
	if (!format || (f.tag != WAV_PCM && f.tag != WAV_FLOAT && f.tag != WAV_ALAW &&
			       f.tag != WAV_MULAW))
		return;
	out->codec = f.tag == WAV_PCM || f.tag == WAV_FLOAT ? "pcm" : "g711";
	size_t sample = f.bits / 8;
	if (!f.channels || !sample || f.bits % 8 || f.block != f.channels * sample ||
		f.bytes_a_second != (uint64_t)f.rate * f.block) {
		sound_has(out, SOUND_LENGTH);
		return;
	}
	out->ms = sound_ms(data.n / f.block, f.rate);
	out->samples = span_cut(data, 0, data.n - data.n % f.block);
	out->sample_bytes = (unsigned)sample;
}

static char *
put_wav_number(char *to, uint32_t v, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(v >> 8 * i);
	return to + n;
}

char *
sound_wav_head(char to[WAV_HEAD], unsigned tag, unsigned rate, unsigned bits, size_t n)
{
	memcpy(to, "RIFF", 4);
	to = put_wav_number(to + 4, (uint32_t)(WAV_HEAD - 8 + n), 4);
	memcpy(to, "WAVEfmt ", 8);
	to = put_wav_number(to + 8, 16, 4);
	to = put_wav_number(to, tag, 2);
	to = put_wav_number(to, 1, 2);
	to = put_wav_number(to, rate, 4);
	to = put_wav_number(to, rate * (bits / 8), 4);
	to = put_wav_number(to, bits / 8, 2);
	to = put_wav_number(to, bits, 2);
	memcpy(to, "data", 4);
	return put_wav_number(to + 4, (uint32_t)n, 4);
}

struct span
sound_channel(struct span wav, const struct sound *s, unsigned channel, struct arena *a)
{
	size_t block = (size_t)s->channels * s->sample_bytes,
	       frames = s->samples.p && block ? s->samples.n / block : 0,
	       n = frames * s->sample_bytes;
	const char *fmt = memmem(wav.p, wav.n < 4096 ? wav.n : 4096, "fmt ", 4);
	struct media_rd r =
		media_rd(fmt ? span_cut(wav, (size_t)(fmt - wav.p) + 8, wav.n) : SPAN_LIT(""));
	struct wav_format f = { 0 };

	r.little = true;
	if (!frames || channel >= s->channels || !span_starts(wav, SPAN_LIT("RIFF")) ||
		!read_wav_format(r, &f) || n > UINT32_MAX - WAV_HEAD)
		return (struct span){ NULL, 0 };
	char *head = arena_alloc(a, WAV_HEAD + n), *to = head;
	if (!head)
		return (struct span){ NULL, 0 };
	to = sound_wav_head(to, f.tag, f.rate, f.bits, n);
	for (size_t i = 0; i < frames; i++, to += s->sample_bytes)
		memcpy(to, s->samples.p + i * block + channel * s->sample_bytes,
			s->sample_bytes);
	return span_of(head, WAV_HEAD + n);
}
