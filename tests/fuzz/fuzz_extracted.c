/* Any bytes as a response of tollgate-extract. It is read or invalid. Texts lie within it or in
 * the arena, and there is always a page or a reason. The corrected values of a text are at most
 * twice as long as the text. */
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/scoped.h"
#include "gate/files/ocr_text.h"
#include "scan/media/extracted.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct extracted x;
	size_t sum = 0;

	arena_init(&a, 0, false);
	if (extracted_read(span_of((const char *)data, size), &a, &x) == 0) {
		INVARIANT(x.pages || x.why);
		for (size_t i = 0; i < x.ntexts; i++) {
			SCOPED_BUF(out, 0);
			for (size_t k = 0; k < x.texts[i].text.n; k++)
				sum += (unsigned char)x.texts[i].text.p[k];
			ocr_text_correct(x.texts[i].text, &out);
			INVARIANT(out.n <= 2 * x.texts[i].text.n);
		}
		INVARIANT(sum <= 255 * size);
	}
	arena_reset(&a);
	return 0;
}
