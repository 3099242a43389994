/* The readers of sound, one for each family of formats. Private to scan/media/. Each sets
 * codec, ms, channels and a flaw; sound_read() has set the rest. */
#ifndef SCAN_MEDIA_SOUND_READER_H
#define SCAN_MEDIA_SOUND_READER_H

#include "scan/media/reader.h"
#include "scan/media/sound.h"

void sound_wav(struct span bytes, struct sound *out);
void sound_mpeg(struct span bytes, struct sound *out);
void sound_flac(struct span bytes, struct sound *out);
void sound_ogg(struct span bytes, struct sound *out);
void sound_boxes(struct span bytes, struct sound *out);
void sound_webm(struct span bytes, struct sound *out);

/* The first flaw is kept. */
static inline void
sound_has(struct sound *s, enum sound_flaw flaw)
{
	if (s->flaw == SOUND_WHOLE)
		s->flaw = flaw;
}

/* Returns n samples at `rate` a second in milliseconds, rounded up; 0 if there is no rate. */
static inline uint64_t
sound_ms(uint64_t n, uint64_t rate)
{
	return rate && n < UINT64_MAX / 1000 ? (n * 1000 + rate - 1) / rate : 0;
}

/* Returns true if a header states another length than was counted: more than 2 percent and a
 * fifth of a second apart. Encoders add and cut a few frames at the ends. */
static inline bool
sound_lies(uint64_t stated_ms, uint64_t counted_ms)
{
	uint64_t more =
		stated_ms > counted_ms ? stated_ms - counted_ms : counted_ms - stated_ms;
	return more > counted_ms / 50 + 200;
}

#endif
