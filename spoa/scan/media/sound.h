/* How long the sound in a file is, and which codec it has, from the file's own structure.
 * Nothing is decoded. The length is counted from what a decoder would play (frames, pages,
 * samples), and compared with what the header states. Pure functions, without I/O; any thread.
 */
#ifndef SCAN_MEDIA_SOUND_H
#define SCAN_MEDIA_SOUND_H

#include "scan/media/media_file.h"

/* clang-format off */
/* Why a sound cannot be given to a transcriber. Words for records. */
#define SOUND_FLAW_TABLE(X) \
	X(SOUND_WHOLE,   "whole")          /* it can */ \
	X(SOUND_CODEC,   "codec")          /* not a codec whose length is known here */ \
	X(SOUND_LENGTH,  "sound_length")   /* the length cannot be counted, or the header lies */ \
	X(SOUND_STREAMS, "sound_streams")  /* more than one audio stream, or none */ \
	X(SOUND_CHAINED, "sound_chained")  /* Ogg: another stream follows the end of the first */ \
	X(SOUND_EDITED,  "edit_list")      /* MP4: an edit list hides or repeats a part */ \
	X(SOUND_IN_TAG,  "sound_in_tag")   /* a tag holds data that could be sound */
/* clang-format on */
#define SOUND_MEMBER(name, ...) name,
enum sound_flaw { SOUND_FLAW_TABLE(SOUND_MEMBER) SOUND_FLAWS };
#undef SOUND_MEMBER
extern const char *const sound_flaws[];

struct sound {
	enum sound_flaw flaw;
	const char *codec; /* "pcm", "mp3", "flac", "opus", "vorbis", "aac"; "": not known */
	uint64_t ms;	   /* length, rounded up */
	unsigned channels; /* 0: not known */
	bool film;	   /* the file has pictures too */
	/* WAV of whole bytes for each sample: the samples, and the bytes of one sample of one
	 * channel. samples.p NULL: other files */
	struct span samples;
	unsigned sample_bytes;
};

/* Returns true for the kinds that sound_read() reads. */
bool sound_kind(enum file_magic kind);
/* Reads the sound of a whole file of this kind. *out is always set. */
void sound_read(struct span bytes, enum file_magic kind, struct sound *out);

/* Writes the head of a WAV file of one channel with `n` bytes of samples. `tag`: WAVE_FORMAT_…
 * (RFC 2361: 1 PCM, 6 A-law, 7 mu-law). Returns the end of the head. */
enum { WAV_HEAD = 44 };
char *sound_wav_head(char to[WAV_HEAD], unsigned tag, unsigned rate, unsigned bits, size_t n);
/* Copies one channel (from 0) of such a WAV file as a WAV file of one channel. Returns an empty
 * span if memory is exhausted, or if the file has no such channel. */
struct span sound_channel(
	struct span wav, const struct sound *s, unsigned channel, struct arena *a);

#endif
