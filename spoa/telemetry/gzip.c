/* zlib, at its fastest level. */
#include "telemetry/gzip.h"

#include <zlib.h>

#include "base/err.h"

int
gzip_buf(struct buf *b)
{
	struct span s = buf_view(b);
	z_stream z = { 0 };
	struct buf out;

	if (deflateInit2(&z, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK)
		return ERR_NOMEM;
	size_t most = deflateBound(&z, s.n);
	buf_init(&out, 0);
	buf_reserve(&out, most);
	if (!buf_failed(&out)) {
		z.next_in = (Bytef *)(uintptr_t)s.p;
		z.avail_in = (uInt)s.n;
		z.next_out = (Bytef *)out.p;
		z.avail_out = (uInt)most;
		if (deflate(&z, Z_FINISH) == Z_STREAM_END) {
			buf_clear(b);
			buf_put(b, out.p, z.total_out);
		}
	}
	bool ok = z.total_out > 0 && !buf_failed(&out) && !buf_failed(b);
	deflateEnd(&z);
	buf_free(&out);
	return ok ? 0 : ERR_NOMEM;
}
