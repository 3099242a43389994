/* Any bytes as a response that creates objects at its provider, and several in sequence. */
#include <stdlib.h>

#include "scan/dialect/owned.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span in = span_of(data, size);
	struct made_thing made[OWNED_MAX];
	struct arena a;
	size_t n = 0;

	arena_init(&a, 4 << 20, false);
	while (in.n) {
		size_t before = n;
		struct span line = span_next(&in, '\n');
		dialect_made_things(line, &a, made, &n);
		if (n > OWNED_MAX || n < before)
			abort();
		for (size_t i = 0; i < n; i++)
			if (!file_name_known(&made[i].id))
				abort();
		dialect_may_have_made(line);
	}
	arena_reset(&a);
	return 0;
}
