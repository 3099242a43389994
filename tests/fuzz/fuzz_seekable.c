/* Any bytes as a file in zstd's seekable format: table, frames, head. */
#include <stdlib.h>

#include "base/codec/seekable.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span all = span_of(data, size);
	struct seekable s;
	struct buf out;
	char head[512];

	INVARIANT(seekable_head(all, head, sizeof(head)) <= (int64_t)sizeof(head));
	if (size < SEEKABLE_FOOTER)
		return 0;
	int64_t n = seekable_table_bytes(span_cut(all, size - SEEKABLE_FOOTER, size));
	if (n < 0 || (uint64_t)n > size ||
		seekable_table(span_cut(all, size - (size_t)n, size), size, &s))
		return 0;
	buf_init(&out, 0);
	for (size_t i = 0; i < s.n && i < 64; i++) {
		const struct seekable_frame *f = &s.frame[i];
		INVARIANT(f[1].packed <= size);
		buf_clear(&out);
		if (seekable_decode(&s, i,
			    span_cut(all, (size_t)f->packed, (size_t)f[1].packed), &out) == 0)
			INVARIANT(out.n == f[1].plain - f->plain);
		size_t found = seekable_find(&s, f->plain);
		INVARIANT(found >= i);
	}
	buf_free(&out);
	seekable_free(&s);
	return 0;
}
