/* scan/media over any bytes. The first byte selects the declared type. */
#include "base/caps.h"
#include "base/utf8.h"
#include "base/err.h"
#include "base/scoped.h"
#include "scan/media/media_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const declared[] = { "", "image/png", "jpeg", "audio/mpeg",
		"text/plain", "application/vnd.ms-excel" };
	SCOPED_ARENA(a, CAP_REQUEST_ARENA, false);
	struct file_facts f;
	size_t bytes = 0;

	if (!size)
		return 0;
	int err = file_read(span_of(data + 1, size - 1),
		span_str(declared[data[0] % COUNT_OF(declared)]), &a, &f);
	INVARIANT(!err);
	INVARIANT(f.kind < FILE_KINDS && f.flaw < FILE_FLAWS && f.ntexts <= CAP_MEDIA_TEXTS);
	INVARIANT((uint64_t)f.width * f.height <= CAP_MEDIA_POINTS || f.flaw != FILE_SOUND);
	for (size_t i = 0; i < f.ntexts; i++) {
		INVARIANT(f.texts[i].n && utf8_valid(f.texts[i]));
		bytes += f.texts[i].n;
	}
	INVARIANT(bytes <= CAP_MEDIA_TEXT_BYTES);
	struct span bare;
	err = file_bare(span_of(data + 1, size - 1), &a, &bare);
	INVARIANT(!err && bare.n <= size + 64);
	return 0;
}
