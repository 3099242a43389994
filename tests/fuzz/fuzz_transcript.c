/* Any bytes as a transcriber's response, in each format. Its pieces lie in its text, in order.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "scan/speech/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct transcript t;
	size_t sum = 0;

	for (enum transcript_format f = TRANSCRIPT_VERBOSE; f <= TRANSCRIPT_TEXT; f++) {
		arena_init(&a, 0, false);
		if (!transcript_read(span_of((const char *)data, size), f, 10000, &a, &t)) {
			for (size_t i = 0; i < t.text.n; i++)
				sum += (unsigned char)t.text.p[i];
			for (size_t i = 0; i < t.npieces; i++)
				INVARIANT(t.pieces[i].at <= t.text.n &&
					  t.pieces[i].ms <= 11000 &&
					  (!i || t.pieces[i].at >= t.pieces[i - 1].at));
		}
		arena_reset(&a);
	}
	INVARIANT(sum <= 3 * 255 * size);
	return 0;
}
