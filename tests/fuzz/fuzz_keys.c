/* Any bytes as statements about keys, as in a file and as in a record. An accepted statement
 * can be written and read again. Without a trusted key, no statement adds a key. */
#include <stdlib.h>

#include "base/err.h"
#include "record/journal/keyring.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct span text = span_of(data, size), rest = text;
	struct keyring *ring = calloc(1, sizeof(*ring));
	struct key_statement s, again;
	struct buf b;

	INVARIANT(ring);
	buf_init(&b, 0);
	while (key_statement_next(&rest, &s) > 0) {
		buf_clear(&b);
		key_statement_write(&b, &s);
		struct span written = buf_view(&b);
		INVARIANT(key_statement_next(&written, &again) == 1);
		INVARIANT(strcmp(s.text, again.text) == 0 && s.nsigs == again.nsigs &&
			  s.record == again.record && s.from == again.from);
		keyring_take(ring, &s);
	}
	rest = text;
	while (rest.n) {
		struct span line = span_next(&rest, '\n');
		if (key_statement_of(line, &s) == 0)
			keyring_take(ring, &s);
	}
	INVARIANT(ring->nkeys == 0 && ring->nroots == 0 && ring->nrevoked == 0);
	buf_free(&b);
	free(ring);
	return 0;
}
