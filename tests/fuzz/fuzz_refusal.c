/* Error documents of providers. The first byte selects the status, the rest of its line is the
 * content of the framing, and all after it the document. The document never gives less
 * information than the status. */
#include <stdlib.h>

#include "scan/dialect/refusal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int statuses[] = { 400, 401, 403, 404, 429, 500, 0, 503 };
	struct span in = span_of(data, size);
	struct arena a;

	if (!size)
		return 0;
	int status = statuses[data[0] % COUNT_OF(statuses)];
	in = span_cut(in, 1, in.n);
	struct span type = span_next(&in, '\n');
	arena_init(&a, 4 << 20, false);
	enum refusal said = dialect_refusal(status, type, in, &a);
	if (said >= REFUSALS || !refusal_names[said] ||
		said < dialect_refusal(status, SPAN_LIT(""), SPAN_LIT(""), &a))
		abort();
	arena_reset(&a);
	return 0;
}
