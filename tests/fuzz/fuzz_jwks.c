/* Any bytes as a key set: loaded with keys, or refused with a reason. A loaded set must not
 * verify a token that was not signed. */
#include <stdint.h>

#include "base/err.h"
#include "base/fetch/jwks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const unsigned char zero[512];
	struct buf why;

	buf_init(&why, 4096);
	struct jwks *k = jwks_load(span_of(data, size), &why);
	INVARIANT(k ? jwks_count(k) > 0 : why.n > 0);
	for (int alg = 0; k && alg <= JWS_ALGS; alg++)
		for (size_t n = 32; n <= sizeof(zero); n *= 2)
			INVARIANT(jwks_verify(k, span_str(""), (enum jws_alg)alg,
					  SPAN_LIT("text"), span_of(zero, n)) < 0);
	jwks_free(&k);
	buf_free(&why);
	return 0;
}
