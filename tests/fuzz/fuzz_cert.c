/* Any bytes as a client's certificate or as a PEM file. It is read or refused. Its values must
 * be valid in a log line, a header and a record. */
#include <stdint.h>

#include "base/codec/cert.h"
#include "base/utf8.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct arena a;
	struct cert c;

	int64_t end_s;

	cert_pem_end(span_of(data, size), &end_s);
	arena_init(&a, 0, false);
	if (cert_read(span_of(data, size), &a, &c) == 0)
		for (size_t i = 0; i < c.n; i++) {
			struct span s = c.v[i].text;
			INVARIANT(cert_field_known(span_str(c.v[i].field)));
			INVARIANT(s.n > 0 && utf8_valid(s));
			for (size_t k = 0; k < s.n; k++)
				INVARIANT((unsigned char)s.p[k] >= 0x20);
		}
	arena_reset(&a);
	return 0;
}
