/* codec/inflate over any bytes. The first byte selects the coding. */
#include "base/buf.h"
#include "base/caps.h"
#include "base/codec/inflate.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const codings[] = { "gzip", "deflate", "br", "identity" };
	struct buf out;
	enum { CAP = 1 << 20 };

	if (!size)
		return 0;
	buf_init(&out, CAP);
	int err = inflate_all(span_str(codings[data[0] & 3]), span_of(data + 1, size - 1),
		CAP_INFLATE_RATIO, &out);
	INVARIANT(out.n <= CAP);
	INVARIANT(err == 0 || err == ERR_LIMIT || err == ERR_SYNTAX || err == ERR_TRUNCATED);
	buf_free(&out);
	return 0;
}
