/* A segment's manifest, which an archive may have altered. */
#include "base/err.h"
#include "record/archive/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct manifest m, again;
	struct buf out;

	if (manifest_read(span_of(data, size), &m))
		return 0;
	INVARIANT(m.first && m.last >= m.first && chain_node_valid(span_str(m.node)));
	INVARIANT(!strchr(m.segment, '/'));
	buf_init(&out, MANIFEST_BYTES);
	manifest_write(&m, &out);
	INVARIANT(manifest_read(buf_view(&out), &again) == 0);
	INVARIANT(!memcmp(&m, &again, sizeof(m)));
	buf_free(&out);
	return 0;
}
