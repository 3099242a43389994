/* Any bytes as a prompt whose meaning is compared, and as a response with a vector. The fixed
 * part of a prompt has a bounded length and is the same each time; a vector has a length. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "gate/cache/meaning.h"
#include "support/courtesy_shipped.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span s = span_of(data, size);
	struct buf one, two;
	uint64_t tokens;

	buf_init(&one, 0);
	buf_init(&two, 0);
	if (!meaning_firm(shipped_courtesy(), s, &one)) {
		INVARIANT(!meaning_firm(shipped_courtesy(), s, &two));
		INVARIANT(one.n <= size + 2 * QUESTION_BYTES + 8 && span_eq(buf_view(&one), buf_view(&two)));
	}
	buf_clear(&one);
	if (!meaning_vector(s, &one, &tokens))
		INVARIANT(one.n && one.n % sizeof(float) == 0 &&
			  one.n / sizeof(float) <= MEANING_DIMS_MOST);
	buf_free(&one);
	buf_free(&two);
	return 0;
}
