/* Any bytes as the file of admin.tokens: refused with its line, or read. The file that is then
 * written reads as the same. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "operator/admin/tokens.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf why, out;

	buf_init(&why, 1024);
	buf_init(&out, TOKEN_FILE_MAX);
	struct admin_tokens *t =
		admin_tokens_parse(span_of((const char *)data, size), &why), *again = NULL;
	if (t) {
		admin_tokens_write(t, &out);
		again = admin_tokens_parse(buf_view(&out), &why);
		INVARIANT(again && again->n == t->n);
		for (size_t i = 0; i < t->n; i++) {
			INVARIANT(again->row[i].roles == t->row[i].roles);
			INVARIANT(!strcmp(again->row[i].name, t->row[i].name));
			INVARIANT(admin_tokens_find(again, t->row[i].sha256) == &again->row[i]);
		}
	} else {
		INVARIANT(why.n > 0);
	}
	free(again);
	free(t);
	buf_free(&out);
	buf_free(&why);
	return 0;
}
