/* Any bytes as a HAProxy configuration: read to its end or refused. Every word must end with
 * NUL, and every rule is applied. */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "operator/edge/judge.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct haproxy h;
	struct judged j;

	haproxy_init(&h);
	haproxy_set_version(&h, size % 2 ? SPAN_LIT("2.6.12") : SPAN_LIT("3.2.26"));
	if (haproxy_read_text(&h, "fuzz.cfg", span_of(data, size)) == 0) {
		haproxy_resolve(&h);
		for (size_t i = 0; i < h.n; i++)
			for (size_t k = 0; k < h.section[i].n; k++)
				for (size_t w = 0; w < h.section[i].line[k].n; w++) {
					struct span word = h.section[i].line[k].word[w];
					INVARIANT(word.p[word.n] == 0);
				}
		judge(&h, NULL, NULL, &j);
		INVARIANT((j.nerrors > 0) == (j.errors.n > 0));
		judged_free(&j);
	}
	haproxy_free(&h);
	return 0;
}
