/* Any bytes as a file with sound, as each kind. Each channel that can be parted is a sound of
 * the same length. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scan/media/sound.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct span bytes = span_of((const char *)data, size);
	struct arena a;
	struct sound s, one;

	arena_init(&a, 0, false);
	for (enum file_magic k = 0; k < FILE_KINDS; k++) {
		if (!sound_kind(k))
			continue;
		sound_read(bytes, k, &s);
		INVARIANT(s.flaw || (s.ms > 0 && s.codec[0]));
		if (s.flaw || !s.samples.p || s.channels > 8)
			continue;
		for (unsigned c = 0; c < s.channels; c++) {
			struct span wav = sound_channel(bytes, &s, c, &a);
			if (!wav.p)
				continue;
			sound_read(wav, FILE_WAV, &one);
			INVARIANT(one.channels == 1 && one.ms == s.ms && !one.flaw);
		}
	}
	arena_reset(&a);
	return 0;
}
